"""What a programme says of accounts: which prospects are wanted, and how many contact names each needs.

Why it exists: a company that nobody can name three people at cannot be won. No file is read here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rapport.program.part import Part, Text


class Accounts(Part):
    """Wanted prospects, and who finds what is missing."""

    wanted: tuple[Text, ...] = Field(default=(), description="Names of organisations that are wanted.")
    wanted_file: Text | None = Field(
        default=None,
        description="CSV file with the column `name` of further wanted organisations, relative to the programme.",
    )
    contacts: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(
        default=3, description="Contact names that each wanted organisation needs at least."
    )
    owner: Text = Field(default="sales", description="Whose task it is to find what is missing.")
