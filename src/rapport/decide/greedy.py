"""The plan that a good engineer writes without prices, and the steps that it shares with the repair.

Why it exists: a plan made with prices must show what the prices are worth, so the comparator is made by the same
rules in the same run. It is also the floor below which no plan may come.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.decide.fit import (
    Ledger,
    Plan,
    choice_charge,
    choice_value,
    choose_within,
    differs,
    empty_plan,
    open_ledger,
    recount,
    use_choice,
)
from rapport.decide.kernel import block_count, in_threads, kernel
from rapport.decide.problem import SILENT, Problem
from rapport.decide.respond import Work, respond, room_for

BOOSTS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 10000.0)
"""What missing a whole minimum is made to cost, in values of the whole plan, step by step until enough is found."""


class Instead(NamedTuple):
    """What each of n customers loses by their next choice, and what that gives to the limits in question.

    loss : (n,) float64, micros at the given prices; inf where there is no other choice
    gives : (n,) float64, weighted use that goes, or lack that goes; 0 where the customer cannot help
    """

    loss: NDArray[np.float64]
    gives: NDArray[np.float64]


class Question(NamedTuple):
    """At which prices customers choose and lose, (L,) float64 each, and the use that a plan begins with.

    `excess`, (L,) float64, weighs the limits that are to be freed; all zero where lack is to be filled.
    """

    choose: NDArray[np.float64]
    lose: NDArray[np.float64]
    excess: NDArray[np.float64]
    usage: NDArray[np.float64]


@kernel
def put(p: Problem, i: int, route: int, chosen: NDArray[np.int32], plan: Plan) -> None:
    """Write a choice into a plan."""
    plan.route[i] = route
    for s in range(len(chosen)):
        plan.chosen[i, s] = chosen[s]


@kernel
def fill_in_order(
    p: Problem, prices: NDArray[np.float64], order: NDArray[np.int64], plan: Plan, ledger: Ledger, work: Work
) -> None:
    """Give each customer in turn the best that fits, if their present choice uses too much of something."""
    for i in order:
        if plan.route[i] != SILENT and choice_charge(p, ledger.over, i, plan.route[i], plan.chosen[i]) == 0.0:
            continue
        use_choice(p, i, plan.route[i], plan.chosen[i], -1.0, ledger)
        route = choose_within(p, prices, i, ledger, work)[0]
        put(p, i, route, work.best, plan)
        use_choice(p, i, route, work.best, 1.0, ledger)


@kernel
def settle(
    p: Problem, prices: NDArray[np.float64], order: NDArray[np.int64], plan: Plan, ledger: Ledger, work: Work
) -> int:
    """Offer each customer in turn the best that fits; keep it where minima lack less, or no more and value rises."""
    moved = 0
    for i in order:
        before = choice_value(p, i, plan.route[i], plan.chosen[i])
        lack = use_choice(p, i, plan.route[i], plan.chosen[i], -1.0, ledger)[1]
        route = choose_within(p, prices, i, ledger, work)[0]
        lack += use_choice(p, i, route, work.best, 1.0, ledger)[1]
        gained = choice_value(p, i, route, work.best) - before
        unheard = p.customers.forced[i] and plan.route[i] == SILENT and route != SILENT
        silenced = p.customers.forced[i] and plan.route[i] != SILENT and route == SILENT
        better = lack < -1e-12 or (lack <= 1e-15 and gained > 1e-12 * abs(before))
        if unheard or (better and not silenced):
            put(p, i, route, work.best, plan)
            moved += 1
        else:
            use_choice(p, i, route, work.best, -1.0, ledger)
            use_choice(p, i, plan.route[i], plan.chosen[i], 1.0, ledger)
    return moved


@kernel
def _instead_blocks(
    p: Problem, ask: Question, plan: Plan, ledger: Ledger, work: Work, out: Instead, span: tuple[int, int, int]
) -> None:
    n, blocks = len(plan.route), span[2]
    for b in range(span[0], span[1]):
        for limit in range(len(ask.usage)):
            ledger.usage[limit] = ask.usage[limit]
        for i in range(b * n // blocks, (b + 1) * n // blocks):
            route, chosen = plan.route[i], plan.chosen[i]
            freed = choice_charge(p, ask.excess, i, route, chosen)
            present = choice_value(p, i, route, chosen) - choice_charge(p, ask.lose, i, route, chosen)
            lack = use_choice(p, i, route, chosen, -1.0, ledger)[1]
            other = choose_within(p, ask.choose, i, ledger, work)[0]
            lack += use_choice(p, i, other, work.best, 1.0, ledger)[1]
            use_choice(p, i, other, work.best, -1.0, ledger)
            use_choice(p, i, route, chosen, 1.0, ledger)
            next_best = choice_value(p, i, other, work.best) - choice_charge(p, ask.lose, i, other, work.best)
            out.loss[i] = np.inf if p.customers.forced[i] and other == SILENT else present - next_best
            out.gives[i] = max(0.0, freed - lack)


def instead(problem: Problem, ask: Question, plan: Plan, ledger: Ledger) -> Instead:
    """Return what customers lose by the next choice that the ledger allows, and what it gives.

    Each is asked as if alone, the others staying as they are.
    """
    n = len(plan.route)
    out = Instead(np.zeros(n), np.zeros(n))
    blocks = block_count(n)

    def work(first: int, last: int) -> None:
        own = ledger._replace(usage=ledger.usage.copy(), over=ledger.over.copy())
        _instead_blocks(problem, ask, plan, own, room_for(problem), out, (first, last, blocks))

    in_threads(blocks, work)
    return out


def cheapest_first(found: Instead) -> NDArray[np.int64]:
    """Return the customers who can help, in rising order of loss for what they give, then of position."""
    who = np.flatnonzero(found.gives > 0.0)
    return who[np.argsort(found.loss[who] / found.gives[who], kind="stable")]


def missing(ledger: Ledger) -> NDArray[np.bool_]:
    """Return which minima are missed, shape (L,)."""
    return ledger.usage < ledger.least


def raise_minima(problem: Problem, prices: NDArray[np.float64], plan: Plan, ledger: Ledger) -> None:
    """Change the plan, at least loss, until minima are met or nobody can help alone; no maximum is broken."""
    worth = np.where(problem.customers.contact_micros > -np.inf, problem.customers.contact_micros, 0.0)
    everything = float(np.abs(problem.candidates.value).sum() + np.abs(worth).sum())
    scale = max(abs(plan.value), everything / max(1, len(problem.candidates.value))) or 1.0
    work = room_for(problem)
    for boost in BOOSTS:
        missed = missing(ledger)
        if not missed.any():
            return
        subsidised = prices - np.where(missed, boost * scale * ledger.scale, 0.0)
        ask = Question(subsidised, prices, np.zeros(len(prices)), ledger.usage.copy())
        order = cheapest_first(instead(problem, ask, plan, ledger))
        settle(problem, subsidised, order, plan, ledger, work)


def greedy_plan(problem: Problem) -> Plan:
    """Return the plan of "highest value first, what fits", made without prices.

    Customers in falling order of their best portfolio's value each take the best that fits the room left; minima that
    are missed then are filled at least loss.

    Returns
    -------
    Plan
        Its `repaired` tells who gets something else than they would without limits. Maxima hold always.
    """
    prices = np.zeros(len(problem.limits.bound))
    wanted = respond(problem, prices)
    ledger = open_ledger(problem)
    plan = empty_plan(problem)
    late = np.where(problem.customers.forced, -np.inf, -wanted.value)
    fill_in_order(problem, prices, np.argsort(late, kind="stable"), plan, ledger, room_for(problem))
    if missing(ledger).any():
        plan = recount(problem, plan, ledger)
        raise_minima(problem, prices, plan, ledger)
    plan = recount(problem, plan, ledger)
    return plan._replace(repaired=differs(plan, wanted))
