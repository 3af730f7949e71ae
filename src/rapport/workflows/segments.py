"""Sub-segments of a turn: by which traits its customers are shown, and what the turn did in each.

Why it exists: report and read-out must cut customers alike. How they are cut is said in `measure.segments`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.reasons import Status
from rapport.identify.load_sql import name_traits
from rapport.measure.effects import Arms, Effect, effects_of, opposed
from rapport.measure.scorecard import PER_CUSTOMER
from rapport.measure.segments import LeftOut, Segmented, Worth, household_sizes, readable, segments_of
from rapport.program.model import Program
from rapport.program.tiers import IN_HOUSEHOLD
from rapport.workflows.read_out import Window

COMPARED = "margin_per_customer"
"""The measure whose effect is told for each sub-segment."""


def worth_of(scores: pa.Table, decisions: pa.Table) -> Worth:
    """Return tier, value and what the turn is expected to bring, of each customer; both tables in key order."""
    deliver = np.array(decisions["deliver"].to_pylist(), dtype=np.bool_)
    values, low, high = (
        scores[n].to_numpy() for n in ("actual_value_micros", "actual_value_low_micros", "actual_value_high_micros")
    )
    expected, expected_low, expected_high = (
        np.where(deliver, decisions[n].to_numpy(), 0)
        for n in ("expected_contribution_micros", "expected_low_micros", "expected_high_micros")
    )
    tiers = np.array(scores["tier"].to_pylist(), dtype="<U1")
    return Worth(tiers, values, low, high, expected, expected_low, expected_high)


def shown_segments(
    program: Program, states: pa.Table, worth: Worth
) -> tuple[tuple[Segmented, ...], tuple[LeftOut, ...]]:
    """Return the traits by which the customers of a turn are shown, and those by which they are not."""
    columns = program.traits
    names = dict(zip(columns, name_traits(columns), strict=True))
    traits = {name: states[name].to_pylist() for name in names.values() if name in states.column_names}
    traits[IN_HOUSEHOLD] = household_sizes(states["household_key"].to_numpy())
    if program.report is not None and program.report.segments is not None:
        return segments_of(traits, [names.get(name, name) for name in program.report.segments])
    shown, left = segments_of(traits)
    shown, thin = readable(worth, shown)
    return shown, (*left, *thin)


def segment_effects(
    program: Program,
    tables: tuple[pa.Table, pa.Table, pa.Table],
    outcomes: dict[str, NDArray[np.int64]],
    window: Window,
) -> dict[str, Any]:
    """Return the effect of a turn in each tier and sub-segment as plain values.

    Parameters
    ----------
    tables : states, scores and decisions of the turn, in key order
    outcomes : dict of arrays, shape (n,)
        Of `outcomes_between`, in the same order.
    window : Window
        Where no day of it is in the data there are no effects: a sum of nothing is not a nought.
    """
    status = str(Status.OK if window.closed else Status.WINDOW_OPEN)
    told: dict[str, Any] = {"measure": COMPARED, "status": status, "comparisons": 0, "effects": [], "opposed": []}
    if window.data_stop <= window.first:
        return told
    states, scores, decisions = tables
    shown, _ = shown_segments(program, states, worth_of(scores, decisions))
    treated, present = np.array(decisions["arm"].to_pylist()) == "treated", outcomes["present"] > 0
    arms = Arms(
        tiers=np.array(decisions["tier"].to_pylist(), dtype="<U1"),
        treated=treated & present,
        held_out=~treated & present,
        household_keys=decisions["household_key"].to_numpy(),
    )
    effects = effects_of(PER_CUSTOMER[COMPARED][1](outcomes), arms, shown)
    comparisons, found = opposed(effects)
    return told | {
        "comparisons": comparisons,
        "effects": [_plain(e) for e in effects],
        "opposed": [{"one": _plain(o.one), "other": _plain(o.other), "adjusted_p": o.adjusted_p} for o in found],
    }


def _plain(effect: Effect) -> dict[str, Any]:
    e = effect.estimate
    return {
        "trait": effect.trait,
        "label": effect.label,
        "tier": effect.tier,
        "treated": effect.treated,
        "held_out": effect.held_out,
        "value": e.value,
        "low": e.low,
        "high": e.high,
        "status": str(e.status),
    }
