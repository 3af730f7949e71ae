"""What customers of the sample page could be worth."""

from __future__ import annotations

from rapport.reports.facts import Figure
from rapport.reports.facts_growth import (
    BelowZeroFacts,
    Growable,
    GrowthFacts,
    GrowthTier,
    PayoffTier,
    ProspectFacts,
    ServiceFacts,
    SpreadFacts,
)

M = 1e6


def amount(value: float, low: float | None = None, high: float | None = None) -> Figure:
    ends = (None if end is None else end * M for end in (low, high))
    return Figure(value * M, *ends, "money", "assumed", "" if low is not None else "a year")


def part(value: float, low: float | None = None, high: float | None = None) -> Figure:
    return Figure(value, low, high, "share", note="" if low is not None else "of the sum over the tiers")


def plain(value: float) -> Figure:
    return Figure(value, note="median")


GROWTH = GrowthFacts(
    peers=("age", "home_ownership"),
    quantile=0.80,
    tiers=(
        GrowthTier("A", 616, 369, 282, amount(85_205, 36_823, 161_432), part(0.108), amount(0)),
        GrowthTier("B", 1_355, 119, 265, amount(492_277, 398_934, 602_520), part(0.622), amount(308.17)),
        GrowthTier("C", 493, 7, 12, amount(214_215, 201_393, 226_919), part(0.271), amount(440.35)),
    ),
    growable=(
        Growable("1604", "B", "age: 35-44 <b>", amount(144.87), amount(1_253, 1_148, 1_377), amount(4.51),
                 amount(584.77), amount(-329.96), part(0.31)),
        Growable("1649", "B", "age: 45-54 (TOO_FEW_CUSTOMERS)", amount(228.31), amount(1_529, 1_143, 1_823),
                 amount(815.21), amount(179.04), amount(142.45)),
    ),
    payoff=(
        PayoffTier("A", 616, plain(106.0), amount(39.92), plain(2.88), part(0.637), (0.81, 0.215, -0.025)),
        PayoffTier("B", 1_355, plain(42.3), amount(25.88), plain(2.46), part(0.336), (0.73, 0.187, 0.083)),
        PayoffTier("C", 0, plain(0), amount(0), plain(0), part(0.027), None),
    ),
    spread=(
        SpreadFacts("tier", 3, part(0.63, 0.575, 0.677), part(0.37, 0.323, 0.425)),
        SpreadFacts("peers", 148, Figure(None, unit="share", note="TOO_FEW_CUSTOMERS"),
                    Figure(None, unit="share", note="TOO_FEW_CUSTOMERS")),
    ),
    below_zero=(
        BelowZeroFacts("B", "RETURNS", 3, amount(-210.5)),
        BelowZeroFacts("C", "DISCOUNTS", 58, amount(-911.2)),
    ),
    service=(
        ServiceFacts("service and complaints", amount(3.21), "0.8 years"),
        ServiceFacts("bids lost", amount(0), "all alike: the mean"),
    ),
    prospects=ProspectFacts(120, 118, 801, 31, True, amount(20_120, 17_100, 23_190)),
)  # fmt: skip
