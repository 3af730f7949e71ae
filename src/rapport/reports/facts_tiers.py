"""What the report shows of tiers over time and of what they are made of, as plain values.

Why it exists: see `reports.facts`. No query, no clock and no chart may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rapport.reports.facts import Figure


@dataclass(frozen=True)
class MoveFacts:
    """Customers who went from `before` ('A', 'B', 'C', 'new') to `after` ('A', 'B', 'C', 'gone')."""

    before: str
    after: str
    customers: int
    value_before: Figure
    value_after: Figure


@dataclass(frozen=True)
class MigrationFacts:
    """Who moved between tiers since the turn before; without one there are no moves.

    `by` is what customers are ranked by, `kept` how many keep a tier that rank alone would not give.
    """

    by: str
    hysteresis: float
    kept: int
    turn_before: str | None
    as_of_before: date | None
    moves: tuple[MoveFacts, ...]


@dataclass(frozen=True)
class SegmentRow:
    """One tier in one sub-segment; where `status` is not OK there are no figures."""

    tier: str
    label: str
    customers: int
    share_of_tier: float
    status: str
    total: Figure | None = None
    share_of_value: Figure | None = None
    median: Figure | None = None
    below_zero: int | None = None
    expected: Figure | None = None


@dataclass(frozen=True)
class TraitFacts:
    """The tiers cut by one trait; `labels` in the order in which they are shown."""

    trait: str
    labels: tuple[str, ...]
    rows: tuple[SegmentRow, ...]


@dataclass(frozen=True)
class DisagreementFacts:
    """A sub-segment that says the opposite of the whole in one tier; see `measure.disagreement`."""

    kind: Literal["ordering", "sign"]
    measure: str
    trait: str
    label: str
    tier: str
    whole: Figure
    within: Figure
    adjusted_p: float
    everywhere: bool


@dataclass(frozen=True)
class SegmentFacts:
    """Every tier in every sub-segment that is shown, what is left out, and what disagrees among `comparisons`."""

    traits: tuple[TraitFacts, ...]
    left_out: tuple[tuple[str, str], ...]
    comparisons: int
    disagreements: tuple[DisagreementFacts, ...]


@dataclass(frozen=True)
class EffectFacts:
    """Treated less held-out in one tier, or in one sub-segment of it where `trait` is said."""

    trait: str
    label: str
    tier: str
    treated: int
    held_out: int
    figure: Figure


@dataclass(frozen=True)
class EffectsFacts:
    """What the turn did in each tier and sub-segment, and the pairs with opposite signs among `comparisons`.

    `status` is WINDOW_OPEN while outcomes still come in; before the first of them there are no rows.
    """

    measure: str
    status: str
    comparisons: int
    rows: tuple[EffectFacts, ...]
    opposed: tuple[tuple[EffectFacts, EffectFacts, float], ...]


@dataclass(frozen=True)
class TiersFacts:
    """Tiers over time and by sub-segment; `effects` once the turn was read out."""

    migration: MigrationFacts | None
    segments: SegmentFacts
    effects: EffectsFacts | None = None
