"""A shop with interactions: what customers cost and could be worth stands in report, record and explanation."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shop_runs import TURN, copied, done, rapport, rewrite

SOURCE = """
[[sources]]
kind = "interactions"
path = "sources/contacts.csv"
columns = { customer_id = "customer", at = "at", kind = "kind", cost = "cost" }

[cost_to_serve]
per_purchase_day = 0.20
per_contact = 6.0
per_delivery = 2.0

[potential]
peers = ["age_band"]
quantile = 0.75

[prospects]
conversion_rate = 0.10

[margins]  """


@pytest.fixture(scope="module")
def served(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(shop, tmp_path_factory.mktemp("served") / "shop", state=False)
    rewrite(folder / "program.toml", "[margins]  ", SOURCE)
    with (folder / "sources" / "contacts.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["customer", "at", "kind", "cost"])
        writer.writerows(("K0002", f"2025-11-{1 + n % 28:02d} 10:00:00", "Complaint", "") for n in range(200))
        writer.writerows((f"K{n:04d}", "2025-10-05 10:00:00", "delivery", "1.5") for n in range(1, 200))
        writer.writerow(["K0003", "2025-10-05 10:00:00", "chat", ""])
        writer.writerow(["K0003", "2026-10-05 10:00:00", "complaint", "500"])
        writer.writerow(["", "2025-10-05 10:00:00", "complaint", "500"])
    done("turn", folder, "--dry-run")
    return folder


def scores(folder: Path) -> dict[str, dict[str, Any]]:
    rows = pq.read_table(folder / "state" / "turns" / TURN / "scores.parquet").to_pylist()
    return {r["customer_id"]: r for r in rows}


def test_who_complains_all_the_time_is_below_zero_for_service(served: Path) -> None:
    found = scores(served)
    below = {k for k, r in found.items() if r["below_zero"]}
    assert below == {"K0002"}
    assert found["K0002"]["below_zero_why"] == "SERVICE"
    # 200 complaints of 6.00, known for a little less than a year; one's own record counts for nearly all.
    assert 1_150e6 < found["K0002"]["cost_to_serve_micros"] < 1_300e6


def test_the_record_counts_it(served: Path) -> None:
    record = json.loads((served / "state" / "turns" / TURN / "turn.json").read_text(encoding="utf-8"))
    counts = record["stages"]["score"]["counts"]
    assert counts["below_zero"] == [{"tier": "C", "reason": "SERVICE", "customers": 1}]
    assert (counts["interactions"], counts["of_no_known_kind"]) == (400, 1)
    assert counts["potential"]["peers"] == ["age_band"]
    assert counts["potential"]["quantile"] == 0.75
    assert counts["prospects"]["conversion_rate"] == 0.10
    assert counts["cost_to_serve"]["bids_lost"]["mean_micros"] == 0
    loaded = next(s for s in record["stages"]["load"]["counts"]["sources"] if s["source"] == "interactions")
    assert (loaded["rows"], loaded["kept"], loaded["quarantined"]) == (402, 401, {"MISSING_KEY": 1})


def test_explain_says_what_a_customer_costs_lacks_and_why(served: Path) -> None:
    told = done("explain", served, "K0002").out
    assert "  complaints         200\n" in told
    assert "  below zero, SERVICE: service contacts and complaints cost more than any other reason\n" in told
    assert "a year to serve, beside purchase days" in told
    assert "a year like the best of their peers; unrealised" in told
    assert "  peers: age_band: " in told
    other = done("explain", served, "K0250").out
    assert "complaints" not in other
    assert done("explain", served, "K0002", "--json").data["value"]["below_zero_why"] == "SERVICE"


def test_the_most_growable_are_listed_in_order_with_what_they_lack(served: Path) -> None:
    found = scores(served)
    rows = done("growable", served, "--top", "20", "--json").data["customers"]
    assert len(rows) == 20
    lows = [r["unrealised_low_micros"] for r in rows]
    assert lows == sorted(lows, reverse=True)
    assert lows[0] == max(r["unrealised_low_micros"] for r in found.values() if r["prospect_status"] is None)
    told = done("growable", served).out.splitlines()
    assert told[0].startswith("customer  tier  unrealised, EUR a year")
    assert [line.split()[0] for line in told[2:]] == [r["customer_id"] for r in rows[:10]]
    assert "age_band" in told[2]


def test_without_scores_there_is_nobody_to_list(shop: Path) -> None:
    ran = rapport("growable", shop)
    assert ran.code != 0
    assert "Traceback" not in ran.talk


def test_the_report_shows_it_by_tier(served: Path) -> None:
    done("turn", served)
    page = (served / "state" / "turns" / TURN / "report.html").read_text(encoding="utf-8")
    part = page[page.index('id="growth"') :]
    for piece in (
        "Unrealised potential of each tier",
        "The most growable",
        "One-to-one or segments",
        "Customers below zero, and why",
        "service contacts and complaints cost more than any other reason",
        "deliveries",
        "Prospects",
    ):
        assert piece in part, piece
    assert "6.00 EUR a contact" in page


def test_a_peer_that_is_no_trait_is_refused_with_the_nearest_name(served: Path, tmp_path: Path) -> None:
    folder = copied(served, tmp_path / "shop", state=False)
    rewrite(folder / "program.toml", 'peers = ["age_band"]', 'peers = ["age_bnd"]')
    ran = rapport("check", folder)
    assert ran.code == 3
    assert "potential.peers is 'age_bnd'; must be one of: first_name, email, age_band, top_department" in ran.talk
    assert "Did you mean age_band?" in ran.talk
