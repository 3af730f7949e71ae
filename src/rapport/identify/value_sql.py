"""SQL that reads one value of a company's file by the rule of its kind, or gives NULL where it cannot.

Why it exists: every value is judged once, by one rule for its kind, whatever the type of the file's column.
Only SQL text is made here.

The rules of the kinds (`rapport.core.tables.ColumnKind`):

- ``id``: trimmed text; a number without decimals loses a trailing ``.0``; empty is missing, below zero is bad.
- ``time``: an instant; an offset in the value is honoured, else the value is in the source's zone. An hour that a
  change of clocks skips or repeats is read as ICU reads it: moved on by the gap, or the later of the two.
- ``day``: a date; of a time with an offset, the date in the programme's zone.
- ``money``: whole micros, halves to even; from text by way of twelve exact decimals, from floats by one product.
- ``number``: a finite double. ``text``: trimmed, empty is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from rapport.core.errors import SourceUnreadable

LONGEST_VALUE = 2_000_000
"""Bytes of a value: as many as a whole row of a CSV file may have."""

DATE_FORMATS = {
    "%Y-%m-%d": "[0-9]{4}-",
    "%Y/%m/%d": "[0-9]{4}/",
    "%Y%m%d": "[0-9]{8}",
    "%d.%m.%Y": "[0-9]{1,2}[.]",
}
"""How a date may be written, and how such a value begins (a regular expression).

With slashes and the year last it is not read: 03/04 is two days.
"""

CLOCK_FORMATS = (" %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %H%M%S")
"""How a time of day may follow, after a blank or T; an offset may end it: ``Z``, ``+02``, ``+0200``, ``+02:00``."""

EARLIEST, LATEST = "1900-01-01", "9999-12-31"
"""Days outside are taken for slips of the pen, such as the year 17."""

LARGEST_AMOUNT = 1_000_000_000_000
"""Amounts beyond this many units do not fit int64 micros when a few are added up."""

_SPACE = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?)?"
_SMALL = r"[+-]?[0-9]{1,9}([.][0-9]{0,6})?"
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_COMMA_NUMBER = r"[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)?(,[0-9]*)?"
_OFFSET = r"[T ][0-9:.]+ ?([Zz]|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$"


@dataclass(frozen=True)
class Cell:
    """One column of a file as it fills one of Rapport's; `position` numbers the cells of a source from 0.

    `comma` says that numbers written as text have a decimal comma, and dots, if any, between thousands.
    """

    position: int
    column: str
    file_column: str
    kind: str
    required: bool
    unlocks: str
    family: str
    comma: bool = False

    @property
    def held(self) -> str:
        """Name of the value as it stands, NULL where it is empty."""
        return f"c{self.position}"

    @property
    def value(self) -> str:
        """Name of the value as it was read, NULL where it cannot be."""
        return f"v{self.position}"


def family_of(kind: pa.DataType) -> str:
    """Return the family of a column's type, by which its values are read."""
    if pa.types.is_integer(kind):
        return "whole"
    if pa.types.is_floating(kind):
        return "float"
    if pa.types.is_decimal(kind):
        return "decimal"
    if pa.types.is_timestamp(kind):
        return "clock" if kind.tz is None else "instant"
    return "date" if pa.types.is_date(kind) else "text"


def quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def unusable_sql(cells: Sequence[Cell]) -> str:
    """Return SQL for the first row whose text has a zero byte (z and the cell's position) or is too long (l)."""
    zero = "min(__row) FILTER (WHERE contains({0}, chr(0))) AS z{1}"
    long = "min(__row) FILTER (WHERE strlen({0}) > {2}) AS l{1}"
    none = "CAST(NULL AS BIGINT) AS z{1}, CAST(NULL AS BIGINT) AS l{1}"
    return ", ".join(
        (f"{zero}, {long}" if c.family == "text" else none).format(c.held, c.position, LONGEST_VALUE) for c in cells
    )


def refuse_unusable(shown: str, cells: Sequence[Cell], found: Mapping[str, Any]) -> None:
    """Raise SourceUnreadable where `unusable_sql` found something."""
    for cell in cells:
        zero, long = found[f"z{cell.position}"], found[f"l{cell.position}"]
        if zero is not None:
            raise zero_byte(shown, cell.file_column, zero)
        if long is not None:
            raise too_long(shown, cell.file_column, long)


def zero_byte(shown: str, column: str, row: int) -> SourceUnreadable:
    """Return the error for a zero byte in a text, which servers and terminals take for its end."""
    return SourceUnreadable(
        f"source {shown}: a zero byte stands in column {column!r}, row {row:,}; it is no text, or is damaged. "
        "Take it out there, and export it again."
    )


def too_long(shown: str, column: str, row: int) -> SourceUnreadable:
    """Return the error for a text that no person's record has."""
    return SourceUnreadable(
        f"source {shown}: the value in column {column!r}, row {row:,}, is longer than {LONGEST_VALUE:,} bytes; "
        "must be shorter. Shorten it there, and export it again."
    )


def held_sql(cell: Cell) -> str:
    """Return SQL for the value as it stands: text trimmed, NULL where nothing is there."""
    raw = quoted(cell.file_column)
    if cell.family == "text" or (cell.family == "decimal" and cell.kind in {"id", "text"}):
        text = f"CAST({raw} AS VARCHAR)"
        # Trimming a set of characters is slow, and few values need it.
        edge = f"regexp_matches({text}, '^[\\s\\x{{A0}}]|[\\s\\x{{A0}}]$')"
        return f"nullif(CASE WHEN {edge} THEN trim({text}, {_SPACE}) ELSE {text} END, '')"
    if cell.family == "float" and cell.kind in {"id", "text"}:
        # Files written from floats hold NaN where an id or a word is missing.
        return f"CASE WHEN isfinite({raw}) THEN {raw} END"
    return raw


def value_sql(cell: Cell) -> str:
    """Return SQL for the value as it is read from `Cell.held`, NULL where it cannot be; binds $zone and $home."""
    held = cell.held
    if cell.kind == "id":
        return _id_sql(cell)
    if cell.kind == "text":
        return _plain_text_sql(cell)
    if cell.kind in {"time", "day"}:
        return _time_sql(cell) if cell.kind == "time" else _day_sql(cell)
    if cell.family in {"clock", "instant", "date"}:
        return "CAST(NULL AS BIGINT)"
    if cell.kind == "money":
        return _money_sql(cell)
    held = _figures_sql(cell)
    number = f"TRY_CAST({held} AS DOUBLE)"
    if cell.family == "text":
        number = f"CASE WHEN regexp_full_match({held}, '{_NUMBER}') THEN {number} END"
    return number


def _figures_sql(cell: Cell) -> str:
    """Return SQL for the text of a number with a decimal point, NULL where it is not written as declared."""
    if not (cell.comma and cell.family == "text"):
        return cell.held
    plain = f"replace(replace({cell.held}, '.', ''), ',', '.')"
    return f"(CASE WHEN regexp_full_match({cell.held}, '{_COMMA_NUMBER}') THEN {plain} END)"


def _money_sql(cell: Cell) -> str:
    held = _figures_sql(cell)
    product = f"CAST(round_even(CAST({held} AS DOUBLE) * 1000000, 0) AS BIGINT)"
    if cell.family == "float":
        return f"CASE WHEN {held} BETWEEN -{LARGEST_AMOUNT} AND {LARGEST_AMOUNT} THEN {product} END"
    decimal = f"TRY_CAST({held} AS DECIMAL(38, 12))"
    bounded = f"{decimal} BETWEEN -{LARGEST_AMOUNT} AND {LARGEST_AMOUNT}"
    exact = f"CAST(round_even({decimal} * 1000000, 0) AS BIGINT)"
    if cell.family != "text":
        return f"CASE WHEN {bounded} THEN {exact} END"
    # Nine digits and six decimals: the product is off by less than a quarter of a micro, so the nearest whole
    # number is the exact one, at a tenth of the cost.
    return (
        f"CASE WHEN regexp_full_match({held}, '{_SMALL}') THEN {product} "
        f"WHEN regexp_full_match({held}, '{_NUMBER}') AND {bounded} THEN {exact} END"
    )


def _plain_text_sql(cell: Cell) -> str:
    held = cell.held
    if cell.family == "float":
        whole = f"{held} = floor({held}) AND abs({held}) < 1e18"
        return f"CASE WHEN {whole} THEN CAST(CAST({held} AS HUGEINT) AS VARCHAR) ELSE CAST({held} AS VARCHAR) END"
    return held if cell.family in {"text", "decimal"} else f"CAST({held} AS VARCHAR)"


def _id_sql(cell: Cell) -> str:
    held, plain = cell.held, _plain_text_sql(cell)
    if cell.family in {"whole", "float"}:
        return f"CASE WHEN {held} >= 0 THEN {plain} END"
    if cell.family in {"clock", "instant", "date"}:
        return plain
    return (
        f"CASE WHEN starts_with({held}, '-') AND TRY_CAST({held} AS DOUBLE) < 0 THEN NULL "
        f"WHEN contains({held}, '.') THEN regexp_replace({held}, '^([0-9]+)[.]0+$', '\\1') ELSE {held} END"
    )


def _parsed_sql(text: str, endings: Sequence[str]) -> str:
    cases = ""
    for day, begins in DATE_FORMATS.items():
        formats = ", ".join(f"'{day}{e}'" for e in endings)
        cases += f" WHEN regexp_matches({text}, '^{begins}') THEN try_strptime({text}, [{formats}])"
    return f"CASE{cases} END"


def _written_sql(cell: Cell) -> str:
    if cell.family != "text":
        return f"CAST(TRY_CAST({cell.held} AS BIGINT) AS VARCHAR)"
    # Nanoseconds are cut to the micros that an instant holds.
    blank = f"regexp_replace({cell.held}, '^([0-9./-]+)T', '\\1 ')"
    return f"regexp_replace({blank}, '([.][0-9]{{6}})[0-9]+', '\\1')"


def _naive_sql(cell: Cell) -> str:
    parsed = _parsed_sql(_written_sql(cell), ("", *CLOCK_FORMATS))
    if cell.family != "text":
        return parsed
    # The common way of writing has a faster reader, with the same result.
    fast = f"regexp_full_match({cell.held}, '{_ISO}')"
    return f"CASE WHEN {fast} THEN TRY_CAST({cell.held} AS TIMESTAMP) ELSE {parsed} END"


def _offset_sql(cell: Cell) -> str:
    zulu = f"regexp_replace({_written_sql(cell)}, ' ?(Z|z|UTC)$', '+00')"
    joined = f"regexp_replace({zulu}, ' ([+-][0-9:]+)$', '\\1')"
    return _parsed_sql(joined, [f"{c}%z" for c in CLOCK_FORMATS])


def _time_sql(cell: Cell) -> str:
    held = cell.held
    if cell.family == "instant":
        return f"CAST({held} AS TIMESTAMPTZ)"
    if cell.family in {"clock", "date"}:
        return f"timezone($zone, CAST({held} AS TIMESTAMP))"
    naive = f"timezone($zone, {_naive_sql(cell)})"
    if cell.family != "text":
        return naive
    return f"CASE WHEN regexp_matches({held}, '{_OFFSET}') THEN {_offset_sql(cell)} ELSE {naive} END"


def _day_sql(cell: Cell) -> str:
    held = cell.held
    if cell.family == "instant":
        return f"CAST(timezone($home, {held}) AS DATE)"
    if cell.family in {"clock", "date"}:
        return f"CAST({held} AS DATE)"
    naive = f"CAST({_naive_sql(cell)} AS DATE)"
    if cell.family != "text":
        return naive
    local = f"CAST(timezone($home, {_offset_sql(cell)}) AS DATE)"
    return f"CASE WHEN regexp_matches({held}, '{_OFFSET}') THEN {local} ELSE {naive} END"


def bounded_sql(cell: Cell) -> str:
    """Return SQL that keeps a value that was read only where it lies within what can be meant."""
    value = cell.value
    if cell.kind == "time":
        ends = f"TIMESTAMPTZ '{EARLIEST} 00:00:00+00' AND TIMESTAMPTZ '{LATEST} 00:00:00+00'"
        return f"CASE WHEN {value} BETWEEN {ends} THEN {value} END"
    if cell.kind == "day":
        return f"CASE WHEN {value} BETWEEN DATE '{EARLIEST}' AND DATE '{LATEST}' THEN {value} END"
    if cell.kind == "number":
        return f"CASE WHEN isfinite({value}) THEN {value} END"
    return value
