"""Offers that discount or exclude each other, held still for a while as offers that do not.

Why it exists: the search for prices follows slopes, and where offers of a portfolio discount each other what an offer
adds depends on what stands beside it. Round given prices each offer is given the weight it has, or would have, beside
the customer's best choice there; with these weights held the problem is plain and its smoothed value is convex and
differentiable. The weights are taken anew as the search goes on. Nothing here certifies anything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.decide.charge import contact_charge
from rapport.decide.kernel import block_count, in_threads, kernel
from rapport.decide.problem import Problem
from rapport.decide.respond import Work, fill_route, room_for

SHUT = -np.inf
"""In place of a worth: beside the best choice the offer may not stand."""


@kernel
def _has_free(p: Problem, i: int, r: int) -> bool:
    """Return whether a customer has an offer that route r may carry and need not."""
    for c in range(p.customers.start[i], p.customers.start[i + 1]):
        if (p.candidates.routes[c] >> r) & 1 and (p.candidates.must[c] >> r) & 1 == 0:
            return True
    return False


@kernel
def _best_free(p: Problem, prices: NDArray[np.float64], i: int, work: Work) -> int:
    """Fill `work.best` with the best portfolio of routes that leave a choice; return how many slots it fills."""
    best, count = -np.inf, 0
    for r in range(len(p.portfolio.reach)):
        contact = p.customers.contact_micros[i, r]
        if contact == -np.inf or not _has_free(p, i, r):
            continue
        filled, gain = fill_route(p, prices, i, r, work)
        net = contact - contact_charge(p, prices, i, r) + gain
        if net > best:
            best, count = net, filled
            for s in range(filled):
                work.best[s] = work.slot[s]
    return count


@kernel
def _weight(p: Problem, first: int, k: int, chosen: NDArray[np.int32], count: int) -> float:
    """Return the weight of candidate k beside the chosen; `SHUT` where its kind is full without it."""
    j = p.candidates.offer[first + k]
    kind, value = p.portfolio.kind[j], p.candidates.value[first + k]
    rank, alike, there = 0, 0, False
    for s in range(count):
        other = chosen[s]
        o = p.candidates.offer[first + other]
        if other == k:
            there = True
            continue
        alike += kind >= 0 and p.portfolio.kind[o] == kind
        higher = p.candidates.value[first + other] > value
        higher = higher or (p.candidates.value[first + other] == value and other < k)
        rank += higher and p.portfolio.category[o] == p.portfolio.category[j]
    if kind >= 0 and not there and alike >= p.portfolio.kind_most[kind]:
        return SHUT
    return 1.0 if value < 0.0 else p.portfolio.weights[min(rank, len(p.portfolio.weights) - 1)]


@kernel
def _freeze_blocks(
    p: Problem,
    prices: NDArray[np.float64],
    worth: NDArray[np.float64],
    work: Work,
    blocks: int,
    span: tuple[int, int],
) -> None:
    n = len(p.customers.cell)
    for i in range(span[0] * n // blocks, span[1] * n // blocks):
        first = p.customers.start[i]
        count = _best_free(p, prices, i, work)
        for k in range(p.customers.start[i + 1] - first):
            weight = _weight(p, first, k, work.best, count)
            worth[first + k] = SHUT if weight == SHUT else weight * p.candidates.value[first + k]


def freeze(problem: Problem, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each candidate is worth beside its customer's best choice at given prices, (m,) micros.

    `SHUT` marks those whose kind is full without them.
    """
    worth = np.empty(len(problem.candidates.value))
    blocks = block_count(len(problem.customers.cell))
    exact = np.ascontiguousarray(prices, dtype=np.float64)
    in_threads(
        blocks,
        lambda first, last: _freeze_blocks(problem, exact, worth, room_for(problem), blocks, (first, last)),
    )
    return worth
