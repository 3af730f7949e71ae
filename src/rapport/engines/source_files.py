"""Finds a company's files and makes their bytes readable: suffix, encoding, delimiter, sheets.

Why it exists: what a file is must be settled once, before any value is judged, and said in words a person can
act on. No value is changed here beyond becoming text, and no row is dropped but blank lines.
"""

from __future__ import annotations

import csv
import hashlib
import math
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from rapport.core.errors import SourceMissing, SourceUnreadable, nearest
from rapport.engines.source_text import (
    CsvShape,
    csv_shape,
    distinct_names,
    find_encoding,
    first_bad,
    refuse_zeros,
    write_utf8,
)
from rapport.program.source import Origin, Source

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".xlsx")
"""What a source may be; the suffix decides, in any case of letters."""

ROW = "__row"
"""Name of the column that counts the data rows of a file from 1."""

_BLOCK = 1 << 20


def find_source(base: Path, path: str) -> Path:
    """Return the file a source points to, or the folder of Parquet files, relative to the folder of the programme.

    Raises
    ------
    SourceMissing
        There is no such file; the message names the nearest in its folder.
    """
    found = base / path
    if found.is_file() or parquet_parts(found):
        return found
    if found.is_dir():
        raise SourceMissing(
            f"source {path}: is a folder without Parquet files; must be a file, or a folder of Parquet files that "
            "are read one after the other. Name one file in it."
        )
    if not found.parent.is_dir():
        raise SourceMissing(f"source {path}: no such folder - {found.parent}. Mend the path, or put the file there.")
    there = sorted(p.name for p in found.parent.iterdir() if p.is_file() and suffix_of(p))
    close = nearest(found.name, there)
    listing = f"; the folder has: {', '.join(there[:20])}" if there else "; the folder has no data files"
    raise SourceMissing(f"source {path}: no such file{listing}.{close} Mend the path, or put the file there.")


def parquet_parts(path: Path) -> list[Path]:
    """Return the Parquet files of a folder in the order of their names; none where it is no folder."""
    if not path.is_dir():
        return []
    return sorted(p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(".parquet"))


def suffix_of(path: Path) -> str | None:
    """Return which of `SUFFIXES` a file has, or None; a folder of Parquet files has theirs."""
    if path.is_dir():
        return ".parquet" if parquet_parts(path) else None
    return next((s for s in sorted(SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(s)), None)


def known_suffix(path: Path, shown: str) -> str:
    """Return which of `SUFFIXES` a file has.

    Raises
    ------
    SourceUnreadable
        It has none of them.
    """
    suffix = suffix_of(path)
    if suffix is None:
        raise SourceUnreadable(
            f"source {shown}: has the suffix {path.suffix!r}; must be one of {', '.join(SUFFIXES)}. "
            "Save the file in one of these formats."
        )
    return suffix


def digest_source(base: Path, path: str | Origin) -> str:
    """Return the BLAKE2b digest (32 hex digits) of a source's bytes, read in blocks; of a database, of its rows.

    Of a folder, the names and sizes of its files belong to it.

    Raises
    ------
    SourceMissing
        There is no such file.
    """
    if not isinstance(path, str):
        from rapport.engines.database_source import digest_rows

        return digest_rows(path, base)
    digest = hashlib.blake2b(digest_size=16)
    found = find_source(base, path)
    parts = parquet_parts(found)
    for part in parts or [found]:
        if parts:
            digest.update(f"{part.name}\0{part.stat().st_size}\0".encode())
        with part.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def read_csv_shape(path: Path, source: Origin, wanted: tuple[str, ...] | None = None) -> CsvShape:
    """Return encoding, delimiter and columns of a CSV file (`rapport.engines.source_text`).

    Raises
    ------
    SourceUnreadable
        The file is empty, is not text, or its compression is damaged.
    """
    try:
        encoding = find_encoding(path, source)
        return csv_shape(path, encoding, source, wanted)
    except UnicodeError as error:
        place = first_bad(path, encoding) or (0, 1)
        raise SourceUnreadable(
            f"source {source.shown}: byte {place[0]:,} (line {place[1]:,}) is not text in {encoding}; every byte "
            "must be. Declare the right encoding, or mend the line."
        ) from error
    except (OSError, EOFError, csv.Error) as error:
        raise SourceUnreadable(
            f"source {source.shown}: is damaged - {error}; must be a whole file. Export or copy it again."
        ) from error


def utf8_of(path: Path, shape: CsvShape, source: Origin, target: Path) -> Path:
    """Return a file of the same text in UTF-8: itself, or `target`, which is then written.

    Raises
    ------
    SourceUnreadable
        Bytes are not text in the file's encoding, or a zero byte stands in it.
    """
    try:
        if shape.encoding == "utf-8" and source.encoding is None:
            refuse_zeros(path, source)
            return path
        write_utf8(path, shape.encoding, source, target)
    except (OSError, EOFError) as error:
        raise SourceUnreadable(
            f"source {source.shown}: is damaged - {error}; must be a whole file. Export or copy it again."
        ) from error
    return target


def read_excel(path: Path, source: Origin) -> pa.Table:
    """Return a sheet as text columns and `ROW`; the first row that is not blank holds the names.

    Dates become ISO text, whole numbers lose their decimals only where an id is read. Blank rows are left out
    and still counted, so `ROW` plus the row of the names is the row a person sees in the sheet.

    Raises
    ------
    SourceUnreadable
        The file is not a workbook or is damaged, or it has no such sheet, or the sheet is empty.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with warnings.catch_warnings():
            # What openpyxl warns of, such as missing styles, does not touch values.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                sheet = _sheet(book, source)
                sheet.reset_dimensions()
                return _excel_table(sheet.iter_rows(values_only=True), source.shown, decimal_comma(source))
            finally:
                book.close()
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError, EOFError, SyntaxError) as error:
        raise SourceUnreadable(
            f"source {source.shown}: cannot be read as an Excel workbook - {error}; must be a whole .xlsx file. "
            "Save it again from Excel, or as CSV."
        ) from error


def _sheet(book: Any, source: Origin) -> Any:
    names = [sheet.title for sheet in book.worksheets]
    wanted = source.sheet if source.sheet is not None else next(iter(names), "")
    if wanted not in names:
        raise SourceUnreadable(
            f"source {source.shown}: has no sheet {wanted!r}; it has: {', '.join(names)}.{nearest(wanted, names)} "
            "Mend the name of the sheet."
        )
    return book[wanted]


def _excel_table(rows: Iterator[tuple[Any, ...]], shown: str, comma: bool) -> pa.Table:
    header: tuple[Any, ...] = next((r for r in rows if any(v is not None for v in r)), ())
    if not header:
        raise SourceUnreadable(
            f"source {shown}: the sheet is empty; must begin with the names of its columns. Name another sheet."
        )
    names = distinct_names([cell_text(v) or "" for v in header])
    schema = pa.schema([(ROW, pa.int64()), *((n, pa.string()) for n in names)])
    width = len(names)
    batches, held = [], []
    for number, row in enumerate(rows, start=1):
        if all(v is None for v in row):
            continue
        cells = [cell_text(v, comma) for v in row[:width]]
        held.append([number, *cells, *([None] * (width - len(cells)))])
        if len(held) == 20_000:
            batches.append(_batch(held, schema))
            held = []
    return pa.Table.from_batches([*batches, _batch(held, schema)], schema)


def _batch(rows: list[list[Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else [[] for _ in schema]
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def decimal_comma(source: Origin) -> bool:
    """Return whether numbers of the source that are written as text have a decimal comma."""
    return isinstance(source, Source) and source.decimal == ","


def cell_text(value: Any, comma: bool = False) -> str | None:
    """Return a value of a sheet or a database as the text that a CSV file would have; None where there is none."""
    if value is None:
        return None
    if comma and isinstance(value, float) and math.isfinite(value):
        # A number of the sheet itself, written as the numbers that the sheet holds as text are.
        return format(Decimal(repr(value)), "f").removesuffix(".0").replace(".", ",")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value)
