"""Purchases of customers that are made up, with rates, drop-out and regularity known.

Why it exists: whether a forecast finds the truth can only be seen where the truth was planted, and how fast a fit
is must be measured on more customers than any public file holds. Each customer's chance is fixed by key and seed,
so a customer buys the same alone and among a million. No fitting may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform

Floats = NDArray[np.float64]
MOST_PURCHASES: Final = 5_000
"""Purchases of one customer that are simulated at most; beyond it the customer is taken to stop."""


@dataclass(frozen=True, slots=True)
class PurchaseWorld:
    """How customers of a made-up shop buy and leave.

    Attributes
    ----------
    rate_shape, rate_time : float
        Purchase rates vary as a gamma distribution with this shape; ``rate_time`` is its rate, in days.
    leave : {'never', 'after_repeat', 'after_any', 'in_time'}
        When a customer may leave for good: after a repeat purchase (BG/NBD), after any purchase (MBG/CNBD-k), at
        any time (Pareto/NBD).
    leave_1, leave_2 : float
        The beta distribution (a, b) of the chance to leave at a purchase, or the gamma distribution (s, beta in
        days) of the rate of leaving in time.
    regularity : int
        Times between purchases are Erlang distributed with this shape; 1: purchases at random times. The stages,
        of which it takes this many, come at the customer's rate.
    youngest_days, oldest_days : float
        First purchases lie between so many days before now, evenly.
    ahead_days : float
        How long the customers are watched from now on.
    """

    rate_shape: float
    rate_time: float
    leave: Literal["never", "after_repeat", "after_any", "in_time"] = "after_repeat"
    leave_1: float = 1.0
    leave_2: float = 1.0
    regularity: int = 1
    youngest_days: float = 180.0
    oldest_days: float = 360.0
    ahead_days: float = 180.0


@dataclass(frozen=True, slots=True)
class SimulatedPurchases:
    """Histories up to now in whole days, what came afterwards, and every purchase day.

    Attributes
    ----------
    frequency, recency_days, age_days : float64 arrays, shape (n,)
        Repeat purchase days; days from first to last purchase; days from first purchase to now.
    ahead : float64 array, shape (n,)
        Purchase days in the ``ahead_days`` from now on.
    alive : bool array, shape (n,)
        Who has not left by now; known here only.
    customer, day : int64 arrays, shape (m,)
        One row for each customer and day with a purchase, before and after now, ordered; now is day 0, so days of
        the history are negative.
    """

    frequency: Floats
    recency_days: Floats
    age_days: Floats
    ahead: Floats
    alive: NDArray[np.bool_]
    customer: NDArray[np.int64]
    day: NDArray[np.int64]


def simulate_purchases(world: PurchaseWorld, customers: int, seed: int) -> SimulatedPurchases:
    """Return the purchases of made-up customers.

    Parameters
    ----------
    world : PurchaseWorld
    customers : int
        At least 1.
    seed : int
        Another seed gives other customers.

    Returns
    -------
    SimulatedPurchases
        Several purchases on one day are one purchase day.

    References
    ----------
    The distributions are those of Schmittlein, Morrison & Colombo (1987), Management Science 33(1); Fader, Hardie &
    Lee (2005), Marketing Science 24(2); Platzer & Reutterer (2016), Marketing Science 35(5).
    """
    from scipy.special import gammaincinv

    keys = np.arange(customers, dtype=np.int64)
    salt = f"purchases/{seed}"
    rate = gammaincinv(world.rate_shape, _inner(keys, f"{salt}/rate")) / world.rate_time
    age = np.ceil(
        world.youngest_days + (world.oldest_days - world.youngest_days) * uniform(keys, f"{salt}/age")
    ).astype(np.int64)
    end = _end_of_life(world, keys, salt)
    chance = _leaving_chance(world, keys, salt)
    left = np.full(customers, np.inf)
    if world.leave == "after_any":
        left[uniform(keys, f"{salt}/out/0") < chance] = 0.0
    elif world.leave == "in_time":
        left = end
    who, when = _repeat_times(world, (keys, rate, age.astype(np.float64), chance, left), salt)
    return _histories(age, left, who, when)


def _inner(keys: NDArray[np.int64], salt: str) -> Floats:
    """Return uniform numbers without the ends, whose quantiles are not finite or zero."""
    return np.clip(uniform(keys, salt), 2.0**-53, 1.0 - 2.0**-53)


def _end_of_life(world: PurchaseWorld, keys: NDArray[np.int64], salt: str) -> Floats:
    from scipy.special import gammaincinv

    if world.leave != "in_time":
        return np.full(keys.size, np.inf)
    hazard = gammaincinv(world.leave_1, _inner(keys, f"{salt}/hazard")) / world.leave_2
    return -np.log(_inner(keys, f"{salt}/end")) / np.maximum(hazard, 1e-300)


def _leaving_chance(world: PurchaseWorld, keys: NDArray[np.int64], salt: str) -> Floats:
    from scipy.special import betaincinv

    if world.leave in ("never", "in_time"):
        return np.zeros(keys.size)
    return np.asarray(betaincinv(world.leave_1, world.leave_2, _inner(keys, f"{salt}/chance")))


def _repeat_times(
    world: PurchaseWorld, customers: tuple[NDArray[np.int64], Floats, Floats, Floats, Floats], salt: str
) -> tuple[NDArray[np.int64], Floats]:
    """Return who bought again and when, in days from their first purchase; notes in ``left`` when they left."""
    keys, rate, age, chance, left = customers
    active = np.flatnonzero(left > 0.0)
    time = np.zeros(keys.size)
    found: list[NDArray[np.int64]] = []
    times: list[Floats] = []
    for step in range(1, MOST_PURCHASES + 1):
        gap = np.zeros(active.size)
        for stage in range(world.regularity):
            gap -= np.log(_inner(keys[active], f"{salt}/gap/{step}/{stage}"))
        time[active] += gap / np.maximum(rate[active], 1e-300)
        active = active[(time[active] < age[active] + world.ahead_days) & (time[active] < left[active])]
        if active.size == 0:
            break
        found.append(active)
        times.append(time[active])
        if world.leave in ("after_repeat", "after_any"):
            out = uniform(keys[active], f"{salt}/out/{step}") < chance[active]
            left[active[out]] = time[active[out]]
            active = active[~out]
    if not found:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(found), np.concatenate(times)


def _histories(age: NDArray[np.int64], left: Floats, who: NDArray[np.int64], when: Floats) -> SimulatedPurchases:
    n = age.size
    first = np.arange(n, dtype=np.int64)
    span = np.int64(2) ** 24
    day = np.floor(when).astype(np.int64) - age[who]
    # One number for customer and day: sorting it is quicker than sorting two columns.
    both = np.unique(np.concatenate([first * span + (span // 2 - age), who * span + (span // 2 + day)]))
    customer, day = both // span, both % span - span // 2
    past = day < 0
    frequency = np.bincount(customer[past], minlength=n) - 1.0
    last = np.full(n, 0, dtype=np.int64)
    last[customer[past]] = day[past]  # days ascend within a customer: the last one stays
    return SimulatedPurchases(
        frequency=frequency.astype(np.float64),
        recency_days=(last + age).astype(np.float64),
        age_days=age.astype(np.float64),
        ahead=np.bincount(customer[~past], minlength=n).astype(np.float64),
        alive=left > age,
        customer=customer,
        day=day,
    )
