"""What the report shows of needs groups, as plain values.

Why it exists: as for `facts`; it stands apart so that both stay short. No query, no clock and no chart may enter.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NeedsGroupFacts:
    """One needs group: its name, what distinguishes it, and per tier its customers and what they are worth (micros).

    `marks` are (what in words, share in the group over everyone's share); `share` of all customers' weights.
    """

    name: str
    customers: int
    share: float
    mean_weight: float
    marks: tuple[tuple[str, float], ...]
    by_tier: tuple[tuple[str, int, int, int, int], ...]
    """Tier, customers, expected contribution, and the sums of the lower and upper ends of the customers'
    intervals."""


@dataclass(frozen=True)
class NumberFacts:
    """One number of groups that was tried; gains in nats a held-out purchase with 95 % intervals."""

    groups: int
    stability: float
    membership: float
    gain: tuple[float, float, float]
    gain_new: float
    over_personal: tuple[float, float, float]
    stable: bool
    chosen: bool


@dataclass(frozen=True)
class NeedsFacts:
    """The needs groups of a turn and how their number was chosen.

    `held_out` is (days, customers, purchases); `popularity` the log-likelihood of a held-out purchase by popularity
    and `personal` the gain of personal frequency over it, with its interval.
    """

    status: str
    why: str
    level: str
    learned_as_of: str
    learned_from: int
    reused: bool
    without_purchase: int
    groups: tuple[NeedsGroupFacts, ...]
    compared: tuple[NumberFacts, ...] = ()
    held_out: tuple[int, int, int] | None = None
    popularity: float = 0.0
    personal: tuple[float, float, float] = (0.0, 0.0, 0.0)
    value_basis: str = "assumed"
