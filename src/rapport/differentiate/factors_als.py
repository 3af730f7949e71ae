"""Factors of items and of customers from what was bought: alternating least squares on implicit feedback.

Why it exists: taste beyond the own history is what buyers of the same things buy. Item factors are small, global and
learned from a sample; a customer's are worked out from their own row alone, for anybody at any time. No probability
is made here: a product of factors is a score.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import get_num_threads
from numpy.typing import NDArray

from rapport.core.keys import uniform
from rapport.differentiate.factors_counts import PairCounts
from rapport.differentiate.factors_kernel import fold_in, gram

Matrix = NDArray[np.float64]

GRID = 2.0**20
"""Factors and weights are whole multiples of its inverse."""


class Folding(NamedTuple):
    """What a customer is folded in with: item factors (J, F), their gram (F, F), and the weight of a purchase."""

    factors: Matrix
    base: Matrix
    weight: float


def purchase_weights(counts: PairCounts, weight: float) -> Matrix:
    """Return what each pair counts above a non-purchase, shape (m,), greater than 0.

    ``weight (1 + log2(days) / 2)``, half of it where the last purchase is more than 91 days ago: r of Hu, Koren &
    Volinsky (2008), eq. 6, whose effect flattens with the count. Logarithms come from a table by whole days.
    """
    table = 1.0 + 0.5 * np.log2(np.maximum(np.arange(int(counts.days.max(initial=1)) + 1), 1))
    return weight * table[counts.days] * np.where(counts.days_91 > 0, 1.0, 0.5)


def fit_item_factors(
    counts: PairCounts, width: int, ridge: float, weight: float, rounds: int, start: Matrix | None = None
) -> Folding:
    """Return item factors learned from a sample of customers.

    Parameters
    ----------
    counts : PairCounts of the sample
    width : int, at least 1
        F, dimensions.
    ridge : float, greater than 0
        lambda of eq. 3.
    weight : float, greater than 0
        alpha of eq. 6.
    rounds : int, at least 1
        Times that customers and items are solved in turn.
    start : (J, F) float64, optional
        Item factors to begin with; keyed noise otherwise.

    Returns
    -------
    Folding, with factors rounded to `GRID`.

    References
    ----------
    Hu, Koren & Volinsky (2008), "Collaborative filtering for implicit feedback datasets", ICDM, eq. 3 to 6.
    """
    factors = _noise(counts.n_items, width) if start is None else start.copy()
    paid = purchase_weights(counts, weight)
    by_item = np.lexsort((counts.row, counts.item))
    item_start = np.zeros(counts.n_items + 1, dtype=np.int64)
    np.cumsum(np.bincount(counts.item, minlength=counts.n_items), out=item_start[1:])
    customer, paid_by_item = counts.row[by_item].astype(np.int32), paid[by_item]
    people = np.zeros((counts.n_customers, width))
    for _ in range(rounds):
        _solve(counts.start, counts.item, paid, (factors, gram(factors, ridge)), people)
        _solve(item_start, customer, paid_by_item, (people, gram(people, ridge)), factors)
    # One who buys nothing has factors of zero, and so has an item that nobody bought.
    factors = np.rint(factors * GRID) / GRID
    return Folding(factors, gram(factors, ridge), weight)


def fold_customers(counts: PairCounts, folding: Folding) -> Matrix:
    """Return the factors of customers in closed form, (n, F); the same bytes alone and in any batch.

    References
    ----------
    Hu, Koren & Volinsky (2008), eq. 4, with the item factors held.
    """
    out = np.zeros((counts.n_customers, folding.factors.shape[1]))
    paid = purchase_weights(counts, folding.weight)
    _solve(counts.start, counts.item, paid, (folding.factors, folding.base), out)
    return out


def in_runs(n: int, work: Callable[[tuple[int, int]], None]) -> None:
    """Call `work((first, stop))` on consecutive runs of n rows, one a thread; each row's result is its own."""
    threads = max(1, min(get_num_threads(), n))
    edges = [n * k // threads for k in range(threads + 1)]
    runs = list(pairwise(edges))
    if threads == 1:
        work(runs[0])
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, runs))


def _solve(
    start: NDArray[np.int64],
    other: NDArray[np.int32],
    paid: Matrix,
    given: tuple[Matrix, Matrix],
    out: Matrix,
) -> None:
    in_runs(len(out), lambda rows: fold_in(start, other, paid, *given, out, rows))


def _noise(items: int, width: int) -> Matrix:
    cells = np.arange(items * width, dtype=np.int64)
    return (uniform(cells, "factors/start").reshape(items, width) - 0.5) * 0.1
