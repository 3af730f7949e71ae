"""A worksheet is written for people: text stays text, what may be edited is seen, and it comes back whole."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from rapport.core.errors import TargetExists, WorksheetInvalid
from rapport.engines.worksheet_cells import read_cells
from rapport.reports.worksheet_book import refuse_target, write_worksheet
from rapport.workflows.worksheet_columns import COLUMNS, MOST_ROWS, Matrix, Worksheet, row_key
from rapport.workflows.worksheet_read import Names, read_rows

NAMES = [c.name for c in COLUMNS]
RISKY = ["=1+1", "+1", "-cmd", "@sum", "\t=1", '=HYPERLINK("http://x")', "\r=1"]


def line(segment: str = "A", product: str = "apple", **told: Any) -> tuple[Any, ...]:
    usual = {
        c.name: 1 if c.kind == "count" else 0.25 if c.kind in ("share", "probability", "money") else None
        for c in COLUMNS
    }
    key = row_key("Corner shop", "tier", segment, product)
    row = usual | {"by": "tier", "segment": segment, "product": product, "row_key": key} | told
    return tuple(row[n] for n in NAMES)


def sheet(*rows: tuple[Any, ...], count: int | None = None) -> Worksheet:
    maps = (
        Matrix("owned", "Who owns.", ("A", "=B"), ("Fruit", "=Dairy"), [[0.5, 0.1], [0.0, 1.0]]),
        Matrix("next", "Who is offered.", ("A", "=B"), ("Fruit", "=Dairy"), [[0.2, 0.3], [0.4, 0.0]]),
    )
    about = (("programme", "Corner shop"), ("turn", "2030-W02"))
    return Worksheet(about, len(rows) if count is None else count, iter(rows), maps, "EUR")


def written(path: Path, *rows: tuple[Any, ...]) -> Any:
    assert write_worksheet(path, sheet(*rows)) == len(rows)
    return openpyxl.load_workbook(path)


def test_text_that_begins_like_a_formula_is_stored_as_text(tmp_path: Path) -> None:
    rows = [line(product=text, offer=text, reason=text, department=text, why=text) for text in RISKY]
    book = written(tmp_path / "out.xlsx", *rows)
    for page in book.worksheets:
        for cells in page.iter_rows():
            for cell in cells:
                assert cell.data_type != "f", cell.coordinate
    page = book["worksheet"]
    for number, text in enumerate(RISKY, start=2):
        cell = page.cell(number, NAMES.index("offer") + 1)
        # XML reads a lone carriage return as a new line.
        assert cell.value.replace("\n", "\r") == text.replace("\n", "\r") or "\ufffd" in cell.value
        assert cell.data_type == "s"
        assert cell.quotePrefix
    inside = zipfile.ZipFile(tmp_path / "out.xlsx").read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in inside
    assert b"<f " not in inside


def test_text_that_begins_like_a_formula_is_guarded_in_csv(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_worksheet(path, sheet(*(line(product=t, boost=-0.5) for t in RISKY)))
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    # A lone carriage return would end the line; it is shown as what it is, something that cannot be shown.
    assert [r["product"] for r in rows] == [f"'{t}" for t in RISKY[:-1]] + ["\ufffd=1"]
    # A number below zero is a number.
    assert {r["boost"] for r in rows} == {"-0.5"}
    names = Names("Corner shop", {"tier": {"A": "A"}}, {t.replace("\r", "\ufffd"): t for t in RISKY})
    assert [e.product for e in read_rows(read_cells(path), names, "anna", "now")] == RISKY


def test_what_may_be_edited_is_coloured_and_checked_by_excel(tmp_path: Path) -> None:
    book = written(tmp_path / "out.xlsx", line(veto="yes"), line(product="soap"))
    page = book["worksheet"]
    for number, column in enumerate(COLUMNS, start=1):
        cell, head = page.cell(2, number), page.cell(1, number)
        assert head.value == column.head
        assert column.meaning in head.comment.text
        assert (cell.fill.fgColor.rgb == "00FFF2CC") == (column.kind == "edit")
    checks = {c.type: c for c in page.data_validations.dataValidation}
    assert checks["list"].formula1 == '"yes"'
    assert "E2" in checks["list"].sqref
    assert (checks["decimal"].formula1, checks["decimal"].formula2) == ("-0.9", "10")
    assert "F3" in checks["decimal"].sqref
    assert page.freeze_panes == "D2"
    assert page.auto_filter.ref == "A1:AB3"
    assert page.cell(2, NAMES.index("owned") + 1).number_format == "0.0%"


def test_the_map_is_coloured_and_the_sheet_about_is_locked(tmp_path: Path) -> None:
    book = written(tmp_path / "out.xlsx", line())
    page = book["map"]
    assert [c.value for c in page[2]] == ["segment", "Fruit", "=Dairy"]
    assert [c.value for c in page[4]] == ["=B", 0.0, 1.0]
    assert [c.value for c in page[9]] == ["=B", 0.4, 0.0]
    assert sorted(str(r.sqref) for r in page.conditional_formatting) == ["B3:C4", "B8:C9"]
    about = book["about"]
    assert about.protection.sheet
    told = {row[0].value: row[1].value for row in about.iter_rows()}
    assert told["programme"] == "Corner shop"
    assert "EUR" in told["expected"]


@pytest.mark.parametrize("suffix", ["xlsx", "csv"])
def test_what_people_fill_in_comes_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    said = {"veto": "yes", "boost": 0.5, "reason": "=mc2, they say", "note": "two\nlines"}
    write_worksheet(path, sheet(line(**said), line(product="soap")))
    names = Names("Corner shop", {"tier": {"A": "A"}}, {"apple": "apple", "soap": "soap"})
    first, second = read_rows(read_cells(path), names, "anna", "now")
    assert first.said == (True, 0.5, "=mc2, they say", "two lines")
    assert second.empty


def test_a_csv_file_as_excel_saves_it_where_the_comma_stands_before_decimals_is_read(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    heads = "by;segment;product;veto;boost;reason;note;row key"
    path.write_text(f"{heads}\ntier;A;apple;;0,5;;;\n", encoding="utf-8")
    names = Names("Corner shop", {"tier": {"A": "A"}}, {"apple": "apple"})
    assert [e.boost for e in read_rows(read_cells(path), names, "anna", "now")] == [0.5]


def test_control_characters_and_long_text_fit_a_cell(tmp_path: Path) -> None:
    page = written(tmp_path / "out.xlsx", line(offer="bell\x07", why="x" * 40_000))["worksheet"]
    assert page.cell(2, NAMES.index("offer") + 1).value == "bell\ufffd"
    assert len(page.cell(2, NAMES.index("why") + 1).value) == 32_767


def test_a_worksheet_without_rows_is_written_and_read(tmp_path: Path) -> None:
    written(tmp_path / "out.xlsx")
    assert read_rows(read_cells(tmp_path / "out.xlsx"), Names("Corner shop", {}, {}), "anna", "now") == []


def test_more_rows_than_a_sheet_holds_are_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(WorksheetInvalid, match="1,048,576 rows; a sheet of Excel holds 1,048,575"):
        write_worksheet(tmp_path / "out.xlsx", sheet(count=MOST_ROWS + 1))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over_or_to_a_strange_place(tmp_path: Path) -> None:
    (tmp_path / "there.xlsx").write_text("edits", encoding="utf-8")
    with pytest.raises(TargetExists, match="may hold edits"):
        refuse_target(tmp_path / "there.xlsx")
    with pytest.raises(WorksheetInvalid, match=r"ends in '\.xls'; must end in \.xlsx or \.csv"):
        refuse_target(tmp_path / "out.xls")
    with pytest.raises(WorksheetInvalid, match="is no folder"):
        refuse_target(tmp_path / "no" / "out.xlsx")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("gone.xlsx", None, "there is no such file"),
        ("old.xls", b"x", r"ends in '\.xls'; must be \.xlsx or \.csv"),
        ("broken.xlsx", b"PK but not really", "cannot be read as an Excel workbook"),
        ("empty.csv", b"", "is empty; must begin with the names"),
        ("latin.csv", b"by;\xe9", "byte 3 is not UTF-8"),
    ],
)
def test_files_of_a_wrong_kind_are_refused(tmp_path: Path, name: str, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WorksheetInvalid, match=told):
        read_cells(tmp_path / name)


def test_a_workbook_without_the_sheet_names_those_it_has(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "worksheets"
    book.save(tmp_path / "other.xlsx")
    with pytest.raises(
        WorksheetInvalid, match=r"has no sheet 'worksheet'; it has: worksheets.*Did you mean worksheets"
    ):
        read_cells(tmp_path / "other.xlsx")


def test_thousands_of_rows_go_out_and_come_back(tmp_path: Path) -> None:
    count = 5_000
    rows = (line(product=f"p{i}", boost=0.5 if i % 2 else None) for i in range(count))
    told: list[int] = []
    path = tmp_path / "big.xlsx"
    assert write_worksheet(path, Worksheet((), count, rows, (), "EUR"), told.append) == count == sum(told)
    names = Names("Corner shop", {"tier": {"A": "A"}}, {f"p{i}": f"p{i}" for i in range(count)})
    edits = read_rows(read_cells(path), names, "anna", "now")
    assert len(edits) == count
    assert sum(not e.empty for e in edits) == count // 2
