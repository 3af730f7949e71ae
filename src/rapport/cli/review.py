"""The command that puts pairs of records before a person: the evidence side by side, and yes, no, later or back.

Why it exists: what is too unsure for the machine and too dear to leave alone is decided by people, once, and
remembered. On a terminal one key decides; elsewhere each line of stdin does.
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json, say, table

if TYPE_CHECKING:
    from rapport.workflows.review import Desk, Side

KEYS = "y: the same customer   n: never   s: later   u: take back   q: stop"
_VERDICTS = {"y": "same", "n": "different", "s": "skip"}


@click.command("review", help=COMMANDS["review"])
@program_argument
@click.option("--by", default=None, help="Who decides; the user of this machine when absent.")
@click.option("--list", "listed", is_flag=True, help="List what waits, and decide nothing.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many to list.")
@json_option
def review_command(program: Path, by: str | None, listed: bool, limit: int, as_json: bool) -> None:
    """Decide pairs."""
    from rapport.wiring import open_customers
    from rapport.workflows.programs import find_program, read_program
    from rapport.workflows.review import Desk, waiting

    path = find_program(program)
    with open_customers(path.parent, read_program(path).memory) as memory:
        if listed or as_json:
            found = waiting(memory, path.parent, limit)
            give_json(found) if as_json else give(_listing(found))
            return
        _decide(Desk(memory, path.parent, by or getpass.getuser()))


def _listing(found: dict[str, Any]) -> str:
    counts = found["counts"]
    rows = [
        [p["probability"] if p["basis"] != "conflict" else "conflict", p["left"], p["right"], p["told"]]
        for p in found["pairs"]
    ]
    lines = [_told(counts)]
    if rows:
        lines += ["", table(["probability", "one", "other", "differs in"], rows)]
    if len(rows) < counts["open"]:
        lines.append(f"and {counts['open'] - len(rows):,} more; --limit shows them")
    return "\n".join(lines)


def _told(counts: dict[str, int]) -> str:
    return (
        f"{counts['open']:,} pairs wait ({counts['conflicts']:,} conflicts, {counts['skipped']:,} put off); "
        f"decided: {counts['same']:,} the same, {counts['different']:,} never"
    )


def _decide(desk: Desk) -> None:
    say(_told(desk.counts()))
    while (pair := desk.next()) is not None:
        say("")
        say(pair.headline)
        say(_side_by_side(pair.sides))
        key = _key(pair.headline)
        if key == "q":
            break
        if key == "u":
            taken = desk.take_back()
            say("nothing of yours to take back" if taken is None else f"taken back: {taken}")
            continue
        say(desk.decide(pair, _VERDICTS[key]))
    else:
        say("Nothing waits any more.")
    give(_told(desk.counts()))


def _side_by_side(sides: list[Side]) -> str:
    rows = [[s.field, s.left, s.right, s.level] for s in sides]
    return table(["", "one", "other", "evidence"], rows)


def _key(headline: str) -> str:
    """Return the next of y, n, s, u, q: a key on a terminal, else a line of stdin; its end stops."""
    while True:
        if sys.stdin.isatty():
            say(KEYS)
            key = click.getchar().lower()
        else:
            line = sys.stdin.readline()
            key = line.strip().lower()[:1] if line else "q"
        if key in {"y", "n", "s", "u", "q"}:
            return key
        say(f"{key!r} decides nothing; {KEYS}")


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"review": review_command}
