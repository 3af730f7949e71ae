"""Which records are one customer: verified keys, then weighed evidence, then clusters; doubts go to review.

Why it exists: customers must be known at every contact point, and a wrong merge has legal effect. Everything is
decided here and below from tables; what runs queries and Splink lies behind `rapport.workflows.link_ports`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.people import CLUSTERS, LINKS, STANDARD
from rapport.identify.clusters import BOUND, cluster, components, missing_pairs, pieces
from rapport.identify.exact_keys import contradicted, exact_links
from rapport.identify.link_model import LinkModel, atoms_of, kinds_of_strangers
from rapport.identify.link_quality import blocking_recall
from rapport.identify.link_threshold import thresholds
from rapport.identify.mixture import log_odds, probability
from rapport.program.identify import Identify
from rapport.workflows.link_ports import Floats, Ints, Linker, MakeLinker, Scored, Weights
from rapport.workflows.ports import Progress
from rapport.workflows.resolve_fit import choose, learn

NEVER = -1e9
FULL_COPY = 4
"""Records alike in everything, with so many columns filled, are one: a copy needs no weighing."""
MOST_EVIDENCE = 20_000
"""Links of a run for which the evidence is written out; beyond it only doubts get theirs."""


@dataclass(frozen=True)
class Resolution:
    """Who is one customer.

    `links` are pairs at or above the threshold, verified or decided; `review` the doubts; `estimates` what is
    believed of precision and recall; `others` the clusters at further thresholds, where asked for.
    """

    links: pa.Table
    clusters: pa.Table
    review: pa.Table
    model: LinkModel | None
    estimates: dict[str, Any]
    others: dict[float, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What an earlier run with the same model found: its records, links and clusters."""

    standard: pa.Table
    links: pa.Table
    clusters: pa.Table


@dataclass(frozen=True)
class Given:
    """What is known of pairs before anything is weighed, as nodes: decided the same, decided never, verified."""

    record_key: Ints
    node: Ints
    least: Ints
    times: Ints
    system: Ints
    same: tuple[Ints, Ints]
    never: tuple[Ints, Ints]
    exact: tuple[Ints, Ints]


@dataclass(frozen=True)
class Judged:
    """Pairs of nodes with their log2 odds."""

    scored: Scored
    odds: Floats


def resolve(
    standard: pa.Table,
    verdicts: pa.Table,
    settings: Identify,
    verified: Collection[tuple[str, str]],
    make_linker: MakeLinker,
    progress: Progress,
    also: Sequence[float] = (),
) -> Resolution:
    """Return which records are one customer.

    Parameters
    ----------
    standard : Table
        As `STANDARD`; string columns after those are compared as texts whose meaning is not known.
    verdicts : Table
        As `VERDICTS`: what people decided; always honoured, `never` before `same` where they contradict.
    settings : Identify
        Costs of a wrong merge, a missed one, a look.
    verified : collection of (system, column)
        What each system has verified.
    make_linker : callable
        Opens the machine that compares.
    progress : Progress
        Told the stages.
    also : sequence of float
        Further thresholds, in log2 odds, at which clusters are formed.
    """
    texts = tuple(c for c in standard.column_names if c not in STANDARD.names)
    limits = thresholds(settings)
    with make_linker() as linker:
        progress.start("comparing records", None)
        given = _given(linker, standard, texts, verdicts, verified)
        found = choose(linker, standard.num_rows, texts) if standard.num_rows > 1 else None
        if found is None:
            progress.finish()
            return _nothing_to_compare(linker, given)
        systems, totals = given.system, _totals(given)
        model = learn(linker, found, (standard.num_rows, totals), limits, texts, systems)
        judged = _judge(
            linker,
            model,
            given,
            linker.score(
                _weights(model), min([_floor(model), *(b - 1 - np.log2(max(model.shares.match)) for b in also)])
            ),
        )
        result = _decide(linker, model, given, judged, also)
        progress.finish()
    result.estimates["pairs_compared"] = found.pairs
    result.estimates["blocks_left_out"] = found.skip.num_rows
    return result


def resolve_more(
    model: LinkModel,
    known: Known,
    new: pa.Table,
    verdicts: pa.Table,
    verified: Collection[tuple[str, str]],
    make_linker: MakeLinker,
    progress: Progress,
) -> Resolution:
    """Return what a whole run with this model would, weighing only pairs with a new record.

    Parameters
    ----------
    model : LinkModel
        Of an earlier run; settings of costs are in it.
    known : Known
        Records of earlier runs with this model, and what was found.
    new : Table
        As `STANDARD`: records to add. A record of a known key takes the place of the known one.
    """
    old = known.standard.filter(~np.isin(known.standard["record_key"].to_numpy(), new["record_key"].to_numpy()))
    standard = pa.concat_tables([old.select(new.column_names), new])
    with make_linker() as linker:
        progress.start("comparing new records", new.num_rows)
        given = _given(linker, standard, model.texts, verdicts, verified)
        linker.frequencies(model.comparisons, model.frequencies, True)
        fresh = np.unique(given.node[np.isin(given.record_key, new["record_key"].to_numpy())])
        linker.find_pairs(model.rules, atoms_of(model.texts), model.skip, fresh)
        judged = _judge(linker, model, given, linker.score(_weights(model), _floor(model)))
        judged = _with_known(linker, model, given, judged, known.links, fresh)
        result = _decide(linker, model, given, judged, ())
        progress.advance(new.num_rows)
        progress.finish()
    return result


def resolve_again(
    model: LinkModel,
    standard: pa.Table,
    verdicts: pa.Table,
    verified: Collection[tuple[str, str]],
    make_linker: MakeLinker,
    progress: Progress,
) -> Resolution:
    """Return which records are one customer by a model that is there already."""
    with make_linker() as linker:
        progress.start("comparing records", standard.num_rows)
        given = _given(linker, standard, model.texts, verdicts, verified)
        linker.frequencies(model.comparisons, model.frequencies, True)
        linker.find_pairs(model.rules, atoms_of(model.texts), model.skip, None)
        judged = _judge(linker, model, given, linker.score(_weights(model), _floor(model)))
        result = _decide(linker, model, given, judged, ())
        progress.finish()
    return result


def _given(
    linker: Linker,
    standard: pa.Table,
    texts: Sequence[str],
    verdicts: pa.Table,
    verified: Collection[tuple[str, str]],
) -> Given:
    asked = np.unique(np.concatenate([verdicts["left_key"].to_numpy(), verdicts["right_key"].to_numpy()]))
    of = linker.load(standard, texts, asked)
    nodes = linker.nodes()
    key, node = of["record_key"].to_numpy(), of["node"].to_numpy().astype(np.int64)
    known = np.isin(verdicts["left_key"].to_numpy(), key) & np.isin(verdicts["right_key"].to_numpy(), key)
    same = np.asarray(verdicts["same"].to_numpy(zero_copy_only=False), bool)
    left, right = verdicts["left_key"].to_numpy(), verdicts["right_key"].to_numpy()
    exact = exact_links(standard, verified)
    return Given(
        key,
        node,
        nodes["record_key"].to_numpy(),
        nodes["times"].to_numpy().astype(np.int64),
        np.unique(nodes["system"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)[1],
        _to_nodes(key, node, left[known & same], right[known & same]),
        _to_nodes(key, node, left[known & ~same], right[known & ~same]),
        _to_nodes(key, node, *exact),
    )


def _to_nodes(key: Ints, node: Ints, left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Return pairs of keys as pairs of nodes, the smaller first, each once; pairs within a node are dropped."""
    a, b = node[np.searchsorted(key, left)], node[np.searchsorted(key, right)]
    pairs = np.unique(np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1).reshape(-1, 2), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return pairs[:, 0], pairs[:, 1]


def _totals(given: Given) -> tuple[float, float]:
    """Return the pairs of records within systems and across them."""
    sizes = np.bincount(given.system, weights=given.times)
    every = float(given.times.sum())
    within = float((sizes * (sizes - 1) / 2).sum())
    return within, every * (every - 1) / 2 - within


def _weights(model: LinkModel) -> Weights:
    return Weights(model.comparisons, model.bits, model.usual, model.own, kinds_of_strangers(model.comparisons))


def _floor(model: LinkModel) -> float:
    """Return the bits below which no pair can come to be reviewed."""
    return float(model.thresholds.review - np.log2(max(model.shares.match)) - 0.1)


def _judge(linker: Linker, model: LinkModel, given: Given, scored: Scored) -> Judged:
    across = given.system[scored.left] != given.system[scored.right]
    odds = log_odds(scored.weight, across, model.shares)
    own = scored.left == scored.right
    odds[own & ((scored.level >= 0).sum(axis=1) >= FULL_COPY)] = 2 * BOUND
    return Judged(scored, odds)


def _with_known(
    linker: Linker, model: LinkModel, given: Given, judged: Judged, links: pa.Table, fresh: Ints
) -> Judged:
    """Add the links of earlier runs between records that are as they were."""
    left, right = links["left_key"].to_numpy(), links["right_key"].to_numpy()
    there = np.isin(left, given.record_key) & np.isin(right, given.record_key)
    place = np.searchsorted(given.record_key, np.stack([left[there], right[there]]))
    nodes = np.sort(given.node[place], axis=0)
    nodes = nodes[:, ~np.isin(nodes, fresh).any(axis=0)]
    pairs = np.unique(nodes, axis=1)
    if pairs.shape[1] == 0:
        return judged
    again = _judge(linker, model, given, linker.score_these(_weights(model), pairs[0], pairs[1]))
    parts = [judged.scored, again.scored]
    scored = Scored(*(np.concatenate([getattr(p, f) for p in parts]) for f in Scored.__dataclass_fields__))
    odds = np.concatenate([judged.odds, again.odds])
    order = np.lexsort((scored.right, scored.left))
    return Judged(_take(scored, order), odds[order])


def _take(scored: Scored, rows: NDArray[Any]) -> Scored:
    return Scored(*(getattr(scored, f)[rows] for f in Scored.__dataclass_fields__))


def _decide(linker: Linker, model: LinkModel, given: Given, judged: Judged, also: Sequence[float]) -> Resolution:
    """Return links, clusters, review and estimates from judged pairs and what was given."""
    verified = _exact(linker, model, given)
    weighed = _Weighed(linker, model, given)
    others = {}
    for bits in sorted(also):
        found = _cluster_at(weighed, given, judged, verified[0], bits)
        others[bits] = _clusters(given, *found)
    of_node, copies = _cluster_at(weighed, given, judged, verified[0], model.thresholds.link)
    told = _tell(linker, model, given, judged, verified, (of_node, copies, _clusters(given, of_node, copies)))
    return replace(told, others=others)


class _Weighed:
    """Weighs pairs within components, each once."""

    def __init__(self, linker: Linker, model: LinkModel, given: Given) -> None:
        self._linker, self._model, self._given = linker, model, given
        self._code, self._odds = np.empty(0, np.int64), np.empty(0)

    def odds_of(self, left: Ints, right: Ints) -> Floats:
        """Return the log2 odds of pairs, left < right."""
        code = left * len(self._given.least) + right
        new = ~np.isin(code, self._code)
        if new.any():
            scored = self._linker.score_these(_weights(self._model), left[new], right[new])
            found = _judge(self._linker, self._model, self._given, scored)
            self._code = np.concatenate([self._code, scored.left * len(self._given.least) + scored.right])
            self._odds = np.concatenate([self._odds, found.odds])
            order = np.argsort(self._code)
            self._code, self._odds = self._code[order], self._odds[order]
        return self._odds[np.searchsorted(self._code, code)]


def _cluster_at(
    weighed: _Weighed, given: Given, judged: Judged, exact: tuple[Ints, Ints], link: float
) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the cluster of each node, and which nodes' own records are one, with a threshold in bits."""
    scored, odds = judged.scored, judged.odds
    own = scored.left == scored.right
    linked = (odds >= link) & ~own
    count = len(given.least)
    sure = [(given.same, BOUND), (exact, BOUND), (given.never, NEVER)]
    left = np.concatenate([scored.left[linked], *(p[0] for p, _ in sure)])
    right = np.concatenate([scored.right[linked], *(p[1] for p, _ in sure)])
    bits = np.concatenate([odds[linked] - link, *(np.full(len(p[0]), b) for p, b in sure)])
    left, right, bits = pieces(count, *_strongest(left, right, bits))
    label = components(count, left[bits > 0], right[bits > 0])
    more = missing_pairs(label, left, right)
    if len(more[0]):
        extra = weighed.odds_of(*more)
        left, right = np.concatenate([left, more[0]]), np.concatenate([right, more[1]])
        bits = np.concatenate([bits, extra - link])
    copies = np.zeros(count, bool)
    copies[scored.left[own & (odds >= link)]] = True
    return cluster(count, left, right, bits, given.least), copies


def _strongest(left: Ints, right: Ints, bits: Floats) -> tuple[Ints, Ints, Floats]:
    """Return each pair once: `never` before what is decided or verified, that before what was weighed."""
    rank = np.where(bits <= NEVER, 0, np.where(bits >= BOUND, 1, 2))
    order = np.lexsort((rank, right, left))
    left, right, bits = left[order], right[order], bits[order]
    first = np.r_[True, (left[1:] != left[:-1]) | (right[1:] != right[:-1])] if len(left) else np.empty(0, bool)
    return left[first], right[first], bits[first]


def _exact(linker: Linker, model: LinkModel, given: Given) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Return verified pairs that stand, and those whose records contradict each other."""
    left, right = given.exact
    if not len(left):
        return given.exact, given.exact
    scored = linker.score_these(_weights(model), left, right)
    differ = {c.name: len(c.levels) for c in model.comparisons}
    wrong = contradicted(scored.level, model.compared, differ)
    return (scored.left[~wrong], scored.right[~wrong]), (scored.left[wrong], scored.right[wrong])


def _clusters(given: Given, of_node: Ints, copies: NDArray[np.bool_]) -> pa.Table:
    """Return the cluster of each record, named by its smallest record."""
    # Records of a node that are too ordinary to be one stay apart, unless the node is the one it was taken for.
    key, node = given.record_key, given.node
    alone = ~copies[node] & (given.least[node] != key)
    name = np.where(alone, len(of_node) + np.arange(len(key)), of_node[node])
    first: dict[int, int] = {}
    least = np.full(int(name.max()) + 1 if len(name) else 0, np.iinfo(np.int64).max)
    np.minimum.at(least, name, key)
    del first
    return pa.table({"record_key": key, "cluster": least[name]}, schema=CLUSTERS)


def _tell(
    linker: Linker,
    model: LinkModel,
    given: Given,
    judged: Judged,
    verified: tuple[tuple[Ints, Ints], tuple[Ints, Ints]],
    decided: tuple[Ints, NDArray[np.bool_], pa.Table],
) -> Resolution:
    scored, odds = judged.scored, judged.odds
    of_node, copies, clusters = decided
    own = scored.left == scored.right
    chance = probability(odds)
    linked = (odds >= model.thresholds.link) & ~own
    asked = _is_in(scored, given.never) | _is_in(scored, given.same)
    doubt = ~own & (odds >= model.thresholds.review) & (of_node[scored.left] != of_node[scored.right]) & ~asked
    stands, wrong = verified
    exact = linker.score_these(_weights(model), *stands)
    against = linker.score_these(_weights(model), *wrong)
    persons = linker.score_these(_weights(model), *given.same)
    kinds = _judge(linker, model, given, exact), _judge(linker, model, given, against)
    probable = _take(scored, linked & ~_is_in(scored, stands) & ~_is_in(scored, given.same))
    parts = [
        _links(
            model, given, probable, chance[linked & ~_is_in(scored, stands) & ~_is_in(scored, given.same)], "probable"
        ),
        _links(model, given, exact, np.ones(len(exact.left)), "exact"),
        _links(model, given, persons, np.ones(len(persons.left)), "person"),
        _copies(given, copies),
    ]
    links = pa.concat_tables(parts).sort_by([("left_key", "ascending"), ("right_key", "ascending")])
    if len(probable.left) <= MOST_EVIDENCE:
        links = _with_evidence(linker, model, given, links)
    doubt &= ~_is_in(scored, wrong)
    review = pa.concat_tables(
        [
            _links(model, given, _take(scored, doubt), chance[doubt], "probable"),
            _links(model, given, against, probability(kinds[1].odds), "exact"),
        ]
    )
    review = _with_evidence(linker, model, given, review.sort_by([("probability", "descending"), ("left_key", "ascending"), ("right_key", "ascending")]))  # fmt: skip
    return Resolution(links, clusters, review, model, _estimates(model, judged, of_node, clusters))


def _is_in(scored: Scored, pairs: tuple[Ints, Ints]) -> NDArray[np.bool_]:
    if not len(pairs[0]):
        return np.zeros(len(scored.left), bool)
    n = int(max(scored.right.max(initial=0), pairs[1].max())) + 1
    return np.isin(scored.left * n + scored.right, pairs[0] * n + pairs[1])


def _links(model: LinkModel, given: Given, scored: Scored, chance: Floats, basis: str) -> pa.Table:
    from rapport.identify.mixture import against_strangers

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


def _copies(given: Given, copies: NDArray[np.bool_]) -> pa.Table:
    """Return the links of records that are alike in everything to the smallest of them."""
    rows = copies[given.node] & (given.least[given.node] != given.record_key)
    n = int(rows.sum())
    return pa.table(
        {
            "left_key": given.least[given.node[rows]],
            "right_key": given.record_key[rows],
            "probability": np.ones(n),
            "weight": np.full(n, 30.0),
            "basis": ["probable"] * n,
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
    scored = linker.score_these(_weights(model), np.minimum(left, right), np.maximum(left, right))
    row = {(int(a), int(b)): i for i, (a, b) in enumerate(zip(scored.left, scored.right, strict=True))}
    columns = tuple(c.columns[0] for c in model.comparisons)
    told = linker.values(left, right, columns).to_pydict()
    texts = []
    for i, (a, b) in enumerate(zip(left, right, strict=True)):
        level = scored.level[row[(int(min(a, b)), int(max(a, b)))]]
        said = {}
        for k, c in enumerate(model.comparisons):
            if level[k] >= 0:
                values = told[f"{c.columns[0]}_l"][i], told[f"{c.columns[0]}_r"][i]
                said[c.name] = [*values, c.names[level[k]], round(model.bits[k][level[k]], 2)]
        texts.append(json.dumps(said, ensure_ascii=False))
    return links.set_column(
        links.column_names.index("evidence"), LINKS.field("evidence"), pa.array(texts, pa.string())
    )


def _estimates(model: LinkModel, judged: Judged, of_node: Ints, clusters: pa.Table) -> dict[str, Any]:
    """Return what is believed of the links: from the probabilities, and from how often rules found the same pair."""
    scored, odds = judged.scored, judged.odds
    own = scored.left == scored.right
    chance = probability(odds)
    merged = ~own & (of_node[scored.left] == of_node[scored.right])
    reach = blocking_recall(scored.found[~own], chance[~own])
    sure, all_true = float(chance[merged].sum()), float(chance[~own].sum())
    return {
        "precision": sure / max(float(merged.sum()), 1e-9) if merged.any() else 1.0,
        "recall": reach * sure / all_true if all_true > 0 else 1.0,
        "blocking_recall": reach,
        "linked_pairs": int(merged.sum()),
        "expected_true_pairs": all_true,
        "records": clusters.num_rows,
        "clusters": len(np.unique(clusters["cluster"].to_numpy())),
    }


def _nothing_to_compare(linker: Linker, given: Given) -> Resolution:
    """Return the resolution where no column tells records apart: copies of a full record are one, others nothing."""
    count = len(given.least)
    columns = ("given_name", "surname", "birth", "city", "street", "postal_code", "organisation", "emails", "phones")
    filled = sum(f.filled > 0 for f in linker.fills(columns).values())
    copies = np.full(count, filled >= 2)
    left = np.concatenate([given.same[0], given.never[0], given.exact[0]])
    right = np.concatenate([given.same[1], given.never[1], given.exact[1]])
    bits = np.concatenate([np.full(len(given.same[0]), BOUND), np.full(len(given.never[0]), NEVER), np.full(len(given.exact[0]), BOUND)])  # fmt: skip
    of_node = cluster(count, *_strongest(left, right, bits), given.least)
    if count > 1 and filled >= 2 and not len(given.never[0]):
        of_node = np.zeros(count, np.int64)
    clusters = _clusters(given, of_node, copies)
    empty = pa.table({f.name: pa.array([], f.type) for f in LINKS}, schema=LINKS)
    told = {"precision": None, "recall": None, "records": clusters.num_rows, "status": ["NOTHING_TELLS_APART"]}
    told["clusters"] = len(np.unique(clusters["cluster"].to_numpy()))
    return Resolution(_copies(given, copies), clusters, empty, None, told)
