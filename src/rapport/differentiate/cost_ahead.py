"""What a yearly cost of serving comes to over a horizon, for as long as a customer stays.

Why it exists: who stops buying also stops being served, so a yearly cost is not simply multiplied by years. How long
a customer stays is read from the purchases that are expected. No amount of a purchase may enter.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rapport.differentiate.lifetime import purchases_if_alive
from rapport.differentiate.lifetime_model import LifetimeModel, Rows
from rapport.differentiate.likelihood import Floats

YEAR_DAYS: Final = 365.0


def cost_ahead(
    lifetime: LifetimeModel,
    rows: Rows,
    purchases: tuple[Floats, Floats],
    yearly_micros: Floats,
    horizon: tuple[float, float],
) -> Floats:
    """Return the discounted cost of serving over the horizon, shape (n,), micros.

    Parameters
    ----------
    lifetime : LifetimeModel
    rows : three float64 arrays, shape (n,)
        Frequency, recency, age, in the time unit of the model.
    purchases : two float64 arrays, shape (n,)
        Probability of being a customer still, and discounted purchases over the horizon of who is.
    yearly_micros : float64 array, shape (n,), >= 0
    horizon : two floats
        Days, and the rate of discount a day.

    Notes
    -----
    A customer who stays for good is served for ``(1 - exp(-r H)) / r`` discounted days. One who may leave makes
    D discounted purchases in the horizon and d on the first day; D / d is for how many days, at today's pace.
    """
    alive, discounted = purchases
    for_good = full_days(*horizon)
    first = purchases_if_alive(lifetime, rows, 1.0 / lifetime.unit_days)
    days = np.divide(discounted, first, out=np.full(first.shape, for_good), where=first > 0)
    return np.asarray(alive * np.minimum(days, for_good) * (yearly_micros / YEAR_DAYS))


def full_days(horizon_days: float, day_rate: float) -> float:
    """Return the discounted days of a horizon."""
    return horizon_days if day_rate <= 0 else float(-np.expm1(-day_rate * horizon_days) / day_rate)


def with_those_who_never_bought(ahead: Floats, known: NDArray[np.bool_], yearly: Floats, days: float) -> Floats:
    """Return the cost ahead, that of customers without a purchase at their own rate for the whole horizon."""
    return np.where(known, ahead, yearly / YEAR_DAYS * days)
