"""Mixed membership of customers in needs groups: the fit, and the membership of anybody.

Why it exists: people share needs without being one type, so each customer has weights in all groups and each group
its own shares in what is bought, when, how and at what price. The fit reads a bounded sample; membership is worked
out one customer at a time. Sums run in a fixed order and no matrix product is left to a library that orders them by
the size of the batch, so a customer has the same bits alone and among a million. How many groups there are is not
decided here.

References
----------
Hofmann (1999), "Probabilistic latent semantic indexing", equations 3 to 6: the two steps of the fit. Blei, Ng &
Jordan (2003), "Latent Dirichlet allocation", and Erosheva, Fienberg & Lafferty (2004), "Mixed-membership models of
scientific publications": one membership over several kinds of data. Asuncion et al. (2009), "On smoothing and
inference for topic models", equation 9: the pseudo-counts of the maximum a posteriori.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from rapport.core.keys import uniform
from rapport.differentiate.needs_counts import Counts, Floats, Integers

OWN_EVIDENCE: Final = 2.0
"""Purchases that the shares of the groups among all customers weigh in a customer's membership."""

GROUP_EVIDENCE: Final = 50.0
"""Purchases that the shares of all customers weigh in a group's profile, per view."""

FOLD_ROUNDS: Final = 40
"""Rounds that find a membership; always as many, so that it does not depend on anybody else."""

STARTS: Final = 3
START_ROUNDS: Final = 8
"""Starts of a fit, and the rounds after which the best of them is carried on."""

ENOUGH: Final = 5e-6
"""Gain of a round, as a share of the log-likelihood, below which a fit ends."""

_TINY: Final = 1e-300


@dataclass(frozen=True)
class Groups:
    """Needs groups as shares.

    Attributes
    ----------
    share : float64 array, shape (k,)
        Of each group among the customers, sums to 1.
    profile : float64 array, shape (k, V)
        Share of each feature in its view, in the group; above 0, sums to 1 in each view.
    """

    share: Floats
    profile: Floats

    @property
    def k(self) -> int:
        """Return how many groups there are."""
        return len(self.share)


def fold_in(counts: Counts, groups: Groups, rounds: int = FOLD_ROUNDS) -> Floats:
    """Return the membership of customers, each worked out alone.

    Parameters
    ----------
    counts : Counts of n customers, as evidence
    groups : Groups

    Returns
    -------
    float64 array, shape (n, k); rows sum to 1. Without evidence it is the shares of the groups.
    """
    member = np.repeat(groups.share[None, :], counts.customers, axis=0)
    if groups.k == 1 or not len(counts.value):
        return member
    spread = groups.profile[:, counts.column]
    by_feature = np.ascontiguousarray(groups.profile.T)
    for _ in range(rounds):
        ratio = _sparse(counts, counts.value / _mix(counts, member, spread))
        member = _normal(member * (ratio @ by_feature) + OWN_EVIDENCE * groups.share)
    return member


def chances(counts: Counts, member: Floats, profile: Floats) -> Floats:
    """Return the chance of each entry of the counts under its customer's membership, shape (m,).

    Parameters
    ----------
    counts : Counts of n customers over V features
    member : float64 array, shape (n, k)
    profile : float64 array, shape (k, V)
    """
    return _mix(counts, member, profile[:, counts.column])


def _mix(counts: Counts, member: Floats, spread: Floats) -> Floats:
    """Return sum_k member x spread for each entry, added group by group: the sum has one order for every batch."""
    times = np.diff(counts.start)
    chance = np.full(len(counts.value), _TINY)
    for group, profile in enumerate(spread):
        part = np.repeat(member[:, group], times)
        part *= profile
        chance += part
    return chance


def _sparse(counts: Counts, values: Floats) -> Any:
    """Return values at the entries as a sparse matrix: its products add up entry by entry, in the order of a row."""
    from scipy.sparse import csr_matrix

    return csr_matrix((values, counts.column, counts.start), shape=(counts.customers, counts.features))


def _normal(weights: Floats) -> Floats:
    """Return rows scaled to 1, their sums added group by group."""
    total = np.zeros(len(weights))
    for column in weights.T:
        total = total + column
    return np.asarray(weights / total[:, None])


def fit_groups(counts: Counts, base: Floats, views: Sequence[slice], k: int, salt: str, rounds: int = 60) -> Groups:
    """Return k needs groups fitted to the evidence of customers, the largest first.

    Parameters
    ----------
    counts : Counts of n customers, as evidence
    base : float64 array, shape (V,)
        Share of each feature in its view, over all customers.
    views : sequence of slices
    k : int
        At least 1.
    salt : str
        Seed of the start; the same data and salt give the same groups.
    rounds : int
        Rounds of expectation maximisation at most.

    Notes
    -----
    With x the evidence, w the membership, p the profiles, s their shares and q_ivk = w_ik p_kv / sum_j w_ij p_jv:
    w_ik ~ sum_v x_iv q_ivk + a s_k,  p_kv ~ sum_i x_iv q_ivk + b base_v in each view,  s_k = mean_i w_ik; a and b are
    `OWN_EVIDENCE` and `GROUP_EVIDENCE`.
    """
    if k == 1:
        return Groups(np.ones(1), base[None, :].copy())
    best, reached = None, -np.inf
    for start in range(STARTS):
        groups = _start(counts, base, views, k, f"{salt}/{k}/{start}")
        member = np.repeat(groups.share[None, :], counts.customers, axis=0)
        for _ in range(START_ROUNDS):
            groups, member, fit = _round(counts, groups, member, base, views)
        if fit > reached:
            best, reached = (groups, member), fit
    assert best is not None
    groups, member = best
    for _ in range(rounds):
        groups, member, fit = _round(counts, groups, member, base, views)
        if fit - reached < ENOUGH * abs(fit):
            break
        reached = fit
    order = np.argsort(-groups.share, kind="stable")
    return Groups(groups.share[order], groups.profile[order])


def _round(
    counts: Counts, groups: Groups, member: Floats, base: Floats, views: Sequence[slice]
) -> tuple[Groups, Floats, float]:
    """Return groups and membership after one round, and the log-likelihood before it."""
    chance = _mix(counts, member, groups.profile[:, counts.column])
    fit = float((counts.value * np.log(chance)).sum())
    ratio = _sparse(counts, counts.value / chance)
    pull = ratio @ np.ascontiguousarray(groups.profile.T)
    profile = groups.profile * (ratio.T @ member).T + GROUP_EVIDENCE * base
    for where in views:
        profile[:, where] /= profile[:, where].sum(axis=1, keepdims=True)
    member = _normal(member * pull + OWN_EVIDENCE * groups.share)
    return Groups(member.sum(axis=0) / counts.customers, profile), member, fit


def expected_counts(counts: Counts, member: Floats, groups: Groups) -> Floats:
    """Return how much of the evidence for each feature each group accounts for, shape (k, V)."""
    ratio = _sparse(counts, counts.value / chances(counts, member, groups.profile))
    return np.asarray(groups.profile * (ratio.T @ member).T)


def _start(counts: Counts, base: Floats, views: Sequence[slice], k: int, salt: str) -> Groups:
    """Return groups around customers that are unlike each other, by k-means++ in the geometry of Hellinger.

    Arthur & Vassilvitskii (2007): each next seed is drawn with a chance by its squared distance to the nearest.
    """
    from scipy.sparse import csr_matrix

    total = np.maximum(counts.totals(), _TINY)
    points = _sparse(counts, np.sqrt(counts.value / total[counts.row]))
    draws = uniform(np.arange(k, dtype=np.int64), f"{salt}/seeds")
    long = counts.totals() > 0
    near = np.where(long, 1.0, 0.0)
    centres = np.empty((k, counts.features))
    for number in range(k):
        chance = np.cumsum(near)
        at = int(np.searchsorted(chance, draws[number] * chance[-1], side="right"))
        centres[number] = points[min(at, counts.customers - 1)].toarray()[0]
        gap = np.maximum(1.0 + centres[number] @ centres[number] - 2.0 * (points @ centres[number]), 0.0)
        near = np.where(long, gap if number == 0 else np.minimum(near, gap), 0.0)
        if not near.sum() > 0:
            near = np.where(long, 1.0, 0.0)
    own = _nearest(points, centres)
    for _ in range(6):
        sizes = np.maximum(np.bincount(own, minlength=k), 1)
        pick = csr_matrix((np.ones(len(own)), (own, np.arange(len(own)))), shape=(k, len(own)))
        centres = (pick @ points).toarray() / sizes[:, None]
        own = _nearest(points, centres)
    profile = np.empty((k, counts.features))
    for group in range(k):
        mine = own[counts.row] == group
        profile[group] = np.bincount(counts.column[mine], weights=counts.value[mine], minlength=counts.features)
    profile += GROUP_EVIDENCE * base
    for where in views:
        profile[:, where] /= profile[:, where].sum(axis=1, keepdims=True)
    share = np.bincount(own, minlength=k) + 1.0
    return Groups(share / share.sum(), profile)


def _nearest(points: Any, centres: Floats) -> Integers:
    gap = (centres * centres).sum(axis=1)[None, :] - 2.0 * (points @ centres.T)
    return np.asarray(gap).argmin(axis=1).astype(np.int64)
