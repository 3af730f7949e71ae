"""What holds for every decision of every small programme: the first rule of the house."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from rapport.core.errors import LimitsConflict
from rapport.core.money import round_micros
from rapport.decide.decide import decide
from rapport.decide.terms import Prices, Repairs
from rapport.economics.contribution import incremental_micros
from rapport.workflows.plan import Plan, plan_turn, terms_from, terms_record
from worlds import TURN, World, as_records, shortlisted, worlds

# Worlds whose limits cannot be met have no plan; about one in eight.
some = settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


def planned(world: World) -> Plan:
    try:
        return plan_turn(world.rows, world.catalogue, world.program, TURN, "model-1", declared=world.declared)
    except LimitsConflict:
        reject()


def beside(world: World, plan: Plan) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    return zip(world.rows.to_pylist(), plan.decisions.to_pylist(), strict=True)


@settings(some, max_examples=40)
@given(worlds(), st.data())
def test_a_customer_is_decided_the_same_alone_in_any_chunk_and_in_any_order(
    world: World, data: st.DataObject
) -> None:
    plan = planned(world)
    whole = as_records(plan.decisions)
    n = len(whole)
    moved = np.flatnonzero(plan.decisions["repaired"].to_numpy()).tolist()
    for i in {*range(min(n, 6)), *moved[:3]}:
        assert as_records(decide(world.rows.slice(i, 1), *plan.terms))[0] == whole[i]
    cut = data.draw(st.integers(0, n))
    chunks = [decide(part, *plan.terms) for part in (world.rows.slice(0, cut), world.rows.slice(cut))]
    assert [r for c in chunks for r in as_records(c)] == whole
    order = data.draw(st.permutations(range(n)))
    shuffled = as_records(decide(world.rows.take(order), *plan.terms))
    assert shuffled == [whole[i] for i in order]
    ragged = pa.concat_tables([world.rows.slice(0, cut), world.rows.slice(cut)])
    assert as_records(decide(ragged, *plan.terms)) == whole


@some
@given(worlds())
def test_a_decision_is_the_same_under_terms_that_were_written_down_and_read_back(world: World) -> None:
    plan = planned(world)
    written = json.dumps(terms_record(plan, world.program, 3, replay=True), allow_nan=False)
    declared = json.loads(json.dumps(world.declared))
    terms = terms_from(json.loads(written), world.catalogue, declared)
    assert as_records(decide(world.rows, *terms)) == as_records(plan.decisions)


@some
@given(worlds())
def test_a_shortlist_of_all_open_offers_plans_and_decides_as_the_whole_catalogue_does(world: World) -> None:
    plan = planned(world)
    short = shortlisted(world.rows)
    assert as_records(decide(short, *plan.terms)) == as_records(plan.decisions)
    again = plan_turn(short, world.catalogue, world.program, TURN, "model-1", declared=world.declared)
    assert as_records(again.decisions) == as_records(plan.decisions)


@some
@given(worlds(), st.data())
def test_a_plan_is_the_same_whatever_the_order_and_the_size_of_the_batches(world: World, data: st.DataObject) -> None:
    plan = planned(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rapport.decide.share.CHUNK", data.draw(st.integers(1, 7)))
        assert as_records(planned(world).decisions) == as_records(plan.decisions)


@some
@given(worlds())
def test_portfolios_hold_open_offers_once_not_too_many_of_a_kind_and_what_must_be_said(world: World) -> None:
    ids = world.catalogue["offer_id"].to_pylist()
    kinds, most = (world.declared or {}).get("kind", []), (world.declared or {}).get("kind_most", [])
    for row, decision in beside(world, planned(world)):
        offers = decision["offer_ids"]
        assert len(set(offers)) == len(offers) <= world.program.policy.portfolio_size
        assert not any(row["excluded"][ids.index(o)] for o in offers)
        assert decision["eligible_offers"] == row["excluded"].count(0)
        assert offers == [] or decision["channel"] != "silence"
        assert row["forced"] or (decision["channel"] == "silence") == (not offers)
        together = Counter(kinds[ids.index(o)] for o in offers) if kinds else Counter()
        assert all(times <= most[kind] for kind, times in together.items() if kind >= 0)
        if row["must_offers"] and decision["channel"] != "silence":
            assert decision["level"] == "individual"
            assert {ids[j] for j in row["must_offers"]} <= set(offers)


@some
@given(worlds())
def test_who_must_be_spoken_to_is_not_silent_where_a_channel_is_open(world: World) -> None:
    for row, decision in beside(world, planned(world)):
        if row["forced"] and any(row["reachable"]) and row["contacts_in_period"] < world.program.policy.contacts:
            assert decision["channel"] != "silence"
            assert decision["silence_probability"] == 0.0


@some
@given(worlds())
def test_the_held_out_the_unreachable_and_the_often_contacted_get_nothing(world: World) -> None:
    names = [c.name for c in world.program.channels]
    for row, decision in beside(world, planned(world)):
        assert decision["deliver"] == (decision["channel"] != "silence" and not row["holdout"])
        assert decision["arm"] == ("holdout" if row["holdout"] else "treated")
        assert ("HOLDOUT" in decision["reasons"]) == row["holdout"]
        if decision["channel"] != "silence":
            assert row["reachable"][names.index(decision["channel"])]
            assert row["contacts_in_period"] < world.program.policy.contacts


@some
@given(worlds())
def test_the_held_out_are_neither_explored_nor_moved_aside(world: World) -> None:
    for row, decision in beside(world, planned(world)):
        if row["holdout"]:
            assert not decision["explored"]
            assert not decision["repaired"]
            assert decision["channel_probability"] == 1.0
            assert set(decision["offer_choice_probabilities"]) <= {1.0}


def giveaway(world: World, row: dict[str, Any], j: int) -> float:
    """Return the expected discount of an offer seen by a customer: price x depth x base probability, whole micros."""
    offer = world.catalogue.slice(j, 1).to_pylist()[0]
    return round(row["base_probability"][j] * (offer["depth"] * offer["price_micros"]))


def use_of(world: World, limit: dict[str, Any], row: dict[str, Any], decision: dict[str, Any]) -> float:
    """Return what one delivered decision uses of a limit, from what was declared and what is on record."""
    names = [c.name for c in world.program.channels]
    number = names.index(decision["channel"])
    channel = world.program.channels[number]
    if number not in limit["channels"] or (limit["scope"] is not None and limit["scope"] not in row["scopes"]):
        return 0.0
    ids = world.catalogue["offer_id"].to_pylist()
    counted = [j for j in map(ids.index, decision["offer_ids"]) if limit["offers"] is None or j in limit["offers"]]
    if limit["counts"] == "contact_cost":
        return float(decision["contact_cost_micros"])
    if limit["counts"] == "giveaway":
        return sum(giveaway(world, row, j) * channel.reach for j in counted)
    return {"contacts": 1.0, "minutes": channel.minutes_per_contact, "offers": float(len(counted))}[limit["counts"]]


@settings(some, max_examples=50)
@given(worlds())
def test_what_is_delivered_keeps_every_limit_and_is_what_the_plan_says_it_uses(world: World) -> None:
    plan = planned(world)
    capacities = [
        {"counts": "contacts", "channels": [c], "offers": None, "scope": None, "at_least": False, "bound": x.capacity}
        for c, x in enumerate(world.program.channels)
    ]
    delivered = [(row, decision) for row, decision in beside(world, plan) if decision["deliver"]]
    for number, limit in enumerate([*capacities, *(world.declared or {}).get("limits", [])]):
        used = sum(use_of(world, limit, row, decision) for row, decision in delivered)
        assert plan.shared.used[number] == pytest.approx(used, rel=1e-9, abs=1e-6)
        slip = 1e-9 * abs(limit["bound"]) + 1e-6
        assert used >= limit["bound"] - slip if limit["at_least"] else used <= limit["bound"] + slip


@some
@given(worlds())
def test_no_plan_is_worth_more_than_its_bound_and_none_less_than_the_plan_without_prices(world: World) -> None:
    found = planned(world).shared.allocation
    assert found.plan_value <= found.bound + 1e-6 * max(1.0, abs(found.bound))
    limits = (world.declared or {}).get("limits", [])
    if not any(x["at_least"] for x in limits) and not any(world.rows["forced"].to_pylist()):
        assert found.plan_value >= found.greedy_value - 1e-6


@some
@given(worlds())
def test_where_no_limit_binds_nobody_is_moved_aside_but_for_less_than_a_micro(world: World) -> None:
    plan = planned(world)
    if plan.shared.allocation.binding.any() or plan.shared.turned:
        return
    free = decide(world.rows, *plan.terms[:3], without_repairs(plan))
    for told, alone in zip(plan.decisions.to_pylist(), free.to_pylist(), strict=True):
        if told["repaired"]:
            values = [dict(zip(d["channels"], d["channel_values_micros"], strict=True)) for d in (told, alone)]
            assert abs(values[0].get(told["channel"], 0) - values[1].get(alone["channel"], 0)) <= 1


def without_repairs(plan: Plan) -> Prices:
    return replace(plan.terms[3], repairs=Repairs.none(plan.terms[2].portfolio_size))


@some
@given(worlds())
def test_chances_are_probabilities_and_sum_to_one(world: World) -> None:
    for _, decision in beside(world, planned(world)):
        channels = dict(zip(decision["channels"], decision["channel_probabilities"], strict=True))
        assert sum(channels.values()) + decision["silence_probability"] == pytest.approx(1.0, abs=1e-12)
        assert all(0 <= p <= 1 for p in channels.values())
        if decision["repaired"]:
            continue
        assert 0 < decision["channel_probability"] <= 1
        told = channels.get(decision["channel"], decision["silence_probability"])
        assert decision["channel_probability"] == told
        assert all(0 < p <= decision["channel_probability"] for p in decision["offer_choice_probabilities"])


def harm(world: World, row: dict[str, Any], name: str) -> int:
    """Return chance of leaving x what is lost: raised by the pressure for each contact of the period, at most 1."""
    leaving = {c.name: c.unsubscribe_probability for c in world.program.channels}.get(name, 0.0)
    chance = min(1.0, leaving * world.program.policy.pressure ** row["contacts_in_period"])
    return round(chance * max(0, row["actual_value_micros"] or 0))


@some
@given(worlds())
def test_what_a_row_expects_is_the_sum_of_its_parts(world: World) -> None:
    channels = {c.name: round(c.cost_per_contact * 1e6) for c in world.program.channels}
    litmus = world.program.litmus
    levels = {"mass": litmus.mass_cost, "segment": litmus.segment_cost, "individual": litmus.individual_cost}
    for row, decision in beside(world, planned(world)):
        cost = channels.get(decision["channel"], 0) + round(levels.get(decision["level"], 0.0) * 1e6)
        assert decision["contact_cost_micros"] == cost
        assert decision["harm_micros"] == harm(world, row, decision["channel"])
        spent = cost + decision["harm_micros"]
        assert decision["expected_contribution_micros"] == sum(decision["offer_contributions_micros"]) - spent
        if decision["channel"] == "silence" or decision["explored"] or decision["repaired"]:
            continue
        values = dict(zip(decision["channels"], decision["channel_values_micros"], strict=True))
        price = dict(zip(decision["channels"], decision["channel_prices_micros"], strict=True))
        assert row["forced"] or values[decision["channel"]] > price[decision["channel"]]
        if not any((world.declared or {}).get("boost", [])):
            # Slots are rounded one by one, a channel's value once.
            slots = len(decision["offer_ids"])
            assert abs(values[decision["channel"]] - decision["expected_contribution_micros"]) <= slots


@some
@given(worlds())
def test_each_further_offer_of_a_category_is_worth_less_and_losses_count_in_full(world: World) -> None:
    ids, categories = (world.catalogue[c].to_pylist() for c in ("offer_id", "category"))
    reach = {c.name: c.reach for c in world.program.channels}
    odds, variety = world.program.lift.odds_ratio, world.program.policy.variety
    columns = [world.catalogue[c].to_numpy() for c in ("price_micros", "margin_share", "depth")]
    boost = (world.declared or {}).get("boost", [0.0] * len(ids))
    for row, decision in beside(world, planned(world)):
        alone = incremental_micros(np.array(row["base_probability"]), odds, *columns)
        told = {
            ids.index(o): c
            for o, c in zip(decision["offer_ids"], decision["offer_contributions_micros"], strict=True)
        }
        for kind in {categories[j] for j in told}:
            # Ranked by what levers make of the value; equals may stand in any order.
            mine = [j for j in told if categories[j] == kind]
            steered = {j: round(alone[j] * (1.0 + boost[j])) if alone[j] > 0 else alone[j] for j in mine}
            for j in mine:
                higher = sum(steered[o] > steered[j] for o in mine)
                equal = sum(steered[o] == steered[j] for o in mine)
                ranks = range(higher, higher + equal) if steered[j] >= 0 else [0]
                expected = {
                    int(round_micros(round_micros(np.array([alone[j] * variety**r])) * reach[decision["channel"]])[0])
                    for r in ranks
                }
                assert any(abs(told[j] - e) <= 1 for e in expected)


@some
@given(worlds())
def test_every_reason_fits_what_the_row_says(world: World) -> None:
    contacts = world.program.policy.contacts
    for row, decision in beside(world, planned(world)):
        reason = decision["reasons"][0]
        levels = (decision[f"litmus_{level}_micros"] for level in ("mass", "segment", "individual"))
        best = max((v for v in levels if v is not None), default=0)
        checks = {
            "BEST_VALUE": decision["channel"] != "silence" and not decision["explored"],
            "EXPLORED": decision["explored"],
            "REPAIRED": decision["repaired"],
            "PRICED_OUT": best > 0,
            "NO_CHANNEL": not any(row["reachable"]),
            "CONTACT_CAP": any(row["reachable"]) and row["contacts_in_period"] >= contacts,
            "NO_OFFER_LEFT": decision["eligible_offers"] == 0,
            "NOTHING_PAYS": best <= 0 and decision["eligible_offers"] > 0,
        }
        assert checks[reason]
        assert decision["repaired"] == (reason == "REPAIRED")
        if reason not in {"BEST_VALUE", "EXPLORED", "REPAIRED"}:
            assert decision["channel"] == "silence"
