"""Report and read-out cut the customers of a turn alike, and no effect is told before there are outcomes."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from programs import program_with
from rapport.workflows.read_out import Window
from rapport.workflows.segments import segment_effects, shown_segments, worth_of

N = 160
CUSTOMERS = {
    "kind": "customers",
    "path": "people.csv",
    "columns": {"customer_id": "who"},
    "traits": ["Age Band", "email"],
}
TIERS = ["A"] * (N // 2) + ["C"] * (N // 2)
HELD = np.arange(N) % 2 == 0
STATES = pa.table(
    {
        "household_key": np.arange(N),
        "age_band": ["young" if n % 4 < 2 else "old" for n in range(N)],
        "email": [f"{n}@x" for n in range(N)],
    }
)
MICROS = np.full(N, 10, dtype=np.int64)
SCORES = pa.table({"tier": TIERS, **{f"actual_value_{e}micros": MICROS for e in ("", "low_", "high_")}})
DECISIONS = pa.table(
    {
        "tier": TIERS,
        "household_key": np.arange(N),
        "arm": np.where(HELD, "holdout", "treated").tolist(),
        "deliver": ~HELD,
        "expected_contribution_micros": MICROS,
        "expected_low_micros": MICROS,
        "expected_high_micros": MICROS,
    }
)


def _program(**parts: Any) -> Any:
    lines = program_with().model_dump()["sources"]
    return program_with(sources=[*lines, CUSTOMERS], **parts)


def _effects(data_stop: date) -> dict[str, Any]:
    # The treated of A bring 5 more, those of C 5 less.
    effect = np.where(np.array(TIERS) == "A", 5, -5) * ~HELD
    outcomes = {"margin_micros": 100 + effect + np.arange(N) % 4 // 2, "present": np.ones(N, dtype=np.int64)}
    window = Window(date(2030, 1, 7), date(2030, 2, 4), date(2030, 2, 4), data_stop)
    return segment_effects(_program(), (STATES, SCORES, DECISIONS), outcomes, window)


def test_unasked_traits_with_few_values_are_shown_under_their_own_names() -> None:
    shown, left = shown_segments(_program(), STATES, worth_of(SCORES, DECISIONS))
    assert [s.trait for s in shown] == ["age_band"]
    assert [x.trait for x in left] == ["email", "customers_in_household"]


def test_traits_are_asked_for_as_the_source_names_them() -> None:
    asked = _program(report={"segments": ["Age Band", "customers_in_household"]})
    shown, left = shown_segments(asked, STATES, worth_of(SCORES, DECISIONS))
    assert [s.trait for s in shown] == ["age_band"]
    assert {x.trait: x.why for x in left} == {
        "customers_in_household": "all known customers have the same value",
        "email": "not among the segments that the programme names",
    }


def test_what_the_turn_brings_counts_only_what_is_delivered() -> None:
    assert worth_of(SCORES, DECISIONS).expected.tolist() == np.where(HELD, 0, 10).tolist()


def test_effects_of_tiers_in_opposite_directions_stand_in_the_record() -> None:
    found = _effects(date(2030, 3, 1))
    assert found["status"] == "OK"
    tiers = {e["tier"]: e for e in found["effects"] if not e["trait"]}
    assert {t: (e["value"], e["treated"], e["held_out"]) for t, e in tiers.items()} == {
        "A": (5.0, 40, 40),
        "C": (-5.0, 40, 40),
    }
    assert [(o["one"]["tier"], o["other"]["tier"]) for o in found["opposed"]] == [("A", "C")]
    assert {e["status"] for e in found["effects"] if e["trait"]} == {"TOO_FEW_CUSTOMERS"}


def test_an_open_window_says_so_and_one_that_has_not_begun_tells_no_effect() -> None:
    assert _effects(date(2030, 1, 20))["status"] == "WINDOW_OPEN"
    nothing = _effects(date(2030, 1, 7))
    assert (nothing["status"], nothing["effects"], nothing["comparisons"]) == ("WINDOW_OPEN", [], 0)
