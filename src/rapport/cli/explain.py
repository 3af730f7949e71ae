"""The command that says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rapport.cli.explain_growth import LATELY, growth_lines
from rapport.cli.main import COMMANDS
from rapport.cli.needs_lines import needs_lines
from rapport.cli.options import json_option, program_argument, turn_option
from rapport.cli.output import give, give_json, table
from rapport.cli.plays import plays_told
from rapport.cli.shared_limits import in_unit, names_of, one_of
from rapport.cli.tiers import tier_told
from rapport.cli.worksheet_lines import worksheet_lines


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
    from rapport.wiring import make_engine, open_store
    from rapport.workflows.explain import explain
    from rapport.workflows.explain_needs import explain_needs
    from rapport.workflows.explain_shared import explain_shared
    from rapport.workflows.explain_tiers import explain_tier
    from rapport.workflows.plays_listed import explain_plays
    from rapport.workflows.programs import find_program, read_program

    path = find_program(program)
    programme = read_program(path)
    store = open_store(path.parent)
    turn = store.require_turn(turn_name)
    why = explain(store, turn, customer, alternatives)
    why |= explain_shared(store, turn, why["decision"])
    why["tier"] = explain_tier(store, turn, why["value"])
    why |= {"plays": explain_plays(store, turn, why["decision"], programme)}
    why |= explain_needs(store, make_engine, programme, turn, why["value"])
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
        if (
            name not in {"customer_key", "customer_id", "household_key", "as_of"}
            and (shown or name not in LATELY)
            and shown is not None
        ):
            told = money(shown) if name.endswith("_micros") else _plain(shown)
            lines.append(f"  {name.removesuffix('_micros').replace('_', ' '):<18} {told}")
    low, high = money(value["actual_value_low_micros"]), money(value["actual_value_high_micros"])
    lines += ["", "Value"]
    worth = money(value["actual_value_micros"])
    lines.append(f"  tier {value['tier']}{tier_told(why.get('tier'))}, worth {worth} ({low} to {high}, 80 %)")
    lines.append(f"  still a customer with probability {value['alive_probability']:.3f}")
    lines += growth_lines(value, money)
    lines += needs_lines(why)
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
    lines += _shared(why, currency)
    if why["portfolio"]:
        lines += ["", "Portfolio", _portfolio(why["portfolio"], money)]
    if why["includes"] and decision["channel"] != "silence":
        lines += ["", "Included"]
        lines += [f"  {i['name']}: {i['text'] or 'offers that must be said'}" for i in why["includes"]]
    lines += _levers(why)
    lines += worksheet_lines(why)
    lines += plays_told(why["plays"], currency)
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


def _shared(why: dict[str, Any], currency: str) -> list[str]:
    """Return what the decision uses of the shared limits, what priced it out or moved it, and what it risks."""
    lines: list[str] = []
    if why["limits"]:
        rows = [
            [
                u["name"],
                in_unit(u["uses"], u["counts"], currency),
                _price(u, currency),
                _money(u["paid_micros"], currency),
            ]
            for u in why["limits"]
        ]
        head = ["limit", "uses", "price", "comes to"]
        lines += ["", "What it uses of the shared limits", table(head, rows, right=range(1, 4))]
    lines += _priced_out(why["priced_out"], currency) if why["priced_out"] else []
    lines += _repaired(why["repaired"], why["decision"], currency) if why["repaired"] else []
    risks = [h for h in why["harm"] if h["harm_micros"]]
    if risks:
        told = ", ".join(f"{h['channel']} {_money(h['harm_micros'], currency)}" for h in risks)
        lines += ["", f"One more contact puts at risk, by the chance that the customer leaves: {told}"]
    return lines


def _money(micros: float, currency: str) -> str:
    from rapport.core.money import show_money

    return show_money(micros, currency, 4)


def _price(limit: dict[str, Any], currency: str) -> str:
    unit, size = one_of(limit["counts"], currency)
    return f"{_money(limit['price_micros'] * size, currency)} per {unit}"


def _priced_out(found: dict[str, Any], currency: str) -> list[str]:
    lines = ["", "Priced out"]
    value, charged = (_money(found[k], currency) for k in ("value_micros", "charged_micros"))
    lines.append(
        f"  {found['channel']} with {names_of(found['offer_ids'])} would bring {value}, but what it uses of the "
        f"limits brings more elsewhere: {charged}"
    )
    for c in (c for c in found["limits"] if c["price_micros"]):
        uses = f"  {c['name']}: {in_unit(c['uses'], c['counts'], currency)}"
        if c["price_micros"] > 0:
            lines.append(f"{uses} at {_price(c, currency)} comes to {_money(c['charged_micros'], currency)}")
        else:
            lines.append(f"{uses} count in its favour with {_money(-c['charged_micros'], currency)}: a minimum")
    return lines


def _repaired(found: dict[str, Any], decision: dict[str, Any], currency: str) -> list[str]:
    alone = found["prices_give"]
    told = "silence" if alone["channel"] == "silence" else f"{alone['channel']} with {names_of(alone['offer_ids'])}"
    lines = ["", "Repaired", f"  The prices alone would give {told}."]
    lines.append(
        "  What they give to all customers together does not fit the limits exactly, so the plan differs here."
    )
    kept = set(alone["offer_ids"]) & set(decision["offer_ids"])
    if decision["channel"] == "silence":
        lines.append("  So nothing is said.")
    elif alone["channel"] != decision["channel"]:
        lines.append(f"  So it is {decision['channel']} instead.")
    gone = [o for o in alone["offer_ids"] if o not in kept]
    come = [o for o in decision["offer_ids"] if o not in kept]
    if gone and decision["channel"] != "silence":
        lines.append(f"  Left out: {names_of(gone)}")
    if come:
        lines.append(f"  Put in: {names_of(come)}")
    for limit in found["limits"]:
        more = "more" if limit["more_used"] > 0 else "less"
        much = in_unit(abs(limit["more_used"]), limit["counts"], currency)
        lines.append(f"  {limit['name']}: {much} {more} is used")
    return lines


def _levers(why: dict[str, Any]) -> list[str]:
    found = why["levers"]
    if not found["offers"] and not found["changed"]:
        return []
    lines = [
        "",
        "Levers (they steer the choice: litmus sums and values of channels count them, contributions do not)",
    ]
    lines += [f"  {o['offer_id']}: counts for {abs(o['boost']):.0%} {_more(o['boost'])}" for o in found["offers"]]
    without = found["without"]
    if not found["changed"]:
        lines.append("  Without levers the choice would be the same.")
    elif without["channel"] != why["decision"]["channel"]:
        lines.append(f"  Without levers: {without['channel']}, {names_of(without['offer_ids'])}")
    else:
        mine = why["decision"]["offer_ids"]
        come = [o for o in mine if o not in without["offer_ids"]]
        gone = [o for o in without["offer_ids"] if o not in mine]
        lines.append(f"  Without levers: {names_of(gone)} in place of {names_of(come)}")
    return lines


def _more(boost: float) -> str:
    return "more" if boost > 0 else "less"


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
