"""Writes a Parquet file whose bytes do not depend on how its rows arrive.

Why it exists: every table of a load is written in bounded memory, and the same rows must give the same bytes whatever
the engine's threads and batches. Nothing of what a table means may enter.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 131_072
"""Rows of a Parquet row group; also what is held in memory of a table that is being written."""


class TableFile:
    """One Parquet file in row groups of `ROW_GROUP` rows, however the rows arrive."""

    def __init__(self, path: Path, schema: pa.Schema, compression: str = "zstd") -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression=compression)
        self._held: list[pa.Table] = []
        self._rows = 0

    def __enter__(self) -> TableFile:
        return self

    def add(self, table: pa.Table) -> None:
        """Take rows whose columns have the schema's order."""
        self._held.append(table.cast(self._schema))
        self._rows += table.num_rows
        if self._rows >= ROW_GROUP:
            self._flush(whole=True)

    def _flush(self, whole: bool) -> None:
        # One chunk a column, so that what is written does not depend on how the rows arrived.
        table = pa.concat_tables(self._held).combine_chunks()
        done = table.num_rows // ROW_GROUP * ROW_GROUP if whole else table.num_rows
        self._writer.write_table(table.slice(0, done), row_group_size=ROW_GROUP)
        self._held, self._rows = [table.slice(done)], table.num_rows - done

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._held and self._rows:
            self._flush(whole=False)
        self._writer.close()
