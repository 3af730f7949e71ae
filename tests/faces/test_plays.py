"""Plays as a user meets them: listed, one by one, in the call list, in the explanation and in the report."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from plays_cases import FILE
from shop_runs import TURN, copied, done, rapport, rewrite


@pytest.fixture(scope="module")
def listed(turned: Path) -> dict[str, Any]:
    found: dict[str, Any] = done("plays", turned, "--json").data
    return found


def table(shop: Path, name: str, turn: str = TURN) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(shop / "state" / "turns" / turn / f"{name}.parquet").to_pylist()
    return rows


def talks(shop: Path, turn: str = TURN) -> dict[str, str]:
    """Return the play talked about, by customer to whom it was delivered."""
    return {
        r["customer_id"]: o.removeprefix("play:")
        for r in table(shop, "decisions", turn)
        for o in r["offer_ids"]
        if o.startswith("play:") and r["deliver"]
    }


def test_the_list_has_every_play_and_counts_what_was_chosen(turned: Path, listed: dict[str, Any]) -> None:
    plays = {p["name"]: p for p in listed["plays"]}
    assert len(plays) == 10
    chosen = list(talks(turned).values())
    for name in ("halved", "lapsed", "top-talk"):
        assert plays[name]["used"]
        assert plays[name]["decision"]["delivered"] == chosen.count(name)
        assert sum(plays[name]["tiers"].values()) == plays[name]["matches"] > 0
    decision = plays["halved"]["decision"]
    assert decision["expected_low_micros"] < decision["expected_micros"] < decision["expected_high_micros"]
    assert decision["basis"] == "assumed"
    assert {p["name"] for p in listed["plays"] if p["unlocked_by"]} == {"bids-out", "complaints", "prospects"}


def test_what_is_expected_of_the_chosen_is_what_the_decisions_say(turned: Path, listed: dict[str, Any]) -> None:
    used = [p for p in listed["plays"] if p["used"] and p["effect"] == "contact"]
    told = sum(p["decision"]["expected_micros"] for p in used)
    # Calls carry nothing but talks.
    calls = [r for r in table(turned, "decisions") if r["channel"] == "call" and r["deliver"]]
    assert told == sum(r["expected_contribution_micros"] for r in calls)
    assert {o for r in calls for o in r["offer_ids"]} <= {"play:halved", "play:lapsed", "play:top-talk"}


def test_listing_plays_changes_nothing(turned: Path) -> None:
    before = {p: p.read_bytes() for p in (turned / "state").rglob("*") if p.is_file()}
    done("plays", turned)
    assert {p: p.read_bytes() for p in (turned / "state").rglob("*") if p.is_file()} == before


def test_the_list_as_text_names_what_unlocks_the_locked(turned: Path) -> None:
    out = done("plays", turned).out
    assert "complaints: Baby-sit their orders. Unlocked by interactions.kind" in out
    assert "On the shelf: dormant" in out


def test_one_play_shows_its_customers_most_at_stake_first(turned: Path) -> None:
    found = done("plays", turned, "--play", "lapsed", "--json").data
    stakes = [m["at_stake_micros"] for m in found["matches"]]
    assert stakes == sorted(stakes, reverse=True)
    assert len(stakes) == found["plays"][0]["matches"]
    assert all(m["figures"]["alive_probability"] < 0.8 for m in found["matches"])
    text = done("plays", turned, "--play", "lapsed", "--customers", "2").out
    assert f"and {len(stakes) - 2} more" in text
    assert "days since last" in text
    assert "assumed" in text


def test_a_locked_play_is_shown_with_its_data(turned: Path) -> None:
    assert "interactions.kind: complaints of the last 364 days" in done("plays", turned, "--play", "complaints").out


def test_a_play_that_is_not_there_is_told_with_the_nearest(turned: Path) -> None:
    ran = rapport("plays", turned, "--play", "halvd")
    assert ran.code == 7
    assert "halved" in ran.talk


def test_the_call_list_says_who_why_and_what_to_say(turned: Path) -> None:
    outbox = turned / "state" / "turns" / TURN / "outbox"
    with (outbox / "call.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["customer_id"]: r["play"] for r in rows} == talks(turned)
    assert all(r["owner"] and r["why"] and r["because"] and r["say"] for r in rows)
    assert not any(c.startswith("offer_") for c in rows[0])
    # Nothing is written to the customer, and no other list has the columns of talks.
    assert not (outbox / "call").exists()
    assert "play" not in (outbox / "letter.csv").read_text(encoding="utf-8").splitlines()[0].split(",")


def test_the_explanation_says_the_play_its_owner_worth_and_assumption(turned: Path) -> None:
    customer, play = next(iter(sorted(talks(turned).items())))
    why = done("explain", turned, customer, "--json").data
    (chosen,) = [p for p in why["plays"] if p["chosen"]]
    assert chosen["name"] == play
    assert why["same_when_decided_alone"]
    worth = round(chosen["at_stake_micros"] * chosen["share"])
    assert why["portfolio"][0]["contribution_micros"] == pytest.approx(0.6 * worth, abs=1)
    text = done("explain", turned, customer).out
    for told in ("Plays that are for this customer", f"owner: {chosen['owner']}", chosen["share_why"], "assumed"):
        assert told in text


def test_a_call_now_gives_the_same_as_the_turn(turned: Path, tmp_path: Path) -> None:
    customer = next(iter(sorted(talks(turned))))
    record = done("now", copied(turned, tmp_path / "shop"), customer, "--json").data
    row = next(r for r in table(turned, "decisions") if r["customer_id"] == customer)
    assert record["decision"]["offer_ids"] == row["offer_ids"]
    assert record["decision"]["expected_contribution_micros"] == row["expected_contribution_micros"]


def test_the_report_has_a_section_on_plays(turned: Path) -> None:
    page = (turned / "state" / "turns" / TURN / "report.html").read_text(encoding="utf-8")
    assert "Whom each play is for" in page
    assert "Order half or less" in page


@pytest.fixture(scope="module")
def changed(turned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop a week later, with a play of its own and a restraint in use."""
    folder = copied(turned, tmp_path_factory.mktemp("plays") / "shop")
    (folder / "plays").mkdir()
    (folder / "plays" / "reserve.toml").write_text(
        FILE.replace("grand-reserve", "reserve").replace("50000000", "1"), encoding="utf-8"
    )
    rewrite(
        folder / "program.toml",
        'use = ["halved", "lapsed", "top-talk"]',
        'use = ["halved", "lapsed", "reserve", "money-losing", "few-departments", "complaints"]',
    )
    done("turn", folder, "--as-of", "2026-01-05")
    return folder


def test_who_was_talked_to_last_week_is_not_talked_to_for_it_again(turned: Path, changed: Path) -> None:
    before, after = talks(turned), talks(changed, "2026-W02")
    assert after
    assert not [c for c in after if before.get(c) == after[c]]


def test_an_own_play_competes_and_its_text_is_filled_in(changed: Path) -> None:
    assert "reserve" in talks(changed, "2026-W02").values()
    with (changed / "state" / "turns" / "2026-W02" / "outbox" / "call.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        said = {r["say"] for r in csv.DictReader(file) if r["play"] == "reserve"}
    assert "Dear friend, shall we keep a case for you?" in said


def test_a_locked_play_in_use_does_nothing_and_the_check_says_so(changed: Path) -> None:
    found = done("check", changed, "--json").data
    assert found["locked_plays"] == ["complaints"]
    assert "plays that lack data and so do nothing: complaints" in done("check", changed).out
    record = json.loads((changed / "state" / "turns" / "2026-W02" / "limits.json").read_text(encoding="utf-8"))
    assert "complaints" not in {t["name"] for t in record["plays"]["terms"]}


def test_a_changed_play_of_the_own_folder_is_a_changed_programme(changed: Path) -> None:
    path = changed / "plays" / "reserve.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("share = 0.1", "share = 0.11"), encoding="utf-8")
    try:
        done("turn", changed, "--as-of", "2026-01-12", "--dry-run")
        path.write_text(text, encoding="utf-8")
        ran = rapport("turn", changed, "--as-of", "2026-01-12", "--dry-run")
        assert ran.code == 6
        assert "a file it names" in ran.talk
    finally:
        path.write_text(text, encoding="utf-8")


def test_a_wrong_play_stops_the_turn_before_anything_is_computed(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    (folder / "plays").mkdir()
    (folder / "plays" / "own.toml").write_text(FILE.replace("share = 0.1", "share = 7"), encoding="utf-8")
    for command in ("check", "turn", "plays"):
        ran = rapport(command, folder)
        assert (ran.code, "plays/own.toml:12: treatment.share is 7; must be at most 1" in ran.talk) == (3, True), (
            command
        )


def test_plays_of_a_turn_that_was_not_scored_are_told(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    done("load", folder)
    ran = rapport("plays", folder)
    assert ran.code == 6
    assert "Run: rapport score" in ran.talk
