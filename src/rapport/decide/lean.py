"""Leave out of a problem what can never be chosen, so that the search for prices has less to look at.

Why it exists: in a catalogue of hundreds of offers most are touched by no limit. Among those whose categories no
limit and no kind touches, prices are the same for all, so whatever the prices are, a best portfolio takes the first
few of one and the same greedy order: at most K of them. The others can go without changing any best choice.

Only the search goes by this: the decision itself looks at every open offer, because exploration may draw it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rapport.decide.describe import Described, Terms
from rapport.decide.kernel import block_count, in_threads, kernel
from rapport.decide.plays import offers_apart
from rapport.decide.problem import Candidates, Problem
from rapport.decide.respond import Work, best_gain, room_for, take
from rapport.decide.rows import starts
from rapport.decide.sharing import GIVEAWAY


@kernel
def _keep_blocks(
    p: Problem, free: NDArray[np.bool_], keep: NDArray[np.bool_], work: Work, blocks: int, span: tuple[int, int]
) -> None:
    n = len(p.customers.cell)
    for i in range(span[0] * n // blocks, span[1] * n // blocks):
        first, last = p.customers.start[i], p.customers.start[i + 1]
        for k in range(last - first):
            may_go = free[p.candidates.offer[first + k]]
            work.worth[k] = p.candidates.value[first + k]
            work.charge[k] = 0.0
            work.gain[k] = work.worth[k] if may_go else -np.inf
            keep[first + k] = not may_go
        for s in range(len(work.slot)):
            k = best_gain(work, last - first)
            if k < 0:
                break
            take(p, first, last, work, s, k)
            keep[first + k] = True


def free_offers(problem: Problem, terms: Terms) -> NDArray[np.bool_]:
    """Return the offers of categories that no limit on some offers and no kind touches, (J,)."""
    portfolio = problem.portfolio
    touched = (np.diff(problem.limits.by_offer.start) > 0) | (portfolio.kind >= 0) | terms.wanted
    touched |= offers_apart(terms.catalogue.plays, len(touched))
    if (terms.sharing.for_all.amount == GIVEAWAY).any():
        touched[:] = True
    reached = np.zeros(int(portfolio.category.max(initial=-1)) + 1, dtype=np.bool_)
    reached[portfolio.category[touched]] = True
    return ~reached[portfolio.category]


def lean(described: Described, terms: Terms) -> Described:
    """Return the same customers with fewer candidates and the same best choice at any prices."""
    problem = described.problem
    free = free_offers(problem, terms)
    keep = np.ones(len(problem.candidates.offer), dtype=np.bool_)
    blocks = block_count(len(problem.customers.cell))
    in_threads(
        blocks,
        lambda first, last: _keep_blocks(problem, free, keep, room_for(problem), blocks, (first, last)),
    )
    row = np.repeat(np.arange(len(described.rows)), np.diff(problem.customers.start))
    personal = np.diff(described.rows.must.start) > 0
    # What portfolios for many hold stays, and everything of those who must be told something.
    keep |= (problem.candidates.must != 0) | personal[row]
    if keep.all():
        return described
    c = problem.candidates
    kept = Candidates(c.offer[keep], c.value[keep], c.routes[keep], c.must[keep], c.amounts[:, keep])
    start = starts(np.bincount(row[keep], minlength=len(described.rows)))
    customers = problem.customers._replace(start=start)
    return replace(
        described, problem=problem._replace(customers=customers, candidates=kept), source=described.source[keep]
    )
