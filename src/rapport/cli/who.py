"""The command that says who is meant by an identifier, and what is known of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument
from rapport.cli.output import give, give_json, table

STANDINGS = {
    "known": "is",
    "probable": "is probably (nothing verified, but nobody else holds it)",
    "shared": "is held by several customers and verified for none",
    "conflict": "is verified for several customers; the pair waits in: rapport review",
}


@click.command("who", help=COMMANDS["who"])
@program_argument
@click.argument("identifier")
@json_option
def who_command(program: Path, identifier: str, as_json: bool) -> None:
    """Say who is meant."""
    from rapport.wiring import open_customers
    from rapport.workflows.programs import find_program, read_program
    from rapport.workflows.who import who

    path = find_program(program)
    programme = read_program(path)
    with open_customers(path.parent, programme.memory) as memory:
        found = who(memory, programme, path.parent, identifier)
    give_json(found) if as_json else give(told(found, program))


def told(found: dict[str, Any], program: Path) -> str:
    """Return in words who is meant and what is known of them."""
    kind = found["kind"].replace("_", " ").replace("record:", "record of ")
    head = f"{found['asked']} ({kind}) {STANDINGS[found['standing']]}"
    if found["customer_id"] is None:
        rows = [[c["customer_id"], c["name"], ", ".join(c["systems"])] for c in found["candidates"]]
        return f"{head}:\n\n{table(['customer', 'name', 'systems'], rows)}"
    parts = [f"{head} {found['customer_id']}", *_sections(found, program)]
    return "\n\n".join(part for part in parts if part)


def _sections(found: dict[str, Any], program: Path) -> list[str]:
    records = [[r["system"], r["record_id"], _name(r), str(r.get("updated_at", ""))[:10]] for r in found["records"]]
    identifiers = [
        [i["kind"].replace("_", " "), i["value"], "yes" if i["verified"] else ""] for i in found["identifiers"]
    ]
    return [
        table(["system", "record", "name", "updated"], records) if records else "",
        table(["identifier", "value", "verified"], identifiers) if identifiers else "",
        _profile(found["profile"]),
        _household(found["household"]),
        _several("Works for", found["accounts"], lambda a: f"{a['account_id']} as {a['role']}"),
        _several("Contacts", found["contacts"], lambda c: f"{c['customer_id']}, {c['role']}"),
        _several("Consents", found["consents"], lambda c: f"{c['purpose']} by {c['channel']}: {c['status']}"),
        _several("Answers", found["answers"], lambda a: f"{a['at'][:10]} {a['channel']} {a['question']}: {_said(a)}"),
        _several("Tasks", found["tasks"], lambda t: f"{t['task_id']} {t['status']}, {t['owner']}: {t['text']}"),
        _talk(found),
        f"{found['merges']:,} merges hold these records together: rapport merges {program} {found['customer_id']}"
        if found["merges"]
        else "",
    ]


def _name(record: dict[str, Any]) -> str:
    parts = [record.get(n) for n in ("full_name", "given_name", "surname", "organisation")]
    return " ".join(p for p in parts if p)


def _said(answer: dict[str, Any]) -> str:
    return str(answer.get("value") or answer["status"])


def _several(title: str, rows: list[dict[str, Any]], line: Any) -> str:
    return "\n".join([f"{title}:", *(f"  {line(r)}" for r in rows)]) if rows else ""


def _profile(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    shown = [
        [
            r["field"].replace("_", " "),
            r["value"],
            f"{r['belief']:.2f}",
            r["source"],
            str(r["at"] or "")[:10],
            r["why"],
            "; ".join(f"{v['value']} ({v['source']}, {v['belief']:.2f})" for v in r["lost"]),
        ]
        for r in rows
    ]
    return table(["field", "value", "belief", "source", "seen", "why", "what lost"], shown, right=[2])


def _household(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    others = ", ".join(f"{m['customer_id']} {m['name']}".strip() for m in found["others"])
    return f"Household {found['household_id']}: " + (f"with {others}" if others else "nobody else")


def _talk(found: dict[str, Any]) -> str:
    if not found["interactions"]:
        return ""
    rows = [
        [i["at"][:16].replace("T", " "), i["channel"], i["direction"], i["kind"], i.get("about", "")]
        for i in found["interactions"]
    ]
    more = found["interactions_in_all"] - len(rows)
    lines = [table(["when", "channel", "", "kind", "about"], rows)]
    return "\n".join([*lines, *([f"and {more:,} earlier ones"] if more > 0 else [])])


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"who": who_command}
