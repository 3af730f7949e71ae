"""What `rapport explain` says of what a customer could be worth, and of what serving them costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LATELY = (
    "returns",
    "returns_micros",
    "returned_margin_micros",
    "service_contacts",
    "complaints",
    "deliveries",
    "bids_lost",
    "service_cost_micros",
    "delivery_cost_micros",
    "bid_cost_micros",
)
"""Columns of the state that are only told where there is something to tell."""


def growth_lines(value: dict[str, Any], money: Callable[..., str]) -> list[str]:
    """Return the lines for one customer from their row of scores; none for a turn scored before these columns."""
    lines = []
    if value.get("below_zero_why"):
        from rapport.core.reasons import REASON_MEANINGS, BelowZeroReason

        why = value["below_zero_why"]
        lines.append(f"  below zero, {why}: {REASON_MEANINGS[BelowZeroReason(why)]}")
    if value.get("cost_to_serve_micros"):
        lines.append(f"  costs {money(value['cost_to_serve_micros'])} a year to serve, beside purchase days")
    if value.get("prospect_status"):
        return [*lines, _prospect(value, money)]
    if value.get("potential_status"):
        lines += _potential(value, money)
    return lines


def _prospect(value: dict[str, Any], money: Callable[..., str]) -> str:
    status = value["prospect_status"]
    if value["prospect_value_micros"] is None:
        return f"  has not bought yet; what look-alikes bring in their first year is not known ({status})"
    low, high = (money(value[f"prospect_value_{end}_micros"]) for end in ("low", "high"))
    few = "" if status == "OK" else f", {status}"
    return (
        f"  has not bought yet; first year of look-alikes {money(value['prospect_value_micros'])} "
        f"({low} to {high}, 80 %{few})"
    )


def _potential(value: dict[str, Any], money: Callable[..., str]) -> list[str]:
    low, high = (money(value[f"unrealised_{end}_micros"]) for end in ("low", "high"))
    few = "" if value["potential_status"] == "OK" else f", {value['potential_status']}"
    lines = [
        f"  could contribute {money(value['potential_value_micros'])} a year like the best of their peers; "
        f"unrealised {money(value['unrealised_micros'])} ({low} to {high}, 80 %{few})",
        f"  peers: {value['peer_cell']}",
    ]
    if value["unrealised_micros"]:
        parts = ", ".join(f"{n} {money(value[f'gap_{n}_micros'])}" for n in ("trips", "basket", "variety"))
        lines.append(f"  gap to peers who reached theirs: {parts}")
    if value["share_of_wallet"] is not None:
        lines.append(f"  share of wallet {value['share_of_wallet']:.1%}")
    return lines
