"""The conditional logit over a pool: planted weights, too few redemptions, order by customer."""

import numpy as np
import pytest

from rapport.core.keys import uniform
from rapport.core.reasons import Status
from rapport.differentiate.relevance_choice import ChoiceSet, choice_features, fit_choice, predict_choice
from rapport.differentiate.relevance_history import PurchaseHistory


def tiny_history() -> PurchaseHistory:
    empty = np.zeros(0, dtype=np.int32)
    return PurchaseHistory(
        customer_keys=np.array([1, 2], dtype=np.int64),
        n_items=3,
        customer=np.array([0, 0, 0, 1], dtype=np.int32),
        item=np.array([0, 0, 2, 1], dtype=np.int32),
        day=np.array([5, 8, 20, 3], dtype=np.int32),
        sales_micros=np.array([2_000_000, 1_000_000, 9_000_000, 4_000_000], dtype=np.int64),
        discounted=np.zeros(4, dtype=np.bool_),
        trip_customer=empty,
        trip_day=empty,
        trip_sales_micros=empty.astype(np.int64),
        trip_discount_micros=empty.astype(np.int64),
    )


def test_choice_features_count_days_and_money_before_the_day_only() -> None:
    features = choice_features(tiny_history(), 20)
    # customer 0: two days (15 and 12 days ago) and 3.00 of coupon 0, nothing of the others before day 20
    recent = 2 ** (-15 / 45) + 2 ** (-12 / 45)
    np.testing.assert_allclose(features[0], [[np.log(3), np.log(4), np.log1p(recent)], [0, 0, 0], [0, 0, 0]])
    bought = [np.log(2), np.log(5), np.log1p(2 ** (-17 / 45))]
    np.testing.assert_allclose(features[1], [[0, 0, 0], bought, [0, 0, 0]])


def test_planted_weights_are_recovered() -> None:
    n, m, weights = 6000, 5, np.array([1.5, 0.5])
    cell = np.arange(n * m, dtype=np.int64)
    features = np.stack([3 * uniform(cell, "a"), 3 * uniform(cell, "b")], axis=1).reshape(n, m, 2)
    # a choice of the highest of utility + Gumbel noise is a conditional logit (McFadden 1974)
    noise = -np.log(-np.log(1e-12 + uniform(cell, "g").reshape(n, m)))
    chosen = np.argmax(features[:, :, 0] * weights[0] + features[:, :, 1] * weights[1] + noise, axis=1)
    model = fit_choice([ChoiceSet(features[:2000], chosen[:2000]), ChoiceSet(features[2000:], chosen[2000:])])
    np.testing.assert_allclose(model.weights, weights, atol=0.1)
    assert model.status is Status.OK
    assert model.redemptions == 6000
    assert model.mean_log_likelihood > -np.log(m)


def test_without_enough_redemptions_the_rank_is_by_purchase_days() -> None:
    model = fit_choice([])
    assert model.status is Status.TOO_FEW_REPEATS
    scores = predict_choice(model, tiny_history(), 30)
    assert scores[0] == pytest.approx([np.log(3), 0, np.log(2)])


def test_a_customer_has_the_same_scores_alone() -> None:
    history, model = tiny_history(), fit_choice([])
    whole = predict_choice(model, history, 30)
    assert predict_choice(model, history.of_customers(1, 2), 30).tobytes() == whole[1:2].tobytes()
