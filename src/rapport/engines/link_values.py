"""How frequent values are, and values as numbers.

Why it exists: a value is counted and looked up once, however many records have it. Arithmetic on Arrow's
dictionaries; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.engines.link_weigh import Frequency

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """The distinct values of a column, and the number of each row's; -1 where it is empty."""

    values: pa.Array
    code: Ints


def encoded(column: pa.ChunkedArray) -> Encoded:
    """Return a column as numbers of its distinct values."""
    found = pc.dictionary_encode(column.combine_chunks())
    return Encoded(found.dictionary, pc.fill_null(found.indices, -1).to_numpy().astype(np.int64))


def numbered(column: pa.ChunkedArray) -> Ints:
    """Return the number of each value; -1 where it is empty."""
    return encoded(column).code


def counted(columns: Mapping[str, Encoded], times: Ints, more: pa.Table | None) -> pa.Table:
    """Return column, value and frequency of values of two records or more, and of a value of one (`... once`).

    Parameters
    ----------
    columns : mapping of str to Encoded
        The columns of the nodes.
    times : array of int64
        Records of each node.
    more : Table
        Rows that are added.
    """
    schema = pa.schema([("column", pa.string()), ("value", pa.string()), ("frequency", pa.float64())])
    parts = [] if more is None else [more.cast(schema)]
    for name, held in columns.items():
        known = held.code >= 0
        n = np.bincount(held.code[known], weights=times[known], minlength=len(held.values))
        every = max(float(n.sum()), 1.0)
        often = np.flatnonzero(n >= 2)
        values = pa.concat_arrays([held.values.take(pa.array(often)).cast(pa.string()), pa.array([""], pa.string())])
        told = pa.array([name] * len(often) + [f"{name} once"], pa.string())
        parts.append(pa.table([told, values, pa.array(np.append(n[often] / every, 1.0 / every))], schema=schema))
    if not parts:
        return schema.empty_table()
    return pa.concat_tables(parts).sort_by([("column", "ascending"), ("value", "ascending")]).combine_chunks()


def settle(held: Encoded, node: Ints, known: pa.Table, column: str) -> Frequency:
    """Return the frequency of each node's value; one that is not `known` counts as that of one record."""
    name = known["column"].to_numpy(zero_copy_only=False)
    rows = known.filter(pa.array(name == column))
    alone = known["frequency"].to_numpy()[name == f"{column} once"]
    once = float(alone[0]) if len(alone) else 1.0
    place = pc.fill_null(pc.index_in(held.values, rows["value"].combine_chunks()), -1).to_numpy()
    of_value = np.append(np.append(rows["frequency"].to_numpy(), once)[place], once)
    of_node, number = np.empty(len(node)), np.empty(len(node), np.int32)
    of_node[node] = of_value[held.code]
    number[node] = held.code
    return Frequency(of_node, once, number)
