"""The baskets that next baskets are told on: a public file that the user has, or made-up ones.

Why it exists: the file is not shipped, so the one who measures says where it is; what is wrong with it is told by
place and value. Nothing is fitted here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from rapport.core.errors import SourceColumns, SourceEmpty, SourceMissing, SourceUnreadable
from rapport.differentiate.nextbasket import Baskets, baskets
from rapport.simulate.baskets import simulate_baskets

VARIABLE = "RAPPORT_TAFENG"
COLUMNS = ("user_id", "basket_index", "items")
LEAST_BASKETS = 3
"""A past, a basket to learn from and one to tell."""


def tafeng_baskets() -> Baskets:
    """Return the baskets of the file that the environment variable names.

    Raises
    ------
    SourceMissing
        The variable is not set, or there is no such file.
    SourceUnreadable, SourceColumns, SourceEmpty
        The file is not in order.
    """
    given = os.environ.get(VARIABLE, "")
    wanted = f"a Parquet file with the columns {', '.join(COLUMNS)} (a list), one row a basket"
    if not given:
        raise SourceMissing(
            f"{VARIABLE}: the environment variable that names the baskets of Ta-Feng is not set - ''; must be the "
            f"path of {wanted}. Set it, or give --small for made-up baskets."
        )
    path = Path(given)
    if not path.is_file():
        raise SourceMissing(
            f"{VARIABLE}: there is no such file - {given!r}; must be the path of {wanted}. Correct it."
        )
    return read_baskets(path)


def read_baskets(path: Path) -> Baskets:
    """Return the baskets of a Parquet file, of customers with at least LEAST_BASKETS.

    Raises
    ------
    SourceUnreadable
        Not Parquet.
    SourceColumns
        A column is missing or not of its kind.
    SourceEmpty
        No customer has enough baskets, or a basket is empty.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        told = str(error).splitlines()[0]
        raise SourceUnreadable(f"{path}: not a Parquet file - {told}; must be Parquet. Write it anew.") from None
    for name in COLUMNS:
        if name not in table.column_names:
            there = ", ".join(table.column_names)
            raise SourceColumns(f"{path}: there is no column {name} - {there}; must be there. Rename or add it.")
    user, place, items = (_whole(path, name, table[name]) for name in COLUMNS)
    return enough(baskets(user.values, place.values, items.offsets, items.values))


class _Column:
    """The numbers of a column, and where each row's begin in it."""

    def __init__(self, values: Any, offsets: Any) -> None:
        self.values = np.asarray(values, dtype=np.int64)
        self.offsets = np.asarray(offsets, dtype=np.int64)


def _whole(path: Path, name: str, column: Any) -> _Column:
    """Return a column of whole numbers, or of lists of them, or tell what it is instead."""
    import pyarrow as pa

    combined = column.combine_chunks()
    combined = combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
    lists = name == "items"
    is_list = pa.types.is_list(combined.type) or pa.types.is_large_list(combined.type)
    inner = combined.type.value_type if is_list else combined.type
    nulls = combined.null_count + (combined.flatten().null_count if is_list else 0)
    if lists != is_list or not pa.types.is_integer(inner) or nulls:
        kind = f"{combined.type}, {nulls:,} null" if nulls else str(combined.type)
        must = "a list of whole numbers in each row" if lists else "a whole number in each row"
        raise SourceColumns(f"{path}: column {name} is not of its kind - {kind}; must be {must}. Number ids from 0.")
    if not lists:
        return _Column(combined.to_numpy(), np.arange(len(combined) + 1))
    offsets = combined.offsets.to_numpy()
    return _Column(combined.flatten().to_numpy(), offsets - offsets[0])


def enough(known: Baskets) -> Baskets:
    """Return the baskets of customers with at least LEAST_BASKETS; of fewer nothing can be learned and told."""
    keep = known.counts >= LEAST_BASKETS
    if keep.sum() < 2 * LEAST_BASKETS:
        raise SourceEmpty(
            f"baskets: too few customers have {LEAST_BASKETS} baskets - {int(keep.sum())} of {known.customers}; must "
            f"be at least {2 * LEAST_BASKETS}. Give more customers or longer pasts."
        )
    rows = np.flatnonzero(np.repeat(keep, known.counts))
    return Baskets(known.items[rows], np.concatenate([[0], np.cumsum(known.counts[keep])]))


def made_up_baskets(customers: int) -> Baskets:
    """Return baskets with planted staples, tastes and seasons."""
    made = simulate_baskets(customers)
    return enough(baskets(made.customer, made.position, made.offsets, made.items))
