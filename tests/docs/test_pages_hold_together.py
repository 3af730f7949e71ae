"""Links lead somewhere, commands that a page shows exist, and the change log is one."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from rapport.cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(p.relative_to(ROOT)) for p in PAGES]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _heading_ids(page: Path) -> set[str]:
    """Return the anchors that a page's headings get: lower case, no punctuation, dashes for blanks."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file_and_heading(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in _heading_ids(target), link


def _typed(lines: list[str]) -> list[str]:
    """Return what is typed: the lines after a prompt, or all lines of a block without one."""
    return [line[2:] for line in lines if line.startswith("$ ")] or lines


def _shown_commands(text: str) -> list[list[str]]:
    """Return the `rapport` command lines in the shell blocks of a page, as words."""
    blocks = re.findall(r"^```(?:sh|bash|shell|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    typed = [line for block in blocks for line in _typed(block.splitlines())]
    words = [part.split("#")[0].split() for line in typed for part in re.split(r"[;&|]+", line)]
    return [w for w in words if w and Path(w[0]).name == "rapport"]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_a_page_shows_exists_with_its_options(name: str) -> None:
    context = click.Context(cli, info_name="rapport")
    for words in _shown_commands((ROOT / name).read_text(encoding="utf-8")):
        if len(words) == 1 or words[1].startswith("-"):
            continue
        assert words[1] in COMMANDS, words
        command = cli.get_command(context, words[1])
        assert command is not None
        known = {o for p in command.params for o in p.opts} | {"--help", "-h"}
        assert {w.split("=")[0] for w in words[2:] if w.startswith("-")} <= known, words


def test_targets_of_make_that_the_readme_shows_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    blocks = re.findall(r"^```(?:sh|bash|shell|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    asked = set(re.findall(r"^(?:\$ )?make ([a-z]+)", "\n".join(blocks), re.MULTILINE))
    assert asked <= targets
    assert {"demo", "test", "check"} <= targets


def test_the_change_log_begins_with_what_is_new() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads
    assert re.match(r"\[(Unreleased|\d+\.\d+\.\d+)\]|Unreleased|\d+\.\d+\.\d+", heads[0])
