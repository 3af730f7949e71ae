"""Finding files and telling what they are; what is said where they cannot be read."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.core.errors import SourceMissing, SourceUnreadable
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.engines.source_files import CsvShape, digest_source, distinct_names, read_csv_shape
from rapport.program.source import Source
from rapport.workflows.ports import EngineFault


def source_of(path: str, **changes: Any) -> Source:
    return Source.model_validate({"kind": "products", "path": path, "columns": {"product_id": "id"}, **changes})


def rows_of(base: Path, source: Source) -> list[dict[str, Any]]:
    with DuckDBEngine() as engine:
        engine.register_source("it", base, source)
        return list(engine.query("SELECT * FROM it ORDER BY __row").to_pylist())


def test_a_missing_file_is_named_with_the_nearest_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text("id\n1\n")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SourceMissing) as caught:
        rows_of(tmp_path, source_of("product.csv"))
    assert str(caught.value) == (
        "source product.csv: no such file; the folder has: products.csv. Did you mean products.csv? "
        "Mend the path, or put the file there."
    )


@pytest.mark.parametrize(("path", "said"), [("no/such.csv", "no such folder"), (".", "is a folder")])
def test_a_path_that_is_no_file_says_what_it_is(tmp_path: Path, path: str, said: str) -> None:
    with pytest.raises(SourceMissing, match=said):
        rows_of(tmp_path, source_of(path))


def test_an_unknown_suffix_is_refused_with_those_allowed(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("{}")
    with pytest.raises(SourceUnreadable, match=r"'\.json'; must be one of \.csv, \.csv\.gz, \.parquet, \.xlsx\."):
        rows_of(tmp_path, source_of("data.json"))


def a_parquet(base: Path) -> bytes:
    pq.write_table(pa.table({"id": [str(n) for n in range(1000)]}), base / "whole.parquet")
    return (base / "whole.parquet").read_bytes()


def a_workbook(base: Path) -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["id"])
    book.save(base / "whole.xlsx")
    return (base / "whole.xlsx").read_bytes()


@pytest.mark.parametrize("suffix", ["parquet", "xlsx", "csv.gz"])
@pytest.mark.parametrize("damage", ["cut", "other", "nothing"])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, damage: str) -> None:
    packed = gzip.compress("".join(f"{n * n}\n" for n in range(9000)).encode())
    whole = {"parquet": a_parquet(tmp_path), "xlsx": a_workbook(tmp_path), "csv.gz": packed}[suffix]
    content = {"cut": whole[: len(whole) // 2], "other": b"not what it says" * 9, "nothing": b""}[damage]
    (tmp_path / f"bad.{suffix}").write_bytes(content)
    with pytest.raises(SourceUnreadable, match=rf"^source bad\.{suffix}: "):
        rows_of(tmp_path, source_of(f"bad.{suffix}"))


def test_a_parquet_file_damaged_inside_fails_while_it_is_read(tmp_path: Path) -> None:
    whole = bytearray(a_parquet(tmp_path))
    whole[4:40] = b"\xff" * 36
    (tmp_path / "bad.parquet").write_bytes(whole)
    with pytest.raises(EngineFault):
        rows_of(tmp_path, source_of("bad.parquet"))


@pytest.mark.parametrize(
    "content", [b"id\x00\n1\n", b"id\n1\n2\x00\n", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", b"", b"\n\n"]
)
def test_a_csv_that_is_no_text_or_empty_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(SourceUnreadable, match=r"^source bad\.csv: "):
        rows_of(tmp_path, source_of("bad.csv"))


def test_a_csv_line_with_too_many_values_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("id,name\n1,a\n2,b,c\n")
    with pytest.raises(EngineFault, match="Line: 3"):
        rows_of(tmp_path, source_of("bad.csv"))


def test_an_excel_sheet_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    a_workbook(tmp_path)
    with pytest.raises(SourceUnreadable, match=r"no sheet 'sheet'; it has: Sheet\. Did you mean Sheet\?"):
        rows_of(tmp_path, source_of("whole.xlsx", sheet="sheet"))


def test_an_empty_excel_sheet_is_refused(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(SourceUnreadable, match="sheet is empty"):
        rows_of(tmp_path, source_of("empty.xlsx"))


# A number of the sheet itself is a float without any comma; written in the sheet as text it has one.
CELLS = [2.5, -1234.5, 3.0, 1e-7, 1e22, 7, "1.234,50", "2.5", True, None, date(2030, 1, 7)]


@pytest.mark.parametrize(
    ("decimal", "texts"),
    [
        (
            ",",
            ["2,5", "-1234,5", "3", "0,0000001", "10000000000000000000000", "7", "1.234,50", "2.5", "true", None],
        ),
        (".", ["2.5", "-1234.5", "3", "1e-07", "1e+22", "7", "1.234,50", "2.5", "true", None]),
    ],
)
def test_numbers_of_a_sheet_are_written_with_the_decimal_sign_of_the_source(
    tmp_path: Path, decimal: str, texts: list[str | None]
) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "paid"])
    for n, cell in enumerate(CELLS):
        book.active.append([f"x{n}", cell])
    book.save(tmp_path / "p.xlsx")
    found = [r["paid"] for r in rows_of(tmp_path, source_of("p.xlsx", decimal=decimal))]
    assert found == [*texts, "2030-01-07T00:00:00"]


@pytest.mark.parametrize("name", ["a[1].csv", "a*.csv", "a?.csv", "it's.csv"])
def test_a_name_that_looks_like_a_pattern_means_that_one_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "a1.csv").write_text("id\nwrong\n")
    (tmp_path / name).write_text("id\nright\n")
    assert rows_of(tmp_path, source_of(name)) == [{"__row": 1, "id": "right"}]


def test_rows_are_counted_from_one_and_every_csv_value_is_text(tmp_path: Path) -> None:
    (tmp_path / "p.CSV").write_text('id,"n""x"\n1,\n\n2,"b\nc"\n')
    assert rows_of(tmp_path, source_of("p.CSV")) == [
        {"__row": 1, "id": "1", 'n"x': None},
        {"__row": 2, "id": "2", 'n"x': "b\nc"},
    ]


@pytest.mark.parametrize(
    ("content", "shape"),
    [
        (b"id;name\n1;2\n1\n", CsvShape("utf-8", ";", ("id", "name"))),
        ("id\tgröße\n".encode("latin-1"), CsvShape("cp1252", "\t", ("id", "größe"))),
        (b'id|"two\nlines"\n', CsvShape("utf-8", "|", ("id", "two\nlines"))),
        ("\ufeffid,ä\n".encode(), CsvShape("utf-8-sig", ",", ("id", "ä"))),
    ],
)
def test_encoding_delimiter_and_names_of_a_csv_are_found_out(tmp_path: Path, content: bytes, shape: CsvShape) -> None:
    (tmp_path / "p.csv").write_bytes(content)
    assert read_csv_shape(tmp_path / "p.csv", source_of("p.csv")) == shape


def test_names_are_made_distinct_without_regard_to_case() -> None:
    assert distinct_names(["a", " A ", "", "a", ""]) == ("a", "A_2", "column_3", "a_3", "column_5")


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"abc")
    # `b2sum -l 128` of "abc".
    assert digest_source(tmp_path, "p.csv") == "cf4ab791c62b8d2b2109c90275287816"


def parts(base: Path, *tables: dict[str, list[Any]]) -> Path:
    folder = base / "parts"
    folder.mkdir()
    for number, columns in enumerate(tables):
        pq.write_table(pa.table(columns), folder / f"part-{number}.parquet")
    return folder


def test_a_folder_of_parquet_files_is_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = parts(tmp_path, {"id": ["a", "b"]}, {"id": []}, {"id": ["c"]})
    (folder / "notes.txt").write_text("not data")
    assert rows_of(tmp_path, source_of("parts")) == [
        {"__row": 1, "id": "a"},
        {"__row": 2, "id": "b"},
        {"__row": 3, "id": "c"},
    ]


def test_columns_of_a_folder_are_found_by_name_in_every_file(tmp_path: Path) -> None:
    parts(tmp_path, {"id": ["a"], "n": [1]}, {"n": [2], "id": ["b"], "more": ["x"]})
    assert rows_of(tmp_path, source_of("parts")) == [{"__row": 1, "id": "a", "n": 1}, {"__row": 2, "id": "b", "n": 2}]


def test_a_file_of_a_folder_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    parts(tmp_path, {"id": ["a"], "n": [1]}, {"id": ["b"]})
    with pytest.raises(SourceUnreadable, match="source parts: cannot be read"):
        rows_of(tmp_path, source_of("parts"))


def test_the_digest_of_a_folder_changes_with_any_of_its_files(tmp_path: Path) -> None:
    folder = parts(tmp_path, {"id": ["a"]}, {"id": ["b"]})
    first = digest_source(tmp_path, "parts")
    assert first == digest_source(tmp_path, "parts")
    pq.write_table(pa.table({"id": ["c"]}), folder / "part-1.parquet")
    second = digest_source(tmp_path, "parts")
    (folder / "part-1.parquet").rename(folder / "part-2.parquet")
    assert len({first, second, digest_source(tmp_path, "parts")}) == 3
