"""The command that proposes the mapping of a file or a table of a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option
from rapport.cli.output import give, give_json, say, table


@click.command("map", help=COMMANDS["map"])
@click.argument("source")
@click.argument("program", type=click.Path(path_type=Path), required=False)
@click.option("--table", "table_name", help="Table, where SOURCE is the address of a database.")
@click.option("--people", metavar="NAME", help="Map it as the system of people of this name.")
@click.option("--kind", metavar="KIND", help="Map it as a source of this kind, such as transactions.")
@click.option("--write", is_flag=True, help="Add the mapping to PROGRAM; without it nothing is changed.")
@json_option
def map_command(source: str, program: Path | None, as_json: bool, **options: Any) -> None:
    """Propose what the columns of a file or table are.

    SOURCE is a file, relative to PROGRAM's folder where one is given, or the address of a database, with --table.
    """
    from rapport.core.tables import SOURCE_COLUMNS
    from rapport.wiring import make_engine
    from rapport.workflows.map_source import Wanted, plain_mapping, propose_mapping, with_mapping
    from rapport.workflows.programs import find_program

    if options["people"] and options["kind"]:
        raise click.UsageError("--people and --kind cannot be given at once; a source is one of the two.")
    if options["kind"] and options["kind"] not in SOURCE_COLUMNS:
        raise click.UsageError(f"--kind is {options['kind']!r}; must be one of: {', '.join(SOURCE_COLUMNS)}.")
    if options["write"] and program is None:
        raise click.UsageError("--write lacks the programme to write to; give PROGRAM after SOURCE.")
    path = None if program is None else find_program(program)
    wanted = Wanted(
        source, options["table_name"], options["people"], options["kind"], Path() if path is None else path.parent
    )
    with make_engine() as engine:
        mapped = propose_mapping(wanted, engine)
    if as_json:
        give_json(plain_mapping(mapped))
    else:
        give(_told(plain_mapping(mapped)))
    if path is not None and options["write"]:
        text = with_mapping(path.read_text(encoding="utf-8"), mapped, path.name)
        path.write_text(text, encoding="utf-8")
        say(f"added to {path}; look it over, then: rapport check {path.parent}")
    elif path is not None:
        say("nothing was changed; --write adds the lines to the programme")


def _told(found: dict[str, Any]) -> str:
    rows = [
        [c["file_column"], c["column"], f"{c['confidence']:.2f}", c["why"], _samples(c.get("samples", ()))]
        for c in found["columns"]
    ]
    rows += [[u["file_column"], "", "", u["why"], _samples(u["samples"])] for u in found["unmapped"]]
    kind = f"records of {found['kind']}s" if found["kind"] in {"person", "organisation"} else found["kind"]
    lines = [f"{kind}:", "", table(["column", "fills", "sure", "because", "such as"], rows, right=[2]), ""]
    if found["missing"]:
        lines += [f"nothing fills {', '.join(found['missing'])}, which {found['kind']} must have", ""]
    return "\n".join([*lines, found["toml"].rstrip()])


def _samples(values: Any) -> str:
    shown = ", ".join(str(v) for v in values)
    return shown if len(shown) <= 40 else shown[:39] + "…"


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"map": map_command}
