"""Keep what is shared through a day: prices that follow how fast it goes, and a door that shuts when it is gone.

Why it exists: prices found in advance fit the day that was expected. Who really comes, and when, differs; so prices
move with what is left, and what one decision more could exceed is closed before it is made. Nothing is decided here,
and no clock may enter: the share of the day is an argument.

Which feedback, and why. The fluid plan of a day spends at the rate room left over arrivals left, and solving it anew
as these change is near the best in hindsight (Jasin and Kumar 2012; Agrawal, Wang and Ye 2014). Learning without a
plan moves prices step by step, by adding (Balseiro and Gur 2019) or by multiplying (Agarwal, Ghosh, Wei and You 2014;
the pacing multipliers of Conitzer, Kroer, Sodomka and Stier-Moses 2022; mirror descent covers both: Balseiro, Lu and
Mirrokni 2023). Here the batch gives the level of the prices and the day only the deviation, so no step size has to
decay: the price is that of the plan times a power of room planned over room left. Room left sums up all that went
before, which makes this an integral feedback in the logarithm of the price.

References
----------
Agarwal, Ghosh, Wei and You (2014), "Budget pacing for targeted online advertisements at LinkedIn", KDD.
Agrawal, Wang and Ye (2014), "A dynamic near-optimal algorithm for online linear programming".
Balseiro and Gur (2019), "Learning in repeated auctions with budgets: regret minimization and equilibrium".
Balseiro, Lu and Mirrokni (2023), "The best of many worlds: dual mirror descent for online allocation problems".
Conitzer, Kroer, Sodomka and Stier-Moses (2022), "Multiplicative pacing equilibria in auction markets".
Jasin and Kumar (2012), "A re-solving heuristic with bounded revenue loss for network revenue management".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import LimitInvalid
from rapport.decide.describe import Terms
from rapport.decide.problem import ANYONE, LEVELS_A_CHANNEL
from rapport.decide.sharing import OF_CONTACTS

GAIN = 3.0
"""Half the room that should be left raises a price eightfold. Chosen on simulated days other than those reported."""

SURE = 30.0
"""Arrivals of a class: with fewer than about so many, little is made of their rate."""

FARTHEST = 8.0
"""Room left over room planned counts as at most this, and at least its inverse."""

CLOSING_MICROS = 1e15
"""A price at which nothing pays: a thousand million units of money."""


@dataclass(frozen=True)
class Pace:
    """What a day begins with; each array of shape (L,).

    limit_micros : prices of the plan, at least 0 for maxima and at most 0 for minima
    bound, at_least : of the limits
    planned : what the plan uses over the whole day
    start_micros : at least 0, what one unit is worth about; a price of 0 rises or falls from there
    gain : power of the feedback, at least 0; 0 keeps the prices of the plan
    """

    limit_micros: NDArray[np.float64]
    bound: NDArray[np.float64]
    at_least: NDArray[np.bool_]
    planned: NDArray[np.float64]
    start_micros: NDArray[np.float64]
    gain: float = GAIN

    @classmethod
    def of(
        cls,
        limits: tuple[NDArray[np.float64], NDArray[np.bool_]],
        limit_micros: NDArray[np.float64],
        planned: NDArray[np.float64],
        value_micros: float,
        gain: float = GAIN,
    ) -> Pace:
        """Return the pace of a plan.

        Parameters
        ----------
        limits : bound (L,) and at_least (L,)
        limit_micros : (L,) prices of the plan
        planned : (L,) what the plan uses over the day
        value_micros : float, what the plan is worth; a unit of a limit is worth about a tenth of its part in that

        Raises
        ------
        LimitInvalid
            Planned use is negative or not finite.
        """
        if not (np.isfinite(planned).all() and (planned >= 0).all()):
            worst = planned[~(np.isfinite(planned) & (planned >= 0))][0]
            raise LimitInvalid(
                f"planned use: is no amount - {worst}; must be finite and at least 0. Plan the day anew."
            )
        bound, at_least = limits
        a_unit = 0.1 * max(value_micros, 0.0) / np.where(planned > 0, planned, np.inf)
        start = np.where(limit_micros == 0.0, a_unit, 0.0)
        return cls(limit_micros, bound, at_least, planned, start, gain)


def rest_of_plan(
    planned: NDArray[np.float64], expected: float, came: NDArray[np.float64], coming: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what the plan still needs of each limit, (L,).

    Parameters
    ----------
    planned : (T, L) what the plan uses over the day, by class of customers, such as tiers
    expected : float in [0, 1]
        Share of the day's expected arrivals that should have come by now.
    came, coming : (T,) arrivals of each class so far, and expected over the day

    Notes
    -----
    The lower of two shares of a class is still to come: of those expected, those who have not come, because who came
    early does not come again; and of the day, what is left of it times the rate at which they came so far over the
    rate expected, at most 1, as if `SURE` more had come as expected. A rest taken too low costs little: prices fall,
    use rises, and the next moment sees less room.
    """
    _check_share(expected)
    share = (1.0 - expected) * np.minimum(1.0, (came + SURE) / (coming * expected + SURE))
    left = np.maximum(coming - came, 0.0) / np.where(coming > 0, coming, 1.0)
    rest: NDArray[np.float64] = np.minimum(share, left) @ planned
    return rest


def _check_share(expected: float) -> None:
    if not 0.0 <= expected <= 1.0:
        raise LimitInvalid(f"share of the day: {expected}; must lie in [0, 1]. Give the share of arrivals expected.")


def paced_prices(pace: Pace, rest: NDArray[np.float64], used: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the prices of a moment of the day, (L,) micros per unit.

    Parameters
    ----------
    rest : (L,) what the plan still needs, see `rest_of_plan`
    used : (L,) what has been used so far

    Notes
    -----
    With room left R = bound - used, rest of the plan P, plan's price y and start s::

        maxima:  max(0, (y + s) (P / R)^gain - s)
        minima: -max(0, (s - y) (R / P)^gain - s)

    At the pace of a plan that uses up a limit R = P and the price is y. A maximum of which more is left than the plan
    needs gets cheaper, to nothing at the end of the day; one that runs out gets dear before it is closed.
    """
    room = np.maximum(pace.bound - used, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ahead = np.where(pace.at_least, room / rest, rest / room)
    # Nothing left to do and nothing left to do it with: stay with the plan.
    ahead = np.clip(np.where(np.isnan(ahead), 1.0, ahead), 1.0 / FARTHEST, FARTHEST)
    size = np.maximum((np.abs(pace.limit_micros) + pace.start_micros) * ahead**pace.gain - pace.start_micros, 0.0)
    return np.where(pace.at_least, 0.0 - size, size)


@dataclass(frozen=True)
class Uses:
    """What one decision uses: limits, each once, and how much of each; both of shape (u,)."""

    limit: NDArray[np.int64]
    amount: NDArray[np.float64]

    @classmethod
    def nothing(cls) -> Uses:
        """Return that nothing is used."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0))

    def fit(self, room: NDArray[np.float64], at_least: NDArray[np.bool_]) -> bool:
        """Return whether no maximum is exceeded with so much room left, (L,)."""
        return bool((at_least[self.limit] | (self.amount <= room[self.limit])).all())

    def added_to(self, used: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is used in all, (L,)."""
        total = used.copy()
        total[self.limit] += self.amount
        return total


def uses_of(
    terms: Terms, route: int, offers: NDArray[np.int32], given: NDArray[np.int64], scopes: NDArray[np.int32]
) -> Uses:
    """Return what a decision uses of the limits, as it is written in its record.

    Parameters
    ----------
    route : int, channel x 3 + level - 1; negative for silence
    offers : (k,) positions in the catalogue
    given : (k,) int64 micros, the expected discount of each, through the channel
    scopes : scopes of limits that the customer belongs to
    """
    if route < 0:
        return Uses.nothing()
    sharing = terms.sharing
    inside = _inside(sharing.scopes, scopes)
    contacts, entries, for_all = sharing.contacts, sharing.by_offer, sharing.for_all
    spoken = np.flatnonzero((contacts.at == route) & inside[contacts.scope])
    spans = [np.arange(entries.start[j], entries.start[j + 1]) for j in offers]
    which = np.repeat(np.arange(len(offers)), [len(s) for s in spans])
    e = np.concatenate(spans) if spans else np.zeros(0, dtype=np.int64)
    holds = ((entries.routes[e] >> route) & 1 == 1) & inside[entries.scope[e]]
    e, which = e[holds], which[holds]
    every = np.flatnonzero(((for_all.at >> route) & 1 == 1) & inside[for_all.scope])
    counted = np.where(for_all.amount[every] < 0, float(len(offers)), float(given.sum()))
    limit = np.concatenate([contacts.limit[spoken], entries.limit[e], for_all.limit[every]]).astype(np.int64)
    amount = np.concatenate(
        [
            contacts.use[spoken],
            entries.use[e] * np.where(entries.amount[e] < 0, 1.0, given[which]),
            for_all.use[every] * counted,
        ]
    )
    # A few dozen at most, for which a dictionary is faster than sorting.
    total: dict[int, float] = {}
    for n, much in zip(limit.tolist(), amount.tolist(), strict=True):
        total[n] = total.get(n, 0.0) + much
    once = sorted(total)
    return Uses(np.array(once, dtype=np.int64), np.array([total[n] for n in once], dtype=np.float64))


def _inside(count: int, scopes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return by scope whether the customer belongs to it; the last stands for `ANYONE`, which is -1."""
    inside = np.zeros(count + 1, dtype=np.bool_)
    inside[scopes] = True
    inside[ANYONE] = True
    return inside


@dataclass(frozen=True)
class Closing:
    """What is shut for one customer because too little is left.

    channels : (C,) bool
    offers : (k,) bool, of the offers open to them
    priced : (p,) limits that are shut in some channels only; there they get `CLOSING_MICROS`
    limits : (q,) all limits that shut something
    """

    channels: NDArray[np.bool_]
    offers: NDArray[np.bool_]
    priced: NDArray[np.int64]
    limits: NDArray[np.int64]


def most_used(terms: Terms) -> NDArray[np.float64]:
    """Return what one decision can use of each limit at most, whoever is decided, (L,); laid out once for a day."""
    size, catalogue, policy = len(terms.portfolio.weights), terms.catalogue, terms.policy
    given = np.sort(catalogue.price_micros * catalogue.depth)[::-1] + 1.0
    most = np.zeros(len(policy.limits))
    np.maximum.at(most, terms.sharing.contacts.limit, terms.sharing.contacts.use)
    for n, limit in enumerate(policy.limits):
        if limit.counts == "offers":
            most[n] = size if limit.offers is None else min(size, len(limit.offers))
        elif limit.counts == "giveaway":
            mine = given if limit.offers is None else _highest(catalogue.price_micros, catalogue.depth, limit.offers)
            most[n] = mine[:size].sum()
    return most


def _highest(price: NDArray[np.int64], depth: NDArray[np.float64], offers: tuple[int, ...]) -> NDArray[np.float64]:
    at = np.array(offers, dtype=np.int64)
    return np.sort(price[at] * depth[at])[::-1] + 1.0


@dataclass(frozen=True)
class Open:
    """What is open to one customer.

    offers : (k,) int32, positions in the catalogue
    given : (k,) float64, micros, the discount that each would give away when seen
    channels : (C,) bool
    scopes : scopes of limits that the customer belongs to
    """

    offers: NDArray[np.int32]
    given: NDArray[np.float64]
    channels: NDArray[np.bool_]
    scopes: NDArray[np.int32]


def close_what_is_short(terms: Terms, short: NDArray[np.int64], room: NDArray[np.float64], customer: Open) -> Closing:
    """Return what must be shut so that the customer's decision exceeds no limit, whatever is drawn.

    Parameters
    ----------
    short : limits of which less is left than `most_used`
    room : (L,) what is left

    Notes
    -----
    Shut before chance is drawn, so that the chances on record are those of the draw. A limit on offers that counts in
    all channels open to the customer takes the offers away; one that counts in some of them gets a price there.
    """
    limits, inside = terms.policy.limits, _inside(terms.sharing.scopes, customer.scopes)
    mine = [
        n
        for n in short.tolist()
        if not limits[n].at_least and inside[ANYONE if limits[n].scope is None else limits[n].scope]
    ]
    # Limits on contacts come first: they leave fewer channels.
    shut, on_contacts = _shut_channels(terms, [n for n in mine if limits[n].counts in OF_CONTACTS], room)
    through = set(np.flatnonzero(customer.channels & ~shut).tolist())
    gone, priced, on_offers = np.zeros(len(customer.offers), dtype=np.bool_), [], []
    for n in mine:
        if limits[n].counts in OF_CONTACTS:
            continue
        held = _held(terms, n, customer)
        if np.sort(np.where(gone, 0.0, held))[::-1][: len(terms.portfolio.weights)].sum() <= room[n]:
            continue
        on_offers.append(n)
        if through <= set(limits[n].channels):
            gone |= held > 0.0
        else:
            priced.append(n)
    return Closing(
        shut, gone, np.array(priced, dtype=np.int64), np.array(sorted(on_contacts + on_offers), dtype=np.int64)
    )


def _shut_channels(terms: Terms, limits: list[int], room: NDArray[np.float64]) -> tuple[NDArray[np.bool_], list[int]]:
    """Return the channels in which one contact more would use more than is left, and the limits that say so."""
    uses = terms.sharing.contacts
    over = np.isin(uses.limit, limits) & (uses.use > room[uses.limit])
    shut = np.zeros(len(terms.policy.channels), dtype=np.bool_)
    shut[uses.at[over] // LEVELS_A_CHANNEL] = True
    return shut, np.unique(uses.limit[over]).tolist()


def _held(terms: Terms, n: int, customer: Open) -> NDArray[np.float64]:
    """Return what each open offer would use of a limit at most, in whole micros or pieces, (k,)."""
    limit = terms.policy.limits[n]
    reach = max((terms.policy.channels[c].reach for c in limit.channels), default=0.0)
    amount = np.ones(len(customer.offers)) if limit.counts == "offers" else np.ceil(customer.given * reach) + 1.0
    return amount if limit.offers is None else np.where(np.isin(customer.offers, limit.offers), amount, 0.0)
