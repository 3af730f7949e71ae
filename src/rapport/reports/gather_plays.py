"""What the report shows of plays: read from what the turn wrote, for those in use.

Why it exists: the page shows what was decided, not what a programme changed since would ask. No chart, no HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.program.model import Program
from rapport.reports.facts import Figure
from rapport.reports.facts_plays import PlayFacts, PlaysFacts
from rapport.workflows.plays_laid import PREFIX
from rapport.workflows.state_ports import Store

TIERS = ("A", "B", "C")
OVER_SHARE = "range of the assumed share"


@dataclass(frozen=True)
class _Turn:
    """Arrays of shape (n,), and pairs of customer and play with what is at stake."""

    tier: NDArray[np.object_]
    deliver: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    spent: NDArray[np.int64]
    talk: NDArray[np.object_]
    row: NDArray[np.int64]
    play: NDArray[np.int64]
    stake: NDArray[np.int64]

    @classmethod
    def of(cls, scores: pa.Table, decisions: pa.Table) -> _Turn:
        lists = scores["plays"].combine_chunks()
        row = np.repeat(np.arange(len(scores)), lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
        chosen = decisions["offer_ids"].to_pylist()
        return cls(
            tier=np.array(decisions["tier"].to_pylist(), dtype=object),
            deliver=np.array(decisions["deliver"].to_pylist(), dtype=np.bool_),
            held_out=np.array([a == "holdout" for a in decisions["arm"].to_pylist()], dtype=np.bool_),
            spent=decisions["contact_cost_micros"].to_numpy() + decisions["harm_micros"].to_numpy(),
            talk=np.array([next((o for o in r or () if o.startswith(PREFIX)), "") for r in chosen], dtype=object),
            row=row,
            play=lists.flatten().to_numpy(zero_copy_only=False).astype(np.int64),
            stake=scores["play_stakes_micros"].combine_chunks().flatten().to_numpy(zero_copy_only=False),
        )

    def of_places(self, places: list[int]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return whom any of some plays is for, and what is at stake for each, (n,)."""
        mine = np.isin(self.play, places)
        held, stake = np.zeros(len(self.tier), dtype=np.bool_), np.zeros(len(self.tier), dtype=np.int64)
        held[self.row[mine]] = True
        np.add.at(stake, self.row[mine], self.stake[mine])
        return held, stake


def plays_facts(program: Program, store: Store, turn: str) -> PlaysFacts | None:
    """Return the plays that a turn used, None where it used none."""
    declared: dict[str, Any] = store.read_json(store.turn_folder(turn) / "limits.json") or {}
    terms = declared.get("plays", {}).get("terms", [])
    if not terms:
        return None
    found = _Turn.of(store.read_table(turn, "scores"), store.read_table(turn, "decisions"))
    places: dict[str, list[int]] = {}
    for place, term in enumerate(terms):
        places.setdefault(term["name"], []).append(place)
    return PlaysFacts(tuple(_facts(terms[at[0]], at, found, program) for _, at in sorted(places.items())))


def _facts(term: Mapping[str, Any], places: list[int], turn: _Turn, program: Program) -> PlayFacts:
    held, stake = turn.of_places(places)
    told = {n: term[n] for n in ("name", "title", "why", "owner", "effect", "evidence")}
    counts: dict[str, Any] = {
        "customers": tuple((t, int((held & (turn.tier == t)).sum())) for t in TIERS),
        "contacted": int((held & turn.deliver).sum()),
        "held_out": int((held & turn.held_out).sum()),
    }
    if term["offer"] < 0:
        return PlayFacts(**told, channel="", assumption="", **counts)
    channel = program.channels[term["channel"]]
    sent = turn.deliver & (turn.talk == PREFIX + term["name"])
    extra, spent = term["cost_micros"] * int(sent.sum()), int(turn.spent[sent].sum())
    middle, low, high = (
        float(round(channel.reach * (term[s] * int(stake[sent].sum()) - extra)) - spent)
        for s in ("share", "low", "high")
    )
    basis = term["basis"]
    return PlayFacts(
        **told,
        **counts,
        channel=channel.name,
        assumption=f"{term['share']:.1%} of what is at stake ({term['low']:.1%} to {term['high']:.1%}). "
        f"{term['share_why']}",
        delivered=int(sent.sum()),
        at_stake=Figure(float(stake.sum()), unit="money", basis=basis, note="of all it is for, chosen or not"),
        expected=Figure(middle, low, high, unit="money", basis=basis, interval=OVER_SHARE),
    )
