"""The command that says what groups of customers need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.needs_lines import groups_text, profile_text
from rapport.cli.options import json_option, program_argument, turn_option
from rapport.cli.output import give, give_json


@click.command("needs", help=COMMANDS["needs"])
@program_argument
@click.option("--group", help="Only the profile of this needs group, or value of the trait.")
@click.option("--by", metavar="TRAIT", help="Profile the values of a trait, such as age, instead of the groups.")
@turn_option
@json_option
def needs_command(program: Path, group: str | None, by: str | None, turn_name: str | None, as_json: bool) -> None:
    """Print needs groups and profiles."""
    from rapport.cli.progress import StageProgress
    from rapport.wiring import tools_for
    from rapport.workflows.needs_profiles import needs_report
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    tools = tools_for(path.parent, StageProgress(), programme.memory)
    turn = tools.store.require_turn(turn_name)
    tools.progress.start("profiles", None)
    found = needs_report(programme, tools, turn, by)
    tools.progress.finish()
    if group is not None:
        found["profiles"] = [_one(found, group)]
    if as_json:
        give_json(found)
    else:
        parts = [] if group is not None or by is not None else [groups_text(found)]
        parts += [profile_text(p, found["currency"]) for p in found["profiles"]]
        give("\n\n".join(parts))


def _one(found: dict[str, Any], group: str) -> dict[str, Any]:
    from rapport.core.errors import UnknownGroup, nearest

    names = [p["name"] for p in found["profiles"]]
    for profile in found["profiles"]:
        if profile["name"].casefold() == group.casefold():
            chosen: dict[str, Any] = profile
            return chosen
    raise UnknownGroup(
        f"--group is {group!r}; must be one of: {'; '.join(names) or 'none is there'}.{nearest(group, names)}"
    )


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"needs": needs_command}
