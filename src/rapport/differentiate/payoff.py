"""The arithmetic of what personalisation can pay: how often they come, what they spend, how much variety there is.

Why it exists: one-to-one is worth more than segments where customers come often enough to be met, spend enough to pay
for it, buy enough different things for a choice to matter, and differ within segments. Each is measured here, for a
customer and for a tier, and the gap between a customer and the peers is put down to trips, baskets and variety. A
mean over all customers may not enter: it describes nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.core.money import round_micros
from rapport.core.reasons import Status
from rapport.differentiate.likelihood import Floats, Integers
from rapport.differentiate.payoff_spread import MIN_CUSTOMERS, VarianceSplit, split_variance
from rapport.differentiate.potential_peers import MOST_MICROS, whole_micros


@dataclass(frozen=True, slots=True)
class Shopping:
    """How customers shop in a year; arrays of shape (n,).

    Attributes
    ----------
    trips : array
        Visits, >= 0.
    variety : array
        Different departments (or items) on a trip, taken over the customer's trips, or in the year; >= 0.
    spend_micros : int64 array
        Spend (or contribution) in the year; may be below zero.
    """

    trips: ArrayLike
    variety: ArrayLike
    spend_micros: ArrayLike


@dataclass(frozen=True, slots=True)
class TierPayoff:
    """One tier (or segment) as itself; medians are the lower of two middle values.

    Attributes
    ----------
    tier : str
    customers, shopping : int
        Customers, and those with a trip.
    trips, variety : float
        Medians over those with a trip; 0 where there is none.
    spend_per_trip_micros, payoff_micros : int
        Medians over those with a trip.
    payoff_low_micros, payoff_high_micros : int
        A tenth of those with a trip are at or below, and at or above (the spread within the tier).
    share_of_payoff : float or None
        Of the sum over all tiers; None where that is not above zero.
    factor_shares : tuple of three floats or None
        How much of the variance of the logarithm of spend within the tier comes with trips, with the basket, with
        variety; they sum to 1. One is below zero where it offsets the others. None where nobody differs.
    """

    tier: str
    customers: int
    shopping: int
    trips: float
    variety: float
    spend_per_trip_micros: int
    payoff_micros: int
    payoff_low_micros: int
    payoff_high_micros: int
    share_of_payoff: float | None
    factor_shares: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Payoff:
    """Payoff arithmetic of each customer, each tier, and the spread between and within them.

    Attributes
    ----------
    spend_per_trip_micros : int64 array, shape (n,)
        0 where there is no trip.
    payoff_micros : int64 array, shape (n,)
        trips x spend a trip x variety: where personal choice has most to work on, not an amount to be earned.
    tiers : tuple of TierPayoff
        In the order of their names.
    by_tier : VarianceSplit
        Of spend, by tier. Where tiers were cut by spend or value, they explain much of it by construction.
    by_segment : VarianceSplit or None
        Of spend, by segment, where segments are given.
    """

    spend_per_trip_micros: Integers
    payoff_micros: Integers
    tiers: tuple[TierPayoff, ...]
    by_tier: VarianceSplit
    by_segment: VarianceSplit | None


@dataclass(frozen=True, slots=True)
class ShoppingPeers:
    """How peers typically shop: one row a cell, and one for everyone.

    Attributes
    ----------
    cells : int64 array, shape (c,), ascending
    customers : int64 array, shape (c,)
        Customers whose figures stand in the cell.
    logs : float64 array, shape (c + 1, 3)
        Mean logarithms of trips, basket and variety, pulled to those of everyone, who stand in the last row.
    status : Status
        TOO_FEW_CUSTOMERS where there are fewer than 20 in all.
    """

    cells: Integers
    customers: Integers
    logs: Floats
    status: Status


@dataclass(frozen=True, slots=True)
class ShoppingGap:
    """What customers lack to their peers, put down to three factors; int64 arrays of shape (n,), micros a year.

    Attributes
    ----------
    peers_micros, gap_micros
        What a typical peer spends, and that less the customer's own; below zero where the customer spends more.
    trips_micros, basket_micros, variety_micros
        Parts of the gap; they sum to it exactly.
    measurable : bool array
        Trips, variety and spend are above zero. Otherwise the whole gap stands under trips where there is no trip,
        else under the basket.
    """

    peers_micros: Integers
    gap_micros: Integers
    trips_micros: Integers
    basket_micros: Integers
    variety_micros: Integers
    measurable: NDArray[np.bool_]


def payoff(
    shopping: Shopping, tiers: ArrayLike, keys: ArrayLike, segments: ArrayLike | None = None, salt: str = "payoff"
) -> Payoff:
    """Return the payoff arithmetic of each customer and tier, and the spread that tiers and segments leave unsaid.

    Parameters
    ----------
    shopping : Shopping
    tiers : array of str, shape (n,)
    keys : int64 array, shape (n,)
        Fix the draws of the intervals.
    segments : array, shape (n,), optional
        Segment of each customer, such as the needs group or the cell of peers.
    salt : str
        Another salt gives other draws.

    Returns
    -------
    Payoff
        The figures of a customer depend on that customer only.

    Raises
    ------
    ValueError
        If amounts are not whole micros, counts are NaN or below zero, or lengths differ.
    """
    trips, variety, spend = _checked(shopping)
    names, ids = np.asarray(tiers).astype(str), np.asarray(keys)
    for name, column in (("tiers", names), ("keys", ids), ("segments", names if segments is None else segments)):
        if np.shape(column) != spend.shape:
            raise ValueError(f"{name}: {np.size(column)} for {spend.size} customers; give one each.")
    per_trip = round_micros(np.divide(spend, trips, out=np.zeros(spend.size), where=trips > 0))
    product = round_micros(np.clip(spend * variety, -float(MOST_MICROS), float(MOST_MICROS)))
    total = sum(product.tolist())
    logs = _logs(trips, variety, spend)
    rows = tuple(
        _tier(str(tier), names == tier, (trips, variety, per_trip, product, logs), total) for tier in np.unique(names)
    )
    return Payoff(
        spend_per_trip_micros=_frozen(per_trip),
        payoff_micros=_frozen(product),
        tiers=rows,
        by_tier=split_variance(spend, names, ids, salt),
        by_segment=None if segments is None else split_variance(spend, segments, ids, salt),
    )


def fit_shopping_peers(shopping: Shopping, cells: ArrayLike, counted: ArrayLike | None = None) -> ShoppingPeers:
    """Return how the peers of each cell shop: means of logarithms, pulled to everyone's where peers are few.

    Parameters
    ----------
    shopping : Shopping
    cells : int64 array, shape (n,)
        Cell of each customer, as ``CustomerPotential.cell``.
    counted : bool array, shape (n,), optional
        Who stands for the cell, such as those who have reached their potential; None: everyone. Only customers whose
        trips, variety and spend are above zero count.

    Returns
    -------
    ShoppingPeers

    Notes
    -----
    The mean of n peers weighs n / (n + k), with k the variance within cells over that between them, each factor
    by itself; k is infinite where cells do not differ beyond chance.

    References
    ----------
    Efron & Morris (1975), JASA 70: shrinkage of group means; the variances by analysis of variance, as Searle,
    Casella & McCulloch (1992), Variance Components, ch. 3.
    """
    trips, variety, spend = _checked(shopping)
    names = _cell_ids(cells, spend.size)
    logs = _logs(trips, variety, spend)
    use = np.isfinite(logs).all(axis=1)
    if counted is not None:
        use &= np.asarray(counted, dtype=bool)
    order = np.flatnonzero(use)
    order = order[np.lexsort((spend[order], logs[order, 2], logs[order, 0], names[order]))]
    logs, names = logs[order], names[order]
    if order.size == 0:
        return ShoppingPeers(names, names.copy(), np.full((1, 3), np.nan), Status.TOO_FEW_CUSTOMERS)
    kinds, code, sizes = np.unique(names, return_inverse=True, return_counts=True)
    pulled = np.stack([_pulled_means(logs[:, j], code, sizes.astype(np.float64)) for j in range(3)], axis=1)
    status = Status.OK if order.size >= MIN_CUSTOMERS else Status.TOO_FEW_CUSTOMERS
    return ShoppingPeers(_frozen(kinds), _frozen(sizes.astype(np.int64)), _frozen(pulled), status)


def explain_gap(peers: ShoppingPeers, shopping: Shopping, cells: ArrayLike) -> ShoppingGap:
    """Return what each customer spends less than a typical peer, put down to trips, basket and variety.

    Parameters
    ----------
    peers : ShoppingPeers
    shopping : Shopping
    cells : int64 array, shape (n,)
        A cell that the peers do not know is compared with everyone.

    Returns
    -------
    ShoppingGap
        Each customer's row depends on that customer and the peers only. Without any peers every amount is 0.

    Notes
    -----
    spend = trips x variety x basket, the basket being the spend in a department on a trip. A factor's part of the gap
    Y' - Y is ``L ln(x' / x)`` with ``L = (Y' - Y) / ln(Y' / Y)``, the logarithmic mean: parts sum to the gap, and do
    not depend on the order in which factors are taken. What is left by rounding to micros goes to the basket.

    References
    ----------
    Ang (2004), Energy Policy 32(9), 1131-1139: the logarithmic mean Divisia index.
    """
    trips, variety, spend = _checked(shopping)
    names = _cell_ids(cells, spend.size)
    if peers.cells.size == 0:
        nothing = _frozen(np.zeros(spend.size, dtype=np.int64))
        none = _frozen(np.zeros(spend.size, dtype=bool))
        return ShoppingGap(nothing, nothing, nothing, nothing, nothing, none)
    at = np.minimum(np.searchsorted(peers.cells, names), peers.cells.size - 1)
    theirs = peers.logs[np.where(peers.cells[at] == names, at, peers.cells.size)]
    typical = round_micros(np.minimum(np.exp(theirs[:, 0] + theirs[:, 1] + theirs[:, 2]), float(MOST_MICROS)))
    gap = typical - spend
    own = _logs(trips, variety, spend)
    measurable = np.asarray(np.isfinite(own).all(axis=1))
    apart = np.where(measurable[:, None], theirs - np.where(np.isfinite(own), own, 0.0), 0.0)
    whole = apart[:, 0] + apart[:, 1] + apart[:, 2]
    mean = np.divide(gap, whole, out=spend.astype(np.float64), where=np.abs(whole) > 1e-9)
    absent = ~measurable & (trips <= 0)
    # Factors that offset each other may each be larger than what fits; the last part is what is left.
    most = float(MOST_MICROS)
    parts = round_micros(np.clip(mean[:, None] * apart, -most, most))
    by_trips, by_variety = np.where(absent, gap, parts[:, 0]), parts[:, 2]
    return ShoppingGap(
        peers_micros=_frozen(typical),
        gap_micros=_frozen(gap),
        trips_micros=_frozen(by_trips),
        basket_micros=_frozen(gap - by_trips - by_variety),
        variety_micros=_frozen(by_variety),
        measurable=_frozen(measurable),
    )


def _checked(shopping: Shopping) -> tuple[Floats, Floats, Integers]:
    spend = whole_micros(shopping.spend_micros, "spend_micros")
    counts = []
    for name in ("trips", "variety"):
        column = np.atleast_1d(np.asarray(getattr(shopping, name), dtype=np.float64))
        if column.shape != spend.shape:
            raise ValueError(f"{name}: {column.size} for {spend.size} customers; give one each.")
        bad = ~(np.isfinite(column) & (column >= 0))
        if bad.any():
            raise ValueError(f"{name}: not a count - {column[bad][0]}; must be finite and >= 0. Give 0 for none.")
        counts.append(column)
    return counts[0], counts[1], spend


def _cell_ids(cells: ArrayLike, n: int) -> Integers:
    names = np.atleast_1d(np.asarray(cells))
    if names.shape != (n,) or (n and names.dtype.kind not in "iu"):
        raise ValueError(f"cells: {names.dtype} of shape {names.shape} for {n} customers; give a whole number each.")
    return names.astype(np.int64)


def _logs(trips: Floats, variety: Floats, spend: Integers) -> Floats:
    """Return logarithms of trips, basket and variety, shape (n, 3); NaN where one is not above zero."""
    fine = (trips > 0) & (variety > 0) & (spend > 0)
    nan = np.full(spend.size, np.nan)
    t, v, y = (np.log(x, out=nan.copy(), where=fine) for x in (trips, variety, spend.astype(np.float64)))
    return np.stack([t, y - t - v, v], axis=1)


def _tier(name: str, mine: NDArray[np.bool_], columns: tuple[Any, ...], total: int) -> TierPayoff:
    trips, product, logs = columns[0], columns[3], columns[4]
    there = mine & (trips > 0)
    found: list[NDArray[Any]] = [np.sort(c[there]) if there.any() else np.zeros(1) for c in columns[:4]]
    n = len(found[0])
    middle, tenth = (n - 1) // 2, (n - 1) // 10
    ours = sum(product[mine].tolist())
    return TierPayoff(
        tier=name,
        customers=int(np.count_nonzero(mine)),
        shopping=int(np.count_nonzero(there)),
        trips=float(found[0][middle]),
        variety=float(found[1][middle]),
        spend_per_trip_micros=int(found[2][middle]),
        payoff_micros=int(found[3][middle]),
        payoff_low_micros=int(found[3][tenth]),
        payoff_high_micros=int(found[3][n - 1 - tenth]),
        share_of_payoff=ours / total if total > 0 else None,
        factor_shares=_factor_shares(logs[mine]),
    )


def _factor_shares(logs: Floats) -> tuple[float, float, float] | None:
    """Return cov(ln factor, ln spend) / var(ln spend) for each factor; spend is their product, so they sum to 1."""
    known = logs[np.isfinite(logs).all(axis=1)]
    # Ascending rows: sums then do not depend on the order of the customers.
    known = known[np.lexsort(known.T)]
    if len(known) < 2:
        return None
    spread = known - known.mean(axis=0)
    spend = spread.sum(axis=1)
    variance = float(spend @ spend)
    if variance <= 1e-18 * len(known):
        return None
    trips, basket, variety = (float(spread[:, j] @ spend) / variance for j in range(3))
    return trips, basket, variety


def _pulled_means(logs: Floats, code: Integers, sizes: Floats) -> Floats:
    """Return the means of cells pulled to that of all, which stands last."""
    n, cells = logs.size, sizes.size
    overall = float(logs.mean())
    means = np.bincount(code, weights=logs) / sizes
    within = float(np.sum((logs - means[code]) ** 2)) / max(n - cells, 1)
    between = float(np.sum(sizes * (means - overall) ** 2)) / max(cells - 1, 1)
    typical = (n - float(np.sum(sizes**2)) / n) / max(cells - 1, 1)
    apart = (between - within) / typical if typical > 0 and n > cells else 0.0
    weight = sizes / (sizes + within / apart) if apart > 0 else np.zeros(cells)
    return np.append(overall + weight * (means - overall), overall)


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values.setflags(write=False)
    return values
