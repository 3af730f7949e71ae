"""Gathers what the report of a turn shows from the turn's tables.

Why it exists: the page is a pure function of its facts, and the facts are read from what the stages wrote, never
computed a second time in another way. No chart and no HTML here.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rapport.core.errors import StateDamaged
from rapport.differentiate.tiers import summarise_tiers
from rapport.measure.scorecard import basis_of
from rapport.program.model import Program
from rapport.reports.facts import (
    AssumptionFacts,
    BacktestFacts,
    ChallengeFacts,
    CurvePoint,
    Figure,
    GoalFacts,
    GoalTier,
    LoadCount,
    QuarantineCount,
    RelevanceFacts,
    RelevanceKind,
    ReliabilityBin,
    ReportFacts,
    TierFacts,
    ValueModelFacts,
    counted,
)
from rapport.reports.gather_backtest import backtest_facts
from rapport.reports.gather_decisions import (
    channel_facts,
    decided_facts,
    litmus_facts,
    portfolio_facts,
    reason_facts,
)
from rapport.reports.gather_growth import cost_amount, growth_facts
from rapport.reports.gather_needs import needs_facts
from rapport.reports.gather_plays import plays_facts
from rapport.reports.gather_shared import shared_facts
from rapport.reports.gather_tiers import tiers_facts
from rapport.reports.gather_value import value_model_facts
from rapport.reports.gather_worksheet import worksheet_facts
from rapport.reports.render import render_report
from rapport.workflows.state_ports import Store

TIERS = ("A", "B", "C")
NORMAL_80 = 1.2816


def report_page(program: Program, store: Store, turn: str, loaded: Path) -> str:
    """Return the report of a turn as one HTML page."""
    return render_report(gather_facts(program, store, turn, loaded))


def gather_facts(program: Program, store: Store, turn: str, loaded: Path) -> ReportFacts:
    """Return everything the report of a turn shows.

    Raises
    ------
    StateDamaged
        A table or record of the turn is missing.
    """
    record = _required(store, store.turn_folder(turn) / "turn.json")
    terms = _required(store, store.turn_folder(turn) / "terms.json")
    scores, decisions, catalogue = (store.read_table(turn, n) for n in ("scores", "decisions", "catalogue"))
    load = _required(store, loaded / "summary.json")
    plan = record["stages"]["plan"]["counts"]
    value_basis = "assumed" if program.margins.basis == "assumed" else "measured"
    spread = record["stages"]["score"]["counts"].get("value_spread") or {}
    return ReportFacts(
        programme=program.name,
        turn=turn,
        as_of=date.fromisoformat(record["as_of"]),
        currency=program.currency,
        challenges=tuple(ChallengeFacts(c.name, c.text) for c in program.challenges),
        goals=_goals(program, _required(store, store.state / "baseline.json")),
        loads=tuple(_load_count(s) for s in load["sources"]),
        quarantine=tuple(
            QuarantineCount(s["source"], reason, n) for s in load["sources"] for reason, n in s["quarantined"].items()
        ),
        tiers=_tiers(program, scores, value_basis, spread),
        value_total=_total_value(scores, np.ones(len(scores), dtype=np.bool_), value_basis, spread.get("all")),
        decided=decided_facts(decisions, plan["exploration_cost_micros"]),
        channels=channel_facts(program, decisions, terms),
        reasons=reason_facts(decisions),
        assumptions=_assumptions(program),
        audit=pq.read_table(loaded / "audit.parquet"),
        value_curve=_curve(scores),
        value_model=_value_model(program, store, record),
        litmus=litmus_facts(decisions),
        portfolio=portfolio_facts(decisions, catalogue),
        relevance=_relevance(record, store.read_json(store.turn_folder(turn) / "calibration.json") or {}),
        backtest=_backtest(store),
        readout=store.read_table(turn, "readout") if store.has_table(turn, "readout") else None,
        shared=shared_facts(program, plan, terms),
        growth=growth_facts(program, scores, record),
        plays=plays_facts(program, store, turn),
        needs=needs_facts(record, scores, value_basis),
        replay=terms["replay"],
        tiers_more=tiers_facts(
            program,
            record,
            (store.read_table(turn, "states"), scores, decisions),
            store.read_json(store.turn_folder(turn) / "readout_segments.json"),
        ),
        worksheet=worksheet_facts(store, turn, record),
    )


def _required(store: Store, path: Path) -> dict[str, Any]:
    found: dict[str, Any] | None = store.read_json(path)
    if found is None:
        raise StateDamaged(f"{path}: is missing; the report is made from it. Run the turn again.")
    return found


def _load_count(source: dict[str, Any]) -> LoadCount:
    return LoadCount(source["source"], source["rows"], source["kept"], sum(source["quarantined"].values()))


def _goals(program: Program, baseline: dict[str, Any]) -> tuple[GoalFacts, ...]:
    measured = {g["goal"]: g for g in baseline["goals"]}
    return tuple(
        GoalFacts(
            name=goal.name,
            challenge=goal.challenge,
            measure=goal.measure,
            window_days=goal.window_days,
            target_change=goal.target_change,
            by=goal.by,
            tiers=tuple(
                _goal_tier(t, measured[goal.name], goal.target_change, program)
                for t in goal.tiers
                if goal.name in measured and t in measured[goal.name]["tiers"]
            ),
        )
        for goal in program.goals
    )


def _goal_tier(tier: str, measured: dict[str, Any], change: float, program: Program) -> GoalTier:
    found = measured["tiers"][tier]
    figure = Figure(
        found["value"],
        found["low"],
        found["high"],
        unit=measured["unit"],
        basis=basis_of(measured["measure"], program.margins.basis).value,
        note="" if found["status"] == "OK" else found["status"],
    )
    return GoalTier(tier, figure, None if found["value"] is None else found["value"] * (1 + change))


def _tiers(program: Program, scores: pa.Table, basis: Any, spread: dict[str, float]) -> tuple[TierFacts, ...]:
    values, tiers = scores["actual_value_micros"].to_numpy(), np.array(scores["tier"].to_pylist())
    found = []
    for summary in summarise_tiers(values, tiers):
        inside = tiers == summary.tier
        share = summary.share_of_contribution
        found.append(
            TierFacts(
                tier=summary.tier,
                purpose=program.tiers.purpose[summary.tier],  # type: ignore[index]
                customers=summary.customers,
                total_value=_total_value(scores, inside, basis, spread.get(summary.tier)),
                value_share=Figure(
                    share, unit="share", basis=basis, note="share of the expected totals; see the total's interval"
                ),
                median_value=_median(np.sort(values[inside]), basis),
                below_zero=summary.below_zero,
            )
        )
    return tuple(found)


def _total_value(scores: pa.Table, inside: Any, basis: Any, spread: float | None) -> Figure:
    """Return a sum of values with its 80 % interval.

    Half-widths of independent customers add up in squares; what the parameters of the model may be off is shared by
    all of them and is added in squares once.
    """
    value, low, high = (
        scores[n].to_numpy()[inside]
        for n in ("actual_value_micros", "actual_value_low_micros", "actual_value_high_micros")
    )
    shared = (NORMAL_80 * (spread or 0.0)) ** 2
    below = float(np.sqrt(np.sum((value - low).astype(np.float64) ** 2) + shared))
    above = float(np.sqrt(np.sum((high - value).astype(np.float64) ** 2) + shared))
    total = float(value.sum())
    told = "80 %, number of purchases" + (" only" if spread is None else " and parameters")
    return Figure(total, total - below, total + above, unit="money", basis=basis, interval=told)


def _median(ordered: Any, basis: Any) -> Figure:
    """Return a median with its distribution-free interval (order statistics; Conover 1999, section 3.2)."""
    n = len(ordered)
    if n < 10:
        return Figure(float(np.median(ordered)) if n else None, unit="money", basis=basis, note="TOO_FEW_CUSTOMERS")
    half = 0.98 * np.sqrt(n)
    low, high = max(int(np.floor(n / 2 - half)), 0), min(int(np.ceil(n / 2 + half)), n - 1)
    return Figure(float(np.median(ordered)), float(ordered[low]), float(ordered[high]), unit="money", basis=basis)


def _curve(scores: pa.Table) -> tuple[CurvePoint, ...]:
    ordered = np.sort(scores["actual_value_micros"].to_numpy())[::-1].astype(np.float64)
    total = ordered.sum()
    if len(ordered) == 0 or total <= 0:
        return ()
    share = np.cumsum(ordered) / total
    steps = [max(round(q * len(ordered)), 1) for q in np.linspace(0.02, 1.0, 50)]
    return (CurvePoint(0.0, 0.0), *(CurvePoint(s / len(ordered), float(share[s - 1])) for s in steps))


def _value_model(program: Program, store: Store, record: dict[str, Any]) -> ValueModelFacts | None:
    score = record["stages"].get("score")
    if score is None:
        return None
    lifetime, spend = (
        _required(store, store.state / "models" / f"{score['counts'][n]['version']}.json")
        for n in ("lifetime", "spend")
    )
    return value_model_facts(program, lifetime, spend, score["counts"])


def _relevance(record: dict[str, Any], calibration: dict[str, Any]) -> RelevanceFacts | None:
    score = record["stages"].get("score")
    if score is None:
        return None
    found = score["counts"]["relevance"]
    kinds = tuple(_relevance_kind(k, d, calibration.get(k)) for k, d in found["diagnostics"].items())
    status = next((d["status"] for d in found["diagnostics"].values() if d["status"] != "OK"), "OK")
    drawn = "; dots: this turn's probabilities against what was then bought" if calibration else ""
    note = f"Diagnostics: households the model had not seen, in the last window before the turn{drawn}."
    return RelevanceFacts(found["version"], status, kinds, note)


def _relevance_kind(kind: str, found: dict[str, Any], outcome: dict[str, Any] | None) -> RelevanceKind:
    one_window = "one window of held-out households"
    measures = [
        ("pairs held out", counted(found["held_out_pairs"])),
        ("bought", Figure(found["held_out_share"], unit="share", note=one_window)),
        ("predicted", Figure(found["mean_probability"], unit="share", note=one_window)),
        ("area under the curve", Figure(found["auc"], note=one_window)),
        ("log loss", Figure(found["log_loss"], unit="nats", note=one_window)),
        ("expected calibration error", Figure(found["calibration_error"], note=one_window)),
    ]
    if outcome is None:
        return RelevanceKind(kind, tuple(measures), ())
    error = Figure(outcome["expected_calibration_error"], note="the window after the turn, all households")
    measures.append(("expected calibration error after the turn", error))
    return RelevanceKind(kind, tuple(measures), tuple(_bin(b) for b in outcome["bins"]))


def _bin(found: dict[str, Any]) -> ReliabilityBin:
    """Return a group with Wilson's interval (1927), which takes pairs as independent and so is a little narrow."""
    n, share, z = found["count"], found["observed"], 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return ReliabilityBin(found["predicted"], share, max(middle - half, 0.0), min(middle + half, 1.0), n)


def _assumptions(program: Program) -> tuple[AssumptionFacts, ...]:
    margins, lift, cost = program.margins, program.lift, program.cost_to_serve
    shares = sorted([margins.default, *margins.departments.values()])
    spread = f"{margins.default:.0%} of the regular price; by department {shares[0]:.0%} to {shares[-1]:.0%}"
    rests = 1.0
    found = [
        AssumptionFacts("margin", spread, margins.basis, rests, "the data hold no cost of goods"),
        AssumptionFacts(
            "discount borne",
            f"{margins.discount_borne:.0%}",
            margins.basis,
            0.0,
            "changes value and tiers, not the gain",
        ),
        AssumptionFacts(
            "lift of an offer",
            f"odds times {lift.odds_ratio:g} ({lift.low:g} to {lift.high:g})",
            lift.basis,
            rests,
            lift.why,
        ),
    ]
    found += [
        AssumptionFacts(
            f"reach of {c.name}", f"{c.reach:.0%}", c.reach_basis, rests, "share of contacts that are seen"
        )
        for c in program.channels
    ]
    found += [
        AssumptionFacts(
            f"{c.name} drives away",
            f"one customer in {1 / c.unsubscribe_probability:,.0f} contacts",
            "assumed",
            rests,
            "the chance that a contact makes a customer leave has not been measured",
        )
        for c in program.channels
        if c.unsubscribe_probability
    ]
    if cost is not None:
        amount = cost_amount(cost, program.currency)
        found.append(
            AssumptionFacts("cost to serve", amount, cost.basis, 0.0, "changes value and tiers, not the gain")
        )
    return tuple(found)


def _backtest(store: Store) -> BacktestFacts | None:
    found = store.read_json(store.state / "backtest.json")
    return None if found is None else backtest_facts(found)
