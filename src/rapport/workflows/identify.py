"""Knows each customer: loads the records of all systems, standardises, resolves and remembers them.

Why it exists: one order of steps, each left on disk under the digest of what it was made from, so that a killed run
carries on and an unchanged one costs nothing. How records are read, compared and remembered is not decided here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rapport.core.errors import ProgramInvalid
from rapport.core.people import CLUSTERS
from rapport.identify.households import HOUSEHOLDS as FOUND
from rapport.identify.households import find_households
from rapport.identify.organisations import contacts_of_accounts
from rapport.identify.standard import settings_of, standardise
from rapport.program.model import Program
from rapport.workflows.forgotten import read_forgotten
from rapport.workflows.identified import identity_folder
from rapport.workflows.identify_resolve import ResolveTools, resolve_records, verified_of
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import HOUSEHOLDS, AccountContact
from rapport.workflows.link_ports import MakeLinker
from rapport.workflows.load_people import load_people, people_fingerprint
from rapport.workflows.ports import Engine, FileDigest, Progress
from rapport.workflows.state_ports import Store

BY = "identify"


@dataclass(frozen=True)
class IdentifyTools:
    """The concrete things that the wiring lends to identify."""

    store: Store
    memory: IdentityMemory
    make_engine: Callable[[], AbstractContextManager[Engine]]
    make_linker: MakeLinker
    progress: Progress
    digest: FileDigest
    versions: Callable[[], dict[str, str]]


def identify(program: Program, base: Path, tools: IdentifyTools, at: datetime) -> dict[str, Any]:
    """Identify the customers of a programme and return what was done.

    The programme's lock must be held. The same records, settings and verdicts of people give the same customers; a
    run that was killed carries on where it was.

    Parameters
    ----------
    program : Program
        With at least one system of people.
    base : Path
        Folder of program.toml.
    tools : IdentifyTools
    at : datetime
        Now, with a zone: when the records were seen.

    Raises
    ------
    ProgramInvalid
        No system of people is declared.
    """
    if not program.people:
        raise ProgramInvalid(
            "program.toml: people is empty; must name at least one system that holds records of people. "
            "Propose one from a file: rapport map FILE"
        )
    people, loaded = _load(program, base, tools)
    standard = _standardise(program, people, tools)
    lent = ResolveTools(tools.store, tools.memory, tools.make_engine, tools.make_linker, tools.progress)
    resolved = resolve_records(program, people.name, standard, lent)
    return _remember(program, _Whole(people, resolved, standard, loaded), tools, at)


@dataclass(frozen=True)
class _Whole:
    """What stands on disk before the memory is brought into line with it."""

    people: Path
    resolved: Path
    standard: pa.Table
    loaded: dict[str, Any]


def _load(program: Program, base: Path, tools: IdentifyTools) -> tuple[Path, dict[str, Any]]:
    forgotten = read_forgotten(tools.store)
    digest = people_fingerprint(program, base, tools.digest, forgotten)
    folder = identity_folder(base) / "people" / digest[:16]
    if not (folder / "summary.json").is_file():
        with tools.store.folder_when_whole(folder) as part, tools.make_engine() as engine:
            summary = load_people(program, base, engine, part, tools.progress, forgotten)
            tools.store.write_json(part / "summary.json", summary)
    return folder, tools.store.read_json(folder / "summary.json")


def _standardise(program: Program, folder: Path, tools: IdentifyTools) -> pa.Table:
    path = folder / "standard.parquet"
    if not path.is_file():
        tools.progress.start("standardise", None)
        table = standardise(
            pq.read_table(folder / "people.parquet"), settings_of(program.identify, program.people, None)
        )
        part = path.with_name(path.name + ".part")
        pq.write_table(table, part, compression="zstd")
        part.replace(path)
        tools.progress.finish()
    return pq.read_table(path)


def _remember(program: Program, whole: _Whole, tools: IdentifyTools, at: datetime) -> dict[str, Any]:
    """Bring the memory into line with what was resolved; each step leaves alone what is in line already."""
    memory, read = tools.memory, pq.read_table
    tools.progress.start("remember", None)
    digests = _digests(whole.people / "people.parquet", tools)
    seen = memory.records.remember_records(whole.standard, digests, verified_of(program), at)
    links, clusters = read(whole.resolved / "links.parquet"), read(whole.resolved / "clusters.parquet")
    applied = memory.ledger.apply_clusters(clusters, links, BY, at)
    queued = memory.reviews.queue_reviews(read(whole.resolved / "review.parquet"), at)
    conflicts = memory.reviews.queue_conflicts(at)
    nodes = memory.records.nodes()
    households = memory.records.set_households(_households(whole.standard, nodes))
    contacts = memory.work.remember_contacts(_contacts(whole.standard, nodes, at))
    tools.progress.finish()
    summary = {
        "people": whole.people.name,
        "resolved": whole.resolved.name,
        "at": at.isoformat(),
        "versions": tools.versions(),
        "loaded": whole.loaded,
        "refused": _refused(whole.standard),
        "records": seen.__dict__,
        "links": dict(sorted(Counter(links["basis"].to_pylist()).items())),
        "merges": applied.__dict__,
        "customers": _customers(nodes),
        "review": {"queued": queued, "conflicts": conflicts} | memory.reviews.review_counts().__dict__,
        "households_changed": households,
        "contacts_changed": contacts,
        "estimates": tools.store.read_json(whole.resolved / "estimates.json"),
        "learned": _learned(tools.store.read_json(whole.resolved / "basis.json")),
    }
    tools.store.write_json(identity_folder(tools.store.state.parent) / "latest.json", summary)
    return summary


def _households(standard: pa.Table, nodes: pa.Table) -> pa.Table:
    """Return the household of each record: HOUSEHOLDS of the memory. Customers keep the household that they had."""
    there = nodes.filter(pc.is_in(nodes["record_key"], value_set=standard["record_key"].combine_chunks()))
    keys = there["record_key"].to_numpy()
    _, first, customer = np.unique(
        there["customer_id"].to_numpy(zero_copy_only=False).astype(str), return_index=True, return_inverse=True
    )
    # Nodes ascend by key, so the first of a customer is the smallest: the cluster.
    cluster = keys[first][customer]
    clusters = pa.table({"record_key": keys, "cluster": cluster}, schema=CLUSTERS)
    had = there.filter(pc.is_valid(there["household_id"]))
    of = dict(zip(keys.tolist(), cluster.tolist(), strict=True))
    before = {
        of[key]: name
        for key, name in zip(*had.select(["record_key", "household_id"]).to_pydict().values(), strict=True)
    }
    rows = [{"customer": c, "household_id": name, "basis": ""} for c, name in sorted(before.items())]
    found = find_households(standard, clusters, pa.Table.from_pylist(rows, schema=FOUND))
    at = np.searchsorted(found["customer"].to_numpy(), cluster).clip(0, max(0, found.num_rows - 1))
    known = found["customer"].to_numpy()[at] == cluster if found.num_rows else np.zeros(len(cluster), bool)
    names = found["household_id"].take(pa.array(np.where(known, at, 0), mask=~known))
    return pa.table({"record_key": keys, "household_id": names}, schema=HOUSEHOLDS)


def _contacts(standard: pa.Table, nodes: pa.Table, at: datetime) -> list[AccountContact]:
    """Return who works for which organisation, each at their oldest node."""
    if not pc.any(pc.equal(standard["kind"], "organisation")).as_py():
        return []
    owners = nodes.select(["record_key", "customer_id"])
    ordered = nodes.sort_by([("first_seen", "descending"), ("record_key", "descending")])
    oldest = dict(zip(ordered["customer_id"].to_pylist(), ordered["record_key"].to_pylist(), strict=True))
    return [
        AccountContact(
            oldest[c["account_id"]], oldest[c["customer_id"]], c["job_title"] or "", c["seniority"], c["basis"], at
        )
        for c in contacts_of_accounts(standard, owners).to_pylist()
    ]


def _digests(people: Path, tools: IdentifyTools) -> pa.Table:
    """Return what each record holds, digested: record_key, digest."""
    with tools.make_engine() as engine:
        engine.register_parquet("people", people)
        return engine.query("SELECT record_key, md5(CAST(p AS VARCHAR)) AS digest FROM people p ORDER BY record_key")


def _learned(basis: dict[str, Any]) -> dict[str, int]:
    """Return on how many records the model was learned, and how many have come, changed or gone since."""
    return {"records": int(basis["learned"]), "after": int(basis["after"])}


def _customers(nodes: pa.Table) -> dict[str, int]:
    """Return how many customers there are by kind, and how many of their records; those gone are left out."""
    there = nodes.filter(pc.invert(nodes["gone"]))
    counts: dict[str, int] = {"records": there.num_rows}
    for kind in ("person", "organisation", "anonymous"):
        of_kind = there.filter(pc.equal(there["kind"], kind))
        counts[kind] = len(pc.unique(of_kind["customer_id"]))
    return counts


def _refused(standard: pa.Table) -> dict[str, int]:
    """Return how many values could not be used, by column and reason."""
    told = pc.list_flatten(standard["refused"])
    return {str(v["values"]): int(v["counts"]) for v in pc.value_counts(told).to_pylist()}
