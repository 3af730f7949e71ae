"""Stage `state`: one row for each customer, as of the day of the decision.

Why it exists: prepares the engine with the loaded tables and asks the state query. No value and no score enter.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from rapport.core.errors import ProgramInvalid, nearest
from rapport.core.keys import customer_keys
from rapport.core.tables import LOADED, STATES
from rapport.differentiate.state_sql import purchases_sql, states_sql
from rapport.program.model import Program
from rapport.workflows.ports import Engine
from rapport.workflows.serving import make_served

TABLES = ("customers", "transactions", "products", "redemptions", "mailings", "campaigns", "coupons")
LATER = ("interactions",)
"""Tables that loads of earlier versions did not write: nothing is then known."""


def open_tables(engine: Engine, loaded: Path) -> None:
    """Make the loaded tables known to the engine under their names, and the key of each household."""
    for name in TABLES:
        engine.register_parquet(name, loaded / f"{name}.parquet")
    for name in LATER:
        if (loaded / f"{name}.parquet").is_file():
            engine.register_parquet(name, loaded / f"{name}.parquet")
        else:
            engine.register_arrow(name, LOADED[name].empty_table())
    households = engine.query("SELECT customer_key, household_id FROM customers ORDER BY customer_key")
    keys = customer_keys(households["household_id"].to_pylist())
    engine.register_arrow(
        "household_keys", pa.table({"customer_key": households["customer_key"], "household_key": keys})
    )


def make_purchases(engine: Engine, program: Program, as_of: date) -> None:
    """Make the table `purchases`: lines before `as_of` with item, department and margin; and `served` beside it."""
    margins = program.margins
    names = sorted(margins.departments)
    shares = np.array([margins.departments[n] for n in names], dtype=np.float64)
    engine.register_arrow("margins", pa.table({"department": pa.array(names, pa.string()), "share": shares}))
    engine.execute(
        f"CREATE OR REPLACE TABLE purchases AS {purchases_sql()}",
        {"as_of": as_of, "default_share": margins.default, "discount_borne": margins.discount_borne},
    )
    make_served(engine, program, as_of)


def refuse_unknown_departments(engine: Engine, program: Program) -> None:
    """Raise ProgramInvalid where a margin is given for a department that no product has."""
    there = engine.query("SELECT DISTINCT department FROM products WHERE department IS NOT NULL ORDER BY department")
    known = there["department"].to_pylist()
    for name in program.margins.departments:
        if name not in known:
            raise ProgramInvalid(
                f"program.toml: margins.departments names {name!r}, which no product has; "
                f"there are: {', '.join(known)}."
                f"{nearest(name, known)}"
            )


def trait_names(customers: pa.Schema) -> list[str]:
    """Return the trait columns of the loaded customers."""
    return [n for n in customers.names if n not in LOADED["customers"].names]


def build_states(engine: Engine, as_of: date) -> pa.Table:
    """Return the states of all customers as of a day: `core.tables.STATES`, then the traits as strings.

    Needs `open_tables` and `make_purchases` for the same day.
    """
    customers = engine.query("SELECT * FROM customers LIMIT 0").schema
    traits = trait_names(customers)
    found = engine.query(states_sql(traits), {"as_of": as_of})
    schema = pa.schema([*STATES, *(pa.field(t, pa.string()) for t in traits)])
    return found.select(schema.names).cast(schema)
