"""The plays of a programme: find them on the shelf, check them, and ask for whom they are.

Why it exists: a play is read from a file, changed by the programme, refused where it makes no sense, and locked where
the company's data do not say what it asks. Nothing is chosen here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from rapport.core.errors import ProgramInvalid, ProgramSyntax, RuleRefused, StageMissing, nearest
from rapport.core.money import show_money
from rapport.core.tables import CATALOGUE, STATES
from rapport.identify.load_sql import name_traits
from rapport.program.model import Program
from rapport.program.parse import find_line, parse_part
from rapport.program.part import Misplaced
from rapport.program.play_columns import (
    BY_HISTORY,
    BY_TRAIT,
    Brought,
    allowed_columns,
    columns_of,
    lacking,
)
from rapport.program.plays import ALL, Contact, Play, Restrain, Steer, changed
from rapport.program.rules import cannot_be_asked, check_condition, shown
from rapport.workflows.conditions import holds
from rapport.workflows.ports import Engine, EngineFault

WORTH = (
    "tier",
    "alive_probability",
    "expected_purchases",
    "actual_value_micros",
    "actual_value_low_micros",
    "actual_value_high_micros",
    "below_zero",
    "contacts_in_period",
    "prospect_value_micros",
)
"""Columns of the scores that plays may name."""

MOST_AT_STAKE = 2**53
"""Micros; whole numbers up to here are exact as floating point numbers."""


@dataclass(frozen=True)
class Shelved:
    """A play as a programme would use it: with what the programme sets otherwise.

    place : the file that declares it, for errors
    text : of that file
    own : the programme's own, not one that comes with Rapport
    used : the programme uses it
    needs : columns that its condition and what is at stake name
    lacks : data the company would have to bring for them; none where it can be used
    """

    play: Play
    place: str
    text: str
    own: bool
    used: bool = False
    needs: tuple[str, ...] = ()
    lacks: tuple[Brought, ...] = ()

    def where(self, setting: str, program: Program) -> str:
        """Return where a setting of the play stands, for errors."""
        settings = program.plays.settings.get(self.play.name)
        if settings is not None and setting in settings.model_fields_set:
            return f"program.toml: plays.settings.{self.play.name}.{setting}"
        of_play = setting in Play.model_fields
        path = (setting,) if of_play else ("treatment", setting)
        line = find_line(self.text, path)
        return f"{self.place}{f':{line}' if line else ''}: {'.'.join(path)}"


def shelf(program: Program, base: Path) -> tuple[Shelved, ...]:
    """Return every play there is for a programme, in the order of their names; all are checked.

    A play of the programme's own, in its folder `plays`, takes the place of one of that name that comes with Rapport.

    Raises
    ------
    ProgramSyntax, ProgramInvalid
        A file is no play, two have one name, or the programme names a play, a channel or a setting that is not there.
    RuleRefused
        A condition, or what is at stake, holds something that it may not.
    """
    found = {s.play.name: s for s in _shipped()}
    found |= {s.play.name: s for s in _own(base)}
    _refuse_unknown(program, found)
    traits = name_traits(program.traits)
    mapped = {(s.kind, column) for s in program.sources for column in s.columns}
    complete = []
    for name in sorted(found):
        one = _as_set(found[name], program)
        _check_conditions(one, program, allowed_columns(traits))
        needs = columns_of(*_expressions(one.play))
        lacks = lacking(needs, mapped, traits)
        used = name in program.plays.use or (ALL in program.plays.use and not lacks)
        complete.append(replace(one, needs=needs, lacks=lacks, used=used))
        if used:
            _check_channels(complete[-1], program)
    return tuple(complete)


def used_plays(program: Program, base: Path) -> tuple[Shelved, ...]:
    """Return the plays that a programme uses and its data allow; errors as for `shelf`."""
    return tuple(s for s in shelf(program, base) if s.used and not s.lacks)


def _shipped() -> Iterator[Shelved]:
    for file in sorted((files("rapport") / "plays").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            text = file.read_text(encoding="utf-8")
            yield Shelved(parse_part(text, f"plays/{file.name}", Play), f"plays/{file.name}", text, own=False)


def own_files(base: Path) -> list[Path]:
    """Return the files of a programme's own plays, in the order of their names."""
    return sorted((base / "plays").glob("*.toml"))


def _own(base: Path) -> Iterator[Shelved]:
    seen: dict[str, str] = {}
    for path in own_files(base):
        place = f"plays/{path.name}"
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ProgramSyntax(
                f"{path}: byte {error.start} is not UTF-8; TOML must be. Save it as UTF-8."
            ) from error
        play = parse_part(text, place, Play)
        if play.name == ALL:
            raise ProgramInvalid(f'{place}: name is "{ALL}", which stands for every play; name it otherwise.')
        if play.name in seen:
            raise ProgramInvalid(
                f"{place}: name is {play.name!r}, which {seen[play.name]} has too; names of plays must differ."
            )
        seen[play.name] = place
        yield Shelved(play, place, text, own=True)


def _refuse_unknown(program: Program, found: dict[str, Shelved]) -> None:
    for what, names in (("use", program.plays.use), ("settings", tuple(program.plays.settings))):
        for name in names:
            if name not in found and not (what == "use" and name == ALL):
                raise ProgramInvalid(
                    f"program.toml: plays.{what} names {name!r}; there are: {', '.join(sorted(found))}."
                    f"{nearest(name, found)}"
                )
    for name in program.plays.only:
        _channel_of(name, "program.toml: plays.only", program)


def _as_set(shelved: Shelved, program: Program) -> Shelved:
    """Return the play with what the programme sets otherwise."""
    settings = program.plays.settings.get(shelved.play.name)
    if settings is None:
        return shelved
    where = f"program.toml: plays.settings.{shelved.play.name}"
    try:
        return replace(shelved, play=Play.model_validate(changed(shelved.play, settings)))
    except Misplaced as error:
        raise ProgramInvalid(f"{where}.{error.path[0]} {error}.") from error
    except ValidationError as error:
        told = error.errors()[0]
        place = ".".join(str(p) for p in told["loc"][2:])
        raise ProgramInvalid(f"{where}{f'.{place}' if place else ''}: {told['ctx']['error']}.") from error


def _expressions(play: Play) -> tuple[str, ...]:
    treatment = play.treatment
    return (play.when, treatment.at_stake) if isinstance(treatment, Contact) else (play.when,)


def _check_conditions(shelved: Shelved, program: Program, columns: Sequence[str]) -> None:
    play, treatment = shelved.play, shelved.play.treatment
    check_condition(play.when, columns, shelved.where("when", program))
    if isinstance(treatment, Contact):
        check_condition(treatment.at_stake, columns, shelved.where("at_stake", program))
    if isinstance(treatment, Steer):
        check_condition(treatment.offers, CATALOGUE.names, shelved.where("offers", program))


def talk_channel(play: Play, program: Program) -> str | None:
    """Return the channel through which a play talks, None where it does not talk."""
    treatment = play.treatment
    return (treatment.channel or program.plays.channel) if isinstance(treatment, Contact) else None


def _channel_of(name: str, where: str, program: Program) -> None:
    names = [c.name for c in program.channels]
    if name not in names:
        raise ProgramInvalid(
            f"{where} is {name!r}; must be one of the channels: {', '.join(names)}.{nearest(name, names)}"
        )


def _check_channels(shelved: Shelved, program: Program) -> None:
    play, treatment = shelved.play, shelved.play.treatment
    if isinstance(treatment, Restrain | Steer):
        setting = "closes" if isinstance(treatment, Restrain) else "shut"
        for closed in treatment.closes if isinstance(treatment, Restrain) else treatment.shut:
            _channel_of(closed, shelved.where(setting, program), program)
        return
    name = talk_channel(play, program)
    if name is None:
        raise ProgramInvalid(
            f"program.toml: plays.channel is missing, and play {play.name} has to talk through a channel; must be "
            f"one of: {', '.join(c.name for c in program.channels)}. Set plays.channel, or "
            f"plays.settings.{play.name}.channel."
        )
    where = "program.toml: plays.channel" if treatment.channel is None else shelved.where("channel", program)
    _channel_of(name, where, program)
    if next(c for c in program.channels if c.name == name).format != "print":
        raise ProgramInvalid(
            f"{where} is {name!r}, whose format is message; a play is for its owner to do, so its channel must be a "
            f'list. Name a channel with format = "print".'
        )


def try_plays(engine: Engine, program: Program, base: Path) -> tuple[Shelved, ...]:
    """Return every play of a programme once the engine can work out its conditions; errors as for `shelf`."""
    found = shelf(program, base)
    traits = name_traits(program.traits)
    schema = pa.schema([*STATES, *(pa.field(t, pa.string()) for t in traits if t not in STATES.names)])
    states = pa.Table.from_pylist([_sample(schema)], schema=schema)
    worth = dict.fromkeys(WORTH, 1) | {"tier": "A", "below_zero": True}
    played = play_view(engine, states, pa.Table.from_pylist([worth]))
    for shelved in found:
        if not shelved.lacks:
            _holds(engine, shelved, program)
            _stakes(engine, shelved, program)
    engine.register_arrow("play_offers", pa.Table.from_pylist([_sample(CATALOGUE)], schema=CATALOGUE))
    for shelved in found:
        offers_of(engine, shelved, program)
    assert len(played) == 1
    return found


def _sample(schema: pa.Schema) -> dict[str, object]:
    samples: dict[pa.DataType, object] = {pa.string(): "text", pa.date32(): date(2000, 1, 1)}
    return {f.name: samples.get(f.type, 1) for f in schema}


def play_view(engine: Engine, states: pa.Table, worth: pa.Table) -> pa.Table:
    """Return what plays see of each customer, and let `play_states` stand for it in the engine.

    Parameters
    ----------
    states : Table of n customers in key order: `core.tables.STATES` and the traits
    worth : Table with the columns `WORTH`, in the same order

    Raises
    ------
    StageMissing
        The states are of an earlier version and lack columns.
    """
    missing = [n for n in STATES.names if n not in states.column_names]
    if missing:
        raise StageMissing(
            f"states: lack {', '.join(missing)}, because an earlier version made them; plays need them. Begin the "
            f"turn anew: rapport turn --restart"
        )
    table = with_worth(states, worth)
    typed = []
    for name, brought in BY_TRAIT.items():
        if brought.column not in states.column_names:
            continue
        kind = "BOOLEAN" if brought.kind == "truth" else "DOUBLE"
        typed.append(f'TRY_CAST("{brought.column}" AS {kind}) AS "{name}"')
    if typed:
        engine.register_arrow("play_raw", table)
        kept = ", ".join(f'"{n}"' for n in table.column_names if n not in BY_TRAIT)
        table = engine.query(f"SELECT {kept}, {', '.join(typed)} FROM play_raw ORDER BY customer_key")
    engine.register_arrow("play_states", table)
    return table


def with_worth(states: pa.Table, worth: pa.Table) -> pa.Table:
    """Return the states with the columns `WORTH` and the ranks, traits as they are."""
    table = states
    for name in WORTH:
        table = _with(table, name, worth[name])
    for name, values in _ranks(table).items():
        table = _with(table, name, values)
    return table


def figures_text(row: Mapping[str, Any], names: Sequence[str], currency: str) -> str:
    """Return the figures of one customer that a play goes by, as one line."""
    told = []
    for name in names:
        value = row.get(name)
        if value is None:
            shown_value = "unknown"
        elif name.endswith("_micros"):
            shown_value = show_money(value, currency)
        elif isinstance(value, float):
            shown_value = f"{value:.3f}"
        else:
            shown_value = str(value)
        told.append(f"{name.removesuffix('_micros').replace('_', ' ')} {shown_value}")
    return "; ".join(told)


def _with(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)


def _ranks(table: pa.Table) -> dict[str, pa.Array]:
    """Return the ranks among all customers; of equals the one with the smaller key ranks higher."""
    n, keys = len(table), table["customer_key"].to_numpy()
    everybody = np.ones(n, dtype=np.bool_)
    value = table["actual_value_micros"].fill_null(np.iinfo(np.int64).min).to_numpy()
    # ~value turns the order round without the overflow that -value has at the smallest int64.
    rank = _ranked(~value, keys, everybody)
    earlier = table["sales_earlier_micros"].fill_null(0).to_numpy()
    bought = table["purchase_days"].to_numpy() > 0
    rate = table["margin_micros"].to_numpy() / (table["recency_days"].to_numpy() + 28)
    return {
        "value_rank": pa.array(rank),
        "value_rank_share": pa.array(rank / max(n, 1)),
        "earlier_rank_share": _shares(_ranked(~earlier, keys, earlier > 0), earlier > 0),
        "margin_rank_share": _shares(_ranked(-rate, keys, bought), bought),
    }


def _ranked(falling: NDArray[np.generic], keys: NDArray[np.int64], among: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rank from 1 of those `among`, lowest first; 0 for the others."""
    rank = np.zeros(len(keys), dtype=np.int64)
    inside = np.flatnonzero(among)
    order = np.lexsort((keys[inside], falling[inside]))
    rank[inside[order]] = np.arange(1, len(inside) + 1)
    return rank


def _shares(rank: NDArray[np.int64], among: NDArray[np.bool_]) -> pa.Array:
    return pa.array(rank / max(int(among.sum()), 1), mask=~among)


@dataclass(frozen=True)
class Matched:
    """For whom a play is: `holds` (n,) and what is `at_stake_micros` (n,) int64, 0 where it does not talk.

    too_short : it compares two periods, and less than eight weeks are known
    """

    shelved: Shelved
    holds: NDArray[np.bool_]
    at_stake_micros: NDArray[np.int64]
    too_short: bool


def match_plays(engine: Engine, plays: Sequence[Shelved], program: Program, view: pa.Table) -> tuple[Matched, ...]:
    """Return for whom each play is; for nobody where data lack. Needs `play_view`, whose result `view` is."""
    nobody, nothing = np.zeros(len(view), dtype=np.bool_), np.zeros(len(view), dtype=np.int64)
    compared = len(view) > 0 and view["compared_days"][0].as_py() is not None
    found = []
    for shelved in plays:
        short = not compared and any(n in BY_HISTORY for n in shelved.needs)
        if shelved.lacks or short:
            found.append(Matched(shelved, nobody, nothing, short))
            continue
        held = _holds(engine, shelved, program)
        stake = np.where(held, _stakes(engine, shelved, program), 0)
        found.append(Matched(shelved, held, stake, too_short=False))
    return tuple(found)


def _holds(engine: Engine, shelved: Shelved, program: Program) -> NDArray[np.bool_]:
    where = shelved.where("when", program)
    return holds(engine, shelved.play.when, "play_states", "customer_key", where)


def _stakes(engine: Engine, shelved: Shelved, program: Program) -> NDArray[np.int64]:
    """Return what is at stake for every customer, whether the play is for them or not; unknown is nothing."""
    treatment = shelved.play.treatment
    if not isinstance(treatment, Contact):
        return np.zeros(engine.query("SELECT count(*) AS n FROM play_states")["n"][0].as_py(), dtype=np.int64)
    where = shelved.where("at_stake", program)
    try:
        found = engine.query(f"SELECT ({treatment.at_stake}) AS stake FROM play_states ORDER BY customer_key")[
            "stake"
        ]
    except EngineFault as error:
        raise cannot_be_asked(treatment.at_stake, where, str(error)) from error
    kind = found.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise RuleRefused(
            f"{where}: {shown(treatment.at_stake)} gives {kind}; must be an amount of money in micros. Write for "
            f"example: actual_value_micros"
        )
    stake = found.cast(pa.float64()).fill_null(0.0).to_numpy()
    stake = np.where(np.isfinite(stake), stake, 0.0)
    if (np.abs(stake) > MOST_AT_STAKE).any():
        most = float(np.abs(stake).max())
        raise RuleRefused(
            f"{where}: {shown(treatment.at_stake)} gives up to {most:.3g} micros; at most {MOST_AT_STAKE:.3g} are "
            f"allowed. Micros are millionths of the currency: do not multiply columns of money by each other."
        )
    return np.rint(stake).astype(np.int64)


def offers_of(engine: Engine, shelved: Shelved, program: Program) -> NDArray[np.bool_]:
    """Return which offers of the engine's table `play_offers` a play that steers is about, (J,)."""
    treatment = shelved.play.treatment
    condition = treatment.offers if isinstance(treatment, Steer) else "false"
    return holds(engine, condition, "play_offers", "offer_index", shelved.where("offers", program))
