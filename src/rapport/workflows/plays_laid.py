"""Lay the plays of a programme upon a turn: as offers with a given worth, and as rules about channels and offers.

Why it exists: plays compete with offers in the same decision, so they must stand in the same tables. Where a
programme uses no play, nothing changes. Nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.money import to_micros
from rapport.core.tables import CATALOGUE, SCORES
from rapport.program.model import Program
from rapport.program.plays import Contact, Restrain, Steer
from rapport.workflows.plays import Matched, match_plays, offers_of, play_view, talk_channel, used_plays
from rapport.workflows.ports import Engine
from rapport.workflows.score import COOLED_DOWN, OWN_CONDITION
from rapport.workflows.state import make_purchases, open_tables
from rapport.workflows.state_ports import Tools
from rapport.workflows.turn_record import Turn, turn_record

PREFIX = "play:"
"""Begins the id of an offer that is a play's reason to talk."""

KIND = "reason to talk"
"""Of all reasons to talk at most one stands in a contact: two would count what is at stake twice."""


def sold(catalogue: pa.Table) -> NDArray[np.bool_]:
    """Return which offers of a catalogue are about what is sold, shape (J,); the others are reasons to talk."""
    return np.array([not i.startswith(PREFIX) for i in catalogue["offer_id"].to_pylist()], dtype=np.bool_)


@dataclass(frozen=True)
class Scored:
    """What stage `score` is about to write: catalogue, scores, and the record of limits.json."""

    catalogue: pa.Table
    scores: pa.Table
    declared: dict[str, Any]


def lay_plays(turn: Turn, tools: Tools, states: pa.Table, scored: Scored) -> Scored:
    """Return what is scored with the plays that the programme uses; the same where it uses none."""
    program = turn.program
    plays = used_plays(program, turn.base) if program.plays.use else ()
    if not plays:
        return scored
    with tools.make_engine() as engine:
        open_tables(engine, turn.loaded)
        make_purchases(engine, program, turn.as_of)
        view = play_view(engine, states, scored.scores)
        matched = match_plays(engine, plays, program, view)
        engine.register_arrow("play_offers", scored.catalogue)
        about = [offers_of(engine, m.shelved, program) for m in matched]
        keys = states["customer_key"].to_numpy()
        known = Known(about, _departments(engine, keys), _talked(turn, tools, matched, keys))
    return laid(scored, matched, known, program)


@dataclass(frozen=True)
class Known:
    """What is known beside the matches; n customers, J offers.

    about : for each play, (J,) which offers it is about
    bought : for each department, (n,) who has bought in it
    talked : for some plays by name, (n,) who was talked to for it too short a time ago
    """

    about: Sequence[NDArray[np.bool_]]
    bought: Mapping[str, NDArray[np.bool_]]
    talked: Mapping[str, NDArray[np.bool_]]


def _talked(
    turn: Turn, tools: Tools, matched: Sequence[Matched], keys: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    """Return who was talked to for a play in another turn, within the days that it asks to wait."""
    wait = {
        PREFIX + m.shelved.play.name: m.shelved.play.treatment.again_days
        for m in matched
        if isinstance(m.shelved.play.treatment, Contact)
    }
    told: dict[str, list[int]] = {offer: [] for offer in wait}
    for name in tools.store.turns():
        record = turn_record(tools, name)
        if name == turn.name or record is None or not tools.store.has_table(name, "touches"):
            continue
        # Both ways: a turn of a later day may have been sent before this one.
        apart = abs((turn.as_of - date.fromisoformat(record["as_of"])).days)
        touches = tools.store.read_table(name, "touches").select(["customer_key", "status", "offer_ids"])
        # The held-out wait like the treated, or the two would be decided by other rules.
        for touch in touches.filter(pc.not_equal(touches["status"], "silent")).to_pylist():
            for offer in touch["offer_ids"] or ():
                if offer in wait and apart < wait[offer]:
                    told[offer].append(touch["customer_key"])
    return {o.removeprefix(PREFIX): np.isin(keys, np.array(told[o], dtype=np.int64)) for o in wait}


def _departments(engine: Engine, keys: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    """Return for each department which customers have bought in it."""
    found = engine.query("SELECT DISTINCT department, customer_key FROM purchases ORDER BY department, customer_key")
    names, bought = np.array(found["department"].to_pylist(), dtype=object), found["customer_key"].to_numpy()
    return {d: np.isin(keys, bought[names == d]) for d in sorted(set(names.tolist()))}


def laid(
    scored: Scored,
    matched: Sequence[Matched],
    known: Known,
    program: Program,
) -> Scored:
    """Return what is scored with plays laid upon it."""
    offers = len(scored.catalogue)
    terms: list[dict[str, Any]] = []
    members: list[tuple[NDArray[np.bool_], NDArray[np.int64]]] = []
    talks: list[Matched] = []
    for one, touched in zip(matched, known.about, strict=True):
        treatment = one.shelved.play.treatment
        if isinstance(treatment, Contact):
            terms.append(_term(one, program) | _talk(treatment, one, program, offers, offers + len(talks)))
            members.append((one.holds, one.at_stake_micros))
            talks.append(one)
            continue
        for places, who in _pieces(treatment, touched, one.holds, scored.catalogue, known.bought):
            terms.append(_term(one, program) | {"offers": np.flatnonzero(places).tolist()})
            members.append((who, np.zeros(len(who), dtype=np.int64)))
    return Scored(
        catalogue=_with_talks(scored.catalogue, talks, program),
        scores=_with_plays(scored.scores, offers, _shut(talks, known.talked), members),
        declared=_with_terms(scored.declared, offers, talks, terms, program),
    )


def _pieces(
    treatment: Restrain | Steer,
    touched: NDArray[np.bool_],
    held: NDArray[np.bool_],
    catalogue: pa.Table,
    bought: Mapping[str, NDArray[np.bool_]],
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return the offers and customers of a play; a pair for each department where it is about those not known."""
    if isinstance(treatment, Restrain) or treatment.departments == "any":
        return [(touched, held)]
    department = np.array(catalogue["department"].to_pylist(), dtype=object)
    nobody = np.zeros(len(held), dtype=np.bool_)
    there = sorted({d for d in department[touched].tolist() if d is not None})
    return [(touched & (department == d), held & ~bought.get(d, nobody)) for d in there]


def _term(one: Matched, program: Program) -> dict[str, Any]:
    """Return what limits.json says of a play, as if it did nothing."""
    play, treatment = one.shelved.play, one.shelved.play.treatment
    names = [c.name for c in program.channels]
    restrains, steers = isinstance(treatment, Restrain), isinstance(treatment, Steer)
    return {
        **play.model_dump(include={"name", "title", "why", "when", "owner", "evidence"}),
        "effect": treatment.effect,
        "needs": list(one.shelved.needs),
        "offer": -1,
        "channel": -1,
        "share": 0.0,
        "low": 0.0,
        "high": 0.0,
        "cost_micros": 0,
        "offers": [],
        "boost": (treatment.boost or 0.0) if isinstance(treatment, Steer) else 0.0,
        "shut": [names.index(c) for c in treatment.shut] if steers and isinstance(treatment, Steer) else [],
        "closes": [names.index(c) for c in treatment.closes] if restrains and isinstance(treatment, Restrain) else [],
        "contacts": treatment.contacts if isinstance(treatment, Restrain) else None,
    }


def _talk(treatment: Contact, one: Matched, program: Program, offers: int, place: int) -> dict[str, Any]:
    names = [c.name for c in program.channels]
    channel = names.index(talk_channel(one.shelved.play, program) or "")
    return {
        "offer": place,
        "channel": channel,
        "share": treatment.share,
        "low": treatment.low,
        "high": treatment.high,
        "share_why": treatment.share_why,
        "basis": treatment.basis,
        "cost_micros": to_micros(treatment.cost),
        "say": treatment.say,
        "offers": [] if treatment.sell else list(range(offers)),
        "shut": [] if treatment.sell else [channel],
    }


def _with_talks(catalogue: pa.Table, talks: Sequence[Matched], program: Program) -> pa.Table:
    """Return the catalogue with a row for each reason to talk, each of a category of its own."""
    rows = []
    for place, one in enumerate(talks, start=len(catalogue)):
        play, name = one.shelved.play, PREFIX + one.shelved.play.name
        basis = play.treatment.basis if isinstance(play.treatment, Contact) else "assumed"
        rows.append(
            {
                "offer_index": place,
                "offer_id": name,
                "item": name,
                "name": play.title,
                "category": name,
                "depth": 0.0,
                "margin_share": 0.0,
                "price_micros": 0,
                "buyers": 0,
                "valid_from": catalogue["valid_from"][0].as_py() if len(catalogue) else date.min,
                "valid_days": program.offers.validity_days,
                "eligible": play.when,
                "basis": basis,
            }
        )
    return pa.concat_tables([catalogue, pa.Table.from_pylist(rows, schema=CATALOGUE)]).combine_chunks()


def _shut(talks: Sequence[Matched], talked: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.int8]:
    """Return why each reason to talk is not open to each customer, 0 where it is; (n, talks), empty without talks."""
    columns = [np.where(t.holds, 0, OWN_CONDITION) for t in talks]
    for column, one in zip(columns, talks, strict=True):
        rests = talked.get(one.shelved.play.name)
        if rests is not None:
            column[rests & one.holds] = COOLED_DOWN
    shut: NDArray[np.int8] = np.array(columns, dtype=np.int8).T
    return shut


def _with_plays(
    scores: pa.Table,
    offers: int,
    shut: NDArray[np.int8],
    members: Sequence[tuple[NDArray[np.bool_], NDArray[np.int64]]],
) -> pa.Table:
    """Return the scores with reasons to talk beside the offers, and with the plays of each customer."""
    shut = shut.reshape(len(scores), -1)
    beside: dict[str, NDArray[Any]] = {
        "base_probability": np.zeros(shut.shape, dtype=np.float32),
        "bought_before": np.zeros(shut.shape, dtype=np.bool_),
        "excluded": shut,
    }
    columns = {name: _widened(scores[name], offers, more, name) for name, more in beside.items()}
    held = np.stack([who for who, _ in members], axis=1)
    row, play = np.nonzero(held)
    stakes = np.stack([stake for _, stake in members], axis=1)[row, play]
    start = pa.array(np.concatenate([[0], np.cumsum(held.sum(axis=1))]).astype(np.int32))
    for name, values in (("plays", pa.array(play, pa.int32())), ("play_stakes_micros", pa.array(stakes, pa.int64()))):
        columns[name] = pa.ListArray.from_arrays(start, values, type=SCORES.field(name).type)
    return pa.Table.from_arrays([columns.get(f.name, scores[f.name]) for f in scores.schema], schema=scores.schema)


def _widened(column: pa.ChunkedArray, offers: int, more: NDArray[Any], name: str) -> pa.Array:
    values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(column), offers)
    wide = np.concatenate([values.astype(more.dtype), more], axis=1)
    start = pa.array((np.arange(len(wide) + 1) * wide.shape[1]).astype(np.int32))
    return pa.ListArray.from_arrays(start, pa.array(wide.reshape(-1)), type=SCORES.field(name).type)


def _with_terms(
    declared: Mapping[str, Any],
    offers: int,
    talks: Sequence[Matched],
    terms: Sequence[dict[str, Any]],
    program: Program,
) -> dict[str, Any]:
    """Return the record of limits.json with the plays; levers, kinds and limits of offers do not touch them."""
    channels = [c.name for c in program.channels]
    every = list(range(len(channels)))
    limits = [
        # A limit on copies of all offers counts offers, not talks.
        limit | {"offers": list(range(offers))} if limit["counts"] == "offers" and limit["offers"] is None else limit
        for limit in declared["limits"]
    ]
    for place, one in enumerate(talks, start=offers):
        treatment = one.shelved.play.treatment
        if isinstance(treatment, Contact) and treatment.at_most is not None:
            limits.append(
                {
                    "name": f"play {one.shelved.play.name}",
                    "counts": "offers",
                    "at_least": False,
                    "bound": float(treatment.at_most),
                    "channels": every,
                    "offers": [place],
                    "scope": None,
                }
            )
    return {
        **declared,
        "limits": limits,
        "boost": [*declared["boost"], *[0.0] * len(talks)],
        "kind": [*declared["kind"], *[len(declared["kind_most"])] * len(talks)],
        "kind_most": [*declared["kind_most"], *[1] * bool(talks)],
        "kind_names": [*declared.get("kind_names", ()), *[KIND] * bool(talks)],
        "plays": {
            "terms": list(terms),
            "channels": len(channels),
            "only": [channels.index(c) for c in program.plays.only],
        },
    }
