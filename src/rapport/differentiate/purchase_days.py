"""Purchase days of each customer, and what was known of each customer on any day.

Why it exists: a model is judged by what it says of the part of the past that it has not seen, so the same days must
be told as a history up to a day and as counts after it. A customer who first bought later is not known yet and may
not enter.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.differentiate.likelihood import Floats, Integers


@dataclass(frozen=True, slots=True)
class PurchaseDays:
    """One row for each customer and day with a purchase, ordered by customer, then day.

    Attributes
    ----------
    customer : int64 array, shape (m,)
        0 to the number of customers less 1; every number occurs.
    day : int64 array, shape (m,)
        Any count of days; days before 1970 are negative numbers like any other.
    keys : int64 array, shape (customers,)
        The key of each customer as given, ascending.
    """

    customer: Integers
    day: Integers
    keys: Integers

    @property
    def customers(self) -> int:
        """Number of customers."""
        return int(self.keys.size)


@dataclass(frozen=True, slots=True)
class KnownHistory:
    """What was known at the end of a day of the customers who had bought by then; arrays of shape (n,), in days.

    Attributes
    ----------
    frequency, recency, age : float64 arrays
        Repeat purchase days; days from first to last purchase; days from first purchase to now.
    log_gaps : float64 array
        Sum of the natural logarithms of the days between purchases; 0 without a repeat purchase.
    ahead : float64 array
        Purchase days in the time judged.
    customer : int64 array
        Numbers of the customers, ascending.
    """

    frequency: Floats
    recency: Floats
    age: Floats
    log_gaps: Floats
    ahead: Floats
    customer: Integers

    def some(self, chosen: NDArray[np.bool_]) -> KnownHistory:
        """Return the customers marked, shape (n,)."""
        return KnownHistory(*(getattr(self, f.name)[chosen] for f in fields(self)))


def purchase_days(keys: ArrayLike, days: ArrayLike) -> PurchaseDays:
    """Return purchase days from one row for each purchase, in any order; two on one day are one.

    Parameters
    ----------
    keys : int array, shape (m,)
        Customer of each purchase.
    days : int array or datetime64 array, shape (m,)
        Day of each purchase; datetime64 becomes days since 1970.

    Raises
    ------
    ValueError
        If the columns differ in length, or a day is missing or not whole.
    """
    who, when = np.asarray(keys), np.asarray(days)
    if who.ndim != 1 or who.shape != when.shape:
        raise ValueError(
            f"purchase days: columns of different length - {who.shape}, {when.shape}; give one day each."
        )
    if who.size == 0:
        none = np.zeros(0, dtype=np.int64)
        return PurchaseDays(none, none.copy(), none.copy())
    if when.dtype.kind == "M":
        if np.isnat(when).any():
            raise ValueError("purchase days: a day is missing - NaT; every purchase has a day. Leave the row out.")
        when = when.astype("datetime64[D]").astype(np.int64)
    whole = when.astype(np.int64)
    if np.any(whole != when):
        raise ValueError(f"purchase days: not a day - {when[whole != when][0]}; must be whole. Give day numbers.")
    found, customer = np.unique(who, return_inverse=True)
    order = np.lexsort((whole, customer))
    customer, whole = customer[order].astype(np.int64), whole[order]
    new = np.ones(customer.size, dtype=bool)
    new[1:] = (customer[1:] != customer[:-1]) | (whole[1:] != whole[:-1])
    return PurchaseDays(customer[new], whole[new], found.astype(np.int64))


def known_until(purchases: PurchaseDays, now: int, end: int | None = None) -> KnownHistory:
    """Return what was known at the end of day ``now``, and the purchase days after it up to ``end``.

    Parameters
    ----------
    purchases : PurchaseDays
    now : int
        Last day that is known.
    end : int, optional
        Last day that is judged; None: ``ahead`` is 0.

    Returns
    -------
    KnownHistory
        Of the customers with a purchase on or before ``now`` only.
    """
    past = purchases.day <= now
    customer, day = purchases.customer[past], purchases.day[past]
    n = purchases.customers
    counts = np.bincount(customer, minlength=n)
    known = np.flatnonzero(counts)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts[known])])
    first, last = day[starts[:-1]], day[starts[1:] - 1]
    gaps = np.zeros(day.size)
    inside = np.ones(day.size, dtype=bool)
    inside[starts[:-1]] = False
    gaps[inside] = np.log((day[1:] - day[:-1])[inside[1:]].astype(np.float64))
    total = np.bincount(customer, weights=gaps, minlength=n)[known]
    later = purchases.customer[(purchases.day > now) & (purchases.day <= (now if end is None else end))]
    return KnownHistory(
        frequency=(counts[known] - 1).astype(np.float64),
        recency=(last - first).astype(np.float64),
        age=(now - first).astype(np.float64),
        log_gaps=np.asarray(total, dtype=np.float64),
        ahead=np.bincount(later, minlength=n)[known].astype(np.float64),
        customer=known.astype(np.int64),
    )


def some_customers(purchases: PurchaseDays, chosen: NDArray[np.bool_]) -> PurchaseDays:
    """Return the purchase days of the customers marked, shape (customers,), numbered anew in the same order."""
    number = np.cumsum(chosen) - 1
    rows = chosen[purchases.customer]
    return PurchaseDays(number[purchases.customer[rows]], purchases.day[rows], purchases.keys[chosen])
