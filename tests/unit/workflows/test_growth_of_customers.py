"""Potential, reasons below zero and prospects of a turn: by hand, with nothing of the future, and for odd shops."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from programs import changed, program_with
from rapport.core.errors import ProgramInvalid
from rapport.core.keys import uniform
from rapport.core.tables import SCORES
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.model import Program
from rapport.program.parse import parse_program
from rapport.workflows.growth import Growth, growth_of, peers_of
from rapport.workflows.score import fit_values, read_purchase_days
from rapport.workflows.state import build_states
from state_tables import AS_OF, line, opened, person, seen, tables

CUSTOMERS = {
    "kind": "customers",
    "path": "people.csv",
    "columns": {"customer_id": "who"},
    "traits": ["Age", "wallet", "first_name", "email"],
}
TRAITS = ("age", "wallet", "first_name", "email")
LINES = {
    "kind": "transactions",
    "path": "lines.csv",
    "columns": {"customer_id": "who", "basket_id": "b", "product_id": "p", "at": "t", "sales": "s"},
}


def programme(**parts: Any) -> Program:
    return program_with(sources=[LINES, CUSTOMERS], **parts)


def scored(
    folder: Path, program: Program, traits: tuple[str, ...] = TRAITS, **rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], Growth]:
    """Return each customer's state, value and columns of growth, and what the turn's record says."""
    with DuckDBEngine() as engine:
        opened(engine, folder, tables(traits, **rows), program)
        states = build_states(engine, AS_OF)
        _, values, tiers = fit_values(states, read_purchase_days(engine), program, AS_OF)
        growth = growth_of(engine, states, values, tiers, program, AS_OF)
    columns = pa.table(growth.columns)
    for name in columns.column_names:
        assert columns.schema.field(name).type == SCORES.field(name).type, name
    together = [
        s | g | {"below_zero": bool(b), "value": int(v)}
        for s, g, b, v in zip(
            states.to_pylist(),
            columns.to_pylist(),
            values.below_zero.tolist(),
            values.expected_contribution_micros.tolist(),
            strict=True,
        )
    ]
    for row in together:
        for name, value in row.items():
            assert not (isinstance(value, float) and np.isnan(value)), (row["customer_id"], name)
    return together, growth


def crowd(n: int = 60) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return n customers, half of them old, who come every ten days of a year, and spend 1 to n each time."""
    people = [
        person(f"c{i:02d}", age="old" if i % 2 else "young", wallet="500", first_name=f"n{i % 5}") for i in range(n)
    ]
    lines = [
        line(p["customer_id"], 360 - 10 * t, "p1" if t % 2 else "p2", float(i + 1))
        for i, p in enumerate(people)
        for t in range(36)
    ]
    return people, lines


def by_id(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {r["customer_id"]: r for r in rows}


def test_potential_is_what_the_best_of_the_peers_contribute_a_year(tmp_path: Path) -> None:
    people, lines = crowd()
    rows, growth = scored(tmp_path, programme(potential={"peers": []}), customers=people, transactions=lines)
    # 36 visits of i + 1 at a margin of 30 % within 360 days: the 80 % quantile of 60 customers is the 48th.
    yearly = round(48 * 36 * 0.3 * 365 / 360 * 1e6)
    found = by_id(rows)
    assert {r["potential_value_micros"] for r in rows} == {yearly}
    assert {r["peer_cell"] for r in rows} == {"everyone"}
    least = round(36 * 0.3 * 365 / 360 * 1e6)
    assert found["c00"]["unrealised_micros"] == yearly - least
    assert found["c59"]["unrealised_micros"] == 0
    assert {r["potential_status"] for r in rows} == {"OK"}
    told = growth.counts["potential"]
    assert told["fitted_customers"] == 60
    assert sum(t["unrealised_micros"] for t in told["tiers"]) == sum(r["unrealised_micros"] for r in rows)
    # Everyone makes the same 36 visits to one department each, so the whole gap is the basket.
    assert abs(found["c00"]["gap_trips_micros"]) + abs(found["c00"]["gap_variety_micros"]) < 10
    assert found["c00"]["gap_basket_micros"] > found["c00"]["unrealised_micros"]


def test_without_a_setting_peers_are_traits_of_few_values_that_say_what_people_are_like(tmp_path: Path) -> None:
    people, lines = crowd()
    rows, growth = scored(tmp_path, programme(), customers=people, transactions=lines)
    # The first name is a name, the wallet the same for all, the e-mail unknown.
    assert growth.counts["potential"]["peers"] == ["age"]
    assert {r["peer_cell"] for r in rows} == {"age: old", "age: young"}


def test_a_trait_that_a_channel_needs_makes_nobody_a_peer() -> None:
    channel = {
        "name": "email",
        "goals": ["more-visits"],
        "needs": "email",
        "cost_per_contact": 0,
        "capacity": 1,
        "reach": 1.0,
    }
    states = pa.table({"age": ["a", "b"], "wallet": ["1", "1"], "first_name": ["x", "y"], "email": ["p", "q"]})
    assert peers_of(states, programme(channels=[channel])) == ("age",)
    assert peers_of(states, programme(potential={"peers": ["top_department", "Age"]})) == ("top_department", "age")


def test_share_of_wallet_is_yearly_spend_over_the_wallet_where_it_is_known(tmp_path: Path) -> None:
    people, lines = crowd()
    for given, p in zip(["73", None, "unknown", "0", "-5", "nan"], people, strict=False):
        p["wallet"] = given
    rows, _ = scored(tmp_path, programme(potential={"wallet": "wallet"}), customers=people, transactions=lines)
    found = by_id(rows)
    # 36 in 360 days are 36.5 a year.
    assert found["c00"]["share_of_wallet"] == pytest.approx(0.5)
    assert [found[f"c0{i}"]["share_of_wallet"] for i in range(1, 6)] == [None] * 5
    assert found["c09"]["share_of_wallet"] == pytest.approx(365 / 500)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            'peers = ["agee"]',
            "potential.peers is 'agee'; must be one of: age, email, top_department. Did you mean age?",
        ),
        ('peers = ["age", "age"]', "potential.peers is 'age', which stands twice"),
        ('wallet = "top_department"', "potential.wallet is 'top_department'; must be one of: age, email."),
        ("quantile = 80", "potential.quantile is 80; must be at most 0.99"),
        (
            'peer = ["age"]',
            "potential.peer is not a setting; allowed here: peers, quantile, wallet. Did you mean peers?",
        ),
    ],
)
def test_a_wrong_setting_is_told_with_its_line_and_the_nearest_name(setting: str, told: str) -> None:
    text = changed(
        (
            "[margins]",
            '[[sources]]\nkind = "customers"\npath = "p.csv"\ncolumns = { customer_id = "who" }\n'
            f'traits = ["age", "email"]\n\n[potential]\n{setting}\n\n[margins]',
        )
    )
    with pytest.raises(ProgramInvalid) as error:
        parse_program(text)
    place = next(n for n, found in enumerate(text.splitlines(), start=1) if found == setting)
    assert f"program.toml:{place}: {told}" in str(error.value)


def contact(who: str, kind: str, times: int) -> list[dict[str, Any]]:
    return [seen(who, day=AS_OF - timedelta(days=1 + n), kind=kind, cost_micros=None) for n in range(times)]


COST = {
    "per_purchase_day": 0.10,
    "per_return": 1.0,
    "handling_share_of_returns": 0.5,
    "per_contact": 20.0,
    "per_delivery": 20.0,
    "per_bid_lost": 20.0,
}


def test_who_costs_money_is_told_why(tmp_path: Path) -> None:
    people, lines = crowd()
    calls = [
        *contact("c01", "service", 30),
        *contact("c01", "complaint", 20),
        *contact("c02", "delivery", 90),
        *contact("c03", "bid_lost", 90),
        *contact("only bids", "bid_lost", 2),
    ]
    # c04 returns nearly all, c05 buys at half price with a thin margin, c06 comes daily for a crumb.
    lines += [line("c04", 5 * n + 1, "p1", -4.9) for n in range(36)]
    lines += [line("c05", 10 * n, "p2", 0.0, 400.0, basket=f"s{n}") for n in range(1, 37)]
    lines += [line("crumbs", n, "p1", 0.01) for n in range(1, 360)]
    people += [person("only bids"), person("crumbs")]
    rows, growth = scored(
        tmp_path, programme(cost_to_serve=COST), customers=people, transactions=lines, interactions=calls
    )
    found = by_id(rows)
    why = {who: found[who]["below_zero_why"] for who in ("c01", "c02", "c03", "c04", "c05", "only bids", "crumbs")}
    assert {k: v for k, v in why.items() if k not in ("c05", "crumbs")} == {
        "c01": "SERVICE",
        "c02": "DELIVERIES",
        "c03": "BIDS_LOST",
        "c04": "RETURNS",
        "only bids": "BIDS_LOST",
    }
    assert (why["c05"], why["crumbs"]) == ("DISCOUNTS", "THIN_MARGIN")
    for row in rows:
        assert (row["below_zero_why"] is not None) == row["below_zero"]
    assert sum(b["customers"] for b in growth.counts["below_zero"]) == sum(r["below_zero"] for r in rows)
    # Two bids of 20 in 364 days; nothing is expected of who was never served and never bought.
    assert found["only bids"]["cost_to_serve_micros"] == round(40e6 * 365 / 364)


def test_what_comes_on_the_day_or_later_changes_no_column(tmp_path: Path) -> None:
    people, lines = crowd()
    calls = contact("c01", "service", 5)
    later = [line("c01", -n, "p1", 500.0) for n in range(20)] + [line("stranger", 0, "p1", 9.0)]
    late_calls = [seen("c02", day=AS_OF + timedelta(days=n), kind="complaint", cost_micros=None) for n in range(9)]
    program = programme(cost_to_serve=COST)
    before, _ = scored(tmp_path / "a", program, customers=people, transactions=lines, interactions=calls)
    after, _ = scored(
        tmp_path / "b",
        program,
        customers=[*people, person("stranger", listed=False)],
        transactions=lines + later,
        interactions=calls + late_calls,
    )
    assert before == after


def test_prospects_are_worth_the_first_year_of_look_alikes(tmp_path: Path) -> None:
    # The shop opens 900 days before. 60 customers come 700 days before the day, 40 times in their first year; the
    # young spend 10 a visit, the old 30. Two who never bought are listed.
    people = [person(f"c{i:02d}", age="old" if i % 2 else "young") for i in range(60)]
    lines = [line("opener", 900, "p2", 1.0)]
    for i, p in enumerate(people):
        spend = 30.0 if i % 2 else 10.0
        lines += [line(p["customer_id"], 700 - 9 * t, "p2", spend + (i % 4 < 2)) for t in range(40)]
        lines += [line(p["customer_id"], 20, "p2", 1000.0)]
    people += [person("opener"), person("young one", age="young"), person("stranger", age="other")]
    program = programme(cost_to_serve={"per_purchase_day": 0.5})
    found = by_id(scored(tmp_path / "a", program, customers=people, transactions=lines)[0])
    # .3 x 10.5 x 40 less .5 x 40 = 106 and, of the old, 346; the mean of all is 226 for who is like nobody.
    assert found["young one"]["prospect_value_micros"] == pytest.approx(106e6, rel=0.02)
    assert found["stranger"]["prospect_value_micros"] == pytest.approx(226e6, rel=0.001)
    assert found["c00"]["prospect_value_micros"] is None
    assert found["c00"]["prospect_status"] is None
    low, high = (found["stranger"][f"prospect_value_{end}_micros"] for end in ("low", "high"))
    assert low < 226e6 < high
    half = programme(cost_to_serve={"per_purchase_day": 0.5}, prospects={"conversion_rate": 0.5})
    rows, growth = scored(tmp_path / "b", half, customers=people, transactions=lines)
    assert by_id(rows)["stranger"]["prospect_value_micros"] == pytest.approx(113e6, rel=0.001)
    assert (growth.counts["prospects"]["customers"], growth.counts["prospects"]["valued"]) == (2, 2)


def test_without_first_years_a_prospect_has_a_status_and_no_value(tmp_path: Path) -> None:
    people, lines = crowd()
    found = by_id(scored(tmp_path, programme(), customers=[*people, person("listed")], transactions=lines)[0])
    assert found["listed"]["prospect_value_micros"] is None
    assert found["listed"]["prospect_status"] == "TOO_FEW_CUSTOMERS"


ODD: dict[str, list[dict[str, Any]]] = {
    "one customer": [line("a", 5, "p1", 3.0)],
    "all the same": [line(f"c{i}", 50, "p1", 3.0) for i in range(50)],
    "all on one day": [line(f"c{i}", 1, "p1", float(i)) for i in range(50)],
    "refunds larger than purchases": [
        x for i in range(30) for x in (line(f"c{i}", 300, "p1", 5.0), line(f"c{i}", 200, "p1", -9.0))
    ],
    "negative spend only": [line(f"c{i}", 100 + i, "p1", -2.0) for i in range(40)],
    "nothing spent": [line(f"c{i}", 100 + i, "p1", 0.0) for i in range(40)],
    "before 1970": [line(f"c{i}", 25_000 - 9 * t, "p1", 2.0 + i) for i in range(40) for t in range(5)],
    "very large": [line(f"c{i}", 100 + i, "p1", 9e9) for i in range(30)],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_shops_have_numbers_or_a_status(name: str, tmp_path: Path) -> None:
    lines = ODD[name]
    people = [person(i, age="x") for i in sorted({r["customer_id"] for r in lines})]
    calls = contact(people[0]["customer_id"], "complaint", 3)
    rows, growth = scored(
        tmp_path, programme(cost_to_serve=COST), customers=people, transactions=lines, interactions=calls
    )
    assert len(rows) == len(people)
    for row in rows:
        assert row["unrealised_low_micros"] <= row["unrealised_micros"] <= row["unrealised_high_micros"]
        assert row["potential_status"] in ("OK", "TOO_FEW_CUSTOMERS")
        assert (row["below_zero_why"] is not None) == row["below_zero"]
    if name == "one customer":
        assert rows[0]["potential_status"] == "TOO_FEW_CUSTOMERS"
    if name == "all the same":
        assert {r["unrealised_micros"] for r in rows} == {0}
    if name in ("refunds larger than purchases", "negative spend only"):
        assert {r["below_zero_why"] for r in rows if r["below_zero"]} <= {"RETURNS", "SERVICE"}
    assert growth.counts["potential"]["version"].startswith("potential-")


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    people, lines = crowd()
    calls = contact("c01", "service", 5) + contact("c09", "delivery", 5)
    order = np.argsort(uniform(np.arange(len(lines), dtype=np.int64), "order")).tolist()
    program = programme(cost_to_serve=COST)
    one, _ = scored(tmp_path / "a", program, customers=people, transactions=lines, interactions=calls)
    other, _ = scored(
        tmp_path / "b",
        program,
        customers=people[::-1],
        transactions=[lines[i] for i in order],
        interactions=calls[::-1],
    )
    assert one == other
