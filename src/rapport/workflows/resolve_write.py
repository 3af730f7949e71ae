"""Write the rows of resolved files with the customer each belongs to.

Why it exists: what was found is handed on as a file, as it was but for one column; no spreadsheet may take a cell of
it for a formula.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rapport.core.errors import LookupFailed, TargetExists
from rapport.workflows.resolve_file import Resolved, with_clusters
from rapport.workflows.worksheet_edits import for_spreadsheets

SUFFIXES = (".csv", ".parquet")


def refuse_out(out: Path | None, force: bool) -> None:
    """Raise where the target cannot be written, before anything is computed.

    Raises
    ------
    LookupFailed
        The suffix is none that is written, or there is no such folder.
    TargetExists
        The file is there and `force` was not given.
    """
    if out is None:
        return
    if out.suffix.lower() not in SUFFIXES:
        raise LookupFailed(f"--out {out}: has the suffix {out.suffix!r}; must be one of {', '.join(SUFFIXES)}.")
    if not out.parent.is_dir():
        raise LookupFailed(f"--out {out}: no such folder - {out.parent}. Make it, or name another.")
    if out.exists() and not force:
        raise TargetExists(f"--out {out}: is there already; must be a new file. Give --force to write over it.")


def write_clusters(resolved: Resolved, out: Path) -> None:
    """Write the rows; the file appears when it is whole."""
    rows = with_clusters(resolved)
    part = out.with_name(f".{out.name}.part")
    if out.suffix.lower() == ".parquet":
        pq.write_table(rows, part)
    else:
        with part.open("w", newline="", encoding="utf-8") as file:
            write = csv.writer(file)
            write.writerow([for_spreadsheets(n) for n in rows.column_names])
            for batch in rows.to_batches(max_chunksize=50_000):
                columns = [c.to_pylist() for c in batch.columns]
                for row in zip(*columns, strict=True):
                    write.writerow([_cell(v) for v in row])
    part.replace(out)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return for_spreadsheets(value) if isinstance(value, str) else value
