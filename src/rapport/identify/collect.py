"""What to collect next: which customers lack an e-mail address, a phone, an address, a birthday or a name.

Why it exists: nobody collects everything of everyone; what is worth asking for first is what makes valuable customers
reachable. Counts come from what is believed of each customer, so that a value too old to be relied on counts as
lacking. No file is read and nobody is asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.identify.observations import ADDRESS, ADDRESS_PARTS, BETWEEN

CONTACTS = ("email", "phone", ADDRESS)
"""What reaches a customer."""

WANTED = (*CONTACTS, "birth_date", "name")
_NAMES = ("given_name", "surname")


@dataclass(frozen=True)
class Lacking:
    """What customers lack.

    customers : how many there are
    unreachable : how many have no e-mail, phone or address at all
    outdated_only : how many have some, and none that is believed
    value_micros, reachable_value_micros : what all, and those two kinds, are worth; None where no worth is known
    lacking : how many lack an e-mail, a phone or an address
    fields : a dict for each of `WANTED`, what makes most value reachable first
    first : a dict for each of the customers whose contacts are worth most, in that order
    """

    customers: int
    unreachable: int
    outdated_only: int
    value_micros: int | None
    reachable_value_micros: int | None
    lacking: int
    fields: list[dict[str, Any]]
    first: list[dict[str, Any]]


def collect_next(
    customers: pa.Table, profile: pa.Table, worth: pa.Table | None, outdated_below: float, first: int
) -> Lacking:
    """Return what customers lack, and whose contacts to collect first.

    Customers would become reachable who have no e-mail, no phone and no address of street and town that is believed
    enough. They come first, by their value; then those who lack a way of several, by value.

    Parameters
    ----------
    customers : Arrow table
        customer_id and record_key of each person; the key says where a task belongs to.
    profile : Arrow table
        `core.profiles.PROFILE`: what is believed of each.
    worth : Arrow table, optional
        customer_id, value_micros; customers not in it count as worth nothing.
    outdated_below : float
        What is believed less is outdated.
    first : int
        How many customers are told one by one, at most.
    """
    ids = customers["customer_id"].combine_chunks()
    held = {name: _held(ids, profile, name, outdated_below) for name in WANTED}
    missing = {name: ~known for name, (known, _) in held.items()}
    lacks = {name: ~(known & good) for name, (known, good) in held.items()}
    cut_off = np.logical_and.reduce([lacks[name] for name in CONTACTS])
    nothing = np.logical_and.reduce([missing[name] for name in CONTACTS])
    value = None if worth is None else _worth_of(ids, worth)
    fields = [_field(name, lacks[name], missing[name], (cut_off, nothing), value) for name in WANTED]
    fields.sort(key=lambda f: (-(f["reachable_value_micros"] or 0), -f["becomes_reachable"], -f["lacking"]))
    some = np.logical_or.reduce([lacks[name] for name in CONTACTS])
    order = _order(ids, lacks, cut_off, value)
    order = order[some[order]][:first]
    return Lacking(
        len(ids),
        int(nothing.sum()),
        int((cut_off & ~nothing).sum()),
        None if value is None else int(value.sum()),
        None if value is None else int(value[cut_off].sum()),
        int(some.sum()),
        fields,
        _told(customers.take(pa.array(order)), order, (lacks, missing), value),
    )


def _held(ids: pa.Array, profile: pa.Table, name: str, below: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who has a field, and who has it believed enough."""
    rows = profile.filter(pc.is_in(profile["field"], value_set=pa.array(_NAMES if name == "name" else (name,))))
    if name == ADDRESS:
        rows = rows.filter(_reaches(rows["value"]))
    good = rows.filter(pc.greater_equal(rows["belief"], below))
    known, believed = (
        pc.is_in(ids, value_set=r["customer_id"].combine_chunks()).to_numpy(zero_copy_only=False)
        for r in (rows, good)
    )
    return known, believed


def _reaches(addresses: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return where an address names a house and a town, so that a letter arrives."""
    parts = pc.split_pattern(addresses, BETWEEN)
    said = {p: pc.not_equal(pc.list_element(parts, n), "") for n, p in enumerate(ADDRESS_PARTS)}
    house = pc.or_(said["street"], said["house_number"])
    return pc.and_(house, pc.or_(said["postal_code"], said["city"]))


def _worth_of(ids: pa.Array, worth: pa.Table) -> NDArray[np.int64]:
    place = pc.index_in(ids, value_set=worth["customer_id"].combine_chunks())
    return np.asarray(worth["value_micros"].combine_chunks().take(place).fill_null(0).to_numpy(), dtype=np.int64)


def _field(
    name: str,
    lacks: NDArray[np.bool_],
    missing: NDArray[np.bool_],
    out_of_reach: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    value: NDArray[np.int64] | None,
) -> dict[str, Any]:
    """Return what lacking one field comes to; only a way to a customer makes one reachable."""
    cut_off, nothing = out_of_reach
    gained = lacks & cut_off if name in CONTACTS else np.zeros(len(lacks), dtype=bool)
    return {
        "field": name,
        "lacking": int(lacks.sum()),
        "missing": int(missing.sum()),
        "outdated": int((lacks & ~missing).sum()),
        "unreachable": int((lacks & nothing).sum()),
        "becomes_reachable": int(gained.sum()),
        "value_micros": None if value is None else int(value[lacks].sum()),
        "reachable_value_micros": None if value is None else int(value[gained].sum()),
    }


def _order(
    ids: pa.Array,
    lacks: dict[str, NDArray[np.bool_]],
    cut_off: NDArray[np.bool_],
    value: NDArray[np.int64] | None,
) -> NDArray[np.int64]:
    """Return the customers in the order in which their contacts are worth collecting."""
    worth = np.zeros(len(ids), dtype=np.int64) if value is None else value
    gained = np.where(cut_off, worth, 0)
    count = np.sum([lacks[name] for name in WANTED], axis=0)
    alphabet = np.empty(len(ids), dtype=np.int64)
    alphabet[pc.array_sort_indices(ids).to_numpy()] = np.arange(len(ids))
    return np.lexsort((alphabet, -count, ~cut_off, -worth, -gained))


def _told(
    customers: pa.Table,
    order: NDArray[np.int64],
    found: tuple[dict[str, NDArray[np.bool_]], dict[str, NDArray[np.bool_]]],
    value: NDArray[np.int64] | None,
) -> list[dict[str, Any]]:
    lacks, missing = found
    return [
        {
            "customer_id": row["customer_id"],
            "record_key": row["record_key"],
            "missing": [name for name in WANTED if missing[name][n]],
            "outdated": [name for name in WANTED if lacks[name][n] and not missing[name][n]],
            "reached": _reached(all(missing[c][n] for c in CONTACTS), all(lacks[c][n] for c in CONTACTS)),
            "value_micros": None if value is None else int(value[n]),
        }
        for row, n in zip(customers.to_pylist(), order.tolist(), strict=True)
    ]


def _reached(nothing: bool, nothing_believed: bool) -> str:
    return "not at all" if nothing else "outdated only" if nothing_believed else "in part"
