"""Seasonal factors: planted ones are found, absent ones are not, and a year is not enough."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rapport.core.reasons import Status
from rapport.differentiate.purchase_days import PurchaseDays, purchase_days
from rapport.differentiate.seasons import PERIODS, fit_seasons, period_of

FIRST = 17_897
"""1 January 2019 in days since 1970; 2020 has 366 days, so 2021 begins 731 days later."""


def shop(factors: np.ndarray, days: int, customers: int = 1500, seed: int = 1, leave: float = 0.0) -> PurchaseDays:
    """Return purchases at gamma rates times the factor of the period; a share `leave` of customers leaves a day."""
    draw = np.random.default_rng(seed)
    rate = draw.gamma(2.0, 0.025, customers)
    stay = draw.geometric(leave, customers) if leave else np.full(customers, days)
    day = FIRST + np.arange(days)
    chance = np.minimum(rate[:, None] * factors[period_of(day)][None, :], 1.0)
    bought = (draw.random((customers, days)) < chance) & (np.arange(days)[None, :] < stay[:, None])
    who, when = np.nonzero(bought)
    return purchase_days(who, day[when])


WINTER = 1.0 + 0.5 * np.cos(2 * np.pi * (np.arange(PERIODS) - 12) / PERIODS)


def test_planted_seasons_are_found_and_used() -> None:
    found = fit_seasons(shop(WINTER, 730), FIRST + 729)
    assert found.status is Status.OK
    assert found.chosen
    assert found.factors == pytest.approx(WINTER / WINTER.mean(), abs=0.06)
    assert found.better_low is not None
    assert found.better_low > 0.0


def test_customers_who_leave_are_not_taken_for_a_season() -> None:
    # Two thirds have left after two years; the shop sells less and less all the time.
    found = fit_seasons(shop(WINTER, 730, 3000, leave=0.0015), FIRST + 729)
    assert found.factors == pytest.approx(WINTER / WINTER.mean(), abs=0.09)


def test_factors_stay_near_one_and_unused_where_there_is_no_season() -> None:
    found = fit_seasons(shop(np.ones(PERIODS), 730), FIRST + 729)
    assert found.factors == pytest.approx([1.0] * PERIODS, abs=0.03)
    assert not found.chosen
    assert found.over(FIRST, 28) == 1.0


def test_a_year_cannot_tell_a_season_from_a_trend() -> None:
    found = fit_seasons(shop(WINTER, 400), FIRST + 399)
    assert found.status is Status.TOO_FEW_REPEATS
    assert found.factors == (1.0,) * PERIODS
    assert found.over(FIRST, 28) == 1.0


@pytest.mark.parametrize("customers", [0, 1, 5])
def test_few_customers_have_no_season(customers: int) -> None:
    found = fit_seasons(shop(WINTER, 730, customers), FIRST + 729)
    assert found.status is Status.TOO_FEW_REPEATS
    assert not found.chosen


def test_the_factor_of_a_horizon_is_the_mean_of_its_days() -> None:
    found = fit_seasons(shop(WINTER, 730), FIRST + 729)
    third_of_december = FIRST + 731 + 336
    # Period 12 begins on day 336 of the year and lasts to its end.
    assert found.over(third_of_december, 14) == pytest.approx(found.factors[12])
    assert found.over(FIRST + 731 + 21, 14) == pytest.approx((found.factors[0] + found.factors[1]) / 2)
    # Thirteen periods of 28 days and the last day, or two, of the last.
    assert found.over(FIRST, 364) == pytest.approx(1.0, abs=0.01)


def test_later_days_change_nothing_and_the_record_is_plain() -> None:
    known = shop(WINTER, 730, 400)
    more = purchase_days(np.append(known.customer, [0, 999_999]), np.append(known.day, [FIRST + 730, FIRST + 800]))
    assert fit_seasons(more, FIRST + 729) == fit_seasons(known, FIRST + 729)
    assert len(json.loads(json.dumps(fit_seasons(known, FIRST + 729).to_record()))["factors"]) == PERIODS
