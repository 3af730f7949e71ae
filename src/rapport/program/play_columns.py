"""Which columns plays may name, and which data bring them.

Why it exists: a play that a company cannot use yet must say what would unlock it, and that must be said in one place.
No data are touched here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

import sqlglot
from sqlglot import exp

from rapport.core.tables import STATES

OF_VALUE: dict[str, str] = {
    "tier": "tier A, B or C",
    "alive_probability": "probability that the customer still is one",
    "expected_purchases": "purchase days expected over the horizon",
    "actual_value_micros": "expected contribution over the horizon",
    "actual_value_low_micros": "lower end of its interval",
    "actual_value_high_micros": "upper end of its interval",
    "below_zero": "expected to cost more than they bring",
    "contacts_in_period": "contacts already made in the policy's period",
    "value_rank": "1 for the customer worth most, 2 for the next",
    "value_rank_share": "rank by worth over the number of customers: 0.05 and below is the top 5 %",
    "earlier_rank_share": "rank by sales in the earlier of two compared periods, among those who bought in it",
    "prospect_value_micros": "contribution of the first year of look-alikes; empty for who has bought",
    "margin_rank_share": "rank by margin per day of being a customer, among those who ever bought",
}
"""What the score of a turn adds to the columns of the state, and what it means."""


@dataclass(frozen=True)
class Brought:
    """The data that bring a column: a kind of source and its column, and what is to be in it."""

    source: str
    column: str
    meaning: str
    kind: Literal["number", "truth"] = "number"


BY_SOURCE: dict[str, Brought] = {
    "items": Brought("products", "item", "what a product is"),
    "departments": Brought("products", "department", "where a product stands in the shop"),
    "top_department": Brought("products", "department", "where a product stands in the shop"),
    "discount_micros": Brought("transactions", "discount", "discount given on a line"),
    "discount_share": Brought("transactions", "discount", "discount given on a line"),
    "coupon_micros": Brought("transactions", "coupon", "coupon redeemed on a line"),
    "coupon_lines": Brought("transactions", "coupon", "coupon redeemed on a line"),
    "redemptions": Brought("redemptions", "coupon_id", "coupons redeemed"),
    "complaints": Brought("interactions", "kind", "complaints of the last 364 days"),
    "service_contacts": Brought("interactions", "kind", "service contacts of the last 364 days"),
    "deliveries": Brought("interactions", "kind", "deliveries of the last 364 days"),
    "bids_lost": Brought("interactions", "kind", "bids of the last 364 days that did not become orders"),
    "mailings": Brought("mailings", "campaign_id", "campaigns a customer took part in"),
}
"""Columns of the state that say nothing where the source does not map a column."""

BY_HISTORY = ("compared_days", "sales_recent_micros", "sales_earlier_micros", "margin_recent_micros",
              "margin_earlier_micros", "earlier_rank_share")  # fmt: skip
"""Columns that need two periods to compare: at least eight weeks of purchases."""

BY_TRAIT: dict[str, Brought] = {
    "open_orders": Brought("customers", "open_orders", "orders not delivered yet"),
    "wanted": Brought("customers", "wanted", "yes for prospects whom you want as customers", "truth"),
}
"""Columns that Rapport cannot work out from purchases; a trait of the customer source with that name brings them."""


def columns_of(*expressions: str) -> tuple[str, ...]:
    """Return the columns that checked expressions name, each once, in the order in which they come."""
    found: dict[str, None] = {}
    for text in expressions:
        for node in sqlglot.parse_one(text, dialect="duckdb").walk(bfs=False):
            if isinstance(node, exp.Column):
                found[node.name] = None
    return tuple(found)


def allowed_columns(traits: Collection[str]) -> list[str]:
    """Return every column that a play may name, whether the company has it or not."""
    return list(dict.fromkeys([*STATES.names, *OF_VALUE, *BY_TRAIT, *traits]))


def lacking(
    needs: Iterable[str], mapped: Collection[tuple[str, str]], traits: Collection[str]
) -> tuple[Brought, ...]:
    """Return the data that a company would have to bring for the columns that a play needs.

    Parameters
    ----------
    needs : of `columns_of`
    mapped : pairs of a kind of source and its column that the programme maps
    traits : columns of the customer source that the programme keeps
    """
    found: dict[Brought, None] = {}
    for name in needs:
        brought = BY_SOURCE.get(name)
        if brought is not None and (brought.source, brought.column) not in mapped:
            found[brought] = None
        brought = BY_TRAIT.get(name)
        if brought is not None and brought.column not in traits and name not in traits:
            found[brought] = None
    return tuple(found)
