"""The command that lists what people are to do about customers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json, table

if TYPE_CHECKING:
    from rapport.workflows.identity_records import Task


@click.command("tasks", help=COMMANDS["tasks"])
@program_argument
@click.argument("customer", required=False)
@click.option("--owner", help="Only the tasks of this owner.")
@click.option("--all", "every", is_flag=True, help="List tasks that are done or dropped, too.")
@click.option("--done", type=click.IntRange(1), metavar="TASK", help="Mark a task as done.")
@click.option("--drop", type=click.IntRange(1), metavar="TASK", help="Mark a task as not to be done.")
@json_option
def tasks_command(program: Path, customer: str | None, as_json: bool, **options: Any) -> None:
    """List tasks, by day due."""
    from rapport.wiring import open_customers
    from rapport.workflows.programs import find_program, read_program

    if options["done"] and options["drop"]:
        raise click.UsageError("--done and --drop cannot be given at once; mark one task at a time.")
    path = find_program(program)
    with open_customers(path.parent, read_program(path).memory) as memory:
        if options["done"] or options["drop"]:
            changed = memory.work.set_task(
                options["done"] or options["drop"], "done" if options["done"] else "dropped"
            )
            give_json(_plain(changed)) if as_json else give(f"task {changed.task_id} is {changed.status}")
            return
        found = memory.work.tasks(customer, options["owner"], None if options["every"] else "open")
        names = _customers(memory, found) if found else {}
    if as_json:
        give_json({"tasks": [_plain(t) | {"customer_id": names.get(t.node_key)} for t in found]})
    else:
        give(_listing(found, names))


def _customers(memory: Any, found: list[Task]) -> dict[int, str]:
    """Return the customer of the node of each task."""
    nodes = memory.records.nodes().select(["record_key", "customer_id"])
    of = dict(zip(nodes["record_key"].to_pylist(), nodes["customer_id"].to_pylist(), strict=True))
    return {t.node_key: of[t.node_key] for t in found if t.node_key in of}


def _listing(found: list[Task], names: dict[int, str]) -> str:
    if not found:
        return "No tasks."
    rows = [[t.task_id, t.due or "", t.status, t.owner, names.get(t.node_key, ""), t.kind, t.text] for t in found]
    return table(["task", "due", "status", "owner", "customer", "kind", "what"], rows, right=[0])


def _plain(task: Task) -> dict[str, Any]:
    told = {k: v for k, v in task.__dict__.items() if k != "node_key"}
    return told | {"made_at": task.made_at.isoformat()}


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"tasks": tasks_command}
