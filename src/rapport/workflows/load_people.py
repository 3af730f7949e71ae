"""Loads the records of every system of people into one table, as the systems hold them.

Why it exists: everything after this reads one declared table and never a company's file. It writes to a folder that
the caller makes and renames when whole. No value is changed beyond trimming.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rapport.core.errors import SourceEmpty
from rapport.core.keys import customer_keys
from rapport.core.people import PEOPLE
from rapport.core.reasons import RowReason
from rapport.core.tables import LOADED
from rapport.identify.audit import audit_cells, audit_table
from rapport.identify.load_sql import snake
from rapport.identify.people_sql import (
    ROW,
    PeopleReading,
    counts_sql,
    people_traits,
    plan_people,
    records_sql,
    set_aside_sql,
)
from rapport.identify.value_sql import refuse_unusable
from rapport.program.identify import People
from rapport.program.model import Program
from rapport.workflows.ports import Engine, EngineFault, FileDigest, Progress, Suppressed
from rapport.workflows.source_faults import unreadable
from rapport.workflows.table_file import TableFile


def people_fingerprint(program: Program, base: Path, digest: FileDigest, forgotten: Suppressed | None = None) -> str:
    """Return a hex digest (32 digits) of all that the records depend on: files, mapping, settings, who was forgotten.

    Raises
    ------
    SourceMissing
        A system's file or table is not there.
    """
    parts: list[Any] = [[p.model_dump(mode="json"), digest(base, p.path or p)] for p in program.people]
    parts += [program.timezone, program.identify.country, program.identify.blocked]
    parts += [forgotten.digest] if forgotten is not None and forgotten.digest else []
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def load_people(
    program: Program,
    base: Path,
    engine: Engine,
    target: Path,
    progress: Progress,
    forgotten: Suppressed | None = None,
) -> dict[str, Any]:
    """Write `people.parquet` (`PEOPLE`, then traits), `quarantine.parquet` and `audit.parquet` to a folder.

    The same records give the same bytes, whatever the engine's threads.

    Parameters
    ----------
    program : Program
    base : Path
        Folder of program.toml.
    engine : Engine
        Where SQL runs.
    target : Path
        An existing folder; the caller renames it when all is there, and deletes it after an error.
    progress : Progress
        Told of every system.
    forgotten : Suppressed, optional
        Records of these people are set aside with the reason FORGOTTEN, without a value.

    Returns
    -------
    dict
        systems: for each its name, rows, kept, and quarantined by reason.

    Raises
    ------
    SourceMissing, SourceUnreadable, SourceColumns, SourceEmpty
        A system is not there, damaged, lacks mapped columns, or none has a record that can be used.
    """
    named = {column: snake(column) for p in program.people for column in p.traits}
    traits = people_traits(program.people, named)
    work = _Load(engine, base, program.timezone, named, traits, progress, forgotten)
    schema = pa.schema([*PEOPLE, *(pa.field(name, pa.string()) for name in traits)])
    systems, audit = [], []
    with (
        TableFile(target / "people.parquet", schema) as records,
        TableFile(target / "quarantine.parquet", LOADED["quarantine"]) as aside,
    ):
        for people in program.people:
            reading = work.open(people)
            counts = work.ask(people, reading, counts_sql(reading)).to_pylist()[0]
            refuse_unusable(people.shown, reading.cells, counts)
            audit += audit_cells(people.name, reading.cells, counts)
            kept, reasons = work.write(people, reading, records, aside, int(counts["rows"]))
            systems.append(
                {"system": people.name, "rows": int(counts["rows"]), "kept": kept, "quarantined": dict(reasons)}
            )
    with TableFile(target / "audit.parquet", LOADED["audit"]) as file:
        file.add(audit_table(audit))
    if not any(s["kept"] for s in systems):
        names = ", ".join(p.name for p in program.people)
        raise SourceEmpty(
            f"people: none of the systems {names} has a record that can be used; at least one record with an id is "
            "needed. Check the mapping of record_id."
        )
    return {"systems": systems}


@dataclass
class _Load:
    """One load under way."""

    engine: Engine
    base: Path
    home: str
    named: dict[str, str]
    traits: tuple[str, ...]
    progress: Progress
    forgotten: Suppressed | None

    def open(self, people: People) -> PeopleReading:
        view = f"people_{people.name}"
        self.engine.register_source(view, self.base, people)
        schema = self.ask_plain(people, f'SELECT * FROM "{view}" LIMIT 0').schema
        return plan_people(people, view, schema, self.named, self.home)

    def ask_plain(self, people: People, sql: str) -> pa.Table:
        try:
            return self.engine.query(sql)
        except EngineFault as error:
            raise unreadable(people.shown, str(error)) from error

    def ask(self, people: People, reading: PeopleReading, sql: str) -> pa.Table:
        self.progress.start(f"check {people.name}", None)
        try:
            return self.engine.query(sql, dict(reading.params))
        except EngineFault as error:
            raise unreadable(people.shown, str(error)) from error
        finally:
            self.progress.finish()

    def write(
        self, people: People, reading: PeopleReading, records: TableFile, aside: TableFile, rows: int
    ) -> tuple[int, Counter[str]]:
        """Write the records of a system; return how many were kept, and how many set aside by reason."""
        reasons: Counter[str] = Counter()
        params = {**reading.params, "system": people.name}
        for batch in self._stream(people, set_aside_sql(reading), params):
            reasons.update(batch["reason"].to_pylist())
            aside.add(self._unnamed(people, batch))
        kept, number = 0, reading.of("record_id")[0].file_column
        self.progress.start(f"load {people.name}", rows - sum(reasons.values()))
        for found in self._stream(people, records_sql(reading, self.traits), params | {"kind": people.kind}):
            batch = found
            self.progress.advance(batch.num_rows)
            gone = self._gone(people, batch["record_id"].to_pylist())
            if gone.any():
                told = {"source": people.name, "column": number, "value": None, "reason": RowReason.FORGOTTEN.value}
                lines = [told | {"row": n} for n in batch[ROW].filter(pa.array(gone)).to_pylist()]
                aside.add(pa.Table.from_pylist(lines, schema=LOADED["quarantine"]))
                reasons[RowReason.FORGOTTEN.value] += len(lines)
                batch = batch.filter(pa.array(~gone))
            kept += batch.num_rows
            records.add(_keyed(batch, people.name))
        self.progress.finish()
        return kept, reasons

    def _gone(self, people: People, ids: list[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        if self.forgotten is None or not self.forgotten.digest:
            return np.zeros(len(ids), dtype=np.bool_)
        return self.forgotten.suppresses(people.name, ids)

    def _unnamed(self, people: People, batch: pa.Table) -> pa.Table:
        """Return rows set aside without the ids of forgotten people."""
        values = batch["value"].to_pylist()
        gone = self._gone(people, [v or "" for v in values])
        again = [None if g else v for g, v in zip(gone, values, strict=True)]
        return batch.set_column(batch.column_names.index("value"), "value", pa.array(again, pa.string()))

    def _stream(self, people: People, sql: str, params: dict[str, Any]) -> Iterator[pa.Table]:
        try:
            for batch in self.engine.stream(sql, params):
                yield pa.Table.from_batches([batch])
        except EngineFault as error:
            raise unreadable(people.shown, str(error)) from error


def _keyed(batch: pa.Table, system: str) -> pa.Table:
    """Return records with their keys, in the order of `PEOPLE` and traits."""
    keys = customer_keys(f"{system}\x1f{i}" for i in batch["record_id"].to_pylist())
    columns = batch.drop_columns([ROW])
    return columns.add_column(0, "record_key", pa.array(keys))
