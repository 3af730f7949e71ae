"""A turn is done once: again it does nothing, elsewhere it gives the same bytes, and what was sent stays sent."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
from failures import Failure, fails, nothing

from rapport.core.errors import TurnConflict
from shop_runs import TURN, copied, differences, done, half_written, listing, rapport, remains, rewrite


def test_a_turn_that_is_done_does_nothing_again(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "again")
    before = listing(folder / "state" / "turns")
    held = remains(folder)
    done("turn", folder)
    # Sizes and times of change: not one file was written, not even with the same bytes.
    assert listing(folder / "state" / "turns") == before
    assert differences(remains(folder), held) == []


def test_another_folder_gives_the_same_bytes(shop: Path, turned: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "somewhere" / "else")
    done("turn", folder)
    assert differences(remains(folder), remains(turned)) == []
    names = {p.name for p in (folder / "state" / "turns" / TURN).iterdir()}
    tables = {"customers", "states", "catalogue", "scores", "decisions", "messages", "touches", "readout"}
    others = {"outbox", "report.html", "limits.json", "terms.json", "turn.json", "readout_segments.json"}
    assert names == {f"{t}.parquet" for t in tables} | others


def test_a_dry_run_stops_before_anything_is_sent_and_the_turn_carries_on(composed: Path, turned: Path) -> None:
    waiting, whole = (f / "state" / "turns" / TURN for f in (composed, turned))
    assert not [n for n in ("outbox", "touches.parquet", "report.html") if (waiting / n).exists()]
    planned, kept = listing(waiting), listing(whole)
    # `turned` is a copy of `composed`, times of change and all, after `rapport turn`: nothing was done twice.
    tables = ("customers", "states", "scores", "catalogue", "decisions", "messages")
    assert all(kept[f"{n}.parquet"] == planned[f"{n}.parquet"] for n in tables)
    assert (whole / "report.html").exists()


def test_a_dry_run_says_that_nothing_was_sent(composed: Path, tmp_path: Path) -> None:
    folder = copied(composed, tmp_path / "dry")
    before = listing(folder / "state" / "turns")
    assert "nothing was sent" in done("turn", folder, "--dry-run").out
    assert listing(folder / "state" / "turns") == before


def test_restart_discards_a_turn_that_was_not_sent(composed: Path, turned: Path, tmp_path: Path) -> None:
    folder = copied(composed, tmp_path / "restarted")
    decisions = folder / "state" / "turns" / TURN / "decisions.parquet"
    before = decisions.stat().st_mtime_ns
    done("turn", folder, "--restart")
    assert decisions.stat().st_mtime_ns > before
    assert differences(remains(folder), remains(turned)) == []


def test_restart_refuses_a_turn_that_was_sent(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "sent")
    before = remains(folder)
    words = (f"turn {TURN} has been sent", "Plan another turn")
    fails(Failure("", TurnConflict, 6, nothing, words, ("turn", ".", "--restart")), folder)
    assert differences(remains(folder), before) == []
    assert half_written(folder) == []


def test_everybody_has_a_touch_and_every_file_in_the_outbox_is_of_one(turned: Path) -> None:
    turn = turned / "state" / "turns" / TURN
    touches = pq.read_table(turn / "touches.parquet").to_pylist()
    customers = (turned / "sources" / "customers.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert sorted(t["customer_id"] for t in touches) == sorted(c.split(",")[0] for c in customers)
    # Beside the files of each message, a channel has one list for whoever prints or sends: letter.csv.
    named = [f for t in touches for f in t["files"] if "/" in f]
    there = [str(p.relative_to(turn / "outbox")) for p in (turn / "outbox").glob("*/*")]
    assert sorted(named) == sorted(there)
    lines = (turn / "outbox" / "letter.csv").read_text(encoding="utf-8").count("\n") - 1
    assert lines == sum(t["channel"] == "letter" and t["status"] == "sent" for t in touches) > 0
    assert all((t["files"] != []) == (t["status"] == "sent") for t in touches)


def test_no_touch_names_the_held_out_as_sent(turned: Path) -> None:
    turn = turned / "state" / "turns" / TURN
    arms = {d["customer_id"]: d["arm"] for d in pq.read_table(turn / "decisions.parquet").to_pylist()}
    sent = {t["customer_id"] for t in pq.read_table(turn / "touches.parquet").to_pylist() if t["status"] == "sent"}
    assert {arms[c] for c in sent} == {"treated"}


def test_a_restart_takes_back_what_only_the_discarded_turn_had_begun(composed: Path, tmp_path: Path) -> None:
    folder = copied(composed, tmp_path / "restarted")
    rewrite(folder / "program.toml", "window_days = 91", "window_days = 28")
    rewrite(folder / "program.toml", "holdout_share = 0.10", "holdout_share = 0.02")
    done("turn", folder, "--restart")
    goal = json.loads((folder / "state" / "baseline.json").read_text(encoding="utf-8"))["goals"][0]
    # The turn is of 29 December; 28 days before it is 1 December.
    assert (goal["first_day"], goal["last_day"]) == ("2025-12-01", "2025-12-28")
    decisions = pq.read_table(folder / "state" / "turns" / TURN / "decisions.parquet").to_pylist()
    held_out = {d["household_key"] for d in decisions if d["arm"] == "holdout"}
    with sqlite3.connect(folder / "state" / "memory.db") as memory:
        remembered = {k for (k,) in memory.execute("SELECT household_key FROM holdout")}
    memory.close()
    assert remembered == held_out
    # Two of a hundred of some 270 households: 5 are expected, 27 would be left from before.
    assert len(held_out) < 15


def test_a_turn_that_failed_before_anything_was_decided_begins_anew_once_it_is_mended(
    shop: Path, turned: Path, tmp_path: Path
) -> None:
    folder = copied(shop, tmp_path / "mended")
    rewrite(folder / "program.toml", ">= 30", ">= 3000")
    assert rapport("turn", folder).code == 5
    rewrite(folder / "program.toml", ">= 3000", ">= 30")
    done("turn", folder)
    assert differences(remains(folder), remains(turned)) == []


def test_a_restart_without_a_day_stays_with_the_day_of_the_turn_it_discards(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "earlier")
    # 1 December 2025 is a Monday, four weeks before the day after the last data.
    done("turn", folder, "--as-of", "2025-12-01", "--dry-run")
    done("turn", folder, "--restart", "--dry-run")
    assert [p.name for p in (folder / "state" / "turns").iterdir()] == ["2025-W49"]
