"""What the report shows of shared limits: their use and price, and how near the plan comes to the best.

Why it exists: these figures are read from what the stage `plan` counted, never worked out again. No chart, no HTML.
"""

from __future__ import annotations

from typing import Any

from rapport.core.money import MICROS
from rapport.program.model import Program
from rapport.reports.facts import Figure, LimitFacts, SharedFacts

IN_MONEY = ("contact_cost", "giveaway")
_UNITS = {"contacts": "contacts", "minutes": "minutes", "offers": "copies"}
_ONE = {"contacts": "contact", "minutes": "minute", "offers": "copy"}


def shared_facts(program: Program, plan: dict[str, Any], terms: dict[str, Any]) -> SharedFacts:
    """Return what customers share, from the counts of the stage `plan`.

    Parameters
    ----------
    plan : mapping
        ``stages.plan.counts`` of the turn's record.
    terms : mapping
        The turn's terms.json.
    """
    found, basis = plan["allocation"], plan["basis"]

    def money(name: str, note: str) -> Figure:
        return Figure(float(found[name]), unit="money", basis=basis, note=note)

    return SharedFacts(
        limits=tuple(_limit_facts(x, basis, program.currency) for x in plan["limits"]),
        declared=_declared(program),
        plan_value=money("plan_value_micros", "before anything is drawn by chance"),
        bound=money("bound_micros", "certified: no plan within the limits is worth more"),
        gap=Figure(found["gap"], unit="share", note="of the bound; the best plan lies within it"),
        greedy=money("greedy_value_micros", "the same limits, filled by value without prices"),
        exploration_share=Figure(
            terms["policy"]["exploration_share"], unit="share", note="a setting of the programme"
        ),
        exploration_cost=money("exploration_cost_micros", "against the same plan without chance"),
        harm=Figure(
            float(plan["harm_micros"]),
            unit="money",
            basis="assumed",
            note="worth of customers put at risk by contacts",
        ),
        delivered=plan["delivered"],
        explored=plan["explored"],
        repaired=plan["repaired"],
        steered=any(lever.active for lever in program.levers),
    )


def _limit_facts(limit: dict[str, Any], basis: Any, currency: str) -> LimitFacts:
    in_money = limit["counts"] in IN_MONEY
    one = currency if in_money else _ONE[limit["counts"]]
    price = abs(limit["price_micros"]) * (MICROS if in_money else 1)
    return LimitFacts(
        name=limit["name"],
        counts=limit["counts"],
        at_least=limit["sense"] == "at_least",
        bound=limit["bound"],
        used=limit["used"],
        unit="money" if in_money else _UNITS[limit["counts"]],
        price=Figure(price, unit="money", basis=basis, note=f"per {one}"),
        binding=limit["binding"],
    )


def _declared(program: Program) -> tuple[tuple[str, str], ...]:
    """Return what the programme declares for all customers together, in its words."""
    limits = [(x.name, x.why or f"A limit on {x.counts.replace('_', ' ')}.") for x in program.limits]
    levers = [
        (f"Lever {x.name}", _said(f"{x.boost:+.0%} when choosing{'' if x.active else ', switched off'}.", x.why))
        for x in program.levers
    ]
    kinds = [(f"Kind {x.name}", _said(f"At most {x.at_most} in a portfolio.", x.why)) for x in program.kinds]
    includes = [
        (f"Include {x.name}", _said(f"\u201c{x.text}\u201d" if x.text else "Offers that must be said.", x.why))
        for x in program.includes
    ]
    return (*limits, *levers, *kinds, *includes)


def _said(what: str, why: str | None) -> str:
    return what if why is None else f"{what} {why}"
