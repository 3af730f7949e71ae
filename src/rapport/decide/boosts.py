"""What people made count for more, or less, with single customers: the boosts of a worksheet, pair by pair.

Why it exists: levers raise an offer for everyone; a person who knows a customer or a group raises it for them alone.
Boosts steer the choice and never what is reported. Nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import StateDamaged

OFFERS, BOOSTS = "boosted_offers", "boosts"
"""Columns of the scores that hold boosts, see `core.tables.BOOSTS`."""


def raised_by(of_offer: NDArray[np.float64], of_pair: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the factors by which the worth of open offers counts in the choice, shape (m,).

    Parameters
    ----------
    of_offer : (m,) float64, above -1; what levers say of each open offer's catalogue entry
    of_pair : (m,) float64, above -1, or None; what the worksheet says of the offer and this customer
    """
    by_levers = 1.0 + of_offer
    # A pair without boost is multiplied by exactly 1, so a customer has the same bits alone as beside boosted ones.
    return by_levers if of_pair is None else by_levers * (1.0 + of_pair)


def boosts_of(table: pa.Table, row: NDArray[np.int64], offer: NDArray[np.int32]) -> NDArray[np.float64] | None:
    """Return the boost of each open offer, shape (m,), from the lists of `core.tables.BOOSTS`; None without any.

    Parameters
    ----------
    row, offer : (m,) of the open offers: the row of the customer and the position in the catalogue, ascending
        together. What is boosted and not open counts for nothing.

    Raises
    ------
    StateDamaged
        A boost is no finite number above -1, or lists are not of one length.
    """
    if OFFERS not in table.column_names:
        return None
    lists = table[OFFERS].combine_chunks()
    offers = lists.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    boosts = table[BOOSTS].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    if not len(offers):
        return None
    if len(offers) != len(boosts) or not (np.isfinite(boosts) & (boosts > -1.0)).all():
        raise StateDamaged(
            f"scores: {len(offers)} boosted offers have the boosts {boosts[:5].tolist()} ...; each needs one, a "
            f"finite number above -1. Score the turn again."
        )
    of = np.repeat(np.arange(len(table)), lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
    # One number for each pair of customer and offer.
    width = np.int64(max(int(offer.max(initial=0)), int(offers.max())) + 1)
    open_pairs, boosted = row * width + offer, of * width + offers
    at = np.searchsorted(open_pairs, boosted)
    there = at < len(open_pairs)
    there[there] = open_pairs[at[there]] == boosted[there]
    out = np.zeros(len(offer))
    out[at[there]] = boosts[there]
    return out


def joined_boosts(parts: Sequence[tuple[NDArray[np.float64] | None, int]]) -> NDArray[np.float64] | None:
    """Return the boosts of several batches, each with its number of open offers; None where none has any."""
    if all(boost is None for boost, _ in parts):
        return None
    return np.concatenate([np.zeros(m) if boost is None else boost for boost, m in parts])
