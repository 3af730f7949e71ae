"""One decision at once is that of the batch, but for what happened since, where it is shown, and what is left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from programs import program_with
from rapport.core.errors import LookupFailed, StageMissing, UnknownCustomer
from rapport.core.tables import SCORES, STATES
from rapport.decide.describe import Terms
from rapport.decide.terms import Prices, SharedLimit
from rapport.stores.turn_store import TurnStore
from rapport.workflows.decide_now import Asked, Event, decide_now, log_record, replay, visitor_key
from rapport.workflows.desk import Desk, Known, desk_rows, open_desk, stranger_row
from rapport.workflows.plan import plan_turn, terms_record
from worlds import TURN, World, as_records, catalogue_table, channel, rows_of, score_rows, shop

PRICES = [40_000_000, 30_000_000, 20_000_000, 10_000_000]
"""Offers o00 to o03, in falling order of value at equal chances; items "item 0" to "item 3"."""


def desk_of(world: World, *, cool_down: bool = True, **changes: Any) -> Desk:
    """Return the desk of a planned world; `changes` are those of the policy."""
    plan = plan_turn(world.rows, world.catalogue, world.program, TURN, "model-1")
    catalogue, models, policy, prices = plan.terms
    if changes:
        policy = replace(policy, **changes)
        prices = Prices.free(policy)
    offers = len(catalogue.offer_ids)
    known = Known.of(list(desk_rows(world.rows, offers, len(policy.channels))))
    stranger = stranger_row(known, np.zeros(offers, bool))
    items = world.catalogue["item"].to_pylist()
    return Desk.of(Terms.of(catalogue, models, policy), prices, known, stranger, items, cool_down)


def world_of(n: int = 6, *channels: dict[str, Any], holdout: list[bool] | None = None, **policy: Any) -> World:
    """Return n customers who buy anything anyway with chance 5 %, and two channels."""
    channels = channels or (channel("email"), channel("web"))
    scores = score_rows(np.full((n, 4), 0.05), channels=len(channels))
    program = shop(*channels, portfolio_size=2, **policy)
    return World(rows_of(scores, np.array(holdout or [False] * n)), catalogue_table(PRICES), program)


def decided(desk: Desk, customer: str = "customer 0", *events: str, **asked: Any) -> dict[str, Any]:
    served = decide_now(desk, Asked(customer, tuple(Event.from_text(e) for e in events), **asked))
    return dict(served.decision.to_pylist()[0])


def test_a_customer_gets_the_decision_of_the_batch_bit_by_bit() -> None:
    rng = np.random.default_rng(3)
    scores = score_rows(
        rng.uniform(0.01, 0.3, (40, 4)),
        channels=2,
        reachable=rng.random((40, 2)) < 0.7,
        excluded=(rng.random((40, 4)) < 0.3).astype(np.int8),
        tiers=rng.choice(["A", "B", "C"], 40).tolist(),
    )
    program = shop(channel("email", capacity=7), channel("web"), portfolio_size=2, exploration_share=0.3)
    world = World(rows_of(scores, rng.random(40) < 0.3), catalogue_table(PRICES), program)
    plan = plan_turn(world.rows, world.catalogue, world.program, TURN, "model-1")
    desk = desk_of(world)
    found = [decide_now(desk, Asked(i)).decision for i in world.rows["customer_id"].to_pylist()]
    assert [as_records(d)[0] for d in found] == as_records(plan.decisions)


def test_the_held_out_are_decided_and_not_delivered_and_use_nothing() -> None:
    desk = desk_of(world_of(2, holdout=[True, False]))
    served = decide_now(desk, Asked("customer 0"))
    assert served.decision["offer_ids"][0].as_py() == ["o00", "o01"]
    assert served.decision["arm"][0].as_py() == "holdout"
    assert not served.decision["deliver"][0].as_py()
    assert len(served.uses.limit) == 0
    assert len(decide_now(desk, Asked("customer 1")).uses.limit) > 0


def test_a_purchase_closes_the_offers_about_the_item_where_offers_cool_down() -> None:
    desk = desk_of(world_of())
    assert decided(desk)["offer_ids"] == ["o00", "o01"]
    after = decided(desk, "customer 0", "bought:item 0")
    assert after["offer_ids"] == ["o01", "o02"]
    assert after["eligible_offers"] == 3


def test_a_purchase_counts_as_bought_before_where_nothing_cools_down_and_no_chance_changes() -> None:
    desk = desk_of(world_of(), cool_down=False)
    before, after = decided(desk), decided(desk, "customer 0", "bought:item 0")
    assert before["offer_kinds"] == ["explore", "explore"]
    assert after["offer_kinds"] == ["repeat", "explore"]
    assert after | {"offer_kinds": before["offer_kinds"]} == before


def test_a_purchase_that_no_offer_is_about_changes_nothing_and_says_so() -> None:
    served = decide_now(desk_of(world_of()), Asked("customer 0", (Event("bought", "a boat"),)))
    assert served.changes == ("bought a boat: no offer is about it, so nothing changes",)
    assert served.decision["offer_ids"][0].as_py() == ["o00", "o01"]


def test_each_contact_since_counts_until_the_cap_is_reached() -> None:
    desk = desk_of(world_of(contacts=2))
    assert decided(desk, "customer 0", "contacted:email")["channel"] != "silence"
    after = decided(desk, "customer 0", "contacted:email", "contacted:web")
    assert (after["channel"], after["reasons"]) == ("silence", ["CONTACT_CAP"])


def test_a_channel_somebody_has_left_is_closed() -> None:
    desk = desk_of(world_of())
    assert decided(desk)["channels"] == ["email", "web"]
    assert decided(desk, "customer 0", "unsubscribed:email")["channels"] == ["web"]
    gone = decided(desk, "customer 0", "unsubscribed:email", "unsubscribed:web")
    assert gone["reasons"] == ["NO_CHANNEL"]


def test_a_placement_opens_its_channel_alone_and_takes_at_most_its_count() -> None:
    desk = desk_of(world_of())
    found = decided(desk, channel="web", count=1, placement="home page")
    assert (found["channels"], found["offer_ids"]) == (["web"], ["o00"])
    # A customer whom the channel does not reach is not reached there either.
    assert decided(desk, "customer 0", "unsubscribed:web", channel="web")["channel"] == "silence"


def test_a_stranger_has_the_base_rates_of_the_lowest_tier_and_what_is_closed_to_all_is_closed_to_them() -> None:
    base = np.array([[0.2, 0.2, 0.2, 0.2], [0.01, 0.02, 0.03, 0.04], [0.03, 0.04, 0.05, 0.06]])
    shut = np.array([[0, 1, 0, 0], [0, 1, 0, 0], [2, 1, 0, 0]], np.int8)
    scores = score_rows(base, excluded=shut, tiers=["A", "C", "C"])
    known = Known.of(list(desk_rows(rows_of(scores), 4, 1)))
    # The third offer is only for some: of a stranger nothing is known, so it is not for them.
    row = stranger_row(known, np.array([False, False, True, False])).to_pylist()[0]
    assert row["candidate_offers"] == [0, 3]
    # Offer 0 is open to one customer of tier C: 0.01. Offer 3 to both: (0.04 + 0.06) / 2.
    assert row["candidate_probabilities"] == pytest.approx([0.01, 0.05], rel=1e-6)
    assert (row["tier"], row["actual_value_micros"], row["holdout"]) == ("C", 0, False)


def test_a_visitor_nobody_knows_is_decided_the_same_each_time_and_is_no_customer() -> None:
    desk = desk_of(world_of(), exploration_share=0.9)
    found = [decided(desk, f"visitor {i}", visitor=True, channel="web") for i in range(40)]
    again = [decided(desk, f"visitor {i}", visitor=True, channel="web") for i in range(40)]
    assert found == again
    assert {f["channel"] for f in found} == {"web", "silence"}
    assert {f["customer_key"] for f in found} == {visitor_key(f"visitor {i}") for i in range(40)}


def test_a_customer_asked_for_as_a_visitor_is_known() -> None:
    desk = desk_of(world_of())
    assert decide_now(desk, Asked("customer 0", visitor=True)).known
    assert not decide_now(desk, Asked("customer 99", visitor=True)).known


def limited(*limits: SharedLimit) -> Desk:
    return desk_of(world_of(), limits=limits)


def test_what_is_used_up_is_closed_and_the_next_best_or_silence_takes_its_place() -> None:
    both = (0, 1)
    desk = limited(
        SharedLimit("copies", "offers", False, 1.0, both, (0,)), SharedLimit("said", "contacts", False, 3.0, both)
    )
    asked = Asked("customer 0")
    first = decide_now(desk, asked, room=np.array([1.0, 3.0]))
    assert first.decision["offer_ids"][0].as_py() == ["o00", "o01"]
    assert dict(zip(first.uses.limit.tolist(), first.uses.amount.tolist(), strict=True)) == {0: 1.0, 1: 1.0}
    second = decide_now(desk, asked, room=np.array([0.0, 2.0]))
    assert second.decision["offer_ids"][0].as_py() == ["o01", "o02"]
    assert second.closed == ("copies",)
    last = decide_now(desk, asked, room=np.array([0.0, 0.0]))
    assert last.decision["channel"][0].as_py() == "silence"
    assert last.closed == ("copies", "said")


def test_a_limit_that_counts_in_one_channel_is_closed_there_alone() -> None:
    desk = limited(SharedLimit("copies", "offers", False, 1.0, (0,), (0, 1, 2, 3)))
    found = decide_now(desk, Asked("customer 0"), room=np.array([0.0]))
    assert found.decision["channel"][0].as_py() == "web"
    assert found.decision["offer_ids"][0].as_py() == ["o00", "o01"]
    assert len(found.uses.limit) == 0


def test_money_given_away_fits_what_is_left_to_the_micro() -> None:
    # 5 % buy anyway, 20 % off: o00 gives 0.05 x 0.2 x 40 = 0.40 away, o01 0.30.
    desk = limited(SharedLimit("discounts", "giveaway", False, 1.0, (0, 1)))
    asked = Asked("customer 0")
    found = decide_now(desk, asked, room=np.array([710_000.0]))
    assert found.uses.amount.tolist() == pytest.approx([700_000.0], abs=1)
    assert decide_now(desk, asked, room=np.array([690_000.0])).decision["channel"][0].as_py() == "silence"


def test_prices_of_the_moment_are_those_decided_under() -> None:
    desk = limited(SharedLimit("copies", "offers", False, 9.0, (0, 1), (0,)))
    found = decide_now(desk, Asked("customer 0"), limit_micros=np.array([1e9]))
    assert found.decision["offer_ids"][0].as_py() == ["o01", "o02"]


@pytest.mark.parametrize("room", [None, np.array([0.0, 5.0])])
def test_what_is_logged_can_be_replayed(room: np.ndarray[Any, Any] | None) -> None:
    limits = (
        SharedLimit("copies", "offers", False, 1.0, (0, 1), (0,)),
        SharedLimit("said", "contacts", False, 9.0, (0,)),
    )
    desk = desk_of(world_of(20), limits=limits, exploration_share=0.5)
    for n in range(20):
        asked = Asked(f"customer {n}", (Event("bought", "item 1"),), channel="web", count=2, placement="till")
        served = decide_now(desk, asked, limit_micros=np.array([1_000.5, 7.25]), room=room)
        record = json.loads(json.dumps(log_record(served), default=str))
        assert as_records(replay(desk, record)) == as_records(served.decision)
        assert record["asked"]["placement"] == "till"


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        (Asked("customer 99"), UnknownCustomer, "'customer 99' is not among the 6 of the turn"),
        (
            Asked("customer 0", channel="emial"),
            LookupFailed,
            "'emial'; must be one of email, web. Did you mean email?",
        ),
        (Asked("customer 0", count=3), LookupFailed, "3 offers; must be from 1 to 2"),
        (Asked("customer 0", (Event("contacted", "fax"),)), LookupFailed, "'fax'"),
    ],
)
def test_what_cannot_be_asked_is_told(asked: Asked, error: type[Exception], told: str) -> None:
    with pytest.raises(error) as raised:
        decide_now(desk_of(world_of()), asked)
    assert told in str(raised.value)


@pytest.mark.parametrize("text", ["bought", "bought:", "sold:x", ""])
def test_a_text_that_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(LookupFailed, match="must be one of bought:WHAT"):
        Event.from_text(text)


def test_a_desk_opens_from_a_planned_turn_and_writes_its_rows_once(tmp_path: Path) -> None:
    world = world_of(30, holdout=[i % 4 == 0 for i in range(30)])
    store = TurnStore(tmp_path)
    program = program_with()
    with pytest.raises(StageMissing):
        open_desk(store, TURN, program)
    plan = plan_turn(world.rows, world.catalogue, world.program, TURN, "model-1")
    states = world.rows.select(["customer_key", "customer_id", "household_key", "as_of"])
    tables = {
        "states": pa.Table.from_pylist(states.to_pylist(), schema=STATES),
        "scores": world.rows.select(SCORES.names),
        "catalogue": world.catalogue,
        "decisions": plan.decisions,
    }
    for name, table in tables.items():
        store.write_table(TURN, name, table)
    store.write_json(store.turn_folder(TURN) / "terms.json", terms_record(plan, world.program, 0, replay=False))
    desk = open_desk(store, TURN, world.program)
    (file,) = (store.state / "desk").iterdir()
    made = file.stat().st_mtime_ns
    again = open_desk(store, TURN, world.program)
    assert file.stat().st_mtime_ns == made
    for n, recorded in enumerate(as_records(plan.decisions)):
        for opened in (desk, again):
            assert as_records(decide_now(opened, Asked(f"customer {n}")).decision) == [recorded]
    # Other decisions of the turn: the rows are made anew, and the old ones go.
    store.write_table(TURN, "decisions", plan.decisions.replace_schema_metadata({"again": "yes"}))
    open_desk(store, TURN, world.program)
    (other,) = (store.state / "desk").iterdir()
    assert other != file
