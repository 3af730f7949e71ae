"""A report says what people put into the decision, in their words, and is silent where nobody did."""

from __future__ import annotations

from pathlib import Path

from sample_facts import sample_facts

from rapport.reports.facts_worksheet import EditFacts, WorksheetFacts
from rapport.reports.gather_worksheet import worksheet_facts
from rapport.reports.render import render_report
from rapport.reports.sections_worksheet import worksheet_sections
from rapport.stores.turn_store import TurnStore
from rapport.workflows.worksheet_edits import Edit
from rapport.workflows.worksheet_steer import Steering, worksheet_record

EDIT = EditFacts("Soap", "tier A", "vetoed", "<b>No longer made.</b>", "anna", "2030-01-07")


def test_edits_stand_in_the_report_with_their_reasons_as_text() -> None:
    page = render_report(sample_facts(worksheet=WorksheetFacts((EDIT,), 1_200, 30, 2)))
    assert "What people decided" in page
    assert "close 1,200 pairs" in page
    assert "&lt;b&gt;No longer made." in page
    assert "<b>No longer made" not in page


def test_a_report_without_edits_has_no_such_section() -> None:
    assert "What people decided" not in render_report(sample_facts())
    many = WorksheetFacts((EDIT,) * 250, 0, 0, 0)
    (section,) = worksheet_sections(sample_facts(worksheet=many))
    table = section.blocks[0]
    assert table.kind == "table"
    assert "50 more stand in worksheet.csv." in getattr(table, "note", "")


def test_edits_are_read_from_the_record_of_the_turn(tmp_path: Path) -> None:
    store = TurnStore(tmp_path)
    counts = {"edits": 2, "without_effect": 0, "vetoed_pairs": 5, "boosted_pairs": 7}
    record = {"stages": {"score": {"counts": {"worksheet": counts}}}}
    assert worksheet_facts(store, "t", {"stages": {"score": {"counts": {}}}}) is None
    edits = (
        Edit("customer", "17", "tea", boost=0.5),
        Edit("tier", "A", "soap", veto=True, reason="gone", at="2030-01-07T09"),
    )
    told = worksheet_record(Steering(edits, 1, (), (), ()))
    store.write_json(store.turn_folder("t") / "limits.json", told)
    found = worksheet_facts(store, "t", record)
    assert found is not None
    assert [(e.whom, e.said, e.day) for e in found.edits] == [
        ("customer 17", "counts for 50% more", ""),
        ("tier A", "vetoed", "2030-01-07"),
    ]
    assert (found.vetoed_pairs, found.boosted_pairs) == (5, 7)
