"""The section on what customers could be worth: potential by tier, whom to grow, what one-to-one can pay, who costs.

Why it exists: what a customer is worth now does not say whether there is more to have. No average over all tiers may
enter.
"""

from __future__ import annotations

from rapport.reports.blocks import Block, Cell, Missing, Section, Table
from rapport.reports.facts import ReportFacts
from rapport.reports.facts_growth import GrowthFacts, PayoffTier
from rapport.reports.figures import show_figure, show_number
from rapport.reports.sections_plan import AGAIN, meaning_of

TITLE = "What customers could be worth"


def growth_section(facts: ReportFacts) -> Section:
    """Return unrealised potential, the most growable, the payoff, customers below zero, and prospects."""
    growth = facts.growth
    if growth is None:
        return Section("growth", TITLE, ("What the best of a customer's peers contribute.",), (_missing(),))
    peers = ", ".join(p.replace("_", " ") for p in growth.peers) or "everyone: no trait makes peers"
    says = (
        f"A customer's potential is what the best of their peers contribute a year: the one whom "
        f"{show_number(1.0 - growth.quantile, 'share', '', 0)} of them exceed. Peers are alike in: {peers}. What is "
        "unrealised depends on where that line is drawn; use it to rank, not to add up to a plan.",
        "It says where there is something to win. Whether an offer wins it is measured by experiment.",
    )
    blocks: list[Block] = [_potential(facts, growth), _growable(facts, growth)]
    blocks += [_payoff(facts, growth), _spread(facts, growth)]
    blocks += _service(facts, growth)
    blocks += [*_below_zero(facts, growth), *_prospects(facts, growth)]
    return Section("growth", TITLE, says, tuple(b for b in blocks if not isinstance(b, Table) or b.rows))


def _missing() -> Missing:
    return Missing("Potential has not been measured in this turn.", AGAIN)


def _potential(facts: ReportFacts, growth: GrowthFacts) -> Table:
    money = facts.currency
    rows = tuple(
        (
            f"Tier {t.tier}",
            f"{t.customers:,}",
            f"{t.reached:,}",
            show_figure(t.unrealised, money),
            show_figure(t.share, money),
            show_figure(t.median, money),
            f"{t.few_peers:,}",
        )
        for t in growth.tiers
    )
    head = ("Tier", "Customers", "Reached theirs", "Unrealised a year, sum", "Share", "Median customer", "Few peers")
    note = "Customers who have bought. Contribution a year, before the cost to serve. Few peers: fewer than 20 alike."
    return Table("Unrealised potential of each tier", head, rows, note)


def _growable(facts: ReportFacts, growth: GrowthFacts) -> Table:
    money = facts.currency
    with_wallet = any(g.wallet is not None for g in growth.growable)
    rows: list[tuple[Cell, ...]] = []
    for g in growth.growable:
        cells: tuple[Cell, ...] = (
            f"{g.customer_id}, tier {g.tier}",
            show_figure(g.actual, money),
            show_figure(g.unrealised, money),
            *(show_figure(f, money) for f in (g.trips, g.basket, g.variety)),
            g.peers,
        )
        if with_wallet:
            cells += ("not known" if g.wallet is None else show_figure(g.wallet, money),)
        rows.append(cells)
    head = ("Customer", "Contributes", "Unrealised", "Gap: trips", "Gap: basket", "Gap: variety", "Peers")
    note = (
        "Ranked by the low end of what is unrealised. The gap is to a typical peer who reached theirs: fewer trips, "
        "smaller baskets, fewer departments on a trip; below zero where the customer is ahead."
    )
    return Table("The most growable", (*head, "Share of wallet") if with_wallet else head, tuple(rows), note)


def _payoff(facts: ReportFacts, growth: GrowthFacts) -> Table:
    money = facts.currency
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            f"Tier {t.tier}",
            f"{t.shopping:,}",
            *(show_figure(f, money) for f in (t.trips, t.spend_per_trip, t.variety, t.share)),
            _factors(t),
        )
        for t in growth.payoff
    )
    head = (
        "Tier",
        "Shopping",
        "Trips a year",
        "Spend a trip",
        "Departments a trip",
        "Share of payoff",
        "Spread from",
    )
    note = (
        "Payoff: trips x spend a trip x variety, a rank and no amount. Spread from: how much of the spread of spend "
        "within the tier comes with trips, basket and variety."
    )
    return Table("Where personal choice has most to work on", head, rows, note)


def _factors(tier: PayoffTier) -> str:
    if tier.factor_shares is None:
        return "nobody differs"
    return ", ".join(
        f"{n} {show_number(s, 'share', '', 0)}"
        for n, s in zip(("trips", "basket", "variety"), tier.factor_shares, strict=True)
    )


def _spread(facts: ReportFacts, growth: GrowthFacts) -> Table:
    rows = tuple(
        (s.grouping, f"{s.groups:,}", show_figure(s.between, facts.currency), show_figure(s.within, facts.currency))
        for s in growth.spread
    )
    head = ("Grouping", "Groups", "Explains of spend", "Left to one-to-one")
    note = "What customers of one group differ by is what only one-to-one can see."
    return Table("One-to-one or segments", head, rows, note)


def _service(facts: ReportFacts, growth: GrowthFacts) -> list[Block]:
    rows = tuple(
        (s.kind, show_figure(s.mean, facts.currency), s.weight) for s in growth.service if s.mean.value != 0.0
    )
    note = (
        "A customer's own rate of the last 364 days is pulled to the mean, which weighs as many years of an own "
        "record as are shown. It is taken off the value for as long as the customer is expected to stay."
    )
    return [Table("Cost to serve beside purchase days, a year", ("What", "Mean customer", "Mean weighs"), rows, note)]


def _below_zero(facts: ReportFacts, growth: GrowthFacts) -> list[Block]:
    rows = tuple(
        (f"Tier {b.tier}", meaning_of(b.reason), f"{b.customers:,}", show_figure(b.value, facts.currency))
        for b in growth.below_zero
    )
    note = "The largest of what the customer costs a year. Discounts and returned margin are in the value once."
    return [Table("Customers below zero, and why", ("Tier", "Why", "Customers", "Value, sum"), rows, note)]


def _prospects(facts: ReportFacts, growth: GrowthFacts) -> list[Block]:
    found = growth.prospects
    if not found.customers:
        return []
    worth = show_figure(found.value, facts.currency)
    told = "if they become customers" if found.if_customer else "times the conversion rate"
    row: tuple[Cell, ...] = (f"{found.customers:,}", f"{found.valued:,}", worth, told, f"{found.few:,}")
    head = ("Listed without a purchase", "Valued", "First year, sum", "Counted", "Few look-alikes")
    note = f"The mean first year of look-alikes, from {found.first_years:,} customers whose first year is over."
    return [Table("Prospects", head, (row,), note)]
