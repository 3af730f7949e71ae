"""Boosts of a worksheet raise an offer for single customers, in the choice and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rapport.core.errors import StateDamaged
from rapport.core.tables import BOOSTS
from rapport.decide.boosts import boosts_of, joined_boosts, raised_by
from rapport.decide.rows import Rows
from rapport.workflows.plan import plan_turn
from worlds import TURN, catalogue_table, rows_of, score_rows, shop


def with_lists(rows: pa.Table, offers: list[list[int]], boosts: list[list[float]]) -> pa.Table:
    for field, values in zip(BOOSTS, (offers, boosts), strict=True):
        rows = rows.append_column(field, pa.array(values, field.type))
    return rows


def decided(rows: pa.Table, catalogue: pa.Table, **policy: Any) -> list[dict[str, Any]]:
    return plan_turn(rows, catalogue, shop(**policy), TURN, "model-1").decisions.to_pylist()


def test_levers_and_boosts_multiply_and_no_boost_is_exactly_one() -> None:
    # (1 + 1) x (1 + .5) = 3; 1 x .5.
    assert raised_by(np.array([1.0, 0.0]), np.array([0.5, -0.5])).tolist() == [3.0, 0.5]
    assert raised_by(np.array([0.1]), np.zeros(1)).tobytes() == raised_by(np.array([0.1]), None).tobytes()


def test_a_boost_brings_an_offer_into_the_portfolio_and_leaves_its_contribution_as_it_is() -> None:
    # At base .1 with odds 4, an offer of price P is worth P x (.2077 x .1 - .1 x .2): the dearer one is worth more.
    catalogue = catalogue_table([10_000_000, 12_000_000])
    rows = rows_of(score_rows(np.full((2, 2), 0.1)))
    plain = decided(rows, catalogue, portfolio_size=1)
    assert [d["offer_ids"] for d in plain] == [["o01"], ["o01"]]
    steered = decided(with_lists(rows, [[0], []], [[0.5], []]), catalogue, portfolio_size=1)
    assert [d["offer_ids"] for d in steered] == [["o00"], ["o01"]]
    assert steered[1]["offer_contributions_micros"] == plain[1]["offer_contributions_micros"]
    both = decided(rows, catalogue, portfolio_size=2)[0]
    worth = dict(zip(both["offer_ids"], both["offer_contributions_micros"], strict=True))
    assert steered[0]["offer_contributions_micros"] == [worth["o00"]]
    assert steered[0]["expected_contribution_micros"] == worth["o00"]


def test_a_boost_of_less_takes_an_offer_out_again() -> None:
    catalogue = catalogue_table([10_000_000, 12_000_000])
    rows = with_lists(rows_of(score_rows(np.full((1, 2), 0.1))), [[1]], [[-0.5]])
    assert decided(rows, catalogue, portfolio_size=1)[0]["offer_ids"] == ["o00"]


def test_a_boost_does_not_make_a_loss_pay() -> None:
    # Base .9 lies above the break-even of 1/3: the offer loses money with everyone.
    rows = with_lists(rows_of(score_rows(np.full((1, 1), 0.9))), [[0]], [[10.0]])
    assert decided(rows, catalogue_table([10_000_000]))[0]["channel"] == "silence"


def test_boosts_raise_an_offer_in_the_portfolios_for_many() -> None:
    catalogue = catalogue_table([10_000_000, 12_000_000])
    rows = rows_of(score_rows(np.full((3, 2), 0.1)))
    boosted = with_lists(rows, [[0]] * 3, [[0.5]] * 3)
    mass = [
        plan_turn(r, catalogue, shop(portfolio_size=1), TURN, "m").terms[1].mass.offers.tolist()
        for r in (rows, boosted)
    ]
    assert mass == [[1], [0]]


def test_a_boosted_offer_that_is_not_open_stays_closed() -> None:
    shut = np.array([[1, 0]], np.int8)
    rows = with_lists(rows_of(score_rows(np.full((1, 2), 0.1), excluded=shut)), [[0]], [[10.0]])
    assert decided(rows, catalogue_table([10_000_000, 12_000_000]))[0]["offer_ids"] == ["o01"]
    assert Rows.from_table(rows, 2, 1).boost is not None


def test_batches_with_and_without_boosts_join() -> None:
    assert joined_boosts([(None, 2), (None, 1)]) is None
    found = joined_boosts([(None, 2), (np.array([0.5]), 1)])
    assert found is not None
    assert found.tolist() == [0.0, 0.0, 0.5]
    catalogue, plain = catalogue_table([1, 1]), rows_of(score_rows(np.full((2, 2), 0.1)))
    typed = Rows.from_table(with_lists(plain, [[1], []], [[2.0], []]), len(catalogue), 1)
    assert typed.boost is not None
    assert Rows.joined([typed.part(0, 1), typed.part(1, 2)]).boost.tolist() == [0.0, 2.0, 0.0, 0.0]  # type: ignore[union-attr]
    assert typed.take(np.array([1, 0])).boost.tolist() == [0.0, 0.0, 0.0, 2.0]  # type: ignore[union-attr]


@pytest.mark.parametrize("bad", [[-1.0], [float("nan")], [float("inf")], []])
def test_scores_with_a_boost_that_cannot_be_are_refused(bad: list[float]) -> None:
    table = with_lists(pa.table({"x": [1]}), [[0]], [bad])
    with pytest.raises(StateDamaged, match="boosted offers"):
        boosts_of(table, np.array([0]), np.array([0], dtype=np.int32))
