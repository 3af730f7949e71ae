"""Plans of whole choices: compared with HiGHS over all columns, limits recounted in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from enumerated import FAMILIES, choice_of, drawn, optimum, sketch
from numba import get_num_threads, set_num_threads

from rapport.decide.problem import COUNT, Problem
from rapport.decide.repair import Plan, greedy_plan, plan_within, unserved, violations

NAN = float("nan")


def recounted(p: Problem, plan: Plan) -> tuple[float, np.ndarray]:
    value, usage = 0.0, np.zeros(len(p.limits.bound))
    for i in range(len(p.customers.cell)):
        chosen = tuple(int(k) for k in plan.chosen[i] if k >= 0)
        assert len(set(chosen)) == len(chosen)
        one = choice_of(p, i, int(plan.route[i]), chosen)
        value += one[0]
        usage += one[1]
    return value, usage


def misses(p: Problem, usage: np.ndarray) -> np.ndarray:
    miss = np.where(p.limits.at_least, p.limits.bound - usage, usage - p.limits.bound)
    return np.where(miss > 1e-9 * np.abs(p.limits.bound), miss, 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_small_plan_is_the_best_there_is_and_keeps_every_limit(family: str) -> None:
    met = 0
    for seed in range(12):
        p = drawn(family, seed)
        best = optimum(p)
        plan = plan_within(p, best.prices, salt="turn", effort=40)
        value, usage = recounted(p, plan)
        assert plan.value == pytest.approx(value, rel=1e-12)
        assert plan.usage == pytest.approx(usage, rel=1e-12)
        assert not misses(p, usage)[~p.limits.at_least].any()
        if best.whole is not None:
            met += 1
            assert not misses(p, usage).any()
            assert unserved(p, plan) == 0
            assert plan.value == pytest.approx(best.whole, rel=1e-9, abs=1e-3)
    assert met >= 6


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plan_from_useless_prices_is_never_below_the_greedy_plan(family: str) -> None:
    for seed in range(12):
        p = drawn(family, seed)
        floor = greedy_plan(p)
        usage = recounted(p, floor)[1]
        assert not misses(p, usage)[~p.limits.at_least].any()
        plan = plan_within(p, np.zeros(len(p.limits.bound)), salt="turn", effort=0)
        if not misses(p, usage).any() and unserved(p, floor) == 0:
            assert not misses(p, recounted(p, plan)[1]).any()
            assert plan.value >= floor.value * (1.0 - 1e-12)


def test_the_greedy_plan_serves_the_highest_value_first() -> None:
    # One piece of offer 0: customer 1 values it at 9 and gets it, customer 0 (8, else 2) gets offer 1.
    p = sketch([[8.0, 2.0], [9.0, 7.0]], [1.0], offers=[(0, 0, 1.0, COUNT)])
    plan = greedy_plan(p)
    assert plan.chosen.tolist() == [[1], [0]]
    assert plan.value == 11.0
    assert plan.repaired.tolist() == [True, False]


def test_prices_give_the_scarce_offer_to_whom_it_makes_the_difference() -> None:
    # The same as above: 8 + 7 = 15 beats 9 + 2 = 11; at a price of 4 customer 0 pays it (8 - 4 > 2), 1 does not.
    p = sketch([[8.0, 2.0], [9.0, 7.0]], [1.0], offers=[(0, 0, 1.0, COUNT)])
    plan = plan_within(p, np.array([4.0]), salt="turn", effort=0)
    assert plan.chosen.tolist() == [[0], [1]]
    assert plan.value == 15.0
    assert not plan.repaired.any()


def test_two_small_amounts_take_the_place_of_one_large_amount() -> None:
    # Budget 10: the large one (use 9, value 10) fits alone, the two small ones (use 5, value 6 each) together.
    amounts = [[9.0], [5.0], [5.0]]
    p = sketch([[10.0], [6.0], [6.0]], [10.0], amounts=amounts, cells=[(0, 0, 1.0, 0)])
    plan = plan_within(p, np.array([0.0]), salt="turn", effort=20)
    assert plan.route.tolist() == [-1, 0, 0]
    assert plan.value == 12.0


def test_a_minimum_is_met_by_those_who_lose_least() -> None:
    # Two must get offer 1. Losses: 5 - 4 = 1, 9 - 1 = 8, 6 - 3 = 3; customers 0 and 2: value 4 + 9 + 3 = 16.
    p = sketch([[5.0, 4.0], [9.0, 1.0], [6.0, 3.0]], [2.0], offers=[(1, 0, 1.0, COUNT)], at_least=(0,))
    plan = plan_within(p, np.array([0.0]), salt="turn", effort=0)
    assert plan.chosen.tolist() == [[1], [0], [1]]
    assert plan.value == 16.0


def test_a_contact_that_a_minimum_needs_may_bring_an_offer_that_loses() -> None:
    # Everybody must be written to once at a cost of 3, with an offer worth 1: the plan is worth -4, and there.
    p = sketch([[1.0], [1.0]], [2.0], cost=[[3.0], [3.0]], contacts=[(0, 0, 1.0)], at_least=(0,))
    plan = plan_within(p, np.array([0.0]), salt="turn", effort=0)
    assert plan.route.tolist() == [0, 0]
    assert plan.value == -4.0


def test_who_must_not_be_left_silent_comes_before_value() -> None:
    # One contact: customer 1 would bring 9, but customer 0 must hear something.
    p = sketch([[1.0], [9.0]], [1.0], contacts=[(0, 0, 1.0)], forced=(0,))
    for effort in (0, 5):
        plan = plan_within(p, np.array([5.0]), salt="turn", effort=effort)
        assert plan.route.tolist() == [0, -1]
        assert unserved(p, plan) == 0


def test_what_a_message_must_contain_is_in_it_or_there_is_no_message() -> None:
    # Offer 1 must be in; there is one piece of it, so one of the two is written to.
    p = sketch([[5.0, 1.0], [6.0, 1.0]], [1.0], offers=[(1, 0, 1.0, COUNT)], size=2, must=((0, 1), (1, 1)))
    plan = plan_within(p, np.array([1.0]), salt="turn", effort=5)
    assert plan.route.tolist() == [-1, 0]
    assert sorted(plan.chosen[1].tolist()) == [0, 1]
    assert plan.value == 7.0


def test_equal_values_do_not_leave_room_unused() -> None:
    # Everybody likes both offers the same; 300 pieces of each serve all 600.
    p = sketch([[1.0, 1.0]] * 600, [300.0, 300.0], offers=[(0, 0, 1.0, COUNT), (1, 1, 1.0, COUNT)])
    plan = plan_within(p, np.zeros(2), salt="turn", effort=0)
    assert plan.value == 600.0
    assert plan.usage.tolist() == [300.0, 300.0]


def test_violations_are_told_in_the_units_of_the_limit() -> None:
    p = sketch([[5.0], [4.0]], [1.0, 3.0], contacts=[(0, 0, 1.0), (0, 1, 1.0)], at_least=(1,))
    both = Plan(
        np.zeros(2, dtype=np.int32), np.zeros((2, 1), dtype=np.int32), 9.0, np.zeros(2), np.zeros(2, dtype=np.bool_)
    )
    # Two contacts where one is the most and three the least: one too many, one too few.
    assert violations(p, both).tolist() == [1.0, 1.0]


def test_unbounded_limits_are_left_aside() -> None:
    p = sketch([[5.0], [4.0]], [np.inf, 1.0], contacts=[(0, 0, 1.0), (0, 1, 1.0)])
    plan = plan_within(p, np.array([0.0, 4.0]), salt="turn", effort=3)
    assert plan.value == 5.0
    assert violations(p, plan).tolist() == [0.0, 0.0]


def test_nobody_no_offers_and_no_limits_are_plans_too() -> None:
    nobody = sketch([[1.0]], [1.0], contacts=[(0, 0, 1.0)])
    nobody = nobody._replace(
        customers=nobody.customers._replace(
            start=np.zeros(1, dtype=np.int64),
            cell=np.zeros(0, dtype=np.int32),
            contact_micros=np.zeros((0, 1)),
            contact_amounts=np.zeros((0, 0, 1)),
            forced=np.zeros(0, dtype=np.bool_),
        ),
        candidates=sketch([[NAN]], [1.0]).candidates,
    )
    assert plan_within(nobody, np.zeros(1), salt="turn", effort=3).value == 0.0
    assert plan_within(sketch([[NAN]], [1.0]), np.zeros(1), salt="turn", effort=3).route.tolist() == [-1]
    assert plan_within(sketch([[2.0]], []), np.zeros(0), salt="turn", effort=3).value == 2.0


def test_a_plan_has_the_same_bytes_on_one_thread_and_on_two() -> None:
    g = np.random.default_rng(3)
    values, amounts = g.lognormal(0.0, 1.0, (5200, 4)), g.lognormal(0.0, 1.0, (5200, 4))
    p = sketch(
        (1e6 * values).tolist(),
        [900.0, 700.0, 2000.0, 1500.0],
        offers=[(0, 0, 1.0, COUNT), (1, 1, 1.0, COUNT), (3, 3, 1.0, COUNT)],
        amounts=amounts.tolist(),
        cells=[(0, 2, 1.0, 0)],
        at_least=(3,),
        size=2,
    )
    prices, threads = np.array([3e5, 4e5, 8e5, -2e5]), get_num_threads()
    plans = []
    try:
        for count in (1, 2):
            set_num_threads(min(count, threads))
            plans.append(plan_within(p, prices, salt="turn", effort=2))
    finally:
        set_num_threads(threads)
    for one, two in zip(plans[0], plans[1], strict=True):
        assert np.asarray(one).tobytes() == np.asarray(two).tobytes()
    assert not misses(p, recounted(p, plans[0])[1]).any()
