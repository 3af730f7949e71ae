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
from numpy.typing import NDArray

from rapport.engines.link_pairs import blocks_of, gathered, packed_pairs, pairs_of_two, too_large, without
from rapport.engines.link_sql import KEPT, columns_of, hashes_sql, held_sql, keys_sql, nodes_sql, quick_sql
from rapport.engines.link_values import counted, encoded, numbered, settle
from rapport.engines.link_weigh import Sides
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
        self._sides: Sides | None = None
        self._pairs = gathered((), np.empty(0, np.int64))
        self._sampled: tuple[int, tuple[Comparison, ...], Ints, NDArray[np.int8]] | None = None

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
        columns = list(dict.fromkeys(c.frequency for c in comparisons if c.frequency is not None))
        ordinary = self._ordinary_words() if known is None and words else None
        if words:
            self._settle_words(ordinary if ordinary is not None else known)
        chosen = ", ".join(dict.fromkeys(["node", "times", *columns, *self._columns(comparisons)]))
        held = self._con.sql(f"SELECT {chosen} FROM nodes").to_arrow_table()
        node = held["node"].to_numpy()
        values = {c: encoded(held[c]) for c in columns}
        if known is None:
            known = counted(values, held["times"].to_numpy(), ordinary)
        settled = {c: settle(values[c], node, known, c) for c in columns}
        self._sides = Sides(self._con, held.select(["node", *self._columns(comparisons)]), settled)
        return known

    def _ordinary_words(self) -> pa.Table:
        """Return the words in so many organisations that they name none."""
        filled = "(SELECT count(*) FROM nodes WHERE organisation IS NOT NULL)"
        return self._con.sql(
            f"SELECT 'word' AS \"column\", w AS value, (count(*) / {filled})::DOUBLE AS frequency "
            "FROM nodes, unnest(all_words) AS u(w) GROUP BY w "
            f"HAVING count(*) > greatest(3, {COMMON_WORD} * {filled})"
        ).to_arrow_table()

    def _settle_words(self, known: pa.Table | None) -> None:
        """Write to each node the words that name its organisation, all where each is ordinary."""
        if known is None or not self._one("SELECT count(organisation) FROM nodes"):
            return
        self._con.register("known", known)
        naming = "list_filter(all_words, lambda x: NOT list_contains(ordinary.words, x))"
        self._con.execute(
            "CREATE OR REPLACE TABLE nodes AS SELECT nodes.* REPLACE ("
            f"CASE WHEN len({naming}) > 0 THEN {naming} ELSE all_words END AS words) FROM nodes CROSS JOIN "
            "(SELECT coalesce(list(value), []) AS words FROM known WHERE \"column\" = 'word') AS ordinary"
        )
        self._con.unregister("known")

    def rule_pairs(self, rules: Sequence[Rule], atoms: Mapping[str, Atom], largest: float) -> dict[Rule, float]:
        """Return the pairs that each rule makes, from a sample where there are many records."""
        share = max(1, -(-self._count // SAMPLE_NODES))
        self._con.execute(f"CREATE OR REPLACE TEMP TABLE some_nodes AS SELECT * FROM nodes WHERE one % {share} = 0")
        names = sorted({name for rule in rules for name in rule.atoms})
        single = [atoms[n] for n in names if not atoms[n].several]
        told = self._con.sql(hashes_sql(single)).to_arrow_table()
        node = told["node"].to_numpy()
        number = {a.name: numbered(told[f"a{i}"]) for i, a in enumerate(single)}
        several = {}
        for name in names:
            if atoms[name].several:
                keyed = self._con.sql(keys_sql(Rule((name,)), atoms, "some_nodes")).to_arrow_table()
                several[name] = np.searchsorted(node, keyed["node"].to_numpy()), numbered(keyed["key"])
        return {rule: _pairs_under(rule, number, several, len(node)) * share**2 for rule in rules}

    def find_pairs(
        self,
        rules: Sequence[Rule],
        atoms: Mapping[str, Atom],
        skip: pa.Table | None,
        most: float,
        new: Ints | None,
    ) -> tuple[int, pa.Table]:
        """Find the pairs that share a key under a rule; return how many, and the blocks left out."""
        fresh = None
        if new is not None:
            fresh = np.zeros(self._count, bool)
            fresh[new] = True
        parts, left_out = [], []
        for i, rule in enumerate(rules):
            keyed = self._con.sql(keys_sql(rule, atoms)).to_arrow_table()
            blocks = blocks_of(keyed["node"].to_numpy().astype(np.int64), keyed["key"].to_numpy())
            out = too_large(blocks, most) if skip is None else _keys_of(skip, i)
            left_out.append(out)
            parts.append(packed_pairs(without(blocks, out), fresh))
        several = self._con.sql("SELECT node FROM nodes WHERE times > 1").to_arrow_table()["node"].to_numpy()
        self._pairs = gathered(parts, several if fresh is None else several[fresh[several]])
        self._sampled = None
        told = pa.table(
            {
                "rule": pa.array(np.repeat(np.arange(len(rules)), [len(k) for k in left_out]), pa.int32()),
                "key": pa.array(np.concatenate([np.empty(0, np.uint64), *left_out]), pa.uint64()),
            }
        ).sort_by([("rule", "ascending"), ("key", "ascending")])
        return len(self._pairs.left), told if skip is None else skip

    def score(self, weights: Weights, floor: float, sample: int | None = None) -> Scored:
        """Weigh the pairs found."""
        pairs = self._pairs
        share = 1 if sample is None else max(1, len(pairs.left) // sample)
        if sample is None:
            return self._held.scored(weights, pairs.left, pairs.right, pairs.found, floor)
        # What a sample reaches is kept: the weights change from round to round, the levels do not.
        if self._sampled is None or self._sampled[:2] != (share, weights.comparisons):
            rows = self._hashed_rows(share)
            level = self._held.levels(weights.comparisons, pairs.left[rows], pairs.right[rows])
            self._sampled = share, weights.comparisons, rows, level
        rows, level = self._sampled[2:]
        return self._held.weighed(weights, pairs.left[rows], pairs.right[rows], pairs.found[rows], level, floor)

    def _hashed_rows(self, share: int) -> Ints:
        """Return the rows of one in so many of the pairs found, the same ones in any order of the records."""
        if share == 1:
            return np.arange(len(self._pairs.left))
        self._con.register("pairs", self._pairs_table())
        found = self._con.sql(f"SELECT row FROM pairs WHERE hash(l, r) % {share} = 0").to_arrow_table()
        self._con.unregister("pairs")
        return np.sort(found["row"].to_numpy())

    def _pairs_table(self) -> pa.Table:
        pairs = self._pairs
        return pa.table({"l": pairs.left, "r": pairs.right, "row": np.arange(len(pairs.left))})

    def score_these(self, weights: Weights, left: Ints, right: Ints) -> Scored:
        """Weigh the named pairs."""
        order = np.lexsort((right, left))
        return self._held.scored(weights, left[order], right[order], np.zeros(len(left), np.int64), None)

    @property
    def _held(self) -> Sides:
        assert self._sides is not None, "frequencies are settled before anything is weighed"
        return self._sides

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
        self._con.register("pairs", self._pairs_table())
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
        self._con.unregister("pairs")
        u_pairs = int(self._one("SELECT count(*) * (count(*) - 1) / 2 FROM u_nodes"))
        with Quiet():
            u = _estimate_u(self._con, comparisons) if u_pairs else [[] for _ in comparisons]
            m, trained = _estimate_m(self._con, comparisons, u, rules)
        return Estimates(tuple(map(tuple, m)), tuple(map(tuple, u)), u_pairs, trained)

    def _columns(self, comparisons: Sequence[Comparison]) -> list[str]:
        known = (*KEPT, *_DERIVED, *self._texts)
        named = {column for c in comparisons for column in columns_of(c)}
        return [c for c in known if c in named]

    def _one(self, sql: str) -> Any:
        return self._con.execute(sql).fetchall()[0][0]


def _told(column: str, side: str) -> str:
    several = column in {"emails", "email_keys", "phones", "card_numbers", "device_ids", "words", "locals"}
    return f"array_to_string({side}.{column}, ' ')" if several else f"{side}.{column}::VARCHAR"


def _pairs_under(
    rule: Rule, number: Mapping[str, Ints], several: Mapping[str, tuple[Ints, Ints]], count: int
) -> float:
    """Return the pairs of a sample that agree in the atoms of a rule."""
    row = np.arange(count)
    columns = []
    for name in rule.atoms:
        if name in several:
            row, values = several[name]
            columns.append(values)
    columns += [number[name][row] for name in rule.atoms if name in number]
    return pairs_of_two(columns[0], columns[1] if len(columns) > 1 else np.zeros(len(row), np.int64))


def _keys_of(skip: pa.Table, rule: int) -> NDArray[np.uint64]:
    found: NDArray[np.uint64] = skip["key"].to_numpy()[skip["rule"].to_numpy() == rule]
    return found


def _settings(comparisons: Sequence[Comparison], u: Sequence[Sequence[float]] | None) -> dict[str, Any]:
    described = []
    for i, c in enumerate(comparisons):
        levels: list[dict[str, Any]] = [{"sql_condition": c.null, "label_for_charts": "null", "is_null_level": True}]
        for k, name in enumerate(c.names):
            level: dict[str, Any] = {
                "sql_condition": quick_sql(c.levels[k].sql) if k < len(c.levels) else "ELSE",
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
            if not set(rule.columns) & set(columns_of(comparisons[i])):
                learned[i].append(_read(linker, comparisons[i], "m_probability"))
    m = [_mean(learned.get(i, [])) for i in range(len(comparisons))]
    return m, tuple(trained)


def _mean(sessions: list[list[float]]) -> list[float]:
    """Return the mean of what sessions have learned; empty where there were none."""
    return [sum(part) / len(sessions) for part in zip(*sessions, strict=True)] if sessions else []


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
