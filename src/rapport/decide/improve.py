"""Exchanges between customers that make a plan better: a few give up their choice and choose anew in another order.

Why it exists: large amounts, full stocks and minima leave a plan in which no customer alone can do better, but two or
five together can. The method is ruin and recreate (Schrimpf et al. 2000), on groups that compete for one limit.
Maxima hold after every exchange, so it may end at any time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import customer_key, uniform
from rapport.decide.charge import entry_applies
from rapport.decide.fit import (
    Ledger,
    Plan,
    choice_charge,
    choice_value,
    choose_within,
    differs,
    open_ledger,
    recount,
    same_offers,
    use_choice,
)
from rapport.decide.greedy import missing, put
from rapport.decide.kernel import kernel
from rapport.decide.problem import SILENT, Problem
from rapport.decide.respond import Response, Work, respond, room_for

FEW = 5000
"""Up to so many customers, everybody may take part in exchanges; of more, those who are torn at the prices."""

FEWEST = 500
"""Exchanges of a round, at least."""

MOST_TORN = 200_000
GROUP = 8
"""Customers of an exchange, at most."""

CLAIMS = 24
"""Limits remembered for each customer who takes part."""

ROWS = 8
"""Price lists that exchanges are made at; the first is the given one."""

ENOUGH_OF_FEW, ENOUGH_OF_MANY = 2e-6, 2e-5
"""Share of what the prices prove to be the most, below which a plan of up to `FEW`, or of more, is left as it is."""

LITTLE = 0.02
"""Share of what may still be missing: rounds that gain less gain nothing worth their time."""

PATIENCE = 100_000
"""Exchanges in a row that may gain little."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


class Claims(NamedTuple):
    """Who competes for which limit, among C customers who take part.

    who : (C,) int64, positions of customers, the most torn first once ranked
    margin : (C,) float64, the least seen that each loses at the prices by another choice; the torn lose little
    limit : (C, CLAIMS) int32, what each uses now or would like to; -1 for none
    start : (L + 1,) int64, where the claimants of each limit begin
    claimant : int32, in [0, C), ascending for each limit
    """

    who: NDArray[np.int64]
    margin: NDArray[np.float64]
    limit: NDArray[np.int32]
    start: NDArray[np.int64]
    claimant: NDArray[np.int32]


class Group(NamedTuple):
    """The customers of one exchange and what they had before it.

    member : (GROUP,) int64
    route : (GROUP,) int32
    chosen : (GROUP, K) int32
    state : (1,) uint64, of the draws
    """

    member: NDArray[np.int64]
    route: NDArray[np.int32]
    chosen: NDArray[np.int32]
    state: NDArray[np.uint64]


@kernel
def _draw(state: NDArray[np.uint64], below: int) -> int:
    """Return the next number in [0, below): SplitMix64 (Steele, Lea & Flood 2014)."""
    state[0] += _GOLDEN
    x = state[0]
    x = (x ^ (x >> _S30)) * _MIX_1
    x = (x ^ (x >> _S27)) * _MIX_2
    x = x ^ (x >> _S31)
    return int(float(x >> _S11) * 2.0**-53 * below)


@kernel
def _draw_low(state: NDArray[np.uint64], below: int) -> int:
    """Return the next number in [0, below), low ones more often."""
    at = _draw(state, below)
    for _ in range(_draw(state, 4)):
        at = _draw(state, at + 1)
    return at


@kernel
def _claim(claims: Claims, at: int, limit: int, wanted: NDArray[np.bool_]) -> None:
    if not wanted[limit]:
        return
    for k in range(claims.limit.shape[1]):
        if claims.limit[at, k] == limit:
            return
        if claims.limit[at, k] < 0:
            claims.limit[at, k] = limit
            return


@kernel
def _claim_choice(
    p: Problem, claims: Claims, at: int, route: int, chosen: NDArray[np.int32], wanted: NDArray[np.bool_]
) -> None:
    """Note the wanted limits that a choice of claimant `at` uses."""
    if route == SILENT:
        return
    i = claims.who[at]
    cell = p.customers.cell[i]
    row = cell * len(p.portfolio.reach) + route
    for e in range(p.limits.contacts.start[row], p.limits.contacts.start[row + 1]):
        _claim(claims, at, p.limits.contacts.limit[e], wanted)
    for k in range(len(chosen)):
        if chosen[k] < 0:
            break
        j = p.candidates.offer[p.customers.start[i] + chosen[k]]
        entries = p.limits.by_offer
        for e in range(entries.start[j], entries.start[j + 1]):
            if entry_applies(p, entries, e, cell, route):
                _claim(claims, at, entries.limit[e], wanted)
        entries = p.limits.by_cell
        for e in range(entries.start[cell], entries.start[cell + 1]):
            if entry_applies(p, entries, e, cell, route):
                _claim(claims, at, entries.limit[e], wanted)


@kernel
def _claim_all(
    p: Problem, prices: NDArray[np.float64], plan: Plan, claims: Claims, wanted: NDArray[np.bool_], other: Response
) -> None:
    """Note what customers would take of the wanted limits at other prices, and what they lose by it at these."""
    for at in range(len(claims.who)):
        i = claims.who[at]
        _claim_choice(p, claims, at, other.route[i], other.chosen[i], wanted)
        if other.route[i] != plan.route[i] or not same_offers(other.chosen[i], plan.chosen[i]):
            loss = choice_value(p, i, plan.route[i], plan.chosen[i])
            loss -= choice_charge(p, prices, i, plan.route[i], plan.chosen[i])
            loss -= choice_value(p, i, other.route[i], other.chosen[i])
            loss += choice_charge(p, prices, i, other.route[i], other.chosen[i])
            claims.margin[at] = min(claims.margin[at], loss)


@kernel
def _claim_present(p: Problem, plan: Plan, claims: Claims, wanted: NDArray[np.bool_]) -> None:
    for at in range(len(claims.who)):
        i = claims.who[at]
        _claim_choice(p, claims, at, plan.route[i], plan.chosen[i], wanted)


@kernel
def _gather(claims: Claims, seed: int, group: Group) -> int:
    """Draw a group around a claimant: others who compete for one of the same limits; return its size."""
    group.member[0] = claims.who[seed]
    count, many = 1, 0
    while many < claims.limit.shape[1] and claims.limit[seed, many] >= 0:
        many += 1
    if many == 0:
        return count
    size = 2 + _draw(group.state, len(group.member) - 1)
    limit = claims.limit[seed, _draw(group.state, many)]
    for _ in range(size - 1):
        if _draw(group.state, 4) == 0:
            limit = claims.limit[seed, _draw(group.state, many)]
        first = claims.start[limit]
        other = claims.who[claims.claimant[first + _draw_low(group.state, claims.start[limit + 1] - first)]]
        new = True
        for g in range(count):
            new = new and group.member[g] != other
        if new:
            group.member[count] = other
            count += 1
    return count


@kernel
def _ruin(p: Problem, group: Group, count: int, plan: Plan, ledger: Ledger) -> tuple[float, float, int]:
    """Take the group's choices off the ledger and keep them; return change in lack, value, how many are unserved."""
    lack, value, silent = 0.0, 0.0, 0
    for g in range(count):
        i = group.member[g]
        group.route[g] = plan.route[i]
        for s in range(plan.chosen.shape[1]):
            group.chosen[g, s] = plan.chosen[i, s]
        value += choice_value(p, i, plan.route[i], plan.chosen[i])
        lack += use_choice(p, i, plan.route[i], plan.chosen[i], -1.0, ledger)[1]
        silent += 1 if p.customers.forced[i] and plan.route[i] == SILENT else 0
        plan.route[i] = SILENT
    return lack, value, silent


@kernel
def _recreate(
    p: Problem, lists: NDArray[np.float64], group: Group, count: int, plan: Plan, ledger: Ledger, work: Work
) -> tuple[float, float, int]:
    """Let the group choose anew, member after member; return change in lack, value and how many are unserved.

    All look at one price list, or each at another: one may then take much of what others are kept from. Some get
    fewer slots than they could: no prices make two small portfolios of what one large one leaves too little of.
    """
    lack, value, silent = 0.0, 0.0, 0
    row, apart = _draw(group.state, len(lists)), _draw(group.state, 2)
    for g in range(count):
        i = group.member[g]
        if apart == 1:
            row = _draw(group.state, len(lists))
        slots = len(work.best)
        if _draw(group.state, 4) == 0:
            slots = 1 + _draw(group.state, slots)
        small = Work(work.worth, work.charge, work.gain, work.slot[:slots], work.order[:slots], work.best, work.taken)
        route = choose_within(p, lists[row], i, ledger, small)[0]
        put(p, i, route, work.best, plan)
        lack += use_choice(p, i, route, work.best, 1.0, ledger)[1]
        value += choice_value(p, i, route, work.best)
        silent += 1 if p.customers.forced[i] and route == SILENT else 0
    return lack, value, silent


@kernel
def _undo(p: Problem, group: Group, count: int, plan: Plan, ledger: Ledger) -> None:
    for g in range(count):
        i = group.member[g]
        use_choice(p, i, plan.route[i], plan.chosen[i], -1.0, ledger)
    for g in range(count):
        i = group.member[g]
        put(p, i, group.route[g], group.chosen[g], plan)
        use_choice(p, i, plan.route[i], plan.chosen[i], 1.0, ledger)


@kernel
def _exchange(
    p: Problem, lists: NDArray[np.float64], claims: Claims, group: Group, plan: Plan, ledger: Ledger, work: Work
) -> float:
    """Try about one exchange around each claimant; return the value gained."""
    total = 0.0
    for _ in range(max(len(claims.who), FEWEST)):
        count = _gather(claims, _draw_low(group.state, len(claims.who)), group)
        before = _ruin(p, group, count, plan, ledger)
        after = _recreate(p, lists, group, count, plan, ledger, work)
        lack, gained = before[0] + after[0], after[1] - before[1]
        slip = 1e-12 * abs(before[1])
        better = lack < -1e-12 or (lack <= 1e-15 and gained >= -slip)
        if after[2] < before[2] or (after[2] == before[2] and better):
            total += gained
        else:
            _undo(p, group, count, plan, ledger)
    return total


def _price_lists(prices: NDArray[np.float64], ledger: Ledger, worth: float, salt: str) -> NDArray[np.float64]:
    """Return prices to exchange at, (ROWS, L): as given, dearer and cheaper at random, none, minima subsidised.

    Limits that are nearly full may cost something without a price: whole choices leave room that shares would not.
    """
    draws = uniform(np.arange(ROWS * len(prices), dtype=np.int64), salt).reshape(ROWS, -1)
    wide = np.array([0.0, 0.02, 0.1, 0.3, 0.6, 1.0, 0.0, 1.0])[:, None]
    lists = prices * (1.0 + wide * (2.0 * draws - 1.0))
    lists[6] = np.minimum(prices, 0.0)
    lists[7] *= 2.0
    full = np.isfinite(ledger.most) & (ledger.usage > 0.7 * ledger.most)
    lists[5:8:2] += np.where(full, worth * ledger.scale, 0.0) * draws[[6, 2]]
    missed = missing(ledger)
    lists[1::2] -= np.where(missed, worth * ledger.scale, 0.0)
    lists[5] -= np.where(missed, 100.0 * worth * ledger.scale, 0.0)
    return np.ascontiguousarray(lists)


def _torn(problem: Problem, others: list[Response], plan: Plan) -> NDArray[np.int64]:
    """Return the positions of customers who would get something else at one of the first price lists."""
    n = len(plan.route)
    if n <= FEW:
        return np.arange(n, dtype=np.int64)
    torn = problem.customers.forced & (plan.route == SILENT)
    for other in others[:3]:
        torn |= differs(plan, other)
    who = np.flatnonzero(torn)
    return who[:: max(1, -(-len(who) // MOST_TORN))]


def _claims(problem: Problem, lists: NDArray[np.float64], plan: Plan, ledger: Ledger) -> Claims:
    size = len(ledger.usage)
    others = [respond(problem, prices) for prices in lists[:5]]
    who = _torn(problem, others, plan)
    claims = Claims(
        who,
        np.full(len(who), np.inf),
        np.full((len(who), CLAIMS), -1, dtype=np.int32),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.int32),
    )
    with np.errstate(invalid="ignore"):
        near = (ledger.usage > 0.9 * ledger.most) | (ledger.usage < 1.1 * ledger.least)
    wanted = near | (lists[0] != 0.0)
    _claim_present(problem, plan, claims, wanted)
    for other in others:
        _claim_all(problem, lists[0], plan, claims, wanted, other)
    rank = np.argsort(claims.margin, kind="stable")
    claims = claims._replace(who=who[rank], margin=claims.margin[rank], limit=claims.limit[rank])
    at, column = np.nonzero(claims.limit >= 0)
    limit = claims.limit[at, column]
    start = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(limit, minlength=size), out=start[1:])
    return claims._replace(start=start, claimant=at[np.argsort(limit, kind="stable")].astype(np.int32))


def good_enough(plan: Plan, most: float) -> bool:
    """Return whether a plan comes so near to what no plan can exceed that more work on it does not pay."""
    share = ENOUGH_OF_FEW if len(plan.route) <= FEW else ENOUGH_OF_MANY
    return abs(most - plan.value) <= share * abs(most)


def improve(
    problem: Problem, prices: NDArray[np.float64], plan: Plan, most: float, *, salt: str, rounds: int
) -> Plan:
    """Return a plan that is at least as good.

    Parameters
    ----------
    problem : Problem
    prices : (L,) float64
    plan : Plan
        Within the maxima.
    most : float
        What no plan can exceed, micros; when the plan comes that far it is done.
    salt : str
    rounds : int
        In each, one exchange around every customer who takes part.
    """
    if len(plan.route) == 0 or len(prices) == 0:
        return plan
    size = len(problem.portfolio.weights)
    plan = plan._replace(route=plan.route.copy(), chosen=plan.chosen.copy())
    state = np.array([customer_key(salt)], dtype=np.int64).view(np.uint64)
    group = Group(
        np.zeros(GROUP, dtype=np.int64),
        np.zeros(GROUP, dtype=np.int32),
        np.zeros((GROUP, size), dtype=np.int32),
        state,
    )
    ledger, work = open_ledger(problem), room_for(problem)
    idle = 0
    for done in range(rounds):
        plan = recount(problem, plan, ledger)
        short = missing(ledger).any() or (problem.customers.forced & (plan.route == SILENT)).any()
        if not short and good_enough(plan, most):
            break
        lists = _price_lists(prices, ledger, max(abs(plan.value), 1.0), f"{salt}/{done}")
        if done % 10 == 0:
            claims = _claims(problem, lists, plan, ledger)
        gained = _exchange(problem, lists, claims, group, plan, ledger, work)
        idle = 0 if gained > LITTLE * (most - plan.value) else idle + max(len(claims.who), FEWEST)
        if not short and idle >= PATIENCE:
            break
    return recount(problem, plan, ledger)
