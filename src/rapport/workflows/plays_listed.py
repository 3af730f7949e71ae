"""What each play comes to in a turn: whom it is for, what is at stake, what was chosen, and what would unlock it.

Why it exists: a marketer looks through the plays before using one, and at what the decision made of those in use.
Nothing is written: the states, scores and decisions of the turn are read as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import LookupFailed, StageMissing, nearest
from rapport.core.money import to_micros
from rapport.decide.terms import SILENCE
from rapport.program.model import Program
from rapport.program.plays import Contact, Steer
from rapport.workflows.plays import (
    Matched,
    figures_text,
    match_plays,
    play_view,
    shelf,
    talk_channel,
    with_worth,
)
from rapport.workflows.plays_laid import PREFIX
from rapport.workflows.ports import Engine
from rapport.workflows.state_ports import Store

TIERS = ("A", "B", "C")

TOO_SHORT = "two periods to compare: at least 56 days of purchases before the day of the decision"


def list_plays(
    program: Program,
    base: Path,
    store: Store,
    turn: str,
    make_engine: Callable[[], AbstractContextManager[Engine]],
    name: str | None = None,
) -> dict[str, Any]:
    """Return the plays of a programme on a turn as plain values; of one play, also its customers.

    Parameters
    ----------
    name : str, optional
        The play whose customers are listed.

    Raises
    ------
    StageMissing
        The turn has not been scored, or an earlier version scored it.
    LookupFailed
        There is no such play.
    """
    plays = shelf(program, base)
    names = [p.play.name for p in plays]
    if name is not None and name not in names:
        raise LookupFailed(f"play {name!r} is not on the shelf; there are: {', '.join(names)}.{nearest(name, names)}")
    if not store.has_table(turn, "scores"):
        raise StageMissing(f"turn {turn} has no scores yet. Run: rapport score with the programme's folder")
    states, scores = store.read_table(turn, "states"), store.read_table(turn, "scores")
    with make_engine() as engine:
        view = play_view(engine, states, scores)
        matched = match_plays(engine, plays, program, view)
    decided = _Decided.of(store, turn)
    listed = [_listed(one, program, view, decided) for one in matched]
    found: dict[str, Any] = {
        "turn": turn,
        "as_of": states["as_of"][0].as_py() if len(states) else None,
        "customers": len(states),
        "decided": decided is not None,
        "plays": listed,
    }
    if name is not None:
        place = names.index(name)
        found["plays"] = [listed[place]]
        found["matches"] = _customers(matched[place], view, decided, program)
    return found


class _Decided:
    """What the turn decided, by row of the states; `talk` is the play whose reason to talk was chosen."""

    def __init__(self, decisions: pa.Table, declared: Mapping[str, Any]) -> None:
        self.channel = np.array(decisions["channel"].to_pylist(), dtype=object)
        self.deliver = np.array(decisions["deliver"].to_pylist(), dtype=np.bool_)
        self.held_out = np.array([a == "holdout" for a in decisions["arm"].to_pylist()], dtype=np.bool_)
        offers = decisions["offer_ids"].to_pylist()
        gains = decisions["offer_contributions_micros"].to_pylist()
        cost, harm = decisions["contact_cost_micros"].to_numpy(), decisions["harm_micros"].to_numpy()
        self.spent = cost + harm
        self.talk = np.array([_talk_of(row) for row in offers], dtype=object)
        self.gain = np.array(
            [
                sum(g for o, g in zip(row, worth, strict=True) if o.startswith(PREFIX))
                for row, worth in zip(offers, gains, strict=True)
            ],
            dtype=np.int64,
        )
        self.used = {p["name"] for p in declared.get("plays", {}).get("terms", ())}

    @classmethod
    def of(cls, store: Store, turn: str) -> _Decided | None:
        """Return what a turn decided, None where it has not been planned."""
        if not store.has_table(turn, "decisions"):
            return None
        declared = store.read_json(store.turn_folder(turn) / "limits.json") or {}
        return cls(store.read_table(turn, "decisions"), declared)


def _talk_of(offers: list[str] | None) -> str | None:
    return next((o.removeprefix(PREFIX) for o in offers or () if o.startswith(PREFIX)), None)


def _by_tier(view: pa.Table, inside: NDArray[np.bool_]) -> dict[str, int]:
    tier = np.array(view["tier"].to_pylist(), dtype=object)
    return {t: int((inside & (tier == t)).sum()) for t in TIERS}


def _listed(one: Matched, program: Program, view: pa.Table, decided: _Decided | None) -> dict[str, Any]:
    play, treatment = one.shelved.play, one.shelved.play.treatment
    locked = [_told(b.source, b.column, b.meaning) for b in one.shelved.lacks]
    if one.too_short:
        locked.append({"source": "transactions", "column": "at", "meaning": TOO_SHORT})
    return {
        **play.model_dump(include={"name", "title", "why", "when", "owner", "evidence"}),
        "effect": treatment.effect,
        "treatment": treatment.model_dump(),
        "own": one.shelved.own,
        "place": one.shelved.place,
        "used": one.shelved.used,
        "needs": list(one.shelved.needs),
        "unlocked_by": locked,
        "matches": int(one.holds.sum()),
        "tiers": _by_tier(view, one.holds),
        "talk": _talk(treatment, one, program) if isinstance(treatment, Contact) and not locked else None,
        "decision": None if decided is None or locked else _decision(one, decided, program),
    }


def _told(source: str, column: str, meaning: str) -> dict[str, str]:
    return {"source": source, "column": column, "meaning": meaning}


def _reach(one: Matched, program: Program) -> tuple[str | None, float, int]:
    """Return the channel of a talk, its reach and what a contact costs in micros; 1 and 0 where none is named."""
    name = talk_channel(one.shelved.play, program)
    channel = next((c for c in program.channels if c.name == name), None)
    if channel is None:
        return name, 1.0, 0
    return name, channel.reach, to_micros(channel.cost_per_contact) + to_micros(program.litmus.individual_cost)


def _talk(treatment: Contact, one: Matched, program: Program) -> dict[str, Any]:
    """Return what talking to everybody who matches would come to, whatever the limits."""
    channel, reach, cost = _reach(one, program)
    stake, n = int(one.at_stake_micros.sum()), int(one.holds.sum())

    def net(share: float) -> int:
        return round(reach * (share * stake - to_micros(treatment.cost) * n)) - cost * n

    return {
        "channel": channel,
        "at_stake_micros": stake,
        "contact_cost_micros": cost,
        "worth_micros": net(treatment.share),
        "worth_low_micros": net(treatment.low),
        "worth_high_micros": net(treatment.high),
        "basis": treatment.basis,
    }


def _decision(one: Matched, decided: _Decided, program: Program) -> dict[str, Any]:
    """Return what the turn's decision made of a play: talks chosen and delivered, or contacts of those who match."""
    play, treatment = one.shelved.play, one.shelved.play.treatment
    contacted = one.holds & decided.deliver
    found: dict[str, Any] = {
        "in_use": play.name in decided.used,
        "contacted": int(contacted.sum()),
        "held_out": int((one.holds & decided.held_out).sum()),
    }
    if isinstance(treatment, Contact):
        chosen = decided.talk == play.name
        sent = chosen & decided.deliver
        _, reach, _ = _reach(one, program)
        stake, n, spent = int(one.at_stake_micros[sent].sum()), int(sent.sum()), int(decided.spent[sent].sum())
        extra = to_micros(treatment.cost) * n
        low, high = (round(reach * (s * stake - extra)) for s in (treatment.low, treatment.high))
        found |= {
            "chosen": int(chosen.sum()),
            "delivered": n,
            "expected_micros": int(decided.gain[sent].sum()) - spent,
            "expected_low_micros": low - spent,
            "expected_high_micros": high - spent,
            "basis": treatment.basis,
        }
    elif isinstance(treatment, Steer):
        found["silent"] = int((one.holds & (decided.channel == SILENCE)).sum())
    else:
        found["silent"] = int((one.holds & ~decided.deliver & ~decided.held_out).sum())
    return found


def _customers(one: Matched, view: pa.Table, decided: _Decided | None, program: Program) -> list[dict[str, Any]]:
    """Return who a play is for, most at stake first, with the figures that make it so."""
    rows = np.flatnonzero(one.holds)
    keys = view["customer_key"].to_numpy()[rows]
    rows = rows[np.lexsort((keys, -one.at_stake_micros[rows]))]
    needs = [n for n in one.shelved.needs if n in view.column_names]
    # One column after the other: a row at a time would read the whole table once for each customer.
    values = {n: view[n].take(pa.array(rows)).to_pylist() for n in {"customer_id", "tier", *needs}}
    found = []
    for place, row in enumerate(rows.tolist()):
        figures = {n: values[n][place] for n in needs}
        customer = {
            "customer_id": values["customer_id"][place],
            "tier": values["tier"][place],
            "at_stake_micros": int(one.at_stake_micros[row]),
            "figures": figures,
            "because": figures_text(figures, needs, program.currency),
        }
        if decided is not None:
            customer |= {
                "channel": decided.channel[row],
                "play": decided.talk[row],
                "delivered": bool(decided.deliver[row]),
                "held_out": bool(decided.held_out[row]),
            }
        found.append(customer)
    return found


def explain_plays(store: Store, turn: str, decision: Mapping[str, Any], program: Program) -> list[dict[str, Any]]:
    """Return the plays of a turn that are for one customer, whose row of the decisions this is, as plain values."""
    declared = store.read_json(store.turn_folder(turn) / "limits.json") or {}
    terms = declared.get("plays", {}).get("terms", [])
    if not terms:
        return []
    states, scores = store.read_table(turn, "states"), store.read_table(turn, "scores")
    row = int(np.searchsorted(scores["customer_key"].to_numpy(), decision["customer_key"]))
    view = with_worth(states, scores).slice(row, 1)
    held = zip(scores["plays"][row].as_py() or [], scores["play_stakes_micros"][row].as_py() or [], strict=True)
    chosen = _talk_of(decision["offer_ids"])
    found: dict[str, dict[str, Any]] = {}
    for place, stake in held:
        # A play that steers stands once for each department; it is told once.
        name = terms[place]["name"]
        found.setdefault(name, _explained(terms[place], stake, view, program) | {"chosen": chosen == name})
    return list(found.values())


def _explained(term: Mapping[str, Any], stake: int, view: pa.Table, program: Program) -> dict[str, Any]:
    needs = [n for n in term["needs"] if n in view.column_names]
    talks = term["offer"] >= 0
    told = ("name", "title", "why", "when", "owner", "effect", "evidence", "contacts", "boost")
    names = [c.name for c in program.channels]
    return {
        **{n: term[n] for n in told},
        "because": figures_text({n: view[n][0].as_py() for n in needs}, needs, program.currency),
        "channel": names[term["channel"]] if talks else None,
        "at_stake_micros": stake if talks else None,
        **{n: term[n] if talks else None for n in ("share", "low", "high", "cost_micros")},
        **{n: term.get(n) for n in ("basis", "share_why", "say")},
        **{n: [names[c] for c in term[n]] for n in ("closes", "shut")},
    }
