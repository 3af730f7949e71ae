"""What the report shows of needs groups: read from what the stage `score` wrote, never worked out again.

Why it exists: see `gather`. No chart, no HTML.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from rapport.differentiate.needs_names import in_words
from rapport.reports.facts_needs import NeedsFacts, NeedsGroupFacts, NumberFacts

MOST_MARKS = 6


def needs_facts(record: dict[str, Any], scores: pa.Table, value_basis: str) -> NeedsFacts | None:
    """Return the needs groups of a turn, None where none were looked for.

    Parameters
    ----------
    record : mapping
        The turn's turn.json.
    scores : Table of `core.tables.SCORES`
    value_basis : "measured" or "assumed"
    """
    told = record["stages"]["score"]["counts"].get("needs")
    if told is None or "needs_group" not in scores.column_names:
        return None
    group = np.array(scores["needs_group"].to_pylist(), dtype=object)
    held = told["held_out"]
    return NeedsFacts(
        status=told["status"],
        why=told["why"],
        level=told["level"],
        learned_as_of=told["as_of"],
        learned_from=told["learned_from"],
        reused=told["reused"],
        without_purchase=told["without_purchase"],
        groups=tuple(_group(g, scores, group == g["name"]) for g in told["groups"]),
        compared=tuple(_number(c) for c in told["compared"]),
        held_out=None if held is None else (held["days"], held["customers"], held["purchases"]),
        popularity=0.0 if held is None else held["popularity"],
        personal=(0.0, 0.0, 0.0) if held is None else (held["personal"], held["personal_low"], held["personal_high"]),
        value_basis=value_basis,
    )


def _group(told: dict[str, Any], scores: pa.Table, rows: np.ndarray) -> NeedsGroupFacts:
    tiers = np.array(scores["tier"].to_pylist(), dtype=object)
    names = ("actual_value_micros", "actual_value_low_micros", "actual_value_high_micros")
    worth = [scores[n].to_numpy() for n in names]
    by_tier = []
    for tier in ("A", "B", "C"):
        held = rows & (tiers == tier)
        value, low, high = (int(w[held].sum()) for w in worth)
        by_tier.append((tier, int(held.sum()), value, low, high))
    weight = scores["needs_share"].to_numpy()[rows]
    return NeedsGroupFacts(
        name=told["name"],
        customers=int(rows.sum()),
        share=told["share"],
        mean_weight=float(weight.mean()) if len(weight) else 0.0,
        marks=_marks(told["marks"]),
        by_tier=tuple(by_tier),
    )


def _marks(marks: list[dict[str, Any]]) -> tuple[tuple[str, float], ...]:
    """Return what is bought, then how, by those that say most."""
    things = [m for m in marks if m["view"] == "what"][:MOST_MARKS]
    ways = [m for m in marks if m["view"] != "what" and m["ratio"] >= 1.1][:3]
    return tuple((in_words(m["view"], m["value"]), m["ratio"]) for m in [*things, *ways])


def _number(c: dict[str, Any]) -> NumberFacts:
    return NumberFacts(
        groups=c["k"],
        stability=c["stability"],
        membership=c["membership"],
        gain=(c["gain"], c["gain_low"], c["gain_high"]),
        gain_new=c["gain_new"],
        over_personal=(c["over_personal"], c["over_personal_low"], c["over_personal_high"]),
        stable=c["stable"],
        chosen=c["chosen"],
    )
