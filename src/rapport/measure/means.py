"""Means, ratios, shares and their differences, each with its interval.

Why it exists: no number leaves the house without an interval. Arrays in, plain records out; no table and no
engine may enter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.reasons import Status

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


def mean_of(values: NDArray[np.float64]) -> Estimate:
    """Return the mean of values of shape (n,), with Student's interval."""
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, Status.TOO_FEW_CUSTOMERS)
    mean = math.fsum(values) / n
    if n < FEWEST:
        return Estimate(mean, None, None, n, Status.TOO_FEW_CUSTOMERS)
    half = _quantile_t(n - 1) * math.sqrt(_variance(values, mean) / n)
    return Estimate(mean, mean - half, mean + half, n, Status.OK)


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


def difference_of(treated: NDArray[np.float64], control: NDArray[np.float64]) -> Estimate:
    """Return mean(treated) - mean(control), with Welch's interval (Welch 1947); `customers` counts both."""
    n, m = len(treated), len(control)
    if n == 0 or m == 0:
        return Estimate(None, None, None, n + m, Status.TOO_FEW_CUSTOMERS)
    mean_t, mean_c = math.fsum(treated) / n, math.fsum(control) / m
    difference = mean_t - mean_c
    if min(n, m) < FEWEST:
        return Estimate(difference, None, None, n + m, Status.TOO_FEW_CUSTOMERS)
    a, b = _variance(treated, mean_t) / n, _variance(control, mean_c) / m
    if a + b == 0:
        return Estimate(difference, difference, difference, n + m, Status.OK)
    freedom = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1))
    half = _quantile_t(freedom) * math.sqrt(a + b)
    return Estimate(difference, difference - half, difference + half, n + m, Status.OK)


def share_test(successes: int, trials: int, expected_share: float) -> float:
    """Return the two-sided p-value that a count came from a binomial with the expected share (Clopper & Pearson)."""
    from scipy.stats import binomtest  # imported late: scipy.stats takes a second

    return float(binomtest(successes, trials, expected_share).pvalue) if trials else 1.0


def _variance(values: NDArray[np.float64], mean: float) -> float:
    return math.fsum((values - mean) ** 2) / (len(values) - 1)


def _quantile_t(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))
