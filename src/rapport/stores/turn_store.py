"""The files of a programme's state: tables written whole or not at all, one writer at a time.

Why it exists: a turn can be killed at any moment. Every file is written under a temporary name, flushed and then
renamed, so what stands under its own name is complete.

Layout::

    state/loaded/<digest>/    the sources, mapped and checked
    state/turns/<turn>/       the tables of a turn, turn.json, report.html, outbox/
    state/models/             what was learned, versioned
    state/baseline.json       the goals' measures before the first turn
    state/memory.db           who is held out, what was delivered
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rapport.core.errors import StateDamaged, TurnBusy, UnknownTurn, nearest

_TEMPORARY = ".part"


class TurnStore:
    """State of one programme on disk.

    Parameters
    ----------
    base : Path
        The programme's folder.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.state = base / "state"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the programme's lock; it goes with the process, also when that is killed.

        Raises
        ------
        TurnBusy
            Another process holds it.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TurnBusy(
                    f"{self.state}: another process is working on this programme; only one may. Wait for it to end."
                ) from error
            self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove what a killed process left half-written."""
        # Listed before anything goes: a folder must not vanish while it is being walked.
        for left in sorted(self.state.rglob(f"*{_TEMPORARY}")):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)

    def turn_folder(self, turn: str) -> Path:
        """Return the folder of a turn."""
        return self.state / "turns" / turn

    def turns(self) -> list[str]:
        """Return the names of the turns begun so far, oldest first."""
        folder = self.state / "turns"
        if not folder.is_dir():
            return []
        return sorted(p.name for p in folder.iterdir() if p.is_dir() and p.suffix != _TEMPORARY)

    def require_turn(self, turn: str | None) -> str:
        """Return the turn asked for, or the latest; raise UnknownTurn where there is none."""
        known = self.turns()
        if not known:
            raise UnknownTurn(f"{self.state}: no turn has begun. Run: rapport turn {self.base}")
        if turn is None:
            return known[-1]
        if turn not in known:
            raise UnknownTurn(f"turn {turn!r} is not known; there are: {', '.join(known)}.{nearest(turn, known)}")
        return turn

    def discard_turn(self, turn: str) -> None:
        """Remove all files of a turn at once; what a killed removal leaves is swept up by the next writer."""
        folder = self.turn_folder(turn)
        if folder.exists():
            gone = folder.with_name(folder.name + _TEMPORARY)
            folder.rename(gone)
            shutil.rmtree(gone)

    def loaded_folder(self, digest: str) -> Path:
        """Return the folder of the loaded tables of a state of the sources."""
        return self.state / "loaded" / digest[:16]

    @contextmanager
    def folder_when_whole(self, folder: Path) -> Iterator[Path]:
        """Yield an empty folder that takes the name `folder` only when the block ends well."""
        part = folder.with_name(folder.name + _TEMPORARY)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            yield part
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)

    def write_table(self, turn: str, name: str, table: pa.Table) -> None:
        """Write a table of a turn, whole or not at all; the same table gives the same bytes."""
        path = self.turn_folder(turn) / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + _TEMPORARY)
        pq.write_table(table, part, compression="zstd")
        _flush(part)
        part.replace(path)

    def read_table(self, turn: str, name: str) -> pa.Table:
        """Return a table of a turn; raise StateDamaged where it cannot be read."""
        return read_parquet(self.turn_folder(turn) / f"{name}.parquet")

    def has_table(self, turn: str, name: str) -> bool:
        """Return whether a table of a turn has been written."""
        return (self.turn_folder(turn) / f"{name}.parquet").is_file()

    def write_text(self, path: Path, text: str) -> None:
        """Write a text file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + _TEMPORARY)
        part.write_text(text, encoding="utf-8")
        _flush(part)
        part.replace(path)

    def write_json(self, path: Path, value: Any) -> None:
        """Write plain values as JSON, keys in order, whole or not at all."""
        self.write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")

    def read_json(self, path: Path) -> Any:
        """Return the plain values of a JSON file, or None where there is no file."""
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StateDamaged(f"{path}: not JSON: {error}. Remove the file to compute it again.") from error


def read_parquet(path: Path) -> pa.Table:
    """Return the table of a Parquet file of the state; raise StateDamaged where it cannot be read."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise StateDamaged(f"{path}: cannot be read: {error}. Remove the turn's folder and run it again.") from error


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
