"""What serving customers costs, from their states and the programme, and why some of them cost money.

Why it exists: the same yearly costs are taken off the value, written beside it, and named as the reason below zero.
No value is worked out here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.money import round_micros, to_micros
from rapport.core.reasons import BelowZeroReason
from rapport.differentiate.cost_to_serve import (
    LEAST_DAYS,
    LONGEST_DAYS,
    YEAR_DAYS,
    Reasons,
    YearlyCost,
    why_below_zero,
    yearly_cost,
    years_known,
)
from rapport.program.model import Program


@dataclass(frozen=True)
class ServiceCosts:
    """Expected cost a year of each customer, by what it comes from; `years` is the time each was observed."""

    returns: YearlyCost
    service: YearlyCost
    deliveries: YearlyCost
    bids_lost: YearlyCost
    years: NDArray[np.float64]

    @property
    def yearly_micros(self) -> NDArray[np.int64]:
        """Return the sum for each customer."""
        return np.asarray(
            self.returns.yearly_micros
            + self.service.yearly_micros
            + self.deliveries.yearly_micros
            + self.bids_lost.yearly_micros
        )


def service_costs(states: pa.Table, program: Program) -> ServiceCosts:
    """Return what returns, service, deliveries and lost bids are expected to cost each customer a year."""
    cost, n = program.cost_to_serve, len(states)

    def column(name: str) -> NDArray[np.int64]:
        # A state of before these columns knows of no such thing.
        return states[name].to_numpy() if name in states.column_names else np.zeros(n, dtype=np.int64)

    bought = states["purchase_days"].to_numpy() > 0
    # Who never bought has no first day: the whole window counts.
    years = years_known(np.where(bought, states["age_days"].to_numpy(), LONGEST_DAYS))
    handling = np.zeros(n, dtype=np.int64)
    if cost is not None:
        lost = round_micros(column("returns_micros") * np.float64(cost.handling_share_of_returns))
        handling = column("returns") * to_micros(cost.per_return) + lost
    contacts = column("service_contacts") + column("complaints")
    return ServiceCosts(
        returns=yearly_cost(handling, column("returns"), years, bought),
        service=yearly_cost(column("service_cost_micros"), contacts, years, bought),
        deliveries=yearly_cost(column("delivery_cost_micros"), column("deliveries"), years, bought),
        bids_lost=yearly_cost(column("bid_cost_micros"), column("bids_lost"), years, bought),
        years=years,
    )


def reasons_below_zero(
    states: pa.Table, below_zero: NDArray[np.bool_], costs: ServiceCosts, program: Program
) -> list[BelowZeroReason | None]:
    """Return why each customer below zero is so, None for the others."""
    borne = program.margins.discount_borne
    per_day = 0 if program.cost_to_serve is None else to_micros(program.cost_to_serve.per_purchase_day)
    a_year = YEAR_DAYS / np.maximum(states["age_days"].to_numpy(), LEAST_DAYS)
    discounts = borne * states["discount_micros"].to_numpy() * a_year
    given_back = np.maximum(states["returned_margin_micros"].to_numpy(), 0) / costs.years
    before = states["margin_micros"].to_numpy() * a_year + discounts + given_back
    lacking = states["purchase_days"].to_numpy() * a_year * per_day - before
    return why_below_zero(
        Reasons(
            discounts=round_micros(np.maximum(discounts, 0)),
            returns=costs.returns.yearly_micros + round_micros(given_back),
            service=costs.service.yearly_micros,
            deliveries=costs.deliveries.yearly_micros,
            bids_lost=costs.bids_lost.yearly_micros,
            thin_margin=round_micros(np.maximum(lacking, 0)),
        ),
        below_zero,
    )
