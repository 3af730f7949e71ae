"""DuckDB behind the port `Engine`: in memory, no extensions from outside, and a locked room for people's SQL.

Why it exists: the only place that knows DuckDB, so that another engine can take its place. No marketing may
enter, and no value that came from data or from a person is ever formatted into SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa

from rapport.core.errors import RuleRefused, SourceUnreadable, nearest
from rapport.engines.source_files import (
    ROW,
    find_source,
    known_suffix,
    read_csv_shape,
    read_excel,
)
from rapport.program.model import Source
from rapport.workflows.ports import EngineFault

_CLOSED = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

_REFUSED_FUNCTIONS = frozenset(
    """random uuid gen_random_uuid uuidv4 uuidv7 setseed now today current_date current_time current_timestamp
    currentdate currenttime currenttimestamp currentdatetime current_localtime current_localtimestamp localtime
    localtimestamp get_current_time get_current_timestamp transaction_timestamp statement_timestamp
    clock_timestamp age rand nextval currval getvariable getenv current_setting set_config version
    current_user current_database current_schema current_schemas current_query current_catalog txid_current
    pg_sleep sleep_ms error""".split()  # noqa: SIM905
)
"""Functions whose answer does not come from the tables and the day of the decision alone."""


class DuckDBEngine:
    """An in-memory DuckDB that implements `rapport.workflows.ports.Engine`.

    Parameters
    ----------
    threads : int
        Cores it may use; results do not depend on it.
    memory_limit : str, optional
        Such as ``4GB``; DuckDB's own choice when absent.
    temp_directory : path, optional
        Where larger work may spill; nothing spills when absent.
    """

    def __init__(
        self, *, threads: int = 1, memory_limit: str | None = None, temp_directory: str | Path | None = None
    ) -> None:
        self._settings = {**_CLOSED, "threads": str(threads)}
        if memory_limit is not None:
            self._settings["memory_limit"] = memory_limit
        self._settings["temp_directory"] = "" if temp_directory is None else str(temp_directory)
        self._connection = _connect(self._settings)
        self._files: dict[str, Path] = {}
        self._arrow: dict[str, pa.Table] = {}

    def __enter__(self) -> DuckDBEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything; the engine cannot be used afterwards."""
        self._connection.close()

    def register_parquet(self, name: str, path: Path) -> None:
        """Let `name` stand for a Parquet file."""
        self._forget(name)
        with _faults():
            self._connection.execute(f"CREATE VIEW {_quoted(name)} AS {_parquet_sql(path)}")
        self._files[name] = path

    def register_arrow(self, name: str, table: pa.Table) -> None:
        """Let `name` stand for an Arrow table; the table is kept alive, not copied."""
        self._forget(name)
        self._connection.register(name, table)
        self._arrow[name] = table

    def register_source(self, name: str, base: Path, source: Source) -> None:
        """Let `name` stand for a company's file, with its rows counted in ``__row``.

        Every column of a CSV or Excel file is text, so that a bad value can be shown as it stands.

        Raises
        ------
        SourceMissing
            There is no such file.
        SourceUnreadable
            The file is not of a format that can be read, or is damaged.
        """
        path = find_source(base, source.path)
        suffix = known_suffix(path, source.path)
        if suffix == ".xlsx":
            self.register_arrow(name, read_excel(path, source))
            return
        if suffix == ".parquet":
            sql = (
                f"SELECT file_row_number + 1 AS {ROW}, * EXCLUDE (file_row_number) "
                f"FROM read_parquet({_pattern(path)}, file_row_number = true)"
            )
        else:
            sql = _csv_sql(path, source)
        self._forget(name)
        try:
            self._connection.execute(f"CREATE VIEW {_quoted(name)} AS {sql}")
        except duckdb.Error as error:
            raise SourceUnreadable(
                f"source {source.path}: cannot be read as {suffix} - {_first_line(error)}; must be a whole file "
                "of that format. Export or copy it again."
            ) from error

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Return the whole result of a query; raise `EngineFault` where the engine refuses."""
        with _faults():
            return self._connection.sql(sql, params=dict(params or {})).to_arrow_table()

    def stream(
        self, sql: str, params: Mapping[str, Any] | None = None, batch_rows: int = 65_536
    ) -> pa.RecordBatchReader:
        """Return the result of a query in batches; `EngineFault` may also come while it is read."""
        with _faults():
            cursor = self._cursor()
            reader = cursor.sql(sql, params=dict(params or {})).to_arrow_reader(batch_rows)
        return pa.RecordBatchReader.from_batches(reader.schema, _batches(cursor, reader))

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Run a statement that gives no rows; raise `EngineFault` where the engine refuses."""
        with _faults():
            self._connection.sql(sql, params=dict(params or {}))

    def check_question(self, sql: str, tables: Sequence[str], place: str) -> None:
        """Refuse a person's query that is not one plain SELECT over the named tables; nothing is run."""
        check_question(sql, tables, place)

    def ask(self, sql: str, as_of: date, tables: Sequence[str], place: str = "query") -> pa.Table:
        """Return the result of a query that a person wrote.

        It runs in a connection of its own that can reach the named tables and nothing else. Tables with a
        column ``day`` hold only the days before `as_of`; ``$as_of`` may be used in the query.

        Parameters
        ----------
        sql : str
            One SELECT.
        as_of : date
            The day of the decision.
        tables : sequence of str
            Registered names that the query may use.
        place : str
            Where the query stands, for errors.

        Raises
        ------
        RuleRefused
            The text is not one plain SELECT over the tables, or DuckDB refuses it.
        """
        bound = check_question(sql, tables, place)
        room = _connect(self._settings)
        try:
            schemas = {name: self._let_in(room, name, as_of) for name in tables}
            readable = ", ".join(_literal(str(self._files[n])) for n in tables if n in self._files)
            room.execute(f"SET allowed_paths = [{readable}]")
            room.execute("SET python_enable_replacements = false")
            room.execute("SET enable_external_access = false")
            room.execute("SET lock_configuration = true")
            try:
                return room.sql(sql, params={"as_of": as_of} if bound else {}).to_arrow_table()
            except (duckdb.Error, pa.ArrowException) as error:
                raise RuleRefused(
                    f"{place}: refused - {_first_line(error)}; there are: {_listing(schemas)}. Mend the query."
                ) from error
        finally:
            room.close()

    def _let_in(self, room: duckdb.DuckDBPyConnection, name: str, as_of: date) -> list[str]:
        """Make a table readable in the room, cut off at the day; no name is left that shows more."""
        path = self._files.get(name)
        if path is None:
            columns = self.query(f"SELECT * FROM {_quoted(name)} LIMIT 0").column_names
        else:
            columns = self.query(f"{_parquet_sql(path)} LIMIT 0").column_names
        past = f" WHERE day < DATE '{as_of.isoformat()}'" if "day" in columns else ""
        if path is None:
            room.register(name, self.query(f"SELECT * FROM {_quoted(name)}{past}"))
        else:
            room.execute(f"CREATE VIEW {_quoted(name)} AS {_parquet_sql(path)}{past}")
        return list(columns)

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor = self._connection.cursor()
        for name, table in self._arrow.items():
            cursor.register(name, table)
        return cursor

    def _forget(self, name: str) -> None:
        if self._arrow.pop(name, None) is not None:
            self._connection.unregister(name)
        self._files.pop(name, None)
        self._connection.execute(f"DROP VIEW IF EXISTS {_quoted(name)}")


def _connect(settings: dict[str, str]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=dict(settings))
    # Arrow output carries the session's zone; the tables are declared in UTC.
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, pa.ArrowException) as error:
        raise EngineFault(str(error)) from error


def _batches(cursor: duckdb.DuckDBPyConnection, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (OSError, duckdb.Error, pa.ArrowException) as error:
        raise EngineFault(str(error)) from error
    finally:
        del reader
        cursor.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _pattern(path: Path) -> str:
    # DuckDB reads *, ? and [ in a path as a pattern; a bracket of one letter stands for that letter.
    return _literal("".join(f"[{c}]" if c in "*?[" else c for c in str(path)))


def _parquet_sql(path: Path) -> str:
    return f"SELECT * FROM read_parquet({_pattern(path)})"


def _csv_sql(path: Path, source: Source) -> str:
    shape = read_csv_shape(path, source)
    columns = ", ".join(f"{_literal(n)}: 'VARCHAR'" for n in shape.columns)
    # A short line is padded, so that it reaches the quarantine instead of stopping the load; DuckDB does that
    # only when one reader goes through the file.
    return (
        f"SELECT row_number() OVER () AS {ROW}, * FROM read_csv({_pattern(path)}, auto_detect = false, "
        f"header = true, delim = {_literal(shape.delimiter)}, quote = '\"', escape = '\"', "
        f"encoding = {_literal(shape.encoding)}, columns = {{{columns}}}, null_padding = true, parallel = false)"
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _listing(schemas: Mapping[str, Iterable[str]]) -> str:
    return "; ".join(f"{name}({', '.join(columns)})" for name, columns in schemas.items())


def check_question(sql: str, tables: Sequence[str], place: str) -> bool:
    """Return whether a person's query uses ``$as_of``; refuse all that is not one plain SELECT.

    Refused: several statements, anything but SELECT, WITH and UNION, tables that are not named, functions in
    the place of a table, functions that read a clock, a setting or chance, parameters other than ``$as_of``.

    Raises
    ------
    RuleRefused
        With what stands in the way.
    """
    from sqlglot import exp, parse_one, tokenize
    from sqlglot.errors import SqlglotError

    refusal = f"{place}: is not one SELECT - {sql.strip()[:60]!r}; may be one SELECT, WITH or UNION. Mend the query."
    try:
        tokens = tokenize(sql, read="duckdb")
        words = [t.text.upper() for t in tokens if t.text != "("]
        # Asked of the words first: sqlglot writes a warning to stderr where it meets a command.
        if words[:1] not in (["SELECT"], ["WITH"], ["FROM"]) or ";" in words[:-1]:
            raise RuleRefused(refusal)
        root = parse_one(sql.strip().rstrip(";"), read="duckdb")
    except SqlglotError as error:
        raise RuleRefused(f"{place}: not SQL - {_first_line(error)}; must be one SELECT. Mend the query.") from error
    if not isinstance(root, exp.Query):
        raise RuleRefused(refusal)
    for table in root.find_all(exp.Table):
        _check_table(table, tables, place)
    for node in root.walk():
        _check_node(node, place)
    return root.find(exp.Parameter, exp.Placeholder) is not None


def _visible(table: Any) -> set[str]:
    """Return the names that WITH gives to queries at the place of a table; one given later does not count there."""
    from sqlglot import exp

    names: set[str] = set()
    inner, outer = table, table.parent
    while outer is not None:
        if isinstance(outer, exp.With):
            own = next(i for i, c in enumerate(outer.expressions) if c is inner)
            earlier = outer.expressions[: own + 1] if outer.args.get("recursive") else outer.expressions[:own]
            names |= {c.alias_or_name.casefold() for c in earlier}
        elif isinstance(outer, exp.Query) and not isinstance(inner, exp.With):
            names |= {c.alias_or_name.casefold() for c in outer.ctes}
        inner, outer = outer, outer.parent
    return names


def _check_table(table: Any, tables: Sequence[str], place: str) -> None:
    from sqlglot import exp

    if not isinstance(table.this, exp.Identifier):
        raise RuleRefused(
            f"{place}: a function stands in the place of a table - {table.sql('duckdb')}; may read: "
            f"{', '.join(tables)}. Name one of them."
        )
    known = {t.casefold() for t in tables} | _visible(table)
    if table.args.get("db") is not None or table.name.casefold() not in known:
        raise RuleRefused(
            f"{place}: reads a table that is not there - {table.sql('duckdb')}; may read: {', '.join(tables)}."
            f"{nearest(table.name, tables)} Name one of them."
        )


def _check_node(node: Any, place: str) -> None:
    from sqlglot import exp

    refused = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Copy, exp.Attach, exp.Pragma, exp.Set, exp.Lock)
    chance = exp.TableSample
    # A query is itself among sqlglot's DDL, for CREATE TABLE AS.
    if isinstance(node, (*refused, chance)) and not isinstance(node, exp.Query):
        raise RuleRefused(f"{place}: uses {node.key.upper()}; may be one SELECT, WITH or UNION. Mend the query.")
    if isinstance(node, (exp.Parameter, exp.Placeholder)) and node.name.casefold() != "as_of":
        raise RuleRefused(f"{place}: has a parameter - {node.sql('duckdb')}; may use $as_of. Write the value itself.")
    if isinstance(node, exp.Func):
        names = (
            {node.name.casefold()} if isinstance(node, exp.Anonymous) else {n.casefold() for n in node.sql_names()}
        )
        if bad := sorted(names & _REFUSED_FUNCTIONS):
            raise RuleRefused(
                f"{place}: uses {bad[0]}; an answer may rest on the tables and $as_of alone. Leave it out."
            )
