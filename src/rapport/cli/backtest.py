"""The command that replays the past."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import Day, json_option, program_argument
from rapport.cli.output import give, give_json, say, table
from rapport.cli.progress import StageProgress


@click.command("backtest", help=COMMANDS["backtest"])
@program_argument
@click.option("--weeks", type=click.IntRange(1, 52), default=8, show_default=True, help="Mondays to replay.")
@click.option("--last", type=Day(), help="Last Monday. Default: the last one whose window lies in the data.")
@click.option("--campaign-kind", default="Type A", show_default=True, help="Kind of past coupon campaigns to replay.")
@json_option
def backtest_command(program: Path, weeks: int, last: date | None, campaign_kind: str, as_json: bool) -> None:
    """Replay past weeks and campaigns."""
    record = run(program, weeks, last, campaign_kind)
    if as_json:
        give_json(record)
    else:
        give(summary_of(record))


def run(program: Path, weeks: int, last: date | None, campaign_kind: str) -> dict[str, Any]:
    """Run a backtest, keep its record beside the programme's state, and draw the latest report anew."""
    from rapport.wiring import bench_header, tools_for
    from rapport.workflows.backtest import choose_weeks, run_backtest
    from rapport.workflows.backtest_results import results_of
    from rapport.workflows.programs import find_program, read_program
    from rapport.workflows.stages import redraw_report
    from rapport.workflows.state import open_tables
    from rapport.workflows.turn import load_sources

    path = find_program(program)
    programme = read_program(path)
    tools = tools_for(path.parent, StageProgress(), programme.memory)
    with tools.store.writing():
        loaded, _ = load_sources(programme, path.parent, tools)
        with tools.make_engine() as engine:
            open_tables(engine, loaded)
            days = choose_weeks(engine, programme.offers.validity_days, weeks, last)
            if 0 < len(days) < weeks:
                say(f"only {len(days)} of {weeks} Mondays have enough data before and after them")
            kind = campaign_kind if programme.source("redemptions") and programme.source("coupons") else None
            found = run_backtest(engine, programme, path.parent, days, kind, tools.progress)
        found = {**found, "program": programme.name, "currency": programme.currency}
        tools.store.write_json(tools.store.state / "backtest.json", found)
        redraw_report(programme, tools)
    command = f"rapport backtest PROGRAM --weeks {weeks}"
    return {
        **bench_header("backtest", programme.policy.salt, command),
        "results": results_of(found),
        "details": found,
    }


def summary_of(record: dict[str, Any]) -> str:
    """Return a backtest as text."""
    found = record["details"]
    currency = found["currency"]
    lines = [
        f"{len(found['weeks'])} Mondays, {found['weeks'][0]} to {found['weeks'][-1]}, {found['households']:,} "
        f"households on the first, windows of {found['window_days']} days, portfolios of {found['portfolio_size']}",
        "",
        "Relevance: portfolios ranked by response probability; hits per portfolio (95 % interval over households)",
        _measure_table(found, "hits_per_portfolio", 1.0),
        "",
        f"of the {found['portfolio_size']} best items bought before / never bought before",
        _measure_table(found, "hits_of_repeat_portfolio", 1.0),
        _measure_table(found, "hits_of_explore_portfolio", 1.0),
        "",
        "judged figures of relevance (a ratio is of hits over the comparator's)",
        _judged_table(record["results"]),
        "",
        f"Decision: portfolios as they would be sent by {found['channel']}; expected incremental contribution per "
        f"household and turn in {currency} (assumed: margin, lift, reach)",
        _measure_table(found, "expected_contribution", 1e-6),
        "",
        "the same with the discount that those who bought anyway would really have taken",
        _measure_table(found, "contribution_with_actual_giveaway", 1e-6),
        "",
        f"discount given to those who bought anyway, in {currency}, per household and turn",
        _measure_table(found, "actual_giveaway", 1e-6),
        "",
        "share of slots that cannot pay at their base rate, whatever the lift",
        _measure_table(found, "slots_that_cannot_pay", 1.0),
    ]
    for kind, c in found["calibration"].items():
        errors = ", ".join(f"{t} {e:.4f}" for t, e in c["expected_calibration_error"].items())
        lines += ["", f"Calibration of {kind} probabilities, expected calibration error: {errors}"]
    if found["campaigns"]:
        lines += ["", "Campaigns: share of redeemed coupons among the first 16 of the pool", _campaign_table(found)]
    return "\n".join(lines)


def _measure_table(found: dict[str, Any], measure: str, scale: float) -> str:
    rows = [r for r in found["rows"] if r["measure"] == measure]
    tiers = list(dict.fromkeys(r["tier"] for r in rows))
    policies = list(dict.fromkeys(r["policy"] for r in rows))
    by = {(r["tier"], r["policy"]): r for r in rows}
    body = []
    for policy in policies:
        body.append([policy, *(_shown(by[t, policy], scale) for t in tiers)])
        if policy != "rapport":
            body.append(
                ["  Rapport less this", *(_shown(by[t, policy]["rapport_minus_policy"], scale) for t in tiers)]
            )
    return table([measure.replace("_", " "), *tiers], body, right=range(1, len(tiers) + 1))


def _judged_table(results: list[dict[str, Any]]) -> str:
    rows = []
    for r in results:
        if not ("comparator_hits" in r or r["name"].startswith(("coupons_", "calibration_error_"))):
            continue
        low, high = r["interval"] or (None, None)
        bar = "" if r["bar"] is None else f"{r['bar']:g}, {'met' if r['meets'] else 'missed'}"
        rows.append([r["name"], _shown({"value": r["value"], "low": low, "high": high}, 1.0), bar, r["comparator"]])
    return table(["figure", "value", "bar", "beside"], rows, right=(1,))


def _campaign_table(found: dict[str, Any]) -> str:
    policies = list(dict.fromkeys(p["policy"] for c in found["campaigns"] for p in c["policies"]))
    rows = []
    for c in found["campaigns"]:
        by = {p["policy"]: p for p in c["policies"]}
        cells = [_shown(by[p], 1.0) if p in by else c["status"] for p in policies]
        rows.append([c["campaign"], c["starts"], c["pool"], c["redemptions"], *cells])
    return table(["campaign", "starts", "pool", "redeemed", *policies], rows, right=range(2, 4 + len(policies)))


def _shown(spread: dict[str, Any], scale: float) -> str:
    if spread["value"] is None:
        return "-"
    if spread["low"] is None:
        return f"{spread['value'] * scale:.3f}"
    return f"{spread['value'] * scale:.3f} [{spread['low'] * scale:.3f}, {spread['high'] * scale:.3f}]"


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"backtest": backtest_command}
