"""The memory of what outlives a turn: who is held out, for ever, and what was delivered to whom.

Why it exists: the next contact starts from the last one. One store with the memory of customers, changes in
transactions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from rapport.stores.database import Database


_WORD = 0xFFFFFFFFFFFFFFFF
"""Keys stand in the ids of touches as 64 bits without a sign."""


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

    def keyed(self, customers: Iterable[int], households: Iterable[int]) -> dict[str, int]:
        """Return how many rows are about customers and households: `deliveries` and `holdouts`."""
        from sqlalchemy import func, select

        from rapport.stores.bulk import in_pieces
        from rapport.stores.tables import delivery, holdout

        counts = {"deliveries": 0, "holdouts": 0}
        pairs = (
            ("deliveries", delivery.c.customer_key, customers),
            ("holdouts", holdout.c.household_key, households),
        )
        with self._database.reading() as c:
            for name, column, keys in pairs:
                for piece in in_pieces(int(k) for k in keys):
                    counts[name] += c.execute(select(func.count()).where(column.in_(piece))).scalar_one()
        return counts

    def replace_keys(self, customers: Mapping[int, int], households: Mapping[int, int]) -> None:
        """Put other keys in the place of those of forgotten customers and households, for ever.

        Rows stay, so that what was delivered and who is held out can be counted. A SQLite file is written anew, so
        that no page of it holds what was there before.
        """
        from sqlalchemy import func, update

        from rapport.stores.tables import delivery, holdout

        d, h = delivery.c, holdout.c
        with self._database.writing() as c:
            for old, new in customers.items():
                touch = func.replace(d.touch_id, f"{old & _WORD:016x}", f"{new & _WORD:016x}")
                c.execute(update(delivery).where(d.customer_key == old).values(touch_id=touch, customer_key=new))
            for old, new in households.items():
                c.execute(update(holdout).where(h.household_key == old).values(household_key=new))
        if self._database.sqlite:
            with self._database.outside() as c:
                c.exec_driver_sql("VACUUM")
                c.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
