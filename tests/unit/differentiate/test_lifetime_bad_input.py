"""Histories that are thin, odd or extreme: a right answer or a status, never a failure and never a NaN."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.core.keys import uniform
from rapport.core.reasons import Status
from rapport.differentiate.lifetime import LifetimeModel, fit_lifetime, fit_regular_lifetime
from rapport.differentiate.lifetime_choice import choose_lifetime
from rapport.differentiate.lifetime_model import Method
from rapport.differentiate.purchase_days import PurchaseDays, known_until, purchase_days
from rapport.differentiate.spend import fit_spend
from rapport.differentiate.value import CustomerValues, PurchaseHistory, ValueTerms, value_customers

METHODS: tuple[Method, ...] = ("bg_nbd", "pareto_nbd", "mbg_cnbd", "own_rate")
END = 300


def _models(purchases: PurchaseDays) -> list[LifetimeModel]:
    history = known_until(purchases, END)
    rows = history.frequency, history.recency, history.age
    each = [fit_lifetime(*rows, method=method) for method in METHODS]
    return [*each, fit_regular_lifetime(*rows, history.log_gaps), choose_lifetime(purchases, END)]


def _values(purchases: PurchaseDays, model: LifetimeModel, mean_micros: object) -> CustomerValues:
    history = known_until(purchases, END)
    mean = np.broadcast_to(np.asarray(mean_micros, dtype=np.float64), history.frequency.shape)
    days = history.frequency + 1
    told = PurchaseHistory(history.frequency, history.recency, history.age, mean, averaged_days=days)
    values = value_customers(told, model, fit_spend(days, mean), ValueTerms(365.0, 0.1))
    for name in ("alive_probability", "expected_purchases"):
        assert np.all(np.isfinite(getattr(values, name)))
        assert np.all(getattr(values, name) >= 0)
    assert np.all(values.alive_probability <= 1)
    assert np.all(values.low_micros <= values.high_micros)
    return values


def _shop(customers: int = 300) -> PurchaseDays:
    keys = np.arange(customers * 4, dtype=np.int64)
    return purchase_days(keys // 4, np.floor(END * uniform(keys, "day") ** 1.5))


def test_one_purchase_each_is_too_few_repeats() -> None:
    purchases = purchase_days(np.arange(500), np.arange(500) % 200)
    for model in _models(purchases):
        assert model.method == "own_rate"
        # Nobody came back: less than half a purchase a customer is expected in a year.
        assert np.all(_values(purchases, model, 10e6).expected_purchases < 0.5)


def test_purchases_all_on_one_day_are_one_purchase_each() -> None:
    purchases = purchase_days(np.repeat(np.arange(300), 5), np.full(1500, END))
    for model in _models(purchases):
        assert model.status in (Status.TOO_FEW_REPEATS, Status.OK)
        assert model.method == "own_rate"
        _values(purchases, model, 10e6)


@pytest.mark.parametrize("mean", [-20e6, 0.0])
def test_spend_below_or_at_zero_gives_a_value_below_or_at_zero_and_a_status(mean: float) -> None:
    purchases = _shop()
    for model in _models(purchases):
        values = _values(purchases, model, mean)
        assert values.status is not Status.OK
        assert np.all(values.expected_contribution_micros <= 0)
        assert np.array_equal(values.below_zero, values.expected_contribution_micros < 0)


def test_refunds_larger_than_purchases_lower_the_value_of_those_customers_only() -> None:
    purchases = _shop()
    mean = np.where(np.arange(300) < 20, -50e6, 20e6 + 10e6 * uniform(np.arange(300, dtype=np.int64), "mean"))
    for model in _models(purchases):
        values = _values(purchases, model, mean)
        assert np.all(values.expected_spend_micros[:20] < values.expected_spend_micros[20:].min())


def test_one_customer_is_too_few() -> None:
    purchases = purchase_days([1, 1, 1], [10, 60, 280])
    for model in _models(purchases):
        assert model.method == "own_rate"
        # Two repeats in 290 days, shrunk to themselves: (1 + 2) / (290 / 2.5 + 290) a day, for a year.
        expected = 3 / (290 / 2.5 + 290) * 365
        assert _values(purchases, model, 5e6).expected_purchases[0] == pytest.approx(expected, rel=1e-12)


def test_a_million_identical_customers_are_forecast_at_their_own_rate() -> None:
    ones = np.ones(1_000_000)
    for method in METHODS:
        model = fit_lifetime(4 * ones, 280 * ones, 300 * ones, method=method)
        assert model.distinct_rows == 1
        assert model.customers == 1_000_000
        history = PurchaseHistory([4], [280], [300], [5e6])
        values = value_customers(history, model, fit_spend(4 * ones[:100], 5e6 * ones[:100]), ValueTerms(30.0))
        assert np.isfinite(values.expected_purchases[0])
        # Four in 300 days, and the last one 20 days ago: at most that rate, and not far below it.
        assert 0.25 < values.expected_purchases[0] < 0.52


def test_dates_before_1970_change_nothing_but_the_calendar() -> None:
    purchases = _shop()
    shifted = purchase_days(purchases.keys[purchases.customer], purchases.day - 20_000)
    assert choose_lifetime(purchases, END) == choose_lifetime(shifted, END - 20_000)


@pytest.mark.parametrize("method", ["bg_nbd", "pareto_nbd", "mbg_cnbd"])
def test_nobody_dropping_out_ends_at_a_bound_and_the_forecast_does_not_run_away(method: Method) -> None:
    keys = np.arange(1000, dtype=np.int64)
    age = 200 + np.floor(100 * uniform(keys, "age"))
    rate = 0.02 + 0.08 * uniform(keys, "rate")
    x = np.floor(rate * age)
    t_x = np.floor(age * x / (x + 0.5))
    model = fit_lifetime(x, t_x, age, method=method)
    values = value_customers(
        PurchaseHistory(x, t_x, age, np.full(1000, 1e6)), model, fit_spend(x, np.full(1000, 1e6)), ValueTerms(365.0)
    )
    assert values.expected_purchases.sum() == pytest.approx(float(np.sum(rate)) * 365, rel=0.1)
