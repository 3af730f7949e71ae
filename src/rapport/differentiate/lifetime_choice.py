"""Which model of lifetimes a company's customers follow, by what each says of days that it has not seen.

Why it exists: whether customers leave silently, after a purchase or hardly at all, and how regularly they buy,
differs from company to company; likelihoods of models that are not nested say little about forecasts. So each is
fitted on the first part of the known time and judged on the rest. The time after ``end`` may not enter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform
from rapport.differentiate.lifetime import (
    expected_purchases,
    fit_lifetime,
    fit_regular_lifetime,
    purchase_tail,
    version_of,
)
from rapport.differentiate.lifetime_model import (
    MIN_CUSTOMERS,
    UNIT_DAYS,
    ComparedModel,
    LifetimeModel,
    Method,
    TimeUnit,
)
from rapport.differentiate.likelihood import Floats
from rapport.differentiate.purchase_days import KnownHistory, PurchaseDays, known_until, some_customers

NAIVE: Final[Method] = "own_rate"
# The simplest first: a model further down must be better by more than chance and a hundredth.
CANDIDATES: Final[tuple[Method, ...]] = ("bg_nbd", "pareto_nbd", "mbg_cnbd")
AS_GOOD: Final = 0.01
"""Share of the lowest error by which a simpler model may be behind and is still as good."""
JUDGED_SHARES: Final = (1 / 2, 1 / 3, 1 / 4)
"""The last so much of the known time is judged, each time by a fit on the time before."""
JUDGED_CUSTOMERS: Final = 20_000
LEAST_JUDGED_DAYS: Final = 7
NORMAL_95: Final = 1.96


@dataclass(frozen=True, slots=True)
class _Judged:
    """Errors of one model in one window, per customer and day; arrays of shape (n,)."""

    model: LifetimeModel
    error: Floats
    rps: Floats
    forecast: float
    came: float


def choose_lifetime(purchases: PurchaseDays, end: int, time_unit: TimeUnit = "day") -> LifetimeModel:
    """Fit each model on parts of the known time, and return the best one fitted on all of it.

    Parameters
    ----------
    purchases : PurchaseDays
        Days after ``end`` are not looked at.
    end : int
        Last day that is known.
    time_unit : {'day', 'week'}
        Of the model returned.

    Returns
    -------
    LifetimeModel
        With ``compared``: what was compared, with errors and intervals, and which was chosen. Where no window can be
        judged (fewer than 50 customers known before it, or shorter than a week) it is BG/NBD without comparison.

    Notes
    -----
    The last half, third and quarter of the known time are forecast, each by fits on the time before. The score is the
    absolute error of a customer's expected purchases, per day of the window: it is what a value per customer stands
    on, and a few heavy buyers do not decide it as they do a squared error. It rewards forecasts that are too low, so
    a model is admitted only where the ranked probability score of its whole distribution, which is proper, is not
    worse than that of the naive own rate beyond chance; the own rate itself is chosen only where none is. Among those
    admitted, the first in ``CANDIDATES`` is chosen that is as good as the most exact: behind by no more than a
    hundredth of its error, or by no more than chance (the 95 % interval of the paired difference over customers holds
    0). More than 20,000 customers are judged by 20,000, fixed by their keys.

    References
    ----------
    Gneiting & Raftery (2007), "Strictly proper scoring rules, prediction, and estimation", Journal of the American
    Statistical Association 102, 359-378; Tashman (2000), "Out-of-sample tests of forecasting accuracy", International
    Journal of Forecasting 16(4), 437-450, on several origins.
    """
    known = some_customers(
        purchases, np.bincount(purchases.customer[purchases.day <= end], minlength=purchases.customers) > 0
    )
    sample = _judged_customers(known)
    windows = [w for share in JUDGED_SHARES if (w := judged_window(sample, end, share)) is not None]
    history = known_until(known, end)
    if not windows:
        return fit_method(history, "bg_nbd", time_unit)
    judged = {method: [_judge(history, days, method) for history, days in windows] for method in (NAIVE, *CANDIDATES)}
    compared = _compare(judged, [history.customer for history, _ in windows], sample.customers)
    chosen = next(c.method for c in compared if c.chosen)
    return version_of(replace(fit_method(history, chosen, time_unit), compared=compared))


def _judged_customers(purchases: PurchaseDays) -> PurchaseDays:
    if purchases.customers <= JUDGED_CUSTOMERS:
        return purchases
    chance = uniform(purchases.keys, "lifetime/choice")
    return some_customers(purchases, chance <= np.partition(chance, JUDGED_CUSTOMERS - 1)[JUDGED_CUSTOMERS - 1])


def judged_window(purchases: PurchaseDays, end: int, share: float) -> tuple[KnownHistory, float] | None:
    """Return what was known before the last share of the known time, and the days judged; None where too short."""
    days = round((end + 1 - int(purchases.day.min(initial=end + 1))) * share)
    history = known_until(purchases, end - days, end)
    if days < LEAST_JUDGED_DAYS or history.frequency.size < MIN_CUSTOMERS:
        return None
    return history, float(days)


def fit_method(history: KnownHistory, method: Method, time_unit: TimeUnit) -> LifetimeModel:
    """Return one model fitted on a history in days; MBG/CNBD-k with the regularity of highest likelihood."""
    unit = UNIT_DAYS[time_unit]
    rows = history.frequency, history.recency / unit, history.age / unit
    if method == "mbg_cnbd":
        log_gaps = history.log_gaps - history.frequency * float(np.log(unit))
        return fit_regular_lifetime(*rows, log_gaps, time_unit)
    return fit_lifetime(*rows, time_unit=time_unit, method=method)


def _judge(history: KnownHistory, days: float, method: Method) -> _Judged:
    model = fit_method(history, method, "day")
    rows = history.frequency, history.recency, history.age
    forecast = expected_purchases(model, *rows, days)
    error = np.abs(forecast - history.ahead) / days
    rps = ranked_probability_score(model, rows, days, history.ahead) / days
    return _Judged(model, error, rps, float(np.sum(forecast)), float(np.sum(history.ahead)))


def ranked_probability_score(
    model: LifetimeModel, rows: tuple[Floats, Floats, Floats], horizon: float, came: Floats
) -> Floats:
    """Return the sum over n of (P(more than n) - [more than n came])**2 for each customer.

    Parameters
    ----------
    model : LifetimeModel
    rows : three float64 arrays, shape (n,)
        Frequency, recency, age, in the time unit of the model.
    horizon : float
        In the time unit of the model.
    came : float64 array, shape (n,)
        Purchase days that came in the horizon.

    Returns
    -------
    float64 array, shape (n,), >= 0; what would change it by less than 1e-6 is left out.

    References
    ----------
    Gneiting & Raftery (2007), section 4.2, for counts.
    """
    score = np.zeros(came.size)
    active, count = np.arange(came.size), 0.0
    # What came is finite; a forecast above it is followed at most four times as far.
    last = 4.0 * float(came.max(initial=0.0)) + 400.0
    while active.size and count < last:
        part = rows[0][active], rows[1][active], rows[2][active]
        tail = purchase_tail(model, part, horizon, np.full(active.size, count))
        more = came[active] > count
        score[active] += (tail - more) ** 2
        active = active[more | (tail > 1e-3)]
        count += 1.0
    return score


def _compare(
    judged: dict[Method, list[_Judged]], customers: list[NDArray[np.int64]], n: int
) -> tuple[ComparedModel, ...]:
    """Return the comparison, one line for each model; a customer in several windows is one customer."""
    errors = {m: errors_per_customer([w.error for w in ws], customers, n) for m, ws in judged.items()}
    scores = {m: errors_per_customer([w.rps for w in ws], customers, n) for m, ws in judged.items()}
    admitted = [m for m in CANDIDATES if paired_difference(scores[m], scores[NAIVE])[1] <= 0.0] or [NAIVE]
    best = min(admitted, key=lambda m: float(np.sum(errors[m])))
    behind = {m: paired_difference(error, errors[best]) for m, error in errors.items()}
    enough = AS_GOOD * float(np.sum(errors[best]))
    chosen = next(m for m in admitted if behind[m][0] <= enough or behind[m][1] <= 0.0)
    return tuple(
        ComparedModel(
            method=m,
            k=ws[-1].model.k,
            status=ws[-1].model.status,
            error=float(np.sum(errors[m])),
            behind=behind[m][0],
            behind_low=behind[m][1],
            behind_high=behind[m][2],
            rps=float(np.sum(scores[m])),
            bias=_bias(ws),
            admitted=m in admitted or m == NAIVE,
            chosen=m == chosen,
        )
        for m, ws in judged.items()
    )


def errors_per_customer(windows: list[Floats], customers: list[NDArray[np.int64]], n: int) -> Floats:
    """Return what each customer adds to the mean over windows of the means over customers."""
    total = np.zeros(n)
    for values, who in zip(windows, customers, strict=True):
        total[who] += values / (values.size * len(windows))
    return total


def paired_difference(one: Floats, other: Floats) -> tuple[float, float, float]:
    """Return the sum of one less the other, customer by customer, with its 95 % interval."""
    difference = one - other
    total = float(np.sum(difference))
    half = NORMAL_95 * float(
        np.sqrt(difference.size * np.sum((difference - total / difference.size) ** 2) / (difference.size - 1))
    )
    return total, total - half, total + half


def _bias(windows: list[_Judged]) -> float:
    came = sum(w.came for w in windows)
    return sum(w.forecast for w in windows) / came - 1.0 if came > 0 else 0.0
