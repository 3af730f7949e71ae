"""The conditions of what is declared for all customers together: where they stand, and asking them of the engine.

Why it exists: every condition is checked before any is asked, is asked once, and is told by its setting where it is
wrong. What the answers mean is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import ProgramInvalid, nearest
from rapport.core.tables import CATALOGUE, STATES
from rapport.program.model import Program
from rapport.program.rules import cannot_be_asked, check_condition, no_condition
from rapport.program.shared import OF_CONTACTS, OFFER_COLUMNS, Include, Kind, Lever, Limit
from rapport.workflows.ports import Engine, EngineFault

About = Literal["offers", "customers"]
"""What a condition is about, which is also the name of its setting."""


def with_tier(states: pa.Table, tiers: NDArray[np.str_]) -> pa.Table:
    """Return the states with the column `tier`, in the place of a trait of that name if there is one."""
    column = pa.array(tiers.tolist(), pa.string())
    if "tier" in states.column_names:
        return states.set_column(states.column_names.index("tier"), "tier", column)
    return states.append_column("tier", column)


def conditions_of(program: Program) -> Iterator[tuple[str, str, About]]:
    """Yield the place, the text and the subject of every condition that is declared."""
    parts: dict[str, tuple[Limit | Lever | Kind | Include, ...]] = {
        "limits": program.limits,
        "levers": program.levers,
        "kinds": program.kinds,
        "includes": program.includes,
    }
    subjects: tuple[About, ...] = ("offers", "customers")
    for what, declared in parts.items():
        for part in declared:
            for about in subjects:
                condition = getattr(part, about, None)
                if condition is not None:
                    yield f"{what}.{part.name}.{about}", condition, about


def check_declared(program: Program, state_columns: Collection[str]) -> None:
    """Refuse what is declared with a condition that may not be written, or for each of a column that is not there.

    Parameters
    ----------
    state_columns : collection of str
        Columns of the states: `core.tables.STATES`, then the traits.

    Raises
    ------
    RuleRefused
        A condition holds something that rules may not, a comment or a semicolon.
    ProgramInvalid
        `each` names no column that it may.
    """
    columns = {"offers": CATALOGUE.names, "customers": [*state_columns, "tier"]}
    for where, condition, about in conditions_of(program):
        check_condition(condition, columns[about], where)
    for limit in program.limits:
        if limit.each is not None:
            subject_of_each(limit, state_columns)


def subject_of_each(limit: Limit, state_columns: Collection[str]) -> About:
    """Return whether `each` is a column of offers, which comes first, or of customers."""
    of_customers = ["tier", *(c for c in state_columns if c == "top_department" or c not in STATES.names)]
    counts_offers = limit.counts not in OF_CONTACTS
    if counts_offers and limit.each in OFFER_COLUMNS:
        return "offers"
    if limit.each in of_customers:
        return "customers"
    allowed = [*(OFFER_COLUMNS if counts_offers else ()), *dict.fromkeys(of_customers)]
    raise ProgramInvalid(
        f"program.toml: limits.{limit.name}.each is {limit.each!r}; where counts is {limit.counts!r} it must be one "
        f"of: {', '.join(allowed)}.{nearest(str(limit.each), allowed)}"
    )


def holds(engine: Engine, condition: str, table: str, order: str, where: str) -> NDArray[np.bool_]:
    """Return for each row of a table whether the checked condition of a setting holds; unknown does not.

    Raises
    ------
    RuleRefused
        The engine cannot work it out, or it gives something else than true or false.
    """
    try:
        found = engine.query(f"SELECT {condition} AS holds FROM {table} ORDER BY {order}")["holds"]
    except EngineFault as error:
        raise cannot_be_asked(condition, where, str(error)) from error
    if not pa.types.is_boolean(found.type):
        raise no_condition(condition, where, str(found.type))
    return np.asarray(found.fill_null(False).to_numpy(), dtype=np.bool_)


class Asked:
    """The conditions of a turn, each asked of the engine once."""

    def __init__(self, engine: Engine, catalogue: pa.Table, states: pa.Table) -> None:
        engine.register_arrow("limit_offers", catalogue)
        engine.register_arrow("limit_states", states)
        self._engine = engine
        self._columns = {"offers": catalogue.column_names, "customers": states.column_names}
        self._known: dict[tuple[str, str], NDArray[np.bool_]] = {}
        self.catalogue, self.states = catalogue, states

    def check(self, condition: str, about: About, where: str) -> str:
        """Return a condition as DuckDB SQL; raise RuleRefused where it may not be written."""
        return check_condition(condition, self._columns[about], where)

    def holds(self, condition: str, about: About, where: str) -> NDArray[np.bool_]:
        """Return for each offer, or each customer in key order, whether a condition holds."""
        checked = self.check(condition, about, where)
        if (about, checked) not in self._known:
            table, order = ("limit_offers", "offer_index") if about == "offers" else ("limit_states", "customer_key")
            self._known[about, checked] = holds(self._engine, checked, table, order, where)
        return self._known[about, checked]
