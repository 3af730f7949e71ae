"""The files of a made-up company, each in the form in which such a system gives it away.

Why it exists: what reads companies' files must meet them as they are: semicolons, decimal commas, days with dots and
an encoding of the West from the tills, Parquet from the web, a database from the call centre. What stands in the
files is decided elsewhere.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from rapport.simulate.company_people import day_of
from rapport.simulate.company_records import Record, updated_text
from rapport.simulate.company_traffic import Visit
from rapport.simulate.transactions import BRANDS, ShopWorld

if TYPE_CHECKING:
    from _csv import Writer

_TRAITS = ("children", "language", "newsletter")
SHOP: Final = (
    "KundenNr", "Karte", "Anrede", "Vorname", "Nachname", "Geburtsdatum", "Strasse", "PLZ", "Ort", "Telefon", "EMail",
    "Punkte", *_TRAITS, "Geaendert",
)  # fmt: skip
WEB: Final = (
    "account", "first_name", "last_name", "email", "phone", "birth_date", "street", "zip", "city", "country",
    "device",
    *_TRAITS, "updated_at",
)  # fmt: skip
CALLS: Final = (
    "caller", "heard_name", "callback_phone", "email", "birth_date", "street", "house_number", "zip", "city",
    *_TRAITS,
    "last_spoken",
)  # fmt: skip
ACCOUNTS: Final = (
    "account", "company", "vat", "website", "phone", "street", "zip", "city", "country", "status", "employees",
    "changed",
)  # fmt: skip
CONTACT_COLUMNS: Final = (
    "contact", "account", "name", "title", "work_email", "private_email", "mobile", "changed",
)  # fmt: skip
TRUTH: Final[dict[str, tuple[str, ...]]] = {
    "people": ("system", "record_id", "person", "household", "account", "planted"),
    "persons": (
        "person", "household", "given_name", "surname", "birth_date", "email", "phone", "children", "language",
        "newsletter",
    ),
    "households": ("household", "person"),
    "relations": ("person", "other", "kind"),
    "visitors": ("visitor", "person", "household", "record_id", "shared"),
}  # fmt: skip
"""Columns of the files of truth/."""

_SALES = ("KundenNr", "Bon", "Artikel", "Zeit", "Menge", "Umsatz", "Rabatt", "Filiale")
_ORDERS = pa.schema(
    [
        ("account", pa.string()),
        ("order", pa.string()),
        ("product", pa.string()),
        ("ordered_at", pa.timestamp("us", tz="UTC")),
        ("pieces", pa.int64()),
        ("paid", pa.float64()),
        ("discount", pa.float64()),
    ]
)
_EVENTS = pa.schema(
    [
        ("visitor", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("kind", pa.string()),
        ("account", pa.string()),
        ("product", pa.string()),
    ]
)
_ACCOUNTS_WEB = pa.schema([(name, pa.string()) for name in WEB])
_GOODS = {
    "Wine": "Riesling,Burgundy,Sparkling wine,Port,Rosé,Cider,Gin,Olive brandy",
    "Delicatessen": "Olive oil,Truffles,Hard cheese,Ham,Chocolate,Honey,Tea,Coffee",
    "Kitchen": "Pans,Knives,Espresso cups,Baking tins,Glasses,Plates,Kettles,Scales",
    "Home": "Candles,Vases,Bed linen,Towels,Cushions,Lamps,Rugs,Frames",
    "Garden": "Seeds,Pots,Hoses,Gloves,Lanterns,Bird feeders,Shears,Soil",
    "Care": "Shampoo,Soap,Perfume,Face cream,Sun milk,Shaving,Bath salts,Lip balm",
    "Children": "Puzzles,Picture books,Bricks,Dolls,Crayons,Scooters,Rucksacks,Board games",
    "Fashion": "Scarves,Socks,Shirts,Hats,Belts,Gloves of leather,Jumpers,Rainwear",
    "Paper": "Notebooks,Fountain pens,Calendars,Cards,Wrapping paper,Novels,Maps,Stickers",
    "Sport": "Yoga mats,Bottles,Running socks,Bicycle lights,Tents,Swimwear,Balls,Skipping ropes",
    "Music": "Records,Headphones,Strings,Sheet music,Speakers,Microphones,Cables,Tuners",
    "Pets": "Dog food,Cat litter,Leads,Baskets,Toys for pets,Fish food,Brushes,Bowls",
}  # fmt: skip


def products(world: ShopWorld) -> list[tuple[str, str, str, str, str]]:
    """Return product, item, category, department and brand of each product; beyond 96 items they are numbered."""
    named = [(item, f"{department} {k // 4 + 1}", department)
             for department, items in _GOODS.items() for k, item in enumerate(items.split(","))]  # fmt: skip
    rows = []
    for product in range(world.products):
        item = product // BRANDS
        # A step of 37 through the 96 puts neighbours into different departments.
        name, category, department = named[item * 37 % len(named)]
        again = item // len(named)
        brand = "own label" if product % BRANDS else "brand"
        rows.append((f"P{product:05d}", f"{name} {again + 1}" if again else name, category, department, brand))
    return rows


class CompanyFiles:
    """The open files of a company; leaving it closes them, whatever happened."""

    def __init__(self, out: Path, crm: bool) -> None:
        self._out, self._opened = out, ExitStack()
        self._csv: dict[str, Writer] = {}
        sources = out / "sources"
        for folder in ("shop", "web", "calls", *(("crm",) if crm else ())):
            (sources / folder).mkdir(parents=True, exist_ok=True)
        (out / "truth").mkdir(parents=True, exist_ok=True)
        self._open_csv("shop", sources / "shop/customers.csv", SHOP, "cp1252", ";")
        self._open_csv("contacts", sources / "calls/contacts.csv", ("caller", "at", "kind", "cost"))
        self._open_csv("products", sources / "products.csv", ("product", "item", "category", "department", "brand"))
        if crm:
            self._open_csv("accounts", sources / "crm/accounts.csv", ACCOUNTS)
            self._open_csv("crm_contacts", sources / "crm/contacts.csv", CONTACT_COLUMNS)
        for name, columns in TRUTH.items():
            self._open_csv(name, out / f"truth/{name}.csv", columns)
        self._web = self._parquet(sources / "web/accounts.parquet", _ACCOUNTS_WEB)
        self._orders = self._parquet(sources / "web/orders.parquet", _ORDERS)
        self._events = self._parquet(sources / "web/events.parquet", _EVENTS)
        self._sales = self._opened.enter_context(
            pacsv.CSVWriter(
                str(sources / "shop/sales.csv"),
                pa.schema([(name, pa.string()) for name in _SALES]),
                write_options=pacsv.WriteOptions(delimiter=";", quoting_style="none"),
            )
        )
        self._callers = sqlite3.connect(sources / "calls/calls.db")
        self._opened.callback(self._callers.close)
        self._callers.execute(
            "CREATE TABLE callers (caller TEXT PRIMARY KEY, heard_name TEXT, callback_phone TEXT, email TEXT, "
            "birth_date TEXT, street TEXT, house_number TEXT, zip TEXT, city TEXT, children TEXT, language TEXT, "
            "newsletter TEXT, last_spoken TEXT)"
        )

    def __enter__(self) -> CompanyFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._callers.commit()
        self._opened.close()

    def _open_csv(
        self, name: str, path: Path, columns: Sequence[str], encoding: str = "utf-8", delimiter: str = ","
    ) -> None:
        file = self._opened.enter_context(path.open("w", encoding=encoding, newline=""))
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n" if delimiter == ";" else "\n")
        writer.writerow(columns)
        self._csv[name] = writer

    def _parquet(self, path: Path, schema: pa.Schema) -> pq.ParquetWriter:
        return self._opened.enter_context(pq.ParquetWriter(path, schema, compression="zstd", store_schema=False))

    def csv(self, name: str) -> Writer:
        """Return the writer of a CSV file by its short name."""
        return self._csv[name]

    def write_records(self, system: str, records: Sequence[Record]) -> None:
        """Write records of one system."""
        write: dict[str, Callable[[Sequence[Record]], None]] = {
            "shop": self._write_shop, "web": self._write_web, "calls": self._write_calls,
        }  # fmt: skip
        write[system](records)

    def _write_shop(self, records: Sequence[Record]) -> None:
        self._csv["shop"].writerows(
            (r.record_id, *(r.values[c] for c in SHOP[1:-1]), updated_text(r, "%d.%m.%Y")) for r in records
        )

    def _write_web(self, records: Sequence[Record]) -> None:
        rows = [
            {**r.values, "account": r.record_id, "updated_at": updated_text(r, "%Y-%m-%dT09:00:00Z")} for r in records
        ]
        self._web.write_table(pa.Table.from_pylist(rows, schema=_ACCOUNTS_WEB))

    def _write_calls(self, records: Sequence[Record]) -> None:
        marks = ", ".join("?" * len(CALLS))
        self._callers.executemany(
            f"INSERT INTO callers VALUES ({marks})",
            [(r.record_id, *(r.values[c] for c in CALLS[1:-1]), updated_text(r, "%Y-%m-%d")) for r in records],
        )

    def write_sales(self, lines: pa.Table) -> None:
        """Write lines of the tills: days with dots, decimal commas."""
        at = pc.strftime(lines["at"], format="%d.%m.%Y %H:%M:%S")
        pieces = pc.cast(lines["pieces"], pa.string())
        money = [_with_comma(lines[name]) for name in ("paid_cents", "discount_cents")]
        columns = [lines["customer"], lines["receipt"], lines["product"], at, pieces, *money, lines["store"]]
        self._sales.write_table(pa.table(columns, names=list(_SALES)))

    def write_orders(self, lines: pa.Table) -> None:
        """Write lines of web orders."""
        at = lines["at"].cast(pa.timestamp("us", tz="UTC"))
        money = [pc.divide(pc.cast(lines[name], pa.float64()), 100.0) for name in ("paid_cents", "discount_cents")]
        columns = [lines["customer"], lines["receipt"], lines["product"], at, lines["pieces"], *money]
        self._orders.write_table(pa.table(columns, schema=_ORDERS))

    def write_visits(self, visits: Sequence[Visit]) -> None:
        """Write events of web visitors."""
        start = (day_of(0) - date(1970, 1, 1)).days * 86_400
        columns = [
            pa.array([v.visitor for v in visits], pa.string()),
            pa.array(
                [(start + v.day * 86_400 + v.minute * 60) * 1_000_000 for v in visits], pa.timestamp("us", "UTC")
            ),
            pa.array([v.kind for v in visits], pa.string()),
            pa.array([v.account for v in visits], pa.string()),
            pa.array([None if v.product is None else f"P{v.product:05d}" for v in visits], pa.string()),
        ]
        self._events.write_table(pa.table(columns, schema=_EVENTS))


def _with_comma(cents: pa.ChunkedArray) -> pa.ChunkedArray:
    euros = pc.cast(pc.divide(cents, 100), pa.string())
    rest = pc.utf8_lpad(
        pc.cast(pc.subtract(cents, pc.multiply(pc.divide(cents, 100), 100)), pa.string()), 2, padding="0"
    )
    return pc.binary_join_element_wise(euros, rest, ",")
