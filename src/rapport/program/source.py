"""A source of the company's data: where it is, and how its columns map to Rapport's.

Why it exists: every file and table is declared by one rule, whatever it holds. No file is opened here.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from rapport.core.errors import nearest
from rapport.core.tables import SOURCE_COLUMNS
from rapport.program.identify import People
from rapport.program.part import Name, Part, Text

SourceKind = Literal[
    "transactions", "customers", "products", "redemptions", "mailings", "campaigns", "coupons", "interactions"
]

_CUSTOMERS = frozenset({"customer_id", "household_id"})


class Source(Part):
    """One file of the company, or table of a database, and how its columns map to Rapport's."""

    LATER: ClassVar[frozenset[str]] = frozenset(
        {"name", "system", "database", "table", "query", "encoding", "own_ids"}
    )

    kind: SourceKind = Field(description="Which of Rapport's tables the file fills.")
    name: Name | None = Field(
        default=None, description="Name of the source; its kind when absent. Several of one kind need names."
    )
    path: Text | None = Field(
        default=None,
        description="File, relative to the programme's folder; .csv, .parquet or .xlsx; or a folder of .parquet.",
    )
    database: Text | None = Field(
        default=None,
        description="Address of a database, such as postgresql+psycopg://shop@db/sales; ${NAME} is taken from the "
        "environment, so that no password stands in the programme.",
    )
    table: Text | None = Field(default=None, description="Table of the database.")
    query: Text | None = Field(default=None, description="SELECT that the database answers, in place of a table.")
    system: Name | None = Field(
        default=None,
        description="System, among `people`, whose record ids the customer ids of this source are.",
    )
    own_ids: tuple[str, ...] | None = Field(
        default=None,
        description="Ids that are this source's own and not shared with others of its kind: its system, or else its "
        "name, is put before them. Absent: basket_id, where several sources hold purchases.",
    )
    timezone: str | None = Field(
        default=None, description="Zone of times written without one; the programme's when absent."
    )
    columns: dict[str, str | tuple[str, ...]] = Field(
        description="Rapport's column = the file's column; a list of columns is added up."
    )
    key: tuple[str, ...] = Field(
        default=(),
        description="Rapport's columns that may not repeat; a later row with the same key is quarantined.",
    )
    traits: tuple[str, ...] = Field(
        default=(), description="Columns of a customer file that are kept as traits under their own names."
    )
    encoding: Text | None = Field(default=None, description="Encoding of a CSV file; found out when absent.")
    sheet: str | None = Field(default=None, description="Sheet of an Excel file; the first when absent.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default=None, description="Delimiter of a CSV file; found out when absent."
    )
    decimal: Literal[".", ","] = Field(
        default=".",
        description="What stands before decimals in numbers written as text; with a comma, dots may part thousands.",
    )

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, value: str | None) -> str | None:
        return None if value is None else known_zone(value)

    @property
    def called(self) -> str:
        """The name of the source: its own, or its kind."""
        return self.name or self.kind

    @property
    def shown(self) -> str:
        """What errors call the source: its file, or its table."""
        return self.path or f"{self.called} ({self.table or 'query'})"

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if self.path is None and self.database is None:
            raise ValueError("needs a path, or a database")
        if self.path is not None and self.database is not None:
            raise ValueError("has both path and database; needs one of them")
        if self.database is not None and (self.table is None) == (self.query is None):
            raise ValueError("names a database; needs either table or query, and not both")
        ids = [c.name for c in SOURCE_COLUMNS[self.kind] if c.kind == "id" and c.name not in _CUSTOMERS]
        for name in self.own_ids or ():
            if name not in ids:
                raise ValueError(
                    f"own_ids names {name!r}; a source of kind {self.kind} may name: {', '.join(ids)}."
                    f"{nearest(name, ids)}"
                )
        return self

    @model_validator(mode="after")
    def _columns_are_known(self) -> Source:
        declared = {c.name: c for c in SOURCE_COLUMNS[self.kind]}
        for name in self.columns:
            if name not in declared:
                raise ValueError(
                    f"columns names {name!r}; a source of kind {self.kind} has: {', '.join(declared)}."
                    f"{nearest(name, declared)}"
                )
            if not isinstance(self.columns[name], str) and declared[name].kind != "money":
                raise ValueError(f"columns.{name} is a list; only amounts of money are added up")
        missing = [n for n, c in declared.items() if c.required and n not in self.columns]
        if missing:
            raise ValueError(f"columns lacks {', '.join(missing)}; a source of kind {self.kind} must map it")
        strange = [k for k in self.key if k not in self.columns]
        if strange:
            raise ValueError(f"key names {', '.join(strange)}; must be among the mapped columns")
        if self.traits and self.kind != "customers":
            raise ValueError(f"traits stand in a source of kind {self.kind}; only customers have traits")
        return self


def known_zone(value: str) -> str:
    """Return a time zone's name; raise ValueError with the nearest names where there is no such zone."""
    zones = available_timezones()
    if value not in zones:
        raise ValueError(f"is {value!r}; must be an IANA time zone such as Europe/Vienna.{nearest(value, zones)}")
    ZoneInfo(value)
    return value


Origin = Source | People
"""What an engine opens: a source of purchases and the like, or a system of people."""
