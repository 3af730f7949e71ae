"""Write many rows at once, each once, into either store.

Why it exists: a million rows through a statement each take minutes. Written rows are found again by their primary
key, so that doing it again changes nothing. Names come from the declared tables; values are bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Select, Table, literal, select

SMALL = 2_000
"""Rows below which PostgreSQL is asked row by row; above, they are copied to a table of the moment first."""

Row = Sequence[Any]

_DIFFERS = "IS DISTINCT FROM"


def write_rows(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Row],
    update: Sequence[str] = (),
    newer: str | None = None,
    guard: str | None = None,
) -> int:
    """Insert rows that are not there; return how many were inserted or changed.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    table : Table
        Where to.
    columns : sequence of str
        Columns in the order of the rows.
    rows : iterable of tuples
        Values as the store keeps them. Where two have one primary key, the later counts; without `update`, the
        first. What is not a list is passed on as it comes.
    update : sequence of str
        Columns to change where the row is there and differs; none: it is left as it is.
    newer : str, optional
        A column that must not be less than what is there for a row to be changed.
    guard : str, optional
        A further condition, in SQL without values, for a row to be changed.
    """
    if isinstance(rows, Sized) and not len(rows):
        return 0
    keys = [c.name for c in table.primary_key.columns]
    late = f"excluded.{newer} >= {table.name}.{newer}" if newer else None
    conflict = _Conflict(keys, update, newer, [c for c in (late, guard) if c])
    if connection.dialect.name == "sqlite":
        raw: Any = connection.connection.dbapi_connection
        before = raw.total_changes
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"
        raw.executemany(sql + conflict.clause(table.name, "IS NOT"), rows)
        return int(raw.total_changes - before)
    return _write_to_server(connection, table, columns, rows, conflict)


@dataclass(frozen=True)
class _Conflict:
    """What is done with a row that is there."""

    keys: Sequence[str]
    update: Sequence[str]
    newer: str | None
    guards: Sequence[str]

    def clause(self, name: str, differs: str) -> str:
        if not self.update:
            return " ON CONFLICT DO NOTHING"
        changes = ", ".join(f"{c} = excluded.{c}" for c in self.update)
        changed = " OR ".join(f"{name}.{c} {differs} excluded.{c}" for c in self.update)
        where = " AND ".join([f"({changed})", *self.guards])
        return f" ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {changes} WHERE {where}"


def _write_to_server(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row], conflict: _Conflict
) -> int:
    names, name = ", ".join(columns), table.name
    with driver_cursor(connection) as cursor:
        if isinstance(rows, Sized) and len(rows) < SMALL:
            marks = ", ".join(["%s"] * len(columns))
            sql = f"INSERT INTO {name} ({names}) VALUES ({marks}){conflict.clause(name, _DIFFERS)}"
            cursor.executemany(sql, rows)
            return int(cursor.rowcount)
        cursor.execute(
            f"CREATE TEMP TABLE staged ON COMMIT DROP AS SELECT {names}, 0::bigint AS n FROM {name} LIMIT 0"
        )
        with cursor.copy(f"COPY staged ({names}, n) FROM STDIN") as copy:
            for n, row in enumerate(rows):
                copy.write_row((*row, n))
        of = ", ".join(conflict.keys)
        latest = f"{conflict.newer} DESC, " if conflict.newer else ""
        # What changes rows may meet each of them once in a statement; of equals the last counts.
        one_of_each = f"SELECT DISTINCT ON ({of}) {names} FROM staged ORDER BY {of}, {latest}n DESC"
        chosen = one_of_each if conflict.update else f"SELECT {names} FROM staged ORDER BY n"
        cursor.execute(f"INSERT INTO {name} ({names}) {chosen}{conflict.clause(name, _DIFFERS)}")
        count = int(cursor.rowcount)
        cursor.execute("DROP TABLE staged")
    return count


@contextmanager
def driver_cursor(connection: Connection) -> Iterator[Any]:
    """Yield the driver's own cursor, within the transaction."""
    cursor: Any = connection.connection.cursor()
    try:
        yield cursor
    finally:
        cursor.close()


def update_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Set columns of rows by primary key; a row is (values of the columns, key)."""
    if not rows:
        return
    key = table.primary_key.columns[0].name
    if connection.dialect.name == "sqlite":
        sets = ", ".join(f"{c} = ?" for c in columns)
        raw: Any = connection.connection.dbapi_connection
        raw.executemany(f"UPDATE {table.name} SET {sets} WHERE {key} = ?", rows)
        return
    names, name = ", ".join((*columns, key)), table.name
    with driver_cursor(connection) as cursor:
        if len(rows) < SMALL:
            sets = ", ".join(f"{c} = %s" for c in columns)
            cursor.executemany(f"UPDATE {name} SET {sets} WHERE {key} = %s", rows)
            return
        cursor.execute(f"CREATE TEMP TABLE staged ON COMMIT DROP AS SELECT {names} FROM {name} LIMIT 0")
        with cursor.copy(f"COPY staged ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        sets = ", ".join(f"{c} = staged.{c}" for c in columns)
        cursor.execute(f"UPDATE {name} SET {sets} FROM staged WHERE {name}.{key} = staged.{key}")
        cursor.execute("DROP TABLE staged")


def in_pieces(values: Iterable[Any], size: int = 500) -> Iterator[list[Any]]:
    """Yield values in lists that a store takes in one question."""
    rest = iter(values)
    while piece := list(islice(rest, size)):
        yield piece


@contextmanager
def indexes_later(connection: Connection, table: Table) -> Iterator[None]:
    """Make the indexes of a table after the block where it is empty before: sorted once, not kept sorted."""
    if connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None:
        yield
        return
    for index in table.indexes:
        index.drop(connection)
    yield
    for index in table.indexes:
        index.create(connection)


def read_all(connection: Connection, query: Select[Any]) -> list[Any]:
    """Return all rows of a question without values as plain tuples, as the driver gives them: for millions."""
    with driver_cursor(connection) as cursor:
        cursor.execute(str(query.compile(dialect=connection.dialect)))
        rows: list[Any] = cursor.fetchall()
    return rows


def rows_of(table: pa.Table) -> Iterator[Any]:
    """Yield the rows of an Arrow table as tuples, a piece at a time."""
    for batch in table.to_batches(65_536):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
