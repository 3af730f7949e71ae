"""Components of many edges, and the edges that make given clusters whole.

Why it exists: a million records are brought into line with a resolve run in seconds, on arrays. Nothing is read or
written here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def components(count: int, left: Ints, right: Ints) -> Ints:
    """Return the component of each of `count` nodes under edges between their positions, shape (count,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    labels: Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def first_of(labels: Ints, order: Ints) -> Ints:
    """Return for each node the node of its label that comes first in `order`, shape (n,)."""
    first = np.full(int(labels.max(initial=-1)) + 1, -1, dtype=np.int64)
    backwards = order[::-1]
    first[labels[backwards]] = backwards
    return first[labels]


def strongest_forest(count: int, left: Ints, right: Ints, weight: NDArray[np.float64]) -> Ints:
    """Return which edges make a spanning forest of greatest weight, ascending positions.

    Kruskal (1956): edges by falling weight, each that joins two trees; ties by position. Boruvka's rounds, each on
    whole arrays: every tree takes its best edge, until none is left.
    """
    rank = np.empty(len(weight), dtype=np.int64)
    rank[np.lexsort((np.arange(len(weight)), -weight))] = np.arange(len(weight))
    labels = np.arange(count, dtype=np.int64)
    chosen = np.zeros(len(weight), dtype=np.bool_)
    alive = np.flatnonzero(left != right)
    while len(alive):
        best = np.full(count, len(weight), dtype=np.int64)
        np.minimum.at(best, labels[left[alive]], rank[alive])
        np.minimum.at(best, labels[right[alive]], rank[alive])
        took = alive[(best[labels[left[alive]]] == rank[alive]) | (best[labels[right[alive]]] == rank[alive])]
        chosen[took] = True
        labels = components(count, left[chosen], right[chosen])
        alive = alive[labels[left[alive]] != labels[right[alive]]]
    return np.flatnonzero(chosen)


def chains(labels: Ints, groups: Ints) -> tuple[Ints, Ints]:
    """Return edges (left, right) that join what is of one group and not of one label: each label to the next.

    Labels must not reach over groups. What joins is the first node of each label.
    """
    nodes = np.unique(labels, return_index=True)[1].astype(np.int64)
    order = nodes[np.lexsort((nodes, groups[nodes]))]
    together = groups[order[1:]] == groups[order[:-1]]
    return order[:-1][together], order[1:][together]
