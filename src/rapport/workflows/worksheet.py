"""Make the worksheet of a planned turn: what segments or customers own, and what could come next, and why.

Why it exists: people see the figures that the decision goes by and put in what they know. The figures are those of
the turn; what is vetoed is shown as if it were open, so that people see what a veto costs. No file is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.errors import StageMissing, StateDamaged, UnknownCustomer, WorksheetInvalid, nearest
from rapport.core.money import MICROS
from rapport.differentiate.next_products import (
    GroupProducts,
    Known,
    OfferTerms,
    best_products,
    customer_products,
    group_products,
)
from rapport.differentiate.next_reasons import (
    Companions,
    CustomerFigures,
    GroupFigures,
    GroupHabits,
    Habits,
    companions_of,
    group_habits,
    habits_of,
    why_for_customer,
    why_for_group,
)
from rapport.differentiate.relevance_history import day_number
from rapport.program.model import Program
from rapport.workflows.plays_laid import sold
from rapport.workflows.ports import Engine, Progress
from rapport.workflows.score import VETOED, read_history
from rapport.workflows.state import make_purchases, open_tables
from rapport.workflows.state_ports import Store
from rapport.workflows.worksheet_columns import MOST_ROWS, Matrix, Worksheet, row_key
from rapport.workflows.worksheet_edits import BY_CUSTOMER, Edit, read_edits
from rapport.workflows.worksheet_steer import segments_of, with_groups

CHUNK = 2_000
"""Customers whose rows are made together."""

OWNS = 5
"""Products named as what a segment or a customer has bought most."""


@dataclass(frozen=True)
class Asked:
    """What a worksheet is to hold.

    by : what makes the segments; ``customer`` for single customers
    customers : with ``customer``, their ids, or how many of the most valuable; None for all
    products : so many for each segment; None for all that are open to anybody of it
    """

    by: str = "tier"
    customers: tuple[str, ...] | int | None = None
    products: int | None = None


@dataclass(frozen=True)
class Given:
    """The tables of a planned turn, as a worksheet reads them; n customers, J offers.

    customers : states with tier
    items, offers : of each offer, what it is about; the cells of a row that only depend on it
    delivered : the rows and the offers of what is delivered
    """

    turn: str
    as_of: date
    record: dict[str, Any]
    customers: pa.Table
    values: NDArray[np.int64]
    catalogue: pa.Table
    items: list[str]
    offers: list[tuple[str, str | None, float, float]]
    known: Known
    terms: OfferTerms
    basis: str
    delivered: tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class Past:
    """What past purchases say: habits, and what is bought together."""

    habits: Habits
    companions: Companions


def read_given(store: Store, turn: str) -> Given:
    """Return the tables of a turn, without reasons to talk; raise StageMissing where it has not been planned."""
    if not store.has_table(turn, "decisions"):
        raise StageMissing(f"turn {turn} has no decisions yet. Run: rapport plan with the programme's folder")
    states, scores, catalogue, decisions = (
        store.read_table(turn, n) for n in ("states", "scores", "catalogue", "decisions")
    )
    record = store.read_json(store.turn_folder(turn) / "turn.json")
    models = store.read_json(store.turn_folder(turn) / "terms.json")["models"]
    n, kept = len(scores), sold(catalogue)
    catalogue = catalogue.filter(pa.array(kept))

    def matrix(name: str) -> NDArray[Any]:
        values = scores[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return values.reshape(n, len(kept))[:, kept]

    excluded = matrix("excluded")
    customers = with_groups(states, scores)
    told = decisions.filter(decisions["deliver"])
    width = told["offer_ids"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
    who = np.searchsorted(scores["customer_key"].to_numpy(), told["customer_key"].to_numpy())
    offer = pc.index_in(
        told["offer_ids"].combine_chunks().flatten(), value_set=catalogue["offer_id"].combine_chunks()
    )
    valid = offer.is_valid().to_numpy(zero_copy_only=False)
    return Given(
        turn=turn,
        as_of=date.fromisoformat(record["as_of"]),
        record=record,
        customers=customers,
        values=scores["actual_value_micros"].fill_null(0).to_numpy(),
        catalogue=catalogue,
        items=catalogue["item"].to_pylist(),
        offers=_cells_of_offers(catalogue),
        known=Known(matrix("base_probability"), (excluded == 0) | (excluded == VETOED), matrix("bought_before")),
        terms=OfferTerms(
            catalogue["price_micros"].to_numpy(),
            catalogue["margin_share"].to_numpy(),
            catalogue["depth"].to_numpy(),
            models["odds_ratio"],
            models["odds_ratio_low"],
            models["odds_ratio_high"],
        ),
        basis=models["basis"],
        delivered=(np.repeat(who, width)[valid], offer.drop_null().to_numpy().astype(np.int64)),
    )


def _cells_of_offers(catalogue: pa.Table) -> list[tuple[str, str | None, float, float]]:
    """Return name, department, margin of a sale and margin with the offer, in units of the currency."""
    price, margin, depth = (catalogue[c].to_numpy() for c in ("price_micros", "margin_share", "depth"))
    sale, less = np.round(price * margin / MICROS, 4), np.round(price * (margin - depth) / MICROS, 4)
    names, departments = catalogue["name"].to_pylist(), catalogue["department"].to_pylist()
    return list(zip(names, departments, sale.tolist(), less.tolist(), strict=True))


def read_past(
    make_engine: Callable[[], AbstractContextManager[Engine]], program: Program, given: Given, store: Store
) -> Past:
    """Return what purchases before the day of the turn say; raise StateDamaged where the loaded tables are gone."""
    loaded = store.loaded_folder(given.record["stages"]["load"]["sources_digest"])
    if not (loaded / "transactions.parquet").is_file():
        raise StateDamaged(
            f"{loaded}: the loaded tables of turn {given.turn} are gone, so there are no reasons to tell. "
            f"Begin a new turn."
        )
    with make_engine() as engine:
        open_tables(engine, loaded)
        make_purchases(engine, program, given.as_of)
        history = read_history(engine, given.customers["customer_key"].to_numpy(), given.catalogue, given.as_of)
    return Past(habits_of(history, day_number(given.as_of)), companions_of(given.known.before))


def make_worksheet(
    program: Program, base: Path, given: Given, past: Past, asked: Asked, progress: Progress
) -> Worksheet:
    """Return the worksheet of a turn.

    Raises
    ------
    WorksheetInvalid
        There is no such grouping, or there would be more rows than a sheet holds.
    UnknownCustomer
        A customer asked for is not in the turn.
    """
    in_force = {e.key: e for e in read_edits(base)}
    edits = _Edits(program.name, in_force, {item: j for j, item in enumerate(given.items)})
    if asked.by == BY_CUSTOMER:
        chosen = _customers(given, asked)
        most = len(given.catalogue) if asked.products is None else min(asked.products, len(given.catalogue))
        count = len(chosen) * most
        _refuse_too_many(count, asked)
        rows = list(_customer_rows(given, past, chosen, asked.products, edits, progress))
        return Worksheet(_about(program, given, asked), len(rows), iter(rows), _maps(given, "tier"), program.currency)
    codes, names = segments_of(given.customers, asked.by)
    progress.start("products of each segment", len(given.catalogue))
    found = group_products(given.known, codes, len(names), given.terms, progress.advance)
    progress.finish()
    picked = [
        edits.with_edited(asked.by, name, best)
        for name, best in zip(names, best_products(found, asked.products), strict=True)
    ]
    count = sum(len(p) for p in picked)
    _refuse_too_many(count, asked)
    rows_of_groups = _group_rows(given, past, (codes, names), (found, picked), asked.by, edits)
    return Worksheet(_about(program, given, asked), count, rows_of_groups, _maps(given, asked.by), program.currency)


def _refuse_too_many(count: int, asked: Asked) -> None:
    if count > MOST_ROWS:
        advice = "Name fewer --customers" if asked.by == BY_CUSTOMER else "Group by a column with fewer values"
        raise WorksheetInvalid(
            f"worksheet: would have {count:,} rows; a sheet of Excel holds {MOST_ROWS:,}. "
            f"{advice}, or fewer --products."
        )


@dataclass(frozen=True)
class _Edits:
    """The edits in force, and what belongs to them in a row."""

    program: str
    in_force: dict[tuple[str, str, str], Edit]
    offer_of: dict[str, int]

    def with_edited(self, by: str, segment: str, offers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the offers, then those that are edited for the segment and not among them."""
        mine = [self.offer_of.get(p, -1) for b, s, p in self.in_force if (b, s) == (by, segment)]
        there = set(offers.tolist())
        return np.array([*offers.tolist(), *sorted(j for j in mine if j >= 0 and j not in there)], dtype=np.int64)

    def cells(self, by: str, segment: str, product: str) -> tuple[Any, ...]:
        """Return the cells that people fill in."""
        edit = self.in_force.get((by, segment, product))
        if edit is None:
            return None, None, None, None
        return "yes" if edit.veto else None, edit.boost or None, edit.reason or None, edit.note or None


def _row(
    given: Given,
    edits: _Edits,
    key: tuple[str, str, str],
    found: GroupProducts,
    at: tuple[int, int],
    told: tuple[Any, ...],
) -> tuple[Any, ...]:
    """Return one row; `told` holds what is owned most, how many are given the offer, and why."""
    s, j = at
    name, department, margin, with_offer = given.offers[j]
    owns, now, why = told
    count = int(found.open_to[s, j])
    return (
        *key,
        name,
        *edits.cells(*key),
        department,
        int(found.members[s]),
        int(found.owned[s, j]) / max(int(found.members[s]), 1),
        owns,
        count,
        int(found.pays[s, j]) / count if count else None,
        *(_number(getattr(found, n)[s, j]) for n in ("mean", "least", "median", "most", "response")),
        margin,
        with_offer,
        *(int(getattr(found, n)[s, j]) / MICROS for n in ("expected", "low", "high")),
        given.basis,
        now,
        "; ".join(why),
        row_key(edits.program, *key),
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _group_rows(
    given: Given,
    past: Past,
    groups: tuple[NDArray[np.int64], list[str]],
    chosen: tuple[GroupProducts, list[NDArray[np.int64]]],
    by: str,
    edits: _Edits,
) -> Iterator[tuple[Any, ...]]:
    (codes, names), (found, picked), items = groups, chosen, given.items
    habits = group_habits(past.habits, codes, len(names), len(items))
    who, offer = given.delivered
    now = np.bincount(codes[who] * len(items) + offer, minlength=len(names) * len(items)).reshape(len(names), -1)
    for s, name in enumerate(names):
        members = int(found.members[s])
        top = [int(j) for j in np.argsort(-found.owned[s], kind="stable")[:OWNS] if found.owned[s, j]]
        owns = ", ".join(f"{items[j]} {found.owned[s, j] / max(members, 1):.0%}" for j in top)
        for j in picked[s].tolist():
            why = why_for_group(_figures(name, s, j, found, habits, past.companions, items))
            yield _row(given, edits, (by, name, items[j]), found, (s, j), (owns, int(now[s, j]), why))


def _figures(
    name: str, s: int, j: int, found: GroupProducts, habits: GroupHabits, companions: Companions, items: list[str]
) -> GroupFigures:
    first = int(companions.item[j, 0])
    return GroupFigures(
        name=name,
        members=int(found.members[s]),
        owned=int(found.owned[s, j]),
        open_to=int(found.open_to[s, j]),
        never=int(found.never[s, j]),
        pays=int(found.pays[s, j]),
        overall=float(companions.overall[j]),
        keep=int(habits.keep[s, j]),
        every_days=float(habits.every_days[s, j]),
        due=int(habits.due[s, j]),
        companion=items[first] if first >= 0 else None,
        companion_share=float(companions.share[j, 0]),
    )


def _customers(given: Given, asked: Asked) -> NDArray[np.int64]:
    """Return the rows of the customers asked for, the most valuable first where ids are not given."""
    if isinstance(asked.customers, tuple):
        ids = given.customers["customer_id"].to_pylist()
        place = {c: i for i, c in enumerate(ids)}
        for c in asked.customers:
            if c not in place:
                raise UnknownCustomer(
                    f"--customers: customer {c!r} is not in turn {given.turn}, which has {len(ids):,} customers."
                    f"{nearest(c, ids)} Ids are those of the sources."
                )
        return np.array([place[c] for c in dict.fromkeys(asked.customers)], dtype=np.int64)
    order = np.lexsort((np.arange(len(given.values)), -given.values))
    return order[: asked.customers]


def _customer_rows(
    given: Given, past: Past, chosen: NDArray[np.int64], most: int | None, edits: _Edits, progress: Progress
) -> Iterator[tuple[Any, ...]]:
    ids, tiers = (given.customers[c].to_pylist() for c in ("customer_id", "tier"))
    items, owned = given.items, _owned_by_tier(given, tiers)
    habits = _HabitOf(past.habits, len(items))
    who, offer = given.delivered
    delivered = set((who * len(items) + offer).tolist())
    progress.start("products of each customer", len(chosen))
    for first in range(0, len(chosen), CHUNK):
        rows = chosen[first : first + CHUNK]
        k = given.known
        found = customer_products(Known(k.base[rows], k.open_to[rows], k.before[rows]), given.terms)
        for s, (i, best) in enumerate(zip(rows.tolist(), best_products(found, most), strict=True)):
            mine, owns = habits.items_of(i), habits.most_bought(i, items)
            for j in edits.with_edited(BY_CUSTOMER, ids[i], best).tolist():
                tier = f"tier {tiers[i]}", float(owned[tiers[i]][j])
                beside = _beside(past.companions, j, mine, items)
                pays = bool(found.pays[s, j])
                why = why_for_customer(CustomerFigures(*habits.of(i, j), *beside, *tier, pays))
                key = (BY_CUSTOMER, ids[i], items[j])
                now = int(i * len(items) + j in delivered)
                yield _row(given, edits, key, found, (s, j), (owns, now, why))
        progress.advance(len(rows))
    progress.finish()


def _owned_by_tier(given: Given, tiers: list[str]) -> dict[str, NDArray[np.float64]]:
    told = np.array(tiers)
    return {t: given.known.before[told == t].mean(axis=0) for t in sorted(set(tiers))}


class _HabitOf:
    """Finds the habit of one customer."""

    def __init__(self, habits: Habits, offers: int) -> None:
        self._h, self._offers = habits, offers
        self._pair = habits.customer.astype(np.int64) * offers + habits.item

    def _span(self, i: int) -> tuple[int, int]:
        first, stop = np.searchsorted(self._pair, [i * self._offers, (i + 1) * self._offers])
        return int(first), int(stop)

    def items_of(self, i: int) -> set[int]:
        """Return the items a customer ever bought."""
        first, stop = self._span(i)
        return set(self._h.item[first:stop].tolist())

    def most_bought(self, i: int, items: list[str]) -> str:
        """Return the items a customer bought on most days, in words."""
        first, stop = self._span(i)
        order = first + np.argsort(-self._h.days[first:stop], kind="stable")[:OWNS]
        return ", ".join(f"{items[self._h.item[p]]} on {self._h.days[p]} days" for p in order.tolist())

    def of(self, i: int, j: int) -> tuple[int, float, int, bool]:
        """Return purchase days, their mean distance, days since the last, and whether it is due."""
        p = int(np.searchsorted(self._pair, i * self._offers + j))
        if p == len(self._pair) or self._pair[p] != i * self._offers + j:
            return 0, np.nan, 0, False
        h = self._h
        return int(h.days[p]), float(h.every_days[p]), int(h.since[p]), bool(h.due[p])


def _beside(companions: Companions, j: int, mine: set[int], items: list[str]) -> tuple[str | None, float]:
    """Return what goes best with an item among those that a customer bought, and how often."""
    for k, companion in enumerate(companions.item[j].tolist()):
        if companion >= 0 and companion in mine:
            return items[companion], float(companions.share[j, k])
    return None, 0.0


def _maps(given: Given, by: str) -> tuple[Matrix, Matrix]:
    """Return the map of up-selling and cross-selling: which departments segments buy from, and are offered now."""
    codes, names = segments_of(given.customers, by)
    of_offer = [d or "(none)" for d in given.catalogue["department"].to_pylist()]
    departments = sorted(set(of_offer))
    place = {d: i for i, d in enumerate(departments)}
    column = np.array([place[d] for d in of_offer], dtype=np.int64)
    n, width = len(codes), len(departments)
    size = np.maximum(np.bincount(codes, minlength=len(names)), 1)

    def shares(there: NDArray[np.bool_]) -> list[list[float]]:
        return [(there[codes == s].sum(axis=0) / size[s]).round(4).tolist() for s in range(len(names))]

    owned, now = np.zeros((n, width), dtype=np.bool_), np.zeros((n, width), dtype=np.bool_)
    for d in range(width):
        owned[:, d] = given.known.before[:, column == d].any(axis=1)
    who, offer = given.delivered
    now[who, column[offer]] = True
    named = tuple(names), tuple(departments)
    return (
        Matrix(
            "owned", f"Share of each {by}'s customers who have bought from the department.", *named, shares(owned)
        ),
        Matrix(
            "next",
            f"Share of each {by}'s customers to whom this turn gives an offer of the department.",
            *named,
            shares(now),
        ),
    )


def _about(program: Program, given: Given, asked: Asked) -> tuple[tuple[str, str], ...]:
    who = "all customers" if asked.customers is None else f"the {asked.customers} most valuable customers"
    if isinstance(asked.customers, tuple):
        who = f"{len(asked.customers)} customers by id"
    many = (
        "all products that are open to anybody"
        if asked.products is None
        else f"the {asked.products} products that could bring most"
    )
    lift = given.terms
    return (
        ("programme", program.name),
        ("turn", given.turn),
        ("as of", given.as_of.isoformat()),
        ("grouped by", asked.by),
        ("rows", f"{many}, for {who if asked.by == BY_CUSTOMER else f'each {asked.by}'}; and whatever is edited"),
        ("currency", program.currency),
        ("lift", f"odds ratio {lift.odds_ratio:g} ({lift.low:g} to {lift.high:g}), {program.lift.basis}"),
        ("digest", given.record["program_digest"]),
    )
