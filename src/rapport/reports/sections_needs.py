"""The section on needs groups: who they are, what they are worth in each tier, and whether they hold.

Why it exists: customers differ in what they need as in what they are worth; and groups that would not be found again,
or that foretell nothing, should not steer anybody, so the proof stands beside them.
"""

from __future__ import annotations

from rapport.reports.blocks import Block, Cell, Missing, Section, Table
from rapport.reports.facts import BasisName, Figure, ReportFacts
from rapport.reports.facts_needs import NeedsFacts, NeedsGroupFacts
from rapport.reports.figures import show_figure


def needs_section(facts: ReportFacts) -> Section:
    """Return the needs groups with their value by tier, what distinguishes them, and how their number was chosen."""
    title, needs = "What customers need", facts.needs
    if needs is None:
        gone = Missing("No needs groups were looked for.", "Leave needs.groups at its default, then run a turn.")
        return Section("needs", title, ("Groups of customers by what they buy, when and at what price.",), (gone,))
    again = "used again from an earlier turn" if needs.reused else "learned for this turn"
    says = (
        f"{needs.why} Groups are of {needs.learned_from:,} customers as of {needs.learned_as_of}, {again}.",
        "Customers have weights in all groups; here each counts in the group that has most of them.",
    )
    blocks: list[Block] = [_groups(needs), _worth(needs, facts.currency)]
    if needs.compared:
        blocks.append(_numbers(needs))
    return Section("needs", title, says, tuple(blocks))


def _groups(needs: NeedsFacts) -> Table:
    rows = tuple(
        (
            g.name,
            f"{g.customers:,}",
            show_figure(Figure(g.mean_weight, unit="share", note="mean over its customers"), ""),
            "; ".join(f"{what} \N{MULTIPLICATION SIGN}{ratio:.1f}" for what, ratio in g.marks)
            or "nothing stands out",
        )
        for g in needs.groups
    )
    left = f" {needs.without_purchase:,} customers without a purchase are in none." if needs.without_purchase else ""
    note = f"The figure after a thing is its share in the group over its share among everyone.{left}"
    return Table("Groups", ("Group", "Customers", "Weight of the group in them", "What distinguishes it"), rows, note)


def _worth(needs: NeedsFacts, currency: str) -> Table:
    rows = tuple(_worth_row(g, needs, currency) for g in needs.groups)
    headers = ("Group", *(f"Tier {t}" for t, *_ in needs.groups[0].by_tier)) if needs.groups else ("Group",)
    note = "Expected contribution over the horizon; ends are the customers' own 80 % intervals, added up."
    return Table("Worth of each group in each tier", headers, rows, note)


def _worth_row(group: NeedsGroupFacts, needs: NeedsFacts, currency: str) -> tuple[Cell, ...]:
    cells: list[Cell] = [group.name]
    basis: BasisName = "measured" if needs.value_basis == "measured" else "assumed"
    for _, customers, value, low, high in group.by_tier:
        if not customers:
            cells.append("nobody")
            continue
        told = f"{customers:,} customers"
        cells.append(
            show_figure(
                Figure(float(value), low=float(low), high=float(high), unit="money", basis=basis, interval=told),
                currency,
            )
        )
    return tuple(cells)


def _numbers(needs: NeedsFacts) -> Table:
    def nats(told: tuple[float, float, float]) -> Cell:
        return show_figure(Figure(told[0], low=told[1], high=told[2], unit="nats"), "")

    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            f"{c.groups}{' (chosen)' if c.chosen else ''}",
            f"{c.stability:.2f}",
            f"{c.membership:.2f}",
            nats(c.gain) if c.groups > 1 else "0: popularity itself",
            nats(c.over_personal) if c.groups > 1 else "0",
            "holds" if c.stable and (c.groups == 1 or c.gain[1] > 0) else "does not hold",
        )
        for c in needs.compared
    )
    days, customers, purchases = needs.held_out or (0, 0, 0)
    mean, low, high = needs.personal
    note = (
        f"Held out: {purchases:,} purchases of {customers:,} customers in the last {days} days, by models of "
        f"customers they are not of. Popularity needs {-needs.popularity:.3f} nats a purchase; personal "
        f"frequency gains {mean:.3f} ({low:.3f} to {high:.3f}) over it. Over personal frequency: its gain when "
        "drawn towards the groups."
    )
    headers = (
        "Groups",
        "Found again (cosine)",
        "Same customers (correlation)",
        "Gain over popularity",
        "Gain over personal frequency",
        "State",
    )
    return Table("How many groups hold", headers, rows, note)
