"""The relevance model on a planted problem, its promises on chunks and days, and its record."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from rapport.core.keys import customer_keys, uniform
from rapport.core.reasons import Status
from rapport.differentiate.relevance import fit_relevance, predict_relevance
from rapport.differentiate.relevance_calibration import apply_calibration, auc, fit_calibration, log_loss
from rapport.differentiate.relevance_history import PurchaseHistory, bought_between, bought_pairs, history_from_arrow
from rapport.differentiate.relevance_record import (
    RelevanceModel,
    RelevanceSettings,
    relevance_from_json,
    relevance_to_json,
)

N_CUSTOMERS, N_ITEMS, N_DAYS, WINDOW = 400, 16, 140, 14
FIRST = 18_000
AS_OF = FIRST + N_DAYS - WINDOW
SETTINGS = RelevanceSettings(window_days=WINDOW, step_days=WINDOW, repeat_trees=30, explore_trees=30)


def table(**columns: NDArray[np.generic]) -> pa.Table:
    data = {name: pa.array(values) for name, values in columns.items()}
    data["day"] = data["day"].cast(pa.date32())
    return pa.table(data)


def planted_rates(n_customers: int, n_items: int) -> NDArray[np.float64]:
    """Chance of a purchase on a day: two thirds of the pairs never, the others once in 4 to 100 days."""
    keys = np.sort(customer_keys(f"c{i}" for i in range(n_customers)))
    fond = np.stack([uniform(keys, f"fond/{i}") < 1 / 3 for i in range(n_items)], axis=1)
    pace = np.stack([uniform(keys, f"pace/{i}") for i in range(n_items)], axis=1)
    return np.where(fond, 0.01 + 0.24 * pace**3, 0.0005)


def shop_of(rates: NDArray[np.float64]) -> PurchaseHistory:
    """Return purchases drawn from the rates, days independent."""
    n_customers, n_items = rates.shape
    keys = np.sort(customer_keys(f"c{i}" for i in range(n_customers)))
    draws = np.stack(
        [np.stack([uniform(keys, f"{i}/{d}") for d in range(N_DAYS)], axis=1) for i in range(n_items)], axis=1
    )
    u, i, day = np.nonzero(draws < rates[:, :, None])
    money = np.full(len(u), 1_000_000, dtype=np.int64)
    purchases = table(
        customer_key=keys[u],
        item_index=i.astype(np.int32),
        day=(day + FIRST).astype(np.int32),
        sales_micros=money,
        discounted=np.zeros(len(u), dtype=np.bool_),
    )
    trip = np.unique(np.stack([u, day]), axis=1)
    zero = np.zeros(trip.shape[1], dtype=np.int64)
    trips = table(
        customer_key=keys[trip[0]],
        day=(trip[1] + FIRST).astype(np.int32),
        sales_micros=zero + 1_000_000,
        discount_micros=zero,
    )
    return history_from_arrow(keys, n_items, purchases, trips)


@pytest.fixture(scope="module")
def rates() -> NDArray[np.float64]:
    return planted_rates(N_CUSTOMERS, N_ITEMS)


@pytest.fixture(scope="module")
def shop(rates: NDArray[np.float64]) -> PurchaseHistory:
    return shop_of(rates)


@pytest.fixture(scope="module")
def model(shop: PurchaseHistory) -> RelevanceModel:
    return fit_relevance(shop, AS_OF, SETTINGS)


def test_planted_probabilities_are_recovered_and_calibrated(
    model: RelevanceModel, shop: PurchaseHistory, rates: NDArray[np.float64]
) -> None:
    truth = 1 - (1 - rates) ** WINDOW  # at least one purchase in the window, days independent
    predicted = predict_relevance(model, shop)
    assert ((predicted > 0) & (predicted < 1)).all()
    assert predicted.mean() == pytest.approx(truth.mean(), rel=0.08)
    bought = bought_pairs(shop.before(AS_OF))
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        group = (predicted >= low) & (predicted < high)
        assert predicted[group].mean() == pytest.approx(truth[group].mean(), abs=0.04)
    assert np.corrcoef(predicted[bought], truth[bought])[0, 1] > 0.9


def test_probabilities_of_all_pairs_miss_the_planted_ones_by_less_than_a_hundredth() -> None:
    # Expected calibration error in ten groups, against the planted chance itself: without the noise of outcomes. The
    # calibration is learned on a tenth of the customers; 2,500 leave it about 800 repeat pairs.
    rates = planted_rates(2500, 10)
    shop = shop_of(rates)
    truth = (1 - (1 - rates) ** WINDOW).ravel()
    predicted = predict_relevance(fit_relevance(shop, AS_OF, SETTINGS), shop).ravel()
    before = bought_pairs(shop.before(AS_OF)).ravel()
    errors = []
    for kind in (before, ~before, np.ones(len(before), dtype=np.bool_)):
        p, t = predicted[kind], truth[kind]
        groups = np.array_split(np.argsort(p, kind="stable"), 10)
        errors.append(sum(abs(p[g].sum() - t[g].sum()) for g in groups) / len(p))
    assert errors[2] <= 0.01, errors
    assert max(errors) <= 0.02, errors


def test_repeat_and_explore_are_diagnosed_on_households_not_learned_from(model: RelevanceModel) -> None:
    assert model.window_starts == (AS_OF - 14, AS_OF - 28, AS_OF - 42)
    for part in (model.repeat, model.explore):
        assert part.diagnostics.held_out_pairs > 0
        assert part.diagnostics.log_loss > 0
    assert model.repeat.diagnostics.status is Status.OK
    assert model.repeat.diagnostics.auc > 0.75
    # ten groups of about 18 pairs: even perfect probabilities miss by sqrt(2/pi) * sqrt(p (1 - p) / 18) <= 0.094
    # on average; the sharp test of calibration is the one against planted probabilities
    assert model.repeat.diagnostics.held_out_pairs >= 180
    assert model.repeat.diagnostics.calibration_error < 0.094 + 2 * 0.022


def test_rows_on_or_after_the_day_change_neither_model_nor_probability(
    model: RelevanceModel, shop: PurchaseHistory
) -> None:
    past = shop.before(AS_OF)
    assert len(past.day) < len(shop.day)
    again = fit_relevance(past, AS_OF, SETTINGS)
    assert relevance_to_json(again) == relevance_to_json(model)
    assert predict_relevance(again, past).tobytes() == predict_relevance(model, shop).tobytes()


def test_a_customer_has_the_same_probabilities_alone_and_in_any_chunk(
    model: RelevanceModel, shop: PurchaseHistory
) -> None:
    whole = predict_relevance(model, shop)
    for first, stop in ((0, 1), (17, 18), (100, 390)):
        part = predict_relevance(model, shop.of_customers(first, stop))
        assert part.tobytes() == whole[first:stop].tobytes()


def test_the_record_survives_the_way_through_json(model: RelevanceModel, shop: PurchaseHistory) -> None:
    text = relevance_to_json(model)
    again = relevance_from_json(text)
    assert relevance_to_json(again) == text
    assert again.settings == model.settings
    assert again.repeat.diagnostics == model.repeat.diagnostics
    assert predict_relevance(again, shop).tobytes() == predict_relevance(model, shop).tobytes()


def test_a_record_of_another_version_is_refused(model: RelevanceModel) -> None:
    text = relevance_to_json(dataclasses.replace(model, version="relevance-0"))
    with pytest.raises(ValueError, match="Fit the model again"):
        relevance_from_json(text)


def test_a_history_shorter_than_two_windows_is_refused(shop: PurchaseHistory) -> None:
    with pytest.raises(ValueError, match="must be at least 28"):
        fit_relevance(shop, FIRST + 20, SETTINGS)


def test_too_little_to_learn_from_is_a_status_and_still_a_probability(shop: PurchaseHistory) -> None:
    few = shop.of_customers(0, 4)
    model = fit_relevance(few, AS_OF, SETTINGS)
    assert model.repeat.diagnostics.status is Status.TOO_FEW_CUSTOMERS
    predicted = predict_relevance(model, few)
    assert ((predicted > 0) & (predicted < 1)).all()


def test_learning_from_a_sample_of_customers_scores_all_of_them(shop: PurchaseHistory) -> None:
    model = fit_relevance(shop, AS_OF, dataclasses.replace(SETTINGS, max_customers=250))
    predicted = predict_relevance(model, shop)
    truth = bought_between(shop, AS_OF, AS_OF + WINDOW)
    assert predicted.shape == (N_CUSTOMERS, N_ITEMS)
    assert auc(predicted.ravel(), truth.ravel()) > 0.8


def test_calibration_undoes_a_planted_distortion_and_keeps_the_order() -> None:
    keys = np.arange(40_000, dtype=np.int64)
    truth = 0.02 + 0.9 * uniform(keys, "p")
    outcomes = uniform(keys, "y") < truth
    raw = 1.0 + 2.0 * np.log(truth / (1 - truth))  # log odds doubled and shifted
    calibrated = apply_calibration(raw, *fit_calibration(raw, outcomes))
    np.testing.assert_allclose(calibrated, truth, atol=0.02)
    assert (np.diff(calibrated[np.argsort(raw)]) >= 0).all()


@pytest.mark.parametrize("slope", [0.01, 1.0, 9.0])
def test_calibration_rises_strictly_and_stays_between_0_and_1(slope: float) -> None:
    raw = np.linspace(-4, 4, 2000)
    outcomes = uniform(np.arange(2000, dtype=np.int64), "y") < 1 / (1 + np.exp(-slope * raw))
    raw_knots, probability_knots = fit_calibration(raw, outcomes)
    assert (np.diff(raw_knots) > 0).all()
    assert (np.diff(probability_knots) > 0).all()
    assert probability_knots[0] > 0
    assert probability_knots[-1] < 1


def test_auc_and_log_loss_of_hand_cases() -> None:
    # pairs (positive, negative): .8 beats .1, .8 beats .5, .5 ties .5 and beats .1: 3.5 of 4
    scores, outcomes = np.array([0.1, 0.5, 0.5, 0.8]), np.array([False, False, True, True])
    assert auc(scores, outcomes) == 3.5 / 4
    assert np.isnan(auc(scores, np.ones(4, dtype=np.bool_)))
    assert log_loss(np.array([0.5, 0.25]), np.array([True, False])) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
