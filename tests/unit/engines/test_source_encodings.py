"""Any encoding of a CSV file becomes the same text, or an error that names byte and line; layouts are found out."""

from __future__ import annotations

import codecs
import csv
import gzip
from pathlib import Path
from typing import Any

import pytest

from rapport.core.errors import SourceUnreadable
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.engines.source_text import find_encoding
from rapport.program.source import Source


def source_of(path: str = "p.csv", columns: dict[str, Any] | None = None, **changes: Any) -> Source:
    return Source.model_validate(
        {"kind": "products", "path": path, "columns": columns or {"product_id": "id"}, **changes}
    )


def rows_of(base: Path, source: Source) -> list[dict[str, Any]]:
    with DuckDBEngine() as engine:
        engine.register_source("s", base, source)
        return engine.query("SELECT * FROM s").to_pylist()


TEXTS = {
    "cp1252": "id;name\n1;Désirée Müller\n2;José Núñez, Größe 5 €\n3;Zoë Lefèvre – François\n",
    "latin-1": "id;name\n1;Désirée Müller\n2;José Núñez\n3;Zoë Lefèvre\n",
    "cp1250": "id;jméno\n1;Jiří Dvořák, Plzeň\n2;Šárka Říhová, Žďár\n3;Božena Němcová\n",
    "iso8859_2": "id;imię\n1;Łukasz Wójcik, Łódź\n2;Agnieszka Dąbrowska, Gdańsk\n3;Małgorzata Źrebiec, Wrocław\n",
    "cp1251": "id;имя\n1;Иван Петров, Москва\n2;Ольга Смирнова, Санкт-Петербург\n",
    "cp1253": "id;όνομα\n1;Γιώργος Παπαδόπουλος, Αθήνα\n2;Μαρία, Θεσσαλονίκη\n",
    "cp1254": "id;ad\n1;Ayşe Yılmaz, İstanbul\n2;Çağrı Şahin, Muğla\n3;Gülşen Işık, Eskişehir\n",
    "shift_jis": "id;名前\n1;山田太郎 東京都\n2;鈴木花子 大阪府\n3;ヤマダ トウキョウ\n",
    "euc_kr": "id;이름\n1;김철수 서울특별시\n2;이영희 부산광역시\n",
    "gb18030": "id;姓名\n1;王小明 北京市\n2;李华 上海市\n3;张伟 广州\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_a_file_in_any_usual_encoding_reads_as_its_text(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "p.csv").write_bytes(TEXTS[encoding].encode(encoding))
    header, *rows = csv.reader(TEXTS[encoding].splitlines(), delimiter=";")
    found = rows_of(tmp_path, source_of())
    assert [[r[h] for h in header] for r in found] == rows


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
        (b"", "utf-32-le"),
    ],
)
def test_unicode_reads_with_and_without_a_mark(tmp_path: Path, mark: bytes, encoding: str) -> None:
    text = "id,name\n1,Ünal Größe\n2,plain\n3,東京\n"
    (tmp_path / "p.csv").write_bytes(mark + text.encode(encoding))
    with gzip.open(tmp_path / "p.csv.gz", "wb") as file:
        file.write(mark + text.encode(encoding))
    for name in ("p.csv", "p.csv.gz"):
        assert [(r["id"], r["name"]) for r in rows_of(tmp_path, source_of(name))] == [
            ("1", "Ünal Größe"),
            ("2", "plain"),
            ("3", "東京"),
        ]


def test_a_declared_encoding_wins(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes("id,name\n1,Grüße\n".encode("cp850"))
    assert rows_of(tmp_path, source_of(encoding="cp850"))[0]["name"] == "Grüße"


def test_a_declared_encoding_that_does_not_hold_names_byte_and_line(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"id,name\n1,ok\n2,\xe4\n")
    with pytest.raises(SourceUnreadable, match=r"p\.csv: byte 15 \(line 3\) is not text in utf-8"):
        rows_of(tmp_path, source_of(encoding="utf-8"))
    with pytest.raises(SourceUnreadable, match="encoding is 'utf-9', which is not known"):
        rows_of(tmp_path, source_of(encoding="utf-9"))


def test_utf8_with_one_damaged_byte_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    lines = ["id,name", *(f"{n},Größe Ärger" for n in range(50))]
    good = ("\n".join(lines) + "\n").encode()
    (tmp_path / "p.csv").write_bytes(good + b"99,\xe4\n")
    with pytest.raises(SourceUnreadable, match=rf"byte {len(good) + 3:,} \(line 52\) is not UTF-8.*1 such places"):
        rows_of(tmp_path, source_of())


def test_a_zero_byte_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"id,name\n" + b"1,a\n" * 5 + b"2,b\x00c\n")
    with pytest.raises(SourceUnreadable, match=r"a zero byte stands in line 7"):
        rows_of(tmp_path, source_of())


def test_letters_of_utf8_cut_by_a_block_are_whole(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"id,name\n1," + b"a" * ((1 << 20) - 11) + "é".encode() + b"\n")
    assert find_encoding(tmp_path / "p.csv", source_of()) == "utf-8"


def test_what_quotes_hold_does_not_count_as_a_delimiter(tmp_path: Path) -> None:
    text = 'id;"name; of, the, thing, here"\n1;"a, b, c"\n2;"d, e, f"\n'
    (tmp_path / "p.csv").write_text(text)
    assert rows_of(tmp_path, source_of())[1] == {"__row": 2, "id": "2", "name; of, the, thing, here": "d, e, f"}


def test_decimal_commas_do_not_count_as_a_delimiter(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id;a;b;c\n1;2,5;3,5;4,5\n2;2,5;3,5;4,5\n")
    assert rows_of(tmp_path, source_of())[0] == {"__row": 1, "id": "1", "a": "2,5", "b": "3,5", "c": "4,5"}


def test_a_declared_delimiter_wins(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id;x^name\n1;2^tea\n")
    assert rows_of(tmp_path, source_of(delimiter="^", columns={"product_id": "id;x"}))[0]["name"] == "tea"


def test_lines_before_the_table_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("Products of the year\n\nas of 2024-01-01\nid,name\n1,tea\n2,jam\n3,ale\n")
    assert rows_of(tmp_path, source_of()) == [
        {"__row": 1, "id": "1", "name": "tea"},
        {"__row": 2, "id": "2", "name": "jam"},
        {"__row": 3, "id": "3", "name": "ale"},
    ]


def test_a_file_without_names_is_mapped_by_the_places_of_its_columns(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("7,tea\n8,jam\n")
    source = source_of(columns={"product_id": "column_1", "item": "column_2"})
    assert rows_of(tmp_path, source) == [
        {"__row": 1, "column_1": "7", "column_2": "tea"},
        {"__row": 2, "column_1": "8", "column_2": "jam"},
    ]


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,name\n")
    assert rows_of(tmp_path, source_of()) == []


def test_ten_thousand_columns_are_read(tmp_path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(9_999))
    (tmp_path / "p.csv").write_text(f"id,{names}\n" + ("7," + ",".join(["x"] * 9_999) + "\n") * 3)
    with DuckDBEngine() as engine:
        engine.register_source("s", tmp_path, source_of())
        assert engine.query("SELECT id, c9998 FROM s").to_pylist() == [{"id": "7", "c9998": "x"}] * 3


def test_a_line_of_millions_of_letters_is_refused_and_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,name\n1,tea\n2," + "x" * 3_000_000 + "\n")
    with pytest.raises(SourceUnreadable, match=r"line 3 is longer than 2,000,000"):
        rows_of(tmp_path, source_of())
