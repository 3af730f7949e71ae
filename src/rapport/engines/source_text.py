"""Makes the text of a CSV file readable whatever its encoding: finds it out, writes UTF-8, sniffs the layout.

Why it exists: what a file is must be settled once, before any value is judged. Nothing is replaced silently: bytes
that are not text in the file's encoding are an error that names their place.

Encodings: a byte order mark counts first, then what the programme declares, then UTF-8 where the whole file is valid
UTF-8, UTF-16 and UTF-32 where zero bytes stand as they do in them, and else what charset-normalizer finds most likely
in lines with letters beyond ASCII, of those encodings that companies' files have; where it finds none, Windows-1252,
and Latin-1 where that fails.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rapport.core.errors import SourceUnreadable
from rapport.program.source import Origin

_BLOCK = 1 << 20
_SAMPLE = 1 << 18
_DELIMITERS = (",", ";", "\t", "|")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIKELY = [
    "cp1252",
    "cp1250",
    "iso8859_2",
    "cp1251",
    "koi8_r",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "shift_jis",
    "euc_jp",
    "gb18030",
    "big5",
    "euc_kr",
    "cp437",
    "cp850",
    "mac_roman",
]
_CENTRAL = frozenset("áéíóúýčďěňřšťůžąćęłńóśźżäöüßőűľĺŕôăâîșțşţđ")
_LETTERS = {
    "cp1252": frozenset("äöüßéèêëàâçñáíóúîïôœæåøãõìòùûý€’‘“”–ª°´"),
    "cp1250": _CENTRAL | frozenset("€’‘“”–°´"),
    "iso8859_2": _CENTRAL,
    "cp1254": frozenset("çğıöşüâîûé€’‘“”–̇"),
}
"""Letters beyond ASCII that languages written in an encoding have often."""

_LINES = 200
_LONGEST = 2_000_000


@dataclass(frozen=True)
class CsvShape:
    """How the text of a CSV file is laid out.

    `encoding` as Python names it; `columns` made distinct; `skip` lines before the names of the columns; `header`
    says that the file names its columns.
    """

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    skip: int = 0
    header: bool = True


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, unpacked where it is packed by gzip."""
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def find_encoding(path: Path, source: Origin) -> str:
    """Return the encoding of a text file as Python names it; the whole file is looked at.

    Raises
    ------
    SourceUnreadable
        The declared encoding is not known, or the file is not text.
    """
    with open_bytes(path) as file:
        start = file.read(_SAMPLE)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if marked is not None:
        return marked
    if source.encoding is not None:
        return _known(source)
    wide = _wide(start)
    if wide is not None:
        return wide
    bad = first_bad(path, "utf-8")
    if bad is None:
        return "utf-8"
    _refuse_damaged_utf8(path, source, bad)
    return _guessed(path)


def _known(source: Origin) -> str:
    try:
        return codecs.lookup(source.encoding or "").name
    except LookupError as error:
        raise SourceUnreadable(
            f"source {source.shown}: encoding is {source.encoding!r}, which is not known; such as utf-8, cp1252, "
            "latin-1, utf-16, shift_jis. Name another, or leave it out."
        ) from error


def _wide(start: bytes) -> str | None:
    """Return the encoding of two or four bytes a letter that zero bytes of a sample tell, or None."""
    whole = start[: len(start) // 4 * 4]
    if len(whole) < 8 or whole.count(0) < len(whole) // 4:
        return None
    zeros = [whole[n::4].count(0) / (len(whole) / 4) for n in range(4)]
    if min(zeros[1:]) > 0.9:
        return "utf-32-le"
    if min(zeros[:3]) > 0.9:
        return "utf-32-be"
    if min(zeros[1], zeros[3]) > 0.3 and zeros[0] + zeros[2] < 0.1:
        return "utf-16-le"
    if min(zeros[0], zeros[2]) > 0.3 and zeros[1] + zeros[3] < 0.1:
        return "utf-16-be"
    return None


def first_bad(path: Path, encoding: str) -> tuple[int, int] | None:
    """Return offset and line, from 1, of the first byte that is not text in an encoding; None where all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset, line = 0, 1
    with open_bytes(path) as file:
        while True:
            block = file.read(_BLOCK)
            pending = decoder.getstate()[0]
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                whole = pending + block
                return offset - len(pending) + error.start, line + whole[: error.start].count(b"\n")
            if not block:
                return None
            offset += len(block)
            line += block.count(b"\n")


def _refuse_damaged_utf8(path: Path, source: Origin, bad: tuple[int, int]) -> None:
    """Refuse a file that is UTF-8 but for a few bytes: in another encoding almost everything would be wrong."""
    good = wrong = 0
    with open_bytes(path) as file:
        while block := file.read(_BLOCK):
            lenient = block.decode("utf-8", "replace")
            wrong += lenient.count("�")
            good += sum(1 for c in lenient if c > "\x7f") if not lenient.isascii() else 0
    good -= wrong
    if good > 20 * wrong:
        raise SourceUnreadable(
            f"source {source.shown}: byte {bad[0]:,} (line {bad[1]:,}) is not UTF-8, while the rest of the file is; "
            f"{wrong:,} such places. Mend them, or declare the file's encoding."
        )


def _guessed(path: Path) -> str:
    """Return the most likely encoding of one or two bytes a letter, judged by lines with letters beyond ASCII."""
    telling = _telling(path)
    for encoding in (_most_likely(telling), "cp1252"):
        if encoding and first_bad(path, encoding) is None:
            return encoding
    return "latin-1"


def _telling(path: Path) -> bytes:
    held, size = [], 0
    with open_bytes(path) as file:
        for line in file:
            if not line.isascii():
                held.append(line[:2_000])
                size += len(held[-1])
            if size > 1 << 16:
                break
    return b"".join(held)


def _most_likely(sample: bytes) -> str | None:
    from charset_normalizer import from_bytes

    found = from_bytes(sample, cp_isolation=_LIKELY, preemptive_behaviour=False, enable_fallback=False)
    best = found.best()
    if best is None:
        return None
    near = [name for m in found if m.chaos <= best.chaos + 0.05 for name in m.could_be_from_charset]
    if "cp1252" not in near:
        return best.encoding
    # Encodings of Europe give the same bytes to other letters: that of the West, by far the most frequent one, unless
    # another makes more of them letters that its languages have.
    shares = {
        name: _usual_letters(sample, name) for name in ("cp1252", "cp1250", "iso8859_2", "cp1254") if name in near
    }
    other = max(shares, key=lambda name: shares[name])
    return other if shares[other] > shares["cp1252"] + 0.05 else "cp1252"


def _usual_letters(sample: bytes, encoding: str) -> float:
    letters = [c for c in sample.decode(encoding, "ignore").casefold() if c > "\x7f"]
    return sum(c in _LETTERS[encoding] for c in letters) / len(letters) if letters else 0.0


def write_utf8(path: Path, encoding: str, source: Origin, target: Path) -> None:
    """Write a text file anew in UTF-8, block by block.

    Raises
    ------
    SourceUnreadable
        Bytes are not text in the encoding, or a zero character stands in the text; the message names the place.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with open_bytes(path) as file, target.open("wb") as out:
        while True:
            block = file.read(_BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                place = first_bad(path, encoding) or (error.start, line)
                raise SourceUnreadable(
                    f"source {source.shown}: byte {place[0]:,} (line {place[1]:,}) is not text in {encoding} - "
                    f"{error.reason}; every byte must be. Declare the right encoding, or mend the line."
                ) from error
            if "\0" in text:
                _refuse_zero(source, line + text[: text.index("\0")].count("\n"))
            line += text.count("\n")
            out.write(text.encode("utf-8"))
            if not block:
                return


def refuse_zeros(path: Path, source: Origin) -> None:
    """Raise SourceUnreadable where a zero byte stands in a text of UTF-8."""
    line = 1
    with open_bytes(path) as file:
        while block := file.read(_BLOCK):
            if b"\0" in block:
                _refuse_zero(source, line + block[: block.index(b"\0")].count(b"\n"))
            line += block.count(b"\n")


def _refuse_zero(source: Origin, line: int) -> None:
    raise SourceUnreadable(
        f"source {source.shown}: a zero byte stands in line {line:,}; it is no text, or is damaged. Save it as CSV "
        "in UTF-8."
    )


# Delimiter, lines before the names, names


def csv_shape(path: Path, encoding: str, source: Origin, wanted: tuple[str, ...] | None = None) -> CsvShape:
    """Return delimiter and columns of a CSV file of a known encoding.

    The delimiter, where the source does not say it, is the one of comma, semicolon, tab and bar by which the first
    lines, read with their quotation marks, have the names' number of fields most often. Lines of one field before a
    table of several are skipped. Where the mapping names ``column_1`` and the like, and the first line does not, the
    file has no names of its own. Empty names become ``column_3`` by their position; a repeated one gets a number:
    ``name_2``.

    Parameters
    ----------
    wanted : tuple of str, optional
        The columns that the mapping names; None where there is no mapping yet, and contents tell whether the first
        line is names.

    Raises
    ------
    SourceUnreadable
        The file is empty or has no first line, or it is longer than a line may be.
    """
    lines = _first_lines(path, encoding, source)
    rows_by = {d: _parsed(lines, d) for d in ((source.delimiter,) if source.delimiter else _DELIMITERS)}
    delimiter = max(rows_by, key=lambda d: _evenness(rows_by[d], lines[0] if lines else "", d))
    rows = rows_by[delimiter]
    first = _first_of_table(rows, wanted)
    names = rows[first] if rows else []
    if not any(name.strip() for name in names):
        raise SourceUnreadable(
            f"source {source.shown}: has no first line; must begin with the names of its columns. Export it again."
        )
    header = _has_names(rows[first:], wanted)
    skip = _lines_before(lines, delimiter, first)
    columns = distinct_names(names if header else [""] * len(names))
    return CsvShape(encoding, delimiter, columns, skip, header)


def _first_lines(path: Path, encoding: str, source: Origin) -> list[str]:
    """Return the first lines with what ends them, from the first that is not blank."""
    lines: list[str] = []
    size = 0
    with open_bytes(path) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="")
        while len(lines) < _LINES and size < _BLOCK:
            line = text.readline(_LONGEST)
            if not line:
                break
            if len(line) >= _LONGEST:
                raise SourceUnreadable(
                    f"source {source.shown}: line {len(lines) + 1:,} is longer than {_LONGEST:,} letters; lines must "
                    "be shorter. Shorten the field, or mend the end of the line, and export it again."
                )
            size += len(line)
            lines.append(line)
    return lines


def _parsed(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        # A row that the sample cuts in two says nothing.
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if any(f.strip() for f in row)]
    except csv.Error:
        return []
    return rows[:-1] if len(lines) == _LINES and len(rows) > 1 else rows


def _evenness(rows: list[list[str]], first_line: str, delimiter: str) -> tuple[bool, bool, float, int]:
    if not rows:
        return (False, False, 0.0, 0)
    widths = [len(row) for row in rows]
    usual = max(set(widths), key=lambda w: (widths.count(w), w))
    even = round(widths.count(usual) / len(widths), 1)
    return (usual > 1 or widths[0] > 1, widths[0] == usual > 1, even, max(usual, first_line.count(delimiter)))


def _first_of_table(rows: list[list[str]], wanted: tuple[str, ...] | None) -> int:
    """Return the place of the row of names: after rows of one field where the others have several."""
    if not rows or len(rows) < 3 or _width(rows[0]) > 1 or (wanted and rows[0][0].strip() in wanted):
        return 0
    widths = [len(row) for row in rows]
    usual = max(set(widths), key=lambda w: (widths.count(w), w))
    if usual < 2:
        return 0
    return next(n for n, row in enumerate(rows) if _width(row) > 1)


def _width(row: list[str]) -> int:
    return max((n for n, field in enumerate(row, start=1) if field.strip()), default=0)


def _has_names(rows: list[list[str]], wanted: tuple[str, ...] | None) -> bool:
    first = [field.strip() for field in rows[0]]
    if wanted is not None:
        numbered = [w for w in wanted if w.startswith("column_")]
        return not (wanted and len(numbered) == len(wanted) and not set(wanted) & set(first) and all(first))
    if not all(first) or len({f.casefold() for f in first}) < len(first):
        return not any(_is_data(f) for f in first)
    return not any(_is_data(f) for f in first)


def _is_data(field: str) -> bool:
    """Whether a field is a value and no name: a number, a day or an address."""
    digits = sum(c.isdigit() for c in field)
    return bool(field) and (digits * 2 > len(field) or ("@" in field and "." in field))


def _lines_before(lines: list[str], delimiter: str, first: int) -> int:
    """Return how many lines stand before the row of names."""
    reader = csv.reader(iter(lines), delimiter=delimiter)
    before = found = 0
    for row in reader:
        if any(f.strip() for f in row):
            if found == first:
                return before
            found += 1
        before = reader.line_num
    return 0


def distinct_names(names: list[str]) -> tuple[str, ...]:
    """Return column names trimmed and made distinct without regard to case, in their order."""
    seen: set[str] = set()
    result = []
    for position, raw in enumerate(names, start=1):
        name = raw.strip() or f"column_{position}"
        stem, number = name, 1
        while name.casefold() in seen:
            number += 1
            name = f"{stem}_{number}"
        seen.add(name.casefold())
        result.append(name)
    return tuple(result)


def wanted_columns(source: Origin) -> tuple[str, ...]:
    """Return the columns of the file that a mapping names."""
    mapped: Iterator[str] = (name for v in source.columns.values() for name in ((v,) if isinstance(v, str) else v))
    return (*mapped, *source.traits)
