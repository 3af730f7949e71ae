"""The command that measures speed and memory, in a fresh process, in the one shape of measured figures."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option
from rapport.cli.output import give, give_json, say, table

DEMO_SECONDS = 60.0
"""What a newcomer may be asked to wait for after installation."""


@click.command("bench", help=COMMANDS["bench"])
@click.argument("name", type=click.Choice(["demo", "starter"]))
@json_option
def bench_command(name: str, as_json: bool) -> None:
    """Measure a whole turn: of the demonstration, or of the small made-up shop."""
    from rapport.wiring import bench_header

    with tempfile.TemporaryDirectory() as folder:
        say(f"one whole turn of the {name} programme in a fresh process ...")
        measured = _measure(name, Path(folder) / name)
    record = {**bench_header(name, "fixed by the programme", f"rapport bench {name}"), "results": measured}
    if as_json:
        give_json(record)
        return
    rows = [
        [r["label"], f"{r['value']:.4g}", r["unit"], "" if r["bar"] is None else f"{r['bar']:g}"] for r in measured
    ]
    give(table(["figure", "value", "unit", "bar"], rows, right=(1, 3)))


def _measure(name: str, folder: Path) -> list[dict[str, Any]]:
    rapport = [sys.executable, "-m", "rapport.cli.main"]
    if name == "starter":
        subprocess.run([*rapport, "new", str(folder)], check=True, stdout=subprocess.DEVNULL)
        command = [*rapport, "turn", str(folder), "--json"]
    else:
        command = [*rapport, "demo", "--out", str(folder), "--json"]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    seconds = time.perf_counter() - began
    turn = json.loads(done.stdout)
    results = [_result(f"{name}_s", "whole turn, start to end of the process", seconds, "s", DEMO_SECONDS)]
    results.append(_result(f"{name}_peak_gib", "peak memory", _peak_gib(), "GiB", None))
    results += [
        _result(f"{name}_{stage}_s", f"stage {stage}", part["seconds"], "s", None)
        for stage, part in turn["stages"].items()
    ]
    return results


def _peak_gib() -> float:
    """Return the largest memory that any child process has held."""
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def _result(name: str, label: str, value: float, unit: str, bar: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "value": round(value, 3),
        "unit": unit,
        "interval": None,
        "comparator": None,
        "comparator_value": None,
        "bar": bar,
        "meets": None if bar is None else value <= bar,
    }


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"bench": bench_command}
