"""Portfolios against brute force over every subset of the offers, through the loop that chooses for everybody."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rapport.decide.portfolio import common_portfolio, variety_weights
from rapport.decide.problem import (
    Candidates,
    ContactEntries,
    Customers,
    Entries,
    Limits,
    Portfolio,
    Problem,
    no_entries,
)
from rapport.decide.respond import Response, respond

CATEGORIES = st.lists(st.integers(0, 2), min_size=1, max_size=7)
TEN = 10_000_000


def shape(
    categories: list[int], size: int, variety: float, kind: list[int] | None = None, most: list[int] | None = None
) -> Portfolio:
    return Portfolio(
        weights=variety_weights(variety, size),
        reach=np.ones(1),
        category=np.array(categories, dtype=np.int32),
        kind=np.array(kind or [-1] * len(categories), dtype=np.int32),
        kind_most=np.array(most or [], dtype=np.int32),
    )


def best_of(values: list[int], portfolio: Portfolio, **more: Any) -> tuple[tuple[int, ...], Response]:
    """Return what one customer gets through one free route, in order, each offer with a limit of its own and a price.

    `prices` and `must` are by offer, `contact` is what the contact is worth, `forced` whether silence is not allowed.
    """
    n = len(values)
    none: NDArray[np.float64] = np.zeros(0)
    own = Entries(
        start=np.arange(n + 1),
        limit=np.arange(n, dtype=np.int32),
        use=np.ones(n),
        amount=np.full(n, -1, dtype=np.int32),
        routes=np.ones(n, dtype=np.int64),
        scope=np.full(n, -1, dtype=np.int32),
    )
    problem = Problem(
        Customers(
            start=np.array([0, n]),
            cell=np.zeros(1, dtype=np.int32),
            contact_micros=np.array([[float(more.get("contact", 0.0))]]),
            contact_amounts=np.zeros((0, 1, 1)),
            forced=np.array([more.get("forced", False)]),
        ),
        Candidates(
            offer=np.arange(n, dtype=np.int32),
            value=np.array(values, dtype=np.float64),
            routes=np.ones(n, dtype=np.int64),
            must=np.array(more.get("must", [0] * n), dtype=np.int64),
            amounts=np.zeros((0, n)),
        ),
        portfolio,
        Limits(
            bound=np.zeros(n),
            at_least=np.zeros(n, dtype=np.bool_),
            contacts=ContactEntries(
                np.zeros(2, dtype=np.int64), np.zeros(0, dtype=np.int32), none, np.zeros(0, dtype=np.int32)
            ),
            by_offer=own,
            by_cell=no_entries(1),
            scope_has=np.zeros((0, 1), dtype=np.bool_),
            through_reach=np.zeros(0, dtype=np.bool_),
        ),
    )
    found = respond(problem, np.array(more.get("prices", [0] * n), dtype=np.float64))
    return tuple(int(k) for k in found.chosen[0] if k >= 0), found


def worth(subset: tuple[int, ...], values: list[int], categories: list[int], variety: float) -> float:
    """Sum a subset's values, within each category the dearest whole, the next times `variety`; losses in full."""
    groups: dict[int, list[int]] = defaultdict(list)
    for offer in subset:
        groups[categories[offer]].append(values[offer])
    return sum(
        value * variety**rank if value > 0 else value
        for group in groups.values()
        for rank, value in enumerate(sorted(group)[::-1])
    )


@settings(max_examples=150)
@given(CATEGORIES, st.data(), st.integers(1, 4), st.sampled_from([1.0, 0.5, 0.85, 0.01]))
def test_no_subset_is_worth_more(categories: list[int], data: st.DataObject, size: int, variety: float) -> None:
    n = len(categories)
    # Whole tens of millions: rounding to a micro decides nothing.
    values = [TEN * v for v in data.draw(st.lists(st.integers(-3, 6), min_size=n, max_size=n))]
    picked, found = best_of(values, shape(categories, size, variety))
    best = max(
        worth(s, values, categories, variety)
        for k in range(min(size, n) + 1)
        for s in combinations([i for i in range(n) if values[i] > 0], k)
    )
    assert worth(picked, values, categories, variety) == pytest.approx(best, abs=1)
    assert found.value[0] == found.net[0] == pytest.approx(best, abs=1)
    assert len(set(picked)) == len(picked)
    assert all(values[o] > 0 for o in picked)


@settings(max_examples=150)
@given(CATEGORIES, st.data(), st.integers(1, 4), st.sampled_from([1.0, 0.5, 0.85]))
def test_no_subset_is_worth_more_after_prices_and_subsidies(
    categories: list[int], data: st.DataObject, size: int, variety: float
) -> None:
    n = len(categories)
    several = st.lists(st.integers(-3, 6), min_size=n, max_size=n)
    values = [TEN * v for v in data.draw(several)]
    prices = [TEN * v for v in data.draw(several)]
    contact = TEN * data.draw(st.integers(-3, 0))
    picked, found = best_of(values, shape(categories, size, variety), prices=prices, contact=contact)

    def net(subset: tuple[int, ...]) -> float:
        return worth(subset, values, categories, variety) - sum(prices[o] for o in subset) + contact

    best = max(net(s) for k in range(1, min(size, n) + 1) for s in combinations(range(n), k))
    assert found.net[0] == pytest.approx(max(best, 0.0), abs=1)
    assert (net(picked) if picked else 0.0) == pytest.approx(max(best, 0.0), abs=1)


@settings(max_examples=150)
@given(CATEGORIES, st.data(), st.integers(1, 4))
def test_of_a_kind_stand_no_more_than_allowed_and_no_such_subset_is_worth_more(
    categories: list[int], data: st.DataObject, size: int
) -> None:
    # Without discounts at most so many of a kind is a matroid, for which taking the best next is exact.
    n = len(categories)
    values = [TEN * v for v in data.draw(st.lists(st.integers(-3, 6), min_size=n, max_size=n))]
    prices = [TEN * v for v in data.draw(st.lists(st.integers(-2, 3), min_size=n, max_size=n))]
    kind = data.draw(st.lists(st.integers(-1, 1), min_size=n, max_size=n))
    most = [data.draw(st.integers(1, 2)) for _ in range(2)]

    def allowed(subset: tuple[int, ...]) -> bool:
        return all(c <= most[q] for q, c in Counter(kind[o] for o in subset).items() if q >= 0)

    picked, found = best_of(values, shape(categories, size, 1.0, kind, most), prices=prices)
    best = max(
        sum(values[o] - prices[o] for o in s)
        for k in range(min(size, n) + 1)
        for s in combinations(range(n), k)
        if allowed(s)
    )
    assert allowed(picked)
    assert found.net[0] == pytest.approx(max(best, 0), abs=1)


@settings(max_examples=150)
@given(CATEGORIES, st.data(), st.integers(1, 4), st.sampled_from([1.0, 0.5]), st.booleans())
def test_what_must_be_said_stands_in_whatever_is_said_and_the_rest_is_the_best_beside_it(
    categories: list[int], data: st.DataObject, size: int, variety: float, forced: bool
) -> None:
    n = len(categories)
    values = [TEN * v for v in data.draw(st.lists(st.integers(-3, 6), min_size=n, max_size=n))]
    musts = data.draw(st.sets(st.integers(0, n - 1), max_size=size))
    must = [int(o in musts) for o in range(n)]
    picked, found = best_of(values, shape(categories, size, variety), must=must, forced=forced)
    best = max(
        worth(s, values, categories, variety)
        for k in range(min(size, n) + 1)
        for s in combinations(range(n), k)
        if musts <= set(s)
    )
    if best > 0 or forced:
        assert musts <= set(picked)
        assert found.net[0] == pytest.approx(best, abs=1)
    else:
        assert (picked, found.route[0]) == ((), -1)


@given(CATEGORIES, st.data(), st.integers(1, 4))
def test_single_micros_are_not_lost(categories: list[int], data: st.DataObject, size: int) -> None:
    n = len(categories)
    values = data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    _, found = best_of(values, shape(categories, size, 0.85))
    best = max(worth(s, values, categories, 0.85) for k in range(min(size, n) + 1) for s in combinations(range(n), k))
    assert found.value[0] == pytest.approx(best, rel=1e-12)


def test_a_second_of_one_category_gives_way_to_another_category() -> None:
    # 100 + 60 beats 100 + .5 x 90; the third slot takes the .5 x 90.
    picked, found = best_of([100, 90, 60], shape([0, 0, 1], 3, 0.5))
    assert picked == (0, 2, 1)
    assert found.value[0] == 100 + 60 + 45


def test_losses_that_must_be_said_count_in_full_and_take_no_rank() -> None:
    # The loss of 40 is not halved, and the second gain is the first discounted: 100 - 40 + .5 x 60.
    picked, found = best_of([100, -40, 60], shape([0, 0, 0], 3, 0.5), must=[0, 1, 0])
    assert picked == (1, 0, 2)
    assert found.value[0] == 90


def test_equal_values_go_to_the_lower_index_and_what_does_not_pay_is_not_picked() -> None:
    assert best_of([0, 7, 7, -5, 7], shape([0, 1, 2, 3, 4], 4, 1.0))[0] == (1, 2, 4)


def test_the_same_portfolio_is_found_with_and_without_the_short_cut_for_plain_offers() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        values = rng.integers(-5, 9, 12).tolist()
        plain = best_of(values, shape([0] * 12, 4, 1.0))[0]
        # A kind that binds nothing takes the long way.
        assert best_of(values, shape([0] * 12, 4, 1.0, [0] * 12, [12]))[0] == plain


@pytest.mark.parametrize("size", [1, 3])
def test_nothing_to_choose_from_gives_an_empty_portfolio(size: int) -> None:
    assert common_portfolio(np.zeros(0), shape([], size, 0.85)).offers.tolist() == []
    assert common_portfolio(np.array([-3.0, 0.0]), shape([0, 0], size, 0.85)).offers.tolist() == []


def test_the_common_portfolio_takes_what_pays_summed_over_all() -> None:
    assert common_portfolio(np.array([5.0, -1.0, 9.0]), shape([0, 1, 0], 3, 0.5)).offers.tolist() == [2, 0]


def test_the_common_portfolio_keeps_to_the_kinds() -> None:
    found = common_portfolio(np.array([5.0, 7.0, 3.0]), shape([0, 1, 2], 3, 1.0, [0, 0, -1], [1]))
    assert found.offers.tolist() == [1, 2]
