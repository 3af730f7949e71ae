"""How many needs groups there are: as many as are found again, and foretell what was not seen.

Why it exists: any method gives as many groups as it is asked for. A number is admitted where the same groups come
out of two halves of the customers, and where they foretell the last weeks of customers they were not fitted to
better than popularity does. One group is an answer. No names and no files may enter.

References
----------
Ben-Hur, Elisseeff & Guyon (2002), "A stability based method for discovering structure in clustered data": fits to
parts of the data that must agree. Wallach et al. (2009), "Evaluation methods for topic models": held-out likelihood
given a part of each document. Breiman et al. (1984), the rule of one standard error. Hubert & Arabie (1985),
"Comparing partitions", the adjusted Rand index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform
from rapport.differentiate.needs_counts import Counts, Floats, Integers, Vocabulary, evidence, shares
from rapport.differentiate.needs_fit import Groups, chances, fit_groups, fold_in
from rapport.differentiate.needs_model import ComparedNumber, HeldOut
from rapport.differentiate.needs_sql import WHAT

LEAST_STABILITY: Final = 0.7
"""Cosine that the least stable group of a number must reach."""

LEAST_MEMBERSHIP: Final = 0.7
"""Correlation of customers' weights that a number must reach."""

PAIRS: Final = 2
"""Pairs of halves that each number is fitted to."""

HOPELESS: Final = 0.5
"""Stability in the first pair of halves below which a number is not fitted to another."""

FIT_ROUNDS: Final = 40
"""Rounds of a fit while numbers are compared."""

PRIORS: Final = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Purchases that popularity may weigh in personal frequency; the one that suits the held-out best is taken."""

FOLD_ROUNDS: Final = 12
"""Rounds that find a membership while numbers are compared."""

_Z: Final = 1.959964


@dataclass(frozen=True)
class Split:
    """Counts of the sample before and in the held-out end of the known time, over one vocabulary.

    `keys` (n,) are the customers; `days` how long the held-out end is.
    """

    keys: Integers
    vocabulary: Vocabulary
    before: Counts
    later: Counts
    days: int


@dataclass(frozen=True)
class _Judge:
    """The held-out purchases and what is compared with the groups; arrays over held-out entries unless said."""

    later: Counts
    popular: Floats
    own: Floats
    owned: Floats
    prior: float
    unseen_mass: Floats
    seen: Counts
    popularity: Floats
    held_out: HeldOut

    def gain(
        self, chance: Floats, against: Floats, rows: NDArray[np.bool_] | None = None
    ) -> tuple[float, float, float]:
        """Return the mean gain of a purchase in nats with its 95 % interval over customers (a ratio of means)."""
        value = self.later.value if rows is None else self.later.value * rows
        n = np.bincount(self.later.row, weights=value, minlength=self.later.customers)
        told = value * (np.log(chance) - np.log(against))
        by = np.bincount(self.later.row, weights=told, minlength=self.later.customers)
        total = n.sum()
        if total <= 0:
            return 0.0, 0.0, 0.0
        mean = by.sum() / total
        error = _Z * float(np.sqrt(((by - mean * n) ** 2).sum())) / total
        return float(mean), float(mean - error), float(mean + error)


def choose_number(split: Split, most: int, salt: str, told: Callable[[], None] = lambda: None) -> Chosen:
    """Return every number of groups tried with its figures, and the one that is chosen.

    Parameters
    ----------
    split : Split
    most : int
        Largest number to try.
    salt : str
        Seed of halves and starts.
    told : callable
        Called after each number.

    Returns
    -------
    Chosen
        Among the numbers whose groups are stable and whose gain over popularity has an interval above 0, the smallest
        whose gain is within one standard error of the largest gain among them; 1 where there is none.
    """
    judge = _judge(split)
    compared = [_one()]
    for k in range(2, most + 1):
        compared.append(_compare(split, judge, k, salt))
        told()
    admitted = [c for c in compared[1:] if c.stable and c.gain_low > 0]
    k = 1
    if admitted:
        best = max(admitted, key=lambda c: c.gain)
        floor = best.gain - (best.gain_high - best.gain) / _Z
        k = next(c.k for c in admitted if c.gain >= floor)
    return Chosen(k, tuple(replace(c, chosen=c.k == k) for c in compared), judge.held_out)


@dataclass(frozen=True)
class Chosen:
    """The number of groups, and all that it was chosen among."""

    k: int
    compared: tuple[ComparedNumber, ...]
    held_out: HeldOut


def figures_of(split: Split, k: int, salt: str) -> Chosen:
    """Return one number of groups, which somebody else has chosen, with its figures."""
    judge = _judge(split)
    found = [_one()] + ([_compare(split, judge, k, salt)] if k > 1 else [])
    return Chosen(k, tuple(replace(c, chosen=c.k == k) for c in found), judge.held_out)


def _judge(split: Split) -> _Judge:
    where = split.vocabulary.views[WHAT]
    seen, later = split.before.of_view(where), split.later.of_view(where)
    total = np.bincount(seen.column, weights=seen.value, minlength=seen.features)
    popularity = (total + 0.5) / (total.sum() + 0.5 * len(total))
    popular = popularity[later.column]
    # The place of each held-out entry among the customer's own earlier purchases, by one number for each pair.
    mine, asked = (c.row * np.int64(seen.features) + c.column for c in (seen, later))
    at = np.minimum(np.searchsorted(mine, asked), max(len(mine) - 1, 0))
    there = (mine[at] == asked) if len(mine) else np.zeros(len(asked), dtype=np.bool_)
    own = np.where(there, seen.value[at] if len(mine) else 0.0, 0.0)
    owned = seen.totals()[later.row]
    seen_mass = np.bincount(seen.row, weights=popularity[seen.column], minlength=seen.customers)
    purchases = float(later.value.sum())
    judge = _Judge(
        later=later,
        popular=popular,
        own=own,
        owned=owned,
        prior=PRIORS[0],
        unseen_mass=np.maximum(1.0 - seen_mass, 1e-12),
        seen=seen,
        popularity=popularity,
        held_out=HeldOut(
            days=split.days,
            customers=int((later.totals() > 0).sum()),
            purchases=int(purchases),
            popularity=float((later.value * np.log(popular)).sum() / purchases) if purchases else 0.0,
            personal=0.0,
            personal_low=0.0,
            personal_high=0.0,
        ),
    )
    gains = [judge.gain(_personal(judge, popular, prior), popular) for prior in PRIORS]
    best = int(np.argmax([g[0] for g in gains]))
    mean, low, high = gains[best]
    held_out = replace(judge.held_out, personal=mean, personal_low=low, personal_high=high)
    return replace(judge, prior=PRIORS[best], held_out=held_out)


def _personal(judge: _Judge, chance: Floats, prior: float) -> Floats:
    return (judge.own + prior * chance) / (judge.owned + prior)


def _one() -> ComparedNumber:
    return ComparedNumber(1, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, stable=True, chosen=False)


def _compare(split: Split, judge: _Judge, k: int, salt: str) -> ComparedNumber:
    """Return the figures of a number: what its fits to the two halves agree in, and what each foretells of the
    other."""
    words = split.vocabulary
    known = evidence(split.before, words)
    figures = [_pair(split, judge, known, k, f"{salt}/pair 0")]
    # One pair shows that groups are not found again; that they are takes more.
    others = range(1, PAIRS) if figures[0][0] >= HOPELESS else ()
    figures += [_pair(split, judge, known, k, f"{salt}/pair {pair}") for pair in others]
    stability, membership, rand = (float(np.mean([f[i] for f in figures])) for i in range(3))
    chance = np.exp(np.mean([np.log(f[3]) for f in figures], axis=0))
    fresh = np.exp(np.mean([np.log(f[4]) for f in figures], axis=0))
    gain = judge.gain(chance, judge.popular)
    new = judge.gain(fresh, judge.popular / judge.unseen_mass[judge.later.row], judge.own == 0)
    over = judge.gain(_personal(judge, chance, judge.prior), _personal(judge, judge.popular, judge.prior))
    stable = stability >= LEAST_STABILITY and membership >= LEAST_MEMBERSHIP
    return ComparedNumber(k, stability, membership, rand, *gain, new[0], *over, stable=stable, chosen=False)


def _pair(
    split: Split, judge: _Judge, known: Counts, k: int, salt: str
) -> tuple[float, float, float, Floats, Floats]:
    """Fit two halves; return stability, membership, adjusted Rand, and chances of the held-out, all and new
    things."""
    words = split.vocabulary
    half = uniform(split.keys, salt) < 0.5
    base = shares(known, words)
    views = list(words.views.values())
    fitted = [fit_groups(known.of_rows(rows), base, views, k, salt, FIT_ROUNDS) for rows in (half, ~half)]
    member = [fold_in(known, groups, FOLD_ROUNDS) for groups in fitted]
    other, cosine = match_groups(fitted[0], fitted[1], base, words)
    again = member[1][:, other]
    alike = float(np.mean([_correlation(member[0][:, g], again[:, g]) for g in range(k)]))
    rand = adjusted_rand(member[0].argmax(axis=1), again.argmax(axis=1))
    where = words.views[WHAT]
    # Each customer is foretold by the half that they are not of.
    total, fresh = np.empty(len(judge.later.value)), np.empty(len(judge.later.value))
    for weights, groups, rows in ((member[1], fitted[1], half), (member[0], fitted[0], ~half)):
        tilted = groups.profile[:, where] / base[where] * judge.popularity
        tilted /= tilted.sum(axis=1, keepdims=True)
        mine = rows[judge.later.row]
        chance = chances(judge.later, weights, tilted)
        seen = np.bincount(
            judge.seen.row, weights=chances(judge.seen, weights, tilted), minlength=judge.seen.customers
        )
        total[mine] = chance[mine]
        fresh[mine] = (chance / np.maximum(1.0 - seen, 1e-12)[judge.later.row])[mine]
    return float(cosine.min()), alike, rand, total, fresh


def match_groups(one: Groups, two: Groups, base: Floats, words: Vocabulary) -> tuple[Integers, Floats]:
    """Return for each group of the first the group of the second that is the same, and the cosine of the two.

    Profiles are compared as deviations from those of everyone, (p - base) / sqrt(base), in the view ``what``; the
    pairing is the one with the largest sum of cosines. Groups without a partner have -1 and a cosine of 0.
    """
    from scipy.optimize import linear_sum_assignment

    where = words.views[WHAT]
    apart = [_unit((g.profile[:, where] - base[where]) / np.sqrt(base[where])) for g in (one, two)]
    cosine = (apart[0][:, None, :] * apart[1][None, :, :]).sum(axis=2)
    rows, columns = linear_sum_assignment(-cosine)
    partner, found = np.full(one.k, -1, dtype=np.int64), np.zeros(one.k)
    partner[rows] = columns
    found[rows] = cosine[rows, columns]
    return partner, found


def _unit(rows: Floats) -> Floats:
    length = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-9)


def _correlation(x: Floats, y: Floats) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 1e-12 else 0.0


def adjusted_rand(one: Integers, two: Integers) -> float:
    """Return the agreement of two groupings of the same customers beyond chance (Hubert & Arabie 1985, equation 5).

    Parameters
    ----------
    one, two : int arrays, shape (n,)
        Group of each customer, numbered from 0; the numbers need not be the same in both.

    Returns
    -------
    float
        At most 1, which means the same groups; 0 is what chance gives. 1 where both have a single group.
    """
    if not len(one):
        return 1.0
    table = np.zeros((int(one.max()) + 1, int(two.max()) + 1))
    np.add.at(table, (one, two), 1.0)

    def pairs(x: Floats) -> float:
        return float((x * (x - 1.0)).sum() / 2.0)

    rows, columns = pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    n = float(len(one))
    expected = rows * columns / max(n * (n - 1.0) / 2.0, 1.0)
    top = (rows + columns) / 2.0
    return 1.0 if top == expected else (pairs(table) - expected) / (top - expected)
