"""Households: customers who live together, for one letter and one arm of a test each, never for one person.

Why it exists: two customers of one home share a letter box and often a purse, and an experiment that treats one
treats both. A household is a grouping beside customers; nothing here merges persons. No file is read.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

HOUSEHOLDS = pa.schema(
    [
        pa.field("customer", pa.int64(), nullable=False),
        pa.field("household_id", pa.string(), nullable=False),
        pa.field("basis", pa.string(), nullable=False),
    ]
)
"""The household of each customer; `basis` is `declared` (a system says so), `address`, `phone`, several of them
joined by a plus, or `alone`."""

_ORDER = ("declared", "address", "phone")


@dataclass(frozen=True)
class HouseholdSettings:
    """How large a household may be, and how many customers may share what without being neighbours.

    `largest` bounds a household. At an address where more than `shared_address` customers live, or on a phone
    that more than `shared_phone` have, nobody is one household by that alone: a house of flats, an office,
    a home of students.
    """

    largest: int = 8
    shared_address: int = 12
    shared_phone: int = 8


def find_households(
    standard: pa.Table,
    clusters: pa.Table,
    previous: pa.Table | None = None,
    settings: HouseholdSettings | None = None,
) -> pa.Table:
    """Return the household of each customer.

    Parameters
    ----------
    standard : table of `rapport.core.people.STANDARD`
        Organisations are passed over.
    clusters : table of `rapport.core.people.CLUSTERS`
        Which records are one customer; a record without a row is its own.
    previous : table of HOUSEHOLDS, optional
        The households of the last time, whose ids are kept.
    settings : HouseholdSettings, optional

    Returns
    -------
    table of HOUSEHOLDS, a row for each customer, ascending.

    Notes
    -----
    Two customers are of one household who have the same household in one system; or the same street, number, unit
    and town and a word of their surnames in common; or the same phone and either a word of their surnames or the
    address in common. Groups that share a customer are joined while the whole has no more than `largest` members; a
    larger group is left apart, as are customers at an address shared by more than `shared_address`.
    """
    chosen = settings or HouseholdSettings()
    people = _customers(standard, clusters)
    groups = [*_declared(people), *_by_address(people, chosen), *_by_phone(people, chosen)]
    root = {c: c for c in people}
    size = dict.fromkeys(people, 1)
    bases: dict[int, set[str]] = defaultdict(set)
    for basis, members in groups:
        _join(members, basis, root, size, bases, chosen.largest)
    homes: dict[int, list[int]] = defaultdict(list)
    for customer in sorted(people):
        homes[_find(root, customer)].append(customer)
    ids = _ids(list(homes.values()), previous)
    said = {c: (ids[n], _basis(bases[r])) for n, (r, members) in enumerate(homes.items()) for c in members}
    rows = [{"customer": c, "household_id": said[c][0], "basis": said[c][1]} for c in sorted(said)]
    return pa.Table.from_pylist(rows, schema=HOUSEHOLDS)


@dataclass
class _Customer:
    surnames: set[str]
    addresses: set[tuple[str, ...]]
    phones: set[str]
    declared: set[tuple[str, str]]


def _customers(standard: pa.Table, clusters: pa.Table) -> dict[int, _Customer]:
    cluster = dict(zip(clusters["record_key"].to_pylist(), clusters["cluster"].to_pylist(), strict=True))
    names = ("record_key", "system", "kind", "surname", "house_number", "street", "unit", "city", "postal_code",
             "country", "phones", "household_id")  # fmt: skip
    found: dict[int, _Customer] = {}
    for values in zip(*(standard[n].to_pylist() for n in names), strict=True):
        record = dict(zip(names, values, strict=True))
        if record["kind"] == "organisation":
            continue
        key = cluster.get(record["record_key"], record["record_key"])
        customer = found.setdefault(key, _Customer(set(), set(), set(), set()))
        customer.surnames.update(w for w in (record["surname"] or "").split() if len(w) > 1)
        customer.phones.update(record["phones"] or ())
        address = _address(record)
        if address:
            customer.addresses.add(address)
        if record["household_id"]:
            customer.declared.add((record["system"], record["household_id"]))
    return found


def _address(record: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the key of a home: none without street, number and either postal code or town, none of a post box."""
    place = record["postal_code"] or record["city"]
    if not record["street"] or not record["house_number"] or not place or record["street"].startswith("pobox"):
        return None
    return (record["country"] or "", place, record["street"], record["house_number"], record["unit"] or "")


_Groups = list[tuple[str, list[int]]]


def _declared(people: Mapping[int, _Customer]) -> _Groups:
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    for key, customer in people.items():
        for said in customer.declared:
            found[said].append(key)
    return [("declared", sorted(m)) for _, m in sorted(found.items()) if len(m) > 1]


def _by_address(people: Mapping[int, _Customer], settings: HouseholdSettings) -> _Groups:
    at: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for key, customer in people.items():
        for address in customer.addresses:
            at[address].append(key)
    return [
        ("address", same)
        for _, members in sorted(at.items())
        if 1 < len(members) <= settings.shared_address
        for same in _same_surname(members, people)
    ]


def _by_phone(people: Mapping[int, _Customer], settings: HouseholdSettings) -> _Groups:
    on: dict[str, list[int]] = defaultdict(list)
    for key, customer in people.items():
        for phone in customer.phones:
            on[phone].append(key)
    groups: _Groups = []
    for _, members in sorted(on.items()):
        if 1 < len(members) <= settings.shared_phone:
            groups += [("phone", same) for same in _same_surname(members, people)]
            homes: dict[tuple[str, ...], list[int]] = defaultdict(list)
            for key in members:
                for address in people[key].addresses:
                    homes[address].append(key)
            groups += [("phone", sorted(m)) for _, m in sorted(homes.items()) if len(m) > 1]
    return groups


def _same_surname(members: Iterable[int], people: Mapping[int, _Customer]) -> list[list[int]]:
    """Return those of the members who share a word of their surnames, for each word."""
    by_word: dict[str, list[int]] = defaultdict(list)
    for key in sorted(members):
        for word in people[key].surnames - _PARTICLES:
            by_word[word].append(key)
    return [same for _, same in sorted(by_word.items()) if len(same) > 1]


_PARTICLES = frozenset(
    {"van", "von", "der", "den", "de", "la", "del", "di", "da", "dos", "al", "el", "bin", "ter", "zu"}
)
"""Words that unrelated surnames share."""


def _find(root: dict[int, int], customer: int) -> int:
    while root[customer] != customer:
        root[customer] = root[root[customer]]
        customer = root[customer]
    return customer


def _join(
    members: Sequence[int],
    basis: str,
    root: dict[int, int],
    size: dict[int, int],
    bases: dict[int, set[str]],
    largest: int,
) -> None:
    """Join the members' homes where the whole stays small enough."""
    homes = sorted({_find(root, m) for m in members})
    if sum(size[h] for h in homes) > largest:
        return
    first = homes[0]
    for home in homes[1:]:
        root[home] = first
        size[first] += size[home]
        bases[first] |= bases.pop(home, set())
    bases[first].add(basis)


def _basis(found: set[str]) -> str:
    return "+".join(b for b in _ORDER if b in found) or "alone"


def _ids(homes: Sequence[Sequence[int]], previous: pa.Table | None) -> list[str]:
    """Return an id for each home: of the former homes of its members, the one of which most of them come.

    Each former id goes to one home, that with most of its members; a home with none gets one of its own, from the
    smallest key among its members, never one that was given before.
    """
    before: dict[int, str] = {}
    if previous is not None:
        before = dict(zip(previous["customer"].to_pylist(), previous["household_id"].to_pylist(), strict=True))
    claims: list[tuple[int, str, int]] = []
    for n, members in enumerate(homes):
        counts: dict[str, int] = defaultdict(int)
        for member in members:
            if member in before:
                counts[before[member]] += 1
        claims += [(-count, old, n) for old, count in counts.items()]
    given: dict[int, str] = {}
    taken: set[str] = set()
    for _, old, n in sorted(claims):
        if n not in given and old not in taken:
            given[n] = old
            taken.add(old)
    used = taken | set(before.values())
    return [given[n] if n in given else _new_id(members[0], used) for n, members in enumerate(homes)]


def _new_id(customer: int, used: set[str]) -> str:
    count = 0
    while True:
        digest = hashlib.blake2b(f"household\x1f{customer}\x1f{count}".encode(), digest_size=5).hexdigest()
        found = f"H{int(digest, 16):012X}"[:13]
        if found not in used:
            used.add(found)
            return found
        count += 1
