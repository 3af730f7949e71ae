"""Measure a whole planning stage: a crowd on disk to decisions on disk, under a thousand shared limits.

Why it exists: the speed of the parts says little about the whole. The data are made up, with planted structure; what
is measured is the production code from reading the factors to the last byte of the decisions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rapport.core.tables import DECISIONS
from rapport.decide.catalogue_kernel import CustomerFactors, OfferTerms
from rapport.decide.rows import starts
from rapport.decide.terms import Catalogue, ChannelTerms, CommonPortfolio, Models, Policy, SharedLimit
from rapport.simulate.catalogue import plant_customers, plant_offers
from rapport.simulate.shared_limits import CALL, CHANNELS, TIERS, PlantedLimit, plant_limits, plant_people
from rapport.workflows.plan_many import Crowd, PlannedMany, plan_many

SEED = 1
DIMENSIONS = 64
CHUNK = 50_000
AS_OF = date(2026, 1, 5)

Progress = Callable[[str], None]

NOBODY: tuple[str | None, float | None] = (None, None)
"""In place of a comparator."""


def bench_plan(folder: Path, small: bool, progress: Progress) -> list[dict[str, Any]]:
    """Return the figures of a planning stage; it reads and writes below `folder`.

    `small` plans 20,000 customers and 500 offers in seconds; the full measure is 1,000,000 and 5,000.
    """
    n, offers, limits = (20_000, 500, 120) if small else (1_000_000, 5_000, 1_000)
    name = "plan_small" if small else "plan_1m"
    progress("compiling")
    began = time.perf_counter()
    _plan(folder / "warm", (2_000, 60, 30), lambda _: None)
    compile_seconds = time.perf_counter() - began
    progress(f"making {n:,} customers")
    _plant(folder / name, n, offers)
    seconds, planned, written = _plan(folder / name, (n, offers, limits), progress)
    found = planned.shared.allocation
    over = _overdrawn(planned)
    label = f"{n:,} customers x {offers:,} offers x {len(CHANNELS) + 1} channels, K = 10, {limits:,} limits"
    greedy = "greedy by value"
    return [
        _result(f"{name}_s", f"planning stage, {label}", seconds, "s", 180.0, NOBODY),
        _result(f"{name}_compile_s", "compiling, once a machine", compile_seconds, "s", None, NOBODY),
        *(
            _result(f"{name}_{step}_s", f"of it {step}", spent, "s", None, NOBODY)
            for step, spent in planned.seconds.items()
        ),
        _result(f"{name}_peak_gib", "peak memory", _peak_gib(), "GiB", 6.0, NOBODY),
        _result(
            f"{name}_gap",
            "certified gap of the plan without chance, over the shortlists",
            found.gap,
            "share of bound",
            None,
            (greedy, (found.bound - found.greedy_value) / found.bound),
        ),
        _result(f"{name}_violations", "limits broken", float(over), "limits", 0.0, NOBODY),
        _result(f"{name}_written", "decisions on disk", float(written), "rows", None, NOBODY),
    ]


def _plan(folder: Path, size: tuple[int, int, int], progress: Progress) -> tuple[float, PlannedMany, int]:
    n, offers, limits = size
    if not folder.exists():
        _plant(folder, n, offers)
    began = time.perf_counter()
    terms, catalogue = _offers(folder)
    crowd = Crowd(-(-n // CHUNK), lambda chunk: _read(folder, chunk), terms, catalogue)
    written = 0
    with pq.ParquetWriter(folder / "decisions.parquet", DECISIONS, compression="zstd") as writer:

        def write(table: pa.Table) -> None:
            nonlocal written
            writer.write_table(table)
            written += len(table)

        planned = plan_many(
            crowd, _policy(plant_limits(n, offers, limits, SEED)), _lift(), write, time.perf_counter, progress
        )
    return time.perf_counter() - began, planned, written


def _overdrawn(planned: PlannedMany) -> int:
    policy, used = planned.terms.policy, planned.shared.used
    return sum(u > x.bound * (1 + 1e-9) for x, u in zip(policy.limits, used, strict=True))


def _policy(limits: tuple[PlantedLimit, ...]) -> Policy:
    channels = [*CHANNELS, CALL]
    return Policy(
        portfolio_size=10,
        variety=0.85,
        exploration_share=0.05,
        contacts=4,
        channels=tuple(ChannelTerms(name, cost, reach) for name, cost, reach in channels),
        level_cost_micros=(0, 200, 1_000),
        salt="bench",
        version="bench",
        limits=tuple(
            SharedLimit(x.name, x.counts, False, float(x.bound), x.channels, x.offers, x.tier) for x in limits
        ),
        scopes=tuple(f"tier = '{t}'" for t in TIERS),
    )


def _lift() -> Models:
    nothing = CommonPortfolio(np.zeros(0, dtype=np.int32))
    return Models(4.0, 2.0, 8.0, "assumed", nothing, dict.fromkeys(TIERS, nothing), "bench")


def _plant(folder: Path, n: int, offers: int) -> None:
    """Write offers, factors and people of a crowd, chunk by chunk."""
    folder.mkdir(parents=True)
    _save(folder / "offers", vars(plant_offers(offers, DIMENSIONS, SEED)))
    for chunk in range(-(-n // CHUNK)):
        size = min(CHUNK, n - chunk * CHUNK)
        _save(folder / f"factors-{chunk}", vars(plant_customers(chunk, size, offers, DIMENSIONS, SEED)))
        pq.write_table(_people(chunk, size), folder / f"people-{chunk}.parquet")


def _people(chunk: int, n: int) -> pa.Table:
    people = plant_people(chunk, n, SEED)
    key = np.arange(chunk * CHUNK, chunk * CHUNK + n, dtype=np.int64)
    reachable = people["reachable"]
    offsets = pa.array(starts(np.full(n, reachable.shape[1])).astype(np.int32))
    tier = pa.array(TIERS).take(pa.array(people["tier"]))
    return pa.table(
        {
            "customer_key": key,
            "customer_id": pc.cast(pa.array(key), pa.string()),
            "household_key": key,
            "turn": pa.array(["bench"]).take(pa.array(np.zeros(n, dtype=np.int8))),
            "as_of": pa.array([AS_OF]).take(pa.array(np.zeros(n, dtype=np.int8))),
            "tier": tier,
            "contacts_in_period": people["contacts_in_period"],
            "actual_value_micros": people["value_micros"],
            "holdout": people["holdout"],
            "reachable": pa.ListArray.from_arrays(offsets, pa.array(reachable.ravel())),
            "scopes": pa.ListArray.from_arrays(
                pa.array(np.arange(n + 1, dtype=np.int32)), pa.array(people["tier"].astype(np.int32))
            ),
        }
    )


def _read(folder: Path, chunk: int) -> tuple[CustomerFactors, pa.Table]:
    return CustomerFactors(**_load(folder / f"factors-{chunk}")), pq.read_table(folder / f"people-{chunk}.parquet")


def _offers(folder: Path) -> tuple[OfferTerms, Catalogue]:
    arrays = _load(folder / "offers")
    arrays.pop("charge")
    count = len(arrays["bias"])
    catalogue = Catalogue(
        offer_ids=tuple(f"offer-{j}" for j in range(count)),
        price_micros=arrays["price_micros"],
        margin_share=arrays["margin_share"],
        depth=arrays["depth"],
        category_index=(np.arange(count) % 200).astype(np.int32),
        boost=arrays["boost"],
        kind=np.full(count, -1, dtype=np.int32),
        kind_most=np.zeros(0, dtype=np.int32),
    )
    return OfferTerms(**arrays), catalogue


def _save(place: Path, arrays: dict[str, NDArray[Any]]) -> None:
    place.mkdir()
    for name, array in arrays.items():
        np.save(place / f"{name}.npy", array)


def _load(place: Path) -> dict[str, NDArray[Any]]:
    return {path.stem: np.load(path) for path in sorted(place.glob("*.npy"))}


def _peak_gib() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _result(
    name: str, label: str, value: float, unit: str, bar: float | None, comparator: tuple[str | None, float | None]
) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "value": float(f"{value:.6g}"),
        "unit": unit,
        "interval": None,
        "comparator": comparator[0],
        "comparator_value": comparator[1],
        "bar": bar,
        "meets": None if bar is None else bool(value <= bar),
    }
