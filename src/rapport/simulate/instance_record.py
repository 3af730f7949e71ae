"""What an allocation instance is: customers, candidates, contacts and the limits they share, as plain arrays.

Why it exists: made-up instances, instance files and the workflows that solve them speak of one and the same record.
Nothing is chosen here, and no file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

ANY_CHANNEL = -1
"""In place of a channel: the candidate may come through every channel."""

SILENT = -1
"""In place of a channel in a plan: nothing is said."""

CONTACTS = "contacts"
OFFERS = "offers"
COST = "cost"
"""What limits may count besides amounts: contacts, offers in portfolios, and what contacts cost."""


@dataclass(frozen=True)
class Labels:
    """One grouping of customers, or one attribute of offers: a position in `names` for each, -1 for none."""

    codes: NDArray[np.int32]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Those whose label in the grouping `by` is one of `values`."""

    by: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Channel:
    """A way to speak to a customer; `reach` is the share of an offer's value that comes through it."""

    name: str
    reach: float = 1.0


@dataclass(frozen=True)
class CandidateRows:
    """m rows: an offer that a customer may get; ordered by customer, offer, channel.

    customer : (m,) int32, position in `Instance.customers`
    offer : (m,) int32, position in `Instance.offers`
    channel : (m,) int8, position in `Instance.channels` or `ANY_CHANNEL`
    value : (m,) float64, currency units
    must : (m,) bool, whatever is said to the customer through the channel must contain it
    amounts : name -> (m,) float64, at least 0
    """

    customer: NDArray[np.int32]
    offer: NDArray[np.int32]
    channel: NDArray[np.int8]
    value: NDArray[np.float64]
    must: NDArray[np.bool_]
    amounts: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Contacts:
    """What a contact costs, by customer and channel.

    cost : (n, R) float64, currency units; inf where the channel is closed to the customer
    amounts : name -> (n, R) float64, at least 0
    """

    cost: NDArray[np.float64]
    amounts: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class InstanceLimit:
    """One limit that customers share.

    counts : `CONTACTS`, `OFFERS`, `COST` or the name of an amount of candidates, of contacts or of both
    channels : positions; None for all
    offers : positions, or a group by an attribute; None for all
    customers : a group by a grouping; None for all
    """

    name: str
    counts: str
    bound: float
    at_least: bool = False
    channels: tuple[int, ...] | None = None
    offers: tuple[int, ...] | Group | None = None
    customers: Group | None = None


@dataclass(frozen=True)
class Instance:
    """One allocation: n customers, J offers, R channels, portfolios of up to `size` offers.

    customers, offers : ids, (n,) and (J,), integers or text
    variety : in (0, 1]; the k-th best offer of one category keeps variety ** (k - 1) of its value
    kinds : at most so many offers of a kind in one portfolio
    customer_labels, offer_labels : groupings and attributes; offers use `category` for variety, `kind` for kinds
    forced : (n,) bool, silence is not allowed where any channel is open
    through_reach : amounts of candidates that come only with the reach of the channel
    """

    customers: NDArray[np.generic]
    offers: NDArray[np.generic]
    channels: tuple[Channel, ...]
    size: int
    candidates: CandidateRows
    contacts: Contacts
    limits: tuple[InstanceLimit, ...]
    forced: NDArray[np.bool_]
    variety: float = 1.0
    kinds: Mapping[str, int] = field(default_factory=dict)
    customer_labels: Mapping[str, Labels] = field(default_factory=dict)
    offer_labels: Mapping[str, Labels] = field(default_factory=dict)
    through_reach: frozenset[str] = frozenset()


def members(labels: Labels, values: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return who has one of the labels; those without a label have none of them."""
    wanted = np.array([name in values for name in labels.names] + [False], dtype=bool)
    found: NDArray[np.bool_] = wanted[labels.codes]
    return found


def limited_offers(instance: Instance, limit: InstanceLimit) -> NDArray[np.bool_]:
    """Return the offers that a limit is about, shape (J,)."""
    if limit.offers is None:
        return np.ones(len(instance.offers), dtype=bool)
    if isinstance(limit.offers, Group):
        return members(instance.offer_labels[limit.offers.by], limit.offers.values)
    chosen = np.zeros(len(instance.offers), dtype=bool)
    chosen[list(limit.offers)] = True
    return chosen


def limited_customers(instance: Instance, limit: InstanceLimit) -> NDArray[np.bool_]:
    """Return the customers that a limit is about, shape (n,)."""
    if limit.customers is None:
        return np.ones(len(instance.customers), dtype=bool)
    return members(instance.customer_labels[limit.customers.by], limit.customers.values)


def limited_channels(instance: Instance, limit: InstanceLimit) -> NDArray[np.bool_]:
    """Return the channels that a limit is about, shape (R,)."""
    chosen = np.full(len(instance.channels), limit.channels is None)
    chosen[list(limit.channels or ())] = True
    return chosen


def used_by_plan(instance: Instance, channel: NDArray[np.integer], rows: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return how much of each limit a plan uses, counted from the instance alone.

    Parameters
    ----------
    instance : Instance
    channel : (n,) int, what each customer is spoken to through, or `SILENT`
    rows : int array, the candidate rows that are in portfolios

    Returns
    -------
    float64 array, shape (number of limits,).
    """
    uses = _Uses(instance, np.asarray(channel), np.asarray(rows))
    return np.array([uses.by_contacts(x) + uses.by_offers(x) for x in instance.limits], dtype=np.float64)


class _Uses:
    """Counts one limit after the other; what thousands of limits share is counted once."""

    def __init__(self, instance: Instance, channel: NDArray[np.integer], rows: NDArray[np.integer]) -> None:
        self._instance, self._channel, self._rows = instance, channel, rows
        self._spoken = np.flatnonzero(channel >= 0)
        self._by_offer: dict[str, NDArray[np.float64]] = {}

    def by_contacts(self, limit: InstanceLimit) -> float:
        """Return what the contacts themselves use of a limit."""
        instance, spoken = self._instance, self._spoken
        if limit.counts == OFFERS or limit.offers is not None:
            return 0.0
        if limit.counts not in {CONTACTS, COST, *instance.contacts.amounts}:
            return 0.0
        through = self._channel[spoken]
        counted = limited_customers(instance, limit)[spoken] & limited_channels(instance, limit)[through]
        if limit.counts == CONTACTS:
            return float(np.count_nonzero(counted))
        table = instance.contacts.cost if limit.counts == COST else instance.contacts.amounts[limit.counts]
        return float(table[spoken, through][counted].sum())

    def by_offers(self, limit: InstanceLimit) -> float:
        """Return what the offers use of a limit."""
        instance = self._instance
        if limit.counts != OFFERS and limit.counts not in instance.candidates.amounts:
            return 0.0
        inside = limited_offers(instance, limit)
        if limit.channels is None and limit.customers is None:
            if limit.counts not in self._by_offer:
                self._by_offer[limit.counts] = self._per_offer(limit.counts, self._rows)
            return float(self._by_offer[limit.counts][inside].sum())
        customer = instance.candidates.customer[self._rows]
        whom, by = limited_customers(instance, limit), limited_channels(instance, limit)
        kept = self._rows[whom[customer] & by[self._channel[customer]]]
        return float(self._per_offer(limit.counts, kept)[inside].sum())

    def _per_offer(self, counts: str, rows: NDArray[np.integer]) -> NDArray[np.float64]:
        instance, candidates = self._instance, self._instance.candidates
        offer, width = candidates.offer[rows], len(instance.offers)
        if counts == OFFERS:
            return np.bincount(offer, minlength=width).astype(np.float64)
        amount = candidates.amounts[counts][rows]
        if counts in instance.through_reach:
            reach = np.array([c.reach for c in instance.channels])
            amount = amount * reach[self._channel[candidates.customer[rows]]]
        return np.bincount(offer, weights=amount, minlength=width).astype(np.float64)
