"""Takes contacts from a file into the memory: visits, calls, mails; a login joins the visitor to the customer.

Why it exists: the next contact starts from the last one, in whichever channel that was. Rows are taken in the order
of their time, because what a device did before somebody logged in belongs to whoever used it then.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from rapport.core.errors import SourceColumns, nearest
from rapport.core.people import PEOPLE
from rapport.identify.standard import settings_of, standardise
from rapport.identify.value_sql import (
    Cell,
    bounded_sql,
    family_of,
    held_sql,
    quoted,
    refuse_unusable,
    unusable_sql,
    value_sql,
)
from rapport.program.identify import IDENTIFYING, People
from rapport.program.model import Program
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import Identifier, Interaction
from rapport.workflows.ports import Engine, EngineFault, Progress
from rapport.workflows.source_faults import unreadable

PLAIN = ("message_id", "kind", "channel", "direction", "about", "location", "anonymous_id", "record_id")
"""Columns of contacts besides `at` and those that identify."""

COLUMNS = ("at", *PLAIN, *IDENTIFYING)
_LISTS = {"email": "emails", "phone": "phones", "card_number": "card_numbers", "device_id": "device_ids"}
_ROOM = 5_000
KEPT = "What came before is kept, and taking the file again repeats nothing."


@dataclass(frozen=True)
class ContactFile:
    """Where contacts come from: a file, whose records `record_id` are of `system`, and what is not said in it."""

    path: Path
    system: str | None
    channel: str
    columns: Mapping[str, str]
    verified: frozenset[str] = frozenset()


@dataclass
class _Taken:
    """What became of the rows so far, and interactions that wait to be written."""

    now: datetime
    rows: int = 0
    unreadable: int = 0
    new: int = 0
    repeated: int = 0
    suppressed: int = 0
    logins: Counter[str] = field(default_factory=Counter)
    joined: int = 0
    conflicts: int = 0
    waiting: list[Interaction] = field(default_factory=list)
    last_login: dict[str, tuple[Identifier, ...]] = field(default_factory=dict)


def record_contacts(
    program: Program, file: ContactFile, engine: Engine, memory: IdentityMemory, progress: Progress, now: datetime
) -> dict[str, Any]:
    """Remember the contacts of a file, each once however often it is taken, and return what became of them.

    Raises
    ------
    SourceMissing, SourceUnreadable
        The file is not there or damaged.
    SourceColumns
        It has no column that says when, or a named column is not in it.
    """
    cells = _open(file, engine)
    taken = _Taken(now)
    progress.start("record", _counted(file, engine, cells))
    zone = {"zone": program.timezone, "home": program.timezone}
    for batch in _batches(file, engine, cells, zone):
        rows = batch.to_pylist()
        for row, identifiers in zip(rows, _identifiers(program, file, rows), strict=True):
            _take(row, identifiers, file, memory, taken)
        progress.advance(batch.num_rows)
    _flush(memory, taken)
    progress.finish()
    return {
        "file": str(file.path),
        "rows": taken.rows,
        "unreadable": taken.unreadable,
        "new": taken.new,
        "repeated": taken.repeated,
        "suppressed": taken.suppressed,
        "logins": dict(sorted(taken.logins.items())),
        "joined": taken.joined,
        "conflicts": taken.conflicts,
    }


def _batches(file: ContactFile, engine: Engine, cells: tuple[Cell, ...], zone: dict[str, str]) -> Iterator[Any]:
    try:
        yield from engine.stream(_rows_sql(cells), zone)
    except EngineFault as error:
        raise unreadable(file.path.name, str(error), KEPT) from error


def _counted(file: ContactFile, engine: Engine, cells: tuple[Cell, ...]) -> int:
    """Return how many rows there are, once all can be read and none holds a zero byte."""
    held = ", ".join(f"{held_sql(c)} AS {c.held}" for c in cells)
    sql = f"SELECT count(*) AS n, {unusable_sql(cells)} FROM (SELECT __row, {held} FROM contacts)"
    try:
        found = engine.query(sql).to_pylist()[0]
    except EngineFault as error:
        raise unreadable(file.path.name, str(error), KEPT) from error
    refuse_unusable(file.path.name, cells, found)
    return int(found["n"])


def _open(file: ContactFile, engine: Engine) -> tuple[Cell, ...]:
    """Let the engine know the file as `contacts`, and return how its columns are read."""
    named: dict[str, str | tuple[str, ...]] = {"record_id": file.columns.get("at", "at")}
    engine.register_source("contacts", file.path.parent, People(name="contacts", path=file.path.name, columns=named))
    schema = engine.query("SELECT * FROM contacts LIMIT 0").schema
    there = [n for n in schema.names if n != "__row"]
    found = {name: file.columns.get(name, name) for name in COLUMNS}
    for name, column in found.items():
        if column not in there and (name in file.columns or name == "at"):
            raise SourceColumns(
                f"source {file.path.name}: {name} is to be read from {column!r}, which is not there; the file has: "
                f"{', '.join(there)}.{nearest(column, there)} Name it: --map {name}=COLUMN"
            )
    used = [(name, column) for name, column in found.items() if column in there]
    return tuple(
        Cell(
            n,
            name,
            column,
            "time" if name == "at" else "text",
            name == "at",
            "",
            family_of(schema.field(column).type),
        )
        for n, (name, column) in enumerate(used)
    )


def _rows_sql(cells: tuple[Cell, ...]) -> str:
    """Return SQL for the rows in the order of their time; binds $zone and $home."""
    held = ", ".join(f"{held_sql(c)} AS {c.held}" for c in cells)
    read = ", ".join(f"{value_sql(c)} AS {c.value}" for c in cells)
    bounded = ", ".join(f"{bounded_sql(c)} AS {quoted(c.column)}" for c in cells)
    return (
        f"WITH held AS (SELECT __row, {held} FROM contacts WHERE $zone IS NOT NULL AND $home IS NOT NULL),\n"
        f"read AS (SELECT __row, {read} FROM held)\n"
        f'SELECT __row AS number, {bounded} FROM read ORDER BY "at", number'
    )


def _identifiers(program: Program, file: ContactFile, rows: list[dict[str, Any]]) -> list[list[Identifier]]:
    """Return the identifiers of each row in standard form; those of a system's record come first and are sure."""
    used = [n for n in IDENTIFYING if any(r.get(n) for r in rows)]
    found: list[list[Identifier]] = [
        [Identifier(f"record:{file.system}", r["record_id"], True)] if file.system and r.get("record_id") else []
        for r in rows
    ]
    if not used:
        return found
    blank: dict[str, Any] = dict.fromkeys(PEOPLE.names)
    several = {c for c in used if c in _LISTS}
    people = [
        blank
        | {"record_key": n, "system": "", "record_id": str(n), "kind": "person"}
        | {c: ([r[c]] if c in several else r[c]) for c in used if r.get(c)}
        for n, r in enumerate(rows)
    ]
    made = standardise(
        pa.Table.from_pylist(people, schema=PEOPLE), settings_of(program.identify, program.people, None)
    )
    for identifiers, row in zip(found, made.to_pylist(), strict=True):
        for name in used:
            values = row[_LISTS[name]] if name in _LISTS else [row[name]]
            identifiers += [Identifier(name, v, name in file.verified) for v in values or () if v]
    return found


def _take(
    row: dict[str, Any], identifiers: list[Identifier], file: ContactFile, memory: IdentityMemory, taken: _Taken
) -> None:
    """Take one row: a login joins first, so that the contact belongs to who logged in."""
    taken.rows += 1
    if row["at"] is None:
        taken.unreadable += 1
        return
    anonymous, node, customer = row.get("anonymous_id"), None, None
    if anonymous and identifiers:
        _log_in(row, identifiers, memory, taken)
    elif identifiers:
        customer = memory.contacts.recognise(identifiers).customer_id
    if anonymous is None and customer is None:
        anonymous = f"{file.path.name}:{row['number']}"
    taken.waiting.append(
        Interaction(
            message_id=row.get("message_id") or _message_id(file, row),
            at=row["at"],
            channel=row.get("channel") or file.channel,
            direction="out" if (row.get("direction") or "in").lower().startswith("out") else "in",
            kind=row.get("kind") or "contact",
            about=row.get("about"),
            location=row.get("location"),
            anonymous_id=anonymous,
            node_key=node,
            customer_id=customer if anonymous is None else None,
        )
    )
    if len(taken.waiting) >= _ROOM:
        _flush(memory, taken)


def _log_in(row: dict[str, Any], identifiers: list[Identifier], memory: IdentityMemory, taken: _Taken) -> None:
    """Join a device to who logs in; the same again changes nothing."""
    anonymous = row["anonymous_id"]
    if taken.last_login.get(anonymous) == tuple(identifiers):
        taken.logins["as before"] += 1
        return
    # What the device did before is written before it changes hands.
    _flush(memory, taken)
    made = memory.contacts.identify(anonymous, identifiers, row["at"], taken.now)
    taken.last_login[anonymous] = tuple(identifiers)
    taken.logins[made.standing] += 1
    taken.joined += made.joined
    taken.conflicts += made.conflicts


def _message_id(file: ContactFile, row: dict[str, Any]) -> str:
    """Return an id that the same row has whenever the file is taken again."""
    told = "\x1f".join(f"{k}={v}" for k, v in row.items())
    return f"{file.path.name}:{hashlib.blake2b(told.encode(), digest_size=12).hexdigest()}"


def _flush(memory: IdentityMemory, taken: _Taken) -> None:
    if not taken.waiting:
        return
    done = memory.contacts.record_interactions(taken.waiting, taken.now)
    taken.new += done.new
    taken.repeated += done.repeated
    taken.suppressed += done.suppressed
    taken.waiting.clear()


def pieces(named: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield Rapport's column and the file's of texts such as ``at=when``; raise ValueError with what is allowed."""
    for text in named:
        name, sign, column = text.partition("=")
        if not sign or not column or name not in COLUMNS:
            raise ValueError(
                f"{text!r} must be COLUMN=FILE_COLUMN with one of {', '.join(COLUMNS)}.{nearest(name, COLUMNS)}"
            )
        yield name, column
