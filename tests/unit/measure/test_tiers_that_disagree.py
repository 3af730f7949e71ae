"""A sub-segment that says the opposite inside a tier is pointed out, and chance is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rapport.core.keys import uniform
from rapport.measure.disagreement import Compared, disagreements, holm
from rapport.measure.segments import Segmented


def _cut(code: np.ndarray, labels: tuple[str, ...] = ("young", "old")) -> Segmented:
    return Segmented("age", labels, code, (True,) * len(labels))


def _noise(n: int, salt: str) -> np.ndarray:
    return uniform(np.arange(n), salt) - 0.5


def _found(values: np.ndarray, tiers: np.ndarray, code: np.ndarray, households: np.ndarray | None = None) -> Compared:
    keys = np.arange(len(values)) if households is None else households
    return disagreements({"value": values}, tiers, [_cut(code)], keys)


def _reversed(a_young: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values, tiers, ages: the young are mostly in A, where everybody is worth 100 more.

    A: 300 young at 100 + a_young, 100 old at 100. C: 100 young at a_young, 300 old at 0. Means of the young
    75 + a_young, of the old 25.
    """
    tiers = np.array(["A"] * 400 + ["C"] * 400)
    young = np.array([1] * 300 + [0] * 100 + [1] * 100 + [0] * 300)
    values = np.where(tiers == "A", 100.0, 0.0) + a_young * young + _noise(800, "shop")
    return values, tiers, 1 - young


def test_a_group_above_the_whole_and_below_in_every_tier_is_simpsons_paradox() -> None:
    found = _found(*_reversed(-10.0))
    said = {(d.label, d.tier, d.kind) for d in found.found}
    assert said == {(label, tier, "ordering") for label in ("young", "old") for tier in ("A", "C")}
    young = next(d for d in found.found if d.label == "young" and d.tier == "A")
    # 65 - 25 over all, -10 inside; noise of mean zero and standard deviation 0.29 leaves a few hundredths.
    assert young.whole.value == pytest.approx(40.0, abs=0.1)
    assert young.within.value == pytest.approx(-10.0, abs=0.15)
    assert young.within.low < young.within.value < young.within.high < 0 < young.whole.low
    assert all(d.everywhere for d in found.found if d.kind == "ordering")


def test_a_group_above_the_whole_and_above_in_every_tier_is_not_pointed_out() -> None:
    assert [d for d in _found(*_reversed(10.0)).found if d.kind == "ordering"] == []


def test_a_group_below_zero_in_a_tier_above_zero_is_pointed_out_by_its_sign() -> None:
    tiers = np.array(["B"] * 400)
    old = np.array([0] * 300 + [1] * 100)
    found = _found(np.where(old == 1, -1.0, 10.0) + _noise(400, "x"), tiers, old)
    assert [(d.kind, d.label, d.tier, d.everywhere) for d in found.found] == [("sign", "old", "B", False)]


def test_where_nothing_differs_chance_is_pointed_out_less_often_than_one_in_twenty() -> None:
    said = 0
    for draw in range(100):
        tiers = np.array(["A", "B", "C"])[(uniform(np.arange(600), f"t{draw}") * 3).astype(int)]
        code = (uniform(np.arange(600), f"s{draw}") * 2).astype(np.int64)
        said += bool(_found(_noise(600, f"v{draw}"), tiers, code).found)
    assert said <= 5


def test_groups_of_fewer_than_thirty_households_are_not_compared() -> None:
    values, tiers, code = _reversed(-10.0)
    # All young of A live in 29 households: with them nothing can be compared in A, over all still.
    households = np.arange(800)
    households[:300] = households[:300] % 29
    found = _found(values, tiers, code, households)
    assert {d.tier for d in found.found if d.kind == "ordering"} == {"C"}
    # Two labels: ordering in C; sign in C for both, in A only for the old.
    assert found.tests == 2 + 2 + 1


def test_customers_of_one_household_count_as_one_witness() -> None:
    values, tiers, code = _reversed(-10.0)
    thrice = [np.tile(x, 3) for x in (values, tiers, code)]
    alone = _found(values, tiers, code)
    together = _found(*thrice, households=np.tile(np.arange(800), 3))
    # Three times the same witness says no more: same values, same intervals.
    for one, other in zip(alone.found, together.found, strict=True):
        for part in ("whole", "within"):
            a, b = getattr(one, part), getattr(other, part)
            assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), rel=1e-9)


def test_the_interval_of_a_difference_is_welchs_up_to_the_degrees_of_freedom() -> None:
    values, tiers, code = _reversed(-10.0)
    found = next(d for d in _found(values, tiers, code).found if d.label == "young" and d.tier == "A").within
    young, old = values[(tiers == "A") & (code == 0)], values[(tiers == "A") & (code == 1)]
    error = math.sqrt(young.var(ddof=1) / 300 + old.var(ddof=1) / 100)
    half = stats.t.ppf(0.975, 99) * error
    assert found.value == pytest.approx(young.mean() - old.mean(), rel=1e-9)
    # n / (n - 1) is taken over both groups together, not within each: less than 1 % of the error.
    assert found.high - found.value == pytest.approx(half, rel=0.01)


def test_what_is_not_known_of_a_customer_is_not_compared() -> None:
    values, tiers, code = _reversed(-10.0)
    cut = Segmented("age", ("young", "not known"), code, (True, False))
    assert disagreements({"value": values}, tiers, [cut], np.arange(800)).found == ()


def test_nobody_at_all_disagrees_with_nobody() -> None:
    nobody = np.zeros(0)
    found = disagreements({"v": nobody}, nobody.astype("<U1"), [_cut(nobody.astype(np.int64))], nobody.astype(int))
    assert found == Compared(0, ())


def test_the_order_of_the_rows_changes_nothing_but_the_last_digits() -> None:
    values, tiers, code = _reversed(-10.0)
    order = np.argsort(uniform(np.arange(800), "order"))
    one, other = _found(values, tiers, code), _found(values[order], tiers[order], code[order])
    assert [(d.label, d.tier, d.kind) for d in one.found] == [(d.label, d.tier, d.kind) for d in other.found]


def test_holm_steps_down_from_the_smallest() -> None:
    # By hand: 0.01 * 4, then max(0.04, 0.02 * 3), then 0.03 * 2, then 0.2; never descending.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
