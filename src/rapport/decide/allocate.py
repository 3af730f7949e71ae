"""One allocation from end to end: check, prices, a plan of whole choices, and how far from the best it can be.

Why it exists: whoever shares out limits wants a plan with a proof, or what stands in its way. The order of the steps
and when to stop stand here; how each is done stands elsewhere. Steps are counted, so that the result is the same on
every run on one kind of processor; the clock, which a face passes, is a safety stop.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.decide.conflicts import Conflict, find_conflicts
from rapport.decide.dual import Moment, PriceSearch, find_prices
from rapport.decide.problem import Problem
from rapport.decide.problem_check import check_problem
from rapport.decide.repair import MOST_WORK, Plan, greedy_plan, plan_within, unserved, violations, work_of
from rapport.decide.shut import shut_out

EFFORTS = (0, 2, 20, 200)
"""Rounds of improvement: a plan that falls short of the target is made again with the next."""

NO_ROOM = 1e-9
"""A limit binds where the room left is no more than this share of its bound."""

TINY = 1e-9
"""Micros; less is nothing to divide by."""

ROUNDING = 1e-12
"""Share of the bound that is the rounding of sums."""

Progress = Callable[[str, float], None]
"""Told the step, and the share of it that is done."""


@dataclass(frozen=True)
class Allocation:
    """A plan, its proof and what the limits are worth; L limits.

    prices : (L,) float64, micros per unit: what one more unit of the limit is worth; at most 0 for minima
    plan : Plan, the best found; where `met` is False, the one that misses least
    plan_value, bound : float, micros; no plan within the limits is worth more than `bound`
    gap : float, (bound - plan_value) / |bound|; 0 where both are 0
    greedy_value : float, micros, of the plan made without prices; it may miss minima
    usage, slack : (L,) float64, what the plan uses, and the room it leaves (of minima: what it uses above them)
    binding : (L,) bool, the limit has a price, or no room left
    met : bool, the plan keeps every limit and leaves nobody silent who must not be
    conflicts : the limits that cannot be met together; empty where `met`
    seconds : float, what all together took
    passes : float, over all customers, of the search for prices
    stopped_by_time : bool, the safety stop was reached: the result may differ from run to run
    unmeetable : bool, the prices prove that no plan keeps the limits; `bound` then bounds nothing
    history : of the search for prices
    """

    prices: NDArray[np.float64]
    plan: Plan
    plan_value: float
    bound: float
    gap: float
    greedy_value: float
    usage: NDArray[np.float64]
    slack: NDArray[np.float64]
    binding: NDArray[np.bool_]
    met: bool
    conflicts: tuple[Conflict, ...]
    seconds: float
    passes: float
    stopped_by_time: bool
    unmeetable: bool
    history: tuple[Moment, ...]


def _misses(problem: Problem, plan: Plan) -> tuple[int, float]:
    """Return who is left silent against the rule, and the misses of limits as shares of their bounds."""
    scale = np.maximum(np.abs(np.nan_to_num(problem.limits.bound, posinf=1.0, neginf=1.0)), 1.0)
    return unserved(problem, plan), float((violations(problem, plan) / scale).sum())


def _better(problem: Problem, one: Plan, other: Plan) -> Plan:
    """Return the plan that misses less, then the one that is worth more, then the first."""
    first, second = (*_misses(problem, one), -one.value), (*_misses(problem, other), -other.value)
    return other if second < first else one


def gap_of(bound: float, value: float) -> float:
    """Return by how much a value may fall short of the best, as a share of the bound; 0 where both are 0."""
    short = bound - value
    return 0.0 if abs(short) <= max(TINY, ROUNDING * abs(bound)) else short / max(abs(bound), TINY)


def _efforts(problem: Problem) -> tuple[int, ...]:
    """Return the efforts that a problem of this size is worth."""
    size = work_of(problem)
    return tuple(effort for effort in EFFORTS if effort == EFFORTS[0] or effort * size <= MOST_WORK)


def _plan(problem: Problem, search: PriceSearch, plain: Plan, salt: str, enough: Callable[[Plan], bool]) -> Plan:
    """Return the best plan found with rising effort."""
    best = plain
    for effort in _efforts(problem):
        made = plan_within(problem, search.prices, salt=salt, effort=effort, greedy=False)
        best = _better(problem, made, best)
        if enough(best):
            break
    return best


def allocate(
    problem: Problem,
    *,
    clock: Callable[[], float],
    start: NDArray[np.float64] | None = None,
    allowed_seconds: float = 600.0,
    target_gap: float = 0.0005,
    salt: str = "allocate",
    progress: Progress | None = None,
) -> Allocation:
    """Return a plan within the limits, as near the best as was found, with the bound that shows how near.

    Parameters
    ----------
    problem : Problem
    clock : callable
        Seconds; its zero does not matter. Faces pass one; nothing here reads the time by itself.
    start : (L,) float64, optional
        Prices to begin with, such as the last turn's, micros per unit.
    allowed_seconds : float
        A safety stop, looked at between steps; results that it cut short say so.
    target_gap : float
        Share of the bound; the plan is improved until it falls short of the bound by no more, or the rounds that a
        problem of its size is worth are done (`EFFORTS`, `repair.MOST_WORK`).
    salt : str
        Fixes every draw.
    progress : callable, optional

    Returns
    -------
    Allocation

    Raises
    ------
    LimitInvalid
        An array of the problem cannot be right.
    """
    began = clock()
    tell = progress or (lambda step, share: None)
    check_problem(problem)
    asked, problem = problem, shut_out(problem)
    tell("prices", 0.0)
    with ThreadPoolExecutor(1) as beside:
        # It goes customer by customer on one thread, and asks for no prices.
        greedy = beside.submit(greedy_plan, problem)
        search = find_prices(problem, start=start, clock=clock, allowed_seconds=allowed_seconds, salt=salt)
        plain = greedy.result()
    tell("prices", 1.0)
    tell("plan", 0.0)
    late = search.stopped_by_time

    def enough(plan: Plan) -> bool:
        nonlocal late
        if search.unmeetable:
            return True
        if gap_of(search.bound, plan.value) <= target_gap and _misses(problem, plan) == (0, 0.0):
            return True
        if clock() - began > allowed_seconds:
            late = True
        return late

    plan = _plan(problem, search, plain, salt, enough)
    # Who must be spoken to and can only be reached by what is shut counts as unserved.
    met = _misses(asked, plan) == (0, 0.0)
    tell("plan", 1.0)
    conflicts = (
        ()
        if met
        else find_conflicts(asked, plan, start=search.prices, late=lambda: clock() - began > allowed_seconds)
    )
    limits = problem.limits
    slack = np.where(limits.at_least, plan.usage - limits.bound, limits.bound - plan.usage)
    full = np.isfinite(limits.bound) & (slack <= NO_ROOM * np.abs(limits.bound))
    return Allocation(
        prices=search.prices,
        plan=plan,
        plan_value=plan.value,
        bound=search.bound,
        gap=gap_of(search.bound, plan.value),
        greedy_value=plain.value,
        usage=plan.usage,
        slack=slack,
        binding=full | (search.prices != 0.0),
        met=met,
        conflicts=conflicts,
        seconds=clock() - began,
        passes=search.passes,
        stopped_by_time=late,
        unmeetable=search.unmeetable,
        history=search.history,
    )
