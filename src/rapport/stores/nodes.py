"""Nodes of the memory: the ids they get, the customers they make, the nodes of a customer.

Why it exists: everything else of a customer hangs on a node. Functions on a connection; transactions are the
caller's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, func, literal, select

from rapport.core.errors import UnknownCustomer
from rapport.core.people import record_key
from rapport.stores.bulk import in_pieces, write_rows
from rapport.stores.tables import node, retired, secret, suppression

ANONYMOUS = "anonymous id"
"""The system of the nodes of anonymous ids; no system of a programme can have this name."""

NODE_COLUMNS = tuple(c.name for c in node.columns)

_MANY = 20_000
"""Above this, all ids are read at once rather than asked for in pieces."""


def own_id(key: int, attempt: int = 0) -> str:
    """Return the id that a node gets: C and ten characters of base 32 from a hash of its key.

    `attempt` counts ids of the node that others had already.
    """
    text = f"{key}/{attempt}" if attempt else str(key)
    return "C" + base64.b32encode(hashlib.blake2b(text.encode(), digest_size=8).digest())[:10].decode()


def fresh_ids(connection: Connection, keys: Sequence[int]) -> list[str]:
    """Return an id for each new node, none of which any node has or had."""
    ids = [own_id(key) for key in keys]
    taken = _taken(connection, ids)
    for at, key in enumerate(keys):
        attempt = 0
        while ids[at] in taken:
            attempt += 1
            ids[at] = own_id(key, attempt)
            if ids[at] not in taken and _taken(connection, [ids[at]]):
                taken.add(ids[at])
        taken.add(ids[at])
    return ids


def _taken(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    if len(ids) > _MANY:
        found |= set(connection.scalars(select(node.c.own_id)))
    else:
        for piece in in_pieces(ids):
            found |= set(connection.scalars(select(node.c.own_id).where(node.c.own_id.in_(piece))))
    hashed = set(connection.scalars(select(retired.c.own_id)))
    gone = {i for i in ids if retired_id(connection, i) in hashed} if hashed else set()
    return (found & set(ids)) | gone


def retired_id(connection: Connection, customer_id: str) -> str:
    """Return what is kept of an id that a forgotten customer had, so that nobody else gets it."""
    return keyed_hash(_key(connection), "customer", customer_id)


def add_nodes(connection: Connection, rows: Iterable[tuple[int, str, str, str, int, str | None]]) -> int:
    """Add nodes (key, system, record_id, kind, first_seen micros, digest) that are not there; return how many."""
    new = list(rows)
    ids = fresh_ids(connection, [row[0] for row in new])
    return write_rows(
        connection,
        node,
        NODE_COLUMNS,
        [
            (key, system, record, kind, own, own, None, seen, digest, 0)
            for (key, system, record, kind, seen, digest), own in zip(new, ids, strict=True)
        ],
    )


def anonymous_name(anonymous_id: str, owner: int) -> str:
    """Return the record id of the node of an anonymous id for its first, second ... owner."""
    return anonymous_id if owner == 1 else f"{anonymous_id}\x1f{owner}"


def anonymous_key(anonymous_id: str, owner: int = 1) -> int:
    """Return the key of the node of an anonymous id for its first, second ... owner."""
    return record_key(ANONYMOUS, anonymous_name(anonymous_id, owner))


def present_id(connection: Connection, customer_id: str) -> str:
    """Return the present id of the customer who has or had an id; raise UnknownCustomer."""
    found: str | None = connection.scalar(select(node.c.customer_id).where(node.c.own_id == customer_id))
    if found is not None:
        return found
    if connection.scalar(select(literal(1)).where(retired.c.own_id == retired_id(connection, customer_id)).limit(1)):
        raise UnknownCustomer(f"customer {customer_id!r} was forgotten. Nothing of this customer is kept.")
    raise UnknownCustomer(
        f"no customer has or had the id {customer_id!r}; ids are C and ten letters or digits. "
        f"Ask by an identifier instead."
    )


def keys_of(connection: Connection, customer_id: str) -> list[int]:
    """Return the nodes of a customer, oldest first; raise UnknownCustomer."""
    present = present_id(connection, customer_id)
    query = select(node.c.record_key).where(node.c.customer_id == present)
    return list(connection.scalars(query.order_by(node.c.first_seen, node.c.record_key)))


def customers_of(connection: Connection, keys: Iterable[int]) -> dict[int, str]:
    """Return the customer of each node that is known."""
    found: dict[int, str] = {}
    for piece in in_pieces(dict.fromkeys(keys)):
        query = select(node.c.record_key, node.c.customer_id).where(node.c.record_key.in_(piece))
        found |= dict(connection.execute(query).all())
    return found


def require_nodes(connection: Connection, keys: Iterable[int]) -> dict[int, str]:
    """Return the customer of each node; raise UnknownCustomer where one is not known."""
    wanted = list(dict.fromkeys(keys))
    found = customers_of(connection, wanted)
    lacking = [key for key in wanted if key not in found]
    if lacking:
        raise UnknownCustomer(
            f"no record has the key {lacking[0]}{f' and {len(lacking) - 1} more' if lacking[1:] else ''}"
            f"; rows belong to records that were loaded. Load them first."
        )
    return found


class Suppressed:
    """Tells whether records and identifiers belong to somebody forgotten, by keyed hashes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.any = bool(connection.scalar(select(func.count()).select_from(suppression)))
        self._key = _key(connection) if self.any else b""

    def among(self, parts: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of (system, record id) or (kind, value) that were forgotten."""
        if not self.any:
            return set()
        digests = {keyed_hash(self._key, *part): part for part in parts}
        found: set[tuple[str, str]] = set()
        column = suppression.c.digest
        if len(digests) > _MANY:
            return {digests[d] for d in self._connection.scalars(select(column)) if d in digests}
        for piece in in_pieces(digests):
            found |= {digests[d] for d in self._connection.scalars(select(column).where(column.in_(piece)))}
        return found


def keyed_hash(key: bytes, *parts: str) -> str:
    """Return a hash of texts that nobody can try out without the key."""
    return hmac.new(key, "\x1f".join(parts).encode(), "sha256").hexdigest()[:32]


def _key(connection: Connection) -> bytes:
    found: str | None = connection.scalar(select(secret.c.value).where(secret.c.name == "suppression"))
    return bytes.fromhex(found or "")


def make_key(connection: Connection) -> bytes:
    """Return the key of the hashes, made when it is first needed."""
    write_rows(connection, secret, ("name", "value"), [("suppression", secrets.token_hex(32))])
    return _key(connection)


def nobody() -> str:
    """Return a text that stands for nobody, another each time."""
    return secrets.token_hex(16)
