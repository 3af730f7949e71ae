"""What serving costs a year, against hand computation and planted rates; and why a customer costs money."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rapport.core.reasons import BelowZeroReason, Status
from rapport.differentiate.cost_to_serve import Reasons, why_below_zero, yearly_cost, years_known
from rapport.differentiate.lifetime import LifetimeModel
from rapport.differentiate.spend import SpendModel
from rapport.differentiate.value import CustomerValues, PurchaseHistory, ValueTerms, value_customers

M = 1_000_000
# One purchase per 10 days, nobody drops out.
STEADY = LifetimeModel(1.0, 10.0, 0.0, 1.0, "day", "own_rate", Status.TOO_FEW_CUSTOMERS, 0.0, 3, 3)
WEEKS = LifetimeModel(0.243, 4.414, 0.793, 2.426, "week", "bg_nbd", Status.OK, -9582.4, 2357, 1016)
SPEND = SpendModel(6.0, 4.0, 15e6, 30e6, 0.5, "gamma_gamma", Status.OK, 0.0, 100, 100, 0)


def everyone(n: int) -> np.ndarray:
    return np.ones(n, dtype=bool)


def test_an_own_rate_is_pulled_to_the_mean_as_far_as_customers_are_alike() -> None:
    # Ten customers without an event and ten with four of 1.00 each, a year each: mean 2. Within customers the
    # variance is 10 x 4 x 1^2 / 20 = 2; between them (20 x 2^2 - 19 x 2) / (20 - 20 / 20) = 42 / 19. So the mean
    # weighs 2 / (42 / 19) = 19 / 21 years, and an own year 1 / (1 + 19 / 21) = .525: 2 - 1.05 and 2 + 1.05.
    cost, events = np.repeat([0, 4 * M], 10), np.repeat([0, 4], 10)
    found = yearly_cost(cost, events, np.ones(20), everyone(20))
    assert (found.mean_micros, found.status) == (2e6, Status.OK)
    assert found.weight_years == pytest.approx(19 / 21)
    assert found.yearly_micros.tolist() == [950_000] * 10 + [3_050_000] * 10


def test_customers_who_do_not_differ_beyond_chance_all_have_the_mean() -> None:
    found = yearly_cost(np.repeat([0, 2 * M], 10), np.repeat([0, 1], 10), np.ones(20), everyone(20))
    # Between customers (20 x 1 - 19 x 2) / 19 is below 0.
    assert math.isinf(found.weight_years)
    assert set(found.yearly_micros.tolist()) == {M}


def test_with_few_customers_the_mean_weighs_one_year_and_the_status_says_so() -> None:
    found = yearly_cost([0, 3 * M], [0, 3], [0.5, 1.0], everyone(2))
    # Mean 3 / 1.5 = 2; weights .5 / 1.5 and 1 / 2: 2 - 2 / 3 and 2 + .5.
    assert found.status is Status.TOO_FEW_CUSTOMERS
    assert found.yearly_micros.tolist() == [1_333_333, 2_500_000]


def test_who_has_not_bought_keeps_their_own_rate_and_moves_nobody() -> None:
    bought = np.repeat([True, False], [20, 2])
    cost = np.concatenate([np.repeat([0, 4 * M], 10), [0, 9 * M]])
    events = np.concatenate([np.repeat([0, 4], 10), [0, 9]])
    found = yearly_cost(cost, events, np.ones(22), bought)
    assert found.mean_micros == 2e6
    assert found.yearly_micros[20:].tolist() == [0, 9 * M]


def test_nobody_and_nobody_who_bought() -> None:
    assert yearly_cost([], [], [], everyone(0)).yearly_micros.tolist() == []
    found = yearly_cost([M], [1], [1.0], [False])
    assert (found.yearly_micros.tolist(), found.mean_micros) == ([M], 0.0)


def test_planted_rates_are_found_better_than_by_own_rates_and_by_the_mean() -> None:
    # Rates of a gamma distribution with mean 2 and variance 2, events of 1.00 by chance, a quarter to a year each:
    # the best there can be is the posterior mean (1 x 2 + events) / (1 + years).
    rng = np.random.default_rng(7)
    n = 20_000
    rate, years = rng.gamma(2.0, 1.0, n), rng.uniform(0.25, 1.0, n)
    events = rng.poisson(rate * years)
    found = yearly_cost(events * M, events, years, everyone(n))
    assert found.weight_years == pytest.approx(1.0, rel=0.08)

    def missed(guess: np.ndarray) -> float:
        return float(np.mean((guess - rate) ** 2))

    ours = missed(found.yearly_micros / M)
    assert ours < 1.01 * missed((2.0 + events) / (1.0 + years))
    assert ours < 0.7 * missed(np.full(n, 2.0))
    assert ours < 0.4 * missed(events / years)


@pytest.mark.parametrize(("spread", "weight"), [(0.5, 3.0), (2.0, 0.75)])
def test_how_much_events_differ_in_cost_is_found_too(spread: float, weight: float) -> None:
    # Two events a year, their rate with variance 2 x spread; an event costs 6 with variance 18. So the variance
    # within is 2 (36 + 18) = 108, that between 36 x 2 x spread: the mean weighs 3 years, or three quarters of one.
    rng = np.random.default_rng(5)
    n = 20_000
    years = rng.uniform(0.25, 1.0, n)
    events = rng.poisson(rng.gamma(2.0 / spread, spread, n) * years)
    cost = np.where(events > 0, rng.gamma(2.0 * np.maximum(events, 1), 3.0), 0.0)
    found = yearly_cost(np.rint(cost * M).astype(np.int64), events, years, everyone(n))
    assert found.weight_years == pytest.approx(weight, rel=0.15)


def test_the_order_of_customers_changes_no_bit() -> None:
    rng = np.random.default_rng(3)
    events, years = rng.poisson(2.0, 500), rng.uniform(0.25, 1.0, 500)
    cost = events * rng.integers(1, 9 * M, 500)
    order = rng.permutation(500)
    together = yearly_cost(cost, events, years, everyone(500)).yearly_micros
    assert np.array_equal(
        yearly_cost(cost[order], events[order], years[order], everyone(500)).yearly_micros, together[order]
    )


def test_a_customer_is_taken_to_be_known_for_a_quarter_at_least_and_364_days_at_most() -> None:
    assert years_known([0, 91, 182, 364, 5000]).tolist() == [91 / 365, 91 / 365, 182 / 365, 364 / 365, 364 / 365]


@pytest.mark.parametrize(
    ("cost", "events", "years", "place"),
    [
        ([-1], [1], [1.0], "cost_to_serve|cost_micros"),
        ([1], [-1], [1.0], "events"),
        ([1], [1], [0.0], "years"),
        ([1], [1], [np.nan], "years"),
        ([1.5], [1], [1.0], "cost_micros"),
        ([1, 2], [1], [1.0], "give one each"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    cost: list[float], events: list[int], years: list[float], place: str
) -> None:
    with pytest.raises(ValueError, match=place):
        yearly_cost(cost, events, years, everyone(len(cost)))


def reasons(**amounts: int) -> Reasons:
    names = ("discounts", "returns", "service", "deliveries", "bids_lost", "thin_margin")
    return Reasons(**{n: [amounts.get(n, 0)] for n in names})


@pytest.mark.parametrize(
    ("amounts", "why"),
    [
        ({"discounts": 3, "returns": 2, "service": 1}, BelowZeroReason.DISCOUNTS),
        ({"discounts": 3, "returns": 5}, BelowZeroReason.RETURNS),
        ({"service": 2, "deliveries": 2}, BelowZeroReason.SERVICE),
        ({"deliveries": 9, "bids_lost": 8}, BelowZeroReason.DELIVERIES),
        ({"bids_lost": 9, "thin_margin": 8}, BelowZeroReason.BIDS_LOST),
        ({"thin_margin": 1}, BelowZeroReason.THIN_MARGIN),
        ({}, BelowZeroReason.THIN_MARGIN),
    ],
)
def test_the_reason_is_the_largest_of_what_a_customer_costs(amounts: dict[str, int], why: BelowZeroReason) -> None:
    assert why_below_zero(reasons(**amounts), [True]) == [why]
    assert why_below_zero(reasons(**amounts), [False]) == [None]


def valued(lifetime: LifetimeModel, yearly: list[float], **terms: float) -> CustomerValues:
    n = len(yearly)
    history = PurchaseHistory([0] * n, [0] * n, [0] * n, [0.0] * n, averaged_days=[0] * n)
    given = ValueTerms(terms.get("days", 100.0), terms.get("discount", 0.0), yearly_cost_micros=np.array(yearly))
    return value_customers(history, lifetime, SPEND, given)


def test_the_yearly_cost_is_taken_off_for_as_long_as_a_customer_stays() -> None:
    # Nobody drops out: 10 purchases of 30 less 100 / 365 of 73 = 300 - 20; the ends move by as much.
    free, served = valued(STEADY, [0.0]), valued(STEADY, [73e6])
    assert served.expected_contribution_micros.tolist() == [280_000_000]
    assert (served.low_micros - free.low_micros).tolist() == [-20_000_000]
    assert (served.high_micros - free.high_micros).tolist() == [-20_000_000]
    assert str(served.cost_basis) == "assumed"


def test_who_may_leave_is_served_for_less_than_the_horizon() -> None:
    # A customer seen to repeat may drop out. BG/NBD: with b = 2.426 and one repeat a share stays at each purchase.
    history = PurchaseHistory([5], [200], [210], [30e6], averaged_days=[6])
    free = value_customers(history, WEEKS, SPEND, ValueTerms(364.0))
    served = value_customers(history, WEEKS, SPEND, ValueTerms(364.0, yearly_cost_micros=np.array([365e6])))
    cost = int(free.expected_contribution_micros[0] - served.expected_contribution_micros[0])
    assert 0 < cost < float(free.alive_probability[0]) * 364e6


def test_a_discount_makes_later_service_cheaper() -> None:
    # Half a year's rate of ln 2 a year: the discounted days of 365 are (1 - 1 / 2) / (ln 2 / 365) = 263.3.
    served = valued(STEADY, [365e6], days=365.0, discount=1.0)
    free = valued(STEADY, [0.0], days=365.0, discount=1.0)
    days = int(free.expected_contribution_micros[0] - served.expected_contribution_micros[0]) / M
    assert days == pytest.approx(0.5 / (math.log(2) / 365), rel=2e-3)


def test_who_never_bought_and_only_cost_is_below_zero() -> None:
    history = PurchaseHistory([0, 0], [0, 0], [0, 0], [0.0, 0.0], averaged_days=[0, 0], bought=[False, False])
    found = value_customers(history, STEADY, SPEND, ValueTerms(365.0, yearly_cost_micros=np.array([0.0, 8e6])))
    assert found.expected_contribution_micros.tolist() == [0, -8_000_000]
    assert found.below_zero.tolist() == [False, True]


@pytest.mark.parametrize("yearly", [[-1.0], [np.nan], [1.0, 2.0]])
def test_a_yearly_cost_that_cannot_be_is_refused(yearly: list[float]) -> None:
    history = PurchaseHistory([0], [0], [0], [0.0], averaged_days=[0])
    with pytest.raises(ValueError, match="yearly_cost_micros"):
        value_customers(history, STEADY, SPEND, ValueTerms(1.0, yearly_cost_micros=np.array(yearly)))
