"""What happened on the day of the decision or later changes nothing that a turn decides by."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shop_runs import copied, done, keep_rows

AS_OF = "2025-10-06"


@pytest.fixture(scope="module")
def turns(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run one turn over what was known on its day, and one over data that go on for twelve weeks."""
    folder = tmp_path_factory.mktemp("future")
    known = folder / "known"
    done("new", known)
    went_on = copied(known, folder / "went on", state=False)
    keep_rows(known / "sources" / "transactions.csv", lambda row: row["bought_at"] < AS_OF)
    found = []
    for shop in (known, went_on):
        done("turn", shop, "--as-of", AS_OF)
        (turn,) = (shop / "state" / "turns").iterdir()
        found.append(turn)
    return found[0], found[1]


def rows_of(shop: Path) -> int:
    with (shop / "sources" / "transactions.csv").open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.DictReader(file))


def test_the_data_of_one_turn_really_go_on(turns: tuple[Path, Path]) -> None:
    known, went_on = (rows_of(turn.parents[2]) for turn in turns)
    assert went_on > known + 1000


@pytest.mark.parametrize("name", ["states", "catalogue", "scores"])
def test_later_rows_change_no_column_of(turns: tuple[Path, Path], name: str) -> None:
    known, went_on = (pq.read_table(turn / f"{name}.parquet") for turn in turns)
    assert known.schema == went_on.schema
    assert len(known) > 0
    changed = [c for c in known.column_names if not known[c].equals(went_on[c])]
    assert changed == []


def test_later_rows_change_no_decision(turns: tuple[Path, Path]) -> None:
    known, went_on = (pq.read_table(turn / "decisions.parquet") for turn in turns)
    assert isinstance(known, pa.Table)
    changed = [c for c in known.column_names if not known[c].equals(went_on[c])]
    assert changed == []


def test_later_rows_change_no_model(turns: tuple[Path, Path]) -> None:
    known, went_on = ({p.name: p.read_bytes() for p in (turn.parents[1] / "models").glob("*.json")} for turn in turns)
    assert len(known) >= 3
    assert known == went_on
