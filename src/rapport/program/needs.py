"""What a programme says of needs groups: how many, made of what, and how long they stand.

Why it exists: groups are found without a word in program.toml; who wants others says so here. Nothing is fitted.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rapport.program.part import Part

View = Literal["discount", "label", "price", "weekday", "hour", "basket", "store"]


class Needs(Part):
    """How customers are grouped by what they need."""

    groups: Literal["auto", "off"] | Annotated[int, Field(strict=True, ge=1, le=24)] = Field(
        default="auto",
        description="How many groups; `auto`: as many as hold, which may be one; `off`: no groups are looked for.",
    )
    level: Literal["item", "category", "department"] = Field(
        default="category", description="Column of the products that says what is bought; coarser or finer groups."
    )
    views: tuple[View, ...] = Field(
        default=("discount", "label", "price", "weekday", "hour", "basket"),
        description="Behaviour that counts beside what is bought: discount, label, price, when, basket, store.",
    )
    refit_days: Annotated[int, Field(strict=True, ge=0, le=3650)] = Field(
        default=28,
        description="Days for which the groups of an earlier turn are used again; 0: learned anew in every turn.",
    )
