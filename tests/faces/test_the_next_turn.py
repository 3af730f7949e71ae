"""A week later: the held-out stay held out, what was said counts, and nobody is told too often."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shop_runs import TURN, copied, done, memory_rows, rewrite

NEXT = "2026-W02"


@pytest.fixture(scope="module")
def two_turns(turned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop after a second turn one week later, in which nobody may be told twice within the period."""
    folder = copied(turned, tmp_path_factory.mktemp("next") / "shop")
    rewrite(folder / "program.toml", "contacts = 4", "contacts = 1")
    done("turn", folder, "--as-of", "2026-01-05")
    return folder


def _rows(shop: Path, turn: str, table: str) -> dict[str, dict[str, Any]]:
    rows = pq.read_table(shop / "state" / "turns" / turn / f"{table}.parquet").to_pylist()
    return {r["customer_id"]: r for r in rows}


def test_the_first_turn_stays_as_it_was(turned: Path, two_turns: Path) -> None:
    for path in (turned / "state" / "turns" / TURN).rglob("*"):
        if path.is_file():
            assert (two_turns / path.relative_to(turned)).read_bytes() == path.read_bytes()


def test_the_same_households_are_held_out(two_turns: Path) -> None:
    held = [
        {r["household_key"] for r in _rows(two_turns, turn, "decisions").values() if r["arm"] == "holdout"}
        for turn in (TURN, NEXT)
    ]
    assert held[0] == held[1]
    assert len(held[0]) > 0
    text = "\n".join(memory_rows(two_turns / "state" / "memory.db"))
    assert all(f"({key},'{TURN}')" in text for key in held[0])


def test_contacts_count_what_the_first_turn_said_or_withheld(two_turns: Path) -> None:
    # The held-out use up their contacts like the treated, or the two would be decided by other rules.
    told = {c for c, t in _rows(two_turns, TURN, "touches").items() if t["status"] in ("sent", "withheld")}
    scores = _rows(two_turns, NEXT, "scores")
    assert 0 < len(told) < len(scores)
    assert {c for c, s in scores.items() if s["contacts_in_period"] == 1} == told
    assert {c for c, s in scores.items() if s["contacts_in_period"] == 0} == set(scores) - told


def test_with_one_contact_in_the_period_nobody_is_told_again(two_turns: Path) -> None:
    first, second = (_rows(two_turns, turn, "touches") for turn in (TURN, NEXT))
    told = {c for c, t in first.items() if t["status"] == "sent"}
    assert not told & {c for c, t in second.items() if t["status"] == "sent"}
    reasons = _rows(two_turns, NEXT, "decisions")
    assert {r for c in told for r in reasons[c]["reasons"]} == {"CONTACT_CAP"}
    # Who was silent in the first turn only for want of letters may be told now.
    assert {t["status"] for c, t in second.items() if c not in told} <= {"sent", "silent", "withheld"}


def test_the_baseline_is_still_that_before_the_first_turn(turned: Path, two_turns: Path) -> None:
    before, after = ((f / "state" / "baseline.json").read_bytes() for f in (turned, two_turns))
    assert before == after
