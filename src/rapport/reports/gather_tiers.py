"""Gathers what the report shows of tiers over time and by sub-segment from the turn's tables.

Why it exists: see `reports.gather`. No chart and no HTML here.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from rapport.measure.disagreement import Disagreement, Tested, disagreements
from rapport.measure.segments import SegmentCell, Segmented, Worth, cells_of
from rapport.program.model import Program
from rapport.reports.facts import BasisName, Figure
from rapport.reports.facts_tiers import (
    DisagreementFacts,
    EffectFacts,
    EffectsFacts,
    MigrationFacts,
    MoveFacts,
    SegmentFacts,
    SegmentRow,
    TiersFacts,
    TraitFacts,
)
from rapport.workflows.segments import shown_segments, worth_of

VALUE, EXPECTED = "value", "expected contribution of the turn"
_OVER_LIFT = "range of the assumed lift"
_MODEL = "80 %, number of purchases only"


def tiers_facts(
    program: Program,
    record: dict[str, Any],
    tables: tuple[pa.Table, pa.Table, pa.Table],
    outcome: dict[str, Any] | None = None,
) -> TiersFacts:
    """Return tiers over time and by sub-segment.

    Parameters
    ----------
    record : mapping
        The turn's turn.json.
    tables : states, scores and decisions of the turn, in key order
    outcome : mapping, optional
        The turn's readout_segments.json; None before the read-out.
    """
    states, scores, decisions = tables
    basis: BasisName = "assumed" if program.margins.basis == "assumed" else "measured"
    history = record["stages"]["score"]["counts"].get("tier_history")
    return TiersFacts(
        migration=None if history is None else _migration(history, basis),
        segments=_segments(program, states, worth_of(scores, decisions), basis),
        effects=None if outcome is None else _effects(outcome, basis),
    )


def _migration(history: dict[str, Any], basis: BasisName) -> MigrationFacts:
    def money(micros: int | None, why: str) -> Figure:
        told = "sum of the values that the turn expected" if micros is not None else why
        return Figure(None if micros is None else float(micros), unit="money", basis=basis, note=told)

    return MigrationFacts(
        by=history["by"],
        hysteresis=history["hysteresis"],
        kept=history["kept"],
        turn_before=history["before"],
        as_of_before=date.fromisoformat(history["before_as_of"]) if history["before"] else None,
        moves=tuple(
            MoveFacts(
                before=m["before"],
                after=m["after"],
                customers=m["customers"],
                value_before=money(m["before_micros"], "not decided in the turn before"),
                value_after=money(m["after_micros"], "not decided any more"),
            )
            for m in history.get("moves", ())
        ),
    )


def _segments(program: Program, states: pa.Table, worth: Worth, basis: BasisName) -> SegmentFacts:
    shown, left = shown_segments(program, states, worth)
    households = states["household_key"].to_numpy()
    everyone = {VALUE: worth.values.astype(np.float64), EXPECTED: worth.expected.astype(np.float64)}
    found = disagreements(everyone, worth.tiers, shown, households)
    bases: dict[str, BasisName] = {VALUE: basis, EXPECTED: _basis_of_turn(program)}
    return SegmentFacts(
        traits=tuple(_trait(cut, worth, bases) for cut in shown),
        left_out=tuple((x.trait, x.why) for x in left),
        comparisons=found.tests,
        disagreements=tuple(_disagreement(d, bases[d.measure]) for d in found.found),
    )


def _basis_of_turn(program: Program) -> BasisName:
    parts = [program.margins.basis, program.lift.basis, *(c.reach_basis for c in program.channels)]
    return "assumed" if "assumed" in parts else "measured"


def _trait(cut: Segmented, worth: Worth, bases: dict[str, BasisName]) -> TraitFacts:
    return TraitFacts(cut.trait, cut.labels, tuple(_row(c, bases) for c in cells_of(worth, cut)))


def _row(cell: SegmentCell, bases: dict[str, BasisName]) -> SegmentRow:
    if cell.total is None or cell.median is None or cell.expected is None:
        return SegmentRow(cell.tier, cell.label, cell.customers, cell.share_of_tier, str(cell.status))
    basis = bases[VALUE]
    return SegmentRow(
        tier=cell.tier,
        label=cell.label,
        customers=cell.customers,
        share_of_tier=cell.share_of_tier,
        status=str(cell.status),
        total=Figure(*cell.total, unit="money", basis=basis, interval=_MODEL),
        share_of_value=Figure(
            cell.share_of_value,
            unit="share",
            basis=basis,
            note="of the tier's value" if cell.share_of_value is not None else "the tier's value is not above zero",
        ),
        median=Figure(*cell.median, unit="money", basis=basis),
        below_zero=cell.below_zero,
        expected=Figure(*cell.expected, unit="money", basis=bases[EXPECTED], interval=_OVER_LIFT),
    )


def _disagreement(found: Disagreement, basis: BasisName) -> DisagreementFacts:
    def figure(tested: Tested) -> Figure:
        return Figure(tested.value, tested.low, tested.high, unit="money", basis=basis)

    return DisagreementFacts(
        kind=found.kind,
        measure=found.measure,
        trait=found.trait,
        label=found.label,
        tier=found.tier,
        whole=figure(found.whole),
        within=figure(found.within),
        adjusted_p=found.adjusted_p,
        everywhere=found.everywhere,
    )


def _effects(outcome: dict[str, Any], basis: BasisName) -> EffectsFacts:
    def effect(found: dict[str, Any]) -> EffectFacts:
        return EffectFacts(
            trait=found["trait"],
            label=found["label"],
            tier=found["tier"],
            treated=found["treated"],
            held_out=found["held_out"],
            figure=Figure(
                found["value"], found["low"], found["high"], unit="money", basis=basis, note=found["status"]
            ),
        )

    return EffectsFacts(
        measure=outcome["measure"],
        status=outcome["status"],
        comparisons=outcome["comparisons"],
        rows=tuple(effect(e) for e in outcome["effects"]),
        opposed=tuple((effect(o["one"]), effect(o["other"]), o["adjusted_p"]) for o in outcome["opposed"]),
    )
