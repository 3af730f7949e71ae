"""The section on what customers share: limits, their use and price, and how near the plan comes to the best.

Why it exists: who pays for a limit wants to see whether it binds and what more of it would bring; who signs the plan
wants a proof of how good it is. With many limits those that bind are shown and the rest is counted.
"""

from __future__ import annotations

from markupsafe import Markup

from rapport.reports import charts
from rapport.reports.blocks import Block, Cell, Chart, Missing, Picture, Section, Table, Terms
from rapport.reports.facts import LimitFacts, ReportFacts, SharedFacts
from rapport.reports.figures import show_figure, show_number

MOST_ROWS = 40
"""Limits that all stand in the table; where there are more, only those that bind."""

MOST_BINDING = 100
"""Binding limits in the table; the rest is counted and stands in turn.json."""

MOST_DRAWN = 12
"""Bars in one picture."""

ELSEWHERE = "turn.json has them all."

_COUNTS = {
    "contacts": "contacts",
    "contact_cost": "cost of contacts",
    "minutes": "minutes of contacts",
    "offers": "copies of offers",
    "giveaway": "discount expected to be given",
}


def shared_section(facts: ReportFacts) -> Section:
    """Return the limits with their use and price, and the plan beside its bound."""
    title = "What is shared"
    shared = facts.shared
    if shared is None:
        missing = Missing("Nothing has been shared out yet.", "Finish the turn, then make the report again.")
        return Section("shared", title, ("Limits that all customers share, and what they cost.",), (missing,))
    binding, free = _in_order(shared)
    says = (
        f"{_how_many_bind(shared)} A limit binds where it is used up or has a price. The price is what one more unit "
        "of the limit would bring, of a minimum one unit less; each customer is decided alone at these prices.",
        _how_good(facts, shared),
    )
    blocks: list[Block] = [Terms(shared.declared)] if shared.declared else []
    blocks += _pictures(facts, binding, free)
    blocks += [_limits(facts, binding, free), _plan(facts, shared)]
    return Section("shared", title, says, tuple(blocks))


def _in_order(shared: SharedFacts) -> tuple[list[LimitFacts], list[LimitFacts]]:
    """Return the limits that bind, most at stake first, and the others, the fullest first."""
    binding = sorted((x for x in shared.limits if x.binding), key=lambda x: (-x.stake, x.name))
    free = sorted((x for x in shared.limits if not x.binding), key=lambda x: (x.at_least, -x.share, x.name))
    return binding, free


def shared_in_brief(facts: ReportFacts) -> str:
    """Return for the summary how many limits bind and how good the plan is; empty before anything is shared out."""
    if facts.shared is None:
        return ""
    return f"Every shared limit is kept; {_how_many_bind(facts.shared)} {_how_good(facts, facts.shared)}"


def _how_many_bind(shared: SharedFacts) -> str:
    binding = sum(x.binding for x in shared.limits)
    return f"{binding:,} of {len(shared.limits):,} limits bind."


def _how_good(facts: ReportFacts, shared: SharedFacts) -> str:
    value, bound, greedy = (
        show_figure(f, facts.currency).number for f in (shared.plan_value, shared.bound, shared.greedy)
    )
    rests = " All three are assumed." if shared.plan_value.basis == "assumed" else ""
    levers = " Levers count in all three." if shared.steered else ""
    minima = ", and may miss minima" if any(x.at_least for x in shared.limits) else ""
    return (
        f"Without chance the plan is worth {value}; no plan within the limits can be worth more than {bound}. Filled "
        f"greedily by value, without prices, the same limits give {greedy}{minima}.{rests}{levers}"
    )


def _pictures(facts: ReportFacts, binding: list[LimitFacts], free: list[LimitFacts]) -> list[Block]:
    pictures = []
    for name, group, heading, order in (
        ("binding", binding, "They bind", "where most is at stake"),
        ("free", free, "They have room", "fullest first"),
    ):
        if group:
            drawn = group[:MOST_DRAWN]
            some = f", {len(drawn)} of {len(group):,}, {order}" if len(group) > len(drawn) else ""
            svg = Markup(charts.draw_limits(f"limits-{name}", drawn, facts.currency, f"Used share: {heading}"))
            pictures.append(Picture(f"{heading}{some}", svg))
    if not pictures:
        return []
    return [
        Chart("Used share of each limit (orange: all of it), and what one more unit would bring", tuple(pictures))
    ]


def _limits(facts: ReportFacts, binding: list[LimitFacts], free: list[LimitFacts]) -> Table:
    total = len(binding) + len(free)
    shown = [*binding, *free] if total <= MOST_ROWS else binding[:MOST_BINDING]
    left = total - len(shown)
    bind = max(len(binding) - len(shown), 0)
    told = f" and {bind:,} more bind" if bind else ""
    note = f"{left - bind:,} more have room{told}. {ELSEWHERE}" if left else "All limits of the turn."
    rows = tuple(_row(x, facts.currency) for x in shown)
    headers = ("Limit", "Counts", "Bound", "Used", "One more would bring", "State")
    return Table("Limits", headers, rows, note)


def _row(limit: LimitFacts, currency: str) -> tuple[Cell, ...]:
    bound, used = (_amount(v, limit, currency) for v in (limit.bound, limit.used))
    room = "binds" if limit.binding else f"room for {_amount(abs(limit.bound - limit.used), limit, currency)}"
    if limit.at_least and not limit.binding:
        room = f"{_amount(limit.used - limit.bound, limit, currency)} above"
    return (
        limit.name,
        _COUNTS[limit.counts],
        f"at {'least' if limit.at_least else 'most'} {bound}",
        f"{used} ({show_number(limit.share, 'share', '', 0)})",
        show_figure(limit.price, currency),
        room,
    )


def _amount(value: float, limit: LimitFacts, currency: str) -> str:
    return show_number(value, "money" if limit.unit == "money" else "count", currency)


def _plan(facts: ReportFacts, shared: SharedFacts) -> Table:
    money = facts.currency
    chance = f"{shared.explored:,} of {shared.delivered:,} delivered"
    rows: tuple[tuple[Cell, ...], ...] = (
        ("Worth of the plan", show_figure(shared.plan_value, money)),
        ("Most that any plan can be worth", show_figure(shared.bound, money)),
        ("Gap between them", show_figure(shared.gap, money)),
        ("Greedy by value", show_figure(shared.greedy, money)),
        ("Chance to explore", show_figure(shared.exploration_share, money)),
        ("Drawn by chance, to learn", chance),
        ("Cost of exploring", show_figure(shared.exploration_cost, money)),
        ("Moved aside, or put in, to keep every limit", f"{shared.repaired:,} of {shared.delivered:,} delivered"),
        ("Harm of contacts", show_figure(shared.harm, money)),
    )
    note = "Worth and bound are without chance" + (", and count levers." if shared.steered else ".")
    return Table("How good the plan is", ("What", "Figure"), rows, note)
