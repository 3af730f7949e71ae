"""One rule of the decision each, on worlds small enough to work out by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chisquare

from rapport.core.keys import customer_key
from rapport.decide.decide import decide
from rapport.program.model import Program
from rapport.workflows.plan import Plan, plan_turn
from worlds import TURN, catalogue_table, channel, rows_of, score_rows, shop

# Margin 30 %, depth 20 %, odds ratio 4, base .1: p1 = .4 / 1.3 = .307692; a price of 10.00 is worth
# 10 (.207692 x .1 - .1 x .2) = 10 x .0007692 = .007692: 7692 micros.
PAYS = 7692


def plan(scores: pa.Table, catalogue: pa.Table, program: Program, holdout: list[bool] | None = None) -> Plan:
    held = None if holdout is None else np.array(holdout)
    return plan_turn(rows_of(scores, held), catalogue, program, TURN, "model-1")


def decided(scores: pa.Table, catalogue: pa.Table, program: Program) -> list[dict[str, Any]]:
    return plan(scores, catalogue, program).decisions.to_pylist()


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
    # At a price equal to its value the second is silent, so the second's value is the lowest price that fits.
    assert made.terms[3].contact_micros == (15_385,)
    assert found[0]["channel_prices_micros"] == [15_385]


def test_the_held_out_do_not_use_up_the_capacity_and_are_decided_too() -> None:
    scores, catalogue = alike(3, [10_000_000])
    found = plan(scores, catalogue, shop(channel(capacity=1)), [True, False, True])
    assert found.decisions["channel"].to_pylist() == ["email"] * 3
    assert found.decisions["deliver"].to_pylist() == [False, True, False]
    assert found.used == (1,)


def test_capacity_zero_silences_the_channel_also_for_exploration() -> None:
    made = plan(*alike(200, [10_000_000]), shop(channel(capacity=0), exploration_share=0.5))
    assert set(made.decisions["channel"].to_pylist()) == {"silence"}
    assert made.terms[3].explorable == (False,)
    assert set(made.decisions["silence_probability"].to_pylist()) == {1.0}
    assert made.used == (0,)


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


CLONES = 30_000


@pytest.fixture(scope="module")
def clones() -> list[dict[str, Any]]:
    """One customer under many keys: three channels, two of them worth it, two slots, four paying offers."""
    base = np.tile(np.array([0.1, 0.1, 0.1, 0.1, 0.9]), (1, 1))
    row = score_rows(base, reachable=np.array([[True, True, False]]))
    catalogue = catalogue_table([90_000_000, 80_000_000, 30_000_000, 20_000_000, 90_000_000])
    program = shop(
        channel("email", reach=1.0),
        channel("till", reach=0.5),
        channel("post", reach=1.0),
        portfolio_size=2,
        exploration_share=0.3,
        litmus={"mass_cost": 5.0, "segment_cost": 5.0},
    )
    terms = plan(row, catalogue, program).terms
    one = rows_of(row).take([0] * CLONES)
    keys = np.array([customer_key(f"clone {i}") for i in range(CLONES)])
    many = one.set_column(one.schema.get_field_index("customer_key"), "customer_key", pa.array(keys))
    return decide(many, *terms).to_pylist()


def test_channels_and_silence_are_drawn_with_the_chances_that_are_logged(clones: list[dict[str, Any]]) -> None:
    # Best is email: .7 + .3 / 3 = .8; silence and till .1 each; post cannot reach.
    told = {d["channel"]: d["channel_probability"] for d in clones}
    assert told == {"email": pytest.approx(0.8), "till": pytest.approx(0.1), "silence": pytest.approx(0.1)}
    seen = Counter(d["channel"] for d in clones)
    assert chisquare([seen[c] for c in told], [CLONES * p for p in told.values()]).pvalue > 0.001


def test_portfolios_are_drawn_with_the_chances_that_are_logged(clones: list[dict[str, Any]]) -> None:
    # In each channel the last slot stays with .7 and goes to one of the two other paying offers with .15 each.
    spoken = [d for d in clones if d["channel"] != "silence"]
    told = {(d["channel"], *d["offer_ids"]): d["offer_choice_probabilities"][-1] for d in spoken}
    assert told == {
        (name, "o00", last): pytest.approx(chance * slot)
        for name, chance in (("email", 0.8), ("till", 0.1))
        for last, slot in (("o01", 0.7), ("o02", 0.15), ("o03", 0.15))
    }
    seen = Counter((d["channel"], *d["offer_ids"]) for d in spoken)
    cells = [seen[o] for o in told] + [CLONES - len(spoken)]
    assert chisquare(cells, [CLONES * p for p in told.values()] + [CLONES * 0.1]).pvalue > 0.001
    # The first slot is never drawn: its chance is the channel's.
    assert all(d["offer_choice_probabilities"][0] == d["channel_probability"] for d in spoken)


def test_what_differs_from_the_best_choice_is_marked_as_explored(clones: list[dict[str, Any]]) -> None:
    for d in clones[:5000]:
        best = (d["channel"], d["offer_ids"]) == ("email", ["o00", "o01"])
        assert d["explored"] != best
        assert d["reasons"] == ["BEST_VALUE" if best else "EXPLORED"]


def test_without_exploration_every_chance_is_one() -> None:
    found = decided(
        *alike(50, [10_000_000] * 3, channels=2), shop(channel("email"), channel("till"), portfolio_size=2)
    )
    assert {d["channel_probability"] for d in found} == {1.0}
    assert {p for d in found for p in d["offer_choice_probabilities"]} == {1.0}
    assert {d["silence_probability"] for d in found} == {0.0}
