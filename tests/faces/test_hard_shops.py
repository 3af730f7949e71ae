"""Whole turns over shops that make models fail: a right answer, a status, or an error that says what to do."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shop_runs import Ran, copied, done, rapport

Line = dict[str, str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the starter's shop once; each test changes a copy."""
    folder = tmp_path_factory.mktemp("hard") / "shop"
    done("new", folder)
    return folder


def lines_of(shop: Path) -> list[Line]:
    with (shop / "sources" / "transactions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def turned(shop: Path, to: Path, change: Callable[[list[Line]], list[Line]]) -> tuple[Ran, Path]:
    """Run a turn over the shop with its purchases changed; return what it said and the folder of the turn."""
    copied(shop, to, state=False)
    lines = lines_of(shop)
    with (to / "sources" / "transactions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(change(lines))
    ran = rapport("turn", to, "--json")
    assert "Traceback" not in ran.talk
    folders = sorted((to / "state" / "turns").glob("*")) if ran.code == 0 else [to]
    return ran, folders[-1]


def busiest(lines: list[Line]) -> list[Line]:
    """Return the purchases of the customer with most lines."""
    names = [line["customer"] for line in lines]
    most = max(sorted(set(names)), key=names.count)
    return [line for line in lines if line["customer"] == most]


def score_counts(ran: Ran) -> Any:
    return ran.data["stages"]["score"]["counts"]


def scores_of(turn: Path) -> pa.Table:
    return pq.read_table(turn / "scores.parquet")


def assert_every_number_is_finite(turn: Path) -> None:
    tables = sorted(turn.glob("*.parquet"))
    assert len(tables) >= 7
    for file in tables:
        table = pq.read_table(file)
        for name in table.column_names:
            column = table[name].combine_chunks()
            column = column.flatten() if pa.types.is_list(column.type) else column
            if pa.types.is_floating(column.type):
                values = column.drop_null().to_numpy(zero_copy_only=False)
                assert np.isfinite(values).all(), f"{file.name}: {name}"
    page = (turn / "report.html").read_text(encoding="utf-8")
    assert not re.search(r">[^<]*\b(nan|inf|infinity)\b[^<]*<", page, re.IGNORECASE)


def test_customers_who_bought_once_have_a_status_and_hardly_any_chance_of_buying_again(
    shop: Path, tmp_path: Path
) -> None:
    def first_lines(lines: list[Line]) -> list[Line]:
        return list({line["customer"]: line for line in reversed(lines)}.values())[::-1]

    ran, turn = turned(shop, tmp_path / "shop", first_lines)
    counts = score_counts(ran)
    assert counts["lifetime"]["status"] == "TOO_FEW_REPEATS"
    assert counts["spend"]["status"] == "TOO_FEW_REPEATS"
    assert {d["status"] for d in counts["relevance"]["diagnostics"].values()} == {"TOO_FEW_CUSTOMERS"}
    # 300 customers bought one line each within 95 days and nobody came back.
    assert scores_of(turn)["base_probability"].combine_chunks().flatten().to_numpy().max() < 0.05
    assert_every_number_is_finite(turn)


def test_purchases_all_of_one_day_stop_the_turn_with_what_is_missing(shop: Path, tmp_path: Path) -> None:
    ran, _ = turned(
        shop, tmp_path / "shop", lambda lines: [{**line, "bought_at": "2025-06-02 10:00:00"} for line in lines]
    )
    assert ran.code == 4
    assert "transactions: 1 days are known before 2025-06-03" in ran.talk
    assert "needs at least 56" in ran.talk


def test_purchases_nearly_all_of_one_day_give_a_turn_with_a_status(shop: Path, tmp_path: Path) -> None:
    def crowded(lines: list[Line]) -> list[Line]:
        return [lines[0], *({**line, "bought_at": "2025-06-02 10:00:00"} for line in lines[:3000]), lines[-1]]

    ran, turn = turned(shop, tmp_path / "shop", crowded)
    assert score_counts(ran)["lifetime"]["status"] == "TOO_FEW_REPEATS"
    assert_every_number_is_finite(turn)


@pytest.mark.parametrize("paid", ["0.00", "-1.00"])
def test_items_that_bring_nothing_stop_the_turn_and_are_named(shop: Path, tmp_path: Path, paid: str) -> None:
    ran, _ = turned(
        shop, tmp_path / "shop", lambda lines: [{**line, "paid": paid, "discount": "0.00"} for line in lines]
    )
    assert ran.code == 5
    assert "offers.query row 1 (item " in ran.talk
    assert "price is 0; must be above 0" in ran.talk
    assert "give a `price` or leave the item out" in ran.talk


def test_refunds_larger_than_purchases_leave_customers_below_zero(shop: Path, tmp_path: Path) -> None:
    def with_refunds(lines: list[Line]) -> list[Line]:
        back = [
            {**line, "receipt": line["receipt"] + "R", "paid": f"-{2 * float(line['paid']):.2f}"}
            for line in lines[::2]
        ]
        return lines + back

    ran, turn = turned(shop, tmp_path / "shop", with_refunds)
    assert score_counts(ran)["lifetime"]["status"] == "OK"
    assert_every_number_is_finite(turn)
    scores, states = scores_of(turn), pq.read_table(turn / "states.parquet")
    # Every second line came back at double its price: the shop as a whole lost, and so do most of its customers.
    assert states["margin_micros"].to_numpy().sum() < 0
    assert scores["below_zero"].to_numpy().sum() > 150
    catalogue = pq.read_table(turn / "catalogue.parquet").to_pylist()
    # A reason to talk is no sale and has no price.
    assert all(o["price_micros"] > 0 for o in catalogue if not o["offer_id"].startswith("play:"))


def test_one_customer_is_too_few_and_the_error_says_so(shop: Path, tmp_path: Path) -> None:
    ran, _ = turned(shop, tmp_path / "shop", busiest)
    assert ran.code == 5
    assert "offers.query: gave no offer" in ran.talk


def test_one_customer_has_a_turn_where_the_offers_allow_it(shop: Path, tmp_path: Path) -> None:
    alone = copied(shop, tmp_path / "kept", state=False)
    program = alone / "program.toml"
    text = program.read_text(encoding="utf-8")
    assert text.count("count(DISTINCT customer_key) >= 30") == 1
    program.write_text(text.replace("count(DISTINCT customer_key) >= 30", "count(*) >= 1"), encoding="utf-8")
    keep = {line["customer"] for line in busiest(lines_of(shop))}
    people = alone / "sources" / "customers.csv"
    rows = people.read_text(encoding="utf-8").splitlines()
    people.write_text("\n".join([rows[0], *(r for r in rows if r.split(",")[0] in keep)]) + "\n", encoding="utf-8")
    ran, turn = turned(alone, tmp_path / "shop", busiest)
    assert ran.code == 0, ran.talk
    counts = score_counts(ran)
    assert counts["lifetime"]["status"] == "TOO_FEW_CUSTOMERS"
    # One customer is in the middle: B (docs/method/tiers.md).
    assert scores_of(turn)["tier"].to_pylist() == ["B"]
    assert_every_number_is_finite(turn)


def test_a_shop_seventy_years_earlier_has_the_same_values(shop: Path, tmp_path: Path) -> None:
    def earlier(lines: list[Line]) -> list[Line]:
        # 1955 and 2025 are no leap years, so all days lie as far apart.
        return [{**line, "bought_at": "1955" + line["bought_at"][4:]} for line in lines]

    now, then = (
        turned(shop, tmp_path / "now", lambda lines: lines),
        turned(shop, tmp_path / "then", earlier),
    )
    assert then[0].data["as_of"] == "1955" + now[0].data["as_of"][4:]
    for name in ("tier", "actual_value_micros", "actual_value_low_micros", "actual_value_high_micros"):
        assert scores_of(then[1])[name].to_pylist() == scores_of(now[1])[name].to_pylist(), name
    assert_every_number_is_finite(then[1])


def test_identical_customers_are_worth_the_same(shop: Path, tmp_path: Path) -> None:
    def copies(lines: list[Line]) -> list[Line]:
        mine = busiest(lines)
        return [
            {**line, "customer": f"K{n:04d}", "receipt": f"{line['receipt']}-{n}"}
            for n in range(1, 301)
            for line in mine
        ]

    ran, turn = turned(shop, tmp_path / "shop", copies)
    assert score_counts(ran)["lifetime"]["status"] in ("OK", "AT_BOUND")
    scores = scores_of(turn)
    (worth,) = set(scores["actual_value_micros"].to_pylist())
    assert worth > 0
    # A quarter and a fifth of 300, whoever they are.
    assert [scores["tier"].to_pylist().count(t) for t in "ABC"] == [75, 165, 60]
    assert_every_number_is_finite(turn)
