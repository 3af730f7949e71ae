"""The crosswalk: which customer a record of a system is of, and which household.

Why it exists: purchases carry the ids of the systems they come from; decisions are about customers. Pure: tables and
arrays in and out. How records become customers is not decided here.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CROSSWALK = pa.schema(
    [
        pa.field("system", pa.string(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        ("household_id", pa.string()),
    ]
)
"""One row for each record of a system."""


class Crosswalk:
    """Looks up customers by the ids of their records.

    Parameters
    ----------
    table : pyarrow.Table
        The columns of `CROSSWALK`.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table.select(CROSSWALK.names)
        self._by_system: dict[str, dict[str, str]] = {}

    def customers(self, system: str, ids: pa.ChunkedArray) -> tuple[pa.Array, int]:
        """Return the customer of each id of a system, and how many ids have one; ``system:id`` for the others."""
        known = self._of(system)
        coded = ids.combine_chunks().dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        distinct = coded.dictionary.to_pylist()
        found = pa.array([known.get(i, f"{system}:{i}") for i in distinct], pa.string())
        there = np.fromiter((i in known for i in distinct), dtype=bool, count=len(distinct))
        return found.take(coded.indices), int(there[coded.indices.to_numpy(zero_copy_only=False)].sum())

    def households(self) -> pa.Table:
        """Return customer_id, household_id of the records whose household is known."""
        table = self._table.select(["customer_id", "household_id"])
        return table.filter(pc.is_valid(table["household_id"]))

    def digest(self) -> str:
        """Return a hex digest (32 digits) of the rows, whatever their order."""
        ordered = self._table.sort_by([("system", "ascending"), ("record_id", "ascending")])
        digest = hashlib.blake2b(digest_size=16)
        for batch in ordered.to_batches(max_chunksize=65_536):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                digest.update(repr(row).encode())
        return digest.hexdigest()

    def _of(self, system: str) -> dict[str, str]:
        if system not in self._by_system:
            own = self._table.filter(pc.equal(self._table["system"], system))
            self._by_system[system] = dict(
                zip(own["record_id"].to_pylist(), own["customer_id"].to_pylist(), strict=True)
            )
        return self._by_system[system]
