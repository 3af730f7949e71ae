"""Edits are kept in a file that people can read, line faults are told, and every reading can be taken back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rapport.core.errors import LookupFailed, WorksheetInvalid
from rapport.stores.turn_store import TurnStore
from rapport.workflows.worksheet_edits import (
    EDITS_FILE,
    Edit,
    boost_of,
    edits_text,
    guarded,
    keep_change,
    merge_edits,
    parse_edits,
    read_edits,
    readings,
    undo_last,
    unguarded,
    veto_of,
)
from rapport.workflows.worksheet_steer import (
    NOT_KNOWN,
    boosts_for,
    edits_about,
    segments_of,
    steer,
    touches,
    veto,
    with_boosts,
    worksheet_counts,
    worksheet_record,
    worksheet_version,
)
from worlds import catalogue_table

TOLD = {"editor": "anna", "at": "2030-01-07T09:00:00+00:00", "file": "sheet.xlsx"}
APPLE = Edit("tier", "A", "apple", veto=True, reason="=gone", editor="anna", at="2030-01-07")
SOAP = Edit("customer", "-17", "soap, liquid", boost=0.5, note='said "yes"')


def test_edits_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    (tmp_path / EDITS_FILE).write_text(edits_text([SOAP, APPLE]), encoding="utf-8")
    assert read_edits(tmp_path) == (SOAP, APPLE)
    lines = edits_text([APPLE, SOAP]).splitlines()
    assert lines[0] == "by,segment,product,veto,boost,reason,note,editor,at"
    # In the order of what they are about, and nothing that a spreadsheet takes for a formula.
    assert lines[1].startswith("customer,'-17,")
    assert ",'=gone," in lines[2]
    odd = Edit("customer", "a\rb", 'c,"d"', reason="\r=1")
    (tmp_path / EDITS_FILE).write_text(edits_text([odd]), encoding="utf-8", newline="")
    assert read_edits(tmp_path) == (odd,)
    assert edits_text([SOAP, APPLE]) == edits_text([APPLE, SOAP])


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "'=1", "''-x", "'quoted'", "plain", "", "a=b"])
def test_text_is_guarded_from_formulas_and_comes_back(text: str) -> None:
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t"))
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize(
    ("value", "boost"),
    [(None, 0.0), ("", 0.0), (" ", 0.0), (0.5, 0.5), ("0,5", 0.5), ("-0.9", -0.9), (10, 10.0)]
    + [(v, None) for v in ("lots", "50%", -0.91, 10.1, float("nan"), float("inf"), True, "1,000.5")],
)
def test_a_boost_is_a_number_in_its_range(value: object, boost: float | None) -> None:
    assert boost_of(value) == boost


def test_a_veto_is_yes_or_nothing() -> None:
    assert [veto_of(v) for v in ("yes", " YES ", "", None)] == [True, True, False, False]
    assert [veto_of(v) for v in ("no", "x", True, 1)] == [None] * 4


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("tier,A,apple,maybe,,,,,", "line 2: veto is 'maybe'; must be yes or empty"),
        ("tier,A,apple,,lots,,,,", r"line 2: boost is 'lots'; must be a number in \[-0.9, 10\]"),
        ("tier,,apple,yes,,,,,", "line 2: segment is empty"),
        ("tier,A", "line 2: has more or fewer cells"),
        ("tier,A,apple,yes,,,,,\ntier,A,apple,,1,,,,", "line 3: 'apple' for tier 'A' stands twice"),
    ],
)
def test_a_wrong_line_of_the_file_is_told_by_its_number(line: str, told: str) -> None:
    with pytest.raises(WorksheetInvalid, match=told):
        parse_edits(edits_text([]) + line + "\n")


def test_strange_columns_and_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WorksheetInvalid, match="columns are by, what; must be"):
        parse_edits("by,what\n")
    (tmp_path / EDITS_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(WorksheetInvalid, match="not UTF-8"):
        read_edits(tmp_path)


def test_a_filled_row_sets_an_edit_an_empty_one_clears_it_and_what_is_not_named_stays() -> None:
    pear = Edit("tier", "B", "pear", boost=1.0)
    change = merge_edits([APPLE, SOAP], [Edit("tier", "A", "apple"), pear, Edit("tier", "C", "pear")])
    assert (change.new, change.cleared, change.changed, change.same) == ((pear,), (APPLE,), (), 0)
    assert change.after == (SOAP, pear)
    again = merge_edits(change.after, [Edit("tier", "B", "pear", boost=1.0, editor="eva", at="later")])
    # Who first said it stays on record where nothing else is said.
    assert again.nothing
    assert again.after == change.after
    assert merge_edits([pear], [Edit("tier", "B", "pear", boost=2.0)]).counts() == {
        "new": 0,
        "changed": 1,
        "cleared": 0,
        "same": 0,
        "in_force": 1,
    }


def test_readings_are_taken_back_one_after_another(tmp_path: Path) -> None:
    store = TurnStore(tmp_path)
    assert keep_change(store, tmp_path, merge_edits([], [APPLE]), TOLD) == 1
    assert keep_change(store, tmp_path, merge_edits([APPLE], [SOAP]), TOLD) == 2
    assert read_edits(tmp_path) == (SOAP, APPLE)
    assert undo_last(store, tmp_path, TOLD)["number"] == 2
    assert read_edits(tmp_path) == (APPLE,)
    assert undo_last(store, tmp_path, TOLD)["number"] == 1
    # With no edit there is no file, so the programme is as it was before the first.
    assert not (tmp_path / EDITS_FILE).exists()
    with pytest.raises(LookupFailed, match="none to take back"):
        undo_last(store, tmp_path, TOLD)
    assert [r["undone"]["editor"] for r in readings(store)] == ["anna", "anna"]


def test_a_change_by_hand_is_not_lost_by_undoing(tmp_path: Path) -> None:
    store = TurnStore(tmp_path)
    keep_change(store, tmp_path, merge_edits([], [APPLE]), TOLD)
    (tmp_path / EDITS_FILE).write_text(edits_text([SOAP]), encoding="utf-8")
    with pytest.raises(WorksheetInvalid, match="changed by hand"):
        undo_last(store, tmp_path, TOLD)


# Six customers in two tiers; three offers, item 0 to item 2.
CUSTOMERS = pa.table(
    {
        "customer_id": [f"c{i}" for i in range(6)],
        "tier": ["A", "A", "A", "B", "B", "B"],
        "band": pa.array(["old", "young", None, "old", "young", None], pa.string()),
    }
)
OFFERS = catalogue_table([1, 1, 1])


def steered(*edits: Edit, levers: tuple[float, ...] = (0.0, 0.0, 0.0)) -> object:
    return steer(edits, CUSTOMERS, OFFERS, np.array(levers))


def test_groups_come_in_order_and_those_not_known_last() -> None:
    codes, names = segments_of(CUSTOMERS, "band")
    assert names == ["old", "young", NOT_KNOWN]
    assert codes.tolist() == [0, 1, 2, 0, 1, 2]
    with pytest.raises(WorksheetInvalid, match=r"'bands'; must be one of: tier, .*Did you mean band"):
        segments_of(CUSTOMERS, "bands")
    with pytest.raises(WorksheetInvalid, match="no needs groups"):
        segments_of(CUSTOMERS, "needs_group")


def test_a_veto_closes_what_is_open_for_the_group_and_nothing_else() -> None:
    excluded = np.zeros((6, 3), np.int8)
    excluded[0, 1] = 4
    steering = steer(
        (Edit("tier", "A", "item 1", veto=True), Edit("customer", "c5", "item 0", veto=True)),
        CUSTOMERS,
        OFFERS,
        np.zeros(3),
    )
    veto(excluded, steering, -3)
    # The rule's own number stands where a rule had closed the offer.
    assert excluded[:, 1].tolist() == [4, -3, -3, 0, 0, 0]
    assert excluded[:, 0].tolist() == [0, 0, 0, 0, 0, -3]
    assert not excluded[:, 2].any()
    assert worksheet_counts(steering, excluded, -3)["worksheet"]["vetoed_pairs"] == 3


def test_boosts_of_several_groups_multiply_and_only_open_pairs_are_listed() -> None:
    excluded = np.zeros((6, 3), np.int8)
    excluded[1, 2] = 1
    steering = steer(
        (
            Edit("tier", "A", "item 2", boost=1.0),
            Edit("band", "old", "item 2", boost=0.5),
            Edit("customer", "c3", "item 0", boost=-0.5),
        ),
        CUSTOMERS,
        OFFERS,
        np.zeros(3),
    )
    found = boosts_for(steering, excluded)
    assert found is not None
    # c0 is of tier A and old: 2 x 1.5 - 1 = 2; c1's offer is closed; c2 is of tier A; c3 is old and named.
    assert found.start.tolist() == [0, 1, 1, 2, 4, 4, 4]
    assert found.offers.tolist() == [2, 2, 0, 2]
    assert found.boosts.tolist() == [2.0, 1.0, -0.5, 0.5]
    table = with_boosts(pa.table({"x": list(range(6))}), found)
    assert table["boosts"].to_pylist() == [[2.0], [], [1.0], [-0.5, 0.5], [], []]


def test_edits_about_what_is_not_there_have_no_effect_and_are_named() -> None:
    gone = (Edit("tier", "Z", "item 0", veto=True), Edit("tier", "A", "wool", boost=1.0), Edit("sex", "f", "item 1"))
    steering = steer(gone, CUSTOMERS, OFFERS, np.zeros(3))
    assert steering.idle == gone
    assert boosts_for(steering, np.zeros((6, 3), np.int8)) is None
    assert touches(gone, CUSTOMERS, OFFERS, np.zeros((6, 3), np.int8)) == [0, 0, 0]


def test_boosts_beyond_what_can_be_counted_are_refused() -> None:
    with pytest.raises(WorksheetInvalid, match="'item 0', and levers on it, multiply to 1210"):
        steered(
            Edit("tier", "A", "item 0", boost=10.0), Edit("band", "old", "item 0", boost=10.0), levers=(9.0, 0.0, 0.0)
        )


def test_edits_about_a_customer_are_those_of_them_and_of_their_groups() -> None:
    mine = [Edit("customer", "c3", "x"), Edit("tier", "B", "x"), Edit("band", "old", "x")]
    others = [Edit("customer", "c2", "x"), Edit("tier", "A", "x"), Edit("band", "young", "x")]
    assert edits_about([*mine, *others], CUSTOMERS.slice(3, 1)) == mine


def test_the_policy_is_named_anew_when_what_steers_changes_and_not_when_words_do() -> None:
    def version(*edits: Edit) -> list[str]:
        return list(worksheet_version(worksheet_record(steer(edits, CUSTOMERS, OFFERS, np.zeros(3)))))

    one = Edit("tier", "A", "item 0", boost=1.0)
    assert version() == []
    assert version(one) == version(Edit("tier", "A", "item 0", boost=1.0, reason="said"))
    assert version(one) != version(Edit("tier", "A", "item 0", boost=2.0))
