"""Why a customer is in their needs group: their weights, and the purchases that speak for it.

Why it exists: the membership is worked out again from the customer's own purchases alone and must be what was
recorded. Read from the loaded data of the turn; where they are gone, the record stands without reasons.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, timedelta
from typing import Any

import numpy as np

from rapport.differentiate.needs_counts import evidence, read_counts
from rapport.differentiate.needs_model import predict_needs
from rapport.differentiate.needs_names import in_words
from rapport.differentiate.needs_sql import needs_counts_sql, needs_lines_sql, needs_prices_sql
from rapport.program.model import Program
from rapport.workflows.needs import read_needs
from rapport.workflows.ports import Engine
from rapport.workflows.state import open_tables
from rapport.workflows.state_ports import Store

MOST_REASONS = 6


def explain_needs(
    store: Store,
    make_engine: Callable[[], AbstractContextManager[Engine]],
    program: Program,
    turn: str,
    value: dict[str, Any],
) -> dict[str, Any]:
    """Return ``{"needs": ...}``: group, weights in all groups and what speaks for the group; None without groups.

    Parameters
    ----------
    value : mapping
        The customer's row of the scores, without its lists.
    """
    record = store.read_json(store.turn_folder(turn) / "turn.json") or {"stages": {}}
    score = record["stages"].get("score") or {"counts": {}}
    told, group = score["counts"].get("needs"), value.get("needs_group")
    if told is None or group is None:
        return {"needs": None}
    found: dict[str, Any] = {
        "group": group,
        "share": value["needs_share"],
        "why": told["why"],
        "weights": {},
        "for": [],
    }
    model = read_needs(store, told["version"])
    loaded = store.loaded_folder(score["sources_digest"])
    if model is None or model.k < 2 or not (loaded / "transactions.parquet").is_file():
        return {"needs": found}
    as_of, key = date.fromisoformat(record["as_of"]), value["customer_key"]
    with make_engine() as engine:
        open_tables(engine, loaded)
        engine.execute(f"CREATE OR REPLACE TABLE needs_prices AS {needs_prices_sql()}", {"as_of": as_of})
        bound = {"as_of": as_of, "zone": program.timezone, "key_from": key, "key_to": key}
        engine.execute(f"CREATE OR REPLACE TABLE needs_lines AS {needs_lines_sql(told['level'])}", bound)
        counted = engine.query(needs_counts_sql(), {"split": as_of - timedelta(days=1)})
    counts = read_counts(counted, np.array([key], dtype=np.int64), model.vocabulary, "both")
    member = predict_needs(model, counts)[0]
    main = model.names.index(group)
    weighed = evidence(counts, model.vocabulary)
    odds = np.log(model.groups.profile[main] / model.vocabulary.base)[weighed.column]
    speaks = weighed.value * odds
    found["weights"] = {name: float(w) for name, w in zip(model.names, member.tolist(), strict=True)}
    found["for"] = [
        {
            "what": in_words(*model.vocabulary.features[weighed.column[i]]),
            "times": int(counts.value[i]),
            "ratio": float(np.exp(odds[i])),
        }
        for i in np.argsort(-speaks, kind="stable")[:MOST_REASONS].tolist()
        if speaks[i] > 0
    ]
    return {"needs": found}
