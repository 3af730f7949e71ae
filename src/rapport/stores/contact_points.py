"""Contact points: what is claimed, how a stranger becomes a customer, what was said in and out.

Why it exists: a conversation goes on from where it was, whichever way the customer comes. A stranger joins a customer
on a verified identifier alone, and an identifier changes hands by nobody's silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, literal, or_, select, update

from rapport.core.people import record_key
from rapport.stores import nodes as n
from rapport.stores.bulk import write_rows
from rapport.stores.database import Database
from rapport.stores.devices import device_nodes
from rapport.stores.edges import Reason, join
from rapport.stores.interactions import interactions_of, record_interactions
from rapport.stores.recognition import Holders, holders_of, is_plain, recognised
from rapport.stores.reviews import queue_conflict
from rapport.stores.tables import UNVERIFIED, VERIFIED, device, edge, identifier, micros, node
from rapport.workflows.identity_ports import Identifier, Interaction, Joined, Recognised, Recorded

LOGIN = "login"
_IDENTIFIER = ("token", "record_key", "kind", "value", "standing", "source", "at")


class _When(NamedTuple):
    """When something happened, and when the memory came to know of it."""

    at: datetime
    seen: datetime


class ContactStore:
    """Identifiers and interactions, as `rapport.workflows.identity_ports.Contacts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recognise(self, identifiers: Iterable[Identifier]) -> Recognised:
        """Return who is meant by identifiers in standard form."""
        given = list(identifiers)
        # One question sees one state of the store by itself; a transaction around it would only take time.
        alone = all(is_plain(one) for one in given)
        with self._database.outside() if alone else self._database.reading() as c:
            return recognised(holders_of(c, given))

    def claim(self, identifier: Identifier, node_key: int, source: str, at: datetime) -> Recognised:
        """Remember that a node claims an identifier, and return who is meant by it now."""
        with self._database.writing(ledger=True) as c:
            customer = n.require_nodes(c, [node_key])[node_key]
            before = holders_of(c, [identifier])
            _claim(c, identifier, node_key, source, at)
            if identifier.verified:
                others = [key for who, key in before.node_of.items() if who != customer]
                queue_conflict(c, node_key, others, (identifier.kind, identifier.value), at)
            return recognised(holders_of(c, [identifier]))

    def identify(
        self, anonymous_id: str, identifiers: Iterable[Identifier], at: datetime, seen_at: datetime | None = None
    ) -> Joined:
        """Join an anonymous id, with its interactions, to the customer of its verified identifiers."""
        when = _When(at, at if seen_at is None else seen_at)
        given = list(identifiers)
        sure = [one for one in given if one.verified]
        with self._database.writing(ledger=True) as c:
            key = device_nodes(c, {anonymous_id: micros(when.seen)})[anonymous_id]
            found = holders_of(c, sure)
            customers = found.sure_customers
            if len(customers) > 1:
                conflicts = _queue_conflicts(c, found, at)
                return Joined(anonymous_id, key, n.customers_of(c, [key])[key], "conflict", False, conflicts)
            joined = False
            if customers:
                key, joined = _join_customer(c, anonymous_id, key, found, when)
            elif sure and _owned(c, key):
                key = _next_owner(c, anonymous_id, when.seen)
            for one in given:
                _claim(c, one, key, anonymous_id, at)
            customer = n.customers_of(c, [key])[key]
            standing = "known" if customers else recognised(holders_of(c, given)).standing
            return Joined(anonymous_id, key, customer, "known" if sure else standing, joined, 0)

    def record_interactions(self, rows: Iterable[Interaction], seen_at: datetime | None = None) -> Recorded:
        """Remember interactions, each message once."""
        with self._database.writing() as c:
            return record_interactions(c, list(rows), seen_at)

    def interactions_of(
        self, customer_id: str, since: datetime | None = None, limit: int | None = None
    ) -> list[Interaction]:
        """Return the interactions of all nodes of a customer, newest first."""
        with self._database.reading() as c:
            return interactions_of(c, customer_id, since, limit)

    def identifiers_of(self, customer_id: str) -> list[tuple[Identifier, int]]:
        """Return the identifiers of a customer with the node that holds each."""
        i = identifier.c
        query = select(i.kind, i.value, i.standing, i.record_key).join(node, node.c.record_key == i.record_key)
        with self._database.reading() as c:
            present = n.present_id(c, customer_id)
            rows = c.execute(query.where(node.c.customer_id == present).order_by(i.kind, i.value, i.record_key))
            return [(Identifier(kind, value, standing == VERIFIED), key) for kind, value, standing, key in rows]


def _claim(connection: Connection, one: Identifier, key: int, source: str, at: datetime) -> None:
    """Remember a claim; a verified one makes an unverified one of the same node verified, never the other way."""
    standing = VERIFIED if one.verified else UNVERIFIED
    row = (record_key(one.kind, one.value), key, one.kind, one.value, standing, source, micros(at))
    guard = f"excluded.standing = {VERIFIED} AND identifier.standing = {UNVERIFIED}"
    write_rows(connection, identifier, _IDENTIFIER, [row], update=("standing", "source", "at"), guard=guard)


def _queue_conflicts(connection: Connection, found: Holders, at: datetime) -> int:
    """Put the customers for whom different identifiers of one login are verified in the queue, pair by pair."""
    customers = sorted(found.sure_customers, key=lambda customer: found.node_of[customer])
    what = sorted(found.sure)[0]
    holders = [found.node_of[customer] for customer in customers]
    return queue_conflict(connection, holders[0], holders[1:], what, at)


def _join_customer(
    connection: Connection, anonymous_id: str, key: int, found: Holders, when: _When
) -> tuple[int, bool]:
    """Let a device collect for a customer who has logged in; return its node for them, and whether an edge is new.

    A device that somebody else had before keeps their node, with what was said until now; the customer gets another.
    """
    customer = next(iter(found.sure_customers))
    if n.customers_of(connection, [key])[key] == customer:
        return key, False
    if _owned(connection, key):
        back = _node_of_owner(connection, anonymous_id, customer)
        if back is not None:
            _collect_at(connection, anonymous_id, back)
            return back, False
        key = _next_owner(connection, anonymous_id, when.seen)
    kinds = ", ".join(sorted({kind for kind, _ in found.sure}))
    join(connection, key, found.node_of[customer], Reason(LOGIN, anonymous_id, f"verified {kinds}", when.at))
    return key, True


def _owned(connection: Connection, key: int) -> bool:
    """Return whether a node of a device is somebody's: joined to another node, or with a verified identifier."""
    touches = or_(edge.c.left_key == key, edge.c.right_key == key)
    joined = select(literal(1)).where(edge.c.undone_at.is_(None), touches)
    verified = select(literal(1)).where(identifier.c.record_key == key, identifier.c.standing == VERIFIED)
    return any(connection.execute(query.limit(1)).first() is not None for query in (joined, verified))


def _node_of_owner(connection: Connection, anonymous_id: str, customer: str) -> int | None:
    owners = connection.scalar(select(device.c.owners).where(device.c.anonymous_id == anonymous_id)) or 1
    keys = [n.anonymous_key(anonymous_id, owner) for owner in range(1, owners + 1)]
    of = n.customers_of(connection, keys)
    return next((key for key in reversed(keys) if of.get(key) == customer), None)


def _next_owner(connection: Connection, anonymous_id: str, at: datetime) -> int:
    """Make a node for a further owner of a device, and let it collect there."""
    query = select(func.coalesce(device.c.owners, 1)).where(device.c.anonymous_id == anonymous_id)
    owner = int(connection.scalar(query) or 1) + 1
    key = n.anonymous_key(anonymous_id, owner)
    name = n.anonymous_name(anonymous_id, owner)
    n.add_nodes(connection, [(key, n.ANONYMOUS, name, "anonymous", micros(at), None)])
    connection.execute(update(device).where(device.c.anonymous_id == anonymous_id).values(owners=owner))
    _collect_at(connection, anonymous_id, key)
    return key


def _collect_at(connection: Connection, anonymous_id: str, key: int) -> None:
    values: dict[str, Any] = {"record_key": key}
    connection.execute(update(device).where(device.c.anonymous_id == anonymous_id).values(values))
