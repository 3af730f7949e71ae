"""The records of systems in the memory: which are new, changed or gone, and the customers they belong to.

Why it exists: tomorrow's run must know today's records, or ids would change. A run is remembered whole or not at all,
and the same run again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, delete, select, tuple_, type_coerce

from rapport.core.keys import positions
from rapport.core.people import record_key
from rapport.stores import nodes as n
from rapport.stores.bulk import in_pieces, indexes_later, read_all, rows_of, update_rows, write_rows
from rapport.stores.database import Database
from rapport.stores.tables import UNVERIFIED, VERIFIED, YIELDED, identifier, micros, node
from rapport.workflows.identity_ports import CROSSWALK, DIGESTS, NODES, Seen

IDENTIFIER_COLUMNS = {
    "email": "emails",
    "phone": "phones",
    "card_number": "card_numbers",
    "device_id": "device_ids",
    "person_number": "person_number",
    "tax_number": "tax_number",
}
"""Kind of identifier -> the column of standard records that holds it."""

_MANY = 10_000
_IDENTIFIER = ("token", "record_key", "kind", "value", "standing", "source", "at")


@dataclass(frozen=True)
class _Run:
    """Records of a run: which of them are new, which differ from what is known, which known ones are not there."""

    new: pa.Table
    changed: pa.Table
    gone: NDArray[np.int64]
    same: int


class RecordStore:
    """The nodes of systems, as `rapport.workflows.identity_ports.Records`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remember_records(
        self,
        standard: pa.Table,
        digests: pa.Table,
        verified: Mapping[str, Sequence[str]],
        seen_at: datetime,
        whole: bool = True,
    ) -> Seen:
        """Remember records and their identifiers; see the Protocol."""
        table = standard.append_column("digest", _digests_of(standard, digests))
        at = micros(seen_at)
        with self._database.writing(ledger=True) as c:
            run = _compare(c, table, whole)
            new, suppressed = _without_forgotten(c, run.new)
            with indexes_later(c, node):
                _add(c, new, at)
            changed = run.changed.select(["digest", "record_key"])
            update_rows(c, node, ("digest", "gone"), [(d, 0, k) for d, k in rows_of(changed)])
            update_rows(c, node, ("gone",), [(1, k) for k in run.gone.tolist()])
            _drop_identifiers(c, run.changed)
            held = pa.concat_tables([new, run.changed])
            with indexes_later(c, identifier):
                write_rows(
                    c,
                    identifier,
                    _IDENTIFIER,
                    _identifiers(held, verified, at),
                    update=("standing",),
                    guard=f"identifier.standing <> {YIELDED}",
                )
        return Seen(len(new), len(run.changed), run.same, len(run.gone), suppressed)

    def nodes(self) -> pa.Table:
        """Return all nodes."""
        t = node.c
        seen = type_coerce(t.first_seen, BigInteger)
        query = select(
            t.record_key, t.system, t.record_id, t.kind, t.own_id, t.customer_id, t.household_id, seen, t.gone
        )
        with self._database.reading() as c:
            found = read_all(c, query.order_by(t.record_key))
        columns = list(zip(*found, strict=True)) or [()] * len(NODES)
        arrays = [
            pa.array(v, pa.int64() if f.name == "gone" else _plain(f)) for v, f in zip(columns, NODES, strict=True)
        ]
        return pa.table([a.cast(f.type) for a, f in zip(arrays, NODES, strict=True)], schema=NODES)

    def digests(self, system: str) -> pa.Table:
        """Return what the records of a system, those that are gone left out, held when last seen."""
        query = select(node.c.record_key, node.c.digest).where(node.c.system == system, node.c.gone == 0)
        with self._database.reading() as c:
            found = c.execute(query.order_by(node.c.record_key)).all()
        columns = list(zip(*found, strict=True)) or [(), ()]
        return pa.table([pa.array(v, f.type) for v, f in zip(columns, DIGESTS, strict=True)], schema=DIGESTS)

    def crosswalk(self) -> pa.Table:
        """Return which customer each record belongs to."""
        t = node.c
        query = select(t.system, t.record_id, t.customer_id, t.household_id, t.kind)
        with self._database.reading() as c:
            found = [row[:4] for row in read_all(c, query) if row[4] != "anonymous"]
        columns = list(zip(*found, strict=True)) or [()] * len(CROSSWALK)
        table = pa.table([pa.array(v, f.type) for v, f in zip(columns, CROSSWALK, strict=True)], schema=CROSSWALK)
        return table.sort_by([("system", "ascending"), ("record_id", "ascending")])

    def set_households(self, households: pa.Table) -> int:
        """Set the household of each record, none for others; return how many changed."""
        wanted: dict[int, str | None] = dict(rows_of(households.select(["record_key", "household_id"])))
        with self._database.writing() as c:
            known = read_all(c, select(node.c.record_key, node.c.household_id))
            changes = [(wanted.get(key), key) for key, household in known if wanted.get(key) != household]
            update_rows(c, node, ("household_id",), changes)
        return len(changes)

    def household_of(self, customer_id: str) -> tuple[str | None, list[str]]:
        """Return the household of a customer and who else is in it."""
        t = node.c
        with self._database.reading() as c:
            present = n.present_id(c, customer_id)
            own = select(t.household_id).where(t.customer_id == present, t.household_id.is_not(None))
            household = c.execute(own.order_by(t.first_seen, t.record_key).limit(1)).scalar()
            if household is None:
                return None, []
            others = select(t.customer_id).where(t.household_id == household, t.customer_id != present)
            return household, list(c.execute(others.distinct().order_by(t.customer_id)).scalars())

    def node_keys(self, customer_id: str) -> list[int]:
        """Return the nodes of a customer, oldest first."""
        with self._database.reading() as c:
            return n.keys_of(c, customer_id)

    def customer_of(self, customer_id: str) -> str:
        """Return the present id for an id that a customer has or had."""
        with self._database.reading() as c:
            return n.present_id(c, customer_id)


def _plain(field: pa.Field) -> pa.DataType:
    return pa.int64() if pa.types.is_timestamp(field.type) else field.type


def _digests_of(standard: pa.Table, digests: pa.Table) -> pa.Array:
    """Return the digest of each record, in the order of the records."""
    keys = digests["record_key"].to_numpy()
    order = np.argsort(keys, kind="stable")
    at = positions(keys[order], standard["record_key"].to_numpy())
    if (at < 0).any():
        lacking = standard["record_key"][int(np.argmin(at))].as_py()
        raise ValueError(f"record {lacking} has no digest; every record needs one")
    found: pa.ChunkedArray = digests["digest"].take(pa.array(order[at]))
    return found


def _compare(connection: Connection, table: pa.Table, whole: bool) -> _Run:
    systems = pc.unique(table["system"]).to_pylist()
    t = node.c
    known = connection.execute(select(t.record_key, t.digest, t.gone).where(t.system.in_(systems))).all()
    held = {key: None if gone else digest for key, digest, gone in known}
    keys, digests = table["record_key"].to_pylist(), table["digest"].to_pylist()
    is_new = [key not in held for key in keys]
    is_changed = [not new and held[key] != d for new, key, d in zip(is_new, keys, digests, strict=True)]
    there = {key for key, _, gone in known if not gone}
    gone = np.array(sorted(there - set(keys)) if whole else [], dtype=np.int64)
    new, changed = table.filter(pa.array(is_new, pa.bool_())), table.filter(pa.array(is_changed, pa.bool_()))
    return _Run(new, changed, gone, len(table) - len(new) - len(changed))


def _without_forgotten(connection: Connection, new: pa.Table) -> tuple[pa.Table, int]:
    """Return the records without those of customers who were forgotten, and how many these are."""
    suppressed = n.Suppressed(connection)
    if not suppressed.any or not len(new):
        return new, 0
    records = list(zip(new["system"].to_pylist(), new["record_id"].to_pylist(), strict=True))
    forgotten = suppressed.among((f"record:{s}", r) for s, r in records)
    kept = np.array([(f"record:{s}", r) not in forgotten for s, r in records])
    for kind, column in IDENTIFIER_COLUMNS.items():
        rows, values = _flat(new[column])
        bad = suppressed.among((kind, v) for v in values.to_pylist())
        kept[[row for row, v in zip(rows.tolist(), values.to_pylist(), strict=True) if (kind, v) in bad]] = False
    return new.filter(pa.array(kept)), int((~kept).sum())


def _flat(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], pa.Array]:
    """Return row and value of each value of a column of texts or lists of texts."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    if pa.types.is_list(array.type):
        return pc.list_parent_indices(array).to_numpy(zero_copy_only=False), array.flatten()
    there = np.flatnonzero(array.is_valid().to_numpy(zero_copy_only=False))
    return there, array.take(pa.array(there, pa.int64()))


def _add(connection: Connection, new: pa.Table, at: int) -> None:
    order = np.argsort(new["record_key"].to_numpy(), kind="stable")
    columns = ["record_key", "system", "record_id", "kind", "digest"]
    rows = rows_of(new.select(columns).take(pa.array(order)))
    n.add_nodes(connection, ((key, system, record, kind, at, digest) for key, system, record, kind, digest in rows))


def _identifiers(held: pa.Table, verified: Mapping[str, Sequence[str]], at: int) -> Iterator[tuple[object, ...]]:
    """Yield the rows of identifiers in the order of the tokens, in which a store takes them fastest."""
    parts = []
    keys, systems = held["record_key"].to_numpy(), held["system"].combine_chunks()
    names = systems.to_pylist() if not isinstance(systems, pa.ChunkedArray) else held["system"].to_pylist()
    for kind, column in IDENTIFIER_COLUMNS.items():
        rows, values = _flat(held[column])
        sure = {system: VERIFIED if kind in verified.get(system, ()) else UNVERIFIED for system in set(names)}
        of = [names[row] for row in rows.tolist()]
        part = {
            "token": pa.array([record_key(kind, v) for v in values.to_pylist()], pa.int64()),
            "record_key": pa.array(keys[rows], pa.int64()),
            "kind": pa.array([kind] * len(of), pa.string()).dictionary_encode(),
            "value": values.cast(pa.string()),
            "standing": pa.array([sure[system] for system in of], pa.int8()),
            "source": pa.array(of, pa.string()).dictionary_encode(),
        }
        parts.append(pa.table(part))
    table = pa.concat_tables(parts).unify_dictionaries()
    order = np.argsort(table["token"].to_numpy(), kind="stable")
    for start in range(0, len(order), 65_536):
        for row in rows_of(table.take(pa.array(order[start : start + 65_536]))):
            yield (*row, at)


def _drop_identifiers(connection: Connection, changed: pa.Table) -> None:
    """Delete what a system held of its changed records and holds no longer; claims from elsewhere stay."""
    if not len(changed):
        return
    keys = changed["record_key"].to_pylist()
    still = {
        (record_key(kind, v), keys[row])
        for kind, column in IDENTIFIER_COLUMNS.items()
        for row, v in zip(*(a.tolist() for a in _flat(changed[column])), strict=True)
    }
    systems: dict[int, str] = dict(rows_of(changed.select(["record_key", "system"])))
    t = identifier.c
    for piece in in_pieces(systems):
        query = select(t.token, t.record_key, t.source).where(t.record_key.in_(piece))
        lost = [
            (token, key)
            for token, key, source in connection.execute(query)
            if source == systems[key] and (token, key) not in still
        ]
        for some in in_pieces(lost, 200):
            connection.execute(delete(identifier).where(tuple_(t.token, t.record_key).in_(some)))
