"""Who is meant by an identifier, who may claim it, and how strangers become customers."""

from __future__ import annotations

from typing import Any

import pytest

from memories import START, customers, key, later, person, remember
from rapport.core.errors import UnknownCustomer
from rapport.stores.identity import CustomerMemory
from rapport.workflows.identity_ports import Identifier, Interaction


def email(value: str, verified: bool = True) -> Identifier:
    return Identifier("email", value, verified)


def phone(value: str, verified: bool = False) -> Identifier:
    return Identifier("phone", value, verified)


@pytest.fixture
def family(memory: CustomerMemory) -> CustomerMemory:
    """Anna and Bert, who share a phone; each has an e-mail address that the shop has verified."""
    anna = person("anna", emails=["anna@x.org"], phones=["+1", "+10"], card_numbers=["77"])
    bert = person("bert", emails=["bert@x.org"], phones=["+1"])
    remember(memory, [anna, bert])
    return memory


def view(message: str, cookie: str, minute: int = 0, **more: Any) -> Interaction:
    return Interaction(message, later(minute), "web", "in", "view", anonymous_id=cookie, **more)


def _messages(memory: CustomerMemory, record: str) -> list[str]:
    return [i.message_id for i in memory.contacts.interactions_of(customers(memory)[key(record)])]


def test_a_verified_identifier_a_record_or_an_id_names_one_customer(family: CustomerMemory) -> None:
    anna, recognise = customers(family)[key("anna")], family.contacts.recognise
    for given in (email("anna@x.org"), Identifier("card_number", "77"), Identifier("record:shop", "anna")):
        found = recognise([given])
        assert (found.standing, found.customer_id, found.basis) == ("known", anna, (given.kind,))
    assert recognise([Identifier("customer", anna)]).customer_id == anna
    assert recognise([email("anna@x.org"), phone("+1")]).candidates == tuple(sorted(customers(family).values()))
    assert recognise([email("nobody@x.org")]).standing == recognise([]).standing == "unknown"


def test_a_shared_phone_alone_names_nobody(family: CustomerMemory) -> None:
    anna, recognise = customers(family)[key("anna")], family.contacts.recognise
    assert (recognise([phone("+1")]).standing, recognise([phone("+1")]).customer_id) == ("shared", None)
    assert (recognise([phone("+10")]).standing, recognise([phone("+10")]).customer_id) == ("probable", anna)
    both = recognise([phone("+1"), phone("+10")])
    assert (both.standing, both.customer_id, both.basis) == ("probable", anna, ("phone",))


def test_identifiers_of_two_customers_are_a_conflict(family: CustomerMemory) -> None:
    found = family.contacts.recognise([email("anna@x.org"), email("bert@x.org")])
    assert (found.standing, found.customer_id, len(found.candidates)) == ("conflict", None, 2)


def test_what_is_verified_for_another_is_not_stolen_but_reviewed(family: CustomerMemory) -> None:
    found = family.contacts.claim(email("anna@x.org"), key("bert"), "web", later(1))
    assert found.standing == "conflict"
    pair = family.reviews.next_review()
    assert pair is not None
    assert (pair.basis, {pair.left_key, pair.right_key}) == ("conflict", {key("anna"), key("bert")})
    assert "anna@x.org" in str(pair.evidence)
    family.reviews.decide_review(pair.left_key, pair.right_key, "different", "eve", later(2))
    found = family.contacts.recognise([email("anna@x.org")])
    assert (found.standing, found.customer_id) == ("known", customers(family)[key("anna")])
    family.reviews.undo_last_decision("eve", later(3))
    assert family.contacts.recognise([email("anna@x.org")]).standing == "conflict"
    assert family.reviews.review_counts().conflicts == 1
    family.reviews.decide_review(pair.left_key, pair.right_key, "same", "eve", later(4))
    assert family.contacts.recognise([email("anna@x.org")]).standing == "known"
    assert customers(family)[key("anna")] == customers(family)[key("bert")]


def test_a_conflict_that_was_decided_is_not_asked_again(family: CustomerMemory) -> None:
    family.contacts.claim(email("anna@x.org"), key("bert"), "web", later(1))
    family.reviews.decide_review(key("anna"), key("bert"), "different", "eve", later(2))
    family.contacts.claim(email("anna@x.org"), key("bert"), "web", later(3))
    assert family.reviews.next_review() is None
    assert family.contacts.recognise([email("anna@x.org")]).standing == "known"


def test_conflicts_of_imports_are_queued(memory: CustomerMemory) -> None:
    remember(memory, [person("a", emails=["x@x.org"]), person("b", emails=["x@x.org"]), person("c")])
    assert memory.reviews.queue_conflicts(later(1)) == 1
    assert memory.reviews.queue_conflicts(later(2)) == 0
    assert memory.reviews.review_counts().conflicts == 1


def test_an_unverified_claim_of_a_verified_identifier_takes_nothing(family: CustomerMemory) -> None:
    found = family.contacts.claim(email("anna@x.org", verified=False), key("bert"), "form", later(1))
    assert (found.standing, found.customer_id) == ("known", customers(family)[key("anna")])
    assert family.reviews.next_review() is None
    family.contacts.claim(email("anna@x.org", verified=False), key("anna"), "form", later(2))
    assert (email("anna@x.org"), key("anna")) in family.contacts.identifiers_of(customers(family)[key("anna")])


def test_a_claim_of_a_node_that_is_not_known_is_refused(family: CustomerMemory) -> None:
    with pytest.raises(UnknownCustomer, match="no record has the key 7"):
        family.contacts.claim(email("z@x.org"), 7, "web", START)


def test_a_stranger_joins_with_all_that_was_said_on_a_verified_identifier_only(family: CustomerMemory) -> None:
    family.contacts.record_interactions([view("m1", "cookie"), view("m2", "cookie", 1, body={"page": "ä"})])
    unsure = family.contacts.identify("cookie", [email("anna@x.org", verified=False)], later(2))
    assert (unsure.joined, unsure.standing) == (False, "known")
    assert unsure.customer_id not in {customers(family)[key("anna")]}
    assert _messages(family, "anna") == []
    sure = family.contacts.identify("cookie", [email("anna@x.org")], later(3))
    assert (sure.joined, sure.standing, sure.customer_id) == (True, "known", customers(family)[key("anna")])
    assert _messages(family, "anna") == ["m2", "m1"]
    assert family.contacts.interactions_of(sure.customer_id)[0].body == {"page": "ä"}
    again = family.contacts.identify("cookie", [email("anna@x.org")], later(4))
    assert (again.joined, again.node_key) == (False, sure.node_key)
    assert len(family.ledger.merges()) == 1


def test_two_devices_of_one_customer_are_one_customer(family: CustomerMemory) -> None:
    for n, cookie in enumerate(("phone", "laptop")):
        family.contacts.record_interactions([view(f"m{n}", cookie, n)])
        family.contacts.identify(cookie, [email("anna@x.org")], later(5))
    assert _messages(family, "anna") == ["m1", "m0"]


def test_a_shared_device_counts_for_the_last_who_logged_in(family: CustomerMemory) -> None:
    def says(message: str, minute: int) -> None:
        family.contacts.record_interactions([view(message, "tablet", minute)])

    says("before", 0)
    family.contacts.identify("tablet", [email("anna@x.org")], later(1))
    says("anna 1", 2)
    bert = family.contacts.identify("tablet", [email("bert@x.org")], later(3))
    assert (bert.joined, bert.customer_id) == (True, customers(family)[key("bert")])
    says("bert 1", 4)
    back = family.contacts.identify("tablet", [email("anna@x.org")], later(5))
    assert not back.joined
    says("anna 2", 6)
    assert customers(family)[key("anna")] != customers(family)[key("bert")]
    assert _messages(family, "anna") == ["anna 2", "anna 1", "before"]
    assert _messages(family, "bert") == ["bert 1"]
    tablet = family.contacts.recognise([Identifier("anonymous", "tablet")])
    assert (tablet.standing, tablet.customer_id) == ("probable", customers(family)[key("anna")])


def test_who_registers_with_what_nobody_has_is_a_customer_of_their_own(family: CustomerMemory) -> None:
    new = family.contacts.identify("cookie", [email("carl@x.org")], later(1))
    assert not new.joined
    assert family.contacts.recognise([email("carl@x.org")]).customer_id == new.customer_id
    other = family.contacts.identify("cookie 2", [email("carl@x.org")], later(2))
    assert (other.joined, other.customer_id) == (True, new.customer_id)
    stranger = family.contacts.identify("cookie", [email("dora@x.org")], later(3))
    assert stranger.customer_id != new.customer_id
    assert stranger.node_key != new.node_key


def test_a_login_that_names_two_customers_joins_nobody(family: CustomerMemory) -> None:
    found = family.contacts.identify("cookie", [email("anna@x.org"), email("bert@x.org")], later(1))
    assert (found.standing, found.joined, found.conflicts) == ("conflict", False, 1)
    assert family.ledger.merges() == []


def test_a_message_is_remembered_once(family: CustomerMemory) -> None:
    first = family.contacts.record_interactions([view("m1", "cookie"), view("m1", "cookie"), view("m2", "cookie")])
    assert (first.new, first.repeated, first.suppressed) == (2, 1, 0)
    again = family.contacts.record_interactions([view("m1", "other", 9), view("m3", "cookie")])
    assert (again.new, again.repeated) == (1, 1)
    many = [Interaction(f"n{n}", later(n), "shop", "in", "visit", node_key=key("anna")) for n in range(3_000)]
    assert family.contacts.record_interactions(many).new == 3_000
    assert family.contacts.record_interactions(many).new == 0
    anna = customers(family)[key("anna")]
    assert [i.message_id for i in family.contacts.interactions_of(anna, limit=2)] == ["n2999", "n2998"]
    assert len(family.contacts.interactions_of(anna, since=later(2_990))) == 10


def test_an_interaction_belongs_to_somebody_who_is_known(family: CustomerMemory) -> None:
    anna = customers(family)[key("anna")]
    row = Interaction("m1", START, "call", "out", "offer", customer_id=anna)
    assert family.contacts.record_interactions([row]).new == 1
    assert family.contacts.interactions_of(anna)[0].node_key == key("anna")
    with pytest.raises(UnknownCustomer):
        family.contacts.record_interactions([Interaction("m2", START, "call", "out", "offer", customer_id="C1")])
    with pytest.raises(UnknownCustomer):
        family.contacts.record_interactions([Interaction("m3", START, "call", "out", "offer", node_key=5)])
    with pytest.raises(ValueError, match="'m4' has no anonymous_id"):
        family.contacts.record_interactions([Interaction("m4", START, "call", "out", "offer")])


def test_visits_of_long_ago_that_become_known_later_leave_the_customer_the_id(family: CustomerMemory) -> None:
    anna = customers(family)[key("anna")]
    long_ago, now = START.replace(year=START.year - 2), later(60)
    visit = Interaction("m1", long_ago, "web", "in", "view", anonymous_id="cookie")
    family.contacts.record_interactions([visit], now)
    joined = family.contacts.identify("cookie", [email("anna@x.org")], long_ago, now)
    assert (joined.joined, joined.customer_id) == (True, anna)
    assert customers(family)[key("anna")] == anna
    assert _messages(family, "anna") == ["m1"]
