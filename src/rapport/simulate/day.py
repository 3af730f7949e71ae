"""Who comes in the course of a day, in an order and a mix that need not be those expected.

Why it exists: prices for a day are found from the customers who were expected. Whether they can be kept to is tried
on days that differ in a known way. Nothing is decided here, and no file is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Surprise = Literal["none", "best-first", "more-of-the-least", "fewer"]
SURPRISES: tuple[Surprise, ...] = ("none", "best-first", "more-of-the-least", "fewer")
"""As expected; the most valuable early; twice as many of the lowest tier; three in ten stay away."""

PEAKS = ((0.4, 0.12, 0.45), (0.78, 0.08, 0.40), (0.5, 0.30, 0.15))
"""Busy hours: centre and width as shares of the day, and the part of the arrivals; about noon and in the evening."""


@dataclass(frozen=True)
class Day:
    """Arrivals in their order, each array of shape (n,).

    who : positions of customers, each at most once
    at : time as a share of the day in [0, 1), rising
    expected : share of a day's expected arrivals that should have come by then, in [0, 1]
    """

    who: NDArray[np.int64]
    at: NDArray[np.float64]
    expected: NDArray[np.float64]


def plant_day(
    tier: NDArray[np.str_], worth: NDArray[np.float64], count: int, seed: int, surprise: Surprise = "none"
) -> Day:
    """Return a day of about `count` arrivals out of N customers, the same for the same seed.

    Parameters
    ----------
    tier : (N,) "A", "B" or "C"
    worth : (N,) what a customer is worth; the order of the surprise "best-first", with some chance in it
    count : arrivals of a day as expected, at most a quarter of N
    surprise : how the day differs from that
    """
    draw = np.random.default_rng([seed, SURPRISES.index(surprise)])
    arrivals = round(0.7 * count) if surprise == "fewer" else count
    weight = np.where((surprise == "more-of-the-least") & (tier == "C"), 2.0, 1.0)
    who = draw.choice(len(tier), arrivals, replace=False, p=weight / weight.sum())
    if surprise == "best-first":
        noise = draw.lognormal(0.0, 0.7, arrivals)
        who = who[np.argsort(-worth[who] * noise, kind="stable")]
    hours = _hours()
    at = np.sort(np.interp(draw.random(arrivals), hours[1], hours[0]))
    return Day(who.astype(np.int64), at, np.interp(at, hours[0], hours[1]))


def _hours() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return times, as shares of the day, and the share of arrivals expected by then, both rising from 0 to 1."""
    times = np.linspace(0.0, 1.0, 289)
    hills = [part / width * np.exp(-0.5 * ((times - centre) / width) ** 2) for centre, width, part in PEAKS]
    busy = np.sum(hills, axis=0)
    done = np.concatenate([[0.0], np.cumsum((busy[1:] + busy[:-1]) / 2.0)])
    return times, done / done[-1]
