"""Returns and interactions in the state of a customer, counted by hand; what comes later enters nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from programs import program_with
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.workflows.serving import unknown_kinds
from rapport.workflows.state import open_tables
from state_tables import AS_OF, line, opened, person, seen, states_of, tables

COST = {"per_purchase_day": 0.5, "per_contact": 4.0, "per_delivery": 2.0, "per_bid_lost": 9.0}


def contact(who: str, days_before: int, kind: str, cost: float | None = None) -> dict[str, Any]:
    day = AS_OF - timedelta(days=days_before)
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    return seen(who, at=at, day=day, kind=kind, cost_micros=None if cost is None else round(cost * 1e6))


def states(folder: Path, **rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = states_of(folder, tables(**rows), program_with(cost_to_serve=COST)).to_pylist()
    return {r["customer_id"]: r for r in found}


def test_returns_are_lines_below_zero_of_the_last_364_days(tmp_path: Path) -> None:
    lines = [
        line("anna", 400, "p1", 50.0),
        line("anna", 365, "p1", -7.0),
        line("anna", 364, "p1", -5.0),
        line("anna", 3, "p1", -2.5, -0.5),
        line("anna", 0, "p1", -9.0),
        line("anna", 2, "p1", 0.0),
    ]
    anna = states(tmp_path, customers=[person("anna")], transactions=lines)["anna"]
    # Margin 30 % of regular, discount borne in full: -1.50 and -.90 + .50.
    assert (anna["returns"], anna["returns_micros"]) == (2, 7_500_000)
    assert anna["returned_margin_micros"] == 1_500_000 + 900_000 - 500_000


def test_departments_of_each_trip_are_counted_once(tmp_path: Path) -> None:
    lines = [
        line("anna", 9, "p1", 1.0, basket="x"),
        line("anna", 9, "p1", 1.0, basket="x"),
        line("anna", 9, "p2", 1.0, basket="x"),
        line("anna", 9, "p1", 1.0, basket="y"),
        line("anna", 0, "p2", 1.0, basket="z"),
    ]
    anna = states(tmp_path, customers=[person("anna")], transactions=lines)["anna"]
    assert (anna["department_visits"], anna["baskets"]) == (3, 2)


def test_interactions_are_counted_by_kind_with_their_own_cost_or_that_of_the_kind(tmp_path: Path) -> None:
    told = [
        contact("anna", 1, "service"),
        contact("anna", 5, " Complaint ", 7.0),
        contact("anna", 5, "complaint", -3.0),
        contact("anna", 364, "Delivery"),
        contact("anna", 365, "delivery"),
        contact("anna", 0, "delivery"),
        contact("anna", 2, "Bids lost"),
        contact("anna", 2, "tea party", 1.5),
        contact("anna", 2, "another party"),
    ]
    anna = states(tmp_path, customers=[person("anna")], interactions=told)["anna"]
    counts = ("service_contacts", "complaints", "deliveries", "bids_lost")
    assert [anna[c] for c in counts] == [1, 2, 1, 1]
    # Service 4 + complaints 7 and, below zero, 0 + the party's own 1.50; deliveries 2; bids 9.
    costs = ("service_cost_micros", "delivery_cost_micros", "bid_cost_micros")
    assert [anna[c] for c in costs] == [12_500_000, 2_000_000, 9_000_000]


def test_without_settings_only_costs_that_are_given_count(tmp_path: Path) -> None:
    given = tables(
        customers=[person("anna")],
        interactions=[contact("anna", 1, "service"), contact("anna", 1, "delivery", 3.0)],
    )
    anna = states_of(tmp_path, given).to_pylist()[0]
    assert (anna["service_contacts"], anna["service_cost_micros"], anna["delivery_cost_micros"]) == (1, 0, 3_000_000)


def test_an_interaction_before_the_day_makes_a_customer_known(tmp_path: Path) -> None:
    people = [person("bidder", listed=False), person("caller", listed=False)]
    found = states(
        tmp_path, customers=people, interactions=[contact("bidder", 900, "bid_lost"), contact("caller", 0, "service")]
    )
    assert list(found) == ["bidder"]
    assert found["bidder"]["bids_lost"] == 0


def test_kinds_that_are_not_known_are_counted(tmp_path: Path) -> None:
    told = [contact("anna", 1, "service"), contact("anna", 1, "tea party"), contact("anna", 0, "tea party")]
    with DuckDBEngine() as engine:
        opened(engine, tmp_path, tables(customers=[person("anna")], interactions=told))
        assert unknown_kinds(engine) == {"interactions": 2, "of_no_known_kind": 1}
        opened(engine, tmp_path / "none", tables(customers=[person("anna")]))
        assert unknown_kinds(engine) == {}


def test_a_load_of_before_there_were_interactions_is_read_as_having_none(tmp_path: Path) -> None:
    with DuckDBEngine() as engine:
        opened(engine, tmp_path, tables(customers=[person("anna")]))
    (tmp_path / "interactions.parquet").unlink()
    with DuckDBEngine() as engine:
        open_tables(engine, tmp_path)
        assert engine.query("SELECT count(*) AS n FROM interactions")["n"].to_pylist() == [0]
