"""Where a sub-segment of a tier says the opposite of the whole: found by rule, and only where chance is ruled out.

Why it exists: a group that is worth more than the others over all customers can be worth less inside a tier
(Simpson 1951); who plans by tier and reads only the total does the wrong thing there. Many groups are compared, so
some differ by chance alone; that is corrected for. No table and no engine may enter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from rapport.measure.means import FEWEST, LEVEL
from rapport.measure.segments import TIERS, Segmented

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ALPHA: Final = 1.0 - LEVEL
"""Chance that anything at all is pointed out where nothing disagrees."""


@dataclass(frozen=True)
class Tested:
    """A mean, or a difference of two, with its 95 % interval and two-sided p-value; NaN where it cannot be had."""

    value: float
    low: float
    high: float
    p: float


NOT_TESTED: Final = Tested(math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Disagreement:
    """One sub-segment that says the opposite in one tier.

    Attributes
    ----------
    kind : 'ordering' or 'sign'
        `ordering`: over all customers its mean differs from that of the other values of the trait one way, in the
        tier the other way. `sign`: its mean in the tier is on the other side of zero than the mean of the tier.
    measure, trait, label, tier : str
    whole : Tested
        Of `ordering` the difference over all customers; of `sign` the mean of the tier.
    within : Tested
        The same in the tier; of `sign` the mean of the sub-segment in the tier.
    adjusted_p : float
        After Holm's correction over every comparison of the report.
    everywhere : bool
        Of `ordering`: so it is in every tier in which it can be told at all, and in two at least, which is Simpson's
        paradox in full.
    """

    kind: Literal["ordering", "sign"]
    measure: str
    trait: str
    label: str
    tier: str
    whole: Tested
    within: Tested
    adjusted_p: float
    everywhere: bool = False


@dataclass(frozen=True)
class Compared:
    """How many claims were tested, and those that stand."""

    tests: int
    found: tuple[Disagreement, ...]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for all of them being looked at (Holm 1979), in their order, at most 1.

    The chance that any true null hypothesis has an adjusted value at or below alpha is at most alpha, however the
    tests depend on each other.
    """
    m = len(p_values)
    out, highest = [0.0] * m, 0.0
    for place, i in enumerate(sorted(range(m), key=lambda i: (p_values[i], i))):
        highest = max(highest, min((m - place) * p_values[i], 1.0))
        out[i] = highest
    return out


def disagreements(
    measures: Mapping[str, Floats],
    tiers: NDArray[np.str_],
    segments: Sequence[Segmented],
    household_keys: NDArray[np.int64],
    alpha: float = ALPHA,
) -> Compared:
    """Return the sub-segments that say the opposite within a tier.

    A claim holds only if two things do: the whole lies on one side, the part on the other. Each is tested two-sided
    by Student's t over households; the p-value of the claim is the larger of the two (an intersection-union test,
    Berger 1982), and 1 where the sides agree. Claims of all measures, traits, values, tiers and kinds are one family,
    in which `holm` adjusts. Groups with fewer than `means.FEWEST` households are not compared, nor counted as tests.

    Parameters
    ----------
    measures : mapping of str to float array, shape (n,)
    tiers : array of 'A', 'B', 'C', shape (n,)
    segments : sequence of Segmented
    household_keys : int64 array, shape (n,)
        Customers of one household are not independent.
    alpha : float
        Largest adjusted p-value at which a claim stands.

    References
    ----------
    Simpson (1951), J. R. Stat. Soc. B 13(2); Holm (1979), Scand. J. Stat. 6(2); Berger (1982), Technometrics 24(4).
    """
    row = np.unique(household_keys, return_inverse=True)[1]
    in_tier = {t: tiers == t for t in TIERS}
    claims = []
    for measure, values in measures.items():
        asked = _Asked(values.astype(np.float64), row)
        means = {t: asked.mean(in_tier[t]) for t in TIERS}
        for cut in segments:
            valid = np.array(cut.tested, dtype=np.bool_)[cut.code] if len(cut.code) else np.zeros(0, dtype=np.bool_)
            for place in np.flatnonzero(cut.tested).tolist():
                inside = cut.code == place
                names = (measure, cut.trait, cut.labels[place])
                claims += _ordering(asked, inside, valid & ~inside, in_tier, names)
                claims += _sign(asked, inside, in_tier, means, names)
    adjusted = holm([_p(c) for c in claims])
    standing = [_with_p(c, p) for c, p in zip(claims, adjusted, strict=True) if p <= alpha]
    return Compared(len(claims), tuple(_everywhere(standing, claims)))


Claim = Disagreement
"""A disagreement before it is known whether it stands; `adjusted_p` is not yet meant."""


def _p(claim: Claim) -> float:
    opposite = claim.whole.value * claim.within.value < 0
    return max(claim.whole.p, claim.within.p) if opposite else 1.0


def _with_p(claim: Claim, p: float) -> Disagreement:
    c = claim
    return Disagreement(c.kind, c.measure, c.trait, c.label, c.tier, c.whole, c.within, p)


def _ordering(
    asked: _Asked, inside: Flags, others: Flags, in_tier: Mapping[str, Flags], names: tuple[str, str, str]
) -> list[Claim]:
    whole = asked.difference(inside, others)
    if math.isnan(whole.p):
        return []
    found = []
    for tier, here in in_tier.items():
        within = asked.difference(inside & here, others & here)
        if not math.isnan(within.p):
            found.append(Disagreement("ordering", *names, tier, whole, within, 1.0))
    return found


def _sign(
    asked: _Asked,
    inside: Flags,
    in_tier: Mapping[str, Flags],
    means: Mapping[str, Tested],
    names: tuple[str, str, str],
) -> list[Claim]:
    found = []
    for tier, here in in_tier.items():
        within = asked.mean(inside & here)
        if not math.isnan(within.p) and not math.isnan(means[tier].p):
            found.append(Disagreement("sign", *names, tier, means[tier], within, 1.0))
    return found


def _everywhere(standing: list[Disagreement], claims: list[Claim]) -> list[Disagreement]:
    """Mark the orderings that are turned round in every tier in which they could be compared."""

    def group(c: Disagreement) -> tuple[str, str, str, str]:
        return c.kind, c.measure, c.trait, c.label

    out = []
    for c in standing:
        compared = sum(group(x) == group(c) for x in claims)
        turned = sum(group(x) == group(c) for x in standing)
        whole = c.kind == "ordering" and compared >= 2 and turned == compared
        out.append(Disagreement(c.kind, c.measure, c.trait, c.label, c.tier, c.whole, c.within, c.adjusted_p, whole))
    return out


class _Asked:
    """Means and differences of one measure, with errors over households."""

    def __init__(self, values: Floats, row: NDArray[np.int64]) -> None:
        self._values, self._row = values, row
        # Where everybody is a household of their own there is nothing to add up.
        self._alone = len(row) == 0 or int(row.max()) + 1 == len(row)

    def mean(self, inside: Flags) -> Tested:
        """Return a mean against zero (mean of clusters of unequal size; Cochran 1977, section 9A.1)."""
        n, households = int(inside.sum()), self._households(inside)
        if households < FEWEST:
            return NOT_TESTED
        v = self._values[inside]
        mean = float(v.sum()) / n
        return self._tested(mean, self._by_household((v - mean) / n, inside), households, households)

    def difference(self, ours: Flags, theirs: Flags) -> Tested:
        """Return mean(ours) - mean(theirs); a household with members in both is counted once, with both.

        The difference is linear in what each household adds to it, so its variance is that of a sum over households
        (Cochran 1977, section 9A.1); degrees of freedom are those of the smaller group, which is on the safe side.
        """
        fewer = min(self._households(ours), self._households(theirs))
        if fewer < FEWEST:
            return NOT_TESTED
        both = ours | theirs
        v, mine = self._values[both], ours[both]
        n, m = int(mine.sum()), int((~mine).sum())
        mean, other = float(v[mine].sum()) / n, float(v[~mine].sum()) / m
        added = np.where(mine, (v - mean) / n, -(v - other) / m)
        return self._tested(mean - other, self._by_household(added, both), self._households(both), fewer)

    def _households(self, inside: Flags) -> int:
        return int(inside.sum()) if self._alone else int(np.count_nonzero(np.bincount(self._row[inside])))

    def _by_household(self, added: Floats, inside: Flags) -> Floats:
        return added if self._alone else np.bincount(self._row[inside], weights=added).astype(np.float64)

    def _tested(self, value: float, added: Floats, households: int, fewer: int) -> Tested:
        from scipy.special import stdtr, stdtrit

        error = math.sqrt(float(added @ added) * households / (households - 1))
        half = float(stdtrit(fewer - 1, 0.5 + LEVEL / 2)) * error
        if error == 0.0:
            return Tested(value, value, value, 1.0 if value == 0.0 else 0.0)
        return Tested(value, value - half, value + half, 2.0 * float(stdtr(fewer - 1, -abs(value) / error)))
