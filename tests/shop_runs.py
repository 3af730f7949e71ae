"""Runs the command line as a user would, in a process of its own, and compares what it leaves behind.

Why it exists: what is promised about exit codes, bytes and killed turns is promised of processes and folders, so it
is proved on them. Nothing of the package is called here.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "rapport.cli.main")
TURN = "2026-W01"
"""The shop's data end on 2025-12-28, so its turn is of Monday 2025-12-29, in the first ISO week of 2026."""


@dataclass(frozen=True)
class Ran:
    """What a process left on the terminal."""

    code: int
    out: str
    talk: str

    @property
    def data(self) -> Any:
        """Return stdout read as one JSON document."""
        return json.loads(self.out)


def rapport(*words: str | Path, pandas: bool = False) -> Ran:
    """Run one command to its end; only what measures another library may import pandas."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"COLUMNS": "200"} if pandas else environment(),
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def done(*words: str | Path, pandas: bool = False) -> Ran:
    """Run one command that must succeed."""
    ran = rapport(*words, pandas=pandas)
    assert ran.code == 0, ran.talk
    assert "Warning" not in ran.talk, ran.talk
    return ran


def started(*words: str | Path) -> subprocess.Popen[bytes]:
    """Start one command and return its process."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )


def environment() -> dict[str, str]:
    """Return the environment commands run in: no pandas, and wide enough that no line of help is broken."""
    bare = str(Path(__file__).with_name("without_pandas"))
    path = os.pathsep.join([bare, *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path}


def copied(shop: Path, to: Path, state: bool = True) -> Path:
    """Copy a programme's folder, with or without its state; times of files are kept."""
    left_out = None if state else shutil.ignore_patterns("state")
    return Path(shutil.copytree(shop, to, ignore=left_out))


def rewrite(file: Path, old: str, new: str) -> None:
    """Replace one piece of a file; refuse to replace what is not there."""
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def keep_rows(file: Path, wanted: Callable[[dict[str, str]], bool]) -> None:
    """Keep the rows of a CSV file that are wanted."""
    with file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        names: Sequence[str] = reader.fieldnames or ()
        rows = [row for row in reader if wanted(row)]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return every file and folder with its size and the time it was changed."""
    return {
        str(p.relative_to(folder)): (0 if p.is_dir() else p.stat().st_size, p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
    }


def half_written(folder: Path) -> list[str]:
    """Return what stands under a temporary name."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*.part"))


def remains(shop: Path) -> dict[str, Any]:
    """Return what a programme's state holds: the bytes of every file, the rows of the memory, no seconds.

    Left out are the lock, which is empty, and the seconds each stage took; the memory is compared row by row, since
    SQLite counts its own changes inside the file.
    """
    state = shop / "state"
    found: dict[str, Any] = {}
    for path in sorted(p for p in state.rglob("*") if p.is_file() and p.name != "lock"):
        name = str(path.relative_to(state))
        if path.name == "memory.db":
            found[name] = memory_rows(path)
        elif path.name == "turn.json":
            record = json.loads(path.read_text(encoding="utf-8"))
            for stage in record["stages"].values():
                assert stage.pop("seconds") >= 0
            found[name] = record
        else:
            found[name] = path.read_bytes()
    return found


def memory_rows(path: Path) -> list[str]:
    """Return the memory as SQL text, tables and rows in order."""
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the names under which two results of `remains` differ."""
    return sorted(n for n in one.keys() | other.keys() if one.get(n) != other.get(n))


def half_sent(folder: Path) -> Path:
    """Make a turn look as if it had been killed after its messages were carried; return the turn's folder."""
    turn = folder / "state" / "turns" / TURN
    told = json.loads((turn / "turn.json").read_text(encoding="utf-8"))
    del told["stages"]["send"], told["stages"]["readout"]
    (turn / "turn.json").write_text(json.dumps(told), encoding="utf-8")
    for name in ("touches.parquet", "readout.parquet", "report.html"):
        (turn / name).unlink()
    return turn
