"""What the report shows of the worksheet: the edits that the turn was decided under, as plain values.

Why it exists: who reads a plan must see what people put into it. No chart, no HTML.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EditFacts:
    """One edit in words: what it is about and for whom, what was said, why, by whom and when."""

    product: str
    whom: str
    said: str
    reason: str
    editor: str
    day: str


@dataclass(frozen=True)
class WorksheetFacts:
    """The edits in force when the turn was scored, and how many pairs of a customer and an open offer they meet."""

    edits: tuple[EditFacts, ...]
    vetoed_pairs: int
    boosted_pairs: int
    without_effect: int
