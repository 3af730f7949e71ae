"""A week later: who moved between tiers is told, a band keeps tiers still, wrong settings are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shop_runs import TURN, copied, differences, done, rapport, remains, rewrite

NEXT, THIRD = "2026-W02", "2026-W03"
BAND = "bottom_share = 0.20\nhysteresis = 0.05"


@pytest.fixture(scope="module")
def banded(turned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop after two more turns with a band of 5 %, the last one not sent."""
    folder = copied(turned, tmp_path_factory.mktemp("tiers") / "shop")
    rewrite(folder / "program.toml", "bottom_share = 0.20", BAND)
    done("turn", folder, "--as-of", "2026-01-05")
    done("turn", folder, "--as-of", "2026-01-12", "--dry-run")
    return folder


def _scores(shop: Path, turn: str) -> dict[str, dict[str, Any]]:
    columns = ["customer_id", "tier", "previous_tier", "rank_tier", "actual_value_micros", "customer_key"]
    rows = pq.read_table(shop / "state" / "turns" / turn / "scores.parquet", columns=columns).to_pylist()
    return {r["customer_id"]: r for r in rows}


def _history(shop: Path, turn: str) -> dict[str, Any]:
    record = json.loads((shop / "state" / "turns" / turn / "turn.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = record["stages"]["score"]["counts"]["tier_history"]
    return found


def test_the_first_turn_has_no_turn_before_it(turned: Path) -> None:
    assert _history(turned, TURN) == {"before": None, "by": "value", "hysteresis": 0.0, "kept": 0}
    assert {s["previous_tier"] for s in _scores(turned, TURN).values()} == {None}
    assert "No earlier turn was planned" in (turned / f"state/turns/{TURN}/report.html").read_text(encoding="utf-8")


def test_each_customer_carries_the_tier_of_the_turn_before(banded: Path) -> None:
    for before, after in ((TURN, NEXT), (NEXT, THIRD)):
        was = {c: s["tier"] for c, s in _scores(banded, before).items()}
        assert {c: s["previous_tier"] for c, s in _scores(banded, after).items()} == was


def test_who_changes_tier_has_passed_the_border_by_more_than_the_band(banded: Path) -> None:
    # 300 customers: 75 in A, 60 in C, a band of 15 ranks.
    scores = sorted(_scores(banded, NEXT).values(), key=lambda s: (-s["actual_value_micros"], s["customer_key"]))
    for rank, s in enumerate(scores):
        assert s["rank_tier"] == ("A" if rank < 75 else "B" if rank < 240 else "C")
        borders = {("A", "B"): (75, 90), ("B", "A"): (75, 60), ("B", "C"): (240, 255), ("C", "B"): (240, 225)}
        pair = (s["previous_tier"], s["rank_tier"])
        if pair in borders:
            border, last = borders[pair]
            beyond = rank >= last if last > border else rank < last
            assert s["tier"] == (pair[1] if beyond else pair[0])
        else:
            assert s["tier"] == s["rank_tier"]
    assert _history(banded, NEXT)["kept"] == sum(s["tier"] != s["rank_tier"] for s in scores)


def test_the_movements_of_the_record_are_those_of_the_tables(banded: Path) -> None:
    before, after = _scores(banded, NEXT), _scores(banded, THIRD)
    for move in _history(banded, THIRD)["moves"]:
        who = [c for c in before if (before[c]["tier"], after[c]["tier"]) == (move["before"], move["after"])]
        assert move["customers"] == len(who)
        if "new" not in move.values() and "gone" not in move.values():
            assert move["before_micros"] == sum(before[c]["actual_value_micros"] for c in who)
            assert move["after_micros"] == sum(after[c]["actual_value_micros"] for c in who)


def test_the_report_shows_who_moved_and_every_tier_by_age(banded: Path) -> None:
    page = (banded / "state" / "turns" / NEXT / "report.html").read_text(encoding="utf-8")
    assert f"Since turn {TURN} of 29 December 2025" in page
    assert "passed its border by more than 5\u202f% of all ranks" in page
    assert "Worth of each tier by age band" in page
    assert "all known customers have the same value" in page or "no tier has 20 customers" in page
    assert "comparisons (Holm)" in page


def test_explaining_says_since_when_and_what_it_was(banded: Path) -> None:
    scores = _scores(banded, THIRD)
    same = next(c for c, s in scores.items() if s["tier"] == s["previous_tier"] == s["rank_tier"] == "A")
    told = done("explain", banded, same, "--json").data["tier"]
    assert [h["turn"] for h in told["history"]] == [TURN, NEXT]
    first = next(h["turn"] for h in told["history"] if h["tier"] == "A")
    assert told["since"] in (first, NEXT)
    assert f"tier A since turn {told['since']}, worth" in done("explain", banded, same).out


def test_done_again_from_a_lost_file_the_scores_are_the_same(banded: Path, tmp_path: Path) -> None:
    folder = copied(banded, tmp_path / "shop")
    before = remains(folder)
    (folder / "state" / "turns" / NEXT / "scores.parquet").unlink()
    rewrite(folder / "program.toml", BAND, BAND)
    done("turn", folder, "--as-of", "2026-01-05")
    assert differences(before, remains(folder)) == []


def test_a_band_as_wide_as_a_tier_is_refused_with_its_line(banded: Path, tmp_path: Path) -> None:
    folder = copied(banded, tmp_path / "shop", state=False)
    rewrite(folder / "program.toml", "hysteresis = 0.05", "hysteresis = 0.2")
    ran = rapport("check", folder)
    assert ran.code != 0
    assert "tiers.hysteresis is 0.2; must be below bottom_share, which is 0.2" in ran.talk


def test_a_criterion_that_is_no_number_is_refused_before_anything_runs(banded: Path, tmp_path: Path) -> None:
    folder = copied(banded, tmp_path / "shop", state=False)
    rewrite(folder / "program.toml", "hysteresis = 0.05", 'by = "top_department"')
    ran = rapport("check", folder)
    assert ran.code != 0
    assert "tiers.by: 'top_department' gives string; must be a number" in ran.talk


def test_a_segment_that_customers_do_not_have_is_refused(banded: Path, tmp_path: Path) -> None:
    folder = copied(banded, tmp_path / "shop", state=False)
    with (folder / "program.toml").open("a", encoding="utf-8") as file:
        file.write('\n[report]\nsegments = ["age_bands"]\n')
    ran = rapport("check", folder)
    assert ran.code != 0
    assert "report.segments is 'age_bands' at one place; must be one of: first_name, email, age_band" in ran.talk
    assert "Did you mean age_band" in ran.talk
