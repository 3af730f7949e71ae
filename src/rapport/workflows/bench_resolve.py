"""Measure who is found to be who on a million and ten million made-up records: time, memory, quality.

Why it exists: speed and memory are claimed on as many records as a large company holds. What is measured is the
production code, in a process of its own, without labels. Public records with a truth are in `bench_febrl`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rapport.core.people import VERDICTS
from rapport.identify.link_quality import Quality, exact_clusters, pairwise
from rapport.identify.standard import settings_of, standardise
from rapport.program.identify import Identify
from rapport.simulate.people import PeopleWorld, make_people
from rapport.workflows.bench_features import peak_gb
from rapport.workflows.link_ports import MakeLinker
from rapport.workflows.ports import Engine, Silent
from rapport.workflows.resolve import resolve

SEED = 20_261
EVEN = Identify(aim="f1", wrong_merge_cost=1.0)
"""What `rapport resolve` does where no costs are told: F1 weighs wrong and missed pairs alike."""
MILLION, HALF, MANY = 1_000_000, 500_000, 10_000_000
SMALL = 4_000
PIECE = 1_000_000
"""Records that are made up at once."""
TEN_MEMORY = 24.0

Progress = Callable[[str], None]


def bench_resolve_1m(folder: Path, small: bool, progress: Progress) -> list[dict[str, Any]]:
    """Return the measured figures of resolving a million records, and half of them.

    Parameters
    ----------
    folder : Path
        Takes the records that are made up.
    small : bool
        4,000 records in place of a million, without bars.
    progress : callable
        Told in a line what is being done.

    Returns
    -------
    list of dict
        One result each: name, label, value, unit, interval, comparator, comparator_value, bar, meets.
    """
    whole, half = (SMALL, SMALL // 2) if small else (MILLION, HALF)
    less, most = (_measured(folder, records, progress) for records in (half, whole))
    about = f"{whole:,} made-up records, a quarter of them duplicates"
    results = [
        result("resolve_1m_s", f"{about}: standard records to clusters", most["seconds"], "s", 30.0, False),
        result("resolve_1m_precision", f"{about}: precision of pairs", most["precision"], "share", 0.99, True),
        result("resolve_1m_recall", f"{about}: recall of pairs", most["recall"], "share", 0.95, True),
        result("resolve_1m_cluster_f1", f"{about}: F1 of whole customers", most["cluster_f1"], "share", None, True),
        result("resolve_1m_peak_gib", f"{about}: peak memory of the process", most["peak_gib"], "GiB", 3.0, False),
        result("resolve_1m_growth", "twice the records, time over time", most["seconds"] / less["seconds"], "ratio",
               None, False)
        | {"comparator": "seconds of the half", "comparator_value": round(less["seconds"], 3)},
    ]  # fmt: skip
    return [r | {"bar": None, "meets": None} for r in results] if small else results


def bench_resolve_10m(folder: Path, small: bool, progress: Progress) -> list[dict[str, Any]]:
    """Return the measured figures of resolving ten million records; with `small`, twice those of the small million.

    Parameters and results are those of `bench_resolve_1m`.
    """
    records = 2 * SMALL if small else MANY
    ten = _measured(folder, records, progress)
    about = f"{records:,} made-up records"
    results = [
        result("resolve_10m_s", f"{about}: standard records to clusters", ten["seconds"], "s", None, False),
        result("resolve_10m_peak_gib", f"{about}: peak memory of the process", ten["peak_gib"], "GiB", TEN_MEMORY,
               False),
        result("resolve_10m_precision", f"{about}: precision of pairs", ten["precision"], "share", None, True),
        result("resolve_10m_recall", f"{about}: recall of pairs", ten["recall"], "share", None, True),
    ]  # fmt: skip
    return [r | {"bar": None, "meets": None} for r in results] if small else results


def _measured(folder: Path, records: int, progress: Progress) -> dict[str, Any]:
    progress(f"making up {records:,} records ...")
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"people-{records}.parquet"
    in_a_process("resolve", "make", [str(path), str(records)])
    progress(f"resolving {records:,} records ...")
    found = in_a_process("resolve", "measure_standard", [str(path)])
    path.unlink()
    return found


_CHILD = """
import importlib, json, sys
from rapport.engines.splink_plain import equal_clusters, plain_clusters
from rapport.wiring import make_engine, make_linker
from rapport.workflows.bench_resolve import Lent
bench = importlib.import_module(f"rapport.workflows.bench_{sys.argv[1]}")
lent = Lent(make_engine, make_linker, plain_clusters, equal_clusters)
print(json.dumps(getattr(bench, sys.argv[2])(lent, *sys.argv[3:])))
"""


@dataclass(frozen=True)
class Lent:
    """What a process that measures is given: the engines of the commands, and those compared with."""

    make_engine: Callable[[], AbstractContextManager[Engine]]
    make_linker: MakeLinker
    plain_clusters: Callable[[pa.Table], np.ndarray]
    equal_clusters: Callable[[pa.Table, Sequence[str]], np.ndarray]


def in_a_process(bench: str, task: str, arguments: list[str]) -> dict[str, Any]:
    """Return what a function of `bench_X` tells, run in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _CHILD, bench, task, *arguments], check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.decode().strip().splitlines()[-1])
    return found


def make(lent: Lent, path: str, records: str) -> dict[str, Any]:
    """Make records up, standardise them, and write them with their truth; a million at a time."""
    writer = None
    for first in range(0, int(records), PIECE):
        made = make_people(PeopleWorld(min(PIECE, int(records) - first), seed=SEED + first // PIECE, first=first))
        standard = standardise(made.people, settings_of(EVEN, (), None))
        table = standard.append_column("truth", pa.array(made.entity + first))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return {}


def measure_standard(lent: Lent, path: str) -> dict[str, Any]:
    """Resolve standard records; return seconds, peak memory, quality."""
    table = pq.read_table(path)
    truth = table["truth"].to_numpy()
    standard = table.drop_columns(["truth"])
    keys = standard["record_key"].to_numpy()
    del table
    none = pa.table({f.name: pa.array([], f.type) for f in VERDICTS}, schema=VERDICTS)
    began = time.perf_counter()
    found = resolve(standard, none, EVEN, (), lent.make_linker, Silent())
    seconds = time.perf_counter() - began
    clusters = found.clusters["cluster"].to_numpy()[np.searchsorted(found.clusters["record_key"].to_numpy(), keys)]
    return {"seconds": seconds, "peak_gib": peak_gb() * 1e9 / 2**30, **quality(clusters, truth)}


def quality(clusters: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return the quality of clusters, by pairs and by whole customers."""
    pairs: Quality = pairwise(clusters, truth)
    whole = exact_clusters(clusters, truth)
    return {"precision": pairs.precision, "recall": pairs.recall, "f1": pairs.f1, "cluster_f1": whole.f1}


def result(name: str, label: str, value: float, unit: str, bar: float | None, at_least: bool) -> dict[str, Any]:
    """Return one measured figure, without comparator."""
    return {
        "name": name,
        "label": label,
        "value": float(f"{value:.5g}"),
        "unit": unit,
        "interval": None,
        "comparator": None,
        "comparator_value": None,
        "bar": bar,
        "meets": None if bar is None else bool(value >= bar if at_least else value <= bar),
    }
