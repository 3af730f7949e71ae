"""Compiled loops of the factors: fold a customer in, and the features of what was bought before.

Why it exists: a customer must get the same bytes alone and among a million, so every sum has a written order and no
matrix library takes part. Each loop works on consecutive customers and gives up the lock, so that two threads may
share them. No file, clock or random generator may enter.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

FEATURES = (
    "constant", "days", "days_28", "days_91", "since_last", "rate", "due", "overdue", "far_from_due", "interval",
    "rebuy", "taste", "trips_28", "trips_91", "since_trip", "trip_share", "once", "not_lately", "days_since",
    "popular", "chance_of_due", "rate_lately",
)  # fmt: skip
"""What `repeat_features` gives for a pair; every one is a logarithm or a share, so that none runs away."""

Matrix = NDArray[np.float64]


@njit(cache=True, nogil=True)
def gram(factors: Matrix, ridge: float) -> Matrix:
    """Return factors' factors + ridge I, summed row after row; factors (n, F)."""
    n, width = factors.shape
    out = np.zeros((width, width))
    for row in range(n):
        for i in range(width):
            f = factors[row, i]
            for k in range(i, width):
                out[i, k] += f * factors[row, k]
    for i in range(width):
        for k in range(i):
            out[i, k] = out[k, i]
        out[i, i] += ridge
    return out


@njit(cache=True, nogil=True)
def solve(a: Matrix, b: Matrix) -> None:
    """Write the solution of a u = b to `b`; of `a`, positive definite, the upper triangle is read and overwritten."""
    width = len(b)
    # a = R'R, then R'z = b and R u = z, all along rows.
    for i in range(width):
        d = math.sqrt(a[i, i])
        for k in range(i, width):
            a[i, k] /= d
        b[i] /= a[i, i]
        for j in range(i + 1, width):
            r = a[i, j]
            b[j] -= r * b[i]
            for k in range(j, width):
                a[j, k] -= r * a[i, k]
    for i in range(width - 1, -1, -1):
        total = b[i]
        for k in range(i + 1, width):
            total -= a[i, k] * b[k]
        b[i] = total / a[i, i]


@njit(cache=True, nogil=True)
def fold_in(
    start: Any, item: Any, weight: Any, factors: Matrix, base: Matrix, out: Matrix, rows: tuple[int, int]
) -> None:
    """Write the factors of the customers ``rows[0] <= row < rows[1]`` to `out`, (n, F).

    Solves (base + sum w y y') u = sum (1 + w) y over the customer's items by Cholesky's decomposition; `base` is the
    `gram` of all items, `factors` (J, F) theirs, `weight` (m,) what a purchase counts above a non-purchase.
    """
    width = factors.shape[1]
    a = np.empty((width, width))
    b = np.empty(width)
    for row in range(rows[0], rows[1]):
        for i in range(width):
            b[i] = 0.0
            for k in range(i, width):
                a[i, k] = base[i, k]
        for at in range(start[row], start[row + 1]):
            j = item[at]
            w = weight[at]
            for i in range(width):
                y = factors[j, i]
                b[i] += (1.0 + w) * y
                wy = w * y
                for k in range(i, width):
                    a[i, k] += wy * factors[j, k]
        solve(a, b)
        for i in range(width):
            out[row, i] = b[i]


@njit(cache=True, nogil=True)
def pair_scores(start: Any, item: Any, customers: Any, items: Any, out: Matrix, rows: tuple[int, int]) -> None:
    """Write u.f of each pair of the customers in `rows` to `out` (m,), summed from the first dimension on."""
    width = customers.shape[1]
    for row in range(rows[0], rows[1]):
        for at in range(start[row], start[row + 1]):
            total = 0.0
            for k in range(width):
                total += customers[row, k] * items[item[at], k]
            out[at] = total


@njit(cache=True, nogil=True)
def repeat_features(
    counts: Any, items: tuple[Any, Any, Any], taste: Any, window: float, out: Matrix, rows: tuple[int, int]
) -> None:
    """Write the `FEATURES` of each pair of the customers in `rows` to `out`, (m, len(FEATURES)).

    Parameters
    ----------
    counts : named tuple of the arrays of `factors_counts.PairCounts`
    items : mean interval in days, log odds of buying again, log share of buyers, each (J,)
    taste : (m,) u.f of the pair
    window : float, days in which the outcome may come
    """
    interval, rebuy, popular = items
    for row in range(rows[0], rows[1]):
        age = max(float(counts.first_trip[row]), 1.0)
        trips = float(counts.trips[row])
        for at in range(counts.start[row], counts.start[row + 1]):
            j = counts.item[at]
            n = float(counts.days[at])
            since = float(counts.last_day[at])
            # The gap of one who bought it often is their own; of one who bought it twice, half the item's.
            gap = (float(counts.first_day[at] - counts.last_day[at]) + 2.0 * interval[j]) / (n + 1.0)
            gap = max(gap, 1.0)
            ratio = min(max(math.log(since / gap), -3.0), 3.0)
            out[at, 0] = 1.0
            out[at, 1] = math.log(n)
            out[at, 2] = math.log1p(float(counts.days_28[at]))
            out[at, 3] = math.log1p(float(counts.days_91[at]))
            out[at, 4] = math.log1p(since)
            out[at, 5] = math.log(n * window / (age + window))
            out[at, 6] = ratio
            out[at, 7] = max(ratio, 0.0)
            out[at, 8] = ratio * ratio
            out[at, 9] = math.log(gap)
            out[at, 10] = rebuy[j]
            out[at, 11] = taste[at]
            out[at, 12] = math.log1p(float(counts.trips_28[row]))
            out[at, 13] = math.log1p(float(counts.trips_91[row]))
            out[at, 14] = math.log1p(float(counts.last_trip[row]))
            out[at, 15] = math.log(n / max(trips, n))
            out[at, 16] = 1.0 if counts.days[at] == 1 else 0.0
            out[at, 17] = 1.0 if counts.days_91[at] == 0 else 0.0
            out[at, 18] = math.log(n) * math.log1p(since)
            out[at, 19] = popular[j]
            # Chance that a purchase whose time is exponential comes in the window, given the mean gap.
            out[at, 20] = math.log(-math.expm1(-window / gap))
            out[at, 21] = math.log((float(counts.days_91[at]) + n * 91.0 / (age + 91.0)) * 0.5 + 0.02)


@njit(cache=True, nogil=True)
def weighted(features: Matrix, weights: Any, out: Matrix, rows: tuple[int, int]) -> None:
    """Write features.weights of the rows to `out`, summed from the first feature on."""
    for at in range(rows[0], rows[1]):
        total = 0.0
        for k in range(features.shape[1]):
            total += features[at, k] * weights[k]
        out[at] = total
