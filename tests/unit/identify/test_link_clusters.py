"""Clusters from signed evidence: strangers are not chained, verdicts hold."""

from __future__ import annotations

import numpy as np

from rapport.identify.clusters import BOUND, cluster, components, missing_pairs, pieces
from rapport.identify.link_quality import all_clusters, b_cubed, blocking_recall, exact_clusters, pairwise


def _clustered(count: int, pairs: list[tuple[int, int, float]]) -> list[int]:
    left, right, bits = (np.array(x) for x in zip(*pairs, strict=True))
    return cluster(count, left, right, bits.astype(float), np.arange(count)).tolist()


def test_two_groups_joined_by_one_weak_link_against_much_evidence_stay_two() -> None:
    pairs = [(0, 1, 20.0), (2, 3, 20.0), (1, 2, 5.0), (0, 2, -15.0), (0, 3, -15.0), (1, 3, -15.0)]
    assert _clustered(4, pairs) == [0, 0, 2, 2]


def test_a_chain_without_evidence_against_it_is_one() -> None:
    assert _clustered(4, [(0, 1, 9.0), (1, 2, 9.0)]) == [0, 0, 0, 3]


def test_never_beats_any_evidence() -> None:
    assert _clustered(2, [(0, 1, -1e9)]) == [0, 1]
    found = _clustered(3, [(0, 1, 30.0), (1, 2, 30.0), (0, 2, -1e9)])
    assert found[0] != found[2]


def test_decided_the_same_beats_evidence_against() -> None:
    found = _clustered(3, [(0, 1, BOUND), (1, 2, BOUND), (0, 2, -30.0)])
    assert found == [0, 0, 0]


def test_missing_pairs_are_those_of_a_component_that_nobody_weighed() -> None:
    left, right = np.array([0, 1, 3]), np.array([1, 2, 4])
    label = components(5, left, right)
    assert label.tolist() == [0, 0, 0, 3, 3]
    more = missing_pairs(label, left, right)
    assert (more[0].tolist(), more[1].tolist()) == ([0], [2])


def test_a_component_too_large_is_cut_at_its_weakest_links() -> None:
    size = 80
    left = np.concatenate([np.arange(size - 1), np.arange(size, 2 * size - 1), [size - 1]])
    right = np.concatenate([np.arange(1, size), np.arange(size + 1, 2 * size), [size]])
    bits = np.concatenate([np.full(2 * (size - 1), 50.0), [1.0]])
    kept = pieces(2 * size, left, right, bits)
    assert len(np.unique(components(2 * size, kept[0], kept[1]))) == 2


TRUTH = np.array([1, 1, 1, 2, 2, 3])


def test_pairs_are_counted_once_each() -> None:
    found = pairwise(np.array([1, 1, 2, 2, 2, 3]), TRUTH)  # pairs 01 23 24 34; true 01 02 12 34
    assert (found.precision, found.recall, found.f1) == (0.5, 0.5, 0.5)


def test_a_cluster_is_right_only_as_a_whole() -> None:
    found = exact_clusters(np.array([1, 1, 1, 2, 4, 3]), TRUTH)
    assert (found.precision, found.recall) == (1.0, 0.5)
    singles_too = all_clusters(np.array([1, 1, 1, 2, 4, 3]), TRUTH)
    assert (singles_too.precision, singles_too.recall) == (0.5, 2 / 3)


def test_b_cubed_is_the_mean_over_records() -> None:
    found = b_cubed(np.array([1, 1, 1, 1, 1, 1]), np.array([1, 1, 1, 2, 2, 2]))
    assert (found.precision, found.recall) == (0.5, 1.0)


def test_nothing_linked_is_precise_and_nothing_to_link_is_found() -> None:
    found = pairwise(np.arange(3), np.arange(3))
    assert (found.precision, found.recall) == (1.0, 1.0)


def test_pairs_found_by_one_rule_only_tell_of_those_found_by_none() -> None:
    found = np.array([0b1] * 20 + [0b11] * 40 + [0b111] * 40)
    # Chao: 20^2 / (2 * 40) = 5 missed beside 100 seen.
    assert abs(blocking_recall(found, np.ones(100)) - 100 / 105) < 1e-12
