"""What a programme says of all customers together: limits, levers, kinds of offers and what must be included.

Why it exists: budgets, stock, promises to suppliers and what must not stand side by side are declared in words that
a person can read; how they are kept is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rapport.program.part import Bound, Condition, Misplaced, Name, Part, Text, names_differ, one_of

Counts = Literal["contacts", "contact_cost", "minutes", "offers", "giveaway"]
OfferColumn = Literal["offer_id", "item", "category", "department", "supplier"]

OF_CONTACTS = ("contacts", "contact_cost", "minutes")
"""What is counted by the contact, whatever offers it carries."""

IN_MONEY = ("contact_cost", "giveaway")
"""What is counted in units of the currency."""

OFFER_COLUMNS = ("offer_id", "item", "category", "department", "supplier")
"""Text columns of the offers that `each` may name."""

TIERS = ("A", "B", "C")


class Limit(Part):
    """What all customers together may use, or must at least get."""

    name: Name = Field(description="Name shown wherever the limit is reported.")
    why: Text | None = Field(default=None, description="One line for the person who asks.")
    counts: Counts = Field(
        description="Contacts; their cost in money; their minutes; copies of offers; discount expected to be given."
    )
    at_most: Bound | None = Field(default=None, description="The most that may be used; money in currency units.")
    at_least: Bound | None = Field(default=None, description="The least that must be used.")
    amounts: dict[str, Bound] | None = Field(
        default=None, min_length=1, description="A bound for single values of `each`; other values are not limited."
    )
    amounts_are: Literal["at_most", "at_least"] = Field(
        default="at_most", description="Whether `amounts` are maxima or minima."
    )
    at_most_from: Literal["stock", "buyers"] | None = Field(
        default=None, description="Column of the offers that says how many copies there are; NULL: no limit."
    )
    channels: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="Channels whose use counts; all when absent."
    )
    offers: Condition | None = Field(
        default=None, description="SQL condition over the offer's columns; all when absent."
    )
    customers: Condition | None = Field(
        default=None, description="SQL condition over the customer's state columns and `tier`; all when absent."
    )
    each: Text | None = Field(
        default=None,
        description="Column of offers or customers: one limit for each of its values, called `name:value`.",
    )

    @model_validator(mode="after")
    def _one_bound(self) -> Limit:
        given = [n for n in ("at_most", "at_least", "amounts", "at_most_from") if getattr(self, n) is not None]
        if len(given) != 1:
            told = f"has {' and '.join(given)}" if given else "has no bound"
            raise Misplaced(f"{told}; must have exactly one of at_most, at_least, amounts, at_most_from")
        if self.amounts is not None and self.each is None:
            raise Misplaced("is given without each; say which column its values are of", "amounts")
        if self.amounts_are == "at_least" and self.amounts is None:
            raise Misplaced("is given without amounts; write at_least = a number", "amounts_are")
        return self

    @model_validator(mode="after")
    def _copies_are_counted(self) -> Limit:
        if self.at_most_from is not None and (self.each != "offer_id" or self.counts != "offers"):
            raise Misplaced(
                f'is {self.at_most_from!r}; must stand with each = "offer_id" and counts = "offers"', "at_most_from"
            )
        return self

    @model_validator(mode="after")
    def _contacts_have_no_offers(self) -> Limit:
        if self.counts in OF_CONTACTS and self.offers is not None:
            raise Misplaced(
                f"is given where counts is {self.counts!r}; a contact counts whatever offers it carries. "
                f"Leave it out, or count offers or giveaway",
                "offers",
            )
        return self

    @model_validator(mode="after")
    def _tiers_are_known(self) -> Limit:
        if self.each == "tier" and self.amounts is not None:
            for value in self.amounts:
                one_of(value, TIERS, "amounts")
        return self


class Lever(Part):
    """A push for some offers: it steers what is chosen, and no money that is reported."""

    name: Name = Field(description="Name of the lever.")
    offers: Condition = Field(default="true", description="SQL condition over the offer's columns.")
    boost: Annotated[float, Field(strict=True, ge=-0.9, le=10.0, allow_inf_nan=False)] = Field(
        description="Share by which the value of the offers counts for more (0.2) or less (-0.2) when choosing."
    )
    active: Annotated[bool, Field(strict=True)] = Field(default=True, description="Whether it is switched on.")
    why: Text | None = Field(default=None, description="One line for the person who asks.")


class Kind(Part):
    """Offers of which only so many may stand in one portfolio."""

    name: Name = Field(description="Name of the kind.")
    offers: Condition = Field(default="true", description="SQL condition over the offer's columns.")
    at_most: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(
        description="How many of the kind may stand together; 1 means that they exclude each other."
    )
    each: OfferColumn | None = Field(
        default=None, description="Column of the offers each value of which is a kind of its own."
    )
    why: Text | None = Field(default=None, description="One line for the person who asks.")


class Include(Part):
    """What must be said to some customers: a text added to the message, or offers in the portfolio."""

    name: Name = Field(description="Name of what is included.")
    customers: Condition = Field(
        default="true", description="SQL condition over the customer's state columns and `tier`."
    )
    text: Text | None = Field(
        default=None, description="Question or service message added to whatever is said; it takes no slot."
    )
    offers: Condition | None = Field(
        default=None, description="SQL condition over the offer's columns: offers that must stand in the portfolio."
    )
    forced: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Whether the customer is contacted for it even where nothing pays."
    )
    why: Text | None = Field(default=None, description="One line for the person who asks.")

    @model_validator(mode="after")
    def _one_content(self) -> Include:
        if (self.text is None) == (self.offers is None):
            told = "has neither text nor offers" if self.text is None else "has text and offers"
            raise Misplaced(f"{told}; must have exactly one of them")
        return self


def check_shared(
    limits: Sequence[Limit], levers: Sequence[Lever], kinds: Sequence[Kind], includes: Sequence[Include]
) -> None:
    """Raise Misplaced where a name stands twice among the limits, levers, kinds or includes."""
    names_differ("limits", [p.name for p in limits])
    names_differ("levers", [p.name for p in levers])
    names_differ("kinds", [p.name for p in kinds])
    names_differ("includes", [p.name for p in includes])


def check_channels(limits: Sequence[Limit], channels: Sequence[str]) -> None:
    """Raise Misplaced where a limit names a channel that is not there, or one twice."""
    for position, limit in enumerate(limits):
        for name in limit.channels or ():
            one_of(name, channels, "limits", position, "channels")
        if len(set(limit.channels or ())) < len(limit.channels or ()):
            told = f"is {list(limit.channels or ())!r}; a channel may be named once"
            raise Misplaced(told, "limits", position, "channels")
