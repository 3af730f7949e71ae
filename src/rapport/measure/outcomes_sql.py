"""SQL that counts what each customer did in a span of days.

Why it exists: baselines and read-outs measure the same things; they are counted by one query. No interval here.
"""

from __future__ import annotations


def outcomes_sql() -> str:
    """Return SQL for one row a customer of `measured`, in key order, over days in ``[$first, $stop)``.

    Columns, all BIGINT: customer_key, household_key, present, lines, purchase_days, departments, sales_micros,
    margin_micros, regular_micros, discount_micros; 0 where nothing was bought. Needs `measured(customer_key,
    household_key)`, `customers` and the table `purchases` up to ``$stop``.
    """
    return """
        WITH inside AS (SELECT * FROM purchases WHERE day >= $first AND day < $stop)
        SELECT m.customer_key, any_value(m.household_key) AS household_key,
               CAST(count(c.customer_key) > 0 AS BIGINT) AS present,
               count(i.day) AS lines, count(DISTINCT i.day) AS purchase_days,
               count(DISTINCT i.department) AS departments,
               CAST(coalesce(sum(i.sales_micros), 0) AS BIGINT) AS sales_micros,
               CAST(coalesce(sum(i.margin_micros), 0) AS BIGINT) AS margin_micros,
               CAST(coalesce(sum(i.regular_micros), 0) AS BIGINT) AS regular_micros,
               CAST(coalesce(sum(i.discount_micros), 0) AS BIGINT) AS discount_micros
        FROM measured m LEFT JOIN customers c ON c.customer_key = m.customer_key
        LEFT JOIN inside i ON i.customer_key = m.customer_key
        GROUP BY m.customer_key ORDER BY m.customer_key
    """


def bought_sql() -> str:
    """Return SQL for the distinct `customer_key, offer_index` bought within each offer's validity from ``$first``.

    Needs `offers(offer_index, item, valid_days)`, `transactions` and `products`.
    """
    return """
        SELECT DISTINCT t.customer_key, o.offer_index
        FROM transactions t JOIN products p ON p.product_id = t.product_id JOIN offers o ON o.item = p.item
        WHERE t.day >= $first AND t.day < $first + CAST(o.valid_days AS INTEGER)
    """
