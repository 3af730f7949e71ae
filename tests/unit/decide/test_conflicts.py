"""Conflicts between limits: expected figures by hand or by HiGHS over all columns."""

from __future__ import annotations

import numpy as np
import pytest
from enumerated import drawn, optimum, sketch

from rapport.decide.conflicts import find_conflicts
from rapport.decide.problem import COUNT
from rapport.decide.repair import plan_within


def test_more_contacts_demanded_than_allowed_names_both_limits_and_the_difference() -> None:
    # At least 30, at most 20 of 50: one of them must give way by 10.
    p = sketch([[1.0]] * 50, [20.0, 30.0], contacts=[(0, 0, 1.0), (0, 1, 1.0)], at_least=(1,))
    (conflict,) = find_conflicts(p)
    assert conflict.limits == (0, 1)
    assert conflict.shortfall == pytest.approx((10.0, 10.0))
    assert conflict.certified


def test_more_demanded_than_there_are_customers_names_the_one_limit() -> None:
    # At least 8 offers where 5 customers take one each: 3 are missing. The other limit is no part of it.
    p = sketch([[1.0, 2.0]] * 5, [8.0, 4.0], cells=[(0, 0, 1.0, COUNT)], offers=[(0, 1, 1.0, COUNT)], at_least=(0,))
    (conflict,) = find_conflicts(p)
    assert (conflict.limits, conflict.certified) == ((0,), True)
    assert conflict.shortfall == pytest.approx((3.0,))


def test_customers_who_must_hear_something_can_exceed_a_maximum() -> None:
    # Six must be written to, four contacts are allowed.
    p = sketch([[1.0]] * 6, [4.0], contacts=[(0, 0, 1.0)], forced=tuple(range(6)))
    (conflict,) = find_conflicts(p)
    assert conflict.limits == (0,)
    assert conflict.shortfall == pytest.approx((2.0,))


def test_two_conflicts_are_told_apart() -> None:
    # Offers 0 and 1 each: at least 5, at most 2. Nothing joins the two.
    p = sketch(
        [[1.0, 1.0]] * 20,
        [2.0, 5.0, 2.0, 5.0],
        offers=[(0, 0, 1.0, COUNT), (0, 1, 1.0, COUNT), (1, 2, 1.0, COUNT), (1, 3, 1.0, COUNT)],
        at_least=(1, 3),
        size=2,
    )
    found = find_conflicts(p)
    assert sorted(conflict.limits for conflict in found) == [(0, 1), (2, 3)]
    for conflict in found:
        assert conflict.shortfall == pytest.approx((3.0, 3.0))


def test_what_fractions_meet_but_whole_choices_do_not_is_not_certified() -> None:
    # Each choice uses 2: 3 cannot be hit, at most 3 and at least 3; the best whole plan uses 2 and misses 1.
    p = sketch([[1.0]] * 4, [3.0, 3.0], offers=[(0, 0, 2.0, COUNT), (0, 1, 2.0, COUNT)], at_least=(1,))
    (conflict,) = find_conflicts(p)
    assert (conflict.limits, conflict.shortfall, conflict.certified) == ((1,), (1.0,), False)


def test_forced_customers_who_fit_as_fractions_only_are_counted() -> None:
    # Both must hear something, each contact uses 2 of 3 minutes or 1 of 0.5 pieces: as shares .75 + .25 and so on.
    p = sketch(
        [[1.0]] * 2,
        [3.0, 0.5],
        contacts=[(0, 0, 2.0), (1, 1, 1.0)],
        reach=(1.0, 1.0),
        cost=[[0.0, 0.0]] * 2,
        forced=(0, 1),
    )
    (conflict,) = find_conflicts(p)
    assert (conflict.limits, conflict.certified, conflict.unserved) == ((), False, 1)


def test_a_plan_that_keeps_everything_has_no_conflicts() -> None:
    p = sketch([[1.0]] * 50, [20.0, 20.0], contacts=[(0, 0, 1.0), (0, 1, 1.0)], at_least=(1,))
    assert find_conflicts(p) == ()
    assert find_conflicts(p, plan_within(p, np.array([1.0, 0.0]), salt="turn", effort=1)) == ()


@pytest.mark.parametrize("family", ["at_least", "forced"])
def test_a_conflict_is_certified_exactly_where_no_fractions_meet_the_limits(family: str) -> None:
    certified = 0
    for seed in range(60):
        p = drawn(family, seed)
        p = p._replace(
            limits=p.limits._replace(bound=np.where(p.limits.at_least, p.limits.bound + 3.0, p.limits.bound))
        )
        best = optimum(p)
        plan = plan_within(p, best.prices, salt="turn", effort=5)
        proved = any(conflict.certified for conflict in find_conflicts(p, plan))
        assert proved == (best.shares is None)
        certified += proved
    assert certified >= 10


def test_giving_way_by_the_shortfall_makes_the_limits_meet() -> None:
    checked = 0
    for seed in range(40):
        p = drawn("at_least", seed)
        if optimum(p).shares is not None:
            continue
        for conflict in find_conflicts(p):
            for limit, short in zip(conflict.limits, conflict.shortfall, strict=True):
                bound, keep = p.limits.bound.copy(), np.isin(np.arange(len(p.limits.bound)), conflict.limits)
                bound[~keep & p.limits.at_least], bound[~keep & ~p.limits.at_least] = 0.0, 1e6
                for share, meets in ((0.99, False), (1.01, True)):
                    eased = bound.copy()
                    eased[limit] += (-share if p.limits.at_least[limit] else share) * short
                    eased = np.where(p.limits.at_least, np.maximum(eased, 0.0), eased)
                    changed = p._replace(limits=p.limits._replace(bound=eased))
                    assert (optimum(changed).shares is not None) == meets
                    checked += 1
    assert checked >= 10
