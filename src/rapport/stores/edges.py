"""Switch edges of the ledger on and off, and keep the customers that they make.

Why it exists: merging, deciding, logging in and forgetting all do it, each within its own transaction. A customer is
a component of the active edges and has the id of its oldest node; nothing but that id is ever written at a node.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, insert, or_, select, update

from rapport.stores.nodes import customers_of
from rapport.stores.tables import edge, node
from rapport.workflows.identity_ports import MergeEdge


@dataclass(frozen=True)
class Reason:
    """Who did it, why, on what evidence, when, and by which decision of a person."""

    origin: str
    by: str
    why: str
    at: Any
    evidence: str | None = None
    decision_id: int | None = None


def edge_of(row: RowMapping) -> MergeEdge:
    """Return an edge as others know it."""
    return MergeEdge(
        merge_id=row["merge_id"],
        left_key=row["left_key"],
        right_key=row["right_key"],
        origin=row["origin"],
        by=row["made_by"],
        why=row["why"],
        evidence=row["evidence"],
        at=row["at"],
        undone_by=row["undone_by"],
        undone_why=row["undone_why"],
        undone_at=row["undone_at"],
    )


def edge_between(left_key: int, right_key: int) -> Any:
    """Return the condition that an edge is active and joins two nodes, in either order."""
    return and_(
        edge.c.undone_at.is_(None),
        or_(
            and_(edge.c.left_key == left_key, edge.c.right_key == right_key),
            and_(edge.c.left_key == right_key, edge.c.right_key == left_key),
        ),
    )


def join(connection: Connection, left_key: int, right_key: int, reason: Reason) -> int:
    """Add an edge between two nodes that are known, and return its number."""
    values = {
        "left_key": min(left_key, right_key),
        "right_key": max(left_key, right_key),
        "origin": reason.origin,
        "made_by": reason.by,
        "why": reason.why,
        "evidence": reason.evidence,
        "at": reason.at,
        "decision_id": reason.decision_id,
    }
    merge_id: int = connection.execute(insert(edge).values(values)).inserted_primary_key[0]  # type: ignore[index]
    sides = set(customers_of(connection, (left_key, right_key)).values())
    if len(sides) == 2:
        oldest = _oldest_of(connection, sides)
        younger = next(side for side in sides if side != oldest)
        connection.execute(update(node).where(node.c.customer_id == younger).values(customer_id=oldest))
    return merge_id


def _oldest_of(connection: Connection, customers: Iterable[str]) -> str:
    """Return the id of the oldest node of some customers; the own id of a customer's oldest node is its id."""
    query = select(node.c.own_id).where(node.c.own_id.in_(list(customers)))
    found: str | None = connection.scalar(query.order_by(node.c.first_seen, node.c.record_key).limit(1))
    assert found is not None, "a customer has its id from a node"
    return found


def switch_off(connection: Connection, merge_ids: Iterable[int], reason: Reason) -> None:
    """Undo active edges and find their two sides again."""
    touched: set[int] = set()
    for merge_id in merge_ids:
        row = connection.execute(select(edge.c.left_key, edge.c.right_key).where(edge.c.merge_id == merge_id)).one()
        touched |= set(row)
        connection.execute(
            update(edge)
            .where(edge.c.merge_id == merge_id)
            .values(
                undone_by=reason.by,
                undone_why=reason.why,
                undone_at=reason.at,
                undone_decision=reason.decision_id,
            )
        )
    for customer in sorted(set(customers_of(connection, touched).values())):
        find_again(connection, customer)


def find_again(connection: Connection, customer_id: str) -> None:
    """Find the components of what was one customer, and give each the id of its oldest node."""
    query = select(node.c.record_key, node.c.own_id).where(node.c.customer_id == customer_id)
    order = connection.execute(query.order_by(node.c.first_seen, node.c.record_key)).all()
    root = roots([key for key, _ in order], active_edges(connection, customer_id))
    own = dict(order)
    for key, _ in order:
        if own[root[key]] != customer_id:
            connection.execute(update(node).where(node.c.record_key == key).values(customer_id=own[root[key]]))


def active_edges(connection: Connection, customer_id: str) -> list[tuple[int, int, Any]]:
    """Return the active edges (left, right, at) between nodes of a customer."""
    query = (
        select(edge.c.left_key, edge.c.right_key, edge.c.at)
        .join(node, node.c.record_key == edge.c.left_key)
        .where(node.c.customer_id == customer_id, edge.c.undone_at.is_(None))
    )
    return [(left, right, at) for left, right, at in connection.execute(query)]


def roots(keys: list[int], edges: Iterable[tuple[int, int, Any]]) -> dict[int, int]:
    """Return for each key, oldest first, the oldest key of its component."""
    age = {key: at for at, key in enumerate(keys)}
    parent = {key: key for key in keys}

    def find(key: int) -> int:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for left, right, _ in edges:
        one, other = find(left), find(right)
        if age[one] > age[other]:
            one, other = other, one
        parent[other] = one
    return {key: find(key) for key in keys}
