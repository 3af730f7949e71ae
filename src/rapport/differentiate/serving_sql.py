"""SQL that says what customers returned, how often they were served, and what that cost, as of a day.

Why it exists: what serving a customer costs beyond the goods stands in two places, the purchases that came back and
the interactions. Only rows before `as_of` are read. What a purchase leaves over is no matter of this module.
"""

from __future__ import annotations

from typing import Final

WINDOW_DAYS: Final = 364
"""Days before the day of the decision over which returns and interactions are counted."""

KINDS: Final = {
    "service": "service",
    "services": "service",
    "service_contact": "service",
    "service_contacts": "service",
    "complaint": "complaint",
    "complaints": "complaint",
    "delivery": "delivery",
    "deliveries": "delivery",
    "bid_lost": "bid_lost",
    "bids_lost": "bid_lost",
    "lost_bid": "bid_lost",
}
"""What an interaction is called, in lower case with `_` for all that is no letter or digit, and its kind."""


def served_sql() -> str:
    """Return SQL for the table `served`: interactions before `$as_of` with their kind and what each cost.

    Columns: customer_key, day, kind (NULL where it is none of `KINDS`), cost_micros. A cost that is given counts, one
    below zero as 0; where none is given it is that of the kind. Needs `interactions` and the table
    `interaction_kinds(said, kind, cost_micros)`; parameter `$as_of`.
    """
    return """
        SELECT i.customer_key, i.day, k.kind,
            CASE WHEN i.cost_micros IS NOT NULL THEN greatest(i.cost_micros, 0)
                 ELSE coalesce(k.cost_micros, 0) END AS cost_micros
        FROM interactions i
        LEFT JOIN interaction_kinds k
            ON k.said = trim(regexp_replace(lower(i.kind), '[^a-z0-9]+', '_', 'g'), '_')
        WHERE i.day < $as_of
    """


def service_ctes() -> str:
    """Return the parts of the state query that count returns and service; parameter `$as_of`.

    A returned line is one with sales below zero. Its margin, which is below zero too, is in the margin of all lines
    already; `returned_margin_micros` only tells how much that is.
    """
    return f"""visits AS (
            SELECT customer_key, count(*) AS department_visits
            FROM (SELECT DISTINCT customer_key, basket_id, department FROM purchases)
            GROUP BY 1
        ),
        returned AS (
            SELECT customer_key, count(*) AS returns, CAST(-sum(sales_micros) AS BIGINT) AS returns_micros,
                CAST(-sum(margin_micros) AS BIGINT) AS returned_margin_micros
            FROM purchases WHERE sales_micros < 0 AND day >= $as_of - {WINDOW_DAYS} GROUP BY 1
        ),
        served_all AS (
            SELECT customer_key, kind, cost_micros, day >= $as_of - {WINDOW_DAYS} AS lately FROM served
        ),
        served_by AS (
            SELECT customer_key,
                count(*) FILTER (lately AND kind = 'service') AS service_contacts,
                count(*) FILTER (lately AND kind = 'complaint') AS complaints,
                count(*) FILTER (lately AND kind = 'delivery') AS deliveries,
                count(*) FILTER (lately AND kind = 'bid_lost') AS bids_lost,
                CAST(coalesce(sum(cost_micros) FILTER (
                    lately AND coalesce(kind, 'other') IN ('service', 'complaint', 'other')), 0) AS BIGINT)
                    AS service_cost_micros,
                CAST(coalesce(sum(cost_micros) FILTER (lately AND kind = 'delivery'), 0) AS BIGINT)
                    AS delivery_cost_micros,
                CAST(coalesce(sum(cost_micros) FILTER (lately AND kind = 'bid_lost'), 0) AS BIGINT)
                    AS bid_cost_micros
            FROM served_all GROUP BY 1
        )"""


SERVICE_COLUMNS: Final = ",\n            ".join(
    f"coalesce({table}.{name}, 0) AS {name}"
    for table, names in (
        ("v", ("department_visits",)),
        ("q", ("returns", "returns_micros", "returned_margin_micros")),
        ("s", ("service_contacts", "complaints", "deliveries", "bids_lost")),
        ("s", ("service_cost_micros", "delivery_cost_micros", "bid_cost_micros")),
    )
    for name in names
)
"""Columns of the state query from the parts of `service_ctes`, 0 where there is nothing."""

SERVICE_JOINS: Final = """LEFT JOIN visits v ON v.customer_key = c.customer_key
        LEFT JOIN returned q ON q.customer_key = c.customer_key
        LEFT JOIN served_by s ON s.customer_key = c.customer_key"""
