"""What holds for every decision of every small programme holds with plays too, and plays keep their own rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import test_decisions_hold as plain
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from plays_cases import play, restrain, shelved, steer
from rapport.core.money import round_micros
from rapport.core.tables import SCORES
from rapport.decide.decide import decide
from rapport.economics.contribution import incremental_micros
from rapport.program.plays import Play
from rapport.workflows.plays import Matched
from rapport.workflows.plays_laid import Known, Scored, laid
from worlds import World, as_records, declared, worlds

some = settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)

STAKES = [-1, -1, 0, 1, 50_000, 3_000_000, 3_000_000, 40_000_000]
"""Below 0 the play is not for the customer."""


@st.composite
def played(draw: st.DrawFn) -> World:
    """Draw a world and lay up to four plays upon it: talks, restraints, steers."""
    world = draw(worlds())
    offers, n = len(world.catalogue), len(world.rows)
    assume(offers > 0)
    rng = np.random.default_rng(draw(st.sampled_from(range(10_000))))
    names = [c.name for c in world.program.channels]
    plays = [_play(rng, f"p{i}", names) for i in range(int(rng.integers(1, 5)))]
    matched = []
    for one in plays:
        stakes = rng.choice(STAKES, n)
        matched.append(Matched(shelved(one), stakes >= 0, np.maximum(stakes, 0), too_short=False))
    program = world.program.model_copy(
        update={
            "channels": tuple(c.model_copy(update={"format": "print"}) for c in world.program.channels),
            "plays": world.program.plays.model_copy(update={"only": tuple(names[:1] if rng.random() < 0.3 else ())}),
        }
    )
    known = Known(about=[rng.random(offers) < 0.6 for _ in plays], bought={"ALL": rng.random(n) < 0.5}, talked={})
    record = world.declared or declared(offers)
    scored = Scored(world.catalogue, world.rows.select(SCORES.names), record)
    found = laid(scored, matched, known, program)
    rows = found.scores
    for name in world.rows.column_names:
        if name not in SCORES.names:
            rows = rows.append_column(name, world.rows[name])
    return World(rows, found.catalogue, program, found.declared)


def _play(rng: np.random.Generator, name: str, channels: list[str]) -> Play:
    some_channel = str(rng.choice(channels))
    kind = rng.random()
    if kind < 0.5:
        low, middle, high = sorted(rng.choice([0.0, 0.01, 0.1, 0.5, 1.0], 3).tolist())
        treatment = {
            "channel": some_channel,
            "low": low,
            "share": middle,
            "high": high,
            "cost": float(rng.choice([0.0, 0.0, 0.3])),
            "sell": bool(rng.random() < 0.5),
            "at_most": int(rng.integers(0, 5)) if rng.random() < 0.3 else None,
        }
        return play(name, treatment=treatment)
    if kind < 0.75:
        closes = (some_channel,) if rng.random() < 0.5 else ()
        return restrain(name, closes=closes, contacts=int(rng.integers(0, 4)) if not closes else None)
    departments = "never_bought" if rng.random() < 0.3 else "any"
    shut = (some_channel,) if rng.random() < 0.5 else ()
    return steer(name, boost=float(rng.choice([0.5, 5.0, -0.5])), shut=shut, departments=departments)


PLAIN = [
    plain.test_a_decision_is_the_same_under_terms_that_were_written_down_and_read_back,
    plain.test_a_shortlist_of_all_open_offers_plans_and_decides_as_the_whole_catalogue_does,
    plain.test_the_held_out_the_unreachable_and_the_often_contacted_get_nothing,
    plain.test_the_held_out_are_neither_explored_nor_moved_aside,
    plain.test_what_is_delivered_keeps_every_limit_and_is_what_the_plan_says_it_uses,
    plain.test_no_plan_is_worth_more_than_its_bound_and_none_less_than_the_plan_without_prices,
    plain.test_chances_are_probabilities_and_sum_to_one,
]


@pytest.mark.parametrize("check", PLAIN, ids=lambda check: check.__name__.removeprefix("test_"))
@some
@given(played())
def test_what_holds_without_plays_holds_with_them(check: Any, world: World) -> None:
    check.hypothesis.inner_test(world)


@some
@given(played(), st.data())
def test_a_customer_with_plays_is_decided_the_same_alone_in_any_chunk_and_in_any_order(
    world: World, data: st.DataObject
) -> None:
    plan = plain.planned(world)
    whole = as_records(plan.decisions)
    n = len(whole)
    for i in range(min(n, 8)):
        assert as_records(decide(world.rows.slice(i, 1), *plan.terms))[0] == whole[i]
    cut = data.draw(st.integers(0, n))
    chunks = [decide(part, *plan.terms) for part in (world.rows.slice(0, cut), world.rows.slice(cut))]
    assert [r for c in chunks for r in as_records(c)] == whole
    order = data.draw(st.permutations(range(n)))
    assert as_records(decide(world.rows.take(order), *plan.terms)) == [whole[i] for i in order]


@some
@given(played(), st.data())
def test_a_plan_with_plays_is_the_same_whatever_the_size_of_the_batches(world: World, data: st.DataObject) -> None:
    plan = plain.planned(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rapport.decide.share.CHUNK", data.draw(st.integers(1, 7)))
        assert as_records(plain.planned(world).decisions) == as_records(plan.decisions)


@settings(some, max_examples=40)
@given(played())
def test_talks_are_for_whom_they_are_one_at_a_time_through_their_channel_alone(world: World) -> None:
    assert world.declared is not None
    names = [c.name for c in world.program.channels]
    terms = world.declared["plays"]["terms"]
    talks = {world.catalogue["offer_id"][t["offer"]].as_py(): t for t in terms if t["offer"] >= 0}
    only = [names[c] for c in world.declared["plays"]["only"]]
    for row, decision in plain.beside(world, plain.planned(world)):
        mine = {p: terms[p] for p in row["plays"]}
        said = [o for o in decision["offer_ids"] if o in talks]
        sold = [o for o in decision["offer_ids"] if o not in talks]
        assert len(said) <= 1
        for offer in said:
            assert talks[offer] in mine.values()
            assert names[talks[offer]["channel"]] == decision["channel"]
            assert decision["level"] == "individual"
        assert not (sold and decision["channel"] in only)
        if decision["channel"] != "silence":
            channel = names.index(decision["channel"])
            positions = {world.catalogue["offer_id"].to_pylist().index(o) for o in sold}
            for term in mine.values():
                assert channel not in term["closes"]
                assert term["contacts"] is None or row["contacts_in_period"] < term["contacts"]
                assert not (channel in term["shut"] and positions & set(term["offers"]))
        if decision["reasons"][0] == "RESTRAINED":
            closed = {c for t in mine.values() for c in t["closes"]}
            assert all(c in closed for c, there in enumerate(row["reachable"]) if there)


@settings(some, max_examples=40)
@given(played())
def test_what_a_talk_is_expected_to_bring_is_the_share_of_what_is_at_stake(world: World) -> None:
    assert world.declared is not None
    ids = world.catalogue["offer_id"].to_pylist()
    terms = world.declared["plays"]["terms"]
    reach = {c.name: c.reach for c in world.program.channels}
    odds = world.program.lift.odds_ratio
    columns = [world.catalogue[c].to_numpy() for c in ("price_micros", "margin_share", "depth")]
    for row, decision in plain.beside(world, plain.planned(world)):
        stakes = dict(zip(row["plays"], row["play_stakes_micros"], strict=True))
        total = 0
        for offer, told in zip(decision["offer_ids"], decision["offer_contributions_micros"], strict=True):
            total += told
            if offer not in [ids[t["offer"]] for t in terms if t["offer"] >= 0]:
                continue
            (place,) = [p for p, t in enumerate(terms) if t["offer"] == ids.index(offer)]
            seen = round(stakes[place] * terms[place]["share"]) - terms[place]["cost_micros"]
            assert told == int(round_micros(np.array([seen * reach[decision["channel"]]]))[0])
        spent = decision["contact_cost_micros"] + decision["harm_micros"]
        assert decision["expected_contribution_micros"] == total - spent
        if decision["channel"] != "silence":
            low, high = decision["expected_low_micros"], decision["expected_high_micros"]
            alone = incremental_micros(np.array(row["base_probability"]), odds, *columns)
            if all(alone[ids.index(o)] == 0 for o in decision["offer_ids"]):
                assert low <= decision["expected_contribution_micros"] <= high


@some
@given(played())
def test_plays_that_are_for_nobody_change_no_choice(world: World) -> None:
    assert world.declared is not None
    assume(not world.declared["plays"]["only"])
    nobody = world.rows
    empty = [[] for _ in range(len(nobody))]
    shut = [
        [code if j not in _talks(world) else -1 for j, code in enumerate(codes)]
        for codes in nobody["excluded"].to_pylist()
    ]
    for name, values in (("plays", empty), ("play_stakes_micros", empty), ("excluded", shut)):
        place = nobody.column_names.index(name)
        nobody = nobody.set_column(place, name, pa.array(values, SCORES.field(name).type))
    quiet = replace(world, rows=nobody)
    bare = {k: v for k, v in world.declared.items() if k != "plays"}
    # Limits on single talks stay in both; without plays the talks are closed to everybody as well.
    without = replace(quiet, declared=bare)
    mine, theirs = plain.planned(quiet).decisions, plain.planned(without).decisions
    columns = ["channel", "level", "offer_ids", "expected_contribution_micros", "channel_values_micros", "repaired"]
    assert mine.select(columns).equals(theirs.select(columns))


def _talks(world: World) -> set[int]:
    assert world.declared is not None
    return {t["offer"] for t in world.declared["plays"]["terms"]}
