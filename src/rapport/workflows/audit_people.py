"""The audit of the records of people of a programme, and tasks to collect what is missing.

Why it exists: the rules of the audit know neither files nor the memory nor turns; this lends them all three. Nothing
is counted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.errors import LookupFailed, TargetExists
from rapport.identify.audit_people import Held, agreement, audit_people
from rapport.identify.collect import collect_next
from rapport.program.model import Program
from rapport.workflows.identified import people_table
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import Task
from rapport.workflows.known_customers import believed
from rapport.workflows.state_ports import Store

TASK_KIND = "collect"
LISTED = 10
"""Customers told one by one where no tasks are asked for."""

NOBODY: dict[str, Any] = {"people": [], "agreement": [], "collect": None}
"""The audit of people of a programme that declares none."""


def refuse_page(page: Path | None, force: bool) -> None:
    """Raise where the page cannot be written, before anything is computed.

    Raises
    ------
    LookupFailed
        There is no such folder.
    TargetExists
        The file is there and `force` was not given.
    """
    if page is None:
        return
    if not page.parent.is_dir():
        raise LookupFailed(f"--page {page}: no such folder - {page.parent}. Make it, or name another.")
    if page.is_dir():
        raise TargetExists(f"--page {page}: is a folder; must be a file. Name a file in it, such as audit.html.")
    if page.exists() and not force:
        raise TargetExists(f"--page {page}: is there already; must be a new file. Give --force to write over it.")


def audit_of_people(
    program: Program, base: Path, memory: IdentityMemory, store: Store, first: int = LISTED
) -> dict[str, Any]:
    """Return the audit of people as plain values: `people`, `agreement` and `collect`.

    The programme must have been identified. Ages are counted on the day of the latest thing observed, so that the
    same records give the same audit on any day.

    Parameters
    ----------
    first : int
        How many customers are told one by one in `collect`.
    """
    people, standard = people_table(base, "people"), people_table(base, "standard")
    nodes = memory.records.nodes()
    profile, at = believed(program, base, memory, nodes)
    systems = {p.name: Held(tuple(p.columns), p.traits) for p in program.people}
    traits = sorted({t for p in program.people for t in p.traits})
    owners = nodes.select(["record_key", "customer_id"])
    turn, worth = _worth(store, nodes)
    lacking = collect_next(_persons(nodes), profile, worth, program.identify.outdated_below, first)
    return {
        "people": audit_people(people, standard, systems, at),
        "agreement": agreement(people, standard, owners, traits),
        "collect": {"as_of": at.date(), "turn": turn, **asdict(lacking)},
    }


def _persons(nodes: pa.Table) -> pa.Table:
    """Return each person with its oldest record that is still there."""
    there = nodes.filter(pc.and_(pc.equal(nodes["kind"], "person"), pc.invert(nodes["gone"])))
    ordered = there.sort_by([("first_seen", "ascending"), ("record_key", "ascending")])
    found = ordered.group_by("customer_id", use_threads=False).aggregate([("record_key", "first")])
    return found.rename_columns(["customer_id", "record_key"]).sort_by("customer_id")


def _worth(store: Store, nodes: pa.Table) -> tuple[str | None, pa.Table | None]:
    """Return the latest turn that knows what customers are worth, and that; merged since, customers add up."""
    turn = next((t for t in reversed(store.turns()) if store.has_table(t, "scores")), None)
    if turn is None:
        return None, None
    scores = store.read_table(turn, "scores").select(["customer_id", "actual_value_micros"])
    place = pc.index_in(scores["customer_id"], value_set=nodes["own_id"].combine_chunks())
    now = nodes["customer_id"].combine_chunks().take(place)
    worth = pa.table({"customer_id": pc.coalesce(now, scores["customer_id"]), "v": scores["actual_value_micros"]})
    added = worth.group_by("customer_id").aggregate([("v", "sum")])
    return turn, pa.table({"customer_id": added["customer_id"], "value_micros": pc.cast(added["v_sum"], pa.int64())})


def add_collect_tasks(
    memory: IdentityMemory, rows: Sequence[Mapping[str, Any]], owner: str, at: datetime
) -> dict[str, int]:
    """Remember a task for each customer of `collect`, once for the same things lacking; return the counts.

    Whoever has an open task of this kind gets no second one, and a task that was done is not given again.
    """
    owners = memory.records.nodes()
    customer = dict(zip(owners["record_key"].to_pylist(), owners["customer_id"].to_pylist(), strict=True))
    given = [t for t in memory.work.tasks() if t.kind == TASK_KIND]
    waiting = {customer.get(t.node_key) for t in given if t.status == "open"}
    told = {(customer.get(t.node_key), t.text) for t in given}
    new = 0
    for row in rows:
        text = task_text(row)
        if row["customer_id"] in waiting or (row["customer_id"], text) in told:
            continue
        memory.work.add_task(Task(row["record_key"], TASK_KIND, owner, text, at))
        new += 1
    return {"wanted": len(rows), "new": new, "given_before": len(rows) - new}


def task_text(row: Mapping[str, Any]) -> str:
    """Return what is to be done about one customer of `collect`."""
    parts = [f"{what}: {_listed(row[what])}" for what in ("missing", "outdated") if row[what]]
    start = "Cannot be reached. " if row["reached"] == "not at all" else ""
    return f"{start}Collect what is {'; '.join(parts)}."


def _listed(fields: Sequence[str]) -> str:
    return ", ".join(f.replace("_", " ") for f in fields)
