"""From which odds on a pair is taken for one customer, and which pairs a person should see.

Why it exists: a wrong merge costs more than a missed one, and how much more the company says. Nothing is read here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.program.identify import Identify

Floats = NDArray[np.float64]

BELIEVED_LOW = 0.6
"""Bits by which pairs just short of even odds are believed too little: the median over 17 labelled sets of people and
organisations, of pairs believed at 26 to 50 % (on average 37 %, and true in 47 %)."""


@dataclass(frozen=True)
class Thresholds:
    """Log2 odds: at or above `link` a pair counts for one customer; from `review` on a person may see it."""

    link: float
    review: float


def thresholds(settings: Identify) -> Thresholds:
    """Return the odds at which the expected cost of merging equals that of not merging, and where looking pays.

    Merging costs ``(1 - p) wrong``, leaving ``p missed``: equal at odds ``wrong / missed``. A pair left apart is
    worth a look from ``p missed > review`` on.
    """
    link = float(np.log2(settings.wrong_merge_cost / settings.missed_merge_cost))
    share = min(settings.review_cost / settings.missed_merge_cost, 0.999)
    return Thresholds(link, min(float(np.log2(share / (1.0 - share))), link))


def best_believed(chance: Floats, reach: float, known: Thresholds) -> Thresholds:
    """Return the threshold from which on F1 is believed best.

    Parameters
    ----------
    chance : array of float64
        Probability of each pair found.
    reach : float
        Share of the true pairs that are believed to be among them.
    known : Thresholds
        By costs; its `review` is the least that may come out, and its `link` stands where no pair was found.

    Notes
    -----
    Of the n likeliest pairs, F1 is believed to be ``2 sum(p) / (n + sum of all p / reach)``. A pair raises the best
    of these, F, where ``p > F / 2`` (Lipton, Elkan & Naryanaswamy 2014), less `BELIEVED_LOW`.
    """
    right = np.cumsum(np.sort(chance)[::-1])
    if not len(right) or right[-1] <= 0.0:
        return known
    best = float((2.0 * right / (np.arange(1, len(right) + 1) + right[-1] / reach)).max())
    link = max(float(np.log2(best / (2.0 - best))) - BELIEVED_LOW, known.review)
    return Thresholds(link, known.review)
