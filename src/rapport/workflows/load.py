"""Loads a programme's sources: the company's files become the canonical tables, a quarantine and an audit.

Why it exists: everything after this stage reads declared tables and never a company's file. It writes to a
folder that the caller makes and renames when whole; after an error the folder may hold unfinished files, and
the caller deletes it. No rule of reading a value may enter: those are in `rapport.identify.load_sql`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rapport.core.errors import SourceEmpty, SourceUnreadable
from rapport.core.keys import customer_keys
from rapport.core.reasons import RowReason
from rapport.core.tables import LOADED, SOURCE_COLUMNS
from rapport.identify.audit import audit_absent, audit_source, audit_table
from rapport.identify.load_sql import (
    ROW,
    Reading,
    accepted_sql,
    audit_sql,
    customers_sql,
    plan_reading,
    quarantine_sql,
    unknown_items_sql,
)
from rapport.program.model import Program, Source
from rapport.workflows.ports import Engine, EngineFault, FileDigest, Progress, Silent, Suppressed

ROW_GROUP = 131_072
"""Rows of a Parquet row group; also what is held in memory of a table that is being written."""

_KINDS = tuple(SOURCE_COLUMNS)
_KNOWN = "known_customers"


@dataclass(frozen=True)
class SourceCount:
    """What became of the rows of one source; kept + the sum of quarantined = rows."""

    source: str
    path: str
    rows: int
    kept: int
    quarantined: dict[str, int]


@dataclass(frozen=True)
class LoadSummary:
    """What a load did.

    `unknown_items` counts kept transaction lines whose product is not in the product source (0 without one);
    `first_day` and `last_day` are the local days of the earliest and latest purchase.
    """

    sources: tuple[SourceCount, ...]
    customers: int
    unknown_items: int
    first_day: date
    last_day: date

    def reasons(self) -> dict[str, int]:
        """Return how many rows each reason concerns, over all sources; only reasons that occur."""
        total: Counter[str] = Counter()
        for source in self.sources:
            total.update(source.quarantined)
        if self.unknown_items:
            total[RowReason.UNKNOWN_ITEM.value] = self.unknown_items
        return {reason.value: total[reason.value] for reason in RowReason if total[reason.value]}


def fingerprint(program: Program, base: str | Path, digest: FileDigest, forgotten: Suppressed | None = None) -> str:
    """Return a hex digest (32 digits) of all that a load depends on: files, mapping, time zone, who was forgotten.

    Parameters
    ----------
    program : Program
        The programme.
    base : path
        Folder of program.toml.
    digest : FileDigest
        Sums up a file, such as `rapport.engines.source_files.digest_source`.
    forgotten : Suppressed, optional

    Raises
    ------
    SourceMissing
        A source is not there.
    """
    parts: list[Any] = [[s.model_dump(mode="json"), digest(Path(base), s.path)] for s in program.sources]
    parts += [forgotten.digest] if forgotten is not None and forgotten.digest else []
    text = json.dumps([program.timezone, *parts], sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def load_program(
    program: Program,
    base: str | Path,
    engine: Engine,
    target: str | Path,
    progress: Progress | None = None,
    forgotten: Suppressed | None = None,
) -> LoadSummary:
    """Read every source of a programme and write the tables of `rapport.core.tables.LOADED` to a folder.

    All sources are opened and their columns checked before anything is written. The same files give the same
    bytes, whatever the engine's threads. Afterwards the engine knows the written tables by their names.

    Parameters
    ----------
    program : Program
        The programme.
    base : path
        Folder of program.toml, which source paths are relative to.
    engine : Engine
        Where SQL runs.
    target : path
        An existing folder for ``<table>.parquet``; the caller renames it when all is there, and deletes it after
        an error.
    progress : Progress, optional
        Told of every source.
    forgotten : Suppressed, optional
        Rows of these customers are set aside with the reason FORGOTTEN, without a value.

    Returns
    -------
    LoadSummary

    Raises
    ------
    SourceMissing, SourceUnreadable, SourceColumns, SourceEmpty
        A source is not there, damaged, lacks mapped columns, or has no usable row where one is needed.
    ProgramInvalid
        A trait's name is taken.
    """
    work = _Load(program, Path(base), engine, Path(target), progress or Silent(), forgotten)
    work.open()
    work.check()
    work.write()
    return work.summary()


@dataclass
class _Load:
    """One load under way: what was opened, counted and written so far."""

    program: Program
    base: Path
    engine: Engine
    target: Path
    progress: Progress
    forgotten: Suppressed | None = None
    left_out: dict[str, list[int]] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)

    def source(self, kind: str) -> Source:
        return next(s for s in self.program.sources if s.kind == kind)

    def open(self) -> None:
        for source in self.program.sources:
            view = f"source_{source.kind}"
            self.engine.register_source(view, self.base, source)
            with _Blame(source):
                schema = self.engine.query(f"SELECT * FROM {view} LIMIT 0").schema
            self.readings[source.kind] = plan_reading(source, view, schema, self.program.timezone)
            self.reasons[source.kind] = Counter()

    def check(self) -> None:
        for kind, reading in self.readings.items():
            self.progress.start(f"check {kind}", None)
            with _Blame(self.source(kind)):
                self.counts[kind] = self.engine.query(audit_sql(reading), reading.params).to_pylist()[0]
            self.progress.finish()
        counts = self.counts["transactions"]
        if counts["rows"] == counts["faulty"]:
            raise SourceEmpty(self._nothing_left())

    def _nothing_left(self) -> str:
        source, rows = self.source("transactions"), self.counts["transactions"]["rows"]
        if not rows:
            return f"source {source.path}: has no row; must hold at least one purchase. Export it again."
        reading = self.readings["transactions"]
        with _Blame(source):
            first = self.engine.query(f"SELECT * FROM ({quarantine_sql(reading)}) LIMIT 1", reading.params)
        bad = first.to_pylist()[0]
        return (
            f"source {source.path}: none of its {rows:,} rows can be used - the first has {bad['column']} = "
            f"{bad['value']!r} ({bad['reason']}); must hold at least one whole purchase. Check the mapping."
        )

    def write(self) -> None:
        self._write_quarantine()
        for kind in _KINDS:
            if kind != "customers":
                self._write_kind(kind)
        self._write_customers()
        self._quarantine_forgotten()
        rows = []
        for kind in _KINDS:
            if kind in self.readings:
                rows += audit_source(self.readings[kind], self.counts[kind])
            else:
                rows += audit_absent(kind)
        with _TableFile(self.target / "audit.parquet", LOADED["audit"]) as file:
            file.add(audit_table(rows))
        for name in LOADED:
            self.engine.register_parquet(name, self.target / f"{name}.parquet")

    def _write_quarantine(self) -> None:
        with _TableFile(self.target / "quarantine.parquet", LOADED["quarantine"]) as file:
            for kind in _KINDS:
                reading = self.readings.get(kind)
                if reading is None or not (self.counts[kind]["faulty"] or reading.keys):
                    continue
                for batch in self._rows(kind, quarantine_sql(reading), None):
                    self.reasons[kind].update(batch["reason"].to_pylist())
                    file.add(self._unnamed(kind, batch))

    def _write_kind(self, kind: str) -> None:
        schema = LOADED[kind]
        with _TableFile(self.target / f"{kind}.parquet", schema) as file:
            if kind not in self.readings:
                return
            last = 0
            for found in self._rows(kind, accepted_sql(self.readings[kind]), self._expected(kind)):
                last = self._in_order(kind, found[ROW], last)
                batch = self._remembered(kind, found)
                self.kept[kind] += batch.num_rows
                columns = {n: batch[n] for n in batch.column_names}
                if "customer_key" in schema.names:
                    columns["customer_key"] = self._keys_of(batch["customer_id"])
                file.add(pa.table([columns[n] for n in schema.names], names=schema.names))

    def _write_customers(self) -> None:
        reading = self.readings.get("customers")
        if reading is not None:
            sql = f"SELECT {ROW}, customer_id FROM ({accepted_sql(reading)}) ORDER BY {ROW}"
            for found in self._rows("customers", sql, self._expected("customers")):
                batch = self._remembered("customers", found)
                self.kept["customers"] += batch.num_rows
                self._keys_of(batch["customer_id"])
        self._refuse_collision()
        known = {"customer_id": list(self.keys), "customer_key": list(self.keys.values())}
        types = pa.schema([("customer_id", pa.string()), ("customer_key", pa.int64())])
        self.engine.register_arrow(_KNOWN, pa.table(known, schema=types))
        traits = [] if reading is None else [(t, pa.string()) for t in reading.traits]
        schema = pa.schema([*LOADED["customers"], *(pa.field(n, t) for n, t in traits)])
        params = None if reading is None else reading.params
        with _TableFile(self.target / "customers.parquet", schema) as file:
            for batch in self.engine.stream(customers_sql(reading, _KNOWN), params):
                file.add(pa.Table.from_batches([batch]))

    def _suppressed(self, kind: str, ids: list[str | None]) -> NDArray[np.bool_]:
        """Return which customer ids of a source were forgotten, shape (ids,)."""
        if self.forgotten is None or not self.forgotten.digest:
            return np.zeros(len(ids), dtype=np.bool_)
        system = getattr(self.source(kind), "system", None) or ""
        return self.forgotten.suppresses(system, [i or "" for i in ids])

    def _remembered(self, kind: str, batch: pa.Table) -> pa.Table:
        """Return rows without those of forgotten customers, which are counted by their place in the file."""
        if self.forgotten is None or "customer_id" not in batch.column_names:
            return batch
        coded = pa.chunked_array([batch["customer_id"].combine_chunks()]).combine_chunks().dictionary_encode()
        gone = self._suppressed(kind, coded.dictionary.to_pylist())
        if not gone.any():
            return batch
        left = gone[coded.indices.to_numpy(zero_copy_only=False)]
        self.left_out.setdefault(kind, []).extend(batch[ROW].to_numpy()[left].tolist())
        return batch.filter(pa.array(~left))

    def _unnamed(self, kind: str, batch: pa.Table) -> pa.Table:
        """Return rows set aside without the values that are ids of forgotten customers."""
        if self.forgotten is None or not self.forgotten.digest:
            return batch
        values = batch["value"].to_pylist()
        parts = [[v, *v.split(" + ")] if v else [] for v in values]
        named = [bool(p) and bool(self._suppressed(kind, list(p)).any()) for p in parts]
        again = [None if n else v for n, v in zip(named, values, strict=True)]
        return batch.set_column(batch.column_names.index("value"), "value", pa.array(again, pa.string()))

    def _quarantine_forgotten(self) -> None:
        """Set the rows of forgotten customers aside, in the order of the files, without their values."""
        if not self.left_out:
            return
        path, schema = self.target / "quarantine.parquet", LOADED["quarantine"]
        tables = [pq.read_table(path, schema=schema)]
        for kind, numbers in self.left_out.items():
            self.reasons[kind][RowReason.FORGOTTEN.value] += len(numbers)
            column = self.readings[kind].of("customer_id")[0].file_column
            told = {"source": kind, "column": column, "value": None, "reason": RowReason.FORGOTTEN.value}
            tables.append(pa.Table.from_pylist([told | {"row": n} for n in numbers], schema=schema))
        every = pa.concat_tables(tables).combine_chunks()
        places = np.array([_KINDS.index(kind) for kind in every["source"].to_pylist()])
        order = np.lexsort((every["row"].to_numpy(), places))
        with _TableFile(path, schema) as file:
            file.add(every.take(pa.array(order)))

    def _in_order(self, kind: str, rows: pa.ChunkedArray, last: int) -> int:
        """Return the last row's number; the bytes written rest on the order of the file."""
        numbers = rows.to_numpy()
        if len(numbers) and (numbers[0] <= last or not np.all(numbers[1:] > numbers[:-1])):
            raise RuntimeError(f"the engine gave the rows of {kind} out of the order of the file")
        return int(numbers[-1]) if len(numbers) else last

    def _expected(self, kind: str) -> int:
        return int(self.counts[kind]["rows"]) - sum(self.reasons[kind].values())

    def _rows(self, kind: str, sql: str, total: int | None) -> Iterator[pa.Table]:
        self.progress.start(f"load {kind}" if total is not None else f"quarantine of {kind}", total)
        with _Blame(self.source(kind)):
            reader = self.engine.stream(sql, self.readings[kind].params)
        while True:
            with _Blame(self.source(kind)):
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    break
            self.progress.advance(batch.num_rows)
            yield pa.Table.from_batches([batch])
        self.progress.finish()

    def _keys_of(self, ids: pa.ChunkedArray) -> pa.Array:
        """Return the keys of ids; only ids never met before are hashed."""
        coded = ids.combine_chunks().dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        distinct = coded.dictionary.to_pylist()
        new = [i for i in distinct if i not in self.keys]
        self.keys.update(zip(new, customer_keys(new).tolist(), strict=True))
        keys = np.fromiter((self.keys[i] for i in distinct), dtype=np.int64, count=len(distinct))
        return pa.array(keys).take(coded.indices)

    def _refuse_collision(self) -> None:
        if len(set(self.keys.values())) == len(self.keys):
            return
        seen: dict[int, str] = {}
        for name, key in self.keys.items():
            if key in seen:
                raise SourceUnreadable(
                    f"customers: two ids have the same key - {seen[key]!r} and {name!r}; keys must differ. "
                    "Change one of the two ids in every file."
                )
            seen[key] = name

    def summary(self) -> LoadSummary:
        unknown = 0
        if "products" in self.readings:
            unknown = self.engine.query(unknown_items_sql()).to_pylist()[0]["lines"]
        days = self.engine.query("SELECT min(day) AS first, max(day) AS last FROM transactions").to_pylist()[0]
        sources = tuple(
            SourceCount(
                kind,
                self.source(kind).path,
                int(self.counts[kind]["rows"]),
                self.kept[kind],
                {r.value: self.reasons[kind][r.value] for r in RowReason if self.reasons[kind][r.value]},
            )
            for kind in _KINDS
            if kind in self.readings
        )
        return LoadSummary(sources, len(self.keys), int(unknown), days["first"], days["last"])


class _Blame:
    """Turns an engine's fault into an error that names the source that was being read."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, EngineFault):
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise SourceUnreadable(
                f"source {self._source.path}: cannot be read to its end - {' '.join(lines[:3])}; must be a whole "
                "file. Export or copy it again."
            ) from error


class _TableFile:
    """Writes one Parquet file in row groups of `ROW_GROUP` rows, however the rows arrive."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._held: list[pa.Table] = []
        self._rows = 0

    def __enter__(self) -> _TableFile:
        return self

    def add(self, table: pa.Table) -> None:
        """Take rows whose columns have the schema's order."""
        self._held.append(table.cast(self._schema))
        self._rows += table.num_rows
        if self._rows >= ROW_GROUP:
            self._flush(whole=True)

    def _flush(self, whole: bool) -> None:
        # One chunk a column, so that what is written does not depend on how the rows arrived.
        table = pa.concat_tables(self._held).combine_chunks()
        done = table.num_rows // ROW_GROUP * ROW_GROUP if whole else table.num_rows
        self._writer.write_table(table.slice(0, done), row_group_size=ROW_GROUP)
        self._held, self._rows = [table.slice(done)], table.num_rows - done

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._held and self._rows:
            self._flush(whole=False)
        self._writer.close()
