"""Plays: who is meant, what is done about it, who does it, and what must be measured to trust it.

Why it exists: the classic plays of the discipline stand in files that a person can read, change and add to. How a
play competes with offers is not decided here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rapport.program.part import Condition, Misplaced, Name, NotNegative, Part, Share, Text

ALL = "all"
"""In `plays.use`: every play that the company's data allow."""

_Boost = Annotated[float, Field(strict=True, ge=-0.9, le=10.0, allow_inf_nan=False)]
_Contacts = Annotated[int, Field(strict=True, ge=0, le=100)]
_Capacity = Annotated[int, Field(strict=True, ge=0, le=10**9)]


_Days = Annotated[int, Field(strict=True, ge=0, le=3650)]


class Contact(Part):
    """A reason to talk: a visit, a call, a letter by the owner, worth what it should save or win."""

    effect: Literal["contact"] = Field(description="A reason to talk, through one channel.")
    say: Text = Field(description="What the owner is to say or ask; a template as messages are.")
    at_stake: Condition = Field(
        description="SQL expression over the customer's columns: money at stake, in micros (1 unit = 1,000,000)."
    )
    share: Share = Field(description="Share of what is at stake that the talk saves or wins; central value.")
    low: Share = Field(description="Lower end of what is plausible.")
    high: Share = Field(description="Upper end of what is plausible.")
    share_why: Text = Field(description="Where the share comes from.")
    basis: Literal["assumed", "measured"] = Field(default="assumed", description="Where the share comes from.")
    channel: Name | None = Field(
        default=None, description="The channel; the programme's `plays.channel` when absent."
    )
    sell: Annotated[bool, Field(strict=True)] = Field(
        default=True, description="Whether the same contact may carry offers; false: just talk."
    )
    cost: NotNegative = Field(
        default=0.0, description="Cost beyond the channel's, where the customer is reached, such as a gift."
    )
    at_most: _Capacity | None = Field(default=None, description="The most of these talks in one turn.")
    again_days: _Days = Field(
        default=182, description="Days after such a talk in which the customer is not talked to for this play again."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Contact:
        if not self.low <= self.share <= self.high:
            raise Misplaced(
                f"low, share, high are {self.low:g}, {self.share:g}, {self.high:g}; must not descend", "share"
            )
        return self


class Restrain(Part):
    """Fewer contacts: channels are closed, or the contacts of a period are capped."""

    effect: Literal["restrain"] = Field(description="Fewer contacts.")
    closes: tuple[Name, ...] = Field(default=(), description="Channels through which nothing is said.")
    contacts: _Contacts | None = Field(
        default=None, description="Contacts within the policy's period, where that is fewer than the policy allows."
    )

    @model_validator(mode="after")
    def _does_something(self) -> Restrain:
        if not self.closes and self.contacts is None:
            raise Misplaced("does nothing; must have closes or contacts", "effect")
        return self


class Steer(Part):
    """Some offers count for more, or are not said in some channels."""

    effect: Literal["steer"] = Field(description="Other offers.")
    offers: Condition = Field(default="true", description="SQL condition over the offer's columns.")
    departments: Literal["any", "never_bought"] = Field(
        default="any", description="`never_bought`: only offers of departments in which the customer never bought."
    )
    boost: _Boost | None = Field(
        default=None, description="Share by which those offers count for more (0.5) or less (-0.5) when choosing."
    )
    shut: tuple[Name, ...] = Field(default=(), description="Channels through which those offers are not said.")

    @model_validator(mode="after")
    def _does_something(self) -> Steer:
        if not self.boost and not self.shut:
            raise Misplaced("does nothing; must have boost or shut", "effect")
        return self


Treatment = Annotated[Contact | Restrain | Steer, Field(discriminator="effect")]


class Play(Part):
    """One play: a rule, a treatment and an owner."""

    name: Name = Field(description="Short name by which programmes use it.")
    title: Text = Field(description="What people call it.")
    why: Text = Field(description="One line for the person who asks.")
    when: Condition = Field(description="SQL condition over the customer's columns: who is meant.")
    owner: Text = Field(description="Role of the person who does it.")
    evidence: Text = Field(description="What must be measured before its worth may be trusted.")
    treatment: Treatment = Field(description="What is done: contact, restrain or steer.")


class PlaySettings(Part):
    """What a programme sets otherwise in a play; what is not set stays as the play says."""

    when: Condition | None = Field(default=None, description="Who is meant, in place of the play's own condition.")
    owner: Text | None = Field(default=None, description="Role of the person who does it.")
    channel: Name | None = Field(default=None, description="Contact: the channel.")
    at_stake: Condition | None = Field(default=None, description="Contact: what is at stake.")
    share: Share | None = Field(default=None, description="Contact: share saved or won.")
    low: Share | None = Field(default=None, description="Contact: lower end of what is plausible.")
    high: Share | None = Field(default=None, description="Contact: upper end of what is plausible.")
    share_why: Text | None = Field(default=None, description="Contact: where the share comes from.")
    basis: Literal["assumed", "measured"] | None = Field(
        default=None, description="Contact: whether the share was measured."
    )
    say: Text | None = Field(default=None, description="Contact: what the owner is to say.")
    sell: Annotated[bool, Field(strict=True)] | None = Field(
        default=None, description="Contact: whether the same contact may carry offers."
    )
    cost: NotNegative | None = Field(default=None, description="Contact: cost beyond the channel's.")
    at_most: _Capacity | None = Field(default=None, description="Contact: the most in one turn.")
    again_days: _Days | None = Field(default=None, description="Contact: days before the same talk may come again.")
    closes: tuple[Name, ...] | None = Field(default=None, description="Restrain: channels that are closed.")
    contacts: _Contacts | None = Field(default=None, description="Restrain: contacts within the period.")
    offers: Condition | None = Field(default=None, description="Steer: condition over the offer's columns.")
    boost: _Boost | None = Field(default=None, description="Steer: share by which the offers count for more.")
    shut: tuple[Name, ...] | None = Field(default=None, description="Steer: channels that do not carry the offers.")


class Plays(Part):
    """Which plays a programme uses, and what it sets otherwise in them."""

    use: tuple[Name, ...] = Field(
        default=(), description='Names of plays; `["all"]` uses all that the data allow. Others stay on the shelf.'
    )
    channel: Name | None = Field(
        default=None, description="Channel of plays that talk and name none; its format must be `print`: a list."
    )
    only: tuple[Name, ...] = Field(
        default=(), description="Channels through which nothing but reasons to talk is said: no offers."
    )
    settings: dict[Name, PlaySettings] = Field(
        default_factory=dict, description="By name of a play, what is set otherwise in it."
    )

    @model_validator(mode="after")
    def _once(self) -> Plays:
        twice = sorted({n for n in self.use if self.use.count(n) > 1})
        if twice:
            raise Misplaced(f"names {', '.join(twice)} twice; a play may be named once", "use")
        if ALL in self.use and len(self.use) > 1:
            raise Misplaced(f'is {list(self.use)!r}; must be ["all"] or names of plays', "use")
        return self


def changed(play: Play, settings: PlaySettings) -> dict[str, Any]:
    """Return the values of a play with what a programme sets otherwise, to be validated as a play anew.

    Raises
    ------
    Misplaced
        A setting is not of the play's effect.
    """
    values = play.model_dump()
    of_play, of_treatment = set(Play.model_fields), set(type(play.treatment).model_fields)
    for name in sorted(settings.model_fields_set):
        if name in of_treatment:
            values["treatment"][name] = getattr(settings, name)
        elif name in of_play:
            values[name] = getattr(settings, name)
        else:
            allowed = sorted((of_play | of_treatment) & set(PlaySettings.model_fields))
            told = (
                f"is not a setting of a play whose effect is {play.treatment.effect}; allowed: {', '.join(allowed)}"
            )
            raise Misplaced(told, name)
    return values
