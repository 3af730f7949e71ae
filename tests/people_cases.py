"""Small sets of standard records with a truth, for tests of resolving."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from rapport.core.people import STANDARD, VERDICTS, record_key
from rapport.engines.splink_linker import SplinkLinker
from rapport.identify.standard import settings_of, standardise
from rapport.program.identify import Identify
from rapport.simulate.people import PeopleWorld, make_people
from rapport.workflows.ports import Silent
from rapport.workflows.resolve import Resolution, resolve

EVEN = Identify(wrong_merge_cost=1.0)
NO_VERDICTS = pa.table({f.name: pa.array([], f.type) for f in VERDICTS}, schema=VERDICTS)


def records(rows: list[dict[str, Any]], system: str = "shop") -> pa.Table:
    """Return standard records; each row names the columns it fills."""
    columns: dict[str, list[Any]] = {f.name: [] for f in STANDARD}
    for i, row in enumerate(rows):
        told = {"system": system, "record_id": str(i), "kind": "person"} | row
        told |= {"record_key": record_key(told["system"], told["record_id"])}
        if "emails" in told:
            told.setdefault("email_keys", told["emails"])
        for name, values in columns.items():
            values.append(told.get(name))
    return pa.table({f.name: pa.array(columns[f.name], f.type) for f in STANDARD}, schema=STANDARD)


def made_up(n: int, seed: int, **world: Any) -> tuple[pa.Table, np.ndarray]:
    """Return standard records of made-up people, and the entity of each."""
    made = make_people(PeopleWorld(n, seed=seed, **world))
    return standardise(made.people, settings_of(EVEN, (), None)), made.entity


def resolved(
    standard: pa.Table,
    verdicts: pa.Table = NO_VERDICTS,
    settings: Identify = EVEN,
    verified: tuple[tuple[str, str], ...] = (),
    threads: int | None = None,
) -> Resolution:
    """Return the resolution of standard records."""
    return resolve(standard, verdicts, settings, verified, lambda: SplinkLinker(threads=threads), Silent())


def clusters_of(found: Resolution, standard: pa.Table) -> np.ndarray:
    """Return the cluster of each record, in the order of the records."""
    key, cluster = found.clusters["record_key"].to_numpy(), found.clusters["cluster"].to_numpy()
    order = np.argsort(key)
    return cluster[order][np.searchsorted(key[order], standard["record_key"].to_numpy())]


def verdict(standard: pa.Table, one: int, other: int, same: bool) -> dict[str, Any]:
    """Return a verdict about two rows."""
    keys = sorted(standard["record_key"].to_numpy()[[one, other]].tolist())
    return {"left_key": keys[0], "right_key": keys[1], "same": same}


def person(given: str, surname: str, born: date | None = None, **more: Any) -> dict[str, Any]:
    """Return a row of a person."""
    return {"given_name": given, "surname": surname, "birth_date": born, **more}
