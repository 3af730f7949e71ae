"""What every route to a customer is worth at given prices, and with which portfolio.

Why it exists: the search for prices needs only each customer's best choice; the decision also records what else was
open, and may draw it to learn. Both come from the same filling of a route.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.decide.charge import offer_charge
from rapport.decide.kernel import block_count, in_threads, kernel
from rapport.decide.problem import Problem
from rapport.decide.respond import MIXED, Work, fill_open, portfolio_value, room_for


class RouteTable(NamedTuple):
    """n customers, R routes, K slots.

    net : (n, R) float64, micros, worth after prices; -inf where the route is not open or has nothing to say
    value : (n, R) float64, micros, worth before prices
    filled : (n, R) int32, slots filled
    slots : (n, R, K) int32, candidates counted from the customer's first, best first; -1 for none
    spare : (n, R) int32, other candidates that would pay in place of the last one; 0 where the last one must be there
    """

    net: NDArray[np.float64]
    value: NDArray[np.float64]
    filled: NDArray[np.int32]
    slots: NDArray[np.int32]
    spare: NDArray[np.int32]


@kernel
def _is_spare(p: Problem, prices: NDArray[np.float64], i: int, r: int, chosen: NDArray[np.int32], k: int) -> bool:
    """Return whether candidate k of the customer could stand in place of the last of the chosen, and pay."""
    first = p.customers.start[i]
    c = first + k
    if (p.candidates.routes[c] >> r) & 1 == 0:
        return False
    kind = p.portfolio.kind[p.candidates.offer[c]]
    alike, last = 0, -1
    for s in range(len(chosen)):
        if chosen[s] < 0:
            break
        if chosen[s] == k:
            return False
        last = p.portfolio.kind[p.candidates.offer[first + chosen[s]]]
        alike += last == kind
    if kind >= 0 and alike - (last == kind) >= p.portfolio.kind_most[kind]:
        return False
    return p.portfolio.reach[r] * p.candidates.value[c] - offer_charge(p, prices, i, c, r) > 0.0


@kernel
def _count_spare(
    p: Problem, prices: NDArray[np.float64], i: int, r: int, chosen: NDArray[np.int32], count: int
) -> int:
    first = p.customers.start[i]
    if count < 1 or (p.candidates.must[first + chosen[count - 1]] >> r) & 1:
        return 0
    found = 0
    for k in range(p.customers.start[i + 1] - first):
        found += _is_spare(p, prices, i, r, chosen, k)
    return found


@kernel
def _look(
    p: Problem, prices: NDArray[np.float64], out: RouteTable, work: Work, blocks: int, span: tuple[int, int]
) -> None:
    n, routes = out.net.shape
    for i in range(span[0] * n // blocks, span[1] * n // blocks):
        for r in range(routes):
            if p.customers.contact_micros[i, r] == -np.inf:
                continue
            filled, net = fill_open(p, prices, i, r, MIXED, work)
            if net == -np.inf:
                continue
            chosen = out.slots[i, r]
            for s in range(filled):
                chosen[s] = work.slot[s]
            out.filled[i, r] = filled
            out.net[i, r] = net
            out.value[i, r] = portfolio_value(p, i, r, chosen)
            out.spare[i, r] = _count_spare(p, prices, i, r, chosen, filled)


@kernel
def _nth_spare(
    p: Problem,
    prices: NDArray[np.float64],
    who: NDArray[np.int64],
    route: NDArray[np.int64],
    chosen: NDArray[np.int32],
    nth: NDArray[np.int64],
    out: NDArray[np.int32],
) -> None:
    for q in range(len(who)):
        i, left = who[q], nth[q]
        for k in range(p.customers.start[i + 1] - p.customers.start[i]):
            if _is_spare(p, prices, i, route[q], chosen[q], k):
                if left == 0:
                    out[q] = k
                    break
                left -= 1


def look_at_routes(problem: Problem, prices: NDArray[np.float64]) -> RouteTable:
    """Return what every route is worth to every customer at given prices, (L,) micros per unit."""
    n, routes, size = len(problem.customers.cell), len(problem.portfolio.reach), len(problem.portfolio.weights)
    out = RouteTable(
        np.full((n, routes), -np.inf),
        np.zeros((n, routes)),
        np.zeros((n, routes), dtype=np.int32),
        np.full((n, routes, size), -1, dtype=np.int32),
        np.zeros((n, routes), dtype=np.int32),
    )
    blocks = block_count(n)
    exact = np.ascontiguousarray(prices, dtype=np.float64)
    in_threads(blocks, lambda first, last: _look(problem, exact, out, room_for(problem), blocks, (first, last)))
    return out


def draw_spare(
    problem: Problem,
    prices: NDArray[np.float64],
    who: NDArray[np.int64],
    route: NDArray[np.int64],
    chosen: NDArray[np.int32],
    nth: NDArray[np.int64],
) -> NDArray[np.int32]:
    """Return, for some customers, the nth of the candidates that `RouteTable.spare` counts, shape of `who`.

    Parameters
    ----------
    who, route, nth : int64 arrays, shape (q,)
    chosen : int32 array, shape (q, K), the slots of the route
    """
    out = np.full(len(who), -1, dtype=np.int32)
    _nth_spare(problem, np.ascontiguousarray(prices, dtype=np.float64), who, route, chosen, nth, out)
    return out
