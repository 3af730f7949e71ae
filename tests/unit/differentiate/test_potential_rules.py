"""Rules of unrealised potential on tables small enough to be worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.core.reasons import Status
from rapport.differentiate.potential import (
    PotentialModel,
    PotentialTerms,
    fit_potential,
    most_growable,
    peer_name,
    potential,
    predict_potential,
    summarise_potential,
    yearly_micros,
)

# Everyone: 18 of 20 at 0. `few` has all ten at 0, `many` eight, so every amount that is looked at is 0 and
# between = 10 (.1)^2 + 10 (.1)^2 = .2, within = 10 (.8)(.2) / 18 = 4/45, typical size (20 - 200 / 20) / 1 = 10;
# rho = (.2 - 4/45) / (.2 + 9 x 4/45) = 1/9.
ALIKE = np.array([0] * 10 + [0] * 8 + [100] * 2)
ALIKE_LABELS = {"needs": ["few"] * 10 + ["many"] * 10}


def _row(model: PotentialModel, *labels: str | None) -> int:
    return model.labels.index(labels)


def test_the_potential_of_one_group_is_the_amount_that_four_fifths_do_not_exceed() -> None:
    model, found = potential(np.arange(1, 11), {})
    assert model.potential_micros.tolist() == [8]
    # P(Beta(j, 10 - j) > .8) is P(Binomial(9, .8) < j): .086 for 6, .262 for 7; .866 for 9, 1 for 10.
    assert (model.low_micros[0], model.high_micros[0]) == (7, 10)
    assert found.unrealised_micros.tolist() == [7, 6, 5, 4, 3, 2, 1, 0, 0, 0]
    assert found.low_micros.tolist() == [6, 5, 4, 3, 2, 1, 0, 0, 0, 0]
    assert found.high_micros.tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_how_alike_customers_of_a_cell_are_is_their_intraclass_correlation() -> None:
    assert fit_potential(ALIKE, ALIKE_LABELS).alike == (pytest.approx(1 / 9),)


def test_a_coarser_cell_counts_for_as_many_customers_as_cells_are_alike() -> None:
    # The ten others are one cluster, worth 10 / (1 + 9 / 9) = 5; e = 1 / (1/9 + 1/6) - 1 = 2.6.
    model = fit_potential(ALIKE, ALIKE_LABELS)
    assert model.weight_customers.tolist() == pytest.approx([20.0, 12.6, 12.6])
    assert model.own_share.tolist() == pytest.approx([1.0, 10 / 12.6, 10 / 12.6])


def test_cells_that_do_not_differ_have_the_potential_of_everyone() -> None:
    model = fit_potential(np.tile(np.arange(1, 11), 2), {"needs": ["a"] * 10 + ["b"] * 10})
    assert model.alike == (0.0,)
    assert model.potential_micros.tolist() == [8, 8, 8]
    assert model.weight_customers.tolist() == pytest.approx([20.0, 20.0, 20.0])
    assert model.low_micros.tolist() == [model.low_micros[0]] * 3


def test_cells_that_have_nothing_in_common_speak_for_themselves() -> None:
    values = np.concatenate([np.arange(1, 101), np.arange(10_001, 10_101)])
    model = fit_potential(values, {"needs": ["small"] * 100 + ["large"] * 100})
    assert model.potential_micros[_row(model, "small")] == 80
    assert model.potential_micros[_row(model, "large")] == 10_080


def test_a_small_cell_is_pulled_to_its_coarser_cell_and_says_so() -> None:
    # Four large groups that differ a little, and two customers far above them.
    values = np.concatenate([np.arange(1, 101) + 5 * g for g in range(4)] + [np.array([5000, 6000])])
    labels = {"needs": [g for g in "abcd" for _ in range(100)] + ["e", "e"]}
    model = fit_potential(values, labels)
    row = _row(model, "e")
    assert model.own_micros[row] == 6000
    assert model.potential_micros[row] < 200
    assert model.status[row] is Status.TOO_FEW_CUSTOMERS
    assert model.status[_row(model, "a")] is Status.OK
    assert model.own_share[row] < 0.2
    assert model.own_share[_row(model, "a")] > 0.5


def test_a_missing_label_is_a_label_of_its_own_beside_the_word_unknown() -> None:
    values = np.arange(60)
    ages = [None, float("nan"), "  ", "", "unknown", "25-34"] * 10
    model, found = potential(values, {"age": ages})
    assert model.names == ("age", "age")
    assert model.asks_known == (True, False)
    assert model.customers[_row(model, None)] == 40
    assert model.customers[_row(model, "known", "unknown")] == 10
    assert len(set(found.cell[:4].tolist())) == 1
    assert found.labels_known[:6].tolist() == [0, 0, 0, 0, 1, 1]
    assert peer_name(model, int(found.cell[0])) == "age: not known"
    assert peer_name(model, int(found.cell[5])) == "age: 25-34"
    assert peer_name(model, 0) == "everyone"


def test_who_is_known_is_compared_with_those_who_are_known_first() -> None:
    # 300 not known spend 1 to 100, three known age bands 1,001 to 1,100 each: bands do not differ from each other.
    values = np.concatenate([np.tile(np.arange(1, 101), 3), np.tile(np.arange(1001, 1101), 3)])
    model = fit_potential(values, {"age": [None] * 300 + [a for a in ("20", "30", "40") for _ in range(100)]})
    assert model.alike[0] > 0.5
    assert model.alike[1] == 0.0
    assert [model.potential_micros[_row(model, "known", a)] for a in ("20", "30", "40")] == [1080] * 3
    assert model.potential_micros[_row(model, None, None)] == 80


def test_a_label_never_seen_leaves_the_customer_in_the_coarser_cell() -> None:
    labels = {"needs": ["a"] * 30 + ["b"] * 30, "age": (["20"] * 15 + ["30"] * 15) * 2}
    model = fit_potential(np.arange(60), labels)
    found = predict_potential(model, [5, 5, 5, 5], {"needs": ["b", "b", "z", None], "age": ["30", "99", "20", "20"]})
    assert [model.labels[c] for c in found.cell] == [("b", "30"), ("b",), (), ()]


def test_share_of_wallet_is_actual_over_wallet_where_the_wallet_is_known() -> None:
    _, found = potential([50, 80, 90, -10], {}, wallet_micros=[200, 0, 60, 100])
    assert found.wallet_known.tolist() == [True, False, True, True]
    assert found.share_of_wallet.tolist() == [0.25, 0.0, 1.5, -0.1]


def test_the_most_growable_are_ranked_by_what_is_sure_to_be_missing() -> None:
    # The thin cell promises more in the middle, but its lower end is less.
    model = fit_potential(ALIKE, ALIKE_LABELS)
    middle, low = model.potential_micros.copy(), model.low_micros.copy()
    middle[:], low[:] = [500, 1000, 600], [400, 50, 550]
    made = PotentialModel.from_record(
        model.to_record() | {"potential_micros": middle.tolist(), "low_micros": low.tolist()}
    )
    found = predict_potential(made, [0, 0, 0, 9999], {"needs": ["few", "many", "many", "many"]})
    assert most_growable(found, [7, 9, 8, 1]).tolist() == [2, 1, 0]


def test_tiers_show_their_unrealised_potential_each_by_itself() -> None:
    _, found = potential(np.arange(1, 11), {})
    rows = summarise_potential(found, list("CCCCBBBAAA"))
    # Gaps 7 6 5 4 | 3 2 1 | 0 0 0, in all 28.
    assert [(r.tier, r.customers, r.reached, r.actual_micros, r.unrealised_micros) for r in rows] == [
        ("A", 3, 3, 27, 0),
        ("B", 3, 0, 18, 6),
        ("C", 4, 0, 10, 22),
    ]
    assert [r.share_of_unrealised for r in rows] == [0.0, 6 / 28, 22 / 28]
    assert [r.median_unrealised_micros for r in rows] == [0, 2, 5]


def test_a_year_is_not_made_of_a_week() -> None:
    # 365 / 730 of 1,000; 365 / 91 of 91; known since today counts as 91 days too.
    assert yearly_micros([1000, 91, 91], [730, 7, 0]).tolist() == [500, 365, 365]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.sampled_from("abc"), st.sampled_from(["x", "y", None]))))
def test_a_customer_alone_has_the_figures_of_the_batch_and_order_does_not_matter(
    rows: list[tuple[int, str, str | None]],
) -> None:
    values = np.array([r[0] for r in rows], dtype=np.int64)
    labels = {"needs": [r[1] for r in rows], "age": [r[2] for r in rows]}
    model, found = potential(values, labels)
    turned = fit_potential(values[::-1], {k: v[::-1] for k, v in labels.items()})
    assert turned.to_record() == model.to_record()
    assert (found.low_micros <= found.unrealised_micros).all()
    assert (found.unrealised_micros <= found.high_micros).all()
    for i in range(min(len(rows), 5)):
        alone = predict_potential(model, values[i : i + 1], {k: v[i : i + 1] for k, v in labels.items()})
        assert (alone.cell[0], alone.unrealised_micros[0]) == (found.cell[i], found.unrealised_micros[i])
        assert alone.low_micros[0] == found.low_micros[i]


def test_a_model_written_and_read_is_the_same_model() -> None:
    model = fit_potential(np.arange(40), {"age": ["20", None] * 20})
    again = PotentialModel.from_record(json.loads(json.dumps(model.to_record())))
    assert again.to_record() == model.to_record()
    assert model.version.startswith("potential-")


def test_one_customer_has_nobody_to_be_compared_with() -> None:
    model, found = potential([12], {"age": ["20"]})
    assert found.unrealised_micros.tolist() == [0]
    assert found.status.tolist() == [Status.TOO_FEW_CUSTOMERS]
    assert np.isfinite(model.weight_customers).all()


def test_no_customer_gives_a_table_without_figures() -> None:
    model, found = potential([], {"age": []})
    assert model.status == (Status.TOO_FEW_CUSTOMERS,)
    assert found.cell.size == 0
    assert predict_potential(model, [5], {"age": ["20"]}).unrealised_micros.tolist() == [0]


def test_a_million_identical_customers_have_reached_their_potential() -> None:
    n = 1_000_000
    model, found = potential(np.full(n, 7), {"age": ["20", "30"] * (n // 2)})
    assert model.alike == (0.0,)
    assert not found.unrealised_micros.any()
    assert not found.high_micros.any()


def test_customers_who_cost_money_have_the_difference_to_their_peers() -> None:
    values = np.concatenate([[-500], np.arange(1, 11), np.arange(1, 11)])
    _, found = potential(values, {})
    # 21 customers: 80 % are 16.8, so the 17th smallest: 8.
    assert found.unrealised_micros[0] == 508
    below = np.arange(-100, 0)
    assert (potential(below, {})[1].unrealised_micros >= 0).all()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, float("nan")], "NaN"),
        ([1.5, 2.0], "float64"),
        ([2**62, 1], "too large"),
        ([[1, 2], [3, 4]], "shape"),
    ],
)
def test_amounts_that_are_not_whole_micros_are_refused(values: list[object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_potential(values, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (PotentialTerms(quantile=0.4), "quantile"),
        (PotentialTerms(interval=1.0), "interval"),
        (PotentialTerms(least_customers=0), "least_customers"),
    ],
)
def test_terms_that_are_not_possible_are_refused(terms: PotentialTerms, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fit_potential([1, 2], {}, terms)


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="'age' has 1 for 2"):
        fit_potential([1, 2], {"age": ["20"]})
    model, found = potential([1, 2], {"age": ["20", "30"]})
    with pytest.raises(ValueError, match="'age' is not given"):
        predict_potential(model, [1], {})
    with pytest.raises(ValueError, match="wallet_micros"):
        predict_potential(model, [1], {"age": ["20"]}, [1, 2])
    with pytest.raises(ValueError, match="keys"):
        most_growable(found, [1])
    with pytest.raises(ValueError, match="tiers"):
        summarise_potential(found, ["A"])
    with pytest.raises(ValueError, match="known_days"):
        yearly_micros([1], [-1])
