"""Who will buy which of thousands of items, for a million customers: factors, personal terms and a calibrated logit.

Why it exists: the relevance model of trees reads a dense table of customers by items; a large catalogue is scored by
a product of factors and a few personal terms instead, which the shortlist takes as they are. What was bought before
and what never was obey other laws, so both have weights of their own, learned on outcomes of a past window from
features before it. Nothing on or after the day may enter, and no effect of an offer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.keys import positions, uniform
from rapport.core.reasons import Status
from rapport.differentiate.factors_als import Folding, fit_item_factors, fold_customers, in_runs
from rapport.differentiate.factors_counts import PairCounts, bought_after
from rapport.differentiate.factors_kernel import FEATURES, pair_scores, repeat_features, weighted
from rapport.differentiate.factors_logit import fit_logit
from rapport.differentiate.relevance_calibration import calibration_error

Floats = NDArray[np.float64]

VERSION = "factors-1"
FIT_SHARE = 0.8
LEAST_OUTCOMES = 50
MOST_DRAWN = 600_000
"""Pairs never bought that are drawn to learn from, over all windows."""
MOST_PAIRS = 400_000
"""Pairs bought before that are drawn to learn from, over all windows."""
EXPLORE = (
    "constant",
    "newcomers",
    "popular",
    "taste",
    "trips_28",
    "trips_91",
    "since_trip",
    "breadth",
    "trips_91_newcomers",
)
ADDED = 2
"""Dimensions beyond those of taste: the customer's own level, and how it meets newcomers' share of an item."""
_DRAW_STEP = np.int64(0x9E3779B97F4A7C1 * 2 + 1)


@dataclass(frozen=True)
class FactorSettings:
    """How factors are fitted.

    Attributes
    ----------
    window_days : int, at least 1
        Length of the outcome window: the validity of the offers.
    width : int, at least 1
        Dimensions of taste.
    ridge, weight : float, greater than 0
        lambda and alpha of the factors.
    rounds : int, at least 1
        Rounds of alternating least squares.
    salt : str
    """

    window_days: int = 28
    width: int = 30
    ridge: float = 30.0
    weight: float = 4.0
    rounds: int = 6
    salt: str = "factors"


@dataclass(frozen=True)
class ItemTerms:
    """What is known of J items as of a day, from the sample; each (J,) float64.

    newcomers : log odds that one who never bought it does within a window
    popular : log share of the active who bought it within 91 days
    interval : mean days between two purchases of one customer
    rebuy : log odds that one who has bought it does so within a window
    """

    newcomers: Floats
    popular: Floats
    interval: Floats
    rebuy: Floats


@dataclass(frozen=True)
class FactorFit:
    """How well the weights do on customers and pairs that they were not learned from."""

    status: Status
    pairs: int
    share: float
    mean_probability: float
    calibration_error: float


@dataclass(frozen=True)
class FactorModel:
    """Everything needed to score anybody: small, global, as of a day.

    Attributes
    ----------
    as_of, learned_from : int, tuple of int
        The day, and the first days of the windows whose outcomes taught the weights, in days since 1970-01-01.
    """

    version: str
    as_of: int
    learned_from: tuple[int, ...]
    settings: FactorSettings
    folding: Folding
    items: ItemTerms
    explore_weights: Floats
    repeat_weights: Floats
    explore: FactorFit
    repeat: FactorFit


@dataclass(frozen=True)
class CustomerTerms:
    """What the shortlist reads of n customers, but for rules and charges; see `decide.catalogue_kernel`.

    factors : (n, F + 2) float32; start : (n + 1,) int64; item : (m,) int32; logit : (m,) float32
    """

    factors: NDArray[np.float32]
    start: NDArray[np.int64]
    item: NDArray[np.int32]
    logit: NDArray[np.float32]


class _Arrays(NamedTuple):
    start: Any
    item: Any
    days: Any
    first_day: Any
    last_day: Any
    days_28: Any
    days_91: Any
    trips: Any
    first_trip: Any
    last_trip: Any
    trips_28: Any
    trips_91: Any


@dataclass(frozen=True)
class Snapshot:
    """A sample of customers as of a day, and what they bought in the window that ends on that day.

    counts : as of the day
    window : result of ``factor_outcomes_sql`` for the window before the day
    day : days since 1970-01-01, kept with the model
    """

    counts: PairCounts
    window: pa.Table
    day: int = 0


def fit_factors(snapshots: Sequence[Snapshot], settings: FactorSettings) -> FactorModel:
    """Return the model learned from a sample of customers.

    Parameters
    ----------
    snapshots : sequence of Snapshot, at least 3
        The same customers as of the day of the decision and one, two, ... windows before it. The last two serve only
        the shares of the window between them; so three teach from one window, five from three.
    settings : FactorSettings

    Returns
    -------
    FactorModel
        As of the first day; where fewer than 50 outcomes of a kind were seen, its status says so and the probability
        is the item's own share.

    Raises
    ------
    ValueError
        Fewer than three snapshots.

    References
    ----------
    Hu, Koren & Volinsky (2008), ICDM, for the factors; Fader, Hardie & Lee (2005) for frequency and recency.
    """
    if len(snapshots) < 3:
        raise ValueError(f"fit_factors: snapshots are {len(snapshots)}; must be at least 3. Give earlier days.")
    items = [item_terms(now, before) for now, before in pairwise(snapshots)]
    foldings: list[Folding] = []
    for now in reversed(snapshots[:-1]):
        start, rounds = (foldings[-1].factors, max(2, settings.rounds // 3)) if foldings else (None, settings.rounds)
        foldings.append(fit_item_factors(now.counts, settings.width, settings.ridge, settings.weight, rounds, start))
    foldings.reverse()
    windows = range(1, len(snapshots) - 1)
    drawn = [
        _rows(snapshots[k].counts, snapshots[k - 1].window, items[k], foldings[k], settings, k, len(windows))
        for k in windows
    ]
    explore, repeat = (_Rows.joined([d[kind] for d in drawn]) for kind in (0, 1))
    explore_weights, explore_fit = _learned(explore, len(EXPLORE), EXPLORE.index("newcomers"))
    repeat_weights, repeat_fit = _learned(repeat, len(FEATURES), FEATURES.index("rebuy"))
    return FactorModel(
        version=VERSION,
        as_of=snapshots[0].day,
        learned_from=tuple(snapshots[k].day for k in windows),
        settings=settings,
        folding=foldings[0],
        items=items[0],
        explore_weights=explore_weights,
        repeat_weights=repeat_weights,
        explore=explore_fit,
        repeat=repeat_fit,
    )


def item_terms(now: Snapshot, before: Snapshot) -> ItemTerms:
    """Return the terms of the items as of the day of `now`; `before` is one window earlier."""
    counts, earlier = now.counts, before.counts
    again, _, first_item = bought_after(earlier, now.window)
    n, j = max(int((counts.trips > 0).sum()), 1), counts.n_items
    had = np.bincount(earlier.item, minlength=j)
    new, kept = np.bincount(first_item, minlength=j), np.bincount(earlier.item[again], minlength=j)
    active = max(int((earlier.trips > 0).sum()), 1)
    lately = np.bincount(counts.item[counts.days_91 > 0], minlength=j)
    span = np.bincount(counts.item, weights=counts.first_day - counts.last_day, minlength=j)
    gaps = np.bincount(counts.item, weights=counts.days - 1, minlength=j)
    usual = (span.sum() + 30.0) / (gaps.sum() + 1.0)
    return ItemTerms(
        newcomers=_log_odds(new, np.maximum(active - had, 0)),
        popular=np.log((lately + 0.5) / (n + 1.0)),
        interval=(span + 10.0 * usual) / (gaps + 10.0),
        rebuy=_log_odds(kept, had),
    )


def _log_odds(hits: NDArray[Any], of: NDArray[Any], prior: float = 20.0) -> Floats:
    """Return log odds of a share, pulled to that of all items as by `prior` observations."""
    # Where nobody was seen at all, one in a hundred.
    mean = (hits.sum() + 0.5) / (of.sum() + 50.0)
    share = (hits + prior * mean) / (np.maximum(of, hits) + prior)
    return np.asarray(np.log(share) - np.log1p(-share))


def item_logits(model: FactorModel) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return factors (J, F + 2) and bias (J,) of the items, as `decide.catalogue_kernel.OfferTerms` takes them."""
    items, weights = model.items, _named(model.explore_weights, EXPLORE)
    ones = np.ones(len(items.newcomers))
    factors = np.column_stack([model.folding.factors, ones, items.newcomers]).astype(np.float32)
    bias = weights["constant"] + weights["newcomers"] * items.newcomers + weights["popular"] * items.popular
    return factors, bias.astype(np.float32)


def customer_terms(model: FactorModel, counts: PairCounts) -> CustomerTerms:
    """Return factors and personal terms of customers; the same bytes alone and in any batch.

    Parameters
    ----------
    model : FactorModel
    counts : PairCounts
        As of the day of the model, over its items.

    Notes
    -----
    A personal term is what takes the logit of a pair from that of one never bought, which the factors give, to that
    of its own history.
    """
    people = fold_customers(counts, model.folding)
    taste = _taste(counts, people, model.folding.factors)
    weights = _named(model.explore_weights, EXPLORE)
    level, meets = _level(counts, weights)
    factors = np.column_stack([people * weights["taste"], level, meets]).astype(np.float32)
    item_factors, bias = item_logits(model)
    plain = np.zeros(len(counts.item))
    arrays = (factors.astype(np.float64), item_factors.astype(np.float64))
    in_runs(counts.n_customers, lambda rows: pair_scores(counts.start, counts.item, *arrays, plain, rows))
    features = _repeat(counts, model.items, taste, model.settings.window_days)
    own = np.zeros(len(counts.item))
    in_runs(len(own), lambda rows: weighted(features, model.repeat_weights, own, rows))
    personal = own - (bias[counts.item].astype(np.float64) + plain)
    return CustomerTerms(factors, counts.start, counts.item, personal.astype(np.float32))


def probabilities(model: FactorModel, counts: PairCounts) -> Floats:
    """Return the probability that each customer buys each item within the window, shape (n, J); for few customers.

    What the shortlist works out for its own pairs, written down for all: to look at and to measure.
    """
    terms = customer_terms(model, counts)
    factors, bias = item_logits(model)
    logit = terms.factors.astype(np.float64) @ factors.astype(np.float64).T + bias
    logit[counts.row, counts.item] += terms.logit
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))


def _named(weights: Floats, names: Sequence[str]) -> dict[str, float]:
    return dict(zip(names, weights.tolist(), strict=True))


def _customer_columns(counts: PairCounts) -> Floats:
    """Return trips_28, trips_91, since_trip and breadth of customers, (n, 4); logarithms by whole numbers."""
    pairs = np.diff(counts.start)
    table = np.log1p(np.arange(max(counts.last_trip.max(initial=0), pairs.max(initial=0)) + 1))
    trips = (table[counts.trips_28], table[counts.trips_91], table[counts.last_trip])
    return np.column_stack([*trips, table[pairs]])


def _level(counts: PairCounts, weights: dict[str, float]) -> tuple[Floats, Floats]:
    columns = _customer_columns(counts)
    level = np.zeros(len(columns))
    for k, name in enumerate(EXPLORE[4:8]):
        level += weights[name] * columns[:, k]
    return level, weights["trips_91_newcomers"] * columns[:, 1]


def _taste(counts: PairCounts, people: Floats, factors: Floats) -> Floats:
    out = np.zeros(len(counts.item))
    in_runs(counts.n_customers, lambda rows: pair_scores(counts.start, counts.item, people, factors, out, rows))
    return out


def _repeat(counts: PairCounts, items: ItemTerms, taste: Floats, window_days: int) -> Floats:
    out = np.zeros((len(counts.item), len(FEATURES)))
    arrays = _Arrays(*(getattr(counts, name) for name in _Arrays._fields))
    given = (items.interval, items.rebuy, items.popular)
    in_runs(counts.n_customers, lambda rows: repeat_features(arrays, given, taste, float(window_days), out, rows))
    return out


@dataclass(frozen=True)
class _Rows:
    """Pairs with outcomes: features (m, K), what happened, how much a row counts, and whether to learn from it."""

    x: Floats
    y: NDArray[np.bool_]
    weight: Floats
    learn: NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[_Rows]) -> _Rows:
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("x", "y", "weight", "learn")))


def _rows(
    counts: PairCounts, window: pa.Table, items: ItemTerms, folding: Folding,
    settings: FactorSettings, number: int, windows: int,
) -> tuple[_Rows, _Rows]:  # fmt: skip
    """Return the rows of pairs never bought and of pairs bought before, of customers active before the window."""
    keep = counts.trips > 0
    share = min(1.0, MOST_PAIRS / windows / max(len(counts.item), 1))
    keep &= uniform(counts.customer_keys, f"{settings.salt}/rows/{number}") < share
    counts = counts.of_selected(keep)
    again, new_row, new_item = bought_after(counts, window)
    people = fold_customers(counts, folding)
    learn = uniform(counts.customer_keys, f"{settings.salt}/split") < FIT_SHARE
    taste = _taste(counts, people, folding.factors)
    repeat = _Rows(_repeat(counts, items, taste, settings.window_days), again, np.ones(len(again)), learn[counts.row])
    row, item, weight = _never(counts, (new_row, new_item), MOST_DRAWN // windows, f"{settings.salt}/{number}")
    y = np.zeros(len(row) + len(new_row), dtype=np.bool_)
    y[len(row) :] = True
    row, item = np.concatenate([row, new_row]), np.concatenate([item, new_item])
    x = _explore(counts, items, people, folding.factors, row, item)
    weights = np.concatenate([np.full(len(y) - len(new_row), weight), np.ones(len(new_row))])
    return _Rows(x, y, weights, learn[row]), repeat


def _explore(
    counts: PairCounts, items: ItemTerms, people: Floats, factors: Floats, row: NDArray[Any], item: NDArray[Any]
) -> Floats:
    columns = _customer_columns(counts)[row]
    taste = np.zeros(len(row))
    for k in range(factors.shape[1]):
        taste += people[row, k] * factors[item, k]
    newcomers = items.newcomers[item]
    return np.column_stack(
        [np.ones(len(row)), newcomers, items.popular[item], taste, columns, columns[:, 1] * newcomers]
    )


def _never(
    counts: PairCounts, new: tuple[NDArray[Any], NDArray[Any]], most: int, salt: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Return row and item of pairs bought neither before nor in the window, and what each counts.

    All of them where they are few, otherwise some items drawn for each customer.
    """
    n, j = counts.n_customers, counts.n_items
    each = min(j, max(1, most // max(n, 1)))
    row = np.repeat(np.arange(n), each)
    if each == j:
        item = np.tile(np.arange(j), n)
    else:
        number = np.tile(np.arange(each, dtype=np.int64), n)
        with np.errstate(over="ignore"):
            item = (uniform(counts.customer_keys[row] + number * _DRAW_STEP, f"{salt}/draw") * j).astype(np.int64)
    cell = row * np.int64(j) + item
    taken = np.sort(np.concatenate([counts.row * np.int64(j) + counts.item, new[0] * np.int64(j) + new[1]]))
    open_ = positions(taken, cell) < 0
    return row[open_], item[open_], j / each if each else 1.0


def _learned(rows: _Rows, count: int, fallback: int) -> tuple[Floats, FactorFit]:
    learn, rest = rows.learn, ~rows.learn
    hits = int(rows.y[learn].sum())
    enough = min(hits, int(learn.sum()) - hits) >= LEAST_OUTCOMES
    if enough:
        weights = fit_logit(rows.x[learn], rows.y[learn], rows.weight[learn])
    else:
        weights = np.zeros(count)
        weights[fallback] = 1.0
    p = 1.0 / (1.0 + np.exp(-(rows.x[rest] @ weights)))
    mass = rows.weight[rest]
    total = mass.sum()
    if not total:
        return weights, FactorFit(Status.OK if enough else Status.TOO_FEW_CUSTOMERS, 0, np.nan, np.nan, np.nan)
    fit = FactorFit(
        status=Status.OK if enough else Status.TOO_FEW_CUSTOMERS,
        pairs=len(p),
        share=float(mass @ rows.y[rest] / total),
        mean_probability=float(mass @ p / total),
        calibration_error=_weighted_error(p, rows.y[rest], mass),
    )
    return weights, fit


def _weighted_error(p: Floats, y: NDArray[np.bool_], mass: Floats) -> float:
    """Return the expected calibration error in ten groups of equal weight."""
    if (mass == mass[0]).all():
        return calibration_error(p, y)
    order = np.argsort(p, kind="stable")
    running = np.cumsum(mass[order])
    group = np.minimum((10 * (running - mass[order] / 2) / running[-1]).astype(np.int64), 9)
    gap = np.bincount(group, weights=(mass * (p - y))[order], minlength=10)
    return float(np.abs(gap).sum() / running[-1])
