"""What people decided in the worksheet: vetoes, boosts and reasons, kept as a file that a person can read.

Why it exists: an edit outlives the sheet it was made in. What is in force stands in worksheet.csv beside
program.toml, so that it can be read, compared and put under version control; every reading can be taken back. Whom an
edit touches is not known here, and the time and the editor are told by who calls.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from pathlib import Path
from typing import Any

from rapport.core.errors import LookupFailed, WorksheetInvalid
from rapport.workflows.state_ports import Store

EDITS_FILE = "worksheet.csv"
LEAST_BOOST, MOST_BOOST = -0.9, 10.0
LONGEST_TEXT = 500
HISTORY = "worksheet"
"""Folder below the state in which readings are kept, one file each."""

BY_CUSTOMER = "customer"
"""Edits by this are about one customer; by anything else, about a group that a column of customers makes."""

_RISKY = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins with one of these for a formula."""

_SIGNED = re.compile(r"[+-]\d[\d .]*")


@dataclass(frozen=True, order=True)
class Edit:
    """One decision of a person: what holds for a product and a customer, or a group of customers.

    by : what makes the group, such as ``tier``; ``customer`` for one customer
    segment : which group, or the customer's id
    product : the item that offers are about
    veto : nobody of them gets it
    boost : in [-0.9, 10], the share by which its value counts for more (or less) in the choice; 0 for no boost
    reason, note, editor, at : for people
    """

    by: str
    segment: str
    product: str
    veto: bool = False
    boost: float = 0.0
    reason: str = ""
    note: str = ""
    editor: str = ""
    at: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what the edit is about."""
        return self.by, self.segment, self.product

    @property
    def said(self) -> tuple[bool, float, str, str]:
        """Return what the person filled in."""
        return self.veto, self.boost, self.reason, self.note

    @property
    def empty(self) -> bool:
        """Return whether nothing is filled in."""
        return self.said == (False, 0.0, "", "")

    def told(self) -> str:
        """Return the edit in words."""
        parts = ["vetoed"] if self.veto else []
        if self.boost:
            parts.append(f"counts for {abs(self.boost):.0%} {'more' if self.boost > 0 else 'less'}")
        return " and ".join(parts) or "remarked on"


COLUMNS = tuple(f.name for f in fields(Edit))


def guarded(text: str) -> str:
    """Return text for a CSV cell that no spreadsheet takes for a formula."""
    # Also where apostrophes stand before it already, so that taking one off gives back what was.
    return f"'{text}" if text.lstrip("'").startswith(_RISKY) else text


def unguarded(text: str) -> str:
    """Return what `guarded` was given."""
    return text[1:] if text.startswith("'") and text[1:].lstrip("'").startswith(_RISKY) else text


def for_spreadsheets(text: str) -> str:
    """Return text for a CSV cell for others: guarded, but for a number with its sign, such as a phone's."""
    return text if _SIGNED.fullmatch(text) else guarded(text)


def boost_of(value: object) -> float | None:
    """Return a boost that a person wrote, 0 for an empty cell; None where it is not allowed."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        # Where the comma stands before decimals, a CSV file of Excel has it.
        boost = float(value.replace(",", ".") if isinstance(value, str) else value)
    except ValueError:
        return None
    return boost if math.isfinite(boost) and LEAST_BOOST <= boost <= MOST_BOOST else None


def veto_of(value: object) -> bool | None:
    """Return whether a person wrote yes, an empty cell being no; None where it is not allowed."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return False
    return True if isinstance(value, str) and value.strip().casefold() == "yes" else None


def edits_text(edits: Iterable[Edit]) -> str:
    """Return edits as the text of worksheet.csv, in the order of what they are about."""
    lines = [_line(COLUMNS)]
    for edit in sorted(edits):
        row = asdict(edit) | {"veto": "yes" if edit.veto else "", "boost": f"{edit.boost:g}" if edit.boost else ""}
        lines.append(_line([row[c] if c == "boost" else guarded(row[c]) for c in COLUMNS]))
    return "".join(lines)


def _line(cells: Sequence[str]) -> str:
    """Return a line of CSV, with quotes also where only a carriage return asks for them."""
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()[:-2] + "\n"


def parse_edits(text: str, name: str = EDITS_FILE) -> tuple[Edit, ...]:
    """Return the edits of the text of worksheet.csv.

    Raises
    ------
    WorksheetInvalid
        A column is missing or strange, or a line has a value that is not allowed; all faults are told.
    """
    try:
        reader = csv.DictReader(StringIO(text, newline=""), strict=True)
        names = reader.fieldnames or []
        if sorted(names) != sorted(COLUMNS):
            raise WorksheetInvalid(
                f"{name}: columns are {', '.join(names) or 'none'}; must be {', '.join(COLUMNS)}. Restore the "
                f"file, or take the last reading back: rapport worksheet PROGRAM --undo"
            )
        edits: dict[tuple[str, str, str], Edit] = {}
        faults: list[str] = []
        for row in reader:
            edit = _edit_of(row, f"{name} line {reader.line_num}", faults)
            if edit is not None and edit.key in edits:
                faults.append(
                    f"{name} line {reader.line_num}: {edit.product!r} for {edit.by} {edit.segment!r} stands twice"
                )
            elif edit is not None:
                edits[edit.key] = edit
    except csv.Error as error:
        raise WorksheetInvalid(f"{name}: cannot be read - {error}; must be CSV. Save it anew.") from error
    if faults:
        raise WorksheetInvalid("\n".join([*faults[:50], "Mend the file, or read a worksheet anew."]))
    return tuple(sorted(edits.values()))


def _edit_of(row: Mapping[str, str | None], where: str, faults: list[str]) -> Edit | None:
    if None in row or None in row.values():
        faults.append(f"{where}: has more or fewer cells than the first line has columns")
        return None
    told = {c: unguarded(row[c] or "") for c in COLUMNS}
    before = len(faults)
    faults += [f"{where}: {c} is empty; must be given" for c in ("by", "segment", "product") if not told[c]]
    boost, veto = boost_of(told["boost"]), veto_of(told["veto"])
    if boost is None:
        faults.append(f"{where}: boost is {told['boost']!r}; must be a number in [{LEAST_BOOST:g}, {MOST_BOOST:g}]")
    if veto is None:
        faults.append(f"{where}: veto is {told['veto']!r}; must be yes or empty")
    if len(faults) > before:
        return None
    return Edit(**told | {"veto": bool(veto), "boost": float(boost or 0.0)})  # type: ignore[arg-type]


def read_edits(base: Path) -> tuple[Edit, ...]:
    """Return the edits in force in a programme's folder, none where nobody made any; raise WorksheetInvalid."""
    path = base / EDITS_FILE
    if not path.is_file():
        return ()
    try:
        return parse_edits((_text_of(path) or "").removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise WorksheetInvalid(f"{EDITS_FILE}: byte {error.start} is not UTF-8; must be CSV in UTF-8.") from error


@dataclass(frozen=True)
class Change:
    """What a reading does to the edits in force: `after` holds all of them."""

    after: tuple[Edit, ...]
    new: tuple[Edit, ...]
    changed: tuple[Edit, ...]
    cleared: tuple[Edit, ...]
    same: int

    @property
    def nothing(self) -> bool:
        """Return whether all stays as it was."""
        return not (self.new or self.changed or self.cleared)

    def counts(self) -> dict[str, int]:
        """Return how many edits are new, changed, cleared, the same, and in force afterwards."""
        return {
            "new": len(self.new),
            "changed": len(self.changed),
            "cleared": len(self.cleared),
            "same": self.same,
            "in_force": len(self.after),
        }


def merge_edits(in_force: Iterable[Edit], read: Iterable[Edit]) -> Change:
    """Return what the rows of a sheet do: a row with something sets its edit, an empty row clears it, others stay."""
    now = {e.key: e for e in in_force}
    new, changed, cleared, same = [], [], [], 0
    for edit in read:
        before = now.get(edit.key)
        if edit.empty:
            if before is not None:
                cleared.append(before)
                del now[edit.key]
        elif before is None:
            new.append(edit)
            now[edit.key] = edit
        elif before.said == edit.said:
            same += 1
        else:
            changed.append(edit)
            now[edit.key] = edit
    return Change(tuple(sorted(now.values())), tuple(new), tuple(changed), tuple(cleared), same)


def keep_change(store: Store, base: Path, change: Change, told: Mapping[str, Any]) -> int:
    """Put a change in force and on record; return the number of the reading.

    Parameters
    ----------
    told : mapping
        Who read what when, for the record: ``editor``, ``at``, ``file`` and the like.
    """
    path = base / EDITS_FILE
    before = _text_of(path)
    after = edits_text(change.after) if change.after else None
    number = 1 + max((r["number"] for r in readings(store)), default=0)
    record = {"number": number, "before": before, "after": after, "undone": None, **change.counts(), **told}
    # The record first: a reading that is killed in between can be taken back, and undoing finds nothing to undo.
    store.write_json(store.state / HISTORY / f"{number:04d}.json", record)
    _put(store, path, after)
    return number


def _text_of(path: Path) -> str | None:
    """Return the text of the file as it stands, None where there is none."""
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


def _put(store: Store, path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        store.write_text(path, text)


def readings(store: Store) -> list[dict[str, Any]]:
    """Return the records of all readings, oldest first."""
    return list(_records(store))


def _records(store: Store) -> Iterator[dict[str, Any]]:
    folder = store.state / HISTORY
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        yield store.read_json(path)


def undo_last(store: Store, base: Path, told: Mapping[str, Any]) -> dict[str, Any]:
    """Take the last reading that stands back; return its record.

    Raises
    ------
    LookupFailed
        There is none.
    WorksheetInvalid
        The file was changed by hand since, and undoing would lose that.
    """
    standing = [r for r in readings(store) if r["undone"] is None]
    if not standing:
        raise LookupFailed(f"{base}: no reading of a worksheet stands, so there is none to take back.")
    last, path = standing[-1], base / EDITS_FILE
    now = _text_of(path)
    if now not in (last["after"], last["before"]):
        raise WorksheetInvalid(
            f"{EDITS_FILE}: was changed by hand since the reading of {last['at']}; taking that back would lose the "
            f"change. Restore the file as it was, or go on from it."
        )
    _put(store, path, last["before"])
    store.write_json(store.state / HISTORY / f"{last['number']:04d}.json", last | {"undone": dict(told)})
    return last
