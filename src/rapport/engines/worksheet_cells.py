"""Read the cells of a worksheet that comes back from people: an Excel workbook or a CSV file.

Why it exists: a fault must be told by its cell, and a formula must be known from a value. What cells mean, and
whether they are right, is not known here.
"""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from rapport.core.errors import WorksheetInvalid, nearest
from rapport.workflows.worksheet_columns import ABOUT_SHEET, SHEET
from rapport.workflows.worksheet_edits import unguarded
from rapport.workflows.worksheet_read import Cell, Cells

_HEADS_WITHIN = 1_000
"""Columns looked at in the first row; a sheet of ours has far fewer."""


def read_cells(path: Path) -> Cells:
    """Return the cells of a worksheet's file.

    Raises
    ------
    WorksheetInvalid
        There is no such file, or it is neither a workbook with a sheet of that name nor CSV in UTF-8.
    """
    if not path.is_file():
        raise WorksheetInvalid(f"{path}: there is no such file. Give the .xlsx or .csv that was edited.")
    if path.suffix.lower() == ".csv":
        return _csv_cells(path)
    if path.suffix.lower() != ".xlsx":
        raise WorksheetInvalid(
            f"{path.name}: ends in {path.suffix!r}; must be .xlsx or .csv. Save it as one of them."
        )
    return _book_cells(path)


def _csv_cells(path: Path) -> Cells:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
        dialect: Any = _dialect(text)
        reader = csv.reader(StringIO(text, newline=""), dialect, strict=True)
        # A cell of several lines ends further down; the line it ends on is what editors show next to the cursor.
        lines = [(reader.line_num, [Cell(unguarded(v) or None) for v in row]) for row in reader]
    except UnicodeDecodeError as error:
        raise WorksheetInvalid(
            f"{path.name}: byte {error.start} is not UTF-8; must be CSV in UTF-8. In Excel: Save as, CSV UTF-8."
        ) from error
    except csv.Error as error:
        raise WorksheetInvalid(f"{path.name}: cannot be read - {error}; must be CSV. Save it anew.") from error
    if not lines:
        raise WorksheetInvalid(f"{path.name}: is empty; must begin with the names of the columns.")
    heads = [str(c.value or "") for c in lines[0][1]]
    return Cells(path.name, None, heads, iter(lines[1:]), {})


def _dialect(text: str) -> type[csv.Dialect]:
    """Return how a file is delimited: Excel writes semicolons where the comma stands before decimals."""
    first = text.partition("\n")[0]

    class Found(csv.excel):
        delimiter = max(",;\t", key=first.count)

    return Found


def _book_cells(path: Path) -> Cells:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    faults = (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError, EOFError, SyntaxError)
    try:
        with warnings.catch_warnings():
            # What openpyxl warns of, such as drop-downs it does not know, does not touch values.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(path, read_only=True, data_only=False)
            try:
                return _cells_of(book, path.name)
            finally:
                book.close()
    except faults as error:
        raise WorksheetInvalid(
            f"{path.name}: cannot be read as an Excel workbook - {error}; must be a whole .xlsx file. Save it again."
        ) from error


def _cells_of(book: Any, name: str) -> Cells:
    names = [sheet.title for sheet in book.worksheets]
    if SHEET not in names:
        raise WorksheetInvalid(
            f"{name}: has no sheet {SHEET!r}; it has: {', '.join(names)}.{nearest(SHEET, names)} "
            f"Give the sheet its name back."
        )
    about: dict[str, str] = {}
    if ABOUT_SHEET in names:
        for row in book[ABOUT_SHEET].iter_rows(max_col=2, max_row=40, values_only=True):
            if len(row) == 2 and row[0] and row[1] is not None:
                about.setdefault(str(row[0]), str(row[1]))
    page = book[SHEET]
    page.reset_dimensions()
    rows = page.iter_rows()
    heads = ["" if c.value is None else str(c.value).strip() for c in next(rows, ())][:_HEADS_WITHIN]
    # All is read now: the file is closed again before anything is judged.
    return Cells(name, SHEET, heads, iter(list(_lines(rows, len(heads)))), about)


def _lines(rows: Iterator[tuple[Any, ...]], width: int) -> Iterator[tuple[int, list[Cell]]]:
    for number, row in enumerate(rows, start=2):
        cells = [Cell(c.value, c.data_type == "f") for c in row[:width]]
        if any(c.value is not None for c in cells):
            yield number, cells
