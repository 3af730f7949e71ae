"""Links by verified identifiers: two records that share a value both systems have verified.

Why it exists: a verified address or number names one customer, and no weighing is needed - unless the records
contradict each other, as two people of one mailbox do; those a person decides. Nothing is read here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

STANDARD_OF = {
    "email": "emails",
    "phone": "phones",
    "person_number": "person_number",
    "card_number": "card_numbers",
    "device_id": "device_ids",
    "tax_number": "tax_number",
}
"""The column of STANDARD that holds what a system verifies."""


def exact_links(standard: pa.Table, verified: Collection[tuple[str, str]]) -> tuple[Ints, Ints]:
    """Return record keys, left < right, of records that share a verified value, each joined to the least of them.

    Parameters
    ----------
    standard : Table
        As `rapport.core.people.STANDARD`.
    verified : collection of (system, column)
        What each system has verified, by the names of `PERSON_COLUMNS`.
    """
    systems: Mapping[str, set[str]] = {}
    for system, column in verified:
        systems.setdefault(column, set()).add(system)  # type: ignore[attr-defined]
    lefts: list[Ints] = [np.empty(0, np.int64)]
    rights: list[Ints] = [np.empty(0, np.int64)]
    for column, names in sorted(systems.items()):
        key, value = _values(standard, STANDARD_OF[column], names)
        left, right = _same_value(key, value)
        lefts.append(left)
        rights.append(right)
    pairs = np.unique(np.stack([np.concatenate(lefts), np.concatenate(rights)], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _values(standard: pa.Table, column: str, systems: Collection[str]) -> tuple[Ints, NDArray[np.int64]]:
    import pyarrow.compute as pc

    part = standard.filter(pc.is_in(standard["system"], pa.array(sorted(systems))))
    values, keys = part[column].combine_chunks(), part["record_key"].to_numpy()
    if pa.types.is_list(values.type):
        keys = keys[pc.list_parent_indices(values).to_numpy()]
        values = pc.list_flatten(values)
    kept = np.asarray(pc.and_(pc.is_valid(values), pc.not_equal(pc.fill_null(values, ""), "")))
    codes = pc.dictionary_encode(values.filter(pa.array(kept)))
    return keys[kept], codes.indices.to_numpy().astype(np.int64)


def _same_value(key: Ints, value: NDArray[np.int64]) -> tuple[Ints, Ints]:
    order = np.lexsort((key, value))
    key, value = key[order], value[order]
    first = np.r_[True, value[1:] != value[:-1]] if len(value) else np.empty(0, bool)
    least = key[np.maximum.accumulate(np.where(first, np.arange(len(key)), 0))] if len(key) else key
    other = least != key
    return least[other], key[other]


CONTRADICTS = ("given_name", "birth_date", "person_number")
"""Comparisons whose `differ` contradicts a verified value."""


def contradicted(level: NDArray[np.int8], names: Collection[str], differ: Mapping[str, int]) -> NDArray[np.bool_]:
    """Return which pairs differ clearly in what one person has one of."""
    found = np.zeros(len(level), bool)
    for k, name in enumerate(names):
        if name in CONTRADICTS:
            found |= level[:, k] == differ[name]
    return found
