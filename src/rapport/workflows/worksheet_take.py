"""Take over what people filled in: what a sheet's rows may be about, what would change, and putting it in force.

Why it exists: a person wants to know what an edit does before it is done. What it does is worked out from the tables
of the turn by the functions that decide. Files of sheets are read elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rapport.core.errors import StageMissing
from rapport.core.tables import BOOSTS
from rapport.decide.decide import decide
from rapport.program.model import Program
from rapport.workflows.plan import decision_rows, terms_from
from rapport.workflows.plays_laid import sold
from rapport.workflows.score import VETOED
from rapport.workflows.state_ports import Store
from rapport.workflows.worksheet_columns import shown
from rapport.workflows.worksheet_edits import BY_CUSTOMER, Change, Edit
from rapport.workflows.worksheet_read import Names
from rapport.workflows.worksheet_steer import (
    Boosts,
    Steering,
    boosts_for,
    groupings,
    segments_of,
    steer,
    touches,
    veto,
    with_boosts,
    with_groups,
)

CHEAP = 20_000_000
"""Customers times offers up to which the decision is made again to show what would change."""


@dataclass(frozen=True)
class Scored:
    """The scores of a turn as edits meet them; n customers, J offers. `excluded` is as if nothing were vetoed."""

    turn: str
    customers: pa.Table
    scores: pa.Table
    catalogue: pa.Table
    excluded: NDArray[np.int8]
    declared: Mapping[str, Any]

    def steer(self, edits: Iterable[Edit]) -> Steering:
        """Return what edits mean here; raise WorksheetInvalid where their boosts are beyond what can be counted."""
        return steer(tuple(edits), self.customers, self.catalogue, np.array(self.declared["boost"], dtype=np.float64))


def read_scored(store: Store, turn: str) -> Scored:
    """Return the scores of a turn; raise StageMissing where it has none."""
    if not store.has_table(turn, "scores"):
        raise StageMissing(f"turn {turn} has no scores yet. Run: rapport score with the programme's folder")
    states, scores, catalogue = (store.read_table(turn, n) for n in ("states", "scores", "catalogue"))
    flat = scores["excluded"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    excluded = flat.reshape(len(scores), len(catalogue)).copy()
    excluded[excluded == VETOED] = 0
    declared = store.read_json(store.turn_folder(turn) / "limits.json")
    return Scored(turn, with_groups(states, scores), scores, catalogue, excluded, declared)


def names_for(program: Program, store: Store, scored: Scored, in_force: Iterable[Edit]) -> Names:
    """Return what the rows of a sheet may be about: groups of the turn, its products and those of the shop.

    What is edited already may be named too, so that an edit about what is gone can be taken back.
    """
    segments = {by: _as_shown(segments_of(scored.customers, by)[1]) for by in groupings(scored.customers)}
    segments[BY_CUSTOMER] = _as_shown(scored.customers["customer_id"].to_pylist())
    products = _as_shown(_items_of_shop(store, scored.turn))
    products |= _as_shown(scored.catalogue.filter(pa.array(sold(scored.catalogue)))["item"].to_pylist())
    for edit in in_force:
        segments.setdefault(edit.by, {}).setdefault(shown(edit.segment), edit.segment)
        products.setdefault(shown(edit.product), edit.product)
    return Names(program.name, segments, products)


def _as_shown(names: Iterable[str]) -> dict[str, str]:
    return {shown(n): n for n in names}


def _items_of_shop(store: Store, turn: str) -> list[str]:
    """Return the items of all products, none where the loaded tables are gone."""
    record = store.read_json(store.turn_folder(turn) / "turn.json")
    path = store.loaded_folder(record["stages"]["load"]["sources_digest"]) / "products.parquet"
    if not path.is_file():
        return []
    items = pq.read_table(path, columns=["item"])["item"].drop_null().unique()
    return sorted(items.to_pylist())


def preview(store: Store, scored: Scored, change: Change, before: tuple[Edit, ...]) -> dict[str, Any]:
    """Return what a change would do to the customers and offers of a turn, as plain values.

    ``touched``: pairs of a customer and an offer that would be closed, opened again, boosted, and whom that concerns.
    ``without_effect``: edits that touch nothing in this turn, and why not. ``decision``: where the turn has decisions
    and is not too large, who would get something else under the turn's prices, which need not keep its limits; else
    None.
    """
    items = set(scored.catalogue["item"].to_pylist())
    old, new = scored.steer(before), scored.steer(change.after)
    was, will = scored.excluded.copy(), scored.excluded.copy()
    veto(was, old, VETOED)
    veto(will, new, VETOED)
    closed, opened = (will == VETOED) & (was != VETOED), (was == VETOED) & (will != VETOED)
    other = _differing(boosts_for(old, was), boosts_for(new, will), len(scored.catalogue))
    rows = np.union1d(np.flatnonzero((closed | opened).any(axis=1)), other // max(len(scored.catalogue), 1))
    return {
        "turn": scored.turn,
        "touched": {
            "closed_pairs": int(closed.sum()),
            "opened_pairs": int(opened.sum()),
            "boosted_pairs": len(other),
            "customers": len(rows),
            "of_customers": len(scored.scores),
        },
        "without_effect": [
            {"by": e.by, "segment": e.segment, "product": e.product, "why": _idle(e, items)} for e in new.idle
        ],
        "decision": _decided_again(store, scored, will, new, change),
    }


def _differing(one: Boosts | None, other: Boosts | None, offers: int) -> NDArray[np.int64]:
    """Return the pairs whose boost differs, as row times offers plus position."""
    told = [
        (np.zeros(0, dtype=np.int64), np.zeros(0)) if b is None else (b.pairs(offers), b.boosts) for b in (one, other)
    ]
    every = np.union1d(told[0][0], told[1][0])
    values = np.zeros((2, len(every)))
    for side, (pairs, boosts) in enumerate(told):
        values[side, np.searchsorted(every, pairs)] = boosts
    return every[values[0] != values[1]]


def _idle(edit: Edit, items: set[str]) -> str:
    if edit.product not in items:
        return "no offer of the turn is about the product"
    return "no customer of the turn is of the segment"


def _decided_again(
    store: Store, scored: Scored, excluded: NDArray[np.int8], steering: Steering, change: Change
) -> dict[str, Any] | None:
    """Return what the decision would be under the terms of the turn, beside what it is; None if that is not known."""
    if not store.has_table(scored.turn, "decisions") or excluded.size > CHEAP:
        return None
    decisions = store.read_table(scored.turn, "decisions")
    written = store.read_json(store.turn_folder(scored.turn) / "terms.json")
    terms = terms_from(written, scored.catalogue, scored.declared)
    held_out = np.array(decisions["arm"].to_pylist()) == "holdout"
    scores = steered_scores(scored.scores, excluded, steering)
    again = decide(decision_rows(scored.customers, scores, scored.turn, held_out), *terms)
    then, now = (_given(t) for t in (decisions, again))
    edited = {e.product for e in (*change.new, *change.changed, *change.cleared)}
    offers = zip(scored.catalogue["offer_id"].to_pylist(), scored.catalogue["item"].to_pylist(), strict=True)
    counts = [Counter(o for given in side for o in given[1]) for side in (then, now)]
    return {
        "customers_with_another_portfolio": sum(a != b for a, b in zip(then, now, strict=True)),
        "contacts": [sum(bool(g[0]) for g in side) for side in (then, now)],
        "offers": [
            {"product": item, "offer_id": offer, "given": counts[0][offer], "would_be_given": counts[1][offer]}
            for offer, item in offers
            if item in edited
        ],
    }


def _given(decisions: pa.Table) -> list[tuple[str, frozenset[str]]]:
    """Return the channel and offers of each customer; empty where nothing is delivered."""
    return [
        (channel, frozenset(offers)) if deliver else ("", frozenset())
        for channel, offers, deliver in zip(
            *(decisions[c].to_pylist() for c in ("channel", "offer_ids", "deliver")), strict=True
        )
    ]


def steered_scores(scores: pa.Table, excluded: NDArray[np.int8], steering: Steering) -> pa.Table:
    """Return scores with other exclusions and the boosts of edits; what is closed need not be said either."""
    lists = scores["excluded"].combine_chunks()
    flat = pa.ListArray.from_arrays(lists.offsets, pa.array(excluded.reshape(-1)), type=lists.type)
    out = scores.set_column(scores.column_names.index("excluded"), scores.schema.field("excluded"), flat)
    out = out.drop_columns([c for c in BOOSTS.names if c in out.column_names])
    must = out["must_offers"].combine_chunks()
    if len(must.flatten()):
        kept = [[j for j in mine or [] if excluded[i, j] == 0] for i, mine in enumerate(must.to_pylist())]
        place = out.column_names.index("must_offers")
        out = out.set_column(place, out.schema.field("must_offers"), pa.array(kept, must.type))
    found = boosts_for(steering, excluded)
    return out if found is None else with_boosts(out, found)


def in_force(edits: Iterable[Edit], scored: Scored | None) -> list[dict[str, Any]]:
    """Return the edits in force as plain values, with how many customers each meets an open offer for in a turn."""
    told = list(edits)
    met = [None] * len(told) if scored is None else touches(told, scored.customers, scored.catalogue, scored.excluded)
    return [asdict(e) | {"touches": n} for e, n in zip(told, met, strict=True)]
