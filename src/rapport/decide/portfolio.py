"""The one portfolio that is best for many, and what variety leaves of similar offers.

Why it exists: below one-to-one treatment stand a portfolio for all and one for each tier. They are chosen by the same
loop that chooses for a customer, from sums over customers in place of one customer's values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.decide.problem import (
    Candidates,
    ContactEntries,
    Customers,
    Limits,
    Portfolio,
    Problem,
    no_entries,
)
from rapport.decide.respond import respond
from rapport.decide.terms import CommonPortfolio

NO_OFFER = -1
"""Marks an empty slot."""


def variety_weights(variety: float, size: int) -> NDArray[np.float64]:
    """Return the weight of the first, second, ... offer of one category, shape (size,)."""
    return np.power(np.float64(variety), np.arange(size, dtype=np.float64))


def common_portfolio(total_micros: NDArray[np.float64], portfolio: Portfolio) -> CommonPortfolio:
    """Return the one portfolio that is best for many.

    Parameters
    ----------
    total_micros : (J,) float64
        Each offer's value summed over them; offers at or below 0 are not taken.
    portfolio : Portfolio
        How portfolios are valued and bounded; `reach` is not regarded.
    """
    best = respond(_one_customer(np.asarray(total_micros, dtype=np.float64), portfolio), np.zeros(0))
    chosen = best.chosen[0]
    return CommonPortfolio(offers=chosen[chosen != NO_OFFER].astype(np.int32))


def _one_customer(value: NDArray[np.float64], portfolio: Portfolio) -> Problem:
    m = len(value)
    empty = np.zeros(0)
    contacts = ContactEntries(
        np.zeros(2, dtype=np.int64), np.zeros(0, dtype=np.int32), empty, np.zeros(0, dtype=np.int32)
    )
    return Problem(
        Customers(
            start=np.array([0, m], dtype=np.int64),
            cell=np.zeros(1, dtype=np.int32),
            contact_micros=np.zeros((1, 1)),
            contact_amounts=np.zeros((0, 1, 1)),
            forced=np.zeros(1, dtype=np.bool_),
        ),
        Candidates(
            offer=np.arange(m, dtype=np.int32),
            value=value,
            routes=np.ones(m, dtype=np.int64),
            must=np.zeros(m, dtype=np.int64),
            amounts=np.zeros((0, m)),
        ),
        portfolio._replace(reach=np.ones(1)),
        Limits(
            bound=empty,
            at_least=np.zeros(0, dtype=np.bool_),
            contacts=contacts,
            by_offer=no_entries(m),
            by_cell=no_entries(1),
            scope_has=np.zeros((0, 1), dtype=np.bool_),
            through_reach=np.zeros(0, dtype=np.bool_),
        ),
    )
