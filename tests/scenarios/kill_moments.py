"""Runs commands in processes of their own that are killed at a chosen step: at a rename or at a commit.

Why it exists: a kill after so many seconds falls where it falls; what a command leaves behind changes only when a
file takes its name and when a transaction ends, so kills before and after each of these try all there is. Run as a
program it answers commands, one line of JSON each; it has imported already what they need and forks for each, so
that a hundred kills do not wait for a hundred starts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_runs import environment


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, -9 where it was killed, the steps that it came to, what it said."""

    code: int
    steps: list[str]
    out: str
    talk: str

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code == -signal.SIGKILL

    @property
    def data(self) -> Any:
        """Return stdout read as one JSON document."""
        return json.loads(self.out)


class Killer:
    """Runs commands that may be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *words: str | Path, at: str | None = None, seconds: float | None = None, keys: str = "") -> Ended:
        """Run a command; kill it at a step such as ``after commit 2``, or after some seconds, if it comes to that."""
        asked = {"words": [str(w) for w in words], "at": at, "seconds": seconds, "keys": keys}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def done(self, *words: str | Path, keys: str = "") -> Ended:
        """Run a command that must succeed."""
        ended = self.run(*words, keys=keys)
        assert ended.code == 0, ended.talk
        assert "Warning" not in ended.talk, ended.talk
        return ended


@contextmanager
def killer() -> Iterator[Killer]:
    """Start what runs commands, and end it."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), environment()["PYTHONPATH"]])
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment() | {"PYTHONPATH": path},
    )  # fmt: skip
    try:
        yield Killer(process)
    finally:
        process.communicate()


def _answer() -> None:
    import alembic.command
    import duckdb
    import psycopg
    import pyarrow.parquet
    import splink

    import rapport.cli.main
    import rapport.wiring
    import rapport.workflows.identify
    import rapport.workflows.record_contacts
    import rapport.workflows.review

    assert all((alembic.command, duckdb, psycopg, pyarrow.parquet, splink, rapport.wiring))
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryDirectory() as place:
            sys.stdout.write(json.dumps(_run(asked, Path(place))) + "\n")
            sys.stdout.flush()


def _run(asked: dict[str, Any], place: Path) -> dict[str, Any]:
    names = {name: place / name for name in ("keys", "out", "talk", "steps")}
    names["keys"].write_text(asked["keys"], encoding="utf-8")
    child = os.fork()
    if child == 0:
        _work(asked, names)
    timer = None
    if asked["seconds"] is not None:
        timer = threading.Timer(asked["seconds"], os.kill, (child, signal.SIGKILL))
        timer.start()
    # Not reaped before the timer is off: its number cannot be another's when the kill falls.
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    if timer is not None:
        timer.cancel()
        timer.join()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    told = {name: names[name].read_text(encoding="utf-8") for name in ("out", "talk", "steps")}
    return {"code": code, "steps": told["steps"].splitlines(), "out": told["out"], "talk": told["talk"]}


def _work(asked: dict[str, Any], names: dict[str, Path]) -> None:
    """Be the command, and end."""
    code = 70
    try:
        flags = os.O_CREAT | os.O_WRONLY
        for number, opened in ((0, os.open(names["keys"], os.O_RDONLY)), (1, os.open(names["out"], flags)),
                               (2, os.open(names["talk"], flags))):  # fmt: skip
            os.dup2(opened, number)
        sys.stdin = os.fdopen(0, encoding="utf-8")
        _watch(asked["at"], os.open(names["steps"], flags))
        sys.argv = ["rapport", *asked["words"]]
        from rapport.cli.main import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _watch(at: str | None, steps: int) -> None:
    """Write down each step before it is taken, and a commit after it, too; kill this process at one of them."""
    from sqlalchemy import Connection, Engine, event
    from sqlalchemy.pool import Pool

    seen: Counter[str] = Counter()

    def come_to(step: str) -> None:
        os.write(steps, f"{step}\n".encode())
        if step == at:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)

    def renamed(happening: str, about: tuple[Any, ...]) -> None:
        if happening == "os.rename":
            place = Path(os.fsdecode(about[1]))
            come_to(f"rename {place.name if place.suffix else place.parent.name}")

    def committed(connection: Connection) -> None:
        if connection.get_execution_options().get("rapport_write"):
            seen["commit"] += 1
            come_to(f"commit {seen['commit']}")

    def given_back(*_: Any) -> None:
        if seen["after"] < seen["commit"]:
            seen["after"] = seen["commit"]
            come_to(f"after commit {seen['commit']}")

    sys.addaudithook(renamed)
    event.listen(Engine, "commit", committed)
    event.listen(Pool, "checkin", given_back)


if __name__ == "__main__":
    _answer()
