"""The rows that are ranked: candidates of each customer and what is known of customer, item and both.

Why it exists: one description of candidates and features serves those who teach and those who are asked. Last baskets
enter by the customers who teach alone, and a customer is described by what *others* bought last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rapport.differentiate.nextbasket import Baskets, Floats, Ints, Matrix, lags
from rapport.differentiate.nextbasket_pairs import PAIR_NAMES, Pairs, pairs_of
from rapport.differentiate.nextbasket_scores import SCORE_NAMES, Tastes, scores_of, tastes_of, teaching_of

CUSTOMER_NAMES = (
    "baskets",
    "mean_size",
    "last_size",
    "items",
    "repeat_share",
    "lateness_of_last",
    "lateness_of_past",
)
ITEM_NAMES = (
    "popularity",
    "buyers",
    "bought_again",
    "lateness",
    "gap_of_buyers",
    "size_of_baskets",
    "last_popularity",
    "last_new",
    "last_again",
    "last_trend",
)
MIXED_NAMES = ("later_than_last", "neighbours_lift", "after_lift", "neighbours_rank", "after_rank")
NAMES = (*PAIR_NAMES, *SCORE_NAMES, *ITEM_NAMES, *CUSTOMER_NAMES, *MIXED_NAMES)
EXPLORE = 100
"""Candidates of a customer that were never bought by them."""
OWN = 200
"""Candidates of a customer that were bought by them, the latest first."""


@dataclass(frozen=True)
class Known:
    """What all pasts say: pairs, tastes, items and customers; the same for everybody who is asked."""

    past: Baskets
    pairs: Pairs
    tastes: Tastes
    items: Floats
    customers: Floats


@dataclass(frozen=True)
class Teachers:
    """Customers whose next baskets are known, with their pasts before those.

    Attributes
    ----------
    known : Known
        What all pasts say before those baskets; the customers are the same, in the same places, as of those asked.
    target : sparse matrix, shape (customers, items)
        Only the rows of `customers` are read.
    customers : int64 array
        Places of those who teach, ascending.
    """

    known: Known
    target: Matrix
    customers: Ints


@dataclass(frozen=True)
class Rows:
    """Candidates of customers, ordered by customer.

    Attributes
    ----------
    customer, item : int64 array, shape (rows,)
    own : bool array, shape (rows,)
        Bought before by the customer.
    features : float32 array, shape (rows, len(NAMES))
    """

    customer: Ints
    item: Ints
    own: np.ndarray[tuple[int], np.dtype[np.bool_]]
    features: Floats


def known_of(past: Baskets) -> Known:
    """Return what all pasts say.

    Notes
    -----
    Lateness of an item: mean over its purchases of the place of the basket in the customer's past, 0 for the first
    and 1 for the last, shrunk to 1/2 by ten purchases. Without dates it tells early items from late ones.
    """
    pairs = pairs_of(past)
    n = past.items.shape[1]
    sizes = np.diff(past.items.indptr)
    counts = np.repeat(past.counts, past.counts)
    place = np.where(counts > 1, (counts - lags(past)) / np.maximum(counts - 1, 1), 0.5)
    popularity = _sum(past.items, np.ones(len(sizes)))
    late = (_sum(past.items, place) + 5.0) / (popularity + 10.0)
    count = pairs.features[:, PAIR_NAMES.index("count")]
    gap = pairs.features[:, PAIR_NAMES.index("mean_gap")]
    buyers = np.bincount(pairs.item, minlength=n)
    again = np.bincount(pairs.item, weights=count > 1, minlength=n)
    gaps = np.bincount(pairs.item, weights=np.nan_to_num(gap), minlength=n)
    items = [
        popularity,
        buyers,
        (again + 0.5) / (buyers + 10.0),
        late,
        (gaps + 6.0) / (again + 2.0),
        _sum(past.items, sizes) / np.maximum(popularity, 1),
    ]
    of_basket = (past.items @ late) / np.maximum(sizes, 1)
    start, bought = past.start[:-1], np.add.reduceat(sizes, past.start[:-1])
    unique = np.bincount(pairs.customer, minlength=past.customers)
    customers = [
        past.counts,
        bought / past.counts,
        sizes[past.start[1:] - 1],
        unique,
        1.0 - unique / bought,
        of_basket[past.start[1:] - 1],
        np.add.reduceat(of_basket, start) / past.counts,
    ]
    return Known(past, pairs, tastes_of(past), _table(items), _table(customers))


def _table(columns: list[np.ndarray[tuple[int], np.dtype[np.float64]]]) -> Floats:
    return np.stack(columns, axis=1).astype(np.float32)


def _sum(
    matrix: Matrix, weights: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return for each column the sum of the weights of its rows."""
    return np.asarray(matrix.T @ np.asarray(weights, dtype=np.float64)).ravel()


def _item_table(known: Known, teachers: Teachers) -> Floats:
    """Return the features of items: of all pasts, and of the next baskets of those who teach."""
    n, size = known.items.shape[0], len(teachers.customers)
    Y = teachers.target[teachers.customers].tocsr()
    last = np.bincount(Y.indices, minlength=n).astype(np.float64)
    who = np.repeat(teachers.customers, np.diff(Y.indptr))
    pairs = teachers.known.pairs
    place, _ = pairs.at(who, Y.indices.astype(np.int64), n)
    again = np.bincount(Y.indices[place >= 0], minlength=n)
    teaches = np.zeros(known.past.customers, dtype=bool)
    teaches[teachers.customers] = True
    had = np.bincount(pairs.item[teaches[pairs.customer]], minlength=n)
    base = float(again.sum() / max(1, had.sum()))
    popularity = teachers.known.items[:, 0].astype(np.float64)
    mean_baskets = max(popularity.sum(), 1.0) / max(last.sum(), 1.0)
    more = [
        last / size,
        (last - again) / size,
        (again + 10.0 * base) / (had + 10.0),
        np.log((last + 1.0) / (popularity / mean_baskets + 1.0)),
    ]
    return np.concatenate([known.items, _table(more)], axis=1)


def rows_of(known: Known, teachers: Teachers, asked: Ints) -> Rows:
    """Return the candidates of `asked`, described by pasts and by what `teachers` bought next.

    Parameters
    ----------
    known : Known
        What all pasts say, those of `asked` among them.
    teachers : Teachers
    asked : int64 array
        Places of customers, ascending.

    Returns
    -------
    Rows
        Own items (at most OWN, latest first) and the EXPLORE other items of highest neighbours + after_past +
        popularity, each as a chance to be in the next basket.

    Raises
    ------
    ValueError
        A customer both teaches and is asked.
    """
    if len(np.intersect1d(teachers.customers, asked)):
        raise ValueError("a customer both teaches and is asked; must be one of both")
    n = known.items.shape[0]
    taught = teaching_of(teachers.known.tastes, teachers.target, teachers.customers)
    scores = scores_of(known.tastes, taught, asked)
    items = _item_table(known, teachers)
    customer, item, own = _candidates(known, scores, items, asked)
    place = np.searchsorted(asked, customer)
    _, pair = known.pairs.at(customer, item, n)
    score = np.stack([s[place, item] for s in scores], axis=1)
    of_item, of_customer = items[item], known.customers[customer]
    late = ITEM_NAMES.index("lateness")
    popular = of_item[:, ITEM_NAMES.index("last_popularity")] + 1.0 / len(teachers.customers)
    ways = [SCORE_NAMES.index("neighbours"), SCORE_NAMES.index("after_past")]
    mixed = [
        of_item[:, late] - of_customer[:, CUSTOMER_NAMES.index("lateness_of_last")],
        *(score[:, w] / popular for w in ways),
        *(_rank_of(customer, score[:, w]) for w in ways),
    ]
    features = np.concatenate([pair, score, of_item, of_customer, np.stack(mixed, axis=1)], axis=1)
    return Rows(customer, item, own, features.astype(np.float32, copy=False))


def _rank_of(customer: Ints, score: Floats) -> Floats:
    order = np.lexsort((-score, customer))
    begins = np.flatnonzero(np.concatenate([[True], np.diff(customer[order]) > 0]))
    counts = np.diff(np.concatenate([begins, [len(order)]]))
    rank = np.empty(len(order), dtype=np.float32)
    rank[order] = np.arange(len(order)) - np.repeat(begins, counts)
    return rank


def _candidates(
    known: Known, scores: list[Floats], items: Floats, asked: Ints
) -> tuple[Ints, Ints, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return customers, items and whether the pair was bought before, by customer."""
    blend = scores[SCORE_NAMES.index("neighbours")] + scores[SCORE_NAMES.index("after_past")]
    blend = blend + items[:, ITEM_NAMES.index("last_popularity")]
    # An item that no known basket holds is there only because somebody bought it in a basket that is to be told.
    seen = items[:, ITEM_NAMES.index("popularity")] + items[:, ITEM_NAMES.index("last_popularity")] > 0
    blend[:, ~seen] = -np.inf
    asks = np.zeros(known.past.customers, dtype=bool)
    asks[asked] = True
    pairs = known.pairs
    mine = asks[pairs.customer]
    who, what = pairs.customer[mine], pairs.item[mine]
    blend[np.searchsorted(asked, who), what] = -np.inf
    latest = pairs.features[mine, PAIR_NAMES.index("recency_rank")] < OWN
    who, what = who[latest], what[latest]
    many = min(EXPLORE, blend.shape[1])
    best = np.argpartition(-blend, many - 1, axis=1)[:, :many].astype(np.int64)
    fits = np.isfinite(np.take_along_axis(blend, best, axis=1)).ravel()
    customer = np.concatenate([who, np.repeat(asked, many)[fits]])
    item = np.concatenate([what, best.ravel()[fits]])
    own = np.arange(len(customer)) < len(who)
    order = np.lexsort((item, customer))
    return customer[order], item[order], own[order]


def outcomes(rows: Rows, target: Matrix) -> Floats:
    """Return 1 for candidates that are in the customer's last basket, 0 for others, shape (rows,)."""
    n = target.shape[1]
    present = np.repeat(np.arange(target.shape[0]), np.diff(target.indptr)) * n + target.indices
    return np.isin(rows.customer * n + rows.item, present).astype(np.float32)
