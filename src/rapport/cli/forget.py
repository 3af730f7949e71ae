"""The command that erases a person."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json, say, table
from rapport.cli.progress import StageProgress


@click.command("forget", help=COMMANDS["forget"])
@program_argument
@click.argument("customer")
@click.option("--by", help="Who asks for it, for the record. Default: the name you are logged in by.")
@click.option("--yes", is_flag=True, help="Erase without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would be erased; change nothing.")
@json_option
def forget_command(program: Path, customer: str, by: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Forget one customer."""
    from datetime import UTC, datetime

    from rapport.wiring import open_customers, tools_for
    from rapport.workflows.forget import Workplace, forget, look_up
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme, base = read_program(path), path.parent
    tools = tools_for(base, StageProgress(), programme.memory)
    opened: AbstractContextManager[Any] = (
        open_customers(base, programme.memory) if programme.people else nullcontext(None)
    )
    with opened as memory, tools.store.writing():
        place = Workplace(programme, base, tools, memory)
        outlook = look_up(place, customer)
        told = outlook.told(base)
        if outlook.already is not None:
            _show(told | {"status": "already forgotten"}, as_json, _already(told))
            return
        if dry_run:
            _show(told | {"status": "dry run"}, as_json, [*_outlook(told), "Nothing was changed: a dry run."])
            return
        if not yes:
            _ask(told)
        done = forget(place, outlook, by or _login(), datetime.now(UTC))
    _show({"customer": customer, "status": "forgotten", **done}, as_json, _done(done))


def _show(found: Mapping[str, Any], as_json: bool, lines: list[str]) -> None:
    if as_json:
        give_json(found)
        return
    for line in lines:
        give(line)


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except OSError:
        return "unknown"


def _ask(told: Mapping[str, Any]) -> None:
    """Show what will be erased and ask; stop where the answer is not yes."""
    if not sys.stdin.isatty():
        raise click.UsageError("erasing cannot be undone, and nobody can be asked here; give --yes, or --dry-run.")
    for line in _outlook(told):
        say(line)
    click.confirm("Erase all this? It cannot be undone", abort=True, err=True)


def _outlook(told: Mapping[str, Any]) -> list[str]:
    lines = []
    if told["unfinished_since"] is not None:
        lines.append(f"An erasure of {told['unfinished_since']} was stopped; it is carried on.")
    lines.append(f"{told['customer']} stands in:")
    if told["counts"]:
        lines.append(table(["what", "rows"], [(k, f"{v:,}") for k, v in told["counts"].items()], right=[1]))
    files: dict[str, int] = {}
    for file in told["files"]:
        files[file["path"]] = files.get(file["path"], 0) + file["rows"]
    if files:
        lines += ["", table(["file", "rows"], [(k, f"{v:,}") for k, v in files.items()], right=[1])]
    return lines


def _already(told: Mapping[str, Any]) -> list[str]:
    line = told["already"]
    return [f"{told['customer']} is already forgotten, since {line['at']} by {line['by']}; nothing was changed."]


def _done(done: Mapping[str, Any]) -> list[str]:
    lines = [f"Forgotten: {sum(done['counts'].values()):,} rows in {done['files']:,} files and the memory."]
    if done["counts"]:
        lines.append(table(["what", "rows"], [(k, f"{v:,}") for k, v in done["counts"].items()], right=[1]))
    if done["sources"]:
        lines.append("Your own files are not changed; the person still stands in these, and loads leave them out:")
        lines += [f"  {source}" for source in done["sources"]]
    lines.append("May still hold what was erased:")
    lines += [f"  {place}" for place in done["remains"]]
    return lines


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"forget": forget_command}
