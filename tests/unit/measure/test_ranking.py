"""Ranking measures on tables small enough to check by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rapport.core.keys import customer_keys, uniform
from rapport.measure.ranking import (
    calibration_table,
    coverage,
    hits_at_k,
    personal_frequency_scores,
    popularity_scores,
    random_scores,
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


def test_hits_and_coverage_of_a_hand_case() -> None:
    lists = np.array([[0, 1], [2, -1], [1, 0]])
    bought = np.array([[True, False, True, False], [True, True, False, False], [False] * 4])
    assert hits_at_k(lists, bought).tolist() == [1, 0, 0]
    assert coverage(lists, 4) == 0.75


def test_personal_frequency_breaks_ties_and_orders_its_tail_by_popularity() -> None:
    days = np.array([[2, 2, 0, 0]])
    buyers = np.array([5, 9, 1, 3])
    assert top_k(personal_frequency_scores(days, buyers), 4).tolist() == [[1, 0, 3, 2]]


def test_popularity_is_the_same_for_all() -> None:
    assert popularity_scores(np.array([3, 7]), 2).tolist() == [[3.0, 7.0], [3.0, 7.0]]


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
