"""Each tier in each sub-segment: which traits are shown, in which order, with which numbers; what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from rapport.core.reasons import Status
from rapport.measure.segments import (
    NOT_KNOWN,
    Segmented,
    Worth,
    cells_of,
    household_sizes,
    median_with_ends,
    readable,
    segments_of,
)


def _names(found: tuple[Segmented, ...]) -> dict[str, tuple[str, ...]]:
    return {s.trait: s.labels for s in found}


def test_unasked_a_trait_is_shown_that_has_few_values_and_is_known_of_half() -> None:
    traits = {
        "age": ["19-24", "25-34", None, "19-24"],
        "sex": ["f", "f", "f", "f"],
        "email": [f"{i}@x" for i in range(4)],
        "income": ["high", None, None, None],
        "empty": [None, "", "  ", None],
    }
    traits = {k: v * 4 if k != "email" else [f"{i}@x" for i in range(16)] for k, v in traits.items()}
    traits["rare"] = ["a", "b", *[None] * 14]
    shown, left = segments_of(traits)
    assert _names(shown) == {"age": ("19-24", "25-34", NOT_KNOWN)}
    assert {x.trait: x.why for x in left} == {
        "sex": "all known customers have the same value",
        "email": "16 values, more than 12",
        "income": "all known customers have the same value",
        "empty": "no customer has a value of it",
        "rare": "known of 12% of the customers, less than 50%",
    }


def test_asked_for_it_is_shown_whatever_it_covers_and_the_others_are_named() -> None:
    traits = {"age": ["x", "y"], "rare": ["a", None]}
    shown, left = segments_of(traits | {"rare": ["a", "b"]}, ["rare"])
    assert _names(shown) == {"rare": ("a", "b")}
    assert [(x.trait, x.why) for x in left] == [("age", "not among the segments that the programme names")]


def test_of_many_values_asked_for_the_smallest_stand_together_and_are_counted() -> None:
    # Value 0 once, value 1 twice, ... value 14 fifteen times: the eleven largest are 4 to 14.
    values = [f"v{i:02d}" for i in range(15) for _ in range(i + 1)]
    (cut,) = segments_of({"place": values}, ["place"])[0]
    assert cut.labels == (*(f"v{i:02d}" for i in range(4, 15)), "all others (4 values)")
    assert int((cut.code == 11).sum()) == 1 + 2 + 3 + 4
    assert cut.tested == (True,) * 11 + (False,)


def test_values_stand_in_the_order_of_their_numbers() -> None:
    given_values = ["100-124K", "Under 15K", "15-24K", "250K+", "unknown to us", "35-49K"]
    (cut,) = segments_of({"income": given_values})[0]
    assert cut.labels == ("Under 15K", "15-24K", "35-49K", "100-124K", "250K+", "unknown to us")


def test_households_are_counted_by_their_customers() -> None:
    keys = np.array([7, 7, 3, 9, 9, 9, 1, 1, 1, 1, 1])
    assert household_sizes(keys) == ["2", "2", "1", "3", "3", "3", "4+", "4+", "4+", "4+", "4+"]
    assert household_sizes(np.zeros(0, dtype=np.int64)) == []


def _worth(tiers: list[str], values: list[int]) -> Worth:
    v = np.array(values, dtype=np.int64)
    expected = np.arange(len(v))
    return Worth(np.array(tiers, dtype="<U1"), v, v - 3, v + 4, expected, expected - 1, expected + 1)


def test_a_group_has_its_sums_and_a_small_one_only_its_count() -> None:
    worth = _worth(["A"] * 45, [*range(25), *[1000] * 20])
    cut = Segmented("age", ("young", "old"), np.array([0] * 25 + [1] * 20), (True, True))
    young, old = cells_of(worth, cut)
    assert (young.customers, young.share_of_tier, young.below_zero) == (25, 25 / 45, 0)
    # 0 + ... + 24 = 300; half-widths 3 and 4 of 25 independent customers: 5 * 3 and 5 * 4.
    assert young.total == (300.0, 285.0, 320.0)
    assert young.share_of_value == 300 / 20300
    assert young.expected == (300.0, 275.0, 325.0)
    # Expected is 25 to 44: 20 * 34.5.
    assert old.expected == (690.0, 670.0, 710.0)
    small = Segmented("age", ("young", "old"), np.array([0] * 26 + [1] * 19), (True, True))
    assert [(c.customers, c.status, c.total) for c in cells_of(worth, small)][1] == (
        19,
        Status.TOO_FEW_CUSTOMERS,
        None,
    )


def test_a_tier_worth_nothing_gives_no_shares_of_value() -> None:
    cut = Segmented("age", ("young",), np.zeros(20, dtype=np.int64), (True,))
    (cell,) = cells_of(_worth(["C"] * 20, [-1] * 20), cut)
    assert cell.share_of_value is None
    assert cell.below_zero == 20


def test_a_trait_that_shows_no_two_groups_in_any_tier_is_left_out() -> None:
    worth = _worth(["A"] * 40, [1] * 40)
    halves, thin = ([0] * 20 + [1] * 20), ([0] * 21 + [1] * 19)
    cuts = [Segmented(n, ("a", "b"), np.array(c), (True, True)) for n, c in (("even", halves), ("thin", thin))]
    shown, left = readable(worth, cuts)
    assert [s.trait for s in shown] == ["even"]
    assert [(x.trait, x.why) for x in left] == [("thin", "no tier has 20 customers in two of its values")]


@pytest.mark.parametrize("n", [6, 20, 31, 500])
def test_the_interval_of_a_median_covers_it_as_often_as_it_says(n: int) -> None:
    # Of ranks 1..n the ends are r and n + 1 - r; the median lies outside with probability 2 P(Bin(n, 1/2) < r).
    _, low, high = median_with_ends(np.arange(1, n + 1))
    assert low + high == n + 1
    assert 2 * binom.cdf(low - 1, n, 0.5) <= 0.05 < 2 * binom.cdf(low, n, 0.5)


def test_too_few_values_have_no_interval_of_a_median() -> None:
    with pytest.raises(ValueError, match="5 are too few"):
        median_with_ends(np.arange(5))


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 3), st.integers(-100, 100)), min_size=1, max_size=200)
)
def test_the_groups_of_a_tier_add_up_to_the_tier(people: list[tuple[str, int, int]]) -> None:
    tiers, codes, values = (list(x) for x in zip(*people, strict=True))
    cut = Segmented("t", ("a", "b", "c", NOT_KNOWN), np.array(codes), (True, True, True, False))
    cells = cells_of(_worth(tiers, values), cut)
    for tier in "ABC":
        mine = [c for c in cells if c.tier == tier]
        assert sum(c.customers for c in mine) == tiers.count(tier)
        if mine and all(c.total for c in mine):
            assert sum(c.total[0] for c in mine if c.total) == sum(v for t, _, v in people if t == tier)
