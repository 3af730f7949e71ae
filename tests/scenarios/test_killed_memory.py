"""The memory of customers survives kill -9 in the middle of anything, and several who write at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy.engine import URL

from memories import clusters, key, later, link, links, partition, person, remember
from rapport.stores.identity import CustomerMemory
from rapport.workflows.identity_ports import Interaction

PEOPLE = 6_000
TESTS = Path(__file__).resolve().parent.parent

WORK = """
import sys
sys.path.insert(0, {tests!r})
sys.path.insert(0, {here!r})
import test_killed_memory as t
from sqlalchemy.engine import make_url
from rapport.stores.identity import CustomerMemory
with CustomerMemory(make_url({address!r})) as memory:
    memory.records.customer_of
    print("begins", flush=True)
    t.WORKS[{work!r}](memory)
print("done", flush=True)
"""


def load(memory: CustomerMemory) -> None:
    """Load the people."""
    people = [person(f"p{n}", emails=[f"p{n}@x.org"], phones=[f"+{n // 2}"]) for n in range(PEOPLE)]
    remember(memory, people, later(0), whole=True)


def resolve(memory: CustomerMemory) -> None:
    """Join each even record with the next."""
    pairs = [(key(f"p{n}"), key(f"p{n + 1}")) for n in range(0, PEOPLE, 2)]
    memory.ledger.apply_clusters(clusters(*pairs), links(*(link(a, b) for a, b in pairs)), "resolve", later(1))


def merge_many(memory: CustomerMemory) -> None:
    """Join each odd record with the next, as people say."""
    pairs = [(key(f"p{n}"), key(f"p{n + 1}")) for n in range(1, PEOPLE - 1, 2)]
    memory.ledger.merge_many(links(*(link(a, b) for a, b in pairs)), "anna", "list", later(2))


def undo(memory: CustomerMemory) -> None:
    """Undo one merge after another."""
    for edge in memory.ledger.merges(include_undone=False):
        memory.ledger.undo(edge.merge_id, "anna", "wrong", later(3))


def record(memory: CustomerMemory, who: str = "one") -> None:
    """Record interactions of a stranger and of known people, some messages twice."""
    for n in range(60):
        rows = [
            Interaction(f"{who}-{n}", later(n), "web", "in", "view", anonymous_id="shared cookie"),
            Interaction(f"both-{n}", later(n), "web", "in", "view", node_key=key(f"p{n}")),
        ]
        memory.contacts.record_interactions(rows)
        memory.ledger.merge(key(f"p{2 * n}"), key(f"p{2 * n + 1}"), who, "", None, later(n))


WORKS = {
    "load": load,
    "resolve": resolve,
    "merge_many": merge_many,
    "undo": undo,
    "one": lambda memory: record(memory, "one"),
    "two": lambda memory: record(memory, "two"),
}


def started(address: URL, work: str) -> subprocess.Popen[str]:
    """Start a process that does a work, and wait until it begins."""
    shown = address.render_as_string(hide_password=False)
    code = WORK.format(tests=str(TESTS), here=str(TESTS / "scenarios"), address=shown, work=work)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begins\n", process.communicate()[1]
    return process


def killed(address: URL, work: str, seconds: float) -> bool:
    """Start a work, kill it after some time, and return whether it was still at it."""
    process = started(address, work)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    return process.returncode == -9


def counts(memory: CustomerMemory) -> tuple[int, int, int]:
    """Return nodes, customers, and edges that stand."""
    return len(memory.records.nodes()), len(partition(memory)), len(memory.ledger.merges(include_undone=False))


def test_a_killed_load_resolve_or_merge_leaves_all_or_nothing(address: URL) -> None:
    stages = [
        ("load", {(0, 0, 0), (PEOPLE, PEOPLE, 0)}, (PEOPLE, PEOPLE, 0)),
        ("resolve", {(PEOPLE, PEOPLE, 0), (PEOPLE, PEOPLE // 2, PEOPLE // 2)}, (PEOPLE, PEOPLE // 2, PEOPLE // 2)),
        ("merge_many", {(PEOPLE, PEOPLE // 2, PEOPLE // 2), (PEOPLE, 1, PEOPLE - 1)}, (PEOPLE, 1, PEOPLE - 1)),
    ]
    for work, allowed, end in stages:
        for seconds in (0.15, 0.4):
            killed(address, work, seconds)
            with CustomerMemory(address) as memory:
                assert counts(memory) in allowed
        with CustomerMemory(address) as memory:
            WORKS[work](memory)
            assert counts(memory) == end
            WORKS[work](memory)
            assert counts(memory) == end


def test_a_killed_undo_leaves_every_merge_whole_or_undone(memory: CustomerMemory, address: URL) -> None:
    remember(memory, [person(f"p{n}") for n in range(400)])
    pairs = [(key(f"p{n}"), key(f"p{n + 1}")) for n in range(0, 400, 2)]
    memory.ledger.apply_clusters(clusters(*pairs), links(*(link(a, b) for a, b in pairs)), "resolve", later(1))
    assert killed(address, "undo", 0.3)
    _, customers, standing = counts(memory)
    assert customers == 400 - standing
    assert len(memory.reviews.verdicts()) == 200 - standing
    undo(memory)
    assert counts(memory) == (400, 400, 0)
    assert len(memory.ledger.merges()) == 200


def test_two_processes_that_record_at_once_lose_nothing(memory: CustomerMemory, address: URL) -> None:
    remember(memory, [person(f"p{n}") for n in range(200)])
    both = [started(address, work) for work in ("one", "two")]
    for process in both:
        out, talk = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "done\n"), talk
    stranger = next(n for n in memory.records.nodes().to_pylist() if n["kind"] == "anonymous")
    assert len(memory.contacts.interactions_of(stranger["own_id"])) == 120
    nodes = memory.records.nodes()
    assert len(nodes) == 201
    seen = [
        i.message_id
        for customer in sorted(set(nodes["customer_id"].to_pylist()))
        for i in memory.contacts.interactions_of(customer)
    ]
    assert len(seen) == len(set(seen)) == 180
    assert len(memory.ledger.merges()) == 120
    assert len(partition(memory)) == 201 - 60
