"""DuckDB behind the port `Engine`: in memory, no extensions from outside, and a locked room for people's SQL.

Why it exists: the only place that knows DuckDB, so that another engine can take its place. No marketing may
enter, and no value that came from data or from a person is ever formatted into SQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import duckdb
import pyarrow as pa

from rapport.core.errors import RuleRefused, SourceUnreadable, nearest
from rapport.engines.database_source import copy_rows
from rapport.engines.source_files import (
    ROW,
    find_source,
    known_suffix,
    parquet_parts,
    read_csv_shape,
    read_excel,
    utf8_of,
)
from rapport.engines.source_text import CsvShape, wanted_columns
from rapport.program.source import Origin
from rapport.workflows.ports import EngineFault

LITTLE = "256MiB"
"""Memory in which a file is gone through once: some buffers of 32 MiB."""
_CLOSED = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}

_ALLOWED_FUNCTIONS = frozenset(
    """any_value arbitrary arg_max arg_max_null arg_min arg_min_null argmax argmin array_agg avg bit_and bit_or
    bit_xor bool_and bool_or corr count count_if count_star countif covar_pop covar_samp entropy favg first
    fsum geomean geometric_mean group_concat histogram kahan_sum kurtosis kurtosis_pop last list listagg mad
    max max_by mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev stddev_pop
    stddev_samp string_agg sum sumkahan var_pop var_samp variance wavg weighted_avg
    row_number rank dense_rank rank_dense percent_rank cume_dist ntile lag lead first_value last_value
    nth_value fill
    + - * / // % ** ^ & | << >> @ abs add cbrt ceil ceiling divide even exp fdiv floor fmod gcd greatest
    greatest_common_divisor isfinite isinf isnan lcm least least_common_multiple ln log log10 log2 mod
    multiply pi pow power round round_even roundbankers sign signbit sqrt subtract trunc xor
    || ^@ ~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape not_ilike_escape ascii char_length
    character_length chr concat concat_ws contains damerau_levenshtein editdist3 ends_with hamming instr
    jaccard jaro_similarity jaro_winkler_similarity lcase left len length levenshtein lower ltrim md5
    mismatches nfc_normalize ord position prefix regexp_escape regexp_extract regexp_extract_all
    regexp_full_match regexp_matches regexp_replace regexp_split_to_array replace reverse right rtrim sha1
    sha256 split split_part starts_with str_split str_split_regex string_split string_split_regex
    string_to_array strip_accents strlen strpos substr substring suffix translate trim ucase unicode upper
    date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname
    dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms era hour isodow isoyear julian last_day
    make_date make_timestamp minute month monthname quarter second strftime strptime time_bucket to_days
    to_hours to_minutes to_months to_quarters to_seconds to_weeks to_years try_strptime week weekday
    weekofyear year yearweek
    constant_or_null if nullif array_contains array_extract array_has array_length array_to_string cardinality
    element_at list_aggregate list_avg list_concat list_contains list_count list_distinct list_extract
    list_has list_max list_min list_position list_reverse list_sort list_sum list_unique list_value map
    map_extract row struct_extract struct_pack unnest""".split()  # noqa: SIM905
)
"""Functions and operators whose answer comes from their arguments alone."""

_BARE_FUNCTIONS = frozenset(
    """current_catalog current_date current_role current_schema current_time current_timestamp current_user localtime
    localtimestamp session_user user""".split()  # noqa: SIM905
)
"""Words that DuckDB reads as functions without a parenthesis, where no column is called so."""


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
        self._room: TemporaryDirectory[str] | None = None
        self._held = 0

    def __enter__(self) -> DuckDBEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything; the engine cannot be used afterwards."""
        self._connection.close()
        if self._room is not None:
            self._room.cleanup()

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

    def register_source(self, name: str, base: Path, source: Origin) -> None:
        """Let `name` stand for a company's file or table, with its rows counted in ``__row``.

        Every column of a CSV or Excel file or of a database is text, so that a bad value can be shown as it stands.

        Raises
        ------
        SourceMissing
            There is no such file or table.
        SourceUnreadable
            The file is not of a format that can be read, or is damaged; the database does not answer.
        """
        if source.path is None:
            self.register_parquet(name, copy_rows(source, base, self._room_for(".parquet")))
            return
        path = find_source(base, source.path)
        suffix = known_suffix(path, source.path)
        if suffix == ".xlsx":
            self.register_arrow(name, read_excel(path, source))
            return
        sql = "" if suffix == ".parquet" else self._csv_sql(path, source)
        self._forget(name)
        try:
            sql = sql or self._parquet_source_sql(path)
            self._connection.execute(f"CREATE VIEW {_quoted(name)} AS {sql}")
        except duckdb.Error as error:
            raise SourceUnreadable(
                f"source {source.path}: cannot be read as {suffix} - {_first_line(error)}; must be a whole file "
                "of that format. Export or copy it again."
            ) from error

    def _csv_sql(self, path: Path, source: Origin) -> str:
        shape = read_csv_shape(path, source, wanted_columns(source))
        return _csv_sql(utf8_of(path, shape, source, self._room_for(".csv")), shape)

    def _room_for(self, suffix: str) -> Path:
        """Return the path of a file that goes when the engine is closed."""
        if self._room is None:
            self._room = TemporaryDirectory(prefix="rapport-", ignore_cleanup_errors=True)
        self._held += 1
        return Path(self._room.name) / f"{self._held}{suffix}"

    def _parquet_source_sql(self, path: Path) -> str:
        """Return SQL for a Parquet file, or for those of a folder in turn, all with the columns of the first."""
        selects, before, columns = [], 0, ""
        for part in parquet_parts(path) or [path]:
            read = f"read_parquet({_pattern(part)}, file_row_number = true)"
            if not columns:
                names = self._connection.sql(f"SELECT * FROM {read} LIMIT 0").columns
                columns = ", ".join(_quoted(n) for n in names if n != "file_row_number")
            selects.append(f"SELECT file_row_number + {before + 1} AS {ROW}, {columns} FROM {read}")
            counted = self._connection.execute(f"SELECT count(*) FROM {read}").fetchone()
            before += counted[0] if counted else 0
        return " UNION ALL ".join(selects)

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

    @contextmanager
    def in_little_memory(self) -> Iterator[None]:
        """Keep little of what was read until the block ends: for a file of any size that is gone through once.

        A CSV file that one reader goes through stays in memory as long as there is room, though nobody will read it
        again.
        """
        if "memory_limit" in self._settings:
            yield
            return
        self._connection.execute(f"SET memory_limit = '{LITTLE}'")
        try:
            yield
        finally:
            self._connection.execute("RESET memory_limit")

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
    # In `python -c` and notebooks DuckDB draws a bar on stdout, among the data.
    connection.execute("SET enable_progress_bar = false")
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


def _csv_sql(path: Path, shape: CsvShape) -> str:
    columns = ", ".join(f"{_literal(n)}: 'VARCHAR'" for n in shape.columns)
    # A short line is padded, so that it reaches the quarantine instead of stopping the load; DuckDB does that
    # only when one reader goes through the file.
    return (
        f"SELECT row_number() OVER () AS {ROW}, * FROM read_csv({_pattern(path)}, auto_detect = false, "
        f"header = {'true' if shape.header else 'false'}, skip = {shape.skip}, delim = {_literal(shape.delimiter)}, "
        f"quote = '\"', escape = '\"', encoding = 'utf-8', columns = {{{columns}}}, null_padding = true, "
        "parallel = false)"
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
    _check_functions(sql, place)
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


def _check_functions(sql: str, place: str) -> None:
    """Refuse functions that are not on the list, by the engine's own reading of the query."""
    with duckdb.connect(":memory:", config=dict(_CLOSED)) as reader:
        told = reader.execute("SELECT json_serialize_sql($sql::VARCHAR)", {"sql": sql}).fetchone()
    tree = json.loads(told[0]) if told else {"error": True}
    if tree.get("error"):
        raise RuleRefused(
            f"{place}: cannot be read - {tree.get('error_message', sql[:60])}; must be one SELECT. Mend the query."
        )
    for name in _functions(tree):
        written = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE)
        raise RuleRefused(
            f"{place}: uses {written.group() if written else name}; may use functions of values in the tables and "
            "$as_of: aggregates (count, sum, median), arithmetic (round, least), text (lower, regexp_matches), dates "
            "(date_diff, date_trunc), conditions (coalesce, if) and windows (row_number, lag)."
            f"{nearest(name, _ALLOWED_FUNCTIONS)} Leave it out."
        )


def _functions(tree: Any) -> Iterator[str]:
    """Yield the functions of a query's tree that are not on the list."""
    if isinstance(tree, list):
        for item in tree:
            yield from _functions(item)
    if not isinstance(tree, dict):
        return
    name = tree.get("function_name")
    if isinstance(name, str) and name.casefold() not in _ALLOWED_FUNCTIONS:
        yield name
    columns = tree.get("column_names") if tree.get("class") == "COLUMN_REF" else None
    if columns and len(columns) == 1 and columns[0].casefold() in _BARE_FUNCTIONS:
        yield columns[0]
    for item in tree.values():
        yield from _functions(item)
