"""Who is meant by identifiers: one question by the hash of each, answered from one index.

Why it exists: a caller at the till or on the phone is recognised in a millisecond or is a stranger. Nothing is
written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, select

from rapport.core.people import record_key
from rapport.stores.bulk import driver_cursor
from rapport.stores.tables import VERIFIED, device, node
from rapport.workflows.identity_ports import Identifier, Recognised, Standing

RECORD = "record:"

_HOLDERS = (
    "SELECT i.token, i.kind, i.value, i.standing, i.record_key, n.customer_id "
    "FROM identifier i JOIN node n ON n.record_key = i.record_key WHERE i.token IN ({marks})"
)
"""Asked of the driver itself: building the question anew would take longer than answering it."""

_BY_KEY = select(node.c.record_key, node.c.customer_id).where(
    node.c.record_key.in_(bindparam("keys", expanding=True))
)
_BY_ID = select(node.c.own_id, node.c.customer_id).where(node.c.own_id.in_(bindparam("ids", expanding=True)))
_BY_DEVICE = (
    select(device.c.anonymous_id, node.c.customer_id)
    .join(node, node.c.record_key == device.c.record_key)
    .where(device.c.anonymous_id.in_(bindparam("ids", expanding=True)))
)


@dataclass
class Holders:
    """Who holds what was given: verified, and otherwise; customers by (kind, value), and a node of each."""

    sure: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    unsure: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    node_of: dict[str, int] = field(default_factory=dict)

    def hold(self, what: tuple[str, str], customer: str, sure: bool) -> None:
        """Note that a customer holds something."""
        (self.sure if sure else self.unsure).setdefault(what, set()).add(customer)

    @property
    def sure_customers(self) -> set[str]:
        """Return the customers for whom anything is verified."""
        return set().union(*self.sure.values())


def is_plain(one: Identifier) -> bool:
    """Return whether a value is claimed by nodes, rather than the name of a record, a customer or a device."""
    return one.kind not in {"customer", "anonymous"} and not one.kind.startswith(RECORD)


def holders_of(connection: Connection, identifiers: Iterable[Identifier]) -> Holders:
    """Return who holds identifiers."""
    found = Holders()
    plain: dict[int, tuple[str, str]] = {}
    others: list[Identifier] = []
    for one in identifiers:
        if is_plain(one):
            plain[record_key(one.kind, one.value)] = (one.kind, one.value)
        else:
            others.append(one)
    if plain:
        for token, kind, value, standing, key, customer in _ask(connection, list(plain)):
            if plain[token] == (kind, value):
                found.hold((kind, value), customer, standing == VERIFIED)
                if standing == VERIFIED:
                    found.node_of.setdefault(customer, key)
    if others:
        _hold_others(connection, others, found)
    return found


def _ask(connection: Connection, tokens: list[int]) -> list[Any]:
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    with driver_cursor(connection) as cursor:
        cursor.execute(_HOLDERS.format(marks=", ".join([mark] * len(tokens))), tokens)
        found: list[Any] = cursor.fetchall()
    return found


def _hold_others(connection: Connection, others: Sequence[Identifier], found: Holders) -> None:
    records = {record_key(o.kind.removeprefix(RECORD), o.value): o for o in others if o.kind.startswith(RECORD)}
    if records:
        for key, customer in connection.execute(_BY_KEY, {"keys": list(records)}):
            found.hold((records[key].kind, records[key].value), customer, True)
            found.node_of.setdefault(customer, key)
    for kind, query in (("customer", _BY_ID), ("anonymous", _BY_DEVICE)):
        ids = [o.value for o in others if o.kind == kind]
        if ids:
            for value, customer in connection.execute(query, {"ids": ids}):
                found.hold((kind, value), customer, kind == "customer")


def recognised(found: Holders) -> Recognised:
    """Return who is meant, from who holds what."""
    everybody = tuple(sorted(set().union(*found.sure.values(), *found.unsure.values())))
    sure = found.sure_customers
    if len(sure) == 1:
        return _one("known", next(iter(sure)), found.sure, everybody)
    if sure:
        return Recognised("conflict", None, tuple(sorted({kind for kind, _ in found.sure})), everybody)
    if not everybody:
        return Recognised("unknown", None, (), ())
    common = set.intersection(*found.unsure.values())
    if len(common) == 1:
        return _one("probable", next(iter(common)), found.unsure, everybody)
    return Recognised("shared", None, tuple(sorted({kind for kind, _ in found.unsure})), everybody)


def _one(
    standing: Standing, customer: str, held: dict[tuple[str, str], set[str]], everybody: tuple[str, ...]
) -> Recognised:
    basis = sorted({kind for (kind, _), of in held.items() if customer in of})
    return Recognised(standing, customer, tuple(basis), everybody)
