"""The command that measures speed, memory and quality, in a fresh process, in the one shape of measured figures."""

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

TURNS = ("demo", "starter")
PARTS: dict[str, tuple[str, ...]] = {
    "decide": ("catalogue", "plan"),
    "plan": ("plan",),
    "allocate": ("allocate",),
    "now": ("now",),
    "lifetime": ("lifetime",),
    "features": ("features",),
    "nextbasket": ("nextbasket",),
    "questions": ("questions",),
    "resolve": ("febrl", "resolve_1m", "resolve_10m"),
    "identify": ("febrl", "resolve_1m", "resolve_10m", "recognise", "import", "questions"),
}
"""The benches that are functions ``workflows.bench_X.bench_X``; the names of the figures of a part begin with X."""
MODULES = {"resolve_1m": "resolve", "resolve_10m": "resolve"}
"""Of parts that share a module, which."""


@click.command("bench", help=COMMANDS["bench"])
@click.argument("name", type=click.Choice([*PARTS, *TURNS]))
@click.option("--small", is_flag=True, help="The same code on little data, in seconds; figures without bars.")
@click.option("--only", multiple=True, metavar="FIGURE", help="Only this figure; may be repeated.")
@json_option
def bench_command(name: str, small: bool, only: tuple[str, ...], as_json: bool) -> None:
    """Measure one of the benches.

    decide: score a catalogue for a million customers and plan them. plan: the second half of that. allocate: find
    prices and a plan under a thousand limits. now: one decision at once, and a day of them. lifetime: forecasts of
    purchases on public and simulated customers, and their speed. features: a hundred million purchase lines to states
    and shortlists. nextbasket: the items of next baskets told from earlier ones, on the baskets of Ta-Feng in the
    Parquet file that RAPPORT_TAFENG names. resolve: who is who on public records, and on a million and ten million
    made up. questions: what asking is worth in made-up markets. identify: resolve, recognising one of a million,
    importing ten million rows, questions. demo, starter: a whole turn of the demonstration, or of the small made-up
    shop.
    """
    from rapport.core.errors import LookupFailed, nearest
    from rapport.wiring import bench_header

    if small and name in TURNS:
        raise click.UsageError(f"--small is not for {name}: a turn has one size.")
    with tempfile.TemporaryDirectory() as folder:
        if name in TURNS:
            say(f"one whole turn of the {name} programme in a fresh process ...")
            measured = _measure(name, Path(folder) / name)
        else:
            measured = [r for part in _wanted(name, only) for r in _in_a_process(part, Path(folder) / part, small)]
    known = [r["name"] for r in measured]
    for figure in only:
        if figure not in known:
            raise LookupFailed(
                f"figure: bench {name} has none of that name - {figure!r}; must be one of {', '.join(known)}."
                f"{nearest(figure, known)}"
            )
    command = " ".join(["rapport bench", name, *(["--small"] if small else [])])
    results = [r for r in measured if not only or r["name"] in only]
    record = {**bench_header(name, "fixed by the bench", command), "results": results}
    if as_json:
        give_json(record)
    else:
        give(results_text(results))


def _wanted(name: str, only: tuple[str, ...]) -> list[str]:
    """Return the parts of a bench that can hold the figures asked for."""
    parts = [p for p in PARTS[name] if not only or any(figure.startswith(p) for figure in only)]
    return parts or list(PARTS[name])


_CHILD = """
import importlib, json, sys
from pathlib import Path
from rapport.core.errors import RapportError
part, module, folder, small, out = sys.argv[1:]
bench = getattr(importlib.import_module(f"rapport.workflows.bench_{module}"), f"bench_{part}")
try:
    tell = lambda text: print(f"  {text}", file=sys.stderr, flush=True)
    said = {"results": bench(Path(folder), small == "small", tell)}
except RapportError as error:
    said = {"error": str(error)}
Path(out).write_text(json.dumps(said, allow_nan=False), encoding="utf-8")
"""


def _in_a_process(part: str, folder: Path, small: bool) -> list[dict[str, Any]]:
    """Return the results of a part, measured in a new process; it talks on our stderr."""
    from rapport.core.errors import LookupFailed

    say(f"bench {part}{' (small)' if small else ''} in a fresh process ...")
    folder.mkdir()
    out = folder.with_suffix(".json")
    arguments = [part, MODULES.get(part, part), str(folder), "small" if small else "whole", str(out)]
    subprocess.run([sys.executable, "-c", _CHILD, *arguments], check=True, stdout=sys.stderr.fileno())
    said = json.loads(out.read_text(encoding="utf-8"))
    if "error" in said:
        raise LookupFailed(said["error"])
    results: list[dict[str, Any]] = said["results"]
    return results


def results_text(results: list[dict[str, Any]]) -> str:
    """Return measured figures as text: each with unit, interval, bar, whether that is met, and comparator."""
    rows = [
        [
            r["name"],
            f"{r['value']:.4g}",
            r["unit"],
            "" if r["interval"] is None else "{:.4g} to {:.4g}".format(*r["interval"]),
            "" if r["bar"] is None else f"{r['bar']:g}",
            {None: "", True: "yes", False: "NO"}[r["meets"]],
            "" if not r["comparator"] else f"{r['comparator']}{_of(r['comparator_value'])}",
        ]
        for r in results
    ]
    return table(["figure", "value", "unit", "interval", "bar", "meets", "beside"], rows, right=(1, 4))


def _of(value: float | None) -> str:
    return "" if value is None else f": {value:.4g}"


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
