"""Tiers that do not flicker, and who moved between them from one turn to the next.

Why it exists: a customer near a border would change tier with every turn although nothing about them changed, and
plans made for a tier would meet other people each week. Which turn came before is not known here; no file is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.core.errors import ProgramInvalid
from rapport.core.keys import positions
from rapport.differentiate.tiers import TIERS, assign_tiers, exact_sum, tier_sizes

NOBODY: Final = ""
"""Marks, among previous tiers, a customer who had none."""

NEW, GONE = "new", "gone"


def band_width(customers: int, top_share: float, bottom_share: float, hysteresis: float) -> int:
    """Return how many ranks beyond a border a customer keeps the tier of the last turn.

    Parameters
    ----------
    customers : int
        >= 0.
    top_share, bottom_share : float
        As `tiers.tier_sizes` takes them.
    hysteresis : float
        Share of the customers, in [0, 0.5).

    Returns
    -------
    int
        ``floor(hysteresis * customers)``, but so small that no planned tier can be emptied or shut, and that the
        bands of the two borders do not meet: at most one less than A and than C hold, and less than half of B.

    Raises
    ------
    ProgramInvalid
        If the hysteresis or a share is not allowed.
    """
    if not 0.0 <= hysteresis < 0.5:
        raise ProgramInvalid(
            f"hysteresis: not a share of ranks - {hysteresis}; must lie in [0, 0.5). Give a share, not a percentage."
        )
    in_a, in_b, in_c = tier_sizes(customers, top_share, bottom_share)
    width = int(Fraction(repr(float(hysteresis))) * customers)
    bounds = [width, *(size - 1 for size in (in_a, in_c) if size), *([(in_b - 1) // 2] if in_b else [])]
    return max(min(bounds), 0)


def keep_tiers(
    values: ArrayLike,
    keys: ArrayLike,
    previous: ArrayLike,
    top_share: float = 0.25,
    bottom_share: float = 0.20,
    hysteresis: float = 0.0,
) -> NDArray[np.str_]:
    """Return the tier of each customer by rank, a tier once held being kept within a band around its border.

    Each of the two borders, below A and above C, is a Schmitt trigger on the rank. With n customers, a border after
    the first b ranks and a band of w ranks (`band_width`), who was above it stays above while their rank, from 0, is
    below b + w; who was below it rises only once it is below b - w; who had no tier goes by b alone. So somebody
    whose rank moves within the 2 w ranks around a border never changes tier, however often it moves.

    Parameters
    ----------
    values : int64 array, shape (n,)
        What customers are ranked by, highest first; equal values by the smaller key.
    keys : int64 array, shape (n,)
        Customer keys, each once.
    previous : array of 'A', 'B', 'C' or '', shape (n,)
        The tier of the turn before; '' for who had none. A tier that has no share any more counts as none.
    top_share, bottom_share : float
        As `tiers.tier_sizes` takes them.
    hysteresis : float
        Share of ranks, in [0, 0.5); 0 gives `tiers.assign_tiers` whatever was before.

    Returns
    -------
    array of 'A', 'B', 'C', shape (n,).
        A and C hold at most w customers more or fewer than `tiers.tier_sizes` says, B at most 2 w. The order of the
        rows does not matter.

    Raises
    ------
    ProgramInvalid
        If the hysteresis or a share is not allowed.
    ValueError
        If values are not whole, keys repeat, lengths differ, or a previous tier is unknown.

    References
    ----------
    Schmitt, O. H. (1938), "A thermionic trigger", Journal of Scientific Instruments 15(1), 24-26: two thresholds in
    place of one. FTSE Russell, "Russell U.S. Equity Indexes: Construction and Methodology" (2021): bands around
    breakpoints of a ranking, so that members change less. Novy-Marx & Velikov (2016), Review of Financial Studies
    29(1), 104-147: a buy/hold spread on ranks as the rule that saves most of the cost of changing.
    """
    by_rank = assign_tiers(values, keys, top_share, bottom_share)
    before = np.asarray(previous, dtype=np.str_).reshape(-1)
    if before.shape != by_rank.shape:
        raise ValueError(f"previous: {before.size} for {by_rank.size} values; give one for each value.")
    unknown = ~np.isin(before, (*TIERS, NOBODY))
    if unknown.any():
        raise ValueError(f"previous: not a tier - '{before[unknown][0]}'; must be A, B, C or '' for none.")
    n = by_rank.size
    width = band_width(n, top_share, bottom_share, hysteresis)
    if width == 0:
        return by_rank
    sizes = tier_sizes(n, top_share, bottom_share)
    for tier, size in zip(TIERS, sizes, strict=True):
        if size == 0:
            before = np.where(before == tier, NOBODY, before)
    rank = _ranks(values, keys)
    above_c = rank < sizes[0] + sizes[1] + _shift(before, ("A", "B"), ("C",), width)
    above_b = rank < sizes[0] + _shift(before, ("A",), ("B", "C"), width)
    return np.where(above_b, "A", np.where(above_c, "B", "C")).astype("<U1")


def _ranks(values: ArrayLike, keys: ArrayLike) -> NDArray[np.int64]:
    """Return the rank of each customer from 0, highest value first, ties by key, as `assign_tiers` ranks."""
    order = np.lexsort((np.asarray(keys), ~np.asarray(values)))
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    return rank


def _shift(before: NDArray[np.str_], above: tuple[str, ...], below: tuple[str, ...], width: int) -> NDArray[np.int64]:
    """Return by how many ranks a border moves for each customer, by the side of it they were on."""
    return np.where(np.isin(before, above), width, np.where(np.isin(before, below), -width, 0)).astype(np.int64)


def dense_ranks(criterion: ArrayLike) -> NDArray[np.int64]:
    """Return whole numbers in the order of a criterion: equal where it is equal, -1 where it is not known.

    Parameters
    ----------
    criterion : float or integer array, shape (n,)
        Not finite where it is not known, as after a division by zero: such customers rank below all others.
    """
    given = np.asarray(criterion)
    out = np.full(given.shape, -1, dtype=np.int64)
    known = np.isfinite(given) if given.dtype.kind == "f" else np.ones(given.shape, dtype=np.bool_)
    out[known] = np.unique(given[known], return_inverse=True)[1]
    return out


@dataclass(frozen=True, slots=True)
class Movement:
    """Customers who went from one tier to another between two turns.

    Attributes
    ----------
    before : str
        'A', 'B', 'C', or 'new' for who was not decided in the turn before.
    after : str
        'A', 'B', 'C', or 'gone' for who is not decided any more.
    customers : int
    before_micros, after_micros : int or None
        Sum of their values as each turn expected them; None where the turn did not know them.
    """

    before: str
    after: str
    customers: int
    before_micros: int | None
    after_micros: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Who stood in which tier in one turn, and with what value; arrays of shape (n,), keys each once."""

    keys: NDArray[np.int64]
    tiers: NDArray[np.str_]
    values_micros: NDArray[np.int64]


def previous_tiers(keys: ArrayLike, before: Standing | None) -> NDArray[np.str_]:
    """Return the tier that each customer had in the turn before, '' for who had none, shape of `keys`."""
    wanted = np.asarray(keys, dtype=np.int64)
    out = np.full(wanted.shape, NOBODY, dtype="<U1")
    if before is not None and before.keys.size:
        order = np.argsort(before.keys)
        at = positions(before.keys[order], wanted)
        out[at >= 0] = before.tiers[order][at[at >= 0]]
    return out


def migration(before: Standing, after: Standing) -> tuple[Movement, ...]:
    """Return the migration matrix between two turns: A, B, C and new by A, B, C and gone.

    Returns
    -------
    tuple of 15 Movement, from A, B, C, new to A, B, C, gone; nobody can be new and gone. The customers from 'A' add
        up to those of A before, those to 'A' to those of A after, and so on; so do the values.

    Raises
    ------
    ValueError
        If a customer stands twice in one of the turns.
    """
    for standing in (before, after):
        ordered = np.sort(standing.keys)
        if (repeated := ordered[1:][ordered[1:] == ordered[:-1]]).size:
            raise ValueError(f"keys: a customer stands twice - {repeated[0]}; keys must differ. Merge the rows.")
    came_from = previous_tiers(after.keys, before)
    went_to = previous_tiers(before.keys, after)
    found = []
    for source in (*TIERS, NEW):
        for target in (*TIERS, GONE):
            if (source, target) == (NEW, GONE):
                continue
            was = (before.tiers == source) & (went_to == (NOBODY if target == GONE else target))
            is_now = (after.tiers == target) & (came_from == (NOBODY if source == NEW else source))
            found.append(
                Movement(
                    before=source,
                    after=target,
                    customers=int(is_now.sum() if source == NEW else was.sum()),
                    before_micros=None if source == NEW else exact_sum(before.values_micros[was]),
                    after_micros=None if target == GONE else exact_sum(after.values_micros[is_now]),
                )
            )
    return tuple(found)
