"""Settings about tiers that keep still, and about the sub-segments in which each tier is shown.

Why it exists: a tier that flickers, or is shown only as an average, cannot be planned for. The rule that ranks
customers stands in `program.model`; no customer is looked at here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from rapport.core.errors import nearest
from rapport.program.part import Misplaced, Part, Text

BY_VALUE = "value"
"""What customers are ranked by unless the programme says otherwise: their expected contribution."""

IN_HOUSEHOLD = "customers_in_household"
"""A sub-segment that no source has to give: how many customers of the company live in the household."""


class Report(Part):
    """What the report of a turn shows beside the rest."""

    segments: Annotated[tuple[Text, ...], Field(max_length=40)] | None = Field(
        default=None,
        description="Traits by whose values each tier is shown, as the customer source names them, or "
        "`customers_in_household`; absent: all that have 2 to 12 values and cover half of the customers.",
    )


def check_hysteresis(hysteresis: float, top_share: float, bottom_share: float) -> None:
    """Raise Misplaced where the band around a border is so wide that a tier could be shut.

    Parameters
    ----------
    hysteresis, top_share, bottom_share : float
        Shares of customers.
    """
    middle = 1.0 - top_share - bottom_share
    told = {"top_share": top_share, "bottom_share": bottom_share, "half of what is left for B": middle / 2}
    # Shares are decimal numbers: what is left of 0.1 + 0.9 is nothing, not 1e-17.
    there = {name: share for name, share in told.items() if share > 1e-9}
    name, least = min(there.items(), key=lambda item: item[1])
    if hysteresis > 0 and hysteresis >= least - 1e-12:
        raise Misplaced(
            f"is {hysteresis:g}; must be below {name}, which is {least:g}, or nobody could enter or leave a tier",
            "hysteresis",
        )


def check_segments(report: Report | None, traits: Sequence[str]) -> None:
    """Raise Misplaced where the report is to show a trait that customers do not have, or one twice."""
    if report is None or report.segments is None:
        return
    known = [*traits, IN_HOUSEHOLD]
    for name in report.segments:
        if name not in known:
            near = nearest(name, known)
            told = f"is {name!r} at one place; must be one of: {', '.join(known)}{'.' if near else ''}{near}"
            raise Misplaced(told, "report", "segments")
    if len(set(report.segments)) < len(report.segments):
        raise Misplaced(f"is {list(report.segments)!r}; a trait may be named once", "report", "segments")
