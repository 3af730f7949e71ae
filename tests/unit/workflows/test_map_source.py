"""A mapping is proposed from a file, told as TOML, and added to a programme without touching what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from programs import changed
from rapport.core.errors import ProgramInvalid, SourceColumns
from rapport.program.parse import parse_program
from rapport.wiring import make_engine
from rapport.workflows.map_source import Mapped, Wanted, propose_mapping, with_mapping

PEOPLE = """id;Vorname;Nachname;Mail;Geaendert
k1;Anna;Becker;anna@x.org;2025-01-02
k2;Bernd;Schulz;bernd@y.org;2025-02-03
k3;Carla;Vogel;carla@z.org;2025-03-04
"""
ORDERS = """account,order,product,ordered_at,paid
k1,r1,p1,2025-01-02 10:00,3.20
k2,r2,p2,2025-01-03 11:00,4.10
k2,r3,p1,2025-01-04 12:00,5.00
"""


def _mapped(folder: Path, text: str, people: str | None = None, kind: str | None = None) -> Mapped:
    (folder / "file.csv").write_text(text, encoding="utf-8")
    with make_engine() as engine:
        return propose_mapping(Wanted("file.csv", None, people, kind, folder), engine)


def test_a_file_of_people_and_one_of_purchases_are_told_apart(tmp_path: Path) -> None:
    people = _mapped(tmp_path, PEOPLE)
    assert people.proposal.kind == "person"
    assert people.proposal.columns() == {
        "record_id": "id",
        "given_name": "Vorname",
        "surname": "Nachname",
        "email": "Mail",
        "updated_at": "Geaendert",
    }
    orders = _mapped(tmp_path, ORDERS)
    assert orders.proposal.kind == "transactions"
    assert orders.proposal.columns()["customer_id"] == "account"


def test_what_is_written_is_added_at_the_end_and_is_a_programme(tmp_path: Path) -> None:
    text = changed()
    added = with_mapping(text, _mapped(tmp_path, PEOPLE, people="shop"))
    assert added.startswith(text.rstrip("\n"))
    assert [(p.name, p.path, p.columns["email"]) for p in parse_program(added).people] == [
        ("shop", "file.csv", "Mail")
    ]
    with pytest.raises(ProgramInvalid, match="people names 'shop' already"):
        with_mapping(added, _mapped(tmp_path, PEOPLE, people="shop"))


def test_a_second_source_of_a_kind_gets_a_name(tmp_path: Path) -> None:
    added = with_mapping(changed(), _mapped(tmp_path, ORDERS))
    named = [s.called for s in parse_program(added).sources if s.kind == "transactions"]
    assert named == ["transactions", "file"]


def test_what_must_be_mapped_and_is_not_there_is_refused(tmp_path: Path) -> None:
    mapped = _mapped(tmp_path, "account,order,ordered_at,paid\nk1,r1,2025-01-02,3\n", kind="transactions")
    with pytest.raises(ProgramInvalid, match="lacks product_id"):
        with_mapping(changed(), mapped)
    with pytest.raises(SourceColumns, match="none of its columns can be recognised"):
        _mapped(tmp_path, "aaa,bbb\n?,!\n!,?\n")
