"""What alone uses more than a whole limit is left out before prices are searched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rapport.decide.shut import shut_out
from rapport.simulate.instance_record import Instance, used_by_plan
from rapport.simulate.instances import make_instance
from rapport.workflows.allocate_instance import Allocated, allocate_instance, plan_table
from rapport.workflows.instance_problem import to_problem

NEVER = 1e17


def spending(instance: Instance, rows: np.ndarray[Any, Any], spend: float) -> Instance:
    """Return the instance with another amount spent by some candidates."""
    (name,) = instance.candidates.amounts
    amounts = instance.candidates.amounts[name].astype(np.float64)
    amounts[rows] = spend
    return replace(instance, candidates=replace(instance.candidates, amounts={name: amounts}))


def taken(done: Allocated) -> list[Any]:
    return [(row["channel"], sorted(row["offers"])) for row in plan_table(done).to_pylist()]


@pytest.fixture(scope="module")
def half_never() -> tuple[Instance, np.ndarray[Any, Any]]:
    instance = make_instance("lumpy", 600, 4, seed=2)
    rows = np.flatnonzero(instance.candidates.customer % 2 == 1)
    return spending(instance, rows, NEVER), rows


def test_amounts_beyond_a_whole_limit_hide_no_other_use(half_never: tuple[Instance, Any]) -> None:
    instance, rows = half_never
    done = allocate_instance(instance)
    assert done.summary["met"]
    given = done.rows[done.rows >= 0]
    assert len(given) > 0
    assert not np.isin(given, rows).any()
    used = used_by_plan(instance, done.channel, given)
    assert (used <= np.array([x.bound for x in instance.limits]) * (1 + 1e-9)).all()


def test_how_far_beyond_does_not_matter(half_never: tuple[Instance, Any]) -> None:
    instance, rows = half_never
    far, farther = allocate_instance(spending(instance, rows, 1e9)), allocate_instance(instance)
    assert taken(far) == taken(farther)
    assert far.summary["bound"] == farther.summary["bound"]
    assert far.summary["gap"] < 0.01


def test_a_route_goes_with_the_offer_that_it_must_contain() -> None:
    problem = to_problem(make_instance("lumpy", 5, 2, seed=1))
    (limit,) = np.flatnonzero(np.isfinite(problem.limits.bound))[:1]
    amounts = problem.candidates.amounts.copy()
    # The first customer's first candidate uses twice the limit and must be said; the second customer's may be left.
    amounts[0, [0, 2]] = 2.0 * problem.limits.bound[limit]
    must = np.zeros_like(problem.candidates.must)
    must[0] = problem.candidates.routes[0]
    problem = problem._replace(candidates=problem.candidates._replace(amounts=amounts, must=must))
    shut = shut_out(problem)
    assert (shut.customers.contact_micros[0] == -np.inf).all()
    assert (shut.customers.contact_micros[1] > -np.inf).any()
    assert shut.candidates.routes[2] == 0
    assert (shut.candidates.routes[3:] == problem.candidates.routes[3:]).all()


def test_minima_shut_nothing_out() -> None:
    problem = to_problem(make_instance("lumpy", 5, 2, seed=1))
    limits = problem.limits
    problem = problem._replace(
        limits=limits._replace(at_least=np.ones_like(limits.at_least), bound=np.zeros_like(limits.bound))
    )
    assert (shut_out(problem).candidates.routes == problem.candidates.routes).all()
