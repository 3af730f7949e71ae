"""Measure and draw how right pairs and whole customers are at each threshold, beside the threshold that is chosen.

Writes docs/benchmarks/resolve_thresholds.json and a picture beside docs/method/resolve.md. Takes a minute; run by
hand, from the root of the project.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import altair as alt
import pyarrow as pa
import pyarrow.csv
import vl_convert

from rapport.core.people import PEOPLE
from rapport.simulate.people import PeopleWorld, make_people
from rapport.wiring import bench_header, make_engine, make_linker
from rapport.workflows.bench_febrl import PUBLIC, febrl
from rapport.workflows.bench_resolve import EVEN
from rapport.workflows.ports import Silent
from rapport.workflows.resolve_file import Asked, resolve_files

WORLDS = {
    "made-up people": PeopleWorld(10_000, seed=11),
    "noisy": PeopleWorld(10_000, slip=0.35, missing=0.12, moved=0.25, nickname=0.2, date_slip=0.12, seed=12),
    "much missing": PeopleWorld(10_000, missing=0.3, seed=13),
    "several records each": PeopleWorld(10_000, duplicates=0.7, slip=0.2, seed=14),
}
PICTURE = Path("docs/method/pictures/f1-by-threshold.svg")
FIGURES = Path("docs/benchmarks/resolve_thresholds.json")


def made_up(world: PeopleWorld, path: Path) -> Path:
    """Write made-up people as a CSV file with their truth."""
    made = make_people(world)
    columns = {}
    for field in PEOPLE:
        values = made.people[field.name]
        if field.name in {"record_key", "system", "record_id", "kind"} or values.null_count == len(values):
            continue
        first = [v[0] if isinstance(v, list) and v else v or None for v in values.to_pylist()]
        columns[field.name] = pa.array(first, pa.string())
    pyarrow.csv.write_csv(pa.table({**columns, "truth": pa.array(made.entity)}), path)
    return path


def measure(name: str, files: list[Path]) -> list[dict[str, Any]]:
    """Return F1 of pairs and of whole customers at each threshold, and at the one that is chosen."""
    asked = Asked(tuple(files), "truth", settings=EVEN)
    told = resolve_files(asked, make_engine, make_linker, Silent()).told
    found = told["measured"]
    rows = [{"bits": t["bits"], "pairs": t["f1"], "customers": t["cluster_f1"]} for t in found["thresholds"]]
    rows.append(
        {"bits": told["threshold_bits"], "pairs": found["pairwise"]["f1"], "customers": found["cluster"]["f1"]}
    )
    chosen = [False] * (len(rows) - 1) + [True]
    return [
        {"set": name, "what": what, "bits": row["bits"], "f1": row[what], "chosen": mark}
        for row, mark in zip(rows, chosen, strict=True)
        for what in ("pairs", "customers")
    ]


def main() -> None:
    """Measure, write the figures and draw them."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for public in PUBLIC:
            rows += measure(public.name.upper().replace("L", "L "), febrl(public, Path(folder)))
        for name, world in WORLDS.items():
            rows += measure(name, [made_up(world, Path(folder) / f"{name}.csv")])
    header = bench_header("resolve_thresholds", "fixed by the tool", "python tools/draw_resolve.py")
    FIGURES.write_text(json.dumps({**header, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    _draw(rows)


def _draw(rows: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(r["set"] for r in rows))
    base = alt.Chart(width=230, height=150).encode(
        alt.X("bits:Q", title="threshold, log2 odds"),
        alt.Y("f1:Q", title="F1", scale=alt.Scale(zero=False)),
        alt.Color("what:N", title="F1 of", sort=["pairs", "customers"]),
    )
    dash = alt.StrokeDash("what:N", sort=["pairs", "customers"], legend=None)
    lines = base.mark_line().transform_filter("!datum.chosen").encode(dash)
    points = base.mark_point(filled=True, size=60).transform_filter("datum.chosen")
    chart = (
        alt.layer(lines, points, data=alt.Data(values=rows))
        .facet(alt.Facet("set:N", sort=names, title=None), columns=3)
        .resolve_scale(y="independent")
    )
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(vl_convert.vegalite_to_svg(chart.to_json()), encoding="utf-8")


if __name__ == "__main__":
    main()
