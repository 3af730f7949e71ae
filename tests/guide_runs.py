"""Runs the commands of a guide in order in one folder, and compares what it shows with what they print.

Why it exists: a guide is followed word by word, so it is tried word by word. In blocks fenced as `console` a line
that begins with `$ ` is typed; the lines up to the next one are what it prints. `...` in a line stands for anything
in it, `...` alone for any lines. Nothing of the package is called here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

from shop_runs import environment

BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass
class Step:
    """One command of a guide, the line it stands in, and the lines shown as its output."""

    line: int
    command: str
    shown: list[str] = field(default_factory=list)

    @property
    def fails(self) -> bool:
        """Whether the guide shows that the command fails."""
        return any(line.startswith(("error:", "Error:")) for line in self.shown)


def steps_of(text: str) -> list[Step]:
    """Return the commands of a page's console blocks, in order; a line that ends in a backslash goes on."""
    steps: list[Step] = []
    for block in BLOCK.finditer(text):
        first, open_ended = text.count("\n", 0, block.start(1)) + 1, False
        for offset, line in enumerate(block.group(1).splitlines()):
            if open_ended:
                steps[-1].command += "\n" + line
            elif line.startswith("$ "):
                steps.append(Step(first + offset, line[2:]))
            else:
                assert steps, f"line {first + offset}: output before any command"
                steps[-1].shown.append(line)
                continue
            open_ended = line.endswith("\\")
    return steps


def is_shown(shown: list[str], printed: str) -> bool:
    """Return whether what was printed is what the guide shows; blanks at the ends of lines do not count."""
    parts = []
    for line in shown:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(re.escape(part) for part in line.rstrip().split("...")) + r"\n")
    lines = [line.rstrip() for line in printed.rstrip("\n").splitlines()]
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in lines)) is not None


def run_guide(page: Path, folder: Path) -> int:
    """Run every command of a page in a folder; return how many. Fails at the first that does not do what is shown.

    A command without shown output must only end well; one that shows `error:` must end badly, and is compared by
    what it says on stderr. `rapport` is that of the tests' environment.
    """
    programs = folder / ".programs"
    programs.mkdir()
    (programs / "rapport").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rapport.cli.main "$@"\n')
    (programs / "rapport").chmod(0o755)
    env = environment() | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    steps = steps_of(page.read_text(encoding="utf-8"))
    for step in steps:
        ran = subprocess.run(
            ["bash", "-o", "pipefail", "-c", step.command],
            cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        at = f"{page.name}:{step.line}: $ {step.command}"
        assert (ran.returncode != 0) == step.fails, f"{at}\nended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        assert "Warning" not in ran.stderr, f"{at}\n{ran.stderr}"
        printed = ran.stderr if step.fails else ran.stdout
        if step.shown and not is_shown(step.shown, printed):
            told = "\n".join(unified_diff(step.shown, printed.splitlines(), "shown", "printed", lineterm=""))
            raise AssertionError(f"{at}\nprints something else\n{told}")
    return len(steps)
