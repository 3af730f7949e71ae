"""What the programme's policy becomes as the frozen terms of a turn, and who is held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from programs import program_with
from rapport.core.keys import customer_key
from rapport.workflows.plan import hold_out, plan_turn, policy_of, terms_record
from state_tables import person, states_of, tables
from worlds import TURN, catalogue_table, channel, rows_of, score_rows, shop

NOBODY = np.array([], dtype=np.int64)


@pytest.mark.parametrize(
    ("changes", "contacts"),
    [
        ({"cost_per_contact": 0.03, "budget": 1.0}, 33),
        ({"cost_per_contact": 0.1, "budget": 0.3}, 3),
        ({"cost_per_contact": 0.03, "budget": 0.0}, 0),
        ({"cost_per_contact": 0.0, "budget": 0.0}, 50),
        ({"cost_per_contact": 0.01, "budget": 100.0}, 50),
    ],
)
def test_a_budget_limits_contacts_as_capacity_does(changes: dict[str, Any], contacts: int) -> None:
    # Base .1, odds ratio 4, price 200.00: worth 200 x .00076923 = .153846, more than any contact here costs.
    scores, catalogue = score_rows(np.full((60, 1), 0.1)), catalogue_table([200_000_000])
    program = shop(channel(capacity=50, **changes))
    found = plan_turn(rows_of(scores), catalogue, program, TURN, "model-1")
    assert sum(found.decisions["deliver"].to_pylist()) == contacts
    names = [x.name for x in policy_of(program, "w1").limits]
    assert names == ["email capacity", "email budget"]
    assert found.shared.used.tolist() == [contacts, contacts * round(changes["cost_per_contact"] * 1e6)]


def test_another_turn_draws_anew_and_another_setting_has_another_version() -> None:
    one, other = policy_of(shop(), "w1"), policy_of(shop(), "w2")
    assert one.salt != other.salt
    assert one.version == other.version
    versions = {
        policy_of(program, "w1").version
        for program in (
            shop(),
            shop(portfolio_size=4),
            shop(channel(reach=0.9)),
            shop(litmus={"mass_cost": 1.0}),
            program_with(lift={"odds_ratio": 3.0, "low": 1.0, "high": 4.0, "why": "w"}),
        )
    }
    assert len(versions) == 5


def test_a_household_is_held_out_as_one_and_for_ever(tmp_path: Path) -> None:
    people = [person(f"c{i}", f"house {i // 2}") for i in range(400)]
    states: pa.Table = states_of(tmp_path, tables(customers=people))
    households = states["household_key"].to_numpy()
    first = hold_out(states, shop(holdout_share=0.2), NOBODY)
    assert 40 < first.sum() < 120  # 200 households at .2: 40 +- 4 x 5.7, each of two customers
    assert set(households[first]).isdisjoint(households[~first])
    later = hold_out(states, shop(holdout_share=0.0, salt="new"), np.unique(households[first]))
    assert (later == first).all()
    assert customer_key("house 0") in households


MEASURED: dict[str, Any] = {
    "lift": {"odds_ratio": 4.0, "low": 2.0, "high": 8.0, "why": "A test.", "basis": "measured"},
    "margins": {"default": 0.3, "basis": "measured"},
    "channels": [channel(reach_basis="measured"), channel("till", reach_basis="measured")],
}


@pytest.mark.parametrize(
    ("changes", "basis"),
    [
        ({}, "measured"),
        ({"lift": MEASURED["lift"] | {"basis": "assumed"}}, "assumed"),
        ({"margins": {"default": 0.3, "basis": "assumed"}}, "assumed"),
        ({"channels": [MEASURED["channels"][0], channel("till", reach_basis="assumed")]}, "assumed"),
    ],
)
def test_a_decision_is_measured_only_where_all_it_rests_on_is(changes: dict[str, Any], basis: str) -> None:
    program = program_with(**(MEASURED | changes))
    rows = rows_of(score_rows(np.full((3, 2), 0.1), channels=2))
    plan = plan_turn(rows, catalogue_table([1_000_000, 2_000_000]), program, TURN, "model-1")
    assert set(plan.decisions["basis"].to_pylist()) == {basis}
    assert terms_record(plan, program, 0, replay=False)["models"]["basis"] == basis


def test_the_terms_record_what_the_read_out_and_the_explanation_need() -> None:
    rule = {"name": "no-fuel", "kind": "eligibility", "offers": "depth > 0.5", "why": "Not ours."}
    program = program_with(
        channels=[channel()],
        rules=[rule],
        offers={"query": "SELECT 1", "validity_days": 9},
        policy={"holdout_share": 0.2},
    )
    plan = plan_turn(
        rows_of(score_rows(np.full((3, 1), 0.1))), catalogue_table([1_000_000]), program, TURN, "model-1"
    )
    written = terms_record(plan, program, 7, replay=True)
    told = {n: written[n] for n in ("window_days", "holdout_share", "kept_beyond_share", "replay", "rules")}
    assert told == {
        "window_days": 9,
        "holdout_share": 0.2,
        "kept_beyond_share": 7,
        "replay": True,
        "rules": [{"name": "no-fuel", "kind": "eligibility", "why": "Not ours."}],
    }
