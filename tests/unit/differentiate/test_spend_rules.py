"""Rules of the Gamma-Gamma fit and of expected spend on small tables."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import gammaincinv

from rapport.core.keys import uniform
from rapport.core.reasons import Status
from rapport.differentiate.spend import SpendModel, expected_spend_micros, fit_spend, log_likelihood

Floats = NDArray[np.float64]
MODEL = SpendModel(6.0, 4.0, 15e6, 30e6, 0.5, "gamma_gamma", Status.OK, 0.0, 100, 100, 0)


def _simulated(n: int) -> tuple[Floats, Floats]:
    """Gamma-Gamma with p = 4, q = 5, gamma = 20: mean over customers 4 x 20 / (5 - 1) = 20."""
    keys = np.arange(n, dtype=np.int64)
    x = np.floor(1 + 6 * uniform(keys, "x"))
    rate = gammaincinv(5.0, uniform(keys, "rate")) / 20.0
    return x, gammaincinv(4.0 * x, uniform(keys, "mean")) / rate / x * 1e6


def test_the_gradient_equals_finite_differences() -> None:
    rows = (np.array([1.0, 2, 9, 30]), np.array([0.2, 3.0, 1.1, 0.9]))
    weights = np.array([5.0, 2, 1, 1])
    for point in (np.log([6.25, 3.74, 0.44]), np.log([0.3, 20.0, 50.0])):
        gradient = log_likelihood(point, rows, weights)[1]
        for i in range(3):
            step = np.zeros(3)
            step[i] = 1e-5
            rise = log_likelihood(point + step, rows, weights)[0] - log_likelihood(point - step, rows, weights)[0]
            assert gradient[i] == pytest.approx(rise / 2e-5, rel=1e-6, abs=1e-7)


def test_the_likelihood_of_one_customer_equals_the_density_by_hand() -> None:
    # p = q = gamma = 1, x = 1, mean = 3: gamma(2) / 1 x 1 x 3^0 x 1 / (1 + 3)^2 = 1/16.
    assert log_likelihood(np.zeros(3), (np.ones(1), np.full(1, 3.0)), np.ones(1))[0] == pytest.approx(np.log(1 / 16))


def test_planted_parameters_are_found() -> None:
    model = fit_spend(*_simulated(20_000))
    assert model.status is Status.OK
    assert [model.p, model.q] == pytest.approx([4.0, 5.0], rel=0.08)
    assert model.mean_micros == pytest.approx(20e6, rel=0.02)


def test_a_weight_equals_that_many_repeated_rows_and_order_does_not_matter() -> None:
    x, mean = _simulated(300)
    weights = 1 + np.arange(300) % 3
    once = fit_spend(x, mean, weights)
    assert once == fit_spend(np.repeat(x, weights)[::-1], np.repeat(mean, weights)[::-1])


def test_the_own_mean_is_pulled_to_the_mean_over_customers() -> None:
    # Prior weight 0.5 of a purchase day: x = 2 gives (2 x 10 + 0.5 x 30) / 2.5 = 14.
    assert expected_spend_micros(MODEL, 2, 10e6)[0] == pytest.approx(14e6, rel=1e-15)
    # The same from p (gamma + x mean) / (p x + q - 1) = 6 (15 + 20) / 15 = 14.


def test_a_customer_without_a_repeat_purchase_gets_the_mean_over_customers() -> None:
    assert expected_spend_micros(MODEL, [0, 0], [np.nan, 5e6]).tolist() == [30e6, 30e6]


def test_a_mean_of_zero_or_below_is_pulled_with_the_same_weights() -> None:
    # (2 x -10 + 0.5 x 30) / 2.5 = -2; (2 x 0 + 15) / 2.5 = 6.
    np.testing.assert_allclose(expected_spend_micros(MODEL, [2, 2], [-10e6, 0.0]), [-2e6, 6e6], rtol=1e-14)


def test_customers_with_a_mean_of_zero_or_below_are_counted_and_not_fitted() -> None:
    x, mean = _simulated(200)
    with_more = fit_spend(np.r_[x, 3.0, 2.0, 0.0], np.r_[mean, -5e6, 0.0, -1e6])
    without = fit_spend(x, mean)
    assert (with_more.set_aside, without.set_aside) == (2, 0)
    assert (with_more.p, with_more.q, with_more.customers) == (without.p, without.q, 200)


def test_too_few_customers_give_the_shrunk_mean_of_all_purchase_days() -> None:
    # (2 x 10 + 1 x 40 + 1 x -20) / 4 = 10; x = 3, mean 30: (3 x 30 + 1 x 10) / 4 = 25.
    model = fit_spend([2, 1, 1, 0], [10e6, 40e6, -20e6, 0])
    assert (model.status, model.method, model.mean_micros) == (Status.TOO_FEW_CUSTOMERS, "shrunk_mean", 10e6)
    assert expected_spend_micros(model, 3, 30e6)[0] == 25e6


def test_one_purchase_day_each_is_too_few_repeats() -> None:
    assert fit_spend(np.ones(200), _simulated(200)[1]).status is Status.TOO_FEW_REPEATS


def test_equal_spend_by_everyone_is_not_identified_and_still_forecast() -> None:
    model = fit_spend(np.full(100, 3.0), np.full(100, 20e6))
    assert model.status is not Status.OK
    assert model.method == "shrunk_mean"
    assert expected_spend_micros(model, [0, 3], [0, 20e6]).tolist() == [20e6, 20e6]


def test_no_customers_at_all_are_a_status() -> None:
    model = fit_spend(np.zeros(0), np.zeros(0))
    assert (model.status, model.mean_micros) == (Status.TOO_FEW_CUSTOMERS, 0.0)


def test_expected_spend_is_finite_for_extreme_histories() -> None:
    expected = expected_spend_micros(MODEL, [0, 1, 1e9, 1], [0, 1e18, -1e18, 5e-324])
    assert np.all(np.isfinite(expected))


def test_a_model_survives_its_record_as_json() -> None:
    for model in (fit_spend(*_simulated(200)), fit_spend([1], [1]), MODEL):
        assert SpendModel.from_record(json.loads(json.dumps(model.to_record()))) == model


@pytest.mark.parametrize(
    ("frequency", "mean", "place"), [(-1, 1, "frequency"), (np.nan, 1, "frequency"), (1, np.nan, "mean_micros")]
)
def test_an_impossible_history_is_refused_by_name(frequency: float, mean: float, place: str) -> None:
    with pytest.raises(ValueError, match=place):
        expected_spend_micros(MODEL, frequency, mean)
