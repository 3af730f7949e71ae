"""Who is who among made-up records: planted duplicates, households, mailboxes, copies, and nobody twice."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from tests.people_cases import NO_VERDICTS, clusters_of, made_up, person, records, resolved, verdict

from rapport.core.people import VERDICTS
from rapport.engines.splink_linker import SplinkLinker
from rapport.identify.link_model import model_from
from rapport.identify.link_quality import pairwise
from rapport.workflows.ports import Silent
from rapport.workflows.resolve import Known, resolve_again, resolve_more


@pytest.fixture(scope="module")
def planted() -> tuple[pa.Table, np.ndarray]:
    return made_up(1_500, seed=11)


def test_planted_duplicates_are_found_without_labels(planted: tuple[pa.Table, np.ndarray]) -> None:
    standard, entity = planted
    found = resolved(standard)
    quality = pairwise(clusters_of(found, standard), entity)
    assert quality.precision >= 0.97
    assert quality.recall >= 0.90
    assert abs(found.estimates["precision"] - quality.precision) < 0.05


def test_row_order_and_threads_never_change_who_is_who(planted: tuple[pa.Table, np.ndarray]) -> None:
    standard, _ = planted
    part = standard.slice(0, 500)
    one = resolved(part, threads=1)
    turned = part.take(np.random.default_rng(2).permutation(part.num_rows))
    two = resolved(turned, threads=2)
    assert one.clusters.equals(two.clusters)
    assert one.links.select(["left_key", "right_key", "weight"]).equals(
        two.links.select(["left_key", "right_key", "weight"])
    )


def test_new_records_give_what_a_whole_run_with_the_model_gives(planted: tuple[pa.Table, np.ndarray]) -> None:
    standard, _ = planted
    first = resolved(standard.slice(0, 1_000))
    assert first.model is not None
    model = model_from(first.model.to_dict())
    cut = np.random.default_rng(5).random(standard.num_rows) < 0.8
    old, new = standard.filter(pa.array(cut)), standard.filter(pa.array(~cut))
    before = resolve_again(model, old, NO_VERDICTS, (), SplinkLinker, Silent())
    known = Known(old, before.links, before.clusters)
    more = resolve_more(model, known, new, NO_VERDICTS, (), SplinkLinker, Silent())
    whole = resolve_again(model, standard, NO_VERDICTS, (), SplinkLinker, Silent())
    assert more.clusters.equals(whole.clusters)
    assert more.links.select(["left_key", "right_key"]).equals(whole.links.select(["left_key", "right_key"]))


def test_verdicts_are_always_honoured(planted: tuple[pa.Table, np.ndarray]) -> None:
    standard, _ = planted
    part = standard.slice(0, 500)
    cluster = clusters_of(resolved(part), part)
    _, first, count = np.unique(cluster, return_index=True, return_counts=True)
    pair = np.flatnonzero(cluster == cluster[first[count == 2][0]])
    alone = first[count == 1][:2]
    told = [verdict(part, int(pair[0]), int(pair[1]), False), verdict(part, int(alone[0]), int(alone[1]), True)]
    again = clusters_of(resolved(part, pa.Table.from_pylist(told, schema=VERDICTS)), part)
    assert again[pair[0]] != again[pair[1]]
    assert again[alone[0]] == again[alone[1]]


def test_where_nobody_is_twice_hardly_anybody_is_merged() -> None:
    standard, _ = made_up(1_200, seed=13, duplicates=0.0)
    cluster = clusters_of(resolved(standard), standard)
    assert standard.num_rows - len(np.unique(cluster)) <= 3


def test_copies_of_one_full_record_are_one_customer() -> None:
    row = person("ann", "smith", date(1980, 5, 6), city="york", street="high street", emails=["ann@example.org"])
    standard = records([row] * 40)
    assert len(np.unique(clusters_of(resolved(standard), standard))) == 1


@pytest.mark.parametrize("n", [0, 1, 2, 20])
def test_very_few_records_are_no_error(n: int) -> None:
    standard = records([person(f"name{i}", "smith", date(1950 + i, 1, 2)) for i in range(n)])
    found = resolved(standard)
    assert found.clusters.num_rows == n
    assert len(np.unique(clusters_of(found, standard))) == n


def test_one_column_alone_merges_nobody_on_a_common_name() -> None:
    standard = records([{"surname": name} for name in ["smith"] * 30 + ["jones"] * 30 + ["webb"] * 30])
    assert len(np.unique(clusters_of(resolved(standard), standard))) >= 88


def test_a_verified_address_joins_and_a_contradiction_goes_to_review(planted: tuple[pa.Table, np.ndarray]) -> None:
    standard, _ = planted
    shared = {"system": "web", "emails": ["family@example.net"]}
    extra = records(
        [
            person("mary", "webb", date(1970, 1, 2), record_id="a", **shared),
            person("otto", "webb", date(2001, 7, 9), record_id="b", **shared),
            {"system": "web", "record_id": "c", "emails": ["one@example.net"], "given_name": "ida"},
            {"system": "web", "record_id": "d", "emails": ["one@example.net"]},
        ]
    )
    both = pa.concat_tables([extra, standard.slice(0, 400)])
    found = resolved(both, verified=(("web", "email"),))
    cluster = clusters_of(found, both)
    assert cluster[0] != cluster[1]
    assert cluster[2] == cluster[3]
    keys = sorted(both["record_key"].to_numpy()[:2].tolist())
    review = [r for r in found.review.to_pylist() if [r["left_key"], r["right_key"]] == keys]
    assert [r["basis"] for r in review] == ["exact"]
    assert '"given_name": ["' in review[0]["evidence"]
