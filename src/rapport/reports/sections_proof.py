"""The sections of what holds it up: relevance, backtest, assumptions, read-out.

Why it exists: a claim stands beside what supports it - data the model had not seen, comparators, the held-out -
and beside what it merely assumes. No average over all tiers may enter without the tiers beside it.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from rapport.customize.names import show_day
from rapport.reports import charts
from rapport.reports.blocks import Block, Cell, Chart, Missing, Picture, Section, Table
from rapport.reports.facts import AssumptionFacts, BacktestFacts, Figure, ReportFacts
from rapport.reports.figures import Shown, show_figure, show_number
from rapport.reports.sections_plan import AGAIN, interval_rows, meaning_of

_OWN_AXIS = "Each tier has an axis of its own, which need not begin at zero: compare within a tier."

_POINTS = "Differences of shares are in percentage points."

DIFFERENCE = "difference"
"""The group of read-out rows that hold treated less holdout."""


def relevance_section(facts: ReportFacts) -> Section:
    """Return how well predicted probabilities agree with what happened."""
    says = (
        "A predicted probability of 10 % should come true one time in ten. Each dot is a group of predictions on "
        "data the model had not seen; on the dashed line they came true as often as predicted.",
    )
    model = facts.relevance
    if model is None:
        missing = Missing("No relevance model has been fitted yet.", AGAIN)
        return Section("relevance", "Relevance model", says, (missing,))
    pictures = []
    rows: list[tuple[Cell, ...]] = []
    for kind in model.kinds:
        rows += [(f"{kind.kind}: {name}", show_figure(f, facts.currency)) for name, f in kind.measures]
        if kind.bins:
            said = f"{kind.kind} offers: observed against predicted"
            pictures.append(Picture(said, Markup(charts.draw_calibration(kind.kind, kind.bins, said))))
    note = f"Version {model.version}. Status {model.status}: {meaning_of(model.status)}. {model.note}".strip()
    blocks: list[Block] = [Table("Diagnostics", ("Measure", "Value"), tuple(rows), note)]
    if pictures:
        blocks.insert(0, Chart("Predicted and observed share of buyers", tuple(pictures)))
    return Section("relevance", "Relevance model", says, tuple(blocks))


def backtest_section(facts: ReportFacts) -> Section:
    """Return the backtest against its comparators, per tier."""
    says = (
        "The same decision made on earlier days, held against what customers then did, beside simpler ways to "
        "choose. Hits judge the relevance model; a decision is judged by the contribution it adds.",
    )
    test = facts.backtest
    if test is None:
        missing = Missing(
            "No backtest has been made yet.",
            "It compares this programme's decisions on past days with simpler ways to choose.",
            "rapport backtest PROGRAM",
        )
        return Section("backtest", "Backtest", says, (missing,))
    blocks: list[Block] = []
    for measure in (test.hits_measure, *test.more_measures):
        pictures = _compared(test, measure, facts.currency)
        if pictures:
            title = measure.replace("_", " ").capitalize()
            basis = pictures[0][1]
            blocks.append(
                Chart(f"{title}{basis}, by tier (Rapport in blue)", tuple(p for p, _ in pictures), _OWN_AXIS)
            )
    blocks.append(
        Table(
            "All measures, by tier",
            ("Measure", "Tier", "Policy", "Value"),
            tuple(
                (r.measure.replace("_", " "), named_tier(r.tier), r.policy, show_figure(r.figure, facts.currency))
                for r in test.rows
            ),
            test.note,
        )
    )
    if test.campaigns:
        names = tuple(dict.fromkeys(n for c in test.campaigns for n, _ in c.measures))
        blocks.append(Table("Past campaigns", _campaign_headers(names), _campaign_rows(facts, test, names)))
    return Section("backtest", "Backtest", says, tuple(blocks))


def named_tier(tier: str) -> str:
    """Return a tier as the page names it; ``all`` stands for the tiers together, which never stand alone."""
    return "All tiers" if tier == "all" else f"Tier {tier}"


def _compared(test: BacktestFacts, measure: str, currency: str) -> tuple[tuple[Picture, str], ...]:
    """Return a picture for each tier of one measure, each with the word that marks an assumed one."""
    rows = [r for r in test.rows if r.measure == measure and not r.difference and r.figure.value is not None]
    pictures = []
    for place, tier in enumerate(dict.fromkeys(r.tier for r in rows)):
        here = [r for r in rows if r.tier == tier]
        lines = interval_rows([(r.policy, r.figure, r.ours, None) for r in here], currency)
        said = f"{measure.replace('_', ' ')}, {named_tier(tier)}"
        svg = charts.draw_intervals(f"{measure.replace('_', '-')}-{place}", lines, here[0].figure.unit, said)
        basis = ", assumed" if here[0].figure.basis == "assumed" else ""
        pictures.append((Picture(named_tier(tier), Markup(svg)), basis))
    return tuple(pictures)


def _campaign_headers(names: tuple[str, ...]) -> tuple[str, ...]:
    return ("Campaign", "Kind", "Starts", "Tier", "Households", *names)


def _campaign_rows(facts: ReportFacts, test: BacktestFacts, names: tuple[str, ...]) -> tuple[tuple[Cell, ...], ...]:
    rows = []
    for c in test.campaigns:
        found = dict(c.measures)
        cells = (show_figure(found[n], facts.currency) if n in found else "not measured" for n in names)
        rows.append((c.campaign, c.kind, show_day(c.starts), named_tier(c.tier), f"{c.households:,}", *cells))
    return tuple(rows)


def assumptions_section(facts: ReportFacts) -> Section:
    """Return what is assumed, what is measured, and how much of the gain rests on each assumption."""
    assumed = [a for a in facts.assumptions if a.basis == "assumed"]
    most = max((a.gain_share for a in assumed), default=0.0)
    # Assumptions overlap, so the largest share is a lower end for all of them together.
    part = "All" if most >= 1 else f"At least {show_number(most, 'share', '')}"
    says = (
        f"{part} of the expected gain rests on assumptions. A figure marked assumed changes with them; only a "
        "measurement can replace them.",
    )
    rows = tuple(
        (a.name, _assumed(a), f"{show_number(a.gain_share, 'share', '')} of the expected gain", a.why)
        for a in facts.assumptions
    )
    table = Table("Assumptions", ("What", "Value", "What rests on it", "Where it comes from"), rows)
    return Section("assumptions", "Assumed and measured", says, (table,))


def _assumed(assumption: AssumptionFacts) -> Shown:
    return Shown(assumption.value, "", "", assumption.basis == "assumed")


def readout_rows(facts: ReportFacts) -> list[tuple[dict[str, Any], Figure]]:
    """Return the rows of the read-out with their figures."""
    if facts.readout is None:
        return []
    return [(r, readout_figure(r)) for r in facts.readout.to_pylist()]


def readout_figure(row: dict[str, Any]) -> Figure:
    """Return one row of `core.tables.READOUT` as a figure."""
    why = row["note"] or meaning_of(row["status"])
    whole = row["low"] is not None and row["high"] is not None
    return Figure(
        value=row["value"],
        low=row["low"] if whole else None,
        high=row["high"] if whole else None,
        unit=row["unit"],
        basis="assumed" if row["basis"] == "assumed" else "measured",
        note=why,
    )


def readout_section(facts: ReportFacts) -> Section:
    """Return the treated against the held-out, per tier."""
    says = ["Treated customers against the held-out who were left alone, tier by tier."]
    if facts.replay:
        says.append(
            "This turn is a replay of past data: nothing was really sent. Treated and held-out lived through the "
            "same weeks, so every difference below is chance, and 19 of 20 intervals should include zero."
        )
    rows = readout_rows(facts)
    if not rows:
        missing = Missing(
            "There is no read-out yet.",
            "It can be made once the window in which outcomes count has ended.",
        )
        return Section("readout", "Treated against held-out", tuple(says), (missing,))
    blocks: list[Block] = []
    pictures = _differences(facts, rows)
    if pictures:
        blocks.append(Chart("Treated less held-out, by tier, against zero", pictures, _POINTS))
    blocks.append(
        Table(
            "Read-out",
            ("Measure", "Tier", "Group", "Customers", "Value", "Status"),
            tuple(
                (
                    r["measure"].replace("_", " "),
                    named_tier(r["tier"]),
                    r["group"],
                    f"{r['customers']:,}",
                    show_figure(f, facts.currency),
                    r["status"] if r["status"] == "OK" else f"{r['status']}: {meaning_of(r['status'])}",
                )
                for r, f in rows
            ),
        )
    )
    return Section("readout", "Treated against held-out", tuple(says), tuple(blocks))


def _differences(facts: ReportFacts, rows: list[tuple[dict[str, Any], Figure]]) -> tuple[Picture, ...]:
    found = [(r, f) for r, f in rows if r["group"] == DIFFERENCE and f.value is not None]
    pictures = []
    for place, measure in enumerate(dict.fromkeys(r["measure"] for r, _ in found)):
        lines = [(f"Tier {r['tier']}", f, True, None) for r, f in found if r["measure"] == measure]
        said = measure.replace("_", " ")
        svg = charts.draw_intervals(
            f"difference-{place}",
            interval_rows(lines, facts.currency),
            lines[0][1].unit,
            f"Difference in {said} by tier",
            anchor="zero",
        )
        pictures.append(Picture(said, Markup(svg)))
    return tuple(pictures)
