"""The plays of a turn as the report shows them.

Why it exists: the page and what is gathered for it agree on these records. No number is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    # The facts of a whole turn hold these.
    from rapport.reports.facts import Figure


@dataclass(frozen=True)
class PlayFacts:
    """One play in use: whom it is for by tier, what is at stake, and what was decided.

    `at_stake`, `expected` and `delivered` are None where the play does not talk. `contacted` counts those it is for
    who get anything in this turn.
    """

    name: str
    title: str
    why: str
    owner: str
    effect: Literal["contact", "restrain", "steer"]
    channel: str
    evidence: str
    assumption: str
    customers: tuple[tuple[str, int], ...]
    contacted: int
    held_out: int
    delivered: int | None = None
    at_stake: Figure | None = None
    expected: Figure | None = None


@dataclass(frozen=True)
class PlaysFacts:
    """The plays that a turn used, in the order of their names."""

    plays: tuple[PlayFacts, ...]
