"""One way into the memory's store, SQLite or PostgreSQL: transactions, versions, and errors in words of people.

Why it exists: stores say what they keep; how it is opened, locked, brought up to date and why it fails is said once,
here. A write is one transaction; in SQLite it takes the lock when it begins, so that no writer finds out midway that
another was first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import NullPool, QueuePool

from rapport.core.errors import (
    ProgramInvalid,
    RapportError,
    StateDamaged,
    StateNewer,
    StateUnreachable,
    TurnBusy,
    UnknownCustomer,
)

VERSIONS = ("0001", "0002")
"""Versions of the tables, oldest first; each has its migration."""

BUSY_SECONDS = 120
"""How long a writer waits for another."""

_LEDGER_LOCK = 0x7261_7070_0001
_UPGRADE_LOCK = 0x7261_7070_0002


def memory_address(setting: str | None, base: Path, environment: Mapping[str, str]) -> URL:
    """Return the address of a programme's memory; ``${NAME}`` of the setting comes from the environment.

    Raises
    ------
    ProgramInvalid
        The setting is not an address of SQLite or PostgreSQL, or names a variable that is not set.
    """
    if setting is None:
        return sqlite_address(base / "state" / "memory.db")

    def found(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ProgramInvalid(
                f"program.toml: memory takes ${{{match[1]}}} from the environment - not set; must be set where "
                f"Rapport runs. Set it, or write the address without it."
            )
        return environment[match[1]]

    try:
        address = make_url(re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", found, setting))
    except (ArgumentError, ValueError) as error:
        raise ProgramInvalid(
            "program.toml: memory is not an address of a database; must be like "
            "postgresql+psycopg://user:${PASSWORD}@host/name, or absent. Write signs such as @ in a password as %40."
        ) from error
    if address.drivername in {"postgresql", "postgresql+psycopg"}:
        return address.set(drivername="postgresql+psycopg")
    if address.drivername == "sqlite" and address.database:
        return sqlite_address(base / address.database)
    raise ProgramInvalid(
        f"program.toml: memory is kept by {address.drivername!r}; must be postgresql+psycopg, or sqlite with a file. "
        f"Leave the setting out for the file state/memory.db."
    )


def sqlite_address(path: Path) -> URL:
    """Return the address of a SQLite file."""
    return URL.create("sqlite", database=str(path))


class Database:
    """A store that is opened, and brought up to date, when it is first used.

    `pooled` keeps connections between uses; otherwise each use opens and closes, and the file is whole afterwards.
    """

    def __init__(self, address: URL, pooled: bool = False) -> None:
        self.address = address
        self.sqlite = address.get_backend_name() == "sqlite"
        self._pooled = pooled
        self._made: Engine | None = None

    @property
    def name(self) -> str:
        """Return the store as people may see it, without a password."""
        if self.sqlite:
            return str(self.address.database)
        return self.address.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one state of the store."""
        with self._told(), self._engine().connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, ledger: bool = False) -> Iterator[Connection]:
        """Yield a connection whose changes are kept together when the block ends well.

        `ledger` keeps other writers of the ledger out until then; in SQLite any writer is alone.
        """
        with self._told(), self._engine().connect() as plain:
            connection = plain.execution_options(rapport_write=True)
            with connection.begin():
                if ledger and not self.sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LEDGER_LOCK})
                yield connection

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """Yield a connection without a transaction, for what a store refuses within one."""
        with self._told(), self._engine().connect() as plain:
            if self.sqlite:
                yield plain.execution_options(rapport_alone=True)
            else:
                yield plain.execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Let go of all connections."""
        if self._made is not None:
            self._made.dispose()
            self._made = None

    def _engine(self) -> Engine:
        if self._made is None:
            engine = self._create()
            try:
                _bring_up_to_date(engine, self)
            except BaseException:
                engine.dispose()
                raise
            self._made = engine
        return self._made

    def _create(self) -> Engine:
        pool = QueuePool if self._pooled else NullPool
        try:
            if not self.sqlite:
                return create_engine(self.address, poolclass=pool, connect_args={"connect_timeout": 20})
            Path(str(self.address.database)).parent.mkdir(parents=True, exist_ok=True)
            engine = create_engine(self.address, poolclass=pool, connect_args={"timeout": BUSY_SECONDS})
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            raise StateUnreachable(
                f"{self.name}: PostgreSQL needs the package psycopg - not installed. "
                f"Install rapport-marketing[postgresql]."
            ) from error
        except OSError as error:
            raise StateUnreachable(f"{self.name}: {error.strerror or error}. {_RIGHTS}") from error
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begin)
        return engine

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the store says into an error of the tree."""
        try:
            yield
        except DBAPIError as error:
            raise self._error(error) from error
        except _driver_errors() as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> RapportError:
        said = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines() or ["no message"]
        what = f"{self.name}: {said[0].rstrip('.')}."
        lower = said[0].lower()
        if "foreign key" in lower:
            return UnknownCustomer(f"{what} A row belongs to a record that the memory does not know. Load it first.")
        if isinstance(error, IntegrityError):
            return StateDamaged(f"{what} Restore the memory from a copy.")
        if "locked" in lower or "lock timeout" in lower:
            return TurnBusy(f"{what} Another process has been writing for {BUSY_SECONDS} s. Wait, or end it.")
        return self._error_of_sqlite(what, lower) if self.sqlite else _error_of_server(what)

    def _error_of_sqlite(self, what: str, lower: str) -> RapportError:
        path = Path(str(self.address.database))
        denied = "unable to open" in lower and not path.is_dir()
        if denied or "readonly" in lower or "disk is full" in lower or "disk i/o" in lower:
            return StateUnreachable(f"{what} {_RIGHTS}")
        return StateDamaged(f"{what} Restore the file from a copy.")


_RIGHTS = (
    "The memory must be a file that may be read and written, in such a folder, with room on the disk. Give rights."
)


def _error_of_server(what: str) -> RapportError:
    return StateUnreachable(
        f"{what} The server must be running, and user, password and database be right. Set memory in program.toml."
    )


def _driver_errors() -> tuple[type[Exception], ...]:
    """Return the errors of drivers that are used without SQLAlchemy between, in bulk."""
    import sqlite3
    import sys

    psycopg = sys.modules.get("psycopg")
    return (sqlite3.Error,) if psycopg is None else (sqlite3.Error, psycopg.Error)


def _sqlite_connected(connection: Any, record: Any) -> None:
    """Set up a connection: SQLAlchemy says when transactions begin, and what is deleted is overwritten.

    `synchronous` is FULL: what was recorded is there after a power cut, too.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "cache_size=-65536",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("rapport_alone"):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("rapport_write") else "BEGIN")


def _bring_up_to_date(engine: Engine, database: Database) -> None:
    """Make the tables, or bring those of an earlier version up to date, one process at a time.

    Raises
    ------
    StateNewer
        A later version of Rapport has written the store.
    """
    with engine.connect() as connection:
        if _version(connection, database) == VERSIONS[-1]:
            return
    with engine.connect() as plain:
        connection = plain.execution_options(rapport_write=True)
        with connection.begin():
            if not database.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
            if _version(connection, database) != VERSIONS[-1]:
                _upgrade(connection)


def _version(connection: Connection, database: Database) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in VERSIONS:
        raise StateNewer(
            f"{database.name}: the memory has version {found}; this Rapport knows up to {VERSIONS[-1]}. "
            f"A later Rapport has written it. Install that one, or restore the memory from a copy."
        )
    return found


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    place = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", os.fspath(place).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
