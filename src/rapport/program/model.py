"""The programme as data: every setting of program.toml, its range and its default, declared once.

Why it exists: the strategy is stated before any channel is used, and what is not stated here does not happen.
The reference page and the errors are derived from these declarations. No file is read here.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from rapport.core.errors import nearest
from rapport.program.accounts import Accounts
from rapport.program.identify import Identify, People, check_people
from rapport.program.needs import Needs
from rapport.program.part import Condition, Name, NotNegative, Odds, Part, Share, Text, one_of
from rapport.program.plays import Plays
from rapport.program.potential import Potential, Prospects, check_potential
from rapport.program.questions import Question, check_questions
from rapport.program.shared import Include, Kind, Lever, Limit, check_channels, check_shared
from rapport.program.source import Source, SourceKind, known_zone
from rapport.program.tiers import BY_VALUE, Report, check_hysteresis, check_segments
from rapport.program.value import Value

TierName = Literal["A", "B", "C"]
Measure = Literal[
    "margin_per_customer",
    "sales_per_customer",
    "active_share",
    "purchase_days_per_customer",
    "departments_per_customer",
    "discount_share",
]


class Challenge(Part):
    """What stands between the company and where it wants to be."""

    name: Name = Field(description="Short name that goals refer to.")
    text: Text = Field(description="The challenge in one or two sentences.")


class Goal(Part):
    """What is to be reached, how it is measured, and by when."""

    name: Name = Field(description="Short name that channels refer to.")
    challenge: Name = Field(description="Name of the challenge this goal answers.")
    measure: Measure = Field(description="The measure; its baseline is taken before the first turn.")
    window_days: Annotated[int, Field(strict=True, ge=1, le=730)] = Field(
        default=91, description="Days before the day of measurement over which the measure is taken."
    )
    tiers: tuple[TierName, ...] = Field(
        default=("A", "B", "C"), min_length=1, description="Tiers whose customers the goal is about."
    )
    target_change: Annotated[float, Field(strict=True, gt=-1.0, le=10.0, allow_inf_nan=False)] = Field(
        description="Wanted change against the baseline as a share: 0.05 is five per cent more."
    )
    by: date = Field(description="Day by which it is to be reached.")


class TierRule(Part):
    """How customers are ranked into tiers."""

    LATER: ClassVar[frozenset[str]] = frozenset({"by", "hysteresis"})

    top_share: Share = Field(default=0.25, description="Share of customers, by expected contribution, in A.")
    bottom_share: Share = Field(default=0.20, description="Share of customers, by expected contribution, in C.")
    by: Condition = Field(
        default=BY_VALUE,
        description="What customers are ranked by: `value`, the expected contribution, or SQL over the columns of a "
        "customer's state and value that gives a number; highest first.",
    )
    hysteresis: Annotated[float, Field(strict=True, ge=0.0, lt=0.5, allow_inf_nan=False)] = Field(
        default=0.0,
        description="Share of ranks by which a customer must pass a border before they leave the tier of the last "
        "turn; 0: they leave it at once.",
    )
    purpose: dict[TierName, Text] = Field(description="What each tier is for; all three must be said.")

    @model_validator(mode="after")
    def _shares_leave_room(self) -> TierRule:
        if self.top_share + self.bottom_share > 1:
            total = self.top_share + self.bottom_share
            raise ValueError(f"top_share + bottom_share is {total:g}; must not exceed 1")
        check_hysteresis(self.hysteresis, self.top_share, self.bottom_share)
        missing = sorted({"A", "B", "C"} - set(self.purpose))
        if missing:
            raise ValueError(f"purpose lacks {', '.join(missing)}; say what each of A, B and C is for")
        return self


class Margins(Part):
    """What a sale leaves over, where the company has not given the cost of its products."""

    basis: Literal["assumed", "measured"] = Field(
        default="assumed", description="`assumed` until the shares come from the company's own books."
    )
    default: Share = Field(description="Share of the regular price that is margin, where no department is named.")
    departments: dict[str, Share] = Field(default_factory=dict, description="The share for a department.")
    discount_borne: Share = Field(
        default=1.0, description="Share of shelf discounts that the company bears itself, not its suppliers."
    )


class CostToServe(Part):
    """What serving a customer costs beyond the goods."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {"per_return", "handling_share_of_returns", "per_contact", "per_delivery", "per_bid_lost"}
    )

    per_purchase_day: NotNegative = Field(default=0.0, description="Cost of serving a customer on a day of purchase.")
    per_return: NotNegative = Field(default=0.0, description="Cost of taking back one line.")
    handling_share_of_returns: Share = Field(
        default=0.0, description="Share of what was paid for returned goods that is lost with them."
    )
    per_contact: NotNegative = Field(
        default=0.0, description="Cost of a service contact or complaint whose own cost is not given."
    )
    per_delivery: NotNegative = Field(default=0.0, description="Cost of a delivery whose own cost is not given.")
    per_bid_lost: NotNegative = Field(default=0.0, description="Cost of a lost bid whose own cost is not given.")
    basis: Literal["assumed", "measured"] = Field(default="assumed", description="Where the figure comes from.")


class Offers(Part):
    """Where the offers come from: a query over the data before the day of the decision, or a file."""

    LATER: ClassVar[frozenset[str]] = frozenset({"cool_down_days"})

    query: Text | None = Field(
        default=None,
        description="SQL over customers, purchases, products before `as_of`; gives item and optional columns.",
    )
    file: str | None = Field(default=None, description="CSV file with one row an offer, relative to the programme.")
    depth: Annotated[float, Field(strict=True, gt=0.0, lt=1.0)] = Field(
        default=0.20,
        description="Depth of discount as a share of the regular price, where an offer has none of its own.",
    )
    validity_days: Annotated[int, Field(strict=True, ge=1, le=365)] = Field(
        default=28, description="Days an offer is valid from the day of the decision."
    )
    cool_down_days: Annotated[int, Field(strict=True, ge=0, le=3650)] = Field(
        default=0,
        description="Days after a purchase of the item, or a redeemed coupon for it, in which it is not offered.",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Offers:
        if (self.query is None) == (self.file is None):
            raise ValueError("needs either query or file, and not both")
        return self


class Rule(Part):
    """Sets offers aside for customers; both conditions must hold."""

    name: Name = Field(description="Name shown where the rule set an offer aside.")
    kind: Literal["eligibility", "applicability", "suitability"] = Field(
        description="May we; does it make sense now; is it good for them."
    )
    offers: Text = Field(default="true", description="SQL condition over the offer's columns.")
    customers: Text = Field(default="true", description="SQL condition over the customer's state columns.")
    why: Text = Field(description="One line for the person who asks.")


class Lift(Part):
    """What an offer is assumed to do to the odds of buying, until a test has measured it."""

    odds_ratio: Odds = Field(description="Odds of buying with the offer seen, over the odds without; central value.")
    low: Odds = Field(description="Lower end of what is plausible.")
    high: Odds = Field(description="Upper end of what is plausible.")
    why: Text = Field(description="Where the assumption comes from.")
    basis: Literal["assumed", "measured"] = Field(default="assumed", description="Where the figure comes from.")

    @model_validator(mode="after")
    def _ordered(self) -> Lift:
        if not self.low <= self.odds_ratio <= self.high:
            raise ValueError(
                f"low, odds_ratio, high are {self.low:g}, {self.odds_ratio:g}, {self.high:g}; must not descend"
            )
        return self


class Channel(Part):
    """A way to reach customers, chosen after the goals it serves."""

    LATER: ClassVar[frozenset[str]] = frozenset({"minutes_per_contact", "unsubscribe_probability"})

    name: Name = Field(description="Name of the channel.")
    goals: tuple[Name, ...] = Field(description="Names of the goals it serves; a channel without goals is refused.")
    format: Literal["message", "print"] = Field(
        default="message", description="`message` writes HTML and text, `print` one row of the print file."
    )
    adapter: Literal["outbox"] = Field(default="outbox", description="What carries it; `outbox` writes files.")
    cost_per_contact: NotNegative = Field(description="Cost of one contact, whatever it says.")
    capacity: Annotated[int, Field(strict=True, ge=0)] = Field(
        description="Contacts the channel can carry in one turn."
    )
    budget: NotNegative | None = Field(
        default=None,
        description="Money for one turn; with the cost of a contact it limits contacts as capacity does.",
    )
    reach: Annotated[float, Field(strict=True, gt=0.0, le=1.0)] = Field(
        description="Share of contacts that are seen and so can work; assumed until measured."
    )
    reach_basis: Literal["assumed", "measured"] = Field(default="assumed", description="Where reach comes from.")
    needs: str | None = Field(
        default=None,
        description="Trait a customer must have to be reached, such as email; none: all are reachable.",
    )
    minutes_per_contact: Annotated[float, Field(strict=True, ge=0.0, le=1e6, allow_inf_nan=False)] = Field(
        default=0.0, description="Working minutes that one contact takes, such as a call."
    )
    unsubscribe_probability: Share = Field(
        default=0.0, description="Chance that one contact makes a customer leave; assumed until measured."
    )


class Policy(Part):
    """How the decision may act."""

    LATER: ClassVar[frozenset[str]] = frozenset({"pressure"})

    portfolio_size: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(
        default=10, description="Offers in one portfolio."
    )
    contacts: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(
        default=4, description="Contacts a customer may get within the period."
    )
    period_days: Annotated[int, Field(strict=True, ge=1, le=365)] = Field(
        default=28, description="Length of the period that `contacts` counts in."
    )
    holdout_share: Annotated[float, Field(strict=True, ge=0.0, le=0.5)] = Field(
        default=0.10, description="Share of households kept out of everything, for ever, to measure against."
    )
    exploration_share: Annotated[float, Field(strict=True, ge=0.0, le=0.5)] = Field(
        default=0.05,
        description="Chance that a channel, and that a portfolio's last slot, is drawn to learn.",
    )
    variety: Annotated[float, Field(strict=True, gt=0.0, le=1.0)] = Field(
        default=0.85,
        description="Value kept by each further offer of the same category; 1 switches variety off.",
    )
    pressure: Annotated[float, Field(strict=True, ge=1.0, le=100.0, allow_inf_nan=False)] = Field(
        default=1.0,
        description="Factor by which the chance to leave rises with each contact already made in the period.",
    )
    salt: Name = Field(default="rapport", description="Seed of every keyed draw; changing it draws anew.")


class Litmus(Part):
    """What each level of treatment costs per contact beyond the channel, for the litmus test."""

    individual_cost: NotNegative = Field(default=0.0, description="Extra cost of an individual portfolio.")
    segment_cost: NotNegative = Field(default=0.0, description="Extra cost of a segment's portfolio.")
    mass_cost: NotNegative = Field(default=0.0, description="Extra cost of one portfolio for all.")


class Program(Part):
    """A whole programme."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {"limits", "levers", "kinds", "includes", "value", "potential", "prospects", "report", "plays", "needs"}
        | {"people", "identify", "memory", "questions", "accounts"}
    )

    name: Text = Field(description="Name of the programme.")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 4217 code.")
    timezone: str = Field(description="IANA zone in which a day begins and ends.")
    horizon_days: Annotated[int, Field(strict=True, ge=1, le=3650)] = Field(
        default=364, description="Days ahead over which a customer's value is counted."
    )
    discount_rate: Annotated[float, Field(strict=True, ge=0.0, le=1.0)] = Field(
        default=0.10, description="Yearly rate at which later contribution counts less."
    )
    challenges: tuple[Challenge, ...] = Field(min_length=1, description="What the programme is up against.")
    goals: tuple[Goal, ...] = Field(min_length=1, description="What it wants; stated before channels.")
    tiers: TierRule = Field(description="How customers are ranked and what each tier is for.")
    sources: tuple[Source, ...] = Field(min_length=1, description="The company's files.")
    margins: Margins = Field(description="What a sale leaves over.")
    cost_to_serve: CostToServe | None = Field(default=None, description="Absent: not known, and reported so.")
    potential: Potential | None = Field(default=None, description="Absent: peers are found among the traits.")
    prospects: Prospects | None = Field(default=None, description="Absent: nothing is known of conversion.")
    offers: Offers = Field(description="Where the offers come from.")
    rules: tuple[Rule, ...] = Field(
        default=(), max_length=127, description="What may not, or should not, be offered to whom."
    )
    lift: Lift = Field(description="What an offer is assumed to do.")
    channels: tuple[Channel, ...] = Field(min_length=1, description="Ways to reach customers.")
    limits: tuple[Limit, ...] = Field(default=(), description="What customers share, beside channels' capacities.")
    levers: tuple[Lever, ...] = Field(default=(), description="Pushes for offers when choosing.")
    kinds: tuple[Kind, ...] = Field(default=(), description="Offers of which only so many may stand together.")
    includes: tuple[Include, ...] = Field(default=(), max_length=1000, description="What must be said to whom.")
    plays: Plays = Field(default_factory=Plays, description="The discipline's plays that are used.")
    policy: Policy = Field(default_factory=Policy, description="How the decision may act.")
    needs: Needs = Field(default_factory=Needs, description="How customers are grouped by what they need.")
    litmus: Litmus = Field(default_factory=Litmus, description="What each level of treatment costs.")
    value: Value = Field(default_factory=Value, description="How the value of customers is worked out.")
    report: Report | None = Field(default=None, description="What the report of a turn shows beside the rest.")
    memory: Text | None = Field(
        default=None,
        description="Address of the memory where several processes write, such as "
        "postgresql+psycopg://rapport@db/crm; ${NAME} is taken from the environment. Absent: the file "
        "state/memory.db.",
    )
    people: tuple[People, ...] = Field(default=(), description="Systems that hold records of people.")
    identify: Identify = Field(default_factory=Identify, description="When records are one customer.")
    questions: tuple[Question, ...] = Field(
        default=(), max_length=100, description="What customers may be asked, and what asking costs."
    )
    accounts: Accounts = Field(default_factory=Accounts, description="Which organisations are wanted.")

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, value: str) -> str:
        return known_zone(value)

    @model_validator(mode="after")
    def _names_refer(self) -> Program:
        for what, parts in (
            ("challenges", self.challenges),
            ("goals", self.goals),
            ("channels", self.channels),
        ):
            refuse_repeats(what, [p.name for p in parts])
        refuse_repeats("sources", [s.called for s in self.sources])
        refuse_repeats("rules", [r.name for r in self.rules])
        challenges = [c.name for c in self.challenges]
        for goal in self.goals:
            refuse_unknown(f"goals.{goal.name}.challenge", goal.challenge, challenges)
        if "transactions" not in [s.kind for s in self.sources]:
            raise ValueError("sources lacks a source of kind transactions; without purchases nothing can be decided")
        return self

    @model_validator(mode="after")
    def _channels_serve_goals(self) -> Program:
        goals = [g.name for g in self.goals]
        for channel in self.channels:
            if channel.name == "silence":
                raise ValueError(
                    "channels names 'silence', which is the treatment that says nothing; name it otherwise"
                )
            if not channel.goals:
                raise ValueError(
                    f"channels.{channel.name} serves no goal; a channel is a tool chosen after the goals. "
                    f"Name at least one of: {', '.join(goals)}"
                )
            if channel.needs is not None:
                refuse_unknown(f"channels.{channel.name}.needs", channel.needs, list(self.traits))
            for goal in channel.goals:
                refuse_unknown(f"channels.{channel.name}.goals", goal, goals)
        return self

    @model_validator(mode="after")
    def _cohorts_are_known(self) -> Program:
        known = ["none", "quarter", *self.traits]
        refuse_unknown("value.cohorts", self.value.cohorts, known)
        return self

    @model_validator(mode="after")
    def _shared_parts_refer(self) -> Program:
        check_shared(self.limits, self.levers, self.kinds, self.includes)
        check_channels(self.limits, [c.name for c in self.channels])
        check_potential(self.potential, self.traits)
        check_segments(self.report, self.traits)
        check_people(self.people)
        check_questions(self.questions, [c.name for c in self.channels])
        for position, source in enumerate(self.sources):
            if source.system is not None:
                one_of(source.system, [p.name for p in self.people], "sources", position, "system")
        return self

    def source(self, kind: SourceKind) -> Source | None:
        """Return the first source of a kind, or None where the programme has none."""
        return next((s for s in self.sources if s.kind == kind), None)

    @property
    def source_traits(self) -> tuple[str, ...]:
        """Columns that are kept as traits, of all sources of customers."""
        return tuple(dict.fromkeys(t for s in self.sources for t in s.traits))

    @property
    def traits(self) -> tuple[str, ...]:
        """Columns that customers of a turn carry as traits: those of their sources, then what people are known by."""
        return tuple(dict.fromkeys([*self.source_traits, *self.identify.traits]))


def refuse_repeats(what: str, names: list[str]) -> None:
    """Raise ValueError where a name stands twice."""
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"{what} names {', '.join(twice)} more than once; names must differ")


def refuse_unknown(where: str, name: str, known: list[str]) -> None:
    """Raise ValueError where a reference points to nothing."""
    if name not in known:
        allowed = ", ".join(known) or "none is there"
        raise ValueError(f"{where} is {name!r}; must be one of: {allowed}.{nearest(name, known)}")
