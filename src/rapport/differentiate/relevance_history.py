"""Purchase histories as arrays: what the relevance features are computed from.

Why it exists: training windows, chunks of customers and scoring all need the same history cut at another day
or to other customers. One sorted record with two cuts serves them all. No feature and no model may enter.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_EPOCH = dt.date(1970, 1, 1)


def day_number(day: dt.date) -> int:
    """Return a day as the number of days since 1970-01-01."""
    return (day - _EPOCH).days


@dataclass(frozen=True)
class PurchaseHistory:
    """Purchases of some customers over a catalogue of items, sorted; days count from 1970-01-01.

    Attributes
    ----------
    customer_keys : int64 array, shape (n_customers,)
        Also customers without any purchase.
    n_items : int
    customer, item, day : int32 arrays, shape (n_rows,)
        Row of the customer, index of the item, day of purchase: distinct, sorted by the three.
    sales_micros : int64 array, shape (n_rows,)
    discounted : bool array, shape (n_rows,)
    trip_customer, trip_day : int32 arrays, shape (n_trips,)
        Days with a purchase of anything: distinct, sorted by the two.
    trip_sales_micros, trip_discount_micros : int64 arrays, shape (n_trips,)
    """

    customer_keys: NDArray[np.int64]
    n_items: int
    customer: NDArray[np.int32]
    item: NDArray[np.int32]
    day: NDArray[np.int32]
    sales_micros: NDArray[np.int64]
    discounted: NDArray[np.bool_]
    trip_customer: NDArray[np.int32]
    trip_day: NDArray[np.int32]
    trip_sales_micros: NDArray[np.int64]
    trip_discount_micros: NDArray[np.int64]

    @property
    def n_customers(self) -> int:
        """Return the number of customers."""
        return len(self.customer_keys)

    def before(self, day: int) -> PurchaseHistory:
        """Return the history with rows before a day only; the customers stay.

        Parameters
        ----------
        day : int
            Days since 1970-01-01; rows on this day are left out.
        """
        return self._cut(self.customer_keys, self.day < day, self.trip_day < day)

    def of_customers(self, first: int, stop: int) -> PurchaseHistory:
        """Return the history of the customers ``first <= row < stop``, a contiguous chunk."""
        lo, hi = np.searchsorted(self.customer, [first, stop])
        trip_lo, trip_hi = np.searchsorted(self.trip_customer, [first, stop])
        part = self._cut(self.customer_keys[first:stop], slice(lo, hi), slice(trip_lo, trip_hi))
        return part._renumbered(part.customer - np.int32(first), part.trip_customer - np.int32(first))

    def of_selected(self, keep: NDArray[np.bool_]) -> PurchaseHistory:
        """Return the history of the customers marked in ``keep``, shape (n_customers,)."""
        rank = (np.cumsum(keep) - 1).astype(np.int32)
        part = self._cut(self.customer_keys[keep], keep[self.customer], keep[self.trip_customer])
        return part._renumbered(rank[part.customer], rank[part.trip_customer])

    def _cut(
        self, keys: NDArray[np.int64], rows: NDArray[np.bool_] | slice, trips: NDArray[np.bool_] | slice
    ) -> PurchaseHistory:
        return PurchaseHistory(
            customer_keys=keys,
            n_items=self.n_items,
            customer=self.customer[rows],
            item=self.item[rows],
            day=self.day[rows],
            sales_micros=self.sales_micros[rows],
            discounted=self.discounted[rows],
            trip_customer=self.trip_customer[trips],
            trip_day=self.trip_day[trips],
            trip_sales_micros=self.trip_sales_micros[trips],
            trip_discount_micros=self.trip_discount_micros[trips],
        )

    def _renumbered(self, customer: NDArray[np.int32], trip_customer: NDArray[np.int32]) -> PurchaseHistory:
        return dataclasses.replace(self, customer=customer, trip_customer=trip_customer)


def _array(table: pa.Table, column: str, kind: type[np.generic]) -> NDArray[np.generic]:
    values = table.column(column).combine_chunks()
    if column == "day":
        values = values.cast(pa.int32())
    return np.asarray(values.to_numpy(zero_copy_only=False)).astype(kind)


def _rows_of(keys: NDArray[np.generic], customer_keys: NDArray[np.int64], place: str) -> NDArray[np.int32]:
    rows = np.searchsorted(customer_keys, keys)
    known = rows < len(customer_keys)
    known[known] = customer_keys[rows[known]] == keys[known]
    if not known.all():
        stranger = int(keys[np.flatnonzero(~known)[0]])
        raise ValueError(
            f"{place}: a customer is not among customer_keys - {stranger}; every row needs a known customer. "
            "Read customers and purchases with the same range of keys."
        )
    return rows.astype(np.int32)


def history_from_arrow(
    customer_keys: NDArray[np.int64], n_items: int, purchases: pa.Table, trips: pa.Table
) -> PurchaseHistory:
    """Return the history held by the results of the queries in `relevance_sql`.

    Parameters
    ----------
    customer_keys : int64 array, shape (n_customers,)
        Ascending and distinct.
    n_items : int
        Size of the catalogue; every item_index lies in [0, n_items).
    purchases : pyarrow.Table
        Rows of ``relevance_purchases_sql``, in any order.
    trips : pyarrow.Table
        Rows of ``relevance_trips_sql``, in any order.

    Raises
    ------
    ValueError
        Where keys do not ascend, a customer is unknown or an item lies outside the catalogue.
    """
    if len(customer_keys) > 1 and not (np.diff(customer_keys) > 0).all():
        raise ValueError("customer_keys: the keys do not ascend; they must be distinct and sorted. Sort them first.")
    item = _array(purchases, "item_index", np.int32).astype(np.int32)
    if len(item) and (item.min() < 0 or item.max() >= n_items):
        raise ValueError(
            f"purchases: item_index lies outside the catalogue - {item.min()} to {item.max()}; "
            f"must lie in [0, {n_items}). Give the size of the catalogue that made item_products."
        )
    customer = _rows_of(_array(purchases, "customer_key", np.int64), customer_keys, "purchases")
    day = _array(purchases, "day", np.int32).astype(np.int32)
    trip_customer = _rows_of(_array(trips, "customer_key", np.int64), customer_keys, "trips")
    trip_day = _array(trips, "day", np.int32).astype(np.int32)
    order = np.lexsort((day, item, customer))
    trip_order = np.lexsort((trip_day, trip_customer))
    return PurchaseHistory(
        customer_keys=customer_keys.astype(np.int64),
        n_items=n_items,
        customer=customer[order],
        item=item[order],
        day=day[order],
        sales_micros=_array(purchases, "sales_micros", np.int64).astype(np.int64)[order],
        discounted=_array(purchases, "discounted", np.bool_).astype(np.bool_)[order],
        trip_customer=trip_customer[trip_order],
        trip_day=trip_day[trip_order],
        trip_sales_micros=_array(trips, "sales_micros", np.int64).astype(np.int64)[trip_order],
        trip_discount_micros=_array(trips, "discount_micros", np.int64).astype(np.int64)[trip_order],
    )


def bought_pairs(history: PurchaseHistory) -> NDArray[np.bool_]:
    """Return which customer bought which item at all in a history, shape (n_customers, n_items)."""
    bought = np.zeros((history.n_customers, history.n_items), dtype=np.bool_)
    bought[history.customer, history.item] = True
    return bought


def bought_between(history: PurchaseHistory, first_day: int, stop_day: int) -> NDArray[np.bool_]:
    """Return which customer bought which item on ``first_day <= day < stop_day``, shape (n_customers, n_items)."""
    inside = (history.day >= first_day) & (history.day < stop_day)
    bought = np.zeros((history.n_customers, history.n_items), dtype=np.bool_)
    bought[history.customer[inside], history.item[inside]] = True
    return bought


def purchase_day_counts(history: PurchaseHistory) -> NDArray[np.int64]:
    """Return the number of distinct purchase days per customer and item, shape (n_customers, n_items)."""
    cell = history.customer.astype(np.int64) * history.n_items + history.item
    counts = np.bincount(cell, minlength=history.n_customers * history.n_items)
    return counts.reshape(history.n_customers, history.n_items).astype(np.int64)


def pair_starts(history: PurchaseHistory) -> NDArray[np.int64]:
    """Return the first row of every bought pair of customer and item, shape (n_pairs,), ascending."""
    change = np.ones(len(history.day), dtype=np.bool_)
    change[1:] = (np.diff(history.customer) != 0) | (np.diff(history.item) != 0)
    return np.flatnonzero(change)


def decay(age_days: NDArray[np.int64], half_life_days: float) -> NDArray[np.float64]:
    """Return 2**(-age / half-life), same shape; ages are whole days, at least 0.

    Read from a table by whole days, so that an age gives the same bits wherever it stands in an array.
    """
    longest = int(age_days.max(initial=0))
    table = np.array([0.5 ** (age / half_life_days) for age in range(longest + 1)])
    return table[age_days]
