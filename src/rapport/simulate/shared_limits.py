"""A made-up policy with a thousand shared limits, and what customers carry for it, from a seed.

Why it exists: the plan of a crowd is measured with every kind of limit at once: contacts of a channel, of a tier in a
channel, copies of single offers, money of suppliers. Nothing is decided here and no file is written.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHANNELS = (("email", 4_000, 0.30), ("app", 1_000, 0.25), ("sms", 40_000, 0.50), ("mail", 450_000, 0.70))
"""Name, cost of a contact in micros, reach; a call stands beside them, dear and seen by nearly all."""

CALL = ("call", 2_500_000, 0.90)
TIERS = ("A", "B", "C")
SUPPLIERS = 80


@dataclass(frozen=True)
class PlantedLimit:
    """One limit: what it counts, its bound, the channels, the offers (None for all) and the tier (None for all)."""

    name: str
    counts: str
    bound: float
    channels: tuple[int, ...]
    offers: tuple[int, ...] | None
    tier: int | None


def plant_limits(customers: int, offers: int, count: int, seed: int) -> tuple[PlantedLimit, ...]:
    """Return `count` limits for so many customers: contacts, contacts of a tier, supplier money, and stocks.

    Contacts are scarce in the dear channels; a supplier pays about half of what would be given away; stocks are drawn
    so that about half of them bind.
    """
    draw = np.random.default_rng([seed, 10])
    every = tuple(range(len(CHANNELS) + 1))
    limits = []
    for c, (name, share) in enumerate((("email", 0.6), ("app", 0.3), ("sms", 0.1), ("mail", 0.05), ("call", 0.002))):
        limits.append(PlantedLimit(f"{name} contacts", "contacts", round(share * customers), (c,), None, None))
        for t, tier in enumerate(TIERS):
            part = round(share * customers * (0.35, 0.55, 0.2)[t])
            limits.append(PlantedLimit(f"{name} contacts of {tier}", "contacts", part, (c,), None, t))
    owner = draw.integers(0, SUPPLIERS, offers)
    for s in range(min(SUPPLIERS, max(count - len(limits), 0))):
        mine = tuple(np.flatnonzero(owner == s).tolist())
        money = round(float(draw.uniform(0.2, 1.2)) * 40_000.0 * customers / SUPPLIERS)
        limits.append(PlantedLimit(f"funds of supplier {s}", "giveaway", money, every, mine, None))
    for j in draw.permutation(offers)[: max(count - len(limits), 0)]:
        copies = round(float(draw.lognormal(0.0, 1.0)) * 5.0 * customers / offers)
        limits.append(PlantedLimit(f"stock of {j}", "offers", copies, every, (int(j),), None))
    return tuple(limits[:count])


def plant_people(chunk: int, n: int, seed: int) -> dict[str, NDArray[np.generic]]:
    """Return tier, contacts made, reachable channels, value and arm of the customers of a chunk."""
    draw = np.random.default_rng([seed, 11, chunk])
    channels = len(CHANNELS) + 1
    return {
        "tier": draw.choice(len(TIERS), n, p=(0.25, 0.55, 0.20)),
        "contacts_in_period": draw.integers(0, 5, n),
        "reachable": draw.random((n, channels)) < (0.8, 0.4, 0.5, 0.95, 0.6),
        "value_micros": (draw.lognormal(3.5, 1.2, n) * 1e6).astype(np.int64),
        "holdout": draw.random(n) < 0.05,
    }
