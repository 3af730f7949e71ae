"""Makes the interactions of customers ready for the states, and counts what could not be told apart.

Why it exists: what an interaction costs where no cost is given is a setting of the programme. No value enters.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from rapport.core.money import to_micros
from rapport.differentiate.serving_sql import KINDS, served_sql
from rapport.program.model import Program
from rapport.workflows.ports import Engine


def make_served(engine: Engine, program: Program, as_of: date) -> None:
    """Make the table `served`: interactions before `as_of` with kind and cost; needs `interactions`."""
    cost = program.cost_to_serve
    each = dict.fromkeys(KINDS.values(), 0.0)
    if cost is not None:
        each = {
            "service": cost.per_contact,
            "complaint": cost.per_contact,
            "delivery": cost.per_delivery,
            "bid_lost": cost.per_bid_lost,
        }
    kinds = pa.table(
        {
            "said": pa.array(KINDS.keys(), pa.string()),
            "kind": pa.array(KINDS.values(), pa.string()),
            "cost_micros": pa.array([to_micros(each[k]) for k in KINDS.values()], pa.int64()),
        }
    )
    engine.register_arrow("interaction_kinds", kinds)
    engine.execute(f"CREATE OR REPLACE TABLE served AS {served_sql()}", {"as_of": as_of})


def unknown_kinds(engine: Engine) -> dict[str, int]:
    """Return how many interactions before the day are of no known kind; empty where there is none at all."""
    found = engine.query("SELECT count(*) AS n, count(*) FILTER (kind IS NULL) AS unknown FROM served").to_pylist()[0]
    return {"interactions": found["n"], "of_no_known_kind": found["unknown"]} if found["n"] else {}
