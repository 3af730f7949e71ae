"""A few new records are weighed by what was learned of the many; much that is new is learned from."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from people_cases import NO_VERDICTS
from programs import MINIMAL
from rapport.core.people import PEOPLE
from rapport.engines.splink_linker import SplinkLinker
from rapport.identify.link_model import model_from
from rapport.simulate.people import PeopleWorld, make_people
from rapport.workflows.ports import Silent
from rapport.workflows.resolve import resolve_again
from shop_runs import done, rewrite

PEOPLE_PART = """
[[people]]
name = "shop"
path = "people.csv"
verified = ["email"]
[people.columns]
record_id = "record_id"
given_name = "given_name"
surname = "surname"
birth_date = "birth_date"
email = "email"
phone = "phone"
street = "street"
house_number = "house_number"
city = "city"
postal_code = "postal_code"
[identify]
wrong_merge_cost = 5.0
"""
COLUMNS = ("given_name", "surname", "birth_date", "email", "phone", "street", "house_number", "city", "postal_code")


def rows(count: int) -> list[dict[str, Any]]:
    """Return rows of made-up people."""
    made = make_people(PeopleWorld(count, duplicates=0.4, seed=3)).people.select([f.name for f in PEOPLE]).to_pylist()
    first = [{c: r[c][0] if isinstance(r[c], list) and r[c] else r[c] or "" for c in COLUMNS} for r in made]
    return [{"record_id": f"R{n}", **row} for n, row in enumerate(first)]


def write(folder: Path, people: list[dict[str, Any]]) -> None:
    """Write the source."""
    with (folder / "people.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, people[0])
        out.writeheader()
        out.writerows(people)


def identified(folder: Path) -> tuple[dict[str, Any], Path]:
    """Identify and return what was told, and the folder of the resolution."""
    told = json.loads(done("identify", folder / "program.toml", "--json").out)
    latest = json.loads((folder / "state/identity/latest.json").read_text(encoding="utf-8"))
    return told, folder / "state/identity/resolved" / latest["resolved"]


def by_the_model_of(resolved: Path, folder: Path) -> pa.Table:
    """Return the clusters that a run over all records with the model of a resolution gives."""
    model = model_from(json.loads((resolved / "model.json").read_text(encoding="utf-8")))
    people = json.loads((resolved / "basis.json").read_text(encoding="utf-8"))["people"]
    standard = pq.read_table(folder / "state/identity/people" / people / "standard.parquet")
    return resolve_again(model, standard, NO_VERDICTS, [("shop", "email")], SplinkLinker, Silent()).clusters


def partition(clusters: pa.Table) -> set[tuple[int, int]]:
    """Return clusters as pairs of record and smallest record."""
    return set(zip(clusters["record_key"].to_pylist(), clusters["cluster"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a programme identified on 900 records, then with 30 more, five changed and five gone."""
    folder = tmp_path_factory.mktemp("little")
    (folder / "program.toml").write_text(MINIMAL + PEOPLE_PART, encoding="utf-8")
    people = rows(930)
    write(folder, people[:900])
    first, _ = identified(folder)
    assert first["learned"] == {"records": 900, "after": 0}
    for row in people[:5]:
        row["street"] = "Moved Away Lane"
    write(folder, [*people[:100], *people[105:930]])
    return folder


def test_few_new_records_are_weighed_by_the_model_as_a_whole_run_would(shop: Path) -> None:
    before = json.loads((shop / "state/identity/latest.json").read_text(encoding="utf-8"))
    told, resolved = identified(shop)
    assert told["learned"] == {"records": 900, "after": 40}
    assert told["records"]["new"] == 30
    assert told["records"]["changed"] == 5
    assert told["records"]["gone"] == 5
    clusters = pq.read_table(resolved / "clusters.parquet")
    assert clusters.num_rows == 925
    assert partition(clusters) == partition(by_the_model_of(resolved, shop))
    old = shop / "state/identity/resolved" / before["resolved"] / "model.json"
    assert (resolved / "model.json").read_text(encoding="utf-8") == old.read_text(encoding="utf-8")
    joined = np.unique(clusters["cluster"].to_numpy(), return_counts=True)[1]
    assert (joined > 1).sum() > 100
    again, same = identified(shop)
    assert same == resolved
    assert again["merges"]["added"] == again["records"]["new"] == 0


def test_when_much_is_new_or_the_settings_changed_it_is_learned_again(shop: Path) -> None:
    rewrite(shop / "program.toml", "wrong_merge_cost = 5.0", "wrong_merge_cost = 6.0")
    told, _ = identified(shop)
    assert told["learned"] == {"records": 925, "after": 0}
    write(shop, rows(990))
    told, _ = identified(shop)
    assert told["learned"] == {"records": 990, "after": 0}
