"""Intervals against scipy.stats and a textbook's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rapport.core.reasons import Status
from rapport.measure.means import FEWEST, difference_of, mean_of, ratio_of, share_test


def drawn(seed: int, n: int, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, scale, n)


@pytest.mark.parametrize(("seed", "n"), [(1, 30), (2, 31), (3, 500)])
def test_the_mean_and_its_interval_are_those_of_scipy(seed: int, n: int) -> None:
    values = drawn(seed, n, 1e6)
    found = mean_of(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found.value == pytest.approx(values.mean(), rel=1e-12)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (found.customers, found.status) == (n, Status.OK)


@pytest.mark.parametrize(("n", "m", "scale"), [(30, 30, 1.0), (400, 45, 3.0), (33, 1000, 0.1)])
def test_the_difference_and_its_interval_are_those_of_welch_in_scipy(n: int, m: int, scale: float) -> None:
    treated, control = drawn(4, n), drawn(5, m, scale)
    found = difference_of(treated, control)
    expected = stats.ttest_ind(treated, control, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(treated.mean() - control.mean(), rel=1e-12)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert (found.customers, found.status) == (n + m, Status.OK)


def test_the_interval_of_a_ratio_is_that_of_the_delta_method_by_hand() -> None:
    # Thirty customers: x = 1, 2, 3 in turn, y = 2, 2, 5. R = 9 / 6 = 1.5; residuals .5, -1, .5, mean 0,
    # s2 = 10 (.25 + 1 + .25) / 29 = .517241; se = sqrt(.517241 / 30) / 2 = .0656532; t(29, .975) = 2.0452296.
    below, above = np.tile([1.0, 2.0, 3.0], 10), np.tile([2.0, 2.0, 5.0], 10)
    found = ratio_of(above, below)
    assert found.value == pytest.approx(1.5)
    assert found.high == pytest.approx(1.5 + 2.0452296 * 0.0656532, abs=1e-6)
    assert found.low == pytest.approx(1.5 - 2.0452296 * 0.0656532, abs=1e-6)


def test_a_ratio_to_ones_has_the_interval_of_a_mean() -> None:
    values = drawn(6, 80)
    ratio, mean = ratio_of(values, np.ones(80)), mean_of(values)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((mean.value, mean.low, mean.high))


def test_too_few_customers_give_a_value_without_an_interval() -> None:
    few = np.arange(FEWEST - 1, dtype=np.float64)
    many = np.arange(FEWEST, dtype=np.float64)
    for found in (mean_of(few), ratio_of(few, few + 1), difference_of(few, many), difference_of(many, few)):
        assert found.status is Status.TOO_FEW_CUSTOMERS
        assert found.value is not None
        assert found.low is found.high is None


def test_nobody_gives_no_value() -> None:
    nobody, one = np.array([]), np.array([1.0])
    assert mean_of(nobody).value is None
    for found in (difference_of(nobody, one), difference_of(one, nobody)):
        assert (found.value, found.status) == (None, Status.TOO_FEW_CUSTOMERS)


@pytest.mark.parametrize("n", [0, 40])
def test_a_ratio_over_nothing_is_not_measurable(n: int) -> None:
    found = ratio_of(np.ones(n), np.zeros(n))
    assert (found.value, found.status) == (None, Status.NOT_MEASURABLE)


def test_groups_without_any_spread_differ_exactly() -> None:
    found = difference_of(np.full(40, 3.0), np.full(50, 1.0))
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


def test_the_order_of_customers_changes_no_bit() -> None:
    values = drawn(7, 999, 1e7)
    order = np.random.default_rng(8).permutation(999)
    assert mean_of(values[order]) == mean_of(values)
    assert difference_of(values[order], values[:500]) == difference_of(values, values[:500])


def test_sixty_heads_in_a_hundred_are_tested_as_the_binomial_says() -> None:
    # P(X >= 60) = .02844 for 100 fair tosses; twice that.
    assert share_test(60, 100, 0.5) == pytest.approx(0.0569, abs=0.0001)
    assert share_test(0, 0, 0.1) == 1.0


def test_copies_of_a_household_say_no_more_than_one_of_it() -> None:
    # Every customer of a household alike: the interval is that of the households, whatever their number of customers.
    values, control = drawn(7, 60), drawn(8, 45)
    four, three = np.repeat(values, 4), np.repeat(control, 3)
    households = np.repeat(np.arange(60), 4), np.repeat(np.arange(45), 3)
    alone, together = mean_of(values), mean_of(four, households[0])
    assert (together.value, together.low, together.high) == pytest.approx((alone.value, alone.low, alone.high))
    assert together.customers == 240
    apart, joined = difference_of(values, control), difference_of(four, three, households)
    assert (joined.value, joined.low, joined.high) == pytest.approx((apart.value, apart.low, apart.high))
    assert joined.customers == 240 + 135


def test_many_customers_of_few_households_are_too_few() -> None:
    values = drawn(9, 400)
    households = np.arange(400) % (FEWEST - 1)
    assert mean_of(values, households).status is Status.TOO_FEW_CUSTOMERS
    assert difference_of(values, values, (households, households)).low is None
