"""Profiles from the memory, corrections, and what is done with what is outdated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from customer_memories import ListedMemory
from rapport.program.identify import Identify
from rapport.program.model import Program
from rapport.program.part import Misplaced
from rapport.program.questions import Question, check_questions
from rapport.workflows.identity_records import Trait
from rapport.workflows.profiles import all_profiles, correct, outdated_now, profile_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=1500)


def program(**settings: Any) -> Program:
    return Program.model_construct(people=(), identify=Identify(**settings))


def test_a_correction_stands_until_it_is_too_old() -> None:
    kept, memory = ListedMemory.of({"C1": [5, 6]})
    kept.remember_traits([Trait(6, "city", "Graz", "crm", NOW)])
    assert correct(memory.records, memory.profiles, "C1", "city", "Linz", NOW) == 1
    (row,) = profile_of(memory.profiles, program(), "C1", NOW)
    assert (row["value"], row["why"]) == ("Linz", "CORRECTED")
    assert all_profiles(memory.profiles, program(), NOW).table.to_pylist() == [row]


@pytest.mark.parametrize(("deed", "left"), [("keep", 3), ("ask", 3), ("delete", 1)])
def test_the_outdated_are_deleted_only_where_the_programme_says_so(deed: str, left: int) -> None:
    kept, memory = ListedMemory.of({"C1": [5], "C2": [6]})
    said = [(5, "city", "Graz", OLD), (5, "hobby", "chess", OLD), (6, "city", "Wien", NOW)]
    kept.remember_traits([Trait(n, f, v, "crm", at) for n, f, v, at in said])
    plan, gone = outdated_now(memory.profiles, program(outdated=deed), ["city"], NOW)
    assert (len(kept.held), gone) == (left, 3 - left)
    assert sum(sum(c.values()) for c in plan.counts().values()) == 2


def test_questions_and_criteria_that_cannot_be_are_refused() -> None:
    one = Question(field="email", text="?", annoyance=0, channels=("emial",))
    with pytest.raises(Misplaced, match="Did you mean email"):
        check_questions([one], ["email"])
    with pytest.raises(Misplaced, match="fields of questions must differ"):
        check_questions([one.model_copy(update={"channels": None})] * 2, ["email"])
    for answers in (("a",), ("a", "a")):
        with pytest.raises((ValidationError, Misplaced), match="answer"):
            Question(field="x", text="?", annoyance=0, answers=answers)
    with pytest.raises(ValidationError, match="more than once"):
        Identify(survivorship=("belief", "belief"))
