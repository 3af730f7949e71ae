"""Factors, personal terms and their weights: the paper's equations, hand-counted purchases, and bad input."""

from __future__ import annotations

from dataclasses import fields, replace

import numba
import numpy as np
import pyarrow as pa
import pytest

from rapport.core.errors import StateDamaged
from rapport.core.reasons import Status
from rapport.differentiate.factors import (
    FactorModel,
    FactorSettings,
    Snapshot,
    customer_terms,
    fit_factors,
    item_logits,
    item_terms,
    probabilities,
)
from rapport.differentiate.factors_als import Folding, fit_item_factors, fold_customers, purchase_weights
from rapport.differentiate.factors_counts import PairCounts, bought_after, pair_counts
from rapport.differentiate.factors_kernel import gram
from rapport.differentiate.factors_logit import fit_logit
from rapport.differentiate.factors_record import factors_from_json, factors_to_json

NOTHING = pa.table({"customer_key": pa.array([], pa.int64()), "item_index": pa.array([], pa.int32())})


def rows(*pairs: tuple[int, int]) -> pa.Table:
    return pa.table(
        {
            "customer_key": pa.array([p[0] for p in pairs], pa.int64()),
            "item_index": pa.array([p[1] for p in pairs], pa.int32()),
        }
    )


def counts_of(keys: list[int], items: int, *bought: tuple[int, int, int, int, int]) -> PairCounts:
    """Return counts; each bought is customer key, item, days, days since the first and since the last."""
    bought = tuple(sorted(bought))
    pairs = rows(*((b[0], b[1]) for b in bought))
    for name, at in (("days", 2), ("first_day", 3), ("last_day", 4)):
        pairs = pairs.append_column(name, pa.array([b[at] for b in bought], pa.int32()))
    for name, within in (("days_28", 28), ("days_91", 91)):
        pairs = pairs.append_column(name, pa.array([int(b[4] <= within) for b in bought], pa.int32()))
    there = sorted({b[0] for b in bought})
    mine = [[b for b in bought if b[0] == key] for key in there]
    customers = {
        "trips": [max(b[2] for b in m) for m in mine],
        "first_day": [max(b[3] for b in m) for m in mine],
        "last_day": [min(b[4] for b in m) for m in mine],
        "trips_28": [int(min(b[4] for b in m) <= 28) for m in mine],
        "trips_91": [int(min(b[4] for b in m) <= 91) for m in mine],
    }
    table = pa.table(
        {"customer_key": pa.array(there, pa.int64())} | {k: pa.array(v, pa.int32()) for k, v in customers.items()}
    )
    return pair_counts(np.array(keys, dtype=np.int64), items, pairs, table)


def test_a_row_of_an_unknown_customer_is_refused() -> None:
    with pytest.raises(StateDamaged, match="not among the keys - 9"):
        counts_of([1, 2], 3, (9, 0, 1, 5, 5))


def test_outcomes_are_parted_into_bought_again_and_for_the_first_time() -> None:
    counts = counts_of([1, 2, 3], 4, (1, 0, 1, 9, 9), (1, 2, 1, 9, 9), (3, 1, 2, 9, 4))
    again, row, item = bought_after(counts, rows((1, 2), (1, 3), (2, 0), (3, 1), (7, 1)))
    assert again.tolist() == [False, True, True]
    # Customer 7 is not of the sample.
    assert list(zip(row.tolist(), item.tolist(), strict=True)) == [(0, 3), (1, 0)]


def test_a_customer_is_folded_in_by_the_equation_of_the_paper() -> None:
    rng = np.random.default_rng(3)
    y = rng.standard_normal((5, 3))
    counts = counts_of([1, 2], 5, (1, 0, 1, 9, 9), (1, 3, 4, 90, 9), (2, 2, 1, 200, 200))
    found = fold_customers(counts, Folding(y, gram(y, 0.5), 2.0))
    # Hu, Koren & Volinsky (2008), eq. 4: (Y'CY + lambda I)^-1 Y'C p, c = 1 + w of the bought; w is 2 x (1 +
    # log2(4) / 2) = 4 for four days, and half of 2 for what was last bought 200 days ago.
    for row, paid in ((0, {0: 2.0, 3: 4.0}), (1, {2: 1.0})):
        c = np.ones(5)
        p = np.zeros(5)
        for item, w in paid.items():
            c[item], p[item] = 1.0 + w, 1.0
        exact = np.linalg.solve(y.T @ (c[:, None] * y) + 0.5 * np.eye(3), y.T @ (c * p))
        assert found[row] == pytest.approx(exact, rel=1e-9)


def test_alternating_least_squares_never_raises_its_loss() -> None:
    counts = blocks(40)
    paid = purchase_weights(counts, 4.0)
    losses = []
    for rounds in (1, 2, 4, 8):
        folding = fit_item_factors(counts, 2, 1.0, 4.0, rounds)
        u, y = fold_customers(counts, folding), folding.factors
        c, p = np.ones((counts.n_customers, counts.n_items)), np.zeros((counts.n_customers, counts.n_items))
        c[counts.row, counts.item] += paid
        p[counts.row, counts.item] = 1.0
        losses.append((c * (p - u @ y.T) ** 2).sum() + (u**2).sum() + (y**2).sum())
    assert losses == sorted(losses, reverse=True)


def test_weights_of_a_logistic_regression_are_those_of_the_table() -> None:
    # 30 of 100 without the feature and 60 of 90 with it: log odds of 30/70, and the log of the odds ratio
    # (60/30) / (30/70). A ridge of one on so many rows takes about a per cent.
    x = np.ones((190, 2))
    x[:100, 1] = 0.0
    y = np.zeros(190, dtype=np.bool_)
    y[:30] = y[100:160] = True
    found = fit_logit(x, y, np.ones(190))
    assert found[0] == pytest.approx(np.log(30 / 70), abs=0.05)
    assert found[1] == pytest.approx(np.log((60 / 30) / (30 / 70)), abs=0.08)
    # A row that counts twice is two rows.
    twice = fit_logit(np.vstack([x, x]), np.concatenate([y, y]), np.ones(380))
    assert fit_logit(x, y, np.full(190, 2.0)) == pytest.approx(twice, abs=1e-5)


def test_terms_of_items_are_shares_pulled_to_that_of_all() -> None:
    before = counts_of(
        list(range(1, 101)), 2, *((k, 0, 1, 5, 5) for k in range(1, 51)), *((k, 1, 1, 5, 5) for k in range(51, 101))
    )
    now = counts_of(
        list(range(1, 101)),
        2,
        *((k, 0, 2, 33, 3) for k in range(1, 41)),
        *((k, 1, 1, 33, 33) for k in range(41, 101)),
    )
    window = rows(*((k, 0) for k in range(1, 41)), *((k, 0) for k in range(51, 61)))
    terms = item_terms(Snapshot(now, window), Snapshot(before, NOTHING))
    # 40 of the 50 buyers of item 0 bought it again, none of the 50 of item 1; all: (40 + .5) / (100 + 50), as by 20.
    share = (np.array([40, 0]) + 20 * 40.5 / 150) / 70
    assert terms.rebuy == pytest.approx(np.log(share / (1 - share)))
    share = (np.array([10, 0]) + 20 * 10.5 / 150) / 70
    assert terms.newcomers == pytest.approx(np.log(share / (1 - share)))
    # 40 customers with one gap of 30 days each; ten more gaps as is usual, (1200 + 30) / 41.
    assert terms.interval == pytest.approx([(1200 + 300.0) / 50, 30.0])


def blocks(n: int, window: int = 0) -> PairCounts:
    """Return counts of n customers: the odd ones bought items 0 to 3, the even ones 4 to 7, one of each left out."""
    bought = [
        (k, item + 4 * (k % 2), 1 + (k + item) % 3, 60 - window, 1 + (k * 7 + item * 5) % 50)
        for k in range(1, n + 1)
        for item in range(4)
        if item != k % 4
    ]
    return counts_of(list(range(1, n + 1)), 8, *bought)


def the_same(window: pa.Table, counts: PairCounts, number: int = 3) -> list[Snapshot]:
    return [Snapshot(counts, window)] * number


def test_too_little_to_learn_from_is_a_status_and_gives_the_share_of_the_item() -> None:
    model = fit_factors(the_same(rows((1, 0)), counts_of([1], 1, (1, 0, 2, 40, 5))), FactorSettings(width=2))
    assert model.explore.status is Status.TOO_FEW_CUSTOMERS
    assert model.repeat.status is Status.TOO_FEW_CUSTOMERS
    # One of one bought it again, pulled to (1 + .5) / (1 + 50) as by 20 customers.
    p = probabilities(model, counts_of([1], 1, (1, 0, 2, 40, 5)))
    assert p[0, 0] == pytest.approx((1 + 20 * 1.5 / 51) / 21, abs=1e-5)


@pytest.mark.parametrize("customers", [0, 1, 3])
@pytest.mark.parametrize("items", [0, 1, 4])
def test_where_nobody_bought_anything_probabilities_are_small_and_finite(customers: int, items: int) -> None:
    counts = counts_of(list(range(customers)), items)
    model = fit_factors(the_same(NOTHING, counts), FactorSettings(width=3))
    p = probabilities(model, counts)
    assert p.shape == (customers, items)
    assert np.isfinite(p).all()
    assert (p <= 0.02).all()


def test_fewer_than_three_snapshots_are_refused() -> None:
    with pytest.raises(ValueError, match="snapshots are 2; must be at least 3"):
        fit_factors(the_same(NOTHING, blocks(4), 2), FactorSettings())


@pytest.fixture(scope="module")
def model() -> FactorModel:
    window = rows(*((k, i + 4 * (k % 2)) for k in range(1, 401) for i in range(4) if (k // 3 + i) % 3 == 0))
    return fit_factors(the_same(window, blocks(400)), FactorSettings(width=2, ridge=1.0))


def test_what_the_like_minded_buy_is_likelier_than_what_others_buy(model: FactorModel) -> None:
    counts = blocks(400)
    p = probabilities(model, counts)
    for k in (1, 2, 77, 400):
        row, missing = k - 1, k % 4 + 4 * (k % 2)
        other = p[row, 4 * (1 - k % 2) : 4 * (1 - k % 2) + 4]
        assert p[row, missing] > 3 * other.max()


def test_a_customer_has_the_same_bytes_alone_and_among_others(model: FactorModel) -> None:
    counts = blocks(60)
    all_of_them = customer_terms(model, counts)
    for row in range(0, 60, 7):
        one = np.zeros(60, dtype=np.bool_)
        one[row] = True
        alone = customer_terms(model, counts.of_selected(one))
        first, stop = counts.start[row : row + 2]
        assert alone.factors.tobytes() == all_of_them.factors[row : row + 1].tobytes()
        assert alone.logit.tobytes() == all_of_them.logit[first:stop].tobytes()
        assert alone.item.tolist() == all_of_them.item[first:stop].tolist()


def test_probabilities_are_what_the_terms_add_up_to(model: FactorModel) -> None:
    counts = blocks(5)
    terms = customer_terms(model, counts)
    factors, bias = item_logits(model)
    logit = sum(float(a) * float(b) for a, b in zip(terms.factors[0], factors[2], strict=True)) + float(bias[2])
    logit += {int(i): float(x) for i, x in zip(terms.item[: terms.start[1]], terms.logit, strict=False)}.get(2, 0.0)
    assert probabilities(model, counts)[0, 2] == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-6)


def test_a_million_days_and_long_silence_stay_finite(model: FactorModel) -> None:
    extreme = counts_of([1, 2], 8, (1, 0, 3_000, 3_600, 1), (2, 7, 1, 3_600, 3_600))
    assert np.isfinite(probabilities(model, extreme)).all()


def test_counts_of_selected_customers_keep_their_rows() -> None:
    counts = blocks(6)
    keep = np.array([False, True, True, False, False, True])
    part = counts.of_selected(keep)
    assert part.customer_keys.tolist() == [2, 3, 6]
    assert part.item.tolist() == counts.item[np.isin(counts.row, [1, 2, 5])].tolist()
    assert {f.name for f in fields(PairCounts)} == set(vars(part))
    assert replace(part, n_items=8).row.tolist() == [0] * 3 + [1] * 3 + [2] * 3


def test_any_number_of_threads_gives_the_same_bytes(model: FactorModel) -> None:
    counts = blocks(61)
    most = customer_terms(model, counts)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one = customer_terms(model, counts)
    finally:
        numba.set_num_threads(before)
    assert one.factors.tobytes() == most.factors.tobytes()
    assert one.logit.tobytes() == most.logit.tobytes()


def test_a_kept_model_scores_to_the_same_bits(model: FactorModel) -> None:
    text = factors_to_json(model)
    kept = factors_from_json(text)
    assert factors_to_json(kept) == text
    counts = blocks(9)
    assert probabilities(kept, counts).tobytes() == probabilities(model, counts).tobytes()


def test_a_model_of_nobody_can_be_kept() -> None:
    model = fit_factors(the_same(NOTHING, counts_of([], 0)), FactorSettings(width=3))
    kept = factors_from_json(factors_to_json(model))
    assert kept.repeat.status is Status.TOO_FEW_CUSTOMERS
    assert np.isnan(kept.repeat.calibration_error)


@pytest.mark.parametrize(
    ("text", "said"), [("{}", "cannot be read"), ("no", "cannot be read"), ("[]", "cannot be read")]
)
def test_a_text_that_is_no_model_is_refused(text: str, said: str) -> None:
    with pytest.raises(StateDamaged, match=said):
        factors_from_json(text)


def test_a_model_of_another_version_is_refused(model: FactorModel) -> None:
    with pytest.raises(StateDamaged, match="is of version 'factors-0'; must be 'factors-1'"):
        factors_from_json(factors_to_json(replace(model, version="factors-0")))
