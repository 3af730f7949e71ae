"""What came of resolving, told: links with their evidence, doubts for review, and what is believed of both.

Why it exists: whoever decides about a doubt must see both values of every column and what each is worth.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.people import LINKS
from rapport.identify.link_model import LinkModel
from rapport.identify.mixture import against_strangers, probability
from rapport.workflows.link_ports import Floats, Ints, Linker, Scored
from rapport.workflows.resolve_judge import Given, Judged, Resolution, believed, is_in, judge, take, weights_of

MOST_EVIDENCE = 20_000
"""Links of a run for which the evidence is written out; beyond it only doubts get theirs."""


def tell(
    linker: Linker,
    model: LinkModel,
    given: Given,
    judged: Judged,
    verified: tuple[tuple[Ints, Ints], tuple[Ints, Ints]],
    decided: tuple[Ints, NDArray[np.bool_], pa.Table],
) -> Resolution:
    """Return the resolution: links, clusters, review, estimates."""
    scored, odds = judged.scored, judged.odds
    of_node, copies, clusters = decided
    own = scored.left == scored.right
    chance = probability(odds)
    linked = (odds >= model.thresholds.link) & ~own
    asked = is_in(scored, given.never) | is_in(scored, given.same)
    doubt = ~own & (odds >= model.thresholds.review) & (of_node[scored.left] != of_node[scored.right]) & ~asked
    stands, wrong = verified
    exact = linker.score_these(weights_of(model), *stands)
    against = linker.score_these(weights_of(model), *wrong)
    persons = linker.score_these(weights_of(model), *given.same)
    kinds = judge(linker, model, given, exact), judge(linker, model, given, against)
    probable = take(scored, linked & ~is_in(scored, stands) & ~is_in(scored, given.same))
    parts = [
        _links(
            model, given, probable, chance[linked & ~is_in(scored, stands) & ~is_in(scored, given.same)], "probable"
        ),
        _links(model, given, exact, np.ones(len(exact.left)), "exact"),
        _links(model, given, persons, np.ones(len(persons.left)), "person"),
        copies_of(given, copies),
    ]
    links = pa.concat_tables(parts).sort_by([("left_key", "ascending"), ("right_key", "ascending")])
    if len(probable.left) <= MOST_EVIDENCE:
        links = _with_evidence(linker, model, given, links)
    doubt &= ~is_in(scored, wrong)
    review = pa.concat_tables(
        [
            _links(model, given, take(scored, doubt), chance[doubt], "probable"),
            _links(model, given, against, probability(kinds[1].odds), "exact"),
        ]
    )
    order = [("probability", "descending"), ("left_key", "ascending"), ("right_key", "ascending")]
    review = _with_evidence(linker, model, given, review.sort_by(order))
    return Resolution(links, clusters, review, model, _estimates(model, judged, of_node, clusters))


def _links(model: LinkModel, given: Given, scored: Scored, chance: Floats, basis: str) -> pa.Table:
    bits = -against_strangers(scored.weight, model.shares.strangers) if len(scored.left) else np.empty(0)
    a, b = given.least[scored.left], given.least[scored.right]
    return pa.table(
        {
            "left_key": np.minimum(a, b),
            "right_key": np.maximum(a, b),
            "probability": chance,
            "weight": bits,
            "basis": [basis] * len(a),
            "evidence": pa.nulls(len(a), pa.string()),
        },
        schema=LINKS,
    )


def copies_of(given: Given, copies: NDArray[np.bool_]) -> pa.Table:
    """Return the links of records that are alike in everything to the smallest of them."""
    rows = copies[given.node] & (given.least[given.node] != given.record_key)
    n = int(rows.sum())
    return pa.table(
        {
            "left_key": given.least[given.node[rows]],
            "right_key": given.record_key[rows],
            "probability": np.ones(n),
            "weight": np.full(n, 30.0),
            "basis": np.where(given.sure[given.node[rows]], "exact", "probable"),
            "evidence": pa.array(['{"copy": true}'] * n, pa.string()),
        },
        schema=LINKS,
    )


def _with_evidence(linker: Linker, model: LinkModel, given: Given, links: pa.Table) -> pa.Table:
    """Return links with both values, the level and the bits of each comparison."""
    if not links.num_rows:
        return links
    place = np.searchsorted(given.record_key, np.stack([links["left_key"].to_numpy(), links["right_key"].to_numpy()]))
    left, right = given.node[place[0]], given.node[place[1]]
    scored = linker.score_these(weights_of(model), np.minimum(left, right), np.maximum(left, right))
    count = len(given.least)
    row = np.searchsorted(
        scored.left * count + scored.right, np.minimum(left, right) * count + np.maximum(left, right)
    )
    comparisons, bits = model.comparisons, model.bits
    told = linker.values(left, right, tuple(c.columns[0] for c in comparisons))
    said: list[list[str]] = [[] for _ in range(len(left))]
    for k, c in enumerate(comparisons):
        name = json.dumps(c.name, ensure_ascii=False)
        ends = [
            f"{json.dumps(level, ensure_ascii=False)}, {json.dumps(round(b, 2))}]"
            for level, b in zip(c.names, bits[k], strict=True)
        ]
        one, other = (_as_json(told[f"{c.columns[0]}_{side}"]) for side in ("l", "r"))
        level = scored.level[row, k]
        for i in np.flatnonzero(level >= 0).tolist():
            said[i].append(f"{name}: [{one[i]}, {other[i]}, {ends[level[i]]}")
    texts = ["{" + ", ".join(parts) + "}" for parts in said]
    return links.set_column(
        links.column_names.index("evidence"), LINKS.field("evidence"), pa.array(texts, pa.string())
    )


def _as_json(values: pa.ChunkedArray) -> list[str]:
    """Return texts in JSON, each distinct one written once."""
    codes = values.combine_chunks().dictionary_encode()
    written = [json.dumps(v, ensure_ascii=False) for v in codes.dictionary.to_pylist()]
    return ["null" if i is None else written[i] for i in codes.indices.to_pylist()]


def _estimates(model: LinkModel, judged: Judged, of_node: Ints, clusters: pa.Table) -> dict[str, Any]:
    """Return what is believed of the links: from the probabilities, and from how often rules found the same pair."""
    scored = judged.scored
    other = scored.left != scored.right
    chance, reach = believed(judged)
    merged = (of_node[scored.left] == of_node[scored.right])[other]
    sure, all_true = float(chance[merged].sum()), float(chance.sum())
    return {
        "precision": sure / max(float(merged.sum()), 1e-9) if merged.any() else 1.0,
        "recall": reach * sure / all_true if all_true > 0 else 1.0,
        "blocking_recall": reach,
        "linked_pairs": int(merged.sum()),
        "expected_true_pairs": all_true,
        "records": clusters.num_rows,
        # A cluster bears the name of its smallest record.
        "clusters": int((clusters["cluster"].to_numpy() == clusters["record_key"].to_numpy()).sum()),
    }
