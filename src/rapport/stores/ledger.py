"""The ledger of merges: who is one customer with whom, since when, why, and how it is undone.

Why it exists: a wrong merge has legal effect, so each is an edge that says who made it and can be switched off, and
nothing that belongs to a node is ever rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, Select, or_, select, type_coerce

from rapport.core.errors import UnknownMerge
from rapport.core.keys import positions
from rapport.stores import nodes as n
from rapport.stores.bulk import in_pieces, read_all, rows_of, update_rows, write_rows
from rapport.stores.database import Database
from rapport.stores.decisions import decide, standing_verdicts
from rapport.stores.edges import Reason, edge_of, join, switch_off
from rapport.stores.forest import Ints, chains, components, first_of, strongest_forest
from rapport.stores.tables import edge, micros, node
from rapport.workflows.identity_ports import Applied, MergeEdge, Undone

_EDGE = ("left_key", "right_key", "origin", "made_by", "why", "evidence", "at")


class LedgerStore:
    """The merges, as `rapport.workflows.identity_ports.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def merge(
        self, left_key: int, right_key: int, by: str, why: str, evidence: str | None, at: datetime
    ) -> MergeEdge:
        """Take two nodes for one customer, as a person decides."""
        if left_key == right_key:
            raise UnknownMerge(f"record {left_key} is to be merged with itself; needs two records. Name another.")
        with self._database.writing(ledger=True) as c:
            n.require_nodes(c, (left_key, right_key))
            decision_id = decide(c, left_key, right_key, "same", by, at)
            merge_id = join(c, left_key, right_key, Reason("person", by, why, at, evidence, decision_id))
            return _edge(c, merge_id)

    def merge_many(self, links: pa.Table, by: str, why: str, at: datetime, origin: str = "person") -> int:
        """Take the pairs of LINKS for one customer each; return how many edges were new."""
        left, right = links["left_key"].to_pylist(), links["right_key"].to_pylist()
        with self._database.writing(ledger=True) as c:
            n.require_nodes(c, [*left, *right])
            there: set[tuple[int, int]] = set(rows_of(_active(c).select(["left_key", "right_key"])))
            rows: dict[tuple[int, int], tuple[object, ...]] = {}
            for one, other, said in zip(left, right, links["evidence"].to_pylist(), strict=True):
                pair = (min(one, other), max(one, other))
                if pair not in there and one != other:
                    rows[pair] = (*pair, origin, by, why, said, micros(at))
            write_rows(c, edge, _EDGE, list(rows.values()))
            _settle(c)
        return len(rows)

    def undo(self, merge_id: int, by: str, why: str, at: datetime) -> Undone:
        """Switch an edge off; the two nodes are never one customer from then on."""
        with self._database.writing(ledger=True) as c:
            found = _edge(c, merge_id)
            if found.undone_at is not None:
                raise UnknownMerge(
                    f"merge {merge_id} was undone by {found.undone_by} on {found.undone_at:%Y-%m-%d}; only one that "
                    f"stands can be undone. See `rapport merges`."
                )
            decision_id = decide(c, found.left_key, found.right_key, "different", by, at)
            switch_off(c, [merge_id], Reason("person", by, why, at, decision_id=decision_id))
            sides = n.customers_of(c, (found.left_key, found.right_key))
            left, right = sides[found.left_key], sides[found.right_key]
            return Undone(_edge(c, merge_id), left, right, left == right)

    def merges(self, customer_id: str | None = None, include_undone: bool = True) -> list[MergeEdge]:
        """Return edges, oldest first; of one customer, those that touch its nodes."""
        query: Select[tuple[object, ...]] = select(edge)
        if not include_undone:
            query = query.where(edge.c.undone_at.is_(None))
        with self._database.reading() as c:
            if customer_id is None:
                found = c.execute(query.order_by(edge.c.merge_id)).mappings()
                return [edge_of(row) for row in found]
            rows: dict[int, MergeEdge] = {}
            for piece in in_pieces(n.keys_of(c, customer_id), 200):
                touching = query.where(or_(edge.c.left_key.in_(piece), edge.c.right_key.in_(piece)))
                rows |= {row["merge_id"]: edge_of(row) for row in c.execute(touching).mappings()}
        return [rows[merge_id] for merge_id in sorted(rows)]

    def merge_of(self, merge_id: int) -> MergeEdge:
        """Return an edge."""
        with self._database.reading() as c:
            return _edge(c, merge_id)

    def apply_clusters(self, clusters: pa.Table, links: pa.Table, by: str, at: datetime) -> Applied:
        """Bring the ledger into line with a resolve run; see the Protocol."""
        with self._database.writing(ledger=True) as c:
            state = _State.read(c, clusters)
            stale = state.stale()
            update_rows(
                c,
                edge,
                ("undone_by", "undone_why", "undone_at"),
                [(by, "no longer together", micros(at), m) for m in stale.tolist()],
            )
            vetoed = state.vetoed(standing_verdicts(c))
            rows = state.lacking(links, stale, vetoed)
            write_rows(c, edge, _EDGE, [(*row[:2], "resolve", by, *row[2:], micros(at)) for row in rows])
            moved = _settle(c) if rows or len(stale) else 0
        return Applied(len(rows), len(stale), moved, len(vetoed), state.unknown)


def _edge(connection: Connection, merge_id: int) -> MergeEdge:
    row = connection.execute(select(edge).where(edge.c.merge_id == merge_id)).mappings().first()
    if row is None:
        raise UnknownMerge(f"there is no merge {merge_id}; merges have numbers from 1. See `rapport merges`.")
    return edge_of(row)


def _active(connection: Connection) -> pa.Table:
    """Return the active edges: merge_id, left_key, right_key, origin."""
    query = select(edge.c.merge_id, edge.c.left_key, edge.c.right_key, edge.c.origin)
    found = read_all(connection, query.where(edge.c.undone_at.is_(None)).order_by(edge.c.merge_id))
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    types = (pa.int64(), pa.int64(), pa.int64(), pa.string())
    names = ["merge_id", "left_key", "right_key", "origin"]
    return pa.table([pa.array(v, t) for v, t in zip(columns, types, strict=True)], names=names)


def _settle(connection: Connection) -> int:
    """Give every node the customer of its component; return how many nodes changed it."""
    t = node.c
    query = select(t.record_key, t.own_id, t.customer_id, type_coerce(t.first_seen, BigInteger))
    found = read_all(connection, query.order_by(t.record_key))
    if not found:
        return 0
    keys, own, customer, seen = (list(column) for column in zip(*found, strict=True))
    ordered = np.array(keys, dtype=np.int64)
    active = _active(connection)
    left, right = (positions(ordered, active[name].to_numpy()) for name in ("left_key", "right_key"))
    labels = components(len(keys), left, right)
    first = first_of(labels, np.lexsort((ordered, np.array(seen, dtype=np.int64)))).tolist()
    changes = [(own[f], key) for key, f, now in zip(keys, first, customer, strict=True) if own[f] != now]
    update_rows(connection, node, ("customer_id",), changes)
    return len(changes)


@dataclass(frozen=True)
class _State:
    """The records of a resolve run, those of them the memory knows, and the active edges between these.

    `keys` ascend; `cluster` is that of each; `left` and `right` are positions of the ends of `edges` among them, -1
    for nodes outside the run.
    """

    keys: Ints
    cluster: Ints
    edges: pa.Table
    left: Ints
    right: Ints
    unknown: int

    @classmethod
    def read(cls, connection: Connection, clusters: pa.Table) -> _State:
        known = np.array(read_all(connection, select(node.c.record_key)), dtype=np.int64).reshape(-1)
        known.sort()
        there = clusters.filter(pa.array(positions(known, clusters["record_key"].to_numpy()) >= 0))
        there = there.sort_by("record_key")
        keys, edges = there["record_key"].to_numpy(), _active(connection)
        cluster = np.unique(there["cluster"].to_numpy(), return_inverse=True)[1].astype(np.int64)
        left, right = (positions(keys, edges[name].to_numpy()) for name in ("left_key", "right_key"))
        return cls(keys, cluster, edges, left, right, len(clusters) - len(there))

    @property
    def inside(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self.left >= 0) & (self.right >= 0)
        return found

    def stale(self) -> Ints:
        """Return the numbers of edges of earlier runs between records that are no longer together."""
        apart = np.zeros(len(self.edges), dtype=np.bool_)
        inside = self.inside
        apart[inside] = self.cluster[self.left[inside]] != self.cluster[self.right[inside]]
        automatic = pc.equal(self.edges["origin"], "resolve").to_numpy(zero_copy_only=False)
        numbers: Ints = self.edges["merge_id"].to_numpy()[apart & automatic]
        return numbers

    def vetoed(self, verdicts: pa.Table) -> Ints:
        """Return the clusters that hold two records of which people said never."""
        never = verdicts.filter(pc.invert(verdicts["same"]))
        left, right = (positions(self.keys, never[name].to_numpy()) for name in ("left_key", "right_key"))
        both = (left >= 0) & (right >= 0)
        at = self.cluster[left[both]]
        return np.unique(at[at == self.cluster[right[both]]])

    def lacking(self, links: pa.Table, stale: Ints, vetoed: Ints) -> list[tuple[int, int, str, str | None]]:
        """Return the edges (left, right, why, evidence) that clusters lack: their strongest links, else a chain."""
        stays = self.inside & ~np.isin(self.edges["merge_id"].to_numpy(), stale)
        same = stays.copy()
        same[stays] = self.cluster[self.left[stays]] == self.cluster[self.right[stays]]
        labels = components(len(self.keys), self.left[same], self.right[same])
        left, right = (positions(self.keys, links[name].to_numpy()) for name in ("left_key", "right_key"))
        useful = np.flatnonzero((left >= 0) & (right >= 0))
        closed = np.zeros(int(self.cluster.max(initial=-1)) + 1, dtype=np.bool_)
        closed[vetoed] = True
        at = self.cluster[left[useful]]
        useful = useful[(at == self.cluster[right[useful]]) & ~closed[at]]
        weight = links["weight"].to_numpy()[useful]
        trees = strongest_forest(len(self.keys), labels[left[useful]], labels[right[useful]], weight)
        taken = useful[trees]
        rows = self._linked(links.take(pa.array(taken)))
        done = components(
            len(self.keys),
            np.concatenate([self.left[same], left[taken]]),
            np.concatenate([self.right[same], right[taken]]),
        )
        one, other = chains(done, self.cluster)
        opened = ~closed[self.cluster[one]]
        pairs = zip(self.keys[one[opened]].tolist(), self.keys[other[opened]].tolist(), strict=True)
        return rows + [(a, b, "one cluster", None) for a, b in pairs]

    @staticmethod
    def _linked(links: pa.Table) -> list[tuple[int, int, str, str | None]]:
        names = ["left_key", "right_key", "basis", "probability", "weight", "evidence"]
        return [
            (a, b, f"{basis}, probability {chance:.4f}, {bits:.1f} bits", said)
            for a, b, basis, chance, bits, said in rows_of(links.select(names))
        ]


def pairs_of(links: pa.Table) -> Sequence[tuple[int, int]]:
    """Return the pairs of LINKS, the smaller key first."""
    both: Iterable[tuple[int, int]] = rows_of(links.select(["left_key", "right_key"]))
    return [(min(pair), max(pair)) for pair in both]
