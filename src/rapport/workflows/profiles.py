"""The profiles of customers from the memory: what is believed of each, what is outdated, and what is done about it.

Why it exists: rules and arithmetic of profiles know no memory; this lends them one. No arithmetic enters.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from rapport.core.profiles import CORRECTED, OBSERVATIONS
from rapport.identify.outdated import OutdatedPlan, find_outdated, observations_to_delete, plan_outdated
from rapport.identify.profile import Profile, Survival, survive
from rapport.program.model import Program
from rapport.workflows.identity_ports import Profiles, Records
from rapport.workflows.identity_records import Trait


def survival_of(program: Program) -> Survival:
    """Return the rule by which values survive in a programme."""
    settings = program.identify
    return Survival(
        trust={p.name: p.trust for p in program.people},
        answer_trust=settings.answer_trust,
        correction_trust=settings.correction_trust,
        half_life_days=settings.half_life_days,
        order=settings.survivorship,
        outdated_below=settings.outdated_below,
    )


def observed_of(memory: Profiles, customer_id: str) -> pa.Table:
    """Return what the memory holds of one customer, OBSERVATIONS."""
    rows = [
        {
            "customer_id": customer_id,
            "record_key": t.node_key,
            "field": t.field,
            "value": t.value,
            "source": t.source,
            "at": t.at,
            "confidence": t.confidence,
        }
        for t in memory.traits_of(customer_id)
    ]
    return pa.Table.from_pylist(rows, OBSERVATIONS)


def profile_of(
    memory: Profiles, program: Program, customer_id: str, as_of: datetime, said: pa.Table | None = None
) -> list[dict[str, Any]]:
    """Return the rows of PROFILE of one customer as plain values, by field.

    `said` are OBSERVATIONS of the customer's records, which systems hold and the memory does not.
    """
    observed = observed_of(memory, customer_id)
    if said is not None:
        observed = pa.concat_tables([said, observed])
    rows: list[dict[str, Any]] = survive(observed, survival_of(program), as_of).table.to_pylist()
    return rows


def all_profiles(memory: Profiles, program: Program, as_of: datetime) -> Profile:
    """Return the profiles of all customers of the memory."""
    return survive(memory.traits(), survival_of(program), as_of)


def correct(records: Records, memory: Profiles, customer_id: str, field: str, value: str, at: datetime) -> int:
    """Remember that a person put a field of a customer right; return 1 where that changed anything."""
    node = records.node_keys(customer_id)[0]
    return memory.remember_traits([Trait(node, field, value, CORRECTED, at)])


def outdated_now(
    memory: Profiles, program: Program, askable: Iterable[str], as_of: datetime
) -> tuple[OutdatedPlan, int]:
    """Do with what is outdated what the programme says; return the plan, and how many observations were deleted.

    What is to be asked is not asked here: the next question that is worth it is chosen at the contact.
    """
    observations = memory.traits()
    profile = survive(observations, survival_of(program), as_of)
    outdated = find_outdated(profile.table, program.identify.outdated_below)
    plan = plan_outdated(outdated, program.identify.outdated, set(askable))
    if not len(plan.deleted):
        return plan, 0
    gone = observations_to_delete(observations, plan, as_of)
    traits = [
        Trait(r["record_key"], r["field"], r["value"], r["source"], r["at"], r["confidence"])
        for r in gone.to_pylist()
    ]
    return plan, memory.forget_traits(traits)
