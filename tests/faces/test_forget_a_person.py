"""A person is forgotten: no byte of the state names them, everybody else stays, and no load brings them back."""

from __future__ import annotations

import csv
import hashlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.core.people import LINKS, PEOPLE, STANDARD, record_key
from rapport.wiring import open_customers
from rapport.workflows.identity_records import DIGESTS, Identifier, Interaction
from shop_runs import TURN, copied, done, rapport, started

WHO, OTHER = "K0136", "K0225"


def key_of(customer_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(customer_id.encode(), digest_size=8).digest(), "big", signed=True)


def named_in(folder: Path, values: list[str]) -> list[str]:
    """Return every file below a folder, but the company's own, that holds a value: in its bytes, name or cells."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and folder / "sources" not in p.parents):
        texts = [path.name.encode().lower(), path.read_bytes().lower()]
        if path.suffix == ".parquet":
            texts.append(json.dumps(pq.read_table(path).to_pydict(), default=str).lower().encode())
        found += [f"{path.relative_to(folder)}: {v}" for v in values if any(v.lower().encode() in t for t in texts)]
    return found


def told_of(folder: Path) -> list[str]:
    """Return what tells who the person is: the id, the address, the key as touches have it."""
    with (folder / "sources" / "customers.csv").open(encoding="utf-8", newline="") as stream:
        row = next(r for r in csv.DictReader(stream) if r["customer"] == WHO)
    return [WHO, *filter(None, [row["email"]]), f"{key_of(WHO) & 0xFFFFFFFFFFFFFFFF:016x}", str(key_of(WHO))]


def rows(folder: Path, name: str, besides: set[int]) -> list[dict[str, Any]]:
    table = pq.read_table(folder / "state" / "turns" / TURN / f"{name}.parquet")
    return [r for r in table.to_pylist() if r["customer_key"] not in besides]


@pytest.fixture(scope="module")
def forgotten(turned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop after a customer was forgotten. Copy it; never write to it."""
    folder = copied(turned, tmp_path_factory.mktemp("forget") / "forgotten")
    done("forget", folder, WHO, "--yes", "--by", "ann", "--json")
    return folder


def test_no_file_of_the_state_names_who_was_forgotten(turned: Path, forgotten: Path) -> None:
    values = told_of(turned)
    assert len(named_in(turned, values)) > 10
    assert named_in(forgotten, values) == []


def test_rows_stay_without_traits_and_everybody_elses_are_the_same(turned: Path, forgotten: Path) -> None:
    keys = {n: set(pq.read_table(f / "state" / "turns" / TURN / "states.parquet")["customer_key"].to_pylist())
            for n, f in (("before", turned), ("after", forgotten))}  # fmt: skip
    (new,) = keys["after"] - keys["before"]
    assert keys["before"] - keys["after"] == {key_of(WHO)}
    for name in ("customers", "states", "scores", "decisions", "messages", "touches"):
        assert str(rows(turned, name, {key_of(WHO)})) == str(rows(forgotten, name, {new})), name
        theirs = [r for r in rows(forgotten, name, set()) if r["customer_key"] == new]
        assert len(theirs) == 1, name
        assert theirs[0]["customer_id"].startswith("erased-"), name
        for trait in {"first_name", "email", "age_band"} & set(theirs[0]):
            assert theirs[0][trait] is None, name
        before = next(r for r in rows(turned, name, set()) if r["customer_key"] == key_of(WHO))
        for figure in {"sales_micros", "tier", "arm", "expected_contribution_micros", "status"} & set(before):
            assert theirs[0][figure] == before[figure], (name, figure)
    customers = rows(forgotten, "customers", set())
    assert [r["customer_key"] for r in customers] == sorted(r["customer_key"] for r in customers)


def test_a_turn_and_an_explanation_of_others_go_on_as_if_nothing_had_been(
    turned: Path, forgotten: Path, tmp_path: Path
) -> None:
    folder = copied(forgotten, tmp_path / "again")
    counts = [s["counts"] for s in done("turn", folder, "--json").data["stages"].values()]
    assert counts == [s["counts"] for s in done("turn", turned, "--json").data["stages"].values()]
    assert done("explain", folder, OTHER, "--json").data == done("explain", turned, OTHER, "--json").data
    readout = Path("state") / "turns" / TURN / "readout.parquet"
    assert (folder / readout).read_bytes() == (turned / readout).read_bytes()
    record = json.loads((folder / "state" / "turns" / TURN / "turn.json").read_text(encoding="utf-8"))
    for stage in record["stages"].values():
        for name, digest in stage["digests"].items():
            there = (folder / "state" / "turns" / TURN / name).read_bytes()
            assert digest == hashlib.blake2b(there, digest_size=16).hexdigest(), name
    assert named_in(folder, told_of(turned)) == []


def test_a_load_leaves_the_forgotten_out_and_counts_their_rows_without_a_value(forgotten: Path, turned: Path) -> None:
    before = {p.name for p in (turned / "state" / "loaded").iterdir()}
    (new,) = [p for p in (forgotten / "state" / "loaded").iterdir() if p.name not in before]
    lines = (turned / "sources" / "transactions.csv").read_text(encoding="utf-8").splitlines()
    bought = [n for n, line in enumerate(lines) if line.startswith(f"{WHO},")]
    aside = pq.read_table(new / "quarantine.parquet").to_pylist()
    assert {(r["reason"], r["value"]) for r in aside} == {("FORGOTTEN", None)}
    assert [r["row"] for r in aside if r["source"] == "transactions"] == bought
    assert [r["source"] for r in aside].count("customers") == 1
    assert pq.read_table(new / "transactions.parquet").num_rows == len(lines) - 1 - len(bought)
    assert pq.read_table(new / "customers.parquet").num_rows == 299


def test_a_second_time_says_that_it_is_done_and_a_stranger_is_unknown(forgotten: Path, tmp_path: Path) -> None:
    folder = copied(forgotten, tmp_path / "twice")
    again = done("forget", folder, WHO, "--yes", "--json").data
    assert (again["status"], again["already"]["by"]) == ("already forgotten", "ann")
    nobody = rapport("forget", folder, "K9999", "--yes")
    assert nobody.code == 7
    assert "'K9999' is not known" in nobody.talk
    assert "must be a customer id" in nobody.talk


def test_a_dry_run_changes_nothing_and_without_a_terminal_nothing_is_erased_unasked(
    turned: Path, tmp_path: Path
) -> None:
    folder = copied(turned, tmp_path / "dry")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and "memory.db" not in p.name}
    told = done("forget", folder, WHO, "--dry-run", "--json").data
    lines = (turned / "sources" / "transactions.csv").read_text(encoding="utf-8").splitlines()
    assert told["counts"]["transactions"] == sum(line.startswith(f"{WHO},") for line in lines)
    assert rapport("forget", folder, WHO).code == 2
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and "memory.db" not in p.name} == before


def test_an_erasure_that_was_killed_is_carried_on_to_the_same_end(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "killed")
    counts = done("forget", folder, WHO, "--dry-run", "--json").data["counts"]
    journals = folder / "state" / "forget"
    touched = folder / "state" / "turns" / TURN / "decisions.parquet"
    whole = touched.read_bytes()
    process = started("forget", folder, WHO, "--yes")
    while process.poll() is None and touched.read_bytes() == whole:
        time.sleep(0.0005)
    process.kill()
    assert process.wait() == -9
    (journal,) = journals.glob("*.json")
    text = journal.read_text(encoding="utf-8")
    assert [v for v in told_of(turned) if v in text] == []
    assert done("forget", folder, WHO, "--yes", "--json").data["counts"] == counts
    assert named_in(folder, told_of(turned)) == []
    assert list(journals.iterdir()) == []
    ids = {
        r["customer_id"]
        for name in ("customers", "states", "scores", "decisions", "messages", "touches")
        for r in rows(folder, name, set())
        if r["customer_id"].startswith("erased-")
    }
    assert len(ids) == 1


def test_what_waits_to_be_sent_is_withheld_from_the_forgotten(composed: Path, tmp_path: Path) -> None:
    folder = copied(composed, tmp_path / "waiting")
    done("forget", folder, WHO, "--yes")
    touches = done("turn", folder, "--json").data["stages"]["send"]["counts"]["touches"]
    assert sum(touches.values()) == 300
    (theirs,) = [r for r in rows(folder, "touches", set()) if r["customer_id"].startswith("erased-")]
    assert (theirs["status"], theirs["files"]) == ("withheld", [])
    assert named_in(folder, told_of(composed)) == []


def person(record: str, given: str, mail: str, household: str | None) -> dict[str, Any]:
    key = record_key("crm", record)
    own = {"record_key": key, "system": "crm", "record_id": record, "kind": "person", "household_id": household}
    return own | {"given_name": given, "emails": [mail], "email": [mail]}


def test_a_person_of_the_memory_is_forgotten_with_all_records_and_the_household_stays(
    shop: Path, tmp_path: Path
) -> None:
    folder = copied(shop, tmp_path / "people")
    toml = folder / "program.toml"
    people = '\n[[people]]\nname = "crm"\npath = "sources/crm.csv"\ncolumns = { record_id = "id", email = "mail" }\n'
    toml.write_text(toml.read_text(encoding="utf-8") + people, encoding="utf-8")
    mine = [
        person("R-7731", "Wilhelmina", "mina@quark.example", "H-88"),
        person("R-7732", "Mina", "mq@zet.example", "H-88"),
    ]
    other = person("R-9000", "Otto", "otto@quark.example", "H-88")
    place = folder / "state" / "identity" / "0a"
    place.mkdir(parents=True)
    every = sorted([*mine, other], key=lambda r: r["record_key"])
    pq.write_table(pa.Table.from_pylist(every, schema=PEOPLE), place / "people.parquet")
    standard = pa.Table.from_pylist(every, schema=STANDARD)
    pq.write_table(standard, place / "standard.parquet")
    left, right = sorted([mine[0]["record_key"], other["record_key"]])
    link = {"left_key": left, "right_key": right, "probability": 0.5, "weight": 0.0, "basis": "probable"}
    evidence = json.dumps({"email": ["mina@quark.example", "otto@quark.example", 1, 2.0]})
    pq.write_table(pa.Table.from_pylist([link | {"evidence": evidence}], schema=LINKS), place / "links.parquet")
    at = datetime(2026, 1, 5, tzinfo=UTC)
    digests = pa.table({"record_key": standard["record_key"], "digest": ["1", "2", "3"]}, schema=DIGESTS)
    with open_customers(folder, None) as memory:
        memory.records.remember_records(standard, digests, {"crm": ["email"]}, at)
        memory.ledger.merge(mine[0]["record_key"], mine[1]["record_key"], "ann", "same Wilhelmina", None, at)
        said = Interaction("m1", at, "call", "in", "question", body="Wilhelmina asks", node_key=mine[1]["record_key"])
        memory.contacts.record_interactions([said])
        ids = [str(row["customer_id"]) for row in memory.records.nodes().to_pylist()]
    gone = done("forget", folder, "mina@quark.example", "--yes", "--by", "ann", "--json").data
    assert gone["counts"]["people"] == 2
    assert gone["counts"]["memory: records"] == 2
    assert any(source.startswith("crm ") for source in gone["sources"])
    values = ["wilhelmina", "mina@quark", "mq@zet", "R-7731", "R-7732", gone["customer_id"]]
    values += [str(r["record_key"]) for r in mine]
    assert named_in(folder, values) == []
    (left_over,) = [r for r in pq.read_table(place / "people.parquet").to_pylist() if r["record_id"] == "R-9000"]
    assert (left_over["household_id"], left_over["email"]) == ("H-88", ["otto@quark.example"])
    with open_customers(folder, None) as memory:
        (stays,) = memory.records.nodes().to_pylist()
        assert stays["customer_id"] in ids
        assert memory.contacts.recognise([Identifier("email", "mina@quark.example")]).standing == "unknown"
        assert memory.records.remember_records(standard, digests, {"crm": ["email"]}, at).suppressed == 2
    again = done("forget", folder, "Mina@quark.example", "--yes", "--json").data
    assert again["status"] == "already forgotten"
