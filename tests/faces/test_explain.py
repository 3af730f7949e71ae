"""What `explain` says is what was recorded, for those spoken to, left silent and held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shop_runs import TURN, done


def _decisions(shop: Path) -> list[dict[str, Any]]:
    return pq.read_table(shop / "state" / "turns" / TURN / "decisions.parquet").to_pylist()


KINDS = {
    "spoken_to": lambda d: d["deliver"],
    "silent": lambda d: d["channel"] == "silence" and d["arm"] == "treated",
    "held_out": lambda d: d["arm"] == "holdout" and d["channel"] != "silence",
    "held_out_and_silent": lambda d: d["arm"] == "holdout" and d["channel"] == "silence",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_figures_are_those_of_the_record(kind: str, turned: Path) -> None:
    record = next(d for d in _decisions(turned) if KINDS[kind](d))
    why = done("explain", turned, record["customer_id"], "--json").data
    record["as_of"] = record["as_of"].isoformat()
    assert why["decision"] == record
    assert why["same_when_decided_alone"] is True
    assert [o["offer_id"] for o in why["portfolio"]] == record["offer_ids"]
    assert [o["contribution_micros"] for o in why["portfolio"]] == record["offer_contributions_micros"]
    assert list(why["reasons"]) == record["reasons"]
    assert all(why["reasons"].values())
    turn = turned / "state" / "turns" / TURN
    for name, part in (("states", "state"), ("scores", "value")):
        rows = pq.read_table(turn / f"{name}.parquet").to_pylist()
        row = next(r for r in rows if r["customer_id"] == record["customer_id"])
        told = why[part]
        assert {n: told[n] for n in told} == {
            n: row[n].isoformat() if hasattr(row[n], "isoformat") else row[n] for n in told
        }
    assert not {o["offer_id"] for o in why["alternatives"]} & set(record["offer_ids"])


def test_the_text_says_that_it_is_the_same_decision_and_shows_the_money(turned: Path) -> None:
    record = next(d for d in _decisions(turned) if d["channel"] == "letter" and d["deliver"])
    told = done("explain", turned, record["customer_id"], "--alternatives", "2").out
    assert "Decided again, alone, from the recorded state and prices: the same decision." in told
    assert f"Decision: letter, level {record['level']}, arm treated, delivered" in told
    # Micros are millionths: four digits of the currency are the micros over a hundred, rounded.
    assert f"{record['expected_contribution_micros'] / 1e6:.4f}" in told
    assert f"Models {record['model_version']}, policy {record['policy_version']}." in told
    assert all(offer in told for offer in record["offer_ids"])
