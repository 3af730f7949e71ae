"""Pairs wait for people; what they decide is remembered, obeyed and can be taken back."""

from __future__ import annotations

import pytest

from memories import customers, key, later, link, links, partition, person, remember
from rapport.stores.identity import CustomerMemory


@pytest.fixture
def queue(memory: CustomerMemory) -> CustomerMemory:
    """Four records; a-b is nearly even, a-c likelier, c-d sure."""
    remember(memory, [person(n) for n in "abcd"])
    pairs = [("a", "b", 0.55), ("a", "c", 0.8), ("c", "d", 0.99)]
    rows = [link(key(x), key(y), probability=p, evidence='{"name": ["X", "Y"]}') for x, y, p in pairs]
    assert memory.reviews.queue_reviews(links(*rows), later(0)) == 3
    return memory


def _next(memory: CustomerMemory, *skip: tuple[int, int]) -> frozenset[int]:
    pair = memory.reviews.next_review(skip)
    return frozenset() if pair is None else frozenset((pair.left_key, pair.right_key))


def pair_of(left: str, right: str) -> tuple[int, int]:
    return min(key(left), key(right)), max(key(left), key(right))


def test_the_least_certain_comes_first_and_the_skipped_last(queue: CustomerMemory) -> None:
    assert _next(queue) == {key("a"), key("b")}
    assert _next(queue, pair_of("a", "b")) == {key("a"), key("c")}
    queue.reviews.decide_review(*pair_of("a", "b"), "skip", "anna", later(1))
    assert _next(queue) == {key("a"), key("c")}
    counts = queue.reviews.review_counts()
    assert (counts.open, counts.skipped, counts.same, counts.different) == (2, 1, 0, 0)
    assert _next(queue, pair_of("a", "c"), pair_of("c", "d")) == {key("a"), key("b")}
    assert len(queue.reviews.verdicts()) == 0


def test_same_merges_and_can_be_taken_back(queue: CustomerMemory) -> None:
    before = partition(queue)
    queue.reviews.decide_review(*pair_of("a", "b"), "same", "anna", later(1))
    assert frozenset((key("a"), key("b"))) in partition(queue)
    assert queue.ledger.merges()[0].evidence == '{"name": ["X", "Y"]}'
    assert queue.reviews.verdicts()["same"].to_pylist() == [True]
    taken_back = queue.reviews.undo_last_decision("anna", later(2))
    assert taken_back is not None
    assert (taken_back.verdict, taken_back.by) == ("same", "anna")
    assert partition(queue) == before
    assert len(queue.reviews.verdicts()) == 0
    assert _next(queue) == {key("a"), key("b")}
    assert queue.reviews.undo_last_decision("anna", later(3)) is None
    assert queue.reviews.undo_last_decision("bert", later(3)) is None


def test_different_undoes_edges_between_the_two_and_taking_it_back_joins_them_again(queue: CustomerMemory) -> None:
    queue.ledger.merge_many(links(link(*pair_of("a", "b"))), "resolve", "run", later(1), origin="resolve")
    queue.ledger.merge_many(links(link(*pair_of("b", "c"))), "resolve", "run", later(1), origin="resolve")
    said = queue.reviews.decide_review(*pair_of("a", "c"), "different", "anna", later(2))
    assert said.still_joined
    said = queue.reviews.decide_review(*pair_of("a", "b"), "different", "anna", later(3))
    assert not said.still_joined
    assert customers(queue)[key("a")] != customers(queue)[key("c")]
    queue.reviews.undo_last_decision("anna", later(4))
    assert customers(queue)[key("a")] == customers(queue)[key("c")]
    assert {(m.origin, m.why) for m in queue.ledger.merges(include_undone=False)} == {
        ("resolve", "run"),
        ("resolve", "decision 2 taken back"),
    }


def test_a_later_run_neither_asks_again_nor_keeps_what_it_no_longer_doubts(queue: CustomerMemory) -> None:
    queue.reviews.decide_review(*pair_of("a", "b"), "different", "anna", later(1))
    rows = (link(*pair_of("a", "b"), probability=0.5), link(*pair_of("b", "d"), probability=0.6))
    assert queue.reviews.queue_reviews(links(*rows), later(2)) == 1
    assert _next(queue) == {key("b"), key("d")}
    assert queue.reviews.review_counts().open == 1


def test_the_latest_verdict_about_a_pair_counts(queue: CustomerMemory) -> None:
    queue.reviews.decide_review(*pair_of("a", "b"), "same", "anna", later(1))
    queue.reviews.decide_review(*pair_of("a", "b"), "different", "bert", later(2))
    assert queue.reviews.verdicts().to_pylist() == [
        dict(zip(("left_key", "right_key", "same"), (*pair_of("a", "b"), False), strict=True))
    ]
    assert customers(queue)[key("a")] != customers(queue)[key("b")]
    queue.reviews.undo_last_decision("bert", later(3))
    assert queue.reviews.verdicts()["same"].to_pylist() == [True]
    assert customers(queue)[key("a")] == customers(queue)[key("b")]
