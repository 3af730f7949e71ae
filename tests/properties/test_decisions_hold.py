"""What holds for every decision of every small programme: the first rule of the house."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.core.money import round_micros
from rapport.decide.decide import decide
from rapport.economics.contribution import incremental_micros
from rapport.workflows.plan import Plan, plan_turn, terms_from, terms_record
from worlds import TURN, World, as_records, worlds


def planned(world: World) -> Plan:
    return plan_turn(world.rows, world.catalogue, world.program, TURN, "model-1")


def beside(world: World, plan: Plan) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    return zip(world.rows.to_pylist(), plan.decisions.to_pylist(), strict=True)


@settings(max_examples=60)
@given(worlds(), st.data())
def test_a_customer_is_decided_the_same_alone_in_any_chunk_and_in_any_order(
    world: World, data: st.DataObject
) -> None:
    plan = planned(world)
    whole = as_records(plan.decisions)
    n = len(whole)
    alone = [as_records(decide(world.rows.slice(i, 1), *plan.terms))[0] for i in range(min(n, 6))]
    assert alone == whole[: len(alone)]
    cut = data.draw(st.integers(0, n))
    chunks = [decide(part, *plan.terms) for part in (world.rows.slice(0, cut), world.rows.slice(cut))]
    assert [r for c in chunks for r in as_records(c)] == whole
    order = data.draw(st.permutations(range(n)))
    shuffled = as_records(decide(world.rows.take(order), *plan.terms))
    assert shuffled == [whole[i] for i in order]
    ragged = pa.concat_tables([world.rows.slice(0, cut), world.rows.slice(cut)])
    assert as_records(decide(ragged, *plan.terms)) == whole


@settings(max_examples=30)
@given(worlds())
def test_a_decision_is_the_same_under_terms_that_were_written_down_and_read_back(world: World) -> None:
    import json

    plan = planned(world)
    written = json.dumps(terms_record(plan, world.program, 3, replay=True), allow_nan=False)
    terms = terms_from(json.loads(written), world.catalogue)
    assert as_records(decide(world.rows, *terms)) == as_records(plan.decisions)


@settings(max_examples=60)
@given(worlds())
def test_no_offer_is_excluded_or_stands_twice_and_no_portfolio_is_too_long(world: World) -> None:
    ids = world.catalogue["offer_id"].to_pylist()
    for row, decision in beside(world, planned(world)):
        offers = decision["offer_ids"]
        assert len(set(offers)) == len(offers) <= world.program.policy.portfolio_size
        assert not any(row["excluded"][ids.index(o)] for o in offers)
        assert (decision["channel"] == "silence") == (not offers)
        assert decision["eligible_offers"] == row["excluded"].count(0)


@settings(max_examples=60)
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


@settings(max_examples=60)
@given(worlds())
def test_no_channel_carries_more_than_its_capacity(world: World) -> None:
    plan = planned(world)
    delivered = plan.decisions.filter(plan.decisions["deliver"])
    used = Counter(delivered["channel"].to_pylist())
    for number, channel in enumerate(world.program.channels):
        assert used[channel.name] <= channel.capacity
        assert plan.used[number] == used[channel.name]


@settings(max_examples=60)
@given(worlds(most_channels=1))
def test_the_price_of_a_single_channel_is_the_lowest_that_fits(world: World) -> None:
    from dataclasses import replace

    plan = planned(world)
    catalogue, models, policy, prices = plan.terms
    price, capacity = prices.contact_micros[0], policy.channels[0].capacity
    if price > 0:
        lower = replace(prices, contact_micros=(price - 1,))
        found = decide(world.rows, catalogue, models, policy, lower)
        assert pc.sum(found["deliver"]).as_py() > capacity


@settings(max_examples=60)
@given(worlds())
def test_chances_are_probabilities_and_sum_to_one(world: World) -> None:
    for _, decision in beside(world, planned(world)):
        channels = dict(zip(decision["channels"], decision["channel_probabilities"], strict=True))
        assert sum(channels.values()) + decision["silence_probability"] == pytest.approx(1.0, abs=1e-12)
        assert all(0 <= p <= 1 for p in channels.values())
        assert 0 < decision["channel_probability"] <= 1
        told = channels.get(decision["channel"], decision["silence_probability"])
        assert decision["channel_probability"] == told
        assert all(0 < p <= decision["channel_probability"] for p in decision["offer_choice_probabilities"])


@settings(max_examples=60)
@given(worlds())
def test_what_a_row_expects_is_the_sum_of_its_parts(world: World) -> None:
    channels = {c.name: round(c.cost_per_contact * 1e6) for c in world.program.channels}
    litmus = world.program.litmus
    levels = {"mass": litmus.mass_cost, "segment": litmus.segment_cost, "individual": litmus.individual_cost}
    for _, decision in beside(world, planned(world)):
        cost = channels.get(decision["channel"], 0) + round(levels.get(decision["level"], 0.0) * 1e6)
        assert decision["contact_cost_micros"] == cost
        assert decision["expected_contribution_micros"] == sum(decision["offer_contributions_micros"]) - cost
        values = dict(zip(decision["channels"], decision["channel_values_micros"], strict=True))
        if decision["channel"] != "silence" and not decision["explored"]:
            assert values[decision["channel"]] == decision["expected_contribution_micros"]
            price = dict(zip(decision["channels"], decision["channel_prices_micros"], strict=True))
            assert values[decision["channel"]] > price[decision["channel"]]


@settings(max_examples=60)
@given(worlds())
def test_each_further_offer_of_a_category_is_worth_less_also_when_it_was_drawn_to_learn(world: World) -> None:
    ids, categories = (world.catalogue[c].to_pylist() for c in ("offer_id", "category"))
    reach = {c.name: c.reach for c in world.program.channels}
    odds, variety = world.program.lift.odds_ratio, world.program.policy.variety
    columns = [world.catalogue[c].to_numpy() for c in ("price_micros", "margin_share", "depth")]
    for row, decision in beside(world, planned(world)):
        if decision["level"] != "individual":
            continue
        base = np.array(row["base_probability"])
        alone = incremental_micros(base, odds, *columns)
        seen: Counter[str | None] = Counter()
        for offer, contribution in zip(decision["offer_ids"], decision["offer_contributions_micros"], strict=True):
            index = ids.index(offer)
            kept = round_micros(np.array([alone[index] * variety ** seen[categories[index]]]))
            expected = round_micros(kept * reach[decision["channel"]])[0]
            assert contribution == pytest.approx(expected, abs=1)
            assert alone[index] > 0
            seen[categories[index]] += 1


@settings(max_examples=60)
@given(worlds())
def test_every_reason_fits_what_the_row_says(world: World) -> None:
    contacts = world.program.policy.contacts
    for row, decision in beside(world, planned(world)):
        reason = decision["reasons"][0]
        best = max(decision["channel_values_micros"], default=0)
        checks = {
            "BEST_VALUE": decision["channel"] != "silence" and not decision["explored"],
            "EXPLORED": decision["explored"],
            "PRICED_OUT": best > 0,
            "NO_CHANNEL": not any(row["reachable"]),
            "CONTACT_CAP": any(row["reachable"]) and row["contacts_in_period"] >= contacts,
            "NO_OFFER_LEFT": decision["eligible_offers"] == 0,
            "NOTHING_PAYS": best <= 0 and decision["eligible_offers"] > 0,
        }
        assert checks[reason]
        if reason not in {"BEST_VALUE", "EXPLORED"}:
            assert decision["channel"] == "silence"
