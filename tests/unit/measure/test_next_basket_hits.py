"""Recall, gain and the split into repeat and explore, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from rapport.measure.next_basket import basket_hits


def rows(lists: list[list[int]], items: int = 40) -> sparse.csr_matrix:
    matrix = np.zeros((len(lists), items))
    for row, held in enumerate(lists):
        matrix[row, held] = 1
    return sparse.csr_matrix(matrix)


def test_recall_gain_repeat_and_explore_by_hand() -> None:
    listed = np.arange(20)[None, :]
    # True: 0 (first), 3 (fourth), 15 (sixteenth), 30 (not listed). Bought before: 0, 1, 30.
    found = basket_hits(listed, rows([[0, 3, 15, 30]]), rows([[0, 1, 30]]))
    assert found.recall10[0] == 0.5
    assert found.recall20[0] == 0.75
    gain = 1 + 1 / np.log2(5)
    ideal = 1 + 1 / np.log2(3) + 1 / 2 + 1 / np.log2(5)
    assert found.ndcg10[0] == pytest.approx(gain / ideal)
    assert found.repeat10[0] == 0.5
    assert found.explore10[0] == 0.5
    assert found.own10[0] == 0.2


def test_the_ideal_gain_is_over_all_true_items_also_beyond_ten() -> None:
    listed = np.arange(20)[None, :]
    found = basket_hits(listed, rows([list(range(12))]), rows([[39]]))
    discounts = 1 / np.log2(np.arange(2, 14))
    assert found.ndcg10[0] == pytest.approx(discounts[:10].sum() / discounts.sum())
    assert found.recall10[0] == pytest.approx(10 / 12)


def test_a_short_list_finds_nothing_where_it_ends_and_nothing_to_find_is_not_a_number() -> None:
    listed = np.full((2, 20), -1)
    listed[0, 0] = 5
    found = basket_hits(listed, rows([[5], [5]]), rows([[5], [6]]))
    assert found.recall10.tolist() == [1, 0]
    assert found.repeat10[0] == 1
    assert np.isnan(found.explore10[0])
    assert np.isnan(found.repeat10[1])
    assert found.explore10[1] == 0
