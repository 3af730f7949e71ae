"""What a page is made of: sections of sentences, tables and charts.

Why it exists: the sections say what is shown, the template says how it looks. No number and no HTML may enter.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from rapport.reports.figures import Shown

Cell = str | Shown

FOLD_OVER = 8
"""Rows from which on a table would push the next section out of a reader's sight."""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row heads it. One with many rows is folded until a reader opens it."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    kind: str = "table"

    @property
    def folded(self) -> bool:
        """Whether the table is too long to stand open."""
        return len(self.rows) > FOLD_OVER


@dataclass(frozen=True)
class Picture:
    """One drawing, with a line above it where several stand together."""

    heading: str
    svg: Markup


@dataclass(frozen=True)
class Chart:
    """A chart: a title that says what it shows, and one or more drawings."""

    title: str
    pictures: tuple[Picture, ...]
    note: str = ""
    kind: str = "chart"


@dataclass(frozen=True)
class Missing:
    """A part that is not there yet, and how to get it."""

    what: str
    todo: str
    command: str = ""
    kind: str = "missing"


@dataclass(frozen=True)
class Terms:
    """Names with what they mean."""

    items: tuple[tuple[str, str], ...]
    kind: str = "terms"


Block = Table | Chart | Missing | Terms


@dataclass(frozen=True)
class Section:
    """One part of the page that the contents lead to."""

    anchor: str
    title: str
    says: tuple[str, ...]
    blocks: tuple[Block, ...]
