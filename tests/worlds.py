"""Small worlds to decide in: customers, offers, channels and policies with many ties, from a few drawn settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from numpy.typing import NDArray

from programs import program_with
from rapport.core.keys import customer_key
from rapport.core.tables import CATALOGUE, DECISIONS, SCORES, STATES
from rapport.program.model import Program
from rapport.workflows.plan import decision_rows

AS_OF = date(2030, 1, 7)
TURN = "2030-W02"


@dataclass(frozen=True)
class World:
    """What a plan needs: rows of the decision, a catalogue, a programme and what a turn's limits.json holds."""

    rows: pa.Table
    catalogue: pa.Table
    program: Program
    declared: dict[str, Any] | None = None


def catalogue_table(
    prices: list[int],
    margins: list[float] | None = None,
    depths: list[float] | None = None,
    categories: list[str | None] | None = None,
) -> pa.Table:
    """Return a catalogue of offers o00, o01, ... with prices in micros; 30 % margin and 20 % depth unless told."""
    n = len(prices)
    categories = categories or [f"c{i}" for i in range(n)]
    depths, margins = depths or [0.20] * n, margins or [0.30] * n
    rows = [
        {
            "offer_index": i,
            "offer_id": f"o{i:02d}",
            "item": f"item {i}",
            "name": f"Item {i}",
            "category": categories[i],
            "department": "ALL",
            "depth": depths[i],
            "margin_share": margins[i],
            "price_micros": prices[i],
            "buyers": 1,
            "valid_from": AS_OF,
            "valid_days": 28,
            "basis": "assumed",
        }
        for i in range(n)
    ]
    return pa.Table.from_pylist(rows, schema=CATALOGUE)


def score_rows(
    base: NDArray[np.float64],
    *,
    channels: int = 1,
    reachable: NDArray[np.bool_] | None = None,
    excluded: NDArray[np.int8] | None = None,
    contacts: list[int] | None = None,
    tiers: list[str] | None = None,
    ids: list[str] | None = None,
    more: dict[str, list[Any]] | None = None,
) -> pa.Table:
    """Return scores of customers with the given base probabilities (n, offers); reachable, nothing excluded.

    `more` holds whole further columns, such as ``forced``.
    """
    n, offers = base.shape
    ids = ids or [f"customer {i}" for i in range(n)]
    reach = np.ones((n, channels), bool) if reachable is None else reachable
    shut = np.zeros((n, offers), np.int8) if excluded is None else excluded
    rows = [
        {
            "customer_key": customer_key(ids[i]),
            "customer_id": ids[i],
            "tier": (tiers or ["B"] * n)[i],
            "contacts_in_period": (contacts or [0] * n)[i],
            "reachable": reach[i].tolist(),
            "base_probability": base[i].tolist(),
            "bought_before": [False] * offers,
            "excluded": shut[i].tolist(),
            **{name: values[i] for name, values in (more or {}).items()},
        }
        for i in range(n)
    ]
    return pa.Table.from_pylist(rows, schema=SCORES)


def shortlisted(rows: pa.Table) -> pa.Table:
    """Return the same rows with a shortlist of all open offers in place of the lists over the whole catalogue."""
    columns: dict[str, list[list[Any]]] = {n: [] for n in ("offers", "probabilities", "bought_before")}
    for row in rows.select(["excluded", "base_probability", "bought_before"]).to_pylist():
        opens = [j for j, why in enumerate(row["excluded"]) if why == 0]
        columns["offers"].append(opens)
        columns["probabilities"].append([row["base_probability"][j] for j in opens])
        columns["bought_before"].append([row["bought_before"][j] for j in opens])
    kinds = {"offers": pa.int32(), "probabilities": pa.float32(), "bought_before": pa.bool_()}
    short = rows.drop_columns(["excluded", "base_probability", "bought_before"])
    for name, lists in columns.items():
        short = short.append_column(f"candidate_{name}", pa.array(lists, pa.list_(kinds[name])))
    return short


def limit(name: str, counts: str, bound: float, **changes: Any) -> dict[str, Any]:
    """Return a limit as a turn's limits.json holds it: at most `bound`, by the first channel, of all."""
    record = {"name": name, "counts": counts, "at_least": False, "bound": bound, "channels": [0]}
    return record | {"offers": None, "scope": None} | changes


def declared(offers: int, *limits: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what a turn's limits.json holds for so many offers: the limits; no levers or kinds unless told."""
    plain: dict[str, Any] = {"boost": [0.0] * offers, "kind": [-1] * offers, "kind_most": [], "scopes": []}
    return plain | {"limits": list(limits)} | changes


def rows_of(scores: pa.Table, holdout: NDArray[np.bool_] | None = None) -> pa.Table:
    """Return what the decision reads for scores, each customer a household of their own."""
    states = pa.Table.from_pylist(
        [
            {"customer_key": k, "customer_id": i, "household_key": k, "as_of": AS_OF}
            for k, i in zip(scores["customer_key"].to_pylist(), scores["customer_id"].to_pylist(), strict=True)
        ],
        schema=STATES,
    )
    return decision_rows(states, scores, TURN, np.zeros(len(scores), bool) if holdout is None else holdout)


def channel(name: str = "email", **changes: Any) -> dict[str, Any]:
    """Return a channel that costs nothing, is always seen and carries everybody, but for the changes."""
    free = {"name": name, "goals": ["more-visits"], "cost_per_contact": 0.0, "capacity": 1_000_000, "reach": 1.0}
    return free | changes


def shop(*channels: dict[str, Any], litmus: dict[str, float] | None = None, **policy: Any) -> Program:
    """Return a programme with channels and a policy that neither explores nor holds out, but for the changes."""
    plain = {"exploration_share": 0.0, "holdout_share": 0.0, "portfolio_size": 3, "variety": 1.0}
    return program_with(channels=list(channels) or [channel()], policy=plain | policy, litmus=litmus or {})


def as_records(decisions: pa.Table) -> list[str]:
    """Return every row written out in full, so that equal text means equal bits of every number."""
    assert decisions.schema.equals(DECISIONS)
    return [repr(row) for row in decisions.to_pylist()]


SCOPES = ("tier:A", "tier:B", "tier:C", "club")


@st.composite
def worlds(draw: st.DrawFn, most_channels: int = 3) -> World:
    """Draw a world: 1 to 40 customers, 0 to 15 offers, 1 to 3 channels; values come from short lists, for ties.

    Half of them share more than the channels' capacities: limits of every kind, levers, kinds, offers that must be
    said, customers who must be spoken to, contacts that do harm.
    """
    n = draw(st.sampled_from([25, 40, 12, 6, 3, 2, 1]))
    offers = draw(st.sampled_from([6, 15, 10, 3, 2, 1, 0]))
    channels, rich = draw(st.integers(1, most_channels)), draw(st.booleans())
    rng = np.random.default_rng(draw(st.sampled_from(range(10_000))))
    share = partial(rng.choice, [0.0, 0.0, 0.0, 0.1, 0.1, 0.1, 0.5, 1.0])
    chances = draw(st.sampled_from([[0.1], [0.0, 0.02, 0.3, 0.5, 1.0], list(rng.random(50) ** 3)]))
    base = rng.choice(chances, (n, offers))
    reach, shut = rng.random((n, channels)) >= share(), rng.random((n, offers)) < share()
    tiers = rng.choice(["A", "B", "C"], n).tolist()
    catalogue = catalogue_table(
        rng.choice([1, 7, 2_000_000, 2_500_000, 9_990_000, 9_990_000], offers).tolist(),
        rng.choice([0.05, 0.3, 0.45, 0.45], offers).tolist(),
        rng.choice([0.1, 0.1, 0.2, 0.5], offers).tolist(),
        rng.choice(["x", "y", "z", None], offers).tolist(),
    )
    program = _program(draw, rng, n, channels, rich)
    shared = _shared(rng, n, offers, channels) if rich else None
    people = _people(rng, tiers, shut, shared, program.policy.portfolio_size) if shared is not None else {}
    scores = score_rows(
        base,
        reachable=reach,
        excluded=shut.astype(np.int8) * rng.integers(1, 4, (n, offers), np.int8),
        contacts=rng.integers(0, 4, n).tolist(),
        tiers=tiers,
        ids=[f"{rng.integers(10**9)}-{i}" for i in range(n)],
        more=people,
    )
    return World(rows_of(scores, rng.random(n) < share()), catalogue, program, shared)


def _program(draw: st.DrawFn, rng: np.random.Generator, n: int, channels: int, rich: bool) -> Program:
    harm = {
        "minutes_per_contact": [0.0, 0.5, 7.0],
        "unsubscribe_probability": [0.0, 0.0, 0.001, 1.0],
    }
    return program_with(
        channels=[
            channel(
                f"channel-{c}",
                cost_per_contact=float(rng.choice([0.0, 0.004, 0.004, 0.1, 3.0])),
                reach=float(rng.choice([0.3, 0.6, 1.0])),
                capacity=int(rng.integers(0, n + 1)) if draw(st.booleans()) else n,
                **({k: float(rng.choice(v)) for k, v in harm.items()} if rich else {}),
            )
            for c in range(channels)
        ],
        policy={
            "portfolio_size": draw(st.integers(1, 6)),
            "variety": draw(st.sampled_from([1.0, 0.85, 0.5])),
            "exploration_share": draw(st.sampled_from([0.0, 0.05, 0.5])),
            "contacts": int(rng.choice([4, 4, 4, 4, 2, 0])),
            "pressure": float(rng.choice([1.0, 1.5])) if rich else 1.0,
            "salt": f"s{draw(st.integers(0, 999))}",
        },
        litmus={
            "individual_cost": float(rng.choice([0.0, 0.004, 0.05])),
            "segment_cost": float(rng.choice([0.0, 0.001])),
            "mass_cost": 0.0,
        },
        lift={"odds_ratio": draw(st.sampled_from([4.0, 50.0, 1.0])), "low": 1.0, "high": 100.0, "why": "drawn"},
    )


def _shared(rng: np.random.Generator, n: int, offers: int, channels: int) -> dict[str, Any]:
    """Draw limits, levers and kinds; minima are small, so that most worlds can meet them."""
    counts = rng.choice(["contacts", "contact_cost", "minutes", "offers", "giveaway"], rng.integers(0, 5)).tolist()
    kinds = int(rng.integers(0, 3))
    return declared(
        offers,
        *(_limit(rng, f"limit {i}", c, (n, offers, channels)) for i, c in enumerate(counts)),
        scopes=list(SCOPES),
        boost=rng.choice([0.0, 0.0, 0.5, -0.5, 3.0], offers).tolist(),
        kind=rng.integers(-1, kinds, offers).tolist(),
        kind_most=rng.integers(1, 3, kinds).tolist(),
    )


def _limit(rng: np.random.Generator, name: str, counts: str, sizes: tuple[int, int, int]) -> dict[str, Any]:
    n, offers, channels = sizes
    at_least = bool(rng.random() < 0.25)
    unit = {"contact_cost": 50_000.0, "giveaway": 100_000.0, "minutes": 3.0}.get(counts, 1.0)
    some = counts in {"offers", "giveaway"} and rng.random() < 0.7
    return limit(
        name,
        counts,
        float(unit * (rng.integers(0, 3) if at_least else rng.integers(0, n + 1))),
        at_least=at_least,
        channels=np.flatnonzero(rng.permutation(channels) <= rng.integers(0, channels)).tolist(),
        offers=np.flatnonzero(rng.random(offers) < 0.5).tolist() if some else None,
        scope=int(rng.integers(0, len(SCOPES))) if rng.random() < 0.5 else None,
    )


def _people(
    rng: np.random.Generator, tiers: list[str], shut: NDArray[np.bool_], shared: dict[str, Any], size: int
) -> dict[str, list[Any]]:
    """Draw worth, scopes, who must be spoken to, and open offers that must be said: one of each kind at most."""
    n, offers = shut.shape
    musts: list[list[int]] = [[] for _ in range(n)]
    for i in np.flatnonzero(rng.random(n) < 0.2):
        drawn = [int(j) for j in rng.permutation(offers)[: rng.integers(1, 3)] if not shut[i, j]]
        kinds = [shared["kind"][j] for j in drawn]
        kept = [j for q, j in enumerate(drawn) if kinds[q] < 0 or kinds[q] not in kinds[:q]]
        musts[i] = sorted(kept[:size])
    return {
        "actual_value_micros": rng.choice([-5_000_000, 0, 300_000, 90_000_000], n).tolist(),
        "scopes": [["ABC".index(t)] + [3] * int(rng.random() < 0.3) for t in tiers],
        "must_offers": musts,
        "forced": (rng.random(n) < 0.1).tolist(),
    }
