"""Every command explains itself, gives data on stdout and talks on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rapport.cli.main import COMMANDS
from shop_runs import TURN, copied, differences, done, rapport, remains

STAGES = ("load", "state", "score", "plan", "compose", "send", "readout")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_can_give_json(command: str) -> None:
    ran = done(command, "--help")
    assert ran.out.startswith(f"Usage: python -m rapport.cli.main {command}")
    assert ran.talk == ""
    assert "--json" in ran.out


def test_help_lists_every_command_and_version_names_the_program() -> None:
    told = done("--help").out
    assert [line.split()[0] for line in told.split("Commands:\n")[1].splitlines() if line.strip()] == list(COMMANDS)
    assert done("--version").out.startswith("rapport, version ")


def test_new_check_and_audit_give_one_json_document_and_change_nothing_they_should_not(tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    assert done("new", folder, "--json").data == {"program": str(folder / "program.toml")}
    before = {p.name for p in folder.iterdir()}
    checked = done("check", folder, "--json")
    assert checked.data["goals"] == ["grow-margin"]
    assert checked.data["sources"]["transactions"] == "sources/transactions.csv"
    assert {p.name for p in folder.iterdir()} == before
    audit = done("audit", folder, "--json").data
    fields = {(f["source"], f["column"]): f for f in audit["fields"]}
    # Every customer of the shop has an id; one in five has no e-mail address, and no file has campaigns.
    assert fields["customers", "customer_id"]["fill"] == 1.0
    # The made-up customers.csv has 300 lines; counted here, not taken from the audit.
    lines = (folder / "sources" / "customers.csv").read_text(encoding="utf-8").count("\n") - 1
    counted = {s["source"]: s for s in audit["summary"]["sources"]}
    assert counted["customers"]["rows"] == lines == 300
    assert not (folder / "state" / "turns").exists()


def test_the_stages_one_by_one_give_json_and_the_same_bytes_as_a_whole_turn(
    shop: Path, turned: Path, tmp_path: Path
) -> None:
    folder = copied(shop, tmp_path / "staged")
    for stage in STAGES:
        ran = done(stage, folder, "--json")
        assert (ran.data["turn"], ran.data["stage"]) == (TURN, stage)
        assert ran.data["seconds"] >= 0
    assert differences(remains(folder), remains(turned)) == []


def test_a_turn_gives_the_record_it_wrote_as_json_and_talks_on_stderr(turned: Path, tmp_path: Path) -> None:
    folder = copied(turned, tmp_path / "again")
    ran = done("turn", folder, "--json")
    assert ran.data == json.loads((folder / "state" / "turns" / TURN / "turn.json").read_text(encoding="utf-8"))
    assert f"My Shop, turn {TURN}, as of 2025-12-29" in ran.talk


def test_explain_gives_one_json_document(turned: Path) -> None:
    ran = done("explain", turned, "K0001", "--json")
    assert ran.data["customer_id"] == "K0001"
    assert ran.talk == ""


def test_no_command_is_wrong_usage_and_shows_the_help() -> None:
    ran = rapport()
    assert (ran.code, ran.out) == (2, "")
    assert "Commands:" in ran.talk


def test_backtest_gives_one_json_document_and_changes_nothing_of_a_turn_but_its_report(
    turned: Path, tmp_path: Path
) -> None:
    folder = copied(turned, tmp_path / "past")
    before = remains(folder)
    ran = done("backtest", folder, "--weeks", "1", "--json")
    assert ran.data["bench"] == "backtest"
    # The report of the latest turn shows the backtest; nothing else of a turn changes.
    assert set(differences(remains(folder), before)) <= {"backtest.json", f"turns/{TURN}/report.html"}
