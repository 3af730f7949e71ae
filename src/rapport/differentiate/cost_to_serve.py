"""What serving each customer costs a year beyond goods and purchase days, and why a customer costs money.

Why it exists: two customers who buy the same are not worth the same where one sends half of it back. What was seen of
one customer in a year is little and holds chance, so an own rate is pulled to that of all, as far as customers have
been found to be alike. Discounts and the margin of returned goods are in the margin of purchases already; they are
told apart here, and not taken off again. No offer and no decision may enter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.core.money import round_micros
from rapport.core.reasons import BelowZeroReason, Status
from rapport.differentiate.likelihood import Floats, Integers
from rapport.differentiate.potential_peers import MOST_MICROS, whole_micros

YEAR_DAYS: Final = 365.0
LEAST_DAYS: Final = 91.0
LONGEST_DAYS: Final = 364.0
MIN_CUSTOMERS: Final = 20
PLAIN_WEIGHT_YEARS: Final = 1.0
"""How many years the mean weighs where there are too few customers to find out."""


@dataclass(frozen=True, slots=True)
class YearlyCost:
    """What one kind of service costs each customer a year.

    Attributes
    ----------
    yearly_micros : int64 array, shape (n,), >= 0
        The own rate pulled to the mean.
    mean_micros : float
        A year, over all customers counted.
    weight_years : float
        How many years of an own record the mean weighs; infinite where customers do not differ beyond chance.
    status : Status
        OK, or TOO_FEW_CUSTOMERS below 20: the mean then weighs one year.
    """

    yearly_micros: Integers
    mean_micros: float
    weight_years: float
    status: Status


@dataclass(frozen=True, slots=True)
class Reasons:
    """What each customer costs a year, reason by reason; int64 arrays of shape (n,), micros.

    `discounts`: borne by the company. `returns`: margin given back and handling. `thin_margin`: what the margin
    before discounts and returns lacks to pay for the purchase days. Others: expected cost.
    """

    discounts: ArrayLike
    returns: ArrayLike
    service: ArrayLike
    deliveries: ArrayLike
    bids_lost: ArrayLike
    thin_margin: ArrayLike


def years_known(known_days: ArrayLike) -> Floats:
    """Return for how many of the last 364 days a customer has been known, in years: at least 91 days count."""
    days = np.asarray(known_days, dtype=np.float64)
    if not (np.isfinite(days).all() and (days >= 0).all()):
        raise ValueError("known_days: not lengths of time; must be finite and >= 0. Give days.")
    return np.clip(days, LEAST_DAYS, LONGEST_DAYS) / YEAR_DAYS


def yearly_cost(cost_micros: ArrayLike, events: ArrayLike, years: ArrayLike, counted: ArrayLike) -> YearlyCost:
    """Return what a kind of service costs each customer a year: the own rate, pulled to that of all.

    Parameters
    ----------
    cost_micros : int64 array, shape (n,), >= 0
        Cost within the time observed.
    events : int64 array, shape (n,), >= 0
        How many events the cost is of; a cost without an event counts as one.
    years : float array, shape (n,), > 0
        Time observed.
    counted : bool array, shape (n,)
        Customers who have bought. Others do not enter the mean, and keep their own rate.

    Returns
    -------
    YearlyCost

    Raises
    ------
    ValueError
        If a cost, a count or a time is not possible.

    Notes
    -----
    With cost c, time w, own rate X = c / w and mean m = sum c / sum w the expected rate is ``m + Z (X - m)``,
    ``Z = w / (w + k)``, ``k = s2 / a``. Events come by chance at a customer's rate, so the variance within customers
    is that of a compound Poisson process, ``s2 = events / sum w x expected square of an event's cost``; that between
    them is ``a = (sum w (X - m)^2 - (n - 1) s2) / (W - sum w^2 / W)``, W = sum w. The square of an event's cost is
    ``u^2 + v + t``, with u the mean cost of an event, and v within and t between customers from the regression
    ``(c - e u)^2 / e = v + e t`` over customers with e events, weights 1 / e^2, neither below 0.

    References
    ----------
    Buhlmann & Straub (1970), "Glaubwurdigkeit fur Schadensatze", Mitteilungen der Vereinigung schweizerischer
    Versicherungsmathematiker 70; Klugman, Panjer & Willmot, Loss Models, 4th ed., sections 9.3 and 18.
    """
    cost, count, time = _checked(cost_micros, events, years)
    use = np.asarray(counted, dtype=bool)
    own = cost / time
    n = int(np.count_nonzero(use))
    total = math.fsum(time[use])
    mean = math.fsum(cost[use]) / total if n else 0.0
    weight = _weight_years(cost[use], count[use], time[use], mean) if n >= MIN_CUSTOMERS else PLAIN_WEIGHT_YEARS
    trust = np.where(use, time / (time + weight), 1.0)
    expected = np.clip(mean + trust * (own - mean), 0.0, float(MOST_MICROS))
    status = Status.OK if n >= MIN_CUSTOMERS else Status.TOO_FEW_CUSTOMERS
    return YearlyCost(_frozen(round_micros(np.where(use, expected, own))), mean, weight, status)


def why_below_zero(reasons: Reasons, below_zero: ArrayLike) -> list[BelowZeroReason | None]:
    """Return the largest reason of each customer below zero, None for the others.

    Of equal reasons the first in the order of `Reasons` counts; where none is above zero it is the thin margin.
    """
    order = (
        (BelowZeroReason.DISCOUNTS, reasons.discounts),
        (BelowZeroReason.RETURNS, reasons.returns),
        (BelowZeroReason.SERVICE, reasons.service),
        (BelowZeroReason.DELIVERIES, reasons.deliveries),
        (BelowZeroReason.BIDS_LOST, reasons.bids_lost),
        (BelowZeroReason.THIN_MARGIN, reasons.thin_margin),
    )
    amounts = np.stack([whole_micros(values, str(reason)) for reason, values in order])
    below = np.asarray(below_zero, dtype=bool)
    if below.shape != amounts.shape[1:]:
        raise ValueError(f"below_zero: {below.size} for {amounts.shape[1]} customers; give one each.")
    if not below.size:
        return []
    largest = np.where(amounts.max(axis=0) > 0, amounts.argmax(axis=0), len(order) - 1)
    return [order[at][0] if cold else None for at, cold in zip(largest.tolist(), below.tolist(), strict=True)]


def _weight_years(cost: Floats, count: Floats, time: Floats, mean: float) -> float:
    whole = math.fsum(time)
    count = np.where(cost > 0, np.maximum(count, 1.0), count)
    within = math.fsum(count) * _squared_event(cost[count > 0], count[count > 0]) / whole
    spread = math.fsum(time * (cost / time - mean) ** 2) - (cost.size - 1) * within
    between = spread / (whole - math.fsum(time**2) / whole)
    return within / between if between > 0 else math.inf


def _squared_event(cost: Floats, count: Floats) -> float:
    """Return the expected square of the cost of one event, from sums over the events of each customer."""
    if not count.size:
        return 0.0
    typical = math.fsum(cost) / math.fsum(count)
    # Of e events (c - e m)^2 / e is expected to be s2 + e t2: s2 within customers, t2 between them.
    seen, weight = (cost - count * typical) ** 2 / count, count**-2.0
    total = math.fsum(weight)
    middle, level = math.fsum(weight * count) / total, math.fsum(weight * seen) / total
    spread = math.fsum(weight * (count - middle) ** 2)
    slope = max(math.fsum(weight * (count - middle) * (seen - level)) / spread, 0.0) if spread > 0 else 0.0
    return typical**2 + max(level - slope * middle, 0.0) + slope


def _checked(cost_micros: ArrayLike, events: ArrayLike, years: ArrayLike) -> tuple[Floats, Floats, Floats]:
    cost = whole_micros(cost_micros, "cost_micros").astype(np.float64)
    count, time = (np.asarray(v, dtype=np.float64) for v in (events, years))
    if not cost.shape == count.shape == time.shape:
        raise ValueError(f"cost_micros, events, years: {cost.size}, {count.size}, {time.size}; give one each.")
    for name, column, fine in (
        ("cost_micros", cost, cost >= 0),
        ("events", count, np.isfinite(count) & (count >= 0)),
        ("years", time, np.isfinite(time) & (time > 0)),
    ):
        if not fine.all():
            raise ValueError(f"{name}: {column[~fine][0]}; must be finite, and not below zero. Give what was seen.")
    return cost, count, time


def _frozen(values: NDArray[np.int64]) -> Integers:
    values.setflags(write=False)
    return values
