"""From an appraisal and prices to one choice for each customer: channel, level, portfolio, and their chances.

Why it exists: the search for prices and the decision itself choose by this one function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform
from rapport.decide.appraise import NOT_OPEN, Appraisal
from rapport.decide.explore import SILENT, channel_probabilities, draw_channels, draw_one
from rapport.decide.portfolio import NO_OFFER, variety_weights
from rapport.decide.terms import Policy, Prices

INDIVIDUAL = 3
"""Index of the individual level in `economics.litmus.LEVELS`."""


@dataclass(frozen=True)
class Choice:
    """What was drawn for each of n customers.

    best : (n,) the channel without exploration, `SILENT` for silence
    channel : (n,) the channel drawn
    chances : (n, 1 + C) probability of silence and of each channel
    level : (n,) index into `LEVELS`; 0 for silence
    explored : (n,) channel or slot was drawn to learn
    offers, weights : (n, K) the portfolio sent; `NO_OFFER` and 0 where silent or empty
    slot_chances : (n, K) probability that this channel and this slot's offer came out together
    """

    best: NDArray[np.int64]
    channel: NDArray[np.int64]
    chances: NDArray[np.float64]
    level: NDArray[np.int8]
    explored: NDArray[np.bool_]
    offers: NDArray[np.int32]
    weights: NDArray[np.float64]
    slot_chances: NDArray[np.float64]


def best_channels(appraisal: Appraisal, prices: Prices) -> NDArray[np.int64]:
    """Return each customer's channel of highest value less price, shape (n,); silence unless that is above 0."""
    open_to = appraisal.value_micros != NOT_OPEN
    price = np.array(prices.contact_micros, dtype=np.int64)
    worth = np.where(open_to, appraisal.value_micros, 0) - np.where(open_to, price, 0)
    worth = np.where(open_to, worth, 0)
    silent_first = np.concatenate([np.zeros((len(worth), 1), dtype=np.int64), worth], axis=1)
    return np.argmax(silent_first, axis=1) - 1


def draw(appraisal: Appraisal, policy: Policy, prices: Prices) -> tuple[NDArray[np.int64], ...]:
    """Return best channel, drawn channel, and whether exploration drew it, each of shape (n,)."""
    best = best_channels(appraisal, prices)
    channel, explored = draw_channels(
        appraisal.rows.customer_key,
        best,
        _explorable(appraisal, prices),
        policy.exploration_share,
        policy.salt,
    )
    return best, channel, explored.astype(np.int64)


def contacts_used(appraisal: Appraisal, policy: Policy, prices: Prices) -> tuple[int, ...]:
    """Return how many contacts would be delivered in each channel at given prices; the held-out use none."""
    _, channel, _ = draw(appraisal, policy, prices)
    delivered = channel[~appraisal.rows.holdout]
    return tuple(int(np.count_nonzero(delivered == c)) for c in range(len(policy.channels)))


def choose(appraisal: Appraisal, policy: Policy, prices: Prices) -> Choice:
    """Return the choice for each customer of a batch at given prices."""
    best, channel, by_chance = draw(appraisal, policy, prices)
    chances = channel_probabilities(best, _explorable(appraisal, prices), policy.exploration_share)
    rows = np.arange(len(best))
    level = np.where(channel == SILENT, 0, appraisal.level[rows, np.maximum(channel, 0)]).astype(np.int8)
    offers, weights = _slots(appraisal, level)
    replaced, slot_chances = _explore_last_slot(appraisal, policy, level, offers)
    _weigh_last_slot(appraisal, policy, offers[replaced], weights, replaced)
    slot_chances *= chances[rows, channel + 1][:, None]
    explored = (by_chance.astype(np.bool_) & (channel != best)) | replaced
    return Choice(best, channel, chances, level, explored, offers, weights, slot_chances)


def _explorable(appraisal: Appraisal, prices: Prices) -> NDArray[np.bool_]:
    return (appraisal.value_micros != NOT_OPEN) & np.array(prices.explorable, dtype=np.bool_)


def _slots(appraisal: Appraisal, level: NDArray[np.int8]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the offers and weights of each customer's level; offers a rule excludes for them are left out."""
    offers = np.full_like(appraisal.slots[0][0], NO_OFFER)
    weights = np.zeros_like(appraisal.slots[0][1])
    for index, (level_offers, level_weights) in enumerate(appraisal.slots, start=1):
        there = level == index
        offers[there], weights[there] = level_offers[there], level_weights[there]
    if appraisal.rows.excluded.shape[1]:
        shut = np.take_along_axis(appraisal.rows.excluded, np.maximum(offers, 0), axis=1) != 0
        offers[shut] = NO_OFFER
    weights[offers == NO_OFFER] = 0.0
    return offers, weights


def _explore_last_slot(
    appraisal: Appraisal, policy: Policy, level: NDArray[np.int8], offers: NDArray[np.int32]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Replace, in `offers`, the last slot of some individual portfolios; return whose, and each slot's chance."""
    chances = (offers != NO_OFFER).astype(np.float64)
    filled = (offers != NO_OFFER).sum(axis=1)
    pool = appraisal.offer_micros > 0
    row, slot = np.nonzero(offers != NO_OFFER)
    pool[row, offers[row, slot]] = False
    size = pool.sum(axis=1)
    may = (level == INDIVIDUAL) & (filled >= 2) & (size > 0)
    keys, share, salt = appraisal.rows.customer_key, policy.exploration_share, policy.salt
    replaced = may & (uniform(keys, f"{salt}:explore-slot") < share)
    last = np.maximum(filled - 1, 0)
    everyone = np.arange(len(offers))
    chances[everyone[may], last[may]] = 1.0 - share
    who = everyone[replaced]
    if len(who):
        offers[who, last[who]] = draw_one(pool[who], uniform(keys[who], f"{salt}:which-offer")).astype(np.int32)
        chances[who, last[who]] = share / size[who]
    return replaced, chances


def _weigh_last_slot(
    appraisal: Appraisal,
    policy: Policy,
    offers: NDArray[np.int32],
    weights: NDArray[np.float64],
    replaced: NDArray[np.bool_],
) -> None:
    """Set, in `weights`, what variety leaves a drawn offer: its category may not be that of the one it replaced."""
    if not replaced.any():
        return
    row, last = np.arange(len(offers)), (offers != NO_OFFER).sum(axis=1) - 1
    category = np.where(offers != NO_OFFER, appraisal.category_index[np.maximum(offers, 0)], -1)
    earlier = (category == category[row, last][:, None]).sum(axis=1) - 1
    weights[np.flatnonzero(replaced), last] = variety_weights(policy.variety, policy.portfolio_size)[earlier]
