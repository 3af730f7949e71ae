"""Made-up baskets hold what was planted, and each customer's are fixed by place."""

from __future__ import annotations

import numpy as np

from rapport.simulate.baskets import MOST, simulate_baskets


def test_the_first_customers_are_the_same_in_a_larger_shop() -> None:
    small, large = simulate_baskets(30), simulate_baskets(60)
    rows = len(small.customer)
    assert np.array_equal(small.customer, large.customer[:rows])
    assert np.array_equal(small.position, large.position[:rows])
    assert np.array_equal(small.items, large.items[: len(small.items)])
    assert np.array_equal(small.taste, large.taste[:30])


def test_another_seed_makes_another_shop() -> None:
    one, two = simulate_baskets(30, seed=1), simulate_baskets(30, seed=2)
    assert len(one.items) != len(two.items) or not np.array_equal(one.items, two.items)


def test_everybody_has_three_to_ten_baskets_of_one_to_nine_items_none_twice() -> None:
    shop = simulate_baskets(200, items=120, tastes=4)
    counts = np.bincount(shop.customer)
    assert (counts.min(), counts.max()) == (3, 10)
    sizes = np.diff(shop.offsets)
    assert sizes.min() >= 1
    assert sizes.max() <= MOST
    for row in range(50):
        held = shop.items[shop.offsets[row] : shop.offsets[row + 1]]
        assert len(set(held.tolist())) == len(held)
    assert shop.items.min() >= 0
    assert shop.items.max() < 120


def test_most_items_are_of_the_customers_own_taste() -> None:
    shop = simulate_baskets(400)
    who = np.repeat(shop.customer, np.diff(shop.offsets))
    # Item i is of taste i mod 6. Planted: .85 own or shared, and a sixth of the other .15; duplicates are few.
    share = np.mean(shop.items % 6 == shop.taste[who])
    assert 0.82 < share < 0.92
