"""Several sources of one kind, systems of people behind them, and the crosswalk to customers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from shop import LINE, lines_source, load, program_of, write_lines

from rapport.core.errors import ProgramInvalid
from rapport.core.keys import customer_key
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.engines.source_files import digest_source
from rapport.program.model import Program
from rapport.workflows.known_customers import KnownCustomers
from rapport.workflows.load import fingerprint, load_program

SHOP = {"name": "shop_lines", "system": "shop"}
WEB = {"name": "web_lines", "system": "web"}
PEOPLE = [{"name": n, "path": f"{n}.csv", "columns": {"record_id": "id"}} for n in ("shop", "web")]
CROSSWALK = pa.table(
    {
        "system": ["shop", "web", "web"],
        "record_id": ["1", "a", "b"],
        "customer_id": ["CX", "CX", "CY"],
        "household_id": ["H1", "H1", None],
    }
)


def known(crosswalk: pa.Table) -> KnownCustomers:
    """Return what identify knows where it knows nothing but the crosswalk."""
    nobody = pa.table({"customer_id": pa.array([], pa.string())})
    return KnownCustomers(crosswalk, nobody, pa.table({"old_key": [], "customer_key": []}))


def two_files(base: Path) -> None:
    write_lines(base, "1,7,10,2017-01-01,1", "9,8,10,2017-01-02,2", name="shop_lines.csv")
    write_lines(base, "a,7,10,2017-01-03,4", "b,9,11,2017-01-04,never", name="web_lines.csv")


def identified(*sources: dict[str, Any]) -> Program:
    data = program_of(lines_source()).model_dump(mode="json") | {"sources": list(sources), "people": PEOPLE}
    return Program.model_validate(data)


def loaded_tables(
    base: Path, program: Program, crosswalk: pa.Table | None
) -> tuple[Any, dict[str, list[dict[str, Any]]]]:
    (base / "out").mkdir()
    with DuckDBEngine() as engine:
        summary = load_program(
            program, base, engine, base / "out", known=None if crosswalk is None else known(crosswalk)
        )
        names = ("transactions", "customers", "quarantine", "audit", "products")
        tables = {n: engine.query(f"SELECT * FROM {n}").to_pylist() for n in names}
    assert not [p.name for p in (base / "out").iterdir() if p.name.startswith("staged")]
    return summary, tables


def test_sources_of_one_kind_are_appended_in_declared_order_and_told_by_name(tmp_path: Path) -> None:
    two_files(tmp_path)
    sources = [lines_source("web_lines.csv", name="web"), lines_source("shop_lines.csv", name="shop")]
    loaded = load(tmp_path, *sources)
    assert loaded.column("transactions", "customer_id") == ["a", "1", "9"]
    assert [(s.source, s.rows, s.kept, s.quarantined) for s in loaded.summary.sources] == [
        ("web", 2, 1, {"BAD_NUMBER": 1}),
        ("shop", 2, 2, {}),
    ]
    assert [(q["source"], q["row"], q["value"]) for q in loaded.rows("quarantine")] == [("web", 2, "never")]
    assert {r["source"] for r in loaded.rows("audit")} >= {"web", "shop"}


def test_baskets_of_several_sources_stay_apart_and_products_are_shared(tmp_path: Path) -> None:
    two_files(tmp_path)
    sources = [lines_source("web_lines.csv", name="web"), lines_source("shop_lines.csv", name="shop")]
    loaded = load(tmp_path, *sources)
    assert loaded.column("transactions", "basket_id") == ["web:7", "shop:7", "shop:8"]
    assert loaded.column("transactions", "product_id") == ["10", "10", "10"]


def test_ids_that_are_a_sources_own_are_told_apart(tmp_path: Path) -> None:
    two_files(tmp_path)
    (tmp_path / "web_products.csv").write_text("id,name\n10,tea\n")
    own = ["basket_id", "product_id"]
    products = {
        "kind": "products",
        "name": "web_products",
        "system": "web",
        "path": "web_products.csv",
        "columns": {"product_id": "id", "item": "name"},
        "own_ids": ["product_id"],
    }
    program = identified(
        lines_source("shop_lines.csv", name="shop_lines"), lines_source("web_lines.csv", **WEB, own_ids=own), products
    )
    _, tables = loaded_tables(tmp_path, program, None)
    assert [t["product_id"] for t in tables["transactions"]] == ["10", "10", "web:10"]
    assert [p["product_id"] for p in tables["products"]] == ["web:10"]


def test_the_crosswalk_replaces_ids_and_counts_those_it_does_not_have(tmp_path: Path) -> None:
    two_files(tmp_path)
    program = identified(lines_source("shop_lines.csv", **SHOP), lines_source("web_lines.csv", **WEB))
    summary, tables = loaded_tables(tmp_path, program, CROSSWALK)
    assert [t["customer_id"] for t in tables["transactions"]] == ["CX", "shop:9", "CX"]
    assert [t["customer_key"] for t in tables["transactions"]] == [customer_key(i) for i in ("CX", "shop:9", "CX")]
    assert [(s.source, s.kept, s.unmatched) for s in summary.sources] == [("shop_lines", 2, 1), ("web_lines", 1, 0)]
    assert {c["customer_id"]: c["household_id"] for c in tables["customers"]} == {"CX": "H1", "shop:9": "shop:9"}


def test_of_two_records_of_a_customer_the_first_that_says_something_counts(tmp_path: Path) -> None:
    two_files(tmp_path)
    (tmp_path / "c1.csv").write_text("id,home,plan\n1,,gold\n")
    (tmp_path / "c2.csv").write_text("id,home,plan,age\na,h7,basic,30\nb,h8,,40\n")
    shop = {"kind": "customers", "name": "c1", "system": "shop", "path": "c1.csv", "traits": ["plan"]}
    web = {"kind": "customers", "name": "c2", "system": "web", "path": "c2.csv", "traits": ["plan", "age"]}
    columns = {"customer_id": "id", "household_id": "home"}
    program = identified(
        lines_source("shop_lines.csv", **SHOP), {**shop, "columns": columns}, {**web, "columns": columns}
    )
    _, tables = loaded_tables(tmp_path, program, CROSSWALK)
    rows = {c["customer_id"]: (c["household_id"], c["listed"], c["plan"], c["age"]) for c in tables["customers"]}
    assert rows == {
        "CX": ("H1", True, "gold", "30"),
        "CY": ("web:h8", True, None, "40"),
        "shop:9": ("shop:9", False, None, None),
    }


def test_a_product_of_two_sources_is_that_of_the_first_and_the_other_is_put_aside(tmp_path: Path) -> None:
    two_files(tmp_path)
    (tmp_path / "p1.csv").write_text("id,name\n10,tea\n")
    (tmp_path / "p2.csv").write_text("id,name\n11,jam\n10,cocoa\n")
    columns = {"product_id": "id", "item": "name"}
    products = [{"kind": "products", "name": n, "path": f"{n}.csv", "columns": columns} for n in ("p1", "p2")]
    loaded = load(tmp_path, lines_source("shop_lines.csv"), *products)
    assert [(p["product_id"], p["item"]) for p in loaded.rows("products")] == [("10", "tea"), ("11", "jam")]
    assert loaded.rows("quarantine") == [
        {"source": "p2", "row": 2, "column": "id", "value": "10", "reason": "REPEATED_KEY"}
    ]
    assert [(s.source, s.kept, s.quarantined) for s in loaded.summary.sources][1:] == [
        ("p1", 1, {}),
        ("p2", 1, {"REPEATED_KEY": 1}),
    ]


def test_the_crosswalk_enters_the_fingerprint_whatever_the_order_of_its_rows(tmp_path: Path) -> None:
    two_files(tmp_path)
    program = identified(lines_source("shop_lines.csv", **SHOP))
    plain = fingerprint(program, tmp_path, digest_source)
    joined = fingerprint(program, tmp_path, digest_source, known(CROSSWALK))
    assert joined == fingerprint(program, tmp_path, digest_source, known(CROSSWALK.take([2, 0, 1])))
    changed = CROSSWALK.set_column(2, "customer_id", pa.array(["CX", "CY", "CY"]))
    assert len({plain, joined, fingerprint(program, tmp_path, digest_source, known(changed))}) == 3


def test_a_programme_without_the_new_settings_is_written_as_before() -> None:
    written = program_of(lines_source()).model_dump(mode="json")["sources"][0]
    assert written == {
        "kind": "transactions",
        "path": "lines.csv",
        "timezone": None,
        "columns": LINE,
        "key": [],
        "traits": [],
        "sheet": None,
        "delimiter": None,
        "decimal": ".",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"system": "till"}, r"sources\.1\.system is 'till'; must be one of: shop, web"),
        ({"path": None}, "needs a path, or a database"),
        ({"database": "sqlite:///x.db"}, "has both path and database"),
        ({"path": None, "database": "sqlite:///x.db"}, "needs either table or query"),
        ({"own_ids": ["customer_id"]}, "may name: basket_id, product_id, store_id"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes: dict[str, Any], said: str) -> None:
    from pydantic import ValidationError

    with pytest.raises((ValidationError, ProgramInvalid), match=said.replace(r"sources\.1\.system ", "")):
        identified(lines_source(**changes))


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="sources names transactions more than once"):
        program_of(lines_source(), lines_source())
