"""What customers and groups own, what they may buy next with what chance, and why.

Why it exists: a group's profile, an explanation and a list that people edit all ask the same question of the
relevance scores, and must get one answer. Chances are those of the scores, never worked out anew. No query may enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.differentiate.needs_model import NeedsModel
from rapport.differentiate.needs_profile import Next
from rapport.differentiate.needs_sql import WHAT

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Products:
    """The products asked about, in the order of the scores: J names, and the feature of each at the model's level."""

    names: tuple[str, ...]
    things: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """A product for one customer or group: chance to buy it in the window, and why it stands here."""

    index: int
    name: str
    probability: float
    expected_buyers: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnedAndNext:
    """What a customer or group buys already, and what may come next, the likeliest first.

    `share_of_group` of an owned product is in its `expected_buyers` where `who` is a group: customers who bought it.
    """

    who: str
    group: str | None
    customers: int
    owned: tuple[Product, ...]
    next: tuple[Product, ...]


@dataclass(frozen=True)
class Wants:
    """What the scores say of n customers and J products.

    probability : (n, J) float, chance to buy within the window, without an offer
    bought_before, open_to : (n, J) bool; nothing that is not open is proposed
    group : (n,) int64, main needs group, -1 where not known
    """

    probability: Floats
    bought_before: Flags
    open_to: Flags
    group: NDArray[np.int64]


def next_of_customer(
    wants: Wants, row: int, who: str, model: NeedsModel | None, products: Products, most: int
) -> OwnedAndNext:
    """Return what one customer owns and may buy next, each with its reasons.

    Parameters
    ----------
    row : int
        Place of the customer in ``wants``.
    who : str
        What the customer is called in the result.
    model : NeedsModel or None
        Gives the reasons that come from the needs group.
    most : int
        Products of each kind at most.
    """
    chance, before = wants.probability[row], wants.bought_before[row]
    group = int(wants.group[row])
    ratio = _ratios(model, group)
    # Customers of the same group who bought each product: what those alike do.
    alike = wants.group == group
    share = wants.bought_before[alike].mean(axis=0) if alike.any() else np.zeros(len(before))
    everyone = wants.bought_before.mean(axis=0)

    def product(index: int) -> Product:
        reasons: list[str] = []
        if before[index]:
            reasons.append("bought before")
        thing = products.things[index]
        if thing is not None and ratio.get(thing, 0.0) >= 1.15:
            reasons.append(f"{ratio[thing]:.1f} times as usual in their needs group")
        if not before[index] and share[index] > everyone[index]:
            reasons.append(f"{share[index]:.0%} of their needs group buy it, {everyone[index]:.0%} of all customers")
        p = float(chance[index])
        return Product(index, products.names[index], p, p, tuple(reasons) or ("among the likeliest for them",))

    name = model.names[group] if model is not None and group >= 0 else None
    owned = tuple(product(i) for i in _best(np.where(before, chance, -1.0), most))
    later = tuple(product(i) for i in _best(np.where(~before & wants.open_to[row], chance, -1.0), most))
    return OwnedAndNext(who, name, 1, owned, later)


def next_of_group(
    wants: Wants, rows: Flags, who: str, model: NeedsModel | None, products: Products, most: int
) -> OwnedAndNext:
    """Return what a group of customers owns and may buy next; `rows` (n,) marks them.

    Next are the products with most expected buyers among those who never bought them and to whom they are open.
    """
    n = int(rows.sum())
    chance, before = wants.probability[rows], wants.bought_before[rows]
    candidates = ~before & wants.open_to[rows]
    expected = np.where(candidates, chance, 0.0).sum(axis=0)
    able, buyers = candidates.sum(axis=0), before.sum(axis=0)
    everyone = wants.bought_before.mean(axis=0) if len(wants.group) else np.zeros(len(products.names))
    groups = np.unique(wants.group[rows])
    ratio = _ratios(model, int(groups[0])) if len(groups) == 1 else {}

    def product(index: int, probability: float, count: float) -> Product:
        reasons = [f"{buyers[index]:,} of {n:,} have bought it, {everyone[index]:.0%} of all customers"]
        thing = products.things[index]
        if thing is not None and ratio.get(thing, 0.0) >= 1.15:
            reasons.append(f"{ratio[thing]:.1f} times as usual in the group")
        return Product(index, products.names[index], probability, count, tuple(reasons))

    owned = tuple(
        product(i, float(chance[:, i].mean()), float(buyers[i])) for i in _best(buyers - (buyers == 0), most)
    )
    later = tuple(
        product(i, float(expected[i] / able[i]), float(expected[i])) for i in _best(expected - (expected <= 0), most)
    )
    name = model.names[int(groups[0])] if model is not None and len(groups) == 1 and groups[0] >= 0 else None
    return OwnedAndNext(who, name, n, owned, later)


def next_purchases(found: OwnedAndNext, wants: Wants, rows: Flags) -> tuple[Next, ...]:
    """Return the next products of a group as its profile shows them."""
    able = (~wants.bought_before[rows] & wants.open_to[rows]).sum(axis=0)
    return tuple(Next(p.name, p.probability, p.expected_buyers, int(able[p.index])) for p in found.next)


def _best(value: NDArray[np.floating] | NDArray[np.integer], most: int) -> list[int]:
    """Return the places of the largest values of 0 or more, the first of equals first."""
    order = np.argsort(-np.asarray(value, dtype=np.float64), kind="stable")[:most]
    return [int(i) for i in order if value[i] >= 0]


def _ratios(model: NeedsModel | None, group: int) -> Mapping[str, float]:
    """Return how many times as usual each thing is in a group."""
    if model is None or group < 0 or model.k < 2:
        return {}
    words = model.vocabulary
    ratio = model.groups.profile[group] / words.base
    return {f.value: float(r) for f, r in zip(words.features, ratio.tolist(), strict=True) if f.view == WHAT}


def open_offers(excluded: Sequence[Sequence[int]]) -> Flags:
    """Return which offers are open to whom, from the column ``excluded`` of the scores."""
    return np.array([[code == 0 for code in row] for row in excluded], dtype=np.bool_)
