"""Comparators against hand computations from the papers' equations."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.core.keys import uniform
from rapport.differentiate.nextbasket import Baskets, baskets
from rapport.differentiate.nextbasket_compare import (
    Tifuknn,
    Upcf,
    neighbours_next,
    personal_frequency,
    popularity,
    tifu_vectors,
    tifuknn,
    upcf,
)


def made(pasts: list[list[list[int]]], items: int) -> tuple[Baskets, np.ndarray]:
    """Return baskets, and where each named item stands; the last customer holds every item so that all are known."""
    rows = [(c, p, b) for c, past in enumerate(pasts) for p, b in enumerate(past)]
    rows.append((len(pasts), 0, list(range(items))))
    offsets = np.cumsum([0] + [len(b) for _, _, b in rows])
    found = baskets(
        np.array([r[0] for r in rows]),
        np.array([r[1] for r in rows]),
        offsets,
        np.array([i for _, _, b in rows for i in b]),
    )
    at = np.argsort(np.argsort(uniform(np.arange(items), "nextbasket/item"), kind="stable"), kind="stable")
    return found, at


def test_personal_frequency_counts_baskets_and_breaks_ties_by_popularity() -> None:
    past, at = made([[[0, 1], [0]]], 3)
    popular = np.zeros(3)
    popular[at] = [1, 2, 9]
    found = personal_frequency(past, np.array([0]), popular)[0, at]
    # .5 x 1/10, 2/10, 9/10 on top of 2, 1 and 0.
    assert found == pytest.approx([2.05, 1.1, 0.45])


def test_popularity_counts_baskets() -> None:
    past, at = made([[[0, 1], [0]]], 3)
    assert popularity(past.items)[at].tolist() == [3, 2, 1]


def test_tifu_vector_of_few_baskets_each_a_group() -> None:
    # Two baskets, at most seven groups: two groups of one. Group 1 weighs .7 / 2, group 2 weighs 1 / 2.
    past, at = made([[[0], [0, 1]]], 2)
    assert tifu_vectors(past, Tifuknn()).toarray()[0, at] == pytest.approx([0.85, 0.5])


def test_tifu_vector_of_more_baskets_than_groups() -> None:
    # Five baskets in two groups: {0}{1} and the longer {0}{1}{2}; within .5, between .1.
    # Group 1: item 0 .5/2, item 1 1/2. Group 2: item 0 .25/3, item 1 .5/3, item 2 1/3.
    # User: half of .1 x group 1 + group 2.
    past, at = made([[[0], [1], [0], [1], [2]]], 3)
    found = tifu_vectors(past, Tifuknn(within=0.5, between=0.1, groups=2)).toarray()[0, at]
    expected = [(0.1 * 0.25 + 0.25 / 3) / 2, (0.1 * 0.5 + 0.5 / 3) / 2, (1 / 3) / 2]
    assert found == pytest.approx(expected)


def test_tifuknn_mixes_the_own_vector_with_the_nearest() -> None:
    # Nearest by Euclidean distance to (1, 0, 0) is customer 1 at (1, 1, 0); customer 2 at (0, 0, 1) is farther.
    past, at = made([[[0]], [[0, 1]], [[2]]], 3)
    found = tifuknn(past, np.array([1, 2]), np.array([0]), Tifuknn(neighbours=1, own=0.7))[0, at]
    assert found == pytest.approx([1.0, 0.3, 0.0])


def test_tifuknn_with_fewer_teachers_than_neighbours_takes_all() -> None:
    past, at = made([[[0]], [[0, 1]], [[2]]], 3)
    found = tifuknn(past, np.array([1, 2]), np.array([0]))[0, at]
    assert found == pytest.approx([0.7 + 0.3 / 2, 0.3 / 2, 0.3 / 2])


def test_upcf_adds_recent_popularity_of_similar_customers() -> None:
    # Customer 0 holds {0, 1}, customer 1 {0, 2}; one in common: 1 / (2^.75 x 2^.25) = .5, squared .25.
    # Recent (r = 1): customer 0 only item 1; customer 1 items 0 and 2. Own counts once.
    past, at = made([[[0], [1]], [[0], [0, 2]]], 3)
    found = upcf(past, np.array([1]), np.array([0]), Upcf(1, 0.75, 2, 10))[0, at]
    assert found == pytest.approx([0.25, 1.0, 0.25])


def test_upcf_similarity_is_asymmetric() -> None:
    # Customer 0 holds one item, customer 1 three: 1 / (1^.75 x 3^.25).
    past, at = made([[[0]], [[0, 1, 2]]], 3)
    found = upcf(past, np.array([1]), np.array([0]), Upcf(5, 0.75, 1, 10))[0, at]
    assert found == pytest.approx([1 + 3**-0.25, 3**-0.25, 3**-0.25])


def test_upcf_counts_only_the_most_similar() -> None:
    past, at = made([[[0, 1]], [[0, 1, 2]], [[0, 3]]], 4)
    found = upcf(past, np.array([1, 2]), np.array([0]), Upcf(5, 0.5, 1, 1))[0, at]
    alike = 2 / np.sqrt(6)
    assert found == pytest.approx([1 + alike, 1 + alike, alike, 0])


def test_neighbours_next_weighs_next_baskets_by_cosine() -> None:
    past, at = made([[[0]], [[0, 1]], [[2]]], 3)
    target = past.items[[0, 2, 1, 3]]
    found = neighbours_next(past, target, np.array([1, 2]), np.array([0]))[0, at]
    # Only customer 1 is alike, cos = 1 / sqrt 2; the next basket of customer 1 is row 2, {2}.
    assert found == pytest.approx([0, 0, np.sqrt(0.5)])
