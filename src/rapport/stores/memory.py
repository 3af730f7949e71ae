"""The memory of what outlives a turn: who is held out, for ever, and what was delivered to whom.

Why it exists: the next contact starts from the last one. SQLite, one file, changes in transactions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import StateDamaged

_SCHEMA = """
CREATE TABLE IF NOT EXISTS holdout (
    household_key INTEGER NOT NULL, turn TEXT NOT NULL, PRIMARY KEY (household_key, turn)
) STRICT;
CREATE TABLE IF NOT EXISTS delivery (
    touch_id TEXT PRIMARY KEY, customer_key INTEGER NOT NULL, turn TEXT NOT NULL,
    day TEXT NOT NULL, channel TEXT NOT NULL, carried INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_by_day ON delivery (day, customer_key);
"""


class Memory:
    """The memory of one programme in a SQLite file, made when it is first opened."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self._path)) as connection:
                connection.executescript(_SCHEMA)
                with connection:
                    yield connection
        except sqlite3.DatabaseError as error:
            raise StateDamaged(f"{self._path}: {error}. Restore the file from a copy.") from error

    def held_out(self) -> NDArray[np.int64]:
        """Return the keys of the households held out so far, ascending."""
        with self._open() as c:
            found = c.execute("SELECT DISTINCT household_key FROM holdout ORDER BY household_key").fetchall()
        return np.array([k for (k,) in found], dtype=np.int64)

    def hold_out(self, household_keys: Iterable[int], turn: str) -> None:
        """Remember that households are held out in a turn, and so for ever."""
        with self._open() as c:
            c.executemany("INSERT OR IGNORE INTO holdout VALUES (?, ?)", [(int(k), turn) for k in household_keys])

    def forget_holdout(self, turn: str) -> None:
        """Forget that a turn held anybody out; only for one that is discarded and of which nothing was sent."""
        with self._open() as c:
            c.execute("DELETE FROM holdout WHERE turn = ?", (turn,))

    def contacts(self, first: date, before: date, besides: str) -> dict[int, int]:
        """Return contacts, carried or withheld, per customer on days in [first, before), but of the turn besides."""
        query = """SELECT customer_key, count(*) FROM delivery
                   WHERE day >= ? AND day < ? AND turn <> ? GROUP BY customer_key"""
        with self._open() as c:
            return dict(c.execute(query, (first.isoformat(), before.isoformat(), besides)).fetchall())

    def turns(self) -> set[str]:
        """Return the turns of which something was delivered."""
        with self._open() as c:
            return {turn for (turn,) in c.execute("SELECT DISTINCT turn FROM delivery WHERE carried")}

    def remember_deliveries(self, rows: Iterable[tuple[str, int, str, date, str, bool]]) -> int:
        """Remember (touch_id, customer_key, turn, day, channel, carried); return how many were new.

        What was withheld from the held-out is remembered too, not carried: they use up their contacts like the
        treated, or the two would be decided by other rules in the next turn.
        """
        with self._open() as c:
            before = c.total_changes
            c.executemany(
                "INSERT OR IGNORE INTO delivery VALUES (?, ?, ?, ?, ?, ?)",
                [(t, int(k), turn, day.isoformat(), channel, int(done)) for t, k, turn, day, channel, done in rows],
            )
            return c.total_changes - before
