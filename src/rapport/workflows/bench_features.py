"""Measure what it takes to know a million customers: a hundred million purchase lines to states and shortlists.

Why it exists: whatever is measured on a few thousand customers may not hold for a million. The lines are made up with
planted structure; what is measured is the production code, from the tables that a load leaves to the last shortlist
on disk, in a process of its own with a bound on its memory. Beside it stand the time in which the engine merely reads
the same columns, and a known library on the same counts.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from rapport.core.errors import LookupFailed
from rapport.decide.catalogue_kernel import PreparedOffers, prepare, shortlist_prepared
from rapport.differentiate.factors import FactorModel, FactorSettings
from rapport.differentiate.factors_counts import PairCounts
from rapport.program.model import Margins
from rapport.simulate.transactions import ShopWorld
from rapport.workflows.many_features import (
    Many,
    customer_factors,
    fit_many,
    key_ranges,
    make_purchases_of,
    offer_terms,
    open_items,
    read_counts,
    read_states,
)
from rapport.workflows.ports import Engine, Silent
from rapport.workflows.simulate_transactions import FIRST_DAY, item_names, plant_loaded
from rapport.workflows.state import open_tables

SEED = 20_261
SIZE = 20
ODDS_RATIO = 4.0
ENGINE_MEMORY = "3500MB"
"""What the engine may hold; the rest of the process holds the counts of one range of keys."""
BYTES_A_LINE = 25
"""On disk, with room for what the engine spills."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Extent:
    """How much is measured: customers, products (two an item) and purchase lines of each customer."""

    customers: int
    products: int
    lines_each: float = 100.0

    @property
    def world(self) -> ShopWorld:
        """Return the shop of this extent."""
        return ShopWorld(self.customers, self.products, self.lines_each, seed=SEED)


WHOLE = (Extent(1_000_000, 10_000), Extent(500_000, 10_000), Extent(250_000, 10_000))
SMALL = (Extent(4_000, 200, 60.0), Extent(2_000, 200, 60.0), Extent(1_000, 200, 60.0))
"""The whole, and half and a quarter of it for growth; the quarter goes to the library too."""


def bench_features(folder: Path, small: bool, progress: Progress) -> list[dict[str, Any]]:
    """Return the measured figures of states, features, fit and shortlists.

    Parameters
    ----------
    folder : Path
        Takes the made-up lines, about 1 GB, and what the engine spills; each extent is deleted once measured.
    small : bool
        4,000 customers, 100 offers and 240,000 lines, in seconds; else a million, 5,000 and a hundred million.
    progress : callable
        Told in a line what is being done.

    Returns
    -------
    list of dict
        One result each: name, label, value, unit, interval, comparator, comparator_value, bar, meets.

    Raises
    ------
    LookupFailed
        The package `implicit` is not installed, or the disk has too little room.
    """
    _demand_implicit()
    whole, half, quarter = SMALL if small else WHOLE
    _demand_room(folder, whole)
    progress("compiling ...")
    _measured(folder / "warm", Extent(300, 40), progress=lambda _: None)
    less = _measured(folder / "quarter", quarter, progress, library=True)
    more = _measured(folder / "half", half, progress)
    most = _measured(folder / "whole", whole, progress)
    results = _results(whole, most, more, less)
    return [r | {"bar": None, "meets": None} for r in results] if small else results


def _results(whole: Extent, most: dict[str, Any], more: dict[str, Any], less: dict[str, Any]) -> list[dict[str, Any]]:
    seconds = most["seconds"]
    total, growth = sum(seconds.values()), sum(more["seconds"].values()) / sum(less["seconds"].values())
    ours = sum(less["seconds"][k] for k in ("learn", "features", "shortlist"))
    about = f"{whole.customers:,} customers x {whole.products // 2:,} offers, {most['lines']:,} purchase lines"
    version = importlib.import_module("implicit").__version__
    return [
        _result("features_100m_s", f"{about}, tables to states and a top {SIZE}, disk to disk", total, "s", 600.0)
        | {"comparator": "the engine reading the same columns", "comparator_value": round(most["scan"], 3)},
        _result("features_100m_gb", "peak memory of the process that does it", most["peak_gb"], "GB", 8.0),
        *(
            _result(f"features_100m_{step}_s", f"of it {_STEPS[step]}", spent, "s", None)
            for step, spent in seconds.items()
        ),
        _result("features_growth", "half of it over a quarter of it, time over time", growth, "ratio", 2.2)
        | {"comparator": "seconds of the quarter", "comparator_value": round(sum(less["seconds"].values()), 3)},
        _result(
            "features_vs_implicit",
            "learning, features and shortlists of the quarter, time over that of the library on the same counts",
            ours / less["library"],
            "ratio",
            None,
        )
        | {
            "comparator": f"implicit {version}: AlternatingLeastSquares, 32 factors, 15 iterations, recommend {SIZE}",
            "comparator_value": round(less["library"], 3),
        },
        _result(
            "features_calibration_repeat",
            "expected calibration error, bought before, held-out customers",
            most["repeat"],
            "share",
            0.01,
        ),
        _result(
            "features_calibration_explore",
            "expected calibration error, never bought, held-out customers",
            most["explore"],
            "share",
            0.01,
        ),
    ]  # fmt: skip


_STEPS = {
    "open": "opening the tables",
    "learn": "item factors and weights, from a sample",
    "purchases": "lines of a range of keys with item and margin",
    "states": "rows of state",
    "counts": "counts of pairs",
    "features": "customers' factors and personal terms",
    "shortlist": "scoring all offers",
    "write": "writing states and shortlists",
}


def _measured(folder: Path, extent: Extent, progress: Progress, library: bool = False) -> dict[str, Any]:
    """Make up an extent, measure it in a process of its own, delete it; return what was measured."""
    progress(f"making up about {extent.customers * extent.lines_each:,.0f} lines ...")
    made = plant_loaded(extent.world, folder / "loaded", lambda _: None)
    progress(f"{made.lines:,} lines to states and shortlists ...")
    found = _in_a_process("measure", folder, extent)
    found["lines"] = made.lines
    found["scan"] = _in_a_process("scan", folder, extent)["scan"]
    if library:
        progress("the same counts by implicit ...")
        _in_a_process("save_counts", folder, extent)
        found["library"] = _in_a_process("library", folder, extent)["library"]
    shutil.rmtree(folder)
    return found


_CHILD = """
import json, sys
from pathlib import Path
from rapport.wiring import make_large_engine
from rapport.workflows import bench_features as bench
task, folder, extent = sys.argv[1], Path(sys.argv[2]), bench.Extent(**json.loads(sys.argv[3]))
engine = make_large_engine(folder / "spill", bench.ENGINE_MEMORY, bench.cores())
print(json.dumps(getattr(bench, task)(folder, extent, engine)))
"""


def _in_a_process(task: str, folder: Path, extent: Extent) -> dict[str, Any]:
    told = [sys.executable, "-c", _CHILD, task, str(folder), json.dumps(asdict(extent))]
    done = subprocess.run(told, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cores() -> int:
    """Return how many cores this process may use, as numba is told too."""
    return min(len(os.sched_getaffinity(0)), int(os.environ.get("NUMBA_NUM_THREADS", "64")))


def measure(folder: Path, extent: Extent, opened: AbstractContextManager[Engine]) -> dict[str, Any]:
    """Do it all once in this process; return seconds of each step, peak memory and held-out calibration errors."""
    spent = dict.fromkeys(_STEPS, 0.0)
    clock = _Clock(spent)
    (folder / "out").mkdir(exist_ok=True)
    with opened as engine:
        many = _many(engine, folder, extent)
        clock.lap("open")
        model = fit_many(many, Silent())
        prepared = _prepared(model)
        clock.lap("learn")
        for number, keys in enumerate(key_ranges(_lines(engine))):
            make_purchases_of(many, keys)
            clock.lap("purchases")
            states = read_states(many, keys)
            clock.lap("states")
            counts = read_counts(many, np.ascontiguousarray(states["customer_key"].to_numpy()), many.as_of, keys)
            clock.lap("counts")
            customers = customer_factors(model, counts)
            clock.lap("features")
            best = shortlist_prepared(customers, prepared, SIZE)
            clock.lap("shortlist")
            pq.write_table(states, folder / "out" / f"states-{number:03d}.parquet", compression="zstd")
            np.savez(folder / "out" / f"shortlist-{number:03d}.npz", **vars(best))
            clock.lap("write")
    return {
        "seconds": spent,
        "peak_gb": peak_gb(),
        "repeat": _known(model.repeat.calibration_error),
        "explore": _known(model.explore.calibration_error),
    }


def scan(folder: Path, extent: Extent, opened: AbstractContextManager[Engine]) -> dict[str, Any]:
    """Read the columns that are needed of every line, and do nothing with them; return the seconds."""
    with opened as engine:
        engine.register_parquet("transactions", folder / "loaded" / "transactions.parquet")
        began = time.perf_counter()
        # Sums, because the largest and the smallest stand in the file's own statistics.
        engine.query(
            "SELECT sum(customer_key % 2), sum(length(basket_id)), sum(length(product_id)), "
            "sum(day - DATE '2000-01-01'), sum(sales_micros), sum(discount_micros), sum(coupon_micros) "
            "FROM transactions"
        )
        return {"scan": time.perf_counter() - began}


def save_counts(folder: Path, extent: Extent, opened: AbstractContextManager[Engine]) -> dict[str, Any]:
    """Write the counts of all customers as a sparse matrix, for the library."""
    parts: list[PairCounts] = []
    with opened as engine:
        many = _many(engine, folder, extent)
        for keys in key_ranges(_lines(engine)):
            make_purchases_of(many, keys)
            states = read_states(many, keys)
            parts.append(read_counts(many, states["customer_key"].to_numpy(), many.as_of, keys))
    size = np.concatenate([np.diff(p.start) for p in parts])
    np.savez(
        folder / "counts.npz",
        start=np.concatenate([[0], np.cumsum(size)]),
        item=np.concatenate([p.item for p in parts]),
        days=np.concatenate([p.days for p in parts]),
    )
    return {}


def library(folder: Path, extent: Extent, opened: AbstractContextManager[Engine]) -> dict[str, Any]:
    """Fit implicit's factors on the counts of all customers and recommend to all; return the seconds.

    One thread for the matrix library and one a core for the batches: what its documentation asks for.
    """
    from scipy.sparse import csr_matrix

    als = importlib.import_module("implicit.cpu.als")
    limits = importlib.import_module("threadpoolctl").threadpool_limits
    with np.load(folder / "counts.npz") as held, limits(1, user_api="blas"):
        shape = (len(held["start"]) - 1, extent.world.items)
        counts = csr_matrix((held["days"].astype(np.float32), held["item"], held["start"]), shape=shape)
        began = time.perf_counter()
        model = als.AlternatingLeastSquares(factors=32, num_threads=cores())
        model.fit(counts, show_progress=False)
        for start in range(0, shape[0], 50_000):
            users = np.arange(start, min(start + 50_000, shape[0]))
            model.recommend(users, counts[users], N=min(SIZE, shape[1]), filter_already_liked_items=False)
        return {"library": time.perf_counter() - began}


class _Clock:
    """Adds the time since the last lap to a step."""

    def __init__(self, spent: dict[str, float]) -> None:
        self._spent, self._last = spent, time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self._spent[step] += now - self._last
        self._last = now


def _many(engine: Engine, folder: Path, extent: Extent) -> Many:
    open_tables(engine, folder / "loaded")
    as_of: date = FIRST_DAY + timedelta(days=extent.world.days)
    many = Many(engine, Margins(default=0.3), as_of, tuple(item_names(extent.world)), FactorSettings())
    open_items(many)
    return many


def _lines(engine: Engine) -> int:
    return int(engine.query("SELECT count(*) AS n FROM transactions")["n"][0].as_py())


def _prepared(model: FactorModel) -> PreparedOffers:
    j = len(model.items.popular)
    offers = offer_terms(model, np.full(j, 3_000_000), np.full(j, 0.30), np.full(j, 0.15))
    return prepare(offers, ODDS_RATIO, np.zeros((1, j)))


def peak_gb() -> float:
    """Return the most memory that this process has held, in units of 10^9 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # The kernel's own mark of this process; getrusage would carry over the peak of the one that started it.
        line = next(li for li in status.read_text(encoding="ascii").splitlines() if li.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e9
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def _known(value: float) -> float:
    """Return a figure that can be written as JSON; 1 where nothing was held out to measure it on."""
    return value if np.isfinite(value) else 1.0


def _demand_implicit() -> None:
    if importlib.util.find_spec("implicit") is None:
        raise LookupFailed(
            "bench features: the comparator is not installed - implicit; must be the package implicit, 0.7.2 or "
            "later. Install it with `pip install implicit` and run the bench again."
        )


def _demand_room(folder: Path, extent: Extent) -> None:
    needed = int(extent.customers * extent.lines_each * BYTES_A_LINE)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise LookupFailed(
            f"bench features: too little room on disk - {free / 1e9:.1f} GB in {folder}; must be at least "
            f"{needed / 1e9:.1f} GB. Set TMPDIR to a folder with more, or take --small."
        )


def _result(name: str, label: str, value: float, unit: str, bar: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "value": float(f"{value:.4g}"),
        "unit": unit,
        "interval": None,
        "comparator": None,
        "comparator_value": None,
        "bar": bar,
        "meets": None if bar is None else bool(value <= bar),
    }
