"""Published and plain ways to tell the next basket, to stand beside the ranker on the same customers.

Why it exists: a figure says little alone. Each way is written from its paper, with the parameters printed for Ta-Feng
where there are any; nothing of the ranker enters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rapport.differentiate.nextbasket import Baskets, Floats, Ints, Matrix, lags, unit_rows, weighed


def popularity(items: Matrix) -> NDArray[np.float64]:
    """Return how many rows (baskets) hold each item, shape (items,)."""
    return np.asarray(items.sum(axis=0), dtype=np.float64).ravel()


def personal_frequency(past: Baskets, asked: Ints, popular: NDArray[np.float64]) -> Floats:
    """Return how many past baskets of each customer hold an item; ties and the tail by popularity.

    Parameters
    ----------
    past : Baskets
    asked : int64 array
    popular : float64 array, shape (items,)

    Returns
    -------
    float32 array, shape (asked, items)
        Whole numbers plus less than 1/2 for popularity.
    """
    share = (0.5 * popular / (popular.max() + 1.0)).astype(np.float32)
    return weighed(past, 1.0)[asked].toarray() + share


@dataclass(frozen=True)
class Tifuknn:
    """Parameters of TIFUKNN; as printed by its authors for Ta-Feng."""

    neighbours: int = 300
    within: float = 0.9
    between: float = 0.7
    own: float = 0.7
    groups: int = 7


def tifu_vectors(past: Baskets, settings: Tifuknn) -> Matrix:
    """Return each customer's personalised item frequency, shape (customers, items).

    A past of n baskets falls into m = min(n, groups) runs of floor(n/m) or one more baskets, the longer ones last. In
    a run of k baskets the j-th weighs within^(k-j) / k; run g weighs between^(m-g) / m (Hu et al. 2020, section 4.1).
    """
    n = np.repeat(past.counts, past.counts)
    m = np.minimum(n, settings.groups)
    back = lags(past) - 1
    # Counted from the end, the first `more` runs hold one basket more.
    size, more = n // m, n % m
    long = back < more * (size + 1)
    run = np.where(long, back // (size + 1), more + (back - more * (size + 1)) // size)
    before = np.where(long, run * (size + 1), more * (size + 1) + (run - more) * size)
    k = np.where(long, size + 1, size)
    weight = settings.within ** (back - before) / k * settings.between**run / m
    rows = np.repeat(np.arange(past.customers), past.counts)
    shape = (past.customers, len(n))
    mixed = sparse.csr_matrix((weight.astype(np.float32), (rows, np.arange(len(n)))), shape=shape)
    return (mixed @ past.items).tocsr()


def tifuknn(past: Baskets, teachers: Ints, asked: Ints, settings: Tifuknn | None = None) -> Floats:
    """Return own x u + (1 - own) x mean of the nearest teachers' vectors, shape (asked, items).

    References
    ----------
    Hu, He, Gao & Zhang (2020), "Modeling personalized item frequency information for next-basket recommendation",
    SIGIR. Neighbours by Euclidean distance.
    """
    settings = settings or Tifuknn()
    vectors = tifu_vectors(past, settings)
    mine, theirs = vectors[asked], vectors[teachers]
    product = (mine @ theirs.T).toarray()
    distance = np.asarray(theirs.multiply(theirs).sum(axis=1)).ravel() - 2.0 * product
    near = _nearest(-distance, settings.neighbours)
    mean = (near @ theirs).toarray() / near.indptr[1]
    return np.asarray(settings.own * mine.toarray() + (1.0 - settings.own) * mean, dtype=np.float32)


@dataclass(frozen=True)
class Upcf:
    """Parameters of UP-CF@r: baskets that count, asymmetry, exponent, neighbours; the best of 18 on validation."""

    recency: int = 5
    asymmetry: float = 0.75
    locality: int = 1
    neighbours: int = 100


def upcf(past: Baskets, teachers: Ints, asked: Ints, settings: Upcf | None = None) -> Floats:
    """Return own recent popularity plus that of similar customers, shape (asked, items).

    The popularity of an item for a customer is the share of the last r baskets that hold it; similarity is
    |A and B| / (|A|^a |B|^(1-a)) of the sets of items bought, raised to q; a customer is 1 to oneself.

    References
    ----------
    Faggioli, Polato & Aiolli (2020), "Recency aware collaborative filtering for next basket recommendation", UMAP.
    """
    settings = settings or Upcf()
    recent = weighed(past, 1.0, settings.recency)
    share = sparse.diags((1.0 / np.minimum(past.counts, settings.recency)).astype(np.float32)) @ recent
    held = weighed(past, 1.0)
    held.data[:] = 1.0
    size = np.diff(held.indptr).astype(np.float64)
    common = (held[asked] @ held[teachers].T).toarray()
    alike = common / np.power(size[asked], settings.asymmetry)[:, None]
    alike /= np.power(size[teachers], 1.0 - settings.asymmetry)
    near = _nearest(alike, settings.neighbours)
    near.data = np.power(np.take_along_axis(alike, near.indices.reshape(len(asked), -1), axis=1), settings.locality)
    near.data = near.data.astype(np.float32).ravel()
    return np.asarray((near @ share[teachers] + share[asked]).toarray(), dtype=np.float32)


def neighbours_next(past: Baskets, target: Matrix, teachers: Ints, asked: Ints) -> Floats:
    """Return the mean of all teachers' next baskets by cosine of faded pasts, shape (asked, items)."""
    faded = unit_rows(weighed(past, 0.8))
    alike = (faded[asked] @ faded[teachers].T).toarray()
    return np.ascontiguousarray((target[teachers].T @ alike.T).T)


def _nearest(score: NDArray[np.float64], many: int) -> Matrix:
    """Return ones where a column is among the `many` highest of its row, as a sparse matrix."""
    many = min(many, score.shape[1])
    best = np.sort(np.argpartition(-score, many - 1, axis=1)[:, :many], axis=1)
    start = np.arange(len(score) + 1) * many
    return sparse.csr_matrix((np.ones(best.size, dtype=np.float32), best.ravel(), start), shape=score.shape)
