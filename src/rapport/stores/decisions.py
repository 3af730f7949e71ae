"""What people decided about pairs of nodes: the latest that was not taken back counts.

Why it exists: merging, undoing and reviewing all decide, within their own transactions.
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
from sqlalchemy import Connection, func, insert, select, update

from rapport.core.people import VERDICTS
from rapport.stores.tables import decision, review
from rapport.workflows.identity_ports import Verdict


def decide(connection: Connection, left_key: int, right_key: int, verdict: Verdict, by: str, at: datetime) -> int:
    """Remember what a person decided about a pair, take it from the queue, and return the number of the decision."""
    left, right = min(left_key, right_key), max(left_key, right_key)
    values = {"left_key": left, "right_key": right, "verdict": verdict, "decided_by": by, "at": at}
    number: int = connection.execute(insert(decision).values(values)).inserted_primary_key[0]  # type: ignore[index]
    status = "skipped" if verdict == "skip" else "decided"
    here = (review.c.left_key == left, review.c.right_key == right)
    connection.execute(update(review).where(*here).values(status=status))
    return number


def standing_verdicts(connection: Connection) -> pa.Table:
    """Return the verdicts that stand, ascending by pair."""
    t = decision.c
    stands = (t.taken_back_at.is_(None), t.verdict != "skip")
    latest = select(func.max(t.decision_id)).where(*stands).group_by(t.left_key, t.right_key)
    query = select(t.left_key, t.right_key, t.verdict).where(t.decision_id.in_(latest))
    found = connection.execute(query.order_by(t.left_key, t.right_key)).all()
    left, right, verdicts = (list(v) for v in zip(*found, strict=True)) if found else ([], [], [])
    columns = [pa.array(left, pa.int64()), pa.array(right, pa.int64()), pa.array([v == "same" for v in verdicts])]
    return pa.table([a.cast(f.type) for a, f in zip(columns, VERDICTS, strict=True)], schema=VERDICTS)
