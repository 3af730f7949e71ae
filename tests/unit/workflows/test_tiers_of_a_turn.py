"""What customers are ranked by, and which turn their tiers are held against."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from programs import program_with
from rapport.core.errors import RuleRefused, StateDamaged
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.stores.turn_store import TurnStore
from rapport.workflows.tiers import (
    check_criterion,
    planned_before,
    rank_criterion,
    read_standing,
    tier_customers,
    tier_history,
    tiers_by_rank,
    turn_before,
)

PURPOSE = {"A": "Keep.", "B": "Grow.", "C": "Serve."}
STATES = pa.table(
    {
        "customer_key": pa.array([1, 2, 3, 4], pa.int64()),
        "sales_micros": pa.array([10, 40, None, 20], pa.int64()),
        "discount_share": [0.5, 0.0, 0.1, None],
        "top_department": ["x", None, "y", "y"],
    }
)
VALUES: Any = SimpleNamespace(
    alive_probability=np.array([0.9, 0.1, 0.5, 0.5]),
    expected_purchases=np.array([1.0, 2.0, 3.0, 4.0]),
    expected_contribution_micros=np.array([400, 300, 200, -100]),
    low_micros=np.array([1, 1, 1, -200]),
    high_micros=np.array([500, 400, 300, 0]),
    below_zero=np.array([False, False, False, True]),
)


def _program(**rule: Any) -> Any:
    return program_with(tiers={"top_share": 0.25, "bottom_share": 0.25, "purpose": PURPOSE} | rule)


def _criterion(by: str) -> list[int]:
    with DuckDBEngine() as engine:
        return rank_criterion(engine, _program(by=by), STATES, VALUES).tolist()


@pytest.mark.parametrize(
    ("by", "ranks"),
    [
        ("value", [400, 300, 200, -100]),
        ("sales_micros", [0, 2, -1, 1]),
        ("-sales_micros", [2, 0, -1, 1]),
        ("coalesce(sales_micros, 0)", [1, 3, 0, 2]),
        ("alive_probability * expected_purchases", [1, 0, 2, 3]),
        ("1.5 * actual_value_high_micros", [3, 2, 1, 0]),
        ("sales_micros / 0", [-1, -1, -1, -1]),
        ("discount_share", [2, 0, 1, -1]),
    ],
)
def test_customers_are_ranked_by_what_the_programme_says_the_unknown_last(by: str, ranks: list[int]) -> None:
    assert _criterion(by) == ranks


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("top_department", r"tiers.by: 'top_department' gives string; must be a number"),
        ("sales_micros > 3", r"tiers.by: 'sales_micros > 3' gives bool; must be a number"),
        ("sale_micros", r"tiers.by: column 'sale_micros' is not known.*Did you mean sales_micros"),
        ("sum(sales_micros)", r"tiers.by: 'SUM\(sales_micros\)' is not allowed"),
        ("top_department + 1", r"tiers.by: 'top_department \+ 1' cannot be worked out"),
    ],
)
def test_what_is_no_number_is_refused_with_its_place(by: str, told: str) -> None:
    with pytest.raises(RuleRefused, match=told):
        _criterion(by)


def test_a_criterion_is_checked_before_anything_is_computed() -> None:
    check_criterion(_program(), ["sales_micros"])
    check_criterion(_program(by="sales_micros - below_zero"), ["sales_micros"])
    with pytest.raises(RuleRefused, match="column 'age' is not known"):
        check_criterion(_program(by="age"), ["sales_micros"])


def test_a_backtest_ranks_by_the_same_criterion_without_a_turn_before() -> None:
    with DuckDBEngine() as engine:
        tiers = tiers_by_rank(engine, _program(by="sales_micros", hysteresis=0.1), STATES, VALUES)
    assert tiers.tolist() == ["B", "A", "C", "B"]


def _wrote(store: TurnStore, name: str, as_of: str, tiers: str, *stages: str, **counts: Any) -> None:
    scored = {"counts": counts}
    record = {"as_of": as_of, "stages": {"score": scored, **{s: {"counts": {}} for s in stages}}}
    store.write_json(store.turn_folder(name) / "turn.json", record)
    columns = {"customer_key": pa.array(range(1, len(tiers) + 1), pa.int64()), "tier": list(tiers)}
    value = pa.array([10 * n for n in range(len(tiers))], pa.int64())
    store.write_table(name, "scores", pa.table(columns | {"actual_value_micros": value}))


def _turn(name: str, as_of: date, **rule: Any) -> Any:
    return SimpleNamespace(name=name, as_of=as_of, program=_program(**rule))


def _tools(store: TurnStore) -> Any:
    return SimpleNamespace(store=store)


def test_the_turn_before_is_the_latest_planned_one_of_an_earlier_day(tmp_path: Path) -> None:
    store = TurnStore(tmp_path)
    now = _turn("2030-W05", date(2030, 1, 28))
    assert turn_before(now, _tools(store)) is None
    _wrote(store, "2030-W01", "2029-12-31", "ABC", "plan", "send")
    _wrote(store, "2030-W03", "2030-01-14", "BAC", "plan")
    _wrote(store, "2030-W04", "2030-01-21", "CCC")
    _wrote(store, "2030-W05", "2030-01-28", "AAA", "plan")
    _wrote(store, "2030-W06", "2030-02-04", "AAA", "plan")
    assert turn_before(now, _tools(store)) == "2030-W03"
    assert [n for _, n in planned_before(store, date(2030, 1, 28))] == ["2030-W01", "2030-W03"]
    store.discard_turn("2030-W03")
    assert turn_before(now, _tools(store)) == "2030-W01"


def test_a_turn_done_again_is_held_against_the_turn_it_was_held_against(tmp_path: Path) -> None:
    store = TurnStore(tmp_path)
    _wrote(store, "2030-W01", "2029-12-31", "ABC", "plan")
    _wrote(store, "2030-W03", "2030-01-14", "BAC", "plan")
    _wrote(store, "2030-W05", "2030-01-28", "AAA", tier_history={"before": "2030-W01"})
    assert turn_before(_turn("2030-W05", date(2030, 1, 28)), _tools(store)) == "2030-W01"
    _wrote(store, "2030-W05", "2030-01-28", "AAA", tier_history={"before": None})
    assert turn_before(_turn("2030-W05", date(2030, 1, 28)), _tools(store)) is None


def test_a_tier_is_kept_from_the_turn_before_and_the_record_says_who_moved(tmp_path: Path) -> None:
    store = TurnStore(tmp_path)
    _wrote(store, "2030-W01", "2029-12-31", "BABBB" + "C" * 3 + "AB", "plan")
    n, purse = 10, np.arange(10, 0, -1) * 100
    states = pa.table({"customer_key": pa.array(range(1, n + 1), pa.int64())})
    values: Any = SimpleNamespace(expected_contribution_micros=purse)
    now = _turn("2030-W05", date(2030, 1, 28), top_share=0.3, bottom_share=0.3, hysteresis=0.1)
    with DuckDBEngine() as engine:
        found = tier_customers(engine, now, _tools(store), states, values)
    # 3 in A, 3 in C, a band of 1: rank 2 was B and is not yet more than one above the border, rank 6 was C likewise;
    # rank 5 was C and has passed it, ranks 8 and 9 were A and B and are far down.
    assert "".join(found.rank_tiers) == "AAABBBBCCC"
    assert "".join(found.tiers) == "AABBBBCCCC"
    assert found.record["before"] == "2030-W01"
    assert found.record["before_as_of"] == "2029-12-31"
    assert found.record["kept"] == 2
    assert sum(m["customers"] for m in found.record["moves"]) == n


def test_the_history_of_one_customer_is_told_oldest_first(tmp_path: Path) -> None:
    store = TurnStore(tmp_path)
    _wrote(store, "2030-W01", "2029-12-31", "AB", "plan")
    _wrote(store, "2030-W03", "2030-01-14", "BAC", "plan")
    assert tier_history(store, date(2030, 1, 28), 3) == [{"turn": "2030-W03", "as_of": "2030-01-14", "tier": "C"}]
    assert [h["tier"] for h in tier_history(store, date(2030, 1, 28), 1)] == ["A", "B"]
    assert tier_history(store, date(2029, 1, 1), 1) == []


def test_scores_that_cannot_be_read_are_told_and_a_turn_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    store = TurnStore(tmp_path)
    assert read_standing(store, "2030-W01") is None
    _wrote(store, "2030-W01", "2029-12-31", "AB", "plan")
    (store.turn_folder("2030-W01") / "scores.parquet").write_bytes(b"not parquet")
    with pytest.raises(StateDamaged, match=r"scores\.parquet: cannot be read"):
        read_standing(store, "2030-W01")
