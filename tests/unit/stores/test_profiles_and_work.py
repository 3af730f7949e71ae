"""Traits, answers, consents, tasks and accounts belong to nodes and are read by customer."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from memories import START, customers, key, later, person, remember
from rapport.core.errors import UnknownCustomer, UnknownTask
from rapport.stores.identity import CustomerMemory
from rapport.workflows.identity_ports import AccountContact, Answer, Consent, Task, Trait, Wanted


@pytest.fixture
def two(memory: CustomerMemory) -> CustomerMemory:
    remember(memory, [person("a"), person("b")])
    return memory


def _joined(memory: CustomerMemory, minute: int = 50) -> str:
    memory.ledger.merge(key("a"), key("b"), "anna", "", None, later(minute))
    return customers(memory)[key("a")]


def _consent(record: str, status: str, minute: int, **more: object) -> Consent:
    base = Consent(key(record), "news", "email", "granted", later(minute), "form")
    return replace(base, status=status, **more)  # type: ignore[arg-type]


def test_of_a_node_field_and_source_the_latest_trait_is_kept(two: CustomerMemory) -> None:
    first = Trait(key("a"), "colour", "red", "crm", later(1), 0.5)
    assert two.profiles.remember_traits([first, replace(first, source="web", value="blue", at=later(3))]) == 2
    assert two.profiles.remember_traits([first]) == 0
    assert two.profiles.remember_traits([replace(first, value="old", at=later(0))]) == 0
    assert two.profiles.remember_traits([replace(first, value="green", at=later(2))]) == 1
    found = two.profiles.traits_of(customers(two)[key("a")])
    assert [(t.source, t.value) for t in found] == [("web", "blue"), ("crm", "green")]
    assert two.profiles.traits(["colour"])["value"].to_pylist() == ["green", "blue"]
    assert len(two.profiles.traits(["size"])) == 0
    assert two.profiles.forget_traits([first]) == 1
    assert [t.source for t in two.profiles.traits_of(customers(two)[key("a")])] == ["web"]


def test_many_traits_at_once(two: CustomerMemory) -> None:
    many = [Trait(key("a"), f"f{n % 2_500}", str(n), "crm", later(n)) for n in range(5_000)]
    assert two.profiles.remember_traits(many) >= 2_500
    values = two.profiles.traits()
    assert len(values) == 2_500
    assert set(values["value"].to_pylist()) == {str(n) for n in range(2_500, 5_000)}
    with pytest.raises(UnknownCustomer):
        two.profiles.remember_traits([Trait(5, "f", "v", "crm", START)])


def test_a_time_without_zone_is_refused(two: CustomerMemory) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        two.profiles.remember_traits([Trait(key("a"), "f", "v", "crm", START.replace(tzinfo=None))])


def test_the_last_word_at_a_node_holds_and_over_nodes_the_stricter(two: CustomerMemory) -> None:
    two.profiles.remember_consents([_consent("a", "denied", 1), _consent("a", "granted", 2)])
    two.profiles.remember_consents([_consent("b", "granted", 1), _consent("b", "withdrawn", 1)])
    a, b = customers(two)[key("a")], customers(two)[key("b")]
    assert two.profiles.consents_of(a) == {("news", "email"): "granted"}
    assert two.profiles.consents_of(b) == {("news", "email"): "withdrawn"}
    joined = _joined(two)
    assert two.profiles.consents_of(joined) == {("news", "email"): "withdrawn"}
    assert two.profiles.consents().to_pylist() == [
        {"customer_id": joined, "purpose": "news", "channel": "email", "status": "withdrawn"}
    ]
    two.ledger.undo(two.ledger.merges()[0].merge_id, "anna", "", later(60))
    assert two.profiles.consents_of(a) == {("news", "email"): "granted"}
    assert two.profiles.consents_of(b) == {("news", "email"): "withdrawn"}


def test_what_is_said_for_the_whole_customer_counts_from_the_merge_on_only(two: CustomerMemory) -> None:
    two.profiles.remember_consents([_consent("b", "denied", 1), _consent("a", "granted", 10, whole=True)])
    joined = _joined(two, 50)
    assert two.profiles.consents_of(joined) == {("news", "email"): "denied"}
    two.profiles.remember_consents([_consent("a", "granted", 51, whole=True)])
    assert two.profiles.consents_of(joined) == {("news", "email"): "granted"}
    two.profiles.remember_consents([_consent("b", "denied", 52)])
    assert two.profiles.consents_of(joined) == {("news", "email"): "denied"}
    two.profiles.remember_consents([_consent("a", "granted", 53, whole=True)])
    two.ledger.undo(two.ledger.merges()[0].merge_id, "anna", "", later(60))
    assert two.profiles.consents_of(customers(two)[key("b")]) == {("news", "email"): "denied"}


def test_a_question_is_known_in_every_channel(two: CustomerMemory) -> None:
    asked = Answer(key("a"), "pets", "asked", "web", later(1))
    refused = Answer(key("b"), "pets", "refused", "call", later(2))
    assert two.profiles.remember_answers([asked, refused]) == 2
    assert two.profiles.remember_answers([asked]) == 0
    assert two.profiles.answers_of(_joined(two)) == [refused, asked]


def test_tasks_are_found_by_customer_owner_and_status(two: CustomerMemory) -> None:
    late = two.work.add_task(Task(key("a"), "call", "eve", "call back", START, date(2030, 2, 1)))
    soon = two.work.add_task(Task(key("b"), "call", "eve", "call now", START, date(2030, 1, 2)))
    never = two.work.add_task(Task(key("b"), "note", "adam", "read", START))
    assert two.work.tasks() == [soon, late, never]
    assert two.work.tasks(owner="eve") == [soon, late]
    assert two.work.tasks(customers(two)[key("a")]) == [late]
    done = two.work.set_task(late.task_id or 0, "done")
    assert (done.status, two.work.tasks(status="done")) == ("done", [done])
    assert two.work.tasks(_joined(two)) == [soon, done, never]
    with pytest.raises(UnknownTask, match="no task 99"):
        two.work.set_task(99, "done")
    with pytest.raises(UnknownCustomer):
        two.work.add_task(Task(5, "call", "eve", "x", START))


def test_a_person_may_belong_to_several_accounts(memory: CustomerMemory) -> None:
    remember(memory, [person("a"), person("acme", "crm"), person("bolt", "crm")])
    acme, bolt = key("acme", "crm"), key("bolt", "crm")
    one = AccountContact(acme, key("a"), "buyer", "head", "crm", START)
    other = AccountContact(bolt, key("a"), "adviser", None, "crm", START)
    assert memory.work.remember_contacts([one, other]) == 2
    assert memory.work.remember_contacts([replace(one, seniority="board", at=later(1)), other]) == 1
    assert (
        memory.work.remember_contacts([replace(one, seniority="board", at=later(2)), replace(other, at=later(2))])
        == 0
    )
    assert memory.work.remember_contacts([replace(other, seniority="head", at=START - timedelta(1))]) == 0
    who = customers(memory)
    assert {c.account_key: c.at for c in memory.work.accounts_of(who[key("a")])} == {acme: later(1), bolt: START}
    assert [c.seniority for c in memory.work.contacts_of(who[acme])] == ["board"]
    assert {c.account_key for c in memory.work.accounts_of(who[key("a")])} == {acme, bolt}
    assert memory.work.want([Wanted("Zeta", "eve", START), Wanted("Acme", "eve", START, acme, 4)]) == 2
    assert memory.work.want([Wanted("Zeta", "adam", later(1))]) == 1
    assert [(w.name, w.owner, w.contacts) for w in memory.work.wanted()] == [("Acme", "eve", 4), ("Zeta", "adam", 3)]
