"""The commands that know customers survive kill -9 anywhere, and several of them at once, on both stores."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kill_moments import Ended, Killer, killer
from sqlalchemy import create_engine, select
from sqlalchemy.engine import URL, make_url

from rapport.core.errors import UnknownMerge
from rapport.core.people import record_key
from rapport.stores.database import sqlite_address
from rapport.stores.tables import Instant, metadata
from shop_runs import COMMAND, copied, done, environment, half_written, rewrite

CUSTOMERS = 150
GROWS = Path("sources") / "shop" / "customers.csv"
RECORD = ("--system", "web", "--map", "anonymous_id=visitor", "--map", "record_id=account", "--map", "about=product")
COUNTED = {"merge_id", "decision_id", "undone_decision", "interaction_id", "task_id"}
FILES = {
    "people": {"people.parquet", "quarantine.parquet", "audit.parquet", "summary.json"},
    "resolved": {"links.parquet", "clusters.parquet", "review.parquet", "estimates.json", "basis.json", "model.json"},
}
LOADING = ("rename summary.json", "rename people", "rename standard.parquet", "rename resolved")
REMEMBERING = (*(f"commit {n}" for n in range(1, 7)), "rename latest.json")

Held = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Company:
    """A company's folder and where its memory is."""

    folder: Path
    address: URL

    @property
    def keeps_itself(self) -> bool:
        """Whether its memory is a file of its own."""
        return self.address.get_backend_name() == "sqlite"

    def held(self, times: bool = False) -> Held:
        """Return what the memory holds: rows of each table, without the numbers a store counts; times if asked."""
        found: Held = {}
        engine = create_engine(self.address)
        try:
            with engine.connect() as c:
                for t in metadata.sorted_tables:
                    kept = [k for k in t.c if k.name not in COUNTED and (times or not isinstance(k.type, Instant))]
                    rows = [dict(r) for r in c.execute(select(*kept)).mappings()] if t.name != "secret" else []
                    found[t.name] = sorted(rows, key=repr)
        finally:
            engine.dispose()
        return found


@pytest.fixture(scope="module")
def at_work() -> Iterator[Killer]:
    with killer() as found:
        yield found


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company of which the shop has two thirds of its records. Copy it; never write to it."""
    folder = tmp_path_factory.mktemp("killed") / "new"
    done("simulate", "company", folder, "--customers", str(CUSTOMERS))
    file = folder / GROWS
    lines = file.read_bytes().splitlines(keepends=True)
    file.with_suffix(".all").write_bytes(b"".join(lines))
    file.write_bytes(b"".join(lines[: len(lines) * 2 // 3]))
    return folder


def grow(folder: Path) -> None:
    """Let the shop have the rest of its records."""
    (folder / GROWS).write_bytes((folder / GROWS).with_suffix(".all").read_bytes())


@pytest.fixture(scope="module")
def first(new: Path, at_work: Killer) -> Company:
    """The company identified, never killed. Copy it; never write to it."""
    folder = copied(new, new.with_name("first"))
    at_work.done("identify", folder)
    return Company(folder, sqlite_address(folder / "state" / "memory.db"))


@pytest.fixture(scope="module")
def second(first: Company, at_work: Killer) -> Company:
    """The same after the shop has grown and was identified again, never killed."""
    folder = copied(first.folder, first.folder.with_name("second"))
    grow(folder)
    at_work.done("identify", folder)
    return Company(folder, sqlite_address(folder / "state" / "memory.db"))


@pytest.fixture(params=["sqlite", "postgresql"])
def begin(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Path], Company]:
    """Copy a company for a store; its memory is empty."""

    def made(of: Path) -> Company:
        folder = copied(of, tmp_path / "co")
        memory = folder / "state" / "memory.db"
        memory.unlink(missing_ok=True)
        if request.param == "sqlite":
            return Company(folder, sqlite_address(memory))
        address = request.getfixturevalue("postgres").new_database()
        rewrite(folder / "program.toml", 'name = "Rheinmarkt"', f'memory = "{address}"\nname = "Rheinmarkt"')
        return Company(folder, make_url(address))

    return made


def lend(of: Company, to: Company) -> None:
    """Let a company have what another has loaded and resolved, which is the same in each store."""
    for kind in FILES:
        there = to.folder / "state" / "identity" / kind
        shutil.copytree(of.folder / "state" / "identity" / kind, there, dirs_exist_ok=True)


@pytest.fixture
def identified(begin: Callable[[Path], Company], first: Company, at_work: Killer) -> Company:
    """The company identified, in each store."""
    company = begin(first.folder)
    at_work.done("identify", company.folder)
    assert differing(company.held(), first.held()) == []
    return company


def differing(one: Held, other: Held) -> list[str]:
    """Return the tables that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def lacking(folder: Path) -> list[str]:
    """Return what folders that stand under their own name lack."""
    return [
        f"{place}/{name}"
        for kind, names in FILES.items()
        for place in sorted((folder / "state" / "identity" / kind).glob("*"))
        if place.suffix != ".part"
        for name in names
        if not (place / name).is_file()
    ]


def killed_at_each(at_work: Killer, company: Company, *steps: str | float) -> int:
    """Kill one identify after another, each where it comes to a step or after some seconds; return how many died."""
    kills = 0
    for step in steps:
        chosen = {"at": step} if isinstance(step, str) else {"seconds": step}
        ended = at_work.run("identify", company.folder, **chosen)  # type: ignore[arg-type]
        assert ended.code in {0, -9}, ended.talk
        assert lacking(company.folder) == []
        kills += ended.killed
    return kills


def check_the_end(at_work: Killer, company: Company, expected: Company) -> None:
    """Run to the end and compare with a company that was never killed; once more changes nothing."""
    at_work.done("identify", company.folder)
    assert half_written(company.folder) == []
    assert differing(company.held(), expected.held()) == []
    before = company.held(times=True)
    told = at_work.done("identify", company.folder, "--json").data
    assert differing(company.held(times=True), before) == []
    assert (told["records"]["same"], told["contacts_changed"]) == (told["customers"]["records"], 0)
    assert told["merges"] == {"added": 0, "taken_back": 0, "moved": 0, "vetoed": 0, "unknown": 0}


def test_identify_killed_at_every_step_ends_as_if_never_killed(
    new: Path, first: Company, begin: Callable[[Path], Company], at_work: Killer
) -> None:
    company = begin(new)
    steps = (
        0.1,
        0.4,
        *LOADING[:3],
        "commit 1",
        "after commit 1",
        1.5,
        LOADING[3],
        *REMEMBERING,
        "rename latest.json",
    )
    assert killed_at_each(at_work, company, *steps) >= len(steps) - 3
    check_the_end(at_work, company, first)


def test_a_second_load_killed_at_every_step_keeps_the_ids_as_if_never_killed(
    identified: Company, second: Company, at_work: Killer
) -> None:
    known = {r["record_key"] for r in identified.held()["node"]}
    grow(identified.folder)
    steps: tuple[str | float, ...] = (0.2, *REMEMBERING)
    if identified.keeps_itself:
        steps = (0.1, LOADING[1], 1.0, *REMEMBERING)
    else:
        lend(second, identified)
    assert killed_at_each(at_work, identified, *steps) >= sum(isinstance(s, str) for s in steps)
    check_the_end(at_work, identified, second)
    assert known < {r["record_key"] for r in identified.held()["node"]}


def components(held: Held) -> set[frozenset[int]]:
    """Return the customers that the merges that stand make of the records."""
    group = {r["record_key"]: {r["record_key"]} for r in held["node"]}
    for e in held["edge"]:
        if e["undone_by"] is None:
            both = group[e["left_key"]] | group[e["right_key"]]
            group |= dict.fromkeys(both, both)
    return {frozenset(g) for g in group.values()}


def partition(held: Held) -> set[frozenset[int]]:
    """Return the customers as sets of records."""
    found: dict[str, set[int]] = {}
    for r in held["node"]:
        found.setdefault(r["customer_id"], set()).add(r["record_key"])
    return {frozenset(g) for g in found.values()}


def test_verdicts_of_a_killed_review_are_given_once_or_not_at_all(identified: Company, at_work: Killer) -> None:
    pairs = {(r["left_key"], r["right_key"]) for r in identified.held()["review"]}
    answers, given = "y\nn\n" * len(pairs), 0
    assert len(pairs) > 12
    for step, kept in (("commit 1", 0), ("after commit 1", 1), ("commit 3", 2), ("after commit 4", 4)):
        assert at_work.run("review", identified.folder, "--by", "ann", at=step, keys=answers).killed
        given += kept
        assert len(identified.held()["decision"]) == given
    at_work.run("review", identified.folder, "--by", "ann", seconds=0.15, keys=answers)
    at_work.done("review", identified.folder, "--by", "ann", keys=answers)
    held = identified.held()
    verdicts = Counter((d["left_key"], d["right_key"]) for d in held["decision"])
    assert verdicts == Counter(pairs)
    same = {(d["left_key"], d["right_key"]) for d in held["decision"] if d["verdict"] == "same"}
    by_hand = Counter((e["left_key"], e["right_key"]) for e in held["edge"] if e["origin"] == "person")
    assert by_hand == Counter(same)
    assert {r["status"] for r in held["review"]} == {"decided"}
    assert partition(held) == components(held)


def test_a_killed_merge_or_undo_is_whole_or_not_at_all(identified: Company, at_work: Killer) -> None:
    def run(*words: str, at: str | None = None) -> Ended:
        return at_work.run("merges", identified.folder, *words, "--why", "told so", "--by", "ann", at=at)

    before = identified.held()
    one, other = sorted({n["customer_id"] for n in before["node"] if n["system"] == "shop"})[:2]
    assert run("--join", one, other, at="commit 1").killed
    assert differing(identified.held(), before) == []
    assert run("--join", one, other, at="after commit 1").killed
    joined = identified.held()
    assert differing(joined, before) == ["decision", "edge", "node"]
    assert len(joined["edge"]) == len(before["edge"]) + 1
    assert len(partition(joined)) == len(partition(before)) - 1
    assert partition(joined) == components(joined)
    again = run("--join", one, other)
    assert again.code == UnknownMerge.exit_code
    assert "one customer already" in again.talk
    assert differing(identified.held(), joined) == []

    listed = at_work.done("merges", identified.folder, "--json").data["merges"]
    number = next(str(m["merge_id"]) for m in listed if m["by"] == "ann")
    assert run("--undo", number, at="commit 1").killed
    assert differing(identified.held(), joined) == []
    assert run("--undo", number, at="after commit 1").killed
    undone = identified.held()
    assert partition(undone) == partition(before)
    assert [n["customer_id"] for n in undone["node"]] == [n["customer_id"] for n in before["node"]]
    again = run("--undo", number)
    assert again.code == UnknownMerge.exit_code
    assert "was undone by ann" in again.talk
    assert differing(identified.held(), undone) == []


def test_a_killed_record_is_taken_up_again_without_a_contact_lost_or_doubled(
    identified: Company, first: Company, tmp_path: Path, at_work: Killer
) -> None:
    never = copied(first.folder, tmp_path / "never")
    events = tmp_path / "events.parquet"
    pq.write_table(pq.read_table(never / "sources" / "web" / "events.parquet").slice(0, 700), events)
    told = at_work.done("record", never, events, *RECORD, "--json")
    commits = [s for s in told.steps if s.startswith(("commit", "after"))]
    assert len(commits) > 60
    for step in commits[:: len(commits) // 8]:
        assert at_work.run("record", identified.folder, events, *RECORD, at=step).killed
    at_work.run("record", identified.folder, events, *RECORD, seconds=0.3)
    at_work.done("record", identified.folder, events, *RECORD)
    expected = Company(never, sqlite_address(never / "state" / "memory.db")).held()
    assert len(expected["interaction"]) == told.data["rows"] == told.data["new"]
    assert differing(identified.held(), expected) == []
    again = at_work.done("record", identified.folder, events, *RECORD, "--json").data
    assert (again["new"], again["joined"]) == (0, 0)


def test_two_that_record_beside_an_identify_lose_nothing_and_wait_for_each_other(
    identified: Company, second: Company, tmp_path: Path
) -> None:
    events = pq.read_table(identified.folder / "sources" / "web" / "events.parquet")
    events = events.slice(0, 1_000)
    events = events.append_column("message_id", pa.array([f"m{n}" for n in range(len(events))]))
    third = len(events) // 3
    pq.write_table(events.slice(0, 2 * third), tmp_path / "one.parquet")
    pq.write_table(events.slice(third), tmp_path / "two.parquet")
    grow(identified.folder)
    # Resolving takes longer than recording: with that done, all three write at once.
    lend(second, identified)
    work = [["identify", identified.folder]]
    work += [["record", identified.folder, tmp_path / f"{name}.parquet", *RECORD] for name in ("one", "two")]
    running = [
        subprocess.Popen(
            [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        for words in work
    ]
    for process in running:
        _, talk = process.communicate(timeout=240)
        assert process.returncode == 0, talk

    held, expected = identified.held(), second.held()
    assert Counter(i["message_id"] for i in held["interaction"]) == Counter(f"m{n}" for n in range(len(events)))
    customer = {n["record_key"]: n["customer_id"] for n in held["node"]}
    assert partition(held) == components(held)
    # The records of systems are as without the contacts, and what a visitor did is of whoever logged in.
    assert [n for n in held["node"] if n["kind"] != "anonymous"] == expected["node"]
    of: dict[str, set[str]] = {}
    for row in events.to_pylist():
        if row["account"] is not None:
            of.setdefault(row["visitor"], set()).add(row["account"])
    by_message = {i["message_id"]: customer[i["record_key"]] for i in held["interaction"]}
    checked = 0
    for row in events.to_pylist():
        accounts = of.get(row["visitor"], set())
        if len(accounts) == 1:
            assert by_message[row["message_id"]] == customer[record_key("web", next(iter(accounts)))]
            checked += 1
    assert checked > len(events) // 2
