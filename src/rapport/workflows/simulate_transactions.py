"""Write a made-up shop to a folder: sources with a programme to run, or the tables that a load leaves.

Why it exists: what must hold for a hundred million lines is tried on files of that size. Chunks of customers are
drawn, written and forgotten, so memory does not grow with the shop. What is bought is decided in
`rapport.simulate.transactions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rapport.core.keys import customer_keys
from rapport.core.tables import LOADED
from rapport.simulate.transactions import (
    BRANDS,
    CHUNK,
    PlantedItems,
    PlantedShoppers,
    ShopWorld,
    plant_items,
    plant_shoppers,
)
from rapport.workflows.programs import refuse_existing

FIRST_DAY = date(2025, 1, 6)
PART_DAYS = 91
"""Days of purchases in one file of the source."""

Tell = Callable[[int], None]

_DEPARTMENTS = (
    "Bakery", "Dairy", "Fruit", "Meat", "Pantry", "Drinks", "Frozen", "Home", "Care", "Baby", "Pets", "Garden",
)  # fmt: skip
_SOURCE = pa.schema(
    [
        ("customer", pa.string()),
        ("receipt", pa.string()),
        ("product", pa.string()),
        ("bought_at", pa.timestamp("s")),
        ("pieces", pa.int64()),
        ("paid", pa.float64()),
        ("discount", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Simulated:
    """What was written: customers, of whom some bought nothing, products, lines, and the day after the last."""

    customers: int
    products: int
    lines: int
    as_of: date


def simulate_shop(world: ShopWorld, out: Path, tell: Tell) -> Simulated:
    """Write a programme with the sources of a made-up shop; return what was written.

    Parameters
    ----------
    world : ShopWorld
    out : Path
        Takes program.toml, sources/customers.parquet, sources/products.parquet and sources/transactions/, a file for
        each 91 days.
    tell : callable
        Told how many more customers are written.

    Raises
    ------
    TargetExists
        The folder is there and not empty.
    """
    refuse_existing(out)
    folder = out / "sources" / "transactions"
    folder.mkdir(parents=True, exist_ok=True)
    items = plant_items(world)
    pq.write_table(_products(world), out / "sources" / "products.parquet", compression="zstd")
    pq.write_table(_customers(world), out / "sources" / "customers.parquet", compression="zstd")
    parts, lines = -(-world.days // PART_DAYS), 0
    with ExitStack() as opened:
        files = [
            opened.enter_context(
                pq.ParquetWriter(
                    folder / f"part-{k + 1:02d}.parquet", _SOURCE, compression="zstd", store_schema=False
                )
            )
            for k in range(parts)
        ]
        for first, found in _chunks(world, items, tell):
            table, part = _source_lines(found, first), found.day // PART_DAYS
            for k in np.unique(part):
                files[k].write_table(table.filter(pa.array(part == k)))
            lines += len(found.day)
    (out / "program.toml").write_text(_program(world), encoding="utf-8")
    return Simulated(world.customers, world.products, lines, FIRST_DAY + timedelta(days=world.days))


def plant_loaded(world: ShopWorld, out: Path, tell: Tell) -> Simulated:
    """Write the tables that a load of the same shop leaves, in `out`; only the order of lines differs.

    Lines stand by chunks of customers instead of by files; whoever reads them orders what must be in order.
    """
    out.mkdir(parents=True, exist_ok=True)
    items, lines = plant_items(world), 0
    schema = LOADED["transactions"]
    with pq.ParquetWriter(out / "transactions.parquet", schema, compression="zstd", store_schema=False) as file:
        for first, found in _chunks(world, items, tell):
            file.write_table(_loaded_lines(found, first))
            lines += len(found.day)
    there = _customers(world)
    keys = customer_keys(there["customer"].to_pylist())
    order = np.argsort(keys)
    customers = pa.table(
        [pa.array(keys), there["customer"], there["household"], pa.array(np.ones(len(keys), dtype=np.bool_))],
        schema=LOADED["customers"],
    )
    pq.write_table(customers.take(pa.array(order)), out / "customers.parquet", compression="zstd")
    products = _products(world).rename_columns(["product_id", "item", "category", "department"])
    products = products.append_column("brand", pa.nulls(len(products), pa.string()))
    pq.write_table(products.cast(LOADED["products"]), out / "products.parquet")
    for name in ("redemptions", "mailings", "campaigns", "coupons"):
        pq.write_table(LOADED[name].empty_table(), out / f"{name}.parquet")
    return Simulated(world.customers, world.products, lines, FIRST_DAY + timedelta(days=world.days))


def item_names(world: ShopWorld) -> list[str]:
    """Return the name of each item, in the order of their numbers."""
    return [f"item {i:05d}" for i in range(world.items)]


def customer_names(first: int, count: int) -> pa.Array:
    """Return the ids of customers, by their numbers."""
    return _numbered("C", np.arange(first, first + count), 8)


def _chunks(world: ShopWorld, items: PlantedItems, tell: Tell) -> Iterator[tuple[int, PlantedShoppers]]:
    for chunk in range(world.chunks):
        found = plant_shoppers(world, items, chunk)
        yield chunk * CHUNK, found
        tell(len(found.first_day))


def _numbered(letter: str, numbers: NDArray[np.int64], digits: int) -> pa.Array:
    return pc.binary_join_element_wise(
        letter, pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), digits, padding="0"), ""
    )


def _coded(letter: str, numbers: NDArray[np.int64], digits: int) -> pa.Array:
    """Return the names of numbers, each distinct one made once."""
    distinct, at = np.unique(numbers, return_inverse=True)
    return _numbered(letter, distinct, digits).take(pa.array(at))


def _products(world: ShopWorld) -> pa.Table:
    product = np.arange(world.products)
    item = product // BRANDS
    names = pa.array(item_names(world)).take(pa.array(item))
    department = pa.array(_DEPARTMENTS).take(pa.array(item % len(_DEPARTMENTS)))
    return pa.table(
        {
            "product": _numbered("P", product, 6),
            "type": names,
            "category": _numbered("category ", item // 8, 4),
            "department": department,
        }
    )


def _customers(world: ShopWorld) -> pa.Table:
    number = np.arange(world.customers)
    # Every fourth customer lives with the one before.
    household = np.where(number % 4 == 3, number - 1, number)
    return pa.table({"customer": _numbered("C", number, 8), "household": _numbered("H", household, 8)})


def _seconds(found: PlantedShoppers) -> NDArray[np.int64]:
    first = (FIRST_DAY - date(1970, 1, 1)).days
    return (found.day + first) * 86_400 + found.minute * 60


def _ids(found: PlantedShoppers, first: int) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Return customer, receipt and product of each line; a customer's lines of a day are one receipt."""
    customer = _coded("C", found.customer + first, 8)
    receipt = _coded("R", (found.customer + first) * 10_000 + found.day, 12)
    return customer, receipt, _coded("P", found.product, 6)


def _source_lines(found: PlantedShoppers, first: int) -> pa.Table:
    customer, receipt, product = _ids(found, first)
    at = pa.array(_seconds(found), pa.timestamp("s"))
    paid, discount = (pa.array(m / 1e6) for m in (found.sales_micros, found.discount_micros))
    return pa.table([customer, receipt, product, at, pa.array(found.pieces), paid, discount], schema=_SOURCE)


def _loaded_lines(found: PlantedShoppers, first: int) -> pa.Table:
    customer, receipt, product = _ids(found, first)
    names = customer_names(first, len(found.first_day))
    keys = customer_keys(names.to_pylist())[found.customer]
    at, m = _seconds(found), len(found.day)
    columns = [
        pa.array(keys),
        customer,
        receipt,
        product,
        pa.array(at * 1_000_000, pa.timestamp("us", tz="UTC")),
        pa.array((at // 86_400).astype(np.int32), pa.date32()),
        pa.array(found.pieces.astype(np.float64)),
        pa.array(found.sales_micros),
        pa.array(found.discount_micros),
        pa.array(np.zeros(m, dtype=np.int64)),
        pa.nulls(m, pa.string()),
    ]
    return pa.table(columns, schema=LOADED["transactions"])


def _program(world: ShopWorld) -> str:
    """Return the programme of the made-up shop: an offer for each item with enough buyers."""
    buyers, capacity = max(5, min(30, world.customers // 50)), max(1, world.customers // 2)
    return _PROGRAM.replace("@buyers", str(buyers)).replace("@capacity", str(capacity))


_PROGRAM = """# A made-up shop, from `rapport simulate transactions`. Check it with: rapport check .
name = "Simulated shop"
currency = "EUR"
timezone = "UTC"
horizon_days = 364

[[challenges]]
name = "one-shelf-customers"
text = "Many customers buy from a few shelves only."

[[goals]]
name = "grow-margin"
challenge = "one-shelf-customers"
measure = "margin_per_customer"
window_days = 91
tiers = ["A", "B"]
target_change = 0.05
by = 2026-12-31

[tiers]
top_share = 0.25
bottom_share = 0.20
[tiers.purpose]
A = "Keep and thank."
B = "Grow: show them what they do not know yet."
C = "Serve cheaply."

[[sources]]
kind = "transactions"
path = "sources/transactions"      # a folder of Parquet files, read in the order of their names
[sources.columns]
customer_id = "customer"
basket_id = "receipt"
product_id = "product"
at = "bought_at"
sales = "paid"
discount = "discount"
quantity = "pieces"

[[sources]]
kind = "products"
path = "sources/products.parquet"
key = ["product_id"]
columns = { product_id = "product", item = "type", category = "category", department = "department" }

[[sources]]
kind = "customers"
path = "sources/customers.parquet"
key = ["customer_id"]
columns = { customer_id = "customer", household_id = "household" }

[margins]
basis = "assumed"
default = 0.30
discount_borne = 1.0

[offers]
depth = 0.15
validity_days = 28
query = \"\"\"
SELECT item FROM purchases WHERE item IS NOT NULL
GROUP BY item HAVING count(DISTINCT customer_key) >= @buyers
\"\"\"

[lift]
odds_ratio = 4.0
low = 2.0
high = 8.0
why = "An assumption to start from."

[[channels]]
name = "email"
goals = ["grow-margin"]
format = "message"
cost_per_contact = 0.005
capacity = @capacity
reach = 0.35

[policy]
portfolio_size = 5
contacts = 4
period_days = 28
holdout_share = 0.10
exploration_share = 0.05
salt = "simulated"

[litmus]
individual_cost = 0.002
segment_cost = 0.001
"""
