"""Conditions that people write are tried before anything is computed, and end in a message where data defeat them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from programs import program_with
from rapport.core.errors import RuleRefused
from rapport.core.tables import CATALOGUE, STATES
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.model import Program
from rapport.workflows.programs import check_program
from rapport.workflows.score import exclusions

TRANSACTIONS = {
    "kind": "transactions",
    "path": "lines.csv",
    "columns": {"customer_id": "who", "basket_id": "trip", "product_id": "what", "at": "when", "sales": "paid"},
}
CUSTOMERS = {
    "kind": "customers",
    "path": "people.csv",
    "key": ["customer_id"],
    "columns": {"customer_id": "who"},
    "traits": ["age_band", "points"],
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    (tmp_path / "lines.csv").write_text("who,trip,what,when,paid\na,1,p,2025-01-01,1.5\n", encoding="utf-8")
    (tmp_path / "people.csv").write_text("who,age_band,points\na,18-34,7\n", encoding="utf-8")
    with DuckDBEngine() as made:
        yield made


def ruled(**conditions: str) -> Program:
    rule = {"name": "r", "kind": "eligibility", "why": "It is so.", **conditions}
    return program_with(sources=[TRANSACTIONS, CUSTOMERS], rules=[rule])


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"customers": "customer_id"}, r"customers: 'customer_id' gives string; must be a condition, true or false"),
        ({"customers": "purchase_days"}, r"customers: 'purchase_days' gives int64; must be a condition"),
        ({"customers": "age_band"}, r"customers: 'age_band' gives string"),
        ({"customers": "customer_id + 1 > 0"}, r"customers: 'customer_id \+ 1 > 0' cannot be worked out - "),
        ({"customers": "lower(purchase_days) > 3 + as_of"}, "customers: .*cannot be worked out"),
        ({"customers": "points > 5"}, "customers: .*VARCHAR.*INTEGER_LITERAL; text is compared with text in quotes"),
        ({"customers": "last_day < 'soon'"}, "customers: .*cannot be worked out - .*soon"),
        ({"offers": "category > 5"}, r"offers: 'category > 5' cannot be worked out - .*text in quotes"),
        ({"offers": "depth * 2"}, r"offers: 'depth \* 2' gives double"),
    ],
)
def test_check_refuses_what_is_no_condition_or_compares_text_with_numbers(
    engine: DuckDBEngine, tmp_path: Path, rule: dict[str, str], told: str
) -> None:
    with pytest.raises(RuleRefused, match=rf"^rules\.r\.{told}"):
        check_program(ruled(**rule), tmp_path, engine)


@pytest.mark.parametrize(
    "rule",
    [
        {"customers": "coalesce(age_band, 'under 18') = 'under 18'"},
        {"customers": "points <> '5' and days_since_last between 1 and 9"},
        {"customers": "last_day < '2025-01-01' or first_day is null"},
        {"customers": "cadence_days / frequency > 0.5 and not top_department in ('A', 'B')"},
        {"offers": "category = '5' or item like 'R%' or price_micros > 2 * 1000000"},
        {},
    ],
)
def test_check_takes_usual_conditions(engine: DuckDBEngine, tmp_path: Path, rule: dict[str, str]) -> None:
    assert check_program(ruled(**rule), tmp_path, engine)["rules"] == ["r"]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("purchase_days", "gives int64; must be a condition"),
        ("purchase_dais > 1", "Did you mean purchase_days"),
        ("top_department > 5", "cannot be worked out"),
        ("customer_id =", "is not a condition"),
    ],
)
def test_check_tries_the_conditions_of_an_offer_file_and_names_the_line(
    engine: DuckDBEngine, tmp_path: Path, condition: str, told: str
) -> None:
    text = f"item,eligible\nRye bread,age_band = '18-34'\nMilk,\nRolls,{condition}\n"
    (tmp_path / "offers.csv").write_text(text, encoding="utf-8")
    program = program_with(sources=[TRANSACTIONS, CUSTOMERS], offers={"file": "offers.csv"})
    with pytest.raises(RuleRefused, match=rf"^offers\.csv line 4: eligible: .*{told}"):
        check_program(program, tmp_path, engine)


def offer(index: int, **more: Any) -> dict[str, Any]:
    row = dict.fromkeys(CATALOGUE.names, 1)
    words = {"offer_id": f"o{index}", "item": "Rolls", "name": "Rolls", "category": "Bread", "department": "Bakery"}
    nothing = {"valid_from": None, "eligible": None, "supplier": None, "stock": None}
    return {**row, **words, **nothing, "offer_index": index, "basis": "assumed", **more}


def excluded(engine: DuckDBEngine, program: Program, offers: list[dict[str, Any]]) -> list[list[int]]:
    ages = {"a": "18-34", "b": None, "c": "under 18"}
    rows = [
        {"customer_key": k, "customer_id": who, "household_key": k, "margin_micros": 4_000_000_000, "age_band": age}
        for k, (who, age) in enumerate(ages.items())
    ]
    states = pa.Table.from_pylist(rows, schema=pa.schema([*STATES, pa.field("age_band", pa.string())]))
    found = exclusions(
        engine,
        states,
        pa.Table.from_pylist(offers, schema=pa.schema([f.with_nullable(True) for f in CATALOGUE])),
        program,
    )
    return [[int(v) for v in row] for row in found]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"customers": "margin_micros * margin_micros * margin_micros > 0"}, "customers: .*verflow"),
        ({"customers": "age_band > 5"}, r"customers: 'age_band > 5' cannot be worked out"),
        ({"customers": "age_band"}, "customers: 'age_band' gives string"),
        ({"offers": "category > 5"}, r"offers: 'category > 5' cannot be worked out"),
    ],
)
def test_what_the_data_defeat_is_told_with_the_setting(engine: DuckDBEngine, rule: dict[str, str], told: str) -> None:
    with pytest.raises(RuleRefused, match=rf"^rules\.r\.{told}"):
        excluded(engine, ruled(**rule), [offer(0)])
    if condition := rule.get("customers"):
        with pytest.raises(RuleRefused, match=r"^eligible of offers "):
            excluded(engine, program_with(), [offer(0, eligible=condition)])


def test_an_unknown_age_counts_as_a_minor_only_where_the_rule_says_so(engine: DuckDBEngine) -> None:
    open_to_unknown, closed = "age_band = 'under 18'", "coalesce(age_band, 'under 18') = 'under 18'"
    assert excluded(engine, ruled(customers=open_to_unknown), [offer(0)]) == [[0], [0], [1]]
    assert excluded(engine, ruled(customers=closed), [offer(0)]) == [[0], [1], [1]]


def test_an_unknown_condition_of_an_offer_does_not_hold(engine: DuckDBEngine) -> None:
    assert excluded(engine, program_with(), [offer(0, eligible="age_band <> 'under 18'"), offer(1)]) == [
        [0, 0],
        [-1, 0],
        [-1, 0],
    ]
