"""Systems of people become one table of originals; records that cannot be used are put aside and counted."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from shop import lines_source, program_of

from rapport.core.errors import ProgramInvalid, SourceColumns, SourceEmpty
from rapport.core.people import PEOPLE, record_key
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.model import Program
from rapport.workflows.load_people import load_people
from rapport.workflows.ports import Silent

SHOP = {
    "name": "shop",
    "path": "shop.csv",
    "columns": {
        "record_id": "no",
        "given_name": "first",
        "surname": "last",
        "email": ["mail", "mail2"],
        "phone": "tel",
        "birth_date": "born",
        "updated_at": "changed",
    },
    "traits": ["Plan"],
}
LINES = (
    "no,first,last,mail,mail2,tel,born,changed,Plan\n"
    "1, Ann ,Lee,A@x.com,b@x.com,01/234 567,1980-02-01,2024-05-01 12:00,gold\n"
    "2,Bob,,b@x.com,b@x.com,none,,,\n"
    ",Cy,Roy,,,,,,\n"
    "1,Ann,Again,,,,,,\n"
)


def program_with(*people: dict[str, Any]) -> Program:
    data = program_of(lines_source()).model_dump(mode="json")
    return Program.model_validate(data | {"people": list(people)})


def loaded(base: Path, *people: dict[str, Any], threads: int = 1) -> tuple[dict[str, Any], Path]:
    folder = base / f"out-{threads}"
    folder.mkdir()
    with DuckDBEngine(threads=threads) as engine:
        return load_people(program_with(*people), base, engine, folder, Silent()), folder


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def test_records_are_kept_as_they_are_but_trimmed(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(LINES)
    _, folder = loaded(tmp_path, SHOP)
    first, second = rows(folder, "people")
    assert {k: v for k, v in first.items() if v not in (None, [])} == {
        "record_key": record_key("shop", "1"),
        "system": "shop",
        "record_id": "1",
        "kind": "person",
        "given_name": "Ann",
        "surname": "Lee",
        "email": ["A@x.com", "b@x.com"],
        "phone": ["01/234 567"],
        "birth_date": "1980-02-01",
        "updated_at": datetime(2024, 5, 1, 16, tzinfo=UTC),
        "plan": "gold",
    }
    assert (second["email"], second["phone"], second["surname"]) == (["b@x.com", "b@x.com"], ["none"], None)
    assert pq.read_schema(folder / "people.parquet").names == [*PEOPLE.names, "plan"]


def test_records_without_an_id_or_with_one_again_are_put_aside_and_counted(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(LINES)
    summary, folder = loaded(tmp_path, SHOP)
    assert rows(folder, "quarantine") == [
        {"source": "shop", "row": 3, "column": "no", "value": None, "reason": "MISSING_KEY"},
        {"source": "shop", "row": 4, "column": "no", "value": "1", "reason": "REPEATED_KEY"},
    ]
    assert summary == {
        "systems": [
            {"system": "shop", "rows": 4, "kept": 2, "quarantined": {"MISSING_KEY": 1, "REPEATED_KEY": 1}},
        ]
    }


def test_the_audit_of_a_load_counts_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(LINES)
    _, folder = loaded(tmp_path, SHOP)
    audit = {(r["column"], r["source_column"]): r for r in rows(folder, "audit")}
    phone = audit["phone", "tel"]
    assert (phone["rows"], phone["fill"], phone["validity"], phone["usable"]) == (4, 0.5, 1.0, 0.5)
    assert audit["email", "mail"]["distinct"] == 2
    assert audit["email", "mail2"]["fill"] == 0.5
    assert str(phone["freshest"]) == "2024-05-01"


def test_several_systems_stand_one_after_the_other_whatever_the_threads(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(LINES)
    with sqlite3.connect(tmp_path / "crm.db") as crm:
        crm.execute("CREATE TABLE firms (id INTEGER PRIMARY KEY, name TEXT, size INTEGER)")
        crm.executemany("INSERT INTO firms VALUES (?, ?, ?)", [(n, f"Firm {n}", n * 10) for n in (3, 1, 2)])
    crm.close()
    firms = {
        "name": "crm",
        "database": "sqlite:///crm.db",
        "table": "firms",
        "kind": "organisation",
        "columns": {"record_id": "id", "organisation": "name"},
        "traits": ["size"],
    }
    _, one = loaded(tmp_path, SHOP, firms)
    _, two = loaded(tmp_path, SHOP, firms, threads=2)
    for name in ("people", "quarantine", "audit"):
        assert (one / f"{name}.parquet").read_bytes() == (two / f"{name}.parquet").read_bytes()
    assert [(r["system"], r["record_id"], r["kind"], r["size"]) for r in rows(one, "people")] == [
        ("shop", "1", "person", None),
        ("shop", "2", "person", None),
        ("crm", "1", "organisation", "10"),
        ("crm", "2", "organisation", "20"),
        ("crm", "3", "organisation", "30"),
    ]


def test_where_no_system_has_a_record_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(LINES.splitlines()[0] + "\n")
    with pytest.raises(SourceEmpty, match="none of the systems shop has a record"):
        loaded(tmp_path, SHOP)


def test_a_column_that_is_not_there_and_a_trait_whose_name_is_taken_are_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("no,City\n1,Rome\n")
    one = {"name": "shop", "path": "shop.csv", "columns": {"record_id": "No"}}
    with pytest.raises(SourceColumns, match=r"people\.shop\.columns\.record_id names 'No'.*Did you mean no\?"):
        loaded(tmp_path, one)
    with pytest.raises(ProgramInvalid, match="names 'city', which is a column of records"):
        loaded(tmp_path, {**one, "columns": {"record_id": "no"}, "traits": ["City"]}, threads=2)
