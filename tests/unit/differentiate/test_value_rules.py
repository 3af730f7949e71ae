"""Rules of customer value on small tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from rapport.core.keys import uniform
from rapport.core.reasons import Basis, Status
from rapport.differentiate.lifetime import LifetimeModel, expected_purchases, purchase_tail
from rapport.differentiate.spend import SpendModel
from rapport.differentiate.value import (
    CustomerValues,
    PurchaseHistory,
    ValueTerms,
    purchase_quantile,
    value_customers,
)

Floats = NDArray[np.float64]
WEEKS = LifetimeModel(0.243, 4.414, 0.793, 2.426, "week", "bg_nbd", Status.OK, -9582.4, 2357, 1016)
# One purchase per 10 days and customer without history, nobody drops out: 1 / 10 x 100 days = 10 purchases.
STEADY = LifetimeModel(1.0, 10.0, 0.0, 1.0, "day", "own_rate", Status.TOO_FEW_CUSTOMERS, 0.0, 3, 3)
SPEND = SpendModel(6.0, 4.0, 15e6, 30e6, 0.5, "gamma_gamma", Status.OK, 0.0, 100, 100, 0)
FIELDS = (
    "alive_probability",
    "expected_purchases",
    "expected_spend_micros",
    "expected_contribution_micros",
    "low_micros",
    "high_micros",
    "below_zero",
    "no_purchase",
)


def _one(
    lifetime: LifetimeModel = STEADY, terms: ValueTerms | None = None, mean: float = 0.0, days: float = 0.0
) -> CustomerValues:
    history = PurchaseHistory([0], [0], [0], [mean], averaged_days=[days])
    return value_customers(history, lifetime, SPEND, terms or ValueTerms(100.0))


def test_value_is_expected_purchases_times_expected_spend() -> None:
    # 10 purchase days at the mean over customers, 30: 300.
    values = _one()
    assert values.expected_purchases[0] == pytest.approx(10.0, rel=1e-14)
    assert values.expected_spend_micros.tolist() == [30_000_000]
    assert values.expected_contribution_micros.tolist() == [300_000_000]
    assert values.cost_basis is Basis.MEASURED


def test_the_cost_to_serve_is_taken_off_each_purchase_and_marked_assumed() -> None:
    # 10 x (30 - 12) = 180.
    values = _one(terms=ValueTerms(100.0, cost_to_serve_micros=12_000_000))
    assert values.expected_contribution_micros.tolist() == [180_000_000]
    assert values.cost_basis is Basis.ASSUMED
    assert not values.below_zero[0]


def test_a_customer_who_costs_more_than_they_bring_is_flagged_below_zero() -> None:
    # 10 x (30 - 50) = -200; the interval turns round with the sign.
    values = _one(terms=ValueTerms(100.0, cost_to_serve_micros=[50_000_000]))
    assert values.expected_contribution_micros.tolist() == [-200_000_000]
    assert values.below_zero[0]
    assert values.low_micros[0] <= -200_000_000 <= values.high_micros[0] <= 0


def test_a_negative_own_mean_makes_a_negative_value() -> None:
    # (2 x -10 + 0.5 x 30) / 2.5 = -2 a day, 10 days.
    assert _one(mean=-10e6, days=2).expected_contribution_micros.tolist() == [-20_000_000]


def test_discounting_a_steady_flow_equals_its_closed_form() -> None:
    # The integral of e^(-d s) over a year at 1/10 a day, with d = ln 1.1 / 365, is (1 - 1/1.1) / d / 10.
    values = _one(terms=ValueTerms(365.0, yearly_discount=0.10))
    rate = np.log(1.1) / 365
    assert values.expected_contribution_micros[0] == pytest.approx(30e6 * (1 - 1 / 1.1) / rate / 10, rel=1e-7)
    assert values.expected_purchases[0] == pytest.approx(36.5, rel=1e-14)


def test_discounting_with_drop_out_equals_a_fine_sum() -> None:
    # 20,000 slices of the horizon, each discounted from its middle.
    x, t_x, age = np.array([4.0]), np.array([200.0]), np.array([250.0])
    values = value_customers(PurchaseHistory(x, t_x, age, [20e6]), WEEKS, SPEND, ValueTerms(730.0, 0.15))
    edges = np.linspace(0, 730, 20_001)
    sums = [expected_purchases(WEEKS, x / 1, t_x / 7, age / 7, float(t) / 7)[0] for t in edges[::100]]
    flow = np.diff(np.interp(edges, edges[::100], sums))
    worth = float(np.sum(flow * 1.15 ** (-(edges[1:] + edges[:-1]) / 2 / 365)))
    expected = worth * values.expected_spend_micros[0]
    assert values.expected_contribution_micros[0] == pytest.approx(expected, rel=1e-4)


def test_days_are_converted_to_the_weeks_of_the_model() -> None:
    # Fader, Hardie & Lee's example: x = 2, t_x = 30.43 and T = 38.86 weeks, 39 weeks ahead: 1.226.
    history = PurchaseHistory([2], [30.43 * 7], [38.86 * 7], [22.35e6])
    assert value_customers(history, WEEKS, SPEND, ValueTerms(273.0)).expected_purchases[0] == pytest.approx(
        1.226, abs=5e-4
    )


def test_a_customer_without_a_purchase_has_value_zero_and_is_flagged() -> None:
    nan = np.nan
    history = PurchaseHistory([nan, 2], [nan, 30], [nan, 40], [nan, 10e6], bought=[False, True])
    values = value_customers(history, WEEKS, SPEND, ValueTerms(365.0, 0.1, 1_000_000))
    assert values.no_purchase.tolist() == [True, False]
    assert [getattr(values, name)[0] for name in FIELDS[:7]] == [0, 0, 0, 0, 0, 0, False]
    assert values.expected_contribution_micros[1] > 0


def test_the_status_is_that_of_the_weaker_model() -> None:
    thin = replace(SPEND, status=Status.AT_BOUND)
    history, terms = PurchaseHistory([1], [5], [9], [1e6]), ValueTerms(30.0)
    assert value_customers(history, STEADY, thin, terms).status is Status.TOO_FEW_CUSTOMERS
    assert value_customers(history, WEEKS, thin, terms).status is Status.AT_BOUND
    assert value_customers(history, WEEKS, SPEND, terms).status is Status.OK


def test_the_tail_probabilities_sum_to_the_expected_purchases() -> None:
    x, t_x, age = np.array([0.0, 2, 7]), np.array([0.0, 30.43, 20]), np.array([12.0, 38.86, 39])
    total = sum(purchase_tail(WEEKS, (x, t_x, age), 39.0, np.full(3, float(k))) for k in range(3000))
    np.testing.assert_allclose(total, expected_purchases(WEEKS, x, t_x, age, 39.0), rtol=1e-9)


def test_quantiles_of_a_steady_buyer_equal_the_negative_binomial() -> None:
    # Shape 1, chance of one more 100 / 110: geometric, P(more than k) = (10/11)^(k+1).
    # 10 %: (10/11)^(k+1) <= .9 from k+1 = 1.105 on, so k = 1. 90 %: <= .1 from k+1 = 24.16 on, so k = 24.
    rows = (np.zeros(1), np.zeros(1), np.zeros(1))
    assert purchase_quantile(STEADY, rows, 100.0, 0.1).tolist() == [1]
    assert purchase_quantile(STEADY, rows, 100.0, 0.9).tolist() == [24]
    values = _one()
    assert (values.low_micros[0], values.high_micros[0]) == (30_000_000, 720_000_000)


def test_a_quantile_is_the_smallest_count_that_keeps_its_promise() -> None:
    keys = np.arange(500, dtype=np.int64)
    x, age = np.floor(60 * uniform(keys, "x") ** 3), 20 + 20 * uniform(keys, "age")
    t_x = np.where(x > 0, age * uniform(keys, "t_x"), 0.0)
    high = purchase_quantile(WEEKS, (x, t_x, age), 52.0, 0.9).astype(np.float64)
    assert np.all(purchase_tail(WEEKS, (x, t_x, age), 52.0, high) <= 0.1 + 1e-12)
    some = high > 0
    rows = (x[some], t_x[some], age[some])
    assert np.all(purchase_tail(WEEKS, rows, 52.0, high[some] - 1) > 0.1 - 1e-12)


def test_a_customer_has_the_same_bits_alone_in_a_chunk_and_in_any_order() -> None:
    keys = np.arange(9000, dtype=np.int64)
    x, age = np.floor(40 * uniform(keys, "x") ** 4), np.floor(700 * uniform(keys, "age"))
    t_x = np.where(x > 0, np.floor(age * uniform(keys, "t_x")), 0.0)
    mean = 5e7 * (uniform(keys, "mean") - 0.2)
    cost, terms = np.round(3e6 * uniform(keys, "cost")), ValueTerms(365.0, 0.1)

    def value(part: slice | NDArray[np.int64]) -> CustomerValues:
        history = PurchaseHistory(x[part], t_x[part], age[part], mean[part])
        return value_customers(history, WEEKS, SPEND, replace(terms, cost_to_serve_micros=cost[part]))

    together = value(slice(None))
    order = np.argsort(uniform(keys, "order"))
    parts = [slice(i, i + 1) for i in range(0, 9000, 431)] + [slice(1, 5000), slice(8990, 9000), order]
    for part in parts:
        for name in FIELDS:
            assert np.array_equal(getattr(value(part), name), getattr(together, name)[part]), name


@pytest.mark.parametrize("lifetime", [WEEKS, STEADY, replace(WEEKS, a=1e3, b=1e-3), replace(WEEKS, r=1e3, a=1e-4)])
def test_no_value_is_nan_for_extreme_histories(lifetime: LifetimeModel) -> None:
    x = [0, 0, 1, 50, 1e6, 1e7, 3]
    t_x = [0, 0, 0, 300, 1, 1e6, 0]
    age = [0, 1e6, 0, 300, 1e6, 1e6, 700]
    mean = [0, 0, -1e15, 1e15, 1e17, 1, 0]
    values = value_customers(PurchaseHistory(x, t_x, age, mean), lifetime, SPEND, ValueTerms(3650.0, 0.5, 1_000_000))
    for name in FIELDS:
        assert np.all(np.isfinite(getattr(values, name))), name
    assert np.all(values.low_micros <= values.high_micros)
    assert np.all((values.alive_probability >= 0) & (values.alive_probability <= 1))
    assert np.array_equal(values.below_zero, values.expected_contribution_micros < 0)


def test_the_arrays_are_read_only() -> None:
    values = _one()
    for name in FIELDS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(values, name)[0] = 1


def test_nobody_is_a_table_without_rows() -> None:
    values = value_customers(PurchaseHistory([], [], [], []), WEEKS, SPEND, ValueTerms(365.0, 0.1))
    assert [getattr(values, name).size for name in FIELDS] == [0] * 8


@pytest.mark.parametrize(
    ("terms", "place"),
    [
        (ValueTerms(0.0), "horizon_days"),
        (ValueTerms(np.nan), "horizon_days"),
        (ValueTerms(1.0, -0.1), "yearly_discount"),
        (ValueTerms(1.0, 12.0), "yearly_discount"),
        (ValueTerms(1.0, 0.1, -1), "cost_to_serve_micros"),
    ],
)
def test_terms_that_are_not_possible_are_refused_by_name(terms: ValueTerms, place: str) -> None:
    with pytest.raises(ValueError, match=place):
        _one(terms=terms)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="history:"):
        value_customers(PurchaseHistory([1, 2], [1], [2], [3]), WEEKS, SPEND, ValueTerms(1.0))
