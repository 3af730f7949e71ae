"""Search the prices at which what everybody wants just fits: the lowest certified bound.

Why it exists: limits that customers share reach each only as prices, and good prices make almost every customer's own
best choice part of the best plan. The bound of `bound` is convex in the prices with steps in its slope; here it is
followed through smoothed versions (`soften`) at falling temperatures, first on a fixed sample of customers, then on
all. Only exact bounds are kept. The number of passes is counted, so that the result does not depend on the clock;
the clock is a safety stop.

Where customers are few `columns` ends the search.

References: Nesterov (2005), smoothing; Byrd, Lu, Nocedal and Zhu (1995), "A limited memory algorithm for bound
constrained optimization" (L-BFGS-B); Geoffrion (1974), Lagrangean bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from rapport.core.keys import uniform
from rapport.decide.bound import Bound, bound_at, relaxations
from rapport.decide.columns import are_few, finish
from rapport.decide.freeze import freeze
from rapport.decide.polish import polish
from rapport.decide.problem import Problem, is_plain, take_customers
from rapport.decide.soften import soften

COOLING_HEATS = (0.01, 0.003, 0.001, 0.0003, 0.0001, 0.00003, 0.00001)
"""Temperatures as shares of a typical gain, for all customers."""

LEADING_HEATS = (0.1, 0.02, 0.004, 0.0008, 0.00016)
"""Temperatures that lead from free choices near the best prices."""

NEAR = 0.01
"""The smoothed bound lies near the exact one: as a share of it."""

CURVE_HEAT = 0.003
"""The temperature at which the length of exact steps is judged."""

MOST_SAMPLES = 4

SMALLEST_SAMPLE = 2_000
"""Customers."""

CUSTOMERS_PER_LIMIT = 2
"""A sample has at least so many customers for each limit."""

GROWTH = 8
"""How much larger the next sample is."""

SAVES = 4
"""How much more customers there are than in any sample, at least."""


class Effort(NamedTuple):
    """How much is done at one temperature.

    rounds : of L-BFGS-B before the scales of the prices are taken anew
    rescalings : how often the scales are taken
    settled : a round that lowers the smoothed bound by no more than this share is the last
    """

    rounds: int
    rescalings: int
    settled: float


LEADING = Effort(12, 1, 1e-4)
"""Leads near; the exact steps do the rest."""

COOLING = Effort(25, 4, 1e-6)

NEAR_OPTIMAL = 2e-4
"""The search ends when the smoothed bound lies so near the exact one, as a share: the exact one is then at least as
near its lowest (the lowest smoothed bound lies above it by no more), and mostly far nearer."""


POLISH_SAMPLES = (40, 25, 15, 10)
"""Exact steps on the smallest sample, the next, and so on, at most."""

POLISH_ALL = 40
"""Exact steps on all customers, at most."""

LEFT_OVER = 3e-3
"""Where the exact steps leave more than this share of the bound over at its price, the smoothed search goes on."""


class Moment(NamedTuple):
    """A point of the search: seconds since its start, passes over all customers so far, best bound so far."""

    seconds: float
    passes: float
    bound: float


@dataclass(frozen=True)
class PriceSearch:
    """What a search found.

    prices : (L,) float64, micros per unit; >= 0 for maxima, <= 0 for minima, 0 for limits without a bound
    bound : float, micros; no plan within the limits is worth more
    usage : (L,) float64, what the best choices use at these prices
    unmeetable : bool, the bound lies below the worth of any plan: no plan, whole or in shares, meets the limits
    """

    prices: NDArray[np.float64]
    bound: float
    usage: NDArray[np.float64]
    unmeetable: bool
    passes: float
    seconds: float
    stopped_by_time: bool
    history: tuple[Moment, ...]


class _TimeIsUp(Exception):
    """The safety stop, inside this module only."""


class _BelowEveryPlan(Exception):
    """The smoothed bound fell below the worth of any plan: the limits cannot be met."""

    def __init__(self, prices: NDArray[np.float64]) -> None:
        super().__init__()
        self.prices = prices


@dataclass
class _Search:
    """The best exact bound so far and what has been spent."""

    problem: Problem
    clock: Callable[[], float]
    until: float
    relaxed: tuple[Problem, ...]
    lowest: float
    plain: bool
    best: Bound | None = None
    prices: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    passes: float = 0.0
    began: float = 0.0
    history: list[Moment] = field(default_factory=list)
    pending: NDArray[np.float64] | None = None

    def spend(self, passes: float) -> None:
        self.passes += passes
        if self.best is not None and self.clock() > self.until:
            raise _TimeIsUp

    def weigh(self, prices: NDArray[np.float64]) -> Bound:
        """Work out the exact bound at these prices and keep them if it is the lowest so far."""
        found = bound_at(self.relaxed, prices)
        if self.best is None or found.value < self.best.value:
            self.best, self.prices = found, prices.copy()
        self.pending = None
        self.history.append(Moment(self.clock() - self.began, self.passes + 1.0, self.best.value))
        self.spend(1.0)
        return found


def lowest_value(problem: Problem) -> float:
    """Return a value that no plan, whole or in shares, falls below, in micros."""
    contact = problem.customers.contact_micros
    if contact.size == 0:
        return 0.0
    worst = np.where(np.isfinite(contact), contact, 0.0).min(axis=1)
    losses = np.minimum(problem.candidates.value, 0.0).sum() * float(problem.portfolio.reach.max())
    total = float(np.minimum(worst, 0.0).sum() + losses)
    return total - 1e-9 * abs(total) - 1.0


def sampled(problem: Problem, rows: NDArray[np.int64]) -> Problem:
    """Return the problem of some customers, in ascending order, their share of every limit."""
    share = len(rows) / max(len(problem.customers.cell), 1)
    limits = problem.limits._replace(bound=problem.limits.bound * share)
    return take_customers(problem, rows)._replace(limits=limits)


def _samples(problem: Problem, salt: str) -> list[Problem]:
    """Return nested samples, the smallest first, none where the problem is small."""
    n, limits = len(problem.customers.cell), len(problem.limits.bound)
    samples: list[Problem] = []
    size = max(SMALLEST_SAMPLE, CUSTOMERS_PER_LIMIT * limits)
    order = np.argsort(uniform(np.arange(n, dtype=np.int64), salt + "/sample"), kind="stable")
    while size * SAVES <= n and len(samples) < MOST_SAMPLES:
        samples.append(sampled(problem, np.sort(order[:size])))
        size *= GROWTH
    return samples


def typical_gain(problem: Problem) -> float:
    """Return the middle of the customers' best positive offers, in micros: what temperatures are measured by."""
    value, start = problem.candidates.value, problem.customers.start
    if len(value) == 0:
        return 1.0
    widths = np.diff(start)
    best = np.maximum.reduceat(value, start[:-1][widths > 0])
    best = best[best > 0.0]
    if len(best):
        return float(np.median(best)) * float(problem.portfolio.reach.max())
    return float(np.abs(value).max()) or 1.0


FLOOR = 1e-3
"""A curve is held to be at least so large a share of what it is without prices."""


def _curve(problem: Problem, curve: NDArray[np.float64], heat: float) -> NDArray[np.float64]:
    """Return a curve floored limit by limit: each counts in its own unit, so one limit says nothing of another."""
    free: NDArray[np.float64] = soften(problem, np.zeros_like(curve), heat).curve
    return np.maximum(curve, FLOOR * free)


def _settle(
    search: _Search, problem: Problem, prices: NDArray[np.float64], heat: float, effort: Effort
) -> tuple[NDArray[np.float64], float, bool]:
    """Do some rounds at one temperature; return prices, the smoothed bound there and whether it has settled."""
    share = len(problem.customers.cell) / max(len(search.problem.customers.cell), 1)
    opened = np.flatnonzero(np.isfinite(problem.limits.bound))
    bound, at_least = problem.limits.bound[opened], problem.limits.at_least[opened]
    worth = None if search.plain else freeze(problem, prices)
    first = soften(problem, prices, heat, worth)
    search.spend(2.0 * share)
    unit = max(abs(first.value), abs(float(prices[opened] @ bound)), heat)
    curve = _curve(problem, first.curve, heat)[opened] / unit
    # A limit that nobody comes near has no curve; any step will do.
    scale = np.where(curve > 0.0, 1.0 / np.sqrt(np.where(curve > 0.0, curve, 1.0)), 1.0)

    def smoothed(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        full = np.zeros_like(prices)
        full[opened] = x * scale
        soft = soften(problem, full, heat, worth)
        search.spend(share)
        value = float(full[opened] @ bound) + soft.value
        if value < search.lowest * share:
            raise _BelowEveryPlan(full)
        return value / unit, (bound - soft.usage[opened]) * scale / unit

    found = minimize(
        smoothed,
        prices[opened] / scale,
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, 0.0) if low else (0.0, None) for low in at_least],
        options={"maxiter": effort.rounds, "maxcor": 20, "ftol": effort.settled, "gtol": 1e-12, "maxls": 15},
    )
    full = np.zeros_like(prices)
    full[opened] = found.x * scale
    return full, float(found.fun) * unit, found.nit < effort.rounds


def _left_over(search: _Search) -> float:
    """Return what is left over at its price, or used too much, at the best prices, as a share of the bound."""
    assert search.best is not None
    limits = search.problem.limits
    off = np.where(np.isfinite(limits.bound), search.best.usage - limits.bound, 0.0)
    return float(np.abs(search.prices * off).sum() / max(abs(search.best.value), 1e-300))


def _cool(
    search: _Search, problem: Problem, prices: NDArray[np.float64], heat: float
) -> tuple[NDArray[np.float64], float]:
    """Lower the smoothed bound of a problem at one temperature; return prices and the smoothed bound there."""
    smoothed = np.inf
    for _ in range(COOLING.rescalings):
        before = smoothed
        prices, smoothed, settled = _settle(search, problem, prices, heat, COOLING)
        if settled or before - smoothed < 1e-5 * abs(smoothed):
            break
    return prices, smoothed


def _may_fall(search: _Search) -> bool:
    """Return whether columns can lower the bound: few customers, exact choices, something left over at its price."""
    assert search.best is not None
    if len(search.relaxed) > 1 or not are_few(search.problem) or search.best.value < search.lowest:
        return False
    return _left_over(search) > 0.0 or not _all_kept(search.problem, search.best.usage)


def _all_kept(problem: Problem, usage: NDArray[np.float64]) -> bool:
    """Return whether what is used keeps every limit; without prices it is then the best plan."""
    limits = problem.limits
    return bool(np.where(limits.at_least, usage >= limits.bound, usage <= limits.bound).all())


def _descend(search: _Search, start: NDArray[np.float64] | None, salt: str, steps: int) -> None:
    """Go down from the free choice: smoothed on the smallest sample, then by exact steps on ever more customers."""
    problem = search.problem
    prices = np.zeros(len(problem.limits.bound))
    free = search.weigh(prices)
    if _all_kept(problem, free.usage):
        return
    warm = start is not None and search.weigh(start).value < free.value
    # prices worse than none would only lead astray
    if start is not None and warm:
        prices = start
    typical = typical_gain(problem)
    samples = _samples(problem, salt)
    few = samples[0] if samples else problem
    try:
        if not warm:
            prices = _lead(search, few, prices, typical)
    except _BelowEveryPlan as far:
        # Worths held still prove nothing, nor does a sample; the exact bound does.
        if search.weigh(far.prices).value < search.lowest:
            return
    judged = few
    for part, rounds in zip(samples, POLISH_SAMPLES, strict=False):
        prices, _ = _polish(search, part, judged, prices, (typical, rounds))
        judged = part
    rounds = steps if samples else POLISH_ALL
    _, settled = _polish(search, problem, judged, prices, (typical, rounds))
    if search.plain and rounds == POLISH_ALL and not (settled and _left_over(search) <= LEFT_OVER):
        _cool_down(search, search.prices, typical)


def _lead(search: _Search, few: Problem, prices: NDArray[np.float64], typical: float) -> NDArray[np.float64]:
    """Go down the first temperatures, until the smoothed bound lies near the exact one."""
    relaxed = relaxations(few)
    for heat in LEADING_HEATS:
        prices, smoothed, _ = _settle(search, few, prices, heat * typical, LEADING)
        search.pending = prices
        exact = bound_at(relaxed, prices).value
        search.spend(len(relaxed) * len(few.customers.cell) / len(search.problem.customers.cell))
        if abs(smoothed - exact) <= NEAR * abs(exact):
            break
    return prices


def _cool_down(search: _Search, prices: NDArray[np.float64], typical: float) -> None:
    """Go down the temperatures on all customers until the exact bound is near its lowest."""
    for heat in COOLING_HEATS:
        prices, smoothed = _cool(search, search.problem, prices, heat * typical)
        found = search.weigh(prices)
        if abs(smoothed - found.value) <= NEAR_OPTIMAL * abs(found.value):
            break


def _polish(
    search: _Search, part: Problem, judged: Problem, prices: NDArray[np.float64], settings: tuple[float, int]
) -> tuple[NDArray[np.float64], bool]:
    """Step on the exact bound of a part of the customers; return prices and whether they have settled.

    `judged` are fewer customers, by whom the length of steps is judged; `settings` are a typical gain and the steps.
    """
    heat, rounds = CURVE_HEAT * settings[0], settings[1]
    share = len(part.customers.cell) / max(len(search.problem.customers.cell), 1)
    relaxed = search.relaxed if part is search.problem else relaxations(part)

    def weigh(at: NDArray[np.float64]) -> Bound:
        if part is search.problem:
            return search.weigh(at)
        search.spend(share * len(relaxed))
        return bound_at(relaxed, at)

    curve = _curve(judged, soften(judged, prices, heat, freeze(judged, prices)).curve, heat)
    curve *= len(part.customers.cell) / max(len(judged.customers.cell), 1)
    found = polish(weigh, part.limits, prices, curve, rounds)
    search.pending = found[0]
    return found


def _allowed(problem: Problem, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return prices with the sign that each limit allows, finite, and 0 where there is no bound."""
    limits = problem.limits
    finite = np.where(np.isfinite(prices) & np.isfinite(limits.bound), prices, 0.0)
    return np.where(limits.at_least, np.minimum(finite, 0.0), np.maximum(finite, 0.0))


def find_prices(
    problem: Problem,
    *,
    start: NDArray[np.float64] | None,
    clock: Callable[[], float],
    allowed_seconds: float,
    salt: str,
    steps: int = POLISH_ALL,
) -> PriceSearch:
    """Return the prices with the lowest bound that the search comes by.

    Parameters
    ----------
    problem : Problem
    start : (L,) float64 or None
        Prices to begin with, such as the last turn's, micros per unit.
    clock : callable
        Seconds; its zero does not matter.
    allowed_seconds : float
        A safety stop; the result depends on the machine only if it is reached.
    salt : str
        Fixes which customers the samples hold.
    steps : int
        Exact steps on all customers, at most, where samples led there; 1 where the prices of a sample will do and the
        bound need not be near its lowest.

    Returns
    -------
    PriceSearch
    """
    began = clock()
    search = _Search(
        problem,
        clock,
        began + allowed_seconds,
        relaxations(problem),
        lowest_value(problem),
        plain=is_plain(problem.portfolio) and not problem.candidates.must.any(),
        began=began,
    )
    late = False
    try:
        _descend(search, None if start is None else _allowed(problem, start), salt, steps)
        if search.best is not None and _may_fall(search):
            finish(problem, search.weigh, search.prices, search.lowest)
    except _TimeIsUp:
        late, search.until = True, np.inf
        if search.pending is not None:
            search.weigh(search.pending)
    except _BelowEveryPlan as far:
        search.until = np.inf
        search.weigh(far.prices)
    assert search.best is not None
    return PriceSearch(
        prices=search.prices,
        bound=search.best.value,
        usage=search.best.usage,
        unmeetable=search.best.value < search.lowest,
        passes=search.passes,
        seconds=clock() - began,
        stopped_by_time=late,
        history=tuple(search.history),
    )
