"""The tables of what is known of each customer, field by field: observations, and what survives of them.

Why it exists: records, answers and corrections tell the same field differently and at different times. What was
observed and what is believed are two tables; neither is ever written over the other. No query may enter.
"""

from __future__ import annotations

import pyarrow as pa

ANSWERED, CORRECTED = "(answer)", "(correction)"
"""Sources of what a customer said when asked, and of what a person of the company put right. No system can have such
a name."""

INSTANT = pa.timestamp("us", tz="UTC")

OBSERVATIONS = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("record_key", pa.int64(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        ("value", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        ("at", INSTANT),
        ("confidence", pa.float64()),
    ]
)
"""What a source said of one field of a customer at a time. An empty value says nothing, an empty time that nobody
knows when, an empty confidence 1."""

LOST = pa.struct([("value", pa.string()), ("belief", pa.float64()), ("source", pa.string()), ("at", INSTANT)])

PROFILE = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("belief", pa.float64(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        ("at", INSTANT),
        pa.field("sources", pa.int32(), nullable=False),
        pa.field("why", pa.string(), nullable=False),
        pa.field("lost", pa.list_(pa.field("item", LOST, nullable=False)), nullable=False),
    ]
)
"""One row a customer and field of which something is known: the value that survives, how far it is believed, the
source that speaks for it most, when that was, how many sources say so, the reason why it won (`WHY`), and what lost,
the strongest first."""

WHY = {
    "ONLY": "nothing else is known",
    "AGREED": "all sources agree",
    "CORRECTED": "a person put it right",
    "ANSWERED": "the customer said so",
    "BELIEF": "it is believed more",
    "FRESHEST": "it was seen later",
    "TIE": "nothing tells them apart, so the first in the alphabet stands",
}
"""Why a value won, by the words of `PROFILE.why`."""
