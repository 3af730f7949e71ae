"""Features of customer x item: personal frequency, recency, cadence, trips, discounts, taste of the like-minded.

Why it exists: training and scoring must see the same numbers, and a customer the same numbers alone, in any
chunk and in any order. So every sum runs over the customer's own rows in their fixed order (bincount and the
row-wise sparse product add one after the other), powers of time come from a table by whole days, and what is
known of other customers enters through `ItemStatistics` alone. No dense matrix product may enter, and no row
on or after ``as_of``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rapport.differentiate.relevance_history import PurchaseHistory, decay, pair_starts
from rapport.differentiate.relevance_items import ItemStatistics, recent_weights, sales_per_day

_BLOCKS = 6
_HALF_LIVES = (14.0, 45.0, 150.0, 400.0)

CUSTOMER_FEATURES = (
    "trips", "trips_7", "trips_28", "trips_91", "days_since_trip", "customer_age", "sales_per_trip",
    "sales_per_day", "discount_rate", "items_bought", "items_per_trip", "item_days_28",
)  # fmt: skip
ITEM_FEATURES = (
    "buyer_share", "buyer_share_window", "buyer_share_long", "trend", "rebuy_share", "new_share",
    "days_per_buyer", "item_interval", "item_discount_share", "item_sales_per_day",
    "buyer_share_14", "item_discount_share_14",
)  # fmt: skip
TASTE_FEATURES = ("tier_share", "ease", "ease_recent", "cosine_recent", "succession")
PAIR_FEATURES = (
    "purchase_days", "days_since_last", "days_since_first", "mean_interval", "due", "last_interval",
    "interval_spread", "days_28", "days_91", "decayed_14", "decayed_45", "decayed_150", "decayed_400", "trip_share",
    "trip_share_91", "trips_since_last", "expected_days", "blocks_share",
    "pair_discount_share", "pair_sales_per_day", "interval_to_item",
    "last_sales_share", "share_of_items",
)  # fmt: skip
REPEAT_FEATURES = PAIR_FEATURES + TASTE_FEATURES + ITEM_FEATURES + CUSTOMER_FEATURES
EXPLORE_FEATURES = TASTE_FEATURES + ITEM_FEATURES + CUSTOMER_FEATURES


@dataclass(frozen=True)
class ChunkFeatures:
    """Features of a chunk of customers.

    Attributes
    ----------
    customer, item : int32 arrays, shape (n_pairs,)
        The pairs bought before ``as_of`` (*repeat*), sorted by both.
    pairs : float32 array, shape (n_pairs, len(PAIR_FEATURES))
        NaN where there is nothing to measure (an interval after one purchase).
    customers : float32 array, shape (n_customers, len(CUSTOMER_FEATURES))
    items : float32 array, shape (n_items, len(ITEM_FEATURES))
    tastes : float32 array, shape (n_customers, n_items, len(TASTE_FEATURES))
    """

    customer: NDArray[np.int32]
    item: NDArray[np.int32]
    pairs: NDArray[np.float32]
    customers: NDArray[np.float32]
    items: NDArray[np.float32]
    tastes: NDArray[np.float32]

    def repeat_rows(self) -> NDArray[np.float32]:
        """Return the rows of the repeat model, one a bought pair, shape (n_pairs, len(REPEAT_FEATURES))."""
        u, i = self.customer, self.item
        return np.concatenate([self.pairs, self.tastes[u, i], self.items[i], self.customers[u]], axis=1)

    def explore_cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return customer rows and items of the pairs never bought, sorted by both."""
        never = np.ones(self.tastes.shape[:2], dtype=np.bool_)
        never[self.customer, self.item] = False
        u, i = np.nonzero(never)
        return u, i

    def explore_rows(self, u: NDArray[np.int64], i: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the rows of the explore model for given pairs, shape (len(u), len(EXPLORE_FEATURES))."""
        return np.concatenate([self.tastes[u, i], self.items[i], self.customers[u]], axis=1)


def _over(a: NDArray[np.generic], b: NDArray[np.generic] | float) -> NDArray[np.float64]:
    a_float, b_float = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.divide(a_float, b_float, out=np.full(np.broadcast(a, b).shape, np.nan), where=b_float != 0)


def _customer_columns(past: PurchaseHistory, as_of: int) -> dict[str, NDArray[np.float64]]:
    n, u = past.n_customers, past.trip_customer
    age = as_of - past.trip_day.astype(np.int64)
    sales = np.zeros(n, dtype=np.int64)
    discount = np.zeros(n, dtype=np.int64)
    np.add.at(sales, u, past.trip_sales_micros)
    np.add.at(discount, u, past.trip_discount_micros)
    first = np.zeros(n, dtype=np.int64)
    np.maximum.at(first, u, age)
    last = np.full(n, 2**31, dtype=np.int64)
    np.minimum.at(last, u, age)
    trips = np.bincount(u, minlength=n)
    pair_start = np.ones(len(past.customer), dtype=np.bool_)
    pair_start[1:] = (np.diff(past.customer) != 0) | (np.diff(past.item) != 0)
    item_age = as_of - past.day.astype(np.int64)
    return {
        "trips": trips.astype(np.float64),
        "trips_7": np.bincount(u[age <= 7], minlength=n).astype(np.float64),
        "trips_28": np.bincount(u[age <= 28], minlength=n).astype(np.float64),
        "trips_91": np.bincount(u[age <= 91], minlength=n).astype(np.float64),
        "days_since_trip": np.where(trips > 0, last, np.nan),
        "customer_age": np.where(trips > 0, first, np.nan),
        "sales_per_trip": _over(sales / 1e6, trips),
        "sales_per_day": sales_per_day(past, as_of).astype(np.float64),
        "discount_rate": _over(discount, np.maximum(sales + discount, 0)),
        "items_bought": np.bincount(past.customer[pair_start], minlength=n).astype(np.float64),
        "items_per_trip": _over(np.bincount(past.customer, minlength=n), trips),
        "item_days_28": np.bincount(past.customer[item_age <= 28], minlength=n).astype(np.float64),
    }


def _item_columns(stats: ItemStatistics) -> NDArray[np.float32]:
    columns = [
        stats.buyer_share, stats.buyer_share_window, stats.buyer_share_long, stats.trend, stats.rebuy_share,
        stats.new_share, stats.days_per_buyer, stats.mean_interval, stats.discount_share, stats.sales_per_day,
        stats.buyer_share_14, stats.discount_share_14,
    ]  # fmt: skip
    return np.stack(columns, axis=1)


def _trips_up_to(past: PurchaseHistory, customer: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    # Number of the chunk's trips up to and with a customer's day; differences of one customer count trips.
    span = np.int64(2**20)
    keys = past.trip_customer.astype(np.int64) * span + past.trip_day
    return np.searchsorted(keys, customer.astype(np.int64) * span + day, side="right")


def _cadence_columns(
    past: PurchaseHistory, pair: NDArray[np.int64], n_pairs: int, as_of: int
) -> dict[str, NDArray[np.float64]]:
    gap = np.diff(past.day.astype(np.int64))
    inside = np.diff(pair) == 0
    gap, of = gap[inside], pair[1:][inside]
    count = np.bincount(of, minlength=n_pairs)
    total = np.bincount(of, weights=gap, minlength=n_pairs)
    squares = np.bincount(of, weights=gap * gap, minlength=n_pairs)
    mean = _over(total, count)
    last_gap = np.full(n_pairs, np.nan)
    last_gap[of] = gap  # the rows ascend by day, the last one stays
    spread = _over(squares, count) - mean * mean
    return {
        "mean_interval": mean,
        "last_interval": last_gap,
        "interval_spread": _over(np.sqrt(np.maximum(spread, 0.0)), mean),
    }


def _block_columns(
    age: NDArray[np.int64], pair: NDArray[np.int64], first_trip_age: NDArray[np.int64], window_days: int
) -> dict[str, NDArray[np.float64]]:
    n_pairs = len(first_trip_age)
    hit = np.zeros((n_pairs, _BLOCKS), dtype=np.bool_)
    block = (age - 1) // window_days
    near = block < _BLOCKS
    hit[pair[near], block[near]] = True
    lived = np.clip(-(-first_trip_age // window_days), 1, _BLOCKS)
    return {
        "blocks_share": hit.sum(axis=1) / lived,
    }


def _pair_columns(
    past: PurchaseHistory, stats: ItemStatistics, as_of: int, starts: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    n_pairs = len(starts)
    ends = np.append(starts, len(past.day))[1:] - 1
    pair = np.repeat(np.arange(n_pairs), ends - starts + 1)
    u, i = past.customer[starts].astype(np.int64), past.item[starts].astype(np.int64)
    age = as_of - past.day.astype(np.int64)
    last, first = age[ends], age[starts]
    days = ends - starts + 1
    trip_total = np.bincount(past.trip_customer, minlength=past.n_customers)
    trip_end = np.cumsum(trip_total)[u]
    trip_91 = trip_end - _trips_up_to(past, u, np.full(n_pairs, as_of - 92))
    since_first = trip_end - _trips_up_to(past, u, past.day[starts].astype(np.int64) - 1)
    first_trip_age = np.zeros(past.n_customers, dtype=np.int64)
    np.maximum.at(first_trip_age, past.trip_customer, as_of - past.trip_day.astype(np.int64))
    days_91 = np.bincount(pair[age <= 91], minlength=n_pairs)
    window = stats.window_days
    decayed = {h: np.bincount(pair, weights=decay(age, h), minlength=n_pairs) for h in _HALF_LIVES}
    sales = np.zeros(n_pairs, dtype=np.int64)
    np.add.at(sales, pair, past.sales_micros)
    cadence = _cadence_columns(past, pair, n_pairs, as_of)
    return {
        "purchase_days": days.astype(np.float64),
        "days_since_last": last.astype(np.float64),
        "days_since_first": first.astype(np.float64),
        **cadence,
        "due": _over(last, cadence["mean_interval"]),
        "days_28": np.bincount(pair[age <= 28], minlength=n_pairs).astype(np.float64),
        "days_91": days_91.astype(np.float64),
        "decayed_14": decayed[14.0],
        "decayed_45": decayed[45.0],
        "decayed_150": decayed[150.0],
        "decayed_400": decayed[400.0],
        "trip_share": _over(days, since_first),
        "trip_share_91": _over(days_91, trip_91),
        "trips_since_last": (trip_end - _trips_up_to(past, u, past.day[ends].astype(np.int64))).astype(np.float64),
        "expected_days": _over(days * window, first_trip_age[u]),
        **_block_columns(age, pair, first_trip_age[u], window),
        "pair_discount_share": _over(np.bincount(pair, weights=past.discounted, minlength=n_pairs), days),
        "pair_sales_per_day": _over(sales / 1e6, days),
        "interval_to_item": _over(last, stats.mean_interval[i]),
        "last_sales_share": _over(past.sales_micros[ends] * days, sales),
        "share_of_items": _over(decayed[45.0], np.bincount(u, weights=decayed[45.0], minlength=past.n_customers)[u]),
    }  # fmt: skip


def _tastes(past: PurchaseHistory, stats: ItemStatistics, as_of: int) -> NDArray[np.float32]:
    shape = (past.n_customers, past.n_items)
    u, i, recent = recent_weights(past, as_of)
    bought_x = sparse.csr_matrix((np.ones(len(u)), (u, i)), shape=shape)
    recent_x = sparse.csr_matrix((recent, (u, i)), shape=shape)
    tier = np.searchsorted(stats.tier_edges, sales_per_day(past, as_of), side="right")
    tastes = [
        stats.tier_share[tier],
        bought_x @ stats.ease,
        recent_x @ stats.ease,
        recent_x @ stats.cosine,
        recent_x @ stats.succession,
    ]
    return np.stack(tastes, axis=2).astype(np.float32)


def relevance_features(history: PurchaseHistory, stats: ItemStatistics, as_of: int) -> ChunkFeatures:
    """Return the features of a chunk of customers over all items.

    Parameters
    ----------
    history : PurchaseHistory
        Of the chunk; rows on or after ``as_of`` are left out here.
    stats : ItemStatistics
        Global statistics, of ``as_of`` or an earlier day.
    as_of : int
        Days since 1970-01-01.

    Returns
    -------
    ChunkFeatures
        Bit-identical for a customer alone, in any chunk and in any order of chunks.

    Raises
    ------
    ValueError
        Where the history and the statistics have other catalogues.
    """
    if history.n_items != len(stats.buyer_share):
        raise ValueError(
            f"relevance_features: the history has {history.n_items} items and the statistics "
            f"{len(stats.buyer_share)}; both must be of one catalogue. Build the history with the model's catalogue."
        )
    past = history.before(as_of)
    starts = pair_starts(past)
    pair_columns = _pair_columns(past, stats, as_of, starts)
    customer_columns = _customer_columns(past, as_of)
    return ChunkFeatures(
        customer=past.customer[starts],
        item=past.item[starts],
        pairs=np.stack([pair_columns[c] for c in PAIR_FEATURES], axis=1).astype(np.float32),
        customers=np.stack([customer_columns[c] for c in CUSTOMER_FEATURES], axis=1).astype(np.float32),
        items=_item_columns(stats),
        tastes=_tastes(past, stats, as_of),
    )
