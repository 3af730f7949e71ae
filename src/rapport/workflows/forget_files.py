"""The files of a programme's state in which a person stands: found, counted, and written anew without them.

Why it exists: erasing must reach every file and leave each whole at every moment. A file is written under a temporary
name, flushed and renamed; doing it again finds nothing left to do. Who the person is comes from the caller.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rapport.core.errors import StateDamaged
from rapport.identify.erase import (
    Person,
    erase_accounts,
    erase_quarantine,
    erase_rows,
    in_order,
    rows_of,
)
from rapport.workflows.state_ports import Store
from rapport.workflows.worksheet_edits import BY_CUSTOMER, EDITS_FILE, HISTORY, edits_text, parse_edits, unguarded

TEMPORARY = ".part"
_NAMING = {"customer_key", "record_key", "left_key", "customer_id", "record_id", "account_id"}


@dataclass(frozen=True)
class Found:
    """A file in which a person stands: what is counted there under which name, and whether it is dealt with early.

    What says who the person is comes last, so that an erasure that was stopped can be carried on.
    """

    path: Path
    kind: str
    counted: str
    rows: int


def survey(store: Store, base: Path, person: Person) -> list[Found]:
    """Return every file of a programme in which a person stands, in the order in which they are dealt with."""
    found = [*_edits(store, base, person), *_limits(store, person), *_outbox(store, person), *_desks(store)]
    tables = [f for path in sorted(store.state.rglob("*.parquet")) if (f := _table(path, person)) is not None]
    return found + sorted(tables, key=lambda f: (f.counted in {"customers", "people", "standard"}, f.path))


def counts_of(found: Sequence[Found]) -> dict[str, int]:
    """Return rows by what they are counted under; what is only made anew is not counted."""
    counts: Counter[str] = Counter()
    for file in found:
        counts[file.counted] += file.rows
    return {name: counts[name] for name in sorted(counts) if counts[name]}


def erase_file(store: Store, file: Found, person: Person, unsent: bool) -> None:
    """Write a file anew without a person, or remove it where it is about nobody else.

    Parameters
    ----------
    unsent : bool
        Whether the file is of a turn of which not all was sent, so that nothing may go to the person any more.
    """
    match file.kind:
        case "table":
            _erase_table(file.path, person, unsent)
        case "edits":
            _put_text(store, file.path, _without(_text(file.path), person))
        case "reading":
            told = store.read_json(file.path)
            told |= {k: _without(told[k], person) for k in ("before", "after")}
            told["file"] = person.redacted(str(told.get("file", "")))
            store.write_json(file.path, told)
        case "limits":
            store.write_json(file.path, _limits_without(store.read_json(file.path), person))
        case "outbox":
            with whole(file.path) as part:
                part.write_text(_rows_without(file.path, person)[0], encoding="utf-8", newline="")
        case _:
            file.path.unlink(missing_ok=True)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield the temporary name of a file that takes its own name, flushed, when the block ends well."""
    part = path.with_name(path.name + TEMPORARY)
    yield part
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _put_text(store: Store, path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        store.write_text(path, text)


def _text(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as stream:
        return stream.read()


def _edits(store: Store, base: Path, person: Person) -> Iterator[Found]:
    path = base / EDITS_FILE
    folder = store.state / HISTORY
    readings = sorted(folder.glob("*.json")) if folder.is_dir() else []
    for reading in readings:
        told = store.read_json(reading)
        again = {k: _without(told[k], person) for k in ("before", "after")}
        if any(again[k] != told[k] for k in again) or person.redacted(str(told.get("file", ""))) != told.get("file"):
            rows = sum(_edits_lost(told[k], again[k]) for k in again)
            yield Found(reading, "reading", "readings of worksheets", rows)
    text = _text(path)
    again_text = _without(text, person)
    if again_text != text:
        yield Found(path, "edits", "edits of the worksheet", _edits_lost(text, again_text))


def _edits_lost(before: str | None, after: str | None) -> int:
    """Return how many edits are gone or changed."""
    left = set(parse_edits(after)) if after else set()
    return sum(e not in left for e in parse_edits((before or "").removeprefix("\ufeff"))) if before else 0


def _without(text: str | None, person: Person) -> str | None:
    """Return the text of a file of edits without those about a person, None where none is left."""
    if text is None:
        return None
    edits = parse_edits(text.removeprefix("\ufeff"))
    left = [
        replace(e, reason=person.redacted(e.reason), note=person.redacted(e.note))
        for e in edits
        if e.by != BY_CUSTOMER or e.segment not in person.ids
    ]
    if left == list(edits):
        return text
    return edits_text(left) if left else None


def _limits(store: Store, person: Person) -> Iterator[Found]:
    for path in sorted((store.state / "turns").glob("*/limits.json")):
        told = store.read_json(path)
        again = _limits_without(told, person)
        if again != told:
            pairs = zip(told["worksheet"]["edits"], again["worksheet"]["edits"], strict=True)
            yield Found(path, "limits", "edits of turns", sum(a != b for a, b in pairs))


def _limits_without(told: Any, person: Person) -> Any:
    """Return what a turn keeps of the worksheet with edits about a person made about the marker: places must hold."""
    if not isinstance(told, dict) or "worksheet" not in told:
        return told
    edits = []
    for edit in told["worksheet"]["edits"]:
        clean = {k: person.redacted(edit[k]) for k in ("reason", "note")}
        if edit["by"] == BY_CUSTOMER and edit["segment"] in person.ids:
            clean = {"segment": person.marker, "reason": "", "note": ""}
        edits.append(edit | clean)
    return told | {"worksheet": told["worksheet"] | {"edits": edits}}


def _outbox(store: Store, person: Person) -> Iterator[Found]:
    for folder in sorted((store.state / "turns").glob("*/outbox")):
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if person.touched(path.name):
                yield Found(path, "message", "messages in outboxes", 1)
            elif path.suffix == ".csv" and (rows := _rows_without(path, person)[1]):
                yield Found(path, "outbox", "rows in outboxes", rows)


def _rows_without(path: Path, person: Person) -> tuple[str, int]:
    """Return the text of a file of print rows without those of a person, and how many those were."""
    text, gone = io.StringIO(newline=""), 0
    writer = csv.writer(text, lineterminator="\n")
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        head = next(reader, [])
        writer.writerow(head)
        own = head.index("customer_id") if "customer_id" in head else None
        touch = head.index("touch_id") if "touch_id" in head else None
        for row in reader:
            mine = own is not None and unguarded(row[own]) in person.ids
            if mine or (touch is not None and person.touched(row[touch])):
                gone += 1
            else:
                writer.writerow(row)
    return text.getvalue(), gone


def _desks(store: Store) -> Iterator[Found]:
    """Yield the prepared rows that decide at once; they are made anew from the turn's tables when asked for."""
    for path in sorted((store.state / "desk").glob("*.arrow")):
        yield Found(path, "desk", "desks", 0)


def _table(path: Path, person: Person) -> Found | None:
    with _readable(path) as file:
        names = file.schema_arrow.names
        if {"value", "reason"} <= set(names) and not _NAMING & set(names):
            rows = erase_quarantine(file.read(columns=["value"]), person)[1]
        elif _NAMING & set(names):
            wanted = [n for n in names if n in {*_NAMING, "system", "right_key"}]
            rows = 0
            for group in range(file.num_row_groups):
                part = file.read_row_group(group, columns=wanted)
                rows += int(rows_of(part, person).sum()) or erase_accounts(part, person)[1]
        else:
            return None
    return Found(path, "table", path.stem, rows) if rows else None


def _erase_table(path: Path, person: Person, unsent: bool) -> None:
    silence = unsent and path.stem in {"decisions", "messages"}
    with _readable(path) as file:
        schema = file.schema_arrow
        longest = max((file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)), default=1)
        if _sorted(file):
            parts: Iterator[pa.Table] = iter([file.read()])
        else:
            parts = (file.read_row_group(g) for g in range(file.num_row_groups))
        with whole(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
            for table in parts:
                writer.write_table(_without_person(table, path.stem, person, silence), row_group_size=longest)


def _without_person(table: pa.Table, name: str, person: Person, silence: bool) -> pa.Table:
    if "value" in table.column_names and not _NAMING & set(table.column_names):
        return erase_quarantine(table, person)[0]
    return erase_accounts(erase_rows(table, name, person, silence)[0], person)[0]


def _sorted(file: pq.ParquetFile) -> bool:
    """Return whether the rows of a file come in the order of their keys; then they must again."""
    key = next((n for n in ("customer_key", "record_key", "left_key") if n in file.schema_arrow.names), None)
    if key is None:
        return False
    last = None
    for group in range(file.num_row_groups):
        keys = file.read_row_group(group, columns=[key])[key].to_numpy()
        if not in_order(keys) or (last is not None and len(keys) and keys[0] < last):
            return False
        last = np.int64(keys[-1]) if len(keys) else last
    return True


@contextmanager
def _readable(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise StateDamaged(f"{path}: cannot be read: {error}. Restore the file from a copy, or remove it.") from error
    with file:
        yield file


def told_of(found: Sequence[Found], base: Path) -> list[dict[str, Any]]:
    """Return files with what is erased in each as plain values; the name of a file about one person is not told."""
    rows = []
    for file in found:
        name = file.path.parent if file.kind == "message" else file.path
        rows.append(asdict(file) | {"path": str(name.relative_to(base))})
    return rows
