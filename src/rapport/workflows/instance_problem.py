"""Turns an allocation instance into the arrays that the decision works on.

Why it exists: an instance says who and what by name, the problem by position; the two meet only here. Values are
multiplied by a power of two, so that they are of the size of micros and come back exactly as they were given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rapport.decide.problem import (
    ANYONE,
    COUNT,
    Candidates,
    ContactEntries,
    Customers,
    Entries,
    Limits,
    Portfolio,
    Problem,
)
from rapport.simulate.instance_record import (
    ANY_CHANNEL,
    CONTACTS,
    COST,
    OFFERS,
    Group,
    Instance,
    InstanceLimit,
    Labels,
    limited_channels,
    limited_offers,
    members,
)

_Kind = TypeVar("_Kind", bound=np.generic)

SCALE = float(2**20)
"""Units of the problem in one unit of the instance: a power of two loses no bit, neither there nor back."""


@dataclass(frozen=True)
class _Cells:
    """Classes of customers that the same limits apply to: of each customer, and of each class its labels."""

    cell: NDArray[np.int32]
    labels: dict[str, Labels]
    count: int

    def has(self, group: Group | None) -> NDArray[np.bool_]:
        """Return the classes that a group holds."""
        if group is None:
            return np.ones(self.count, dtype=bool)
        return members(self.labels[group.by], group.values)


def to_problem(instance: Instance) -> Problem:
    """Return the problem of an instance, values times `SCALE`."""
    rows = instance.candidates
    routes = len(instance.channels)
    cells = _make_cells(instance)
    counted = {limit.counts for limit in instance.limits}
    by_contact = [c for c in (COST, *instance.contacts.amounts) if c in counted]
    by_offer = [a for a in rows.amounts if a in counted]
    bits = np.where(
        rows.channel == ANY_CHANNEL, (1 << routes) - 1, np.left_shift(1, np.maximum(rows.channel, 0), dtype=np.int64)
    )
    n = len(instance.customers)
    counts = np.bincount(rows.customer, minlength=n)
    customers = Customers(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        cell=cells.cell,
        contact_micros=0.0 - instance.contacts.cost * SCALE,
        contact_amounts=_stacked([_contact_amount(instance, name) for name in by_contact], (n, routes)),
        forced=_own(instance.forced),
    )
    candidates = Candidates(
        offer=_own(rows.offer),
        value=rows.value * SCALE,
        routes=bits,
        must=np.where(rows.must, bits, 0),
        amounts=_stacked([rows.amounts[name] for name in by_offer], (len(rows.offer),)),
    )
    limits = _limits(instance, cells, by_contact, by_offer)
    return Problem(customers, candidates, _portfolio(instance), limits)


def _own(values: NDArray[_Kind]) -> NDArray[_Kind]:
    """Return an array that may be written to: compiled loops would be compiled again for one that may not."""
    return np.require(values, requirements=["C", "W"])


def _stacked(parts: list[NDArray[np.float64]], shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.stack(parts) if parts else np.zeros((0, *shape))


def _contact_amount(instance: Instance, name: str) -> NDArray[np.float64]:
    if name != COST:
        return instance.contacts.amounts[name]
    return np.where(np.isinf(instance.contacts.cost), 0.0, instance.contacts.cost)


def _make_cells(instance: Instance) -> _Cells:
    """Number the combinations of labels that limits tell apart."""
    names = sorted({limit.customers.by for limit in instance.limits if limit.customers is not None})
    cell = np.zeros(len(instance.customers), dtype=np.int64)
    for name in names:
        labels = instance.customer_labels[name]
        mixed = cell * (len(labels.names) + 1) + labels.codes + 1
        # Numbered anew after every grouping, so that the product of many cannot overflow.
        cell = np.unique(mixed, return_inverse=True)[1].astype(np.int64)
    first = np.unique(cell, return_index=True)[1]
    of_cell = {
        name: Labels(instance.customer_labels[name].codes[first], instance.customer_labels[name].names)
        for name in names
    }
    return _Cells(cell.astype(np.int32), of_cell, max(1, len(first)))


def _portfolio(instance: Instance) -> Portfolio:
    offers = len(instance.offers)
    # An offer without a category is similar to no other.
    category = np.arange(offers, dtype=np.int32)
    if "category" in instance.offer_labels and instance.variety < 1.0:
        labels = instance.offer_labels["category"]
        category = np.where(labels.codes >= 0, labels.codes, len(labels.names) + category).astype(np.int32)
    kind = np.full(offers, -1, dtype=np.int32)
    if instance.kinds:
        labels = instance.offer_labels["kind"]
        for at, name in enumerate(instance.kinds):
            kind[members(labels, (name,))] = at
    return Portfolio(
        weights=instance.variety ** np.arange(instance.size, dtype=np.float64),
        reach=np.array([c.reach for c in instance.channels]),
        category=category,
        kind=kind,
        kind_most=np.array(list(instance.kinds.values()), dtype=np.int32),
    )


class _Listed:
    """Collects entries by row and puts them in order."""

    def __init__(self) -> None:
        self._parts: list[tuple[NDArray[np.int64], tuple[int, int, int, int]]] = []

    def add(self, rows: NDArray[np.int64], limit: int, amount: int, routes: int = 0, scope: int = ANYONE) -> None:
        """Let a limit, an amount and a scope apply to rows."""
        self._parts.append((rows, (limit, amount, routes, scope)))

    def ordered(self, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where each row's entries begin, and (entries, 4): limit, amount, routes, scope."""
        if not self._parts:
            return np.zeros(rows + 1, dtype=np.int64), np.zeros((0, 4), dtype=np.int64)
        where = np.concatenate([part for part, _ in self._parts])
        sizes = [len(part) for part, _ in self._parts]
        what = np.repeat(np.array([said for _, said in self._parts], dtype=np.int64), sizes, axis=0)
        order = np.argsort(where, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(where, minlength=rows))])
        return start.astype(np.int64), what[order]


def _entries(listed: _Listed, rows: int) -> Entries:
    start, what = listed.ordered(rows)
    return Entries(
        start=start,
        limit=what[:, 0].astype(np.int32),
        use=np.ones(len(what)),
        amount=what[:, 1].astype(np.int32),
        routes=np.ascontiguousarray(what[:, 2]),
        scope=what[:, 3].astype(np.int32),
    )


def _limits(instance: Instance, cells: _Cells, by_contact: list[str], by_offer: list[str]) -> Limits:
    routes = len(instance.channels)
    contacts, of_offers, of_cells = _Listed(), _Listed(), _Listed()
    scopes: dict[Group, int] = {}
    for at, limit in enumerate(instance.limits):
        through = limited_channels(instance, limit)
        whom = np.flatnonzero(cells.has(limit.customers))
        if limit.offers is None and (limit.counts == CONTACTS or limit.counts in by_contact):
            amount = COUNT if limit.counts == CONTACTS else by_contact.index(limit.counts)
            contacts.add((whom[:, None] * routes + np.flatnonzero(through)).ravel(), at, amount)
        if limit.counts != OFFERS and limit.counts not in by_offer:
            continue
        amount = COUNT if limit.counts == OFFERS else by_offer.index(limit.counts)
        mask = int(sum(1 << int(r) for r in np.flatnonzero(through)))
        if limit.offers is None:
            of_cells.add(whom, at, amount, mask)
        else:
            offers = np.flatnonzero(limited_offers(instance, limit))
            of_offers.add(offers, at, amount, mask, _scope(scopes, limit))
    start, what = contacts.ordered(cells.count * routes)
    return Limits(
        bound=np.array([x.bound for x in instance.limits], dtype=np.float64),
        at_least=np.array([x.at_least for x in instance.limits], dtype=bool),
        contacts=ContactEntries(start, what[:, 0].astype(np.int32), np.ones(len(what)), what[:, 1].astype(np.int32)),
        by_offer=_entries(of_offers, len(instance.offers)),
        by_cell=_entries(of_cells, cells.count),
        scope_has=np.array([cells.has(group) for group in scopes], dtype=bool).reshape(len(scopes), cells.count),
        through_reach=np.array([name in instance.through_reach for name in by_offer], dtype=bool),
    )


def _scope(scopes: dict[Group, int], limit: InstanceLimit) -> int:
    return ANYONE if limit.customers is None else scopes.setdefault(limit.customers, len(scopes))
