"""The catalogue is scored, priced and cut to the best by the rules that the method states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rapport.core.errors import LimitInvalid, OfferInvalid, ProgramInvalid, RapportError, StateDamaged
from rapport.core.money import round_micros
from rapport.decide import catalogue_select
from rapport.decide.catalogue_kernel import CustomerFactors, OfferTerms, Shortlist, prepare, shortlist
from rapport.economics.contribution import incremental_micros, with_offer_probability


def offers_of(count: int, dimensions: int = 1, **columns: Any) -> OfferTerms:
    """Offers of 10 currency units, half of it margin, a tenth off, that half of all buy anyway."""
    terms = OfferTerms(
        factors=np.zeros((count, dimensions), dtype=np.float32),
        bias=np.zeros(count, dtype=np.float32),
        price_micros=np.full(count, 10_000_000),
        margin_share=np.full(count, 0.5),
        depth=np.full(count, 0.1),
        boost=np.zeros(count),
        rule_bits=np.zeros((count, 1), dtype=np.uint64),
    )
    return replace(terms, **columns)


def customers_of(n: int, dimensions: int = 1, **columns: Any) -> CustomerFactors:
    terms = CustomerFactors(
        factors=np.zeros((n, dimensions), dtype=np.float32),
        personal_start=np.zeros(n + 1, dtype=np.int64),
        personal_offer=np.zeros(0, dtype=np.int32),
        personal_logit=np.zeros(0, dtype=np.float32),
        rule_bits=np.zeros((n, 1), dtype=np.uint64),
        charge_class=np.zeros(n, dtype=np.int32),
    )
    return replace(terms, **columns)


def words(*rows: list[int]) -> NDArray[np.uint64]:
    return np.array(rows, dtype=np.uint64)


def test_the_value_of_an_offer_is_that_of_the_formula() -> None:
    # p0 = 1/2, odds 3: p1 = 3/4; 10 x (1/4 x 0.4 - 1/2 x 0.1) = 0.5; raised by a fifth: 0.6.
    offers = offers_of(2, boost=np.array([0.0, 0.2]))
    best = shortlist(customers_of(1), offers, 3.0, np.zeros((1, 2)), 2)
    assert best.offer.tolist() == [[1, 0]]
    assert best.base_probability.tolist() == [[0.5, 0.5]]
    np.testing.assert_allclose(best.value_micros, [[600_000.0, 500_000.0]], rtol=1e-12)
    assert best.open_offers.tolist() == [2]
    assert best.threshold.tolist() == [-np.inf]


def test_a_loss_is_not_raised_by_a_boost() -> None:
    # p0 = 1/2, odds 1: p1 = p0; 10 x (0 - 1/2 x 0.1) = -0.5.
    offers = offers_of(1, boost=np.array([1.0]))
    best = shortlist(customers_of(1), offers, 1.0, np.zeros((1, 1)), 1, least=-np.inf)
    np.testing.assert_allclose(best.value_micros, [[-500_000.0]], rtol=1e-12)


def test_a_logit_is_factors_times_factors_plus_bias_plus_the_personal_term() -> None:
    # 1 x 0.5 + 2 x (-1) + 0.25 = -1.25; with the personal term 1.25 of the second customer 0, so 1/2.
    offers = offers_of(1, 2, factors=np.array([[0.5, -1.0]], np.float32), bias=np.array([0.25], np.float32))
    customers = customers_of(
        2,
        2,
        factors=np.array([[1.0, 2.0]] * 2, np.float32),
        personal_start=np.array([0, 0, 1]),
        personal_offer=np.array([0], np.int32),
        personal_logit=np.array([1.25], np.float32),
    )
    best = shortlist(customers, offers, 2.0, np.zeros((1, 1)), 1, least=-np.inf)
    np.testing.assert_allclose(best.base_probability[:, 0], [1 / (1 + np.exp(1.25)), 0.5], rtol=1e-15)


def test_a_charge_orders_but_is_not_taken_off_the_value() -> None:
    # Both are worth 0.5 (see above); the first is charged 0.2 in class 0, the second in class 1.
    charge = np.array([[200_000.0, 0.0], [0.0, 200_000.0]])
    customers = customers_of(2, charge_class=np.array([0, 1], np.int32))
    best = shortlist(customers, offers_of(2), 3.0, charge, 2)
    assert best.offer.tolist() == [[1, 0], [0, 1]]
    np.testing.assert_allclose(best.value_micros, 500_000.0, rtol=1e-12)


def test_equal_offers_come_in_the_order_of_the_catalogue() -> None:
    best = shortlist(customers_of(1), offers_of(1300), 3.0, np.zeros((1, 1300)), 20)
    assert best.offer.tolist() == [list(range(20))]
    np.testing.assert_allclose(best.threshold, [500_000.0], rtol=1e-12)


def test_an_offer_that_shares_a_bit_of_any_word_is_shut_out_and_not_counted_as_open() -> None:
    offers = offers_of(4, rule_bits=words([1, 0], [0, 1 << 63], [0, 0], [2, 4]))
    customers = customers_of(3, rule_bits=words([0, 0], [1, 1 << 63], [3, 1 << 63 | 4]))
    best = shortlist(customers, offers, 3.0, np.zeros((1, 4)), 4)
    assert best.offer.tolist() == [[0, 1, 2, 3], [2, 3, -1, -1], [2, -1, -1, -1]]
    assert best.open_offers.tolist() == [4, 2, 1]
    assert best.threshold.tolist() == [-np.inf] * 3


def test_all_excluded_gives_an_empty_shortlist_whatever_the_least() -> None:
    offers, customers = offers_of(3, rule_bits=words([1], [1], [1])), customers_of(1, rule_bits=words([1]))
    for least in (0.0, -np.inf, 1e300):
        best = shortlist(customers, offers, 3.0, np.zeros((1, 3)), 2, least)
        assert best.offer.tolist() == [[-1, -1]]
        assert best.value_micros.tolist() == [[0.0, 0.0]]
        assert best.open_offers.tolist() == [0]
        assert best.threshold.tolist() == [-np.inf]


def test_only_offers_above_the_least_are_returned_and_the_least_bounds_the_rest() -> None:
    # Priced values 0.5, 0.3, 0.0 (a value equal to the least is not above it) and -0.1.
    charge = np.array([[0.0, 200_000.0, 500_000.0, 600_000.0]])
    value = float(shortlist(customers_of(1), offers_of(1), 3.0, np.zeros((1, 1)), 1).value_micros[0, 0])
    charge[0, 2] = value
    best = shortlist(customers_of(1), offers_of(4), 3.0, charge, 4)
    assert best.offer.tolist() == [[0, 1, -1, -1]]
    assert best.threshold.tolist() == [0.0]
    everything = shortlist(customers_of(1), offers_of(4), 3.0, charge, 4, least=-np.inf)
    assert everything.offer.tolist() == [[0, 1, 2, 3]]
    assert everything.threshold.tolist() == [-np.inf]


def in_sixteenths(draw: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """Factors whose products and sums are exact in float32, in whatever order."""
    return (draw.integers(-8, 9, (rows, columns)) / 16.0).astype(np.float32)


def drawn(seed: int, n: int, count: int, dimensions: int) -> tuple[CustomerFactors, OfferTerms, NDArray[np.float64]]:
    draw = np.random.default_rng(seed)
    has = draw.random((n, count)) < 0.02
    customers = CustomerFactors(
        factors=in_sixteenths(draw, n, dimensions),
        personal_start=np.concatenate([[0], np.cumsum(has.sum(axis=1))]),
        personal_offer=np.nonzero(has)[1].astype(np.int32),
        personal_logit=(draw.integers(-40, 40, int(has.sum())) / 16).astype(np.float32),
        rule_bits=np.uint64(1) << draw.integers(0, 64, (n, 2)).astype(np.uint64),
        charge_class=draw.integers(0, 3, n).astype(np.int32),
    )
    offers = OfferTerms(
        factors=in_sixteenths(draw, count, dimensions),
        bias=(draw.integers(-64, 0, count) / 16).astype(np.float32),
        price_micros=draw.integers(0, 3, count) * 4_000_000,
        margin_share=draw.choice([-0.1, 0.2, 0.3, 0.5], count),
        depth=draw.choice([0.0, 0.1, 0.2], count),
        boost=draw.choice([0.0, 0.5], count),
        rule_bits=np.uint64(1) << draw.integers(0, 64, (count, 2)).astype(np.uint64),
    )
    return customers, offers, draw.choice([0.0, 100_000.0, -30_000.0], (3, count))


def brute_force(
    customers: CustomerFactors, offers: OfferTerms, odds_ratio: float, charge: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return value, priced value and openness of every pair, with numpy in float64."""
    logit = customers.factors.astype(np.float64) @ offers.factors.T.astype(np.float64) + offers.bias
    row = np.repeat(np.arange(len(logit)), np.diff(customers.personal_start))
    logit[row, customers.personal_offer] += customers.personal_logit
    base = 1 / (1 + np.exp(-logit))
    extra = with_offer_probability(base, odds_ratio) - base
    value = (extra * (offers.margin_share - offers.depth) - base * offers.depth) * offers.price_micros
    value = np.where(value > 0, value * (1 + offers.boost), value)
    shut = (customers.rule_bits[:, None, :] & offers.rule_bits[None, :, :]).any(axis=2)
    return value, value - charge[customers.charge_class], ~shut


@pytest.mark.parametrize(
    ("count", "dimensions", "size", "least"),
    [
        (1, 3, 4, 0.0),
        (37, 8, 20, -np.inf),
        (511, 16, 20, 0.0),
        (513, 5, 1, -1e5),
        (1500, 24, 20, 5e4),
        (700, 0, 9, 0.0),
    ],
)
def test_the_best_are_those_of_a_full_sort_in_float64(count: int, dimensions: int, size: int, least: float) -> None:
    customers, offers, charge = drawn(count, 70, count, dimensions)
    best = shortlist(customers, offers, 2.5, charge, size, least)
    value, priced, is_open = brute_force(customers, offers, 2.5, charge)
    assert best.open_offers.tolist() == is_open.sum(axis=1).tolist()
    for i in range(70):
        # Last bits of numpy's exp may differ, so equal values are told by the nano, far finer than any difference.
        rank = np.lexsort((np.arange(count), -np.round(priced[i], 3)))
        wanted = [int(j) for j in rank if is_open[i, j] and np.round(priced[i, j], 3) > least]
        kept = wanted[:size]
        assert best.offer[i].tolist() == kept + [-1] * (size - len(kept))
        np.testing.assert_allclose(best.value_micros[i, : len(kept)], value[i, kept], rtol=1e-9, atol=1e-6)
        left = [j for j in range(count) if is_open[i, j] and j not in kept]
        if not left:
            assert best.threshold[i] == -np.inf
        else:
            assert best.threshold[i] >= priced[i, left].max() - 1e-6
            limit = priced[i, kept[-1]] if len(kept) == size else least
            np.testing.assert_allclose(best.threshold[i], limit, rtol=1e-9, atol=1e-6)


def test_a_value_rounds_to_the_micros_of_the_economics() -> None:
    customers, offers, charge = drawn(7, 50, 600, 8)
    offers = replace(offers, boost=np.zeros(600))
    best = shortlist(customers, offers, 2.5, charge, 20)
    filled = best.offer >= 0
    j = best.offer[filled]
    wanted = incremental_micros(
        best.base_probability[filled], 2.5, offers.price_micros[j], offers.margin_share[j], offers.depth[j]
    )
    assert round_micros(best.value_micros[filled]).tolist() == wanted.tolist()


def test_exp_in_single_precision_is_within_two_in_ten_million_of_numpys_in_double() -> None:
    x = np.linspace(-80.0, 80.0, 40_001).astype(np.float32)
    near = np.array([catalogue_select.exp_single(v) for v in x], dtype=np.float64)
    assert np.abs(near / np.exp(x.astype(np.float64)) - 1.0).max() < 2e-7


@pytest.mark.parametrize("odds_ratio", [1.0, 1.0001, 2.0, 1e6])
def test_the_bound_of_the_screen_is_never_below_the_priced_value_and_close_to_it(odds_ratio: float) -> None:
    draw = np.random.default_rng(3)
    count = catalogue_select.TILE
    for _ in range(20):
        offers = offers_of(
            count,
            price_micros=(10 ** draw.uniform(0, 12, count)).astype(np.int64),
            margin_share=draw.uniform(-1, 1, count),
            depth=draw.uniform(0, 1, count),
            boost=draw.uniform(0, 3, count),
        )
        charge = draw.normal(0, 1, (1, count)) * offers.price_micros
        arrays = prepare(offers, odds_ratio, charge).arrays
        z = (draw.normal(0, 1, count) * draw.choice([0.1, 3, 40, 1e6], count)).astype(np.float32)
        bound = np.empty(count, dtype=np.float32)
        catalogue_select.bound_values(
            z, arrays.gain[0], arrays.loss[0], arrays.raised[0], arrays.cut[0, 0], np.float32(odds_ratio), bound
        )
        with np.errstate(over="ignore"):
            base = 1 / (1 + np.exp(-z.astype(np.float64)))
        extra = with_offer_probability(base, odds_ratio) - base
        value = (extra * (offers.margin_share - offers.depth) - base * offers.depth) * offers.price_micros
        priced = np.where(value > 0, value * (1 + offers.boost), value) - charge[0]
        scale = offers.price_micros * (np.abs(offers.margin_share - offers.depth) + offers.depth) * (1 + offers.boost)
        slack = bound.astype(np.float64) - priced
        assert (slack >= 0).all()
        assert (slack <= 2.0**-18 * (scale + np.abs(charge[0]))).all()


def test_nobody_and_nothing_give_empty_answers_of_the_right_shape() -> None:
    nobody = shortlist(customers_of(0), offers_of(3), 2.0, np.zeros((1, 3)), 5)
    assert nobody.offer.shape == nobody.value_micros.shape == nobody.base_probability.shape == (0, 5)
    nothing = shortlist(customers_of(2), offers_of(0), 2.0, np.zeros((1, 0)), 5)
    assert nothing.offer.tolist() == [[-1] * 5] * 2
    assert nothing.open_offers.tolist() == [0, 0]
    assert nothing.threshold.tolist() == [-np.inf] * 2


def test_no_words_of_rules_exclude_nothing() -> None:
    offers = offers_of(3, rule_bits=np.zeros((3, 0), np.uint64))
    best = shortlist(customers_of(1, rule_bits=np.zeros((1, 0), np.uint64)), offers, 3.0, np.zeros((1, 3)), 2)
    assert best.offer.tolist() == [[0, 1]]


def test_a_hundred_thousand_offers_are_searched_to_the_last() -> None:
    # All are worth 0.5; two far apart have a larger price, the last the largest.
    price = np.full(100_000, 10_000_000)
    price[[70_000, 99_999]] = 20_000_000, 30_000_000
    best = shortlist(customers_of(3), offers_of(100_000, price_micros=price), 3.0, np.zeros((1, 100_000)), 4)
    assert best.offer.tolist() == [[99_999, 70_000, 0, 1]] * 3


def run(customers: dict[str, Any], offers: dict[str, Any], call: dict[str, Any]) -> Shortlist:
    settings = {"odds_ratio": 2.0, "charge": np.zeros((1, 3)), "size": 2} | call
    return shortlist(customers_of(2, **customers), offers_of(3, **offers), **settings)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("customers", "offers", "call", "error", "place"),
    [
        ({"factors": np.array([[NAN], [0]], np.float32)}, {}, {}, StateDamaged, "customers.factors"),
        ({"factors": np.array([[0], [INF]], np.float32)}, {}, {}, StateDamaged, "customers.factors"),
        ({"factors": np.zeros((2, 1))}, {}, {}, StateDamaged, "customers.factors"),
        ({"factors": np.zeros((2, 2), np.float32)}, {}, {}, StateDamaged, "customers.factors"),
        ({"charge_class": np.array([0, 1], np.int32)}, {}, {}, StateDamaged, "customers.charge_class"),
        ({"rule_bits": np.zeros((2, 2), np.uint64)}, {}, {}, StateDamaged, "customers.rule_bits"),
        ({"personal_start": np.array([0, 2, 1])}, {}, {}, StateDamaged, "customers.personal_start"),
        ({"personal_start": np.array([0, 0])}, {}, {}, StateDamaged, "customers.personal_start"),
        ({}, {"factors": np.full((3, 1), NAN, np.float32)}, {}, OfferInvalid, "offers.factors"),
        ({}, {"bias": np.array([0, INF, 0], np.float32)}, {}, OfferInvalid, "offers.bias"),
        ({}, {"price_micros": np.array([1.0, NAN, 1.0])}, {}, OfferInvalid, "offers.price_micros"),
        ({}, {"price_micros": np.array([1, -1, 1])}, {}, OfferInvalid, "offers.price_micros"),
        ({}, {"margin_share": np.array([0, 0, -INF])}, {}, OfferInvalid, "offers.margin_share"),
        ({}, {"depth": np.array([0, 0, 1.2])}, {}, OfferInvalid, "offers.depth"),
        ({}, {"boost": np.array([0, 0, -0.1])}, {}, OfferInvalid, "offers.boost"),
        ({}, {"boost": np.zeros(4)}, {}, OfferInvalid, "offers.boost"),
        ({}, {"rule_bits": np.zeros((3, 1), np.int64)}, {}, OfferInvalid, "offers.rule_bits"),
        ({}, {}, {"charge": np.array([[0, 0, NAN]])}, LimitInvalid, "charge"),
        ({}, {}, {"charge": np.zeros((1, 2))}, LimitInvalid, "charge"),
        ({}, {}, {"odds_ratio": 0.9}, ProgramInvalid, "odds_ratio"),
        ({}, {}, {"odds_ratio": NAN}, ProgramInvalid, "odds_ratio"),
        ({}, {}, {"size": 0}, ProgramInvalid, "size"),
        ({}, {}, {"least": NAN}, ProgramInvalid, "least"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_its_place(
    customers: dict[str, Any], offers: dict[str, Any], call: dict[str, Any], error: type[RapportError], place: str
) -> None:
    with pytest.raises(error, match=rf"^{place}: .* - .*; must be .*\. Correct"):
        run(customers, offers, call)


@pytest.mark.parametrize("terms", [[0, 0], [2, 1], [3], [-1]])
def test_personal_terms_name_each_offer_of_the_catalogue_once_in_rising_order(terms: list[int]) -> None:
    columns = {
        "personal_start": np.array([0, len(terms), len(terms)]),
        "personal_offer": np.array(terms, np.int32),
        "personal_logit": np.zeros(len(terms), np.float32),
    }
    with pytest.raises(StateDamaged, match=r"^customers\.personal_offer"):
        run(columns, {}, {})


def test_a_fall_between_two_customers_is_no_fault() -> None:
    columns = {
        "personal_start": np.array([0, 1, 2]),
        "personal_offer": np.array([2, 0], np.int32),
        "personal_logit": np.full(2, 0.5, np.float32),
    }
    assert run(columns, {}, {"odds_ratio": 3.0}).open_offers.tolist() == [3, 3]


def test_factors_whose_product_would_overflow_are_refused() -> None:
    offers = {"factors": np.full((3, 1), 1e20, np.float32)}
    with pytest.raises(StateDamaged, match=r"^customers\.factors"):
        run({"factors": np.full((2, 1), 1e20, np.float32)}, offers, {})
