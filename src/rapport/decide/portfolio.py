"""Choose up to K offers together, each further one of the same category worth less.

Why it exists: ten offers of one kind are not ten reasons to come. The choice is exact: within a category the
best come first, so the discounted values of a category fall, and taking the largest K of all categories is optimal.
Integers decide, so a customer's portfolio does not depend on who stands beside them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.core.money import round_micros
from rapport.decide.terms import CommonPortfolio

NO_OFFER = -1
"""Marks an empty slot."""


def variety_weights(variety: float, size: int) -> NDArray[np.float64]:
    """Return the weight of the first, second, ... offer of one category, shape (size,)."""
    return np.power(np.float64(variety), np.arange(size, dtype=np.float64))


def pick_portfolios(
    values_micros: NDArray[np.int64], category_index: NDArray[np.int32], size: int, variety: float
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return for each customer the offers of the most valuable portfolio and their weights.

    Parameters
    ----------
    values_micros : int64 array, shape (n, offers)
        Value of each offer alone; offers at or below 0 are never picked.
    category_index : int32 array, shape (offers,)
    size : int
        At most so many offers.
    variety : float in (0, 1]
        Value kept by each further offer of a category.

    Returns
    -------
    offers : int32 array, shape (n, size)
        Indices, best first; `NO_OFFER` where fewer pay. Equal values go to the lower index.
    weights : float array, shape (n, size)
        Weight of each slot's offer, 0 for empty slots.

    Notes
    -----
    Taking the largest discounted value again and again is optimal for K offers in all, because a category's value
    is concave in how many of its offers are taken (greedy on a separable concave sum; Gross 1956).
    """
    n, offers = values_micros.shape
    chosen = np.full((n, size), NO_OFFER, dtype=np.int32)
    kept = np.zeros((n, size))
    if offers == 0 or n == 0:
        return chosen, kept
    powers = variety_weights(variety, size + 1)
    current = np.maximum(values_micros, 0)
    undiscounted = current.copy()
    taken = np.zeros((n, int(category_index.max()) + 1), dtype=np.int64)
    rows = np.arange(n)
    for slot in range(min(size, offers)):
        best = np.argmax(current, axis=1)
        pays = current[rows, best] > 0
        if not pays.any():
            break
        category = category_index[best]
        chosen[pays, slot] = best[pays]
        kept[pays, slot] = powers[taken[rows, category]][pays]
        undiscounted[rows[pays], best[pays]] = 0
        taken[rows[pays], category[pays]] += 1
        _discount(current, undiscounted, category_index, category, powers[taken[rows, category]])
    return chosen, kept


def _discount(
    current: NDArray[np.int64],
    undiscounted: NDArray[np.int64],
    category_index: NDArray[np.int32],
    category: NDArray[np.int32],
    weight: NDArray[np.float64],
) -> None:
    """Lower, in place, the values of each customer's category that has just given an offer."""
    row, column = np.nonzero(category_index[None, :] == category[:, None])
    current[row, column] = round_micros(undiscounted[row, column] * weight[row])


def common_portfolio(
    total_micros: NDArray[np.int64], category_index: NDArray[np.int32], size: int, variety: float
) -> CommonPortfolio:
    """Return the one portfolio that is best for many, from each offer's value summed over them, shape (offers,)."""
    offers, weights = pick_portfolios(total_micros[None, :], category_index, size, variety)
    filled = offers[0] != NO_OFFER
    return CommonPortfolio(offers=offers[0][filled], weights=weights[0][filled])
