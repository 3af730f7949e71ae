"""The measures a goal can name, per tier, from what each customer did in a span of days.

Why it exists: baseline and read-out must measure alike. No blended figure is made: every measure is per tier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rapport.core.reasons import Basis
from rapport.measure.means import Estimate, difference_of, mean_of, ratio_of

Outcomes = Mapping[str, NDArray[np.int64]]
"""Columns of `outcomes_sql` and `household_key`, arrays of shape (n,)."""

PER_CUSTOMER: dict[str, tuple[str, Callable[[Outcomes], NDArray[np.float64]]]] = {
    "margin_per_customer": ("money", lambda o: o["margin_micros"].astype(np.float64)),
    "sales_per_customer": ("money", lambda o: o["sales_micros"].astype(np.float64)),
    "active_share": ("share", lambda o: (o["purchase_days"] > 0).astype(np.float64)),
    "purchase_days_per_customer": ("days", lambda o: o["purchase_days"].astype(np.float64)),
    "departments_per_customer": ("departments", lambda o: o["departments"].astype(np.float64)),
}
"""Measures that are a mean over customers: unit (`money` is micros), and each customer's part."""

UNITS: dict[str, str] = {name: unit for name, (unit, _) in PER_CUSTOMER.items()} | {"discount_share": "share"}


def basis_of(measure: str, margin_basis: str) -> Basis:
    """Return whether a measure is measured, or rests on margins that are assumed."""
    return Basis(margin_basis) if measure == "margin_per_customer" else Basis.MEASURED


def measure_of(name: str, outcomes: Outcomes, members: NDArray[np.bool_]) -> Estimate:
    """Return a measure over the customers marked in `members`, shape (n,), with an interval over households."""
    households = outcomes["household_key"][members]
    if name == "discount_share":
        _, row = np.unique(households, return_inverse=True)
        given, regular = (
            np.bincount(row, weights=outcomes[c][members].astype(np.float64)).astype(np.float64)
            for c in ("discount_micros", "regular_micros")
        )
        return replace(ratio_of(given, regular), customers=len(households))
    return mean_of(PER_CUSTOMER[name][1](outcomes)[members], households)


def effect_on(name: str, outcomes: Outcomes, treated: NDArray[np.bool_], control: NDArray[np.bool_]) -> Estimate:
    """Return the difference of a per-customer measure between two groups of customers."""
    values, households = PER_CUSTOMER[name][1](outcomes), outcomes["household_key"]
    return difference_of(values[treated], values[control], (households[treated], households[control]))
