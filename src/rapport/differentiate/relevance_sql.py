"""SQL that turns the canonical tables into what the relevance model reads.

Why it exists: relational work belongs to the engine; the arithmetic that follows takes arrays. Every query
takes its values bound and returns rows before the day ``$as_of`` only, so nothing of the outcome window can
enter. No arithmetic on floats may enter: sums are sums of integers, and every result is ordered.

An *item* is any set of products: a product type, a category, the products of a coupon. Sets may overlap. The
engine holds them in a temporary table ``item_products(item_index INTEGER, product_id VARCHAR)`` whose
``item_index`` runs from 0 without gaps.

Customers are read by ranges of ``customer_key``. The key is a hash, so a range is also a random sample.
"""

from __future__ import annotations

ALL_KEYS: dict[str, int] = {"key_from": -(2**63), "key_to": 2**63 - 1}
"""Bound parameters that let every customer through."""


def relevance_coupon_products_sql() -> str:
    """Return SQL for ``item_products`` where each coupon of one campaign is an item.

    Parameters to bind: ``$campaign_id`` VARCHAR.

    Columns: item_index INTEGER (0, 1, ... in the order of ``coupon_id``), product_id VARCHAR, coupon_id VARCHAR.
    """
    return """
SELECT DISTINCT CAST(dense_rank() OVER (ORDER BY coupon_id) - 1 AS INTEGER) AS item_index, product_id, coupon_id
FROM coupons
WHERE campaign_id = $campaign_id
ORDER BY item_index, product_id
"""


def relevance_purchases_sql() -> str:
    """Return SQL with one row per customer, item and day on which the customer bought the item.

    Parameters to bind: ``$as_of`` DATE, ``$key_from``, ``$key_to`` BIGINT (inclusive).

    Columns: customer_key BIGINT, item_index INTEGER, day DATE, sales_micros BIGINT (received for the item's
    products that day), discounted BOOLEAN (some discount was given on them). Ordered by the first three.
    """
    return """
SELECT t.customer_key, i.item_index, t.day,
       CAST(sum(t.sales_micros) AS BIGINT) AS sales_micros,
       coalesce(sum(t.discount_micros), 0) > 0 AS discounted
FROM transactions t
JOIN (SELECT DISTINCT item_index, product_id FROM item_products) i USING (product_id)
WHERE t.day < $as_of AND t.customer_key BETWEEN $key_from AND $key_to
GROUP BY t.customer_key, i.item_index, t.day
ORDER BY t.customer_key, i.item_index, t.day
"""


def relevance_trips_sql() -> str:
    """Return SQL with one row per customer and day with a purchase of anything.

    Parameters to bind: ``$as_of`` DATE, ``$key_from``, ``$key_to`` BIGINT (inclusive).

    Columns: customer_key BIGINT, day DATE, sales_micros BIGINT, discount_micros BIGINT. Ordered by key and day.
    """
    return """
SELECT customer_key, day,
       CAST(sum(sales_micros) AS BIGINT) AS sales_micros,
       CAST(coalesce(sum(discount_micros), 0) AS BIGINT) AS discount_micros
FROM transactions
WHERE day < $as_of AND customer_key BETWEEN $key_from AND $key_to
GROUP BY customer_key, day
ORDER BY customer_key, day
"""
