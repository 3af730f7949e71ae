"""How records of people are read from a system: SQL that trims each value and counts what each column holds.

Why it exists: the original of a record is kept, so nothing is changed here beyond trimming; what a value means is the
business of the standardiser. Only SQL text is made; no file is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from rapport.core.errors import ProgramInvalid, SourceColumns, nearest
from rapport.core.people import PEOPLE, PERSON_COLUMNS
from rapport.identify.audit import UNMAPPED, grade
from rapport.identify.load_sql import ROW
from rapport.identify.value_sql import Cell, bounded_sql, family_of, held_sql, quoted, value_sql
from rapport.program.identify import People

_KINDS = {"id": "id", "time": "time"}
_VALID = {
    "email": "regexp_matches({v}, '^[^@\\s]+@[^@\\s]+[.][^@\\s]+$')",
    "phone": "length(regexp_replace({v}, '[^0-9]', '', 'g')) BETWEEN 6 AND 17",
    "day": "regexp_matches({v}, '[0-9]{{4}}') AND length(regexp_replace({v}, '[^0-9]', '', 'g')) >= 6",
    "name": "regexp_matches({v}, '[^0-9\\s[:punct:]]')",
}
"""When a value may be of its kind, as far as that is told without reading it; other kinds: wherever it is filled."""


@dataclass(frozen=True)
class PeopleReading:
    """How one system is read: a view of the engine, its cells, the names of its traits, what to bind."""

    system: str
    kind: str
    view: str
    cells: tuple[Cell, ...]
    kinds: tuple[str, ...]
    traits: tuple[str, ...]
    params: dict[str, str]

    def of(self, column: str) -> tuple[Cell, ...]:
        """Return the cells that fill a column, in the order of the mapping."""
        return tuple(c for c in self.cells if c.column == column)


def plan_people(source: People, view: str, schema: pa.Schema, home: str, traits: Sequence[str]) -> PeopleReading:
    """Return how a system of people is read.

    Parameters
    ----------
    source : People
    view : str
        Name under which the engine knows the system, its rows counted in ``__row``.
    schema : pyarrow.Schema
        Columns of the view.
    home : str
        Time zone of the programme.
    traits : sequence of str
        Names of the source's traits, in its order.

    Raises
    ------
    SourceColumns
        Columns of the mapping are not there; one line for each.
    """
    _refuse_absent(source, schema.names)
    cells: list[Cell] = []
    kinds: list[str] = []
    for declared in PERSON_COLUMNS:
        named = source.columns.get(declared.name, ())
        for name in (named,) if isinstance(named, str) else named:
            family = family_of(schema.field(name).type)
            kind = _KINDS.get(declared.kind, "text")
            required = declared.name == "record_id"
            cells.append(Cell(len(cells), declared.name, name, kind, required, declared.unlocks, family))
            kinds.append(declared.kind)
    for name, trait in zip(source.traits, traits, strict=True):
        family = family_of(schema.field(name).type)
        cells.append(Cell(len(cells), trait, name, "text", False, f"profiles and segments by {trait}", family))
        kinds.append("text")
    zone = source.timezone or home
    params = {"zone": zone, "home": home}
    return PeopleReading(source.name, source.kind, view, tuple(cells), tuple(kinds), tuple(traits), params)


def _refuse_absent(source: People, there: Sequence[str]) -> None:
    wanted = [(f"columns.{n}", c) for n, v in source.columns.items() for c in ((v,) if isinstance(v, str) else v)]
    lines = []
    for where, column in [*wanted, *(("traits", t) for t in source.traits)]:
        if column not in there:
            alike = [t for t in there if t.casefold() == column.casefold()]
            close = f" Did you mean {alike[0]}?" if alike else nearest(column, there)
            shown = ", ".join([n for n in there if n != ROW][:60])
            lines.append(
                f"program.toml: people.{source.name}.{where} names {column!r} - not in {source.shown}; it has: "
                f"{shown}.{close} Mend the mapping."
            )
    if lines:
        raise SourceColumns("\n".join(lines))


def trait_names(columns: Sequence[str], snake: Sequence[str], system: str) -> tuple[str, ...]:
    """Return the names of traits of people, which may be none of the columns of PEOPLE.

    Raises
    ------
    ProgramInvalid
        A name is taken.
    """
    for column, name in zip(columns, snake, strict=True):
        if name in PEOPLE.names or not name:
            raise ProgramInvalid(
                f"program.toml: people.{system}.traits names {column!r} - it would be called {name!r}, which is a "
                "column of Rapport's own; names must differ. Map it under columns, or rename it in the source."
            )
    return tuple(snake)


def people_sql(reading: PeopleReading) -> str:
    """Return SQL for the records of a system in its order: ``__row``, and for every cell n its value v0, v1, ...

    Parameters to bind: ``$zone``, ``$home``. Values are trimmed text, NULL where empty; of a time the instant.
    """
    return f"{_read(reading)}\nSELECT {ROW}, {', '.join(c.value for c in reading.cells)} FROM bounded"


def _read(reading: PeopleReading) -> str:
    cells = reading.cells
    held = ", ".join(f"{held_sql(c)} AS {c.held}" for c in cells)
    read = ", ".join(f"{c.held}, {_value(c)} AS {c.value}" for c in cells)
    bounded = ", ".join(f"{c.held}, {bounded_sql(c)} AS {c.value}" for c in cells)
    zones = "$zone IS NOT NULL AND $home IS NOT NULL"
    return (
        f"WITH held AS (SELECT {ROW}, {held} FROM {quoted(reading.view)} WHERE {zones}),\n"
        f"read AS (SELECT {ROW}, {read} FROM held),\n"
        f"bounded AS (SELECT {ROW}, {bounded} FROM read)"
    )


def _value(cell: Cell) -> str:
    if cell.kind == "time":
        return value_sql(cell)
    return f"CAST({value_sql(cell)} AS VARCHAR)"


def people_counts_sql(reading: PeopleReading, table: str) -> str:
    """Return SQL that counts, over `people_sql`'s rows kept in a table, rows and for every cell n f, r and d.

    Columns: rows BIGINT; f0 filled, r0 such as its kind is, d0 different, f1, ...; newest DATE of the last changes,
    or NULL. Nothing to bind.
    """
    parts = ["count(*) AS rows"]
    for cell, kind in zip(reading.cells, reading.kinds, strict=True):
        n, v = cell.position, cell.value
        valid = _VALID.get(kind)
        read = f"count(*) FILTER (WHERE {valid.format(v=v)})" if valid else f"count({v})"
        parts.append(f"count({v}) AS f{n}, {read} AS r{n}, count(DISTINCT {v}) AS d{n}")
    at = reading.of("updated_at")
    parts.append(f"CAST(max({at[0].value}) AS DATE) AS newest" if at else "CAST(NULL AS DATE) AS newest")
    return f"SELECT {', '.join(parts)} FROM {quoted(table)}"


def people_audit(reading: PeopleReading, counts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the audit rows of a system: its columns and traits, then columns that it does not fill."""
    rows = int(counts["rows"])
    audited = []
    for cell in reading.cells:
        filled, read = int(counts[f"f{cell.position}"]), int(counts[f"r{cell.position}"])
        audited.append(
            {
                "source": reading.system,
                "column": cell.column,
                "source_column": cell.file_column,
                "rows": rows,
                "fill": filled / rows if rows else 0.0,
                "validity": read / filled if filled else 0.0,
                "distinct": int(counts[f"d{cell.position}"]),
                "freshest": counts["newest"],
                "usable": read / rows if rows else 0.0,
                "grade": grade(read, rows),
                "unlocks": cell.unlocks,
            }
        )
    absent = {"source_column": None, "rows": 0, "fill": 0.0, "validity": 0.0, "distinct": 0, "freshest": None}
    audited += [
        {"source": reading.system, "column": c.name, **absent, "usable": 0.0, "grade": UNMAPPED, "unlocks": c.unlocks}
        for c in PERSON_COLUMNS
        if not reading.of(c.name)
    ]
    return audited
