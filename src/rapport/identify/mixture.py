"""How likely a pair is one customer, given its evidence and what kinds of strangers there are.

Why it exists: evidence adds up as if every comparison spoke for itself, and among strangers it does not - two of one
household agree in surname, street and phone at once. So strangers are a mixture of kinds, each agreeing by itself in
some comparisons; how frequent each kind is follows from the pairs. Arithmetic on arrays; nothing is read.

Model (Fellegi & Sunter 1969, with a mixture in place of the one class of non-matches)::

    odds(pair) = share_match * P(levels | match) / sum_c share_c * P(levels | strangers c)
    P(levels | c) = prod_{k agrees by itself in c} m_k * prod_{other k} u_k

so that ``log2 odds = log2 share_match - log2 sum_c share_c 2^-W_c`` with ``W_c`` the bits of the comparisons that do
not agree by themselves in c. Pairs outside the blocks are taken as no match, which makes the sums over the pairs
found those of expectation maximisation over all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PSEUDO_PAIRS = 12.0
"""True pairs that the expected shares of levels stand for beside those found."""
FIRST_DUPLICATES = 0.1
"""True pairs a record, before any data."""
ITERATIONS = 25
CLOSE = 2e-4
LEAST_U = 1e-7


@dataclass(frozen=True)
class Shares:
    """Of all pairs, the share that match (within a system, and across) and that of each kind of strangers."""

    match: tuple[float, float]
    strangers: tuple[float, ...]


@dataclass(frozen=True)
class Observed:
    """Pairs of a sample: levels, what frequent values take away by kind of strangers, whether across systems.

    `times` is how many pairs each stands for; `totals` the number of all pairs within systems and across; `apart`
    (kinds, comparisons) says which comparisons do not agree by themselves.
    """

    level: NDArray[np.int8]
    adjust: Floats
    across: NDArray[np.bool_]
    times: Floats
    totals: tuple[float, float]
    apart: NDArray[np.bool_]


@dataclass(frozen=True)
class Fitted:
    """What was learned: m and u of each comparison's levels, shares, and true pairs that stood behind it."""

    m: tuple[Floats, ...]
    u: tuple[Floats, ...]
    shares: Shares
    matches: float


def bits_of(m: Floats, u: Floats) -> Floats:
    """Return log2 of m over u, the last level (`differ`) never for, the first never against."""
    bits: Floats = np.log2(m / u)
    bits[0] = max(bits[0], 0.0)
    bits[-1] = min(bits[-1], -0.05)
    return bits


def sum_levels(level: NDArray[np.int8], bits: tuple[Floats, ...], apart: NDArray[np.bool_]) -> Floats:
    """Return (pairs, kinds): the bits of the comparisons apart in each kind; a level of -1 says nothing."""
    each = np.zeros(level.shape, dtype=np.float64)
    for k, b in enumerate(bits):
        each[:, k] = np.append(b, 0.0)[level[:, k]]
    total: Floats = each @ apart.T.astype(np.float64)
    return total


def against_strangers(weight: Floats, shares: tuple[float, ...]) -> Floats:
    """Return log2 of the likelihood of each pair among strangers over that among matches, by shares of the kinds."""
    known = np.log2(np.maximum(np.array(shares), 1e-300))
    terms = known[None, :] - weight
    top = terms.max(axis=1)
    found: Floats = top + np.log2(np.exp2(terms - top[:, None]).sum(axis=1))
    return found


def log_odds(weight: Floats, across: NDArray[np.bool_], shares: Shares) -> Floats:
    """Return log2 odds that each pair is one customer."""
    prior = np.log2(np.where(across, shares.match[1], shares.match[0]))
    found: Floats = prior - against_strangers(weight, shares.strangers)
    return found


def probability(odds: Floats) -> Floats:
    """Return the probability of log2 odds."""
    found: Floats = 1.0 / (1.0 + np.exp2(-np.clip(odds, -500, 500)))
    return found


def first_shares(totals: tuple[float, float], records: int, kinds: int) -> Shares:
    """Return shares before any data."""
    pairs = max(sum(totals), 1.0)
    match = min(0.5, FIRST_DUPLICATES * records / pairs)
    other = min(0.01, 0.02 * records / pairs)
    rest = (other,) * (kinds - 1)
    return Shares((match, match), (1.0 - sum(rest), *rest))


def fit_mixture(
    seen: Observed, m: tuple[Floats, ...], u: tuple[Floats, ...], expected: tuple[Floats, ...], shares: Shares
) -> Fitted:
    """Return m, u and shares by expectation maximisation from a start.

    u is what was measured on random pairs, less what matches among them made of it; only m and the shares iterate.
    """
    fitted = Fitted(m, u, shares, 0.0)
    for _ in range(ITERATIONS):
        bits = tuple(bits_of(mk, uk) for mk, uk in zip(fitted.m, fitted.u, strict=True))
        weight = sum_levels(seen.level, bits, seen.apart) + seen.adjust
        match, strangers = _responsibility(weight, seen.across, fitted.shares)
        times = match * seen.times
        before = fitted.m
        fitted = replace(
            _maximise(seen, times, u, expected),
            shares=_shares(times, strangers * seen.times[:, None], seen),
            matches=float(times.sum()),
        )
        if max(float(np.abs(a - b).max()) for a, b in zip(before, fitted.m, strict=True)) < CLOSE:
            break
    return fitted


def _responsibility(weight: Floats, across: NDArray[np.bool_], shares: Shares) -> tuple[Floats, Floats]:
    odds = log_odds(weight, across, shares)
    match = probability(odds)
    terms = np.log2(np.maximum(np.array(shares.strangers), 1e-300))[None, :] - weight
    terms = np.exp2(terms - terms.max(axis=1)[:, None])
    return match, (1.0 - match)[:, None] * terms / terms.sum(axis=1)[:, None]


def _maximise(seen: Observed, times: Floats, u: tuple[Floats, ...], expected: tuple[Floats, ...]) -> Fitted:
    share = times.sum() / max(sum(seen.totals), 1.0)
    ms, us = [], []
    for k, (uk, prior) in enumerate(zip(u, expected, strict=True)):
        level = seen.level[:, k]
        known = level >= 0
        count = np.bincount(level[known], weights=times[known], minlength=len(uk))
        mk = (count + PSEUDO_PAIRS * prior) / (count.sum() + PSEUDO_PAIRS)
        ms.append(mk)
        left = np.maximum(uk - share * mk, np.maximum(0.02 * uk, LEAST_U))
        us.append(left / left.sum())
    return Fitted(tuple(ms), tuple(us), Shares((0.0, 0.0), ()), 0.0)


def _shares(times: Floats, strangers: Floats, seen: Observed) -> Shares:
    total = max(sum(seen.totals), 1.0)
    match = []
    for side, pairs in zip((False, True), seen.totals, strict=True):
        found = float(times[seen.across == side].sum())
        match.append(float(np.clip((found + 0.05) / max(pairs, 1.0), 1e-14, 0.5)) if pairs else 1e-14)
    rest = np.clip((strangers.sum(axis=0)[1:] + 0.05) / total, 1e-14, 0.2)
    return Shares((match[0], match[1]), (float(1.0 - rest.sum()), *(float(x) for x in rest)))
