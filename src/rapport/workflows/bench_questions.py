"""Measure what choosing questions by their worth brings, beside random and fixed orders, in made-up markets.

Why it exists: whether the next question is the best one can only be told where the answers of everybody are known.
All policies meet the same customers, who would answer the same; the decision after the answers is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform
from rapport.identify.questions import UNKNOWN, answer_probabilities, signal_worth
from rapport.measure.bootstrap import HouseholdDraws, Spread
from rapport.simulate.questions import REFUSED, QuestionMarket, QuestionWorld, simulate_questions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Progress = Callable[[str], None]

SEEDS = (1, 2, 3, 4, 5)
CONTACTS = 3
"""Contacts of each customer; one question may be asked in each."""

TAUGHT_BY = 400
"""Customers who answered everything before, from whom the chances of answers are learned."""


@dataclass(frozen=True)
class Outcome:
    """What a policy came to, by customer: money gained over asking nothing, less annoyance, and questions asked."""

    gain: Floats
    asked: Floats


def bench_questions(folder: Path, small: bool, progress: Progress) -> list[dict[str, Any]]:
    """Return the measured worth of questions asked by each policy.

    Parameters
    ----------
    folder : Path
        Not used: everything is made up in memory.
    small : bool
        300 customers in each of two markets; else 4,000 in each of five.
    progress : callable
        Told in a line what is being done.

    Returns
    -------
    list of dict
        One result each: name, label, value, unit, interval, comparator, comparator_value, bar, meets.
    """
    seeds, customers = (SEEDS[:2], 300) if small else (SEEDS, 4_000)
    found: dict[str, list[Outcome]] = {}
    keys = []
    for seed in seeds:
        progress(f"market {seed} of {len(seeds)}: {customers:,} customers, {CONTACTS} contacts each ...")
        market = simulate_questions(QuestionWorld(), customers, seed)
        keys.append(market.keys + seed)
        for name, outcome in outcomes_of(market, seed).items():
            found.setdefault(name, []).append(outcome)
    draws = HouseholdDraws(np.concatenate(keys), "bench questions")
    joined = {
        n: (np.concatenate([o.gain for o in v]), np.concatenate([o.asked for o in v])) for n, v in found.items()
    }
    about = (
        f"{customers:,} customers in each of {len(seeds)} made-up markets, money over asking nothing less annoyance"
    )
    return _results(draws, joined, about)


def outcomes_of(market: QuestionMarket, seed: int) -> dict[str, Outcome]:
    """Return what each policy comes to: ours, random, and fixed orders that are best in hindsight."""
    prior = learned_prior(market, seed)
    n, traits = market.said.shape
    random = np.argsort(
        np.stack([uniform(market.keys, f"random/{seed}/{k}") for k in range(traits)], axis=1), axis=1
    )[:, :CONTACTS]
    outcomes = {
        "ours": _outcome(market, prior, *ask_by_worth(market, prior)),
        "ours_first": _outcome(market, prior, *ask_by_worth(market, prior, contacts=1)),
        "random": _outcome(market, prior, *_ask_given(market, prior, random)),
    }
    fixed = [
        _outcome(market, prior, *_ask_given(market, prior, np.tile(order, (n, 1))))
        for size in range(1, CONTACTS + 1)
        for order in combinations(range(traits), size)
    ]
    # In hindsight: no order known beforehand could do better with these customers.
    outcomes["fixed_first"] = max(fixed[:traits], key=lambda o: float(o.gain.sum()))
    outcomes["fixed"] = max(fixed, key=lambda o: float(o.gain.sum()))
    return outcomes


def learned_prior(market: QuestionMarket, seed: int) -> Floats:
    """Return how likely each answer is for each customer before any question, (n, traits, answers).

    Learned from other customers of the market, by segment, as `answer_probabilities` does for a turn.
    """
    teachers = simulate_questions(market.world, TAUGHT_BY, seed, draw="teachers")
    by_segment = np.zeros((market.world.segments, market.world.traits, market.world.answers))
    for s in range(market.world.segments):
        for k in range(market.world.traits):
            said = np.where(teachers.said[:, k] == REFUSED, UNKNOWN, teachers.said[:, k])
            alike = answer_probabilities(said, market.world.answers, teachers.segment[:, None], np.array([s]))
            by_segment[s, k] = alike.probability
    return by_segment[market.segment]


def ask_by_worth(market: QuestionMarket, prior: Floats, contacts: int = CONTACTS) -> tuple[Floats, Ints]:
    """Return belief after asking each customer, contact by contact, what is worth most; and how many were asked."""
    world, belief = market.world, prior.copy()
    n = len(belief)
    asked = np.zeros((n, world.traits), dtype=np.bool_)
    for _ in range(contacts):
        worth = world.reply * _worths(market, belief) - world.annoyance
        worth[asked] = -np.inf
        best = np.argmax(worth, axis=1)
        going = np.flatnonzero(worth[np.arange(n), best] > 0.0)
        asked[going, best[going]] = True
        _learn(market, belief, going, best[going])
    return belief, asked.sum(axis=1).astype(np.int64)


def _worths(market: QuestionMarket, belief: Floats) -> Floats:
    """Return what an answer to each question is worth to each customer's decision, (n, traits)."""
    expected = np.einsum("nka,kat->nkt", belief, market.effects)
    total = market.base + expected.sum(axis=1)
    return np.stack(
        [
            signal_worth(
                (total - expected[:, k])[:, None, :] + market.effects[k][None], belief[:, k], market.world.likelihood
            )
            for k in range(belief.shape[1])
        ],
        axis=1,
    )


def _ask_given(market: QuestionMarket, prior: Floats, order: Ints) -> tuple[Floats, Ints]:
    """Return belief after asking each customer the questions of their row, and how many were asked."""
    belief = prior.copy()
    everyone = np.arange(len(belief))
    for place in range(order.shape[1]):
        _learn(market, belief, everyone, order[:, place])
    return belief, np.full(len(belief), order.shape[1], dtype=np.int64)


def _learn(market: QuestionMarket, belief: Floats, who: Ints, question: Ints) -> None:
    """Change the belief about customers by what they answer (Bayes); a refusal says nothing of the trait."""
    said = market.said[who, question]
    there = said != REFUSED
    who, question, said = who[there], question[there], said[there]
    after = belief[who, question] * market.world.likelihood[:, said].T
    belief[who, question] = after / after.sum(axis=1, keepdims=True)


def _outcome(market: QuestionMarket, prior: Floats, belief: Floats, asked: Ints) -> Outcome:
    gain = market.realised(_best(market, belief)) - market.realised(_best(market, prior))
    return Outcome(gain - market.world.annoyance * asked, asked.astype(np.float64))


def _best(market: QuestionMarket, belief: Floats) -> Ints:
    worth = market.base + np.einsum("nka,kat->nt", belief, market.effects)
    return np.asarray(np.argmax(worth, axis=1), dtype=np.int64)


def _results(draws: HouseholdDraws, found: dict[str, tuple[Floats, Floats]], about: str) -> list[dict[str, Any]]:
    ours, first, random, fixed, fixed_first = (
        found[n] for n in ("ours", "ours_first", "random", "fixed", "fixed_first")
    )
    each = np.ones(len(ours[0]))
    order = "best fixed order in hindsight"
    return [
        _result("question_value_per_asked", f"{about}, by question asked", draws.ratio(*ours))
        | {"comparator": f"{order}, same contacts", "comparator_value": _of(draws, fixed)},
        _result("question_value_random", "the same, in random order", draws.ratio(*random)),
        _result("question_value_fixed", f"the same, {order}", draws.ratio(*fixed)),
        _result("question_gain_over_random", "ours less random, by question", draws.difference(ours, random), 0.0),
        _result("question_gain_over_fixed", "ours less fixed, by question", draws.difference(ours, fixed), 0.0),
        _result("question_first_value", "one contact only, by question asked", draws.ratio(*first))
        | {"comparator": "the best one question for all in hindsight", "comparator_value": _of(draws, fixed_first)},
        _result(
            "question_first_gain_over_fixed",
            "one contact only, ours less fixed",
            draws.difference(first, fixed_first),
            0.0,
        ),
        _result("question_value_per_customer", "money by customer", draws.ratio(ours[0], each))
        | {"comparator": order, "comparator_value": _of(draws, (fixed[0], each))},
        _result(
            "question_customer_gain_over_fixed",
            "ours less fixed, by customer",
            draws.difference((ours[0], each), (fixed[0], each)),
            0.0,
        ),
        _result("question_asked_per_customer", "questions asked", draws.ratio(ours[1], each), unit="questions"),
    ]


def _of(draws: HouseholdDraws, pair: Sequence[Floats]) -> float | None:
    value = draws.ratio(pair[0], pair[1]).value
    return None if value is None else float(f"{value:.4g}")


def _result(name: str, label: str, spread: Spread, bar: float | None = None, unit: str = "money") -> dict[str, Any]:
    """Return one figure; a difference meets its bar where the whole interval lies above it."""
    value, low, high = (0.0 if v is None else float(f"{v:.4g}") for v in (spread.value, spread.low, spread.high))
    return {
        "name": name,
        "label": label,
        "value": value,
        "unit": unit,
        "interval": None if spread.low is None else [low, high],
        "comparator": None,
        "comparator_value": None,
        "bar": bar,
        "meets": None if bar is None else bool(spread.low is not None and low > bar),
    }
