"""Rules of the BG/NBD fit and forecast, and of the record of any model, on small tables."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import betainc, hyp2f1

from rapport.core.keys import uniform
from rapport.core.reasons import Status
from rapport.differentiate.bg_nbd import LOG_LOWER, LOG_UPPER, log_likelihood
from rapport.differentiate.lifetime import LifetimeModel, alive_probability, expected_purchases, fit_lifetime

Floats = NDArray[np.float64]
PUBLISHED = LifetimeModel(0.243, 4.414, 0.793, 2.426, "week", "bg_nbd", Status.OK, -9582.4, 2357, 1016)
EXTREME = np.array(
    [(0, 0, 0), (0, 0, 1e6), (1, 0, 0), (1, 1e-9, 1e9), (50, 300, 300), (1e6, 1, 1e6), (1e7, 1e6, 1e6), (3, 0, 700)]
)


def _draw(n: int, salt: str) -> Floats:
    return uniform(np.arange(n, dtype=np.int64), salt)


def _simulated(n: int, drop_out: float) -> tuple[Floats, Floats, Floats]:
    """Rates between 0.01 and 0.11 a day, watched for 100 to 300 days; one drop-out chance for everyone."""
    age = np.floor(100 + 200 * _draw(n, "age"))
    rate = 0.01 + 0.1 * _draw(n, "rate")
    time, last, count = np.zeros(n), np.zeros(n), np.zeros(n)
    here = np.ones(n, dtype=bool)
    for k in range(80):
        time = time - np.log1p(-_draw(n, f"gap{k}")) / rate
        here &= time <= age
        last, count = np.where(here, time, last), count + here
        here &= _draw(n, f"out{k}") >= drop_out
    return count, last, age


def test_the_gradient_equals_finite_differences() -> None:
    rows = (np.array([0.0, 1, 2, 9, 40]), np.array([0.0, 3, 30, 20, 38]), np.array([5.0, 39, 38, 39, 38.5]))
    weights = np.array([7.0, 3, 2, 1, 1])
    for point in (np.log([0.243, 4.414, 0.793, 2.426]), np.log([3.0, 0.5, 0.02, 30.0])):
        gradient = log_likelihood(point, rows, weights)[1]
        for i in range(4):
            step = np.zeros(4)
            step[i] = 1e-5
            rise = log_likelihood(point + step, rows, weights)[0] - log_likelihood(point - step, rows, weights)[0]
            assert gradient[i] == pytest.approx(rise / 2e-5, rel=1e-6, abs=1e-7)


def test_the_likelihood_of_one_customer_equals_eq_6_by_hand() -> None:
    # r = alpha = a = b = 1, x = 1, t_x = 1, T = 3. B(a, b+x) / B(a, b) = 1/2, gamma(r+x) alpha^r / gamma(r) = 1.
    # Still here: 1/2 / (1 + 3)^2 = 1/32. Dropped out: B(2, 1) / B(1, 1) / (1 + 1)^2 = 1/8. Sum 5/32.
    rows = (np.array([1.0]), np.array([1.0]), np.array([3.0]))
    assert log_likelihood(np.zeros(4), rows, np.ones(1))[0] == pytest.approx(np.log(5 / 32), rel=1e-14)


def test_alive_probability_of_one_customer_equals_the_share_by_hand() -> None:
    # From the likelihood above: 1/32 of 5/32.
    model = replace(PUBLISHED, r=1.0, alpha=1.0, a=1.0, b=1.0)
    assert alive_probability(model, 1, 1, 3)[0] == pytest.approx(0.2, rel=1e-14)


def test_a_weight_equals_that_many_repeated_rows_to_the_last_bit() -> None:
    x, t_x, age = (column[:300] for column in _simulated(300, 0.1))
    weights = 1 + np.arange(300) % 3
    once = fit_lifetime(x, t_x, age, weights)
    assert once == fit_lifetime(*(np.repeat(column, weights) for column in (x, t_x, age)))
    assert once.customers == 600


def test_the_order_of_the_rows_does_not_change_a_bit_of_the_fit() -> None:
    rows = np.array(_simulated(400, 0.1))
    order = np.argsort(_draw(400, "order"))
    assert fit_lifetime(*rows) == fit_lifetime(*rows[:, order])


def test_rows_of_weight_zero_do_not_count() -> None:
    rows = np.array(_simulated(200, 0.1))
    weights = np.r_[np.ones(150, dtype=int), np.zeros(50, dtype=int)]
    assert fit_lifetime(*rows, weights) == fit_lifetime(*rows[:, :150])


def test_a_planted_drop_out_is_found() -> None:
    # Everyone drops out with chance 0.2 after a repeat purchase; the mean rate is 0.06 a day.
    model = fit_lifetime(*_simulated(4000, 0.2))
    assert model.status in (Status.OK, Status.AT_BOUND)
    assert model.a / (model.a + model.b) == pytest.approx(0.2, abs=0.02)
    assert model.r / model.alpha == pytest.approx(0.06, abs=0.004)


def test_without_drop_out_a_parameter_stops_at_its_bound_and_the_forecast_stays_finite() -> None:
    rows = _simulated(1000, 0.0)
    model = fit_lifetime(*rows)
    assert model.status is Status.AT_BOUND
    assert model.covariance is None
    log_parameters = np.log([model.r, model.alpha / float(np.mean(rows[2])), model.a, model.b])
    assert np.all(log_parameters >= np.array(LOG_LOWER) - 1e-6)
    assert np.all(log_parameters <= np.array(LOG_UPPER) + 1e-6)
    forecast = expected_purchases(model, *rows, 100.0)
    # 1,000 customers at a mean rate of 0.06 a day for 100 days.
    assert forecast.sum() == pytest.approx(6000, rel=0.03)


def test_fewer_than_fifty_customers_are_forecast_by_their_shrunk_own_rate() -> None:
    # 9 repeats in 4 x 100 days: alpha = 400 / 9.5. Four purchases: 5 / (400 / 9.5 + 100) x 10 = .3519.
    model = fit_lifetime([4, 3, 2, 0], [50, 60, 70, 0], [100, 100, 100, 100])
    assert model.status is Status.TOO_FEW_CUSTOMERS
    assert model.method == "own_rate"
    forecast = expected_purchases(model, [4, 0], [50, 0], [100, 100], 10.0)
    np.testing.assert_allclose(forecast, [5 / (400 / 9.5 + 100) * 10, 1 / (400 / 9.5 + 100) * 10], rtol=1e-14)
    assert np.all(alive_probability(model, [4, 0], [50, 0], [100, 100]) == 1.0)


@pytest.mark.parametrize(
    ("frequency", "status"),
    [
        (np.zeros(500), Status.TOO_FEW_REPEATS),
        (np.r_[np.ones(19), np.zeros(481)], Status.TOO_FEW_REPEATS),
        (np.zeros(0), Status.TOO_FEW_CUSTOMERS),
    ],
)
def test_too_few_repeats_are_a_status_and_not_a_failure(frequency: Floats, status: Status) -> None:
    age = np.full(frequency.size, 100.0)
    model = fit_lifetime(frequency, np.where(frequency > 0, 10.0, 0.0), age)
    assert model.status is status
    assert np.all(np.isfinite(expected_purchases(model, *EXTREME.T, 365.0)))


def test_fifty_customers_with_twenty_repeats_are_enough_to_try_a_fit() -> None:
    x = np.r_[np.full(20, 2.0), np.zeros(30)]
    model = fit_lifetime(x, 10.0 * x, np.full(50, 100.0))
    assert model.status not in (Status.TOO_FEW_CUSTOMERS, Status.TOO_FEW_REPEATS)


def test_customers_who_all_came_today_are_a_status_and_not_a_failure() -> None:
    model = fit_lifetime(np.zeros(100), np.zeros(100), np.zeros(100))
    assert model.status is Status.TOO_FEW_REPEATS
    assert np.all(np.isfinite(expected_purchases(model, *EXTREME.T, 365.0)))


@pytest.mark.parametrize("r", [1e-3, 0.243, 1e3])
@pytest.mark.parametrize("alpha", [1e-5, 4.4, 1e6])
@pytest.mark.parametrize(("a", "b"), [(1e-4, 1e-3), (1.0, 2.4), (1e3, 1e4), (1e-4, 1e4), (1e3, 1e-3), (0.0, 1.0)])
def test_no_forecast_is_nan_or_above_the_rate_without_drop_out(r: float, alpha: float, a: float, b: float) -> None:
    model = replace(PUBLISHED, r=r, alpha=alpha, a=a, b=b)
    x, t_x, age = EXTREME.T
    for horizon in (0.0, 1e-6, 39.0, 1e6):
        forecast = expected_purchases(model, x, t_x, age, horizon)
        alive = alive_probability(model, x, t_x, age)
        assert np.all((alive >= 0) & (alive <= 1))
        assert np.all((forecast >= 0) & (forecast <= horizon * (r + x) / (alpha + age) * (1 + 1e-12)))


def test_the_forecast_equals_eq_10_with_the_hypergeometric_function_where_that_is_stable() -> None:
    r, alpha, a, b = 0.243, 4.414, 0.793, 2.426
    x, t_x, age = np.array([0.0, 1, 2, 7, 20]), np.array([0.0, 3, 30, 20, 38]), np.array([5.0, 39, 38, 39, 38.5])
    for t in (0.5, 39.0, 400.0):
        ratio = ((alpha + age) / (alpha + age + t)) ** (r + x)
        inner = 1 - ratio * hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + age + t))
        after = np.where(x > 0, a / (b + x - 1) * ((alpha + age) / (alpha + t_x)) ** (r + x), 0.0)
        by_paper = (a + b + x - 1) / (a - 1) * inner / (1 + after)
        np.testing.assert_allclose(expected_purchases(PUBLISHED, x, t_x, age, t), by_paper, rtol=1e-11)


@pytest.mark.parametrize(
    ("r", "alpha", "a", "b", "x", "age", "t"),
    [
        (1000.0, 1000.0, 1.0, 2.0, 0.0, 10.0, 365.0),
        (5.0, 5.0, 1000.0, 1e-3, 80.0, 300.0, 365.0),
        (3.0, 10.0, 0.02, 8.0, 300.0, 360.0, 365.0),
        (0.01, 1e-3, 0.05, 0.01, 0.0, 0.1, 10.0),
        (1.0, 1.0, 1.0, 1.0, 5000.0, 300.0, 3000.0),
    ],
)
def test_the_forecast_equals_the_sum_over_counts_where_eq_10_is_not_stable(
    r: float, alpha: float, a: float, b: float, x: float, age: float, t: float
) -> None:
    # E = sum over k of P(more than k purchases if nobody dropped out) x P(not dropped out by k): all terms positive.
    k = np.arange(400_000.0)
    steps = np.log(b + x + k[:-1]) - np.log(a + b + x + k[:-1])
    kept = np.exp(np.r_[0.0, np.cumsum(steps)])
    by_sum = float(np.sum(betainc(k + 1, r + x, t / (alpha + age + t)) * kept))
    model = replace(PUBLISHED, r=r, alpha=alpha, a=a, b=b)
    assert expected_purchases(model, x, age, age, t)[0] == pytest.approx(
        by_sum * float(alive_probability(model, x, age, age)[0]), rel=1e-9
    )


def test_a_customer_has_the_same_bits_alone_and_in_any_batch() -> None:
    rows = np.array(_simulated(5000, 0.1))
    together = expected_purchases(PUBLISHED, *rows, 52.0)
    for i in range(0, 5000, 97):
        assert expected_purchases(PUBLISHED, *rows[:, i], 52.0)[0] == together[i]
        assert np.array_equal(expected_purchases(PUBLISHED, *rows[:, i : i + 5], 52.0), together[i : i + 5])
    assert np.array_equal(expected_purchases(PUBLISHED, *rows[:, ::-1], 52.0)[::-1], together)


def test_a_model_survives_its_record_as_json() -> None:
    for model in (fit_lifetime(*_simulated(300, 0.1)), fit_lifetime([1], [1], [2]), PUBLISHED):
        assert LifetimeModel.from_record(json.loads(json.dumps(model.to_record()))) == model


def test_the_version_changes_with_the_content() -> None:
    rows = np.array(_simulated(300, 0.1))
    first = fit_lifetime(*rows)
    assert first.version == fit_lifetime(*rows).version
    assert first.version != fit_lifetime(*rows[:, 1:]).version
    assert first.version.startswith("lifetime-2-")


@pytest.mark.parametrize(
    ("history", "place"),
    [
        (([-1], [0], [1]), "frequency"),
        (([1], [2], [1]), "recency"),
        (([1], [0], [np.nan]), "age"),
        (([np.inf], [0], [1]), "frequency"),
    ],
)
def test_an_impossible_history_is_refused_by_name(history: tuple[list[float], ...], place: str) -> None:
    with pytest.raises(ValueError, match=place):
        fit_lifetime(*history)
    with pytest.raises(ValueError, match=place):
        expected_purchases(PUBLISHED, *history, 1.0)


@pytest.mark.parametrize("weights", [[1.5], [-1], [1, 1]])
def test_weights_that_are_not_counts_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights:"):
        fit_lifetime([1], [1], [2], weights)


@pytest.mark.parametrize("horizon", [-1.0, np.nan, np.inf])
def test_a_horizon_that_is_not_a_time_is_refused(horizon: float) -> None:
    with pytest.raises(ValueError, match="horizon:"):
        expected_purchases(PUBLISHED, 1, 1, 2, horizon)
