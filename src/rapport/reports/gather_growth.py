"""Gathers what the report shows of potential, payoff, customers below zero and prospects.

Why it exists: as `gather`: from the score table and the record of its stage. No chart and no HTML here.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from rapport.core.money import to_micros
from rapport.program.model import CostToServe, Program
from rapport.reports.facts import BasisName, Figure
from rapport.reports.facts_growth import (
    BelowZeroFacts,
    Growable,
    GrowthFacts,
    GrowthTier,
    PayoffTier,
    ProspectFacts,
    ServiceFacts,
    SpreadFacts,
)
from rapport.workflows.growable import growable

SHOWN = 10
"""Most growable customers in the report; the score table has them all."""

TOGETHER = "80\u202f% or more, if all peers' figures err together"
OF_PEERS = "80\u202f% interval of the peers' figure"

_GROUPINGS = {"by_tier": "tier (cut by value, so much by construction)", "by_peers": "peers"}
_KINDS = {"returns": "handling of returns", "service": "service and complaints", "bids_lost": "bids lost"}


def growth_facts(program: Program, scores: pa.Table, record: dict[str, Any]) -> GrowthFacts | None:
    """Return what customers could be worth, None for a turn that was scored before it was measured."""
    counts = record["stages"].get("score", {}).get("counts", {})
    if "potential" not in counts:
        return None
    basis: BasisName = "assumed" if program.margins.basis == "assumed" else "measured"
    told = counts["potential"]
    return GrowthFacts(
        peers=tuple(told["peers"]),
        quantile=told["quantile"],
        tiers=tuple(_tier(t, basis) for t in told["tiers"]),
        growable=tuple(_one(row, basis) for row in growable(scores, SHOWN)),
        payoff=tuple(_payoff(t) for t in told["payoff"]["tiers"]),
        spread=tuple(_spread(n, found) for n in _GROUPINGS if (found := told["payoff"][n]) is not None),
        below_zero=_below_zero(scores, basis),
        service=tuple(_service(k, v, program.cost_to_serve) for k, v in counts["cost_to_serve"].items()),
        prospects=_prospects(counts["prospects"], basis),
    )


def cost_amount(cost: CostToServe, currency: str) -> str:
    """Return what serving is said to cost, in words."""
    parts = {
        "a purchase day": cost.per_purchase_day,
        "a return": cost.per_return,
        "a contact": cost.per_contact,
        "a delivery": cost.per_delivery,
        "a lost bid": cost.per_bid_lost,
    }
    first = "a purchase day"
    told = [f"{to_micros(v) / 1e6:.2f} {currency} {k}" for k, v in parts.items() if v or k == first]
    if cost.handling_share_of_returns:
        told.append(f"{cost.handling_share_of_returns:.0%} of what was paid for returned goods")
    return "; ".join(told)


def _money(value: int | None, basis: BasisName, note: str) -> Figure:
    return Figure(None if value is None else float(value), unit="money", basis=basis, note=note)


def _tier(found: dict[str, Any], basis: BasisName) -> GrowthTier:
    share = found["share_of_unrealised"]
    return GrowthTier(
        tier=found["tier"],
        customers=found["customers"],
        reached=found["reached"],
        few_peers=found["few_peers"],
        unrealised=Figure(
            float(found["unrealised_micros"]),
            float(found["low_micros"]),
            float(found["high_micros"]),
            unit="money",
            basis=basis,
            interval=TOGETHER,
        ),
        share=Figure(share, unit="share", basis=basis, note="of the sum over the tiers"),
        median=_money(found["median_unrealised_micros"], basis, "the middle customer"),
    )


def _one(row: dict[str, Any], basis: BasisName) -> Growable:
    wallet = row["share_of_wallet"]
    few = "" if row["potential_status"] == "OK" else row["potential_status"]
    parts = (_money(row[f"gap_{n}_micros"], basis, "a year") for n in ("trips", "basket", "variety"))
    trips, basket, variety = parts
    return Growable(
        customer_id=row["customer_id"],
        tier=row["tier"],
        peers=row["peer_cell"] + (f" ({few})" if few else ""),
        actual=_money(_actual(row), basis, "a year"),
        unrealised=Figure(
            float(row["unrealised_micros"]),
            float(row["unrealised_low_micros"]),
            float(row["unrealised_high_micros"]),
            unit="money",
            basis=basis,
            interval=OF_PEERS,
        ),
        trips=trips,
        basket=basket,
        variety=variety,
        wallet=None if wallet is None else Figure(wallet, unit="share", note="yearly spend over the wallet given"),
    )


def _actual(row: dict[str, Any]) -> int:
    actual: int = row["potential_value_micros"] - row["unrealised_micros"]
    return actual


def _payoff(found: dict[str, Any]) -> PayoffTier:
    def typical(value: float, unit: str = "number") -> Figure:
        return Figure(value, unit=unit, note="median")

    shares = found["factor_shares"]
    return PayoffTier(
        tier=found["tier"],
        shopping=found["shopping"],
        trips=typical(found["trips"]),
        spend_per_trip=typical(float(found["spend_per_trip_micros"]), "money"),
        variety=typical(found["variety"]),
        share=Figure(found["share_of_payoff"], unit="share", note="of the sum over the tiers"),
        factor_shares=None if shares is None else tuple(shares),
    )


def _spread(name: str, found: dict[str, Any]) -> SpreadFacts:
    between, low, high = found["between_share"], found["low"], found["high"]
    left = (None, None) if low is None else (1.0 - high, 1.0 - low)
    note = "" if found["status"] == "OK" else found["status"]
    return SpreadFacts(
        grouping=_GROUPINGS[name],
        groups=found["groups"],
        between=Figure(between, low, high, unit="share", note=note),
        within=Figure(found["within_share"], left[0], left[1], unit="share", note=note),
    )


def _below_zero(scores: pa.Table, basis: BasisName) -> tuple[BelowZeroFacts, ...]:
    rows: dict[tuple[str, str], list[int]] = {}
    columns = (scores[n].to_pylist() for n in ("tier", "below_zero_why", "actual_value_micros"))
    for tier, why, value in zip(*columns, strict=True):
        if why is not None:
            rows.setdefault((tier, why), []).append(value)
    return tuple(
        BelowZeroFacts(tier, why, len(values), _money(sum(values), basis, "over the horizon, expected"))
        for (tier, why), values in sorted(rows.items(), key=lambda row: (row[0][0], -len(row[1]), row[0][1]))
    )


def _service(kind: str, found: dict[str, Any], cost: CostToServe | None) -> ServiceFacts:
    years = found["weight_years"]
    weight = "all alike: the mean" if years is None else f"{years:.1f} years"
    basis: BasisName = "measured" if cost is None else cost.basis
    note = "" if found["status"] == "OK" else found["status"]
    mean = Figure(float(found["mean_micros"]), unit="money", basis=basis, note=note or "mean of a year")
    return ServiceFacts(_KINDS.get(kind, kind), mean, weight)


def _prospects(found: dict[str, Any], basis: BasisName) -> ProspectFacts:
    ends = (None, None) if not found["valued"] else (float(found["low_micros"]), float(found["high_micros"]))
    return ProspectFacts(
        customers=found["customers"],
        valued=found["valued"],
        first_years=found["first_years"],
        few=found["few_look_alikes"],
        if_customer=found["conversion_rate"] is None,
        value=Figure(
            float(found["value_micros"]) if found["valued"] else None,
            ends[0],
            ends[1],
            unit="money",
            basis=basis,
            note="" if found["valued"] else "TOO_FEW_CUSTOMERS",
            interval=TOGETHER,
        ),
    )
