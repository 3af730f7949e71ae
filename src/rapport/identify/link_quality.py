"""How good links and clusters are: against a truth where there is one, and believed where there is none.

Why it exists: a right link and a right customer are different things, and both are judged. Arithmetic on arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Quality:
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Return the harmonic mean."""
        total = self.precision + self.recall
        return 2.0 * self.precision * self.recall / total if total else 0.0


def _pairs(sizes: Ints) -> float:
    return float((sizes * (sizes - 1) // 2).sum())


def _cells(found: Ints, truth: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return sizes of clusters, of entities, and cluster, entity and size of their overlaps."""
    _, f = np.unique(found, return_inverse=True)
    _, t = np.unique(truth, return_inverse=True)
    both, n = np.unique(f.astype(np.int64) * (int(t.max(initial=0)) + 1) + t, return_counts=True)
    width = int(t.max(initial=0)) + 1
    return np.bincount(f), np.bincount(t), both // width, both % width, n


def pairwise(found: Ints, truth: Ints) -> Quality:
    """Return the quality of the pairs that clusters imply; nothing linked is precise, nothing to link is found."""
    f, t, _, _, n = _cells(found, truth)
    right, linked, true = _pairs(n), _pairs(f), _pairs(t)
    return Quality(right / linked if linked else 1.0, right / true if true else 1.0)


def exact_clusters(found: Ints, truth: Ints) -> Quality:
    """Return shares of clusters, and of entities, of two or more records that are the other's exactly."""
    f, t, i, j, n = _cells(found, truth)
    same = (f[i] == n) & (t[j] == n) & (n > 1)
    linked, true = int((f > 1).sum()), int((t > 1).sum())
    return Quality(float(same.sum()) / linked if linked else 1.0, float(same.sum()) / true if true else 1.0)


def all_clusters(found: Ints, truth: Ints) -> Quality:
    """Return shares of clusters, and of entities, that are the other's exactly, those of one record too."""
    f, t, i, j, n = _cells(found, truth)
    same = float(((f[i] == n) & (t[j] == n)).sum())
    return Quality(same / len(f) if len(f) else 1.0, same / len(t) if len(t) else 1.0)


def b_cubed(found: Ints, truth: Ints) -> Quality:
    """Return B-cubed precision and recall (Bagga & Baldwin 1998): each record's overlap, on average."""
    f, t, i, j, n = _cells(found, truth)
    records = max(len(found), 1)
    return Quality(float((n * n / f[i]).sum()) / records, float((n * n / t[j]).sum()) / records)


def bootstrap_f1(found: Ints, truth: Ints, draws: int, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of pairwise F1 when entities are drawn again with replacement.

    Each entity brings its true pairs, the right ones, and half of the wrong ones its records are in.
    """
    f, t, i, j, n = _cells(found, truth)
    right = np.bincount(j, weights=n * (n - 1) / 2, minlength=len(t))
    true = t * (t - 1) / 2
    wrong = np.bincount(j, weights=n * (f[i] - n) / 2, minlength=len(t))
    found_f1 = []
    for draw in range(draws):
        drawn = (uniform(np.arange(len(t)), f"bootstrap {seed} {draw}") * len(t)).astype(np.int64)
        times = np.bincount(drawn, minlength=len(t))
        r, tr, w = float(times @ right), float(times @ true), float(times @ wrong)
        found_f1.append(2 * r / (r + w + tr) if r + w + tr else 1.0)
    low, high = np.quantile(found_f1, [0.025, 0.975])
    return float(low), float(high)


def blocking_recall(found: Ints, chance: Floats) -> float:
    """Return the estimated share of true pairs that the rules have found at all (Chao 1987).

    Parameters
    ----------
    found : array of int64
        Bits of the rules that found each pair.
    chance : array of float64
        Probability that the pair is true.

    Notes
    -----
    With f1 pairs found by one rule only and f2 by two, about f1^2 / (2 f2) were found by none. Rules overlap, which
    makes them dependent, so the estimate is a lower bound of what was missed.
    """
    times = np.bitwise_count(found)
    one, two = float(chance[times == 1].sum()), float(chance[times == 2].sum())
    seen = float(chance[times > 0].sum())
    missed = one * one / (2.0 * two) if two > 0 else one * max(one - 1.0, 0.0) / 2.0 / max(seen, 1.0)
    return seen / (seen + missed) if seen + missed > 0 else 1.0
