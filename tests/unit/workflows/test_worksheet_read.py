"""Every wrong cell of a worksheet is told by its place, all at once, and nothing is taken over."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rapport.core.errors import WorksheetInvalid
from rapport.workflows.worksheet_columns import NEEDED, row_key
from rapport.workflows.worksheet_edits import Edit
from rapport.workflows.worksheet_read import Cell, Cells, Names, letters, read_rows

NAMES = Names(
    "Corner shop",
    {"tier": {"A": "A", "B": "B"}, "customer": {"17": "17", "c\ufffd": "c\x07"}},
    {"apple": "apple", "soap": "soap"},
)
HEADS = [c.head for c in NEEDED]
"""by, segment, product, veto, boost, reason, note, row key: columns A to H."""


def row(by: object, segment: object, product: object, *edits: object, key: str | None = None) -> list[Cell]:
    told = row_key("Corner shop", str(by), str(segment), str(product)) if key is None else key
    filled = [*edits, *[None] * (4 - len(edits))]
    return [c if isinstance(c, Cell) else Cell(c) for c in (by, segment, product, *filled, told)]


def sheet(*rows: list[Cell], heads: Sequence[str] = HEADS, name: str | None = "worksheet", **about: str) -> Cells:
    return Cells("edited.xlsx", name, heads, iter(enumerate(rows, start=2)), about)


def read(cells: Cells) -> list[Edit]:
    return read_rows(cells, NAMES, "anna", "2030-01-07")


def faults(cells: Cells) -> list[str]:
    with pytest.raises(WorksheetInvalid) as caught:
        read(cells)
    # All are of one sheet.
    return [line.removeprefix('sheet "worksheet", ') for line in str(caught.value).splitlines()]


def test_rows_become_edits_with_who_and_when() -> None:
    found = read(
        sheet(row("tier", "A", "apple", "Yes", 0.5, " two\nlines ", "n"), row("customer", 17.0, "soap", key=""))
    )
    assert found == [
        Edit("tier", "A", "apple", True, 0.5, "two lines", "n", "anna", "2030-01-07"),
        Edit("customer", "17", "soap", editor="anna", at="2030-01-07"),
    ]
    assert found[1].empty


def test_columns_are_found_by_name_wherever_they_stand_and_blank_rows_are_passed_over() -> None:
    turned = sheet(list(reversed(row("tier", "A", "apple", "yes"))), [Cell(None)] * 8, heads=HEADS[::-1])
    assert [e.veto for e in read(turned)] == [True]
    assert read(sheet(heads=[*HEADS, "mine"])) == []


def test_columns_of_excel_are_named_as_excel_does() -> None:
    assert [letters(i) for i in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


def test_every_fault_is_told_by_its_cell_and_all_of_them_at_once() -> None:
    told = faults(
        sheet(
            row("tier", "A", "apple", "maybe", "lots"),
            row("tier", "C", "apple"),
            row("tier", "A", "aple", None, 10.5),
            row("tiers", "A", "soap"),
            row("tier", "B", "apple", Cell("=1+1", formula=True), Cell("=A1", formula=True)),
            row("tier", "B", "soap", None, -1, "x" * 501),
            row("tier", "B", "soap"),
            row("tier", "", "apple", True),
        )
    )
    assert told == [
        "edited.xlsx: 13 faults; nothing was taken over.",
        'cell E2: boost is "lots"; must be a number in [-0.9, 10]. Give 0.5 for half as much again.',
        'cell D2: veto is "maybe"; must be yes or empty. Empty it to lift the veto.',
        'cell B3: segment is "C"; must be one of: A, B. Restore it, or remove the row.',
        "cell E4: boost is 10.5; must be a number in [-0.9, 10]. Give 0.5 for half as much again.",
        'cell C4: product is "aple"; must be one of: apple, soap. Did you mean apple? Restore it, or remove the row.',
        'cell A5: by is "tiers"; must be one of: tier, customer. Did you mean tier? Restore it, or remove the row.',
        "cell D6: veto is the formula '=1+1'; must be a value. Type the value itself.",
        "cell E6: boost is the formula '=A1'; must be a value. Type the value itself.",
        "cell E7: boost is -1; must be a number in [-0.9, 10]. Give 0.5 for half as much again.",
        "cell F7: reason has 501 characters; at most 500 are kept. Shorten it.",
        'cell C8: "soap" for tier "B" stands in row 7 already; must stand once. Remove one of the rows.',
        "cell D9: veto is TRUE; must be yes or empty. Empty it to lift the veto.",
        "cell B9: segment is empty; must be one of: A, B. Restore it, or remove the row.",
    ]


def test_a_changed_key_column_is_told_at_the_row_key() -> None:
    right = row("tier", "A", "soap")
    changed = row("tier", "B", "apple", "yes", key=row_key("Corner shop", "tier", "A", "apple"))
    assert faults(sheet(right, changed))[1] == (
        'cell H3: does not fit tier "B", product "apple": one of them was changed. Restore them, or '
        "empty the row key to make it a row of your own."
    )


def test_a_missing_or_doubled_column_is_told_by_name() -> None:
    told = faults(sheet(heads=[*HEADS[:4], "bost", *HEADS[5:], "veto"]))
    assert told == [
        "edited.xlsx: column 'veto' stands twice, in D and I; must stand once. Remove one.",
        "edited.xlsx: column 'boost' is missing; there are: by, segment, product, veto, bost, reason, note, row key, "
        "veto. Did you mean bost? Restore it in the first row.",
    ]


def test_a_sheet_of_another_programme_is_refused_by_what_it_says_or_by_its_keys() -> None:
    assert "is of the programme 'Other'; this programme is 'Corner shop'" in faults(sheet(programme="Other"))[0]
    foreign = row("tier", "A", "apple", "yes", key=row_key("Other", "tier", "A", "apple"))
    assert "no row key fits the programme 'Corner shop'" in faults(sheet(foreign))[0]


def test_faults_of_a_csv_file_are_told_by_line_and_column() -> None:
    told = faults(sheet(row("tier", "A", "apple", None, "x"), name=None))
    assert told[1].startswith('edited.xlsx line 2, column boost: boost is "x"')


def test_names_that_cells_cannot_hold_are_known_as_they_are_shown() -> None:
    (edit,) = read(
        sheet(row("customer", "c\ufffd", "apple", "yes", key=row_key("Corner shop", "customer", "c\x07", "apple")))
    )
    assert edit.segment == "c\x07"
