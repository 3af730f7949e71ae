"""Replay of past coupon campaigns: was the redeemed coupon among those that relevance ranks first for the household?

Why it exists: redemptions are what households really did with offers. Which coupons of the pool a household was given
is not recorded, so a pool's ranking is judged at the number each household got. Nothing on or after a campaign's
first day is used to score it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.reasons import Status
from rapport.differentiate.relevance_choice import (
    ChoiceModel,
    ChoiceSet,
    choice_features,
    fit_choice,
    predict_choice,
)
from rapport.differentiate.relevance_history import PurchaseHistory, bought_pairs, day_number, history_from_arrow
from rapport.differentiate.relevance_sql import (
    ALL_KEYS,
    relevance_coupon_products_sql,
    relevance_purchases_sql,
    relevance_trips_sql,
)
from rapport.measure.ranking import top_k
from rapport.workflows.ports import Engine

COUPONS_EACH = 16
"""Coupons that a household got out of the pool, as the data's authors tell."""

RAPPORT = "rapport"
BASKETS = "past baskets with the coupon's products"
POPULAR = "popular"
CHANCE = "chance"


@dataclass(frozen=True)
class Campaign:
    """One past campaign, its pool, and what was redeemed of it."""

    campaign_id: str
    kind: str
    starts: date
    ends: date
    history: PurchaseHistory
    baskets: NDArray[np.int64]
    row: NDArray[np.int64]
    coupon: NDArray[np.int64]
    day: NDArray[np.int64]


@dataclass(frozen=True)
class CampaignResult:
    """For each redemption, whether each policy had the coupon among the first; `keys` are the households'."""

    campaign: Campaign
    status: Status
    model: ChoiceModel
    keys: NDArray[np.int64]
    found: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def pool(self) -> int:
        """Return how many coupons the pool had."""
        return self.campaign.history.n_items


def replay_campaigns(engine: Engine, kind: str) -> list[CampaignResult]:
    """Return the results of every campaign of a kind, oldest first; needs the loaded tables in the engine.

    For each, a choice model is fitted on the redemptions, before its first day, of all campaigns that began earlier.
    """
    listed = engine.query("SELECT * FROM campaigns ORDER BY starts, campaign_id").to_pylist()
    read = [c for c in (_read_campaign(engine, row) for row in listed) if c is not None]
    return [_replay(c, [p for p in read if p.starts < c.starts]) for c in read if c.kind == kind]


def _read_campaign(engine: Engine, row: dict[str, Any]) -> Campaign | None:
    """Return a campaign with what was known before it began; None where it has no coupons."""
    bound = {"campaign_id": row["campaign_id"]}
    engine.register_arrow("pool", engine.query(relevance_coupon_products_sql(), bound))
    coupons = engine.query("SELECT DISTINCT item_index, coupon_id FROM pool ORDER BY item_index")
    if len(coupons) == 0:
        return None
    engine.execute("CREATE OR REPLACE TABLE item_products AS SELECT item_index, product_id FROM pool")
    keys = engine.query("SELECT customer_key FROM customers ORDER BY customer_key")["customer_key"].to_numpy()
    before = {"as_of": row["starts"], **ALL_KEYS}
    purchases, trips = (engine.query(q, before) for q in (relevance_purchases_sql(), relevance_trips_sql()))
    taken = engine.query(
        """SELECT r.customer_key, p.item_index, r.day - DATE '1970-01-01' AS day
           FROM redemptions r JOIN (SELECT DISTINCT item_index, coupon_id FROM pool) p ON p.coupon_id = r.coupon_id
           WHERE r.campaign_id = $campaign_id ORDER BY r.customer_key, p.item_index, r.day""",
        bound,
    )
    return Campaign(
        campaign_id=row["campaign_id"],
        kind=row["kind"],
        starts=row["starts"],
        ends=row["ends"],
        history=history_from_arrow(keys, len(coupons), purchases, trips),
        baskets=_baskets(engine, keys, len(coupons), row["starts"]),
        row=np.searchsorted(keys, taken["customer_key"].to_numpy()),
        coupon=taken["item_index"].to_numpy().astype(np.int64),
        day=taken["day"].to_numpy().astype(np.int64),
    )


def _baskets(engine: Engine, keys: NDArray[np.int64], coupons: int, starts: date) -> NDArray[np.int64]:
    """Return the past baskets with each coupon's products, shape (n, coupons)."""
    found: pa.Table = engine.query(
        """SELECT t.customer_key, i.item_index, count(DISTINCT t.basket_id) AS baskets
           FROM transactions t JOIN (SELECT DISTINCT item_index, product_id FROM item_products) i
           ON i.product_id = t.product_id WHERE t.day < $as_of GROUP BY t.customer_key, i.item_index""",
        {"as_of": starts},
    )
    counts = np.zeros((len(keys), coupons), dtype=np.int64)
    rows = np.searchsorted(keys, found["customer_key"].to_numpy())
    counts[rows, found["item_index"].to_numpy()] = found["baskets"].to_numpy()
    return counts


def _replay(campaign: Campaign, earlier: Sequence[Campaign]) -> CampaignResult:
    start = day_number(campaign.starts)
    model = fit_choice([s for s in (_choices(c, start) for c in earlier) if s is not None])
    buyers = bought_pairs(campaign.history.before(start)).sum(axis=0).astype(np.float64)
    n = campaign.history.n_customers
    scores = {
        RAPPORT: predict_choice(model, campaign.history, start),
        BASKETS: campaign.baskets.astype(np.float64),
        POPULAR: np.broadcast_to(buyers, (n, len(buyers))),
    }
    found = {name: _found(s[campaign.row], campaign.coupon, buyers) for name, s in scores.items()}
    pool = campaign.history.n_items
    found[CHANCE] = np.full(len(campaign.coupon), min(COUPONS_EACH / pool, 1.0))
    status = model.status if len(campaign.coupon) else Status.NOT_MEASURABLE
    return CampaignResult(campaign, status, model, campaign.history.customer_keys[campaign.row], found)


def _choices(campaign: Campaign, before_day: int) -> ChoiceSet | None:
    """Return the redemptions of an earlier campaign that were known before a day."""
    known = campaign.day < before_day
    if campaign.history.n_items < 2 or not known.any():
        return None
    features = choice_features(campaign.history, day_number(campaign.starts))
    return ChoiceSet(features[campaign.row[known]], campaign.coupon[known])


def _found(scores: NDArray[np.float64], coupon: NDArray[np.int64], ties: NDArray[np.float64]) -> NDArray[np.float64]:
    first = top_k(scores, COUPONS_EACH, ties=ties)
    return (first == coupon[:, None]).any(axis=1).astype(np.float64)
