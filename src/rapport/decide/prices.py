"""Find prices of the channels' limits so that what is used fits.

Why it exists: a limit that customers share reaches each only as a price. The search lives outside the decision and
knows it only as prices in, usage out.

Prices first rise, channel by channel, each to the lowest whole micro at which its channel fits while the others
stand. A price that rises pushes customers to other channels, so the round is repeated until all fit. Where two
channels are alike to many customers, each would outbid the other by a micro at a time; after a few rounds a price
therefore rises by at least a step, and the step doubles. Then prices fall again as far as every limit still holds.
The result keeps every limit; with several tight channels it can be higher than need be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rapport.decide.terms import Prices

Usage = Callable[[Prices], Sequence[int]]
"""Contacts delivered in each channel at given prices."""

EXACT_ROUNDS = 3
"""Rounds before a price must rise by at least a step."""

FIRST_STEP = 1024
"""The first step is the highest value of a contact divided by this."""

LOWERING_PASSES = 40
"""How often, at most, prices are lowered after all limits hold."""


def find_prices(usage: Usage, capacity: Sequence[int], highest_micros: int) -> Prices:
    """Return prices at which no channel is used beyond its capacity.

    Parameters
    ----------
    usage : callable
        Takes Prices, returns contacts per channel; must not rise in a channel with its own price, and must not
        fall in it with another channel's.
    capacity : sequence of int, at least 0, one for each channel
    highest_micros : int
        No customer's contact is worth more; at a price above it only exploration uses a channel.

    Returns
    -------
    Prices
        Whole micros in [0, highest_micros + 1]. With one channel the price is the lowest that fits. A channel that
        cannot hold even its share of exploration is not explorable.
    """
    prices, rounds, step = Prices.free(len(capacity)), 0, 0
    before = prices
    while over := _over(usage(prices), capacity):
        before = prices
        for channel in over:
            prices = _fit(usage, prices, channel, capacity[channel], (step, highest_micros + 1))
        rounds += 1
        if rounds >= EXACT_ROUNDS:
            step = max(2 * step, highest_micros // FIRST_STEP, 1)
    if rounds > EXACT_ROUNDS:
        prices = _draw_back(usage, capacity, before, prices)
    return _lower(usage, capacity, prices)


def _over(used: Sequence[int], capacity: Sequence[int]) -> list[int]:
    return [c for c, limit in enumerate(capacity) if used[c] > limit]


def _fit(usage: Usage, prices: Prices, channel: int, limit: int, rise: tuple[int, int]) -> Prices:
    """Raise one channel's price to the lowest at which it fits; where none does, stop exploring it.

    `rise` is the least by which the price rises, and the highest price there is.
    """
    if usage(prices)[channel] <= limit:
        return prices
    step, high = rise
    if usage(_priced(prices, channel, high))[channel] > limit:
        closed = tuple(open_to and c != channel for c, open_to in enumerate(prices.explorable))
        return replace(prices, explorable=closed)
    return _lowest(usage, prices, channel, limit, (min(prices.contact_micros[channel] + step, high), high))


def _lowest(usage: Usage, prices: Prices, channel: int, limit: int, between: tuple[int, int]) -> Prices:
    """Return the prices with one channel's at the lowest within bounds at which it fits; the upper bound does."""
    low, high = between
    while low < high:
        middle = (low + high) // 2
        if usage(_priced(prices, channel, middle))[channel] > limit:
            low = middle + 1
        else:
            high = middle
    return _priced(prices, channel, high)


def _draw_back(usage: Usage, capacity: Sequence[int], before: Prices, prices: Prices) -> Prices:
    """Return prices that fit, as near to those of the round before as halving the way between them finds."""
    low, high = before.contact_micros, prices.contact_micros
    while (middle := tuple((a + b) // 2 for a, b in zip(low, high, strict=True))) != low:
        if _over(usage(replace(prices, contact_micros=middle)), capacity):
            low = middle
        else:
            high = middle
    return replace(prices, contact_micros=high)


def _lower(usage: Usage, capacity: Sequence[int], prices: Prices) -> Prices:
    """Lower prices, all together and each alone, as far as every limit still holds.

    A price lowered alone takes customers from other channels, so those fit too.
    """
    for _ in range(LOWERING_PASSES):
        start = prices
        paid = [p for p in prices.contact_micros if p > 0]
        if len(paid) > 1:
            shifted = tuple(max(p - min(paid), 0) for p in prices.contact_micros)
            prices = _draw_back(usage, capacity, replace(prices, contact_micros=shifted), prices)
        for channel, price in enumerate(prices.contact_micros):
            if price > 0 and usage(_priced(prices, channel, price - 1))[channel] <= capacity[channel]:
                prices = _lowest(usage, prices, channel, capacity[channel], (0, price - 1))
        if prices == start:
            break
    return prices


def _priced(prices: Prices, channel: int, micros: int) -> Prices:
    changed = tuple(micros if c == channel else p for c, p in enumerate(prices.contact_micros))
    return replace(prices, contact_micros=changed)
