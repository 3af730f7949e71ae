"""Portfolios against brute force over every subset of the offers."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.decide.portfolio import NO_OFFER, common_portfolio, pick_portfolios

CATEGORIES = st.lists(st.integers(0, 2), min_size=1, max_size=7)


def worth(subset: tuple[int, ...], values: list[int], categories: list[int], variety: float) -> int:
    """Sum a subset's values, within each category the dearest whole, the next times `variety`, and so on."""
    groups: dict[int, list[int]] = defaultdict(list)
    for offer in subset:
        groups[categories[offer]].append(values[offer])
    return sum(
        round(value * variety**rank) for group in groups.values() for rank, value in enumerate(sorted(group)[::-1])
    )


@settings(max_examples=200)
@given(CATEGORIES, st.data(), st.integers(1, 4), st.sampled_from([1.0, 0.5, 0.85, 0.01]))
def test_no_subset_is_worth_more(categories: list[int], data: st.DataObject, size: int, variety: float) -> None:
    n = len(categories)
    # Whole tens of millions: rounding to a micro decides nothing.
    values = [10_000_000 * v for v in data.draw(st.lists(st.integers(-3, 6), min_size=n, max_size=n))]
    offers, weights = pick_portfolios(np.array([values]), np.array(categories, dtype=np.int32), size, variety)
    picked = tuple(int(o) for o in offers[0] if o != NO_OFFER)
    best = max(
        worth(s, values, categories, variety)
        for k in range(min(size, n) + 1)
        for s in combinations([i for i in range(n) if values[i] > 0], k)
    )
    assert worth(picked, values, categories, variety) == best
    assert sum(round(values[o] * w) for o, w in zip(picked, weights[0], strict=False)) == best
    assert len(set(picked)) == len(picked)
    assert all(values[o] > 0 for o in picked)
    assert not weights[0][len(picked) :].any()


@given(CATEGORIES, st.data(), st.integers(1, 4))
def test_single_micros_are_off_by_less_than_one_a_slot(categories: list[int], data: st.DataObject, size: int) -> None:
    n = len(categories)
    values = data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    offers, weights = pick_portfolios(np.array([values]), np.array(categories, dtype=np.int32), size, 0.85)
    found = sum(round(values[o] * w) for o, w in zip(offers[0], weights[0], strict=True) if o != NO_OFFER)
    best = max(worth(s, values, categories, 0.85) for k in range(min(size, n) + 1) for s in combinations(range(n), k))
    assert abs(found - best) <= size


def test_a_second_of_one_category_gives_way_to_another_category() -> None:
    # 100 + 60 beats 100 + .5 x 90; the third slot takes the .5 x 90.
    offers, weights = pick_portfolios(np.array([[100, 90, 60]]), np.array([0, 0, 1], dtype=np.int32), 3, 0.5)
    assert offers.tolist() == [[0, 2, 1]]
    assert weights.tolist() == [[1.0, 1.0, 0.5]]


def test_equal_values_go_to_the_lower_index_and_what_does_not_pay_is_not_picked() -> None:
    offers, _ = pick_portfolios(np.array([[0, 7, 7, -5, 7]]), np.arange(5, dtype=np.int32), 4, 1.0)
    assert offers.tolist() == [[1, 2, 4, NO_OFFER]]


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
def test_nothing_to_choose_from_gives_empty_portfolios(shape: tuple[int, int]) -> None:
    offers, weights = pick_portfolios(np.zeros(shape, np.int64), np.zeros(shape[1], np.int32), 2, 0.85)
    assert offers.tolist() == [[NO_OFFER, NO_OFFER]] * shape[0]
    assert weights.shape == (shape[0], 2)


def test_the_common_portfolio_takes_what_pays_summed_over_all() -> None:
    found = common_portfolio(np.array([5, -1, 9]), np.array([0, 1, 0], dtype=np.int32), 3, 0.5)
    assert (found.offers.tolist(), found.weights.tolist()) == ([2, 0], [1.0, 0.5])
