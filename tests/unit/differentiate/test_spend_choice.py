"""Which model of spend is chosen: on planted spend, on few customers, in any order."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from rapport.core.reasons import Status
from rapport.differentiate.spend import SpendModel, expected_spend_micros, simple_spend
from rapport.differentiate.spend_choice import DayAmounts, choose_spend

DAYS = 360


def amounts(mean: np.ndarray, noise: float, visits: int, seed: int = 1) -> DayAmounts:
    """Return purchase days of customers with a mean of their own, in units of the currency, and gamma noise."""
    draw = np.random.default_rng(seed)
    customer = np.repeat(np.arange(len(mean)), visits)
    day = np.concatenate([np.sort(draw.choice(DAYS, visits, replace=False)) for _ in mean])
    shape = 1.0 / noise**2
    spent = draw.gamma(shape, mean[customer] / shape)
    return DayAmounts(customer.astype(np.int64), day.astype(np.int64), np.round(spent * 1e6).astype(np.int64))


def test_one_mean_for_all_is_chosen_where_customers_do_not_differ() -> None:
    found = choose_spend(amounts(np.full(400, 10.0), 1.0, 12), DAYS)
    assert found.method == "one_mean"
    assert found.mean_micros == pytest.approx(10e6, rel=0.05)
    # Everybody's next purchase day is forecast at the mean, whatever their own days brought.
    assert expected_spend_micros(found, [1.0, 50.0], [1e6, 90e6]) == pytest.approx([found.mean_micros] * 2, rel=1e-6)


def test_the_own_mean_is_kept_where_customers_differ_much_and_days_little() -> None:
    draw = np.random.default_rng(2)
    found = choose_spend(amounts(draw.gamma(2.0, 10.0, 400), 0.3, 12), DAYS)
    assert found.method in ("shrunk_mean", "gamma_gamma")
    one, *_ = (c for c in found.compared if c.method == "one_mean")
    assert one.behind_low_micros > 0


def test_gamma_gamma_is_chosen_where_few_days_tell_little_of_a_customer() -> None:
    draw = np.random.default_rng(3)
    # Days differ threefold as much as customers: an own mean must be pulled further than by one day.
    found = choose_spend(amounts(10.0 * draw.gamma(16.0, 1 / 16.0, 4000), 1.2, 6), DAYS)
    chosen, *_ = (c for c in found.compared if c.chosen)
    shrunk, *_ = (c for c in found.compared if c.method == "shrunk_mean")
    assert chosen.method in ("gamma_gamma", "one_mean")
    assert shrunk.behind_low_micros > 0


def test_few_customers_give_the_fit_without_comparison() -> None:
    found = choose_spend(amounts(np.full(49, 10.0), 1.0, 12), DAYS)
    assert found.compared == ()
    assert found.status is Status.TOO_FEW_CUSTOMERS
    nobody = np.zeros(0, dtype=np.int64)
    assert choose_spend(DayAmounts(nobody, nobody, nobody), DAYS).compared == ()


def test_later_days_and_the_order_of_rows_change_nothing() -> None:
    known = amounts(np.linspace(5.0, 50.0, 300), 0.8, 9)
    mixed = np.random.default_rng(4).permutation(len(known.day))
    later = DayAmounts(
        np.append(known.customer[mixed], [3, 7]),
        np.append(known.day[mixed], [DAYS + 1, DAYS + 90]),
        np.append(known.micros[mixed], [10**12, -(10**12)]),
    )
    assert choose_spend(later, DAYS) == choose_spend(known, DAYS)


def test_losses_and_zeros_are_forecast_and_never_nan() -> None:
    drawn = amounts(np.linspace(5.0, 50.0, 300), 0.8, 9)
    losing = DayAmounts(drawn.customer, drawn.day, np.where(drawn.customer % 3 == 0, -drawn.micros, drawn.micros))
    for case in (losing, DayAmounts(drawn.customer, drawn.day, np.zeros_like(drawn.micros))):
        found = choose_spend(case, DAYS)
        assert all(np.isfinite(v) for c in found.compared for k, v in asdict(c).items() if k.endswith("micros"))
        assert np.isfinite(expected_spend_micros(found, [0.0, 3.0], [0.0, -4e6])).all()


def test_the_comparison_survives_its_record() -> None:
    found = choose_spend(amounts(np.random.default_rng(5).gamma(3.0, 5.0, 400), 0.8, 9), DAYS)
    assert len(found.compared) == 3
    assert SpendModel.from_record(found.to_record()) == found


def test_a_simple_mean_is_the_mean_of_all_purchase_days() -> None:
    # (2 x 3 + 1 x 9) / 3 days = 5.
    found = simple_spend([2.0, 1.0], [3e6, 9e6], "one_mean", Status.OK)
    assert found.mean_micros == pytest.approx(5e6)
