"""Values read once each: how a column of many records is standardised by its distinct values.

Why it exists: a million records hold far fewer distinct names, streets and days, and reading one costs the same
whether one record or ten thousand hold it. What a value means stands in the module of its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.reasons import ValueReason

ReadOne = Callable[[str], tuple[str | None, ValueReason | None]]
_NO_SYSTEMS: Any = MappingProxyType({})


@dataclass(frozen=True)
class StandardSettings:
    """What standardising has to know besides the records.

    `country` is that of records that name none, `country_by_system` the same for single systems; both ISO 3166
    alpha-2. `blocked` are further values that never identify anyone, in any notation. `day_first` says how
    12/11/1980 is read where the country does not tell. `as_of` is the day from which ages are counted; without
    it no day is refused as too old or not yet come, and years of two digits are ambiguous. A value that identifies
    and stands beside more than `people_per_value` different names is a desk's, not a person's; 0 asks for no such
    search, as when one record is standardised by itself.
    """

    country: str = "US"
    country_by_system: dict[str, str] = field(default_factory=lambda: _NO_SYSTEMS)
    blocked: tuple[str, ...] = ()
    day_first: bool | None = None
    day_first_by_system: dict[str, bool] = field(default_factory=lambda: _NO_SYSTEMS)
    as_of: date | None = None
    people_per_value: int = 10


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


class Values(NamedTuple):
    """Standard values of a column and, where one is refused, the reason; both as long as the column."""

    values: pa.Array
    reasons: pa.Array


def one_array(column: Any) -> pa.Array:
    """Return a column as one array of strings."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], pa.string())
    return array


def read_distinct(column: pa.Array, read: ReadOne) -> Values:
    """Return what `read` makes of each value, called once for each distinct value that is not null."""
    if len(column) == column.null_count:
        return Values(nothing(len(column)), nothing(len(column)))
    encoded = column.dictionary_encode()
    pairs = [read(v) for v in encoded.dictionary.to_pylist()]
    values = pa.array([p[0] for p in pairs], pa.string())
    reasons = pa.array([p[1] for p in pairs], pa.string())
    return Values(values.take(encoded.indices), reasons.take(encoded.indices))


def read_rest(column: pa.Array, fast: pa.Array, read: ReadOne) -> Values:
    """Return `fast` where it is not null, and of the other values what `read` makes of them."""
    rest = read_distinct(pc.if_else(pc.is_null(fast), column, pa.scalar(None, pa.string())), read)
    return Values(pc.coalesce(fast, rest.values), rest.reasons)


def with_group(column: pa.Array, groups: pa.Array) -> tuple[pa.Array, pa.Array, NDArray[np.int64]]:
    """Return the distinct pairs of value and group, and for each row which pair it holds (-1 where null).

    Parameters
    ----------
    column, groups : string arrays, shape (n,)
        `groups`, such as countries, has no nulls.
    """
    value, group = column.dictionary_encode(), groups.dictionary_encode()
    there = column.is_valid().to_numpy(zero_copy_only=False)
    at = value.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    codes = at * max(len(group.dictionary), 1) + group.indices.to_numpy(zero_copy_only=False)
    distinct, where = distinct_codes(codes[there], max(len(value.dictionary) * len(group.dictionary), 1))
    position = np.full(len(column), -1, dtype=np.int64)
    position[there] = where
    of_value, of_group = np.divmod(distinct, max(len(group.dictionary), 1))
    return value.dictionary.take(pa.array(of_value)), group.dictionary.take(pa.array(of_group)), position


def distinct_codes(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct codes below `size` in ascending order, and where each code stands among them."""
    if size > max(20 * len(codes), 1_000_000):
        distinct, where = np.unique(codes, return_inverse=True)
        return distinct, where
    there = np.zeros(size, dtype=bool)
    there[codes] = True
    distinct = np.flatnonzero(there)
    place = np.empty(size, dtype=np.int64)
    place[distinct] = np.arange(len(distinct))
    return distinct, place[codes]


def spread(values: Values, position: NDArray[np.int64]) -> Values:
    """Return values of distinct pairs at the rows that hold them; -1 gives null."""
    at = pa.array(position, mask=position < 0)
    return Values(values.values.take(at), values.reasons.take(at))


def nothing(n: int) -> pa.Array:
    """Return n null strings."""
    return pa.nulls(n, pa.string())


def refuse(values: Values, where: pa.Array, reason: ValueReason) -> Values:
    """Return the values without those where `where` holds, which get the reason."""
    null = pa.scalar(None, pa.string())
    hit = pc.and_(pc.fill_null(where, False), pc.is_valid(values.values))
    return Values(
        pc.if_else(hit, null, values.values), pc.if_else(hit, pa.scalar(reason.value, pa.string()), values.reasons)
    )


def by_word(texts: pa.Array, read_word: Callable[[str], str]) -> pa.Array:
    """Return texts of which each word (what stands between spaces) is replaced by what `read_word` makes of it.

    Called once for each distinct word; a word may become several or none. Texts that become empty are null.
    """
    words = pc.utf8_split_whitespace(texts)
    flat = words.flatten().dictionary_encode()
    read = pa.array([read_word(w) for w in flat.dictionary.to_pylist()], pa.string())
    lists = _relisted(words, read.take(flat.indices))
    joined = tidy_spaces(pc.binary_join(lists, " "))
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)


def _relisted(words: pa.Array, flat: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(words), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    mask = words.is_null()
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=mask if words.null_count else None)


def tidy_spaces(texts: pa.Array) -> pa.Array:
    """Return texts with single spaces and none at the ends."""
    if pc.any(pc.match_substring(texts, "  ")).as_py():
        texts = pc.replace_substring_regex(texts, " {2,}", " ")
    return pc.utf8_trim(texts, " ")
