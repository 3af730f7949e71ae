"""What a turn is called, and what its record says.

Why it exists: the stages and the one who runs them speak of the same turn. Nothing is run here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rapport.program.model import Program
from rapport.workflows.state_ports import Tools


@dataclass(frozen=True)
class Turn:
    """Which turn of which programme: its name is the ISO week of the day of the decision.

    `load_seconds` is what reading the sources took just now; next to nothing where it had been done before.
    """

    program: Program
    base: Path
    name: str
    as_of: date
    loaded: Path
    program_digest: str
    sources_digest: str
    load_seconds: float


def turn_name(as_of: date) -> str:
    """Return the ISO week of a day, such as ``2017-W42``; other days of the week are told apart by their number."""
    year, week, day = as_of.isocalendar()
    return f"{year}-W{week:02d}" + ("" if day == 1 else f"-{day}")


def turn_record(tools: Tools, name: str) -> dict[str, Any] | None:
    """Return turn.json of a turn, None where it has none."""
    record: dict[str, Any] | None = tools.store.read_json(tools.store.turn_folder(name) / "turn.json")
    return record
