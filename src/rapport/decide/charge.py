"""What a contact and an offer use of the limits, and what that costs at given prices.

Why it exists: the choice, the search for prices, the repair and the counting of a plan must read the entries of the
limits alike. Nothing is chosen here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.decide.kernel import kernel
from rapport.decide.problem import Entries, Problem


@kernel
def entry_use(p: Problem, entries: Entries, e: int, c: int, r: int) -> float:
    """Return how much of its limit an entry uses for candidate c through route r."""
    a = entries.amount[e]
    if a < 0:
        return entries.use[e]
    used = entries.use[e] * p.candidates.amounts[a, c]
    return used * p.portfolio.reach[r] if p.limits.through_reach[a] else used


@kernel
def entry_applies(p: Problem, entries: Entries, e: int, cell: int, r: int) -> bool:
    """Return whether an entry counts for a customer of a cell through route r."""
    if (entries.routes[e] >> r) & 1 == 0:
        return False
    scope = entries.scope[e]
    return scope < 0 or p.limits.scope_has[scope, cell]


@kernel
def offer_charge(p: Problem, prices: NDArray[np.float64], i: int, c: int, r: int) -> float:
    """Return what candidate c uses of the limits through route r, at their prices."""
    cell = p.customers.cell[i]
    total = 0.0
    entries = p.limits.by_offer
    j = p.candidates.offer[c]
    for e in range(entries.start[j], entries.start[j + 1]):
        if entry_applies(p, entries, e, cell, r):
            total += prices[entries.limit[e]] * entry_use(p, entries, e, c, r)
    entries = p.limits.by_cell
    for e in range(entries.start[cell], entries.start[cell + 1]):
        if entry_applies(p, entries, e, cell, r):
            total += prices[entries.limit[e]] * entry_use(p, entries, e, c, r)
    return total


@kernel
def contact_charge(p: Problem, prices: NDArray[np.float64], i: int, r: int) -> float:
    """Return what a contact uses of the limits through route r, at their prices."""
    contacts = p.limits.contacts
    at = p.customers.cell[i] * len(p.portfolio.reach) + r
    total = 0.0
    for e in range(contacts.start[at], contacts.start[at + 1]):
        a = contacts.amount[e]
        used = contacts.use[e] if a < 0 else contacts.use[e] * p.customers.contact_amounts[a, i, r]
        total += prices[contacts.limit[e]] * used
    return total


@kernel
def add_use(p: Problem, i: int, r: int, chosen: NDArray[np.int32], sign: float, usage: NDArray[np.float64]) -> None:
    """Add to `usage`, times `sign`, what a customer's choice uses; `chosen` counts from their first candidate."""
    contacts = p.limits.contacts
    cell = p.customers.cell[i]
    at = cell * len(p.portfolio.reach) + r
    for e in range(contacts.start[at], contacts.start[at + 1]):
        a = contacts.amount[e]
        used = contacts.use[e] if a < 0 else contacts.use[e] * p.customers.contact_amounts[a, i, r]
        usage[contacts.limit[e]] += sign * used
    for k in range(len(chosen)):
        if chosen[k] < 0:
            break
        c = p.customers.start[i] + chosen[k]
        entries = p.limits.by_offer
        j = p.candidates.offer[c]
        for e in range(entries.start[j], entries.start[j + 1]):
            if entry_applies(p, entries, e, cell, r):
                usage[entries.limit[e]] += sign * entry_use(p, entries, e, c, r)
        entries = p.limits.by_cell
        for e in range(entries.start[cell], entries.start[cell + 1]):
            if entry_applies(p, entries, e, cell, r):
                usage[entries.limit[e]] += sign * entry_use(p, entries, e, c, r)
