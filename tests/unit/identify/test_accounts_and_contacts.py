"""Who works for which account, in which role, and what is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from customer_memories import ListedMemory
from rapport.core.errors import SourceColumns, SourceMissing
from rapport.core.people import PEOPLE as LOADED
from rapport.core.people import STANDARD
from rapport.identify.organisations import contacts_of_accounts, domain_of, seniority_of, top_contacts
from rapport.program.accounts import Accounts
from rapport.program.model import Program
from rapport.workflows.accounts import account_report, account_values, add_tasks, as_written, wanted_of

LISTS = {f.name: [] for f in STANDARD if pa.types.is_list(f.type)}


def record(key: int, kind: str = "person", **values: Any) -> dict[str, Any]:
    return {"record_key": key, "system": "crm", "record_id": str(key), "kind": kind, **LISTS, **values}


def company(key: int, name: str, website: str | None = None) -> dict[str, Any]:
    return record(key, "organisation", organisation=name, website=website)


ACME, BETA, ACME_2 = (
    company(1, "acme", "https://www.acme.com/about"),
    company(2, "beta", "beta.io"),
    company(3, "gamma"),
)


def contacts_of(*records: dict[str, Any], customers: dict[int, str] | None = None) -> list[tuple[str, str, str, str]]:
    ids = customers or {r["record_key"]: f"C{r['record_key']}" for r in records}
    who = pa.table({"record_key": list(ids), "customer_id": list(ids.values())})
    rows = contacts_of_accounts(pa.Table.from_pylist(list(records), STANDARD), who).to_pylist()
    return [(r["account_id"], r["customer_id"], r["seniority"], r["basis"]) for r in rows]


@pytest.mark.parametrize(
    ("title", "seniority"),
    [
        ("Owner", "owner"),
        ("Co-Founder & CEO", "owner"),
        ("Chairwoman of the Board", "owner"),
        ("Gesellschafterin", "owner"),
        ("propriétaire", "owner"),
        ("Socia fundadora", "owner"),
        ("CFO", "c_level"),
        ("Chief Data Officer", "c_level"),
        ("Managing Director", "c_level"),
        ("Geschäftsführer", "c_level"),
        ("Directrice générale", "c_level"),
        ("Consejero Delegado", "c_level"),
        ("Vice President Sales", "director"),
        ("VP Marketing", "director"),
        ("Head of Purchasing", "director"),
        ("Einkaufsleiterin", "director"),
        ("Directeur des achats", "director"),
        ("Jefa de compras", "director"),
        ("Sales Manager", "manager"),
        ("Teamleiter", "manager"),
        ("Gerente", "manager"),
        ("Assistant to the CEO", "staff"),
        ("HR Business Partner", "staff"),
        ("Sachbearbeiterin", "staff"),
        ("Comptable", "staff"),
        ("Vendedora", "staff"),
        ("Wizard", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_title_tells_the_seniority_in_four_languages(title: str | None, seniority: str) -> None:
    assert seniority_of(title) == seniority


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("eva@acme.com", "acme.com"),
        ("https://www.Acme.com:8080/x?y", "acme.com"),
        ("acme.com", "acme.com"),
        ("eva@gmail.com", None),
        ("localhost", None),
        (None, None),
    ],
)
def test_the_domain_of_a_mail_provider_is_no_companys(text: str | None, domain: str | None) -> None:
    assert domain_of(text) == domain


def test_an_id_ties_before_a_name_and_a_name_before_a_domain() -> None:
    both = record(10, account_id="2", organisation="acme", emails=["eva@acme.com"])
    assert contacts_of(ACME, BETA, both) == [("C2", "C10", "unknown", "account_id")]
    named = record(10, organisation="beta", emails=["eva@acme.com"])
    assert contacts_of(ACME, BETA, named) == [("C2", "C10", "unknown", "organisation")]
    mailed = record(10, emails=["eva@acme.com"], job_title="CEO")
    assert contacts_of(ACME, BETA, mailed) == [("C1", "C10", "c_level", "domain")]


def test_a_free_mail_address_or_what_several_accounts_share_ties_nobody() -> None:
    free = company(4, "delta", "gmail.com")
    assert contacts_of(free, record(10, emails=["eva@gmail.com"])) == []
    twin = company(5, "acme", "acme.com")
    assert contacts_of(ACME, twin, record(10, emails=["eva@acme.com"]), record(11, organisation="acme")) == []


def test_records_of_one_account_are_one_account() -> None:
    twin = company(5, "acme", "acme.com")
    ids = {1: "A", 5: "A", 10: "P"}
    found = contacts_of(ACME, twin, record(10, emails=["eva@acme.com"]), customers=ids)
    assert found == [("A", "P", "unknown", "domain")]


def test_one_person_may_belong_to_several_accounts_and_counts_once_in_each() -> None:
    people = [
        record(10, account_id="1", job_title="clerk"),
        record(11, account_id="1", job_title="CEO"),
        record(12, account_id="2", job_title="board"),
    ]
    ids = {1: "A", 2: "B", 10: "P", 11: "P", 12: "P"}
    found = contacts_of(ACME, BETA, *people, customers=ids)
    assert found == [("A", "P", "c_level", "account_id"), ("B", "P", "owner", "account_id")]


PEOPLE = [
    record(10, given_name="eva", surname="bauer", account_id="1", job_title="CEO"),
    record(11, given_name="jan", surname="novak", account_id="1", job_title="buyer"),
    record(12, account_id="1", job_title="manager"),
    record(13, given_name="ann", surname="lee", account_id="2", job_title="owner"),
]


def reported(wanted: list[tuple[str, int]], values: dict[str, float], top: int = 9) -> dict[str, Any]:
    records = [ACME, BETA, ACME_2, *PEOPLE]
    who = pa.table(
        {"record_key": [r["record_key"] for r in records], "customer_id": [f"C{r['record_key']}" for r in records]}
    )
    return account_report(pa.Table.from_pylist(records, STANDARD), who, wanted, values, top)


def test_a_wanted_prospect_needs_three_names_and_what_lacks_becomes_a_task() -> None:
    wanted = reported([("ACME", 3), ("beta", 1), ("Omega Ltd", 3)], {})["wanted"]
    assert [(w["name"], w["account_id"], w["contacts"], w["lacking"]) for w in wanted] == [
        ("Omega Ltd", None, 0, 3),
        ("ACME", "C1", 2, 1),
        ("beta", "C2", 1, 0),
    ]
    assert wanted[1]["task"] == "Find 1 more contact names at ACME: 2 of 3 known."
    assert wanted[2]["task"] is None


def test_tasks_are_given_once() -> None:
    wanted = reported([("acme", 3), ("Omega Ltd", 3)], {})["wanted"]
    kept, memory = ListedMemory.of({"C1": [1]})
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert [add_tasks(memory, wanted, "eva", at), add_tasks(memory, wanted, "eva", at)] == [1, 0]
    assert [(t.node_key, t.owner) for t in kept.given] == [(1, "eva")]


def test_the_top_contacts_are_those_of_the_most_valuable_accounts_by_seniority() -> None:
    report = reported([], {"C2": 50.0, "C1": 100.0}, top=1)
    assert [a["name"] for a in report["accounts"]] == ["acme"]
    assert report["accounts"][0]["by_seniority"] == {"c_level": 1, "manager": 1, "staff": 1}
    assert [(c["customer_id"], c["weight"]) for c in report["top_contacts"]] == [
        ("C10", 90.0),
        ("C12", 50.0),
        ("C11", 20.0),
    ]
    assert (report["accounts_known"], report["contacts_known"]) == (3, 4)


def test_without_contacts_there_are_no_top_contacts() -> None:
    none = contacts_of_accounts(
        STANDARD.empty_table(),
        pa.table({"record_key": pa.array([], pa.int64()), "customer_id": pa.array([], pa.string())}),
    )
    assert top_contacts(none, {}, 3, 3) == []


def test_wanted_names_come_from_settings_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "wanted.csv").write_text("name,why\nOmega, big\n ,x\nAcme,y\n", encoding="utf-8")
    program = Program.model_construct(accounts=Accounts(wanted=("Acme",), wanted_file="wanted.csv", contacts=4))
    assert wanted_of(program, tmp_path) == [("Acme", 4), ("Omega", 4)]
    (tmp_path / "wanted.csv").write_text("firm\nOmega\n", encoding="utf-8")
    with pytest.raises(SourceColumns, match="has the columns firm; must have a column name"):
        wanted_of(program, tmp_path)
    (tmp_path / "wanted.csv").unlink()
    with pytest.raises(SourceMissing, match="wanted_file in program"):
        wanted_of(program, tmp_path)


def test_an_account_is_worth_what_its_contacts_are() -> None:
    contacts = pa.table({"account_id": ["A", "A", "B"], "customer_id": ["p", "q", "stranger"]})
    scores = pa.table({"customer_id": ["p", "q"], "actual_value_micros": [2_500_000, None]})
    assert account_values(contacts, scores) == {"A": 2.5, "B": 0.0}


def test_names_are_told_as_they_were_written_unless_records_differ() -> None:
    rows = [
        {"record_key": 1, "kind": "organisation", "organisation": "Bäckerei Ñandú GmbH"},
        {"record_key": 2, "kind": "organisation", "organisation": "ACME"},
        {"record_key": 3, "kind": "organisation", "organisation": "Acme AG"},
        {"record_key": 4, "kind": "person", "given_name": "Ayşe", "surname": "Öztürk", "job_title": "CFO"},
    ]
    people = pa.Table.from_pylist(rows, schema=LOADED)
    customers = pa.table({"record_key": [1, 2, 3, 4], "customer_id": ["A", "B", "B", "P"]})
    contact = {
        "account_id": "A",
        "account": "backerei nandu",
        "customer_id": "P",
        "name": "ayse ozturk",
        "job_title": "cfo",
    }
    report = {
        "accounts": [{"account_id": "A", "name": "backerei nandu"}, {"account_id": "B", "name": "acme"}],
        "top_contacts": [contact],
    }
    told = as_written(report, people, customers)
    assert [a["name"] for a in told["accounts"]] == ["Bäckerei Ñandú GmbH", "acme"]
    assert told["top_contacts"] == [
        contact | {"account": "Bäckerei Ñandú GmbH", "name": "Ayşe Öztürk", "job_title": "CFO"}
    ]
