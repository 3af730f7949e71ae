"""One turn, stage by stage, each written whole before the next begins.

Why it exists: a turn can be killed at any moment and carried on at the stage it was in, and ends in the same
bytes. A stage is done once it stands in turn.json, which is written after the stage's tables.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rapport.core.errors import SourceEmpty, StageMissing, StateDamaged, TurnConflict
from rapport.program.model import Program
from rapport.workflows.forgotten import read_forgotten
from rapport.workflows.load import LoadSummary, fingerprint, load_program
from rapport.workflows.plays import own_files
from rapport.workflows.stages import STAGE, WRITES
from rapport.workflows.state import open_tables
from rapport.workflows.state_ports import Tools
from rapport.workflows.turn_record import Turn, turn_name, turn_record
from rapport.workflows.worksheet_edits import EDITS_FILE

LONGEST_GAP_DAYS = 31
"""Days that may lie between the last transaction and the day of the decision: data come late, but not that late."""

STAGES = tuple(STAGE)


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
    forgotten = read_forgotten(tools.store)
    known = tools.know(program, True)
    digest = fingerprint(program, base, tools.digest, known, forgotten)
    loaded = tools.store.loaded_folder(digest)
    if not (loaded / "summary.json").is_file():
        with tools.store.folder_when_whole(loaded) as part, tools.make_engine() as engine:
            summary = load_program(program, base, engine, part, tools.progress, known, forgotten)
            listed = pq.read_table(part / "customers.parquet", columns=["listed"])["listed"].to_pylist()
            record = summary_record(summary) | {"poor_fields": _poor_fields(part), "unlisted": listed.count(False)}
            if known is not None:
                pq.write_table(known.aliases, part / "aliases.parquet")
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


def program_digest(program: Program, base: Path) -> str:
    """Return a digest of every setting, the files of offers and worksheet, and the own templates and plays."""
    digest = hashlib.blake2b(program.model_dump_json().encode(), digest_size=16)
    files = [base / program.offers.file] if program.offers.file else []
    files.append(base / EDITS_FILE)
    own = own_files(base) if program.plays.use else []
    for path in [*files, *sorted((base / "templates").glob("*.j2")), *own]:
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
    for key, what in (
        ("program_digest", "program.toml, a file it names or the worksheet"),
        ("sources_digest", "the data"),
    ):
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
    StateDamaged
        A file of a finished stage is lost and cannot be made again as it was.
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
        lost = stage != "readout" and stage in record["stages"]
        if lost and any(record[k] != getattr(turn, k) for k in ("program_digest", "sources_digest")):
            raise _beyond_repair(turn, stage, tools)
        survivors = {p: p.read_bytes() for p in _files(turn, stage, tools) if lost}
        tools.progress.start(stage, None)
        began = time.perf_counter()
        counts = STAGE[stage](turn, tools)
        seconds = round(time.perf_counter() - began + (turn.load_seconds if stage == "load" else 0.0), 3)
        digests = {p.name: _digest(p.read_bytes()) for p in _files(turn, stage, tools)}
        if lost and record["stages"][stage]["digests"] != digests:
            _put_back(survivors, _files(turn, stage, tools))
            raise _beyond_repair(turn, stage, tools)
        record["stages"][stage] = {
            "seconds": seconds,
            "counts": counts,
            "sources_digest": turn.sources_digest,
            "digests": digests,
        }
        tools.store.write_json(tools.store.turn_folder(turn.name) / "turn.json", record)
        tools.progress.finish()
    return record


def _files(turn: Turn, stage: str, tools: Tools) -> list[Path]:
    """Return the files that a stage has left in the turn's folder."""
    return [p for n in WRITES[stage] if (p := tools.store.turn_folder(turn.name) / n).is_file()]


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _put_back(survivors: dict[Path, bytes], written: list[Path]) -> None:
    """Undo a stage that came out otherwise than it was: only what was there before may stand there."""
    for path in written:
        if path in survivors:
            path.write_bytes(survivors[path])
        else:
            path.unlink()


def _beyond_repair(turn: Turn, stage: str, tools: Tools) -> StateDamaged:
    return StateDamaged(
        f"{tools.store.turn_folder(turn.name)}: a file of the finished stage {stage} is lost (one of "
        f"{', '.join(WRITES[stage])}), and it would not come out as it was, because the programme, the data, the "
        f"memory or Rapport have changed since. Restore it from a copy."
    )


def _is_done(stage: str, record: dict[str, Any], turn: Turn, tools: Tools) -> bool:
    done = record["stages"].get(stage)
    folder = tools.store.turn_folder(turn.name)
    if done is None or not all((folder / name).exists() for name in WRITES[stage]):
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
