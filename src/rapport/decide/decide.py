"""The one decision function: batch, real time, replay and explanation all come through here.

Why it exists: same customer, same state, same terms, same decision - alone, in any chunk, in any order. A second
path to a decision is a bug.
"""

from __future__ import annotations

import pyarrow as pa

from rapport.decide.choose import choose
from rapport.decide.describe import Terms, describe
from rapport.decide.record import record
from rapport.decide.rows import Rows
from rapport.decide.terms import Catalogue, Models, Policy, Prices


def decide(rows: pa.Table, catalogue: Catalogue, models: Models, policy: Policy, prices: Prices) -> pa.Table:
    """Return for each customer a channel and a portfolio of offers, or silence, with reasons and chances.

    Parameters
    ----------
    rows : Arrow table
        Columns of `core.tables.SCORES` (lists in the order of the catalogue and of the policy's channels) and
        ``household_key`` int64, ``turn`` string, ``as_of`` date, ``holdout`` bool. In place of the lists over the
        catalogue a shortlist may stand, see `Rows.from_table`.
    catalogue, models, policy, prices
        The frozen terms of the turn.

    Returns
    -------
    Arrow table with the schema `core.tables.DECISIONS`, in the order of `rows`. The held-out are decided too and
    marked not to be delivered, so that the counterfactual is on record.
    """
    return decide_under(rows, Terms.of(catalogue, models, policy), prices)


def decide_under(rows: pa.Table, terms: Terms, prices: Prices) -> pa.Table:
    """Return what `decide` returns, for terms already laid out."""
    typed = Rows.from_table(rows, len(terms.catalogue.offer_ids), len(terms.policy.channels))
    described = describe(typed, terms)
    return record(rows, described, choose(described, terms, prices), terms)
