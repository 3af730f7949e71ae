"""The command that identifies the customers of a programme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json, table
from rapport.cli.progress import StageProgress


@click.command("identify", help=COMMANDS["identify"])
@program_argument
@json_option
def identify_command(program: Path, as_json: bool) -> None:
    """Load, standardise, resolve and remember the records of people."""
    from datetime import UTC, datetime

    from rapport.wiring import identify_tools, open_store
    from rapport.workflows.identify import identify
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    with open_store(path.parent).writing(), identify_tools(programme, path.parent, StageProgress()) as tools:
        found = identify(programme, path.parent, tools, datetime.now(UTC))
    give_json(found) if as_json else give(told(found, program))


def told(found: dict[str, Any], program: Path) -> str:
    """Return in words what an identify did."""
    seen, customers, review = found["records"], found["customers"], found["review"]
    lines = [
        table(
            ["system", "records", "kept", "in quarantine"],
            [
                [s["system"], f"{s['rows']:,}", f"{s['kept']:,}", _listed(s["quarantined"])]
                for s in found["loaded"]["systems"]
            ],
            right=(1, 2),
        ),
        "",
        f"records: {seen['new']:,} new, {seen['changed']:,} changed, {seen['same']:,} as before, "
        f"{seen['gone']:,} gone, {seen['suppressed']:,} of forgotten people left out",
        f"values that identify nobody: {_listed(found['refused'])}",
        f"links: {_listed(found['links'])}",
        f"merges: {found['merges']['added']:,} made, {found['merges']['taken_back']:,} taken back; "
        f"{found['merges']['moved']:,} records changed their customer",
        f"customers: {customers['person']:,} people and {customers['organisation']:,} organisations "
        f"in {customers['records']:,} records",
    ]
    lines += [f"estimated without labels: {told}" for told in _estimates(found["estimates"])]
    learned = found["learned"]
    if learned["after"]:
        lines.append(
            f"weighed as learned from {learned['records']:,} records; {learned['after']:,} new, changed or gone since"
        )
    if found["merges"]["vetoed"]:
        lines.append(f"{found['merges']['vetoed']:,} groups hold records that people keep apart; nothing was added")
    if review["open"]:
        lines.append(f"{review['open']:,} pairs wait for a person, {review['conflicts']:,} of them conflicts.")
        lines.append(f"Next: rapport review {program}")
    return "\n".join(lines)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {name}" for name, n in counts.items()) or "none"


def _estimates(found: dict[str, Any]) -> list[str]:
    names = (("precision", "share of links that are right"), ("recall", "share of right links that were found"))
    return [f"{meaning} {found[name]:.4f}" for name, meaning in names if isinstance(found.get(name), float)]


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"identify": identify_command}
