"""Chance in the decision, with exact probabilities: which channel, and what stands in the last slot.

Why it exists: what is only ever chosen by the model cannot be learned about. Each customer's draw is fixed by
their key and the turn's salt, and its probability is known in closed form, so it can be logged and used later.

The policy, for one customer with a set S of open choices (silence and the open, explorable channels):
with chance 1 - e the best choice, with chance e one of S, each alike. In an individual portfolio, with chance e
the last slot gives way to one of the other paying offers, each alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform

SILENT = -1
"""Index of silence among the channels."""


def channel_probabilities(
    best: NDArray[np.int64], explorable: NDArray[np.bool_], share: float
) -> NDArray[np.float64]:
    """Return the chance of silence and of each channel, shape (n, 1 + C), rows summing to 1.

    Parameters
    ----------
    best : int array, shape (n,)
        The best channel, `SILENT` for silence.
    explorable : bool array, shape (n, C)
        Channels that exploration may draw for the customer; silence always is.
    share : float in [0, 1]
        Exploration share e.
    """
    drawn = np.concatenate([np.ones((len(best), 1), dtype=np.bool_), explorable], axis=1)
    chances = share * drawn / drawn.sum(axis=1, keepdims=True)
    chances[np.arange(len(best)), best + 1] += 1.0 - share
    return chances


def draw_channels(
    keys: NDArray[np.int64], best: NDArray[np.int64], explorable: NDArray[np.bool_], share: float, salt: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the drawn channel (`SILENT` for silence) and whether it came by exploration, shapes (n,)."""
    explores = uniform(keys, f"{salt}:explore-channel") < share
    drawn = np.concatenate([np.ones((len(best), 1), dtype=np.bool_), explorable], axis=1)
    which = draw_one(drawn, uniform(keys, f"{salt}:which-channel"))
    return np.where(explores, which - 1, best), explores


def draw_one(open_to: NDArray[np.bool_], u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each row the index of one of its true entries, each alike, from u in [0, 1); shape (n,).

    Rows without a true entry give the last index; the caller must not use them.
    """
    count = open_to.sum(axis=1)
    wanted = np.minimum((u * count).astype(np.int64), np.maximum(count - 1, 0)) + 1
    return np.argmax(np.cumsum(open_to, axis=1) >= wanted[:, None], axis=1)
