"""Scores of identity: counted by hand on a handful of records, and equal to counting every pair on many."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from rapport.measure.identity_truth import FIGURES, KINDS, Counted, score_identity, score_visitors

TRUTH = pa.table(
    {
        "system": ["shop", "web", "calls", "shop", "web", "shop", "web", "accounts"],
        "record_id": ["K1", "w1", "c1", "K2", "w2", "K3", "w4", "A1"],
        "person": ["P1", "P1", "P1", "P2", "P2", "P3", "P4", ""],
        "household": ["H1", "H1", "H1", "H1", "H1", "H3", "H4", ""],
        "planted": ["", "", "heard typo", "partner_email", "", "store_phone", "", ""],
    }
)
NO_RELATIONS = pa.table({"person": pa.array([], pa.string()), "other": pa.array([], pa.string()),
                         "kind": pa.array([], pa.string())})  # fmt: skip


def _crosswalk(customers: dict[tuple[str, str], str], homes: dict[str, str] | None = None) -> pa.Table:
    return pa.table(
        {
            "system": [s for s, _ in customers],
            "record_id": [r for _, r in customers],
            "customer_id": list(customers.values()),
            "household_id": pa.array([(homes or {}).get(c) for c in customers.values()], pa.string()),
        }
    )


RIGHT = {
    ("shop", "K1"): "C1", ("web", "w1"): "C1", ("calls", "c1"): "C1", ("shop", "K2"): "C2", ("web", "w2"): "C2",
    ("shop", "K3"): "C3", ("web", "w4"): "C4",
}  # fmt: skip


def test_what_is_all_right_scores_one_everywhere() -> None:
    score = score_identity(_crosswalk(RIGHT, {"C1": "h", "C2": "h"}), TRUTH, NO_RELATIONS)
    assert score.figures() == {
        "records": 7, "missing": 0, "unknown": 0, "people": 4, "customers": 4,
        "pair_precision": 1.0, "pair_recall": 1.0, "pair_f1": 1.0,
        "cluster_precision": 1.0, "cluster_recall": 1.0, "cluster_f1": 1.0,
        "wrong_merges": 0, "split_people": 0, "household_precision": 1.0, "household_recall": 1.0,
    }  # fmt: skip


def test_a_couple_with_one_mailbox_merged_is_one_wrong_merge_of_that_kind() -> None:
    score = score_identity(_crosswalk(RIGHT | {("shop", "K2"): "C1"}), TRUTH, NO_RELATIONS)
    # Joined: 6 pairs of four records, 3 of them right; true: 3 of P1 and 1 of P2.
    assert score.pairs == Counted(3, 6, 4)
    assert score.pairs.precision == 0.5
    assert score.pairs.recall == 0.75
    assert score.pairs.f1 == pytest.approx(0.6)
    # Of the two people with several records neither is one customer exactly; the one customer of several is wrong.
    assert score.clusters == Counted(0, 1, 2)
    assert score.wrong_by_kind["shared_mail"] == len(score.wrong) == 1
    assert score.wrong[0].people == ("P1", "P2")
    assert score.wrong[0].records == (("shop", "K1"), ("shop", "K2"))
    assert score.split_people == 1


def test_a_relation_names_the_kind_before_anything_else() -> None:
    twins = pa.table({"person": ["P2"], "other": ["P1"], "kind": ["twins"]})
    score = score_identity(_crosswalk(RIGHT | {("shop", "K2"): "C1"}), TRUTH, twins)
    assert score.wrong[0].kind == "twins"


def test_strangers_are_told_from_those_with_a_blocked_value() -> None:
    score = score_identity(_crosswalk(RIGHT | {("web", "w4"): "C3"}), TRUTH, NO_RELATIONS)
    assert [w.kind for w in score.wrong] == ["strangers"]
    both = TRUTH.set_column(4, "planted", pa.array(["", "", "", "", "", "store_phone", "blocked_phone", ""]))
    score = score_identity(_crosswalk(RIGHT | {("web", "w4"): "C3"}), both, NO_RELATIONS)
    assert [w.kind for w in score.wrong] == ["blocked_value"]


def test_a_split_is_blamed_on_the_errors_of_the_record_left_out() -> None:
    score = score_identity(_crosswalk(RIGHT | {("calls", "c1"): "C9"}), TRUTH, NO_RELATIONS)
    assert score.split_people == 1
    assert score.split_by == {"heard": 1, "typo": 1}
    assert score.pairs == Counted(2, 2, 4)


def test_a_record_without_a_customer_is_counted_and_stands_alone() -> None:
    without = {k: v for k, v in RIGHT.items() if k != ("calls", "c1")}
    score = score_identity(_crosswalk(without | {("shop", "K99"): "C1"}), TRUTH, NO_RELATIONS)
    assert (score.missing, score.unknown) == (1, 1)
    assert score.pairs == Counted(2, 2, 4)


def test_households_are_judged_by_pairs_of_two_people() -> None:
    # P1 has three records and P2 two: six pairs of two people. Put together with P3: three pairs more, all wrong.
    score = score_identity(_crosswalk(RIGHT, {"C1": "h", "C2": "h", "C3": "h"}), TRUTH, NO_RELATIONS)
    assert score.households == Counted(6, 6 + 3 + 2, 6)
    assert score_identity(_crosswalk(RIGHT), TRUTH, NO_RELATIONS).households == Counted(0, 0, 6)


def test_counts_equal_those_of_every_pair_on_random_clusters() -> None:
    draw = np.random.default_rng(3)
    n = 120
    customer, person = draw.integers(0, 50, n), draw.integers(0, 45, n)
    home, found_home = person // 3, customer // 2
    truth = pa.table({
        "system": ["s"] * n, "record_id": [str(i) for i in range(n)], "person": [f"P{p}" for p in person],
        "household": [f"H{h}" for h in home], "planted": [""] * n,
    })  # fmt: skip
    crosswalk = pa.table({
        "system": ["s"] * n, "record_id": [str(i) for i in range(n)], "customer_id": [f"C{c}" for c in customer],
        "household_id": [f"h{h}" for h in found_home],
    })  # fmt: skip
    score = score_identity(crosswalk, truth, NO_RELATIONS)
    pairs = list(combinations(range(n), 2))
    joined = {(i, j) for i, j in pairs if customer[i] == customer[j]}
    true = {(i, j) for i, j in pairs if person[i] == person[j]}
    assert score.pairs == Counted(len(joined & true), len(joined), len(true))
    together = {(i, j) for i, j in pairs if found_home[i] == found_home[j] and person[i] != person[j]}
    living = {(i, j) for i, j in pairs if home[i] == home[j] and person[i] != person[j]}
    assert score.households == Counted(len(together & living), len(together), len(living))
    merged = {(c, *sorted((person[i], person[j]))) for i, j in joined - true for c in [customer[i]]}
    assert len(score.wrong) == len(merged)
    mine = [frozenset(np.flatnonzero(customer == c)) for c in np.unique(customer)]
    theirs = [frozenset(np.flatnonzero(person == p)) for p in np.unique(person)]
    assert score.clusters == Counted(
        len({c for c in mine if len(c) > 1} & set(theirs)),
        sum(len(c) > 1 for c in mine),
        sum(len(p) > 1 for p in theirs),
    )


def test_visitors_are_right_wrong_stolen_or_left_to_decide() -> None:
    crosswalk = _crosswalk({("web", "w1"): "C1", ("web", "w2"): "C2", ("shop", "w1"): "C9"})
    visitors = pa.table({
        "visitor": ["a", "b", "c", "d", "e", "t", "t", "u", "u"],
        "record_id": ["w1", "w2", "w2", "", "", "w1", "w2", "w1", "w2"],
        "shared": ["no"] * 5 + ["yes"] * 4,
    })  # fmt: skip
    joined = pa.table({"visitor": ["a", "b", "c", "d", "t"], "customer_id": ["C1", "C1", None, "C1", "C2"]})
    score = score_visitors(joined, crosswalk, visitors)
    assert (score.joined_right, score.joined_wrong, score.not_joined) == (1, 1, 1)
    assert (score.left_unknown, score.joined_unverified) == (1, 1)
    assert (score.shared_left, score.shared_joined) == (1, 1)


def test_nothing_found_is_precise_and_nothing_to_find_is_found() -> None:
    assert (Counted(0, 0, 4).precision, Counted(0, 0, 4).recall, Counted(0, 0, 4).f1) == (1.0, 0.0, 0.0)
    assert (Counted(0, 0, 0).recall, Counted(0, 0, 0).f1) == (1.0, 1.0)
    empty = score_identity(_crosswalk({}), TRUTH.slice(0, 0), NO_RELATIONS)
    assert empty.figures()["pair_f1"] == 1.0


def test_kinds_and_figures_are_named_once() -> None:
    for closed in (KINDS, FIGURES):
        assert len({name for name, _ in closed}) == len(closed)
