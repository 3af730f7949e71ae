"""What a programme says of identity: which systems hold records of people, how far each is trusted.

Why it exists: who is the same customer depends on what a wrong merge and a missed one cost the company, and on which
of its systems have verified what. No file is read and nothing is linked here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rapport.core.errors import nearest
from rapport.core.people import PERSON_COLUMNS
from rapport.program.part import Name, Part, Share, Text, names_differ

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Positive = Annotated[float, Field(strict=True, gt=0.0, le=1e9, allow_inf_nan=False)]
Criterion = Literal["corrected", "answered", "belief", "freshest"]
Days = Annotated[int, Field(strict=True, ge=1, le=36_500)]

IDENTIFYING = tuple(c.name for c in PERSON_COLUMNS if c.identifies)
"""Columns whose verified values name one customer."""

_COLUMNS = {c.name: c for c in PERSON_COLUMNS}


class People(Part):
    """One system that holds records of people or organisations: a file, or a table of a database."""

    name: Name = Field(description="Name of the system; sources of purchases refer to it by `system`.")
    path: Text | None = Field(default=None, description="File, relative to the programme's folder.")
    database: Text | None = Field(
        default=None,
        description="Address of a database, such as postgresql+psycopg://crm@db/crm or sqlite:///crm.db; "
        "${NAME} is taken from the environment, so that no password stands in the programme.",
    )
    table: Text | None = Field(default=None, description="Table of the database.")
    query: Text | None = Field(default=None, description="SELECT that the database answers, in place of a table.")
    kind: Literal["person", "organisation"] = Field(default="person", description="What a record is about.")
    columns: dict[str, str | tuple[str, ...]] = Field(
        description="Rapport's column = the system's column; e-mails, phones and cards may be a list of columns."
    )
    traits: tuple[str, ...] = Field(default=(), description="Further columns that are kept as traits.")
    verified: tuple[str, ...] = Field(
        default=(), description="Columns that the system has verified, so that each value names one customer alone."
    )
    trust: Share = Field(default=0.5, description="How far the system is believed where systems disagree.")
    country: Country | None = Field(default=None, description="Country of records that name none; the programme's.")
    timezone: str | None = Field(default=None, description="Zone of times written without one; the programme's.")
    encoding: Text | None = Field(default=None, description="Encoding of a CSV file; found out when absent.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default=None, description="Delimiter of a CSV file; found out when absent."
    )
    sheet: str | None = Field(default=None, description="Sheet of an Excel file; the first when absent.")

    @property
    def called(self) -> str:
        """The name of the system."""
        return self.name

    @property
    def shown(self) -> str:
        """What errors call the system: its file, or its table."""
        return self.path or f"{self.name} ({self.table or 'query'})"

    @model_validator(mode="after")
    def _one_origin(self) -> People:
        if (self.path is None) == (self.database is None):
            raise ValueError("needs either path or database, and not both")
        if self.database is not None and (self.table is None) == (self.query is None):
            raise ValueError("names a database; needs either table or query, and not both")
        return self

    @model_validator(mode="after")
    def _columns_are_known(self) -> People:
        for name, columns in self.columns.items():
            if name not in _COLUMNS:
                raise ValueError(
                    f"columns names {name!r}; people have: {', '.join(_COLUMNS)}.{nearest(name, _COLUMNS)}"
                )
            if not isinstance(columns, str) and not _COLUMNS[name].several:
                several = ", ".join(c.name for c in PERSON_COLUMNS if c.several)
                raise ValueError(f"columns.{name} is a list; only {several} may be")
        if "record_id" not in self.columns:
            raise ValueError("columns lacks record_id; every record needs an id in its system")
        for name in self.verified:
            if name not in IDENTIFYING or name not in self.columns:
                mapped = [n for n in IDENTIFYING if n in self.columns]
                raise ValueError(
                    f"verified names {name!r}; may name mapped columns that identify: {', '.join(mapped)}"
                )
        return self


class Identify(Part):
    """When records are one customer, what is blocked, how long traits hold."""

    country: Country = Field(default="US", description="Country of records that name none, ISO 3166 alpha-2.")
    aim: Literal["cost", "f1"] = Field(
        default="cost",
        description="Where two records are taken for one: `cost`, where that is believed to cost less than not to; "
        "`f1`, where precision and recall together are believed to come out best, whatever errors cost.",
    )
    wrong_merge_cost: Positive = Field(default=20.0, description="What it costs to take two customers for one.")
    missed_merge_cost: Positive = Field(default=1.0, description="What it costs to take one customer for two.")
    review_cost: Positive = Field(
        default=0.1, description="What it costs to have a person look at a pair; dearer doubts go to review."
    )
    blocked: tuple[Text, ...] = Field(
        default=(), description="Further values that never identify anyone, such as a store's own phone."
    )
    traits: tuple[str, ...] = Field(
        default=(), description="Traits of the systems that customers of a turn carry, besides those of its sources."
    )
    half_life_days: dict[str, Days] = Field(
        default_factory=dict,
        description="Days after which a trait is believed half as much; of a trait not named, 730.",
    )
    survivorship: tuple[Criterion, ...] = Field(
        default=("corrected", "answered", "belief", "freshest"),
        min_length=1,
        description="What decides where sources differ about a trait, the first that tells values apart: a person "
        "put it right; the customer said so; how far it is believed; when it was seen.",
    )
    answer_trust: Share = Field(
        default=0.9, description="How far answers of customers about themselves are believed."
    )
    correction_trust: Share = Field(default=1.0, description="How far what a person put right is believed.")
    questions_per_contact: Annotated[int, Field(strict=True, ge=1, le=2)] = Field(
        default=1, description="Questions asked in one contact, at most."
    )
    outdated_below: Share = Field(default=0.25, description="A trait believed less than this is outdated.")
    outdated: Literal["keep", "ask", "delete"] = Field(
        default="ask", description="What is done with outdated traits: kept, asked again, or deleted."
    )

    @model_validator(mode="after")
    def _criteria_differ(self) -> Identify:
        twice = sorted({c for c in self.survivorship if self.survivorship.count(c) > 1})
        if twice:
            raise ValueError(f"survivorship names {', '.join(twice)} more than once; each may stand once")
        return self


def check_people(people: tuple[People, ...]) -> None:
    """Raise Misplaced where two systems have the same name."""
    names_differ("people", [p.name for p in people])
