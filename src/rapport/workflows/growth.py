"""What customers could be worth: potential against peers, the payoff of one-to-one, prospects, and who costs money.

Why it exists: these stand beside the value in the score table and in the turn's record, and change no decision. The
arithmetic is that of `differentiate`; here it meets the states and the programme.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.money import MICROS, to_micros
from rapport.core.reasons import Status
from rapport.differentiate.payoff import Shopping, explain_gap, fit_shopping_peers, payoff
from rapport.differentiate.potential import (
    QUARTER_DAYS,
    YEAR_DAYS,
    CustomerPotential,
    PotentialModel,
    PotentialTerms,
    fit_potential,
    peer_name,
    predict_potential,
    summarise_potential,
    yearly_micros,
)
from rapport.differentiate.potential_peers import MOST_MICROS
from rapport.differentiate.prospects import MIN_CUSTOMERS, ProspectModel, fit_prospects, predict_prospects
from rapport.differentiate.prospects_sql import first_years_sql
from rapport.differentiate.value import CustomerValues
from rapport.identify.load_sql import name_traits
from rapport.program.model import Program
from rapport.program.potential import OF_STATES, Potential
from rapport.workflows.cost_to_serve import reasons_below_zero, service_costs
from rapport.workflows.ports import Engine
from rapport.workflows.serving import unknown_kinds

MOST_TRAITS = 3
"""Traits that are peers where the programme names none: with more of them cells hold one customer each."""

FEWEST_VALUES, MOST_VALUES = 2, 12
"""How many values such a trait has; a name or an address makes nobody a peer."""


@dataclass(frozen=True)
class Growth:
    """Columns of the score table, what the turn's record says of them, and the models by version."""

    columns: dict[str, pa.Array]
    counts: dict[str, Any]
    models: dict[str, dict[str, Any]]


def peers_of(states: pa.Table, program: Program) -> tuple[str, ...]:
    """Return the columns of states that make customers peers: those of the programme, or found among its traits."""
    declared = (program.potential or Potential()).peers
    if declared is not None:
        return tuple(p if p in OF_STATES else name_traits([p])[0] for p in declared)
    needed = [name_traits([c.needs])[0] for c in program.channels if c.needs is not None]
    traits = [t for t in name_traits(program.traits) if not _identifies(t, needed)]
    # Missing is no value, and a trait that hardly anybody has still tells who has it.
    sizes = {t: len(states[t].unique().drop_null()) for t in traits}
    return tuple(t for t in traits if FEWEST_VALUES <= sizes[t] <= MOST_VALUES)[:MOST_TRAITS]


def _identifies(trait: str, needed: Sequence[str]) -> bool:
    """Return whether a trait says who somebody is, or how to reach them, and not what they are like."""
    return trait.endswith("name") or trait in needed


def growth_of(
    engine: Engine, states: pa.Table, values: CustomerValues, tiers: NDArray[np.str_], program: Program, as_of: date
) -> Growth:
    """Return what customers could be worth, and why some cost money; needs `make_purchases` for the day."""
    names = peers_of(states, program)
    labels = {n: states[n].to_pylist() for n in names}
    costs = service_costs(states, program)
    why = reasons_below_zero(states, values.below_zero, costs, program)
    columns: dict[str, pa.Array] = {
        "below_zero_why": pa.array([None if r is None else str(r) for r in why], pa.string()),
        "cost_to_serve_micros": pa.array(costs.yearly_micros, pa.int64()),
    }
    potential, found, more, told = _potential(states, labels, tiers, program)
    prospects, worth = _prospects(engine, states, labels, program, as_of)
    below = Counter((tier, str(r)) for tier, r in zip(tiers.tolist(), why, strict=True) if r is not None)
    counts = {
        "potential": told,
        "below_zero": [{"tier": t, "reason": r, "customers": n} for (t, r), n in sorted(below.items())],
        "cost_to_serve": {
            name: _plain_rate(getattr(costs, name)) for name in ("returns", "service", "deliveries", "bids_lost")
        },
        "prospects": worth[1],
        **unknown_kinds(engine),
    }
    models = {potential.version: potential.to_record(), prospects.version: prospects.to_record()}
    return Growth(columns | _potential_columns(potential, found) | more | worth[0], counts, models)


def _plain_rate(rate: Any) -> dict[str, Any]:
    weight = rate.weight_years
    return {
        "mean_micros": round(rate.mean_micros),
        "weight_years": weight if math.isfinite(weight) else None,
        "status": str(rate.status),
    }


def _potential(
    states: pa.Table, labels: Mapping[str, Sequence[Any]], tiers: NDArray[np.str_], program: Program
) -> tuple[PotentialModel, CustomerPotential, dict[str, pa.Array], dict[str, Any]]:
    """Return the table of cells, what each customer could contribute, more columns, and what the record says."""
    settings = program.potential or Potential()
    terms = PotentialTerms(quantile=settings.quantile)
    age, bought = states["age_days"].to_numpy(), states["purchase_days"].to_numpy() > 0
    actual = _yearly(states["margin_micros"].to_numpy(), age)
    settled = bought & (age >= QUARTER_DAYS)
    some = np.flatnonzero(settled).tolist()
    model = fit_potential(actual[some], {n: [v[i] for i in some] for n, v in labels.items()}, terms)
    found = predict_potential(model, actual, labels)
    baskets = states["baskets"].to_numpy()
    trips = baskets * (YEAR_DAYS / np.maximum(age, QUARTER_DAYS))
    variety = states["department_visits"].to_numpy() / np.maximum(baskets, 1)
    contribution = Shopping(trips, variety, actual)
    peers = fit_shopping_peers(contribution, found.cell, settled & (found.unrealised_micros == 0))
    gap = explain_gap(peers, contribution, found.cell)
    spend = _yearly(states["sales_micros"].to_numpy(), age)
    keys = states["customer_key"].to_numpy()
    pays = payoff(Shopping(trips, variety, spend), tiers, keys, found.cell)
    columns = {
        "share_of_wallet": _share_of_wallet(states, spend, settings.wallet),
        "gap_trips_micros": pa.array(gap.trips_micros),
        "gap_basket_micros": pa.array(gap.basket_micros),
        "gap_variety_micros": pa.array(gap.variety_micros),
    }
    told = {
        "version": model.version,
        "quantile": model.quantile,
        "interval": model.interval,
        "peers": list(labels),
        "alike": [
            {"label": n, "asks_known": k, "alike": a}
            for n, k, a in zip(model.names, model.asks_known, model.alike, strict=True)
        ],
        "fitted_customers": int(settled.sum()),
        "tiers": _by_tier(found, tiers, bought),
        "payoff": {
            "tiers": [asdict(t) for t in pays.tiers],
            "by_tier": asdict(pays.by_tier),
            "by_peers": None if pays.by_segment is None else asdict(pays.by_segment),
        },
    }
    return model, found, columns, told


def _yearly(total_micros: NDArray[np.int64], age_days: NDArray[np.int64]) -> NDArray[np.int64]:
    # A quarter's amount is taken four times: what is beyond all money is cut, so that the year's fits.
    return yearly_micros(np.clip(total_micros, -MOST_MICROS // 8, MOST_MICROS // 8), age_days)


def _by_tier(found: CustomerPotential, tiers: NDArray[np.str_], bought: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return the unrealised potential of the customers of each tier who have bought; prospects stand apart."""
    rows = []
    part = _among(found, bought)
    for row in summarise_potential(part, tiers[bought]):
        mine = tiers[bought] == row.tier
        few = sum(s is not Status.OK for s in part.status[mine].tolist())
        low, high = (sum(end[mine].tolist()) for end in (part.low_micros, part.high_micros))
        rows.append(asdict(row) | {"low_micros": low, "high_micros": high, "few_peers": few})
    return rows


def _among(found: CustomerPotential, who: NDArray[np.bool_]) -> CustomerPotential:
    return CustomerPotential(*(getattr(found, name)[who] for name in found.__slots__))


def _potential_columns(model: PotentialModel, found: CustomerPotential) -> dict[str, pa.Array]:
    cells = {c: peer_name(model, c) for c in np.unique(found.cell).tolist()}
    return {
        "potential_value_micros": pa.array(found.potential_micros),
        "unrealised_micros": pa.array(found.unrealised_micros),
        "unrealised_low_micros": pa.array(found.low_micros),
        "unrealised_high_micros": pa.array(found.high_micros),
        "peer_cell": pa.array([cells[c] for c in found.cell.tolist()], pa.string()),
        "potential_status": pa.array([str(s) for s in found.status.tolist()], pa.string()),
    }


def _share_of_wallet(states: pa.Table, spend: NDArray[np.int64], wallet: str | None) -> pa.Array:
    """Return yearly spend over the wallet; empty where the wallet is not known, no number, or not above zero."""
    if wallet is None:
        return pa.nulls(len(states), pa.float64())
    given = [_amount(text) for text in states[name_traits([wallet])[0]].to_pylist()]
    return pa.array(
        [None if w is None else s / (w * MICROS) for s, w in zip(spend.tolist(), given, strict=True)], pa.float64()
    )


def _amount(text: str | None) -> float | None:
    try:
        amount = float(text) if text is not None else 0.0
    except ValueError:
        return None
    return amount if math.isfinite(amount) and amount > 0 else None


def _prospects(
    engine: Engine, states: pa.Table, labels: Mapping[str, Sequence[Any]], program: Program, as_of: date
) -> tuple[ProspectModel, tuple[dict[str, pa.Array], dict[str, Any]]]:
    """Return the table of first years, and what each customer without a purchase is worth by it."""
    seen = engine.query(first_years_sql(), {"as_of": as_of})
    per_day = 0 if program.cost_to_serve is None else to_micros(program.cost_to_serve.per_purchase_day)
    first_year = seen["margin_micros"].to_numpy() - per_day * seen["purchase_days"].to_numpy()
    # What was bought says nothing of who has not bought: of the labels only traits are known of both.
    traits = {n: v for n, v in labels.items() if n not in OF_STATES}
    rows = np.searchsorted(states["customer_key"].to_numpy(), seen["customer_key"].to_numpy()).tolist()
    model = fit_prospects(first_year, {n: [v[i] for i in rows] for n, v in traits.items()})
    waiting = states["purchase_days"].to_numpy() == 0
    rate = None if program.prospects is None else program.prospects.conversion_rate
    found = predict_prospects(model, traits, len(states), rate)
    told = waiting & (model.customers[0] >= MIN_CUSTOMERS)
    columns = {
        f"prospect_{name}": pa.array(values, pa.int64(), mask=~told)
        for name, values in (
            ("value_micros", found.value_micros),
            ("value_low_micros", found.low_micros),
            ("value_high_micros", found.high_micros),
        )
    }
    columns["prospect_status"] = pa.array(
        [str(s) if w else None for s, w in zip(found.status.tolist(), waiting.tolist(), strict=True)], pa.string()
    )
    sums = {
        name: int(sum(values[told].tolist()))
        for name, values in (
            ("value_micros", found.value_micros),
            ("low_micros", found.low_micros),
            ("high_micros", found.high_micros),
        )
    }
    counts = {
        "version": model.version,
        "customers": int(waiting.sum()),
        "valued": int(told.sum()),
        "first_years": int(model.customers[0]),
        "conversion_rate": rate,
        "few_look_alikes": sum(s is not Status.OK for s in found.status[told].tolist()),
        **sums,
    }
    return model, (columns, counts)
