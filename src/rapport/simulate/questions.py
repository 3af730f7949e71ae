"""A made-up market in which customers have hidden traits that change what is best for them, and may be asked.

Why it exists: what a question was worth is never seen, because nobody knows what would have been done without the
answer. Here everybody's traits are planted, so it can be counted. Some traits matter and some do not; for some
customers the segment gives them away and for others not; answers may be refused or wrong. The chance of each is fixed
by key and seed. No policy of asking enters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import customer_keys, uniform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REFUSED = -1


@dataclass(frozen=True, slots=True)
class QuestionWorld:
    """How a made-up market is.

    traits, answers, treatments, segments : how many; every trait has as many answers
    strength : money by which an answer of the trait that matters most moves the worth of a treatment, one standard
        deviation; each further trait matters `fading` times as much
    telling : how much the segments differ in their traits; 0: the segment says nothing
    reply, right : chance that an answer is given, and that it is true; else any of the others
    annoyance : money lost by being asked
    """

    traits: int = 6
    answers: int = 3
    treatments: int = 5
    segments: int = 8
    strength: float = 3.0
    fading: float = 0.6
    telling: float = 1.5
    reply: float = 0.7
    right: float = 0.9
    annoyance: float = 0.1

    @property
    def likelihood(self) -> Floats:
        """Return the chance of each answer given the truth, (answers, answers)."""
        wrong = (1.0 - self.right) / (self.answers - 1)
        return np.full((self.answers, self.answers), wrong) + np.eye(self.answers) * (self.right - wrong)


@dataclass(frozen=True, slots=True)
class QuestionMarket:
    """n customers, and what only the maker knows of them.

    keys : (n,); segment : (n,), known to all
    said : (n, traits) what each customer would answer, `REFUSED` where they would not
    base : (treatments,), effects : (traits, answers, treatments), the worth of treatments, known to the decision
    truth : (n, traits) the traits as they are; only the maker knows them
    """

    world: QuestionWorld
    keys: Ints
    segment: Ints
    said: Ints
    base: Floats
    effects: Floats
    truth: Ints

    def realised(self, treatment: Ints) -> Floats:
        """Return what treatments bring, (n,)."""
        worth = self.base[treatment].copy()
        for k in range(self.world.traits):
            worth += self.effects[k, self.truth[:, k], treatment]
        return worth


def simulate_questions(world: QuestionWorld, customers: int, seed: int, draw: str = "market") -> QuestionMarket:
    """Return a market; another `draw` gives other customers of the same market, such as those who taught it."""
    salt = f"questions/{seed}"
    shape = world.traits, world.answers, world.treatments
    scale = world.strength * world.fading ** np.arange(world.traits)
    effects = _normal(f"{salt}/effects", shape) * scale[:, None, None]
    base = _normal(f"{salt}/base", (world.treatments,)) * world.strength / 4.0
    logits = _normal(f"{salt}/logits", (world.segments, world.traits, world.answers)) * world.telling
    chances = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    keys = customer_keys(f"{draw}/{i}" for i in range(customers))
    segment = np.floor(uniform(keys, f"{salt}/segment") * world.segments).astype(np.int64)
    truth, said = (np.zeros((customers, world.traits), dtype=np.int64) for _ in range(2))
    for k in range(world.traits):
        truth[:, k] = _drawn(chances[segment, k], uniform(keys, f"{salt}/truth/{k}"))
        told = _drawn(world.likelihood[truth[:, k]], uniform(keys, f"{salt}/said/{k}"))
        said[:, k] = np.where(uniform(keys, f"{salt}/reply/{k}") < world.reply, told, REFUSED)
    return QuestionMarket(world, keys, segment, said, base, effects, truth)


def _drawn(chances: Floats, at: Floats) -> Ints:
    """Return one draw for each row of chances."""
    over: Ints = (np.cumsum(chances, axis=1) <= at[:, None]).sum(axis=1)
    return np.minimum(over, chances.shape[1] - 1).astype(np.int64)


def _normal(salt: str, shape: tuple[int, ...]) -> Floats:
    from scipy.special import ndtri

    at = uniform(np.arange(int(np.prod(shape)), dtype=np.int64), salt)
    return np.asarray(ndtri(np.clip(at, 2.0**-53, 1.0 - 2.0**-53))).reshape(shape)
