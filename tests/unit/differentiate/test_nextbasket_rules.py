"""Baskets in their order: what is past, what is due, who teaches whom, and that nothing of a target is seen."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.core.errors import SourceColumns, SourceEmpty
from rapport.core.keys import uniform
from rapport.differentiate.nextbasket import Baskets, baskets, folds, groups, lags, weighed, without_last
from rapport.differentiate.nextbasket_features import NAMES, Known, Rows, Teachers, known_of, outcomes, rows_of
from rapport.differentiate.nextbasket_pairs import PAIR_NAMES, pairs_of
from rapport.differentiate.nextbasket_ranker import fit_ranker, predict_ranker, ranked, taught_rows
from rapport.simulate.baskets import simulate_baskets


def made(rows: list[tuple[int, int, list[int]]]) -> Baskets:
    offsets = np.cumsum([0] + [len(items) for _, _, items in rows])
    flat = np.array([i for _, _, items in rows for i in items])
    return baskets(np.array([r[0] for r in rows]), np.array([r[1] for r in rows]), offsets, flat)


def place_of(items: int) -> np.ndarray:
    """Where each named item 0 .. items - 1 stands: numbers are shuffled by a fixed chance."""
    return np.argsort(np.argsort(uniform(np.arange(items), "nextbasket/item"), kind="stable"), kind="stable")


def planted(customers: int = 200) -> Baskets:
    shop = simulate_baskets(customers)
    return baskets(shop.customer, shop.position, shop.offsets, shop.items)


def test_baskets_come_in_each_customers_order_whatever_the_order_of_rows() -> None:
    found = made([(7, 1, [2]), (5, 0, [0, 1]), (7, 0, [1, 1]), (5, 4, [2])])
    at = place_of(3)
    assert found.start.tolist() == [0, 2, 4]
    expected = np.zeros((4, 3))
    for row, items in enumerate([[0, 1], [2], [1], [2]]):
        expected[row, at[items]] = 1
    assert np.array_equal(found.items.toarray(), expected)


def test_an_empty_basket_and_two_at_one_place_are_refused() -> None:
    with pytest.raises(SourceEmpty, match="row 1 holds no item - customer 1"):
        made([(1, 0, [0]), (1, 1, [])])
    with pytest.raises(SourceColumns, match="customer 1 has two baskets at place 3"):
        made([(1, 3, [0]), (1, 3, [1])])
    with pytest.raises(SourceEmpty, match="there is none"):
        baskets(*(np.zeros(n, dtype=np.int64) for n in (0, 0, 1, 0)))


def test_a_customer_with_one_basket_has_nothing_to_tell() -> None:
    found = without_last(made([(1, 0, [0]), (2, 0, [1]), (2, 1, [2]), (3, 0, [0]), (3, 1, [1]), (3, 2, [2])]))
    at = place_of(3)
    assert found.past.counts.tolist() == [1, 2]
    assert found.target.indices.tolist() == [at[2], at[2]]
    assert found.past.items.indices.tolist() == [at[1], at[0], at[1]]


def test_every_customer_is_asked_once_and_never_teaches_the_own_fold() -> None:
    asked = []
    for fold in folds(100):
        assert (len(fold.train), len(fold.validation), len(fold.test)) == (72, 8, 20)
        everybody = np.concatenate([fold.train, fold.validation, fold.test])
        assert sorted(everybody.tolist()) == list(range(100))
        asked += fold.test.tolist()
    assert sorted(asked) == list(range(100))


def test_groups_share_nobody_and_miss_nobody() -> None:
    found = groups(np.arange(10, 33), 4)
    assert sorted(np.concatenate(found).tolist()) == list(range(10, 33))
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_a_faded_past_by_hand() -> None:
    # Item 0 in the baskets 3 and 1 ago, item 1 in the basket 2 ago: .5^2 + 1 and .5.
    past = made([(1, 0, [0]), (1, 1, [1]), (1, 2, [0])])
    at = place_of(2)
    assert lags(past).tolist() == [3, 2, 1]
    assert weighed(past, 0.5).toarray()[0, at].tolist() == [1.25, 0.5]
    assert weighed(past, 1.0, 2).toarray()[0, at].tolist() == [1.0, 1.0]


def test_what_a_past_says_of_its_items_by_hand() -> None:
    # Four baskets: {0}, {0, 1}, {2}, {0, 2, 1}. Item 0: bought 3 times, 4, 3 and 1 ago: mean gap 1.5.
    past = made([(1, 0, [0]), (1, 1, [0, 1]), (1, 2, [2]), (1, 3, [0, 2, 1])])
    pairs = pairs_of(past)
    at = place_of(3)
    _, features = pairs.at(np.zeros(3, dtype=np.int64), at, 3)
    told = {name: features[:, i].tolist() for i, name in enumerate(PAIR_NAMES)}
    assert told["count"] == [3, 2, 2]
    assert told["baskets_ago"] == [1, 1, 1]
    assert told["first_baskets_ago"] == [4, 3, 2]
    assert told["share_of_baskets"] == [0.75, 0.5, 0.5]
    assert told["share_since_first"] == pytest.approx([3 / 4, 2 / 3, 1])
    assert told["mean_gap"] == [1.5, 2, 1]
    assert told["due"] == pytest.approx([1 / 1.5, 0.5, 1])
    assert told["count_faded_5"] == [1 + 0.25 + 0.125, 1 + 0.25, 1.5]
    assert told["in_last_three"] == [2, 2, 2]
    assert told["share_of_items"] == pytest.approx([3 / 7, 2 / 7, 2 / 7])
    assert told["size_of_its_basket"] == [3, 3, 3]
    assert told["recency_rank"] == [0, 0, 0]
    assert told["count_rank"] == [0, 1, 1]


def test_an_item_bought_once_has_no_gap_and_one_never_bought_says_nothing() -> None:
    pairs = pairs_of(made([(1, 0, [0]), (1, 1, [1]), (2, 0, [2])]))
    at = place_of(3)
    place, features = pairs.at(np.zeros(2, dtype=np.int64), at[[0, 2]], 3)
    assert place[1] == -1
    assert np.isnan(features[1]).all()
    assert np.isnan(features[0, PAIR_NAMES.index("mean_gap")])


def _asked(known: Baskets) -> tuple[Known, Teachers, np.ndarray]:
    problem = without_last(known)
    fold = next(iter(folds(problem.past.customers)))
    teachers = Teachers(known_of(problem.past), problem.target, fold.train)
    return teachers.known, teachers, np.sort(np.concatenate([fold.validation, fold.test]))


def test_last_baskets_of_those_asked_change_no_candidate_no_feature_and_no_model() -> None:
    known = planted()
    problem = without_last(known)
    fold = next(iter(folds(problem.past.customers)))
    asked = np.sort(np.concatenate([fold.validation, fold.test]))
    other = known.items.tolil()
    for customer in asked:
        # Another basket altogether: the items that it did not hold.
        last = known.start[customer + 1] - 1
        other[last] = 1.0 - known.items[last].toarray()
    changed = Baskets(other.tocsr().astype(np.float32), known.start)
    found: list[tuple[Rows, str]] = []
    for shop in (known, changed):
        state, teachers, same = _asked(shop)
        assert np.array_equal(same, asked)
        found.append((rows_of(state, teachers, asked), fit_ranker(taught_rows(teachers))))
    (one, model), (two, second) = found
    assert (without_last(changed).target[asked] != problem.target[asked]).nnz > 0
    assert np.array_equal(one.customer, two.customer)
    assert np.array_equal(one.item, two.item)
    assert one.features.tobytes() == two.features.tobytes()
    assert model == second


def test_the_own_next_basket_changes_nothing_in_a_teachers_own_rows() -> None:
    problem = without_last(planted())
    known = known_of(problem.past)
    everybody = np.arange(problem.past.customers)
    group = np.sort(groups(everybody, 4)[0])
    other = problem.target.tolil()
    for customer in group:
        other[customer] = 1.0 - problem.target[customer].toarray()
    rows = []
    for target in (problem.target, other.tocsr().astype(np.float32)):
        first = next(iter(taught_rows(Teachers(known, target, everybody))))
        assert np.array_equal(np.unique(first[0].customer), group)
        rows.append(first)
    assert rows[0][0].features.tobytes() == rows[1][0].features.tobytes()
    assert not np.array_equal(rows[0][1], rows[1][1])


def test_who_teaches_is_not_asked() -> None:
    problem = without_last(planted(40))
    known = known_of(problem.past)
    with pytest.raises(ValueError, match="both teaches and is asked"):
        rows_of(known, Teachers(known, problem.target, np.arange(30)), np.arange(29, 40))


def test_candidates_are_all_own_items_and_others_once_each() -> None:
    state, teachers, asked = _asked(planted())
    rows = rows_of(state, teachers, asked)
    assert rows.features.shape == (len(rows.item), len(NAMES))
    assert len(set(zip(rows.customer.tolist(), rows.item.tolist(), strict=True))) == len(rows.item)
    held = weighed(state.past, 1.0)
    for customer in asked[:5]:
        mine = rows.customer == customer
        assert set(rows.item[mine & rows.own].tolist()) == set(held[customer].indices.tolist())
        assert not set(rows.item[mine & ~rows.own].tolist()) & set(held[customer].indices.tolist())
        assert (mine & ~rows.own).sum() == 100


def test_an_item_that_no_known_basket_holds_is_no_candidate() -> None:
    # Every item is bought once: what somebody who is asked bought last stands in no other basket.
    shop = made([(c, p, [4 * c + p]) for c in range(20) for p in range(4)])
    state, teachers, asked = _asked(shop)
    rows = rows_of(state, teachers, asked)
    assert outcomes(rows, teachers.target).sum() == 0
    assert all((~rows.own & (rows.customer == c)).sum() == 20 * 4 - len(asked) - 3 for c in asked)


def test_the_order_of_rows_in_the_file_changes_nothing() -> None:
    shop = simulate_baskets(120)
    whole = baskets(shop.customer, shop.position, shop.offsets, shop.items)
    back = np.arange(len(shop.customer))[::-1]
    parts = [shop.items[shop.offsets[r] : shop.offsets[r + 1]] for r in back]
    offsets = np.cumsum([0] + [len(p) for p in parts])
    turned = baskets(shop.customer[back], shop.position[back], offsets, np.concatenate(parts))
    assert (whole.items != turned.items).nnz == 0
    assert np.array_equal(whole.start, turned.start)


def test_lists_are_by_chance_and_short_ones_end_in_minus_one() -> None:
    rows = Rows(np.array([3, 3, 3, 8]), np.array([5, 6, 7, 5]), np.ones(4, dtype=bool), np.zeros((4, 1), np.float32))
    found = ranked(rows, np.array([0.1, 0.9, 0.1, 0.5]), np.array([3, 4, 8]), 2)
    assert found.tolist() == [[6, 5], [-1, -1], [5, -1]]


def test_planted_tastes_are_found_again() -> None:
    state, teachers, asked = _asked(planted(400))
    rows = rows_of(state, teachers, asked)
    chance = predict_ranker(fit_ranker(taught_rows(teachers)), rows)
    came = outcomes(rows, teachers.target).astype(bool)
    assert ((chance > 0) & (chance < 1)).all()
    # The made-up shop draws a seventh of its items from everything: most candidates are hopeless, and are told so.
    assert chance[came].mean() > 4 * chance[~came].mean()
