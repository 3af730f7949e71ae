"""Stage `plan`: hold out, find the prices of what is shared, decide for every customer.

Why it exists: gathers the frozen terms of a turn from the programme and hands them to the one decision function.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.money import to_micros
from rapport.decide.appraise import Appraisal, Rows, offer_values
from rapport.decide.choose import contacts_used
from rapport.decide.decide import appraise_table, decide_appraised
from rapport.decide.portfolio import common_portfolio
from rapport.decide.prices import find_prices
from rapport.decide.terms import Catalogue, ChannelTerms, CommonPortfolio, Models, Policy, Prices
from rapport.economics.litmus import LEVELS
from rapport.measure.assignment import assign_holdout
from rapport.program.model import Channel, Program

TIERS = ("A", "B", "C")


@dataclass(frozen=True)
class Plan:
    """The decisions of a turn, the terms they were made under, and what exploring costs in each tier."""

    decisions: pa.Table
    terms: tuple[Catalogue, Models, Policy, Prices]
    used: tuple[int, ...]
    exploration_cost_micros: dict[str, int]


def policy_of(program: Program, turn: str) -> Policy:
    """Return the decision's policy for a turn, in micros and with a version that names every setting."""
    settings = program.policy
    version = hashlib.blake2b(
        "\n".join(p.model_dump_json() for p in (settings, program.litmus, program.lift, *program.channels)).encode(),
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
    )


def _terms_of(channel: Channel) -> ChannelTerms:
    cost = to_micros(channel.cost_per_contact)
    capacity = channel.capacity
    if channel.budget is not None and cost > 0:
        capacity = min(capacity, to_micros(channel.budget) // cost)
    return ChannelTerms(channel.name, cost, channel.reach, capacity)


def models_of(rows: Rows, catalogue: Catalogue, program: Program, version: str) -> Models:
    """Return the response models: the programme's lift, and the portfolios best for all and for each tier."""
    lift, settings = program.lift, program.policy
    micros = np.where(rows.excluded == 0, offer_values(rows, catalogue, lift.odds_ratio), 0)
    tier = np.array(rows.tier)

    def best(members: NDArray[np.bool_]) -> Any:
        total = micros[members].sum(axis=0)
        return common_portfolio(total, catalogue.category_index, settings.portfolio_size, settings.variety)

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


def plan_turn(rows: pa.Table, catalogue_table: pa.Table, program: Program, turn: str, model_version: str) -> Plan:
    """Return the decisions of a turn for rows made by `decision_rows`."""
    catalogue = Catalogue.from_table(catalogue_table)
    policy = policy_of(program, turn)
    typed = Rows.from_table(rows, len(catalogue.offer_ids), len(policy.channels))
    models = models_of(typed, catalogue, program, model_version)
    appraisal = appraise_table(rows, catalogue, models, policy)
    prices = prices_for(appraisal, policy)
    terms = (catalogue, models, policy, prices)
    decisions = decide_appraised(rows, appraisal, terms)
    plain = decide_appraised(rows, appraisal, (catalogue, models, replace(policy, exploration_share=0.0), prices))
    cost = {t: _expected(plain, t) - _expected(decisions, t) for t in TIERS}
    return Plan(decisions, terms, contacts_used(appraisal, policy, prices), cost)


def prices_for(appraisal: Appraisal, policy: Policy) -> Prices:
    """Return the prices at which every channel's contacts fit its capacity."""
    highest = int(appraisal.value_micros.max(initial=0))
    return find_prices(
        lambda prices: contacts_used(appraisal, policy, prices), [c.capacity for c in policy.channels], highest
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
    _, models, policy, prices = plan.terms
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
        "channels": {
            c.name: {"capacity": c.capacity, "used": plan.used[i], "price_micros": prices.contact_micros[i]}
            for i, c in enumerate(policy.channels)
        },
        "models": models.version,
        "policy": policy.version,
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
        "prices": {"contact_micros": list(prices.contact_micros), "explorable": list(prices.explorable)},
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


def terms_from(record: Mapping[str, Any], catalogue: pa.Table) -> tuple[Catalogue, Models, Policy, Prices]:
    """Return the terms that `terms_record` wrote."""
    models, policy, prices = record["models"], record["policy"], record["prices"]
    return (
        Catalogue.from_table(catalogue),
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
            }
        ),
        Prices(tuple(prices["contact_micros"]), tuple(prices["explorable"])),
    )


def _portfolio_record(portfolio: CommonPortfolio) -> dict[str, Any]:
    return {"offers": portfolio.offers.tolist(), "weights": portfolio.weights.tolist()}


def _portfolio_from(record: Mapping[str, Any]) -> CommonPortfolio:
    return CommonPortfolio(np.array(record["offers"], dtype=np.int32), np.array(record["weights"], dtype=np.float64))
