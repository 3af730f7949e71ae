"""Baskets of customers in their order, without dates: what is known, what comes next, who is asked and who teaches.

Why it exists: the next basket is to be told from earlier ones. Pasts and targets are kept apart here, once, so that
nothing that is computed from pasts can hold an item of a basket that is to be told. Numbers of items and customers
are names only: they never order, break ties or become a feature.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rapport.core.errors import SourceColumns, SourceEmpty
from rapport.core.keys import uniform

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Matrix = Any
"""A sparse matrix by rows, single precision."""


@dataclass(frozen=True)
class Baskets:
    """Baskets in the order of customers, each customer's oldest first.

    Attributes
    ----------
    items : sparse matrix, shape (baskets, items), ones
    start : int64 array, shape (customers + 1,)
        Row of each customer's first basket; the last entry is the number of baskets.
    """

    items: Matrix
    start: Ints

    @property
    def customers(self) -> int:
        """How many customers there are."""
        return len(self.start) - 1

    @property
    def counts(self) -> Ints:
        """Baskets of each customer, shape (customers,)."""
        return np.diff(self.start)


@dataclass(frozen=True)
class NextBasket:
    """Pasts of all customers, and the basket of each that came after.

    Attributes
    ----------
    past : Baskets
        All baskets but the last of each customer.
    target : sparse matrix, shape (customers, items)
        The last basket of each customer. Only rows of customers who teach may reach a model.
    """

    past: Baskets
    target: Matrix


@dataclass(frozen=True)
class Fold:
    """Who teaches, on whom variants are compared, and who is asked; ascending places of customers."""

    train: Ints
    validation: Ints
    test: Ints


def baskets(customer: Ints, position: Ints, offsets: Ints, items: Ints) -> Baskets:
    """Return baskets from rows in any order.

    Parameters
    ----------
    customer, position : int64 array, shape (rows,)
        Whose basket it is, and its place in the customer's order.
    offsets : int64 array, shape (rows + 1,)
        The items of row r are ``items[offsets[r]:offsets[r + 1]]``; an item twice in a basket counts once.
    items : int64 array

    Raises
    ------
    SourceEmpty
        No basket, or an empty one.
    SourceColumns
        A customer has two baskets at one place.
    """
    if not len(customer):
        raise SourceEmpty("baskets: there is none - 0 rows; must be at least one basket. Give the whole file.")
    sizes = np.diff(offsets)
    if np.any(sizes == 0):
        where = int(np.argmin(sizes))
        raise SourceEmpty(
            f"baskets: row {where} holds no item - customer {customer[where]}; must hold at least one. "
            "Leave the row out."
        )
    order = np.lexsort((position, customer))
    who, place = customer[order], position[order]
    twice = (who[1:] == who[:-1]) & (place[1:] == place[:-1])
    if np.any(twice):
        where = int(np.argmax(twice))
        raise SourceColumns(
            f"baskets: customer {who[where]} has two baskets at place {place[where]}; must be different places. "
            "Number each customer's baskets in their order."
        )
    names, code = np.unique(items, return_inverse=True)
    # Files number items in the order of first purchase: shuffled, a number tells nothing of when and by whom.
    shuffled = np.argsort(
        np.argsort(uniform(names.astype(np.int64), "nextbasket/item"), kind="stable"), kind="stable"
    )
    rows = np.repeat(np.arange(len(customer)), sizes)
    matrix = sparse.csr_matrix(
        (np.ones(len(items), dtype=np.float32), (rows, shuffled[code])), shape=(len(customer), len(names))
    )[order]
    matrix.sort_indices()
    matrix.data[:] = 1.0
    first = np.flatnonzero(np.concatenate([[True], who[1:] != who[:-1]]))
    return Baskets(matrix, np.concatenate([first, [len(who)]]).astype(np.int64))


def without_last(known: Baskets) -> NextBasket:
    """Return the pasts and last baskets of the customers with at least two baskets."""
    keep = known.counts >= 2
    last = known.start[1:][keep] - 1
    in_past = np.repeat(keep, known.counts)
    in_past[known.start[1:] - 1] = False
    start = np.concatenate([[0], np.cumsum(known.counts[keep] - 1)])
    return NextBasket(Baskets(known.items[np.flatnonzero(in_past)], start), known.items[last])


def folds(customers: int, count: int = 5, validation: float = 0.1) -> Iterable[Fold]:
    """Return splits by chance that is fixed by the customer's place: every customer is asked in exactly one.

    Parameters
    ----------
    customers : int
    count : int
        How many; each asks one `count`-th.
    validation : float
        Share of the others on whom variants are compared: they neither teach nor are asked.
    """
    places = np.arange(customers, dtype=np.int64)
    rank = np.argsort(np.argsort(uniform(places, "nextbasket/fold"), kind="stable"), kind="stable")
    part = rank * count // customers
    for fold in range(count):
        others = places[part != fold]
        order = np.argsort(uniform(others, f"nextbasket/validation/{fold}"), kind="stable")
        cut = round(len(others) * validation)
        yield Fold(np.sort(others[order[cut:]]), np.sort(others[order[:cut]]), places[part == fold])


def groups(customers: Ints, count: int) -> list[Ints]:
    """Return the customers in `count` groups by fixed chance: what one group is taught comes from the others."""
    rank = np.argsort(np.argsort(uniform(customers, "nextbasket/group"), kind="stable"), kind="stable")
    return [customers[rank % count == g] for g in range(count)]


def weighed(past: Baskets, fade: float, last: int | None = None) -> Matrix:
    """Return the items of each customer's past, each basket counted `fade` times the one after it.

    Parameters
    ----------
    past : Baskets
    fade : float
        In (0, 1]; 1 counts how often an item was bought.
    last : int, optional
        Only so many baskets at the end.

    Returns
    -------
    sparse matrix, shape (customers, items), >= 0
    """
    lag = lags(past)
    weight = np.power(fade, lag - 1.0)
    if last is not None:
        weight[lag > last] = 0.0
    rows = np.repeat(np.arange(past.customers), past.counts)
    shape = (past.customers, len(lag))
    mixed = sparse.csr_matrix((weight.astype(np.float32), (rows, np.arange(len(lag)))), shape=shape) @ past.items
    mixed.eliminate_zeros()
    mixed.sort_indices()
    return mixed


def lags(past: Baskets) -> Ints:
    """Return for each basket how many ago it was: 1 for a customer's last one, shape (baskets,)."""
    return np.repeat(past.start[1:], past.counts) - np.arange(int(past.start[-1]))


def unit_rows(matrix: Matrix) -> Matrix:
    """Return the matrix with each row divided by its Euclidean length; empty rows stay empty."""
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return (sparse.diags(1.0 / np.maximum(length, 1e-12)) @ matrix).tocsr().astype(np.float32)
