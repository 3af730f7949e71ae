"""A person decides pairs of records: what is shown of each, and what the decision changes.

Why it exists: a decision is only as good as the evidence beside it. Values are read from the originals as the systems
hold them, levels of agreement from the link. Nothing is printed here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rapport.core.people import PERSON_COLUMNS
from rapport.workflows.identified import originals
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import ReviewPair, Verdict
from rapport.workflows.merges import called

_MERGED = {"same": "one customer now", "different": "never one customer", "skip": "put off"}


@dataclass(frozen=True)
class Side:
    """One field of a pair: what each record holds, and how far the two agree."""

    field: str
    left: str
    right: str
    level: str


@dataclass(frozen=True)
class Shown:
    """A pair as a person sees it."""

    pair: ReviewPair
    headline: str
    sides: list[Side]


class Desk:
    """One person's sitting at the review queue; pairs put off come again in the next one."""

    def __init__(self, memory: IdentityMemory, base: Path, by: str) -> None:
        self._memory, self._base, self._by = memory, base, by
        self._skipped: list[tuple[int, int]] = []

    def counts(self) -> dict[str, int]:
        """Return how many pairs wait and were decided."""
        return counts_of(self._memory)

    def next(self) -> Shown | None:
        """Return the next pair that was not put off in this sitting."""
        pair = self._memory.reviews.next_review(self._skipped)
        if pair is None or (pair.left_key, pair.right_key) in self._skipped:
            return None
        return show(pair, self._base)

    def decide(self, shown: Shown, verdict: str) -> str:
        """Remember a decision and return in words what came of it."""
        pair, now = shown.pair, datetime.now(UTC)
        if verdict == "skip":
            self._skipped.append((pair.left_key, pair.right_key))
        made = self._memory.reviews.decide_review(
            pair.left_key, pair.right_key, cast(Verdict, verdict), self._by, now
        )
        told = _MERGED[verdict]
        return f"{told}; other links still join the two, until the next identify" if made.still_joined else told

    def take_back(self) -> str | None:
        """Take back the last decision of this person; return in words which, None where there is none."""
        undone = self._memory.reviews.undo_last_decision(self._by, datetime.now(UTC))
        if undone is None:
            return None
        key = (undone.left_key, undone.right_key)
        self._skipped = [k for k in self._skipped if k != key]
        names = originals(self._base, key)
        return f"{called(names, key[0])} and {called(names, key[1])} ({_MERGED[undone.verdict]})"


def waiting(memory: IdentityMemory, base: Path, limit: int) -> dict[str, Any]:
    """Return counts and the first pairs that wait, with what differs."""
    pairs: list[ReviewPair] = []
    while len(pairs) < limit:
        pair = memory.reviews.next_review([(p.left_key, p.right_key) for p in pairs])
        if pair is None or any((p.left_key, p.right_key) == (pair.left_key, pair.right_key) for p in pairs):
            break
        pairs.append(pair)
    shown = [show(p, base) for p in pairs]
    names = originals(base, [k for p in pairs for k in (p.left_key, p.right_key)])
    return {
        "counts": counts_of(memory),
        "pairs": [
            {
                "left": called(names, s.pair.left_key),
                "right": called(names, s.pair.right_key),
                "basis": s.pair.basis,
                "probability": round(s.pair.probability, 4),
                "told": ", ".join(side.field for side in s.sides if side.left and side.right and _differ(side)),
                "evidence": [side.__dict__ for side in s.sides],
            }
            for s in shown
        ],
    }


def _differ(side: Side) -> bool:
    """Return whether a person would call the two values different; ids and times say nothing about who it is."""
    return side.left.casefold() != side.right.casefold() and side.field not in {"record id", "updated at"}


def counts_of(memory: IdentityMemory) -> dict[str, int]:
    """Return how many pairs wait and were decided, as plain values."""
    return dict(memory.reviews.review_counts().__dict__)


def show(pair: ReviewPair, base: Path) -> Shown:
    """Return a pair with its evidence side by side."""
    found = originals(base, [pair.left_key, pair.right_key])
    left, right = found.get(pair.left_key, {}), found.get(pair.right_key, {})
    compared = json.loads(pair.evidence) if pair.evidence else {}
    sides = [
        _side(c.name, left.get(c.name), right.get(c.name), compared.pop(c.name, None))
        for c in PERSON_COLUMNS
        if left.get(c.name) or right.get(c.name) or c.name in compared
    ]
    sides += [_side(name, None, None, found) for name, found in compared.items()]
    if pair.basis == "conflict":
        headline = "Both claim one verified identifier"
    else:
        headline = f"One customer with probability {pair.probability:.3f} (evidence {pair.weight:+.1f} bits)"
    return Shown(pair, headline, sides)


def _side(name: str, left: Any, right: Any, found: Any) -> Side:
    """Return one field of a pair; what was compared stands for what a record holds in another field."""
    one, other, level = _text(left), _text(right), ""
    if isinstance(found, list) and len(found) == 4:
        one, other = one or _text(found[0]), other or _text(found[1])
        level = f"{found[2]} ({found[3]:+.1f} bits)"
    elif found is not None:
        level = str(found)
    return Side(name.replace("_", " "), one, other, level)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
