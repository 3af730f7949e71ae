"""SQL that counts what each customer did in a span of days.

Why it exists: baselines and read-outs measure the same things; they are counted by one query. No interval here.
"""

from __future__ import annotations


def outcomes_sql() -> str:
    """Return SQL for one row a customer, in key order, over days in ``[$first, $stop)``.

    Columns, all BIGINT: customer_key, household_key, lines, purchase_days, departments, sales_micros, margin_micros,
    regular_micros, discount_micros; 0 where nothing was bought. Needs `customers`, `household_keys` and the table
    `purchases` up to ``$stop``.
    """
    return """
        WITH inside AS (SELECT * FROM purchases WHERE day >= $first AND day < $stop)
        SELECT c.customer_key, any_value(h.household_key) AS household_key,
               count(i.day) AS lines, count(DISTINCT i.day) AS purchase_days,
               count(DISTINCT i.department) AS departments,
               CAST(coalesce(sum(i.sales_micros), 0) AS BIGINT) AS sales_micros,
               CAST(coalesce(sum(i.margin_micros), 0) AS BIGINT) AS margin_micros,
               CAST(coalesce(sum(i.regular_micros), 0) AS BIGINT) AS regular_micros,
               CAST(coalesce(sum(i.discount_micros), 0) AS BIGINT) AS discount_micros
        FROM customers c JOIN household_keys h ON h.customer_key = c.customer_key
        LEFT JOIN inside i ON i.customer_key = c.customer_key
        GROUP BY c.customer_key ORDER BY c.customer_key
    """
