"""How a system's columns become records of people: SQL that trims each value, or says why a row cannot be used.

Why it exists: the original is kept as the system holds it, so nothing is changed here beyond trimming; what a value
means is said by standardising. A row without an id, or with the id of an earlier row, is set aside with its reason.
Only SQL text is made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from rapport.core.errors import ProgramInvalid, SourceColumns, nearest
from rapport.core.people import PEOPLE, PERSON_COLUMNS
from rapport.core.reasons import RowReason
from rapport.identify.value_sql import Cell, bounded_sql, family_of, held_sql, quoted, unusable_sql, value_sql
from rapport.program.identify import People

ROW = "__row"
_SEVERAL = frozenset(c.name for c in PERSON_COLUMNS if c.several)
_KINDS = {"record_id": "id", "updated_at": "time"}
"""Kinds of values that are read; all others are text as it stands."""


@dataclass(frozen=True)
class PeopleReading:
    """How the records of one system are read: a view of the engine, its cells, traits by name, what to bind."""

    system: str
    kind: str
    view: str
    cells: tuple[Cell, ...]
    traits: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)

    def of(self, column: str) -> tuple[Cell, ...]:
        """Return the cells that fill one of Rapport's columns."""
        return tuple(c for c in self.cells if c.column == column)


def plan_people(people: People, view: str, schema: pa.Schema, traits: Mapping[str, str], home: str) -> PeopleReading:
    """Return how a system is to be read.

    Parameters
    ----------
    people : People
        The mapping.
    view : str
        Name under which the engine knows the records, with their rows counted in ``__row``.
    schema : pyarrow.Schema
        Columns of the view.
    traits : mapping of str to str
        Name of each trait by the system's column.
    home : str
        Time zone of the programme.

    Raises
    ------
    SourceColumns
        Columns of the mapping are not there; one line for each.
    """
    there = [n for n in schema.names if n != ROW]
    _refuse_absent(people, there)
    declared = {c.name: c.unlocks for c in PERSON_COLUMNS}
    cells: list[Cell] = []
    for name, column in _mapped(people):
        kind = _KINDS.get(name, "text")
        family = family_of(schema.field(column).type)
        cells.append(Cell(len(cells), name, column, kind, name == "record_id", declared[name], family))
    for column in people.traits:
        family = family_of(schema.field(column).type)
        told = f"profiles and rules by {traits[column]}"
        cells.append(Cell(len(cells), traits[column], column, "text", False, told, family))
    zone = people.timezone or home
    names = tuple(traits[c] for c in people.traits)
    return PeopleReading(people.name, people.kind, view, tuple(cells), names, {"zone": zone, "home": home})


def people_traits(people: tuple[People, ...], named: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the traits of all systems, each once, in the order of the programme.

    Parameters
    ----------
    people : tuple of People
    named : mapping of str to str
        Name of each trait by the systems' columns.

    Raises
    ------
    ProgramInvalid
        A trait would have the name of a column of records.
    """
    found = dict.fromkeys(named[c] for p in people for c in p.traits)
    for name in found:
        if name in PEOPLE.names:
            raise ProgramInvalid(
                f"program.toml: people.traits names {name!r}, which is a column of records of its own; map it under "
                "columns instead. Take it out of traits."
            )
    return tuple(found)


def _mapped(people: People) -> Iterator[tuple[str, str]]:
    for name, columns in people.columns.items():
        for column in (columns,) if isinstance(columns, str) else columns:
            yield name, column


def _refuse_absent(people: People, there: list[str]) -> None:
    lines = []
    wanted = [(f"columns.{n}", c) for n, c in _mapped(people)]
    for where, column in [*wanted, *(("traits", t) for t in people.traits)]:
        if column not in there:
            alike = [t for t in there if t.casefold() == column.casefold()]
            close = f" Did you mean {alike[0]}?" if alike else nearest(column, there)
            lines.append(
                f"program.toml: people.{people.name}.{where} names {column!r} - not in the system; it has: "
                f"{', '.join(there)}.{close} Mend the mapping."
            )
    if lines:
        raise SourceColumns("\n".join(lines))


def _read_sql(reading: PeopleReading) -> str:
    """Return the CTEs up to `judged`: each row with its values, and `again` for a repeated id."""
    held = ", ".join(f"{held_sql(c)} AS {c.held}" for c in reading.cells)
    read = ", ".join(f"{c.held}, {value_sql(c)} AS {c.value}" for c in reading.cells)
    bounded = ", ".join(f"{c.held}, {bounded_sql(c)} AS {c.value}" for c in reading.cells)
    (key,) = reading.of("record_id")
    again = f"{key.value} IS NOT NULL AND row_number() OVER (PARTITION BY {key.value} ORDER BY {ROW}) > 1"
    return (
        f"WITH held AS (SELECT {ROW}, {held} FROM {quoted(reading.view)} WHERE $zone IS NOT NULL AND $home IS NOT "
        f"NULL),\nread AS (SELECT {ROW}, {read} FROM held),\nbounded AS (SELECT {ROW}, {bounded} FROM read),\n"
        f"judged AS (SELECT *, {again} AS again FROM bounded)"
    )


def records_sql(reading: PeopleReading, traits: tuple[str, ...]) -> str:
    """Return SQL for the records of a system that can be used, in the order of the system.

    Parameters to bind: ``$zone``, ``$home``. Columns: ``__row``, those of `PEOPLE` but record_key, then the traits of
    all systems, NULL where this one has none of the name.
    """
    (key,) = reading.of("record_id")
    columns = [ROW, "$system AS system", f"{key.value} AS record_id", "$kind AS kind"]
    said = [n for n in PEOPLE.names if n not in {"record_key", "system", "record_id", "kind"}]
    columns += [f"{_column_sql(reading, name)} AS {quoted(name)}" for name in said]
    for name in traits:
        cells = reading.of(name) if name in reading.traits else ()
        columns.append(f"{cells[0].value if cells else 'CAST(NULL AS VARCHAR)'} AS {quoted(name)}")
    return (
        f"{_read_sql(reading)}\nSELECT {', '.join(columns)} FROM judged WHERE {key.value} IS NOT NULL AND NOT again "
        f"ORDER BY {ROW}"
    )


def _column_sql(reading: PeopleReading, name: str) -> str:
    cells = reading.of(name)
    if name in _SEVERAL:
        told = ", ".join(c.value for c in cells) or "CAST(NULL AS VARCHAR)"
        return f"[x FOR x IN [{told}] IF x IS NOT NULL]"
    if name == "updated_at":
        return cells[0].value if cells else "CAST(NULL AS TIMESTAMPTZ)"
    return cells[0].value if cells else "CAST(NULL AS VARCHAR)"


def set_aside_sql(reading: PeopleReading) -> str:
    """Return SQL for the records that cannot be used, each with its reason, in the order of the system.

    Parameters to bind: ``$zone``, ``$home``, ``$system``. Columns: source, row, column (the system's), value, reason.
    """
    (key,) = reading.of("record_id")
    column = "'" + key.file_column.replace("'", "''") + "'"
    reason = (
        f"CASE WHEN again THEN '{RowReason.REPEATED_KEY.value}' WHEN {key.held} IS NULL THEN "
        f"'{RowReason.MISSING_KEY.value}' ELSE '{RowReason.NEGATIVE_ID.value}' END"
    )
    return (
        f'{_read_sql(reading)}\nSELECT $system AS source, {ROW} AS row, {column} AS "column", '
        f'CAST({key.held} AS VARCHAR) AS "value", {reason} AS reason FROM judged '
        f"WHERE again OR {key.value} IS NULL ORDER BY {ROW}"
    )


def counts_sql(reading: PeopleReading) -> str:
    """Return SQL that counts a system in one row, as `rapport.identify.load_sql.audit_sql` does.

    Parameters to bind: ``$zone``, ``$home``. Columns: rows; for every cell n f (filled), r (read), d (distinct
    values) and t, the newest local day of a record that has it, NULL where the system has no time of change.
    """
    at = reading.of("updated_at")
    parts = ["count(*) AS rows", unusable_sql(reading.cells)]
    for cell in reading.cells:
        n = cell.position
        newest = f"max({at[0].value}) FILTER (WHERE {cell.value} IS NOT NULL)" if at else None
        fresh = f"CAST(timezone($home, {newest}) AS DATE)" if newest else "CAST(NULL AS DATE)"
        parts.append(f"count({cell.held}) AS f{n}, count({cell.value}) AS r{n}, count(DISTINCT {cell.value}) AS d{n}")
        parts.append(f"{fresh} AS t{n}")
    return f"{_read_sql(reading)}\nSELECT {', '.join(parts)} FROM judged"
