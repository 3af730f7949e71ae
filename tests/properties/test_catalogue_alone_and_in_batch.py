"""A customer's shortlist has the same bits alone, in any batch, in any order and on any number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rapport.decide.catalogue_kernel import CustomerFactors, OfferTerms, PreparedOffers, prepare, shortlist_prepared

World = tuple[CustomerFactors, PreparedOffers, int, float]


@st.composite
def catalogues(draw: st.DrawFn) -> World:
    seeded = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, count = draw(st.integers(1, 150)), draw(st.integers(1, 1200))
    dimensions, classes = draw(st.integers(1, 70)), draw(st.integers(1, 3))
    has = seeded.random((n, count)) < draw(st.sampled_from([0.0, 0.01, 0.3]))
    customers = CustomerFactors(
        factors=seeded.normal(0, 0.5, (n, dimensions)).astype(np.float32),
        personal_start=np.concatenate([[0], np.cumsum(has.sum(axis=1))]),
        personal_offer=np.nonzero(has)[1].astype(np.int32),
        personal_logit=seeded.normal(0, 2, int(has.sum())).astype(np.float32),
        rule_bits=np.uint64(1) << seeded.integers(0, 8, (n, 1)).astype(np.uint64),
        charge_class=seeded.integers(0, classes, n).astype(np.int32),
    )
    # Few different rows make ties: the order among equals must not move either.
    kinds = seeded.integers(0, max(1, count // draw(st.sampled_from([1, 5]))), count)
    offers = OfferTerms(
        factors=seeded.normal(0, 0.5, (count, dimensions)).astype(np.float32)[kinds],
        bias=seeded.normal(-2, 1, count).astype(np.float32)[kinds],
        price_micros=(seeded.lognormal(1, 1, count) * 1e6).astype(np.int64)[kinds],
        margin_share=seeded.uniform(0.2, 0.5, count)[kinds],
        depth=seeded.uniform(0.0, 0.3, count)[kinds],
        boost=seeded.choice([0.0, 0.3], count)[kinds],
        rule_bits=np.uint64(1) << seeded.integers(0, 16, (count, 1)).astype(np.uint64),
    )
    charge = seeded.uniform(0, 1e5, (classes, count))[:, kinds]
    size, least = draw(st.sampled_from([1, 5, 20])), draw(st.sampled_from([0.0, -np.inf, 2e4]))
    return customers, prepare(offers, draw(st.sampled_from([1.0, 1.5, 4.0])), charge), size, least


def rows_of(customers: CustomerFactors, rows: NDArray[np.int64]) -> CustomerFactors:
    start = customers.personal_start
    spans = [np.arange(start[i], start[i + 1]) for i in rows]
    terms = np.concatenate([*spans, np.zeros(0, dtype=np.int64)]).astype(np.int64)
    return CustomerFactors(
        factors=customers.factors[rows],
        personal_start=np.concatenate([[0], np.cumsum([len(s) for s in spans])]).astype(np.int64),
        personal_offer=customers.personal_offer[terms],
        personal_logit=customers.personal_logit[terms],
        rule_bits=customers.rule_bits[rows],
        charge_class=customers.charge_class[rows],
    )


def answers(world: World, rows: NDArray[np.int64]) -> list[list[bytes]]:
    """Return, for each of the rows, the bytes of all that was answered for it."""
    customers, offers, size, least = world
    found = shortlist_prepared(rows_of(customers, rows), offers, size, least)
    return [[getattr(found, f.name)[i].tobytes() for f in fields(found)] for i in range(len(rows))]


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        yield
    finally:
        numba.set_num_threads(before)


@settings(max_examples=40)
@given(catalogues(), st.data())
def test_a_shortlist_has_the_same_bits_alone_in_chunks_in_any_order_and_on_one_thread(
    world: World, data: st.DataObject
) -> None:
    n = len(world[0].factors)
    everyone = np.arange(n)
    whole = answers(world, everyone)
    for i in {0, n // 2, n - 1}:
        assert answers(world, np.array([i])) == [whole[i]]
    cut = data.draw(st.integers(0, n))
    assert answers(world, everyone[:cut]) + answers(world, everyone[cut:]) == whole
    order = np.array(data.draw(st.permutations(range(n))))
    assert answers(world, order) == [whole[i] for i in order]
    with threads(1):
        assert answers(world, everyone) == whole
