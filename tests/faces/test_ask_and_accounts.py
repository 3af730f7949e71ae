"""`rapport ask` and `rapport accounts` say what they know, remember what is said, and refuse what is not there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.core.people import PEOPLE, STANDARD, record_key
from rapport.wiring import open_customers
from rapport.workflows.identity_ports import DIGESTS
from shop_runs import copied, done, rapport

ASKED = """
[[questions]]
field = "email"
text = "Where may we write to you?"
annoyance = 0.0

[[questions]]
field = "shoe_size"
text = "What is your shoe size?"
answers = ["41", "42"]
annoyance = 0.5

[accounts]
wanted = ["Acme"]
"""
LISTS: dict[str, Any] = {f.name: [] for f in STANDARD if pa.types.is_list(f.type)}
PERSON = {"record_key": record_key("shop", "1"), "system": "shop", "record_id": "1", "kind": "person"}
ACME = {"record_key": record_key("crm", "9"), "system": "crm", "record_id": "9", "kind": "organisation"}
ROWS = [
    PERSON | LISTS | {"given_name": "eva", "surname": "bauer", "organisation": "acme", "job_title": "ceo"},
    ACME | LISTS | {"organisation": "acme"},
]


@pytest.fixture(scope="module")
def asking(composed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(composed, tmp_path_factory.mktemp("ask") / "shop")
    program = folder / "program.toml"
    program.write_text(program.read_text(encoding="utf-8") + ASKED, encoding="utf-8")
    standard = pa.Table.from_pylist(ROWS, STANDARD)
    digests = pa.Table.from_pylist([{"record_key": r["record_key"], "digest": "x"} for r in ROWS], DIGESTS)
    with open_customers(folder, None) as memory:
        memory.records.remember_records(standard, digests, {}, datetime(2025, 1, 1, tzinfo=UTC))
        nodes = memory.records.nodes()
    identified = folder / "state" / "identity" / "people" / "1"
    identified.mkdir(parents=True)
    (folder / "state" / "identity" / "latest.json").write_text('{"people": "1", "resolved": "1"}', encoding="utf-8")
    pq.write_table(standard, identified / "standard.parquet")
    written = [PERSON, ACME | {"organisation": "Acme"}]
    pq.write_table(pa.Table.from_pylist(written, PEOPLE), identified / "people.parquet")
    pq.write_table(nodes.select(["record_key", "customer_id"]), folder / "state" / "who.parquet")
    return folder


def known_customer(folder: Path) -> str:
    clusters = pq.read_table(folder / "state" / "who.parquet").to_pylist()
    return next(str(r["customer_id"]) for r in clusters if r["record_key"] == PERSON["record_key"])


def test_what_to_ask_is_said_with_its_sum_and_why_not_the_rest(asking: Path) -> None:
    states = pq.read_table(next((asking / "state" / "turns").glob("*/states.parquet"))).to_pylist()
    decisions = pq.read_table(next((asking / "state" / "turns").glob("*/decisions.parquet"))).to_pylist()
    held = {d["customer_id"] for d in decisions if d["arm"] == "holdout"}
    customer = next(s["customer_id"] for s in states if s["email"] is None and s["customer_id"] not in held)
    found = done("ask", asking, customer, "--json").data
    told = {q["field"]: q for q in found["questions"]}
    assert told["email"]["standing"] == "ASK"
    assert (told["shoe_size"]["standing"], told["shoe_size"]["worth_micros"]) == ("NOT_WORTH_IT", -500_000)
    text = done("ask", asking, customer).out
    assert "Ask: Where may we write to you?" in text
    assert "Amounts are expectations; nothing was recorded." in text


def test_what_became_of_a_question_is_remembered(asking: Path) -> None:
    who = known_customer(asking)
    assert done("ask", asking, who, "--answer", "shoe_size=42", "--json").data["status"] == "answered"
    assert "refused" in done("ask", asking, who, "--refuse", "email", "--channel", "call").talk
    with open_customers(asking, None) as memory:
        assert {(a.question, a.status, a.channel, a.value) for a in memory.profiles.answers_of(who)} == {
            ("shoe_size", "answered", "desk", "42"),
            ("email", "refused", "call", None),
        }
        assert [(t.field, t.value, t.source) for t in memory.profiles.traits_of(who)] == [
            ("shoe_size", "42", "(answer)")
        ]


def test_accounts_their_contacts_and_what_wanted_ones_lack(asking: Path) -> None:
    found = done("accounts", asking, "--json").data
    assert [(a["name"], a["contacts"]) for a in found["accounts"]] == [("Acme", 1)]
    assert [(c["name"], c["seniority"]) for c in found["top_contacts"]] == [("eva bauer", "c_level")]
    tasks = done("accounts", asking, "--wanted", "--tasks", "--json").data
    assert (tasks["tasks_new"], tasks["wanted"][0]["lacking"]) == (1, 2)
    assert "accounts" not in tasks
    assert "Find 2 more contact names at Acme: 1 of 3 known." in done("accounts", asking).out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("ask", "nobody"), 7, "customer 'nobody' is not among the 300"),
        (("ask", "nobody", "--refuse", "email"), 7, "nobody"),
        (("ask", "K0001", "--answer", "shoe_size"), 2, "must be FIELD=VALUE"),
        (("ask", "K0001", "--answer", "shoe_size=9", "--refuse", "email"), 2, "one outcome at a time"),
        (("ask", "K0001", "--answer", "shoe_size=9"), 7, "is '9'; must be one of: 41, 42"),
        (("ask", "K0001", "--refuse", "emial"), 7, "Did you mean email?"),
    ],
)
def test_what_cannot_be_asked_is_refused(asking: Path, words: tuple[str, ...], code: int, told: str) -> None:
    ran = rapport(words[0], asking, *words[1:])
    assert (ran.code, ran.out) == (code, "")
    assert told in ran.talk


def test_a_programme_that_was_not_identified_is_told_to_be(shop: Path) -> None:
    ran = rapport("accounts", shop)
    assert (ran.code, "Run: rapport identify" in ran.talk) == (6, True)
