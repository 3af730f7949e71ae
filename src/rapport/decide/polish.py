"""The last of the way to the best prices, step by step on the exact bound.

Why it exists: where offers discount each other the smoothed search ends near the best prices, not at them. There the
exact usage of each limit says which way its price must go, and how far is learned as one goes: a step grows while its
limit calls the same way and shrinks when the call turns (resilient steps: Riedmiller and Braun 1993, "RPROP").
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rapport.decide.bound import Bound
from rapport.decide.problem import Limits

GROWS, SHRINKS = 1.8, 0.4
"""Factors of a step after a call the same way, and after one the other way."""

CLOSE = 1e-3
"""A limit used to its bound within this share calls no way."""

TOO_FAR, BACK = 0.02, 0.2
"""A bound above the lowest by more than this share was a step too far: back there, all steps so much shorter."""

PATIENCE, WORTH = 6, 3e-5
"""The steps end when the bound has fallen by no more than this share in so many rounds."""

DONE = 3e-5
"""The steps end when what is left over at its price, or used too much, is worth no more than this share."""


def polish(
    weigh: Callable[[NDArray[np.float64]], Bound],
    limits: Limits,
    prices: NDArray[np.float64],
    curve: NDArray[np.float64],
    rounds: int,
) -> tuple[NDArray[np.float64], bool]:
    """Return the prices of the lowest bound among those stepped on, and whether more steps would hardly lower it.

    Parameters
    ----------
    weigh : callable
        Gives the exact bound and the usage at prices.
    limits : Limits
    prices : (L,) float64, near the best ones, of allowed sign
    curve : (L,) float64, about how much less of each limit is used for one more micro of its price; 0 for limits that
        nobody comes near
    rounds : int
        At most so many evaluations.
    """
    open_to = np.isfinite(limits.bound)
    bound = np.where(open_to, limits.bound, 0.0)
    steep = np.where(curve > 0.0, curve, np.inf)
    best, best_off, lowest = prices, np.zeros_like(prices), np.inf
    step, before = np.zeros_like(prices), np.zeros_like(prices)
    seen: list[float] = []
    for turn in range(rounds):
        found = weigh(prices)
        off = np.where(open_to, found.usage - bound, 0.0)
        too_far = found.value > lowest + TOO_FAR * abs(lowest)
        if found.value < lowest:
            best, best_off, lowest = prices.copy(), off, found.value
        if not too_far:
            seen.append(lowest)
        if len(seen) > PATIENCE and seen[-1 - PATIENCE] - lowest <= WORTH * abs(lowest):
            break
        if np.abs(prices * off).sum() <= DONE * abs(found.value) and not _broken(limits, off).any():
            break
        if too_far:
            prices, off, before, step = best, best_off, np.zeros_like(before), step * BACK
        calls = np.sign(np.where(np.abs(off) > CLOSE * np.maximum(bound, 1.0), off, 0.0))
        calls = np.where((prices != 0.0) | _broken(limits, off), calls, 0.0)
        # Nor can a price be right at which the limit alone costs all there is.
        much = np.maximum(np.abs(bound), np.abs(bound + off))
        dear = abs(lowest) / np.where(much > 0.0, much, np.inf)
        full = np.minimum(np.abs(off) / steep, dear)
        if turn == 0:
            step = np.clip(0.5 * full, 1e-4 * np.abs(prices), 0.1 * np.abs(prices) + 1e-3 * full)
        step = np.where(calls * before > 0, step * GROWS, np.where(calls * before < 0, step * SHRINKS, step))
        step = np.clip(step, 1e-6 * np.abs(prices) + 1e-9 * full, 0.5 * np.abs(prices) + 1e-2 * full)
        prices, before = prices + calls * step, calls
        prices = np.where(limits.at_least, np.minimum(prices, 0.0), np.maximum(prices, 0.0))
    else:
        return best, False
    return best, True


def _broken(limits: Limits, off: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which limits the usage breaks by more than `CLOSE`."""
    much = CLOSE * np.maximum(np.abs(limits.bound), 1.0)
    broken: NDArray[np.bool_] = np.where(limits.at_least, off < -much, off > much)
    return broken
