"""A tier once held is kept within a band of ranks around its border, and every movement is counted once."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.core.errors import ProgramInvalid
from rapport.differentiate.tier_history import (
    Standing,
    band_width,
    dense_ranks,
    keep_tiers,
    migration,
    previous_tiers,
)
from rapport.differentiate.tiers import assign_tiers, tier_sizes


def _ranked(n: int) -> np.ndarray:
    """Return values whose ranks are 0, 1, 2, ... in the order of the rows."""
    return np.arange(n, 0, -1)


def _kept(previous: str, top: float = 0.3, bottom: float = 0.2, hysteresis: float = 0.1) -> str:
    n = len(previous)
    return "".join(keep_tiers(_ranked(n), np.arange(n), list(previous), top, bottom, hysteresis))


def test_without_a_band_rank_alone_decides_whatever_was_before() -> None:
    assert _kept("CCCAAABBBA", hysteresis=0.0) == "AAABBBBBCC"


def test_a_customer_stays_in_a_until_more_than_the_band_below_its_border() -> None:
    # 20 customers, 6 in A, band 2: ranks 6 and 7 keep A, rank 8 does not.
    assert _kept("A" * 20) == "A" * 8 + "B" * 10 + "CC"


def test_a_customer_enters_a_only_more_than_the_band_above_its_border() -> None:
    # Ranks 0 to 3 enter, 4 and 5 stay in B; ranks 16 and 17 keep B, which ends at 16.
    assert _kept("B" * 20) == "AAAA" + "B" * 14 + "CC"


def test_a_customer_of_c_who_rises_far_goes_straight_to_a() -> None:
    # C begins at rank 16; out of C goes who ranks before 14, into A who ranks before 4.
    assert _kept("C" * 20) == "AAAA" + "B" * 10 + "C" * 6


def test_who_has_no_tier_yet_goes_by_rank_alone() -> None:
    none = np.full(20, "")
    kept = keep_tiers(_ranked(20), np.arange(20), none, 0.3, 0.2, 0.1)
    assert "".join(kept) == "AAAAAABBBBBBBBBBCCCC"


def test_a_tier_without_a_share_any_more_counts_as_none() -> None:
    assert _kept("C" * 10, bottom=0.0, hysteresis=0.1) == "AAABBBBBBB"
    assert _kept("A" * 10, top=0.0, hysteresis=0.1) == "BBBBBBBBCC"


@pytest.mark.parametrize(
    ("customers", "width"),
    [(0, 0), (1, 0), (3, 0), (19, 1), (20, 2), (29, 2), (1000, 100)],
)
def test_the_band_is_a_share_of_the_ranks_rounded_down(customers: int, width: int) -> None:
    assert band_width(customers, 0.3, 0.2, 0.1) == width


def test_the_band_never_shuts_or_empties_a_small_tier() -> None:
    # Of 100 customers 2 are in A: a band of 10 would let nobody in, so it is 1.
    assert band_width(100, 0.02, 0.2, 0.1) == 1
    # 10 are in B: the bands of its two borders must not meet, so each is 4.
    assert band_width(100, 0.5, 0.4, 0.1) == 4


@pytest.mark.parametrize("hysteresis", [-0.01, 0.5, float("nan")])
def test_a_band_that_is_no_share_of_ranks_is_refused(hysteresis: float) -> None:
    with pytest.raises(ProgramInvalid, match=r"hysteresis: not a share of ranks"):
        band_width(10, 0.3, 0.2, hysteresis)


def test_previous_tiers_that_are_none_or_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match=r"previous: not a tier - 'D'"):
        keep_tiers([1, 2], [1, 2], ["A", "D"])
    with pytest.raises(ValueError, match=r"previous: 1 for 2 values"):
        keep_tiers([1, 2], [1, 2], ["A"])


def test_nobody_at_all_has_no_tiers() -> None:
    assert keep_tiers([], [], [], 0.25, 0.2, 0.1).tolist() == []


People = tuple[np.ndarray, np.ndarray, np.ndarray]
Shares = tuple[float, float]
SHARES = st.sampled_from([(0.25, 0.2), (0.1, 0.5), (0.0, 0.3), (0.5, 0.5), (1.0, 0.0), (0.02, 0.02)])
BANDS = st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.3])


@st.composite
def _people(draw: st.DrawFn) -> People:
    n = draw(st.integers(0, 60))
    values = draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n))
    before = draw(st.lists(st.sampled_from(["A", "B", "C", ""]), min_size=n, max_size=n))
    return np.array(values, dtype=np.int64), np.arange(n) * 7 - 50, np.array(before, dtype="<U1")


@given(_people(), SHARES, BANDS)
def test_sizes_stay_within_the_band_of_what_is_planned(people: People, shares: Shares, band: float) -> None:
    values, keys, before = people
    tiers = keep_tiers(values, keys, before, *shares, band)
    width = band_width(len(values), *shares, band)
    for tier, size, most in zip("ABC", tier_sizes(len(values), *shares), (width, 2 * width, width), strict=True):
        there = int((tiers == tier).sum())
        assert abs(there - size) <= most
        assert (there > 0) == (size > 0)


@given(_people(), SHARES, BANDS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(people: People, shares: Shares, band: float, random: Random) -> None:
    values, keys, before = people
    tiers = keep_tiers(values, keys, before, *shares, band)
    order = np.array(random.sample(range(len(values)), len(values)), dtype=np.int64)
    again = keep_tiers(values[order], keys[order], before[order], *shares, band)
    assert again.tolist() == tiers[order].tolist()


@given(_people(), SHARES, BANDS)
def test_a_turn_in_which_nothing_changed_changes_no_tier(people: People, shares: Shares, band: float) -> None:
    values, keys, before = people
    once = keep_tiers(values, keys, before, *shares, band)
    assert keep_tiers(values, keys, once, *shares, band).tolist() == once.tolist()


@given(st.lists(st.integers(-9, 8), min_size=1, max_size=30), st.sampled_from(["A", "B"]))
def test_a_rank_that_stays_within_the_band_never_changes_tier(steps: list[int], first: str) -> None:
    # 100 customers, 25 in A, band 10: whoever moves among the ranks 15 to 34 keeps the tier they had.
    n, at = 100, "".join(["A"] * 25 + ["B"] * 55 + ["C"] * 20)
    tier = first
    for step in steps:
        rank = 25 + step
        values, before = np.arange(n, 0, -1), np.array(list(at))
        before[rank] = tier
        tier = str(keep_tiers(values, np.arange(n), before, 0.25, 0.2, 0.1)[rank])
        assert tier == first


@given(_people(), SHARES)
def test_no_band_is_the_plain_ranking(people: People, shares: Shares) -> None:
    values, keys, before = people
    assert keep_tiers(values, keys, before, *shares, 0.0).tolist() == assign_tiers(values, keys, *shares).tolist()


def test_dense_ranks_keep_the_order_and_put_the_unknown_below_all() -> None:
    assert dense_ranks([2.5, float("nan"), -1.0, 2.5, float("inf")]).tolist() == [1, -1, 0, 1, -1]
    assert dense_ranks(np.array([2**62, -(2**63), 2**62 - 1])).tolist() == [2, 0, 1]
    assert dense_ranks([]).tolist() == []


def _standing(**people: tuple[str, int]) -> Standing:
    keys = np.array([int(k[1:]) for k in people], dtype=np.int64)
    tiers = np.array([t for t, _ in people.values()], dtype="<U1")
    return Standing(keys, tiers, np.array([v for _, v in people.values()], dtype=np.int64))


def test_movements_are_counted_with_the_value_that_each_turn_expected() -> None:
    before = _standing(k1=("A", 100), k2=("A", 90), k3=("B", 50), k4=("C", -5))
    after = _standing(k2=("B", 60), k1=("A", 110), k4=("C", 0), k9=("C", 7))
    found = {(m.before, m.after): m for m in migration(before, after) if m.customers}
    assert {k: (m.customers, m.before_micros, m.after_micros) for k, m in found.items()} == {
        ("A", "A"): (1, 100, 110),
        ("A", "B"): (1, 90, 60),
        ("B", "gone"): (1, 50, None),
        ("C", "C"): (1, -5, 0),
        ("new", "C"): (1, None, 7),
    }
    assert len(migration(before, after)) == 15


def test_a_customer_twice_in_a_turn_is_refused() -> None:
    twice = Standing(np.array([1, 1]), np.array(["A", "B"]), np.array([1, 2]))
    with pytest.raises(ValueError, match="stands twice - 1"):
        migration(twice, _standing())


def test_previous_tiers_are_found_by_key_whatever_the_order() -> None:
    before = _standing(k9=("C", 0), k3=("A", 0), k5=("B", 0))
    assert previous_tiers([5, 4, 3, 9], before).tolist() == ["B", "", "A", "C"]
    assert previous_tiers([5, 4], None).tolist() == ["", ""]


@given(_people(), _people())
def test_movements_add_up_to_the_tiers_of_both_turns(one: People, other: People) -> None:
    stand = [Standing(k, keep_tiers(v, k, b, 0.25, 0.2, 0.1), v) for v, k, b in (one, other)]
    before, after = stand[0], Standing(stand[1].keys + 70, stand[1].tiers, stand[1].values_micros)
    moves = migration(before, after)
    for tier in "ABC":
        was, now = before.tiers == tier, after.tiers == tier
        assert sum(m.customers for m in moves if m.before == tier) == was.sum()
        assert sum(m.customers for m in moves if m.after == tier) == now.sum()
        assert sum(m.before_micros or 0 for m in moves if m.before == tier) == before.values_micros[was].sum()
        assert sum(m.after_micros or 0 for m in moves if m.after == tier) == after.values_micros[now].sum()
