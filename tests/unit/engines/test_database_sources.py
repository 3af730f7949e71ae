"""Tables of SQLite as sources: read whole and exactly, only read, with errors that name what is wrong."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rapport.core.errors import SourceColumns, SourceMissing, SourceUnreadable
from rapport.engines.database_source import copy_rows, digest_rows, read_sample
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.source import Source


def source_of(database: str = "sqlite:///shop.db", **changes: Any) -> Source:
    origin: dict[str, Any] = {"table": "goods"} | changes
    return Source.model_validate(
        {"kind": "products", "database": database, "columns": {"product_id": "id"}, **origin}
    )


@pytest.fixture
def base(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT, price NUMERIC, made DATE, picture BLOB)")
        shop.executemany(
            "INSERT INTO goods VALUES (?, ?, ?, ?, NULL)",
            [(2, "tea", 1.5, "2024-01-02"), (1, "jam: 50 % off", None, None)],
        )
    shop.close()
    return tmp_path


def rows_of(base: Path, source: Source) -> list[dict[str, Any]]:
    with DuckDBEngine() as engine:
        engine.register_source("s", base, source)
        return engine.query("SELECT * FROM s").to_pylist()


def test_a_table_is_read_in_the_order_of_its_key(base: Path) -> None:
    rows = rows_of(base, source_of())
    assert [(r["__row"], r["id"], r["name"]) for r in rows] == [(1, "1", "jam: 50 % off"), (2, "2", "tea")]
    assert (rows[0]["made"], rows[1]["made"]) == (None, "2024-01-02")


def test_a_query_stands_in_for_a_table(base: Path) -> None:
    query = "SELECT id, name AS \"n%\" FROM goods WHERE name LIKE '%:%'"
    assert rows_of(base, source_of(table=None, query=query)) == [{"__row": 1, "id": "1", "n%": "jam: 50 % off"}]


@pytest.mark.parametrize("query", ["DELETE FROM goods", "SELECT 1; DROP TABLE goods", "DROP TABLE goods", "SELEKT"])
def test_a_query_that_does_more_than_read_is_refused(base: Path, query: str) -> None:
    with pytest.raises(SourceUnreadable, match="query is not"):
        rows_of(base, source_of(table=None, query=query))
    assert len(rows_of(base, source_of())) == 2


def test_bytes_are_refused_by_the_name_of_their_column(base: Path) -> None:
    with sqlite3.connect(base / "shop.db") as shop:
        shop.execute("UPDATE goods SET picture = x'00ff' WHERE id = 2")
    shop.close()
    with pytest.raises(SourceColumns, match="column 'picture' holds bytes"):
        rows_of(base, source_of())


def test_a_table_that_is_not_there_names_the_nearest(base: Path) -> None:
    with pytest.raises(SourceMissing, match=r"no table 'good'; it has: goods\. Did you mean goods\?"):
        rows_of(base, source_of(table="good"))


def test_a_file_that_is_not_there_is_not_made(base: Path) -> None:
    with pytest.raises(SourceMissing, match="no such file"):
        rows_of(base, source_of("sqlite:///gone.db"))
    assert not (base / "gone.db").exists()


def test_names_of_the_environment_are_filled_in(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_TEST_DB", "shop")
    assert len(rows_of(base, source_of("sqlite:///${RAPPORT_TEST_DB}.db"))) == 2
    with pytest.raises(SourceUnreadable, match="environment has no RAPPORT_TEST_GONE"):
        rows_of(base, source_of("sqlite:///${RAPPORT_TEST_GONE}.db"))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("no address", "is no address"),
        ("oracle://u:secret@h/db", "kind 'oracle'; may be sqlite, postgresql or mysql"),
        ("postgresql://u:secret@127.0.0.1:1/db", "does not answer"),
        ("mysql://u:secret@127.0.0.1:1/db", "does not answer"),
        ("postgresql+psycopg9://u:secret@h/db", "driver"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(base: Path, address: str, said: str) -> None:
    with pytest.raises(SourceUnreadable, match=said) as raised:
        rows_of(base, source_of(address))
    assert "secret" not in str(raised.value)


def test_the_digest_is_of_the_rows_whatever_their_order(base: Path) -> None:
    up, down = (source_of(table=None, query=f"SELECT * FROM goods ORDER BY id {way}") for way in ("ASC", "DESC"))
    first = digest_rows(up, base)
    assert first == digest_rows(down, base)
    with sqlite3.connect(base / "shop.db") as shop:
        shop.execute("UPDATE goods SET price = 2 WHERE id = 1")
    shop.close()
    assert digest_rows(up, base) != first


def test_a_table_without_rows_has_its_columns(base: Path) -> None:
    source = source_of(table=None, query="SELECT id, name FROM goods WHERE false")
    assert read_sample(source, base, 10) == {"id": [], "name": []}
    assert copy_rows(source, base, base / "x.parquet").is_file()
