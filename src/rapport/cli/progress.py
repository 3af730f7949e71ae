"""Progress on stderr: a bar for each stage where somebody watches, a line for each where nobody does."""

from __future__ import annotations

import sys
import time
from typing import Any

LABELS = {
    "load": "load the turn's customers",
    "state": "state of each customer",
    "score": "value, tiers and relevance",
    "plan": "decide",
    "compose": "compose messages",
    "send": "deliver to the outbox",
    "readout": "read out and report",
    "profiles": "profiles of customers",
}

_NOTICED = 0.05
_SILENT_SECONDS = 10.0
"""Off a terminal, a long stage says how far it is no more often than this."""


class StageProgress:
    """Shows each stage with its time; implements `workflows.ports.Progress`."""

    def __init__(self) -> None:
        from rapport.cli.output import Interrupts, say

        self._say = say
        self._heed = Interrupts.heed
        self._bar: Any = None
        self._task: Any = None
        self._stack: list[tuple[str, float]] = []
        self._watched = sys.stderr.isatty()
        self._done, self._total = 0, 0
        self._told = 0.0

    def start(self, stage: str, total: int | None) -> None:
        """Begin a stage."""
        self._heed()
        self._stack.append((LABELS.get(stage, stage), time.monotonic()))
        self._done, self._total = 0, total or 0
        self._told = time.monotonic()
        if self._watched:
            self._open_bar(self._stack[-1][0], total)

    def advance(self, n: int) -> None:
        """Move on by `n` rows."""
        self._heed()
        self._done += n
        if self._bar is not None:
            self._bar.advance(self._task, n)
        elif self._total and time.monotonic() - self._told > _SILENT_SECONDS:
            label, began = self._stack[-1]
            self._told = time.monotonic()
            self._say(f"  {label:<32} {self._told - began:6.1f} s, {self._done:,} of {self._total:,}")

    def finish(self) -> None:
        """End a stage and say how long it took."""
        self._heed()
        label, began = self._stack.pop()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        seconds = time.monotonic() - began
        # Steps within a stage that nobody can notice are not worth a line.
        if seconds >= _NOTICED or label in LABELS.values():
            self._say(f"  {label:<32} {seconds:6.1f} s")

    def _open_bar(self, label: str, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
        )

        columns = [SpinnerColumn(), TextColumn("{task.description:<32}"), BarColumn(), TimeElapsedColumn()]
        if total is not None:
            columns.insert(3, MofNCompleteColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(label, total=total)
