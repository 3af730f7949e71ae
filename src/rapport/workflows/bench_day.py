"""A day of arrivals decided one after another under shared limits, beside what could have been.

Why it exists: pacing is judged by what is left over, by what was exceeded, and by value: against prices that do not
move, against no prices, and against the best that anybody could have done who knew the day in advance (the dual bound
of the real arrivals). The market is made up; what is decided goes through `decide_now` and the one decision function.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.keys import customer_keys
from rapport.decide.describe import Terms, describe
from rapport.decide.dual import find_prices
from rapport.decide.pacing import Pace, paced_prices, rest_of_plan
from rapport.decide.respond import respond
from rapport.decide.rows import Rows
from rapport.decide.terms import Catalogue, ChannelTerms, CommonPortfolio, Models, Policy, Prices, SharedLimit
from rapport.simulate.day import Day, Surprise, plant_day
from rapport.workflows.decide_now import Asked, decide_now
from rapport.workflows.desk import ROW, Desk, Known

Way = Literal["paced", "fixed", "first-come"]
WAYS: tuple[Way, ...] = ("paced", "fixed", "first-come")
"""Prices that follow what is left; the prices of the plan all day; no prices. All close what is used up."""

OFFERS, CANDIDATES = 40, 12
TIERS = {"A": (0.2, 0.10), "B": (0.3, 0.05), "C": (0.5, 0.02)}
"""Share of customers, and about how likely they buy the item of an offer anyway."""


@dataclass(frozen=True)
class Market:
    """Customers who may come, a desk, and the plan for a day like those before.

    rows : N customers with the schema `workflows.desk.ROW`
    planned : (T, L) what the plan uses, by tier
    coming : (T,) arrivals expected, by tier
    plan_value : micros
    """

    desk: Desk
    rows: pa.Table
    tier: NDArray[np.str_]
    worth: NDArray[np.float64]
    planned: NDArray[np.float64]
    coming: NDArray[np.float64]
    plan_value: float

    @property
    def terms(self) -> Terms:
        """Return the terms of whole portfolios."""
        return self.desk.terms[-1]

    @property
    def pace(self) -> Pace:
        """Return how a day begins."""
        sharing = self.terms.sharing
        micros, planned = self.desk.prices.limit_micros, self.planned.sum(axis=0)
        return Pace.of((sharing.bound, sharing.at_least), micros, planned, self.plan_value)


@dataclass(frozen=True)
class Past:
    """What came of a day: value in micros, what was used of each limit (L,), and the largest excess over any."""

    value: float
    used: NDArray[np.float64]
    over: float


def plant_market(arrivals: int, seed: int, tightness: float = 0.5) -> Market:
    """Return a market whose plan was made for another day of so many arrivals as expected.

    Limits: a budget for discounts and the stocks of ten offers, both at the share `tightness` of what that day would
    use without limits, and the minutes of one of two channels.
    """
    draw = np.random.default_rng([seed, 99])
    n = 4 * arrivals
    tier = draw.choice(list(TIERS), n, p=[share for share, _ in TIERS.values()])
    catalogue, policy, models = _trade(draw)
    rows = _customers(draw, tier)
    typed = Rows.from_table(rows, OFFERS, len(policy.channels))
    free = Terms.of(catalogue, models, policy)
    alone = respond(describe(typed, free).problem, np.zeros(len(policy.limits)))
    expected = plant_day(tier, alone.net, arrivals, seed + 1_000).who
    wanted = respond(describe(_rows_of(rows, expected, free), free).problem, np.zeros(len(policy.limits))).usage
    bounds = [float(max(np.floor(tightness * w), 1.0)) for w in wanted]
    limits = tuple(replace(x, bound=b) for x, b in zip(policy.limits, bounds, strict=True))
    terms = Terms.of(catalogue, models, replace(policy, limits=limits))
    problem = describe(_rows_of(rows, expected, terms), terms).problem
    found = find_prices(problem, start=None, clock=lambda: 0.0, allowed_seconds=600.0, salt="plan")
    prices = replace(Prices.free(terms.policy), limit_micros=found.prices)
    known = Known.of(rows.combine_chunks().to_batches())
    desk = Desk.of(terms, prices, known, rows.slice(0, 1), [f"item {j}" for j in range(OFFERS)], cool_down=True)
    planned = np.stack([_used_by_tier(rows, expected[tier[expected] == t], terms, found.prices) for t in TIERS])
    planned *= np.minimum(1.0, terms.sharing.bound / np.maximum(planned.sum(axis=0), 1.0))
    coming = np.array([(tier[expected] == t).sum() for t in TIERS], dtype=np.float64)
    return Market(desk, rows, tier, alone.net, planned, coming, found.bound)


def _used_by_tier(
    rows: pa.Table, who: NDArray[np.int64], terms: Terms, micros: NDArray[np.float64]
) -> NDArray[np.float64]:
    return respond(describe(_rows_of(rows, who, terms), terms).problem, micros).usage


def _trade(draw: np.random.Generator) -> tuple[Catalogue, Policy, Models]:
    catalogue = Catalogue(
        offer_ids=tuple(f"o{j:02d}" for j in range(OFFERS)),
        price_micros=(draw.lognormal(1.6, 0.6, OFFERS) * 1e6).astype(np.int64),
        margin_share=draw.uniform(0.30, 0.50, OFFERS),
        depth=draw.choice([0.10, 0.15, 0.20], OFFERS),
        category_index=draw.integers(0, 10, OFFERS).astype(np.int32),
        boost=np.zeros(OFFERS),
        kind=np.full(OFFERS, -1, dtype=np.int32),
        kind_most=np.zeros(0, dtype=np.int32),
    )
    both = (0, 1)
    stocks = sorted(draw.choice(OFFERS, 10, replace=False).tolist())
    limits = (
        SharedLimit("discounts", "giveaway", False, 0.0, both),
        SharedLimit("minutes", "minutes", False, 0.0, (1,)),
        *(SharedLimit(f"stock {j}", "offers", False, 0.0, both, (j,)) for j in stocks),
    )
    policy = Policy(
        portfolio_size=3,
        variety=0.8,
        exploration_share=0.0,
        contacts=4,
        channels=(ChannelTerms("web", 0, 0.5), ChannelTerms("desk", 20_000, 0.9, minutes=3.0)),
        level_cost_micros=(0, 0, 0),
        salt="day",
        version="policy-day",
        limits=limits,
    )
    nobody = CommonPortfolio(np.zeros(0, dtype=np.int32))
    models = Models(4.0, 3.0, 5.0, "assumed", nobody, dict.fromkeys(TIERS, nobody), "models-day")
    return catalogue, policy, models


def _customers(draw: np.random.Generator, tier: NDArray[np.str_]) -> pa.Table:
    n = len(tier)
    ids = [f"customer {i}" for i in range(n)]
    keys = customer_keys(ids)
    offers = np.sort(np.argsort(draw.random((n, OFFERS)), axis=1)[:, :CANDIDATES], axis=1).astype(np.int32)
    usual = np.array([TIERS[t][1] for t in tier])
    base = np.minimum(usual[:, None] * draw.lognormal(-0.3, 0.8, (n, CANDIDATES)), 0.9).astype(np.float32)
    start = (np.arange(n + 1) * CANDIDATES).astype(np.int32)
    none = pa.array([[]] * n, pa.list_(pa.int32()))

    def lists(name: str, values: NDArray[np.generic]) -> pa.Array:
        kind = ROW.field(name).type
        return pa.ListArray.from_arrays(pa.array(start), pa.array(values.reshape(-1), kind.value_type), type=kind)

    columns: dict[str, pa.Array] = {
        "customer_key": pa.array(keys),
        "customer_id": pa.array(ids),
        "household_key": pa.array(keys),
        "turn": pa.array(["day"] * n),
        "as_of": pa.array([date(2030, 1, 7)] * n),
        "tier": pa.array(tier.tolist()),
        "holdout": pa.array(np.zeros(n, dtype=np.bool_)),
        "contacts_in_period": pa.array(np.zeros(n, dtype=np.int64)),
        "actual_value_micros": pa.array(np.zeros(n, dtype=np.int64)),
        "reachable": pa.array([[True, True]] * n, pa.list_(pa.bool_())),
        "candidate_offers": lists("candidate_offers", offers),
        "candidate_probabilities": lists("candidate_probabilities", base),
        "candidate_bought_before": lists("candidate_bought_before", np.zeros((n, CANDIDATES), dtype=np.bool_)),
        "scopes": none,
        "must_offers": none,
        "forced": pa.array(np.zeros(n, dtype=np.bool_)),
        "plays": none,
        "play_stakes_micros": pa.array([[]] * n, pa.list_(pa.int64())),
    }
    return pa.Table.from_arrays([columns[f.name] for f in ROW], schema=ROW)


def _rows_of(rows: pa.Table, who: NDArray[np.int64], terms: Terms) -> Rows:
    return Rows.from_table(rows.take(pa.array(who)), OFFERS, len(terms.policy.channels))


def best_in_hindsight(market: Market, day: Day) -> float:
    """Return what nobody could exceed who knew the arrivals in advance: the dual bound, micros."""
    problem = describe(_rows_of(market.rows, day.who, market.terms), market.terms).problem
    return find_prices(problem, start=None, clock=lambda: 0.0, allowed_seconds=600.0, salt="hindsight").bound


def spend_day(market: Market, day: Day, way: Way) -> Past:
    """Decide everybody who comes, one by one in their order, and return what came of it."""
    desk, pace, names = market.desk, market.pace, list(TIERS)
    bound, value = market.terms.sharing.bound, 0
    used, came = np.zeros(len(bound)), np.zeros(len(names))
    for who, expected in zip(day.who.tolist(), day.expected.tolist(), strict=True):
        micros = {"fixed": pace.limit_micros, "first-come": np.zeros(len(bound))}.get(way)
        if micros is None:
            micros = paced_prices(pace, rest_of_plan(market.planned, expected, came, market.coming), used)
        served = decide_now(desk, Asked(f"customer {who}"), limit_micros=micros, room=bound - used)
        used = served.uses.added_to(used)
        value += served.decision["expected_contribution_micros"][0].as_py()
        came[names.index(market.tier[who])] += 1
    return Past(float(value), used, float(np.max(used - bound)))


def day_of(market: Market, arrivals: int, seed: int, surprise: Surprise) -> Day:
    """Return a day of so many arrivals as expected, different in a known way."""
    return plant_day(market.tier, market.worth, arrivals, seed, surprise)
