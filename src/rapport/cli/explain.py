"""The command that says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument, turn_option
from rapport.cli.output import give, give_json, table


@click.command("explain", help=COMMANDS["explain"])
@program_argument
@click.argument("customer")
@turn_option
@click.option(
    "--alternatives", type=click.IntRange(0, 1000), default=10, show_default=True, help="Offers not chosen to show."
)
@json_option
def explain_command(program: Path, customer: str, turn_name: str | None, alternatives: int, as_json: bool) -> None:
    """Explain one decision."""
    from rapport.wiring import open_store
    from rapport.workflows.explain import explain
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    store = open_store(path.parent)
    why = explain(store, store.require_turn(turn_name), customer, alternatives)
    if as_json:
        give_json(why)
    else:
        give(explanation(why, programme.currency))


def explanation(why: dict[str, Any], currency: str) -> str:
    """Return an explanation as text."""
    from rapport.core.money import show_money

    def money(micros: int | None, digits: int = 2) -> str:
        return "unknown" if micros is None else show_money(micros, currency, digits)

    state, value, decision = why["state"], why["value"], why["decision"]
    lines = [f"Customer {why['customer_id']}, turn {why['turn']}, as of {state['as_of']}", "", "State"]
    for name, shown in state.items():
        if name not in {"customer_key", "customer_id", "household_key", "as_of"} and shown is not None:
            told = money(shown) if name.endswith("_micros") else _plain(shown)
            lines.append(f"  {name.removesuffix('_micros').replace('_', ' '):<18} {told}")
    low, high = money(value["actual_value_low_micros"]), money(value["actual_value_high_micros"])
    lines += ["", "Value"]
    lines.append(f"  tier {value['tier']}, worth {money(value['actual_value_micros'])} ({low} to {high}, 80 %)")
    lines.append(f"  still a customer with probability {value['alive_probability']:.3f}")
    lines += ["", f"Litmus test: {decision['litmus']}"]
    for level in ("individual", "segment", "mass"):
        lines.append(f"  {level:<12} {money(decision[f'litmus_{level}_micros'], 4)}")
    lines.append(f"  {'none':<12} {money(0, 4)}")
    lines += [
        "",
        f"Decision: {decision['channel']}, level {decision['level']}, arm {decision['arm']}, "
        f"{'delivered' if decision['deliver'] else 'not delivered'}",
    ]
    lines += [f"  {reason}: {meaning}" for reason, meaning in why["reasons"].items()]
    lines.append(
        f"  expected contribution {money(decision['expected_contribution_micros'], 4)} "
        f"({money(decision['expected_low_micros'], 4)} to {money(decision['expected_high_micros'], 4)} over the "
        f"range of the lift, {decision['basis']}), contact cost {money(decision['contact_cost_micros'], 4)}"
    )
    lines += ["", _channels(decision, money)]
    if why["portfolio"]:
        lines += ["", "Portfolio", _portfolio(why["portfolio"], money)]
    lines += ["", "Best offers not chosen", _alternatives(why["alternatives"], money)]
    if why["excluded"]:
        lines += ["", "Set aside by rules"]
        lines += [f"  {e['offers']} offers: {e['rule']} ({e['reason']}) {e['why']}" for e in why["excluded"]]
    same = "the same decision" if why["same_when_decided_alone"] else "ANOTHER decision: the record cannot be trusted"
    lines += [
        "",
        f"Decided again, alone, from the recorded state and prices: {same}.",
        f"Models {decision['model_version']}, policy {decision['policy_version']}.",
    ]
    return "\n".join(lines)


def _plain(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _channels(decision: dict[str, Any], money: Any) -> str:
    names = ("channels", "channel_levels", "channel_values_micros", "channel_prices_micros", "channel_probabilities")
    rows = [
        [channel, level, money(worth, 4), money(price, 4), f"{chance:.4f}"]
        for channel, level, worth, price, chance in zip(*(decision[n] for n in names), strict=True)
    ]
    rows.append(["silence", "none", money(0, 4), money(0, 4), f"{decision['silence_probability']:.4f}"])
    return table(["channel", "level", "value", "price", "choice probability"], rows, right=range(2, 5))


def _portfolio(offers: list[dict[str, Any]], money: Any) -> str:
    rows = [
        [
            o["name"],
            o["kind"],
            f"{o['base_probability']:.4f}",
            f"{o['response_probability']:.4f}",
            money(o["contribution_micros"], 4),
            money(o["giveaway_micros"], 4),
            f"{o['choice_probability']:.4f}",
        ]
        for o in offers
    ]
    head = ["offer", "kind", "buys anyway", "buys with it", "contribution", "given away", "choice probability"]
    return table(head, rows, right=range(2, 7))


def _alternatives(offers: list[dict[str, Any]], money: Any) -> str:
    rows = [
        [
            o["name"],
            f"{o['base_probability']:.4f}",
            f"{o['response_probability_if_seen']:.4f}",
            f"{o['pays_below_base_probability']:.3f}",
            money(o["value_if_seen_micros"], 4),
            o["reason"],
        ]
        for o in offers
    ]
    head = ["offer", "buys anyway", "buys if seen", "can pay below", "value if seen", "reason"]
    return table(head, rows, right=range(1, 5))


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"explain": explain_command}
