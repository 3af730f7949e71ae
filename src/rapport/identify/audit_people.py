"""What a company can do with its records of people: how usable each field of each system is, and where systems agree.

Why it exists: a filled field is not a usable one - a number typed because one had to be typed reaches nobody, and two
systems that contradict each other cannot both be right. Both are seen only in records that are standardised and
linked. No file is read here, and nothing is believed: `rapport.identify.collect` says what to collect next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.people import PERSON_COLUMNS
from rapport.identify.audit import UNMAPPED, grade

_UNLOCKS = {c.name: c.unlocks for c in PERSON_COLUMNS}
_MADE = {
    "full_name": ("given_name", "surname"),
    "email": ("emails",),
    "phone": ("phones",),
    "card_number": ("card_numbers",),
    "device_id": ("device_ids",),
    "address": ("street", "postal_code", "city"),
}
"""Columns of standard records that a column becomes, where they have other names; one of them is enough."""

_PARTS = {
    "full_name": ("given_name", "middle_name", "surname"),
    "address": ("street", "unit", "city", "region", "postal_code"),
}
"""Columns under which values of a whole are refused, where the system does not hold them for themselves."""

NAMES = ("given_name", "surname")
COMPARED = (
    *NAMES,
    "gender",
    "birth_date",
    "email",
    "phone",
    "address",
    "postal_code",
    "city",
    "person_number",
    "card_number",
    "device_id",
    "organisation",
    "tax_number",
    "website",
    "job_title",
)
"""Fields of which systems can agree or not; an address is compared as a whole, its postal code and town besides."""

_VALUES = {"email": "email_keys", "phone": "phones", "card_number": "card_numbers", "device_id": "device_ids"}
"""Where a customer may have several values, those compared; of e-mail addresses, the mailboxes."""

_BETWEEN = "\x1f"
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Held:
    """What one system declares: its columns, and the traits it keeps besides."""

    columns: tuple[str, ...]
    traits: tuple[str, ...] = ()


def audit_people(
    people: pa.Table, standard: pa.Table, systems: Mapping[str, Held], as_of: datetime
) -> list[dict[str, Any]]:
    """Return one row for each system and field it fills, then one for each column of people that no system fills.

    Parameters
    ----------
    people : Arrow table
        `core.people.PEOPLE`, with traits.
    standard : Arrow table
        `core.people.STANDARD` of the same records.
    systems : mapping of str to Held
        By name, in the order in which they are told.
    as_of : datetime
        When ages are counted.

    Returns
    -------
    list of dict
        `system`, `field`, `rows`, `filled`, `valid` (read, standardised and not refused), `distinct` values in
        standard form, `refused` (count by reason), `fill`, `validity`, `usable` (valid / rows), `grade`, `freshest`
        (day) and `median_age_days` of the records that have it, `unlocks`.
    """
    standard = _aligned(standard, people)
    names = people["system"]
    found: list[dict[str, Any]] = []
    for system, held in systems.items():
        here = pc.equal(names, system)
        mine = _System(system, held, people.filter(here), standard.filter(here), as_of)
        found += [mine.row(field) for field in (*held.columns, *held.traits)]
    mapped = {column for held in systems.values() for column in held.columns}
    return found + [_absent(name) for name in _UNLOCKS if name not in mapped]


def _aligned(standard: pa.Table, people: pa.Table) -> pa.Table:
    """Return standard records in the order of the originals."""
    if standard["record_key"].equals(people["record_key"]):
        return standard
    keys = standard["record_key"].combine_chunks()
    return standard.take(pc.index_in(people["record_key"], value_set=keys))


def _absent(name: str) -> dict[str, Any]:
    counts = {"rows": 0, "filled": 0, "valid": 0, "distinct": 0, "refused": {}}
    shares = {"fill": 0.0, "validity": 0.0, "usable": 0.0, "grade": UNMAPPED}
    times = {"freshest": None, "median_age_days": None}
    return {"system": UNMAPPED, "field": name, **counts, **shares, **times, "unlocks": _UNLOCKS[name]}


class _System:
    """The records of one system, and what is counted of its fields."""

    def __init__(self, name: str, held: Held, people: pa.Table, standard: pa.Table, as_of: datetime) -> None:
        self.name, self.held, self.people, self.standard = name, held, people, standard
        self.at = pc.cast(people["updated_at"], pa.int64())
        self.now = int(pa.scalar(as_of, pa.timestamp("us", tz="UTC")).cast(pa.int64()).as_py())
        lists = standard["refused"].combine_chunks()
        told = pc.split_pattern(pc.list_flatten(lists), ":", max_splits=1)
        self.refused_at = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
        self.refused_field, self.refused_why = pc.list_element(told, 0), pc.list_element(told, 1)

    def row(self, field: str) -> dict[str, Any]:
        """Return the row of one field."""
        rows = self.people.num_rows
        filled = there(self.people[field])
        hit, why = self._refused(field)
        valid = filled & self._made(field)
        if field not in _VALUES:
            # Of several values of a record one may be refused and another be good; of one, none is left.
            valid[hit] = False
        read, n = int(valid.sum()), int(filled.sum())
        times = self.at.filter(pa.array(filled)).drop_null().to_numpy()
        ages = np.maximum(self.now - times, 0) // _DAY
        return {
            "system": self.name,
            "field": field,
            "rows": rows,
            "filled": n,
            "valid": read,
            "distinct": self._distinct(field, valid),
            "refused": why,
            "fill": n / rows if rows else 0.0,
            "validity": read / n if n else 0.0,
            "usable": read / rows if rows else 0.0,
            "grade": grade(read, rows),
            "freshest": _day(int(times.max())) if len(times) else None,
            "median_age_days": int(np.median(ages)) if len(ages) else None,
            "unlocks": _UNLOCKS.get(field, f"profiles and segments by {field}"),
        }

    def _made(self, field: str) -> NDArray[np.bool_]:
        if field in self.held.traits or field == "record_id":
            return there(self.people[field])
        parts = [there(self.standard[c]) for c in _MADE.get(field, (field,))]
        return np.asarray(np.logical_or.reduce(parts), dtype=bool)

    def _refused(self, field: str) -> tuple[NDArray[np.int64], dict[str, int]]:
        """Return the records that lost their only value of a field, and how many values were refused, by reason."""
        parts = [p for p in _PARTS.get(field, ()) if p not in self.held.columns]
        hit = pc.is_in(self.refused_field, value_set=pa.array([field, *parts]))
        counts = pc.value_counts(self.refused_why.filter(hit)).to_pylist()
        own = pc.equal(self.refused_field, field).to_numpy(zero_copy_only=False)
        return self.refused_at[own], {str(c["values"]): int(c["counts"]) for c in counts}

    def _distinct(self, field: str, valid: NDArray[np.bool_]) -> int:
        kept = pa.array(valid)
        if field in self.held.traits or field == "record_id":
            values = self.people[field].filter(kept)
        elif field == "full_name":
            values = _joined([self.standard[c].filter(kept) for c in NAMES])
        else:
            values = _values_of(self.standard, field).filter(kept)
        if pa.types.is_list(values.type):
            values = pc.list_flatten(values)
        return int(pc.count_distinct(values).as_py())


def there(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return where a column of texts, lists or values holds something."""
    if pa.types.is_list(column.type):
        held = pc.greater(pc.list_value_length(column), 0)
    elif pa.types.is_string(column.type):
        held = pc.not_equal(column, "")
    else:
        held = pc.is_valid(column)
    return np.array(pc.fill_null(held, False).to_numpy(), dtype=bool)


def _day(micros: int) -> Any:
    return pa.scalar(micros, pa.timestamp("us", tz="UTC")).cast(pa.date32()).as_py()


def _joined(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*(pc.fill_null(c, "") for c in columns), _BETWEEN)


def _values_of(standard: pa.Table, field: str) -> pa.ChunkedArray:
    """Return the values of a field in the form in which they are compared."""
    if field != "address":
        return standard[_VALUES.get(field, field)]
    town = pc.or_(pc.is_valid(standard["postal_code"]), pc.is_valid(standard["city"]))
    whole = pc.and_(pc.is_valid(standard["street"]), town)
    place = pc.coalesce(standard["postal_code"], standard["city"])
    text = _joined([standard["street"], standard["house_number"], place])
    return pc.if_else(whole, text, pa.scalar(None, pa.string()))


def agreement(
    people: pa.Table, standard: pa.Table, customers: pa.Table, traits: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return for each field how often systems say the same of the same customer.

    Two systems agree about a customer where any value of one is a value of the other; a customer's systems agree
    where each two of them do. Fields that no customer has in two systems are left out: nothing can be said of them.

    Parameters
    ----------
    people, standard : as for `audit_people`
    customers : Arrow table
        record_key, customer_id; records without a customer are not compared.
    traits : sequence of str
        Columns of `people` that are compared as they are.

    Returns
    -------
    list of dict
        `field`, `customers` who have it in two or more systems, `agree` of them, `share`, and `pairs`: the same for
        each two systems, `left` and `right`.
    """
    standard = _aligned(standard, people)
    place = pc.index_in(people["record_key"], value_set=customers["record_key"].combine_chunks())
    coded = customers["customer_id"].combine_chunks().dictionary_encode()
    owner = coded.indices.take(place).combine_chunks()
    systems = people["system"].combine_chunks().dictionary_encode()
    names = systems.dictionary.to_pylist()
    known = owner.is_valid().to_numpy(zero_copy_only=False)
    number = owner.fill_null(0).to_numpy().astype(np.int64)
    rows = _Rows(known, number, systems.indices.to_numpy(zero_copy_only=False), len(coded.dictionary))
    fields = [(f, _values_of(standard, f)) for f in COMPARED] + [(t, people[t]) for t in traits]
    found = (_agreement_of(field, values, rows, names) for field, values in fields)
    return [row for row in found if row is not None]


@dataclass(frozen=True)
class _Rows:
    """Of each record: whether its customer is known, customer and system as numbers; and how many customers."""

    known: NDArray[np.bool_]
    customer: NDArray[np.int64]
    system: NDArray[np.int32]
    customers: int


def _agreement_of(field: str, values: pa.ChunkedArray, rows: _Rows, names: Sequence[str]) -> dict[str, Any] | None:
    at, code, different = _coded(values)
    kept = rows.known[at]
    at, code = at[kept], code[kept]
    customer, system = rows.customer[at], rows.system[at]
    sayings, which = np.unique(customer * different + code, return_inverse=True)
    whose = sayings // different
    # Of each system, which customers it says something of, and what: marks, so that nothing is sorted again.
    held, said = (np.zeros((len(names), n), dtype=bool) for n in (rows.customers, len(sayings)))
    held[system, customer], said[system, which] = True, True
    apart = np.zeros(rows.customers, dtype=bool)
    pairs = []
    for a, b in combinations(range(len(names)), 2):
        both, same = held[a] & held[b], np.zeros(rows.customers, dtype=bool)
        same[whose[said[a] & said[b]]] = True
        apart |= both & ~same
        if both.any():
            pairs.append({"left": names[a], "right": names[b], **_shared(both, both & ~same)})
    several = held.sum(axis=0) > 1
    return {"field": field, **_shared(several, apart), "pairs": pairs} if pairs else None


def _shared(some: NDArray[np.bool_], apart: NDArray[np.bool_]) -> dict[str, Any]:
    customers = int(some.sum())
    agree = customers - int(apart.sum())
    return {"customers": customers, "agree": agree, "share": agree / customers}


def _coded(values: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return record and value, as a number, of all that is said, and how many numbers there are."""
    flat = values.combine_chunks()
    if pa.types.is_list(flat.type):
        at = pc.list_parent_indices(flat).to_numpy(zero_copy_only=False).astype(np.int64)
        flat = pc.list_flatten(flat)
    else:
        at = np.arange(len(flat), dtype=np.int64)
    kept = there(pa.chunked_array([flat]))
    encoded = flat.filter(pa.array(kept)).dictionary_encode()
    code = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return at[kept], code, max(1, len(encoded.dictionary))
