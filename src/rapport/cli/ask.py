"""The command that says what to ask a customer next, or nothing, and remembers what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option, program_argument, turn_option
from rapport.cli.output import give, give_json, say, table

if TYPE_CHECKING:
    import pyarrow as pa

    from rapport.workflows.identity_ports import IdentityMemory


@click.command("ask", help=COMMANDS["ask"])
@program_argument
@click.argument("customer")
@turn_option
@click.option("--channel", help="Channel in which it is asked. Default: any; recorded as `desk`.")
@click.option("--answer", metavar="FIELD=VALUE", help="Remember what the customer answered.")
@click.option("--refuse", metavar="FIELD", help="Remember that the customer refused; it is never asked again.")
@click.option("--asked", metavar="FIELD", help="Remember that it was asked and nothing was said.")
@json_option
def ask_command(
    program: Path,
    customer: str,
    turn_name: str | None,
    channel: str | None,
    as_json: bool,
    **outcomes: str | None,
) -> None:
    """Say what to ask, or remember what became of a question."""
    from rapport.wiring import make_engine, open_customers, open_store
    from rapport.workflows.next_question import next_question, record_outcome, remembered
    from rapport.workflows.programs import find_program, read_program
    from rapport.workflows.question_values import open_questions

    path = find_program(program)
    programme = read_program(path)
    now = datetime.now(UTC)
    outcome = _outcome(outcomes)
    with open_customers(path.parent, programme.memory) as memory:
        if outcome is not None:
            kept = record_outcome(memory, programme, customer, outcome, channel or "desk", now)
            told = {"customer": customer, "field": kept.question, "status": kept.status, "value": kept.value}
            if as_json:
                give_json(told)
            else:
                say(f"remembered of customer {customer}: {kept.question} {kept.status}")
            return
        store = open_store(path.parent)
        turn = store.require_turn(turn_name)
        desk = open_questions(store, turn, programme)
        known = remembered(memory, programme, customer, now, _said(memory, path.parent, customer))
        with make_engine() as engine:
            weighed = next_question(desk, engine, customer, known, now, channel)
    found = {
        "customer": customer,
        "turn": turn,
        "currency": programme.currency,
        "channel": channel,
        "questions": [w.plain() for w in weighed],
    }
    if as_json:
        give_json(found)
    else:
        give(questions_text(found))


def _said(memory: IdentityMemory, base: Path, customer: str) -> pa.Table | None:
    """Return what a customer's records say; None where the memory does not know the customer."""
    from rapport.core.errors import UnknownCustomer
    from rapport.workflows.known_customers import said_by_records

    try:
        return said_by_records(memory, base, customer)
    except UnknownCustomer:
        return None


def _outcome(given: dict[str, str | None]) -> tuple[str, Any, str | None] | None:
    """Return field, status and value of what is to be remembered, None where nothing is."""
    named = {name: text for name, text in given.items() if text is not None}
    if not named:
        return None
    if len(named) > 1:
        raise click.UsageError(f"--{' and --'.join(named)} exclude each other; record one outcome at a time.")
    ((name, text),) = named.items()
    if name != "answer":
        return text, {"refuse": "refused", "asked": "asked"}[name], None
    field, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError(f"--answer is {text!r}; must be FIELD=VALUE, such as age_band=35-54.")
    return field, "answered", value.strip()


def questions_text(found: dict[str, Any]) -> str:
    """Return the questions of a customer as text: those to ask with their sums, and why not the others."""
    currency = found["currency"]
    lines = [f"Customer {found['customer']}, turn {found['turn']}"]
    if not found["questions"]:
        return "\n".join([*lines, "", "The programme asks nothing: there are no [[questions]] in program.toml."])
    asked = [q for q in found["questions"] if q["standing"] == "ASK"]
    lines += ["", *(f"Ask: {q['text']}" for q in asked)] if asked else ["", "Ask nothing."]
    for question in [q for q in found["questions"] if "worth_micros" in q]:
        lines += ["", *_sum_lines(question, currency)]
    rest = [[q["field"], q["why"]] for q in found["questions"] if "worth_micros" not in q]
    if rest:
        lines += ["", table(["not asked", "why"], rest)]
    return "\n".join([*lines, "", "Amounts are expectations; nothing was recorded."])


def _sum_lines(question: dict[str, Any], currency: str) -> list[str]:
    from rapport.core.money import show_money

    def money(micros: int) -> str:
        return show_money(micros, currency, 4)

    rows = [[a["answer"], f"{a['probability']:.3f}", money(a["value_micros"])] for a in question["by_answer"]]
    alike = ", ".join(f"{n:,}" for n in question["alike"])
    return [
        f"{question['field']}: worth {money(question['worth_micros'])} - {question['why']}",
        f"  {question['reply_probability']:g} answer x {question['decisions']} decisions x "
        f"{money(question['gain_micros'])} gained - {money(question['annoyance_micros'])} annoyance; best decision "
        f"now {money(question['now_micros'])}",
        f"  customers with an answer, from all to those most alike: {alike}",
        *(
            "  " + line
            for line in table(["answer", "probability", "best decision then"], rows, right=(1, 2)).split("\n")
        ),
    ]


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"ask": ask_command}
