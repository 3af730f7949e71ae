"""Everything the report of a turn shows, as plain values.

Why it exists: the page is a pure function of these records, so it has the same bytes on every run and can be
tested without data. A figure cannot be made without an interval or the reason why it has none, and cannot
hide that it is assumed. No query, no clock and no chart may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import pyarrow as pa

from rapport.reports.facts_growth import GrowthFacts
from rapport.reports.facts_needs import NeedsFacts
from rapport.reports.facts_plays import PlaysFacts
from rapport.reports.facts_tiers import TiersFacts
from rapport.reports.facts_worksheet import WorksheetFacts

BasisName = Literal["measured", "assumed"]

COUNTED = "counted"


@dataclass(frozen=True)
class Figure:
    """One number that the page shows, with its interval or the reason why it has none.

    Attributes
    ----------
    value : float or None
        In `unit`; None where it cannot be said.
    low, high : float or None
        Ends of the interval, both or neither.
    unit : str
        ``money`` (micros of the currency), ``share`` (of 1, shown as a percentage), ``count``, or any word that
        is shown after the number, such as ``days``.
    basis : "measured" or "assumed"
        `assumed` puts a badge on the number.
    note : str
        Why there is no interval or no value; must be said where either lacks.
    interval : str
        What the interval is.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = "number"
    basis: BasisName = "measured"
    note: str = ""
    interval: str = "95\u202f%\u00a0interval"

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"low is {self.low} and high is {self.high}; give both or neither")
        if (self.low is None or self.value is None) and not self.note:
            raise ValueError("a figure without a value or an interval must say why in note")


def counted(number: int, unit: str = "count") -> Figure:
    """Return a figure that was counted and so has no interval."""
    return Figure(number, unit=unit, note=COUNTED)


@dataclass(frozen=True)
class ChallengeFacts:
    """One challenge of the programme."""

    name: str
    text: str


@dataclass(frozen=True)
class GoalTier:
    """Baseline and target of a goal in one tier; `target` in the unit of the baseline."""

    tier: str
    baseline: Figure
    target: float | None


@dataclass(frozen=True)
class GoalFacts:
    """One goal with its baseline in each tier."""

    name: str
    challenge: str
    measure: str
    window_days: int
    target_change: float
    by: date
    tiers: tuple[GoalTier, ...]


@dataclass(frozen=True)
class LoadCount:
    """What became of the rows of one source."""

    source: str
    read: int
    loaded: int
    quarantined: int


@dataclass(frozen=True)
class QuarantineCount:
    """Rows of a source set aside for one reason (`core.reasons.RowReason`)."""

    source: str
    reason: str
    rows: int


@dataclass(frozen=True)
class TierFacts:
    """One tier: who is in it, what it is for, what it is worth over the horizon."""

    tier: str
    purpose: str
    customers: int
    total_value: Figure
    value_share: Figure
    median_value: Figure
    below_zero: int


@dataclass(frozen=True)
class CurvePoint:
    """The `customer_share` most valuable customers bring `value_share` of the contribution."""

    customer_share: float
    value_share: float


@dataclass(frozen=True)
class ParameterFacts:
    """One parameter of a fitted model."""

    name: str
    figure: Figure


@dataclass(frozen=True)
class ComparedFacts:
    """How one model of purchases or of spend forecast the part of the past that was held out.

    `behind` is its error less that of the best; `verdict` says whether it was chosen, or why it could not be.
    """

    what: str
    name: str
    error: Figure
    behind: Figure
    bias: Figure
    verdict: str


@dataclass(frozen=True)
class ValueModelFacts:
    """The value model: its name, `core.reasons.Status` and parameters.

    `warnings` say in words what the data hardly tell; `compared` what it was chosen among.
    """

    name: str
    status: str
    horizon_days: int
    parameters: tuple[ParameterFacts, ...] = ()
    note: str = ""
    warnings: tuple[str, ...] = ()
    compared: tuple[ComparedFacts, ...] = ()


@dataclass(frozen=True)
class LitmusFacts:
    """Verdicts of the litmus test in one tier, and the sums behind them.

    The counts add up to the customers of the tier. The figures are the expected contribution, after all
    costs, if every customer of the tier were treated at that level.
    """

    tier: str
    individual: int
    segment: int
    mass: int
    none: int
    individual_sum: Figure
    segment_sum: Figure
    mass_sum: Figure


@dataclass(frozen=True)
class DecidedTier:
    """What was decided in one tier. `delivered + held_out + silent = customers`.

    `expected` is over the delivered, its interval runs over the range of the assumed lift; giveaways are
    discounts on what would have been bought anyway; exploration_cost is what drawing by chance gave up.
    """

    tier: str
    customers: int
    delivered: int
    held_out: int
    silent: int
    expected: Figure
    giveaways: Figure
    contact_cost: Figure
    explored: int
    exploration_cost: Figure


@dataclass(frozen=True)
class ChannelFacts:
    """One channel: contacts used of its capacity, its price for the last place, its cost and reach."""

    channel: str
    format: str
    used_by_tier: tuple[tuple[str, int], ...]
    capacity: int
    price: Figure
    cost_per_contact: Figure
    reach: Figure


@dataclass(frozen=True)
class LimitFacts:
    """One limit that customers share.

    `bound` and `used` in `unit`: ``money`` (micros) or what is counted. `price` is what one more unit would bring, of
    a minimum one less; of money a unit of the currency.
    """

    name: str
    counts: str
    at_least: bool
    bound: float
    used: float
    unit: str
    price: Figure
    binding: bool

    @property
    def share(self) -> float:
        """Used over bound; of a limit of 0 it is 1."""
        return self.used / self.bound if self.bound else 1.0

    @property
    def stake(self) -> float:
        """Micros that the bound is worth at the price."""
        scale = 1e6 if self.unit == "money" else 1.0
        return abs(self.price.value or 0.0) * self.bound / scale


@dataclass(frozen=True)
class SharedFacts:
    """What customers share, and how near the plan comes to the best.

    `declared` names limits, levers, kinds and includes of the programme with what they say. `steered` tells that
    levers are in the worth of the plan, the bound and greedy.
    """

    limits: tuple[LimitFacts, ...]
    declared: tuple[tuple[str, str], ...]
    plan_value: Figure
    bound: Figure
    gap: Figure
    greedy: Figure
    exploration_share: Figure
    exploration_cost: Figure
    harm: Figure
    delivered: int
    explored: int
    repaired: int
    steered: bool = False


@dataclass(frozen=True)
class ReasonCount:
    """Customers of a tier who have a reason (`core.reasons.CustomerReason`)."""

    reason: str
    tier: str
    customers: int


@dataclass(frozen=True)
class DepartmentFacts:
    """Slots of all portfolios filled from one department."""

    department: str
    repeat: int
    explore: int


@dataclass(frozen=True)
class OfferFacts:
    """How many customers of each tier were given one offer."""

    name: str
    department: str
    by_tier: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class PortfolioFacts:
    """What the portfolios contain.

    `repeat_share`: per tier, share of slots with an item the household had bought before.
    `coverage`: per tier, share of customers with a portfolio.
    """

    departments: tuple[DepartmentFacts, ...]
    top_offers: tuple[OfferFacts, ...]
    distinct_offers: int
    catalogue_offers: int
    repeat_share: tuple[tuple[str, Figure], ...]
    coverage: tuple[tuple[str, Figure], ...]


@dataclass(frozen=True)
class ReliabilityBin:
    """Offers whose predicted probability fell into one bin, on data the model had not seen."""

    predicted: float
    observed: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class RelevanceKind:
    """How the relevance model does for `repeat` or `explore` offers."""

    kind: str
    measures: tuple[tuple[str, Figure], ...]
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class RelevanceFacts:
    """Diagnostics of the relevance model."""

    version: str
    status: str
    kinds: tuple[RelevanceKind, ...]
    note: str = ""


@dataclass(frozen=True)
class BacktestRow:
    """One measure of one policy in one tier; `ours` marks Rapport, `difference` what Rapport is above another."""

    tier: str
    policy: str
    measure: str
    figure: Figure
    ours: bool = False
    difference: bool = False


@dataclass(frozen=True)
class CampaignRow:
    """One past campaign in one tier: what its households redeemed, beside what would have been offered."""

    campaign: str
    kind: str
    starts: date
    tier: str
    households: int
    measures: tuple[tuple[str, Figure], ...]


@dataclass(frozen=True)
class BacktestFacts:
    """What a backtest found; `hits_measure` and `more_measures` name the measures that are drawn."""

    rows: tuple[BacktestRow, ...]
    hits_measure: str
    campaigns: tuple[CampaignRow, ...] = ()
    note: str = ""
    more_measures: tuple[str, ...] = ()


@dataclass(frozen=True)
class AssumptionFacts:
    """One assumption: what it says, and the share of the expected gain that rests on it."""

    name: str
    value: str
    basis: BasisName
    gain_share: float
    why: str


@dataclass(frozen=True)
class ReportFacts:
    """A whole turn as the report shows it. Parts that are not there yet stay empty, and the page says how to
    get them.

    `audit` has the columns of `core.tables.LOADED["audit"]`. `readout` has those of `core.tables.READOUT`; rows
    whose group is ``difference`` are drawn; its unit ``money`` means micros. `replay` says that nothing was
    really sent.
    """

    programme: str
    turn: str
    as_of: date
    currency: str
    challenges: tuple[ChallengeFacts, ...]
    goals: tuple[GoalFacts, ...]
    loads: tuple[LoadCount, ...]
    quarantine: tuple[QuarantineCount, ...]
    tiers: tuple[TierFacts, ...]
    value_total: Figure
    decided: tuple[DecidedTier, ...]
    channels: tuple[ChannelFacts, ...]
    reasons: tuple[ReasonCount, ...]
    assumptions: tuple[AssumptionFacts, ...]
    audit: pa.Table | None = None
    value_curve: tuple[CurvePoint, ...] = ()
    value_model: ValueModelFacts | None = None
    litmus: tuple[LitmusFacts, ...] = ()
    portfolio: PortfolioFacts | None = None
    relevance: RelevanceFacts | None = None
    backtest: BacktestFacts | None = None
    readout: pa.Table | None = None
    shared: SharedFacts | None = None
    growth: GrowthFacts | None = None
    plays: PlaysFacts | None = None
    needs: NeedsFacts | None = None
    replay: bool = True
    tiers_more: TiersFacts | None = None
    worksheet: WorksheetFacts | None = None
