"""What customers of a turn did after it, counted by hand, while others came into the data and some went."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from programs import program_with
from rapport.core.keys import customer_key
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.workflows.outcomes import bought_within_validity, outcomes_between
from rapport.workflows.state import make_purchases
from state_tables import AS_OF, line, opened, person, tables
from worlds import catalogue_table

# Decided were anna, bert and gone, who has left the data since. The new ones, whom nobody knew then, have
# keys below, between and above those of the decided.
DECIDED = sorted(["anna", "bert", "gone"], key=customer_key)
NEW = [f"new {i}" for i in range(12)]
STOP = AS_OF + timedelta(days=28)

# An apple is on offer for a week, soap for four.
VALID = {"apple": 7, "soap": 28}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBEngine]:
    people = [person("anna", "moved since"), person("bert"), *(person(n, "house", listed=False) for n in NEW)]
    lines = [
        line("anna", 1, "p1", 50.0),
        line("anna", 0, "p1", 4.0, 1.0),
        line("anna", 0, "p1", 4.0),
        line("anna", 0, "p9", 1.0),
        line("anna", -27, "p2", 2.0),
        line("anna", -28, "p2", 70.0),
        line("bert", 1, "p2", 3.0),
        line("bert", -7, "p1", 60.0),
        line("bert", -28, "p2", 80.0),
        *(line(n, -3, product, 9.0) for n in NEW for product in ("p1", "p2")),
    ]
    with DuckDBEngine() as made:
        opened(made, tmp_path_factory.mktemp("loaded"), tables(customers=people, transactions=lines))
        make_purchases(made, program_with(), STOP + timedelta(days=9))
        yield made


def decided() -> pa.Table:
    keys = [customer_key(p) for p in DECIDED]
    return pa.table({"customer_key": keys, "household_key": [customer_key("house then")] * 3, "tier": ["A"] * 3})


def catalogue() -> pa.Table:
    table = catalogue_table([1_000_000, 1_000_000])
    for name, values in (("item", list(VALID)), ("valid_days", list(VALID.values()))):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def keys() -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return decided()["customer_key"].to_numpy()


def test_the_new_have_keys_on_every_side_of_the_decided() -> None:
    new = np.array([customer_key(n) for n in NEW])
    assert set(np.searchsorted(keys(), new)) == {0, 1, 2, 3}


def test_outcomes_are_those_of_the_decided_in_their_order(engine: DuckDBEngine) -> None:
    found = outcomes_between(engine, decided(), AS_OF, STOP)
    assert {name: column.dtype for name, column in found.items()} == dict.fromkeys(found, np.dtype(np.int64))
    assert found["customer_key"].tolist() == keys().tolist()
    # The household is the one that was decided, wherever the customer lives now.
    assert set(found["household_key"]) == {customer_key("house then")}
    by_name = {who: {n: int(c[i]) for n, c in found.items()} for i, who in enumerate(DECIDED)}
    # Two apples at 5.00 and 4.00 regular, something unknown for 1.00 and soap for 2.00 on the last day of the window:
    # margin .3 of 12.00 less the discount of 1.00, which the company bears.
    told = {
        "present": 1,
        "lines": 4,
        "purchase_days": 2,
        "departments": 3,
        "sales_micros": 11_000_000,
        "margin_micros": 2_600_000,
        "regular_micros": 12_000_000,
        "discount_micros": 1_000_000,
    }
    assert {n: by_name["anna"][n] for n in told} == told
    told_of_bert = {"present": 1, "lines": 1, "sales_micros": 60_000_000}
    assert {n: by_name["bert"][n] for n in told_of_bert} == told_of_bert
    gone = {v for n, v in by_name["gone"].items() if n not in ("customer_key", "household_key")}
    assert gone == {0}


def test_who_did_nothing_is_told_from_who_has_gone(engine: DuckDBEngine) -> None:
    found = outcomes_between(engine, decided(), AS_OF + timedelta(days=8), AS_OF + timedelta(days=9))
    assert set(found["lines"]) == {0}
    assert dict(zip(DECIDED, found["present"].tolist(), strict=True)) == {"anna": 1, "bert": 1, "gone": 0}


def test_nobody_decided_has_no_outcome(engine: DuckDBEngine) -> None:
    found = outcomes_between(engine, decided().slice(0, 0), AS_OF, STOP)
    assert {len(column) for column in found.values()} == {0}
    assert bought_within_validity(engine, keys()[:0], catalogue(), AS_OF).shape == (0, 2)


def bought(engine: DuckDBEngine, days_later: int = 0) -> dict[str, list[bool]]:
    found = bought_within_validity(engine, keys(), catalogue(), AS_OF + timedelta(days=days_later))
    assert (found.shape, found.dtype) == ((3, 2), np.dtype(np.bool_))
    return dict(zip(DECIDED, found.tolist(), strict=True))


def test_each_offer_counts_from_the_day_to_the_last_of_its_own_days(engine: DuckDBEngine) -> None:
    # Anna: the apple on the first day, soap on the last of 28. Bert: soap the day before and the day after, and the
    # apple on the eighth day of seven.
    assert bought(engine) == {"anna": [True, True], "bert": [False, False], "gone": [False, False]}


def test_a_day_later_the_first_day_is_past_and_another_last_one_is_in(engine: DuckDBEngine) -> None:
    assert bought(engine, 1) == {"anna": [False, True], "bert": [True, True], "gone": [False, False]}


def test_customers_who_are_not_asked_for_are_left_out(engine: DuckDBEngine) -> None:
    anna = np.array([customer_key("anna")])
    assert bought_within_validity(engine, anna, catalogue(), AS_OF).tolist() == [[True, True]]
    new = np.array(sorted(customer_key(n) for n in NEW))
    assert bought_within_validity(engine, new, catalogue(), AS_OF).all()
