"""Customer keys, and random numbers that belong to a customer.

Why it exists: the same customer must meet the same chance alone, in any chunk, in any order and on any
engine. A stream shared by customers cannot promise that, a hash of (key, salt) can. No generator with a
state may enter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _digest64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def customer_key(customer_id: str) -> int:
    """Return the int64 key of a customer id: BLAKE2b with a digest of 8 bytes, big end first, signed for Spark."""
    return _digest64(customer_id)


def customer_keys(customer_ids: Iterable[str]) -> NDArray[np.int64]:
    """Return the keys of many ids, in their order, shape (n,)."""
    return np.fromiter((_digest64(i) for i in customer_ids), dtype=np.int64)


def positions(ordered: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each wanted key stands among ascending keys, -1 where it does not, shape of `wanted`."""
    at = np.searchsorted(ordered, wanted)
    there = at < len(ordered)
    there[there] = ordered[at[there]] == wanted[there]
    return np.where(there, at, -1)


def uniform(keys: NDArray[np.int64], salt: str) -> NDArray[np.float64]:
    """Return one number in [0, 1) for each key, fixed by (key, salt).

    Parameters
    ----------
    keys : int64 array, shape (n,)
    salt : str
        Another salt gives independent numbers for the same keys.

    Returns
    -------
    float64 array, shape (n,), multiples of 2**-53.

    References
    ----------
    Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators", the finaliser of SplitMix64
    (variant 13 of Stafford's mixers), applied twice so that neighbouring keys and salts are unrelated.
    """
    with np.errstate(over="ignore"):
        x = keys.astype(np.uint64) ^ np.uint64(_digest64(salt) & 0xFFFFFFFFFFFFFFFF)
        for _ in range(2):
            x = x + _GOLDEN
            x = (x ^ (x >> np.uint64(30))) * _MIX_1
            x = (x ^ (x >> np.uint64(27))) * _MIX_2
            x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53
