"""Stage `compose`: the messages of a turn as a table, so that what is sent is what was composed.

Why it exists: a killed turn sends the same words after it is resumed. No file is written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from rapport.customize.compose import ComposedMessage, SenderFacts, TemplateSet, compose_messages
from rapport.customize.talks import TalkWords
from rapport.identify.load_sql import name_traits
from rapport.program.model import Program
from rapport.workflows.plays import figures_text, with_worth

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
    plays: Sequence[Mapping[str, Any]] = (),
) -> pa.Table:
    """Return the messages of a turn with the schema `MESSAGES`, in the order of the decisions.

    Parameters
    ----------
    scores : Table of `core.tables.SCORES`, optional
        Says which includes of the programme hold for each customer; without it no text is included.
    plays : optional
        The plays of the turn as its limits.json holds them; those that talk give their owner words.
    """
    included = None if scores is None else _included(scores)
    talks = {catalogue["offer_id"][p["offer"]].as_py(): p for p in plays if p["offer"] >= 0}
    sender = _with_talks(sender_of(program), talks, program)
    because = _because(decisions, talks, with_worth(states, scores), program) if scores and talks else None
    messages = compose_messages(decisions, catalogue, states, templates, sender, included, because)
    columns = [pa.array([_plain(m, field.name) for m in messages], type=field.type) for field in MESSAGES]
    return pa.Table.from_arrays(columns, schema=MESSAGES)


def _with_talks(sender: SenderFacts, talks: Mapping[str, Mapping[str, Any]], program: Program) -> SenderFacts:
    words = {
        offer: TalkWords(p["title"], p["why"], p["owner"], p["say"], f"plays/{p['name']}.toml: treatment.say")
        for offer, p in talks.items()
    }
    channels = frozenset(program.channels[p["channel"]].name for p in talks.values())
    only = channels & frozenset(program.plays.only)
    return replace(sender, talks=words, talk_channels=channels, only_talk=only)


def _because(
    decisions: pa.Table, talks: Mapping[str, Mapping[str, Any]], known: pa.Table, program: Program
) -> dict[int, str]:
    """Return, by customer key, the figures that the play goes by which is chosen for the customer."""
    found = {}
    chosen = decisions["offer_ids"].to_pylist()
    for row, (key, offers) in enumerate(zip(decisions["customer_key"].to_pylist(), chosen, strict=True)):
        talk = next((o for o in offers or () if o in talks), None)
        if talk is not None:
            needs = [n for n in talks[talk]["needs"] if n in known.column_names]
            values = {n: known[n][row].as_py() for n in needs}
            found[key] = figures_text(values, needs, program.currency)
    return found


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
