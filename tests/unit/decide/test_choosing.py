"""One rule of the decision each, on worlds small enough to work out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rapport.core.errors import LimitsConflict
from rapport.decide.decide import decide
from rapport.program.model import Program
from rapport.workflows.plan import Plan, plan_turn
from worlds import TURN, catalogue_table, channel, declared, limit, rows_of, score_rows, shop

# Margin 30 %, depth 20 %, odds ratio 4, base .1: p1 = .4 / 1.3 = .307692; a price of 10.00 is worth
# 10 (.207692 x .1 - .1 x .2) = 10 x .0007692 = .007692: 7692 micros.
PAYS = 7692


def plan(
    scores: pa.Table,
    catalogue: pa.Table,
    program: Program,
    holdout: list[bool] | None = None,
    shared: dict[str, Any] | None = None,
) -> Plan:
    held = None if holdout is None else np.array(holdout)
    return plan_turn(rows_of(scores, held), catalogue, program, TURN, "model-1", declared=shared)


def decided(
    scores: pa.Table, catalogue: pa.Table, program: Program, shared: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    return plan(scores, catalogue, program, shared=shared).decisions.to_pylist()


def alike(n: int, prices: list[int], base: float = 0.1, **scores: Any) -> tuple[pa.Table, pa.Table]:
    return score_rows(np.full((n, len(prices)), base), **scores), catalogue_table(prices)


def test_the_value_of_one_offer_is_that_of_the_hand_computation() -> None:
    found = decided(*alike(1, [10_000_000]), shop(channel()))[0]
    assert found["offer_contributions_micros"] == [PAYS]
    assert found["expected_contribution_micros"] == PAYS
    # The giveaway: .1 x 20 % of 10.00.
    assert found["offer_giveaways_micros"] == [200_000]
    assert found["offer_response_probabilities"] == [pytest.approx(0.4 / 1.3, abs=1e-7)]


def test_a_channel_seen_by_half_brings_half() -> None:
    found = decided(*alike(1, [10_000_000]), shop(channel(reach=0.5)))[0]
    assert found["expected_contribution_micros"] == PAYS // 2
    # .1 + .5 x (.307692 - .1)
    assert found["offer_response_probabilities"] == [pytest.approx(0.203846, abs=1e-6)]


def test_without_offers_everybody_is_silent_with_the_reason() -> None:
    found = decided(*alike(3, []), shop(channel(), exploration_share=0.5))
    assert {(d["channel"], d["level"], *d["reasons"]) for d in found} == {("silence", "none", "NO_OFFER_LEFT")}
    assert all(d["channel_probability"] == d["silence_probability"] == 1.0 for d in found)
    assert all(d["litmus_individual_micros"] is None for d in found)


def test_where_every_offer_is_excluded_the_customer_is_silent_with_the_reason() -> None:
    scores, catalogue = alike(1, [10_000_000], excluded=np.array([[2]], np.int8))
    found = decided(scores, catalogue, shop(channel(), exploration_share=0.5))[0]
    assert (found["channel"], found["reasons"], found["eligible_offers"]) == ("silence", ["NO_OFFER_LEFT"], 0)


def test_nobody_at_all_can_be_decided() -> None:
    empty = rows_of(alike(1, [10_000_000])[0]).slice(0, 0)
    terms = plan(*alike(1, [10_000_000]), shop()).terms
    assert len(decide(empty, *terms)) == 0


def test_who_buys_anyway_is_left_alone_because_nothing_pays() -> None:
    # Base 1/2 lies above the break-even of 1/3.
    found = decided(*alike(1, [10_000_000], base=0.5), shop())[0]
    assert (found["channel"], found["reasons"], found["litmus"]) == ("silence", ["NOTHING_PAYS"], "none")


def test_a_contact_that_costs_exactly_what_it_brings_is_not_made() -> None:
    scores, catalogue = alike(1, [10_000_000])
    assert decided(scores, catalogue, shop(channel(cost_per_contact=PAYS / 1e6)))[0]["channel"] == "silence"
    assert decided(scores, catalogue, shop(channel(cost_per_contact=(PAYS - 1) / 1e6)))[0]["channel"] == "email"


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"reachable": np.array([[False]])}, "NO_CHANNEL"),
        ({"contacts": [4]}, "CONTACT_CAP"),
        ({"contacts": [3]}, "BEST_VALUE"),
    ],
)
def test_reach_and_the_contact_cap_close_channels_with_the_reason(scores: dict[str, Any], reason: str) -> None:
    found = decided(*alike(1, [10_000_000], **scores), shop(contacts=4))[0]
    assert found["reasons"] == [reason]


def test_equal_channels_go_to_the_first_equal_levels_to_the_cheapest_equal_offers_to_the_lower_index() -> None:
    found = decided(
        *alike(1, [10_000_000] * 4, channels=2), shop(channel("till"), channel("email"), portfolio_size=2)
    )[0]
    assert (found["channel"], found["level"], found["litmus"]) == ("till", "mass", "mass")
    assert found["offer_ids"] == ["o00", "o01"]


def test_a_level_must_earn_more_than_it_costs() -> None:
    # Two customers of one tier want different things (base 0: no value): own portfolios are worth PAYS each, the
    # common portfolio of one offer is worth PAYS to the first and 0 to the second.
    scores = score_rows(np.array([[0.1, 0.0], [0.0, 0.1]]))
    catalogue = catalogue_table([10_000_000, 10_000_000])
    dear, cheap = (
        decided(scores, catalogue, shop(portfolio_size=1, litmus={"individual_cost": cost / 1e6}))
        for cost in (PAYS, PAYS - 1)
    )
    assert [(d["channel"], d["level"], d["litmus"]) for d in dear] == [
        ("email", "mass", "mass"),
        ("silence", "none", "none"),
    ]
    assert [d["level"] for d in cheap] == ["mass", "individual"]
    assert cheap[1]["offer_ids"] == ["o01"]
    assert cheap[1]["expected_contribution_micros"] == 1


def test_an_excluded_offer_of_the_common_portfolio_is_left_out_and_the_rest_is_sent() -> None:
    scores = score_rows(np.full((3, 2), 0.1), excluded=np.array([[0, 0], [0, 0], [1, 0]], np.int8))
    found = decided(scores, catalogue_table([10_000_000, 10_000_000]), shop(portfolio_size=2))[2]
    assert (found["level"], found["offer_ids"], found["eligible_offers"]) == ("mass", ["o01"], 1)


def test_the_price_goes_to_who_gains_most_and_the_others_are_priced_out() -> None:
    # Worth 7692, 15385, 23077 micros; room for one.
    scores = score_rows(np.array([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.1]]))
    catalogue = catalogue_table([10_000_000, 20_000_000, 30_000_000])
    made = plan(scores, catalogue, shop(channel(capacity=1)))
    found = made.decisions.to_pylist()
    assert [d["channel"] for d in found] == ["silence", "silence", "email"]
    assert [d["reasons"] for d in found] == [["PRICED_OUT"], ["PRICED_OUT"], ["BEST_VALUE"]]
    # At a price equal to its value the second is silent; at a price below its own the third is not.
    price = made.terms[3].limit_micros[0]
    assert 15_384.5 <= price < 23_077
    assert found[0]["channel_prices_micros"] == [pytest.approx(price, abs=1)]
    assert made.shared.used.tolist() == [1.0]


def test_the_held_out_do_not_use_up_the_capacity_and_are_decided_too() -> None:
    scores, catalogue = alike(3, [10_000_000])
    found = plan(scores, catalogue, shop(channel(capacity=1)), [True, False, True])
    assert found.decisions["channel"].to_pylist() == ["email"] * 3
    assert found.decisions["deliver"].to_pylist() == [False, True, False]
    assert found.shared.used.tolist() == [1.0]


def test_capacity_zero_silences_the_channel_also_for_exploration() -> None:
    made = plan(*alike(200, [10_000_000]), shop(channel(capacity=0), exploration_share=0.5))
    assert set(made.decisions["channel"].to_pylist()) == {"silence"}
    assert made.terms[3].explorable == (False,)
    assert set(made.decisions["silence_probability"].to_pylist()) == {1.0}
    assert made.shared.used.tolist() == [0.0]


def test_a_drawn_last_offer_is_weighed_by_its_own_category() -> None:
    # Two offers of category x lead; the third, of y, is only ever drawn. At variety .5 the second x counts half.
    scores = score_rows(np.full((400, 3), 0.1))
    catalogue = catalogue_table([40_000_000, 30_000_000, 10_000_000], categories=["x", "x", "y"])
    program = shop(
        portfolio_size=2,
        variety=0.5,
        exploration_share=0.5,
        litmus={"mass_cost": 1.0, "segment_cost": 1.0},
    )
    found = [d for d in decided(scores, catalogue, program) if d["channel"] != "silence"]
    worth = {tuple(d["offer_ids"]): d["offer_contributions_micros"] for d in found}
    # 40 x .00076923 = .030769; 30 x .00076923 x .5 = .011538; 10 x .00076923 = .007692
    assert worth == {("o00", "o01"): [30_769, 11_538], ("o00", "o02"): [30_769, 7_692]}


def test_without_exploration_every_chance_is_one() -> None:
    found = decided(
        *alike(50, [10_000_000] * 3, channels=2), shop(channel("email"), channel("till"), portfolio_size=2)
    )
    assert {d["channel_probability"] for d in found} == {1.0}
    assert {p for d in found for p in d["offer_choice_probabilities"]} == {1.0}
    assert {d["silence_probability"] for d in found} == {0.0}


def test_what_must_be_included_is_worth_a_contact_only_where_the_rest_pays_for_it() -> None:
    # Base .5 loses 10 (.3 x .1 - .5 x .2) = -.7 on the offer that must be said; one other pays .007692, ninety times
    # dearer it pays .6923, hundred times dearer .7692: only that brings more than .7.
    scores = score_rows(np.array([[0.5, 0.1]] * 3), more={"must_offers": [[0]] * 3})
    for dear, said in ((10_000_000, False), (900_000_000, False), (1_000_000_000, True)):
        found = decided(scores, catalogue_table([10_000_000, dear]), shop(portfolio_size=2))[0]
        assert (found["channel"] != "silence") is said
        if said:
            assert (found["level"], sorted(found["offer_ids"])) == ("individual", ["o00", "o01"])
            # 769 231 - 700 000, each slot rounded by itself.
            assert found["expected_contribution_micros"] == 769_231 - 700_000


def test_who_must_be_spoken_to_is_contacted_at_a_loss_and_without_an_offer_where_none_pays() -> None:
    scores = score_rows(np.array([[0.5], [0.5]]), more={"forced": [True, False]})
    found = decided(scores, catalogue_table([10_000_000]), shop(channel(cost_per_contact=0.25)))
    assert [(d["channel"], d["offer_ids"], d["expected_contribution_micros"]) for d in found] == [
        ("email", [], -250_000),
        ("silence", [], 0),
    ]


def test_who_must_be_spoken_to_but_has_no_open_offer_at_all_is_spoken_to() -> None:
    scores, catalogue = alike(1, [10_000_000], excluded=np.array([[1]], np.int8), more={"forced": [True]})
    found = decided(scores, catalogue, shop())[0]
    assert (found["channel"], found["offer_ids"]) == ("email", [])


def test_a_kind_lets_in_only_so_many_and_the_next_best_takes_the_place() -> None:
    scores, _ = alike(1, [0] * 4)
    catalogue = catalogue_table([40_000_000, 30_000_000, 20_000_000, 10_000_000])
    two = declared(4, kind=[0, 0, 0, -1], kind_most=[1])
    found = decided(scores, catalogue, shop(portfolio_size=2), two)[0]
    assert found["offer_ids"] == ["o00", "o03"]


def test_a_lever_moves_the_choice_and_no_money_that_is_reported() -> None:
    scores, catalogue = alike(1, [20_000_000, 10_000_000])
    # 7692 x 3 > 15385.
    found = decided(scores, catalogue, shop(portfolio_size=1), declared(2, boost=[0.0, 2.0]))[0]
    assert (found["offer_ids"], found["expected_contribution_micros"]) == (["o01"], PAYS)
    # A loss is not pushed: base .5 loses whatever the lever.
    assert decided(*alike(1, [10_000_000], base=0.5), shop(), declared(1, boost=[9.0]))[0]["channel"] == "silence"


def test_the_risk_of_leaving_rises_with_each_contact_and_is_weighed_against_what_is_gained() -> None:
    # 1 % of a worth of .6 is .006 < .007692; after one contact in the period 1.5 % is .009 > .007692. Who is worth
    # nothing, or less, cannot be lost.
    scores = score_rows(
        np.full((4, 1), 0.1), contacts=[0, 1, 1, 1], more={"actual_value_micros": [600_000, 600_000, 0, -9_000_000]}
    )
    program = shop(channel(unsubscribe_probability=0.01), pressure=1.5)
    found = decided(scores, catalogue_table([10_000_000]), program)
    assert [(d["channel"], d["harm_micros"], d["expected_contribution_micros"]) for d in found] == [
        ("email", 6_000, PAYS - 6_000),
        ("silence", 0, 0),
        ("email", 0, PAYS),
        ("email", 0, PAYS),
    ]


def test_a_promised_number_of_copies_is_kept_where_it_costs_least() -> None:
    # Losses: base .4 loses 10 (.327273 x .1 - .4 x .2) = -.472727, base .5 -.7, base .6 -.942857. Two are promised.
    scores = score_rows(np.array([[0.6], [0.4], [0.5]]))
    promise = declared(1, limit("promised", "offers", 2.0, at_least=True))
    made = plan(scores, catalogue_table([10_000_000]), shop(), shared=promise)
    assert made.decisions["channel"].to_pylist() == ["silence", "email", "email"]
    # A price below zero is what one more promised copy costs: between the second loss and the third.
    assert -942_857.5 <= made.terms[3].limit_micros[1] <= -699_999.5


@pytest.mark.parametrize(
    ("bound", "more"),
    [
        (limit("copies", "offers", 0.0), {"must_offers": [[0]] * 3, "forced": [True] * 3}),
        (limit("calls", "contacts", 2.0), {"forced": [True] * 3}),
        (limit("promised", "offers", 4.0, at_least=True), {}),
    ],
)
def test_limits_that_cannot_be_met_are_named_with_what_is_missing(
    bound: dict[str, Any], more: dict[str, Any]
) -> None:
    scores, catalogue = alike(3, [10_000_000], more=more)
    with pytest.raises(LimitsConflict) as caught:
        plan(scores, catalogue, shop(), shared=declared(1, bound))
    assert f"{bound['name']} (at {'least' if bound['at_least'] else 'most'} {bound['bound']:.0f}; short by" in str(
        caught.value
    )


def test_a_limit_of_nothing_silences_only_what_it_is_about() -> None:
    scores = score_rows(np.full((2, 2), 0.1), more={"scopes": [[0], []]})
    none = declared(2, limit("none for the club", "contacts", 0.0, scope=0), scopes=["club"])
    assert [d["channel"] for d in decided(scores, catalogue_table([10_000_000] * 2), shop(), none)] == [
        "silence",
        "email",
    ]
    of_one = declared(2, limit("none of o00", "offers", 0.0, offers=[0]), scopes=["club"])
    found = decided(scores, catalogue_table([20_000_000, 10_000_000]), shop(), of_one)
    assert [d["offer_ids"] for d in found] == [["o01"], ["o01"]]


def test_an_offer_that_is_free_to_give_and_brings_nothing_is_not_sent() -> None:
    scores = score_rows(np.full((1, 2), 0.1))
    # Price 0: worth 0. Depth 0 at a price of 10.00: all of the margin is kept, 10 x .207692 x .3 = .623077.
    catalogue = catalogue_table([0, 10_000_000], depths=[0.2, 0.0])
    found = decided(scores, catalogue, shop(portfolio_size=2))[0]
    assert (found["offer_ids"], found["offer_contributions_micros"]) == (["o01"], [623_077])
    assert found["offer_giveaways_micros"] == [0]


def test_the_best_of_a_hundred_thousand_offers_are_found() -> None:
    offers = 100_000
    prices = np.full(offers, 10_000_000)
    prices[[7, 50_000, 99_999]] = 30_000_000, 20_000_000, 40_000_000
    rows = rows_of(score_rows(np.full((1, offers), 0.1)))
    made = plan_turn(rows, catalogue_table(prices.tolist()), shop(portfolio_size=3), TURN, "model-1")
    assert made.decisions["offer_ids"].to_pylist() == [["o99999", "o07", "o50000"]]
