"""Draw the audit of people: the usable share of each field and system, and which systems agree.

Why it exists: a grid shows at a glance which system to trust with which field. Import this module only when drawing:
it loads the chart grammar. No number is computed here beyond positions and shades.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from markupsafe import Markup

from rapport.reports.blocks import Block, Chart, Missing, Picture
from rapport.reports.charts_tiers import HeatCell, draw_heat

ACROSS, LONGEST = 5, 8
"""Systems side by side in one picture, and letters of a name that fit over a column."""

Row = Mapping[str, Any]


def usable_chart(rows: Sequence[Row]) -> Chart:
    """Return the usable share of each field, by system; several pictures where there are many systems."""
    systems = list(dict.fromkeys(r["system"] for r in rows))
    pictures = []
    for first in range(0, len(systems), ACROSS):
        some = systems[first : first + ACROSS]
        mine = [r for r in rows if r["system"] in some and r["field"] != "record_id"]
        short, key = _short(some)
        cells = [HeatCell(_named(r["field"]), short[r["system"]], f"{r['usable']:.0%}", r["usable"]) for r in mine]
        fields = [_named(f) for f in dict.fromkeys(r["field"] for r in mine)]
        label = f"Usable share of each field in {', '.join(some)}"
        svg = draw_heat(f"usable-{first}", cells, fields, [short[s] for s in some], ("", "", label))
        pictures.append(Picture(key, Markup(svg)))
    return Chart(
        "Usable share of each field, by system", tuple(pictures), "Empty where the system has no such field."
    )


def agreement_chart(rows: Sequence[Row]) -> Block:
    """Return one grid of systems for each field, with the share that agrees and on how many customers it rests."""
    systems = list(dict.fromkeys(p[side] for r in rows for p in r["pairs"] for side in ("left", "right")))
    if len(systems) > ACROSS:
        return Missing(
            f"{len(systems)} systems share customers, more than a grid can show side by side.",
            "The table of each two systems holds every share.",
        )
    short, key = _short(systems)
    names = [short[s] for s in systems]
    pictures = []
    for n, row in enumerate(rows):
        cells = [
            HeatCell(short[a], short[b], f"{p['share']:.0%}", p["share"], f"{p['customers']:,}")
            for p in row["pairs"]
            for a, b in ((p["left"], p["right"]), (p["right"], p["left"]))
        ]
        held = {c.row for c in cells}
        here = [name for name in names if name in held]
        label = f"Agreement about {_named(row['field'])} of each two systems"
        svg = draw_heat(f"agreement-{n}", cells, here, here, ("", "", label))
        pictures.append(Picture(f"{_named(row['field'])}{key and f' ({key})'}", Markup(svg)))
    note = "Share of customers about whom both say the same; below it, how many customers both say something of."
    return Chart("Agreement of each two systems", tuple(pictures), note)


def _short(systems: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return what stands over each column, and the key to it where names are too long to stand there."""
    if all(len(s) <= LONGEST for s in systems):
        return {s: s for s in systems}, ""
    letters = dict(zip(systems, ascii_uppercase, strict=False))
    return letters, ", ".join(f"{letter}: {name}" for name, letter in letters.items())


def _named(field: str) -> str:
    return field.replace("_", " ")
