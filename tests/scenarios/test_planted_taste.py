"""The made-up shop hides a taste in every customer; a turn must find it, and hold out the share it was told to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from rapport.core.keys import customer_keys, uniform
from shop_runs import TURN


def _table(shop: Path, name: str) -> Any:
    return pq.read_table(shop / "state" / "turns" / TURN / f"{name}.parquet")


def _tastes(shop: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return each customer's hidden taste for each offer, customers and offers in the order of the turn.

    The shop was drawn so that a customer who comes buys product p with probability taste[p] / 2.
    """
    lines = (shop / "sources" / "products.csv").read_text(encoding="utf-8").splitlines()[1:]
    product = {item: code for code, item in (line.split(",")[:2] for line in lines)}
    keys = customer_keys(_table(shop, "scores")["customer_id"].to_pylist())
    catalogue = _table(shop, "catalogue")
    # Reasons to talk stand in the catalogue beside what is sold.
    sold = np.array([not i.startswith("play:") for i in catalogue["offer_id"].to_pylist()])
    items = np.array(catalogue["item"].to_pylist())[sold]
    taste = np.stack([uniform(keys, f"shop:taste:{product[i]}") for i in items], axis=1) ** 4
    return taste, np.array(_table(shop, "scores")["base_probability"].to_pylist())[:, sold]


def test_what_a_customer_likes_best_is_among_the_likeliest_purchases(turned: Path) -> None:
    taste, probability = _tastes(turned)
    days = _table(turned, "states")["purchase_days"].to_numpy()
    since = _table(turned, "states")["days_since_last"].to_numpy()
    known = (days >= 20) & (since <= 60)
    assert known.sum() > 50
    favourite = taste.argmax(axis=1)
    place = (probability > probability[np.arange(len(taste)), favourite][:, None]).sum(axis=1)
    # By chance the favourite of 28 offers is among the first five for 18 % of customers.
    assert (place[known] < 5).mean() > 0.9


def test_likelihood_follows_taste_over_all_offers(turned: Path) -> None:
    taste, probability = _tastes(turned)
    days = _table(turned, "states")["purchase_days"].to_numpy()
    known = days >= 20
    ranks = [np.argsort(np.argsort(a[known], axis=1), axis=1).astype(float) for a in (taste, probability)]
    correlation = [np.corrcoef(t, p)[0, 1] for t, p in zip(*ranks, strict=True)]
    assert np.median(correlation) > 0.7


def test_the_held_out_share_is_within_binomial_error(turned: Path) -> None:
    decisions = _table(turned, "decisions").to_pylist()
    arms = {d["household_key"]: d["arm"] for d in decisions}
    assert all(arms[d["household_key"]] == d["arm"] for d in decisions)
    n, share = len(arms), 0.10  # holdout_share of the starter programme
    held = sum(arm == "holdout" for arm in arms.values())
    # Three standard errors of a binomial count: sqrt(n p (1 - p)).
    assert abs(held - n * share) <= 3 * math.sqrt(n * share * (1 - share))
    assert not any(d["deliver"] for d in decisions if d["arm"] == "holdout")
