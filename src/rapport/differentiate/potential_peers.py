"""Groups of peers in groups of peers, and the quantile of each group completed by those around it.

Why it exists: the finest group that describes a customer is often too small to speak for itself, and the next coarser
one is made of groups that differ. How much they differ is measured, and says how many customers the coarser group
counts for. Everything here is about cells; no customer's own figure may enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.differentiate.likelihood import Floats, Integers

MOST_MICROS: Final = 2**61
"""Differences of two amounts within it fit int64."""
MOST_ALIKE: Final = 0.99
KNOWN: Final = "known"
"""Stands for every label of a level that asks only whether it is known."""
SLACK: Final = 1e-9
STEPS: Final = (-0.3, -0.2, -0.1, 0.0, 0.1)
HIGHEST: Final = 0.95
"""How alike customers of a cell are is judged at these shares around the quantile; one alone is a noisy judge."""


@dataclass(frozen=True, slots=True)
class PeerTree:
    """Customers in cells, level by level; level 0 is everyone, the last level has all labels.

    Attributes
    ----------
    names : tuple of str
        The label of each level below everyone, coarsest first. One that is missing for some stands twice: first
        whether it is known, then what it is.
    asks_known : tuple of bool
        Which levels only say whether the label is known.
    values : int64 array, shape (n,)
        Ordered by the finest cell, then by value: not the order given.
    codes : tuple of int64 arrays, shape (n,)
        The cell of each of them within each level.
    parents : tuple of int64 arrays, shape (cells of the level,)
        The cell of the level above; for level 0 a single 0.
    labels : tuple of tuples
        The labels of all cells, level after level.
    """

    names: tuple[str, ...]
    asks_known: tuple[bool, ...]
    values: Integers
    codes: tuple[Integers, ...]
    parents: tuple[Integers, ...]
    labels: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Completed:
    """What each cell's best contribute; arrays of shape (cells,), level after level; ``alike`` one for each label."""

    customers: Integers
    own_share: Floats
    weight_customers: Floats
    own: Integers
    middle: Integers
    low: Integers
    high: Integers
    alike: Floats


def whole_micros(values: ArrayLike, name: str) -> Integers:
    """Return amounts as int64 of shape (n,), or refuse them: fractions, NaN, and amounts beyond 2**61 micros."""
    given = np.asarray(values)
    if given.size == 0:
        return np.zeros(0, dtype=np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        missing = given.dtype.kind == "f" and np.isnan(given).any()
        found = "NaN" if missing else f"{given.dtype} of shape {given.shape}"
        raise ValueError(f"{name}: {found}; must be int64 of shape (n,). Leave out the unknown, round the rest.")
    if given.max() > MOST_MICROS or given.min() < -MOST_MICROS:
        worst = given[np.argmax(np.abs(given.astype(np.float64)))]
        raise ValueError(f"{name}: too large - {worst}; must lie within 2**61 micros. Give a smaller currency unit.")
    return given.astype(np.int64)


def text_of(label: Any) -> str | None:
    """Return a label as trimmed text, None where it is missing (None, NaN, blank)."""
    if label is None or label != label:  # noqa: PLR0124 - only NaN differs from itself
        return None
    return str(label).strip() or None


def codes_of(column: Sequence[Any], place: Mapping[str | None, int], n: int, name: str, asks_known: bool) -> Integers:
    """Return the place of each label of a column (or of `KNOWN`), -1 where it has none, shape (n,)."""
    if len(column) != n:
        raise ValueError(f"labels: {name!r} has {len(column)} for {n} customers; give one each.")
    # Labels are few and customers many: each way of writing is read once.
    known: dict[Any, int] = {}
    codes = np.empty(n, dtype=np.int64)
    for i, label in enumerate(column):
        code = known.get(label)
        if code is None:
            text = text_of(label)
            code = known[label] = place.get(KNOWN if asks_known and text is not None else text, -1)
        codes[i] = code
    return codes


def peer_tree(values: Integers, labels: Mapping[str, Sequence[Any]]) -> PeerTree:
    """Return customers in cells, coarsest first; cells stand in the order of their labels, missing ones last.

    Parameters
    ----------
    values : int64 array, shape (n,)
    labels : mapping of str to sequences of n labels
    """
    codes = [np.zeros(values.size, dtype=np.int64)]
    parents = [np.zeros(1, dtype=np.int64)]
    rows: list[list[tuple[str | None, ...]]] = [[()]]
    levels: list[tuple[str, bool]] = []
    for name, column in labels.items():
        texts = {text_of(label) for label in column}
        named = sorted(text for text in texts if text is not None)
        # To be known or not is another difference than that from one label to the next: a level of its own.
        for asks_known in (True, False) if named and None in texts else (False,):
            seen: list[str | None] = [*([KNOWN] if asks_known else named), None]
            own = codes_of(column, {t: i for i, t in enumerate(seen)}, values.size, name, asks_known)
            cells, code = np.unique(codes[-1] * len(seen) + own, return_inverse=True)
            parents.append(cells // len(seen))
            rows.append([(*rows[-1][c // len(seen)], seen[c % len(seen)]) for c in cells.tolist()])
            codes.append(code.astype(np.int64))
            levels.append((name, asks_known))
    # One order whatever the order given: sums of weights then have the same bits.
    order = np.lexsort((values, codes[-1]))
    return PeerTree(
        names=tuple(name for name, _ in levels),
        asks_known=tuple(asks for _, asks in levels),
        values=values[order],
        codes=tuple(code[order] for code in codes),
        parents=tuple(parents),
        labels=tuple(row for level in rows for row in level),
    )


def complete(tree: PeerTree, quantile: float, interval: float) -> Completed:
    """Return the quantile of every cell, completed by the cells around it, with an interval.

    Parameters
    ----------
    tree : PeerTree
    quantile, interval : float, in (0, 1)

    Returns
    -------
    Completed
        Where there is no customer at all, 0 for everyone.

    References
    ----------
    See ``potential.fit_potential``.
    """
    if tree.values.size == 0:
        none, nil = np.zeros(1, dtype=np.int64), np.zeros(1)
        return Completed(none, nil, nil, none, none, none, none, np.zeros(len(tree.names)))
    own = [_Pile.of(tree.values, code, np.ones(tree.values.size)) for code in tree.codes]
    best = [pile.quantile(quantile) for pile in own]
    alike = _likeness_of_levels(tree, own, quantile)
    rings = _rings(tree, alike)
    places = [(level, cell) for level, parents in enumerate(tree.parents) for cell in range(parents.size)]
    parts = [_Cell.of(tree, own, rings, alike, at) for at in places]
    worth = np.array([part.worth for part in parts])
    shares = _share_ends(worth, quantile, interval)
    ladder = np.unique(tree.values)
    found = np.array([part.amounts(ladder, at) for part, at in zip(parts, shares.T, strict=True)], dtype=np.int64)
    customers = np.concatenate([pile.customers for pile in own])
    return Completed(
        customers=customers,
        own_share=customers / worth,
        weight_customers=worth,
        own=np.concatenate(best),
        middle=found[:, 1].copy(),
        low=found[:, 0].copy(),
        high=found[:, 2].copy(),
        alike=alike,
    )


@dataclass(frozen=True, slots=True)
class _Pile:
    """The values of each cell in ascending order, with the running sum of their weights."""

    values: Integers
    running: Floats
    ends: Integers

    @classmethod
    def of(cls, values: Integers, code: Integers, weights: Floats) -> _Pile:
        # Weights are the last key: the sums then do not depend on the order of the rows.
        order = np.lexsort((weights, values, code))
        running = np.concatenate([[0.0], np.cumsum(weights[order])])
        ends = np.concatenate([[0], np.cumsum(np.bincount(code))]).astype(np.int64)
        return cls(values[order], running, ends)

    @property
    def customers(self) -> Integers:
        """Return how many customers each cell has."""
        return np.diff(self.ends)

    def total(self, cell: int) -> float:
        """Return the weight of a cell."""
        return float(self.running[self.ends[cell + 1]] - self.running[self.ends[cell]])

    def below(self, cell: int, amounts: Integers) -> Floats:
        """Return the weight of a cell at or below each amount."""
        start, end = self.ends[cell], self.ends[cell + 1]
        at = start + np.searchsorted(self.values[start:end], amounts, side="right")
        return np.asarray(self.running[at] - self.running[start])

    def quantile(self, level: float) -> Integers:
        """Return for each cell the smallest value that has at least this share at or below it."""
        place = np.ceil(level * self.customers - SLACK).astype(np.int64)
        return np.asarray(self.values[self.ends[:-1] + np.maximum(place, 1) - 1])


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell as the sum of its own customers and of rings: those of each coarser cell outside the next finer one."""

    own: tuple[_Pile, int]
    rings: tuple[tuple[float, tuple[_Pile, int], tuple[_Pile, int]], ...]
    worth: float

    @classmethod
    def of(
        cls,
        tree: PeerTree,
        own: list[_Pile],
        rings: list[tuple[_Pile, _Pile]],
        alike: Floats,
        at: tuple[int, int],
    ) -> _Cell:
        chain = [at[1]]
        for level in range(at[0], 0, -1):
            chain.append(int(tree.parents[level][chain[-1]]))
        chain.reverse()
        scales: list[float] = []
        mass = 0.0
        for level in range(1, at[0] + 1):
            (outer, inner), coarse, fine = rings[level - 1], chain[level - 1], chain[level]
            same = own[level - 1].customers[coarse] == own[level].customers[fine]
            around = mass + (0.0 if same else max(outer.total(coarse) - inner.total(fine), 0.0))
            # A cell that is the whole of its coarser cell is not another draw around it.
            mass = around if same else max(1.0 / (alike[level - 1] + 1.0 / (around + 1.0)) - 1.0, 0.0)
            factor = mass / around if around > 0 else 0.0
            scales = [s * factor for s in (*scales, 0.0 if same else 1.0)]
        parts = tuple(
            (s, (rings[i][0], chain[i]), (rings[i][1], chain[i + 1])) for i, s in enumerate(scales) if s > 0
        )
        return cls((own[at[0]], at[1]), parts, mass + float(own[at[0]].customers[at[1]]))

    def amounts(self, ladder: Integers, shares: Floats) -> Integers:
        """Return the smallest amounts of the ladder that have at least these shares of the cell at or below them."""
        low, high = np.zeros(shares.size, dtype=np.int64), np.full(shares.size, ladder.size - 1)
        wanted = (shares - SLACK) * self.worth
        while (low < high).any():
            middle = (low + high) // 2
            enough = self._below(ladder[middle]) >= wanted
            low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
            low = np.minimum(low, high)
        return np.asarray(ladder[high])

    def _below(self, amounts: Integers) -> Floats:
        total = self.own[0].below(self.own[1], amounts)
        for scale, (outer, coarse), (inner, fine) in self.rings:
            total = total + scale * (outer.below(coarse, amounts) - inner.below(fine, amounts))
        return total


def _likeness_of_levels(tree: PeerTree, own: list[_Pile], quantile: float) -> Floats:
    """Return for each level the intraclass correlation of being at or below amounts of the coarser cell."""
    found = []
    for level in range(1, len(tree.codes)):
        coarse, code, parents = tree.codes[level - 1], tree.codes[level], tree.parents[level]
        amounts = (own[level - 1].quantile(min(quantile + step, HIGHEST)) for step in STEPS)
        parts = [_variances(tree.values <= amount[coarse], code, parents) for amount in amounts]
        between, within = sum(part[0] for part in parts), sum(part[1] for part in parts)
        typical = parts[0][2]
        above = between > within
        found.append(min((between - within) / (between + (typical - 1.0) * within), MOST_ALIKE) if above else 0.0)
    return np.array(found)


def _variances(below: NDArray[np.bool_], code: Integers, parents: Integers) -> tuple[float, float, float]:
    """Return mean squares between and within cells of one coarser cell, and the typical size of such a cell."""
    size = np.bincount(code, minlength=parents.size).astype(np.float64)
    share = np.bincount(code, weights=below, minlength=parents.size) / size
    whole = np.bincount(parents, weights=size)
    mean = np.bincount(parents, weights=size * share) / whole
    between_df = parents.size - whole.size
    within_df = size.sum() - parents.size
    if between_df == 0 or within_df == 0:
        return 0.0, 0.0, 1.0
    between = float(np.sum(size * (share - mean[parents]) ** 2)) / between_df
    within = float(np.sum(size * share * (1.0 - share))) / within_df
    return between, within, float(np.sum(whole - np.bincount(parents, weights=size**2) / whole)) / between_df


def _rings(tree: PeerTree, alike: Floats) -> list[tuple[_Pile, _Pile]]:
    """Return for each level below everyone its customers in coarser and in own cells, weighted as parts of clusters.

    Customers of one cell are alike, so m of them are worth m / (1 + (m - 1) rho) in what they say of other cells.
    """
    weights = np.ones(tree.values.size)
    rings: list[tuple[_Pile, _Pile]] = []
    for level in range(len(tree.codes) - 1, 0, -1):
        code = tree.codes[level]
        size = np.bincount(code, weights=weights)
        weights = weights / np.maximum(1.0 + (size - 1.0) * alike[level - 1], 1.0)[code]
        rings.append((_Pile.of(tree.values, tree.codes[level - 1], weights), _Pile.of(tree.values, code, weights)))
    return rings[::-1]


def _share_ends(worth: Floats, quantile: float, interval: float) -> Floats:
    """Return the shares whose amounts are the low end, the quantile and the high end, shape (3, cells)."""
    from scipy.special import betainc

    tail = (1.0 - interval) / 2.0
    ends = []
    for chance in (1.0 - tail, tail):
        low, high = np.zeros(worth.size), np.ones(worth.size)
        for _ in range(60):
            middle = (low + high) / 2.0
            # The larger the share at an amount, the less likely that the share of the cell is still below.
            above = betainc(worth * middle, worth * (1.0 - middle), quantile) > chance
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        ends.append((low + high) / 2.0)
    return np.stack([np.minimum(ends[0], quantile), np.full(worth.size, quantile), np.maximum(ends[1], quantile)])
