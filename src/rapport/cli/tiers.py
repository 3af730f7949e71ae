"""How commands speak of tiers over time."""

from __future__ import annotations

from typing import Any


def tier_told(found: dict[str, Any] | None) -> str:
    """Return what follows the tier in an explanation: since when, what it was, and whether it is only kept."""
    if found is None:
        return ""
    kept = f" (kept: rank alone says {found['rank_tier']})" if found["rank_tier"] != found["tier"] else ""
    if found["turn_before"] is None:
        return kept
    if found["previous_tier"] is None:
        back = (
            f", last {found['history'][-1]['tier']} in turn {found['history'][-1]['turn']}"
            if found["history"]
            else ""
        )
        return f"{kept}, not in the turn before{back}"
    since = f" since turn {found['since']}" if found["since"] else ""
    if found["previous_tier"] == found["tier"]:
        return f"{kept}{since}"
    return f"{kept}, was {found['previous_tier']}{since}"


def moves_told(history: dict[str, Any] | None) -> list[str]:
    """Return the line of a turn that says who changed tier since the turn before; none for a first turn."""
    if history is None or history["before"] is None:
        return []
    count = {(m["before"], m["after"]): m["customers"] for m in history["moves"]}
    up = sum(n for (b, a), n in count.items() if a < b <= "C")
    down = sum(n for (b, a), n in count.items() if b < a <= "C")
    new = sum(n for (b, _), n in count.items() if b == "new")
    gone = sum(n for (_, a), n in count.items() if a == "gone")
    kept = f", {history['kept']:,} kept theirs within the band" if history["hysteresis"] else ""
    return [f"  tiers since turn {history['before']}: {up:,} up, {down:,} down, {new:,} new, {gone:,} gone{kept}"]
