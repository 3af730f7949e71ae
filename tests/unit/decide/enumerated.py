"""Small allocations written out: every choice of every customer as one column, solved by HiGHS through scipy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from rapport.decide.problem import (
    ANYONE,
    COUNT,
    Candidates,
    ContactEntries,
    Customers,
    Entries,
    Limits,
    Portfolio,
    Problem,
)

ALL_ROUTES = (1 << 62) - 1


@dataclass
class Sketch:
    """What a test says of a problem; everything else is plain: one route, one cell, free contacts, no minima."""

    values: list[list[float]]
    """By customer and offer; nan where the offer is not for the customer."""
    bounds: list[float]
    offers: list[tuple[int, int, float, int]]
    """Entries by offer: offer, limit, use, amount."""
    contacts: list[tuple[int, int, float]]
    """Entries by route: route, limit, use; for all cells."""
    cells: list[tuple[int, int, float, int]]
    """Entries by cell: cell, limit, use, amount."""
    at_least: tuple[int, ...] = ()
    size: int = 1
    cost: list[list[float]] | None = None
    reach: tuple[float, ...] = (1.0,)
    weight: float = 1.0
    category: tuple[int, ...] | None = None
    kind: tuple[int, ...] | None = None
    kind_most: tuple[int, ...] = ()
    cell: tuple[int, ...] | None = None
    forced: tuple[int, ...] = ()
    must: tuple[tuple[int, int], ...] = ()
    """Customer and offer, through every route."""
    amounts: list[list[float]] | None = None
    """By customer and offer, the one amount that entries may count."""


def sketch(values: list[list[float]], bounds: list[float], **more: object) -> Problem:
    """Return the problem of a sketch given by keywords."""
    said = {"offers": [], "contacts": [], "cells": [], **more}
    return problem_of(Sketch(values=values, bounds=bounds, **said))  # type: ignore[arg-type]


def _entries(rows: int, items: list[tuple[int, int, float, int]]) -> Entries:
    items = sorted(items, key=lambda item: item[0])
    start = np.searchsorted([item[0] for item in items], np.arange(rows + 1)).astype(np.int64)
    return Entries(
        start=start,
        limit=np.array([item[1] for item in items], dtype=np.int32),
        use=np.array([item[2] for item in items], dtype=np.float64),
        amount=np.array([item[3] for item in items], dtype=np.int32),
        routes=np.full(len(items), ALL_ROUTES, dtype=np.int64),
        scope=np.full(len(items), ANYONE, dtype=np.int32),
    )


def problem_of(s: Sketch) -> Problem:
    """Return the arrays of a sketch."""
    values = np.array(s.values, dtype=np.float64)
    n, offers = values.shape
    routes = len(s.reach)
    there = ~np.isnan(values)
    cell = np.zeros(n, dtype=np.int32) if s.cell is None else np.array(s.cell, dtype=np.int32)
    groups = int(cell.max(initial=0)) + 1
    must = np.zeros((n, offers), dtype=np.int64)
    for i, j in s.must:
        must[i, j] = (1 << routes) - 1
    forced = np.zeros(n, dtype=np.bool_)
    forced[list(s.forced)] = True
    at_least = np.zeros(len(s.bounds), dtype=np.bool_)
    at_least[list(s.at_least)] = True
    by_row = sorted((g * routes + r, limit, use) for g in range(groups) for r, limit, use in s.contacts)
    amounts = np.zeros((n, offers)) if s.amounts is None else np.array(s.amounts, dtype=np.float64)
    return Problem(
        Customers(
            start=np.append(0, np.cumsum(there.sum(axis=1))).astype(np.int64),
            cell=cell,
            contact_micros=np.zeros((n, routes)) if s.cost is None else -np.array(s.cost, dtype=np.float64),
            contact_amounts=np.zeros((0, n, routes)),
            forced=forced,
        ),
        Candidates(
            offer=np.nonzero(there)[1].astype(np.int32),
            value=values[there],
            routes=np.full(there.sum(), (1 << routes) - 1, dtype=np.int64),
            must=must[there],
            amounts=amounts[there][None],
        ),
        Portfolio(
            weights=s.weight ** np.arange(s.size, dtype=np.float64),
            reach=np.array(s.reach),
            category=np.array(s.category or range(offers), dtype=np.int32),
            kind=np.array(s.kind or [-1] * offers, dtype=np.int32),
            kind_most=np.array(s.kind_most, dtype=np.int32),
        ),
        Limits(
            bound=np.array(s.bounds, dtype=np.float64),
            at_least=at_least,
            contacts=ContactEntries(
                start=np.searchsorted([b[0] for b in by_row], np.arange(groups * routes + 1)).astype(np.int64),
                limit=np.array([b[1] for b in by_row], dtype=np.int32),
                use=np.array([b[2] for b in by_row], dtype=np.float64),
                amount=np.full(len(by_row), COUNT, dtype=np.int32),
            ),
            by_offer=_entries(offers, s.offers),
            by_cell=_entries(groups, s.cells),
            scope_has=np.zeros((0, groups), dtype=np.bool_),
            through_reach=np.zeros(1, dtype=np.bool_),
        ),
    )


def choice_of(p: Problem, i: int, r: int, chosen: tuple[int, ...]) -> tuple[float, list[float]]:
    """Return value and use of one choice, in plain Python; `chosen` counts from the customer's first candidate."""
    usage = [0.0] * len(p.limits.bound)
    if r < 0:
        return 0.0, usage
    cell, first = int(p.customers.cell[i]), int(p.customers.start[i])
    contacts = p.limits.contacts
    at = cell * len(p.portfolio.reach) + r
    for e in range(contacts.start[at], contacts.start[at + 1]):
        usage[contacts.limit[e]] += contacts.use[e]
    ranked: dict[int, list[float]] = {}
    for k in chosen:
        c = first + k
        j = int(p.candidates.offer[c])
        ranked.setdefault(int(p.portfolio.category[j]), []).append(float(p.candidates.value[c]))
        for entries, row in ((p.limits.by_offer, j), (p.limits.by_cell, cell)):
            for e in range(entries.start[row], entries.start[row + 1]):
                counted = 1.0 if entries.amount[e] == COUNT else p.candidates.amounts[entries.amount[e], c]
                usage[entries.limit[e]] += entries.use[e] * counted
    value = float(p.customers.contact_micros[i, r])
    for worths in ranked.values():
        for rank, worth in enumerate(sorted(worths, reverse=True)):
            # Losses count in full.
            value += (p.portfolio.weights[rank] if worth > 0 else 1.0) * p.portfolio.reach[r] * worth
    return value, usage


def _allowed(p: Problem, i: int, r: int, chosen: tuple[int, ...]) -> bool:
    first, last = int(p.customers.start[i]), int(p.customers.start[i + 1])
    if any((p.candidates.must[first + k] >> r) & 1 and k not in chosen for k in range(last - first)):
        return False
    kinds = [int(p.portfolio.kind[p.candidates.offer[first + k]]) for k in chosen]
    if any(kinds.count(kind) > p.portfolio.kind_most[kind] for kind in kinds if kind >= 0):
        return False
    return bool(chosen) or bool(p.customers.forced[i])


def choices(p: Problem, i: int) -> list[tuple[int, tuple[int, ...]]]:
    """Return every choice that a customer may be given."""
    width = int(p.customers.start[i + 1] - p.customers.start[i])
    opened = [r for r in range(len(p.portfolio.reach)) if p.customers.contact_micros[i, r] > -np.inf]
    found = [
        (r, chosen)
        for r in opened
        for size in range(min(width, len(p.portfolio.weights)) + 1)
        for chosen in combinations(range(width), size)
        if _allowed(p, i, r, chosen)
    ]
    return found if p.customers.forced[i] and opened else [(-1, ()), *found]


@dataclass
class Optimum:
    """Best value of whole choices and of shares of them, None where there is none, and the prices of the latter."""

    whole: float | None
    shares: float | None
    prices: np.ndarray


def optimum(p: Problem) -> Optimum:
    """Return what HiGHS finds over all columns."""
    n, size = len(p.customers.cell), len(p.limits.bound)
    columns = [(i, *choice_of(p, i, r, chosen)) for i in range(n) for r, chosen in choices(p, i)]
    cost = -np.array([column[1] for column in columns])
    usage = np.array([column[2] for column in columns]).T.reshape(size, len(columns))
    once = np.array([[float(column[0] == i) for column in columns] for i in range(n)])
    sign = np.where(p.limits.at_least, -1.0, 1.0)
    shares = linprog(cost, A_ub=sign[:, None] * usage, b_ub=sign * p.limits.bound, A_eq=once, b_eq=np.ones(n))
    low = np.where(p.limits.at_least, p.limits.bound, -np.inf)
    high = np.where(p.limits.at_least, np.inf, p.limits.bound)
    rules = [LinearConstraint(usage, low, high), LinearConstraint(once, 1.0, 1.0)]
    whole = milp(cost, integrality=np.ones(len(cost)), bounds=Bounds(0.0, 1.0), constraints=rules)
    return Optimum(
        whole=None if whole.x is None else -float(whole.fun),
        shares=None if shares.x is None else -float(shares.fun),
        prices=np.zeros(size) if shares.x is None else -sign * shares.ineqlin.marginals,
    )


FAMILIES = (
    "slack",
    "tight",
    "hierarchical",
    "at_least",
    "lumpy",
    "fixed_cost",
    "heavy_tailed",
    "correlated",
    "ties",
    "variety",
    "forced",
)


OFFERS = 5


def _stocks(g: np.random.Generator, n: int, share: float) -> list[float]:
    return [float(b) for b in g.integers(0, max(2, int(share * n) + 1), OFFERS)]


def _other_limits(family: str, g: np.random.Generator, n: int, said: dict[str, Any]) -> list[float]:
    """Add to `said` how a family uses limits, and return their bounds."""
    few = float(g.integers(1, n + 1))
    by_half = [*said["offers"], *((j, OFFERS + 1 + j % 2, 1.0, COUNT) for j in range(OFFERS))]
    if family == "tight":
        return [*_stocks(g, n, 0.3), few]
    if family == "hierarchical":
        said["offers"] = by_half
        return [*_stocks(g, n, 1.0), few + 1.0, few, few]
    if family == "at_least":
        said |= {"offers": by_half, "at_least": (OFFERS + 1, OFFERS + 2)}
        return [*_stocks(g, n, 1.5), 2.0 * n, float(g.integers(0, n + 1)), float(g.integers(0, n + 1))]
    if family == "forced":
        said |= {
            "forced": tuple(np.flatnonzero(g.random(n) < 0.4)),
            "must": tuple((i, int(g.integers(0, OFFERS))) for i in range(n) if g.random() < 0.2),
            "reach": (1.0, 0.6),
            "cost": np.where(g.random((n, 2)) < 0.1, np.inf, [[8e5, 1e5]]).tolist(),
            "offers": [(j, j, 1.0, COUNT) for j in range(OFFERS)],
            "contacts": [(0, OFFERS, 1.0), (1, OFFERS + 1, 1.0)],
            "at_least": (OFFERS + 1,),
        }
        return [b + 1.0 for b in _stocks(g, n, 1.0)] + [few, float(g.integers(0, n // 2 + 1))]
    return [float(n)] * OFFERS + [3.0 * n] if family == "slack" else [*_stocks(g, n, 0.8), float(n)]


def drawn(family: str, seed: int) -> Problem:
    """Return a small random problem of a family: up to 8 customers, 5 offers."""
    g = np.random.default_rng([FAMILIES.index(family), seed])
    n = int(g.integers(1, 9))
    values = g.lognormal(0.0, 1.0, (n, OFFERS))
    said: dict[str, Any] = {
        "size": int(g.integers(1, 4)),
        "offers": [(j, limit, 1.0, COUNT) for j in range(OFFERS) for limit in (j, OFFERS)],
    }
    bounds = _other_limits(family, g, n, said)
    if family == "at_least":
        values[:, :2] *= 0.2
    elif family == "lumpy":
        amounts = np.where(
            g.random((n, OFFERS)) < 0.3, g.integers(20, 60, (n, OFFERS)), g.integers(1, 6, (n, OFFERS))
        )
        values *= np.sqrt(amounts)
        said |= {"amounts": amounts.tolist(), "offers": [], "cells": [(0, 0, 1.0, 0)]}
        bounds = [float(g.integers(5, 15 * n))]
    elif family == "fixed_cost":
        said |= {"cost": [[3e6]] * n, "contacts": [(0, OFFERS, 2.0)]}
    elif family == "heavy_tailed":
        values = g.pareto(0.9, (n, OFFERS))
    elif family == "correlated":
        values = np.array([5.0, 4.0, 1.0, 0.5, 0.2]) * g.lognormal(0.0, 0.1, (n, OFFERS))
    elif family == "ties":
        values = g.integers(1, 4, (n, OFFERS)).astype(float)
    elif family == "variety":
        said |= {"weight": 0.7, "category": (0, 0, 0, 1, 1)}
    values[g.random((n, OFFERS)) < 0.1] = np.nan
    return sketch((1e6 * values).tolist(), bounds, **said)
