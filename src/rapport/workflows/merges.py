"""The ledger of merges as a person reads and corrects it: what was joined, when, by whom, why, and what was undone.

Why it exists: a wrong merge can be taken back at any time, also after later merges, and a missed one made by hand.
Nothing is printed here.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rapport.core.errors import UnknownMerge
from rapport.workflows.identified import originals
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import MergeEdge


def merges_of(memory: IdentityMemory, base: Path, customer_id: str | None, undone: bool) -> list[dict[str, Any]]:
    """Return the edges of the ledger, newest first, of one customer or of all; those undone only where asked for.

    Raises
    ------
    UnknownCustomer
        Nobody ever had this id.
    """
    edges = memory.ledger.merges(customer_id, include_undone=undone)
    names = originals(base, {k for e in edges for k in (e.left_key, e.right_key)})
    return [_plain(edge, names) for edge in reversed(edges)]


def undo_merge(memory: IdentityMemory, base: Path, merge_id: int, by: str, why: str) -> dict[str, Any]:
    """Take back a merge and return what it left.

    Raises
    ------
    UnknownMerge
        There is no such edge, or it is undone already.
    """
    left = memory.ledger.undo(merge_id, by, why, datetime.now(UTC))
    names = originals(base, (left.edge.left_key, left.edge.right_key))
    found = _plain(left.edge, names)
    return found | {
        "left_customer": left.left_customer,
        "right_customer": left.right_customer,
        "still_joined": left.still_joined,
    }


def merge_customers(memory: IdentityMemory, base: Path, pair: tuple[str, str], by: str, why: str) -> dict[str, Any]:
    """Take two customers for one, as a person decides, and return the edge and the id that stays.

    Raises
    ------
    UnknownCustomer
        Nobody ever had one of the ids.
    UnknownMerge
        The two are one customer already.
    """
    keys = [memory.records.node_keys(customer)[0] for customer in pair]
    left, right = sorted(keys)
    if left == right:
        raise UnknownMerge(
            f"{pair[0]} and {pair[1]} are one customer already, {memory.records.customer_of(pair[0])}; a merge needs "
            f"two. See rapport merges {base} {pair[0]}"
        )
    edge = memory.ledger.merge(left, right, by, why, None, datetime.now(UTC))
    return _plain(edge, originals(base, keys)) | {"customer_id": memory.records.customer_of(pair[0])}


def _plain(edge: MergeEdge, names: dict[int, dict[str, Any]]) -> dict[str, Any]:
    return {
        "merge_id": edge.merge_id,
        "left": called(names, edge.left_key),
        "right": called(names, edge.right_key),
        "origin": edge.origin,
        "by": edge.by,
        "why": edge.why,
        "at": edge.at.isoformat(timespec="seconds"),
        "evidence": json.loads(edge.evidence) if edge.evidence else None,
        "undone_by": edge.undone_by,
        "undone_why": edge.undone_why,
        "undone_at": edge.undone_at.isoformat(timespec="seconds") if edge.undone_at else None,
    }


def called(found: dict[int, dict[str, Any]], key: int) -> str:
    """Return a record in words: its system and id, and the name it holds."""
    record = found.get(key)
    if record is None:
        return f"record {key}"
    parts = [record.get("full_name"), record.get("given_name"), record.get("surname"), record.get("organisation")]
    name = " ".join(p for p in parts if p)
    return f"{record['system']}:{record['record_id']}" + (f" {name}" if name else "")
