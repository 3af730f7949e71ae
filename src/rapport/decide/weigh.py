"""What a given choice for everybody is worth, what it uses of the limits, and what it pays for them.

Why it exists: plans are counted from what they say, never from how they were found. Nothing is chosen here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.decide.charge import add_use, contact_charge, offer_charge
from rapport.decide.kernel import block_count, in_threads, kernel
from rapport.decide.problem import SILENT, Problem
from rapport.decide.respond import portfolio_value


@kernel
def _weigh_blocks(
    p: Problem,
    route: NDArray[np.int32],
    chosen: NDArray[np.int32],
    value: NDArray[np.float64],
    usages: NDArray[np.float64],
    span: tuple[int, int],
) -> None:
    n, blocks = len(route), len(usages)
    for b in range(span[0], span[1]):
        for i in range(b * n // blocks, (b + 1) * n // blocks):
            if route[i] != SILENT:
                value[i] = portfolio_value(p, i, route[i], chosen[i])
                add_use(p, i, route[i], chosen[i], 1.0, usages[b])


def weigh(
    problem: Problem, route: NDArray[np.int32], chosen: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a given choice for everybody is worth, (n,) micros before prices, and what it uses, (L,).

    Parameters
    ----------
    route : (n,) int32, `SILENT` for silence
    chosen : (n, K) int32, candidates counted from the customer's first; -1 from the first empty slot on
    """
    blocks = block_count(len(route))
    value, usages = np.zeros(len(route)), np.zeros((blocks, len(problem.limits.bound)))
    in_threads(blocks, lambda first, last: _weigh_blocks(problem, route, chosen, value, usages, (first, last)))
    return value, usages.sum(axis=0)


@kernel
def _charge_all(
    p: Problem,
    prices: NDArray[np.float64],
    route: NDArray[np.int32],
    chosen: NDArray[np.int32],
    charge: NDArray[np.float64],
) -> None:
    for i in range(len(route)):
        if route[i] == SILENT:
            continue
        charge[i] = contact_charge(p, prices, i, route[i])
        for k in range(chosen.shape[1]):
            if chosen[i, k] < 0:
                break
            charge[i] += offer_charge(p, prices, i, p.customers.start[i] + chosen[i, k], route[i])


def charges(
    problem: Problem, prices: NDArray[np.float64], route: NDArray[np.int32], chosen: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return what a given choice pays for limits at given prices, (n,) micros; arguments as for `weigh`."""
    charge = np.zeros(len(route))
    _charge_all(problem, np.ascontiguousarray(prices, dtype=np.float64), route, chosen, charge)
    return charge
