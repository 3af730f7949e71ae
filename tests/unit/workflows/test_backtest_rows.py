"""The backtest's arithmetic on cases small enough to do by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rapport.core.errors import SourceEmpty
from rapport.decide.terms import Catalogue
from rapport.workflows.backtest import choose_weeks
from rapport.workflows.backtest_results import results_of
from rapport.workflows.backtest_weeks import _money, _refuse_open_window
from worlds import catalogue_table


class Span:
    """An engine that knows only the first and the last day."""

    def __init__(self, first: date, last: date) -> None:
        self.first, self.last = first, last

    def query(self, sql: str, params: Any = None) -> pa.Table:
        return pa.table({"first": [self.first], "last": [self.last], "day": [self.last]})


def test_the_last_mondays_with_a_whole_window_are_replayed() -> None:
    year = Span(date(2017, 1, 1), date(2017, 12, 31))
    # 4 December 2017 is a Monday and 31 December the last of its 28 days.
    assert choose_weeks(year, 28, 8, None)[-1] == date(2017, 12, 4)  # type: ignore[arg-type]
    assert choose_weeks(year, 28, 8, None)[0] == date(2017, 10, 16)  # type: ignore[arg-type]
    assert choose_weeks(year, 28, 1, date(2017, 7, 5)) == [date(2017, 7, 3)]  # type: ignore[arg-type]


def test_a_monday_with_less_than_three_windows_before_it_is_left_out() -> None:
    # 84 days after 1 January is 26 March; the first Monday on or after it is the 27th.
    found = choose_weeks(Span(date(2017, 1, 1), date(2017, 4, 30)), 28, 8, None)  # type: ignore[arg-type]
    assert found == [date(2017, 3, 27), date(2017, 4, 3)]
    assert choose_weeks(Span(date(2017, 1, 1), date(2017, 2, 1)), 28, 8, None) == []  # type: ignore[arg-type]


def test_a_monday_whose_longest_offer_outlasts_the_data_is_refused() -> None:
    year = Span(date(2017, 1, 1), date(2017, 12, 31))
    # The last of 28 days from 4 December is the 31st, the last of 29 the first of January.
    _refuse_open_window(year, pa.table({"valid_days": [28, 7]}), date(2017, 12, 4))  # type: ignore[arg-type]
    with pytest.raises(
        SourceEmpty, match=r"of 2017-12-04 is valid 29 days, and the data end on 2017-12-31; .*--last"
    ):
        _refuse_open_window(year, pa.table({"valid_days": [7, 29]}), date(2017, 12, 4))  # type: ignore[arg-type]


def test_the_money_of_a_portfolio_by_hand() -> None:
    probability = np.array([[0.1, 0.5], [0.1, 0.5]])
    catalogue = Catalogue.from_table(catalogue_table([10_000_000, 10_000_000]))
    lists = np.array([[0, 1], [-1, -1]])
    bought = np.array([[True, False], [True, True]])
    found = _money(probability, catalogue, 4.0, (lists, np.array([100_000, 100_000]), 0.5), bought)
    # Offer a: p1 = .4 / 1.3 = .307692; 10 (.207692 x .1 - .1 x .2) = .0076923, half of it is seen.
    # Offer b: p1 = 2 / 2.5 = .8; 10 (.3 x .1 - .5 x .2) = -.7, half of it is seen. Contact .1.
    assert found["expected_contribution"].tolist() == [3_846 - 350_000 - 100_000, 0]
    # Given away when seen: 10 x .2 x (.1 + .5) = 1.2 expected; a was bought, so 2.0 in fact; half is seen.
    assert found["expected_giveaway"].tolist() == [600_000, 0]
    assert found["actual_giveaway"].tolist() == [1_000_000, 0]
    assert found["contribution_with_actual_giveaway"][0] == pytest.approx(3_846 - 350_000 - 100_000 - 400_000, abs=1)
    # No lift can earn the discount back from a third on: that is b, not a.
    assert found["slots_that_cannot_pay"].tolist() == [1.0, 0.0]
    assert found["slots"].tolist() == [2.0, 0.0]
    assert found["contacts"].tolist() == [1.0, 0.0]


def spread(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.5, "high": value + 0.5}


def record(measure: str, unit: str, ours: float, theirs: float) -> dict[str, Any]:
    def row(m: str, tier: str, policy: str, value: float, **more: Any) -> dict[str, Any]:
        return {
            "measure": m,
            "tier": tier,
            "policy": policy,
            "unit": unit,
            "basis": "measured",
            **spread(value),
            **more,
        }

    measures = ("hits_per_portfolio", "expected_contribution", "slots_that_cannot_pay")
    rows = []
    for m in measures:
        for tier in ("all", "A", "B", "C"):
            mine, other = (ours, theirs) if m == measure else (1.0, 1.0)
            rows += [
                row(m, tier, "rapport", mine),
                row(m, tier, "popular", other, rapport_minus_policy=spread(mine - other)),
            ]
    return {"rows": rows, "campaigns": []}


@pytest.mark.parametrize(
    ("measure", "ours", "theirs", "meets"),
    [
        ("hits_per_portfolio", 4.1, 3.9, True),
        ("hits_per_portfolio", 3.9, 4.1, False),
        ("hits_per_portfolio", 4.0, 4.0, False),
        ("slots_that_cannot_pay", 0.1, 0.4, True),
        ("slots_that_cannot_pay", 0.4, 0.1, False),
        ("slots_that_cannot_pay", 0.4, 0.4, False),
    ],
)
def test_a_bar_is_met_only_by_being_better_than_the_comparator(
    measure: str, ours: float, theirs: float, meets: bool
) -> None:
    results = {r["name"]: r for r in results_of(record(measure, "hits", ours, theirs))}
    assert results[f"{measure}_all_vs_popular"]["meets"] is meets
    assert results[f"{measure}_tier_a_vs_popular"]["meets"] is meets


def test_money_is_told_in_units_of_the_currency() -> None:
    results = {r["name"]: r for r in results_of(record("expected_contribution", "money", 250_000.0, 100_000.0))}
    found = results["expected_contribution_all_vs_popular"]
    assert found["value"] == pytest.approx(0.25)
    assert found["comparator_value"] == pytest.approx(0.1)
    assert found["difference"]["value"] == pytest.approx(0.15)
