"""The command that takes contacts from a file into the memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json
from rapport.cli.progress import StageProgress


@click.command("record", help=COMMANDS["record"])
@program_argument
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--channel", default="web", show_default=True, help="Channel of contacts that name none.")
@click.option("--system", help="System whose record ids the column record_id holds; such a contact is a login.")
@click.option(
    "--map", "named", multiple=True, metavar="COLUMN=FILE_COLUMN", help="What a column is, such as at=when."
)
@click.option("--verified", multiple=True, metavar="COLUMN", help="Identifying column whose values were verified.")
@json_option
def record_command(program: Path, file: Path, as_json: bool, **options: Any) -> None:
    """Remember visits, calls, mails and logins.

    A file has a time (at), and may have message_id, kind, channel, direction, about, location, anonymous_id (a cookie
    or device), record_id and identifying columns such as email. A row with an anonymous_id and a record or a verified
    identifier is a login: what the device did before is the customer's, too. Taking a file again changes nothing.
    """
    from datetime import UTC, datetime

    from rapport.program.identify import IDENTIFYING
    from rapport.wiring import make_engine, open_customers
    from rapport.workflows.programs import find_program, read_program
    from rapport.workflows.record_contacts import ContactFile, pieces, record_contacts

    path = find_program(program)
    programme = read_program(path)
    systems = [p.name for p in programme.people]
    if options["system"] is not None and options["system"] not in systems:
        raise click.UsageError(f"--system is {options['system']!r}; must be one of: {', '.join(systems) or 'none'}.")
    for column in options["verified"]:
        if column not in IDENTIFYING:
            raise click.UsageError(f"--verified is {column!r}; must be one of: {', '.join(IDENTIFYING)}.")
    try:
        columns = dict(pieces(options["named"]))
    except ValueError as error:
        raise click.UsageError(f"--map {error}") from error
    asked = ContactFile(file, options["system"], options["channel"], columns, frozenset(options["verified"]))
    with open_customers(path.parent, programme.memory) as memory, make_engine() as engine:
        done = record_contacts(programme, asked, engine, memory, StageProgress(), datetime.now(UTC))
    give_json(done) if as_json else give(_told(done))


def _told(done: dict[str, Any]) -> str:
    logins = ", ".join(f"{n:,} {standing}" for standing, n in done["logins"].items()) or "none"
    lines = [
        f"{done['rows']:,} contacts: {done['new']:,} new, {done['repeated']:,} known already, "
        f"{done['unreadable']:,} without a time that can be read, {done['suppressed']:,} of forgotten people",
        f"logins: {logins}; {done['joined']:,} visitors joined to their customers",
    ]
    if done["conflicts"]:
        lines.append(f"{done['conflicts']:,} conflicts wait in: rapport review")
    return "\n".join(lines)


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"record": record_command}
