"""Allocates an instance: from its arrays to a plan by customer, and to what is known about that plan.

Why it exists: it is what the command and the measurements share. It says in the names and units of the instance what
the decision found in positions and scaled values; nothing is chosen here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.decide.allocate import Allocation, allocate
from rapport.decide.conflicts import Conflict
from rapport.simulate.instance_record import CONTACTS, OFFERS, Instance, InstanceLimit
from rapport.workflows.instance_problem import SCALE, to_problem

TARGET_GAP = 0.0005
ALLOWED_SECONDS = 600.0


@dataclass(frozen=True)
class Allocated:
    """A plan and what is known about it.

    summary : plain values in the units of the instance, as the command prints them
    channel : (n,) int32, position in `Instance.channels`, -1 for silence
    rows : (n, K) int64, candidate rows of each customer, best first; -1 for none
    """

    instance: Instance
    summary: dict[str, Any]
    channel: NDArray[np.int32]
    rows: NDArray[np.int64]


def allocate_instance(
    instance: Instance,
    *,
    target_gap: float = TARGET_GAP,
    allowed_seconds: float = ALLOWED_SECONDS,
    progress: Callable[[str, float], None] | None = None,
) -> Allocated:
    """Return the plan that is worth most among those that keep every limit, as nearly as it can be found.

    Parameters
    ----------
    instance : Instance
    target_gap : float
        Share of the bound that the plan may fall short of it; the search ends there.
    allowed_seconds : float
        A stop for safety; a plan that it cut short may differ from run to run and says so.
    progress : callable, optional
        Told the step and the share of it that is done.

    Raises
    ------
    LimitInvalid
        The instance cannot be solved as it stands.
    """
    began = time.perf_counter()
    problem = to_problem(instance)
    found = allocate(
        problem,
        clock=time.perf_counter,
        allowed_seconds=allowed_seconds,
        target_gap=target_gap,
        progress=progress,
    )
    first = problem.customers.start[:-1, None]
    rows = np.where(found.plan.chosen >= 0, first + found.plan.chosen, -1)
    summary = _summary(instance, found)
    summary["seconds"] = round(time.perf_counter() - began, 3)
    return Allocated(instance, summary, found.plan.route, rows)


def _summary(instance: Instance, found: Allocation) -> dict[str, Any]:
    contacted = int(np.count_nonzero(found.plan.route >= 0))
    # Where no plan exists there is nothing to bound.
    impossible = found.unmeetable or any(c.certified for c in found.conflicts)
    return {
        "value": found.plan_value / SCALE,
        "bound": None if impossible else found.bound / SCALE,
        "gap": float(found.gap) if found.met else None,
        "met": bool(found.met),
        "greedy_value": found.greedy_value / SCALE,
        "customers": len(instance.customers),
        "contacted": contacted,
        "offers": int(np.count_nonzero(found.plan.chosen >= 0)),
        "limits": [_limit(limit, at, found) for at, limit in enumerate(instance.limits)],
        "conflicts": [_conflict(instance, c) for c in found.conflicts],
        "passes": round(float(found.passes), 2),
        "stopped_by_time": bool(found.stopped_by_time),
    }


def _limit(limit: InstanceLimit, at: int, found: Allocation) -> dict[str, Any]:
    return {
        "name": limit.name,
        "counts": limit.counts,
        "sense": "at_least" if limit.at_least else "at_most",
        "bound": limit.bound,
        "used": float(found.usage[at]),
        "slack": float(found.slack[at]),
        "binding": bool(found.binding[at]),
        "price": float(found.prices[at]) / SCALE,
    }


def _conflict(instance: Instance, conflict: Conflict) -> dict[str, Any]:
    limits = [instance.limits[at] for at in conflict.limits]
    return {
        "limits": [x.name for x in limits],
        "shortfall": [float(amount) for amount in conflict.shortfall],
        "certified": bool(conflict.certified),
        "unserved": int(conflict.unserved),
        "text": _conflict_text(limits, conflict),
    }


def _conflict_text(limits: list[InstanceLimit], conflict: Conflict) -> str:
    said = " and ".join(f"{x.name!r} ({_bound(x)})" for x in limits)
    amounts = [
        f"{x.name!r} by {amount:.6g}" for x, amount in zip(limits, conflict.shortfall, strict=True) if amount > 0
    ]
    silent = f"{conflict.unserved:,} customers stay silent who must not be" if conflict.unserved else ""
    if not limits:
        return (
            f"no plan of whole offers was found that speaks to all who must be spoken to: {silent or 'see limits'}."
        )
    if not conflict.certified:
        missed = "; ".join(filter(None, [f"it misses {', '.join(amounts)}" if amounts else "", silent]))
        return f"no plan of whole offers was found that meets {said}; of the best, {missed or 'see limits'}."
    together = "cannot be met together" if len(limits) > 1 else "cannot be met"
    way = f"; one must give way at least so far: {', or '.join(amounts)}" if len(amounts) > 1 else ""
    way = f"; it must give way by {amounts[0].rsplit(' ', 1)[1]} at least" if len(amounts) == 1 else way
    return f"{said} {together}, not even by fractions of offers{way}."


def _bound(limit: InstanceLimit) -> str:
    what = limit.counts if limit.counts in {CONTACTS, OFFERS} else f"of {limit.counts}"
    return f"at {'least' if limit.at_least else 'most'} {limit.bound:.10g} {what}"


def customer_values(instance: Instance, channel: NDArray[np.int32], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what each customer's choice is worth, shape (n,), currency units; silence is worth 0."""
    candidates, size = instance.candidates, rows.shape[1]
    there, spoken = rows >= 0, np.flatnonzero(channel >= 0)
    if not len(candidates.value):
        worth = np.zeros(len(channel))
    else:
        held = np.where(there, rows, 0)
        value = np.where(there, candidates.value[held], -np.inf)
        rank = np.zeros(rows.shape, dtype=np.int64)
        if instance.variety < 1.0 and "category" in instance.offer_labels:
            category = instance.offer_labels["category"].codes[candidates.offer[held]]
            for k in range(size):
                for s in range(size):
                    before = (value[:, s] > value[:, k]) | ((value[:, s] == value[:, k]) & (s < k))
                    rank[:, k] += before & (category[:, s] == category[:, k]) & (category[:, k] >= 0)
        worth = np.where(there, value * instance.variety**rank, 0.0).sum(axis=1)
    result = np.zeros(len(channel))
    reach = np.array([c.reach for c in instance.channels])
    through = channel[spoken]
    result[spoken] = reach[through] * worth[spoken] - instance.contacts.cost[spoken, through]
    return result


def plan_table(done: Allocated) -> Any:
    """Return the plan as an Arrow table, a row for each customer: customer, channel, offers, value.

    A customer to whom nothing is said has no channel, an empty list of offers and the value 0.
    """
    instance = done.instance
    there = done.rows >= 0
    offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    taken = instance.candidates.offer[done.rows[there]]
    names = pa.array([c.name for c in instance.channels], pa.string())
    codes = pa.array(done.channel, pa.int32(), mask=done.channel < 0)
    return pa.table(
        {
            "customer": pa.array(instance.customers),
            "channel": names.take(codes),
            "offers": pa.ListArray.from_arrays(pa.array(offsets), pa.array(instance.offers).take(pa.array(taken))),
            "value": customer_values(instance, done.channel, done.rows),
        }
    )
