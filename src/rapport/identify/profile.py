"""What survives of everything that was said of a customer: one value a field, with its belief and its reason.

Why it exists: systems disagree, and what was true grows old. Values compete by a declared rule; the winner is one of
them, never an average, and what lost is kept beside it. Nothing later than the day asked about is read.

How far an observation is believed::

    belief = trust of its source x its confidence x 2 ** (-age / half-life of the field)

Independent sources that say the same raise belief (noisy-or; Pearl 1988, section 4.3.2): the belief that at least one
of them is right, 1 - product of (1 - belief), each source counting once, with its strongest observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.profiles import ANSWERED, CORRECTED, INSTANT, LOST, OBSERVATIONS, PROFILE, WHY

Criterion = Literal["corrected", "answered", "belief", "freshest"]
ORDER: tuple[Criterion, ...] = ("corrected", "answered", "belief", "freshest")
"""What decides between values, the first that tells them apart: a correction, an answer, belief, time."""

HALF_LIFE_DAYS = 730
TRUST = 0.5
"""Of a source of which nothing is declared."""

_DAY = 86_400_000_000
_WHY = tuple(WHY)
_NEVER = np.iinfo(np.int64).min
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """The rule by which values survive.

    trust : by source, in [0, 1]; answers of customers and corrections are trusted by the two that follow
    half_life_days : by field; `default_half_life` for others
    order : what decides, the first that tells values apart
    outdated_below : an answer or a correction believed less than this competes like anything else
    """

    trust: Mapping[str, float] = field(default_factory=dict)
    answer_trust: float = 0.9
    correction_trust: float = 1.0
    half_life_days: Mapping[str, int] = field(default_factory=dict)
    default_half_life: int = HALF_LIFE_DAYS
    order: tuple[Criterion, ...] = ORDER
    outdated_below: float = 0.25

    def trust_of(self, source: str) -> float:
        """Return how far a source is trusted."""
        own = {ANSWERED: self.answer_trust, CORRECTED: self.correction_trust}
        return float(own.get(source, self.trust.get(source, TRUST)))

    def half_life(self, name: str) -> int:
        """Return the days after which a field is believed half as much."""
        return int(self.half_life_days.get(name, self.default_half_life))


@dataclass(frozen=True)
class Profile:
    """What survives: `table` of PROFILE, by field and customer; observations left out because they are `later` than
    the day asked about, or `empty`.
    """

    table: pa.Table
    later: int
    empty: int


@dataclass(frozen=True)
class _Part:
    """Observations of one field as arrays of one length: customer, value, source, time, belief."""

    customer: Ints
    values: pa.Array
    source: Ints
    at: Ints
    belief: Floats


@dataclass(frozen=True)
class _Known:
    """What the observations of all fields share: sorted names, and the rule."""

    customers: pa.Array
    sources: tuple[str, ...]
    rule: Survival


@dataclass(frozen=True)
class _Candidates:
    """Values that compete, ordered by customer and then by what decides, weakest first."""

    customer: Ints
    value: Ints
    belief: Floats
    source: Ints
    at: Ints
    sources: Ints
    why: Ints
    wins: NDArray[np.bool_]


def survive(observations: pa.Table, rule: Survival, as_of: datetime) -> Profile:
    """Return for each customer and field the value that survives, and why.

    Parameters
    ----------
    observations : Arrow table
        Columns of `core.profiles.OBSERVATIONS`, in any order of rows; the order changes nothing.
    rule : Survival
    as_of : aware datetime
        What was observed later is not read. An observation without a time counts as one half-life old.

    Returns
    -------
    Profile

    Notes
    -----
    Work is done field by field; only customers of whom a field was observed more than once are sorted, so that a
    million customers with twenty fields take seconds (see docs/method/profile.md).
    """
    table = observations.select(OBSERVATIONS.names)
    until = pa.scalar(as_of, INSTANT)
    empty = len(table) - (pc.sum(pc.not_equal(table["value"], "")).as_py() or 0)
    # Field by field, so that no more than one field is ever held in one piece.
    parts, kept = [PROFILE.empty_table()], 0
    customers, sources = (_ordered(pc.unique(table[n])) for n in ("customer_id", "source"))
    known = _Known(customers, tuple(sources.to_pylist()), rule)
    for name in sorted(pc.unique(table["field"]).to_pylist()):
        mine = _usable(table.filter(pc.equal(table["field"], name)), until)
        kept += len(mine)
        if len(mine):
            parts.append(_survive_field(name, _part_of(mine, name, until, known), known))
    return Profile(pa.concat_tables(parts), len(table) - empty - kept, empty)


def _usable(table: pa.Table, until: pa.Scalar) -> pa.Table:
    """Return what says something and was known by then, in one piece."""
    said = pc.fill_null(pc.not_equal(table["value"], ""), False)
    in_time = pc.fill_null(pc.less_equal(table["at"].cast(INSTANT), until), True)
    return table.filter(pc.and_(said, in_time)).combine_chunks()


def _part_of(table: pa.Table, name: str, until: pa.Scalar, known: _Known) -> _Part:
    """Return the observations of one field as arrays."""
    names = pa.array(known.sources, pa.string())
    source = pc.index_in(table["source"], value_set=names).to_numpy().astype(np.int64)
    customer = pc.index_in(table["customer_id"], value_set=known.customers).to_numpy().astype(np.int64)
    at = pc.fill_null(table["at"].cast(INSTANT).cast(pa.int64()), int(_NEVER)).to_numpy()
    trust = np.array([known.rule.trust_of(s) for s in known.sources])
    strength = trust[source] * pc.fill_null(table["confidence"], 1.0).to_numpy()
    belief = strength * _left(at, int(until.value), known.rule.half_life(name))
    return _Part(customer, table["value"].combine_chunks(), source, at, belief)


def _ordered(values: pa.Array) -> pa.Array:
    return values.take(pc.array_sort_indices(values))


def _sorted_codes(column: pa.ChunkedArray) -> tuple[pa.Array, Ints]:
    """Return the values of a column in order, and the place of each row's among them."""
    encoded = column.combine_chunks().dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), place[encoded.indices.to_numpy()]


def _left(at: Ints, until: int, half_life: int) -> Floats:
    """Return what age leaves of belief; half where the time is not known."""
    age = np.where(at == _NEVER, half_life, (until - np.where(at == _NEVER, until, at)) / _DAY)
    return np.asarray(np.exp2(-age / half_life), dtype=np.float64)


def _survive_field(name: str, part: _Part, known: _Known) -> pa.Table:
    """Return the rows of PROFILE of one field, by customer."""
    several = np.bincount(part.customer, minlength=len(known.customers))[part.customer] > 1
    alone, many = np.flatnonzero(~several), np.flatnonzero(several)
    alone = alone[np.argsort(part.customer[alone], kind="stable")]
    dictionary, value = _sorted_codes(pa.chunked_array([part.values.take(pa.array(many))]))
    found = _ranked(part, many, value, known)
    won = np.flatnonzero(found.wins)
    customer = np.concatenate([part.customer[alone], found.customer[won]])
    order = np.argsort(customer, kind="stable")

    def joined(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([first, second])[order]

    values = pa.concat_arrays([part.values.take(pa.array(alone)), dictionary.take(pa.array(found.value[won]))])
    losers = np.flatnonzero(~found.wins)[::-1]
    losers = losers[np.argsort(found.customer[losers], kind="stable")]
    width = np.bincount(found.customer[losers], minlength=len(known.customers))[customer[order]]
    why = joined(np.zeros(len(alone), dtype=np.int64), found.why[won])
    columns: dict[str, Any] = {
        "customer_id": known.customers.take(pa.array(customer[order])),
        "field": pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(order), dtype=np.int8)), [name]).cast(
            pa.string()
        ),
        "value": values.take(pa.array(order)),
        "belief": pa.array(joined(_rounded(part.belief[alone]), found.belief[won])),
        "source": pa.array(known.sources).take(pa.array(joined(part.source[alone], found.source[won]))),
        "at": _instants(joined(part.at[alone], found.at[won])),
        "sources": pa.array(joined(np.ones(len(alone), dtype=np.int64), found.sources[won]), pa.int32()),
        "why": pa.array(_WHY).take(pa.array(why)),
        "lost": _lost(found, losers, width, dictionary, known),
    }
    return pa.Table.from_arrays([columns[f.name] for f in PROFILE], schema=PROFILE)


def _rounded(belief: Floats) -> Floats:
    """Return belief to twelve decimals, so that the order of a sum tells no values apart."""
    return np.asarray(np.round(belief, 12))


def _instants(at: Ints) -> pa.Array:
    return pa.array(np.where(at == _NEVER, 0, at), pa.int64(), mask=at == _NEVER).cast(INSTANT)


def _lost(found: _Candidates, losers: Ints, width: Ints, dictionary: pa.Array, known: _Known) -> pa.Array:
    columns = [
        dictionary.take(pa.array(found.value[losers])),
        pa.array(found.belief[losers]),
        pa.array(known.sources, pa.string()).take(pa.array(found.source[losers])),
        _instants(found.at[losers]),
    ]
    items = pa.StructArray.from_arrays(columns, fields=list(LOST))
    offsets = np.concatenate([[0], np.cumsum(width)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=PROFILE.field("lost").type)


def _last_of(keys: Ints) -> NDArray[np.bool_]:
    """Return which entries are the last of their run of equal keys."""
    return np.append(keys[1:] != keys[:-1], True) if len(keys) else np.zeros(0, dtype=np.bool_)


def _ranked(part: _Part, rows: Ints, value: Ints, known: _Known) -> _Candidates:
    """Return the values that compete among some observations, of customers who have several."""
    customer, source, at = part.customer[rows], part.source[rows], part.at[rows]
    belief = part.belief[rows]
    rank = _rank(customer, source, at, belief, known)
    pair = customer * (int(value.max(initial=0)) + 1) + value
    # Each source counts once for a value: with its strongest observation.
    order = np.lexsort((at, belief, source, pair))
    order = order[_last_of(pair[order] * (len(known.sources) + 1) + source[order])]
    order = order[np.lexsort((at[order], belief[order], rank[order], pair[order]))]
    last = _last_of(pair[order])
    starts = np.flatnonzero(np.concatenate([[True], last[:-1]])) if len(order) else np.zeros(0, dtype=np.int64)
    if not len(order):
        none = np.zeros(0, dtype=np.int64)
        return _Candidates(none, none, np.zeros(0), none, none, none, none, np.zeros(0, dtype=np.bool_))
    with np.errstate(divide="ignore"):
        joint = _rounded(-np.expm1(np.add.reduceat(np.log1p(-np.minimum(belief[order], 1.0)), starts)))
    strongest = order[last]
    # Belief is that of all sources together; time is the latest at which one of them said so.
    latest = np.maximum.reduceat(at[order], starts)
    count = np.diff(np.append(starts, len(order)))
    said = {
        "corrected": (rank[strongest] == 2).astype(np.float64),
        "answered": (rank[strongest] == 1).astype(np.float64),
        "belief": joint,
        "freshest": latest,
    }
    criteria = [said[c] for c in known.rule.order]
    # The alphabet comes last, so that the order of the rows never decides.
    ranked = np.lexsort((-value[strongest], *reversed(criteria), customer[strongest]))
    best = strongest[ranked]
    return _Candidates(
        customer=customer[best],
        value=value[best],
        belief=joint[ranked],
        source=source[best],
        at=at[best],
        sources=count[ranked],
        why=_why([c[ranked] for c in criteria], customer[best], count[ranked], known.rule.order),
        wins=_last_of(customer[best]),
    )


def _rank(customer: Ints, source: Ints, at: Ints, belief: Floats, known: _Known) -> Ints:
    """Return 2 for a customer's last correction, 1 for their last answer, where still believed, 0 for all else."""
    ranks = np.array([{CORRECTED: 2, ANSWERED: 1}.get(s, 0) for s in known.sources], dtype=np.int64)
    rank = np.where(belief >= known.rule.outdated_below, ranks[source], 0)
    said = np.flatnonzero(rank)
    said = said[np.lexsort((at[said], source[said], customer[said]))]
    last = _last_of(customer[said] * (len(known.sources) + 1) + source[said])
    rank[said[~last]] = 0
    return rank


def _why(criteria: Sequence[NDArray[Any]], customer: Ints, count: Ints, order: Sequence[Criterion]) -> Ints:
    """Return why each value would win over the one before it, as a place in WHY."""
    rival = np.concatenate([[False], customer[1:] == customer[:-1]])
    why = np.where(rival, _WHY.index("TIE"), np.where(count > 1, _WHY.index("AGREED"), _WHY.index("ONLY")))
    for name, values in zip(reversed(order), reversed(criteria), strict=True):
        differs = rival & np.concatenate([[False], values[1:] != values[:-1]])
        why = np.where(differs, _WHY.index(name.upper()), why)
    return why.astype(np.int64)


def sentence(row: Mapping[str, Any]) -> str:
    """Return in one sentence why a row of PROFILE, as plain values, holds the value it does."""
    told = WHY[row["why"]]
    if row["why"] in ("ONLY", "AGREED"):
        return f"{told[0].upper()}{told[1:]}."
    rival = row["lost"][0]
    shown = f"{row['belief']:.2f} against {rival['belief']:.2f} for {rival['value']!r} of {rival['source']}"
    return f"{told[0].upper()}{told[1:]}: {shown}."


def profile_lines(rows: Sequence[Mapping[str, Any]], several: Sequence[str] = ("email", "phone")) -> list[str]:
    """Return the profile of a customer as lines of text: value, source, time, belief, why, and what lost.

    Parameters
    ----------
    rows : rows of PROFILE as plain values
    several : fields of which a customer can have more than one; what does not survive there is another, not wrong
    """
    lines = []
    for row in rows:
        sources = "" if row["sources"] == 1 else f" and {row['sources'] - 1} more"
        lines.append(
            f"{row['field']}: {row['value']}  [{row['source']}{sources}, {_day(row['at'])}, belief "
            f"{row['belief']:.2f}] {sentence(row)}"
        )
        word = "also" if row["field"] in several else "lost"
        lines += [
            f"  {word}: {one['value']}  [{one['source']}, {_day(one['at'])}, belief {one['belief']:.2f}]"
            for one in row["lost"]
        ]
    return lines


def _day(at: datetime | None) -> str:
    return "time not known" if at is None else at.date().isoformat()
