"""What workflows ask of the memory of customers, as Protocols.

Why it exists: recognising, merging, reviewing and forgetting are said in these words; which store keeps them is the
wiring's affair. Every row belongs to the node, the record or contact point, at which it arrived, for ever; a customer
is a set of nodes joined by active edges of the ledger. Instants are aware datetimes. No SQL may enter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from rapport.workflows.identity_records import (
    CONSENTS,
    CROSSWALK,
    DIGESTS,
    HOUSEHOLDS,
    NODES,
    AccountContact,
    Answer,
    AnswerStatus,
    Applied,
    Consent,
    ConsentStatus,
    Decision,
    Forgotten,
    Identifier,
    Interaction,
    Joined,
    MergeEdge,
    Recognised,
    Recorded,
    ReviewCounts,
    ReviewPair,
    Seen,
    Standing,
    Task,
    Trait,
    Undone,
    Verdict,
    Wanted,
)

__all__ = [
    "CONSENTS",
    "CROSSWALK",
    "DIGESTS",
    "HOUSEHOLDS",
    "NODES",
    "AccountContact",
    "Answer",
    "AnswerStatus",
    "Applied",
    "Consent",
    "ConsentStatus",
    "Contacts",
    "Decision",
    "Erasure",
    "Forgotten",
    "Identifier",
    "IdentityMemory",
    "Interaction",
    "Joined",
    "Ledger",
    "MergeEdge",
    "Profiles",
    "Recognised",
    "Recorded",
    "Records",
    "ReviewCounts",
    "ReviewPair",
    "Reviews",
    "Seen",
    "Standing",
    "Task",
    "Trait",
    "Undone",
    "Verdict",
    "Wanted",
    "Work",
]


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

    def household_of(self, customer_id: str) -> tuple[str | None, list[str]]:
        """Return the household of a customer and who else is in it, by id; none and nobody where there is none."""

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

    def identify(
        self, anonymous_id: str, identifiers: Iterable[Identifier], at: datetime, seen_at: datetime | None = None
    ) -> Joined:
        """Join an anonymous id, with its interactions, to the customer of its verified identifiers.

        `at` is when that happened, `seen_at` when the memory came to know of it (at once where absent): who was known
        before keeps their id, also where an old file is taken later.
        """

    def record_interactions(self, rows: Iterable[Interaction], seen_at: datetime | None = None) -> Recorded:
        """Remember interactions, each message once; `seen_at` as for `identify`."""

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
