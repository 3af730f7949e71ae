"""Compares records with DuckDB and estimates the weights of the evidence with Splink.

Why it exists: Splink knows how to learn what agreement is worth without labels; the pairs of millions of records are
found and weighed by DuckDB with the weights learned. Which records are one customer is not decided here.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from rapport.engines.link_sql import KEPT, apart_sql, held_sql, keys_sql, level_sql, nodes_sql, sides_sql, weight_sql
from rapport.identify.blocking import Atom, Rule, TrainingRule
from rapport.identify.comparisons import Comparison, Fill
from rapport.workflows.link_ports import Estimates, Ints, Scored, Weights

SAMPLE_NODES = 20_000
"""Nodes from which the pairs of rules are told."""
U_NODES = 400
"""Nodes whose pairs, all with all, tell how often strangers agree: 80,000 pairs."""
EM_NODES = 12_000
"""Nodes on which Splink iterates; blocks are kept whole."""
EM_PAIRS = 60_000
_NO_BLOCKS = "SELECT 0::INTEGER AS rule, 0::UBIGINT AS key WHERE false"
COMMON_WORD = 0.03
"""A word in more organisations than that is not taken to name one."""
_DERIVED = (
    "birth", "given_sound", "surname_sound", "email", "phone", "locals", "squeezed", "words", "acronym",
)  # fmt: skip


class SplinkLinker:
    """Holds one set of records in DuckDB; see `rapport.workflows.link_ports.Linker`."""

    def __init__(self, threads: int | None = None, memory_limit: str | None = None, spill: str | None = None) -> None:
        self._con = duckdb.connect(":memory:")
        if threads is not None:
            self._con.execute("SET threads = $n", {"n": threads})
        if memory_limit is not None:
            self._con.execute("SET memory_limit = $n", {"n": memory_limit})
        if spill is not None:
            self._con.execute("SET temp_directory = $n", {"n": spill})
        self._con.execute("SET preserve_insertion_order = false")
        self._texts: tuple[str, ...] = ()
        self._count = 0

    def __enter__(self) -> SplinkLinker:
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def load(self, standard: pa.Table, texts: Sequence[str], apart: Ints) -> pa.Table:
        """Take records; return record_key and node of each."""
        self._texts = tuple(texts)
        alone = pa.array(np.isin(standard["record_key"].to_numpy(), apart))
        filled = [c for c in KEPT if standard[c].null_count < standard.num_rows]
        kept = standard.select(["record_key", "system", "birth_date", *filled, *texts])
        self._con.register("standard", kept.append_column("alone", alone))
        self._con.execute(f"CREATE OR REPLACE TABLE held AS {held_sql(texts, filled)}")
        self._con.unregister("standard")
        self._con.execute(f"CREATE OR REPLACE TABLE nodes AS {nodes_sql()}")
        found = self._con.sql(
            "SELECT held.record_key, nodes.node FROM held JOIN nodes USING (one, two) ORDER BY held.record_key"
        ).to_arrow_table()
        self._con.execute("DROP TABLE held")
        self._count = int(self._one("SELECT count(*) FROM nodes"))
        return found

    def nodes(self) -> pa.Table:
        """Return node, record_key, system and times of each node."""
        return self._con.sql("SELECT node, record_key, system, times FROM nodes ORDER BY node").to_arrow_table()

    def fills(self, columns: Sequence[str]) -> dict[str, Fill]:
        """Return share filled, distinct values and chance of agreement of columns."""
        found = {}
        for c in columns:
            value = f"{c}[1]" if c in {"emails", "phones", "email_keys", "card_numbers", "device_ids"} else c
            filled, distinct, same = self._con.execute(
                f"SELECT coalesce(sum(n), 0), count(*), coalesce(sum(n * n), 0) "
                f"FROM (SELECT sum(times) AS n FROM nodes WHERE {c} IS NOT NULL GROUP BY {value})"
            ).fetchall()[0]
            records = int(self._one("SELECT coalesce(sum(times), 0) FROM nodes"))
            found[c] = Fill(int(filled) / max(records, 1), int(distinct), float(same) / max(float(filled) ** 2, 1.0))
        return found

    def follows(self, column: str, of: str) -> float:
        """Return how often two records that agree in `of` agree in `column`."""
        return float(
            self._one(
                f"WITH twos AS (SELECT {of} AS a, {column} AS b, count(*) AS n FROM nodes "
                f"WHERE {of} IS NOT NULL AND {column} IS NOT NULL GROUP BY ALL), "
                f"each AS (SELECT a, sum(n) AS n FROM twos GROUP BY a) "
                f"SELECT coalesce((SELECT sum(n * (n - 1)) FROM twos) / "
                f"nullif((SELECT sum(n * (n - 1)) FROM each), 0), 0)"
            )
        )

    def frequencies(self, comparisons: Sequence[Comparison], known: pa.Table | None, words: bool) -> pa.Table:
        """Settle the frequency of each value, and the words that name an organisation."""
        columns = [c.frequency for c in comparisons if c.frequency is not None]
        if known is None:
            counted = [
                f"SELECT '{c}' AS \"column\", {c} AS value, "
                f"sum(times) / sum(sum(times)) OVER () AS frequency, sum(times) AS n FROM nodes "
                f"WHERE {c} IS NOT NULL GROUP BY {c}"
                for c in columns
            ]
            rare = [
                f"SELECT '{c} once' AS \"column\", '' AS value, 1.0 / greatest(coalesce(sum(times), 0), 1) AS "
                f"frequency, 2 AS n FROM nodes WHERE {c} IS NOT NULL"
                for c in columns
            ]
            if words:
                counted.append(
                    "SELECT 'word' AS \"column\", w AS value, count(*) / (SELECT count(*) FROM nodes WHERE "
                    "organisation IS NOT NULL) AS frequency, count(*) AS n "
                    "FROM nodes, unnest(all_words) AS u(w) GROUP BY w "
                    f"HAVING count(*) > greatest(3, {COMMON_WORD} * (SELECT count(*) FROM nodes "
                    "WHERE organisation IS NOT NULL))"
                )
            parts = (
                " UNION ALL ".join([*counted, *rare])
                or "SELECT '' AS \"column\", '' AS value, 1.0 AS frequency, 0 AS n"
            )
            known = self._con.sql(
                f'SELECT "column", value, frequency::DOUBLE AS frequency FROM ({parts}) WHERE n >= 2 '
                'ORDER BY "column", value'
            ).to_arrow_table()
        self._con.register("known", known)
        self._con.execute("CREATE OR REPLACE TABLE frequency AS SELECT * FROM known")
        self._con.unregister("known")
        rare_of = {
            str(c).removesuffix(" once"): float(f)
            for c, f in self._con.execute(
                'SELECT "column", frequency FROM frequency WHERE ends_with("column", \' once\')'
            ).fetchall()
        }
        joins = "".join(
            f" LEFT JOIN (SELECT value, frequency FROM frequency WHERE \"column\" = '{c}') AS t{i} "
            f"ON nodes.{c} = t{i}.value"
            for i, c in enumerate(columns)
        )
        adds = "".join(
            f", coalesce(t{i}.frequency, {rare_of.get(c, 1.0)!r}) AS f_{c}, {rare_of.get(c, 1.0)!r} AS once_{c}"
            for i, c in enumerate(columns)
        )
        common = "ordinary.words"
        joins += (
            " CROSS JOIN (SELECT coalesce(list(value), []) AS words FROM frequency "
            "WHERE \"column\" = 'word') AS ordinary"
        )
        named = (
            f"CASE WHEN len(list_filter(all_words, lambda x: NOT list_contains({common}, x))) > 0 THEN "
            f"list_filter(all_words, lambda x: NOT list_contains({common}, x)) ELSE all_words END"
        )
        before = [d[0] for d in self._con.execute("SELECT * FROM nodes LIMIT 0").description or ()]
        settled = [c for c in before if c == "words" or c.startswith(("f_", "once_"))]
        kept = f"nodes.* EXCLUDE ({', '.join(settled)})" if settled else "nodes.*"
        self._con.execute(
            f"CREATE OR REPLACE TABLE nodes AS SELECT {kept}, "
            f"{named if words else 'NULL::VARCHAR[]'} AS words{adds} FROM nodes{joins}"
        )
        return known

    def rule_pairs(self, rules: Sequence[Rule], atoms: Mapping[str, Atom], largest: float) -> dict[Rule, float]:
        """Return the pairs that each rule makes, from a sample where there are many records."""
        share = max(1, -(-self._count // SAMPLE_NODES))
        self._con.execute(f"CREATE OR REPLACE TEMP TABLE some_nodes AS SELECT * FROM nodes WHERE one % {share} = 0")
        return {
            rule: float(
                self._one(
                    "SELECT coalesce(sum(n * (n - 1) / 2), 0) FROM "
                    f"(SELECT count(*) AS n FROM ({keys_sql(rule, atoms, 'some_nodes')}) GROUP BY key)"
                )
            )
            * share**2
            for rule in rules
        }

    def find_pairs(
        self,
        rules: Sequence[Rule],
        atoms: Mapping[str, Atom],
        skip: pa.Table | None,
        most: float,
        new: Ints | None,
    ) -> tuple[int, pa.Table]:
        """Find the pairs that share a key under a rule; return how many, and the blocks left out."""
        if skip is not None:
            self._con.register("skip", skip)
        self._con.execute(
            f"CREATE OR REPLACE TABLE left_out AS {_NO_BLOCKS if skip is None else 'SELECT * FROM skip'}"
        )
        self._con.register("fresh", pa.table({"node": pa.array(new if new is not None else [], pa.int32())}))
        self._con.execute("CREATE OR REPLACE TABLE pairs (l INTEGER, r INTEGER, found BIGINT)")
        for i, rule in enumerate(rules):
            self._con.execute(f"CREATE OR REPLACE TEMP TABLE keyed AS {keys_sql(rule, atoms)}")
            if skip is None:
                self._leave_out(i, most)
            live = f"keyed ANTI JOIN (SELECT key FROM left_out WHERE rule = {i}) AS o USING (key)"
            self._con.execute(f"CREATE OR REPLACE TEMP TABLE live AS SELECT * FROM {live}")
            if new is None:
                join = "live AS a JOIN live AS b ON a.key = b.key AND a.node < b.node"
                both = f"SELECT a.node AS l, b.node AS r, {1 << i}::BIGINT FROM {join}"
            else:
                join = "(SELECT * FROM live SEMI JOIN fresh USING (node)) AS a JOIN live AS b ON a.key = b.key"
                both = (
                    f"SELECT least(a.node, b.node), greatest(a.node, b.node), {1 << i}::BIGINT FROM {join} "
                    "WHERE a.node <> b.node"
                )
            self._con.execute(f"INSERT INTO pairs {both}")
        own = "" if new is None else " AND node IN (SELECT node FROM fresh)"
        self._con.execute(
            "CREATE OR REPLACE TABLE pairs AS SELECT l, r, bit_or(found) AS found FROM pairs GROUP BY l, r "
            f"UNION ALL SELECT node, node, 0 FROM nodes WHERE times > 1{own}"
        )
        self._con.unregister("fresh")
        if skip is not None:
            self._con.unregister("skip")
        left_out = self._con.sql("SELECT rule, key FROM left_out ORDER BY rule, key").to_arrow_table()
        return int(self._one("SELECT count(*) FROM pairs")), left_out

    def _leave_out(self, number: int, most: float) -> None:
        """Note the largest blocks of a rule that would make more than `most` pairs."""
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE blocks AS SELECT key, count(*) AS n FROM keyed GROUP BY key "
            "HAVING count(*) > 1"
        )
        limit = self._one(
            "SELECT coalesce(max(n), 0) FROM (SELECT n, sum(sum(n * (n - 1) / 2)) OVER (ORDER BY n) AS upto "
            f"FROM blocks GROUP BY n) WHERE upto <= {most!r}"
        )
        self._con.execute(f"INSERT INTO left_out SELECT {number}, key FROM blocks WHERE n > {limit}")

    def score(self, weights: Weights, floor: float, sample: int | None = None) -> Scored:
        """Weigh the pairs found."""
        count = int(self._one("SELECT count(*) FROM pairs"))
        share = 1 if sample is None else max(1, count // sample)
        source = "pairs" if share == 1 else f"(SELECT * FROM pairs WHERE hash(l, r) % {share} = 0)"
        return self._score(weights, source, floor)

    def score_these(self, weights: Weights, left: Ints, right: Ints) -> Scored:
        """Weigh the named pairs."""
        named = pa.table({"l": left, "r": right, "found": np.zeros(len(left), np.int64)})
        self._con.register("named", named)
        try:
            return self._score(weights, "named", None)
        finally:
            self._con.unregister("named")

    def _score(self, weights: Weights, source: str, floor: float | None) -> Scored:
        comparisons = weights.comparisons
        levels = ", ".join(f"{level_sql(c)} AS g{i}" for i, c in enumerate(comparisons))
        frequencies = "".join(
            f", f{i}_l, f{i}_r, f{i}_once" for i, c in enumerate(comparisons) if c.frequency is not None
        )
        bits = ", ".join(
            f"{weight_sql(i, c, weights.bits[i], weights.usual[i], weights.own[i])} AS w{i}"
            for i, c in enumerate(comparisons)
        )
        sums = ", ".join(
            " + ".join(apart_sql(s, comparisons, weights.bits) or ["0.0"]) + f" AS s{k}"
            for k, s in enumerate(weights.strangers)
        )
        gammas = ", ".join(f"g{i}" for i in range(len(comparisons)))
        found = self._con.sql(
            f"WITH sides AS (SELECT p.l, p.r, p.found, {sides_sql(comparisons, self._columns(comparisons))} "
            f"FROM {source} AS p JOIN nodes AS l ON p.l = l.node JOIN nodes AS r ON p.r = r.node), "
            f"levels AS (SELECT l, r, found, {levels}{frequencies} FROM sides), "
            f"bits AS (SELECT l, r, found, {gammas}, {bits} FROM levels), "
            f"sums AS (SELECT l, r, found, {gammas}, {sums} FROM bits) "
            f"SELECT * FROM sums{'' if floor is None else f' WHERE s0 >= {float(floor)!r}'} ORDER BY l, r"
        ).to_arrow_table()
        return Scored(
            found["l"].to_numpy().astype(np.int64),
            found["r"].to_numpy().astype(np.int64),
            _columns_of(found, "s", len(weights.strangers), np.float64),
            _columns_of(found, "g", len(comparisons), np.int8),
            found["found"].to_numpy(),
        )

    def values(self, left: Ints, right: Ints, columns: Sequence[str]) -> pa.Table:
        """Return columns of both nodes of pairs as text."""
        self._con.register("named", pa.table({"l": left, "r": right, "row": np.arange(len(left))}))
        told = ", ".join(f"{_told(c, side)} AS {c}_{side}" for c in columns for side in ("l", "r"))
        found = self._con.sql(
            f"SELECT {told} FROM named AS p JOIN nodes AS l ON p.l = l.node JOIN nodes AS r ON p.r = r.node "
            "ORDER BY p.row"
        ).to_arrow_table()
        self._con.unregister("named")
        return found

    def estimate(self, comparisons: Sequence[Comparison], rules: Sequence[TrainingRule]) -> Estimates:
        """Estimate u from all pairs of a sample, and m by Splink's expectation maximisation under each rule."""
        kept = list(dict.fromkeys(["node", *self._columns(comparisons)]))
        chosen = ", ".join(kept)
        self._con.execute(
            f"CREATE OR REPLACE TABLE u_nodes AS SELECT {chosen} FROM "
            f"(SELECT * FROM nodes ORDER BY one, two LIMIT {U_NODES}) ORDER BY node"
        )
        share = max(1, self._count // EM_NODES)
        self._con.execute(
            f"CREATE OR REPLACE TABLE em_nodes AS SELECT {chosen} FROM nodes"
            + (
                ""
                if share == 1
                else f" WHERE node IN (SELECT l FROM pairs WHERE hash(l) % {share} = 0 UNION "
                f"SELECT r FROM pairs WHERE hash(l) % {share} = 0)"
            )
            + " ORDER BY node"
        )
        u_pairs = int(self._one("SELECT count(*) * (count(*) - 1) / 2 FROM u_nodes"))
        with Quiet():
            u = _estimate_u(self._con, comparisons) if u_pairs else [[] for _ in comparisons]
            m, trained = _estimate_m(self._con, comparisons, u, rules)
        return Estimates(tuple(map(tuple, m)), tuple(map(tuple, u)), u_pairs, trained)

    def _columns(self, comparisons: Sequence[Comparison]) -> list[str]:
        known = (*KEPT, *_DERIVED, *self._texts)
        named = {column for c in comparisons for column in _mentioned(c)}
        return [c for c in known if c in named]

    def _one(self, sql: str) -> Any:
        return self._con.execute(sql).fetchall()[0][0]


def _words(sql: str) -> frozenset[str]:
    return frozenset("".join(ch if ch.isalnum() or ch == "_" else " " for ch in sql).split())


def _told(column: str, side: str) -> str:
    several = column in {"emails", "email_keys", "phones", "card_numbers", "device_ids", "words", "locals"}
    return f"array_to_string({side}.{column}, ' ')" if several else f"{side}.{column}::VARCHAR"


def _columns_of(table: pa.Table, letter: str, count: int, kind: Any) -> Any:
    if count == 0:
        return np.empty((table.num_rows, 0), kind)
    return np.column_stack([table[f"{letter}{i}"].to_numpy() for i in range(count)]).astype(kind, copy=False)


def _settings(comparisons: Sequence[Comparison], u: Sequence[Sequence[float]] | None) -> dict[str, Any]:
    described = []
    for i, c in enumerate(comparisons):
        levels: list[dict[str, Any]] = [{"sql_condition": c.null, "label_for_charts": "null", "is_null_level": True}]
        for k, name in enumerate(c.names):
            level: dict[str, Any] = {
                "sql_condition": c.levels[k].sql if k < len(c.levels) else "ELSE",
                "label_for_charts": name,
                "m_probability": max(c.expected[k], 1e-4),
            }
            if u is not None and u[i]:
                level["u_probability"] = u[i][k]
            levels.append(level)
        described.append({"output_column_name": c.name, "comparison_levels": levels})
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "node",
        "comparisons": described,
        "retain_matching_columns": False,
        "max_iterations": 20,
        "em_convergence": 0.001,
        "probability_two_random_records_match": 0.001,
    }


def _estimate_u(con: duckdb.DuckDBPyConnection, comparisons: Sequence[Comparison]) -> list[list[float]]:
    from splink import DuckDBAPI, Linker, SettingsCreator

    api = DuckDBAPI(con)
    linker = Linker(api.register("u_nodes"), SettingsCreator(**_settings(comparisons, None)))
    linker.training.estimate_u_using_random_sampling(max_pairs=1e9, seed=None, num_chunks=1)
    return [_read(linker, c, "u_probability") for c in comparisons]


def _estimate_m(
    con: duckdb.DuckDBPyConnection,
    comparisons: Sequence[Comparison],
    u: Sequence[Sequence[float]],
    rules: Sequence[TrainingRule],
) -> tuple[list[list[float]], tuple[str, ...]]:
    """Return Splink's m of each level; empty where no session could estimate a comparison."""
    from splink import DuckDBAPI, Linker, SettingsCreator
    from splink.internals.exceptions import EMTrainingException

    usable = [i for i in range(len(comparisons)) if u[i]]
    chosen = [comparisons[i] for i in usable]
    guarded = [[max(x, 1e-6) for x in u[i]] for i in usable]
    learned: dict[int, list[list[float]]] = {i: [] for i in usable}
    trained = []
    for rule in rules if usable else ():
        # A linker of its own, because a session that fails leaves its settings without the columns of the rule.
        linker = Linker(DuckDBAPI(con).register("em_nodes"), SettingsCreator(**_settings(chosen, guarded)))
        try:
            linker.training.estimate_parameters_using_expectation_maximisation(
                rule.sql, estimate_without_term_frequencies=True, max_pairs=EM_PAIRS
            )
        except (EMTrainingException, ZeroDivisionError, ValueError):
            continue
        trained.append(rule.name)
        for i in usable:
            if not set(rule.columns) & set(_mentioned(comparisons[i])):
                learned[i].append(_read(linker, comparisons[i], "m_probability"))
    m = [_mean(learned.get(i, [])) for i in range(len(comparisons))]
    return m, tuple(trained)


def _mean(sessions: list[list[float]]) -> list[float]:
    """Return the mean of what sessions have learned; empty where there were none."""
    return [sum(part) / len(sessions) for part in zip(*sessions, strict=True)] if sessions else []


def _mentioned(comparison: Comparison) -> list[str]:
    """Return the columns that the conditions of a comparison name."""
    conditions = " ".join([comparison.null, *(level.sql for level in comparison.levels)])
    return [w.removesuffix("_l") for w in _words(conditions) if w.endswith("_l")]


def _read(linker: Any, comparison: Comparison, what: str) -> list[float]:
    held = linker._settings_obj._get_comparison_by_output_column_name(comparison.name)
    found = [getattr(level, what, None) for level in held.comparison_levels if not level.is_null_level]
    # Rounded, so that another order of summation gives the same weights.
    return [float(f"{x:.6g}") if isinstance(x, float) else 0.0 for x in found]


class Quiet:
    """Keeps what Splink says to itself; it sets the level of its own loggers, so that theirs does not do."""

    def __enter__(self) -> None:
        self._level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *error: Any) -> None:
        self._caught.__exit__(*error)
        logging.disable(self._level)
