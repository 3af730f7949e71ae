"""From a described batch and prices to one choice for each customer: channel, level, portfolio, and their chances.

Why it exists: batch, real time, replay and explanation choose by this one function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import positions, uniform
from rapport.decide.describe import INDIVIDUAL, Described, Terms, within_cap
from rapport.decide.explore import SILENT, choice_probabilities, draw_channels, nth_of, open_choices
from rapport.decide.problem import LEVELS_A_CHANNEL, Problem
from rapport.decide.routes import RouteTable, draw_spare, look_at_routes
from rapport.decide.terms import Prices, Repairs

NOT_OPEN = np.iinfo(np.int64).min
"""In place of money: the channel is not open to the customer, or has nothing to say."""

NO_PLACE = -1
"""Marks an empty slot."""


@dataclass(frozen=True)
class Choice:
    """What was drawn for each of n customers; C channels, K slots.

    level_of, value_micros, net_micros : (n, C) level of the best route of each channel at the prices, as an index
        into `LEVELS`; what it is worth before and after prices, `NOT_OPEN` where the channel is not open
    best : (n,) the channel without exploration, `SILENT` for silence
    channel : (n,) the channel given
    chances : (n, 1 + C) probability of silence and of each channel
    level : (n,) index into `LEVELS`; 0 for silence
    explored : (n,) channel or last slot was drawn to learn
    repaired : (n,) what the prices alone would give broke a limit, so something else is given
    places : (n, K) the portfolio, as places among the batch's open offers; `NO_PLACE` where silent or empty
    slot_chances : (n, K) probability that this channel and this slot's offer come out together
    """

    level_of: NDArray[np.int8]
    value_micros: NDArray[np.int64]
    net_micros: NDArray[np.int64]
    best: NDArray[np.int64]
    channel: NDArray[np.int64]
    chances: NDArray[np.float64]
    level: NDArray[np.int8]
    explored: NDArray[np.bool_]
    repaired: NDArray[np.bool_]
    places: NDArray[np.int64]
    slot_chances: NDArray[np.float64]

    @property
    def route(self) -> NDArray[np.int64]:
        """Return the route of each customer, `SILENT` for silence."""
        return np.where(self.channel == SILENT, SILENT, self.channel * LEVELS_A_CHANNEL + self.level - 1)


def choose(described: Described, terms: Terms, prices: Prices) -> Choice:
    """Return the choice for each customer of a batch at given prices."""
    policy, rows = terms.policy, described.rows
    problem = within_cap(described, terms)
    table = look_at_routes(problem, prices.limit_micros)
    net, value = whole_micros(table.net), whole_micros(np.where(np.isinf(table.net), -np.inf, table.value))
    route = np.argmax(net.reshape(len(rows), len(policy.channels), LEVELS_A_CHANNEL), axis=2)
    route += np.arange(len(policy.channels))[None, :] * LEVELS_A_CHANNEL
    net, value = np.take_along_axis(net, route, axis=1), np.take_along_axis(value, route, axis=1)
    best = best_channels(net, rows.forced)
    share = np.where(rows.holdout, 0.0, policy.exploration_share)
    drawn = open_choices((net != NOT_OPEN) & np.array(prices.explorable, dtype=np.bool_), rows.forced)
    channel = draw_channels(rows.customer_key, best, drawn, share, policy.salt)
    chances = choice_probabilities(best, drawn, share)
    everyone = np.arange(len(rows))
    taken = np.where(channel == SILENT, SILENT, route[everyone, np.maximum(channel, 0)])
    slots = np.where((taken != SILENT)[:, None], table.slots[everyone, np.maximum(taken, 0)], -1)
    last = _LastSlot(problem, prices.limit_micros, table, share)
    replaced, slot_chances = last.explore(rows.customer_key, policy.salt, taken, slots)
    slot_chances *= chances[everyone, channel + 1][:, None]
    first = problem.customers.start[:-1, None]
    places = (
        np.where(slots < 0, NO_PLACE, described.source[np.where(slots < 0, 0, first + slots)])
        if len(described.source)
        else np.full(slots.shape, NO_PLACE, dtype=np.int64)
    )
    level = np.where(taken == SILENT, 0, taken % LEVELS_A_CHANNEL + 1).astype(np.int8)
    choice = Choice(
        level_of=(route % LEVELS_A_CHANNEL + 1).astype(np.int8),
        value_micros=value,
        net_micros=net,
        best=best,
        channel=channel,
        chances=chances,
        level=level,
        explored=(channel != best) | replaced,
        repaired=np.zeros(len(rows), dtype=np.bool_),
        places=_in_common_order(places, level, described, terms),
        slot_chances=slot_chances,
    )
    return _repair(choice, described, prices.repairs)


def litmus_micros(described: Described) -> NDArray[np.int64]:
    """Return the best net sum over channels of mass, segment, individual, without prices and the contact cap, (n, 3).

    `NOT_OPEN` where nothing could be summed.
    """
    p = described.problem
    free = look_at_routes(p, np.zeros(len(p.limits.bound)))
    shape = len(free.net), len(p.portfolio.reach) // LEVELS_A_CHANNEL, LEVELS_A_CHANNEL
    return whole_micros(free.net).reshape(shape).max(axis=1)


def whole_micros(amounts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return micros as whole numbers, `NOT_OPEN` for -inf: sums that differ in their last bits compare as equal."""
    shut = np.isinf(amounts)
    return np.where(shut, NOT_OPEN, np.rint(np.where(shut, 0.0, amounts)).astype(np.int64))


def best_channels(net_micros: NDArray[np.int64], forced: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return each customer's channel of highest net worth, shape (n,); silence unless that is above 0 or forced."""
    silence = np.where(forced & (net_micros != NOT_OPEN).any(axis=1), NOT_OPEN, 0)
    return np.argmax(np.concatenate([silence[:, None], net_micros], axis=1), axis=1) - 1


@dataclass(frozen=True)
class _LastSlot:
    """Draws what stands in the last slot of individual portfolios."""

    problem: Problem
    prices: NDArray[np.float64]
    table: RouteTable
    share: NDArray[np.float64]

    def explore(
        self, keys: NDArray[np.int64], salt: str, taken: NDArray[np.int64], slots: NDArray[np.int32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Replace, in `slots`, the last of some; return whose, and each slot's chance given the channel."""
        chances = (slots >= 0).astype(np.float64)
        everyone, route = np.arange(len(slots)), np.maximum(taken, 0)
        filled, spare = self.table.filled[everyone, route], self.table.spare[everyone, route]
        may = (taken != SILENT) & (taken % LEVELS_A_CHANNEL == INDIVIDUAL) & (filled >= 2) & (spare > 0)
        last = np.maximum(filled - 1, 0)
        replaced = may & (uniform(keys, f"{salt}:explore-slot") < self.share)
        chances[everyone[may], last[may]] = 1.0 - self.share[may]
        who = everyone[replaced]
        if len(who):
            nth = nth_of(uniform(keys[who], f"{salt}:which-offer"), spare[who])
            found = draw_spare(self.problem, self.prices, who, route[who], slots[who], nth)
            slots[who, last[who]] = found
            chances[who, last[who]] = self.share[who] / spare[who]
        return replaced, chances


def _in_common_order(
    places: NDArray[np.int64], level: NDArray[np.int8], described: Described, terms: Terms
) -> NDArray[np.int64]:
    """Return the places with portfolios for many in the order in which those were made, the best for all first."""
    common = np.flatnonzero((level > 0) & (level <= INDIVIDUAL))
    if not len(common):
        return places
    offers = len(terms.catalogue.offer_ids)
    rank = np.full((len(terms.in_common), offers + 1), offers)
    for t, portfolio in enumerate([terms.models.mass, *(terms.models.segments[t] for t in terms.tiers)]):
        rank[t, portfolio.offers] = np.arange(len(portfolio.offers))
    numbers = {t: i + 1 for i, t in enumerate(terms.tiers)}
    of = np.array([0 if level[i] == 1 else numbers[described.rows.tier[i]] for i in common])
    mine = places[common]
    # The last entry stands for an empty slot, which is -1.
    offer = np.append(described.rows.open_to.values, offers)[mine]
    places[common] = np.take_along_axis(mine, np.argsort(rank[of[:, None], offer], axis=1, kind="stable"), axis=1)
    return places


def _repair(choice: Choice, described: Described, repairs: Repairs) -> Choice:
    """Return the choice with those customers who are repaired given what the repair says."""
    rows = described.rows
    at = positions(repairs.keys, rows.customer_key)
    who = np.flatnonzero(at >= 0)
    if not len(who):
        return choice
    route, offers = repairs.route[at[who]].astype(np.int64), repairs.offers[at[who]]
    choice.channel[who] = np.where(route == SILENT, SILENT, route // LEVELS_A_CHANNEL)
    choice.level[who] = np.where(route == SILENT, 0, route % LEVELS_A_CHANNEL + 1)
    choice.places[who] = places_of(rows.open_to.start, rows.open_to.values, who, offers)
    choice.explored[who] = False
    choice.repaired[who] = True
    chance = choice.chances[who, choice.channel[who] + 1]
    choice.slot_chances[who] = np.where(choice.places[who] >= 0, chance[:, None], 0.0)
    return choice


def places_of(
    start: NDArray[np.int64], values: NDArray[np.int32], who: NDArray[np.int64], offers: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return where given offers stand among the open offers of some customers, shape of `offers`; else `NO_PLACE`."""
    places = np.full(offers.shape, NO_PLACE, dtype=np.int64)
    for q, i in enumerate(who):
        mine = values[start[i] : start[i + 1]]
        there = positions(mine.astype(np.int64), offers[q].astype(np.int64))
        places[q] = np.where((offers[q] >= 0) & (there >= 0), start[i] + there, NO_PLACE)
    return places


def slot_weights(places: NDArray[np.int64], described: Described, terms: Terms) -> NDArray[np.float64]:
    """Return what variety leaves of each slot's offer, by its rank in its category; losses count in full, (n, K)."""
    if not len(described.steered_micros):
        return np.zeros(places.shape)
    at = np.maximum(places, 0)
    filled = places >= 0
    value = described.steered_micros[at]
    category = np.where(filled, terms.catalogue.category_index[described.rows.open_to.values[at]], -1)
    earlier = np.tri(places.shape[1], k=-1, dtype=np.bool_)
    higher = (value[:, None, :] > value[:, :, None]) | ((value[:, None, :] == value[:, :, None]) & earlier[None])
    rank = (higher & (category[:, None, :] == category[:, :, None])).sum(axis=2)
    weight = np.where(value < 0, 1.0, terms.portfolio.weights[np.minimum(rank, places.shape[1] - 1)])
    return np.where(filled, weight, 0.0)
