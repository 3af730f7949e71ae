"""What the edits of the worksheet mean for the customers and offers of one turn.

Why it exists: people edit groups, customers and products; the decision reads pairs of a customer and an offer.
Nothing is chosen here, and what is reported of an offer does not change by a boost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import WorksheetInvalid, nearest
from rapport.core.tables import BOOSTS, STATES
from rapport.workflows.conditions import with_tier
from rapport.workflows.limits import STRONGEST_BOOST
from rapport.workflows.worksheet_edits import BY_CUSTOMER, Edit

NOT_KNOWN = "(not known)"
"""The group of customers for whom a column says nothing."""

NEEDS = "needs_group"
"""Column of needs groups, where a turn has them."""


@dataclass(frozen=True)
class Boosts:
    """Boosted pairs by customer: positions in the catalogue are ascending; lists of row i lie from ``start[i]``."""

    start: NDArray[np.int64]
    offers: NDArray[np.int32]
    boosts: NDArray[np.float64]

    def pairs(self, offers: int) -> NDArray[np.int64]:
        """Return one number for each pair: row times the number of offers, plus position; ascending."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start)) * offers + self.offers


@dataclass(frozen=True)
class Steering:
    """The edits in force worked out for n customers.

    edits : all in force
    vetoes : pairs of an offer's position and the rows of customers who may not get it
    boosted : an offer's position, the rows of customers, ascending, and the factors by which it counts for them
    idle : edits about a product without an offer, or a group or customer that nobody is
    """

    edits: tuple[Edit, ...]
    n: int
    vetoes: tuple[tuple[int, NDArray[np.int64]], ...]
    boosted: tuple[tuple[int, NDArray[np.int64], NDArray[np.float64]], ...]
    idle: tuple[Edit, ...]


def with_groups(states: pa.Table, scores: pa.Table) -> pa.Table:
    """Return the states with tier and, where the scores have them, the needs groups; in the order of both."""
    table = with_tier(states, np.array(scores["tier"].to_pylist(), dtype=np.str_))
    if NEEDS in scores.column_names and scores[NEEDS].null_count < len(scores) and NEEDS not in table.column_names:
        table = table.append_column(NEEDS, scores[NEEDS])
    return table


def groupings(table: pa.Table) -> list[str]:
    """Return what customers of a table may be grouped by: tier, needs groups, top department, and their traits."""
    first = [c for c in ("tier", NEEDS) if c in table.column_names]
    traits = [
        f.name
        for f in table.schema
        if pa.types.is_string(f.type) and (f.name == "top_department" or f.name not in STATES.names)
    ]
    return [*first, *(t for t in traits if t not in first)]


def segments_of(table: pa.Table, by: str, where: str = "--by") -> tuple[NDArray[np.int64], list[str]]:
    """Return the group of each customer, as a position, and the names of the groups in order.

    Parameters
    ----------
    table : states with the columns that make groups, `tier` among them
    by : one of `groupings`

    Raises
    ------
    WorksheetInvalid
        There is no such grouping.
    """
    if by not in groupings(table):
        allowed = [*groupings(table), BY_CUSTOMER]
        more = " The turn has no needs groups." if by == NEEDS else ""
        raise WorksheetInvalid(
            f"{where}: is {by!r}; must be one of: {', '.join(allowed)}.{more}{nearest(by, allowed)}"
        )
    coded = table[by].combine_chunks().cast(pa.string()).fill_null(NOT_KNOWN).dictionary_encode()
    names: list[str] = coded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=lambda i: (names[i] == NOT_KNOWN, names[i]))
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return place[coded.indices.to_numpy()], [names[i] for i in order]


class _Members:
    """Who each edit is about."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._groups: dict[str, tuple[NDArray[np.int64], dict[str, int]]] = {}
        self._ids: dict[str, int] | None = None

    def of(self, by: str, segment: str) -> NDArray[np.int64]:
        """Return the rows of the customers, none where nobody is of the group."""
        if by == BY_CUSTOMER:
            if self._ids is None:
                self._ids = {c: i for i, c in enumerate(self._table["customer_id"].to_pylist())}
            return np.array([self._ids[segment]] if segment in self._ids else [], dtype=np.int64)
        if by not in groupings(self._table):
            # A grouping of an earlier turn, such as a trait that is no longer mapped: nobody is of it.
            return np.zeros(0, dtype=np.int64)
        if by not in self._groups:
            codes, names = segments_of(self._table, by)
            self._groups[by] = codes, {n: i for i, n in enumerate(names)}
        codes, places = self._groups[by]
        return np.flatnonzero(codes == places.get(segment, -1))


def steer(edits: Sequence[Edit], table: pa.Table, catalogue: pa.Table, levers: NDArray[np.float64]) -> Steering:
    """Return what edits mean for the customers and offers of a turn.

    Parameters
    ----------
    table : states of n customers with `tier`
    catalogue : Table of `core.tables.CATALOGUE`, J offers
    levers : (J,) the boost of each offer by levers

    Raises
    ------
    WorksheetInvalid
        Boosts of several groups and levers together are beyond what can be counted.

    Notes
    -----
    A veto holds whatever else is said. Boosts of several groups that a customer is of multiply, as levers do.
    """
    offer_of = {item: j for j, item in enumerate(catalogue["item"].to_pylist())}
    members, idle = _Members(table), []
    vetoes: dict[int, list[NDArray[np.int64]]] = {}
    factors: dict[int, list[tuple[NDArray[np.int64], float]]] = {}
    for edit in edits:
        j = offer_of.get(edit.product, -1)
        rows = members.of(edit.by, edit.segment)
        if j < 0 or not len(rows):
            idle.append(edit)
            continue
        if edit.veto:
            vetoes.setdefault(j, []).append(rows)
        if edit.boost:
            factors.setdefault(j, []).append((rows, 1.0 + edit.boost))
    boosted = tuple((j, *_multiplied(pairs)) for j, pairs in sorted(factors.items()))
    for j, _, factor in boosted:
        strongest = float(factor.max()) * (1.0 + float(levers[j]))
        if strongest > 1.0 + STRONGEST_BOOST:
            raise WorksheetInvalid(
                f"worksheet.csv: boosts of {catalogue['item'][j].as_py()!r}, and levers on it, multiply to "
                f"{strongest:g} for a customer; at most {1.0 + STRONGEST_BOOST:g} is allowed. Lower a boost."
            )
    return Steering(
        edits=tuple(edits),
        n=len(table),
        vetoes=tuple((j, np.unique(np.concatenate(rows))) for j, rows in sorted(vetoes.items())),
        boosted=boosted,
        idle=tuple(idle),
    )


def _multiplied(pairs: list[tuple[NDArray[np.int64], float]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the customers of several edits, each once, and the product of the factors of those they are of."""
    rows, place = np.unique(np.concatenate([r for r, _ in pairs]), return_inverse=True)
    factor = np.ones(len(rows))
    np.multiply.at(factor, place, np.concatenate([np.full(len(r), f) for r, f in pairs]))
    return rows, factor


def veto(excluded: NDArray[np.int8], steering: Steering, code: int) -> None:
    """Mark, in `excluded` (n, J), the open offers that are vetoed; what another reason excludes keeps it."""
    for j, rows in steering.vetoes:
        mine = rows[excluded[rows, j] == 0]
        excluded[mine, j] = code


def boosts_for(steering: Steering, excluded: NDArray[np.int8]) -> Boosts | None:
    """Return the boosts of open offers, None where no edit boosts anything."""
    if not steering.boosted:
        return None
    rows, offers, boosts = [], [], []
    for j, who, factor in steering.boosted:
        mine = (factor != 1.0) & (excluded[who, j] == 0)
        rows.append(who[mine])
        offers.append(np.full(int(mine.sum()), j, dtype=np.int32))
        boosts.append(factor[mine] - 1.0)
    row, offer, boost = np.concatenate(rows), np.concatenate(offers), np.concatenate(boosts)
    order = np.lexsort((offer, row))
    start = np.zeros(steering.n + 1, dtype=np.int64)
    np.cumsum(np.bincount(row, minlength=steering.n), out=start[1:])
    return Boosts(start, offer[order], boost[order])


def with_boosts(table: pa.Table, found: Boosts) -> pa.Table:
    """Return scores with the columns `core.tables.BOOSTS`."""
    start = pa.array(found.start.astype(np.int32))
    for field, values in zip(BOOSTS, (found.offers, found.boosts), strict=True):
        lists = pa.ListArray.from_arrays(start, pa.array(values, field.type.value_type), type=field.type)
        table = table.append_column(field, lists)
    return table


def touches(edits: Sequence[Edit], table: pa.Table, catalogue: pa.Table, excluded: NDArray[np.int8]) -> list[int]:
    """Return for how many customers each edit meets an offer that is open, vetoes left aside; see `steer`."""
    offer_of = {item: j for j, item in enumerate(catalogue["item"].to_pylist())}
    members = _Members(table)
    return [
        int((excluded[members.of(e.by, e.segment), offer_of[e.product]] == 0).sum()) if e.product in offer_of else 0
        for e in edits
    ]


def edits_about(edits: Sequence[Edit], table: pa.Table) -> list[Edit]:
    """Return the edits that concern a customer, given as a table of one row with the columns that make groups."""
    members = _Members(table)
    return [e for e in edits if len(members.of(e.by, e.segment))]


def worksheet_record(steering: Steering) -> dict[str, Any]:
    """Return the edits as plain values for the turn's limits.json; nothing where nobody made any."""
    if not steering.edits:
        return {}
    edits = [asdict(e) for e in steering.edits]
    told = hashlib.blake2b(repr([(e.key, e.veto, e.boost) for e in steering.edits]).encode(), digest_size=6)
    return {"worksheet": {"version": told.hexdigest(), "edits": edits}}


def worksheet_version(declared: Mapping[str, Any]) -> Iterator[str]:
    """Yield what names the edits in a policy's version; nothing where nobody made any."""
    if "worksheet" in declared:
        yield f"worksheet {declared['worksheet']['version']}"


def worksheet_counts(steering: Steering, excluded: NDArray[np.int8], code: int) -> dict[str, Any]:
    """Return what a turn's record says of the worksheet; nothing where nobody made any edits."""
    if not steering.edits:
        return {}
    found = boosts_for(steering, excluded)
    return {
        "worksheet": {
            "edits": len(steering.edits),
            "without_effect": len(steering.idle),
            "vetoed_pairs": int((excluded == code).sum()),
            "boosted_pairs": 0 if found is None else len(found.offers),
        }
    }
