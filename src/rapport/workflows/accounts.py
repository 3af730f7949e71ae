"""Accounts of a programme with their contacts, and the wanted prospects with what is missing.

Why it exists: the rules of accounts know neither files nor the memory; this lends them both. Nothing is linked here.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.errors import SourceColumns, SourceMissing, SourceUnreadable
from rapport.identify.organisations import Missing, contacts_of_accounts, missing_contacts, top_contacts
from rapport.program.model import Program
from rapport.workflows.identified import people_table
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import Task

TASK_KIND = "find_contacts"


def identified_records(memory: IdentityMemory, base: Path) -> tuple[pa.Table, pa.Table]:
    """Return the standard records last identified, and record_key, customer_id of each.

    Raises
    ------
    StageMissing
        The programme has not been identified.
    StateDamaged
        A file cannot be read.
    """
    standard = people_table(base, "standard")
    return standard, memory.records.nodes().select(["record_key", "customer_id"])


def account_values(contacts: pa.Table, scores: pa.Table) -> dict[str, float]:
    """Return what the contacts of each account are worth together, in units of the currency.

    Parameters
    ----------
    contacts : Arrow table
        `identify.organisations.CONTACTS`.
    scores : Arrow table
        customer_id, actual_value_micros of a turn.
    """
    worth = dict(zip(scores["customer_id"].to_pylist(), scores["actual_value_micros"].to_pylist(), strict=True))
    found: dict[str, float] = {}
    for account, customer in zip(
        contacts["account_id"].to_pylist(), contacts["customer_id"].to_pylist(), strict=True
    ):
        found[account] = found.get(account, 0.0) + (worth.get(customer) or 0) / 1e6
    return found


def wanted_of(program: Program, base: Path) -> list[tuple[str, int]]:
    """Return the wanted prospects of a programme, each with the contact names it needs; names given twice count once.

    Raises
    ------
    SourceMissing, SourceUnreadable, SourceColumns
        The file is not there, is not UTF-8 text, or has no column `name`.
    """
    names = list(program.accounts.wanted)
    if program.accounts.wanted_file is not None:
        names += _names_of(base / program.accounts.wanted_file)
    return [(name, program.accounts.contacts) for name in dict.fromkeys(names)]


def _names_of(path: Path) -> list[str]:
    if not path.is_file():
        raise SourceMissing(f"{path}: is not there. Mend accounts.wanted_file in program.toml.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or ()
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceUnreadable(f"{path}: cannot be read: {error}. Save it as CSV in UTF-8.") from error
    if "name" not in columns:
        raise SourceColumns(f"{path}: has the columns {', '.join(columns)}; must have a column name. Add it.")
    return [row["name"].strip() for row in rows if (row["name"] or "").strip()]


def account_report(
    standard: pa.Table,
    customers: pa.Table,
    wanted: Sequence[tuple[str, int]],
    values: Mapping[str, float],
    top: int,
    each: int = 3,
) -> dict[str, Any]:
    """Return accounts with their contacts by seniority, the top contacts, and the wanted prospects, as plain values.

    Parameters
    ----------
    standard, customers : as for `identify.organisations.contacts_of_accounts`
    values : mapping of str to float
        Worth of each account, such as the value of a turn; without one, accounts count as their contacts are many.
    top, each : int
        How many accounts, and contacts of each, are listed.
    """
    contacts = contacts_of_accounts(standard, customers)
    accounts = account_names(standard, customers)
    counted: dict[str, dict[str, int]] = {account: {} for account in accounts.values()}
    for account, seniority in zip(contacts["account_id"].to_pylist(), contacts["seniority"].to_pylist(), strict=True):
        counted[account][seniority] = counted[account].get(seniority, 0) + 1
    worth = values or {account: float(sum(c.values())) for account, c in counted.items()}
    names = {account: name for name, account in accounts.items()}
    order = sorted(counted, key=lambda a: (-worth.get(a, 0.0), a))
    missing = missing_contacts(wanted, contacts, {n: a for n, a in accounts.items() if n})
    return {
        "accounts": [
            {
                "account_id": a,
                "name": names[a],
                "value": worth.get(a, 0.0),
                "contacts": sum(counted[a].values()),
                "by_seniority": counted[a],
            }
            for a in order[:top]
        ],
        "accounts_known": len(counted),
        "contacts_known": len(contacts),
        "top_contacts": top_contacts(contacts, worth, top, each),
        "wanted": [missing_record(m) for m in missing],
    }


def as_written(report: dict[str, Any], people: pa.Table, customers: pa.Table) -> dict[str, Any]:
    """Return the report with names and titles as their systems write them, where all records write one of them alike.

    Parameters
    ----------
    report : dict
        Of `account_report`; its names are in standard form.
    people : Arrow table
        `rapport.core.people.PEOPLE`, as loaded.
    customers : Arrow table
        record_key, customer_id.
    """
    ids = {c for a in report["accounts"] for c in (a["account_id"],)}
    ids |= {c[name] for c in report["top_contacts"] for name in ("account_id", "customer_id")}
    of = dict(zip(customers["record_key"].to_pylist(), customers["customer_id"].to_pylist(), strict=True))
    wanted = people.filter(
        pc.is_in(people["record_key"], pa.array([k for k, c in of.items() if c in ids], pa.int64()))
    )
    written: dict[tuple[str, str], set[str]] = {}
    for row in wanted.to_pylist():
        parts = (row["given_name"], row["middle_name"], row["surname"])
        told = {
            "organisation": row["organisation"] if row["kind"] == "organisation" else None,
            "person": row["full_name"] or " ".join(p for p in parts if p),
            "title": row["job_title"],
        }
        for what, value in told.items():
            if value:
                written.setdefault((of[row["record_key"]], what), set()).add(value)

    def one(customer: str, what: str, otherwise: str | None) -> str | None:
        values = written.get((customer, what), set())
        return next(iter(values)) if len(values) == 1 else otherwise

    names = {a["account_id"]: one(a["account_id"], "organisation", a["name"]) for a in report["accounts"]}
    return report | {
        "accounts": [a | {"name": names[a["account_id"]]} for a in report["accounts"]],
        "top_contacts": [
            c
            | {
                "account": names.get(c["account_id"], c["account"]),
                "name": one(c["customer_id"], "person", c["name"]),
                "job_title": one(c["customer_id"], "title", c["job_title"]),
            }
            for c in report["top_contacts"]
        ],
    }


def missing_record(missing: Missing) -> dict[str, Any]:
    """Return a wanted prospect as plain values; `task` is None where nothing is missing."""
    return {
        "name": missing.name,
        "account_id": missing.account_id,
        "contacts": missing.contacts,
        "wanted": missing.wanted,
        "lacking": missing.lacking,
        "task": missing.task if missing.lacking else None,
    }


def account_names(standard: pa.Table, customers: pa.Table) -> dict[str, str]:
    """Return the id of each account by its name; accounts without a name are told by their id."""
    records = standard.filter(pc.equal(standard["kind"], "organisation"))
    ids = dict(zip(customers["record_key"].to_pylist(), customers["customer_id"].to_pylist(), strict=True))
    found: dict[str, str] = {}
    named: set[str] = set()
    pairs = zip(records["record_key"].to_pylist(), records["organisation"].to_pylist(), strict=True)
    for key, name in sorted(pairs, key=lambda p: (p[1] is None, p[1] or "", p[0])):
        account = ids.get(key)
        if account is not None and account not in named:
            # Two accounts of one name stay two: the second is told by its id.
            found[account if name is None or name in found else name] = account
            named.add(account)
    return found


def add_tasks(memory: IdentityMemory, wanted: Sequence[Mapping[str, Any]], owner: str, at: datetime) -> int:
    """Give somebody the task to find the contacts that wanted accounts lack; return how many tasks are new.

    Accounts without a record have no node for a task to belong to; they stand in the report alone.
    """
    new = 0
    for row in wanted:
        if row["task"] is None or row["account_id"] is None:
            continue
        open_tasks = memory.work.tasks(customer_id=row["account_id"], status="open")
        if any(t.kind == TASK_KIND for t in open_tasks):
            continue
        node = memory.records.node_keys(row["account_id"])[0]
        memory.work.add_task(Task(node, TASK_KIND, owner, row["task"], at))
        new += 1
    return new
