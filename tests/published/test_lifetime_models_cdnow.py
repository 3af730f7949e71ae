"""CDNOW: Pareto/NBD and MBG/NBD as published, and the model that is chosen on the first 39 weeks.

The files come with the package ``Lifetimes`` and are read as plain text; its code is not used.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.special import gammaln, hyp2f1

from rapport.core.reasons import Status
from rapport.differentiate.lifetime import (
    LifetimeModel,
    alive_probability,
    expected_purchases,
    fit_lifetime,
    fit_regular_lifetime,
)
from rapport.differentiate.lifetime_choice import choose_lifetime
from rapport.differentiate.lifetime_model import Method
from rapport.differentiate.purchase_days import KnownHistory, known_until
from rapport.workflows.lifetime_data import CDNOW_LAST, CDNOW_LAST_KNOWN, cdnow_purchases


@cache
def _history(everyone: bool) -> KnownHistory:
    return known_until(cdnow_purchases(everyone), CDNOW_LAST_KNOWN, CDNOW_LAST)


@cache
def _fitted(everyone: bool, method: Method) -> LifetimeModel:
    h = _history(everyone)
    return fit_lifetime(h.frequency, h.recency / 7, h.age / 7, time_unit="week", method=method)


@cache
def _chosen() -> LifetimeModel:
    return choose_lifetime(cdnow_purchases(False), CDNOW_LAST_KNOWN, "week")


def _rounded(model: LifetimeModel) -> list[float]:
    return [round(v, 3) for v in model.parameters.values()]


def test_matches_fader_hardie_lee_2005_cdnow_pareto_parameters() -> None:
    # Fader, Hardie & Lee (2005), Marketing Science 24(2), table 2: Pareto/NBD on 2,357 customers, 39 weeks.
    model = _fitted(False, "pareto_nbd")
    assert (model.status, model.customers) == (Status.OK, 2357)
    assert _rounded(model) == [0.553, 10.578, 0.606, 11.669]
    assert round(model.log_likelihood, 1) == -9595.0


def test_matches_all_23570_cdnow_customers_as_known() -> None:
    # Measured elsewhere with an independent implementation: .597 / 11.586 / .522 / 8.828, LL -95415.1, MAE .7938.
    model, h = _fitted(True, "pareto_nbd"), _history(True)
    assert model.customers == 23570
    assert _rounded(model) == [0.597, 11.586, 0.522, 8.828]
    assert round(model.log_likelihood, 1) == -95415.1
    forecast = expected_purchases(model, h.frequency, h.recency / 7, h.age / 7, 39)
    assert round(float(np.mean(np.abs(forecast - h.ahead))), 4) == 0.7938


def test_matches_the_published_mbg_parameters_on_cdnow() -> None:
    # Batislam, Denizel & Filiztekin (2007), as the tests of Lifetimes hold them for CDNOW: .525, 6.183, .891, 1.614.
    model = _fitted(False, "mbg_cnbd")
    assert (model.k, model.status) == (1, Status.OK)
    assert _rounded(model) == [0.525, 6.183, 0.891, 1.614]


def test_the_log_likelihood_of_the_sample_equals_the_hypergeometric_form_at_the_published_parameters() -> None:
    # Fader & Hardie (2005), "A note on deriving the Pareto/NBD model", for alpha < beta, summed by scipy's 2F1.
    h = _history(False)
    x, t_x, T = h.frequency, h.recency / 7, h.age / 7
    r, alpha, s, beta = 0.553, 10.578, 0.606, 11.669
    front = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)

    def part(t: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return hyp2f1(r + s + x, r + x, r + s + x + 1, (beta - alpha) / (beta + t)) / (beta + t) ** (r + s + x)

    stay = 1 / ((alpha + T) ** (r + x) * (beta + T) ** s)
    both = stay + s / (r + s + x) * (part(t_x) - part(T))
    total = float(np.sum(front + np.log(both)))
    assert round(total, 1) == -9595.0
    assert _fitted(False, "pareto_nbd").log_likelihood == pytest.approx(total, abs=1e-3)
    model = _fitted(False, "pareto_nbd")
    np.testing.assert_allclose(alive_probability(model, x, t_x, T), stay / both, atol=1e-3)


def test_pareto_is_chosen_on_39_weeks_and_forecasts_the_next_39_with_the_known_errors() -> None:
    # Measured elsewhere with an independent implementation: MAE .7545, RMSE 1.6028.
    h, model = _history(False), _chosen()
    assert (model.method, model.status) == ("pareto_nbd", Status.OK)
    assert _rounded(model) == [0.553, 10.578, 0.606, 11.669]
    miss = expected_purchases(model, h.frequency, h.recency / 7, h.age / 7, 39) - h.ahead
    assert round(float(np.mean(np.abs(miss))), 4) == 0.7545
    assert round(float(np.sqrt(np.mean(miss**2))), 4) == 1.6028
    # Totals beside it: 1,882 purchase days came, about 12 % more than forecast.
    assert h.ahead.sum() == 1882
    assert -0.13 < miss.sum() / 1882 < -0.11


def test_the_choice_on_cdnow_is_recorded_and_rests_on_the_absolute_error() -> None:
    # By the ranked probability score BG/NBD and MBG/NBD are ahead in the windows judged; the page on the method
    # says so, and this keeps that statement true.
    by_method = {c.method: c for c in _chosen().compared}
    assert by_method["bg_nbd"].behind_low > 0
    assert by_method["mbg_cnbd"].behind_low > 0
    assert by_method["bg_nbd"].rps < by_method["pareto_nbd"].rps < by_method["own_rate"].rps


def test_customers_of_cdnow_do_not_buy_regularly() -> None:
    h = _history(False)
    model = fit_regular_lifetime(h.frequency, h.recency, h.age, h.log_gaps)
    assert model.k == 1
    assert (
        fit_regular_lifetime(h.frequency, h.recency / 7, h.age / 7, h.log_gaps - h.frequency * np.log(7), "week").k
        == 1
    )


def test_expected_cumulative_purchases_of_weeks_40_to_78_stay_within_the_known_error() -> None:
    # Measured elsewhere: Pareto/NBD 1.33 %, BG/NBD 2.52 % (weeks cut a day apart); the bar is 1.4 %.
    purchases, h = cdnow_purchases(False), _history(False)
    repeat = np.r_[False, purchases.customer[1:] == purchases.customer[:-1]]
    first, customers = np.unique(CDNOW_LAST_KNOWN - h.age, return_counts=True)
    errors = {}
    for method in ("bg_nbd", "pareto_nbd"):
        model, off = _fitted(False, method), []
        for week in range(40, 79, 2):
            since = (7 * week - 1 - first) / 7
            expected = sum(
                expected_purchases(model, 0, 0, 0, t)[0] * n for t, n in zip(since, customers, strict=True)
            )
            came = np.sum(repeat & (purchases.day < 7 * week))
            off.append(abs(expected / came - 1))
        errors[method] = 100 * float(np.mean(off))
    assert errors["pareto_nbd"] == pytest.approx(1.33, abs=0.1)
    assert errors["bg_nbd"] == pytest.approx(2.52, abs=0.2)
