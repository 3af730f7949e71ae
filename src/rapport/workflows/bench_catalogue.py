"""Measure how fast a whole catalogue is scored for each customer, from disk to disk, beside a known library.

Why it exists: a time alone says little. The same factors go to `implicit` in the same run, the machine's own matrix
product is measured beside them, and time and memory are taken for one million customers and for two. What is
measured is `decide.catalogue_kernel` as a turn would call it: chunks of customers read, shortlists written.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import LookupFailed
from rapport.decide.catalogue_kernel import (
    CustomerFactors,
    OfferTerms,
    PreparedOffers,
    Shortlist,
    prepare,
    shortlist_prepared,
)
from rapport.simulate.catalogue import PlantedOffers, plant_customers, plant_offers

SEED = 20_260
SIZE = 20
ODDS_RATIO = 2.0
DIMENSIONS = 64
ROUNDS = 2
"""The library, ours and twice the customers are timed so many times in turn; the best of each is compared."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Extent:
    """How much is measured: customers, offers, customers in a chunk, customers for numpy."""

    customers: int
    offers: int
    chunk: int
    numpy_customers: int

    @property
    def chunks(self) -> int:
        """Return the chunks of `customers`; twice as many are planted."""
        return self.customers // self.chunk


WHOLE = Extent(1_000_000, 5_000, 50_000, 20_000)
SMALL = Extent(20_000, 500, 5_000, 5_000)


def bench_catalogue(folder: Path, small: bool, progress: Progress) -> list[dict[str, Any]]:
    """Return the measured figures of scoring a catalogue.

    Parameters
    ----------
    folder : Path
        Takes the planted data and the results; about 1.5 GB, 20 MB if small. Left as it is for the caller to delete.
    small : bool
        20,000 customers and 500 offers, in seconds, instead of a million (and two) and 5,000. Bars are for the whole.
    progress : callable
        Told in a line what is being done.

    Returns
    -------
    list of dict
        One result each: name, label, value, unit, interval, comparator, comparator_value, bar, meets.

    Raises
    ------
    LookupFailed
        The package `implicit` is not installed.
    """
    _demand_implicit()
    extent = SMALL if small else WHOLE
    progress(f"planting {2 * extent.customers:,} customers and {extent.offers:,} offers ...")
    plant(folder, extent)
    progress("compiling, in a process of its own ...")
    compile_s = _in_a_process(folder, "first_call_seconds", extent, fresh=True)
    progress("peak memory, in a process of its own ...")
    peak_gib = _in_a_process(folder, "peak_gib_of_scoring", extent, fresh=False)
    ours, theirs, double_s = _side_by_side(folder, extent, progress)
    progress("matrix product and numpy ...")
    sgemm = _sgemm_gflops(folder, extent)
    numpy_s = _numpy_seconds(folder, extent)
    seconds, inside = min(ours)
    work = 2.0 * extent.customers * extent.offers * DIMENSIONS / 1e9
    million = f"{extent.customers:,} customers x {extent.offers:,} offers x {DIMENSIONS} factors"
    library = f"implicit {importlib.import_module('implicit').__version__} recommend, top {SIZE}"
    results = [
        _result("catalogue_1m_s", f"{million} to a priced top {SIZE}, disk to disk", seconds, "s", 30.0),
        _result(
            "catalogue_vs_implicit",
            "the same, time over that of the library (in memory)",
            seconds / theirs,
            "ratio",
            2.5,
        ),
        _result("catalogue_peak_gib", "peak memory of a process that does it", peak_gib, "GiB", 4.0),
        _result("catalogue_compile_s", "compiling, once per installation", compile_s, "s", None),
        _result(
            "catalogue_gflops",
            f"products over time in the loop, {work / inside / sgemm:.0%} of the machine's own matrix product",
            work / inside,
            "GFLOP/s",
            None,
        ),
        _result("catalogue_growth_2m", "twice the customers, time over time", double_s / seconds, "ratio", 2.2),
        _result(
            "catalogue_numpy_s_per_1m",
            f"numpy product and argpartition, {extent.numpy_customers:,} customers scaled to a million",
            numpy_s * 1_000_000 / extent.numpy_customers,
            "s",
            None,
        ),
    ]
    results[1] |= {"comparator": library, "comparator_value": round(theirs, 3)}
    results[4] |= {"comparator": "numpy sgemm, all cores", "comparator_value": round(sgemm, 1)}
    results[5] |= {"comparator": "the first figure", "comparator_value": round(seconds, 3)}
    return [_without_bar(r) for r in results] if small else results


def plant(folder: Path, extent: Extent) -> None:
    """Write the offers and twice the customers of an extent to `folder`, one .npy file per column and chunk."""
    offers = plant_offers(extent.offers, DIMENSIONS, SEED)
    _save(folder / "offers", offers)
    for chunk in range(2 * extent.chunks):
        customers = plant_customers(chunk, extent.chunk, extent.offers, DIMENSIONS, SEED)
        _save(folder / f"customers-{chunk:04d}", customers)


def score_from_disk(folder: Path, chunks: int) -> tuple[float, float]:
    """Score the first chunks from disk to disk; return the seconds of it all and those inside the kernel."""
    began, inside = time.perf_counter(), 0.0
    prepared = _prepared(folder)
    for chunk in range(chunks):
        customers = _customers(folder, chunk)
        entered = time.perf_counter()
        result = shortlist_prepared(customers, prepared, SIZE)
        inside += time.perf_counter() - entered
        _save(folder / f"shortlist-{chunk:04d}", result)
    return time.perf_counter() - began, inside


def first_call_seconds(folder: Path, chunks: int) -> float:
    """Return what the first call takes longer than the second, for one customer: compiling, or loading it."""
    prepared, customers = _prepared(folder), _customers(folder, 0)
    one = CustomerFactors(
        factors=customers.factors[:1],
        personal_start=np.zeros(2, dtype=np.int64),
        personal_offer=customers.personal_offer[:0],
        personal_logit=customers.personal_logit[:0],
        rule_bits=customers.rule_bits[:1],
        charge_class=customers.charge_class[:1],
    )
    took = []
    for _ in range(2):
        began = time.perf_counter()
        shortlist_prepared(one, prepared, SIZE)
        took.append(time.perf_counter() - began)
    return took[0] - took[1]


def peak_gib_of_scoring(folder: Path, chunks: int) -> float:
    """Score the chunks and return the peak memory of this process in GiB."""
    score_from_disk(folder, chunks)
    status = Path("/proc/self/status")
    if status.exists():
        # The kernel's own mark of this process; getrusage would carry over the peak of the one that started it.
        line = next(li for li in status.read_text(encoding="ascii").splitlines() if li.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def _in_a_process(folder: Path, measure: str, extent: Extent, fresh: bool) -> float:
    """Return what a function of this module measures in a new process, with nothing compiled if `fresh`."""
    code = (
        "import json, sys; from pathlib import Path; from rapport.workflows import bench_catalogue as b; "
        f"print(json.dumps(b.{measure}(Path(sys.argv[1]), int(sys.argv[2]))))"
    )
    place = {"NUMBA_CACHE_DIR": tempfile.mkdtemp(dir=folder)} if fresh else {}
    command = [sys.executable, "-c", code, str(folder), str(extent.chunks)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | place)
    return float(json.loads(done.stdout))


def _side_by_side(folder: Path, extent: Extent, progress: Progress) -> tuple[list[tuple[float, float]], float, float]:
    """Return the seconds of each round of ours, the best of the library's and the best of twice the customers."""
    first_call_seconds(folder, 1)
    _implicit_seconds(folder, 1)
    ours, theirs, double = [], [], []
    for turn in range(ROUNDS):
        progress(
            f"{extent.customers:,} customers, the same by implicit, and twice as many: {turn + 1} of {ROUNDS} ..."
        )
        theirs.append(_implicit_seconds(folder, extent.chunks))
        ours.append(score_from_disk(folder, extent.chunks))
        double.append(score_from_disk(folder, 2 * extent.chunks)[0])
    return ours, min(theirs), min(double)


def _implicit_seconds(folder: Path, chunks: int) -> float:
    """Return the seconds that implicit's `recommend` takes for the chunks, without reading or writing.

    One thread for the matrix product and one per core for the batches: what its documentation asks for, and the
    fastest of the settings tried.
    """
    als = importlib.import_module("implicit.cpu.als")
    limits = importlib.import_module("threadpoolctl").threadpool_limits
    seconds = 0.0
    with limits(1, user_api="blas"):
        model = als.AlternatingLeastSquares(factors=DIMENSIONS, num_threads=os.cpu_count() or 1)
        model.item_factors = np.load(folder / "offers" / "factors.npy")
        for chunk in range(chunks):
            model.user_factors = np.load(folder / f"customers-{chunk:04d}" / "factors.npy")
            users = np.arange(len(model.user_factors))
            began = time.perf_counter()
            model.recommend(users, None, N=SIZE, filter_already_liked_items=False)
            seconds += time.perf_counter() - began
    return seconds


def _sgemm_gflops(folder: Path, extent: Extent) -> float:
    """Return the rate of numpy's own product of the same factors, the best of five."""
    customers = np.load(folder / "customers-0000" / "factors.npy")[:5_000]
    offers = np.ascontiguousarray(np.load(folder / "offers" / "factors.npy").T)
    product = np.empty((len(customers), offers.shape[1]), dtype=np.float32)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        np.matmul(customers, offers, out=product)
        took.append(time.perf_counter() - began)
    return float(2.0 * product.size * DIMENSIONS / min(took) / 1e9)


def _numpy_seconds(folder: Path, extent: Extent) -> float:
    """Return the seconds of product and argpartition, batches of a thousand, no prices and no rules."""
    customers = np.load(folder / "customers-0000" / "factors.npy")[: extent.numpy_customers]
    offers = np.ascontiguousarray(np.load(folder / "offers" / "factors.npy").T)
    began = time.perf_counter()
    for start in range(0, len(customers), 1_000):
        scores = customers[start : start + 1_000] @ offers
        best = np.argpartition(-scores, SIZE, axis=1)[:, :SIZE]
        np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1), axis=1)
    return time.perf_counter() - began


def _prepared(folder: Path) -> PreparedOffers:
    columns = _load(folder / "offers", [f.name for f in fields(PlantedOffers)])
    charge = columns.pop("charge")
    return prepare(OfferTerms(**columns), ODDS_RATIO, charge)


def _customers(folder: Path, chunk: int) -> CustomerFactors:
    return CustomerFactors(**_load(folder / f"customers-{chunk:04d}", [f.name for f in fields(CustomerFactors)]))


def _save(place: Path, record: Any) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for field in fields(record):
        np.save(place / f"{field.name}.npy", getattr(record, field.name))


def _load(place: Path, names: list[str]) -> dict[str, NDArray[Any]]:
    return {name: np.load(place / f"{name}.npy") for name in names}


def load_shortlist(folder: Path, chunk: int) -> Shortlist:
    """Return the shortlist of a chunk as it was written."""
    return Shortlist(**_load(folder / f"shortlist-{chunk:04d}", [f.name for f in fields(Shortlist)]))


def _demand_implicit() -> None:
    if importlib.util.find_spec("implicit") is None:
        raise LookupFailed(
            "bench catalogue: the comparator is not installed - implicit; must be the package implicit, 0.7.2 or "
            "later. Install it with `pip install implicit` and run the bench again."
        )


def _result(name: str, label: str, value: float, unit: str, bar: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "value": round(value, 3),
        "unit": unit,
        "interval": None,
        "comparator": None,
        "comparator_value": None,
        "bar": bar,
        "meets": None if bar is None else value <= bar,
    }


def _without_bar(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result of the small extent: the bars are for the whole one."""
    return result | {"bar": None, "meets": None}
