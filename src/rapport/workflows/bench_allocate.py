"""Measures allocation: how near the best, how fast, how much memory, beside greedy choice and beside HiGHS.

Why it exists: every figure that is claimed comes out of here, in the one shape of measured figures. Each instance is
written to disk first and solved in a fresh process, so that peak memory is that of the work alone. Instances are made
up and seeded; the counting of broken limits is done from the instance, not by what chose the plan.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rapport.core.errors import RapportError
from rapport.simulate.instance_record import Instance, used_by_plan
from rapport.simulate.instances import INFEASIBLE, make_instance
from rapport.workflows.instance_files import read_instance, write_instance

FAMILIES = (
    "slack",
    "tight",
    "hierarchical",
    "at_least",
    "lumpy",
    "fixed_cost",
    "heavy_tailed",
    "correlated",
    "many_limits",
    "mixed",
    "kinds",
)
"""Families that the bar of a thousandth is about; `ties` has its own, and `crossing` a bound that is not tight."""

TOLERANCE = 1e-9
_CHILD = "import sys; from rapport.workflows.bench_allocate import child; child(sys.argv[1])"


@dataclass(frozen=True)
class _Sizes:
    large: int
    larger: int
    compared: int
    families: tuple[int, ...]
    candidates: int
    offers: int
    barred: bool
    """Bars are about the full sizes; a small run shows figures only."""


_FULL = _Sizes(1_000_000, 2_000_000, 50_000, (2_000, 50_000), 20, 1000, True)
_SMALL = _Sizes(2_000, 4_000, 500, (200,), 8, 40, False)


def child(told: str) -> None:
    """Measure in this process and print the results; `told` is JSON with the paths of instances and the task."""
    task = json.loads(told)
    measure = {"solve": _solve, "highs": _highs}[task["task"]]
    sys.stdout.write(json.dumps([{**measure(Path(path)), "peak_gib": _peak_gib()} for path in task["paths"]]))


def _peak_gib() -> float:
    """Return the most memory that this process has held."""
    status = Path("/proc/self/status")
    if status.exists():
        # The other figure counts what the parent held when it started this process.
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@cache
def _warm_up() -> float:
    """Solve tiny instances so that every loop is compiled; return how long it took."""
    from rapport.workflows.allocate_instance import allocate_instance

    began = time.perf_counter()
    for family in ("mixed", "tight", "infeasible_lp"):
        allocate_instance(make_instance(family, 30, candidates=5, seed=1))
    return time.perf_counter() - began


def _solve(path: Path) -> dict[str, Any]:
    from rapport.workflows.allocate_instance import allocate_instance

    began = time.perf_counter()
    instance = read_instance(path)
    read = time.perf_counter() - began
    compiled = _warm_up()
    began, began_cpu = time.perf_counter(), time.process_time()
    done = allocate_instance(instance)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    said = done.summary
    used = used_by_plan(instance, done.channel, done.rows[done.rows >= 0])
    told = {k: said[k] for k in ("value", "bound", "gap", "met", "greedy_value", "passes", "stopped_by_time")}
    return {
        **told,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "read_seconds": read,
        "compile_seconds": compiled,
        "broken": broken_limits(instance, used),
        "conflicts": len(said["conflicts"]),
    }


def broken_limits(instance: Instance, used: np.ndarray[Any, np.dtype[np.float64]]) -> int:
    """Return how many limits are broken by more than a billionth of their bound."""
    bound = np.array([x.bound for x in instance.limits])
    least = np.array([x.at_least for x in instance.limits], dtype=bool)
    over = np.where(least, bound - used, used - bound)
    return int(np.count_nonzero(over > TOLERANCE * np.maximum(1.0, bound)))


def _highs(path: Path) -> dict[str, Any]:
    """Solve the linear relaxation of an instance of one free channel by interior point, crossover off.

    With one channel that costs nothing and no rule within a message, each customer's part is 0 <= x <= 1 and
    sum x <= size.
    """
    try:
        import highspy
    except ImportError as missing:
        raise RapportError(
            "bench: the package highspy is not installed - it is the comparator; install it: pip install highspy."
        ) from missing
    from scipy import sparse

    instance = read_instance(path)
    rows, n = instance.candidates, len(instance.customers)
    m = len(rows.value)
    at = np.arange(m)
    stocks = np.array([x.offers[0] if isinstance(x.offers, tuple) else -1 for x in instance.limits])
    row_of_offer = np.full(len(instance.offers), -1)
    row_of_offer[stocks[stocks >= 0]] = np.flatnonzero(stocks >= 0)
    stocked = row_of_offer[rows.offer] >= 0
    parts = [(rows.customer.astype(np.int64), at, np.ones(m))]
    parts.append((n + row_of_offer[rows.offer][stocked], at[stocked], np.ones(int(stocked.sum()))))
    parts += [(np.full(m, n + k), at, rows.amounts[instance.limits[k].counts]) for k in np.flatnonzero(stocks < 0)]
    row, column, use = (np.concatenate([p[k] for p in parts]) for k in range(3))
    matrix = sparse.csc_matrix((use, (row, column)), shape=(n + len(instance.limits), m))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = m, matrix.shape[0]
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = rows.value, np.zeros(m), np.ones(m)
    lp.row_lower_ = np.full(matrix.shape[0], -np.inf)
    lp.row_upper_ = np.concatenate([np.full(n, float(instance.size)), [x.bound for x in instance.limits]])
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    untyped: Any = highspy
    highs = untyped.Highs()
    highs.silent()
    highs.setOptionValue("solver", "ipm")
    highs.setOptionValue("run_crossover", "off")
    highs.passModel(lp)
    began = time.perf_counter()
    highs.run()
    seconds = time.perf_counter() - began
    status = highs.modelStatusToString(highs.getModelStatus())
    return {"seconds": seconds, "value": highs.getInfo().objective_function_value, "status": status}


def bench_allocate(folder: Path, small: bool, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure allocation and return the figures in the one shape.

    Parameters
    ----------
    folder : Path
        Where instances are written; it must exist. Instances are removed when they have been measured.
    small : bool
        The same code on small instances, in seconds; without bars, which are about the full sizes.
    progress : callable
        Told what is measured next.

    Raises
    ------
    RapportError
        A process that measures failed, or a comparator is not installed.
    """
    bench = _Bench(folder, _SMALL if small else _FULL, progress)
    large, larger, families = bench.large(), bench.larger(), bench.families()
    compared, highs = bench.compared()
    every = [large, larger, compared, *families.values()]
    return [
        *_large_rows(bench, large, larger),
        bench.row(
            "allocate_violations",
            f"limits broken over {len(every)} instances, counted again from the plans",
            sum(x["broken"] for x in every),
            "limits",
            bar=0.0,
        ),
        *_highs_rows(bench, compared, highs),
        *_family_rows(bench, families),
        *bench.conflicts(),
    ]


class _Bench:
    """Makes instances, has them solved in processes of their own, and words the figures."""

    def __init__(self, folder: Path, sizes: _Sizes, progress: Callable[[str], None]) -> None:
        self._folder, self.sizes, self._progress = folder, sizes, progress

    def row(
        self, name: str, label: str, value: float, unit: str, *, bar: float | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return one figure; `comparator` names what stands beside it, with `comparator_value`."""
        bar = bar if self.sizes.barred else None
        at_least = bool(more.pop("at_least", False))
        return {
            "name": name,
            "label": label,
            "value": float(f"{value:.4g}"),
            "unit": unit,
            "interval": None,
            "comparator": None,
            "comparator_value": None,
            **more,
            "bar": bar,
            "meets": None if bar is None else bool(value >= bar if at_least else value <= bar),
        }

    def _write(self, family: str, customers: int) -> Path:
        s = self.sizes
        path = self._folder / f"{family}-{customers}.npz"
        path.unlink(missing_ok=True)
        offers = s.offers if family == "many_limits" else None
        write_instance(make_instance(family, customers, s.candidates, offers, seed=1), path)
        return path

    def _child(self, task: str, paths: list[Path]) -> list[dict[str, Any]]:
        env = dict(os.environ)
        if self.sizes.barred:
            # A cache of its own: the first process compiles, as after an installation, the others find it done.
            env["NUMBA_CACHE_DIR"] = str(self._folder / "compiled")
        told = json.dumps({"task": task, "paths": [str(path) for path in paths]})
        ran = subprocess.run(
            [sys.executable, "-c", _CHILD, told], capture_output=True, text=True, env=env, check=False
        )
        if ran.returncode:
            raise RapportError(f"bench: {task} of {paths[0].name} failed - {ran.stderr.strip()[-500:]}; see above.")
        said: list[dict[str, Any]] = json.loads(ran.stdout)
        return said

    def solve(self, family: str, customers: int) -> dict[str, Any]:
        """Solve one instance in a fresh process and remove it."""
        self._progress(f"{family}, {customers:,} customers")
        path = self._write(family, customers)
        said = self._child("solve", [path])[0]
        path.unlink()
        return said

    def large(self) -> dict[str, Any]:
        """Solve the large instance."""
        return self.solve("many_limits", self.sizes.large)

    def larger(self) -> dict[str, Any]:
        """Solve an instance of twice as many customers."""
        return self.solve("many_limits", self.sizes.larger)

    def compared(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Solve one instance twice: here and by HiGHS."""
        self._progress(f"many_limits, {self.sizes.compared:,} customers, beside HiGHS")
        path = self._write("many_limits", self.sizes.compared)
        both = self._child("solve", [path])[0], self._child("highs", [path])[0]
        path.unlink()
        return both

    def families(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Solve every family in every size, those of one size in one process."""
        return self._group((*FAMILIES, "ties", "crossing"))

    def _group(self, names: tuple[str, ...]) -> dict[tuple[str, int], dict[str, Any]]:
        found: dict[tuple[str, int], dict[str, Any]] = {}
        for n in self.sizes.families:
            self._progress(f"{', '.join(names)}: {n:,} customers each")
            paths = [self._write(family, n) for family in names]
            for family, said in zip(names, self._child("solve", paths), strict=True):
                found[family, n] = said
            for path in paths:
                path.unlink()
        return found

    def conflicts(self) -> list[dict[str, Any]]:
        """Return in how many of the instances that cannot be met this is noticed and reported."""
        told = self._group(INFEASIBLE).values()
        noticed = sum(not x["met"] and x["conflicts"] > 0 for x in told) / len(told)
        label = f"instances that cannot be met whose conflict is reported, of {len(told)}"
        return [self.row("allocate_conflicts_reported", label, noticed, "share", bar=1.0, at_least=True)]


def _short(said: dict[str, Any]) -> float:
    """Return by what share of the bound greedy choice falls short."""
    bound = float(said["bound"])
    return (bound - float(said["greedy_value"])) / bound if bound else 0.0


def _large_rows(bench: _Bench, large: dict[str, Any], larger: dict[str, Any]) -> list[dict[str, Any]]:
    s = bench.sizes
    what = f"{s.large:,} customers x {s.candidates} candidates, {s.offers + 1:,} limits"
    twice = f"{s.larger:,} customers"
    return [
        bench.row(
            "allocate_1m_gap",
            f"{what}: what the plan may fall short of the best",
            large["gap"],
            "share of bound",
            bar=0.001,
            comparator="greedy by value",
            comparator_value=float(f"{_short(large):.4g}"),
        ),
        bench.row("allocate_1m_s", f"{what}: from arrays in memory to the plan", large["seconds"], "s", bar=30.0),
        bench.row(
            "allocate_1m_peak_gib", f"{what}: peak memory, reading included", large["peak_gib"], "GiB", bar=4.0
        ),
        bench.row("allocate_1m_read_s", f"{what}: reading and checking the file", large["read_seconds"], "s"),
        bench.row("allocate_1m_passes", f"{what}: passes over all customers", large["passes"], "passes"),
        bench.row(
            "allocate_growth_2m",
            f"time for {twice} as a multiple of that for {s.large:,}",
            larger["seconds"] / large["seconds"],
            "ratio",
            bar=2.2,
        ),
        bench.row("allocate_2m_gap", f"{twice}: what the plan may fall short of the best", larger["gap"], "share"),
        bench.row("allocate_2m_peak_gib", f"{twice}: peak memory, reading included", larger["peak_gib"], "GiB"),
        bench.row(
            "allocate_compile_s",
            "compiling all loops, once after installation: tiny instances in a fresh process",
            large["compile_seconds"],
            "s",
        ),
    ]


def _highs_rows(bench: _Bench, ours: dict[str, Any], highs: dict[str, Any]) -> list[dict[str, Any]]:
    what = f"{bench.sizes.compared:,} customers"
    short = (highs["value"] - ours["value"]) / highs["value"]
    by = "HiGHS interior point, crossover off"
    return [
        bench.row(
            "allocate_50k_vs_highs",
            f"{what}: plan below the optimum in fractions ({highs['status']})",
            short,
            "share of optimum",
            bar=0.001,
            comparator=f"optimum by {by}",
            comparator_value=float(f"{highs['value']:.8g}"),
        ),
        bench.row(
            "allocate_speedup_highs",
            f"{what}: seconds of {by}, over ours to a whole plan with its bound ({ours['seconds']:.2f} s)",
            highs["seconds"] / ours["seconds"],
            "ratio",
            bar=20.0,
            at_least=True,
            comparator=f"{by}, seconds",
            comparator_value=float(f"{highs['seconds']:.4g}"),
        ),
    ]


def _family_rows(bench: _Bench, families: dict[tuple[str, int], dict[str, Any]]) -> list[dict[str, Any]]:
    barred = {key: x["gap"] for key, x in families.items() if key[0] in FAMILIES}
    ties = {key: x["gap"] for key, x in families.items() if key[0] == "ties"}
    slowest = {key: x["seconds"] for key, x in families.items()}
    rows = []
    for name, label, values, unit, bar in (
        ("allocate_families_worst", "worst gap over families", barred, "share of bound", 0.001),
        ("allocate_families_ties", "worst gap where values are small whole numbers", ties, "share of bound", 0.01),
        ("allocate_families_slowest_s", "slowest family", slowest, "s", None),
    ):
        worst = max(values, key=lambda key: float(values[key]))
        where = f"{worst[0]}, {worst[1]:,} customers"
        rows.append(bench.row(name, f"{label}: {where}", values[worst], unit, bar=bar))
    for (family, n), x in families.items():
        rows.append(
            bench.row(
                f"allocate_{family}_{n}_gap",
                f"{family.replace('_', ' ')}, {n:,} customers: gap",
                x["gap"],
                "share of bound",
                comparator="greedy by value",
                comparator_value=float(f"{_short(x):.4g}"),
            )
        )
    return rows
