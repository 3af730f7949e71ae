"""How much of what customers differ by is said by their group, and how much is left for one-to-one.

Why it exists: a segment is worth addressing as one where its customers are alike, and a personal conversation pays
where they are not. The share is given with an interval, for values of any sign. A mean over all may not enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from rapport.core.keys import uniform
from rapport.core.reasons import Status
from rapport.differentiate.likelihood import Floats, Integers

INTERVAL: Final = 0.95
BLOCKS: Final = 200
MIN_CUSTOMERS: Final = 20


@dataclass(frozen=True, slots=True)
class VarianceSplit:
    """How much of what customers differ by is said by the group they are in.

    Attributes
    ----------
    customers, groups : int
    between_share : float or None
        Share of the variance between customers that the groups explain, in [0, 1]; None where nobody differs.
    low, high : float or None
        95 % interval of it.
    within_share : float or None
        1 - between_share: what only one-to-one can see.
    within_deviation : float or None
        Standard deviation within groups, in the unit of the values.
    status : Status
        OK, TOO_FEW_CUSTOMERS below 20 customers or where no group has two, NOT_MEASURABLE where nobody differs.
    """

    customers: int
    groups: int
    between_share: float | None
    low: float | None
    high: float | None
    within_share: float | None
    within_deviation: float | None
    status: Status


def split_variance(values: ArrayLike, groups: ArrayLike, keys: ArrayLike, salt: str = "payoff") -> VarianceSplit:
    """Return the share of the variance between customers that their groups explain, with an interval.

    Parameters
    ----------
    values : array, shape (n,)
        Finite.
    groups : array, shape (n,)
        Tier, segment or cell of each customer.
    keys : int64 array, shape (n,)
        Fix the draws.
    salt : str

    Returns
    -------
    VarianceSplit

    Raises
    ------
    ValueError
        If values are not finite, or lengths differ.

    Notes
    -----
    With n customers in g groups the share is ``1 - (within / (n - g)) / (total / (n - 1))``, sums of squares; the
    correction keeps groups drawn by lot at 0 on average. For the interval customers are dealt by key into 200 blocks
    and each block is left out once: the jackknife of ``ln(1 - share)``, with the t distribution.

    References
    ----------
    Kelley (1935), PNAS 21(9): the corrected correlation ratio. Wolter (2007), Introduction to Variance Estimation,
    2nd ed., ch. 4: the jackknife by random groups.
    """
    given, names, ids = np.asarray(values, dtype=np.float64), np.asarray(groups), np.asarray(keys, dtype=np.int64)
    if not (given.ndim == 1 and given.shape == names.shape == ids.shape):
        raise ValueError(f"values, groups, keys: lengths {given.size}, {names.size}, {ids.size}; give one each.")
    if not np.isfinite(given).all():
        raise ValueError("values: NaN or infinite; must be finite. Leave out customers that are not known.")
    n = given.size
    code = np.unique(names, return_inverse=True)[1] if n else np.zeros(0, dtype=np.int64)
    g = int(code.max()) + 1 if n else 0
    if n < MIN_CUSTOMERS or n == g:
        return VarianceSplit(n, g, None, None, None, None, None, Status.TOO_FEW_CUSTOMERS)
    if given.min() == given.max():
        return VarianceSplit(n, g, None, None, None, None, None, Status.NOT_MEASURABLE)
    moments = _moments(given, code, g, ids, salt)
    whole = moments.sum(axis=0)
    left, deviation = _within(whole[None])
    low, high = _interval(float(left[0]), _within(whole - moments)[0])
    at = min(max(1.0 - float(left[0]), 0.0), 1.0)
    return VarianceSplit(n, g, at, low, high, 1.0 - at, float(deviation[0]), Status.OK)


def _moments(values: Floats, code: Integers, groups: int, keys: Integers, salt: str) -> Floats:
    """Return count, sum and sum of squares of each block and group, shape (blocks, groups, 3)."""
    # By chance of the key, then by value: the same blocks and sums in any order of the customers.
    order = np.lexsort((values, keys, uniform(keys, f"{salt}/block")))
    blocks = min(BLOCKS, values.size)
    centred = values[order] - np.sort(values).mean()
    place = (np.arange(values.size) % blocks) * groups + code[order]
    parts = [np.bincount(place, weights, blocks * groups) for weights in (None, centred, centred**2)]
    return np.stack([part.reshape(blocks, groups) for part in parts], axis=2).astype(np.float64)


def _within(moments: Floats) -> tuple[Floats, Floats]:
    """Return the share within groups and the standard deviation there, for moments of shape (draws, groups, 3)."""
    size, total, square = (moments[:, :, j] for j in range(3))
    n = size.sum(axis=1)
    g = np.count_nonzero(size > 0, axis=1)
    overall = square.sum(axis=1) - total.sum(axis=1) ** 2 / np.maximum(n, 1.0)
    inside = square - np.divide(total**2, size, out=np.zeros_like(total), where=size > 0)
    within = np.maximum(inside.sum(axis=1), 0.0)
    fine = (n > g) & (overall > 0)
    left = np.divide(within * (n - 1), overall * (n - g), out=np.full(n.size, np.nan), where=fine)
    return left, np.sqrt(np.divide(within, n - g, out=np.zeros(n.size), where=n > g))


def _interval(left: float, without: Floats) -> tuple[float, float]:
    """Return the interval of the share between groups, from that within and those without each block."""
    from scipy.special import stdtrit

    known = without[without > 0]
    blocks = known.size
    if left <= 0.0 or blocks < 2:
        return (1.0, 1.0) if left <= 0.0 else (0.0, 1.0)
    logs = np.log(known)
    spread = float(np.sqrt((blocks - 1) / blocks * np.sum((logs - logs.mean()) ** 2)))
    reach = float(stdtrit(blocks - 1, (1 + INTERVAL) / 2)) * spread
    low, high = (min(max(1.0 - float(np.exp(np.log(left) + r)), 0.0), 1.0) for r in (reach, -reach))
    return low, high
