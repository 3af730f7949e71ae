"""The one file that owns stdout, stderr and exit codes.

Why it exists: stdout is data and stderr is talk. Data are a short text for people or, with ``--json``, one JSON
document; errors are one message and the exit code of their leaf.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from types import FrameType
from typing import Any

import click

from rapport.core.errors import RapportError

INTERRUPTED = 130


def say(text: str = "") -> None:
    """Print talk on stderr."""
    click.echo(text, err=True)


def give(text: str) -> None:
    """Print data on stdout."""
    try:
        click.echo(text)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); there is nobody left to tell, and nothing went wrong here.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def give_json(value: Any) -> None:
    """Print plain values on stdout as one JSON document."""
    give(json.dumps(value, indent=2, default=_plain, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], right: Iterable[int] = ()) -> str:
    """Return rows as aligned text; columns numbered in `right` are set flush right."""
    cells = [[str(c) for c in head], *([("" if c is None else str(c)) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    flush = set(right)
    lines = [
        "  ".join(c.rjust(w) if i in flush else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(line.rstrip() for line in lines)


class Interrupts:
    """Remembers that somebody asked to stop: engines swallow the exception, or turn it into one of their own."""

    asked = False

    @classmethod
    def listen(cls) -> None:
        """Take over Ctrl-C, unless whoever started us has switched it off."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, cls._remember)

    @classmethod
    def _remember(cls, number: int, frame: FrameType | None) -> None:
        cls.asked = True
        raise KeyboardInterrupt

    @classmethod
    def heed(cls) -> None:
        """Stop here if somebody asked before."""
        if cls.asked:
            raise KeyboardInterrupt


def run(command: Callable[[], None]) -> None:
    """Run the command line and leave with the exit code of what happened."""
    Interrupts.listen()
    try:
        command()
        return
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        Interrupts.asked = True
    except RapportError as error:
        code = error.exit_code
        if not Interrupts.asked:
            say(f"error: {error}")
    except OSError as error:
        code = RapportError.exit_code
        if not Interrupts.asked:
            say(f"error: {_system_fault(error)}")
    except Exception:
        if not Interrupts.asked:
            raise
    if Interrupts.asked:
        say("interrupted; what was finished is kept, run the same command to carry on")
        code = INTERRUPTED
    sys.exit(code)


def _system_fault(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}. What was finished is kept; mend this and run the same command."
