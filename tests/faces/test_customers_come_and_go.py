"""Between turns customers come and go, files are lost and turns are run out of order: nobody is told twice for it."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from failures import Failure, fails, nothing

from rapport.core.errors import StateDamaged, TurnConflict
from shop_runs import TURN, copied, done, half_sent, keep_rows, listing, rewrite

EARLIER = "2025-12-22"


def buys(folder: Path, who: str, *days: str) -> None:
    """Add a line for a customer on each of some days."""
    with (folder / "sources" / "transactions.csv").open("a", encoding="utf-8", newline="") as stream:
        rows = [(who, f"X{who}{n}", "P001", f"{day} 10:00:00", "5.00", "0.00", 1) for n, day in enumerate(days)]
        csv.writer(stream, lineterminator="\n").writerows(rows)


def rows(folder: Path, turn: str, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / "state" / "turns" / turn / f"{table}.parquet").to_pylist()
    return found


def test_the_read_out_is_of_the_customers_that_were_decided(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    decided = {d["customer_id"] for d in rows(folder, TURN, "decisions")}
    # One is erased from every file, one is new, and only the new one buys anything after the turn.
    keep_rows(folder / "sources" / "customers.csv", lambda row: row["customer"] != "K0001")
    keep_rows(folder / "sources" / "transactions.csv", lambda row: row["customer"] != "K0001")
    buys(folder, "K0000", "2025-12-30", "2026-01-02", "2026-02-10")
    done("readout", folder)
    found = rows(folder, TURN, "readout")
    arms = [r for r in found if r["measure"] == "sales_per_customer" and r["group"] in ("treated", "holdout")]
    assert [r["value"] for r in arms] == [0.0] * 6
    assert sum(r["customers"] for r in arms) == len(decided) - 1
    share = next(r for r in found if r["measure"] == "holdout_share")
    assert "1 customers are no longer in the data" in share["note"]


def test_who_comes_after_the_day_moves_nobody(shop: Path, tmp_path: Path) -> None:
    without, with_them = (copied(shop, tmp_path / name) for name in ("without", "with"))
    for n in range(40):
        buys(with_them, f"N{n:03d}", "2025-12-02", "2025-12-09", "2025-12-20")
    for folder in (without, with_them):
        done("turn", folder, "--as-of", "2025-12-01", "--dry-run")
    turn = Path("state") / "turns" / "2025-W49"
    for table in ("states", "scores", "decisions"):
        assert (without / turn / f"{table}.parquet").read_bytes() == (
            with_them / turn / f"{table}.parquet"
        ).read_bytes()
    done("turn", with_them, "--as-of", "2025-12-01")
    touches = rows(with_them, "2025-W49", "touches")
    later = [t for t in touches if t["reason"] == "NOT_YET_KNOWN"]
    assert {t["customer_id"] for t in later} == {f"N{n:03d}" for n in range(40)}
    assert {t["status"] for t in later} == {"silent"}
    assert len(touches) == len(rows(with_them, "2025-W49", "decisions")) + 40


def test_a_turn_stopped_while_it_was_sent_is_finished_first_whatever_the_data_are(
    turned: Path, tmp_path: Path
) -> None:
    folder = copied(turned, tmp_path / "shop")
    turn = half_sent(folder)
    before = {p.name: p.read_bytes() for p in (turn / "outbox").rglob("*") if p.is_file()}
    buys(folder, "K0002", "2026-01-05")
    words = (TURN, "stopped while it was sent", "rapport send")
    fails(Failure("", TurnConflict, 6, nothing, words, ("turn", ".")), folder)
    done("send", folder, "--turn", TURN)
    assert {p.name: p.read_bytes() for p in (turn / "outbox").rglob("*") if p.is_file()} == before
    done("turn", folder)


def test_a_sent_turn_whose_files_are_gone_is_not_sent_again(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    shutil.rmtree(folder / "state" / "turns" / TURN)
    words = (TURN, "has been sent", "would send twice")
    fails(Failure("", TurnConflict, 6, nothing, words, ("turn", ".")), folder)
    assert not (folder / "state" / "turns" / TURN / "outbox").exists()


def test_a_lost_memory_is_noticed(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    (folder / "state" / "memory.db").unlink()
    words = ("memory.db", TURN, "Restore")
    fails(Failure("", StateDamaged, 6, nothing, words, ("turn", ".", "--as-of", "2026-01-05")), folder)


def test_turns_out_of_order_keep_the_contact_cap(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    rewrite(folder / "program.toml", "contacts = 4", "contacts = 1")
    done("turn", folder, "--as-of", EARLIER)
    sent: Counter[str] = Counter()
    for turn in (TURN, "2025-W52"):
        sent.update(t["customer_id"] for t in rows(folder, turn, "touches") if t["status"] == "sent")
    assert max(sent.values()) == 1


def test_a_lost_file_of_a_stage_is_made_again_with_the_same_bytes(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    turn = folder / "state" / "turns" / TURN
    for name in ("report.html", "readout.parquet", "decisions.parquet", "touches.parquet"):
        whole = (turn / name).read_bytes()
        (turn / name).unlink()
        done("turn", folder)
        assert (turn / name).read_bytes() == whole


def test_restarting_one_turn_leaves_those_held_out_whom_another_holds_out(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    held = {d["household_key"] for d in rows(folder, TURN, "decisions") if d["arm"] == "holdout"}
    done("turn", folder, "--as-of", "2026-01-05", "--dry-run")
    rewrite(folder / "program.toml", "holdout_share = 0.10", "holdout_share = 0.02")
    done("turn", folder, "--as-of", "2026-01-05", "--restart", "--dry-run")
    again = {d["household_key"] for d in rows(folder, "2026-W02", "decisions") if d["arm"] == "holdout"}
    assert held <= again


def test_no_report_of_a_replay_and_no_effect_before_a_day_has_passed(turned: Path) -> None:
    page = (turned / "state" / "turns" / TURN / "report.html").read_text(encoding="utf-8")
    assert "nothing was really sent" not in page
    found = [r for r in rows(turned, TURN, "readout") if r["measure"] == "sales_per_customer"]
    assert {r["value"] for r in found} == {None}


def test_a_lost_file_that_would_come_out_otherwise_is_not_made_again(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    turn = folder / "state" / "turns" / TURN
    (turn / "decisions.parquet").unlink()
    rewrite(folder / "program.toml", "portfolio_size = 5", "portfolio_size = 2")
    before = listing(turn)
    words = ("finished stage plan", "decisions.parquet", "Restore it from a copy")
    fails(Failure("", StateDamaged, 6, nothing, words, ("turn", ".")), folder)
    assert listing(turn) == before


def test_a_lost_file_is_not_replaced_by_what_the_memory_of_today_would_give(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    done("turn", folder, "--as-of", "2026-01-05")
    turn = folder / "state" / "turns" / TURN
    kept = (turn / "catalogue.parquet").read_bytes()
    (turn / "scores.parquet").unlink()
    # The second turn's contacts lie in the period around the first, so its scores would count them.
    words = ("finished stage score", "scores.parquet", "Restore it from a copy")
    fails(Failure("", StateDamaged, 6, nothing, words, ("turn", ".")), folder)
    assert (turn / "catalogue.parquet").read_bytes() == kept
    assert not (turn / "scores.parquet").exists()


def test_a_turn_that_tells_nobody_is_done_once(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "silent")
    rewrite(folder / "program.toml", "contacts = 4", "contacts = 0")
    done("turn", folder)
    assert {t["status"] for t in rows(folder, TURN, "touches")} == {"silent"}
    before = listing(folder / "state" / "turns")
    done("turn", folder)
    assert listing(folder / "state" / "turns") == before
