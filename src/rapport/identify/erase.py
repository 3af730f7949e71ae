"""Erasing a person from tables and texts: rows stay and keep their figures, who they are about goes.

Why it exists: sums and read-outs of the past must keep their numbers after somebody is forgotten, and tables of a
turn must still fit together. Ids become a marker and keys a replacement, the same in every table; what is not known
to be a figure is emptied. The secret behind the replacements is given by the caller and kept by nobody afterwards. No
file is opened here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.people import CLUSTERS, LINKS
from rapport.core.tables import BOOSTS, DECISIONS, LOADED, SCORES, STATES, TOUCHES

MARKER = "erased"
"""What stands for an erased value; an erased customer is called so, with a number that nobody else has."""

_SHORTEST_NUMBER = 6
"""A number of fewer digits is too common to be looked for in free text."""

_PERSON = ("record_key", "system", "kind")
_MESSAGE = ("customer_key", "turn", "channel", "format", "deliver", "offer_ids")

FIGURES: Mapping[str, frozenset[str]] = {
    **{name: frozenset(LOADED[name].names) for name in ("customers", "transactions", "redemptions", "mailings")},
    "interactions": frozenset(LOADED["interactions"].names),
    "states": frozenset(STATES.names),
    "scores": frozenset([*SCORES.names, *BOOSTS.names]),
    "decisions": frozenset(DECISIONS.names),
    "touches": frozenset(TOUCHES.names),
    "messages": frozenset(_MESSAGE),
    "people": frozenset(_PERSON),
    "standard": frozenset(_PERSON),
    "crosswalk": frozenset(_PERSON),
    "clusters": frozenset(CLUSTERS.names),
    "links": frozenset(LINKS.names) - {"evidence"},
    "review": frozenset(LINKS.names) - {"evidence"},
}
"""Columns of each table that stay as they are in the row of an erased person, unless they name the person."""

_KEYS = ("customer_key", "record_key", "left_key", "right_key", "cluster")
_ENDS = ("left_key", "right_key")


@dataclass(frozen=True)
class Person:
    """Who is erased.

    Attributes
    ----------
    ids : customer ids, present and old
    records : (system, record id) of each record
    keys : keys of the customer ids and records
    values : what identifies the person wherever it stands, such as e-mail addresses; see `is_telling`
    secret : drawn for this erasure; with it a replacement can be found again, without it never
    """

    ids: frozenset[str]
    records: frozenset[tuple[str, str]]
    keys: frozenset[int]
    values: frozenset[str]
    secret: bytes

    @cached_property
    def marker(self) -> str:
        """Return the id that stands for the person from now on."""
        return f"{MARKER}-{self._hash('person').hex()}"

    def key(self, key: int) -> int:
        """Return what a key of the person is replaced with."""
        return int.from_bytes(self._hash(f"key {key}"), "big", signed=True)

    def name(self, text: str) -> str:
        """Return what the id of a record or a purchase is replaced with; other ids give others."""
        return f"{MARKER}-{self._hash(f'text {text}').hex()}"

    def touch(self, touch_id: str) -> str:
        """Return the id of a touch with the key of the person in it replaced."""
        for key in self.keys:
            touch_id = touch_id.replace(hex_of(key), hex_of(self.key(key)))
        return touch_id

    def touched(self, name: str) -> bool:
        """Return whether a text, such as the name of a file, holds a key of the person."""
        return any(hex_of(key) in name for key in self.keys)

    def redacted(self, text: str) -> str:
        """Return free text with what identifies the person replaced with the marker."""
        return self._quoted.sub(MARKER, text) if self._quoted is not None else text

    def quoted(self, text: str) -> bool:
        """Return whether a cell that is set aside names the person."""
        parts = (text, *text.split(" + "))
        return any(p.strip() in self.ids for p in parts) or self.redacted(text) != text

    @cached_property
    def _quoted(self) -> re.Pattern[str] | None:
        telling = sorted(self.values | set(filter(_is_telling_id, self.ids)), key=lambda v: (-len(v), v))
        if not telling:
            return None
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, telling))})(?!\w)", re.IGNORECASE)

    def _hash(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), key=self.secret, digest_size=8).digest()


def is_telling(value: str) -> bool:
    """Return whether a value names one person wherever it stands; a short number or a first name does not."""
    return "@" in value or sum(c.isdigit() for c in value) >= _SHORTEST_NUMBER


def _is_telling_id(value: str) -> bool:
    digits = sum(c.isdigit() for c in value)
    return is_telling(value) or (0 < digits < len(value) and len(value) > 3)


def hex_of(key: int) -> str:
    """Return a key as it stands in the ids of touches."""
    return f"{key & 0xFFFFFFFFFFFFFFFF:016x}"


def rows_of(table: pa.Table, person: Person) -> NDArray[np.bool_]:
    """Return which rows of a table are about a person, shape (rows,); a link is about both its ends."""
    mine = np.zeros(len(table), dtype=np.bool_)
    keys = np.fromiter(person.keys, dtype=np.int64, count=len(person.keys))
    names = set(table.column_names)
    for name in (*_KEYS[:2], *_ENDS):
        if name in names:
            mine |= np.isin(table[name].to_numpy(), keys)
    if "customer_id" in names:
        mine |= _among(table["customer_id"], person.ids)
    if {"system", "record_id"} <= names:
        for system in {s for s, _ in person.records}:
            records = {r for s, r in person.records if s == system}
            mine |= _among(table["record_id"], records) & _among(table["system"], {system})
    return mine


def _among(column: pa.ChunkedArray, values: Iterable[str]) -> NDArray[np.bool_]:
    wanted = pa.array(sorted(values), type=column.type)
    return np.asarray(pc.is_in(column, value_set=wanted).to_numpy(), dtype=np.bool_)


def erase_rows(table: pa.Table, name: str, person: Person, silence: bool = False) -> tuple[pa.Table, int]:
    """Return a table without the identity of a person, and how many rows were about them.

    Parameters
    ----------
    name : str
        What the table is called, as in `FIGURES`; of others only keys and ids are kept, replaced.
    silence : bool
        Whether what waits to be delivered is withheld.

    Notes
    -----
    A table whose rows came in the order of their keys comes in that order again, so the place of the row tells
    nothing of the key it had.
    """
    mine = rows_of(table, person)
    count = int(mine.sum())
    if not count:
        return table, 0
    kept = FIGURES.get(name, frozenset())
    rows = [
        {column: _cell(column, value, person, kept, silence) for column, value in row.items()}
        for row in table.filter(pa.array(mine)).to_pylist()
    ]
    apart = pa.concat_tables([table.filter(pa.array(~mine)), pa.Table.from_pylist(rows, schema=table.schema)])
    place = np.concatenate([np.flatnonzero(~mine), np.flatnonzero(mine)])
    again = apart.take(pa.array(np.argsort(place, kind="stable")))
    return _in_order(table, _low_before_high(again)).combine_chunks(), count


_REPLACED: Mapping[str, Callable[[Person, Any], Any]] = {
    "household_key": Person.key,
    "customer_id": lambda person, _: person.marker,
    "own_id": lambda person, _: person.marker,
    "household_id": lambda person, _: person.marker,
    "record_id": Person.name,
    "basket_id": Person.name,
    "touch_id": Person.touch,
    "files": lambda *_: [],
    "subject": lambda *_: "",
    "html": lambda *_: "",
    "text": lambda *_: "",
    "row": lambda *_: "{}",
}
"""What stands in the place of a value that names a person, or that was written to them."""


def _cell(column: str, value: Any, person: Person, kept: frozenset[str], silence: bool) -> Any:
    if value is None:
        return None
    if column in _KEYS:
        return person.key(value) if value in person.keys else value
    if column in _REPLACED:
        return _REPLACED[column](person, value)
    if column not in kept:
        return None
    return value and not silence if column == "deliver" else value


def _low_before_high(table: pa.Table) -> pa.Table:
    """Return links with the lower key on the left again."""
    if not set(_ENDS) <= set(table.column_names):
        return table
    left, right = (table[n].to_numpy() for n in _ENDS)
    for name, keys in zip(_ENDS, (np.minimum(left, right), np.maximum(left, right)), strict=True):
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(keys))
    return table


def _in_order(before: pa.Table, after: pa.Table) -> pa.Table:
    order = [n for n in ("customer_key", "record_key", *_ENDS) if n in before.column_names]
    if not order or not in_order(before[order[0]].to_numpy()):
        return after
    return after.take(pc.sort_indices(after, sort_keys=[(n, "ascending") for n in order]))


def in_order(keys: NDArray[np.int64]) -> bool:
    """Return whether keys never descend."""
    return bool(np.all(keys[1:] >= keys[:-1]))


def erase_accounts(table: pa.Table, person: Person) -> tuple[pa.Table, int]:
    """Return records with the record id of an erased organisation replaced where others work for it; and how many."""
    if not {"system", "account_id"} <= set(table.column_names):
        return table, 0
    pairs = zip(table["system"].to_pylist(), table["account_id"].to_pylist(), strict=True)
    ids = [person.name(a) if a is not None and (s, a) in person.records else a for s, a in pairs]
    count = sum(a != b for a, b in zip(ids, table["account_id"].to_pylist(), strict=True))
    if not count:
        return table, 0
    place = table.column_names.index("account_id")
    return table.set_column(place, table.schema.field("account_id"), pa.array(ids, pa.string())), count


def erase_quarantine(table: pa.Table, person: Person) -> tuple[pa.Table, int]:
    """Return rows that were set aside, without the values that name a person; and how many did."""
    values = table["value"].to_pylist()
    again = [None if v is not None and person.quoted(v) else v for v in values]
    count = sum(v is not None and a is None for v, a in zip(values, again, strict=True))
    place = table.column_names.index("value")
    return table.set_column(place, table.schema.field("value"), pa.array(again, pa.string())), count
