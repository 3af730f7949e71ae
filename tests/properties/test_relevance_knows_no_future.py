"""Rows on or after the day change no feature of relevance and none of the coupons', whatever those rows are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.differentiate.relevance_choice import CHOICE_FEATURES, choice_features
from rapport.differentiate.relevance_features import (
    CUSTOMER_FEATURES,
    EXPLORE_FEATURES,
    ITEM_FEATURES,
    PAIR_FEATURES,
    REPEAT_FEATURES,
    TASTE_FEATURES,
    ChunkFeatures,
    relevance_features,
)
from rapport.differentiate.relevance_history import PurchaseHistory, history_from_arrow
from rapport.differentiate.relevance_items import ItemStatistics, fit_item_statistics

AS_OF, WINDOW, ITEMS = 18_100, 14, 5
KEYS = np.array([-7, 3, 11, 12], dtype=np.int64)
Line = tuple[int, int, int, int, bool]

NAMES = {"pairs": PAIR_FEATURES, "customers": CUSTOMER_FEATURES, "items": ITEM_FEATURES, "tastes": TASTE_FEATURES}
"""Every feature by the array that holds it, along the last axis."""
EVERY = [(part, number, name) for part, names in NAMES.items() for number, name in enumerate(names)]


def lines(first: int, last: int, least: int) -> st.SearchStrategy[list[Line]]:
    """Draw purchases `first` to `last` days after the day: customer, item, days, cents, with a discount or not."""
    drawn = st.tuples(
        st.integers(0, len(KEYS) - 1),
        st.integers(0, ITEMS - 1),
        st.integers(first, last),
        st.integers(-300, 5000),
        st.booleans(),
    )
    return st.lists(drawn, min_size=least, max_size=30)


def history(rows: list[Line]) -> PurchaseHistory:
    """Return the purchases as a history; of a customer, item and day the first line stands."""
    first = {(u, i, d): (cents, discounted) for u, i, d, cents, discounted in reversed(rows)}
    trips = sorted({(u, d) for u, _, d in first})
    purchases = pa.table({
        "customer_key": pa.array([int(KEYS[u]) for u, _, _ in first], pa.int64()),
        "item_index": pa.array([i for _, i, _ in first], pa.int32()),
        "day": pa.array([AS_OF + d for _, _, d in first], pa.int32()).cast(pa.date32()),
        "sales_micros": pa.array([cents * 10_000 for cents, _ in first.values()], pa.int64()),
        "discounted": pa.array([discounted for _, discounted in first.values()], pa.bool_()),
    })  # fmt: skip
    days = pa.table({
        "customer_key": pa.array([int(KEYS[u]) for u, _ in trips], pa.int64()),
        "day": pa.array([AS_OF + d for _, d in trips], pa.int32()).cast(pa.date32()),
        "sales_micros": pa.array([10_000 * (1 + u) * (100 + abs(d)) for u, d in trips], pa.int64()),
        "discount_micros": pa.array([1_000 * abs(d) for _, d in trips], pa.int64()),
    })  # fmt: skip
    return history_from_arrow(KEYS, ITEMS, purchases, days)


def features_of(rows: list[Line]) -> tuple[ChunkFeatures, ItemStatistics]:
    seen = history(rows)
    stats = fit_item_statistics(seen, AS_OF, WINDOW, 0.3)
    return relevance_features(seen, stats, AS_OF), stats


def test_the_two_models_read_no_other_features_than_those_tested_here() -> None:
    tested = {name for _, _, name in EVERY}
    assert set(REPEAT_FEATURES) | set(EXPLORE_FEATURES) == tested
    assert len(EVERY) == len(tested)


@settings(max_examples=40, deadline=None)
@given(past=lines(-60, -1, 1), later=lines(0, 40, 1))
def test_no_feature_of_relevance_knows_a_later_row(past: list[Line], later: list[Line]) -> None:
    (ours, stats), (other, other_stats) = features_of(past), features_of(past + later)
    assert ours.customer.tobytes() == other.customer.tobytes()
    assert ours.item.tobytes() == other.item.tobytes()
    for part, number, name in EVERY:
        assert getattr(ours, part)[..., number].tobytes() == getattr(other, part)[..., number].tobytes(), name
    for name, values in stats.arrays().items():
        assert values.tobytes() == other_stats.arrays()[name].tobytes(), name


@settings(max_examples=40, deadline=None)
@given(past=lines(-60, -1, 1), later=lines(0, 40, 1))
def test_no_feature_of_a_coupon_knows_a_later_row(past: list[Line], later: list[Line]) -> None:
    ours, other = (choice_features(history(rows), AS_OF) for rows in (past, past + later))
    for number, name in enumerate(CHOICE_FEATURES):
        assert ours[..., number].tobytes() == other[..., number].tobytes(), name


@pytest.mark.parametrize(("part", "number", "name"), EVERY, ids=[name for _, _, name in EVERY])
def test_a_feature_does_move_with_earlier_rows(part: str, number: int, name: str) -> None:
    # A feature that never moves would pass the tests above; each must differ between two pasts.
    one = [
        (u, i, -d, 100 + 40 * u + i, u != i) for u in range(4) for i in range(4) for d in (3, 9 + u, 20 + i, 33, 45)
    ]
    two = [(u, i, -d, 250 + 90 * i, i > u) for u in range(4) for i in range(4) for d in (2 + u, 5, 21 + u * i, 52)]
    two += [(0, 4, -1, 999, True), (1, 4, -17, 400, False), (2, 4, -50, 400, False)]
    (ours, _), (other, _) = features_of([*one, (0, 4, -30, 100, False)]), features_of(two)
    mine, theirs = (np.sort(getattr(f, part)[..., number].ravel()) for f in (ours, other))
    assert mine.tobytes() != theirs.tobytes(), name
