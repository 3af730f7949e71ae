"""Sharing out: what is set aside for chance, who is turned away, who is moved aside, and what cannot be met."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rapport.decide.conflicts import Conflict
from rapport.decide.share import conflict_text
from rapport.decide.terms import ChannelTerms, Policy, SharedLimit
from rapport.program.model import Program
from rapport.workflows.plan import Plan, allocation_record, limits_record, plan_turn, policy_of
from worlds import TURN, as_records, catalogue_table, channel, declared, limit, rows_of, score_rows, shop

PEOPLE = 40


def planned(
    program: Program, shared: dict[str, Any] | None = None, more: dict[str, list[Any]] | None = None
) -> tuple[pa.Table, Plan]:
    # Base .1, odds ratio 4: each is worth 10 x .00076923 = .007692.
    rows = rows_of(score_rows(np.full((PEOPLE, 1), 0.1), more=more))
    return rows, plan_turn(rows, catalogue_table([10_000_000]), program, TURN, "model-1", declared=shared)


def test_equals_that_no_price_can_tell_apart_are_told_apart_by_repair_and_the_room_is_filled() -> None:
    _, plan = planned(shop(channel(capacity=13)))
    told = plan.decisions.to_pylist()
    assert sum(d["deliver"] for d in told) == 13
    # At one price all or none of them come; the others are moved, marked, and nothing else is.
    moved = [d["repaired"] for d in told]
    assert sum(moved) in {13, PEOPLE - 13}
    assert len({d["channel"] for d in told if d["repaired"]}) == 1
    assert len(plan.shared.prices.repairs.keys) == sum(moved)
    assert (np.diff(plan.shared.prices.repairs.keys) > 0).all()


def test_where_there_is_room_for_all_nothing_has_a_price_and_nobody_is_moved() -> None:
    _, plan = planned(shop(channel(capacity=PEOPLE), exploration_share=0.3))
    assert plan.shared.prices.limit_micros.tolist() == [0.0]
    assert (len(plan.shared.prices.repairs.keys), plan.shared.turned) == (0, 0)


def test_exploring_costs_what_it_gives_up_and_nothing_without_it() -> None:
    _, plain = planned(shop())
    assert plain.shared.cost_micros.tolist() == [0.0] * PEOPLE
    _, plan = planned(shop(exploration_share=0.5))
    silent = [d["channel"] == "silence" for d in plan.decisions.to_pylist()]
    # Whoever is drawn into silence gives up .007692; with one offer there is nothing else to draw.
    assert plan.shared.cost_micros.tolist() == [7692.0 * s for s in silent]
    assert 0 < sum(silent) < PEOPLE
    assert plan.exploration_cost_micros == {"A": 0, "B": 7692 * sum(silent), "C": 0}


def test_a_promise_that_chance_would_break_is_kept_and_nobody_explores() -> None:
    # All forty are promised; whoever is drawn into silence would break it.
    promise = declared(1, limit("promised", "contacts", float(PEOPLE), at_least=True))
    _, plan = planned(shop(exploration_share=0.5), promise)
    told = plan.decisions.to_pylist()
    assert [d["channel"] for d in told] == ["email"] * PEOPLE
    assert not any(d["explored"] for d in told)
    assert plan.shared.used.tolist() == [PEOPLE, PEOPLE]
    # What could not be drawn costs nothing, and is a number.
    assert plan.shared.cost_micros.tolist() == [0.0] * PEOPLE
    assert plan.shared.turned > 0
    json.dumps(allocation_record(plan), allow_nan=False)


def test_who_must_be_spoken_to_comes_before_those_who_explore() -> None:
    # Ten places, ten who must be spoken to, and thirty more of whom half are drawn.
    _, plan = planned(shop(channel(capacity=10), exploration_share=0.5), more={"forced": [True] * 10 + [False] * 30})
    assert plan.decisions["channel"].to_pylist() == ["email"] * 10 + ["silence"] * 30


def test_whom_chance_may_not_have_for_want_of_room_differs_from_turn_to_turn() -> None:
    # The third offer is only ever drawn, by about a hundred, and there are ten copies.
    rows = rows_of(score_rows(np.full((400, 3), 0.1)))
    catalogue = catalogue_table([30_000_000, 20_000_000, 10_000_000])
    program = shop(exploration_share=0.5, portfolio_size=2, litmus={"mass_cost": 1.0, "segment_cost": 1.0})
    copies = declared(3, limit("copies", "offers", 10.0, offers=[2]))
    told = []
    for turn in ("2030-W02", "2030-W03"):
        plan = plan_turn(rows, catalogue, program, turn, "model-1", declared=copies)
        assert plan.shared.turned > 0
        told.append({d["customer_id"] for d in plan.decisions.to_pylist() if "o02" in d["offer_ids"]})
        assert 5 <= len(told[-1]) <= 10
    # Ten out of four hundred alike: by chance hardly one comes again.
    assert len(told[0] & told[1]) <= 2


def test_a_plan_does_not_depend_on_the_order_of_the_customers() -> None:
    rows, plan = planned(shop(channel(capacity=13), exploration_share=0.2))
    again = plan_turn(
        rows, catalogue_table([10_000_000]), shop(channel(capacity=13), exploration_share=0.2), TURN, "model-1"
    )
    assert as_records(again.decisions) == as_records(plan.decisions)


def test_a_level_that_uses_more_money_counts_as_another_choice_though_it_says_the_same() -> None:
    # All get the one offer, for .001 in common and .003 by themselves. To spend .05 at least, five of forty must be
    # told by themselves: 40 x .001 + 5 x .002.
    program = shop(channel(cost_per_contact=0.001), litmus={"individual_cost": 0.002})
    _, plan = planned(program, declared(1, limit("spend", "contact_cost", 50_000.0, at_least=True)))
    told = plan.decisions.to_pylist()
    assert sum(d["contact_cost_micros"] for d in told if d["deliver"]) >= 50_000
    assert [d["offer_ids"] for d in told] == [["o00"]] * PEOPLE


def test_the_record_of_a_limit_adds_up() -> None:
    _, plan = planned(shop(channel(capacity=13)))
    (told,) = limits_record(plan)
    assert (told["name"], told["counts"], told["sense"]) == ("email capacity", "contacts", "at_most")
    assert (told["bound"], told["used"], told["slack"], told["binding"]) == (13.0, 13.0, 0.0, True)
    # One more place is worth one more customer, .007692.
    assert told["price_micros"] == pytest.approx(7692, abs=1)
    record = allocation_record(plan)
    assert record["plan_value_micros"] == 13 * 7692 <= record["bound_micros"]


def test_what_cannot_be_met_is_told_by_name_bound_and_shortfall() -> None:
    policy = policy_of(
        shop(), TURN, declared(1, limit("promised", "offers", 12.0, at_least=True), limit("money", "giveaway", 1e6))
    )
    proved, not_proved = (
        conflict_text((Conflict((1, 2), (2.5, 500_000.0), certified, 0),), policy) for certified in (True, False)
    )
    assert proved == (
        "limits: promised (at least 12; short by 2.5); money (at most 1; short by 0.5) cannot be met "
        "together. Loosen one of them, or what must be included."
    )
    assert "could not be met together in whole numbers" in not_proved


def test_a_conflict_names_each_limit_in_its_own_unit_and_whoever_is_left_silent() -> None:
    policy = Policy(
        portfolio_size=1,
        variety=1.0,
        exploration_share=0.0,
        contacts=4,
        channels=(ChannelTerms("email", 0, 1.0),),
        level_cost_micros=(0, 0, 0),
        salt="s",
        version="v",
        limits=(
            SharedLimit("fund", "giveaway", False, 2_500_000.0, (0,)),
            SharedLimit("volume", "offers", True, 4_000.0, (0,)),
        ),
    )
    proved = Conflict((0, 1), (1_250_000.0, 30.0), True, 0)
    alone = Conflict((), (), False, 2)
    assert conflict_text((proved, alone), policy).splitlines() == [
        "limits: fund (at most 2.5; short by 1.25); volume (at least 4,000; short by 30) cannot be met together. "
        "Loosen one of them, or what must be included.",
        "limits: customers who must be spoken to (2 would be left silent) could not be met in whole "
        "numbers. Loosen one of them, or what must be included.",
    ]
