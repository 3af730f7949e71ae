"""A customer who is forgotten is gone from the store's files, stays gone, and leaves counts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from memories import START, customers, key, later, link, links, partition, person, remember
from postgres_server import Server
from rapport.core.errors import UnknownCustomer
from rapport.core.keys import customer_key
from rapport.stores.identity import CustomerMemory
from rapport.stores.memory import Memory
from rapport.workflows.identity_ports import (
    AccountContact,
    Answer,
    Consent,
    Identifier,
    Interaction,
    Task,
    Trait,
    Wanted,
)

WORD = "zyxwvut"
"""Stands in every value of the customer who is forgotten."""


def _live(memory: CustomerMemory) -> str:
    """Let a customer with two records and a cookie, and a stranger beside, have everything; return the id."""
    anna = person(f"{WORD}-1", emails=[f"{WORD}@x.org"], phones=[f"+1{WORD}", "+shared"], card_numbers=[f"c{WORD}"])
    remember(memory, [anna, person(f"{WORD}-2"), person("other", emails=["other@x.org"], phones=["+shared"])])
    one, two, other = key(f"{WORD}-1"), key(f"{WORD}-2"), key("other")
    memory.contacts.identify(f"cookie-{WORD}", [Identifier("email", f"{WORD}@x.org", True)], later(1))
    memory.ledger.merge(one, two, f"{WORD}'s clerk", f"same {WORD}", f'{{"name": "{WORD}"}}', later(2))
    memory.reviews.queue_reviews(links(link(one, other, evidence=f'{{"name": ["{WORD}", "o"]}}')), later(3))
    memory.reviews.decide_review(two, other, "different", f"clerk {WORD}", later(4))
    wrong = memory.ledger.merge(one, other, "eve", f"{WORD}", f"{WORD}", later(5))
    memory.ledger.undo(wrong.merge_id, "eve", f"not {WORD}", later(6))
    long = f"{WORD} " * 3_000
    rows = [
        Interaction("m1", later(1), "web", "in", "view", anonymous_id=f"cookie-{WORD}", body={"q": long}),
        Interaction(f"m{WORD}", later(2), "call", "in", "ask", f"{WORD}", long, f"{WORD}", node_key=one),
        Interaction("m9", later(2), "call", "in", "ask", node_key=other, body="kept"),
    ]
    memory.contacts.record_interactions(rows)
    memory.profiles.remember_traits(
        [Trait(two, "surname", WORD, "crm", START), Trait(other, "pet", "cat", "crm", START)]
    )
    memory.profiles.remember_answers([Answer(one, "hobby", "answered", "web", START, WORD)])
    memory.profiles.remember_consents([Consent(one, "news", "email", "granted", START, f"form {WORD}")])
    memory.work.add_task(Task(two, "call", "eve", f"call {WORD}", START))
    memory.work.remember_contacts([AccountContact(other, two, f"aide {WORD}", None, "crm", START)])
    memory.work.want([Wanted(f"firm of {WORD}", "eve", START, one)])
    return customers(memory)[one]


def _files(address: URL, server: Server | None) -> bytes:
    if server is not None:
        server.run("CHECKPOINT")
        folder = server.folder / "data" / "base"
    else:
        folder = Path(str(address.database)).parent
    return b"".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file())


def test_nothing_of_a_forgotten_customer_stands_in_the_files(
    memory: CustomerMemory, address: URL, request: pytest.FixtureRequest
) -> None:
    server = None if address.get_backend_name() == "sqlite" else request.getfixturevalue("postgres")
    forgotten = _live(memory)
    assert WORD.encode() in _files(address, server)
    done = memory.erasure.forget(forgotten, "clerk", later(9))
    found = _files(address, server)
    assert (WORD.encode() in found, b"other@x.org" in found) == (False, True)
    counts = {name: count for name, count in done.counts.items() if count}
    assert counts == {
        "interaction web in": 1,
        "interaction call in": 1,
        "interaction": 2,
        "identifier": 5,
        "trait": 1,
        "answer": 1,
        "consent": 1,
        "task": 1,
        "device": 1,
        "account_contact": 1,
        "wanted": 1,
        "review": 1,
        "decision": 4,
        "edge": 3,
        "node": 3,
    }
    assert any("copies" in r or "backups" in r for r in done.remains)
    assert memory.erasure.forgotten() == counts | {"customers": 1}


def test_who_shares_with_a_forgotten_customer_keeps_everything(memory: CustomerMemory) -> None:
    memory.erasure.forget(_live(memory), "clerk", later(9))
    other = customers(memory)[key("other")]
    assert partition(memory) == {frozenset({key("other")})}
    assert [t.value for t in memory.profiles.traits_of(other)] == ["cat"]
    assert [i.body for i in memory.contacts.interactions_of(other)] == ["kept"]
    assert memory.contacts.recognise([Identifier("phone", "+shared")]).standing == "probable"


def test_no_import_brings_a_forgotten_customer_back(memory: CustomerMemory) -> None:
    forgotten = _live(memory)
    memory.erasure.forget(forgotten, "clerk", later(9))
    again = [person(f"{WORD}-1"), person("new id", "crm", emails=[f"{WORD}@x.org"]), person("x", phones=["+shared"])]
    seen = remember(memory, again, later(10))
    assert (seen.new, seen.suppressed) == (1, 2)
    row = Interaction("m77", later(11), "web", "in", "view", anonymous_id=f"cookie-{WORD}")
    told = memory.contacts.record_interactions([row])
    assert (told.new, told.suppressed) == (0, 1)
    assert partition(memory) == {frozenset({key("other")}), frozenset({key("x")})}
    with pytest.raises(UnknownCustomer, match="was forgotten"):
        memory.records.customer_of(forgotten)


def test_who_comes_back_on_their_own_is_admitted_under_another_id(memory: CustomerMemory) -> None:
    forgotten = _live(memory)
    memory.erasure.forget(forgotten, "clerk", later(9))
    assert memory.erasure.readmit("shop", f"{WORD}-1", [Identifier("email", f"{WORD}@x.org")]) == 2
    assert remember(memory, [person(f"{WORD}-1", emails=[f"{WORD}@x.org"])], later(10)).new == 1
    assert customers(memory)[key(f"{WORD}-1")] != forgotten


def test_a_forgotten_cookie_counts_again_once_somebody_logs_in(memory: CustomerMemory) -> None:
    forgotten = _live(memory)
    memory.erasure.forget(forgotten, "clerk", later(9))
    new = memory.contacts.identify(f"cookie-{WORD}", [Identifier("email", f"{WORD}@x.org", True)], later(10))
    assert new.customer_id != forgotten
    row = Interaction("m77", later(11), "web", "in", "view", anonymous_id=f"cookie-{WORD}")
    assert memory.contacts.record_interactions([row]).new == 1


def test_turns_keep_their_counts_of_who_was_forgotten(memory: CustomerMemory, address: URL) -> None:
    forgotten = _live(memory)
    turns, day = Memory(address), date(2030, 1, 7)
    turns.remember_deliveries([("t1", customer_key(forgotten), "w1", day, "email", True)])
    assert memory.erasure.forget(forgotten, "clerk", later(9)).counts["deliveries"] == 1
    told = turns.contacts(day, date(2030, 1, 8), "")
    assert list(told.values()) == [1]
    assert customer_key(forgotten) not in told
    assert turns.turns() == {"w1"}
