"""The rules for never-bought items and what they hit, on a shop small enough to count by hand."""

import numpy as np
import pytest

from rapport.core.keys import customer_keys
from rapport.differentiate.relevance_history import PurchaseHistory, bought_pairs
from rapport.differentiate.relevance_items import fit_item_statistics
from rapport.workflows.backtest_explore import BUYERS, ITEM_ITEM, LINEAR, PURCHASE_DAYS, explore_hits, explore_scores


def shop() -> PurchaseHistory:
    # Customer 0 bought items 0 and 1, customer 1 items 0 and 2 (item 2 on three days), customer 2 item 0 only.
    rows = np.array([(0, 0, 5), (0, 1, 6), (1, 0, 5), (1, 2, 6), (1, 2, 7), (1, 2, 8), (2, 0, 9)], dtype=np.int32)
    trips = np.unique(rows[:, [0, 2]], axis=0)
    return PurchaseHistory(
        customer_keys=np.sort(customer_keys(["a", "b", "c"])),
        n_items=3,
        customer=rows[:, 0],
        item=rows[:, 1],
        day=rows[:, 2],
        sales_micros=np.full(len(rows), 1_000_000, dtype=np.int64),
        discounted=np.zeros(len(rows), dtype=np.bool_),
        trip_customer=trips[:, 0],
        trip_day=trips[:, 1],
        trip_sales_micros=np.full(len(trips), 1_000_000, dtype=np.int64),
        trip_discount_micros=np.zeros(len(trips), dtype=np.int64),
    )


def test_the_rules_score_by_buyers_days_cosine_and_ridge() -> None:
    past = shop()
    before = bought_pairs(past)
    scores = explore_scores(before, np.array([3, 1, 3]), fit_item_statistics(past, 10, 4, 0.3))
    assert scores[BUYERS][2].tolist() == [3, 1, 1]
    assert scores[PURCHASE_DAYS][2].tolist() == [3, 1, 3]
    # Cosine of items 0 and 1: one buyer of both, three and one of each: 1 / sqrt(3); items 1 and 2 share nobody.
    assert scores[ITEM_ITEM][2] == pytest.approx([0, 3**-0.5, 3**-0.5], abs=1e-6)
    assert scores[ITEM_ITEM][0] == pytest.approx([3**-0.5, 3**-0.5, 3**-0.5], abs=1e-6)
    # Steck's B = I - P diag(1 / diag P), P = (G + .9 I)^-1, for a customer who bought item 0 alone: B[0, j].
    gram = np.array([[3.0, 1, 1], [1, 1, 0], [1, 0, 1]])
    p = np.linalg.inv(gram + 0.9 * np.eye(3))
    assert scores[LINEAR][2] == pytest.approx([0, -p[0, 1] / p[1, 1], -p[0, 2] / p[2, 2]], abs=1e-5)


def test_only_items_never_bought_are_listed_and_hit() -> None:
    before = np.array([[True, False, False], [False, False, True]])
    bought = np.array([[True, True, False], [False, True, True]])
    scores = {"first": np.array([[9.0, 1, 2], [1, 2, 9]])}
    # Customer 0 may be shown items 1 and 2: of the best one, item 2, nothing is bought. Customer 1: item 1, bought.
    assert explore_hits(scores, before, bought, 1)["first"].tolist() == [0, 1]
    assert explore_hits(scores, before, bought, 5)["first"].tolist() == [1, 1]
