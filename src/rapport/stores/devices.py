"""The node at which an anonymous id, a cookie or a device, collects what is said.

Why it exists: interactions and logins both come from devices never seen before. Functions on a connection.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from rapport.stores import nodes as n
from rapport.stores.bulk import in_pieces, write_rows
from rapport.stores.tables import device


def device_nodes(connection: Connection, seen: dict[str, int]) -> dict[str, int]:
    """Return the node at which each anonymous id collects, made where it is new; `seen` is the micros it came."""
    found = known_devices(connection, seen)
    new = sorted(set(seen) - found.keys())
    if new:
        keys = {anonymous: n.anonymous_key(anonymous) for anonymous in new}
        n.add_nodes(connection, ((keys[a], n.ANONYMOUS, a, "anonymous", seen[a], None) for a in new))
        write_rows(connection, device, ("anonymous_id", "record_key", "owners"), [(a, keys[a], 1) for a in new])
        found |= known_devices(connection, new)
    return found


def known_devices(connection: Connection, ids: Iterable[str]) -> dict[str, int]:
    """Return the node at which each anonymous id that is known collects."""
    found: dict[str, int] = {}
    for piece in in_pieces(ids):
        query = select(device.c.anonymous_id, device.c.record_key).where(device.c.anonymous_id.in_(piece))
        found |= dict(connection.execute(query).all())
    return found
