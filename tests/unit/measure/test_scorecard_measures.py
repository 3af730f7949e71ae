from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from rapport.measure.scorecard import UNITS, basis_of, effect_on, measure_of
from rapport.program.model import Measure

# Forty customers, two kinds: A spends 10.00 on two days in two departments, B nothing.
HALF = np.tile([1, 0], 20)
OUTCOMES = {
    "household_key": np.arange(40),
    "margin_micros": HALF * 3_000_000,
    "sales_micros": HALF * 10_000_000,
    "purchase_days": HALF * 2,
    "departments": HALF * 2,
    "discount_micros": HALF * 1_000_000,
    "regular_micros": HALF * 11_000_000,
}
ALL = np.ones(40, bool)


@pytest.mark.parametrize(
    ("name", "value", "unit"),
    [
        ("margin_per_customer", 1_500_000.0, "money"),
        ("sales_per_customer", 5_000_000.0, "money"),
        ("active_share", 0.5, "share"),
        ("purchase_days_per_customer", 1.0, "days"),
        ("departments_per_customer", 1.0, "departments"),
        ("discount_share", 1 / 11, "share"),
    ],
)
def test_each_measure_is_the_one_worked_out_by_hand(name: str, value: float, unit: str) -> None:
    found = measure_of(name, OUTCOMES, ALL)
    assert found.value == pytest.approx(value)
    assert found.customers == 40
    assert UNITS[name] == unit


def test_every_measure_a_goal_can_name_is_there() -> None:
    assert set(UNITS) == set(get_args(Measure))


def test_only_members_count() -> None:
    assert measure_of("active_share", OUTCOMES, HALF == 1).value == 1.0


def test_the_effect_is_the_difference_of_the_groups() -> None:
    many = {name: np.tile(v, 2) for name, v in OUTCOMES.items()}
    ones = np.tile(HALF, 2) == 1
    assert effect_on("sales_per_customer", many, ones, ~ones).value == 10_000_000.0


@pytest.mark.parametrize("margins", ["assumed", "measured"])
def test_only_the_margin_rests_on_the_margins_of_the_programme(margins: str) -> None:
    assert {name: str(basis_of(name, margins)) for name in UNITS} == {
        name: margins if name == "margin_per_customer" else "measured" for name in UNITS
    }
