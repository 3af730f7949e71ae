"""The memory of what outlives a turn: who is held out, for ever, and what was delivered to whom.

Why it exists: the next contact starts from the last one. One store with the memory of customers, changes in
transactions.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from rapport.stores.database import Database


class Memory:
    """The memory of one programme, made when it is first used: a SQLite file, or the database of an address."""

    def __init__(self, place: Path | URL) -> None:
        self._place = place
        self._opened: Database | None = None

    @property
    def _database(self) -> Database:
        if self._opened is None:
            from rapport.stores.database import Database, sqlite_address

            self._opened = Database(sqlite_address(self._place) if isinstance(self._place, Path) else self._place)
        return self._opened

    def held_out(self) -> NDArray[np.int64]:
        """Return the keys of the households held out so far, ascending."""
        from sqlalchemy import select

        from rapport.stores.tables import holdout

        with self._database.reading() as c:
            found = c.scalars(select(holdout.c.household_key).distinct().order_by(holdout.c.household_key)).all()
        return np.array(found, dtype=np.int64)

    def hold_out(self, household_keys: Iterable[int], turn: str) -> None:
        """Remember that households are held out in a turn, and so for ever."""
        from rapport.stores.bulk import write_rows
        from rapport.stores.tables import holdout

        with self._database.writing() as c:
            write_rows(c, holdout, ("household_key", "turn"), [(int(k), turn) for k in household_keys])

    def forget_holdout(self, turn: str) -> None:
        """Forget that a turn held anybody out; only for one that is discarded and of which nothing was sent."""
        from sqlalchemy import delete

        from rapport.stores.tables import holdout

        with self._database.writing() as c:
            c.execute(delete(holdout).where(holdout.c.turn == turn))

    def contacts(self, first: date, before: date, besides: str) -> dict[int, int]:
        """Return contacts, carried or withheld, per customer on days in [first, before), but of the turn besides."""
        from sqlalchemy import func, select

        from rapport.stores.tables import delivery as d

        query = (
            select(d.c.customer_key, func.count())
            .where(d.c.day >= first.isoformat(), d.c.day < before.isoformat(), d.c.turn != besides)
            .group_by(d.c.customer_key)
        )
        with self._database.reading() as c:
            return dict(c.execute(query).all())

    def turns(self) -> set[str]:
        """Return the turns of which something was delivered."""
        from sqlalchemy import select

        from rapport.stores.tables import delivery

        with self._database.reading() as c:
            return set(c.scalars(select(delivery.c.turn).where(delivery.c.carried != 0).distinct()))

    def remember_deliveries(self, rows: Iterable[tuple[str, int, str, date, str, bool]]) -> int:
        """Remember (touch_id, customer_key, turn, day, channel, carried); return how many were new.

        What was withheld from the held-out is remembered too, not carried: they use up their contacts like the
        treated, or the two would be decided by other rules in the next turn.
        """
        from rapport.stores.bulk import write_rows
        from rapport.stores.tables import delivery

        columns = ("touch_id", "customer_key", "turn", "day", "channel", "carried")
        plain = [(t, int(k), turn, day.isoformat(), channel, int(done)) for t, k, turn, day, channel, done in rows]
        with self._database.writing() as c:
            return write_rows(c, delivery, columns, plain)
