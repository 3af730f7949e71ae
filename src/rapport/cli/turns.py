"""Commands that run a turn or one of its stages."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.needs_lines import needs_in_brief
from rapport.cli.options import as_of_option, json_option, program_argument, turn_option
from rapport.cli.output import give, give_json, say, table
from rapport.cli.progress import StageProgress
from rapport.cli.shared_limits import shared_lines
from rapport.cli.tiers import moves_told


@click.command("turn", help=COMMANDS["turn"])
@program_argument
@as_of_option
@click.option(
    "--restart", is_flag=True, help="Discard what the turn has done, if nothing of it was sent, and begin anew."
)
@click.option("--dry-run", is_flag=True, help="Stop before anything is sent; the same command without it carries on.")
@json_option
def turn_command(program: Path, as_of: date | None, restart: bool, dry_run: bool, as_json: bool) -> None:
    """Run a whole turn."""
    from rapport.workflows.turn import STAGES

    stages = STAGES[: STAGES.index("send")] if dry_run else STAGES
    record, folder = run_turn(program, as_of, stages, restart)
    if as_json:
        give_json(record)
    else:
        give(summary_of(record, folder))


def run_turn(
    program: Path, as_of: date | None, stages: tuple[str, ...], restart: bool = False
) -> tuple[dict[str, Any], Path]:
    """Run stages of the turn of a day; return its record and folder."""
    from rapport.workflows.offers import check_offer_file
    from rapport.workflows.plays import shelf
    from rapport.workflows.programs import check_rules, find_program, read_program
    from rapport.workflows.worksheet_edits import read_edits

    path = find_program(program)
    programme = read_program(path)
    check_rules(programme)
    check_offer_file(programme, path.parent)
    shelf(programme, path.parent)
    read_edits(path.parent)
    # After the programme: a wrong one is told without waiting for all that a turn needs.
    from rapport.wiring import tools_for
    from rapport.workflows.turn import begin_turn, restart_turn, run_stages
    from rapport.workflows.turn_record import turn_name

    tools = tools_for(path.parent, StageProgress(), programme.memory)
    with tools.store.writing():
        if restart:
            as_of = restart_turn(turn_name(as_of) if as_of else tools.store.require_turn(None), tools) or as_of
        turn = begin_turn(programme, path.parent, tools, as_of)
        say(f"{programme.name}, turn {turn.name}, as of {turn.as_of}")
        return run_stages(turn, tools, stages), tools.store.turn_folder(turn.name)


def _stage_command(stage: str) -> click.Command:
    def begin(program: Path, as_of: date | None, as_json: bool) -> None:
        record, folder = run_turn(program, as_of, (stage,))
        _show_stage(stage, record, folder, as_json)

    def carry_on(program: Path, turn_name: str | None, as_json: bool) -> None:
        from rapport.wiring import tools_for
        from rapport.workflows.programs import find_program, read_program
        from rapport.workflows.turn import reopen_turn, run_stages

        path = find_program(program)
        programme = read_program(path)
        tools = tools_for(path.parent, StageProgress(), programme.memory)
        with tools.store.writing():
            turn = reopen_turn(programme, path.parent, tools, turn_name)
            record = run_stages(turn, tools, (stage,))
        _show_stage(stage, record, tools.store.turn_folder(turn.name), as_json)

    first = stage == "load"
    body = json_option(begin if first else carry_on)
    body = program_argument((as_of_option if first else turn_option)(body))
    return click.command(stage, help=COMMANDS[stage])(body)


def _show_stage(stage: str, record: dict[str, Any], folder: Path, as_json: bool) -> None:
    done = record["stages"][stage]
    if as_json:
        give_json({"turn": record["turn"], "stage": stage, **done})
    else:
        give(f"turn {record['turn']}: {stage} is done, in {folder}")


def commands() -> dict[str, click.Command]:
    """Return the commands of this module by name."""
    stages = ("load", "state", "score", "plan", "compose", "send", "readout")
    return {"turn": turn_command, **{s: _stage_command(s) for s in stages}}


def summary_of(record: dict[str, Any], folder: Path) -> str:
    """Return a short text about a turn for a person at a terminal."""
    from rapport.core.money import show_money

    stages = record["stages"]
    lines = [f"Turn {record['turn']} of {record['program']}, as of {record['as_of']}"]
    if load := stages.get("load"):
        counts = load["counts"]
        read = sum(s["rows"] for s in counts["sources"])
        set_aside = sum(sum(s["quarantined"].values()) for s in counts["sources"])
        lines.append(f"  {read:,} rows read, {set_aside:,} in quarantine, {counts['customers']:,} customers known")
        if counts["unknown_items"]:
            lines.append(f"  {counts['unknown_items']:,} lines of products that the product source does not have")
        if 0 < counts["unlisted"] < counts["customers"]:
            lines.append(f"  {counts['unlisted']:,} of these customers are not in the customer source")
        lines += [f"  poor: {field}; see rapport audit" for field in counts["poor_fields"]]
    if score := stages.get("score"):
        lines.append(f"  {score['counts']['offers']:,} offers")
        lines += moves_told(score["counts"].get("tier_history"))
        lines += needs_in_brief(score["counts"])
    if plan := stages.get("plan"):
        lines += ["", _plan_table(plan["counts"]), ""]
        counts, currency = plan["counts"], record["currency"]
        expected, low, high = (
            show_money(counts[k], currency)
            for k in ("expected_contribution_micros", "expected_low_micros", "expected_high_micros")
        )
        lines.append(f"  expected incremental contribution {expected} ({low} to {high} over the range of the lift)")
        lines.append(f"  basis: {counts['basis']}")
        lines += shared_lines(counts, currency)
    if send := stages.get("send"):
        words = {"sent": "sent", "withheld": "withheld from the held-out", "silent": "silent"}
        told = ", ".join(f"{n:,} {words[status]}" for status, n in send["counts"]["touches"].items())
        lines.append(f"  touches: {told}")
    else:
        lines.append("  nothing was sent")
    lines.append(f"  {sum(s['seconds'] for s in stages.values()):.1f} s in stages")
    if "readout" in stages:
        lines += ["", f"Report: {folder / 'report.html'}"]
    return "\n".join(lines)


def _plan_table(counts: dict[str, Any]) -> str:
    levels = ["individual", "segment", "mass", "none"]
    rows = [[t, *(f"{counts['litmus'][t][level]:,}" for level in levels)] for t in ("A", "B", "C")]
    return table(["litmus verdict, tier", *levels], rows, right=range(1, 5))
