"""Make the catalogue of a turn from the programme's offer query or file, as of the day of the decision.

Why it exists: every offer has an item that can be bought, a price, a margin and a depth before it may be chosen;
an offer that lacks sense in any of these stops the turn with its name. Nothing is decided here.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from rapport.core.errors import NoOffers, OfferInvalid, nearest
from rapport.core.money import MICROS, to_micros
from rapport.core.tables import CATALOGUE
from rapport.differentiate.offers_sql import item_prices_sql
from rapport.program.model import Program
from rapport.workflows.ports import Engine

OFFER_COLUMNS = (
    "item",
    "name",
    "offer_id",
    "depth",
    "margin_share",
    "price",
    "valid_days",
    "eligible",
    "supplier",
    "stock",
)
"""What an offer query or file may give; `item` must be there. `price` is in units of the currency."""


LARGEST_STOCK = 1e12
"""In copies; exact as a float, and more than can be printed."""

HIGHEST_PRICE = 1e9
"""In units of the currency; sums over many customers stay within whole micros of 64 bits."""

ASKED = ("customers", "purchases", "products")
"""Tables an offer query may read; of purchases only the rows before the day of the decision."""


@dataclass(frozen=True)
class Known:
    """What past purchases say of an item."""

    department: str | None
    category: str | None
    buyers: int
    price_micros: int


def make_catalogue(engine: Engine, program: Program, base: Path, as_of: date) -> pa.Table:
    """Return the offers of a turn with the schema `core.tables.CATALOGUE`, ordered by offer id.

    Raises
    ------
    OfferInvalid
        An offer repeats, is about an unknown item, or has a depth, margin, price or validity that is not allowed.
    NoOffers
        There is none.
    RuleRefused
        The query is not one plain SELECT over the tables it may see.
    """
    places = engine.query(item_prices_sql()).to_pylist()
    known = {p["item"]: Known(p["department"], p["category"], p["buyers"], p["price_micros"]) for p in places}
    rows, where = _offer_rows(engine, program, base, as_of)
    if not rows:
        raise NoOffers(f"{where}: gave no offer before {as_of}; at least one is needed. Loosen its conditions.")
    offers = [_complete(row, program, known, f"{where} {n}") for n, row in rows]
    offers.sort(key=lambda o: o["offer_id"])
    for one, other in pairwise(offers):
        if one["offer_id"] == other["offer_id"]:
            raise OfferInvalid(f"{where}: offer_id {one['offer_id']!r} stands twice; ids must differ.")
    items = [o["item"] for o in offers]
    if twice := sorted({i for i in items if items.count(i) > 1}):
        raise OfferInvalid(
            f"{where}: item {twice[0]!r} has more than one offer; one item has one offer in a turn, or a portfolio "
            f"would count its gain twice. Keep one."
        )
    for index, offer in enumerate(offers):
        offer |= {"offer_index": index, "valid_from": as_of, "basis": program.margins.basis}
    return pa.Table.from_pylist(offers, schema=CATALOGUE)


def _offer_rows(
    engine: Engine, program: Program, base: Path, as_of: date
) -> tuple[list[tuple[str, dict[str, Any]]], str]:
    """Return the offers as (place, values) and the name of where they come from."""
    if program.offers.query is not None:
        where = "offers.query"
        found = engine.ask(program.offers.query, as_of, ASKED, where)
        if "item" not in found.column_names:
            raise OfferInvalid(f"{where}: gives columns {', '.join(found.column_names)}; `item` must be among them.")
        return [(f"row {n}", row) for n, row in enumerate(found.to_pylist(), start=1)], where
    return read_offer_file(program, base)


def read_offer_file(program: Program, base: Path) -> tuple[list[tuple[str, dict[str, Any]]], str]:
    """Return the rows of the programme's offer file as (place, values), and its name; raise OfferInvalid."""
    path = base / str(program.offers.file)
    if not path.is_file():
        raise OfferInvalid(f"offers.file is {program.offers.file!r}; there is no such file in {base}.")
    try:
        return _file_rows(path), path.name
    except (UnicodeDecodeError, csv.Error) as error:
        raise OfferInvalid(f"{path.name}: cannot be read - {error}; must be CSV in UTF-8. Save it anew.") from error


def _file_rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        strange = [c for c in reader.fieldnames or [] if c not in OFFER_COLUMNS]
        if strange or "item" not in (reader.fieldnames or []):
            raise OfferInvalid(
                f"{path.name}: columns are {', '.join(reader.fieldnames or [])}; must include item and may have: "
                f"{', '.join(OFFER_COLUMNS)}.{nearest(strange[0], OFFER_COLUMNS) if strange else ''}"
            )
        return [(f"line {reader.line_num}", {k: v or None for k, v in row.items() if k}) for row in reader]


def _complete(row: Mapping[str, Any], program: Program, known: Mapping[str, Known], where: str) -> dict[str, Any]:
    """Return an offer with everything filled in from the item's past and the programme."""
    item = row.get("item")
    if item is None or item not in known:
        raise OfferInvalid(
            f"{where}: item is {item!r}; must be an item somebody bought before the day of the decision."
            f"{nearest(str(item), known)}"
        )
    past = known[item]
    return {
        "offer_id": str(row.get("offer_id") or item),
        "item": item,
        "name": str(row.get("name") or item),
        "category": past.category,
        "department": past.department,
        "buyers": past.buyers,
        "eligible": str(row["eligible"]) if row.get("eligible") else None,
        "supplier": str(row["supplier"]) if row.get("supplier") else None,
        **_numbers(row, program, past, where),
    }


def _numbers(row: Mapping[str, Any], program: Program, past: Known, where: str) -> dict[str, Any]:
    """Return an offer's margin, depth, price and validity, each in the range that makes sense."""
    margins = program.margins
    usual = margins.departments.get(past.department or "", margins.default)
    margin_share = _number(row, "margin_share", usual, where)
    depth = _number(row, "depth", program.offers.depth, where)
    price = _number(row, "price", past.price_micros / MICROS, where)
    valid_days = _number(row, "valid_days", program.offers.validity_days, where)
    name = f"{where} (item {row.get('item')!r})"
    at_a_loss = "must lie in [0, 1]; a sale at a loss is no offer"
    _require(0 <= margin_share <= 1, name, "margin_share", margin_share, at_a_loss)
    _require(0 < depth < 1, name, "depth", depth, "must lie between 0 and 1, as a share of the regular price")
    allowed = f"must be above 0, at least a micro, and at most {HIGHEST_PRICE:g}"
    if row.get("price") is None:
        allowed += (
            ". It is what buyers usually paid before the day of the decision; give a `price` or leave the item out"
        )
    _require(1 / MICROS <= price <= HIGHEST_PRICE, name, "price", price, allowed)
    whole = 1 <= valid_days <= 365 and valid_days == int(valid_days)
    _require(whole, name, "valid_days", valid_days, "must be a whole number in [1, 365]")
    return {
        "margin_share": margin_share,
        "depth": depth,
        "price_micros": to_micros(price),
        "valid_days": int(valid_days),
        "stock": _stock(row, name),
    }


def _stock(row: Mapping[str, Any], where: str) -> int | None:
    """Return how many copies of an offer there are, None where nothing is said."""
    if row.get("stock") is None:
        return None
    stock = _number(row, "stock", 0, where)
    whole = 0 <= stock <= LARGEST_STOCK and stock == int(stock)
    _require(whole, where, "stock", stock, f"must be a whole number in [0, {LARGEST_STOCK:g}]; empty: no limit")
    return int(stock)


def check_offer_file(program: Program, base: Path) -> None:
    """Raise OfferInvalid where the programme's offer file cannot be read or a number in it makes no sense.

    Whether the items are known can only be said once the data are loaded.
    """
    if program.offers.file is None:
        return
    rows, name = read_offer_file(program, base)
    for place, row in rows:
        _numbers(row, program, Known(None, None, 0, MICROS), f"{name} {place}")


def _number(row: Mapping[str, Any], column: str, default: float, where: str) -> float:
    value = row.get(column)
    if value is None:
        return float(default)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise OfferInvalid(f"{where}: {column} is {value!r}; must be a number.") from error


def _require(holds: bool, where: str, column: str, value: float, allowed: str) -> None:
    if not holds:
        raise OfferInvalid(f"{where}: {column} is {value:g}; {allowed}.")
