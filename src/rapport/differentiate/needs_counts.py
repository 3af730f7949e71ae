"""Counts of what customers do, as arrays that the needs model reads.

Why it exists: the vocabulary is fixed once, from the customers that are learned from; everybody else is read with it.
A customer's row holds their own counts and nothing of anybody else, so membership does not depend on the batch. No
model may enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.differentiate.needs_sql import VIEWS, WHAT

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BEHAVIOUR_WEIGHT: Final[Mapping[str, float]] = dict.fromkeys(VIEWS[1:], 0.04)
"""Evidence of a view of behaviour, as a share of the customer's evidence of what they buy."""

MOST_EVIDENCE: Final = 300.0
"""What one customer's purchases weigh at most: they are alike, and many of them are not news."""


class Feature(NamedTuple):
    """A value of a view, such as ``("what", "SOFT DRINKS")``."""

    view: str
    value: str


@dataclass(frozen=True)
class Vocabulary:
    """The features that a model knows, view by view; `base` is the share of each in its view, over all customers.

    Attributes
    ----------
    features : tuple of Feature, V of them, those of one view together
    base : float64 array, shape (V,)
        Above 0; sums to 1 in each view.
    covered : float
        Share of the purchases of the view ``what`` whose feature is known, in [0, 1].
    """

    features: tuple[Feature, ...]
    base: Floats
    covered: float

    @property
    def views(self) -> dict[str, slice]:
        """Where the features of each view stand, in the order of `VIEWS`."""
        found: dict[str, slice] = {}
        names = [f.view for f in self.features]
        for view in VIEWS:
            if view in names:
                first = names.index(view)
                found[view] = slice(first, first + names.count(view))
        return found

    def values(self, view: str) -> list[str]:
        """Return the values of a view, none where the model does not hold it."""
        return [f.value for f in self.features if f.view == view]


@dataclass(frozen=True)
class Counts:
    """Evidence of n customers over V features, by rows.

    Attributes
    ----------
    start : int64 array, shape (n + 1,)
    column : int64 array, shape (m,)
        Ascending in each row.
    value : float64 array, shape (m,)
        At least 0.
    features : int
        V.
    """

    start: Integers
    column: Integers
    value: Floats
    features: int

    @property
    def customers(self) -> int:
        """Return n."""
        return len(self.start) - 1

    @property
    def row(self) -> Integers:
        """Return the customer of each entry, shape (m,)."""
        return np.repeat(np.arange(self.customers, dtype=np.int64), np.diff(self.start))

    def of_view(self, where: slice | None) -> Counts:
        """Return the counts of the features of one view only, numbered from 0; none where it is not held."""
        where = where if where is not None else slice(0, 0)
        kept = (self.column >= where.start) & (self.column < where.stop)
        return _counts(self.row[kept], self.column[kept] - where.start, self.value[kept], self.customers, where)

    def of_rows(self, rows: NDArray[np.bool_]) -> Counts:
        """Return the counts of the customers that are marked, shape (n,), in their order."""
        place = np.cumsum(rows) - 1
        kept = rows[self.row]
        whole = slice(0, self.features)
        return _counts(place[self.row[kept]], self.column[kept], self.value[kept], int(rows.sum()), whole)

    def totals(self) -> Floats:
        """Return the sum of each customer, added in the order of the row, shape (n,)."""
        return np.bincount(self.row, weights=self.value, minlength=self.customers).astype(np.float64)


def _counts(row: Integers, column: Integers, value: Floats, customers: int, where: slice) -> Counts:
    start = np.zeros(customers + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=customers), out=start[1:])
    return Counts(start, column.astype(np.int64), value, where.stop - where.start)


def vocabulary_from(counted: pa.Table, views: Sequence[str], most: int, least_customers: int) -> Vocabulary | None:
    """Return the features to learn from, or None where no item was bought by enough customers.

    Parameters
    ----------
    counted : Table of `needs_sql.needs_counts_sql`, of the customers learned from
    views : sequence of str
        Views of behaviour to hold beside ``what``.
    most : int
        Features of ``what`` at most, those with most customers.
    least_customers : int
        Customers that a feature of ``what`` needs. A view of behaviour with fewer than two values is left out.
    """
    total = pc.add(counted["before"], counted["later"])
    by = counted.append_column("n", total).filter(pc.greater(total, 0)).group_by(["view", "value"])
    rows = by.aggregate([("n", "sum"), ("n", "count")]).to_pylist()
    seen = [(r["view"], r["value"], r["n_sum"], r["n_count"]) for r in rows]
    things = sorted((s for s in seen if s[0] == WHAT), key=lambda s: (-s[3], s[1]))
    kept = sorted((s for s in things[:most] if s[3] >= least_customers), key=lambda s: s[1])
    if not kept:
        return None
    every, known = sum(s[2] for s in things), sum(s[2] for s in kept)
    for view in (v for v in VIEWS if v != WHAT and v in views):
        values = sorted((s for s in seen if s[0] == view), key=lambda s: (-s[3], s[1]))[:40]
        kept += sorted(values, key=lambda s: s[1]) if len(values) > 1 else []
    features = tuple(Feature(view, value) for view, value, _, _ in kept)
    base = np.array([n for _, _, n, _ in kept], dtype=np.float64)
    vocabulary = Vocabulary(features, base, known / every)
    for where in vocabulary.views.values():
        base[where] /= base[where].sum()
    return vocabulary


def read_counts(counted: pa.Table, keys: Integers, vocabulary: Vocabulary, column: str) -> Counts:
    """Return the counts of customers over a vocabulary; what it does not hold is left out.

    Parameters
    ----------
    counted : Table of `needs_sql.needs_counts_sql`
    keys : int64 array, shape (n,)
        Ascending; customers without a row have none.
    column : {'before', 'later'}, or 'both' for their sum
    """
    place = {f: i for i, f in enumerate(vocabulary.features)}
    views, values = (counted[c].combine_chunks().dictionary_encode() for c in ("view", "value"))
    table = np.full((max(len(views.dictionary), 1), max(len(values.dictionary), 1)), -1, dtype=np.int64)
    for v, view in enumerate(views.dictionary.to_pylist()):
        for w, value in enumerate(values.dictionary.to_pylist()):
            table[v, w] = place.get(Feature(view, value), -1)
    code = table[_codes(views), _codes(values)]
    amount = counted["before"] if column == "before" else counted["later"]
    n = amount.to_numpy().astype(np.float64)
    if column == "both":
        n = n + counted["before"].to_numpy()
    key = counted["customer_key"].to_numpy()
    at = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
    kept = (code >= 0) & (n > 0) & (keys[at] == key if len(keys) else False)
    order = np.lexsort((code[kept], at[kept]))
    whole = slice(0, len(vocabulary.features))
    return _counts(at[kept][order], code[kept][order], n[kept][order], len(keys), whole)


def _codes(encoded: pa.DictionaryArray) -> Integers:
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def evidence(counts: Counts, vocabulary: Vocabulary) -> Counts:
    """Return counts as evidence: the hundredth purchase of a thing tells less than the first, behaviour its share.

    Of each customer, a count n of the view ``what`` weighs log2(1 + n), scaled to at most `MOST_EVIDENCE` together,
    and each view of behaviour weighs `BEHAVIOUR_WEIGHT` of that. Rows stay a function of the customer's own counts.
    """
    row, views = counts.row, vocabulary.views
    view_of = np.zeros(counts.features, dtype=np.int64)
    weight = np.ones(len(views))
    for number, (view, where) in enumerate(views.items()):
        view_of[where] = number
        weight[number] = BEHAVIOUR_WEIGHT.get(view, 1.0)
    value = np.where(view_of[counts.column] == 0, np.log2(1.0 + counts.value), counts.value)
    cell = row * len(views) + view_of[counts.column]
    total = np.bincount(cell, weights=value, minlength=counts.customers * len(views))
    total = total.reshape(counts.customers, len(views))
    wanted = np.minimum(total[:, :1], MOST_EVIDENCE) * weight
    scale = np.divide(wanted, total, out=np.zeros_like(total), where=total > 0)
    return Counts(counts.start, counts.column, value * scale.reshape(-1)[cell], counts.features)


def shares(counts: Counts, vocabulary: Vocabulary) -> Floats:
    """Return the share of each feature in its view over all customers of the counts, shape (V,); always above 0."""
    share = np.bincount(counts.column, weights=counts.value, minlength=counts.features) + 1e-3 * vocabulary.base
    for where in vocabulary.views.values():
        share[where] /= share[where].sum()
    return np.asarray(share)
