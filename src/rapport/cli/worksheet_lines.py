"""What the worksheet had to do with a decision, and what is in force, as text."""

from __future__ import annotations

from typing import Any

from rapport.cli.output import table
from rapport.cli.shared_limits import names_of


def worksheet_lines(why: dict[str, Any]) -> list[str]:
    """Return the lines of an explanation about what people edited for the customer; none without any."""
    found = why["worksheet"]
    if not found["edits"]:
        return []
    lines = [
        "",
        "Worksheet (boosts steer the choice: litmus sums and values of channels count them, contributions do not)",
    ]
    lines += [f"  {e['product']}, for {e['for']}: {e['edit']}: {e['why']}" for e in found["edits"]]
    without, decision = found["without"], why["decision"]
    if without is None:
        return lines
    if not found["changed"]:
        return [*lines, "  Without boosts the choice would be the same."]
    if without["channel"] != decision["channel"]:
        return [*lines, f"  Without boosts: {without['channel']}, {names_of(without['offer_ids'])}"]
    come = [o for o in decision["offer_ids"] if o not in without["offer_ids"]]
    gone = [o for o in without["offer_ids"] if o not in decision["offer_ids"]]
    return [*lines, f"  Without boosts: {names_of(gone)} in place of {names_of(come)}"]


def change_lines(found: dict[str, Any]) -> list[str]:
    """Return what a reading does, as lines."""
    counts = found["edits"]
    lines = [
        f"{counts['new']:,} new edits, {counts['changed']:,} changed, {counts['cleared']:,} cleared, "
        f"{counts['same']:,} as they were; {counts['in_force']:,} in force"
    ]
    effect = found["effect"]
    if effect is None:
        return lines
    touched = effect["touched"]
    lines.append(
        f"by the tables of turn {effect['turn']}: {touched['closed_pairs']:,} pairs of customer and offer closed, "
        f"{touched['opened_pairs']:,} opened again, {touched['boosted_pairs']:,} with another boost; "
        f"{touched['customers']:,} of {touched['of_customers']:,} customers concerned"
    )
    lines += [
        f"  without effect: {idle['product']}, for {idle['by']} {idle['segment']}: {idle['why']}"
        for idle in effect["without_effect"][:10]
    ]
    if len(effect["without_effect"]) > 10:
        lines.append(f"  and {len(effect['without_effect']) - 10:,} more without effect, with --json")
    decision = effect["decision"]
    if decision is None:
        return lines
    before, after = decision["contacts"]
    lines.append(
        f"at the prices of that turn {decision['customers_with_another_portfolio']:,} customers would be given "
        f"something else; contacts {before:,} before, {after:,} after (the next plan keeps the limits by new prices)"
    )
    if decision["offers"]:
        rows = [[o["product"], f"{o['given']:,}", f"{o['would_be_given']:,}"] for o in decision["offers"]]
        lines.append(table(["product", "given", "would be given"], rows[:30], right=(1, 2)))
        if len(rows) > 30:
            lines.append(f"and {len(rows) - 30:,} more products, with --json")
    return lines


def force_lines(edits: list[dict[str, Any]], readings: list[dict[str, Any]]) -> list[str]:
    """Return the edits in force and the readings they come from, as lines."""
    if not edits:
        lines = ["No edit is in force."]
    else:
        rows = [
            [
                e["by"],
                e["segment"],
                e["product"],
                "yes" if e["veto"] else "",
                f"{e['boost']:+.0%}" if e["boost"] else "",
                "" if e["touches"] is None else f"{e['touches']:,}",
                e["reason"],
                e["editor"],
                e["at"][:10],
            ]
            for e in edits
        ]
        head = ["by", "segment", "product", "veto", "boost", "customers", "reason", "editor", "read"]
        lines = [table(head, rows, right=(4, 5))]
    for r in readings[-10:]:
        state = (
            "in force" if r["undone"] is None else f"taken back {r['undone']['at'][:10]} by {r['undone']['editor']}"
        )
        lines.append(
            f"reading {r['number']} of {r['at'][:10]} by {r['editor']}, {r['file']}: {r['new']} new, {r['changed']} "
            f"changed, {r['cleared']} cleared; {state}"
        )
    return lines
