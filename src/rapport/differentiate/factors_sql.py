"""SQL that counts what each customer bought, pair by pair, for the factors of a whole catalogue.

Why it exists: customers by items is too much to write down, but what was bought is not. The engine counts it; the
arithmetic that follows takes arrays. Every query reads rows before the day ``$as_of`` only, but for the outcomes of a
window, and only customers in a range of keys: the key is a hash, so a range is a random sample, and ranges together
are everybody.

Needs the table ``purchases`` of `state_sql` and ``factor_items(item_index INTEGER, item VARCHAR)``, whose
``item_index`` runs from 0 without gaps and whose items are distinct.
"""

from __future__ import annotations

SHORT_DAYS = 28
LONG_DAYS = 91


def factor_pairs_sql() -> str:
    """Return SQL with one row for each customer and item bought before ``$as_of``.

    Parameters to bind: ``$as_of`` DATE; ``$key_from``, ``$key_to`` BIGINT (inclusive).

    Columns: customer_key BIGINT, item_index INTEGER, days INTEGER (purchase days), first_day, last_day INTEGER (days
    before ``$as_of``, at least 1), days_28, days_91 INTEGER (purchase days among the last so many). Ordered by the
    first two.
    """
    return f"""
WITH days AS (
    SELECT DISTINCT p.customer_key, i.item_index, CAST(CAST($as_of AS DATE) - p.day AS INTEGER) AS ago
    FROM purchases p JOIN factor_items i ON i.item = p.item
    WHERE p.day < $as_of AND p.customer_key BETWEEN $key_from AND $key_to
)
SELECT customer_key, item_index, CAST(count(*) AS INTEGER) AS days,
       max(ago) AS first_day, min(ago) AS last_day,
       CAST(count(*) FILTER (ago <= {SHORT_DAYS}) AS INTEGER) AS days_28,
       CAST(count(*) FILTER (ago <= {LONG_DAYS}) AS INTEGER) AS days_91
FROM days GROUP BY customer_key, item_index
ORDER BY customer_key, item_index
"""


def factor_customers_sql() -> str:
    """Return SQL with one row for each customer with a purchase of anything before ``$as_of``.

    Parameters to bind: as for `factor_pairs_sql`.

    Columns: customer_key BIGINT, trips INTEGER (purchase days), first_day, last_day INTEGER (days before ``$as_of``),
    trips_28, trips_91 INTEGER. Ordered by key.
    """
    return f"""
WITH days AS (
    SELECT DISTINCT customer_key, CAST(CAST($as_of AS DATE) - day AS INTEGER) AS ago
    FROM purchases WHERE day < $as_of AND customer_key BETWEEN $key_from AND $key_to
)
SELECT customer_key, CAST(count(*) AS INTEGER) AS trips, max(ago) AS first_day, min(ago) AS last_day,
       CAST(count(*) FILTER (ago <= {SHORT_DAYS}) AS INTEGER) AS trips_28,
       CAST(count(*) FILTER (ago <= {LONG_DAYS}) AS INTEGER) AS trips_91
FROM days GROUP BY customer_key ORDER BY customer_key
"""


def factor_outcomes_sql() -> str:
    """Return SQL with one row for each customer and item bought from ``$starts`` until before ``$ends``.

    Parameters to bind: ``$starts``, ``$ends`` DATE; ``$key_from``, ``$key_to`` BIGINT (inclusive).

    Columns: customer_key BIGINT, item_index INTEGER. Ordered by both.
    """
    return """
SELECT DISTINCT p.customer_key, i.item_index
FROM purchases p JOIN factor_items i ON i.item = p.item
WHERE p.day >= $starts AND p.day < $ends AND p.customer_key BETWEEN $key_from AND $key_to
ORDER BY p.customer_key, i.item_index
"""
