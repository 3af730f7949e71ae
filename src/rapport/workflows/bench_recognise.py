"""Measure the memory of customers: recognising one of a million, and loading, merging and recording.

Why it exists: a caller waits for a percentile, and a load that takes an hour is not done nightly. Customers are made
up: a million records with five identifiers each, some shared by two; a quarter of the records are duplicates.
Beside recognition stands a plain SELECT on one index of the same size, by the driver alone, in the same run.
"""

from __future__ import annotations

import importlib
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rapport.core.people import CLUSTERS, LINKS, STANDARD, record_key
from rapport.workflows.identity_ports import DIGESTS, Identifier, IdentityMemory, Interaction

SEED = 20_261
SERVER = "RAPPORT_POSTGRESQL"
"""Environment variable with the address of an empty PostgreSQL database that the bench may fill."""
START = datetime(2030, 1, 1, tzinfo=UTC)
VERIFIED = {"shop": ("email", "card_number")}

TellsProgress = Callable[[str], None]


@dataclass(frozen=True)
class Extent:
    """How much is measured: records with five identifiers each, questions, interactions, records in the server."""

    records: int
    questions: int
    interactions: int
    on_server: int


WHOLE = Extent(1_000_000, 20_000, 100_000, 200_000)
SMALL = Extent(4_000, 300, 2_000, 2_000)


def bench_recognise(folder: Path, small: bool, progress: TellsProgress) -> list[dict[str, Any]]:
    """Return the measured figures of the memory of customers.

    Parameters
    ----------
    folder : Path
        Takes the memory; about 2 GB, a few MB if small. Left as it is for the caller to delete.
    small : bool
        The same in seconds, without bars.
    progress : callable
        Told in a line what is being done.

    Returns
    -------
    list of dict
        One result each: name, label, value, unit, interval, comparator, comparator_value, bar, meets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    extent = SMALL if small else WHOLE
    results = _measure(folder, None, extent.records, extent, progress)
    file = folder / "state" / "memory.db"
    size = sum(p.stat().st_size for p in file.parent.iterdir()) / 1e6
    results.append(_result("recognise_file_mb", f"size of the file, {_about(extent.records)}", size, "MB", None))
    results[0] |= {"comparator": "a plain SELECT on one index, 50 in 100 (ms)"}
    results[1] |= {"comparator": "a plain SELECT on one index, 99 in 100 (ms)"}
    progress("a plain SELECT on one index ...")
    for result, value in zip(results, _plain_select(folder / "plain.db", extent), strict=False):
        result["comparator_value"] = value
    server = os.environ.get(SERVER)
    if server:
        results += _measure(folder, server, extent.on_server, extent, progress)
    return [r | {"bar": None, "meets": None} for r in results] if small else results


def _measure(
    folder: Path, server: str | None, records: int, extent: Extent, progress: TellsProgress
) -> list[dict[str, Any]]:
    """Return the figures of one store; those of a server have names that say so."""
    store, mark = ("SQLite", "") if server is None else ("PostgreSQL", "_postgresql")
    about = f"{store}, {_about(records)}"
    opened = importlib.import_module("rapport.wiring").open_customers(folder, server)
    progress(f"{about}: loading ...")
    standard, digests = _records(records)
    memory: IdentityMemory
    with opened as memory:
        load = _seconds(lambda: memory.records.remember_records(standard, digests, VERIFIED, START))
        again = _seconds(lambda: memory.records.remember_records(standard, digests, VERIFIED, START))
        progress(f"{about}: merging ...")
        clusters, links = _duplicates(standard["record_key"].to_numpy())
        apply = _seconds(lambda: memory.ledger.apply_clusters(clusters, links, "bench", START))
        same = _seconds(lambda: memory.ledger.apply_clusters(clusters, links, "bench", START))
        progress(f"{about}: {extent.questions:,} questions ...")
        took = _recognised(memory, records, extent.questions)
        one, many = _recorded(memory, standard["record_key"].to_pylist(), extent.interactions, progress)
    p50, p99 = np.percentile(took[0], [50, 99])
    bar = 2.0 if server is None else None
    made = [
        ("p50_ms", f"recognising by one to three identifiers, median; {about}", p50, "ms", None),
        ("p99_ms", "the same, 99 in 100 are faster", p99, "ms", bar),
        ("cpu_p99_ms", "the same, of the processor: others' work left out", np.percentile(took[1], 99), "ms", None),
        ("load_s", f"remembering all records and identifiers, {about}", load, "s", None),
        ("identifiers_per_s", "identifiers remembered a second, records included", 5 * records / load, "1/s", None),
        ("again_s", "the same records again, nothing new", again, "s", None),
        ("apply_s", f"bringing {len(links):,} merges into the ledger, all at once", apply, "s", None),
        ("apply_again_s", "the same run again, nothing to do", same, "s", None),
        ("one_interaction_per_s", "interactions recorded one by one, each safe on disk", one, "1/s", None),
        ("interactions_per_s", "interactions recorded, 10,000 together", many, "1/s", None),
    ]
    return [_result(f"recognise{mark}_{name}", label, value, unit, b) for name, label, value, unit, b in made]


def _about(records: int) -> str:
    return f"{records:,} records, {5 * records:,} identifiers"


def _emails(n: int) -> list[str]:
    return [f"customer.{i}@example.com" for i in range(n)]


def _records(n: int) -> tuple[pa.Table, pa.Table]:
    """Return records with an e-mail address, two phones (one shared by two), a card and a device each."""
    ids = [f"record {i}" for i in range(n)]
    keys = pa.array([record_key("shop", i) for i in ids], pa.int64())
    filled = {
        "record_key": keys,
        "system": pa.array(["shop"] * n),
        "record_id": pa.array(ids),
        "kind": pa.array(["person"] * n),
        "emails": _lists("emails", [[e] for e in _emails(n)]),
        "phones": _lists("phones", [[_phone(i), f"+44{i:010d}"] for i in range(n)]),
        "card_numbers": _lists("card_numbers", [[f"{i:016d}"] for i in range(n)]),
        "device_ids": _lists("device_ids", [[f"device-{i}"] for i in range(n)]),
    }
    columns = [filled[f.name] if f.name in filled else pa.nulls(n, f.type) for f in STANDARD]
    digests = pa.table([keys, pa.array([f"{i:032x}" for i in range(n)])], schema=DIGESTS)
    return pa.table(columns, schema=STANDARD), digests


def _lists(column: str, values: Sequence[Sequence[str]]) -> pa.Array:
    return pa.array(values, STANDARD.field(column).type)


def _phone(i: int) -> str:
    return f"+1{i // 2:010d}"


def _duplicates(keys: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[pa.Table, pa.Table]:
    """Return a resolve run in which a quarter of the records are duplicates of another quarter."""
    quarter = len(keys) // 4
    one, other = keys[:quarter], keys[quarter : 2 * quarter]
    left, right = np.minimum(one, other), np.maximum(one, other)
    cluster = keys.copy()
    cluster[:quarter] = cluster[quarter : 2 * quarter] = left
    columns = [
        pa.array(left),
        pa.array(right),
        pa.array(np.full(quarter, 0.99)),
        pa.array(np.full(quarter, 12.0)),
        pa.array(["exact"] * quarter),
        pa.array(['{"email": ["a@example.com", "a@example.com", "equal", 12.0]}'] * quarter),
    ]
    links = pa.table(columns, schema=LINKS)
    return pa.table([pa.array(keys), pa.array(cluster)], schema=CLUSTERS), links


def _recognised(memory: IdentityMemory, records: int, questions: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the milliseconds of questions, by the clock and of the processor, shape (2, questions).

    By an e-mail address, with a shared phone and a card, and of one in ten nobody knows.
    """
    draw = np.random.default_rng(SEED)
    took = np.zeros((2, questions))
    asked = draw.integers(0, records, questions + 200).tolist()
    for n, i in enumerate(asked):
        given = [Identifier("email", f"customer.{i}@example.com")]
        if n % 2:
            given += [Identifier("phone", _phone(i)), Identifier("card_number", f"{i:016d}")]
        if n % 10 == 9:
            given = [Identifier("email", f"stranger.{i}@example.com"), Identifier("device_id", f"none-{i}")]
        began, worked = time.perf_counter(), time.thread_time()
        found = memory.contacts.recognise(given)
        spent = time.perf_counter() - began, time.thread_time() - worked
        assert found.standing == ("unknown" if n % 10 == 9 else "known"), found
        if n >= 200:
            took[:, n - 200] = spent
    return took * 1e3


def _recorded(
    memory: IdentityMemory, keys: Sequence[int], count: int, progress: TellsProgress
) -> tuple[float, float]:
    """Return interactions recorded a second, one by one and 10,000 together."""
    progress(f"{count:,} interactions ...")

    def rows(first: int, n: int) -> list[Interaction]:
        at = START + timedelta(seconds=first)
        return [
            Interaction(f"message {i}", at, "web", "in", "view", f"item {i % 997}", node_key=keys[i % len(keys)])
            for i in range(first, first + n)
        ]

    single, piece = count // 50, 10_000
    one = _seconds(lambda: [memory.contacts.record_interactions(rows(i, 1)) for i in range(single)])
    starts = range(single, single + count, piece)
    prepared = [rows(i, min(piece, single + count - i)) for i in starts]
    many = _seconds(lambda: [memory.contacts.record_interactions(p) for p in prepared])
    return single / one, count / many


def _plain_select(path: Path, extent: Extent) -> tuple[float, float]:
    """Return percentiles (50, 99) in ms of a SELECT by e-mail address on a table with an index, nothing else."""
    draw = np.random.default_rng(SEED)
    with closing(sqlite3.connect(path)) as c:
        c.execute("CREATE TABLE held (value TEXT NOT NULL, customer TEXT NOT NULL)")
        values = _emails(extent.records)
        for kind in range(5):
            c.executemany("INSERT INTO held VALUES (?, ?)", ((f"{kind}{v}", f"C{n}") for n, v in enumerate(values)))
        c.execute("CREATE INDEX held_value ON held (value)")
        c.commit()
        took = []
        for i in draw.integers(0, extent.records, extent.questions).tolist():
            began = time.perf_counter()
            c.execute("SELECT customer FROM held WHERE value = ?", (f"3{values[i]}",)).fetchall()
            took.append((time.perf_counter() - began) * 1e3)
    p50, p99 = np.percentile(took, [50, 99])
    return round(float(p50), 4), round(float(p99), 4)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _result(name: str, label: str, value: float, unit: str, bar: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "value": round(float(value), 4),
        "unit": unit,
        "interval": None,
        "comparator": None,
        "comparator_value": None,
        "bar": bar,
        "meets": None if bar is None else bool(value <= bar),
    }
