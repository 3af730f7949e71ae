"""SQL that counts what, how, when and at what price each customer buys, for needs groups and their profiles.

Why it exists: relational work belongs to the engine; the arithmetic that follows takes counts. Every query reads rows
before ``$as_of`` only, counts whole things or sums whole micros, and is ordered. No model may enter.

A *feature* is a value of a *view*: an item of the view ``what``, a day of the view ``weekday``, and so on. Values are
counted in the unit of the view, days for ``what``, lines for prices, baskets for the rest. Customers are read by
ranges of ``customer_key``; the key is a hash, so a range is also a random sample.
"""

from __future__ import annotations

from typing import Final

LEVELS: Final = ("item", "category", "department")
"""Columns of the products that the view ``what`` may hold, from fine to coarse."""

WHAT: Final = "what"
VIEWS: Final = (WHAT, "discount", "label", "price", "weekday", "hour", "basket", "store")
"""What; whether at a discount; own label; price level in its category; when; how large a basket; where."""

OWN_LABELS: Final = ("private", "private label", "own", "own label", "own brand", "store brand", "house brand")
"""Values of ``brand``, in lower case, that mean the company's own label."""

HOURS: Final = ("night", "morning", "midday", "afternoon", "evening")
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BASKETS: Final = ("1 item", "2 to 5 items", "6 to 15 items", "16 or more items")
PRICE_LEVELS: Final = ("low", "middle", "high")


def what_sql(level: str) -> str:
    """Return the expression of a product ``p`` that the view ``what`` holds; NULL where it is not known.

    Raises
    ------
    ValueError
        The level is none of `LEVELS`.
    """
    if level not in LEVELS:
        raise ValueError(f"level is {level!r}; must be one of {', '.join(LEVELS)}. Choose one of them.")
    return f"nullif(trim(p.{level}), '')"


def needs_lines_sql(level: str) -> str:
    """Return SQL for ``needs_lines``: one row for each line bought before ``$as_of``, with all its features.

    Parameters to bind: ``$as_of`` DATE, ``$zone`` VARCHAR (IANA), ``$key_from``, ``$key_to`` BIGINT (inclusive).
    Needs ``transactions``, ``products`` and ``needs_prices`` (see `needs_prices_sql`).

    Columns: customer_key BIGINT, day DATE, basket VARCHAR, what, hour, label, price, store, department VARCHAR
    (NULL: not known), discounted BOOLEAN, sales_micros, discount_micros BIGINT. Lines with a negative amount are
    returns and left out.
    """
    own = ", ".join(f"'{name}'" for name in OWN_LABELS)
    return f"""
        SELECT t.customer_key, t.day, t.basket_id AS basket, {what_sql(level)} AS what,
               CASE WHEN date_part('hour', timezone($zone, t.at)) < 6 THEN 'night'
                    WHEN date_part('hour', timezone($zone, t.at)) < 11 THEN 'morning'
                    WHEN date_part('hour', timezone($zone, t.at)) < 14 THEN 'midday'
                    WHEN date_part('hour', timezone($zone, t.at)) < 18 THEN 'afternoon'
                    WHEN date_part('hour', timezone($zone, t.at)) < 22 THEN 'evening' ELSE 'night' END AS hour,
               CASE WHEN p.brand IS NULL THEN NULL
                    WHEN lower(trim(p.brand)) IN ({own}) THEN 'own' ELSE 'other' END AS label,
               n.level AS price, t.store_id AS store, nullif(trim(p.department), '') AS department,
               coalesce(t.discount_micros, 0) > 0 AS discounted,
               t.sales_micros, coalesce(t.discount_micros, 0) AS discount_micros
        FROM transactions t
        LEFT JOIN products p ON p.product_id = t.product_id
        LEFT JOIN needs_prices n ON n.product_id = t.product_id
        WHERE t.day < $as_of AND t.customer_key BETWEEN $key_from AND $key_to AND t.sales_micros >= 0
    """


def needs_prices_sql() -> str:
    """Return SQL for ``product_id, level``: the third of its category's products that a product's price lies in.

    The price is the median of regular price over quantity on lines before ``$as_of``. Categories with fewer than
    three priced products say nothing, nor do products without a category. Levels are those of `PRICE_LEVELS`.
    """
    return """
        WITH priced AS (
            SELECT t.product_id, any_value(p.category) AS category,
                   median((t.sales_micros + coalesce(t.discount_micros, 0)) / coalesce(t.quantity, 1)) AS price
            FROM transactions t JOIN products p ON p.product_id = t.product_id
            WHERE t.day < $as_of AND coalesce(t.quantity, 1) > 0 AND t.sales_micros > 0 AND p.category IS NOT NULL
            GROUP BY t.product_id
        )
        SELECT product_id,
               CASE ntile(3) OVER (PARTITION BY category ORDER BY price, product_id)
                    WHEN 1 THEN 'low' WHEN 2 THEN 'middle' ELSE 'high' END AS level
        FROM priced QUALIFY count(*) OVER (PARTITION BY category) >= 3
        ORDER BY product_id
    """


def needs_counts_sql() -> str:
    """Return SQL for ``customer_key, view, value, before, later``: how often each feature was seen.

    Parameters to bind: ``$split`` DATE, the first day that counts as ``later``. Needs ``needs_lines``. ``what``
    counts days; ``discount``, ``label`` and ``price`` count lines; ``weekday``, ``hour``, ``basket`` and ``store``
    baskets. Ordered by customer, view and value.
    """
    return """
        WITH bought AS (
            SELECT DISTINCT customer_key, what, day FROM needs_lines WHERE what IS NOT NULL
        ),
        baskets AS (
            SELECT customer_key, day, basket, min(hour) AS hour, min(store) AS store, count(DISTINCT what) AS things
            FROM needs_lines GROUP BY customer_key, day, basket
        ),
        seen AS (
            SELECT customer_key, 'what' AS view, what AS value, day, 1 AS n FROM bought
            UNION ALL
            SELECT customer_key, 'discount', if(discounted, 'discounted', 'full price'), day, count(*)
            FROM needs_lines GROUP BY ALL
            UNION ALL
            SELECT customer_key, 'label', label, day, count(*) FROM needs_lines WHERE label IS NOT NULL GROUP BY ALL
            UNION ALL
            SELECT customer_key, 'price', price, day, count(*) FROM needs_lines WHERE price IS NOT NULL GROUP BY ALL
            UNION ALL
            SELECT customer_key, 'weekday', CAST(isodow(day) AS VARCHAR), day, 1 FROM baskets
            UNION ALL
            SELECT customer_key, 'hour', hour, day, 1 FROM baskets WHERE hour IS NOT NULL
            UNION ALL
            SELECT customer_key, 'basket', CASE WHEN things <= 1 THEN '1' WHEN things <= 5 THEN '2'
                   WHEN things <= 15 THEN '6' ELSE '16' END, day, 1 FROM baskets
            UNION ALL
            SELECT customer_key, 'store', store, day, 1 FROM baskets WHERE store IS NOT NULL
        )
        SELECT customer_key, view, value,
               CAST(coalesce(sum(n) FILTER (day < $split), 0) AS BIGINT) AS before,
               CAST(coalesce(sum(n) FILTER (day >= $split), 0) AS BIGINT) AS later
        FROM seen GROUP BY customer_key, view, value
        ORDER BY customer_key, view, value
    """
