"""From judged pairs to clusters: thresholds, verified keys, verdicts, and the pairs within components.

Why it exists: what makes a cluster is the same for a whole run, for new records, and for another threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.people import CLUSTERS, LINKS
from rapport.identify.clusters import BOUND, cluster, components, missing_pairs, pieces
from rapport.identify.exact_keys import contradicted
from rapport.identify.link_model import LinkModel
from rapport.workflows.link_ports import Floats, Ints, Linker
from rapport.workflows.resolve_judge import Given, Judged, Resolution, judge, weights_of
from rapport.workflows.resolve_tell import copies_of, tell

NEVER = -1e9


def decide(linker: Linker, model: LinkModel, given: Given, judged: Judged, also: Sequence[float]) -> Resolution:
    """Return links, clusters, review and estimates from judged pairs and what was given."""
    verified = _exact(linker, model, given)
    weighed = _Weighed(linker, model, given)
    others = {}
    for bits in sorted(also):
        found = _cluster_at(weighed, given, judged, verified[0], bits)
        others[bits] = _clusters(given, *found)
    of_node, copies = _cluster_at(weighed, given, judged, verified[0], model.thresholds.link)
    told = tell(linker, model, given, judged, verified, (of_node, copies, _clusters(given, of_node, copies)))
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
            scored = self._linker.score_these(weights_of(self._model), left[new], right[new])
            found = judge(self._linker, self._model, self._given, scored)
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
    copies = given.sure.copy()
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
    scored = linker.score_these(weights_of(model), left, right)
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


def nothing_to_compare(linker: Linker, given: Given) -> Resolution:
    """Return the resolution where no column tells records apart: copies of a full record are one, others nothing."""
    count = len(given.least)
    columns = ("given_name", "surname", "birth", "city", "street", "postal_code", "organisation", "emails", "phones")
    filled = sum(f.filled > 0 for f in linker.fills(columns).values())
    copies = given.sure | (filled >= 2)
    left = np.concatenate([given.same[0], given.never[0], given.exact[0]])
    right = np.concatenate([given.same[1], given.never[1], given.exact[1]])
    sure = ((given.same, BOUND), (given.never, NEVER), (given.exact, BOUND))
    bits = np.concatenate([np.full(len(pairs[0]), b) for pairs, b in sure])
    of_node = cluster(count, *_strongest(left, right, bits), given.least)
    if count > 1 and filled >= 2 and not len(given.never[0]):
        of_node = np.zeros(count, np.int64)
    clusters = _clusters(given, of_node, copies)
    empty = pa.table({f.name: pa.array([], f.type) for f in LINKS}, schema=LINKS)
    told = {"precision": None, "recall": None, "records": clusters.num_rows, "status": ["NOTHING_TELLS_APART"]}
    told["clusters"] = len(np.unique(clusters["cluster"].to_numpy()))
    return Resolution(copies_of(given, copies), clusters, empty, None, told)
