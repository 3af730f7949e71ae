"""Made-up allocation instances, a family for each way in which shared limits are hard to keep.

Why it exists: a search for prices that is good on one shape of limits can fail on another. Every family is drawn from
a seed and looks like a trade: customers differ in what they are worth, offers in what they bring, many limits bind
and some do not. Where a family has minima, a plan that keeps every limit is planted first and the bounds are set
around it, so that it is known to exist. Nothing is solved here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rapport.simulate.instance_record import (
    ANY_CHANNEL,
    CONTACTS,
    COST,
    OFFERS,
    SILENT,
    CandidateRows,
    Channel,
    Contacts,
    Group,
    Instance,
    InstanceLimit,
    Labels,
    members,
    used_by_plan,
)

CHUNK = 65_536
"""Customers drawn at a time: memory for drawing does not grow with their number."""

HOT = 10
"""Offers that everybody wants in the family `correlated`."""

BUDGET_OF_MANY = 0.6
"""Budget of the family `many_limits`: so many offers for each customer, at what an offer spends on average."""


@dataclass
class _Draft:
    """What all families begin with: a square of candidates, n customers with c each."""

    rng: np.random.Generator
    n: int
    offer: NDArray[np.int32]
    value: NDArray[np.float64]
    spend: NDArray[np.float64]
    offers: int
    size: int = 2
    channels: tuple[Channel, ...] = (Channel("email"),)
    cost: NDArray[np.float64] | None = None
    minutes: NDArray[np.float64] | None = None
    must: NDArray[np.bool_] | None = None
    only: NDArray[np.int8] | None = None
    forced: NDArray[np.bool_] | None = None
    variety: float = 1.0
    kinds: dict[str, int] = field(default_factory=dict)
    customer_labels: dict[str, Labels] = field(default_factory=dict)
    offer_labels: dict[str, Labels] = field(default_factory=dict)
    limits: list[InstanceLimit] = field(default_factory=list)


def _chunks(n: int) -> Iterator[slice]:
    for first in range(0, n, CHUNK):
        yield slice(first, min(n, first + CHUNK))


def _draft(n: int, c: int, offers: int, seed: int) -> _Draft:
    """Draw for each customer distinct offers, their values by customer, offer and chance, and what they give away."""
    rng = np.random.default_rng(seed)
    c = min(c, offers)
    draft = _Draft(rng, n, np.empty((n, c), np.int32), np.empty((n, c)), np.empty((n, c)), offers)
    quality, price = rng.lognormal(0.0, 0.5, offers), np.exp(rng.normal(1.0, 0.6, offers))
    for part in _chunks(n):
        rows = part.stop - part.start
        # Ascending draws moved apart by 0, 1, 2, ...: distinct, and already in order.
        draft.offer[part] = np.sort(rng.integers(0, offers - c + 1, (rows, c)), axis=1) + np.arange(c)
        worth = rng.lognormal(0.0, 0.6, (rows, 1)) * rng.lognormal(0.0, 0.6, (rows, c))
        draft.value[part] = np.round(worth * quality[draft.offer[part]], 4)
        depth = rng.choice([0.1, 0.2, 0.3], (rows, c))
        draft.spend[part] = np.round(depth * price[draft.offer[part]], 2) + 0.01
    return draft


def _is_there(labels: dict[str, Labels], named: Group) -> bool:
    """Return whether anybody has a label: in a small draw nobody may, and no limit can be about nobody."""
    return bool(members(labels[named.by], named.values).any())


def _finish(draft: _Draft) -> Instance:
    draft.limits = [
        x
        for x in draft.limits
        if (x.customers is None or _is_there(draft.customer_labels, x.customers))
        and (not isinstance(x.offers, Group) or _is_there(draft.offer_labels, x.offers))
    ]
    draft.kinds = {k: most for k, most in draft.kinds.items() if _is_there(draft.offer_labels, Group("kind", (k,)))}
    n, c = draft.offer.shape
    routes = len(draft.channels)
    m = n * c
    amounts = {} if draft.minutes is None else {"minutes": draft.minutes}
    return Instance(
        customers=np.arange(n, dtype=np.int64),
        offers=np.arange(draft.offers, dtype=np.int64),
        channels=draft.channels,
        size=draft.size,
        candidates=CandidateRows(
            customer=np.repeat(np.arange(n, dtype=np.int32), c),
            offer=draft.offer.reshape(m),
            channel=np.full(m, ANY_CHANNEL, np.int8) if draft.only is None else draft.only.reshape(m),
            value=draft.value.reshape(m),
            must=np.zeros(m, dtype=bool) if draft.must is None else draft.must.reshape(m),
            amounts={"spend": draft.spend.reshape(m)},
        ),
        contacts=Contacts(np.zeros((n, routes)) if draft.cost is None else draft.cost, amounts),
        limits=tuple(draft.limits),
        forced=np.zeros(n, dtype=bool) if draft.forced is None else draft.forced,
        variety=draft.variety,
        kinds=draft.kinds,
        customer_labels=draft.customer_labels,
        offer_labels=draft.offer_labels,
    )


def _plant(draft: _Draft, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a plan drawn at random: channel by customer and rows taken; the forced always get a channel."""
    n, c = draft.offer.shape
    rng, routes = draft.rng, len(draft.channels)
    channel = np.full(n, SILENT, dtype=np.int64)
    taken: list[NDArray[np.int64]] = []
    most = 1 if draft.kinds else draft.size
    share = max(share, min(1.0, 3.0 / n))
    for part in _chunks(n):
        rows = part.stop - part.start
        open_ = np.ones((rows, routes), bool) if draft.cost is None else np.isfinite(draft.cost[part])
        through = np.where(open_, rng.random((rows, routes)), -1.0).argmax(axis=1)
        spoken = open_.any(axis=1) & (rng.random(rows) < share)
        if draft.forced is not None:
            spoken |= draft.forced[part] & open_.any(axis=1)
        # A good plan leans towards value, or bounds set around it would be too easy to beat.
        score = draft.value[part] * rng.random((rows, c)) + 1e-9
        if draft.only is not None:
            score[(draft.only[part] != ANY_CHANNEL) & (draft.only[part] != through[:, None])] = -1.0
        if draft.must is not None:
            score[draft.must[part] & (score > 0)] += 1e9
        best = np.argsort(-score, axis=1, kind="stable")[:, :most]
        good = np.take_along_axis(score, best, axis=1) > 0
        spoken &= good.any(axis=1) | (False if draft.forced is None else draft.forced[part])
        channel[part] = np.where(spoken, through, SILENT)
        good &= spoken[:, None]
        taken.append(((np.arange(part.start, part.stop)[:, None]) * c + best)[good])
    return channel, np.concatenate(taken)


def _bounded(draft: _Draft, share: float, low: float, high: float) -> Instance:
    """Give every limit a bound around what a planted plan uses: maxima above by a drawn factor, minima just below."""
    planted = _plant(draft, share)
    instance = _finish(draft)
    used = used_by_plan(instance, *planted)
    factors = draft.rng.uniform(low, high, len(used))
    minima = any(limit.at_least for limit in draft.limits)
    limits = []
    for limit, use, factor in zip(draft.limits, used, factors, strict=True):
        least = np.floor(use) if use < 20 else np.floor(0.95 * use)
        bound = least if limit.at_least else np.ceil(use * max(1.0, factor) if minima else use * factor)
        limits.append(replace(limit, bound=float(bound)))
    return replace(instance, limits=tuple(limits))


def _labelled(draft: _Draft, name: str, labels: tuple[str, ...], rows: int) -> Labels:
    return Labels(draft.rng.integers(0, len(labels), rows).astype(np.int32), labels)


def _stocks(draft: _Draft) -> list[InstanceLimit]:
    return [InstanceLimit(f"stock {j}", OFFERS, 0.0, offers=(j,)) for j in range(draft.offers)]


def _departments(draft: _Draft, counts: str = OFFERS) -> list[InstanceLimit]:
    names = tuple(f"department {d}" for d in range(max(2, draft.offers // 10)))
    codes = (np.arange(draft.offers) * len(names) // draft.offers).astype(np.int32)
    draft.offer_labels["department"] = Labels(codes, names)
    return [InstanceLimit(f"{counts} of {d}", counts, 0.0, offers=Group("department", (d,))) for d in names]


_BUDGET = InstanceLimit("budget", "spend", 0.0)


def _slack(draft: _Draft) -> Instance:
    draft.limits = [*_stocks(draft), _BUDGET]
    # Nobody can want more than everybody taking the most they may.
    return _bounded(draft, 1.0, 3.0, 5.0)


def _tight(draft: _Draft) -> Instance:
    draft.limits = [*_stocks(draft), _BUDGET, InstanceLimit("contacts", CONTACTS, 0.0)]
    return _bounded(draft, 0.15, 0.4, 1.4)


def _hierarchical(draft: _Draft) -> Instance:
    draft.limits = [*_stocks(draft), *_departments(draft), InstanceLimit("all offers", OFFERS, 0.0)]
    instance = _bounded(draft, 0.5, 0.7, 1.5)
    stock, inner = instance.limits[: draft.offers], instance.limits[draft.offers : -1]
    departments = instance.offer_labels["department"].codes
    sums = np.bincount(departments, weights=[s.bound for s in stock], minlength=len(inner))
    shares = draft.rng.uniform(0.75, 1.05, len(inner))
    inner = tuple(replace(d, bound=float(np.ceil(s * f))) for d, s, f in zip(inner, sums, shares, strict=True))
    total = replace(instance.limits[-1], bound=float(np.ceil(0.9 * sum(d.bound for d in inner))))
    return replace(instance, limits=(*stock, *inner, total))


def _at_least(draft: _Draft) -> Instance:
    suppliers = tuple(f"supplier {s}" for s in range(max(2, draft.offers // 20)))
    draft.offer_labels["supplier"] = _labelled(draft, "supplier", suppliers, draft.offers)
    draft.customer_labels["region"] = _labelled(draft, "region", ("north", "south", "east", "west"), draft.n)
    draft.cost = np.full((draft.n, 1), 0.3)
    # Promised are offers, and customers, that would not be chosen by value.
    draft.value[members(draft.customer_labels["region"], ("north",))] *= 0.3
    dull = np.flatnonzero(draft.offer_labels["supplier"].codes == 0)
    draft.value[np.isin(draft.offer, dull)] *= 0.2
    draft.limits = [
        *_stocks(draft)[::2],
        _BUDGET,
        InstanceLimit("promised to supplier 0", OFFERS, 0.0, True, offers=Group("supplier", (suppliers[0],))),
        InstanceLimit("seen in the north", CONTACTS, 0.0, True, customers=Group("region", ("north",))),
        InstanceLimit("seen in the south", CONTACTS, 0.0, True, customers=Group("region", ("south",))),
        InstanceLimit("contacts", CONTACTS, 0.0),
    ]
    return _bounded(draft, 0.5, 1.0, 1.2)


def _lumpy(draft: _Draft) -> Instance:
    lumps = draft.rng.choice(
        [1.0, 2.0, 5.0, 20.0, 50.0, 100.0], draft.offer.shape, p=[0.3, 0.3, 0.2, 0.1, 0.07, 0.03]
    )
    draft.spend = lumps
    draft.value = np.round(draft.value * lumps**0.8, 4)
    draft.limits = [_BUDGET, *_departments(draft, "spend")]
    return _bounded(draft, 0.2, 0.5, 1.3)


def _fixed_cost(draft: _Draft) -> Instance:
    draft.size = 4
    # About what the two best offers of a middling customer bring: only together do offers pay for the contact.
    draft.cost = np.full((draft.n, 1), float(np.round(2.0 * np.median(draft.value.max(axis=1)), 2)))
    draft.limits = [*_stocks(draft), InstanceLimit("contact money", COST, 0.0), _BUDGET]
    return _bounded(draft, 0.25, 0.8, 1.6)


def _heavy_tailed(draft: _Draft) -> Instance:
    draft.value = np.round(draft.rng.pareto(1.1, draft.offer.shape) + 0.01, 4)
    draft.spend = np.round(draft.rng.pareto(1.5, draft.offer.shape) + 0.05, 2)
    draft.limits = [*_stocks(draft), _BUDGET]
    return _bounded(draft, 0.3, 0.5, 1.5)


def _correlated(draft: _Draft) -> Instance:
    hot = min(HOT, draft.offer.shape[1])
    draft.offer[:, :hot] = np.arange(hot)
    if draft.offer.shape[1] > hot:
        # The others are drawn again from what is not hot, distinct and in order.
        rest = draft.offer.shape[1] - hot
        for part in _chunks(draft.n):
            drawn = draft.rng.integers(0, draft.offers - hot - rest + 1, (part.stop - part.start, rest))
            draft.offer[part, hot:] = hot + np.sort(drawn, axis=1) + np.arange(rest)
    base = np.sort(draft.rng.lognormal(0.0, 0.3, draft.offers))[::-1]
    base[:hot] *= 4.0
    noise = draft.rng.uniform(0.97, 1.03, draft.offer.shape)
    draft.value = np.round(base[draft.offer] * noise, 4)
    draft.limits = [*_stocks(draft), _BUDGET]
    instance = _bounded(draft, 0.6, 0.8, 1.5)
    scarce = float(max(1, draft.n // 10))
    return replace(
        instance,
        limits=tuple(replace(x, bound=scarce) if j < hot else x for j, x in enumerate(instance.limits)),
    )


def _ties(draft: _Draft) -> Instance:
    draft.value = draft.rng.integers(1, 6, draft.offer.shape).astype(np.float64)
    draft.spend = draft.rng.integers(1, 4, draft.offer.shape).astype(np.float64)
    draft.limits = [*_stocks(draft), _BUDGET]
    return _bounded(draft, 0.4, 0.6, 1.4)


def _many_limits(draft: _Draft) -> Instance:
    draft.limits = [*_stocks(draft), _BUDGET]
    instance = _bounded(draft, 0.5, 0.5, 1.8)
    # Not drawn: instances of different sizes must be equally hard, so that their times can be compared.
    budget = np.ceil(BUDGET_OF_MANY * instance.candidates.amounts["spend"].mean() * draft.n)
    return replace(instance, limits=(*instance.limits[:-1], replace(instance.limits[-1], bound=float(budget))))


def _infeasible_lp(draft: _Draft) -> Instance:
    few = draft.offer == draft.offer[0, 0]
    draft.limits = [*_stocks(draft), _BUDGET]
    instance = _bounded(draft, 0.5, 0.8, 1.5)
    first = int(draft.offer[0, 0])
    # More is promised of an offer than there are customers who may get it.
    promise = InstanceLimit("promised", OFFERS, float(np.count_nonzero(few) + 1), True, offers=(first,))
    return replace(instance, limits=(*instance.limits, promise))


def _infeasible_integer(draft: _Draft) -> Instance:
    draft.spend[:] = 2.0
    instance = _bounded(draft, 0.5, 1.0, 1.0)
    # Every offer spends 2 and exactly an odd sum is asked for: only a fraction of an offer can meet it.
    odd = float(2 * max(1, draft.n // 3) - 1)
    exact = (InstanceLimit("spend at most", "spend", odd), InstanceLimit("spend at least", "spend", odd, True))
    return replace(instance, limits=exact)


def _no_offers(draft: _Draft) -> Instance:
    draft.offer, draft.value, draft.spend = draft.offer[:, :0], draft.value[:, :0], draft.spend[:, :0]
    draft.limits = [InstanceLimit("contacts", CONTACTS, 5.0), replace(_BUDGET, bound=1.0)]
    return _finish(draft)


def _one_customer(draft: _Draft) -> Instance:
    draft.limits = [replace(_BUDGET, bound=float(np.ceil(draft.spend[0].mean())))]
    return _finish(draft)


def _three_channels(draft: _Draft) -> None:
    draft.channels = (Channel("email", 0.6), Channel("print", 1.0), Channel("call", 0.9))
    draft.size = 3
    draft.cost = np.tile(np.array([0.01, 0.5, 1.5]), (draft.n, 1))
    draft.cost[draft.rng.random(draft.cost.shape) < 0.2] = np.inf
    draft.minutes = np.zeros(draft.cost.shape)
    draft.minutes[:, 2] = draft.rng.integers(3, 16, draft.n)
    draft.only = np.where(draft.rng.random(draft.offer.shape) < 0.15, 1, ANY_CHANNEL).astype(np.int8)
    draft.must = np.zeros(draft.offer.shape, dtype=bool)
    draft.must[:, 0] = (draft.rng.random(draft.n) < 0.05) & (draft.only[:, 0] == ANY_CHANNEL)
    draft.forced = draft.rng.random(draft.n) < 0.03
    draft.customer_labels["tier"] = _labelled(draft, "tier", ("gold", "silver", "plain"), draft.n)
    draft.customer_labels["region"] = _labelled(draft, "region", ("north", "south", "east"), draft.n)
    draft.offer_labels["supplier"] = _labelled(draft, "supplier", ("acme", "best", "crown"), draft.offers)
    draft.limits = [
        *_stocks(draft)[::3],
        InstanceLimit("print run", CONTACTS, 0.0, channels=(1,)),
        InstanceLimit("call minutes", "minutes", 0.0, channels=(2,)),
        InstanceLimit("contact money", COST, 0.0),
        InstanceLimit("spend on paper", "spend", 0.0, channels=(1,)),
        InstanceLimit("contacts in the north", CONTACTS, 0.0, customers=Group("region", ("north",))),
        InstanceLimit("gold customers seen", CONTACTS, 0.0, True, customers=Group("tier", ("gold",))),
        InstanceLimit(
            "acme in the south", OFFERS, 0.0, True, None, Group("supplier", ("acme",)), Group("region", ("south",))
        ),
        InstanceLimit(
            "best for gold", OFFERS, 0.0, False, None, Group("supplier", ("best",)), Group("tier", ("gold",))
        ),
    ]


def _mixed(draft: _Draft) -> Instance:
    _three_channels(draft)
    draft.variety = 0.7
    draft.offer_labels["category"] = _labelled(draft, "category", ("dairy", "bread", "fruit", "tea"), draft.offers)
    return _bounded(draft, 0.4, 1.0, 1.4)


def _kinds(draft: _Draft) -> Instance:
    _three_channels(draft)
    draft.kinds = {"discount": 1, "club": 2}
    draft.offer_labels["kind"] = _labelled(draft, "kind", ("discount", "club", "news"), draft.offers)
    return _bounded(draft, 0.4, 1.0, 1.4)


def _crossing(draft: _Draft) -> Instance:
    draft.kinds = {"discount": 1}
    draft.offer_labels["kind"] = _labelled(draft, "kind", ("discount", "news"), draft.offers)
    return _mixed(draft)


FAMILIES: dict[str, Callable[[_Draft], Instance]] = {
    "slack": _slack,
    "tight": _tight,
    "hierarchical": _hierarchical,
    "at_least": _at_least,
    "lumpy": _lumpy,
    "fixed_cost": _fixed_cost,
    "heavy_tailed": _heavy_tailed,
    "correlated": _correlated,
    "ties": _ties,
    "many_limits": _many_limits,
    "infeasible_lp": _infeasible_lp,
    "infeasible_integer": _infeasible_integer,
    "no_offers": _no_offers,
    "one_customer": _one_customer,
    "mixed": _mixed,
    "kinds": _kinds,
    "crossing": _crossing,
}
"""Each family by name."""

INFEASIBLE = ("infeasible_lp", "infeasible_integer")


def make_instance(
    family: str, customers: int, candidates: int = 20, offers: int | None = None, seed: int = 0
) -> Instance:
    """Return an instance of a family.

    Parameters
    ----------
    family : str
        One of `FAMILIES`.
    customers : int
        At least 1; the family `one_customer` always has one.
    candidates : int
        Offers that each customer may get, at least 1; at most the number of offers.
    offers : int, optional
        Default: 1,000 for `many_limits`, else one for each 20 customers, within [candidates + 2, 400].
    seed : int
        The same arguments give the same arrays.

    Raises
    ------
    KeyError
        The family is unknown.
    """
    make = FAMILIES[family]
    if offers is None:
        offers = 1000 if family == "many_limits" else min(400, max(candidates + 2, customers // 20))
    return make(_draft(1 if family == "one_customer" else customers, candidates, offers, seed))
