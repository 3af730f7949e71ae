"""Draw the charts of the report as SVG that stands inside the page.

Why it exists: one look for all charts - one width that is legible on a phone, one palette that people who
confuse red and green can read, labels beside the marks. Import this module only when drawing: it loads the
chart grammar. No number is computed here beyond positions, no text of the page may enter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import vl_convert

from rapport.core.money import MICROS
from rapport.reports.facts import CurvePoint, DepartmentFacts, LimitFacts, LitmusFacts, ReliabilityBin, TierFacts
from rapport.reports.figures import show_number

WIDTH = 340
"""Pixels; a phone shows the chart at its own size, a desktop somewhat larger."""

INK, MUTED, GRID = "#1c2430", "#5a6472", "#e3e6ea"
BLUE, ORANGE, GREY = "#0b5394", "#c8510a", "#9aa3ad"
MOST_FULL, LONGEST_NAME = 1.15, 46
VERDICTS = {"individual": "#0b3c6f", "segment": "#3f86c2", "mass": "#a8cdea", "none": "#dcdfe3"}
_ON_DARK = ("individual", "segment")

_ID = re.compile(r'\bid="([^"]+)"')


@dataclass(frozen=True)
class IntervalRow:
    """One line of an interval chart; `target` is drawn as a tick."""

    label: str
    value: float
    low: float | None
    high: float | None
    shown: str
    ours: bool = True
    target: float | None = None


def _text(size: int = 12, **more: Any) -> dict[str, Any]:
    return {"fontSize": size, "color": INK, **more}


def _draw(chart: Any, name: str, height: int, label: str) -> str:
    """Return a chart as SVG: fixed width, no ids that could meet those of another chart."""
    finished = (
        chart.properties(
            width=WIDTH, height=height, autosize=alt.AutoSizeParams(type="fit", contains="padding"), padding=4
        )
        .configure(aria=False, background="#ffffff", font="Arial, Helvetica, sans-serif", view={"stroke": None})
        .configure_axis(
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            labelColor=INK,
            titleColor=MUTED,
            gridColor=GRID,
            domain=False,
            ticks=False,
            labelPadding=6,
            labelLimit=130,
        )
        .configure_legend(
            orient="top", title=None, labelFontSize=12, labelColor=INK, symbolType="square", columnPadding=10
        )
    )
    return _own_ids(str(vl_convert.vegalite_to_svg(finished.to_dict())), name, label)


def draw_like_these(chart: Any, name: str, height: int, label: str) -> str:
    """Return a chart of another module as SVG in the look of these; `name` makes its ids its own."""
    return _draw(chart, name, height, label)


def _own_ids(svg: str, name: str, label: str) -> str:
    # The renderer numbers ids by a counter of its process: the same chart would differ from run to run.
    for place, old in enumerate(dict.fromkeys(_ID.findall(svg)), start=1):
        svg = re.sub(rf'\bid="{re.escape(old)}"', f'id="{name}-{place}"', svg)
        svg = svg.replace(f"url(#{old})", f"url(#{name}-{place})")
        svg = svg.replace(f'href="#{old}"', f'href="#{name}-{place}"')
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r' (role|aria-\w+)="[^"]*"', "", svg)
    said = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{said}" ', 1)


def _rows(rows: Sequence[dict[str, Any]]) -> Any:
    return alt.InlineData(values=list(rows))


def _pad(low: float, high: float, share: float) -> list[float]:
    room = (high - low or abs(high) or 1.0) * share
    return [low - room if low < 0 else low, high + room]


def draw_tier_shares(tiers: Sequence[TierFacts], label: str) -> str:
    """Return bars: each tier's share of customers beside its share of value."""
    everyone = sum(t.customers for t in tiers) or 1
    rows: list[dict[str, Any]] = []
    for tier in tiers:
        shares = {"share of customers": tier.customers / everyone}
        if tier.value_share.value is not None:
            shares["share of value"] = tier.value_share.value
        for what, share in shares.items():
            rows.append(
                {
                    "tier": f"Tier {tier.tier}",
                    "what": what,
                    "share": share,
                    "text": show_number(share, "share", ""),
                    "at": max(share, 0.0),
                }
            )
    ends = [r["share"] for r in rows]
    x = alt.X(
        "share:Q",
        axis=alt.Axis(format=".0%", tickCount=4, title=None),
        scale=alt.Scale(domain=_pad(min(0.0, *ends), max(ends), 0.18), nice=False),
    )
    y = alt.Y("tier:N", title=None)
    kinds = ["share of customers", "share of value"]
    offset = alt.YOffset("what:N", sort=kinds)
    colour = alt.Color("what:N", sort=kinds, scale=alt.Scale(domain=kinds, range=[GREY, BLUE]))
    base = alt.Chart(_rows(rows))
    bars = base.mark_bar(height={"band": 0.9}).encode(x=x, y=y, yOffset=offset, color=colour)
    texts = base.mark_text(align="left", dx=4, **_text()).encode(x="at:Q", y=y, yOffset=offset, text="text:N")
    return _draw(bars + texts, "tiers", 60 + 56 * len(tiers), label)


def draw_value_curve(points: Sequence[CurvePoint], label: str) -> str:
    """Return the curve of value over customers, from the most valuable on, with the line of equality."""
    rows = [{"x": p.customer_share, "y": p.value_share, "d": p.customer_share} for p in points]
    x = alt.X("x:Q", title="share of customers, most valuable first", axis=alt.Axis(format=".0%", tickCount=4))
    y = alt.Y("y:Q", title="share of value", axis=alt.Axis(format=".0%", tickCount=5))
    base = alt.Chart(_rows(rows))
    line = base.mark_line(color=BLUE, strokeWidth=2.5).encode(x=x, y=y)
    even = base.mark_line(color=MUTED, strokeDash=[4, 4], strokeWidth=1.2).encode(x=x, y=alt.Y("d:Q"))
    said = alt.Chart(_rows([{"x": 0.72, "y": 0.6, "t": "all alike"}]))
    return _draw(
        line + even + said.mark_text(align="left", **_text(color=MUTED)).encode(x="x:Q", y="y:Q", text="t:N"),
        "curve",
        240,
        label,
    )


def draw_litmus(litmus: Sequence[LitmusFacts], label: str) -> str:
    """Return stacked bars: share of each verdict within each tier."""
    rows = []
    for tier in litmus:
        counts = {v: getattr(tier, v) for v in VERDICTS}
        total, start = sum(counts.values()) or 1, 0.0
        for verdict, count in counts.items():
            share = count / total
            rows.append(
                {
                    "tier": f"Tier {tier.tier}",
                    "verdict": verdict,
                    "from": start,
                    "to": start + share,
                    "middle": start + share / 2,
                    "text": f"{share * 100:.0f}" if share >= 0.08 else "",
                    "ink": "#ffffff" if verdict in _ON_DARK else INK,
                }
            )
            start += share
    names = list(VERDICTS)
    x = alt.X("from:Q", title="% of the tier's customers", axis=None, scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("tier:N", title=None)
    base = alt.Chart(_rows(rows))
    bars = base.mark_bar(height={"band": 0.75}, stroke="#ffffff", strokeWidth=1).encode(
        x=x,
        x2="to:Q",
        y=y,
        color=alt.Color("verdict:N", sort=names, scale=alt.Scale(domain=names, range=list(VERDICTS.values()))),
    )
    texts = base.mark_text(fontSize=12).encode(
        x="middle:Q", y=y, text="text:N", color=alt.Color("ink:N", scale=None, legend=None)
    )
    return _draw(alt.layer(bars, texts).resolve_scale(color="independent"), "litmus", 50 + 44 * len(litmus), label)


def draw_calibration(kind: str, bins: Sequence[ReliabilityBin], label: str) -> str:
    """Return observed share against predicted probability with intervals and the line of agreement."""
    rows = [{"p": b.predicted, "o": b.observed, "l": b.low, "h": b.high, "n": b.count} for b in bins]
    top = max((max(b.predicted, b.high) for b in bins), default=1.0) * 1.06
    scale = alt.Scale(domain=[0, top], nice=False)
    form = ".0%" if top > 0.1 else ".1%"
    x = alt.X("p:Q", title="predicted", scale=scale, axis=alt.Axis(format=form, tickCount=4))
    y = alt.Y("o:Q", title="observed", scale=scale, axis=alt.Axis(format=form, tickCount=4))
    diagonal = (
        alt.Chart(_rows([{"p": 0, "o": 0}, {"p": top, "o": top}]))
        .mark_line(color=MUTED, strokeDash=[4, 4], strokeWidth=1.2)
        .encode(x=x, y=y)
    )
    base = alt.Chart(_rows(rows))
    spans = base.mark_rule(color=BLUE, strokeWidth=1.5).encode(x=x, y=alt.Y("l:Q"), y2="h:Q")
    dots = base.mark_point(filled=True, color=BLUE, size=55, opacity=1).encode(x=x, y=y)
    said = alt.Chart(_rows([{"p": top * 0.97, "o": top * 0.07, "t": "dashed: as predicted"}]))
    text = said.mark_text(align="right", **_text(color=MUTED)).encode(x="p:Q", y="o:Q", text="t:N")
    return _draw(diagonal + spans + dots + text, f"calibration-{kind}", 250, label)


def draw_departments(departments: Sequence[DepartmentFacts], label: str) -> str:
    """Return stacked bars: slots of each department, repeat and explore."""
    rows: list[dict[str, Any]] = []
    order = [d.department for d in departments]
    for d in departments:
        for what, start, count in (("yours again", 0, d.repeat), ("something new", d.repeat, d.explore)):
            rows.append({"department": d.department, "what": what, "from": start, "to": start + count})
    ends = [
        {"department": d.department, "to": d.repeat + d.explore, "t": f"{d.repeat + d.explore:,}"}
        for d in departments
    ]
    kinds = ["yours again", "something new"]
    top = max((d.repeat + d.explore for d in departments), default=1)
    x = alt.X("from:Q", axis=None, scale=alt.Scale(domain=[0, top * 1.25], nice=False))
    y = alt.Y("department:N", sort=order, title=None)
    bars = (
        alt.Chart(_rows(rows))
        .mark_bar(height={"band": 0.7})
        .encode(
            x=x,
            x2="to:Q",
            y=y,
            color=alt.Color("what:N", sort=kinds, scale=alt.Scale(domain=kinds, range=[BLUE, ORANGE])),
        )
    )
    texts = alt.Chart(_rows(ends)).mark_text(align="left", dx=4, **_text()).encode(x="to:Q", y=y, text="t:N")
    return _draw(bars + texts, "departments", 50 + 27 * len(departments), label)


def draw_limits(name: str, limits: Sequence[LimitFacts], currency: str, label: str) -> str:
    """Return bars: the used share of each limit, its name above, share and price beside; a mark where it is full."""
    rows: list[dict[str, Any]] = [
        {
            "limit": str(place),
            "name": limit.name if len(limit.name) <= LONGEST_NAME else f"{limit.name[: LONGEST_NAME - 1]}\u2026",
            "to": min(max(limit.share, 0.0), MOST_FULL),
            "none": 0.0,
            "full": 1.0,
            "beside": min(max(limit.share, 1.0), MOST_FULL),
            "colour": BLUE if limit.binding else GREY,
            "text": f"{show_number(limit.share, 'share', '', 0)}{_priced(limit, currency)}",
        }
        for place, limit in enumerate(limits)
    ]
    x = alt.X("to:Q", axis=None, scale=alt.Scale(domain=[0, 2.3], nice=False))
    y = alt.Y("limit:N", sort=[r["limit"] for r in rows], axis=None)
    base = alt.Chart(_rows(rows))
    bars = base.mark_bar(height=10, yOffset=7).encode(x=x, y=y, color=alt.Color("colour:N", scale=None, legend=None))
    names = base.mark_text(align="left", dy=-6, **_text()).encode(x=alt.X("none:Q", axis=None), y=y, text="name:N")
    told = base.mark_text(align="left", dx=6, dy=8, **_text(color=MUTED)).encode(
        x=alt.X("beside:Q", axis=None), y=y, text="text:N"
    )
    full = base.mark_tick(color=ORANGE, thickness=2, height=12, yOffset=7, orient="vertical").encode(
        x=alt.X("full:Q", axis=None), y=y
    )
    return _draw(bars + full + names + told, name, 12 + 34 * len(limits), label)


def _priced(limit: LimitFacts, currency: str) -> str:
    if not limit.price.value:
        return ""
    return f", {show_number(limit.price.value, 'money', currency)} {limit.price.note}"


def draw_intervals(
    name: str,
    rows: Sequence[IntervalRow],
    unit: str,
    label: str,
    anchor: Literal["none", "zero"] = "none",
) -> str:
    """Return dots with intervals, one line a row, the number above the dot.

    Parameters
    ----------
    name : str
        Makes the ids of this chart its own; once a page.
    rows : sequence of IntervalRow
    unit : str
        ``money`` (micros), ``share``, or any other.
    label : str
        What a screen reader says.
    anchor : {"none", "zero"}
        `zero` draws a line at zero and keeps it in view.
    """
    scale = 1 / MICROS if unit == "money" else 1.0
    low, high = _span(rows, anchor)
    points = [
        {
            "label": r.label,
            "v": r.value * scale,
            "l": None if r.low is None else r.low * scale,
            "h": None if r.high is None else r.high * scale,
            "t": r.shown,
            "goal": None if r.target is None else r.target * scale,
            "colour": BLUE if r.ours else GREY,
        }
        for r in rows
    ]
    large = max(abs(low), abs(high)) * scale >= 10_000
    form = "~%" if unit == "share" else "~s" if large else ",.6~g"
    x = alt.X(
        "v:Q",
        title=None,
        axis=alt.Axis(format=form, tickCount=4),
        scale=alt.Scale(domain=[low * scale, high * scale], nice=False),
    )
    y = alt.Y("label:N", sort=[r.label for r in rows], title=None)
    colour = alt.Color("colour:N", scale=None, legend=None)
    base = alt.Chart(_rows(points))
    layers = [
        base.transform_filter("isValid(datum.l)")
        .mark_rule(strokeWidth=3, opacity=0.55)
        .encode(x=alt.X("l:Q"), x2="h:Q", y=y, color=colour),
        base.mark_point(filled=True, size=32, opacity=1).encode(x=x, y=y, color=colour),
        # A white edge keeps the number legible where a line runs behind it.
        base.mark_text(dy=-15, stroke="#ffffff", strokeWidth=4, fontSize=12).encode(x=x, y=y, text="t:N"),
        base.mark_text(dy=-15, **_text()).encode(x=x, y=y, text="t:N"),
    ]
    if any(r.target is not None for r in rows):
        goals = base.transform_filter("isValid(datum.goal)")
        layers.append(
            goals.mark_tick(color=ORANGE, thickness=3, height=16, orient="vertical").encode(x="goal:Q", y=y)
        )
    if anchor == "zero":
        nought = alt.Chart(_rows([{"v": 0}])).mark_rule(color=INK, strokeWidth=1)
        layers.insert(0, nought.encode(x=alt.X("v:Q")))
    return _draw(alt.layer(*layers), name, 36 + 44 * len(rows), label)


def _span(rows: Sequence[IntervalRow], anchor: Literal["none", "zero"]) -> tuple[float, float]:
    """Return the ends of an axis that shows all rows, with room for their labels."""
    values = [v for r in rows for v in (r.value, r.low, r.high, r.target) if v is not None]
    if anchor == "zero":
        values.append(0.0)
    low, high = min(values), max(values)
    # A label is centred on its dot: half of it, about 3 of some 260 pixels a letter, must fit beside the last one.
    share = 0.10 + 0.0085 * max(len(r.shown) for r in rows)
    room = (high - low or abs(high) or 1.0) * share
    return low - room, high + room
