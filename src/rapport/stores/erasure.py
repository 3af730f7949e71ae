"""Forget a customer: nothing of them stays in the store but keyed hashes that keep them out, and counts.

Why it exists: a person may ask to be forgotten, and a row that is marked deleted is not gone from the disk. What a
store may still hold beyond this is told, not kept quiet.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, func, select, text, update

from rapport.core.keys import customer_key
from rapport.stores import nodes as n
from rapport.stores.bulk import in_pieces, write_rows
from rapport.stores.database import Database
from rapport.stores.tables import (
    VERIFIED,
    account_contact,
    answer,
    consent,
    decision,
    delivery,
    device,
    edge,
    forgotten,
    identifier,
    interaction,
    micros,
    node,
    retired,
    review,
    suppression,
    task,
    trait,
    wanted,
)
from rapport.workflows.identity_ports import Forgotten, Identifier

_OF_NODES: tuple[tuple[Table, Sequence[Column[Any]]], ...] = (
    (identifier, (identifier.c.record_key,)),
    (interaction, (interaction.c.record_key,)),
    (trait, (trait.c.record_key,)),
    (answer, (answer.c.record_key,)),
    (consent, (consent.c.record_key,)),
    (task, (task.c.record_key,)),
    (device, (device.c.record_key,)),
    (account_contact, (account_contact.c.account_key, account_contact.c.person_key)),
    (wanted, (wanted.c.account_key,)),
    (review, (review.c.left_key, review.c.right_key)),
    (decision, (decision.c.left_key, decision.c.right_key)),
    (edge, (edge.c.left_key, edge.c.right_key)),
    (node, (node.c.record_key,)),
)
"""Tables with rows of nodes, in the order in which they are emptied."""


class ErasureStore:
    """What forgets, as `rapport.workflows.identity_ports.Erasure`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget(self, customer_id: str, by: str, at: datetime) -> Forgotten:
        """Erase a customer; see the Protocol."""
        with self._database.writing(ledger=True) as c:
            present = n.present_id(c, customer_id)
            keys = n.keys_of(c, present)
            _suppress(c, keys, at)
            _retire(c, keys)
            counts = _count_interactions(c, keys) | {"deliveries": _unname_deliveries(c, keys)}
            counts |= {table.name: _erase(c, table, columns, keys) for table, columns in _OF_NODES}
            told = json.dumps({name: count for name, count in counts.items() if count}, sort_keys=True)
            c.execute(forgotten.insert().values(done_by=by, at=at, counts=told))
        return Forgotten(present, counts, self._overwrite())

    def readmit(self, system: str, record_id: str, identifiers: Iterable[Identifier]) -> int:
        """Let a record and identifiers that were forgotten be imported again; return how many were suppressed."""
        parts = [(f"record:{system}", record_id), *((one.kind, one.value) for one in identifiers)]
        with self._database.writing() as c:
            key, count = n.make_key(c), 0
            for piece in in_pieces(n.keyed_hash(key, *part) for part in parts):
                count += c.execute(delete(suppression).where(suppression.c.digest.in_(piece))).rowcount
        return count

    def forgotten(self) -> dict[str, int]:
        """Return counts of what was forgotten so far: customers, and rows by table."""
        total: Counter[str] = Counter()
        with self._database.reading() as c:
            for told in c.scalars(select(forgotten.c.counts)):
                total.update({"customers": 1} | json.loads(told))
        return dict(sorted(total.items()))

    def _overwrite(self) -> tuple[str, ...]:
        """Write the store anew, so that nothing deleted stands in its files; return what may remain elsewhere."""
        if not self._database.sqlite:
            with self._database.outside() as c:
                for table in (*(table for table, _ in _OF_NODES), delivery):
                    c.execute(text(f"VACUUM (FULL, ANALYZE) {table.name}"))
            return (
                "write-ahead log of the server, until it is recycled",
                "backups and replicas of the server",
                "pg_statistic, where the planner had sampled values, until autovacuum has been there",
            )
        with self._database.outside() as c:
            c.exec_driver_sql("VACUUM")
            busy = c.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        told = ("copies of the file that were made before",)
        if not busy:
            return told
        return (f"{self._database.name}-wal, which another process reads; forget again, or end that process", *told)


def _suppress(connection: Connection, keys: Sequence[int], at: datetime) -> None:
    """Keep hashes of the records, and of the identifiers that were verified or that nobody else holds."""
    secret_key = n.make_key(connection)
    parts: set[tuple[str, str]] = set()
    mine = set(keys)
    i = identifier.c
    for piece in in_pieces(keys):
        for system, record in connection.execute(
            select(node.c.system, node.c.record_id).where(node.c.record_key.in_(piece))
        ):
            parts.add((f"record:{system}", record.split("\x1f")[0] if system == n.ANONYMOUS else record))
        held = connection.execute(select(i.token, i.kind, i.value, i.standing).where(i.record_key.in_(piece))).all()
        for token, kind, value, standing in held:
            holders = connection.scalars(select(i.record_key).where(i.token == token))
            if standing == VERIFIED or mine.issuperset(holders):
                parts.add((kind, value))
    rows = [(n.keyed_hash(secret_key, *part), micros(at)) for part in sorted(parts)]
    write_rows(connection, suppression, ("digest", "at"), rows)


def _retire(connection: Connection, keys: Sequence[int]) -> None:
    for piece in in_pieces(keys):
        ids = connection.scalars(select(node.c.own_id).where(node.c.record_key.in_(piece))).all()
        write_rows(connection, retired, ("own_id",), [(n.retired_id(connection, own),) for own in ids])


def _count_interactions(connection: Connection, keys: Sequence[int]) -> dict[str, int]:
    """Return how many interactions there were by channel and direction, which statistics need."""
    t = interaction.c
    counts: Counter[str] = Counter()
    for piece in in_pieces(keys):
        query = select(t.channel, t.direction, func.count()).where(t.record_key.in_(piece))
        for channel, direction, count in connection.execute(query.group_by(t.channel, t.direction)):
            counts[f"interaction {channel} {direction}"] += count
    return dict(counts)


def _unname_deliveries(connection: Connection, keys: Sequence[int]) -> int:
    """Give the deliveries to a customer a key and ids that lead to nobody, so that turns keep their counts."""
    d, count = delivery.c, 0
    ids: list[str] = []
    for piece in in_pieces(keys):
        t = node.c
        for own, record in connection.execute(select(t.own_id, t.record_id).where(t.record_key.in_(piece))):
            ids += [own, record]
    for piece in in_pieces(customer_key(one) for one in ids):
        for touch in connection.scalars(select(d.touch_id).where(d.customer_key.in_(piece))).all():
            nobody = n.nobody()
            values = {"touch_id": f"forgotten-{nobody}", "customer_key": customer_key(nobody)}
            count += connection.execute(update(delivery).where(d.touch_id == touch).values(values)).rowcount
    return count


def _erase(connection: Connection, table: Table, columns: Sequence[Column[Any]], keys: Sequence[int]) -> int:
    count = 0
    for column in columns:
        for piece in in_pieces(keys):
            count += connection.execute(delete(table).where(column.in_(piece))).rowcount
    return count
