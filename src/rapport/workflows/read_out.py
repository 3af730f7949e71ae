"""Stage `readout`: what came of a turn, tier by tier, the treated beside the held-out; and the baseline before it.

Why it exists: proof is a difference against customers who were left alone, with its interval, never an average of
all. Nothing is decided here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.reasons import Basis, Status
from rapport.core.tables import READOUT
from rapport.measure.means import Estimate, mean_of, share_test
from rapport.measure.ranking import calibration_table
from rapport.measure.scorecard import PER_CUSTOMER, UNITS, basis_of, effect_on, measure_of
from rapport.program.model import Program
from rapport.workflows.outcomes import outcomes_between
from rapport.workflows.ports import Engine

TIERS = ("A", "B", "C")


def measure_baseline(
    engine: Engine, program: Program, states: pa.Table, tiers: NDArray[np.str_], turn: str
) -> dict[str, Any]:
    """Return the measure of every goal before a turn, per tier of the goal, as plain values.

    Parameters
    ----------
    engine : Engine
        With `purchases` up to the day of the states.
    states : Arrow table with the schema `core.tables.STATES`
    tiers : array of 'A', 'B', 'C', shape (n,), in the order of the states
    """
    as_of: date = states["as_of"][0].as_py()
    goals = []
    for goal in program.goals:
        first = as_of - timedelta(days=goal.window_days)
        outcomes = outcomes_between(engine, states, first, as_of)
        goals.append(
            {
                "goal": goal.name,
                "measure": goal.measure,
                "unit": UNITS[goal.measure],
                "first_day": first.isoformat(),
                "last_day": (as_of - timedelta(days=1)).isoformat(),
                "tiers": {t: _plain(measure_of(goal.measure, outcomes, tiers == t)) for t in goal.tiers},
            }
        )
    return {"turn": turn, "as_of": as_of.isoformat(), "goals": goals}


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "customers": estimate.customers,
        "status": str(estimate.status),
    }


@dataclass(frozen=True)
class Window:
    """The span in which outcomes of a turn count, when the last offer ends, and the first day without data."""

    first: date
    stop: date
    offers_stop: date
    data_stop: date

    @property
    def closed(self) -> bool:
        """Return whether the data reach the end of the window."""
        return self.data_stop >= self.stop

    @property
    def offers_closed(self) -> bool:
        """Return whether the data reach the end of every offer's validity."""
        return self.data_stop >= self.offers_stop


@dataclass(frozen=True)
class Planned:
    """What the plan of the turn says that its read-out must be held against.

    `kept_beyond_share` counts customers held out from earlier turns that the share of this turn would not have drawn.
    """

    holdout_share: float
    kept_beyond_share: int
    margin_basis: str


def read_out(
    outcomes: dict[str, NDArray[np.int64]],
    bought: NDArray[np.bool_],
    decisions: pa.Table,
    catalogue: pa.Table,
    planned: Planned,
    window: Window,
) -> pa.Table:
    """Return the read-out of a turn with the schema `core.tables.READOUT`.

    Parameters
    ----------
    outcomes : dict of arrays, shape (n,)
        Of `outcomes_between`, for the customers decided, in the order of the decisions.
    bought : bool array, shape (n, J)
        Of `bought_within_validity`, likewise.
    decisions, catalogue : Arrow tables of the turn
    planned : Planned
    window : Window
        Where it is still open, what the data hold so far is given with the status WINDOW_OPEN.
    """
    groups = _Groups(
        tier=np.array(decisions["tier"].to_pylist()),
        treated=np.array(decisions["arm"].to_pylist()) == "treated",
        present=outcomes["present"] > 0,
        household=decisions["household_key"].to_numpy(),
    )
    rows = _arms(outcomes, groups, planned, window)
    rows += _taken(bought, decisions, catalogue, groups, window)
    rows.append(_sample_ratio(groups, planned))
    return pa.Table.from_pylist(rows, schema=READOUT)


@dataclass(frozen=True)
class _Groups:
    """Who belongs where, arrays of shape (n,); who is no longer in the data cannot be measured."""

    tier: NDArray[np.str_]
    treated: NDArray[np.bool_]
    present: NDArray[np.bool_]
    household: NDArray[np.int64]

    def members(self, tier: str, treated: bool) -> NDArray[np.bool_]:
        return (self.tier == tier) & (self.treated == treated) & self.present


def _arms(
    outcomes: dict[str, NDArray[np.int64]], groups: _Groups, planned: Planned, window: Window
) -> list[dict[str, Any]]:
    rows = []
    for measure in PER_CUSTOMER:
        basis = basis_of(measure, planned.margin_basis)
        for tier in TIERS:
            treated, held_out = groups.members(tier, True), groups.members(tier, False)
            found = {
                "treated": measure_of(measure, outcomes, treated),
                "holdout": measure_of(measure, outcomes, held_out),
                "difference": effect_on(measure, outcomes, treated, held_out),
            }
            rows += [_row(measure, tier, g, e, basis, (window.closed, window)) for g, e in found.items()]
    return rows


def _row(
    measure: str, tier: str, group: str, estimate: Estimate, basis: Basis, ended: tuple[bool, Window]
) -> dict[str, Any]:
    closed, window = ended
    status = estimate.status
    if status is Status.OK and not closed:
        status = Status.WINDOW_OPEN
    if window.data_stop <= window.first:
        # No day of the window is in the data: a sum of nothing is not a nought.
        estimate = Estimate(None, None, None, estimate.customers, status)
    return {
        "measure": measure,
        "tier": tier,
        "group": group,
        "customers": estimate.customers,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "unit": UNITS.get(measure, "offers"),
        "basis": str(basis),
        "status": str(status),
        "note": None if closed else f"data end on {window.data_stop - timedelta(days=1)}",
    }


def _taken(
    bought: NDArray[np.bool_], decisions: pa.Table, catalogue: pa.Table, groups: _Groups, window: Window
) -> list[dict[str, Any]]:
    """Return, per tier and arm, how many offers of a portfolio were bought, beside how many were expected.

    What is expected rests on the relevance model, and with the offer on the assumed lift: neither is measured.
    """
    index = {offer: i for i, offer in enumerate(catalogue["offer_id"].to_pylist())}
    chosen = decisions["offer_ids"].to_pylist()
    count = [float(sum(bought[row, index[o]] for o in offers)) for row, offers in enumerate(chosen)]
    sums = {
        "offers_taken_per_portfolio": np.array(count),
        "offers_expected_without_offer": _list_sums(decisions, "offer_base_probabilities"),
        "offers_expected_with_offer": _list_sums(decisions, "offer_response_probabilities"),
    }
    spoken = np.array([bool(offers) for offers in chosen], dtype=np.bool_)
    rows = []
    for tier in TIERS:
        for group in ("treated", "holdout"):
            inside = spoken & groups.members(tier, group == "treated")
            for measure, values in sums.items():
                basis = Basis.MEASURED if measure == "offers_taken_per_portfolio" else Basis.ASSUMED
                estimate = mean_of(values[inside], groups.household[inside])
                rows.append(_row(measure, tier, group, estimate, basis, (window.offers_closed, window)))
    return rows


def _list_sums(decisions: pa.Table, column: str) -> NDArray[np.float64]:
    return np.array([math.fsum(row) for row in decisions[column].to_pylist()], dtype=np.float64)


def _sample_ratio(groups: _Groups, planned: Planned) -> dict[str, Any]:
    """Return the share held out; chance is judged by households, which are what was drawn."""
    held_out, n = int((~groups.treated).sum()), len(groups.treated)
    gone = int((~groups.present).sum())
    note = f"planned {planned.holdout_share:g}; "
    if planned.kept_beyond_share:
        note += f"{planned.kept_beyond_share} stay from turns with a larger share, so chance cannot be judged"
    else:
        drawn = len(np.unique(groups.household[~groups.treated])), len(np.unique(groups.household))
        note += f"p = {share_test(*drawn, planned.holdout_share):.3f} that chance alone made the difference"
    return {
        "measure": "holdout_share",
        "tier": "all",
        "group": "holdout",
        "customers": n,
        "value": held_out / n if n else None,
        "low": None,
        "high": None,
        "unit": "share",
        "basis": str(Basis.MEASURED),
        "status": str(Status.OK),
        "note": note + (f"; {gone} customers are no longer in the data" if gone else ""),
    }


CALIBRATION_GROUPS = 10


def calibrate(scores: pa.Table, bought: NDArray[np.bool_], sold: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """Return the turn's base probabilities against what was then bought, repeat and explore apart, as plain values.

    Parameters
    ----------
    scores : Arrow table with the schema `core.tables.SCORES`
    bought : bool array, shape (n, J)
        Whether each customer bought each offer's item in the window.
    sold : bool array, shape (J,), optional
        Which offers are of something that can be bought; all when absent.

    Notes
    -----
    Offers of the turn may have changed what was bought, by design; where they were really sent, the treated are
    expected above the line.
    """
    shape = bought.shape
    base = scores["base_probability"].combine_chunks().flatten().to_numpy().reshape(shape).astype(np.float64)
    before = scores["bought_before"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(shape)
    counts = np.ones(shape, dtype=np.bool_) if sold is None else np.broadcast_to(sold, shape)
    found = {}
    for kind, known in (("repeat", before.astype(np.bool_)), ("explore", ~before.astype(np.bool_))):
        pairs = known & counts
        if not pairs.any():
            continue
        table = calibration_table(base[pairs], bought[pairs], CALIBRATION_GROUPS)
        found[kind] = {
            "expected_calibration_error": table.expected_calibration_error,
            "bins": [
                {"predicted": float(p), "observed": float(o), "count": int(n)}
                for p, o, n in zip(table.predicted, table.observed, table.count, strict=True)
            ],
        }
    return found
