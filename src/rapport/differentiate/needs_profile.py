"""Profiles of classes of customers: what they buy, when, at what price, why perhaps, and what they do not buy.

Why it exists: a group is of use when a person can say who they are. Figures are measured and carry intervals; reasons
are rules applied to figures, so they are marked as assumed and say which figure they rest on. No query may enter.

References
----------
Cochran (1977), "Sampling techniques", section 6.4: the standard error of a ratio of sums over customers. Rothman
(2008), "Modern epidemiology", chapter 4: indirect standardisation, observed over expected at everyone's rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from rapport.differentiate.needs_counts import Floats, Integers
from rapport.differentiate.needs_names import plain_words, value_in_words
from rapport.differentiate.needs_sql import WHAT

Z: Final = 1.959964
LEAST_BUYERS: Final = 20
MUCH: Final = 1.15
"""Ratio to everyone from which a behaviour is said to be more than usual."""

LITTLE: Final = 0.85
DRAWN: Final = 1.05
"""Response from which, with an interval above 1, discounts are said to draw a class."""

ELSEWHERE: Final = 0.7
"""Share of the spend of comparable others in a department below which it may go elsewhere."""

FEW_STORES: Final = 0.5
"""Share of a class's baskets below which a thing counts as not stocked where they shop."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A thing or behaviour of a class: its share in its view, that of everyone, and the ratio of the two."""

    view: str
    name: str
    share: float
    everyone: float
    ratio: float
    customers: int


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How discounts draw a class.

    Attributes
    ----------
    discount_share : float
        Discount over regular price, in money.
    bought_on_discount : float
        Share of lines.
    response, response_low, response_high : float
        Lines bought on discount over those expected if everyone's share held for the same things; 95 % interval over
        customers. Above 1: discounts draw them more than others.
    """

    discount_share: float
    bought_on_discount: float
    response: float
    response_low: float
    response_high: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a class may buy, or not buy, something; `because` is the measured figure that the rule reads."""

    reason: str
    because: str
    basis: str = "assumed"


@dataclass(frozen=True, slots=True)
class Lacking:
    """A thing that comparable customers buy more often: shares of customers, and why that may be."""

    name: str
    share: float
    peers: float
    gap_low: float
    gap_high: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Next:
    """A thing that has not been bought yet: mean chance, and how many of the class are expected to buy it."""

    name: str
    probability: float
    expected_buyers: float
    candidates: int


@dataclass(frozen=True)
class Profile:
    """All that is said of one class of customers; figures of none are None or empty."""

    label: str
    name: str
    customers: int
    top: tuple[Feature, ...] = ()
    over_indexed: tuple[Feature, ...] = ()
    behaviour: tuple[Feature, ...] = ()
    months: tuple[tuple[int, float, float], ...] = ()
    sensitivity: Sensitivity | None = None
    things_each: float | None = None
    things_everyone: float | None = None
    days_each: float | None = None
    days_everyone: float | None = None
    reasons: tuple[Reason, ...] = ()
    next_purchase: tuple[Next, ...] = ()
    lacking: tuple[Lacking, ...] = ()
    value_by_tier: tuple[tuple[str, int, int], ...] = field(default=())


def features_of(rows: Sequence[Mapping[str, object]], classes: Sequence[str]) -> dict[str, dict[str, list[Feature]]]:
    """Return the features of each class by view, in the order of their share, from `class_features_sql`."""
    n = {c: {} for c in classes}  # type: dict[str, dict[tuple[str, str], tuple[int, int]]]
    for row in rows:
        n[str(row["class"])][str(row["view"]), str(row["value"])] = (int(str(row["n"])), int(str(row["customers"])))
    everyone: dict[tuple[str, str], int] = {}
    for mine in n.values():
        for key, (count, _) in mine.items():
            everyone[key] = everyone.get(key, 0) + count
    whole: dict[str, int] = {}
    for (view, _), count in everyone.items():
        whole[view] = whole.get(view, 0) + count
    found: dict[str, dict[str, list[Feature]]] = {}
    for name, mine in n.items():
        by_view: dict[str, list[Feature]] = {}
        totals: dict[str, int] = {}
        for (view, _), (count, _) in mine.items():
            totals[view] = totals.get(view, 0) + count
        for (view, value), (count, customers) in mine.items():
            share, base = count / totals[view], everyone[view, value] / whole[view]
            told = value_in_words(view, value)
            by_view.setdefault(view, []).append(Feature(view, told, share, base, share / base, customers))
        found[name] = {v: sorted(f, key=lambda x: (-x.share, x.name)) for v, f in by_view.items()}
    return found


def over_indexed(things: Sequence[Feature], most: int) -> tuple[Feature, ...]:
    """Return the things whose share is furthest above everyone's, of those with enough buyers in the class.

    Ranked by share x ln(ratio), the thing's part of the divergence from everyone, so that the rare does not crowd.
    """
    there = [t for t in things if t.customers >= LEAST_BUYERS and t.ratio >= MUCH]
    return tuple(sorted(there, key=lambda t: (-t.share * np.log(t.ratio), t.name))[:most])


def sensitivity_of(
    lines: Integers, cut: Integers, expected_ppm: Integers, money: tuple[int, int]
) -> Sensitivity | None:
    """Return how discounts draw a class, or None where nobody buys anything that is ever on discount.

    Parameters
    ----------
    lines, cut, expected_ppm : int64 arrays, shape (n,)
        Of each customer; see `needs_profile_sql.customer_prices_sql`.
    money : (sales, discount) of the class in micros
    """
    expected = expected_ppm / 1e6
    total, regular = float(expected.sum()), money[0] + money[1]
    if total <= 0 or regular <= 0:
        return None
    ratio = float(cut.sum()) / total
    error = Z * float(np.sqrt(((cut - ratio * expected) ** 2).sum())) / total
    return Sensitivity(money[1] / regular, float(cut.sum() / lines.sum()), ratio, ratio - error, ratio + error)


def is_drawn(found: Sensitivity | None) -> bool:
    """Return whether discounts draw a class more than others: by `DRAWN`, and beyond chance."""
    return found is not None and found.response >= DRAWN and found.response_low > 1.0


def likely_reasons(profile: Profile) -> tuple[Reason, ...]:
    """Return why a class may buy here, by stated rules, the order being that of the rules.

    Price: discounts draw them (`is_drawn`), or own label or low prices from `MUCH` times
    everyone's share. Quality: high prices. Habit and freshness: days with a purchase. Variety: different things.
    Convenience: small baskets. Stocking up: large baskets. Brands: others than the own label.
    """
    found: list[Reason] = []
    ratio = {(f.view, f.name): f.ratio for f in profile.behaviour}
    mine = profile.sensitivity
    if mine is not None and is_drawn(mine):
        told = f"on discount {mine.response:.2f} times as often as everyone buys the same things"
        found.append(Reason("price: discounts draw them", told))
    for key, reason, told in (
        (("label", "own"), "price: the own label", "own label"),
        (("price", "low"), "price: the cheaper of a kind", "the cheapest third of each category"),
        (("price", "high"), "quality: the dearer of a kind", "the dearest third of each category"),
        (("basket", "1 item"), "convenience: single things when needed", "baskets of one item"),
        (("basket", "16 or more items"), "stocking up in large baskets", "baskets of 16 or more items"),
    ):
        if ratio.get(key, 0.0) >= MUCH:
            found.append(Reason(reason, f"{told}: {ratio[key]:.2f} times everyone's share"))
    for each, everyone, more, less in (
        (profile.days_each, profile.days_everyone, "habit and freshness: they come often", None),
        (profile.things_each, profile.things_everyone, "variety: they use the whole shop", "a few things only"),
    ):
        if each is None or not everyone:
            continue
        if each >= MUCH * everyone and more:
            found.append(Reason(more, f"{each:.1f} against {everyone:.1f} for everyone"))
        if each <= LITTLE * everyone and less:
            found.append(Reason(less, f"{each:.1f} against {everyone:.1f} for everyone"))
    return tuple(found)


@dataclass(frozen=True)
class Peers:
    """How many customers of a class, and of all others, bought each thing, stratum by stratum.

    size, others : (strata,) int64, customers
    bought, others_bought : (strata, things) int64, buyers
    """

    size: Integers
    others: Integers
    bought: Integers
    others_bought: Integers


def gaps_to_peers(peers: Peers) -> tuple[Floats, Floats, Floats]:
    """Return for each thing the class's share of buyers, that of comparable others, and the standard error of the
    gap.

    Others are weighted to the class's strata (direct standardisation). Strata without others are left out of both.

    Returns
    -------
    share, expected, error : float64 arrays, shape (things,)
    """
    held = (peers.size > 0) & (peers.others > 0)
    size, others = peers.size[held].astype(np.float64), peers.others[held].astype(np.float64)
    if not held.any():
        nothing = np.zeros(peers.bought.shape[1])
        return nothing, nothing.copy(), nothing.copy()
    weight = (size / size.sum())[:, None]
    mine, theirs = peers.bought[held] / size[:, None], peers.others_bought[held] / others[:, None]
    noise = weight**2 * (mine * (1 - mine) / size[:, None] + theirs * (1 - theirs) / others[:, None])
    return (weight * mine).sum(axis=0), (weight * theirs).sum(axis=0), np.sqrt(noise.sum(axis=0))


@dataclass(frozen=True)
class Around:
    """What is known of things beside who buys them, for the reasons why somebody may not.

    offered : things that the turn's catalogue holds
    stocked : thing -> share of the class's baskets bought where it is sold; empty where stores are not known
    rarely_cut : things on discount less often than the typical thing
    spend_ratio : thing -> the class's spend in its department over that of others with the same household size; empty
        where household sizes are not known
    """

    offered: frozenset[str]
    stocked: Mapping[str, float]
    rarely_cut: frozenset[str]
    spend_ratio: Mapping[str, float]


def why_not(thing: str, around: Around, sensitivity: Sensitivity | None) -> tuple[Reason, ...]:
    """Return why a class may not buy a thing that comparable others buy, by stated rules; never more than assumed."""
    found: list[Reason] = []
    stocked = around.stocked.get(thing, 0.0) if around.stocked else None
    if stocked is not None and stocked < FEW_STORES:
        found.append(Reason("not stocked where they shop", f"sold in the stores of {stocked:.0%} of their baskets"))
    if thing not in around.offered:
        found.append(Reason("not offered", "no offer of this turn is about it"))
    if is_drawn(sensitivity) and thing in around.rarely_cut:
        found.append(Reason("price: seldom on discount", "discounts draw them, and it is discounted less than most"))
    spend = around.spend_ratio.get(thing, 1.0)
    if spend < ELSEWHERE:
        told = f"in its department they spend {spend:.0%} of what others with the same household size do here"
        found.append(Reason("bought elsewhere", told))
    return tuple(found) or (Reason("no need, or never tried", "nothing else stands against it"),)


def lacking_of(
    peers: Peers, things: Sequence[str], around: Around, sensitivity: Sensitivity | None, most: int
) -> tuple[Lacking, ...]:
    """Return the things that a class lacks most beside comparable others, where the gap is beyond chance."""
    share, expected, error = gaps_to_peers(peers)
    gap = expected - share
    places = np.flatnonzero((gap - Z * error > 0) & (expected > 0))
    order = places[np.argsort(-gap[places], kind="stable")][:most]
    return tuple(
        Lacking(
            name=plain_words(things[i]),
            share=float(share[i]),
            peers=float(expected[i]),
            gap_low=float(gap[i] - Z * error[i]),
            gap_high=float(gap[i] + Z * error[i]),
            reasons=why_not(things[i], around, sensitivity),
        )
        for i in order.tolist()
    )


def things_of(features: Mapping[str, Sequence[Feature]]) -> Sequence[Feature]:
    """Return the things among the features of a class."""
    return features.get(WHAT, ())
