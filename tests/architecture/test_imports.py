"""The rooms keep to their floors: nobody imports upward, and below the workflows nothing touches the world."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rapport

PACKAGE = Path(rapport.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("core", "program", "economics", "identify", "differentiate", "customize", "decide", "measure")
"""Below the workflows: `as_of`, salt, prices and policy are arguments, never read from the world."""

WORLD = {"duckdb", "os", "pathlib", "time", "random", "secrets", "socket", "subprocess", "sqlite3", "shutil", "io"}
WORLD |= {"glob", "tempfile", "urllib", "http", "click", "rich"}
SEEDED = {"default_rng", "RandomState", "SeedSequence", "seed"}


def _modules(*rooms: str) -> list[Path]:
    return sorted(p for room in rooms for p in (PACKAGE / room).rglob("*.py"))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name.split(".")[0] for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_below_the_workflows_reads_nothing_of_the_world(room: str) -> None:
    files = _modules(room)
    assert files
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        place = str(path.relative_to(PACKAGE))
        assert (place, set(_imported(tree)) & WORLD) == (place, set())
        forbidden = {"open", "today", "now", "utcnow", "getenv", "print", "input", "eval", "exec", *SEEDED}
        assert (place, set(_called(tree)) & forbidden) == (place, set())


def test_no_module_is_longer_than_five_hundred_lines() -> None:
    lengths = {str(p.relative_to(PACKAGE)): p.read_text(encoding="utf-8").count("\n") for p in PACKAGE.rglob("*.py")}
    assert {n: lines for n, lines in lengths.items() if lines > 500} == {}


def test_nothing_is_called_by_a_name_that_says_nothing() -> None:
    names = {"utils", "helpers", "common", "manager", "service", "misc"}
    assert [str(p) for p in PACKAGE.rglob("*.py") if names & set(p.stem.split("_"))] == []


def test_no_module_brings_pandas_or_scikit_learn() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert not set(_imported(ast.parse(path.read_text(encoding="utf-8")))) & {"pandas", "sklearn"}, path


def test_the_import_contract_holds() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "0 broken" in ran.stdout
