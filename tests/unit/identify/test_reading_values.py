"""What each kind of value becomes, in each format of file."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shop import LINE, Loaded, lines_source, load, write_lines

from rapport.core.keys import customer_key


def with_value(base: Path, column: str, value: str) -> Loaded:
    """Load one sound line and one that has `value` in a column of the file."""
    sound = {"who": "1", "trip": "10", "what": "100", "when": "2017-01-02", "paid": "1"}
    changed = {**sound, "trip": "11", column: value}
    write_lines(base, ",".join(sound.values()), ",".join(changed.values()))
    return load(base, lines_source())


def test_a_line_is_read_with_its_key_and_its_local_day(tmp_path: Path) -> None:
    write_lines(tmp_path, "7,70,700,2017-06-15 08:00:00,2.50")
    row = load(tmp_path, lines_source()).rows("transactions")[0]
    # 08:00 in New York in June is 12:00 UTC (UTC-4).
    assert row == {
        "customer_key": customer_key("7"),
        "customer_id": "7",
        "basket_id": "70",
        "product_id": "700",
        "at": datetime(2017, 6, 15, 12, tzinfo=UTC),
        "day": date(2017, 6, 15),
        "quantity": None,
        "sales_micros": 2_500_000,
        "discount_micros": 0,
        "coupon_micros": 0,
        "store_id": None,
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("12.0", "12"),
        ("12.00", "12"),
        (" 12 ", "12"),
        ("\u00a012\t", "12"),
        ("007", "007"),
        ("a.0", "a.0"),
        ("1.5", "1.5"),
    ],
)
def test_an_id_is_trimmed_and_loses_empty_decimals(tmp_path: Path, written: str, read: str) -> None:
    assert with_value(tmp_path, "who", written).column("transactions", "customer_id")[1] == read


@pytest.mark.parametrize("written", ["", "   ", '" "'])
def test_a_row_without_a_key_goes_to_quarantine_with_the_reason(tmp_path: Path, written: str) -> None:
    loaded = with_value(tmp_path, "who", written)
    assert loaded.rows("quarantine") == [
        {"source": "transactions", "row": 2, "column": "who", "value": None, "reason": "MISSING_KEY"}
    ]
    assert len(loaded.rows("transactions")) == 1


@pytest.mark.parametrize("written", ["-1", "-1.0", "-99"])
def test_a_negative_id_goes_to_quarantine_with_its_value(tmp_path: Path, written: str) -> None:
    assert with_value(tmp_path, "what", written).rows("quarantine") == [
        {"source": "transactions", "row": 2, "column": "what", "value": written, "reason": "NEGATIVE_ID"}
    ]


def test_an_id_that_begins_with_a_dash_and_is_no_number_is_an_id(tmp_path: Path) -> None:
    assert with_value(tmp_path, "who", "-a").column("transactions", "customer_id")[1] == "-a"


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2017-07-01", "2017-07-01T04:00:00"),
        ("2017-07-01 03:30", "2017-07-01T07:30:00"),
        ("2017-07-01T03:30:15", "2017-07-01T07:30:15"),
        ("2017-07-01 03:30:15.25", "2017-07-01T07:30:15.250000"),
        ("2017-07-01 03:30:15.123456789", "2017-07-01T07:30:15.123456"),
        ("2017-7-1", "2017-07-01T04:00:00"),
        ("2017/07/01 03:30", "2017-07-01T07:30:00"),
        ("20170701", "2017-07-01T04:00:00"),
        ("20170701T033015", "2017-07-01T07:30:15"),
        ("01.07.2017", "2017-07-01T04:00:00"),
        ("1.7.2017 03:30:15", "2017-07-01T07:30:15"),
        ("2017-07-01T03:30Z", "2017-07-01T03:30:00"),
        ("2017-07-01T03:30:00z", "2017-07-01T03:30:00"),
        ("2017-07-01 03:30:00 UTC", "2017-07-01T03:30:00"),
        ("2017-07-01T03:30:00+02:00", "2017-07-01T01:30:00"),
        ("2017-07-01T03:30:00.5+0200", "2017-07-01T01:30:00.500000"),
        ("2017-07-01 03:30:00 -05", "2017-07-01T08:30:00"),
        ("20170701T033000+02", "2017-07-01T01:30:00"),
    ],
)
def test_a_time_is_read_in_the_programmes_zone_unless_it_has_an_offset(
    tmp_path: Path, written: str, utc: str
) -> None:
    at = with_value(tmp_path, "when", written).column("transactions", "at")[1]
    assert at == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        "2017-02-30",
        "03/04/2017",
        "17-07-01",
        "0017-07-01",
        "2017-07-01 25:00",
        "infinity",
        "2017",
        "201771",
    ],
)
def test_a_time_that_cannot_be_read_goes_to_quarantine(tmp_path: Path, written: str) -> None:
    assert with_value(tmp_path, "when", written).rows("quarantine") == [
        {"source": "transactions", "row": 2, "column": "when", "value": written or None, "reason": "BAD_DATE"}
    ]


def test_times_without_a_zone_are_in_the_zone_of_their_source(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-07-01 03:30,1", "1,2,1,2017-07-01 04:30,1", "1,3,1,2017-01-01 04:30,1")
    loaded = load(tmp_path, lines_source(timezone="UTC"))
    # New York is UTC-4 in July and UTC-5 in January: its day begins at 04:00 UTC, or 05:00 UTC.
    assert loaded.column("transactions", "day") == [date(2017, 6, 30), date(2017, 7, 1), date(2016, 12, 31)]
    assert loaded.summary.first_day == date(2016, 12, 31)
    assert loaded.summary.last_day == date(2017, 7, 1)


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("0.30000000000000004", 300_000),
        ("1.005", 1_005_000),
        ("-2.5", -2_500_000),
        ("+3", 3_000_000),
        (".5", 500_000),
        ("1e3", 1_000_000_000),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("0.0000025", 2),
        ("999999999.999999", 999_999_999_999_999),
        ("123456789012.123457", 123_456_789_012_123_457),
    ],
)
def test_money_from_text_is_exact_in_micros_with_halves_to_even(tmp_path: Path, written: str, micros: int) -> None:
    assert with_value(tmp_path, "paid", written).column("transactions", "sales_micros")[1] == micros


@pytest.mark.parametrize("written", ["", "nan", "inf", "-inf", "abc", "1_000", '"1,50"', "$2", "1e300", "2e12"])
def test_an_amount_that_cannot_be_read_goes_to_quarantine(tmp_path: Path, written: str) -> None:
    rows = with_value(tmp_path, "paid", written).rows("quarantine")
    assert [(r["row"], r["column"], r["reason"]) for r in rows] == [(2, "paid", "BAD_NUMBER")]


@pytest.mark.parametrize(
    ("written", "micros"),
    [("1,50", 1_500_000), ("1.234,5", 1_234_500_000), ("-0,25", -250_000), ("12", 12_000_000), ("1.000.000", 10**12)],
)
def test_a_source_with_decimal_commas_is_read_with_them(tmp_path: Path, written: str, micros: int) -> None:
    write_lines(tmp_path, "1,10,100,2017-01-02,1", f'1,11,100,2017-01-02,"{written}"')
    loaded = load(tmp_path, lines_source(decimal=","))
    assert loaded.column("transactions", "sales_micros") == [1_000_000, micros]


@pytest.mark.parametrize("written", ["1.50", "1,2,3", "1.23,4", "a", ","])
def test_what_is_not_written_with_a_decimal_comma_goes_to_quarantine(tmp_path: Path, written: str) -> None:
    write_lines(tmp_path, "1,10,100,2017-01-02,1", f'1,11,100,2017-01-02,"{written}"')
    rows = load(tmp_path, lines_source(decimal=",")).rows("quarantine")
    assert [(r["row"], r["value"], r["reason"]) for r in rows] == [(2, written, "BAD_NUMBER")]


def test_the_first_reason_counts_where_a_row_has_several(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1", "1,-5,,never,x")
    assert load(tmp_path, lines_source()).rows("quarantine") == [
        {"source": "transactions", "row": 2, "column": "trip", "value": "-5", "reason": "NEGATIVE_ID"}
    ]


def test_columns_in_a_list_are_added_up_and_missing_ones_count_as_nothing(tmp_path: Path) -> None:
    text = "who,trip,what,when,paid,a,b\n1,1,1,2017-01-01,1,0.1,0.2\n1,2,1,2017-01-01,1,,0.2\n1,3,1,2017-01-01,1,x,\n"
    (tmp_path / "lines.csv").write_text(text)
    loaded = load(tmp_path, lines_source(columns={**LINE, "discount": ("a", "b")}))
    assert loaded.column("transactions", "discount_micros") == [300_000, 200_000, 0]
    assert loaded.rows("quarantine") == []


def test_a_required_list_is_bad_where_one_part_is_or_where_all_are_missing(tmp_path: Path) -> None:
    text = "who,trip,what,when,a,b\n1,1,1,2017-01-01,0.1,\n1,2,1,2017-01-01,1,x\n1,3,1,2017-01-01,,\n"
    (tmp_path / "lines.csv").write_text(text)
    loaded = load(tmp_path, lines_source(columns={**LINE, "sales": ("a", "b")}))
    assert loaded.column("transactions", "sales_micros") == [100_000]
    found = [(r["row"], r["column"], r["value"], r["reason"]) for r in loaded.rows("quarantine")]
    assert found == [(2, "b", "x", "BAD_NUMBER"), (3, "a", None, "BAD_NUMBER")]


def test_an_optional_value_that_cannot_be_read_is_missing_and_the_row_stays(tmp_path: Path) -> None:
    text = "who,trip,what,when,paid,q,c,s\n1,1,1,2017-01-01,1,2,0.5,9\n1,2,1,2017-01-01,1,x,y,-9\n"
    (tmp_path / "lines.csv").write_text(text)
    loaded = load(tmp_path, lines_source(columns={**LINE, "quantity": "q", "coupon": "c", "store_id": "s"}))
    rows = loaded.rows("transactions")
    assert [(r["quantity"], r["coupon_micros"], r["store_id"]) for r in rows] == [
        (2.0, 500_000, "9"),
        (None, 0, None),
    ]
    assert loaded.audited("transactions", "quantity")["validity"] == 0.5


def test_typed_parquet_columns_are_read_by_their_type(tmp_path: Path) -> None:
    noon = datetime(2017, 7, 1, 12)
    table = pa.table(
        {
            "who": pa.array([5, -5, 6], pa.int64()),
            "trip": pa.array([1.0, 2.0, float("nan")], pa.float64()),
            "what": pa.array([Decimal("3.00")] * 3, pa.decimal128(10, 2)),
            "when": pa.array([noon] * 3, pa.timestamp("ns", tz="UTC")),
            "paid": pa.array([0.1 + 0.2] * 3, pa.float64()),
            "off": pa.array([Decimal("0.25"), None, None], pa.decimal128(10, 2)),
        }
    )
    pq.write_table(table, tmp_path / "lines.parquet")
    loaded = load(tmp_path, lines_source("lines.parquet", columns={**LINE, "discount": "off"}))
    row = loaded.rows("transactions")[0]
    assert (row["customer_id"], row["basket_id"], row["product_id"]) == ("5", "1", "3")
    assert (row["sales_micros"], row["discount_micros"]) == (300_000, 250_000)
    assert row["at"] == noon.replace(tzinfo=UTC)
    assert [(r["row"], r["reason"]) for r in loaded.rows("quarantine")] == [(2, "NEGATIVE_ID"), (3, "MISSING_KEY")]


def test_floats_that_are_not_finite_are_bad_amounts(tmp_path: Path) -> None:
    values = [1.0, float("nan"), float("inf"), None]
    columns = {"who": [1] * 4, "trip": [1, 2, 3, 4], "what": [1] * 4, "when": [date(2017, 1, 1)] * 4, "paid": values}
    pq.write_table(pa.table(columns), tmp_path / "lines.parquet")
    loaded = load(tmp_path, lines_source("lines.parquet"))
    assert [(r["row"], r["reason"]) for r in loaded.rows("quarantine")] == [(n, "BAD_NUMBER") for n in (2, 3, 4)]


def test_an_excel_sheet_gives_the_same_as_text(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["notes"])
    sheet = book.create_sheet("lines")
    sheet.append(["who", "trip", "what", "when", "paid"])
    sheet.append([12.0, 1, "100", datetime(2017, 7, 1, 3, 30), 0.1 + 0.2])
    sheet.append([None] * 5)
    sheet.append([13, 2, "100", "2017-07-01T03:30Z", "oops"])
    sheet.append([13, 2, "100", date(2017, 7, 2), True])
    book.save(tmp_path / "lines.xlsx")
    loaded = load(tmp_path, lines_source("lines.xlsx", sheet="lines"))
    row = loaded.rows("transactions")[0]
    assert (row["customer_id"], row["day"], row["sales_micros"]) == ("12", date(2017, 7, 1), 300_000)
    # The blank row 2 is no row of data and still counts, so row + 1 is the row of the sheet.
    found = [(r["row"], r["value"], r["reason"]) for r in loaded.rows("quarantine")]
    assert found == [(3, "oops", "BAD_NUMBER"), (4, "true", "BAD_NUMBER")]
    assert loaded.summary.sources[0].rows == 3


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
def test_a_csv_with_semicolons_is_read_in_either_encoding(tmp_path: Path, encoding: str) -> None:
    text = 'who;trip;what;when;paid\nMüller;1;"a;b";2017-01-01;1.5\n'
    (tmp_path / "lines.csv").write_text(text, encoding=encoding)
    row = load(tmp_path, lines_source()).rows("transactions")[0]
    assert (row["customer_id"], row["product_id"], row["sales_micros"]) == ("Müller", "a;b", 1_500_000)


def test_a_compressed_csv_is_read(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1")
    (tmp_path / "lines.csv.gz").write_bytes(gzip.compress((tmp_path / "lines.csv").read_bytes()))
    assert load(tmp_path, lines_source("lines.csv.gz")).summary.sources[0].kept == 1


def test_a_declared_delimiter_holds_against_the_look_of_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("who|trip|what|when|paid|a,b,c,d,e,f,g\n1|1|1|2017-01-01|1|x\n")
    assert load(tmp_path, lines_source(delimiter="|")).summary.sources[0].kept == 1


def test_a_short_line_of_a_csv_goes_to_quarantine(tmp_path: Path) -> None:
    write_lines(tmp_path, '1,1,"a\nb",2017-01-01,1', "1,2,1")
    loaded = load(tmp_path, lines_source())
    assert loaded.column("transactions", "product_id") == ["a\nb"]
    assert [(r["row"], r["reason"]) for r in loaded.rows("quarantine")] == [(2, "BAD_DATE")]


def test_a_day_keeps_its_date_and_a_time_with_offset_has_the_programmes_date(tmp_path: Path) -> None:
    write_lines(tmp_path, "1,1,1,2017-01-01,1")
    text = "id,from,to\n1,2017-07-01,20170709\n2,2017-07-01T03:30Z,9999-12-31\n3,x,2017-01-01\n"
    (tmp_path / "campaigns.csv").write_text(text)
    columns = {"campaign_id": "id", "starts": "from", "ends": "to"}
    loaded = load(
        tmp_path,
        lines_source(),
        {"kind": "campaigns", "path": "campaigns.csv", "timezone": "UTC", "columns": columns},
    )
    # 03:30 UTC on 1 July is 23:30 on 30 June in New York.
    assert [(r["starts"], r["ends"]) for r in loaded.rows("campaigns")] == [
        (date(2017, 7, 1), date(2017, 7, 9)),
        (date(2017, 6, 30), date(9999, 12, 31)),
    ]
    assert [(r["row"], r["reason"]) for r in loaded.rows("quarantine")] == [(3, "BAD_DATE")]
