"""The read-out against counting by hand: arms, offers taken inside their validity, open windows, the baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from programs import program_with
from rapport.core.keys import customer_key
from rapport.core.tables import DECISIONS, READOUT
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.workflows.outcomes import bought_within_validity, outcomes_between
from rapport.workflows.read_out import Planned, Window, measure_baseline, read_out
from rapport.workflows.state import make_purchases, open_tables
from state_tables import AS_OF, line, person, tables
from worlds import catalogue_table

# Eighty customers of tier A, every second held out. On the day of the decision each of the treated buys an apple for
# 4.00 and each of the held-out one for 1.00; all bought soap for 2.00 the day before, and again after the window.
PEOPLE = [f"c{i:02d}" for i in range(80)]
STOP = AS_OF + timedelta(days=28)


def purchases() -> list[dict[str, Any]]:
    found = []
    for i, who in enumerate(PEOPLE):
        found.append(line(who, 0, "p1", 1.0 if i % 2 else 4.0))
        found += [line(who, 1, "p2", 2.0), line(who, -28, "p2", 2.0)]
    return found


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBEngine]:
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("loaded")
    for name, table in tables(customers=[person(p) for p in PEOPLE], transactions=purchases()).items():
        pq.write_table(table, folder / f"{name}.parquet")
    with DuckDBEngine() as made:
        open_tables(made, folder)
        make_purchases(made, program_with(), STOP)
        yield made


def decisions() -> pa.Table:
    rows = []
    for i, who in enumerate(PEOPLE):
        empty: dict[str, Any] = {f.name: None for f in DECISIONS}
        for f in DECISIONS:
            kind = f.type
            empty[f.name] = (
                []
                if pa.types.is_list(kind)
                else ""
                if pa.types.is_string(kind)
                else None
                if pa.types.is_date(kind)
                else 0
            )
        rows.append(
            empty
            | {
                "customer_key": customer_key(who),
                "customer_id": who,
                "household_key": customer_key(who),
                "as_of": AS_OF,
                "tier": "A",
                "arm": "holdout" if i % 2 else "treated",
                "offer_ids": ["o00", "o01"],
                "offer_base_probabilities": [0.25, 0.5],
                "offer_response_probabilities": [0.5, 0.75],
            }
        )
    rows.sort(key=lambda r: r["customer_key"])
    for row in rows:
        for f in DECISIONS:
            if pa.types.is_boolean(f.type):
                row[f.name] = bool(row[f.name])
    return pa.Table.from_pylist(rows, schema=DECISIONS)


def catalogue() -> pa.Table:
    table = catalogue_table([1_000_000, 1_000_000])
    at = table.schema.get_field_index("item")
    return table.set_column(at, table.schema.field("item"), pa.array(["apple", "soap"]))


WINDOW = Window(AS_OF, STOP, STOP, STOP)
PLANNED = Planned(holdout_share=0.5, kept_beyond_share=0, margin_basis="assumed")


def rows_of(
    engine: DuckDBEngine, window: Window = WINDOW, made: pa.Table | None = None, **planned: Any
) -> dict[tuple[str, ...], dict[str, Any]]:
    made = decisions() if made is None else made
    outcomes = outcomes_between(engine, made, window.first, window.stop)
    bought = bought_within_validity(engine, made["customer_key"].to_numpy(), catalogue(), window.first)
    found = read_out(outcomes, bought, made, catalogue(), replace(PLANNED, **planned), window)
    assert found.schema.equals(READOUT)
    return {(r["measure"], r["tier"], r["group"]): r for r in found.to_pylist()}


def test_the_window_begins_on_the_day_of_the_decision_and_ends_before_its_stop(engine: DuckDBEngine) -> None:
    outcomes = outcomes_between(engine, decisions(), AS_OF, STOP)
    assert set(outcomes["lines"].tolist()) == {1}
    assert set(outcomes["sales_micros"].tolist()) == {1_000_000, 4_000_000}


def test_the_treated_stand_beside_the_held_out_with_their_difference(engine: DuckDBEngine) -> None:
    rows = rows_of(engine)
    values = [rows["sales_per_customer", "A", g]["value"] for g in ("treated", "holdout", "difference")]
    assert values == [4_000_000.0, 1_000_000.0, 3_000_000.0]
    margin = rows["margin_per_customer", "A", "difference"]
    assert (margin["value"], margin["customers"], margin["unit"]) == (900_000.0, 80, "money")
    assert (margin["status"], margin["basis"], margin["note"]) == ("OK", "assumed", None)


def test_a_margin_is_as_well_known_as_the_margins_of_the_programme(engine: DuckDBEngine) -> None:
    rows = rows_of(engine, margin_basis="measured")
    assert {r["basis"] for (m, _, _), r in rows.items() if m == "margin_per_customer"} == {"measured"}
    for margins in ("assumed", "measured"):
        found = {m: r["basis"] for (m, _, _), r in rows_of(engine, margin_basis=margins).items()}
        rests = {m for m, basis in found.items() if basis == "assumed"}
        expected = {"offers_expected_without_offer", "offers_expected_with_offer"}
        assert rests == expected | ({"margin_per_customer"} if margins == "assumed" else set())


def test_a_tier_without_customers_has_a_row_with_its_status(engine: DuckDBEngine) -> None:
    row = rows_of(engine)["active_share", "B", "difference"]
    assert (row["value"], row["customers"], row["status"]) == (None, 0, "TOO_FEW_CUSTOMERS")


def test_offers_taken_are_counted_within_their_validity_beside_what_was_expected(engine: DuckDBEngine) -> None:
    rows = rows_of(engine)
    for group in ("treated", "holdout"):
        # The apple was bought on the first day; the soap the day before it and the day after the last.
        taken = rows["offers_taken_per_portfolio", "A", group]
        assert (taken["value"], taken["basis"]) == (1.0, "measured")
        for measure, value in (("offers_expected_without_offer", 0.75), ("offers_expected_with_offer", 1.25)):
            expected = rows[measure, "A", group]
            assert (expected["value"], expected["basis"]) == (pytest.approx(value), "assumed")


def test_while_the_window_is_open_every_figure_says_so(engine: DuckDBEngine) -> None:
    rows = rows_of(engine, replace(WINDOW, data_stop=AS_OF + timedelta(days=3)))
    del rows["holdout_share", "all", "holdout"]
    for (_, tier, _), row in rows.items():
        assert row["status"] == ("WINDOW_OPEN" if tier == "A" else "TOO_FEW_CUSTOMERS")
        assert row["note"] == "data end on 2030-01-09"
        assert (row["value"] is None) == (tier != "A")


def test_where_the_data_hold_no_day_of_the_window_there_is_no_figure(engine: DuckDBEngine) -> None:
    rows = rows_of(engine, replace(WINDOW, data_stop=AS_OF))
    del rows["holdout_share", "all", "holdout"]
    assert {(r["value"], r["low"], r["high"]) for r in rows.values()} == {(None, None, None)}
    row = rows["sales_per_customer", "A", "treated"]
    assert (row["customers"], row["status"], row["note"]) == (40, "WINDOW_OPEN", "data end on 2030-01-06")
    # One day of data is enough for a figure so far.
    first = rows_of(engine, replace(WINDOW, data_stop=AS_OF + timedelta(days=1)))
    assert first["sales_per_customer", "A", "treated"]["value"] == 4_000_000.0


@pytest.mark.parametrize(
    ("days", "arms", "offers"),
    [(27, "WINDOW_OPEN", "WINDOW_OPEN"), (28, "OK", "WINDOW_OPEN"), (34, "OK", "WINDOW_OPEN"), (35, "OK", "OK")],
)
def test_offers_that_are_valid_longer_than_the_window_end_later(
    engine: DuckDBEngine, days: int, arms: str, offers: str
) -> None:
    long = replace(WINDOW, offers_stop=AS_OF + timedelta(days=35), data_stop=AS_OF + timedelta(days=days))
    rows = rows_of(engine, long)
    told = {m: (rows[m, "A", "treated"]["status"], rows[m, "A", "treated"]["note"] is None) for m, _, _ in rows
            if m != "holdout_share"}  # fmt: skip
    of_offers = {m for m in told if m.startswith("offers_")}
    assert len(of_offers) == 3
    assert {told[m] for m in of_offers} == {(offers, offers == "OK")}
    assert {told[m] for m in told if m not in of_offers} == {(arms, arms == "OK")}


def with_gone(many: int) -> pa.Table:
    """Return the decisions with so many of the treated under keys that the data no longer have."""
    made = decisions().to_pylist()
    for row in [r for r in made if r["arm"] == "treated"][:many]:
        row["customer_id"] = f"gone {row['customer_id']}"
        row["customer_key"] = row["household_key"] = customer_key(row["customer_id"])
    return pa.Table.from_pylist(sorted(made, key=lambda r: r["customer_key"]), schema=DECISIONS)


def test_who_is_no_longer_in_the_data_is_measured_nowhere_and_told(engine: DuckDBEngine) -> None:
    rows = rows_of(engine, made=with_gone(5))
    treated = rows["sales_per_customer", "A", "treated"]
    # Counted as nought they would pull the mean of the treated down to 3.50.
    assert (treated["value"], treated["customers"]) == (4_000_000.0, 35)
    assert rows["sales_per_customer", "A", "difference"]["customers"] == 75
    taken = rows["offers_taken_per_portfolio", "A", "treated"]
    assert (taken["value"], taken["customers"]) == (1.0, 35)
    # Who was held out is judged by all who were decided.
    share = rows["holdout_share", "all", "holdout"]
    assert (share["value"], share["customers"]) == (0.5, 80)
    assert share["note"].endswith("; 5 customers are no longer in the data")
    assert "no longer" not in rows_of(engine)["holdout_share", "all", "holdout"]["note"]


def test_a_share_held_out_that_chance_does_not_explain_is_shown(engine: DuckDBEngine) -> None:
    def p_value(share: float) -> float:
        row = rows_of(engine, holdout_share=share)["holdout_share", "all", "holdout"]
        assert row["value"] == 0.5
        return float(str(row["note"]).split("p = ")[1].split()[0])

    assert p_value(0.5) == 1.0
    assert p_value(0.1) == 0.0


def test_households_are_what_is_drawn_and_so_what_chance_is_judged_by(engine: DuckDBEngine) -> None:
    # Forty households of two, ten of them held out where four are planned: P(X >= 10 | 40, .1) = .0051 by the
    # binomial sum; twenty customers of eighty would have p = .0002.
    made = decisions()
    at = {n: made.schema.get_field_index(n) for n in ("household_key", "arm")}
    houses = pa.array(np.arange(80) // 2)
    arms = pa.array(["holdout" if i < 20 else "treated" for i in range(80)])
    for name, column in (("household_key", houses), ("arm", arms)):
        made = made.set_column(at[name], made.schema.field(name), column)
    row = rows_of(engine, made=made, holdout_share=0.1)["holdout_share", "all", "holdout"]
    assert (row["customers"], row["value"]) == (80, 0.25)
    assert "p = 0.005" in row["note"]


def test_who_stays_held_out_from_a_larger_share_is_told_and_chance_is_not_judged(engine: DuckDBEngine) -> None:
    row = rows_of(engine, holdout_share=0.1, kept_beyond_share=32)["holdout_share", "all", "holdout"]
    assert row["value"] == 0.5
    assert row["note"] == "planned 0.1; 32 stay from turns with a larger share, so chance cannot be judged"


def test_the_baseline_is_taken_before_the_day_for_the_tiers_of_the_goal(engine: DuckDBEngine) -> None:
    goal = {
        "name": "g",
        "challenge": "few-visits",
        "measure": "sales_per_customer",
        "tiers": ["A"],
        "target_change": 0.1,
        "by": "2030-12-31",
        "window_days": 7,
    }
    program = program_with(goals=[goal], channels=[{**program_with().channels[0].model_dump(), "goals": ["g"]}])
    states = decisions().select(["customer_key", "household_key", "as_of"])
    found = measure_baseline(engine, program, states, np.full(80, "A"), "w1")
    assert (found["turn"], found["as_of"]) == ("w1", "2030-01-07")
    (told,) = found["goals"]
    assert (told["first_day"], told["last_day"], told["unit"]) == ("2029-12-31", "2030-01-06", "money")
    assert list(told["tiers"]) == ["A"]
    assert told["tiers"]["A"]["value"] == 2_000_000.0
