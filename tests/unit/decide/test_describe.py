"""A batch as an allocation problem: routes, values, musts, what a contact risks; and rows that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rapport.core.errors import LimitInvalid, OfferInvalid, StateDamaged
from rapport.decide.decide import decide
from rapport.decide.describe import Described, Terms, describe, harm_micros, within_cap
from rapport.decide.rows import Rows
from rapport.decide.terms import Catalogue
from rapport.workflows.plan import plan_turn
from worlds import TURN, catalogue_table, channel, declared, rows_of, score_rows, shop, shortlisted

# Base .1, odds ratio 4, margin .3, depth .2: 10 x .00076923.
PAYS = 7692
PLAIN = catalogue_table([10_000_000, 10_000_000, 20_000_000])


def described(base: Any, shared: dict[str, Any] | None = None, **scores: Any) -> tuple[Described, Terms]:
    program = shop(channel("email", cost_per_contact=0.001), channel("till", reach=0.5), portfolio_size=2)
    rows = rows_of(score_rows(np.array(base), channels=2, **scores))
    catalogue, models, policy, _ = plan_turn(rows, PLAIN, program, TURN, "m", declared=shared).terms
    terms = Terms.of(catalogue, models, policy)
    return describe(Rows.from_table(rows, 3, 2), terms), terms


def test_three_routes_a_channel_and_the_common_portfolios_must_be_said_through_theirs() -> None:
    found, terms = described([[0.1, 0.1, 0.1]])
    # Of equals the lower index: o02 is worth twice, o00 comes before o01.
    assert terms.models.mass.offers.tolist() == [2, 0]
    # Mass: routes 0 and 3; segment: 1 and 4; individual: 2 and 5. o01 is in no common portfolio.
    assert found.problem.candidates.routes.tolist() == [0b111111, 0b100100, 0b111111]
    assert found.problem.candidates.must.tolist() == [0b011011, 0, 0b011011]
    assert found.problem.candidates.value.tolist() == [PAYS, PAYS, 15_385]
    assert found.problem.customers.contact_micros.tolist() == [[-1000.0] * 3 + [0.0] * 3]


def test_offers_that_lose_and_are_asked_for_by_nobody_are_left_out() -> None:
    found, _ = described([[0.1, 0.9, 0.1], [0.1, 0.1, 0.9]])
    pairs = zip(found.rows.open_to.row()[found.source], found.problem.candidates.offer, strict=True)
    # o02 of the second customer loses, but stands in the portfolio for all only if it pays summed over both.
    assert (0, 1) not in [(int(i), int(j)) for i, j in pairs]


def test_who_must_be_told_something_gets_an_individual_portfolio_or_none() -> None:
    found, _ = described([[0.1, 0.9, 0.1]], more={"must_offers": [[1]]})
    opened = np.isfinite(found.problem.customers.contact_micros[0]).tolist()
    assert opened == [False, False, True, False, False, True]
    at = found.problem.candidates.offer.tolist().index(1)
    assert found.problem.candidates.must[at] == 0b100100
    assert found.problem.candidates.value[at] < 0


def test_what_must_be_said_but_is_not_open_is_not_said() -> None:
    found, _ = described([[0.1, 0.1, 0.1]], more={"must_offers": [[1]]}, excluded=np.array([[0, 3, 0]], np.int8))
    assert 1 not in found.problem.candidates.offer.tolist()


def test_the_contact_cap_closes_every_route() -> None:
    found, terms = described([[0.1] * 3, [0.1] * 3], contacts=[4, 3])
    contact = within_cap(found, replace(terms, policy=replace(terms.policy, contacts=4))).customers.contact_micros
    assert np.isfinite(contact).all(axis=1).tolist() == [False, True]
    assert np.isfinite(found.problem.customers.contact_micros).all()


def test_the_risk_of_a_contact_by_hand() -> None:
    found, terms = described(
        [[0.1] * 3] * 4, contacts=[0, 2, 2, 9], more={"actual_value_micros": [1000, 1000, -5, 1000]}
    )
    channels = tuple(
        replace(c, leaving=leaving) for c, leaving in zip(terms.policy.channels, (0.01, 0.2), strict=True)
    )
    policy = replace(terms.policy, channels=channels, pressure=2.0)
    # 1000 x .01 x 2^contacts, 1000 x .2 x 2^contacts, the chance at most 1; who is worth nothing cannot be lost.
    assert harm_micros(found.rows, policy).tolist() == [[10, 200], [40, 800], [0, 0], [1000, 1000]]


def test_levers_push_gains_and_no_losses() -> None:
    found, _ = described([[0.1, 0.9, 0.1]], declared(3, boost=[0.5, 0.5, -0.5]))
    assert found.steered_micros[[0, 2]].tolist() == [11_538, round(15_385 * 0.5)]
    assert found.steered_micros[1] == found.value_micros[1] < 0


def test_a_part_of_a_batch_is_described_as_the_part_alone() -> None:
    base = np.random.default_rng(1).random((6, 3)) ** 2
    found, terms = described(base, more={"must_offers": [[], [1], [], [0], [], []]})
    part = found.part(2, 5)
    rows = rows_of(score_rows(base, channels=2, more={"must_offers": [[], [1], [], [0], [], []]}))
    alone = describe(Rows.from_table(rows.slice(2, 3), 3, 2), terms)
    assert part.source.tolist() == alone.source.tolist()
    for name in ("offer", "value", "routes", "must"):
        assert getattr(part.problem.candidates, name).tolist() == getattr(alone.problem.candidates, name).tolist()
    assert part.problem.customers.start.tolist() == alone.problem.customers.start.tolist()


def test_more_channels_than_routes_can_stand_are_refused() -> None:
    _, terms = described([[0.1] * 3])
    many = replace(terms.policy, channels=terms.policy.channels * 11)
    with pytest.raises(LimitInvalid, match="channels are 22; at most 20"):
        Terms.of(terms.catalogue, terms.models, many)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.25, 1.5])
@pytest.mark.parametrize("short", [False, True])
def test_a_base_probability_that_is_none_is_refused_with_the_customer_before_anything_is_decided(
    wrong: float, short: bool
) -> None:
    rows = rows_of(score_rows(np.array([[0.1, 0.1], [0.1, wrong]]), ids=["ann", "bob"]))
    told = rf"customer 'bob', offer at position 1: base_probability is {wrong}; must lie in \[0, 1\]"
    with pytest.raises(StateDamaged, match=told):
        Rows.from_table(shortlisted(rows) if short else rows, 2, 1)


def test_a_base_probability_of_an_excluded_offer_is_not_looked_at() -> None:
    scores = score_rows(np.array([[0.1, np.nan]]), excluded=np.array([[0, 1]], np.int8))
    assert Rows.from_table(rows_of(scores), 2, 1).base_probability.tolist() == [pytest.approx(0.1)]


@pytest.mark.parametrize("offers", [[0, 1, 1], [2, 0, 1], [0, 1, 3], [-1, 0, 1]])
def test_a_shortlist_that_is_not_of_ascending_positions_each_once_is_refused(offers: list[int]) -> None:
    short = shortlisted(rows_of(score_rows(np.full((2, 3), 0.1), ids=["ann", "bob"])))
    at = short.schema.get_field_index("candidate_offers")
    lists = pa.array([[0, 1, 2], offers], pa.list_(pa.int32()))
    with pytest.raises(StateDamaged, match="customer 'bob': the open offers go on with position"):
        Rows.from_table(short.set_column(at, "candidate_offers", lists), 3, 1)


def test_lists_of_different_lengths_are_refused() -> None:
    short = shortlisted(rows_of(score_rows(np.full((1, 3), 0.1))))
    at = short.schema.get_field_index("candidate_probabilities")
    lists = pa.array([[0.1, 0.1]], pa.list_(pa.float32()))
    with pytest.raises(StateDamaged, match="hold 3 offers, 2 probabilities and 3 marks"):
        Rows.from_table(short.set_column(at, "candidate_probabilities", lists), 3, 1)


@pytest.mark.parametrize("column", ["margin_share", "depth"])
@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_an_offer_with_a_number_that_is_none_is_refused_by_its_id(column: str, wrong: float) -> None:
    table = catalogue_table([10_000_000, 10_000_000])
    at = table.schema.get_field_index(column)
    with pytest.raises(OfferInvalid, match=rf"offer 'o01': {column} is {wrong}; must be a finite number"):
        Catalogue.from_table(table.set_column(at, table.schema.field(column), pa.array([0.2, wrong])))


def test_rows_without_anything_open_beside_rows_with_everything_decide() -> None:
    scores = score_rows(np.full((3, 2), 0.1), excluded=np.array([[1, 1], [0, 0], [1, 1]], np.int8))
    rows = rows_of(scores)
    plan = plan_turn(rows, catalogue_table([10_000_000] * 2), shop(), TURN, "m")
    assert decide(shortlisted(rows), *plan.terms)["eligible_offers"].to_pylist() == [0, 2, 0]
