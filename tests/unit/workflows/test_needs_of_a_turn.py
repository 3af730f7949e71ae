"""Needs groups in a turn: columns that conditions may name, chunks of customers, settings that are refused."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from needs_shops import needs_in
from programs import MINIMAL, program_with
from rapport.core.errors import ProgramInvalid
from rapport.program.parse import parse_program
from rapport.simulate.needs import NeedsWorld, simulate_needs
from rapport.workflows import needs as module
from rapport.workflows.needs import asks_for_needs, needs_columns, with_needs
from rapport.workflows.programs import check_rules


def test_a_programme_that_says_nothing_of_needs_is_written_as_before() -> None:
    assert "needs" not in json.loads(program_with().model_dump_json())
    assert "needs" not in json.loads(program_with(needs={"groups": "auto"}).model_dump_json())
    assert program_with(needs={"groups": 3}).needs.groups == 3


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('groups = "many"', "needs.groups"),
        ("groups = 0", "needs.groups"),
        ('level = "shelf"', "needs.level is 'shelf'; must be one of 'item', 'category' or 'department'"),
        ('views = ["colour"]', "needs.views.1 is 'colour'"),
        ("refit_days = -1", "needs.refit_days is -1; must be at least 0"),
        ("number = 3", "needs.number is not a setting; allowed here: groups, level, refit_days, views"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(setting: str, told: str) -> None:
    with pytest.raises(ProgramInvalid, match="needs") as refused:
        parse_program(f"{MINIMAL}\n[needs]\n{setting}\n")
    assert told in str(refused.value)


def test_conditions_may_name_the_group_and_its_share() -> None:
    rule = {
        "name": "r",
        "kind": "suitability",
        "customers": "needs_group = 'Tea' and needs_share > 0.5",
        "why": "So.",
    }
    limit = {"name": "l", "counts": "contacts", "at_most": 5.0, "each": "needs_group"}
    program = program_with(rules=[rule], limits=[limit])
    check_rules(program)
    nothing = pa.table({"eligible": pa.array([None], pa.string())})
    assert asks_for_needs(program, nothing)
    assert not asks_for_needs(program_with(), nothing)
    assert asks_for_needs(program_with(), pa.table({"eligible": ["needs_share > 0.9"]}))


def test_a_trait_of_the_same_name_stays() -> None:
    states = pa.table({"customer_key": [1], "needs_group": ["own"]})
    found = with_needs(states, None)
    assert found["needs_group"].to_pylist() == ["own"]
    assert found["needs_share"].to_pylist() == [None]
    assert needs_columns(None, 2)["needs_group"].to_pylist() == [None, None]


def test_customers_have_the_same_bytes_whatever_is_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    made = simulate_needs(NeedsWorld(groups=3, trips=20), 250, seed=9)
    whole = needs_in(made, groups=3)
    assert whole is not None
    before = whole.model
    monkeypatch.setattr(module, "AT_A_TIME", 7)
    parts = needs_in(made, before=before, groups=3)
    assert parts is not None
    assert parts.reused
    assert parts.member.tobytes() == whole.member.tobytes()
    assert np.array_equal(parts.main, whole.main)
