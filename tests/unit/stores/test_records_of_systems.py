"""Records are remembered by run: new, changed, gone; ids stay."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from memories import START, customers, digests, key, later, person, remember, standard
from rapport.core.errors import UnknownCustomer
from rapport.stores import nodes
from rapport.stores.identity import CustomerMemory
from rapport.workflows.identity_ports import HOUSEHOLDS, Identifier


def _who(memory: CustomerMemory, kind: str, value: str) -> str | None:
    return memory.contacts.recognise([Identifier(kind, value)]).customer_id


def test_the_same_run_again_changes_nothing(memory: CustomerMemory) -> None:
    people = [person("a", emails=["a@x.org"]), person("b"), person("a", "web")]
    first = remember(memory, people, later(0), whole=True)
    assert (first.new, first.changed, first.same, first.gone, first.suppressed) == (3, 0, 0, 0, 0)
    before = memory.records.nodes()
    again = remember(memory, people, later(5), whole=True)
    assert (again.new, again.changed, again.same, again.gone) == (0, 0, 3, 0)
    assert memory.records.nodes().equals(before)


def test_a_record_that_changed_gone_and_came_back_keeps_its_id(memory: CustomerMemory) -> None:
    remember(memory, [person("a", emails=["a@x.org"]), person("b")], later(0), whole=True)
    own = customers(memory)[key("a")]
    changed = remember(memory, [person("a", emails=["new@x.org"]), person("b")], later(1), whole=True)
    assert (changed.new, changed.changed, changed.same) == (0, 1, 1)
    assert _who(memory, "email", "a@x.org") is None
    assert _who(memory, "email", "new@x.org") == own
    gone = remember(memory, [person("b")], later(2), whole=True)
    assert (gone.gone, gone.same) == (1, 1)
    assert remember(memory, [person("b")], later(2), whole=True).gone == 0
    assert memory.records.digests("shop")["record_key"].to_pylist() == [key("b")]
    back = remember(memory, [person("a", emails=["new@x.org"]), person("b")], later(3), whole=True)
    assert (back.new, back.changed, back.gone) == (0, 1, 0)
    assert customers(memory)[key("a")] == own


def test_records_of_other_systems_are_not_gone(memory: CustomerMemory) -> None:
    remember(memory, [person("a"), person("b", "web")], whole=True)
    assert remember(memory, [person("a")], later(1), whole=True).gone == 0
    assert remember(memory, [person("c")], later(1), whole=False).gone == 0


def test_ids_are_of_one_form_and_none_is_given_twice(memory: CustomerMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter(["CAAAAAAAAAA"] * 3)
    own_id = nodes.own_id
    monkeypatch.setattr(nodes, "own_id", lambda k, attempt=0: own_id(k, attempt) if attempt else next(taken))
    remember(memory, [person("a"), person("b")])
    remember(memory, [person("c")])
    ids = memory.records.nodes()["own_id"].to_pylist()
    assert len(set(ids)) == 3
    assert "CAAAAAAAAAA" in ids
    assert all(re.fullmatch("C[A-Z2-7]{10}", one) for one in ids)


def test_the_crosswalk_leaves_out_strangers(memory: CustomerMemory) -> None:
    remember(memory, [person("b"), person("a"), person("z", "crm")])
    memory.contacts.identify("cookie", [], START)
    walk = memory.records.crosswalk()
    assert list(zip(walk["system"].to_pylist(), walk["record_id"].to_pylist(), strict=True)) == [
        ("crm", "z"),
        ("shop", "a"),
        ("shop", "b"),
    ]
    kinds = memory.records.nodes()["kind"].to_pylist()
    assert sorted(kinds) == ["anonymous", "person", "person", "person"]


def test_households_are_set_for_all(memory: CustomerMemory) -> None:
    remember(memory, [person("a"), person("b"), person("c")])

    def households(*rows: tuple[str, str]) -> pa.Table:
        listed = [{"record_key": key(r), "household_id": h} for r, h in rows]
        return pa.Table.from_pylist(listed, schema=HOUSEHOLDS)

    assert memory.records.set_households(households(("a", "H1"), ("b", "H1"))) == 2
    assert memory.records.set_households(households(("a", "H1"), ("c", "H2"))) == 2
    assert memory.records.crosswalk()["household_id"].to_pylist() == ["H1", None, "H2"]


def test_an_id_that_nobody_had_is_told(memory: CustomerMemory) -> None:
    with pytest.raises(UnknownCustomer, match="no customer has or had the id 'C0'"):
        memory.records.customer_of("C0")


def test_a_record_without_a_digest_is_refused(memory: CustomerMemory) -> None:
    people = [person("a"), person("b")]
    with pytest.raises(ValueError, match="has no digest"):
        memory.records.remember_records(standard(people), digests(people[:1]), {}, START)
    assert len(memory.records.nodes()) == 0
