"""Bad files of people give a clear error that names the place, or the right result; nothing is lost silently."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from in_process import called, went_well
from postgres_server import Server
from programs import MINIMAL
from rapport.wiring import open_customers
from rapport.workflows.identity_records import Identifier

HEAD = ("id", "first", "last", "mail", "tel")
PEOPLE = (
    ("1", "Jörg", "Müller", "jm@quark.example.de", "030 2345678"),
    ("2", "Jürgen", "Möller", "jue@quark.de", "030 3456789"),
    ("3", "Zoë", "Nuñez", "zoe@quark.de", ""),
)
COLUMNS = 'record_id = "id", given_name = "first", surname = "last", email = "mail", phone = "tel"'
COMMANDS = ("map", "check", "identify", "resolve")


def text(rows: Sequence[Sequence[str]], head: Sequence[str] = HEAD) -> str:
    return "".join(",".join(r) + "\n" for r in (head, *rows))


def parquet(rows: Sequence[Sequence[str]], path: Path) -> None:
    pq.write_table(pa.table({name: [r[i] for r in rows] for i, name in enumerate(HEAD)}), path)


def program(folder: Path, origin: str, columns: str = COLUMNS, before: str = "") -> Path:
    """Write a programme with one system of people; return its folder."""
    folder.mkdir(exist_ok=True)
    (folder / "lines.csv").write_text("who,trip,what,when,paid\n1,t1,p1,2026-01-01,2.0\n", encoding="utf-8")
    people = f'\n[[people]]\nname = "crm"\n{origin}\ncolumns = {{ {columns} }}\n\n[identify]\ncountry = "DE"\n'
    (folder / "program.toml").write_text(before + MINIMAL + people, encoding="utf-8")
    return folder


def from_file(folder: Path, content: str | bytes, settings: str = "", columns: str = COLUMNS) -> Path:
    """Write a programme whose people stand in p.csv."""
    folder = program(folder, f'path = "p.csv"\n{settings}', columns)
    (folder / "p.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def words_of(command: str, folder: Path, name: str = "p.csv") -> list[str | Path]:
    """Return the words that run a command on a programme or its file."""
    if command == "map":
        return ["map", name, folder]
    return ["resolve", "--source", folder / name] if command == "resolve" else [command, folder]


@dataclass(frozen=True)
class Refused:
    """A file that is refused: what it holds, by which commands, and what the message must name."""

    content: bytes
    by: tuple[str, ...]
    told: tuple[str, ...]
    settings: str = ""


WIDE_FIELD = text(PEOPLE) + f'4,Anna,"{"x" * 2_500_000}",a@quark.de,\n'
LATE_FIELD = text([(str(n), "Anna", "Berg", f"a{n}@quark.de", "") for n in range(300)]) + WIDE_FIELD.split("\n")[4]
REFUSED = {
    "declared utf-8, written in cp1252": Refused(
        text(PEOPLE).encode("cp1252"),
        ("check", "identify"),
        ("p.csv", "byte 26 (line 2)", "not text in utf-8", "Declare the right encoding"),
        'encoding = "utf-8"',
    ),
    "declared ascii, written in utf-8": Refused(
        text(PEOPLE).encode(), ("check", "identify"), ("byte 26 (line 2)", "not text in ascii"), 'encoding = "ascii"'
    ),
    "an encoding that does not exist": Refused(
        text(PEOPLE).encode(), ("check", "identify"), ("'utf-99'", "such as utf-8, cp1252"), 'encoding = "utf-99"'
    ),
    "utf-8 with one damaged byte": Refused(
        (text(PEOPLE * 10)).encode() + b"9,Bj\xf6rn,Berg,b@quark.de,\n",
        COMMANDS,
        ("p.csv", "line 32", "not UTF-8, while the rest of the file is"),
    ),
    "a zero byte": Refused(
        text(PEOPLE).replace("Möller", "Möl\0ler").encode(), COMMANDS, ("p.csv", "a zero byte stands in line 3")
    ),
    "nothing at all": Refused(b"", COMMANDS, ("p.csv", "has no first line", "names of its columns")),
    "names of columns alone": Refused(text([]).encode(), ("identify", "resolve"), ("at least one",)),
    "rows without a value": Refused(
        text([("",) * 5] * 5).encode(), ("identify",), ("none of the systems crm", "record_id")
    ),
    "no column for the id": Refused(
        text(PEOPLE, ("nr", *HEAD[1:])).encode(),
        ("check", "identify"),
        ("people.crm.columns.record_id", "'id' - not in the system", "it has: nr, first, last, mail, tel"),
    ),
    "a field longer than a line may be": Refused(
        WIDE_FIELD.encode(), COMMANDS, ("line 5", "longer than 2,000,000 letters")
    ),
    "a field longer than a line may be, far down": Refused(
        LATE_FIELD.encode(),
        ("map", "identify", "resolve"),
        ("p.csv: a row is longer than 2,000,000 bytes (line 302)", "shorten the field"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_refused_with_its_place_by_every_command_that_would_use_it(case: str, tmp_path: Path) -> None:
    refused = REFUSED[case]
    folder = from_file(tmp_path / "p", refused.content, refused.settings)
    for command in refused.by:
        ran = called(*words_of(command, folder))
        assert ran.code == 4, (command, ran.talk)
        assert [t for t in refused.told if t not in ran.talk] == [], (command, ran.talk)
        assert ran.talk.count("error:") == 1
        assert ran.out == ""
    assert not (folder / "state" / "identity" / "latest.json").exists()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_is_not_there_is_named_with_what_is(suffix: str, tmp_path: Path) -> None:
    folder = program(tmp_path / "p", f'path = "p.{suffix}"')
    for command in COMMANDS:
        ran = called(*words_of(command, folder, f"p.{suffix}"))
        assert ran.code == 4
        assert f"p.{suffix}: no such file" in ran.talk
        assert "the folder has: lines.csv" in ran.talk


NUL_IN = {"a name": (1, 2, "last"), "the id": (2, 0, "id"), "an address": (0, 3, "mail")}


def with_zero(row: int, column: int) -> list[list[str]]:
    rows = [list(r) for r in PEOPLE]
    rows[row][column] += "\0x"
    return rows


@pytest.mark.parametrize("where", NUL_IN)
def test_a_zero_byte_in_parquet_is_refused_with_its_column_and_row(where: str, tmp_path: Path) -> None:
    row, column, name = NUL_IN[where]
    folder = program(tmp_path / "p", 'path = "p.parquet"')
    parquet(with_zero(row, column), folder / "p.parquet")
    for command in ("map", "identify", "resolve"):
        ran = called(*words_of(command, folder, "p.parquet"))
        assert ran.code == 4
        assert f"a zero byte stands in column {name!r}, row {row + 1};" in ran.talk


def test_a_value_in_parquet_that_is_longer_than_any_persons_is_refused_with_its_place(tmp_path: Path) -> None:
    folder = program(tmp_path / "p", 'path = "p.parquet"')
    parquet([PEOPLE[0], ("2", "Anna", "x" * 2_000_001, "", "")], folder / "p.parquet")
    for command in ("map", "identify", "resolve"):
        ran = called(*words_of(command, folder, "p.parquet"))
        assert ran.code == 4
        assert "p.parquet: the value in column 'last', row 2, is longer than 2,000,000 bytes;" in ran.talk


def database(folder: Path, rows: Sequence[Sequence[str]]) -> None:
    with sqlite3.connect(folder / "crm.db") as connection:
        connection.execute(f"CREATE TABLE people ({', '.join(f'{n} TEXT' for n in HEAD)})")
        connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?)", rows)
    connection.close()


def test_a_zero_byte_in_a_table_is_refused_before_a_server_as_memory_meets_it(
    tmp_path: Path, postgres: Server
) -> None:
    address = postgres.new_database()
    origin = 'database = "sqlite:///crm.db"\ntable = "people"'
    folder = program(tmp_path / "p", origin, before=f'memory = "{address}"\n')
    database(folder, with_zero(2, 0))
    ran = called("identify", folder)
    assert ran.code == 4
    assert "source crm (people): a zero byte stands in column 'id', row 3;" in ran.talk
    with open_customers(folder, address) as memory:
        assert memory.records.nodes().num_rows == 0
    (folder / "crm.db").unlink()
    database(folder, PEOPLE)
    assert went_well("identify", folder, "--json").data["records"]["new"] == 3


def test_a_zero_byte_among_contacts_is_refused_and_nothing_is_recorded(tmp_path: Path) -> None:
    folder = from_file(tmp_path / "p", text(PEOPLE))
    events = {"at": ["2026-01-01 10:00", "2026-01-02 10:00"], "anonymous_id": ["v-1", "v-\0"]}
    pq.write_table(pa.table(events), folder / "events.parquet")
    ran = called("record", folder, folder / "events.parquet")
    assert ran.code == 4
    assert "a zero byte stands in column 'anonymous_id', row 2;" in ran.talk
    with open_customers(folder, None) as memory:
        assert memory.contacts.recognise([Identifier("anonymous", "v-1")]).standing == "unknown"


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        ('database = "sqlite:///none.db"\ntable = "people"', ("none.db", "must be a SQLite database")),
        ('database = "sqlite:///crm.db"\ntable = "peple"', ("no table 'peple'", "it has: people", "Did you mean")),
        ('database = "oracle://x/y"\ntable = "people"', ("'oracle'", "may be sqlite, postgresql or mysql")),
        ('database = "sqlite:///crm.db"\nquery = "DROP TABLE people"', ("not one SELECT",)),
    ],
)
def test_a_database_that_cannot_be_read_is_named_with_what_is_allowed(
    origin: str, told: tuple[str, ...], tmp_path: Path
) -> None:
    folder = program(tmp_path / "p", origin)
    database(folder, PEOPLE)
    for command in ("check", "identify"):
        ran = called(command, folder)
        assert ran.code == 4, ran.talk
        assert [t for t in told if t not in ran.talk] == [], ran.talk


def test_records_without_an_id_or_with_one_that_was_there_stand_in_quarantine_with_the_reason(tmp_path: Path) -> None:
    rows = [PEOPLE[0], ("1", *PEOPLE[1][1:]), ("", *PEOPLE[2][1:]), ("-7", "Ute", "Berg", "", "")]
    folder = from_file(tmp_path / "p", text(rows))
    (system,) = went_well("identify", folder, "--json").data["loaded"]["systems"]
    assert (system["rows"], system["kept"]) == (4, 1)
    assert system["quarantined"] == {"REPEATED_KEY": 1, "MISSING_KEY": 1, "NEGATIVE_ID": 1}


def test_columns_of_one_name_are_told_apart_by_number_and_all_can_be_mapped(tmp_path: Path) -> None:
    lines = "id,first,last,mail,mail,Mail\n1,Anna,Berg,a@quark.de,b@quark.de,c@quark.de\n"
    columns = 'record_id = "id", given_name = "first", surname = "last", email = ["mail", "mail_2", "Mail_3"]'
    folder = from_file(tmp_path / "p", lines, columns=columns)
    mapped = went_well("map", "p.csv", folder, "--json").data
    assert {c["file_column"] for c in mapped["columns"] if c["column"] == "email"} == {"mail", "mail_2", "Mail_3"}
    went_well("identify", folder)
    ids = {went_well("who", folder, f"{n}@quark.de", "--json").data["customer_id"] for n in "abc"}
    assert len(ids) == 1


READ_AS: dict[str, Callable[[str], bytes]] = {
    "cp1252": lambda t: t.encode("cp1252"),
    "utf-16": lambda t: t.encode("utf-16"),
    "utf-8 with a mark": lambda t: t.encode("utf-8-sig"),
}


@pytest.mark.parametrize("encoding", READ_AS)
def test_an_encoding_nobody_declared_is_found_out(encoding: str, tmp_path: Path) -> None:
    folder = from_file(tmp_path / "p", READ_AS[encoding](text(PEOPLE)))
    for command in ("map", "check"):
        went_well(*words_of(command, folder))
    went_well("identify", folder)
    (record,) = went_well("who", folder, "crm:1", "--json").data["records"]
    assert (record["given_name"], record["surname"]) == ("Jörg", "Müller")


def test_emoji_and_writing_from_the_right_are_kept_and_combining_letters_are_the_same_letters(tmp_path: Path) -> None:
    rows = [
        ("😀1", "محمد", "العلي", "m@quark.de", ""),
        ("2", "Zoe\u0301", "Nun\u0303ez", "z@quark.de", "030 2345678"),
        ("3", "Zoé", "Nuñez", "z@quark.de", "030 2345678"),
        ("4", "😀", "\u202eyzx", "", ""),
    ]
    folder = from_file(tmp_path / "p", text(rows), 'verified = ["email"]')
    told = went_well("identify", folder, "--json").data
    assert told["records"]["new"] == 4
    assert told["customers"]["person"] == 3
    right_to_left = went_well("who", folder, "crm:😀1", "--json").data["records"][0]
    assert (right_to_left["given_name"], right_to_left["surname"]) == ("محمد", "العلي")
    ids = {went_well("who", folder, f"crm:{n}", "--json").data["customer_id"] for n in (2, 3)}
    assert len(ids) == 1
    assert went_well("resolve", "--source", folder / "p.csv", "--json").data["records"] == 4


def test_rows_that_hold_an_id_alone_are_each_a_customer_of_their_own(tmp_path: Path) -> None:
    folder = from_file(tmp_path / "p", text([(str(n), "", "", "", "") for n in range(5)]))
    told = went_well("identify", folder, "--json").data
    assert (told["customers"]["person"], told["customers"]["records"], told["links"]) == (5, 5, {})
    assert went_well("resolve", "--source", folder / "p.csv", "--json").data["clusters"] == 5


def test_ten_thousand_records_that_are_all_alike_are_one_customer_and_stay_one(tmp_path: Path) -> None:
    rows = [(str(n), "Anna", "Berg", "anna@quark.de", "030 2345678") for n in range(10_000)]
    folder = from_file(tmp_path / "p", text(rows))
    told = went_well("identify", folder, "--json").data
    assert (told["records"]["new"], told["customers"]["person"]) == (10_000, 1)
    again = went_well("identify", folder, "--json").data
    assert (again["records"]["same"], again["merges"]["added"], again["merges"]["moved"]) == (10_000, 0, 0)
    assert went_well("resolve", "--source", folder / "p.csv", "--json").data["clusters"] == 1


def test_a_file_of_ten_thousand_columns_is_read(tmp_path: Path) -> None:
    more = [f"c{n}" for n in range(9_995)]
    lines = text([(*row, *["v"] * len(more)) for row in PEOPLE[:2]], (*HEAD, *more))
    folder = from_file(tmp_path / "p", lines)
    went_well("check", folder)
    assert went_well("identify", folder, "--json").data["records"]["new"] == 2
    mapped = went_well("map", "p.csv", folder, "--json").data
    assert len(mapped["columns"]) + len(mapped["unmapped"]) == 10_000


def test_verified_copies_of_one_record_are_one_customer_however_few_records_there_are(tmp_path: Path) -> None:
    rows = [
        ("1", *PEOPLE[0][1:]),
        ("2", "Anna", "Berg", "anna@quark.de", ""),
        ("3", "Anna", "Berg", "anna@quark.de", ""),
    ]
    folder = from_file(tmp_path / "p", text(rows), 'verified = ["email"]')
    told = went_well("identify", folder, "--json").data
    assert told["links"] == {"exact": 1}
    assert (told["customers"]["person"], told["review"]["conflicts"]) == (2, 0)


RISKY = ('=HYPERLINK("http://x.example","Pay")', "+1+cmd", "-1+1", "@SUM(A1)", "\t=1", "'=1")


def test_no_cell_of_resolved_rows_is_a_formula_and_phone_numbers_stay_as_they_are(tmp_path: Path) -> None:
    rows: list[list[Any]] = [[str(n), "Anna", name, "", "+49 30 2345678"] for n, name in enumerate(RISKY)]
    with (tmp_path / "p.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEAD, *rows])
    went_well("resolve", "--source", tmp_path / "p.csv", "--out", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert [r["last"] for r in found] == [f"'{name}" for name in RISKY]
    assert {r["tel"] for r in found} == {"+49 30 2345678"}
