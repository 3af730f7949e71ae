"""What people's edits had to do with one customer's decision, with their reasons.

Why it exists: who asks why an offer was withheld, or came first, is owed the person's reason and not only a code. The
edits are those that were in force when the turn was scored, from its record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from rapport.core.reasons import OfferReason
from rapport.core.tables import BOOSTS
from rapport.decide.decide import decide
from rapport.workflows.score import VETOED
from rapport.workflows.worksheet_edits import BY_CUSTOMER, Edit
from rapport.workflows.worksheet_steer import edits_about


def _mine(declared: Mapping[str, Any], state: pa.Table, rows: pa.Table) -> list[Edit]:
    """Return the edits of a turn that concern a customer."""
    told = declared.get("worksheet", {"edits": []})["edits"]
    if not told:
        return []
    for name in (n for n in ("tier", "needs_group") if n in rows.column_names):
        if name in state.column_names:
            state = state.drop_columns([name])
        state = state.append_column(name, rows[name])
    return edits_about([Edit(**e) for e in told], state)


def _who(edit: Edit) -> str:
    return "this customer" if edit.by == BY_CUSTOMER else f"{edit.by} {edit.segment}"


def _because(edit: Edit) -> str:
    """Return a person's reason, who gave it, and when."""
    by_whom = ", ".join(t for t in (edit.editor, edit.at[:10]) if t)
    reason = f'"{edit.reason}"' if edit.reason else "no reason given"
    return f"{reason} ({by_whom})" if by_whom else reason


def vetoed(
    declared: Mapping[str, Any], codes: Sequence[int], state: pa.Table, rows: pa.Table, catalogue: pa.Table
) -> list[dict[str, Any]]:
    """Return the vetoes that close offers to a customer, each with the person's reason, as `explain` tells rules.

    Parameters
    ----------
    codes : why each offer of the catalogue is excluded, 0 for open
    state, rows : the customer's row of the states, and as the decision reads it
    """
    if VETOED not in codes:
        return []
    items = catalogue["item"].to_pylist()
    closed = {items[j] for j, code in enumerate(codes) if code == VETOED}
    return [
        {
            "rule": "worksheet",
            "reason": str(OfferReason.VETOED),
            "offers": 1,
            "why": f"{e.product}, for {_who(e)}: {_because(e)}",
        }
        for e in _mine(declared, state, rows)
        if e.veto and e.product in closed
    ]


def worksheet_for(
    declared: Mapping[str, Any], state: pa.Table, rows: pa.Table, terms: tuple[Any, ...], record: pa.Table
) -> dict[str, Any]:
    """Return the edits that concern a customer, and what would be said without boosts, as plain values.

    Returns
    -------
    dict
        ``edits``: what was edited for whom, why, by whom, when. ``without``: the channel and offers without boosts;
        None where nothing is boosted. ``changed``: whether that differs from what was decided.
    """
    edits = [
        {
            "product": e.product,
            "for": _who(e),
            "edit": e.told(),
            "veto": e.veto,
            "boost": e.boost,
            "reason": e.reason,
            "note": e.note,
            "editor": e.editor,
            "at": e.at,
            "why": _because(e),
        }
        for e in _mine(declared, state, rows)
    ]
    if not any(e["boost"] for e in edits) or BOOSTS.names[0] not in rows.column_names:
        return {"edits": edits, "without": None, "changed": False}
    plain = decide(rows.drop_columns(BOOSTS.names), *terms).to_pylist()[0]
    given = record.to_pylist()[0]
    same = plain["channel"] == given["channel"] and set(plain["offer_ids"]) == set(given["offer_ids"])
    return {
        "edits": edits,
        "without": {"channel": plain["channel"], "offer_ids": plain["offer_ids"]},
        "changed": not same,
    }
