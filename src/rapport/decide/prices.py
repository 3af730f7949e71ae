"""Find prices of the channels' limits so that what is used fits.

Why it exists: a limit that customers share reaches each only as a price. The search lives outside the decision and
knows it only as prices in, usage out.

Prices only rise during the search, channel by channel, each to the lowest whole micro at which its channel fits
while the others stand. A price that rises pushes customers to other channels, so the round is repeated until all
fit. It ends, because prices are bounded by the largest value of a contact. The result keeps every limit; with
several tight channels it can be higher than need be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rapport.decide.terms import Prices

Usage = Callable[[Prices], Sequence[int]]
"""Contacts delivered in each channel at given prices."""


def find_prices(usage: Usage, capacity: Sequence[int], highest_micros: int) -> Prices:
    """Return prices at which no channel is used beyond its capacity.

    Parameters
    ----------
    usage : callable
        Takes Prices, returns contacts per channel; must not rise in a channel with its own price.
    capacity : sequence of int, at least 0, one for each channel
    highest_micros : int
        No customer's contact is worth more; at a price above it only exploration uses a channel.
    """
    prices = Prices.free(len(capacity))
    while True:
        used = usage(prices)
        over = [c for c, limit in enumerate(capacity) if used[c] > limit]
        if not over:
            return prices
        for channel in over:
            prices = _fit(usage, prices, channel, capacity[channel], highest_micros)


def _fit(usage: Usage, prices: Prices, channel: int, limit: int, highest_micros: int) -> Prices:
    """Raise one channel's price to the lowest at which it fits; where none does, stop exploring it."""
    low, high = prices.contact_micros[channel], highest_micros + 1
    if usage(_priced(prices, channel, high))[channel] > limit:
        closed = tuple(open_to and c != channel for c, open_to in enumerate(prices.explorable))
        return replace(_priced(prices, channel, low), explorable=closed)
    while low < high:
        middle = (low + high) // 2
        if usage(_priced(prices, channel, middle))[channel] > limit:
            low = middle + 1
        else:
            high = middle
    return _priced(prices, channel, high)


def _priced(prices: Prices, channel: int, micros: int) -> Prices:
    changed = tuple(micros if c == channel else p for c, p in enumerate(prices.contact_micros))
    return replace(prices, contact_micros=changed)
