"""Measure and draw how an allocation's certified gap falls with time, and what it costs by size.

Writes docs/benchmarks/allocation_curve.json and two pictures beside docs/method/allocation.md. Takes about two
minutes on an idle machine; run by hand, from the root of the project.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from rapport.decide.allocate import Allocation, allocate
from rapport.simulate.instances import make_instance
from rapport.wiring import bench_header
from rapport.workflows.instance_problem import to_problem

SIZES = (2_000, 20_000, 200_000, 1_000_000)
FOLDER = Path("docs/method/pictures")


def measure(customers: int) -> Allocation:
    """Allocate 20 candidates a customer under 1,001 limits."""
    problem = to_problem(make_instance("many_limits", customers, seed=1))
    return allocate(problem, clock=time.perf_counter)


def main() -> None:
    """Measure, write the figures and draw them."""
    measure(2_000)  # compiles
    found = {n: measure(n) for n in SIZES}
    largest = found[SIZES[-1]]
    falls = [
        {"seconds": m.seconds, "gap": max((m.bound - largest.plan_value) / m.bound, 1e-6)} for m in largest.history
    ]
    sizes = [{"customers": n, "seconds": a.seconds, "gap": a.gap, "passes": a.passes} for n, a in found.items()]
    header = bench_header("allocation_curve", "1", "python tools/draw_allocation.py")
    record = {**header, "falls": falls, "sizes": sizes}
    Path("docs/benchmarks/allocation_curve.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    _draw(falls, "gap-by-time", ("seconds", "seconds since the start"), ("gap", "bound above the final plan, share"))
    _draw(sizes, "cost-by-size", ("customers", "customers"), ("seconds", "seconds, all in"))


def _draw(rows: list[dict[str, Any]], name: str, x: tuple[str, str], y: tuple[str, str]) -> None:
    scale = alt.Scale(type="log")
    across = alt.X(x[0], type="quantitative", title=x[1], scale=scale if x[0] == "customers" else alt.Undefined)
    up = alt.Y(y[0], type="quantitative", title=y[1], scale=scale)
    chart = alt.Chart(alt.Data(values=rows), width=520, height=260).mark_line(point=True).encode(across, up)
    FOLDER.mkdir(exist_ok=True)
    svg = vl_convert.vegalite_to_svg(chart.to_json())
    (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
