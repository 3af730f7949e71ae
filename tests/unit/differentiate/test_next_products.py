"""What a group owns and could take next is counted as by hand, and the spread is told beside the mean."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.differentiate.next_products import (
    Known,
    OfferTerms,
    best_products,
    customer_products,
    group_products,
)
from rapport.differentiate.next_reasons import (
    CustomerFigures,
    GroupFigures,
    companions_of,
    group_habits,
    habits_of,
    why_for_customer,
    why_for_group,
)
from rapport.differentiate.relevance_history import PurchaseHistory

# Two offers of 10: margin .3, depth .2. At odds 4 an offer brings 10 x ((p1 - p0) x .1 - p0 x .2).
TERMS = OfferTerms(np.array([10_000_000] * 2), np.array([0.3] * 2), np.array([0.2] * 2), 4.0, 2.0, 8.0)
BASE = np.array([[0.1, 0.02], [0.2, 0.04], [0.9, 0.06], [0.1, 0.08]], dtype=np.float32)
OPEN = np.array([[1, 1], [1, 1], [1, 0], [0, 1]], dtype=bool)
BEFORE = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], dtype=bool)
KNOWN = Known(BASE, OPEN, BEFORE)


def worth(p0: float, odds: float = 4.0) -> int:
    """Return the micros an offer brings, by hand."""
    p1 = odds * p0 / (1 - p0 + odds * p0)
    return round(10_000_000 * ((p1 - p0) * 0.1 - p0 * 0.2))


def test_counts_and_spread_of_a_group_are_those_of_its_customers() -> None:
    found = group_products(KNOWN, np.array([0, 0, 0, 1]), 2, TERMS)
    assert found.members.tolist() == [3, 1]
    assert found.owned.tolist() == [[3, 1], [0, 0]]
    assert found.open_to.tolist() == [[3, 2], [0, 1]]
    assert found.never.tolist() == [[0, 2], [0, 1]]
    assert found.mean[0] == pytest.approx([0.4, 0.03], rel=1e-6)
    assert found.least[0] == pytest.approx([0.1, 0.02], rel=1e-6)
    # Of three the middle one; of two half way.
    assert found.median[0] == pytest.approx([0.2, 0.03], rel=1e-6)
    assert found.most[0] == pytest.approx([0.9, 0.04], rel=1e-6)
    # p1 = 4 x .02 / 1.06 and 4 x .04 / 1.12.
    assert found.response[0, 1] == pytest.approx((0.08 / 1.06 + 0.16 / 1.12) / 2, rel=1e-6)
    assert np.isnan(found.mean[1, 0])


def test_what_a_group_could_bring_counts_those_for_whom_the_offer_pays() -> None:
    found = group_products(KNOWN, np.array([0, 0, 0, 1]), 2, TERMS)
    # At .9 the offer loses; at .1 and .2 it brings something, at the low end of the lift it loses with .2.
    assert worth(0.9) < 0 < worth(0.1)
    gains = [w for w in (worth(0.1), worth(0.2)) if w > 0]
    assert found.pays[0, 0] == len(gains)
    assert found.expected[0, 0] == pytest.approx(sum(gains), abs=2)
    payers = [p for p in (0.1, 0.2) if worth(p) > 0]
    assert found.low[0, 0] == pytest.approx(sum(worth(p, 2.0) for p in payers), abs=2)
    assert found.high[0, 0] == pytest.approx(sum(worth(p, 8.0) for p in payers), abs=2)
    assert found.low[0, 0] < found.expected[0, 0] < found.high[0, 0]


def test_a_customer_is_a_group_of_one() -> None:
    one = group_products(KNOWN, np.arange(4), 4, TERMS)
    same = customer_products(KNOWN, TERMS)
    for name in (
        "members",
        "owned",
        "open_to",
        "never",
        "pays",
        "expected",
        "low",
        "high",
        "mean",
        "most",
        "response",
    ):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name), name)


def test_the_best_products_come_first_and_those_open_to_nobody_do_not_come() -> None:
    found = group_products(KNOWN, np.array([0, 0, 0, 1]), 2, TERMS)
    first, second = best_products(found, None)
    order = np.argsort(-found.expected[0])
    assert first.tolist() == order.tolist()
    assert second.tolist() == [1]
    assert [len(b) for b in best_products(found, 1)] == [1, 1]


def test_figures_do_not_depend_on_how_many_offers_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    known = Known(rng.random((50, 9)).astype(np.float32), rng.random((50, 9)) < 0.7, rng.random((50, 9)) < 0.3)
    terms = OfferTerms(rng.integers(1, 10**7, 9), rng.random(9), rng.uniform(0.05, 0.4, 9), 4.0, 2.0, 8.0)
    group = rng.integers(-1, 70, 50)
    whole = group_products(known, group, 70, terms)
    monkeypatch.setattr("rapport.differentiate.next_products.CELLS", 100)
    told: list[int] = []
    parts = group_products(known, group, 70, terms, told.append)
    assert sum(told) == 9
    for name in ("members", "owned", "pays", "expected", "median", "mean", "response"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name), name)


def test_nobody_and_nothing_make_an_empty_answer() -> None:
    none = Known(np.zeros((0, 2), np.float32), np.zeros((0, 2), bool), np.zeros((0, 2), bool))
    found = group_products(none, np.zeros(0, dtype=np.int64), 1, TERMS)
    assert found.open_to.tolist() == [[0, 0]]
    assert [b.tolist() for b in best_products(found, None)] == [[]]


def history(*bought: tuple[int, int, int], customers: int = 3, items: int = 3) -> PurchaseHistory:
    """Return purchases of (customer, item, day)."""
    told = np.array(sorted(bought), dtype=np.int32).reshape(-1, 3)
    none = np.zeros(len(told), dtype=np.int64)
    return PurchaseHistory(
        np.arange(customers), items, told[:, 0], told[:, 1], told[:, 2], none, none > 0,
        told[:, 0], told[:, 2], none, none,
    )  # fmt: skip


def test_a_habit_has_its_length_from_three_days_on_and_is_due_after_it() -> None:
    # Customer 0 buys item 1 on days 0, 10, 20; item 2 on days 0, 5; customer 1 item 1 on days 0, 2, 4.
    habits = habits_of(
        history((0, 1, 0), (0, 1, 10), (0, 1, 20), (0, 2, 0), (0, 2, 5), (1, 1, 0), (1, 1, 2), (1, 1, 4)), 31
    )
    assert habits.days.tolist() == [3, 2, 3]
    assert habits.since.tolist() == [11, 26, 27]
    assert habits.every_days.tolist()[::2] == [10.0, 2.0]
    assert np.isnan(habits.every_days[1])
    # 11 days after a habit of 10 it is due; 27 days after one of 2 it has ended.
    assert habits.due.tolist() == [True, False, False]
    found = group_habits(habits, np.array([0, 0, -1]), 1, 3)
    assert found.keep.tolist() == [[0, 2, 0]]
    assert found.every_days[0, 1] == 6.0
    assert found.due.tolist() == [[0, 1, 0]]


def test_what_nobody_bought_makes_no_habit() -> None:
    habits = habits_of(history(), 10)
    assert len(habits.days) == 0
    assert group_habits(habits, np.zeros(3, dtype=np.int64), 1, 3).keep.tolist() == [[0, 0, 0]]


def test_items_whose_buyers_overlap_beyond_chance_go_together() -> None:
    # 40 buy items 0 and 1 together, 40 item 2 alone, 20 all of the shop's rest: 3.
    before = np.zeros((100, 4), dtype=bool)
    before[:40, :2] = True
    before[40:80, 2] = True
    before[80:, 3] = True
    found = companions_of(before, k=2)
    assert found.item[0, 0] == 1
    assert found.item[1, 0] == 0
    assert found.share[0, 0] == 1.0
    assert found.item[2].tolist() == [-1, -1]
    assert found.overall.tolist() == [0.4, 0.4, 0.4, 0.2]
    assert companions_of(np.zeros((0, 4), dtype=bool)).item.shape == (4, 5)


GROUP = GroupFigures("A", 200, 80, 150, 90, 120, 0.25, 40, 14.2, 12, "bread", 0.5)


def test_reasons_for_a_group_are_told_with_their_figures() -> None:
    assert why_for_group(GROUP) == [
        "12 buy it every 14 days on average and are due now",
        "bought with bread: 50% of its buyers, 25% of all",
        "popular here: 40% have bought it, 25% of all",
        "90 never bought it though 40% of the group did",
        "would lose money with 30 who buy it anyway",
    ]
    bare = GroupFigures("A", 200, 2, 150, 148, 150, 0.25, 0, np.nan, 0, None, 0.0)
    assert why_for_group(bare) == ["no pattern in past purchases; the probability is all there is"]
    nobody = GroupFigures("A", 200, 2, 150, 148, 0, 0.25, 0, np.nan, 0, None, 0.0)
    assert why_for_group(nobody)[0].startswith("pays for nobody")


def test_reasons_for_a_customer_are_told_with_their_figures() -> None:
    due = CustomerFigures(5, 14.0, 16, True, None, 0.0, "tier A", 0.4, True)
    assert why_for_customer(due) == ["bought every 14 days and due now: the last time 16 days ago"]
    new = CustomerFigures(0, np.nan, 0, False, "bread", 0.5, "tier A", 0.4, False)
    assert why_for_customer(new) == [
        "bought with bread, which the customer buys: 50% of its buyers",
        "never bought though 40% of tier A did",
        "does not pay: would buy anyway, or the margin does not carry the discount",
    ]
    once = CustomerFigures(1, np.nan, 9, False, None, 0.0, "tier A", 0.4, True)
    assert why_for_customer(once) == ["bought once, the last time 9 days ago"]
