"""Measure one decision at once: its time with a million customers known, and how it keeps limits through a day.

Why it exists: what a caller waits for is a percentile, not a mean, and the first call pays for what later ones find
ready. A day is judged beside fixed prices, no prices, and the best in hindsight. Rows come from a made-up catalogue
scored by the kernel that scores batches.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.keys import customer_keys
from rapport.decide.catalogue_kernel import CustomerFactors, OfferTerms, prepare, shortlist_prepared
from rapport.decide.describe import Terms
from rapport.decide.terms import (
    Catalogue,
    ChannelTerms,
    CommonPortfolio,
    Models,
    Policy,
    Prices,
    Repairs,
    SharedLimit,
)
from rapport.simulate.catalogue import PlantedOffers, plant_customers, plant_offers
from rapport.simulate.day import SURPRISES, Surprise
from rapport.workflows.bench_day import WAYS, best_in_hindsight, day_of, plant_market, spend_day
from rapport.workflows.decide_now import Asked, Event, decide_now
from rapport.workflows.desk import ROW, Desk, Known, map_rows, write_rows

SEED = 20_261
DIMENSIONS = 32
ODDS_RATIO = 4.0
FIRST_DAY = 100
"""The gain of the feedback was chosen on the days of lower seeds."""
SHORTLIST = 64
SCOPES = 20
CHANNELS = (
    ("web", 0, 0.6),
    ("email", 4_000, 0.35),
    ("app", 1_000, 0.5),
    ("letter", 700_000, 0.8),
    ("desk", 90_000, 0.9),
)

TellsProgress = Callable[[str], None]


@dataclass(frozen=True)
class Extent:
    """How much is measured: customers, offers, limits, customers of a chunk, calls, days, arrivals of a day."""

    customers: int
    offers: int
    limits: int
    chunk: int
    calls: int
    days: int
    arrivals: int


WHOLE = Extent(1_000_000, 5_000, 1_000, 50_000, 10_000, 20, 500)
SMALL = Extent(5_000, 200, 60, 2_500, 200, 2, 60)


def bench_now(folder: Path, small: bool, progress: TellsProgress) -> list[dict[str, Any]]:
    """Return the measured figures of decisions at once.

    Parameters
    ----------
    folder : Path
        Takes the rows of the customers; about 1 GB, a few MB if small. Left as it is for the caller to delete.
    small : bool
        The same in seconds, without bars.
    progress : callable
        Told in a line what is being done.

    Returns
    -------
    list of dict
        One result each: name, label, value, unit, interval, comparator, comparator_value, bar, meets.
    """
    extent = SMALL if small else WHOLE
    progress(f"scoring {extent.customers:,} customers and {extent.offers:,} offers ...")
    write_rows(folder / "rows.arrow", _batches(extent))
    progress("the first call, in a process of its own, nothing compiled ...")
    cold = _in_a_process(folder, small, fresh=True)
    progress("the first call, compiled before ...")
    warm = _in_a_process(folder, small, fresh=False)
    progress(f"{extent.calls:,} calls ...")
    results = _speed(folder, extent) + _starts(cold, warm)
    results += _days(extent, progress)
    return [r | {"bar": None, "meets": None} for r in results] if small else results


def _speed(folder: Path, extent: Extent) -> list[dict[str, Any]]:
    """Return percentiles of calls: a known customer after an event, a placement, and now and then a visitor."""
    desk = planted_desk(folder, extent)
    questions = _questions(extent)
    for asked in questions[:200]:
        decide_now(desk, asked)
    took = np.array([_seconds(desk, asked) for asked in questions]) * 1e3
    plain = np.array([_seconds(desk, Asked(a.customer_id)) for a in questions if not a.visitor]) * 1e3
    room = desk.terms[-1].sharing.bound
    limits = desk.prices.limit_micros
    paced = np.array([_seconds(desk, asked, limit_micros=limits, room=room) for asked in questions]) * 1e3
    what = f"{extent.customers:,} customers known, {extent.offers:,} offers, {extent.limits:,} limits, 5 channels"
    p50, p99 = np.percentile(took, [50, 99])
    results = [
        _result("now_p50_ms", f"one decision after an event or for a placement, median; {what}", p50, "ms", 2.0),
        _result("now_p99_ms", "the same, 99 in 100 are faster", p99, "ms", 10.0),
        _result("now_plain_p50_ms", "a known customer without an event, median", np.median(plain), "ms", None),
        _result(
            "now_paced_p50_ms", "with prices of the moment and room left looked at", np.median(paced), "ms", None
        ),
        _result("now_per_s", "decisions a second, one process, one after another", 1e3 / took.mean(), "1/s", None),
        _result("now_peak_gib", "memory held by this process, mapped rows included", _held_gib(), "GiB", None),
    ]
    for r in results[:2]:
        r |= {"comparator": "a batch of 1,000 of them, per decision (ms)", "comparator_value": _batch_ms(desk)}
    return results


def _questions(extent: Extent) -> list[Asked]:
    draw = np.random.default_rng(SEED)
    who = draw.integers(0, extent.customers, extent.calls).tolist()
    names = [c[0] for c in CHANNELS]
    asked = []
    for n, i in enumerate(who):
        events = (
            Event("bought", f"item {int(draw.integers(extent.offers))}"),
            Event("contacted", names[n % 5]),
            Event("unsubscribed", names[1]),
        )
        channel = names[0] if n % 2 else None
        if n % 10 == 9:
            asked.append(Asked(f"stranger {i}", (), "web", "home page", 3, visitor=True))
        else:
            asked.append(Asked(_id(i), (events[n % 3],), channel, "home page", 3 if n % 4 else None))
    return asked


def _seconds(desk: Desk, asked: Asked, **moment: Any) -> float:
    began = time.perf_counter()
    decide_now(desk, asked, **moment)
    return time.perf_counter() - began


def _batch_ms(desk: Desk) -> float:
    from rapport.decide.decide import decide_under

    rows = pa.Table.from_batches([desk.known.batches[0].slice(0, 1_000)])
    began = time.perf_counter()
    decide_under(rows, desk.terms[-1], desk.prices)
    return round((time.perf_counter() - began) * 1e3 / len(rows), 4)


def _held_gib() -> float:
    """Return the memory of this process as the system counts it, 0.0 where it does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(li for li in status.read_text(encoding="ascii").splitlines() if li.startswith("VmRSS"))
    return int(line.split()[1]) / 2**20


def planted_desk(folder: Path, extent: Extent) -> Desk:
    """Return a desk over the rows in `folder`, under made-up terms with many limits."""
    offers = plant_offers(extent.offers, DIMENSIONS, SEED)
    terms, prices = _terms(offers, extent)
    known = Known.of(map_rows(folder / "rows.arrow"))
    chance = 1.0 / (1.0 + np.exp(-offers.bias.astype(np.float64)))
    return Desk.of(
        terms, prices, known, _stranger(chance), [f"item {j}" for j in range(extent.offers)], cool_down=True
    )


def first_call_ms(folder: Path, small: bool) -> tuple[float, float]:
    """Return the milliseconds of opening a desk and of the first call in this process."""
    extent = SMALL if small else WHOLE
    began = time.perf_counter()
    desk = planted_desk(folder, extent)
    opened = time.perf_counter()
    decide_now(desk, Asked(_id(0), (Event("bought", "item 1"),), "web", "home page", 3))
    return (opened - began) * 1e3, (time.perf_counter() - opened) * 1e3


def _in_a_process(folder: Path, small: bool, fresh: bool) -> tuple[float, float]:
    code = (
        "import json, sys; from pathlib import Path; from rapport.workflows import bench_now as b; "
        "print(json.dumps(b.first_call_ms(Path(sys.argv[1]), sys.argv[2] == 'small')))"
    )
    place = {"NUMBA_CACHE_DIR": tempfile.mkdtemp(dir=folder)} if fresh else {}
    command = [sys.executable, "-c", code, str(folder), "small" if small else "whole"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ | place)
    opened, called = json.loads(done.stdout)
    return float(opened), float(called)


def _starts(cold: tuple[float, float], warm: tuple[float, float]) -> list[dict[str, Any]]:
    return [
        _result("now_open_ms", "opening the desk in a new process", warm[0], "ms", None),
        _result("now_first_ms", "the first call in a new process", warm[1], "ms", None),
        _result(
            "now_compile_s",
            "the first call where nothing is compiled, once per installation",
            cold[1] / 1e3,
            "s",
            None,
        ),
    ]


def _id(i: int) -> str:
    return f"customer {i}"


def _terms(offers: PlantedOffers, extent: Extent) -> tuple[Terms, Prices]:
    draw = np.random.default_rng([SEED, 7])
    count, every = extent.offers, tuple(range(len(CHANNELS)))
    catalogue = Catalogue(
        offer_ids=tuple(f"o{j:05d}" for j in range(count)),
        price_micros=offers.price_micros,
        margin_share=offers.margin_share,
        depth=offers.depth,
        category_index=draw.integers(0, max(count // 15, 1), count).astype(np.int32),
        boost=offers.boost,
        kind=np.full(count, -1, dtype=np.int32),
        kind_most=np.zeros(0, dtype=np.int32),
    )
    limits = [SharedLimit(f"contacts {c}", "contacts", False, 1e6, (c,)) for c in every]
    limits += [SharedLimit(f"money {c}", "contact_cost", False, 1e12, (c,)) for c in every]
    limits += [SharedLimit(f"region {s}", "contacts", False, 1e6, every, None, s) for s in range(SCOPES)]
    limits.append(SharedLimit("discounts", "giveaway", False, 1e13, every))
    while len(limits) < extent.limits:
        some = tuple(sorted(draw.choice(count, int(draw.integers(1, 30)), replace=False).tolist()))
        counts = "offers" if len(limits) % 2 else "giveaway"
        scope = int(draw.integers(SCOPES)) if len(limits) % 3 == 0 else None
        limits.append(SharedLimit(f"limit {len(limits)}", counts, False, 1e10, every, some, scope))
    policy = Policy(
        portfolio_size=6,
        variety=0.85,
        exploration_share=0.05,
        contacts=4,
        channels=tuple(ChannelTerms(name, cost, reach, leaving=0.001) for name, cost, reach in CHANNELS),
        level_cost_micros=(0, 1_000, 4_000),
        salt="bench",
        version="policy-bench",
        limits=tuple(limits),
        scopes=tuple(f"region = {s}" for s in range(SCOPES)),
        pressure=1.5,
    )
    common = [CommonPortfolio(draw.choice(count, 6, replace=False).astype(np.int32)) for _ in range(4)]
    models = Models(
        ODDS_RATIO, 2.0, 6.0, "assumed", common[0], dict(zip("ABC", common[1:], strict=True)), "models-bench"
    )
    micros = draw.uniform(0.0, 20_000.0, len(limits)) * (draw.random(len(limits)) < 0.5)
    micros = np.where([x.counts in {"giveaway", "contact_cost"} for x in limits], micros * 1e-5, micros)
    return Terms.of(catalogue, models, policy), Prices(micros, (True,) * len(CHANNELS), Repairs.none(6))


def _batches(extent: Extent) -> Iterator[pa.RecordBatch]:
    """Yield the rows of all customers, each with the best of the whole catalogue as the shortlist."""
    offers = plant_offers(extent.offers, DIMENSIONS, SEED)
    prepared = prepare(
        OfferTerms(
            offers.factors,
            offers.bias,
            offers.price_micros,
            offers.margin_share,
            offers.depth,
            offers.boost,
            offers.rule_bits,
        ),
        ODDS_RATIO,
        offers.charge,
    )
    for chunk in range(extent.customers // extent.chunk):
        planted = plant_customers(chunk, extent.chunk, extent.offers, DIMENSIONS, SEED)
        listed = shortlist_prepared(CustomerFactors(**vars(planted)), prepared, SHORTLIST)
        yield _rows(chunk * extent.chunk, listed.offer, listed.base_probability, chunk)


def _rows(first: int, offer: NDArray[np.int32], base: NDArray[np.float64], chunk: int) -> pa.RecordBatch:
    n, draw = len(offer), np.random.default_rng([SEED, 8, chunk])
    order = np.argsort(np.where(offer < 0, np.iinfo(np.int32).max, offer), axis=1)
    offer, base = np.take_along_axis(offer, order, axis=1), np.take_along_axis(base, order, axis=1)
    there = offer >= 0
    start = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    ids = [_id(i) for i in range(first, first + n)]
    keys = customer_keys(ids)

    def lists(name: str, values: NDArray[Any], start: NDArray[Any]) -> pa.Array:
        kind = ROW.field(name).type
        return pa.ListArray.from_arrays(
            pa.array(start.astype(np.int32)), pa.array(values, kind.value_type), type=kind
        )

    each = np.arange(n + 1)
    columns: dict[str, pa.Array] = {
        "customer_key": pa.array(keys),
        "customer_id": pa.array(ids),
        "household_key": pa.array(keys),
        "turn": pa.array(["bench"] * n),
        "as_of": pa.array([date(2030, 1, 7)] * n),
        "tier": pa.array(draw.choice(list("ABC"), n).tolist()),
        "holdout": pa.array(draw.random(n) < 0.1),
        "contacts_in_period": pa.array(draw.integers(0, 3, n)),
        "actual_value_micros": pa.array(draw.integers(0, 10**8, n)),
        "reachable": lists("reachable", (draw.random((n, 5)) < 0.8).reshape(-1), each * 5),
        "candidate_offers": lists("candidate_offers", offer[there], start),
        "candidate_probabilities": lists("candidate_probabilities", base[there].astype(np.float32), start),
        "candidate_bought_before": lists("candidate_bought_before", draw.random(int(start[-1])) < 0.3, start),
        "scopes": lists("scopes", np.sort(draw.integers(0, SCOPES, n)), each),
        "must_offers": lists("must_offers", np.zeros(0, dtype=np.int32), each * 0),
        "forced": pa.array(np.zeros(n, dtype=np.bool_)),
        "plays": lists("plays", np.zeros(0, dtype=np.int32), each * 0),
        "play_stakes_micros": lists("play_stakes_micros", np.zeros(0, dtype=np.int64), each * 0),
    }
    return pa.RecordBatch.from_arrays([columns[f.name] for f in ROW], schema=ROW)


def _stranger(chance: NDArray[np.float64]) -> pa.Table:
    """Return a stranger to whom the most popular offers are open."""
    best = np.sort(np.argsort(-chance, kind="stable")[:SHORTLIST])
    row = {
        "customer_key": 0,
        "customer_id": "",
        "household_key": 0,
        "turn": "bench",
        "as_of": date(2030, 1, 7),
        "tier": "C",
        "holdout": False,
        "contacts_in_period": 0,
        "actual_value_micros": 0,
        "reachable": [True] * len(CHANNELS),
        "candidate_offers": best.tolist(),
        "candidate_probabilities": chance[best].tolist(),
        "candidate_bought_before": [False] * len(best),
        "scopes": [],
        "must_offers": [],
        "forced": False,
        "plays": [],
        "play_stakes_micros": [],
    }
    return pa.Table.from_pylist([row], schema=ROW)


def _days(extent: Extent, progress: TellsProgress) -> list[dict[str, Any]]:
    """Return how pacing does on days that differ from the plan, with intervals over days."""
    found: dict[tuple[Surprise, str], list[tuple[float, float, float]]] = {}
    for seed in range(FIRST_DAY, FIRST_DAY + extent.days):
        progress(f"days of {extent.arrivals:,} arrivals: {seed - FIRST_DAY + 1} of {extent.days} ...")
        market = plant_market(extent.arrivals, seed)
        bound = market.terms.sharing.bound
        for surprise in SURPRISES:
            day = day_of(market, extent.arrivals, seed, surprise)
            best = best_in_hindsight(market, day)
            for way in WAYS:
                past = spend_day(market, day, way)
                found.setdefault((surprise, way), []).append((past.value / best, past.used[0] / bound[0], past.over))
    results = [
        _result(
            "now_limits_exceeded",
            f"days on which a limit was exceeded, of {sum(map(len, found.values()))}",
            float(sum(over > 0 for runs in found.values() for _, _, over in runs)),
            "days",
            0.0,
        )
    ]
    for surprise in SURPRISES:
        results += _of_days(surprise, {way: np.array(found[surprise, way]) for way in WAYS})
    return results


def _of_days(surprise: Surprise, ways: dict[Any, NDArray[np.float64]]) -> list[dict[str, Any]]:
    name, days = surprise.replace("-", "_"), SHOWN[surprise]
    used = _result(f"now_used_{name}", f"tight budget used, paced, {days}", ways["paced"][:, 1].mean(), "share", 0.97)
    used |= {
        "interval": _interval(ways["paced"][:, 1]),
        "comparator": "fixed prices",
        "comparator_value": round(float(ways["fixed"][:, 1].mean()), 4),
        "meets": bool(ways["paced"][:, 1].mean() >= 0.97),
    }
    results = [used]
    for way, label in (("paced", "paced"), ("fixed", "prices of the plan"), ("first-come", "no prices, first come")):
        value = _result(
            f"now_value_{name}_{way.replace('-', '_')}",
            f"value, {label}, {days}",
            ways[way][:, 0].mean(),
            "share",
            None,
        )
        results.append(
            value
            | {
                "interval": _interval(ways[way][:, 0]),
                "comparator": "best in hindsight, upper bound",
                "comparator_value": 1.0,
            }
        )
    return results


SHOWN: dict[Surprise, str] = {
    "none": "days as planned",
    "best-first": "the most valuable come first",
    "more-of-the-least": "the lowest tier comes twice as often",
    "fewer": "three in ten stay away",
}


def _interval(values: NDArray[np.float64]) -> list[float]:
    """Return the 95 % interval of a mean by Student's t, from independent days."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return [round(float(values.mean()) - half, 4), round(float(values.mean()) + half, 4)]


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
