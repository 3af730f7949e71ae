"""What a spreadsheet program might compute is shown as text instead."""

from __future__ import annotations

import pytest

from rapport.core.cells import safe_cell


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_what_may_begin_a_formula_is_marked_as_text(text: str) -> None:
    assert safe_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "Anna", "a=b", "-12.5", "+43 1 5870", "1-2", "O'Neil", "' =x"])
def test_other_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text
