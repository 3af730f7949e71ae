"""For whom each play is: small tables that can be counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from plays_cases import FILE, play, shelved
from programs import program_with
from rapport.core.errors import RuleRefused, StageMissing
from rapport.core.keys import customer_key
from rapport.core.tables import STATES
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.model import Program
from rapport.workflows.plays import Matched, figures_text, match_plays, play_view, shelf, try_plays
from worlds import AS_OF, channel

DAYS = {"known_days": 800, "compared_days": 364}


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as opened:
        yield opened


def customers(*rows: dict[str, Any], traits: tuple[str, ...] = ()) -> tuple[pa.Table, pa.Table]:
    """Return states and what the scores add, customers c0, c1, ... in key order; what is not told is nothing."""
    ids = sorted((f"c{i}" for i in range(len(rows))), key=customer_key)
    told = {f"c{i}": row for i, row in enumerate(rows)}
    worth_columns = {
        "tier": "B",
        "alive_probability": 1.0,
        "expected_purchases": 1.0,
        "actual_value_micros": 0,
        "actual_value_low_micros": 0,
        "actual_value_high_micros": 0,
        "below_zero": False,
        "contacts_in_period": 0,
        "prospect_value_micros": None,
    }
    states, worth = [], []
    for who in ids:
        base = {f.name: 0 for f in STATES if pa.types.is_integer(f.type)} | DAYS
        base |= {"customer_key": customer_key(who), "customer_id": who, "as_of": AS_OF}
        states.append(base | {k: v for k, v in told[who].items() if k not in worth_columns})
        worth.append(worth_columns | {k: v for k, v in told[who].items() if k in worth_columns})
    schema = pa.schema([*STATES, *(pa.field(t, pa.string()) for t in traits)])
    told_worth = pa.Table.from_pylist(worth)
    at = told_worth.column_names.index("prospect_value_micros")
    as_money = told_worth["prospect_value_micros"].cast(pa.int64())
    return pa.Table.from_pylist(states, schema=schema), told_worth.set_column(at, "prospect_value_micros", as_money)


SOURCES = [
    {
        "kind": "transactions",
        "path": "lines.csv",
        "columns": {
            "customer_id": "who",
            "basket_id": "trip",
            "product_id": "what",
            "at": "when",
            "sales": "paid",
            "discount": "off",
        },
    },
    {"kind": "products", "path": "p.csv", "columns": {"product_id": "p", "department": "d", "item": "i"}},
]


def programme(traits: tuple[str, ...] = (), *more: dict[str, Any]) -> Program:
    people = {"kind": "customers", "path": "c.csv", "columns": {"customer_id": "who"}, "traits": list(traits)}
    return program_with(
        sources=[*SOURCES, people, *more],
        channels=[channel(), channel("call", format="print")],
        plays={"use": ["all"], "channel": "call"},
    )


def matches(
    engine: DuckDBEngine, tmp_path: Path, given: tuple[pa.Table, pa.Table], program: Program | None = None
) -> dict[str, Matched]:
    program = program or programme()
    view = play_view(engine, *given)
    found = match_plays(engine, shelf(program, tmp_path), program, view)
    return {m.shelved.play.name: m for m in found}


def who(given: tuple[pa.Table, pa.Table], matched: Matched) -> dict[str, int]:
    """Return what is at stake, in whole units, by customer for whom the play is."""
    ids = given[0]["customer_id"].to_pylist()
    return {ids[i]: round(matched.at_stake_micros[i] / 1e6) for i in np.flatnonzero(matched.holds)}


def unit(**amounts: float) -> dict[str, int]:
    return {f"{name}_micros": round(amount * 1e6) for name, amount in amounts.items()}


def test_halved_are_the_large_of_the_earlier_period_who_buy_half_or_less(
    engine: DuckDBEngine, tmp_path: Path
) -> None:
    # Eight bought in the earlier year, so the large are the first two of them; c2 did not halve, c3 was not large.
    given = customers(
        unit(sales_earlier=100, sales_recent=50, margin_earlier=30, margin_recent=10),
        unit(sales_earlier=90, sales_recent=45.1, margin_earlier=30, margin_recent=15),
        *[unit(sales_earlier=10 + i, sales_recent=0) for i in range(6)],
        unit(sales_earlier=0, sales_recent=0),
    )
    # Lost within the year: 20 of margin over 364 compared days.
    assert who(given, matches(engine, tmp_path, given)["halved"]) == {"c0": 20}


def test_what_halves_lose_is_counted_for_a_year(engine: DuckDBEngine, tmp_path: Path) -> None:
    row = unit(sales_earlier=100, sales_recent=10, margin_earlier=30, margin_recent=5) | {"compared_days": 182}
    given = customers(row, *[unit(sales_earlier=1)] * 3)
    assert who(given, matches(engine, tmp_path, given)["halved"]) == {"c0": 50}


def test_nothing_is_compared_where_less_than_eight_weeks_are_known(engine: DuckDBEngine, tmp_path: Path) -> None:
    none = dict.fromkeys(
        ("compared_days", *(f"{m}_{p}_micros" for m in ("sales", "margin") for p in ("recent", "earlier")))
    )
    found = matches(engine, tmp_path, customers(none, none))
    assert (found["halved"].too_short, found["halved"].holds.any()) == (True, False)
    assert not found["dormant"].too_short


def test_lapsed_are_the_better_half_who_stopped_within_two_years(engine: DuckDBEngine, tmp_path: Path) -> None:
    good = {
        "purchase_days": 10,
        "recency_days": 336,
        "cadence_days": 37.3,
        "days_since_last": 200,
        "alive_probability": 0.25,
    }
    # A margin of 30 in 336 days and the 28 after: 30 a year, of which three quarters are lost.
    given = customers(
        good | unit(margin=30),
        good | unit(margin=29) | {"days_since_last": 729},
        good | unit(margin=28) | {"days_since_last": 100},
        good | unit(margin=27) | {"alive_probability": 0.9},
        *[good | unit(margin=1)] * 4,
    )
    assert who(given, matches(engine, tmp_path, given)["lapsed"]) == {"c0": 22}


def test_few_departments_dormant_and_money_losing_by_hand(engine: DuckDBEngine, tmp_path: Path) -> None:
    given = customers(
        {"departments": 2, "purchase_days": 3, "days_since_last": 364},
        {"departments": 3, "purchase_days": 3, "days_since_last": 363},
        {"departments": 1, "purchase_days": 2, "days_since_last": 5, "below_zero": True},
        {"departments": 0, "purchase_days": 0},
        {"departments": 9, "purchase_days": 9, "discount_share": 0.4, "recency_days": 10, **unit(margin=-1)},
    )
    found = matches(engine, tmp_path, given)
    assert set(who(given, found["few-departments"])) == {"c0"}
    assert set(who(given, found["dormant"])) == {"c0"}
    # c4 has the lowest margin of the four who bought, and deep discounts.
    assert set(who(given, found["money-losing"])) == {"c2", "c4"}


def test_ranks_are_exact_and_of_equals_the_smaller_key_is_higher(engine: DuckDBEngine, tmp_path: Path) -> None:
    given = customers(*[unit(actual_value=100)] * 40)
    found = matches(engine, tmp_path, given)
    # 5 % of 40 are two, and the ten best are ten.
    assert np.flatnonzero(found["top-talk"].holds).tolist() == [0, 1]
    assert np.flatnonzero(found["ten-best"].holds).tolist() == list(range(10))
    assert (found["ten-best"].at_stake_micros[:10] == 100_000_000).all()


def test_who_is_worth_nothing_is_not_among_the_best(engine: DuckDBEngine, tmp_path: Path) -> None:
    given = customers(unit(actual_value=0), unit(actual_value=-1))
    assert not matches(engine, tmp_path, given)["ten-best"].holds.any()


def test_a_trait_unlocks_a_play_and_is_read_as_truth(engine: DuckDBEngine, tmp_path: Path) -> None:
    given = customers(
        {"wanted": "true", "prospect_value_micros": 12_500_000},
        {"wanted": "false", "prospect_value_micros": 12_500_000},
        {"wanted": "perhaps"},
        traits=("wanted",),
    )
    found = matches(engine, tmp_path, given, programme(("wanted",)))["prospects"]
    assert found.at_stake_micros.max() == 12_500_000
    assert set(who(given, found)) == {"c0"}


def test_interactions_unlock_plays(engine: DuckDBEngine, tmp_path: Path) -> None:
    given = customers(
        {"tier": "A", "complaints": 2, **unit(actual_value=70)},
        {"tier": "A", "complaints": 1, **unit(actual_value=70)},
        {"tier": "B", "complaints": 2, **unit(actual_value=70)},
        {"bids_lost": 4, "purchase_days": 0},
        {"bids_lost": 3, "purchase_days": 5, "days_since_last": 364},
        {"bids_lost": 4, "purchase_days": 5, "days_since_last": 363},
        {"bids_lost": 2, "purchase_days": 0},
    )
    interactions = {
        "kind": "interactions",
        "path": "contacts.csv",
        "columns": {"customer_id": "who", "at": "when", "kind": "what"},
    }
    found = matches(engine, tmp_path, given, programme((), interactions))
    assert who(given, found["complaints"]) == {"c0": 70}
    assert set(who(given, found["bids-out"])) == {"c3", "c4"}


def test_a_locked_play_is_for_nobody(engine: DuckDBEngine, tmp_path: Path) -> None:
    found = matches(engine, tmp_path, customers({"tier": "A"}))["complaints"]
    assert not found.holds.any()
    assert [(b.source, b.column) for b in found.shelved.lacks] == [("interactions", "kind")]


def test_an_own_play_is_asked_like_the_others(engine: DuckDBEngine, tmp_path: Path) -> None:
    (tmp_path / "plays").mkdir()
    (tmp_path / "plays" / "reserve.toml").write_text(FILE, encoding="utf-8")
    given = customers(unit(sales=50, margin=15), unit(sales=49))
    assert who(given, matches(engine, tmp_path, given)["grand-reserve"]) == {"c0": 15}


def test_no_customers_are_no_trouble(engine: DuckDBEngine, tmp_path: Path) -> None:
    states, worth = customers({})
    found = matches(engine, tmp_path, (states.slice(0, 0), worth.slice(0, 0)))
    assert all(len(m.holds) == 0 for m in found.values())


def test_an_unknown_stake_is_nothing_and_infinity_is_none(engine: DuckDBEngine, tmp_path: Path) -> None:
    given = customers({"days_since_last": None}, {"days_since_last": 0}, {"days_since_last": 2})
    program = programme()
    one = shelved(play(treatment={"at_stake": "4000000 / days_since_last"}))
    view = play_view(engine, *given)
    (found,) = match_plays(engine, [one], program, view)
    assert sorted(found.at_stake_micros.tolist()) == [0, 0, 2_000_000]


@pytest.mark.parametrize(
    ("stake", "told"),
    [
        ("tier", "gives string; must be an amount of money"),
        ("actual_value_micros > 1", "gives bool; must be an amount of money"),
        ("actual_value_micros * 1000000.0", "gives up to"),
        ("tier + 1", "cannot be worked out"),
    ],
)
def test_what_is_no_amount_at_stake_is_refused(engine: DuckDBEngine, tmp_path: Path, stake: str, told: str) -> None:
    given = customers(unit(actual_value=20_000_000))
    view = play_view(engine, *given)
    with pytest.raises(RuleRefused, match=told):
        match_plays(engine, [shelved(play(treatment={"at_stake": stake}))], programme(), view)


def test_checking_a_programme_tries_its_plays(engine: DuckDBEngine, tmp_path: Path) -> None:
    (tmp_path / "plays").mkdir()
    (tmp_path / "plays" / "reserve.toml").write_text(FILE.replace("sales_micros >= 50000000", "last_day < 'soon'"))
    with pytest.raises(RuleRefused, match=r"plays/reserve.toml:4: when"):
        try_plays(engine, programme(), tmp_path)
    (tmp_path / "plays" / "reserve.toml").write_text(FILE)
    assert {s.play.name for s in try_plays(engine, programme(), tmp_path) if s.used and not s.lacks} >= {
        "grand-reserve"
    }


def test_states_of_an_earlier_version_are_told(engine: DuckDBEngine) -> None:
    states, worth = customers({})
    with pytest.raises(StageMissing, match="lack compared_days"):
        play_view(engine, states.drop_columns(["compared_days"]), worth)


def test_figures_read_as_a_person_would_write_them() -> None:
    row = {"sales_micros": 1_234_560_000, "cadence_days": 3.14159, "purchase_days": 4, "tier": None}
    told = figures_text(row, ["sales_micros", "cadence_days", "purchase_days", "tier"], "EUR")
    assert told == "sales EUR 1,234.56; cadence days 3.142; purchase days 4; tier unknown"
