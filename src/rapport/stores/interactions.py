"""Contacts in and out, each message once, at the node where it came.

Why it exists: what was said is remembered with whoever turns out to have said it. Functions on a connection.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from rapport.stores import nodes as n
from rapport.stores.bulk import write_rows
from rapport.stores.devices import device_nodes, known_devices
from rapport.stores.tables import interaction, micros, node
from rapport.workflows.identity_ports import Interaction, Recorded

_COLUMNS = ("message_id", "record_key", "at", "channel", "direction", "kind", "about", "body", "location")


def record_interactions(
    connection: Connection, rows: Sequence[Interaction], seen_at: datetime | None = None
) -> Recorded:
    """Remember interactions; what comes from an anonymous id that was forgotten is counted, not kept.

    Until somebody identifies themselves at it again: then it is a device like others.

    Raises
    ------
    UnknownCustomer
        A node or customer is not known.
    ValueError
        A row belongs to nobody.
    """
    anonymous = {r.anonymous_id for r in rows if r.anonymous_id is not None}
    gone = {name for _, name in n.Suppressed(connection).among((f"record:{n.ANONYMOUS}", a) for a in anonymous)}
    gone -= known_devices(connection, gone).keys()
    kept = [r for r in rows if r.anonymous_id is None or r.anonymous_id not in gone]
    keys = _nodes_of(connection, kept, seen_at)
    written = write_rows(
        connection,
        interaction,
        _COLUMNS,
        [
            (
                r.message_id,
                key,
                micros(r.at),
                r.channel,
                r.direction,
                r.kind,
                r.about,
                None if r.body is None else json.dumps(r.body, ensure_ascii=False),
                r.location,
            )
            for r, key in zip(kept, keys, strict=True)
        ],
    )
    return Recorded(written, len(kept) - written, len(rows) - len(kept))


def _nodes_of(connection: Connection, rows: Sequence[Interaction], seen_at: datetime | None) -> list[int]:
    seen: dict[str, int] = {}
    for r in rows:
        if r.anonymous_id is not None:
            seen[r.anonymous_id] = min(seen.get(r.anonymous_id, 1 << 62), micros(seen_at or r.at))
    devices = device_nodes(connection, seen)
    n.require_nodes(connection, [r.node_key for r in rows if r.anonymous_id is None and r.node_key is not None])
    others = {r.customer_id for r in rows if r.anonymous_id is None and r.node_key is None}
    customers = {c: n.keys_of(connection, c)[0] for c in sorted(c for c in others if c is not None)}
    return [_node_of(r, devices, customers) for r in rows]


def _node_of(row: Interaction, devices: dict[str, int], customers: dict[str, int]) -> int:
    if row.anonymous_id is not None:
        return devices[row.anonymous_id]
    if row.node_key is not None:
        return row.node_key
    if row.customer_id is None:
        raise ValueError(f"interaction {row.message_id!r} has no anonymous_id, node_key or customer_id; needs one")
    return customers[row.customer_id]


def interactions_of(
    connection: Connection, customer_id: str, since: datetime | None, limit: int | None
) -> list[Interaction]:
    """Return the interactions of all nodes of a customer, newest first; those of one instant by message."""
    t = interaction.c
    query = select(interaction).join(node, node.c.record_key == t.record_key)
    query = query.where(node.c.customer_id == n.present_id(connection, customer_id))
    if since is not None:
        query = query.where(t.at >= since)
    query = query.order_by(t.at.desc(), t.message_id).limit(limit)
    return [_told(dict(row)) for row in connection.execute(query).mappings()]


def _told(row: dict[str, Any]) -> Interaction:
    return Interaction(
        message_id=row["message_id"],
        at=row["at"],
        channel=row["channel"],
        direction=row["direction"],
        kind=row["kind"],
        about=row["about"],
        body=None if row["body"] is None else json.loads(row["body"]),
        location=row["location"],
        node_key=row["record_key"],
    )
