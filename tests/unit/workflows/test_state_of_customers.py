"""The state of a customer against counting by hand, and that nothing from the day of the decision on enters it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from programs import program_with
from rapport.core.keys import customer_key
from state_tables import AS_OF, line, person, seen, states_of, tables

MARGINS = {"default": 0.30, "discount_borne": 0.5, "departments": {"PRODUCE": 0.40}}

CAMPAIGNS = [
    {"campaign_id": "old", "kind": "A", "starts": AS_OF - timedelta(days=1), "ends": AS_OF + timedelta(days=30)},
    {"campaign_id": "new", "kind": "A", "starts": AS_OF, "ends": AS_OF + timedelta(days=30)},
]


def state(folder: Path, who: str, **changes: Any) -> dict[str, Any]:
    found = states_of(folder, tables(**changes), program_with(margins=MARGINS)).to_pylist()
    return next(r for r in found if r["customer_id"] == who)


@pytest.fixture
def anna(tmp_path: Path) -> dict[str, Any]:
    return state(
        tmp_path,
        "anna",
        customers=[person("anna", "house 1"), person("bert", "house 1"), person("carl")],
        transactions=[
            line("anna", 101, "p1", 4.00, 1.00),
            line("anna", 101, "p2", 3.00, coupon=0.50),
            line("anna", 91, "p1", 2.00),
            line("anna", 28, "p3", 1.00, 1.00),
            line("anna", 1, "p2", 5.00, basket="b1"),
            line("anna", 1, "p9", 1.00, basket="b2", coupon=0.10),
            line("anna", 0, "p1", 99.00),
            line("bert", 5, "p1", 7.00),
        ],
        redemptions=[
            seen("anna", coupon_id="c", campaign_id="old", day=AS_OF - timedelta(days=1)),
            seen("anna", coupon_id="c", campaign_id="old", day=AS_OF),
        ],
        mailings=[seen("anna", campaign_id=c) for c in ("old", "new", "unknown")],
        campaigns=CAMPAIGNS,
    )


def test_days_are_counted_as_fader_and_hardie_do(anna: dict[str, Any]) -> None:
    # Bought 101, 91, 28 and 1 days before: four days, three repeats, 100 days from first to last, a gap of 33.3.
    assert anna["first_day"] == AS_OF - timedelta(days=101)
    assert anna["last_day"] == AS_OF - timedelta(days=1)
    assert (anna["purchase_days"], anna["frequency"], anna["recency_days"], anna["age_days"]) == (4, 3, 100, 101)
    assert anna["days_since_last"] == 1
    assert anna["cadence_days"] == pytest.approx(100 / 3)
    assert anna["as_of"] == AS_OF


def test_lines_baskets_items_and_departments_are_counted(anna: dict[str, Any]) -> None:
    # Five baskets: one on each of three days, two on the last. p3 has no item and no department, p9 is unknown:
    # both fall under UNKNOWN.
    assert (anna["lines"], anna["baskets"], anna["items"], anna["departments"]) == (6, 5, 2, 3)
    # DRUG 8.00, PRODUCE 6.00, UNKNOWN 2.00.
    assert anna["top_department"] == "DRUG"


def test_money_is_summed_in_micros(anna: dict[str, Any]) -> None:
    assert anna["sales_micros"] == 16_000_000
    assert anna["discount_micros"] == 2_000_000
    assert anna["regular_micros"] == 18_000_000
    assert anna["coupon_micros"] == 600_000
    assert anna["coupon_lines"] == 2
    assert anna["discount_share"] == pytest.approx(2 / 18)
    # Produce at regular 5 and 2: .4 x 7 = 2.80 less half of 1.00; the rest at regular 3 + 2 + 5 + 1: .3 x 11 = 3.30
    # less half of 1.00. Together 5.10.
    assert anna["margin_micros"] == 5_100_000


def test_the_last_four_and_thirteen_weeks_begin_on_their_first_day(anna: dict[str, Any]) -> None:
    assert anna["sales_28_micros"] == 7_000_000
    assert anna["sales_91_micros"] == 9_000_000


def test_contact_history_counts_what_began_before_the_day(anna: dict[str, Any]) -> None:
    assert (anna["redemptions"], anna["mailings"]) == (1, 1)


def test_customers_of_a_household_share_its_key_and_who_never_bought_is_a_row_of_zeros(tmp_path: Path) -> None:
    given = tables(
        traits=("email",),
        customers=[person("anna", "house 1", email="a@b"), person("bert", "house 1"), person("carl")],
        transactions=[line("anna", 3, "p1", 1.0), line("carl", -2, "p1", 1.0)],
    )
    found = {r["customer_id"]: r for r in states_of(tmp_path, given).to_pylist()}
    assert found["anna"]["household_key"] == found["bert"]["household_key"] == customer_key("house 1")
    assert found["carl"]["household_key"] == customer_key("carl")
    assert (found["anna"]["email"], found["bert"]["email"]) == ("a@b", None)
    unknown = {"customer_key", "customer_id", "household_key", "as_of", "email"}
    empty = {"first_day", "last_day", "days_since_last", "cadence_days", "top_department", "discount_share"}
    # Three days are known: too few to compare two periods.
    unknown |= {"known_days"}
    empty |= {"compared_days"} | {f"{m}_{p}_micros" for m in ("sales", "margin") for p in ("recent", "earlier")}
    for who in ("bert", "carl"):
        assert {found[who][c] for c in empty} == {None}
        assert {v for c, v in found[who].items() if c not in unknown | empty} == {0}


def test_a_single_day_of_purchase_has_no_cadence_and_no_repeat(tmp_path: Path) -> None:
    found = state(tmp_path, "anna", customers=[person("anna")], transactions=[line("anna", 10, "p1", 1.0)] * 2)
    assert (found["frequency"], found["recency_days"], found["age_days"], found["cadence_days"]) == (0, 0, 10, None)


def test_departments_of_equal_sales_go_by_name_and_free_goods_have_no_discount_share(tmp_path: Path) -> None:
    lines = [line("anna", 10, "p2", 0.0), line("anna", 10, "p1", 0.0)]
    found = state(tmp_path, "anna", customers=[person("anna")], transactions=lines)
    assert (found["top_department"], found["discount_share"]) == ("DRUG", None)


def test_states_stand_in_key_order(tmp_path: Path) -> None:
    given = tables(customers=[person(f"c{i}") for i in range(50)])
    keys = states_of(tmp_path, given)["customer_key"].to_pylist()
    assert keys == sorted(keys)


def test_states_hold_who_is_listed_or_was_seen_before_the_day(tmp_path: Path) -> None:
    unlisted = ["bought", "buys", "redeemed", "redeems", "mailed", "will be mailed", "mailed for nothing known"]
    given = tables(
        customers=[person("listed"), *(person(p, listed=False) for p in unlisted)],
        transactions=[line("bought", 1, "p9", 0.0), line("buys", 0, "p1", 9.0)],
        redemptions=[
            seen("redeemed", coupon_id="c", campaign_id="old", day=AS_OF - timedelta(days=1)),
            seen("redeems", coupon_id="c", campaign_id="old", day=AS_OF),
        ],
        mailings=[
            seen("mailed", campaign_id="old"),
            seen("will be mailed", campaign_id="new"),
            seen("mailed for nothing known", campaign_id="unknown"),
        ],
        campaigns=CAMPAIGNS,
    )
    found = states_of(tmp_path, given)["customer_id"].to_pylist()
    assert sorted(found) == ["bought", "listed", "mailed", "redeemed"]


def compared(tmp_path: Path, *days_and_sales: tuple[int, float]) -> dict[str, Any]:
    bought = [line("anna", day, "p1", sales) for day, sales in days_and_sales]
    return state(tmp_path, "anna", customers=[person("anna")], transactions=bought)


def test_two_years_are_compared_where_they_are_known_to_the_day(tmp_path: Path) -> None:
    # The recent year is the days 1 to 364 before, the earlier one 365 to 728; margins of fruit are 40 %.
    found = compared(tmp_path, (1, 1.0), (364, 2.0), (365, 4.0), (728, 8.0), (729, 16.0))
    assert (found["known_days"], found["compared_days"]) == (729, 364)
    assert (found["sales_recent_micros"], found["sales_earlier_micros"]) == (3_000_000, 12_000_000)
    assert (found["margin_recent_micros"], found["margin_earlier_micros"]) == (1_200_000, 4_800_000)


def test_halves_are_compared_where_one_year_is_known(tmp_path: Path) -> None:
    found = compared(tmp_path, (1, 1.0), (182, 2.0), (183, 4.0), (364, 8.0), (365, 16.0))
    assert (found["known_days"], found["compared_days"]) == (365, 182)
    assert (found["sales_recent_micros"], found["sales_earlier_micros"]) == (3_000_000, 12_000_000)


@pytest.mark.parametrize(("known", "length"), [(363, 175), (69, 28), (56, 28), (55, None)])
def test_less_than_a_year_is_halved_in_whole_weeks(tmp_path: Path, known: int, length: int | None) -> None:
    found = compared(tmp_path, (1, 1.0), (known, 2.0))
    assert found["compared_days"] == length
    assert (found["sales_recent_micros"] is None) == (length is None)
