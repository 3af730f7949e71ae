"""Everything that customers share, as plain arrays: who may get what, what it is worth, what it uses of each limit.

Why it exists: the search for prices, the repair of a plan and the decision itself look at one and the same
description, which compiled loops can read. Nothing is chosen here, and nothing knows where the numbers come from.

A *route* is one way to speak to a customer: a channel, or a channel at one level of treatment. A *candidate* is an
offer that a customer may get. A *cell* is a class of customers that the same limits apply to.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_ROUTES = 62
"""Routes stand as bits of an int64."""

COUNT = -1
"""In place of a measure: every use counts one, times the entry's coefficient."""

ANYONE = -1
"""In place of a scope: the entry applies to every cell."""

LEVELS_A_CHANNEL = 3
"""Mass, segment, individual: route = channel x 3 + level - 1."""

SILENT = -1
"""In place of a route: nothing is said."""


class Customers(NamedTuple):
    """n customers and the routes to them.

    start : (n + 1,) int64, where each customer's candidates begin; they are stored customer by customer
    cell : (n,) int32, in [0, G)
    contact_micros : (n, R) float64, what a contact is worth before any offer: minus its cost and its harm;
        -inf where the route is not open to the customer
    contact_amounts : (A, n, R) float64, amounts that limits on contacts may count, such as minutes or money
    forced : (n,) bool, silence is not allowed where any route is open
    """

    start: NDArray[np.int64]
    cell: NDArray[np.int32]
    contact_micros: NDArray[np.float64]
    contact_amounts: NDArray[np.float64]
    forced: NDArray[np.bool_]


class Candidates(NamedTuple):
    """m candidates, those of a customer in ascending order of offer.

    offer : (m,) int32, in [0, J)
    value : (m,) float64, micros, of the offer alone when it is seen
    routes : (m,) int64, bit r set where route r may carry it
    must : (m,) int64, bit r set where whatever is said through route r must contain it
    amounts : (M, m) float64, amounts that limits on offers may count, such as money given away
    """

    offer: NDArray[np.int32]
    value: NDArray[np.float64]
    routes: NDArray[np.int64]
    must: NDArray[np.int64]
    amounts: NDArray[np.float64]


class Portfolio(NamedTuple):
    """How a portfolio is valued and bounded.

    weights : (K,) float64, falling from 1: what the first, second, ... offer of one category keeps, ranked by value;
        an offer of value below 0 has no rank and counts in full
    reach : (R,) float64, share of an offer's value that comes through a route
    category : (J,) int32, offers of one category are similar
    kind : (J,) int32, -1 for none; of one kind at most `kind_most` may stand together
    kind_most : (kinds,) int32
    """

    weights: NDArray[np.float64]
    reach: NDArray[np.float64]
    category: NDArray[np.int32]
    kind: NDArray[np.int32]
    kind_most: NDArray[np.int32]


class Entries(NamedTuple):
    """How offers use limits: entry e of an offer, or of a cell, says which limit and how much of it.

    start : (rows + 1,) int64, where the entries of each offer (or cell) begin
    limit : int32, in [0, L)
    use : float64, coefficient
    amount : int32, `COUNT` or the row of `Candidates.amounts` that the coefficient multiplies
    routes : int64, bit r set where the entry applies through route r
    scope : int32, `ANYONE` or the row of `Limits.scope_has` that must hold for the customer's cell
    """

    start: NDArray[np.int64]
    limit: NDArray[np.int32]
    use: NDArray[np.float64]
    amount: NDArray[np.int32]
    routes: NDArray[np.int64]
    scope: NDArray[np.int32]


class ContactEntries(NamedTuple):
    """How contacts use limits: the entries of cell g and route r begin at ``start[g * R + r]``.

    `amount` is `COUNT` or the row of `Customers.contact_amounts` that the coefficient `use` multiplies.
    """

    start: NDArray[np.int64]
    limit: NDArray[np.int32]
    use: NDArray[np.float64]
    amount: NDArray[np.int32]


class Limits(NamedTuple):
    """L shared limits.

    bound : (L,) float64
    at_least : (L,) bool, the bound is a minimum; else a maximum
    contacts : what a contact uses, by cell and route
    by_offer, by_cell : what an offer in a portfolio uses, by the offer and by the customer's cell; both apply
    scope_has : (S, G) bool
    through_reach : (M,) bool, whether an amount of a candidate comes only with the reach of the route
    """

    bound: NDArray[np.float64]
    at_least: NDArray[np.bool_]
    contacts: ContactEntries
    by_offer: Entries
    by_cell: Entries
    scope_has: NDArray[np.bool_]
    through_reach: NDArray[np.bool_]


class Problem(NamedTuple):
    """One allocation: choose for each customer silence, or a route and up to K of their candidates.

    A choice is worth ``contact_micros[i, r] + reach[r] * sum_k weights[rank_k] * value_k``, losses in full, and the
    limits hold for the sums over customers. All uses are at least 0.
    """

    customers: Customers
    candidates: Candidates
    portfolio: Portfolio
    limits: Limits


def gathered(start: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the lists of some rows begin when only they are kept, and where each kept value stood."""
    width = np.diff(start)[rows]
    begin = np.concatenate([[0], np.cumsum(width)]).astype(np.int64)
    return begin, np.repeat(start[rows] - begin[:-1], width) + np.arange(begin[-1])


def take_customers(problem: Problem, rows: NDArray[np.int64]) -> Problem:
    """Return the problem of some customers, at ascending positions, under the same limits."""
    customers, candidates = problem.customers, problem.candidates
    start, at = gathered(customers.start, rows)
    return problem._replace(
        customers=Customers(
            start,
            customers.cell[rows],
            customers.contact_micros[rows],
            np.ascontiguousarray(customers.contact_amounts[:, rows]),
            customers.forced[rows],
        ),
        candidates=Candidates(
            candidates.offer[at],
            candidates.value[at],
            candidates.routes[at],
            candidates.must[at],
            np.ascontiguousarray(candidates.amounts[:, at]),
        ),
    )


def no_entries(rows: int) -> Entries:
    """Return entries that use nothing, for so many offers or cells."""
    return Entries(
        start=np.zeros(rows + 1, dtype=np.int64),
        limit=np.zeros(0, dtype=np.int32),
        use=np.zeros(0),
        amount=np.zeros(0, dtype=np.int32),
        routes=np.zeros(0, dtype=np.int64),
        scope=np.zeros(0, dtype=np.int32),
    )


def is_plain(portfolio: Portfolio) -> bool:
    """Return whether offers neither discount nor exclude each other, so that the best K alone are best together."""
    return bool((portfolio.weights == 1.0).all()) and len(portfolio.kind_most) == 0
