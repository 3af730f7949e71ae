"""How well lists of items tell the baskets that came: recall and gain, of repeat and of explore items apart.

Why it exists: one convention for all lists that are compared. No list is made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class BasketHits:
    """What came of each customer's list, shape (customers,) each; not a number where there is nothing to find.

    Attributes
    ----------
    recall10, recall20 : share of the items of the basket among the first 10, 20 of the list
    ndcg10 : discounted gain of the first 10 over that of a list that begins with all items of the basket
    repeat10, explore10 : recall at 10 of the items that the customer had, had not, bought before
    own10 : share of the first 10 that the customer had bought before
    """

    recall10: Floats
    recall20: Floats
    ndcg10: Floats
    repeat10: Floats
    explore10: Floats
    own10: Floats


def basket_hits(lists: Ints, came: Any, bought: Any) -> BasketHits:
    """Return what came of lists.

    Parameters
    ----------
    lists : int64 array, shape (customers, k), k >= 20
        Items, best first, none twice; -1 where a list is shorter.
    came, bought : sparse matrix by rows, shape (customers, items)
        The basket that came, not empty, and what was bought before; stored entries count.

    Notes
    -----
    The ideal gain is over all true items, also those beyond the tenth: sum_{r=1..|T|} 1 / log2(r + 1) (the convention
    of Li et al. 2023, "A next basket recommendation reality check", ACM TOIS).
    """
    true, old = _among(lists, came), _among(lists, bought)
    size = np.diff(came.indptr).astype(np.float64)
    repeats = _common(came, bought)
    gain = 1.0 / np.log2(np.arange(2, 2 + max(int(size.max()), 10)))
    ideal = np.cumsum(gain)[size.astype(np.int64) - 1]
    top = true[:, :10]
    return BasketHits(
        top.sum(axis=1) / size,
        true[:, :20].sum(axis=1) / size,
        (top * gain[:10]).sum(axis=1) / ideal,
        _share((top & old[:, :10]).sum(axis=1), repeats),
        _share((top & ~old[:, :10]).sum(axis=1), size - repeats),
        old[:, :10].sum(axis=1) / 10.0,
    )


def _share(found: NDArray[np.int64], there: Floats) -> Floats:
    return np.divide(found, there, out=np.full(len(there), np.nan), where=there > 0)


def _keys(matrix: Any) -> Ints:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.asarray(rows * matrix.shape[1] + matrix.indices, dtype=np.int64)


def _among(lists: Ints, matrix: Any) -> NDArray[np.bool_]:
    keys = np.arange(len(lists))[:, None] * matrix.shape[1] + lists
    return np.isin(keys, _keys(matrix)) & (lists >= 0)


def _common(one: Any, other: Any) -> Floats:
    both = np.intersect1d(_keys(one), _keys(other))
    return np.bincount(both // one.shape[1], minlength=one.shape[0]).astype(np.float64)
