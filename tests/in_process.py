"""Runs the command line within the test's own process, where a process of its own is not the point.

Why it exists: starting a process costs more than most commands do. Exit code and both streams are those that a
process would leave; an error that no message was written for comes up as itself and fails the test.
"""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from rapport.cli.main import cli
from rapport.cli.output import run
from shop_runs import Ran


def called(*words: str | Path, typed: str = "") -> Ran:
    """Run one command to its end; `typed` is what stands on stdin."""
    out, talk, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(talk), mock.patch("sys.stdin", io.StringIO(typed)):
        try:
            run(lambda: cli(args=[str(w) for w in words], standalone_mode=False))
        except SystemExit as end:
            code = int(end.code or 0)
    return Ran(code, out.getvalue(), talk.getvalue())


def went_well(*words: str | Path, typed: str = "") -> Ran:
    """Run one command that must succeed."""
    ran = called(*words, typed=typed)
    assert ran.code == 0, ran.talk
    return ran
