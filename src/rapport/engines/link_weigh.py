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
from numpy.typing import NDArray

from rapport.engines.link_sql import level_sql
from rapport.identify.comparisons import Comparison
from rapport.workflows.link_ports import Floats, Ints, Scored, Weights

T = TypeVar("T")
Nodes = NDArray[np.int64] | NDArray[np.int32]

AT_ONCE = 100_000
"""Pairs that are compared at once by one thread: what both sides take in memory is bounded by it."""


@dataclass(frozen=True)
class Frequency:
    """How frequent each node's value of a column is, and a value that occurs once."""

    of_node: Floats
    once: float


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
        place = np.argsort(columns["node"].to_numpy(), kind="stable")
        self._place = place.astype(np.int32)
        self._columns = {name: columns[name].combine_chunks() for name in columns.column_names if name != "node"}
        self._frequencies = frequencies

    def levels(self, comparisons: Sequence[Comparison], left: Nodes, right: Nodes) -> NDArray[np.int8]:
        """Return (pairs, comparisons): the level that each pair reaches."""
        parts = [slice(at, at + AT_ONCE) for at in range(0, len(left), AT_ONCE)]
        found = self._each(lambda con, p: self._levels(con, comparisons, left[p], right[p]), parts)
        return np.concatenate(found) if found else np.empty((0, len(comparisons)), np.int8)

    def scored(self, weights: Weights, left: Nodes, right: Nodes, found: Ints, floor: float | None) -> Scored:
        """Return pairs weighed; those below `floor` bits against anyone are left out."""

        def one(con: duckdb.DuckDBPyConnection, part: slice) -> Scored:
            level = self._levels(con, weights.comparisons, left[part], right[part])
            return self.weighed(weights, left[part], right[part], found[part], level, floor)

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

    def _levels(
        self, con: duckdb.DuckDBPyConnection, comparisons: Sequence[Comparison], left: Nodes, right: Nodes
    ) -> NDArray[np.int8]:
        a, b = pa.array(self._place[left]), pa.array(self._place[right])
        sides: dict[str, pa.Array] = {"row": pa.array(np.arange(len(left), dtype=np.int32))}
        for name, values in self._columns.items():
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


def _sum(each: Sequence[Floats], which: Sequence[int] | range, count: int) -> Floats:
    total = np.zeros(count)
    for k in which:
        total = total + each[k]
    return total
