"""A made-up catalogue and its customers, from a seed, chunk by chunk.

Why it exists: speed and memory of a shortlist are measured on data of any size whose structure is known: tastes that
groups of customers share, offers of very unequal popularity, habits of single customers, rules that shut some out.
Independent noise would not do: the work of keeping the best depends on how unequal the offers are. No file is written
here and nothing is decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUPS = 24
"""Tastes: each offer belongs to one, each customer leans to two."""
HABITS = 12
"""Stretches of the catalogue in each of which a customer may have one habit; five in six do."""
HABIT_SHARE = 5 / 6
RULES = 32
"""Kinds of offers that a rule can exclude."""


@dataclass(frozen=True)
class PlantedOffers:
    """J offers: factors (J, F), rule_bits (J, 1), charge (1, J) in micros, the rest (J,)."""

    factors: NDArray[np.float32]
    bias: NDArray[np.float32]
    price_micros: NDArray[np.int64]
    margin_share: NDArray[np.float64]
    depth: NDArray[np.float64]
    boost: NDArray[np.float64]
    rule_bits: NDArray[np.uint64]
    charge: NDArray[np.float64]


@dataclass(frozen=True)
class PlantedCustomers:
    """n customers: factors (n, F), personal terms as in a compressed sparse row matrix, rule_bits (n, 1)."""

    factors: NDArray[np.float32]
    personal_start: NDArray[np.int64]
    personal_offer: NDArray[np.int32]
    personal_logit: NDArray[np.float32]
    rule_bits: NDArray[np.uint64]
    charge_class: NDArray[np.int32]


def plant_offers(count: int, dimensions: int, seed: int) -> PlantedOffers:
    """Return a catalogue of `count` offers with `dimensions` factors, the same for the same seed.

    Popularity falls with rank as in Zipf's law, prices are lognormal about 4 currency units, discounts are 10 to 25 %
    of the price, margins 25 to 45 %; every fifth offer is charged for a shared limit.
    """
    draw = np.random.default_rng([seed, 0])
    centres = _centres(dimensions, seed)
    group = draw.integers(0, GROUPS, count)
    noise = draw.standard_normal((count, dimensions), dtype=np.float32)
    rank = draw.permutation(count)
    kind = np.uint64(1) << draw.integers(0, RULES, (count, 1)).astype(np.uint64)
    return PlantedOffers(
        factors=((centres[group] + 0.7 * noise) / np.sqrt(max(dimensions, 1))).astype(np.float32),
        bias=(-2.0 - 0.5 * np.log1p(rank)).astype(np.float32),
        price_micros=(draw.lognormal(1.4, 0.6, count) * 1e6).astype(np.int64),
        margin_share=draw.uniform(0.25, 0.45, count),
        depth=draw.choice([0.10, 0.15, 0.20, 0.25], count),
        boost=np.where(draw.random(count) < 0.1, 0.2, 0.0),
        rule_bits=np.where(draw.random((count, 1)) < 0.5, kind, np.uint64(0)),
        charge=np.where(draw.random((1, count)) < 0.2, draw.uniform(0.0, 20_000.0, (1, count)), 0.0),
    )


def plant_customers(chunk: int, n: int, offers: int, dimensions: int, seed: int) -> PlantedCustomers:
    """Return the `n` customers of a chunk, which do not depend on other chunks, for a catalogue of `offers`.

    A customer leans to two tastes, has about ten habits (a logit added to one offer in each of `HABITS` stretches of
    the catalogue, fewer in a small one) and is shut out of about one offer in thirty by rules.
    """
    draw = np.random.default_rng([seed, 1, chunk])
    centres = _centres(dimensions, seed)
    first, second = draw.integers(0, GROUPS, (2, n))
    factors = draw.standard_normal((n, dimensions), dtype=np.float32)
    factors *= np.float32(0.7)
    factors += centres[first]
    factors += np.float32(0.5) * centres[second]
    factors *= np.float32(0.6)
    stretches = min(HABITS, offers)
    edges = np.arange(stretches + 1) * offers // max(stretches, 1)
    habit = edges[:-1] + (draw.random((n, stretches)) * np.diff(edges)).astype(np.int64)
    has = draw.random((n, stretches)) < HABIT_SHARE
    start = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(has.sum(axis=1), out=start[1:])
    shut = np.uint64(1) << draw.integers(0, RULES, (n, 2)).astype(np.uint64)
    return PlantedCustomers(
        factors=factors,
        personal_start=start,
        personal_offer=habit[has].astype(np.int32),
        personal_logit=draw.uniform(0.5, 3.0, int(start[-1])).astype(np.float32),
        rule_bits=shut[:, :1] | shut[:, 1:],
        charge_class=np.zeros(n, dtype=np.int32),
    )


def _centres(dimensions: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng([seed, 2]).standard_normal((GROUPS, dimensions), dtype=np.float32)
