"""What customers bought, as arrays: pairs in rows of customers, with days and recent counts.

Why it exists: fitting on a sample and scoring everybody read the same counts, cut to any customers. No factor and no
model may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import StateDamaged
from rapport.core.keys import positions

Ints = NDArray[np.int64]
Small = NDArray[np.int32]

LONG_AGO = 728
"""Days since the last trip of a customer without one."""


@dataclass(frozen=True)
class PairCounts:
    """Pairs bought by n customers out of J items, as of a day, in compressed sparse rows; m pairs.

    Attributes
    ----------
    customer_keys : (n,) int64, ascending; also customers who bought nothing
    n_items : int
    start : (n + 1,) int64, where each customer's pairs begin
    item : (m,) int32, rising within a customer
    days, first_day, last_day, days_28, days_91 : (m,) int32
        Purchase days of the pair, days since its first and last, purchase days among the last 28 and 91.
    trips, first_trip, last_trip, trips_28, trips_91 : (n,) int32
        The same of purchases of anything; without a trip the first is 0 and the last `LONG_AGO`.
    """

    customer_keys: Ints
    n_items: int
    start: Ints
    item: Small
    days: Small
    first_day: Small
    last_day: Small
    days_28: Small
    days_91: Small
    trips: Small
    first_trip: Small
    last_trip: Small
    trips_28: Small
    trips_91: Small

    @property
    def n_customers(self) -> int:
        """Return the number of customers."""
        return len(self.customer_keys)

    @property
    def row(self) -> Ints:
        """Return the row of the customer of each pair, shape (m,)."""
        return np.repeat(np.arange(self.n_customers), np.diff(self.start))

    def of_selected(self, keep: NDArray[np.bool_]) -> PairCounts:
        """Return the counts of the customers marked in `keep`, shape (n,)."""
        size = np.diff(self.start)
        pairs = np.repeat(keep, size)
        start = np.zeros(int(keep.sum()) + 1, dtype=np.int64)
        np.cumsum(size[keep], out=start[1:])
        return PairCounts(
            self.customer_keys[keep],
            self.n_items,
            start,
            *(getattr(self, name)[pairs] for name in ("item", "days", "first_day", "last_day", "days_28", "days_91")),
            *(getattr(self, name)[keep] for name in ("trips", "first_trip", "last_trip", "trips_28", "trips_91")),
        )


def pair_counts(customer_keys: Ints, n_items: int, pairs: pa.Table, customers: pa.Table) -> PairCounts:
    """Return the counts held by the results of the queries in `factors_sql`.

    Parameters
    ----------
    customer_keys : (n,) int64, ascending and distinct
    n_items : int
    pairs, customers : pyarrow.Table
        Results of ``factor_pairs_sql`` and ``factor_customers_sql``, ordered as they come.

    Raises
    ------
    StateDamaged
        A row is of a customer who is not among the keys.
    """
    row = _rows(customer_keys, pairs, "pairs")
    start = np.zeros(len(customer_keys) + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=len(customer_keys)), out=start[1:])
    at = _rows(customer_keys, customers, "customers")

    def spread(name: str, missing: int) -> Small:
        whole = np.full(len(customer_keys), missing, dtype=np.int32)
        whole[at] = _column(customers, name)
        return whole

    return PairCounts(
        customer_keys=customer_keys,
        n_items=n_items,
        start=start,
        item=_column(pairs, "item_index"),
        **{name: _column(pairs, name) for name in ("days", "first_day", "last_day", "days_28", "days_91")},
        trips=spread("trips", 0),
        first_trip=spread("first_day", 0),
        last_trip=spread("last_day", LONG_AGO),
        trips_28=spread("trips_28", 0),
        trips_91=spread("trips_91", 0),
    )


def bought_after(counts: PairCounts, outcomes: pa.Table) -> tuple[NDArray[np.bool_], Ints, Small]:
    """Return which pairs were bought again, and the row and item of those bought for the first time.

    Parameters
    ----------
    counts : PairCounts
    outcomes : pyarrow.Table
        Result of ``factor_outcomes_sql``; rows of other customers are left out.

    Returns
    -------
    again : (m,) bool; row : (k,) int64; item : (k,) int32
    """
    at = positions(counts.customer_keys, outcomes["customer_key"].to_numpy())
    row, item = at[at >= 0], _column(outcomes, "item_index")[at >= 0]
    bought = row * np.int64(counts.n_items) + item
    before = counts.row * np.int64(counts.n_items) + counts.item
    first = positions(before, bought) < 0
    return positions(bought, before) >= 0, row[first], item[first]


def _rows(customer_keys: Ints, table: pa.Table, place: str) -> Ints:
    keys = table["customer_key"].to_numpy()
    row = positions(customer_keys, keys)
    if len(row) and row.min() < 0:
        raise StateDamaged(
            f"{place}: a customer is not among the keys - {int(keys[int(np.argmin(row))])}; every row needs a known "
            "customer. Read customers and purchases with the same range of keys."
        )
    return row


def _column(table: pa.Table, name: str) -> NDArray[Any]:
    return np.ascontiguousarray(table[name].to_numpy(), dtype=np.int32)
