"""Interactions are read like every other source: bad rows in quarantine, a cost that is not given stays unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shop import lines_source, load, write_lines

from rapport.core.keys import customer_key

COLUMNS = {"customer_id": "who", "at": "when", "kind": "what", "cost": "cost"}


def calls_source(**changes: Any) -> dict[str, Any]:
    return {"kind": "interactions", "path": "calls.csv", "columns": COLUMNS, **changes}


def write_calls(base: Path, *rows: str, header: str = "who,when,what,cost") -> None:
    write_lines(base, "1,1,1,2017-01-01,1")
    (base / "calls.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def test_a_cost_that_is_not_given_is_told_apart_from_one_of_nothing(tmp_path: Path) -> None:
    write_calls(tmp_path, "1,2017-03-01,service,", "1,2017-03-02 23:30:00,delivery,0", "2,2017-03-03,Complaint,2.5")
    loaded = load(tmp_path, lines_source(), calls_source())
    assert loaded.column("interactions", "cost_micros") == [None, 0, 2_500_000]
    assert loaded.column("interactions", "kind") == ["service", "delivery", "Complaint"]
    assert [str(d) for d in loaded.column("interactions", "day")] == ["2017-03-01", "2017-03-02", "2017-03-03"]
    # Who was only served is a customer too.
    assert sorted(loaded.column("customers", "customer_id")) == ["1", "2"]
    assert loaded.column("interactions", "customer_key")[2] == customer_key("2")


def test_several_columns_of_cost_are_added_up_and_unknown_only_where_all_are(tmp_path: Path) -> None:
    write_calls(tmp_path, "1,2017-03-01,service,1,", "1,2017-03-01,service,,", "1,2017-03-01,service,1,2",
                header="who,when,what,time,parts")  # fmt: skip
    loaded = load(tmp_path, lines_source(), calls_source(columns=COLUMNS | {"cost": ["time", "parts"]}))
    assert loaded.column("interactions", "cost_micros") == [1_000_000, None, 3_000_000]


def test_without_a_column_of_cost_all_costs_are_unknown(tmp_path: Path) -> None:
    write_calls(tmp_path, "1,2017-03-01,service", header="who,when,what")
    columns = {k: v for k, v in COLUMNS.items() if k != "cost"}
    loaded = load(tmp_path, lines_source(), calls_source(columns=columns))
    assert loaded.column("interactions", "cost_micros") == [None]
    assert loaded.audited("interactions", "cost")["grade"] == "-"


def test_rows_that_cannot_be_used_are_in_quarantine_with_the_reason(tmp_path: Path) -> None:
    write_calls(
        tmp_path,
        "1,2017-03-01,service,1",
        ",2017-03-01,service,1",
        "1,never,service,1",
        "1,2017-03-01,,1",
        "1,2017-03-01,service,much",
        "-4,2017-03-01,service,1",
        "1,2017-03-01,service,1",
    )
    loaded = load(tmp_path, lines_source(), calls_source(key=["customer_id", "at", "kind"]))
    assert [(r["row"], r["column"], r["reason"]) for r in loaded.rows("quarantine")] == [
        (2, "who", "MISSING_KEY"),
        (3, "when", "BAD_DATE"),
        (4, "what", "MISSING_KEY"),
        (5, "who + when + what", "REPEATED_KEY"),
        (6, "who", "NEGATIVE_ID"),
        (7, "who + when + what", "REPEATED_KEY"),
    ]
    # The amount in row 5 is optional: that it cannot be read lowers the grade of the column.
    assert loaded.audited("interactions", "cost")["validity"] == 6 / 7


def test_the_audit_says_what_interactions_would_unlock_where_there_are_none(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1")
    loaded = load(tmp_path, lines_source())
    assert loaded.rows("interactions") == []
    found = loaded.audited("interactions", "kind")
    assert (found["grade"], found["unlocks"]) == ("-", "what a customer costs, and why")
