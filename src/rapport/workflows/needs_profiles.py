"""Profiles of needs groups and of bands of traits, from the tables of a turn.

Why it exists: the engine counts by class of customers, the rules of `differentiate.needs_profile` say what the counts
mean, and the turn's scores say what may come next. Nothing is printed and nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import StageMissing, UnknownGroup, nearest
from rapport.core.tables import STATES
from rapport.differentiate.needs_model import NeedsModel
from rapport.differentiate.needs_next import (
    OwnedAndNext,
    Products,
    Wants,
    next_of_customer,
    next_of_group,
    next_purchases,
)
from rapport.differentiate.needs_profile import (
    Around,
    Peers,
    Profile,
    features_of,
    lacking_of,
    likely_reasons,
    over_indexed,
    sensitivity_of,
    things_of,
)
from rapport.differentiate.needs_profile_sql import (
    class_buyers_sql,
    class_features_sql,
    class_months_sql,
    class_spend_sql,
    customer_prices_sql,
    stocked_sql,
    thing_facts_sql,
)
from rapport.differentiate.needs_sql import (
    WHAT,
    needs_counts_sql,
    needs_lines_sql,
    needs_prices_sql,
)
from rapport.program.model import Program
from rapport.workflows.needs import read_needs
from rapport.workflows.plays_laid import sold
from rapport.workflows.ports import Engine
from rapport.workflows.state import open_tables
from rapport.workflows.state_ports import Store, Tools

MOST_PROFILED = 100_000
"""Customers that profiles are made from at most; keys are hashed, so the first of them are a random sample."""

BANDS = (2, 12)
"""How many values a trait must have to be profiled by."""

MOST = 8
NEEDS = "needs group"
_SIZES = ("household_size", "hh_size", "family_size")


@dataclass(frozen=True)
class _Seen:
    """The tables of a turn, cut to the customers that are profiled."""

    states: pa.Table
    scores: pa.Table
    catalogue: pa.Table
    model: NeedsModel | None
    wants: Wants
    products: Products
    level: str


def needs_report(program: Program, tools: Tools, turn: str, by: str | None = None) -> dict[str, Any]:
    """Return the needs groups of a turn and the profiles of customers by them, or by a trait.

    Parameters
    ----------
    by : str, optional
        Name of a trait; its values are profiled instead of the needs groups.

    Raises
    ------
    StageMissing
        The turn has not been scored, or was scored before needs groups were looked for.
    UnknownGroup
        No trait of that name has 2 to 12 values.
    """
    seen, record = _read(program, tools.store, turn)
    bands = traits_of(seen.states)
    if by is not None and by not in bands:
        raise UnknownGroup(
            f"--by is {by!r}; must be a trait with {BANDS[0]} to {BANDS[1]} values: "
            f"{', '.join(bands) or 'none is there'}."
            f"{nearest(by, bands)}"
        )
    loaded = tools.store.loaded_folder(record["stages"]["score"]["sources_digest"])
    with tools.make_engine() as engine:
        open_tables(engine, loaded)
        _count(engine, seen, program, date.fromisoformat(record["as_of"]))
        labels = seen.scores["needs_group"] if by is None else seen.states[by]
        profiles = _profiles(engine, seen, NEEDS if by is None else by, labels)
    return {
        "turn": turn,
        "as_of": record["as_of"],
        "currency": program.currency,
        "needs": record["stages"]["score"]["counts"]["needs"],
        "by": by or NEEDS,
        "traits": list(bands),
        "profiled_customers": len(seen.states),
        "profiles": [asdict(p) for p in profiles],
    }


def owned_and_next(
    program: Program, store: Store, turn: str, customer_ids: Sequence[str] | None = None, most: int = MOST
) -> list[OwnedAndNext]:
    """Return what each needs group, or each of some customers, owns and may buy next, with chances and reasons.

    Customers that the turn does not know are left out. Raises StageMissing as `needs_report` does.
    """
    seen, _ = _read(program, store, turn, None)
    if customer_ids is None:
        groups = seen.model.names if seen.model else ()
        return [
            next_of_group(seen.wants, seen.wants.group == i, g, seen.model, seen.products, most)
            for i, g in enumerate(groups)
        ]
    places = {c: i for i, c in enumerate(seen.scores["customer_id"].to_pylist())}
    return [
        next_of_customer(seen.wants, places[c], c, seen.model, seen.products, most)
        for c in customer_ids
        if c in places
    ]


def traits_of(states: pa.Table) -> tuple[str, ...]:
    """Return the traits with 2 to 12 values."""
    names = [n for n in states.column_names if n not in STATES.names]
    return tuple(n for n in names if BANDS[0] <= len(set(states[n].to_pylist()) - {None}) <= BANDS[1])


def _read(
    program: Program, store: Store, turn: str, most: int | None = MOST_PROFILED
) -> tuple[_Seen, dict[str, Any]]:
    record = store.read_json(store.turn_folder(turn) / "turn.json") or {"stages": {}}
    told = (record["stages"].get("score") or {"counts": {}})["counts"].get("needs")
    if told is None:
        why = (
            "the programme looks for none (needs.groups is off)"
            if program.needs.groups == "off"
            else "not scored yet"
        )
        raise StageMissing(f"turn {turn}: has no needs groups, {why}. Run: rapport score with the programme's folder")
    states, scores, catalogue = (store.read_table(turn, n) for n in ("states", "scores", "catalogue"))
    if most is not None:
        states, scores = states.slice(0, most), scores.slice(0, most)
    model = read_needs(store, told["version"])
    names = model.names if model else tuple(g["name"] for g in told["groups"])
    place = {n: i for i, n in enumerate(names)}
    group = np.array([place.get(g, -1) for g in scores["needs_group"].to_pylist()], dtype=np.int64)
    kept = sold(catalogue)
    catalogue = catalogue.filter(pa.array(kept))
    wants = Wants(
        _matrix(scores, "base_probability", kept).astype(np.float64),
        _matrix(scores, "bought_before", kept).astype(np.bool_),
        _matrix(scores, "excluded", kept) == 0,
        group,
    )
    products = Products(tuple(catalogue["name"].to_pylist()), tuple(catalogue[told["level"]].to_pylist()))
    return _Seen(states, scores, catalogue, model, wants, products, told["level"]), record


def _matrix(scores: pa.Table, name: str, kept: NDArray[np.bool_]) -> NDArray[Any]:
    values = scores[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values).reshape(len(scores), len(kept))[:, kept]


def _count(engine: Engine, seen: _Seen, program: Program, as_of: date) -> None:
    """Make the engine's tables of lines and counts, of the profiled customers before the day."""
    keys = seen.states["customer_key"].to_numpy()
    first, last = (int(keys[0]), int(keys[-1])) if len(keys) else (0, 0)
    bound = {"as_of": as_of, "zone": program.timezone, "key_from": first, "key_to": last}
    engine.execute(f"CREATE OR REPLACE TABLE needs_prices AS {needs_prices_sql()}", {"as_of": as_of})
    engine.execute(f"CREATE OR REPLACE TABLE needs_lines AS {needs_lines_sql(seen.level)}", bound)
    engine.execute(f"CREATE OR REPLACE TABLE needs_counted AS {needs_counts_sql()}", {"split": as_of})


def _profiles(engine: Engine, seen: _Seen, label: str, labels: pa.ChunkedArray) -> list[Profile]:
    """Return the profile of each value of a label, the largest class first, the values of a trait in their order."""
    values = labels.to_pylist()
    names = sorted({v for v in values if v is not None})
    if label == NEEDS and seen.model is not None:
        names = [n for n in seen.model.names if n in names]
    place = {n: i for i, n in enumerate(names)}
    number = np.array([place.get(v, -1) for v in values], dtype=np.int64)
    stratum = _strata(seen.states)
    rows = pa.table(
        {
            "customer_key": seen.states["customer_key"],
            "class": labels,
            "stratum": pa.array(stratum),
            "size": pa.array(_household_size(seen.states)),
        }
    )
    engine.register_arrow("needs_classes", rows.filter(pa.array(number >= 0)))
    found = _measured(engine, names)
    return [_profile(seen, label, name, number == i, found, (stratum, number)) for i, name in enumerate(names)]


@dataclass(frozen=True)
class _Measured:
    """What the engine counted by class."""

    features: dict[str, Any]
    months: list[dict[str, Any]]
    prices: pa.Table
    buyers: list[dict[str, Any]]
    stocked: dict[str, dict[str, float]]
    rarely_cut: frozenset[str]
    spend: list[dict[str, Any]]
    department: dict[str, str]


def _measured(engine: Engine, names: Sequence[str]) -> _Measured:
    facts = engine.query(thing_facts_sql()).to_pylist()
    cut = {f["what"]: f["cut"] / f["lines"] for f in facts}
    typical = float(np.median(list(cut.values()))) if cut else 0.0
    stocked: dict[str, dict[str, float]] = {}
    for row in engine.query(stocked_sql()).to_pylist():
        stocked.setdefault(row["class"], {})[row["what"]] = row["ppm"] / 1e6
    return _Measured(
        features=features_of(engine.query(class_features_sql()).to_pylist(), names),
        months=engine.query(class_months_sql()).to_pylist(),
        prices=engine.query(customer_prices_sql()),
        buyers=engine.query(class_buyers_sql()).to_pylist(),
        stocked=stocked,
        rarely_cut=frozenset(t for t, share in cut.items() if share < typical),
        spend=engine.query(class_spend_sql()).to_pylist(),
        department={f["what"]: f["department"] for f in facts if f["department"]},
    )


def _profile(
    seen: _Seen,
    label: str,
    name: str,
    rows: NDArray[np.bool_],
    found: _Measured,
    groups: tuple[NDArray[np.str_], NDArray[np.int64]],
) -> Profile:
    features, prices = found.features[name], found.prices
    mine = np.array(prices["class"].to_pylist(), dtype=object) == name
    numbers = {
        c: prices[c].to_numpy() for c in ("lines", "cut", "expected_ppm", "sales", "discount", "things", "days")
    }
    money = (int(numbers["sales"][mine].sum()), int(numbers["discount"][mine].sum()))
    sensitivity = sensitivity_of(numbers["lines"][mine], numbers["cut"][mine], numbers["expected_ppm"][mine], money)
    told = next_of_group(seen.wants, rows, name, seen.model, seen.products, MOST)
    things = things_of(features)
    profile = Profile(
        label=label,
        name=name,
        customers=int(rows.sum()),
        top=tuple(things[:MOST]),
        over_indexed=over_indexed(things, MOST),
        behaviour=tuple(f for view, rest in features.items() if view not in (WHAT, "store") for f in rest),
        months=_months(found.months, name),
        sensitivity=sensitivity,
        things_each=_mean(numbers["things"][mine]),
        things_everyone=_mean(numbers["things"]),
        days_each=_mean(numbers["days"][mine]),
        days_everyone=_mean(numbers["days"]),
        next_purchase=next_purchases(told, seen.wants, rows),
        value_by_tier=_by_tier(seen.scores, rows),
    )
    names, peers = _peers(found.buyers, name, rows, groups)
    around = Around(
        offered=frozenset(t for t in seen.products.things if t is not None),
        stocked=found.stocked.get(name, {}),
        rarely_cut=found.rarely_cut,
        spend_ratio=_spend_ratio(found, name, _sizes(seen.states, rows, groups[1] >= 0)),
    )
    lacking = lacking_of(peers, names, around, sensitivity, MOST)
    return replace(profile, reasons=likely_reasons(profile), lacking=lacking)


def _mean(values: NDArray[np.int64]) -> float | None:
    return float(values.sum()) / len(values) if len(values) else None


def _months(rows: Sequence[dict[str, Any]], name: str) -> tuple[tuple[int, float, float], ...]:
    """Return for each month of the year its share of the class's baskets, and of everyone's."""
    mine, everyone = np.zeros(12), np.zeros(12)
    for row in rows:
        everyone[int(row["month"]) - 1] += row["baskets"]
        if row["class"] == name:
            mine[int(row["month"]) - 1] += row["baskets"]
    if not mine.sum():
        return ()
    shares = zip(range(1, 13), (mine / mine.sum()).tolist(), (everyone / everyone.sum()).tolist(), strict=True)
    return tuple(s for s in shares if s[2] > 0)


def _by_tier(scores: pa.Table, rows: NDArray[np.bool_]) -> tuple[tuple[str, int, int], ...]:
    tiers, value = np.array(scores["tier"].to_pylist(), dtype=object), scores["actual_value_micros"].to_numpy()
    return tuple(
        (tier, int((held := rows & (tiers == tier)).sum()), int(value[held].sum())) for tier in ("A", "B", "C")
    )


def _strata(states: pa.Table) -> NDArray[np.str_]:
    """Return whom each customer may be compared with: alike in days with a purchase, and in household size if
    known."""
    days = states["purchase_days"].to_numpy()
    bought = days[days > 0]
    ends = np.quantile(bought, [0.25, 0.5, 0.75]) if len(bought) else np.zeros(3)
    often = np.searchsorted(ends, days, side="right").astype(str)
    return np.char.add(np.char.add(often, "/"), _household_size(states))


def _household_size(states: pa.Table) -> NDArray[np.str_]:
    name = next((n for n in states.column_names if n in _SIZES), None)
    if name is None:
        return np.full(len(states), "", dtype="U1")
    return np.array([v or "" for v in states[name].to_pylist()], dtype=str)


def _sizes(states: pa.Table, rows: NDArray[np.bool_], known: NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
    """Return for each household size how many customers are of a class, and how many of another."""
    size = _household_size(states)
    return {
        value: (int((rows & (size == value)).sum()), int((~rows & known & (size == value)).sum()))
        for value in np.unique(size).tolist()
    }


def _spend_ratio(found: _Measured, name: str, sizes: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Return for each thing what the class spends in its department over what comparable others do.

    `sizes` holds, for each household size, how many customers are of the class and how many are not; others' mean
    spend is weighted to the class's household sizes.
    """
    mine: dict[str, float] = {}
    theirs: dict[str, float] = {}
    for row in found.spend:
        inside, outside = sizes.get(row["size"], (0, 0))
        if not inside or not outside:
            continue
        if row["class"] == name:
            mine[row["department"]] = mine.get(row["department"], 0.0) + row["sales"]
        else:
            theirs[row["department"]] = theirs.get(row["department"], 0.0) + row["sales"] / outside * inside
    ratio = {d: mine.get(d, 0.0) / spent for d, spent in theirs.items() if spent > 0}
    return {thing: ratio[d] for thing, d in found.department.items() if d in ratio}


def _peers(
    buyers: Sequence[dict[str, Any]],
    name: str,
    rows: NDArray[np.bool_],
    groups: tuple[NDArray[np.str_], NDArray[np.int64]],
) -> tuple[list[str], Peers]:
    stratum, number = groups
    strata = {s: i for i, s in enumerate(np.unique(stratum).tolist())}
    things = {w: i for i, w in enumerate(sorted({b["what"] for b in buyers}))}
    at = np.array([strata[s] for s in stratum.tolist()], dtype=np.int64)
    bought = np.zeros((2, len(strata), len(things)), dtype=np.int64)
    for row in buyers:
        bought[int(row["class"] != name), strata[row["stratum"]], things[row["what"]]] += row["buyers"]
    size = np.bincount(at[rows], minlength=len(strata))
    others = np.bincount(at[~rows & (number >= 0)], minlength=len(strata))
    return list(things), Peers(size, others, bought[0], bought[1])
