"""What people see of shared limits: in a turn, in its report and messages, for one customer, and where none fit."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shop_runs import TURN, copied, done, listing, rapport, rewrite

SHARED = """
[[limits]]
name = "postage"
why = "What the letters and mails of a month may cost."
counts = "contact_cost"
at_most = 3.0

[[limits]]
name = "cheese-money"
counts = "giveaway"
at_most = 2.0
offers = "category = 'Cheese'"

[[levers]]
name = "bakery"
offers = "department = 'Bakery'"
boost = 0.5

[[includes]]
name = "age"
customers = "tier = 'A'"
text = "How old are you, {{ traits.first_name }}? <Tell us.>"

"""


@pytest.fixture(scope="module")
def limited(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with limits, a lever and an include, after one whole turn."""
    folder = copied(shop, tmp_path_factory.mktemp("limited") / "shop")
    rewrite(folder / "program.toml", "[policy]\n", f"{SHARED}[policy]\n")
    rewrite(folder / "program.toml", "reach = 0.35\n", "reach = 0.35\nunsubscribe_probability = 0.0001\n")
    done("turn", folder)
    return folder


def turn_of(shop: Path) -> Path:
    return shop / "state" / "turns" / TURN


def decisions(shop: Path) -> list[dict[str, Any]]:
    return pq.read_table(turn_of(shop) / "decisions.parquet").to_pylist()


def test_the_turn_says_what_binds_and_keeps_every_limit_in_its_record(limited: Path) -> None:
    told = done("turn", limited).out
    assert "plan worth EUR" in told
    assert "no plan within the limits is worth more than EUR" in told
    assert "greedy by value EUR" in told
    assert "drawn by chance to learn" in told
    record = json.loads((turn_of(limited) / "turn.json").read_text(encoding="utf-8"))["stages"]["plan"]["counts"]
    limits = {x["name"]: x for x in record["limits"]}
    assert list(limits) == ["email capacity", "letter capacity", "call capacity", "postage", "cheese-money"]
    for name in (n for n, x in limits.items() if x["binding"]):
        assert f"    {name}: " in told
    # What was delivered costs no more than the limit: the record of each customer says what theirs cost.
    spent = sum(d["contact_cost_micros"] for d in decisions(limited) if d["deliver"])
    assert spent == pytest.approx(limits["postage"]["used"])
    assert spent <= 3_000_000
    assert limits["postage"]["binding"] is True
    assert record["allocation"]["plan_value_micros"] <= record["allocation"]["bound_micros"]


def test_the_report_shows_the_limits_and_marks_what_is_assumed(limited: Path) -> None:
    page = (turn_of(limited) / "report.html").read_text(encoding="utf-8")
    assert '<section id="shared">' in page
    assert "What the letters and mails of a month may cost." in page
    assert "cheese-money" in page
    assert "email drives away" in page


def test_an_explanation_says_what_is_used_at_which_price_and_what_a_contact_risks(limited: Path) -> None:
    record = next(d for d in decisions(limited) if d["deliver"] and d["channel"] == "email" and not d["explored"])
    why = done("explain", limited, record["customer_id"], "--json").data
    uses = {u["name"]: u for u in why["limits"]}
    assert uses["email capacity"]["uses"] == 1
    assert uses["postage"]["uses"] == record["contact_cost_micros"]
    for use in uses.values():
        assert use["paid_micros"] == pytest.approx(use["uses"] * use["price_micros"])
    # One chance in 10,000 of what the customer is worth; nobody was contacted before.
    harm = {h["channel"]: h["harm_micros"] for h in why["harm"]}
    assert harm["email"] == pytest.approx(max(why["value"]["actual_value_micros"], 0) / 10_000, abs=1)
    assert harm["letter"] == 0
    assert record["harm_micros"] == harm["email"]
    told = done("explain", limited, record["customer_id"]).out
    assert "What it uses of the shared limits" in told
    assert "One more contact puts at risk" in told


def test_who_is_priced_out_learns_which_limit_costs_more_than_the_treatment_brings(limited: Path) -> None:
    record = next(d for d in decisions(limited) if "PRICED_OUT" in d["reasons"])
    found = done("explain", limited, record["customer_id"], "--json").data["priced_out"]
    assert found["value_micros"] > 0
    assert found["charged_micros"] >= found["value_micros"] - 1
    assert found["charged_micros"] == pytest.approx(sum(x["charged_micros"] for x in found["limits"]))
    assert "Priced out" in done("explain", limited, record["customer_id"]).out


def test_levers_are_told_with_their_boost(limited: Path) -> None:
    bakery = {"Rye bread", "White bread", "Rolls", "Apple cake", "Croissants"}
    record = next(d for d in decisions(limited) if set(d["offer_ids"]) & bakery)
    levers = done("explain", limited, record["customer_id"], "--json").data["levers"]
    assert {o["offer_id"] for o in levers["offers"]} == set(record["offer_ids"]) & bakery
    assert {o["boost"] for o in levers["offers"]} == {0.5}
    same = set(levers["without"]["offer_ids"]) == set(record["offer_ids"])
    assert levers["changed"] is not (same and levers["without"]["channel"] == record["channel"])
    assert "Levers (they steer the choice" in done("explain", limited, record["customer_id"]).out


def test_an_included_text_is_in_the_messages_of_those_it_is_for_and_of_nobody_else(limited: Path) -> None:
    spoken = {d["customer_id"]: d["tier"] for d in decisions(limited) if d["channel"] != "silence"}
    for message in pq.read_table(turn_of(limited) / "messages.parquet").to_pylist():
        asked = spoken[message["customer_id"]] == "A"
        assert ("How old are you, " in message["text"]) is asked
        assert ("? &lt;Tell us.&gt;" in message["html"]) is asked
    with (turn_of(limited) / "outbox" / "email.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert all(r["include_age"].startswith("How old are you, ") is (r["tier"] == "A") for r in rows)
    asked = next(d for d in decisions(limited) if d["tier"] == "A" and d["channel"] != "silence")
    assert done("explain", limited, asked["customer_id"], "--json").data["includes"][0]["name"] == "age"
    assert "Included\n  age: How old" in done("explain", limited, asked["customer_id"]).out


@pytest.mark.parametrize("stage", ["turn", "plan"])
def test_limits_that_cannot_be_met_stop_before_anything_is_sent(stage: str, shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    # 300 customers with five slots are 1,500 copies at the very most.
    promised = '[[limits]]\nname = "promised"\ncounts = "offers"\nat_least = 2000\n\n[policy]\n'
    rewrite(folder / "program.toml", "[policy]\n", promised)
    if stage == "plan":
        for before in ("load", "state", "score"):
            done(before, folder)
    ran = rapport(stage, folder)
    assert ran.code == 9
    assert ran.out == ""
    assert "promised (at least 2,000; short by " in ran.talk
    assert "Loosen one of them" in ran.talk
    assert "Traceback" not in ran.talk
    there = listing(folder / "state")
    for name in ("decisions.parquet", "terms.json", "messages.parquet", "touches.parquet", "outbox"):
        assert not [p for p in there if p.endswith(name)]


def test_a_limit_that_was_loosened_lets_the_turn_be_planned(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    promised = '[[limits]]\nname = "promised"\ncounts = "offers"\nat_least = 2000\n\n[policy]\n'
    rewrite(folder / "program.toml", "[policy]\n", promised)
    assert rapport("turn", folder).code == 9
    rewrite(folder / "program.toml", "at_least = 2000", "at_least = 300")
    told = done("turn", folder, "--restart").out
    assert "plan worth EUR" in told
