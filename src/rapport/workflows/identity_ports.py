"""What workflows ask of the memory of customers, as Protocols with their frozen records.

Why it exists: recognising, merging, reviewing and forgetting are said in these words; which store keeps them is the
wiring's affair. Every row belongs to the node, the record or contact point, at which it arrived, for ever; a customer
is a set of nodes joined by active edges of the ledger. Instants are aware datetimes. No SQL may enter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol

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


class Records(Protocol):
    """Nodes: the records of systems and the contact points of strangers."""

    def remember_records(
        self,
        standard: pa.Table,
        digests: pa.Table,
        verified: Mapping[str, Sequence[str]],
        seen_at: datetime,
        whole: bool = True,
    ) -> Seen:
        """Remember STANDARD records and their identifiers; `digests` is of DIGESTS.

        `verified` names for each system the columns it has verified. `whole`: the table holds all records of its
        systems, so that those not in it are gone. The same call again changes nothing.
        """

    def nodes(self) -> pa.Table:
        """Return all nodes: NODES."""

    def digests(self, system: str) -> pa.Table:
        """Return what the records of a system held when they were last seen: DIGESTS."""

    def crosswalk(self) -> pa.Table:
        """Return which customer each record belongs to: CROSSWALK, ordered by system and record id."""

    def set_households(self, households: pa.Table) -> int:
        """Set the household of each record of HOUSEHOLDS, none for others; return how many changed."""

    def node_keys(self, customer_id: str) -> list[int]:
        """Return the nodes of a customer, oldest first; an old id finds the present customer.

        Raises
        ------
        UnknownCustomer
            No node ever had this id, or its customer was forgotten.
        """

    def customer_of(self, customer_id: str) -> str:
        """Return the present id for an id that a customer has or had; raise UnknownCustomer."""


class Ledger(Protocol):
    """Edges between nodes. A merge never rewrites what belongs to a node, so undoing it is exact."""

    def merge(
        self, left_key: int, right_key: int, by: str, why: str, evidence: str | None, at: datetime
    ) -> MergeEdge:
        """Take two nodes for one customer, as a person decides; it is a verdict, too.

        Raises
        ------
        UnknownCustomer
            A node is not known.
        """

    def merge_many(self, links: pa.Table, by: str, why: str, at: datetime, origin: str = "person") -> int:
        """Take the pairs of LINKS for one customer each; return how many edges were new."""

    def undo(self, merge_id: int, by: str, why: str, at: datetime) -> Undone:
        """Switch an edge off and find its two sides again; the two nodes are never one customer from then on.

        Raises
        ------
        UnknownMerge
            There is no such edge, or it is undone already.
        """

    def merges(self, customer_id: str | None = None, include_undone: bool = True) -> list[MergeEdge]:
        """Return edges, oldest first; of one customer, those that touch its nodes."""

    def merge_of(self, merge_id: int) -> MergeEdge:
        """Return an edge; raise UnknownMerge."""

    def apply_clusters(self, clusters: pa.Table, links: pa.Table, by: str, at: datetime) -> Applied:
        """Bring the ledger into line with a resolve run: CLUSTERS and LINKS.

        What is newly together gets edges along its strongest links; edges of earlier runs between records that are
        no longer together are taken back. Decisions of people and logins are left alone.
        """


class Reviews(Protocol):
    """Pairs that people decide, and what they decided."""

    def queue_reviews(self, links: pa.Table, at: datetime) -> int:
        """Put the pairs of LINKS in the queue, but those decided; pairs of earlier runs not among them leave it."""

    def queue_conflicts(self, at: datetime) -> int:
        """Put customers who claim one verified identifier in the queue; return how many pairs are new."""

    def next_review(self, skip: Iterable[tuple[int, int]] = ()) -> ReviewPair | None:
        """Return the pair to decide next, conflicts first, then the least certain; skipped ones come last."""

    def decide_review(self, left_key: int, right_key: int, verdict: Verdict, by: str, at: datetime) -> Decision:
        """Remember what a person decided: `same` merges, `different` undoes edges between the two."""

    def undo_last_decision(self, by: str, at: datetime) -> Decision | None:
        """Take back the last decision of a person that stands; the pair waits again. None where there is none."""

    def verdicts(self) -> pa.Table:
        """Return what people decided: VERDICTS, the latest of each pair."""

    def review_counts(self) -> ReviewCounts:
        """Return how many pairs wait and were decided."""


class Contacts(Protocol):
    """Contact points: who is meant by an identifier, and what was said to and by whom."""

    def recognise(self, identifiers: Iterable[Identifier]) -> Recognised:
        """Return who is meant by identifiers in standard form."""

    def claim(self, identifier: Identifier, node_key: int, source: str, at: datetime) -> Recognised:
        """Remember that a node claims an identifier, and return who is meant by it now.

        A verified claim of what is verified for another customer is a conflict in the review queue.
        """

    def identify(self, anonymous_id: str, identifiers: Iterable[Identifier], at: datetime) -> Joined:
        """Join an anonymous id, with its interactions, to the customer of its verified identifiers."""

    def record_interactions(self, rows: Iterable[Interaction]) -> Recorded:
        """Remember interactions, each message once."""

    def interactions_of(
        self, customer_id: str, since: datetime | None = None, limit: int | None = None
    ) -> list[Interaction]:
        """Return the interactions of all nodes of a customer, newest first."""

    def identifiers_of(self, customer_id: str) -> list[tuple[Identifier, int]]:
        """Return the identifiers of a customer with the node that holds each."""


class Profiles(Protocol):
    """What is known of customers, wanted of them and allowed by them."""

    def remember_traits(self, traits: Iterable[Trait]) -> int:
        """Remember traits; return how many were new or changed."""

    def traits_of(self, customer_id: str) -> list[Trait]:
        """Return the traits of all nodes of a customer, by field, then newest first."""

    def traits(self, fields: Sequence[str] | None = None) -> pa.Table:
        """Return traits of all: customer_id, record_key, field, value, source, at, confidence."""

    def forget_traits(self, traits: Iterable[Trait]) -> int:
        """Delete traits (by node, field and source), such as the outdated; return how many."""

    def remember_answers(self, answers: Iterable[Answer]) -> int:
        """Remember what became of questions; return how many were new."""

    def answers_of(self, customer_id: str) -> list[Answer]:
        """Return what became of questions in any channel, newest first."""

    def remember_consents(self, consents: Iterable[Consent]) -> int:
        """Remember consents; return how many were new."""

    def consents_of(self, customer_id: str) -> dict[tuple[str, str], ConsentStatus]:
        """Return what a customer allows by (purpose, channel): the stricter of its nodes."""

    def consents(self) -> pa.Table:
        """Return what all customers allow: CONSENTS."""


class Work(Protocol):
    """Tasks, accounts with their contacts, prospects that are wanted."""

    def add_task(self, task: Task) -> Task:
        """Remember a task and return it with its id."""

    def tasks(
        self, customer_id: str | None = None, owner: str | None = None, status: str | None = None
    ) -> list[Task]:
        """Return tasks, by due day, then oldest first."""

    def set_task(self, task_id: int, status: str) -> Task:
        """Change the status of a task; raise UnknownTask."""

    def remember_contacts(self, contacts: Iterable[AccountContact]) -> int:
        """Remember who works for whom; return how many were new or changed."""

    def contacts_of(self, account_id: str) -> list[AccountContact]:
        """Return the contacts of all nodes of an account (a customer id)."""

    def accounts_of(self, customer_id: str) -> list[AccountContact]:
        """Return the accounts of a person."""

    def want(self, wanted: Iterable[Wanted]) -> int:
        """Remember wanted prospects by name; return how many were new or changed."""

    def wanted(self) -> list[Wanted]:
        """Return the wanted prospects by name."""


class Erasure(Protocol):
    """Forgetting."""

    def forget(self, customer_id: str, by: str, at: datetime) -> Forgotten:
        """Erase a customer: all that belongs to its nodes, their identifiers and what quotes them.

        Keyed hashes stay, so that no import brings them back, and counts.
        """

    def readmit(self, system: str, record_id: str, identifiers: Iterable[Identifier]) -> int:
        """Let a record and identifiers that were forgotten be imported again; return how many were suppressed."""

    def forgotten(self) -> dict[str, int]:
        """Return counts of what was forgotten so far: customers, and rows by table."""


class IdentityMemory(Protocol):
    """The memory of customers; `close` when done."""

    @property
    def records(self) -> Records:
        """Return the nodes."""

    @property
    def ledger(self) -> Ledger:
        """Return the merges."""

    @property
    def reviews(self) -> Reviews:
        """Return the review queue."""

    @property
    def contacts(self) -> Contacts:
        """Return identifiers and interactions."""

    @property
    def profiles(self) -> Profiles:
        """Return traits, answers and consents."""

    @property
    def work(self) -> Work:
        """Return tasks and accounts."""

    @property
    def erasure(self) -> Erasure:
        """Return what forgets."""

    def close(self) -> None:
        """Let go of the store's connections."""
