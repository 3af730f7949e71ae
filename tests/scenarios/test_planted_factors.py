"""In a made-up shop of known tastes and habits, factors find the tastes and probabilities are those that happen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from factor_shops import shop_of
from rapport.core.keys import customer_keys
from rapport.differentiate.factors import FactorModel, customer_terms, item_logits, probabilities
from rapport.differentiate.factors_counts import bought_after
from rapport.differentiate.factors_sql import factor_outcomes_sql
from rapport.measure.ranking import calibration_table, hits_at_k, personal_frequency_scores, top_k
from rapport.simulate.transactions import CHUNK, ShopWorld, plant_items, plant_shoppers
from rapport.workflows.many_features import HIGHEST, LOWEST, Many, ManyChunk, fit_many, make_purchases_of, read_many
from rapport.workflows.ports import Silent
from rapport.workflows.simulate_transactions import customer_names

WORLD = ShopWorld(4_000, 400, 100.0, seed=11)
AGO = 28


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Many, FactorModel, ManyChunk]]:
    with shop_of(WORLD, tmp_path_factory.mktemp("shop"), ago=AGO) as many:
        model = fit_many(many, Silent())
        (chunk,) = read_many(many, model, Silent())
        yield many, model, chunk


@pytest.fixture(scope="module")
def bought(shop: tuple[Many, FactorModel, ManyChunk]) -> NDArray[np.bool_]:
    """What each customer bought in the window after the day: no part of what was learned from."""
    many, _, chunk = shop
    ends = many.as_of + timedelta(days=AGO)
    make_purchases_of(replace(many, as_of=ends), (LOWEST, HIGHEST))
    bound = {"starts": many.as_of, "ends": ends, "key_from": LOWEST, "key_to": HIGHEST}
    again, row, item = bought_after(chunk.counts, many.engine.query(factor_outcomes_sql(), bound))
    out = np.zeros((chunk.counts.n_customers, len(many.items)), dtype=np.bool_)
    out[row, item] = True
    out[chunk.counts.row[again], chunk.counts.item[again]] = True
    return out


def test_a_customer_leans_to_the_items_of_their_tastes(shop: tuple[Many, FactorModel, ManyChunk]) -> None:
    _, model, chunk = shop
    planted, items = plant_shoppers(WORLD, plant_items(WORLD), 0), plant_items(WORLD)
    assert WORLD.customers <= CHUNK
    keys = customer_keys(customer_names(0, WORLD.customers).to_pylist())
    number = np.argsort(keys)
    assert np.array_equal(keys[number], chunk.counts.customer_keys)
    tastes = planted.tastes[number]
    terms, (factors, _) = customer_terms(model, chunk.counts), item_logits(model)
    width = model.settings.width
    score = terms.factors[:, :width].astype(np.float64) @ factors[:, :width].astype(np.float64).T
    own = (items.taste == tastes[:, :1]) | (items.taste == tastes[:, 1:])
    score[chunk.counts.row, chunk.counts.item] = np.nan
    busy = (chunk.counts.trips >= 10) & (own & np.isfinite(score)).any(axis=1)
    # A never-bought item of one of the two tastes, of 24, against another never-bought item.
    assert busy.sum() > 2_000
    ranked = [
        (np.nanmean(score[k][own[k]]) - np.nanmean(score[k][~own[k]])) / np.nanstd(score[k])
        for k in np.flatnonzero(busy)[:1_000]
    ]
    assert np.mean(np.array(ranked) > 0) > 0.9


def test_probabilities_are_those_that_happen_in_a_later_window(
    shop: tuple[Many, FactorModel, ManyChunk], bought: NDArray[np.bool_]
) -> None:
    _, model, chunk = shop
    p = probabilities(model, chunk.counts)
    before = np.zeros(p.shape, dtype=np.bool_)
    before[chunk.counts.row, chunk.counts.item] = True
    for kind in (before, ~before):
        assert calibration_table(p[kind], bought[kind]).expected_calibration_error <= 0.01


def test_portfolios_hit_more_than_personal_frequency(
    shop: tuple[Many, FactorModel, ManyChunk], bought: NDArray[np.bool_]
) -> None:
    _, model, chunk = shop
    p = probabilities(model, chunk.counts)
    days = np.zeros(p.shape, dtype=np.int64)
    days[chunk.counts.row, chunk.counts.item] = chunk.counts.days
    frequency = personal_frequency_scores(days, days.sum(axis=0))
    ours, theirs = (hits_at_k(top_k(s, 10), bought).mean() for s in (p, frequency))
    # Habits come round at a pace of their own: who counts days only does not see who is due.
    assert ours > 1.01 * theirs
