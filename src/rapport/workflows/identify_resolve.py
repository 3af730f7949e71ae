"""Resolves the records of a programme: only what is new where little is, all of it and afresh where much is.

Why it exists: what was learned of a million records holds for the next thousand. They are weighed against the known
by the model of the last run, which gives what a whole run with that model gives; when more has come than the model
can speak for, everything is learned again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rapport.core.people import LINKS
from rapport.identify.link_model import LinkModel, model_from
from rapport.program.model import Program
from rapport.workflows.identified import identity_folder, latest
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.link_ports import MakeLinker
from rapport.workflows.ports import Engine, Progress
from rapport.workflows.resolve import Known, Resolution, resolve, resolve_more
from rapport.workflows.state_ports import Store

MOST_NEW = 0.05
"""Records new, changed or gone since the model was learned, as a share of those it was learned from, up to which it
stands."""
LEARNED = ("precision", "recall", "blocking_recall", "expected_true_pairs")
"""Estimates that only a run over all pairs can make."""


@dataclass(frozen=True)
class ResolveTools:
    """The concrete things that resolving is lent."""

    store: Store
    memory: IdentityMemory
    make_engine: Callable[[], AbstractContextManager[Engine]]
    make_linker: MakeLinker
    progress: Progress


@dataclass(frozen=True)
class Earlier:
    """An earlier resolution under the same settings: its folder, its records, its model, how it came about."""

    folder: Path
    standard: Path
    model: LinkModel
    basis: Mapping[str, Any]


def verified_of(program: Program) -> dict[str, tuple[str, ...]]:
    """Return which columns each system has verified."""
    return {p.name: p.verified for p in program.people if p.verified}


def resolve_records(program: Program, people: str, standard: pa.Table, tools: ResolveTools) -> Path:
    """Resolve records unless that is done, and return the folder that holds links, clusters, review and model.

    Parameters
    ----------
    program : Program
    people : str
        Name of the folder of the records under ``identity/people``.
    standard : Table
        As `rapport.core.people.STANDARD`.
    tools : ResolveTools
    """
    verdicts = tools.memory.reviews.verdicts().sort_by([("left_key", "ascending"), ("right_key", "ascending")])
    under: dict[str, Any] = {
        "settings": program.identify.model_dump(mode="json"),
        "verified": {name: list(columns) for name, columns in verified_of(program).items()},
    }
    parts = [people, under["settings"], under["verified"], verdicts.to_pylist()]
    digest = hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()
    folder = identity_folder(tools.store.state.parent) / "resolved" / digest
    if not (folder / "model.json").is_file():
        earlier = earlier_of(tools.store, under)
        with tools.store.folder_when_whole(folder) as part:
            found, basis = _found(program, (people, standard, verdicts), earlier, tools)
            for name, table in (("links", found.links), ("clusters", found.clusters), ("review", found.review)):
                pq.write_table(table, part / f"{name}.parquet", compression="zstd")
            tools.store.write_json(part / "estimates.json", found.estimates)
            tools.store.write_json(part / "basis.json", {"people": people, **under, **basis})
            tools.store.write_json(part / "model.json", None if found.model is None else found.model.to_dict())
    return folder


def earlier_of(store: Store, under: Mapping[str, Any]) -> Earlier | None:
    """Return the latest resolution if it was made under the same settings and is whole, else None."""
    identity = identity_folder(store.state.parent)
    last = latest(store.state.parent)
    if last is None:
        return None
    folder = identity / "resolved" / str(last["resolved"])
    if not (folder / "basis.json").is_file():
        return None
    basis = store.read_json(folder / "basis.json")
    standard = identity / "people" / str(basis["people"]) / "standard.parquet"
    told = store.read_json(folder / "model.json")
    if told is None or not standard.is_file() or any(basis[name] != value for name, value in under.items()):
        return None
    return Earlier(folder, standard, model_from(told), basis)


def _found(
    program: Program, now: tuple[str, pa.Table, pa.Table], earlier: Earlier | None, tools: ResolveTools
) -> tuple[Resolution, dict[str, Any]]:
    """Return what was found, and on how many records its model was learned and how many came after."""
    people, standard, verdicts = now
    pairs = {(system, column) for system, columns in verified_of(program).items() for column in columns}
    if earlier is not None:
        path = identity_folder(tools.store.state.parent) / "people" / people / "standard.parquet"
        new, gone = _changes(earlier.standard, path, tools)
        after = int(earlier.basis["after"]) + len(new) + gone
        if after <= MOST_NEW * earlier.basis["learned"]:
            fresh = np.isin(standard["record_key"].to_numpy(), new)
            known = _known(earlier, standard.filter(pa.array(~fresh)))
            added = standard.filter(pa.array(fresh))
            found = resolve_more(earlier.model, known, added, verdicts, pairs, tools.make_linker, tools.progress)
            estimates = tools.store.read_json(earlier.folder / "estimates.json")
            found.estimates.update({name: estimates[name] for name in LEARNED if name in estimates})
            return found, {"learned": earlier.basis["learned"], "after": after}
    found = resolve(standard, verdicts, program.identify, pairs, tools.make_linker, tools.progress)
    return found, {"learned": standard.num_rows, "after": 0}


def _known(earlier: Earlier, standard: pa.Table) -> Known:
    """Return what is known of records that are as they were."""
    links, review = (pq.read_table(earlier.folder / f"{name}.parquet") for name in ("links", "review"))
    both = pa.concat_tables([links.select(LINKS.names), review.select(LINKS.names)])
    return Known(standard, both, pq.read_table(earlier.folder / "clusters.parquet"))


def _changes(before: Path, now: Path, tools: ResolveTools) -> tuple[np.ndarray, int]:
    """Return the keys of records that are new or changed, and how many are gone."""
    with tools.make_engine() as engine:
        engine.register_parquet("before", before)
        engine.register_parquet("now", now)
        new = engine.query(
            "SELECT n.record_key FROM now n LEFT JOIN before b ON b.record_key = n.record_key "
            "AND md5(CAST(b AS VARCHAR)) = md5(CAST(n AS VARCHAR)) WHERE b.record_key IS NULL ORDER BY n.record_key"
        )
        gone = engine.query("SELECT count(*) AS gone FROM before b ANTI JOIN now n USING (record_key)")
    return new["record_key"].to_numpy(), int(gone["gone"][0].as_py())
