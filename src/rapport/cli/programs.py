"""Commands about programmes: new, check, demo."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json, say

DEMO_DAY = date(2017, 12, 4)
"""Four weeks before the data end, so that the demonstration can read out what happened next."""


@click.command("new", help=COMMANDS["new"])
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@json_option
def new_command(directory: Path, as_json: bool) -> None:
    """Make a programme folder."""
    from rapport.workflows.new_program import new_program

    path = new_program(directory)
    if as_json:
        give_json({"program": str(path)})
        return
    give(f"Made {path} and a small made-up shop in {directory / 'sources'}.")
    give(f"Next: rapport check {directory}; rapport turn {directory}")


@click.command("check", help=COMMANDS["check"])
@program_argument
@json_option
def check_command(program: Path, as_json: bool) -> None:
    """Check a programme."""
    from rapport.wiring import make_engine
    from rapport.workflows.programs import check_program, find_program, read_program

    path = find_program(program)
    with make_engine() as engine:
        found = check_program(read_program(path), path.parent, engine)
    if as_json:
        give_json(found)
        return
    give(f"{path} is in order: {found['program']}")
    for what in ("goals", "channels", "rules", "plays"):
        give(f"  {what}: {', '.join(found[what]) or 'none'}")
    if found["locked_plays"]:
        locked = ", ".join(found["locked_plays"])
        give(f"  plays that lack data and so do nothing: {locked}; see rapport plays {program}")
    if found["people"]:
        give("  people: " + ", ".join(f"{name} from {place}" for name, place in found["people"].items()))
    give("  sources: " + ", ".join(f"{kind} from {file}" for kind, file in found["sources"].items()))


@click.command("demo", help=COMMANDS["demo"])
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder to build."
)
@json_option
def demo_command(out: Path, as_json: bool) -> None:
    """Build the demonstration and run one turn."""
    from rapport.cli.turns import run_turn, summary_of
    from rapport.wiring import demo_data
    from rapport.workflows.new_program import journey_program
    from rapport.workflows.turn import STAGES

    path = journey_program(out, demo_data())
    say(f"The programme is {path}; one turn for all its households:")
    record, folder = run_turn(path, DEMO_DAY, STAGES)
    if as_json:
        give_json(record)
        return
    give(summary_of(record, folder))
    give(f"Next:   rapport explain {out} 1029    rapport backtest {out}    (in .venv/bin after `make demo`)")


def commands() -> dict[str, click.Command]:
    """Return the commands of this module by name."""
    return {"new": new_command, "check": check_command, "demo": demo_command}
