"""The command that lists the most growable customers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument, turn_option
from rapport.cli.output import give, give_json, table


@click.command("growable", help=COMMANDS["growable"])
@program_argument
@turn_option
@click.option(
    "--top", type=click.IntRange(1, 1_000_000), default=10, show_default=True, help="How many customers to list."
)
@json_option
def growable_command(program: Path, turn_name: str | None, top: int, as_json: bool) -> None:
    """List whom there is most to win with."""
    from rapport.wiring import open_store
    from rapport.workflows.growable import growable_of_turn
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    store = open_store(path.parent)
    turn = store.require_turn(turn_name)
    rows = growable_of_turn(store, turn, top)
    if as_json:
        give_json({"turn": turn, "currency": programme.currency, "customers": rows})
    else:
        give(listing(rows, programme.currency))


def listing(rows: list[dict[str, Any]], currency: str) -> str:
    """Return the customers as a table, amounts in units of the currency a year."""
    if not rows:
        return "Every customer who has bought contributes what the best of their peers do."
    shown = [
        [
            r["customer_id"],
            r["tier"],
            *(
                f"{r[n] / 1e6:,.2f}"
                for n in (
                    "unrealised_micros",
                    "unrealised_low_micros",
                    "unrealised_high_micros",
                    "gap_trips_micros",
                    "gap_basket_micros",
                    "gap_variety_micros",
                )
            ),
            r["peer_cell"] + ("" if r["potential_status"] == "OK" else f" ({r['potential_status']})"),
        ]
        for r in rows
    ]
    head = [
        "customer",
        "tier",
        f"unrealised, {currency} a year",
        "low",
        "high",
        "trips",
        "basket",
        "variety",
        "peers",
    ]
    return table(head, shown, right=range(2, 8))


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"growable": growable_command}
