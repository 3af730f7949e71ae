"""Maximum likelihood on distinct rows: what the fits of lifetimes and of spend share.

Why it exists: both models are a handful of parameters fitted to counted rows, and must give the same bits for
the same customers in any order. One search, one reading of bounds and one covariance serve both. No model
and no data may enter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.core.reasons import Status

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Objective = Callable[[Floats], tuple[float, Floats]]


def record_version(name: str, record: Mapping[str, Any]) -> str:
    """Return ``name-`` and twelve hex digits that stand for the record without its version."""
    text = json.dumps({k: v for k, v in record.items() if k != "version"}, sort_keys=True)
    return f"{name}-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def distinct_rows(columns: Sequence[Floats], weights: ArrayLike | None) -> tuple[list[Floats], Integers]:
    """Return the distinct rows of some columns in ascending order, and how many customers stand in each.

    Parameters
    ----------
    columns : sequence of float64 arrays, each shape (n,)
    weights : int array, shape (n,), or None
        Customers that each row stands for; None means one each. Rows of weight 0 are left out.

    Returns
    -------
    list of float64 arrays of shape (m,), and an int64 array of shape (m,). Neither depends on the order of
    the rows given: counts are whole numbers, so their sums are exact.

    Raises
    ------
    ValueError
        If weights are negative, not whole, or of another length.
    """
    n = columns[0].shape[0]
    raw = np.ones(n, dtype=np.int64) if weights is None else np.asarray(weights)
    counts = raw.astype(np.int64)
    if counts.shape != (n,) or np.any(counts != raw) or np.any(counts < 0):
        raise ValueError(f"weights: not counts of {n} rows; give one whole number >= 0 for each row.")
    keep = counts > 0
    kept, counts = [c[keep] for c in columns], counts[keep]
    if counts.size == 0:
        return kept, counts
    order = np.lexsort(kept[::-1])
    ordered, counts = [c[order] for c in kept], counts[order]
    changes = np.zeros(counts.size, dtype=bool)
    changes[0] = True
    for column in ordered:
        changes[1:] |= column[1:] != column[:-1]
    first = np.flatnonzero(changes)
    return [c[first] for c in ordered], np.add.reduceat(counts, first)


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest point that a search found: log-parameters, value, and how far it may be trusted."""

    point: Floats
    value: float
    status: Status


def find_peak(
    objective: Objective,
    starts: Sequence[Sequence[float]],
    lower: Sequence[float],
    upper: Sequence[float],
    rough: Objective | None = None,
) -> Peak:
    """Return the highest point that a truncated Newton search finds from several fixed starts.

    A rough search from each start, then an exact one from the best of them.

    Parameters
    ----------
    objective : callable
        Takes log-parameters, shape (k,), returns the value to maximise (a mean, so that tolerances have one
        scale) and its gradient.
    starts : sequence of sequences of k floats
    lower, upper : sequences of k floats
        Bounds of the log-parameters.
    rough : callable, optional
        What the rough searches climb, where ``objective`` is costly: the same over fewer rows.

    Returns
    -------
    Peak
        With NOT_CONVERGED where the gradient left over is above 1e-5, AT_BOUND where a bound holds, else OK.
    """
    from scipy.optimize import minimize

    def search(climbed: Objective, start: Floats, settings: dict[str, float]) -> tuple[Floats, float]:
        def downhill(point: Floats) -> tuple[float, Floats]:
            value, gradient = climbed(point)
            return -value, -gradient

        limits = list(zip(lower, upper, strict=True))
        # TNC and not L-BFGS-B: scipy's L-BFGS-B calls a threaded BLAS for these few numbers, and waits for threads.
        found = minimize(downhill, start, jac=True, method="TNC", bounds=limits, options={"maxfun": 500, **settings})
        return found.x, float(-found.fun)

    best: Floats | None = None
    best_value = -np.inf
    for start in starts:
        inside = np.clip(np.asarray(start, dtype=np.float64), lower, upper)
        point, value = search(rough or objective, inside, {"ftol": 1e-6})
        # A later start must be better by more than rounding: equal peaks leave the first one standing.
        if np.isfinite(value) and value > best_value + 1e-10:
            best, best_value = point, value
    if best is None:
        return Peak(np.clip(np.asarray(starts[0]), lower, upper), -np.inf, Status.NOT_CONVERGED)
    best, best_value = search(objective, best, {"ftol": 1e-15, "gtol": 1e-9})
    gradient = objective(best)[1]
    at_lower, at_upper = best <= np.asarray(lower) + 1e-6, best >= np.asarray(upper) - 1e-6
    held = (at_lower & (gradient <= 0)) | (at_upper & (gradient >= 0))
    if np.max(np.where(held, 0.0, np.abs(gradient))) > 1e-5:
        return Peak(best, best_value, Status.NOT_CONVERGED)
    return Peak(best, best_value, Status.AT_BOUND if np.any(at_lower | at_upper) else Status.OK)


def log_covariance(objective: Objective, point: Floats, customers: int) -> tuple[tuple[float, ...], ...] | None:
    """Return the inverse of the observed information in log-parameters, None if not positive definite.

    Parameters
    ----------
    objective : callable
        Mean log-likelihood and gradient, as ``find_peak`` takes it.
    point : float64 array, shape (k,)
        The peak.
    customers : int
        What the mean was taken over.
    """
    k, step = point.size, 1e-4
    hessian = np.empty((k, k))
    for i in range(k):
        move = np.zeros(k)
        move[i] = step
        hessian[i] = (objective(point + move)[1] - objective(point - move)[1]) / (2 * step)
    information = -customers * (hessian + hessian.T) / 2
    if not np.all(np.isfinite(information)) or np.min(np.linalg.eigvalsh(information)) <= 0:
        return None
    covariance = np.linalg.inv(information)
    return tuple(tuple(float(v) for v in row) for row in covariance)
