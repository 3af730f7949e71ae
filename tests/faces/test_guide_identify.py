"""The guide to knowing customers does what it says, command by command."""

from __future__ import annotations

from pathlib import Path

from guide_runs import run_guide

PAGE = Path(__file__).resolve().parents[2] / "docs/guides/identify.md"


def test_every_command_of_the_guide_runs_and_prints_what_the_guide_shows(tmp_path: Path) -> None:
    assert run_guide(PAGE, tmp_path) >= 12
