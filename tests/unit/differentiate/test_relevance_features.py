"""Relevance features: expected values by hand, no leak, the same in any chunk and in any order."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from rapport.core.keys import customer_keys, uniform
from rapport.differentiate.relevance_features import (
    CUSTOMER_FEATURES,
    PAIR_FEATURES,
    ChunkFeatures,
    relevance_features,
)
from rapport.differentiate.relevance_history import (
    PurchaseHistory,
    bought_between,
    day_number,
    history_from_arrow,
    purchase_day_counts,
)
from rapport.differentiate.relevance_items import fit_ease, fit_item_statistics

DAY_0 = dt.date(2020, 1, 1)
Purchase = tuple[int, int, int]  # customer row, item, days after DAY_0


def history(keys: np.ndarray, n_items: int, bought: list[Purchase], sales_micros: int = 2_000_000) -> PurchaseHistory:
    trips = sorted({(u, d) for u, _, d in bought})
    purchases = pa.table({
        "customer_key": pa.array([int(keys[u]) for u, _, _ in bought], pa.int64()),
        "item_index": pa.array([i for _, i, _ in bought], pa.int32()),
        "day": pa.array([DAY_0 + dt.timedelta(d) for _, _, d in bought], pa.date32()),
        "sales_micros": pa.array([sales_micros] * len(bought), pa.int64()),
        "discounted": pa.array([i == 0 for _, i, _ in bought], pa.bool_()),
    })  # fmt: skip
    days = pa.table({
        "customer_key": pa.array([int(keys[u]) for u, _ in trips], pa.int64()),
        "day": pa.array([DAY_0 + dt.timedelta(d) for _, d in trips], pa.date32()),
        "sales_micros": pa.array([sales_micros] * len(trips), pa.int64()),
        "discount_micros": pa.array([sales_micros] * len(trips), pa.int64()),
    })  # fmt: skip
    return history_from_arrow(keys, n_items, purchases, days)


def random_history(n_customers: int, n_items: int, n_days: int) -> PurchaseHistory:
    keys = np.sort(customer_keys(f"c{i}" for i in range(n_customers)))
    bought: list[Purchase] = []
    for item in range(n_items):
        for day in range(n_days):
            chance = 0.15 * uniform(keys, f"taste/{item}")
            buyers = np.flatnonzero(uniform(keys, f"{item}/{day}") < chance)
            bought.extend((int(u), item, day) for u in buyers)
    return history(keys, n_items, bought)


@pytest.fixture(scope="module")
def shop() -> PurchaseHistory:
    return random_history(40, 12, 120)


def same(a: ChunkFeatures, b: ChunkFeatures) -> None:
    for name, values in a.__dict__.items():
        assert values.tobytes() == getattr(b, name).tobytes(), name


def test_a_regular_buyer_has_the_features_counted_by_hand() -> None:
    keys = np.array([7], dtype=np.int64)
    # item 0 on days 0, 10, 20, 30; item 1 on day 36 only; as_of is day 40
    past = history(keys, 2, [(0, 0, 0), (0, 0, 10), (0, 0, 20), (0, 0, 30), (0, 1, 36)])
    as_of = day_number(DAY_0) + 40
    features = relevance_features(past, fit_item_statistics(past, as_of, 14, 0.1), as_of)
    assert features.item.tolist() == [0, 1]
    pair = dict(zip(PAIR_FEATURES, features.pairs[0].tolist(), strict=True))
    expected = {
        "purchase_days": 4,
        "days_since_last": 10,
        "days_since_first": 40,
        "mean_interval": 10,
        "last_interval": 10,
        "interval_spread": 0,
        "due": 1,  # 10 days since the last, 10 days between
        "days_28": 2,  # days 20 and 30
        "days_91": 4,
        "trip_share": 4 / 5,  # 4 of the 5 trips since the first
        "trips_since_last": 1,  # day 36
        "expected_days": 4 * 14 / 40,
        "blocks_share": 1,  # days 26 to 39, 12 to 25 and 0 to 11 all hold a purchase
        "pair_discount_share": 1,
        "pair_sales_per_day": 2,
        "last_sales_share": 1,
        "decayed_14": 2 ** (-10 / 14) + 2 ** (-20 / 14) + 2 ** (-30 / 14) + 2 ** (-40 / 14),
    }
    for name, value in expected.items():
        assert pair[name] == pytest.approx(value, abs=1e-6), name
    once = dict(zip(PAIR_FEATURES, features.pairs[1].tolist(), strict=True))
    assert np.isnan(once["mean_interval"])
    assert np.isnan(once["due"])
    customer = dict(zip(CUSTOMER_FEATURES, features.customers[0].tolist(), strict=True))
    assert customer["trips"] == 5
    assert customer["trips_7"] == 1
    assert customer["days_since_trip"] == 4
    assert customer["sales_per_day"] == pytest.approx(10 / 40)  # five trips of 2.00 in 40 days
    assert customer["discount_rate"] == pytest.approx(0.5)


def test_rows_on_or_after_the_day_change_no_feature(shop: PurchaseHistory) -> None:
    as_of = day_number(DAY_0) + 80
    past = shop.before(as_of)
    assert len(shop.day) > len(past.day)
    stats, stats_past = (fit_item_statistics(h, as_of, 14, 0.1) for h in (shop, past))
    for name, values in stats.arrays().items():
        assert values.tobytes() == stats_past.arrays()[name].tobytes(), name
    same(relevance_features(shop, stats, as_of), relevance_features(past, stats_past, as_of))


def test_a_customer_has_the_same_bytes_alone_and_in_any_chunk(shop: PurchaseHistory) -> None:
    as_of = day_number(DAY_0) + 120
    stats = fit_item_statistics(shop, as_of, 14, 0.1)
    whole = relevance_features(shop, stats, as_of)
    for first, stop in ((0, 1), (5, 6), (3, 29), (39, 40)):
        part = relevance_features(shop.of_customers(first, stop), stats, as_of)
        rows = (whole.customer >= first) & (whole.customer < stop)
        assert part.pairs.tobytes() == whole.pairs[rows].tobytes()
        assert part.customers.tobytes() == whole.customers[first:stop].tobytes()
        assert part.tastes.tobytes() == whole.tastes[first:stop].tobytes()


def test_the_order_of_rows_in_the_source_does_not_matter(shop: PurchaseHistory) -> None:
    n = len(shop.day)
    order = np.argsort(uniform(np.arange(n, dtype=np.int64), "order"))
    keys = shop.customer_keys
    shuffled = [(int(shop.customer[r]), int(shop.item[r]), int(shop.day[r]) - day_number(DAY_0)) for r in order]
    again = history(keys, shop.n_items, shuffled)
    for name in ("customer", "item", "day", "sales_micros", "trip_day"):
        np.testing.assert_array_equal(getattr(again, name), getattr(shop, name))


def test_a_customer_without_any_purchase_has_features_too() -> None:
    keys = np.array([1, 2], dtype=np.int64)
    past = history(keys, 2, [(1, 0, 0), (1, 1, 30)])
    as_of = day_number(DAY_0) + 60
    stats = fit_item_statistics(past, as_of, 14, 0.1)
    features = relevance_features(past.of_customers(0, 1), stats, as_of)
    assert features.pairs.shape == (0, len(PAIR_FEATURES))
    u, i = features.explore_cells()
    assert (u.tolist(), i.tolist()) == ([0, 0], [0, 1])


def test_cuts_by_customer_keep_their_rows(shop: PurchaseHistory) -> None:
    keep = uniform(shop.customer_keys, "keep") < 0.5
    np.testing.assert_array_equal(purchase_day_counts(shop.of_selected(keep)), purchase_day_counts(shop)[keep])
    np.testing.assert_array_equal(purchase_day_counts(shop.of_customers(3, 9)), purchase_day_counts(shop)[3:9])


def test_outcomes_count_the_first_and_not_the_last_day_of_the_window() -> None:
    past = history(np.array([1], dtype=np.int64), 3, [(0, 0, 5), (0, 1, 6), (0, 2, 9)])
    start = day_number(DAY_0) + 6
    assert bought_between(past, start, start + 3).tolist() == [[False, True, False]]


def test_ease_of_two_items_equals_the_closed_form() -> None:
    # G + ridge I = [[5, 2], [2, 3]]; its inverse is [[3, -2], [-2, 5]] / 11;
    # B_ij = -P_ij / P_jj: B_01 = 2/5 (predicts item 1 from item 0), B_10 = 2/3
    weights = fit_ease(np.array([[4.0, 2.0], [2.0, 2.0]]), 1.0)
    np.testing.assert_allclose(weights, [[0, 2 / 5], [2 / 3, 0]], atol=1e-6)


def test_statistics_of_items_counted_by_hand() -> None:
    keys = np.array([1, 2, 3, 4], dtype=np.int64)
    # item 0: customers 0 (days 10, 50) and 1 (day 55); item 1: customer 2 (day 10); customer 3 never comes
    past = history(keys, 2, [(0, 0, 10), (0, 0, 50), (1, 0, 55), (2, 1, 10)])
    stats = fit_item_statistics(past, day_number(DAY_0) + 60, 14, 0.1)
    np.testing.assert_allclose(stats.buyer_share, [2 / 3, 1 / 3])
    np.testing.assert_allclose(stats.buyer_share_window, [2 / 3, 0])
    # one earlier buyer of item 0 and they came back: (1 + 1) / (1 + 5); item 1: (0 + 1) / (1 + 5)
    np.testing.assert_allclose(stats.rebuy_share, [2 / 6, 1 / 6])
    np.testing.assert_allclose(stats.new_share, [1 / 2, 0])  # customer 1, of the two who had not bought item 0
    np.testing.assert_allclose(stats.mean_interval, [40, 0])
    np.testing.assert_allclose(stats.days_per_buyer, [1.5, 1])
    assert stats.cosine[0, 1] == 0


def test_an_item_outside_the_catalogue_and_an_unknown_customer_are_refused() -> None:
    keys = np.array([1], dtype=np.int64)
    with pytest.raises(ValueError, match="outside the catalogue"):
        history(keys, 1, [(0, 3, 0)])
    good = history(keys, 1, [(0, 0, 0)])
    with pytest.raises(ValueError, match="one catalogue"):
        relevance_features(good, fit_item_statistics(history(keys, 2, [(0, 1, 0)]), 18400, 7, 0.1), 18400)
    purchases = pa.table({
        "customer_key": pa.array([5], pa.int64()), "item_index": pa.array([0], pa.int32()),
        "day": pa.array([DAY_0], pa.date32()), "sales_micros": pa.array([1], pa.int64()),
        "discounted": pa.array([False]),
    })  # fmt: skip
    trips = pa.table({
        "customer_key": pa.array([], pa.int64()), "day": pa.array([], pa.date32()),
        "sales_micros": pa.array([], pa.int64()), "discount_micros": pa.array([], pa.int64()),
    })  # fmt: skip
    with pytest.raises(ValueError, match="not among customer_keys"):
        history_from_arrow(keys, 1, purchases, trips)
    with pytest.raises(ValueError, match="do not ascend"):
        history_from_arrow(np.array([2, 1], dtype=np.int64), 1, purchases, trips)
