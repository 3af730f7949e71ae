"""The litmus test: is one-to-one treatment warranted for this customer, or a segment's, or none?

Why it exists: each further level must earn more than it costs, customer by customer. The sums come in as
arguments; nothing is estimated here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS = ("none", "mass", "segment", "individual")
"""From the cheapest to the dearest; an equal sum goes to the cheaper level."""


def judge_levels(
    mass_micros: NDArray[np.int64], segment_micros: NDArray[np.int64], individual_micros: NDArray[np.int64]
) -> NDArray[np.int8]:
    """Return for each customer the level with the highest net sum, as an index into `LEVELS`.

    Parameters
    ----------
    mass_micros, segment_micros, individual_micros : int64 arrays, shape (n,)
        Expected incremental contribution of the level's best portfolio in its best channel, less the cost of
        the contact and of the level. Leaving the customer alone is worth 0.

    Returns
    -------
    int8 array, shape (n,), in 0..3.
    """
    sums = np.stack([np.zeros_like(mass_micros), mass_micros, segment_micros, individual_micros])
    return np.argmax(sums, axis=0).astype(np.int8)
