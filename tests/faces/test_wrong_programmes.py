"""A wrong programme, wrong sources and wrong offers: the exit code, a message to mend it by, nothing half-written."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
from failures import Failure, Spoil, fails, named, nothing

from rapport.core import errors
from shop_runs import TURN, copied, half_written, listing, rapport, rewrite


def _program(old: str, new: str) -> Spoil:
    return lambda shop: rewrite(shop / "program.toml", old, new)


def _without(file: str) -> Spoil:
    return lambda shop: (shop / file).unlink()


def _header(file: str, old: str, new: str) -> Spoil:
    return lambda shop: rewrite(shop / "sources" / file, old, new)


def _truncated_parquet(shop: Path) -> None:
    path = shop / "sources" / "products.parquet"
    pq.write_table(pyarrow.csv.read_csv(path.with_suffix(".csv")), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    rewrite(shop / "program.toml", "sources/products.csv", "sources/products.parquet")


def _no_usable_rows(shop: Path) -> None:
    path = shop / "sources" / "transactions.csv"
    rows = path.read_text(encoding="utf-8").splitlines()[:4]
    path.write_text(
        "\n".join([rows[0], *(r.replace("2025-", "someday-") for r in rows[1:])]) + "\n", encoding="utf-8"
    )


def _goals_cut(shop: Path) -> None:
    path = shop / "program.toml"
    text = path.read_text(encoding="utf-8")
    first, last = text.index("[[goals]]"), text.index("[tiers]")
    path.write_text(text[:first] + text[last:], encoding="utf-8")


def _query_line(text: str) -> str:
    return text[text.index('query = """') : text.index('"""\n', text.index('query = """') + 11) + 4]


def _offers_file(*rows: tuple[str, str]) -> Spoil:
    def spoil(shop: Path) -> None:
        path = shop / "program.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(_query_line(text), 'file = "offers.csv"\n'), encoding="utf-8")
        with (shop / "offers.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([("item", "margin_share"), *rows])

    return spoil


PROGRAMME = (
    Failure(
        "an offer with a negative margin",
        errors.OfferInvalid,
        5,
        _offers_file(("Milk", "0.3"), ("Rolls", "-0.2")),
        ("offers.csv line 3", "Rolls", "margin_share is -0.2", "[0, 1]"),
    ),
    Failure(
        "a folder without a programme", errors.ProgramMissing, 3, _without("program.toml"), ("program.toml", "new")
    ),
    Failure("not TOML", errors.ProgramSyntax, 3, _program('currency = "EUR"', "currency = EUR"), ("line 5",)),
    Failure("no goals", errors.ProgramInvalid, 3, _goals_cut, ("goals", "State what the programme wants")),
    Failure(
        "a channel without goals",
        errors.ProgramInvalid,
        3,
        _program('name = "letter"\ngoals = ["grow-margin"]', 'name = "letter"\ngoals = []'),
        ("program.toml:", "letter", "goal"),
    ),
    Failure(
        "an unknown zone",
        errors.ProgramInvalid,
        3,
        _program("Europe/Vienna", "Europe/Viena"),
        ("program.toml:6", "Europe/Viena", "Did you mean Europe/Vienna"),
    ),
    Failure(
        "an unknown setting",
        errors.ProgramInvalid,
        3,
        _program("holdout_share = 0.10", "holdout_shar = 0.10"),
        ("program.toml:", "holdout_shar", "Did you mean holdout_share"),
    ),
    Failure(
        "a percentage for a share",
        errors.ProgramInvalid,
        3,
        _program("holdout_share = 0.10", "holdout_share = 10"),
        ("holdout_share is 10", "at most 0.5", "Give a share, not a percentage."),
    ),
    Failure(
        "a rule that asks for a file",
        errors.RuleRefused,
        3,
        _program("coalesce(age_band, 'under 18') = 'under 18'", "age_band = read_text('/etc/passwd')"),
        ("no-alcohol-for-minors", "not allowed in a rule"),
    ),
    Failure(
        "a rule about an unknown column",
        errors.RuleRefused,
        3,
        _program("category = 'Wine'", "categry = 'Wine'"),
        ("categry", "Did you mean category"),
    ),
)

SOURCES = (
    Failure("a missing source", errors.SourceMissing, 4, _without("sources/products.csv"), ("sources/products.csv",)),
    Failure(
        "a truncated Parquet file", errors.SourceUnreadable, 4, _truncated_parquet, ("sources/products.parquet",)
    ),
    Failure(
        "a CSV file with another column",
        errors.SourceColumns,
        4,
        _header("transactions.csv", "bought_at", "bougt_at"),
        ("sources/transactions.csv", "bought_at", "bougt_at"),
    ),
    Failure(
        "no usable row", errors.SourceEmpty, 4, _no_usable_rows, ("sources/transactions.csv", "3 rows", "someday")
    ),
    Failure(
        "a day before the data",
        errors.SourceEmpty,
        4,
        nothing,
        ("2024-01-01", "2025-01-06"),
        ("turn", ".", "--as-of", "2024-01-01"),
    ),
    Failure(
        "a day long after the data",
        errors.SourceEmpty,
        4,
        nothing,
        ("2026-06-01", "2025-12-28", "154 days before"),
        ("turn", ".", "--as-of", "2026-06-01"),
    ),
)

OFFERS = (
    Failure(
        "an offer of an unknown item",
        errors.OfferInvalid,
        5,
        _offers_file(("Buttermlk", "0.3")),
        ("offers.csv line 2", "Buttermlk", "Did you mean Buttermilk"),
    ),
    Failure("no offers", errors.NoOffers, 5, _offers_file(), ("offers.csv", "at least one")),
    Failure(
        "an offer query that reaches for a file",
        errors.RuleRefused,
        3,
        _program("SELECT item FROM purchases WHERE", "SELECT item FROM 'sources/products.csv' WHERE"),
        ("offers.query",),
    ),
)


def _limits(block: str) -> Spoil:
    return _program("[policy]\n", f"{block}\n[policy]\n")


_LEVER = '[[levers]]\nname = "lever-{}"\noffers = "true"\nboost = 10.0\nwhy = "Too much of it."\n'

LIMITS = (
    Failure(
        "levers that lift an offer a thousandfold",
        errors.LimitInvalid,
        9,
        # (1 + 10)^3 = 1,331
        _limits("".join(_LEVER.format(n) for n in range(3))),
        ("lever-0", "1331"),
    ),
    Failure(
        "a minimum beyond what there is",
        errors.LimitsConflict,
        9,
        _limits('[[limits]]\nname = "too-many"\ncounts = "contacts"\nat_least = 1000000\n'),
        ("too-many", "at least 1,000,000", "short by"),
    ),
)


@named(PROGRAMME)
def test_a_wrong_programme_is_told_before_anything_is_written(failure: Failure, shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    failure.spoil(folder)
    before = listing(folder)
    fails(failure, folder)
    assert listing(folder) == before


@named(SOURCES)
def test_wrong_sources_leave_no_turn_and_nothing_half_written(failure: Failure, shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    failure.spoil(folder)
    fails(failure, folder)
    assert not (folder / "state" / "turns").exists()
    assert half_written(folder) == []


@named(tuple(f for f in SOURCES[:3]))
def test_check_tells_the_same_of_wrong_sources_and_writes_nothing(
    failure: Failure, shop: Path, tmp_path: Path
) -> None:
    folder = copied(shop, tmp_path / "shop")
    failure.spoil(folder)
    before = listing(folder)
    ran = rapport("check", folder)
    assert (ran.code, ran.out) == (failure.code, "")
    assert all(word in ran.talk for word in failure.words)
    assert listing(folder) == before


@named(OFFERS)
def test_wrong_offers_stop_the_turn_before_it_decides(failure: Failure, shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    failure.spoil(folder)
    fails(failure, folder)
    turn = folder / "state" / "turns" / TURN
    assert not [n for n in ("catalogue", "scores", "decisions") if (turn / f"{n}.parquet").exists()]
    assert set(json.loads((turn / "turn.json").read_text(encoding="utf-8"))["stages"]) == {"load", "state"}
    assert half_written(folder) == []


def test_a_margin_for_a_department_that_no_product_has_is_refused(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    words = ("margins.departments", "'Bakry'", "Did you mean Bakery")
    failure = Failure("", errors.ProgramInvalid, 3, _program('"Bakery" = 0.55', '"Bakry" = 0.55'), words)
    failure.spoil(folder)
    fails(failure, folder)
    assert not (folder / "state" / "turns" / TURN / "states.parquet").exists()
    assert half_written(folder) == []


def test_check_refuses_a_query_over_what_it_may_not_read_and_runs_nothing(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    _program("FROM purchases", "FROM transactions")(folder)
    before = listing(folder)
    ran = rapport("check", folder)
    assert (ran.code, ran.out) == (3, "")
    assert "offers.query" in ran.talk
    assert listing(folder) == before


@named(LIMITS)
def test_limits_that_cannot_be_stop_the_turn_before_anything_is_sent(
    failure: Failure, shop: Path, tmp_path: Path
) -> None:
    folder = copied(shop, tmp_path / "shop")
    failure.spoil(folder)
    fails(failure, folder)
    turn = folder / "state" / "turns" / TURN
    assert not [n for n in ("decisions", "messages", "touches") if (turn / f"{n}.parquet").exists()]
    assert not (turn / "outbox").exists()
