"""Intervals over households against closed forms."""

import numpy as np
import pytest

from rapport.core.keys import customer_keys, uniform
from rapport.measure.bootstrap import HouseholdDraws


def test_a_constant_difference_has_an_interval_of_no_width() -> None:
    keys, other = np.arange(50, dtype=np.int64), np.arange(50.0)
    ones = np.ones(50)
    draws = HouseholdDraws(keys, "x", 200)
    difference = draws.difference((other + 2.0, ones), (other, ones))
    assert (difference.value, difference.low, difference.high) == pytest.approx((2.0, 2.0, 2.0))
    ratio = draws.ratio(other + 2.0, other)
    assert ratio.value == pytest.approx(26.5 / 24.5)  # means of 2..51 and 0..49
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < ratio.value < ratio.high


def test_the_interval_of_a_mean_is_as_wide_as_the_normal_theory_says() -> None:
    keys = customer_keys(str(i) for i in range(2000))
    values = (uniform(keys, "v") < 0.3).astype(float)
    mean = HouseholdDraws(keys, "x", 2000).ratio(values, np.ones(2000))
    # standard error of a share: sqrt(p (1 - p) / n); 95 % is 1.96 of them to each side
    half = 1.96 * np.sqrt(values.mean() * (1 - values.mean()) / 2000)
    assert mean.high is not None
    assert mean.low is not None
    assert mean.high - mean.low == pytest.approx(2 * half, rel=0.08)


def test_rows_of_one_household_are_drawn_together() -> None:
    keys = np.repeat(customer_keys(str(i) for i in range(300)), 4)
    values = np.repeat((np.arange(300) % 2).astype(float), 4)
    mean = HouseholdDraws(keys, "x", 2000).ratio(values, np.ones(1200))
    # four copies of a household say no more than one: the error of 300, not of 1200
    half = 1.96 * np.sqrt(0.25 / 300)
    assert mean.high is not None
    assert mean.low is not None
    assert mean.high - mean.low == pytest.approx(2 * half, rel=0.1)


def test_the_interval_is_the_same_in_any_order_of_rows() -> None:
    keys = customer_keys(str(i) for i in range(100))
    values, ones = np.arange(100.0), np.ones(100)
    order = np.argsort(uniform(keys, "order"))
    first = HouseholdDraws(keys, "x", 100).ratio(values, ones)
    again = HouseholdDraws(keys[order], "x", 100).ratio(values[order], ones)
    assert first == again


def test_nothing_to_divide_by_gives_no_value() -> None:
    draws = HouseholdDraws(np.arange(5, dtype=np.int64), "x", 100)
    assert draws.ratio(np.ones(5), np.zeros(5)).value is None
    assert draws.difference((np.ones(5), np.ones(5)), (np.ones(5), np.zeros(5))).value is None


def test_too_few_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 100"):
        HouseholdDraws(np.arange(5, dtype=np.int64), "x", 50)
