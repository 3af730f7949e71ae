"""Rules of needs groups: arithmetic by hand, membership alone and in any batch, names, records, thin data."""

from __future__ import annotations

import json
import math
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from needs_shops import needs_in, table_of, weights
from rapport.core.reasons import Status
from rapport.differentiate.needs_choice import adjusted_rand
from rapport.differentiate.needs_counts import Counts, Feature, Vocabulary, evidence
from rapport.differentiate.needs_fit import OWN_EVIDENCE, Groups, fold_in
from rapport.differentiate.needs_model import EVERYONE, NeedsModel, predict_needs
from rapport.differentiate.needs_names import log_odds, make_names, plain_words
from rapport.differentiate.needs_profile import Peers, gaps_to_peers, sensitivity_of
from rapport.differentiate.needs_sql import what_sql
from rapport.simulate.needs import NeedsWorld, SimulatedNeeds, simulate_needs
from rapport.workflows.needs import NeedsOfTurn


@cache
def shop() -> tuple[SimulatedNeeds, NeedsOfTurn]:
    made = simulate_needs(NeedsWorld(groups=3, trips=20), 300, seed=7)
    found = needs_in(made, groups=3)
    assert found is not None
    return made, found


def counts_of(rows: list[dict[int, float]], features: int) -> Counts:
    """Return counts from one mapping of feature to count for each customer."""
    start = np.cumsum([0, *(len(r) for r in rows)])
    column = np.array([c for r in rows for c in sorted(r)], dtype=np.int64)
    value = np.array([r[c] for r in rows for c in sorted(r)], dtype=np.float64)
    return Counts(start, column, value, features)


def test_membership_is_the_share_of_own_evidence_where_groups_have_nothing_in_common() -> None:
    # Ten purchases of the first group's thing and thirty of the second's, besides two split evenly: 11 and 31 of 42.
    groups = Groups(np.array([0.5, 0.5]), np.array([[1.0, 1e-12], [1e-12, 1.0]]))
    member = fold_in(counts_of([{0: 10.0, 1: 30.0}], 2), groups)
    assert OWN_EVIDENCE == 2.0
    assert member[0] == pytest.approx([11 / 42, 31 / 42], rel=1e-9)


def test_who_has_no_evidence_has_the_shares_of_the_groups() -> None:
    groups = Groups(np.array([0.7, 0.3]), np.array([[0.5, 0.5], [0.1, 0.9]]))
    member = fold_in(counts_of([{}, {0: 1.0}], 2), groups)
    assert member[0] == pytest.approx([0.7, 0.3])
    assert member[1].sum() == pytest.approx(1.0)


def test_a_customer_has_the_same_bytes_alone_in_any_chunk_and_in_any_order() -> None:
    made, found = shop()
    n = len(made.keys)
    rng_rows = [dict(zip(*_row(found, made, i), strict=True)) for i in range(n)]
    features = len(found.model.vocabulary.features)
    together = predict_needs(found.model, counts_of(rng_rows, features))
    alone = np.concatenate([predict_needs(found.model, counts_of([r], features)) for r in rng_rows])
    assert together.tobytes() == alone.tobytes()
    for size in (2, 7, 64):
        parts = [predict_needs(found.model, counts_of(rng_rows[i : i + size], features)) for i in range(0, n, size)]
        assert np.concatenate(parts).tobytes() == together.tobytes()
    backwards = predict_needs(found.model, counts_of(rng_rows[::-1], features))
    assert backwards[::-1].tobytes() == together.tobytes()


def _row(found: NeedsOfTurn, made: SimulatedNeeds, i: int) -> tuple[list[int], list[float]]:
    """Return counts drawn from the customer's own purchases: how often each known thing was bought."""
    lines = made.tables["transactions"]
    mine = lines.filter(pa.array(lines["customer_key"].to_numpy() == made.keys[i]))
    places = {f.value: n for n, f in enumerate(found.model.vocabulary.features) if f.view == "what"}
    bought: dict[int, float] = {}
    for product in mine["product_id"].to_pylist():
        at = places[f"Thing {product[1:]}"]
        bought[at] = bought.get(at, 0.0) + 1.0
    return list(bought), list(bought.values())


def test_the_same_data_give_the_same_model() -> None:
    made, found = shop()
    again = needs_in(made, groups=3)
    assert again is not None
    assert again.model.version == found.model.version
    assert again.member.tobytes() == found.member.tobytes()


def test_a_model_comes_back_from_json_and_predicts_alike() -> None:
    _, found = shop()
    back = NeedsModel.from_record(json.loads(json.dumps(found.model.to_record())))
    assert back.version == found.model.version == back.versioned().version
    assert back.names == found.model.names
    assert back.groups.profile.tobytes() == found.model.groups.profile.tobytes()
    with pytest.raises(ValueError, match="fields missing or unknown - why"):
        NeedsModel.from_record({k: v for k, v in found.model.to_record().items() if k != "why"})
    with pytest.raises(ValueError, match="must be 'needs-1'"):
        NeedsModel.from_record(found.model.to_record() | {"record": "needs-0"})


def test_the_adjusted_rand_index_is_that_of_the_definition() -> None:
    # Pairs together in both 1, in the one 2, in the other 1, of 6: (1 - 1/3) / (3/2 - 1/3) = 4/7.
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])) == pytest.approx(4 / 7)
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])) == 1.0
    # Each crosses the other evenly: (0 - 2/3) / (2 - 2/3) = -1/2.
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])) == pytest.approx(-0.5)


def test_log_odds_with_a_prior_are_those_of_the_formula() -> None:
    # Counts 30 of 40 and 10 of 40, prior of 20 on even shares: ln(40/20) - ln(20/40) over sqrt(1/40 + 1/20).
    z = log_odds(np.array([[30.0, 10.0], [10.0, 30.0]]), np.array([0.5, 0.5]), prior=20.0)
    assert z[0, 0] == pytest.approx(math.log(4) / math.sqrt(1 / 40 + 1 / 20))
    assert z[0, 1] == pytest.approx(-z[0, 0])
    assert z[1, 1] == pytest.approx(z[0, 0])


def test_response_to_discounts_is_observed_over_expected_with_its_interval_over_customers() -> None:
    # 6 + 2 lines on discount where 2 + 2 were expected: 2; residuals 6 - 4 and 2 - 4, so 1.96 sqrt(8) / 4.
    found = sensitivity_of(np.array([10, 10]), np.array([6, 2]), np.array([2_000_000, 2_000_000]), (80, 20))
    assert found is not None
    assert found.response == 2.0
    assert found.response_high - found.response == pytest.approx(1.959964 * math.sqrt(8) / 4)
    assert found.discount_share == 0.2
    assert found.bought_on_discount == 0.4
    assert sensitivity_of(np.array([1]), np.array([0]), np.array([0]), (10, 0)) is None


def test_peers_are_weighted_to_the_strata_of_the_class() -> None:
    # Nine in ten of the class are in the first stratum, where half of the others buy it, a tenth where all do: .55.
    peers = Peers(np.array([90, 10]), np.array([10, 100]), np.array([[9], [0]]), np.array([[5], [100]]))
    share, expected, error = gaps_to_peers(peers)
    assert share[0] == pytest.approx(0.09)
    assert expected[0] == pytest.approx(0.9 * 0.5 + 0.1 * 1.0)
    assert error[0] == pytest.approx(0.9 * math.sqrt(0.1 * 0.9 / 90 + 0.25 / 10))


def test_evidence_is_bounded_and_behaviour_weighs_its_share() -> None:
    words = Vocabulary((Feature("what", "a"), Feature("hour", "night"), Feature("hour", "evening")), np.ones(3), 1.0)
    found = evidence(counts_of([{0: 3.0, 1: 6.0, 2: 2.0}], 3), words)
    # log2(1 + 3) = 2; of that 4 % go to the hours, three quarters of it to the night.
    assert found.value == pytest.approx([2.0, 0.06, 0.02])


def test_names_are_of_what_distinguishes_unique_and_kept() -> None:
    marks = [
        [("what", "SOFT DRINKS", 9.0, 2.0), ("what", "FROZEN PIZZA", 8.0, 1.5), ("hour", "night", 5.0, 1.6)],
        [("what", "SOFT DRINKS", 9.0, 2.0), ("what", "FROZEN PIZZA", 8.0, 1.5), ("hour", "night", 5.0, 1.6)],
        [("what", "HERBS", 4.0, 1.4)],
        [],
    ]
    assert make_names(marks, [None] * 4) == (
        "Soft drinks, frozen pizza (at night)",
        "Soft drinks, frozen pizza",
        "Herbs",
        "Group 4",
    )
    assert make_names(marks[:2], [None, "Night owls"]) == ("Soft drinks, frozen pizza (at night)", "Night owls")
    assert make_names(marks[2:3] * 2, ["Herbs", None])[1] == "Group 2"
    assert plain_words("VEGETABLES - ALL OTHERS") == "Vegetables"
    assert plain_words("Rye bread") == "Rye bread"


def test_groups_that_are_the_same_keep_their_names_and_are_used_again_while_they_are_fresh() -> None:
    made, found = shop()
    renamed = NeedsModel.from_record(found.model.to_record() | {"names": ["one", "two", "three"]}).versioned()
    anew = needs_in(made, before=renamed, groups=3, refit_days=0)
    again = needs_in(made, before=renamed, groups=3)
    assert anew is not None
    assert again is not None
    assert not anew.reused
    assert anew.model.names == ("one", "two", "three")
    assert anew.model.kept_from == renamed.version
    assert again.reused
    assert again.model.version == renamed.version
    other = needs_in(made, before=renamed, groups=2)
    assert other is not None
    assert not other.reused
    assert other.model.k == 2


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([(1, "apple", 3)], Status.TOO_FEW_CUSTOMERS),
        ([(c, "apple", d) for c in range(150) for d in (3, 40)], Status.NOT_MEASURABLE),
        ([(c, "apple", 1) for c in range(99)], Status.TOO_FEW_CUSTOMERS),
        ([(c, i, 1) for c in range(150) for i in ("apple", "pear")], Status.NOT_MEASURABLE),
    ],
    ids=["one customer", "one thing", "too few customers", "one day"],
)
def test_thin_data_are_a_status_and_one_group(rows: list[tuple[int, str, int]], status: Status) -> None:
    found = needs_in(None, table_of(rows))
    assert found is not None
    assert found.model.status is status
    assert found.model.names == (EVERYONE,)
    assert found.main.tolist() == [0] * len(found.main)
    assert weights(found) == [1.0] * len(found.main)
    json.dumps(found.record(), allow_nan=False)


def test_identical_customers_are_one_group() -> None:
    rows = [(c, i, d) for c in range(400) for i in ("apple", "pear", "plum") for d in (5, 20, 40, 60, 80)]
    found = needs_in(None, table_of(rows))
    assert found is not None
    assert found.model.status is Status.OK
    assert found.model.k == 1
    assert np.isfinite(found.weight).all()
    # Asked for three groups of the same people, they are given, and nobody is told apart.
    forced = needs_in(None, table_of(rows), groups=3)
    assert forced is not None
    assert np.isfinite(forced.member).all()
    assert np.ptp(forced.member, axis=0).max() == 0.0
    json.dumps(forced.model.to_record(), allow_nan=False)


def test_who_bought_nothing_is_in_no_group() -> None:
    made, _ = shop()
    lines = made.tables["transactions"]
    without = lines.filter(pa.array(lines["customer_key"].to_numpy() != made.keys[5]))
    found = needs_in(made, dict(made.tables) | {"transactions": without}, groups=3)
    assert found is not None
    assert found.main[5] == -1
    columns = found.columns()
    assert columns["needs_group"][5].as_py() is None
    assert columns["needs_share"][5].as_py() is None
    assert columns["needs_group"].null_count == 1
    assert found.record()["without_purchase"] == 1


def test_nobody_bought_anything() -> None:
    made, _ = shop()
    tables = dict(made.tables) | {"transactions": made.tables["transactions"].slice(0, 0)}
    found = needs_in(made, tables)
    assert found is not None
    assert found.model.status is Status.TOO_FEW_CUSTOMERS
    assert found.columns()["needs_group"].null_count == len(made.keys)
    assert needs_in(made, groups="off") is None


def test_a_level_that_is_none_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="must be one of item, category, department"):
        what_sql("shelf")
