"""Odds from evidence and kinds of strangers; costs to thresholds; blocking rules within a budget."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.identify.blocking import ATOMS, Rule, choose_rules, possible_rules, training_rules
from rapport.identify.comparisons import COMPARISONS, Fill, choose_comparisons
from rapport.identify.link_model import kinds_of_strangers
from rapport.identify.link_threshold import BELIEVED_LOW, best_believed, thresholds
from rapport.identify.mixture import Observed, Shares, bits_of, first_shares, fit_mixture, log_odds
from rapport.program.identify import Identify


def test_with_one_kind_of_strangers_odds_are_prior_plus_bits() -> None:
    # 1 of 1,024 pairs matches and 12 bits speak for it: odds of 2^(12 - 10).
    odds = log_odds(np.array([[12.0]]), np.array([False]), Shares((1 / 1024, 1 / 1024), (1.0,)))
    assert abs(float(odds[0]) - 2.0) < 1e-12


def test_what_a_household_shares_counts_little_where_households_are_frequent() -> None:
    # 30 bits, all of them from the home: against anyone they are much, against someone of the household nothing.
    weight = np.array([[30.0, 0.0]])
    alone = log_odds(weight, np.array([False]), Shares((1e-4, 1e-4), (1.0, 1e-14)))
    homes = log_odds(weight, np.array([False]), Shares((1e-4, 1e-4), (0.9999, 1e-4)))
    assert alone[0] > 10.0
    assert abs(homes[0]) < 0.01  # one to one


def test_differing_never_speaks_for_and_agreeing_never_against() -> None:
    bits = bits_of(np.array([0.001, 0.999]), np.array([0.5, 0.5]))
    assert bits[0] >= 0.0
    assert bits[-1] < 0.0


def test_the_mixture_finds_planted_shares_again() -> None:
    rng = np.random.default_rng(3)
    n, share = 40_000, 0.02
    m = [np.array([0.9, 0.1])] * 5
    u = [np.array([0.067, 0.933])] * 5  # of all pairs: 0.02 x 0.9 + 0.98 x 0.05
    true = rng.random(n) < share
    level = np.column_stack([np.where(rng.random(n) < np.where(true, 0.9, 0.05), 0, 1) for _ in m]).astype(np.int8)
    seen = Observed(level, np.zeros((n, 1)), np.zeros(n, bool), np.ones(n), (float(n), 0.0), np.ones((1, 5), bool))
    start = tuple(np.array([0.7, 0.3]) for _ in m)
    fitted = fit_mixture(seen, start, tuple(u), start, first_shares((float(n), 0.0), n // 10, 1))
    assert abs(fitted.shares.match[0] - share) < 0.004
    assert all(abs(float(mk[0]) - 0.9) < 0.05 for mk in fitted.m)


def test_where_nobody_is_twice_next_to_nothing_matches() -> None:
    rng = np.random.default_rng(4)
    level = (rng.random((20_000, 5)) > 0.05).astype(np.int8)
    seen = Observed(
        level, np.zeros((20_000, 1)), np.zeros(20_000, bool), np.ones(20_000), (2e6, 0.0), np.ones((1, 5), bool)
    )
    start = tuple(np.array([0.8, 0.2]) for _ in range(5))
    u = tuple(np.array([0.05, 0.95]) for _ in range(5))
    fitted = fit_mixture(seen, start, u, start, first_shares((2e6, 0.0), 2_000, 1))
    assert fitted.matches < 20


def test_a_dearer_wrong_merge_asks_for_more_evidence() -> None:
    even = thresholds(Identify(wrong_merge_cost=1.0, missed_merge_cost=1.0, review_cost=0.1))
    dear = thresholds(Identify(wrong_merge_cost=128.0, missed_merge_cost=1.0, review_cost=0.1))
    assert (even.link, dear.link) == (0.0, 7.0)
    assert abs(even.review - np.log2(1 / 9)) < 1e-12


def test_empty_and_constant_columns_are_not_compared() -> None:
    fills = {"surname": Fill(0.9, 500, 0.01), "city": Fill(1.0, 1, 1.0), "birth": Fill(0.0, 0, 0.0)}
    assert [c.name for c in choose_comparisons(fills, (), False, False)] == ["surname"]


def test_a_city_that_follows_from_the_postal_code_is_one_piece_of_evidence() -> None:
    fills = {"postal_code": Fill(1.0, 90, 0.02), "city": Fill(1.0, 40, 0.05)}
    assert [c.name for c in choose_comparisons(fills, (), True, False)] == ["place"]
    assert [c.name for c in choose_comparisons(fills, (), False, False)] == ["postal_code", "city"]


def test_expected_shares_of_levels_are_shares() -> None:
    for c in COMPARISONS:
        assert all(0.0 < x < 1.0 for x in c.expected), c.name
        assert len(c.names) == len(c.levels) + 1


def test_kinds_of_strangers_leave_something_that_tells_apart() -> None:
    chosen = tuple(c for c in COMPARISONS if c.name in {"street", "house_number"})
    assert [k.name for k in kinds_of_strangers(chosen)] == ["anyone"]


def test_the_threshold_of_best_believed_f1_lies_at_half_of_it() -> None:
    known = thresholds(Identify(aim="f1", wrong_merge_cost=1.0))
    chance = np.array([0.9, 0.05, 0.99, 0.45, 0.6, 0.3])
    # Of the likeliest n of these, F1 by hand: 1.98/4.29, 3.78/5.29, 4.98/6.29, 5.88/7.29, 6.48/8.29, 6.58/9.29.
    best = 5.88 / 7.29
    found = best_believed(chance, 1.0, known)
    assert found.link == pytest.approx(np.log2(best / 2 / (1 - best / 2)) - BELIEVED_LOW)
    assert found.review == known.review
    assert best_believed(chance, 0.5, known).link < found.link, "who misses half of all has less to lose"
    assert best_believed(np.full(9, 0.01), 1.0, known).link == known.review, "nothing is linked that nobody reviews"
    assert best_believed(np.empty(0), 1.0, known) == known


def test_rules_stay_within_the_budget_of_pairs() -> None:
    pairs = {Rule(("email",)): 100.0, Rule(("phone",)): 80.0, Rule(("names",)): 1_000.0}
    assert choose_rules(pairs, 200.0, 1_000.0, 10, ()) == (Rule(("phone",)), Rule(("email",)))


def test_a_rule_counts_as_the_pairs_left_after_its_largest_blocks() -> None:
    pairs = {Rule(("email",)): 100.0, Rule(("phone",)): 80.0, Rule(("names",)): 150.0}
    assert choose_rules(pairs, 200.0, 60.0, 10, ()) == (Rule(("phone",)), Rule(("email",)), Rule(("names",)))
    assert choose_rules(pairs, 140.0, 60.0, 10, ()) == (Rule(("phone",)), Rule(("email",)))


def test_a_rule_joins_two_atoms_of_different_columns() -> None:
    two = [r for r in possible_rules(ATOMS) if len(r.atoms) == 2]
    assert Rule(("birth year", "surname sound")) in two
    assert Rule(("birth year", "birth day")) not in two
    assert Rule(("postal code", "city")) not in two


def test_training_rules_share_no_column() -> None:
    rules = training_rules(("email", "surname", "given_name", "city", "birth"), ())
    named = [c for r in rules for c in r.columns]
    assert len(named) == len(set(named))
    assert rules[0].sql == "l.email = r.email"
