"""States, factors and personal terms of very many customers, a range of keys at a time.

Why it exists: the lines of a million customers fit in no table of a memory that people have, those of an eighth of
them do. A key is a hash: a range of keys is a random sample to learn from, and ranges together are everybody, in
order. What is known of a customer is worked out by the same queries as for a few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.tables import STATES
from rapport.decide.catalogue_kernel import CustomerFactors, OfferTerms
from rapport.differentiate.factors import (
    FactorModel,
    FactorSettings,
    Snapshot,
    customer_terms,
    fit_factors,
    item_logits,
)
from rapport.differentiate.factors_counts import PairCounts, pair_counts
from rapport.differentiate.factors_sql import factor_customers_sql, factor_outcomes_sql, factor_pairs_sql
from rapport.differentiate.state_sql import purchases_sql, states_sql
from rapport.program.model import Margins
from rapport.workflows.ports import Engine, Progress
from rapport.workflows.state import trait_names

LINES_AT_ONCE = 12_000_000
"""Purchase lines of a range of keys; a line takes about 120 bytes in the engine."""
SAMPLE = 40_000
"""Customers to learn from; more add nothing to a few hundred thousand numbers."""
WINDOWS = {20_000: 1, 0: 3}
"""With so many customers one past window teaches enough; with fewer, three do."""
LOWEST, HIGHEST = -(2**63), 2**63 - 1
_COLUMNS = (
    "customer_key, basket_id, day, item, department, "
    "sales_micros, regular_micros, discount_micros, coupon_micros, margin_micros"
)


@dataclass(frozen=True)
class Many:
    """Where very many customers are read: an engine with the loaded tables (`state.open_tables`), and of which day.

    items : names of the items in the order of the offers, distinct
    """

    engine: Engine
    margins: Margins
    as_of: date
    items: tuple[str, ...]
    settings: FactorSettings


@dataclass(frozen=True)
class ManyChunk:
    """A range of customers: their states, counts and what the shortlist reads; rows in the order of keys."""

    states: pa.Table
    counts: PairCounts
    customers: CustomerFactors


def key_ranges(lines: int, most: int = LINES_AT_ONCE) -> list[tuple[int, int]]:
    """Return ranges of keys, both ends inclusive, that hold about `most` lines each and together all keys."""
    parts = max(1, -(-lines // most))
    edges = [LOWEST + 2**64 * k // parts for k in range(parts + 1)]
    return [(low, high - 1) for low, high in pairwise(edges)]


def open_items(many: Many) -> None:
    """Make the items and the margins known to the engine, and a table `served` where there is none yet."""
    index = pa.array(np.arange(len(many.items), dtype=np.int32))
    table = pa.table({"item_index": index, "item": pa.array(many.items, pa.string())})
    many.engine.register_arrow("factor_items", table)
    names = sorted(many.margins.departments)
    shares = np.array([many.margins.departments[n] for n in names], dtype=np.float64)
    many.engine.register_arrow("margins", pa.table({"department": pa.array(names, pa.string()), "share": shares}))
    # Who has interactions makes it beforehand, as `serving.make_served` does.
    many.engine.execute(
        "CREATE TABLE IF NOT EXISTS served (customer_key BIGINT, day DATE, kind VARCHAR, cost_micros BIGINT)"
    )


def fit_many(many: Many, progress: Progress) -> FactorModel:
    """Return the model of the items, learned from a sample of the customers.

    Needs `open_items`. Leaves the purchases of the sample in the engine, as the table `purchases`.
    """
    progress.start("learn from a sample", None)
    known = int(many.engine.query("SELECT count(*) AS n FROM customers")["n"][0].as_py())
    low, high = LOWEST, min(HIGHEST, LOWEST + 2**64 * SAMPLE // max(known, SAMPLE) - 1)
    make_purchases_of(many, (low, high))
    bought = many.engine.query("SELECT DISTINCT customer_key FROM purchases ORDER BY customer_key")
    keys = np.ascontiguousarray(bought["customer_key"].to_numpy())
    windows = next(w for least, w in WINDOWS.items() if len(keys) >= least)
    length = timedelta(days=many.settings.window_days)
    snapshots = []
    for k in range(windows + 2):
        day = many.as_of - k * length
        bound = {"key_from": low, "key_to": high}
        window = many.engine.query(factor_outcomes_sql(), {"starts": day - length, "ends": day, **bound})
        snapshots.append(Snapshot(read_counts(many, keys, day, (low, high)), window, (day - date(1970, 1, 1)).days))
    model = fit_factors(snapshots, many.settings)
    progress.finish()
    return model


def read_many(many: Many, model: FactorModel, progress: Progress) -> Iterator[ManyChunk]:
    """Give all customers, a range of keys at a time, in the order of keys.

    Needs `open_items`. Rule bits and charge classes are zero, for the caller to fill in.
    """
    lines = int(many.engine.query("SELECT count(*) AS n FROM transactions")["n"][0].as_py())
    ranges = key_ranges(lines)
    progress.start("states and features", len(ranges))
    for keys in ranges:
        yield read_range(many, model, keys)
        progress.advance(1)
    progress.finish()


def read_range(many: Many, model: FactorModel, keys: tuple[int, int]) -> ManyChunk:
    """Return the customers of one range of keys, in their order, such as a chunk of `plan_many.Crowd` asks for."""
    make_purchases_of(many, keys)
    states = read_states(many, keys)
    counts = read_counts(many, np.ascontiguousarray(states["customer_key"].to_numpy()), many.as_of, keys)
    return ManyChunk(states, counts, customer_factors(model, counts))


def make_purchases_of(many: Many, keys: tuple[int, int]) -> None:
    """Make the table `purchases` of a range of keys: lines before the day, as `state.make_purchases` does of all."""
    # Replacing would hold both.
    many.engine.execute("DROP TABLE IF EXISTS purchases")
    many.engine.execute(
        f"CREATE TABLE purchases AS SELECT {_COLUMNS} FROM ({purchases_sql()}) "
        "WHERE customer_key BETWEEN $key_from AND $key_to",
        {
            "as_of": many.as_of,
            "default_share": many.margins.default,
            "discount_borne": many.margins.discount_borne,
            **_bound(keys),
        },
    )


def read_states(many: Many, keys: tuple[int, int]) -> pa.Table:
    """Return the states of a range of keys, as `state.build_states` does of all."""
    traits = trait_names(many.engine.query("SELECT * FROM customers LIMIT 0").schema)
    sql = (
        f"SELECT * FROM ({states_sql(traits)}) WHERE customer_key BETWEEN $key_from AND $key_to ORDER BY customer_key"
    )
    found = many.engine.query(sql, {"as_of": many.as_of, **_bound(keys)})
    schema = pa.schema([*STATES, *(pa.field(t, pa.string()) for t in traits)])
    return found.select(schema.names).cast(schema)


def read_counts(many: Many, customers: NDArray[np.int64], day: date, keys: tuple[int, int]) -> PairCounts:
    """Return what customers had bought before a day; the purchases of their range of keys must be in the engine."""
    bound = {"as_of": day, **_bound(keys)}
    pairs = many.engine.query(factor_pairs_sql(), bound)
    return pair_counts(customers, len(many.items), pairs, many.engine.query(factor_customers_sql(), bound))


def offer_terms(
    model: FactorModel, price_micros: NDArray[np.int64], margin_share: NDArray[np.float64], depth: NDArray[np.float64]
) -> OfferTerms:
    """Return the items of a model as offers for the shortlist, (J,) each; nothing is boosted, no rule is set."""
    factors, bias = item_logits(model)
    nothing = np.zeros(len(bias))
    return OfferTerms(
        factors=factors,
        bias=bias,
        price_micros=price_micros,
        margin_share=margin_share,
        depth=depth,
        boost=nothing,
        rule_bits=np.zeros((len(bias), 1), dtype=np.uint64),
    )


def customer_factors(model: FactorModel, counts: PairCounts) -> CustomerFactors:
    """Return customers as the shortlist takes them, with nothing excluded and nothing charged."""
    terms = customer_terms(model, counts)
    n = counts.n_customers
    return CustomerFactors(
        factors=terms.factors,
        personal_start=terms.start,
        personal_offer=terms.item,
        personal_logit=terms.logit,
        rule_bits=np.zeros((n, 1), dtype=np.uint64),
        charge_class=np.zeros(n, dtype=np.int32),
    )


def _bound(keys: tuple[int, int]) -> dict[str, Any]:
    return {"key_from": keys[0], "key_to": keys[1]}
