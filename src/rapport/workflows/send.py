"""Stage `send`: hand the messages to the channels and write down what became of each customer.

Why it exists: everybody has a row: sent, withheld from the held-out, or silent with the reason.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from rapport.core.reasons import CustomerReason
from rapport.core.tables import TOUCHES
from rapport.decide.terms import SILENCE
from rapport.workflows.compose import messages_from
from rapport.workflows.state_ports import ChannelPort, MemoryPort


def send_turn(
    messages: pa.Table,
    decisions: pa.Table,
    customers: pa.Table,
    carrier: tuple[ChannelPort, Path],
    memory: MemoryPort,
) -> pa.Table:
    """Carry the messages, remember the deliveries, return the touches with the schema `core.tables.TOUCHES`.

    Messages are carried first and remembered after: a turn killed between the two carries nothing twice, because
    the channel knows what it carried, and forgets nothing, because this stage is run again.

    Parameters
    ----------
    messages : Arrow table with the schema `compose.MESSAGES`
    decisions : Arrow table with the schema `core.tables.DECISIONS`
    customers : Arrow table
        Everybody in the loaded data; who is not decided, because first seen later, has a row that says so.
    carrier : the channel and the folder where it keeps what it carries for this turn
    memory : port
    """
    channel, folder = carrier
    reports = {r.touch_id: r for r in channel.deliver(messages_from(messages), folder)}
    spoken = {m["customer_key"]: m for m in messages.select(["touch_id", "customer_key", "subject"]).to_pylist()}
    columns = ["customer_key", "customer_id", "turn", "as_of", "channel", "reasons", "offer_ids"]
    rows, delivered = [], []
    for decision in decisions.select(columns).to_pylist():
        message = spoken.get(decision["customer_key"])
        report = reports[message["touch_id"]] if message else None
        sent = report is not None and report.status != "withheld"
        touch_id = (
            message["touch_id"] if message else f"{decision['turn']}-{SILENCE}-{_hex(decision['customer_key'])}"
        )
        rows.append(
            {
                "touch_id": touch_id,
                "customer_key": decision["customer_key"],
                "customer_id": decision["customer_id"],
                "turn": decision["turn"],
                "channel": decision["channel"],
                "status": "sent" if sent else ("withheld" if report else "silent"),
                "reason": decision["reasons"][-1],
                "subject": message["subject"] if message else None,
                "offer_ids": decision["offer_ids"],
                "files": list(report.files) if report else [],
            }
        )
        if report is not None:
            day: date = decision["as_of"]
            delivered.append((touch_id, decision["customer_key"], decision["turn"], day, decision["channel"], sent))
    memory.remember_deliveries(delivered)
    decided = {row["customer_key"] for row in rows}
    turn = rows[0]["turn"] if rows else ""
    rows += [_not_yet(c, turn) for c in customers.to_pylist() if c["customer_key"] not in decided]
    rows.sort(key=lambda row: row["customer_key"])
    return pa.Table.from_pylist(rows, schema=TOUCHES)


def _not_yet(customer: dict[str, Any], turn: str) -> dict[str, Any]:
    return {
        "touch_id": f"{turn}-{SILENCE}-{_hex(customer['customer_key'])}",
        "customer_key": customer["customer_key"],
        "customer_id": customer["customer_id"],
        "turn": turn,
        "channel": SILENCE,
        "status": "silent",
        "reason": str(CustomerReason.NOT_YET_KNOWN),
        "subject": None,
        "offer_ids": [],
        "files": [],
    }


def _hex(key: int) -> str:
    return f"{key & 0xFFFFFFFFFFFFFFFF:016x}"
