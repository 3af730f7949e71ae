"""What a load writes: keys, customers, quarantine, audit, and the same bytes every time."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shop import LINE, lines_source, load, program_of, write_lines

from rapport.core.errors import ProgramInvalid, SourceColumns, SourceEmpty, SourceMissing, SourceUnreadable
from rapport.core.keys import customer_key
from rapport.core.tables import LOADED, SOURCE_COLUMNS
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.engines.source_files import digest_source
from rapport.identify.audit import grade
from rapport.identify.load_sql import name_traits
from rapport.workflows.load import fingerprint, load_program


def people_source(**changes: Any) -> dict[str, Any]:
    return {"kind": "customers", "path": "people.csv", "columns": {"customer_id": "id"}, **changes}


def products_source() -> dict[str, Any]:
    return {"kind": "products", "path": "products.csv", "columns": {"product_id": "id", "item": "name"}}


def test_every_table_is_written_with_its_schema_also_where_the_programme_has_no_such_source(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1")
    loaded = load(tmp_path, lines_source())
    for name, schema in LOADED.items():
        assert pq.read_schema(loaded.folder / f"{name}.parquet").equals(schema), name
    assert loaded.rows("coupons") == []


def test_transactions_keep_the_order_of_the_file(tmp_path: Path) -> None:
    trips = [str(n * 7919 % 3001) for n in range(3000)]
    write_lines(tmp_path, *(f"{n[-1]},{n},1,2017-01-01,1" for n in trips))
    assert load(tmp_path, lines_source(), threads=2).column("transactions", "basket_id") == trips


def test_a_repeated_key_goes_to_quarantine_and_the_first_row_stays(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,5,9,2017-01-01,1", "1,6,9,2017-01-01,2", "1,5.0,9,2017-01-01,3", "1,5,8,2017-01-01,4")
    loaded = load(tmp_path, lines_source(key=("basket_id", "product_id")))
    assert loaded.column("transactions", "sales_micros") == [1_000_000, 2_000_000, 4_000_000]
    assert loaded.rows("quarantine") == [
        {"source": "transactions", "row": 3, "column": "trip + what", "value": "5.0 + 9", "reason": "REPEATED_KEY"}
    ]


def test_a_row_that_cannot_be_used_does_not_take_the_key_of_a_later_one(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,5,9,never,1", "1,5,9,2017-01-01,2")
    loaded = load(tmp_path, lines_source(key=("basket_id", "product_id")))
    assert loaded.column("transactions", "sales_micros") == [2_000_000]
    assert [(r["row"], r["reason"]) for r in loaded.rows("quarantine")] == [(1, "BAD_DATE")]


def test_without_a_declared_key_equal_lines_are_all_kept(tmp_path: Path) -> None:
    write_lines(tmp_path, *["1,5,9,2017-01-01,1"] * 3)
    assert load(tmp_path, lines_source()).summary.sources[0].kept == 3


def test_a_product_stands_once_even_where_no_key_is_declared(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1")
    (tmp_path / "products.csv").write_text("id,name\n1,milk\n1,bread\n2,\n")
    loaded = load(tmp_path, lines_source(), products_source())
    assert [(r["product_id"], r["item"]) for r in loaded.rows("products")] == [("1", "milk"), ("2", None)]
    assert [(r["source"], r["row"], r["reason"]) for r in loaded.rows("quarantine")] == [
        ("products", 2, "REPEATED_KEY")
    ]


def test_customers_are_all_who_are_known_anywhere_ordered_by_key(tmp_path: Path) -> None:
    write_lines(tmp_path, "a,1,1,2017-01-01,1", "b,1,1,2017-01-01,1", "a,2,1,2017-01-01,1", "z,1,1,never,1")
    (tmp_path / "people.csv").write_text("id,house,HomeOwner\nb,h1, yes \nc,,\nb,h9,no\n")
    (tmp_path / "redeemed.csv").write_text("who,coupon,at\nd,1,2017-01-01\n")
    (tmp_path / "mailed.csv").write_text("who,campaign\ne,1\n")
    who = {"customer_id": "who"}
    loaded = load(
        tmp_path,
        lines_source(),
        people_source(columns={"customer_id": "id", "household_id": "house"}, traits=("HomeOwner",)),
        {"kind": "redemptions", "path": "redeemed.csv", "columns": {**who, "coupon_id": "coupon", "at": "at"}},
        {"kind": "mailings", "path": "mailed.csv", "columns": {**who, "campaign_id": "campaign"}},
    )
    expected = [
        {"customer_key": customer_key(i), "customer_id": i, "household_id": house, "listed": known, "home_owner": yes}
        for i, house, known, yes in [
            ("a", "a", False, None), ("b", "h1", True, "yes"), ("c", "c", True, None), ("d", "d", False, None),
            ("e", "e", False, None),
        ]
    ]  # fmt: skip
    assert loaded.rows("customers") == sorted(expected, key=lambda r: int(r["customer_key"] or 0))
    assert loaded.summary.customers == 5
    assert loaded.column("redemptions", "day") == [date(2017, 1, 1)]
    assert loaded.column("mailings", "customer_key") == [customer_key("e")]


def test_without_a_customer_source_nobody_is_listed(tmp_path: Path) -> None:
    write_lines(tmp_path, "a,1,1,2017-01-01,1", "b,1,1,2017-01-01,1")
    assert load(tmp_path, lines_source()).column("customers", "listed") == [False, False]


def test_lines_of_unknown_products_are_kept_and_counted(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1", "1,1,77,2017-01-01,1", "1,1,78,2017-01-01,1")
    (tmp_path / "products.csv").write_text("id,name\n1,milk\n")
    loaded = load(tmp_path, lines_source(), products_source())
    assert loaded.summary.unknown_items == 2
    assert loaded.summary.reasons() == {"UNKNOWN_ITEM": 2}
    assert len(loaded.rows("transactions")) == 3


def test_the_audit_says_how_usable_a_column_is_and_what_it_unlocks(tmp_path: Path) -> None:
    head = "who,trip,what,when,paid,shop\n"
    days = ["2017-01-01", "2017-01-02", "2017-01-03", "2017-01-04", "2017-01-05"]
    shops = ["1", "1", "2", "-3", ""]
    lines = [f"1,{n},1,{day},1,{shop}\n" for n, (day, shop) in enumerate(zip(days, shops, strict=True))]
    (tmp_path / "lines.csv").write_text(head + "".join(lines))
    loaded = load(tmp_path, lines_source(columns={**LINE, "store_id": "shop"}))
    # Four of five are filled, three of these four can be read: 0.8 x 0.75 = 0.6 of all, grade C.
    audited = loaded.audited("transactions", "store_id")
    unlocks = next(c.unlocks for c in SOURCE_COLUMNS["transactions"] if c.name == "store_id")
    assert audited == {
        "source": "transactions", "column": "store_id", "source_column": "shop", "rows": 5, "fill": 0.8,
        "validity": 0.75, "distinct": 2, "freshest": date(2017, 1, 3), "usable": 0.6, "grade": "C",
        "unlocks": unlocks,
    }  # fmt: skip
    assert loaded.column("transactions", "store_id") == ["1", "1", "2", None, None]


def test_the_audit_names_what_is_not_mapped_and_what_it_would_unlock(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1")
    (tmp_path / "people.csv").write_text("id,pets\n1,2\n")
    loaded = load(tmp_path, lines_source(), people_source(traits=("pets",)))
    quantity = loaded.audited("transactions", "quantity")
    assert (quantity["grade"], quantity["rows"], quantity["source_column"]) == ("-", 0, None)
    assert quantity["unlocks"] == "trip size"
    assert loaded.audited("coupons", "coupon_id")["grade"] == "-"
    assert loaded.audited("customers", "pets")["unlocks"] == "profiles and segments by pets"


@pytest.mark.parametrize(
    ("read", "rows", "expected"),
    [(19, 20, "A"), (18, 20, "B"), (4, 5, "B"), (3, 5, "C"), (59, 100, "D"), (1, 5, "D"), (0, 5, "F"), (0, 0, "F")],
)
def test_grades_begin_at_their_borders(read: int, rows: int, expected: str) -> None:
    assert grade(read, rows) == expected


def test_traits_are_named_in_lower_snake_case() -> None:
    assert name_traits(("Home Ownership", "kidsCount", "age")) == ("home_ownership", "kids_count", "age")


@pytest.mark.parametrize("columns", [("Last Day",), ("household_id",), ("Age", "age"), ("%",)])
def test_a_trait_whose_name_is_taken_is_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(ProgramInvalid, match="names must differ"):
        name_traits(columns)


def test_mapped_columns_that_are_not_there_are_named_with_the_nearest(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1")
    with pytest.raises(SourceColumns) as caught:
        load(tmp_path, lines_source(columns={**LINE, "sales": "payed", "customer_id": "WHO"}))
    place, there = "program.toml: sources.transactions.columns", "the file has: who, trip, what, when, paid."
    assert sorted(str(caught.value).splitlines()) == [
        f"{place}.customer_id names 'WHO' - not in lines.csv; {there} Did you mean who? Mend the mapping.",
        f"{place}.sales names 'payed' - not in lines.csv; {there} Did you mean paid? Mend the mapping.",
    ]
    assert list((tmp_path / "loaded-1").iterdir()) == []


def test_a_source_that_breaks_off_while_it_is_read_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1", "1,1,1,2017-01-01,1,too,many")
    with pytest.raises(SourceUnreadable, match=r"^source lines\.csv: cannot be read to its end - .*Line: 3"):
        load(tmp_path, lines_source())
    assert list((tmp_path / "loaded-1").iterdir()) == []


@pytest.mark.parametrize("lines", [(), ("1,1,1,never,1", "1,1,,2017-01-01,1")])
def test_transactions_without_a_usable_row_are_refused_before_anything_is_written(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    write_lines(tmp_path, *lines)
    with pytest.raises(SourceEmpty, match=r"has no row|when = 'never' \(BAD_DATE\)"):
        load(tmp_path, lines_source())
    assert list((tmp_path / "loaded-1").iterdir()) == []


def test_another_source_without_a_usable_row_is_an_empty_table(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1")
    (tmp_path / "products.csv").write_text("id,name\n")
    loaded = load(tmp_path, lines_source(), products_source())
    assert loaded.rows("products") == []
    assert loaded.audited("products", "item")["grade"] == "F"


def messy_lines(base: Path) -> None:
    lines = [
        f"{n % 97},{n},{n % 11 if n % 13 else ''},2017-0{1 + n % 9}-11 0{n % 10}:30,{n / 7}" for n in range(5000)
    ]
    write_lines(base, *lines)


def test_a_second_load_gives_the_same_bytes_with_other_threads(tmp_path: Path) -> None:
    messy_lines(tmp_path)
    (tmp_path / "people.csv").write_text("id,pets\n" + "".join(f"{n},{n % 3}\n" for n in range(200)))
    sources = (lines_source(key=("basket_id",)), people_source(traits=("pets",)))
    one, two = load(tmp_path, *sources, threads=1), load(tmp_path, *sources, threads=2)
    assert one.summary == two.summary
    for name in LOADED:
        assert (one.folder / f"{name}.parquet").read_bytes() == (two.folder / f"{name}.parquet").read_bytes(), name


IDS = st.sampled_from(["1", "2", "3.0", "-4", "", " "])
DAYS = st.sampled_from(["2017-01-01", "20170102", "2017-01-03T01:00Z", "never", ""])
AMOUNTS = st.sampled_from(["1", "2.5", "-3", "nan", "x", ""])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(IDS, IDS, IDS, DAYS, AMOUNTS), max_size=25), st.booleans())
def test_kept_and_quarantined_rows_add_up_to_the_rows_read(
    lines: list[tuple[str, str, str, str, str]], keyed: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_lines(base, "1,1,1,2017-01-01,1", *(",".join(line) for line in lines))
        loaded = load(base, lines_source(key=("basket_id",) if keyed else ()))
        [count] = loaded.summary.sources
        quarantine = loaded.rows("quarantine")
        assert count.rows == len(lines) + 1
        assert count.kept + sum(count.quarantined.values()) == count.rows
        assert len(loaded.rows("transactions")) == count.kept
        assert len({r["row"] for r in quarantine}) == len(quarantine) == sum(count.quarantined.values())
        assert sum(loaded.summary.reasons().values()) == len(quarantine)


class Told:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None, int]] = []

    def start(self, stage: str, total: int | None) -> None:
        self.stages.append((stage, total, 0))

    def advance(self, n: int) -> None:
        stage, total, done = self.stages[-1]
        self.stages[-1] = (stage, total, done + n)

    def finish(self) -> None:
        """Nothing to remember."""


def test_progress_is_told_of_every_source_and_reaches_its_total(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1", "1,1,1,2017-01-01,1", "1,1,1,never,1")
    told = Told()
    (tmp_path / "out").mkdir()
    with DuckDBEngine() as engine:
        load_program(program_of(lines_source()), tmp_path, engine, tmp_path / "out", told)
        assert engine.query("SELECT count(*) AS n FROM transactions").to_pylist() == [{"n": 2}]
    assert told.stages == [
        ("check transactions", None, 3),
        ("quarantine of transactions", None, 1),
        ("load transactions", 2, 2),
    ]


def test_the_fingerprint_changes_with_bytes_mapping_and_zone_and_with_nothing_else(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1")
    program = program_of(lines_source())
    first = fingerprint(program, tmp_path, digest_source)
    assert first == fingerprint(program.model_copy(update={"name": "other"}), tmp_path, digest_source)
    others = {
        fingerprint(program_of(lines_source(), timezone="UTC"), tmp_path, digest_source),
        fingerprint(program_of(lines_source(columns={**LINE, "quantity": "paid"})), tmp_path, digest_source),
    }
    write_lines(tmp_path, "1,1,1,2017-01-01,2")
    others.add(fingerprint(program, tmp_path, digest_source))
    assert len(others | {first}) == 4
    with pytest.raises(SourceMissing):
        fingerprint(program_of(lines_source("gone.csv")), tmp_path, digest_source)
