"""Draw heat maps of tiers: who moved where, and what each tier is worth in each sub-segment.

Why it exists: see `reports.charts`, whose look these share. No number is computed here beyond positions and shades.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from rapport.reports import charts

_LIGHT, _DARK = "#eef4fa", "#0b3c6f"
_NONE = "#f4f5f7"
_INK_TURNS = 0.55
"""Shade from which on the numbers are white."""


@dataclass(frozen=True)
class HeatCell:
    """One field: what is written in it, and its shade from 0 to 1; None where there is nothing to compare."""

    row: str
    column: str
    text: str
    shade: float | None
    below: str = ""


def draw_heat(
    name: str, cells: Sequence[HeatCell], rows: Sequence[str], columns: Sequence[str], titles: tuple[str, str, str]
) -> str:
    """Return a heat map with the numbers in its fields.

    Parameters
    ----------
    name : str
        Makes the ids of this chart its own; once a page.
    titles : tuple of str
        Of the rows, of the columns, and what a screen reader says.
    """
    data = [
        {
            "row": c.row,
            "column": c.column,
            "text": c.text,
            "below": c.below,
            "shade": -1.0 if c.shade is None else c.shade,
            "colour": _NONE if c.shade is None else _shaded(c.shade),
            "ink": "#ffffff" if c.shade is not None and c.shade > _INK_TURNS else charts.INK,
        }
        for c in cells
    ]
    x = alt.X(
        "column:N", sort=list(columns), title=titles[1] or None, axis=alt.Axis(orient="top", labelAngle=0, grid=False)
    )
    y = alt.Y("row:N", sort=list(rows), title=titles[0] or None, axis=alt.Axis(grid=False))
    base = alt.Chart(alt.InlineData(values=data))
    fields = base.mark_rect(stroke="#ffffff", strokeWidth=2).encode(
        x=x, y=y, color=alt.Color("colour:N", scale=None, legend=None)
    )
    ink = alt.Color("ink:N", scale=None, legend=None)
    two = any(c.below for c in cells)
    told = base.mark_text(fontSize=12, dy=-7 if two else 0).encode(x=x, y=y, text="text:N", color=ink)
    layers = [fields, told]
    if two:
        layers.append(base.mark_text(fontSize=11, dy=8).encode(x=x, y=y, text="below:N", color=ink))
    return charts.draw_like_these(alt.layer(*layers), name, 50 + (38 if two else 28) * len(rows), titles[2])


def _shaded(shade: float) -> str:
    """Return a colour between light and dark; legible to people who confuse red and green, and in grey."""
    ends = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (_LIGHT, _DARK)]
    mixed = (round(a + (b - a) * shade) for a, b in zip(*ends, strict=True))
    return "#" + "".join(f"{m:02x}" for m in mixed)
