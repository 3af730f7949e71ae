"""Later rows change no byte of the states, nor do customers who are first seen later, nor the order of rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import program_with
from rapport.core.keys import customer_keys
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.workflows.state import build_states, make_purchases
from state_tables import AS_OF, line, person, seen, tables

# The first four may stand in the customer source; the others are known only from what they did.
PEOPLE = ["anna", "bert", "carl", "dora", "emil", "fred", "gina"]
LISTABLE = PEOPLE[:4]
WHO = st.sampled_from(PEOPLE)


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as opened:
        yield opened


def lines(first: int, last: int) -> st.SearchStrategy[dict[str, Any]]:
    """Draw purchases from `first` to `last` days before the day of the decision."""
    amounts = st.integers(-500, 5000).map(lambda cents: cents / 100)
    return st.builds(
        line,
        WHO,
        st.integers(first, last),
        st.sampled_from(["p1", "p2", "p3", "p9"]),
        amounts,
        st.integers(0, 300).map(lambda cents: cents / 100),
    )


def redeemed(first: int, last: int) -> st.SearchStrategy[dict[str, Any]]:
    days = st.integers(first, last).map(lambda d: AS_OF - timedelta(days=d))
    return st.builds(lambda who, day: seen(who, coupon_id="c", campaign_id="old", day=day), WHO, days)


def served(first: int, last: int) -> st.SearchStrategy[dict[str, Any]]:
    """Draw interactions from `first` to `last` days before the day of the decision."""
    days = st.integers(first, last).map(lambda d: AS_OF - timedelta(days=d))
    kinds, costs = st.sampled_from(["complaint", "Delivery", "chat"]), st.sampled_from([None, 0, 2_000_000])
    return st.builds(
        lambda who, day, kind, cost: seen(who, day=day, kind=kind, cost_micros=cost), WHO, days, kinds, costs
    )


def campaign(name: str, days_before: int) -> dict[str, Any]:
    starts = AS_OF - timedelta(days=days_before)
    return {"campaign_id": name, "kind": "A", "starts": starts, "ends": starts + timedelta(days=7)}


def mailed(name: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.builds(lambda who: seen(who, campaign_id=name), WHO), max_size=4)


def known(listed: set[str], *rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the customers that a load finds: the listed, and whoever is in any of the rows."""
    there = listed | {row["customer_id"] for table in rows for row in table}
    return [person(p, "house" if p in ("anna", "bert", "gina") else None, listed=p in listed) for p in there]


def states(engine: DuckDBEngine, given: dict[str, pa.Table]) -> pa.Table:
    """Return the states as of `AS_OF`, worked out from the given tables."""
    for name, table in given.items():
        engine.register_arrow(name, table)
    keys = customer_keys(given["customers"]["household_id"].to_pylist())
    households = pa.table({"customer_key": given["customers"]["customer_key"], "household_key": keys})
    engine.register_arrow("household_keys", households)
    make_purchases(engine, program_with(), AS_OF)
    return build_states(engine, AS_OF)


def as_bytes(table: pa.Table) -> bytes:
    """Return the file that a turn keeps of the states."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


@settings(max_examples=60)
@given(st.data())
def test_later_rows_new_customers_and_the_order_of_rows_change_no_byte(
    engine: DuckDBEngine, data: st.DataObject
) -> None:
    listed = data.draw(st.sets(st.sampled_from(LISTABLE)), "listed")
    past = data.draw(st.lists(lines(1, 200), max_size=15), "past")
    later = data.draw(st.lists(lines(-60, 0), max_size=8), "later")
    used = data.draw(st.lists(redeemed(1, 90), max_size=3), "used")
    used_later = data.draw(st.lists(redeemed(-30, 0), max_size=3), "used later")
    calls = data.draw(st.lists(served(1, 400), max_size=4), "served")
    calls_later = data.draw(st.lists(served(-30, 0), max_size=4), "served later")
    told, told_later = data.draw(mailed("old"), "mailed"), data.draw(mailed("new"), "mailed later")
    chance = data.draw(st.randoms(use_true_random=False))
    before = tables(
        customers=known(listed, past, used, told, calls),
        transactions=past,
        redemptions=used,
        mailings=told,
        interactions=calls,
        campaigns=[campaign("old", 1)],
    )
    both, redemptions = past + later, used + used_later
    chance.shuffle(both)
    chance.shuffle(redemptions)
    after = tables(
        customers=known(listed, both, redemptions, told, told_later, calls, calls_later),
        transactions=both,
        redemptions=redemptions,
        mailings=told_later + told,
        interactions=calls_later + calls,
        campaigns=[campaign("new", 0), campaign("newer", -9), campaign("old", 1)],
    )
    found = states(engine, before)
    assert found["customer_id"].to_pylist() == before["customers"]["customer_id"].to_pylist()
    assert as_bytes(states(engine, after)) == as_bytes(found)
