"""Tiers A, B and C by value, with counts that are exact, and what each tier brings.

Why it exists: a company treats its most valuable customers, its many middle ones and those below zero
differently, and must see each group as itself. The split is by rank, so that its size can be planned. A mean
over all customers may not enter: it describes nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.core.errors import ProgramInvalid

Integers = NDArray[np.int64]
TIERS: Final = ("A", "B", "C")
_LOW_BITS: Final = 32


@dataclass(frozen=True, slots=True)
class TierSummary:
    """One tier as itself.

    Attributes
    ----------
    tier : str
        'A', 'B' or 'C'.
    customers : int
    contribution_micros : int
        Sum of the values, exact.
    share_of_contribution : float or None
        Of the sum over all tiers; None where that sum is not above zero. With customers below zero the shares of
        the upper tiers may exceed 1; the shares sum to 1.
    median_micros : int or None
        Middle value; the mean of the two middle ones, rounded down, for an even count; None for an empty tier.
    below_zero : int
        Customers whose value is below zero.
    """

    tier: str
    customers: int
    contribution_micros: int
    share_of_contribution: float | None
    median_micros: int | None
    below_zero: int


def tier_sizes(customers: int, top_share: float = 0.25, bottom_share: float = 0.20) -> tuple[int, int, int]:
    """Return how many customers A, B and C hold.

    Parameters
    ----------
    customers : int
        >= 0.
    top_share, bottom_share : float
        In [0, 1], together at most 1. Taken as the decimal numbers they are written as, so 0.145 of 100 is 14.5.

    Returns
    -------
    (A, B, C), which sum to ``customers``. A is its share rounded to the nearest whole number, halves up; C
    likewise, but no more than A leaves; B is the rest. With the usual shares: 1 customer is B, 2 are A and B,
    3 are A, B and C.

    Raises
    ------
    ProgramInvalid
        If a share is outside its range, or the shares exceed 1 together.
    """
    for name, share in (("top_share", top_share), ("bottom_share", bottom_share)):
        if not 0.0 <= share <= 1.0:
            raise ProgramInvalid(
                f"{name}: not a share - {share}; must lie in [0, 1]. Give a share, not a percentage."
            )
    top, bottom = Fraction(repr(float(top_share))), Fraction(repr(float(bottom_share)))
    if top + bottom > 1:
        raise ProgramInvalid(
            f"top_share, bottom_share: more than everyone - {top_share} + {bottom_share}; must be at most 1 "
            "together. Lower one of them."
        )
    half = Fraction(1, 2)
    in_a = int(top * customers + half)
    in_c = min(int(bottom * customers + half), customers - in_a)
    return in_a, customers - in_a - in_c, in_c


def assign_tiers(
    values_micros: ArrayLike, keys: ArrayLike, top_share: float = 0.25, bottom_share: float = 0.20
) -> NDArray[np.str_]:
    """Return the tier of each customer: A the top share by value, C the bottom share, B the rest.

    Parameters
    ----------
    values_micros : int64 array, shape (n,)
    keys : int64 array, shape (n,)
        Customer keys, each once. Of customers with equal value the one with the smaller key ranks higher, so the
        counts are exact and the order of the rows does not matter.
    top_share, bottom_share : float
        As ``tier_sizes`` takes them.

    Returns
    -------
    array of 'A', 'B', 'C', shape (n,).

    Raises
    ------
    ProgramInvalid
        If the shares are not allowed.
    ValueError
        If values are not whole micros, keys repeat, or the lengths differ.
    """
    values, names = _whole(values_micros, "values_micros"), _whole(keys, "keys")
    in_a, in_b, _ = tier_sizes(values.size, top_share, bottom_share)
    if names.shape != values.shape:
        raise ValueError(f"keys: {names.size} for {values.size} values; give one for each value.")
    ordered = np.sort(names)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
        raise ValueError(f"keys: a customer stands twice - {repeated[0]}; keys must differ. Merge the rows.")
    # ~value turns the order round without the overflow that -value has at the smallest int64.
    rank = np.lexsort((names, ~values))
    tiers = np.full(values.size, "C", dtype="<U1")
    tiers[rank[:in_a]] = "A"
    tiers[rank[in_a : in_a + in_b]] = "B"
    return tiers


def summarise_tiers(values_micros: ArrayLike, tiers: ArrayLike) -> tuple[TierSummary, TierSummary, TierSummary]:
    """Return what each tier holds, in the order A, B, C.

    Parameters
    ----------
    values_micros : int64 array, shape (n,)
    tiers : array of 'A', 'B', 'C', shape (n,)

    Returns
    -------
    tuple of three TierSummary. No mean over tiers is given.

    Raises
    ------
    ValueError
        If values are not whole micros, a tier is unknown, or the lengths differ.
    """
    values, names = _whole(values_micros, "values_micros"), np.asarray(tiers)
    if names.shape != values.shape:
        raise ValueError(f"tiers: {names.size} for {values.size} values; give one for each value.")
    unknown = ~np.isin(names, TIERS)
    if values.size and unknown.any():
        raise ValueError(f"tiers: not a tier - {names[unknown][0]}; must be A, B or C. Use assign_tiers.")
    total = exact_sum(values)
    first, second, third = (_summary(tier, np.sort(values[names == tier]), total) for tier in TIERS)
    return first, second, third


def _summary(tier: str, ordered: Integers, total: int) -> TierSummary:
    count = int(ordered.size)
    middle = None if count == 0 else (int(ordered[(count - 1) // 2]) + int(ordered[count // 2])) // 2
    contribution = exact_sum(ordered)
    return TierSummary(
        tier=tier,
        customers=count,
        contribution_micros=contribution,
        share_of_contribution=contribution / total if total > 0 else None,
        median_micros=middle,
        below_zero=int(np.count_nonzero(ordered < 0)),
    )


def exact_sum(values: Integers) -> int:
    """Return the sum of whole numbers, exact also beyond int64."""
    # Two halves, so that a sum beyond int64 stays exact.
    high, low = values >> _LOW_BITS, values & ((1 << _LOW_BITS) - 1)
    return (int(high.sum()) << _LOW_BITS) + int(low.sum())


def _whole(values: ArrayLike, name: str) -> Integers:
    given = np.asarray(values)
    if given.size == 0:
        return np.zeros(0, dtype=np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise ValueError(f"{name}: {given.dtype} of shape {given.shape}; must be int64 of shape (n,). Round first.")
    return given.astype(np.int64)
