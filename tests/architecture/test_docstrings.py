"""Where a figure is computed, what it is stands beside it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import rapport

PACKAGE = Path(rapport.__file__).parent


@pytest.mark.parametrize("room", ["economics", "differentiate", "decide", "measure"])
def test_every_public_name_says_what_it_is(room: str) -> None:
    silent = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                inner = (
                    [n for n in node.body if isinstance(n, ast.FunctionDef)] if isinstance(node, ast.ClassDef) else []
                )
                silent += [
                    f"{path.name}:{n.lineno} {n.name}"
                    for n in (node, *inner)
                    if not node.name.startswith("_") and not n.name.startswith("_") and not ast.get_docstring(n)
                ]
    assert silent == []


def test_every_module_says_why_it_exists() -> None:
    silent = [
        str(p.relative_to(PACKAGE))
        for p in sorted(PACKAGE.rglob("*.py"))
        if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))
    ]
    assert silent == []
