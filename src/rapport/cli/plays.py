"""The command that lists plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument, turn_option
from rapport.cli.output import give, give_json, table


@click.command("plays", help=COMMANDS["plays"])
@program_argument
@turn_option
@click.option("--play", "name", help="Show one play whole, and the customers it is for.")
@click.option(
    "--customers",
    "most",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="With --play: customers to show; --json has all.",
)
@json_option
def plays_command(program: Path, turn_name: str | None, name: str | None, most: int, as_json: bool) -> None:
    """List the plays of a programme on a turn."""
    from rapport.wiring import make_engine, open_store
    from rapport.workflows.plays import shelf
    from rapport.workflows.plays_listed import list_plays
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    # A wrong play is told also where no turn has been begun.
    shelf(programme, path.parent)
    store = open_store(path.parent)
    found = list_plays(programme, path.parent, store, store.require_turn(turn_name), make_engine, name)
    if as_json:
        give_json(found)
    elif name is None:
        give(listing(found, programme.currency))
    else:
        give(one_play(found, programme.currency, most))


def _money(micros: int | None, currency: str, digits: int = 0) -> str:
    from rapport.core.money import show_money

    return "" if micros is None else show_money(micros, currency, digits)


def listing(found: dict[str, Any], currency: str) -> str:
    """Return all plays as text."""
    day = f", as of {found['as_of']}" if found["as_of"] else ""
    lines = [f"Plays on turn {found['turn']}{day}: {found['customers']:,} customers", ""]
    opened = [p for p in found["plays"] if not p["unlocked_by"]]
    head = ["play", "in use", "effect", "customers", "A", "B", "C", "at stake", "chosen", "expected of the chosen"]
    rows = [
        [
            p["name"] + (" (own)" if p["own"] else ""),
            "yes" if p["used"] else "",
            p["effect"],
            f"{p['matches']:,}",
            *(f"{p['tiers'][t]:,}" for t in ("A", "B", "C")),
            _money(p["talk"]["at_stake_micros"], currency) if p["talk"] else "",
            *_chosen(p, currency),
        ]
        for p in opened
    ]
    lines.append(table(head, rows, right=(3, 4, 5, 6, 7, 8)))
    if not found["decided"]:
        lines += ["", "The turn has not been planned yet, so nothing was chosen."]
    if any(p["talk"] for p in opened):
        lines += [
            "",
            "At stake is what all who match could lose or bring. Expected is after the cost of the contacts, from",
            "low to high; what a talk saves is assumed unless the play says measured.",
        ]
    locked = [p for p in found["plays"] if p["unlocked_by"]]
    if locked:
        lines += ["", "Locked, because the data do not say it (columns of customers are traits of that source):"]
        for p in locked:
            needed = "; ".join(f"{b['source']}.{b['column']} ({b['meaning']})" for b in p["unlocked_by"])
            used = ", used by the programme" if p["used"] else ""
            lines.append(f"  {p['name']}{used}: {p['title']}. Unlocked by {needed}")
    unused = [p["name"] for p in opened if not p["used"]]
    if unused:
        lines += ["", f"On the shelf: {', '.join(unused)}. Use one: plays.use in program.toml."]
    return "\n".join(lines)


def _chosen(play: dict[str, Any], currency: str) -> tuple[str, str]:
    decision = play["decision"]
    if decision is None or not decision["in_use"]:
        return "", ""
    if "delivered" not in decision:
        return "", f"{decision['contacted']:,} of them contacted"
    low, high = (_money(decision[f"expected_{e}_micros"], currency) for e in ("low", "high"))
    middle = _money(decision["expected_micros"], currency)
    if not decision["delivered"]:
        return "0", ""
    return f"{decision['delivered']:,}", f"{middle} ({low} to {high}, {decision['basis']})"


def one_play(found: dict[str, Any], currency: str, most: int) -> str:
    """Return one play as text, with customers it is for."""
    (play,) = found["plays"]
    lines = [
        f"{play['name']}: {play['title']}",
        f"  {play['why']}",
        f"  declared in {play['place']}{' of the programme' if play['own'] else ', which comes with Rapport'}"
        f"{'' if play['used'] else '; not in use'}",
        f"  when      {play['when']}",
        f"  owner     {play['owner']}",
        f"  effect    {_effect(play)}",
        f"  evidence  {play['evidence']}",
    ]
    if play["effect"] == "contact":
        lines += _assumed(play, currency)
    if play["unlocked_by"]:
        lines += ["", "Locked. It would be unlocked by:"]
        lines += [f"  {b['source']}.{b['column']}: {b['meaning']}" for b in play["unlocked_by"]]
        return "\n".join(lines)
    tiers = ", ".join(f"{t} {n:,}" for t, n in play["tiers"].items())
    lines += ["", f"Turn {found['turn']}: for {play['matches']:,} of {found['customers']:,} customers ({tiers})"]
    number, expected = _chosen(play, currency)
    if number:
        lines.append(f"  chosen and delivered for {number}{f': expected {expected}' if expected else ''}")
    shown = found["matches"][:most]
    if shown:
        head = ["customer", "tier", "at stake", "decided", "because"]
        rows = [
            [
                m["customer_id"],
                m["tier"],
                _money(m["at_stake_micros"], currency, 2) if play["effect"] == "contact" else "",
                _decided(m),
                m["because"],
            ]
            for m in shown
        ]
        lines += ["", table(head, rows, right=(2,))]
    if len(found["matches"]) > len(shown):
        lines.append(f"and {len(found['matches']) - len(shown):,} more; --customers shows more, --json all")
    return "\n".join(lines)


def _effect(play: dict[str, Any]) -> str:
    told = play["treatment"]
    if play["effect"] == "contact":
        channel = play["talk"]["channel"] if play["talk"] else told["channel"]
        selling = "" if told["sell"] else ", no offers in the same contact"
        return f"talk{f' through {channel}' if channel else ''}{selling}: {told['say']}"
    if play["effect"] == "restrain":
        parts = [f"nothing through {', '.join(told['closes'])}"] if told["closes"] else []
        parts += [f"at most {told['contacts']} contacts in a period"] if told["contacts"] is not None else []
        return "; ".join(parts)
    what = "offers" if told["offers"] == "true" else f"offers where {told['offers']}"
    what += " of departments never bought" if told["departments"] == "never_bought" else ""
    parts = [f"{what} count for {abs(told['boost']):.0%} {'more' if told['boost'] > 0 else 'less'}"] * bool(
        told["boost"]
    )
    parts += [f"{what} are not said through {', '.join(told['shut'])}"] * bool(told["shut"])
    return "; ".join(parts)


def _assumed(play: dict[str, Any], currency: str) -> list[str]:
    told = play["treatment"]
    lines = [
        f"  at stake  {told['at_stake']}",
        f"  worth     {told['share']:.1%} of it ({told['low']:.1%} to {told['high']:.1%}, {told['basis']}): "
        f"{told['share_why']}",
    ]
    talk = play["talk"]
    if talk:
        low, high = (_money(talk[f"worth_{e}_micros"], currency) for e in ("low", "high"))
        lines.append(
            f"            talking to all would come to {_money(talk['worth_micros'], currency)} ({low} to {high}) "
            f"after {_money(talk['contact_cost_micros'], currency, 2)} a contact"
        )
    return lines


def _decided(match: dict[str, Any]) -> str:
    if "channel" not in match:
        return ""
    held = ", held out" if match["held_out"] else ""
    talk = f": {match['play']}" if match["play"] else ""
    return f"{match['channel']}{talk}{held}"


def plays_told(plays: list[dict[str, Any]], currency: str) -> list[str]:
    """Return the lines of an explanation about the plays that are for the customer."""
    if not plays:
        return []
    lines = ["", "Plays that are for this customer"]
    for p in plays:
        lines.append(f"  {p['name']}: {p['title']}{' - chosen' if p['chosen'] else ''} (owner: {p['owner']})")
        lines.append(f"    why: {p['why']}")
        lines.append(f"    because: {p['because']}")
        if p["at_stake_micros"] is not None:
            low, middle, high = (
                _money(round(p["at_stake_micros"] * p[s]) - p["cost_micros"], currency, 2)
                for s in ("low", "share", "high")
            )
            lines.append(
                f"    at stake {_money(p['at_stake_micros'], currency, 2)}; a talk through {p['channel']} that "
                f"reaches them is worth {middle} ({low} to {high}, {p['basis']})"
            )
            lines.append(f"    {p['share_why']}")
            lines.append(f"    say: {p['say']}")
        elif p["effect"] == "restrain":
            capped = [] if p["contacts"] is None else [f"at most {p['contacts']} contacts in a period"]
            lines.append(f"    {'; '.join([*(f'nothing through {c}' for c in p['closes']), *capped])}")
        else:
            lines.append(f"    offers it is about count for {p['boost']:+.0%} when choosing")
    return lines


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"plays": plays_command}
