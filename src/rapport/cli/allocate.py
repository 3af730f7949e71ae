"""The command that allocates offers and contacts under limits that customers share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option
from rapport.cli.output import Interrupts, give, give_json, say, table

SHOWN = 20
"""Limits that the summary shows; all of them are in the JSON."""


@click.command("allocate", help=COMMANDS["allocate"])
@click.argument("instance", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write the plan to this Parquet file.")
@click.option(
    "--gap",
    type=click.FloatRange(0.0, 1.0),
    default=0.0005,
    show_default=True,
    help="Stop where the plan falls short of the bound by no more than this share.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.0, min_open=True),
    default=600.0,
    show_default=True,
    help="Stop for safety after so long and give the best plan so far.",
)
@json_option
def allocate_command(instance: Path, out: Path | None, gap: float, seconds: float, as_json: bool) -> None:
    """Allocate an instance: a folder with instance.json and candidates.parquet, or an .npz file."""
    from rapport.core.errors import LimitsConflict, TargetExists
    from rapport.workflows.instance_files import read_instance

    if out is not None and out.exists():
        raise TargetExists(f"{out}: it is there already; choose another name, or remove it.")
    read = read_instance(instance)
    say(f"{len(read.customers):,} customers, {len(read.candidates.value):,} candidates, {len(read.limits):,} limits")
    # Compiled loops come with this import; files are checked before anybody waits for them.
    from rapport.workflows.allocate_instance import allocate_instance, plan_table

    done = allocate_instance(read, target_gap=gap, allowed_seconds=seconds, progress=_progress())
    if out is not None:
        import pyarrow.parquet as pq

        pq.write_table(plan_table(done), out)
        say(f"plan written to {out}")
    if as_json:
        give_json(done.summary)
    else:
        give(summary_text(done.summary))
    if not done.summary["met"]:
        raise LimitsConflict(
            f"{instance}: limits that cannot be met - "
            + (" ".join(c["text"] for c in done.summary["conflicts"]) or "no plan was found.")
            + " Lower a minimum or raise a maximum."
        )


def _progress() -> Callable[[str, float], None]:
    told: set[str] = set()

    def tell(step: str, share: float) -> None:
        Interrupts.heed()
        if step not in told:
            told.add(step)
            say(f"  {step} ...")

    return tell


def summary_text(said: dict[str, Any]) -> str:
    """Return what is known about a plan as text."""
    known = said["bound"] is not None
    lines = [
        f"{said['contacted']:,} of {said['customers']:,} customers are spoken to, {said['offers']:,} offers",
        f"value         {said['value']:,.10g}",
        "bound         " + (f"{said['bound']:,.10g}   no plan within the limits is worth more" if known else "none"),
        "gap           " + (f"{said['gap']:.4%}" if said["met"] else "none"),
        f"by value      {said['greedy_value']:,.10g}   highest value first, as far as maxima allow",
        f"limits        {'all met' if said['met'] else 'NOT met'}",
        f"time          {said['seconds']:.1f} s, {said['passes']:.0f} passes"
        + (", stopped by --seconds" if said["stopped_by_time"] else ""),
    ]
    if said["limits"]:
        lines += ["", _limits(said["limits"])]
    for conflict in said["conflicts"]:
        lines += ["", f"conflict: {conflict['text']}"]
    return "\n".join(lines)


def _limits(limits: list[dict[str, Any]]) -> str:
    first = sorted(limits, key=lambda x: -abs(x["price"] * x["bound"]))[:SHOWN]
    rows = [
        [
            x["name"],
            x["sense"].replace("_", " "),
            f"{x['bound']:,.10g}",
            f"{x['used']:,.10g}",
            f"{x['slack']:,.6g}",
            "yes" if x["binding"] else "",
            f"{x['price']:.6g}",
        ]
        for x in first
    ]
    shown = table(
        ["limit", "sense", "bound", "used", "room", "binding", "price of one more"], rows, right=(2, 3, 4, 6)
    )
    rest = len(limits) - len(first)
    return shown + (f"\n... and {rest:,} more; --json gives all of them" if rest else "")


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"allocate": allocate_command}
