"""What a customer's own past says about each item bought in it: how often, how lately, in what rhythm, is it due.

Why it exists: the repeat half of the next basket. Everything is counted in baskets, as there are no dates. Only
pasts enter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rapport.differentiate.nextbasket import Baskets, Floats, Ints, lags


@dataclass(frozen=True)
class Pairs:
    """One row for each customer and item of the customer's past, ordered by both.

    Attributes
    ----------
    customer, item : int64 array, shape (pairs,)
    features : float32 array, shape (pairs, len(PAIR_NAMES))
    """

    customer: Ints
    item: Ints
    features: Floats

    def at(self, customer: Ints, item: Ints, items: int) -> tuple[Ints, Floats]:
        """Return where each pair stands (-1: never bought) and its features (not a number: never bought)."""
        keys = self.customer * items + self.item
        wanted = customer * items + item
        found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[found] == wanted
        features = np.full((len(wanted), self.features.shape[1]), np.nan, dtype=np.float32)
        features[there] = self.features[found[there]]
        return np.where(there, found, -1), features


PAIR_NAMES = (
    "count",
    "count_faded_95",
    "count_faded_8",
    "count_faded_5",
    "baskets_ago",
    "first_baskets_ago",
    "share_of_baskets",
    "share_since_first",
    "mean_gap",
    "due",
    "in_last_three",
    "share_of_items",
    "size_of_its_basket",
    "recency_rank",
    "count_rank",
)


def pairs_of(past: Baskets) -> Pairs:
    """Return what each customer's past says about each of its items.

    Features, in baskets: purchases n; purchases faded by .95, .8, .5 a basket; baskets since the last (1: in the last
    one) and the first; n over baskets; n over baskets since the first; mean gap between purchases; the time since the
    last over that gap ('due'); purchases in the last three baskets; n over all items bought; items in the basket that
    held it last; rank by last purchase and by n among the customer's items (0 first, ties share the lowest).
    """
    rows = np.repeat(np.arange(len(past.start) - 1), past.counts)
    sizes = np.diff(past.items.indptr)
    who = np.repeat(rows, sizes)
    lag = np.repeat(lags(past), sizes).astype(np.float64)
    size = np.repeat(sizes, sizes).astype(np.float64)
    item = past.items.indices.astype(np.int64)
    order = np.lexsort((lag, item, who))
    who, item, lag, size = who[order], item[order], lag[order], size[order]
    start = np.flatnonzero(np.concatenate([[True], (who[1:] != who[:-1]) | (item[1:] != item[:-1])]))
    count = np.diff(np.concatenate([start, [len(who)]])).astype(np.float64)
    customer, what = who[start], item[start]
    recent, first = lag[start], np.maximum.reduceat(lag, start)
    baskets = past.counts[customer].astype(np.float64)
    gap = np.where(count > 1, (first - recent) / np.maximum(count - 1, 1), np.nan)
    bought = np.bincount(who, minlength=past.customers)[customer]
    columns = [
        count,
        *(np.add.reduceat(np.power(fade, lag - 1), start) for fade in (0.95, 0.8, 0.5)),
        recent,
        first,
        count / baskets,
        count / first,
        gap,
        recent / gap,
        np.add.reduceat((lag <= 3).astype(np.float64), start),
        count / bought,
        size[start],
        _rank_within(customer, recent),
        _rank_within(customer, -count),
    ]
    return Pairs(customer, what, np.stack(columns, axis=1).astype(np.float32))


def _rank_within(customer: Ints, value: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Ints:
    """Return how many rows of the same customer have a lower value, shape (n,)."""
    order = np.lexsort((value, customer))
    who, ordered = customer[order], value[order]
    place = np.arange(len(order))
    new_customer = np.concatenate([[True], who[1:] != who[:-1]])
    new_value = new_customer | np.concatenate([[True], ordered[1:] != ordered[:-1]])
    begins = np.maximum.accumulate(np.where(new_customer, place, 0))
    ties = np.maximum.accumulate(np.where(new_value, place, 0))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = ties - begins
    return rank
