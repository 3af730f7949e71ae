"""The compiled loops that score a catalogue tile by tile and keep the best offers of each customer.

Why it exists: the loop runs once per customer and offer, so it must use the vector units, and the same pair must
give the same bits alone, in a batch of a million, in any order and on any number of threads. Hence no matrix library
and no relaxed arithmetic: every logit is one chain of fused multiply-adds in the order of the dimensions, which is
exact in the sense of IEEE 754 and so equal in vector and scalar code.

Two steps. The *screen* computes in float32, for every pair, an upper bound on the priced value: the value itself plus
an allowance for float32 that is proved in `catalogue_kernel.prepare`. The *decision* is made in float64, from the
float32 logit, for those pairs only whose bound reaches the N-th best so far. The order is that of the float64 priced
value, the lower offer index first among equals; the screen can only save work, never change what is kept.

No checks of the input and no allocation of results may enter; `catalogue_kernel` does both.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import NDArray

TILE = 512
"""Offers scored at a time; a tile of 64 dimensions is 128 KiB and stays in the second-level cache."""
STRIPE = 32
"""Columns of a tile whose maxima are kept: maximum c is over the offers c, c + STRIPE, c + 2 STRIPE, ..."""
GROUP = 8
"""Dimensions summed in one pass over a tile; the factors are padded with zeros to a multiple."""
BLOCK = 64
"""Customers that go through a tile before the next tile is fetched."""
STEEPEST = 30.0
"""Logits beyond this are screened as this: sigmoid(-30) is 1e-13, inside the allowance."""
PRICE, SPREAD, DEPTH, BOOST = range(4)
"""Columns of `OfferArrays.terms`."""
LOWEST = np.float32(-3.0e38)

_LOG2E = np.float32(1.44269504088896341)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_ROUNDER = np.float32(12582912.0)  # 1.5 x 2^23: adding it leaves the nearest integer in the last bits
_C2 = np.float32(5.0000001201e-1)
_C3 = np.float32(1.6666665459e-1)
_C4 = np.float32(4.1665795894e-2)
_C5 = np.float32(8.3334519073e-3)
_C6 = np.float32(1.3981999507e-3)
_C7 = np.float32(1.9875691500e-4)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)
_INFINITY = np.float32(np.inf)
_STEEP = np.float32(STEEPEST)


class OfferArrays(NamedTuple):
    """J offers padded to whole tiles, T tiles of `TILE` columns; G classes of charge, V words of 32 bits of rules."""

    factors: NDArray[np.float32]  # (T, F x TILE), dimension by dimension within a tile
    bias: NDArray[np.float32]  # (T, TILE)
    gain: NDArray[np.float32]  # (T, TILE) price (margin - depth) (w - 1)
    loss: NDArray[np.float32]  # (T, TILE) price x depth
    raised: NDArray[np.float32]  # (T, TILE) 1 + boost
    cut: NDArray[np.float32]  # (G, T, TILE) allowance - charge, -inf in padding
    rules: NDArray[np.uint32]  # (V, T, TILE)
    terms: NDArray[np.float64]  # (J, 4) price, margin - depth, depth, boost
    charge: NDArray[np.float64]  # (G, J)


class CustomerArrays(NamedTuple):
    """n customers; the columns of `catalogue_kernel.CustomerFactors`, rules as words of 32 bits."""

    factors: NDArray[np.float32]
    personal_start: NDArray[np.int64]
    personal_offer: NDArray[np.int32]
    personal_logit: NDArray[np.float32]
    rules: NDArray[np.uint32]
    charge_class: NDArray[np.int32]


class Kept(NamedTuple):
    """What is returned; N columns each where two-dimensional."""

    offer: NDArray[np.int32]
    base_probability: NDArray[np.float64]
    value: NDArray[np.float64]
    threshold: NDArray[np.float64]
    open_offers: NDArray[np.int32]


def _emit_fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a b + c rounded once, in float32."""
    single = types.float32

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType()] * 3)
        return builder.call(builder.module.declare_intrinsic("llvm.fma", [ir.FloatType()], kind), arguments)

    return single(single, single, single), generate


def _emit_bits_of(typing_context: Any, x: Any) -> Any:
    """Return the 32 bits of a float32 as an integer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


def _emit_float_of(typing_context: Any, x: Any) -> Any:
    """Return the float32 that has these 32 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


_fma: Any = intrinsic(_emit_fma)
_bits_of: Any = intrinsic(_emit_bits_of)
_float_of: Any = intrinsic(_emit_float_of)


@njit(inline="always", error_model="numpy")
def exp_single(x: np.float32) -> np.float32:
    """Return exp(x) in float32 for x in [-80, 80], within 2e-7 of it relatively.

    Notes
    -----
    Cephes `expf` (S. Moshier, 1989): x = n ln 2 + r with ln 2 in two parts, a polynomial of degree 7 for exp(r) on
    |r| <= ln 2 / 2, and n added to the exponent bits. No branch, so that it runs in vector units.
    """
    shifted = _fma(x, _LOG2E, _ROUNDER)
    n = shifted - _ROUNDER
    r = _fma(n, -_LN2_LOW, _fma(n, -_LN2_HIGH, x))
    p = _fma(_C7, r, _C6)
    p = _fma(p, r, _C5)
    p = _fma(p, r, _C4)
    p = _fma(p, r, _C3)
    p = _fma(p, r, _C2)
    p = _fma(p, r * r, r + _ONE)
    return _float_of(np.int32(_bits_of(p) + np.int32(_bits_of(shifted) << np.int32(23))))


@njit(cache=True, error_model="numpy")
def logits_of_two(u, v, tile, bias, z, y):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write the logits of two customers over a tile to z and y: dimension after dimension, from the bias on.

    Two at a time, because each load of the tile then serves two sums.
    """
    for k in range(TILE):
        z[k] = bias[k]
        y[k] = bias[k]
    for d in range(0, u.shape[0], GROUP):
        f0, f1 = tile[d * TILE : (d + 1) * TILE], tile[(d + 1) * TILE : (d + 2) * TILE]
        f2, f3 = tile[(d + 2) * TILE : (d + 3) * TILE], tile[(d + 3) * TILE : (d + 4) * TILE]
        f4, f5 = tile[(d + 4) * TILE : (d + 5) * TILE], tile[(d + 5) * TILE : (d + 6) * TILE]
        f6, f7 = tile[(d + 6) * TILE : (d + 7) * TILE], tile[(d + 7) * TILE : (d + 8) * TILE]
        a0, a1, a2, a3, a4, a5, a6, a7 = u[d], u[d + 1], u[d + 2], u[d + 3], u[d + 4], u[d + 5], u[d + 6], u[d + 7]
        b0, b1, b2, b3, b4, b5, b6, b7 = v[d], v[d + 1], v[d + 2], v[d + 3], v[d + 4], v[d + 5], v[d + 6], v[d + 7]
        for k in range(TILE):
            s = _fma(a3, f3[k], _fma(a2, f2[k], _fma(a1, f1[k], _fma(a0, f0[k], z[k]))))
            z[k] = _fma(a7, f7[k], _fma(a6, f6[k], _fma(a5, f5[k], _fma(a4, f4[k], s))))
            t = _fma(b3, f3[k], _fma(b2, f2[k], _fma(b1, f1[k], _fma(b0, f0[k], y[k]))))
            y[k] = _fma(b7, f7[k], _fma(b6, f6[k], _fma(b5, f5[k], _fma(b4, f4[k], t))))


@njit(cache=True, error_model="numpy")
def bound_values(z, gain, loss, raised, cut, w, bound):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write an upper bound on the priced value of each pair of a tile.

    With E = exp(-z): p0 = 1 / (1 + E), p1 = w / (w + E), so the value is
    ``((w - 1) price (margin - depth) E - price depth (w + E)) / ((1 + E)(w + E))``: one division.
    """
    for k in range(TILE):
        e = exp_single(min(max(-z[k], -_STEEP), _STEEP))
        seen = w + e
        value = (gain[k] * e - loss[k] * seen) / ((_ONE + e) * seen)
        bound[k] = max(value, value * raised[k]) + cut[k]


@njit(cache=True, error_model="numpy")
def shut_out(rules, of_customer, tile, hit, bound):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Set the bound of the offers that a rule excludes to -inf and return how many they are."""
    any_word = False
    for word in range(of_customer.shape[0]):
        mine = of_customer[word]
        if mine == 0:
            continue
        theirs = rules[word, tile]
        if any_word:
            for k in range(TILE):
                hit[k] |= mine & theirs[k]
        else:
            for k in range(TILE):
                hit[k] = mine & theirs[k]
        any_word = True
    shut = np.int32(0)
    if any_word:
        for k in range(TILE):
            bound[k] = bound[k] if hit[k] == 0 else -_INFINITY
            shut += np.int32(hit[k] != 0)
    return shut


@njit(cache=True, error_model="numpy")
def worth(logit, terms, w):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return base probability and value in float64, by the arithmetic of `economics.contribution`."""
    base = 1.0 / (1.0 + math.exp(-np.float64(logit)))
    weighted = w * base
    extra = max(weighted / (1.0 - base + weighted), base) - base
    value = (extra * terms[SPREAD] - base * terms[DEPTH]) * terms[PRICE]
    if value > 0.0:
        value *= 1.0 + terms[BOOST]
    return base, value


@njit(cache=True, error_model="numpy")
def insert(priced, offer, logit, at, new):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Put `new` (priced value, offer, logit) among the `at` best, highest first, lower index first when equal."""
    while at > 0 and (new[0] > priced[at - 1] or (new[0] == priced[at - 1] and new[1] < offer[at - 1])):
        priced[at], offer[at], logit[at] = priced[at - 1], offer[at - 1], logit[at - 1]
        at -= 1
    priced[at], offer[at], logit[at] = new


@njit(cache=True, error_model="numpy")
def screen_of(threshold):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return a finite float32 that is not above the threshold."""
    single = np.float32(min(max(threshold, -2.9e38), 2.9e38))
    return max(single - abs(single) * np.float32(2.0**-22), LOWEST)


@njit(cache=True, error_model="numpy")
def take_peaks(bound, peaks):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write the maxima of the columns c, c + STRIPE, c + 2 STRIPE, ... of a tile."""
    for c in range(STRIPE):
        peaks[c] = bound[c]
    for start in range(STRIPE, TILE, STRIPE):
        stripe = bound[start : start + STRIPE]
        for c in range(STRIPE):
            peaks[c] = max(peaks[c], stripe[c])


@njit(cache=True, error_model="numpy")
def keep_best(first, held, tile, room, terms, charge, rule):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Take the offers of a tile that belong among the best of a customer; return how many are now held.

    `tile` is (logits, bounds, peaks) of the tile, `room` (priced, offer, logit) of the customer, `rule` (w, least).
    The peaks are compared with the threshold first: most columns end there.
    """
    z, bound, peaks = tile
    priced, offer, logit = room
    w, least = rule
    last = priced.shape[0] - 1
    screen = screen_of(priced[last] if held > last else least)
    for c in range(STRIPE):
        if peaks[c] < screen:
            continue
        for k in range(c, TILE, STRIPE):
            if bound[k] < screen:
                continue
            j = np.int32(first + k)
            value = worth(z[k], terms[j], w)[1] - charge[j]
            if held <= last:
                if not value > least:
                    continue
                at = held
                held += 1
            elif value > priced[last] or (value == priced[last] and j < offer[last]):
                at = last
            else:
                continue
            insert(priced, offer, logit, at, (value, j, z[k]))
            screen = screen_of(priced[last] if held > last else least)
    return held


@njit(cache=True, error_model="numpy")
def finish(i, counts, room, kept, terms, rule):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write what is returned of customer i; `counts` is (offers held, offers shut out)."""
    priced, offer, logit = room
    held, shut = counts
    w, least = rule
    size = priced.shape[0]
    kept.open_offers[i] = terms.shape[0] - shut
    for slot in range(held):
        kept.offer[i, slot] = offer[slot]
        kept.base_probability[i, slot], kept.value[i, slot] = worth(logit[slot], terms[offer[slot]], w)
    for slot in range(held, size):
        kept.offer[i, slot] = -1
        kept.base_probability[i, slot] = 0.0
        kept.value[i, slot] = 0.0
    if held == terms.shape[0] - shut:
        kept.threshold[i] = -np.inf
    else:
        kept.threshold[i] = priced[size - 1] if held == size else least


@njit(cache=True, error_model="numpy")
def add_personal(first, at, end, personal_offer, personal_logit, z):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Add a customer's personal terms that fall in a tile; return where those of the next tile begin."""
    while at < end and personal_offer[at] < first + TILE:
        z[personal_offer[at] - first] += personal_logit[at]
        at += 1
    return at


@njit(cache=True, error_model="numpy")
def take_block(begin, end, customers, offers, rule, kept):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Shortlist the customers begin..end - 1: tile by tile, two customers at a time."""
    z = np.empty((2, TILE), dtype=np.float32)
    bound, peaks = np.empty(TILE, dtype=np.float32), np.empty(STRIPE, dtype=np.float32)
    hit = np.empty(TILE, dtype=np.uint32)
    size = kept.offer.shape[1]
    priced, offer = np.empty((BLOCK, size)), np.empty((BLOCK, size), dtype=np.int32)
    logit = np.empty((BLOCK, size), dtype=np.float32)
    held, shut = np.zeros(BLOCK, dtype=np.int32), np.zeros(BLOCK, dtype=np.int32)
    at = customers.personal_start[begin:end].copy()
    w = np.float32(rule[0])
    for t in range(offers.bias.shape[0]):
        first = t * TILE
        tile, bias, gain, loss, raised = (
            offers.factors[t],
            offers.bias[t],
            offers.gain[t],
            offers.loss[t],
            offers.raised[t],
        )
        for i in range(begin, end, 2):
            pair = min(i + 1, end - 1)
            logits_of_two(customers.factors[i], customers.factors[pair], tile, bias, z[0], z[1])
            for one in range(i, pair + 1):
                mine, s, g = z[one - i], one - begin, customers.charge_class[one]
                at[s] = add_personal(
                    first,
                    at[s],
                    customers.personal_start[one + 1],
                    customers.personal_offer,
                    customers.personal_logit,
                    mine,
                )
                bound_values(mine, gain, loss, raised, offers.cut[g, t], w, bound)
                shut[s] += shut_out(offers.rules, customers.rules[one], t, hit, bound)
                take_peaks(bound, peaks)
                room = (priced[s], offer[s], logit[s])
                held[s] = keep_best(first, held[s], (mine, bound, peaks), room, offers.terms, offers.charge[g], rule)
    for one in range(begin, end):
        s = one - begin
        finish(one, (held[s], shut[s]), (priced[s], offer[s], logit[s]), kept, offers.terms, rule)


@njit(parallel=True, cache=True, error_model="numpy")
def take_all(customers, offers, rule, kept):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Shortlist all customers, block by block on the threads there are; a block touches its own rows only."""
    n = customers.factors.shape[0]
    for block in prange((n + BLOCK - 1) // BLOCK):
        take_block(block * BLOCK, min(n, (block + 1) * BLOCK), customers, offers, rule, kept)
