"""The engine as its port promises it, and the locked room for people's queries."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.core.errors import RuleRefused
from rapport.engines.duckdb_engine import _ALLOWED_FUNCTIONS, DuckDBEngine
from rapport.workflows.ports import EngineFault

TRIPS = pa.table({"customer_id": ["a", "a", "b"], "day": [date(2017, 1, 1), date(2017, 1, 5), date(2017, 1, 9)]})
AS_OF = date(2017, 1, 5)


def test_a_query_binds_its_values() -> None:
    with DuckDBEngine() as engine:
        engine.register_arrow("trips", TRIPS)
        found = engine.query("SELECT day FROM trips WHERE customer_id = $who", {"who": "b"})
    assert found.to_pylist() == [{"day": date(2017, 1, 9)}]


def test_a_stream_sees_files_arrow_tables_and_tables_and_does_not_stand_in_the_way_of_queries(tmp_path: Path) -> None:
    pq.write_table(TRIPS, tmp_path / "trips.parquet")
    with DuckDBEngine(threads=2) as engine:
        engine.register_parquet("trips", tmp_path / "trips.parquet")
        engine.register_arrow("names", pa.table({"customer_id": ["a"], "name": ["Ann"]}))
        engine.execute("CREATE TABLE numbers AS SELECT i FROM range(1000) r(i) WHERE i < $n", {"n": 500})
        reader = engine.stream("SELECT i FROM numbers ORDER BY i", batch_rows=100)
        first = reader.read_next_batch()
        assert engine.query("SELECT count(*) AS n FROM trips JOIN names USING (customer_id)").to_pylist() == [
            {"n": 2}
        ]
        rest = list(reader)
        assert pa.Table.from_batches([first, *rest])["i"].to_pylist() == list(range(500))
        assert engine.stream("SELECT name FROM names").read_all().to_pylist() == [{"name": "Ann"}]


def test_a_name_can_be_registered_anew(tmp_path: Path) -> None:
    pq.write_table(TRIPS, tmp_path / "trips.parquet")
    with DuckDBEngine() as engine:
        for _ in range(2):
            engine.register_arrow("it", TRIPS)
            engine.register_parquet("it", tmp_path / "trips.parquet")
        assert engine.query("SELECT count(*) AS n FROM it").to_pylist() == [{"n": 3}]


def test_little_memory_is_for_the_block_alone_and_changes_no_row(tmp_path: Path) -> None:
    asked = "SELECT value AS held FROM duckdb_settings() WHERE name = 'memory_limit'"
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"n": list(range(100_000))}), path)
    with DuckDBEngine() as engine:
        engine.register_parquet("rows", path)
        before = engine.query(asked)
        with engine.in_little_memory():
            assert engine.query(asked)["held"].to_pylist() == ["256.0 MiB"]
            assert engine.stream("SELECT sum(n) AS n FROM rows").read_all()["n"].to_pylist() == [4_999_950_000]
        assert engine.query(asked).equals(before)
        with pytest.raises(EngineFault), engine.in_little_memory():
            engine.query("SELECT nothing")
        assert engine.query(asked).equals(before)
    with DuckDBEngine(memory_limit="1GB") as engine, engine.in_little_memory():
        assert engine.query(asked)["held"].to_pylist() == ["953.6 MiB"], "who sets a limit is obeyed"


def test_times_come_in_utc() -> None:
    with DuckDBEngine() as engine:
        assert engine.query("SELECT TIMESTAMPTZ '2017-01-01 00:00:00+02' AS at").schema.field("at").type.tz == "UTC"


def test_what_the_engine_refuses_is_a_fault_also_in_the_middle_of_a_stream() -> None:
    with DuckDBEngine() as engine:
        for act in (engine.query, engine.stream, engine.execute):
            with pytest.raises(EngineFault, match="nowhere"):
                act("SELECT * FROM nowhere")
        bad = "SELECT CASE WHEN i = 5000 THEN error('broken') ELSE '' END AS x FROM range(9000) r(i)"
        with pytest.raises(EngineFault, match="broken"):
            engine.stream(bad, batch_rows=100).read_all()


def asked(sql: str, tmp_path: Path) -> list[dict[str, object]]:
    pq.write_table(TRIPS, tmp_path / "trips.parquet")
    with DuckDBEngine() as engine:
        engine.register_parquet("trips", tmp_path / "trips.parquet")
        engine.register_arrow("past", TRIPS)
        engine.register_arrow("names", pa.table({"customer_id": ["a"]}))
        return list(engine.ask(sql, AS_OF, ["trips", "past", "names"], "offers.query").to_pylist())


def test_a_persons_query_sees_only_the_days_before_the_decision(tmp_path: Path) -> None:
    assert asked("SELECT day FROM trips ORDER BY day", tmp_path) == [{"day": date(2017, 1, 1)}]
    assert asked("FROM past SELECT count(*) AS n", tmp_path) == [{"n": 1}]
    assert asked("SELECT count(*) AS n FROM names", tmp_path) == [{"n": 1}]


def test_a_persons_query_may_use_the_day_of_the_decision(tmp_path: Path) -> None:
    ago = "WITH t AS (FROM trips), u AS (FROM t) SELECT date_diff('day', day, $as_of) AS n FROM u"
    sql = f"{ago} UNION SELECT 9 ORDER BY n;"
    assert asked(sql, tmp_path) == [{"n": 4}, {"n": 9}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "",
        "COPY trips TO 'out.csv'",
        "ATTACH 'x.db'",
        "PRAGMA database_list",
        "SET threads = 9",
        "INSTALL httpfs",
        "EXPLAIN SELECT 1",
        "INSERT INTO trips SELECT * FROM trips",
        "CREATE TABLE x AS SELECT 1",
        "WITH x AS (INSERT INTO trips SELECT * FROM trips) SELECT 1",
        "SELECT * INTO x FROM trips",
        "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM '/etc/hostname'",
        "SELECT * FROM 'trips.parquet'",
        "SELECT * FROM (SELECT * FROM read_text('/etc/hostname'))",
        "SELECT (SELECT count(*) FROM glob('/*'))",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM nowhere",
        "SELECT random()",
        "SELECT now()",
        "SELECT current_date",
        "SELECT * FROM trips USING SAMPLE 1",
        "SELECT $other",
        "SELECT ?",
        "SELECT FROM WHERE",
        "SELECT 'unclosed",
    ],
)
def test_a_persons_query_that_is_more_than_a_select_is_refused(tmp_path: Path, sql: str) -> None:
    with pytest.raises(RuleRefused, match=r"^offers\.query: "):
        asked(sql, tmp_path)


def test_a_refusal_of_the_engine_names_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(RuleRefused) as caught:
        asked("SELECT dai FROM trips", tmp_path)
    assert "trips(customer_id, day); past(customer_id, day); names(customer_id)" in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM sqlite_master, (WITH sqlite_master AS (SELECT 1) SELECT 1)",
        "WITH a AS (SELECT * FROM sqlite_master), sqlite_master AS (SELECT 1) SELECT * FROM a",
        "WITH sqlite_master AS (SELECT * FROM sqlite_master) SELECT * FROM sqlite_master",
    ],
)
def test_a_name_given_elsewhere_does_not_open_the_catalogue(tmp_path: Path, sql: str) -> None:
    with pytest.raises(RuleRefused, match="table that is not there"):
        asked(sql, tmp_path)


def test_a_query_may_refer_to_itself(tmp_path: Path) -> None:
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i)::INT AS s FROM n"
    assert asked(sql, tmp_path) == [{"s": 6}]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("pg_postmaster_start_time()", "pg_postmaster_start_time"),
        ("Version()", "Version"),
        ("pg_catalog.version()", "version"),
        ("current_connection_id()", "current_connection_id"),
        ("current_query_id()", "current_query_id"),
        ("current_transaction_id()", "current_transaction_id"),
        ("session_user", "session_user"),
        ("user", "user"),
        ('"user"', "user"),
        ("CURRENT_ROLE", "CURRENT_ROLE"),
        ("write_log('x')", "write_log"),
        ("today()", "today"),
        ("age(day)", "age"),
        ("reservoir_quantile(1, 0.5)", "reservoir_quantile"),
        ("repeat('x', 1000000000)", "repeat"),
        ("getenv('HOME')", "getenv"),
    ],
)
def test_a_function_that_is_not_on_the_list_is_told_as_it_was_written(tmp_path: Path, call: str, named: str) -> None:
    for sql in (f"SELECT {call} FROM trips", f"SELECT 1 FROM trips ORDER BY (SELECT {call})"):
        with pytest.raises(RuleRefused, match=rf"^offers\.query: uses {named}; may use .*count.*lower.*date_diff"):
            asked(sql, tmp_path)


def test_a_misspelt_function_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RuleRefused, match=r"uses cuont; .* Did you mean count"):
        asked("SELECT cuont(*) FROM trips", tmp_path)


def test_usual_questions_are_answered(tmp_path: Path) -> None:
    # anna's one day before the fifth is the first of January 2017, a Sunday: 4 days ago.
    sql = """
        SELECT upper(customer_id) || '!' AS who, count(*) AS n, sum(1) FILTER (WHERE day < $as_of)::INT AS past,
               date_diff('day', max(day), $as_of) AS ago, extract(year FROM max(day)) AS year,
               CASE WHEN bool_and(day IN (DATE '2017-01-01')) THEN coalesce(NULL, 'yes') END AS new,
               round(avg(2.5), 1) AS mean, row_number() OVER (ORDER BY customer_id) AS place,
               max(day + INTERVAL 3 DAY) < $as_of AS long, customer_id LIKE 'a%' AS a, ifnull(NULL, 1) AS one
        FROM trips GROUP BY customer_id
    """
    told = {"who": "A!", "n": 1, "past": 1, "ago": 4, "year": 2017, "new": "yes", "mean": 2.5, "place": 1}
    assert asked(sql, tmp_path) == [{**told, "long": True, "a": True, "one": 1}]


def test_a_column_called_like_a_function_can_be_named_with_its_table(tmp_path: Path) -> None:
    assert asked("SELECT t.user FROM (SELECT customer_id AS user FROM trips) t", tmp_path) == [{"user": "a"}]


def test_every_function_on_the_list_is_one_that_duckdb_calls_consistent() -> None:
    sql = "SELECT function_name AS f, stability AS s FROM duckdb_functions()"
    with DuckDBEngine() as engine:
        found = engine.query(sql).to_pylist()
    # Aggregates, windows and macros have no stability of their own.
    stable = {r["f"] for r in found} - {r["f"] for r in found if r["s"] not in (None, "CONSISTENT")}
    assert sorted(_ALLOWED_FUNCTIONS - stable) == []
