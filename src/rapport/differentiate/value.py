"""What each customer is worth over a horizon, in money, with an interval and a flag below zero.

Why it exists: every later step (tiers, how much may be spent to keep someone, whom to leave alone) starts from
one number a customer, and that number needs its uncertainty beside it. It joins expected purchases and
expected spend, takes off what it costs to serve, and discounts. Everything is element by element: a customer
alone and in a batch of a million gets the same bits. No decision about an offer may enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.core.money import round_micros
from rapport.core.reasons import Basis, Status
from rapport.differentiate.cost_ahead import cost_ahead, full_days, with_those_who_never_bought
from rapport.differentiate.lifetime import (
    LifetimeModel,
    alive_probability,
    checked_history,
    purchase_tail,
    purchases_if_alive,
)
from rapport.differentiate.lifetime_model import Rows
from rapport.differentiate.likelihood import Floats, Integers
from rapport.differentiate.spend import SpendModel, expected_spend_micros

YEAR_DAYS: Final = 365.0
INTERVAL: Final = 0.80
# Gauss-Legendre on [0, 1], three nodes: exact to the fifth degree, and purchases over time bend far less.
DISCOUNT_NODES: Final = (0.5 - np.sqrt(0.15), 0.5, 0.5 + np.sqrt(0.15))
DISCOUNT_WEIGHTS: Final = (5 / 18, 8 / 18, 5 / 18)
# Money beyond this does not fit int64 with room for a sum; 4.6e12 currency units.
MOST_MICROS: Final = 2.0**62


@dataclass(frozen=True, slots=True)
class PurchaseHistory:
    """What is known of each customer before the day of the decision; arrays of shape (n,).

    Attributes
    ----------
    frequency : array
        Repeat purchase days, >= 0.
    recency_days, age_days : array
        Days from first to last purchase, and from first purchase to now; 0 <= recency <= age.
    mean_micros : array
        Mean contribution of a purchase day, micros; may be below zero.
    averaged_days : array, optional
        Purchase days that ``mean_micros`` was taken over; None means ``frequency`` (repeat purchases only).
    bought : bool array, optional
        False where there is no purchase yet: the other columns are then ignored. None means all bought.
    """

    frequency: ArrayLike
    recency_days: ArrayLike
    age_days: ArrayLike
    mean_micros: ArrayLike
    averaged_days: ArrayLike | None = None
    bought: ArrayLike | None = None


@dataclass(frozen=True, slots=True)
class ValueTerms:
    """Over how long, and on which terms, value is counted.

    Attributes
    ----------
    horizon_days : float
        Days from now, > 0.
    yearly_discount : float
        0.10 makes a contribution in a year worth 1 / 1.10 of one today; 0 <= value <= 10.
    cost_to_serve_micros : array of shape (n,) or scalar, optional
        Assumed cost of a purchase day beside the cost of goods, micros, >= 0. None: none is assumed.
    season : float
        Factor of the horizon's purchases over those of a mean year, > 0; see ``seasons``.
    yearly_cost_micros : array of shape (n,), optional
        What serving costs a year beside purchase days (returns, service, deliveries, bids), micros, >= 0. It goes on
        for as long as the customer stays; of who never bought, over the whole horizon. None: none.
    """

    horizon_days: float
    yearly_discount: float = 0.0
    cost_to_serve_micros: ArrayLike | None = None
    season: float = 1.0
    yearly_cost_micros: ArrayLike | None = None


@dataclass(frozen=True, slots=True)
class CustomerValues:
    """Value of each customer over the horizon; read-only arrays of shape (n,) in the order given.

    Attributes
    ----------
    alive_probability : float64 array, in [0, 1]
    expected_purchases : float64 array
        Purchase days within the horizon, not discounted.
    expected_spend_micros : int64 array
        Expected contribution of one purchase day, before the cost to serve.
    expected_contribution_micros : int64 array
        Discounted, after the cost to serve.
    low_micros, high_micros : int64 arrays
        The middle 80 % of what the number of purchases may bring.
    below_zero : bool array
        Expected contribution < 0: serving this customer is expected to cost money.
    no_purchase : bool array
        No purchase yet; every number of the customer is 0, but for what serving them costs.
    status : Status
        That of the lifetime model, or that of the spend model where the first is OK.
    cost_basis : Basis
        ASSUMED where a cost to serve was taken off, else MEASURED.
    """

    alive_probability: Floats
    expected_purchases: Floats
    expected_spend_micros: Integers
    expected_contribution_micros: Integers
    low_micros: Integers
    high_micros: Integers
    below_zero: NDArray[np.bool_]
    no_purchase: NDArray[np.bool_]
    status: Status
    cost_basis: Basis


def value_customers(
    history: PurchaseHistory, lifetime: LifetimeModel, spend: SpendModel, terms: ValueTerms
) -> CustomerValues:
    """Return what each customer is expected to contribute over the horizon.

    Parameters
    ----------
    history : PurchaseHistory
    lifetime : LifetimeModel
        Of any method, fitted in days or weeks; days are converted.
    spend : SpendModel
    terms : ValueTerms

    Returns
    -------
    CustomerValues
        Without NaN for any possible history. A customer without a purchase has value 0: the models begin with a
        first purchase, and how many will ever make one is not in these data.

    Raises
    ------
    ValueError
        If the history or the terms are not possible.

    References
    ----------
    Fader, Hardie & Lee (2005), "RFM and CLV: using iso-value curves for customer base analysis", Journal of
    Marketing Research 42(4): value = margin x expected purchases x expected spend, discounted, with the lifetime
    model given in place of the Pareto/NBD.
    """
    found = _look(history, lifetime, spend, terms)
    known, (x, t_x, T), horizon, ahead = found.known, found.rows, found.horizon, found.ahead
    worth = np.divide(found.discounted, ahead, out=np.zeros_like(ahead), where=ahead > 0) * found.net
    tail = (1.0 - INTERVAL) / 2.0
    few, many = (purchase_quantile(lifetime, (x, t_x, T), horizon, level) for level in (tail, 1.0 - tail))
    ends = few * worth, many * worth
    alive, expected_spend, cost, serving = found.alive, found.spend, found.cost, found.serving
    someone = known | (serving > 0)
    contribution = _micros(someone, found.contribution)
    return CustomerValues(
        alive_probability=_frozen(np.where(known, alive, 0.0)),
        expected_purchases=_frozen(np.where(known, terms.season * alive * ahead, 0.0)),
        expected_spend_micros=_micros(known, expected_spend),
        expected_contribution_micros=contribution,
        low_micros=_micros(someone, np.where(known, np.minimum(*ends), 0.0) - serving),
        high_micros=_micros(someone, np.where(known, np.maximum(*ends), 0.0) - serving),
        below_zero=_frozen(contribution < 0),
        no_purchase=_frozen(~known),
        status=spend.status if lifetime.status is Status.OK else lifetime.status,
        cost_basis=Basis.ASSUMED if np.any(cost != 0) or np.any(serving != 0) else Basis.MEASURED,
    )


def value_by_group(
    history: PurchaseHistory,
    groups: Sequence[tuple[NDArray[np.bool_], LifetimeModel]],
    spend: SpendModel,
    terms: ValueTerms,
) -> CustomerValues:
    """Return the value of each customer by the lifetime model of their group.

    Parameters
    ----------
    groups : sequence of (bool array of shape (n,), LifetimeModel)
        Every customer belongs to exactly one.

    Returns
    -------
    CustomerValues
        With the status of the first group whose status is not OK.

    Raises
    ------
    ValueError
        If a customer belongs to no group or to several, or as for ``value_customers``.
    """
    if np.any(np.sum([members for members, _ in groups], axis=0) != 1):
        raise ValueError("groups: a customer belongs to none or several; must belong to one. Divide them anew.")
    found = [
        (members, value_customers(some(history, members), model, spend, some_terms(terms, members)))
        for members, model in groups
    ]
    columns: dict[str, Any] = {}
    for name in (f.name for f in fields(CustomerValues)):
        first = getattr(found[0][1], name)
        if not isinstance(first, np.ndarray):
            continue
        whole = np.zeros(len(found[0][0]), dtype=first.dtype)
        for members, values in found:
            whole[members] = getattr(values, name)
        columns[name] = _frozen(whole)
    statuses = [v.status for _, v in found]
    bases = {v.cost_basis for _, v in found}
    return CustomerValues(
        **columns,
        status=next((s for s in statuses if s is not Status.OK), Status.OK),
        cost_basis=Basis.ASSUMED if Basis.ASSUMED in bases else Basis.MEASURED,
    )


def some(history: PurchaseHistory, members: NDArray[np.bool_]) -> PurchaseHistory:
    """Return the history of the customers marked, shape (n,)."""
    columns: dict[str, Any] = {f.name: getattr(history, f.name) for f in fields(PurchaseHistory)}
    chosen: dict[str, Any] = {n: None if c is None else np.asarray(c)[members] for n, c in columns.items()}
    return PurchaseHistory(**chosen)


def some_terms(terms: ValueTerms, members: NDArray[np.bool_]) -> ValueTerms:
    """Return the terms of the customers marked, shape (n,); what holds for all stays."""
    given = {"cost_to_serve_micros": terms.cost_to_serve_micros, "yearly_cost_micros": terms.yearly_cost_micros}
    own: dict[str, Any] = {
        name: np.asarray(cost)[members] for name, cost in given.items() if cost is not None and np.ndim(cost)
    }
    return replace(terms, **own)


def expected_contribution(
    history: PurchaseHistory, lifetime: LifetimeModel, spend: SpendModel, terms: ValueTerms
) -> Floats:
    """Return the expected contribution of each customer as ``value_customers`` does, (n,) micros before rounding."""
    return _look(history, lifetime, spend, terms).contribution


@dataclass(frozen=True, slots=True)
class _Looked:
    """What value is made of; arrays of shape (n,), times in the unit of the model.

    ahead, discounted : expected purchases of who is still here, as such and discounted
    spend, cost, net : micros of a purchase day
    serving : micros of the horizon beside purchase days
    """

    known: NDArray[np.bool_]
    rows: Rows
    horizon: float
    alive: Floats
    ahead: Floats
    discounted: Floats
    spend: Floats
    cost: Floats
    net: Floats
    serving: Floats

    @property
    def contribution(self) -> Floats:
        """Expected contribution over the horizon, shape (n,), micros."""
        return np.where(self.known, self.alive * self.discounted * self.net, 0.0) - self.serving


def _look(history: PurchaseHistory, lifetime: LifetimeModel, spend: SpendModel, terms: ValueTerms) -> _Looked:
    _check_terms(terms)
    known, (x, t_x, T, mean, averaged) = _known_history(history)
    unit = lifetime.unit_days
    rows = x, t_x / unit, T / unit
    horizon = terms.horizon_days / unit
    ahead = purchases_if_alive(lifetime, rows, horizon)
    day_rate = np.log1p(terms.yearly_discount) / YEAR_DAYS
    expected_spend = expected_spend_micros(spend, averaged, mean)
    cost = np.zeros_like(x) if terms.cost_to_serve_micros is None else np.asarray(terms.cost_to_serve_micros)
    alive = alive_probability(lifetime, *rows)
    discounted = _discounted_purchases(lifetime, rows, ahead, horizon, day_rate * unit)
    return _Looked(
        known=known,
        rows=rows,
        horizon=horizon,
        alive=alive,
        ahead=ahead,
        discounted=terms.season * discounted,
        spend=expected_spend,
        cost=cost,
        net=expected_spend - cost,
        # Who comes oftener in season does not stay longer: the cost of a year goes by the mean pace.
        serving=_serving((known, lifetime, rows), (alive, discounted), terms, day_rate),
    )


def _check_terms(terms: ValueTerms) -> None:
    if not (np.isfinite(terms.horizon_days) and terms.horizon_days > 0):
        raise ValueError(f"horizon_days: not a length of time - {terms.horizon_days}; must be > 0. Give days.")
    if not 0.0 <= terms.yearly_discount <= 10.0:
        raise ValueError(
            f"yearly_discount: not a rate - {terms.yearly_discount}; must lie in [0, 10]. Give 0.10 for 10 %."
        )
    if not (np.isfinite(terms.season) and terms.season > 0):
        raise ValueError(f"season: not a factor - {terms.season}; must be finite and > 0. Give 1 for none.")
    for name in ("cost_to_serve_micros", "yearly_cost_micros"):
        given = getattr(terms, name)
        if given is None:
            continue
        cost = np.asarray(given, dtype=np.float64)
        bad = ~(np.isfinite(cost) & (cost >= 0))
        if bad.any():
            raise ValueError(f"{name}: not a cost - {cost[bad].flat[0]}; must be finite and >= 0. Give micros.")


def _serving(
    customers: tuple[NDArray[np.bool_], LifetimeModel, Rows],
    purchases: tuple[Floats, Floats],
    terms: ValueTerms,
    day_rate: float,
) -> Floats:
    """Return what serving is expected to cost over the horizon beside purchase days, discounted, shape (n,)."""
    known, lifetime, rows = customers
    if terms.yearly_cost_micros is None:
        return np.zeros(known.shape)
    yearly = np.asarray(terms.yearly_cost_micros, dtype=np.float64)
    if yearly.shape != known.shape:
        raise ValueError(f"yearly_cost_micros: {yearly.size} for {known.size} customers; give one each.")
    horizon = (terms.horizon_days, day_rate)
    ahead = cost_ahead(lifetime, rows, purchases, yearly, horizon)
    return with_those_who_never_bought(ahead, known, yearly, full_days(*horizon))


def _known_history(history: PurchaseHistory) -> tuple[NDArray[np.bool_], tuple[Floats, ...]]:
    averaged = history.frequency if history.averaged_days is None else history.averaged_days
    given = (history.frequency, history.recency_days, history.age_days, history.mean_micros, averaged)
    columns = [np.atleast_1d(np.asarray(column, dtype=np.float64)) for column in given]
    n = columns[0].shape
    bought = True if history.bought is None else np.asarray(history.bought, dtype=bool)
    known = np.ascontiguousarray(np.broadcast_to(bought, n))
    if any(column.shape != n for column in columns):
        raise ValueError(f"history: columns of different length - {[c.size for c in columns]}; give one each.")
    x, t_x, T, mean, averaged = (np.where(known, column, 0.0) for column in columns)
    return known, (*checked_history(x, t_x, T), mean, averaged)


def _discounted_purchases(model: LifetimeModel, rows: Rows, ahead: Floats, horizon: float, rate: float) -> Floats:
    """Return the integral of exp(-rate s) dN(s), by parts: N at the end and three times before it."""
    if rate == 0.0:
        return ahead
    total = float(np.exp(-rate * horizon)) * ahead
    for node, weight in zip(DISCOUNT_NODES, DISCOUNT_WEIGHTS, strict=True):
        time = float(node) * horizon
        factor = weight * rate * horizon * float(np.exp(-rate * time))
        total = total + factor * purchases_if_alive(model, rows, time)
    return total


def purchase_quantile(model: LifetimeModel, rows: Rows, horizon: float, level: float) -> Integers:
    """Return the smallest count that is not exceeded with probability ``level``.

    Parameters
    ----------
    model : LifetimeModel
    rows : three float64 arrays, shape (n,)
        Frequency, recency, age, in the time unit of the model.
    horizon : float
        In the time unit of the model.
    level : float
        In (0, 1).

    Returns
    -------
    int64 array, shape (n,), at most 2**40.
    """
    # The same history has the same quantile, and customers share histories: each is worked out once.
    distinct, which = np.unique(np.stack(rows, axis=1), axis=0, return_inverse=True)
    columns = [np.ascontiguousarray(column) for column in distinct.T]
    return _distinct_quantile(model, (columns[0], columns[1], columns[2]), horizon, level)[which]


def _distinct_quantile(model: LifetimeModel, rows: Rows, horizon: float, level: float) -> Integers:
    beyond = 1.0 - level
    # low is exceeded too often (or -1), high is not: doubling finds high, halving closes the gap.
    low, high = np.full(rows[0].shape, -1.0), np.zeros(rows[0].shape)
    active = np.arange(high.size)
    for _ in range(41):
        part = rows[0][active], rows[1][active], rows[2][active]
        active = active[purchase_tail(model, part, horizon, high[active]) > beyond]
        if active.size == 0:
            break
        low[active], high[active] = high[active], 2.0 * high[active] + 1.0
    active = np.flatnonzero(high - low > 1.0)
    while active.size:
        middle = np.floor((low[active] + high[active]) / 2.0)
        part = rows[0][active], rows[1][active], rows[2][active]
        exceeded = purchase_tail(model, part, horizon, middle) > beyond
        low[active] = np.where(exceeded, middle, low[active])
        high[active] = np.where(exceeded, high[active], middle)
        active = active[high[active] - low[active] > 1.0]
    return high.astype(np.int64)


def _micros(known: NDArray[np.bool_], amounts: Floats) -> Integers:
    bounded = np.clip(np.where(known, amounts, 0.0), -MOST_MICROS, MOST_MICROS)
    return _frozen(round_micros(bounded))


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values.setflags(write=False)
    return values
