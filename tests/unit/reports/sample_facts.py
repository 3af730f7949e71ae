"""A turn as large and as uneven as a real one; every number is made up."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
from growth_sample import GROWTH

from rapport.core.tables import LOADED, READOUT
from rapport.reports.facts import (
    AssumptionFacts,
    BacktestFacts,
    BacktestRow,
    CampaignRow,
    ChallengeFacts,
    ChannelFacts,
    CurvePoint,
    DecidedTier,
    DepartmentFacts,
    Figure,
    GoalFacts,
    GoalTier,
    LimitFacts,
    LitmusFacts,
    LoadCount,
    OfferFacts,
    ParameterFacts,
    PortfolioFacts,
    QuarantineCount,
    ReasonCount,
    RelevanceFacts,
    RelevanceKind,
    ReliabilityBin,
    ReportFacts,
    SharedFacts,
    TierFacts,
    ValueModelFacts,
    counted,
)

M = 1_000_000
LIFT = "range of the assumed lift"


def money(value: float, low: float | None = None, high: float | None = None, **more: Any) -> Figure:
    ends = {} if low is None or high is None else {"low": low * M, "high": high * M}
    if not ends:
        more.setdefault("note", "a sum")
    return Figure(value * M, unit="money", **ends, **more)


def share(value: float, low: float | None = None, high: float | None = None, **more: Any) -> Figure:
    if low is None:
        more.setdefault("note", "counted")
    return Figure(value, low, high, unit="share", **more)


GOALS = (
    GoalFacts(
        "grow-margin",
        "thin-margins",
        "margin_per_customer",
        91,
        0.05,
        date(2018, 6, 30),
        (
            GoalTier("A", money(213.4, 204.1, 222.9, basis="assumed"), 224.07 * M),
            GoalTier("B", money(71.2, 68.8, 73.7, basis="assumed"), 74.76 * M),
            GoalTier("C", money(9.8, 8.1, 11.6, basis="assumed"), 10.29 * M),
        ),
    ),
    GoalFacts(
        "keep-active",
        "lapsing",
        "active_share",
        28,
        0.03,
        date(2018, 6, 30),
        (
            GoalTier("A", share(0.991, 0.981, 0.996), 1.0),
            GoalTier("B", share(0.874, 0.855, 0.891), 0.9),
            GoalTier("C", share(0.312, 0.272, 0.355), 0.321),
        ),
    ),
)

TIERS = (
    TierFacts("A", "Keep: they carry the shop; give them more of what they come for.", 617,
              money(498_200, 471_000, 526_000, basis="assumed"), share(0.632, 0.611, 0.654, basis="assumed"),
              money(742.1, 711.0, 771.9, basis="assumed"), 0),
    TierFacts("B", "Grow: they buy part of their groceries here.", 1358,
              money(279_900, 262_000, 298_300, basis="assumed"), share(0.355, 0.334, 0.376, basis="assumed"),
              money(191.3, 184.4, 199.2, basis="assumed"), 14),
    TierFacts("C", "Spend little: contact only where it pays.", 494,
              money(10_150, 7_300, 13_600, basis="assumed"), share(0.013, 0.009, 0.017, basis="assumed"),
              money(16.2, 12.9, 19.9, basis="assumed"), 61),
)  # fmt: skip

DECIDED = (
    DecidedTier("A", 617, 548, 63, 6, money(1_204, 310, 2_421, basis="assumed", interval=LIFT),
                money(842.5, basis="assumed"), money(274.0), 31,
                money(18.4, basis="assumed")),
    DecidedTier("B", 1358, 962, 131, 265, money(881, 96, 1_902, basis="assumed", interval=LIFT),
                money(612.0, basis="assumed"), money(481.0), 66, money(31.9, basis="assumed")),
    DecidedTier("C", 494, 41, 52, 401, money(12.3, -6.1, 31.8, basis="assumed", interval=LIFT),
                money(4.1, basis="assumed"), money(20.5), 22, money(9.7, basis="assumed")),
)  # fmt: skip

LITMUS = (
    LitmusFacts("A", 566, 38, 7, 6, *(money(v, v * 0.3, v * 1.9, basis="assumed", interval=LIFT)
                                      for v in (1_371, 902, 411))),
    LitmusFacts("B", 811, 244, 38, 265, *(money(v, v * 0.2, v * 2.1, basis="assumed", interval=LIFT)
                                          for v in (914, 688, 202))),
    LitmusFacts("C", 22, 40, 31, 401, *(money(v, v - 60, v + 44, basis="assumed", interval=LIFT)
                                        for v in (-114, -61, -35))),
)  # fmt: skip

POLICIES = (
    ("Rapport", True, 0.0),
    ("Response probability", False, 0.61),
    ("Personal frequency", False, 0.48),
    ("Popularity", False, -0.83),
    ("Random eligible", False, -1.9),
)


def limit(name: str, counts: str, bound: float, used: float, price: float, **more: Any) -> LimitFacts:
    """Return a limit; money in units of the currency, the price in units for one more."""
    in_money = counts in ("contact_cost", "giveaway")
    parts: dict[str, Any] = {"at_least": False, "binding": price > 0, **more}
    return LimitFacts(
        name=name,
        counts=counts,
        bound=bound * M if in_money else bound,
        used=used * M if in_money else used,
        unit="money" if in_money else counts,
        price=money(price, basis="assumed", note="per USD" if in_money else "per piece"),
        **parts,
    )


LIMITS = (
    limit("mail capacity", "contacts", 2_500, 841, 0.0),
    limit("paper capacity", "contacts", 710, 710, 0.31),
    limit("supplier-funds:COFFEE", "giveaway", 40.0, 39.9, 0.45),
    limit("supplier-funds:TEA", "giveaway", 25.0, 11.5, 0.0),
    limit("promised-fruit", "offers", 900, 900, 0.002, at_least=True),
)
SHARED = SharedFacts(
    limits=LIMITS,
    declared=(("promised-fruit", "The growers were promised 900 places."), ("Lever tea", "+10 % when choosing.")),
    plan_value=money(2_112.4, basis="assumed"),
    bound=money(2_113.0, basis="assumed"),
    gap=share(0.00028),
    greedy=money(1_998.7, basis="assumed"),
    exploration_share=share(0.05),
    exploration_cost=money(60.0, basis="assumed"),
    harm=money(31.2, basis="assumed"),
    delivered=1_551,
    explored=119,
    repaired=23,
    steered=True,
)


def _hits() -> tuple[BacktestRow, ...]:
    rows = []
    for tier, base in (("A", 4.12), ("B", 2.55), ("C", 0.61)):
        for policy, ours, more in POLICIES:
            value = base * (1 + more * 0.25)
            figure = Figure(round(value, 3), round(value - 0.11, 3), round(value + 0.11, 3), unit="hits")
            rows.append(BacktestRow(tier, policy, "Hits in ten offers", figure, ours))
        gain = money(base / 2, base / 5, base, basis="assumed", interval=LIFT)
        rows.append(BacktestRow(tier, "Rapport", "Contribution a customer", gain, True))
    return tuple(rows)


def _bins(top: float) -> tuple[ReliabilityBin, ...]:
    shares = [0.02, 0.06, 0.1, 0.16, 0.24, 0.34, 0.46, 0.6, 0.78, 1.0]
    return tuple(
        ReliabilityBin(s * top, s * top * 0.96 + 0.002, s * top * 0.9, s * top * 1.02 + 0.004, 12_000 - i * 900)
        for i, s in enumerate(shares)
    )


def _readout() -> pa.Table:
    rows = []
    for measure, unit, k in (("margin_per_customer", "money", 1e6), ("active_share", "share", 0.02)):
        for tier, n, h, d in (("A", 554, 63, 1.4), ("B", 1227, 131, -0.4), ("C", 442, 52, 0.2)):
            for group, count, value in (("treated", n, 40 + d), ("holdout", h, 40.0), ("difference", n + h, d)):
                rows.append(
                    {
                        "measure": measure,
                        "tier": tier,
                        "group": group,
                        "customers": count,
                        "value": value * k,
                        "low": (value - 3.1) * k,
                        "high": (value + 3.3) * k,
                        "unit": unit,
                        "basis": "measured",
                        "status": "OK",
                        "note": None,
                    }
                )
    rows.append({**rows[0], "measure": "complaints", "tier": "A", "group": "difference", "value": None,
                 "low": None, "high": None, "status": "NOT_MEASURABLE"})  # fmt: skip
    return pa.Table.from_pylist(rows, schema=READOUT)


def _audit() -> pa.Table:
    rows = [
        {
            "source": source,
            "column": column,
            "source_column": column,
            "rows": 1_469_307,
            "fill": fill,
            "validity": 1.0,
            "distinct": 2469,
            "freshest": date(2017, 11, 30) if source == "transactions" else None,
            "usable": fill,
            "grade": "A" if fill > 0.9 else "C",
            "unlocks": unlocks,
        }
        for source, column, fill, unlocks in (
            ("transactions", "customer_id", 1.0, "value, tiers and individual offers"),
            ("transactions", "at", 1.0, "frequency, recency, cadence and lapsing"),
            ("transactions", "discount", 0.9134, "price sensitivity"),
            ("customers", "household_id", 0.3244, "household-safe holdouts"),
        )
    ]
    return pa.Table.from_pylist(rows, schema=LOADED["audit"])


def sample_facts(**changes: Any) -> ReportFacts:
    """Return a whole turn; changes replace parts of it."""
    parts: dict[str, Any] = {
        "programme": "Corner Shop & Sons",
        "turn": "2017-W48",
        "as_of": date(2017, 12, 1),
        "currency": "USD",
        "challenges": (
            ChallengeFacts("thin-margins", "Discounts go to customers who would have bought anyway."),
            ChallengeFacts("lapsing", "Regular customers come less often and nobody notices in time."),
        ),
        "goals": GOALS,
        "loads": (
            LoadCount("transactions", 1_469_307, 1_469_291, 16),
            LoadCount("customers", 801, 801, 0),
            LoadCount("products", 92_331, 92_331, 0),
        ),
        "quarantine": (QuarantineCount("transactions", "BAD_NUMBER", 16),),
        "tiers": TIERS,
        "value_total": money(788_250, 749_000, 829_000, basis="assumed"),
        "decided": DECIDED,
        "channels": (
            ChannelFacts("mail", "message", (("A", 300), ("B", 500), ("C", 41)), 2_500, money(0.0),
                         money(0.05), share(0.35, basis="assumed", note="stated, not measured")),
            ChannelFacts("paper", "print", (("A", 248), ("B", 462), ("C", 0)), 710, money(0.31, basis="assumed"),
                         money(0.5), share(0.6, basis="assumed", note="stated, not measured")),
        ),
        "reasons": tuple(
            ReasonCount(reason, tier, n)
            for reason, counts in (
                ("BEST_VALUE", (517, 896, 19)), ("EXPLORED", (31, 66, 22)),
                ("HOLDOUT", (63, 131, 52)), ("NOTHING_PAYS", (6, 199, 401)), ("PRICED_OUT", (0, 66, 0)),
            )
            for tier, n in zip("ABC", counts, strict=True)
        ),
        "assumptions": (
            AssumptionFacts("Margin", "30 % of the regular price", "assumed", 1.0,
                            "No cost of goods in the data; usual for grocery."),
            AssumptionFacts("Discount borne", "100 %", "assumed", 1.0, "Supplier funding is not known."),
            AssumptionFacts("Lift", "odds ratio 1.5 (1.1 to 2.0)", "assumed", 1.0, "No test has been run yet."),
            AssumptionFacts("Reach", "mail 35 %, paper 60 %", "assumed", 1.0, "Stated by the programme."),
            AssumptionFacts("Cost to serve", "USD 0.80 a purchase day", "measured", 0.0, "Company's books."),
        ),
        "audit": _audit(),
        "value_curve": tuple(CurvePoint(i / 40, 1 - (1 - i / 40) ** 2.6) for i in range(41)),
        "value_model": ValueModelFacts(
            "MBG/CNBD-k", "OK", 364,
            (
                ParameterFacts("k", Figure(2, note="chosen from 1 to 4 by likelihood")),
                ParameterFacts("r", Figure(1.412, 1.33, 1.5)),
                ParameterFacts("alpha", Figure(11.23, 10.4, 12.1, unit="days")),
            ),
        ),
        "litmus": LITMUS,
        "growth": GROWTH,
        "portfolio": PortfolioFacts(
            departments=tuple(
                DepartmentFacts(d, r, e)
                for d, r, e in (
                    ("GROCERY", 8_812, 702), ("PRODUCE", 1_944, 240), ("MEAT-PCKGD", 1_420, 88),
                    ("DRUG GM", 902, 310), ("DELI", 512, 97), ("FROZEN GROCERY", 301, 60), ("PASTRY", 120, 2),
                )
            ),
            top_offers=(
                OfferFacts("SOFT DRINKS 12/18&15PK CAN CAR", "GROCERY", (("A", 401), ("B", 611), ("C", 17))),
                OfferFacts("YOGURT NOT MULTI-PACKS", "GROCERY", (("A", 388), ("B", 502), ("C", 9))),
            ),
            distinct_offers=612,
            catalogue_offers=807,
            repeat_share=(("A", share(0.93)), ("B", share(0.91)), ("C", share(0.81))),
            coverage=(("A", share(0.99)), ("B", share(0.805)), ("C", share(0.188))),
        ),
        "relevance": RelevanceFacts(
            "relevance-1", "OK",
            (
                RelevanceKind("repeat", (("Log loss", Figure(0.3121, 0.3098, 0.3144)),), _bins(0.62)),
                RelevanceKind("explore", (("Log loss", Figure(0.0611, 0.0602, 0.0621)),), _bins(0.06)),
            ),
        ),
        "backtest": BacktestFacts(
            _hits(),
            "Hits in ten offers",
            (
                CampaignRow("13", "Type A", date(2017, 8, 8), "A", 412,
                            (("Redeemed", share(0.21, 0.17, 0.25)), ("Hits", Figure(3.9, 3.7, 4.1)))),
            ),
            "Eight past Mondays.",
        ),
        "readout": _readout(),
        "shared": SHARED,
    }  # fmt: skip
    return ReportFacts(**{**parts, **changes})


def empty_facts() -> ReportFacts:
    """Return a turn of which only the beginning is there."""
    return sample_facts(
        audit=None,
        value_curve=(),
        value_model=None,
        litmus=(),
        portfolio=None,
        relevance=None,
        backtest=None,
        readout=None,
        shared=None,
        growth=None,
        value_total=Figure(None, unit="money", note="not valued yet"),
        quarantine=(),
        reasons=(),
        tiers=tuple(
            TierFacts(t.tier, t.purpose, t.customers, *([Figure(None, note="not valued yet")] * 3), 0) for t in TIERS
        ),
        decided=tuple(
            DecidedTier(
                d.tier, d.customers, 0, 0, d.customers, *([Figure(None, note="not decided yet")] * 3), 0, counted(0)
            )
            for d in DECIDED
        ),
    )
