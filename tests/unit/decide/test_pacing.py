"""Prices follow what is left, and what a decision could exceed is shut before it is made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rapport.core.errors import LimitInvalid
from rapport.decide.describe import Terms
from rapport.decide.pacing import (
    FARTHEST,
    Open,
    Pace,
    Uses,
    close_what_is_short,
    most_used,
    paced_prices,
    rest_of_plan,
    uses_of,
)
from rapport.decide.terms import Catalogue, ChannelTerms, CommonPortfolio, Models, Policy, SharedLimit


def floats(*values: float) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def pace(
    price: float, *, bound: float = 100.0, planned: float = 100.0, at_least: bool = False, gain: float = 2.0
) -> Pace:
    return Pace(
        floats(price), floats(bound), np.array([at_least]), floats(planned), floats(10.0 if price == 0 else 0.0), gain
    )


def test_at_the_pace_of_the_plan_the_price_is_that_of_the_plan() -> None:
    for used in (0.0, 25.0, 90.0):
        assert paced_prices(pace(7.0), floats(100.0 - used), floats(used)) == pytest.approx([7.0])


def test_a_limit_that_runs_out_gets_dear_by_the_power_of_the_gain() -> None:
    # 50 are planned for the rest and 25 are left: 2 squared.
    assert paced_prices(pace(7.0), floats(50.0), floats(75.0)) == pytest.approx([28.0])
    assert paced_prices(pace(7.0, gain=0.0), floats(50.0), floats(75.0)) == pytest.approx([7.0])


def test_a_limit_that_is_left_over_gets_cheap_and_costs_next_to_nothing_at_the_end() -> None:
    # 25 are planned for the rest and 50 are left: a half squared.
    assert paced_prices(pace(8.0), floats(25.0), floats(50.0)) == pytest.approx([2.0])
    assert paced_prices(pace(8.0), floats(0.0), floats(50.0)) == pytest.approx([8.0 / FARTHEST**2])


def test_a_limit_that_did_not_bind_in_the_plan_gets_a_price_when_it_runs_out() -> None:
    # Planned 60 of 100. With 30 planned and 30 left the price is still 0; with 15 left it is 10 x 2^2 - 10.
    spare = pace(0.0, planned=60.0)
    assert paced_prices(spare, floats(30.0), floats(50.0)).tolist() == [0.0]
    assert paced_prices(spare, floats(30.0), floats(70.0)).tolist() == [0.0]
    assert paced_prices(spare, floats(30.0), floats(85.0)) == pytest.approx([30.0])


def test_a_minimum_that_is_behind_is_paid_for_more_and_one_that_is_met_not_at_all() -> None:
    # Of a minimum of 100, 60 are still to be done and 30 were planned for the rest: 2 squared.
    least = pace(-5.0, at_least=True)
    assert paced_prices(least, floats(30.0), floats(40.0)) == pytest.approx([-20.0])
    assert abs(paced_prices(least, floats(30.0), floats(100.0))[0]) < 0.1


def test_prices_stay_finite_when_nothing_is_left_and_nothing_is_planned() -> None:
    for used in (0.0, 100.0, 120.0):
        for rest in (0.0, 1e-300, 100.0):
            assert np.isfinite(paced_prices(pace(7.0), floats(rest), floats(used))).all()
    assert paced_prices(pace(7.0), floats(0.0), floats(100.0)) == pytest.approx([7.0])


def test_the_rest_of_a_plan_is_the_lower_of_who_has_not_come_and_what_is_left_of_the_day() -> None:
    planned = np.array([[80.0], [20.0]])
    coming = floats(1_000.0, 1_000.0)
    as_planned = rest_of_plan(planned, 0.25, floats(250.0, 250.0), coming)
    assert as_planned == pytest.approx([75.0])
    # Of the first class 900 of 1,000 came early: a tenth of 80 is left to plan for, and 3/4 of 20.
    assert rest_of_plan(planned, 0.25, floats(900.0, 250.0), coming) == pytest.approx([8.0 + 15.0])
    # Half as many as expected, with 30 taken for granted: 3/4 x (125 + 30) / (250 + 30).
    assert rest_of_plan(planned, 0.25, floats(125.0, 125.0), coming) == pytest.approx([75.0 * 155 / 280])


def test_a_class_that_nobody_expected_needs_nothing() -> None:
    assert rest_of_plan(np.array([[0.0]]), 0.5, floats(10.0), floats(0.0)).tolist() == [0.0]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_of_the_day_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(LimitInvalid, match=r"must lie in \[0, 1\]"):
        rest_of_plan(np.zeros((1, 1)), share, floats(0.0), floats(1.0))


@pytest.mark.parametrize("planned", [-1.0, float("nan"), float("inf")])
def test_planned_use_that_is_no_amount_is_refused(planned: float) -> None:
    with pytest.raises(LimitInvalid, match="planned use"):
        Pace.of((floats(1.0), np.array([False])), floats(0.0), floats(planned), 1.0)


def test_a_limit_without_a_price_begins_at_a_tenth_of_the_worth_of_a_unit() -> None:
    # The plan is worth 1,000 and uses 50 units of it: 20 a unit.
    found = Pace.of((floats(60.0), np.array([False])), floats(0.0), floats(50.0), 1_000.0)
    assert found.start_micros.tolist() == [2.0]


def terms_with(*limits: SharedLimit, size: int = 2) -> Terms:
    """Return four offers of 10 at 20 % off; channels seen by half and by all, the second of three minutes."""
    catalogue = Catalogue(
        ("a", "b", "c", "d"),
        np.full(4, 10_000_000),
        np.full(4, 0.5),
        np.full(4, 0.2),
        np.arange(4, dtype=np.int32),
        np.zeros(4),
        np.full(4, -1, dtype=np.int32),
        np.zeros(0, dtype=np.int32),
    )
    channels = (ChannelTerms("email", 5_000, 0.5), ChannelTerms("desk", 0, 1.0, minutes=3.0))
    policy = Policy(size, 1.0, 0.0, 9, channels, (0, 0, 2_000), "s", "v", limits, ("north", "south"))
    nobody = CommonPortfolio(np.zeros(0, dtype=np.int32))
    return Terms.of(catalogue, Models(2.0, 1.0, 3.0, "assumed", nobody, {"C": nobody}, "m"), policy)


def used(terms: Terms, route: int, offers: list[int], given: list[int], scopes: list[int]) -> dict[int, float]:
    found = uses_of(terms, route, np.array(offers, np.int32), np.array(given, np.int64), np.array(scopes, np.int32))
    return dict(zip(found.limit.tolist(), found.amount.tolist(), strict=True))


def test_what_a_decision_uses_is_counted_limit_by_limit() -> None:
    terms = terms_with(
        SharedLimit("said", "contacts", False, 9.0, (0, 1)),
        SharedLimit("money", "contact_cost", False, 9.0, (0,)),
        SharedLimit("minutes", "minutes", False, 9.0, (1,)),
        SharedLimit("a or b", "offers", False, 9.0, (0, 1), (0, 1)),
        SharedLimit("all", "offers", False, 9.0, (0, 1)),
        SharedLimit("given", "giveaway", False, 9.0, (0, 1)),
        SharedLimit("given b north", "giveaway", False, 9.0, (0,), (1,), 0),
        SharedLimit("said south", "contacts", False, 9.0, (0, 1), None, 1),
    )
    # Route 2 is an individual portfolio by email: it costs 5,000 for the contact and 2,000 for the level.
    email = used(terms, 2, [1, 2], [30, 50], [0])
    assert email == {0: 1.0, 1: 7_000.0, 3: 1.0, 4: 2.0, 5: 80.0, 6: 30.0}
    assert used(terms, 5, [0, 1], [30, 50], [1]) == {0: 1.0, 2: 3.0, 3: 2.0, 4: 2.0, 5: 80.0, 7: 1.0}
    assert used(terms, -1, [], [], []) == {}


def test_a_use_fits_where_no_maximum_is_exceeded_and_minima_take_any() -> None:
    uses = Uses(np.array([0, 2]), floats(2.0, 5.0))
    assert uses.fit(floats(2.0, 0.0, 0.0), np.array([False, False, True]))
    assert not uses.fit(floats(1.9, 0.0, 0.0), np.array([False, False, True]))
    assert uses.added_to(floats(1.0, 1.0, 1.0)).tolist() == [3.0, 1.0, 6.0]


def shut(terms: Terms, room: list[float], **customer: Any) -> Any:
    given = np.full(4, 100_000.0)
    everything = {"offers": np.arange(4, dtype=np.int32), "given": given, "channels": np.array([True, True])}
    facts = Open(**(everything | {"scopes": np.array([0], np.int32)} | customer))
    left = np.array(room)
    return close_what_is_short(terms, np.flatnonzero(left < most_used(terms)), left, facts)


def test_the_most_that_one_decision_uses_bounds_every_decision() -> None:
    terms = terms_with(
        SharedLimit("money", "contact_cost", False, 9.0, (0, 1)),
        SharedLimit("one", "offers", False, 9.0, (0, 1), (3,)),
        SharedLimit("all", "offers", False, 9.0, (0, 1)),
        SharedLimit("given", "giveaway", False, 9.0, (0, 1)),
    )
    # Two offers of 10 at 20 % off to somebody who buys both anyway give away 4, and a micro each for rounding.
    assert most_used(terms).tolist() == [7_000.0, 1.0, 2.0, 4_000_002.0]


def test_a_channel_is_shut_where_one_contact_more_does_not_fit() -> None:
    terms = terms_with(SharedLimit("minutes", "minutes", False, 9.0, (0, 1)))
    assert shut(terms, [3.0]).channels.tolist() == [False, False]
    assert shut(terms, [2.9]).channels.tolist() == [False, True]


def test_offers_are_shut_where_the_most_that_they_could_use_does_not_fit() -> None:
    terms = terms_with(SharedLimit("a or b", "offers", False, 9.0, (0, 1), (0, 1)))
    assert shut(terms, [2.0]).offers.tolist() == [False] * 4
    assert shut(terms, [1.0]).offers.tolist() == [True, True, False, False]
    # Where only one of them is open it still fits.
    open_now = {"offers": np.array([1, 2], np.int32), "given": np.zeros(2)}
    assert shut(terms, [1.0], **open_now).offers.tolist() == [False, False]


def test_a_limit_of_others_or_a_minimum_shuts_nothing() -> None:
    terms = terms_with(
        SharedLimit("south", "contacts", False, 9.0, (0, 1), None, 1),
        SharedLimit("least", "offers", True, 9.0, (0, 1)),
    )
    found = shut(terms, [0.0, 0.0])
    assert not found.channels.any()
    assert not found.offers.any()
    assert shut(terms, [0.0, 0.0], scopes=np.array([1], np.int32)).channels.all()


def test_a_limit_that_counts_in_some_channels_is_priced_out_there_unless_only_they_are_open() -> None:
    terms = terms_with(SharedLimit("copies", "offers", False, 9.0, (0,), (0,)))
    both = shut(terms, [0.0])
    assert (both.priced.tolist(), both.offers.any()) == ([0], False)
    one = shut(terms, [0.0], channels=np.array([True, False]))
    assert (one.priced.tolist(), one.offers.tolist()) == ([], [True, False, False, False])
