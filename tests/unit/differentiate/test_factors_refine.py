"""Pairs of a shortlist get from the trees the bits that the whole table would hold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from rapport.core.keys import customer_keys, uniform
from rapport.differentiate.factors_refine import refine_shortlist
from rapport.differentiate.relevance import fit_relevance, predict_relevance
from rapport.differentiate.relevance_history import PurchaseHistory, history_from_arrow
from rapport.differentiate.relevance_record import RelevanceSettings

ITEMS, DAYS = 9, 90


@pytest.fixture(scope="module")
def history() -> PurchaseHistory:
    keys = np.sort(customer_keys(f"c{i}" for i in range(600)))
    chance = 0.002 + 0.15 * np.stack([uniform(keys, f"t{i}") for i in range(ITEMS)], axis=1) ** 4
    draws = np.stack(
        [np.stack([uniform(keys, f"{i}/{d}") for d in range(DAYS)], axis=1) for i in range(ITEMS)], axis=1
    )
    u, i, day = np.nonzero(draws < chance[:, :, None])
    money = pa.array(np.full(len(u), 1_000_000))
    days = pa.array(day.astype(np.int32)).cast(pa.date32())
    bought = {"customer_key": keys[u], "item_index": i.astype(np.int32), "day": days, "sales_micros": money}
    trip = np.unique(np.stack([u, day]), axis=1)
    spent = np.full(trip.shape[1], 1_000_000)
    trips = {
        "customer_key": keys[trip[0]],
        "day": pa.array(trip[1].astype(np.int32)).cast(pa.date32()),
        "sales_micros": spent,
        "discount_micros": 0 * spent,
    }
    return history_from_arrow(
        keys, ITEMS, pa.table(bought | {"discounted": np.zeros(len(u), np.bool_)}), pa.table(trips)
    )


def test_refined_pairs_have_the_bits_of_the_whole_table(history: PurchaseHistory) -> None:
    settings = RelevanceSettings(window_days=14, step_days=14, repeat_trees=5, explore_trees=5)
    model = fit_relevance(history, DAYS, settings)
    offer = np.argsort(np.stack([uniform(history.customer_keys, f"o{i}") for i in range(ITEMS)], axis=1), axis=1)[
        :, :4
    ]
    offer = offer.astype(np.int32)
    offer[::3, 2:] = -1
    found = refine_shortlist(model, history, offer)
    whole = predict_relevance(model, history)
    there = offer >= 0
    expected = np.take_along_axis(whole, np.maximum(offer, 0).astype(np.int64), axis=1)
    assert found[there].tobytes() == expected[there].tobytes()
    assert (found[~there] == 0).all()


def test_a_shortlist_of_other_customers_is_refused(history: PurchaseHistory) -> None:
    settings = RelevanceSettings(window_days=14, step_days=14, repeat_trees=2, explore_trees=2)
    model = fit_relevance(history, DAYS, settings)
    with pytest.raises(ValueError, match="offer has 3 rows; must be 600"):
        refine_shortlist(model, history, np.zeros((3, 2), dtype=np.int32))
