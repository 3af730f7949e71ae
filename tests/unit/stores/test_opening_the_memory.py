"""A memory is opened by one setting, brought up to date, and says in plain words why it cannot be."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import threading
from datetime import date
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url

from memories import person, remember
from postgres_server import PASSWORD, Server
from rapport.core.errors import ProgramInvalid, StateDamaged, StateNewer, StateUnreachable
from rapport.stores.database import VERSIONS, Database, memory_address, sqlite_address
from rapport.stores.identity import CustomerMemory
from rapport.stores.memory import Memory
from rapport.stores.tables import metadata

EARLIER = """
CREATE TABLE IF NOT EXISTS holdout (
    household_key INTEGER NOT NULL, turn TEXT NOT NULL, PRIMARY KEY (household_key, turn)
) STRICT;
CREATE TABLE IF NOT EXISTS delivery (
    touch_id TEXT PRIMARY KEY, customer_key INTEGER NOT NULL, turn TEXT NOT NULL,
    day TEXT NOT NULL, channel TEXT NOT NULL, carried INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_by_day ON delivery (day, customer_key);
"""
"""What Rapport made before versions of the memory were counted."""


def test_migrations_lead_to_the_declared_tables(memory: CustomerMemory, address: URL) -> None:
    remember(memory, [])
    database = Database(address)
    with database.reading() as c:
        context = MigrationContext.configure(c, opts={"compare_type": address.get_backend_name() != "sqlite"})
        assert compare_metadata(context, metadata) == []
        assert c.scalar(text("SELECT version_num FROM alembic_version")) == VERSIONS[-1]


def test_a_memory_of_the_earlier_version_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with sqlite3.connect(path) as c:
        c.executescript(EARLIER)
        c.executemany("INSERT INTO holdout VALUES (?, ?)", [(-(2**63), "w1"), (7, "w1"), (7, "w2")])
        c.executemany(
            "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?)",
            [("t1", 7, "w1", "2030-01-07", "email", 1), ("t2", 8, "w2", "2030-01-08", "till", 0)],
        )
    c.close()
    memory = Memory(path)
    assert memory.held_out().tolist() == [-(2**63), 7]
    assert memory.contacts(date(2030, 1, 1), date(2030, 2, 1), "") == {7: 1, 8: 1}
    assert memory.turns() == {"w1"}
    with CustomerMemory(sqlite_address(path)) as customers:
        assert remember(customers, [person("a")]).new == 1
    assert memory.remember_deliveries([("t1", 7, "w1", date(2030, 1, 7), "email", True)]) == 0


def test_many_may_open_a_new_memory_at_once(address: URL) -> None:
    failures: list[BaseException] = []

    def opens(name: str) -> None:
        try:
            with CustomerMemory(address) as memory:
                remember(memory, [person(name)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=opens, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with CustomerMemory(address) as memory:
        assert len(memory.records.nodes()) == 4


def test_what_a_turn_remembers_is_kept_in_either_store(address: URL) -> None:
    memory, day = Memory(address), date(2030, 1, 7)
    memory.hold_out([5, -(2**63)], "w1")
    memory.hold_out(range(3_000), "w2")
    memory.forget_holdout("w2")
    assert memory.held_out().tolist() == [-(2**63), 5]
    many = [(f"t{n}", n % 100, "w1", day, "email", n % 2 == 0) for n in range(5_000)]
    assert memory.remember_deliveries(many) == 5_000
    assert memory.remember_deliveries(many) == 0
    assert memory.contacts(day, date(2030, 1, 8), "w2")[7] == 50
    assert memory.turns() == {"w1"}


def test_a_later_version_is_left_alone(memory: CustomerMemory, address: URL) -> None:
    remember(memory, [])
    with Database(address).writing() as c:
        c.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateNewer, match=r"version 9999; this Rapport knows up to 0002\. .*Install"):
        Memory(address).turns()


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("postgresql+psycopg://u:${NOT_SET}@h/d", r"takes \$\{NOT_SET\} from the environment - not set"),
        ("mysql+pymysql://u:p@h/d", r"kept by 'mysql\+pymysql'; must be postgresql"),
        ("sqlite://", "sqlite with a file"),
        ("nonsense", "is not an address"),
        ("postgresql://u:geheim@h:port/d", "is not an address"),
    ],
)
def test_a_wrong_setting_is_told_without_what_may_be_secret(tmp_path: Path, setting: str, told: str) -> None:
    with pytest.raises(ProgramInvalid, match=told) as caught:
        memory_address(setting, tmp_path, {})
    assert "geheim" not in str(caught.value)


def test_the_setting_takes_what_is_secret_from_the_environment(tmp_path: Path) -> None:
    address = memory_address("postgresql://u:${A}@h/d", tmp_path, {"A": "p%40ss"})
    assert (address.drivername, address.password) == ("postgresql+psycopg", "p@ss")
    assert memory_address(None, tmp_path, {}) == sqlite_address(tmp_path / "state" / "memory.db")
    assert memory_address("sqlite:///other.db", tmp_path, {}) == sqlite_address(tmp_path / "other.db")


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    address = make_url("postgresql+psycopg://rapport:geheim@127.0.0.1:1/memory")
    with pytest.raises(StateUnreachable, match=r"rapport:\*\*\*@127\.0\.0\.1:1/memory: .*must be running") as caught:
        Memory(address).turns()
    assert "geheim" not in str(caught.value)


def test_a_wrong_password_or_database_is_told_without_the_password(postgres: Server) -> None:
    for wrong in (postgres.address("postgres", "geheim"), postgres.address("nowhere")):
        with pytest.raises(StateUnreachable, match=r"password authentication failed|does not exist") as caught:
            Memory(make_url(wrong)).turns()
        assert "geheim" not in str(caught.value)
        assert PASSWORD not in str(caught.value)


def test_a_file_damaged_in_the_middle_is_told(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with CustomerMemory(sqlite_address(path)) as memory:
        remember(memory, [person(str(n)) for n in range(2_000)])
    whole = bytearray(path.read_bytes())
    whole[8_192 : len(whole) - 8_192] = b"\xff" * (len(whole) - 16_384)
    path.write_bytes(whole)
    with pytest.raises(StateDamaged, match=r"memory\.db: .*Restore"), CustomerMemory(sqlite_address(path)) as memory:
        memory.records.nodes()


AS_ANOTHER = """
import os, pwd, sqlite3, sys
from pathlib import Path
import rapport.stores.bulk, rapport.stores.identity, sqlalchemy.dialects.sqlite
from rapport.stores.memory import Memory
if os.getuid() == 0:
    os.setuid(pwd.getpwnam("nobody").pw_uid)
try:
    Memory(Path(sys.argv[1])).hold_out([2], "w")
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_file_that_may_not_be_written_is_told() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Memory(folder / "memory.db").hold_out([1], "w")
        (folder / "memory.db").chmod(0o444)
        folder.chmod(0o555)
        ran = subprocess.run(
            [sys.executable, "-c", AS_ANOTHER, folder / "memory.db"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        folder.chmod(0o755)
    assert ran.stdout.startswith("StateUnreachable"), ran.stdout + ran.stderr
    assert "memory.db: " in ran.stdout
    assert "Give rights" in ran.stdout
