"""SQL around the programme's offer query: what its data look like, and prices for the items it names.

Why it exists: an offer needs a price to be worth anything in money; it is taken from what buyers of the item paid
before the day of the decision.
"""

from __future__ import annotations


def item_prices_sql() -> str:
    """Return SQL for `item, department, category, buyers, price_micros` from the view `purchases`.

    The price is the mean regular price of what one customer takes of the item on one day, in whole micros. Days on
    which a customer gave back more than they took say nothing about it and are left out; where there are no others
    it is 0. Department and category are those with most lines.
    """
    return """
        WITH days AS (
            SELECT item, customer_key, day, sum(regular_micros) AS regular
            FROM purchases WHERE item IS NOT NULL GROUP BY item, customer_key, day
        ),
        places AS (
            SELECT item, department, category, count(*) AS lines
            FROM purchases WHERE item IS NOT NULL GROUP BY item, department, category
            QUALIFY row_number() OVER (PARTITION BY item ORDER BY lines DESC, department, category) = 1
        )
        SELECT d.item, any_value(p.department) AS department, any_value(p.category) AS category,
               count(DISTINCT d.customer_key) AS buyers,
               CAST(coalesce(sum(d.regular) FILTER (d.regular >= 0) // count(*) FILTER (d.regular >= 0), 0) AS BIGINT)
                   AS price_micros
        FROM days d JOIN places p ON p.item = d.item
        GROUP BY d.item ORDER BY d.item
    """


def item_products_sql() -> str:
    """Return SQL for `item_index, product_id`, the products of each offer, from `offers(offer_index, item)`."""
    return """
        SELECT CAST(o.offer_index AS INTEGER) AS item_index, p.product_id
        FROM offers o JOIN products p ON p.item = o.item
        ORDER BY item_index, product_id
    """
