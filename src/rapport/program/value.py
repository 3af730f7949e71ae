"""How the value of customers is worked out: cohorts with lifetimes of their own, seasons.

Why it exists: the usual is right for most; a company that knows its customers came in waves, or that its year has
seasons, says so here. Nothing is fitted here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rapport.program.part import Name, Part


class Value(Part):
    """How the value of customers is worked out."""

    cohorts: Name = Field(
        default="none",
        description="`none`; `quarter` of the first purchase; or a trait of customers. Each large cohort gets a "
        "lifetime model of its own where that forecast the company's own past better.",
    )
    seasons: Literal["auto", "none"] = Field(
        default="auto",
        description="`auto`: seasonal factors where at least a year and a quarter of purchases shows them and they "
        "forecast the last quarter better; `none`: never.",
    )
