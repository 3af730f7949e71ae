"""Who is meant by what a person is asked to be forgotten by, and all that names them.

Why it exists: erasing the wrong person cannot be undone, so one customer must be meant and no other. Nothing is
changed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rapport.core.errors import UnknownCustomer
from rapport.core.keys import customer_key
from rapport.core.people import record_key
from rapport.core.tables import LOADED
from rapport.identify.erase import Person, is_telling
from rapport.program.model import Program
from rapport.workflows.identity_ports import Identifier, IdentityMemory, Recognised
from rapport.workflows.state_ports import Store

IDENTIFIERS = ("email", "phone", "card_number", "device_id", "person_number", "tax_number", "anonymous")


@dataclass(frozen=True)
class Meant:
    """Who is meant: the customer of the memory, None where only the sources know them; ids and records."""

    customer_id: str | None
    ids: frozenset[str]
    records: frozenset[tuple[str, str]]
    values: frozenset[str]


def who_is_meant(
    given: str, program: Program, store: Store, memory: IdentityMemory | None, known: bool = False
) -> Meant | None:
    """Return who is meant by an id or identifier; None where nobody of the programme's state is.

    Parameters
    ----------
    memory : IdentityMemory, optional
        Of a programme with people; without it only customer ids of the sources are known.
    known : bool
        Whether the id is taken for one of the sources although no table names it any more.

    Raises
    ------
    UnknownCustomer
        Several customers are meant.
    """
    if memory is not None:
        customer = _in_memory(given, program, memory)
        if customer is not None:
            return _of_memory(customer, program, store, memory)
    found, values = _in_tables(store, {given})
    if not found and not known:
        return None
    return Meant(None, frozenset([given]), _as_records([given], program), frozenset(values))


def person_of(meant: Meant, secret: str) -> Person:
    """Return who is erased, with the secret drawn for it."""
    keys = {customer_key(i) for i in meant.ids} | {record_key(s, r) for s, r in meant.records}
    return Person(meant.ids, meant.records, frozenset(keys), meant.values, bytes.fromhex(secret))


def nobody(given: str, program: Program) -> UnknownCustomer:
    """Return the error for somebody whom nothing of the state names."""
    allowed = (
        "a customer id, old or present, an e-mail, phone or card of theirs, or SYSTEM:RECORD_ID"
        if program.people
        else "a customer id of the sources that were loaded"
    )
    return UnknownCustomer(
        f"customer {given!r} is not known - neither the memory nor a table of the state names them; must be "
        f"{allowed}. Who was never loaded is not in the state; look the id up in the sources."
    )


def _in_memory(given: str, program: Program, memory: IdentityMemory) -> str | None:
    try:
        return memory.records.customer_of(given)
    except UnknownCustomer:
        pass
    customers: set[str] = set()
    for identifier in _identifiers(given, program):
        recognised = memory.contacts.recognise([identifier])
        customers.update(_all_meant(recognised))
    if len(customers) > 1:
        raise UnknownCustomer(
            f"{given!r} is of {len(customers)} customers: {', '.join(sorted(customers))}; one must be meant. "
            "Give a customer id."
        )
    return next(iter(customers), None)


def _all_meant(recognised: Recognised) -> Sequence[str]:
    return recognised.candidates if recognised.customer_id is None else (recognised.customer_id,)


def _identifiers(given: str, program: Program) -> list[Identifier]:
    """Return what a text may be: a record of a system, or an identifier in the form in which the memory has it."""
    text = given.strip()
    system, colon, record = text.partition(":")
    if colon and system in {p.name for p in program.people}:
        return [Identifier(f"record:{system}", record)]
    if "@" in text:
        return [Identifier("email", value) for value in dict.fromkeys([text, text.lower()])]
    bare = "".join(c for c in text if c.isdigit() or c == "+")
    spellings = dict.fromkeys([text, text.lower(), bare] if bare else [text, text.lower()])
    return [Identifier(kind, value) for kind in IDENTIFIERS for value in spellings]


def _of_memory(customer: str, program: Program, store: Store, memory: IdentityMemory) -> Meant:
    nodes = set(memory.records.node_keys(customer))
    table = memory.records.nodes()
    mine = table.filter(pc.is_in(table["record_key"], value_set=pa.array(sorted(nodes), pa.int64()))).to_pylist()
    records = frozenset((row["system"], row["record_id"]) for row in mine)
    ids = {customer} | {row["own_id"] for row in mine} | {row["customer_id"] for row in mine}
    buying = {getattr(source, "system", None) for source in program.sources} - {None}
    ids |= {record for system, record in records if system in buying}
    values = {identifier.value for identifier, _ in memory.contacts.identifiers_of(customer)}
    values |= _in_tables(store, ids)[1] | _of_records(store, records)
    return Meant(customer, frozenset(ids), records | _as_records(ids, program), frozenset(values))


def _as_records(ids: Iterable[str], program: Program) -> frozenset[tuple[str, str]]:
    """Return customer ids as records: of no system, and of each system whose purchases name customers."""
    systems = {getattr(source, "system", None) or "" for source in program.sources} | {""}
    return frozenset((system, i) for system in systems for i in ids)


def _in_tables(store: Store, ids: Iterable[str]) -> tuple[bool, set[str]]:
    """Return whether a table of customers names one of the ids, and the traits that tell who it is."""
    found, values = False, set()
    places = [store.state / "loaded", store.state / "turns"]
    for path in sorted(p for place in places for p in place.glob("*/customers.parquet")):
        table = pq.read_table(path, filters=pc.field("customer_id").isin(pa.array(sorted(ids))))
        found = found or len(table) > 0
        traits = [n for n in table.column_names if n not in LOADED["customers"].names]
        values |= _telling(table.select(traits))
    return found, values


def _of_records(store: Store, records: Iterable[tuple[str, str]]) -> set[str]:
    """Return what tells who a person is in the records as they were loaded."""
    wanted = pa.array(sorted(r for _, r in records))
    pairs, values = set(records), set()
    for path in sorted((store.state / "identity").glob("*/*.parquet")):
        if path.stem in {"people", "standard"}:
            table = _mine(path, wanted, pairs)
            values |= _telling(table.drop_columns(["system", "record_id", "kind"]))
    return values


def _mine(path: Path, wanted: pa.Array, pairs: set[tuple[str, str]]) -> pa.Table:
    table = pq.read_table(path, filters=pc.field("record_id").isin(wanted))
    there = zip(table["system"].to_pylist(), table["record_id"].to_pylist(), strict=True)
    return table.filter(pa.array([pair in pairs for pair in there], pa.bool_()))


def _telling(table: pa.Table) -> set[str]:
    cells: set[str] = set()
    for name in table.column_names:
        for value in table[name].to_pylist():
            cells.update(value if isinstance(value, list) else [value] if isinstance(value, str) else [])
    named = {"full_name", "street", "address"} & set(table.column_names)
    whole = {v for n in named for v in table[n].to_pylist() if isinstance(v, str) and " " in v}
    return {c for c in cells if is_telling(c)} | whole
