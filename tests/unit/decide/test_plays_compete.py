"""Plays in the decision: a reason to talk is chosen where it is worth more than its contact and than offers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from plays_cases import play, restrain, shelved, steer
from rapport.core.tables import SCORES
from rapport.program.model import Program
from rapport.program.plays import Play
from rapport.workflows.plan import Plan, plan_turn
from rapport.workflows.plays import Matched
from rapport.workflows.plays_laid import Known, Scored, laid
from worlds import TURN, catalogue_table, channel, declared, limit, rows_of, score_rows, shop

CALL = channel("call", cost_per_contact=2.0, format="print", minutes_per_contact=5.0)
MAIL = channel("mail")


def planned(
    plays: list[tuple[Play, list[int]]],
    base: list[list[float]],
    *channels: dict[str, Any],
    program: Program | None = None,
    limits: tuple[dict[str, Any], ...] = (),
    contacts: list[int] | None = None,
    only: tuple[str, ...] = (),
    talked: dict[str, list[bool]] | None = None,
) -> Plan:
    """Plan for customers whose stakes in micros are given for each play; below 0 the play is not for them."""
    chances = np.array(base)
    offers = chances.shape[1]
    program = program or shop(*channels)
    program = program.model_copy(update={"plays": program.plays.model_copy(update={"only": only})})
    matched = [
        Matched(shelved(p), np.array(stakes) >= 0, np.maximum(np.array(stakes, dtype=np.int64), 0), too_short=False)
        for p, stakes in plays
    ]
    scores = score_rows(chances, channels=len(program.channels), contacts=contacts)
    catalogue = catalogue_table([10_000_000] * offers)
    departments = pa.array([f"d{j}" for j in range(offers)], pa.string())
    catalogue = catalogue.set_column(catalogue.column_names.index("department"), "department", departments)
    known = Known(
        about=[np.ones(offers, dtype=np.bool_)] * len(plays),
        # The first customer has bought in the first department.
        bought={"d0": np.arange(len(chances)) == 0},
        talked={name: np.array(rests) for name, rests in (talked or {}).items()},
    )
    record = declared(offers, *limits)
    found = laid(Scored(catalogue, scores.select(SCORES.names), record), matched, known, program)
    return plan_turn(rows_of(found.scores), found.catalogue, program, TURN, "model", declared=found.declared)


def told(plan: Plan, *columns: str) -> list[tuple[Any, ...]]:
    rows = plan.decisions.select(list(columns)).to_pylist()
    return [tuple(row[c] for c in columns) for row in rows]


def test_a_play_worth_less_than_its_contact_is_not_chosen() -> None:
    # Half of 3.9 is 1.95 and a call costs 2; half of 4.1 is 2.05.
    plan = planned([(play(), [3_900_000, 4_100_000])], [[0.0], [0.0]], CALL)
    assert told(plan, "channel", "offer_ids") == [("silence", []), ("call", ["play:ask"])]
    assert told(plan, "expected_contribution_micros")[1] == (50_000,)


def test_expected_low_and_high_are_the_assumed_shares_less_the_cost() -> None:
    # At stake 10: half is 5, a quarter 2.5, all 10; each through a reach of .8, less the 2 of the call.
    heard = CALL | {"reach": 0.8}
    plan = planned([(play(), [10_000_000])], [[0.0]], heard)
    figures = ("expected_contribution_micros", "expected_low_micros", "expected_high_micros", "basis")
    assert told(plan, *figures) == [(2_000_000, 0, 6_000_000, "assumed")]
    assert told(plan, "offer_kinds", "offer_response_probabilities") == [(["talk"], [0.0])]


def test_a_cost_beyond_the_channels_counts_where_the_customer_is_reached() -> None:
    # (10 x .5 - 1) x .8 - 2 = 1.2
    plan = planned([(play(treatment={"cost": 1.0}), [10_000_000])], [[0.0]], CALL | {"reach": 0.8})
    assert told(plan, "expected_contribution_micros") == [(1_200_000,)]


def test_the_better_of_play_and_portfolio_wins() -> None:
    # One offer at base .1 and odds 4: p1 = .4 / 1.3; 10 ((.3077 - .1)(.3 - .2) - .1 x .2) = .0077.
    plays = [(play(), [4_010_000, 4_100_000])]
    plan = planned(plays, [[0.1], [0.1]], CALL, MAIL, only=("call",))
    worth = round(10e6 * ((0.4 / 1.3 - 0.1) * 0.1 - 0.02))
    assert worth == 7_692
    # 4.01 / 2 - 2 = .005 is less than .0077, 4.1 / 2 - 2 = .05 is more.
    assert told(plan, "channel", "expected_contribution_micros") == [("mail", worth), ("call", 50_000)]


def test_plays_share_the_channels_capacity_with_offers_and_the_best_use_wins() -> None:
    # Offers alone are worth next to nothing by call; three customers want the two places.
    plays = [(play(), [20_000_000, 6_000_000, 10_000_000])]
    plan = planned(plays, [[0.1]] * 3, CALL | {"capacity": 2})
    assert [c for (c,) in told(plan, "channel")] == ["call", "silence", "call"]
    # The third best would bring 3 - 2 and a bit from the offer beside it.
    assert plan.shared.allocation.plan_value <= plan.shared.allocation.bound
    assert told(plan, "reasons")[1] == (["PRICED_OUT"],)


def test_minutes_of_talks_count_with_all_other_minutes() -> None:
    minutes = limit("minutes", "minutes", 5.0)
    plan = planned([(play(), [20_000_000, 30_000_000])], [[0.0]] * 2, CALL, limits=(minutes,))
    assert [c for (c,) in told(plan, "channel")] == ["silence", "call"]


def test_a_play_may_be_limited_to_so_many_talks() -> None:
    plan = planned([(play(treatment={"at_most": 1}), [20_000_000, 30_000_000])], [[0.0]] * 2, CALL)
    assert [c for (c,) in told(plan, "channel")] == ["silence", "call"]
    assert [x.name for x in plan.terms[2].limits] == ["call capacity", "play ask"]


def test_of_several_reasons_to_talk_one_is_given() -> None:
    plays = [(play("ask"), [20_000_000]), (play("better"), [30_000_000])]
    plan = planned(plays, [[0.1]], CALL)
    offers = told(plan, "offer_ids")[0][0]
    assert "play:better" in offers
    assert "play:ask" not in offers
    assert "o00" in offers


def test_just_talk_shuts_the_offers_in_that_channel_only() -> None:
    plan = planned(
        [(play(treatment={"sell": False}), [20_000_000, -1])], [[0.1]] * 2, CALL | {"cost_per_contact": 0.0}
    )
    assert told(plan, "offer_ids") == [(["play:ask"],), (["o00"],)]


def test_a_channel_that_only_talks_carries_no_offer_to_anybody() -> None:
    free = CALL | {"cost_per_contact": 0.0}
    plan = planned([(play(), [20_000_000, -1])], [[0.1]] * 2, free, MAIL, only=("call",))
    assert told(plan, "channel", "offer_ids") == [("call", ["play:ask"]), ("mail", ["o00"])]
    assert told(plan, "channels")[1] == (["mail"],)


def test_a_talk_goes_through_its_own_channel_only() -> None:
    plan = planned([(play(), [20_000_000])], [[0.0]], CALL, MAIL)
    assert told(plan, "channels", "channel") == [(["call"], "call")]


def test_who_was_talked_to_lately_is_not_talked_to_again() -> None:
    plan = planned([(play(), [20_000_000] * 2)], [[0.0]] * 2, CALL, talked={"ask": [True, False]})
    assert [c for (c,) in told(plan, "channel")] == ["silence", "call"]


def test_a_restraint_closes_channels_and_says_so() -> None:
    plan = planned([(restrain(closes=("mail",)), [0, -1])], [[0.1]] * 2, MAIL)
    assert told(plan, "channel", "reasons") == [("silence", ["RESTRAINED"]), ("mail", ["BEST_VALUE"])]


def test_a_restraint_lowers_the_cap_of_contacts() -> None:
    plan = planned([(restrain(contacts=1), [0, 0, -1])], [[0.1]] * 3, MAIL, contacts=[0, 1, 1])
    assert told(plan, "channel", "reasons") == [
        ("mail", ["BEST_VALUE"]),
        ("silence", ["CONTACT_CAP"]),
        ("mail", ["BEST_VALUE"]),
    ]


def test_a_steered_offer_counts_for_more_and_its_money_stays_the_same() -> None:
    # The second offer is worth more alone: at odds 4 and base .05, 10 ((.1739 - .05) .1 - .01) = .0239, not .0077.
    program = shop(MAIL, portfolio_size=1)
    plain = planned([(restrain(contacts=4), [0])], [[0.1, 0.05]], program=program)
    assert told(plain, "offer_ids") == [(["o01"],)]
    # The customer has bought in d0, so only o01 counts for less: .0239 x .1 is below .0077.
    less = steer(departments="never_bought", boost=-0.9)
    plan = planned([(less, [0])], [[0.1, 0.05]], program=program)
    assert told(plan, "offer_ids", "expected_contribution_micros") == [(["o00"], 7_692)]


def test_offers_of_departments_never_bought_are_steered() -> None:
    # The first customer has bought in d0: only o01 counts for more, .0239 x 1 against .0077 x 5 for who has not.
    program = shop(MAIL, portfolio_size=1)
    widen = steer(departments="never_bought", boost=4.0)
    plan = planned([(widen, [0, 0])], [[0.05, 0.1], [0.05, 0.1]], program=program)
    # For the first: o00 .0239 against o01 5 x .0077 = .0385; for the second both count five times.
    assert told(plan, "offer_ids") == [(["o01"],), (["o00"],)]


def test_shut_offers_are_not_said_through_the_channel() -> None:
    plan = planned([(steer(shut=("mail",)), [0, -1])], [[0.1]] * 2, MAIL)
    assert told(plan, "channel") == [("silence",), ("mail",)]


def test_limits_on_copies_of_all_offers_do_not_count_talks() -> None:
    copies = limit("copies", "offers", 0.0)
    plan = planned([(play(), [20_000_000])], [[0.1]], CALL, limits=(copies,))
    assert told(plan, "offer_ids") == [(["play:ask"],)]


def test_the_basis_is_assumed_where_a_share_is() -> None:
    measured = {"basis": "measured"}
    program = shop(CALL | {"reach_basis": "measured"})
    program = program.model_copy(
        update={
            "lift": program.lift.model_copy(update=measured),
            "margins": program.margins.model_copy(update=measured),
        }
    )
    assumed = planned([(play(), [20_000_000])], [[0.0]], program=program)
    assert told(assumed, "basis") == [("assumed",)]
    known = planned([(play(treatment=measured), [20_000_000])], [[0.0]], program=program)
    assert told(known, "basis") == [("measured",)]


def test_the_version_of_the_policy_names_the_plays() -> None:
    one = planned([(play(), [20_000_000])], [[0.0]], CALL)
    other = planned([(play(treatment={"share": 0.6}), [20_000_000])], [[0.0]], CALL)
    assert one.terms[2].version != other.terms[2].version


def test_lists_of_plays_and_stakes_of_two_lengths_are_refused() -> None:
    from rapport.core.errors import StateDamaged
    from rapport.decide.rows import Rows

    scores = score_rows(np.array([[0.1]]), more={"plays": [[0, 1]], "play_stakes_micros": [[5]]})
    with pytest.raises(StateDamaged, match="2 plays and 1 amounts"):
        Rows.from_table(rows_of(scores), 1, 1)
