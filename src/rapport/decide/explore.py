"""Chance in the decision, with exact probabilities: which channel, and what stands in the last slot.

Why it exists: what is only ever chosen by the model cannot be learned about. Each customer's draw is fixed by
their key and the turn's salt, and its probability is known in closed form, so it can be logged and used later.

The policy, for one customer with a set S of open choices (silence, unless they must be spoken to, and the open,
explorable channels): with chance 1 - e the best choice, with chance e one of S, each alike. In an individual
portfolio, with chance e the last slot gives way to one of the other offers that would pay there, each alike. For
the held-out e is 0: nothing is learned from what is not delivered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform

SILENT = -1
"""Index of silence among the channels."""


def open_choices(channels: NDArray[np.bool_], must_speak: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what exploration may draw for each customer, shape (n, 1 + C): silence first, then the channels.

    Silence is closed to whom something must be said, also where no channel may be explored: nothing is drawn then.
    """
    return np.concatenate([~must_speak[:, None], channels], axis=1)


def choice_probabilities(
    best: NDArray[np.int64], drawn: NDArray[np.bool_], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the chance of silence and of each channel, shape (n, 1 + C), rows summing to 1.

    Parameters
    ----------
    best : int array, shape (n,)
        The best channel, `SILENT` for silence.
    drawn : bool array, shape (n, 1 + C)
        What exploration may draw, see `open_choices`.
    share : float array, shape (n,), in [0, 1]
        Exploration share e.
    """
    count = drawn.sum(axis=1, keepdims=True)
    chances = np.where(count > 0, share[:, None] * drawn / np.maximum(count, 1), 0.0)
    chances[np.arange(len(best)), best + 1] += np.where(count[:, 0] > 0, 1.0 - share, 1.0)
    return chances


def draw_channels(
    keys: NDArray[np.int64],
    best: NDArray[np.int64],
    drawn: NDArray[np.bool_],
    share: NDArray[np.float64],
    salt: str,
) -> NDArray[np.int64]:
    """Return the channel that comes out, `SILENT` for silence, shape (n,)."""
    explores = (uniform(keys, f"{salt}:explore-channel") < share) & drawn.any(axis=1)
    which = draw_one(drawn, uniform(keys, f"{salt}:which-channel"))
    return np.where(explores, which - 1, best)


def draw_one(open_to: NDArray[np.bool_], u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each row the index of one of its true entries, each alike, from u in [0, 1); shape (n,).

    Rows without a true entry give the last index; the caller must not use them.
    """
    count = open_to.sum(axis=1)
    wanted = nth_of(u, count) + 1
    return np.argmax(np.cumsum(open_to, axis=1) >= wanted[:, None], axis=1)


def nth_of(u: NDArray[np.float64], count: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return a number in [0, count) for each u in [0, 1), each alike; 0 where the count is 0."""
    return np.minimum((u * count).astype(np.int64), np.maximum(count - 1, 0))


def drawn_to_explore(keys: NDArray[np.int64], share: float, salt: str) -> NDArray[np.bool_]:
    """Return whom chance may give something else than the best, in channel or last slot, shape (n,).

    It depends on key and salt alone, so it is known before any price.
    """
    return (uniform(keys, f"{salt}:explore-channel") < share) | (uniform(keys, f"{salt}:explore-slot") < share)
