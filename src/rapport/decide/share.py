"""Share out what is limited among all customers of a turn: prices, room for exploration, and the few repairs.

Why it exists: prices and repairs are found once, from everybody, and then every customer is decided alone. Who is
drawn to explore is fixed before prices are known, so what they use is set aside first; the rest is planned in the
room that is left. Only what is delivered uses a limit: the held-out are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import LimitsConflict
from rapport.core.keys import uniform
from rapport.core.money import MICROS
from rapport.decide.allocate import Allocation, allocate
from rapport.decide.choose import NO_PLACE, Choice, choose
from rapport.decide.conflicts import Conflict
from rapport.decide.describe import Described, Terms, within_cap
from rapport.decide.dual import find_prices
from rapport.decide.explore import drawn_to_explore
from rapport.decide.lean import lean
from rapport.decide.problem import LEVELS_A_CHANNEL, SILENT, Problem
from rapport.decide.repair import MOST_WORK, Plan, plan_within, unserved, violations, work_of
from rapport.decide.terms import Policy, Prices, Repairs, SharedLimit
from rapport.decide.weigh import charges, weigh

Clock = Callable[[], float]


@dataclass(frozen=True)
class Search:
    """How long the search for prices may take, and what tells the time."""

    clock: Clock
    allowed_seconds: float

    def prices(self, problem: Problem, start: NDArray[np.float64], salt: str) -> NDArray[np.float64]:
        """Return the best prices found from a start, (L,)."""
        return find_prices(
            problem, start=start, clock=self.clock, allowed_seconds=self.allowed_seconds, salt=salt, steps=1
        ).prices


@dataclass(frozen=True)
class Shared:
    """What was found for a turn.

    prices : under which every customer is decided, alone
    allocation : the plan without chance, its certified bound and the prices that belong to it
    used : (L,) what will be delivered uses
    turned : how many customers of those drawn to explore could not, because of a limit
    cost_micros : (n,) what exploration costs each customer: worth without chance less worth as decided
    """

    prices: Prices
    allocation: Allocation
    used: NDArray[np.float64]
    turned: int
    cost_micros: NDArray[np.float64]


def share_out(
    described: Described,
    terms: Terms,
    clock: Clock,
    *,
    start: NDArray[np.float64] | None = None,
    allowed_seconds: float = 600.0,
) -> Shared:
    """Return prices at which, with a few repairs, no limit is broken.

    Parameters
    ----------
    described : Described
        Every customer of the turn, the held-out included.
    clock : callable
        Returns seconds; only a safety stop depends on it.
    start : (L,) float64, optional
        Prices to start from, such as those of the turn before.

    Raises
    ------
    LimitsConflict
        The limits cannot be met together; the message says which and by how much.
    """
    few = lean(described, terms)
    treated = _closed(within_cap(few, terms), few.rows.holdout)
    allocation = allocate(treated, start=start, clock=clock, allowed_seconds=allowed_seconds, salt=terms.policy.salt)
    if not allocation.met:
        raise LimitsConflict(conflict_text(allocation.conflicts, terms.policy))
    plain = Prices(
        allocation.prices, (True,) * len(terms.policy.channels), Repairs.none(len(terms.portfolio.weights))
    )
    worth = weigh(_in_money(treated, few), allocation.plan.route, allocation.plan.chosen)[0]
    if terms.policy.exploration_share == 0.0:
        given = _choose_all(described, terms, plain)
        repairs = _repairs(few, given, allocation.plan, ~few.rows.holdout)
        return Shared(replace(plain, repairs=repairs), allocation, allocation.usage, 0, np.zeros(len(worth)))
    search = Search(clock, allowed_seconds)
    return _with_room_to_explore((described, few), terms, treated, (allocation, worth), search)


def _with_room_to_explore(
    views: tuple[Described, Described],
    terms: Terms,
    treated: Problem,
    without_chance: tuple[Allocation, NDArray[np.float64]],
    search: Search,
) -> Shared:
    (described, few), (allocation, worth) = views, without_chance
    rows, everything = described.rows, described.problem
    exploring = drawn_to_explore(rows.customer_key, terms.policy.exploration_share, terms.policy.salt) & ~rows.holdout
    prices, used = _explorable(described.take(np.flatnonzero(exploring)), terms, allocation.prices)
    room = _room(treated, used)
    rest = _closed(treated, exploring)._replace(limits=treated.limits._replace(bound=room))
    prices = replace(prices, limit_micros=search.prices(rest, prices.limit_micros, terms.policy.salt))
    given = _choose_all(described, terms, prices)
    stays = _let_explore(described, given, exploring, terms.policy.salt)
    used = _used_by(described, given, stays)
    rest = _closed(treated, stays)._replace(limits=treated.limits._replace(bound=_room(treated, used)))
    effort = 1 if work_of(rest) <= MOST_WORK else 0
    plan = plan_within(rest, prices.limit_micros, salt=terms.policy.salt, effort=effort, greedy=False)
    if violations(rest, plan).any() or unserved(rest, plan):
        # With chance the limits cannot be met; without it they can, so nobody explores.
        stays, used, plan, rest = np.zeros_like(stays), np.zeros_like(used), allocation.plan, treated
        prices = replace(prices, limit_micros=allocation.prices)
        given = _choose_all(described, terms, prices)
    repairs = _repairs(few, given, plan, ~rows.holdout & ~stays, always=exploring & ~stays)
    explored = weigh(_in_money(everything, described), *as_plan(described, given, stays))[0]
    planned = weigh(_in_money(rest, few), plan.route, plan.chosen)[0]
    return Shared(
        prices=replace(prices, repairs=repairs),
        allocation=allocation,
        used=used + plan.usage,
        turned=int((exploring & ~stays).sum()),
        cost_micros=worth - explored - planned,
    )


class Given(NamedTuple):
    """What the prices alone give each of n customers: channel, route and places as in `Choice`."""

    channel: NDArray[np.int64]
    route: NDArray[np.int64]
    places: NDArray[np.int64]


CHUNK = 50_000
"""Customers looked at together; what every route is worth to all at once would fill the memory."""


def _choose_all(described: Described, terms: Terms, prices: Prices) -> Given:
    n = len(described.rows)
    parts = []
    for first in range(0, max(n, 1), CHUNK):
        last = min(first + CHUNK, n)
        choice = choose(described.part(first, last), terms, prices)
        opens = described.rows.open_to.start[first]
        places = np.where(choice.places == NO_PLACE, NO_PLACE, choice.places + opens)
        parts.append(Given(choice.channel, choice.route, places))
    return Given(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _closed(problem: Problem, who: NDArray[np.bool_]) -> Problem:
    """Return the problem without any route to some customers."""
    customers = problem.customers
    contact = np.where(who[:, None], -np.inf, customers.contact_micros)
    return problem._replace(customers=customers._replace(contact_micros=contact, forced=customers.forced & ~who))


def _in_money(problem: Problem, described: Described) -> Problem:
    """Return the problem with the values that levers do not touch."""
    value = described.value_micros[described.source].astype(np.float64)
    return problem._replace(candidates=problem.candidates._replace(value=value))


def as_plan(
    described: Described, given: Given | Choice, who: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the route and the chosen candidates of some customers, silence for the others."""
    candidate = np.full(len(described.value_micros) + 1, -1, dtype=np.int64)
    candidate[described.source] = np.arange(len(described.source))
    first = described.problem.customers.start[:-1, None]
    there = (given.places != NO_PLACE) & who[:, None]
    chosen = np.where(there, candidate[given.places] - first, -1).astype(np.int32)
    return np.where(who, given.route, SILENT).astype(np.int32), chosen


def _used_by(described: Described, given: Given, who: NDArray[np.bool_]) -> NDArray[np.float64]:
    return weigh(described.problem, *as_plan(described, given, who))[1]


def _room(problem: Problem, used: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(problem.limits.bound - used, 0.0)


def _explorable(
    exploring: Described, terms: Terms, prices: NDArray[np.float64]
) -> tuple[Prices, NDArray[np.float64]]:
    """Return the prices without the channels that cannot hold those drawn into them, and what these then use."""
    found = Prices(prices, (True,) * len(terms.policy.channels), Repairs.none(len(terms.portfolio.weights)))
    everyone = np.ones(len(exploring.rows), dtype=np.bool_)
    while True:
        used = _used_by(exploring, _choose_all(exploring, terms, found), everyone)
        tight = [
            limit
            for limit, much, bound in zip(terms.policy.limits, used, terms.sharing.bound, strict=True)
            if limit.counts in {"contacts", "contact_cost", "minutes"} and not limit.at_least and much > bound
        ]
        shut = {c for limit in tight for c in limit.channels if found.explorable[c]}
        if not shut:
            return found, used
        found = replace(found, explorable=tuple(o and c not in shut for c, o in enumerate(found.explorable)))


def _let_explore(described: Described, given: Given, exploring: NDArray[np.bool_], salt: str) -> NDArray[np.bool_]:
    """Return who of those drawn to explore may: as many, in a drawn order, as the limits hold by themselves."""
    problem, stays = described.problem, exploring.copy()
    while True:
        used = _used_by(described, given, stays)
        over = ~problem.limits.at_least & (used > problem.limits.bound * (1 + 1e-9))
        if not over.any():
            return stays
        route, chosen = as_plan(described, given, stays)
        uses = np.flatnonzero(charges(problem, over.astype(np.float64), route, chosen) > 0.0)
        order = np.argsort(uniform(described.rows.customer_key[uses], f"{salt}:room"), kind="stable")
        stays[uses[order][: max(1, len(uses) // 8)]] = False


def _repairs(
    described: Described,
    given: Given,
    plan: Plan,
    planned: NDArray[np.bool_],
    always: NDArray[np.bool_] | None = None,
) -> Repairs:
    """Return who, of those planned, gets something else than the prices give, and all of `always`."""
    rows, start = described.rows, described.problem.customers.start[:-1, None]
    route = plan.route.astype(np.int64)
    source = np.append(described.source, NO_PLACE)
    places = np.where(plan.chosen < 0, NO_PLACE, source[np.where(plan.chosen < 0, -1, start + plan.chosen)])
    # Levels of a channel that cost the same use the same, so which of them it is called does not matter.
    same_channel = np.where(route == SILENT, SILENT, route // LEVELS_A_CHANNEL) == given.channel
    contact, everyone = described.problem.customers.contact_micros, np.arange(len(rows))
    same_channel &= contact[everyone, route] == contact[everyone, given.route]
    same = same_channel & (np.sort(places, axis=1) == np.sort(given.places, axis=1)).all(axis=1)
    who = planned & ~same if always is None else planned & (~same | always)
    order = np.flatnonzero(who)
    order = order[np.argsort(rows.customer_key[order], kind="stable")]
    offers = np.append(rows.open_to.values, np.int32(-1))[places[order]]
    return Repairs(rows.customer_key[order], route[order].astype(np.int32), offers.astype(np.int32))


def conflict_text(conflicts: tuple[Conflict, ...], policy: Policy) -> str:
    """Return what cannot be met together, and by how much, one line a conflict; money in units of the currency."""
    lines = []
    for conflict in conflicts:
        parts = [_gives_way(policy.limits[n], by) for n, by in zip(conflict.limits, conflict.shortfall, strict=True)]
        if conflict.unserved:
            parts.append(f"customers who must be spoken to ({conflict.unserved:,} would be left silent)")
        together = " together" if len(parts) > 1 else ""
        sure = f"cannot be met{together}" if conflict.certified else f"could not be met{together} in whole numbers"
        lines.append(f"limits: {'; '.join(parts)} {sure}. Loosen one of them, or what must be included.")
    return "\n".join(lines)


def _gives_way(limit: SharedLimit, by: float) -> str:
    unit = MICROS if limit.counts in {"contact_cost", "giveaway"} else 1
    sense = "at least" if limit.at_least else "at most"
    return f"{limit.name} ({sense} {limit.bound / unit:,.10g}; short by {by / unit:,.6g})"
