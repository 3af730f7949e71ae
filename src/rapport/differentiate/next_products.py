"""What each group of customers owns and could take next: probabilities, who it pays for, and what it could bring.

Why it exists: people who decide by group must see the spread within the group, not only its average. Arrays in,
arrays out; words, files and edits are made elsewhere, and nothing is chosen for anybody here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.economics.contribution import incremental_micros, with_offer_probability

CELLS = 4_000_000
"""Customers times offers looked at together: some hundred megabytes."""


@dataclass(frozen=True)
class OfferTerms:
    """What offers cost and what they are assumed, or were measured, to do; J offers.

    price_micros, margin_share, depth : (J,)
    odds_ratio, low, high : odds of buying with the offer seen over the odds without; central value and range
    """

    price_micros: NDArray[np.int64]
    margin_share: NDArray[np.float64]
    depth: NDArray[np.float64]
    odds_ratio: float
    low: float
    high: float

    def part(self, offers: slice) -> OfferTerms:
        """Return the terms of some offers."""
        return OfferTerms(
            self.price_micros[offers],
            self.margin_share[offers],
            self.depth[offers],
            self.odds_ratio,
            self.low,
            self.high,
        )


@dataclass(frozen=True)
class Known:
    """n customers by J offers, as the scores hold them.

    base : float32, probability of buying within the validity without the offer
    open_to : bool, nothing excludes the offer
    before : bool, the item was ever bought
    """

    base: NDArray[np.float32]
    open_to: NDArray[np.bool_]
    before: NDArray[np.bool_]


@dataclass(frozen=True)
class GroupProducts:
    """S groups by J offers. Probabilities are of customers to whom the offer is open; NaN where there is none.

    members : (S,) customers of the group; the rest is of shape (S, J)
    owned : customers who ever bought the item
    open_to, never : customers to whom the offer is open, and those among them who never bought the item
    pays : customers among them for whom the offer, seen, is worth more than nothing
    mean, least, median, most : probability of buying without the offer
    response : mean probability of buying once the offer is seen
    expected, low, high : int64 micros, what the offer brings from those for whom it pays if all of them see it, at
        the central lift and at both ends of its range
    """

    members: NDArray[np.int64]
    owned: NDArray[np.int64]
    open_to: NDArray[np.int64]
    never: NDArray[np.int64]
    pays: NDArray[np.int64]
    mean: NDArray[np.float64]
    least: NDArray[np.float64]
    median: NDArray[np.float64]
    most: NDArray[np.float64]
    response: NDArray[np.float64]
    expected: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


def group_products(
    known: Known,
    group: NDArray[np.int64],
    groups: int,
    terms: OfferTerms,
    advance: Callable[[int], None] = lambda _: None,
) -> GroupProducts:
    """Return what each group owns and could take next.

    Parameters
    ----------
    group : (n,) int64, the group of each customer in [0, groups), -1 for customers of none
    advance : callable, told of offers done

    Returns
    -------
    GroupProducts, shape (groups, J)
    """
    n, offers = known.base.shape
    out = _empty(groups, offers)
    rows = [np.flatnonzero(group == s) for s in range(groups)] if groups <= 64 else _rows_of(group, groups)
    out.members[:] = [len(r) for r in rows]
    width = max(1, CELLS // max(n, 1))
    for first in range(0, offers, width):
        here = slice(first, min(first + width, offers))
        part = Known(known.base[:, here], known.open_to[:, here], known.before[:, here])
        worth = _worth(part, terms.part(here))
        for s, mine in enumerate(rows):
            _fill(out, s, here, part, mine, worth)
        advance(here.stop - here.start)
    return out


def _rows_of(group: NDArray[np.int64], groups: int) -> list[NDArray[np.int64]]:
    order = np.argsort(group, kind="stable")
    cuts = np.searchsorted(group[order], np.arange(groups + 1))
    return [order[cuts[s] : cuts[s + 1]] for s in range(groups)]


def _empty(groups: int, offers: int) -> GroupProducts:
    shape = (groups, offers)
    whole = {"owned", "open_to", "never", "pays", "expected", "low", "high"}
    columns: dict[str, Any] = {
        f.name: np.zeros(shape, dtype=np.int64) if f.name in whole else np.full(shape, np.nan)
        for f in fields(GroupProducts)
        if f.name != "members"
    }
    return GroupProducts(members=np.zeros(groups, dtype=np.int64), **columns)


@dataclass(frozen=True)
class _Worth:
    """Of n customers and some offers: int64 micros at the central, low and high lift; probability once seen."""

    central: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    response: NDArray[np.float64]


def _worth(part: Known, terms: OfferTerms) -> _Worth:
    base = part.base.astype(np.float64)
    central, low, high = (
        incremental_micros(base, odds, terms.price_micros, terms.margin_share, terms.depth)
        for odds in (terms.odds_ratio, terms.low, terms.high)
    )
    return _Worth(central, low, high, with_offer_probability(base, terms.odds_ratio))


def _fill(out: GroupProducts, s: int, here: slice, part: Known, mine: NDArray[np.int64], worth: _Worth) -> None:
    """Fill the row of one group for some offers."""
    is_open = part.open_to[mine]
    count = is_open.sum(axis=0)
    out.owned[s, here] = part.before[mine].sum(axis=0)
    out.open_to[s, here] = count
    out.never[s, here] = (is_open & ~part.before[mine]).sum(axis=0)
    pays = is_open & (worth.central[mine] > 0)
    out.pays[s, here] = pays.sum(axis=0)
    for name in ("central", "low", "high"):
        amounts = np.where(pays, getattr(worth, name)[mine], 0).sum(axis=0)
        getattr(out, "expected" if name == "central" else name)[s, here] = amounts
    if not len(mine):
        return
    some = np.flatnonzero(count)
    last = count[some] - 1
    # What is not open stands behind, as infinity.
    ordered = np.sort(np.where(is_open, part.base[mine].astype(np.float64), np.inf), axis=0)[:, some]
    at = np.arange(len(some))
    where = some + here.start
    out.least[s, where] = ordered[0]
    out.most[s, where] = ordered[last, at]
    out.median[s, where] = (ordered[last // 2, at] + ordered[(last + 1) // 2, at]) / 2.0
    out.mean[s, where] = np.where(is_open, part.base[mine], 0.0)[:, some].sum(axis=0) / count[some]
    out.response[s, where] = np.where(is_open, worth.response[mine], 0.0)[:, some].sum(axis=0) / count[some]


def customer_products(known: Known, terms: OfferTerms) -> GroupProducts:
    """Return what `group_products` does for customers each of whom is a group of their own, shape (n, J)."""
    worth = _worth(known, terms)
    is_open, pays = known.open_to, known.open_to & (worth.central > 0)
    alone = np.where(is_open, known.base.astype(np.float64), np.nan)
    return GroupProducts(
        members=np.ones(len(is_open), dtype=np.int64),
        owned=known.before.astype(np.int64),
        open_to=is_open.astype(np.int64),
        never=(is_open & ~known.before).astype(np.int64),
        pays=pays.astype(np.int64),
        mean=alone,
        least=alone,
        median=alone,
        most=alone,
        response=np.where(is_open, worth.response, np.nan),
        expected=np.where(pays, worth.central, 0),
        low=np.where(pays, worth.low, 0),
        high=np.where(pays, worth.high, 0),
    )


def best_products(found: GroupProducts, most: int | None) -> list[NDArray[np.int64]]:
    """Return for each group the offers open to anybody of it, the one that could bring most first.

    Parameters
    ----------
    most : int or None
        At most so many for each group; None for all.
    """
    chosen = []
    for s in range(len(found.members)):
        some = np.flatnonzero(found.open_to[s])
        order = np.lexsort((some, -found.response[s, some], -found.expected[s, some]))
        chosen.append(some[order][:most])
    return chosen
