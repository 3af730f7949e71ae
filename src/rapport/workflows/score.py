"""Stage `score`: value, tier and relevance of each customer, and which offers a rule excludes for whom.

Why it exists: brings states, catalogue and models together into the one row a customer that the decision reads.
Nothing is chosen here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import ProgramInvalid, SourceEmpty
from rapport.core.money import to_micros
from rapport.core.tables import CATALOGUE, SCORES
from rapport.differentiate.lifetime_choice import choose_lifetime
from rapport.differentiate.lifetime_cohorts import MOST_COHORTS, UNKNOWN, CohortModels, choose_cohorts, quarters_of
from rapport.differentiate.lifetime_model import LifetimeModel
from rapport.differentiate.offers_sql import item_products_sql
from rapport.differentiate.purchase_days import PurchaseDays, purchase_days
from rapport.differentiate.relevance import fit_relevance, predict_relevance
from rapport.differentiate.relevance_history import (
    PurchaseHistory,
    bought_pairs,
    day_number,
    history_from_arrow,
)
from rapport.differentiate.relevance_record import RelevanceModel, RelevanceSettings
from rapport.differentiate.relevance_sql import ALL_KEYS, relevance_purchases_sql, relevance_trips_sql
from rapport.differentiate.seasons import NONE, Seasons, fit_seasons
from rapport.differentiate.spend import SpendModel
from rapport.differentiate.spend_choice import DayAmounts, choose_spend
from rapport.differentiate.tiers import TIERS, assign_tiers
from rapport.differentiate.value import CustomerValues, ValueTerms, value_by_group
from rapport.differentiate.value import PurchaseHistory as ValueHistory
from rapport.differentiate.value_spread import spread_by_group
from rapport.identify.load_sql import name_traits
from rapport.program.model import Program
from rapport.program.rules import check_rule
from rapport.workflows.conditions import holds
from rapport.workflows.cost_to_serve import service_costs
from rapport.workflows.growth import Growth
from rapport.workflows.limits import Declared, Lists
from rapport.workflows.needs import NeedsOfTurn, needs_columns
from rapport.workflows.ports import Engine
from rapport.workflows.tiers import Tiered
from rapport.workflows.worksheet_steer import Boosts, with_boosts

OWN_CONDITION = -1
"""Marks an offer whose own `eligible` condition does not hold for the customer; rules count from 1."""

COOLED_DOWN = -2
"""Marks an offer whose item the customer bought, or whose coupon they redeemed, within the days of cooling down."""

VETOED = -3
"""Marks an offer that would be open, but that a person vetoed in the worksheet."""


@dataclass(frozen=True)
class ValueModels:
    """What was fitted to say what customers are worth."""

    lifetime: LifetimeModel
    spend: SpendModel
    cohorts: CohortModels | None = None
    seasons: Seasons = NONE
    cohort_of: NDArray[np.str_] | None = None

    def groups(self, n: int) -> list[tuple[NDArray[np.bool_], LifetimeModel]]:
        """Return which of n customers each lifetime model is about."""
        if self.cohorts is None or self.cohort_of is None or not self.cohorts.by_cohort:
            return [(np.ones(n, dtype=np.bool_), self.lifetime)]
        own = [(self.cohort_of == name, model) for name, model in self.cohorts.by_cohort.items()]
        rest = ~np.any([members for members, _ in own], axis=0)
        return [*own, (rest, self.lifetime)] if rest.any() else own


@dataclass(frozen=True)
class Purchased:
    """On which days each customer bought before the day of the decision, and what each of these days contributed."""

    days: PurchaseDays
    amounts: DayAmounts


def read_purchase_days(engine: Engine) -> Purchased:
    """Return the purchase days of each customer before the day of the decision; needs `make_purchases`."""
    found = engine.query(
        "SELECT customer_key, day, CAST(sum(margin_micros) AS BIGINT) AS micros FROM purchases "
        "GROUP BY customer_key, day ORDER BY customer_key, day"
    )
    keys, days = found["customer_key"].to_numpy(), found["day"].to_numpy().astype("datetime64[D]")
    amounts = DayAmounts(keys, days.astype(np.int64), found["micros"].to_numpy())
    return Purchased(purchase_days(keys, days), amounts)


def fit_values(
    states: pa.Table, purchases: Purchased, program: Program, as_of: date
) -> tuple[ValueModels, CustomerValues, NDArray[np.str_]]:
    """Return the value models, the value of each customer, and their tier, from what was known on a day.

    `purchases` are those of the customers of `states`, from `read_purchase_days`.
    """
    # Age is counted to the day of the decision, so that day is the last one known; nobody has bought on it yet.
    end = day_number(as_of)
    lifetime = choose_lifetime(purchases.days, end=end)
    cohort_of = None if program.value.cohorts == "none" else cohort_names(states, program.value.cohorts)
    models = ValueModels(
        lifetime=lifetime,
        spend=choose_spend(purchases.amounts, end=end),
        cohorts=None if cohort_of is None else _cohorts(states, cohort_of, purchases.days, end, lifetime),
        seasons=fit_seasons(purchases.days, end) if program.value.seasons == "auto" else NONE,
        cohort_of=cohort_of,
    )
    terms = value_terms(states, models, program, as_of)
    values = value_by_group(value_history(states), models.groups(len(states)), models.spend, terms)
    tiers = assign_tiers(
        values.expected_contribution_micros,
        states["customer_key"].to_numpy(),
        program.tiers.top_share,
        program.tiers.bottom_share,
    )
    return models, values, tiers


def _cohorts(
    states: pa.Table, cohort_of: NDArray[np.str_], purchases: PurchaseDays, end: int, pooled: LifetimeModel
) -> CohortModels:
    """Return the models of the cohorts of those who bought; raise ProgramInvalid where there are too many cohorts."""
    of_buyers = cohort_of[np.searchsorted(states["customer_key"].to_numpy(), purchases.keys)]
    if (many := len(np.unique(of_buyers))) > MOST_COHORTS:
        raise ProgramInvalid(
            f"program.toml: value.cohorts divides customers into {many} cohorts; at most {MOST_COHORTS} are "
            "compared. Choose a coarser trait."
        )
    return choose_cohorts(purchases, of_buyers, end, pooled)


def cohort_names(states: pa.Table, wanted: str) -> NDArray[np.str_]:
    """Return the cohort of each customer: the quarter of the first purchase, or the value of a trait."""
    if wanted != "quarter":
        return np.array(states[name_traits([wanted])[0]].fill_null(UNKNOWN).to_pylist(), dtype=np.str_)
    return quarters_of(states["first_day"].fill_null(0).to_numpy().astype("datetime64[D]"))


def value_history(states: pa.Table) -> ValueHistory:
    """Return the purchases of each customer of the states as value is worked out from them."""
    days = states["purchase_days"].to_numpy()
    bought = days > 0
    frequency, recency, age = (states[c].to_numpy() for c in ("frequency", "recency_days", "age_days"))
    mean = np.where(bought, states["margin_micros"].to_numpy() / np.maximum(days, 1), 0.0)
    return ValueHistory(frequency, recency, age, mean, averaged_days=days, bought=bought)


def value_terms(states: pa.Table, models: ValueModels, program: Program, as_of: date) -> ValueTerms:
    """Return over how long, and on which terms, the programme counts value, with the season ahead."""
    cost = program.cost_to_serve
    serving = service_costs(states, program).yearly_micros
    return ValueTerms(
        horizon_days=program.horizon_days,
        yearly_discount=program.discount_rate,
        cost_to_serve_micros=None if cost is None else to_micros(cost.per_purchase_day),
        yearly_cost_micros=serving if serving.any() else None,
        season=models.seasons.over(day_number(as_of), program.horizon_days),
    )


def value_spread(
    states: pa.Table, models: ValueModels, terms: ValueTerms, values: CustomerValues, tiers: NDArray[np.str_]
) -> dict[str, float] | None:
    """Return the standard error that the parameters give to the worth of each tier and of `all`, with that `worth`.

    None where the model has no covariance; all in micros.
    """
    groups = {t: tiers == t for t in TIERS} | {"all": np.ones(len(states), dtype=np.bool_)}
    found = spread_by_group(value_history(states), models.groups(len(states)), models.spend, terms, groups)
    worth = float(values.expected_contribution_micros.sum())
    return None if found is None else found | {"worth": worth}


def read_history(
    engine: Engine, customer_keys: NDArray[np.int64], catalogue: pa.Table, as_of: date
) -> PurchaseHistory:
    """Return the purchases of the catalogue's items before a day, as the relevance model reads them."""
    engine.register_arrow("offers", catalogue.select(["offer_index", "item"]))
    engine.execute(f"CREATE OR REPLACE TABLE item_products AS {item_products_sql()}")
    bound = {"as_of": as_of, **ALL_KEYS}
    purchases = engine.query(relevance_purchases_sql(), bound)
    trips = engine.query(relevance_trips_sql(), bound)
    return history_from_arrow(customer_keys, len(catalogue), purchases, trips)


def fit_for_offers(history: PurchaseHistory, program: Program, as_of: date) -> RelevanceModel:
    """Return the relevance model for windows as long as an offer is valid.

    Raises
    ------
    SourceEmpty
        The history before the day is shorter than two windows.
    """
    window = program.offers.validity_days
    day = day_number(as_of)
    known = day - int(history.trip_day.min(initial=day))
    if known < 2 * window:
        raise SourceEmpty(
            f"transactions: {known} days are known before {as_of}; relevance for offers valid {window} days needs at "
            f"least {2 * window}. Load a longer history, choose a later --as-of, or shorten offers.validity_days."
        )
    return fit_relevance(history, day, RelevanceSettings(window_days=window))


def diagnostics_of(model: RelevanceModel) -> dict[str, dict[str, Any]]:
    """Return the quality of the two models on held-out households as plain values; None for what is not a number."""
    return {
        kind: {k: (None if isinstance(v, float) and np.isnan(v) else v) for k, v in asdict(part.diagnostics).items()}
        for kind, part in (("repeat", model.repeat), ("explore", model.explore))
    }


def over_validity(probability: NDArray[np.float64], catalogue: pa.Table, window_days: int) -> NDArray[np.float64]:
    """Return probabilities over each offer's own validity, where it differs from the model's window.

    A constant chance per day turns the probability over one length into that over another.
    """
    valid = catalogue["valid_days"].to_numpy() / window_days
    if (valid == 1.0).all():
        return probability
    return -np.expm1(np.log1p(-np.minimum(probability, 1.0 - 1e-12)) * valid)


def exclusions(engine: Engine, states: pa.Table, catalogue: pa.Table, program: Program) -> NDArray[np.int8]:
    """Return, for each customer and offer, 0 or why not: `OWN_CONDITION`, the first rule's number, `COOLED_DOWN`.

    Raises
    ------
    RuleRefused
        A condition holds something that rules may not.
    """
    out = np.zeros((len(states), len(catalogue)), dtype=np.int8)
    engine.register_arrow("rule_states", states)
    engine.register_arrow("rule_offers", catalogue)
    conditions = np.array(catalogue["eligible"].to_pylist(), dtype=object)
    for condition in sorted({c for c in conditions if c is not None}):
        where = f"eligible of offers {condition!r}"
        checked = check_rule(condition, states.column_names, where)
        hit = holds(engine, checked, "rule_states", "customer_key", where)
        out[np.ix_(~hit, conditions == condition)] = OWN_CONDITION
    for number, rule in enumerate(program.rules, start=1):
        offers = check_rule(rule.offers, CATALOGUE.names, f"rules.{rule.name}.offers")
        customers = check_rule(rule.customers, states.column_names, f"rules.{rule.name}.customers")
        hit_offers = holds(engine, offers, "rule_offers", "offer_index", f"rules.{rule.name}.offers")
        hit_customers = holds(engine, customers, "rule_states", "customer_key", f"rules.{rule.name}.customers")
        both = hit_customers[:, None] & hit_offers[None, :] & (out == 0)
        out[both] = number
    if program.offers.cool_down_days:
        _cool_down(engine, states, out, program.offers.cool_down_days)
    return out


def _cool_down(engine: Engine, states: pa.Table, out: NDArray[np.int8], days: int) -> None:
    """Mark, in `out`, the open offers that cool down; what another reason excludes keeps it."""
    found = engine.query(cool_down_sql(), {"days": days})
    rows = np.searchsorted(states["customer_key"].to_numpy(), found["customer_key"].to_numpy())
    offers = found["offer_index"].to_numpy()
    still_open = out[rows, offers] == 0
    out[rows[still_open], offers[still_open]] = COOLED_DOWN


def cool_down_sql() -> str:
    """Return SQL for `customer_key, offer_index`: the offers that cool down for a customer.

    An offer cools down where its item was bought, or a coupon for its item redeemed, in the `$days` days before the
    day of the decision. Needs the views `purchases`, `redemptions`, `coupons`, `products`, and the states and offers
    of the turn as `rule_states` and `rule_offers`.
    """
    return """
        WITH coupon_items AS (
            SELECT DISTINCT c.coupon_id, c.campaign_id, p.item
            FROM coupons c JOIN products p ON p.product_id = c.product_id
            WHERE p.item IN (SELECT item FROM rule_offers)
        ),
        taken AS (
            SELECT customer_key, item, day FROM purchases
            UNION ALL
            SELECT r.customer_key, c.item, r.day
            FROM redemptions r JOIN coupon_items c
            ON c.coupon_id = r.coupon_id AND c.campaign_id = coalesce(r.campaign_id, c.campaign_id)
        )
        SELECT DISTINCT s.customer_key, o.offer_index
        FROM taken t
        JOIN rule_offers o ON o.item = t.item
        JOIN rule_states s ON s.customer_key = t.customer_key AND t.day < s.as_of AND t.day >= s.as_of - $days
        ORDER BY s.customer_key, o.offer_index
    """


def reachable(states: pa.Table, program: Program) -> NDArray[np.bool_]:
    """Return which channels can reach each customer, shape (n, channels): those whose needed trait is there."""
    out = np.ones((len(states), len(program.channels)), dtype=np.bool_)
    for c, channel in enumerate(program.channels):
        if channel.needs is not None:
            (trait,) = name_traits([channel.needs])
            out[:, c] = states[trait].is_valid().to_numpy(zero_copy_only=False)
    return out


@dataclass(frozen=True)
class Scored:
    """Everything the score table is put together from; arrays in the order of the states.

    `declared` is what the programme declares of all customers together, `must` the open offers that it demands,
    `growth` what customers could be worth.
    """

    values: CustomerValues
    tiers: NDArray[np.str_]
    contacts: NDArray[np.int64]
    reachable: NDArray[np.bool_]
    base_probability: NDArray[np.float64]
    bought_before: NDArray[np.bool_]
    excluded: NDArray[np.int8]
    declared: Declared
    must: Lists
    growth: Growth
    tiered: Tiered
    boosts: Boosts | None = None
    needs: NeedsOfTurn | None = None


def score_table(states: pa.Table, scored: Scored) -> pa.Table:
    """Return the scores with the schema `core.tables.SCORES`, then `BOOSTS` if any, in the order of the states."""
    values = scored.values
    columns = {
        "customer_key": states["customer_key"],
        "customer_id": states["customer_id"],
        "tier": pa.array(scored.tiers.tolist(), pa.string()),
        "value_status": pa.array([str(values.status)] * len(states), pa.string()),
        "alive_probability": pa.array(values.alive_probability),
        "expected_purchases": pa.array(values.expected_purchases),
        "actual_value_micros": pa.array(values.expected_contribution_micros),
        "actual_value_low_micros": pa.array(values.low_micros),
        "actual_value_high_micros": pa.array(values.high_micros),
        "below_zero": pa.array(values.below_zero),
        "contacts_in_period": pa.array(scored.contacts),
        "reachable": _lists(scored.reachable, "reachable"),
        "base_probability": _lists(scored.base_probability.astype(np.float32), "base_probability"),
        "bought_before": _lists(scored.bought_before, "bought_before"),
        "excluded": _lists(scored.excluded, "excluded"),
        "scopes": _positions(scored.declared.in_scope, "scopes"),
        "must_offers": _positions(scored.must, "must_offers"),
        "includes": _positions(Lists.where(scored.declared.includes), "includes"),
        "forced": pa.array(scored.declared.forced & _has_to_say(scored)),
        **scored.growth.columns,
        "previous_tier": pa.array([t or None for t in scored.tiered.previous.tolist()], pa.string()),
        "rank_tier": pa.array(scored.tiered.rank_tiers.tolist(), pa.string()),
        # Plays are laid upon the scores by those who use them.
        "plays": _lists(np.zeros((len(states), 0), dtype=np.int32), "plays"),
        "play_stakes_micros": _lists(np.zeros((len(states), 0), dtype=np.int64), "play_stakes_micros"),
    }
    columns |= needs_columns(scored.needs, len(states))
    table = pa.Table.from_arrays([columns[f.name] for f in SCORES], schema=SCORES)
    return table if scored.boosts is None else with_boosts(table, scored.boosts)


def _has_to_say(scored: Scored) -> NDArray[np.bool_]:
    """Return who would hear something if spoken to for the sake of an include: a text, or an offer that is open."""
    return scored.declared.includes.any(axis=1) & (scored.declared.with_text | (np.diff(scored.must.start) > 0))


def _lists(matrix: NDArray[np.generic], name: str) -> pa.Array:
    offsets = pa.array((np.arange(len(matrix) + 1) * matrix.shape[1]).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.reshape(-1)), type=SCORES.field(name).type)


def _positions(lists: Lists, name: str) -> pa.Array:
    values = pa.array(lists.values, pa.int32())
    return pa.ListArray.from_arrays(pa.array(lists.start.astype(np.int32)), values, type=SCORES.field(name).type)


def relevance_for(
    engine: Engine, states: pa.Table, catalogue: pa.Table, program: Program, as_of: date
) -> tuple[RelevanceModel, NDArray[np.float64], PurchaseHistory]:
    """Return the fitted relevance model, the base probabilities over each offer's validity, and the history."""
    history = read_history(engine, states["customer_key"].to_numpy(), catalogue, as_of)
    return *learn_relevance(history, catalogue, program, as_of), history


def learn_relevance(
    history: PurchaseHistory, catalogue: pa.Table, program: Program, as_of: date
) -> tuple[RelevanceModel, NDArray[np.float64]]:
    """Return the fitted relevance model and the base probabilities over each offer's validity. It reads nothing."""
    model = fit_for_offers(history, program, as_of)
    return model, over_validity(predict_relevance(model, history), catalogue, program.offers.validity_days)


__all__ = [
    "Scored",
    "ValueModels",
    "bought_pairs",
    "exclusions",
    "fit_values",
    "learn_relevance",
    "reachable",
    "read_history",
    "read_purchase_days",
    "relevance_for",
    "score_table",
    "value_spread",
]
