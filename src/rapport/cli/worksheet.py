"""The command about the worksheet: write it, read it back, show what is in force, take a reading back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument, turn_option
from rapport.cli.output import give, give_json, say
from rapport.cli.progress import StageProgress
from rapport.cli.worksheet_lines import change_lines, force_lines

PRODUCTS_OF_SEGMENT, PRODUCTS_OF_CUSTOMER, CUSTOMERS = 40, 10, 100
"""How much a worksheet holds where nothing is said; it is told, and 0 or `all` asks for everything."""


class Customers(click.ParamType[Any]):
    """Ids, or how many of the most valuable."""

    name = "IDS|top N|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return ids as a tuple, a number, or `all`; fail with what is allowed."""
        if not isinstance(value, str) or value.strip() == "all":
            return value
        if found := re.fullmatch(r"top[ =]?(\d+)", value.strip()):
            if int(found[1]):
                return int(found[1])
            self.fail("top 0 asks for nobody; give top 100, all, or ids.", param, ctx)
        ids = tuple(i for i in (v.strip() for v in value.split(",")) if i)
        if not ids:
            self.fail(f"{value!r} names nobody; give ids such as 17,1029, or top 100, or all.", param, ctx)
        return ids


@click.command("worksheet", help=COMMANDS["worksheet"])
@program_argument
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the worksheet: .xlsx, or .csv.")
@click.option("--read", type=click.Path(path_type=Path, dir_okay=False), help="Read an edited worksheet back.")
@click.option("--dry-run", is_flag=True, help="With --read: check, say what would change, take nothing over.")
@click.option("--show", is_flag=True, help="Show the edits in force.")
@click.option("--undo", is_flag=True, help="Take the last reading back.")
@turn_option
@click.option("--by", help="What makes a row: tier, a trait, needs_group, top_department, customer. Default: tier.")
@click.option("--customers", type=Customers(), help="One row a customer and product, of these. Default: top 100.")
@click.option(
    "--products",
    type=click.IntRange(0),
    help=f"Products for each segment or customer, 0 for all. Default: {PRODUCTS_OF_SEGMENT}, or "
    f"{PRODUCTS_OF_CUSTOMER} for customers.",
)
@click.option("--editor", help="Who edited, for the record. Default: the name you are logged in by.")
@json_option
def worksheet_command(program: Path, **said: Any) -> None:
    """Write a worksheet, or read one back."""
    asked = [name for name in ("out", "read", "show", "undo") if said[name]]
    if len(asked) > 1:
        raise click.UsageError(f"--{' and --'.join(asked)} do not go together. Give one of them.")
    if said["dry_run"] and asked != ["read"]:
        raise click.UsageError("--dry-run goes with --read FILE.")
    if not asked and not said["as_json"]:
        raise click.UsageError("give --out FILE.xlsx, --read FILE.xlsx, --show or --undo; --json prints the rows.")
    if said["customers"] is not None and said["by"] not in (None, "customer"):
        raise click.UsageError(f"--customers goes with --by customer, not with --by {said['by']}.")
    {"read": _read, "show": _show, "undo": _undo}.get(asked[0] if asked else "out", _write)(program, said)


def _open(program: Path) -> Any:
    from rapport.wiring import tools_for
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    return programme, path.parent, tools_for(path.parent, StageProgress(), programme.memory)


def _editor(said: dict[str, Any]) -> tuple[str, str]:
    """Return who edits, and the time."""
    import getpass
    from datetime import UTC, datetime

    try:
        name = said["editor"] or getpass.getuser()
    except OSError:
        name = "unknown"
    return name, datetime.now(UTC).isoformat(timespec="seconds")


def _asked(said: dict[str, Any]) -> Any:
    from rapport.workflows.worksheet import Asked

    by = "customer" if said["customers"] is not None else (said["by"] or "tier")
    usual = PRODUCTS_OF_CUSTOMER if by == "customer" else PRODUCTS_OF_SEGMENT
    products = usual if said["products"] is None else (said["products"] or None)
    customers = CUSTOMERS if said["customers"] is None and by == "customer" else said["customers"]
    return Asked(by=by, customers=None if customers == "all" else customers, products=products)


def _write(program: Path, said: dict[str, Any]) -> None:
    from rapport.wiring import WORKSHEET_FILES
    from rapport.workflows.worksheet import make_worksheet, read_given, read_past

    refuse, write, _ = WORKSHEET_FILES
    out = said["out"]
    if out is not None:
        refuse(out)
    programme, base, tools = _open(program)
    turn = tools.store.require_turn(said["turn_name"])
    given = read_given(tools.store, turn)
    asked = _asked(said)
    tools.progress.start("past purchases", None)
    past = read_past(tools.make_engine, programme, given, tools.store)
    tools.progress.finish()
    sheet = make_worksheet(programme, base, given, past, asked, tools.progress)
    about = dict(sheet.about)
    if out is None:
        give_json(_as_json(sheet))
        return
    tools.progress.start(f"write {out.name}", sheet.count)
    count = write(out, sheet, tools.progress.advance)
    tools.progress.finish()
    if said["as_json"]:
        give_json({"file": str(out), "rows": count, "about": about})
        return
    give(f"{out}: {count:,} rows, turn {turn}: {about['rows']}")
    say(f"Edit the coloured columns, then: rapport worksheet {program} --read {out} --dry-run")


def _as_json(sheet: Any) -> dict[str, Any]:
    from rapport.workflows.worksheet_columns import COLUMNS

    names = [c.name for c in COLUMNS]
    return {
        "about": dict(sheet.about),
        "rows": [dict(zip(names, row, strict=True)) for row in sheet.rows],
        "maps": {
            m.title: {"segments": list(m.segments), "departments": list(m.departments), "share": m.share}
            for m in sheet.maps
        },
    }


def _read(program: Path, said: dict[str, Any]) -> None:
    from rapport.wiring import WORKSHEET_FILES
    from rapport.workflows.worksheet_edits import keep_change, merge_edits, read_edits
    from rapport.workflows.worksheet_read import read_rows
    from rapport.workflows.worksheet_take import names_for, preview, read_scored

    cells = WORKSHEET_FILES[2](said["read"])
    programme, base, tools = _open(program)
    editor, at = _editor(said)
    with tools.store.writing():
        before = read_edits(base)
        scored = read_scored(tools.store, tools.store.require_turn(said["turn_name"]))
        read = read_rows(cells, names_for(programme, tools.store, scored, before), editor, at)
        change = merge_edits(before, read)
        effect = None if change.nothing else preview(tools.store, scored, change, before)
        number = None
        if not said["dry_run"] and not change.nothing:
            number = keep_change(tools.store, base, change, {"editor": editor, "at": at, "file": said["read"].name})
    found = {
        "file": str(said["read"]),
        "rows": len(read),
        "reading": number,
        "edits": change.counts(),
        "effect": effect,
    }
    if said["as_json"]:
        give_json(found)
        return
    for line in change_lines(found):
        give(line)
    if change.nothing:
        give("Nothing changes.")
    elif said["dry_run"]:
        give("Nothing was taken over: a dry run.")
    else:
        give(f"Taken over as reading {number}, kept in {base / 'worksheet.csv'}.")
        say(_next(program, tools.store, scored.turn))


def _next(program: Path, store: Any, turn: str) -> str:
    """Return what to do for the edits to be obeyed."""
    record = store.read_json(store.turn_folder(turn) / "turn.json") or {"stages": {}}
    if "send" in record["stages"]:
        return f"Turn {turn} was sent and stays as it is; the next turn obeys: rapport turn {program}"
    return f"Turn {turn} was decided without this; decide it anew: rapport turn {program} --restart"


def _show(program: Path, said: dict[str, Any]) -> None:
    from rapport.workflows.worksheet_edits import read_edits, readings
    from rapport.workflows.worksheet_take import in_force, read_scored

    _, base, tools = _open(program)
    edits = read_edits(base)
    turns = tools.store.turns()
    ready = turns and tools.store.has_table(tools.store.require_turn(said["turn_name"]), "scores")
    scored = read_scored(tools.store, tools.store.require_turn(said["turn_name"])) if ready and edits else None
    told = in_force(edits, scored)
    kept = [{k: v for k, v in r.items() if k not in ("before", "after")} for r in readings(tools.store)]
    if said["as_json"]:
        give_json({"edits": told, "readings": kept})
        return
    for line in force_lines(told, kept):
        give(line)


def _undo(program: Path, said: dict[str, Any]) -> None:
    from rapport.workflows.worksheet_edits import read_edits, undo_last

    _, base, tools = _open(program)
    editor, at = _editor(said)
    with tools.store.writing():
        last = undo_last(tools.store, base, {"editor": editor, "at": at})
        edits = read_edits(base)
    if said["as_json"]:
        give_json({"undone": last["number"], "in_force": len(edits)})
        return
    told = f"Reading {last['number']} of {last['at'][:10]} by {last['editor']}"
    give(f"{told} is taken back; {len(edits):,} edits in force.")


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"worksheet": worksheet_command}
