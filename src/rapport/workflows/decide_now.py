"""One decision at once: a known customer with what happened since the batch, or a visitor nobody knows.

Why it exists: the same function as in the batch, on a batch of one. Everything global is laid out once when the desk
is opened; a call looks up one row, changes it in the declared ways, and decides. No model is fitted again here, and
nothing is delivered or remembered.

What an event since the batch changes, and nothing else does:

bought:ITEM         where the programme lets offers cool down, the offers about the item are closed; else the item
                    counts as bought before. Chances, value and tier stay those of the batch.
contacted:CHANNEL   one contact more in the period.
unsubscribed:CHANNEL   the channel is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import LookupFailed, UnknownCustomer, nearest
from rapport.core.keys import customer_key
from rapport.decide.decide import decide_under
from rapport.decide.describe import Terms
from rapport.decide.pacing import CLOSING_MICROS, Open, Uses, close_what_is_short, uses_of
from rapport.decide.problem import LEVELS_A_CHANNEL
from rapport.decide.terms import SILENCE, Prices, Repairs
from rapport.economics.contribution import giveaway_micros
from rapport.economics.litmus import LEVELS
from rapport.workflows.desk import BOOSTED_ROW, ROW, Desk

EventKind = Literal["bought", "contacted", "unsubscribed"]
EVENT_KINDS: tuple[EventKind, ...] = ("bought", "contacted", "unsubscribed")


@dataclass(frozen=True)
class Event:
    """Something that happened since the batch; `what` is an item or a channel."""

    kind: EventKind
    what: str

    @classmethod
    def from_text(cls, text: str) -> Event:
        """Return the event of a text such as ``bought:ITEM``; raise LookupFailed where it is none."""
        kind, _, what = text.partition(":")
        known = {k: k for k in EVENT_KINDS}
        if kind not in known or not what:
            raise LookupFailed(
                f"event: is none - {text!r}; must be one of {', '.join(f'{k}:WHAT' for k in EVENT_KINDS)}."
                f"{nearest(kind, EVENT_KINDS)} Name the item bought, or the channel."
            )
        return cls(known[kind], what)


@dataclass(frozen=True)
class Asked:
    """Who is to be decided, and for what.

    customer_id : the id of the sources, or an id of a visitor
    events : since the batch
    channel : the only channel open, that of the placement; None for all that reach the customer
    placement : where it will be shown; only kept
    count : at most so many offers; None for as many as the policy allows
    visitor : the id is of a visitor who need not be a customer
    """

    customer_id: str
    events: tuple[Event, ...] = ()
    channel: str | None = None
    placement: str | None = None
    count: int | None = None
    visitor: bool = False


@dataclass(frozen=True)
class Served:
    """One decision and everything that it came from.

    known : whether the customer has a row of the turn
    row : one row with the schema `ROW`, as decided
    count : the most offers asked for
    prices : under which it was decided
    decision : one row with the schema `core.tables.DECISIONS`
    changes : what was done to the customer's row, in words
    closed : names of the limits of which too little was left
    uses : what it uses of the limits; nothing for the held-out
    """

    asked: Asked
    known: bool
    row: pa.Table
    count: int
    prices: Prices
    decision: pa.Table
    changes: tuple[str, ...]
    closed: tuple[str, ...]
    uses: Uses


def decide_now(
    desk: Desk,
    asked: Asked,
    *,
    limit_micros: NDArray[np.float64] | None = None,
    room: NDArray[np.float64] | None = None,
) -> Served:
    """Return the decision for one customer or visitor.

    Parameters
    ----------
    limit_micros : (L,) micros, optional
        Prices of the moment, see `decide.pacing.paced_prices`; those of the turn when absent.
    room : (L,), optional
        What is left of each limit. What the decision could exceed is closed to it; it never uses more. When absent
        nothing is closed.

    Raises
    ------
    UnknownCustomer
        The turn has no such customer, and they are not asked for as a visitor.
    LookupFailed
        A channel is not of the programme, or the count is out of range.

    Notes
    -----
    Asked for without anything else, a customer gets the decision of the batch, bit by bit. The few repairs of the
    batch hold for that case alone: with an event, a placement or other prices the question is another one.
    """
    terms = _terms_for(desk, asked)
    row, known = _row_for(desk, asked)
    row, changes = _after_events(desk, row, asked)
    plain = known and not changes and asked.channel is None and len(terms.portfolio.weights) == len(desk.terms)
    prices = desk.prices
    if not (plain and limit_micros is None and room is None):
        none = Repairs.none(len(terms.portfolio.weights))
        prices = replace(
            prices, limit_micros=prices.limit_micros if limit_micros is None else limit_micros, repairs=none
        )
    if asked.channel is not None:
        row = _through(row, desk, asked.channel, known)
    closed: tuple[str, ...] = ()
    if room is not None:
        row, prices, closed = _within_room(desk, terms, row, prices, room)
    decision = decide_under(row, terms, prices)
    uses = used_by(desk, terms, row, decision)
    if room is not None and not uses.fit(room, terms.sharing.at_least):
        prices = replace(prices, repairs=_silence(row, len(terms.portfolio.weights)))
        decision, uses = decide_under(row, terms, prices), Uses.nothing()
    return Served(asked, known, row, len(terms.portfolio.weights), prices, decision, changes, closed, uses)


def _terms_for(desk: Desk, asked: Asked) -> Terms:
    count = len(desk.terms) if asked.count is None else asked.count
    if not 1 <= count <= len(desk.terms):
        raise LookupFailed(
            f"count: {count} offers; must be from 1 to {len(desk.terms)}, the policy's portfolio_size. Ask for fewer."
        )
    return desk.terms[count - 1]


def visitor_key(visitor_id: str) -> int:
    """Return the key that fixes every draw for a visitor; it is no customer's."""
    return customer_key(f"visitor:{visitor_id}")


def _row_for(desk: Desk, asked: Asked) -> tuple[pa.Table, bool]:
    row = desk.known.row(customer_key(asked.customer_id))
    if row is not None:
        return row, True
    if not asked.visitor:
        raise UnknownCustomer(
            f"customer {asked.customer_id!r} is not among the {len(desk.known.keys):,} of the turn. Ids are those of "
            "the sources; ask for somebody nobody knows as a visitor."
        )
    key = pa.array([visitor_key(asked.customer_id)], pa.int64())
    row = _with(desk.stranger, "customer_key", key)
    return _with(_with(row, "household_key", key), "customer_id", pa.array([asked.customer_id])), False


def _with(row: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return row.set_column(ROW.get_field_index(name), ROW.field(name), values)


def _channel(desk: Desk, name: str) -> int:
    names = [c.name for c in desk.terms[0].policy.channels]
    if name not in names:
        raise LookupFailed(
            f"channel: not in the programme - {name!r}; must be one of {', '.join(names)}.{nearest(name, names)}"
        )
    return names.index(name)


def _after_events(desk: Desk, row: pa.Table, asked: Asked) -> tuple[pa.Table, tuple[str, ...]]:
    """Return the row after what happened since the batch, and what that changed."""
    changes = []
    for event in asked.events:
        if event.kind == "bought":
            row, told = _bought(desk, row, event.what)
        elif event.kind == "contacted":
            _channel(desk, event.what)
            contacts = row["contacts_in_period"][0].as_py() + 1
            row = _with(row, "contacts_in_period", pa.array([contacts], pa.int64()))
            told = f"contacted through {event.what}: contact number {contacts} in the period"
        else:
            reachable = _list_of(row, "reachable")
            reachable[_channel(desk, event.what)] = False
            row = _with(row, "reachable", _one_list(reachable, "reachable"))
            told = f"unsubscribed: {event.what} is closed"
        changes.append(told)
    return row, tuple(changes)


def _bought(desk: Desk, row: pa.Table, item: str) -> tuple[pa.Table, str]:
    offers = desk.offers_of.get(item)
    if offers is None:
        return row, f"bought {item}: no offer is about it, so nothing changes"
    mine = np.isin(_list_of(row, "candidate_offers"), offers)
    if desk.cool_down:
        return _without(row, mine), f"bought {item}: {mine.sum()} offers cool down"
    before = _list_of(row, "candidate_bought_before") | mine
    row = _with(row, "candidate_bought_before", _one_list(before, "candidate_bought_before"))
    return row, f"bought {item}: offers that now count as bought before: {mine.sum()}"


def _list_of(row: pa.Table, name: str) -> NDArray[Any]:
    values = row[name].chunk(0).flatten().to_numpy(zero_copy_only=False)
    return np.array(values, dtype=ROW.field(name).type.value_type.to_pandas_dtype())


def _one_list(values: NDArray[Any], name: str) -> pa.Array:
    kind = ROW.field(name).type
    return pa.ListArray.from_arrays(
        pa.array([0, len(values)], pa.int32()), pa.array(values, kind.value_type), type=kind
    )


def _without(row: pa.Table, gone: NDArray[np.bool_]) -> pa.Table:
    """Return the row without some of its open offers; what is not open need not be said either."""
    offers = _list_of(row, "candidate_offers")
    for name in ("candidate_offers", "candidate_probabilities", "candidate_bought_before"):
        row = _with(row, name, _one_list(_list_of(row, name)[~gone], name))
    must = _list_of(row, "must_offers")
    return _with(row, "must_offers", _one_list(must[~np.isin(must, offers[gone])], "must_offers"))


def _through(row: pa.Table, desk: Desk, channel: str, known: bool) -> pa.Table:
    """Return the row with one channel open: to a visitor, who is there, and to a customer whom it reaches."""
    only = np.arange(len(desk.terms[0].policy.channels)) == _channel(desk, channel)
    reachable = only & _list_of(row, "reachable") if known else only
    return _with(row, "reachable", _one_list(reachable, "reachable"))


def _within_room(
    desk: Desk, terms: Terms, row: pa.Table, prices: Prices, room: NDArray[np.float64]
) -> tuple[pa.Table, Prices, tuple[str, ...]]:
    """Return row and prices with everything shut that the decision could exceed, and the limits that did it."""
    short = np.flatnonzero(~terms.sharing.at_least & (room < desk.most))
    if not len(short):
        return row, prices, ()
    offers, catalogue = _list_of(row, "candidate_offers"), terms.catalogue
    base = _list_of(row, "candidate_probabilities").astype(np.float64)
    given = giveaway_micros(base, catalogue.price_micros[offers], catalogue.depth[offers]).astype(np.float64)
    reachable = _list_of(row, "reachable")
    found = close_what_is_short(terms, short, room, Open(offers, given, reachable, _list_of(row, "scopes")))
    if found.channels.any():
        row = _with(row, "reachable", _one_list(reachable & ~found.channels, "reachable"))
    if found.offers.any():
        row = _without(row, found.offers)
    if len(found.priced):
        dear = prices.limit_micros.copy()
        dear[found.priced] = CLOSING_MICROS
        prices = replace(prices, limit_micros=dear)
    return row, prices, tuple(terms.policy.limits[n].name for n in found.limits)


def used_by(desk: Desk, terms: Terms, row: pa.Table, decision: pa.Table) -> Uses:
    """Return what a decision of one uses of the limits; what is not delivered uses nothing."""
    if not decision["deliver"][0].as_py():
        return Uses.nothing()
    names = [SILENCE, *(c.name for c in terms.policy.channels)]
    channel = names.index(decision["channel"][0].as_py()) - 1
    route = channel * LEVELS_A_CHANNEL + LEVELS.index(decision["level"][0].as_py()) - 1
    offers = np.array([desk.place_of[i] for i in decision["offer_ids"][0].as_py()], dtype=np.int32)
    given = decision["offer_giveaways_micros"].chunk(0).flatten().to_numpy()
    return uses_of(terms, route, offers, given, _list_of(row, "scopes"))


def _silence(row: pa.Table, size: int) -> Repairs:
    return Repairs(
        keys=row["customer_key"].chunk(0).to_numpy(),
        route=np.array([-1], dtype=np.int32),
        offers=np.full((1, size), -1, dtype=np.int32),
    )


def log_record(served: Served) -> dict[str, Any]:
    """Return what is to be kept of a decision as plain values: enough to explain it, learn from it, and replay it."""
    micros, repairs = served.prices.limit_micros, served.prices.repairs
    mine = np.flatnonzero(repairs.keys == served.row["customer_key"][0].as_py())
    return {
        "asked": asdict(served.asked),
        "known": served.known,
        "count": served.count,
        "changes": list(served.changes),
        "closed": list(served.closed),
        "row": served.row.to_pylist()[0],
        "prices": {str(n): float(micros[n]) for n in np.flatnonzero(micros)},
        "repair": [[int(repairs.route[n]), repairs.offers[n].tolist()] for n in mine],
        "uses": dict(zip(map(str, served.uses.limit.tolist()), served.uses.amount.tolist(), strict=True)),
        "decision": served.decision.to_pylist()[0],
    }


def replay(desk: Desk, record: Mapping[str, Any]) -> pa.Table:
    """Return the decision of a record made anew, one row with the schema `core.tables.DECISIONS`.

    The desk is of the same turn: terms come from it; row, count and prices from the record.
    """
    row = dict(record["row"])
    if isinstance(row["as_of"], str):
        row["as_of"] = date.fromisoformat(row["as_of"])
    size = record["count"]
    micros = np.zeros_like(desk.prices.limit_micros)
    for n, price in record["prices"].items():
        micros[int(n)] = price
    repairs = Repairs.none(size)
    if record["repair"]:
        ((route, offers),) = record["repair"]
        repairs = Repairs(np.array([row["customer_key"]]), np.array([route], np.int32), np.array([offers], np.int32))
    prices = replace(desk.prices, limit_micros=micros, repairs=repairs)
    schema = BOOSTED_ROW if BOOSTED_ROW.names[-1] in row else ROW
    return decide_under(pa.Table.from_pylist([row], schema=schema), desk.terms[size - 1], prices)
