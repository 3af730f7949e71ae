"""The sections on tiers over time and on what each tier is made of.

Why it exists: a tier is planned for from turn to turn, so who leaves it matters as much as who is in it; and a tier
shown as one number hides the ages and households in it. No average over all tiers may enter.
"""

from __future__ import annotations

from markupsafe import Markup

from rapport.core.money import MICROS
from rapport.core.reasons import Status
from rapport.customize.names import show_day
from rapport.reports import charts_tiers
from rapport.reports.blocks import Block, Cell, Chart, Missing, Picture, Section, Table
from rapport.reports.charts_tiers import HeatCell
from rapport.reports.facts import Figure, ReportFacts
from rapport.reports.facts_tiers import (
    DisagreementFacts,
    EffectFacts,
    EffectsFacts,
    MigrationFacts,
    MoveFacts,
    SegmentFacts,
    TraitFacts,
)
from rapport.reports.figures import add_up, show_figure, show_number
from rapport.reports.sections_plan import meaning_of

TIERS = ("A", "B", "C")
NEW, GONE = "new", "gone"


def tier_sections(facts: ReportFacts) -> tuple[Section, ...]:
    """Return the sections on who moved and on sub-segments; none where nothing was gathered for them."""
    if facts.tiers_more is None:
        return ()
    found = [] if facts.tiers_more.migration is None else [_moves(facts, facts.tiers_more.migration)]
    return (*found, _segments(facts, facts.tiers_more.segments, facts.tiers_more.effects))


def _named(tier: str) -> str:
    return {NEW: "New", GONE: "Gone"}.get(tier, f"Tier {tier}")


def _moves(facts: ReportFacts, found: MigrationFacts) -> Section:
    title = "Who moved between tiers"
    says = [_how_ranked(found)]
    if found.turn_before is None or found.as_of_before is None:
        missing = Missing(
            "No earlier turn was planned, so nobody can have moved.", "The next turn is held against this one."
        )
        return Section("moves", title, tuple(says), (missing,))
    says.append(_how_many(found))
    for way, moves in _ways(found).items():
        if n := sum(m.customers for m in moves):
            before, after = (
                show_figure(add_up(tuple(getattr(m, f) for m in moves)), facts.currency)
                for f in ("value_before", "value_after")
            )
            basis = ", both assumed" if before.assumed and after.assumed else ""
            says.append(
                f"{n:,} moved {way}: the turn before expected {before.number} of them, "
                f"this one {after.number}{basis}."
            )
    blocks = (
        Chart(
            "Customers by tier before and now; darker: a larger share of those who were there before",
            (Picture("", Markup(_moves_map(found))),),
            "Percentages are of the row. Counted.",
        ),
        _moves_table(facts, found),
    )
    return Section("moves", title, tuple(says), blocks)


def _how_ranked(found: MigrationFacts) -> str:
    by = "expected contribution" if found.by.strip() == "value" else f"\u201c{found.by}\u201d"
    if not found.hysteresis:
        return f"Customers are ranked by {by}; who passes a border by one rank changes tier."
    share = show_number(found.hysteresis, "share", "")
    return (
        f"Customers are ranked by {by}. Who was in a tier keeps it until they have passed its border by more than "
        f"{share} of all ranks: {found.kept:,} hold a tier that rank alone would not give."
    )


def _ways(found: MigrationFacts) -> dict[str, list[MoveFacts]]:
    inside = [m for m in found.moves if m.before in TIERS and m.after in TIERS]
    return {
        "up": [m for m in inside if m.before > m.after],
        "down": [m for m in inside if m.before < m.after],
    }


def _how_many(found: MigrationFacts) -> str:
    ways = _ways(found)
    moved = sum(m.customers for moves in ways.values() for m in moves)
    known = sum(m.customers for m in found.moves if m.before != NEW and m.after != GONE)
    new = sum(m.customers for m in found.moves if m.before == NEW)
    gone = sum(m.customers for m in found.moves if m.after == GONE)
    share = f" ({show_number(moved / known, 'share', '')})" if known else ""
    assert found.as_of_before is not None
    return (
        f"Since turn {found.turn_before} of {show_day(found.as_of_before)}, {moved:,} of the {known:,} customers in "
        f"both turns changed tier{share}; {new:,} are new and {gone:,} are gone."
    )


def _moves_map(found: MigrationFacts) -> str:
    rows = [t for t in (*TIERS, NEW) if any(m.customers for m in found.moves if m.before == t)]
    columns = [t for t in (*TIERS, GONE) if t in TIERS or any(m.customers for m in found.moves if m.after == t)]
    total = {t: sum(m.customers for m in found.moves if m.before == t) for t in rows}
    cells = [
        HeatCell(
            row=f"was {m.before}" if m.before != NEW else NEW,
            column=f"is {m.after}" if m.after != GONE else GONE,
            text=f"{m.customers:,}",
            shade=m.customers / total[m.before],
            below=show_number(m.customers / total[m.before], "share", "", 1) if m.customers else "",
        )
        for m in found.moves
        if m.before in rows and m.after in columns
    ]
    return charts_tiers.draw_heat(
        "moves",
        cells,
        [f"was {t}" if t != NEW else NEW for t in rows],
        [f"is {t}" if t != GONE else GONE for t in columns],
        ("", "", "Customers by tier in the turn before and in this one"),
    )


def _moves_table(facts: ReportFacts, found: MigrationFacts) -> Table:
    rows = tuple(
        (
            f"{_named(m.before)} to {_named(m.after).lower() if m.after == GONE else m.after}",
            f"{m.customers:,}",
            show_figure(m.value_before, facts.currency),
            show_figure(m.value_after, facts.currency),
        )
        for m in found.moves
        if m.customers
    )
    return Table(
        "Movements and their value",
        ("From and to", "Customers", "Value the turn before expected", "Value this turn expects"),
        rows,
        "Movements that nobody made are left out. A new customer has no value before, a gone one none now. Who moves "
        "up does so because they rank higher: the sums say what moved, not what a treatment did.",
    )


def _segments(facts: ReportFacts, found: SegmentFacts, effects: EffectsFacts | None) -> Section:
    says = ["What each tier is made of. A tier's average describes none of its customers; these are its parts."]
    blocks: list[Block] = []
    if found.traits:
        says += _pointed_out(facts, found)
        title = (
            f"Value of the median customer in {facts.currency}, and how many customers; darker: more than others "
            "of the same tier"
        )
        pictures = tuple(
            Picture(f"By {_words(t.trait)}", Markup(_segment_map(t, place))) for place, t in enumerate(found.traits)
        )
        assumed = any(r.total and r.total.basis == "assumed" for t in found.traits for r in t.rows)
        rests = " They rest on assumed margins." if assumed else ""
        blocks.append(Chart(title, pictures, f"Values are as the value model expects them, untreated.{rests}"))
        blocks += [_segment_table(facts, t) for t in found.traits]
    else:
        todo = "Name traits in the customer source, or under [report] segments, then run the next turn."
        blocks.append(Missing("No trait cuts the customers into sub-segments that can be shown.", todo))
    if effects is not None and effects.rows:
        says.append(_opposed(facts, effects))
        blocks.append(_effects(facts, effects))
    if found.left_out:
        rows = tuple((_words(name), why) for name, why in found.left_out)
        note = "[report] segments in program.toml names the traits to show."
        blocks.append(Table("Traits by which tiers are not shown, and why", ("Trait", "Why"), rows, note))
    return Section("segments", "Value by tier and sub-segment", tuple(says), tuple(blocks))


def _words(trait: str) -> str:
    return trait.replace("_", " ")


def _pointed_out(facts: ReportFacts, found: SegmentFacts) -> list[str]:
    """Return in sentences which sub-segments say the opposite of the whole in a tier."""
    if not found.comparisons:
        return ["No sub-segment has the 30 households on each side that a comparison needs."]
    ruled = f"corrected for {found.comparisons:,} comparisons (Holm)"
    if not found.disagreements:
        return [
            f"Nothing disagrees beyond chance, {ruled}: no sub-segment that stands above the others over all "
            "customers stands below them inside a tier, or the other way round, and none is on the other side of "
            "zero from its tier."
        ]
    n = len(found.disagreements)
    told = "1 sub-segment says" if n == 1 else f"{n:,} times a sub-segment says"
    return [
        f"Tiers disagree: {told} the opposite of the whole inside a tier, beyond chance, {ruled}. Plan for these by "
        "themselves.",
        *(_sentence(facts, d) for d in found.disagreements),
    ]


def _sentence(facts: ReportFacts, d: DisagreementFacts) -> str:
    money = facts.currency
    chance = f"adjusted p = {d.adjusted_p:.3f}" if d.adjusted_p >= 0.001 else "adjusted p < 0.001"
    who = f"{_words(d.trait).capitalize()} {d.label}"
    if d.kind == "sign":
        return (
            f"{who}, tier {d.tier}: {d.measure} of {_each(d.within, money)} a customer, while the tier has "
            f"{_each(d.whole, money)} ({chance})."
        )
    everywhere = " So it is in every tier that can be compared." if d.everywhere else ""
    return (
        f"{who}, tier {d.tier}: {d.measure} over all customers is {_against(d.whole, money)} than the others' a "
        f"customer, in the tier {_against(d.within, money)} ({chance}).{everywhere}"
    )


def _each(figure: Figure, money: str) -> str:
    shown = show_figure(figure, money)
    return f"{shown.number} [{_ends(shown.interval)}]{', assumed' if shown.assumed else ''}"


def _against(figure: Figure, money: str) -> str:
    value, low, high = (v or 0.0 for v in (figure.value, figure.low, figure.high))
    turned = figure if value >= 0 else Figure(-value, -high, -low, unit=figure.unit, basis=figure.basis)
    return f"{_each(turned, money)} {'more' if value >= 0 else 'less'}"


def _ends(interval: str) -> str:
    return interval.partition(" (")[0]


def _segment_map(found: TraitFacts, place: int) -> str:
    medians = {(r.tier, r.label): r.median.value for r in found.rows if r.median and r.median.value is not None}
    largest = max((abs(v) for v in medians.values()), default=0.0) / MICROS
    digits = 0 if largest >= 100 else 2
    cells = []
    for r in found.rows:
        value = medians.get((r.tier, r.label))
        here = [v for (tier, _), v in medians.items() if tier == r.tier]
        shade = None
        if value is not None:
            spread = max(here) - min(here)
            shade = (value - min(here)) / spread if spread else 0.5
        text = "too few" if value is None else show_number(value / MICROS, "number", "", digits)
        cells.append(HeatCell(r.label, f"Tier {r.tier}", text, shade, f"{r.customers:,}"))
    said = f"Value of the median customer by tier and {_words(found.trait)}"
    return charts_tiers.draw_heat(
        f"segments-{place}", cells, found.labels, [f"Tier {t}" for t in TIERS], ("", "", said)
    )


def _segment_table(facts: ReportFacts, found: TraitFacts) -> Table:
    money = facts.currency
    rows: list[tuple[Cell, ...]] = []
    for r in found.rows:
        head = (f"Tier {r.tier}, {r.label}", f"{r.customers:,} ({show_number(r.share_of_tier, 'share', '')})")
        figures = (r.total, r.share_of_value, r.median, r.expected)
        if r.status != Status.OK or None in figures:
            rows.append((*head, f"{r.status}: {meaning_of(r.status)}", *(["not shown"] * 4)))
            continue
        total, share, median, expected = (show_figure(f, money) for f in figures if f is not None)
        rows.append((*head, total, share, median, f"{r.below_zero:,}", expected))
    return Table(
        f"Worth of each tier by {_words(found.trait)}",
        (
            f"Tier, {_words(found.trait)}",
            "Customers (of the tier)",
            "Value, sum",
            "Share of the tier's value",
            "Median customer",
            "Below zero",
            "Expected contribution of the turn",
        ),
        tuple(rows),
        "The rows of a tier add up to the tier. Groups of fewer than 20 customers have no figures.",
    )


def _group(effect: EffectFacts) -> str:
    return f"tier {effect.tier}{f', {_words(effect.trait)} {effect.label}' if effect.trait else ''}"


def _opposed(facts: ReportFacts, found: EffectsFacts) -> str:
    """Return in a sentence whether the turn worked in opposite directions."""
    what = f"treated less held-out in {_words(found.measure)}"
    if not found.comparisons:
        return f"Whether {what} differs in direction between groups cannot be told: the held-out are too few."
    if not found.opposed:
        return (
            f"Effects ({what}) point in opposite directions nowhere beyond chance, corrected for "
            f"{found.comparisons:,} comparisons (Holm) of tiers and of sub-segments with their tier."
        )
    chance = " This turn is a replay, so it is chance nevertheless." if facts.replay else ""
    pairs = "; ".join(
        f"{_group(one)} {_each(one.figure, facts.currency)} against {_group(other)} "
        f"{_each(other.figure, facts.currency)}"
        for one, other, _ in found.opposed
    )
    return f"Effects ({what}) point in opposite directions, beyond chance (Holm): {pairs}.{chance}"


def _effects(facts: ReportFacts, found: EffectsFacts) -> Table:
    rows = tuple(
        (
            f"Tier{_group(e)[4:]}",
            f"{e.treated:,} and {e.held_out:,}",
            show_figure(e.figure, facts.currency)
            if e.figure.low is not None
            else f"{e.figure.note}: {meaning_of(e.figure.note)}",
        )
        for e in found.rows
    )
    replay = " A replay: nothing was sent, so every difference is chance." if facts.replay else ""
    if found.status != Status.OK:
        replay += f" {found.status}: {meaning_of(found.status)}; this is what the data hold so far."
    return Table(
        f"Treated less held-out by tier and sub-segment: {_words(found.measure)}",
        ("Group", "Treated and held out", "Difference a customer"),
        rows,
        f"Groups with fewer than 30 households in an arm have no figure.{replay}",
    )
