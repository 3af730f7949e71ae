"""Why what customers share, and what people declared of the offers, made one customer's decision as it is.

Why it exists: "others use the channel better" or "moved aside" is no answer to the person who asks. Which limit, how
much of it and at what price is; it is worked out by the functions that decide, from the record of the turn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.decide.choose import NO_PLACE, Choice, choose
from rapport.decide.describe import Described, Terms, describe, harm_micros
from rapport.decide.rows import Rows
from rapport.decide.share import as_plan
from rapport.decide.terms import SILENCE, Catalogue, Models, Policy, Prices, Repairs, Steered
from rapport.decide.weigh import weigh
from rapport.economics.litmus import LEVELS
from rapport.workflows.plan import decision_rows, terms_from
from rapport.workflows.state_ports import Store

LEAST_DIFFERENCE = 1e-9
"""Uses of a limit that differ by less are the same."""


def explain_shared(store: Store, turn: str, decision: dict[str, Any]) -> dict[str, Any]:
    """Return what shared limits, repairs, levers and harm had to do with one decision, as plain values.

    Parameters
    ----------
    decision : mapping
        The row of `core.tables.DECISIONS` that `explain` gives.

    Returns
    -------
    dict
        ``priced_out``: for who is silent because of prices, the treatment nearest to paying, what it would bring
        and the limits it would use; else None. ``repaired``: what prices alone would give, and where the limits' use
        differs; None where nothing was repaired. ``levers``: the levered offers of the portfolio and what would be
        said without levers. ``harm``: what one more contact puts at risk, channel by channel.
    """
    declared = store.read_json(store.turn_folder(turn) / "limits.json") or {}
    written = store.read_json(store.turn_folder(turn) / "terms.json")
    catalogue = store.read_table(turn, "catalogue")
    states, scores = (_one(store.read_table(turn, n), decision["customer_key"]) for n in ("states", "scores"))
    held_out = np.array([decision["arm"] == "holdout"])
    table = decision_rows(states, scores, turn, held_out)
    asked = _Asked(table, *terms_from(written, catalogue, declared))
    return {
        "priced_out": asked.priced_out() if "PRICED_OUT" in decision["reasons"] else None,
        "repaired": asked.repaired() if decision["repaired"] else None,
        "levers": asked.levers(decision),
        "harm": asked.harm(),
    }


def _one(table: pa.Table, customer_key: int) -> pa.Table:
    row = int(np.searchsorted(table["customer_key"].to_numpy(), customer_key))
    return table.slice(row, 1)


class _Asked:
    """One customer under the terms of a turn; the decision can be made again under other terms."""

    def __init__(self, table: pa.Table, catalogue: Catalogue, models: Models, policy: Policy, prices: Prices) -> None:
        self.catalogue, self.models, self.policy, self.prices = catalogue, models, policy, prices
        self.rows = Rows.from_table(table, len(catalogue.offer_ids), len(policy.channels))
        self.terms = Terms.of(catalogue, models, policy)
        self.described = describe(self.rows, self.terms)

    def priced_out(self) -> dict[str, Any]:
        """Return the treatment that comes nearest to paying, and what its use of the limits costs."""
        # A draw to explore must not stand in for the best.
        never = Terms.of(self.catalogue, self.models, replace(self.policy, exploration_share=0.0))
        spoken_to = describe(replace(self.rows, forced=np.ones(1, dtype=np.bool_)), never)
        choice = choose(spoken_to, never, replace(self.prices, repairs=Repairs.none(self.policy.portfolio_size)))
        if choice.channel[0] < 0 or choice.value_micros[0, choice.channel[0]] <= 0:
            # What comes nearest would not pay in any case: the reason is what would, if nothing were shared.
            choice = choose(self.described, never, Prices.free(self.policy))
        used = _used(self.described, choice)
        found = self._said(choice)
        charges = [self._charge(n, used[n]) for n in np.flatnonzero(used).tolist()]
        at = choice.channel[0]
        return found | {
            "value_micros": int(choice.value_micros[0, at]) if at >= 0 else 0,
            "charged_micros": sum(c["charged_micros"] for c in charges),
            "limits": sorted(charges, key=lambda c: -abs(c["charged_micros"])),
        }

    def repaired(self) -> dict[str, Any]:
        """Return what prices alone would give, and how much more or less of each limit is used instead."""
        alone = replace(self.prices, repairs=Repairs.none(self.policy.portfolio_size))
        by_prices = choose(self.described, self.terms, alone)
        given = choose(self.described, self.terms, self.prices)
        more = _used(self.described, given) - _used(self.described, by_prices)
        differs = np.flatnonzero(np.abs(more) > LEAST_DIFFERENCE)
        return {
            "prices_give": self._said(by_prices),
            "limits": [
                {
                    "name": self.policy.limits[n].name,
                    "counts": self.policy.limits[n].counts,
                    "sense": "at_least" if self.policy.limits[n].at_least else "at_most",
                    "more_used": float(more[n]),
                }
                for n in differs
            ],
        }

    def levers(self, decision: dict[str, Any]) -> dict[str, Any]:
        """Return the boost of each levered offer in the portfolio, and what would be said without levers."""
        boost = dict(zip(self.catalogue.offer_ids, self.catalogue.boost.tolist(), strict=True))
        levered = [{"offer_id": o, "boost": boost[o]} for o in decision["offer_ids"] if boost[o]]
        if not self.catalogue.boost.any():
            return {"offers": levered, "without": None, "changed": False}
        nothing = Steered.by_nothing(len(boost))
        plain = Terms.of(replace(self.catalogue, boost=nothing.boost), self.models, self.policy)
        without = self._said(choose(describe(self.rows, plain), plain, self.prices))
        # A repair says what is given, whatever levers say.
        same = without["channel"] == decision["channel"] and set(without["offer_ids"]) == set(decision["offer_ids"])
        return {"offers": levered, "without": without, "changed": not same}

    def harm(self) -> list[dict[str, Any]]:
        """Return for each channel what one more contact puts at risk."""
        at_risk = harm_micros(self.rows, self.policy)[0]
        return [
            {"channel": c.name, "unsubscribe_probability": c.leaving, "harm_micros": int(micros)}
            for c, micros in zip(self.policy.channels, at_risk, strict=True)
        ]

    def _said(self, choice: Choice) -> dict[str, Any]:
        channel = int(choice.channel[0])
        places = choice.places[0][choice.places[0] != NO_PLACE]
        return {
            "channel": self.policy.channels[channel].name if channel >= 0 else SILENCE,
            "level": LEVELS[int(choice.level[0])],
            "offer_ids": [self.catalogue.offer_ids[o] for o in self.rows.open_to.values[places]],
        }

    def _charge(self, n: int, used: float) -> dict[str, Any]:
        limit, price = self.policy.limits[n], float(self.prices.limit_micros[n])
        return {
            "name": limit.name,
            "counts": limit.counts,
            "sense": "at_least" if limit.at_least else "at_most",
            "uses": float(used),
            "price_micros": price,
            "charged_micros": float(used * price),
        }


def _used(described: Described, choice: Choice) -> NDArray[np.float64]:
    """Return how much of each limit a choice uses, (L,)."""
    used: NDArray[np.float64] = weigh(described.problem, *as_plan(described, choice, np.ones(1, dtype=np.bool_)))[1]
    return used
