"""The sections of what was planned and decided: goals, data, tiers, litmus, decision, portfolio, assumptions.

Why it exists: each turn is told in the same order and in plain sentences, tier by tier. No average over all
tiers may enter without the tiers beside it; sums may.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from rapport.core.reasons import REASON_MEANINGS
from rapport.customize.names import readable_name, show_day
from rapport.reports import charts
from rapport.reports.blocks import Block, Cell, Chart, Missing, Picture, Section, Table, Terms
from rapport.reports.facts import Figure, GoalFacts, ReportFacts
from rapport.reports.figures import add_up, show_figure, show_number

_COUNTS = ("customers", "delivered", "held_out", "silent", "explored")
_SUMS = ("expected", "giveaways", "contact_cost", "exploration_cost")

AGAIN = "Finish the turn, then make the report again."


def meaning_of(reason: str) -> str:
    """Return a reason or status in words, or as it stands where it is not on the closed list."""
    return {str(k): v for k, v in REASON_MEANINGS.items()}.get(reason, reason)


def goals_section(facts: ReportFacts) -> Section:
    """Return challenges and goals with the baseline of each tier."""
    rows: list[tuple[Cell, ...]] = []
    for goal in facts.goals:
        for tier in goal.tiers:
            target = (
                "no target" if tier.target is None else show_number(tier.target, tier.baseline.unit, facts.currency)
            )
            rows.append(
                (
                    f"{goal.name}, tier {tier.tier}",
                    goal.measure.replace("_", " "),
                    show_figure(tier.baseline, facts.currency),
                    f"{target} ({show_number(goal.target_change, 'share', '')} change) by {show_day(goal.by)}",
                )
            )
    blocks: list[Block] = [Terms(tuple((c.name, c.text) for c in facts.challenges))]
    pictures = tuple(
        Picture(f"{g.name}: {g.measure.replace('_', ' ')}, {g.window_days} days", _draw_goal(facts, g, i))
        for i, g in enumerate(facts.goals)
        if any(t.baseline.value is not None for t in g.tiers)
    )
    if pictures:
        blocks.append(Chart("Where each tier stands, and the target (orange)", pictures))
    blocks.append(Table("Goals", ("Goal", "Measure", "Baseline", "Target"), tuple(rows)))
    return Section(
        "goals",
        "Challenges and goals",
        (
            "The goals were stated before any channel was used. Each baseline was measured before the turn sent "
            "anything, so a later change can be held against it.",
        ),
        tuple(blocks),
    )


def _draw_goal(facts: ReportFacts, goal: GoalFacts, place: int) -> Markup:
    rows = interval_rows([(f"Tier {t.tier}", t.baseline, True, t.target) for t in goal.tiers], facts.currency)
    return Markup(
        charts.draw_intervals(
            f"goal-{place}", rows, goal.tiers[0].baseline.unit, f"Baseline and target of {goal.name} by tier"
        )
    )


def interval_rows(
    figures: Iterable[tuple[str, Figure, bool, float | None]], currency: str
) -> list[charts.IntervalRow]:
    """Return lines for an interval chart from (label, figure, ours, target), leaving out unknown values."""
    return [
        charts.IntervalRow(
            label=label,
            value=f.value,
            low=f.low,
            high=f.high,
            shown=show_number(f.value, f.unit, currency),
            ours=ours,
            target=target,
        )
        for label, f, ours, target in figures
        if f.value is not None
    ]


def data_section(facts: ReportFacts) -> Section:
    """Return what was loaded, what was set aside and why, and the grade of each column."""
    loads = tuple((c.source, f"{c.read:,}", f"{c.loaded:,}", f"{c.quarantined:,}") for c in facts.loads)
    blocks: list[Block] = [
        Table("Rows of each source", ("Source", "Read", "Loaded", "In quarantine"), loads, "Counted.")
    ]
    if facts.quarantine:
        aside = tuple((q.source, meaning_of(q.reason), f"{q.rows:,}") for q in facts.quarantine)
        blocks.append(
            Table("Rows in quarantine, by reason", ("Source", "Reason", "Rows"), aside, "Nothing is dropped.")
        )
    if facts.audit is None:
        blocks.append(Missing("The audit of the columns is not there yet.", AGAIN))
    else:
        rows = tuple(
            (
                f"{a['source']}.{a['column']}",
                show_number(a["fill"] or 0.0, "share", ""),
                show_number(a["usable"] or 0.0, "share", ""),
                a["grade"] or "none",
                a["freshest"].isoformat() if a["freshest"] else "not dated",
                a["unlocks"] or "",
            )
            for a in facts.audit.to_pylist()
        )
        blocks.append(
            Table(
                "Grade of each column",
                ("Column", "Filled", "Usable", "Grade", "Freshest", "Unlocks"),
                rows,
                "Counted over all rows.",
            )
        )
    return Section(
        "data",
        "The data",
        (
            "What the company's files held and how far each column can be used. A column that is partly usable "
            "is used where it is.",
        ),
        tuple(blocks),
    )


def tiers_section(facts: ReportFacts) -> Section:
    """Return what customers are worth, tier by tier, and the model behind it."""
    money = facts.currency
    rows = tuple(
        (
            f"Tier {t.tier}",
            f"{t.customers:,}",
            show_figure(t.total_value, money),
            show_figure(t.value_share, money),
            show_figure(t.median_value, money),
            f"{t.below_zero:,}",
        )
        for t in facts.tiers
    )
    pictures = []
    if any(t.value_share.value is not None for t in facts.tiers):
        pictures.append(Picture("", Markup(charts.draw_tier_shares(facts.tiers, _tier_title(facts)))))
    if facts.value_curve:
        said = "Share of value brought by the most valuable customers"
        pictures.append(Picture(said, Markup(charts.draw_value_curve(facts.value_curve, said))))
    blocks: list[Block] = [
        Terms(tuple((f"Tier {t.tier}", t.purpose) for t in facts.tiers)),
        *([Chart(_tier_title(facts), tuple(pictures))] if pictures else []),
        Table(
            "Worth of each tier",
            ("Tier", "Customers", "Value, sum", "Share of all value", "Median customer", "Below zero"),
            rows,
        ),
        _value_model(facts),
        *_chosen_among(facts),
    ]
    return Section(
        "tiers",
        "What customers are worth",
        (
            "Value is the expected contribution of a customer over the horizon, with no treatment. Below zero are "
            "customers who cost more than they bring.",
        ),
        tuple(blocks),
    )


def _tier_title(facts: ReportFacts) -> str:
    everyone = sum(t.customers for t in facts.tiers)
    if not everyone or facts.tiers[0].value_share.value is None:
        return "Share of customers and of value, by tier"
    first = facts.tiers[0]
    return (
        f"Tier {first.tier}: {show_number(first.customers / everyone, 'share', '')} of customers, "
        f"{show_number(first.value_share.value or 0.0, 'share', '')} of value"
    )


def _value_model(facts: ReportFacts) -> Block:
    model = facts.value_model
    if model is None:
        return Missing("No value model has been fitted yet.", AGAIN)
    rows = tuple((p.name, show_figure(p.figure, facts.currency)) for p in model.parameters)
    note = " ".join([f"Status {model.status}: {meaning_of(model.status)}. {model.note}.".strip(), *model.warnings])
    return Table(f"Value model {model.name}, {model.horizon_days} days", ("Parameter", "Value"), rows, note)


def _chosen_among(facts: ReportFacts) -> tuple[Block, ...]:
    """Return how each model forecast the part of the past held out, the own rate and one mean for all among them."""
    if facts.value_model is None or not facts.value_model.compared:
        return ()
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            c.what,
            c.name,
            *(show_figure(f, facts.currency) for f in (c.error, c.behind, c.bias)),
            c.verdict,
        )
        for c in facts.value_model.compared
    )
    note = (
        "Each was fitted on the first part of the known time and forecast the rest. Error: purchase days missed a "
        "customer in four weeks; money missed a purchase day. Chosen is the simplest that is within 1 %, or within "
        "chance, of the best."
    )
    head = ("Of what", "Model", "Error", "Behind the best", "Bias of the total", "")
    return (Table("What the value model was chosen among", head, rows, note),)


def litmus_section(facts: ReportFacts) -> Section:
    """Return the verdicts of the litmus test and the sums behind them."""
    says = (
        "For each customer the test asks which treatment is expected to earn more than it costs: an individual "
        "one, the one of the segment, the one for all, or none.",
    )
    if not facts.litmus:
        missing = Missing("The litmus test has not been made yet.", AGAIN)
        return Section("litmus", "Litmus test", says, (missing,))
    money = facts.currency
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            f"Tier {t.tier}",
            *(f"{n:,}" for n in (t.individual, t.segment, t.mass, t.none)),
            *(show_figure(s, money) for s in (t.individual_sum, t.segment_sum, t.mass_sum)),
        )
        for t in facts.litmus
    )
    warranted = (
        f"{show_number(t.individual / (t.individual + t.segment + t.mass + t.none or 1), 'share', '')}"
        f" of tier {t.tier}"
        for t in facts.litmus
    )
    title = f"Individual treatment is warranted for {', '.join(warranted)} (verdicts, % of customers)"
    blocks = (
        Chart(title, (Picture("", Markup(charts.draw_litmus(facts.litmus, title))),)),
        Table(
            "Customers by verdict, and what each level would bring if all of the tier had it",
            ("Tier", "Individual", "Segment", "Mass", "None", "Individual, sum", "Segment, sum", "Mass, sum"),
            rows,
        ),
    )
    return Section("litmus", "Litmus test", says, blocks)


def decision_section(facts: ReportFacts) -> Section:
    """Return what was decided: who gets what, what it is expected to bring, what the channels carry."""
    money = facts.currency
    rows: list[tuple[Cell, ...]] = [
        (
            f"Tier {d.tier}",
            *(show_figure(getattr(d, name), money) for name in _SUMS),
        )
        for d in facts.decided
    ]
    who: list[tuple[Cell, ...]] = [
        (f"Tier {d.tier}", *(f"{getattr(d, name):,}" for name in _COUNTS)) for d in facts.decided
    ]
    if facts.decided:
        counts = (sum(getattr(d, name) for d in facts.decided) for name in _COUNTS)
        sums = (add_up(tuple(getattr(d, name) for d in facts.decided)) for name in _SUMS)
        who.append(("Sum of the tiers", *(f"{n:,}" for n in counts)))
        rows.append(("Sum of the tiers", *(show_figure(f, money) for f in sums)))
    blocks: tuple[Block, ...] = (
        Table(
            "Who was decided how",
            ("Tier", "Customers", "Delivered", "Held out", "Silent, not held out", "Delivered by chance, to learn"),
            tuple(who),
            "Counted.",
        ),
        Table(
            "What it is expected to bring and to cost",
            ("Tier", "Expected contribution", "Giveaways", "Contact cost", "Cost of learning"),
            tuple(rows),
            "Expected contribution is after giveaways and contact cost. Giveaways are discounts on what would "
            f"have been bought anyway.{_learning_that_earns(facts)}",
        ),
        _channels(facts),
        _reasons(facts),
    )
    return Section(
        "decision",
        "The decision",
        (
            "Each customer got the treatment with the highest expected contribution, or silence. The held-out "
            "were decided too and left alone, so that the effect can be measured.",
        ),
        blocks,
    )


def _learning_that_earns(facts: ReportFacts) -> str:
    if all((d.exploration_cost.value or 0.0) >= 0.0 for d in facts.decided):
        return ""
    return " A cost of learning below zero: chance spoke to customers whom the prices of limits leave silent."


def _reasons(facts: ReportFacts) -> Table:
    tiers = tuple(dict.fromkeys(d.tier for d in facts.decided))
    found = {(r.reason, r.tier): r.customers for r in facts.reasons}
    rows = tuple(
        (meaning_of(reason), *(f"{found.get((reason, tier), 0):,}" for tier in tiers))
        for reason in dict.fromkeys(r.reason for r in facts.reasons)
    )
    headers = ("Reason", *(f"Tier {tier}" for tier in tiers))
    return Table(
        "Why customers have the decision they have", headers, rows, "Counted. A customer may have several reasons."
    )


def _channels(facts: ReportFacts) -> Table:
    rows = tuple(
        (
            c.channel,
            c.format,
            f"{sum(n for _, n in c.used_by_tier):,} of {c.capacity:,} "
            f"({', '.join(f'{t} {n:,}' for t, n in c.used_by_tier)})",
            show_figure(c.price, facts.currency),
            show_figure(c.cost_per_contact, facts.currency),
            show_figure(c.reach, facts.currency),
        )
        for c in facts.channels
    )
    return Table(
        "Channels",
        ("Channel", "Format", "Capacity used", "Price of a place", "Cost of a contact", "Reach"),
        rows,
        "The price of a place is what one more contact would bring. It is 0 where capacity is left.",
    )


def portfolio_section(facts: ReportFacts) -> Section:
    """Return what the portfolios hold."""
    says = ("What was offered: yours again is an item the household has bought, something new one it has not.",)
    p = facts.portfolio
    if p is None:
        missing = Missing("No portfolio has been decided yet.", AGAIN)
        return Section("portfolio", "What the portfolios hold", says, (missing,))
    money = facts.currency
    shares = dict(p.coverage)
    rows = tuple(
        (f"Tier {tier}", show_figure(figure, money), show_figure(shares[tier], money))
        for tier, figure in p.repeat_share
        if tier in shares
    )
    named = tuple(type(d)(readable_name(d.department), d.repeat, d.explore) for d in p.departments[:12])
    title = f"Slots by department, the {len(named)} largest"
    blocks = (
        Chart(title, (Picture("", Markup(charts.draw_departments(named, title))),)),
        Table(
            "Per tier",
            ("Tier", "Slots with an item bought before", "Customers with a portfolio"),
            rows,
            f"{p.distinct_offers:,} of the {p.catalogue_offers:,} offers of the catalogue are used.",
        ),
        Table(
            "Offers given most often",
            ("Offer", "Department", "Customers, by tier"),
            tuple(
                (
                    readable_name(o.name),
                    readable_name(o.department),
                    ", ".join(f"{t} {n:,}" for t, n in o.by_tier),
                )
                for o in p.top_offers
            ),
            "Counted.",
        ),
    )
    return Section("portfolio", "What the portfolios hold", says, blocks)
