"""Customers that are made up, of whom it is known what they could give and how much of it they do.

Why it exists: what a customer could contribute is never seen, so whether an estimate finds it can only be told where
it was planted. Each customer has a ceiling, drawn around that of the cell, and realises a share of it; the chance of
each is fixed by key and seed. No estimate may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import customer_keys, uniform
from rapport.core.money import MICROS, round_micros

Floats = NDArray[np.float64]
SHARES: Final = (1.0, 0.7, 0.45, 0.25, 0.1)
CHANCES: Final = (0.25, 0.25, 0.2, 0.15, 0.15)
"""How much of their ceiling customers realise, and how many do so: a quarter are served as well as can be."""


@dataclass(frozen=True, slots=True)
class PotentialWorld:
    """How the ceilings of a made-up shop's customers differ.

    Attributes
    ----------
    needs, ages, incomes : int
        How many needs groups, age bands and income bands there are.
    needs_spread, age_spread, income_spread : float
        Standard deviation of the logarithm of the ceiling between needs groups, between age bands within them, and
        between income bands within those.
    own_spread : float
        The same between customers of one cell.
    missing_share : float
        Share of customers whose age and income are both unknown; they are cells of their own.
    typical : float
        Median ceiling, currency units a year.
    """

    needs: int = 6
    ages: int = 6
    incomes: int = 6
    needs_spread: float = 0.5
    age_spread: float = 0.3
    income_spread: float = 0.2
    own_spread: float = 0.5
    missing_share: float = 0.3
    typical: float = 1000.0


@dataclass(frozen=True, slots=True)
class SimulatedPotential:
    """The customers, and what only the maker knows.

    Attributes
    ----------
    keys, actual_micros : int64 arrays, shape (n,)
    labels : dict of str to list of n str or None
        ``needs``, ``age``, ``income``.
    ceiling_micros : int64 array, shape (n,)
        What the customer could give.
    centre : float64 array, shape (n,)
        Median ceiling of the customer's cell, currency units.
    own_spread : float
    """

    keys: NDArray[np.int64]
    actual_micros: NDArray[np.int64]
    labels: dict[str, list[str | None]]
    ceiling_micros: NDArray[np.int64]
    centre: Floats
    own_spread: float

    def quantile_micros(self, level: float) -> Floats:
        """Return the true quantile of what the peers of each customer contribute, micros, shape (n,).

        In a cell with median ceiling c, P(actual <= y) is the sum over shares s of chance(s) Phi(ln(y / (s c)) /
        own_spread): it is solved for y / c by halving.
        """
        from scipy.special import ndtr

        low, high = -30.0, 30.0
        for _ in range(100):
            middle = (low + high) / 2.0
            below = ndtr((middle - np.log(SHARES)) / self.own_spread) @ np.array(CHANCES)
            low, high = (middle, high) if below < level else (low, middle)
        return np.asarray(self.centre * np.exp(low) * MICROS)


def simulate_potential(world: PotentialWorld, customers: int, seed: int) -> SimulatedPotential:
    """Return made-up customers with their labels, what they contribute a year, and their ceilings.

    Parameters
    ----------
    world : PotentialWorld
    customers : int
        At least 1.
    seed : int
        Another seed gives other customers and other cells.

    Returns
    -------
    SimulatedPotential
        Group sizes fall off: the later a band, the fewer customers it has.
    """
    keys = np.arange(customers, dtype=np.int64)
    salt = f"potential/{seed}"
    missing = uniform(keys, f"{salt}/missing") < world.missing_share
    needs = _band(keys, f"{salt}/needs", world.needs)
    age = np.where(missing, -1, _band(keys, f"{salt}/age", world.ages))
    income = np.where(missing, -1, _band(keys, f"{salt}/income", world.incomes))
    centre = np.log(world.typical) + world.needs_spread * _effect(f"{salt}/needs", needs)
    centre = centre + world.age_spread * _effect(f"{salt}/age", needs, age)
    # Where age and income are unknown there is no finer cell.
    centre = centre + np.where(missing, 0.0, world.income_spread * _effect(f"{salt}/income", needs, age, income))
    ceiling = np.exp(centre + world.own_spread * _normal(keys, f"{salt}/ceiling"))
    place = np.searchsorted(np.cumsum(CHANCES), uniform(keys, f"{salt}/share"), side="right")
    share = np.array(SHARES)[np.minimum(place, len(SHARES) - 1)]
    columns = {"needs": needs, "age": age, "income": income}
    return SimulatedPotential(
        keys=keys,
        actual_micros=round_micros(ceiling * share * MICROS),
        labels={k: [None if c < 0 else f"{k} {c}" for c in v.tolist()] for k, v in columns.items()},
        ceiling_micros=round_micros(ceiling * MICROS),
        centre=np.exp(centre),
        own_spread=world.own_spread,
    )


def _band(keys: NDArray[np.int64], salt: str, bands: int) -> NDArray[np.int64]:
    """Return a band for each key, with chances that fall as 1 / (band + 1)."""
    chances = np.cumsum(1.0 / np.arange(1, bands + 1))
    return np.searchsorted(chances / chances[-1], uniform(keys, salt), side="right").astype(np.int64)


def _normal(keys: NDArray[np.int64], salt: str) -> Floats:
    from scipy.special import ndtri

    return np.asarray(ndtri(np.clip(uniform(keys, salt), 2.0**-53, 1.0 - 2.0**-53)))


def _effect(salt: str, *bands: NDArray[np.int64]) -> Floats:
    """Return one normal number for each cell, the same for all its customers."""
    cells, which = np.unique(np.stack(bands, axis=1), axis=0, return_inverse=True)
    return _normal(customer_keys("/".join(map(str, c)) for c in cells.tolist()), salt)[which.reshape(-1)]
