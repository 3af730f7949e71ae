"""The one decision function: batch, replay and explanation all come through here.

Why it exists: same customer, same state, same terms, same decision - alone, in any chunk, in any order. A second
path to a decision is a bug.
"""

from __future__ import annotations

import pyarrow as pa

from rapport.decide.appraise import Appraisal, Rows, appraise
from rapport.decide.choose import choose
from rapport.decide.record import expect_slots, record
from rapport.decide.terms import Catalogue, Models, Policy, Prices


def decide(rows: pa.Table, catalogue: Catalogue, models: Models, policy: Policy, prices: Prices) -> pa.Table:
    """Return for each customer a channel and a portfolio of offers, or silence, with reasons and chances.

    Parameters
    ----------
    rows : Arrow table
        Columns of `core.tables.SCORES` (lists in the order of the catalogue and of the policy's channels) and
        ``household_key`` int64, ``turn`` string, ``as_of`` date, ``holdout`` bool.
    catalogue, models, policy, prices
        The frozen terms of the turn.

    Returns
    -------
    Arrow table with the schema `core.tables.DECISIONS`, in the order of `rows`. The held-out are decided too and
    marked not to be delivered, so that the counterfactual is on record.
    """
    appraisal = appraise_table(rows, catalogue, models, policy)
    return decide_appraised(rows, appraisal, (catalogue, models, policy, prices))


def appraise_table(rows: pa.Table, catalogue: Catalogue, models: Models, policy: Policy) -> Appraisal:
    """Return the price-free part of the decision for a table of customers."""
    typed = Rows.from_table(rows, len(catalogue.offer_ids), len(policy.channels))
    return appraise(typed, catalogue, models, policy)


def decide_appraised(
    rows: pa.Table, appraisal: Appraisal, terms: tuple[Catalogue, Models, Policy, Prices]
) -> pa.Table:
    """Return the decision for customers already appraised under the same terms."""
    catalogue, models, policy, prices = terms
    choice = choose(appraisal, policy, prices)
    slots = expect_slots(appraisal, choice, catalogue, models, policy)
    return record(rows, appraisal, choice, slots, terms)
