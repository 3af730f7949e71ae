"""Plays as files: each that comes with Rapport is whole, and what is wrong with one is told with its place."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from plays_cases import FILE
from programs import program_with
from rapport.core.errors import ProgramInvalid, ProgramSyntax, RuleRefused
from rapport.program.model import Program
from rapport.program.parse import parse_part, parse_program
from rapport.program.play_columns import BY_SOURCE, BY_TRAIT, OF_VALUE, allowed_columns, columns_of, lacking
from rapport.program.plays import Contact, Play, Restrain, Steer
from rapport.program.rules import check_condition
from rapport.workflows.plays import shelf, used_plays
from worlds import channel

SHIPPED = sorted(f.name for f in (files("rapport") / "plays").iterdir() if f.name.endswith(".toml"))

CLASSIC = {
    "halved": Contact,
    "complaints": Contact,
    "lapsed": Contact,
    "few-departments": Steer,
    "dormant": Restrain,
    "bids-out": Restrain,
    "money-losing": Restrain,
    "prospects": Contact,
    "top-talk": Contact,
    "ten-best": Contact,
}


def read(name: str) -> Play:
    return parse_part((files("rapport") / "plays" / name).read_text(encoding="utf-8"), name, Play)


def test_every_classic_play_comes_with_its_effect() -> None:
    assert {p.name: type(p.treatment) for p in map(read, SHIPPED)} == CLASSIC


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_play_is_named_as_its_file_and_says_everything(name: str) -> None:
    play = read(name)
    assert f"{play.name}.toml" == name
    assert all((play.title, play.why, play.when, play.owner, play.evidence))
    check_condition(play.when, allowed_columns([]), name)
    if isinstance(play.treatment, Contact):
        check_condition(play.treatment.at_stake, allowed_columns([]), name)
        assert play.treatment.basis == "assumed"
        assert play.treatment.low == 0.0
        assert play.treatment.share_why.startswith("Assumed")


def with_plays(base: Path, own: str | None = None, **plays: Any) -> Program:
    if own is not None:
        (base / "plays").mkdir()
        (base / "plays" / "own.toml").write_text(own, encoding="utf-8")
    call = channel("call", format="print")
    return program_with(channels=[channel(), call], plays=plays)


def test_a_programme_without_plays_is_written_as_it_was() -> None:
    assert "plays" not in program_with().model_dump()
    assert "plays" in program_with(plays={"use": ["dormant"]}).model_dump()


def test_an_own_play_takes_the_place_of_a_shipped_one(tmp_path: Path) -> None:
    program = with_plays(tmp_path, FILE.replace("grand-reserve", "halved"), use=["halved"], channel="call")
    (found,) = used_plays(program, tmp_path)
    assert found.own
    assert found.play.title == "Buyers of the grand reserve"
    assert found.needs == ("sales_micros", "margin_micros")


def test_settings_of_the_programme_change_a_play(tmp_path: Path) -> None:
    settings = {"halved": {"share": 0.06, "high": 0.2, "owner": "field sales", "when": "purchase_days > 9"}}
    program = with_plays(tmp_path, use=["halved"], channel="call", settings=settings)
    (found,) = used_plays(program, tmp_path)
    assert isinstance(found.play.treatment, Contact)
    assert (found.play.treatment.share, found.play.treatment.high, found.play.treatment.low) == (0.06, 0.2, 0.0)
    assert (found.play.owner, found.play.when) == ("field sales", "purchase_days > 9")


def test_all_uses_what_the_data_allow(tmp_path: Path) -> None:
    program = with_plays(tmp_path, use=["all"], channel="call")
    used = {s.play.name for s in used_plays(program, tmp_path)}
    # The smallest programme has no products, so departments say nothing, and maps no discount.
    assert used == {"halved", "lapsed", "dormant", "top-talk", "ten-best"}


def test_a_locked_play_names_the_data_that_would_unlock_it(tmp_path: Path) -> None:
    locked = {s.play.name: [(b.source, b.column) for b in s.lacks] for s in shelf(with_plays(tmp_path), tmp_path)}
    assert {n: told for n, told in locked.items() if told} == {
        "complaints": [("interactions", "kind")],
        "bids-out": [("interactions", "kind")],
        "prospects": [("customers", "wanted")],
        "few-departments": [("products", "department")],
        "money-losing": [("transactions", "discount")],
    }


def test_traits_and_mapped_columns_unlock() -> None:
    assert lacking(["complaints", "bids_lost"], {("interactions", "kind")}, []) == ()
    assert lacking(["wanted"], set(), ["wanted"]) == ()
    assert lacking(["departments", "tier"], {("products", "department")}, []) == ()
    assert len(lacking(["departments", "top_department"], set(), [])) == 1


def test_every_declared_column_has_a_meaning_and_none_stands_twice() -> None:
    names = [*OF_VALUE, *BY_TRAIT]
    assert len(set(names)) == len(names)
    assert all(b.meaning for b in (*BY_SOURCE.values(), *BY_TRAIT.values()))
    assert columns_of("a > 1 and coalesce(b, a) > c * 2") == ("a", "b", "c")


WRONG = [
    ('name = "grand-reserve"', 'nam = "x"', ProgramInvalid, r"plays/own.toml:1: nam is not a setting; .*name"),
    ('effect = "contact"', 'effect = "visit"', ProgramInvalid, r"plays/own.toml:8: treatment"),
    ("share = 0.1", "share = 10", ProgramInvalid, r"plays/own.toml:12: treatment.share is 10; must be at most 1"),
    ("low = 0.0", "low = 0.15", ProgramInvalid, r"plays/own.toml:12: .*0.15, 0.1, 0.2; must not descend"),
    ('why = "They', "why = They", ProgramSyntax, r"plays/own.toml: not TOML"),
    ("sales_micros >=", "sales_mircos >=", RuleRefused, r"plays/own.toml:4: when: .*Did you mean.*sales_micros"),
    ("sales_micros >= 50000000", "version() = 'x'", RuleRefused, r"plays/own.toml:4: when: .* is not allowed"),
    ('at_stake = "margin_micros"', 'at_stake = "margins"', RuleRefused, r"plays/own.toml:11: treatment.at_stake"),
    ("high = 0.2", "high = 0.2\nclose = 1", ProgramInvalid, r"treatment.close is not a setting; allowed here: again"),
]


@pytest.mark.parametrize(("old", "new", "error", "told"), WRONG)
def test_a_wrong_play_is_told_with_file_and_line(
    tmp_path: Path, old: str, new: str, error: type[Exception], told: str
) -> None:
    assert old in FILE
    with pytest.raises(error, match=told):
        shelf(with_plays(tmp_path, FILE.replace(old, new, 1)), tmp_path)


WRONG_USE: list[tuple[dict[str, Any], str]] = [
    ({"use": ["halvd"]}, r"plays.use names 'halvd'; there are: .*Did you mean.*halved"),
    ({"use": ["halved"]}, r"plays.channel is missing, and play halved .* one of: email, call"),
    ({"use": ["halved"], "channel": "cal"}, r"plays.channel is 'cal'; must be one of the channels: email, call"),
    ({"use": ["halved"], "channel": "email"}, r"plays.channel is 'email', whose format is message"),
    ({"only": ["visit"]}, r"plays.only is 'visit'; must be one of the channels"),
    ({"settings": {"halved": {"closes": ["call"]}}}, r"settings.halved.closes is not a setting .* effect is contact"),
    ({"settings": {"halved": {"low": 0.5}}}, r"plays.settings.halved.*0.5, 0.03, 0.1; must not descend"),
    ({"settings": {"halved": {"when": "foo > 1"}}}, r"program.toml: plays.settings.halved.when: column 'foo'"),
    ({"use": ["dormant"], "settings": {"dormant": {"closes": ["post"]}}}, r"settings.dormant.closes is 'post'"),
]


@pytest.mark.parametrize(("plays", "told"), WRONG_USE)
def test_what_a_programme_says_wrongly_of_plays_is_told_with_its_setting(
    tmp_path: Path, plays: dict[str, Any], told: str
) -> None:
    with pytest.raises((ProgramInvalid, RuleRefused), match=told):
        shelf(with_plays(tmp_path, **plays), tmp_path)


def test_two_own_plays_of_one_name_are_refused(tmp_path: Path) -> None:
    program = with_plays(tmp_path, FILE)
    (tmp_path / "plays" / "zweite.toml").write_text(FILE, encoding="utf-8")
    with pytest.raises(ProgramInvalid, match=r"plays/zweite.toml: name is 'grand-reserve', which plays/own.toml has"):
        shelf(program, tmp_path)


def test_all_is_no_name_for_a_play_and_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(ProgramInvalid, match="stands for every play"):
        shelf(with_plays(tmp_path, FILE.replace("grand-reserve", "all")), tmp_path)
    from programs import MINIMAL

    with pytest.raises(ProgramInvalid, match=r"program.toml:\d+: plays.use is \['all', 'halved'\]"):
        parse_program(MINIMAL + '\n[plays]\nuse = ["all", "halved"]\n')
    with pytest.raises(ProgramInvalid, match=r"settings.halved.shar is not a setting.*share"):
        parse_program(MINIMAL + "\n[plays.settings.halved]\nshar = 0.1\n")


def test_a_play_of_the_own_folder_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    program = with_plays(tmp_path, FILE)
    (tmp_path / "plays" / "own.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ProgramSyntax, match="is not UTF-8"):
        shelf(program, tmp_path)
