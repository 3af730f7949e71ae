"""Small worlds to decide in: customers, offers, channels and policies with many ties, from a few drawn settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
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
    """What a plan needs: rows of the decision, a catalogue and a programme."""

    rows: pa.Table
    catalogue: pa.Table
    program: Program


def catalogue_table(
    prices: list[int],
    margins: list[float] | None = None,
    depths: list[float] | None = None,
    categories: list[str | None] | None = None,
) -> pa.Table:
    """Return a catalogue of offers o00, o01, ... with prices in micros; 30 % margin and 20 % depth unless told."""
    n = len(prices)
    rows = [
        {
            "offer_index": i,
            "offer_id": f"o{i:02d}",
            "item": f"item {i}",
            "name": f"Item {i}",
            "category": (categories or [f"c{i}" for i in range(n)])[i],
            "department": "ALL",
            "depth": (depths or [0.20] * n)[i],
            "margin_share": (margins or [0.30] * n)[i],
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
) -> pa.Table:
    """Return scores of customers with the given base probabilities (n, offers); reachable, nothing excluded."""
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
        }
        for i in range(n)
    ]
    return pa.Table.from_pylist(rows, schema=SCORES)


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


@st.composite
def worlds(draw: st.DrawFn, most_channels: int = 3) -> World:
    """Draw a world: 1 to 40 customers, 0 to 15 offers, 1 to 3 channels; values come from short lists, for ties."""
    n, offers = draw(st.integers(1, 40)), draw(st.integers(0, 15))
    channels = draw(st.integers(1, most_channels))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = st.sampled_from([0.0, 0.1, 0.5, 1.0])
    base = rng.choice(draw(st.sampled_from([[0.1], [0.0, 0.02, 0.3, 0.5, 1.0], list(rng.random(50))])), (n, offers))
    scores = score_rows(
        base,
        reachable=rng.random((n, channels)) >= draw(share),
        excluded=(rng.random((n, offers)) < draw(share)).astype(np.int8) * rng.integers(1, 4, (n, offers), np.int8),
        contacts=rng.integers(0, 4, n).tolist(),
        tiers=rng.choice(["A", "B", "C"], n).tolist(),
        ids=[f"{rng.integers(10**9)}-{i}" for i in range(n)],
    )
    catalogue = catalogue_table(
        rng.choice([1, 7, 2_000_000, 2_500_000, 9_990_000], offers).tolist(),
        rng.choice([0.05, 0.3, 0.45], offers).tolist(),
        rng.choice([0.1, 0.2, 0.5], offers).tolist(),
        rng.choice(["x", "y", "z", None], offers).tolist(),
    )
    program = program_with(
        channels=[
            channel(
                f"channel-{c}",
                cost_per_contact=float(rng.choice([0.0, 0.004, 0.1, 3.0])),
                reach=float(rng.choice([0.3, 0.6, 1.0])),
                capacity=int(rng.integers(0, n + 1)) if draw(st.booleans()) else n,
            )
            for c in range(channels)
        ],
        policy={
            "portfolio_size": draw(st.integers(1, 6)),
            "variety": draw(st.sampled_from([1.0, 0.85, 0.5])),
            "exploration_share": draw(st.sampled_from([0.0, 0.05, 0.5])),
            "contacts": draw(st.integers(0, 4)),
            "salt": f"s{draw(st.integers(0, 999))}",
        },
        litmus={
            "individual_cost": float(rng.choice([0.0, 0.004, 0.05])),
            "segment_cost": float(rng.choice([0.0, 0.001])),
            "mass_cost": 0.0,
        },
        lift={"odds_ratio": draw(st.sampled_from([1.0, 4.0, 50.0])), "low": 1.0, "high": 100.0, "why": "drawn"},
    )
    return World(rows_of(scores, rng.random(n) < draw(share)), catalogue, program)
