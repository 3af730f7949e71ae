"""Render the report of a turn: one page that stands alone.

Why it exists: a page that can be mailed, printed and kept, and that shows the same on a phone and a desktop.
It fetches nothing and says no time of its making, so a rerun gives the same bytes. No number is computed here.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from rapport.reports.facts import Figure, ReportFacts, counted
from rapport.reports.figures import KeyFigure, add_up, show_figure


def render_report(facts: ReportFacts) -> str:
    """Return the page of a turn.

    Parameters
    ----------
    facts : ReportFacts

    Returns
    -------
    str
        HTML with everything in it: style, charts as SVG, no script, no address of anything outside. The same
        facts give the same text in any process of one installation.
    """
    # The chart grammar takes a third of a second to load; only who renders pays for it.
    from rapport.reports import sections_plan as plan
    from rapport.reports import sections_proof as proof
    from rapport.reports.sections_growth import growth_section
    from rapport.reports.sections_needs import needs_section
    from rapport.reports.sections_plays import plays_sections
    from rapport.reports.sections_shared import shared_in_brief, shared_section
    from rapport.reports.sections_tiers import tier_sections
    from rapport.reports.sections_worksheet import worksheet_sections

    sections = (
        plan.goals_section(facts),
        plan.data_section(facts),
        plan.tiers_section(facts),
        growth_section(facts),
        *tier_sections(facts),
        needs_section(facts),
        plan.litmus_section(facts),
        plan.decision_section(facts),
        *worksheet_sections(facts),
        shared_section(facts),
        *plays_sections(facts),
        plan.portfolio_section(facts),
        proof.relevance_section(facts),
        proof.backtest_section(facts),
        proof.assumptions_section(facts),
        proof.readout_section(facts),
    )
    environment = Environment(
        loader=PackageLoader("rapport.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    summary = (*_sums(facts), *_comparisons(facts))
    page = environment.get_template("report.html.j2")
    return page.render(
        facts=facts,
        as_of=facts.as_of.isoformat(),
        summary=summary,
        shared=shared_in_brief(facts),
        sections=sections,
    )


def _sums(facts: ReportFacts) -> tuple[KeyFigure, ...]:
    """Return the figures that add up over the tiers."""
    money = facts.currency
    value = tuple((t.tier, show_figure(t.total_value, money)) for t in facts.tiers)
    expected = tuple((d.tier, show_figure(d.expected, money)) for d in facts.decided)
    days = f"the next {facts.value_model.horizon_days} days" if facts.value_model else "the horizon"
    return (
        KeyFigure(
            "Customers decided",
            show_figure(counted(sum(d.customers for d in facts.decided)), money),
            "Everyone is decided: delivered, held out or left alone on purpose.",
            tuple((d.tier, show_figure(counted(d.customers), money)) for d in facts.decided),
        ),
        KeyFigure(
            "Worth of all customers",
            show_figure(facts.value_total, money),
            f"Expected contribution over {days}, untreated.",
            value,
        ),
        KeyFigure(
            "Touches delivered",
            show_figure(counted(sum(d.delivered for d in facts.decided)), money),
            "Customers who get a message or a print row in this turn.",
            tuple((d.tier, show_figure(counted(d.delivered), money)) for d in facts.decided),
        ),
        KeyFigure(
            "Expected contribution of the turn",
            show_figure(add_up(tuple(d.expected for d in facts.decided)), money),
            "What the touches should add, after giveaways and contact cost, if the assumptions hold.",
            expected,
        ),
    )


def _comparisons(facts: ReportFacts) -> tuple[KeyFigure, ...]:
    """Return the figures that may not be averaged over tiers: only the tiers are shown."""
    from rapport.reports.sections_proof import DIFFERENCE, readout_rows

    money = facts.currency
    found = []
    test = facts.backtest
    if test is not None:
        ours = [r for r in test.rows if r.ours and r.measure == test.hits_measure]
        found.append(
            KeyFigure(
                f"Backtest: {test.hits_measure.replace('_', ' ')}",
                None,
                "By tier; the comparators stand in the section on the backtest.",
                tuple((r.tier, show_figure(r.figure, money)) for r in ours),
            )
        )
    differences = [(r, f) for r, f in readout_rows(facts) if r["group"] == DIFFERENCE]
    if differences:
        first = differences[0][0]["measure"]
        tiers: tuple[tuple[str, Figure], ...] = tuple((r["tier"], f) for r, f in differences if r["measure"] == first)
        found.append(
            KeyFigure(
                f"Treated less held-out: {first.replace('_', ' ')}",
                None,
                "A replay: nothing was sent, so this shows chance." if facts.replay else "The measured effect.",
                tuple((tier, show_figure(f, money)) for tier, f in tiers),
            )
        )
    return tuple(found)
