"""What a programme says of what customers could be worth: their peers, and those who have not bought yet.

Why it exists: who counts as a peer, and how well the best of the peers are served, is for the company to say. No
trait of a customer enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from rapport.program.part import Misplaced, Part, Share, Text, one_of

OF_STATES: Final = ("top_department",)
"""Columns of states that may stand among the peers, beside the traits."""


class Potential(Part):
    """Whom a customer's potential is compared with, and how high it is set."""

    peers: tuple[Text, ...] | None = Field(
        default=None,
        max_length=6,
        description="Traits, or `top_department`, that make customers peers, coarsest first; absent: the first three "
        "traits of the customer source that have 2 to 12 values, are no name, and are needed by no channel.",
    )
    quantile: Annotated[float, Field(strict=True, ge=0.5, le=0.99)] = Field(
        default=0.80, description="The peer who is reached for: 0.80 is the one whom a fifth of the peers exceed."
    )
    wallet: Text | None = Field(
        default=None,
        description="Trait that holds what the customer spends a year everywhere, for the share of wallet.",
    )


class Prospects(Part):
    """What is known of customers who have not bought yet."""

    conversion_rate: Share | None = Field(
        default=None,
        description="Share of prospects who become customers; absent: values are those of a prospect who does.",
    )
    basis: Literal["assumed", "measured"] = Field(default="assumed", description="Where the rate comes from.")


def check_potential(potential: Potential | None, traits: Sequence[str]) -> None:
    """Raise Misplaced where peers or the wallet name what is no trait of the customer source, or a peer twice."""
    if potential is None:
        return
    peers = potential.peers or ()
    for place, name in enumerate(peers):
        one_of(name, [*traits, *OF_STATES], "potential", "peers")
        if name in peers[:place]:
            raise Misplaced(f"is {name!r}, which stands twice; peers must differ", "potential", "peers")
    if potential.wallet is not None:
        one_of(potential.wallet, traits, "potential", "wallet")
