"""The section on what people put into the decision: vetoes, boosts and their reasons.

Why it exists: a plan that people steered must say so, in their words.
"""

from __future__ import annotations

from rapport.reports.blocks import Section, Table
from rapport.reports.facts import ReportFacts

MOST_ROWS = 200
"""Edits that stand in the table; the rest is counted."""


def worksheet_sections(facts: ReportFacts) -> tuple[Section, ...]:
    """Return the section on the worksheet; none where nobody edited anything."""
    found = facts.worksheet
    if found is None:
        return ()
    says = (
        f"People made {len(found.edits):,} edits in the worksheet. Vetoes close {found.vetoed_pairs:,} pairs of a "
        f"customer and an offer, boosts raise or lower {found.boosted_pairs:,} in the choice; "
        f"{found.without_effect:,} edits meet nothing in this turn.",
        "Boosts steer what is chosen: the plan's value, bound and prices count them. Expected contributions do not.",
    )
    rows = tuple((e.product, e.whom, e.said, e.reason, e.editor, e.day) for e in found.edits[:MOST_ROWS])
    left = len(found.edits) - len(rows)
    note = f"{left:,} more stand in worksheet.csv." if left else ""
    heads = ("product", "for", "edit", "reason", "editor", "read")
    return (Section("worksheet", "What people decided", says, (Table("Edits in force", heads, rows, note),)),)
