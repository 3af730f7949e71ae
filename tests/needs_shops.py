"""Needs groups of made-up shops, as a turn finds them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa

from programs import program_with
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.simulate.needs import FIRST_DAY, SimulatedNeeds
from rapport.workflows.needs import NeedsOfTurn, needs_of

AS_OF = FIRST_DAY + dt.timedelta(days=182)


def states_of(tables: dict[str, pa.Table], as_of: dt.date = AS_OF) -> pa.Table:
    """Return what needs groups read of the states: keys, ids and the first day with a purchase."""
    lines = tables["transactions"]
    seen: dict[int, dt.date] = {}
    for key, day in zip(lines["customer_key"].to_pylist(), lines["day"].to_pylist(), strict=True):
        if day < as_of:
            seen[key] = min(day, seen.get(key, day))
    keys = tables["customers"]["customer_key"]
    first = pa.array([seen.get(k) for k in keys.to_pylist()], pa.date32())
    return pa.table({"customer_key": keys, "customer_id": tables["customers"]["customer_id"], "first_day": first})


def needs_in(
    made: SimulatedNeeds | None, tables: dict[str, pa.Table] | None = None, before: Any = None, **needs: Any
) -> NeedsOfTurn | None:
    """Return the needs groups of a shop's tables on `AS_OF`."""
    tables = tables or (made.tables if made else {})
    with DuckDBEngine() as engine:
        for name, table in tables.items():
            engine.register_arrow(name, table)
        program = program_with(**({"needs": needs} if needs else {}))
        return needs_of(engine, states_of(tables), program, AS_OF, before)


def table_of(rows: list[tuple[int, str, int]]) -> dict[str, pa.Table]:
    """Return the tables of a small shop from (customer, item, day before `AS_OF`)."""
    from rapport.core.tables import LOADED

    customers = sorted({c for c, _, _ in rows})
    items = sorted({i for _, i, _ in rows})
    day = [AS_OF - dt.timedelta(days=d) for _, _, d in rows]
    made = {
        "customers": {"customer_key": customers, "customer_id": [str(c) for c in customers]},
        "products": {"product_id": items, "item": items, "category": items, "department": ["Shop"] * len(items)},
        "transactions": {
            "customer_key": [c for c, _, _ in rows],
            "customer_id": [str(c) for c, _, _ in rows],
            "basket_id": [f"{c}/{d}" for c, _, d in rows],
            "product_id": [i for _, i, _ in rows],
            "at": [dt.datetime(d.year, d.month, d.day, 12, tzinfo=dt.UTC) for d in day],
            "day": day,
            "quantity": [1.0] * len(rows),
            "sales_micros": [1_000_000] * len(rows),
            "discount_micros": [0] * len(rows),
        },
    }
    made["customers"] |= {"household_id": made["customers"]["customer_id"], "listed": [True] * len(customers)}
    tables = {}
    for name, columns in made.items():
        size = len(next(iter(columns.values())))
        arrays = [pa.array(columns.get(f.name, [None] * size), f.type) for f in LOADED[name]]
        tables[name] = pa.Table.from_arrays(arrays, schema=pa.schema([f.with_nullable(True) for f in LOADED[name]]))
    return tables


def weights(found: NeedsOfTurn) -> list[float]:
    """Return the weights as a list, NaN as -1."""
    return np.nan_to_num(found.weight, nan=-1.0).tolist()
