"""Why a product may be next: habits that are due, what is bought together, what comparable customers buy.

Why it exists: a probability without a reason cannot be argued with. Each reason is counted from past purchases and
told with its figures. Purchases in, figures and words out; no probability of the models and no choice may enter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rapport.differentiate.relevance_history import PurchaseHistory, pair_starts

REPEATS = 3
"""Purchase days from which on a habit has a length."""

FORGOTTEN = 3.0
"""A habit not kept for so many of its own lengths has ended."""

SAMPLE = 20_000
"""Customers from whom it is learned what is bought together; more add nothing."""

TOGETHER = 10
"""Customers who must have bought both before two items are said to go together."""

_BLOCK = 512


@dataclass(frozen=True)
class Habits:
    """Pairs of a customer and an item they bought, p of them, sorted by customer, then item.

    days : purchase days; every_days : mean days between them, NaN below `REPEATS`; since : days since the last
    due : the usual time has passed since the last purchase, and not more than `FORGOTTEN` times
    """

    customer: NDArray[np.int32]
    item: NDArray[np.int32]
    days: NDArray[np.int64]
    every_days: NDArray[np.float64]
    since: NDArray[np.int64]
    due: NDArray[np.bool_]


def habits_of(history: PurchaseHistory, as_of: int) -> Habits:
    """Return the habits that purchases before a day show; `as_of` in days since 1970-01-01."""
    past = history.before(as_of)
    first = pair_starts(past)
    stop = np.append(first[1:], len(past.day))[: len(first)]
    days = stop - first
    begin, end = past.day[first].astype(np.int64), past.day[stop - 1].astype(np.int64)
    every = np.where(days >= REPEATS, (end - begin) / np.maximum(days - 1, 1), np.nan)
    since = as_of - end
    due = (days >= REPEATS) & (since >= np.nan_to_num(every)) & (since <= FORGOTTEN * np.nan_to_num(every))
    return Habits(past.customer[first], past.item[first], days, every, since, due)


@dataclass(frozen=True)
class Companions:
    """For each of J items the items whose buyers buy it most beyond what chance would do, best first, (J, k).

    item : position, -1 for none
    share : of the companion's buyers, those who bought the item too
    overall : (J,) of all who bought anything, those who bought the item
    """

    item: NDArray[np.int32]
    share: NDArray[np.float64]
    overall: NDArray[np.float64]


def companions_of(before: NDArray[np.bool_], k: int = 5) -> Companions:
    """Return what is bought together with each item.

    Parameters
    ----------
    before : (n, J) bool
        Who ever bought what; the first `SAMPLE` customers with a purchase are looked at. Keys of customers come from
        hashing, so that the first are as good as any.

    Notes
    -----
    Ranked by (together - expected) / sqrt(expected), the excess of joint buyers over independence in standard
    deviations (Church and Hanks 1990 rank by the ratio, which favours the rare).
    """
    offers = before.shape[1]
    active = np.flatnonzero(before.any(axis=1))[:SAMPLE]
    bought = sparse.csc_matrix(before[active].astype(np.float64))
    n = max(len(active), 1)
    buyers = np.asarray(bought.sum(axis=0)).ravel()
    item = np.full((offers, k), -1, dtype=np.int32)
    share = np.zeros((offers, k))
    for first in range(0, offers, _BLOCK):
        here = slice(first, min(first + _BLOCK, offers))
        together = (bought.T @ bought[:, here]).toarray()
        expected = np.maximum(np.outer(buyers, buyers[here]) / n, 1e-9)
        excess = (together - expected) / np.sqrt(expected)
        excess[np.arange(here.start, here.stop), np.arange(here.stop - here.start)] = -np.inf
        excess[together < TOGETHER] = -np.inf
        top = np.argsort(-excess, axis=0, kind="stable")[:k]
        good = np.take_along_axis(excess, top, axis=0) > 2.0
        item[here, : len(top)] = np.where(good, top, -1).T
        found = np.take_along_axis(together, top, axis=0) / np.maximum(buyers[top], 1.0)
        share[here, : len(top)] = np.where(good, found, 0.0).T
    return Companions(item, share, buyers / n)


@dataclass(frozen=True)
class GroupHabits:
    """S groups by J items: customers with a habit, its mean length in days, and those who are due now."""

    keep: NDArray[np.int64]
    every_days: NDArray[np.float64]
    due: NDArray[np.int64]


def group_habits(habits: Habits, group: NDArray[np.int64], groups: int, items: int) -> GroupHabits:
    """Return the habits of groups; `group` is (n,), -1 for customers of none."""
    mine = (group[habits.customer] >= 0) & (habits.days >= REPEATS)
    cell = group[habits.customer[mine]] * items + habits.item[mine]
    size = groups * items

    def counted(weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        return np.bincount(cell, weights=weights, minlength=size).astype(np.float64).reshape(groups, items)

    keep = counted()
    length = np.divide(counted(habits.every_days[mine]), keep, out=np.full_like(keep, np.nan), where=keep > 0)
    due = counted(habits.due[mine].astype(np.float64))
    return GroupHabits(keep.astype(np.int64), length, due.astype(np.int64))


@dataclass(frozen=True)
class GroupFigures:
    """One group and one item: what the words are made from.

    name : of the group; members, owned, open_to, never, pays : customers; see `next_products.GroupProducts`
    overall : share of all customers with a purchase who bought the item
    keep, every_days, due : the habit; companion, companion_share : what it is bought with
    """

    name: str
    members: int
    owned: int
    open_to: int
    never: int
    pays: int
    overall: float
    keep: int
    every_days: float
    due: int
    companion: str | None
    companion_share: float


def why_for_group(f: GroupFigures) -> list[str]:
    """Return the reasons why a product may be next for a group, most telling first."""
    told = []
    share = f.owned / f.members if f.members else 0.0
    if f.due:
        told.append(f"{f.due:,} buy it every {f.every_days:.0f} days on average and are due now")
    if f.companion is not None:
        told.append(f"bought with {f.companion}: {f.companion_share:.0%} of its buyers, {f.overall:.0%} of all")
    if share >= 0.05 and share >= 1.2 * f.overall:
        told.append(f"popular here: {share:.0%} have bought it, {f.overall:.0%} of all")
    if f.never and share >= 0.10:
        told.append(f"{f.never:,} never bought it though {share:.0%} of the group did")
    if not f.pays:
        told.append("pays for nobody: too many would buy anyway, or the margin does not carry the discount")
    elif f.pays < f.open_to:
        told.append(f"would lose money with {f.open_to - f.pays:,} who buy it anyway")
    return told or ["no pattern in past purchases; the probability is all there is"]


@dataclass(frozen=True)
class CustomerFigures:
    """One customer and one item; `days` is 0 where it was never bought, `group_share` of the customer's tier."""

    days: int
    every_days: float
    since: int
    due: bool
    companion: str | None
    companion_share: float
    group: str
    group_share: float
    pays: bool


def why_for_customer(f: CustomerFigures) -> list[str]:
    """Return the reasons why a product may be next for a customer, most telling first."""
    told = []
    if f.due:
        told.append(f"bought every {f.every_days:.0f} days and due now: the last time {f.since} days ago")
    elif f.days:
        times = "once" if f.days == 1 else f"on {f.days} days"
        told.append(f"bought {times}, the last time {f.since} days ago")
    if f.companion is not None:
        told.append(f"bought with {f.companion}, which the customer buys: {f.companion_share:.0%} of its buyers")
    if not f.days and f.group_share >= 0.10:
        told.append(f"never bought though {f.group_share:.0%} of {f.group} did")
    if not f.pays:
        told.append("does not pay: would buy anyway, or the margin does not carry the discount")
    return told or ["no pattern in past purchases; the probability is all there is"]
