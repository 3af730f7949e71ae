"""The tree of errors is the one its docstring shows; every reason has a meaning."""

from __future__ import annotations

import inspect
import re
from enum import StrEnum

import pytest

from rapport.core import errors, reasons
from rapport.core.errors import nearest

LINE = re.compile(r"^(?P<stem>[ │├└─]*)(?P<name>[A-Z]\w+)\s+(?P<code>\d+)\b")


def drawn_tree() -> dict[str, tuple[str | None, int]]:
    """Read parent and exit code of each error from the tree in the module's docstring."""
    found: dict[str, tuple[str | None, int]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := LINE.match(line.removeprefix("    ")):
            depth = len(match["stem"]) // 3
            above[depth:] = [match["name"]]
            found[match["name"]] = (above[depth - 1] if depth else None, int(match["code"]))
    return found


TREE = drawn_tree()
CLASSES = {n: c for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, Exception)}


def test_the_drawn_tree_and_the_classes_are_the_same() -> None:
    assert set(TREE) == set(CLASSES)
    assert len(TREE) == 33


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_each_error_has_the_parent_and_the_exit_code_that_are_drawn(name: str) -> None:
    parent, code = TREE[name]
    assert CLASSES[name].exit_code == code
    assert CLASSES[name].__bases__ == (CLASSES[parent] if parent else Exception,)
    assert CLASSES[name].__doc__


def test_no_error_takes_an_exit_code_of_the_command_line() -> None:
    assert {c.exit_code for c in CLASSES.values()}.isdisjoint({0, 2, 130})


ENUMS = [c for c in vars(reasons).values() if inspect.isclass(c) and issubclass(c, StrEnum) and c is not StrEnum]


def test_every_reason_has_a_meaning_of_its_own() -> None:
    members = [m for kind in ENUMS for m in kind]
    # Members of two lists with one text would be one key.
    assert len({str(m) for m in members}) == len(members)
    assert set(reasons.REASON_MEANINGS) == set(members)
    assert len(set(reasons.REASON_MEANINGS.values())) == len(members)
    assert all(len(text) > 10 for text in reasons.REASON_MEANINGS.values())


def test_the_nearest_names_are_offered_or_none() -> None:
    assert nearest("eligable", ["eligible", "margin"]) == " Did you mean eligible?"
    assert nearest("xyz", ["eligible", "margin"]) == ""
