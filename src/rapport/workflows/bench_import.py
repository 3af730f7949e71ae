"""Measure the import of a CSV file of purchases: rows a second with every check, memory, and how both grow.

Why it exists: imports of known tools crawl or grow with the file. What is measured is the production load, judged
rows, quarantine, keys and audit included, in a process of its own; beside it stand two readers that check nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rapport.program.model import Program

WHOLE, SMALL = (5_000_000, 10_000_000), (20_000, 40_000)
BAR_ROWS_PER_S = 200_000
FAULTY = 1_000
"""Every so many rows one has an amount that cannot be read."""
CUSTOMERS = 200_000
_BLOCK = 100_000

_CHILD = """
import json, resource, sys, time
from pathlib import Path
what, folder = sys.argv[1], Path(sys.argv[2])
began = time.perf_counter()
if what == "load":
    from rapport.program.model import Program
    from rapport.wiring import make_engine
    from rapport.workflows.bench_import import program_of
    from rapport.workflows.load import load_program
    out = folder / "loaded"
    out.mkdir(exist_ok=True)
    began = time.perf_counter()
    with make_engine() as engine:
        summary = load_program(program_of(), folder, engine, out)
    counts = [summary.sources[0].rows, summary.sources[0].kept]
elif what == "duckdb":
    import duckdb
    began = time.perf_counter()
    duckdb.connect(":memory:", config={"threads": 2}).execute(
        "COPY (SELECT * FROM read_csv(?, all_varchar = true)) TO '" + str(folder / "plain.parquet") + "'",
        [str(folder / "lines.csv")])
    counts = []
else:
    import pyarrow.csv
    began = time.perf_counter()
    for batch in pyarrow.csv.open_csv(folder / "lines.csv"):
        pass
    counts = []
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"seconds": seconds, "peak": peak, "counts": counts}))
"""


def program_of() -> Program:
    """Return the programme whose one source is read: nine columns, amounts, times, ids."""
    columns = {
        "customer_id": "customer",
        "basket_id": "basket",
        "product_id": "product",
        "at": "at",
        "sales": "sales",
        "quantity": "quantity",
        "discount": "discount",
        "store_id": "store",
    }
    return Program.model_validate(
        {
            "name": "import",
            "currency": "EUR",
            "timezone": "Europe/Berlin",
            "challenges": [{"name": "c", "text": "c"}],
            "goals": [
                {"name": "g", "challenge": "c", "measure": "active_share", "target_change": 0.1, "by": "2030-01-01"}
            ],
            "tiers": {"purpose": {"A": "a", "B": "b", "C": "c"}},
            "sources": [{"kind": "transactions", "path": "lines.csv", "columns": columns}],
            "margins": {"default": 0.3},
            "offers": {"query": "SELECT 1"},
            "lift": {"odds_ratio": 2.0, "low": 1.0, "high": 3.0, "why": "w"},
            "channels": [{"name": "mail", "goals": ["g"], "cost_per_contact": 0.1, "capacity": 1, "reach": 0.5}],
        }
    )


def bench_import(folder: Path, small: bool, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the measured figures of an import.

    Parameters
    ----------
    folder : Path
        Takes the made-up lines, about 650 MB for ten million.
    small : bool
        Forty thousand rows, in seconds; else ten million.
    progress : callable
        Told in a line what is being done.
    """
    half, whole = SMALL if small else WHOLE
    found: dict[int, dict[str, Any]] = {}
    for rows in (half, whole):
        progress(f"making up {rows:,} lines ...")
        place = folder / str(rows)
        place.mkdir(parents=True)
        _write_lines(place / "lines.csv", rows)
        progress(f"loading {rows:,} lines ...")
        found[rows] = _measured("load", place)
    progress("the same file by readers that check nothing ...")
    plain = {name: _measured(name, place) for name in ("duckdb", "pyarrow")}
    read, kept = found[whole]["counts"]
    if read != whole or kept != whole - whole // FAULTY:
        raise RuntimeError(f"{read:,} rows were read and {kept:,} kept of {whole:,}; the import is wrong")
    seconds, peak = found[whole]["seconds"], found[whole]["peak"]
    results = [
        _result("import_rows_per_s", f"CSV of {whole:,} purchases, checked and judged", whole / seconds, "rows/s")
        | {
            "comparator": "DuckDB, text to Parquet, nothing checked",
            "comparator_value": round(whole / plain["duckdb"]["seconds"]),
            "bar": BAR_ROWS_PER_S,
            "meets": whole / seconds >= BAR_ROWS_PER_S,
        },
        _result(
            "import_vs_arrow",
            "time over that of pyarrow merely reading",
            seconds / plain["pyarrow"]["seconds"],
            "ratio",
        )
        | {"comparator": "pyarrow.csv", "comparator_value": round(plain["pyarrow"]["seconds"], 3)},
        _result("import_peak_gib", f"peak memory, {whole:,} rows", peak, "GiB")
        | {"comparator": f"{half:,} rows", "comparator_value": round(found[half]["peak"], 3)},
        _result("import_growth", "twice the rows, time over time", seconds / found[half]["seconds"], "ratio"),
        _result("import_memory_growth", "twice the rows, peak over peak", peak / found[half]["peak"], "ratio"),
    ]
    return [r | {"bar": None, "meets": None} for r in results] if small else results


def _write_lines(path: Path, rows: int) -> None:
    """Write made-up purchases of `CUSTOMERS`; one in `FAULTY` has an amount that cannot be read."""
    with path.open("w", encoding="utf-8") as file:
        file.write("customer,basket,product,at,sales,quantity,discount,store\n")
        for first in range(0, rows, _BLOCK):
            n = np.arange(first, min(first + _BLOCK, rows))
            customer, product = (n * 7919) % CUSTOMERS, (n * 104_729) % 20_000
            day, clock = (n * 31) % 365, (n * 17) % 86_400
            lines = []
            columns = (n.tolist(), customer.tolist(), product.tolist(), day.tolist(), clock.tolist())
            for i, c, p, d, s in zip(*columns, strict=True):
                at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1_704_067_200 + d * 86_400 + s))
                sales = "n/a" if i % FAULTY == 0 else f"{(i % 9_973) / 100:.2f}"
                lines.append(f"K{c:08d},B{i // 4},P{p:05d},{at},{sales},{1 + i % 3},{(i % 5) / 10:.1f},S{i % 40}")
            file.write("\n".join(lines) + "\n")


def _measured(what: str, folder: Path) -> dict[str, Any]:
    """Return seconds, peak memory in GiB and counts of one import in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _CHILD, what, str(folder)], check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = json.loads(done.stdout.decode().strip().splitlines()[-1])
    return told


def _result(name: str, label: str, value: float, unit: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "value": float(f"{value:.4g}"),
        "unit": unit,
        "interval": None,
        "comparator": None,
        "comparator_value": None,
        "bar": None,
        "meets": None,
    }
