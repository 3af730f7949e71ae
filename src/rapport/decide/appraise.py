"""What each level of treatment in each channel is worth to each customer, before any price of a shared limit.

Why it exists: finding prices asks for the same appraisal again and again; it is computed once and chosen from many
times, by the same code that decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.money import round_micros
from rapport.decide.portfolio import NO_OFFER, pick_portfolios
from rapport.decide.terms import Catalogue, CommonPortfolio, Models, Policy
from rapport.economics.contribution import incremental_micros
from rapport.economics.litmus import judge_levels

NOT_OPEN = np.iinfo(np.int64).min
"""Value of a channel that is not open to a customer."""


@dataclass(frozen=True)
class Rows:
    """The columns of a batch of customers that the decision reads; n customers, J offers, C channels."""

    customer_key: NDArray[np.int64]
    tier: list[str]
    holdout: NDArray[np.bool_]
    contacts_in_period: NDArray[np.int64]
    base_probability: NDArray[np.float64]
    bought_before: NDArray[np.bool_]
    excluded: NDArray[np.int8]
    reachable: NDArray[np.bool_]

    @classmethod
    def from_table(cls, table: pa.Table, offers: int, channels: int) -> Rows:
        """Return the rows of a table that has the columns of `core.tables.SCORES` and a boolean `holdout`."""
        return cls(
            customer_key=table["customer_key"].to_numpy(),
            tier=table["tier"].to_pylist(),
            holdout=_flat(table["holdout"]).astype(np.bool_),
            contacts_in_period=table["contacts_in_period"].to_numpy(),
            base_probability=_matrix(table["base_probability"], offers).astype(np.float64),
            bought_before=_matrix(table["bought_before"], offers).astype(np.bool_),
            excluded=_matrix(table["excluded"], offers).astype(np.int8),
            reachable=_matrix(table["reachable"], channels).astype(np.bool_),
        )


def _flat(column: pa.ChunkedArray) -> NDArray[np.generic]:
    array: NDArray[np.generic] = column.combine_chunks().to_numpy(zero_copy_only=False)
    return array


def _matrix(column: pa.ChunkedArray, width: int) -> NDArray[np.generic]:
    values: NDArray[np.generic] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), width)


@dataclass(frozen=True)
class Appraisal:
    """Price-free values of a batch.

    offer_micros : (n, J) value of each offer alone, seen, at the central lift; 0 where excluded
    slots : for mass, segment, individual: (n, K) offers and (n, K) variety weights
    level : (n, C) index into `LEVELS` of the best level in each channel
    value_micros : (n, C) net value of that level there, `NOT_OPEN` where the channel is not open
    litmus_micros : (n, 3) best net sum over channels of mass, segment, individual; the litmus test's sums
    verdict : (n,) index into `LEVELS`
    allowed, paying : (n,) how many offers no rule excludes; how many of those are worth more than 0
    category_index : (J,) the category of each offer
    """

    rows: Rows
    offer_micros: NDArray[np.int64]
    slots: tuple[tuple[NDArray[np.int32], NDArray[np.float64]], ...]
    level: NDArray[np.int8]
    value_micros: NDArray[np.int64]
    litmus_micros: NDArray[np.int64]
    verdict: NDArray[np.int8]
    allowed: NDArray[np.int32]
    paying: NDArray[np.int32]
    category_index: NDArray[np.int32]


def appraise(rows: Rows, catalogue: Catalogue, models: Models, policy: Policy) -> Appraisal:
    """Return what each level in each channel is worth to each customer of a batch.

    Parameters
    ----------
    rows : Rows of n customers
    catalogue, models, policy : the frozen terms of the turn

    Returns
    -------
    Appraisal
    """
    open_to = rows.excluded == 0
    offer_micros = np.where(open_to, offer_values(rows, catalogue, models.odds_ratio), 0)
    offers, weights = pick_portfolios(offer_micros, catalogue.category_index, policy.portfolio_size, policy.variety)
    slots = [
        common_slots(offer_micros, [models.mass] * len(rows.tier), policy.portfolio_size),
        common_slots(offer_micros, [models.segments[t] for t in rows.tier], policy.portfolio_size),
        (offers, weights),
    ]
    gross = [slot_values(offer_micros, o, w) for o, w in slots]
    paying = (offer_micros > 0).sum(axis=1).astype(np.int32)
    says_something = np.stack([_any_offer(o, rows.excluded) for o, _ in slots], axis=1)
    by_channel = np.where(says_something[:, None, :], _net_values(gross, policy), NOT_OPEN)
    open_channel = rows.reachable & (paying > 0)[:, None] & _may_contact(rows, policy)[:, None]
    best_level = np.argmax(by_channel, axis=2)
    best = np.take_along_axis(by_channel, best_level[:, :, None], axis=2)[:, :, 0]
    reached = np.where(rows.reachable[:, :, None], by_channel, NOT_OPEN).max(axis=1)
    return Appraisal(
        rows=rows,
        offer_micros=offer_micros,
        slots=tuple(slots),
        level=(best_level + 1).astype(np.int8),
        value_micros=np.where(open_channel, best, NOT_OPEN),
        litmus_micros=reached,
        verdict=judge_levels(reached[:, 0], reached[:, 1], reached[:, 2]),
        allowed=open_to.sum(axis=1).astype(np.int32),
        paying=paying,
        category_index=catalogue.category_index,
    )


def offer_values(rows: Rows, catalogue: Catalogue, odds_ratio: float) -> NDArray[np.int64]:
    """Return the value of each offer alone, seen, at a given lift, shape (n, J), rules not regarded."""
    return incremental_micros(
        rows.base_probability, odds_ratio, catalogue.price_micros, catalogue.margin_share, catalogue.depth
    )


def _any_offer(offers: NDArray[np.int32], excluded: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which customers are left with an offer of the portfolio once the excluded ones are taken out."""
    if excluded.shape[1] == 0:
        return np.zeros(len(offers), dtype=np.bool_)
    shut = np.take_along_axis(excluded, np.maximum(offers, 0), axis=1) != 0
    return ((offers != NO_OFFER) & ~shut).any(axis=1)


def _may_contact(rows: Rows, policy: Policy) -> NDArray[np.bool_]:
    return rows.contacts_in_period < policy.contacts


def _net_values(gross: list[NDArray[np.int64]], policy: Policy) -> NDArray[np.int64]:
    """Return (n, C, 3): each level's value through each channel, less the costs of contact and level."""
    net = np.empty((len(gross[0]), len(policy.channels), len(gross)), dtype=np.int64)
    for c, channel in enumerate(policy.channels):
        for level, values in enumerate(gross):
            cost = channel.cost_micros + policy.level_cost_micros[level]
            net[:, c, level] = round_micros(values * np.float64(channel.reach)).sum(axis=1) - cost
    return net


def slot_values(
    offer_micros: NDArray[np.int64], offers: NDArray[np.int32], weights: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the value of each slot after variety, shape (n, K), 0 for empty slots."""
    if offer_micros.shape[1] == 0:
        return np.zeros(offers.shape, dtype=np.int64)
    picked = np.take_along_axis(offer_micros, np.maximum(offers, 0), axis=1)
    return np.where(offers != NO_OFFER, round_micros((picked * weights).astype(np.float64)), 0)


def common_slots(
    offer_micros: NDArray[np.int64], portfolios: list[CommonPortfolio], size: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return the slots of each customer's common portfolio, as `pick_portfolios` does for individual ones.

    An offer that a rule excludes for the customer is worth 0 there and stays in its slot's place in the sums;
    the record leaves it out. Losses are kept: a common portfolio does not know who loses by it.
    """
    offers = np.full((len(offer_micros), size), NO_OFFER, dtype=np.int32)
    weights = np.zeros((len(offer_micros), size))
    for row, portfolio in enumerate(portfolios):
        offers[row, : len(portfolio.offers)] = portfolio.offers
        weights[row, : len(portfolio.offers)] = portfolio.weights
    return offers, weights
