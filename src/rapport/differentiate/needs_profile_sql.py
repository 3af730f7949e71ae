"""SQL that sums up what classes of customers buy: needs groups, age bands, any label.

Why it exists: a profile is made of counts by class, and counting belongs to the engine. Needs ``needs_lines`` of the
customers (`needs_sql.needs_lines_sql`), ``needs_counted`` (the result of `needs_sql.needs_counts_sql`), and
``needs_classes(customer_key, class, stratum, size)``: the class of each customer, and whom they may be compared with.
Sums are of whole numbers, and every result is ordered.
"""

from __future__ import annotations


def class_features_sql() -> str:
    """Return SQL for ``class, view, value, n, customers``: how often, and by how many, each feature was seen."""
    return """
        SELECT c.class, t.view, t.value, CAST(sum(t.before + t.later) AS BIGINT) AS n, count(*) AS customers
        FROM needs_counted t JOIN needs_classes c ON c.customer_key = t.customer_key
        WHERE t.before + t.later > 0
        GROUP BY c.class, t.view, t.value
        ORDER BY c.class, t.view, t.value
    """


def class_months_sql() -> str:
    """Return SQL for ``class, month, baskets``: month of the year from 1 to 12."""
    return """
        SELECT c.class, date_part('month', l.day) AS month, count(*) AS baskets
        FROM (SELECT DISTINCT customer_key, day, basket FROM needs_lines) l
        JOIN needs_classes c ON c.customer_key = l.customer_key
        GROUP BY c.class, month ORDER BY c.class, month
    """


def customer_prices_sql() -> str:
    """Return SQL for one row a customer: ``customer_key, class, lines, cut, expected_ppm, sales, discount, things,
    days``.

    ``cut`` counts lines bought on discount. ``expected_ppm`` is the sum over lines of the share, in millionths, in
    which everyone buys the same thing on discount: what the customer would have if discounts drew them as they draw
    everyone.
    """
    return """
        WITH rate AS (
            SELECT what, CAST(count(*) FILTER (discounted) * 1000000 // count(*) AS BIGINT) AS ppm
            FROM needs_lines WHERE what IS NOT NULL GROUP BY what
        )
        SELECT l.customer_key, any_value(c.class) AS class, count(*) AS lines, count(*) FILTER (l.discounted) AS cut,
               CAST(sum(r.ppm) AS BIGINT) AS expected_ppm,
               CAST(sum(l.sales_micros) AS BIGINT) AS sales, CAST(sum(l.discount_micros) AS BIGINT) AS discount,
               count(DISTINCT l.what) AS things, count(DISTINCT l.day) AS days
        FROM needs_lines l JOIN rate r ON r.what = l.what
        JOIN needs_classes c ON c.customer_key = l.customer_key
        GROUP BY l.customer_key ORDER BY l.customer_key
    """


def class_buyers_sql() -> str:
    """Return SQL for ``class, stratum, what, buyers``: how many of the class and stratum bought the thing."""
    return """
        SELECT c.class, c.stratum, t.value AS what, count(*) AS buyers
        FROM needs_counted t JOIN needs_classes c ON c.customer_key = t.customer_key
        WHERE t.view = 'what' AND t.before + t.later > 0
        GROUP BY c.class, c.stratum, t.value ORDER BY c.class, c.stratum, t.value
    """


def class_spend_sql() -> str:
    """Return SQL for ``class, size, department, sales``: micros spent by each class and household size."""
    return """
        SELECT c.class, c.size, l.department, CAST(sum(l.sales_micros) AS BIGINT) AS sales
        FROM needs_lines l JOIN needs_classes c ON c.customer_key = l.customer_key
        WHERE l.department IS NOT NULL AND c.size <> ''
        GROUP BY c.class, c.size, l.department ORDER BY c.class, c.size, l.department
    """


def thing_facts_sql() -> str:
    """Return SQL for ``what, lines, cut, department``: lines of each thing, those on discount, and where it
    stands."""
    return """
        SELECT what, count(*) AS lines, count(*) FILTER (discounted) AS cut, mode(department) AS department
        FROM needs_lines WHERE what IS NOT NULL GROUP BY what ORDER BY what
    """


def stocked_sql() -> str:
    """Return SQL for ``class, what, ppm``: millionths of the baskets of a class that were bought where the thing is
    sold.

    A thing is sold in a store where anybody bought it. Classes without a known store have no row.
    """
    return """
        WITH baskets AS (
            SELECT c.class, l.store, count(DISTINCT (l.customer_key, l.day, l.basket)) AS n
            FROM needs_lines l JOIN needs_classes c ON c.customer_key = l.customer_key
            WHERE l.store IS NOT NULL GROUP BY c.class, l.store
        ),
        sold AS (SELECT DISTINCT what, store FROM needs_lines WHERE what IS NOT NULL AND store IS NOT NULL),
        total AS (SELECT class, sum(n) AS n FROM baskets GROUP BY class)
        SELECT b.class, s.what, CAST(sum(b.n) * 1000000 // any_value(t.n) AS BIGINT) AS ppm
        FROM baskets b JOIN sold s ON s.store = b.store JOIN total t ON t.class = b.class
        GROUP BY b.class, s.what ORDER BY b.class, s.what
    """
