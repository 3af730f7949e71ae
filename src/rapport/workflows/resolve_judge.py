"""What resolving works on: records as nodes, what is known of pairs beforehand, and pairs judged.

Why it exists: verdicts, verified keys and weighed evidence are all about pairs of nodes; they are brought
together here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.identify.clusters import BOUND, components
from rapport.identify.exact_keys import exact_links
from rapport.identify.link_model import LinkModel, kinds_of_strangers
from rapport.identify.link_quality import blocking_recall
from rapport.identify.mixture import log_odds, probability
from rapport.workflows.link_ports import Floats, Ints, Linker, Scored, Weights

FULL_COPY = 4
"""Records alike in everything, with so many columns filled, are one: a copy needs no weighing."""


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
class Given:
    """What is known of pairs before anything is weighed, as nodes: decided the same, decided never, verified.

    `sure` tells the nodes whose own records are one customer, because a verified value joins them all.
    """

    record_key: Ints
    node: Ints
    least: Ints
    times: Ints
    system: Ints
    same: tuple[Ints, Ints]
    never: tuple[Ints, Ints]
    exact: tuple[Ints, Ints]
    sure: NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Pairs of nodes with their log2 odds."""

    scored: Scored
    odds: Floats


def given_of(
    linker: Linker,
    standard: pa.Table,
    texts: Sequence[str],
    verdicts: pa.Table,
    verified: Collection[tuple[str, str]],
) -> Given:
    """Load the records and return what is known of pairs of them beforehand."""
    asked = np.unique(np.concatenate([verdicts["left_key"].to_numpy(), verdicts["right_key"].to_numpy()]))
    of = linker.load(standard, texts, asked)
    nodes = linker.nodes()
    key, node = of["record_key"].to_numpy(), of["node"].to_numpy().astype(np.int64)
    known = _among(verdicts["left_key"].to_numpy(), key) & _among(verdicts["right_key"].to_numpy(), key)
    same = np.asarray(verdicts["same"].to_numpy(zero_copy_only=False), bool)
    left, right = verdicts["left_key"].to_numpy(), verdicts["right_key"].to_numpy()
    exact = exact_links(standard, verified)
    return Given(
        key,
        node,
        nodes["record_key"].to_numpy(),
        nodes["times"].to_numpy().astype(np.int64),
        _numbered(nodes["system"]),
        _to_nodes(key, node, left[known & same], right[known & same]),
        _to_nodes(key, node, left[known & ~same], right[known & ~same]),
        _to_nodes(key, node, *exact),
        _joined_within(key, node, *exact),
    )


def _joined_within(key: Ints, node: Ints, left: Ints, right: Ints) -> NDArray[np.bool_]:
    """Return of which nodes of several records pairs of keys join all records."""
    label = components(len(key), np.searchsorted(key, left), np.searchsorted(key, right))
    count = int(node.max(initial=-1)) + 1
    least, most = np.full(count, len(key), np.int64), np.full(count, -1, np.int64)
    np.minimum.at(least, node, label)
    np.maximum.at(most, node, label)
    joined: NDArray[np.bool_] = (least == most) & (np.bincount(node, minlength=count) > 1)
    return joined


def _among(values: Ints, of: Ints) -> NDArray[np.bool_]:
    """Return which values are among others that are in order."""
    place = np.searchsorted(of, values)
    found: NDArray[np.bool_] = np.append(of, 0)[place] == values
    return found & (place < len(of))


def _numbered(values: pa.ChunkedArray) -> Ints:
    """Return the number of each value, the values in order."""
    codes = values.combine_chunks().dictionary_encode()
    order = np.argsort(np.array(codes.dictionary.to_pylist(), dtype=str), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[codes.indices.to_numpy()]


def _to_nodes(key: Ints, node: Ints, left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Return pairs of keys as pairs of nodes, the smaller first, each once; pairs within a node are dropped."""
    a, b = node[np.searchsorted(key, left)], node[np.searchsorted(key, right)]
    pairs = np.unique(np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1).reshape(-1, 2), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return pairs[:, 0], pairs[:, 1]


def totals_of(given: Given) -> tuple[float, float]:
    """Return the pairs of records within systems and across them."""
    sizes = np.bincount(given.system, weights=given.times)
    every = float(given.times.sum())
    within = float((sizes * (sizes - 1) / 2).sum())
    return within, every * (every - 1) / 2 - within


def weights_of(model: LinkModel) -> Weights:
    """Return how a model weighs pairs."""
    return Weights(
        model.comparisons, model.bits, model.usual, model.own, kinds_of_strangers(model.comparisons, model.about)
    )


def floor_of(model: LinkModel) -> float:
    """Return the bits below which no pair can come to be reviewed."""
    return float(model.thresholds.review - np.log2(max(model.shares.match)) - 0.1)


def judge(linker: Linker, model: LinkModel, given: Given, scored: Scored) -> Judged:
    """Return the odds of weighed pairs; a full copy is beyond doubt."""
    across = given.system[scored.left] != given.system[scored.right]
    odds = log_odds(scored.weight, across, model.shares)
    own = scored.left == scored.right
    odds[own & ((scored.level >= 0).sum(axis=1) >= FULL_COPY)] = 2 * BOUND
    return Judged(scored, odds)


def believed(judged: Judged) -> tuple[Floats, float]:
    """Return the probability of each pair of two nodes, and the share of true pairs believed to be among them."""
    other = judged.scored.left != judged.scored.right
    chance = probability(judged.odds[other])
    return chance, blocking_recall(judged.scored.found[other], chance)


def take(scored: Scored, rows: NDArray[Any]) -> Scored:
    """Return some of the pairs."""
    return Scored(*(getattr(scored, f)[rows] for f in Scored.__dataclass_fields__))


def is_in(scored: Scored, pairs: tuple[Ints, Ints]) -> NDArray[np.bool_]:
    """Return which pairs are among others."""
    if not len(pairs[0]):
        return np.zeros(len(scored.left), bool)
    n = int(max(scored.right.max(initial=0), pairs[1].max())) + 1
    return np.isin(scored.left * n + scored.right, pairs[0] * n + pairs[1])
