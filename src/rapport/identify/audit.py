"""What a company can do with the data it has: how usable each column is, and what it unlocks.

Why it exists: a company should see, before any model, which of its columns carry weight, which would and do
not exist yet, and that a column does not have to be perfect to be used. Counts come from the engine
(`rapport.identify.load_sql.audit_sql`); only their arithmetic stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from rapport.core.tables import LOADED, SOURCE_COLUMNS
from rapport.identify.load_sql import Reading
from rapport.identify.value_sql import Cell

GRADES = (("A", 95), ("B", 80), ("C", 60), ("D", 20), ("F", 0))
"""Grade and the least percentage of usable rows for it. Down to C a column carries its purpose without a caveat."""

UNMAPPED = "-"
"""Grade of a column that no file fills."""


def grade(read: int, rows: int) -> str:
    """Return the grade of a column of which `read` of `rows` cells can be used; F where there is no row.

    Compared in whole numbers, so that a column at a border has the same grade everywhere.
    """
    return next(g for g, percent in GRADES if percent == 0 or (rows > 0 and read * 100 >= percent * rows))


def audit_source(reading: Reading, counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the audit rows of one source: mapped columns, traits, then columns that are not mapped.

    Parameters
    ----------
    reading : Reading
        How the source was read.
    counts : mapping
        The one row of `rapport.identify.load_sql.audit_sql`, and d0, d1, ...: the different values of each cell.
    """
    mapped = [_audit_cell(reading.name, cell, counts) for cell in reading.cells]
    return mapped + audit_absent(reading.kind, [c.column for c in reading.cells], reading.name)


def audit_cells(source: str, cells: Sequence[Cell], counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the audit rows of the columns that a source fills; counts as for `audit_source`."""
    return [_audit_cell(source, cell, counts) for cell in cells]


def audit_absent(kind: str, mapped: Sequence[str] = (), name: str | None = None) -> list[dict[str, Any]]:
    """Return audit rows for the columns of a kind of source that no file fills: what they would unlock."""
    return [
        {
            "source": name or kind,
            "column": column.name,
            "source_column": None,
            "rows": 0,
            "fill": 0.0,
            "validity": 0.0,
            "distinct": 0,
            "freshest": None,
            "usable": 0.0,
            "grade": UNMAPPED,
            "unlocks": column.unlocks,
        }
        for column in SOURCE_COLUMNS[kind]
        if column.name not in mapped
    ]


def audit_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return audit rows as the declared table, in the order given."""
    return pa.Table.from_pylist([dict(r) for r in rows], schema=LOADED["audit"])


def _audit_cell(name: str, cell: Cell, counts: Mapping[str, Any]) -> dict[str, Any]:
    n, rows = cell.position, int(counts["rows"])
    filled, read = int(counts[f"f{n}"]), int(counts[f"r{n}"])
    return {
        "source": name,
        "column": cell.column,
        "source_column": cell.file_column,
        "rows": rows,
        "fill": filled / rows if rows else 0.0,
        "validity": read / filled if filled else 0.0,
        "distinct": int(counts[f"d{n}"]),
        "freshest": counts[f"t{n}"],
        "usable": read / rows if rows else 0.0,
        "grade": grade(read, rows),
        "unlocks": cell.unlocks,
    }
