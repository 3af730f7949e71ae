"""The command about the ledger of merges: list, make by hand, undo."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json, table


@click.command("merges", help=COMMANDS["merges"])
@program_argument
@click.argument("customer", required=False)
@click.option("--undo", "undo", type=click.IntRange(1), help="Number of the merge to take back; needs --why.")
@click.option("--join", "join", nargs=2, metavar="A B", help="Two customers who are one; needs --why.")
@click.option("--why", help="The reason, which is kept.")
@click.option("--by", help="Who decides; the user of this machine when absent.")
@click.option("--all", "undone", is_flag=True, help="List merges that were undone, too.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=20, show_default=True, help="How many to list.")
@json_option
def merges_command(program: Path, customer: str | None, as_json: bool, **options: Any) -> None:
    """List, undo or make merges."""
    from rapport.wiring import open_customers
    from rapport.workflows.merges import merge_customers, merges_of, undo_merge
    from rapport.workflows.programs import find_program, read_program

    _refuse_both(options, customer)
    path = find_program(program)
    by = options["by"] or getpass.getuser()
    with open_customers(path.parent, read_program(path).memory) as memory:
        if options["undo"] is not None:
            done = undo_merge(memory, path.parent, options["undo"], by, options["why"])
            give_json(done) if as_json else give(_undone(done))
        elif options["join"]:
            done = merge_customers(memory, path.parent, options["join"], by, options["why"])
            give_json(done) if as_json else give(
                f"merge {done['merge_id']}: {' and '.join(options['join'])} are one "
                f"customer now, {done['customer_id']}"
            )
        else:
            found = merges_of(memory, path.parent, customer, options["undone"])
            give_json({"merges": found}) if as_json else give(_listing(found, options["limit"], customer))


def _refuse_both(options: dict[str, Any], customer: str | None) -> None:
    changes = [n for n in ("undo", "join") if options[n]]
    if len(changes) > 1:
        raise click.UsageError("--undo and --join cannot be done at once; give one of them.")
    if changes and not (options["why"] or "").strip():
        raise click.UsageError(f"--{changes[0]} lacks its reason; give --why TEXT, which is kept in the ledger.")
    if changes and customer:
        raise click.UsageError(f"--{changes[0]} and a customer to list cannot be given at once; leave one out.")
    if options["why"] and not changes:
        raise click.UsageError("--why stands alone; it belongs to --undo or --join.")


def _undone(done: dict[str, Any]) -> str:
    told = f"merge {done['merge_id']} is undone: {done['left']} is {done['left_customer']}, "
    told += f"{done['right']} is {done['right_customer']}; they are kept apart from now on"
    if done["still_joined"]:
        told += "\nother merges still join the two; undo these too, or run identify, which heeds it"
    return told


def _listing(found: list[dict[str, Any]], limit: int, customer: str | None) -> str:
    if not found:
        return "No merges." if customer is None else f"No merges of {customer}."
    rows = [
        [m["merge_id"], m["at"][:16], m["left"], m["right"], m["by"], m["why"] + _taken_back(m)]
        for m in found[:limit]
    ]
    lines = [table(["merge", "at", "one", "other", "by", "why"], rows, right=[0])]
    if len(found) > limit:
        lines.append(f"and {len(found) - limit:,} more; --limit shows them")
    return "\n".join(lines)


def _taken_back(merge: dict[str, Any]) -> str:
    if merge["undone_at"] is None:
        return ""
    return f" (undone {merge['undone_at'][:16]} by {merge['undone_by']}: {merge['undone_why']})"


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"merges": merges_command}
