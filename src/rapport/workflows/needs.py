"""Needs groups of a turn: fitted, or those of an earlier turn used again, and who is in which.

Why it exists: counts come from the engine, a range of customers at a time; the model is small and is learned from a
sample, the membership of everybody follows. Names and profiles are not made here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.tables import NEEDS
from rapport.differentiate.needs import Known, NeedsSettings, fit_needs, main_group
from rapport.differentiate.needs_counts import Floats, Integers, read_counts
from rapport.differentiate.needs_model import NeedsModel, predict_needs
from rapport.differentiate.needs_sql import WHAT, needs_counts_sql, needs_lines_sql, needs_prices_sql
from rapport.program.model import Program
from rapport.program.needs import Needs
from rapport.workflows.ports import Engine
from rapport.workflows.state_ports import Store

AT_A_TIME = 50_000
"""Customers whose counts are in memory together."""

HELD_OUT_DAYS = 28
"""Days at the end of the known time on which numbers of groups are compared, or a quarter of it where that is
less."""


@dataclass(frozen=True)
class NeedsOfTurn:
    """The groups of a turn and who is in them; arrays in the order of the states.

    main : (n,) int64, the group of the largest weight, -1 without a purchase
    weight : (n,) float64, that weight, NaN without a purchase
    member : (n, k) float64, the weights in all groups
    reused : whether the model is that of an earlier turn
    """

    model: NeedsModel
    main: Integers
    weight: Floats
    member: Floats
    reused: bool

    def names(self) -> pa.Array:
        """Return the name of each customer's main group, null without a purchase, shape (n,)."""
        names = pa.array([*self.model.names, None], pa.string())
        return names.take(pa.array(np.where(self.main < 0, self.model.k, self.main)))

    def columns(self) -> dict[str, pa.Array]:
        """Return the columns of the scores."""
        return {"needs_group": self.names(), "needs_share": pa.array(self.weight, from_pandas=True)}

    def record(self) -> dict[str, Any]:
        """Return what turn.json says: the model, its groups and how their number was chosen."""
        model = self.model
        sizes = np.bincount(self.main[self.main >= 0], minlength=model.k).tolist()
        return {
            "version": model.version,
            "status": str(model.status),
            "why": model.why,
            "level": model.level,
            "as_of": model.as_of,
            "reused": self.reused,
            "kept_from": model.kept_from,
            "learned_from": model.customers,
            "covered": model.vocabulary.covered,
            "groups": [
                {
                    "name": name,
                    "customers": size,
                    "share": float(share),
                    "marks": [{"view": v, "value": w, "z": z, "ratio": r} for v, w, z, r in marks],
                }
                for name, size, share, marks in zip(model.names, sizes, model.groups.share, model.marks, strict=True)
            ],
            "without_purchase": int((self.main < 0).sum()),
            "compared": [asdict(c) for c in model.compared],
            "held_out": None if model.held_out is None else asdict(model.held_out),
        }


def settings_of(needs: Needs) -> NeedsSettings:
    """Return how the programme wants groups to be learned; not for a programme that wants none."""
    return NeedsSettings(
        groups="auto" if needs.groups == "off" else needs.groups, level=needs.level, views=tuple(needs.views)
    )


def needs_of(
    engine: Engine, states: pa.Table, program: Program, as_of: date, before: NeedsModel | None = None
) -> NeedsOfTurn | None:
    """Return the needs groups of a day and who is in them, or None where the programme wants none.

    Needs `state.open_tables`. Only what was bought before the day is read.

    Parameters
    ----------
    before : NeedsModel, optional
        Of an earlier turn: used again where it is no older than the programme says, else it gives names.
    """
    if program.needs.groups == "off":
        return None
    level = _level(engine, program.needs.level)
    settings = settings_of(program.needs.model_copy(update={"level": level}))
    keys = states["customer_key"].to_numpy()
    first = pc.min(states["first_day"]).as_py() or as_of
    known = Known(as_of.isoformat(), first.isoformat(), _held_out(first, as_of))
    split = as_of - timedelta(days=known.held_out_days)
    engine.execute(f"CREATE OR REPLACE TABLE needs_prices AS {needs_prices_sql()}", {"as_of": as_of})
    reused = before is not None and _fresh(before, settings, as_of, program.needs.refit_days)
    model = before if reused else None
    parts: list[tuple[Integers, Floats, Floats]] = []
    for rows, counted in _counted(engine, keys, level, program.timezone, (as_of, split)):
        if model is None:
            model = fit_needs(counted, keys[rows], known, settings, before)
        parts.append(_members(model, counted, keys[rows]))
    if model is None:
        model = fit_needs(_no_counts(), keys, known, settings, before)
        return NeedsOfTurn(model, np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros((0, model.k)), False)
    main, weight, member = (np.concatenate(part) for part in zip(*parts, strict=True))
    return NeedsOfTurn(model, main, weight, member, reused)


def _members(model: NeedsModel, counted: pa.Table, keys: NDArray[np.int64]) -> tuple[Integers, Floats, Floats]:
    """Return main group, its weight and all weights of a range of customers."""
    counts = read_counts(counted, keys, model.vocabulary, "both")
    bought = np.zeros(len(keys), dtype=np.bool_)
    bought[np.searchsorted(keys, np.unique(counted["customer_key"].to_numpy()))] = True
    if model.k == 1:
        member = np.ones((len(keys), 1))
        return *main_group(member, bought), member
    member = predict_needs(model, counts)
    where = model.vocabulary.views[WHAT]
    return *main_group(member, bought & (counts.of_view(where).totals() > 0)), member


def _counted(
    engine: Engine, keys: NDArray[np.int64], level: str, zone: str, days: tuple[date, date]
) -> Iterator[tuple[slice, pa.Table]]:
    """Yield ranges of customers with their counts; the first range, of hashed keys, is the sample to learn from."""
    for first in range(0, len(keys), AT_A_TIME):
        rows = slice(first, min(first + AT_A_TIME, len(keys)))
        bound = {"key_from": int(keys[rows][0]), "key_to": int(keys[rows][-1]), "as_of": days[0], "zone": zone}
        engine.execute(f"CREATE OR REPLACE TABLE needs_lines AS {needs_lines_sql(level)}", bound)
        yield rows, engine.query(needs_counts_sql(), {"split": days[1]})


def _no_counts() -> pa.Table:
    kinds = {"customer_key": pa.int64(), "view": pa.string(), "value": pa.string()}
    schema = pa.schema([*kinds.items(), ("before", pa.int64()), ("later", pa.int64())])
    return schema.empty_table()


def _held_out(first: date, as_of: date) -> int:
    return max(1, min(HELD_OUT_DAYS, (as_of - first).days // 4))


def _fresh(before: NeedsModel, settings: NeedsSettings, as_of: date, days: int) -> bool:
    """Return whether an earlier model may be used again: of one kind with what is wanted, and not too old."""
    age = (as_of - date.fromisoformat(before.as_of)).days
    alike = before.level == settings.level and settings.groups in ("auto", before.k) and before.k > 1
    held = {f.view for f in before.vocabulary.features} <= {WHAT, *settings.views}
    return alike and held and 0 <= age < days


def _level(engine: Engine, wanted: str) -> str:
    """Return the level asked for, or the next finer and then coarser one that the products have."""
    order = {"item": ("item", "category", "department"), "category": ("category", "item", "department")}
    for level in order.get(wanted, ("department", "category", "item")):
        found = engine.query(f"SELECT count({level}) AS n FROM products")
        if found["n"][0].as_py():
            return level
    return wanted


def with_needs(states: pa.Table, needs: NeedsOfTurn | None) -> pa.Table:
    """Return the states with the columns of `core.tables.NEEDS`; a trait of one of their names stays."""
    for name, column in needs_columns(needs, len(states)).items():
        if name not in states.column_names:
            states = states.append_column(name, column)
    return states


def needs_columns(needs: NeedsOfTurn | None, customers: int) -> dict[str, pa.Array]:
    """Return the columns of the scores; empty of values where no groups are looked for."""
    return needs.columns() if needs else {f.name: pa.nulls(customers, f.type) for f in NEEDS}


def asks_for_needs(program: Program, catalogue: pa.Table) -> bool:
    """Return whether a rule, or an offer's own condition, names a column of the needs."""
    texts = [r.customers for r in program.rules] + [c for c in catalogue["eligible"].to_pylist() if c]
    return any(f.name in text for f in NEEDS for text in texts)


def needs_before(store: Store, turn: str, as_of: date) -> NeedsModel | None:
    """Return the needs model of the latest turn of an earlier day, None where there is none that can be read."""
    found: tuple[str, str] | None = None
    for name in store.turns():
        record = store.read_json(store.turn_folder(name) / "turn.json")
        needs = ((record or {}).get("stages", {}).get("score") or {}).get("counts", {}).get("needs")
        if record is None or name == turn or needs is None or record["as_of"] >= as_of.isoformat():
            continue
        found = max(found or ("", ""), (record["as_of"], needs["version"]))
    return None if found is None else read_needs(store, found[1])


def read_needs(store: Store, version: str) -> NeedsModel | None:
    """Return a needs model from the state, None where its file is gone or of another form."""
    record = store.read_json(models_folder(store) / f"{version}.json")
    try:
        return None if record is None else NeedsModel.from_record(record)
    except ValueError:
        return None


def models_folder(store: Store) -> Path:
    """Return where models are kept."""
    return store.state / "models"
