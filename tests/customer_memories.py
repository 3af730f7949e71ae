"""A memory of customers held in lists, for tests of workflows that need traits, answers and nodes.

Why it exists: what a workflow asks of the memory is small and is shown here whole; stores have tests of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa

from rapport.core.errors import UnknownCustomer
from rapport.core.profiles import OBSERVATIONS
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import Answer, Task, Trait


@dataclass
class ListedMemory:
    """Nodes by customer, and what was remembered of them; its parts are itself."""

    nodes_of: dict[str, list[int]]
    held: dict[tuple[int, str, str], Trait] = field(default_factory=dict)
    said: list[Answer] = field(default_factory=list)
    given: list[Task] = field(default_factory=list)

    @classmethod
    def of(cls, nodes_of: dict[str, list[int]]) -> tuple[ListedMemory, IdentityMemory]:
        """Return a memory twice: as it is, and as workflows know it."""
        memory = cls(nodes_of)
        return memory, cast("IdentityMemory", memory)

    def __getattr__(self, name: str) -> Any:
        if name in ("records", "profiles", "work"):
            return self
        raise AttributeError(name)

    def node_keys(self, customer_id: str) -> list[int]:
        if customer_id not in self.nodes_of:
            raise UnknownCustomer(f"customer {customer_id!r} is not known")
        return self.nodes_of[customer_id]

    def remember_traits(self, traits: Iterable[Trait]) -> int:
        changed = 0
        for trait in traits:
            key = trait.node_key, trait.field, trait.source
            changed += self.held.get(key) != trait
            self.held[key] = trait
        return changed

    def traits_of(self, customer_id: str) -> list[Trait]:
        keys = self.node_keys(customer_id)
        return [t for t in self.held.values() if t.node_key in keys]

    def traits(self, fields: Sequence[str] | None = None) -> pa.Table:
        rows = [
            (customer, t.node_key, t.field, t.value, t.source, t.at, t.confidence)
            for customer, keys in self.nodes_of.items()
            for t in self.held.values()
            if t.node_key in keys and (fields is None or t.field in fields)
        ]
        return pa.Table.from_pylist([dict(zip(OBSERVATIONS.names, r, strict=True)) for r in rows], OBSERVATIONS)

    def forget_traits(self, traits: Iterable[Trait]) -> int:
        return sum(self.held.pop((t.node_key, t.field, t.source), None) is not None for t in traits)

    def remember_answers(self, answers: Iterable[Answer]) -> int:
        before = len(self.said)
        self.said += answers
        return len(self.said) - before

    def answers_of(self, customer_id: str) -> list[Answer]:
        keys = self.node_keys(customer_id)
        return sorted((a for a in self.said if a.node_key in keys), key=lambda a: a.at, reverse=True)

    def add_task(self, task: Task) -> Task:
        self.given.append(task)
        return task

    def tasks(
        self, customer_id: str | None = None, owner: str | None = None, status: str | None = None
    ) -> list[Task]:
        keys = None if customer_id is None else self.node_keys(customer_id)
        return [
            t
            for t in self.given
            if (keys is None or t.node_key in keys) and status in (None, t.status) and owner in (None, t.owner)
        ]
