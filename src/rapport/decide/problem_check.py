"""Refuse an allocation whose arrays cannot be right, naming the place, the value and what is allowed.

Why it exists: compiled loops check nothing; a wrong index there reads another customer's numbers. Whether limits can
be met together is not asked here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import LimitInvalid
from rapport.decide.problem import COUNT, MOST_ROUTES, Entries, Problem

Array = NDArray[np.generic]


def _refuse(place: str, wrong: str, allowed: str) -> LimitInvalid:
    return LimitInvalid(f"{place}: {wrong}; {allowed}.")


def _first(bad: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Return where the first true element stands, None where there is none."""
    if not bad.any():
        return None
    return tuple(int(k) for k in np.unravel_index(int(bad.argmax()), bad.shape))


def _all_hold(place: str, values: Array, good: NDArray[np.bool_], allowed: str) -> None:
    at = _first(~good)
    if at is not None:
        index = ", ".join(str(k) for k in at)
        raise _refuse(f"{place}[{index}]", f"is {values[at]}", f"must be {allowed}")


def _shaped(place: str, values: Array, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise _refuse(place, f"has the shape {values.shape}", f"must have {shape}")


def _within(place: str, values: Array, low: int, high: int) -> None:
    """Refuse whole numbers outside [low, high)."""
    whole = values.astype(np.int64)
    _all_hold(place, values, (whole >= low) & (whole < high), f"at least {low} and below {high}")


def _numbers(place: str, values: NDArray[np.float64], least: float = -np.inf) -> None:
    allowed = "a finite number" if least == -np.inf else f"a finite number of at least {least:g}"
    _all_hold(place, values, np.isfinite(values) & (values >= least), allowed)


def _starts(place: str, start: NDArray[np.int64], rows: int, total: int) -> None:
    _shaped(place, start, (rows + 1,))
    if start[0] != 0 or start[-1] != total:
        raise _refuse(place, f"runs from {start[0]} to {start[-1]}", f"must run from 0 to {total}")
    _all_hold(place, start[1:], np.diff(start) >= 0, "at least the one before")


def _check_portfolio(problem: Problem) -> None:
    portfolio = problem.portfolio
    weights, routes, offers = portfolio.weights, len(portfolio.reach), len(portfolio.category)
    if not len(weights):
        raise _refuse("portfolio.weights", "is empty", "must have an element for each slot, 1 or more")
    _numbers("portfolio.weights", weights, 0.0)
    if weights[0] != 1.0:
        raise _refuse("portfolio.weights[0]", f"is {weights[0]}", "must be 1")
    _all_hold("portfolio.weights", weights[1:], np.diff(weights) <= 0.0, "at most the one before")
    if not 1 <= routes <= MOST_ROUTES:
        raise _refuse("portfolio.reach", f"has {routes} routes", f"must have 1 to {MOST_ROUTES}")
    _numbers("portfolio.reach", portfolio.reach, 0.0)
    _all_hold("portfolio.category", portfolio.category, portfolio.category >= 0, "at least 0")
    _shaped("portfolio.kind", portfolio.kind, (offers,))
    _within("portfolio.kind", portfolio.kind, -1, len(portfolio.kind_most))
    _all_hold("portfolio.kind_most", portfolio.kind_most, portfolio.kind_most >= 1, "at least 1")


def _check_customers(problem: Problem) -> None:
    customers, routes = problem.customers, len(problem.portfolio.reach)
    n = len(customers.cell)
    _starts("customers.start", customers.start, n, len(problem.candidates.offer))
    _shaped("customers.contact_micros", customers.contact_micros, (n, routes))
    contact = customers.contact_micros
    _all_hold(
        "customers.contact_micros",
        contact,
        np.isfinite(contact) | (contact == -np.inf),
        "finite, or -inf if not open",
    )
    _shaped("customers.contact_amounts", customers.contact_amounts, (len(customers.contact_amounts), n, routes))
    _numbers("customers.contact_amounts", customers.contact_amounts, 0.0)
    _shaped("customers.forced", customers.forced, (n,))


def _check_candidates(problem: Problem) -> None:
    candidates = problem.candidates
    m, routes = len(candidates.offer), len(problem.portfolio.reach)
    _within("candidates.offer", candidates.offer, 0, len(problem.portfolio.category))
    for name in ("value", "routes", "must"):
        _shaped(f"candidates.{name}", getattr(candidates, name), (m,))
    _numbers("candidates.value", candidates.value)
    _within("candidates.routes", candidates.routes, 0, 1 << routes)
    _all_hold(
        "candidates.must",
        candidates.must,
        candidates.must & ~candidates.routes == 0,
        "bits of routes that may carry the candidate",
    )
    _shaped("candidates.amounts", candidates.amounts, (len(candidates.amounts), m))
    _numbers("candidates.amounts", candidates.amounts, 0.0)


def _owners(problem: Problem) -> NDArray[np.int64]:
    start = problem.customers.start
    return np.repeat(np.arange(len(start) - 1, dtype=np.int64), np.diff(start))


def _check_order(problem: Problem) -> None:
    """Refuse offers of a customer out of order, or twice through one route."""
    offer, routes, start = problem.candidates.offer, problem.candidates.routes, problem.customers.start
    m = len(offer)
    if m < 2:
        return
    inside = np.ones(m - 1, dtype=np.bool_)
    edges = start[1:-1]
    inside[edges[(edges > 0) & (edges < m)] - 1] = False
    at = _first(inside & (offer[1:] < offer[:-1]))
    if at is not None:
        c = at[0] + 1
        owner = int(np.searchsorted(start, c, side="right")) - 1
        raise _refuse(
            f"candidates.offer[{c}]",
            f"is {offer[c]} after {offer[c - 1]}, of customer {owner}",
            "a customer's candidates must be in ascending order of offer",
        )
    same = np.flatnonzero(inside & (offer[1:] == offer[:-1])) + 1
    seen: dict[int, int] = {}
    for c in same.tolist():
        before = seen.get(c - 1, int(routes[c - 1]))
        if before & int(routes[c]):
            owner = int(np.searchsorted(start, c, side="right")) - 1
            raise _refuse(
                f"candidates.offer[{c}]",
                f"is {offer[c]} again, of customer {owner}, through the same route",
                "an offer may stand once for each customer and route",
            )
        seen[c] = before | int(routes[c])


def _check_musts(problem: Problem) -> None:
    """Refuse more that must be there than a portfolio, or a kind, can hold."""
    must, portfolio = problem.candidates.must, problem.portfolio
    held = np.flatnonzero(must)
    if not len(held):
        return
    owner, offer = _owners(problem)[held], problem.candidates.offer[held]
    kind, size, kinds = portfolio.kind[offer].astype(np.int64), len(portfolio.weights), len(portfolio.kind_most)
    for r in range(len(portfolio.reach)):
        bit = (must[held] >> r) & 1 == 1
        counts = np.bincount(owner[bit])
        if counts.max(initial=0) > size:
            i = int(counts.argmax())
            raise _refuse(
                f"candidates.must of customer {i}, route {r}", f"are {counts[i]} offers", f"at most {size} fit"
            )
        of_kind = bit & (kind >= 0)
        keys, numbers = np.unique(owner[of_kind] * max(kinds, 1) + kind[of_kind], return_counts=True)
        if not kinds:
            continue
        over = np.flatnonzero(numbers > portfolio.kind_most[keys % kinds])
        if len(over):
            i, t = divmod(int(keys[over[0]]), kinds)
            raise _refuse(
                f"candidates.must of customer {i}, route {r}",
                f"are {numbers[over[0]]} offers of kind {t}",
                f"at most {portfolio.kind_most[t]} of it may stand together",
            )


def _check_entries(problem: Problem, place: str, entries: Entries, rows: int) -> None:
    total = len(entries.limit)
    _starts(f"{place}.start", entries.start, rows, total)
    for name in ("use", "amount", "routes", "scope"):
        _shaped(f"{place}.{name}", getattr(entries, name), (total,))
    _within(f"{place}.limit", entries.limit, 0, len(problem.limits.bound))
    _numbers(f"{place}.use", entries.use, 0.0)
    _within(f"{place}.amount", entries.amount, COUNT, len(problem.candidates.amounts))
    _within(f"{place}.scope", entries.scope, -1, len(problem.limits.scope_has))


def _check_limits(problem: Problem) -> None:
    limits, routes = problem.limits, len(problem.portfolio.reach)
    bound, contacts = limits.bound, limits.contacts
    _shaped("limits.at_least", limits.at_least, bound.shape)
    _all_hold("limits.bound", bound, ~np.isnan(bound), "a number")
    _all_hold("limits.bound", bound, limits.at_least | (bound >= 0.0), "at least 0 for a maximum")
    _all_hold("limits.bound", bound, ~limits.at_least | (bound < np.inf), "below infinity for a minimum")
    if limits.scope_has.ndim != 2:
        raise _refuse("limits.scope_has", f"has the shape {limits.scope_has.shape}", "must have (scopes, cells)")
    cells = len(limits.by_cell.start) - 1
    if len(limits.scope_has) and limits.scope_has.shape[1] != cells:
        raise _refuse("limits.scope_has", f"has {limits.scope_has.shape[1]} cells", f"must have {cells}")
    _within("customers.cell", problem.customers.cell, 0, cells)
    _shaped("limits.through_reach", limits.through_reach, (len(problem.candidates.amounts),))
    _check_entries(problem, "limits.by_offer", limits.by_offer, len(problem.portfolio.category))
    _check_entries(problem, "limits.by_cell", limits.by_cell, cells)
    total = len(contacts.limit)
    _starts("limits.contacts.start", contacts.start, cells * routes, total)
    _shaped("limits.contacts.use", contacts.use, (total,))
    _shaped("limits.contacts.amount", contacts.amount, (total,))
    _within("limits.contacts.limit", contacts.limit, 0, len(bound))
    _numbers("limits.contacts.use", contacts.use, 0.0)
    _within("limits.contacts.amount", contacts.amount, COUNT, len(problem.customers.contact_amounts))


def check_problem(problem: Problem) -> None:
    """Refuse a problem whose arrays cannot be right.

    Parameters
    ----------
    problem : Problem

    Raises
    ------
    LimitInvalid
        Naming the array and the place in it, the value, and what is allowed: a shape, a number that is not finite
        (contacts may be -inf: not open; maxima may be infinite: no limit), a use or an amount below 0, an index out
        of range, a customer's offers out of order or twice through one route, a maximum below 0, weights that rise
        or do not begin with 1, more routes than `MOST_ROUTES`, more that must be there than fit.
    """
    _check_portfolio(problem)
    _check_customers(problem)
    _check_candidates(problem)
    _check_order(problem)
    _check_musts(problem)
    _check_limits(problem)
