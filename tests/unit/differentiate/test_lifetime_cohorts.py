"""Lifetimes of cohorts: taken where cohorts differ, left where they do not or are too small."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rapport.core.reasons import Status
from rapport.differentiate.lifetime_choice import choose_lifetime
from rapport.differentiate.lifetime_cohorts import choose_cohorts, quarters_of
from rapport.differentiate.purchase_days import PurchaseDays, purchase_days
from rapport.differentiate.spend import simple_spend
from rapport.differentiate.value import PurchaseHistory, ValueTerms, value_by_group, value_customers
from rapport.simulate.purchases import PurchaseWorld, simulate_purchases

LOYAL = PurchaseWorld(2.0, 30.0, leave_1=0.2, leave_2=8.0)
FLEETING = PurchaseWorld(2.0, 30.0, leave_1=4.0, leave_2=4.0)


def two(first: PurchaseWorld, second: PurchaseWorld, customers: int = 1200) -> tuple[PurchaseDays, np.ndarray]:
    """Return the purchases up to day 0 of two cohorts of equal size, and the cohort of each customer."""
    parts = [simulate_purchases(world, customers, seed) for seed, world in enumerate((first, second), start=3)]
    who = np.concatenate([parts[0].customer, parts[1].customer + customers])
    when = np.concatenate([p.day for p in parts])
    found = purchase_days(who[when <= 0], when[when <= 0])
    return found, np.where(found.keys < customers, "one", "other")


def test_cohorts_that_leave_otherwise_have_models_of_their_own() -> None:
    purchases, cohort = two(LOYAL, FLEETING)
    found = choose_cohorts(purchases, cohort, 0, choose_lifetime(purchases, 0))
    assert found.status is Status.OK
    assert set(found.by_cohort) == {"one", "other"}
    assert found.better_low is not None
    assert found.better_low > 0.0
    chance = {c: m.a / (m.a + m.b) for c, m in found.by_cohort.items()}
    # Planted: .2 / 8.2 = .024 and 4 / 8 = .5.
    assert chance["one"] == pytest.approx(0.024, abs=0.02)
    assert chance["other"] == pytest.approx(0.5, abs=0.08)
    assert json.loads(json.dumps(found.to_record()))["customers"] == dict(found.customers)


def test_cohorts_that_do_not_differ_share_one_model() -> None:
    purchases, cohort = two(LOYAL, LOYAL)
    pooled = choose_lifetime(purchases, 0)
    found = choose_cohorts(purchases, cohort, 0, pooled)
    assert found.status is Status.OK
    assert found.by_cohort == {}
    assert found.model_of("one") is pooled


def test_small_cohorts_keep_the_model_of_everybody() -> None:
    purchases, cohort = two(LOYAL, FLEETING, 150)
    found = choose_cohorts(purchases, cohort, 0, choose_lifetime(purchases, 0))
    assert found.status is Status.TOO_FEW_CUSTOMERS
    assert found.by_cohort == {}


def test_later_days_change_nothing() -> None:
    purchases, cohort = two(LOYAL, FLEETING, 400)
    more = purchase_days(
        np.append(purchases.keys[purchases.customer], purchases.keys),
        np.append(purchases.day, purchases.keys * 0 + 9),
    )
    assert choose_cohorts(more, cohort, 0, choose_lifetime(more, 0)) == choose_cohorts(
        purchases, cohort, 0, choose_lifetime(purchases, 0)
    )


def test_a_customer_is_worth_what_the_model_of_their_cohort_says() -> None:
    purchases, _ = two(LOYAL, FLEETING, 400)
    models = [choose_lifetime(purchases, 0), choose_lifetime(purchases, -30)]
    spend, terms = simple_spend([1.0], [1e6], "one_mean", Status.OK), ValueTerms(91.0, 0.1)
    history = PurchaseHistory(
        np.array([3.0, 3.0, 0.0]), np.array([50.0, 50.0, 0.0]), np.array([90.0, 90.0, 20.0]), np.full(3, 1e6)
    )
    groups = [(np.array([True, False, False]), models[0]), (np.array([False, True, True]), models[1])]
    found = value_by_group(history, groups, spend, terms)
    alone = [value_customers(history, m, spend, terms) for m in models]
    for name in ("expected_contribution_micros", "low_micros", "high_micros", "alive_probability"):
        told = getattr(found, name)
        assert told.tolist() == [getattr(alone[0], name)[0], *getattr(alone[1], name)[1:]], name
    with pytest.raises(ValueError, match="belongs to none or several"):
        value_by_group(history, groups[:1], spend, terms)


def test_quarters_are_named_also_before_1970() -> None:
    days = np.array(["1969-12-31", "1970-01-01", "2017-05-31"], dtype="datetime64[D]")
    assert quarters_of(days).tolist() == ["1969-Q4", "1970-Q1", "2017-Q2"]


def test_wrong_cohorts_are_refused() -> None:
    purchases, cohort = two(LOYAL, LOYAL, 60)
    pooled = choose_lifetime(purchases, 0)
    with pytest.raises(ValueError, match="give one each"):
        choose_cohorts(purchases, cohort[1:], 0, pooled)
    with pytest.raises(ValueError, match="at most 24"):
        choose_cohorts(purchases, purchases.keys.astype(np.str_), 0, pooled)
