"""Find, read, check and make programmes.

Why it exists: everything that can be wrong with a programme is told before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from rapport.core.errors import ProgramMissing, ProgramSyntax, TargetExists
from rapport.core.tables import CATALOGUE, NEEDS, STATES
from rapport.identify.load_sql import name_traits, plan_reading, snake
from rapport.identify.people_sql import people_traits, plan_people
from rapport.program.model import Program
from rapport.program.parse import parse_program
from rapport.program.rules import cannot_be_asked, check_rule, no_condition
from rapport.workflows.conditions import check_declared, conditions_of
from rapport.workflows.offers import ASKED, check_offer_file, read_offer_file
from rapport.workflows.plays import try_plays
from rapport.workflows.ports import Engine, EngineFault
from rapport.workflows.tiers import check_criterion, try_criterion
from rapport.workflows.worksheet_edits import read_edits


def find_program(given: Path) -> Path:
    """Return the program.toml of a folder, or the file itself.

    Raises
    ------
    ProgramMissing
        Neither is there.
    """
    path = given / "program.toml" if given.is_dir() else given
    if not path.is_file():
        raise ProgramMissing(
            f"{given}: no programme here; must be a folder with program.toml. Make one: rapport new DIR"
        )
    return path


def read_program(path: Path) -> Program:
    """Return the programme of a file; errors name it."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ProgramSyntax(
            f"{path.name}: byte {error.start} is not UTF-8; TOML must be. Save it as UTF-8."
        ) from error
    return parse_program(text, path.name)


def check_program(program: Program, base: Path, engine: Engine) -> dict[str, Any]:
    """Return what a programme says in short, once every source opens, every column is there, every rule is allowed.

    Raises
    ------
    SourceMissing, SourceUnreadable, SourceColumns
        A source does not open or lacks mapped columns.
    RuleRefused
        A rule, or an offer's own condition in a file, holds something that rules may not, or is no condition.
    OfferInvalid
        The file of offers cannot be read, or a number in it makes no sense.
    WorksheetInvalid
        The file of the worksheet's edits is not in order.
    """
    sources = {}
    for source in program.sources:
        view = f"source_{source.called}"
        engine.register_source(view, base, source)
        schema = engine.query(f'SELECT * FROM "{view}" LIMIT 0').schema
        plan_reading(source, view, schema, program.timezone)
        sources[source.called] = source.shown
    people = _check_people(program, base, engine)
    check_offer_file(program, base)
    read_edits(base)
    _try_conditions(program, base, engine)
    plays = try_plays(engine, program, base)
    if program.offers.query is not None:
        engine.check_question(program.offers.query, ASKED, "offers.query")
    return {
        "program": program.name,
        "goals": [g.name for g in program.goals],
        "channels": [c.name for c in program.channels],
        "sources": sources,
        "people": people,
        "rules": [r.name for r in program.rules],
        "plays": [p.play.name for p in plays if p.used],
        "locked_plays": [p.play.name for p in plays if p.used and p.lacks],
    }


def check_rules(program: Program) -> None:
    """Refuse a rule, or a condition on limits and the like, that holds something that rules may not."""
    states = _states(program).names
    for rule in program.rules:
        check_rule(rule.offers, CATALOGUE.names, f"rules.{rule.name}.offers")
        check_rule(rule.customers, states, f"rules.{rule.name}.customers")
    check_criterion(program, states)
    check_declared(program, states)


def _check_people(program: Program, base: Path, engine: Engine) -> dict[str, str]:
    """Return where each system of people is, once it opens and every mapped column is there."""
    named = {column: snake(column) for p in program.people for column in p.traits}
    people_traits(program.people, named)
    for people in program.people:
        view = f"people_{people.name}"
        engine.register_source(view, base, people)
        schema = engine.query(f'SELECT * FROM "{view}" LIMIT 0').schema
        plan_people(people, view, schema, named, program.timezone)
    return {p.name: p.shown for p in program.people}


def _states(program: Program) -> pa.Schema:
    """Return the columns that a condition on customers may name: those of states, the traits, the needs."""
    traits = name_traits(program.traits)
    known = [*STATES, *(pa.field(name, pa.string()) for name in traits)]
    return pa.schema([*known, *(f for f in NEEDS if f.name not in traits)])


def _one_row(schema: pa.Schema) -> pa.Table:
    """Return a table of one row with a value in each column.

    A row and not an empty table: that `last_day < 'soon'` compares with no day shows only where there is a row.
    """
    samples = {pa.string(): "text", pa.date32(): date(2000, 1, 1)}
    row = {f.name: samples.get(f.type, 1) for f in schema}
    return pa.Table.from_pylist([row], schema=schema)


def _try_conditions(program: Program, base: Path, engine: Engine) -> None:
    """Raise RuleRefused where a condition of the programme or its offer file is none, or cannot be worked out."""
    states = _states(program)
    engine.register_arrow("tried_states", _one_row(states))
    engine.register_arrow("tried_offers", _one_row(CATALOGUE))
    for rule in program.rules:
        _try_condition(engine, rule.offers, "tried_offers", CATALOGUE, f"rules.{rule.name}.offers")
        _try_condition(engine, rule.customers, "tried_states", states, f"rules.{rule.name}.customers")
    try_criterion(engine, program, _one_row(states))
    check_declared(program, states.names)
    tiered = pa.schema([*(f for f in states if f.name != "tier"), pa.field("tier", pa.string())])
    engine.register_arrow("tried_customers", _one_row(tiered))
    for where, condition, about in conditions_of(program):
        table, schema = ("tried_offers", CATALOGUE) if about == "offers" else ("tried_customers", tiered)
        _try_condition(engine, condition, table, schema, where)
    for where, condition in _own_conditions(program, base):
        _try_condition(engine, condition, "tried_states", states, where)


def _try_condition(engine: Engine, expression: str, table: str, schema: pa.Schema, where: str) -> None:
    checked = check_rule(expression, schema.names, where)
    try:
        found = engine.query(f"SELECT {checked} AS holds FROM {table}").schema.field("holds").type
    except EngineFault as error:
        raise cannot_be_asked(expression, where, str(error)) from error
    if not pa.types.is_boolean(found):
        raise no_condition(expression, where, str(found))


def _own_conditions(program: Program, base: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the condition of each offer of the programme's file that has one."""
    if program.offers.file is None:
        return
    rows, name = read_offer_file(program, base)
    for place, row in rows:
        if row.get("eligible"):
            yield f"{name} {place}: eligible", row["eligible"]


def refuse_existing(target: Path) -> None:
    """Raise TargetExists where a folder holds a programme already, or anything else."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise TargetExists(
            f"{target}: is there and not empty; a new programme needs a folder of its own. Name another."
        )
