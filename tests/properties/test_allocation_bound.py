"""A plan keeps every limit, and its bound is true: held against HiGHS on small instances of every family."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation_oracle import Counted, count_plan, optima
from rapport.simulate.instance_record import Instance
from rapport.simulate.instances import FAMILIES, INFEASIBLE, make_instance
from rapport.workflows.allocate_instance import Allocated, allocate_instance, plan_table

CLOSE = 1e-6
"""Both solvers stop at tolerances of their own; relative to the value."""

FEASIBLE = sorted(set(FAMILIES) - set(INFEASIBLE))
sizes = st.integers(1, 8)
seeds = st.integers(0, 10_000)
widths = st.integers(1, 5)


def _made(family: str, customers: int, candidates: int, seed: int) -> Instance:
    # A thousand stocks would be all about offers that nobody may get.
    return make_instance(family, customers, candidates, 12 if family == "many_limits" else None, seed)


def _solved(instance: Instance) -> tuple[Allocated, Counted]:
    done = allocate_instance(instance)
    rows: list[dict[str, Any]] = plan_table(done).to_pylist()
    assert [row["customer"] for row in rows] == instance.customers.tolist()
    counted = count_plan(instance, [(row["channel"], row["offers"]) for row in rows])
    assert counted.faults == ()
    assert sum(row["value"] for row in rows) == pytest.approx(counted.value, rel=1e-9, abs=1e-9)
    return done, counted


@pytest.mark.parametrize("family", FEASIBLE)
@given(customers=sizes, candidates=widths, seed=seeds)
@settings(max_examples=14)
def test_no_limit_is_broken_and_the_bound_lies_above_the_optimum(
    family: str, customers: int, candidates: int, seed: int
) -> None:
    instance = _made(family, customers, candidates, seed)
    best = optima(instance)
    done, counted = _solved(instance)
    said = done.summary
    room = CLOSE * max(1.0, abs(said["bound"]))
    # Where limits were drawn around a planted plan, a whole plan exists; hierarchies are drawn without minima.
    assert best.whole is not None
    assert said["met"]
    assert said["conflicts"] == []
    assert counted.broken == ()
    assert said["value"] == pytest.approx(counted.value, rel=1e-9, abs=1e-9)
    assert counted.value <= best.whole + room
    assert said["bound"] >= best.whole - room
    if not instance.forced.any() and not any(limit.at_least for limit in instance.limits):
        # Giving out the highest values first does not see minima: only where there are none must it be beaten.
        assert said["value"] >= said["greedy_value"] - room


@pytest.mark.parametrize("family", sorted({*FEASIBLE} - {"crossing"}))
@given(customers=sizes, seed=seeds)
@settings(max_examples=6)
def test_the_bound_is_the_optimum_in_fractions(family: str, customers: int, seed: int) -> None:
    instance = _made(family, customers, 4, seed)
    best = optima(instance)
    said = _solved(instance)[0].summary
    assert best.likely is not None
    assert said["bound"] == pytest.approx(best.likely, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("family", INFEASIBLE)
@given(customers=sizes, seed=seeds)
@settings(max_examples=15)
def test_limits_that_cannot_be_met_are_reported(family: str, customers: int, seed: int) -> None:
    instance = _made(family, customers, 4, seed)
    best = optima(instance)
    assert best.whole is None
    assert (best.fractions is None) == (family == "infeasible_lp")
    done, counted = _solved(instance)
    assert not done.summary["met"]
    assert counted.broken != ()
    named = {name for conflict in done.summary["conflicts"] for name in conflict["limits"]}
    assert named & ({"promised"} if family == "infeasible_lp" else {"spend at most", "spend at least"})
    assert all(c["certified"] == (family == "infeasible_lp") for c in done.summary["conflicts"])
