"""The declared limits as the entries that compiled loops read: who uses what, through which route.

Why it exists: what the offers use is the same for every batch of a turn and is laid out once; only the classes of
customers (cells) depend on who is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import LimitInvalid
from rapport.core.keys import uniform
from rapport.decide.problem import ANYONE, COUNT, LEVELS_A_CHANNEL, ContactEntries, Entries, Limits
from rapport.decide.rows import Ragged, starts
from rapport.decide.terms import Policy, SharedLimit

GIVEAWAY = 0
"""Row of `Candidates.amounts` that holds the expected discount given to buyers."""

OF_CONTACTS = ("contacts", "contact_cost", "minutes")
OF_OFFERS = ("offers", "giveaway")


@dataclass(frozen=True)
class ScopedUses:
    """Uses that depend on the customer only through their scopes, in the order of the limits; each array (u,).

    at : the route of a contact, or the routes as bits
    use : coefficient of what is counted
    scope : `ANYONE` or the scope that must hold
    """

    limit: NDArray[np.int32]
    at: NDArray[np.int64]
    use: NDArray[np.float64]
    amount: NDArray[np.int32]
    scope: NDArray[np.int32]

    @classmethod
    def of(cls, uses: Sequence[tuple[int, int, float, int, int | None]]) -> ScopedUses:
        """Return the columns of (limit, at, use, amount, scope)."""
        return cls(
            limit=np.array([u[0] for u in uses], dtype=np.int32),
            at=np.array([u[1] for u in uses], dtype=np.int64),
            use=np.array([u[2] for u in uses], dtype=np.float64),
            amount=np.array([u[3] for u in uses], dtype=np.int32),
            scope=np.array([ANYONE if u[4] is None else u[4] for u in uses], dtype=np.int32),
        )

    def by_cell(self, member: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the pairs of a use and a cell that it applies to, in the order of the uses."""
        # The last row stands for ANYONE, which is -1.
        holds = np.concatenate([member, np.ones((1, member.shape[1]), dtype=np.bool_)])
        which, cells = np.nonzero(holds[self.scope])
        return which, cells


@dataclass(frozen=True)
class Sharing:
    """What limits look like before any customer is known.

    by_offer : entries of limits on some offers, by offer
    for_all : the limits on all offers
    contacts : the limits on contacts, one use a route
    """

    bound: NDArray[np.float64]
    at_least: NDArray[np.bool_]
    by_offer: Entries
    for_all: ScopedUses
    contacts: ScopedUses
    scopes: int


def lay_out(policy: Policy, offers: int) -> Sharing:
    """Return the limits of a policy over so many offers; raise LimitInvalid where one counts nothing known."""
    kept: list[tuple[int, SharedLimit, int]] = []
    for_all, contacts = [], []
    for number, limit in enumerate(policy.limits):
        routes = [c * LEVELS_A_CHANNEL + v for c in limit.channels for v in range(LEVELS_A_CHANNEL)]
        if limit.counts in OF_CONTACTS:
            use = _contact_use(limit, routes, policy)
            contacts += [(number, r, float(use[r]), COUNT, limit.scope) for r in np.flatnonzero(use).tolist()]
        elif limit.counts not in OF_OFFERS:
            known = ", ".join((*OF_CONTACTS, *OF_OFFERS))
            raise LimitInvalid(f"limit {limit.name!r}: counts is {limit.counts!r}; must be one of: {known}.")
        elif limit.offers is None:
            for_all.append((number, _mask(routes), 1.0, _amount(limit), limit.scope))
        else:
            kept.append((number, limit, _mask(routes)))
    return Sharing(
        bound=np.array([x.bound for x in policy.limits], dtype=np.float64),
        at_least=np.array([x.at_least for x in policy.limits], dtype=np.bool_),
        by_offer=_by_offer(kept, offers),
        for_all=ScopedUses.of(for_all),
        contacts=ScopedUses.of(contacts),
        scopes=len(policy.scopes),
    )


def _mask(routes: Sequence[int]) -> int:
    return sum(1 << r for r in routes)


def _amount(limit: SharedLimit) -> int:
    return GIVEAWAY if limit.counts == "giveaway" else COUNT


def _contact_use(limit: SharedLimit, routes: Sequence[int], policy: Policy) -> NDArray[np.float64]:
    """Return how much of the limit one contact uses through each route."""
    use = np.zeros(len(policy.channels) * LEVELS_A_CHANNEL)
    for r in routes:
        channel = policy.channels[r // LEVELS_A_CHANNEL]
        cost = float(channel.cost_micros + policy.level_cost_micros[r % LEVELS_A_CHANNEL])
        use[r] = {"contacts": 1.0, "contact_cost": cost, "minutes": channel.minutes}[limit.counts]
    return use


def _by_offer(kept: Sequence[tuple[int, SharedLimit, int]], offers: int) -> Entries:
    """Return the entries of limits on some offers, those of an offer in the order of the limits."""
    width = np.array([len(x.offers or ()) for _, x, _ in kept], dtype=np.int64)
    of = np.concatenate([np.array(x.offers, dtype=np.int64) for _, x, _ in kept] or [np.zeros(0, dtype=np.int64)])
    order = np.argsort(of, kind="stable")

    def spread(values: Sequence[int]) -> NDArray[np.int32]:
        return np.repeat(np.array(values, dtype=np.int32), width)[order]

    return Entries(
        start=starts(np.bincount(of, minlength=offers)),
        limit=spread([n for n, _, _ in kept]),
        use=np.ones(len(of)),
        amount=spread([_amount(x) for _, x, _ in kept]),
        routes=np.repeat(np.array([r for _, _, r in kept], dtype=np.int64), width)[order],
        scope=spread([ANYONE if x.scope is None else x.scope for _, x, _ in kept]),
    )


def limits_for(sharing: Sharing, scopes: Ragged, routes: int) -> tuple[Limits, NDArray[np.int32]]:
    """Return the limits for a batch and the cell of each customer; a cell is a set of scopes that occurs in it."""
    cell, member = _cells(scopes, sharing.scopes)
    return (
        Limits(
            bound=sharing.bound,
            at_least=sharing.at_least,
            contacts=_contact_entries(sharing, member, routes),
            by_offer=sharing.by_offer,
            by_cell=_cell_entries(sharing, member),
            scope_has=member,
            through_reach=np.ones(1, dtype=np.bool_),
        ),
        cell,
    )


def _cells(scopes: Ragged, count: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return each row's cell and, by scope and cell, who belongs: (n,) and (S, G).

    Rows with the same scopes are found by a sum of one random number a scope, of 62 bits.
    """
    n = len(scopes.start) - 1
    if n == 1:
        # What follows gives the same for one row, only slower.
        alone = np.zeros((count, 1), dtype=np.bool_)
        alone[scopes.values] = True
        return np.zeros(1, dtype=np.int32), alone
    marks = (uniform(np.arange(count, dtype=np.int64), "cells") * 2.0**53).astype(np.int64)
    # Whole numbers, so that the sum does not depend on the order of the scopes.
    prints = np.zeros(n, dtype=np.int64)
    np.add.at(prints, scopes.row(), marks[scopes.values])
    _, first, cell = np.unique(prints, return_index=True, return_inverse=True)
    member = np.zeros((count, max(1, len(first))), dtype=np.bool_)
    for g, row in enumerate(first):
        member[scopes.values[scopes.start[row] : scopes.start[row + 1]], g] = True
    return cell.astype(np.int32), member


def _contact_entries(sharing: Sharing, member: NDArray[np.bool_], routes: int) -> ContactEntries:
    uses = sharing.contacts
    which, cells = uses.by_cell(member)
    where = cells * routes + uses.at[which]
    order = np.argsort(where, kind="stable")
    which = which[order]
    return ContactEntries(
        start=starts(np.bincount(where, minlength=member.shape[1] * routes)),
        limit=uses.limit[which],
        use=uses.use[which],
        amount=uses.amount[which],
    )


def _cell_entries(sharing: Sharing, member: NDArray[np.bool_]) -> Entries:
    uses = sharing.for_all
    which, cells = uses.by_cell(member)
    order = np.argsort(cells, kind="stable")
    which = which[order]
    return Entries(
        start=starts(np.bincount(cells, minlength=member.shape[1])),
        limit=uses.limit[which],
        use=uses.use[which],
        amount=uses.amount[which],
        routes=uses.at[which],
        scope=np.full(len(which), ANYONE, dtype=np.int32),
    )
