"""Tables of a PostgreSQL server as sources: types to exact text, only read, errors without a password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postgres_server import Server
from rapport.core.errors import SourceColumns, SourceMissing, SourceUnreadable
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.source import Source


@pytest.fixture
def goods(postgres: Server) -> str:
    address = postgres.new_database()
    database = address.rsplit("/", 1)[1]
    postgres.run(
        "CREATE TABLE goods (id bigint PRIMARY KEY, price numeric(30, 12), made timestamptz, day date, sold boolean, "
        "name text)",
        database,
    )
    postgres.run(
        "INSERT INTO goods SELECT n, n / 7.0, '2024-01-01 10:00+02', '2024-01-02', n > 1, 'Größe 50 %' "
        "FROM generate_series(25000, 1, -1) n",
        database,
    )
    postgres.run("GRANT SELECT, DELETE ON goods TO rapport", database)
    return address


def rows_of(database: str, **changes: Any) -> list[dict[str, Any]]:
    origin = {"table": "goods"} | changes
    columns = {"product_id": "id"}
    source = Source.model_validate({"kind": "products", "database": database, "columns": columns, **origin})
    with DuckDBEngine() as engine:
        engine.register_source("s", Path(), source)
        return engine.query("SELECT * FROM s").to_pylist()


def test_types_become_exact_text_in_the_order_of_the_key(goods: str) -> None:
    rows = rows_of(goods)
    assert [r["id"] for r in rows] == [str(n) for n in range(1, 25_001)]
    assert rows[0] == {
        "__row": 1,
        "id": "1",
        "price": "0.142857142857",
        "made": "2024-01-01T08:00:00+00:00",
        "day": "2024-01-02",
        "sold": "false",
        "name": "Größe 50 %",
    }


def test_a_query_may_hold_per_cent_signs_and_casts(goods: str) -> None:
    query = "SELECT id::text AS id FROM goods WHERE name LIKE '%50 %' AND id % 10000 = 5"
    assert sorted(r["id"] for r in rows_of(goods, table=None, query=query)) == ["10005", "20005", "5"]


def test_nothing_can_be_written_even_where_the_user_may(goods: str) -> None:
    for query in ("DELETE FROM goods", "WITH d AS (DELETE FROM goods RETURNING id) SELECT id FROM d"):
        with pytest.raises(SourceUnreadable):
            rows_of(goods, table=None, query=query)
    assert len(rows_of(goods)) == 25_000


def test_faults_are_told_without_the_password(goods: str) -> None:
    wrong = goods.replace("pass", "other", 1) if goods.count("pass") == 1 else goods.replace(":pass", ":other")
    with pytest.raises(SourceUnreadable, match="password authentication failed") as raised:
        rows_of(wrong)
    assert "word%401" not in str(raised.value)
    assert "word@1" not in str(raised.value)
    with pytest.raises(SourceMissing, match=r"no table 'good'; it has: goods\. Did you mean goods"):
        rows_of(goods, table="good")
    with pytest.raises(SourceUnreadable, match='column "nosuch" does not exist'):
        rows_of(goods, table=None, query="SELECT nosuch FROM goods")
    with pytest.raises(SourceColumns, match="column 'b' holds bytes"):
        rows_of(goods, table=None, query="SELECT 1 AS id, '\\x00ff'::bytea AS b")
