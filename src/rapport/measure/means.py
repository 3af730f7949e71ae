"""Means, ratios, shares and their differences, each with its interval.

Why it exists: no number leaves the house without an interval. Arrays in, plain records out; no table and no
engine may enter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rapport.core.reasons import Status

Keys = NDArray[np.int64]

FEWEST = 30
"""Customers below which an interval that leans on the central limit theorem is not given."""

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval; `low` and `high` are None where `status` says why there is none."""

    value: float | None
    low: float | None
    high: float | None
    customers: int
    status: Status


def mean_of(values: NDArray[np.float64], households: Keys | None = None) -> Estimate:
    """Return the mean of values of shape (n,), with Student's interval.

    Parameters
    ----------
    values : float array, shape (n,)
        One for each customer.
    households : int64 array, shape (n,), optional
        Customers of one household are not independent: the interval is then over households, which also must be
        `FEWEST` at least (mean of clusters of unequal size; Cochran 1977, section 9A.1). None: each on its own.
    """
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, Status.TOO_FEW_CUSTOMERS)
    return replace(ratio_of(*_by_household(values, households)), customers=n)


def _by_household(values: NDArray[np.float64], households: Keys | None) -> tuple[NDArray[np.float64], ...]:
    """Return the sum of values and the number of customers of each household."""
    if households is None:
        return values, np.ones(len(values))
    _, row = np.unique(households, return_inverse=True)
    return np.bincount(row, weights=values).astype(np.float64), np.bincount(row).astype(np.float64)


def ratio_of(above: NDArray[np.float64], below: NDArray[np.float64]) -> Estimate:
    """Return sum(above) / sum(below) over customers, with the delta method's interval (Cochran 1977, eq. 6.4)."""
    n, base = len(above), math.fsum(below)
    if n == 0 or base == 0:
        return Estimate(None, None, None, n, Status.NOT_MEASURABLE)
    ratio = math.fsum(above) / base
    if n < FEWEST:
        return Estimate(ratio, None, None, n, Status.TOO_FEW_CUSTOMERS)
    residual = above - ratio * below
    half = _quantile_t(n - 1) * math.sqrt(_variance(residual, math.fsum(residual) / n) / n) / (base / n)
    return Estimate(ratio, ratio - half, ratio + half, n, Status.OK)


def difference_of(
    treated: NDArray[np.float64],
    control: NDArray[np.float64],
    households: tuple[Keys, Keys] | None = None,
) -> Estimate:
    """Return mean(treated) - mean(control), with Welch's interval (Welch 1947); `customers` counts both.

    Parameters
    ----------
    treated, control : float arrays, shapes (n,) and (m,)
    households : pair of int64 arrays of those shapes, optional
        As in `mean_of`, for each group.
    """
    both = len(treated) + len(control)
    if len(treated) == 0 or len(control) == 0:
        return Estimate(None, None, None, both, Status.TOO_FEW_CUSTOMERS)
    mean_t, error_t, n = _mean_and_error(treated, households[0] if households else None)
    mean_c, error_c, m = _mean_and_error(control, households[1] if households else None)
    difference = mean_t - mean_c
    if min(n, m) < FEWEST:
        return Estimate(difference, None, None, both, Status.TOO_FEW_CUSTOMERS)
    if error_t + error_c == 0:
        return Estimate(difference, difference, difference, both, Status.OK)
    freedom = (error_t + error_c) ** 2 / (error_t**2 / (n - 1) + error_c**2 / (m - 1))
    half = _quantile_t(freedom) * math.sqrt(error_t + error_c)
    return Estimate(difference, difference - half, difference + half, both, Status.OK)


def _mean_and_error(values: NDArray[np.float64], households: Keys | None) -> tuple[float, float, int]:
    """Return a mean, the variance of that mean, and over how many independent units it is."""
    sums, sizes = _by_household(values, households)
    n, everyone = len(sums), math.fsum(sizes)
    mean = math.fsum(sums) / everyone
    if n < FEWEST:
        return mean, math.inf, n
    residual = sums - mean * sizes
    return mean, _variance(residual, math.fsum(residual) / n) / n / (everyone / n) ** 2, n


def share_test(successes: int, trials: int, expected_share: float) -> float:
    """Return the two-sided p-value that a count came from a binomial with the expected share (exact)."""
    from scipy.stats import binomtest  # imported late: scipy.stats takes a second

    return float(binomtest(successes, trials, expected_share).pvalue) if trials else 1.0


def _variance(values: NDArray[np.float64], mean: float) -> float:
    return math.fsum((values - mean) ** 2) / (len(values) - 1)


def _quantile_t(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))
