"""Stage `compose`: the messages of a turn as a table, so that what is sent is what was composed.

Why it exists: a killed turn sends the same words after it is resumed. No file is written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pyarrow as pa

from rapport.customize.compose import ComposedMessage, SenderFacts, TemplateSet, compose_messages
from rapport.identify.load_sql import name_traits
from rapport.program.model import Program

MESSAGES = pa.schema(
    [
        ("touch_id", pa.string()),
        ("customer_key", pa.int64()),
        ("customer_id", pa.string()),
        ("turn", pa.string()),
        ("channel", pa.string()),
        ("format", pa.string()),
        ("deliver", pa.bool_()),
        ("subject", pa.string()),
        ("html", pa.string()),
        ("text", pa.string()),
        ("offer_ids", pa.list_(pa.string())),
        ("row", pa.string()),
    ]
)
"""One row for each decision that is not silence; `row` holds a print row as JSON."""


def sender_of(program: Program) -> SenderFacts:
    """Return what the messages need to know of the programme."""
    return SenderFacts(
        name=program.name,
        currency=program.currency,
        formats={c.name: c.format for c in program.channels},
        portfolio_size=program.policy.portfolio_size,
        needs={c.name: name_traits([c.needs])[0] for c in program.channels if c.needs is not None},
        includes=tuple((i.name, i.text) for i in program.includes),
    )


def compose_turn(
    decisions: pa.Table,
    catalogue: pa.Table,
    states: pa.Table,
    program: Program,
    templates: TemplateSet,
    scores: pa.Table | None = None,
) -> pa.Table:
    """Return the messages of a turn with the schema `MESSAGES`, in the order of the decisions.

    Parameters
    ----------
    scores : Table of `core.tables.SCORES`, optional
        Says which includes of the programme hold for each customer; without it no text is included.
    """
    included = None if scores is None else _included(scores)
    messages = compose_messages(decisions, catalogue, states, templates, sender_of(program), included)
    columns = [pa.array([_plain(m, field.name) for m in messages], type=field.type) for field in MESSAGES]
    return pa.Table.from_arrays(columns, schema=MESSAGES)


def _included(scores: pa.Table) -> dict[int, list[int]]:
    """Return the positions of the includes that hold, by customer key; who has none is left out."""
    pairs = zip(scores["customer_key"].to_pylist(), scores["includes"].to_pylist(), strict=True)
    return {key: held for key, held in pairs if held}


def _plain(message: ComposedMessage, name: str) -> object:
    value = getattr(message, name)
    if name == "row":
        return json.dumps(dict(value))
    return list(value) if isinstance(value, tuple) else value


def messages_from(table: pa.Table) -> Iterator[ComposedMessage]:
    """Yield the messages of a table with the schema `MESSAGES`, one by one."""
    for batch in table.to_batches(max_chunksize=1024):
        for values in batch.to_pylist():
            row = json.loads(values.pop("row"))
            offers = tuple(values.pop("offer_ids"))
            yield ComposedMessage(**values, offer_ids=offers, row=row)
