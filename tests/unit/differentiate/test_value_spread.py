"""The uncertainty that parameters give to totals: against draws of the parameters, and where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rapport.core.reasons import Status
from rapport.differentiate.lifetime import fit_lifetime
from rapport.differentiate.lifetime_model import LifetimeModel
from rapport.differentiate.spend import simple_spend
from rapport.differentiate.value import PurchaseHistory, ValueTerms, expected_contribution, value_customers
from rapport.differentiate.value_spread import nearby_models, parameter_spread
from rapport.simulate.purchases import PurchaseWorld, simulate_purchases

TERMS = ValueTerms(horizon_days=364.0, yearly_discount=0.1)


@pytest.fixture(scope="module")
def fitted() -> tuple[PurchaseHistory, LifetimeModel]:
    drawn = simulate_purchases(PurchaseWorld(0.8, 30.0, leave_1=0.8, leave_2=2.5), 600, seed=5)
    model = fit_lifetime(drawn.frequency, drawn.recency_days, drawn.age_days)
    history = PurchaseHistory(
        drawn.frequency, drawn.recency_days, drawn.age_days, np.full(600, 1e6), drawn.frequency + 1
    )
    return history, model


def test_the_models_nearby_have_the_mean_and_the_covariance_of_the_parameters(
    fitted: tuple[PurchaseHistory, LifetimeModel],
) -> None:
    _, model = fitted
    points = np.log([list(m.parameters.values()) for m in nearby_models(model)])
    assert points.mean(axis=0) == pytest.approx(np.log(list(model.parameters.values())))
    assert np.cov(points.T, bias=True) == pytest.approx(np.array(model.covariance), rel=1e-6, abs=1e-12)


def test_the_spread_of_a_total_is_that_of_drawn_parameters(fitted: tuple[PurchaseHistory, LifetimeModel]) -> None:
    history, model = fitted
    spend = simple_spend([1.0], [1e6], "one_mean", Status.OK)
    everyone = {"all": np.ones(600, dtype=np.bool_)}
    found = parameter_spread(history, model, spend, TERMS, everyone)
    draw = np.random.default_rng(6)
    middle = np.log(list(model.parameters.values()))
    points = draw.multivariate_normal(middle, np.array(model.covariance), 2000)
    totals = []
    for r, alpha, a, b in np.exp(points):
        totals.append(expected_contribution(history, replace(model, r=r, alpha=alpha, a=a, b=b), spend, TERMS).sum())
    assert found is not None
    # 2,000 draws tell a standard error to 1.6 %; the points meet it to second order.
    assert found["all"] == pytest.approx(np.std(totals), rel=0.10)


def test_groups_are_told_apart_and_nobody_has_no_spread(fitted: tuple[PurchaseHistory, LifetimeModel]) -> None:
    history, model = fitted
    spend = simple_spend([1.0], [1e6], "one_mean", Status.OK)
    first = np.arange(600) < 10
    found = parameter_spread(history, model, spend, TERMS, {"few": first, "none": first & ~first})
    assert found is not None
    assert found["few"] > 0.0
    assert found["none"] == 0.0


def test_a_model_without_covariance_has_no_spread(fitted: tuple[PurchaseHistory, LifetimeModel]) -> None:
    history, model = fitted
    spend = simple_spend([1.0], [1e6], "one_mean", Status.OK)
    bare = replace(model, covariance=None)
    assert nearby_models(bare) == ()
    assert parameter_spread(history, bare, spend, TERMS, {}) is None


def test_the_expected_contribution_is_that_of_the_values(fitted: tuple[PurchaseHistory, LifetimeModel]) -> None:
    history, model = fitted
    spend = simple_spend([1.0], [1e6], "one_mean", Status.OK)
    told = value_customers(history, model, spend, TERMS).expected_contribution_micros
    assert np.rint(expected_contribution(history, model, spend, TERMS)) == pytest.approx(told, abs=1)
