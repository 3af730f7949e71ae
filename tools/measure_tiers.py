"""Measures how often customers change tier from week to week, for bands of several widths.

Why it exists: how wide a band should be is a question to a company's own data. Prints the table of
docs/method/tiers.md: ``python tools/measure_tiers.py demo 2017-09-11 13``, the folder of a programme of which a turn
was run, the first day, and how many weeks.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from datetime import date, timedelta
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from rapport.cli.progress import StageProgress
from rapport.differentiate.tier_history import Standing, keep_tiers, previous_tiers
from rapport.differentiate.tiers import assign_tiers
from rapport.measure.bootstrap import HouseholdDraws
from rapport.wiring import tools_for
from rapport.workflows.programs import find_program, read_program
from rapport.workflows.score import fit_values, read_purchase_days
from rapport.workflows.state import build_states, make_purchases, open_tables

WIDTHS = (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
Week = tuple[np.ndarray, np.ndarray]


def main() -> int:
    """Print one line for each width of the band."""
    folder, first, weeks = Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), int(sys.argv[3])
    values = values_by_week(folder, [first + timedelta(days=7 * i) for i in range(weeks)])
    rule = read_program(find_program(folder)).tiers
    sys.stdout.write("| band | changes a week | of these undone | not the tier by rank | A, B, C | value in A |\n")
    for width in WIDTHS:
        sys.stdout.write(line(values, (rule.top_share, rule.bottom_share), width) + "\n")
    return 0


def values_by_week(folder: Path, days: list[date]) -> list[Week]:
    """Return the keys and values of the customers as of each day, each from rows before it alone."""
    program, tools, found = read_program(find_program(folder)), tools_for(folder, StageProgress()), []
    record = json.loads((tools.store.turn_folder(tools.store.turns()[-1]) / "turn.json").read_text(encoding="utf-8"))
    loaded = tools.store.loaded_folder(record["sources_digest"])
    for day in days:
        with tools.make_engine() as engine:
            open_tables(engine, loaded)
            make_purchases(engine, program, day)
            states = build_states(engine, day)
            _, values, _ = fit_values(states, read_purchase_days(engine), program, day)
        found.append((states["customer_key"].to_numpy(), values.expected_contribution_micros))
        sys.stderr.write(f"{day}\n")
    return found


def line(weeks: list[Week], shares: tuple[float, float], width: float) -> str:
    """Return what a band of a width does over the weeks, with 95 % intervals over customers."""
    tiers: dict[int, list[str]] = defaultdict(list)
    before: Standing | None = None
    for keys, values in weeks:
        now = keep_tiers(values, keys, previous_tiers(keys, before), *shares, width)
        before = Standing(keys, now, values)
        for key, tier in zip(keys.tolist(), now.tolist(), strict=True):
            tiers[key].append(tier)
    keys = np.array(sorted(tiers), dtype=np.int64)
    steps = np.array([len(tiers[k]) - 1 for k in keys.tolist()], dtype=np.float64)
    changes, undone = (
        np.array([count(tiers[k]) for k in keys.tolist()], dtype=np.float64) for count in (changed, returned)
    )
    draws = HouseholdDraws(keys, "tiers")
    a_week, back = draws.ratio(changes, steps), draws.ratio(undone, changes)
    assert before is not None
    by_rank = assign_tiers(before.values_micros, before.keys, *shares)
    sizes = ", ".join(f"{int((before.tiers == t).sum()):,}" for t in "ABC")
    in_a = before.values_micros[before.tiers == "A"].sum() / before.values_micros.sum()
    told = [f"{s.value:.2%} [{s.low:.2%}, {s.high:.2%}]" for s in (a_week, back) if s.low is not None]
    return f"| {width:g} | {' | '.join(told)} | {(before.tiers != by_rank).mean():.1%} | {sizes} | {in_a:.1%} |"


def changed(tiers: list[str]) -> int:
    """Return how often a tier changed from one week to the next."""
    return sum(a != b for a, b in pairwise(tiers))


def returned(tiers: list[str]) -> int:
    """Return how many changes led back to the tier before the last change."""
    runs = [t for t, _ in groupby(tiers)]
    return sum(a == b for a, b in zip(runs, runs[2:], strict=False))


if __name__ == "__main__":
    sys.exit(main())
