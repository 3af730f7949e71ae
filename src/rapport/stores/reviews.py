"""The review queue: pairs that people decide, with the evidence, and what becomes of their decisions.

Why it exists: between a sure match and a sure mismatch lies what costs less to look at than to get wrong. A decision
is remembered for ever, obeyed by the next run, and can be taken back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Connection, and_, case, delete, func, select, tuple_, update

from rapport.stores import nodes as n
from rapport.stores.bulk import in_pieces, rows_of, write_rows
from rapport.stores.database import Database
from rapport.stores.decisions import decide, standing_verdicts
from rapport.stores.edges import Reason, edge_between, join, switch_off
from rapport.stores.tables import VERIFIED, YIELDED, decision, edge, identifier, micros, node, review
from rapport.workflows.identity_ports import Decision, ReviewCounts, ReviewPair, Verdict

_REVIEW = ("left_key", "right_key", "probability", "weight", "basis", "evidence", "queued_at", "status")
_FROM_RUN = ("probability", "weight", "basis", "evidence")


class ReviewStore:
    """The review queue, as `rapport.workflows.identity_ports.Reviews`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queue_reviews(self, links: pa.Table, at: datetime) -> int:
        """Put the pairs of LINKS in the queue, but those decided; return how many wait that did not."""
        names = ["left_key", "right_key", *_FROM_RUN]
        rows = {row[:2]: (*row, micros(at), "open") for row in rows_of(links.select(names))}
        t = review.c
        with self._database.writing(ledger=True) as c:
            n.require_nodes(c, [key for pair in rows for key in pair])
            for pair in rows_of(standing_verdicts(c).select(["left_key", "right_key"])):
                rows.pop(pair, None)
            waiting = set(c.execute(select(t.left_key, t.right_key).where(t.status != "decided")))
            old = select(t.left_key, t.right_key).where(t.status != "decided", t.basis != "conflict")
            for piece in in_pieces([pair for pair in c.execute(old) if pair not in rows], 200):
                c.execute(delete(review).where(tuple_(t.left_key, t.right_key).in_(piece)))
            # A conflict is not made less by a run that finds the two alike.
            write_rows(c, review, _REVIEW, list(rows.values()), update=_FROM_RUN, guard="review.basis <> 'conflict'")
        return len(rows.keys() - waiting)

    def queue_conflicts(self, at: datetime) -> int:
        """Put customers who claim one verified identifier in the queue; return how many pairs are new."""
        i = identifier.c
        several = (
            select(i.token)
            .join(node, node.c.record_key == i.record_key)
            .where(i.standing == VERIFIED)
            .group_by(i.token)
            .having(func.count(node.c.customer_id.distinct()) > 1)
        )
        query = (
            select(i.token, i.kind, i.value, i.record_key, node.c.customer_id)
            .join(node, node.c.record_key == i.record_key)
            .where(i.token.in_(several), i.standing == VERIFIED)
            .order_by(i.token, i.at, i.record_key)
        )
        holders: dict[tuple[str, str], dict[str, int]] = {}
        with self._database.writing(ledger=True) as c:
            for _, kind, value, key, customer in c.execute(query):
                holders.setdefault((kind, value), {}).setdefault(customer, key)
            new = 0
            for (kind, value), of in holders.items():
                first, *others = of.values()
                new += queue_conflict(c, first, others, (kind, value), at)
        return new

    def next_review(self, skip: Iterable[tuple[int, int]] = ()) -> ReviewPair | None:
        """Return the pair to decide next."""
        t, left_out = review.c, set(skip)
        order = (
            case((t.status == "open", 0), else_=1),
            case((t.basis == "conflict", 0), else_=1),
            func.abs(t.probability - 0.5),
            t.left_key,
            t.right_key,
        )
        with self._database.reading() as c:
            for row in c.execute(select(review).where(t.status != "decided").order_by(*order)).mappings():
                if (row["left_key"], row["right_key"]) not in left_out:
                    return ReviewPair(**{name: row[name] for name in _REVIEW if name != "status"})
        return None

    def decide_review(self, left_key: int, right_key: int, verdict: Verdict, by: str, at: datetime) -> Decision:
        """Remember what a person decided: `same` merges, `different` undoes edges between the two."""
        left, right = min(left_key, right_key), max(left_key, right_key)
        with self._database.writing(ledger=True) as c:
            n.require_nodes(c, (left, right))
            evidence = c.scalar(
                select(review.c.evidence).where(review.c.left_key == left, review.c.right_key == right)
            )
            number = decide(c, left, right, verdict, by, at)
            reason = Reason("person", by, "review", at, evidence, number)
            if verdict == "same":
                join(c, left, right, reason)
            elif verdict == "different":
                switch_off(c, c.scalars(select(edge.c.merge_id).where(edge_between(left, right))).all(), reason)
                _yield_claims(c, left, right)
            sides = set(n.customers_of(c, (left, right)).values())
        return Decision(number, left, right, verdict, by, at, verdict == "different" and len(sides) == 1)

    def undo_last_decision(self, by: str, at: datetime) -> Decision | None:
        """Take back the last decision of a person that stands; the pair waits again."""
        t = decision.c
        query = select(decision).where(t.decided_by == by, t.taken_back_at.is_(None))
        with self._database.writing(ledger=True) as c:
            row = c.execute(query.order_by(t.decision_id.desc()).limit(1)).mappings().first()
            if row is None:
                return None
            number, left, right = row["decision_id"], row["left_key"], row["right_key"]
            c.execute(update(decision).where(t.decision_id == number).values(taken_back_by=by, taken_back_at=at))
            why = Reason("person", by, f"decision {number} taken back", at)
            made = select(edge.c.merge_id).where(edge.c.decision_id == number, edge.c.undone_at.is_(None))
            switch_off(c, c.scalars(made).all(), why)
            _switch_on_again(c, number, why)
            if row["verdict"] == "different":
                _claim_again(c, left, right)
            here = (review.c.left_key == left, review.c.right_key == right)
            c.execute(update(review).where(*here).values(status="open"))
        return Decision(number, left, right, row["verdict"], row["decided_by"], row["at"])

    def verdicts(self) -> pa.Table:
        """Return what people decided, the latest of each pair."""
        with self._database.reading() as c:
            return standing_verdicts(c)

    def review_counts(self) -> ReviewCounts:
        """Return how many pairs wait and were decided."""
        t = review.c
        with self._database.reading() as c:
            waits: dict[str, int] = dict(c.execute(select(t.status, func.count()).group_by(t.status)).all())
            conflicts = c.scalar(select(func.count()).where(t.status != "decided", t.basis == "conflict")) or 0
            same = standing_verdicts(c)["same"].to_pylist()
        return ReviewCounts(
            waits.get("open", 0), waits.get("skipped", 0), sum(same), len(same) - sum(same), conflicts
        )


def queue_conflict(
    connection: Connection, claimant: int, holders: Iterable[int], what: tuple[str, str], at: datetime
) -> int:
    """Put a node and others who claim the same verified identifier in the queue; return how many pairs are new."""
    kind, value = what
    evidence = json.dumps({kind: [value, value, "verified for both", 0.0]}, ensure_ascii=False)
    pairs = [(min(claimant, key), max(claimant, key)) for key in holders if key != claimant]
    t = decision.c
    rows = []
    for left, right in pairs:
        stands = (t.left_key == left, t.right_key == right, t.taken_back_at.is_(None), t.verdict != "skip")
        if connection.execute(select(t.decision_id).where(*stands).limit(1)).first() is None:
            rows.append((left, right, 0.5, 0.0, "conflict", evidence, micros(at), "open"))
    return write_rows(connection, review, _REVIEW, rows, update=("basis", "evidence", "status"))


def _both_claim(connection: Connection, left: int, right: int) -> list[dict[int, tuple[int, int, int]]]:
    """Return for each identifier that both nodes claim: node -> (token, standing, at)."""
    i = identifier.c
    rows = connection.execute(select(i.token, i.record_key, i.standing, i.at).where(i.record_key.in_([left, right])))
    claims: dict[int, dict[int, tuple[int, int, int]]] = {}
    for token, key, standing, at in rows:
        claims.setdefault(token, {})[key] = (token, standing, micros(at))
    return [of for of in claims.values() if len(of) == 2]


def _yield_claims(connection: Connection, left: int, right: int) -> None:
    """Leave what both have verified to the node that claimed it first; the other's claim counts as unverified."""
    for of in _both_claim(connection, left, right):
        if all(standing == VERIFIED for _, standing, _ in of.values()):
            later = max(of, key=lambda key: (of[key][2], key))
            _set_standing(connection, of[later][0], later, YIELDED)


def _claim_again(connection: Connection, left: int, right: int) -> None:
    for of in _both_claim(connection, left, right):
        for key, (token, standing, _) in of.items():
            if standing == YIELDED:
                _set_standing(connection, token, key, VERIFIED)


def _set_standing(connection: Connection, token: int, key: int, standing: int) -> None:
    here = and_(identifier.c.token == token, identifier.c.record_key == key)
    connection.execute(update(identifier).where(here).values(standing=standing))


def _switch_on_again(connection: Connection, decision_id: int, why: Reason) -> None:
    """Join again what a decision had undone, by edges like those it undid."""
    for row in connection.execute(select(edge).where(edge.c.undone_decision == decision_id)).mappings().all():
        reason = Reason(row["origin"], why.by, why.why, why.at, row["evidence"])
        join(connection, row["left_key"], row["right_key"], reason)
