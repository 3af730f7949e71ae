"""A plan of whole choices within every limit, made from prices.

Why it exists: at the right prices nearly everybody's best choice is already right; the few who are torn between two
choices must be told apart so that maxima hold, minima are met and little room that costs something stays unused.
What is lost is measured against the bound that the prices give, so nothing here needs to be believed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.decide.fit import (
    Ledger,
    Plan,
    boundless,
    choice_charge,
    choice_value,
    differs,
    open_ledger,
    recount,
    unserved,
    violations,
)
from rapport.decide.greedy import (
    Question,
    cheapest_first,
    fill_in_order,
    greedy_plan,
    instead,
    missing,
    raise_minima,
    settle,
)
from rapport.decide.improve import FEW, good_enough, improve
from rapport.decide.kernel import kernel
from rapport.decide.problem import COUNT, Problem
from rapport.decide.respond import Response, respond, room_for

__all__ = ["Plan", "greedy_plan", "plan_within", "unserved", "violations"]

DISCOUNTS = (0.001, 0.01, 0.05, 0.2, 0.5, 1.0)
"""By how much the prices of limits with room left fall, step by step, to fill that room."""


HASTY = (0.001, 0.01, 0.05)
"""The same where there is much to look at."""

HASTY_SHARE = 0.1
"""Of all customers at most this share, those who gain most, are then asked in one step."""

HARDLY = 0.1
"""A step that gains no more than this share of what may still be missing is the last, where customers are many."""

NOISE = 1e-9
"""Share of a net value."""

MOST_WORK = 6e7
"""Candidates times routes times rounds that are looked at with care; beyond it a plan is made in haste."""


def work_of(problem: Problem) -> int:
    """Return what a round of improvement costs: candidates times routes."""
    return max(len(problem.candidates.offer) * len(problem.portfolio.reach), 1)


def _shed(problem: Problem, prices: NDArray[np.float64], plan: Plan, ledger: Ledger) -> None:
    """Take from the customers who lose least by it what is used above the maxima."""
    over = ledger.usage > ledger.most
    if not over.any():
        return
    # A free limit can be over too, so every unit of excess weighs a little.
    small = 1e-6 * max(1.0, float(np.abs(plan.value))) * ledger.scale / max(1, len(plan.route))
    weight = np.where(over, np.maximum(prices, small), 0.0)
    ask = Question(prices, prices, weight, np.zeros(len(prices)))
    order = cheapest_first(instead(problem, ask, plan, boundless(problem, over)))
    fill_in_order(problem, prices, order, plan, ledger, room_for(problem))


@kernel
def _add_present(p: Problem, prices: NDArray[np.float64], plan: Plan, regret: NDArray[np.float64]) -> None:
    for i in range(len(plan.route)):
        regret[i] -= choice_value(p, i, plan.route[i], plan.chosen[i])
        regret[i] += choice_charge(p, prices, i, plan.route[i], plan.chosen[i])


def _least_use(problem: Problem) -> NDArray[np.float64]:
    """Return the least that any one use takes of each limit, (L,); 0 where that depends on the customer."""
    limits = problem.limits
    least = np.full(len(limits.bound), np.inf)
    for entries in (limits.contacts, limits.by_offer, limits.by_cell):
        np.minimum.at(least, entries.limit, np.where(entries.amount == COUNT, entries.use, 0.0))
    return least


def _top_up(problem: Problem, prices: NDArray[np.float64], plan: Plan, ledger: Ledger, most: float) -> None:
    """Fill room that is left, those first who gain most by it."""
    work, least = room_for(problem), _least_use(problem)
    value = recount(problem, plan, ledger).value
    hasty = work_of(problem) > MOST_WORK
    for discount in HASTY if hasty else DISCOUNTS:
        if good_enough(plan._replace(value=value), most) and unserved(problem, plan) == 0:
            return
        room = (ledger.usage < ledger.most) & (ledger.most - ledger.usage >= least)
        cheaper = np.where(room & (prices > 0.0), (1.0 - discount) * prices, prices)
        wish = respond(problem, cheaper)
        regret = wish.net.copy()
        _add_present(problem, cheaper, plan, regret)
        # Less than this is not a wish but the rounding of two sums.
        felt = regret > NOISE * np.maximum(np.abs(wish.net), 1.0)
        who = np.flatnonzero(felt | (problem.customers.forced & (plan.route < 0)))
        order = who[np.argsort(-regret[who], kind="stable")]
        if hasty:
            most_asked = int(HASTY_SHARE * len(plan.route))
            silenced = problem.customers.forced & (plan.route < 0)
            order = np.concatenate([order[:most_asked], order[most_asked:][silenced[order[most_asked:]]]])
        settle(problem, cheaper, order, plan, ledger, work)
        before, value = value, recount(problem, plan, ledger).value
        if len(plan.route) > FEW and value - before <= HARDLY * (most - value):
            return


def _from_prices(problem: Problem, prices: NDArray[np.float64], wanted: Response, most: float) -> Plan:
    ledger = open_ledger(problem)
    plan = Plan(
        wanted.route.copy(), wanted.chosen.copy(), 0.0, wanted.usage, np.zeros(len(wanted.route), dtype=np.bool_)
    )
    plan = recount(problem, plan, ledger)
    _shed(problem, prices, plan, ledger)
    if missing(ledger).any():
        plan = recount(problem, plan, ledger)
        raise_minima(problem, prices, plan, ledger)
    _top_up(problem, prices, plan, ledger, most)
    return recount(problem, plan, ledger)


def _rank(problem: Problem, plan: Plan) -> tuple[float, float, float]:
    """Return what makes one plan worse than another, the weightiest first."""
    ledger = open_ledger(problem)
    recount(problem, plan, ledger)
    lack = float((np.maximum(0.0, ledger.least - ledger.usage) * ledger.scale).sum())
    return float(unserved(problem, plan)), lack, -plan.value


def plan_within(
    problem: Problem, prices: NDArray[np.float64], *, salt: str, effort: int, greedy: bool = True
) -> Plan:
    """Return a plan of whole choices within the limits.

    Parameters
    ----------
    problem : Problem
    prices : (L,) float64
        Micros per unit; at least 0 for maxima, at most 0 for minima. Good prices make a good plan.
    salt : str
        Fixes every draw; the same salt gives the same plan on every run and number of threads.
    effort : int
        Rounds of improvement; each tries about as many exchanges as customers are torn. It stops early when the
        plan is worth what the prices prove to be the most. 0: none.
    greedy : bool
        Whether `greedy_plan` is made too, and is the floor.

    Returns
    -------
    Plan
        Maxima hold always. Customers who must not be left silent, then minima, come before value; where they are not
        all met, `unserved` and `violations` tell by how much.
    """
    fair = np.where(np.isfinite(problem.limits.bound), prices, 0.0)
    wanted = respond(problem, fair)
    most = float(fair @ np.where(np.isfinite(problem.limits.bound), problem.limits.bound, 0.0) + wanted.net.sum())
    plan = _from_prices(problem, fair, wanted, most)
    if greedy:
        plain = greedy_plan(problem)
        if _rank(problem, plain) < _rank(problem, plan):
            plan = plain
    if effort > 0:
        plan = improve(problem, fair, plan, most, salt=salt, rounds=effort)
    return plan._replace(repaired=differs(plan, wanted))
