"""Tells what the engine could not read of a source in words that a person can act on.

Why it exists: the engine's own text speaks of settings that nobody here has made, and may hold a whole row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.errors import SourceUnreadable
from rapport.identify.value_sql import LONGEST_VALUE, too_long, zero_byte
from rapport.workflows.ports import EngineFault

LONGEST_LINE = 2_000_000
"""Bytes of a row of a CSV file."""


@contextmanager
def readable(shown: str, kept: str = "") -> Iterator[None]:
    """Raise SourceUnreadable where the engine cannot read a source to its end.

    Parameters
    ----------
    shown : str
        What errors call the source.
    kept : str
        What else is to be said, as a sentence.
    """
    try:
        yield
    except EngineFault as error:
        raise unreadable(shown, str(error), kept) from error


def unreadable(shown: str, fault: str, kept: str = "") -> SourceUnreadable:
    """Return the error that tells a fault of the engine."""
    told = f" {kept}" if kept else ""
    lines = [line.strip() for line in fault.splitlines() if line.strip()]
    if "Maximum line size" in fault:
        place = next((n for line in lines if (n := line.partition("Line: ")[2].strip()).isdigit()), None)
        where = f" (line {int(place):,})" if place else ""
        return SourceUnreadable(
            f"source {shown}: a row is longer than {LONGEST_LINE:,} bytes{where}; "
            "rows must be shorter. A quotation mark that is not closed makes one row of many: look for it, or "
            f"shorten the field, and export it again.{told}"
        )
    said = " ".join(line[:300] for line in lines if not line.startswith("Original Line"))
    said = said.split(" Possible ")[0][:500]
    return SourceUnreadable(
        f"source {shown}: cannot be read to its end - {said}; must be a whole file. Export or copy it again.{told}"
    )


def refuse_texts(shown: str, table: pa.Table) -> None:
    """Raise SourceUnreadable where a text of a table, its rows in order, holds a zero byte or is too long."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_string(column.type):
            continue
        zero, long = pc.match_substring(column, "\0"), pc.greater(pc.binary_length(column), LONGEST_VALUE)
        for found, error in ((zero, zero_byte), (long, too_long)):
            if (row := pc.index(found, True).as_py()) >= 0:
                raise error(shown, name, row + 1)
