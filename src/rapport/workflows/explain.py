"""Why one customer was decided as they were: from the record, and from the same function run again on them alone.

Why it exists: a decision that cannot be explained cannot be defended. The figures are those of the record; that
the decision function gives them again for the customer alone is checked each time, not assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.errors import StageMissing, UnknownCustomer, nearest
from rapport.core.reasons import REASON_MEANINGS, CustomerReason, OfferReason
from rapport.decide.choose import choose
from rapport.decide.decide import decide
from rapport.decide.describe import Described, Terms, describe
from rapport.decide.problem import LEVELS_A_CHANNEL, Portfolio
from rapport.decide.routes import look_at_routes
from rapport.decide.rows import Rows
from rapport.decide.share import as_plan
from rapport.decide.terms import Policy, Prices
from rapport.decide.weigh import weigh
from rapport.economics.contribution import break_even_base_rate, with_offer_probability
from rapport.economics.litmus import LEVELS
from rapport.workflows.explain_worksheet import vetoed, worksheet_for
from rapport.workflows.plan import decision_rows, terms_from
from rapport.workflows.plays_laid import PREFIX
from rapport.workflows.score import COOLED_DOWN, OWN_CONDITION
from rapport.workflows.state_ports import Store

_KINDS = {
    "eligibility": OfferReason.NOT_ELIGIBLE,
    "applicability": OfferReason.NOT_APPLICABLE,
    "suitability": OfferReason.NOT_SUITABLE,
}


def explain(store: Store, turn: str, customer_id: str, alternatives: int = 10) -> dict[str, Any]:
    """Return everything behind one customer's decision as plain values.

    Parameters
    ----------
    alternatives : int
        How many offers beside the portfolio to show, the most valuable first.

    Raises
    ------
    UnknownCustomer
        No customer has this id.
    StageMissing
        The turn has not been planned.
    """
    if not store.has_table(turn, "decisions"):
        raise StageMissing(f"turn {turn} has no decisions yet. Run: rapport plan with the programme's folder")
    row = _row_of(store.read_table(turn, "decisions"), customer_id, turn)
    decisions, states, scores, catalogue = (
        store.read_table(turn, n) for n in ("decisions", "states", "scores", "catalogue")
    )
    record = decisions.slice(row, 1)
    written = store.read_json(store.turn_folder(turn) / "terms.json")
    declared = store.read_json(store.turn_folder(turn) / "limits.json") or {}
    terms = terms_from(written, catalogue, declared)
    held_out = np.array([record["arm"][0].as_py() == "holdout"])
    rows = decision_rows(states.slice(row, 1), scores.slice(row, 1), turn, held_out)
    again = decide(rows, *terms)
    score = {n: scores[n][row].as_py() for n in scores.column_names if not pa.types.is_list(scores[n].type)}
    return {
        "turn": turn,
        "customer_id": customer_id,
        "state": states.slice(row, 1).to_pylist()[0],
        "value": score,
        "decision": record.to_pylist()[0],
        "reasons": {r: REASON_MEANINGS[CustomerReason(r)] for r in record["reasons"][0].as_py()},
        "portfolio": _portfolio(record.to_pylist()[0], catalogue),
        "alternatives": _alternatives(rows, record, catalogue, terms, alternatives),
        "limits": _limits_met(rows, terms),
        "includes": _includes(rows, declared),
        "excluded": _excluded(_of_offers(scores["excluded"][row].as_py(), catalogue), written["rules"])
        + vetoed(declared, scores["excluded"][row].as_py(), states.slice(row, 1), rows, catalogue),
        "worksheet": worksheet_for(declared, states.slice(row, 1), rows, terms, record),
        "same_when_decided_alone": again.equals(record),
    }


def _row_of(decisions: pa.Table, customer_id: str, turn: str) -> int:
    row: int = pc.index(decisions["customer_id"], customer_id).as_py()
    if row < 0:
        near = nearest(customer_id, decisions["customer_id"].to_pylist())
        raise UnknownCustomer(
            f"customer {customer_id!r} is not in turn {turn}, which has {len(decisions):,} customers.{near} "
            "Ids are those of the sources."
        )
    return row


def _portfolio(decision: dict[str, Any], catalogue: pa.Table) -> list[dict[str, Any]]:
    names = dict(zip(catalogue["offer_id"].to_pylist(), catalogue["name"].to_pylist(), strict=True))
    return [
        {
            "offer_id": offer,
            "name": names[offer],
            "kind": decision["offer_kinds"][i],
            "base_probability": decision["offer_base_probabilities"][i],
            "response_probability": decision["offer_response_probabilities"][i],
            "contribution_micros": decision["offer_contributions_micros"][i],
            "giveaway_micros": decision["offer_giveaways_micros"][i],
            "choice_probability": decision["offer_choice_probabilities"][i],
        }
        for i, offer in enumerate(decision["offer_ids"])
    ]


def _alternatives(
    rows: pa.Table, record: pa.Table, catalogue: pa.Table, terms: tuple[Any, ...], most: int
) -> list[dict[str, Any]]:
    """Return the most valuable offers that are not in the portfolio, each alone and seen."""
    prepared, models, policy, prices = terms
    typed = Rows.from_table(rows, len(prepared.offer_ids), len(policy.channels))
    offers, base = typed.open_to.values, typed.base_probability
    described = describe(typed, Terms.of(prepared, models, policy))
    value = described.value_micros
    taken = np.isin(np.array(prepared.offer_ids)[offers], record["offer_ids"][0].as_py())
    order = [int(i) for i in np.lexsort((offers, -value)) if not taken[i]][:most]
    response = with_offer_probability(base, models.odds_ratio)
    # Who is left alone is so for their own reason, not because other offers are better.
    silent = None if record["offer_ids"][0].as_py() else record["reasons"][0].as_py()[0]
    highest = break_even_base_rate(prepared.margin_share, prepared.depth)
    full = set() if silent else _shut_out_by_kind(described, _route_of(record, policy), prices, offers[taken], order)
    return [
        {
            "offer_id": prepared.offer_ids[offers[i]],
            "name": catalogue["name"][int(offers[i])].as_py(),
            "base_probability": float(base[i]),
            "response_probability_if_seen": float(response[i]),
            "value_if_seen_micros": int(value[i]),
            "pays_below_base_probability": float(highest[offers[i]]),
            "reason": silent or str(_why_not(int(value[i]), i in full)),
        }
        for i in order
    ]


def _why_not(value_micros: int, kind_is_full: bool) -> OfferReason:
    if kind_is_full:
        return OfferReason.KIND_FULL
    return OfferReason.LESS_VALUE if value_micros > 0 else OfferReason.DOES_NOT_PAY


def _route_of(record: pa.Table, policy: Policy) -> int:
    """Return the route of who is spoken to."""
    channel = [c.name for c in policy.channels].index(record["channel"][0].as_py())
    return channel * LEVELS_A_CHANNEL + LEVELS.index(record["level"][0].as_py()) - 1


def _shut_out_by_kind(
    described: Described, route: int, prices: Prices, given: NDArray[np.int32], asked: Sequence[int]
) -> set[int]:
    """Return which of the asked open offers only their kind keeps out of the portfolio of one customer.

    For each offer whose kind is full among those given the route is filled again as if that one offer had no kind.
    """
    portfolio = described.problem.portfolio
    of_a_kind = portfolio.kind[given]
    alike = np.bincount(of_a_kind[of_a_kind >= 0], minlength=len(portfolio.kind_most))
    # What has no kind is numbered -1 and finds the last entry.
    full = np.append(alike >= portfolio.kind_most, False)
    offers = described.rows.open_to.values
    usual = _filled(described, portfolio, route, prices)
    found = set()
    for i in (i for i in asked if full[portfolio.kind[offers[i]]] and i not in usual):
        kind = portfolio.kind.copy()
        kind[offers[i]] = -1
        if i in _filled(described, portfolio._replace(kind=kind), route, prices):
            found.add(i)
    return found


def _filled(described: Described, portfolio: Portfolio, route: int, prices: Prices) -> set[int]:
    """Return the open offers with which a route of one customer is filled at given prices."""
    table = look_at_routes(described.problem._replace(portfolio=portfolio), prices.limit_micros)
    slots = table.slots[0, route]
    return set(described.source[slots[slots >= 0]].tolist())


def _limits_met(rows: pa.Table, terms: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return the limits that what is said to the customer uses: how much, the price of a unit, what that comes to."""
    catalogue, models, policy, prices = terms
    typed = Rows.from_table(rows, len(catalogue.offer_ids), len(policy.channels))
    laid_out = Terms.of(catalogue, models, policy)
    described = describe(typed, laid_out)
    choice = choose(described, laid_out, prices)
    used = weigh(described.problem, *as_plan(described, choice, np.ones(1, dtype=np.bool_)))[1]
    return [
        {
            "name": limit.name,
            "counts": limit.counts,
            "sense": "at_least" if limit.at_least else "at_most",
            "uses": float(used[n]),
            "price_micros": float(prices.limit_micros[n]),
            "paid_micros": float(used[n] * prices.limit_micros[n]),
        }
        for n, limit in enumerate(policy.limits)
        if used[n] > 0
    ]


def _includes(rows: pa.Table, declared: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what must be included in whatever is said to the customer."""
    known = declared.get("includes", [])
    mine = rows["includes"][0].as_py() if "includes" in rows.column_names else None
    return [known[n] for n in mine or []]


def _of_offers(codes: list[int], catalogue: pa.Table) -> list[int]:
    """Return what excludes each offer, without the reasons to talk of plays: those are told with the plays."""
    ids = catalogue["offer_id"].to_pylist()
    return [c for c, offer in zip(codes, ids, strict=True) if not offer.startswith(PREFIX)]


def _excluded(codes: list[int], rules: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return how many offers each rule set aside, and why."""
    found = []
    if own := codes.count(OWN_CONDITION):
        why = "The offer's own condition does not hold."
        found.append({"rule": "eligible", "reason": str(OfferReason.NOT_ELIGIBLE), "offers": own, "why": why})
    if cooling := codes.count(COOLED_DOWN):
        why = "Bought, or its coupon redeemed, too short a time ago."
        found.append({"rule": "cool_down_days", "reason": str(OfferReason.COOL_DOWN), "offers": cooling, "why": why})
    for number, rule in enumerate(rules, start=1):
        count = codes.count(number)
        if count:
            found.append(
                {"rule": rule["name"], "reason": str(_KINDS[rule["kind"]]), "offers": count, "why": rule["why"]}
            )
    return found
