"""Forget a person: nothing in a programme's state says who they were, and the next load leaves them out.

Why it exists: a person may ask to be forgotten, and what was counted must still be true afterwards. What is under way
stands in a journal without a personal value, so that an erasure that was stopped ends as if it had not been. The
company's own files are not changed; where the person stands in them is told.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rapport.core.errors import RapportError, SourceError
from rapport.core.keys import customer_key
from rapport.core.reasons import RowReason
from rapport.identify.erase import Person
from rapport.program.model import Program
from rapport.workflows.forget_files import Found, counts_of, erase_file, survey, told_of
from rapport.workflows.forget_who import Meant, nobody, person_of, who_is_meant
from rapport.workflows.forgotten import Forgotten, begin_forgotten, keep_forgotten, read_forgotten
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.load import fingerprint
from rapport.workflows.state_ports import Tools
from rapport.workflows.turn import load_sources, program_digest
from rapport.workflows.turn_record import turn_record

JOURNALS = "forget"
"""Folder below the state with a file for each erasure under way."""

BACKUPS = "backups and copies of the programme's folder and of its memory"
OUTSIDE = "worksheets, reports and messages that were copied or sent out of the state folder"


@dataclass(frozen=True)
class Workplace:
    """Where a person is forgotten; `memory` where the programme has people."""

    program: Program
    base: Path
    tools: Tools
    memory: IdentityMemory | None


@dataclass(frozen=True)
class Outlook:
    """What forgetting somebody would do.

    Attributes
    ----------
    meant : who; None where an erasure that was stopped has come so far that the state does not know any more
    found, counts : files, and rows by table, in which they stand
    journal : of an erasure that was stopped
    already : the line on an erasure that was finished, where nothing is left to do
    """

    given: str
    meant: Meant | None
    found: tuple[Found, ...]
    counts: Mapping[str, int]
    journal: dict[str, Any] | None = None
    already: Mapping[str, Any] | None = None

    def told(self, base: Path) -> dict[str, Any]:
        """Return the outlook as plain values."""
        return {
            "customer": self.given,
            "customer_id": None if self.meant is None else self.meant.customer_id,
            "counts": dict(self.counts),
            "files": told_of(self.found, base),
            "unfinished_since": None if self.journal is None else self.journal["at"],
            "already": None if self.already is None else {k: self.already[k] for k in ("at", "by", "counts")},
        }


def look_up(place: Workplace, given: str) -> Outlook:
    """Return what forgetting somebody would do; nothing is changed.

    Parameters
    ----------
    given : str
        A customer id, old or present, an identifier or ``SYSTEM:RECORD_ID``; without people, an id of the sources.

    Raises
    ------
    UnknownCustomer
        Nobody, or more than one customer, is meant.
    """
    store = place.tools.store
    forgotten = read_forgotten(store)
    journal = None if forgotten is None else _journal_of(place, forgotten, {given})
    gone = journal is not None and forgotten is not None and _names(journal, forgotten, given)
    meant = who_is_meant(given, place.program, store, place.memory, known=gone and _of_sources(journal))
    if meant is not None and forgotten is not None:
        journal = journal or _journal_of(place, forgotten, meant.ids)
    if meant is None:
        if journal is not None and not _of_sources(journal):
            return Outlook(given, None, (), journal["counts"], journal)
        line = None if forgotten is None else forgotten.line_on(given)
        if line is not None:
            return Outlook(given, None, (), {}, None, line)
        raise nobody(given, place.program)
    person = person_of(meant, secrets.token_hex(32) if journal is None else journal["secret"])
    found = tuple(survey(store, place.base, person))
    counts = counts_of(found) | _counts_of_memory(place, meant, person)
    return Outlook(given, meant, found, counts if journal is None else journal["counts"], journal)


def forget(place: Workplace, outlook: Outlook, by: str, at: datetime) -> dict[str, Any]:
    """Forget whom an outlook is about; carry on where that was stopped. Return what was done as plain values.

    The caller holds the programme's lock since the outlook was made.

    Raises
    ------
    StateDamaged
        A file of the state cannot be read; what was done is kept, the same call carries on.
    """
    forgotten = begin_forgotten(place.tools.store)
    journal = outlook.journal or _begin(place, outlook, forgotten, by, at)
    remains: list[str] = []
    if outlook.meant is not None:
        remains += _erase(place, outlook, journal, by, at)
    _keep_out(place, journal)
    remains += _mend_turns(place, journal)
    standing = _load_anew(place)
    # Once more, so that nothing stands in what the memory's file has done with.
    place.tools.memory.replace_keys({}, {})
    _journal_path(place, journal["who"][0]).unlink()
    systems = [f"{p.name} ({p.path or 'a database'})" for p in place.program.people if p.name in journal["systems"]]
    return {
        "customer_id": None if outlook.meant is None else outlook.meant.customer_id,
        "by": journal["by"],
        "at": journal["at"],
        "counts": journal["counts"],
        "files": journal["files"],
        "sources": standing + systems,
        "remains": [*remains, BACKUPS, OUTSIDE],
    }


def _journal_path(place: Workplace, who: str) -> Path:
    return place.tools.store.state / JOURNALS / f"{who}.json"


def _journal_of(place: Workplace, forgotten: Forgotten, given: Iterable[str]) -> dict[str, Any] | None:
    """Return the journal of an erasure under way of somebody whom one of the ids names."""
    asked = {forgotten.asked(g) for g in given}
    for path in sorted((place.tools.store.state / JOURNALS).glob("*.json")):
        told: dict[str, Any] = place.tools.store.read_json(path)
        if asked & set(told["who"]):
            return told
    return None


def _names(journal: Mapping[str, Any], forgotten: Forgotten, given: str) -> bool:
    return forgotten.hash("record", "", given) in journal["suppressed"]


def _of_sources(journal: Mapping[str, Any] | None) -> bool:
    return journal is not None and not journal["of_memory"]


def _begin(place: Workplace, outlook: Outlook, forgotten: Forgotten, by: str, at: datetime) -> dict[str, Any]:
    """Write the journal: what is to be done, in keyed hashes and counts, and the secret behind the replacements."""
    meant = outlook.meant
    assert meant is not None
    who = [forgotten.asked(i) for i in dict.fromkeys([outlook.given, *sorted(meant.ids), *sorted(meant.values)])]
    turns = place.tools.store.state / "turns"
    changed = [f.path.relative_to(turns).parts for f in outlook.found if turns in f.path.parents]
    journal = {
        "secret": secrets.token_hex(32),
        "by": by,
        "at": at.isoformat(timespec="seconds"),
        "who": who,
        "suppressed": forgotten.hashes(meant.records),
        "of_memory": meant.customer_id is not None,
        "systems": sorted({system for system, _ in meant.records if system}),
        "counts": dict(outlook.counts),
        "files": sum(f.kind != "desk" for f in outlook.found),
        "turns": sorted({parts[0] for parts in changed}),
        "tables": sorted([parts[0], parts[1]] for parts in changed if len(parts) == 2),
        "before": _digests(place),
    }
    place.tools.store.write_json(_journal_path(place, who[0]), journal)
    return journal


def _digests(place: Workplace) -> dict[str, str | None]:
    """Return what turns of now are decided under; no digest of sources where one of them is not there."""
    try:
        forgotten = read_forgotten(place.tools.store)
        sources = fingerprint(
            place.program, place.base, place.tools.digest, place.tools.know(place.program, False), forgotten
        )
    except SourceError:
        sources = None
    return {"program_digest": program_digest(place.program, place.base), "sources_digest": sources}


def _erase(place: Workplace, outlook: Outlook, journal: Mapping[str, Any], by: str, at: datetime) -> tuple[str, ...]:
    """Erase from the files, then from the memory, which knows longest who is meant."""
    meant, store = outlook.meant, place.tools.store
    assert meant is not None
    person = person_of(meant, journal["secret"])
    place.tools.memory.replace_keys(*_replacements(place, person))
    found = survey(store, place.base, person)
    place.tools.progress.start("erase", len(found))
    for file in found:
        erase_file(store, file, person, _unsent(place, file))
        place.tools.progress.advance(1)
    place.tools.progress.finish()
    if meant.customer_id is None or place.memory is None:
        return ()
    return place.memory.erasure.forget(meant.customer_id, by, at).remains


def _replacements(place: Workplace, person: Person) -> tuple[dict[int, int], dict[int, int]]:
    """Return the keys that the memory of turns must change: of the person, and of a household of nobody else."""
    households: set[str] = set()
    shared: set[str] = set()
    state = place.tools.store.state
    for path in sorted(p for folder in ("loaded", "turns") for p in (state / folder).glob("*/customers.parquet")):
        table = pq.read_table(path, columns=["customer_id", "household_id"])
        mine = pc.is_in(table["customer_id"], value_set=pa.array(sorted(person.ids)))
        own = set(table.filter(mine)["household_id"].to_pylist())
        households |= own
        others = table.filter(pc.invert(mine))["household_id"]
        shared |= set(others.filter(pc.is_in(others, value_set=pa.array(sorted(own), pa.string()))).to_pylist())
    alone = sorted(customer_key(h) for h in households - shared)
    return {k: person.key(k) for k in sorted(person.keys)}, {k: person.key(k) for k in alone}


def _unsent(place: Workplace, file: Found) -> bool:
    turns = place.tools.store.state / "turns"
    if turns not in file.path.parents:
        return False
    record = turn_record(place.tools, file.path.relative_to(turns).parts[0])
    return record is None or "send" not in record["stages"]


def _counts_of_memory(place: Workplace, meant: Meant, person: Person) -> dict[str, int]:
    counts = place.tools.memory.keyed(*_replacements(place, person))
    if meant.customer_id is not None and place.memory is not None:
        memory, customer = place.memory, meant.customer_id
        counts |= {
            "records": len(memory.records.node_keys(customer)),
            "identifiers": len(memory.contacts.identifiers_of(customer)),
            "interactions": len(memory.contacts.interactions_of(customer)),
            "traits": len(memory.profiles.traits_of(customer)),
            "answers": len(memory.profiles.answers_of(customer)),
            "consents": len(memory.profiles.consents_of(customer)),
            "tasks": len(memory.work.tasks(customer)),
            "merges": len(memory.ledger.merges(customer)),
        }
    return {f"memory: {name}": count for name, count in counts.items() if count}


def _keep_out(place: Workplace, journal: Mapping[str, Any]) -> None:
    """Keep the hashes by which loads leave the person out, and a line on the erasure; once."""
    store = place.tools.store
    forgotten = begin_forgotten(store)
    line = {k: journal[k] for k in ("at", "by", "who", "counts", "files")}
    if line in [dict(known) for known in forgotten.lines]:
        return
    suppressed = forgotten.suppressed | set(journal["suppressed"])
    keep_forgotten(store, replace(forgotten, suppressed=suppressed, lines=(*forgotten.lines, line)))


def _mend_turns(place: Workplace, journal: Mapping[str, Any]) -> list[str]:
    """Draw reports anew and bring the records of turns in line with their files; return what could not be drawn."""
    tools, lost = place.tools, []
    after = _digests(place)
    for turn in tools.store.turns():
        record = turn_record(tools, turn)
        if record is None:
            continue
        files = {name for t, name in journal["tables"] if t == turn}
        if turn in journal["turns"] and "readout" in record["stages"] and not _draw(place, turn, record):
            lost.append(f"no report of turn {turn}, which could not be drawn anew: rapport readout")
        if turn in journal["turns"]:
            files.add("report.html")
        for stage in record["stages"].values():
            stage["digests"] = {
                name: _file_digest(tools.store.turn_folder(turn) / name, old) if name in files else old
                for name, old in stage["digests"].items()
            }
        for key, before in journal["before"].items():
            if before is not None and after[key] is not None and record[key] == before:
                record[key] = after[key]
        readout = record["stages"].get("readout")
        if (
            readout is not None
            and after["sources_digest"]
            and readout["sources_digest"] == journal["before"]["sources_digest"]
        ):
            readout["sources_digest"] = after["sources_digest"]
        tools.store.write_json(tools.store.turn_folder(turn) / "turn.json", record)
    return lost


def _file_digest(path: Path, old: str) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() if path.is_file() else old


def _draw(place: Workplace, turn: str, record: Mapping[str, Any]) -> bool:
    """Draw the report of a turn from the tables as they are now; remove it where that cannot be done."""
    store = place.tools.store
    path = store.turn_folder(turn) / "report.html"
    loaded = store.loaded_folder(record["stages"]["score"]["sources_digest"])
    try:
        store.write_text(path, place.tools.report(place.program, store, turn, loaded))
    except (RapportError, OSError, KeyError):
        path.unlink(missing_ok=True)
        return False
    return True


def _load_anew(place: Workplace) -> list[str]:
    """Load the sources without the person, and return in which of them they still stand, with how many rows."""
    sources = [s.shown for s in place.program.sources if "customer_id" in s.columns]
    if not (place.tools.store.state / "loaded").is_dir():
        return sources
    try:
        loaded, _ = load_sources(place.program, place.base, place.tools)
    except SourceError as error:
        return [*sources, f"not loaded anew: {error}"]
    counted = place.tools.store.read_json(loaded / "summary.json")["sources"]
    left = ((s["path"], s["quarantined"].get(RowReason.FORGOTTEN.value, 0)) for s in counted)
    return [f"{path}: {rows:,} rows of the forgotten" for path, rows in left if rows]
