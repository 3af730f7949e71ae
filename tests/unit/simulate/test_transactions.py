"""A made-up shop is the same for the same seed, customer by customer, and has the structure that is planted."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.simulate.transactions import CHUNK, HABITS, ShopWorld, plant_items, plant_shoppers

WORLD = ShopWorld(CHUNK, 600, 100.0, seed=4)


@pytest.fixture(scope="module")
def shop() -> tuple[object, object]:
    items = plant_items(WORLD)
    return items, plant_shoppers(WORLD, items, 0)


def test_a_customer_is_the_same_among_few_and_among_many() -> None:
    few, many = ShopWorld(40, 600, 100.0, seed=4), ShopWorld(3 * CHUNK, 600, 100.0, seed=4)
    items = plant_items(few)
    alone, together = plant_shoppers(few, items, 0), plant_shoppers(many, items, 0)
    assert np.array_equal(alone.habit_item, together.habit_item[:40])
    for name in ("customer", "day", "product", "minute", "pieces", "sales_micros", "discount_micros"):
        assert np.array_equal(getattr(alone, name), getattr(together, name)[together.customer < 40])


def test_another_seed_or_chunk_gives_other_customers() -> None:
    items = plant_items(WORLD)
    first = plant_shoppers(WORLD, items, 0)
    assert not np.array_equal(first.day[:100], plant_shoppers(WORLD, items, 1).day[:100])
    other = ShopWorld(CHUNK, 600, 100.0, seed=5)
    assert not np.array_equal(first.day[:100], plant_shoppers(other, items, 0).day[:100])


@pytest.mark.parametrize("lines_each", [3.0, 30.0, 100.0, 400.0])
def test_lines_are_as_many_as_asked_for_within_a_tenth(lines_each: float) -> None:
    world = ShopWorld(CHUNK, 600, lines_each, seed=4)
    found = plant_shoppers(world, plant_items(world), 0)
    # Activity is a gamma with mean 1 and standard deviation 0.7: the mean of 5,000 is within 4 % beyond any doubt;
    # noise and the snapping to trips take the rest.
    assert len(found.customer) / CHUNK == pytest.approx(lines_each, rel=0.10)


def test_lines_are_ordered_whole_and_within_the_history(shop: tuple) -> None:
    items, found = shop
    order = np.lexsort((found.product, found.day, found.customer))
    assert np.array_equal(order, np.arange(len(order)))
    assert found.day.min() >= 0
    assert found.day.max() < WORLD.days
    assert (found.day >= found.first_day[found.customer]).all()
    assert (found.day <= found.last_day[found.customer]).all()
    assert 0 <= found.product.min() <= found.product.max() < WORLD.products
    assert np.array_equal(
        found.sales_micros + found.discount_micros, items.price_micros[found.product] * found.pieces
    )


def test_a_habit_comes_round_at_its_pace(shop: tuple) -> None:
    _, found = shop
    stays = (found.first_day == 0) & (found.last_day == WORLD.days - 1)
    number, expected = [], []
    item = found.product // 2
    for customer in np.flatnonzero(stays)[:300]:
        mine = found.customer == customer
        for slot in range(HABITS):
            what = found.habit_item[customer, slot]
            if what >= 0 and (found.habit_item[customer] == what).sum() == 1:
                number.append(len(np.unique(found.day[mine & (item == what)])))
                expected.append(WORLD.days / found.habit_days[customer, slot])
    # Impulses add some purchases of the same item, trips that coincide take some away.
    assert np.mean(number) == pytest.approx(np.mean(expected), rel=0.25)
    assert np.corrcoef(number, expected)[0, 1] > 0.8


def test_customers_buy_what_is_of_their_tastes(shop: tuple) -> None:
    items, found = shop
    taste = items.taste[found.product // 2]
    own = (taste == found.tastes[found.customer, 0]) | (taste == found.tastes[found.customer, 1])
    # Three in four come from the two tastes of 24, plus the twelfth of the rest that falls on them anyway.
    assert own.mean() == pytest.approx(0.75 + 0.25 / 12, abs=0.04)


def test_a_shop_may_have_one_customer_one_product_and_one_day() -> None:
    world = ShopWorld(1, 1, 1.0, days=1)
    found = plant_shoppers(world, plant_items(world), 0)
    assert len(found.first_day) == 1
    assert set(found.product.tolist()) <= {0}
    assert set(found.day.tolist()) <= {0}
