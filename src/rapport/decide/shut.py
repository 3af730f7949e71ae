"""Close what can never be had: offers and contacts that alone use more than a whole limit.

Why it exists: such an amount (a mistake, or a mark for "never") would set the scale on which prices are searched, and
adding and taking it away again would wipe out smaller amounts. It is in no plan, so leaving it out changes none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.decide.charge import entry_applies, entry_use
from rapport.decide.kernel import block_count, in_threads, kernel
from rapport.decide.problem import Entries, Problem

BEYOND = 1e-9
"""A use counts as more than a limit from this share above it."""


@kernel
def _too_much(p: Problem, entries: Entries, row: int, cell: int, c: int, r: int) -> bool:
    for e in range(entries.start[row], entries.start[row + 1]):
        limit = entries.limit[e]
        if p.limits.at_least[limit] or not entry_applies(p, entries, e, cell, r):
            continue
        if entry_use(p, entries, e, c, r) > p.limits.bound[limit] * (1.0 + BEYOND):
            return True
    return False


@kernel
def _contact_too_much(p: Problem, i: int, r: int) -> bool:
    contacts = p.limits.contacts
    at = p.customers.cell[i] * len(p.portfolio.reach) + r
    for e in range(contacts.start[at], contacts.start[at + 1]):
        a, limit = contacts.amount[e], contacts.limit[e]
        used = contacts.use[e] if a < 0 else contacts.use[e] * p.customers.contact_amounts[a, i, r]
        if not p.limits.at_least[limit] and used > p.limits.bound[limit] * (1.0 + BEYOND):
            return True
    return False


@kernel
def _shut_blocks(
    p: Problem, routes: NDArray[np.int64], contact: NDArray[np.float64], blocks: int, span: tuple[int, int]
) -> None:
    n = len(p.customers.cell)
    for i in range(span[0] * n // blocks, span[1] * n // blocks):
        cell = p.customers.cell[i]
        for r in range(len(p.portfolio.reach)):
            if contact[i, r] == -np.inf:
                continue
            if _contact_too_much(p, i, r):
                contact[i, r] = -np.inf
                continue
            for c in range(p.customers.start[i], p.customers.start[i + 1]):
                if (routes[c] >> r) & 1 == 0:
                    continue
                j = p.candidates.offer[c]
                if _too_much(p, p.limits.by_offer, j, cell, c, r) or _too_much(p, p.limits.by_cell, cell, cell, c, r):
                    routes[c] -= np.int64(1) << r
                    if (p.candidates.must[c] >> r) & 1:
                        contact[i, r] = -np.inf
                        break


def _may_exceed(problem: Problem) -> bool:
    """Return whether any use can exceed a maximum, going by the largest amounts there are."""
    limits = problem.limits
    most = np.where(limits.at_least, np.inf, limits.bound * (1.0 + BEYOND))
    reach = max(1.0, float(problem.portfolio.reach.max(initial=1.0)))
    of_offers = [reach * float(row.max(initial=0.0)) for row in problem.candidates.amounts]
    of_contacts = [float(row.max(initial=0.0)) for row in problem.customers.contact_amounts]
    for entries, largest in (
        (limits.by_offer, of_offers),
        (limits.by_cell, of_offers),
        (limits.contacts, of_contacts),
    ):
        # The last stands for a count of one, whose amount is -1.
        use = entries.use * np.array([*largest, 1.0])[entries.amount]
        if (use > most[entries.limit]).any():
            return True
    return False


def shut_out(problem: Problem) -> Problem:
    """Return the problem without the routes, and the offers on them, that alone use more than a maximum.

    A route that must contain such an offer is closed with it.
    """
    if not _may_exceed(problem):
        return problem
    routes, contact = problem.candidates.routes.copy(), problem.customers.contact_micros.copy()
    blocks = block_count(len(contact))
    in_threads(blocks, lambda first, last: _shut_blocks(problem, routes, contact, blocks, (first, last)))
    return problem._replace(
        customers=problem.customers._replace(contact_micros=contact),
        candidates=problem.candidates._replace(routes=routes),
    )
