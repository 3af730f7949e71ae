"""What the one who talks is told: the play, why, and what to say. Never for the customer to read.

Why it exists: a reason to talk is carried by a person, who needs other words than a customer does. No file is read
and nothing is sent here.
"""

from __future__ import annotations

from dataclasses import dataclass

COLUMNS = ("play", "play_title", "owner", "why", "because", "say")
"""Columns that the rows of a list for talks have."""


@dataclass(frozen=True)
class TalkWords:
    """A play's reason to talk as the one who talks sees it; `say` is a template of its own, from `place`."""

    title: str
    why: str
    owner: str
    say: str
    place: str


def talk_columns(talk: str | None, words: TalkWords | None, because: str, said: str) -> dict[str, str]:
    """Return the columns for the one who talks, empty without a reason to talk.

    Parameters
    ----------
    talk : str or None
        Id of the offer that is the reason to talk.
    because : str
        The figures that make it one.
    said : str
        `TalkWords.say`, filled in.
    """
    if talk is None or words is None:
        return dict.fromkeys(COLUMNS, "")
    values = (talk.partition(":")[2], words.title, words.owner, words.why, because, said)
    return dict(zip(COLUMNS, values, strict=True))
