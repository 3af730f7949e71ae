"""Effects of a turn per tier and sub-segment, and where they point in opposite directions.

Why it exists: what helps one age or tier can harm another, and an average effect shows neither. No table and no
engine may enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rapport.measure.disagreement import ALPHA, holm
from rapport.measure.means import LEVEL, Estimate, difference_of
from rapport.measure.segments import TIERS, Segmented


@dataclass(frozen=True)
class Arms:
    """Who was treated and who was left alone, arrays of shape (n,); who is in neither is not measured."""

    tiers: NDArray[np.str_]
    treated: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    household_keys: NDArray[np.int64]


@dataclass(frozen=True)
class Effect:
    """Treated less held-out in one group: a tier alone where `trait` is empty; counts are of customers."""

    trait: str
    label: str
    tier: str
    treated: int
    held_out: int
    estimate: Estimate


@dataclass(frozen=True)
class Opposed:
    """Two groups whose effects have opposite signs beyond chance, after Holm's correction."""

    one: Effect
    other: Effect
    adjusted_p: float


def effects_of(values: NDArray[np.float64], arms: Arms, segments: Sequence[Segmented]) -> tuple[Effect, ...]:
    """Return the effect in each tier, then in each sub-segment of each tier; groups without customers are left out.

    Parameters
    ----------
    values : float array, shape (n,)
        What is compared, such as the contribution of each customer in micros.

    Returns
    -------
    tuple of Effect
        Intervals are Welch's over households; a group with fewer than `means.FEWEST` households in an arm has the
        status TOO_FEW_CUSTOMERS and no interval.
    """
    found = [_effect(values, arms, ("", "", tier), arms.tiers == tier) for tier in TIERS]
    for cut in segments:
        for tier in TIERS:
            for place, label in enumerate(cut.labels):
                inside = (arms.tiers == tier) & (cut.code == place)
                found.append(_effect(values, arms, (cut.trait, label, tier), inside))
    return tuple(e for e in found if e.treated or e.held_out)


def _effect(
    values: NDArray[np.float64], arms: Arms, names: tuple[str, str, str], inside: NDArray[np.bool_]
) -> Effect:
    treated, held_out = inside & arms.treated, inside & arms.held_out
    households = arms.household_keys[treated], arms.household_keys[held_out]
    estimate = difference_of(values[treated], values[held_out], households)
    return Effect(*names, int(treated.sum()), int(held_out.sum()), estimate)


def opposed(effects: Sequence[Effect], alpha: float = ALPHA) -> tuple[int, tuple[Opposed, ...]]:
    """Return how many pairs were compared, and those with effects of opposite signs beyond chance.

    Compared are any two tiers, and each sub-segment of a tier with its tier, where both have an interval. A pair is
    opposed if both effects differ from zero and their signs do: its p-value is the larger of the two (an
    intersection-union test, Berger 1982), 1 where the signs agree, adjusted by `disagreement.holm` over all pairs.
    """
    known = [e for e in effects if e.estimate.low is not None]
    tiers = [e for e in known if not e.trait]
    pairs = list(combinations(tiers, 2))
    pairs += [(t, e) for e in known if e.trait for t in tiers if t.tier == e.tier]
    p_values = [_p_of_pair(one.estimate, other.estimate) for one, other in pairs]
    adjusted = holm(p_values)
    return len(pairs), tuple(
        Opposed(one, other, p) for (one, other), p in zip(pairs, adjusted, strict=True) if p <= alpha
    )


def _p_of_pair(one: Estimate, other: Estimate) -> float:
    if (one.value or 0.0) * (other.value or 0.0) >= 0:
        return 1.0
    return max(_p_of(one), _p_of(other))


def _p_of(estimate: Estimate) -> float:
    """Return the two-sided p-value that belongs to an interval.

    The half-width is read as a normal one. It is Student's and so a little wider: the p-value errs on the safe side.
    """
    from scipy.special import ndtr, ndtri

    if estimate.value is None or estimate.low is None or estimate.high is None:
        return 1.0
    half = (estimate.high - estimate.low) / 2
    if half == 0.0:
        return 0.0 if estimate.value else 1.0
    return 2.0 * float(ndtr(-abs(estimate.value) / half * float(ndtri(0.5 + LEVEL / 2))))
