"""What an offer adds, against hand computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.economics.contribution import (
    break_even_base_rate,
    giveaway_micros,
    incremental_micros,
    with_offer_probability,
)
from rapport.economics.litmus import LEVELS, judge_levels

MARGIN, DEPTH = np.array([0.30]), np.array([0.20])
PRICE = np.array([10_000_000])


def worth(base: float, odds: float) -> int:
    return int(incremental_micros(np.array([[base]]), odds, PRICE, MARGIN, DEPTH)[0, 0])


def test_odds_of_one_to_nine_times_four_are_four_to_nine() -> None:
    assert with_offer_probability(np.array([0.1]), 4.0) == pytest.approx(4 / 13)


@given(st.floats(0, 1), st.floats(1, 100))
def test_an_offer_never_lowers_the_probability(base: float, odds: float) -> None:
    seen = with_offer_probability(np.array([base]), odds)[0]
    assert base <= seen <= 1.0


@pytest.mark.parametrize("base", [0.0, 1.0])
def test_who_never_or_always_buys_is_not_moved(base: float) -> None:
    assert with_offer_probability(np.array([base]), 100.0)[0] == base


def test_the_contribution_of_the_hand_computation() -> None:
    # p0 = .2, odds 4: p1 = .8 / 1.6 = .5; 10 x (.3 x .1 - .2 x .2) = -.10
    assert worth(0.2, 4.0) == -100_000
    # p0 = .05, odds 4: p1 = .2 / 1.15 = .1739130; 10 x (.1239130 x .1 - .05 x .2) = .0239130
    assert worth(0.05, 4.0) == 23_913
    # p0 = .2, odds 16: p1 = 3.2 / 4 = .8; 10 x (.6 x .1 - .04) = .2
    assert worth(0.2, 16.0) == 200_000


def test_a_fifth_off_at_thirty_per_cent_margin_cannot_pay_above_one_in_three() -> None:
    assert break_even_base_rate(MARGIN, DEPTH)[0] == pytest.approx(1 / 3)
    assert worth(1 / 3 - 0.001, 1e12) > 0
    assert worth(1 / 3 + 0.001, 1e12) < 0
    assert worth(1 / 3, 1e15) == pytest.approx(0, abs=1)


@given(st.floats(0.01, 1), st.floats(0.01, 0.99), st.floats(0, 1), st.floats(1, 1e6))
def test_at_and_above_the_break_even_rate_no_lift_pays(margin: float, depth: float, base: float, odds: float) -> None:
    shares = np.array([margin]), np.array([depth])
    rate = break_even_base_rate(*shares)[0]
    assert 0.0 <= rate < 1.0
    value = incremental_micros(np.array([[base]]), odds, PRICE, *shares)[0, 0]
    if base >= rate:
        assert value <= 1
    most = incremental_micros(np.array([[base]]), 1e15, PRICE, *shares)[0, 0]
    if base < rate - 1e-3 and base > 1e-3:
        assert most > 0


def test_without_margin_or_as_deep_as_the_margin_nothing_can_pay() -> None:
    assert break_even_base_rate(np.array([0.0, 0.2, 0.1]), np.array([0.1, 0.2, 0.5])).tolist() == [0.0, 0.0, 0.0]


def test_the_giveaway_is_the_discount_of_those_who_buy_anyway() -> None:
    # One in four buys anyway; 20 % of 10.00 is 2.00.
    assert giveaway_micros(np.array([[0.25]]), PRICE, DEPTH).tolist() == [[500_000]]


@pytest.mark.parametrize(
    ("mass", "segment", "individual", "level"),
    [
        (0, 0, 0, "none"),
        (-1, -2, -3, "none"),
        (5, 5, 5, "mass"),
        (4, 5, 5, "segment"),
        (4, 4, 5, "individual"),
        (0, 0, 1, "individual"),
        (5, 1, 4, "mass"),
    ],
)
def test_an_equal_sum_goes_to_the_cheaper_level(mass: int, segment: int, individual: int, level: str) -> None:
    sums = (np.array([v], dtype=np.int64) for v in (mass, segment, individual))
    assert LEVELS[judge_levels(*sums)[0]] == level


def test_a_level_that_is_not_open_to_a_customer_is_never_the_verdict() -> None:
    shut = np.array([np.iinfo(np.int64).min])
    assert LEVELS[judge_levels(shut, shut, shut)[0]] == "none"
    assert LEVELS[judge_levels(shut, shut, np.array([1]))[0]] == "individual"
