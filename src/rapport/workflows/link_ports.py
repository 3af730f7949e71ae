"""What resolving asks of the machine that compares records, as a Protocol.

Why it exists: who is one customer is decided here and below; what runs queries over millions of pairs and estimates
weights lies behind this. Records are numbered as **nodes**, in the order of their keys; records of one system that
are alike in everything are one node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.identify.blocking import Atom, Rule, TrainingRule
from rapport.identify.comparisons import Comparison, Fill, Strangers

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """How pairs are weighed: bits of each level of each comparison, and the usual frequency of an exact value.

    `own` is the share of records by which a value is frequent because its bearer has several records.
    """

    comparisons: tuple[Comparison, ...]
    bits: tuple[tuple[float, ...], ...]
    usual: tuple[float, ...]
    own: tuple[float, ...]
    strangers: tuple[Strangers, ...]


@dataclass(frozen=True)
class Scored:
    """Pairs of nodes, left < right (equal: records within a node), and their evidence.

    `weight` (pairs, strangers) holds the bits of the comparisons that do not agree by themselves among each kind of
    strangers; `level` (pairs, comparisons) the levels reached; `found` which rules found the pair, as bits.
    """

    left: Ints
    right: Ints
    weight: Floats
    level: NDArray[np.int8]
    found: Ints


@dataclass(frozen=True)
class Estimates:
    """Shares of true pairs (m) and of pairs of strangers (u) in each level, and pairs that each rests on."""

    m: tuple[tuple[float, ...], ...]
    u: tuple[tuple[float, ...], ...]
    u_pairs: int
    trained: tuple[str, ...]


class Linker(Protocol):
    """Compares records. One linker holds one set of records."""

    def load(self, standard: pa.Table, texts: Sequence[str], apart: Ints) -> pa.Table:
        """Take records; return record_key and node of each. Records `apart` are a node of their own each."""

    def nodes(self) -> pa.Table:
        """Return node, record_key (the smallest), system and `times` (records) of each node."""

    def fills(self, columns: Sequence[str]) -> dict[str, Fill]:
        """Return what is known of columns."""

    def follows(self, column: str, of: str) -> float:
        """Return how often two records that agree in `of` agree in `column` too; 0 where none agree."""

    def frequencies(self, comparisons: Sequence[Comparison], known: pa.Table | None, words: bool) -> pa.Table:
        """Settle the frequency of each value: counted, or as `known`; return column, value, frequency."""

    def rule_pairs(self, rules: Sequence[Rule], atoms: Mapping[str, Atom], largest: float) -> dict[Rule, float]:
        """Return the pairs that each rule makes, from a sample where there are many records."""

    def find_pairs(
        self,
        rules: Sequence[Rule],
        atoms: Mapping[str, Atom],
        skip: pa.Table | None,
        most: float,
        new: Ints | None,
    ) -> tuple[int, pa.Table]:
        """Find the pairs that share a key, among all nodes or with a `new` one.

        `skip` (rule, key) are blocks to leave out; where it is None, the largest of each rule are, so that none makes
        more than `most` pairs. Returns the number of pairs and the blocks left out.
        """

    def estimate(self, comparisons: Sequence[Comparison], rules: Sequence[TrainingRule]) -> Estimates:
        """Estimate m and u without labels."""

    def score(self, weights: Weights, floor: float, sample: int | None = None) -> Scored:
        """Weigh the pairs found; those below `floor` bits against anyone are left out."""

    def score_these(self, weights: Weights, left: Ints, right: Ints) -> Scored:
        """Weigh the named pairs of nodes."""

    def values(self, left: Ints, right: Ints, columns: Sequence[str]) -> pa.Table:
        """Return columns of both nodes of pairs as text, named with _l and _r."""


MakeLinker = Callable[[], AbstractContextManager[Linker]]
