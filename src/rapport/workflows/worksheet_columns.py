"""The columns of a worksheet, declared once: what is written, read back, checked and described comes from here.

Why it exists: a sheet goes out, is edited by people, and comes back; both ways must agree on every column. No figure
is computed here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from rapport.workflows.worksheet_edits import LEAST_BOOST, MOST_BOOST

Kind = Literal["key", "edit", "text", "count", "share", "probability", "money", "check"]

SHEET, MAP_SHEET, ABOUT_SHEET = "worksheet", "map", "about"
MOST_ROWS = 1_048_575
"""Rows that a sheet of Excel holds below the one with the names."""

LONGEST_CELL = 32_767
"""Characters that a cell of Excel holds."""


@dataclass(frozen=True)
class Column:
    """One column: its name in JSON, the words at its head, its kind, what it means, and how wide it is shown."""

    name: str
    head: str
    kind: Kind
    meaning: str
    width: int = 12


COLUMNS: tuple[Column, ...] = (
    Column("by", "by", "key", "What makes the group; `customer` for one customer. Do not change it."),
    Column("segment", "segment", "key", "The group, or the customer's id. Do not change it.", 16),
    Column("product", "product", "key", "What could be next: the item of an offer. Do not change it.", 28),
    Column("offer", "offer", "text", "Name of the offer about it in this turn.", 28),
    Column("veto", "veto", "edit", "Write yes, and nobody of the segment is offered the product.", 8),
    Column(
        "boost",
        "boost",
        "edit",
        f"How much more the product counts when offers are chosen for the segment: a number from {LEAST_BOOST:g} to "
        f"{MOST_BOOST:g}. 0.5 is half as much again, -0.5 half as much. What is reported does not change by it.",
        8,
    ),
    Column("reason", "reason", "edit", "Why, in your words; shown to who asks why a customer was decided so.", 34),
    Column("note", "note", "edit", "For yourselves.", 24),
    Column("department", "department", "text", "Department of the product.", 18),
    Column("customers", "customers", "count", "Customers of the segment."),
    Column("owned", "owned", "share", "Share of the segment's customers who ever bought the product."),
    Column("owns", "owns most", "text", "What the segment's customers have bought most.", 40),
    Column("open_to", "open to", "count", "Customers for whom no rule and no cooling down excludes the offer."),
    Column(
        "pays_for",
        "pays for",
        "share",
        "Share of the customers it is open to for whom the offer is worth more than the discount given away.",
    ),
    Column("buys_anyway", "buys anyway", "probability", "Mean probability of buying without the offer."),
    Column("buys_anyway_least", "least", "probability", "The lowest probability among them."),
    Column("buys_anyway_median", "median", "probability", "The middle one."),
    Column("buys_anyway_most", "most", "probability", "The highest."),
    Column("buys_with_offer", "buys with offer", "probability", "Mean probability of buying once the offer is seen."),
    Column("margin", "margin of a sale", "money", "Margin of one sale at the regular price."),
    Column("margin_with_offer", "margin with offer", "money", "Margin of one sale less the discount."),
    Column(
        "expected",
        "expected",
        "money",
        "Incremental contribution from those for whom the offer pays, if each of them sees it: extra sales less what "
        "is given away. Each offer alone; in a portfolio offers share attention.",
    ),
    Column("expected_low", "expected low", "money", "The same at the low end of the lift."),
    Column("expected_high", "expected high", "money", "The same at the high end of the lift."),
    Column("basis", "basis", "text", "Whether lift, margins and reach were measured or are assumed."),
    Column("given", "given now", "count", "Customers of the segment to whom the turn delivers this offer."),
    Column("why", "why", "text", "What speaks for it, or against it, from past purchases.", 70),
    Column("row_key", "row key", "check", "Tells whether by, segment and product are as written. Leave it.", 16),
)

HEADS: dict[str, Column] = {c.head: c for c in COLUMNS}
NEEDED = tuple(c for c in COLUMNS if c.kind in ("key", "edit", "check"))
"""What must be there when a sheet comes back."""

HOW_TO = (
    "Edit the coloured columns only: veto, boost, reason, note.",
    "veto: yes, or empty. Nobody of the segment is offered the product.",
    f"boost: a number from {LEAST_BOOST:g} to {MOST_BOOST:g}, or empty. 0.5 counts half as much again, -0.5 half.",
    "reason: why, in your words. It is shown to who asks why a customer was decided so.",
    "Emptying a row takes its edit back. Rows that you delete or filter away stay as they are.",
    "You may sort, filter and add rows: give by, segment and product, and leave the row key empty.",
    "Read it back: rapport worksheet PROGRAM --read FILE.xlsx --dry-run, then without --dry-run.",
)


def shown(text: str) -> str:
    """Return text as a cell can hold it: no control characters, and not too long."""
    if text.isprintable() and len(text) <= LONGEST_CELL:
        return text
    clean = "".join(c if c.isprintable() or c in "\t\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return clean if len(clean) <= LONGEST_CELL else clean[: LONGEST_CELL - 1] + "\N{HORIZONTAL ELLIPSIS}"


def row_key(program: str, by: str, segment: str, product: str) -> str:
    """Return what a row of a programme carries, to tell whether what it is about was changed."""
    text = "\x1f".join((program, by, segment, product))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


@dataclass(frozen=True)
class Matrix:
    """Segments by departments: shares in [0, 1] of the segment's customers."""

    title: str
    meaning: str
    segments: tuple[str, ...]
    departments: tuple[str, ...]
    share: list[list[float]]


@dataclass(frozen=True)
class Worksheet:
    """A worksheet to be written: `rows` gives each row's values in the order of `COLUMNS`, once.

    about : what the sheet is of, as pairs of words; the first names the programme
    """

    about: tuple[tuple[str, str], ...]
    count: int
    rows: Iterator[tuple[Any, ...]]
    maps: tuple[Matrix, ...]
    currency: str
