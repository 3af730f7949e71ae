"""Keeps the rows of forgotten customers out of a load: counted by their place in the file, their values not kept.

Why it exists: a company's own files still hold who was forgotten. What is set aside must not quote them either.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.reasons import RowReason
from rapport.core.tables import LOADED
from rapport.identify.load_sql import ROW, Reading
from rapport.program.source import Source
from rapport.workflows.ports import Suppressed


def _gone(source: Source, ids: list[str | None], forgotten: Suppressed | None) -> NDArray[np.bool_]:
    """Return which customer ids of a source were forgotten, shape (ids,)."""
    if forgotten is None or not forgotten.digest:
        return np.zeros(len(ids), dtype=np.bool_)
    return forgotten.suppresses(source.system or "", [i or "" for i in ids])


def remembered_rows(
    source: Source, reading: Reading, batch: pa.Table, forgotten: Suppressed | None
) -> tuple[pa.Table, pa.Table]:
    """Return the rows of customers who were not forgotten, and what the quarantine says of the others."""
    aside = LOADED["quarantine"].empty_table()
    if forgotten is None or not forgotten.digest or "customer_id" not in batch.column_names:
        return batch, aside
    coded = pa.chunked_array([batch["customer_id"].combine_chunks()]).combine_chunks().dictionary_encode()
    gone = _gone(source, coded.dictionary.to_pylist(), forgotten)
    if not gone.any():
        return batch, aside
    left = gone[coded.indices.to_numpy(zero_copy_only=False)]
    column = reading.of("customer_id")[0].file_column
    told = {"source": source.called, "column": column, "value": None, "reason": RowReason.FORGOTTEN.value}
    rows = [told | {"row": n} for n in batch[ROW].to_numpy()[left].tolist()]
    return batch.filter(pa.array(~left)), pa.Table.from_pylist(rows, schema=aside.schema)


def unnamed(source: Source, batch: pa.Table, forgotten: Suppressed | None) -> pa.Table:
    """Return rows of the quarantine without the values that are ids of forgotten customers."""
    if forgotten is None or not forgotten.digest:
        return batch
    values = batch["value"].to_pylist()
    parts = [[v, *v.split(" + ")] if v else [] for v in values]
    named = [bool(p) and bool(_gone(source, list(p), forgotten).any()) for p in parts]
    again = [None if n else v for n, v in zip(named, values, strict=True)]
    return batch.set_column(batch.column_names.index("value"), "value", pa.array(again, pa.string()))
