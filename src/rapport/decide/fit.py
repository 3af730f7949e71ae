"""What still fits: a customer's best choice within what the others leave of the limits.

Why it exists: the comparator, the repair and the improvement of a plan all ask one question, "what is best for this
customer in the room that is left", and must answer it by the same rules as the decision at prices. Customers are
taken one after the other here, and in which order is not decided here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.decide.charge import contact_charge, entry_applies, entry_use, offer_charge
from rapport.decide.kernel import kernel
from rapport.decide.problem import SILENT, Entries, Problem
from rapport.decide.respond import Response, Work, portfolio_value, price_route, take

EXACT = 1e-12
"""Sums of uses that are no whole numbers may miss a bound by this share of it, from rounding alone."""

KEPT = 1e-9
"""A limit counts as kept up to this share of its bound."""

Who = tuple[int, int, int]
"""Customer, candidate, route."""


class Plan(NamedTuple):
    """One choice for each customer; n customers, K slots, L limits.

    route : (n,) int32, `SILENT` for silence
    chosen : (n, K) int32, candidates counted from the customer's first; -1 for none
    value : float, micros, before prices
    usage : (L,) float64
    repaired : (n,) bool, differs from the best choice at the prices
    """

    route: NDArray[np.int32]
    chosen: NDArray[np.int32]
    value: float
    usage: NDArray[np.float64]
    repaired: NDArray[np.bool_]


class Ledger(NamedTuple):
    """What a plan in the making uses of L limits, and what it may and must use.

    usage : (L,) float64
    most : (L,) float64, inf for minima
    least : (L,) float64, -inf for maxima
    scale : (L,) float64, what a missing unit of a minimum counts as *lack*
    over : (L,) float64, 1 where more is used than may be, else 0
    """

    usage: NDArray[np.float64]
    most: NDArray[np.float64]
    least: NDArray[np.float64]
    scale: NDArray[np.float64]
    over: NDArray[np.float64]


def open_ledger(problem: Problem) -> Ledger:
    """Return the ledger of a plan in which nobody hears anything."""
    limits = problem.limits
    bound, size = limits.bound, len(limits.bound)
    slip = np.where(np.isfinite(bound), EXACT * np.abs(bound), 0.0)
    return Ledger(
        usage=np.zeros(size),
        most=np.where(limits.at_least, np.inf, bound + slip),
        least=np.where(limits.at_least & np.isfinite(bound), bound - slip, -np.inf),
        scale=1.0 / np.where(np.isfinite(bound) & (bound > 0.0), bound, 1.0),
        over=np.zeros(size),
    )


def boundless(problem: Problem, closed: NDArray[np.bool_]) -> Ledger:
    """Return a ledger in which nothing of the `closed` limits, shape (L,), may be used and all else is free."""
    size = len(problem.limits.bound)
    return Ledger(
        usage=np.zeros(size),
        most=np.where(closed, -np.inf, np.inf),
        least=np.full(size, -np.inf),
        scale=np.ones(size),
        over=np.zeros(size),
    )


@kernel
def _shift(ledger: Ledger, limit: int, amount: float) -> tuple[bool, float]:
    """Use so much more of a limit; return whether that fits, and by how much the lack of minima changes."""
    before = ledger.usage[limit]
    after = before + amount
    ledger.usage[limit] = after
    over = after > ledger.most[limit]
    ledger.over[limit] = 1.0 if over else 0.0
    least = ledger.least[limit]
    if least == -np.inf:
        return not over or amount == 0.0, 0.0
    return True, ledger.scale[limit] * (max(0.0, least - after) - max(0.0, least - before))


@kernel
def _use_entries(p: Problem, entries: Entries, row: int, who: Who, sign: float, ledger: Ledger) -> tuple[bool, float]:
    i, c, r = who
    cell = p.customers.cell[i]
    fits, lack = True, 0.0
    for e in range(entries.start[row], entries.start[row + 1]):
        if entry_applies(p, entries, e, cell, r):
            done = _shift(ledger, entries.limit[e], sign * entry_use(p, entries, e, c, r))
            fits = fits and done[0]
            lack += done[1]
    return fits, lack


@kernel
def use_offer(p: Problem, who: Who, sign: float, ledger: Ledger) -> tuple[bool, float]:
    """Book, times `sign`, what a candidate uses through a route; return whether it fits and the change in lack."""
    one = _use_entries(p, p.limits.by_offer, p.candidates.offer[who[1]], who, sign, ledger)
    two = _use_entries(p, p.limits.by_cell, p.customers.cell[who[0]], who, sign, ledger)
    return one[0] and two[0], one[1] + two[1]


@kernel
def use_contact(p: Problem, i: int, r: int, sign: float, ledger: Ledger) -> tuple[bool, float]:
    """Book, times `sign`, what a contact through a route uses; return whether it fits and the change in lack."""
    contacts = p.limits.contacts
    at = p.customers.cell[i] * len(p.portfolio.reach) + r
    fits, lack = True, 0.0
    for e in range(contacts.start[at], contacts.start[at + 1]):
        a = contacts.amount[e]
        used = contacts.use[e] if a < 0 else contacts.use[e] * p.customers.contact_amounts[a, i, r]
        done = _shift(ledger, contacts.limit[e], sign * used)
        fits = fits and done[0]
        lack += done[1]
    return fits, lack


@kernel
def use_choice(
    p: Problem, i: int, r: int, chosen: NDArray[np.int32], sign: float, ledger: Ledger
) -> tuple[bool, float]:
    """Book, times `sign`, what a whole choice uses; return whether it fits and the change in lack."""
    if r == SILENT:
        return True, 0.0
    fits, lack = use_contact(p, i, r, sign, ledger)
    for k in range(len(chosen)):
        if chosen[k] < 0:
            break
        done = use_offer(p, (i, p.customers.start[i] + chosen[k], r), sign, ledger)
        fits = fits and done[0]
        lack += done[1]
    return fits, lack


@kernel
def choice_charge(p: Problem, prices: NDArray[np.float64], i: int, r: int, chosen: NDArray[np.int32]) -> float:
    """Return what a whole choice uses of the limits, at their prices."""
    if r == SILENT:
        return 0.0
    total = contact_charge(p, prices, i, r)
    for k in range(len(chosen)):
        if chosen[k] < 0:
            break
        total += offer_charge(p, prices, i, p.customers.start[i] + chosen[k], r)
    return total


@kernel
def choice_value(p: Problem, i: int, r: int, chosen: NDArray[np.int32]) -> float:
    """Return what a choice is worth before prices; 0 for silence."""
    return 0.0 if r == SILENT else portfolio_value(p, i, r, chosen)


@kernel
def same_offers(one: NDArray[np.int32], other: NDArray[np.int32]) -> bool:
    """Return whether two choices hold the same candidates, in whatever order."""
    for k in range(len(one)):
        found = False
        for s in range(len(other)):
            found = found or other[s] == one[k]
        if not found:
            return False
    return True


@kernel
def _try(p: Problem, who: Who, ledger: Ledger) -> bool:
    """Book a candidate if it fits; return whether it does."""
    if use_offer(p, who, 1.0, ledger)[0]:
        return True
    use_offer(p, who, -1.0, ledger)
    return False


@kernel
def _most_gain(work: Work, width: int) -> int:
    best, at = -np.inf, -1
    for k in range(width):
        if work.gain[k] > best:
            best, at = work.gain[k], k
    return at


@kernel
def _must_within(p: Problem, i: int, r: int, ledger: Ledger, work: Work) -> tuple[bool, int, float]:
    """Book what route r must contain; return whether all of it fits, slots filled and their gain."""
    first, last = p.customers.start[i], p.customers.start[i + 1]
    filled, total = 0, 0.0
    for k in range(last - first):
        if (p.candidates.must[first + k] >> r) & 1 and work.gain[k] > -np.inf:
            if filled == len(work.slot) or not _try(p, (i, first + k, r), ledger):
                return False, filled, total
            total += work.gain[k]
            take(p, first, last, work, filled, k)
            filled += 1
    return True, filled, total


@kernel
def _fill_within(
    p: Problem, prices: NDArray[np.float64], i: int, r: int, ledger: Ledger, work: Work
) -> tuple[bool, int, float]:
    """Fill and book `work.slot` with the best that fits; return whether the musts do, slots filled and their gain."""
    first, last = p.customers.start[i], p.customers.start[i + 1]
    must = price_route(p, prices, i, r, work)
    for t in range(len(work.taken)):
        work.taken[t] = 0
    filled, total = 0, 0.0
    if must:
        fits, filled, total = _must_within(p, i, r, ledger, work)
        if not fits:
            return False, filled, total
    while filled < len(work.slot):
        k = _most_gain(work, last - first)
        # A contact needs an offer, so the first may even cost: the contact itself can be what is wanted.
        if k < 0 or (work.gain[k] <= 0.0 and (filled > 0 or p.customers.forced[i])):
            break
        if not _try(p, (i, first + k, r), ledger):
            work.gain[k] = -np.inf
            continue
        total += work.gain[k]
        take(p, first, last, work, filled, k)
        filled += 1
    return True, filled, total


@kernel
def choose_within(p: Problem, prices: NDArray[np.float64], i: int, ledger: Ledger, work: Work) -> tuple[int, float]:
    """Fill `work.best` with a customer's best choice at prices in the room left; return route and net value.

    The customer's own use must be off the ledger, which is left as it was.
    """
    route, best = SILENT, 0.0
    forced = p.customers.forced[i]
    if forced:
        best = -np.inf
    for s in range(len(work.best)):
        work.best[s] = -1
    for r in range(len(p.portfolio.reach)):
        contact = p.customers.contact_micros[i, r]
        if contact == -np.inf:
            continue
        if use_contact(p, i, r, 1.0, ledger)[0]:
            fits, filled, gain = _fill_within(p, prices, i, r, ledger, work)
            net = contact - contact_charge(p, prices, i, r) + gain
            for s in range(filled):
                use_offer(p, (i, p.customers.start[i] + work.slot[s], r), -1.0, ledger)
            if fits and (filled > 0 or forced) and net > best:
                route, best = r, net
                for s in range(len(work.best)):
                    work.best[s] = work.slot[s] if s < filled else -1
        use_contact(p, i, r, -1.0, ledger)
    return route, 0.0 if route == SILENT else best


@kernel
def _total(p: Problem, plan: Plan, values: NDArray[np.float64], ledger: Ledger) -> None:
    for i in range(len(plan.route)):
        values[i] = choice_value(p, i, plan.route[i], plan.chosen[i])
        use_choice(p, i, plan.route[i], plan.chosen[i], 1.0, ledger)


def recount(problem: Problem, plan: Plan, ledger: Ledger) -> Plan:
    """Return the plan with its value and use counted anew, customer after customer; the ledger then holds it."""
    values = np.zeros(len(plan.route))
    ledger.usage[:] = 0.0
    _total(problem, plan, values, ledger)
    ledger.over[:] = ledger.usage > ledger.most
    return plan._replace(value=float(values.sum()), usage=ledger.usage.copy())


def differs(plan: Plan, other: Plan | Response) -> NDArray[np.bool_]:
    """Return which customers, shape (n,), get another route or other candidates; their order does not matter."""
    offers = (np.sort(plan.chosen, axis=1) != np.sort(other.chosen, axis=1)).any(axis=1)
    return np.asarray((plan.route != other.route) | offers)


def empty_plan(problem: Problem) -> Plan:
    """Return the plan that says nothing to anybody."""
    n, size = len(problem.customers.cell), len(problem.portfolio.weights)
    return Plan(
        np.full(n, SILENT, dtype=np.int32),
        np.full((n, size), -1, dtype=np.int32),
        0.0,
        np.zeros(len(problem.limits.bound)),
        np.zeros(n, dtype=np.bool_),
    )


def violations(problem: Problem, plan: Plan) -> NDArray[np.float64]:
    """Return by how much a plan breaks each limit.

    Returns
    -------
    (L,) float64, in the units of each limit, at least 0; a miss of up to 1e-9 of the bound counts as 0, because
    sums of amounts that are no whole numbers are rounded.
    """
    bound = problem.limits.bound
    ledger = open_ledger(problem)
    usage = recount(problem, plan, ledger).usage
    with np.errstate(invalid="ignore"):
        miss = np.where(problem.limits.at_least, bound - usage, usage - bound)
    return np.where(np.isfinite(bound) & (miss > KEPT * np.abs(bound)), miss, 0.0)


def unserved(problem: Problem, plan: Plan) -> int:
    """Return how many customers are silent although silence is not allowed and some route is open to them."""
    reachable = (problem.customers.contact_micros > -np.inf).any(axis=1)
    return int((problem.customers.forced & reachable & (plan.route == SILENT)).sum())
