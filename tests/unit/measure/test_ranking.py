"""Ranking measures on tables small enough to check by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rapport.core.keys import customer_keys, uniform
from rapport.measure.ranking import (
    calibration_table,
    coverage,
    hits_at_k,
    paired_bootstrap,
    personal_frequency_scores,
    popularity_scores,
    random_scores,
    recall_at_k,
    tier_popularity_scores,
    top_k,
)


def test_equal_scores_are_listed_by_the_second_score_and_then_by_index() -> None:
    scores = np.array([[1.0, 2.0, 2.0, 2.0, 0.0]])
    assert top_k(scores, 3).tolist() == [[1, 2, 3]]
    assert top_k(scores, 2, ties=np.array([0.0, 1.0, 5.0, 1.0, 9.0])).tolist() == [[2, 1]]


def test_second_scores_may_differ_by_customer() -> None:
    scores = np.zeros((2, 3))
    assert top_k(scores, 1, ties=np.array([[0, 0, 1], [0, 1, 0]])).tolist() == [[2], [1]]


def test_items_that_may_not_be_listed_leave_empty_slots() -> None:
    scores = np.array([[-np.inf, 0.5, -np.inf], [-np.inf, -np.inf, -np.inf]])
    assert top_k(scores, 2).tolist() == [[1, -1], [-1, -1]]


def test_a_list_longer_than_the_catalogue_is_the_whole_catalogue() -> None:
    assert top_k(np.array([[0.1, 0.3]]), 10).tolist() == [[1, 0]]


@pytest.mark.parametrize(("scores", "k"), [(np.array([[np.nan]]), 1), (np.array([[1.0]]), 0)])
def test_scores_that_are_not_numbers_and_empty_lists_are_refused(scores: NDArray[np.float64], k: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        top_k(scores, k)


def test_top_k_agrees_with_a_full_sort() -> None:
    scores = np.round(uniform(np.arange(40, dtype=np.int64) * 977, "scores").reshape(2, 20) * 6)
    for row in range(2):
        full = sorted(range(20), key=lambda item: (-scores[row, item], item))
        assert top_k(scores, 7)[row].tolist() == full[:7]


def test_hits_recall_and_coverage_of_a_hand_case() -> None:
    lists = np.array([[0, 1], [2, -1], [1, 0]])
    bought = np.array([[True, False, True, False], [True, True, False, False], [False] * 4])
    assert hits_at_k(lists, bought).tolist() == [1, 0, 0]
    # 1 of the 2 bought items was listed; 0 of 2; nothing was bought
    np.testing.assert_array_equal(recall_at_k(lists, bought), [0.5, 0.0, np.nan])
    assert coverage(lists, 4) == 0.75


def test_personal_frequency_breaks_ties_and_orders_its_tail_by_popularity() -> None:
    days = np.array([[2, 2, 0, 0]])
    buyers = np.array([5, 9, 1, 3])
    assert top_k(personal_frequency_scores(days, buyers), 4).tolist() == [[1, 0, 3, 2]]


def test_popularity_is_the_same_for_all_and_tier_popularity_within_a_tier() -> None:
    assert popularity_scores(np.array([3, 7]), 2).tolist() == [[3.0, 7.0], [3.0, 7.0]]
    bought = np.array([[True, False], [True, False], [False, True]])
    # tier 1 holds customers 0 and 1: two buyers of item 0; tier 0 holds customer 2
    assert tier_popularity_scores(bought, np.array([1, 1, 0])).tolist() == [[2, 0], [2, 0], [0, 1]]


def test_random_scores_belong_to_the_customer_and_the_salt() -> None:
    keys = customer_keys(["a", "b", "c"])
    whole = random_scores(keys, 4, "s")
    np.testing.assert_array_equal(random_scores(keys[1:2], 4, "s"), whole[1:2])
    assert not np.array_equal(random_scores(keys, 4, "t"), whole)
    assert len(np.unique(whole)) == 12


def test_calibration_of_a_hand_case() -> None:
    # groups (.1, .2) with no outcome and (.7, .9) with two: gaps .15 and .2, mean .175
    table = calibration_table(np.array([0.9, 0.1, 0.2, 0.7]), np.array([True, False, False, True]), 2)
    np.testing.assert_allclose(table.predicted, [0.15, 0.8])
    np.testing.assert_allclose(table.observed, [0.0, 1.0])
    assert table.count.tolist() == [2, 2]
    assert table.expected_calibration_error == pytest.approx(0.175)


def test_calibration_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        calibration_table(np.array([]), np.array([], dtype=bool))


def test_a_constant_difference_has_an_interval_of_no_width() -> None:
    keys = np.arange(50, dtype=np.int64)
    other = np.arange(50.0)
    result = paired_bootstrap(keys, other + 2.0, other, salt="x", n_draws=200)
    assert result.difference == pytest.approx(2.0)
    assert result.difference_low == pytest.approx(2.0)
    assert result.difference_high == pytest.approx(2.0)
    assert result.ratio == pytest.approx(26.5 / 24.5)  # means of 2..51 and 0..49
    assert result.ratio_low < result.ratio < result.ratio_high


def test_the_interval_of_a_mean_is_as_wide_as_the_normal_theory_says() -> None:
    keys = customer_keys(str(i) for i in range(2000))
    values = (uniform(keys, "v") < 0.3).astype(float)
    result = paired_bootstrap(keys, values, np.zeros(2000), salt="x", n_draws=2000)
    # standard error of a share: sqrt(p (1 - p) / n); 95 % is 1.96 of them to each side
    half = 1.96 * np.sqrt(values.mean() * (1 - values.mean()) / 2000)
    assert result.difference_high - result.difference_low == pytest.approx(2 * half, rel=0.08)
    assert np.isnan(result.ratio)


def test_rows_of_one_household_are_drawn_together() -> None:
    keys = np.repeat(customer_keys(str(i) for i in range(300)), 4)
    values = np.repeat((np.arange(300) % 2).astype(float), 4)
    result = paired_bootstrap(keys, values, np.zeros(1200), salt="x", n_draws=2000)
    # four copies of a household say no more than one: the error of 300, not of 1200
    half = 1.96 * np.sqrt(0.25 / 300)
    assert result.difference_high - result.difference_low == pytest.approx(2 * half, rel=0.1)


def test_the_bootstrap_gives_the_same_interval_in_any_order() -> None:
    keys = customer_keys(str(i) for i in range(100))
    values = np.arange(100.0)
    order = np.argsort(uniform(keys, "order"))
    first = paired_bootstrap(keys, values, values[::-1], salt="x", n_draws=50)
    again = paired_bootstrap(keys[order], values[order], values[::-1][order], salt="x", n_draws=50)
    assert first == again
