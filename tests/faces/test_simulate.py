"""Made-up data are the same bytes for the same seed, and the programme beside them can be checked and loaded."""

from __future__ import annotations

import csv
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq

from rapport.program.identify import Identify, People, check_people
from rapport.simulate.company_program import company_program
from shop_runs import done, rapport

SIZE = ("--customers", "120", "--products", "40", "--lines", "6000")


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_shop_is_written_and_can_be_run(tmp_path: Path) -> None:
    made = done("simulate", "transactions", *SIZE, "--out", tmp_path / "shop", "--json").data
    assert made["customers"] == 120
    assert made["products"] == 40
    # About as many as were asked for; 120 customers of very different activity.
    assert 4_000 < made["lines"] < 8_000
    files = _files(tmp_path / "shop")
    assert [f for f in files if "transactions" in f] == [
        f"sources/transactions/part-0{k}.parquet" for k in (1, 2, 3, 4)
    ]
    assert done("check", tmp_path / "shop", "--json").data["sources"]["transactions"] == "sources/transactions"
    loaded = done("load", tmp_path / "shop", "--as-of", made["as_of"], "--json").data
    assert str(made["lines"]) in str(loaded)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        done("simulate", "transactions", *SIZE, "--out", tmp_path / name, "--seed", seed)
    assert _files(tmp_path / "a") == _files(tmp_path / "b")
    assert _files(tmp_path / "a") != _files(tmp_path / "c")


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("x")
    assert rapport("simulate", "transactions", "--out", tmp_path / "shop").code == 8


def test_a_size_that_makes_no_sense_is_refused() -> None:
    ran = rapport("simulate", "transactions", "--customers", "0", "--out", "x")
    assert ran.code == 2
    assert "--customers" in ran.talk


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _bytes_of_company(out: Path, seed: str) -> dict[str, bytes]:
    done("simulate", "company", out, "--customers", "150", "--seed", seed)
    return _files(out)


def test_a_company_is_the_same_bytes_for_a_seed_and_its_truth_adds_up(tmp_path: Path) -> None:
    made = done("simulate", "company", tmp_path / "a", "--customers", "150", "--json").data
    assert made["people"] == 150
    one = _files(tmp_path / "a")
    assert one == _bytes_of_company(tmp_path / "b", "1")
    assert one != _bytes_of_company(tmp_path / "c", "2")
    truth = _rows(tmp_path / "a/truth/people.csv")
    held = {"shop": set(), "web": set(), "calls": set()}
    with (tmp_path / "a/sources/shop/customers.csv").open(encoding="cp1252", newline="") as file:
        held["shop"] = {row["KundenNr"] for row in csv.DictReader(file, delimiter=";")}
    held["web"] = set(pq.read_table(tmp_path / "a/sources/web/accounts.parquet")["account"].to_pylist())
    with closing(sqlite3.connect(tmp_path / "a/sources/calls/calls.db")) as calls:
        held["calls"] = {row[0] for row in calls.execute("SELECT caller FROM callers")}
    for system, ids in held.items():
        assert ids == {row["record_id"] for row in truth if row["system"] == system}
        assert len(ids) == made["records"][system]
    people = {row["person"] for row in truth if row["system"] in held}
    assert len(people) == 150
    homes = {r["person"]: r["household"] for r in _rows(tmp_path / "a/truth/households.csv")}
    assert all(homes[row["person"]] == row["household"] for row in truth if row["system"] in held)
    with (tmp_path / "a/sources/shop/sales.csv").open(newline="") as file:
        sales = list(csv.DictReader(file, delimiter=";"))
    assert {row["KundenNr"] for row in sales} <= held["shop"]
    assert all("," in row["Umsatz"] and row["Zeit"][2] == "." for row in sales)
    orders = pq.read_table(tmp_path / "a/sources/web/orders.parquet")
    assert set(orders["account"].to_pylist()) <= held["web"]
    assert len(sales) + len(orders) == made["lines"]


def test_a_company_without_organisations_has_no_crm(tmp_path: Path) -> None:
    done("simulate", "company", tmp_path / "a", "--customers", "20", "--no-crm")
    assert not (tmp_path / "a/sources/crm").exists()
    assert "accounts.csv" not in (tmp_path / "a/program.toml").read_text(encoding="utf-8")


def test_the_folder_of_made_up_data_is_named_once() -> None:
    for given in ((), ("x", "--out", "y")):
        ran = rapport("simulate", "company", *given)
        assert ran.code == 2
        assert "give either DIR or --out DIR" in ran.talk


def test_the_people_of_a_company_are_in_order_in_its_programme() -> None:
    program = tomllib.loads(company_program(2_000, crm=True))
    people = tuple(People.model_validate(p) for p in program["people"])
    check_people(people)
    assert [p.name for p in people] == ["shop", "web", "calls", "accounts", "contacts"]
    assert Identify.model_validate(program["identify"]).country == "DE"
