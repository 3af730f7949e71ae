"""Tiers of a turn: ranked as the programme says, kept where little has changed, held against the turn before.

Why it exists: the one place that reads which tier a customer had in earlier turns. How a tier is kept and who moved
is worked out in `differentiate.tier_history`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rapport.core.errors import RuleRefused, StateDamaged
from rapport.differentiate.tier_history import Standing, dense_ranks, keep_tiers, migration, previous_tiers
from rapport.differentiate.tiers import assign_tiers
from rapport.differentiate.value import CustomerValues
from rapport.program.model import Program
from rapport.program.rules import cannot_be_asked, check_rule, shown
from rapport.program.tiers import BY_VALUE
from rapport.workflows.ports import Engine, EngineFault
from rapport.workflows.state_ports import Store, Tools
from rapport.workflows.turn_record import Turn, turn_record

WHERE = "tiers.by"

VALUE_COLUMNS = pa.schema(
    [
        ("alive_probability", pa.float64()),
        ("expected_purchases", pa.float64()),
        ("actual_value_micros", pa.int64()),
        ("actual_value_low_micros", pa.int64()),
        ("actual_value_high_micros", pa.int64()),
        ("below_zero", pa.bool_()),
    ]
)
"""What is known of a customer's value when tiers are cut, as `core.tables.SCORES` names it; after the states."""


@dataclass(frozen=True)
class Tiered:
    """The tiers of a turn, arrays in the order of the states.

    rank_tiers : the tier that rank alone gives
    previous : the tier in the turn before, '' for who had none
    record : what turn.json says of it, as plain values
    """

    tiers: NDArray[np.str_]
    rank_tiers: NDArray[np.str_]
    previous: NDArray[np.str_]
    record: dict[str, Any]


def tier_customers(engine: Engine, turn: Turn, tools: Tools, states: pa.Table, values: CustomerValues) -> Tiered:
    """Return the tiers of a turn, held against those of the latest turn of an earlier day that was planned.

    Raises
    ------
    RuleRefused
        What customers are ranked by is no number or cannot be worked out.
    StateDamaged
        The scores of the turn before cannot be read.
    """
    rule, keys = turn.program.tiers, states["customer_key"].to_numpy()
    criterion = rank_criterion(engine, turn.program, states, values)
    by_rank = assign_tiers(criterion, keys, rule.top_share, rule.bottom_share)
    name = turn_before(turn, tools)
    before = None if name is None else read_standing(tools.store, name)
    if before is None:
        # A turn that was discarded since is forgotten.
        name = None
    previous = previous_tiers(keys, before)
    tiers = keep_tiers(criterion, keys, previous, rule.top_share, rule.bottom_share, rule.hysteresis)
    record: dict[str, Any] = {"by": rule.by, "hysteresis": rule.hysteresis, "before": name}
    record["kept"] = int((tiers != by_rank).sum())
    if before is not None:
        moved = migration(before, Standing(keys, tiers, values.expected_contribution_micros))
        record["before_as_of"] = (turn_record(tools, str(name)) or {})["as_of"]
        record["moves"] = [asdict(m) for m in moved]
    return Tiered(tiers, by_rank, previous, record)


def tiers_by_rank(engine: Engine, program: Program, states: pa.Table, values: CustomerValues) -> NDArray[np.str_]:
    """Return the tiers of a day by rank alone, without any turn before, in the order of the states."""
    rule, keys = program.tiers, states["customer_key"].to_numpy()
    return assign_tiers(rank_criterion(engine, program, states, values), keys, rule.top_share, rule.bottom_share)


def rank_criterion(engine: Engine, program: Program, states: pa.Table, values: CustomerValues) -> NDArray[np.int64]:
    """Return whole numbers by which customers are ranked, in the order of the states.

    Values in micros, or the dense ranks of the programme's own criterion; where that is no finite number the
    customer ranks below all others.
    """
    if program.tiers.by.strip() == BY_VALUE:
        return values.expected_contribution_micros
    columns = {
        "alive_probability": values.alive_probability,
        "expected_purchases": values.expected_purchases,
        "actual_value_micros": values.expected_contribution_micros,
        "actual_value_low_micros": values.low_micros,
        "actual_value_high_micros": values.high_micros,
        "below_zero": values.below_zero,
    }
    table = states.select([n for n in states.column_names if n not in columns])
    for field in VALUE_COLUMNS:
        table = table.append_column(field, pa.array(columns[field.name], field.type))
    found = _asked(engine, program.tiers.by, table)
    known = found.is_valid().to_numpy(zero_copy_only=False)
    out = np.full(len(states), -1, dtype=np.int64)
    out[known] = dense_ranks(found.drop_null().to_numpy(zero_copy_only=False))
    return out


def check_criterion(program: Program, state_columns: Collection[str]) -> None:
    """Refuse a criterion that holds something that rules may not, or a column that is not there."""
    if program.tiers.by.strip() != BY_VALUE:
        check_rule(program.tiers.by, [*state_columns, *VALUE_COLUMNS.names], WHERE)


def try_criterion(engine: Engine, program: Program, one_state: pa.Table) -> None:
    """Refuse a criterion that is no number, or that the engine cannot work out, by asking it of one made-up row."""
    if program.tiers.by.strip() != BY_VALUE:
        table = one_state.select([n for n in one_state.column_names if n not in VALUE_COLUMNS.names])
        for field in VALUE_COLUMNS:
            table = table.append_column(field, pa.array([1], pa.int64()).cast(field.type))
        _asked(engine, program.tiers.by, table)


def _asked(engine: Engine, by: str, table: pa.Table) -> pa.Array:
    """Return the criterion of each row of a table in key order: whole numbers, else floats."""
    checked = check_rule(by, table.column_names, WHERE)
    engine.register_arrow("tier_states", table)
    try:
        found = engine.query(f"SELECT {checked} AS criterion FROM tier_states ORDER BY customer_key")["criterion"]
    except EngineFault as error:
        raise cannot_be_asked(by, WHERE, str(error)) from error
    kind = found.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise RuleRefused(
            f"{WHERE}: {shown(by)} gives {kind}; must be a number, the highest first, or 'value'. Name for example: "
            "sales_91_micros"
        )
    whole = found.combine_chunks()
    return whole if pa.types.is_integer(kind) else whole.cast(pa.float64(), safe=False)


def turn_before(turn: Turn, tools: Tools) -> str | None:
    """Return the latest turn of an earlier day that was planned, None where there is none.

    What a turn was once held against stands in its record: done again, it is held against the same, whatever was
    planned for earlier days since.
    """
    known = (turn_record(tools, turn.name) or {"stages": {}})["stages"].get("score")
    if known is not None and "tier_history" in known["counts"]:
        found: str | None = known["counts"]["tier_history"]["before"]
        return found
    earlier = planned_before(tools.store, turn.as_of)
    return earlier[-1][1] if earlier else None


def planned_before(store: Store, as_of: date) -> list[tuple[date, str]]:
    """Return day and name of the turns of earlier days that were planned, oldest first."""
    found = []
    for name in store.turns():
        record = store.read_json(store.turn_folder(name) / "turn.json")
        if record is not None and "plan" in record["stages"]:
            day = date.fromisoformat(record["as_of"])
            if day < as_of:
                found.append((day, name))
    return sorted(found)


def read_standing(store: Store, name: str) -> Standing | None:
    """Return who stood in which tier in a turn; None where the turn is not there any more.

    Raises
    ------
    StateDamaged
        The turn is there, and its scores cannot be read.
    """
    folder = store.turn_folder(name)
    if not folder.is_dir():
        return None
    table = _read(folder / "scores.parquet", ["customer_key", "tier", "actual_value_micros"])
    tiers = np.array(table["tier"].to_pylist(), dtype="<U1")
    return Standing(table["customer_key"].to_numpy(), tiers, table["actual_value_micros"].to_numpy())


def tier_history(store: Store, as_of: date, customer_key: int) -> list[dict[str, Any]]:
    """Return turn, day and tier of one customer in the planned turns of earlier days, oldest first."""
    found = []
    for day, name in planned_before(store, as_of):
        path = store.turn_folder(name) / "scores.parquet"
        rows = _read(path, ["tier"], [("customer_key", "=", customer_key)])
        found += [{"turn": name, "as_of": day.isoformat(), "tier": tier} for tier in rows["tier"].to_pylist()]
    return found


def _read(path: Path, columns: list[str], filters: list[Any] | None = None) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns, filters=filters)
    except (OSError, pa.ArrowException) as error:
        raise StateDamaged(
            f"{path}: cannot be read: {error}. Who was in which tier stands there; restore the file from a copy, or "
            "discard the turn if nothing of it was sent."
        ) from error
