"""`rapport now` decides one customer or visitor at once, says what an event changed, and sends nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop_runs import TURN, copied, done, rapport


@pytest.fixture(scope="module")
def shop_now(composed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(composed, tmp_path_factory.mktemp("now") / "shop")


def test_a_customer_gets_the_decision_on_record(shop_now: Path) -> None:
    told = done("explain", shop_now, "K0264", "--json").data["decision"]
    assert done("now", shop_now, "K0264", "--json").data["decision"] == told


def test_an_event_a_placement_and_a_count_are_heeded(shop_now: Path) -> None:
    words = ("--event", "bought:nothing we sell", "--channel", "email", "--count", "2", "--placement", "till")
    found = done("now", shop_now, "K0225", *words, "--json").data
    assert found["changes"] == ["bought nothing we sell: no offer is about it, so nothing changes"]
    assert found["asked"]["placement"] == "till"
    assert len(found["decision"]["offer_ids"]) <= 2
    assert set(found["decision"]["channels"]) <= {"email"}


def test_a_visitor_nobody_knows_is_decided_and_the_text_says_that_nothing_was_sent(shop_now: Path) -> None:
    ran = done("now", shop_now, "somebody new", "--visitor", "--channel", "email")
    assert ran.out.startswith(f"Customer somebody new, a visitor nobody knows, turn {TURN}")
    assert ran.out.endswith("Nothing was sent and nothing was recorded.\n")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("nobody",), 7, "customer 'nobody' is not among the 300 of the turn"),
        (("K0264", "--event", "bougth:x"), 7, "Did you mean bought?"),
        (("K0264", "--channel", "emial"), 7, "Did you mean email?"),
        (("K0264", "--count", "99"), 7, "99 offers; must be from 1 to 5"),
        (("K0264", "--count", "0"), 2, "--count"),
    ],
)
def test_what_cannot_be_asked_has_its_exit_code(shop_now: Path, words: tuple[str, ...], code: int, told: str) -> None:
    ran = rapport("now", shop_now, *words)
    assert (ran.code, ran.out) == (code, "")
    assert told in ran.talk


def test_a_shop_without_a_turn_is_told_to_run_one(shop: Path) -> None:
    ran = rapport("now", shop, "K0264")
    assert ran.code == 7
    assert "no turn has begun" in ran.talk
