"""The worksheet goes out, is edited in Excel, comes back, and the next decision obeys; as a user would."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from rapport.core import errors
from shop_runs import TURN, copied, done, rapport

TURN_FILES = ("scores.parquet", "decisions.parquet", "limits.json", "terms.json")


def edit(file: Path, *cells: tuple[str, str, str, Any]) -> Path:
    """Fill in cells of a worksheet, each named by segment, product and head; return the file of the edited one."""
    book = openpyxl.load_workbook(file)
    page = book["worksheet"]
    column = {c.value: c.column for c in page[1]}
    for segment, product, head, value in cells:
        rows = [
            r
            for r in range(2, page.max_row + 1)
            if (page.cell(r, column["segment"]).value, page.cell(r, column["product"]).value) == (segment, product)
        ]
        assert len(rows) == 1, (segment, product)
        page.cell(rows[0], column[head]).value = value
    edited = file.with_name(f"edited-{file.name}")
    book.save(edited)
    return edited


def given(shop: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(shop / "state" / "turns" / TURN / "decisions.parquet").to_pylist()
    return rows


def offers_of(decisions: list[dict[str, Any]], tier: str) -> Counter[str]:
    return Counter(o for d in decisions if d["tier"] == tier for o in d["offer_ids"])


@dataclass(frozen=True)
class Steered:
    """A shop whose worksheet was read and whose turn was decided anew; the decisions before, and what was edited."""

    shop: Path
    before: list[dict[str, Any]]
    vetoed: str
    boosted: str
    dry: dict[str, Any]
    sheet: Path


@pytest.fixture(scope="module")
def steered(composed: Path, tmp_path_factory: pytest.TempPathFactory) -> Steered:
    """Tier A's most frequent offer is vetoed, tier B's rarest boosted. Copy the shop; never write to it."""
    folder = tmp_path_factory.mktemp("steered")
    shop = copied(composed, folder / "shop")
    before = given(shop)
    most = offers_of(before, "A").most_common(1)[0][0]
    least = min(offers_of(before, "B").items(), key=lambda pair: (pair[1], pair[0]))[0]
    sheet = folder / "sheet.xlsx"
    assert f"{sheet}: 84 rows, turn {TURN}" in done("worksheet", shop, "--out", sheet, "--products", "0").out
    vetoed = ("A", most, "veto", "yes"), ("A", most, "reason", "No longer baked.")
    edited = edit(sheet, *vetoed, ("B", least, "boost", 10), ("B", least, "reason", "A new recipe."))
    dry = done("worksheet", shop, "--read", edited, "--dry-run", "--json").data
    assert not (shop / "worksheet.csv").exists()
    read = done("worksheet", shop, "--read", edited, "--editor", "anna")
    assert "Taken over as reading 1" in read.out
    assert "decide it anew: rapport turn" in read.talk
    conflict = rapport("turn", shop, "--dry-run")
    assert conflict.code == errors.TurnConflict.exit_code
    assert "the worksheet changed since it began" in conflict.talk
    done("turn", shop, "--restart", "--dry-run")
    return Steered(shop, before, most, least, dry, sheet)


def test_a_dry_run_says_what_the_edits_would_do(steered: Steered) -> None:
    dry = steered.dry
    assert dry["reading"] is None
    assert dry["edits"]["new"] == dry["edits"]["in_force"] == 2
    assert dry["effect"]["touched"]["closed_pairs"] == sum(d["tier"] == "A" for d in steered.before)
    moved = {o["product"]: (o["given"], o["would_be_given"]) for o in dry["effect"]["decision"]["offers"]}
    assert moved[steered.vetoed][0] > moved[steered.vetoed][1]
    assert moved[steered.boosted][0] < moved[steered.boosted][1]


def test_what_people_veto_and_boost_is_obeyed(steered: Steered) -> None:
    before, after = steered.before, given(steered.shop)
    assert offers_of(after, "A")[steered.vetoed] == 0
    assert offers_of(after, "B")[steered.boosted] > offers_of(before, "B")[steered.boosted]
    assert {d["policy_version"] for d in before}.isdisjoint(d["policy_version"] for d in after)
    path = steered.shop / "state" / "turns" / TURN / "turn.json"
    counted = json.loads(path.read_text(encoding="utf-8"))["stages"]["score"]["counts"]["worksheet"]
    assert (counted["edits"], counted["without_effect"]) == (2, 0)


def test_a_decision_is_explained_with_the_persons_reason(steered: Steered) -> None:
    after = given(steered.shop)
    who = next(d["customer_id"] for d in after if d["tier"] == "A")
    why = done("explain", steered.shop, who, "--json").data
    assert why["same_when_decided_alone"]
    (vetoed,) = [e for e in why["excluded"] if e["reason"] == "VETOED"]
    assert vetoed["why"].startswith(f'{steered.vetoed}, for tier A: "No longer baked." (anna, ')
    who = next(d["customer_id"] for d in after if d["tier"] == "B" and steered.boosted in d["offer_ids"])
    told = done("explain", steered.shop, who).out
    assert f'{steered.boosted}, for tier B: counts for 1000% more: "A new recipe." (anna, ' in told


def test_a_decision_at_once_obeys_too(steered: Steered, tmp_path: Path) -> None:
    shop = copied(steered.shop, tmp_path / "shop")
    found = next(d for d in given(shop) if d["tier"] == "B" and steered.boosted in d["offer_ids"])
    now = done("now", shop, found["customer_id"], "--json").data
    assert steered.boosted in json.dumps(now)


def test_edits_stand_in_the_next_sheet_and_are_taken_back_by_emptying_and_by_undoing(
    steered: Steered, composed: Path, tmp_path: Path
) -> None:
    shop, most = copied(steered.shop, tmp_path / "shop"), steered.vetoed
    shown = done("worksheet", shop, "--show").out
    assert "No longer baked." in shown
    assert "reading 1 of" in shown
    again = tmp_path / "again.xlsx"
    done("worksheet", shop, "--out", again)
    page = openpyxl.load_workbook(again)["worksheet"]
    assert [c.value for c in page["E"]].count("yes") == 1
    lifted = edit(again, ("A", most, "veto", None), ("A", most, "reason", None))
    assert done("worksheet", shop, "--read", lifted, "--json").data["edits"]["cleared"] == 1
    assert "is taken back; 2 edits in force" in done("worksheet", shop, "--undo").out
    assert "is taken back; 0 edits in force" in done("worksheet", shop, "--undo").out
    assert not (shop / "worksheet.csv").exists()
    # Without edits the turn comes out byte by byte as it was before the first.
    done("turn", shop, "--restart", "--dry-run")
    for name in TURN_FILES:
        path = Path("state") / "turns" / TURN / name
        assert (shop / path).read_bytes() == (composed / path).read_bytes(), name


def test_a_bad_sheet_is_told_cell_by_cell_and_nothing_is_taken_over(composed: Path, tmp_path: Path) -> None:
    shop = copied(composed, tmp_path / "shop")
    sheet = tmp_path / "sheet.xlsx"
    done("worksheet", shop, "--out", sheet)
    bad = edit(sheet, ("A", "Milk", "boost", "lots"), ("B", "Milk", "veto", "=TRUE()"), ("C", "Milk", "note", "fine"))
    ran = rapport("worksheet", shop, "--read", bad)
    assert ran.code == errors.WorksheetInvalid.exit_code == 10
    assert ran.out == ""
    assert "2 faults; nothing was taken over" in ran.talk
    assert 'boost is "lots"; must be a number in [-0.9, 10]. Give 0.5 for half as much again.' in ran.talk
    assert 'sheet "worksheet", cell E' in ran.talk
    assert not (shop / "worksheet.csv").exists()
    assert not (shop / "state" / "worksheet").exists()


def test_customers_and_traits_make_rows_and_csv_does_as_well(composed: Path, tmp_path: Path) -> None:
    shop = copied(composed, tmp_path / "shop")
    found = done("worksheet", shop, "--customers", "K0001,K0002", "--products", "3", "--json").data
    assert [(r["by"], r["segment"]) for r in found["rows"]] == [("customer", "K0001")] * 3 + [
        ("customer", "K0002")
    ] * 3
    for row in found["rows"]:
        assert row["expected_low"] <= row["expected"] <= row["expected_high"]
        assert row["why"]
    sheet = tmp_path / "bands.csv"
    done("worksheet", shop, "--by", "age_band", "--out", sheet)
    text = sheet.read_text(encoding="utf-8-sig")
    line = next(part for part in text.splitlines() if part.startswith("age_band,(not known),"))
    sheet.write_text(text.replace(line, line.replace(",,,,,", ",yes,,ask first,,", 1)), encoding="utf-8")
    read = done("worksheet", shop, "--read", sheet, "--json").data
    assert read["edits"]["new"] == 1
    assert read["effect"]["touched"]["closed_pairs"] > 0
    assert "(not known)" in (shop / "worksheet.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "give --out FILE.xlsx, --read FILE.xlsx, --show or --undo"),
        (("--show", "--undo"), 2, "do not go together"),
        (("--dry-run", "--show"), 2, "--dry-run goes with --read FILE"),
        (("--by", "tier", "--customers", "top 5", "--json"), 2, "--customers goes with --by customer"),
        (("--customers", "top 0", "--json"), 2, "top 0 asks for nobody"),
        (
            ("--by", "age", "--json"),
            10,
            "--by: is 'age'; must be one of: tier, needs_group, top_department, first_name",
        ),
        (("--customers", "K9999", "--json"), 7, "customer 'K9999' is not in turn"),
        (("--out", "sheet.xls"), 10, "must end in .xlsx or .csv"),
        (("--read", "none.xlsx"), 10, "there is no such file"),
        (("--undo",), 7, "there is none to take back"),
        (("--turn", "2020-W01", "--json"), 7, "is not known"),
    ],
)
def test_wrong_wishes_are_told(composed: Path, tmp_path: Path, words: tuple[str, ...], code: int, told: str) -> None:
    shop = copied(composed, tmp_path / "shop")
    ran = rapport("worksheet", shop, *words)
    assert ran.code == code, ran.talk
    assert told in ran.talk
    assert "Traceback" not in ran.talk


def test_nothing_is_in_force_where_nobody_edited(shop: Path, tmp_path: Path) -> None:
    new = copied(shop, tmp_path / "shop")
    assert done("worksheet", new, "--show").out == "No edit is in force.\n"
    ran = rapport("worksheet", new, "--out", tmp_path / "sheet.xlsx")
    assert ran.code == errors.UnknownTurn.exit_code


def test_a_spoiled_file_of_edits_stops_the_turn_with_its_line(composed: Path, tmp_path: Path) -> None:
    shop = copied(composed, tmp_path / "shop", state=False)
    head = "by,segment,product,veto,boost,reason,note,editor,at"
    (shop / "worksheet.csv").write_text(f"{head}\ntier,A,Milk,,much,,,,\n", encoding="utf-8")
    for command in ("check", "turn"):
        ran = rapport(command, shop)
        assert ran.code == 10
        assert "worksheet.csv line 2: boost is 'much'; must be a number in [-0.9, 10]" in ran.talk
    assert not (shop / "state").exists()
