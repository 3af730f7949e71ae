"""Factors on the Complete Journey: calibrated in a later window, and better than counting purchases.

The bars are those set for the product before the model was made: an expected calibration error of .01, on customers
held out and in a window after the day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from rapport.differentiate.factors import FactorModel, FactorSettings, probabilities
from rapport.differentiate.factors_counts import PairCounts, bought_after
from rapport.differentiate.factors_sql import factor_outcomes_sql
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.measure.ranking import calibration_table, hits_at_k, personal_frequency_scores, popularity_scores, top_k
from rapport.wiring import demo_data
from rapport.workflows.load import load_program
from rapport.workflows.many_features import HIGHEST, LOWEST, Many, fit_many, make_purchases_of, open_items, read_many
from rapport.workflows.new_program import journey_program
from rapport.workflows.ports import Silent
from rapport.workflows.programs import read_program
from rapport.workflows.state import open_tables

MONDAY, WINDOW = date(2017, 12, 4), timedelta(days=28)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    base = tmp_path_factory.mktemp("journey")
    program = read_program(journey_program(base, demo_data()))
    loaded = base / "loaded"
    loaded.mkdir()
    with DuckDBEngine() as engine:
        load_program(program, base, engine, loaded)
        open_tables(engine, loaded)
        items = engine.query(
            "SELECT p.item FROM transactions t JOIN products p USING (product_id) WHERE t.day < $as_of AND "
            "p.item IS NOT NULL GROUP BY p.item HAVING count(DISTINCT t.customer_key) >= 100 ORDER BY p.item",
            {"as_of": MONDAY},
        )["item"].to_pylist()
        many = Many(engine, program.margins, MONDAY, tuple(items), FactorSettings())
        open_items(many)
        yield many


@pytest.fixture(scope="module")
def seen(journey: Many) -> tuple[FactorModel, PairCounts, NDArray[np.bool_]]:
    """The model, everybody's counts, and what they bought in the four weeks after."""
    model = fit_many(journey, Silent())
    (chunk,) = read_many(journey, model, Silent())
    counts, ends = chunk.counts, journey.as_of + WINDOW
    make_purchases_of(replace(journey, as_of=ends), (LOWEST, HIGHEST))
    bound = {"starts": journey.as_of, "ends": ends, "key_from": LOWEST, "key_to": HIGHEST}
    again, row, item = bought_after(counts, journey.engine.query(factor_outcomes_sql(), bound))
    bought = np.zeros((counts.n_customers, counts.n_items), dtype=np.bool_)
    bought[row, item] = True
    bought[counts.row[again], counts.item[again]] = True
    return model, counts, bought


def _days(counts: PairCounts) -> NDArray[np.int64]:
    days = np.zeros((counts.n_customers, counts.n_items), dtype=np.int64)
    days[counts.row, counts.item] = counts.days
    return days


def test_probabilities_are_calibrated_in_a_later_window(
    seen: tuple[FactorModel, PairCounts, NDArray[np.bool_]],
) -> None:
    model, counts, bought = seen
    p, before = probabilities(model, counts), _days(counts) > 0
    assert counts.n_items == 860  # as the study of the relevance model counts them
    for kind in (before, ~before, before | ~before):
        assert calibration_table(p[kind], bought[kind]).expected_calibration_error <= 0.01


def test_probabilities_are_calibrated_on_customers_held_out(
    seen: tuple[FactorModel, PairCounts, NDArray[np.bool_]],
) -> None:
    model, _, _ = seen
    assert model.repeat.calibration_error <= 0.01
    assert model.explore.calibration_error <= 0.01


def test_portfolios_beat_personal_frequency_and_popularity(
    seen: tuple[FactorModel, PairCounts, NDArray[np.bool_]],
) -> None:
    model, counts, bought = seen
    p, days = probabilities(model, counts), _days(counts)
    popularity = days.sum(axis=0)
    ours, frequency = (
        hits_at_k(top_k(s, 10), bought).mean() for s in (p, personal_frequency_scores(days, popularity))
    )
    assert ours > 1.02 * frequency
    never = [np.where(days > 0, -np.inf, s) for s in (p, popularity_scores(popularity, counts.n_customers))]
    ours, popular = (hits_at_k(top_k(s, 10), bought).mean() for s in never)
    assert ours > 1.15 * popular
