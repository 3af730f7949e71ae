"""A few literal customers, products and purchases, and an engine that knows them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from programs import program_with
from rapport.core.keys import customer_key
from rapport.core.tables import LOADED
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.model import Program
from rapport.workflows.state import build_states, make_purchases, open_tables

AS_OF = date(2030, 1, 7)

PRODUCTS = [
    {"product_id": "p1", "item": "apple", "category": "fruit", "department": "PRODUCE", "brand": None},
    {"product_id": "p2", "item": "soap", "category": "wash", "department": "DRUG", "brand": None},
    {"product_id": "p3", "item": None, "category": None, "department": None, "brand": None},
]


def line(
    who: str, days_before: int, product: str, sales: float, discount: float = 0.0, **more: Any
) -> dict[str, Any]:
    """Return a purchase so many days before `AS_OF`, with amounts in units of the currency."""
    day = AS_OF - timedelta(days=days_before)
    return {
        "customer_key": customer_key(who),
        "customer_id": who,
        "basket_id": more.get("basket", f"{who}-{day}"),
        "product_id": product,
        "at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        "day": day,
        "quantity": 1.0,
        "sales_micros": round(sales * 1e6),
        "discount_micros": round(discount * 1e6),
        "coupon_micros": round(more.get("coupon", 0.0) * 1e6),
        "store_id": None,
    }


def person(who: str, household: str | None = None, *, listed: bool = True, **traits: str | None) -> dict[str, Any]:
    """Return a customer, who stands in the customer source unless told."""
    key = customer_key(who)
    return {"customer_key": key, "customer_id": who, "household_id": household or who, "listed": listed, **traits}


def seen(who: str, **values: Any) -> dict[str, Any]:
    return {"customer_key": customer_key(who), "customer_id": who, **values}


def tables(traits: tuple[str, ...] = (), **rows: list[dict[str, Any]]) -> dict[str, pa.Table]:
    """Return the loaded tables, empty where no rows are given; customers in key order."""
    schemas = LOADED | {"customers": pa.schema([*LOADED["customers"], *((t, pa.string()) for t in traits)])}
    names = (
        "customers",
        "transactions",
        "products",
        "redemptions",
        "mailings",
        "campaigns",
        "coupons",
        "interactions",
    )
    rows = {"products": PRODUCTS} | rows
    rows["customers"] = sorted(rows.get("customers", []), key=lambda r: r["customer_key"])
    return {n: pa.Table.from_pylist(rows.get(n, []), schema=schemas[n]) for n in names}


def opened(engine: DuckDBEngine, folder: Path, given: dict[str, pa.Table], program: Program | None = None) -> None:
    """Write the tables as the load stage does, open them, and make the purchases before `AS_OF`."""
    folder.mkdir(exist_ok=True)
    for name, table in given.items():
        pq.write_table(table, folder / f"{name}.parquet")
    open_tables(engine, folder)
    make_purchases(engine, program or program_with(), AS_OF)


def states_of(folder: Path, given: dict[str, pa.Table], program: Program | None = None) -> pa.Table:
    with DuckDBEngine() as engine:
        opened(engine, folder, given, program)
        return build_states(engine, AS_OF)
