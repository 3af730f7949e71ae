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
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.errors import SourceEmpty, SourceUnreadable
from rapport.core.keys import customer_keys
from rapport.core.reasons import RowReason
from rapport.core.tables import LOADED, SOURCE_COLUMNS
from rapport.identify.audit import audit_absent, audit_source, audit_table
from rapport.identify.crosswalk import Crosswalk
from rapport.identify.load_sql import (
    NATURAL_KEYS,
    ROW,
    Reading,
    Tables,
    accepted_sql,
    audit_sql,
    customers_sql,
    distinct_sql,
    name_traits,
    plan_reading,
    quarantine_sql,
    staged_sql,
    unknown_items_sql,
)
from rapport.program.model import Program
from rapport.program.source import Origin, Source
from rapport.workflows.forgotten_rows import remembered_rows, unnamed
from rapport.workflows.known_customers import KnownCustomers
from rapport.workflows.ports import Engine, EngineFault, FileDigest, Progress, Silent, Suppressed
from rapport.workflows.source_faults import unreadable
from rapport.workflows.table_file import TableFile

_KINDS = tuple(SOURCE_COLUMNS)
_KNOWN, _LISTED = "known_customers", "listed_customers"
_HOUSEHOLDS, _IDENTIFIED = "crosswalk_households", "identified_customers"

_SHARED_ONCE = ("products", "campaigns")
"""Kinds whose ids stand once over all their sources; customers who stand in several are one row."""


@dataclass(frozen=True)
class SourceCount:
    """What became of the rows of one source; kept + the sum of quarantined = rows.

    `source` is the source's name, `unmatched` counts kept rows whose customer id its system has no record of.
    """

    source: str
    path: str
    rows: int
    kept: int
    quarantined: dict[str, int]
    unmatched: int = 0


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


def fingerprint(
    program: Program,
    base: str | Path,
    digest: FileDigest,
    known: KnownCustomers | None = None,
    forgotten: Suppressed | None = None,
) -> str:
    """Return a hex digest (32 digits) of all that a load depends on: files, mapping, time zone, who is known.

    Parameters
    ----------
    program : Program
        The programme.
    base : path
        Folder of program.toml.
    digest : FileDigest
        Sums up a source, such as `rapport.engines.source_files.digest_source`.
    known, forgotten : optional
        As for `load_program`.

    Raises
    ------
    SourceMissing
        A source is not there.
    """
    parts = [[s.model_dump(mode="json"), digest(Path(base), s.path or s)] for s in program.sources]
    found: list[Any] = [program.timezone, *parts]
    found += [] if known is None else [known.digest()]
    found += [forgotten.digest] if forgotten is not None and forgotten.digest else []
    text = json.dumps(found, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def load_program(
    program: Program,
    base: str | Path,
    engine: Engine,
    target: str | Path,
    progress: Progress | None = None,
    known: KnownCustomers | None = None,
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
    known : KnownCustomers, optional
        What identify knows. The customer ids of a source with a `system` are replaced by its crosswalk; those it does
        not have become ``system:id`` and are counted. The people it knows are customers, with its traits.
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
    work = _Load(program, Path(base), engine, Path(target), progress or Silent(), known, forgotten)
    work.open()
    try:
        work.check()
        work.write()
    finally:
        work.clear()
    return work.summary()


@dataclass
class _Load:
    """One load under way: what was opened, counted and written so far; sources by their names."""

    program: Program
    base: Path
    engine: Engine
    target: Path
    progress: Progress
    known: KnownCustomers | None = None
    forgotten: Suppressed | None = None
    readings: dict[str, Reading] = field(default_factory=dict)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    unmatched: Counter[str] = field(default_factory=Counter)
    keys: dict[str, int] = field(default_factory=dict)
    seen: dict[str, set[str]] = field(default_factory=dict)

    @cached_property
    def crosswalk(self) -> Crosswalk | None:
        return None if self.known is None else Crosswalk(self.known.crosswalk)

    def of(self, kind: str) -> list[Source]:
        return [s for s in self.program.sources if s.kind == kind]

    def open(self) -> None:
        for source in self.program.sources:
            view = f"source_{source.called}"
            self.engine.register_source(view, self.base, source)
            with Blame(source):
                schema = self.engine.query(f'SELECT * FROM "{view}" LIMIT 0').schema
            self.readings[source.called] = plan_reading(source, view, schema, self.program.timezone)
            self.reasons[source.called] = Counter()

    def check(self) -> None:
        """Judge every row once, into a file of its own, and count."""
        for source in self.program.sources:
            self._stage(source)
        buys = [self.counts[s.called] for s in self.of("transactions")]
        if all(c["rows"] == c["faulty"] for c in buys):
            raise SourceEmpty(self._nothing_left())

    def _stage(self, source: Source) -> None:
        reading = self.readings[source.called]
        path = self._staging(source)
        self.progress.start(f"check {source.called}", None)
        # Purchases have few columns and many rows.
        little = self.engine.in_little_memory() if source.kind == "transactions" else nullcontext()
        with Blame(source), little:
            reader = self.engine.stream(staged_sql(reading), reading.params)
            last = 0
            with TableFile(path, reader.schema, "lz4") as file:
                for batch in reader:
                    last = self._in_order(source.called, batch[ROW], last)
                    self.progress.advance(batch.num_rows)
                    file.add(pa.Table.from_batches([batch]))
        with Blame(source):
            self.engine.register_parquet(reading.staged, path)
            counts = self.engine.query(audit_sql(reading), reading.params).to_pylist()[0]
            for cell in reading.cells:
                counts[f"d{cell.position}"] = self.engine.query(distinct_sql(reading, cell))["n"][0].as_py()
        self.counts[source.called] = counts
        self.progress.finish()

    def _staging(self, source: Source) -> Path:
        return self.target / f"staged-{source.called}-.parquet"

    def _nothing_left(self) -> str:
        source = self.of("transactions")[0]
        rows = self.counts[source.called]["rows"]
        if not rows:
            return f"source {source.shown}: has no row; must hold at least one purchase. Export it again."
        reading = self.readings[source.called]
        with Blame(source):
            first = self.engine.query(f"SELECT * FROM ({quarantine_sql(reading)}) LIMIT 1", reading.params)
        bad = first.to_pylist()[0]
        return (
            f"source {source.shown}: none of its {rows:,} rows can be used - the first has {bad['column']} = "
            f"{bad['value']!r} ({bad['reason']}); must hold at least one whole purchase. Check the mapping."
        )

    def write(self) -> None:
        with TableFile(self.target / "quarantine.parquet", LOADED["quarantine"]) as quarantine:
            for kind in _KINDS:
                if kind == "customers":
                    self._stage_customers(quarantine)
                else:
                    self._write_kind(kind, quarantine)
        self._write_customers()
        rows = []
        for kind in _KINDS:
            for source in self.of(kind):
                rows += audit_source(self.readings[source.called], self.counts[source.called])
            if not self.of(kind):
                rows += audit_absent(kind)
        with TableFile(self.target / "audit.parquet", LOADED["audit"]) as file:
            file.add(audit_table(rows))
        for name in LOADED:
            self.engine.register_parquet(name, self.target / f"{name}.parquet")

    def clear(self) -> None:
        """Take away the files of rows under way."""
        for path in self.target.glob("staged-*.parquet"):
            path.unlink()

    def _write_kind(self, kind: str, quarantine: TableFile) -> None:
        schema = LOADED[kind]
        with TableFile(self.target / f"{kind}.parquet", schema) as file:
            for source in self.of(kind):
                for batch in self._accepted(source, quarantine):
                    columns = {n: batch[n] for n in batch.column_names}
                    if "customer_key" in schema.names:
                        columns["customer_key"] = self._keys_of(batch["customer_id"])
                    file.add(pa.table([columns[n] for n in schema.names], names=schema.names))

    def _accepted(self, source: Source, quarantine: TableFile) -> Iterator[pa.Table]:
        """Yield the rows of a source that can be used, its ids made the programme's; put the others aside."""
        name, reading = source.called, self.readings[source.called]
        if self.counts[name]["faulty"] or reading.keys:
            for batch in self._rows(source, quarantine_sql(reading), None):
                self.reasons[name].update(batch["reason"].to_pylist())
                quarantine.add(unnamed(source, batch, self.forgotten))
        expected = int(self.counts[name]["rows"]) - sum(self.reasons[name].values())
        last = 0
        for batch in self._rows(source, accepted_sql(reading), expected):
            last = self._in_order(name, batch[ROW], last)
            remembered, gone = remembered_rows(source, reading, batch, self.forgotten)
            self.reasons[name].update(gone["reason"].to_pylist())
            quarantine.add(gone)
            table = self._not_elsewhere(source, self._own_ids(source, remembered), quarantine)
            self.kept[name] += table.num_rows
            yield self._customers_of(source, table)

    def _own_ids(self, source: Source, table: pa.Table) -> pa.Table:
        """Put the system's or source's name before the ids that are its own."""
        own = source.own_ids
        if own is None:
            own = ("basket_id",) if source.kind == "transactions" and len(self.of("transactions")) > 1 else ()
        prefix = f"{source.system or source.called}:"
        for column in own:
            named = pc.binary_join_element_wise(pa.scalar(prefix), table[column], "")
            table = table.set_column(table.column_names.index(column), column, named)
        return table

    def _not_elsewhere(self, source: Source, table: pa.Table, quarantine: TableFile) -> pa.Table:
        """Return the rows whose id no earlier source of the kind has; put the others aside."""
        if source.kind not in _SHARED_ONCE or len(self.of(source.kind)) == 1:
            return table
        column = NATURAL_KEYS[source.kind][0]
        seen = self.seen.setdefault(source.kind, set())
        ids = table[column].to_pylist()
        again = [i in seen for i in ids]
        seen.update(ids)
        if not any(again):
            return table
        cell = self.readings[source.called].of(column)[0]
        bad = table.filter(pa.array(again))
        rows = {"source": source.called, "column": cell.file_column, "reason": RowReason.REPEATED_KEY.value}
        places = zip(bad[ROW].to_pylist(), bad[column].to_pylist(), strict=True)
        aside = [{**rows, "row": r, "value": v} for r, v in places]
        quarantine.add(pa.Table.from_pylist(aside, schema=LOADED["quarantine"]))
        self.reasons[source.called][RowReason.REPEATED_KEY.value] += len(aside)
        return table.filter(pa.array([not a for a in again]))

    def _customers_of(self, source: Source, table: pa.Table) -> pa.Table:
        """Replace the ids of a system by those of customers."""
        if self.crosswalk is None or source.system is None or "customer_id" not in table.column_names:
            return table
        ids, matched = self.crosswalk.customers(source.system, table["customer_id"])
        self.unmatched[source.called] += table.num_rows - matched
        table = table.set_column(table.column_names.index("customer_id"), "customer_id", ids)
        if "household_id" in table.column_names:
            own = pc.binary_join_element_wise(pa.scalar(f"{source.system}:"), table["household_id"], "")
            table = table.set_column(table.column_names.index("household_id"), "household_id", own)
        return table

    def _stage_customers(self, quarantine: TableFile) -> None:
        """Write the rows of customer sources one after the other, with their place over all sources."""
        traits = name_traits(self.program.source_traits)
        schema = pa.schema(
            [("place", pa.int64()), *((n, pa.string()) for n in ("customer_id", "household_id", *traits))]
        )
        place = 0
        with TableFile(self.target / "staged-all-customers.parquet", schema, "lz4") as file:
            for source in self.of("customers"):
                for table in self._accepted(source, quarantine):
                    rows = table.num_rows
                    self._keys_of(table["customer_id"])
                    columns = {n: table[n] for n in table.column_names}
                    columns["place"] = pa.array(np.arange(place, place + rows))
                    place += rows
                    empty = pa.nulls(rows, pa.string())
                    file.add(pa.table([columns.get(n, empty) for n in schema.names], names=schema.names))
        self.engine.register_parquet(_LISTED, self.target / "staged-all-customers.parquet")

    def _write_customers(self) -> None:
        people = pa.table({"customer_id": pa.nulls(0, pa.string())}) if self.known is None else self.known.traits
        self._keys_of(people["customer_id"])
        self._refuse_collision()
        known = {"customer_id": list(self.keys), "customer_key": list(self.keys.values())}
        types = pa.schema([("customer_id", pa.string()), ("customer_key", pa.int64())])
        self.engine.register_arrow(_KNOWN, pa.table(known, schema=types))
        self.engine.register_arrow(_IDENTIFIED, people)
        households = pa.table({"customer_id": pa.nulls(0, pa.string()), "household_id": pa.nulls(0, pa.string())})
        self.engine.register_arrow(_HOUSEHOLDS, households if self.crosswalk is None else self.crosswalk.households())
        traits = name_traits(self.program.source_traits)
        identified = [n for n in people.column_names if n != "customer_id"]
        every = dict.fromkeys([*traits, *identified])
        schema = pa.schema([*LOADED["customers"], *((t, pa.string()) for t in every)])
        tables = Tables(_LISTED, _KNOWN, _HOUSEHOLDS, _IDENTIFIED)
        with TableFile(self.target / "customers.parquet", schema) as file:
            for batch in self.engine.stream(customers_sql(tables, traits, identified)):
                file.add(pa.Table.from_batches([batch]))

    def _in_order(self, name: str, rows: pa.ChunkedArray, last: int) -> int:
        """Return the last row's number; the bytes written rest on the order of the file."""
        numbers = rows.to_numpy(zero_copy_only=False) if isinstance(rows, pa.Array) else rows.to_numpy()
        if len(numbers) and (numbers[0] <= last or not np.all(numbers[1:] > numbers[:-1])):
            raise RuntimeError(f"the engine gave the rows of {name} out of the order of the file")
        return int(numbers[-1]) if len(numbers) else last

    def _rows(self, source: Source, sql: str, total: int | None) -> Iterator[pa.Table]:
        name = source.called
        self.progress.start(f"load {name}" if total is not None else f"quarantine of {name}", total)
        with Blame(source):
            reader = self.engine.stream(sql, self.readings[name].params)
        while True:
            with Blame(source):
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
        if self.of("products"):
            unknown = self.engine.query(unknown_items_sql()).to_pylist()[0]["lines"]
        days = self.engine.query("SELECT min(day) AS first, max(day) AS last FROM transactions").to_pylist()[0]
        sources = tuple(
            SourceCount(
                source.called,
                source.shown,
                int(self.counts[source.called]["rows"]),
                self.kept[source.called],
                {r.value: n for r in RowReason if (n := self.reasons[source.called][r.value])},
                self.unmatched[source.called],
            )
            for kind in _KINDS
            for source in self.of(kind)
        )
        return LoadSummary(sources, len(self.keys), int(unknown), days["first"], days["last"])


class Blame:
    """Turns an engine's fault into an error that names the source that was being read."""

    def __init__(self, source: Origin) -> None:
        self._source = source

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, EngineFault):
            raise unreadable(self._source.shown, str(error)) from error
