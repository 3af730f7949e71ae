"""Every bench runs on little data and gives its figures in the one shape."""

from __future__ import annotations

from typing import Any

import pytest

from shop_runs import done, rapport

KEYS = {"name", "label", "value", "unit", "interval", "comparator", "comparator_value", "bar", "meets"}
FIGURES = {
    "decide": {
        "catalogue_1m_s",
        "catalogue_vs_implicit",
        "catalogue_peak_gib",
        "catalogue_growth_2m",
        "plan_small_s",
    },
    "plan": {"plan_small_s", "plan_small_gap", "plan_small_violations"},
    "allocate": {"allocate_1m_gap", "allocate_violations"},
    "lifetime": {"cdnow_mae", "cdnow_bgnbd_ll", "regular_mae_ratio", "lifetime_1m_fit_s"},
    "features": {"features_100m_s", "features_100m_gb", "features_growth", "features_vs_implicit"},
    "nextbasket": {
        "planted_recall10",
        "planted_recall20",
        "planted_ndcg10",
        "planted_recall10_above_tifuknn",
        "planted_recall10_above_upcf",
        "planted_pasts_recall10",
    },
    "identify": {"febrl3_f1", "recognise_p99_ms", "import_rows_per_s", "question_value_per_asked"},
    "now": {"now_p50_ms", "now_p99_ms", "now_limits_exceeded", "now_used_fewer", "now_value_fewer_paced"},
}


def check(record: dict[str, Any], name: str) -> None:
    assert record["bench"] == name
    assert {"command", "date", "commit", "seed", "machine"} <= set(record)
    assert {"cores", "memory_gib", "python", "packages"} <= set(record["machine"])
    results = record["results"]
    assert results
    names = [r["name"] for r in results]
    assert len(set(names)) == len(names)
    for result in results:
        assert set(result) == KEYS
        assert isinstance(result["value"], int | float)
        assert (result["bar"] is None) == (result["meets"] is None)
        assert not result["comparator"] or result["comparator_value"] is not None
    # A figure alone says little: something stands beside at least one.
    assert any(r["comparator"] for r in results)


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_a_small_bench_gives_its_figures_in_the_one_shape(name: str) -> None:
    # The comparator of lifetimes reads its data through pandas.
    ran = done("bench", name, "--small", "--json", pandas=name == "lifetime")
    check(ran.data, name)
    assert FIGURES[name] <= {r["name"] for r in ran.data["results"]}
    assert "in a fresh process" in ran.talk
    if name == "now":
        values = {r["name"]: r["value"] for r in ran.data["results"]}
        assert values["now_limits_exceeded"] == 0


def test_next_baskets_without_the_public_file_say_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAPPORT_TAFENG", raising=False)
    ran = rapport("bench", "nextbasket")
    assert ran.code == 7
    assert "RAPPORT_TAFENG" in ran.talk
    assert "user_id, basket_index, items" in ran.talk
    assert "--small" in ran.talk


def test_a_whole_turn_has_no_small_size() -> None:
    ran = rapport("bench", "demo", "--small")
    assert ran.code == 2
    assert "--small is not for demo" in ran.talk
