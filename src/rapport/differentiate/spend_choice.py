"""Which model of spend a company's customers follow, by what each says of days that it has not seen.

Why it exists: Gamma-Gamma is the standard, and on real data it can be worse than one mean for everybody. So each is
fitted on the first part of the known time and judged on the rest, as the lifetime models are. The time after ``end``
may not enter, nor how often a customer buys.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.differentiate.likelihood import Floats
from rapport.differentiate.spend import (
    ComparedSpend,
    SpendMethod,
    SpendModel,
    expected_spend_micros,
    fit_spend,
    simple_spend,
    version_of,
)

CANDIDATES: Final[tuple[SpendMethod, ...]] = ("one_mean", "shrunk_mean", "gamma_gamma")
"""The simplest first: a model further down must be better by more than chance and a hundredth."""
AS_GOOD: Final = 0.01
JUDGED_SHARE: Final = 1 / 3
MIN_JUDGED: Final = 50
NORMAL_95: Final = 1.96


@dataclass(frozen=True, slots=True)
class DayAmounts:
    """One row for each customer and purchase day; arrays of shape (m,).

    Attributes
    ----------
    customer : int64 array
        Numbers or keys of customers.
    day : int64 array
        Any count of days.
    micros : int64 array
        Contribution of the day; may be zero or below.
    """

    customer: NDArray[np.int64]
    day: NDArray[np.int64]
    micros: NDArray[np.int64]


def choose_spend(amounts: DayAmounts, end: int) -> SpendModel:
    """Return the model of spend that best forecast the last third of the known time, fitted on all of it.

    Parameters
    ----------
    amounts : DayAmounts
        Days after ``end`` are not looked at.
    end : int
        Last day that is known.

    Returns
    -------
    SpendModel
        With ``compared``. Where fewer than 50 customers bought both before and within the window it is what
        ``fit_spend`` gives, without comparison.

    Notes
    -----
    Judged is the absolute difference between a customer's expected contribution of a purchase day and the mean of
    those that came, one figure for each customer who bought before and within the window. Chosen is the simplest
    model that is as good as the best: behind by at most a hundredth of its error, or by no more than chance (the
    95 % interval of the paired difference over customers holds 0).
    """
    known = amounts.day <= end
    _, count, mean = _means(amounts, known)
    fitted = fit_spend(count, mean)
    judged = _judge(amounts, end)
    if judged is None:
        return fitted
    compared = _compare(judged)
    chosen = next(c.method for c in compared if c.chosen)
    found = fitted
    if chosen != "gamma_gamma":
        found = simple_spend(count, mean, chosen, fitted.status)
    return version_of(replace(found, compared=compared))


@dataclass(frozen=True, slots=True)
class _Judged:
    """Errors of each model, micros, shape (n,); what was forecast in all, and what came."""

    errors: dict[SpendMethod, Floats]
    forecast: dict[SpendMethod, float]
    came: float


def _judge(amounts: DayAmounts, end: int) -> _Judged | None:
    first = int(amounts.day.min(initial=end))
    cut = end - round((end + 1 - first) * JUDGED_SHARE)
    who, count, mean = _means(amounts, amounts.day <= cut)
    later, _, came = _means(amounts, (amounts.day > cut) & (amounts.day <= end))
    both, at, there = np.intersect1d(who, later, assume_unique=True, return_indices=True)
    if both.size < MIN_JUDGED:
        return None
    fitted = fit_spend(count, mean)
    models: dict[SpendMethod, SpendModel] = {fitted.method: fitted}
    for method in ("one_mean", "shrunk_mean"):
        models[method] = simple_spend(count, mean, method, fitted.status)
    forecasts = {m: expected_spend_micros(model, count[at], mean[at]) for m, model in models.items()}
    return _Judged(
        errors={m: np.abs(f - came[there]) for m, f in forecasts.items()},
        forecast={m: float(np.sum(f)) for m, f in forecasts.items()},
        came=float(np.sum(came[there])),
    )


def _means(amounts: DayAmounts, rows: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return the customers of some rows, ascending, their days and the mean of a day in micros."""
    who, at = np.unique(amounts.customer[rows], return_inverse=True)
    total = np.zeros(who.size, dtype=np.int64)
    # Whole numbers: the sum does not depend on the order of the rows.
    np.add.at(total, at, amounts.micros[rows])
    days = np.bincount(at, minlength=who.size).astype(np.float64)
    return who, days, total / np.maximum(days, 1.0)


def _compare(judged: _Judged) -> tuple[ComparedSpend, ...]:
    there = [m for m in CANDIDATES if m in judged.errors]
    best = min(there, key=lambda m: float(np.mean(judged.errors[m])))
    enough = AS_GOOD * float(np.mean(judged.errors[best]))
    behind = {m: _difference(judged.errors[m], judged.errors[best]) for m in there}
    chosen = next(m for m in there if behind[m][0] <= enough or behind[m][1] <= 0.0)
    return tuple(
        ComparedSpend(
            method=m,
            error_micros=float(np.mean(judged.errors[m])),
            behind_micros=behind[m][0],
            behind_low_micros=behind[m][1],
            behind_high_micros=behind[m][2],
            bias=judged.forecast[m] / judged.came - 1.0 if judged.came > 0 else 0.0,
            chosen=m == chosen,
        )
        for m in there
    )


def _difference(one: ArrayLike, other: ArrayLike) -> tuple[float, float, float]:
    difference = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    mean = float(np.mean(difference))
    half = NORMAL_95 * float(np.std(difference, ddof=1)) / float(np.sqrt(difference.size))
    return mean, mean - half, mean + half
