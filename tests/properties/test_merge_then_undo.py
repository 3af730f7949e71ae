"""Merging then undoing is the identity, whatever comes before, between and after."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from memories import key, later, person, remember
from rapport.core.people import record_key
from rapport.stores.database import sqlite_address
from rapport.stores.identity import CustomerMemory
from rapport.workflows.identity_ports import Consent, Interaction, Task, Trait

RUNS = count()
SIZE = 6
STRICT = {"granted": 0, "denied": 1, "withdrawn": 2}

node = st.integers(0, SIZE - 1)
step = st.one_of(
    st.tuples(st.just("merge"), node, node),
    st.tuples(st.just("merge"), node, node),
    st.tuples(st.just("undo"), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("trait"), node, st.integers(0, 2)),
    st.tuples(st.just("consent"), node, st.integers(0, 2)),
    st.tuples(st.just("interaction"), node, st.just(0)),
    st.tuples(st.just("task"), node, st.just(0)),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CustomerMemory]:
    if request.param == "sqlite":
        address = sqlite_address(tmp_path_factory.mktemp("memory") / "memory.db")
    else:
        address = make_url(request.getfixturevalue("postgres").new_database())
    with CustomerMemory(address) as memory:
        yield memory


class Model:
    """What ought to be: edges as pairs, rows by node; a customer is what a walk over active edges reaches."""

    def __init__(self) -> None:
        self.edges: dict[int, tuple[int, int]] = {}
        self.rows: dict[str, list[tuple[int, str]]] = {k: [] for k in ("trait", "interaction", "task")}
        self.consents: list[tuple[int, str]] = []

    def reached(self, start: int) -> set[int]:
        found, edge_of = {start}, list(self.edges.values())
        for _ in range(SIZE):
            for left, right in edge_of:
                if left in found or right in found:
                    found |= {left, right}
        return found

    def of(self, kind: str, customer: set[int]) -> list[str]:
        return sorted(value for n, value in self.rows[kind] if n in customer)

    def consent(self, customer: set[int]) -> str | None:
        last = {n: status for n, status in self.consents if n in customer}
        return max(last.values(), key=STRICT.__getitem__) if last else None


class Play:
    """One run of steps against the memory and the model, on records of its own."""

    def __init__(self, memory: CustomerMemory) -> None:
        self.memory, self.model = memory, Model()
        self.run = f"run{next(RUNS)}"
        self.keys = [record_key(self.run, str(n)) for n in range(SIZE)]
        for n in range(SIZE):
            remember(memory, [person(str(n), self.run)], later(n))
        assert self.keys[0] == key("0", self.run)
        nodes = memory.records.nodes().to_pylist()
        own = {row["record_key"]: row["own_id"] for row in nodes}
        self.own = [own[k] for k in self.keys]

    def take(self, number: int, what: str, a: int, b: int) -> None:
        at, name, memory, model = later(100 + number), f"{self.run}-{number}", self.memory, self.model
        if what == "merge" and a != b:
            edge = memory.ledger.merge(self.keys[a], self.keys[b], "anna", "test", None, at)
            model.edges[edge.merge_id] = (a, b)
        elif what == "undo" and model.edges:
            merge_id = sorted(model.edges)[a % len(model.edges)]
            memory.ledger.undo(merge_id, "anna", "test", at)
            del model.edges[merge_id]
        elif what == "trait":
            memory.profiles.remember_traits([Trait(self.keys[a], name, f"v{b}", "crm", at)])
            model.rows["trait"].append((a, f"{name}=v{b}"))
        elif what == "consent":
            status = list(STRICT)[b]
            memory.profiles.remember_consents([Consent(self.keys[a], "news", "email", status, at, "web")])  # type: ignore[arg-type]
            model.consents.append((a, status))
        elif what == "interaction":
            memory.contacts.record_interactions([Interaction(name, at, "web", "in", "view", node_key=self.keys[a])])
            model.rows["interaction"].append((a, name))
        elif what == "task":
            memory.work.add_task(Task(self.keys[a], "call", "eve", name, at, date(2030, 1, 1)))
            model.rows["task"].append((a, name))

    def holds(self) -> None:
        for n in range(SIZE):
            customer = self.model.reached(n)
            expected = self.own[min(customer)]
            assert self.memory.records.customer_of(self.own[n]) == expected
            if n != min(customer):
                continue
            told = self.told(expected)
            assert told == {
                "nodes": sorted(self.keys[c] for c in customer),
                "trait": self.model.of("trait", customer),
                "interaction": self.model.of("interaction", customer),
                "task": self.model.of("task", customer),
                "consent": self.model.consent(customer),
            }

    def told(self, customer: str) -> dict[str, object]:
        memory = self.memory
        return {
            "nodes": sorted(memory.records.node_keys(customer)),
            "trait": sorted(f"{t.field}={t.value}" for t in memory.profiles.traits_of(customer)),
            "interaction": sorted(i.message_id for i in memory.contacts.interactions_of(customer)),
            "task": sorted(t.text for t in memory.work.tasks(customer)),
            "consent": memory.profiles.consents_of(customer).get(("news", "email")),
        }


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(step, min_size=4, max_size=16))
def test_every_state_is_that_of_the_active_edges(shared: CustomerMemory, steps: list[tuple[str, int, int]]) -> None:
    play = Play(shared)
    for number, (what, a, b) in enumerate(steps):
        play.take(number, what, a, b)
    play.holds()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    before=st.lists(step, max_size=8),
    pairs=st.lists(st.tuples(node, node).filter(lambda p: p[0] != p[1]), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_merges_undone_in_any_order_leave_what_was_there(
    shared: CustomerMemory, before: list[tuple[str, int, int]], pairs: list[tuple[int, int]], order: object
) -> None:
    play = Play(shared)
    for number, (what, a, b) in enumerate(before):
        play.take(number, what, a, b)
    was = {own: (shared.records.customer_of(own), play.told(own)) for own in play.own}
    made = [shared.ledger.merge(play.keys[a], play.keys[b], "a", "", None, later(500)).merge_id for a, b in pairs]
    order.shuffle(made)  # type: ignore[attr-defined]
    for merge_id in made:
        shared.ledger.undo(merge_id, "a", "", later(501))
    assert {own: (shared.records.customer_of(own), play.told(own)) for own in play.own} == was
