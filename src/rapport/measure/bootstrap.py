"""Intervals by drawing whole households again and again, the same draws for everything that is compared.

Why it exists: weeks of one household are not independent, and two policies are compared on the same households. Each
household gets a Poisson(1) number of copies in each draw, fixed by its key: no shared stream of chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform

Floats = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """A value with the percentile interval of the draws; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


class HouseholdDraws:
    """The copies of each household in each draw.

    Parameters
    ----------
    keys : int64 array, shape (rows,)
        The household of each row; a household may have many rows.
    salt : str
        Fixes the draws.
    draws : int
        How many, at least 100.

    References
    ----------
    Efron (1979); Chamandy, Muralidharan, Najmi & Naidu (2012), "Estimating uncertainty for massive data streams".
    """

    def __init__(self, keys: NDArray[np.int64], salt: str, draws: int = 1000) -> None:
        if draws < 100:
            raise ValueError(f"draws is {draws}; must be at least 100 for a 95 % interval")
        self._households, self._row = np.unique(keys, return_inverse=True)
        steps = np.cumsum(np.exp(-1.0) / np.array([1, 1, 2, 6, 24, 120, 720, 5040, 40320], dtype=np.float64))
        self._copies = np.stack(
            [np.searchsorted(steps, uniform(self._households, f"{salt}/{d}"), side="right") for d in range(draws)]
        ).astype(np.float64)

    def _totals(self, values: Floats) -> tuple[float, Floats]:
        """Return the sum of the values of all rows, and that sum in each draw."""
        by_household = np.bincount(self._row, weights=values, minlength=len(self._households))
        return float(by_household.sum()), self._copies @ by_household

    def ratio(self, above: Floats, below: Floats) -> Spread:
        """Return sum(above) / sum(below) over rows; with `below` of ones it is a mean."""
        total, drawn = self._totals(above)
        base, drawn_base = self._totals(below)
        if base == 0:
            return Spread(None, None, None)
        return _spread(total / base, _divided(drawn, drawn_base))

    def difference(self, ours: tuple[Floats, Floats], theirs: tuple[Floats, Floats]) -> Spread:
        """Return the difference of two ratios, each given as (above, below)."""
        one, other = self.ratio(*ours), self.ratio(*theirs)
        if one.value is None or other.value is None:
            return Spread(None, None, None)
        drawn = [_divided(self._totals(a)[1], self._totals(b)[1]) for a, b in (ours, theirs)]
        return _spread(one.value - other.value, drawn[0] - drawn[1])


def _divided(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below != 0)


def _spread(value: float, drawn: Floats) -> Spread:
    known = drawn[np.isfinite(drawn)]
    if len(known) < len(drawn) / 2:
        return Spread(value, None, None)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Spread(value, float(low), float(high))
