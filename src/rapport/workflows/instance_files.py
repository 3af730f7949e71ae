"""Reads and writes the files of an allocation instance: a folder of Parquet files, or one .npz file.

Why it exists: anybody who can write a table can have it allocated, and made-up instances can be kept and passed on.
Nothing wrong gets past this point: what is read here can be solved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rapport.core.errors import InstanceInvalid, TargetExists, nearest
from rapport.simulate.instance_record import (
    ANY_CHANNEL,
    CONTACTS,
    COST,
    OFFERS,
    CandidateRows,
    Channel,
    Contacts,
    Instance,
    Labels,
)
from rapport.workflows.instance_header import Header, Known, read_header, read_limits, write_header
from rapport.workflows.instance_tables import HEADER, NPZ_HEADER, Table, read_tables

_CANDIDATE_COLUMNS = ("customer", "offer", "value")
_CANDIDATE_EXTRAS = (*_CANDIDATE_COLUMNS, "channel", "must")
_CONTACT_COLUMNS = ("customer", "channel")
_CONTACT_EXTRAS = (*_CONTACT_COLUMNS, COST, "open")
_TAKEN = {CONTACTS, OFFERS}


def read_instance(path: Path) -> Instance:
    """Return the instance that a folder or an .npz file holds.

    Parameters
    ----------
    path : Path
        A folder with ``instance.json`` and ``candidates.parquet``, or a file that ends in ``.npz``.

    Raises
    ------
    InstanceInvalid
        Anything is missing, unknown, doubled or out of range; the message names file, column, row and value.
    """
    text, place, tables = read_tables(path)
    header = read_header(text, place)
    candidates, contacts = tables["candidates"], tables.get("contacts")
    candidates.require(_CANDIDATE_COLUMNS)
    if contacts is not None:
        contacts.require(_CONTACT_COLUMNS)
    customers, positions = _customers(tables)
    offers, offer = _offers(tables)
    rows = _candidate_rows(candidates, header, (positions["candidates"], offer), len(offers))
    customer_labels, forced = _customer_labels(tables, len(customers))
    offer_labels = _labels(tables["offers"], ("offer",)) if "offers" in tables else {}
    _check_kinds(header, offer_labels)
    spoken = _contacts(contacts, header, positions.get("contacts"), len(customers))
    for name in header.through_reach:
        if name not in rows.amounts:
            known = ", ".join(rows.amounts) or "none"
            raise InstanceInvalid(f"{place}: through_reach names {name!r}; amounts of candidates are {known}.")
    ids = offers.to_pylist()
    known_names = Known(
        candidate_amounts=frozenset(rows.amounts),
        contact_amounts=frozenset(spoken.amounts),
        channels=tuple(c.name for c in header.channels),
        offers={name: at for at, name in enumerate(ids)},
        attributes={name: labels.names for name, labels in offer_labels.items()},
        groupings={name: labels.names for name, labels in customer_labels.items()},
    )
    instance = Instance(
        customers=_numpy(customers),
        offers=_numpy(offers),
        channels=tuple(Channel(c.name, c.reach) for c in header.channels),
        size=header.size,
        candidates=rows,
        contacts=spoken,
        limits=read_limits(header, known_names),
        forced=forced,
        variety=header.variety,
        kinds=header.kinds,
        customer_labels=customer_labels,
        offer_labels=offer_labels,
        through_reach=header.through_reach,
    )
    _check_musts(instance, candidates.place)
    return instance


def _numpy(ids: Any) -> NDArray[np.generic]:
    values = ids.to_numpy(zero_copy_only=False)
    return values if values.dtype.kind == "i" else np.asarray(ids.to_pylist(), dtype=np.str_)


def _distinct(table: Table, name: str) -> Any:
    ids = table.ids(name)
    unique = pc.unique(ids)
    if len(unique) < len(ids):
        codes = pc.index_in(ids, value_set=unique).to_numpy(zero_copy_only=False)
        row = int(np.setdiff1d(np.arange(len(ids)), np.unique(codes, return_index=True)[1])[0])
        raise table.fault(name, row, f"{ids[row].as_py()!r} stands a second time", "ids must differ.")
    return ids


def _customers(tables: dict[str, Table]) -> tuple[Any, dict[str, NDArray[np.int32]]]:
    """Return the ids of all customers, and their positions in the tables that name them."""
    named = {t: tables[t].ids("customer") for t in ("candidates", "contacts") if t in tables}
    if "customers" in tables:
        tables["customers"].require(("customer",))
        ids = _distinct(tables["customers"], "customer")
    else:
        kinds = {str(c.type) for c in named.values()}
        if len(kinds) > 1:
            raise tables["contacts"].fault(
                "customer", None, f"it holds {named['contacts'].type}", f"candidates hold {named['candidates'].type}."
            )
        found = pc.unique(pa.concat_arrays([pc.unique(c) for c in named.values()]))
        ids = found.take(pc.sort_indices(found))
    if not len(ids):
        raise InstanceInvalid(
            f"{tables.get('customers', tables['candidates']).place}: there is no row; "
            "an instance needs at least one customer."
        )
    return ids, {t: tables[t].known("customer", c, ids, "customers") for t, c in named.items()}


def _offers(tables: dict[str, Table]) -> tuple[Any, NDArray[np.int32]]:
    """Return the ids of all offers, and their positions in the candidates."""
    named = tables["candidates"].ids("offer")
    if "offers" in tables:
        tables["offers"].require(("offer",))
        ids = _distinct(tables["offers"], "offer")
    else:
        found = pc.unique(named)
        ids = found.take(pc.sort_indices(found))
    return ids, tables["candidates"].known("offer", named, ids, "offers")


def _amounts(table: Table, reserved: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    names = [name for name in table.columns if name not in reserved]
    for name in names:
        if name in _TAKEN:
            raise table.fault(name, None, "the name is taken", "an amount must not be called contacts or offers.")
    return {name: table.numbers(name, low=0.0) for name in names}


def _channel_codes(table: Table, header: Header) -> NDArray[np.int8]:
    names = pa.array([c.name for c in header.channels], pa.string())
    said = table.texts("channel")
    codes = np.full(len(said), ANY_CHANNEL, dtype=np.int8)
    if said.null_count == len(said):
        return codes
    there = np.asarray(said.is_valid())
    at = np.asarray(pc.fill_null(pc.index_in(said, value_set=names, skip_nulls=True), -1))
    unknown = np.flatnonzero(there & (at < 0))
    if len(unknown):
        row = int(unknown[0])
        value, allowed = said[row].as_py(), [c.name for c in header.channels]
        hint = nearest(value, allowed)
        raise table.fault(
            "channel", row, f"{value!r} is no channel of the header", f"channels are {', '.join(allowed)}.{hint}"
        )
    codes[there] = at[there]
    return codes


def _candidate_rows(
    table: Table, header: Header, at: tuple[NDArray[np.int32], NDArray[np.int32]], offers: int
) -> CandidateRows:
    """Return the candidates in the order of customer, offer and channel; no two may stand for the same."""
    customer, offer = at
    channel = _channel_codes(table, header) if "channel" in table else np.full(len(customer), ANY_CHANNEL, np.int8)
    rows = CandidateRows(
        customer,
        offer,
        channel,
        table.numbers("value"),
        table.flags("must", False),
        _amounts(table, _CANDIDATE_EXTRAS),
    )
    width = len(header.channels) + 1
    key = (customer.astype(np.int64) * max(1, offers) + offer) * width + channel + 1
    if not len(key) or (key[1:] > key[:-1]).all():
        order = None
    else:
        order = np.argsort(key, kind="stable")
        key = key[order]
    pair = key // width
    # The same offer for any channel sorts before those for one channel.
    same = (key[1:] == key[:-1]) | ((pair[1:] == pair[:-1]) & (key[:-1] % width == 0))
    if same.any():
        second = int(np.flatnonzero(same)[0]) + 1
        row = second if order is None else int(order[second])
        raise table.fault(
            "offer",
            row,
            f"{table.columns['offer'][row].as_py()!r} stands a second time for customer "
            f"{table.columns['customer'][row].as_py()!r} and the same channel",
            "customer, offer and channel together must differ; an offer without a channel is for all of them.",
        )
    if order is None:
        return rows
    return CandidateRows(
        customer[order],
        offer[order],
        channel[order],
        rows.value[order],
        rows.must[order],
        {name: amount[order] for name, amount in rows.amounts.items()},
    )


def _contacts(table: Table | None, header: Header, customer: NDArray[np.int32] | None, n: int) -> Contacts:
    """Return cost and amounts of every contact: the channel's, unless a row says otherwise."""
    routes = len(header.channels)
    cost = np.tile(np.array([c.cost for c in header.channels]), (n, 1))
    names = sorted({a for c in header.channels for a in c.amounts})
    amounts = {a: np.tile(np.array([c.amounts.get(a, 0.0) for c in header.channels]), (n, 1)) for a in names}
    for name in names:
        if name in _TAKEN:
            raise InstanceInvalid(f"{header.place}: channels: an amount is called {name!r}; that name is taken.")
    if table is None or customer is None:
        return Contacts(cost, amounts)
    channel = _channel_codes(table, header)
    if (channel < 0).any():
        row = int(np.flatnonzero(channel < 0)[0])
        raise table.fault("channel", row, "there is no value", "every contact must name its channel.")
    key = customer.astype(np.int64) * routes + channel
    order = np.argsort(key, kind="stable")
    doubled = np.flatnonzero(np.diff(key[order]) == 0)
    if len(doubled):
        row = int(order[doubled[0] + 1])
        who = table.columns["customer"][row].as_py()
        raise table.fault("channel", row, f"it stands a second time for customer {who!r}", "a pair must stand once.")
    if COST in table:
        cost[customer, channel] = table.numbers(COST, low=0.0)
    cost[customer, channel] = np.where(table.flags("open", True), cost[customer, channel], np.inf)
    for name, values in _amounts(table, _CONTACT_EXTRAS).items():
        amounts.setdefault(name, np.zeros((n, routes)))[customer, channel] = values
    return Contacts(cost, amounts)


def _labels(table: Table, reserved: tuple[str, ...]) -> dict[str, Labels]:
    labels = {}
    for name in table.columns:
        if name in reserved:
            continue
        said = table.texts(name)
        found = pc.unique(said).drop_null()
        names = found.take(pc.sort_indices(found))
        codes = pc.fill_null(pc.index_in(said, value_set=names, skip_nulls=True), -1)
        labels[name] = Labels(np.asarray(codes.to_numpy(zero_copy_only=False), np.int32), tuple(names.to_pylist()))
    return labels


def _customer_labels(tables: dict[str, Table], n: int) -> tuple[dict[str, Labels], NDArray[np.bool_]]:
    if "customers" not in tables:
        return {}, np.zeros(n, dtype=bool)
    return _labels(tables["customers"], ("customer", "forced")), tables["customers"].flags("forced", False)


def _check_kinds(header: Header, labels: dict[str, Labels]) -> None:
    names = labels["kind"].names if "kind" in labels else ()
    for kind in header.kinds:
        if kind not in names:
            said = ", ".join(names) or "none, as offers have no column 'kind'"
            raise InstanceInvalid(f"{header.place}: kinds names {kind!r}; kinds of offers are {said}.")


def _check_musts(instance: Instance, place: str) -> None:
    """Refuse musts that no portfolio can hold."""
    rows = instance.candidates
    must = np.flatnonzero(rows.must)
    if not len(must):
        return
    kind = np.full(len(instance.offers), -1)
    caps = [instance.size]
    if instance.kinds:
        names = instance.offer_labels["kind"].names
        for name, most in instance.kinds.items():
            kind[instance.offer_labels["kind"].codes == names.index(name)] = len(caps)
            caps.append(most)
    customer, offer = rows.customer[must], rows.offer[must]
    for r, channel in enumerate(instance.channels):
        through = (rows.channel[must] == ANY_CHANNEL) | (rows.channel[must] == r)
        for group, most in enumerate(caps):
            counted = through if group == 0 else through & (kind[offer] == group)
            who, times = np.unique(customer[counted], return_counts=True)
            if (times > most).any():
                at = int(np.argmax(times > most))
                of = "size" if group == 0 else f"kinds.{list(instance.kinds)[group - 1]}"
                raise InstanceInvalid(
                    f"{place}: column 'must': customer {instance.customers[who[at]]!r} has {times[at]} offers that "
                    f"must be in a message through {channel.name!r}; {of} allows {most}."
                )


def write_instance(instance: Instance, path: Path) -> None:
    """Write an instance as a folder, or as one file where the name ends in ``.npz``.

    Raises
    ------
    TargetExists
        Something is there already.
    """
    if path.exists():
        raise TargetExists(f"{path}: it is there already; choose another name, or remove it.")
    channels, contacts = _said_contacts(instance)
    tables = {"candidates": _said_candidates(instance)}
    if contacts:
        tables["contacts"] = contacts
    tables["customers"] = _said_labels("customer", instance.customers, instance.customer_labels)
    if instance.forced.any():
        tables["customers"]["forced"] = instance.forced
    tables["offers"] = _said_labels("offer", instance.offers, instance.offer_labels)
    header = write_header(instance, channels)
    if path.suffix == ".npz":
        arrays = {f"{t}.{c}": values for t, columns in tables.items() for c, values in columns.items()}
        np.savez(path, allow_pickle=False, **{NPZ_HEADER: np.array(header)}, **arrays)
        return
    path.mkdir(parents=True)
    for name, columns in tables.items():
        pq.write_table(pa.table({c: pa.array(values) for c, values in columns.items()}), path / f"{name}.parquet")
    (path / HEADER).write_text(header + "\n", encoding="utf-8")


def _said_candidates(instance: Instance) -> dict[str, NDArray[Any]]:
    rows = instance.candidates
    said: dict[str, NDArray[Any]] = {
        "customer": instance.customers[rows.customer],
        "offer": instance.offers[rows.offer],
        "value": rows.value,
    }
    if (rows.channel != ANY_CHANNEL).any():
        said["channel"] = np.array([*(c.name for c in instance.channels), ""])[rows.channel]
    if rows.must.any():
        said["must"] = rows.must
    return {**said, **rows.amounts}


def _said_contacts(instance: Instance) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Return the channels with what all customers share, and the table of contacts where they differ."""
    cost, amounts = instance.contacts.cost, instance.contacts.amounts
    n, routes = cost.shape
    same = bool(np.isfinite(cost[:1]).all() and (cost == cost[:1]).all())
    same = same and all(bool((a == a[:1]).all()) for a in amounts.values())
    channels: list[dict[str, Any]] = []
    for r, channel in enumerate(instance.channels):
        said: dict[str, Any] = {"name": channel.name, "reach": channel.reach}
        if same:
            said["cost"] = float(cost[0, r])
            said["amounts"] = {name: float(a[0, r]) for name, a in amounts.items()}
        channels.append(said)
    if same:
        return channels, {}
    columns: dict[str, NDArray[Any]] = {
        "customer": np.repeat(instance.customers, routes),
        "channel": np.tile(np.array([c.name for c in instance.channels]), n),
        COST: np.where(np.isinf(cost), 0.0, cost).ravel(),
        "open": np.isfinite(cost).ravel(),
    }
    return channels, {**columns, **{name: a.ravel() for name, a in amounts.items()}}


def _said_labels(name: str, ids: NDArray[np.generic], labels: Any) -> dict[str, NDArray[Any]]:
    said: dict[str, NDArray[Any]] = {name: ids}
    for grouping, held in labels.items():
        said[grouping] = np.array([*held.names, ""])[held.codes]
    return said
