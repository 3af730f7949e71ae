"""The frozen records, and the tables, in which workflows and the memory of customers speak.

Why it exists: recognising, merging, reviewing and forgetting are said in the same words by whoever asks and whatever
store answers. Instants are aware datetimes; a row belongs to the node at which it arrived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import pyarrow as pa

Verdict = Literal["same", "different", "skip"]
Standing = Literal["known", "probable", "shared", "conflict", "unknown"]
ConsentStatus = Literal["granted", "denied", "withdrawn"]
AnswerStatus = Literal["asked", "answered", "refused"]

NODES = pa.schema(
    [
        pa.field("record_key", pa.int64(), nullable=False),
        pa.field("system", pa.string(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("own_id", pa.string(), nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        ("household_id", pa.string()),
        pa.field("first_seen", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("gone", pa.bool_(), nullable=False),
    ]
)
"""All nodes, ascending by key. `kind` is `person`, `organisation` or `anonymous`; `gone`: no longer in its system."""

CROSSWALK = pa.schema(
    [
        pa.field("system", pa.string(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        ("household_id", pa.string()),
    ]
)
"""Which customer each record belongs to, by system and record id."""

HOUSEHOLDS = pa.schema([pa.field("record_key", pa.int64(), nullable=False), ("household_id", pa.string())])
"""The household of each record."""

DIGESTS = pa.schema(
    [pa.field("record_key", pa.int64(), nullable=False), pa.field("digest", pa.string(), nullable=False)]
)
"""What a record held when it was last seen, digested."""

CONSENTS = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("purpose", pa.string(), nullable=False),
        pa.field("channel", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
    ]
)
"""What each customer allows, the stricter of its nodes."""


@dataclass(frozen=True)
class Seen:
    """What a run of records brought: counts of records; suppressed ones were forgotten and are not remembered."""

    new: int
    changed: int
    same: int
    gone: int
    suppressed: int


@dataclass(frozen=True)
class MergeEdge:
    """One edge of the ledger. `origin` is `resolve`, `person` or `login`; undone edges say by whom, when and why."""

    merge_id: int
    left_key: int
    right_key: int
    origin: str
    by: str
    why: str
    evidence: str | None
    at: datetime
    undone_by: str | None = None
    undone_why: str | None = None
    undone_at: datetime | None = None


@dataclass(frozen=True)
class Undone:
    """What undoing a merge left: the edge, and the customers of its left and right node.

    `still_joined`: other active edges join the two, so they are one customer until those are undone too, or the next
    resolve heeds the verdict.
    """

    edge: MergeEdge
    left_customer: str
    right_customer: str
    still_joined: bool


@dataclass(frozen=True)
class Applied:
    """What a resolve run changed: edges added and taken back, records whose customer changed.

    `vetoed` counts clusters that hold two records of which people said never; nothing was added to them. `unknown`
    counts records of the run that the memory does not know.
    """

    added: int
    taken_back: int
    moved: int
    vetoed: int
    unknown: int


@dataclass(frozen=True)
class ReviewPair:
    """A pair for people to decide; `basis` is that of LINKS, or `conflict`: both claim one verified identifier."""

    left_key: int
    right_key: int
    probability: float
    weight: float
    basis: str
    evidence: str | None
    queued_at: datetime


@dataclass(frozen=True)
class Decision:
    """What a person decided about a pair; `still_joined` as in Undone, for `different`."""

    decision_id: int
    left_key: int
    right_key: int
    verdict: Verdict
    by: str
    at: datetime
    still_joined: bool = False


@dataclass(frozen=True)
class ReviewCounts:
    """Pairs that wait, that were put off, that were decided either way, and conflicts among those that wait."""

    open: int
    skipped: int
    same: int
    different: int
    conflicts: int


@dataclass(frozen=True)
class Identifier:
    """A value in standard form. Kinds are the identifying columns of people (`email`, `phone`, `card_number`,
    `device_id`, `person_number`, `tax_number`), `anonymous` (a cookie), `customer` (an id, old or present) and
    ``record:SYSTEM`` (a record id).
    """

    kind: str
    value: str
    verified: bool = False


@dataclass(frozen=True)
class Recognised:
    """Who is meant by identifiers.

    `known`: one customer by a verified identifier, a record or an id. `probable`: nothing verified, and one customer
    alone holds what was given. `shared`: several hold it. `conflict`: verified for several. `unknown`: nobody.
    `customer_id` is given where one is meant; `candidates` are all who hold any of it, ascending.
    """

    standing: Standing
    customer_id: str | None
    basis: tuple[str, ...]
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class Joined:
    """What identifying an anonymous id came to: where its interactions go from now on, and whether it was joined."""

    anonymous_id: str
    node_key: int
    customer_id: str
    standing: Standing
    joined: bool
    conflicts: int


@dataclass(frozen=True)
class Interaction:
    """One contact, in or out. It belongs to an anonymous id, a node or a customer, the first of these that is given;
    what comes for a customer goes to the customer's oldest node. `message_id` names it once for ever.
    """

    message_id: str
    at: datetime
    channel: str
    direction: Literal["in", "out"]
    kind: str
    about: str | None = None
    body: Any = None
    location: str | None = None
    anonymous_id: str | None = None
    node_key: int | None = None
    customer_id: str | None = None


@dataclass(frozen=True)
class Recorded:
    """Interactions that were new, were there already, or belong to somebody forgotten."""

    new: int
    repeated: int
    suppressed: int


@dataclass(frozen=True)
class Trait:
    """A value of one field of a node, from a source at a time; of a node, field and source the latest is kept."""

    node_key: int
    field: str
    value: str
    source: str
    at: datetime
    confidence: float = 1.0


@dataclass(frozen=True)
class Answer:
    """What became of a question put to a customer in a channel."""

    node_key: int
    question: str
    status: AnswerStatus
    channel: str
    at: datetime
    value: str | None = None


@dataclass(frozen=True)
class Consent:
    """What was allowed or refused at a node. `whole`: said by the customer for all that is joined to the node at that
    time, so that it overrides what other nodes said before.
    """

    node_key: int
    purpose: str
    channel: str
    status: ConsentStatus
    at: datetime
    source: str
    whole: bool = False


@dataclass(frozen=True)
class Task:
    """Something that somebody is to do about a node."""

    node_key: int
    kind: str
    owner: str
    text: str
    made_at: datetime
    due: date | None = None
    status: str = "open"
    task_id: int | None = None


@dataclass(frozen=True)
class AccountContact:
    """A person who works for, or decides at, an organisation; one person may do so at several."""

    account_key: int
    person_key: int
    role: str
    seniority: str | None
    source: str
    at: datetime


@dataclass(frozen=True)
class Wanted:
    """A prospect that somebody wants: its name, its node where it has one, contact names wanted at least."""

    name: str
    owner: str
    at: datetime
    account_key: int | None = None
    contacts: int = 3


@dataclass(frozen=True)
class Forgotten:
    """What forgetting a customer erased: rows by table. `remains` says where values may still stand."""

    customer_id: str
    counts: Mapping[str, int] = field(default_factory=dict)
    remains: tuple[str, ...] = ()
