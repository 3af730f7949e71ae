"""Everybody's response made smooth, so that a search for prices can follow slopes instead of steps.

Why it exists: what customers take at given prices jumps where two choices are equally good, and a search for prices
that only sees jumps is slow. At a temperature t above 0 every choice becomes a share: an offer is in a portfolio with
the share 1 / (1 + exp(-(gain - threshold) / t)), the threshold being such that the shares fill the slots; routes and
silence share by exp(net / t). The value so smoothed is convex in the prices, bounds the hard one from above and
tends to it as t falls (entropic smoothing: Nesterov 2005, "Smooth minimization of non-smooth functions", section 4).

Where offers discount or exclude each other they are taken at worths held still, see `freeze`: a guide for the search,
no bound. Nothing here certifies anything; `bound` does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.decide.charge import contact_charge, entry_applies, entry_use, offer_charge
from rapport.decide.freeze import SHUT
from rapport.decide.kernel import block_count, in_threads, kernel
from rapport.decide.problem import Entries, Problem, is_plain
from rapport.decide.respond import Work, fill_with_all, only_musts, price_route, room_for

FAR = 36.0
"""Beyond so many temperatures a share is 0 or 1 to the last bit of a float."""

NEAR_ENOUGH = 1e-7
"""How far the shares may be from filling the slots."""


NOTHING = 1e-12
"""Shares below are left out."""


class Softened(NamedTuple):
    """The smoothed response at given prices, summed over customers; L limits.

    value : float, micros, sum of the smoothed net values
    usage : (L,) float64, minus the slope of `value` in the prices
    curve : (L,) float64, about the diagonal of the second derivative of `value` in the prices
    """

    value: float
    usage: NDArray[np.float64]
    curve: NDArray[np.float64]


class Room(NamedTuple):
    """Room for one customer at a time: R routes, the widest customer's candidates, K slots."""

    gain: NDArray[np.float64]
    share: NDArray[np.float64]
    net: NDArray[np.float64]
    top: NDArray[np.float64]
    hard: Work
    worth: NDArray[np.float64]


class Sums(NamedTuple):
    """What blocks of customers add up to: (blocks,), (blocks, L), (blocks, L)."""

    value: NDArray[np.float64]
    usage: NDArray[np.float64]
    curve: NDArray[np.float64]


@kernel
def _share(z: float) -> float:
    if z > FAR:
        return 1.0
    return 0.0 if z < -FAR else 1.0 / (1.0 + math.exp(-z))


@kernel
def _softplus(z: float) -> float:
    if z > FAR:
        return z
    return 0.0 if z < -FAR else float(math.log1p(math.exp(z)))


@kernel
def _middle(gain: NDArray[np.float64], top: NDArray[np.float64], slots: int) -> float:
    """Return a threshold between the last gain that gets a slot and the first that does not."""
    filled = 0
    for k in range(len(gain)):
        if gain[k] == -np.inf or (filled == slots + 1 and gain[k] <= top[slots]):
            continue
        s = filled if filled <= slots else slots
        filled = min(filled + 1, slots + 1)
        while s > 0 and top[s - 1] < gain[k]:
            top[s] = top[s - 1]
            s -= 1
        top[s] = gain[k]
    return float(0.5 * (top[slots - 1] + top[slots]))


@kernel
def _threshold(gain: NDArray[np.float64], top: NDArray[np.float64], slots: int, heat: float) -> float:
    """Return the threshold at which the shares fill so many slots; more candidates than slots are there."""
    at = _middle(gain, top, slots)
    low, high = at - 2.0 * FAR * heat, top[0] + FAR * heat
    for k in range(len(gain)):
        if gain[k] > -np.inf:
            low = min(low, gain[k] - FAR * heat)
    for _ in range(60):
        excess, slope = -float(slots), 0.0
        for k in range(len(gain)):
            if gain[k] > -np.inf:
                x = _share((gain[k] - at) / heat)
                excess += x
                slope += x * (1.0 - x)
        if abs(excess) <= NEAR_ENOUGH:
            break
        if excess > 0.0:
            low = at
        else:
            high = at
        step = heat * excess / slope if slope > 1e-12 else np.inf
        at = at + step if low < at + step < high else 0.5 * (low + high)
    return at


@kernel
def _fill_all(gain: NDArray[np.float64], share: NDArray[np.float64], whole: float) -> float:
    """Give every candidate that can be had the same share, 0 or 1; return the value."""
    value = 0.0
    for k in range(len(gain)):
        if gain[k] > -np.inf:
            share[k] = whole
            value += whole * gain[k]
    return value


@kernel
def _fill_at(gain: NDArray[np.float64], share: NDArray[np.float64], at: float, heat: float) -> float:
    """Give every candidate its share at a threshold; return the value above the threshold."""
    value = 0.0
    for k in range(len(gain)):
        if gain[k] > -np.inf:
            share[k] = _share((gain[k] - at) / heat)
            value += heat * _softplus((gain[k] - at) / heat)
    return value


@kernel
def soft_slots(
    gain: NDArray[np.float64],
    share: NDArray[np.float64],
    top: NDArray[np.float64],
    most: int,
    least: int,
    heat: float,
) -> float:
    """Fill `share` with each candidate's share of at most `most` and at least `least` slots; return the value.

    `gain` is -inf for candidates that cannot be had. Where fewer than `least` can be had the value is -inf.
    """
    there, total = 0, 0.0
    for k in range(len(gain)):
        share[k] = 0.0
        if gain[k] > -np.inf:
            there += 1
            total += _share(gain[k] / heat)
    if there < least:
        return -np.inf
    if most == 0:
        return 0.0
    if least <= total <= most:
        return _fill_at(gain, share, 0.0, heat)
    slots = most if total > most else least
    if there <= slots:
        return _fill_all(gain, share, 1.0)
    at = _threshold(gain, top, slots, heat)
    return _fill_at(gain, share, at, heat) + slots * at


@kernel
def _plain_route(p: Problem, prices: NDArray[np.float64], i: int, r: int, heat: float, room: Room) -> float:
    first, last = p.customers.start[i], p.customers.start[i + 1]
    width = last - first
    for k in range(width):
        c = first + k
        if (p.candidates.routes[c] >> r) & 1:
            room.gain[r, k] = p.portfolio.reach[r] * p.candidates.value[c] - offer_charge(p, prices, i, c, r)
        else:
            room.gain[r, k] = -np.inf
    least = 0 if p.customers.forced[i] else 1
    return soft_slots(room.gain[r, :width], room.share[r, :width], room.top, len(p.portfolio.weights), least, heat)


@kernel
def _frozen_route(p: Problem, prices: NDArray[np.float64], i: int, r: int, heat: float, room: Room) -> float:
    """Soften with worths held still; what must be there is there whole, at its own weight if nothing else may be."""
    first, last = p.customers.start[i], p.customers.start[i + 1]
    width, work = last - first, room.hard
    for k in range(width):
        room.gain[r, k] = -np.inf
        room.share[r, k] = 0.0
    must = price_route(p, prices, i, r, work)
    if must and only_musts(p, first, last, r, work):
        filled, total = fill_with_all(p, first, last, work)
        for s in range(filled):
            room.share[r, work.slot[s]] = 1.0
        return total
    sure, total = 0, 0.0
    for k in range(width):
        if work.gain[k] == -np.inf or room.worth[first + k] == SHUT:
            continue
        gain = p.portfolio.reach[r] * room.worth[first + k] - work.charge[k]
        if (p.candidates.must[first + k] >> r) & 1:
            if sure < len(work.slot):
                work.slot[sure] = k
                sure += 1
                total += gain
        else:
            room.gain[r, k] = gain
    least = 0 if p.customers.forced[i] or sure > 0 else 1
    most = len(work.slot) - sure
    value = soft_slots(room.gain[r, :width], room.share[r, :width], room.top, most, least, heat)
    for s in range(sure):
        room.share[r, work.slot[s]] = 1.0
    return total + value


@kernel
def _share_routes(p: Problem, i: int, heat: float, net: NDArray[np.float64]) -> float:
    """Turn net values of the routes into shares; return the smoothed net value of the customer."""
    best = -np.inf if p.customers.forced[i] else 0.0
    for r in range(len(net)):
        best = max(best, net[r])
    if best == -np.inf:
        for r in range(len(net)):
            net[r] = 0.0
        return 0.0
    total = 0.0 if p.customers.forced[i] else math.exp(-best / heat)
    for r in range(len(net)):
        net[r] = math.exp((net[r] - best) / heat)
        total += net[r]
    for r in range(len(net)):
        net[r] /= total
    return best + heat * math.log(total)


@kernel
def _add_entries(
    p: Problem,
    entries: Entries,
    at: tuple[int, int, int, int],
    share: float,
    heat: float,
    usage: NDArray[np.float64],
    curve: NDArray[np.float64],
) -> None:
    """Add what candidate c of a cell uses through route r, by the entries of one row; `at` is (row, cell, c, r)."""
    row, cell, c, r = at
    spread = share * (1.0 - share) / heat
    for e in range(entries.start[row], entries.start[row + 1]):
        if entry_applies(p, entries, e, cell, r):
            used = entry_use(p, entries, e, c, r)
            usage[entries.limit[e]] += share * used
            curve[entries.limit[e]] += spread * used * used


@kernel
def _add_contact(
    p: Problem,
    i: int,
    r: int,
    share: float,
    heat: float,
    usage: NDArray[np.float64],
    curve: NDArray[np.float64],
) -> None:
    contacts = p.limits.contacts
    at = p.customers.cell[i] * len(p.portfolio.reach) + r
    spread = share * (1.0 - share) / heat
    for e in range(contacts.start[at], contacts.start[at + 1]):
        a = contacts.amount[e]
        used = contacts.use[e] if a < 0 else contacts.use[e] * p.customers.contact_amounts[a, i, r]
        usage[contacts.limit[e]] += share * used
        curve[contacts.limit[e]] += spread * used * used


@kernel
def _soften_customer(
    p: Problem,
    prices: NDArray[np.float64],
    i: int,
    how: tuple[bool, float],
    room: Room,
    usage: NDArray[np.float64],
    curve: NDArray[np.float64],
) -> float:
    """Add a customer's smoothed use; return their smoothed net value. `how` says whether plain, and the heat."""
    plain, heat = how
    for r in range(len(p.portfolio.reach)):
        contact = p.customers.contact_micros[i, r]
        room.net[r] = -np.inf
        if contact > -np.inf:
            fill = _plain_route(p, prices, i, r, heat, room) if plain else _frozen_route(p, prices, i, r, heat, room)
            room.net[r] = contact - contact_charge(p, prices, i, r) + fill
    value = _share_routes(p, i, heat, room.net)
    first, last, cell = p.customers.start[i], p.customers.start[i + 1], p.customers.cell[i]
    for r in range(len(p.portfolio.reach)):
        if room.net[r] < NOTHING:
            continue
        _add_contact(p, i, r, room.net[r], heat, usage, curve)
        for k in range(last - first):
            share = room.net[r] * room.share[r, k]
            if share > NOTHING:
                c = first + k
                by_offer = (p.candidates.offer[c], cell, c, r)
                _add_entries(p, p.limits.by_offer, by_offer, share, heat, usage, curve)
                _add_entries(p, p.limits.by_cell, (cell, cell, c, r), share, heat, usage, curve)
    return value


@kernel
def _soften_blocks(
    p: Problem,
    prices: NDArray[np.float64],
    how: tuple[bool, float],
    room: Room,
    sums: Sums,
    span: tuple[int, int],
) -> None:
    n, blocks = len(p.customers.cell), len(sums.value)
    for b in range(span[0], span[1]):
        for i in range(b * n // blocks, (b + 1) * n // blocks):
            sums.value[b] += _soften_customer(p, prices, i, how, room, sums.usage[b], sums.curve[b])


def soften(
    problem: Problem, prices: NDArray[np.float64], heat: float, worth: NDArray[np.float64] | None = None
) -> Softened:
    """Return the smoothed response of all customers at given prices.

    Parameters
    ----------
    problem : Problem
    prices : (L,) float64, micros per unit of each limit
    heat : float, above 0, micros; choices whose worth differs by much more are made as if it were 0
    worth : (m,) float64, optional
        What each candidate is worth beside the others, from `freeze`; its own value where absent.

    Returns
    -------
    Softened
        The same bits on any number of threads.

    References
    ----------
    Nesterov (2005), "Smooth minimization of non-smooth functions", Mathematical Programming 103.
    """
    routes, limits = len(problem.portfolio.reach), len(problem.limits.bound)
    size = len(problem.portfolio.weights)
    blocks = block_count(len(problem.customers.cell))
    sums = Sums(np.zeros(blocks), np.zeros((blocks, limits)), np.zeros((blocks, limits)))
    plain = is_plain(problem.portfolio) and not problem.candidates.must.any()
    held = problem.candidates.value if worth is None else worth
    exact = np.ascontiguousarray(prices, dtype=np.float64)

    def work(first: int, last: int) -> None:
        hard = room_for(problem)
        wide = (routes, len(hard.gain))
        room = Room(np.empty(wide), np.zeros(wide), np.empty(routes), np.empty(size + 2), hard, held)
        _soften_blocks(problem, exact, (plain, heat), room, sums, (first, last))

    in_threads(blocks, work)
    return Softened(float(sums.value.sum()), sums.usage.sum(axis=0), sums.curve.sum(axis=0))
