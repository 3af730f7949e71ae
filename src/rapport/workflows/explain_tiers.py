"""Which tier a customer is in, since when, and which it was before.

Why it exists: who asks why a customer is treated as they are wants to know what they were last month. Read from the
turns that were planned; nothing is ranked anew.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from rapport.workflows.state_ports import Store
from rapport.workflows.tiers import tier_history


def explain_tier(store: Store, turn: str, score: dict[str, Any]) -> dict[str, Any]:
    """Return the tier of a customer and its history, as plain values.

    Parameters
    ----------
    score : mapping
        The customer's row of `core.tables.SCORES`; older turns lack its columns `previous_tier` and `rank_tier`.

    Returns
    -------
    dict
        ``tier``, ``rank_tier``; ``previous_tier`` with ``since``, the first turn of the unbroken run in which the
        customer had it, None for both where they had none; ``turn_before``, ``by`` and
        ``hysteresis`` of the turn; ``history``: turn, day and tier of all earlier turns, oldest first.
    """
    record = store.read_json(store.turn_folder(turn) / "turn.json")
    told = record["stages"]["score"]["counts"].get("tier_history") or {
        "by": "value",
        "hysteresis": 0.0,
        "before": None,
    }
    known = tier_history(store, date.fromisoformat(record["as_of"]), score["customer_key"])
    previous = score.get("previous_tier")
    since = None
    for entry in reversed(known):
        if entry["tier"] != previous:
            break
        since = entry["turn"]
    return {
        "tier": score["tier"],
        "rank_tier": score.get("rank_tier") or score["tier"],
        "previous_tier": previous,
        "since": since,
        "turn_before": told["before"],
        "by": told["by"],
        "hysteresis": told["hysteresis"],
        "history": known,
    }
