"""Splink as its documentation shows it, and joining equal records: what resolving is compared with.

Why it exists: a figure says little without what is had for nothing. Levels from Splink's own library, three
training rules, links above one half closed transitively. Nothing of Rapport's is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.engines.splink_linker import Quiet


def plain_clusters(table: pa.Table) -> NDArray[np.int64]:
    """Return the cluster of each record of a FEBRL table with `unique_id` 0, 1, ..."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    con = duckdb.connect(":memory:")
    con.register("held", table)
    con.execute("CREATE TABLE records AS SELECT * FROM held")
    settings: dict[str, Any] = {
        "link_type": "dedupe_only",
        "comparisons": [
            cl.NameComparison("given_name"),
            cl.NameComparison("surname"),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]),
        ],
        "blocking_rules_to_generate_predictions": [
            block_on("soc_sec_id"),
            block_on("given_name", "surname"),
            block_on("date_of_birth", "surname"),
            block_on("date_of_birth", "given_name"),
            block_on("postcode", "given_name"),
            block_on("postcode", "surname"),
            block_on("street_number", "postcode"),
        ],
    }
    with Quiet():
        linker = Linker(DuckDBAPI(con).register("records"), SettingsCreator(**settings))
        train = linker.training
        train.estimate_probability_two_random_records_match(
            [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")], recall=0.9
        )
        train.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
        train.estimate_parameters_using_expectation_maximisation(block_on("date_of_birth"))
        train.estimate_parameters_using_expectation_maximisation(block_on("postcode"))
        pairs = linker.inference.predict(threshold_match_probability=0.5)
        made = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold_match_probability=0.5)
        found = con.sql(f"SELECT unique_id, cluster_id FROM {made.physical_name} ORDER BY unique_id").to_arrow_table()
    con.close()
    clusters: NDArray[np.int64] = found["cluster_id"].to_numpy().astype(np.int64)
    return clusters


def equal_clusters(table: pa.Table, columns: Sequence[str]) -> NDArray[np.int64]:
    """Return clusters of records that are equal in all of the columns; those with an empty one stay alone."""
    named: dict[tuple[Any, ...], int] = {}
    clusters = []
    for i, row in enumerate(table.select(columns).to_pylist()):
        key = tuple(row.values())
        clusters.append(i if None in key else named.setdefault(key, i))
    return np.array(clusters, dtype=np.int64)
