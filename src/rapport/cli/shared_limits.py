"""Words and lines about what customers share, for a person at a terminal.

Why it exists: a turn and an explanation speak of the same limits and say them alike. Short: what binds and what one
more unit would bring; all else stands in turn.json.
"""

from __future__ import annotations

from typing import Any

MOST_BINDING = 10
"""Binding limits that are shown; the rest is counted."""

MOST_WITH_ROOM = 3
"""Limits with room left that are named, the tightest first."""

_UNITS = {"contacts": "contact", "minutes": "minute", "offers": "copy"}
_MANY = {"contacts": "contacts", "minutes": "minutes", "offers": "copies"}


def one_of(counts: str, currency: str = "") -> tuple[str, int]:
    """Return what one unit of a limit is called, and how many of the record's units it is."""
    return (_UNITS[counts], 1) if counts in _UNITS else (currency, 1_000_000)


def in_unit(amount: float, counts: str, currency: str) -> str:
    """Return an amount of what a limit counts as text; money in micros."""
    if counts not in _UNITS:
        from rapport.core.money import show_money

        return show_money(amount, currency, 4 if abs(amount) < 1_000_000 else 2)
    whole = f"{amount:,.0f}" if float(amount).is_integer() else f"{amount:,.1f}"
    return f"{whole} {_UNITS[counts] if amount == 1 else _MANY[counts]}"


def names_of(offers: list[str], most: int = 3) -> str:
    """Return a few offers by name and how many more there are."""
    if not offers:
        return "no offer"
    more = len(offers) - most
    return ", ".join(offers[:most]) + (f" and {more} more" if more > 0 else "")


def shared_lines(counts: dict[str, Any], currency: str) -> list[str]:
    """Return lines on the plan, its bound, chance and limits, from what the stage `plan` counted."""
    from rapport.core.money import show_money

    plan, limits = counts["allocation"], counts["limits"]
    value, bound, greedy, chance = (
        show_money(plan[k], currency)
        for k in ("plan_value_micros", "bound_micros", "greedy_value_micros", "exploration_cost_micros")
    )
    share = counts["explored"] / max(counts["delivered"], 1)
    lines = [
        f"  plan worth {value}; no plan within the limits is worth more than {bound} (gap {plan['gap']:.3%}); "
        f"greedy by value {greedy}",
        f"  drawn by chance to learn: {counts['explored']:,} of {counts['delivered']:,} delivered ({share:.1%}), "
        f"which costs {chance}; repaired to keep every limit: {counts['repaired']:,}",
    ]
    if counts["harm_micros"]:
        lines.append(f"  contacts put {show_money(counts['harm_micros'], currency)} of the customers' worth at risk")
    binding = sorted((x for x in limits if x["binding"]), key=lambda x: (-_stake(x), x["name"]))
    free = sorted((x for x in limits if not x["binding"]), key=lambda x: (-_full(x), x["name"]))
    lines.append(f"  limits: {len(binding):,} of {len(limits):,} bind" + ("" if binding else "; all have room"))
    lines += [f"    {_binds(x, currency)}" for x in binding[:MOST_BINDING]]
    if (more := len(binding) - MOST_BINDING) > 0:
        lines.append(f"    and {more:,} more that {'bind' if more > 1 else 'binds'}, in turn.json")
    if free:
        told = ", ".join(f"{x['name']} {_used(x, currency)}" for x in free[:MOST_WITH_ROOM])
        more = len(free) - MOST_WITH_ROOM
        lines.append(f"  room left: {told}" + (f"; and {more:,} more with room, in turn.json" if more > 0 else ""))
    return lines


def _stake(limit: dict[str, Any]) -> float:
    return float(abs(limit["price_micros"]) * limit["bound"])


def _full(limit: dict[str, Any]) -> float:
    share = limit["used"] / limit["bound"] if limit["bound"] else 0.0
    return 1.0 / max(share, 1e-9) if limit["sense"] == "at_least" else share


def _used(limit: dict[str, Any], currency: str) -> str:
    bound = in_unit(limit["bound"], limit["counts"], currency)
    if limit["counts"] in _UNITS:
        used = f"{limit['used']:,.0f}"
    else:
        used = f"{limit['used'] / 1e6:,.2f}"
        bound = f"{currency} {limit['bound'] / 1e6:,.2f}"
    return f"{used} of at least {bound}" if limit["sense"] == "at_least" else f"{used} of {bound}"


def _binds(limit: dict[str, Any], currency: str) -> str:
    from rapport.core.money import show_money

    unit, size = one_of(limit["counts"], currency)
    brings = show_money(abs(limit["price_micros"]) * size, currency, 2 if size > 1 else 4)
    fewer = "fewer" if limit["counts"] in _UNITS else "less"
    one = f"one {fewer if limit['sense'] == 'at_least' else 'more'} {unit}"
    return f"{limit['name']}: {_used(limit, currency)}; {one} would bring {brings}"
