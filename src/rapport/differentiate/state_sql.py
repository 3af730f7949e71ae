"""SQL that turns loaded tables into one row of state for each customer, as of a day.

Why it exists: everything known of a customer before a day, and nothing after it, in one place. Only rows before
`as_of` are read: adding later rows changes no state. Sums are of whole micros, so they do not depend on order.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapport.differentiate.serving_sql import SERVICE_COLUMNS, SERVICE_JOINS, service_ctes


def purchases_sql() -> str:
    """Return SQL for the view `purchases`: lines before `$as_of` with item, department and margin.

    The regular price is what was received plus the discount. The margin is the department's share of the regular
    price less the part of the discount that the company bears. Needs `transactions`, `products` and the one-row-a-
    department table `margins(department, share)`; parameters `$as_of`, `$default_share`, `$discount_borne`.
    """
    return """
        SELECT
            t.customer_key, t.basket_id, t.product_id, t.day, p.item, p.category,
            coalesce(p.department, 'UNKNOWN') AS department,
            t.sales_micros, t.discount_micros, t.coupon_micros,
            t.sales_micros + t.discount_micros AS regular_micros,
            CAST(round(coalesce(m.share, $default_share) * (t.sales_micros + t.discount_micros)) AS BIGINT)
                - CAST(round($discount_borne * t.discount_micros) AS BIGINT) AS margin_micros
        FROM transactions t
        LEFT JOIN products p ON p.product_id = t.product_id
        LEFT JOIN margins m ON m.department = p.department
        WHERE t.day < $as_of
    """


def states_sql(traits: Sequence[str]) -> str:
    """Return SQL that gives one row for each customer known before `$as_of`: `core.tables.STATES` and the traits.

    Frequency, recency and age are those of Fader & Hardie: repeat purchase days, days from the first to the last
    purchase, days from the first purchase to `as_of`. Cadence is the mean gap between purchase days. Counts of a
    customer without purchase are 0 and their days NULL. Known is who stands in the customer source or was seen in a
    purchase, redemption, mailing or interaction before the day: who comes later must not move anybody's rank. Needs
    the table `served` of `serving_sql.served_sql` beside `purchases`.

    The recent period is the `compared_days` before the day, the earlier one as many days before that; a year each
    where two years are known, half a year where one is, else half of what is known, in whole weeks.

    Parameters
    ----------
    traits : sequence of str
        Trait columns of `customers` to carry along; the caller has checked their names.
    """
    carried = "".join(f', c."{trait}"' for trait in traits)
    return f"""
        WITH known AS (
            SELECT coalesce(CAST($as_of AS DATE) - min(day), 0) AS known_days FROM transactions WHERE day < $as_of
        ),
        compared AS (
            SELECT known_days,
                CAST(CASE WHEN known_days >= 728 THEN 364 WHEN known_days >= 364 THEN 182
                     WHEN known_days >= 56 THEN known_days // 14 * 7 END AS INTEGER) AS compared_days
            FROM known
        ),
        periods AS (
            SELECT customer_key,
                CAST(coalesce(sum(sales_micros) FILTER (day >= $as_of - compared_days), 0) AS BIGINT) AS sales_recent,
                CAST(coalesce(sum(sales_micros) FILTER (day < $as_of - compared_days), 0) AS BIGINT)
                    AS sales_earlier,
                CAST(coalesce(sum(margin_micros) FILTER (day >= $as_of - compared_days), 0) AS BIGINT)
                    AS margin_recent,
                CAST(coalesce(sum(margin_micros) FILTER (day < $as_of - compared_days), 0) AS BIGINT)
                    AS margin_earlier
            FROM purchases CROSS JOIN compared
            WHERE day >= $as_of - 2 * compared_days GROUP BY customer_key
        ),
        by_customer AS (
            SELECT
                customer_key,
                min(day) AS first_day, max(day) AS last_day,
                count(DISTINCT day) AS purchase_days, count(DISTINCT basket_id) AS baskets,
                count(*) AS lines, count(DISTINCT item) AS items, count(DISTINCT department) AS departments,
                CAST(sum(sales_micros) AS BIGINT) AS sales_micros,
                CAST(sum(regular_micros) AS BIGINT) AS regular_micros,
                CAST(sum(discount_micros) AS BIGINT) AS discount_micros,
                CAST(sum(coupon_micros) AS BIGINT) AS coupon_micros,
                CAST(sum(margin_micros) AS BIGINT) AS margin_micros,
                CAST(coalesce(sum(sales_micros) FILTER (day >= $as_of - 28), 0) AS BIGINT) AS sales_28_micros,
                CAST(coalesce(sum(sales_micros) FILTER (day >= $as_of - 91), 0) AS BIGINT) AS sales_91_micros,
                count(*) FILTER (coupon_micros > 0) AS coupon_lines
            FROM purchases GROUP BY customer_key
        ),
        by_department AS (
            SELECT customer_key, department, sum(sales_micros) AS sales
            FROM purchases GROUP BY customer_key, department
        ),
        top_department AS (
            SELECT customer_key, department AS top_department FROM by_department
            QUALIFY row_number() OVER (PARTITION BY customer_key ORDER BY sales DESC, department) = 1
        ),
        redeemed AS (
            SELECT customer_key, count(*) AS redemptions FROM redemptions WHERE day < $as_of GROUP BY 1
        ),
        mailed AS (
            SELECT m.customer_key, count(*) AS mailings
            FROM mailings m JOIN campaigns k ON k.campaign_id = m.campaign_id AND k.starts < $as_of
            GROUP BY 1
        ),
        {service_ctes()}
        SELECT
            c.customer_key, c.customer_id, h.household_key, CAST($as_of AS DATE) AS as_of,
            b.first_day, b.last_day,
            coalesce(b.purchase_days, 0) AS purchase_days,
            greatest(coalesce(b.purchase_days, 0) - 1, 0) AS frequency,
            coalesce(b.last_day - b.first_day, 0) AS recency_days,
            coalesce(CAST($as_of AS DATE) - b.first_day, 0) AS age_days,
            CAST($as_of AS DATE) - b.last_day AS days_since_last,
            CASE WHEN b.purchase_days > 1
                 THEN (b.last_day - b.first_day) / CAST(b.purchase_days - 1 AS DOUBLE) END AS cadence_days,
            coalesce(b.baskets, 0) AS baskets, coalesce(b.lines, 0) AS lines,
            coalesce(b.items, 0) AS items, coalesce(b.departments, 0) AS departments, d.top_department,
            coalesce(b.sales_micros, 0) AS sales_micros, coalesce(b.regular_micros, 0) AS regular_micros,
            coalesce(b.discount_micros, 0) AS discount_micros, coalesce(b.coupon_micros, 0) AS coupon_micros,
            coalesce(b.margin_micros, 0) AS margin_micros,
            coalesce(b.sales_28_micros, 0) AS sales_28_micros, coalesce(b.sales_91_micros, 0) AS sales_91_micros,
            CASE WHEN b.regular_micros > 0
                 THEN b.discount_micros / CAST(b.regular_micros AS DOUBLE) END AS discount_share,
            coalesce(b.coupon_lines, 0) AS coupon_lines,
            coalesce(r.redemptions, 0) AS redemptions, coalesce(m.mailings, 0) AS mailings,
            CAST(k.known_days AS BIGINT) AS known_days, CAST(k.compared_days AS BIGINT) AS compared_days,
            CASE WHEN k.compared_days IS NOT NULL THEN coalesce(p.sales_recent, 0) END AS sales_recent_micros,
            CASE WHEN k.compared_days IS NOT NULL THEN coalesce(p.sales_earlier, 0) END AS sales_earlier_micros,
            CASE WHEN k.compared_days IS NOT NULL THEN coalesce(p.margin_recent, 0) END AS margin_recent_micros,
            CASE WHEN k.compared_days IS NOT NULL
                 THEN coalesce(p.margin_earlier, 0) END AS margin_earlier_micros,
            {SERVICE_COLUMNS}{carried}
        FROM customers c
        CROSS JOIN compared k
        LEFT JOIN periods p ON p.customer_key = c.customer_key
        JOIN household_keys h ON h.customer_key = c.customer_key
        LEFT JOIN by_customer b ON b.customer_key = c.customer_key
        LEFT JOIN top_department d ON d.customer_key = c.customer_key
        LEFT JOIN redeemed r ON r.customer_key = c.customer_key
        LEFT JOIN mailed m ON m.customer_key = c.customer_key
        {SERVICE_JOINS}
        WHERE c.listed OR b.customer_key IS NOT NULL OR r.customer_key IS NOT NULL OR m.customer_key IS NOT NULL
            OR s.customer_key IS NOT NULL
        ORDER BY c.customer_key
    """
