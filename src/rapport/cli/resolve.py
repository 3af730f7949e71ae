"""The command that finds which records of files are one customer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option
from rapport.cli.output import give, give_json, table


@click.command("resolve", help=COMMANDS["resolve"])
@click.option("--source", "sources", multiple=True, required=True, type=click.Path(path_type=Path), metavar="FILE",
              help="CSV, Parquet or Excel file of records; repeated for several systems.")  # fmt: skip
@click.option("--truth", metavar="COLUMN", help="Column that says who is who; used for the figures alone.")
@click.option("--kind", type=click.Choice(["person", "organisation"]), help="What a record is about; told if absent.")
@click.option("--country", metavar="XX", help="Country of records that name none, ISO 3166. Default: US.")
@click.option("--map", "named", multiple=True, metavar="COLUMN=FILE_COLUMN",
              help="What a column of the file is, such as email=contact; ignore=COLUMN leaves one out.")  # fmt: skip
@click.option("--wrong-merge-cost", type=click.FloatRange(0.001, 1e9),
              help="What it costs to take two for one, where taking one for two costs 1. If absent, records are "
              "joined where F1 is believed to come out best.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE",
              help="Write the rows with their cluster: .csv, .parquet.")  # fmt: skip
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
def resolve_command(**given: Any) -> None:
    """Find which records are one customer, without labels.

    Columns are mapped by their names and contents, compared where they tell records apart, and weighed by what the
    records themselves teach. With --truth, precision and recall of pairs and of clusters are measured at the end.
    """
    from rapport.cli.progress import StageProgress
    from rapport.program.identify import Identify
    from rapport.wiring import make_engine, make_linker
    from rapport.workflows.resolve_file import Asked, resolve_files
    from rapport.workflows.resolve_write import refuse_out, write_clusters

    refuse_out(given["out"], given["force"])
    settings = Identify(
        country=(given["country"] or "US").upper(),
        aim="f1" if given["wrong_merge_cost"] is None else "cost",
        wrong_merge_cost=given["wrong_merge_cost"] or 1.0,
        missed_merge_cost=1.0,
    )
    asked = Asked(given["sources"], given["truth"], given["kind"], mapped_of(given["named"]), settings)
    resolved = resolve_files(asked, make_engine, make_linker, StageProgress())
    told = resolved.told | {"peak_gib": _peak_gib()}
    if given["out"] is not None:
        write_clusters(resolved, given["out"])
        told |= {"out": str(given["out"])}
    if given["as_json"]:
        give_json(told)
    else:
        give(resolved_text(told))


def mapped_of(named: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the columns that whoever asked has named; one of several kinds may be named again."""
    found: dict[str, tuple[str, ...]] = {}
    for text in named:
        name, sign, column = text.partition("=")
        if not sign or not name or not column:
            raise click.BadParameter(
                f"{text!r} must be COLUMN=FILE_COLUMN, such as email=contact.", param_hint="--map"
            )
        found[name] = (*found.get(name, ()), column)
    return found


def resolved_text(told: dict[str, Any]) -> str:
    """Return what was found as text: mapping, counts, believed and measured quality, time and memory."""
    lines = []
    for f in told["files"]:
        lines.append(f"{f['source']}: {f['rows']:,} records of {f['kind']}s")
        columns = [[c, ", ".join(files), f["reasons"].get(files[0], "")] for c, files in f["columns"].items()]
        lines.append(
            table(["column", "of the file", "because"], columns) if columns else "  no column was recognised"
        )
    for column, files in told["texts"].items():
        lines.append(f"compared as text: {', '.join(files)} ({column})")
    lines.append("")
    lines.append(
        f"{told['records']:,} records are {told['clusters']:,} customers; {told['links']:,} links, "
        f"{told['review']:,} pairs for review"
    )
    rows = [["believed, links", *_shares(told["estimated"])]]
    measured = told.get("measured")
    if measured:
        names = {
            "pairwise": "measured, pairs",
            "cluster": "measured, whole customers",
            "b_cubed": "measured, B-cubed",
        }
        rows += [[label, *_shares(measured[name])] for name, label in names.items()]
    lines.append(table(["", "precision", "recall", "F1"], rows, right=(1, 2, 3)))
    spent = told["seconds"]
    lines.append(
        f"{spent['resolve']:.1f} s to resolve, {spent['read'] + spent['standardise']:.1f} s to read and standardise, "
        f"{told['peak_gib']:.2f} GiB at most"
    )
    if told["threshold_bits"] is not None:
        lines.append(f"joined from probability {1 / (1 + 2 ** -told['threshold_bits']):.2f} on")
    lines += [
        STATUS.get(s, f"too little data to learn {s.partition(':')[2]}: expected values stand in")
        for s in told["status"]
    ]
    return "\n".join(lines)


STATUS = {
    "FEW_TRUE_PAIRS": "few pairs are one customer: what was learned from them is uncertain",
    "NOTHING_TELLS_APART": "no column tells records apart: only copies were joined",
}


def _shares(found: dict[str, Any]) -> list[str]:
    p, r = found.get("precision"), found.get("recall")
    f1 = None if p is None or r is None or p + r == 0 else 2 * p * r / (p + r)
    return ["unknown" if x is None else f"{x:.4f}" for x in (p, r, f1)]


def _peak_gib() -> float:
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3)


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"resolve": resolve_command}
