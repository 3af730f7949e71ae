"""Which records are one customer, from signed evidence about pairs: correlation clustering under constraints.

Why it exists: joining whatever a chain of links connects makes one customer of strangers. Here two groups are joined
only while the evidence of all pairs between them, for and against, adds up in favour (Bansal, Blum & Chawla 2004,
objective; greedy agglomeration). Arithmetic on arrays; nothing is read.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_FOR, MOST_AGAINST = 30.0, 30.0
"""Bits of one pair that count at most: no single pair outweighs many."""
MOST_WHOLE = 60
"""Components of at most so many nodes have all their pairs weighed; larger ones are joined by what was found."""
BOUND = 1e6
"""The weight of what must be, or must not be."""


def components(count: int, left: Ints, right: Ints) -> Ints:
    """Return the connected component of each node, numbered by its smallest node's place."""
    graph = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    first = np.full(int(label.max()) + 1 if count else 0, count, np.int64)
    np.minimum.at(first, label, np.arange(count))
    found: Ints = first[label]
    return found


def missing_pairs(label: Ints, left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Return the pairs within components of three to `MOST_WHOLE` nodes that are not among those given."""
    order = np.argsort(label, kind="stable")
    sorted_label = label[order]
    starts = np.flatnonzero(np.r_[True, sorted_label[1:] != sorted_label[:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    ends = label[left]
    inside = (ends == label[right]) & (left != right)
    have = np.bincount(ends[inside], minlength=len(label))
    wanted = (sizes >= 3) & (sizes <= MOST_WHOLE) & (have[sorted_label[starts]] < sizes * (sizes - 1) // 2)
    wanted_label = np.zeros(len(label), bool)
    wanted_label[sorted_label[starts[wanted]]] = True
    lefts, rights = [], []
    for size in np.unique(sizes[wanted]):
        rows = order[starts[wanted & (sizes == size)][:, None] + np.arange(size)[None, :]]
        rows = np.sort(rows, axis=1)
        a, b = np.triu_indices(size, 1)
        lefts.append(rows[:, a].ravel())
        rights.append(rows[:, b].ravel())
    if not lefts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    every_left, every_right = np.concatenate(lefts), np.concatenate(rights)
    n = len(label)
    near = inside & wanted_label[ends]
    known = np.isin(every_left * n + every_right, left[near] * n + right[near])
    return every_left[~known], every_right[~known]


def pieces(count: int, left: Ints, right: Ints, bits: Floats) -> tuple[Ints, Ints, Floats]:
    """Return the pairs without the weakest links of components too large to be weighed whole.

    The threshold is raised step by step within such a component until its pieces are small, or only the strongest
    links are left.
    """
    step = 4.0
    least = step
    kept = np.ones(len(left), bool)
    while least <= 10 * step:
        live = kept & (bits > 0)
        label = components(count, left[live], right[live])
        size = np.bincount(label, minlength=count)
        large = size[label[left]] > MOST_WHOLE
        weak = live & large & (bits < least)
        if not large.any():
            break
        kept &= ~weak
        least += step
    return left[kept], right[kept], bits[kept]


def cluster(count: int, left: Ints, right: Ints, bits: Floats, tie: Ints) -> Ints:
    """Return the cluster of each node, named by its smallest node.

    Parameters
    ----------
    count : int
        Nodes.
    left, right : array of int64
        Pairs of nodes, each once.
    bits : array of float64
        Evidence of each pair above the threshold (positive: one customer). At or beyond `BOUND`: decided.
    tie : array of int64
        A number of each node by which ties are broken, the same whichever other records there are.
    """
    weight = np.where(np.abs(bits) >= BOUND, bits, np.clip(bits, -MOST_AGAINST, MOST_FOR))
    together = weight > 0
    label = components(count, left[together], right[together])
    inside = label[left] == label[right]
    split = np.unique(label[left[inside & ~together]])
    sizes = np.bincount(label, minlength=count)
    whole = np.bincount(label[left[inside]], minlength=count)
    open_ = np.zeros(count, bool)
    open_[split] = True
    # A component all of whose pairs agree is a cluster; so is a large one that nothing speaks against.
    found = label.copy()
    del sizes, whole
    rows = np.flatnonzero(inside & open_[label[left]])
    if len(rows) == 0:
        return found
    rows = rows[np.argsort(label[left[rows]], kind="stable")]
    groups = label[left[rows]]
    cuts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    for start, end in zip(cuts, np.r_[cuts[1:], len(rows)], strict=True):
        pick = rows[start:end]
        for group in _agglomerate(left[pick].tolist(), right[pick].tolist(), weight[pick].tolist(), tie):
            found[group] = min(group)
    return found


def _agglomerate(left: list[int], right: list[int], weight: list[float], tie: Ints) -> list[list[int]]:
    """Join the two groups with the most evidence between them on average, while its sum is positive."""
    near: dict[int, dict[int, tuple[float, int]]] = {}
    for a, b, w in zip(left, right, weight, strict=True):
        near.setdefault(a, {})[b] = (w, 1)
        near.setdefault(b, {})[a] = (w, 1)
    members = {node: [node] for node in near}
    name = {node: int(tie[node]) for node in near}
    heap = [_entry(a, b, w, 1, name) for a, b, w in zip(left, right, weight, strict=True) if w > 0]
    heapq.heapify(heap)
    while heap:
        mean, _, _, a, b, total = heapq.heappop(heap)
        if a not in members or b not in members or near[a].get(b, (0.0, 0))[0] != total or mean >= 0:
            continue
        keep, gone = (a, b) if len(members[a]) >= len(members[b]) else (b, a)
        members[keep] += members.pop(gone)
        name[keep] = min(name[keep], name[gone])
        for other, (w, n) in near.pop(gone).items():
            if other == keep:
                continue
            held, many = near[keep].get(other, (0.0, 0))
            near[keep][other] = near[other][keep] = (held + w, many + n)
            del near[other][gone]
        del near[keep][gone]
        for other, (w, n) in near[keep].items():
            if w > 0:
                heapq.heappush(heap, _entry(keep, other, w, n, name))
    return list(members.values())


_Entry = tuple[float, int, int, int, int, float]


def _entry(a: int, b: int, total: float, pairs: int, name: dict[int, int]) -> _Entry:
    low, high = sorted((name[a], name[b]))
    return (-round(total / pairs, 9) if total < BOUND else -total, low, high, a, b, total)


def all_pairs(nodes: Sequence[int]) -> list[tuple[int, int]]:
    """Return every pair of some nodes, the smaller first."""
    return list(combinations(sorted(nodes), 2))
