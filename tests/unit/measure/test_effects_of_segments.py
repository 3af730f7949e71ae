"""Effects per tier and sub-segment, and the pairs that point in opposite directions."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.core.keys import uniform
from rapport.core.reasons import Status
from rapport.measure.effects import Arms, effects_of, opposed
from rapport.measure.means import difference_of
from rapport.measure.segments import Segmented


def _arms(n: int) -> Arms:
    """Half in A, half in C; every fourth held out; everybody a household."""
    tiers = np.array(["A"] * (n // 2) + ["C"] * (n - n // 2))
    held = np.arange(n) % 4 == 0
    return Arms(tiers, ~held, held, np.arange(n))


def _values(arms: Arms, effect: dict[str, float]) -> np.ndarray:
    noise = uniform(np.arange(len(arms.tiers)), "effects") - 0.5
    return noise + arms.treated * np.array([effect[t] for t in arms.tiers])


def test_the_effect_of_a_tier_is_the_treated_less_the_held_out() -> None:
    arms = _arms(400)
    values = _values(arms, {"A": 2.0, "C": -1.0})
    found = {e.tier: e for e in effects_of(values, arms, [])}
    assert set(found) == {"A", "C"}
    for tier in "AC":
        inside = arms.tiers == tier
        treated, held = inside & arms.treated, inside & arms.held_out
        alone = difference_of(values[treated], values[held])
        assert (found[tier].treated, found[tier].held_out) == (150, 50)
        assert found[tier].estimate.value == pytest.approx(alone.value)
        assert found[tier].estimate.low == pytest.approx(alone.low)


def test_tiers_with_effects_of_opposite_signs_are_pointed_out() -> None:
    arms = _arms(400)
    comparisons, found = opposed(effects_of(_values(arms, {"A": 2.0, "C": -1.0}), arms, []))
    assert comparisons == 1
    assert [(o.one.tier, o.other.tier) for o in found] == [("A", "C")]
    assert found[0].adjusted_p < 0.001


def test_effects_of_one_sign_or_of_none_are_not() -> None:
    arms = _arms(400)
    for effect in ({"A": 2.0, "C": 1.0}, {"A": 0.0, "C": 0.0}, {"A": 2.0, "C": 0.0}):
        assert opposed(effects_of(_values(arms, effect), arms, []))[1] == ()


def test_a_sub_segment_that_is_harmed_where_its_tier_gains_is_pointed_out() -> None:
    arms = _arms(800)
    code = (np.arange(800) // 4) % 5 // 4
    values = _values(arms, {"A": 2.0, "C": 2.0}) - 4.0 * arms.treated * (code == 1) * (arms.tiers == "A")
    cut = Segmented("age", ("young", "old"), code, (True, True))
    effects = effects_of(values, arms, [cut])
    assert len(effects) == 2 + 4
    # In A the old have 20 households held out: too few to compare. Twice as many customers, and they are enough.
    small = next(e for e in effects if e.label == "old" and e.tier == "A")
    assert (small.held_out, small.estimate.status) == (20, Status.TOO_FEW_CUSTOMERS)
    twice = Arms(*(np.tile(x, 2) for x in (arms.tiers, arms.treated, arms.held_out)), np.arange(1600))
    cut = Segmented("age", ("young", "old"), np.tile(code, 2), (True, True))
    _, found = opposed(effects_of(np.tile(values, 2), twice, [cut]))
    assert [(o.one.tier, o.one.trait, o.other.label) for o in found] == [("A", "", "old")]


def test_without_held_out_nothing_is_compared() -> None:
    arms = _arms(100)
    nobody = Arms(arms.tiers, np.ones(100, dtype=np.bool_), np.zeros(100, dtype=np.bool_), np.arange(100))
    effects = effects_of(np.ones(100), nobody, [])
    assert {e.estimate.status for e in effects} == {Status.TOO_FEW_CUSTOMERS}
    assert opposed(effects) == (0, ())
