"""Help is there at once: nothing heavy is imported before a command does its work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shop_runs import environment

HEAVY = [
    "numpy",
    "pyarrow",
    "duckdb",
    "scipy",
    "lightgbm",
    "pydantic",
    "altair",
    "jinja2",
    "sqlglot",
    "rich",
    "vl_convert",
    "openpyxl",
    "sqlalchemy",
    "alembic",
]

ASKING = """
import sys
from rapport.cli.main import cli
try:
    cli(sys.argv[1:], prog_name="rapport")
except SystemExit as leaving:
    assert leaving.code == 0, leaving.code
sys.stderr.write(",".join(sorted({m.split(".")[0] for m in sys.modules})))
"""


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["turn", "--help"], ["explain", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ASKING, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    imported = set(ran.stderr.split(","))
    assert "click" in imported
    assert imported & set(HEAVY) == set()
