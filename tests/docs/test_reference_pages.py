"""Everything a user can write or meet is on a page: commands, settings, reasons, errors."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from rapport.cli.main import COMMANDS
from rapport.core import errors, reasons
from rapport.core.tables import SOURCE_COLUMNS
from rapport.program.model import Program

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def _page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def test_what_is_derived_is_in_step_with_the_code() -> None:
    ran = subprocess.run(
        [sys.executable, "tools/docs_in_step.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_section(command: str) -> None:
    section = re.search(rf"^## {command}$\n\n```text\n(.*?)```", _page("commands"), re.DOTALL | re.MULTILINE)
    assert section
    assert section[1].startswith(f"Usage: rapport {command}")
    assert COMMANDS[command].split(",")[0].rstrip(".") in " ".join(section[1].split())


def _parts(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            yield from _parts(inner)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def test_every_setting_is_on_the_page_of_settings_with_its_meaning() -> None:
    page = _page("settings")
    settings = {(n, f.description) for part in _parts(Program) for n, f in part.model_fields.items()}
    assert len(settings) > 60
    assert [
        n
        for n, meaning in sorted(settings)
        if not meaning or not re.search(rf"\| `{n}` \|.*\| {re.escape(meaning)} \|", page)
    ] == []


def test_every_reason_is_on_the_page_of_reasons() -> None:
    page = _page("reasons")
    assert [r for r in reasons.REASON_MEANINGS if f"| `{r.value}` |" not in page] == []


def test_every_reason_has_a_meaning() -> None:
    kinds = {type(r) for r in reasons.REASON_MEANINGS}
    assert [r for kind in kinds for r in kind if r not in reasons.REASON_MEANINGS] == []


def test_every_error_is_on_the_page_of_errors_with_its_exit_code() -> None:
    page = _page("errors")
    leaves = list(_tree(errors.RapportError))
    assert len(leaves) > 17
    assert [e.__name__ for e in leaves if f"| {e.exit_code} | `{e.__name__}` |" not in page] == []
    assert "| 2 |" in page
    assert "| 130 |" in page


def _tree(root: type[errors.RapportError]) -> Iterator[type[errors.RapportError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def test_every_column_of_a_source_is_on_the_page_of_tables() -> None:
    page = _page("tables")
    assert [
        c.name for columns in SOURCE_COLUMNS.values() for c in columns if f"| `{c.name}` | {c.kind} |" not in page
    ] == []
