"""One allocation from end to end, and the refusal of arrays that cannot be right; expected numbers by hand."""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np
import pytest

from rapport.core.errors import LimitInvalid
from rapport.decide.allocate import Allocation, allocate, gap_of
from rapport.decide.problem import (
    ANYONE,
    COUNT,
    Candidates,
    ContactEntries,
    Customers,
    Entries,
    Limits,
    Portfolio,
    Problem,
    no_entries,
)
from rapport.decide.problem_check import check_problem


def make(values: Any, bounds: list[float], at_least: bool = False, size: int = 1) -> Problem:
    """Return a problem of a full table of values in which limit j counts offer j."""
    table = np.atleast_2d(np.asarray(values, np.float64))
    n, offers = table.shape
    limited = np.arange(min(len(bounds), offers))
    return Problem(
        Customers(
            np.arange(n + 1, dtype=np.int64) * offers,
            np.zeros(n, np.int32),
            np.zeros((n, 1)),
            np.zeros((0, n, 1)),
            np.zeros(n, np.bool_),
        ),
        Candidates(
            np.tile(np.arange(offers, dtype=np.int32), n),
            table.ravel(),
            np.ones(n * offers, np.int64),
            np.zeros(n * offers, np.int64),
            np.zeros((0, n * offers)),
        ),
        Portfolio(
            np.ones(size),
            np.ones(1),
            np.arange(offers, dtype=np.int32),
            np.full(offers, -1, np.int32),
            np.zeros(0, np.int32),
        ),
        Limits(
            np.asarray(bounds, np.float64),
            np.full(len(bounds), at_least),
            ContactEntries(np.zeros(2, np.int64), np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.int32)),
            Entries(
                np.minimum(np.arange(offers + 1), len(limited)).astype(np.int64),
                limited.astype(np.int32),
                np.ones(len(limited)),
                np.full(len(limited), COUNT, np.int32),
                np.ones(len(limited), np.int64),
                np.full(len(limited), ANYONE, np.int32),
            ),
            no_entries(1),
            np.zeros((0, 1), np.bool_),
            np.zeros(0, np.bool_),
        ),
    )


def solve(problem: Problem, **other: Any) -> Allocation:
    return allocate(problem, clock=time.perf_counter, **other)


def test_a_hand_made_assignment_is_solved_with_its_proof() -> None:
    # one piece of each: 5 + 4 (crosswise 4 + 1 for the first two offers) beats 5 + 1
    found = solve(make([[5e6, 4e6], [4e6, 1e6]], [1.0, 1.0]))
    # first gets the second offer (4), second the first (4): 8; the other way: 5 + 1 = 6
    assert found.met
    assert found.plan_value == 8e6
    assert found.plan.chosen.tolist() == [[1], [0]]
    assert found.bound == pytest.approx(8e6, rel=1e-5)
    assert 0.0 <= found.gap <= 1e-5
    assert found.usage.tolist() == [1.0, 1.0]
    assert found.slack.tolist() == [0.0, 0.0]
    assert found.binding.tolist() == [True, True]
    assert found.conflicts == ()


def test_a_limit_with_room_left_has_no_price_and_does_not_bind() -> None:
    found = solve(make([[5e6, 1e6], [4e6, 1e6]], [7.0]))
    assert found.plan_value == found.bound == 9e6
    assert found.prices.tolist() == [0.0]
    assert found.binding.tolist() == [False]
    assert found.slack.tolist() == [5.0]


def test_the_slack_of_a_minimum_is_what_is_used_above_it() -> None:
    found = solve(make([[5e6], [4e6]], [1.0], at_least=True))
    assert found.usage.tolist() == [2.0]
    assert found.slack.tolist() == [1.0]
    assert found.binding.tolist() == [False]


def test_limits_that_cannot_be_met_are_named_and_the_plan_misses_least() -> None:
    found = solve(make([[5e6], [4e6]], [3.0], at_least=True))
    assert not found.met
    assert [c.limits for c in found.conflicts] == [(0,)]
    assert found.conflicts[0].certified
    assert found.conflicts[0].shortfall == pytest.approx((1.0,), rel=1e-6)
    assert found.usage.tolist() == [2.0]


def test_nobody_nothing_and_no_limits_are_allocated_too() -> None:
    for problem, value in ((make(np.zeros((0, 2)), [1.0]), 0.0), (make([[5e6], [3e6]], []), 8e6)):
        found = solve(problem)
        assert found.met
        assert found.plan_value == found.bound == value
        assert found.gap == 0.0


def test_a_gap_is_a_share_of_the_bound_and_0_where_both_are_0() -> None:
    assert gap_of(0.0, 0.0) == 0.0
    assert gap_of(8.0, 6.0) == 0.25
    assert gap_of(-4.0, -5.0) == 0.25


def _larger() -> Problem:
    draw = np.random.default_rng(3)
    return make(draw.lognormal(0.0, 1.0, (3000, 6)) * 1e6, [600.0] * 6, size=2)


def test_the_plan_is_within_a_thousandth_of_the_bound_and_never_below_greedy() -> None:
    found = solve(_larger())
    counted = np.bincount(found.plan.chosen[found.plan.chosen >= 0], minlength=6)
    assert found.met
    assert (counted <= 600).all()
    assert found.greedy_value <= found.plan_value <= found.bound
    assert found.gap <= 1e-3


def test_threads_and_repetition_change_no_byte() -> None:
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = solve(_larger())
    finally:
        numba.set_num_threads(before)
    two = solve(_larger())
    assert one.prices.tobytes() == two.prices.tobytes()
    assert one.plan.chosen.tobytes() == two.plan.chosen.tobytes()
    assert (one.bound, one.plan_value, one.gap) == (two.bound, two.plan_value, two.gap)


def test_progress_is_told_and_the_last_prices_shorten_the_way() -> None:
    told: list[tuple[str, float]] = []
    first = solve(_larger(), progress=lambda step, share: told.append((step, share)))
    assert told == [("prices", 0.0), ("prices", 1.0), ("plan", 0.0), ("plan", 1.0)]
    again = solve(_larger(), start=first.prices)
    assert again.bound <= first.bound
    assert again.passes < first.passes


WRONG = {
    "a value that is no number": ("candidates", "value", [np.nan, 1.0], r"candidates\.value\[0\]: is nan; .*finite"),
    "an endless value": ("candidates", "value", [1.0, np.inf], r"candidates\.value\[1\]: is inf"),
    "an unknown offer": (
        "candidates",
        "offer",
        [0, 2],
        r"candidates\.offer\[1\]: is 2; must be at least 0 and below 2",
    ),
    "offers out of order": ("candidates", "offer", [1, 0], r"candidates\.offer\[1\]: is 0 after 1, of customer 0"),
    "an offer twice": ("candidates", "offer", [1, 1], r"candidates\.offer\[1\]: is 1 again, of customer 0"),
    "an unknown route": ("candidates", "routes", [1, 2], r"candidates\.routes\[1\]: is 2"),
    "a must without a route": ("candidates", "must", [0, 2], r"candidates\.must\[1\]: is 2; .*routes that may carry"),
    "more musts than slots": ("candidates", "must", [1, 1], r"must of customer 0, route 0: are 2 offers; at most 1"),
    "too few values": ("candidates", "value", [1.0], r"candidates\.value: has the shape \(1,\); must have \(2,\)"),
    "an endless contact": ("customers", "contact_micros", [[np.inf]], r"contact_micros\[0, 0\]: is inf"),
    "a start that ends early": (
        "customers",
        "start",
        [0, 1],
        r"customers\.start: runs from 0 to 1; must run from 0 to 2",
    ),
    "an unknown cell": ("customers", "cell", [1], r"customers\.cell\[0\]: is 1; must be at least 0 and below 1"),
    "a maximum below 0": (
        "limits",
        "bound",
        [-1.0],
        r"limits\.bound\[0\]: is -1\.0; must be at least 0 for a maximum",
    ),
    "a bound that is no number": ("limits", "bound", [np.nan], r"limits\.bound\[0\]: is nan"),
    "weights that do not begin with 1": (
        "portfolio",
        "weights",
        [0.9],
        r"portfolio\.weights\[0\]: is 0\.9; must be 1",
    ),
    "weights that rise": (
        "portfolio",
        "weights",
        [1.0, 0.5, 0.6],
        r"portfolio\.weights\[1\]: is 0\.6; .*the one before",
    ),
    "too many routes": ("portfolio", "reach", np.ones(63), r"portfolio\.reach: has 63 routes; must have 1 to 62"),
    "an unknown kind": ("portfolio", "kind", [-1, 0], r"portfolio\.kind\[1\]: is 0; must be at least -1 and below 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_arrays_that_cannot_be_right_are_refused_with_place_value_and_what_is_allowed(name: str) -> None:
    part, array, values, message = WRONG[name]
    problem = make([[5e6, 3e6]], [1.0])
    old = getattr(getattr(problem, part), array)
    wrong = getattr(problem, part)._replace(**{array: np.asarray(values, dtype=old.dtype)})
    with pytest.raises(LimitInvalid, match=message):
        check_problem(problem._replace(**{part: wrong}))


def test_a_use_below_zero_is_refused() -> None:
    problem = make([[5e6, 3e6]], [1.0])
    entries = problem.limits.by_offer._replace(use=np.array([-1.0]))
    with pytest.raises(LimitInvalid, match=r"limits\.by_offer\.use\[0\]: is -1\.0; .*at least 0"):
        check_problem(problem._replace(limits=problem.limits._replace(by_offer=entries)))


def test_more_musts_of_a_kind_than_may_stand_together_are_refused() -> None:
    problem = make([[5e6, 3e6]], [1.0], size=2)
    portfolio = problem.portfolio._replace(kind=np.zeros(2, np.int32), kind_most=np.ones(1, np.int32))
    candidates = problem.candidates._replace(must=np.ones(2, np.int64))
    with pytest.raises(LimitInvalid, match="customer 0, route 0: are 2 offers of kind 0; at most 1 of it"):
        check_problem(problem._replace(portfolio=portfolio, candidates=candidates))


def test_one_offer_may_stand_twice_for_different_routes() -> None:
    problem = make([[5e6, 3e6]], [])
    two = problem._replace(
        customers=problem.customers._replace(contact_micros=np.zeros((1, 2)), contact_amounts=np.zeros((0, 1, 2))),
        candidates=problem.candidates._replace(offer=np.zeros(2, np.int32), routes=np.array([1, 2])),
        portfolio=problem.portfolio._replace(reach=np.ones(2)),
        limits=problem.limits._replace(contacts=problem.limits.contacts._replace(start=np.zeros(3, np.int64))),
    )
    check_problem(two)
    assert solve(two).plan_value == 5e6
