"""What was learned of a company's records, frozen: by it new records are linked as a whole rerun would link them.

Why it exists: a model is data. It holds what is compared, what each level weighs, how frequent values are, which
pairs are looked at, and from which odds on a pair counts. Nothing is fitted or read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.identify.blocking import ATOMS, Atom, Rule, text_atoms
from rapport.identify.comparisons import COMPARISONS, STRANGERS, Comparison, Strangers, generic
from rapport.identify.link_threshold import Thresholds
from rapport.identify.mixture import Shares, bits_of

VERSION = 1


@dataclass(frozen=True)
class LinkModel:
    """How pairs are found, weighed and judged.

    Attributes
    ----------
    compared : tuple of str
        Names of the comparisons; those in `texts` are of columns whose meaning is not known.
    m, u : tuple of tuples of float
        Shares of true pairs and of pairs of strangers in each level, `differ` last.
    usual : tuple of float
        Chance that two strangers' values are equal, as u has it for the first level.
    own : tuple of float
        Share of records by which a value is frequent only because its bearer has several records.
    rules : tuple of Rule
        Blocking rules; `skip` (rule, key) are blocks too large to be looked at.
    frequencies : Table
        column, value, frequency of values that occur twice or more.
    status : tuple of str
        What the data were too few for.
    """

    compared: tuple[str, ...]
    texts: tuple[str, ...]
    m: tuple[tuple[float, ...], ...]
    u: tuple[tuple[float, ...], ...]
    usual: tuple[float, ...]
    own: tuple[float, ...]
    shares: Shares
    thresholds: Thresholds
    rules: tuple[Rule, ...]
    skip: pa.Table
    frequencies: pa.Table
    trained: tuple[str, ...]
    status: tuple[str, ...]

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Return the comparisons."""
        known = {c.name: c for c in COMPARISONS}
        return tuple(generic(name) if name in self.texts else known[name] for name in self.compared)

    @property
    def bits(self) -> tuple[tuple[float, ...], ...]:
        """Return the bits of each level."""
        return tuple(
            tuple(float(x) for x in bits_of(np.array(mk), np.array(uk)))
            for mk, uk in zip(self.m, self.u, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the model in plain values that can be written as JSON."""
        told = asdict(self)
        told |= {"version": VERSION, "skip": self.skip.to_pydict(), "frequencies": self.frequencies.to_pydict()}
        return told


def model_from(told: Mapping[str, Any]) -> LinkModel:
    """Return the model that `LinkModel.to_dict` told."""
    return LinkModel(
        compared=tuple(told["compared"]),
        texts=tuple(told["texts"]),
        m=tuple(tuple(x) for x in told["m"]),
        u=tuple(tuple(x) for x in told["u"]),
        usual=tuple(told["usual"]),
        own=tuple(told["own"]),
        shares=Shares((told["shares"]["match"][0], told["shares"]["match"][1]), tuple(told["shares"]["strangers"])),
        thresholds=Thresholds(**told["thresholds"]),
        rules=tuple(Rule(tuple(r["atoms"])) for r in told["rules"]),
        skip=pa.table(
            {"rule": pa.array(told["skip"]["rule"], pa.int32()), "key": pa.array(told["skip"]["key"], pa.uint64())}
        ),
        frequencies=pa.table(
            {
                "column": pa.array(told["frequencies"]["column"], pa.string()),
                "value": pa.array(told["frequencies"]["value"], pa.string()),
                "frequency": pa.array(told["frequencies"]["frequency"], pa.float64()),
            }
        ),
        trained=tuple(told["trained"]),
        status=tuple(told["status"]),
    )


def atoms_of(texts: tuple[str, ...]) -> dict[str, Atom]:
    """Return all atoms by name, those of further columns too."""
    return {a.name: a for a in (*ATOMS, *(a for t in texts for a in text_atoms(t)))}


def kinds_of_strangers(comparisons: tuple[Comparison, ...]) -> tuple[Strangers, ...]:
    """Return the kinds of strangers that these comparisons can tell apart, `anyone` first."""
    names = {c.name for c in comparisons}
    kinds: dict[frozenset[str], Strangers] = {}
    for kind in STRANGERS:
        agree = tuple(sorted(names & set(kind.agree)))
        # Where everything compared would agree by itself, nothing could ever be linked.
        if len(agree) < len(names) and frozenset(agree) not in kinds:
            kinds[frozenset(agree)] = Strangers(kind.name, agree)
    return tuple(kinds.values())


def apart_matrix(comparisons: tuple[Comparison, ...], kinds: tuple[Strangers, ...]) -> NDArray[np.bool_]:
    """Return (kinds, comparisons): which do not agree by themselves among each kind of strangers."""
    return np.array([[c.name not in kind.agree for c in comparisons] for kind in kinds], dtype=bool).reshape(
        len(kinds), len(comparisons)
    )
