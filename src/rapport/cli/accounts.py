"""The command that lists accounts with their contacts, and wanted prospects with what is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json, table


@click.command("accounts", help=COMMANDS["accounts"])
@program_argument
@click.option("--wanted", "only_wanted", is_flag=True, help="Only the wanted prospects and what they lack.")
@click.option("--tasks", "with_tasks", is_flag=True, help="Remember a task for each wanted account that lacks names.")
@click.option("--top", type=click.IntRange(1, 1_000_000), default=10, show_default=True, help="Accounts to list.")
@json_option
def accounts_command(program: Path, only_wanted: bool, with_tasks: bool, top: int, as_json: bool) -> None:
    """List accounts and contacts as the last identify left them."""
    from rapport.identify.organisations import contacts_of_accounts
    from rapport.wiring import open_customers, open_store
    from rapport.workflows.accounts import (
        account_report,
        account_values,
        add_tasks,
        as_written,
        identified_records,
        wanted_of,
    )
    from rapport.workflows.identified import people_table
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    store = open_store(path.parent)
    with open_customers(path.parent, programme.memory) as memory:
        standard, customers = identified_records(memory, path.parent)
        values: dict[str, float] = {}
        if store.turns():
            scores = store.read_table(store.require_turn(None), "scores")
            values = account_values(contacts_of_accounts(standard, customers), scores)
        report = account_report(standard, customers, wanted_of(programme, path.parent), values, top)
        report = as_written(report, people_table(path.parent, "people"), customers)
        if with_tasks:
            report["tasks_new"] = add_tasks(memory, report["wanted"], programme.accounts.owner, datetime.now(UTC))
    if only_wanted:
        report = {name: report[name] for name in ("wanted", "tasks_new") if name in report}
    if as_json:
        give_json(report)
    else:
        give(accounts_text(report))


def accounts_text(report: dict[str, Any]) -> str:
    """Return the report as text."""
    lines = []
    if "accounts" in report:
        rows = [[a["name"], a["account_id"], a["contacts"], _told(a["by_seniority"])] for a in report["accounts"]]
        lines += [
            f"{report['accounts_known']:,} accounts, {report['contacts_known']:,} contacts",
            "",
            table(["account", "id", "contacts", "by seniority"], rows, right=(2,)),
            "",
            "Top contacts",
            table(
                ["account", "contact", "title", "seniority"],
                [[c["account"], c["name"], c["job_title"], c["seniority"]] for c in report["top_contacts"]],
            ),
            "",
        ]
    if not report["wanted"]:
        lines.append("No prospect is declared as wanted: see [accounts] of program.toml.")
    else:
        rows = [[w["name"], w["account_id"], w["contacts"], w["lacking"], w["task"]] for w in report["wanted"]]
        lines.append(table(["wanted", "id", "contacts", "lacking", "task"], rows, right=(2, 3)))
    if "tasks_new" in report:
        lines += ["", f"{report['tasks_new']} tasks are new."]
    return "\n".join(lines)


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {seniority}" for seniority, n in counts.items())


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"accounts": accounts_command}
