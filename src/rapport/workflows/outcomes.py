"""What customers of a turn did after it: counted by the loaded tables of now, for the customers of then.

Why it exists: between a turn and its read-out customers come and go. Every count is joined to the customers that were
decided, by key; who has gone from the data is told apart from who did nothing.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.keys import positions
from rapport.measure.outcomes_sql import bought_sql, outcomes_sql
from rapport.workflows.ports import Engine


def outcomes_between(engine: Engine, customers: pa.Table, first: date, stop: date) -> dict[str, NDArray[np.int64]]:
    """Return what each customer did on days in [first, stop), in the order of `customers`.

    Parameters
    ----------
    engine : Engine
        With `purchases` up to `stop`.
    customers : Arrow table
        `customer_key` ascending and `household_key`, such as the states or the decisions of a turn.

    Returns
    -------
    dict of int64 arrays, shape (n,): the columns of `outcomes_sql`; `present` is 0 for who is no longer in the data.
    """
    engine.register_arrow("measured", customers.select(["customer_key", "household_key"]))
    table = engine.query(outcomes_sql(), {"first": first, "stop": stop})
    return {name: table[name].to_numpy() for name in table.column_names}


def bought_within_validity(
    engine: Engine, customer_keys: NDArray[np.int64], catalogue: pa.Table, as_of: date
) -> NDArray[np.bool_]:
    """Return whether each customer bought each offer's item while the offer was valid, shape (n, J).

    Parameters
    ----------
    engine : Engine
        With the loaded tables.
    customer_keys : int64 array, shape (n,), ascending
    catalogue : Arrow table with the schema `core.tables.CATALOGUE`
    as_of : date
        First day of every offer's validity.
    """
    engine.register_arrow("offers", catalogue.select(["offer_index", "item", "valid_days"]))
    found = engine.query(bought_sql(), {"first": as_of})
    rows = positions(customer_keys, found["customer_key"].to_numpy())
    known = rows >= 0
    bought = np.zeros((len(customer_keys), len(catalogue)), dtype=np.bool_)
    bought[rows[known], found["offer_index"].to_numpy()[known]] = True
    return bought
