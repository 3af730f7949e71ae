"""Rules of the choice between models of lifetimes, and of the histories it is made on."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from rapport.core.keys import uniform
from rapport.core.reasons import Status
from rapport.differentiate.lifetime import LifetimeModel, fit_lifetime
from rapport.differentiate.lifetime_choice import choose_lifetime, ranked_probability_score
from rapport.differentiate.purchase_days import PurchaseDays, known_until, purchase_days, some_customers
from rapport.simulate.purchases import PurchaseWorld, SimulatedPurchases, simulate_purchases

SILENT = PurchaseWorld(0.5, 50.0, "in_time", 0.6, 90.0, 1, 60.0, 360.0, 180.0)
AFTER = PurchaseWorld(0.5, 50.0, "after_repeat", 0.8, 2.4, 1, 60.0, 360.0, 180.0)
REGULAR = PurchaseWorld(2.0, 9.0, "after_any", 0.6, 8.0, 3, 60.0, 360.0, 180.0)


@cache
def _made(world: PurchaseWorld, customers: int) -> tuple[SimulatedPurchases, PurchaseDays]:
    made = simulate_purchases(world, customers, seed=1)
    return made, purchase_days(made.customer, made.day)


@pytest.mark.parametrize(
    ("world", "method", "k"), [(SILENT, "pareto_nbd", 1), (AFTER, "bg_nbd", 1), (REGULAR, "mbg_cnbd", 3)]
)
def test_the_model_that_the_customers_follow_is_chosen(world: PurchaseWorld, method: str, k: int) -> None:
    _, purchases = _made(world, 3000)
    model = choose_lifetime(purchases, -1)
    assert (model.method, model.k, model.status) == (method, k, Status.OK)


def test_the_record_says_what_was_compared_with_errors_and_intervals() -> None:
    _, purchases = _made(SILENT, 3000)
    model = choose_lifetime(purchases, -1)
    assert [c.method for c in model.compared] == ["own_rate", "bg_nbd", "pareto_nbd", "mbg_cnbd"]
    assert [c.method for c in model.compared if c.chosen] == ["pareto_nbd"]
    by_method = {c.method: c for c in model.compared}
    for c in model.compared:
        assert c.error > 0
        assert c.rps > 0
        assert c.behind_low <= c.behind <= c.behind_high
        assert c.error == pytest.approx(by_method["pareto_nbd"].error + c.behind)
    assert by_method["own_rate"].behind_low > 0
    assert model.version.startswith("lifetime-2-")
    assert LifetimeModel.from_record(json.loads(json.dumps(model.to_record()))) == model


def test_the_model_chosen_is_fitted_on_all_that_is_known() -> None:
    _, purchases = _made(AFTER, 3000)
    model, history = choose_lifetime(purchases, -1, "week"), known_until(purchases, -1)
    alone = fit_lifetime(history.frequency, history.recency / 7, history.age / 7, time_unit="week")
    assert model.parameters == alone.parameters
    assert model.customers == 3000


def test_days_after_the_end_change_nothing() -> None:
    made, purchases = _made(SILENT, 1500)
    later = purchase_days(np.r_[made.customer, 10**6], np.r_[made.day, 5])
    cut = purchase_days(made.customer[made.day < 0], made.day[made.day < 0])
    chosen = choose_lifetime(purchases, -1)
    assert chosen == choose_lifetime(cut, -1)
    assert chosen == choose_lifetime(later, -1)


def test_the_order_of_purchases_changes_no_bit_of_the_choice() -> None:
    made, purchases = _made(AFTER, 1000)
    order = np.argsort(uniform(np.arange(made.day.size, dtype=np.int64), "order"))
    assert choose_lifetime(purchases, -1) == choose_lifetime(purchase_days(made.customer[order], made.day[order]), -1)


def test_where_nothing_can_be_judged_the_simplest_model_stands_without_comparison() -> None:
    for keys, days in (([1], [0]), ([], []), (np.arange(40), np.arange(40))):
        model = choose_lifetime(purchase_days(keys, days), 50)
        assert model.compared == ()
        assert model.status is Status.TOO_FEW_CUSTOMERS


def test_a_few_days_are_too_short_to_judge() -> None:
    keys = np.repeat(np.arange(200), 3)
    model = choose_lifetime(purchase_days(keys, np.arange(600) % 10), 9)
    assert model.compared == ()


def test_a_history_is_what_was_known_on_the_day() -> None:
    # Customer 7: days 3, 5, 5, 20; customer 9: day 12. At the end of day 10 customer 9 is not known yet.
    purchases = purchase_days([9, 7, 7, 7, 7], [12, 20, 5, 3, 5])
    history = known_until(purchases, 10, 20)
    assert purchases.keys.tolist() == [7, 9]
    assert [a.tolist() for a in (history.frequency, history.recency, history.age)] == [[1.0], [2.0], [7.0]]
    assert history.log_gaps[0] == pytest.approx(np.log(2), rel=1e-15)
    assert (history.ahead.tolist(), history.customer.tolist()) == ([1.0], [0])
    assert known_until(purchases, 12).frequency.tolist() == [1.0, 0.0]
    assert known_until(purchases, 2).frequency.size == 0


def test_days_before_1970_are_days() -> None:
    days = np.array(["1968-02-28", "1968-03-01", "1971-01-01"], dtype="datetime64[D]")
    history = known_until(purchase_days([1, 1, 1], days), 0)
    # 1968 is a leap year: two days between; 1 March 1968 to 1 January 1970: 306 + 365 = 671 days.
    assert (history.frequency[0], history.recency[0], history.age[0]) == (1.0, 2.0, 673.0)


def test_chosen_customers_keep_their_days() -> None:
    purchases = purchase_days([1, 2, 2, 3], [0, 4, 6, 5])
    some = some_customers(purchases, np.array([False, True, True]))
    assert (some.customer.tolist(), some.day.tolist(), some.keys.tolist()) == ([0, 0, 1], [4, 6, 5], [2, 3])


def test_the_ranked_probability_score_of_a_steady_buyer_equals_its_sum_by_hand() -> None:
    # Shape 1, chance of one more 1/2: P(more than n) = (1/2)^(n+1). One came: (1 - 1/2)^2 for n = 0, then
    # 1/16 + 1/64 + .. = 1/12: 1/3 in all.
    model = LifetimeModel(1.0, 10.0, 0.0, 1.0, "day", "own_rate", Status.OK, 0.0, 1, 1)
    rows = (np.zeros(2), np.zeros(2), np.zeros(2))
    score = ranked_probability_score(model, rows, 10.0, np.array([1.0, 0.0]))
    np.testing.assert_allclose(score, [1 / 3, 1 / 3], rtol=2e-5)


@pytest.mark.parametrize(
    ("keys", "days", "told"),
    [
        ([1, 2], [1], "different length"),
        ([1], [1.5], "not a day"),
        ([1], np.array(["NaT"], dtype="datetime64[D]"), "NaT"),
    ],
)
def test_days_that_are_not_days_are_refused(keys: list[int], days: list[float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        purchase_days(keys, days)
