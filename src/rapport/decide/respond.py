"""What each customer gets at given prices: the one compiled loop that the decision and the search for prices share.

Why it exists: a customer's best choice depends on the others only through the prices, so it is computed customer by
customer, with one fixed order of summation: the same bits alone, in any chunk, on any number of threads.

The choice is exact. A portfolio's value is an assignment valuation (ranked offers of a category against falling
weights; losses stand apart and count in full), so adding the offer of highest marginal gain again and again is
optimal for every size, prices included (Dress and Terhalle 1995 on well-layered maps; Paes Leme 2017 on gross
substitutes). "At most n of a kind" is a matroid where offers do not discount each other (Edmonds 1971). Where kinds
cut through discounted categories the greedy choice need not be optimal; `bound` says what is done about it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.decide.charge import add_use, contact_charge, offer_charge
from rapport.decide.kernel import block_count, in_threads, kernel
from rapport.decide.problem import SILENT, Problem, is_plain

MIXED, PLAIN, COSTLY = 0, 1, 2
"""Whether offers discount, exclude or require each other; neither; neither, and no price is below 0."""


class Response(NamedTuple):
    """Everybody's best choice at given prices; n customers, K slots, L limits.

    route : (n,) int32, `SILENT` for silence
    chosen : (n, K) int32, candidates counted from the customer's first, best marginal gain first; -1 for none
    value : (n,) float64, micros, what the choice is worth before prices
    net : (n,) float64, micros, after prices; 0 for silence
    usage : (L,) float64
    """

    route: NDArray[np.int32]
    chosen: NDArray[np.int32]
    value: NDArray[np.float64]
    net: NDArray[np.float64]
    usage: NDArray[np.float64]


class Work(NamedTuple):
    """Room to choose in, one for each thread's block: for candidates, and for the slots of the route looked at."""

    worth: NDArray[np.float64]
    charge: NDArray[np.float64]
    gain: NDArray[np.float64]
    slot: NDArray[np.int32]
    order: NDArray[np.int32]
    best: NDArray[np.int32]
    taken: NDArray[np.int32]


def make_work(widest: int, size: int, kinds: int) -> Work:
    """Return room for customers of at most so many candidates."""
    return Work(
        np.empty(widest),
        np.empty(widest),
        np.empty(widest),
        np.empty(size, dtype=np.int32),
        np.empty(size, dtype=np.int32),
        np.empty(size, dtype=np.int32),
        np.zeros(kinds, dtype=np.int32),
    )


@kernel
def _marginal(p: Problem, first: int, work: Work, filled: int, k: int) -> float:
    """Return what candidate `first + k` adds to the slots filled so far, charge included.

    `work.order[:filled]` holds the chosen in falling order of worth. Losses count in full and have no rank.
    """
    weights, category = p.portfolio.weights, p.portfolio.category
    mine = category[p.candidates.offer[first + k]]
    worth = work.worth[k]
    rank, placed, gain = 0, False, -work.charge[k]
    if worth < 0.0:
        return gain + worth
    for s in range(filled):
        other = work.order[s]
        if work.worth[other] < 0.0:
            break
        if category[p.candidates.offer[first + other]] != mine:
            continue
        if not placed and worth > work.worth[other]:
            gain += weights[rank] * worth
            placed = True
        if placed:
            gain += (weights[rank + 1] - weights[rank]) * work.worth[other]
        rank += 1
    return gain if placed else gain + weights[rank] * worth


@kernel
def take(p: Problem, first: int, last: int, work: Work, filled: int, k: int) -> None:
    """Put candidate `first + k` into the next slot and bring the gains of its category and kind up to date."""
    category, kind = p.portfolio.category, p.portfolio.kind
    j = p.candidates.offer[first + k]
    work.slot[filled] = k
    s = filled
    while s > 0 and work.worth[work.order[s - 1]] < work.worth[k]:
        work.order[s] = work.order[s - 1]
        s -= 1
    work.order[s] = k
    work.gain[k] = -np.inf
    full = False
    if len(p.portfolio.kind_most) > 0 and kind[j] >= 0:
        work.taken[kind[j]] += 1
        full = work.taken[kind[j]] >= p.portfolio.kind_most[kind[j]]
    if filled + 1 == len(work.slot):
        return
    for other in range(last - first):
        if work.gain[other] == -np.inf:
            continue
        o = p.candidates.offer[first + other]
        if full and kind[o] == kind[j]:
            work.gain[other] = -np.inf
        elif category[o] == category[j]:
            work.gain[other] = _marginal(p, first, work, filled + 1, other)


@kernel
def price_route(p: Problem, prices: NDArray[np.float64], i: int, r: int, work: Work) -> bool:
    """Fill worth, charge and first gain of the customer's candidates through route r; return whether any must be."""
    first, last = p.customers.start[i], p.customers.start[i + 1]
    must = False
    for k in range(last - first):
        c = first + k
        if (p.candidates.routes[c] >> r) & 1:
            work.worth[k] = p.portfolio.reach[r] * p.candidates.value[c]
            work.charge[k] = offer_charge(p, prices, i, c, r)
            work.gain[k] = work.worth[k] - work.charge[k]
            must = must or (p.candidates.must[c] >> r) & 1 == 1
        else:
            work.gain[k] = -np.inf
    return must


@kernel
def only_musts(p: Problem, first: int, last: int, r: int, work: Work) -> bool:
    """Return whether route r has nothing but what it must contain, in numbers that fit, without kinds to mind."""
    musts = 0
    for k in range(last - first):
        if work.gain[k] > -np.inf:
            if (p.candidates.must[first + k] >> r) & 1 == 0:
                return False
            musts += 1
    return musts <= len(work.slot) and len(work.taken) == 0


@kernel
def fill_with_all(p: Problem, first: int, last: int, work: Work) -> tuple[int, float]:
    """Take all candidates there are; return slots filled and their gain."""
    weights, category = p.portfolio.weights, p.portfolio.category
    filled, total = 0, 0.0
    for k in range(last - first):
        if work.gain[k] == -np.inf:
            continue
        work.gain[k] = -np.inf
        work.slot[filled] = k
        s = filled
        while s > 0 and work.worth[work.order[s - 1]] < work.worth[k]:
            work.order[s] = work.order[s - 1]
            s -= 1
        work.order[s] = k
        total -= work.charge[k]
        filled += 1
    for s in range(filled):
        k = work.order[s]
        rank = 0
        for earlier in range(s):
            rank += (
                category[p.candidates.offer[first + work.order[earlier]]] == category[p.candidates.offer[first + k]]
            )
        total += work.worth[k] if work.worth[k] < 0.0 else weights[rank] * work.worth[k]
    return filled, total


@kernel
def fill_musts(p: Problem, first: int, last: int, r: int, work: Work) -> tuple[int, float]:
    """Take what route r must contain, in the order of the candidates; return slots filled and their gain."""
    if only_musts(p, first, last, r, work):
        return fill_with_all(p, first, last, work)
    filled, total = 0, 0.0
    for k in range(last - first):
        if filled < len(work.slot) and (p.candidates.must[first + k] >> r) & 1 and work.gain[k] > -np.inf:
            total += work.gain[k]
            take(p, first, last, work, filled, k)
            filled += 1
    return filled, total


@kernel
def best_gain(work: Work, width: int) -> int:
    """Return the candidate of highest gain above 0, -1 where there is none."""
    best, at = 0.0, -1
    for k in range(width):
        if work.gain[k] > best:
            best, at = work.gain[k], k
    return at


@kernel
def _fill_apart(p: Problem, first: int, width: int, work: Work) -> tuple[int, float]:
    """Fill `work.slot` with the highest gains above 0; return slots filled, -1 where two share a category, and gain.

    It is then what taking one after another would give; mostly it is, and it costs a fraction.
    """
    size, filled, last = len(work.slot), 0, 0.0
    for k in range(width):
        gain = work.gain[k]
        if gain <= last:
            continue
        s = filled if filled < size else size - 1
        filled = min(filled + 1, size)
        while s > 0 and work.gain[work.slot[s - 1]] < gain:
            work.slot[s] = work.slot[s - 1]
            s -= 1
        work.slot[s] = k
        if filled == size:
            last = work.gain[work.slot[size - 1]]
    total = 0.0
    for s in range(filled):
        total += work.gain[work.slot[s]]
        j = p.candidates.offer[first + work.slot[s]]
        for t in range(s):
            if p.portfolio.category[p.candidates.offer[first + work.slot[t]]] == p.portfolio.category[j]:
                return -1, 0.0
    return filled, total


@kernel
def fill_route(p: Problem, prices: NDArray[np.float64], i: int, r: int, work: Work) -> tuple[int, float]:
    """Fill `work.slot` with the best portfolio through route r; return slots filled and gain without the contact."""
    first, last = p.customers.start[i], p.customers.start[i + 1]
    must = price_route(p, prices, i, r, work)
    if not must and len(work.taken) == 0:
        filled, total = _fill_apart(p, first, last - first, work)
        if filled >= 0:
            return filled, total
    for t in range(len(work.taken)):
        work.taken[t] = 0
    filled, total = fill_musts(p, first, last, r, work) if must else (0, 0.0)
    while filled < len(work.slot):
        k = best_gain(work, last - first)
        if k < 0:
            break
        total += work.gain[k]
        take(p, first, last, work, filled, k)
        filled += 1
    return filled, total


@kernel
def fill_route_plain(
    p: Problem, prices: NDArray[np.float64], i: int, r: int, costly: bool, work: Work
) -> tuple[int, float]:
    """Do what `fill_route` does where offers neither discount nor exclude each other and none must be there.

    Where no price is below 0, `costly`, an offer that could not get in for nothing is not priced.
    """
    first, last = p.customers.start[i], p.customers.start[i + 1]
    size, filled = len(work.slot), 0
    reach = p.portfolio.reach[r]
    for k in range(last - first):
        c = first + k
        if (p.candidates.routes[c] >> r) & 1 == 0:
            continue
        gain, least = reach * p.candidates.value[c], work.gain[work.slot[size - 1]] if filled == size else 0.0
        if costly and gain <= least:
            continue
        gain -= offer_charge(p, prices, i, c, r)
        if gain <= least:
            continue
        work.gain[k] = gain
        s = filled if filled < size else size - 1
        filled = min(filled + 1, size)
        while s > 0 and work.gain[work.slot[s - 1]] < gain:
            work.slot[s] = work.slot[s - 1]
            s -= 1
        work.slot[s] = k
    total = 0.0
    for s in range(filled):
        total += work.gain[work.slot[s]]
    return filled, total


@kernel
def portfolio_value(p: Problem, i: int, r: int, chosen: NDArray[np.int32]) -> float:
    """Return what a choice is worth before prices: the contact, and each offer at its rank in its category."""
    first = p.customers.start[i]
    total = p.customers.contact_micros[i, r]
    for k in range(len(chosen)):
        if chosen[k] < 0:
            break
        c = first + chosen[k]
        if p.candidates.value[c] < 0.0:
            total += p.portfolio.reach[r] * p.candidates.value[c]
            continue
        mine = p.portfolio.category[p.candidates.offer[c]]
        rank = 0
        for s in range(len(chosen)):
            if chosen[s] < 0:
                break
            o = first + chosen[s]
            higher = p.candidates.value[o] > p.candidates.value[c] or (
                p.candidates.value[o] == p.candidates.value[c] and s < k
            )
            if s != k and higher and p.portfolio.category[p.candidates.offer[o]] == mine:
                rank += 1
        total += p.portfolio.weights[rank] * (p.portfolio.reach[r] * p.candidates.value[c])
    return total


@kernel
def _least_loss(p: Problem, prices: NDArray[np.float64], i: int, r: int, work: Work) -> tuple[int, float]:
    """Put the offer that loses least into the first slot; return slots filled and its gain."""
    filled, best = 0, -np.inf
    for c in range(p.customers.start[i], p.customers.start[i + 1]):
        if (p.candidates.routes[c] >> r) & 1:
            gain = p.portfolio.reach[r] * p.candidates.value[c] - offer_charge(p, prices, i, c, r)
            if gain > best:
                filled, best = 1, gain
                work.slot[0] = c - p.customers.start[i]
    return filled, best


@kernel
def fill_open(p: Problem, prices: NDArray[np.float64], i: int, r: int, plain: int, work: Work) -> tuple[int, float]:
    """Fill `work.slot` with what is best said through an open route; return slots filled and net value.

    A contact needs an offer: where the contact itself is paid for (a price below 0) it may be one that loses. With
    nothing to say the net value is -inf, unless the customer is forced.
    """
    contact = p.customers.contact_micros[i, r] - contact_charge(p, prices, i, r)
    if plain == MIXED:
        filled, gain = fill_route(p, prices, i, r, work)
    else:
        filled, gain = fill_route_plain(p, prices, i, r, plain == COSTLY, work)
    if filled == 0 and not p.customers.forced[i]:
        if contact <= 0.0:
            return 0, -np.inf
        filled, gain = _least_loss(p, prices, i, r, work)
    return filled, contact + gain


@kernel
def best_choice(p: Problem, prices: NDArray[np.float64], i: int, plain: int, work: Work) -> tuple[int, int, float]:
    """Fill `work.best` with a customer's best choice; return route, slots filled and net value.

    Equal routes go to the lower number, and silence comes before all. A contact needs an offer, and more worth than
    silence, unless the customer is forced.
    """
    route, count, best = SILENT, 0, 0.0
    if p.customers.forced[i]:
        best = -np.inf
    for r in range(len(p.portfolio.reach)):
        if p.customers.contact_micros[i, r] == -np.inf:
            continue
        filled, net = fill_open(p, prices, i, r, plain, work)
        if net > best:
            route, count, best = r, filled, net
            for s in range(filled):
                work.best[s] = work.slot[s]
    if route == SILENT:
        best = 0.0
    return route, count, best


@kernel
def _respond_blocks(
    p: Problem,
    prices: NDArray[np.float64],
    plain: int,
    out: Response,
    usages: NDArray[np.float64],
    work: Work,
    span: tuple[int, int],
) -> None:
    n, size, blocks = len(p.customers.cell), len(p.portfolio.weights), len(usages)
    for b in range(span[0], span[1]):
        for i in range(b * n // blocks, (b + 1) * n // blocks):
            route, count, net = best_choice(p, prices, i, plain, work)
            out.route[i] = route
            out.net[i] = net
            for s in range(size):
                out.chosen[i, s] = work.best[s] if s < count else -1
            if route == SILENT:
                out.value[i] = 0.0
            else:
                out.value[i] = portfolio_value(p, i, route, out.chosen[i])
                add_use(p, i, route, out.chosen[i], 1.0, usages[b])


def room_for(problem: Problem) -> Work:
    """Return room to choose in for any customer of a problem."""
    widest = int(np.diff(problem.customers.start).max(initial=0))
    return make_work(widest, len(problem.portfolio.weights), len(problem.portfolio.kind_most))


def respond(problem: Problem, prices: NDArray[np.float64]) -> Response:
    """Return everybody's best choice at given prices.

    Parameters
    ----------
    problem : Problem
    prices : (L,) float64
        Micros per unit of each limit; at least 0 for maxima, at most 0 for minima.

    Returns
    -------
    Response
        The sum of `net` plus ``prices @ bound`` bounds the value of every plan within the limits from above
        (Lagrangian duality), as far as each choice is exact; see the head of this file.
    """
    n, size, limits = len(problem.customers.cell), len(problem.portfolio.weights), len(problem.limits.bound)
    blocks = block_count(n)
    usages = np.zeros((blocks, limits))
    out = Response(
        np.full(n, SILENT, dtype=np.int32),
        np.full((n, size), -1, dtype=np.int32),
        np.zeros(n),
        np.zeros(n),
        np.zeros(limits),
    )
    exact = np.ascontiguousarray(prices, dtype=np.float64)
    plain = MIXED
    if is_plain(problem.portfolio) and not problem.candidates.must.any():
        plain = COSTLY if (exact >= 0.0).all() else PLAIN

    def work(first: int, last: int) -> None:
        _respond_blocks(problem, exact, plain, out, usages, room_for(problem), (first, last))

    in_threads(blocks, work)
    np.sum(usages, axis=0, out=out.usage)
    return out
