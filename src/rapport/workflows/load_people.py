"""Loads the systems of people: every record of every system in one table, as the system holds it.

Why it exists: what is linked and remembered later rests on originals that nobody has changed. It writes to a folder
that the caller makes and renames when whole. How a value is standardised may not enter.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rapport.core.keys import customer_keys
from rapport.core.people import PEOPLE, PERSON_COLUMNS
from rapport.core.reasons import RowReason
from rapport.core.tables import LOADED
from rapport.identify.audit import audit_table
from rapport.identify.load_sql import ROW, name_traits
from rapport.identify.people_sql import (
    PeopleReading,
    people_audit,
    people_counts_sql,
    people_sql,
    plan_people,
    trait_names,
)
from rapport.program.identify import People
from rapport.program.model import Program
from rapport.workflows.load import Blame, SourceCount
from rapport.workflows.ports import Engine, Progress, Silent
from rapport.workflows.table_file import TableFile

_SEVERAL = frozenset(c.name for c in PERSON_COLUMNS if c.several)


@dataclass(frozen=True)
class PeopleSummary:
    """What a load of people did: of each system rows, kept and quarantined; records in all, and traits."""

    sources: tuple[SourceCount, ...]
    records: int
    traits: tuple[str, ...]


def load_people(
    program: Program, base: str | Path, engine: Engine, target: str | Path, progress: Progress | None = None
) -> PeopleSummary:
    """Read every system of people and write people.parquet, people_quarantine.parquet and people_audit.parquet.

    The same sources give the same bytes, whatever the engine's threads. Afterwards the engine knows the written
    tables by their names. Values are trimmed and otherwise as the system holds them.

    Parameters
    ----------
    program : Program
        The programme; without `people` the tables are empty.
    base : path
        Folder of program.toml.
    engine : Engine
        Where SQL runs.
    target : path
        An existing folder.
    progress : Progress, optional
        Told of every system.

    Returns
    -------
    PeopleSummary

    Raises
    ------
    SourceMissing, SourceUnreadable, SourceColumns
        A system is not there, does not answer, or lacks mapped columns.
    ProgramInvalid
        A trait's name is taken.
    """
    target, told = Path(target), progress or Silent()
    readings = [_open(program, p, Path(base), engine) for p in program.people]
    traits = tuple(dict.fromkeys(t for r in readings for t in r.traits))
    schema = pa.schema([*PEOPLE, *((t, pa.string()) for t in traits)])
    audit: list[dict[str, Any]] = []
    counts = []
    with (
        TableFile(target / "people.parquet", schema) as kept,
        TableFile(target / "people_quarantine.parquet", LOADED["quarantine"]) as aside,
    ):
        for source, reading in zip(program.people, readings, strict=True):
            work = _System(source, reading, engine, target / f"staged-{source.name}.parquet", told)
            try:
                counts.append(work.load(kept, aside, schema))
                audit += people_audit(reading, work.counts)
            finally:
                work.path.unlink(missing_ok=True)
    with TableFile(target / "people_audit.parquet", LOADED["audit"]) as file:
        file.add(audit_table(audit))
    for name in ("people", "people_quarantine", "people_audit"):
        engine.register_parquet(name, target / f"{name}.parquet")
    return PeopleSummary(tuple(counts), sum(c.kept for c in counts), traits)


def _open(program: Program, source: People, base: Path, engine: Engine) -> PeopleReading:
    view = f"people_{source.name}"
    engine.register_source(view, base, source)
    with Blame(source):
        schema = engine.query(f'SELECT * FROM "{view}" LIMIT 0').schema
    traits = trait_names(source.traits, name_traits(source.traits), source.name)
    return plan_people(source, view, schema, program.timezone, traits)


@dataclass
class _System:
    """One system under way: read once into a file of its own, then counted, put aside, written."""

    source: People
    reading: PeopleReading
    engine: Engine
    path: Path
    progress: Progress
    counts: dict[str, Any]

    def __init__(
        self, source: People, reading: PeopleReading, engine: Engine, path: Path, progress: Progress
    ) -> None:
        self.source, self.reading, self.engine, self.path, self.progress = source, reading, engine, path, progress
        self.counts = {}

    def load(self, kept: TableFile, aside: TableFile, schema: pa.Schema) -> SourceCount:
        """Write the records that can be used and put the others aside; return how many."""
        table = f"staged_people_{self.source.name}"
        self._stage(table)
        self.counts = self.engine.query(people_counts_sql(self.reading, table)).to_pylist()[0]
        bad = self._bad(table)
        aside.add(bad)
        reasons = Counter(bad["reason"].to_pylist())
        rows = int(self.counts["rows"])
        faulty = pa.array(bad["row"].to_pylist(), pa.int64())
        self.progress.start(f"load {self.source.name}", rows - len(faulty))
        for batch in self.engine.stream(f'SELECT * FROM "{table}"'):
            good = batch.filter(pa.array(~np.isin(batch[ROW].to_numpy(), faulty.to_numpy())))
            self.progress.advance(good.num_rows)
            kept.add(self._as_people(good, schema))
        self.progress.finish()
        found = {r.value: reasons[r.value] for r in RowReason if reasons[r.value]}
        return SourceCount(self.source.name, self.source.shown, rows, rows - len(faulty), found)

    def _stage(self, table: str) -> None:
        self.progress.start(f"check {self.source.name}", None)
        last = 0
        with Blame(self.source):
            reader = self.engine.stream(people_sql(self.reading), self.reading.params)
            with TableFile(self.path, reader.schema, "lz4") as file:
                for batch in reader:
                    rows = batch[ROW].to_numpy()
                    if len(rows) and (rows[0] <= last or not np.all(rows[1:] > rows[:-1])):
                        raise RuntimeError(f"the engine gave the rows of {self.source.name} out of order")
                    last = int(rows[-1]) if len(rows) else last
                    self.progress.advance(batch.num_rows)
                    file.add(pa.Table.from_batches([batch]))
        self.engine.register_parquet(table, self.path)
        self.progress.finish()

    def _bad(self, table: str) -> pa.Table:
        """Return the rows without an id, or with one that an earlier row has, in the order of the system."""
        cell = self.reading.of("record_id")[0]
        sql = (
            f'SELECT $system AS source, {ROW} AS row, $column AS "column", {cell.value} AS "value", '
            f"CASE WHEN {cell.value} IS NULL THEN '{RowReason.MISSING_KEY.value}' "
            f"ELSE '{RowReason.REPEATED_KEY.value}' END AS reason FROM ("
            f"SELECT {ROW}, {cell.value}, row_number() OVER (PARTITION BY {cell.value} ORDER BY {ROW}) AS n "
            f'FROM "{table}") WHERE {cell.value} IS NULL OR n > 1 ORDER BY row'
        )
        bound = {"system": self.source.name, "column": cell.file_column}
        return self.engine.query(sql, bound).cast(LOADED["quarantine"])

    def _as_people(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
        ids = batch[self.reading.of("record_id")[0].value].to_pylist()
        columns: dict[str, pa.Array] = {
            "record_key": pa.array(customer_keys(f"{self.source.name}\x1f{i}" for i in ids)),
            "system": pa.array([self.source.name] * len(ids), pa.string()),
            "kind": pa.array([self.source.kind] * len(ids), pa.string()),
        }
        for name in schema.names:
            cells = self.reading.of(name)
            if name in _SEVERAL:
                columns[name] = _lists([batch[c.value] for c in cells], len(ids), schema.field(name).type)
            elif cells:
                columns[name] = batch[cells[0].value]
        empty = {n: pa.nulls(len(ids), schema.field(n).type) for n in schema.names if n not in columns}
        return pa.table([(columns | empty)[n] for n in schema.names], names=schema.names)


def _lists(columns: list[pa.Array], rows: int, kind: pa.DataType) -> pa.Array:
    """Return the different values of several columns row by row, in their order; NULL where there is none."""
    values = zip(*(c.to_pylist() for c in columns), strict=True) if columns else [()] * rows
    return pa.array([list(dict.fromkeys(v for v in row if v is not None)) or None for row in values], kind)
