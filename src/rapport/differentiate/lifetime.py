"""How many purchases a customer will still make: one face for BG/NBD, Pareto/NBD and MBG/CNBD-k.

Why it exists: what a customer is worth is mostly whether they come back and how often, and both must be
read from three numbers (frequency, recency, age) that exist for every customer of every company. The fits
work on distinct rows with weights, so they do not grow with the number of customers; the predictions work
element by element, so a customer gets the same bits alone and among a million.

Money may not enter (see ``spend`` and ``value``), nor sampling: everything here is closed form or quadrature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import fsum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from rapport.core.reasons import Status
from rapport.differentiate import bg_nbd, mbg_cnbd, pareto_nbd
from rapport.differentiate.lifetime_model import (
    MIN_CUSTOMERS,
    MIN_REPEAT_CUSTOMERS,
    MOST_REGULAR,
    RECORD,
    ComparedModel,
    LifetimeModel,
    Method,
    Rows,
    TimeUnit,
    checked_history,
    thinned,
)
from rapport.differentiate.likelihood import (
    Floats,
    Integers,
    Objective,
    distinct_rows,
    find_peak,
    log_covariance,
    record_version,
)

__all__ = [
    "ComparedModel",
    "LifetimeModel",
    "alive_probability",
    "checked_history",
    "expected_purchases",
    "fit_lifetime",
    "fit_regular_lifetime",
    "purchase_tail",
    "purchases_if_alive",
    "version_of",
]
ROUGH_CUSTOMERS: Final = 20_000
"""Customers on whom it is found where the search begins; it ends on all of them."""


@dataclass(frozen=True, slots=True)
class _Family:
    """What a model brings to the common search and to the common forecast."""

    likelihood: Callable[[Floats, Rows, Floats, int], tuple[float, Floats]]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    starts: tuple[tuple[float, ...], ...]
    times: tuple[int, ...]
    """Which of the four parameters are times."""
    alive: Callable[[LifetimeModel, Rows], Floats]
    if_alive: Callable[[LifetimeModel, Rows, float], Floats]
    tail_if_alive: Callable[[LifetimeModel, Rows, float, Floats], Floats]


def _without_k(
    likelihood: Callable[[Floats, Rows, Floats], tuple[float, Floats]],
) -> Callable[..., tuple[float, Floats]]:
    return lambda point, rows, weights, k: likelihood(point, rows, weights)


_BG_NBD: Final = _Family(
    _without_k(bg_nbd.log_likelihood),
    bg_nbd.LOG_LOWER,
    bg_nbd.LOG_UPPER,
    bg_nbd.STARTS,
    (1,),
    bg_nbd.alive,
    bg_nbd.if_alive,
    bg_nbd.tail_if_alive,
)
_FAMILIES: Final[dict[str, _Family]] = {
    "bg_nbd": _BG_NBD,
    # Without drop-out the BG/NBD is the gamma-Poisson rate.
    "own_rate": _BG_NBD,
    "pareto_nbd": _Family(
        _without_k(pareto_nbd.log_likelihood),
        pareto_nbd.LOG_LOWER,
        pareto_nbd.LOG_UPPER,
        pareto_nbd.STARTS,
        (1, 3),
        pareto_nbd.alive,
        pareto_nbd.if_alive,
        pareto_nbd.tail_if_alive,
    ),
    "mbg_cnbd": _Family(
        mbg_cnbd.log_likelihood,
        mbg_cnbd.LOG_LOWER,
        mbg_cnbd.LOG_UPPER,
        mbg_cnbd.STARTS,
        (1,),
        mbg_cnbd.alive,
        mbg_cnbd.if_alive,
        mbg_cnbd.tail_if_alive,
    ),
}


def fit_lifetime(
    frequency: ArrayLike,
    recency: ArrayLike,
    age: ArrayLike,
    weights: ArrayLike | None = None,
    time_unit: TimeUnit = "day",
    method: Method = "bg_nbd",
    k: int = 1,
) -> LifetimeModel:
    """Fit one model by maximum likelihood.

    Parameters
    ----------
    frequency : array, shape (n,)
        Repeat purchase days (the first purchase is not counted), >= 0.
    recency, age : arrays, shape (n,)
        Time from first to last purchase, and from first purchase to now, in ``time_unit``;
        0 <= recency <= age.
    weights : int array, shape (n,), optional
        Customers in each row. A weight equals that many repeated rows, to the last bit.
    time_unit : {'day', 'week'}
    method : {'bg_nbd', 'pareto_nbd', 'mbg_cnbd', 'own_rate'}
    k : int
        Regularity of ``mbg_cnbd``, 1 to 6; ``fit_regular_lifetime`` finds it.

    Returns
    -------
    LifetimeModel
        AT_BOUND keeps the bounded model, whose forecasts are finite. With fewer than 50 customers, fewer
        than 20 with a repeat purchase, or without convergence it holds the shrunk own rate. With k > 1 the
        log-likelihood lacks (k - 1) times the sum of the logarithms of the single times between purchases.

    Raises
    ------
    ValueError
        If the history, the weights, the method or k are not possible.

    References
    ----------
    The modules ``bg_nbd``, ``pareto_nbd`` and ``mbg_cnbd`` name those of each model.
    """
    if method not in _FAMILIES:
        raise ValueError(f"method: not a model - {method}; must be one of {', '.join(_FAMILIES)}. Choose one.")
    if not 1 <= k <= MOST_REGULAR or (k > 1 and method != "mbg_cnbd"):
        raise ValueError(f"k: not a regularity of {method} - {k}; must be 1, for mbg_cnbd 1 to {MOST_REGULAR}.")
    x, t_x, T = checked_history(frequency, recency, age)
    columns, counts = distinct_rows((x, np.where(x > 0, t_x, 0.0), T), weights)
    x, t_x, T = columns
    customers = int(counts.sum())
    if method == "own_rate":
        return _own_rate((x, T), counts, time_unit, Status.OK)
    if customers < MIN_CUSTOMERS:
        return _own_rate((x, T), counts, time_unit, Status.TOO_FEW_CUSTOMERS)
    if int(counts[(x > 0) & (T > 0)].sum()) < MIN_REPEAT_CUSTOMERS:
        return _own_rate((x, T), counts, time_unit, Status.TOO_FEW_REPEATS)
    return _fitted((x, t_x, T), counts, time_unit, method, k)


def _fitted(rows: Rows, counts: Integers, time_unit: TimeUnit, method: Method, k: int) -> LifetimeModel:
    family = _FAMILIES[method]
    customers = int(counts.sum())
    share = counts / customers
    scale = float(np.sum(share * rows[2]))

    def objective(of: Rows, parts: Floats) -> Objective:
        scaled = (of[0], of[1] / scale, of[2] / scale)
        return lambda point: family.likelihood(point, scaled, parts, k)

    few, some = thinned(rows, counts, ROUGH_CUSTOMERS)
    mean_log_likelihood = objective(rows, share)
    peak = find_peak(
        mean_log_likelihood,
        np.log(np.array(family.starts)).tolist(),
        family.lower,
        family.upper,
        rough=objective(few, some / some.sum()),
    )
    if peak.status is Status.NOT_CONVERGED:
        return _own_rate((rows[0], rows[2]), counts, time_unit, Status.NOT_CONVERGED)
    r, alpha, a, b = (float(v) * (scale if i in family.times else 1.0) for i, v in enumerate(np.exp(peak.point)))
    inside = peak.status is Status.OK
    purchases = float(np.sum(share * rows[0]))
    model = LifetimeModel(
        r=r,
        alpha=alpha,
        a=a,
        b=b,
        time_unit=time_unit,
        method=method,
        status=peak.status,
        log_likelihood=customers * (peak.value - k * purchases * float(np.log(scale))),
        customers=customers,
        distinct_rows=int(rows[0].size),
        covariance=log_covariance(mean_log_likelihood, peak.point, customers) if inside else None,
        k=k,
    )
    return version_of(model)


def version_of(model: LifetimeModel) -> LifetimeModel:
    """Return the model with the version that its content has."""
    return replace(model, version=record_version(RECORD, model.to_record()))


def _own_rate(rows: tuple[Floats, Floats], counts: Integers, time_unit: TimeUnit, status: Status) -> LifetimeModel:
    x, T = rows
    repeats, time = float(np.sum(counts * x)), float(np.sum(counts * T))
    # Half a purchase and a whole unit of time keep the rate above zero and finite where nothing was seen.
    return version_of(
        LifetimeModel(
            r=1.0,
            alpha=max(time, 1.0) / (repeats + 0.5),
            a=0.0,
            b=1.0,
            time_unit=time_unit,
            method="own_rate",
            status=status,
            log_likelihood=0.0,
            customers=int(counts.sum()),
            distinct_rows=int(x.size),
        )
    )


def fit_regular_lifetime(
    frequency: ArrayLike,
    recency: ArrayLike,
    age: ArrayLike,
    log_gaps: ArrayLike,
    time_unit: TimeUnit = "day",
    most: int = MOST_REGULAR,
) -> LifetimeModel:
    """Fit MBG/CNBD-k with the regularity k of highest likelihood.

    Parameters
    ----------
    frequency, recency, age : arrays, shape (n,)
        As for ``fit_lifetime``.
    log_gaps : array, shape (n,)
        Sum of the natural logarithms of the times between purchases of each customer, in ``time_unit``; 0 without
        a repeat purchase.
    time_unit : {'day', 'week'}
    most : int
        Largest k tried, 1 to 6.

    Returns
    -------
    LifetimeModel
        With the whole log-likelihood, so that models of different k compare. The search goes up from k = 1 and ends
        where the likelihood falls.

    Raises
    ------
    ValueError
        If the history or ``log_gaps`` are not possible.

    References
    ----------
    Platzer & Reutterer (2016), Marketing Science 35(5), 779-799: k by maximum likelihood.
    """
    gaps = np.atleast_1d(np.asarray(log_gaps, dtype=np.float64))
    x, t_x, T = checked_history(frequency, recency, age)
    if gaps.shape != x.shape or not np.all(np.isfinite(gaps)):
        raise ValueError("log_gaps: not finite, or not one for each customer; give sums of logarithms of times > 0.")
    # An exact sum: the order of the customers changes no bit of the result.
    total = fsum(gaps[x > 0])
    best = fit_lifetime(x, t_x, T, None, time_unit, "mbg_cnbd", 1)
    for k in range(2, most + 1):
        if best.method != "mbg_cnbd":
            break
        found = fit_lifetime(x, t_x, T, None, time_unit, "mbg_cnbd", k)
        whole = replace(found, log_likelihood=found.log_likelihood + (k - 1) * total)
        if found.method != "mbg_cnbd" or whole.log_likelihood <= best.log_likelihood:
            break
        best = version_of(whole)
    return best


def alive_probability(model: LifetimeModel, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Floats:
    """Return the probability that a customer has not dropped out by now.

    Parameters
    ----------
    model : LifetimeModel
    frequency, recency, age : arrays, shape (n,)
        In the time unit of the model.

    Returns
    -------
    float64 array, shape (n,), in [0, 1]. With ``bg_nbd`` 1 for every customer without a repeat purchase: it lets
    customers drop out only after one. 1 for all where the model is ``own_rate``.

    Raises
    ------
    ValueError
        If the history is not possible.
    """
    x, t_x, T = checked_history(frequency, recency, age)
    return _FAMILIES[model.method].alive(model, (x, np.where(x > 0, t_x, 0.0), T))


def purchases_if_alive(model: LifetimeModel, rows: Rows, horizon: float) -> Floats:
    """Return the expected purchases within a horizon of a customer who has not dropped out by now.

    Parameters
    ----------
    model : LifetimeModel
    rows : three float64 arrays, shape (n,)
        Frequency, recency, age, in the time unit of the model.
    horizon : float
        In the time unit of the model, >= 0.

    Returns
    -------
    float64 array, shape (n,), between 0 and what it would be if nobody dropped out.
    """
    return _FAMILIES[model.method].if_alive(model, rows, horizon)


def expected_purchases(
    model: LifetimeModel, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, horizon: float
) -> Floats:
    """Return the expected purchase days within a horizon from now.

    Parameters
    ----------
    model : LifetimeModel
    frequency, recency, age : arrays, shape (n,)
        In the time unit of the model. Zeros in all three: a customer who has just made the first purchase.
    horizon : float
        In the time unit of the model, finite and >= 0.

    Returns
    -------
    float64 array, shape (n,), finite, >= 0 and at most what it would be if nobody dropped out, which for k = 1 is
    ``horizon * (r + x) / (alpha + T)``.

    Raises
    ------
    ValueError
        If the history or the horizon is not possible.
    """
    if not (np.isfinite(horizon) and horizon >= 0):
        raise ValueError(f"horizon: not a length of time - {horizon}; must be finite and >= 0. Give time units.")
    x, t_x, T = checked_history(frequency, recency, age)
    rows = (x, np.where(x > 0, t_x, 0.0), T)
    family = _FAMILIES[model.method]
    return np.asarray(family.alive(model, rows) * family.if_alive(model, rows, float(horizon)), dtype=np.float64)


def purchase_tail(model: LifetimeModel, rows: Rows, horizon: float, count: Floats) -> Floats:
    """Return the probability of more than ``count`` purchase days within the horizon.

    Parameters
    ----------
    model : LifetimeModel
    rows : three float64 arrays, shape (n,)
        Frequency, recency, age, in the time unit of the model.
    horizon : float
        In the time unit of the model.
    count : float64 array, shape (n,)
        Whole numbers >= 0.

    Returns
    -------
    float64 array, shape (n,), in [0, 1].
    """
    family = _FAMILIES[model.method]
    return np.asarray(family.alive(model, rows) * family.tail_if_alive(model, rows, horizon, count), dtype=np.float64)
