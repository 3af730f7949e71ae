"""The search for prices against brute force, on customers whose values are plain lists."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.decide.prices import find_prices
from rapport.decide.terms import Prices

VALUES = st.integers(0, 30)


def use(values: Sequence[Sequence[int]], prices: Prices) -> list[int]:
    """Count who takes which channel: each the one of highest value less price, if above 0, the first of equals."""
    used = [0] * len(prices.contact_micros)
    for row in values:
        worth = [v - p for v, p in zip(row, prices.contact_micros, strict=True)]
        if max(worth) > 0:
            used[worth.index(max(worth))] += 1
    return used


@given(st.lists(VALUES, max_size=12), st.integers(0, 13))
def test_one_channel_gets_the_lowest_price_that_fits(values: list[int], capacity: int) -> None:
    rows = [[v] for v in values]
    found = find_prices(lambda p: use(rows, p), [capacity], max(values, default=0))
    lowest = next(p for p in range(32) if sum(v > p for v in values) <= capacity)
    assert found.contact_micros == (lowest,)
    assert found.explorable == (True,)


@settings(max_examples=300)
@given(
    st.integers(1, 3).flatmap(
        lambda c: st.tuples(
            st.lists(st.lists(VALUES, min_size=c, max_size=c), max_size=10),
            st.lists(st.integers(0, 11), min_size=c, max_size=c),
        )
    )
)
def test_every_limit_is_kept_and_no_price_alone_could_be_lower(
    drawn: tuple[list[list[int]], list[int]],
) -> None:
    rows, capacity = drawn
    found = find_prices(lambda p: use(rows, p), capacity, max((max(r) for r in rows), default=0))
    assert all(u <= c for u, c in zip(use(rows, found), capacity, strict=True))
    free = Prices.free(len(capacity))
    if all(u <= c for u, c in zip(use(rows, free), capacity, strict=True)):
        assert found == free
    assert set(found.explorable) == {True}


def test_two_channels_alike_to_everybody_do_not_outbid_each_other_micro_by_micro() -> None:
    rows = [[50_000_000, 50_000_000]] * 20
    asked = 0

    def usage(prices: Prices) -> list[int]:
        nonlocal asked
        asked += 1
        return use(rows, prices)

    found = find_prices(usage, [3, 3], 50_000_000)
    assert use(rows, found) == [0, 0]  # all or none take part: twenty equals cannot be told apart by a price
    # Micro by micro it would take fifty million rounds.
    assert asked < 2000


def test_the_shadow_prices_of_an_auction_are_found_within_the_best_of_all() -> None:
    # Worked by brute force over all whole prices up to 20: no pair of prices that keeps both limits serves more.
    rows = [[20, 12], [18, 15], [9, 8], [7, 14], [3, 2]]
    capacity = [1, 2]
    found = find_prices(lambda p: use(rows, p), capacity, 20)
    fitting = [
        p
        for p in product(range(22), repeat=2)
        if all(u <= c for u, c in zip(use(rows, Prices(p, (True, True))), capacity, strict=True))
    ]
    most = max(sum(use(rows, Prices(p, (True, True)))) for p in fitting)
    assert sum(use(rows, found)) == most


def test_a_channel_too_small_for_its_exploration_is_not_explored_and_then_priced() -> None:
    def usage(prices: Prices) -> list[int]:
        exploring = 5 if prices.explorable[0] else 0
        return [exploring + sum(v > prices.contact_micros[0] for v in (10, 20, 30))]

    assert find_prices(usage, [4], 30) == Prices((0,), (False,))
    assert find_prices(usage, [2], 30) == Prices((10,), (False,))
    assert find_prices(usage, [6], 30) == Prices((20,), (True,))
    assert find_prices(usage, [8], 30) == Prices((0,), (True,))


def test_channels_alike_to_most_are_filled_and_the_dual_bound_says_how_well() -> None:
    # By weak duality no allocation is worth more than sum max(0, best v - p) + sum p x capacity (Everett 1963).
    rng = np.random.default_rng(0)
    capacity = [300, 500]
    values = np.rint(rng.gamma(2, 5e5, (2000, 1)) * rng.uniform(0.9, 1.1, (2000, 2)) - 2e5).astype(np.int64)

    def taken(prices: Prices) -> tuple[np.ndarray, np.ndarray]:
        worth = values - np.array(prices.contact_micros)
        return worth.max(axis=1), np.where(worth.max(axis=1) > 0, worth.argmax(axis=1), -1)

    def usage(prices: Prices) -> list[int]:
        return [int((taken(prices)[1] == c).sum()) for c in range(2)]

    found = find_prices(usage, capacity, int(values.max()))
    assert all(u <= c for u, c in zip(usage(found), capacity, strict=True))
    surplus, channel = taken(found)
    got = sum(int(values[channel == c, c].sum()) for c in range(2))
    bound = int(np.maximum(surplus, 0).sum()) + sum(
        p * c for p, c in zip(found.contact_micros, capacity, strict=True)
    )
    assert got > 0.995 * bound
