"""What holds for every decision that people's boosts steer; nothing that is reported is steered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from rapport.core.errors import LimitsConflict
from rapport.core.tables import BOOSTS
from rapport.decide.decide import decide
from rapport.decide.rows import Rows
from rapport.economics.contribution import incremental_micros
from rapport.workflows.desk import desk_rows
from rapport.workflows.plan import Plan, plan_turn, terms_from, terms_record
from worlds import TURN, World, as_records, shortlisted, worlds

some = settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


@st.composite
def steered_worlds(draw: st.DrawFn) -> World:
    """Draw a world in which some customers have boosted offers, open or not."""
    world = draw(worlds())
    offers, rng = len(world.catalogue), np.random.default_rng(draw(st.integers(0, 9_999)))
    lists: list[list[int]] = []
    boosts: list[list[float]] = []
    for _ in range(len(world.rows)):
        mine = np.flatnonzero(rng.random(offers) < rng.choice([0.0, 0.3, 1.0]))
        lists.append(mine.tolist())
        boosts.append(rng.choice([-0.9, -0.5, 0.25, 3.0, 10.0], len(mine)).tolist())
    rows = world.rows
    for field, values in zip(BOOSTS, (lists, boosts), strict=True):
        rows = rows.append_column(field, pa.array(values, field.type))
    return replace(world, rows=rows)


def planned(world: World) -> Plan:
    try:
        return plan_turn(world.rows, world.catalogue, world.program, TURN, "model-1", declared=world.declared)
    except LimitsConflict:
        reject()


@settings(some, max_examples=40)
@given(steered_worlds(), st.data())
def test_a_boosted_customer_is_decided_the_same_alone_in_any_chunk_and_in_any_order(
    world: World, data: st.DataObject
) -> None:
    plan = planned(world)
    whole = as_records(plan.decisions)
    n = len(whole)
    for i in range(min(n, 6)):
        assert as_records(decide(world.rows.slice(i, 1), *plan.terms))[0] == whole[i]
    cut = data.draw(st.integers(0, n))
    chunks = [decide(part, *plan.terms) for part in (world.rows.slice(0, cut), world.rows.slice(cut))]
    assert [r for c in chunks for r in as_records(c)] == whole
    order = data.draw(st.permutations(range(n)))
    assert as_records(decide(world.rows.take(order), *plan.terms)) == [whole[i] for i in order]


@some
@given(steered_worlds())
def test_boosts_decide_the_same_from_a_shortlist_from_a_desk_and_from_written_terms(world: World) -> None:
    plan = planned(world)
    whole = as_records(plan.decisions)
    assert as_records(decide(shortlisted(world.rows), *plan.terms)) == whole
    written = json.loads(json.dumps(terms_record(plan, world.program, 0, replay=True), allow_nan=False))
    terms = terms_from(written, world.catalogue, json.loads(json.dumps(world.declared)))
    assert as_records(decide(world.rows, *terms)) == whole
    batches = desk_rows(world.rows, len(world.catalogue), len(world.program.channels))
    assert as_records(decide(pa.Table.from_batches(batches), *plan.terms)) == whole


@some
@given(steered_worlds())
def test_a_slot_never_reports_more_than_its_offer_is_worth_without_boost(world: World) -> None:
    ids = world.catalogue["offer_id"].to_pylist()
    columns = [world.catalogue[c].to_numpy() for c in ("price_micros", "margin_share", "depth")]
    odds = world.program.lift.odds_ratio
    for row, decision in zip(world.rows.to_pylist(), planned(world).decisions.to_pylist(), strict=True):
        alone: Any = incremental_micros(np.array(row["base_probability"]), odds, *columns)
        told = zip(decision["offer_ids"], decision["offer_contributions_micros"], strict=True)
        assert all(c <= max(int(alone[ids.index(o)]), 0) for o, c in told)


@some
@given(worlds())
def test_boosts_of_nothing_are_no_boosts(world: World) -> None:
    plan = planned(world)
    rows = world.rows
    n = len(rows)
    for field in BOOSTS:
        rows = rows.append_column(field, pa.array([[]] * n, field.type))
    assert Rows.from_table(rows, len(world.catalogue), len(world.program.channels)).boost is None
    again = plan_turn(rows, world.catalogue, world.program, TURN, "model-1", declared=world.declared)
    assert as_records(again.decisions) == as_records(plan.decisions)
