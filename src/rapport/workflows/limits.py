"""What a programme declares of all customers together, worked out for the customers and offers of one turn.

Why it exists: a person writes conditions; the decision reads positions. Each condition is checked, asked of the
engine once, and kept as which customers and which offers it holds for. Nothing is chosen and no price is set here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import LimitInvalid, OfferInvalid
from rapport.core.money import to_micros
from rapport.decide.terms import SharedLimit
from rapport.program.model import Program
from rapport.program.shared import IN_MONEY, Limit
from rapport.workflows.conditions import Asked, check_declared, subject_of_each
from rapport.workflows.ports import Engine

STRONGEST_BOOST = 1000.0
"""Largest product of the boosts on one offer; values stay within whole micros of 64 bits."""


@dataclass(frozen=True)
class Lists:
    """A list of positions for each of n rows: those of row i are ``values[start[i]:start[i + 1]]``, ascending."""

    start: NDArray[np.int64]
    values: NDArray[np.int32]

    def split(self) -> list[NDArray[np.int32]]:
        """Return the lists apart, one array for each row."""
        return np.split(self.values, self.start[1:-1]) if len(self.start) > 1 else []

    def rows(self) -> NDArray[np.int64]:
        """Return the row of each value."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def matrix(self, width: int) -> NDArray[np.bool_]:
        """Return which of `width` positions each row has, shape (n, width)."""
        out = np.zeros((len(self.start) - 1, width), dtype=np.bool_)
        out[self.rows(), self.values] = True
        return out

    @classmethod
    def of(cls, rows: NDArray[np.int64], values: NDArray[np.int32], n: int) -> Lists:
        """Return the lists of n rows from pairs in the order of rows, then values."""
        start = np.zeros(n + 1, dtype=np.int64)
        np.cumsum(np.bincount(rows, minlength=n), out=start[1:])
        return cls(start, values.astype(np.int32))

    @classmethod
    def where(cls, mask: NDArray[np.bool_]) -> Lists:
        """Return for each row of a mask of shape (n, width) the positions where it holds."""
        rows, values = np.nonzero(mask)
        return cls.of(rows, values.astype(np.int32), len(mask))


@dataclass(frozen=True)
class Declared:
    """What a programme declares, for n customers and J offers; S scopes and I includes.

    limits : the shared limits, one for each value where the programme says `each`
    scopes : (S,) the classes of customers that limits are about, as text
    in_scope : the positions of the scopes that hold for each customer
    must : positions in the catalogue of the offers that conditions demand for each customer, open or not
    includes : (n, I) which includes hold
    forced : (n,) whether an include that is forced holds
    with_text : (n,) whether an include with a text holds
    boost : (J,) the product of (1 + boost) over the active levers, less 1; 0 where there is none
    kind : (J,) position of the offer's kind, -1 for none
    kind_most, kind_names : (kinds,) how many of a kind may stand together, and its name
    """

    limits: tuple[SharedLimit, ...]
    scopes: tuple[str, ...]
    in_scope: Lists
    must: Lists
    includes: NDArray[np.bool_]
    forced: NDArray[np.bool_]
    with_text: NDArray[np.bool_]
    boost: NDArray[np.float64]
    kind: NDArray[np.int32]
    kind_most: NDArray[np.int32]
    kind_names: tuple[str, ...]

    @property
    def member(self) -> NDArray[np.bool_]:
        """Which scopes hold for each customer, shape (n, S)."""
        return self.in_scope.matrix(len(self.scopes))

    @property
    def musts(self) -> list[NDArray[np.int32]]:
        """The positions of the demanded offers, one array for each customer."""
        return self.must.split()


def declares_nothing(program: Program) -> bool:
    """Return whether a programme has no limits, levers, kinds or includes."""
    return not (program.limits or program.levers or program.kinds or program.includes)


class _Scopes:
    """The classes of customers that limits are about; limits about the same class share its position."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._positions: dict[tuple[str | None, str | None, str | None], int] = {}
        self._columns: list[NDArray[np.int32]] = []
        self.texts: list[str] = []

    def of_condition(self, limit: Limit) -> int | None:
        """Return the scope of a limit's condition on customers, None where it is about everyone."""
        if limit.customers is None:
            return None
        where = f"limits.{limit.name}.customers"
        checked = self._asked.check(limit.customers, "customers", where)
        key = (checked, None, None)
        if key not in self._positions:
            position = self._add(key, limit.customers)
            self._columns.append(np.where(self._asked.holds(limit.customers, "customers", where), position, -1))
        return self._positions[key]

    def of_values(self, limit: Limit, column: str) -> dict[str, int]:
        """Return the scope of each value of a column of customers: the values given, or all that members have."""
        where = f"limits.{limit.name}.customers"
        said = limit.customers
        checked = None if said is None else self._asked.check(said, "customers", where)
        coded = self._asked.states[column].combine_chunks().dictionary_encode()
        values: list[str] = coded.dictionary.to_pylist()
        codes = coded.indices.fill_null(-1).to_numpy().astype(np.int64)
        if said is not None:
            codes = np.where(self._asked.holds(said, "customers", where), codes, -1)
        there = [values[c] for c in np.unique(codes[codes >= 0])]
        wanted = sorted(limit.amounts if limit.amounts is not None else there)
        new = {
            v: self._add((checked, column, v), _of_value(said, column, v))
            for v in wanted
            if self._is_new(v, key=(checked, column))
        }
        if new:
            # The last place is for customers without a value, whose code is -1.
            places = np.array([*(new.get(v, -1) for v in values), -1], dtype=np.int32)
            self._columns.append(places[codes])
        return {v: self._positions[checked, column, v] for v in wanted}

    def _is_new(self, value: str, key: tuple[str | None, str]) -> bool:
        return (*key, value) not in self._positions

    def _add(self, key: tuple[str | None, str | None, str | None], text: str) -> int:
        self._positions[key] = len(self.texts)
        self.texts.append(text)
        return self._positions[key]

    def lists(self) -> Lists:
        """Return the positions of the scopes of each customer."""
        n = len(self._asked.states)
        if not self._columns:
            return Lists(np.zeros(n + 1, dtype=np.int64), np.zeros(0, dtype=np.int32))
        table = np.sort(np.stack(self._columns, axis=1), axis=1)
        rows, places = np.nonzero(table >= 0)
        return Lists.of(rows, table[rows, places], n)


def _of_value(condition: str | None, column: str, value: str) -> str:
    quoted = value.replace("'", "''")
    return f"{column} = '{quoted}'" if condition is None else f"({condition}) and {column} = '{quoted}'"


def declared_limits(engine: Engine, program: Program, catalogue: pa.Table, states: pa.Table) -> Declared:
    """Return what a programme declares, worked out for the offers and customers of a turn.

    Parameters
    ----------
    catalogue : Table of `core.tables.CATALOGUE`, J offers in their order
    states : Table of n customers in key order: `core.tables.STATES`, the traits, and `tier`

    Raises
    ------
    RuleRefused
        A condition holds something that rules may not, or cannot be worked out; nothing was asked before all
        were checked.
    ProgramInvalid
        `each` names no column that it may.
    OfferInvalid
        An offer is of two kinds.
    LimitInvalid
        Levers boost an offer beyond `STRONGEST_BOOST`.
    """
    check_declared(program, [c for c in states.column_names if c != "tier"])
    asked = Asked(engine, catalogue, states)
    scopes = _Scopes(asked)
    limits = [s for limit in program.limits for s in _expanded(limit, program, asked, scopes)]
    kind, kind_most, kind_names = _kinds(program, asked)
    includes, forced = _includes(program, asked)
    return Declared(
        limits=tuple(limits),
        scopes=tuple(scopes.texts),
        in_scope=scopes.lists(),
        must=_musts(program, asked, includes),
        includes=includes,
        forced=forced,
        with_text=np.logical_or.reduce(includes[:, [i.text is not None for i in program.includes]], axis=1),
        boost=_boosts(program, asked),
        kind=kind,
        kind_most=kind_most,
        kind_names=kind_names,
    )


def _expanded(limit: Limit, program: Program, asked: Asked, scopes: _Scopes) -> Iterator[SharedLimit]:
    """Yield the limit, or one for each value of the column that `each` names."""
    if limit.each is None:
        offers = None if limit.offers is None else _positions(_matching(limit, asked))
        yield _shared(limit, program, None, offers, scopes.of_condition(limit))
    elif subject_of_each(limit, [c for c in asked.states.column_names if c != "tier"]) == "customers":
        offers = None if limit.offers is None else _positions(_matching(limit, asked))
        for value, scope in scopes.of_values(limit, limit.each).items():
            yield _shared(limit, program, value, offers, scope)
    else:
        scope_of_all = scopes.of_condition(limit)
        for value, places in _by_value(limit, limit.each, asked).items():
            yield _shared(limit, program, value, places, scope_of_all, asked)


def _matching(limit: Limit, asked: Asked) -> NDArray[np.bool_]:
    return asked.holds(limit.offers or "true", "offers", f"limits.{limit.name}.offers")


def _positions(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(mask).tolist())


def _by_value(limit: Limit, column: str, asked: Asked) -> dict[str, tuple[int, ...]]:
    """Return the positions of the matching offers by the values of a column, or by those for which amounts stand."""
    found: dict[str, list[int]] = {v: [] for v in limit.amounts or ()}
    values = asked.catalogue[column].to_pylist()
    bounds = asked.catalogue[limit.at_most_from].to_pylist() if limit.at_most_from else [0] * len(values)
    for place in _positions(_matching(limit, asked)):
        value = values[place]
        if value is None or bounds[place] is None or (limit.amounts is not None and value not in found):
            continue
        found.setdefault(value, []).append(place)
    return {v: tuple(found[v]) for v in sorted(found)}


def _shared(
    limit: Limit,
    program: Program,
    value: str | None,
    offers: tuple[int, ...] | None,
    scope: int | None,
    asked: Asked | None = None,
) -> SharedLimit:
    names = [c.name for c in program.channels]
    channels = range(len(names)) if limit.channels is None else sorted(names.index(c) for c in limit.channels)
    if limit.at_most_from is not None and asked is not None and offers:
        bound = float(asked.catalogue[limit.at_most_from][offers[0]].as_py())
    elif limit.amounts is not None and value is not None:
        bound = limit.amounts[value]
    else:
        bound = limit.at_least if limit.at_least is not None else limit.at_most or 0.0
    least = limit.at_least is not None or (limit.amounts is not None and limit.amounts_are == "at_least")
    return SharedLimit(
        name=limit.name if value is None else f"{limit.name}:{value}",
        counts=limit.counts,
        at_least=least,
        bound=float(to_micros(bound)) if limit.counts in IN_MONEY else float(bound),
        channels=tuple(channels),
        offers=offers,
        scope=scope,
    )


def _boosts(program: Program, asked: Asked) -> NDArray[np.float64]:
    factor = np.ones(len(asked.catalogue), dtype=np.float64)
    active = [(lever, asked.holds(lever.offers, "offers", f"levers.{lever.name}.offers")) for lever in program.levers]
    active = [(lever, mask) for lever, mask in active if lever.active]
    for lever, mask in active:
        factor[mask] *= 1.0 + lever.boost
    if len(beyond := np.flatnonzero(factor > STRONGEST_BOOST)):
        offer = asked.catalogue["offer_id"][int(beyond[0])].as_py()
        names = ", ".join(lever.name for lever, mask in active if mask[beyond[0]])
        raise LimitInvalid(
            f"program.toml: levers {names} raise offer {offer!r} to {factor[beyond[0]]:g} times its value; together "
            f"they may raise it to at most {STRONGEST_BOOST:g} times. Lower a boost or switch a lever off."
        )
    return factor - 1.0


def _kinds(program: Program, asked: Asked) -> tuple[NDArray[np.int32], NDArray[np.int32], tuple[str, ...]]:
    """Return each offer's kind, and each kind's most and name; those of `each` in the order of their values."""
    kind = np.full(len(asked.catalogue), -1, dtype=np.int32)
    most: list[int] = []
    names: list[str] = []
    for declared in program.kinds:
        matching = _positions(asked.holds(declared.offers, "offers", f"kinds.{declared.name}.offers"))
        values = [None] * len(kind) if declared.each is None else asked.catalogue[declared.each].to_pylist()
        places = [p for p in matching if declared.each is None or values[p] is not None]
        of = {p: declared.name if declared.each is None else f"{declared.name}:{values[p]}" for p in places}
        numbers = {n: len(names) + i for i, n in enumerate(sorted(set(of.values()) or {declared.name}))}
        for place in places:
            if kind[place] >= 0:
                offer = asked.catalogue["offer_id"][place].as_py()
                raise OfferInvalid(
                    f"program.toml: offer {offer!r} is of the kinds {names[kind[place]]} and {of[place]}; an offer "
                    f"has one kind at most. Narrow kinds.{declared.name}.offers."
                )
            kind[place] = numbers[of[place]]
        names += numbers
        most += [declared.at_most] * len(numbers)
    return kind, np.array(most, dtype=np.int32), tuple(names)


def _includes(program: Program, asked: Asked) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which includes hold for each customer, (n, I), and for whom a forced one does, (n,)."""
    found = np.zeros((len(asked.states), len(program.includes)), dtype=np.bool_)
    for i, include in enumerate(program.includes):
        found[:, i] = asked.holds(include.customers, "customers", f"includes.{include.name}.customers")
    forced = np.array([i.forced for i in program.includes], dtype=np.bool_)
    return found, np.logical_or.reduce(found & forced, axis=1)


def _musts(program: Program, asked: Asked, includes: NDArray[np.bool_]) -> Lists:
    """Return the offers that the includes demand for each customer."""
    demanding = [i for i, include in enumerate(program.includes) if include.offers is not None]
    offers = [
        asked.holds(str(program.includes[i].offers), "offers", f"includes.{program.includes[i].name}.offers")
        for i in demanding
    ]
    n = len(includes)
    if not demanding or n == 0:
        return Lists(np.zeros(n + 1, dtype=np.int64), np.zeros(0, dtype=np.int32))
    # Customers for whom the same includes hold get the same offers: few patterns stand for many customers.
    patterns, which = np.unique(includes[:, demanding], axis=0, return_inverse=True)
    wanted = [
        np.flatnonzero(np.any([o for o, on in zip(offers, p, strict=True) if on], axis=0))
        if p.any()
        else np.zeros(0, dtype=np.int64)
        for p in patterns
    ]
    lengths = np.array([len(w) for w in wanted])
    which = which.reshape(-1)
    start = np.concatenate([[0], np.cumsum(lengths[which])]).astype(np.int64)
    values = np.concatenate([wanted[p] for p in which]).astype(np.int32)
    return Lists(start, values)


def open_musts(
    declared: Declared, excluded: NDArray[np.int8], program: Program, customer_ids: pa.ChunkedArray
) -> Lists:
    """Return the demanded offers that nothing excludes for the customer.

    Parameters
    ----------
    excluded : (n, J) 0 where an offer is open to a customer

    Raises
    ------
    LimitInvalid
        More offers must stand in a portfolio than fit, or more of one kind than may stand together.
    """
    rows, values = declared.must.rows(), declared.must.values
    is_open = excluded[rows, values] == 0
    kept = Lists.of(rows[is_open], values[is_open], len(excluded))
    size = program.policy.portfolio_size
    counts = np.diff(kept.start)
    if counts.max(initial=0) > size:
        row = int(np.argmax(counts > size))
        told = f"{counts[row]} offers in the portfolio; at most {size} fit (policy.portfolio_size)"
        raise _too_many(told, row, declared, program, customer_ids)
    rows, kinds = kept.rows(), declared.kind[kept.values]
    of_kind, times = np.unique(rows[kinds >= 0] * len(declared.kind_most) + kinds[kinds >= 0], return_counts=True)
    beyond = times > declared.kind_most[of_kind % max(len(declared.kind_most), 1)]
    if beyond.any():
        first = int(np.argmax(beyond))
        row, kind = divmod(int(of_kind[first]), len(declared.kind_most))
        told = (
            f"{times[first]} offers of the kind {declared.kind_names[kind]}; at most {declared.kind_most[kind]} may "
            f"stand together"
        )
        raise _too_many(told, row, declared, program, customer_ids)
    return kept


def _too_many(
    told: str, row: int, declared: Declared, program: Program, customer_ids: pa.ChunkedArray
) -> LimitInvalid:
    names = [p.name for p, on in zip(program.includes, declared.includes[row], strict=True) if on and p.offers]
    return LimitInvalid(
        f"program.toml: includes {', '.join(names)} demand for customer {customer_ids[row].as_py()!r} {told}. "
        f"Narrow the conditions of the includes."
    )


def limits_record(declared: Declared, program: Program) -> dict[str, Any]:
    """Return what is global of the declarations as plain values, for the turn's limits.json."""
    return {
        "limits": [asdict(limit) for limit in declared.limits],
        "scopes": list(declared.scopes),
        "boost": declared.boost.tolist(),
        "kind": declared.kind.tolist(),
        "kind_most": declared.kind_most.tolist(),
        "kind_names": list(declared.kind_names),
        "includes": [p.model_dump(include={"name", "text", "why"}) for p in program.includes],
    }


def limits_from(record: Mapping[str, Any]) -> tuple[SharedLimit, ...]:
    """Return the limits that `limits_record` wrote."""
    return tuple(
        SharedLimit(
            **{
                **limit,
                "channels": tuple(limit["channels"]),
                "offers": None if limit["offers"] is None else tuple(limit["offers"]),
            }
        )
        for limit in record["limits"]
    )


def limit_counts(declared: Declared) -> dict[str, Any]:
    """Return what a turn's record says of the limits: how many, and those that nothing or nobody falls under."""
    members = np.bincount(declared.in_scope.values, minlength=len(declared.scopes))
    return {
        "limits": len(declared.limits),
        "limits_without_offers": [p.name for p in declared.limits if p.offers is not None and not p.offers],
        "limits_without_customers": [p.name for p in declared.limits if p.scope is not None and not members[p.scope]],
    }
