"""How good a ranking is: top-k portfolios, hits, coverage, calibration, and intervals over households.

Why it exists: a relevance model and its comparators must be measured by the same few pure functions. No model
and no table may enter, only arrays; chance comes from `rapport.core.keys` and belongs to a household.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform

Floats = NDArray[np.floating]


def top_k(scores: Floats, k: int, *, ties: Floats | None = None) -> NDArray[np.int64]:
    """Return the k items with the highest scores for each customer, best first.

    Parameters
    ----------
    scores : float array, shape (n_customers, n_items)
        ``-inf`` marks an item that may not be listed.
    k : int
        At least 1.
    ties : float array, shape (n_items,) or (n_customers, n_items), optional
        Among equal scores the higher of these goes first; then the lower index.

    Returns
    -------
    int64 array, shape (n_customers, min(k, n_items)); -1 where no allowed item is left.

    Raises
    ------
    ValueError
        Where k is below 1 or a score is NaN.
    """
    if k < 1:
        raise ValueError(f"k is {k}; must be at least 1. Ask for one item or more.")
    if np.isnan(scores).any():
        raise ValueError("scores: a score is NaN; must be a number or -inf. Give every item a score.")
    second = np.zeros(scores.shape[1]) if ties is None else np.asarray(ties)
    second = np.broadcast_to(second, scores.shape)
    lists = np.full((scores.shape[0], min(k, scores.shape[1])), -1, dtype=np.int64)
    for row in range(scores.shape[0]):
        candidates = _candidates(scores[row], lists.shape[1])
        order = np.lexsort((candidates, -second[row, candidates], -scores[row, candidates]))
        best = candidates[order[: lists.shape[1]]]
        lists[row, : len(best)] = best
    return lists


def _candidates(row: Floats, k: int) -> NDArray[np.int64]:
    # All items at or above the k-th score: ties at the border stay in, the sort decides.
    if k == 0 or k >= len(row):
        return np.flatnonzero(row > -np.inf)
    border = np.partition(row, len(row) - k)[len(row) - k]
    return np.flatnonzero((row >= border) & (row > -np.inf))


def hits_at_k(lists: NDArray[np.int64], bought: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many listed items each customer bought, shape (n_customers,).

    Parameters
    ----------
    lists : int64 array, shape (n_customers, k)
        From `top_k`; -1 is an empty slot.
    bought : bool array, shape (n_customers, n_items)
    """
    found = np.take_along_axis(bought, np.maximum(lists, 0), axis=1) & (lists >= 0)
    return found.sum(axis=1).astype(np.int64)


def coverage(lists: NDArray[np.int64], n_items: int) -> float:
    """Return the share of the catalogue that stands in at least one list, in [0, 1]."""
    return float(len(np.unique(lists[lists >= 0])) / n_items) if n_items else 0.0


def personal_frequency_scores(purchase_days: NDArray[np.int64], popularity: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the comparator *personal frequency*: purchase days, ties and tail by popularity.

    Parameters
    ----------
    purchase_days : int64 array, shape (n_customers, n_items)
        Distinct days before ``as_of`` on which the customer bought the item.
    popularity : int64 array, shape (n_items,)
        Purchase days, or buyers, of all customers before ``as_of``.

    Returns
    -------
    float64 array, shape (n_customers, n_items): purchase_days + popularity / (1 + the highest).
    """
    return purchase_days + popularity / (1.0 + popularity.max(initial=0))


def popularity_scores(popularity: NDArray[np.int64], n_customers: int) -> NDArray[np.float64]:
    """Return the comparator *popularity*: the same scores for everyone, shape (n_customers, n_items)."""
    return np.broadcast_to(popularity.astype(np.float64), (n_customers, len(popularity)))


def random_scores(keys: NDArray[np.int64], n_items: int, salt: str) -> NDArray[np.float64]:
    """Return the comparator *random*: numbers in [0, 1) fixed by (key, item, salt), shape (n_customers, n_items)."""
    return np.stack([uniform(keys, f"{salt}/{item}") for item in range(n_items)], axis=1)


@dataclass(frozen=True)
class CalibrationTable:
    """Predicted against observed, in groups of equal size by predicted probability.

    Attributes
    ----------
    count : int64 array, shape (n_groups,)
    predicted, observed : float64 arrays, shape (n_groups,)
        Mean probability and share of outcomes, in [0, 1].
    expected_calibration_error : float
        Mean of |predicted - observed|, weighted by count.
    """

    count: NDArray[np.int64]
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    expected_calibration_error: float


def calibration_table(probabilities: Floats, outcomes: NDArray[np.bool_], n_groups: int = 10) -> CalibrationTable:
    """Return the calibration of probabilities in groups of equal size.

    Parameters
    ----------
    probabilities : float array, shape (n,), in [0, 1]
    outcomes : bool array, shape (n,)
    n_groups : int
        At least 1; fewer groups come back where n is smaller.

    Raises
    ------
    ValueError
        Where the arrays are empty or of different length.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), "Obtaining well calibrated probabilities using Bayesian binning", AAAI,
    the expected calibration error, here with groups of equal size.
    """
    if len(probabilities) == 0 or len(probabilities) != len(outcomes):
        raise ValueError(
            f"calibration_table: {len(probabilities)} probabilities and {len(outcomes)} outcomes; "
            "must be equal and at least 1. Give one outcome per probability."
        )
    order = np.argsort(probabilities, kind="stable")
    groups = np.array_split(order, min(n_groups, len(order)))
    count = np.array([len(g) for g in groups], dtype=np.int64)
    predicted = np.array([float(np.mean(probabilities[g], dtype=np.float64)) for g in groups])
    observed = np.array([float(np.mean(outcomes[g])) for g in groups])
    error = float(np.sum(count * np.abs(predicted - observed)) / count.sum())
    return CalibrationTable(count, predicted, observed, error)
