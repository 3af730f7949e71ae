"""What is no longer believed: which traits of which customers have grown old, and what is done about it.

Why it exists: a trait that was true once misleads for years if nobody asks again. What is done is a policy: kept and
listed, asked again, or deleted. Nothing is deleted or asked here; the plan says what should be.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.profiles import INSTANT, OBSERVATIONS, PROFILE

Deed = Literal["keep", "ask", "delete"]

OUTDATED = pa.schema([PROFILE.field(n) for n in ("customer_id", "field", "value", "belief", "source", "at")])
"""One row a trait that is believed too little: since when nobody has said so is its time."""


@dataclass(frozen=True)
class OutdatedPlan:
    """What is to be done with what is outdated, all of OUTDATED.

    asked : there is a question for the field; kept : left as they are
    unaskable : should be asked, but no question of the programme asks for the field; kept, and counted
    deleted : to be deleted, with every observation they rest on
    """

    asked: pa.Table
    kept: pa.Table
    unaskable: pa.Table
    deleted: pa.Table

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many traits of each field each table holds, by table."""
        named = (("asked", self.asked), ("kept", self.kept), ("unaskable", self.unaskable), ("deleted", self.deleted))
        return {name: _by_field(table) for name, table in named}


def _by_field(table: pa.Table) -> dict[str, int]:
    found = table.group_by("field").aggregate([("field", "count")]).sort_by("field")
    return dict(zip(found["field"].to_pylist(), found["field_count"].to_pylist(), strict=True))


def find_outdated(profile: pa.Table, below: float) -> pa.Table:
    """Return the traits of PROFILE believed less than `below`, OUTDATED, the least believed first."""
    old = profile.filter(pc.less(profile["belief"], below)).select(OUTDATED.names)
    return old.sort_by([("belief", "ascending"), ("field", "ascending"), ("customer_id", "ascending")])


def plan_outdated(outdated: pa.Table, deed: Deed, askable: Collection[str]) -> OutdatedPlan:
    """Return what is to be done with outdated traits.

    Parameters
    ----------
    outdated : Arrow table
        As of `find_outdated`.
    deed : "keep", "ask" or "delete"
    askable : collection of str
        Fields that a question of the programme asks for.
    """
    none = outdated.slice(0, 0)
    if deed == "keep":
        return OutdatedPlan(none, outdated, none, none)
    if deed == "delete":
        return OutdatedPlan(none, none, none, outdated)
    can = pc.is_in(outdated["field"], value_set=pa.array(sorted(askable), pa.string()))
    return OutdatedPlan(outdated.filter(can), none, outdated.filter(pc.invert(can)), none)


def observations_to_delete(observations: pa.Table, plan: OutdatedPlan, as_of: datetime) -> pa.Table:
    """Return the observations, up to a time, of the traits that are to be deleted, OBSERVATIONS.

    All values of the field go, not the survivor alone: what lost to something outdated is believed still less.
    """
    keys = ["customer_id", "field"]
    mine = observations.select(OBSERVATIONS.names)
    known = pc.fill_null(pc.less_equal(mine["at"].cast(INSTANT), pa.scalar(as_of, INSTANT)), True)
    return (
        mine.filter(known)
        .join(plan.deleted.select(keys), keys=keys, join_type="left semi")
        .select(OBSERVATIONS.names)
    )
