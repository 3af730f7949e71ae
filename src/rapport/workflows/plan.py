"""Stage `plan`: hold out, find the prices of what is shared, decide for every customer.

Why it exists: gathers the frozen terms of a turn from the programme and hands them to the one decision function.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel

from rapport.core.money import to_micros
from rapport.decide.decide import decide_under
from rapport.decide.describe import Terms, describe, portfolio_of
from rapport.decide.plays import PlayTerms
from rapport.decide.portfolio import common_portfolio
from rapport.decide.rows import Rows
from rapport.decide.share import Shared, share_out
from rapport.decide.terms import (
    Catalogue,
    ChannelTerms,
    CommonPortfolio,
    Models,
    Policy,
    Prices,
    Repairs,
    SharedLimit,
    Steered,
)
from rapport.economics.contribution import incremental_micros
from rapport.economics.litmus import LEVELS
from rapport.measure.assignment import assign_holdout
from rapport.program.model import Channel, Program
from rapport.workflows.limits import limits_from
from rapport.workflows.worksheet_steer import worksheet_version

TIERS = ("A", "B", "C")


@dataclass(frozen=True)
class Plan:
    """The decisions of a turn, the terms they were made under, how limits were shared, and what exploring costs."""

    decisions: pa.Table
    terms: tuple[Catalogue, Models, Policy, Prices]
    shared: Shared
    exploration_cost_micros: dict[str, int]


def policy_of(program: Program, turn: str, declared: Mapping[str, Any] | None = None) -> Policy:
    """Return the decision's policy for a turn, in micros and with a version that names every setting."""
    settings, declared = program.policy, declared or {}
    limits = limits_from(declared) if declared else ()
    version = hashlib.blake2b(
        "\n".join(
            [
                *(p.model_dump_json() for p in _policy_parts(program)),
                *worksheet_version(declared),
                *_plays_text(declared),
            ]
        ).encode(),
        digest_size=6,
    ).hexdigest()
    return Policy(
        portfolio_size=settings.portfolio_size,
        variety=settings.variety,
        exploration_share=settings.exploration_share,
        contacts=settings.contacts,
        channels=tuple(_terms_of(c) for c in program.channels),
        level_cost_micros=(
            to_micros(program.litmus.mass_cost),
            to_micros(program.litmus.segment_cost),
            to_micros(program.litmus.individual_cost),
        ),
        salt=f"{settings.salt}:{turn}",
        version=f"policy-{version}",
        limits=(*_capacities(program), *limits),
        scopes=tuple(declared.get("scopes", ())),
        pressure=settings.pressure,
    )


def _plays_text(declared: Mapping[str, Any]) -> list[str]:
    return [json.dumps(declared["plays"], sort_keys=True)] if "plays" in declared else []


def _policy_parts(program: Program) -> tuple[BaseModel, ...]:
    shared = (*program.limits, *program.levers, *program.kinds, *program.includes)
    return (program.policy, program.litmus, program.lift, *program.channels, *shared)


def _terms_of(channel: Channel) -> ChannelTerms:
    return ChannelTerms(
        name=channel.name,
        cost_micros=to_micros(channel.cost_per_contact),
        reach=channel.reach,
        minutes=channel.minutes_per_contact,
        leaving=channel.unsubscribe_probability,
    )


def _capacities(program: Program) -> Iterator[SharedLimit]:
    """Give the limits that channels carry themselves: contacts, and money where a budget is set."""
    for number, channel in enumerate(program.channels):
        yield SharedLimit(f"{channel.name} capacity", "contacts", False, float(channel.capacity), (number,))
        if channel.budget is not None:
            budget = float(to_micros(channel.budget))
            yield SharedLimit(f"{channel.name} budget", "contact_cost", False, budget, (number,))


def models_of(rows: Rows, catalogue: Catalogue, policy: Policy, program: Program, version: str) -> Models:
    """Return the response models: the programme's lift, and the portfolios best for all and for each tier."""
    lift, offer = program.lift, rows.open_to.values
    price, margin, depth = catalogue.price_micros[offer], catalogue.margin_share[offer], catalogue.depth[offer]
    micros = incremental_micros(rows.base_probability, lift.odds_ratio, price, margin, depth).astype(np.float64)
    if rows.boost is not None:
        micros = np.where(micros > 0, np.rint(micros * (1.0 + rows.boost)), micros)
    tier = rows.tier[rows.open_to.row()]
    portfolio = portfolio_of(catalogue, policy)

    def best(members: NDArray[np.bool_]) -> CommonPortfolio:
        # Whole numbers below 2**53, so the sum does not depend on its order.
        total = np.bincount(offer[members], weights=micros[members], minlength=len(catalogue.offer_ids))
        return common_portfolio(total * (1.0 + np.where(total > 0, catalogue.boost, 0.0)), portfolio)

    return Models(
        odds_ratio=lift.odds_ratio,
        odds_ratio_low=lift.low,
        odds_ratio_high=lift.high,
        basis=_basis(program),
        mass=best(np.ones(len(tier), dtype=np.bool_)),
        segments={t: best(tier == t) for t in TIERS},
        version=version,
    )


def _basis(program: Program) -> str:
    """Return whether what an offer is expected to bring is measured: all that it rests on must be."""
    bases = {program.lift.basis, program.margins.basis, *(c.reach_basis for c in program.channels)}
    return "measured" if bases == {"measured"} else "assumed"


def decision_rows(states: pa.Table, scores: pa.Table, turn: str, holdout: NDArray[np.bool_]) -> pa.Table:
    """Return what the decision reads: the scores with household, day, turn and arm; both tables in key order."""
    rows = scores
    for name in ("household_key", "as_of"):
        rows = rows.append_column(name, states[name])
    rows = rows.append_column("turn", pa.array([turn] * len(rows), pa.string()))
    return rows.append_column("holdout", pa.array(holdout))


def plan_turn(
    rows: pa.Table,
    catalogue_table: pa.Table,
    program: Program,
    turn: str,
    model_version: str,
    *,
    declared: Mapping[str, Any] | None = None,
    clock: Callable[[], float] = lambda: 0.0,
) -> Plan:
    """Return the decisions of a turn for rows made by `decision_rows`.

    Parameters
    ----------
    declared : mapping, optional
        The turn's limits, scopes, levers and kinds as `limits.json` holds them; none when absent.
    clock : callable
        Returns seconds, for the record; the plan does not depend on it.

    Raises
    ------
    LimitsConflict
        The limits cannot be met together.
    """
    declared = declared or {}
    catalogue = Catalogue.from_table(catalogue_table, _steered(declared))
    policy = policy_of(program, turn, declared)
    typed = Rows.from_table(rows, len(catalogue.offer_ids), len(policy.channels))
    models = models_of(typed, catalogue, policy, program, model_version)
    if any(p.get("basis") == "assumed" for p in declared.get("plays", {}).get("terms", ())):
        models = replace(models, basis="assumed")
    terms = Terms.of(catalogue, models, policy)
    shared = share_out(describe(typed, terms), terms, clock)
    tier = typed.tier
    cost = {t: round(float(shared.cost_micros[tier == t].sum())) for t in TIERS}
    decisions = decide_under(rows, terms, shared.prices)
    return Plan(decisions, (catalogue, models, policy, shared.prices), shared, cost)


def _steered(declared: Mapping[str, Any]) -> Steered | None:
    if "boost" not in declared:
        return None
    return Steered(
        boost=np.array(declared["boost"], dtype=np.float64),
        kind=np.array(declared["kind"], dtype=np.int32),
        kind_most=np.array(declared["kind_most"], dtype=np.int32),
        plays=PlayTerms.from_record(declared["plays"], len(declared["boost"])) if "plays" in declared else None,
    )


def _expected(decisions: pa.Table, tier: str | None = None) -> int:
    delivered = decisions.filter(decisions["deliver"])
    if tier is not None:
        delivered = delivered.filter(pc.equal(delivered["tier"], tier))
    return pc.sum(delivered["expected_contribution_micros"]).as_py() or 0


def hold_out(states: pa.Table, program: Program, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which customers are held out, from their households and who already was."""
    policy = program.policy
    return assign_holdout(states["household_key"].to_numpy(), policy.salt, policy.holdout_share, kept)


def plan_counts(plan: Plan, as_of: date) -> dict[str, Any]:
    """Return what a turn's record says of the plan, as plain values."""
    decisions = plan.decisions
    _, models, policy, _ = plan.terms
    reasons: Counter[str] = Counter(r for told in decisions["reasons"].to_pylist() for r in told)
    delivered = decisions.filter(decisions["deliver"])
    tiers = np.array(decisions["tier"].to_pylist())
    litmus = np.array(decisions["litmus"].to_pylist())
    return {
        "as_of": as_of.isoformat(),
        "customers": len(decisions),
        "held_out": int((np.array(decisions["arm"].to_pylist()) == "holdout").sum()),
        "delivered": len(delivered),
        "explored": int(pc.sum(delivered["explored"]).as_py() or 0),
        "exploration_cost_micros": plan.exploration_cost_micros,
        "expected_contribution_micros": _expected(decisions),
        "expected_low_micros": pc.sum(delivered["expected_low_micros"]).as_py() or 0,
        "expected_high_micros": pc.sum(delivered["expected_high_micros"]).as_py() or 0,
        "basis": models.basis,
        "reasons": dict(sorted(reasons.items())),
        "litmus": {t: {level: int(((tiers == t) & (litmus == level)).sum()) for level in LEVELS} for t in TIERS},
        "repaired": int(pc.sum(delivered["repaired"]).as_py() or 0),
        "harm_micros": pc.sum(delivered["harm_micros"]).as_py() or 0,
        "channels": _channel_counts(plan),
        "limits": limits_record(plan),
        "allocation": allocation_record(plan),
        "models": models.version,
        "policy": policy.version,
    }


def _channel_counts(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return for each channel its capacity, the contacts delivered and the price of one."""
    channel = np.array(plan.decisions.filter(plan.decisions["deliver"])["channel"].to_pylist())
    policy, prices = plan.terms[2], plan.terms[3]
    capacities = {x.name: (n, x.bound) for n, x in enumerate(policy.limits)}
    counts = {}
    for c in policy.channels:
        number, bound = capacities[f"{c.name} capacity"]
        counts[c.name] = {
            "capacity": int(bound),
            "used": int((channel == c.name).sum()),
            "price_micros": float(prices.limit_micros[number]),
        }
    return counts


def limits_record(plan: Plan) -> list[dict[str, Any]]:
    """Return for each limit its bound, what will be used, what is left, its price and whether it binds.

    Money is in micros; the price is in micros for one unit, for limits on money a share.
    """
    policy, prices, shared = plan.terms[2], plan.terms[3], plan.shared
    return [
        {
            "name": limit.name,
            "counts": limit.counts,
            "sense": "at_least" if limit.at_least else "at_most",
            "bound": limit.bound,
            "used": float(shared.used[n]),
            "slack": float(abs(limit.bound - shared.used[n])),
            "price_micros": float(prices.limit_micros[n]),
            "binding": bool(shared.allocation.binding[n]),
        }
        for n, limit in enumerate(policy.limits)
    ]


def allocation_record(plan: Plan) -> dict[str, Any]:
    """Return what the plan without chance is worth, the bound no plan can exceed, and what chance costs."""
    found = plan.shared.allocation
    return {
        "plan_value_micros": round(found.plan_value),
        "bound_micros": round(found.bound),
        "gap": found.gap,
        "greedy_value_micros": round(found.greedy_value),
        "passes": found.passes,
        "binding": int(found.binding.sum()),
        "repaired": len(plan.shared.prices.repairs.keys),
        "turned_from_exploring": plan.shared.turned,
        "exploration_cost_micros": round(float(plan.shared.cost_micros.sum())),
    }


def terms_record(plan: Plan, program: Program, kept_beyond_share: int, replay: bool) -> dict[str, Any]:
    """Return the terms of a plan as plain values, so that a decision can be replayed, explained and read out later.

    Parameters
    ----------
    kept_beyond_share : int
        Customers held out from earlier turns whom the share of this turn would not have drawn.
    replay : bool
        Whether the data went on after the day of the decision: then nothing could really be sent.
    """
    _, models, policy, prices = plan.terms
    return {
        "window_days": program.offers.validity_days,
        "holdout_share": program.policy.holdout_share,
        "kept_beyond_share": kept_beyond_share,
        "replay": replay,
        "rules": [r.model_dump(include={"name", "kind", "why"}) for r in program.rules],
        "prices": {
            "limit_micros": prices.limit_micros.tolist(),
            "explorable": list(prices.explorable),
            "repairs": {
                "keys": prices.repairs.keys.tolist(),
                "route": prices.repairs.route.tolist(),
                "offers": prices.repairs.offers.tolist(),
            },
        },
        "models": {
            "odds_ratio": models.odds_ratio,
            "odds_ratio_low": models.odds_ratio_low,
            "odds_ratio_high": models.odds_ratio_high,
            "basis": models.basis,
            "version": models.version,
            "mass": _portfolio_record(models.mass),
            "segments": {name: _portfolio_record(p) for name, p in models.segments.items()},
        },
        "policy": asdict(policy),
    }


def terms_from(
    record: Mapping[str, Any], catalogue: pa.Table, declared: Mapping[str, Any] | None = None
) -> tuple[Catalogue, Models, Policy, Prices]:
    """Return the terms that `terms_record` wrote; `declared` as for `plan_turn`."""
    models, policy, prices = record["models"], record["policy"], record["prices"]
    return (
        Catalogue.from_table(catalogue, _steered(declared or {})),
        Models(
            odds_ratio=models["odds_ratio"],
            odds_ratio_low=models["odds_ratio_low"],
            odds_ratio_high=models["odds_ratio_high"],
            basis=models["basis"],
            mass=_portfolio_from(models["mass"]),
            segments={name: _portfolio_from(p) for name, p in models["segments"].items()},
            version=models["version"],
        ),
        Policy(
            **{
                **policy,
                "channels": tuple(ChannelTerms(**c) for c in policy["channels"]),
                "level_cost_micros": tuple(policy["level_cost_micros"]),
                "limits": limits_from(policy),
                "scopes": tuple(policy["scopes"]),
            }
        ),
        Prices(
            np.array(prices["limit_micros"], dtype=np.float64),
            tuple(prices["explorable"]),
            _repairs_from(prices["repairs"], policy["portfolio_size"]),
        ),
    )


def _portfolio_record(portfolio: CommonPortfolio) -> list[int]:
    offers: list[int] = portfolio.offers.tolist()
    return offers


def _portfolio_from(record: list[int]) -> CommonPortfolio:
    return CommonPortfolio(np.array(record, dtype=np.int32))


def _repairs_from(record: Mapping[str, Any], size: int) -> Repairs:
    return Repairs(
        np.array(record["keys"], dtype=np.int64),
        np.array(record["route"], dtype=np.int32),
        np.array(record["offers"], dtype=np.int32).reshape(-1, size),
    )
