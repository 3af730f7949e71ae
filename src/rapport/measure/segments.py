"""What each tier holds in each sub-segment: counts, sums, middles, with intervals, never one average for all.

Why it exists: an average over a tier hides the ages and households of which it is made. Which traits cut customers
into sub-segments that can be read is settled here too, and whatever is left out is named. No table and no engine may
enter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rapport.core.reasons import Status

Integers = NDArray[np.int64]

MOST_VALUES: Final = 12
"""Values of a trait that can still be read side by side."""

LEAST_COVERED: Final = 0.5
"""Share of the customers whose value of a trait must be known for it to be shown unasked."""

FEWEST_SHOWN: Final = 20
"""Customers below which a group has a status in place of numbers."""

NOT_KNOWN, OTHER = "not known", "all others"
TIERS: Final = ("A", "B", "C")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_BELOW = ("under", "less", "below", "up to", "<", "bis", "unter")


@dataclass(frozen=True)
class Segmented:
    """Customers cut by one trait.

    Attributes
    ----------
    trait : str
    labels : tuple of str
        In natural order: by the first number in them where there is one, else by the alphabet.
    code : int64 array, shape (n,)
        Position in `labels` of each customer.
    tested : tuple of bool
        Whether a label is a value of the trait; not for `NOT_KNOWN` and `OTHER`, which are no sub-segments.
    """

    trait: str
    labels: tuple[str, ...]
    code: Integers
    tested: tuple[bool, ...]


@dataclass(frozen=True)
class LeftOut:
    """A trait by which customers are not shown, and why."""

    trait: str
    why: str


def segments_of(
    traits: Mapping[str, Sequence[str | None]], asked: Sequence[str] | None = None
) -> tuple[tuple[Segmented, ...], tuple[LeftOut, ...]]:
    """Return the traits by which customers are shown, and those by which they are not.

    Parameters
    ----------
    traits : mapping of str to sequence of n texts
        The value of each customer; None or blank where it is not known.
    asked : sequence of str, optional
        Traits to show whatever they cover, in this order; of more than `MOST_VALUES` values the smallest are taken
        together as `OTHER`. None: all with 2 to `MOST_VALUES` values that cover `LEAST_COVERED` of the customers.

    Returns
    -------
    (shown, left out)
    """
    shown, left = [], []
    for trait in traits if asked is None else [*asked, *(t for t in traits if t not in asked)]:
        known = [None if v is None or not v.strip() else v for v in traits[trait]]
        values = {v for v in known if v is not None}
        covered = sum(v is not None for v in known) / len(known) if known else 0.0
        if asked is not None and trait not in asked:
            left.append(LeftOut(trait, "not among the segments that the programme names"))
        elif why := _why_not(len(values), covered, asked is None):
            left.append(LeftOut(trait, why))
        else:
            shown.append(_cut(trait, known))
    return tuple(shown), tuple(left)


def _why_not(values: int, covered: float, unasked: bool) -> str:
    if values < 2:
        return "no customer has a value of it" if values == 0 else "all known customers have the same value"
    if unasked and values > MOST_VALUES:
        return f"{values:,} values, more than {MOST_VALUES}"
    if unasked and covered < LEAST_COVERED:
        return f"known of {covered:.0%} of the customers, less than {LEAST_COVERED:.0%}"
    return ""


def _cut(trait: str, known: Sequence[str | None]) -> Segmented:
    names, inverse = np.unique(np.array(["" if v is None else v for v in known], dtype=object), return_inverse=True)
    inverse = inverse.astype(np.int64)
    size = np.bincount(inverse, minlength=len(names))
    order = [i for i in np.lexsort((np.arange(len(names)), -size)).tolist() if names[i] != ""]
    kept = order if len(order) <= MOST_VALUES else order[: MOST_VALUES - 1]
    kept = sorted(kept, key=lambda i: natural_order(str(names[i])))
    labels = [str(names[i]) for i in kept]
    place = {i: p for p, i in enumerate(kept)}
    tested = [True] * len(labels)
    rest = [i for i in order if i not in place]
    if rest:
        place |= dict.fromkeys(rest, len(labels))
        labels.append(f"{OTHER} ({len(rest):,} values)")
        tested.append(False)
    for i in range(len(names)):
        if names[i] == "":
            place[i] = len(labels)
            labels.append(NOT_KNOWN)
            tested.append(False)
    moved = np.array([place[i] for i in range(len(names))], dtype=np.int64)
    return Segmented(trait, tuple(labels), moved[inverse], tuple(tested))


def natural_order(label: str) -> tuple[float, bool, str]:
    """Return a key that puts "under 15", "15-24" and "100+" in the order of their numbers, words after numbers."""
    found = _NUMBER.search(label)
    first = float(found[0].replace(",", "")) if found else math.inf
    return first, not label.lower().startswith(_BELOW), label


def household_sizes(household_keys: Integers) -> list[str]:
    """Return for each customer how many customers share the household, as text: 1, 2, 3 or 4+."""
    _, row = np.unique(household_keys, return_inverse=True)
    size = np.bincount(row)[row] if len(row) else np.zeros(0, dtype=np.int64)
    return [str(s) if s < 4 else "4+" for s in size.tolist()]


@dataclass(frozen=True)
class Worth:
    """What is known of each customer, arrays of shape (n,), money in micros.

    `values` with the ends `low` and `high` of the value model; `expected` of the turn with the ends over the assumed
    lift, 0 for whom nothing is delivered.
    """

    tiers: NDArray[np.str_]
    values: Integers
    low: Integers
    high: Integers
    expected: Integers
    expected_low: Integers
    expected_high: Integers


Ends = tuple[float, float, float]
"""A value with the ends of its interval, micros."""


@dataclass(frozen=True)
class SegmentCell:
    """One tier in one sub-segment; money in micros.

    Attributes
    ----------
    tier, label : str
    customers : int
    share_of_tier : float
        Of the customers of the tier.
    status : Status
        `TOO_FEW_CUSTOMERS` below `FEWEST_SHOWN` customers: then there is nothing below.
    total : (value, low, high) or None
        Sum of the values; the interval is that of the value model, customers erring independently.
    share_of_value : float or None
        Of the sum of the tier; None where that is not above zero.
    median : (value, low, high) or None
        Interval of 95 % by order statistics.
    below_zero : int or None
    expected : (value, low, high) or None
        Expected contribution of the turn, over the range of the lift.
    """

    tier: str
    label: str
    customers: int
    share_of_tier: float
    status: Status
    total: Ends | None = None
    share_of_value: float | None = None
    median: Ends | None = None
    below_zero: int | None = None
    expected: Ends | None = None


def cells_of(worth: Worth, segmented: Segmented) -> tuple[SegmentCell, ...]:
    """Return every tier in every sub-segment of one trait, tier by tier; empty groups are left out.

    The customers of a tier's cells add up to the tier's.
    """
    found = []
    for tier in TIERS:
        in_tier = worth.tiers == tier
        everyone = int(in_tier.sum())
        whole = float(worth.values[in_tier].sum())
        for place, label in enumerate(segmented.labels):
            inside = in_tier & (segmented.code == place)
            n = int(inside.sum())
            if n == 0:
                continue
            if n < FEWEST_SHOWN:
                found.append(SegmentCell(tier, label, n, n / everyone, Status.TOO_FEW_CUSTOMERS))
                continue
            total = _total(worth.values[inside], worth.low[inside], worth.high[inside])
            found.append(
                SegmentCell(
                    tier=tier,
                    label=label,
                    customers=n,
                    share_of_tier=n / everyone,
                    status=Status.OK,
                    total=total,
                    share_of_value=total[0] / whole if whole > 0 else None,
                    median=median_with_ends(worth.values[inside]),
                    below_zero=int((worth.values[inside] < 0).sum()),
                    expected=(
                        float(worth.expected[inside].sum()),
                        float(worth.expected_low[inside].sum()),
                        float(worth.expected_high[inside].sum()),
                    ),
                )
            )
    return tuple(found)


def readable(worth: Worth, segments: Sequence[Segmented]) -> tuple[tuple[Segmented, ...], tuple[LeftOut, ...]]:
    """Return the traits that show figures of at least two sub-segments in some tier, and those that do not."""
    shown, left = [], []
    for cut in segments:
        seen = [c.tier for c in cells_of(worth, cut) if c.status is Status.OK and c.label != NOT_KNOWN]
        if any(seen.count(tier) >= 2 for tier in TIERS):
            shown.append(cut)
        else:
            left.append(LeftOut(cut.trait, f"no tier has {FEWEST_SHOWN} customers in two of its values"))
    return tuple(shown), tuple(left)


def _total(values: Integers, low: Integers, high: Integers) -> Ends:
    """Return a sum with the interval of independent customers: half-widths add up in squares."""
    below = math.sqrt(float(np.sum((values - low).astype(np.float64) ** 2)))
    above = math.sqrt(float(np.sum((high - values).astype(np.float64) ** 2)))
    total = float(values.sum())
    return total, total - below, total + above


def median_with_ends(values: Integers) -> Ends:
    """Return the median of 6 values at least, with its distribution-free 95 % interval.

    The ends are the order statistics r and n + 1 - r, r the largest with P(Bin(n, 1/2) < r) <= 0.025 (Conover 1999,
    *Practical Nonparametric Statistics*, 3rd ed., section 3.2).
    """
    from scipy.special import bdtr

    ordered = np.sort(values)
    n = len(ordered)
    r = np.arange(1, n // 2 + 1)
    allowed = r[bdtr(r - 1.0, n, 0.5) <= 0.025]
    if not len(allowed):
        raise ValueError(f"values: {n} are too few for an interval of a median; 6 at least are needed.")
    end = int(allowed[-1]) - 1
    return float(np.median(ordered)), float(ordered[end]), float(ordered[n - 1 - end])
