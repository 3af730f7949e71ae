"""The last of the way to the best prices where customers are few: every choice seen so far is a column.

Why it exists: with a handful of customers the bound is a few flat faces with sharp edges, where following slopes
ends beside the lowest point. There the choices seen so far, customer by customer, describe the bound from below; its
lowest point is a small linear programme, and the choices at that point are new columns (Dantzig and Wolfe 1960). The
prices stay in a box round the best ones, which grows and shrinks (Marsten, Hogan and Blankenship 1975, "The boxstep
method for large-scale optimization").
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from rapport.decide.bound import Bound
from rapport.decide.charge import add_use
from rapport.decide.kernel import kernel
from rapport.decide.problem import SILENT, Limits, Problem
from rapport.decide.respond import Response, respond

FEW = 400
"""Customers, at most: there is a column for each and each step."""

MOST_CELLS = 2_000_000
"""Customers times limits, at most."""

STEPS = 60
CLOSE = 1e-7
"""The steps end when no prices in the box can lower the bound by more than this share, and the box does not bind."""

GROWS, SHRINKS = 4.0, 0.25
"""Factors of the box after a step that ends at its edge and pays, and after one that does not pay."""


def are_few(problem: Problem) -> bool:
    """Return whether customers are few enough for a column each."""
    n = len(problem.customers.cell)
    return 0 < n <= FEW and n * len(problem.limits.bound) <= MOST_CELLS


@kernel
def _use_each(p: Problem, route: NDArray[np.int32], chosen: NDArray[np.int32], usage: NDArray[np.float64]) -> None:
    for i in range(len(route)):
        if route[i] != SILENT:
            add_use(p, i, route[i], chosen[i], 1.0, usage[i])


def _columns_of(problem: Problem, found: Response) -> NDArray[np.float64]:
    """Return each customer's choice as a row: what it uses of each limit, then what it is worth; (n, L + 1)."""
    rows = np.zeros((len(found.route), len(problem.limits.bound) + 1))
    usage = np.zeros((len(found.route), len(problem.limits.bound)))
    _use_each(problem, found.route, found.chosen, usage)
    rows[:, :-1], rows[:, -1] = usage, found.value
    return rows


def _lowest(
    rows: NDArray[np.float64], who: NDArray[np.int64], limits: Limits, box: tuple[NDArray[np.float64], float], n: int
) -> tuple[NDArray[np.float64], float]:
    """Return the prices in the box where the bound by the columns is lowest, and its value there."""
    opened = np.flatnonzero(np.isfinite(limits.bound))
    centre, reach = box
    unit = np.maximum(np.abs(limits.bound[opened]), 1.0)
    worth = max(float(np.abs(rows[:, -1]).max()), 1e-300)
    # Prices count in worth per whole limit, so that all numbers are of one size.
    size = worth / unit
    left = np.concatenate([-rows[:, opened] / unit, np.zeros((len(rows), n))], axis=1)
    left[np.arange(len(rows)), len(opened) + who] = -1.0
    at = centre[opened] / size
    low, high = at - reach, at + reach
    low = np.where(limits.at_least[opened], low, np.maximum(low, 0.0))
    high = np.where(limits.at_least[opened], np.minimum(high, 0.0), high)
    found = linprog(
        np.concatenate([limits.bound[opened] / unit, np.ones(n)]),
        A_ub=left,
        b_ub=-rows[:, -1] / worth,
        bounds=[*zip(low, high, strict=True), *[(None, None)] * n],
        method="highs",
    )
    prices = np.zeros(len(limits.bound))
    if found.x is None:
        return centre, np.inf
    prices[opened] = found.x[: len(opened)] * size
    return prices, float(found.fun) * worth


def finish(
    problem: Problem, weigh: Callable[[NDArray[np.float64]], Bound], prices: NDArray[np.float64], lowest: float
) -> None:
    """Go to the lowest bound from prices near it; `weigh` keeps the best it is shown.

    Parameters
    ----------
    problem : Problem
        With few customers, see `are_few`, and a best choice that `respond` finds exactly.
    weigh : callable
        Gives the exact bound at prices.
    prices : (L,) float64, of allowed sign
    lowest : float
        Micros; a bound below shows that the limits cannot be met, and no more is asked.
    """
    n = len(problem.customers.cell)
    best = weigh(prices).value
    rows = [_columns_of(problem, respond(problem, at)) for at in (np.zeros_like(prices), prices)]
    reach = 1.0
    for _ in range(STEPS):
        every = np.concatenate(rows)
        who = np.tile(np.arange(n), len(rows))
        tried, promised = _lowest(every, who, problem.limits, (prices, reach), n)
        if best - promised <= CLOSE * max(abs(best), 1.0) or best < lowest:
            return
        found = weigh(tried)
        rows.append(_columns_of(problem, respond(problem, tried)))
        if found.value < best - 0.1 * (best - promised):
            prices, best, reach = tried, found.value, reach * GROWS
        else:
            reach *= SHRINKS if found.value >= best else 1.0
            if found.value < best:
                prices, best = tried, found.value
