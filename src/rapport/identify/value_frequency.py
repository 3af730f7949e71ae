"""How many customers bear a value, which is not how many records do.

Why it exists: a rare name that one customer's six records repeat is no common name. What agreement by chance is worth
follows from the customers who bear a value, and those are estimated from the pairs already taken for one customer.
Arithmetic on arrays and tables; nothing is read.

With n records of a value and t true pairs among them, about ``k = n^2 / (n + 2 t)`` customers bear it (exact where
each has equally many records). One customer having it, ``k - 1 + g`` others out of all may, where g, for the one
nobody else was seen with, is the frequency that Good (1953) gives a value seen once, ``2 N2 / N1``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_SEEN_ONCE, MOST_SEEN_ONCE = 0.05, 1.0
"""Limits of what a value that one customer alone bears counts, as customers."""
PSEUDO_VALUES = 10.0
"""Values borne by one customer that stand for `MOST_SEEN_ONCE` beside those found."""


def bearers(records: Floats, true_pairs: Floats) -> Floats:
    """Return about how many customers bear each value."""
    found: Floats = np.maximum(records**2 / (records + 2.0 * true_pairs), 1.0)
    return found


def frequencies_of_customers(
    counted: pa.Table, column: str, values: Sequence[str | None], true_pairs: Floats
) -> pa.Table:
    """Return a column's frequencies among customers, as `LinkModel.frequencies` holds them.

    Parameters
    ----------
    counted : Table
        column, value, frequency among records; the value `''` of the column's name with ` once` is that of one
        record.
    values, true_pairs : sequence of str, array
        Values that pairs agree in, and the true pairs each stands for.
    """
    once = counted.filter(pc.equal(counted["column"], f"{column} once"))
    rows = counted.filter(pc.equal(counted["column"], column))
    if once.num_rows == 0:
        return rows
    total = 1.0 / float(once["frequency"][0].as_py())
    records = np.rint(rows["frequency"].to_numpy() * total)
    named: dict[str, float] = {}
    for value, pairs in zip(values, true_pairs.tolist(), strict=True):
        if value is not None:
            named[value] = named.get(value, 0.0) + pairs
    pairs_of = np.array([named.get(v, 0.0) for v in rows["value"].to_pylist()])
    borne = bearers(records, np.minimum(pairs_of, records * (records - 1.0) / 2.0))
    alone = max(total - float(records.sum()), 0.0)
    customers = max(alone + float(borne.sum()), 2.0)
    seen_once = _seen_once(alone, borne)
    shares = np.minimum((borne - 1.0 + seen_once) / customers, 1.0)
    least = seen_once / customers
    kept = shares > least * 1.01
    return pa.table(
        {
            "column": [column] * int(kept.sum()) + [f"{column} once"],
            "value": [*rows["value"].filter(pa.array(kept)).to_pylist(), ""],
            "frequency": pa.array(np.r_[shares[kept], least], pa.float64()),
        }
    )


def _seen_once(alone: float, borne: Floats) -> float:
    """Return Good's estimate for values of one customer, held to what is usual where there are few."""
    one = alone + float((borne < 1.5).sum())
    two = float(((borne >= 1.5) & (borne < 2.5)).sum())
    share = (2.0 * two + PSEUDO_VALUES * MOST_SEEN_ONCE) / (one + PSEUDO_VALUES)
    return float(np.clip(share, LEAST_SEEN_ONCE, MOST_SEEN_ONCE))
