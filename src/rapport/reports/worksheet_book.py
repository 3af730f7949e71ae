"""Write a worksheet for people: an Excel workbook with coloured cells to edit, drop-downs and a map, or a CSV file.

Why it exists: people edit in the tool they have. Text that a customer or a supplier could have written is stored as
text, never as a formula. Nothing is computed here.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from typing import Any

from rapport.core.errors import TargetExists, WorksheetInvalid
from rapport.workflows.worksheet_columns import (
    ABOUT_SHEET,
    COLUMNS,
    HOW_TO,
    MAP_SHEET,
    MOST_ROWS,
    SHEET,
    Column,
    Matrix,
    Worksheet,
    shown,
)
from rapport.workflows.worksheet_edits import LEAST_BOOST, MOST_BOOST, guarded

SUFFIXES = (".xlsx", ".csv")
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")
_FORMATS = {"count": "#,##0", "share": "0.0%", "probability": "0.0000", "money": "#,##0.0000"}
_TO_EDIT, _HEAD, _LOCKED = "FFF2CC", "1F4E78", "F2F2F2"
_TOLD = 1_000


def refuse_target(path: Path) -> None:
    """Raise where a worksheet cannot be written to a path.

    Raises
    ------
    WorksheetInvalid
        The name ends neither in .xlsx nor in .csv.
    TargetExists
        The file is there: it may hold what people filled in.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise WorksheetInvalid(f"--out: {path.name} ends in {path.suffix!r}; must end in {' or '.join(SUFFIXES)}.")
    if path.exists():
        raise TargetExists(
            f"{path}: is there already and may hold edits; nothing is written over. Name another file."
        )
    if not path.parent.is_dir():
        raise WorksheetInvalid(f"--out: {path.parent} is no folder; must be there. Make it first.")


def write_worksheet(path: Path, sheet: Worksheet, advance: Callable[[int], None] = lambda _: None) -> int:
    """Write a worksheet, whole or not at all; return how many rows it has. `advance` is told of rows written."""
    refuse_target(path)
    if sheet.count > MOST_ROWS:
        raise WorksheetInvalid(
            f"worksheet: has {sheet.count:,} rows; a sheet of Excel holds {MOST_ROWS:,}. Ask for less."
        )
    part = path.with_name(f".{path.name}.part")
    write = _write_csv if path.suffix.lower() == ".csv" else _write_book
    try:
        count = write(part, sheet, advance)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _write_csv(path: Path, sheet: Worksheet, advance: Callable[[int], None]) -> int:
    count = 0
    # With a mark of its encoding, by which Excel knows UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([c.head for c in COLUMNS])
        for row in sheet.rows:
            writer.writerow([_plain(v) for v in row])
            count += 1
            if count % _TOLD == 0:
                advance(_TOLD)
    advance(count % _TOLD)
    return count


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return guarded(shown(value)) if isinstance(value, str) else value


class _Cells:
    """Makes cells with one style for each kind of column."""

    def __init__(self, sheet: Any) -> None:
        from openpyxl.cell import WriteOnlyCell

        self._sheet, self._make = sheet, WriteOnlyCell
        self._styles: dict[tuple[str, bool], Any] = {}

    def _style(self, kind: str, quoted: bool) -> Any:
        from openpyxl.styles import Alignment, Border, PatternFill, Protection, Side

        if (kind, quoted) not in self._styles:
            cell = self._make(self._sheet)
            if kind == "edit":
                line = Side(style="thin", color="BF9000")
                cell.fill = PatternFill("solid", fgColor=_TO_EDIT)
                cell.border = Border(left=line, right=line, top=line, bottom=line)
                cell.protection = Protection(locked=False)
            elif kind in ("key", "check"):
                cell.fill = PatternFill("solid", fgColor=_LOCKED)
            if kind in _FORMATS:
                cell.number_format = _FORMATS[kind]
            else:
                cell.alignment = Alignment(vertical="top")
            # Excel takes what is typed anew for text as well.
            cell.quotePrefix = quoted
            self._styles[kind, quoted] = copy(cell._style)
        return self._styles[kind, quoted]

    def of(self, value: Any, kind: str) -> Any:
        """Return a cell; text stays text, whatever it begins with."""
        if value is None and kind not in ("edit", "key", "check"):
            return None
        cell = self._make(self._sheet)
        quoted = False
        if isinstance(value, str):
            # Set past the property, which would take what begins with = for a formula.
            cell._value, cell.data_type = shown(value), "s"
            quoted = value.startswith(_RISKY)
        else:
            cell._value, cell.data_type = value, "n"
        # One style for many cells: nothing changes it once it is made.
        cell._style = self._style(kind, quoted)
        return cell

    def head(self, text: str, comment: str | None = None, to_edit: bool = False) -> Any:
        """Return a cell at the head of a column."""
        from openpyxl.comments import Comment
        from openpyxl.styles import Alignment, Font, PatternFill

        cell = self._make(self._sheet)
        cell._value, cell.data_type = shown(text), "s"
        cell.fill = PatternFill("solid", fgColor="BF9000" if to_edit else _HEAD)
        cell.font = Font(bold=True, color="FFFFFF")
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        if comment is not None:
            cell.comment = Comment(comment, "Rapport", height=110, width=300)
        return cell


def _write_book(path: Path, sheet: Worksheet, advance: Callable[[int], None]) -> int:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    count = _write_rows(book.create_sheet(SHEET), sheet, advance)
    _write_maps(book.create_sheet(MAP_SHEET), sheet.maps)
    _write_about(book.create_sheet(ABOUT_SHEET), sheet)
    book.save(path)
    return count


def _letter(number: int) -> str:
    from openpyxl.utils import get_column_letter

    letter: str = get_column_letter(number)
    return letter


def _write_rows(page: Any, sheet: Worksheet, advance: Callable[[int], None]) -> int:
    for number, column in enumerate(COLUMNS, start=1):
        page.column_dimensions[_letter(number)].width = column.width
    page.freeze_panes = f"{_letter(1 + sum(c.kind == 'key' for c in COLUMNS))}2"
    last = sheet.count + 1
    page.auto_filter.ref = f"A1:{_letter(len(COLUMNS))}{max(last, 2)}"
    _add_checks(page, max(last, 2))
    cells = _Cells(page)
    page.append([cells.head(c.head, _meaning(c, sheet.currency), c.kind == "edit") for c in COLUMNS])
    count = 0
    for row in sheet.rows:
        page.append([cells.of(v, c.kind) for v, c in zip(row, COLUMNS, strict=True)])
        count += 1
        if count % _TOLD == 0:
            advance(_TOLD)
    advance(count % _TOLD)
    return count


def _meaning(column: Column, currency: str) -> str:
    return f"{column.meaning} In {currency}." if column.kind == "money" else column.meaning


def _add_checks(page: Any, last: int) -> None:
    """Add the drop-down of vetoes and the bounds of boosts; some rows more, for rows that people add."""
    from openpyxl.worksheet.datavalidation import DataValidation

    names = [c.name for c in COLUMNS]
    veto = DataValidation("list", formula1='"yes"', allow_blank=True, showErrorMessage=True)
    veto.error, veto.errorTitle = "yes, or empty", "veto"
    boost = DataValidation(
        "decimal", operator="between", formula1=f"{LEAST_BOOST:g}", formula2=f"{MOST_BOOST:g}", allow_blank=True
    )
    boost.showErrorMessage, boost.showInputMessage = True, True
    boost.error, boost.errorTitle = f"A number from {LEAST_BOOST:g} to {MOST_BOOST:g}, or empty", "boost"
    boost.prompt, boost.promptTitle = "0.5 is half as much again, -0.5 half as much", "boost"
    for check, name in ((veto, "veto"), (boost, "boost")):
        letter = _letter(names.index(name) + 1)
        check.add(f"{letter}2:{letter}{min(last + 1_000, MOST_ROWS + 1)}")
        page.data_validations.append(check)


def _write_maps(page: Any, maps: tuple[Matrix, ...]) -> None:
    from openpyxl.formatting.rule import ColorScaleRule

    cells = _Cells(page)
    widest = max((len(m.departments) for m in maps), default=0)
    page.column_dimensions["A"].width = 24
    for number in range(2, widest + 2):
        page.column_dimensions[_letter(number)].width = 13
    page.freeze_panes = "B1"
    line = 1
    for matrix, colour in zip(maps, ("63BE7B", "F8A15A"), strict=False):
        page.append([cells.of(f"{matrix.title}: {matrix.meaning}", "text")])
        page.append([cells.head("segment"), *(cells.head(d) for d in matrix.departments)])
        for segment, shares in zip(matrix.segments, matrix.share, strict=True):
            page.append([cells.of(segment, "key"), *(cells.of(v, "share") for v in shares)])
        page.append([])
        first, last = line + 2, line + 1 + len(matrix.segments)
        if last >= first and matrix.departments:
            area = f"B{first}:{_letter(len(matrix.departments) + 1)}{last}"
            rule = ColorScaleRule("num", 0, "FFFFFF", end_type="max", end_color=colour)
            page.conditional_formatting.add(area, rule)
        line = last + 2


def _write_about(page: Any, sheet: Worksheet) -> None:
    page.column_dimensions["A"].width = 16
    page.column_dimensions["B"].width = 100
    page.protection.sheet = True
    cells = _Cells(page)
    for row in _about_rows(sheet):
        page.append([cells.of(v, "text") for v in row])


def _about_rows(sheet: Worksheet) -> Iterator[tuple[str, str]]:
    yield from sheet.about
    yield "", ""
    for number, line in enumerate(HOW_TO):
        yield ("how to edit" if number == 0 else ""), line
    yield "", ""
    yield "columns", ""
    for column in COLUMNS:
        yield column.head, _meaning(column, sheet.currency)
