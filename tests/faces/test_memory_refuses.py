"""What the memory of customers refuses, as a person meets it: unknown merges and tasks, servers, newer versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from failures import Failure, fails, nothing

from rapport.core import errors
from shop_runs import copied, done

NOWHERE = 'memory = "postgresql+psycopg://rapport:hush@127.0.0.1:9/crm"\n'


def _elsewhere(shop: Path) -> None:
    path = shop / "program.toml"
    path.write_text(NOWHERE + path.read_text(encoding="utf-8"), encoding="utf-8")


def _of_tomorrow(shop: Path) -> None:
    (shop / "state").mkdir(exist_ok=True)
    done("merges", shop)
    with sqlite3.connect(shop / "state" / "memory.db") as memory:
        memory.execute("UPDATE alembic_version SET version_num = 'm9999_later'")
    memory.close()


FAILURES = (
    Failure("no such merge", errors.UnknownMerge, 7, nothing, ("41",), ("merges", ".", "--undo", "41", "--why", "x")),
    Failure("no such task", errors.UnknownTask, 7, nothing, ("17",), ("tasks", ".", "--done", "17")),
    Failure("no server", errors.StateUnreachable, 6, _elsewhere, ("127.0.0.1",), ("merges", ".")),
    Failure("newer memory", errors.StateNewer, 6, _of_tomorrow, ("m9999_later",), ("merges", ".")),
)


@pytest.fixture
def folder(shop: Path, tmp_path: Path) -> Iterator[Path]:
    return copied(shop, tmp_path / "shop")


@pytest.mark.parametrize("failure", FAILURES, ids=[f.name.replace(" ", "_") for f in FAILURES])
def test_what_cannot_be_is_told_with_its_exit_code(failure: Failure, folder: Path) -> None:
    failure.spoil(folder)
    ran = fails(failure, folder)
    assert "hush" not in ran.talk


def test_a_programme_without_people_has_nobody_to_identify(folder: Path) -> None:
    fails(Failure("", errors.ProgramInvalid, 3, nothing, ("people is empty",), ("identify", ".")), folder)


def test_no_task_and_no_merge_is_told_in_words(folder: Path) -> None:
    assert done("tasks", folder).out == "No tasks.\n"
    assert done("merges", folder).out == "No merges.\n"
    assert done("tasks", folder, "--json").data == {"tasks": []}
