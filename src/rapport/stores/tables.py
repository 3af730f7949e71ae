"""The tables of the memory, each declared once, for SQLite and PostgreSQL alike.

Why it exists: what outlives a turn stands in one place, whichever store keeps it. Every row of a customer carries the
key of the node at which it arrived; only edges between nodes are ever switched on and off. Instants are whole
microseconds since 1970 in UTC, days are ISO texts. Migrations bring older stores to these tables.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


def micros(at: datetime) -> int:
    """Return an instant as microseconds since 1970; raise ValueError where it has no zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; an instant of the memory needs one")
    return (at - _EPOCH) // _MICRO


def instant(value: int) -> datetime:
    """Return the instant of microseconds since 1970, in UTC."""
    return _EPOCH + value * _MICRO


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return what is kept."""
        return None if value is None else micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return what was meant."""
        return None if value is None else instant(value)


metadata = MetaData()

_COUNTED = BigInteger().with_variant(Integer, "sqlite")


def _node(name: str = "record_key", **more: Any) -> Column[int]:
    return Column(name, BigInteger, ForeignKey("node.record_key"), nullable=False, **more)


holdout = Table(
    "holdout",
    metadata,
    Column("household_key", BigInteger, primary_key=True, autoincrement=False),
    Column("turn", Text, primary_key=True),
)
"""Households held out in a turn, and so for ever."""

delivery = Table(
    "delivery",
    metadata,
    Column("touch_id", Text, primary_key=True),
    Column("customer_key", BigInteger, nullable=False),
    Column("turn", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("carried", Integer, nullable=False),
    Index("delivery_by_day", "day", "customer_key"),
)
"""Messages of turns, carried or withheld."""

node = Table(
    "node",
    metadata,
    Column("record_key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("system", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("own_id", String(32), nullable=False),
    Column("customer_id", String(32), nullable=False),
    Column("household_id", Text),
    Column("first_seen", Instant, nullable=False),
    Column("digest", Text),
    Column("gone", SmallInteger, nullable=False),
    Index("node_own_id", "own_id", unique=True),
    Index("node_customer", "customer_id"),
)
"""Records and contact points. `customer_id` is the own id of the oldest node of its component."""

identifier = Table(
    "identifier",
    metadata,
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("record_key", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("standing", SmallInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("identifier_node", "record_key"),
    sqlite_with_rowid=False,
)
"""Which node claims which identifier; `token` is a hash of kind and value, by which it is found."""

UNVERIFIED, VERIFIED, YIELDED = 0, 1, 2
"""Standing of an identifier at a node. Verified at two customers, it is a conflict until a person decides; whoever
claimed it later then yields it, and it counts as unverified there."""

edge = Table(
    "edge",
    metadata,
    Column("merge_id", _COUNTED, primary_key=True),
    _node("left_key", index=True),
    _node("right_key", index=True),
    Column("origin", String(16), nullable=False),
    Column("made_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("evidence", Text),
    Column("at", Instant, nullable=False),
    Column("undone_by", Text),
    Column("undone_why", Text),
    Column("undone_at", Instant),
    Column("decision_id", BigInteger),
    Column("undone_decision", BigInteger),
    sqlite_autoincrement=True,
)
"""The ledger of merges. An edge is active while `undone_at` is empty."""

review = Table(
    "review",
    metadata,
    _node("left_key", primary_key=True, autoincrement=False),
    _node("right_key", primary_key=True, autoincrement=False, index=True),
    Column("probability", Double, nullable=False),
    Column("weight", Double, nullable=False),
    Column("basis", String(16), nullable=False),
    Column("evidence", Text),
    Column("queued_at", Instant, nullable=False),
    Column("status", String(16), nullable=False),
    Index("review_status", "status"),
)
"""Pairs for people to decide: `open`, `skipped` or `decided`."""

decision = Table(
    "decision",
    metadata,
    Column("decision_id", _COUNTED, primary_key=True),
    _node("left_key", index=True),
    _node("right_key", index=True),
    Column("verdict", String(16), nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("taken_back_by", Text),
    Column("taken_back_at", Instant),
    sqlite_autoincrement=True,
)
"""What people decided about pairs; of a pair, the latest that was not taken back counts."""

device = Table(
    "device",
    metadata,
    Column("anonymous_id", Text, primary_key=True),
    _node(index=True),
    Column("owners", Integer, nullable=False),
)
"""The node at which an anonymous id collects from now on; a device of several people has one for each."""

interaction = Table(
    "interaction",
    metadata,
    Column("interaction_id", _COUNTED, primary_key=True),
    Column("message_id", Text, nullable=False, unique=True),
    _node(),
    Column("at", Instant, nullable=False),
    Column("channel", Text, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("kind", Text, nullable=False),
    Column("about", Text),
    Column("body", Text),
    Column("location", Text),
    Index("interaction_node", "record_key", "at"),
    sqlite_autoincrement=True,
)
"""Contacts, in and out."""

trait = Table(
    "trait",
    metadata,
    _node(primary_key=True, autoincrement=False),
    Column("field", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("confidence", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""Values of fields with where they come from."""

answer = Table(
    "answer",
    metadata,
    _node(primary_key=True, autoincrement=False),
    Column("question", Text, primary_key=True),
    Column("at", Instant, primary_key=True, autoincrement=False),
    Column("status", String(16), primary_key=True),
    Column("channel", Text, nullable=False),
    Column("value", Text),
)
"""Questions asked, answered and refused."""

consent = Table(
    "consent",
    metadata,
    _node(primary_key=True, autoincrement=False),
    Column("purpose", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("at", Instant, primary_key=True, autoincrement=False),
    Column("status", String(16), primary_key=True),
    Column("source", Text, nullable=False),
    Column("whole", SmallInteger, nullable=False),
)
"""Everything that was ever allowed or refused."""

task = Table(
    "task",
    metadata,
    Column("task_id", _COUNTED, primary_key=True),
    _node(index=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("due", Text),
    Column("status", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""What somebody is to do about a node."""

account_contact = Table(
    "account_contact",
    metadata,
    _node("account_key", primary_key=True, autoincrement=False),
    _node("person_key", primary_key=True, autoincrement=False, index=True),
    Column("role", Text, primary_key=True),
    Column("seniority", Text),
    Column("source", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
"""Who works for whom."""

wanted = Table(
    "wanted",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("account_key", BigInteger, ForeignKey("node.record_key"), index=True),
    Column("contacts", Integer, nullable=False),
)
"""Prospects that somebody wants."""

suppression = Table(
    "suppression",
    metadata,
    Column("digest", String(32), primary_key=True),
    Column("at", Instant, nullable=False),
)
"""Keyed hashes of the records and identifiers of customers who were forgotten."""

retired = Table("retired", metadata, Column("own_id", String(32), primary_key=True))
"""Ids of nodes that were forgotten; no other node may get them."""

forgotten = Table(
    "forgotten",
    metadata,
    Column("forgotten_id", _COUNTED, primary_key=True),
    Column("done_by", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("counts", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""How much was forgotten, by whom and when; of whom is not kept."""

secret = Table(
    "secret", metadata, Column("name", String(32), primary_key=True), Column("value", Text, nullable=False)
)
"""The key of the hashes."""
