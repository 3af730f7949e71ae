"""A merge is an edge: made, undone, brought into line with a run, and never rewritten."""

from __future__ import annotations

import pytest

from memories import START, clusters, customers, key, later, link, links, partition, person, remember
from rapport.core.errors import UnknownCustomer, UnknownMerge
from rapport.stores.identity import CustomerMemory


@pytest.fixture
def four(memory: CustomerMemory) -> CustomerMemory:
    for minute, name in enumerate("abcd"):
        remember(memory, [person(name)], later(minute))
    return memory


def test_the_oldest_id_survives_and_merged_ids_find_the_customer(four: CustomerMemory) -> None:
    before = customers(four)
    four.ledger.merge(key("c"), key("b"), "anna", "same card", None, later(10))
    assert customers(four)[key("c")] == before[key("b")]
    four.ledger.merge(key("c"), key("a"), "anna", "same name", '{"name": 1}', later(11))
    oldest = before[key("a")]
    assert {customers(four)[key(n)] for n in "abc"} == {oldest}
    assert customers(four)[key("d")] == before[key("d")]
    assert four.records.customer_of(before[key("c")]) == oldest
    assert four.records.node_keys(before[key("b")]) == [key("a"), key("b"), key("c")]


def test_undo_finds_both_sides_again_after_later_merges(four: CustomerMemory) -> None:
    before = customers(four)
    first = four.ledger.merge(key("a"), key("b"), "anna", "alike", None, later(10))
    four.ledger.merge(key("b"), key("c"), "anna", "alike", None, later(11))
    undone = four.ledger.undo(first.merge_id, "bert", "two people", later(12))
    assert partition(four) == {frozenset({key("a")}), frozenset({key("b"), key("c")}), frozenset({key("d")})}
    assert customers(four)[key("c")] == before[key("b")]
    assert not undone.still_joined
    assert (undone.edge.undone_by, undone.edge.undone_why, undone.edge.undone_at) == ("bert", "two people", later(12))
    assert (undone.edge.by, undone.edge.why, undone.edge.at) == ("anna", "alike", later(10))
    assert four.reviews.verdicts().to_pylist() == sorted(
        (
            {"left_key": min(p), "right_key": max(p), "same": same}
            for p, same in (((key("a"), key("b")), False), ((key("b"), key("c")), True))
        ),
        key=lambda row: (row["left_key"], row["right_key"]),
    )


def test_undo_says_where_other_edges_still_join_the_two(four: CustomerMemory) -> None:
    first = four.ledger.merge(key("a"), key("b"), "anna", "", None, later(10))
    four.ledger.merge(key("b"), key("c"), "anna", "", None, later(10))
    four.ledger.merge(key("a"), key("c"), "anna", "", None, later(10))
    undone = four.ledger.undo(first.merge_id, "anna", "", later(11))
    assert undone.still_joined
    assert undone.left_customer == undone.right_customer


def test_merges_of_a_customer_are_those_that_touch_it(four: CustomerMemory) -> None:
    one = four.ledger.merge(key("a"), key("b"), "anna", "", None, later(10))
    other = four.ledger.merge(key("c"), key("d"), "anna", "", None, later(11))
    four.ledger.undo(one.merge_id, "anna", "", later(12))
    assert [m.merge_id for m in four.ledger.merges()] == [one.merge_id, other.merge_id]
    assert [m.merge_id for m in four.ledger.merges(include_undone=False)] == [other.merge_id]
    a = customers(four)[key("a")]
    assert [m.merge_id for m in four.ledger.merges(a)] == [one.merge_id]
    assert four.ledger.merges(a, include_undone=False) == []
    assert four.ledger.merge_of(other.merge_id) == other


def test_what_is_not_there_cannot_be_merged_or_undone(four: CustomerMemory) -> None:
    with pytest.raises(UnknownCustomer, match="no record has the key 7"):
        four.ledger.merge(key("a"), 7, "anna", "", None, START)
    with pytest.raises(UnknownMerge, match="no merge 99"):
        four.ledger.undo(99, "anna", "", START)
    made = four.ledger.merge(key("a"), key("b"), "anna", "", None, START)
    four.ledger.undo(made.merge_id, "bert", "", later(1))
    with pytest.raises(UnknownMerge, match=r"undone by bert on 2030-01-01"):
        four.ledger.undo(made.merge_id, "anna", "", later(2))
    with pytest.raises(UnknownMerge, match="with itself"):
        four.ledger.merge(key("a"), key("a"), "anna", "", None, START)


def test_a_run_adds_the_strongest_links_and_takes_back_what_it_no_longer_holds_together(four: CustomerMemory) -> None:
    a, b, c, d = (key(n) for n in "abcd")
    found = links(link(a, b, 5.0), link(b, c, 9.0), link(a, c, 7.0), link(c, d, 1.0))
    first = four.ledger.apply_clusters(clusters([a, b, c], [d]), found, "resolve 1", later(10))
    assert (first.added, first.taken_back, first.moved, first.vetoed, first.unknown) == (2, 0, 2, 0, 0)
    joined = {frozenset((m.left_key, m.right_key)) for m in four.ledger.merges()}
    assert joined == {frozenset((b, c)), frozenset((a, c))}
    again = four.ledger.apply_clusters(clusters([a, b, c], [d]), found, "resolve 2", later(11))
    assert (again.added, again.taken_back, again.moved) == (0, 0, 0)
    third = four.ledger.apply_clusters(clusters([a], [b, c], [d]), links(link(b, c)), "resolve 3", later(12))
    assert (third.added, third.taken_back, third.moved) == (0, 1, 2)
    assert partition(four) == {frozenset({a}), frozenset({b, c}), frozenset({d})}
    assert [m.undone_by for m in four.ledger.merges()] == [None, "resolve 3"] or [
        m.undone_by for m in four.ledger.merges()
    ] == ["resolve 3", None]


def test_a_cluster_without_links_is_joined_all_the_same(four: CustomerMemory) -> None:
    a, b, c, d = (key(n) for n in "abcd")
    done = four.ledger.apply_clusters(clusters([a, b, c], [d], [5]), links(link(b, c)), "resolve", later(10))
    assert (done.added, done.unknown) == (2, 1)
    assert partition(four) == {frozenset({a, b, c}), frozenset({d})}


def test_decisions_of_people_and_logins_outlive_every_run(four: CustomerMemory) -> None:
    a, b, c, d = (key(n) for n in "abcd")
    four.ledger.merge(a, b, "anna", "sisters", None, later(10))
    four.reviews.decide_review(c, d, "different", "anna", later(10))
    none = four.ledger.apply_clusters(clusters([a], [b], [c, d]), links(link(c, d)), "resolve", later(11))
    assert (none.added, none.taken_back, none.vetoed) == (0, 0, 1)
    assert partition(four) == {frozenset({a, b}), frozenset({c}), frozenset({d})}


def test_many_merges_at_once_are_edges_like_others(four: CustomerMemory) -> None:
    a, b, c, d = (key(n) for n in "abcd")
    assert four.ledger.merge_many(links(link(a, b), link(c, d), link(a, b)), "anna", "list", later(10)) == 2
    assert four.ledger.merge_many(links(link(a, b), link(b, c)), "anna", "list", later(11)) == 1
    assert partition(four) == {frozenset({a, b, c, d})}
    with pytest.raises(UnknownCustomer):
        four.ledger.merge_many(links(link(a, 7)), "anna", "list", later(12))
