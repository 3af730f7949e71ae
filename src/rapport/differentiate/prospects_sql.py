"""SQL that sums what customers brought in their first year, as of a day.

Why it exists: what prospects are worth is learned from the first year of customers, and only of those whose first
year is over and whose beginning was seen.
"""

from __future__ import annotations

from typing import Final

SETTLING_DAYS: Final = 91
"""Who is first seen within so many days of the first purchase of all may have bought before the data begin."""


def first_years_sql() -> str:
    """Return SQL for `customer_key, margin_micros, purchase_days` of the first 365 days of each customer.

    Needs `purchases` (rows before the day of the decision) and the parameter `$as_of`. Customers are left out whose
    first purchase was less than 365 days before the day, or within `SETTLING_DAYS` of the beginning of the data.
    """
    return f"""
        WITH began AS (SELECT customer_key, min(day) AS first_day FROM purchases GROUP BY 1),
        opened AS (SELECT min(day) AS opening FROM purchases)
        SELECT p.customer_key, CAST(sum(p.margin_micros) AS BIGINT) AS margin_micros,
            count(DISTINCT p.day) AS purchase_days
        FROM purchases p
        JOIN began b ON b.customer_key = p.customer_key
        JOIN opened o ON b.first_day >= o.opening + {SETTLING_DAYS}
        WHERE b.first_day <= CAST($as_of AS DATE) - 365 AND p.day < b.first_day + 365
        GROUP BY 1 ORDER BY 1
    """
