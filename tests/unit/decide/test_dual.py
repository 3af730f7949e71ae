"""The search for prices and its bound, against hand calculation, enumeration and programmes solved by HiGHS."""

from __future__ import annotations

import time
from itertools import combinations, count, product
from typing import Any

import highspy
import numba
import numpy as np
import pytest

from rapport.decide import dual
from rapport.decide.bound import bound_at, kinds_cross, relaxations
from rapport.decide.dual import find_prices, sampled
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
    no_entries,
)
from rapport.decide.soften import soften

FAMILIES = ("slack", "tight", "hierarchical", "at_least", "lumpy", "contact_cost", "heavy_tailed", "alike", "ties")


def entries(uses: list[list[tuple[int, float, int]]], every_route: int) -> Entries:
    """Return entries from (limit, use, amount) for each offer."""
    flat = [x for row in uses for x in row]
    return Entries(
        np.cumsum([0] + [len(row) for row in uses]).astype(np.int64),
        np.array([x[0] for x in flat], np.int32),
        np.array([x[1] for x in flat], np.float64),
        np.array([x[2] for x in flat], np.int32),
        np.full(len(flat), every_route, np.int64),
        np.full(len(flat), ANYONE, np.int32),
    )


def contact_entries(uses: list[list[tuple[int, float]]]) -> ContactEntries:
    """Return entries of contacts from (limit, use) for each route, of one cell."""
    flat = [x for row in uses for x in row]
    return ContactEntries(
        np.cumsum([0] + [len(row) for row in uses]).astype(np.int64),
        np.array([x[0] for x in flat], np.int32),
        np.array([x[1] for x in flat], np.float64),
        np.full(len(flat), COUNT, np.int32),
    )


def make(values: Any, **other: Any) -> Problem:
    """Return a problem of a table of values, customers in rows and offers in columns; NaN: no candidate.

    bounds, at_least; by_offer, contacts: uses; contact: (n, R); size: slots; weights, category, kind, kind_most.
    """
    table = np.atleast_2d(np.asarray(values, np.float64))
    there = ~np.isnan(table)
    n, offers = table.shape
    contact = np.asarray(other.get("contact", np.zeros((n, 1))), np.float64)
    routes, m = contact.shape[1], int(there.sum())
    size = other.get("size", 1)
    bounds = np.asarray(other.get("bounds", []), np.float64)
    every = (1 << routes) - 1
    by_offer = other.get("by_offer")
    amounts = np.asarray(other.get("amounts", np.zeros((0, m))), np.float64)
    return Problem(
        Customers(
            np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64),
            np.zeros(n, np.int32),
            contact,
            np.zeros((0, n, routes)),
            np.asarray(other.get("forced", np.zeros(n)), np.bool_),
        ),
        Candidates(
            np.nonzero(there)[1].astype(np.int32),
            table[there],
            np.full(m, every, np.int64),
            np.asarray(other.get("must", np.zeros(m)), np.int64),
            amounts,
        ),
        Portfolio(
            np.asarray(other.get("weights", np.ones(size)), np.float64),
            np.asarray(other.get("reach", np.ones(routes)), np.float64),
            np.asarray(other.get("category", np.arange(offers)), np.int32),
            np.asarray(other.get("kind", np.full(offers, -1)), np.int32),
            np.asarray(other.get("kind_most", []), np.int32),
        ),
        Limits(
            bounds,
            np.asarray(other.get("at_least", np.zeros(len(bounds))), np.bool_),
            contact_entries(other.get("contacts", [[]] * routes)),
            entries(by_offer, every) if by_offer is not None else no_entries(offers),
            no_entries(1),
            np.zeros((0, 1), np.bool_),
            np.zeros(len(amounts), np.bool_),
        ),
    )


def family(name: str, seed: int, n: int = 12, offers: int = 6) -> Problem:
    """Return a small random problem of a family, always one that can be met."""
    draw = np.random.default_rng(seed)
    values = draw.lognormal(0.0, 2.0 if name == "heavy_tailed" else 0.7, (n, offers)) * 1e6
    if name == "ties":
        values = draw.integers(1, 4, (n, offers)) * 1e6
    if name == "alike":
        values = (10.0 * np.exp(-np.arange(offers)) + draw.random((n, offers))) * 1e6
    stock = {"slack": 2.0 * n, "tight": 1.0}.get(name, 3.0)
    bounds, at_least = [stock] * offers, [False] * offers
    by_offer = [[(j, 1.0, COUNT)] for j in range(offers)]
    routes = 2 if name == "contact_cost" else 1
    contacts: list[list[tuple[int, float]]] = [[] for _ in range(routes)]
    if name == "hierarchical":
        for j in range(offers):
            by_offer[j] += [(offers + j % 2, 1.0, COUNT), (offers + 2, 1.0, COUNT)]
        bounds, at_least = [*bounds, 5.0, 4.0, 8.0], [*at_least, False, False, False]
    if name == "at_least":
        values[:, 0] *= 0.1
        by_offer[0].append((offers, 1.0, COUNT))
        bounds, at_least = [*bounds, 3.0], [*at_least, True]
    if name == "lumpy":
        for j in range(offers):
            by_offer[j].append((offers, 1.0, 0))
        bounds, at_least = [*bounds, 9.5], [*at_least, False]
    if name == "contact_cost":
        contacts = [[(offers, 1.0)], [(offers + 1, 1.0)]]
        bounds, at_least = [*bounds, 4.0, 3.0], [*at_least, False, False]
    contact = -np.array([[1.5e6, 1.0e6]])[:, :routes].repeat(n, axis=0)
    return make(
        values,
        size=2,
        bounds=bounds,
        at_least=at_least,
        by_offer=by_offer,
        contacts=contacts,
        contact=contact,
        amounts=draw.lognormal(0.0, 1.5, (1, n * offers)),
    )


def linear_optimum(p: Problem) -> float:
    """Return the best value of plans in shares: y (customer, route), x (candidate, route), solved by HiGHS."""
    n, routes, size = len(p.customers.cell), len(p.portfolio.reach), len(p.portfolio.weights)
    owner = np.repeat(np.arange(n), np.diff(p.customers.start))
    rows: list[tuple[float, float, dict[int, float]]] = []
    cost: list[float] = [float(v) for v in p.customers.contact_micros.ravel()]
    used: list[dict[int, float]] = [{} for _ in p.limits.bound]

    def use(limit: int, column: int, amount: float) -> None:
        used[limit][column] = used[limit].get(column, 0.0) + amount

    for i in range(n):
        rows.append((0.0, 1.0, {i * routes + r: 1.0 for r in range(routes)}))
        for r in range(routes):
            contacts = p.limits.contacts
            for e in range(contacts.start[r], contacts.start[r + 1]):
                use(int(contacts.limit[e]), i * routes + r, float(contacts.use[e]))
    slots: dict[int, dict[int, float]] = {y: {} for y in range(n * routes)}
    for c, r in product(range(len(owner)), range(routes)):
        x, y = len(cost), int(owner[c]) * routes + r
        cost.append(float(p.candidates.value[c] * p.portfolio.reach[r]))
        rows.append((-np.inf, 0.0, {x: 1.0, y: -1.0}))
        slots[y][x] = 1.0
        by_offer, j = p.limits.by_offer, p.candidates.offer[c]
        for e in range(by_offer.start[j], by_offer.start[j + 1]):
            a = by_offer.amount[e]
            use(
                int(by_offer.limit[e]),
                x,
                float(by_offer.use[e]) * (1.0 if a < 0 else float(p.candidates.amounts[a, c])),
            )
    for y, columns in slots.items():
        rows += [(-np.inf, 0.0, columns | {y: -float(size)}), (0.0, np.inf, columns | {y: -1.0})]
    for limit, columns in enumerate(used):
        b = float(p.limits.bound[limit])
        rows.append((b, np.inf, columns) if p.limits.at_least[limit] else (-np.inf, b, columns))
    return _solved(cost, rows)


def _solved(cost: list[float], rows: list[tuple[float, float, dict[int, float]]]) -> float:
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    for c in cost:
        highs.addCol(-c / 1e6, 0.0, 1.0, 0, np.array([], np.int32), np.array([], np.float64))
    for low, high, columns in rows:
        at, factor = np.array(list(columns), np.int32), np.array(list(columns.values()), np.float64)
        highs.addRow(low, high, len(at), at, factor)
    highs.run()
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return -float(highs.getInfo().objective_function_value) * 1e6


def search(p: Problem, **other: Any) -> dual.PriceSearch:
    given: dict[str, Any] = {"start": None, "clock": time.perf_counter, "allowed_seconds": 60.0, "salt": "test"}
    return find_prices(p, **(given | other))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("seed", range(4))
def test_the_bound_is_the_optimum_of_the_linear_programme(name: str, seed: int) -> None:
    p = family(name, seed)
    best = linear_optimum(p)
    found = search(p)
    assert found.bound >= best * (1.0 - 1e-9)
    assert found.bound <= best * (1.0 + 5e-4)
    assert not found.unmeetable


def test_one_piece_for_two_customers_costs_what_the_second_would_pay() -> None:
    # one piece, worth 5 and 3: the plan is worth 5, and any price in [3, 5] proves it
    found = search(make([[5e6], [3e6]], bounds=[1.0], by_offer=[[(0, 1.0, COUNT)]]))
    assert found.bound == pytest.approx(5e6, rel=1e-6)
    assert 3e6 * (1 - 1e-3) <= found.prices[0] <= 5e6 * (1 + 1e-3)


def test_a_minimum_has_a_price_below_zero() -> None:
    # both prefer the first offer (5 over 3, 5 over 1); one must take the second: the first customer loses 2
    p = make([[5e6, 3e6], [5e6, 1e6]], bounds=[1.0], at_least=[True], by_offer=[[], [(0, 1.0, COUNT)]])
    found = search(p)
    assert found.bound == pytest.approx(8e6, rel=1e-6)
    assert -4e6 * (1 + 1e-3) <= found.prices[0] <= -2e6 * (1 - 1e-3)


def test_a_contact_that_must_be_is_bounded_with_the_offer_that_loses_least() -> None:
    # one contact at least, and a contact needs an offer: the best of -2 and -3
    p = make([[-2e6, -3e6]], bounds=[1.0], at_least=[True], contacts=[[(0, 1.0)]])
    assert search(p).bound == pytest.approx(-2e6, rel=1e-6)
    for price in (0.0, -1e6, -2e6, -5e6):
        assert bound_at(relaxations(p), np.array([price])).value >= -2e6


def portfolio_worth(p: Problem, chosen: tuple[int, ...]) -> float:
    """Return what the offers of one customer are worth together: ranked within their category, losses in full."""
    total, category = 0.0, p.portfolio.category[p.candidates.offer]
    for c in set(category[list(chosen)].tolist()):
        ranked = sorted((float(p.candidates.value[k]) for k in chosen if category[k] == c), reverse=True)
        total += sum(w * v if v > 0 else v for w, v in zip(p.portfolio.weights, ranked, strict=False))
    return total


@pytest.mark.parametrize("seed", range(30))
def test_the_bound_holds_where_kinds_cut_through_discounted_categories(seed: int) -> None:
    # one customer of five offers, enumerated; a price of one limit on every offer, of either sign
    draw = np.random.default_rng(seed)
    p = make(
        [draw.normal(1.0, 2.0, 5) * 1e6],
        weights=[1.0, 0.6, 0.3],
        category=draw.integers(0, 2, 5),
        kind=draw.integers(-1, 2, 5),
        kind_most=[1, 2],
        bounds=[0.0],
        at_least=[seed % 2 == 1],
        by_offer=[[(0, float(u), COUNT)] for u in draw.random(5)],
    )
    price = (-1.0 if seed % 2 else 1.0) * draw.random() * 1e6
    best = 0.0
    for chosen in (c for k in (1, 2, 3) for c in combinations(range(5), k)):
        kinds = p.portfolio.kind[list(chosen)]
        if (kinds == 0).sum() <= 1 and (kinds == 1).sum() <= 2:
            charge = price * float(p.limits.by_offer.use[list(chosen)].sum())
            best = max(best, portfolio_worth(p, chosen) - charge)
    assert bound_at(relaxations(p), np.array([price])).value >= best - 1.0


def test_kinds_that_hold_whole_categories_do_not_cross_them() -> None:
    given = {"weights": [1.0, 0.5], "kind_most": [1, 1]}
    assert not kinds_cross(make([[1.0, 1.0, 1.0]], category=[0, 0, 1], kind=[0, 0, 1], **given))
    assert kinds_cross(make([[1.0, 1.0, 1.0]], category=[0, 0, 1], kind=[0, 1, 1], **given))
    assert not kinds_cross(make([[1.0, 1.0, 1.0]], category=[0, 0, 1], kind=[0, 1, 1], size=2, kind_most=[1, 1]))


@pytest.mark.parametrize("name", ["tight", "hierarchical", "at_least", "lumpy", "contact_cost"])
def test_the_smoothed_use_is_the_slope_of_the_smoothed_value(name: str) -> None:
    p = family(name, 1)
    draw = np.random.default_rng(2)
    prices = draw.random(len(p.limits.bound)) * 1e6 * np.where(p.limits.at_least, -1.0, 1.0)
    at = soften(p, prices, 3e5)
    for limit in range(len(prices)):
        step = np.zeros_like(prices)
        step[limit] = 10.0
        slope = (soften(p, prices + step, 3e5).value - soften(p, prices - step, 3e5).value) / 20.0
        assert slope == pytest.approx(-at.usage[limit], rel=1e-4, abs=1e-4)


def test_the_smoothed_value_bounds_the_exact_one_and_tends_to_it() -> None:
    p = family("lumpy", 3)
    prices = np.full(len(p.limits.bound), 2e5)
    exact = bound_at(relaxations(p), prices)
    bought = float(prices @ p.limits.bound)
    excess = [bought + soften(p, prices, heat).value - exact.value for heat in (1e6, 1e5, 1e4, 1e3)]
    assert excess == sorted(excess, reverse=True)
    assert 0.0 <= excess[-1] < 1e3 * 12 * 5  # at most heat * ln(choices) for each of 12 customers


def test_limits_that_cannot_be_met_are_noticed() -> None:
    # two pieces at least, and one customer who may get one
    p = make([[5e6]], bounds=[2.0], at_least=[True], by_offer=[[(0, 1.0, COUNT)]])
    found = search(p)
    assert found.unmeetable
    assert np.isfinite(found.prices).all()


def test_a_minimum_that_just_can_be_met_is_not_called_unmeetable() -> None:
    found = search(make([[5e6, 1e6]], bounds=[1.0], at_least=[True], by_offer=[[], [(0, 1.0, COUNT)]]))
    assert not found.unmeetable
    assert found.bound == pytest.approx(1e6, rel=1e-4)


@pytest.mark.parametrize("bounds", [[0.0], [np.inf], []])
def test_limits_of_zero_of_infinity_and_none_at_all(bounds: list[float]) -> None:
    p = make([[5e6], [3e6]], bounds=bounds, by_offer=[[(0, 1.0, COUNT)] if bounds else []])
    found = search(p)
    assert found.bound == pytest.approx(0.0 if bounds == [0.0] else 8e6, abs=1.0)
    assert np.isfinite(found.prices).all()
    assert bounds != [np.inf] or found.prices[0] == 0.0


def test_nobody_and_nothing_to_offer() -> None:
    nobody = make(np.zeros((0, 2)), bounds=[1.0], by_offer=[[(0, 1.0, COUNT)], []])
    nothing = make([[np.nan, np.nan]], bounds=[1.0], by_offer=[[(0, 1.0, COUNT)], []])
    assert search(nobody).bound == 0.0
    assert search(nothing).bound == 0.0


def test_values_of_a_million_millions_change_nothing_but_the_scale() -> None:
    p = family("hierarchical", 5)
    large = p._replace(
        candidates=p.candidates._replace(value=p.candidates.value * 1e6),
        customers=p.customers._replace(contact_micros=p.customers.contact_micros * 1e6),
    )
    assert search(large).bound == pytest.approx(1e6 * search(p).bound, rel=1e-4)


def test_duplicate_and_unused_limits_do_no_harm() -> None:
    # the pieces of one offer counted twice: worth 5 + 3 with two pieces; the third limit is used by nobody
    uses = [[(0, 1.0, COUNT), (1, 1.0, COUNT)]]
    found = search(make([[5e6], [3e6], [2e6]], bounds=[2.0, 2.0, 7.0], by_offer=uses))
    assert found.bound == pytest.approx(8e6, rel=1e-6)
    assert found.prices[2] == 0.0


def _many(n: int) -> Problem:
    draw = np.random.default_rng(4)
    return make(
        draw.lognormal(0.0, 1.0, (n, 5)) * 1e6,
        size=2,
        bounds=[0.2 * n] * 5,
        by_offer=[[(j, 1.0, COUNT)] for j in range(5)],
        contact=np.full((n, 1), -2e5),
    )


def test_one_thread_and_two_give_the_same_bits() -> None:
    p, before = _many(5000), numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = search(p)
    finally:
        numba.set_num_threads(before)
    two = search(p)
    assert one.prices.tobytes() == two.prices.tobytes()
    assert one.bound == two.bound


def test_samples_find_the_same_bound_with_fewer_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    p = _many(6000)
    whole = search(p)
    monkeypatch.setattr(dual, "SMALLEST_SAMPLE", 300)
    part = search(p)
    assert part.bound == pytest.approx(whole.bound, rel=1e-4)
    assert part.passes < whole.passes


def test_a_sample_has_its_share_of_every_limit() -> None:
    p = sampled(_many(10), np.array([2, 5]))
    assert p.customers.start.tolist() == [0, 5, 10]
    assert p.limits.bound.tolist() == pytest.approx([0.4] * 5)
    assert p.candidates.value.tolist() == _many(10).candidates.value[[*range(10, 15), *range(25, 30)]].tolist()


def test_good_prices_to_begin_with_are_never_made_worse() -> None:
    p = family("hierarchical", 7)
    first = search(p)
    again = search(p, start=first.prices)
    assert again.bound <= first.bound
    assert again.passes <= first.passes


def test_prices_that_make_no_sense_to_begin_with_are_mended() -> None:
    p = make([[5e6], [3e6]], bounds=[1.0], by_offer=[[(0, 1.0, COUNT)]])
    for start in (np.nan, -4e6, np.inf, 1e15):
        assert search(p, start=np.array([start])).bound == pytest.approx(5e6, rel=1e-3)


def test_the_safety_stop_is_told_and_what_was_found_is_kept() -> None:
    ticks = count()
    found = search(family("tight", 1), clock=lambda: float(next(ticks)), allowed_seconds=12.0)
    assert found.stopped_by_time
    assert np.isfinite(found.bound)
    assert len(found.prices) == 6


def test_the_history_never_rises_and_ends_at_the_bound() -> None:
    found = search(family("alike", 2))
    bounds = [moment.bound for moment in found.history]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] == found.bound


def test_where_everybody_may_have_what_they_want_one_pass_proves_it() -> None:
    found = search(make([[5e6, 1e6], [4e6, 3e6]], bounds=[2.0], by_offer=[[(0, 1.0, COUNT)], []]))
    assert found.bound == 9e6
    assert found.passes == 1.0
