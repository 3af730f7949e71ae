"""The desk at which decisions are made at once: terms laid out, and every customer's row where a key finds it.

Why it exists: what is the same for every call is made once, when the desk is opened. The rows stand in a file that is
mapped, not read, so that memory does not grow with the number of customers. Nothing is decided here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.errors import StageMissing, StateDamaged
from rapport.core.tables import BOOSTS
from rapport.decide.describe import Terms
from rapport.decide.pacing import most_used
from rapport.decide.rows import Rows
from rapport.decide.terms import CommonPortfolio, Models, Prices
from rapport.program.model import Program
from rapport.workflows.plan import decision_rows, terms_from
from rapport.workflows.state_ports import Store

CHUNK = 8_192
"""Customers of a batch of the file; their lists are made in memory together."""

STRANGER_TIER = "C"
"""Of whom nothing is known is taken for one of the lowest tier: nothing speaks for more."""

ROW = pa.schema(
    [
        pa.field("customer_key", pa.int64(), nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("household_key", pa.int64(), nullable=False),
        pa.field("turn", pa.string(), nullable=False),
        ("as_of", pa.date32()),
        pa.field("tier", pa.string(), nullable=False),
        ("holdout", pa.bool_()),
        ("contacts_in_period", pa.int64()),
        ("actual_value_micros", pa.int64()),
        ("reachable", pa.list_(pa.bool_())),
        ("candidate_offers", pa.list_(pa.int32())),
        ("candidate_probabilities", pa.list_(pa.float32())),
        ("candidate_bought_before", pa.list_(pa.bool_())),
        ("scopes", pa.list_(pa.int32())),
        ("must_offers", pa.list_(pa.int32())),
        ("forced", pa.bool_()),
        ("plays", pa.list_(pa.int32())),
        ("play_stakes_micros", pa.list_(pa.int64())),
    ]
)
"""A customer's row as a desk keeps it: what the decision reads, offers as the list of those that are open."""

BOOSTED_ROW = pa.schema([*ROW, *BOOSTS])
"""The same of a turn for which people boosted offers in the worksheet."""


@dataclass(frozen=True)
class Known:
    """The rows of a turn by key: `batches` with the schema `ROW`, possibly mapped from a file.

    keys : (n,) int64, ascending; place : (n,) int64, the row of each key; first : where each batch begins
    """

    batches: tuple[pa.RecordBatch, ...]
    keys: NDArray[np.int64]
    place: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def of(cls, batches: Sequence[pa.RecordBatch]) -> Known:
        """Return the index of batches."""
        keys = np.concatenate([np.zeros(0, dtype=np.int64), *(b["customer_key"].to_numpy() for b in batches)])
        order = np.argsort(keys, kind="stable")
        first = np.cumsum([0, *(len(b) for b in batches)])[:-1]
        return cls(tuple(batches), keys[order], order, first)

    def row(self, key: int) -> pa.Table | None:
        """Return the row of a key, None where there is none."""
        at = int(np.searchsorted(self.keys, key))
        if at == len(self.keys) or self.keys[at] != key:
            return None
        place = int(self.place[at])
        b = int(np.searchsorted(self.first, place, side="right")) - 1
        return pa.Table.from_batches([self.batches[b].slice(place - int(self.first[b]), 1)])


@dataclass(frozen=True)
class Desk:
    """What decisions at once are made with, frozen: a few megabytes, and the rows.

    terms : laid out for portfolios of 1, 2, ... offers
    prices : of the turn
    stranger : one row, whom we take a visitor for of whom nothing is known
    offers_of : positions in the catalogue of the offers about each item
    cool_down : whether offers cool down after a purchase
    most : (L,) what one decision can use of each limit at most
    place_of : position of each offer in the catalogue
    """

    terms: tuple[Terms, ...]
    prices: Prices
    known: Known
    stranger: pa.Table
    offers_of: Mapping[str, NDArray[np.int64]]
    cool_down: bool
    most: NDArray[np.float64]
    place_of: Mapping[str, int]

    @classmethod
    def of(
        cls,
        terms: Terms,
        prices: Prices,
        known: Known,
        stranger: pa.Table,
        items: Sequence[str],
        cool_down: bool,
    ) -> Desk:
        """Return a desk; `items` names what each offer of the catalogue is about."""
        offers_of: dict[str, list[int]] = {}
        for j, item in enumerate(items):
            offers_of.setdefault(item, []).append(j)
        return cls(
            terms=tuple(_shorter(terms, k) for k in range(1, terms.policy.portfolio_size + 1)),
            prices=prices,
            known=known,
            stranger=stranger,
            offers_of={item: np.array(found, dtype=np.int64) for item, found in offers_of.items()},
            cool_down=cool_down,
            most=most_used(terms),
            place_of={offer: j for j, offer in enumerate(terms.catalogue.offer_ids)},
        )


def _shorter(terms: Terms, size: int) -> Terms:
    """Return the terms for portfolios of at most `size`: portfolios for many are made best first, so they are cut."""
    if size == terms.policy.portfolio_size:
        return terms
    models: Models = replace(
        terms.models,
        mass=CommonPortfolio(terms.models.mass.offers[:size]),
        segments={t: CommonPortfolio(p.offers[:size]) for t, p in terms.models.segments.items()},
    )
    return Terms.of(terms.catalogue, models, replace(terms.policy, portfolio_size=size))


def open_desk(store: Store, turn: str, program: Program) -> Desk:
    """Return the desk of a planned turn; its rows are written once to the state folder and mapped from there.

    Raises
    ------
    StageMissing
        The turn has not been planned.
    TurnBusy
        The rows must be written, and another process works on the programme.
    """
    if not store.has_table(turn, "decisions"):
        raise StageMissing(f"turn {turn} has no decisions yet. Run: rapport plan with the programme's folder")
    folder = store.turn_folder(turn)
    declared = store.read_json(folder / "limits.json") or {}
    offers = store.read_table(turn, "catalogue")
    catalogue, models, policy, prices = terms_from(store.read_json(folder / "terms.json"), offers, declared)
    path = store.state / "desk" / f"{turn}-{_stamp(folder)}.arrow"
    if not path.is_file():
        with store.writing():
            _make_rows(store, turn, (len(offers), len(policy.channels)), path)
    known = Known.of(map_rows(path))
    return Desk.of(
        Terms.of(catalogue, models, policy),
        prices,
        known,
        stranger_row(known, offers["eligible"].is_valid().to_numpy()),
        offers["item"].to_pylist(),
        program.offers.cool_down_days > 0,
    )


def _stamp(folder: Path) -> str:
    """Return what tells whether the tables of a turn are still those that the rows were made from."""
    told = [(folder / f"{n}.parquet").stat() for n in ("states", "scores", "decisions")]
    return hashlib.blake2b(repr([(s.st_size, s.st_mtime_ns) for s in told]).encode(), digest_size=6).hexdigest()


def _make_rows(store: Store, turn: str, shape: tuple[int, int], path: Path) -> None:
    states, scores, decisions = (store.read_table(turn, n) for n in ("states", "scores", "decisions"))
    holdout = pc.equal(decisions["arm"], "holdout").to_numpy()
    rows = decision_rows(states, scores, turn, holdout)
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f"{turn}-*.arrow"):
        old.unlink()
    write_rows(path, desk_rows(rows, *shape))


def write_rows(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    """Write batches with the schema `ROW`, or all with `BOOSTED_ROW`, to an Arrow file, whole or not at all."""
    part, rest = path.with_name(path.name + ".part"), iter(batches)
    first = next(rest, None)
    schema = ROW if first is None else first.schema
    with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, schema) as file:
        for batch in rest if first is None else chain([first], rest):
            file.write_batch(batch)
    part.replace(path)


def map_rows(path: Path) -> list[pa.RecordBatch]:
    """Return the batches of such a file, mapped into memory, not read; raise StateDamaged where that cannot be."""
    try:
        file = pa.ipc.open_file(pa.memory_map(str(path)))
        return [file.get_batch(b) for b in range(file.num_record_batches)]
    except (OSError, pa.ArrowException) as error:
        raise StateDamaged(f"{path}: cannot be read: {error}. Remove the file; it is made again.") from error


def desk_rows(rows: pa.Table, offers: int, channels: int) -> Iterator[pa.RecordBatch]:
    """Yield rows made by `workflows.plan.decision_rows` with the schema `ROW`, open offers as lists."""
    for first in range(0, len(rows), CHUNK):
        part = rows.slice(first, CHUNK)
        typed = Rows.from_table(part, offers, channels)
        start = pa.array(typed.open_to.start.astype(np.int32))

        def lists(name: str, values: NDArray[Any], start: pa.Array = start) -> pa.Array:
            kind = ROW.field(name).type
            return pa.ListArray.from_arrays(start, pa.array(values, kind.value_type), type=kind)

        made: dict[str, pa.Array] = {
            "candidate_offers": lists("candidate_offers", typed.open_to.values),
            # The decision reads what was written as float32; nothing is lost on the way back.
            "candidate_probabilities": lists("candidate_probabilities", typed.base_probability.astype(np.float32)),
            "candidate_bought_before": lists("candidate_bought_before", typed.bought_before),
            "scopes": _ragged(typed.scopes.start, typed.scopes.values, "scopes"),
            "must_offers": _ragged(typed.must.start, typed.must.values, "must_offers"),
            "forced": pa.array(typed.forced),
            "actual_value_micros": pa.array(typed.value_micros),
            **_plays(typed),
        }
        schema = BOOSTED_ROW if BOOSTS.names[0] in part.column_names else ROW
        columns = [made[f.name] if f.name in made else part[f.name].combine_chunks() for f in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _plays(rows: Rows) -> dict[str, pa.Array]:
    start = np.searchsorted(rows.plays.row, np.arange(len(rows) + 1))
    return {
        "plays": _ragged(start, rows.plays.play.astype(np.int32), "plays"),
        "play_stakes_micros": _ragged(start, rows.plays.stake_micros, "play_stakes_micros"),
    }


def _ragged(start: NDArray[np.int64], values: NDArray[Any], name: str) -> pa.Array:
    kind = ROW.field(name).type
    return pa.ListArray.from_arrays(pa.array(start.astype(np.int32)), pa.array(values, kind.value_type), type=kind)


def stranger_row(known: Known, conditional: NDArray[np.bool_]) -> pa.Table:
    """Return the row that stands for a visitor of whom nothing is known; key and id are filled in later.

    Parameters
    ----------
    conditional : (J,) whether an offer is only for customers of whom something holds

    Notes
    -----
    Base probability: of each offer, the mean over the customers of the lowest tier to whom it is open; over all would
    credit a stranger with the habits of the best. Open is what is open to at least one customer and not conditional:
    a condition about customers does not hold for somebody of whom nothing is known, and what is closed to everybody
    is closed to them. Channels, scopes, demanded offers and force are theirs only where they are everybody's. Worth
    is 0: nothing is put at risk.
    """
    n, offers = len(known.keys), len(conditional)
    total, count, anyone = np.zeros(offers), np.zeros(offers), np.zeros(offers, dtype=np.bool_)
    scopes, musts, forced = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), n > 0
    reachable = None
    for batch in known.batches:
        lowest = np.array(pc.equal(batch["tier"], STRANGER_TIER))
        of = np.repeat(lowest, batch["candidate_offers"].value_lengths().to_numpy())
        offer = batch["candidate_offers"].flatten().to_numpy()
        anyone[offer] = True
        total += np.bincount(
            offer[of], weights=batch["candidate_probabilities"].flatten().to_numpy()[of], minlength=offers
        )
        count += np.bincount(offer[of], minlength=offers)
        scopes, musts = (
            _counted(so_far, batch[name].flatten().to_numpy())
            for so_far, name in ((scopes, "scopes"), (musts, "must_offers"))
        )
        forced &= bool(pc.all(batch["forced"]).as_py())
        here = np.array(batch["reachable"].flatten()).reshape(len(batch), -1).all(axis=0)
        reachable = here if reachable is None else reachable & here
    base = np.where(count > 0, total / np.maximum(count, 1.0), 0.0)
    open_to = np.flatnonzero(anyone & ~conditional)
    first = known.batches[0].slice(0, 1).to_pylist()[0]
    row = {
        "customer_key": 0,
        "customer_id": "",
        "household_key": 0,
        "turn": first["turn"],
        "as_of": first["as_of"],
        "tier": STRANGER_TIER,
        "holdout": False,
        "contacts_in_period": 0,
        "actual_value_micros": 0,
        "reachable": [] if reachable is None else reachable.tolist(),
        "candidate_offers": open_to.tolist(),
        "candidate_probabilities": base[open_to].tolist(),
        "candidate_bought_before": [False] * len(open_to),
        "scopes": np.flatnonzero(scopes == n).tolist(),
        "must_offers": np.intersect1d(np.flatnonzero(musts == n), open_to).tolist(),
        "forced": forced,
        "plays": [],
        "play_stakes_micros": [],
    }
    return pa.Table.from_pylist([row], schema=ROW)


def _counted(so_far: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.int64]:
    """Return how often each number has come."""
    found = np.bincount(values, minlength=len(so_far)).astype(np.int64)
    found[: len(so_far)] += so_far
    return found
