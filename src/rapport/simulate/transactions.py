"""A made-up shop of any size: who buys what when, in chunks of customers, from a seed.

Why it exists: what reads a hundred million purchase lines is tried and measured on as many, with a structure that is
known: tastes that customers share, products of unequal popularity, habits that come round, customers who come and
leave. A customer is the same whoever else is simulated, so memory does not grow with the shop. No file is written
here and nothing is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK = 5_000
"""Customers that are drawn together; whoever asks for fewer gets the first of them."""
GROUPS = 24
"""Tastes: each item belongs to one, each customer leans to two."""
TASTE_SHARES = (0.45, 0.75)
"""Share of the impulse purchases from the first taste, and from the first or second; the rest is by popularity."""
HABITS = 12
"""Habits that a customer may have: an item bought again about every so many days."""
HABIT_SHARE = 0.7
BRANDS = 2
"""Products of an item: one of a brand, one of the shop's own label."""
MINUTES = (8 * 60, 20 * 60)
"""The shop is open from the first minute of the day to the second."""
PROMOTED = 0.08
"""Share of the items that are on promotion in a week, at a fifth off."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ShopWorld:
    """How large a made-up shop is.

    Attributes
    ----------
    customers, products : int
        At least 1.
    lines_each : float
        Expected purchase lines of a customer, greater than 0.
    days : int
        Length of the history, at least 1; days are numbered from 0.
    seed : int
        Not negative; another seed gives another shop.
    """

    customers: int
    products: int
    lines_each: float
    days: int = 364
    seed: int = 1

    @property
    def items(self) -> int:
        """Return the number of items, what an offer is about: two products each, the last may have one."""
        return -(-self.products // BRANDS)

    @property
    def chunks(self) -> int:
        """Return the number of chunks of customers."""
        return -(-self.customers // CHUNK)


@dataclass(frozen=True)
class PlantedItems:
    """What is known of the items of a shop; J items, P products.

    taste : (J,) int64 in [0, GROUPS); share : (J,) probability of an impulse by popularity
    cadence_days : (J,) mean days between purchases of somebody whose habit it is
    price_micros : (P,) int64, of a piece of a product; product p belongs to item p // BRANDS
    """

    taste: Ints
    share: Floats
    cadence_days: Floats
    price_micros: Ints


@dataclass(frozen=True)
class PlantedShoppers:
    """Customers of a chunk and their purchase lines; n customers, m lines ordered by customer, day and product.

    tastes : (n, 2) first and second taste; first_day, last_day : (n,) days on which they may shop
    habit_item, habit_days : (n, HABITS) the item bought again, -1 for none, and its days in between
    customer, day, product, minute, pieces, sales_micros, discount_micros : (m,) one row a line
    """

    tastes: Ints
    first_day: Ints
    last_day: Ints
    habit_item: Ints
    habit_days: Floats
    customer: Ints
    day: Ints
    product: Ints
    minute: Ints
    pieces: Ints
    sales_micros: Ints
    discount_micros: Ints


def plant_items(world: ShopWorld) -> PlantedItems:
    """Return the items of a shop: popularity falls with rank as in Zipf's law, prices are lognormal about 3 units."""
    draw = np.random.default_rng([world.seed, 0])
    count = world.items
    weight = 1.0 / (10.0 + draw.permutation(count)) ** 0.9
    price = draw.lognormal(1.1, 0.6, count)[:, None] * np.array([1.15, 0.85])
    return PlantedItems(
        taste=draw.integers(0, GROUPS, count),
        share=weight / weight.sum(),
        cadence_days=np.exp(draw.uniform(np.log(10.0), np.log(70.0), count)),
        price_micros=np.rint(price.ravel()[: world.products] * 100).astype(np.int64) * 10_000,
    )


def plant_shoppers(world: ShopWorld, items: PlantedItems, chunk: int) -> PlantedShoppers:
    """Return the customers of a chunk with their lines.

    Parameters
    ----------
    world : ShopWorld
    items : PlantedItems
        Of the same world.
    chunk : int
        In [0, world.chunks).

    Notes
    -----
    A customer shops every so many days, three to fourteen. Seven in ten of twelve possible habits are real: the item
    is bought about every `cadence_days`, times a personal factor, with a tenth of it as noise, on the next trip. What
    else is bought comes from the two tastes and from the popularity of all. A third of the customers come in the
    course of the history, a third leave in the course of what is left.
    """
    draw = np.random.default_rng([world.seed, 1, chunk])
    first, last = _life(draw, world.days)
    tastes = draw.integers(0, GROUPS, (CHUNK, 2))
    cumulative = _Cumulative.of(items)
    habit_item, habit_days = _habits(draw, tastes, items, cumulative, world)
    spacing = draw.uniform(3.0, 14.0, CHUNK)
    who_h, when_h, what_h = _habit_lines(draw, habit_item, habit_days, world.days)
    activity = draw.gamma(2.0, 0.5, CHUNK)
    # A customer stays about two thirds of the history; what habits leave of the lines is bought on impulse.
    impulses = draw.poisson(activity * _impulse_mean(items, world))
    who_i = np.repeat(np.arange(CHUNK), impulses)
    when_i = draw.uniform(0.0, world.days, len(who_i))
    what_i = _pick(draw, tastes[who_i], cumulative)
    who = np.concatenate([who_h, who_i])
    day = _next_trip(np.concatenate([when_h, when_i]), spacing[who], who)
    item = np.concatenate([what_h, what_i])
    own_label = draw.random(len(who)) < 0.4
    pieces = 1 + (draw.random(len(who)) < 0.15).astype(np.int64)
    minute_of_trip = draw.integers(*MINUTES, CHUNK)
    product = np.minimum(item * BRANDS + own_label, world.products - 1)
    # Drawn for a whole chunk and then cut, so that nobody changes with the number of customers.
    n = min(CHUNK, world.customers - chunk * CHUNK)
    there = (day >= first[who]) & (day <= last[who]) & (who < n)
    order = np.lexsort((product[there], day[there], who[there]))
    who, day, product, pieces = (a[there][order] for a in (who, day, product, pieces))
    regular = items.price_micros[product] * pieces
    promoted = _promoted(world.seed, product // BRANDS, day)
    discount = np.where(promoted, regular // 5, 0)
    minute = (minute_of_trip[who] + 37 * day) % (MINUTES[1] - MINUTES[0]) + MINUTES[0]
    return PlantedShoppers(
        tastes[:n], first[:n], last[:n], habit_item[:n], habit_days[:n],
        who, day, product, minute, pieces, regular - discount, discount,
    )  # fmt: skip


@dataclass(frozen=True)
class _Cumulative:
    """Items ordered by taste, and the running share of each, so that one number picks one."""

    order: Ints
    running: Floats
    edges: Floats

    @classmethod
    def of(cls, items: PlantedItems) -> _Cumulative:
        order = np.lexsort((np.arange(len(items.taste)), items.taste))
        running = np.cumsum(items.share[order])
        ends = np.searchsorted(items.taste[order], np.arange(GROUPS + 1))
        return cls(order, running, np.concatenate([[0.0], running])[ends])


def _pick(draw: np.random.Generator, tastes: Ints, cumulative: _Cumulative) -> Ints:
    """Return one item for each row of tastes (m, 2): of the first, of the second, or of all."""
    kind, point = draw.random((2, len(tastes)))
    group = np.where(kind < TASTE_SHARES[0], tastes[:, 0], tastes[:, 1])
    low, high = cumulative.edges[group], cumulative.edges[group + 1]
    # A taste without an item, in a small shop, is as good as none.
    free = (kind >= TASTE_SHARES[1]) | (high <= low)
    point = np.where(free, point * cumulative.edges[-1], low + point * (high - low))
    at = np.searchsorted(cumulative.running, point, side="right")
    return cumulative.order[np.minimum(at, len(cumulative.order) - 1)]


def _life(draw: np.random.Generator, days: int) -> tuple[Ints, Ints]:
    late, leaves = draw.random((2, CHUNK)) < 1 / 3
    first = np.where(late, draw.integers(0, days, CHUNK), 0)
    left = first + np.floor((days - first) * draw.random(CHUNK)).astype(np.int64)
    return first, np.where(leaves, left, days - 1)


def _habits(
    draw: np.random.Generator, tastes: Ints, items: PlantedItems, cumulative: _Cumulative, world: ShopWorld
) -> tuple[Ints, Floats]:
    item = _pick(draw, np.repeat(tastes, HABITS, axis=0), cumulative).reshape(CHUNK, HABITS)
    real = draw.random((CHUNK, HABITS)) < HABIT_SHARE
    personal = np.exp(0.3 * draw.standard_normal((CHUNK, HABITS)))
    # Habits make half of the lines of a busy shop; of a quiet one they come round less often.
    slower = max(1.0, _habit_lines_each(items, world.days) / (0.5 * world.lines_each))
    return np.where(real, item, -1), items.cadence_days[item] * personal * slower


def _habit_lines_each(items: PlantedItems, days: int) -> float:
    """Return the lines that the habits of a customer of average life would make, at the cadence of the items."""
    return 0.7 * HABITS * HABIT_SHARE * days * float((items.share / items.cadence_days).sum())


def _impulse_mean(items: PlantedItems, world: ShopWorld) -> float:
    habitual = min(_habit_lines_each(items, world.days), 0.5 * world.lines_each)
    return (world.lines_each - habitual) / 0.7


def _habit_lines(draw: np.random.Generator, item: Ints, every: Floats, days: int) -> tuple[Ints, Floats, Ints]:
    """Return customer, time and item of each habitual purchase in [0, days)."""
    who, slot = np.nonzero(item >= 0)
    gap = every[who, slot]
    phase = draw.random(len(who)) * gap
    times = np.maximum(np.ceil((days - phase) / gap), 0).astype(np.int64)
    row = np.repeat(np.arange(len(who)), times)
    number = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
    when = phase[row] + gap[row] * (number + 0.1 * draw.standard_normal(len(row)))
    return who[row], np.clip(when, 0.0, days), item[who, slot][row]


def _next_trip(when: Floats, spacing: Floats, who: Ints) -> Ints:
    """Return the day of the next trip; a customer's trips come at a steady pace of their own."""
    offset = (who * 0.6180339887) % 1.0
    return np.floor((np.ceil(when / spacing + offset) - offset) * spacing).astype(np.int64)


def _promoted(seed: int, item: Ints, day: Ints) -> NDArray[np.bool_]:
    """Return whether an item is on promotion in the week of a day, by a hash of both."""
    with np.errstate(over="ignore"):
        x = (item.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ (
            (day // 7 + 1_000 * seed).astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
        )
        x = (x ^ (x >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
    return (x >> np.uint64(40)).astype(np.float64) * 2.0**-24 < PROMOTED
