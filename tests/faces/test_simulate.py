"""Made-up data are the same bytes for the same seed, and the programme beside them can be checked and loaded."""

from __future__ import annotations

from pathlib import Path

from shop_runs import done, rapport

SIZE = ("--customers", "120", "--products", "40", "--lines", "6000")


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_shop_is_written_and_can_be_run(tmp_path: Path) -> None:
    made = done("simulate", "transactions", *SIZE, "--out", tmp_path / "shop", "--json").data
    assert made["customers"] == 120
    assert made["products"] == 40
    # About as many as were asked for; 120 customers of very different activity.
    assert 4_000 < made["lines"] < 8_000
    files = _files(tmp_path / "shop")
    assert [f for f in files if "transactions" in f] == [
        f"sources/transactions/part-0{k}.parquet" for k in (1, 2, 3, 4)
    ]
    assert done("check", tmp_path / "shop", "--json").data["sources"]["transactions"] == "sources/transactions"
    loaded = done("load", tmp_path / "shop", "--as-of", made["as_of"], "--json").data
    assert str(made["lines"]) in str(loaded)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        done("simulate", "transactions", *SIZE, "--out", tmp_path / name, "--seed", seed)
    assert _files(tmp_path / "a") == _files(tmp_path / "b")
    assert _files(tmp_path / "a") != _files(tmp_path / "c")


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "mine.txt").write_text("x")
    assert rapport("simulate", "transactions", "--out", tmp_path / "shop").code == 8


def test_a_size_that_makes_no_sense_is_refused() -> None:
    ran = rapport("simulate", "transactions", "--customers", "0", "--out", "x")
    assert ran.code == 2
    assert "--customers" in ran.talk
