"""Pairs of nodes weighed: their columns side by side, the level of each comparison, and the bits of evidence.

Why it exists: joining two wide rows to every pair costs more than comparing them. The columns lie in memory once, in
Arrow; of some hundred thousand pairs at a time both sides are gathered, DuckDB tells the levels, and the bits follow
from levels and frequencies by arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.engines.link_sql import columns_of, level_sql
from rapport.identify.comparisons import NAME, Comparison, Strangers
from rapport.workflows.link_ports import Floats, Ints, Scored, Weights

T = TypeVar("T")
Ints32 = NDArray[np.int32]
Nodes = NDArray[np.int64] | NDArray[np.int32]

AT_ONCE = 100_000
"""Pairs that are compared at once by one thread: what both sides take in memory is bounded by it."""
OPEN = -2
"""A level that is not told yet."""
SLACK = 1e-6
"""Bits by which a sum put together in another order may differ."""


@dataclass(frozen=True)
class Frequency:
    """How frequent each node's value of a column is, and a value that occurs once; the number of each node's value."""

    of_node: Floats
    once: float
    number: Ints32


class Sides:
    """Holds the columns that are compared.

    Parameters
    ----------
    con : connection
        In which levels are told.
    columns : Table
        The columns of each node, and `node`.
    frequencies : mapping of str to Frequency
        By column.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, columns: pa.Table, frequencies: Mapping[str, Frequency]
    ) -> None:
        self._con = con
        self._node = columns["node"].to_numpy()
        self._place = np.argsort(self._node, kind="stable").astype(np.int32)
        self._columns = {name: columns[name].combine_chunks() for name in columns.column_names if name != "node"}
        self._frequencies = frequencies
        self._numbers = {name: f.number for name, f in frequencies.items()}

    def levels(self, comparisons: Sequence[Comparison], left: Nodes, right: Nodes) -> NDArray[np.int8]:
        """Return (pairs, comparisons): the level that each pair reaches."""
        parts = [slice(at, at + AT_ONCE) for at in range(0, len(left), AT_ONCE)]
        found = self._each(lambda con, p: self._levels(con, comparisons, left[p], right[p]), parts)
        return np.concatenate(found) if found else np.empty((0, len(comparisons)), np.int8)

    def scored(self, weights: Weights, left: Nodes, right: Nodes, found: Ints, floor: float | None) -> Scored:
        """Return pairs weighed; those below `floor` bits against anyone are left out."""

        def one(con: duckdb.DuckDBPyConnection, part: slice) -> Scored:
            l, r, f = left[part], right[part], found[part]
            if floor is None:
                return self.weighed(weights, l, r, f, self._levels(con, weights.comparisons, l, r), floor)
            rows, level = self._hopeful(con, weights, l, r, floor)
            return self.weighed(weights, l[rows], r[rows], f[rows], level, floor)

        if floor is not None:
            self._number(weights.comparisons)
        parts = [slice(at, at + AT_ONCE) for at in range(0, max(len(left), 1), AT_ONCE)]
        done = self._each(one, parts)
        return Scored(*(np.concatenate([getattr(d, f) for d in done]) for f in Scored.__dataclass_fields__))

    def weighed(
        self,
        weights: Weights,
        left: Nodes,
        right: Nodes,
        found: Ints,
        level: NDArray[np.int8],
        floor: float | None,
    ) -> Scored:
        """Return pairs of known levels weighed; those below `floor` bits against anyone are left out."""
        each = [self._bits(weights, k, left, right, level[:, k]) for k in range(len(weights.comparisons))]
        anyone = _sum(each, range(len(each)), len(left))
        kept = slice(None) if floor is None else anyone >= floor
        each = [e[kept] for e in each]
        total = np.empty((len(left[kept]), len(weights.strangers)))
        for s, kind in enumerate(weights.strangers):
            apart = [k for k, c in enumerate(weights.comparisons) if c.name not in kind.agree]
            total[:, s] = _sum(each, apart, len(total))
            for k in _chance(kind, weights.comparisons):
                # Of what they agree in by chance, how rare it is still counts.
                total[:, s] += np.where(level[kept][:, k] == 0, each[k] - weights.bits[k][0], 0.0)
        return Scored(left[kept].astype(np.int64), right[kept].astype(np.int64), total, level[kept], found[kept])

    def _bits(self, weights: Weights, k: int, left: Nodes, right: Nodes, level: NDArray[np.int8]) -> Floats:
        """Return the bits of one comparison; the first level's by the frequency of the value.

        `own` is the share of records by which a value is frequent only because its bearer has several records.
        """
        bits: Floats = np.append(np.array(weights.bits[k]), 0.0)[level]
        column = weights.comparisons[k].frequency
        if column is not None:
            frequency = self._frequencies[column]
            same = np.flatnonzero(level == 0)
            share = np.maximum(frequency.of_node[left[same]], frequency.of_node[right[same]]) - weights.own[k]
            bits[same] += np.log2(weights.usual[k] / np.maximum(share, frequency.once))
        return bits

    def _hopeful(
        self, con: duckdb.DuckDBPyConnection, weights: Weights, left: Nodes, right: Nodes, floor: float
    ) -> tuple[Ints, NDArray[np.int8]]:
        """Return the rows of pairs that may reach the floor, and their levels.

        Equal values are told by their numbers; of the rest the comparison that can take most away is asked first, and
        only while what is left to ask could still lift a pair above the floor.
        """
        comparisons = weights.comparisons
        level = np.full((len(left), len(comparisons)), OPEN, np.int8)
        most = np.empty((len(left), len(comparisons)))
        for k in range(len(comparisons)):
            level[:, k], most[:, k] = self._at_first_sight(weights, k, left, right)
        upper = most.sum(axis=1)
        rows = np.flatnonzero(upper >= floor - SLACK)
        for k in _by_yield(weights):
            ask = rows[level[rows, k] == OPEN]
            if len(ask):
                told = self._levels(con, [comparisons[k]], left[ask], right[ask])[:, 0]
                level[ask, k] = told
                upper[ask] += self._bits(weights, k, left[ask], right[ask], told) - most[ask, k]
                rows = rows[upper[rows] >= floor - SLACK]
        return rows, level[rows]

    def _at_first_sight(
        self, weights: Weights, k: int, left: Nodes, right: Nodes
    ) -> tuple[NDArray[np.int8], Floats]:
        """Return the level of each pair in one comparison where numbers tell it, and the bits it reaches at most."""
        comparison, bits = weights.comparisons[k], weights.bits[k]
        level = np.full(len(left), OPEN, np.int8)
        same, maybe = np.zeros(len(left), bool), np.full(len(left), not comparison.same)
        for column in comparison.same:
            one, other = self._numbers[column][left], self._numbers[column][right]
            same |= (one == other) & (one >= 0)
            maybe |= ((one == SEVERAL) & (other != EMPTY)) | ((other == SEVERAL) & (one != EMPTY))
        level[same] = 0
        if comparison.needed is not None:
            number = self._numbers[comparison.needed]
            level[(number[left] == EMPTY) | (number[right] == EMPTY)] = -1
        rest = max(0.0, *bits[1:])
        rare = bits[0]
        if comparison.frequency is not None:
            rare += max(0.0, float(np.log2(weights.usual[k] / self._frequencies[comparison.frequency].once)))
        most = np.where(maybe, max(rest, rare), rest)
        known = level > OPEN
        most[known] = self._bits(weights, k, left[known], right[known], level[known])
        return level, most

    def _number(self, comparisons: Sequence[Comparison]) -> None:
        """Number the values by which pairs are told at first sight, once a column.

        None is `EMPTY`; a list has the number of its one value, and `SEVERAL` where it has more.
        """
        firsts = {k.same[0]: k.frequency for k in comparisons if k.same and k.frequency is not None}
        for column in dict.fromkeys(c for k in comparisons for c in (*k.same, k.needed) if c is not None):
            if column in self._numbers:
                continue
            values = self._columns[column]
            if not pa.types.is_list(values.type):
                self._numbers[column] = _coded(values)[self._place]
                continue
            size = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
            found = np.where(size == 0, EMPTY, SEVERAL).astype(np.int32)
            # The frequency of a list is that of its first value, which has been numbered.
            if column in firsts:
                found[size == 1] = self._numbers[firsts[column]][self._node[size == 1]]
            else:
                found[size == 1] = _coded(values.filter(pa.array(size == 1)).flatten())
            self._numbers[column] = found[self._place]

    def _levels(
        self, con: duckdb.DuckDBPyConnection, comparisons: Sequence[Comparison], left: Nodes, right: Nodes
    ) -> NDArray[np.int8]:
        a, b = pa.array(self._place[left]), pa.array(self._place[right])
        sides: dict[str, pa.Array] = {"row": pa.array(np.arange(len(left), dtype=np.int32))}
        for name in dict.fromkeys(column for c in comparisons for column in columns_of(c)):
            values = self._columns[name]
            sides |= {f"{name}_l": values.take(a), f"{name}_r": values.take(b)}
        told = ", ".join(f"{level_sql(c)} AS g{i}" for i, c in enumerate(comparisons))
        con.register("sides", pa.table(sides))
        found = con.sql(f"SELECT row, {told} FROM sides").to_arrow_table()
        con.unregister("sides")
        level = np.empty((len(left), len(comparisons)), np.int8)
        row = found["row"].to_numpy()
        for i in range(len(comparisons)):
            level[row, i] = found[f"g{i}"].to_numpy()
        return level

    def _each(self, work: Callable[[duckdb.DuckDBPyConnection, slice], T], parts: Sequence[slice]) -> list[T]:
        """Return what comes of each part, in order; as many at once as the engine has threads."""
        threads = int(self._con.execute("SELECT current_setting('threads')").fetchall()[0][0])

        def run(part: slice) -> T:
            with self._con.cursor() as con:
                return work(con, part)

        if min(threads, len(parts)) < 2:
            return [run(p) for p in parts]
        with ThreadPoolExecutor(min(threads, len(parts))) as pool:
            return list(pool.map(run, parts))


def _by_yield(weights: Weights) -> list[int]:
    """Return the comparisons in the order in which they are asked: by the bits each can take away a column read."""
    loss = {
        k: (max(bits[1:]) - bits[-1]) / len(columns_of(c))
        for k, (c, bits) in enumerate(zip(weights.comparisons, weights.bits, strict=True))
    }
    return sorted(loss, key=lambda k: (-loss[k], k))


EMPTY, SEVERAL = -1, -2


def _coded(values: pa.Array) -> Ints32:
    codes: Ints32 = pc.fill_null(pc.dictionary_encode(values).indices, EMPTY).to_numpy(zero_copy_only=False)
    return codes


def _chance(kind: Strangers, comparisons: Sequence[Comparison]) -> list[int]:
    """Return the comparisons in which strangers of a kind agree because a name is common."""
    if not kind.chance:
        return []
    return [
        k for k, c in enumerate(comparisons) if c.name in kind.agree and c.frequency is not None and c.family == NAME
    ]


def _sum(each: Sequence[Floats], which: Sequence[int] | range, count: int) -> Floats:
    total = np.zeros(count)
    for k in which:
        total = total + each[k]
    return total
