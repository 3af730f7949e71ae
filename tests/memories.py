"""Memories of customers in both stores, and records to fill them with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from rapport.core.people import CLUSTERS, LINKS, STANDARD, record_key
from rapport.stores.identity import CustomerMemory
from rapport.workflows.identity_ports import DIGESTS, Seen

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


def later(minutes: int) -> datetime:
    """Return an instant some minutes after the start."""
    return START + timedelta(minutes=minutes)


def person(record_id: str, system: str = "shop", **columns: Any) -> dict[str, Any]:
    """Return a standard record."""
    key = record_key(system, record_id)
    return {"record_key": key, "system": system, "record_id": record_id, "kind": "person"} | columns


def standard(people: Iterable[dict[str, Any]]) -> pa.Table:
    """Return standard records as the table between the rooms."""
    return pa.Table.from_pylist(list(people), schema=STANDARD)


def digests(people: Iterable[dict[str, Any]]) -> pa.Table:
    """Return the digest of each record."""
    rows = [
        {"record_key": p["record_key"], "digest": hashlib.sha256(repr(sorted(p.items())).encode()).hexdigest()}
        for p in people
    ]
    return pa.Table.from_pylist(rows, schema=DIGESTS)


def remember(memory: CustomerMemory, people: list[dict[str, Any]], at: datetime = START, whole: bool = False) -> Seen:
    """Remember records of which the shop has verified e-mail addresses and cards."""
    verified = {"shop": ("email", "card_number")}
    return memory.records.remember_records(standard(people), digests(people), verified, at, whole)


def key(record_id: str, system: str = "shop") -> int:
    """Return the key of a record of the shop."""
    return record_key(system, record_id)


def link(left: int, right: int, weight: float = 10.0, basis: str = "probable", **more: Any) -> dict[str, Any]:
    """Return a link between two records."""
    pair = {"left_key": min(left, right), "right_key": max(left, right)}
    return pair | {"probability": 0.9, "weight": weight, "basis": basis, "evidence": None} | more


def links(*rows: dict[str, Any]) -> pa.Table:
    """Return links as the table between the rooms."""
    return pa.Table.from_pylist(list(rows), schema=LINKS)


def clusters(*groups: Iterable[int]) -> pa.Table:
    """Return clusters as the table between the rooms."""
    rows = [{"record_key": k, "cluster": min(group)} for group in map(list, groups) for k in group]
    return pa.Table.from_pylist(rows, schema=CLUSTERS)


def partition(memory: CustomerMemory) -> set[frozenset[int]]:
    """Return the customers as sets of nodes."""
    nodes = memory.records.nodes()
    found: dict[str, set[int]] = {}
    for k, customer in zip(nodes["record_key"].to_pylist(), nodes["customer_id"].to_pylist(), strict=True):
        found.setdefault(customer, set()).add(k)
    return {frozenset(group) for group in found.values()}


def customers(memory: CustomerMemory) -> dict[int, str]:
    """Return the customer of each node."""
    nodes = memory.records.nodes()
    return dict(zip(nodes["record_key"].to_pylist(), nodes["customer_id"].to_pylist(), strict=True))
