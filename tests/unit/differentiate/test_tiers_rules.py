"""Rules of tiers on small tables, and their counts for any table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.core.errors import ProgramInvalid
from rapport.differentiate.tiers import TierSummary, assign_tiers, summarise_tiers, tier_sizes

INT64 = st.integers(-(2**63), 2**63 - 1)
SHARES = st.integers(0, 100).flatmap(lambda top: st.tuples(st.just(top), st.integers(0, 100 - top)))


def test_the_top_quarter_is_a_and_the_bottom_fifth_is_c() -> None:
    # 20 customers worth 1 to 20: the five best are A, the four least C.
    values = np.arange(1, 21)
    tiers = assign_tiers(values, values + 100)
    assert "".join(tiers) == "CCCC" + "B" * 11 + "AAAAA"


def test_equal_values_at_a_boundary_are_split_by_the_smaller_key() -> None:
    # Four customers worth the same: one A and one C (4 x .20 = .8); keys 3 < 5 < 7 < 9.
    assert assign_tiers([8, 8, 8, 8], [9, 3, 7, 5]).tolist() == ["C", "A", "B", "B"]


@pytest.mark.parametrize(
    ("customers", "sizes"), [(0, (0, 0, 0)), (1, (0, 1, 0)), (2, (1, 1, 0)), (3, (1, 1, 1)), (4, (1, 2, 1))]
)
def test_few_customers_are_split_by_the_stated_rule(customers: int, sizes: tuple[int, int, int]) -> None:
    # Halves up: 1 -> .25, .20; 2 -> .5, .4; 3 -> .75, .6; 4 -> 1, .8.
    assert tier_sizes(customers) == sizes
    tiers = assign_tiers(np.arange(customers), np.arange(customers)).tolist()
    assert (tiers.count("A"), tiers.count("B"), tiers.count("C")) == sizes


def test_a_share_is_the_decimal_number_it_is_written_as() -> None:
    # .145 x 100 is 14.5, halves up 15; in binary floating point it would be 14.499999999999998.
    assert tier_sizes(100, 0.145, 0.0)[0] == 15
    assert tier_sizes(10, 0.1, 0.7) == (1, 2, 7)
    assert tier_sizes(10, 0.3, 0.7) == (3, 0, 7)


def test_c_never_takes_more_than_a_leaves() -> None:
    # One customer, halves each: A rounds up to 1, nothing is left.
    assert tier_sizes(1, 0.5, 0.5) == (1, 0, 0)


def test_a_value_below_zero_ranks_below_zero() -> None:
    assert assign_tiers([-(2**63), 0, -5, 2**63 - 1], [1, 2, 3, 4], 0.25, 0.25).tolist() == ["C", "B", "B", "A"]


@given(st.lists(st.tuples(st.integers(-3, 3) | INT64, INT64), max_size=60, unique_by=lambda row: row[1]), SHARES)
def test_counts_are_exact_and_the_order_of_rows_does_not_matter(
    rows: list[tuple[int, int]], shares: tuple[int, int]
) -> None:
    values = np.array([value for value, _ in rows], dtype=np.int64)
    keys = np.array([key for _, key in rows], dtype=np.int64)
    top, bottom = shares[0] / 100, shares[1] / 100
    tiers = assign_tiers(values, keys, top, bottom)
    # Whole percents, so halves up is integer arithmetic: (2 x percent x n + 100) // 200.
    n = len(rows)
    in_a = (2 * shares[0] * n + 100) // 200
    in_c = min((2 * shares[1] * n + 100) // 200, n - in_a)
    assert (np.sum(tiers == "A"), np.sum(tiers == "C")) == (in_a, in_c)
    for upper, lower in (("A", "B"), ("B", "C"), ("A", "C")):
        if np.any(tiers == upper) and np.any(tiers == lower):
            assert values[tiers == upper].min() >= values[tiers == lower].max()
    order = np.argsort(keys)
    assert np.array_equal(assign_tiers(values[order], keys[order], top, bottom), tiers[order])
    assert sum(tier.contribution_micros for tier in summarise_tiers(values, tiers)) == sum(values.tolist())


@pytest.mark.parametrize(("top", "bottom"), [(1.2, 0.1), (-0.1, 0.1), (0.1, 25.0), (0.6, 0.5), (float("nan"), 0.1)])
def test_shares_that_are_not_allowed_are_refused(top: float, bottom: float) -> None:
    with pytest.raises(ProgramInvalid, match="_share"):
        assign_tiers([1, 2], [1, 2], top, bottom)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="keys: a customer stands twice - 7"):
        assign_tiers([1, 2, 3], [7, 8, 7])


def test_values_that_are_not_whole_micros_are_refused() -> None:
    with pytest.raises(ValueError, match="values_micros: float64"):
        assign_tiers([1.5, 2.0], [1, 2])
    with pytest.raises(ValueError, match="keys: 1 for 2"):
        assign_tiers([1, 2], [1])


def test_each_tier_is_summed_up_as_itself() -> None:
    # Sums 100, 30, -10 of 120. Medians: 100; (10 + 20) / 2; (-8 + -2) / 2.
    values, tiers = [20, -2, 100, 10, -8], ["B", "C", "A", "B", "C"]
    assert summarise_tiers(values, tiers) == (
        TierSummary("A", 1, 100, 100 / 120, 100, 0),
        TierSummary("B", 2, 30, 30 / 120, 15, 0),
        TierSummary("C", 2, -10, -10 / 120, -5, 2),
    )


def test_a_total_that_is_not_above_zero_has_no_shares_and_an_empty_tier_no_median() -> None:
    a, b, c = summarise_tiers([-5, 5], ["C", "B"])
    assert (a.customers, a.contribution_micros, a.median_micros) == (0, 0, None)
    assert [tier.share_of_contribution for tier in (a, b, c)] == [None, None, None]
    assert [tier.customers for tier in summarise_tiers([], [])] == [0, 0, 0]


def test_sums_beyond_int64_are_exact() -> None:
    most = 2**63 - 1
    assert summarise_tiers([most, most, -(2**63)], ["A", "A", "C"])[0].contribution_micros == 2 * most


def test_an_unknown_tier_is_refused() -> None:
    with pytest.raises(ValueError, match="tiers: not a tier - D"):
        summarise_tiers([1], ["D"])
    with pytest.raises(ValueError, match="tiers: 2 for 1"):
        summarise_tiers([1], ["A", "B"])
