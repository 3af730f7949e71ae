"""What is known of customers and allowed by them: traits, answers, consents, each at the node where it came.

Why it exists: a value without its source and time cannot be weighed against another, and a consent without them
cannot be proved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import pyarrow as pa
from sqlalchemy import BigInteger, Connection, delete, select, tuple_, type_coerce

from rapport.stores import nodes as n
from rapport.stores.bulk import in_pieces, write_rows
from rapport.stores.database import Database
from rapport.stores.edges import active_edges, roots
from rapport.stores.tables import answer, consent, micros, node, trait
from rapport.workflows.identity_ports import CONSENTS, Answer, Consent, ConsentStatus, Trait

_TRAIT = ("record_key", "field", "source", "value", "at", "confidence")
TRAITS = pa.schema(
    [
        ("customer_id", pa.string()),
        ("record_key", pa.int64()),
        ("field", pa.string()),
        ("value", pa.string()),
        ("source", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("confidence", pa.float64()),
    ]
)
"""Traits of all customers."""


class ProfileStore:
    """Traits, answers and consents, as `rapport.workflows.identity_ports.Profiles`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remember_traits(self, traits: Iterable[Trait]) -> int:
        """Remember traits, of a node, field and source the latest; return how many were new or changed."""
        rows = [(t.node_key, t.field, t.source, t.value, micros(t.at), t.confidence) for t in traits]
        rows.sort(key=lambda row: row[:3])
        with self._database.writing() as c:
            return write_rows(c, trait, _TRAIT, rows, update=("value", "at", "confidence"), newer="at")

    def traits_of(self, customer_id: str) -> list[Trait]:
        """Return the traits of all nodes of a customer, by field, then newest first."""
        t = trait.c
        query = select(t.record_key, t.field, t.value, t.source, t.at, t.confidence)
        query = query.join(node, node.c.record_key == t.record_key)
        with self._database.reading() as c:
            query = query.where(node.c.customer_id == n.present_id(c, customer_id))
            return [Trait(*row) for row in c.execute(query.order_by(t.field, t.at.desc(), t.source, t.record_key))]

    def traits(self, fields: Sequence[str] | None = None) -> pa.Table:
        """Return traits of all, of some fields, by customer, field and node."""
        t, who = trait.c, node.c.customer_id
        query = select(who, t.record_key, t.field, t.value, t.source, type_coerce(t.at, BigInteger), t.confidence)
        query = query.join(node, node.c.record_key == t.record_key)
        if fields is not None:
            query = query.where(t.field.in_(list(fields)))
        with self._database.reading() as c:
            found = c.execute(query.order_by(who, t.field, t.record_key, t.source)).all()
        columns = list(zip(*found, strict=True)) or [()] * len(TRAITS)
        return pa.table([pa.array(v).cast(f.type) for v, f in zip(columns, TRAITS, strict=True)], schema=TRAITS)

    def forget_traits(self, traits: Iterable[Trait]) -> int:
        """Delete traits by node, field and source; return how many."""
        t, count = trait.c, 0
        with self._database.writing() as c:
            for piece in in_pieces([(one.node_key, one.field, one.source) for one in traits], 200):
                here = tuple_(t.record_key, t.field, t.source).in_(piece)
                count += c.execute(delete(trait).where(here)).rowcount
        return count

    def remember_answers(self, answers: Iterable[Answer]) -> int:
        """Remember what became of questions; return how many were new."""
        rows = [(a.node_key, a.question, micros(a.at), a.status, a.channel, a.value) for a in answers]
        names = ("record_key", "question", "at", "status", "channel", "value")
        with self._database.writing() as c:
            return write_rows(c, answer, names, rows)

    def answers_of(self, customer_id: str) -> list[Answer]:
        """Return what became of questions in any channel, newest first."""
        t = answer.c
        query = select(t.record_key, t.question, t.status, t.channel, t.at, t.value)
        query = query.join(node, node.c.record_key == t.record_key)
        with self._database.reading() as c:
            query = query.where(node.c.customer_id == n.present_id(c, customer_id))
            return [Answer(*row) for row in c.execute(query.order_by(t.at.desc(), t.question, t.status))]

    def remember_consents(self, consents: Iterable[Consent]) -> int:
        """Remember consents; return how many were new."""
        rows = [(s.node_key, s.purpose, s.channel, micros(s.at), s.status, s.source, int(s.whole)) for s in consents]
        names = ("record_key", "purpose", "channel", "at", "status", "source", "whole")
        with self._database.writing() as c:
            return write_rows(c, consent, names, rows)

    def consents_of(self, customer_id: str) -> dict[tuple[str, str], ConsentStatus]:
        """Return what a customer allows by (purpose, channel): the stricter of its nodes."""
        with self._database.reading() as c:
            present = n.present_id(c, customer_id)
            found = {what: status for _, what, status in _effective(c, present)}
        return dict(sorted(found.items()))

    def consents(self) -> pa.Table:
        """Return what all customers allow."""
        with self._database.reading() as c:
            found = [(customer, *what, status) for customer, what, status in _effective(c, None)]
        columns = list(zip(*found, strict=True)) or [()] * len(CONSENTS)
        return pa.table([pa.array(v, f.type) for v, f in zip(columns, CONSENTS, strict=True)], schema=CONSENTS)


_Said = tuple[int, datetime, str, bool]


def _effective(
    connection: Connection, customer_id: str | None
) -> Iterator[tuple[str, tuple[str, str], ConsentStatus]]:
    """Yield what one customer allows, or each: customer, (purpose, channel), status."""
    t = consent.c
    query = select(node.c.customer_id, t.purpose, t.channel, t.record_key, t.at, t.status, t.whole)
    query = query.join(node, node.c.record_key == t.record_key)
    if customer_id is not None:
        query = query.where(node.c.customer_id == customer_id)
    rows = connection.execute(query.order_by(node.c.customer_id, t.purpose, t.channel, t.at)).all()
    for (customer, purpose, channel), of in groupby(rows, key=lambda row: tuple(row[:3])):
        said: list[_Said] = [(key, at, status, bool(whole)) for *_, key, at, status, whole in of]
        joined = _Joined(connection, customer)
        yield customer, (purpose, channel), _stricter(said, joined)


class _Joined:
    """Tells which nodes were one customer at a time; asked for only where somebody spoke for all of them."""

    def __init__(self, connection: Connection, customer: str) -> None:
        self._connection, self._customer = connection, customer

    def with_node(self, key: int, at: datetime) -> set[int]:
        """Return the nodes that the edges of today had joined to a node by a time."""
        keys = n.keys_of(self._connection, self._customer)
        edges = [e for e in active_edges(self._connection, self._customer) if e[2] <= at]
        root = roots(keys, edges)
        return {other for other in keys if root[other] == root[key]}


def _stricter(said: Sequence[_Said], joined: _Joined) -> ConsentStatus:
    """Return what holds of what was said, in the order of time: at each node the last, over the nodes the stricter.

    What is said for the whole customer takes the place of what was said before at the nodes joined to it by then.
    At one instant the stricter is the last.
    """
    last: dict[int, tuple[datetime, str]] = {}
    for key, at, status, whole in sorted(said, key=lambda s: (s[1], _STRICT[s[2]])):
        last[key] = (at, status)
        if whole:
            for other in joined.with_node(key, at) & last.keys():
                last[other] = (at, status)
    found: Any = max((status for _, status in last.values()), key=lambda status: _STRICT[status])
    return found


_STRICT = {"granted": 0, "denied": 1, "withdrawn": 2}
