"""A batch of customers as the decision reads it: who they are, how to reach them, which offers are open to them.

Why it exists: the scores of a turn hold either the whole catalogue for each customer or a shortlist; the decision
sees both as one list of open offers, customer by customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import StateDamaged
from rapport.decide.boosts import boosts_of, joined_boosts
from rapport.decide.plays import PlayRows
from rapport.decide.problem import gathered


@dataclass(frozen=True)
class Ragged:
    """Lists of whole numbers, one for each row: the values of row i are ``values[start[i]:start[i + 1]]``."""

    start: NDArray[np.int64]
    values: NDArray[np.int32]

    @classmethod
    def empty(cls, n: int) -> Ragged:
        """Return an empty list for each of n rows."""
        return cls(np.zeros(n + 1, dtype=np.int64), np.zeros(0, dtype=np.int32))

    @classmethod
    def joined(cls, parts: Sequence[Ragged]) -> Ragged:
        """Return the lists of several batches, one batch after another."""
        width = np.concatenate([np.diff(p.start) for p in parts])
        return cls(starts(width), np.concatenate([p.values for p in parts]))

    def row(self) -> NDArray[np.int64]:
        """Return the row of each value."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def part(self, first: int, last: int) -> Ragged:
        """Return the lists from row `first` to before `last`."""
        begin, end = self.start[first], self.start[last]
        return Ragged(self.start[first : last + 1] - begin, self.values[begin:end])

    def take(self, rows: NDArray[np.int64]) -> Ragged:
        """Return the lists of some rows."""
        start, at = gathered(self.start, rows)
        return Ragged(start, self.values[at])


def starts(width: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return where lists of given lengths begin when they stand one after another, and where the last ends."""
    return np.concatenate([[0], np.cumsum(width)]).astype(np.int64)


@dataclass(frozen=True)
class Rows:
    """n customers, C channels, m open offers in all.

    open_to : the offers that no rule excludes, by customer, ascending positions in the catalogue
    base_probability, bought_before : (m,) of those offers
    value_micros : (n,) expected contribution of the customer over the horizon, which a contact too many puts at risk
    scopes : the scopes of limits that each customer belongs to
    must : offers that must stand in whatever is said
    forced : (n,) the customer must be spoken to where any channel is open
    boost : (m,) the share by which people made an open offer count for more with the customer; None for nowhere
    plays : the plays that are for each customer
    """

    customer_key: NDArray[np.int64]
    tier: NDArray[np.object_]
    holdout: NDArray[np.bool_]
    contacts_in_period: NDArray[np.int64]
    reachable: NDArray[np.bool_]
    value_micros: NDArray[np.int64]
    open_to: Ragged
    base_probability: NDArray[np.float64]
    bought_before: NDArray[np.bool_]
    scopes: Ragged
    must: Ragged
    forced: NDArray[np.bool_]
    boost: NDArray[np.float64] | None = None
    plays: PlayRows = field(default_factory=PlayRows.none)

    def __len__(self) -> int:
        """Return how many customers there are."""
        return len(self.customer_key)

    def part(self, first: int, last: int) -> Rows:
        """Return the customers from `first` to before `last`, as views."""
        here, seen = slice(first, last), slice(self.open_to.start[first], self.open_to.start[last])
        return Rows(
            customer_key=self.customer_key[here],
            tier=self.tier[here],
            holdout=self.holdout[here],
            contacts_in_period=self.contacts_in_period[here],
            reachable=self.reachable[here],
            value_micros=self.value_micros[here],
            open_to=self.open_to.part(first, last),
            base_probability=self.base_probability[seen],
            bought_before=self.bought_before[seen],
            scopes=self.scopes.part(first, last),
            must=self.must.part(first, last),
            forced=self.forced[here],
            boost=None if self.boost is None else self.boost[seen],
            plays=self.plays.part(first, last),
        )

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return some customers."""
        seen = gathered(self.open_to.start, rows)[1]
        of_offers = {"base_probability", "bought_before", "boost"}
        columns: dict[str, Any] = {}
        for f in fields(self):
            values = getattr(self, f.name)
            if values is None:
                columns[f.name] = None
            elif isinstance(values, Ragged | PlayRows):
                columns[f.name] = values.take(rows)
            else:
                columns[f.name] = values[seen if f.name in of_offers else rows]
        return Rows(**columns)

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Return several batches, at least one, as one."""

        def flat(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(p, name) for p in parts])

        def ragged(name: str) -> Ragged:
            return Ragged.joined([getattr(p, name) for p in parts])

        columns: dict[str, Any] = {
            f.name: (ragged if f.type == "Ragged" else flat)(f.name)
            for f in fields(cls)
            if f.name not in ("boost", "plays")
        }
        return cls(
            **columns,
            boost=joined_boosts([(p.boost, len(p.base_probability)) for p in parts]),
            plays=PlayRows.joined([p.plays for p in parts], [len(p) for p in parts]),
        )

    @classmethod
    def from_table(cls, table: pa.Table, offers: int, channels: int) -> Rows:
        """Return the rows of a table that has the columns of `core.tables.SCORES` and a boolean `holdout`.

        Where the table has `candidate_offers`, those and `candidate_probabilities`, `candidate_bought_before` are the
        open offers; else the lists over the whole catalogue are read, without what is excluded.

        Raises
        ------
        StateDamaged
            A base probability is no number in [0, 1], or a shortlist is not one of ascending positions.
        """
        n = len(table)
        if "candidate_offers" in table.column_names:
            open_to = _ragged(table, "candidate_offers")
            base = _values(table["candidate_probabilities"]).astype(np.float64)
            before = _values(table["candidate_bought_before"]).astype(np.bool_)
        else:
            open_to, base, before = _open_of_all(table, n, offers)
        _check_open(table, open_to, base, before, offers)
        return cls(
            customer_key=_flat(table["customer_key"]).astype(np.int64),
            tier=np.array(table["tier"].to_pylist(), dtype=object),
            holdout=_flat(table["holdout"]).astype(np.bool_),
            contacts_in_period=_flat(table["contacts_in_period"]).astype(np.int64),
            reachable=_values(table["reachable"]).reshape(n, channels).astype(np.bool_),
            value_micros=_flat(table["actual_value_micros"].fill_null(0)).astype(np.int64),
            open_to=open_to,
            base_probability=base,
            bought_before=before,
            scopes=_ragged(table, "scopes"),
            must=_ragged(table, "must_offers"),
            forced=_flags(table, "forced"),
            boost=boosts_of(table, open_to.row(), open_to.values),
            plays=_plays(table),
        )


def _open_of_all(table: pa.Table, n: int, offers: int) -> tuple[Ragged, NDArray[np.float64], NDArray[np.bool_]]:
    open_to = _values(table["excluded"]).reshape(n, offers) == 0
    row, offer = np.nonzero(open_to)
    at = row * offers + offer
    return (
        Ragged(starts(np.bincount(row, minlength=n)), offer.astype(np.int32)),
        _values(table["base_probability"])[at].astype(np.float64),
        _values(table["bought_before"])[at].astype(np.bool_),
    )


def _check_open(
    table: pa.Table, open_to: Ragged, base: NDArray[np.float64], before: NDArray[np.bool_], offers: int
) -> None:
    """Raise StateDamaged where the open offers cannot be: compiled loops would read on regardless."""
    if not len(open_to.values) == len(base) == len(before):
        raise StateDamaged(
            f"scores: the lists of open offers hold {len(open_to.values)} offers, {len(base)} probabilities and "
            f"{len(before)} marks of purchase; they must be of one length. Score the turn again."
        )
    ahead = np.diff(open_to.values.astype(np.int64), prepend=-1) > 0
    ahead[open_to.start[:-1][np.diff(open_to.start) > 0]] = True
    ordered = ahead & (open_to.values >= 0) & (open_to.values < offers)
    # The comparison is false for what is no number.
    fair = (base >= 0.0) & (base <= 1.0)
    if ordered.all() and fair.all():
        return
    at = int(np.argmin(ordered & fair))
    row = int(np.searchsorted(open_to.start, at, side="right")) - 1
    who, offer = table["customer_id"][row].as_py(), open_to.values[at]
    if not fair[at]:
        raise StateDamaged(
            f"scores: customer {who!r}, offer at position {offer}: base_probability is {base[at]}; "
            f"must lie in [0, 1]. Score the turn again."
        )
    raise StateDamaged(
        f"scores: customer {who!r}: the open offers go on with position {offer}; must be ascending positions below "
        f"{offers}, each once. Score the turn again."
    )


def _flat(column: pa.ChunkedArray) -> NDArray[np.generic]:
    array: NDArray[np.generic] = column.combine_chunks().to_numpy(zero_copy_only=False)
    return array


def _values(column: pa.ChunkedArray) -> NDArray[np.generic]:
    values: NDArray[np.generic] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values


def _flags(table: pa.Table, name: str) -> NDArray[np.bool_]:
    if name not in table.column_names:
        return np.zeros(len(table), dtype=np.bool_)
    return _flat(table[name].fill_null(False)).astype(np.bool_)


def _ragged(table: pa.Table, name: str) -> Ragged:
    """Return a list column; a missing column, and a null, hold nothing."""
    if name not in table.column_names:
        return Ragged.empty(len(table))
    column = table[name].combine_chunks()
    width = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    values = column.flatten().to_numpy(zero_copy_only=False).astype(np.int32)
    return Ragged(starts(width), values)


def _plays(table: pa.Table) -> PlayRows:
    """Return the plays of each customer; a missing column, and a null, hold nothing."""
    plays = _ragged(table, "plays")
    stakes = np.zeros(0, dtype=np.int64)
    if "play_stakes_micros" in table.column_names:
        stakes = _values(table["play_stakes_micros"]).astype(np.int64)
    if len(stakes) != len(plays.values):
        raise StateDamaged(
            f"scores: the lists of plays hold {len(plays.values)} plays and {len(stakes)} amounts at stake; must be "
            f"of one length. Score the turn again."
        )
    return PlayRows(plays.row(), plays.values.astype(np.int64), stakes)
