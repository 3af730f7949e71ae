"""The relevance queries on literal tables of a few rows."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from rapport.differentiate.relevance_sql import (
    ALL_KEYS,
    relevance_coupon_products_sql,
    relevance_purchases_sql,
    relevance_trips_sql,
)

AS_OF = dt.date(2020, 3, 10)


@pytest.fixture
def shop() -> Iterator[duckdb.DuckDBPyConnection]:
    options: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with duckdb.connect(config=options) as connection:
        connection.execute("""
            CREATE TABLE customers AS SELECT * FROM (VALUES
               (3::BIGINT, 'c'), (-5, 'a'), (9, 'd')) t(customer_key, customer_id);
            CREATE TABLE products AS SELECT * FROM (VALUES
               ('p1', 'milk'), ('p2', 'milk'), ('p3', 'bread'), ('p4', NULL))
              t(product_id, item);
            CREATE TABLE coupons AS SELECT * FROM (VALUES
               ('k2', 'p1', 'one'), ('k1', 'p1', 'one'), ('k1', 'p3', 'one'),
              ('k9', 'p3', 'other'), ('k1', 'p3', 'one')) t(coupon_id, product_id, campaign_id);
            CREATE TABLE transactions AS SELECT * FROM (VALUES
              (-5::BIGINT, 'b1', 'p1', DATE '2020-03-01', 1000000::BIGINT, 0::BIGINT),
              (-5, 'b1', 'p2', DATE '2020-03-01', 2000000, 500000),
              (-5, 'b2', 'p1', DATE '2020-03-01', 1000000, 0),
              (-5, 'b3', 'p3', DATE '2020-03-09', 4000000, 0),
              (-5, 'b4', 'p3', DATE '2020-03-10', 8000000, 0),
              (3, 'b5', 'p1', DATE '2020-03-02', 1000000, 0),
              (3, 'b6', 'p4', DATE '2020-03-12', 1000000, 0)
            ) t(customer_key, basket_id, product_id, day, sales_micros, discount_micros);
            CREATE TEMP TABLE item_products AS SELECT * FROM (VALUES
               (0, 'p3'), (1, 'p1'), (1, 'p2'), (1, 'p2'), (2, 'p1'))
              t(item_index, product_id);
        """)
        yield connection


def rows(shop: duckdb.DuckDBPyConnection, query: str, **values: Any) -> list[tuple[Any, ...]]:
    return shop.execute(query, values).fetchall()


def test_coupons_of_one_campaign_are_items_whose_products_may_overlap(shop: duckdb.DuckDBPyConnection) -> None:
    found = rows(shop, relevance_coupon_products_sql(), campaign_id="one")
    assert found == [(0, "p1", "k1"), (0, "p3", "k1"), (1, "p1", "k2")]


def test_purchases_are_summed_by_customer_item_and_day_before_the_day(shop: duckdb.DuckDBPyConnection) -> None:
    first, ninth = dt.date(2020, 3, 1), dt.date(2020, 3, 9)
    assert rows(shop, relevance_purchases_sql(), as_of=AS_OF, **ALL_KEYS) == [
        (-5, 0, ninth, 4_000_000, False),
        (-5, 1, first, 4_000_000, True),  # p1 twice and p2, though item_products names p2 twice
        (-5, 2, first, 2_000_000, False),
        (3, 1, dt.date(2020, 3, 2), 1_000_000, False),
        (3, 2, dt.date(2020, 3, 2), 1_000_000, False),
    ]


def test_a_range_of_keys_selects_customers(shop: duckdb.DuckDBPyConnection) -> None:
    found = rows(shop, relevance_purchases_sql(), as_of=AS_OF, key_from=0, key_to=5)
    assert {row[0] for row in found} == {3}
    assert rows(shop, relevance_trips_sql(), as_of=AS_OF, key_from=9, key_to=9) == []


def test_trips_count_a_day_once_with_all_its_products(shop: duckdb.DuckDBPyConnection) -> None:
    assert rows(shop, relevance_trips_sql(), as_of=AS_OF, **ALL_KEYS) == [
        (-5, dt.date(2020, 3, 1), 4_000_000, 500_000),
        (-5, dt.date(2020, 3, 9), 4_000_000, 0),
        (3, dt.date(2020, 3, 2), 1_000_000, 0),
    ]
