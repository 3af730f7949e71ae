"""The one file that owns stdout, stderr and exit codes.

Why it exists: stdout is data and stderr is talk. Data are a short text for people or, with ``--json``, one JSON
document; errors are one message and the exit code of their leaf.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any

import click

from rapport.core.errors import RapportError

INTERRUPTED = 130


def say(text: str = "") -> None:
    """Print talk on stderr."""
    click.echo(text, err=True)


def give(text: str) -> None:
    """Print data on stdout."""
    click.echo(text)


def give_json(value: Any) -> None:
    """Print plain values on stdout as one JSON document."""
    click.echo(json.dumps(value, indent=2, default=_plain, allow_nan=False))


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


def run(command: Callable[[], None]) -> None:
    """Run the command line and leave with the exit code of what happened."""
    try:
        command()
    except RapportError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("interrupted; what was finished is kept, run the same command to carry on")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); there is nobody left to tell.
        sys.stderr.close()
        sys.exit(0)
