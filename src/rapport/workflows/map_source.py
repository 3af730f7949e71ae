"""Proposes the mapping of a file or a table of a database, and writes it into a programme where a person says so.

Why it exists: most of the work of mapping can be proposed from names and contents; a person looks it over. The text
of the programme is added to, never rewritten, and what would come out is checked before it is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapport.core.errors import ProgramInvalid, SourceColumns
from rapport.core.tables import SOURCE_COLUMNS
from rapport.identify.mapping import LEAST, Filled, Proposal, propose_people
from rapport.identify.mapping_sources import propose_source
from rapport.program.identify import People
from rapport.program.parse import parse_program
from rapport.workflows.ports import Engine
from rapport.workflows.source_faults import readable, refuse_texts

SAMPLE = 4_000
"""Rows from which a mapping is proposed."""
SHOWN = 3
_PERSONAL = frozenset({"given_name", "surname", "full_name", "email", "phone", "organisation", "tax_number"})


@dataclass(frozen=True)
class Wanted:
    """What is to be mapped: a file, or a table of a database; as a system of people, or as a kind of source.

    Neither `people` nor `kind`: whichever fits better. `base` is the programme's folder, to which paths are relative.
    """

    source: str
    table: str | None
    people: str | None
    kind: str | None
    base: Path


@dataclass(frozen=True)
class Mapped:
    """A proposal, samples of each column, the name it would have in a programme, and its lines of TOML."""

    proposal: Proposal
    samples: Mapping[str, Sequence[str]]
    name: str
    toml: str


def propose_mapping(wanted: Wanted, engine: Engine) -> Mapped:
    """Return the mapping that is proposed for a source.

    Raises
    ------
    SourceMissing, SourceUnreadable
        It is not there, or cannot be read.
    SourceColumns
        Nothing in it can be recognised.
    """
    database = wanted.table is not None
    origin = People.model_construct(
        name="source",
        path=None if database else wanted.source,
        database=wanted.source if database else None,
        table=wanted.table,
        columns={},
    )
    engine.register_source("mapped", wanted.base, origin)
    with readable(wanted.source):
        head = engine.query(f"SELECT * EXCLUDE (__row) FROM mapped LIMIT {SAMPLE}")
    refuse_texts(wanted.source, head)
    columns = {name: [None if v is None else str(v) for v in head[name].to_pylist()] for name in head.column_names}
    proposal = _proposal(wanted, columns)
    if not proposal.filled:
        raise SourceColumns(
            f"source {wanted.source}: none of its columns can be recognised - {', '.join(columns)[:300]}; a mapping "
            f"may name {', '.join(SOURCE_COLUMNS)} or people. Say which with --people NAME or --kind KIND."
        )
    name = wanted.people or (Path(wanted.source).stem if not database else str(wanted.table))
    samples = {n: list(dict.fromkeys(v for v in values if v))[:SHOWN] for n, values in columns.items()}
    return Mapped(proposal, samples, _plain(name), _toml(wanted, proposal, _plain(name)))


def _proposal(wanted: Wanted, columns: Mapping[str, Sequence[str | None]]) -> Proposal:
    if wanted.people is not None:
        return propose_people(columns)
    if wanted.kind is not None:
        return propose_source(columns, wanted.kind)
    people, source = propose_people(columns), propose_source(columns)
    personal = sum(f.column in _PERSONAL for f in people.filled if f.confidence >= LEAST)
    if personal >= 2 and (source.missing or _worth(people.filled) > _worth(source.filled)):
        return people
    return people if source.missing and personal and not source.filled else source


def _worth(filled: Sequence[Filled]) -> float:
    return sum(f.confidence for f in filled)


def is_people(proposal: Proposal) -> bool:
    """Return whether a proposal is of a system of people, or else of a source."""
    return proposal.kind not in SOURCE_COLUMNS


def _plain(name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "_.-" else "_" for c in name).strip("_.-")
    return kept or "source"


def _toml(wanted: Wanted, proposal: Proposal, name: str) -> str:
    """Return the lines that declare the source in program.toml."""
    place = (
        [f"database = {_text(wanted.source)}", f"table = {_text(str(wanted.table))}"]
        if wanted.table is not None
        else [f"path = {_text(wanted.source)}"]
    )
    if is_people(proposal):
        head, table = ["[[people]]", f"name = {_text(name)}", *place], "[people.columns]"
        head += [f"kind = {_text(proposal.kind)}"] if proposal.kind != "person" else []
        head.append("verified = []   # columns of which the system has made sure that each value is one customer's")
    else:
        head, table = ["[[sources]]", f"kind = {_text(proposal.kind)}", *place], "[sources.columns]"
        head += [f"decimal = {_text(proposal.decimal)}"] if proposal.decimal != "." else []
    if proposal.traits:
        head.append(f"traits = {_list(proposal.traits)}")
    rows = [f"{n} = {_text(c) if isinstance(c, str) else _list(c)}" for n, c in proposal.columns().items()]
    return "\n".join([*head, table, *rows]) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(_text(v) for v in values)}]"


def with_mapping(text: str, mapped: Mapped, where: str = "program.toml") -> str:
    """Return the text of a programme with a mapping at its end, checked.

    Raises
    ------
    ProgramInvalid
        The mapping lacks what it must have, the source is declared already, or the programme would not be in order.
    """
    if mapped.proposal.missing:
        raise ProgramInvalid(
            f"{where}: the mapping lacks {', '.join(mapped.proposal.missing)}, which a source of kind "
            f"{mapped.proposal.kind} must have. Add the lines by hand, or choose another --kind."
        )
    if is_people(mapped.proposal) and mapped.proposal.record_id in (None, "__row"):
        raise ProgramInvalid(
            f"{where}: no column can be the id of a record; people need one that is never empty and never repeats. "
            "Add it to the file."
        )
    program = parse_program(text, where)
    taken = [p.name for p in program.people] if is_people(mapped.proposal) else []
    if mapped.name in taken:
        raise ProgramInvalid(
            f"{where}: people names {mapped.name!r} already; names must differ. Choose another: --people NAME"
        )
    lines = mapped.toml
    if not is_people(mapped.proposal) and any(s.kind == mapped.proposal.kind for s in program.sources):
        kind = f"kind = {_text(mapped.proposal.kind)}\n"
        lines = lines.replace(kind, f"{kind}name = {_text(mapped.name)}\n", 1)
    added = text.rstrip("\n") + "\n\n" + lines
    parse_program(added, where)
    return added


def plain_mapping(mapped: Mapped) -> dict[str, Any]:
    """Return a mapping as plain values."""
    proposal = mapped.proposal
    return {
        "name": mapped.name,
        "kind": proposal.kind,
        "columns": [
            {"column": f.column, "file_column": f.file_column, "confidence": round(f.confidence, 3), "why": f.reason}
            | {"samples": list(mapped.samples[f.file_column])}
            if f.file_column in mapped.samples
            else {"column": f.column, "file_column": f.file_column, "confidence": f.confidence, "why": f.reason}
            for f in proposal.filled
        ],
        "unmapped": [
            {"file_column": u.file_column, "why": u.reason, "samples": list(mapped.samples.get(u.file_column, ()))}
            for u in proposal.unmapped
        ],
        "missing": list(proposal.missing),
        "traits": list(proposal.traits),
        "toml": mapped.toml,
    }
