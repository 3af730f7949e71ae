"""Pairs of nodes that share a key, as sorted arrays of integers.

Why it exists: millions of pairs are numbers, and sorting packed numbers takes a fraction of the time and memory that
joins and groups of rows do. What a key is, the queries of `rapport.engines.link_sql` say; nothing is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@dataclass(frozen=True)
class Pairs:
    """Pairs of nodes, left <= right, in order, each once; `found` has the bits of the rules that found each."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    found: Ints


@dataclass(frozen=True)
class Blocks:
    """The keys of one rule in order, the node of each, where each block starts and how long it is."""

    key: Keys
    node: Ints
    start: Ints
    size: Ints


def blocks_of(node: Ints, key: Keys) -> Blocks:
    """Return the blocks of nodes that share a key."""
    order = np.argsort(key)
    key, node = key[order], node[order]
    start = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.empty(0, np.int64)
    return Blocks(key, node, start, np.diff(np.r_[start, len(key)]))


def too_large(blocks: Blocks, most: float) -> Keys:
    """Return the keys of the largest blocks, without which the others make at most `most` pairs."""
    size = blocks.size[blocks.size > 1]
    number, count = np.unique(size, return_counts=True)
    upto = np.cumsum(count * (number * (number - 1) / 2))
    fits = number[upto <= most]
    limit = int(fits[-1]) if len(fits) else 0
    return blocks.key[blocks.start[(blocks.size > 1) & (blocks.size > limit)]]


def without(blocks: Blocks, keys: Keys) -> Blocks:
    """Return the blocks of two or more nodes, but those of some keys."""
    kept = (blocks.size > 1) & ~np.isin(blocks.key[blocks.start], keys)
    return Blocks(blocks.key, blocks.node, blocks.start[kept], blocks.size[kept])


def packed_pairs(blocks: Blocks, fresh: NDArray[np.bool_] | None) -> Keys:
    """Return the pairs within blocks, packed in 64 bits; only those with a `fresh` node where that is given."""
    if fresh is None:
        row = _spread(blocks.start, blocks.size)
        many = np.repeat(blocks.start + blocks.size, blocks.size) - row - 1
        other = _spread(row + 1, many)
    else:
        inside = _spread(blocks.start, blocks.size)
        chosen = fresh[blocks.node[inside]]
        row = inside[chosen]
        many = np.repeat(blocks.size, blocks.size)[chosen]
        other = _spread(np.repeat(blocks.start, blocks.size)[chosen], many)
    one, two = np.repeat(blocks.node[row], many), blocks.node[other]
    differ = one != two
    return _pack(np.minimum(one, two)[differ], np.maximum(one, two)[differ])


def gathered(parts: Sequence[Keys], alone: Ints) -> Pairs:
    """Return the pairs that rules found, each once, and those of nodes with themselves.

    Parameters
    ----------
    parts : sequence of array
        Packed pairs of each rule.
    alone : array of int64
        Nodes that are a pair with themselves, found by no rule.
    """
    code = np.concatenate([*parts, _pack(alone, alone)])
    bits = [np.full(len(part), np.int64(1) << np.int64(i)) for i, part in enumerate(parts)]
    bit = np.concatenate([*bits, np.zeros(len(alone), np.int64)])
    order = np.argsort(code, kind="stable")
    code, bit = code[order], bit[order]
    start = np.flatnonzero(np.r_[True, code[1:] != code[:-1]]) if len(code) else np.empty(0, np.int64)
    found = np.bitwise_or.reduceat(bit, start) if len(code) else bit
    code = code[start]
    return Pairs((code >> _SHIFT).astype(np.int32), (code & _LOW).astype(np.int32), found)


def pairs_of_two(one: Ints, other: Ints) -> float:
    """Return the pairs that agree in both of two numbers; a negative number agrees with nothing."""
    kept = (one >= 0) & (other >= 0)
    if not kept.any():
        return 0.0
    code = np.sort(one[kept] * (int(other.max()) + 1) + other[kept])
    size = np.diff(np.r_[np.flatnonzero(np.r_[True, code[1:] != code[:-1]]), len(code)]).astype(np.float64)
    return float((size * (size - 1) / 2).sum())


def _spread(start: Ints, many: Ints) -> Ints:
    """Return start, start + 1 ... as many of each as are asked for."""
    before = np.cumsum(many) - many
    found: Ints = np.repeat(start - before, many) + np.arange(int(many.sum()))
    return found


def _pack(left: Ints, right: Ints) -> Keys:
    found: Keys = (left.astype(np.uint64) << _SHIFT) | right.astype(np.uint64)
    return found
