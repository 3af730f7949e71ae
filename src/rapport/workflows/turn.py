"""One turn, stage by stage, each written whole before the next begins.

Why it exists: a turn can be killed at any moment and carried on at the stage it was in, and ends in the same
bytes. A stage is done once it stands in turn.json, which is written after the stage's tables.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rapport.core.errors import SourceEmpty, StageMissing, StateDamaged, TurnConflict
from rapport.differentiate.relevance_history import bought_pairs
from rapport.differentiate.relevance_record import relevance_to_json
from rapport.differentiate.tiers import summarise_tiers
from rapport.program.model import Program
from rapport.workflows.compose import compose_turn
from rapport.workflows.load import LoadSummary, fingerprint, load_program
from rapport.workflows.offers import make_catalogue
from rapport.workflows.outcomes import bought_within_validity, outcomes_between
from rapport.workflows.plan import decision_rows, hold_out, plan_counts, plan_turn, terms_record
from rapport.workflows.read_out import Planned, Window, calibrate, measure_baseline, read_out
from rapport.workflows.score import (
    Scored,
    diagnostics_of,
    exclusions,
    fit_values,
    reachable,
    relevance_for,
    score_table,
)
from rapport.workflows.send import send_turn
from rapport.workflows.state import build_states, make_purchases, open_tables, refuse_unknown_departments
from rapport.workflows.state_ports import Tools

LONGEST_GAP_DAYS = 31
"""Days that may lie between the last transaction and the day of the decision: data come late, but not that late."""

STAGES = ("load", "state", "score", "plan", "compose", "send", "readout")


@dataclass(frozen=True)
class Turn:
    """Which turn of which programme: its name is the ISO week of the day of the decision.

    `load_seconds` is what reading the sources took just now; next to nothing where it had been done before.
    """

    program: Program
    base: Path
    name: str
    as_of: date
    loaded: Path
    program_digest: str
    sources_digest: str
    load_seconds: float


def turn_name(as_of: date) -> str:
    """Return the ISO week of a day, such as ``2017-W42``; other days of the week are told apart by their number."""
    year, week, day = as_of.isocalendar()
    return f"{year}-W{week:02d}" + ("" if day == 1 else f"-{day}")


def begin_turn(program: Program, base: Path, tools: Tools, as_of: date | None, anew: bool = True) -> Turn:
    """Load the sources, if that has not been done for these bytes, and open or reopen the turn of a day.

    Parameters
    ----------
    as_of : date, optional
        Day of the decision; by default the day after the last transaction.
    anew : bool
        Begin a turn anew whose programme or data changed before anything was decided; nothing is lost by it.

    Raises
    ------
    SourceEmpty
        Nothing is known before the day, or nothing of the weeks before it.
    TurnConflict
        The turn has been decided, and not sent, under another programme or other data.
    """
    began = time.perf_counter()
    loaded, digest = load_sources(program, base, tools)
    load_seconds = time.perf_counter() - began
    with tools.make_engine() as engine:
        open_tables(engine, loaded)
        last = engine.query("SELECT max(day) AS last, min(day) AS first FROM transactions").to_pylist()[0]
    day = as_of or last["last"] + timedelta(days=1)
    if day <= last["first"]:
        raise SourceEmpty(
            f"--as-of is {day}; the first transaction is on {last['first']}, so nothing is known before that day. "
            f"Choose a day up to {last['last'] + timedelta(days=1)}."
        )
    stale = (day - last["last"]).days - 1
    if stale > LONGEST_GAP_DAYS:
        raise SourceEmpty(
            f"--as-of is {day}; the last transaction is on {last['last']}, {stale} days before, so nothing is known "
            f"of what customers did lately; at most {LONGEST_GAP_DAYS} days may be missing. Load newer data or "
            f"choose an earlier day."
        )
    turn = Turn(program, base, turn_name(day), day, loaded, program_digest(program, base), digest, load_seconds)
    _refuse_half_sent(turn.name, base, tools)
    _refuse_lost(turn.name, tools)
    if conflict := _conflict(turn, tools):
        decided = "plan" in (turn_record(tools, turn.name) or {"stages": {}})["stages"]
        if decided or not anew:
            raise TurnConflict(conflict)
        _discard(turn.name, tools)
    return turn


def load_sources(program: Program, base: Path, tools: Tools) -> tuple[Path, str]:
    """Load the sources, if that has not been done for these bytes; return the folder and the digest."""
    digest = fingerprint(program, base, tools.digest)
    loaded = tools.store.loaded_folder(digest)
    if not (loaded / "summary.json").is_file():
        with tools.store.folder_when_whole(loaded) as part, tools.make_engine() as engine:
            summary = load_program(program, base, engine, part, tools.progress)
            listed = pq.read_table(part / "customers.parquet", columns=["listed"])["listed"].to_pylist()
            record = summary_record(summary) | {"poor_fields": _poor_fields(part), "unlisted": listed.count(False)}
            tools.store.write_json(part / "summary.json", record)
    return loaded, digest


def read_audit(loaded: Path, tools: Tools) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the audit's fields and the load's summary as plain values."""
    fields: list[dict[str, Any]] = pq.read_table(loaded / "audit.parquet").to_pylist()
    return fields, tools.store.read_json(loaded / "summary.json")


def summary_record(summary: LoadSummary) -> dict[str, Any]:
    """Return what a load did as plain values."""
    record = asdict(summary)
    record |= {"first_day": summary.first_day.isoformat(), "last_day": summary.last_day.isoformat()}
    return record | {"reasons": summary.reasons()}


def _poor_fields(folder: Path) -> list[str]:
    """Return the mapped fields of whose values less than 60 % can be read, which a person should know."""
    fields = pq.read_table(folder / "audit.parquet").to_pylist()
    return [
        f"{f['source']}.{f['column']} ({f['source_column']}): only {f['validity']:.0%} can be read"
        for f in fields
        if f["rows"] and f["validity"] < 0.6
    ]


def reopen_turn(program: Program, base: Path, tools: Tools, name: str | None) -> Turn:
    """Return a turn that has begun, by name or the latest."""
    name = tools.store.require_turn(name)
    record = turn_record(tools, name)
    if record is None:
        raise StageMissing(f"turn {name} was never begun in full. Run: rapport turn {base}")
    return begin_turn(program, base, tools, date.fromisoformat(record["as_of"]), anew=False)


def turn_record(tools: Tools, name: str) -> dict[str, Any] | None:
    """Return turn.json of a turn, None where it has none."""
    record: dict[str, Any] | None = tools.store.read_json(tools.store.turn_folder(name) / "turn.json")
    return record


def program_digest(program: Program, base: Path) -> str:
    """Return a digest of every setting, the offers' file and the programme's own templates."""
    digest = hashlib.blake2b(program.model_dump_json().encode(), digest_size=16)
    files = [base / program.offers.file] if program.offers.file else []
    for path in [*files, *sorted((base / "templates").glob("*.j2"))]:
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _conflict(turn: Turn, tools: Tools) -> str | None:
    """Return what changed under a turn that has begun, None where nothing did.

    Once a turn is sent, later data and a changed programme are for the read-out and the next turn.
    """
    record = turn_record(tools, turn.name)
    if record is None or _sending_begun(turn.name, record, tools):
        return None
    for key, what in (("program_digest", "program.toml, or a file it names,"), ("sources_digest", "the data")):
        if record[key] != getattr(turn, key):
            return (
                f"turn {turn.name}: {what} changed since it began; a turn is decided under one programme on one "
                f"state of the data. Undo the change, choose another --as-of, or discard what was not sent: --restart"
            )
    return None


def _sending_begun(name: str, record: dict[str, Any], tools: Tools) -> bool:
    return "send" in record["stages"] or (tools.store.turn_folder(name) / "outbox").exists()


def _refuse_half_sent(name: str, base: Path, tools: Tools) -> None:
    """Raise TurnConflict where another turn was stopped while it was sent: not all it delivered is remembered."""
    for other in tools.store.turns():
        record = turn_record(tools, other)
        if other == name or record is None or "send" in record["stages"]:
            continue
        if _sending_begun(other, record, tools):
            raise TurnConflict(
                f"turn {other} was stopped while it was sent, so it is not known yet who was contacted. "
                f"Finish it first: rapport send {base} --turn {other}"
            )


def _refuse_lost(name: str, tools: Tools) -> None:
    """Raise where the files of turns and the memory of deliveries do not belong together.

    Raises
    ------
    TurnConflict
        The memory knows deliveries of the turn, and its files are gone: doing it again would send twice.
    StateDamaged
        A turn was sent, and the memory does not know: caps and holdouts could not be kept.
    """
    remembered = tools.memory.turns()
    record = turn_record(tools, name)
    if name in remembered and (record is None or not _sending_begun(name, record, tools)):
        raise TurnConflict(
            f"turn {name} has been sent, and its files in {tools.store.turn_folder(name)} are gone; doing it again "
            f"would send twice. Restore the folder from a copy, or choose another --as-of."
        )
    for other in tools.store.turns():
        sent = ((turn_record(tools, other) or {"stages": {}})["stages"].get("send") or {}).get("counts", {})
        if other not in remembered and sent.get("touches", {}).get("sent"):
            raise StateDamaged(
                f"{tools.store.state / 'memory.db'}: does not know turn {other}, which was sent; contact caps and "
                f"holdouts cannot be kept without it. Restore the file from a copy."
            )


def restart_turn(name: str, tools: Tools) -> date | None:
    """Discard the files of a turn of which nothing was sent; return its day, None where it had not begun.

    Raises
    ------
    TurnConflict
        The turn has been sent, or sending has begun.
    """
    record = turn_record(tools, name)
    if record is not None and _sending_begun(name, record, tools):
        raise TurnConflict(f"turn {name} has been sent; what was said cannot be unsaid. Plan another turn.")
    _discard(name, tools)
    return None if record is None else date.fromisoformat(record["as_of"])


def _discard(name: str, tools: Tools) -> None:
    """Remove a turn that was not sent, and what outlives a turn only because it was begun."""
    tools.store.discard_turn(name)
    tools.memory.forget_holdout(name)


def run_stages(turn: Turn, tools: Tools, stages: Sequence[str] = STAGES) -> dict[str, Any]:
    """Do the stages that are not done yet, in order, and return the turn's record.

    Raises
    ------
    StageMissing
        A stage asked for comes after one that is neither done nor asked for.
    """
    record = turn_record(tools, turn.name) or _new_record(turn, tools)
    for number, stage in enumerate(STAGES):
        if stage not in stages or _is_done(stage, record, turn, tools):
            continue
        lacking = [s for s in STAGES[:number] if s not in record["stages"]]
        if lacking:
            raise StageMissing(
                f"turn {turn.name}: stage {stage} needs {lacking[0]} first. Run: rapport {lacking[0]} {turn.base}"
            )
        tools.progress.start(stage, None)
        began = time.perf_counter()
        counts = _STAGE[stage](turn, tools)
        seconds = round(time.perf_counter() - began + (turn.load_seconds if stage == "load" else 0.0), 3)
        record["stages"][stage] = {"seconds": seconds, "counts": counts, "sources_digest": turn.sources_digest}
        tools.store.write_json(tools.store.turn_folder(turn.name) / "turn.json", record)
        tools.progress.finish()
    return record


def _is_done(stage: str, record: dict[str, Any], turn: Turn, tools: Tools) -> bool:
    done = record["stages"].get(stage)
    folder = tools.store.turn_folder(turn.name)
    if done is None or not all((folder / name).exists() for name in _WRITES[stage]):
        return False
    # Outcomes arrive after a turn is sent: the read-out follows the data, all else stands.
    return stage != "readout" or done["sources_digest"] == turn.sources_digest


def _new_record(turn: Turn, tools: Tools) -> dict[str, Any]:
    return {
        "turn": turn.name,
        "as_of": turn.as_of.isoformat(),
        "program": turn.program.name,
        "currency": turn.program.currency,
        "program_digest": turn.program_digest,
        "sources_digest": turn.sources_digest,
        "seed": turn.program.policy.salt,
        "versions": tools.versions(),
        "stages": {},
    }


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
    models, values, tiers = fit_values(states, program)
    with tools.make_engine() as engine:
        open_tables(engine, turn.loaded)
        make_purchases(engine, program, turn.as_of)
        catalogue = make_catalogue(engine, program, turn.base, turn.as_of)
        excluded = exclusions(engine, states, catalogue, program)
        _keep_baseline(tools, measure_baseline(engine, program, states, tiers, turn.name))
        relevance, probability, history = relevance_for(engine, states, catalogue, program, turn.as_of)
    scored = Scored(
        values=values,
        tiers=tiers,
        contacts=_contacts(turn, tools, states),
        reachable=reachable(states, program),
        base_probability=probability,
        bought_before=bought_pairs(history),
        excluded=excluded,
    )
    learned = relevance_to_json(relevance)
    version = f"relevance-{hashlib.blake2b(learned.encode(), digest_size=6).hexdigest()}"
    store.write_text(store.state / "models" / f"{version}.json", learned)
    store.write_json(store.state / "models" / f"{models.lifetime.version}.json", models.lifetime.to_record())
    store.write_json(store.state / "models" / f"{models.spend.version}.json", models.spend.to_record())
    store.write_table(turn.name, "catalogue", catalogue)
    store.write_table(turn.name, "scores", score_table(states, scored))
    return {
        "offers": len(catalogue),
        "lifetime": {"version": models.lifetime.version, "status": str(models.lifetime.status)},
        "spend": {"version": models.spend.version, "status": str(models.spend.status)},
        "relevance": {"version": version, "diagnostics": diagnostics_of(relevance)},
        "tiers": {
            t.tier: {"customers": t.customers, "contribution_micros": t.contribution_micros}
            for t in summarise_tiers(values.expected_contribution_micros, tiers)
        },
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
    told = tools.memory.contacts(first, before, turn.name)
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
    plan = plan_turn(rows, catalogue, turn.program, turn.name, _model_version(turn, tools))
    store.write_json(store.turn_folder(turn.name) / "terms.json", terms_record(plan, turn.program, beyond, replay))
    store.write_table(turn.name, "decisions", plan.decisions)
    return plan_counts(plan, turn.as_of)


def _model_version(turn: Turn, tools: Tools) -> str:
    record = turn_record(tools, turn.name) or {}
    version: str = record["stages"]["score"]["counts"]["relevance"]["version"]
    return version


def _compose(turn: Turn, tools: Tools) -> dict[str, Any]:
    store = tools.store
    decisions, catalogue, states = (store.read_table(turn.name, n) for n in ("decisions", "catalogue", "states"))
    messages = compose_turn(decisions, catalogue, states, turn.program, tools.templates(turn.base / "templates"))
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
        store.write_json(store.turn_folder(turn.name) / "calibration.json", calibrate(scores, bought))
    store.write_table(turn.name, "readout", readout)
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


_WRITES: dict[str, tuple[str, ...]] = {
    "load": ("customers.parquet",),
    "state": ("states.parquet",),
    "score": ("catalogue.parquet", "scores.parquet"),
    "plan": ("decisions.parquet", "terms.json"),
    "compose": ("messages.parquet",),
    "send": ("touches.parquet", "outbox"),
    "readout": ("readout.parquet", "report.html"),
}
"""What each stage leaves in the turn's folder; where one is missing the stage is done again, to the same bytes."""

_STAGE: dict[str, Callable[[Turn, Tools], dict[str, Any]]] = {
    "load": _load,
    "state": _state,
    "score": _score,
    "plan": _plan,
    "compose": _compose,
    "send": _send,
    "readout": _readout,
}
