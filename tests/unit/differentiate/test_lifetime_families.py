"""Rules of Pareto/NBD and MBG/CNBD-k, and what all models of lifetimes have in common."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import betainc, betaln, gammaln, hyp2f1

from rapport.core.keys import uniform
from rapport.core.reasons import Status
from rapport.differentiate import mbg_cnbd, pareto_nbd
from rapport.differentiate.lifetime import (
    LifetimeModel,
    alive_probability,
    expected_purchases,
    fit_lifetime,
    fit_regular_lifetime,
    purchase_tail,
)
from rapport.differentiate.spend import SpendModel
from rapport.differentiate.value import PurchaseHistory, ValueTerms, purchase_quantile, value_customers

Floats = NDArray[np.float64]
BG = LifetimeModel(0.243, 4.414, 0.793, 2.426, "week", "bg_nbd", Status.OK, -9582.4, 2357, 1016)
PARETO = replace(BG, r=0.553, alpha=10.578, a=0.606, b=11.669, method="pareto_nbd")
MBG = replace(BG, r=0.525, alpha=6.183, a=0.891, b=1.614, method="mbg_cnbd")
REGULAR = replace(MBG, r=2.0, alpha=8.0, a=0.6, b=8.0, k=3)
EVERY = [BG, PARETO, MBG, REGULAR, replace(REGULAR, k=2), replace(REGULAR, k=6)]
NAMES = ["bg", "pareto", "mbg", "k3", "k2", "k6"]
ROWS = (np.array([0.0, 1, 2, 9, 40]), np.array([0.0, 3, 30, 20, 38]), np.array([5.0, 39, 38, 39, 38.5]))
EXTREME = np.array(
    [(0, 0, 0), (0, 0, 1e6), (1, 0, 0), (1, 1e-9, 1e9), (50, 300, 300), (1e6, 1, 1e6), (1e7, 1e6, 1e6), (3, 0, 700)]
)


def pareto_by_hypergeometric(r: float, alpha: float, s: float, beta: float, rows: tuple[Floats, ...]) -> Floats:
    """Fader & Hardie (2005), "A note on deriving the Pareto/NBD model": eq. (20) to (22), both cases."""
    x, t_x, T = rows
    larger, smaller = max(alpha, beta), min(alpha, beta)
    second = s + 1 if alpha >= beta else r + x

    def part(t: Floats) -> Floats:
        z = (larger - smaller) / (larger + t)
        return hyp2f1(r + s + x, second, r + s + x + 1, z) / (larger + t) ** (r + s + x)

    a0 = part(t_x) - part(T)
    front = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    both = 1 / ((alpha + T) ** (r + x) * (beta + T) ** s) + s / (r + s + x) * a0
    return front + np.log(both)


@pytest.mark.parametrize("point", [(0.553, 10.578, 0.606, 11.669), (0.9, 14.0, 0.4, 5.0), (2.0, 7.0, 1.5, 7.0)])
def test_the_pareto_likelihood_equals_the_hypergeometric_form_whichever_of_alpha_and_beta_is_larger(
    point: tuple[float, ...],
) -> None:
    for i in range(5):
        row = tuple(column[i : i + 1] for column in ROWS)
        ours = pareto_nbd.log_likelihood(np.log(point), row, np.ones(1))[0]
        assert ours == pytest.approx(float(pareto_by_hypergeometric(*point, row)[0]), rel=1e-11)


def test_the_pareto_likelihood_is_finite_where_the_hypergeometric_form_is_not() -> None:
    rows = tuple(np.array(column) for column in zip(*EXTREME, strict=True))
    for point in ((1e-3, 1e-5, 1e-4, 1e5), (1e3, 1e4, 1e3, 1e-4), (0.5, 1e-3, 1e3, 1e4), (1e3, 1e-5, 1e-4, 1e-4)):
        value, gradient = pareto_nbd.log_likelihood(np.log(point), rows, np.ones(8))
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    ("r", "alpha", "s", "beta", "x", "t_x", "T"),
    [
        (0.5, 0.01, 5.0, 800.0, 3.0, 1.0, 300.0),
        (4.0, 900.0, 0.3, 0.02, 2.0, 10.0, 400.0),
        (1.0, 1.0, 1.0, 1.0, 0, 0, 9),
    ],
)
def test_the_pareto_likelihood_equals_adaptive_quadrature_where_alpha_and_beta_are_far_apart(
    r: float, alpha: float, s: float, beta: float, x: float, t_x: float, T: float
) -> None:
    def leaving(y: float) -> float:
        return float(((alpha + y) / (alpha + t_x)) ** -(r + x) * ((beta + y) / (beta + t_x)) ** -s / (beta + y))

    edges = [t_x, *(t_x + (T - t_x) * 10.0**-e for e in range(6, -1, -1))]
    gone = s * sum(quad(leaving, low, high, epsrel=1e-12)[0] for low, high in pairwise(edges))
    stay = ((alpha + T) / (alpha + t_x)) ** -(r + x) * ((beta + T) / (beta + t_x)) ** -s
    front = gammaln(r + x) - gammaln(r) + r * np.log(alpha / (alpha + t_x)) - x * np.log(alpha + t_x)
    by_quad = front + s * np.log(beta / (beta + t_x)) + np.log(stay + gone)
    row = tuple(np.array([v]) for v in (x, t_x, T))
    assert pareto_nbd.log_likelihood(np.log([r, alpha, s, beta]), row, np.ones(1))[0] == pytest.approx(
        by_quad, rel=1e-9
    )
    model = replace(PARETO, r=r, alpha=alpha, a=s, b=beta)
    assert alive_probability(model, x, t_x, T)[0] == pytest.approx(stay / (stay + gone), rel=1e-9)


def test_the_pareto_forecast_equals_the_printed_form() -> None:
    # Fader & Hardie (2005), the conditional expectation, at s = .606; and its limit at s = 1, ln in place of a power.
    x, t_x, T = ROWS
    alive = alive_probability(PARETO, x, t_x, T)
    s, beta, t = 0.606, 11.669, 39.0
    left = (x + 0.553) * (beta + T) / ((10.578 + T) * (s - 1)) * (1 - ((beta + T) / (beta + T + t)) ** (s - 1))
    np.testing.assert_allclose(expected_purchases(PARETO, x, t_x, T, t), alive * left, rtol=1e-12)
    one = replace(PARETO, a=1.0)
    limit = (x + 0.553) * (beta + T) / (10.578 + T) * np.log((beta + T + t) / (beta + T))
    by_limit = alive_probability(one, x, t_x, T) * limit
    np.testing.assert_allclose(expected_purchases(one, x, t_x, T, t), by_limit, rtol=1e-12)


@pytest.mark.parametrize("k", [0, 1, 2, 3, 6])
def test_gradients_equal_finite_differences(k: int) -> None:
    weights = np.array([7.0, 3, 2, 1, 1])

    def climbed(point: Floats) -> tuple[float, Floats]:
        if k == 0:
            return pareto_nbd.log_likelihood(point, ROWS, weights)
        return mbg_cnbd.log_likelihood(point, ROWS, weights, k)

    for point in (np.log([0.5, 10.0, 0.6, 11.0]), np.log([3.0, 0.5, 0.02, 30.0])):
        gradient = climbed(point)[1]
        for i in range(4):
            step = np.zeros(4)
            step[i] = 1e-5
            rise = climbed(point + step)[0] - climbed(point - step)[0]
            assert gradient[i] == pytest.approx(rise / 2e-5, rel=1e-6, abs=1e-7)


def test_the_mbg_likelihood_of_one_customer_equals_its_sum_by_hand() -> None:
    # r = alpha = a = b = 1, k = 1, no repeat, T = 1. Stayed after the first purchase: 1/2, no purchase since:
    # 1 / (1 + 1) = 1/2; dropped out at the first purchase: 1/2. Sum 1/4 + 1/2 = 3/4; alive 1/4 of 3/4.
    rows = (np.zeros(1), np.zeros(1), np.ones(1))
    assert mbg_cnbd.log_likelihood(np.zeros(4), rows, np.ones(1), 1)[0] == pytest.approx(np.log(3 / 4), rel=1e-14)
    model = replace(MBG, r=1.0, alpha=1.0, a=1.0, b=1.0)
    assert alive_probability(model, 0, 0, 1)[0] == pytest.approx(1 / 3, rel=1e-14)
    # k = 2: no purchase since means fewer than 2 stages: 1/2 + 1/2 x 1/2 = 3/4. Sum 3/8 + 1/2 = 7/8.
    assert mbg_cnbd.log_likelihood(np.zeros(4), rows, np.ones(1), 2)[0] == pytest.approx(np.log(7 / 8), rel=1e-14)
    assert alive_probability(replace(model, k=2), 0, 0, 1)[0] == pytest.approx(3 / 7, rel=1e-14)


@pytest.mark.parametrize("model", [MBG, REGULAR, replace(REGULAR, k=2), replace(REGULAR, k=6, b=0.5)])
def test_the_forecast_of_regular_buyers_equals_the_sum_over_stages_and_counts(model: LifetimeModel) -> None:
    # More than n purchases: k (n + 1) - j stages, negative binomial, and not dropped out at n of them; all terms
    # are positive. j stages since the last purchase have chance (r + k x)_j / j! ((T - t_x) / (alpha + T))**j.
    k, t = model.k, 26.0
    n = np.arange(6000.0)
    for x, t_x, T in zip(*ROWS, strict=True):
        shape, share = model.r + k * x, (T - t_x) / (model.alpha + T)
        stage = np.array([np.exp(gammaln(shape + j) - gammaln(shape) - gammaln(j + 1)) * share**j for j in range(k)])
        kept = np.exp(betaln(model.a, model.b + x + 1 + n) - betaln(model.a, model.b + x + 1))
        sums = [np.sum(kept * betainc(k * (n + 1) - j, shape + j, t / (model.alpha + T + t))) for j in range(k)]
        gone = model.a / (model.b + x) * ((model.alpha + T) / (model.alpha + t_x)) ** shape
        by_sum = float(stage @ np.array(sums)) / (stage.sum() + gone)
        assert expected_purchases(model, x, t_x, T, t)[0] == pytest.approx(by_sum, rel=1e-8)


def test_regularity_one_forecasts_as_the_chain_of_stages_does_for_one() -> None:
    # With k = 1 the chain has one state: (1 - (1 + p u)**-shape) / p, the BG/NBD form with b + x + 1.
    same = replace(BG, r=MBG.r, alpha=MBG.alpha, a=MBG.a, b=MBG.b + 1)
    x, t_x, T = ROWS
    ours = expected_purchases(MBG, x, t_x, T, 39.0) / alive_probability(MBG, x, t_x, T)
    theirs = expected_purchases(same, x, t_x, T, 39.0) / alive_probability(same, x, t_x, T)
    np.testing.assert_allclose(ours, theirs, rtol=1e-13)


@pytest.mark.parametrize("model", EVERY, ids=NAMES)
def test_tails_sum_to_the_expected_purchases(model: LifetimeModel) -> None:
    total = sum(purchase_tail(model, ROWS, 39.0, np.full(5, float(n))) for n in range(3000))
    np.testing.assert_allclose(total, expected_purchases(model, *ROWS, 39.0), rtol=2e-6)


@pytest.mark.parametrize("model", EVERY, ids=NAMES)
def test_a_customer_has_the_same_bits_alone_and_in_any_batch(model: LifetimeModel) -> None:
    keys = np.arange(4000, dtype=np.int64)
    x, age = np.floor(60 * uniform(keys, "x") ** 3), np.floor(400 * uniform(keys, "age")) / 7
    t_x = np.where(x > 0, age * uniform(keys, "t_x"), 0.0)
    rows = np.stack([x, t_x, age])

    def all_of(part: Floats) -> Floats:
        told = (np.ascontiguousarray(part[0]), np.ascontiguousarray(part[1]), np.ascontiguousarray(part[2]))
        quantile = purchase_quantile(model, told, 26.0, 0.9).astype(np.float64)
        return np.stack([expected_purchases(model, *part, 26.0), alive_probability(model, *part), quantile])

    together = all_of(rows)
    for i in [*range(0, 4000, 397), 3999]:
        assert np.array_equal(all_of(rows[:, i : i + 1]), together[:, i : i + 1])
        assert np.array_equal(all_of(rows[:, i : i + 5]), together[:, i : i + 5])
    assert np.array_equal(all_of(rows[:, ::-1])[:, ::-1], together)


@pytest.mark.parametrize("model", EVERY, ids=NAMES)
@pytest.mark.parametrize("r", [1e-3, 1e3])
@pytest.mark.parametrize("alpha", [1e-5, 1e6])
@pytest.mark.parametrize(("a", "b"), [(1e-4, 1e-3), (1.0, 2.4), (1e3, 1e4), (1e-4, 1e5), (1e3, 1e-3)])
def test_no_forecast_is_nan_negative_or_above_what_nobody_dropping_out_would_bring(
    model: LifetimeModel, r: float, alpha: float, a: float, b: float
) -> None:
    model = replace(model, r=r, alpha=alpha, a=a, b=b)
    x, t_x, age = EXTREME.T
    for horizon in (0.0, 39.0, 1e6):
        forecast = expected_purchases(model, x, t_x, age, horizon)
        alive = alive_probability(model, x, t_x, age)
        assert np.all((alive >= 0) & (alive <= 1))
        # Of k stages up to k - 1 may have passed: no more than those, and the purchase they complete, come on top.
        most = horizon * (r + model.k * (x + 1)) / (alpha + age) / model.k + (model.k > 1)
        assert np.all((forecast >= 0) & (forecast <= most * (1 + 1e-9)))


@pytest.mark.parametrize("model", EVERY, ids=NAMES)
def test_values_of_extreme_histories_are_finite_with_every_model(model: LifetimeModel) -> None:
    spend = SpendModel(6.0, 4.0, 15e6, 30e6, 0.5, "gamma_gamma", Status.OK, 0.0, 100, 100, 0)
    mean = [0, 0, -1e15, 1e15, 1e17, 1, 0, 5e6]
    values = value_customers(PurchaseHistory(*EXTREME.T, mean), model, spend, ValueTerms(3650.0, 0.5, 1_000_000))
    for name in ("alive_probability", "expected_purchases"):
        assert np.all(np.isfinite(getattr(values, name)))
    assert np.all(values.low_micros <= values.high_micros)


@pytest.mark.parametrize("method", ["bg_nbd", "pareto_nbd", "mbg_cnbd"])
def test_neither_order_nor_weights_change_a_bit_of_a_fit(method: str) -> None:
    keys = np.arange(600, dtype=np.int64)
    x, age = np.floor(12 * uniform(keys, "x") ** 3), 20 + np.floor(40 * uniform(keys, "age"))
    t_x = np.where(x > 0, np.floor(age * uniform(keys, "t_x")), 0.0)
    weights = 1 + keys % 3
    once = fit_lifetime(x, t_x, age, weights, "week", method)
    repeated = [np.repeat(column, weights) for column in (x, t_x, age)]
    order = np.argsort(uniform(np.arange(repeated[0].size, dtype=np.int64), "order"))
    assert once == fit_lifetime(*(column[order] for column in repeated), None, "week", method)
    assert once.method == method
    assert once.version.startswith("lifetime-2-")


def test_weeks_and_days_give_one_model() -> None:
    keys = np.arange(600, dtype=np.int64)
    x, age = np.floor(12 * uniform(keys, "x") ** 3), 140 + np.floor(280 * uniform(keys, "age"))
    t_x = np.where(x > 0, np.floor(age * uniform(keys, "t_x")), 0.0)
    gaps = np.where(x > 0, x * np.log(np.maximum(t_x, 1.0) / np.maximum(x, 1.0)), 0.0)
    for method, times in (("pareto_nbd", ("alpha", "beta")), ("mbg_cnbd", ("alpha",))):
        if method == "mbg_cnbd":
            days = fit_regular_lifetime(x, t_x, age, gaps)
            weeks = fit_regular_lifetime(x, t_x / 7, age / 7, gaps - x * np.log(7), "week")
        else:
            days, weeks = (fit_lifetime(x, t_x / u, age / u, method=method) for u in (1, 7))
        assert days.k == weeks.k
        for name, value in days.parameters.items():
            assert value / (7 if name in times else 1) == pytest.approx(weeks.parameters[name], rel=1e-3)
        # The density of a purchase time is per unit of time: ln 7 for each repeat purchase stands between.
        assert days.log_likelihood == pytest.approx(weeks.log_likelihood - x.sum() * np.log(7), rel=1e-6)


def test_parameters_have_the_names_of_the_literature() -> None:
    assert list(PARETO.parameters) == ["r", "alpha", "s", "beta"]
    assert PARETO.parameters["beta"] == 11.669
    assert list(REGULAR.parameters) == ["r", "alpha", "a", "b"]


@pytest.mark.parametrize("model", EVERY, ids=NAMES)
def test_every_model_survives_its_record_as_json(model: LifetimeModel) -> None:
    assert LifetimeModel.from_record(json.loads(json.dumps(model.to_record()))) == model


def test_a_record_written_before_there_were_several_models_still_loads() -> None:
    # The fields of the records of version lifetime-1.
    old = {
        "r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "time_unit": "week", "method": "bg_nbd", "status": "OK",
        "log_likelihood": -9582.4, "customers": 2357, "distinct_rows": 1016, "covariance": None,
        "version": "lifetime-1-0123456789ab",
    }  # fmt: skip
    model = LifetimeModel.from_record(old)
    assert model == replace(BG, version="lifetime-1-0123456789ab")
    assert (model.k, model.compared) == (1, ())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"method": "crystal_ball"}, "method is 'crystal_ball'"),
        ({"time_unit": "moon"}, "time_unit is 'moon'"),
        ({"status": "FINE"}, "status is 'FINE'"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_record_that_is_not_known_is_refused_with_the_reason(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        LifetimeModel.from_record({**BG.to_record(), **change})


def test_a_record_that_lacks_a_parameter_is_refused_by_its_name() -> None:
    record = BG.to_record()
    del record["alpha"]
    with pytest.raises(ValueError, match="alpha"):
        LifetimeModel.from_record(record)


@pytest.mark.parametrize(("method", "k"), [("pareto_nbd", 2), ("mbg_cnbd", 0), ("mbg_cnbd", 7), ("bg_nbd", 3)])
def test_a_regularity_that_a_model_does_not_have_is_refused(method: str, k: int) -> None:
    with pytest.raises(ValueError, match="k:"):
        fit_lifetime([1], [1], [2], method=method, k=k)


def test_a_method_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="method:"):
        fit_lifetime([1], [1], [2], method="naive_bayes")


@pytest.mark.parametrize("gaps", [[np.inf], [0.0, 0.0]])
def test_logarithms_of_gaps_that_are_not_finite_or_not_one_each_are_refused(gaps: list[float]) -> None:
    with pytest.raises(ValueError, match="log_gaps:"):
        fit_regular_lifetime([1], [1], [2], gaps)
