"""What identify knows of customers, as a turn and a person take it: who each record is, and what is believed of them.

Why it exists: what systems say lies with their records, what customers answered and people put right lies in the
memory; a profile is made of both, by one rule. No rule of believing may enter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.keys import customer_keys
from rapport.core.people import PEOPLE
from rapport.core.profiles import OBSERVATIONS, WHY
from rapport.identify.crosswalk import Crosswalk
from rapport.identify.observations import ADDRESS, observations_of, profile_table, shown_address
from rapport.identify.profile import survive
from rapport.program.model import Program
from rapport.workflows.identified import latest, people_table
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.profiles import profile_of, survival_of

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class KnownCustomers:
    """What a load takes from identify.

    crosswalk : which customer each record is: system, record_id, customer_id, household_id
    traits : customer_id of every person, and the traits that the programme's customers carry, as text
    aliases : old_key and customer_key, of each id that a customer had before a merge
    """

    crosswalk: pa.Table
    traits: pa.Table
    aliases: pa.Table

    def digest(self) -> str:
        """Return a hex digest (32 digits) of all rows."""
        digest = hashlib.blake2b(Crosswalk(self.crosswalk).digest().encode(), digest_size=16)
        for table in (self.traits, self.aliases):
            for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                digest.update(repr(row).encode())
        return digest.hexdigest()


def known_customers(program: Program, base: Path, memory: IdentityMemory) -> KnownCustomers:
    """Return what the last identify and the memory know.

    Beliefs are those at the latest time at which anything was observed, so that the same records and answers give
    the same traits on any day.
    """
    nodes = memory.records.nodes()
    traits = _traits(program, base, memory, nodes)
    return KnownCustomers(memory.records.crosswalk(), traits, _aliases(nodes))


def _aliases(nodes: pa.Table) -> pa.Table:
    """Return the keys of ids that customers had before, and of those they have."""
    merged = nodes.filter(pc.not_equal(nodes["own_id"], nodes["customer_id"]))
    keys = {n: customer_keys(merged[n].to_pylist()) for n in ("own_id", "customer_id")}
    return pa.table({"old_key": keys["own_id"], "customer_key": keys["customer_id"]})


def _traits(program: Program, base: Path, memory: IdentityMemory, nodes: pa.Table) -> pa.Table:
    """Return every person with the traits that the programme's customers carry."""
    wanted = program.identify.traits
    there = nodes.filter(pc.and_(pc.equal(nodes["kind"], "person"), pc.invert(nodes["gone"])))
    customers = pc.unique(there["customer_id"])
    people = pa.table({"customer_id": customers.take(pc.array_sort_indices(customers))})
    if not wanted:
        return people
    profile, at = believed(program, base, memory, nodes)
    table = profile_table(profile, at.date(), wanted, program.identify.outdated_below)
    place = pc.index_in(people["customer_id"], value_set=table["customer_id"].combine_chunks())
    for name in wanted:
        people = people.append_column(name, pc.cast(table[name], pa.string()).take(place))
    return people


def believed(program: Program, base: Path, memory: IdentityMemory, nodes: pa.Table) -> tuple[pa.Table, datetime]:
    """Return what is believed of all customers, PROFILE, and as of when: the latest time anything was observed."""
    owners = nodes.select(["record_key", "customer_id"])
    observed = pa.concat_tables([_of_records(base, owners, None), memory.profiles.traits().cast(OBSERVATIONS)])
    at = pc.max(observed["at"]).as_py() or LONG_AGO
    return survive(observed, survival_of(program), at).table, at


def said_by_records(memory: IdentityMemory, base: Path, customer_id: str) -> pa.Table:
    """Return what the records of one customer say, OBSERVATIONS."""
    keys = memory.records.node_keys(customer_id)
    nodes = pa.table({"record_key": pa.array(keys, pa.int64()), "customer_id": [customer_id] * len(keys)})
    return _of_records(base, nodes, keys)


def profile_rows(
    memory: IdentityMemory, program: Program, base: Path, customer_id: str, as_of: datetime
) -> list[dict[str, Any]]:
    """Return what is believed of one customer, PROFILE as plain values, by field; addresses and reasons in words."""
    said = said_by_records(memory, base, customer_id)
    rows = profile_of(memory.profiles, program, customer_id, as_of, said)
    for row in rows:
        row["why"] = WHY[row["why"]]
        if row["field"] == ADDRESS:
            row["value"] = shown_address(row["value"])
            row["lost"] = [lost | {"value": shown_address(lost["value"])} for lost in row["lost"]]
    return rows


def _of_records(base: Path, nodes: pa.Table, keys: Sequence[int] | None) -> pa.Table:
    """Return what the records of nodes say, OBSERVATIONS; of some keys, or of all."""
    if latest(base) is None:
        return OBSERVATIONS.empty_table()
    standard, people = people_table(base, "standard", keys), people_table(base, "people", keys)
    traits = [n for n in people.column_names if n not in PEOPLE.names]
    place = pc.index_in(standard["record_key"], value_set=people["record_key"].combine_chunks())
    for name in traits:
        standard = standard.append_column(name, people[name].take(place))
    return observations_of(standard, nodes, traits)
