"""From which odds on a pair is taken for one customer, and which pairs a person should see.

Why it exists: a wrong merge costs more than a missed one, and how much more the company says. Nothing is read here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rapport.program.identify import Identify


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
