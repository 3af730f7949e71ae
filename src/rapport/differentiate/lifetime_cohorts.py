"""Whether customers of different cohorts follow lifetimes of their own, by what that says of days not seen.

Why it exists: customers won in a sale, in another region or years ago may leave and buy otherwise than the rest, and
one model then forecasts each of them a little wrongly. A model for each cohort has fewer customers to learn from, so
it is taken only where it forecast the company's own past better. The time after ``end`` may not enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rapport.core.reasons import Status
from rapport.differentiate.lifetime import expected_purchases
from rapport.differentiate.lifetime_choice import (
    AS_GOOD,
    JUDGED_SHARES,
    errors_per_customer,
    fit_method,
    judged_window,
    paired_difference,
)
from rapport.differentiate.lifetime_model import LifetimeModel, Method
from rapport.differentiate.likelihood import Floats
from rapport.differentiate.purchase_days import KnownHistory, PurchaseDays, known_until

LEAST_COHORT: Final = 200
"""Customers of a cohort, and in every window judged, from which it has a model of its own."""
MOST_COHORTS: Final = 24
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class CohortModels:
    """One model for everybody, or models of cohorts beside it.

    Attributes
    ----------
    pooled : LifetimeModel
        Of all customers; stands for cohorts that have none of their own.
    by_cohort : dict of LifetimeModel
        Models in use; empty where one model for everybody is as good.
    customers : dict of int
        Customers of every cohort, those too small for a model among them.
    status : Status
        OK; TOO_FEW_CUSTOMERS where fewer than two cohorts are large enough, or nothing could be judged.
    error, error_pooled : float or None
        Absolute error of the expected purchases with models of cohorts and with one for everybody, per customer and
        day, mean over the windows judged.
    better, better_low, better_high : float or None
        ``error_pooled`` less ``error``, with its 95 % interval over customers.
    """

    pooled: LifetimeModel
    by_cohort: Mapping[str, LifetimeModel]
    customers: Mapping[str, int]
    status: Status
    error: float | None = None
    error_pooled: float | None = None
    better: float | None = None
    better_low: float | None = None
    better_high: float | None = None

    def model_of(self, cohort: str) -> LifetimeModel:
        """Return the model that forecasts customers of a cohort."""
        return self.by_cohort.get(cohort, self.pooled)

    def to_record(self) -> dict[str, Any]:
        """Return what was found as plain values; models by their version."""
        return {
            "status": str(self.status),
            "chosen": bool(self.by_cohort),
            "customers": dict(self.customers),
            "models": {c: m.version for c, m in self.by_cohort.items()},
            **{n: getattr(self, n) for n in ("error", "error_pooled", "better", "better_low", "better_high")},
        }


def quarters_of(day: NDArray[np.datetime64]) -> NDArray[np.str_]:
    """Return the quarter of each day, such as ``2017-Q1``, same shape."""
    month = day.astype("datetime64[M]").astype(np.int64)
    distinct, at = np.unique(month // 3, return_inverse=True)
    names = np.array([f"{1970 + q // 4:04d}-Q{q % 4 + 1}" for q in distinct.tolist()], dtype=np.str_)
    return names[at] if names.size else np.zeros(0, dtype=np.str_)


def choose_cohorts(
    purchases: PurchaseDays, cohort: NDArray[np.str_], end: int, pooled: LifetimeModel
) -> CohortModels:
    """Return models of cohorts where they forecast the end of the known time better than one for everybody.

    Parameters
    ----------
    purchases : PurchaseDays
        Days after ``end`` are not looked at.
    cohort : str array, shape (customers,)
        The cohort of each customer, in the order of ``purchases.keys``.
    end : int
        Last day that is known.
    pooled : LifetimeModel
        The model chosen for everybody; its method is that of the cohorts.

    Returns
    -------
    CohortModels
        A cohort has a model of its own from 200 customers known before every window judged. Models of cohorts are
        taken where their mean absolute error over the windows of ``lifetime_choice`` is lower by more than a
        hundredth and by more than chance.

    Raises
    ------
    ValueError
        If there is not one cohort for each customer, or there are more than 24.
    """
    if cohort.shape != (purchases.customers,):
        raise ValueError(f"cohort: {cohort.shape} for {purchases.customers} customers; give one each.")
    names, counts = np.unique(cohort, return_counts=True)
    if names.size > MOST_COHORTS:
        raise ValueError(f"cohort: {names.size} cohorts; at most {MOST_COHORTS} are compared. Group them.")
    sizes = {str(n): int(c) for n, c in zip(names, counts, strict=True)}
    windows = [w for share in JUDGED_SHARES if (w := judged_window(purchases, end, share)) is not None]
    large = _large_enough(cohort, [h for h, _ in windows])
    if len(large) < 2 or pooled.method == "own_rate":
        return CohortModels(pooled, {}, sizes, Status.TOO_FEW_CUSTOMERS)
    one, many = (
        _errors(windows, cohort, cohorts, pooled.method, purchases.customers) for cohorts in (frozenset(), large)
    )
    better, low, high = paired_difference(one, many)
    found: dict[str, LifetimeModel] = {}
    if low > 0.0 and better > AS_GOOD * float(np.sum(one)):
        found = _models(known_until(purchases, end), cohort, large, pooled.method)
    return CohortModels(pooled, found, sizes, Status.OK, float(np.sum(many)), float(np.sum(one)), better, low, high)


def _large_enough(cohort: NDArray[np.str_], histories: list[KnownHistory]) -> frozenset[str]:
    if not histories:
        return frozenset()
    known = [dict(zip(*np.unique(cohort[h.customer], return_counts=True), strict=True)) for h in histories]
    return frozenset(str(n) for n in known[0] if all(k.get(n, 0) >= LEAST_COHORT for k in known))


def _models(
    history: KnownHistory, cohort: NDArray[np.str_], cohorts: frozenset[str], method: Method
) -> dict[str, LifetimeModel]:
    of = cohort[history.customer]
    return {name: fit_method(history.some(of == name), method, "day") for name in sorted(cohorts)}


def _errors(
    windows: list[tuple[KnownHistory, float]],
    cohort: NDArray[np.str_],
    cohorts: frozenset[str],
    method: Method,
    customers: int,
) -> Floats:
    """Return what each customer adds to the mean absolute error a day, shape (customers,)."""
    errors = []
    for history, days in windows:
        forecast = expected_purchases(
            fit_method(history, method, "day"), history.frequency, history.recency, history.age, days
        )
        of = cohort[history.customer]
        for name, model in _models(history, cohort, cohorts, method).items():
            part = history.some(of == name)
            forecast[of == name] = expected_purchases(model, part.frequency, part.recency, part.age, days)
        errors.append(np.abs(forecast - history.ahead) / days)
    return errors_per_customer(errors, [h.customer for h, _ in windows], customers)
