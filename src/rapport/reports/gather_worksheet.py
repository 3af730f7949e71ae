"""Read what the report shows of the worksheet from the record of the turn.

Why it exists: the figures are those that the stage `score` counted, never worked out again. No chart, no HTML.
"""

from __future__ import annotations

from typing import Any

from rapport.reports.facts_worksheet import EditFacts, WorksheetFacts
from rapport.workflows.state_ports import Store
from rapport.workflows.worksheet_edits import BY_CUSTOMER, Edit


def worksheet_facts(store: Store, turn: str, record: dict[str, Any]) -> WorksheetFacts | None:
    """Return the edits of a turn, None where nobody made any.

    Parameters
    ----------
    record : mapping
        The turn's turn.json.
    """
    counts = record["stages"]["score"]["counts"].get("worksheet")
    declared = store.read_json(store.turn_folder(turn) / "limits.json") or {}
    if counts is None or "worksheet" not in declared:
        return None
    edits = [Edit(**e) for e in declared["worksheet"]["edits"]]
    return WorksheetFacts(
        edits=tuple(
            EditFacts(
                product=e.product,
                whom=f"customer {e.segment}" if e.by == BY_CUSTOMER else f"{e.by} {e.segment}",
                said=e.told(),
                reason=e.reason,
                editor=e.editor,
                day=e.at[:10],
            )
            for e in edits
        ),
        vetoed_pairs=counts["vetoed_pairs"],
        boosted_pairs=counts["boosted_pairs"],
        without_effect=counts["without_effect"],
    )
