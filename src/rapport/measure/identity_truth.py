"""How well customers, households and visitors were known, where it is known who they are.

Why it exists: one number hides what matters about a merge: whether twins, a couple with one mailbox, or strangers
became one customer. Wrong merges are listed by kind, splits by the error in the record that was left out. Pure:
tables in, counts out; how records are linked may not enter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

KINDS: Final[tuple[tuple[str, str], ...]] = (
    ("twins", "twins"),
    ("same_name_in_family", "a child that bears the name of a parent"),
    ("shared_mail", "one of a family wrote down the mail of another"),
    ("shared_phone", "the telephone of the family"),
    ("shared_device", "the tablet of the family"),
    ("household", "others of one household"),
    ("blocked_value", "a value that identifies nobody stands in both records"),
    ("strangers", "nothing in common"),
)
"""Kinds of wrong merges, the first that fits two people, and what each means."""

FIGURES: Final[tuple[tuple[str, str], ...]] = (
    ("records", "records whose person is known"),
    ("missing", "of these, records without a customer; each counts as a customer of its own"),
    ("unknown", "records with a customer whose person is not known; left out"),
    ("people", "people behind the records"),
    ("customers", "customers found"),
    ("pair_precision", "share of the pairs of records joined that are one person"),
    ("pair_recall", "share of the pairs of records of one person that are joined"),
    ("pair_f1", "harmonic mean of the two"),
    ("cluster_precision", "share of customers of two or more records that are all of one person's records, no more"),
    ("cluster_recall", "share of people of two or more records who are one customer, no more"),
    ("cluster_f1", "harmonic mean of the two"),
    ("wrong_merges", "pairs of people in one customer"),
    ("split_people", "people who are several customers"),
    ("household_precision", "share of the pairs of records of two people put in one household that live in one"),
    ("household_recall", "share of the pairs of records of two people of one household that are put in one"),
)
"""Every figure of a score and its meaning."""

_BLOCKED = frozenset({"store_phone", "blocked_phone", "blocked_email"})


@dataclass(frozen=True)
class Counted:
    """Pairs, or clusters: how many were found, how many there are, how many are both.

    Nothing found is precise, and where nothing is to be found all was found.
    """

    right: int
    found: int
    true: int

    @property
    def precision(self) -> float:
        """Return right / found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Return right / true."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall, 2 right / (found + true)."""
        return 2 * self.right / (self.found + self.true) if self.found + self.true else 1.0


@dataclass(frozen=True)
class WrongMerge:
    """Two people in one customer: the kind, the people, and one record of each as (system, record_id)."""

    kind: str
    customer: str
    people: tuple[str, str]
    records: tuple[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True)
class IdentityScore:
    """What became of the records; `split_by` counts the errors in records outside their person's largest customer."""

    records: int
    missing: int
    unknown: int
    people: int
    customers: int
    pairs: Counted
    clusters: Counted
    households: Counted
    wrong: tuple[WrongMerge, ...]
    split_people: int
    split_by: dict[str, int]

    @property
    def wrong_by_kind(self) -> dict[str, int]:
        """Return the number of wrong merges of each kind, in the order of `KINDS`."""
        counts = Counter(w.kind for w in self.wrong)
        return {kind: counts[kind] for kind, _ in KINDS}

    def figures(self) -> dict[str, int | float]:
        """Return every figure of `FIGURES` by name."""
        values = (
            self.records, self.missing, self.unknown, self.people, self.customers,
            self.pairs.precision, self.pairs.recall, self.pairs.f1,
            self.clusters.precision, self.clusters.recall, self.clusters.f1,
            len(self.wrong), self.split_people, self.households.precision, self.households.recall,
        )  # fmt: skip
        return dict(zip((name for name, _ in FIGURES), values, strict=True))


@dataclass(frozen=True)
class VisitorScore:
    """What became of visitors.

    joined_right, joined_wrong, not_joined : who logged in alone: with their customer, with another, with none
    left_unknown, joined_unverified : who never logged in: left alone as they must be, or joined all the same
    shared_left, shared_joined : devices on which several people logged in: left for a person to decide, or given away
    """

    joined_right: int
    joined_wrong: int
    not_joined: int
    left_unknown: int
    joined_unverified: int
    shared_left: int
    shared_joined: int


@dataclass(frozen=True)
class _Row:
    system: str
    record_id: str
    person: str
    household: str
    planted: frozenset[str]
    customer: str
    grouped: str


def score_identity(crosswalk: pa.Table, people: pa.Table, relations: pa.Table) -> IdentityScore:
    """Return how well records were joined to customers and customers to households.

    Parameters
    ----------
    crosswalk : pyarrow.Table
        system, record_id, customer_id and, where known, household_id: one row for each record.
    people : pyarrow.Table
        The truth: system, record_id, person, household, planted (errors of the record, parted by blanks). Rows with
        an empty person, such as organisations, are left out.
    relations : pyarrow.Table
        person, other, kind: `twins` or `same_name_in_family`.

    Notes
    -----
    Pairs of a household are of two people; who shares it with nobody makes none.
    """
    rows, missing, unknown = _joined(crosswalk, people)
    customer, person = _coded(r.customer for r in rows), _coded(r.person for r in rows)
    found_home, home = _coded(r.grouped for r in rows), _coded(r.household for r in rows)
    both = _crossed(customer, person)
    homes = Counted(
        _pairs(_crossed(found_home, home)) - _pairs(_crossed(_crossed(found_home, home), person)),
        _pairs(found_home) - _pairs(_crossed(found_home, person)),
        _pairs(home) - _pairs(_crossed(home, person)),
    )
    split, split_by = _splits(rows)
    return IdentityScore(
        records=len(rows),
        missing=missing,
        unknown=unknown,
        people=len(np.unique(person)),
        customers=len(np.unique(customer)),
        pairs=Counted(_pairs(both), _pairs(customer), _pairs(person)),
        clusters=_clusters(customer, person),
        households=homes,
        wrong=tuple(_wrong_merges(rows, relations)),
        split_people=split,
        split_by=split_by,
    )


def score_visitors(joined: pa.Table, crosswalk: pa.Table, visitors: pa.Table, system: str = "web") -> VisitorScore:
    """Return how well visitors of the web were joined to customers.

    Parameters
    ----------
    joined : pyarrow.Table
        visitor, customer_id; visitors that are not there, or whose customer is null, are joined to nobody.
    crosswalk : pyarrow.Table
        system, record_id, customer_id.
    visitors : pyarrow.Table
        The truth: visitor, record_id of the account that logged in (empty: none did), shared (yes or no).
    system : str
        System of these accounts.
    """
    found = dict(zip(joined["visitor"].to_pylist(), joined["customer_id"].to_pylist(), strict=True))
    owner = {
        r["record_id"]: r["customer_id"]
        for r in crosswalk.select(["system", "record_id", "customer_id"]).to_pylist()
        if r["system"] == system
    }
    truth = {r["visitor"]: r for r in visitors.select(["visitor", "record_id", "shared"]).to_pylist()}
    counts: Counter[str] = Counter()
    for visitor, row in truth.items():
        customer = found.get(visitor)
        if row["shared"] == "yes":
            counts["shared_left" if customer is None else "shared_joined"] += 1
        elif not row["record_id"]:
            counts["left_unknown" if customer is None else "joined_unverified"] += 1
        elif customer is None:
            counts["not_joined"] += 1
        else:
            counts["joined_right" if customer == owner.get(row["record_id"]) else "joined_wrong"] += 1
    return VisitorScore(
        counts["joined_right"], counts["joined_wrong"], counts["not_joined"], counts["left_unknown"],
        counts["joined_unverified"], counts["shared_left"], counts["shared_joined"],
    )  # fmt: skip


def _joined(crosswalk: pa.Table, people: pa.Table) -> tuple[list[_Row], int, int]:
    """Return the records whose person is known, how many of them have no customer, and how many are not known."""
    found = {(r["system"], r["record_id"]): r for r in crosswalk.to_pylist()}
    rows, missing, listed = [], 0, set()
    for truth in people.to_pylist():
        key = (truth["system"], truth["record_id"])
        listed.add(key)
        if not truth["person"]:
            continue
        row = found.get(key)
        missing += row is None
        # A unit separator keeps what is alone from meeting an id that happens to read the same.
        alone = "\x1f".join(key)
        customer = row["customer_id"] if row else alone
        grouped = row.get("household_id") if row else None
        planted = frozenset((truth.get("planted") or "").split())
        own_home = truth["household"] or f"\x1f{truth['person']}"
        rows.append(_Row(*key, truth["person"], own_home, planted, customer, grouped or f"\x1f{customer}"))
    return rows, missing, len(set(found) - listed)


def _coded(values: Iterable[str]) -> Ints:
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(v, len(codes)) for v in values], dtype=np.int64)


def _crossed(one: Ints, other: Ints) -> Ints:
    """Return one number for each pair of numbers."""
    return one * (int(other.max(initial=0)) + 1) + other


def _pairs(codes: Ints) -> int:
    """Return the number of pairs of rows with one code."""
    counts = np.unique(codes, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _clusters(customer: Ints, person: Ints) -> Counted:
    """Count customers and people of two or more records, and those that are each other's exactly."""
    of_customer = np.bincount(customer, minlength=1)
    of_person = np.bincount(person, minlength=1)
    _, first, count = np.unique(_crossed(customer, person), return_index=True, return_counts=True)
    same = (of_customer[customer[first]] == count) & (of_person[person[first]] == count) & (count > 1)
    return Counted(int(same.sum()), int((of_customer > 1).sum()), int((of_person > 1).sum()))


def _by(rows: Sequence[_Row], field: str) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = {}
    for row in rows:
        found.setdefault(getattr(row, field), []).append(row)
    return found


def _wrong_merges(rows: Sequence[_Row], relations: pa.Table) -> Iterable[WrongMerge]:
    kinds = {frozenset((r["person"], r["other"])): r["kind"] for r in relations.to_pylist()}
    for customer, members in _by(rows, "customer").items():
        people = _by(members, "person")
        for one, other in combinations(sorted(people), 2):
            left, right = people[one], people[other]
            kind = kinds.get(frozenset((one, other))) or _kind(left, right)
            first = ((left[0].system, left[0].record_id), (right[0].system, right[0].record_id))
            yield WrongMerge(kind, customer, (one, other), first)


def _kind(left: Sequence[_Row], right: Sequence[_Row]) -> str:
    """Return the kind of a merge of two people who are neither twins nor of one name in a family."""
    one = frozenset[str]().union(*(r.planted for r in left))
    other = frozenset[str]().union(*(r.planted for r in right))
    if left[0].household != right[0].household:
        return "blocked_value" if one & _BLOCKED and other & _BLOCKED else "strangers"
    if "partner_email" in one | other:
        return "shared_mail"
    if "family_line" in one & other:
        return "shared_phone"
    return "shared_device" if "family_device" in one & other else "household"


def _splits(rows: Sequence[_Row]) -> tuple[int, dict[str, int]]:
    """Return how many people are several customers, and the errors in records outside their largest one."""
    split, errors = 0, Counter[str]()
    for members in _by(rows, "person").values():
        parts = sorted(_by(members, "customer").values(), key=lambda part: (-len(part), part[0].record_id))
        split += len(parts) > 1
        for row in (r for part in parts[1:] for r in part):
            errors.update(row.planted or {"none"})
    return split, dict(errors.most_common())
