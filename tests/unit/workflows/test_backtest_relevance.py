"""The judged figures of relevance: ratios, names, bars and calibration, by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from rapport.workflows.backtest_explore import EXPLORERS
from rapport.workflows.backtest_relevance import pooled_calibration, relevance_record, relevance_results
from rapport.workflows.backtest_weeks import RAPPORT, Week


def week(hits: list[float], frequency: list[float], explored: dict[str, list[float]]) -> Week:
    n = len(hits)
    probability = np.tile(np.array([[0.5, 0.1]], dtype=np.float32), (n, 1))
    bought = np.zeros((n, 2), dtype=np.bool_)
    bought[: n // 2, 0] = True
    return Week(
        as_of=date(2020, 1, 6),
        keys=np.arange(n, dtype=np.int64),
        tiers=np.repeat("A", n),
        offers=2,
        ranked={RAPPORT: {"hits": np.array(hits)}, "personal frequency": {"hits": np.array(frequency)}},
        decided={},
        shown={RAPPORT: np.tile(np.array([[0, -1]]), (n, 1))},
        explored={p: np.array(explored.get(p, [1.0] * n)) for p in EXPLORERS},
        probability=probability,
        bought=bought,
        bought_before=bought,
    )


def record(campaigns: list[dict[str, Any]]) -> dict[str, Any]:
    weeks = [
        week([4.0, 2.0, 3.0, 3.0], [3.0, 2.0, 2.5, 2.5], {"rapport": [1.0, 1.0, 1.0, 0.0], "popular": [0.5] * 4})
    ]
    return {
        "portfolio_size": 10,
        "relevance": relevance_record(weeks, "salt"),
        "calibration": pooled_calibration(weeks, 10),
        "campaigns": campaigns,
    }


def campaign(name: str, starts: str, pool: int, share: float) -> dict[str, Any]:
    policies = [
        {"policy": "rapport", "value": share, "low": share - 0.1, "high": share + 0.1},
        {
            "policy": "past baskets with the coupon's products",
            "value": 0.6,
            "low": 0.5,
            "high": 0.7,
            "rapport_minus_policy": {"value": share - 0.6, "low": 0.0, "high": 0.1},
        },
    ]
    return {"campaign": name, "starts": starts, "pool": pool, "coupons_each": 16, "policies": policies}


def test_ratios_are_of_sums_over_households() -> None:
    found = {r["name"]: r for r in relevance_results(record([]))}
    assert found["hits_vs_frequency"]["value"] == pytest.approx(12 / 10)
    assert found["hits_vs_frequency"]["comparator_hits"] == pytest.approx(2.5)
    assert found["explore_vs_popular"]["value"] == pytest.approx(3 / 2)
    assert {"explore_vs_item_item", "explore_vs_regularised_linear"} <= set(found)
    low, high = found["hits_vs_frequency"]["interval"]
    # The households' own ratios are 4/3, 1, 1.2 and 1.2; a ratio of their sums lies between.
    assert 1.0 <= low < 1.2 < high <= 4 / 3 + 1e-9


def test_another_companys_data_have_no_bar() -> None:
    for result in relevance_results(record([campaign("13", "2020-01-01", 20, 0.7)])):
        if not result["name"].startswith("calibration_error"):
            assert result["bar"] is None
            assert result["meets"] is None


def test_on_the_complete_journey_the_four_figures_have_their_names_and_bars() -> None:
    campaigns = [campaign("13", "2017-08-08", 207, 0.664), campaign("18", "2017-10-30", 209, 0.69)]
    found = {r["name"]: r for r in relevance_results(record(campaigns))}
    judged = {name: (r["bar"], r["meets"]) for name, r in found.items() if r["bar"] and "calibration" not in name}
    assert judged == {
        "journey_hits_vs_frequency": (1.04, True),
        "journey_explore_vs_popular": (1.06, True),
        "coupons_c13_top16": (0.665, False),
        "coupons_c18_top16": (0.690, True),
    }
    assert found["coupons_c13_top16"]["comparator_value"] == 0.6


def test_calibration_is_judged_over_all_pairs_and_over_those_shown() -> None:
    found = relevance_results(record([]))
    errors = {r["name"]: r for r in found if r["name"].startswith("calibration_error")}
    # Four slots are four groups of one: 0.5 predicted, and bought or not, so each is off by a half.
    assert errors["calibration_error_portfolio"]["value"] == pytest.approx(0.5)
    assert errors["calibration_error_portfolio"]["meets"] is False
    # Eight pairs: four are off by 0.1 (never bought), four by a half.
    assert errors["calibration_error_together"]["value"] == pytest.approx(0.3)
    assert errors["calibration_error_together"]["bar"] == 0.01
    assert errors["calibration_error_together"]["interval"] is None


def test_a_record_without_relevance_has_no_such_results() -> None:
    assert relevance_results({"campaigns": []}) == []
