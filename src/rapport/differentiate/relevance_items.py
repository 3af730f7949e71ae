"""What the whole customer base says about the items, computed once and carried by the model.

Why it exists: a customer's features may depend on nothing but the customer's own rows and this small record,
so that they are the same alone and in any chunk. Nothing of a single customer may enter the record.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from rapport.differentiate.relevance_history import (
    PurchaseHistory,
    bought_between,
    bought_pairs,
    decay,
    pair_starts,
)

_TIERS = 4
_LONG_DAYS = 91
_SHORT_DAYS = 14
_TIER_PRIOR = 20
_GRID = 2.0**20
_ALWAYS = -(2**31)


@dataclass(frozen=True)
class ItemStatistics:
    """Global statistics of the items before a day. Shares lie in [0, 1].

    Attributes
    ----------
    as_of : int
        Days since 1970-01-01; only rows before it were counted.
    window_days : int
    buyer_share, buyer_share_window, buyer_share_long : float32 arrays, shape (n_items,)
        Customers who bought at all, in the last window, in the last 91 days, as shares of active customers.
    trend : float32 array, shape (n_items,)
        Purchase days per day in the last window over those of the last 91 days.
    rebuy_share, new_share : float32 arrays, shape (n_items,)
        Of the earlier buyers (of the earlier non-buyers) those who bought in the last window.
    days_per_buyer, mean_interval, discount_share, sales_per_day : float32 arrays, shape (n_items,)
        Purchase days a buyer, mean days between them, share of purchase days with a discount, currency units.
    tier_edges : float32 array, shape (3,)
        Quartiles of sales per day in currency units over the active customers.
    tier_share : float32 array, shape (4, n_items)
        ``buyer_share_long`` within each tier, shrunk to it.
    ease : float32 array, shape (n_items, n_items)
        Item-to-item weights, column j predicts item j (Steck 2019); zero diagonal.
    cosine : float32 array, shape (n_items, n_items)
        Cosine of the buyers' sets of two items; zero diagonal.
    succession : float32 array, shape (n_items, n_items)
        Weights that carry recent interest into the next window, see `fit_succession`.
    buyer_share_14, discount_share_14 : float32 arrays, shape (n_items,)
        ``buyer_share`` and ``discount_share`` of the last 14 days.
    """

    as_of: int
    window_days: int
    buyer_share: NDArray[np.float32]
    buyer_share_window: NDArray[np.float32]
    buyer_share_long: NDArray[np.float32]
    trend: NDArray[np.float32]
    rebuy_share: NDArray[np.float32]
    new_share: NDArray[np.float32]
    days_per_buyer: NDArray[np.float32]
    mean_interval: NDArray[np.float32]
    discount_share: NDArray[np.float32]
    sales_per_day: NDArray[np.float32]
    tier_edges: NDArray[np.float32]
    tier_share: NDArray[np.float32]
    ease: NDArray[np.float32]
    cosine: NDArray[np.float32]
    succession: NDArray[np.float32]
    buyer_share_14: NDArray[np.float32]
    discount_share_14: NDArray[np.float32]

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("as_of", "window_days")}


def _ratio(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    return np.divide(a, b, out=np.zeros(np.shape(a)), where=b != 0)


def _co_purchases(bought: NDArray[np.bool_]) -> NDArray[np.float64]:
    # Whole numbers below 2**53: the sums are exact in any order.
    x = bought.astype(np.float64)
    return x.T @ x


def recent_weights(
    history: PurchaseHistory, as_of: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Return the recent interest of customers in the items they bought before ``as_of``.

    Returns
    -------
    customer, item : int32 arrays, shape (n_pairs,)
    weight : float64 array, shape (n_pairs,), in [0, 1]
        min(1, sum over purchase days of 2**(-age / 45 days)), rounded to multiples of 1/256.
    """
    past = history.before(as_of)
    starts = pair_starts(past)
    pair = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(past.day))))
    decayed = np.bincount(pair, weights=decay(as_of - past.day.astype(np.int64), 45.0), minlength=len(starts))
    return past.customer[starts], past.item[starts], np.rint(256 * np.minimum(decayed, 1.0)) / 256


def fit_succession(
    history: PurchaseHistory, as_of: int, window_days: int, ridge: float, n_windows: int = 2
) -> NDArray[np.float32]:
    """Return item-to-item weights that carry recent interest into the purchases of the next window.

    Parameters
    ----------
    history : PurchaseHistory
    as_of : int
        The last window learned from ends before it.
    window_days : int
    ridge : float
        Added to the diagonal, > 0, in customers.
    n_windows : int
        Past windows to learn from.

    Returns
    -------
    float32 array, shape (n_items, n_items); column j predicts item j; multiples of 2**-20.

    Notes
    -----
    Ridge regression of "bought in the window" on the recent weights at its start:
    B = (X'X + ridge I)^-1 X'Y, Hoerl & Kennard (1970), stacked over the windows.
    """
    n, m = history.n_customers, history.n_items
    gram, cross = np.zeros((m, m)), np.zeros((m, m))
    for k in range(1, n_windows + 1):
        start = as_of - k * window_days
        x = np.zeros((n, m))
        u, i, weight = recent_weights(history, start)
        x[u, i] = weight
        y = bought_between(history, start, start + window_days).astype(np.float64)
        gram += x.T @ x  # multiples of 2**-16 below 2**37: exact in any order
        cross += x.T @ y
    weights = linalg.solve(gram + ridge * np.eye(m), cross, assume_a="pos") if m else gram
    return (np.rint(weights * _GRID) / _GRID).astype(np.float32)


def fit_ease(co_purchases: NDArray[np.float64], ridge: float) -> NDArray[np.float32]:
    """Return the item-to-item weights of EASE.

    Parameters
    ----------
    co_purchases : float64 array, shape (n_items, n_items)
        Customers who bought both; the diagonal holds the buyers of each item.
    ridge : float
        Added to the diagonal, > 0, in customers.

    Returns
    -------
    float32 array, shape (n_items, n_items), zero diagonal, rounded to multiples of 2**-20 so that the last
    bits of a linear algebra library do not matter.

    References
    ----------
    Steck (2019), "Embarrassingly shallow autoencoders for sparse data", WWW, eq. 8:
    B = I - P diag(1 / diag(P)), P = (G + ridge I)^-1.
    """
    n = len(co_purchases)
    if n == 0:
        return np.zeros((0, 0), dtype=np.float32)
    inverse = linalg.inv(co_purchases + ridge * np.eye(n))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return (np.rint(weights * _GRID) / _GRID).astype(np.float32)


def _cosine(co_purchases: NDArray[np.float64]) -> NDArray[np.float32]:
    size = np.sqrt(np.diag(co_purchases))
    cosine = _ratio(co_purchases, np.outer(size, size))
    np.fill_diagonal(cosine, 0.0)
    return cosine.astype(np.float32)


def sales_per_day(history: PurchaseHistory, as_of: int) -> NDArray[np.float32]:
    """Return each customer's sales per day since the first trip, currency units, shape (n_customers,)."""
    n = history.n_customers
    first = np.full(n, as_of, dtype=np.int64)
    np.minimum.at(first, history.trip_customer, history.trip_day)
    total = np.zeros(n, dtype=np.int64)
    np.add.at(total, history.trip_customer, history.trip_sales_micros)
    return (total / 1e6 / np.maximum(as_of - first, 1)).astype(np.float32)


def _mean_intervals(history: PurchaseHistory) -> NDArray[np.float64]:
    same = (np.diff(history.customer) == 0) & (np.diff(history.item) == 0)
    gaps = np.diff(history.day)[same].astype(np.int64)
    items = history.item[1:][same]
    total = np.bincount(items, weights=gaps, minlength=history.n_items)
    return _ratio(total, np.bincount(items, minlength=history.n_items).astype(np.float64))


def _counts(past: PurchaseHistory, first_day: int, *, discounted: bool = False) -> NDArray[np.float64]:
    """Return the purchase days of each item since a day, all of them or those with a discount."""
    rows = past.day >= first_day
    if discounted:
        rows &= past.discounted
    return np.bincount(past.item[rows], minlength=past.n_items).astype(np.float64)


def _purchase_arrays(past: PurchaseHistory, as_of: int, window_days: int, n_active: int) -> dict[str, NDArray[Any]]:
    earlier = bought_between(past, _ALWAYS, as_of - window_days)
    in_window = bought_between(past, as_of - window_days, as_of)
    buyers = bought_pairs(past).sum(axis=0)
    earlier_buyers = earlier.sum(axis=0)
    sales = np.zeros(past.n_items, dtype=np.int64)
    np.add.at(sales, past.item, past.sales_micros)
    days, short, long = (_counts(past, d) for d in (_ALWAYS, as_of - _SHORT_DAYS, as_of - _LONG_DAYS))
    return {
        "buyer_share": buyers / n_active,
        "buyer_share_window": in_window.sum(axis=0) / n_active,
        "buyer_share_14": bought_between(past, as_of - _SHORT_DAYS, as_of).sum(axis=0) / n_active,
        "trend": _ratio(_counts(past, as_of - window_days) / window_days, long / _LONG_DAYS),
        "rebuy_share": ((in_window & earlier).sum(axis=0) + 1.0) / (earlier_buyers + 5.0),
        "new_share": (in_window & ~earlier).sum(axis=0) / np.maximum(n_active - earlier_buyers, 1),
        "days_per_buyer": _ratio(days, buyers),
        "mean_interval": _mean_intervals(past),
        "discount_share": _ratio(_counts(past, _ALWAYS, discounted=True), days),
        "discount_share_14": _ratio(_counts(past, as_of - _SHORT_DAYS, discounted=True), short),
        "sales_per_day": _ratio(sales / 1e6, days),
    }


def _tier_arrays(past: PurchaseHistory, as_of: int, active: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    spend = sales_per_day(past, as_of)
    in_long = bought_between(past, as_of - _LONG_DAYS, as_of)
    share = in_long.sum(axis=0) / max(int(active.sum()), 1)
    edges = np.zeros(_TIERS - 1, dtype=np.float32)
    if active.any():
        edges = np.quantile(spend[active], [0.25, 0.5, 0.75]).astype(np.float32)
    tier = np.searchsorted(edges, spend, side="right")
    members = [active & (tier == k) for k in range(_TIERS)]
    within = [(in_long[of].sum(axis=0) + _TIER_PRIOR * share) / (of.sum() + _TIER_PRIOR) for of in members]
    return {"buyer_share_long": share, "tier_edges": edges, "tier_share": np.stack(within)}


def fit_item_statistics(history: PurchaseHistory, as_of: int, window_days: int, ridge_share: float) -> ItemStatistics:
    """Return the statistics of the items from rows before ``as_of``.

    Parameters
    ----------
    history : PurchaseHistory
        Rows on or after ``as_of`` are left out here.
    as_of : int
        Days since 1970-01-01.
    window_days : int
        Length of the outcome window; the last window before ``as_of`` serves the shares of that name.
    ridge_share : float
        Ridge of `fit_ease` as a share of the customers, > 0.
    """
    past = history.before(as_of)
    active = np.zeros(past.n_customers, dtype=np.bool_)
    active[past.trip_customer] = True
    n_active = max(int(active.sum()), 1)
    together = _co_purchases(bought_pairs(past))
    arrays = {
        **_purchase_arrays(past, as_of, window_days, n_active),
        **_tier_arrays(past, as_of, active),
        "ease": fit_ease(together, ridge_share * n_active),
        "cosine": _cosine(together),
        "succession": fit_succession(past, as_of, window_days, ridge_share * n_active),
    }
    return ItemStatistics(
        as_of=as_of, window_days=window_days, **{name: np.asarray(a, dtype=np.float32) for name, a in arrays.items()}
    )
