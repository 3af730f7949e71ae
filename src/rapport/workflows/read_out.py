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
from rapport.measure.outcomes_sql import outcomes_sql
from rapport.measure.ranking import calibration_table
from rapport.measure.scorecard import PER_CUSTOMER, UNITS, effect_on, measure_of
from rapport.program.model import Program
from rapport.workflows.ports import Engine

TIERS = ("A", "B", "C")


def outcomes_between(engine: Engine, first: date, stop: date) -> dict[str, NDArray[np.int64]]:
    """Return what each customer did on days in [first, stop), in key order; needs `purchases` up to `stop`."""
    table = engine.query(outcomes_sql(), {"first": first, "stop": stop})
    return {name: table[name].to_numpy() for name in table.column_names}


def measure_baseline(
    engine: Engine, program: Program, tiers: NDArray[np.str_], turn: str, as_of: date
) -> dict[str, Any]:
    """Return the measure of every goal before the first turn, per tier of the goal, as plain values."""
    goals = []
    for goal in program.goals:
        first = as_of - timedelta(days=goal.window_days)
        outcomes = outcomes_between(engine, first, as_of)
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
    """The span in which outcomes of a turn count, and the first day for which there are no data yet."""

    first: date
    stop: date
    data_stop: date

    @property
    def closed(self) -> bool:
        """Return whether the data reach the end of the window."""
        return self.data_stop >= self.stop


def read_out(engine: Engine, decisions: pa.Table, catalogue: pa.Table, program: Program, window: Window) -> pa.Table:
    """Return the read-out of a turn with the schema `core.tables.READOUT`.

    Parameters
    ----------
    engine : Engine
        With `purchases` up to the end of the window, and `item_products` of the catalogue.
    decisions, catalogue : Arrow tables of the turn
    program : Program
    window : Window
        Where it is still open, what the data hold so far is given with the status WINDOW_OPEN.
    """
    outcomes = outcomes_between(engine, window.first, window.stop)
    treated = np.array(decisions["arm"].to_pylist()) == "treated"
    tiers = np.array(decisions["tier"].to_pylist())
    rows = _arms(outcomes, treated, tiers, window)
    rows += _taken(engine, decisions, catalogue, window)
    rows.append(_sample_ratio(treated, decisions["household_key"].to_numpy(), program))
    return pa.Table.from_pylist(rows, schema=READOUT)


def _arms(
    outcomes: dict[str, NDArray[np.int64]], treated: NDArray[np.bool_], tiers: NDArray[np.str_], window: Window
) -> list[dict[str, Any]]:
    rows = []
    for measure in PER_CUSTOMER:
        for tier in TIERS:
            inside = tiers == tier
            arms = {"treated": inside & treated, "holdout": inside & ~treated}
            for group, members in arms.items():
                rows.append(_row(measure, tier, group, measure_of(measure, outcomes, members), window))
            effect = effect_on(measure, outcomes, arms["treated"], arms["holdout"])
            rows.append(_row(measure, tier, "difference", effect, window))
    return rows


def _row(measure: str, tier: str, group: str, estimate: Estimate, window: Window) -> dict[str, Any]:
    status = estimate.status
    if status is Status.OK and not window.closed:
        status = Status.WINDOW_OPEN
    return {
        "measure": measure,
        "tier": tier,
        "group": group,
        "customers": estimate.customers,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "unit": UNITS.get(measure, "offers"),
        "basis": str(Basis.MEASURED),
        "status": str(status),
        "note": None if window.closed else f"data end on {window.data_stop - timedelta(days=1)}",
    }


def _taken(engine: Engine, decisions: pa.Table, catalogue: pa.Table, window: Window) -> list[dict[str, Any]]:
    """Return, per tier and arm, how many offers of a portfolio were bought, beside how many were expected."""
    engine.register_arrow("offers", catalogue.select(["offer_index", "offer_id", "item", "valid_days"]))
    chosen = pa.table(
        {
            "customer_key": np.repeat(decisions["customer_key"].to_numpy(), _lengths(decisions)),
            "offer_id": decisions["offer_ids"].combine_chunks().flatten(),
        }
    )
    engine.register_arrow("chosen", chosen)
    taken = engine.query(
        """
        SELECT c.customer_key, CAST(sum(CASE WHEN EXISTS (
                   SELECT 1 FROM purchases p WHERE p.customer_key = c.customer_key AND p.item = o.item
                   AND p.day >= $first AND p.day < $first + CAST(o.valid_days AS INTEGER)) THEN 1 ELSE 0 END)
               AS BIGINT) AS taken
        FROM chosen c JOIN offers o ON o.offer_id = c.offer_id
        GROUP BY c.customer_key ORDER BY c.customer_key
        """,
        {"first": window.first},
    )
    keys = decisions["customer_key"].to_numpy()
    count = np.zeros(len(keys))
    count[np.searchsorted(keys, taken["customer_key"].to_numpy())] = taken["taken"].to_numpy()
    lists = decisions["offer_response_probabilities"].to_pylist()
    base = decisions["offer_base_probabilities"].to_pylist()
    with_offer, without = (np.array([math.fsum(row) for row in column]) for column in (lists, base))
    per_portfolio = {
        "offers_taken_per_portfolio": count,
        "offers_expected_without_offer": without,
        "offers_expected_with_offer": with_offer,
    }
    households = decisions["household_key"].to_numpy()
    spoken = _lengths(decisions) > 0
    treated = np.array(decisions["arm"].to_pylist()) == "treated"
    tiers = np.array(decisions["tier"].to_pylist())
    rows = []
    for tier in TIERS:
        for group, members in (("treated", treated), ("holdout", ~treated)):
            inside = spoken & members & (tiers == tier)
            for measure, values in per_portfolio.items():
                rows.append(_row(measure, tier, group, mean_of(values[inside], households[inside]), window))
            rows[-1]["basis"] = str(Basis.ASSUMED)
    return rows


def _lengths(decisions: pa.Table) -> NDArray[np.int64]:
    offsets = decisions["offer_ids"].combine_chunks().offsets.to_numpy()
    return np.diff(offsets).astype(np.int64)


def _sample_ratio(treated: NDArray[np.bool_], households: NDArray[np.int64], program: Program) -> dict[str, Any]:
    """Return the share held out; chance is judged by households, which are what was drawn."""
    held_out, n = int((~treated).sum()), len(treated)
    drawn = len(np.unique(households[~treated])), len(np.unique(households))
    p_value = share_test(*drawn, program.policy.holdout_share)
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
        "note": f"planned {program.policy.holdout_share:g}; p = {p_value:.3f} that chance alone made the difference",
    }


CALIBRATION_GROUPS = 10


def bought_in_window(engine: Engine, scores: pa.Table, catalogue: pa.Table, window: Window) -> NDArray[np.bool_]:
    """Return whether each customer bought each offer's item in the window, shape (n, J); needs `purchases`."""
    engine.register_arrow("offers", catalogue.select(["offer_index", "item"]))
    found = engine.query(
        """SELECT DISTINCT p.customer_key, o.offer_index FROM purchases p JOIN offers o ON o.item = p.item
           WHERE p.day >= $first AND p.day < $stop""",
        {"first": window.first, "stop": window.stop},
    )
    bought = np.zeros((len(scores), len(catalogue)), dtype=np.bool_)
    rows = np.searchsorted(scores["customer_key"].to_numpy(), found["customer_key"].to_numpy())
    bought[rows, found["offer_index"].to_numpy()] = True
    return bought


def calibrate(scores: pa.Table, bought: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the turn's base probabilities against what was then bought, repeat and explore apart, as plain values.

    Parameters
    ----------
    scores : Arrow table with the schema `core.tables.SCORES`
    bought : bool array, shape (n, J)
        Whether each customer bought each offer's item in the window.

    Notes
    -----
    Offers of the turn may have changed what was bought, by design; where they were really sent, the treated are
    expected above the line.
    """
    shape = bought.shape
    base = scores["base_probability"].combine_chunks().flatten().to_numpy().reshape(shape).astype(np.float64)
    before = scores["bought_before"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(shape)
    found = {}
    for kind, pairs in (("repeat", before.astype(np.bool_)), ("explore", ~before.astype(np.bool_))):
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
