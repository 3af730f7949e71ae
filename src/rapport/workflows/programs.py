"""Find, read, check and make programmes.

Why it exists: everything that can be wrong with a programme is told before anything is computed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rapport.core.errors import ProgramMissing, ProgramSyntax, TargetExists
from rapport.core.tables import CATALOGUE, STATES
from rapport.identify.load_sql import name_traits, plan_reading
from rapport.program.model import Program
from rapport.program.parse import parse_program
from rapport.program.rules import check_rule
from rapport.workflows.offers import ASKED, check_offer_file
from rapport.workflows.ports import Engine


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
        A rule holds something that rules may not.
    OfferInvalid
        The file of offers cannot be read, or a number in it makes no sense.
    """
    sources = {}
    for source in program.sources:
        view = f"source_{source.kind}"
        engine.register_source(view, base, source)
        schema = engine.query(f"SELECT * FROM {view} LIMIT 0").schema
        plan_reading(source, view, schema, program.timezone)
        sources[source.kind] = source.path
    check_rules(program)
    check_offer_file(program, base)
    if program.offers.query is not None:
        engine.check_question(program.offers.query, ASKED, "offers.query")
    return {
        "program": program.name,
        "goals": [g.name for g in program.goals],
        "channels": [c.name for c in program.channels],
        "sources": sources,
        "rules": [r.name for r in program.rules],
    }


def check_rules(program: Program) -> None:
    """Raise RuleRefused where a rule of the programme holds something that rules may not."""
    customers = program.source("customers")
    states = [*STATES.names, *(name_traits(customers.traits) if customers else ())]
    for rule in program.rules:
        check_rule(rule.offers, CATALOGUE.names, f"rules.{rule.name}.offers")
        check_rule(rule.customers, states, f"rules.{rule.name}.customers")


def refuse_existing(target: Path) -> None:
    """Raise TargetExists where a folder holds a programme already, or anything else."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise TargetExists(
            f"{target}: is there and not empty; a new programme needs a folder of its own. Name another."
        )
