"""The payoff arithmetic on tables small enough to be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.core.reasons import Status
from rapport.differentiate.payoff import Shopping, explain_gap, fit_shopping_peers, payoff
from rapport.differentiate.payoff_spread import split_variance

# Two groups of ten: five at 0 and five at 2; five at 10 and five at 12.
PAIRS = np.array([0, 2] * 5 + [10, 12] * 5)
GROUPS = np.array([0] * 10 + [1] * 10)


def test_payoff_is_trips_times_spend_a_trip_times_variety() -> None:
    found = payoff(Shopping([10, 4], [2.5, 3.0], [200, 100]), ["A", "B"], [1, 2])
    assert found.spend_per_trip_micros.tolist() == [20, 25]
    # 10 x 20 x 2.5 and 4 x 25 x 3.
    assert found.payoff_micros.tolist() == [500, 300]


def test_a_tier_is_shown_by_its_middle_and_its_spread() -> None:
    shopping = Shopping([0, 1, 2, 3, 4], [0, 2, 2, 2, 2], [0, 10, 20, 60, 80])
    (row,) = payoff(shopping, ["A"] * 5, range(5)).tiers
    assert (row.customers, row.shopping, row.trips, row.variety) == (5, 4, 2.0, 2.0)
    # Spend a trip 10, 10, 20, 20; payoff 20, 40, 120, 160 of those with a trip.
    assert (row.spend_per_trip_micros, row.payoff_micros) == (10, 40)
    assert (row.payoff_low_micros, row.payoff_high_micros, row.share_of_payoff) == (20, 160, 1.0)


def test_where_only_trips_differ_the_spread_comes_with_trips() -> None:
    shopping = Shopping([1, 2, 4], [2, 2, 2], [100, 200, 400])
    assert payoff(shopping, ["A"] * 3, range(3)).tiers[0].factor_shares == pytest.approx((1.0, 0.0, 0.0))


def test_the_share_between_groups_is_the_corrected_correlation_ratio() -> None:
    # Within: 20 deviations of 1, so 20 / 18; in all 20 x 25 more, so 520 / 19.
    found = split_variance(PAIRS, GROUPS, range(20))
    assert found.between_share == pytest.approx(1 - (20 / 18) / (520 / 19))
    assert found.within_share == pytest.approx((20 / 18) / (520 / 19))
    assert found.within_deviation == pytest.approx(np.sqrt(20 / 18))
    assert found.low is not None
    assert found.high is not None
    assert found.between_share is not None
    assert 0.9 < found.low < found.between_share < found.high < 1.0


def test_groups_that_say_nothing_explain_nothing_and_groups_that_say_all_explain_all() -> None:
    nothing = split_variance([0, 2] * 10, GROUPS, range(20))
    assert (nothing.between_share, nothing.low) == (0.0, 0.0)
    everything = split_variance(GROUPS, GROUPS, range(20))
    assert (everything.between_share, everything.low, everything.high) == (1.0, 1.0, 1.0)


def test_the_split_is_the_same_in_any_order() -> None:
    keys = np.arange(20)
    turned = split_variance(PAIRS[::-1], GROUPS[::-1], keys[::-1])
    assert turned == split_variance(PAIRS, GROUPS, keys)


@pytest.mark.parametrize(
    ("values", "groups", "status"),
    [
        ([], [], Status.TOO_FEW_CUSTOMERS),
        ([5], ["a"], Status.TOO_FEW_CUSTOMERS),
        (list(range(30)), list(range(30)), Status.TOO_FEW_CUSTOMERS),
        ([5] * 30, ["a", "b"] * 15, Status.NOT_MEASURABLE),
    ],
)
def test_a_split_that_cannot_be_made_says_why(values: list[int], groups: list[object], status: Status) -> None:
    found = split_variance(values, groups, range(len(values)))
    assert (found.status, found.between_share, found.low) == (status, None, None)


def test_a_gap_is_put_down_to_what_differs() -> None:
    # Peers: 20 trips, 2 departments, basket 20, spend 800. The customer: 10 trips, 2 departments, basket 10: 200.
    peers = fit_shopping_peers(Shopping([20] * 30, [2] * 30, [800] * 30), [7] * 30)
    found = explain_gap(peers, Shopping([10], [2], [200]), [7])
    # ln 2 for trips, ln 2 for the basket, 0 for variety: halves of 600.
    assert (found.peers_micros[0], found.gap_micros[0]) == (800, 600)
    assert (found.trips_micros[0], found.basket_micros[0], found.variety_micros[0]) == (300, 300, 0)


def test_without_a_trip_the_whole_gap_is_trips_and_without_spend_it_is_the_basket() -> None:
    peers = fit_shopping_peers(Shopping([20] * 30, [2] * 30, [800] * 30), [7] * 30)
    found = explain_gap(peers, Shopping([0, 5, 5], [0, 2, 2], [0, -100, 0]), [7, 7, 99])
    assert found.measurable.tolist() == [False, False, False]
    assert found.trips_micros.tolist() == [800, 0, 0]
    assert found.basket_micros.tolist() == [0, 900, 800]


def test_few_peers_are_pulled_to_everyone() -> None:
    rng = np.arange(300)
    trips = np.concatenate([10 + rng % 3, 20 + rng % 3, [500.0]])
    cells = [1] * 300 + [2] * 300 + [3]
    peers = fit_shopping_peers(Shopping(trips, np.ones(601), (trips * 100).astype(np.int64)), cells)
    typical = np.exp(peers.logs[:, 0])
    assert typical[:2] == pytest.approx([11, 21], rel=0.01)
    assert typical[2] < 500
    assert peers.customers.tolist() == [300, 300, 1]


def test_only_those_who_count_stand_for_the_cell() -> None:
    shopping = Shopping([10, 20] * 20, [1] * 40, [100, 400] * 20)
    peers = fit_shopping_peers(shopping, [1] * 40, np.tile([False, True], 20))
    assert np.exp(peers.logs[0]) == pytest.approx([20, 20, 1])


AMOUNT = st.integers(-(10**12), 10**12)
COUNT = st.integers(0, 1000)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(COUNT, COUNT, AMOUNT, st.integers(0, 3)), min_size=1, max_size=40))
def test_the_parts_of_a_gap_sum_to_it_exactly_and_alone_as_in_a_batch(rows: list[tuple[int, int, int, int]]) -> None:
    trips, variety, spend, cells = (np.array(c) for c in zip(*rows, strict=True))
    shopping = Shopping(trips, variety, spend)
    peers = fit_shopping_peers(shopping, cells)
    found = explain_gap(peers, shopping, cells)
    assert (found.trips_micros + found.basket_micros + found.variety_micros == found.gap_micros).all()
    if peers.cells.size:
        assert (found.peers_micros - spend == found.gap_micros).all()
    for i in range(min(len(rows), 5)):
        one = slice(i, i + 1)
        alone = explain_gap(peers, Shopping(trips[one], variety[one], spend[one]), cells[one])
        assert alone.trips_micros[0] == found.trips_micros[i]
        assert alone.basket_micros[0] == found.basket_micros[i]


def test_factors_that_offset_each_other_by_more_than_fits_still_sum_to_the_gap() -> None:
    shopping = Shopping([1, 10**9] * 20, [1, 1] * 20, [2**61, 2**61 - 1] * 20)
    peers = fit_shopping_peers(shopping, [1, 2] * 20)
    found = explain_gap(peers, shopping, [2, 1] * 20)
    assert (found.trips_micros + found.basket_micros + found.variety_micros == found.gap_micros).all()
    assert found.trips_micros[0] > 0 > found.basket_micros[0]


def test_nobody_who_shops_leaves_nothing_to_compare() -> None:
    shopping = Shopping([0, 0], [0, 0], [0, -5])
    peers = fit_shopping_peers(shopping, [1, 1])
    assert peers.status is Status.TOO_FEW_CUSTOMERS
    assert explain_gap(peers, shopping, [1, 1]).gap_micros.tolist() == [0, 0]
    found = payoff(shopping, ["A", "B"], [1, 2])
    assert found.payoff_micros.tolist() == [0, 0]
    assert [r.share_of_payoff for r in found.tiers] == [None, None]


def test_a_million_identical_customers_do_not_differ() -> None:
    n = 1_000_000
    shopping = Shopping(np.full(n, 3), np.full(n, 2.0), np.full(n, 600))
    found = payoff(shopping, np.tile(["A", "B"], n // 2), np.arange(n), np.zeros(n, dtype=np.int64))
    assert found.by_tier.status is Status.NOT_MEASURABLE
    assert found.tiers[0].factor_shares is None
    gap = explain_gap(
        fit_shopping_peers(shopping, np.zeros(n, dtype=np.int64)), shopping, np.zeros(n, dtype=np.int64)
    )
    assert not gap.gap_micros.any()


def test_bad_counts_and_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="trips"):
        payoff(Shopping([float("nan")], [1], [1]), ["A"], [1])
    with pytest.raises(ValueError, match="variety"):
        payoff(Shopping([1], [-1], [1]), ["A"], [1])
    with pytest.raises(ValueError, match="spend_micros: NaN"):
        payoff(Shopping([1], [1], [float("nan")]), ["A"], [1])
    with pytest.raises(ValueError, match="trips: 2 for 1"):
        payoff(Shopping([1, 2], [1], [1]), ["A"], [1])
    with pytest.raises(ValueError, match="tiers"):
        payoff(Shopping([1], [1], [1]), ["A", "B"], [1])
    with pytest.raises(ValueError, match="cells"):
        fit_shopping_peers(Shopping([1], [1], [1]), ["a"])
    with pytest.raises(ValueError, match="lengths"):
        split_variance([1, 2], ["a"], [1, 2])
    with pytest.raises(ValueError, match="NaN"):
        split_variance([float("nan")], ["a"], [1])
