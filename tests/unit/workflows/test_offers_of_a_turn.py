"""The catalogue: filled in from the past and the programme, and stopped by what makes no sense, by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from programs import program_with
from rapport.core.errors import NoOffers, OfferInvalid, RuleRefused
from rapport.core.tables import CATALOGUE
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.workflows.offers import make_catalogue
from state_tables import AS_OF, line, opened, person, tables

MARGINS = {"default": 0.30, "departments": {"PRODUCE": 0.40}}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBEngine]:
    given = tables(
        customers=[person("anna"), person("bert")],
        # An apple costs 2.00 and 4.00 + 2.00 on anna's days and 1.00 + .50 off on bert's: (2 + 6 + 1.5) / 3.
        transactions=[
            line("anna", 9, "p1", 2.0),
            line("anna", 5, "p1", 4.0),
            line("anna", 5, "p1", 2.0),
            line("bert", 3, "p1", 1.0, 0.5),
            line("bert", 3, "p2", 3.0),
            line("bert", 0, "p1", 900.0),
        ],
    )
    with DuckDBEngine() as made:
        opened(made, tmp_path_factory.mktemp("loaded"), given)
        yield made


def from_query(engine: DuckDBEngine, query: str) -> list[dict[str, Any]]:
    program = program_with(margins=MARGINS, offers={"query": query, "depth": 0.2, "validity_days": 28})
    found = make_catalogue(engine, program, Path(), AS_OF)
    assert found.schema.equals(CATALOGUE)
    return found.to_pylist()


def from_file(engine: DuckDBEngine, base: Path, text: str | bytes) -> pa.Table:
    (base / "offers.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return make_catalogue(engine, program_with(margins=MARGINS, offers={"file": "offers.csv"}), base, AS_OF)


def test_what_an_offer_does_not_say_comes_from_the_item_and_the_programme(engine: DuckDBEngine) -> None:
    apple, soap = from_query(engine, "SELECT DISTINCT item FROM purchases WHERE item IS NOT NULL ORDER BY item DESC")
    assert apple == {
        "offer_index": 0,
        "offer_id": "apple",
        "item": "apple",
        "name": "apple",
        "category": "fruit",
        "department": "PRODUCE",
        "depth": 0.2,
        "margin_share": 0.4,
        "price_micros": 3_166_666,
        "buyers": 2,
        "valid_from": AS_OF,
        "valid_days": 28,
        "eligible": None,
        "supplier": None,
        "stock": None,
        "basis": "assumed",
    }
    assert (soap["offer_index"], soap["margin_share"], soap["price_micros"], soap["buyers"]) == (1, 0.3, 3_000_000, 1)


def test_offers_stand_in_the_order_of_their_ids_and_keep_what_they_say(engine: DuckDBEngine, tmp_path: Path) -> None:
    text = "item,offer_id,name,depth,margin_share,price,valid_days\nsoap,z,Soap!,0.5,0.6,9.99,7\napple,a,,,,,\n"
    first, second = from_file(engine, tmp_path, text).to_pylist()
    assert (first["offer_id"], first["name"], first["depth"]) == ("a", "apple", 0.2)
    told = {"name": "Soap!", "depth": 0.5, "margin_share": 0.6, "price_micros": 9_990_000, "valid_days": 7}
    assert {k: second[k] for k in told} == told


def test_an_offer_may_say_its_supplier_and_how_many_copies_there_are(engine: DuckDBEngine, tmp_path: Path) -> None:
    text = "item,supplier,stock\nsoap,Acme & Söhne,0\napple,,\n"
    apple, soap = from_file(engine, tmp_path, text).to_pylist()
    assert (apple["supplier"], apple["stock"]) == (None, None)
    assert (soap["supplier"], soap["stock"]) == ("Acme & Söhne", 0)
    query = "SELECT 'apple' AS item, 17 AS supplier, 250::HUGEINT AS stock"
    assert [(o["supplier"], o["stock"]) for o in from_query(engine, query)] == [("17", 250)]


def test_an_item_has_one_offer_and_an_id_stands_once(engine: DuckDBEngine, tmp_path: Path) -> None:
    twice = r"item 'apple' has more than one offer; one item has one offer in a turn.*Keep one\."
    with pytest.raises(OfferInvalid, match=rf"^offers\.csv: {twice}"):
        from_file(engine, tmp_path, "item,offer_id,depth\napple,a10,0.1\nsoap,a15,0.1\napple,a20,0.2\n")
    with pytest.raises(OfferInvalid, match=rf"^offers\.query: {twice}"):
        from_query(engine, "SELECT DISTINCT item, 'o' || day AS offer_id FROM purchases WHERE item = 'apple'")
    with pytest.raises(OfferInvalid, match=r"offers\.csv: offer_id 'apple' stands twice"):
        from_file(engine, tmp_path, "item,depth\napple,0.1\napple,0.2\n")
    with pytest.raises(OfferInvalid, match=r"offers\.csv: offer_id 'x' stands twice"):
        from_file(engine, tmp_path, "item,offer_id\napple,x\nsoap,x\n")


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("margin_share", "-0.1", r"margin_share is -0.1; must lie in \[0, 1\]; a sale at a loss"),
        ("margin_share", "1.5", "margin_share is 1.5"),
        ("depth", "0", "depth is 0; must lie between 0 and 1"),
        ("depth", "1.5", "depth is 1.5; must lie between 0 and 1"),
        ("depth", "nan", "depth is nan"),
        ("depth", "20%", "depth is '20%'; must be a number"),
        ("price", "0", "price is 0; must be above 0"),
        ("price", "-1", "price is -1"),
        ("price", "inf", "price is inf"),
        ("price", "1e300", "price is 1e\\+300"),
        ("price", "0.0000001", "price is 1e-07"),
        ("valid_days", "0", r"valid_days is 0; must .*\[1, 365\]"),
        ("valid_days", "366", "valid_days is 366"),
        ("valid_days", "1.5", "valid_days is 1.5"),
        ("stock", "-1", r"stock is -1; must be a whole number in \[0, 1e\+12\]; empty: no limit"),
        ("stock", "1.5", "stock is 1.5; must be a whole number"),
        ("stock", "inf", "stock is inf"),
        ("stock", "nan", "stock is nan"),
        ("stock", "1e13", "stock is 1e\\+13"),
        ("stock", "many", "stock is 'many'; must be a number"),
        ("item", "aple", r"item is 'aple'; .*Did you mean apple\?"),
        ("item", "", "item is None; must be an item somebody bought"),
    ],
)
def test_an_offer_that_makes_no_sense_stops_the_turn_with_its_line(
    engine: DuckDBEngine, tmp_path: Path, column: str, value: str, told: str
) -> None:
    offer = {"item": "apple", "offer_id": "x", column: value}
    with pytest.raises(OfferInvalid, match=rf"^offers\.csv line 2.*{told}"):
        from_file(engine, tmp_path, f"{','.join(offer)}\n{','.join(offer.values())}\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,depth\nx,0.1\n", "columns are name, depth; must include item"),
        ("item,dept\napple,0.1\n", r"must include item and may have: .*Did you mean depth"),
        ("", "must include item"),
        ("item,name\napple,K\xe4se\n".encode("latin-1"), "offers.csv: .*UTF-8"),
    ],
)
def test_a_file_that_is_not_an_offer_file_is_told_by_name(
    engine: DuckDBEngine, tmp_path: Path, text: str | bytes, told: str
) -> None:
    with pytest.raises(OfferInvalid, match=told):
        from_file(engine, tmp_path, text)


def test_a_missing_file_and_an_empty_one_are_told(engine: DuckDBEngine, tmp_path: Path) -> None:
    with pytest.raises(OfferInvalid, match=r"offers\.file is 'none\.csv'; there is no such file"):
        make_catalogue(engine, program_with(offers={"file": "none.csv"}), tmp_path, AS_OF)
    with pytest.raises(NoOffers, match=r"offers\.csv: gave no offer"):
        from_file(engine, tmp_path, "item,depth\n")


def test_a_query_that_gives_nothing_or_no_item_is_told(engine: DuckDBEngine) -> None:
    with pytest.raises(NoOffers, match=r"offers\.query: gave no offer before 2030-01-07; at least one"):
        from_query(engine, "SELECT item FROM purchases WHERE false")
    with pytest.raises(OfferInvalid, match=r"gives columns product_id; `item` must be among them"):
        from_query(engine, "SELECT product_id FROM purchases")
    with pytest.raises(OfferInvalid, match=r"offers\.query row 1 \(item 'apple'\): depth is 1\.5"):
        from_query(engine, "SELECT 'apple' AS item, 1.5 AS depth")


@pytest.mark.parametrize(
    "query", ["DROP TABLE purchases", "SELECT 1; SELECT 2", "SELECT * FROM transactions", "nonsense"]
)
def test_a_query_that_is_not_one_plain_select_is_refused(engine: DuckDBEngine, query: str) -> None:
    with pytest.raises(RuleRefused, match=r"offers\.query"):
        from_query(engine, query)


def test_a_query_does_not_see_the_day_of_the_decision(engine: DuckDBEngine) -> None:
    found = from_query(
        engine, "SELECT item, max(sales_micros) / 1e6 AS price FROM purchases GROUP BY item HAVING item IS NOT NULL"
    )
    assert [o["price_micros"] for o in found] == [4_000_000, 3_000_000]
