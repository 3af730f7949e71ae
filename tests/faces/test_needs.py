"""The command `needs`, what an explanation and the report say of needs, and rules that name the columns."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shop_runs import TURN, copied, done, rapport


@pytest.fixture(scope="module")
def grouped(turned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose programme sets three groups, and keeps an offer from one of them by a rule."""
    shop = copied(turned, tmp_path_factory.mktemp("needs") / "shop", state=False)
    path = shop / "program.toml"
    rule = (
        '[[rules]]\nname = "mixed"\nkind = "suitability"\noffers = "item = \'Water\'"\n'
        'customers = "needs_share < 0.9"\nwhy = "Mixed."\n'
    )
    path.write_text(path.read_text() + '\n[needs]\ngroups = 3\nlevel = "item"\n' + rule)
    done("turn", shop, "--dry-run")
    return shop


def test_the_command_tells_groups_figures_and_profiles(grouped: Path) -> None:
    told = done("needs", grouped).out
    assert "The programme sets 3 groups." in told
    assert "personal frequency gains" in told
    found = done("needs", grouped, "--json").data
    scores = pq.read_table(grouped / "state" / "turns" / TURN / "scores.parquet")
    groups = scores["needs_group"].to_pylist()
    names = [p["name"] for p in found["profiles"]]
    assert len(set(names)) == 3
    for profile in found["profiles"]:
        assert profile["customers"] == groups.count(profile["name"])
        assert profile["name"] in told
        assert sum(n for _, n, _ in profile["value_by_tier"]) == profile["customers"]
        assert all(r["basis"] == "assumed" for r in profile["reasons"])
        assert profile["next_purchase"]
    only = done("needs", grouped, "--group", names[1].upper(), "--json").data
    assert [p["name"] for p in only["profiles"]] == [names[1]]


def test_bands_of_traits_are_profiled(grouped: Path) -> None:
    found = done("needs", grouped, "--json").data
    band = found["traits"][0]
    told = done("needs", grouped, "--by", band, "--json").data
    states = pq.read_table(grouped / "state" / "turns" / TURN / "states.parquet")[band].to_pylist()
    assert {p["name"]: p["customers"] for p in told["profiles"]} == {v: states.count(v) for v in set(states) - {None}}


def test_a_name_that_is_none_is_refused_with_those_that_are(grouped: Path) -> None:
    ran = rapport("needs", grouped, "--by", "shoe_size")
    assert ran.code == 7
    assert "--by is 'shoe_size'; must be a trait with 2 to 12 values:" in ran.talk
    ran = rapport("needs", grouped, "--group", "nobody")
    assert ran.code == 7
    assert "--group is 'nobody'; must be one of:" in ran.talk


def test_an_explanation_tells_the_group_and_what_speaks_for_it(grouped: Path) -> None:
    scores = pq.read_table(grouped / "state" / "turns" / TURN / "scores.parquet")
    row = next(
        r for r in scores.select(["customer_id", "needs_group", "needs_share"]).to_pylist() if r["needs_group"]
    )
    why = done("explain", grouped, row["customer_id"], "--json").data["needs"]
    assert why["group"] == row["needs_group"]
    # Worked out again from the customer's purchases alone, to the last bit.
    assert why["weights"][why["group"]] == row["needs_share"]
    assert sum(why["weights"].values()) == pytest.approx(1.0)
    assert f"Needs: {row['needs_group']}, weight" in done("explain", grouped, row["customer_id"]).out


def test_rules_may_name_the_columns(grouped: Path) -> None:
    turn = grouped / "state" / "turns" / TURN
    water = pq.read_table(turn / "catalogue.parquet")["item"].to_pylist().index("Water")
    rows = pq.read_table(turn / "scores.parquet").select(["needs_share", "excluded"]).to_pylist()
    mixed = [r["needs_share"] is not None and r["needs_share"] < 0.9 for r in rows]
    assert any(mixed)
    assert [r["excluded"][water] != 0 for r in rows] == mixed


def test_the_report_shows_groups_in_each_tier(turned: Path) -> None:
    page = (turned / "state" / "turns" / TURN / "report.html").read_text()
    assert "What customers need" in page
    assert "Worth of each group in each tier" in page


def test_without_needs_the_columns_are_empty_and_the_command_says_why(turned: Path, tmp_path: Path) -> None:
    shop = copied(turned, tmp_path / "shop", state=False)
    path = shop / "program.toml"
    path.write_text(path.read_text() + '\n[needs]\ngroups = "off"\n')
    done("turn", shop, "--dry-run")
    turn = Path("state") / "turns" / TURN
    scores = pq.read_table(shop / turn / "scores.parquet")
    assert scores["needs_group"].null_count == len(scores)
    ran = rapport("needs", shop)
    assert ran.code == 6
    assert "the programme looks for none (needs.groups is off)" in ran.talk
    # Whether groups are looked for changes nobody's decision.
    plain = pq.read_table(turned / turn / "decisions.parquet")
    assert pq.read_table(shop / turn / "decisions.parquet").equals(plain)
