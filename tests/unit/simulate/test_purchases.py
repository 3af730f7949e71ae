"""Made-up purchases follow what was planted, and belong to the customer."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.differentiate.purchase_days import known_until, purchase_days
from rapport.simulate.purchases import PurchaseWorld, simulate_purchases

STEADY = PurchaseWorld(2.0, 100.0, "never", youngest_days=200.0, oldest_days=400.0, ahead_days=100.0)


def test_a_customer_buys_the_same_among_few_and_among_many() -> None:
    few, many = simulate_purchases(STEADY, 50, seed=3), simulate_purchases(STEADY, 500, seed=3)
    for name in ("frequency", "recency_days", "age_days", "ahead", "alive"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[:50])
    assert np.array_equal(few.day, many.day[many.customer < 50])


def test_another_seed_gives_other_customers() -> None:
    assert not np.array_equal(simulate_purchases(STEADY, 50, 1).day, simulate_purchases(STEADY, 50, 2).day)


def test_histories_and_days_tell_the_same() -> None:
    made = simulate_purchases(STEADY, 300, seed=5)
    history = known_until(purchase_days(made.customer, made.day), -1, 99)
    assert np.array_equal(history.frequency, made.frequency)
    assert np.array_equal(history.recency, made.recency_days)
    assert np.array_equal(history.age + 1, made.age_days)
    assert np.array_equal(history.ahead, made.ahead)


def test_rates_and_regularity_are_those_planted() -> None:
    # Mean rate 2 / 100 a day, a third of it with three stages; 20,000 customers, 100 days: 2 and 2/3 a customer.
    # A day with two purchases counts once, which takes about a fiftieth of the first.
    once = simulate_purchases(STEADY, 20_000, seed=1)
    thrice = simulate_purchases(PurchaseWorld(2.0, 100.0, "never", regularity=3, ahead_days=100.0), 20_000, seed=1)
    assert once.ahead.mean() == pytest.approx(2.0, rel=0.04)
    assert thrice.ahead.mean() == pytest.approx(2 / 3, rel=0.04)
    assert once.alive.all()


@pytest.mark.parametrize(
    ("leave", "first", "second", "share"),
    [
        # Leaving rates gamma(1, 100 days), seen after 200 days: here with chance 100 / (100 + 200) = 1/3.
        ("in_time", 1.0, 100.0, 1 / 3),
        # Everyone buys often enough to leave at the first purchase or a later one, unless their chance is next to 0.
        ("after_any", 1e6, 1.0, 0.0),
        ("after_repeat", 1.0, 1e9, 1.0),
    ],
)
def test_as_many_leave_as_planted(leave: str, first: float, second: float, share: float) -> None:
    world = PurchaseWorld(50.0, 1000.0, leave, first, second, youngest_days=200.0, oldest_days=200.0)  # type: ignore[arg-type]
    made = simulate_purchases(world, 20_000, seed=1)
    assert made.alive.mean() == pytest.approx(share, abs=0.01)
