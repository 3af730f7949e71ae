"""How the loops of the decision are compiled and spread over threads.

Why it exists: one place says what every compiled loop keeps to, so that a result has the same bits alone, in a batch
and on any number of threads. No loop stands here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

from numba import get_num_threads, njit

Loop = TypeVar("Loop", bound=Callable[..., object])

MOST_BLOCKS = 256
"""Sums over customers are made in at most so many blocks, then over blocks, always in the same order."""

BLOCK = 512
"""Customers of a block, where that makes no more than `MOST_BLOCKS`."""


def kernel(loop: Loop) -> Loop:
    """Compile a loop over arrays; it may make no arrays, only use those handed in.

    Counting references to arrays on two threads costs far more than the arithmetic (measured: sixty times), so it
    is switched off, and with it the making of arrays. No fast-math: sums keep their written order.
    """
    compiled: Any = njit(cache=True, nogil=True, _nrt=False)(loop)  # type: ignore[call-overload]
    compiled.stamp = _stamp(loop)
    kept = compiled._cache._cache_file
    # What is kept on disk goes by the date of the loop's own file; a loop it calls may have changed in another.
    kept._source_stamp = (kept._source_stamp, compiled.stamp)
    result: Loop = compiled
    return result


def _stamp(loop: Callable[..., object]) -> str:
    """Return a digest of a loop with all that is compiled into it: constants, and the loops that it calls."""
    code = loop.__code__
    told = [code.co_code.hex(), repr(code.co_consts), repr(code.co_names)]
    for name in sorted(code.co_names):
        used: Any = loop.__globals__.get(name)
        if isinstance(used, bool | int | float | str | tuple):
            told.append(f"{name}={used!r}")
        elif hasattr(used, "stamp"):
            told.append(f"{name}={used.stamp}")
    return hashlib.blake2b("\n".join(told).encode(), digest_size=12).hexdigest()


def block_count(n: int) -> int:
    """Return in how many blocks n customers are summed; it does not depend on the machine."""
    return int(max(1, min(MOST_BLOCKS, -(-n // BLOCK))))


def in_threads(blocks: int, work: Callable[[int, int], None]) -> None:
    """Call `work(first, last)` on consecutive runs of blocks, one run a thread; compiled loops release the lock."""
    threads = min(get_num_threads(), blocks)
    if threads <= 1:
        work(0, blocks)
        return
    edges = [blocks * t // threads for t in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, a, b) for a, b in pairwise(edges)]:
            done.result()
