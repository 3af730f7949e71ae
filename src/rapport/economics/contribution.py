"""What an offer adds, customer by customer: extra purchases less the discount given away.

Why it exists: a response is not a gain. Who would have bought anyway takes the discount too, so an offer is
judged by the difference it makes. No prices of shared limits and no choice may enter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.core.money import round_micros


def with_offer_probability(base_probability: NDArray[np.float64], odds_ratio: float) -> NDArray[np.float64]:
    """Return the probability of buying when the offer is seen.

    Parameters
    ----------
    base_probability : float array, any shape, in [0, 1]
        Probability of buying the item within the validity without an offer.
    odds_ratio : float, at least 1
        Odds with the offer over odds without.

    Returns
    -------
    float array of the same shape, in [0, 1] and never below `base_probability`.

    Notes
    -----
    ``p1 = w p0 / (1 - p0 + w p0)``: a constant odds ratio keeps probabilities in range and lets an offer add
    little where nearly everybody, or nearly nobody, buys anyway.
    """
    weighted = odds_ratio * base_probability
    # Next to 1 the quotient can round to below the base.
    return np.maximum(weighted / (1.0 - base_probability + weighted), base_probability)


def incremental_micros(
    base_probability: NDArray[np.float64],
    odds_ratio: float,
    price_micros: NDArray[np.int64],
    margin_share: NDArray[np.float64],
    depth: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the expected incremental contribution of an offer that is seen, in micros.

    Parameters
    ----------
    base_probability : float array, shape (n, offers), in [0, 1]
    odds_ratio : float, at least 1
    price_micros : int64 array, shape (offers,)
        Regular price of what a buyer takes on one day.
    margin_share, depth : float arrays, shape (offers,), shares of the regular price

    Returns
    -------
    int64 array, shape (n, offers): ``price ((p1 - p0)(margin - depth) - p0 depth)``.

    Notes
    -----
    The extra purchases leave the margin less the discount; the purchases that would have come anyway lose the
    discount. Above the base rate of `break_even_base_rate` no lift, however large, makes it positive.
    """
    extra = with_offer_probability(base_probability, odds_ratio) - base_probability
    share = extra * (margin_share - depth) - base_probability * depth
    return round_micros(share * price_micros)


def giveaway_micros(
    base_probability: NDArray[np.float64], price_micros: NDArray[np.int64], depth: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the expected discount given to those who would have bought anyway, in micros, shape (n, offers)."""
    return round_micros(base_probability * (depth * price_micros))


def break_even_base_rate(margin_share: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the base rate at and above which an offer cannot pay, whatever its lift.

    With every customer buying once the offer is seen (p1 = 1) the contribution is
    ``(1 - p0)(margin - depth) - p0 depth = margin - depth - p0 margin``, which is zero at
    ``p0 = (margin - depth) / margin``. An offer as deep as its margin can never pay: the rate is then 0.

    Parameters
    ----------
    margin_share, depth : float arrays of one shape, shares of the regular price

    Returns
    -------
    float array of that shape, in [0, 1).
    """
    positive = np.where(margin_share > 0, margin_share, 1.0)
    return np.maximum(0.0, np.where(margin_share > 0, (margin_share - depth) / positive, 0.0))
