"""The command that decides for one customer, or a visitor nobody knows, at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument, turn_option
from rapport.cli.output import give, give_json, table


@click.command("now", help=COMMANDS["now"])
@program_argument
@click.argument("customer")
@turn_option
@click.option("--visitor", is_flag=True, help="CUSTOMER may be somebody nobody knows.")
@click.option("--channel", help="The only channel open, that of the placement.")
@click.option("--count", type=click.IntRange(1), help="Offers at most; as many as the policy allows unless given.")
@click.option("--placement", help="Where it will be shown; kept with the decision.")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="KIND:WHAT",
    help="Since the turn: bought:ITEM, contacted:CHANNEL or unsubscribed:CHANNEL. May be repeated.",
)
@json_option
def now_command(
    program: Path, customer: str, turn_name: str | None, events: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Decide one customer at once, under the terms of a turn."""
    from rapport.wiring import open_store
    from rapport.workflows.decide_now import Asked, Event, decide_now, log_record
    from rapport.workflows.desk import open_desk
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    asked = Asked(customer, tuple(Event.from_text(e) for e in events), **given)
    store = open_store(path.parent)
    turn = store.require_turn(turn_name)
    record = log_record(decide_now(open_desk(store, turn, programme), asked))
    if as_json:
        give_json(record)
        return
    catalogue = store.read_table(turn, "catalogue")
    names = dict(zip(catalogue["offer_id"].to_pylist(), catalogue["name"].to_pylist(), strict=True))
    give(decision_text(record, names, programme.currency))


def decision_text(record: dict[str, Any], names: dict[str, str], currency: str) -> str:
    """Return the record of a decision as text; `names` are those of the offers."""
    from rapport.core.money import show_money

    decision, asked = record["decision"], record["asked"]
    known = "" if record["known"] else ", a visitor nobody knows"
    shown = f", for {asked['placement']}" if asked["placement"] else ""
    lines = [f"Customer {decision['customer_id']}{known}, turn {decision['turn']}{shown}"]
    lines += [f"  {change}" for change in record["changes"]]
    told = "to be delivered" if decision["deliver"] else "not to be delivered"
    lines += [
        "",
        f"Decision: {decision['channel']}, level {decision['level']}, arm {decision['arm']}, {told}",
        f"  {', '.join(decision['reasons'])}; drawn with probability {decision['channel_probability']:.4f}",
        f"  expected contribution {show_money(decision['expected_contribution_micros'], currency, 4)}",
    ]
    if decision["offer_ids"]:
        rows = [
            [names[o], f"{base:.4f}", f"{response:.4f}", show_money(worth, currency, 4), f"{chance:.4f}"]
            for o, base, response, worth, chance in zip(
                decision["offer_ids"],
                decision["offer_base_probabilities"],
                decision["offer_response_probabilities"],
                decision["offer_contributions_micros"],
                decision["offer_choice_probabilities"],
                strict=True,
            )
        ]
        head = ["offer", "buys anyway", "buys with it", "contribution", "choice probability"]
        lines += ["", table(head, rows, right=range(1, 5))]
    return "\n".join([*lines, "", "Nothing was sent and nothing was recorded."])


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"now": now_command}
