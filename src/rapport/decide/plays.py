"""What plays bring into the decision: a given worth, offers that count for more, and what is not said where.

Why it exists: a play is a reason to talk whose worth people state, for the customers for whom its condition holds.
In the decision it is an offer like any other, so that it competes for the same channels and minutes. Which customers
a play is for is worked out elsewhere; nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rapport.core.money import round_micros
from rapport.decide.problem import LEVELS_A_CHANNEL

NO_CAP = np.iinfo(np.int64).max
"""Stands for no cap of a play's own."""

CENTRAL, LOW, HIGH = 0, 1, 2
"""Which of the assumed shares of what is at stake."""


@dataclass(frozen=True)
class PlayTerms:
    """The plays of a turn as arrays: T plays, J offers of the catalogue, C channels.

    offer : (T,) position in the catalogue of the play's reason to talk, -1 where it has none
    share : (3, T) share of what is at stake that the talk is assumed to save or win: central, low, high
    cost_micros : (T,) what a talk costs beyond the channel where the customer is reached
    channel : (T,) the only channel of the reason to talk, -1
    of : (T, J) offers that the play counts for more, or shuts
    boost : (T,) share by which it counts those for more
    shut : (T, C) channels through which those are not said
    closes : (T, C) channels through which nothing is said
    most : (T,) contacts the customer may get within the period, `NO_CAP` for no cap of its own
    only : (C,) channels through which nothing but reasons to talk is said
    """

    offer: NDArray[np.int64]
    share: NDArray[np.float64]
    cost_micros: NDArray[np.int64]
    channel: NDArray[np.int64]
    of: NDArray[np.bool_]
    boost: NDArray[np.float64]
    shut: NDArray[np.bool_]
    closes: NDArray[np.bool_]
    most: NDArray[np.int64]
    only: NDArray[np.bool_]

    @classmethod
    def from_record(cls, record: Mapping[str, Any], offers: int) -> PlayTerms:
        """Return the plays that a turn's limits.json holds under `plays`."""
        told: Sequence[Mapping[str, Any]] = record["terms"]
        channels = int(record["channels"])

        def marked(name: str, width: int) -> NDArray[np.bool_]:
            out = np.zeros((len(told), width), dtype=np.bool_)
            for t, play in enumerate(told):
                out[t, play[name]] = True
            return out

        only = np.zeros(channels, dtype=np.bool_)
        only[record["only"]] = True
        return cls(
            offer=np.array([p["offer"] for p in told], dtype=np.int64),
            share=np.array([[p[s] for p in told] for s in ("share", "low", "high")], dtype=np.float64),
            cost_micros=np.array([p["cost_micros"] for p in told], dtype=np.int64),
            channel=np.array([p["channel"] for p in told], dtype=np.int64),
            of=marked("offers", offers),
            boost=np.array([p["boost"] for p in told], dtype=np.float64),
            shut=marked("shut", channels),
            closes=marked("closes", channels),
            most=np.array([NO_CAP if p["contacts"] is None else p["contacts"] for p in told], dtype=np.int64),
            only=only,
        )


@dataclass(frozen=True)
class PlayRows:
    """Which plays are for which customers of a batch, in the order of the customers; g pairs.

    row : (g,) the customer, ascending
    play : (g,) position in the turn's `PlayTerms`, ascending for a customer
    stake_micros : (g,) what is at stake for the customer, 0 where the play has no reason to talk
    """

    row: NDArray[np.int64]
    play: NDArray[np.int64]
    stake_micros: NDArray[np.int64]

    @classmethod
    def none(cls) -> PlayRows:
        """Return that no play is for anybody."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, nothing, nothing)

    @classmethod
    def joined(cls, parts: Sequence[PlayRows], widths: Sequence[int]) -> PlayRows:
        """Return the plays of several batches of so many customers each, one batch after another."""
        first = np.concatenate([[0], np.cumsum(widths)])[:-1]
        return cls(
            np.concatenate([p.row + f for p, f in zip(parts, first, strict=True)]),
            np.concatenate([p.play for p in parts]),
            np.concatenate([p.stake_micros for p in parts]),
        )

    def part(self, first: int, last: int) -> PlayRows:
        """Return the plays of the customers from `first` to before `last`, as views where nothing moves."""
        here = slice(*np.searchsorted(self.row, [first, last]))
        return PlayRows(self.row[here] - first, self.play[here], self.stake_micros[here])

    def take(self, rows: NDArray[np.integer]) -> PlayRows:
        """Return the plays of some customers."""
        low, high = np.searchsorted(self.row, rows, side="left"), np.searchsorted(self.row, rows, side="right")
        width = high - low
        at = np.repeat(low - np.concatenate([[0], np.cumsum(width)[:-1]]), width) + np.arange(width.sum())
        return PlayRows(np.repeat(np.arange(len(rows)), width), self.play[at], self.stake_micros[at])


class _Lists(Protocol):
    """Lists for each row, such as `rows.Ragged`."""

    @property
    def start(self) -> NDArray[np.int64]:
        """Return where the list of each row begins, and where the last ends."""
        ...

    @property
    def values(self) -> NDArray[np.int32]:
        """Return the values of all lists."""
        ...


def worth_micros(
    stake_micros: NDArray[np.int64], plays: PlayTerms, play: NDArray[np.int64], which: int
) -> NDArray[np.int64]:
    """Return what reasons to talk are worth where the customer is reached: ``stake x share - cost``, int64 micros."""
    worth: NDArray[np.int64] = round_micros(stake_micros * plays.share[which, play]) - plays.cost_micros[play]
    return worth


def given_micros(rows: PlayRows, plays: PlayTerms, open_to: _Lists, which: int = CENTRAL) -> NDArray[np.int64]:
    """Return for each open offer of a batch the worth that plays give it, 0 for all others; shape (m,)."""
    out = np.zeros(len(open_to.values), dtype=np.int64)
    talks = np.flatnonzero(plays.offer[rows.play] >= 0)
    row, play = rows.row[talks], rows.play[talks]
    width = np.int64(plays.of.shape[1] + 1)
    # One number for each pair of customer and offer; the open ones ascend.
    there = np.repeat(np.arange(len(open_to.start) - 1), np.diff(open_to.start)) * width + open_to.values
    wanted = row * width + plays.offer[play]
    at = np.searchsorted(there, wanted)
    found = np.flatnonzero(at < len(there))
    found = found[there[at[found]] == wanted[found]]
    out[at[found]] = worth_micros(rows.stake_micros[talks][found], plays, play[found], which)
    return out


def boost_factors(rows: PlayRows, plays: PlayTerms, open_to: _Lists) -> NDArray[np.float64]:
    """Return the factor by which plays raise each open offer's value in the choice, shape (m,)."""
    factor = np.ones(len(open_to.values))
    for t in np.flatnonzero(plays.boost != 0.0):
        factor[_touched(rows, plays, open_to, t)] *= 1.0 + plays.boost[t]
    return factor


def open_bits(rows: PlayRows, plays: PlayTerms, open_to: _Lists) -> NDArray[np.int64]:
    """Return the routes that plays leave to each open offer, one bit for each route, shape (m,).

    A reason to talk goes through its channel, as part of an individual portfolio, and through no other; offers do not
    go through channels that are for talk alone, nor through those that a play shuts for the customer.
    """
    whole = (1 << LEVELS_A_CHANNEL) - 1
    bits = np.full(plays.of.shape[1], _bits_of(~plays.only, whole), dtype=np.int64)
    talks = np.flatnonzero(plays.offer >= 0)
    bits[plays.offer[talks]] = np.int64(1) << (plays.channel[talks] * LEVELS_A_CHANNEL + LEVELS_A_CHANNEL - 1)
    out = bits[open_to.values]
    for t in np.flatnonzero(plays.shut.any(axis=1)):
        left = _bits_of(~plays.shut[t], whole)
        out[_touched(rows, plays, open_to, t)] &= left
    return out


def _bits_of(channels: NDArray[np.bool_], levels: int) -> int:
    return sum(levels << (int(c) * LEVELS_A_CHANNEL) for c in np.flatnonzero(channels))


def _touched(rows: PlayRows, plays: PlayTerms, open_to: _Lists, t: np.integer) -> NDArray[np.bool_]:
    """Return which open offers a play touches: those it is about, of the customers it is for."""
    mine = np.zeros(len(open_to.start) - 1, dtype=np.bool_)
    mine[rows.row[rows.play == t]] = True
    touched: NDArray[np.bool_] = np.repeat(mine, np.diff(open_to.start)) & plays.of[t][open_to.values]
    return touched


def closed_channels(rows: PlayRows, plays: PlayTerms | None, customers: int, channels: int) -> NDArray[np.bool_]:
    """Return which channels plays close to each customer, shape (n, C)."""
    closed = np.zeros((customers, channels), dtype=np.bool_)
    if plays is not None:
        np.logical_or.at(closed, rows.row, plays.closes[rows.play])
    return closed


def most_contacts(rows: PlayRows, plays: PlayTerms | None, customers: int, contacts: int) -> NDArray[np.int64]:
    """Return how often each customer may be contacted within the period: the policy's cap, or a lower one, (n,)."""
    most = np.full(customers, contacts, dtype=np.int64)
    if plays is not None:
        np.minimum.at(most, rows.row, plays.most[rows.play])
    return most


def offers_apart(plays: PlayTerms | None, offers: int) -> NDArray[np.bool_]:
    """Return the offers that a play shuts in a channel where it leaves others open, shape (J,)."""
    apart = np.zeros(offers, dtype=np.bool_)
    if plays is not None:
        sold = np.ones(offers, dtype=np.bool_)
        sold[plays.offer[plays.offer >= 0]] = False
        for t in np.flatnonzero(plays.shut.any(axis=1)):
            if not plays.of[t][sold].all():
                apart |= plays.of[t]
    return apart
