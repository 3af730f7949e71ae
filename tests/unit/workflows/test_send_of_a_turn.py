"""Everybody in the data has a row of what became of them, and what was carried or withheld is remembered once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from rapport.channels.outbox import Outbox, read_templates
from rapport.core.keys import customer_key
from rapport.core.tables import TOUCHES
from rapport.stores.memory import Memory
from rapport.workflows.compose import compose_turn
from rapport.workflows.plan import plan_turn
from rapport.workflows.send import send_turn
from worlds import AS_OF, TURN, catalogue_table, channel, rows_of, score_rows, shop

DECIDED = [f"customer {i}" for i in range(6)]
NEW = [f"new {i}" for i in range(6)]
HELD_OUT = np.array([True, True, False, False, False, False])
NEXT_DAY = AS_OF + timedelta(days=1)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "memory.db")


def sent(memory: Memory, folder: Path, held_out: NDArray[np.bool_] = HELD_OUT) -> dict[str, dict[str, Any]]:
    """Send a turn in which the last customer has had contacts enough; return the touches by customer."""
    program = shop(channel())
    catalogue = catalogue_table([10_000_000, 20_000_000])
    rows = rows_of(score_rows(np.full((6, 2), 0.1), contacts=[0, 0, 0, 0, 0, 99], ids=DECIDED), held_out)
    rows = rows.sort_by("customer_key")
    decisions = plan_turn(rows, catalogue, program, TURN, "model-1").decisions
    states = rows.select(["customer_key", "customer_id"])
    messages = compose_turn(decisions, catalogue, states, program, read_templates(None))
    everybody = sorted(DECIDED + NEW, key=customer_key)
    customers = pa.table({"customer_key": [customer_key(p) for p in everybody], "customer_id": everybody})
    touches = send_turn(messages, decisions, customers, (Outbox(), folder), memory)
    assert touches.schema.equals(TOUCHES)
    assert touches["customer_id"].to_pylist() == everybody
    assert touches["customer_key"].to_pylist() == sorted(touches["customer_key"].to_pylist())
    assert len(set(touches["touch_id"].to_pylist())) == len(everybody)
    return {row["customer_id"]: row for row in touches.to_pylist()}


def test_each_customer_is_sent_to_or_withheld_from_or_silent_with_the_reason(memory: Memory, tmp_path: Path) -> None:
    found = sent(memory, tmp_path / "outbox")
    told = {who: (found[who]["status"], found[who]["reason"]) for who in DECIDED}
    assert told == {
        "customer 0": ("withheld", "HOLDOUT"),
        "customer 1": ("withheld", "HOLDOUT"),
        "customer 2": ("sent", "BEST_VALUE"),
        "customer 3": ("sent", "BEST_VALUE"),
        "customer 4": ("sent", "BEST_VALUE"),
        "customer 5": ("silent", "CONTACT_CAP"),
    }
    for who in DECIDED:
        assert all((tmp_path / "outbox" / name).is_file() for name in found[who]["files"])
        assert bool(found[who]["files"]) == (found[who]["status"] == "sent")


def test_who_is_in_the_data_and_was_not_decided_is_not_yet_known(memory: Memory, tmp_path: Path) -> None:
    found = sent(memory, tmp_path / "outbox")
    for who in NEW:
        assert found[who] == {
            "touch_id": f"{TURN}-silence-{customer_key(who) & (2**64 - 1):016x}",
            "customer_key": customer_key(who),
            "customer_id": who,
            "turn": TURN,
            "channel": "silence",
            "status": "silent",
            "reason": "NOT_YET_KNOWN",
            "subject": None,
            "offer_ids": [],
            "files": [],
        }


def test_the_held_out_use_up_their_contacts_like_the_treated(memory: Memory, tmp_path: Path) -> None:
    sent(memory, tmp_path / "outbox")
    assert memory.contacts(AS_OF, NEXT_DAY, "another turn") == {customer_key(who): 1 for who in DECIDED[:5]}
    assert memory.contacts(AS_OF, NEXT_DAY, TURN) == {}
    assert memory.turns() == {TURN}


def test_a_turn_that_only_withheld_is_not_a_sent_one(memory: Memory, tmp_path: Path) -> None:
    found = sent(memory, tmp_path / "outbox", np.ones(6, bool))
    assert {found[who]["status"] for who in DECIDED} == {"withheld", "silent"}
    assert memory.turns() == set()
    assert len(memory.contacts(AS_OF, NEXT_DAY, "another turn")) == 5


def test_a_turn_sent_again_says_the_same_and_is_remembered_once(memory: Memory, tmp_path: Path) -> None:
    first = sent(memory, tmp_path / "outbox")
    assert sent(memory, tmp_path / "outbox") == first
    assert set(memory.contacts(AS_OF, NEXT_DAY, "another turn").values()) == {1}
