"""Rows of the day of the decision and later change no bit of any state, and the order of rows does not either."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import program_with
from rapport.core.keys import customer_keys
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.workflows.state import build_states, make_purchases
from state_tables import AS_OF, line, person, seen, tables

PEOPLE = ["anna", "bert", "carl", "dora"]
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


def campaign(name: str, days_before: int) -> dict[str, Any]:
    starts = AS_OF - timedelta(days=days_before)
    return {"campaign_id": name, "kind": "A", "starts": starts, "ends": starts + timedelta(days=7)}


def states(engine: DuckDBEngine, given: dict[str, pa.Table]) -> list[str]:
    for name, table in given.items():
        engine.register_arrow(name, table)
    keys = customer_keys(given["customers"]["household_id"].to_pylist())
    households = pa.table({"customer_key": given["customers"]["customer_key"], "household_key": keys})
    engine.register_arrow("household_keys", households)
    make_purchases(engine, program_with(), AS_OF)
    return [repr(r) for r in build_states(engine, AS_OF).to_pylist()]


@settings(max_examples=40)
@given(
    st.lists(lines(1, 200), max_size=15),
    st.lists(lines(-60, 0), max_size=8),
    st.lists(redeemed(1, 90), max_size=3),
    st.lists(redeemed(-30, 0), max_size=3),
    st.randoms(use_true_random=False),
)
def test_later_rows_and_the_order_of_rows_change_no_state(
    engine: DuckDBEngine,
    past: list[dict[str, Any]],
    later: list[dict[str, Any]],
    used: list[dict[str, Any]],
    used_later: list[dict[str, Any]],
    chance: Any,
) -> None:
    people = [person(p, "house" if p < "c" else None) for p in PEOPLE]
    mailed = [seen(p, campaign_id="old") for p in PEOPLE[:2]]
    before = tables(
        customers=people, transactions=past, redemptions=used, mailings=mailed, campaigns=[campaign("old", 1)]
    )
    both, redemptions = past + later, used + used_later
    chance.shuffle(both)
    chance.shuffle(redemptions)
    after = tables(
        customers=people,
        transactions=both,
        redemptions=redemptions,
        mailings=[*(seen(p, campaign_id="new") for p in PEOPLE), *mailed],
        campaigns=[campaign("new", 0), campaign("newer", -9), campaign("old", 1)],
    )
    assert states(engine, after) == states(engine, before)
