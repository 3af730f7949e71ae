"""A batch of customers under a turn's terms, described as an allocation problem.

Why it exists: the decision, the search for prices and the repair of a plan must see the same values and the same
rules. What is worth what is worked out here once; nothing is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import LimitInvalid
from rapport.core.money import round_micros
from rapport.decide.boosts import raised_by
from rapport.decide.plays import boost_factors, closed_channels, given_micros, most_contacts, open_bits
from rapport.decide.portfolio import variety_weights
from rapport.decide.problem import (
    LEVELS_A_CHANNEL,
    MOST_ROUTES,
    Candidates,
    Customers,
    Portfolio,
    Problem,
    gathered,
    take_customers,
)
from rapport.decide.rows import Rows, starts
from rapport.decide.sharing import Sharing, lay_out, limits_for
from rapport.decide.terms import Catalogue, CommonPortfolio, Models, Policy
from rapport.economics.contribution import giveaway_micros, incremental_micros

MASS, SEGMENT, INDIVIDUAL = 0, 1, 2
"""Levels as they stand in a route's number."""


@dataclass(frozen=True)
class Terms:
    """The frozen terms of a turn, laid out once for every batch.

    in_common : (1 + tiers, J) bool, the offers of the mass portfolio and of each tier's; `tiers` names the rows after
        the first
    wanted : (J,) bool, offers that a minimum asks for
    """

    catalogue: Catalogue
    models: Models
    policy: Policy
    sharing: Sharing
    portfolio: Portfolio
    tiers: tuple[str, ...]
    in_common: NDArray[np.bool_]
    wanted: NDArray[np.bool_]

    @classmethod
    def of(cls, catalogue: Catalogue, models: Models, policy: Policy) -> Terms:
        """Return the terms laid out; raise LimitInvalid where there are too many channels."""
        offers, routes = len(catalogue.offer_ids), len(policy.channels) * LEVELS_A_CHANNEL
        if routes > MOST_ROUTES:
            most = MOST_ROUTES // LEVELS_A_CHANNEL
            raise LimitInvalid(f"channels are {len(policy.channels)}; at most {most} are allowed in one programme.")
        tiers = tuple(sorted(models.segments))
        common = [models.mass, *(models.segments[t] for t in tiers)]
        return cls(
            catalogue=catalogue,
            models=models,
            policy=policy,
            sharing=lay_out(policy, offers),
            portfolio=portfolio_of(catalogue, policy),
            tiers=tiers,
            in_common=np.stack([_among(c, offers) for c in common]),
            wanted=_wanted(policy, offers),
        )


def portfolio_of(catalogue: Catalogue, policy: Policy) -> Portfolio:
    """Return how portfolios of a catalogue are valued and bounded, through every route of a policy."""
    return Portfolio(
        weights=variety_weights(policy.variety, policy.portfolio_size),
        reach=np.repeat(np.array([c.reach for c in policy.channels]), LEVELS_A_CHANNEL),
        category=catalogue.category_index,
        kind=catalogue.kind,
        kind_most=catalogue.kind_most,
    )


def _among(common: CommonPortfolio, offers: int) -> NDArray[np.bool_]:
    there = np.zeros(offers, dtype=np.bool_)
    there[common.offers] = True
    return there


def _wanted(policy: Policy, offers: int) -> NDArray[np.bool_]:
    wanted = np.zeros(offers, dtype=np.bool_)
    for limit in policy.limits:
        if limit.at_least:
            wanted[slice(None) if limit.offers is None else list(limit.offers)] = True
    return wanted


@dataclass(frozen=True)
class Described:
    """A batch as a problem; `source` is, for each candidate, its place among the batch's open offers.

    value_micros : (m,) int64 of the open offers: what each is worth alone, when seen, at the central lift
    steered_micros : (m,) int64, the same after levers; the choice goes by these
    """

    rows: Rows
    problem: Problem
    source: NDArray[np.int64]
    value_micros: NDArray[np.int64]
    steered_micros: NDArray[np.int64]

    def part(self, first: int, last: int) -> Described:
        """Return the customers from `first` to before `last`, as views."""
        p, opens = self.problem, self.rows.open_to.start
        of = slice(p.customers.start[first], p.customers.start[last])
        seen = slice(opens[first], opens[last])
        customers = p.customers._replace(
            start=p.customers.start[first : last + 1] - of.start,
            cell=p.customers.cell[first:last],
            contact_micros=p.customers.contact_micros[first:last],
            contact_amounts=p.customers.contact_amounts[:, first:last],
            forced=p.customers.forced[first:last],
        )
        c = p.candidates
        candidates = Candidates(c.offer[of], c.value[of], c.routes[of], c.must[of], c.amounts[:, of])
        return Described(
            rows=self.rows.part(first, last),
            problem=p._replace(customers=customers, candidates=candidates),
            source=self.source[of] - seen.start,
            value_micros=self.value_micros[seen],
            steered_micros=self.steered_micros[seen],
        )

    def take(self, who: NDArray[np.int64]) -> Described:
        """Return some customers, at ascending positions."""
        opens = self.rows.open_to.start
        begin, seen = gathered(opens, who)
        of = gathered(self.problem.customers.start, who)[1]
        moved = np.repeat(opens[who] - begin[:-1], np.diff(self.problem.customers.start)[who])
        return Described(
            rows=self.rows.take(who),
            problem=take_customers(self.problem, who),
            source=self.source[of] - moved,
            value_micros=self.value_micros[seen],
            steered_micros=self.steered_micros[seen],
        )


def describe(rows: Rows, terms: Terms) -> Described:
    """Return a batch of customers as a problem with three routes a channel: mass, segment, individual.

    Through the mass route of a channel everything of the common portfolio must be said that is open to the customer;
    a segment's route likewise. Who must be told a certain offer gets an individual portfolio or none.
    """
    value = _values(rows, rows.open_to.values, terms)
    row, offer = rows.open_to.row(), rows.open_to.values
    in_mass = terms.in_common[0][offer]
    in_segment = terms.in_common[_tier_rows(rows, terms)[row], offer]
    personal = _musts(rows, row, offer)
    kept = np.flatnonzero((value > 0) | in_mass | in_segment | personal | terms.wanted[offer])
    channels = len(terms.policy.channels)
    bits = [_routes(channels, level) for level in (MASS, SEGMENT, INDIVIDUAL)]
    common = in_mass.astype(np.int64) * bits[MASS] | in_segment.astype(np.int64) * bits[SEGMENT]
    factor = raised_by(terms.catalogue.boost[offer], rows.boost)
    routes = common | bits[INDIVIDUAL]
    must = common | personal.astype(np.int64) * bits[INDIVIDUAL]
    if terms.catalogue.plays is not None:
        factor = factor * boost_factors(rows.plays, terms.catalogue.plays, rows.open_to)
        left = open_bits(rows.plays, terms.catalogue.plays, rows.open_to)
        routes, must = routes & left, must & left
    steered = np.where(value > 0, round_micros(value * factor), value)
    limits, cell = limits_for(terms.sharing, rows.scopes, channels * LEVELS_A_CHANNEL)
    problem = Problem(
        customers=_customers(rows, terms, kept, cell),
        candidates=Candidates(
            offer=offer[kept],
            value=steered[kept].astype(np.float64),
            routes=routes[kept],
            must=must[kept],
            amounts=_amounts(rows, offer, kept, terms),
        ),
        portfolio=terms.portfolio,
        limits=limits,
    )
    return Described(rows, problem, kept, value, steered)


def _values(rows: Rows, offer: NDArray[np.int32], terms: Terms) -> NDArray[np.int64]:
    catalogue = terms.catalogue
    price, margin, depth = catalogue.price_micros[offer], catalogue.margin_share[offer], catalogue.depth[offer]
    value = incremental_micros(rows.base_probability, terms.models.odds_ratio, price, margin, depth)
    return value if catalogue.plays is None else value + given_micros(rows.plays, catalogue.plays, rows.open_to)


def _tier_rows(rows: Rows, terms: Terms) -> NDArray[np.int64]:
    """Return for each customer the row of `Terms.in_common` that holds the portfolio of their tier."""
    numbers = {t: i + 1 for i, t in enumerate(terms.tiers)}
    return np.array([numbers[t] for t in rows.tier], dtype=np.int64)


def _routes(channels: int, level: int) -> int:
    return sum(1 << (c * LEVELS_A_CHANNEL + level) for c in range(channels))


def _musts(rows: Rows, row: NDArray[np.int64], offer: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which open offers must be said; what must be said but is not open to the customer is not."""
    if not len(rows.must.values):
        return np.zeros(len(offer), dtype=np.bool_)
    # One number for each pair of customer and offer.
    width = np.int64(max(int(offer.max(initial=0)), int(rows.must.values.max())) + 1)
    return np.isin(row * width + offer, rows.must.row() * width + rows.must.values)


def _customers(rows: Rows, terms: Terms, kept: NDArray[np.int64], cell: NDArray[np.int32]) -> Customers:
    policy, n = terms.policy, len(rows)
    cost = np.array(
        [c.cost_micros + level for c in policy.channels for level in policy.level_cost_micros], dtype=np.float64
    )
    contact = -cost[None, :] - np.repeat(harm_micros(rows, policy), LEVELS_A_CHANNEL, axis=1)
    open_to = rows.reachable & ~closed_channels(rows.plays, terms.catalogue.plays, n, len(policy.channels))
    contact[~np.repeat(open_to, LEVELS_A_CHANNEL, axis=1)] = -np.inf
    personal = np.diff(rows.must.start) > 0
    contact[np.ix_(personal, np.arange(len(cost)) % LEVELS_A_CHANNEL != INDIVIDUAL)] = -np.inf
    width = np.bincount(rows.open_to.row()[kept], minlength=n) if n else np.zeros(0, dtype=np.int64)
    return Customers(
        start=starts(width),
        cell=cell,
        contact_micros=contact,
        contact_amounts=np.zeros((0, n, len(cost))),
        forced=rows.forced,
    )


def harm_micros(rows: Rows, policy: Policy) -> NDArray[np.int64]:
    """Return what one contact more puts at risk in each channel, shape (n, C): chance of leaving x what is lost.

    The chance rises by the factor `pressure` with each contact already made in the period, to at most 1; who is worth
    nothing cannot be lost.
    """
    leaving = np.array([c.leaving for c in policy.channels], dtype=np.float64)
    raised = np.minimum(
        leaving[None, :] * policy.pressure ** rows.contacts_in_period[:, None].astype(np.float64), 1.0
    )
    return round_micros(raised * np.maximum(rows.value_micros, 0)[:, None])


def _amounts(rows: Rows, offer: NDArray[np.int32], kept: NDArray[np.int64], terms: Terms) -> NDArray[np.float64]:
    catalogue = terms.catalogue
    given = giveaway_micros(
        rows.base_probability[kept], catalogue.price_micros[offer[kept]], catalogue.depth[offer[kept]]
    )
    return given.astype(np.float64)[None, :]


def within_cap(described: Described, terms: Terms) -> Problem:
    """Return the problem without routes to customers who were contacted as often as the policy, or a play, allows."""
    customers = described.problem.customers
    rows = described.rows
    most = most_contacts(rows.plays, terms.catalogue.plays, len(rows), terms.policy.contacts)
    capped = rows.contacts_in_period >= most
    contact = np.where(capped[:, None], -np.inf, customers.contact_micros)
    return described.problem._replace(customers=customers._replace(contact_micros=contact))
