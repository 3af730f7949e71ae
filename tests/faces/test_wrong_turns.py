"""Turns and state that are not as they must be: the exit code, a message to mend it by, nothing half-written."""

from __future__ import annotations

import fcntl
import signal
import time
from pathlib import Path

import pytest
import test_wrong_programmes as wrong
from failures import Failure, fails, nothing

from rapport.core import errors
from shop_runs import TURN, copied, done, half_written, listing, rapport, rewrite, started


def test_a_stage_before_its_turn_says_that_none_has_begun(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    fails(Failure("", errors.UnknownTurn, 7, nothing, ("no turn has begun",), ("plan", ".")), folder)
    assert half_written(folder) == []


def test_a_stage_whose_earlier_stage_is_missing_names_it(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    done("load", folder)
    early = Failure("", errors.StageMissing, 6, nothing, ("score needs state first", "rapport state"))
    fails(Failure("", early.leaf, 6, early.spoil, early.words, ("score", ".")), folder)
    fails(Failure("", errors.StageMissing, 6, early.spoil, ("no decisions yet",), ("explain", ".", "K0001")), folder)
    assert half_written(folder) == []


def test_a_programme_changed_in_the_middle_of_a_turn_is_refused_until_it_is_changed_back(
    composed: Path, tmp_path: Path
) -> None:
    folder = copied(composed, tmp_path / "shop")
    before = listing(folder / "state" / "turns")
    rewrite(folder / "program.toml", "portfolio_size = 5", "portfolio_size = 3")
    changed = Failure(
        "",
        errors.TurnConflict,
        6,
        nothing,
        (TURN, "or the worksheet changed", "--restart"),
    )
    fails(changed, folder)
    assert listing(folder / "state" / "turns") == before
    rewrite(folder / "program.toml", "portfolio_size = 3", "portfolio_size = 5")
    done("send", folder)


def test_data_changed_in_the_middle_of_a_turn_are_refused(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    done("load", folder)
    rewrite(folder / "sources" / "customers.csv", "K0001", "K9001")
    changed = Failure("", errors.TurnConflict, 6, nothing, (TURN, "the data changed"))
    fails(Failure("", changed.leaf, 6, changed.spoil, changed.words, ("state", ".")), folder)


def test_a_second_process_on_the_same_programme_is_told_to_wait(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "shop")
    with (folder / "state" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = listing(folder)
        fails(Failure("", errors.TurnBusy, 6, nothing, ("another process", "Wait")), folder)
        assert listing(folder) == before
    done("turn", folder)


@pytest.mark.parametrize(
    ("file", "command"),
    [
        (f"turns/{TURN}/decisions.parquet", ("explain", ".", "K0001")),
        (f"turns/{TURN}/turn.json", ("turn", ".")),
        ("memory.db", ("send", ".")),
    ],
)
def test_a_damaged_file_of_the_state_is_named(
    file: str, command: tuple[str, ...], composed: Path, tmp_path: Path
) -> None:
    folder = copied(composed, tmp_path / "shop")
    (folder / "state" / file).write_bytes(b"\x00 not what it was \x00" * 300)
    name = Path(file).name
    fails(Failure("", errors.StateDamaged, 6, nothing, (name,), command), folder)
    assert half_written(folder) == []


def test_an_unknown_customer_and_turn_offer_the_nearest(turned: Path) -> None:
    before = listing(turned)
    none = Failure("", errors.UnknownCustomer, 7, nothing, ("K1234", "300 customers", "Did you mean K0"))
    fails(Failure("", none.leaf, 7, none.spoil, none.words, ("explain", ".", "K1234")), turned)
    words = ("2026-W11", f"Did you mean {TURN}")
    fails(
        Failure("", errors.UnknownTurn, 7, none.spoil, words, ("explain", ".", "K0001", "--turn", "2026-W11")), turned
    )
    assert listing(turned) == before


@pytest.mark.parametrize("what", ["folder", "file"])
def test_new_never_overwrites(what: str, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    if what == "folder":
        target.mkdir()
        (target / "notes.txt").write_text("mine", encoding="utf-8")
    else:
        target.write_text("mine", encoding="utf-8")
    before = listing(tmp_path)
    ran = rapport("new", target)
    assert (ran.code, ran.out) == (errors.TargetExists.exit_code, "") == (8, "")
    assert "not empty" in ran.talk
    assert listing(tmp_path) == before


def test_new_below_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    ran = rapport("new", tmp_path / "file" / "shop")
    assert (ran.code, ran.out) == (1, "")
    assert ran.talk.startswith("error: ")
    assert ran.talk.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("trun", "shop"), "Did you mean turn?"),
        (("check",), "Missing argument 'PROGRAM'"),
        (("turn", "shop", "--as-of", "2025-13-01"), "write YYYY-MM-DD"),
        (("explain", "shop", "K0001", "--alternatives", "-1"), "--alternatives"),
        (("turn", "shop", "--hurry"), "--hurry"),
    ],
)
def test_wrong_usage_leaves_with_two(words: tuple[str, ...], told: str) -> None:
    ran = rapport(*words)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.talk


def test_every_leaf_of_the_tree_is_reached_here() -> None:
    """Each leaf is raised through the command line by a test; a new leaf must be added there."""
    reached = {f.leaf for f in (*wrong.PROGRAMME, *wrong.SOURCES, *wrong.OFFERS, *wrong.LIMITS)}
    reached |= {errors.StageMissing, errors.TurnConflict, errors.TurnBusy, errors.StateDamaged}
    # In the tests of `rapport allocate`, `rapport worksheet` and `rapport needs`.
    reached |= {errors.InstanceInvalid, errors.WorksheetInvalid, errors.UnknownGroup}
    reached |= {errors.UnknownCustomer, errors.UnknownTurn, errors.TargetExists}
    # In the tests of what the memory refuses.
    reached |= {errors.StateNewer, errors.StateUnreachable, errors.UnknownMerge, errors.UnknownTask}
    assert {e.__name__ for e in _leaves(errors.RapportError)} == {e.__name__ for e in reached}


def _leaves(root: type[errors.RapportError]) -> list[type[errors.RapportError]]:
    return [leaf for child in root.__subclasses__() for leaf in (_leaves(child) or [child])]


def test_an_interrupt_leaves_with_130_and_the_same_command_carries_on(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    process = started("turn", folder)
    while not (folder / "state" / "loaded").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert not (folder / "state" / "turns" / TURN / "report.html").exists()
    done("load", folder)
    assert half_written(folder) == []
