"""Who is held out and who was contacted outlive every turn but one that is discarded."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from rapport.core.errors import StateDamaged
from rapport.stores.memory import Memory


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "state" / "memory.db")


def test_once_held_out_a_household_stays_so_for_every_later_process(memory: Memory, tmp_path: Path) -> None:
    assert memory.held_out().tolist() == []
    assert memory.held_out().dtype == np.int64
    memory.hold_out([5, -(2**63), 2**63 - 1], "w1")
    memory.hold_out(np.array([5, 6]), "w2")
    memory.hold_out([5, 6], "w2")
    memory.hold_out([], "w3")
    assert Memory(tmp_path / "state" / "memory.db").held_out().tolist() == [-(2**63), 5, 6, 2**63 - 1]
    with sqlite3.connect(tmp_path / "state" / "memory.db") as c:
        assert sorted(c.execute("SELECT turn FROM holdout WHERE household_key = 5")) == [("w1",), ("w2",)]
    c.close()


def test_a_discarded_turn_leaves_nobody_held_out_whom_no_other_turn_holds_out(memory: Memory) -> None:
    memory.hold_out([1, 2], "w1")
    memory.hold_out([2, 3], "w2")
    memory.forget_holdout("w2")
    assert memory.held_out().tolist() == [1, 2]


def test_a_discarded_turn_leaves_held_out_whom_a_turn_planned_after_it_holds_out(memory: Memory) -> None:
    memory.hold_out([1, 2], "w1")
    memory.hold_out([2, 3], "w2")
    memory.forget_holdout("w1")
    assert memory.held_out().tolist() == [2, 3]
    memory.forget_holdout("w1")
    memory.forget_holdout("w2")
    assert memory.held_out().tolist() == []


def test_a_delivery_is_remembered_once(memory: Memory) -> None:
    day, next_day = date(2030, 1, 7), date(2030, 1, 8)
    first = [("t1", 1, "w1", day, "email", True), ("t2", 2, "w1", day, "email", True)]
    assert memory.remember_deliveries(first) == 2
    assert memory.remember_deliveries([first[0], ("t3", 2, "w1", day, "till", True)]) == 1
    assert memory.remember_deliveries([]) == 0
    assert memory.contacts(day, next_day, "w2") == {1: 1, 2: 2}


def test_what_was_withheld_counts_as_a_contact_but_makes_no_turn_a_sent_one(memory: Memory) -> None:
    day, next_day = date(2030, 1, 7), date(2030, 1, 8)
    memory.remember_deliveries([("t1", 1, "w1", day, "email", False), ("t2", 2, "w2", day, "email", False)])
    assert memory.contacts(day, next_day, "w3") == {1: 1, 2: 1}
    assert memory.turns() == set()
    memory.remember_deliveries([("t3", 3, "w2", day, "email", True), ("t4", 4, "w2", day, "email", True)])
    assert memory.turns() == {"w2"}


def test_contacts_of_the_turn_itself_do_not_count(memory: Memory) -> None:
    day, next_day = date(2030, 1, 7), date(2030, 1, 8)
    memory.remember_deliveries([("t1", 1, "w1", day, "email", True), ("t2", 1, "w2", day, "email", True)])
    memory.remember_deliveries([("t3", 2, "w2", day, "email", False)])
    assert memory.contacts(day, next_day, "w2") == {1: 1}
    assert memory.contacts(day, next_day, "w1") == {1: 1, 2: 1}


def test_contacts_count_from_the_first_day_to_the_day_before_the_last(memory: Memory) -> None:
    days = [date(2029, 12, 31), date(2030, 1, 1), date(2030, 1, 27), date(2030, 1, 28)]
    memory.remember_deliveries([(f"t{d}", 1, "w", d, "email", True) for d in days])
    assert memory.contacts(date(2030, 1, 1), date(2030, 1, 28), "") == {1: 2}
    assert memory.contacts(date(2030, 1, 28), date(2030, 1, 28), "") == {}


def test_a_transaction_that_fails_remembers_nothing(memory: Memory) -> None:
    day = date(2030, 1, 1)
    with pytest.raises(AttributeError):
        memory.remember_deliveries([("t1", 1, "w", day, "email", True), ("t2", 1, "w", None, "email", True)])  # type: ignore[list-item]
    assert memory.contacts(date(2029, 1, 1), date(2031, 1, 1), "") == {}
    assert memory.turns() == set()


@pytest.mark.parametrize("damage", ["text", "folder"])
def test_a_damaged_memory_is_told_by_name(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "memory.db"
    if damage == "text":
        path.write_bytes(b"this is no database, however long it may be" * 50)
    else:
        path.mkdir()
    with pytest.raises(StateDamaged, match=r"memory\.db: .*Restore"):
        Memory(path).held_out()
