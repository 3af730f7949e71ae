"""Tiny decisions and catalogues, written out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from rapport.channels.outbox import read_templates
from rapport.core.tables import CATALOGUE, DECISIONS
from rapport.customize.compose import SenderFacts, TemplateSet

OWN = read_templates(None)
SENDER = SenderFacts("Corner Shop", "USD", {"mail": "message", "paper": "print"}, portfolio_size=3)


def templates(**texts: str) -> TemplateSet:
    return TemplateSet(**{"html": OWN.html, "text": OWN.text, "subject": OWN.subject, **texts})


def catalogue(*names: str, depth: float = 0.2) -> pa.Table:
    rows = [
        {
            "offer_index": i,
            "offer_id": f"o{i}",
            "item": name,
            "name": name,
            "category": None,
            "department": None,
            "depth": depth,
            "margin_share": 0.3,
            "price_micros": 3_000_000,
            "buyers": 100,
            "valid_from": date(2017, 12, 1),
            "valid_days": 28,
            "basis": "assumed",
        }
        for i, name in enumerate(names)
    ]
    return pa.Table.from_pylist(rows, schema=CATALOGUE)


def decision(key: int = 1, **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(DECISIONS.names)
    row.update(
        customer_key=key,
        customer_id=f"c{key}",
        household_key=key,
        turn="2017-W48",
        tier="A",
        arm="treated",
        litmus="individual",
        channel="mail",
        level="individual",
        deliver=True,
        explored=False,
        channel_probability=0.95,
        silence_probability=0.05,
        eligible_offers=3,
        offer_ids=["o0", "o1", "o2"],
        offer_kinds=["repeat", "repeat", "explore"],
        offer_contributions_micros=[100, 300, 50],
        contact_cost_micros=0,
        expected_contribution_micros=450,
        expected_low_micros=0,
        expected_high_micros=900,
        basis="assumed",
        model_version="m",
        policy_version="p",
    )
    return {**row, **changes}


def decisions(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=DECISIONS)
