from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.measure.assignment import assign_holdout

NOBODY = np.array([], dtype=np.int64)
HOUSEHOLDS = np.arange(50_000, dtype=np.int64) * 7919


def test_customers_of_one_household_share_their_arm() -> None:
    households = np.repeat(np.arange(500, dtype=np.int64), 3)
    held = assign_holdout(households, "s", 0.3, NOBODY).reshape(500, 3)
    assert (held.all(axis=1) == held.any(axis=1)).all()
    assert held.any()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_the_share_held_out_is_the_one_asked_for(share: float) -> None:
    held = assign_holdout(HOUSEHOLDS, "s", share, NOBODY).mean()
    # Standard error at most sqrt(.25 / 50,000) = .0022.
    assert held == pytest.approx(share, abs=0.009 if share else 0.0)


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.text(max_size=5))
def test_raising_the_share_only_adds(one: float, other: float, salt: str) -> None:
    low, high = sorted((one, other))
    keys = HOUSEHOLDS[:2000]
    held = assign_holdout(keys, salt, low, NOBODY)
    assert (held <= assign_holdout(keys, salt, high, NOBODY)).all()


def test_who_was_held_out_stays_also_under_another_salt_and_without_a_share() -> None:
    kept = HOUSEHOLDS[assign_holdout(HOUSEHOLDS, "s", 0.1, NOBODY)]
    later = assign_holdout(HOUSEHOLDS, "another", 0.0, kept)
    assert HOUSEHOLDS[later].tolist() == kept.tolist()


def test_the_arm_does_not_depend_on_who_else_is_there() -> None:
    held = assign_holdout(HOUSEHOLDS, "s", 0.2, NOBODY)
    assert assign_holdout(HOUSEHOLDS[::-3], "s", 0.2, NOBODY).tolist() == held[::-3].tolist()
