"""Plan for very many customers, chunk by chunk: shortlist, prices for everybody, decisions written as they are made.

Why it exists: with millions of customers and thousands of offers neither the scores nor the decisions fit in one
table. Each customer's shortlist does; prices are found from all shortlists, and then every chunk is decided alone by
the one decision function. Customers stand in an order of their own; nothing here depends on how they are chunked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.decide.catalogue_kernel import CustomerFactors, OfferTerms, Shortlist, prepare, shortlist_prepared
from rapport.decide.decide import decide_under
from rapport.decide.describe import Terms, describe, portfolio_of
from rapport.decide.portfolio import common_portfolio
from rapport.decide.rows import Rows, starts
from rapport.decide.share import Shared, share_out
from rapport.decide.terms import Catalogue, CommonPortfolio, Models, Policy
from rapport.economics.contribution import incremental_micros

SHORTLIST = 20
"""Offers of highest priced value that are kept for each customer, beside those of the portfolios for many."""

SAMPLE = 400
"""Customers of the first chunk whose whole catalogue is valued to make the portfolios for many."""

Read = Callable[[int], tuple[CustomerFactors, pa.Table]]
"""Gives the factors of a chunk of customers, and their columns of `core.tables.SCORES` other than the lists over the
catalogue, with what `decide` asks for beside."""


@dataclass(frozen=True)
class Crowd:
    """Customers in chunks, and the offers that their factors are about."""

    chunks: int
    read: Read
    offers: OfferTerms
    catalogue: Catalogue


@dataclass(frozen=True)
class PlannedMany:
    """What came of it: the terms, how limits were shared, and the seconds of each step."""

    terms: Terms
    shared: Shared
    seconds: dict[str, float]


def plan_many(
    crowd: Crowd,
    policy: Policy,
    lift: Models,
    write: Callable[[pa.Table], None],
    clock: Callable[[], float],
    progress: Callable[[str], None],
) -> PlannedMany:
    """Decide for every customer of a crowd and hand each chunk's decisions to `write`.

    Parameters
    ----------
    lift : Models
        Lift, basis and version; its portfolios for many are made here.
    write : callable
        Takes tables with the schema `core.tables.DECISIONS`, in the order of the chunks.

    Raises
    ------
    LimitsConflict
        The limits cannot be met together; nothing has been written.
    """
    began = clock()
    models = _with_common(crowd, policy, lift)
    terms = Terms.of(crowd.catalogue, models, policy)
    progress("shortlists")
    tables = list(_shortlisted(crowd, terms))
    listed = clock()
    progress("prices of what is shared")
    size = len(crowd.catalogue.offer_ids), len(policy.channels)
    rows = Rows.joined([Rows.from_table(t, *size) for t in tables])
    shared = share_out(describe(rows, terms), terms, clock)
    del rows
    priced = clock()
    for number, table in enumerate(tables):
        progress(f"decisions, chunk {number + 1} of {len(tables)}")
        write(decide_under(table, terms, shared.prices))
    return PlannedMany(
        terms, shared, {"shortlists": listed - began, "prices": priced - listed, "decisions": clock() - priced}
    )


def _with_common(crowd: Crowd, policy: Policy, lift: Models) -> Models:
    """Return the models with the portfolios best for all and for each tier of a sample of the first chunk."""
    factors, table = crowd.read(0)
    n = min(SAMPLE, len(table))
    offers = len(crowd.catalogue.offer_ids)
    seen = _score(_first(factors, n), crowd.offers, lift.odds_ratio, offers)
    catalogue, portfolio = crowd.catalogue, portfolio_of(crowd.catalogue, policy)
    tier = np.array(table["tier"].slice(0, n).to_pylist())

    def best(members: NDArray[np.bool_]) -> CommonPortfolio:
        offer, base = seen.offer[members].ravel(), seen.base_probability[members].ravel()
        there = offer >= 0
        offer, base = offer[there], base[there].astype(np.float32).astype(np.float64)
        price, margin, depth = catalogue.price_micros[offer], catalogue.margin_share[offer], catalogue.depth[offer]
        value = incremental_micros(base, lift.odds_ratio, price, margin, depth).astype(np.float64)
        total = np.bincount(offer, weights=value, minlength=offers).astype(np.float64)
        return common_portfolio(total, portfolio)

    everyone = np.ones(n, dtype=np.bool_)
    return replace(lift, mass=best(everyone), segments={t: best(tier == t) for t in lift.segments})


def _first(factors: CustomerFactors, n: int) -> CustomerFactors:
    end = factors.personal_start[n]
    return CustomerFactors(
        factors=factors.factors[:n],
        personal_start=factors.personal_start[: n + 1],
        personal_offer=factors.personal_offer[:end],
        personal_logit=factors.personal_logit[:end],
        rule_bits=factors.rule_bits[:n],
        charge_class=factors.charge_class[:n],
    )


def _about(factors: CustomerFactors, some: NDArray[np.int32], offers: int) -> CustomerFactors:
    """Return the customers with the personal terms of some offers only, counted anew."""
    number = np.full(offers, -1, dtype=np.int32)
    number[some] = np.arange(len(some))
    there = number[factors.personal_offer] >= 0
    return replace(
        factors,
        personal_start=starts(there.astype(np.int64))[factors.personal_start],
        personal_offer=number[factors.personal_offer[there]],
        personal_logit=factors.personal_logit[there],
    )


def _score(factors: CustomerFactors, offers: OfferTerms, odds_ratio: float, size: int) -> Shortlist:
    """Return all open offers of few customers, or of few offers."""
    nothing = np.zeros((int(factors.charge_class.max(initial=0)) + 1, len(offers.bias)))
    return shortlist_prepared(factors, prepare(offers, odds_ratio, nothing), size, -np.inf)


def _shortlisted(crowd: Crowd, terms: Terms) -> Iterator[pa.Table]:
    """Give each chunk's table with the shortlist and the offers of the portfolios for many."""
    nothing = np.zeros((1, len(crowd.catalogue.offer_ids)))
    prepared = prepare(crowd.offers, terms.models.odds_ratio, nothing)
    common = np.flatnonzero(terms.in_common.any(axis=0)).astype(np.int32)
    few = OfferTerms(**{name: getattr(crowd.offers, name)[common] for name in vars(crowd.offers)})
    for number in range(crowd.chunks):
        factors, table = crowd.read(number)
        best = shortlist_prepared(factors, prepared, SHORTLIST)
        lists = [(best.offer, best.base_probability)]
        if len(common):
            seen = _score(_about(factors, common, len(crowd.offers.bias)), few, terms.models.odds_ratio, len(common))
            lists.append((np.where(seen.offer < 0, -1, common[np.maximum(seen.offer, 0)]), seen.base_probability))
        yield _with_lists(table, lists, factors, len(crowd.catalogue.offer_ids))


def _with_lists(
    table: pa.Table,
    lists: Sequence[tuple[NDArray[np.int32], NDArray[np.float64]]],
    factors: CustomerFactors,
    offers: int,
) -> pa.Table:
    """Return the table with the union of the lists, by customer in the order of the catalogue."""
    offer = np.concatenate([x[0] for x in lists], axis=1)
    base = np.concatenate([x[1] for x in lists], axis=1)
    there = offer >= 0
    row = np.broadcast_to(np.arange(len(table))[:, None], offer.shape)[there]
    pair, first = np.unique(row * np.int64(offers) + offer[there], return_index=True)
    row, offer = pair // offers, (pair % offers).astype(np.int32)
    bought = np.repeat(np.arange(len(table)), np.diff(factors.personal_start)) * np.int64(offers)
    before = np.isin(pair, bought + factors.personal_offer, assume_unique=True)
    offsets = pa.array(starts(np.bincount(row, minlength=len(table))).astype(np.int32))
    columns: dict[str, Any] = {
        "candidate_offers": pa.array(offer),
        "candidate_probabilities": pa.array(base[there][first].astype(np.float32)),
        "candidate_bought_before": pa.array(before),
    }
    for name, values in columns.items():
        table = table.append_column(name, pa.ListArray.from_arrays(offsets, values))
    return table
