"""Judge a worksheet that comes back from people: every cell is checked, every fault told by its cell.

Why it exists: a wrong edit must not steer anything, and a person with a thousand rows must find it. Nothing is taken
over where one cell is wrong. Files are read elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rapport.core.errors import WorksheetInvalid, nearest
from rapport.workflows.worksheet_columns import HEADS, NEEDED, row_key
from rapport.workflows.worksheet_edits import LEAST_BOOST, LONGEST_TEXT, MOST_BOOST, Edit, boost_of, veto_of

MOST_NAMED = 12
"""Of more allowed names only the number is told."""

MOST_COMPARED = 20_000
"""Among more names nothing near is looked for."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its value, and whether that is a formula."""

    value: object
    formula: bool = False


@dataclass(frozen=True)
class Cells:
    """The cells of a file.

    file : its name; sheet : the sheet's, None for CSV
    heads : the first row; rows : the number of each further row, as people see it, and its cells
    about : what the sheet says it is of, empty where it does not
    """

    file: str
    sheet: str | None
    heads: Sequence[str]
    rows: Iterator[tuple[int, list[Cell]]]
    about: Mapping[str, str]

    def place(self, number: int, column: int) -> str:
        """Return what people call a cell."""
        if self.sheet is None:
            return f"{self.file} line {number}, column {self.heads[column]}"
        return f'sheet "{self.sheet}", cell {letters(column)}{number}'


def letters(column: int) -> str:
    """Return what Excel calls a column, counted from 0: A to Z, AA, AB and so on."""
    told = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        told = chr(ord("A") + rest) + told
    return told


@dataclass(frozen=True)
class Names:
    """What rows may be about: the program's name, segments by grouping, products; shown as cells hold them."""

    program: str
    segments: Mapping[str, Mapping[str, str]]
    products: Mapping[str, str]


@dataclass
class _Reading:
    """One reading: where columns are, what was found so far."""

    cells: Cells
    names: Names
    editor: str
    at: str
    column: dict[str, int]
    faults: list[str] = field(default_factory=list)
    seen: dict[tuple[str, str, str], int] = field(default_factory=dict)
    strange_keys: int = 0
    keys: int = 0

    def fault(self, number: int, column: str, told: str) -> None:
        """Note a fault of a cell."""
        self.faults.append(f"{self.cells.place(number, self.column[column])}: {told}")


def read_rows(cells: Cells, names: Names, editor: str, at: str) -> list[Edit]:
    """Return an edit for each row of a sheet, empty ones too, in the order of the sheet.

    Raises
    ------
    WorksheetInvalid
        The sheet is of another programme or lacks a column, or cells are wrong: all of them are told.
    """
    _refuse_stranger(cells, names)
    column = _columns(cells)
    reading = _Reading(cells, names, editor, at, column)
    edits = []
    for number, row in cells.rows:
        edit = _edit_of(reading, number, row)
        if edit is not None:
            edits.append(edit)
    if reading.keys and reading.strange_keys == reading.keys:
        raise WorksheetInvalid(
            f"{cells.file}: no row key fits the programme {names.program!r}; the sheet is of another programme, or "
            f"by, segment or product were changed in every row. Read it with the programme it was written for."
        )
    if reading.faults:
        many = "1 fault" if len(reading.faults) == 1 else f"{len(reading.faults)} faults"
        raise WorksheetInvalid("\n".join([f"{cells.file}: {many}; nothing was taken over.", *reading.faults]))
    return edits


def _refuse_stranger(cells: Cells, names: Names) -> None:
    told = cells.about.get("programme")
    if told is not None and told != names.program:
        raise WorksheetInvalid(
            f'{cells.file}, sheet "about": is of the programme {told!r}; this programme is {names.program!r}. Read '
            f"it with the programme it was written for."
        )


def _columns(cells: Cells) -> dict[str, int]:
    """Return where each column that is needed is; raise WorksheetInvalid where one is missing or stands twice."""
    faults, column = [], {}
    for needed in NEEDED:
        at = [i for i, head in enumerate(cells.heads) if head.strip().casefold() == needed.head]
        if len(at) == 1:
            column[needed.name] = at[0]
        elif at:
            told = " and ".join(letters(i) for i in at)
            faults.append(
                f"{cells.file}: column {needed.head!r} stands twice, in {told}; must stand once. Remove one."
            )
        else:
            there = [h for h in cells.heads if h]
            faults.append(
                f"{cells.file}: column {needed.head!r} is missing; there are: {', '.join(there) or 'none'}."
                f"{nearest(needed.head, [h for h in there if h not in HEADS])} Restore it in the first row."
            )
    if faults:
        raise WorksheetInvalid("\n".join(faults))
    return column


def _edit_of(reading: _Reading, number: int, row: list[Cell]) -> Edit | None:
    """Return the edit of a row, None where the row is blank or wrong."""
    at = reading.column
    mine = {name: row[i] if i < len(row) else Cell(None) for name, i in at.items()}
    if all(_blank(c) for c in mine.values()):
        return None
    before = len(reading.faults)
    for name in (n for n, c in mine.items() if c.formula):
        told = f"{_word(name)} is the formula {str(mine[name].value)!r}; must be a value."
        reading.fault(number, name, f"{told} Type the value itself.")
    said = _said(reading, number, mine)
    key = _key_of(reading, number, mine)
    if key is None or len(reading.faults) > before:
        return None
    is_vetoed, share, reason, note = said
    return Edit(*key, is_vetoed, share, reason, note, reading.editor, reading.at)


def _said(reading: _Reading, number: int, mine: Mapping[str, Cell]) -> tuple[bool, float, str, str]:
    """Return what a person filled in: veto, boost, reason, note."""
    boost, veto = boost_of(mine["boost"].value), veto_of(mine["veto"].value)
    if boost is None and not mine["boost"].formula:
        allowed = f"must be a number in [{LEAST_BOOST:g}, {MOST_BOOST:g}]. Give 0.5 for half as much again."
        reading.fault(number, "boost", f"boost is {_told(mine['boost'])}; {allowed}")
    if veto is None and not mine["veto"].formula:
        told = f"veto is {_told(mine['veto'])}; must be yes or empty. Empty it to lift the veto."
        reading.fault(number, "veto", told)
    texts = []
    for name in ("reason", "note"):
        text = " ".join(_text(mine[name]).split())
        if len(text) > LONGEST_TEXT:
            told = f"{name} has {len(text):,} characters; at most {LONGEST_TEXT} are kept. Shorten it."
            reading.fault(number, name, told)
        texts.append(text)
    return bool(veto), float(boost or 0.0), texts[0], texts[1]


def _word(name: str) -> str:
    return name.replace("_", " ")


def _blank(cell: Cell) -> bool:
    return cell.value is None or (isinstance(cell.value, str) and not cell.value.strip())


def _text(cell: Cell) -> str:
    """Return a cell as text; whole numbers without decimals, since Excel makes numbers of ids that are retyped."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _told(cell: Cell) -> str:
    value = cell.value
    if isinstance(value, bool):
        return str(value).upper()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _key_of(reading: _Reading, number: int, mine: Mapping[str, Cell]) -> tuple[str, str, str] | None:
    """Return what a row is about, None where that is wrong."""
    names = reading.names
    shown = {name: _text(mine[name]) for name in ("by", "segment", "product")}
    before = len(reading.faults)
    segments = names.segments.get(shown["by"])
    _check_name(reading, number, "by", shown["by"], list(names.segments))
    if segments is not None:
        _check_name(reading, number, "segment", shown["segment"], segments)
    _check_name(reading, number, "product", shown["product"], names.products)
    if segments is None or len(reading.faults) > before:
        return None
    key = shown["by"], segments[shown["segment"]], names.products[shown["product"]]
    if key in reading.seen:
        told = f'"{shown["product"]}" for {key[0]} "{shown["segment"]}" stands in row {reading.seen[key]} already'
        reading.fault(number, "product", f"{told}; must stand once. Remove one of the rows.")
        return None
    reading.seen[key] = number
    return key if _fits(reading, number, mine["row_key"], key, shown) else None


def _check_name(
    reading: _Reading, number: int, column: str, value: str, known: Mapping[str, str] | list[str]
) -> None:
    if value in known:
        return
    some = list(known)
    few = f"must be one of: {', '.join(some)}."
    allowed = few if len(some) <= MOST_NAMED else f"must be one of the {len(some):,} that are known."
    told = f'{column} is "{value}"' if value else f"{column} is empty"
    near = nearest(value, some) if value and len(some) <= MOST_COMPARED else ""
    reading.fault(number, column, f"{told}; {allowed}{near} Restore it, or remove the row.")


def _fits(reading: _Reading, number: int, cell: Cell, key: tuple[str, str, str], shown: Mapping[str, str]) -> bool:
    """Return whether a row is about what it was written for; a row without a key is a person's own."""
    told = _text(cell)
    if not told:
        return True
    reading.keys += 1
    if told == row_key(reading.names.program, *key):
        return True
    reading.strange_keys += 1
    told = f'does not fit {shown["by"]} "{shown["segment"]}", product "{shown["product"]}": one of them was changed.'
    reading.fault(number, "row_key", f"{told} Restore them, or empty the row key to make it a row of your own.")
    return False
