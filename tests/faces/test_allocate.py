"""`rapport allocate` gives one JSON document, a plan in a file, and an exit code that says whether limits are met."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.simulate.instances import make_instance
from rapport.workflows.instance_files import write_instance
from shop_runs import done, rapport

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "allocate.md"


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the guide's own code writes."""
    folder = tmp_path_factory.mktemp("guide")
    code = re.search(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert code
    exec(compile(code[1].replace('"bakery"', repr(str(folder / "bakery"))), "guide", "exec"), {})
    return folder / "bakery"


def test_the_example_of_the_guide_gives_the_plan_that_the_guide_works_out(guided: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.parquet"
    ran = done("allocate", guided, "--out", plan, "--json")
    said = ran.data
    # By hand: 3 to spend on one offer each; milk to anna and ben, 4 + 3, bread to cara, 1, or to anna, 1.5 + 3 + 3.
    assert said["met"]
    assert said["value"] == pytest.approx(8.0)
    assert said["bound"] == pytest.approx(8.0, rel=1e-3)
    assert (said["customers"], said["contacted"], said["offers"]) == (3, 3, 3)
    limits = {x["name"]: x for x in said["limits"]}
    assert {n: x["used"] for n, x in limits.items()} == {
        "milk in stock": 2.0,
        "budget": 3.0,
        "promised to the baker": 1.0,
    }
    assert limits["promised to the baker"]["sense"] == "at_least"
    assert limits["promised to the baker"]["price"] <= 0.0 <= limits["budget"]["price"]
    assert pq.read_table(plan).to_pylist() == [
        {"customer": "anna", "channel": "message", "offers": ["milk"], "value": 4.0},
        {"customer": "ben", "channel": "message", "offers": ["milk"], "value": 3.0},
        {"customer": "cara", "channel": "message", "offers": ["bread"], "value": 1.0},
    ]


def test_without_json_a_person_reads_value_bound_and_limits(guided: Path) -> None:
    told = done("allocate", guided).out
    assert "3 of 3 customers are spoken to" in told
    assert re.search(r"^limits +all met$", told, re.MULTILINE)
    assert re.search(r"^budget +at most +3 +3 ", told, re.MULTILINE)


def test_the_same_instance_gives_the_same_plan_to_the_byte(tmp_path: Path) -> None:
    write_instance(make_instance("mixed", 400, 8, seed=6), tmp_path / "i.npz")
    first, second = tmp_path / "one.parquet", tmp_path / "two.parquet"
    said = [done("allocate", tmp_path / "i.npz", "--out", out, "--json").data for out in (first, second)]
    assert first.read_bytes() == second.read_bytes()
    for one in said:
        del one["seconds"]
    assert said[0] == said[1]


def test_limits_in_conflict_leave_with_nine_and_still_give_json(tmp_path: Path) -> None:
    write_instance(make_instance("infeasible_lp", 30, 5, seed=2), tmp_path / "i")
    ran = rapport("allocate", tmp_path / "i", "--json")
    assert ran.code == 9
    assert ran.data["met"] is False
    conflict = ran.data["conflicts"][0]
    assert "promised" in conflict["limits"]
    assert conflict["certified"] is True
    # One more is promised than there are customers who may get it.
    assert "cannot be met, not even by fractions of offers; it must give way by 1 at least" in conflict["text"]
    assert "error: " in ran.talk
    assert "Traceback" not in ran.talk


def test_a_broken_instance_leaves_with_nine_and_names_file_column_and_row(tmp_path: Path) -> None:
    folder = tmp_path / "i"
    folder.mkdir()
    (folder / "instance.json").write_text(json.dumps({"format": 1, "size": 1}), encoding="utf-8")
    pq.write_table(
        pa.table({"customer": [1, 1], "offer": [1, 2], "value": [1.0, float("nan")]}), folder / "candidates.parquet"
    )
    ran = rapport("allocate", folder, "--json")
    assert ran.code == 9
    assert ran.out == ""
    assert "candidates.parquet: column 'value', row 1: nan; it must be a finite number." in ran.talk


def test_a_plan_is_not_written_over_what_is_there(guided: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.parquet"
    plan.write_bytes(b"mine")
    ran = rapport("allocate", guided, "--out", plan)
    assert ran.code == 8
    assert plan.read_bytes() == b"mine"


def test_an_instance_that_is_not_there_leaves_with_nine(tmp_path: Path) -> None:
    ran = rapport("allocate", tmp_path / "nowhere")
    assert ran.code == 9
    assert "no allocation instance is there" in ran.talk
