"""Score a whole catalogue for each customer and keep the best offers, priced.

Why it exists: with thousands of offers the table of customers by offers is too large to write down, and only the
few best of a customer are ever chosen from. So scoring, valuing, excluding and keeping the best are one pass. A
customer's shortlist has the same bits alone, in a batch of a million, in any order and on any number of threads.

No prices are found here and no portfolio is chosen; no file, clock or random generator may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import LimitInvalid, OfferInvalid, ProgramInvalid, RapportError, StateDamaged
from rapport.decide.catalogue_select import GROUP, TILE, CustomerArrays, Kept, OfferArrays, take_all

ALLOWANCE = 2.0**-19
"""Share of an offer's largest possible value that covers the error of the float32 screen; see `prepare`."""
LARGEST_ODDS_RATIO = 1e6
LARGEST_LOGIT = 1e30
LARGEST_MICROS = 2**53


@dataclass(frozen=True)
class CustomerFactors:
    """What the shortlist reads of n customers; F dimensions, W words of rules.

    factors : (n, F) float32
    personal_start : (n + 1,) int64, where each customer's personal terms begin; the last is their number
    personal_offer : (terms,) int32, offer index, rising within a customer
    personal_logit : (terms,) float32, added to the logit of that pair
    rule_bits : (n, W) uint64; an offer that shares a bit is excluded
    charge_class : (n,) int32 in [0, G), the row of the charge that the customer pays
    """

    factors: NDArray[np.float32]
    personal_start: NDArray[np.int64]
    personal_offer: NDArray[np.int32]
    personal_logit: NDArray[np.float32]
    rule_bits: NDArray[np.uint64]
    charge_class: NDArray[np.int32]


@dataclass(frozen=True)
class OfferTerms:
    """What the shortlist reads of J offers.

    factors : (J, F) float32; bias : (J,) float32, logit of the base probability at factors of zero
    price_micros : (J,) int64 in [0, 2^53]
    margin_share : (J,) in [-1, 1]; depth : (J,) in [0, 1], shares of the price
    boost : (J,) in [0, 1000], share by which a positive value counts for more
    rule_bits : (J, W) uint64
    """

    factors: NDArray[np.float32]
    bias: NDArray[np.float32]
    price_micros: NDArray[np.int64]
    margin_share: NDArray[np.float64]
    depth: NDArray[np.float64]
    boost: NDArray[np.float64]
    rule_bits: NDArray[np.uint64]


@dataclass(frozen=True)
class PreparedOffers:
    """Offers laid out for the loop; `largest` is the largest size of a factor, to refuse logits that overflow."""

    arrays: OfferArrays
    odds_ratio: float
    dimensions: int
    words: int
    largest: float


@dataclass(frozen=True)
class Shortlist:
    """The best offers of n customers, best first; N slots, those left over hold offer -1, probability 0 and value 0.

    offer : (n, N) int32
    base_probability : (n, N) float64 in [0, 1], without the offer
    value_micros : (n, N) float64, before the charge
    threshold : (n,) float64, no open offer that was left out has a priced value above it; -inf if none was left out
    open_offers : (n,) int32, offers that no rule excludes
    """

    offer: NDArray[np.int32]
    base_probability: NDArray[np.float64]
    value_micros: NDArray[np.float64]
    threshold: NDArray[np.float64]
    open_offers: NDArray[np.int32]


def shortlist(
    customers: CustomerFactors,
    offers: OfferTerms,
    odds_ratio: float,
    charge: NDArray[np.float64],
    size: int,
    least: float = 0.0,
) -> Shortlist:
    """Return the `size` offers of highest priced value of each customer.

    Parameters
    ----------
    customers : CustomerFactors of n customers
    offers : OfferTerms of J offers
    odds_ratio : float in [1, 1e6]
        Odds of buying with the offer over odds without.
    charge : float array, shape (G, J), micros
        What an offer is charged for what it uses of shared limits, for each class of customers.
    size : int, at least 1
        N, the slots of a shortlist.
    least : float, micros
        Only offers with a priced value above it are returned; -inf returns the N best whatever their sign.

    Returns
    -------
    Shortlist

    Raises
    ------
    OfferInvalid
        A term of an offer is not finite or out of range, or shapes do not fit.
    LimitInvalid
        A charge is not finite or out of range, or its shape does not fit.
    StateDamaged
        A column of the customers is not finite or out of range, or shapes do not fit.
    ProgramInvalid
        The odds ratio, the size or `least` is not allowed.

    Notes
    -----
    ``logit = u.f + bias + personal``; ``p0 = 1 / (1 + exp(-logit))``; the value is that of
    `economics.contribution.incremental_micros` before rounding, times ``1 + boost`` if positive; the priced value is
    the value less the charge. Offers are ordered by priced value in float64, the lower index first among equals.
    """
    return shortlist_prepared(customers, prepare(offers, odds_ratio, charge), size, least)


def shortlist_prepared(
    customers: CustomerFactors, offers: PreparedOffers, size: int, least: float = 0.0
) -> Shortlist:
    """Return what `shortlist` returns, for offers prepared once for many batches."""
    _demand(size >= 1, ProgramInvalid, "size", "is not a number of slots", size, "at least 1")
    _demand(not np.isnan(least) and least < np.inf, ProgramInvalid, "least", "is no bound", least, "-inf or finite")
    arrays = _customer_arrays(customers, offers)
    n, slots = len(arrays.factors), min(size, len(offers.arrays.terms))
    kept = Kept(
        offer=np.empty((n, max(slots, 1)), dtype=np.int32),
        base_probability=np.empty((n, max(slots, 1))),
        value=np.empty((n, max(slots, 1))),
        threshold=np.empty(n),
        open_offers=np.empty(n, dtype=np.int32),
    )
    take_all(arrays, offers.arrays, (offers.odds_ratio, float(least)), kept)
    return Shortlist(
        offer=_widened(kept.offer, size, -1),
        base_probability=_widened(kept.base_probability, size, 0.0),
        value_micros=_widened(kept.value, size, 0.0),
        threshold=kept.threshold,
        open_offers=kept.open_offers,
    )


def prepare(offers: OfferTerms, odds_ratio: float, charge: NDArray[np.float64]) -> PreparedOffers:
    """Return the offers checked and laid out for the loop; parameters and errors as for `shortlist`.

    Notes
    -----
    The screen is a float32 value plus an allowance of 2^-19 (|price (margin - depth)| + price depth)(1 + boost)
    + 2^-19 |charge|. Let u = 2^-24. exp is within 3.4 u; the extra and the base probability change by at most that
    relative change, and there are fewer than ten roundings after it, each at most u of the same bound: under 14 u,
    where the allowance is 32 u. Logits are held within 30: beyond it p0 or 1 - p0 is below 1e-13, so that the largest
    odds ratio moves the value by under 1e-7 of the bound, which is 1.7 u.
    """
    _demand(
        1.0 <= odds_ratio <= LARGEST_ODDS_RATIO, ProgramInvalid, "odds_ratio", "is no lift", odds_ratio, "in [1, 1e6]"
    )
    dimensions = _check_offers(offers, charge)
    price = offers.price_micros.astype(np.float64)
    margin, depth, boost = (
        np.asarray(a, dtype=np.float64) for a in (offers.margin_share, offers.depth, offers.boost)
    )
    charges = np.ascontiguousarray(charge, dtype=np.float64)
    spread = margin - depth
    allowance = ALLOWANCE * (price * (np.abs(spread) + depth) * (1.0 + boost) + np.abs(charges))
    wide = -(-dimensions // GROUP) * GROUP
    factors = _tiled(np.pad(offers.factors.astype(np.float32), ((0, 0), (0, wide - dimensions))).T)
    words = np.ascontiguousarray(offers.rule_bits).view(np.uint32)
    arrays = OfferArrays(
        factors=np.ascontiguousarray(factors.transpose(1, 0, 2)).reshape(factors.shape[1], wide * TILE),
        bias=_tiled(offers.bias.astype(np.float32)),
        gain=_tiled((price * spread * (odds_ratio - 1.0)).astype(np.float32)),
        loss=_tiled((price * depth).astype(np.float32)),
        raised=_tiled((1.0 + boost).astype(np.float32)),
        cut=_tiled((allowance - charges).astype(np.float32), -np.inf),
        rules=_tiled(np.ascontiguousarray(words.T)),
        terms=np.column_stack([price, spread, depth, boost]),
        charge=charges,
    )
    largest = float(np.abs(offers.factors).max()) if offers.factors.size else 0.0
    return PreparedOffers(arrays, float(odds_ratio), dimensions, offers.rule_bits.shape[1], largest)


def _tiled(columns: NDArray[Any], fill: float = 0.0) -> NDArray[Any]:
    """Return the last axis, offers, padded to whole tiles and split into (tiles, TILE)."""
    tiles = -(-columns.shape[-1] // TILE)
    padded = np.full((*columns.shape[:-1], tiles * TILE), fill, dtype=columns.dtype)
    padded[..., : columns.shape[-1]] = columns
    return padded.reshape(*columns.shape[:-1], tiles, TILE)


def _widened(kept: NDArray[Any], size: int, fill: float) -> NDArray[Any]:
    """Return the slots with as many as were asked for, where the catalogue has fewer offers."""
    if kept.shape[1] == size:
        return kept
    wide = np.full((len(kept), size), fill, dtype=kept.dtype)
    wide[:, : kept.shape[1]] = kept
    return wide


def _check_offers(offers: OfferTerms, charge: NDArray[np.float64]) -> int:
    """Refuse offers that cannot be scored; return the number of dimensions."""
    _demand(offers.factors.ndim == 2, OfferInvalid, "offers.factors", "has axes", offers.factors.ndim, "2")
    count, dimensions = offers.factors.shape
    ranges = {"bias": (-LARGEST_LOGIT, LARGEST_LOGIT), "price_micros": (0, LARGEST_MICROS), "margin_share": (-1, 1)}
    for name, bounds in (ranges | {"depth": (0, 1), "boost": (0, 1000)}).items():
        column = getattr(offers, name)
        _demand_shape(column, (count,), OfferInvalid, f"offers.{name}")
        _demand_within(column, bounds, OfferInvalid, f"offers.{name}")
    _demand_within(offers.factors, (-LARGEST_LOGIT, LARGEST_LOGIT), OfferInvalid, "offers.factors")
    _demand_shape(offers.rule_bits, (count, None), OfferInvalid, "offers.rule_bits")
    _demand_type(offers.rule_bits, np.uint64, OfferInvalid, "offers.rule_bits")
    _demand_shape(charge, (None, count), LimitInvalid, "charge")
    _demand_within(charge, (-LARGEST_MICROS, LARGEST_MICROS), LimitInvalid, "charge")
    return int(dimensions)


def _customer_arrays(customers: CustomerFactors, offers: PreparedOffers) -> CustomerArrays:
    """Return the customers checked and laid out for the loop; what is laid out already is not copied."""
    n = len(customers.factors)
    _demand_shape(customers.factors, (n, offers.dimensions), StateDamaged, "customers.factors")
    _demand_type(customers.factors, np.float32, StateDamaged, "customers.factors")
    _demand_shape(customers.rule_bits, (n, offers.words), StateDamaged, "customers.rule_bits")
    _demand_type(customers.rule_bits, np.uint64, StateDamaged, "customers.rule_bits")
    _demand_shape(customers.charge_class, (n,), StateDamaged, "customers.charge_class")
    _demand_within(customers.charge_class, (0, len(offers.arrays.charge) - 1), StateDamaged, "customers.charge_class")
    limit = LARGEST_LOGIT / max(offers.largest * max(offers.dimensions, 1), 1.0)
    _demand_within(customers.factors, (-limit, limit), StateDamaged, "customers.factors")
    _check_personal(customers, n, len(offers.arrays.terms))
    wide = offers.arrays.factors.shape[1] // TILE
    factors = customers.factors
    if wide != offers.dimensions:
        factors = np.pad(factors, ((0, 0), (0, wide - offers.dimensions)))
    return CustomerArrays(
        factors=np.ascontiguousarray(factors),
        personal_start=np.ascontiguousarray(customers.personal_start, dtype=np.int64),
        personal_offer=np.ascontiguousarray(customers.personal_offer, dtype=np.int32),
        personal_logit=np.ascontiguousarray(customers.personal_logit, dtype=np.float32),
        rules=np.ascontiguousarray(customers.rule_bits).view(np.uint32),
        charge_class=np.ascontiguousarray(customers.charge_class, dtype=np.int32),
    )


def _check_personal(customers: CustomerFactors, n: int, count: int) -> None:
    start, offer = customers.personal_start, customers.personal_offer
    _demand_shape(start, (n + 1,), StateDamaged, "customers.personal_start")
    _demand_shape(customers.personal_logit, (len(offer),), StateDamaged, "customers.personal_logit")
    _demand_within(
        customers.personal_logit, (-LARGEST_LOGIT, LARGEST_LOGIT), StateDamaged, "customers.personal_logit"
    )
    _demand_within(offer, (0, count - 1), StateDamaged, "customers.personal_offer")
    rises = bool((np.diff(start) >= 0).all())
    ends = (int(start[0]), int(start[-1]))
    _demand(
        rises and ends == (0, len(offer)),
        StateDamaged,
        "customers.personal_start",
        "does not divide the personal terms; first and last are",
        ends,
        f"rising from 0 to {len(offer)}",
    )
    falls = np.diff(offer) <= 0
    inner = start[1:-1]
    falls[inner[(inner > 0) & (inner < len(offer))] - 1] = False
    place = int(np.argmax(falls)) if falls.any() else -1
    _demand(
        place < 0,
        StateDamaged,
        "customers.personal_offer",
        "does not rise within a customer; at term",
        place + 1,
        "each offer once per customer, in rising order",
    )


def _demand(holds: bool, error: type[RapportError], place: str, wrong: str, value: object, allowed: str) -> None:
    """Raise unless it holds, in the grammar of messages."""
    if not holds:
        raise error(f"{place}: {wrong} - {value}; must be {allowed}. Correct {place} and call again.")


def _demand_shape(array: NDArray[Any], shape: tuple[int | None, ...], error: type[RapportError], place: str) -> None:
    fits = array.ndim == len(shape) and all(b is None or a == b for a, b in zip(array.shape, shape, strict=True))
    wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
    _demand(fits, error, place, "has the wrong shape", array.shape, wanted)


def _demand_type(array: NDArray[Any], kind: Any, error: type[RapportError], place: str) -> None:
    _demand(array.dtype == kind, error, place, "has the wrong type", array.dtype, np.dtype(kind).name)


def _demand_within(array: NDArray[Any], bounds: tuple[float, float], error: type[RapportError], place: str) -> None:
    """Raise if a value is out of bounds or not a number."""
    if array.size == 0:
        return
    low, high = array.min(), array.max()
    fits = bool(low >= bounds[0] and high <= bounds[1])
    worst = low if not low >= bounds[0] else high
    _demand(
        fits, error, place, "has a value that is not allowed", worst, f"finite, in [{bounds[0]:g}, {bounds[1]:g}]"
    )
