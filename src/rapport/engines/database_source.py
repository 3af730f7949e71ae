"""Reads a table, or the answer to a query, of a company's database: PostgreSQL, SQLite or MySQL through SQLAlchemy.

Why it exists: much of what a company knows of its customers stands in databases, and an export by hand is old before
it is read. Rows are streamed and never changed: the connection may only read. Values become the text that a CSV file
of the table would have, decimals to their last digit. A password never stands in a message.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from rapport.core.errors import SourceColumns, SourceMissing, SourceUnreadable, nearest
from rapport.engines.source_files import ROW, cell_text, decimal_comma
from rapport.engines.source_text import distinct_names
from rapport.program.source import Origin

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

BATCH = 20_000
"""Rows that are held at a time."""

_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
_EXTRAS = {"psycopg": "postgresql", "pymysql": "mysql"}


def expand(address: str, shown: str) -> str:
    """Return an address with each ``${NAME}`` taken from the environment.

    Raises
    ------
    SourceUnreadable
        The environment has no such name.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise SourceUnreadable(
                f"source {shown}: the environment has no {match[1]}, which its database's address names; must be "
                f"set. "
                f"Set it: export {match[1]}=..."
            )
        return found

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", value, address)


def copy_rows(source: Origin, base: Path, target: Path) -> Path:
    """Write the rows of a source to a Parquet file of text columns, counted in ``__row``; return the file.

    Raises
    ------
    SourceMissing
        There is no such table.
    SourceUnreadable
        The address is none, its driver is not installed, the server does not answer, or the query is refused.
    SourceColumns
        A column holds bytes, which are no text.
    """
    number = 0
    writer = None
    try:
        for names, rows in _batches(source, base):
            schema = pa.schema([(ROW, pa.int64()), *((n, pa.string()) for n in names)])
            writer = writer or pq.ParquetWriter(target, schema, compression="lz4")
            columns = zip(*rows, strict=True) if rows else [[] for _ in names]
            arrays = [pa.array(range(number + 1, number + len(rows) + 1), pa.int64())]
            arrays += [pa.array(c, pa.string()) for c in columns]
            writer.write_table(pa.table(arrays, schema=schema))
            number += len(rows)
    finally:
        if writer is not None:
            writer.close()
    return target


def digest_rows(source: Origin, base: Path) -> str:
    """Return a hex digest (32 digits) of the columns and rows of a source, whatever the order of the rows.

    Errors as for `copy_rows`.
    """
    total = 0
    head: tuple[str, ...] = ()
    for names, rows in _batches(source, base):
        head = names
        for row in rows:
            total += int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=16).digest(), "big")
    return hashlib.blake2b(f"{head!r}{total}".encode(), digest_size=16).hexdigest()


def read_sample(source: Origin, base: Path, rows: int) -> dict[str, list[str | None]]:
    """Return the first rows of a source by column, as text; errors as for `copy_rows`."""
    held: list[Sequence[str | None]] = []
    names: tuple[str, ...] = ()
    for found, batch in _batches(source, base):
        names = found
        held += batch
        if len(held) >= rows:
            break
    return {n: [row[i] for row in held[:rows]] for i, n in enumerate(names)}


def _batches(source: Origin, base: Path) -> Iterator[tuple[tuple[str, ...], list[tuple[str | None, ...]]]]:
    """Yield the names of the columns with rows as text; at least once."""
    from sqlalchemy import create_engine

    url = _url(source, base)
    with _told(source, url):
        engine = create_engine(url)
    comma = decimal_comma(source)
    try:
        with _told(source, url), engine.connect() as connection:
            result = _answer(connection, engine, source)
            names = distinct_names(list(result.keys()))
            empty = True
            for part in result.partitions(BATCH):
                empty = False
                yield (
                    names,
                    [tuple(_text(v, n, source, comma) for v, n in zip(row, names, strict=True)) for row in part],
                )
            if empty:
                yield names, []
    finally:
        engine.dispose()


def _url(source: Origin, base: Path) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(expand(source.database or "", source.shown))
    except (ArgumentError, ValueError) as error:
        raise SourceUnreadable(
            f"source {source.shown}: database is no address; must be such as sqlite:///shop.db, "
            "postgresql+psycopg://user@server/name or mysql+pymysql://user@server/name. Mend it."
        ) from error
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() not in {"sqlite", "postgresql", "mysql", "mariadb"}:
        raise SourceUnreadable(
            f"source {source.shown}: database is of kind {url.get_backend_name()!r}; may be sqlite, postgresql or "
            "mysql. Name another, or export the table."
        )
    if url.get_backend_name() != "sqlite":
        return url
    path = base / (url.database or "")
    if not url.database or not path.is_file():
        raise SourceMissing(
            f"source {source.shown}: no such file - {path}; must be a SQLite database. Mend the path."
        )
    # Opened so that nothing can be written, and no empty database comes of a wrong name.
    uri = "file:" + str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return url.set(database=uri, query={"mode": "ro", "uri": "true"})


def _answer(connection: Connection, engine: Engine, source: Origin) -> Any:
    streamed = connection.execution_options(stream_results=True, yield_per=BATCH)
    if engine.dialect.name == "postgresql":
        streamed = streamed.execution_options(postgresql_readonly=True)
    elif engine.dialect.name in {"mysql", "mariadb"}:
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.commit()
    if source.query is not None:
        # Without parameters, or drivers would take a per cent sign of the query for the place of one.
        plain = streamed.execution_options(no_parameters=True)
        return plain.exec_driver_sql(_one_select(source.query, engine.dialect.name, source))
    return streamed.execute(_whole_table(engine, source))


def _one_select(query: str, dialect: str, source: Origin) -> str:
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError

    try:
        found = [
            s for s in parse(query, read={"postgresql": "postgres", "mariadb": "mysql"}.get(dialect, dialect)) if s
        ]
    except SqlglotError as error:
        raise SourceUnreadable(
            f"source {source.shown}: query is not SQL - {str(error).splitlines()[0]}; must be one SELECT. Mend it."
        ) from error
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise SourceUnreadable(
            f"source {source.shown}: query is not one SELECT - {query.strip()[:60]!r}; must only read. Mend it."
        )
    return query.strip().rstrip(";")


def _whole_table(engine: Engine, source: Origin) -> Any:
    from sqlalchemy import MetaData, Table, inspect, select
    from sqlalchemy.exc import NoSuchTableError

    schema, _, name = (source.table or "").rpartition(".")
    try:
        table = Table(name, MetaData(), schema=schema or None, autoload_with=engine, resolve_fks=False)
    except NoSuchTableError as error:
        look = inspect(engine)
        there = sorted({*look.get_table_names(schema or None), *look.get_view_names(schema or None)})
        listing = ", ".join(there[:30]) or "none"
        raise SourceMissing(
            f"source {source.shown}: the database has no table {source.table!r}; it has: {listing}."
            f"{nearest(name, there)} Mend the name."
        ) from error
    # A table has no order of its own; by its key the same rows give the same bytes.
    return select(table).order_by(*table.primary_key.columns)


def _text(value: Any, name: str, source: Origin, comma: bool) -> str | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise SourceColumns(
            f"source {source.shown}: column {name!r} holds bytes; must be text, numbers, days or times. Leave it "
            "out by a query, or cast it there."
        )
    return cell_text(value, comma)


@contextmanager
def _told(source: Origin, url: URL) -> Iterator[None]:
    """Tell faults of a database in words, without a password."""
    from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

    place = url.render_as_string(hide_password=True)
    try:
        yield
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "", error.name or "")
        raise SourceUnreadable(
            f"source {source.shown}: the driver {error.name} is not installed; {place} needs it. "
            f"Install it: pip install 'rapport-marketing[{extra}]'"
        ) from error
    except NoSuchModuleError as error:
        raise SourceUnreadable(
            f"source {source.shown}: {place} names a driver that is not known; such as postgresql+psycopg, "
            "mysql+pymysql, sqlite. Mend the address."
        ) from error
    except DBAPIError as error:
        said = _without_password(str(error.orig).strip(), url)
        raise SourceUnreadable(
            f"source {source.shown}: {place} does not answer - {' '.join(said.split())[:400]}; must be a database "
            "that this user may read. Mend the address, the query or the rights."
        ) from error
    except SQLAlchemyError as error:
        said = _without_password(str(error).splitlines()[0], url)
        raise SourceUnreadable(
            f"source {source.shown}: {place} cannot be read - {said}. Mend the address."
        ) from error


def _without_password(text: str, url: URL) -> str:
    return text.replace(url.password, "***") if url.password else text
