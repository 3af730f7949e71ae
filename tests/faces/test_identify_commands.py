"""The commands that know customers, as a person runs them one after the other on a small company of three systems."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from in_process import called, went_well
from rapport.core.people import record_key
from rapport.wiring import open_customers
from shop_runs import copied

AS_OF = "2026-01-05"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company whose customers were identified once. Copy it; never write to it."""
    folder = tmp_path_factory.mktemp("companies") / "co"
    went_well("simulate", "company", folder, "--customers", "250")
    went_well("identify", folder)
    return folder


@pytest.fixture
def folder(company: Path, tmp_path: Path) -> Path:
    """A copy of the company."""
    return copied(company, tmp_path / "co")


def customers(folder: Path) -> dict[str, str]:
    """Return the customer of each record that is there, by SYSTEM:RECORD_ID."""
    with open_customers(folder, None) as memory:
        rows = memory.records.crosswalk().to_pylist()
    return {f"{r['system']}:{r['record_id']}": r["customer_id"] for r in rows}


def ledger(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = went_well("merges", folder, "--all", "--json").data["merges"]
    return found


def who(folder: Path, text: str) -> dict[str, Any]:
    found: dict[str, Any] = went_well("who", folder, text, "--json").data
    return found


def shop_rows(folder: Path) -> list[list[str]]:
    with (folder / "sources/shop/customers.csv").open(encoding="cp1252", newline="") as file:
        return list(csv.reader(file, delimiter=";"))


def write_shop(folder: Path, rows: list[list[str]]) -> None:
    with (folder / "sources/shop/customers.csv").open("w", encoding="cp1252", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)


def contacts(folder: Path, name: str, *rows: str) -> Path:
    """Write a file of contacts; return where it is."""
    head = "at,anonymous_id,record_id,email,about"
    path = folder / name
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


# identify


def test_a_second_identify_changes_no_id_and_no_merge_and_says_so(folder: Path) -> None:
    before, merges = customers(folder), ledger(folder)
    told = went_well("identify", folder).out
    assert f"records: 0 new, 0 changed, {len(before):,} as before, 0 gone" in told
    assert "merges: 0 made, 0 taken back; 0 records changed their customer" in told
    assert (customers(folder), ledger(folder)) == (before, merges)


def test_records_that_come_change_and_go_leave_the_ids_of_others_as_they_were(folder: Path) -> None:
    before = customers(folder)
    rows = shop_rows(folder)
    head = rows[0]
    gone, changed = rows[1], rows[2]
    changed[head.index("Ort")] = "Neustadt"
    new = dict.fromkeys(head, "") | {"KundenNr": "K9999991", "Vorname": "Xaveria", "Nachname": "Quittenbaum"}
    new |= {"Geburtsdatum": "03.04.1951", "EMail": "xaveria@quittenbaum.example.org", "Karte": "999999991"}
    write_shop(folder, [head, *rows[2:], [new[n] for n in head]])
    told = went_well("identify", folder, "--json").data
    assert told["records"] | {"same": 0} == {"new": 1, "changed": 1, "same": 0, "gone": 1, "suppressed": 0}
    after = customers(folder)
    newcomer = after.pop("shop:K9999991")
    assert newcomer not in set(before.values())
    assert f"shop:{gone[0]}" in before
    stayed = {r: before[r] for r in after}
    moved = {r for r, c in after.items() if c != stayed[r]}
    assert len(moved) <= told["merges"]["moved"]
    # Ids of those whose records only stood beside what changed are the same.
    assert len(moved) < 0.05 * len(after)
    assert set(after.values()) <= set(before.values())
    rows = shop_rows(folder)
    write_shop(folder, [head, gone, *rows[1:]])
    assert went_well("identify", folder, "--json").data["records"]["new"] == 0
    assert customers(folder)[f"shop:{gone[0]}"] == before[f"shop:{gone[0]}"]


# who


def test_who_knows_a_customer_by_every_kind_of_identifier(folder: Path) -> None:
    standard = pq.read_table(next(folder.glob("state/identity/people/*/standard.parquet"))).to_pylist()
    of = customers(folder)
    card = next(r for r in standard if r["system"] == "shop" and r["card_numbers"])
    mail = next(r for r in standard if r["system"] == "web" and r["emails"])
    phone = next(r for r in standard if r["system"] == "calls" and r["phones"])
    asked = {
        card["card_numbers"][0]: ("card_number", card),
        mail["emails"][0].upper(): ("email", mail),
        phone["phones"][0]: ("phone", phone),
        phone["phones"][0].replace("+49", "0049 "): ("phone", phone),
        f"web:{mail['record_id']}": ("record:web", mail),
        of[f"web:{mail['record_id']}"]: ("customer", mail),
    }
    for text, (kind, record) in asked.items():
        found = who(folder, text)
        assert (found["kind"], found["customer_id"]) == (kind, of[f"{record['system']}:{record['record_id']}"]), text


def test_who_says_what_it_was_asked_and_what_may_be_asked_where_nobody_is_known(folder: Path) -> None:
    for text in ("nobody@quark.example.org", "shop:K0", "CAAAAAAAAAA", "+49 30 99999999"):
        ran = called("who", folder, text)
        assert (ran.code, ran.out) == (7, "")
        assert f"error: '{text}': nobody is known by it; may be an id of a customer" in ran.talk
        assert "SYSTEM:RECORD_ID with one of: shop, web, calls, accounts, contacts" in ran.talk


# review


def test_verdicts_of_a_person_bind_the_next_identify_and_are_not_asked_again(folder: Path) -> None:
    waiting = went_well("review", folder, "--json").data
    pairs = [(p["left"].split()[0], p["right"].split()[0]) for p in waiting["pairs"]]
    assert len(pairs) >= 4
    # Taken back and given anew, put off, joined, and kept apart.
    ran = went_well("review", folder, "--by", "ann", typed="n\nu\nn\ns\nq\n")
    assert "never one customer" in ran.talk
    assert "taken back: " in ran.talk
    assert "put off" in ran.talk
    assert "decided: 0 the same, 1 never" in ran.out
    kept_apart = set(pairs[0])
    ran = went_well("review", folder, "--by", "ann", typed="y\nq\n")
    assert "decided: 1 the same, 1 never" in ran.out
    with open_customers(folder, None) as memory:
        verdicts = memory.reviews.verdicts().to_pylist()
    keys = {record_key(*name.split(":", 1)): name for pair in pairs for name in pair}
    decided = {r["same"]: {keys[r["left_key"]], keys[r["right_key"]]} for r in verdicts}
    assert decided[False] == kept_apart
    joined = decided[True]
    went_well("identify", folder)
    of = customers(folder)
    assert len({of[r] for r in joined}) == 1
    assert len({of[r] for r in kept_apart}) == 2
    still = went_well("review", folder, "--json", "--limit", "10000").data
    asked = [{p["left"].split()[0], p["right"].split()[0]} for p in still["pairs"]]
    assert kept_apart not in asked
    assert joined not in asked
    assert (still["counts"]["same"], still["counts"]["different"]) == (1, 1)


# record


def test_contacts_are_recorded_once_and_only_a_verified_login_joins_a_device(folder: Path) -> None:
    accounts = [name for name in customers(folder) if name.startswith("web:")]
    account = accounts[0].removeprefix("web:")
    mail = next(i["value"] for i in who(folder, f"web:{account}")["identifiers"] if i["kind"] == "email")
    file = contacts(
        folder,
        "visits.csv",
        "2026-01-02 10:00,dev-1,,,shoes",
        f"2026-01-02 10:05,dev-1,{account},,",
        "2026-01-02 11:00,dev-2,,,hats",
        f"2026-01-02 11:05,dev-2,,{mail},",
    )
    first = went_well("record", folder, file, "--system", "web", "--json").data
    assert (first["rows"], first["new"], first["repeated"], first["joined"]) == (4, 4, 0, 1)
    again = went_well("record", folder, file, "--system", "web", "--json").data
    assert (again["new"], again["repeated"], again["joined"]) == (0, 4, 0)
    known = who(folder, f"web:{account}")
    assert who(folder, "dev-1")["customer_id"] == known["customer_id"]
    assert "shoes" in {i.get("about") for i in known["interactions"]}
    assert "hats" not in {i.get("about") for i in known["interactions"]}
    assert who(folder, "dev-2")["customer_id"] != known["customer_id"]
    went_well("record", folder, file, "--system", "web", "--verified", "email")
    assert who(folder, "dev-2")["customer_id"] == known["customer_id"]


def test_a_login_by_what_two_customers_hold_is_a_conflict_for_review_and_moves_nothing(folder: Path) -> None:
    of = customers(folder)
    one = next(name for name in of if name.startswith("web:")).removeprefix("web:")
    mine = of[f"web:{one}"]
    other = next(name for name, c in of.items() if name.startswith("web:") and c != mine).removeprefix("web:")
    mail = next(
        i["value"] for i in who(folder, f"web:{other}")["identifiers"] if i["kind"] == "email" and i["verified"]
    )
    file = contacts(folder, "clash.csv", f"2026-01-03 10:00,dev-9,{one},{mail},gloves")
    before = went_well("review", folder, "--json").data["counts"]
    told = went_well("record", folder, file, "--system", "web", "--verified", "email")
    assert "conflicts wait in: rapport review" in told.out
    after = went_well("review", folder, "--json").data
    assert after["counts"]["conflicts"] == before["conflicts"] + 1
    assert after["pairs"][0]["basis"] == "conflict"
    assert customers(folder) == of
    assert who(folder, "dev-9")["customer_id"] not in {mine, of[f"web:{other}"]}


# merges


def test_a_merge_made_by_hand_and_undone_leaves_both_customers_as_they_were(folder: Path) -> None:
    before = customers(folder)
    one = next(c for name, c in before.items() if name.startswith("shop:"))
    other = next(c for name, c in before.items() if name.startswith("calls:") and c != one)
    made = went_well("merges", folder, "--join", one, other, "--why", "said so", "--by", "ann", "--json").data
    assert made["customer_id"] in {one, other}
    assert {who(folder, c)["customer_id"] for c in (one, other)} == {made["customer_id"]}
    listed = went_well("merges", folder, made["customer_id"], "--json").data["merges"]
    assert (listed[0]["merge_id"], listed[0]["by"], listed[0]["why"]) == (made["merge_id"], "ann", "said so")
    number = str(made["merge_id"])
    undone = went_well("merges", folder, "--undo", number, "--why", "mistaken", "--by", "bob", "--json").data
    assert {undone["left_customer"], undone["right_customer"]} == {one, other}
    assert undone["still_joined"] is False
    assert customers(folder) == before
    assert made["merge_id"] not in {m["merge_id"] for m in went_well("merges", folder, "--json").data["merges"]}
    (kept,) = [m for m in ledger(folder) if m["merge_id"] == made["merge_id"]]
    assert (kept["undone_by"], kept["undone_why"]) == ("bob", "mistaken")
    again = called("merges", folder, "--undo", number, "--why", "twice")
    assert again.code == 7
    assert number in again.talk
    assert called("merges", folder, "--join", one, other).code == 2
    assert called("merges", folder, "--join", one, "CAAAAAAAAAA", "--why", "x").code == 7


# turns


def till(folder: Path, old: str, new: str) -> None:
    """Let the first purchase of a customer of the till be somebody else's."""
    path = folder / "sources/shop/sales.csv"
    path.write_bytes(path.read_bytes().replace(f"{old};".encode(), f"{new};".encode(), 1))


def bought(folder: Path) -> dict[str, int]:
    """Return how many lines of purchases each customer of the newest load has."""
    newest = max((folder / "state" / "loaded").iterdir(), key=lambda p: p.stat().st_mtime)
    keys = {r["customer_key"]: r["customer_id"] for r in pq.read_table(newest / "customers.parquet").to_pylist()}
    found: dict[str, int] = {}
    for key in pq.read_table(newest / "transactions.parquet")["customer_key"].to_pylist():
        found[keys[key]] = found.get(keys[key], 0) + 1
    return found


def test_a_merge_between_two_turns_makes_one_customer_of_their_purchases_and_a_decided_turn_says_so(
    folder: Path,
) -> None:
    with (folder / "sources/shop/sales.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    till(folder, rows[0]["KundenNr"], "K0000000")
    went_well("turn", folder, "--as-of", AS_OF, "--dry-run")
    before = bought(folder)
    assert before["shop:K0000000"] == 1
    of = customers(folder)
    there = [of[name] for name in of if name.startswith("shop:") and before.get(of[name])]
    one = there[0]
    other = next(c for c in there if c != one)
    stays = went_well("merges", folder, "--join", one, other, "--why", "one", "--json").data["customer_id"]
    ran = called("turn", folder, "--as-of", AS_OF, "--dry-run")
    assert ran.code == 6, ran.talk
    assert "turn 2026-W02: the data changed since it began" in ran.talk
    after = bought(folder)
    assert after[stays] == before[one] + before[other]
    assert ({one, other} - {stays}) & set(after) == set()
