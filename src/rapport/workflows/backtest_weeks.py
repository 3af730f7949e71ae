"""Replay of past weeks: what each policy would have shown on a Monday, and what was then bought.

Why it exists: judges the relevance model and the decision apart, beside simple policies on the same households. What
was bought in a window is used to judge and never to score.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import SourceEmpty
from rapport.core.money import round_micros
from rapport.decide.choose import choose
from rapport.decide.describe import Terms, describe
from rapport.decide.portfolio import NO_OFFER
from rapport.decide.rows import Ragged, Rows, starts
from rapport.decide.terms import Catalogue, Prices
from rapport.differentiate.relevance_history import PurchaseHistory, bought_pairs, purchase_day_counts
from rapport.economics.contribution import break_even_base_rate, giveaway_micros, incremental_micros
from rapport.measure.ranking import (
    hits_at_k,
    personal_frequency_scores,
    popularity_scores,
    random_scores,
    top_k,
)
from rapport.program.model import Program
from rapport.workflows.backtest_explore import MODEL, explore_hits, explore_scores
from rapport.workflows.needs import asks_for_needs, needs_of, with_needs
from rapport.workflows.offers import make_catalogue
from rapport.workflows.outcomes import bought_within_validity
from rapport.workflows.plan import models_of, policy_of
from rapport.workflows.ports import Engine
from rapport.workflows.score import exclusions, fit_values, reachable, read_purchase_days, relevance_for
from rapport.workflows.state import build_states, make_purchases
from rapport.workflows.tiers import tiers_by_rank

RAPPORT = "rapport"
COMPARATORS = ("popular", "popular in tier", "personal frequency", "random")
POLICIES = (RAPPORT, *COMPARATORS)
_LEVEL_OF = {"popular": 0, "popular in tier": 1, "personal frequency": 2, "random": 2}
"""Index of the level cost each comparator's portfolio bears: one for all, one a tier, one a household."""


@dataclass(frozen=True)
class Week:
    """One Monday: customers, tiers and, for each policy, what each customer's portfolio did.

    keys : (n,) the household of each customer
    ranked : policy -> {measure: (n,) values}, portfolios ranked by response
    explored : rule -> (n,) hits among the best items never bought before
    decided : policy -> {measure: (n,) values}, portfolios as they would be sent
    probability, bought, bought_before : (n, J)
    """

    as_of: date
    keys: NDArray[np.int64]
    tiers: NDArray[np.str_]
    offers: int
    ranked: dict[str, dict[str, NDArray[np.float64]]]
    decided: dict[str, dict[str, NDArray[np.float64]]]
    shown: dict[str, NDArray[np.int64]]
    explored: dict[str, NDArray[np.float64]]
    probability: NDArray[np.float32]
    bought: NDArray[np.bool_]
    bought_before: NDArray[np.bool_]


def replay_week(engine: Engine, program: Program, base: Path, as_of: date) -> Week:
    """Return what each policy would have shown on a day, and what was bought within the validity after it.

    Needs the loaded tables in the engine.
    """
    make_purchases(engine, program, as_of)
    states = build_states(engine, as_of)
    _, values, _ = fit_values(states, read_purchase_days(engine), program, as_of)
    tiers = tiers_by_rank(engine, program, states, values)
    catalogue = make_catalogue(engine, program, base, as_of)
    if asks_for_needs(program, catalogue):
        states = with_needs(states, needs_of(engine, states, program, as_of))
    excluded = exclusions(engine, states, catalogue, program)
    model, probability, history = relevance_for(engine, states, catalogue, program, as_of)
    _refuse_open_window(engine, catalogue, as_of)
    bought = bought_within_validity(engine, history.customer_keys, catalogue, as_of)
    scores = comparator_scores(history, tiers)
    scores[RAPPORT] = probability
    k = program.policy.portfolio_size
    before = bought_pairs(history)
    lists = {p: top_k(scores[p], k) for p in POLICIES}
    rules = explore_scores(before, purchase_day_counts(history).sum(axis=0), model.items)
    seen = _Households(
        keys=states["customer_key"].to_numpy(),
        tiers=tiers,
        probability=probability.astype(np.float32).astype(np.float64),
        before=before,
        excluded=excluded,
        reached=reachable(states, program)[:, :1],
    )
    return Week(
        as_of=as_of,
        keys=states["household_key"].to_numpy(),
        tiers=tiers,
        offers=len(catalogue),
        ranked={p: _ranked(scores[p], lists[p], bought, before, k) for p in POLICIES},
        decided=_decided(seen, catalogue, program, scores, bought),
        shown=lists,
        explored=explore_hits({MODEL: probability, **rules}, before, bought, k),
        probability=probability.astype(np.float32),
        bought=bought,
        bought_before=before,
    )


def _refuse_open_window(engine: Engine, catalogue: pa.Table, as_of: date) -> None:
    last: date = engine.query("SELECT max(day) AS day FROM transactions")["day"][0].as_py()
    longest = max(catalogue["valid_days"].to_pylist())
    if as_of + timedelta(days=longest - 1) > last:
        raise SourceEmpty(
            f"backtest: an offer of {as_of} is valid {longest} days, and the data end on {last}; outcomes cannot be "
            f"counted to its end. Choose an earlier --last."
        )


def comparator_scores(history: PurchaseHistory, tiers: NDArray[np.str_]) -> dict[str, NDArray[np.float64]]:
    """Return the scores of the four comparators, each of shape (n, J).

    Popularity counts the days on which households bought the item, all households or those of the tier. Personal
    frequency counts the household's own; its ties and its tail, and the ties of a tier, go by popularity.
    """
    days = purchase_day_counts(history)
    popularity = days.sum(axis=0)
    tie = popularity / (1.0 + popularity.max(initial=0))
    in_tier = np.zeros(days.shape)
    for tier in np.unique(tiers):
        in_tier[tiers == tier] = days[tiers == tier].sum(axis=0) + tie
    return {
        "popular": popularity_scores(popularity, history.n_customers),
        "popular in tier": in_tier,
        "personal frequency": personal_frequency_scores(days, popularity),
        "random": random_scores(history.customer_keys, history.n_items, "backtest"),
    }


def _ranked(
    scores: NDArray[np.float64],
    lists: NDArray[np.int64],
    bought: NDArray[np.bool_],
    before: NDArray[np.bool_],
    k: int,
) -> dict[str, NDArray[np.float64]]:
    repeat = top_k(np.where(before, scores, -np.inf), k)
    explore = top_k(np.where(before, -np.inf, scores), k)
    return {
        "hits": hits_at_k(lists, bought).astype(np.float64),
        "bought": bought.sum(axis=1).astype(np.float64),
        "hits_repeat": hits_at_k(repeat, bought).astype(np.float64),
        "hits_explore": hits_at_k(explore, bought).astype(np.float64),
    }


@dataclass(frozen=True)
class _Households:
    """What the policies see of the households: tiers (n,), the rest (n, J); `reached` (n, 1) by the first channel."""

    keys: NDArray[np.int64]
    tiers: NDArray[np.str_]
    probability: NDArray[np.float64]
    before: NDArray[np.bool_]
    excluded: NDArray[np.int8]
    reached: NDArray[np.bool_]

    def rows(self) -> Rows:
        """Return the households as the decision reads them: nobody held out, nobody contacted yet."""
        n = len(self.keys)
        row, offer = np.nonzero(self.excluded == 0)
        return Rows(
            customer_key=self.keys,
            tier=self.tiers.astype(object),
            holdout=np.zeros(n, dtype=np.bool_),
            contacts_in_period=np.zeros(n, dtype=np.int64),
            reachable=self.reached,
            value_micros=np.zeros(n, dtype=np.int64),
            open_to=Ragged(starts(np.bincount(row, minlength=n)), offer.astype(np.int32)),
            base_probability=self.probability[row, offer],
            bought_before=self.before[row, offer],
            scopes=Ragged.empty(n),
            must=Ragged.empty(n),
            forced=np.zeros(n, dtype=np.bool_),
        )


def _decided(
    seen: _Households,
    table: pa.Table,
    program: Program,
    scores: dict[str, NDArray[np.float64]],
    bought: NDArray[np.bool_],
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return the money of each policy's portfolios in the programme's first channel, without chance and limits.

    The comparators send K offers to everyone the channel reaches, as policies without economics do; what a rule sets
    aside is set aside for them too.
    """
    catalogue, rows = Catalogue.from_table(table), seen.rows()
    policy = policy_of(program, "backtest")
    policy = replace(policy, channels=policy.channels[:1], exploration_share=0.0, limits=())
    models = models_of(rows, catalogue, policy, program, "backtest")
    terms = Terms.of(catalogue, models, policy)
    choice = choose(describe(rows, terms), terms, Prices.free(policy))
    offer = np.append(rows.open_to.values, NO_OFFER)[choice.places].astype(np.int64)
    level_cost = np.array([0, *policy.level_cost_micros], dtype=np.int64)
    portfolios = {RAPPORT: (offer, level_cost[choice.level])}
    allowed = (seen.excluded == 0) & seen.reached
    for name in COMPARATORS:
        lists = top_k(np.where(allowed, scores[name], -np.inf), policy.portfolio_size)
        portfolios[name] = (lists, np.full(len(lists), policy.level_cost_micros[_LEVEL_OF[name]]))
    channel = policy.channels[0]
    return {
        name: _money(
            seen.probability, catalogue, models.odds_ratio, (lists, cost + channel.cost_micros, channel.reach), bought
        )
        for name, (lists, cost) in portfolios.items()
    }


def _money(
    probability: NDArray[np.float64],
    catalogue: Catalogue,
    odds_ratio: float,
    sent: tuple[NDArray[np.int64], NDArray[np.int64], float],
    bought: NDArray[np.bool_],
) -> dict[str, NDArray[np.float64]]:
    """Return per household what a portfolio is expected to bring and give away, and what it did give away."""
    lists, cost, reach = sent
    filled = lists != NO_OFFER
    at = np.maximum(lists, 0)
    base = np.take_along_axis(probability, at, axis=1)
    happened = np.take_along_axis(bought, at, axis=1) & filled
    price, margin, depth = catalogue.price_micros[at], catalogue.margin_share[at], catalogue.depth[at]
    value = np.where(filled, incremental_micros(base, odds_ratio, price, margin, depth), 0)
    given = np.where(filled, giveaway_micros(base, price, depth), 0)
    really = np.where(happened, round_micros(depth * price), 0)
    paid = np.where(filled.any(axis=1), cost, 0)

    def through(micros: NDArray[np.int64]) -> NDArray[np.float64]:
        return round_micros(micros * np.float64(reach)).sum(axis=1).astype(np.float64)

    return {
        "expected_contribution": through(value) - paid,
        # The same with the discount given to those who did buy, where nobody was sent anything.
        "contribution_with_actual_giveaway": through(value + given - really) - paid,
        "expected_giveaway": through(given),
        "actual_giveaway": through(really),
        "slots": filled.sum(axis=1).astype(np.float64),
        "slots_that_cannot_pay": (filled & (base >= break_even_base_rate(margin, depth))).sum(axis=1).astype(float),
        "contacts": filled.any(axis=1).astype(np.float64),
    }
