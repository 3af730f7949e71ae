"""What the report shows of decisions: per tier, per channel, and inside the portfolios."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from rapport.core.money import to_micros
from rapport.measure.means import Estimate, mean_of, ratio_of
from rapport.program.model import Program
from rapport.reports.facts import (
    ChannelFacts,
    DecidedTier,
    DepartmentFacts,
    Figure,
    LitmusFacts,
    OfferFacts,
    PortfolioFacts,
    ReasonCount,
    counted,
)
from rapport.workflows.plays_laid import PREFIX

TIERS = ("A", "B", "C")
TOP_OFFERS = 15
OVER_LIFT = "range of the assumed lift"


def _tier_of(decisions: pa.Table) -> Any:
    return np.array(decisions["tier"].to_pylist())


def _sums(column: pa.ChunkedArray) -> Any:
    """Return the sum of each list of whole numbers, shape (n,)."""
    lists = column.combine_chunks()
    ends = np.concatenate([[0], np.cumsum(lists.flatten().to_numpy(zero_copy_only=False))])
    offsets = lists.offsets.to_numpy() - lists.offsets[0].as_py()
    return ends[offsets[1:]] - ends[offsets[:-1]]


def decided_facts(decisions: pa.Table, exploration_cost: dict[str, int]) -> tuple[DecidedTier, ...]:
    """Return what was decided, tier by tier."""
    tiers = _tier_of(decisions)
    deliver = np.array(decisions["deliver"].to_pylist(), dtype=np.bool_)
    held = np.array([a == "holdout" for a in decisions["arm"].to_pylist()])
    explored = np.array(decisions["explored"].to_pylist(), dtype=np.bool_)
    giveaways = _sums(decisions["offer_giveaways_micros"])
    basis: Any = decisions["basis"][0].as_py() if len(decisions) else "assumed"
    expected, low, high, cost = (
        decisions[n].to_numpy()
        for n in (
            "expected_contribution_micros",
            "expected_low_micros",
            "expected_high_micros",
            "contact_cost_micros",
        )
    )
    found = []
    for tier in TIERS:
        inside = tiers == tier
        sent = inside & deliver
        found.append(
            DecidedTier(
                tier=tier,
                customers=int(inside.sum()),
                delivered=int(sent.sum()),
                held_out=int((inside & held).sum()),
                silent=int((inside & ~deliver & ~held).sum()),
                expected=Figure(
                    float(expected[sent].sum()),
                    float(low[sent].sum()),
                    float(high[sent].sum()),
                    unit="money",
                    basis=basis,
                    interval=OVER_LIFT,
                ),
                giveaways=Figure(
                    float(giveaways[sent].sum()), unit="money", basis=basis, note="from base rates and assumed reach"
                ),
                contact_cost=counted(int(cost[sent].sum()), "money"),
                explored=int((sent & explored).sum()),
                exploration_cost=Figure(
                    float(exploration_cost[tier]),
                    unit="money",
                    basis=basis,
                    note="against the same plan without chance",
                ),
            )
        )
    return tuple(found)


def channel_facts(program: Program, decisions: pa.Table, terms: dict[str, Any]) -> tuple[ChannelFacts, ...]:
    """Return use, limit, price, cost and reach of each channel."""
    channel = np.array(decisions["channel"].to_pylist())
    deliver = np.array(decisions["deliver"].to_pylist(), dtype=np.bool_)
    tiers = _tier_of(decisions)
    found = []
    for declared in program.channels:
        used = [(t, int((deliver & (channel == declared.name) & (tiers == t)).sum())) for t in TIERS]
        limit = [x["name"] for x in terms["policy"]["limits"]].index(f"{declared.name} capacity")
        price = terms["prices"]["limit_micros"][limit]
        found.append(
            ChannelFacts(
                channel=declared.name,
                format=declared.format,
                used_by_tier=tuple(used),
                capacity=declared.capacity,
                price=Figure(
                    float(price), unit="money", basis=program.lift.basis, note="what one more place would earn"
                ),
                cost_per_contact=counted(to_micros(declared.cost_per_contact), "money"),
                reach=Figure(
                    declared.reach, unit="share", basis=declared.reach_basis, note="a setting of the programme"
                ),
            )
        )
    return tuple(found)


def reason_facts(decisions: pa.Table) -> tuple[ReasonCount, ...]:
    """Return how many customers of each tier have each reason."""
    pairs = zip(decisions["tier"].to_pylist(), decisions["reasons"].to_pylist(), strict=True)
    counts = Counter((reason, tier) for tier, reasons in pairs for reason in reasons)
    return tuple(ReasonCount(reason, tier, n) for (reason, tier), n in sorted(counts.items()))


def litmus_facts(decisions: pa.Table) -> tuple[LitmusFacts, ...]:
    """Return the verdicts of the litmus test and the sums of each level, tier by tier."""
    tiers, verdict = _tier_of(decisions), np.array(decisions["litmus"].to_pylist())
    basis: Any = decisions["basis"][0].as_py() if len(decisions) else "assumed"
    found = []
    for tier in TIERS:
        inside = tiers == tier
        sums = {}
        for level in ("individual", "segment", "mass"):
            micros = decisions[f"litmus_{level}_micros"].to_numpy(zero_copy_only=False)[inside]
            sums[level] = Figure(
                float(np.nansum(micros.astype(np.float64))),
                unit="money",
                basis=basis,
                note="at the central lift; the decision below carries the range",
            )
        counts = {v: int((inside & (verdict == v)).sum()) for v in ("individual", "segment", "mass", "none")}
        found.append(
            LitmusFacts(
                tier=tier,
                **counts,
                individual_sum=sums["individual"],
                segment_sum=sums["segment"],
                mass_sum=sums["mass"],
            )
        )
    return tuple(found)


def portfolio_facts(decisions: pa.Table, catalogue: pa.Table) -> PortfolioFacts:
    """Return what the portfolios of the delivered contain."""
    sent = decisions.filter(decisions["deliver"])
    tiers = sent["tier"].to_pylist()
    offers, kinds = _sold(sent["offer_ids"].to_pylist(), sent["offer_kinds"].to_pylist())
    place = dict(zip(catalogue["offer_id"].to_pylist(), catalogue["department"].to_pylist(), strict=True))
    name = dict(zip(catalogue["offer_id"].to_pylist(), catalogue["name"].to_pylist(), strict=True))
    slots = Counter(
        (place[o] or "UNKNOWN", k)
        for row, kind in zip(offers, kinds, strict=True)
        for o, k in zip(row, kind, strict=True)
    )
    given = Counter((o, t) for row, t in zip(offers, tiers, strict=True) for o in row)
    total = Counter(o for row in offers for o in row)
    departments = sorted({d for d, _ in slots}, key=lambda d: (-slots[d, "repeat"] - slots[d, "explore"], d))
    top = sorted(total, key=lambda o: (-total[o], o))[:TOP_OFFERS]
    return PortfolioFacts(
        departments=tuple(DepartmentFacts(d, slots[d, "repeat"], slots[d, "explore"]) for d in departments),
        top_offers=tuple(
            OfferFacts(name[o], place[o] or "UNKNOWN", tuple((t, given[o, t]) for t in TIERS)) for o in top
        ),
        distinct_offers=len(total),
        catalogue_offers=sum(not o.startswith(PREFIX) for o in name),
        repeat_share=tuple((t, _figure(_repeat_share(kinds, tiers, t))) for t in TIERS),
        coverage=tuple((t, _figure(_coverage(decisions, t))) for t in TIERS),
    )


def _sold(offers: list[list[str]], kinds: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Return offers and kinds without the reasons to talk of plays, which are shown with the plays."""
    kept = [[i for i, k in enumerate(row) if k != "talk"] for row in kinds]

    def of(rows: list[list[str]]) -> list[list[str]]:
        return [[row[i] for i in at] for row, at in zip(rows, kept, strict=True)]

    return of(offers), of(kinds)


def _repeat_share(kinds: list[list[str]], tiers: list[str], tier: str) -> Estimate:
    rows = [k for k, t in zip(kinds, tiers, strict=True) if t == tier]
    repeat = np.array([sum(k == "repeat" for k in row) for row in rows], dtype=np.float64)
    return ratio_of(repeat, np.array([len(row) for row in rows], dtype=np.float64))


def _coverage(decisions: pa.Table, tier: str) -> Estimate:
    pairs = zip(decisions["deliver"].to_pylist(), decisions["tier"].to_pylist(), strict=True)
    return mean_of(np.array([float(d) for d, t in pairs if t == tier]))


def _figure(estimate: Estimate) -> Figure:
    note = "" if estimate.low is not None else str(estimate.status)
    return Figure(estimate.value, estimate.low, estimate.high, unit="share", note=note)
