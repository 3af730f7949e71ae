"""Write a choice down as a row of the decision table, with everything needed to explain and to learn from it.

Why it exists: without the eligible set, the chances, the prices and the versions of that moment nothing can be
learned later. Nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.money import round_micros
from rapport.core.reasons import CustomerReason
from rapport.core.tables import DECISIONS
from rapport.decide.choose import NO_PLACE, NOT_OPEN, Choice, litmus_micros, slot_weights
from rapport.decide.describe import Described, Terms, harm_micros
from rapport.decide.explore import SILENT
from rapport.decide.plays import CENTRAL, HIGH, LOW, closed_channels, given_micros, most_contacts
from rapport.decide.rows import Rows, starts
from rapport.decide.terms import SILENCE
from rapport.economics.contribution import giveaway_micros, incremental_micros, with_offer_probability
from rapport.economics.litmus import LEVELS, judge_levels


@dataclass(frozen=True)
class Slots:
    """The filled slots of a batch, one after another, customer by customer, with what is expected of each.

    Money is as it comes through the channel given. Contributions are after variety; giveaways are not, because a
    discount is given in full whatever stands beside it.
    """

    row: NDArray[np.int64]
    place: NDArray[np.int64]
    offer: NDArray[np.int32]
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


def expect_slots(described: Described, choice: Choice, terms: Terms) -> Slots:
    """Return what each filled slot is expected to bring, at the central, low and high lift, or share of a stake."""
    catalogue, models = terms.catalogue, terms.models
    row, slot = np.nonzero(choice.places != NO_PLACE)
    place = choice.places[row, slot]
    offer, base = described.rows.open_to.values[place], described.rows.base_probability[place]
    reach = np.array([c.reach for c in terms.policy.channels])[choice.channel[row]]
    weight = slot_weights(choice.places, described, terms)[row, slot]
    price, margin, depth = catalogue.price_micros[offer], catalogue.margin_share[offer], catalogue.depth[offer]

    def through_channel(odds_ratio: float, which: int) -> NDArray[np.int64]:
        seen = incremental_micros(base, odds_ratio, price, margin, depth)
        if catalogue.plays is not None:
            seen += given_micros(described.rows.plays, catalogue.plays, described.rows.open_to, which)[place]
        return round_micros(round_micros(seen * weight) * reach)

    return Slots(
        row=row,
        place=place,
        offer=offer,
        base=base,
        response=base + reach * (with_offer_probability(base, models.odds_ratio) - base),
        chance=choice.slot_chances[row, slot],
        contribution=through_channel(models.odds_ratio, CENTRAL),
        low=through_channel(models.odds_ratio_low, LOW),
        high=through_channel(models.odds_ratio_high, HIGH),
        giveaway=round_micros(giveaway_micros(base, price, depth) * reach),
    )


_REASONS = tuple(CustomerReason)
_PLACE_OF_REASON = {reason: place for place, reason in enumerate(_REASONS)}


def reasons_for(described: Described, choice: Choice, litmus: NDArray[np.int64], terms: Terms) -> pa.Array:
    """Return the reasons of each customer's decision, most telling first, as lists; `litmus` as `litmus_micros`."""
    why = _why_silent(described, litmus, terms)
    spoken = np.where(choice.explored, _code(CustomerReason.EXPLORED), _code(CustomerReason.BEST_VALUE))
    first = np.where(choice.channel == SILENT, why, spoken)
    first = np.where(choice.explored, _code(CustomerReason.EXPLORED), first)
    first = np.where(choice.repaired, _code(CustomerReason.REPAIRED), first)
    told = np.stack([first, np.full(len(first), _code(CustomerReason.HOLDOUT))], axis=1)
    kept = np.stack([np.ones(len(first), dtype=np.bool_), described.rows.holdout], axis=1)
    return _ragged(starts(kept.sum(axis=1)), _named(_REASONS, told[kept]), "reasons")


def _code(reason: CustomerReason) -> int:
    return _PLACE_OF_REASON[reason]


def _why_silent(described: Described, litmus: NDArray[np.int64], terms: Terms) -> NDArray[np.int64]:
    """Return why each customer would be silent, as positions among the reasons."""
    rows, plays, policy = described.rows, terms.catalogue.plays, terms.policy
    closed = closed_channels(rows.plays, plays, len(rows), len(policy.channels))
    conditions = [
        ~rows.reachable.any(axis=1),
        rows.contacts_in_period >= most_contacts(rows.plays, plays, len(rows), policy.contacts),
        ~(rows.reachable & ~closed).any(axis=1),
        np.diff(rows.open_to.start) == 0,
        (litmus > 0).any(axis=1),
    ]
    reasons = [
        CustomerReason.NO_CHANNEL,
        CustomerReason.CONTACT_CAP,
        CustomerReason.RESTRAINED,
        CustomerReason.NO_OFFER_LEFT,
        CustomerReason.PRICED_OUT,
    ]
    return np.select(conditions, [_code(r) for r in reasons], _code(CustomerReason.NOTHING_PAYS))


def _ragged(offsets: NDArray[np.int64], values: pa.Array, name: str) -> pa.Array:
    kind = DECISIONS.field(name).type
    if values.type != kind.value_type:
        values = values.cast(kind.value_type)
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values, type=kind)


def _named(names: Sequence[str], codes: NDArray[np.integer]) -> pa.Array:
    if len(codes) <= len(names):
        # For a few rows the whole list of names, such as those of all offers, need not be laid out.
        return pa.array([names[c] for c in codes.tolist()], pa.string())
    return pa.array(names, pa.string()).take(pa.array(codes))


def record(batch: pa.Table, described: Described, choice: Choice, terms: Terms) -> pa.Table:
    """Return the decision table of a batch, one row a customer in the batch's order."""
    n, rows = len(choice.channel), described.rows
    slots, litmus = expect_slots(described, choice, terms), litmus_micros(described)
    contact_cost = _contact_cost(choice, terms)
    harm = np.where(choice.channel == SILENT, 0, _of_channel(harm_micros(rows, terms.policy), choice.channel))
    spent = contact_cost + harm
    columns: dict[str, object] = {
        name: batch[name] for name in ("customer_key", "customer_id", "household_key", "turn", "as_of", "tier")
    }
    columns |= {
        "arm": _named(("treated", "holdout"), rows.holdout.astype(np.int8)),
        "channel": _named((SILENCE, *(c.name for c in terms.policy.channels)), choice.channel + 1),
        "level": _named(LEVELS, choice.level),
        "deliver": (choice.channel != SILENT) & ~rows.holdout,
        "explored": choice.explored,
        "repaired": choice.repaired,
        "channel_probability": choice.chances[np.arange(n), choice.channel + 1],
        "silence_probability": choice.chances[:, 0],
        "eligible_offers": np.diff(rows.open_to.start).astype(np.int32),
        "contact_cost_micros": contact_cost,
        "harm_micros": harm,
        "expected_contribution_micros": slots.by_customer(slots.contribution, n) - spent,
        "expected_low_micros": slots.by_customer(slots.low, n) - spent,
        "expected_high_micros": slots.by_customer(slots.high, n) - spent,
        "basis": _named((terms.models.basis,), np.zeros(n, dtype=np.int8)),
        "reasons": reasons_for(described, choice, litmus, terms),
        "model_version": _named((terms.models.version,), np.zeros(n, dtype=np.int8)),
        "policy_version": _named((terms.policy.version,), np.zeros(n, dtype=np.int8)),
    }
    columns |= _litmus(litmus)
    columns |= _open_channels(choice, terms)
    columns |= _offer_lists(slots, terms, rows, n)
    arrays = [_as_array(columns[field.name], field.type) for field in DECISIONS]
    return pa.Table.from_arrays(arrays, schema=DECISIONS)


def _as_array(values: object, kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.ChunkedArray | pa.Array) else pa.array(values, type=kind)


def _of_channel(amounts: NDArray[np.int64], channel: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.take_along_axis(amounts, np.maximum(channel, 0)[:, None], axis=1)[:, 0]


def _litmus(sums: NDArray[np.int64]) -> dict[str, pa.Array]:
    """Return the columns of the litmus test, null where nothing could be summed."""
    verdict = judge_levels(sums[:, 0], sums[:, 1], sums[:, 2])
    columns = {"litmus": _named(LEVELS, verdict)}
    for level, name in enumerate(LEVELS[1:]):
        columns[f"litmus_{name}_micros"] = pa.array(sums[:, level], pa.int64(), mask=sums[:, level] == NOT_OPEN)
    return columns


def _contact_cost(choice: Choice, terms: Terms) -> NDArray[np.int64]:
    channel_cost = np.array([0, *(c.cost_micros for c in terms.policy.channels)], dtype=np.int64)
    level_cost = np.array([0, *terms.policy.level_cost_micros], dtype=np.int64)
    return channel_cost[choice.channel + 1] + level_cost[choice.level]


def _open_channels(choice: Choice, terms: Terms) -> dict[str, object]:
    """Return the lists of the channels open to each customer: level, value before prices, prices paid, chance."""
    row, channel = np.nonzero(choice.net_micros != NOT_OPEN)
    offsets = starts(np.bincount(row, minlength=len(choice.channel)))
    value = choice.value_micros[row, channel]
    lists = {
        "channels": _named([c.name for c in terms.policy.channels], channel),
        "channel_levels": _named(LEVELS, choice.level_of[row, channel]),
        "channel_values_micros": pa.array(value),
        "channel_prices_micros": pa.array(value - choice.net_micros[row, channel]),
        "channel_probabilities": pa.array(choice.chances[row, channel + 1]),
    }
    return {name: _ragged(offsets, values, name) for name, values in lists.items()}


def _offer_lists(slots: Slots, terms: Terms, rows: Rows, n: int) -> dict[str, object]:
    offsets = starts(np.bincount(slots.row, minlength=n))
    kind = rows.bought_before[slots.place].astype(np.int8)
    if terms.catalogue.plays is not None:
        kind[np.isin(slots.offer, terms.catalogue.plays.offer)] = 2
    lists = {
        "offer_ids": _named(terms.catalogue.offer_ids, slots.offer),
        "offer_kinds": _named(("explore", "repeat", "talk"), kind),
        "offer_base_probabilities": pa.array(slots.base),
        "offer_response_probabilities": pa.array(slots.response),
        "offer_contributions_micros": pa.array(slots.contribution),
        "offer_giveaways_micros": pa.array(slots.giveaway),
        "offer_choice_probabilities": pa.array(slots.chance),
    }
    return {name: _ragged(offsets, values, name) for name, values in lists.items()}
