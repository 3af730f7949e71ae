"""The tables between rooms, each declared once: columns, types, what a column means and unlocks.

Why it exists: rooms talk through tables, not through calls. The mapping of sources, the audit, the reference
page and the checks of what a stage wrote are all derived from these declarations. No query may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

ColumnKind = Literal["id", "time", "day", "money", "number", "text"]


@dataclass(frozen=True)
class SourceColumn:
    """One column that a source may fill.

    `kind` says how a value is read and when it is bad: an id may be neither empty nor negative, a time or day
    must parse in the source's zone, money and numbers must be finite. `unlocks` is what a company can do with it.
    """

    name: str
    kind: ColumnKind
    required: bool
    meaning: str
    unlocks: str


SOURCE_COLUMNS: dict[str, tuple[SourceColumn, ...]] = {
    "transactions": (
        SourceColumn("customer_id", "id", True, "who bought", "value, tiers and individual offers"),
        SourceColumn("basket_id", "id", True, "which purchase the line belongs to", "trip counts and co-purchase"),
        SourceColumn("product_id", "id", True, "what was bought", "relevance of offers"),
        SourceColumn("at", "time", True, "when it was bought", "frequency, recency, cadence and lapsing"),
        SourceColumn("sales", "money", True, "what the company received for the line", "spend and contribution"),
        SourceColumn("quantity", "number", False, "how many", "trip size"),
        SourceColumn("discount", "money", False, "shelf and loyalty discount given on the line", "price sensitivity"),
        SourceColumn("coupon", "money", False, "coupon discount on the line", "coupon use"),
        SourceColumn("store_id", "id", False, "where it was bought", "local assortments and the nearest store"),
    ),
    "customers": (
        SourceColumn("customer_id", "id", True, "who", "one record for each customer"),
        SourceColumn("household_id", "id", False, "which household", "household-safe holdouts"),
    ),
    "products": (
        SourceColumn("product_id", "id", True, "which product", "joins purchases to the catalogue"),
        SourceColumn("item", "text", False, "what an offer is about, such as a product type", "offers"),
        SourceColumn("category", "text", False, "group of similar items", "variety in a portfolio"),
        SourceColumn("department", "text", False, "department of the shop", "margins and profiles"),
        SourceColumn("brand", "text", False, "brand, or own label", "brand preference"),
    ),
    "redemptions": (
        SourceColumn("customer_id", "id", True, "who redeemed", "coupon history"),
        SourceColumn("coupon_id", "id", True, "which coupon", "response to offers"),
        SourceColumn("campaign_id", "id", False, "of which campaign", "response by campaign"),
        SourceColumn("at", "time", True, "when", "response in its window"),
    ),
    "mailings": (
        SourceColumn("customer_id", "id", True, "who was written to", "contact history"),
        SourceColumn("campaign_id", "id", True, "in which campaign", "contact pressure"),
    ),
    "campaigns": (
        SourceColumn("campaign_id", "id", True, "which campaign", "campaign history"),
        SourceColumn("kind", "text", False, "kind of campaign", "comparison of kinds"),
        SourceColumn("starts", "day", True, "first day", "what was known before it began"),
        SourceColumn("ends", "day", True, "last day", "the window of its outcomes"),
    ),
    "coupons": (
        SourceColumn("coupon_id", "id", True, "which coupon", "what could be redeemed"),
        SourceColumn("product_id", "id", True, "for which product", "what the coupon was about"),
        SourceColumn("campaign_id", "id", True, "in which campaign", "the pool of a campaign"),
    ),
    "interactions": (
        SourceColumn("customer_id", "id", True, "whom it was with", "cost to serve each customer"),
        SourceColumn("at", "time", True, "when it was", "cost to serve of the last year"),
        SourceColumn(
            "kind", "text", True, "service, complaint, delivery or bid_lost", "what a customer costs, and why"
        ),
        SourceColumn("cost", "money", False, "what it cost", "measured in place of assumed cost to serve"),
    ),
}
"""What each kind of source can hold, in the order of the loaded table."""


_KEY = pa.field("customer_key", pa.int64(), nullable=False)
_ID = pa.field("customer_id", pa.string(), nullable=False)


def _list(item: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("item", item, nullable=False))


LOADED: dict[str, pa.Schema] = {
    "customers": pa.schema(
        [
            _KEY,
            _ID,
            pa.field("household_id", pa.string(), nullable=False),
            pa.field("listed", pa.bool_(), nullable=False),
        ]
    ),
    "transactions": pa.schema(
        [
            _KEY,
            _ID,
            ("basket_id", pa.string()),
            ("product_id", pa.string()),
            ("at", pa.timestamp("us", tz="UTC")),
            ("day", pa.date32()),
            ("quantity", pa.float64()),
            ("sales_micros", pa.int64()),
            ("discount_micros", pa.int64()),
            ("coupon_micros", pa.int64()),
            ("store_id", pa.string()),
        ]
    ),
    "products": pa.schema([(n, pa.string()) for n in ("product_id", "item", "category", "department", "brand")]),
    "redemptions": pa.schema(
        [_KEY, _ID, ("coupon_id", pa.string()), ("campaign_id", pa.string()), ("day", pa.date32())]
    ),
    "mailings": pa.schema([_KEY, _ID, ("campaign_id", pa.string())]),
    "campaigns": pa.schema(
        [("campaign_id", pa.string()), ("kind", pa.string()), ("starts", pa.date32()), ("ends", pa.date32())]
    ),
    "coupons": pa.schema([(n, pa.string()) for n in ("coupon_id", "product_id", "campaign_id")]),
    "interactions": pa.schema(
        [
            _KEY,
            _ID,
            ("at", pa.timestamp("us", tz="UTC")),
            ("day", pa.date32()),
            ("kind", pa.string()),
            ("cost_micros", pa.int64()),
        ]
    ),
    "quarantine": pa.schema(
        [
            ("source", pa.string()),
            ("row", pa.int64()),
            ("column", pa.string()),
            ("value", pa.string()),
            ("reason", pa.string()),
        ]
    ),
    "audit": pa.schema(
        [
            ("source", pa.string()),
            ("column", pa.string()),
            ("source_column", pa.string()),
            ("rows", pa.int64()),
            ("fill", pa.float64()),
            ("validity", pa.float64()),
            ("distinct", pa.int64()),
            ("freshest", pa.date32()),
            ("usable", pa.float64()),
            ("grade", pa.string()),
            ("unlocks", pa.string()),
        ]
    ),
}
"""Tables of the load stage. `customers` may carry further string columns: the traits; `listed` says that the customer
stands in the customer source, and so was known whatever they bought when."""


STATES = pa.schema(
    [
        _KEY,
        _ID,
        pa.field("household_key", pa.int64(), nullable=False),
        ("as_of", pa.date32()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("purchase_days", pa.int64()),
        ("frequency", pa.int64()),
        ("recency_days", pa.int64()),
        ("age_days", pa.int64()),
        ("days_since_last", pa.int64()),
        ("cadence_days", pa.float64()),
        ("baskets", pa.int64()),
        ("lines", pa.int64()),
        ("items", pa.int64()),
        ("departments", pa.int64()),
        ("top_department", pa.string()),
        ("sales_micros", pa.int64()),
        ("regular_micros", pa.int64()),
        ("discount_micros", pa.int64()),
        ("coupon_micros", pa.int64()),
        ("margin_micros", pa.int64()),
        ("sales_28_micros", pa.int64()),
        ("sales_91_micros", pa.int64()),
        ("discount_share", pa.float64()),
        ("coupon_lines", pa.int64()),
        ("redemptions", pa.int64()),
        ("mailings", pa.int64()),
        ("department_visits", pa.int64()),
        ("returns", pa.int64()),
        ("returns_micros", pa.int64()),
        ("returned_margin_micros", pa.int64()),
        ("service_contacts", pa.int64()),
        ("complaints", pa.int64()),
        ("deliveries", pa.int64()),
        ("bids_lost", pa.int64()),
        ("service_cost_micros", pa.int64()),
        ("delivery_cost_micros", pa.int64()),
        ("bid_cost_micros", pa.int64()),
        ("known_days", pa.int64()),
        ("compared_days", pa.int64()),
        ("sales_recent_micros", pa.int64()),
        ("sales_earlier_micros", pa.int64()),
        ("margin_recent_micros", pa.int64()),
        ("margin_earlier_micros", pa.int64()),
    ]
)
"""One row a customer as of a day; traits follow as string columns. `known_days` is how long before the day the first
purchase of all was. Two periods that follow each other, each of `compared_days`, are compared; the recent one ends
the day before. A period is a year where two are known, half a year where one is, else half of what is known in whole
weeks. Where that is less than four weeks it is NULL, as are the sums. What is returned, and what comes of
interactions, is that of the last 364 days."""


NEEDS = pa.schema([("needs_group", pa.string()), ("needs_share", pa.float64())])
"""Columns of the scores that conditions on customers may name beside those of the states and `tier`."""


CATALOGUE = pa.schema(
    [
        pa.field("offer_index", pa.int32(), nullable=False),
        pa.field("offer_id", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        ("category", pa.string()),
        ("department", pa.string()),
        pa.field("depth", pa.float64(), nullable=False),
        pa.field("margin_share", pa.float64(), nullable=False),
        pa.field("price_micros", pa.int64(), nullable=False),
        pa.field("buyers", pa.int64(), nullable=False),
        pa.field("valid_from", pa.date32(), nullable=False),
        pa.field("valid_days", pa.int32(), nullable=False),
        ("eligible", pa.string()),
        ("supplier", pa.string()),
        ("stock", pa.int64()),
        pa.field("basis", pa.string(), nullable=False),
    ]
)
"""The offers of a turn. `eligible` is the condition on a customer's state, NULL for everyone. `price_micros` is what
a buyer usually spends on the item on a day, at regular price. `stock` is how many copies there are, NULL where
nothing is said."""


SCORES = pa.schema(
    [
        _KEY,
        _ID,
        pa.field("tier", pa.string(), nullable=False),
        ("value_status", pa.string()),
        ("alive_probability", pa.float64()),
        ("expected_purchases", pa.float64()),
        ("actual_value_micros", pa.int64()),
        ("actual_value_low_micros", pa.int64()),
        ("actual_value_high_micros", pa.int64()),
        ("below_zero", pa.bool_()),
        ("contacts_in_period", pa.int64()),
        ("reachable", _list(pa.bool_())),
        ("base_probability", _list(pa.float32())),
        ("bought_before", _list(pa.bool_())),
        ("excluded", _list(pa.int8())),
        ("scopes", _list(pa.int32())),
        ("must_offers", _list(pa.int32())),
        ("includes", _list(pa.int32())),
        ("forced", pa.bool_()),
        ("below_zero_why", pa.string()),
        ("cost_to_serve_micros", pa.int64()),
        ("potential_value_micros", pa.int64()),
        ("unrealised_micros", pa.int64()),
        ("unrealised_low_micros", pa.int64()),
        ("unrealised_high_micros", pa.int64()),
        ("peer_cell", pa.string()),
        ("potential_status", pa.string()),
        ("share_of_wallet", pa.float64()),
        ("gap_trips_micros", pa.int64()),
        ("gap_basket_micros", pa.int64()),
        ("gap_variety_micros", pa.int64()),
        ("prospect_value_micros", pa.int64()),
        ("prospect_value_low_micros", pa.int64()),
        ("prospect_value_high_micros", pa.int64()),
        ("prospect_status", pa.string()),
        ("previous_tier", pa.string()),
        ("rank_tier", pa.string()),
        ("plays", _list(pa.int32())),
        ("play_stakes_micros", _list(pa.int64())),
        ("needs_group", pa.string()),
        ("needs_share", pa.float64()),
    ]
)
"""One row a customer: value, tier, whether each channel of the programme can reach them, and for every offer of the
catalogue, in its order, the probability of buying the item within the validity without an offer, whether it was ever
bought, and why not: 0 open, the number of the rule that excludes it, -1 where its own `eligible` does not hold, -2
where it cools down after a purchase. `scopes` and `includes` are the positions, in the turn's limits.json, of the
scopes of limits that hold for the customer and of what must be included; `must_offers` are positions in the catalogue
of the open offers that a portfolio must hold; `forced` says the customer is contacted even where nothing pays.
`cost_to_serve_micros` is what returns, service, deliveries and lost bids are expected to cost a year; potential,
unrealised potential and the gap to peers who reached theirs are amounts a year; the value of a prospect is that of
the first year, empty for who has bought.
`previous_tier` is the tier of the turn before, NULL for who was not decided then; `rank_tier` is the one that rank
alone gives, which differs from `tier` only where the programme sets `tiers.hysteresis`. Among the reasons why not,
-3 marks what people vetoed in the worksheet. `plays` are the positions, in the turn's limits.json, of the plays that
are for the customer, and `play_stakes_micros` what is at stake for each, 0 where a play has no reason to talk.
`needs_group` is the needs group that has most of the customer, `needs_share` how much; both NULL without a
purchase, or where no groups are looked for."""


BOOSTS = pa.schema([("boosted_offers", _list(pa.int32())), ("boosts", _list(pa.float64()))])
"""Columns that scores have besides where people boosted offers in the worksheet: positions in the catalogue of the
customer's boosted open offers, ascending, and the share by which the value of each counts for more in the choice."""


DECISIONS = pa.schema(
    [
        _KEY,
        _ID,
        pa.field("household_key", pa.int64(), nullable=False),
        pa.field("turn", pa.string(), nullable=False),
        ("as_of", pa.date32()),
        pa.field("tier", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("litmus", pa.string(), nullable=False),
        pa.field("litmus_individual_micros", pa.int64()),
        pa.field("litmus_segment_micros", pa.int64()),
        pa.field("litmus_mass_micros", pa.int64()),
        pa.field("channel", pa.string(), nullable=False),
        pa.field("level", pa.string(), nullable=False),
        pa.field("deliver", pa.bool_(), nullable=False),
        pa.field("explored", pa.bool_(), nullable=False),
        pa.field("repaired", pa.bool_(), nullable=False),
        pa.field("channel_probability", pa.float64(), nullable=False),
        pa.field("silence_probability", pa.float64(), nullable=False),
        ("channels", _list(pa.string())),
        ("channel_levels", _list(pa.string())),
        ("channel_values_micros", _list(pa.int64())),
        ("channel_prices_micros", _list(pa.int64())),
        ("channel_probabilities", _list(pa.float64())),
        pa.field("eligible_offers", pa.int32(), nullable=False),
        ("offer_ids", _list(pa.string())),
        ("offer_kinds", _list(pa.string())),
        ("offer_base_probabilities", _list(pa.float64())),
        ("offer_response_probabilities", _list(pa.float64())),
        ("offer_contributions_micros", _list(pa.int64())),
        ("offer_giveaways_micros", _list(pa.int64())),
        ("offer_choice_probabilities", _list(pa.float64())),
        pa.field("contact_cost_micros", pa.int64(), nullable=False),
        pa.field("harm_micros", pa.int64(), nullable=False),
        pa.field("expected_contribution_micros", pa.int64(), nullable=False),
        pa.field("expected_low_micros", pa.int64(), nullable=False),
        pa.field("expected_high_micros", pa.int64(), nullable=False),
        pa.field("basis", pa.string(), nullable=False),
        ("reasons", _list(pa.string())),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("policy_version", pa.string(), nullable=False),
    ]
)
"""One row a customer: what was decided, what else was open, at what prices, with what chance, and why. Where
`repaired` is true the prices alone would have broken a limit and something else was given: the chances are then not
those of what was given, and nothing may be learned from them."""


TOUCHES = pa.schema(
    [
        pa.field("touch_id", pa.string(), nullable=False),
        _KEY,
        _ID,
        pa.field("turn", pa.string(), nullable=False),
        pa.field("channel", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        ("subject", pa.string()),
        ("offer_ids", _list(pa.string())),
        ("files", _list(pa.string())),
    ]
)
"""One row a customer: `sent` with the files written, `withheld` from the held-out, or `silent`."""


READOUT = pa.schema(
    [
        pa.field("measure", pa.string(), nullable=False),
        pa.field("tier", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("customers", pa.int64(), nullable=False),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        pa.field("unit", pa.string(), nullable=False),
        pa.field("basis", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        ("note", pa.string()),
    ]
)
"""What came of a turn: each measure per tier and group, with its interval, basis and status."""
