"""On days that differ from the plan no limit is exceeded, little is left over, and value stays near the best."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.simulate.day import SURPRISES, Surprise, plant_day
from rapport.workflows.bench_day import Market, best_in_hindsight, day_of, plant_market, spend_day

ARRIVALS = 240


@pytest.fixture(scope="module")
def market() -> Market:
    return plant_market(ARRIVALS, seed=7)


@pytest.mark.parametrize("surprise", SURPRISES)
def test_pacing_exceeds_no_limit_uses_up_the_budget_and_beats_first_come(market: Market, surprise: Surprise) -> None:
    day = day_of(market, ARRIVALS, 7, surprise)
    paced, first = spend_day(market, day, "paced"), spend_day(market, day, "first-come")
    assert max(paced.over, first.over) <= 0.0
    budget = market.terms.sharing.bound[0]
    # Without prices the budget runs out, so demand suffices to use it.
    assert first.used[0] >= 0.97 * budget
    assert paced.used[0] >= 0.95 * budget
    best = best_in_hindsight(market, day)
    assert first.value < paced.value <= best
    assert paced.value >= 0.9 * best


def test_where_fewer_come_pacing_brings_more_than_prices_that_do_not_move(market: Market) -> None:
    day = day_of(market, ARRIVALS, 7, "fewer")
    assert spend_day(market, day, "paced").value > 1.05 * spend_day(market, day, "fixed").value


@pytest.mark.parametrize("surprise", SURPRISES)
def test_a_day_is_of_different_customers_in_the_order_of_their_times(surprise: Surprise) -> None:
    tier = np.repeat(["A", "B", "C"], [1_000, 1_000, 2_000])
    worth = np.repeat([9.0, 3.0, 1.0], [1_000, 1_000, 2_000])
    day = plant_day(tier, worth, 1_000, 3, surprise)
    assert len(day.who) == (700 if surprise == "fewer" else 1_000)
    assert len(np.unique(day.who)) == len(day.who)
    assert (np.diff(day.at) >= 0).all()
    assert (np.diff(day.expected) >= 0).all()
    assert 0.0 <= day.at[0] <= day.at[-1] < 1.0
    assert 0.0 <= day.expected[0] <= day.expected[-1] <= 1.0
    early, late = worth[day.who[:300]].mean(), worth[day.who[-300:]].mean()
    lowest = (tier[day.who] == "C").mean()
    # Half are of tier C; with twice their weight about two thirds, as each comes at most once a little fewer.
    assert lowest == pytest.approx(0.65 if surprise == "more-of-the-least" else 0.5, abs=0.05)
    assert (early > 2 * late) == (surprise == "best-first")
