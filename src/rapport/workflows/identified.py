"""What the last identify left on disk: the originals, the standard records, the links and the model.

Why it exists: several commands read it, and only one place knows where it lies.

Layout::

    state/identity/people/<digest>/      people, standard, quarantine, audit, summary.json
    state/identity/resolved/<digest>/    links, clusters, review, model.json, basis.json (what it was learned from)
    state/identity/latest.json           which of these the memory holds
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rapport.core.errors import StageMissing, StateDamaged


def identity_folder(base: Path) -> Path:
    """Return the folder that identify writes to."""
    return base / "state" / "identity"


def latest(base: Path) -> dict[str, Any] | None:
    """Return what the last identify that ended well says of itself, None before the first."""
    path = identity_folder(base) / "latest.json"
    if not path.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StateDamaged(f"{path}: not JSON: {error}. Run identify again.") from error
    return found


def require_latest(base: Path) -> dict[str, Any]:
    """Return what the last identify says of itself; raise StageMissing before the first."""
    found = latest(base)
    if found is None:
        raise StageMissing(f"{base}: nobody has been identified yet. Run: rapport identify {base}")
    return found


def people_table(base: Path, name: str, keys: Iterable[int] | None = None) -> pa.Table:
    """Return a table of the records last identified, such as ``people`` or ``standard``; of some keys, or of all."""
    folder = identity_folder(base) / "people" / str(require_latest(base)["people"])
    return _read(folder / f"{name}.parquet", keys)


def resolved_table(base: Path, name: str) -> pa.Table:
    """Return a table of the last resolution, such as ``links``."""
    folder = identity_folder(base) / "resolved" / str(require_latest(base)["resolved"])
    return _read(folder / f"{name}.parquet", None)


def originals(base: Path, keys: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return records as their systems hold them, by key; those not there are left out."""
    if latest(base) is None:
        return {}
    rows = people_table(base, "people", keys).to_pylist()
    return {int(r["record_key"]): r for r in rows}


def _read(path: Path, keys: Iterable[int] | None) -> pa.Table:
    try:
        if keys is None:
            return pq.read_table(path)
        wanted = pa.array(sorted(set(keys)), pa.int64())
        return pq.read_table(path, filters=pc.is_in(pc.field("record_key"), value_set=wanted))
    except (OSError, pa.ArrowException) as error:
        raise StateDamaged(f"{path}: cannot be read: {error}. Run identify again.") from error
