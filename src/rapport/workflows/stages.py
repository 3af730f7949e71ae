"""What each stage of a turn does: read what is there, call the rooms, write its tables.

Why it exists: one function a stage, each a function of the turn's files, the data and the memory. Which stage runs
when is not decided here.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rapport.differentiate.relevance_history import bought_pairs
from rapport.differentiate.relevance_record import relevance_to_json
from rapport.differentiate.tiers import summarise_tiers
from rapport.program.model import Program
from rapport.workflows.compose import compose_turn
from rapport.workflows.conditions import with_tier
from rapport.workflows.growth import growth_of
from rapport.workflows.limits import declared_limits, declares_nothing, limit_counts, limits_record, open_musts
from rapport.workflows.needs import needs_before, needs_of, with_needs
from rapport.workflows.offers import make_catalogue
from rapport.workflows.outcomes import bought_within_validity, outcomes_between
from rapport.workflows.plan import decision_rows, hold_out, plan_counts, plan_turn, terms_record
from rapport.workflows.plays_laid import Scored as ScoredTurn
from rapport.workflows.plays_laid import lay_plays, sold
from rapport.workflows.read_out import Planned, Window, calibrate, measure_baseline, read_out
from rapport.workflows.score import (
    VETOED,
    Scored,
    diagnostics_of,
    exclusions,
    fit_values,
    learn_relevance,
    reachable,
    read_history,
    read_purchase_days,
    score_table,
    value_spread,
    value_terms,
)
from rapport.workflows.segments import segment_effects
from rapport.workflows.send import send_turn
from rapport.workflows.state import build_states, make_purchases, open_tables, refuse_unknown_departments
from rapport.workflows.state_ports import Tools
from rapport.workflows.tiers import tier_customers
from rapport.workflows.turn_record import Turn, turn_record
from rapport.workflows.worksheet_edits import read_edits
from rapport.workflows.worksheet_steer import boosts_for, steer, veto, worksheet_counts, worksheet_record


def _load(turn: Turn, tools: Tools) -> dict[str, Any]:
    tools.store.write_table(turn.name, "customers", pq.read_table(turn.loaded / "customers.parquet"))
    summary: dict[str, Any] = tools.store.read_json(turn.loaded / "summary.json")
    return summary


def _state(turn: Turn, tools: Tools) -> dict[str, Any]:
    with tools.make_engine() as engine:
        open_tables(engine, turn.loaded)
        refuse_unknown_departments(engine, turn.program)
        make_purchases(engine, turn.program, turn.as_of)
        states = build_states(engine, turn.as_of)
    tools.store.write_table(turn.name, "states", states)
    return {"customers": len(states), "with_purchase": int((states["purchase_days"].to_numpy() > 0).sum())}


def _score(turn: Turn, tools: Tools) -> dict[str, Any]:
    store, program = tools.store, turn.program
    states = store.read_table(turn.name, "states")
    with tools.make_engine() as engine, ThreadPoolExecutor(1) as beside:
        open_tables(engine, turn.loaded)
        make_purchases(engine, program, turn.as_of)
        catalogue = make_catalogue(engine, program, turn.base, turn.as_of)
        history = read_history(engine, states["customer_key"].to_numpy(), catalogue, turn.as_of)
        # Most of relevance is compiled code that reads nothing: it is learned beside what is asked of the engine.
        learning = beside.submit(learn_relevance, history, catalogue, program, turn.as_of)
        models, values, _ = fit_values(states, read_purchase_days(engine), program, turn.as_of)
        tiered = tier_customers(engine, turn, tools, states, values)
        tiers = tiered.tiers
        needs = needs_of(engine, states, program, turn.as_of, needs_before(store, turn.name, turn.as_of))
        known = with_needs(states, needs)
        excluded = exclusions(engine, known, catalogue, program)
        declared = declared_limits(engine, program, catalogue, with_tier(known, tiers))
        steering = steer(read_edits(turn.base), with_tier(known, tiers), catalogue, declared.boost)
        veto(excluded, steering, VETOED)
        _keep_baseline(tools, measure_baseline(engine, program, states, tiers, turn.name))
        growth = growth_of(engine, states, values, tiers, program, turn.as_of)
        relevance, probability = learning.result()
    scored = Scored(
        values=values,
        tiers=tiers,
        contacts=_contacts(turn, tools, states),
        reachable=reachable(states, program),
        base_probability=probability,
        bought_before=bought_pairs(history),
        excluded=excluded,
        declared=declared,
        must=open_musts(declared, excluded, program, states["customer_id"]),
        growth=growth,
        tiered=tiered,
        boosts=boosts_for(steering, excluded),
        needs=needs,
    )
    learned = relevance_to_json(relevance)
    version = f"relevance-{hashlib.blake2b(learned.encode(), digest_size=6).hexdigest()}"
    store.write_text(store.state / "models" / f"{version}.json", learned)
    records = {m.version: m.to_record() for m in (models.lifetime, models.spend)}
    if models.cohorts is not None:
        records |= {m.version: m.to_record() for m in models.cohorts.by_cohort.values()}
    if needs is not None:
        records[needs.model.version] = needs.model.to_record()
    for name, kept in (records | growth.models).items():
        store.write_json(store.state / "models" / f"{name}.json", kept)
    record = limits_record(declared, program) | worksheet_record(steering)
    written = ScoredTurn(catalogue, score_table(states, scored), record)
    written = lay_plays(turn, tools, states, written)
    store.write_json(store.turn_folder(turn.name) / "limits.json", written.declared)
    store.write_table(turn.name, "catalogue", written.catalogue)
    store.write_table(turn.name, "scores", written.scores)
    return {
        "offers": len(catalogue),
        "lifetime": {
            "version": models.lifetime.version,
            "method": models.lifetime.method,
            "status": str(models.lifetime.status),
        },
        "spend": {"version": models.spend.version, "status": str(models.spend.status)},
        "value_spread": value_spread(states, models, value_terms(states, models, program, turn.as_of), values, tiers),
        **({} if models.cohorts is None else {"cohorts": models.cohorts.to_record()}),
        **({} if not models.seasons.chosen else {"seasons": models.seasons.to_record()}),
        "relevance": {"version": version, "diagnostics": diagnostics_of(relevance)},
        "tiers": {
            t.tier: {"customers": t.customers, "contribution_micros": t.contribution_micros}
            for t in summarise_tiers(values.expected_contribution_micros, tiers)
        },
        **growth.counts,
        "tier_history": tiered.record,
        **({} if declares_nothing(program) else limit_counts(declared)),
        **worksheet_counts(steering, excluded, VETOED),
        **({} if needs is None else {"needs": needs.record()}),
    }


def _keep_baseline(tools: Tools, measured: dict[str, Any]) -> None:
    """Keep what goals measured before anything was sent; a goal stated later has the baseline of its first turn."""
    path = tools.store.state / "baseline.json"
    kept = tools.store.read_json(path)
    if kept is not None and any(
        "send" in (turn_record(tools, t) or {"stages": ()})["stages"] for t in tools.store.turns()
    ):
        there = {g["goal"] for g in kept["goals"]}
        measured = kept | {"goals": kept["goals"] + [g for g in measured["goals"] if g["goal"] not in there]}
    tools.store.write_json(path, measured)


def _contacts(turn: Turn, tools: Tools, states: pa.Table) -> NDArray[np.int64]:
    """Return how often each customer was contacted by other turns within the policy's period around this one."""
    days = turn.program.policy.period_days
    # Both ways: a turn of a later day may have been sent before this one. The day itself is one of the period.
    first, before = turn.as_of - timedelta(days=days - 1), turn.as_of + timedelta(days=days)
    told = Counter(tools.memory.contacts(first, before, turn.name))
    if (turn.loaded / "aliases.parquet").is_file():
        # What was said to a customer under an id of before a merge was said to the same customer.
        for old, present in zip(*pq.read_table(turn.loaded / "aliases.parquet").to_pydict().values(), strict=True):
            told[present] += told[old]
    return np.array([told.get(k, 0) for k in states["customer_key"].to_pylist()], dtype=np.int64)


def _plan(turn: Turn, tools: Tools) -> dict[str, Any]:
    store = tools.store
    states, scores, catalogue = (store.read_table(turn.name, n) for n in ("states", "scores", "catalogue"))
    kept = tools.memory.held_out()
    holdout = hold_out(states, turn.program, kept)
    summary = store.read_json(turn.loaded / "summary.json")
    replay = date.fromisoformat(summary["last_day"]) >= turn.as_of
    beyond = int((holdout & ~hold_out(states, turn.program, kept[:0])).sum())
    households = states["household_key"].to_numpy()[holdout]
    tools.memory.hold_out(np.unique(households).tolist(), turn.name)
    rows = decision_rows(states, scores, turn.name, holdout)
    declared = store.read_json(store.turn_folder(turn.name) / "limits.json")
    version = _model_version(turn, tools)
    plan = plan_turn(rows, catalogue, turn.program, turn.name, version, declared=declared, clock=time.perf_counter)
    store.write_json(store.turn_folder(turn.name) / "terms.json", terms_record(plan, turn.program, beyond, replay))
    store.write_table(turn.name, "decisions", plan.decisions)
    return plan_counts(plan, turn.as_of)


def _model_version(turn: Turn, tools: Tools) -> str:
    record = turn_record(tools, turn.name) or {}
    version: str = record["stages"]["score"]["counts"]["relevance"]["version"]
    return version


def _compose(turn: Turn, tools: Tools) -> dict[str, Any]:
    store = tools.store
    names = ("decisions", "catalogue", "states", "scores")
    decisions, catalogue, states, scores = (store.read_table(turn.name, n) for n in names)
    templates = tools.templates(turn.base / "templates")
    plays = (store.read_json(store.turn_folder(turn.name) / "limits.json") or {}).get("plays", {}).get("terms", ())
    messages = compose_turn(decisions, catalogue, states, turn.program, templates, scores, plays)
    store.write_table(turn.name, "messages", messages)
    return {"messages": len(messages)}


def _send(turn: Turn, tools: Tools) -> dict[str, Any]:
    store = tools.store
    messages, decisions = (store.read_table(turn.name, n) for n in ("messages", "decisions"))
    folder = store.turn_folder(turn.name) / "outbox"
    customers = store.read_table(turn.name, "customers").select(["customer_key", "customer_id"])
    touches = send_turn(messages, decisions, customers, (tools.channel, folder), tools.memory)
    store.write_table(turn.name, "touches", touches)
    return {"touches": dict(sorted(Counter(touches["status"].to_pylist()).items()))}


def _readout(turn: Turn, tools: Tools) -> dict[str, Any]:
    store = tools.store
    decisions, catalogue, scores = (store.read_table(turn.name, n) for n in ("decisions", "catalogue", "scores"))
    terms = store.read_json(store.turn_folder(turn.name) / "terms.json")
    first = date.fromisoformat((turn_record(tools, turn.name) or {})["as_of"])
    stop = first + timedelta(days=terms["window_days"])
    with tools.make_engine() as engine:
        open_tables(engine, turn.loaded)
        make_purchases(engine, turn.program, stop)
        last = engine.query("SELECT max(day) AS day FROM transactions")["day"][0].as_py()
        longest = max(catalogue["valid_days"].to_pylist())
        window = Window(first, stop, first + timedelta(days=longest), last + timedelta(days=1))
        outcomes = outcomes_between(engine, decisions, first, stop)
        bought = bought_within_validity(engine, decisions["customer_key"].to_numpy(), catalogue, first)
    planned = Planned(terms["holdout_share"], terms["kept_beyond_share"], turn.program.margins.basis)
    readout = read_out(outcomes, bought, decisions, catalogue, planned, window)
    if window.offers_closed:
        store.write_json(
            store.turn_folder(turn.name) / "calibration.json", calibrate(scores, bought, sold(catalogue))
        )
    store.write_table(turn.name, "readout", readout)
    tables = (store.read_table(turn.name, "states"), scores, decisions)
    store.write_json(
        store.turn_folder(turn.name) / "readout_segments.json",
        segment_effects(turn.program, tables, outcomes, window),
    )
    report = tools.report(turn.program, store, turn.name, turn.loaded)
    store.write_text(store.turn_folder(turn.name) / "report.html", report)
    return {
        "rows": len(readout),
        "window_closed": window.closed,
        "observed_days": (min(window.data_stop, stop) - first).days,
    }


def redraw_report(program: Program, tools: Tools) -> Path | None:
    """Draw the report of the latest turn that was read out anew; return its path, None where there is none."""
    for name in reversed(tools.store.turns()):
        record = turn_record(tools, name)
        if record is not None and "readout" in record["stages"]:
            loaded = tools.store.loaded_folder(record["stages"]["readout"]["sources_digest"])
            path = tools.store.turn_folder(name) / "report.html"
            tools.store.write_text(path, tools.report(program, tools.store, name, loaded))
            return path
    return None


WRITES: dict[str, tuple[str, ...]] = {
    "load": ("customers.parquet",),
    "state": ("states.parquet",),
    "score": ("catalogue.parquet", "scores.parquet", "limits.json"),
    "plan": ("decisions.parquet", "terms.json"),
    "compose": ("messages.parquet",),
    "send": ("touches.parquet", "outbox"),
    "readout": ("readout.parquet", "report.html"),
}
"""What each stage leaves in the turn's folder; where one is missing the stage is done again, to the same bytes."""

STAGE: dict[str, Callable[[Turn, Tools], dict[str, Any]]] = {
    "load": _load,
    "state": _state,
    "score": _score,
    "plan": _plan,
    "compose": _compose,
    "send": _send,
    "readout": _readout,
}
