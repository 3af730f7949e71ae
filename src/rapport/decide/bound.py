"""The certified bound: no plan within the limits is worth more than this, whatever the prices.

Why it exists: by Lagrangian duality ``prices @ bound`` plus the sum over customers of their best net value bounds
every plan within the limits from above (Geoffrion 1974, "Lagrangean relaxation for integer programming"), if each
best net value is exact or too high. `respond` is exact but for one case: where kinds cut through discounted
categories. There two relaxed problems, one without kinds and one without discounts, each bound a customer, and so
does the lower of both. How prices are found is not known here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.decide.problem import Problem
from rapport.decide.respond import respond
from rapport.decide.weigh import weigh


class Bound(NamedTuple):
    """A bound at given prices; L limits.

    value : float, micros; no plan within the limits is worth more
    usage : (L,) float64, what the best choices use; ``bound - usage`` is a slope of the bound in the prices
    """

    value: float
    usage: NDArray[np.float64]


def kinds_cross(problem: Problem) -> bool:
    """Return whether kinds cut through discounted categories, so that the greedy choice need not be the best."""
    portfolio = problem.portfolio
    if len(portfolio.kind_most) == 0 or bool((portfolio.weights == 1.0).all()) or len(portfolio.category) == 0:
        return False
    categories = int(portfolio.category.max()) + 1
    low = np.full(categories, np.iinfo(np.int32).max)
    high = np.full(categories, -1)
    np.minimum.at(low, portfolio.category, portfolio.kind)
    np.maximum.at(high, portfolio.category, portfolio.kind)
    return bool((high > low)[np.bincount(portfolio.category, minlength=categories) > 1].any())


def relaxations(problem: Problem) -> tuple[Problem, ...]:
    """Return problems whose best choices are found exactly and are worth at least those of `problem`.

    Mostly that is the problem itself; else there are two.
    """
    if not kinds_cross(problem):
        return (problem,)
    portfolio = problem.portfolio
    no_kinds = portfolio._replace(kind=np.full_like(portfolio.kind, -1), kind_most=portfolio.kind_most[:0])
    no_discounts = portfolio._replace(weights=np.ones_like(portfolio.weights))
    return (problem._replace(portfolio=no_kinds), problem._replace(portfolio=no_discounts))


def bound_at(relaxed: tuple[Problem, ...], prices: NDArray[np.float64]) -> Bound:
    """Return the bound at given prices.

    Parameters
    ----------
    relaxed : tuple of Problem
        From `relaxations`.
    prices : (L,) float64
        Micros per unit; at least 0 for maxima, at most 0 for minima, 0 where the limit's bound is infinite.

    Returns
    -------
    Bound
        The same bits on any number of threads. `usage` is that of the choices that the bound is made of.

    References
    ----------
    Geoffrion (1974), "Lagrangean relaxation for integer programming", Mathematical Programming Study 2.
    """
    exact = np.ascontiguousarray(prices, dtype=np.float64)
    found = [respond(problem, exact) for problem in relaxed]
    net, usage = found[0].net, found[0].usage
    if len(found) > 1:
        lower = found[1].net < net
        route = np.where(lower, found[1].route, found[0].route)
        chosen = np.where(lower[:, None], found[1].chosen, found[0].chosen)
        net, usage = np.minimum(net, found[1].net), weigh(relaxed[0], route, chosen)[1]
    priced = exact != 0.0
    limits = relaxed[0].limits
    value = float(np.sum(exact[priced] * limits.bound[priced])) + float(net.sum())
    return Bound(value, usage)
