"""The command that grades the data: of people and of what they did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json, table
from rapport.cli.progress import StageProgress


@click.command("audit", help=COMMANDS["audit"])
@program_argument
@click.option("--page", type=click.Path(path_type=Path), help="Write the audit as one HTML page to this file.")
@click.option("--force", is_flag=True, help="Write over a page that is there.")
@click.option(
    "--tasks",
    "wanted",
    metavar="N",
    type=click.IntRange(1, 1_000_000),
    help="Remember a task for each of the N customers whose missing contacts are worth most.",
)
@click.option("--owner", help="Whose tasks these are. Default: the owner of [accounts].")
@json_option
def audit_command(
    program: Path, page: Path | None, force: bool, wanted: int | None, owner: str | None, as_json: bool
) -> None:
    """Grade the data."""
    from rapport.wiring import audit_page
    from rapport.workflows.audit_people import refuse_page
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    refuse_page(page, force)
    found = _audited(programme, path.parent, wanted, owner)
    if page is not None:
        part = page.with_name(f".{page.name}.part")
        part.write_text(audit_page(found, programme), encoding="utf-8")
        part.replace(page)
    if as_json:
        give_json(found)
        return
    give("\n".join(audit_lines(found, programme.currency)))
    if page is not None:
        give(f"\nPage: {page}")


def _audited(programme: Any, base: Path, wanted: int | None, owner: str | None) -> dict[str, Any]:
    """Load, identify where people are declared, and audit; the programme's lock is held all the time."""
    from datetime import UTC, datetime

    from rapport.core.errors import ProgramInvalid
    from rapport.wiring import open_customers, tools_for
    from rapport.workflows.audit_people import LISTED, NOBODY, add_collect_tasks, audit_of_people
    from rapport.workflows.turn import load_sources, read_audit

    if wanted is not None and not programme.people:
        raise ProgramInvalid(
            f"program.toml: people is empty, so --tasks {wanted} has nobody to collect from; must name at least one "
            "system that holds records of people. Propose one from a file: rapport map FILE"
        )
    tools = tools_for(base, StageProgress(), programme.memory)
    with tools.store.writing():
        loaded, _ = load_sources(programme, base, tools)
        fields, summary = read_audit(loaded, tools)
        found = dict(NOBODY)
        if programme.people:
            with open_customers(base, programme.memory) as memory:
                found = audit_of_people(programme, base, memory, tools.store, wanted or LISTED)
                rows = found["collect"]["first"]
                if wanted is not None:
                    given = add_collect_tasks(memory, rows, owner or programme.accounts.owner, datetime.now(UTC))
                    found["collect"]["tasks"] = given
                for row in rows:
                    del row["record_key"]
    return found | {"fields": fields, "summary": summary}


def audit_lines(found: dict[str, Any], currency: str) -> list[str]:
    """Return both audits as text, people first."""
    lines = []
    if found["people"]:
        lines += [_people(found["people"]), "", *_agreement(found["agreement"]), ""]
        lines += [*_collect(found["collect"], currency), ""]
    return lines + _sources(found)


def _people(rows: list[dict[str, Any]]) -> str:
    head = [
        "system",
        "field",
        "grade",
        "filled",
        "valid",
        "usable",
        "distinct",
        "freshest",
        "age, days",
        "refused",
        "unlocks",
    ]
    body = [
        [
            r["system"],
            r["field"],
            r["grade"],
            *(_percent(r[k]) for k in ("fill", "validity", "usable")),
            r["distinct"],
            r["freshest"],
            r["median_age_days"],
            ", ".join(f"{n:,} {reason}" for reason, n in r["refused"].items()),
            r["unlocks"],
        ]
        for r in rows
    ]
    return table(head, body, right=(3, 4, 5, 6, 8))


def _agreement(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return ["No customer has a field in two systems, so nothing is known of how far systems agree."]
    body = []
    for r in rows:
        low = min(r["pairs"], key=lambda p: p["share"])
        least = f"{low['left']} and {low['right']}: {low['share']:.1%} of {low['customers']:,}"
        body.append([r["field"], f"{r['customers']:,}", f"{r['agree']:,}", _percent(r["share"]), least])
    return [
        "Agreement, of customers who have the field in two or more systems (all pairs of systems: --json, --page)",
        table(["field", "customers", "agree", "share", "least between"], body, right=(1, 2, 3)),
    ]


def _collect(found: dict[str, Any], currency: str) -> list[str]:
    from rapport.core.money import show_money

    def money(micros: int | None) -> str:
        return "" if micros is None else show_money(micros, currency)

    body = [
        [
            f["field"].replace("_", " "),
            *(f"{f[k]:,}" for k in ("lacking", "missing", "outdated", "unreachable", "becomes_reachable")),
            money(f["value_micros"]),
            money(f["reachable_value_micros"]),
        ]
        for f in found["fields"]
    ]
    basis = f"value is that of turn {found['turn']}" if found["turn"] else "no turn yet, so values are not known"
    head = ["field", "lacking", "missing", "outdated", "not reached", "gained", "value of lacking", "value gained"]
    lines = [
        f"What to collect next, of {found['customers']:,} people as of {found['as_of']}; {basis}",
        table(head, body, right=range(1, 8)),
        "not reached: no e-mail, phone or address at all; gained: those, and people of whom all three are missing or "
        "outdated",
        f"{found['unreachable']:,} people cannot be reached at all, "
        f"{found['outdated_only']:,} by outdated contacts only; "
        f"{found['lacking']:,} lack an e-mail, a phone or an address.",
    ]
    first = found["first"]
    if first:
        rows = [[*collect_row(r), money(r["value_micros"])] for r in first]
        left = found["lacking"] - len(first)
        lines += ["", f"First the contacts of these {len(first):,}" + (f"; {left:,} more follow" if left else "")]
        lines.append(table(["customer", "reached", "missing", "outdated", "value"], rows, right=(4,)))
    if "tasks" in found:
        given = found["tasks"]
        lines.append(f"tasks: {given['new']:,} new, {given['given_before']:,} given before")
    return lines


def collect_row(row: Mapping[str, Any]) -> list[str]:
    """Return a customer of `collect` as text: who, whether reached, what is missing, what is outdated."""
    told = [", ".join(f.replace("_", " ") for f in row[k]) for k in ("missing", "outdated")]
    return [row["customer_id"], row["reached"], *told]


def _sources(found: dict[str, Any]) -> list[str]:
    rows = [
        [
            f["source"],
            f["column"],
            f["grade"],
            *(_percent(f[k]) for k in ("fill", "validity", "usable")),
            f["distinct"],
            f["freshest"],
            f["unlocks"],
        ]
        for f in found["fields"]
    ]
    head = ["source", "field", "grade", "filled", "valid", "usable", "distinct", "freshest", "unlocks"]
    lines = [table(head, rows, right=range(3, 7)), ""]
    summary = found["summary"]
    for source in summary["sources"]:
        told = ", ".join(f"{n:,} {reason}" for reason, n in source["quarantined"].items()) or "none"
        lines.append(f"{source['source']}: {source['rows']:,} rows, {source['kept']:,} kept, in quarantine: {told}")
    if summary["unknown_items"]:
        lines.append(
            f"{summary['unknown_items']:,} transaction lines are of products that the product source does not have"
        )
    return lines


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"audit": audit_command}
