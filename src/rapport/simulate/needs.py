"""A shop whose customers have needs that are known: groups, who shares in them, what they buy, when and at what
price.

Why it exists: needs are never seen, so whether a method finds them can only be told where they were planted. A
customer has weights in several groups; each line bought comes from one of them. Every draw is fixed by key and
seed, so a customer buys the same alone and among many. No fitting may enter.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.keys import customer_keys, uniform
from rapport.core.money import MICROS
from rapport.core.tables import LOADED

Floats = NDArray[np.float64]
FIRST_DAY: Final = dt.date(2024, 1, 1)
MOST_LINES: Final = 6
"""Lines of a basket at most; each number from 1 is as likely."""


@dataclass(frozen=True, slots=True)
class NeedsWorld:
    """How the needs of a made-up shop's customers differ.

    Attributes
    ----------
    groups : int
        1: everybody draws from the same shelf.
    items : int
        Things on the shelf; three in four belong to a group, in turn, the rest to nobody.
    boost : float
        How many times likelier a group buys a thing of its own than everyone does.
    main_low, main_high : float
        Weight of a customer in their main group, drawn evenly; the rest is in one other group.
    trips : int
        Baskets of a customer, spread evenly over the days.
    days : int
    discount_low, discount_high : float
        Share of lines bought on discount in the first and the last group; those between lie evenly.
    weekend : float
        How many times likelier than other days the second half of the groups comes on Saturdays and Sundays.
    """

    groups: int = 4
    items: int = 80
    boost: float = 8.0
    main_low: float = 0.65
    main_high: float = 0.95
    trips: int = 30
    days: int = 182
    discount_low: float = 0.10
    discount_high: float = 0.40
    weekend: float = 3.0


@dataclass(frozen=True, slots=True)
class SimulatedNeeds:
    """The shop's tables, and what only the maker knows.

    Attributes
    ----------
    tables : dict of str to Arrow table
        ``customers``, ``transactions`` and ``products``, as `core.tables.LOADED` declares them.
    keys : int64 array, shape (n,), ascending
    member : float64 array, shape (n, groups)
        True weights, in the order of ``keys``; rows sum to 1.
    profile : float64 array, shape (groups, items)
        Chance of each item in each group.
    item_names : tuple of str
    discount : float64 array, shape (groups,)
        Chance that a line of the group is bought on discount.
    """

    tables: dict[str, pa.Table]
    keys: NDArray[np.int64]
    member: Floats
    profile: Floats
    item_names: tuple[str, ...]
    discount: Floats

    @property
    def main(self) -> NDArray[np.int64]:
        """Main group of each customer, shape (n,)."""
        return self.member.argmax(axis=1).astype(np.int64)


def simulate_needs(world: NeedsWorld, customers: int, seed: int) -> SimulatedNeeds:
    """Return a shop with planted needs.

    Parameters
    ----------
    world : NeedsWorld
    customers : int
        At least 1.
    seed : int
        Another seed gives other customers.

    Returns
    -------
    SimulatedNeeds
    """
    ids = np.array([f"s{seed}c{i:06d}" for i in range(customers)])
    keys = customer_keys(ids.tolist())
    order = np.argsort(keys)
    ids, keys = ids[order], keys[order]
    salt = f"needs/{seed}"
    member = _members(world, keys, salt)
    profile = _profiles(world)
    discount = np.linspace(world.discount_low, world.discount_high, world.groups)
    lines = _lines(world, keys, member, profile, discount, salt)
    names = tuple(f"Thing {i:03d}" for i in range(world.items))
    tables = {
        "customers": pa.table(
            {"customer_key": keys, "customer_id": ids, "household_id": ids, "listed": [True] * customers}
        ),
        "products": pa.table(
            {
                "product_id": [f"p{i:03d}" for i in range(world.items)],
                "item": names,
                "category": names,
                "department": ["Shop"] * world.items,
                "brand": pa.nulls(world.items, pa.string()),
            }
        ),
        "transactions": _transactions(lines, ids, keys),
    }
    tables = {name: table.cast(LOADED[name]) for name, table in tables.items()}
    return SimulatedNeeds(tables, keys, member, profile, names, discount)


def _members(world: NeedsWorld, keys: NDArray[np.int64], salt: str) -> Floats:
    n, k = len(keys), world.groups
    member = np.zeros((n, k))
    if k == 1:
        return member + 1.0
    main = np.minimum((uniform(keys, f"{salt}/main") * k).astype(np.int64), k - 1)
    other = (main + 1 + np.minimum((uniform(keys, f"{salt}/other") * (k - 1)).astype(np.int64), k - 2)) % k
    weight = world.main_low + (world.main_high - world.main_low) * uniform(keys, f"{salt}/weight")
    member[np.arange(n), main] = weight
    member[np.arange(n), other] += 1.0 - weight
    return member


def _profiles(world: NeedsWorld) -> Floats:
    base = 1.0 / (5.0 + np.arange(world.items))
    owner = np.where(
        np.arange(world.items) % 4 == 3, -1, np.arange(world.items) // 4 * 3 + np.arange(world.items) % 4
    )
    profile = np.array(
        [base * np.where((owner >= 0) & (owner % world.groups == g), world.boost, 1.0) for g in range(world.groups)]
    )
    if world.groups == 1:
        profile = base[None, :].copy()
    return np.asarray(profile / profile.sum(axis=1, keepdims=True))


def _lines(
    world: NeedsWorld, keys: NDArray[np.int64], member: Floats, profile: Floats, discount: Floats, salt: str
) -> dict[str, NDArray[np.int64]]:
    """Return the lines: customer, basket, day, item and whether on discount."""
    customer = np.repeat(np.arange(len(keys)), world.trips * MOST_LINES)
    basket = np.tile(np.repeat(np.arange(world.trips), MOST_LINES), len(keys))
    place = np.tile(np.arange(MOST_LINES), len(keys) * world.trips)
    # One number for each line and each basket of a customer, whoever else is there.
    with np.errstate(over="ignore"):
        trip = keys[customer] * np.int64(1_000_003) + basket
        line = trip * np.int64(31) + place
    there = place <= (uniform(trip, f"{salt}/size") * MOST_LINES).astype(np.int64)
    customer, basket, trip, line = (x[there] for x in (customer, basket, trip, line))
    group = _draw(np.cumsum(member, axis=1)[customer], uniform(line, f"{salt}/group"))
    item = _draw(np.cumsum(profile, axis=1)[group], uniform(line, f"{salt}/item"))
    later = member.argmax(axis=1) >= (world.groups + 1) // 2
    weights = np.ones((2, 7))
    weights[1, 5:] = world.weekend
    days = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    weekday = _draw(days[later.astype(int)[customer]], uniform(trip, f"{salt}/weekday"))
    week = (basket * (world.days // 7)) // world.trips
    return {
        "customer": customer,
        "basket": basket,
        "day": week * 7 + weekday,
        "item": item,
        "discounted": (uniform(line, f"{salt}/discount") < discount[group]).astype(np.int64),
    }


def _draw(cumulated: Floats, u: Floats) -> NDArray[np.int64]:
    """Return for each row the first place whose cumulated chance exceeds u."""
    return np.minimum((cumulated <= u[:, None]).sum(axis=1), cumulated.shape[1] - 1).astype(np.int64)


def _transactions(lines: dict[str, NDArray[np.int64]], ids: NDArray[np.str_], keys: NDArray[np.int64]) -> pa.Table:
    customer, item, cut = lines["customer"], lines["item"], lines["discounted"]
    day = np.datetime64(FIRST_DAY, "D") + lines["day"]
    regular = (1 + item % 5) * MICROS
    given = cut * regular // 5
    n = len(customer)
    return pa.table(
        {
            "customer_key": keys[customer],
            "customer_id": ids[customer],
            "basket_id": [f"{c}-{b}" for c, b in zip(customer.tolist(), lines["basket"].tolist(), strict=True)],
            "product_id": [f"p{i:03d}" for i in item.tolist()],
            "at": pa.array((day + np.timedelta64(12, "h")).astype("datetime64[us]")).cast(pa.timestamp("us", "UTC")),
            "day": pa.array(day),
            "quantity": np.ones(n),
            "sales_micros": regular - given,
            "discount_micros": given,
            "coupon_micros": np.zeros(n, dtype=np.int64),
            "store_id": pa.array(["1"] * n),
        }
    )
