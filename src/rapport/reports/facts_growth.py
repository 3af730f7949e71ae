"""What the report shows of what customers could be worth, and of those who cost money, as plain values.

Why it exists: see `facts`. No query, no clock and no chart may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapport.reports.facts import Figure


@dataclass(frozen=True)
class GrowthTier:
    """The unrealised potential of the customers of a tier who have bought, a year."""

    tier: str
    customers: int
    reached: int
    few_peers: int
    unrealised: Figure
    share: Figure
    median: Figure


@dataclass(frozen=True)
class Growable:
    """A customer whom there is something to win with: how much, against whom, and what the gap is made of."""

    customer_id: str
    tier: str
    peers: str
    actual: Figure
    unrealised: Figure
    trips: Figure
    basket: Figure
    variety: Figure
    wallet: Figure | None = None


@dataclass(frozen=True)
class PayoffTier:
    """How a tier shops: medians over those with a trip, and its share of trips x spend x variety."""

    tier: str
    shopping: int
    trips: Figure
    spend_per_trip: Figure
    variety: Figure
    share: Figure
    factor_shares: tuple[float, float, float] | None


@dataclass(frozen=True)
class SpreadFacts:
    """How much of the spread of spend a grouping explains, and how much is left to one-to-one."""

    grouping: str
    groups: int
    between: Figure
    within: Figure


@dataclass(frozen=True)
class BelowZeroFacts:
    """Customers of a tier who are expected to cost money, for one reason (`core.reasons.BelowZeroReason`)."""

    tier: str
    reason: str
    customers: int
    value: Figure


@dataclass(frozen=True)
class ServiceFacts:
    """What one kind of service costs a customer a year, and how many years of an own record the mean weighs."""

    kind: str
    mean: Figure
    weight: str


@dataclass(frozen=True)
class ProspectFacts:
    """Customers without a purchase and their first year; `if_customer`: no conversion rate is known."""

    customers: int
    valued: int
    first_years: int
    few: int
    if_customer: bool
    value: Figure


@dataclass(frozen=True)
class GrowthFacts:
    """Potential, payoff, customers below zero, cost to serve and prospects of a turn."""

    peers: tuple[str, ...]
    quantile: float
    tiers: tuple[GrowthTier, ...]
    growable: tuple[Growable, ...]
    payoff: tuple[PayoffTier, ...]
    spread: tuple[SpreadFacts, ...]
    below_zero: tuple[BelowZeroFacts, ...]
    service: tuple[ServiceFacts, ...]
    prospects: ProspectFacts
