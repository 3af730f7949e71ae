"""An explanation gives the record again, checks it by deciding alone, and says what else was open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from programs import program_with
from rapport.core.errors import StageMissing, UnknownCustomer
from rapport.core.tables import SCORES, STATES
from rapport.stores.turn_store import TurnStore
from rapport.workflows.explain import explain
from rapport.workflows.plan import plan_turn, terms_record
from worlds import AS_OF, TURN, catalogue_table, channel, declared, rows_of, score_rows

RULES = [
    {"name": "no-fuel", "kind": "eligibility", "why": "Not ours."},
    {"name": "no-beer", "kind": "suitability", "why": "Not good."},
]


@pytest.fixture
def planned(tmp_path: Path) -> TurnStore:
    """Return a turn of thirty customers and five offers, of which one is excluded for everybody."""
    program = program_with(
        channels=[channel()],
        rules=RULES,
        policy={"portfolio_size": 2, "exploration_share": 0.5, "holdout_share": 0.0, "variety": 1.0},
    )
    base = np.random.default_rng(1).uniform(0.02, 0.25, (30, 5))
    base[:, 4] = 0.9
    shut = np.tile(np.array([0, 0, 0, 2, 0], np.int8), (30, 1))
    shut[3, 2] = 1
    shut[4, 0] = -1
    scores = score_rows(base, excluded=shut, contacts=[0, 0, 0, 0, 0, 99] + [0] * 24)
    catalogue = catalogue_table([10_000_000, 20_000_000, 30_000_000, 40_000_000, 50_000_000])
    rows = rows_of(scores, np.arange(30) % 4 == 0)
    states = rows.select(["customer_key", "customer_id", "household_key", "as_of"])
    states = states.from_pylist(states.to_pylist(), schema=STATES)
    plan = plan_turn(rows, catalogue, program, TURN, "model-1")
    store = TurnStore(tmp_path)
    for name, table in {
        "states": states,
        "scores": rows.select(SCORES.names),
        "catalogue": catalogue,
        "decisions": plan.decisions,
    }.items():
        store.write_table(TURN, name, table)
    store.write_json(store.turn_folder(TURN) / "terms.json", terms_record(plan, program, 0, replay=False))
    return store


def test_every_customer_is_decided_the_same_again_when_alone(planned: TurnStore) -> None:
    decisions = planned.read_table(TURN, "decisions").to_pylist()
    assert any(d["explored"] for d in decisions)
    for decision in decisions:
        found = explain(planned, TURN, decision["customer_id"])
        assert found["same_when_decided_alone"]
        assert found["decision"] == decision
        assert list(found["reasons"]) == decision["reasons"]
        assert [o["offer_id"] for o in found["portfolio"]] == decision["offer_ids"]
        assert found["state"]["as_of"] == AS_OF


def test_what_else_was_open_comes_by_value_without_the_excluded(planned: TurnStore) -> None:
    found = explain(planned, TURN, "customer 3")
    shown = [o["offer_id"] for o in found["portfolio"] + found["alternatives"]]
    assert sorted(shown) == ["o00", "o01", "o04"]
    last = found["alternatives"][-1]
    # Base .9 lies above the break-even of 1/3.
    assert (last["offer_id"], last["reason"]) == ("o04", "DOES_NOT_PAY")
    assert last["pays_below_base_probability"] == pytest.approx(1 / 3)
    values = [o["value_if_seen_micros"] for o in found["alternatives"]]
    assert values == sorted(values, reverse=True)
    assert explain(planned, TURN, "customer 3", alternatives=1)["alternatives"] == found["alternatives"][:1]


def test_each_rule_tells_how_many_offers_it_set_aside(planned: TurnStore) -> None:
    assert explain(planned, TURN, "customer 3")["excluded"] == [
        {"rule": "no-fuel", "reason": "NOT_ELIGIBLE", "offers": 1, "why": "Not ours."},
        {"rule": "no-beer", "reason": "NOT_SUITABLE", "offers": 1, "why": "Not good."},
    ]


def test_rules_are_named_as_the_turn_was_planned_by(planned: TurnStore) -> None:
    path = planned.turn_folder(TURN) / "terms.json"
    terms = planned.read_json(path)
    assert terms["rules"] == RULES
    terms["rules"][1] |= {"name": "no-wine", "kind": "applicability", "why": "Not now."}
    planned.write_json(path, terms)
    assert explain(planned, TURN, "customer 1")["excluded"] == [
        {"rule": "no-wine", "reason": "NOT_APPLICABLE", "offers": 1, "why": "Not now."}
    ]


def test_an_offers_own_condition_is_told_before_the_rules(planned: TurnStore) -> None:
    first, second = explain(planned, TURN, "customer 4")["excluded"]
    assert (first["rule"], first["reason"], first["offers"]) == ("eligible", "NOT_ELIGIBLE", 1)
    assert second["rule"] == "no-beer"


def test_to_whom_nothing_is_said_every_open_offer_has_their_own_reason(planned: TurnStore) -> None:
    found = explain(planned, TURN, "customer 5")
    assert (found["portfolio"], found["decision"]["channel"]) == ([], "silence")
    assert found["decision"]["reasons"] == ["CONTACT_CAP"]
    assert [o["reason"] for o in found["alternatives"]] == ["CONTACT_CAP"] * 4


def test_a_changed_record_is_noticed(planned: TurnStore) -> None:
    decisions = planned.read_table(TURN, "decisions")
    field = decisions.schema.field("channel_probability")
    at = decisions.schema.get_field_index(field.name)
    changed = decisions.set_column(at, field, [np.full(len(decisions), 0.123)])
    planned.write_table(TURN, "decisions", changed)
    assert not explain(planned, TURN, "customer 1")["same_when_decided_alone"]


def test_who_is_not_there_is_told_with_the_nearest(planned: TurnStore, tmp_path: Path) -> None:
    with pytest.raises(UnknownCustomer, match=r"'custmer 7' is not in turn .*30 customers.*Did you mean customer 7"):
        explain(planned, TURN, "custmer 7")
    with pytest.raises(StageMissing, match="has no decisions yet"):
        explain(TurnStore(tmp_path / "empty"), TURN, "customer 1")


# With a base of .05 and odds four times as high .2 / 1.15 = .1739 buy; margin .30 and depth .20 leave
# .1239 x .10 - .05 x .20 = .0024 of the price. So offers are worth in the order of their prices; o07 does not pay.
PRICES = [60, 50, 40, 30, 25, 20, 10, 55]
WINE = [0, 0, 0, -1, -1, 0, -1, 0]


def _with_wine(folder: Path, most: int, **changes: Any) -> TurnStore:
    """Return a turn in which at most so many of five wines stand among three offers, individual for everybody."""
    said = declared(len(PRICES), kind=WINE, kind_most=[most], **changes)
    costs = {"mass_cost": 0.001, "segment_cost": 0.001, "individual_cost": 0.0}
    program = program_with(
        channels=[channel()],
        rules=[],
        litmus=costs,
        policy={"portfolio_size": 3, "exploration_share": 0.0, "holdout_share": 0.0, "variety": 1.0},
    )
    base = np.full((2, len(PRICES)), 0.05)
    base[:, 7] = 0.9
    shut = np.zeros((2, len(PRICES)), np.int8)
    # The second customer may have of the wines only the cheapest.
    shut[1, :3] = -1
    rows = rows_of(score_rows(base, excluded=shut))
    catalogue = catalogue_table([p * 1_000_000 for p in PRICES])
    plan = plan_turn(rows, catalogue, program, TURN, "model-1", declared=said)
    states = rows.select(["customer_key", "customer_id", "household_key", "as_of"]).to_pylist()
    store = TurnStore(folder)
    tables = {
        "states": pa.Table.from_pylist(states, schema=STATES),
        "scores": rows.select(SCORES.names),
        "catalogue": catalogue,
        "decisions": plan.decisions,
    }
    for name, table in tables.items():
        store.write_table(TURN, name, table)
    store.write_json(store.turn_folder(TURN) / "limits.json", said)
    store.write_json(store.turn_folder(TURN) / "terms.json", terms_record(plan, program, 0, replay=False))
    return store


def _reasons(store: TurnStore, customer: str) -> tuple[set[str], dict[str, str]]:
    found = explain(store, TURN, customer)
    assert found["decision"]["level"] == "individual"
    assert found["same_when_decided_alone"]
    return {o["offer_id"] for o in found["portfolio"]}, {o["offer_id"]: o["reason"] for o in found["alternatives"]}


def test_an_offer_that_only_its_kind_keeps_out_has_that_reason(tmp_path: Path) -> None:
    given, why = _reasons(_with_wine(tmp_path, most=1), "customer 0")
    # One wine, then what is no wine. Were o01 or o02 no wine, it would take the place of o04; o05 is worth less.
    assert given == {"o00", "o03", "o04"}
    assert why == {
        "o01": "KIND_FULL",
        "o02": "KIND_FULL",
        "o05": "LESS_VALUE",
        "o06": "LESS_VALUE",
        "o07": "DOES_NOT_PAY",
    }


def test_a_kind_of_which_more_may_stand_keeps_out_what_comes_after(tmp_path: Path) -> None:
    given, why = _reasons(_with_wine(tmp_path, most=2), "customer 0")
    assert given == {"o00", "o01", "o03"}
    assert (why["o02"], why["o04"], why["o05"]) == ("KIND_FULL", "LESS_VALUE", "LESS_VALUE")


def test_a_full_kind_is_no_reason_where_the_offer_is_worth_less_than_all_that_stand(tmp_path: Path) -> None:
    given, why = _reasons(_with_wine(tmp_path, most=3), "customer 0")
    assert given == {"o00", "o01", "o02"}
    assert set(why.values()) == {"LESS_VALUE", "DOES_NOT_PAY"}


def test_a_kind_of_which_none_stands_is_no_reason(tmp_path: Path) -> None:
    given, why = _reasons(_with_wine(tmp_path, most=1), "customer 1")
    # 30, 25 and the wine of 20.
    assert given == {"o03", "o04", "o05"}
    assert why == {"o06": "LESS_VALUE", "o07": "DOES_NOT_PAY"}


def test_an_offer_that_a_lever_holds_down_is_not_kept_out_by_its_kind(tmp_path: Path) -> None:
    # .3 of 50 is 15, less than the 25 of o04; .3 of 40 is 12.
    held_down = [0.0, -0.7, -0.7, *[0.0] * 5]
    given, why = _reasons(_with_wine(tmp_path, most=1, boost=held_down), "customer 0")
    assert given == {"o00", "o03", "o04"}
    assert (why["o01"], why["o02"]) == ("LESS_VALUE", "LESS_VALUE")
