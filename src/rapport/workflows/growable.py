"""Whom there is most to win with: the customers of a turn in the order of their unrealised potential.

Why it exists: report and command line show one order. Nothing is measured here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from rapport.core.errors import StageMissing
from rapport.workflows.state_ports import Store

SHOWN = (
    "customer_id",
    "tier",
    "potential_value_micros",
    "unrealised_micros",
    "unrealised_low_micros",
    "unrealised_high_micros",
    "gap_trips_micros",
    "gap_basket_micros",
    "gap_variety_micros",
    "peer_cell",
    "potential_status",
    "share_of_wallet",
)


def growable(scores: pa.Table, top: int) -> list[dict[str, Any]]:
    """Return the rows of the most growable of those who have bought, in order.

    The order is that of `differentiate.potential.most_growable`: the low end of what is unrealised, its middle, the
    smaller key. Who has reached their potential is left out.
    """
    low, middle, keys = (scores[n].to_numpy() for n in ("unrealised_low_micros", "unrealised_micros", "customer_key"))
    wanted = ~scores["prospect_status"].is_valid().to_numpy() & (middle > 0)
    order = np.lexsort((keys, -middle, -low))
    places = order[wanted[order]][:top]
    rows: list[dict[str, Any]] = scores.select(SHOWN).take(pa.array(places, pa.int64())).to_pylist()
    return rows


def growable_of_turn(store: Store, turn: str, top: int) -> list[dict[str, Any]]:
    """Return the most growable customers of a turn; raise StageMissing where potential was not measured."""
    if not store.has_table(turn, "scores"):
        raise StageMissing(f"turn {turn} has no scores yet. Run: rapport score with the programme's folder")
    scores = store.read_table(turn, "scores")
    if "unrealised_micros" not in scores.column_names:
        raise StageMissing(f"turn {turn} was scored before potential was measured. Begin another turn.")
    return growable(scores, top)
