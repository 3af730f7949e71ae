"""One way to fail, and what is promised of every failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rapport.core import errors
from shop_runs import Ran, rapport

Spoil = Callable[[Path], None]


@dataclass(frozen=True)
class Failure:
    """One way to fail: what is done to the shop, the command, and what must be told."""

    name: str
    leaf: type[errors.RapportError]
    code: int
    spoil: Spoil
    words: tuple[str, ...]
    command: tuple[str, ...] = ("turn", ".")


def nothing(shop: Path) -> None:
    """Leave the shop as it is."""


def fails(failure: Failure, shop: Path) -> Ran:
    """Run the failing command and hold what is promised of every failure."""
    command = [shop if w == "." else w for w in failure.command]
    ran = rapport(*command)
    assert ran.code == failure.code == failure.leaf.exit_code, ran.talk
    assert ran.out == ""
    told = ran.talk[ran.talk.index("error: ") :]
    for word in failure.words:
        assert word in told
    assert "Traceback" not in ran.talk
    return ran


def named(failures: tuple[Failure, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("failure", failures, ids=[f.name.replace(" ", "_") for f in failures])
