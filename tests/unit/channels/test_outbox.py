from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rapport.channels.outbox import Delivery, Outbox, read_templates
from rapport.core.errors import ProgramInvalid, TurnConflict
from rapport.customize.compose import ComposedMessage, Format


def message(key: int, channel: str = "mail", form: Format = "message", deliver: bool = True) -> ComposedMessage:
    identity = f"t1-{channel}-{key:016x}"
    row = {"touch_id": identity, "customer_id": f"c{key}", "offer_1_name": 'Tea, "green"'}
    return ComposedMessage(
        touch_id=identity,
        customer_key=key,
        customer_id=f"c{key}",
        turn="t1",
        channel=channel,
        format=form,
        deliver=deliver,
        subject="Grüße",
        html="" if form == "print" else "<p>ü</p>",
        text="Dear customer,\n",
        offer_ids=("o1",),
        row=row if form == "print" else {},
    )


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_a_message_becomes_an_html_file_and_a_text_file_with_the_subject_on_top(tmp_path: Path) -> None:
    found = Outbox().deliver([message(255)], tmp_path)
    names = ("mail/t1-mail-00000000000000ff.html", "mail/t1-mail-00000000000000ff.txt")
    assert found == [Delivery("t1-mail-00000000000000ff", "written", names)]
    assert (tmp_path / names[0]).read_bytes() == "<p>ü</p>".encode()
    assert (tmp_path / names[1]).read_bytes() == "Subject: Grüße\n\nDear customer,\n".encode()
    assert sorted(snapshot(tmp_path)) == sorted(names)


def test_a_print_channel_becomes_one_csv_with_a_row_for_each_recipient(tmp_path: Path) -> None:
    found = Outbox().deliver([message(k, "paper", "print") for k in (3, 1)], tmp_path)
    assert [d.files for d in found] == [("paper.csv",)] * 2
    with (tmp_path / "paper.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["customer_id"] for r in rows] == ["c3", "c1"]
    assert rows[0]["offer_1_name"] == 'Tea, "green"'
    assert list(snapshot(tmp_path)) == ["paper.csv"]


def test_a_message_with_a_row_stands_in_both(tmp_path: Path) -> None:
    both = replace(message(255), row={"touch_id": "t", "customer_id": "c255"})
    found = Outbox().deliver([both], tmp_path)
    stem = "mail/t1-mail-00000000000000ff"
    assert found == [Delivery(both.touch_id, "written", (f"{stem}.html", f"{stem}.txt", "mail.csv"))]
    assert (tmp_path / "mail.csv").read_text() == "touch_id,customer_id\nt,c255\n"
    assert [d.status for d in Outbox().deliver([both], tmp_path)] == ["already"]


def test_the_held_out_are_never_written_and_stand_in_the_report(tmp_path: Path) -> None:
    mixed = [message(1, deliver=False), message(2, "paper", "print", deliver=False)]
    assert [(d.status, d.files) for d in Outbox().deliver(mixed, tmp_path)] == [("withheld", ())] * 2
    assert snapshot(tmp_path) == {}


def test_a_second_delivery_touches_nothing_and_says_already(tmp_path: Path) -> None:
    mixed = [message(1), message(2, "paper", "print"), message(3)]
    assert [d.status for d in Outbox().deliver(mixed, tmp_path)] == ["written"] * 3
    before = snapshot(tmp_path)
    assert [d.status for d in Outbox().deliver(mixed, tmp_path)] == ["already"] * 3
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["mail/t1-mail-0000000000000001.txt", "paper.csv"])
def test_a_file_with_other_bytes_is_a_conflict_and_stays(tmp_path: Path, name: str) -> None:
    mixed = [message(1), message(2, "paper", "print")]
    Outbox().deliver(mixed, tmp_path)
    (tmp_path / name).write_bytes(b"other")
    with pytest.raises(TurnConflict, match=f"{name}: the file is there with other content"):
        Outbox().deliver(mixed, tmp_path)
    assert (tmp_path / name).read_bytes() == b"other"
    assert not list(tmp_path.rglob("*.part"))


def test_half_a_delivery_is_completed_with_the_same_bytes(tmp_path: Path) -> None:
    mixed = [message(1), message(2, "paper", "print"), message(3)]
    Outbox().deliver(mixed, tmp_path / "whole")
    Outbox().deliver(mixed[:1], tmp_path / "half")
    (tmp_path / "half" / "mail" / "t1-mail-0000000000000001.html").unlink()
    (tmp_path / "half" / ".paper.csv.part").write_bytes(b"cut o")
    assert [d.status for d in Outbox().deliver(mixed, tmp_path / "half")] == ["written"] * 3
    whole, half = snapshot(tmp_path / "whole"), snapshot(tmp_path / "half")
    assert {n: b for n, (b, _) in whole.items()} == {n: b for n, (b, _) in half.items()}


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_outbox import message
from rapport.channels.outbox import Outbox
def endless():
    for key in range(2_000):
        if key == 700:
            print("go", flush=True)
            sys.stdin.read()
        yield message(key, *(("paper", "print") if key % 2 else ("mail", "message")))
Outbox().deliver(endless(), Path({folder!r}))
"""


def test_a_delivery_killed_in_the_middle_is_completed_by_the_next(tmp_path: Path) -> None:
    code = KILLED.format(here=str(Path(__file__).parent), folder=str(tmp_path / "killed"))
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"go\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "killed" / "paper.csv").exists()
    everything = [message(k, *(("paper", "print") if k % 2 else ("mail", "message"))) for k in range(2_000)]
    again = Outbox().deliver(everything, tmp_path / "killed")
    fresh = Outbox().deliver(everything, tmp_path / "fresh")
    # Of the keys 0 to 699 that were taken before the kill, the 350 even ones had become files.
    assert sum(d.status == "already" for d in again) == 350
    assert [d.files for d in again] == [d.files for d in fresh]
    killed, whole = snapshot(tmp_path / "killed"), snapshot(tmp_path / "fresh")
    assert {n: b for n, (b, _) in killed.items()} == {n: b for n, (b, _) in whole.items()}


def test_a_channel_that_would_leave_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramInvalid, match=r"channel is '\.\./x'"):
        Outbox().deliver([message(1, "../x")], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_templates_of_a_programme_replace_those_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "subject.txt.j2").write_text("Mine", encoding="utf-8")
    found = read_templates(tmp_path)
    assert found.subject == "Mine"
    assert found.html == read_templates(None).html
    assert read_templates(tmp_path / "none") == read_templates(None)


def test_a_template_with_a_name_that_none_has_is_an_error_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "mesage.html.j2").write_text("x", encoding="utf-8")
    with pytest.raises(ProgramInvalid, match=r"Did you mean message\.html\.j2"):
        read_templates(tmp_path)


def test_a_template_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "subject.txt.j2").write_bytes(b"ab\xff")
    with pytest.raises(ProgramInvalid, match="byte 2 is not UTF-8"):
        read_templates(tmp_path)


def test_no_cell_of_a_row_is_a_formula_and_a_phone_number_stays_as_it_is(tmp_path: Path) -> None:
    risky = ['=HYPERLINK("http://x.example")', "+1+cmd", "-1+1", "@SUM(A1)", "\t=1"]
    row = {f"c{n}": text for n, text in enumerate(risky)} | {"phone": "+49 170 1234567", "offer_1_percent": -5}
    Outbox().deliver([replace(message(1, "paper", "print"), row=row)], tmp_path)
    with (tmp_path / "paper.csv").open(newline="", encoding="utf-8") as stream:
        (found,) = csv.DictReader(stream)
    assert list(found.values()) == [*(f"'{text}" for text in risky), "+49 170 1234567", "-5"]
