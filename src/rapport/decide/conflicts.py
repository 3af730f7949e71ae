"""Limits that cannot be met together, which they are and by how much they miss.

Why it exists: where no plan meets the limits, the reader needs to know which of them stand in each other's way, and
a proof. The proof is a price for each of them: with all values set to 0, prices whose bound is negative would make
even a plan of nothing but shares worth less than nothing (Farkas 1902), so there is none. Such prices maximise the
least sum of scaled misses (elastic programming, Chinneck 2008), found by cutting planes (Kelley 1960).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.decide.fit import (
    Ledger,
    Plan,
    boundless,
    choose_within,
    unserved,
    use_choice,
    violations,
)
from rapport.decide.kernel import block_count, in_threads, kernel
from rapport.decide.problem import Problem
from rapport.decide.repair import plan_within
from rapport.decide.respond import Work, room_for

CERTAIN = 1e-9
"""A proof must exceed the sizes of the sums it comes from by this share, so that rounding cannot feign it."""

CONFLICTS = 8
"""Conflicts named, at most."""

SIFTS = 5
"""Times that a proof is gone through for limits it does not need, at most: one that goes may free another."""

EXACT_UP_TO = 8
"""Up to so many limits of a conflict, what each of them alone would have to give way is found exactly."""

HARD = 1e4
"""How much heavier a miss of the other limits counts then."""

PASSES = 2e8
"""Candidates looked at in one search, at most; never fewer than `LEAST_PASSES` passes."""
LEAST_PASSES, MOST_PASSES = 30, 300

CLOSE = 1e-7
"""Share of the least sum of misses up to which it is found."""


class Conflict(NamedTuple):
    """Limits that cannot be met together.

    limits : positions of limits, ascending
    shortfall : for each of them, in its own units: where certified, by how much at least it alone would have to give
        way so that the others can be kept; else by how much the best plan found breaks it
    certified : proved: not even a plan of fractions of choices meets these limits
    unserved : customers whom the best plan found leaves silent although that is not allowed; 0 where certified
    """

    limits: tuple[int, ...]
    shortfall: tuple[float, ...]
    certified: bool
    unserved: int


class _Ray(NamedTuple):
    """Scaled prices (L,), what they prove of the sum of scaled misses, and whether no other prices prove more."""

    prices: NDArray[np.float64]
    proved: float
    final: bool


@kernel
def _use_at(
    p: Problem,
    prices: NDArray[np.float64],
    nets: NDArray[np.float64],
    usages: NDArray[np.float64],
    ledger: Ledger,
    work: Work,
    span: tuple[int, int],
) -> None:
    n, blocks = len(p.customers.cell), len(usages)
    for b in range(span[0], span[1]):
        for limit in range(len(prices)):
            ledger.usage[limit] = 0.0
        for i in range(b * n // blocks, (b + 1) * n // blocks):
            route, net = choose_within(p, prices, i, ledger, work)
            nets[b] += net
            use_choice(p, i, route, work.best, 1.0, ledger)
        for limit in range(len(prices)):
            usages[b, limit] += ledger.usage[limit]


class _Elastic:
    """The least sum of scaled misses of a problem's limits, seen from its dual; values are left aside.

    `scale`, (L,) float64, is what a unit of a miss counts; `low` and `high`, (L,), bound the scaled prices.
    """

    def __init__(self, problem: Problem, late: Callable[[], bool]) -> None:
        self.late = late
        bound = problem.limits.bound
        opened = problem.customers.contact_micros > -np.inf
        self.problem = problem._replace(
            customers=problem.customers._replace(contact_micros=np.where(opened, 0.0, -np.inf)),
            candidates=problem.candidates._replace(value=np.zeros(len(problem.candidates.value))),
        )
        self.finite = np.isfinite(bound)
        self.bound = np.where(self.finite, bound, 0.0)
        self.scale = 1.0 / np.maximum(np.abs(self.bound), 1.0)
        self.low = np.where(problem.limits.at_least & self.finite, -1.0, 0.0)
        self.high = np.where(problem.limits.at_least | ~self.finite, 0.0, 1.0)
        self.passes = int(min(MOST_PASSES, max(LEAST_PASSES, PASSES / (len(problem.candidates.value) + 1))))

    def weigh(self, scaled: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return what scaled prices prove, 0 where rounding could feign it, and its slope, (L,)."""
        prices, n = scaled * self.scale, len(self.problem.customers.cell)
        blocks = block_count(n)
        nets, usages = np.zeros(blocks), np.zeros((blocks, len(prices)))

        def work(first: int, last: int) -> None:
            free = boundless(self.problem, np.zeros(len(prices), dtype=np.bool_))
            _use_at(self.problem, prices, nets, usages, free, room_for(self.problem), (first, last))

        in_threads(blocks, work)
        usage = usages.sum(axis=0)
        proved = -float(prices @ self.bound) - float(nets.sum())
        size = float(np.abs(prices) @ (np.abs(self.bound) + usage))
        return (proved if proved > CERTAIN * size else min(proved, 0.0)), self.scale * (usage - self.bound)

    def search(
        self, low: NDArray[np.float64], high: NDArray[np.float64], first: NDArray[np.float64] | None = None
    ) -> _Ray:
        """Return the scaled prices within bounds that prove most of those looked at, `first` before all."""
        best = _Ray(np.zeros(len(low)), 0.0, False)
        scaled = best.prices if first is None else np.clip(first, low, high)
        cuts: list[NDArray[np.float64]] = []
        for _ in range(self.passes):
            if cuts and self.late():
                break
            proved, slope = self.weigh(scaled)
            if proved > best.proved:
                best = _Ray(scaled, proved, False)
            cuts.append(slope)
            scaled, most = _highest(np.array(cuts), low, high)
            if most <= max(CERTAIN, (1.0 + CLOSE) * best.proved):
                return best._replace(final=True)
        return best


def _highest(
    cuts: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return where in the box the lowest of the planes through 0 is highest, and how high it is there."""
    from scipy.optimize import linprog

    count, size = cuts.shape
    found = linprog(
        np.append(np.zeros(size), -1.0),
        A_ub=np.hstack([-cuts, np.ones((count, 1))]),
        b_ub=np.zeros(count),
        bounds=[*zip(low, high, strict=True), (0.0, None)],
        method="highs",
    )
    if found.x is None:
        return np.zeros(size), 0.0
    return np.asarray(found.x[:size]), float(found.x[size])


def _fewest(elastic: _Elastic, ray: _Ray) -> NDArray[np.int64]:
    """Return the limits of a proof, ascending, without those that it does not need."""
    scaled = ray.prices.copy()
    for _ in range(SIFTS):
        before = np.flatnonzero(scaled)
        for limit in sorted(before, key=lambda at: abs(scaled[at])):
            if elastic.late():
                return np.flatnonzero(scaled)
            tried = scaled.copy()
            tried[limit] = 0.0
            if elastic.weigh(tried)[0] > 0.0:
                scaled = tried
        if len(np.flatnonzero(scaled)) == len(before):
            break
    return np.flatnonzero(scaled)


def _within(limits: NDArray[np.int64], box: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    narrow = np.zeros(len(box))
    narrow[limits] = factor * box[limits]
    return narrow


def _proved(elastic: _Elastic, ray: _Ray) -> tuple[Conflict, NDArray[np.int64]]:
    limits = _fewest(elastic, ray)
    again = elastic.search(_within(limits, elastic.low, 1.0), _within(limits, elastic.high, 1.0))
    if again.proved > 0.0 and (again.prices[limits] != 0.0).all():
        ray = again
    else:
        ray = _Ray(_within(limits, ray.prices, 1.0), elastic.weigh(_within(limits, ray.prices, 1.0))[0], False)
    shortfall = []
    for limit in limits:
        least = ray.proved / abs(ray.prices[limit])
        if len(limits) <= EXACT_UP_TO:
            low, high = _within(limits, elastic.low, HARD), _within(limits, elastic.high, HARD)
            low[limit], high[limit] = elastic.low[limit], elastic.high[limit]
            alone = elastic.search(low, high)
            if alone.prices[limit] != 0.0:
                least = max(least, alone.proved / abs(alone.prices[limit]))
        shortfall.append(float(least / elastic.scale[limit]))
    return Conflict(tuple(int(at) for at in limits), tuple(shortfall), True, 0), limits


def _in_the_box(elastic: _Elastic, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return prices scaled down into the box, none where there are none."""
    scaled = prices / elastic.scale
    largest = float(np.abs(scaled).max(initial=0.0))
    return scaled / largest if largest > 0.0 else scaled


def find_conflicts(
    problem: Problem,
    plan: Plan | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    start: NDArray[np.float64] | None = None,
    late: Callable[[], bool] = lambda: False,
) -> tuple[Conflict, ...]:
    """Return which limits cannot be met together.

    Parameters
    ----------
    problem : Problem
    plan : Plan or None
        The best plan found; asked only where no conflict can be proved. None: one is made.
    progress : callable or None
        Told how many conflicts are proved so far.
    start : (L,) float64, optional
        Prices that may prove a conflict already, micros per unit.
    late : callable
        Asked between steps; once it is true a proof is given as it stands, perhaps with limits that it does not need.

    Returns
    -------
    tuple of Conflict
        Those that are proved, no limit in two of them. Where none is, but the plan misses limits all the same, one
        that is not certified: fractions of choices could meet them as far as is known, whole choices were not found.
        Empty where the plan keeps everything.
    """
    if plan is not None and not violations(problem, plan).any() and unserved(problem, plan) == 0:
        return ()
    proved: list[Conflict] = []
    elastic = _Elastic(problem, late)
    first = None if start is None else _in_the_box(elastic, start)
    while len(proved) < CONFLICTS and (elastic.low.any() or elastic.high.any()) and not (proved and late()):
        ray = elastic.search(elastic.low, elastic.high, first)
        if ray.proved <= 0.0:
            break
        conflict, limits = _proved(elastic, ray)
        proved.append(conflict)
        elastic.low[limits] = elastic.high[limits] = 0.0
        if progress is not None:
            progress(len(proved))
    if proved:
        return tuple(proved)
    if plan is None:
        plan = plan_within(problem, np.zeros(len(problem.limits.bound)), salt="conflicts", effort=30)
    missed = violations(problem, plan)
    silent = unserved(problem, plan)
    if silent == 0 and not missed.any():
        return ()
    limits = np.flatnonzero(missed)
    return (Conflict(tuple(int(at) for at in limits), tuple(float(missed[at]) for at in limits), False, silent),)
