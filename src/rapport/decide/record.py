"""Write a choice down as a row of the decision table, with everything needed to explain and to learn from it.

Why it exists: without the eligible set, the chances, the prices and the versions of that moment nothing can be
learned later. Nothing is chosen here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.money import round_micros
from rapport.core.reasons import CustomerReason
from rapport.core.tables import DECISIONS
from rapport.decide.appraise import NOT_OPEN, Appraisal
from rapport.decide.choose import Choice
from rapport.decide.explore import SILENT
from rapport.decide.portfolio import NO_OFFER
from rapport.decide.terms import SILENCE, Catalogue, Models, Policy, Prices
from rapport.economics.contribution import giveaway_micros, incremental_micros, with_offer_probability
from rapport.economics.litmus import LEVELS


@dataclass(frozen=True)
class Slots:
    """The filled slots of a batch, one after another, customer by customer, with what is expected of each.

    Money is as it comes through the channel drawn. Contributions are after variety; giveaways are not, because a
    discount is given in full whatever stands beside it.
    """

    row: NDArray[np.int64]
    offer: NDArray[np.int64]
    base: NDArray[np.float64]
    response: NDArray[np.float64]
    chance: NDArray[np.float64]
    contribution: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    giveaway: NDArray[np.int64]

    def by_customer(self, amounts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """Return whole amounts summed over each customer's slots, shape (n,)."""
        totals = np.zeros(n, dtype=np.int64)
        np.add.at(totals, self.row, amounts)
        return totals


def expect_slots(appraisal: Appraisal, choice: Choice, catalogue: Catalogue, models: Models, policy: Policy) -> Slots:
    """Return what each filled slot is expected to bring, at the central, low and high lift."""
    row, slot = np.nonzero(choice.offers != NO_OFFER)
    offer = choice.offers[row, slot].astype(np.int64)
    base = appraisal.rows.base_probability[row, offer]
    reach = np.array([c.reach for c in policy.channels])[choice.channel[row]] if len(row) else np.zeros(0)
    weight = choice.weights[row, slot]
    price, margin, depth = (
        catalogue.price_micros[offer],
        catalogue.margin_share[offer],
        catalogue.depth[offer],
    )

    def through_channel(odds_ratio: float) -> NDArray[np.int64]:
        seen = incremental_micros(base, odds_ratio, price, margin, depth)
        return round_micros(round_micros(seen * weight) * reach)

    return Slots(
        row=row,
        offer=offer,
        base=base,
        response=base + reach * (with_offer_probability(base, models.odds_ratio) - base),
        chance=choice.slot_chances[row, slot],
        contribution=through_channel(models.odds_ratio),
        low=through_channel(models.odds_ratio_low),
        high=through_channel(models.odds_ratio_high),
        giveaway=round_micros(giveaway_micros(base, price, depth) * reach),
    )


def reasons_for(appraisal: Appraisal, choice: Choice, policy: Policy) -> list[list[str]]:
    """Return the reasons of each customer's decision, most telling first."""
    open_to = (appraisal.value_micros != NOT_OPEN).any(axis=1)
    highest = np.where(open_to, appraisal.value_micros.max(axis=1, initial=NOT_OPEN), 0)
    reasons = []
    for i, channel in enumerate(choice.channel):
        if choice.explored[i]:
            told = [CustomerReason.EXPLORED]
        elif channel != SILENT:
            told = [CustomerReason.BEST_VALUE]
        else:
            told = [_why_silent(appraisal, policy, i, bool(open_to[i]), int(highest[i]))]
        if appraisal.rows.holdout[i]:
            told.append(CustomerReason.HOLDOUT)
        reasons.append([str(r) for r in told])
    return reasons


def _why_silent(appraisal: Appraisal, policy: Policy, i: int, open_to: bool, highest: int) -> CustomerReason:
    if open_to:
        return CustomerReason.PRICED_OUT if highest > 0 else CustomerReason.NOTHING_PAYS
    if not appraisal.rows.reachable[i].any():
        return CustomerReason.NO_CHANNEL
    if appraisal.rows.contacts_in_period[i] >= policy.contacts:
        return CustomerReason.CONTACT_CAP
    return CustomerReason.NO_OFFER_LEFT if appraisal.allowed[i] == 0 else CustomerReason.NOTHING_PAYS


def _ragged(offsets: NDArray[np.int32], values: pa.Array, name: str) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=DECISIONS.field(name).type)


def record(
    batch: pa.Table,
    appraisal: Appraisal,
    choice: Choice,
    slots: Slots,
    terms: tuple[Catalogue, Models, Policy, Prices],
) -> pa.Table:
    """Return the decision table of a batch, one row a customer in the batch's order."""
    catalogue, models, policy, _ = terms
    n = len(choice.channel)
    contact_cost = _contact_cost(choice, policy)
    names = np.array([SILENCE, *(c.name for c in policy.channels)], dtype=object)
    columns: dict[str, object] = {
        name: batch[name] for name in ("customer_key", "customer_id", "household_key", "turn", "as_of", "tier")
    }
    columns |= {
        "arm": ["holdout" if h else "treated" for h in appraisal.rows.holdout],
        "litmus": [LEVELS[v] for v in appraisal.verdict],
        "litmus_mass_micros": _money(appraisal.litmus_micros[:, 0]),
        "litmus_segment_micros": _money(appraisal.litmus_micros[:, 1]),
        "litmus_individual_micros": _money(appraisal.litmus_micros[:, 2]),
        "channel": names[choice.channel + 1],
        "level": [LEVELS[v] for v in choice.level],
        "deliver": (choice.channel != SILENT) & ~appraisal.rows.holdout,
        "explored": choice.explored,
        "channel_probability": choice.chances[np.arange(n), choice.channel + 1],
        "silence_probability": choice.chances[:, 0],
        "eligible_offers": appraisal.allowed,
        "contact_cost_micros": contact_cost,
        "expected_contribution_micros": slots.by_customer(slots.contribution, n) - contact_cost,
        "expected_low_micros": slots.by_customer(slots.low, n) - contact_cost,
        "expected_high_micros": slots.by_customer(slots.high, n) - contact_cost,
        "basis": [models.basis] * n,
        "reasons": reasons_for(appraisal, choice, policy),
        "model_version": [models.version] * n,
        "policy_version": [policy.version] * n,
    }
    columns |= _open_channels(appraisal, choice, terms)
    columns |= _offer_lists(slots, catalogue, appraisal, n)
    arrays = [_as_array(columns[field.name], field.type) for field in DECISIONS]
    return pa.Table.from_arrays(arrays, schema=DECISIONS)


def _as_array(values: object, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.ChunkedArray | pa.Array) else pa.array(values, type=kind)


def _money(values: NDArray[np.int64]) -> pa.Array:
    """Return money with nulls where nothing could be summed."""
    return pa.array(values, type=pa.int64(), mask=values == NOT_OPEN)


def _contact_cost(choice: Choice, policy: Policy) -> NDArray[np.int64]:
    channel_cost = np.array([0, *(c.cost_micros for c in policy.channels)], dtype=np.int64)
    level_cost = np.array([0, *policy.level_cost_micros], dtype=np.int64)
    return channel_cost[choice.channel + 1] + level_cost[choice.level]


def _open_channels(
    appraisal: Appraisal, choice: Choice, terms: tuple[Catalogue, Models, Policy, Prices]
) -> dict[str, object]:
    """Return the lists of the channels open to each customer: level, value before price, price, chance."""
    _, _, policy, prices = terms
    row, channel = np.nonzero(appraisal.value_micros != NOT_OPEN)
    offsets = _offsets(row, len(choice.channel))
    lists = {
        "channels": pa.array([policy.channels[c].name for c in channel], pa.string()),
        "channel_levels": pa.array([LEVELS[v] for v in appraisal.level[row, channel]], pa.string()),
        "channel_values_micros": pa.array(appraisal.value_micros[row, channel]),
        "channel_prices_micros": pa.array(np.array(prices.contact_micros, dtype=np.int64)[channel]),
        "channel_probabilities": pa.array(choice.chances[row, channel + 1]),
    }
    return {name: _ragged(offsets, values, name) for name, values in lists.items()}


def _offer_lists(slots: Slots, catalogue: Catalogue, appraisal: Appraisal, n: int) -> dict[str, object]:
    offsets = _offsets(slots.row, n)
    repeat = appraisal.rows.bought_before[slots.row, slots.offer] if len(slots.row) else np.zeros(0, bool)
    lists = {
        "offer_ids": pa.array([catalogue.offer_ids[o] for o in slots.offer], pa.string()),
        "offer_kinds": pa.array(["repeat" if r else "explore" for r in repeat], pa.string()),
        "offer_base_probabilities": pa.array(slots.base),
        "offer_response_probabilities": pa.array(slots.response),
        "offer_contributions_micros": pa.array(slots.contribution),
        "offer_giveaways_micros": pa.array(slots.giveaway),
        "offer_choice_probabilities": pa.array(slots.chance),
    }
    return {name: _ragged(offsets, values, name) for name, values in lists.items()}


def _offsets(row: NDArray[np.int64], n: int) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(np.int32)
