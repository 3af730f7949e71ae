"""Kills at moments nobody chose, in the middle of sending, and between the tables of a stage and its record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from kills import killed_after, killed_when

from shop_runs import TURN, copied, differences, done, half_sent, half_written, memory_rows, remains


def test_a_turn_killed_again_and_again_ends_in_the_same_bytes(shop: Path, turned: Path, tmp_path: Path) -> None:
    """Each start works a little longer than the last: the kills fall where they fall."""
    folder = copied(shop, tmp_path / "shop")
    kills = [killed_after(folder, seconds, "turn") for seconds in (0.3, 0.7, 1.1, 1.6, 2.2, 2.9)]
    assert sum(kills) >= 3
    done("turn", folder)
    assert half_written(folder) == []
    assert differences(remains(folder), remains(turned)) == []


def test_a_kill_in_the_middle_of_the_outbox_sends_nothing_twice(composed: Path, turned: Path, tmp_path: Path) -> None:
    folder = copied(composed, tmp_path / "shop")
    turn = folder / "state" / "turns" / TURN
    whole = len(list((turned / "state" / "turns" / TURN / "outbox" / "email").iterdir()))

    def sent() -> dict[str, int]:
        there = (turn / "outbox" / "email").glob("*.[ht]*")
        return {p.name: p.stat().st_mtime_ns for p in there if not p.name.startswith(".")}

    email = turn / "outbox" / "email"
    for _ in range(8):  # the writing takes a tenth of a second: a busy computer may miss it
        assert killed_when(folder, lambda: email.exists() and len(list(email.iterdir())) >= whole // 8, "send")
        if 0 < len(sent()) < whole:
            break
        shutil.rmtree(folder)
        copied(composed, folder)
    carried = sent()
    assert 0 < len(carried) < whole
    assert not (turn / "touches.parquet").exists()
    done("turn", folder)
    assert half_written(folder) == []
    # What had been carried was not written again; what had not, was.
    after = sent()
    assert len(after) == whole
    assert {n: after[n] for n in carried} == carried
    assert differences(remains(folder), remains(turned)) == []


@pytest.mark.parametrize("stage", ["plan", "send"])
def test_a_kill_between_a_stage_and_its_entry_in_the_record_does_nothing_twice(
    stage: str, turned: Path, tmp_path: Path
) -> None:
    """What such a kill leaves: every file of the stage is there, turn.json does not say so yet."""
    folder = copied(turned, tmp_path / "shop")
    record = folder / "state" / "turns" / TURN / "turn.json"
    told = json.loads(record.read_text(encoding="utf-8"))
    stages = ["load", "state", "score", "plan", "compose", "send", "readout"]
    told["stages"] = {s: told["stages"][s] for s in stages[: stages.index(stage)]}
    record.write_text(json.dumps(told), encoding="utf-8")
    done("turn", folder)
    assert differences(remains(folder), remains(turned)) == []


def test_a_kill_after_the_memory_and_before_the_touches_delivers_nothing_twice(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    turn = half_sent(folder)
    told = json.loads((turn / "turn.json").read_text(encoding="utf-8"))
    done("turn", folder)
    rows = [r for r in memory_rows(folder / "state" / "memory.db") if r.startswith('INSERT INTO "delivery"')]
    assert len(rows) == len(set(rows)) == told["stages"]["compose"]["counts"]["messages"]
    assert differences(remains(folder), remains(turned)) == []
