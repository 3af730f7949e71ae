"""Baskets of customers that are made up: staples of their own, tastes that groups share, items that come and go.

Why it exists: whether next baskets are told from pasts can be tried anywhere, without a public file. Each customer's
chance is fixed by place and seed. No fitting may enter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
MOST = 9
"""Items of a basket at most."""


@dataclass(frozen=True, slots=True)
class SimulatedBaskets:
    """Baskets by rows; the items of row r are ``items[offsets[r]:offsets[r + 1]]``.

    Attributes
    ----------
    customer, position : int64 array, shape (baskets,)
    offsets : int64 array, shape (baskets + 1,)
    items : int64 array
    taste : int64 array, shape (customers,)
        The planted group of each customer.
    """

    customer: Ints
    position: Ints
    offsets: Ints
    items: Ints
    taste: Ints


def simulate_baskets(customers: int, items: int = 240, tastes: int = 6, seed: int = 1) -> SimulatedBaskets:
    """Return three to ten baskets of each customer.

    Parameters
    ----------
    customers, items, tastes : int
        Items are spread evenly over tastes and, within each, over seasons that follow one another.
    seed : int

    Notes
    -----
    A third of the draws of a basket are among five staples of the customer's own, half among the items of the
    customer's taste and of the season, low numbers more often, the rest among all items.
    """
    keys = np.arange(customers, dtype=np.int64)
    taste = (uniform(keys, f"baskets/{seed}/taste") * tastes).astype(np.int64)
    count = 3 + (uniform(keys, f"baskets/{seed}/count") * 8).astype(np.int64)
    begin = uniform(keys, f"baskets/{seed}/begin") * 0.5
    each = items // tastes
    staples = _staples(keys, taste, each, tastes, seed)
    who = np.repeat(keys, count)
    position = np.arange(len(who)) - np.repeat(np.cumsum(count) - count, count)
    season = begin[who] + (1.0 - begin[who]) * position / np.repeat(count, count)
    basket = np.arange(len(who), dtype=np.int64)
    size = 2 + (uniform(basket, f"baskets/{seed}/size") * (MOST - 1)).astype(np.int64)
    held = np.zeros((len(who), MOST + 1), dtype=np.int64)
    for place in range(MOST + 1):
        kind, draw, near = (uniform(basket, f"baskets/{seed}/{place}/{what}") for what in ("kind", "item", "near"))
        at = np.mod((season + 0.25 * near) * each + each * 0.25 * draw**2, each).astype(np.int64)
        shared = at * tastes + taste[who]
        own = staples[who, (draw * 5).astype(np.int64)]
        held[:, place] = np.where(kind < 0.35, own, np.where(kind < 0.85, shared, (draw * items).astype(np.int64)))
    rows = [np.unique(held[b, : size[b]]) for b in range(len(who))]
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    return SimulatedBaskets(who, position, offsets, np.concatenate(rows), taste)


def _staples(keys: Ints, taste: Ints, each: int, tastes: int, seed: int) -> Ints:
    """Return five items of each customer's own taste, shape (customers, 5)."""
    draws = np.stack([uniform(keys, f"baskets/{seed}/staple/{s}") for s in range(5)], axis=1)
    found: Ints = (draws**1.5 * each).astype(np.int64) * tastes + taste[:, None]
    return found
