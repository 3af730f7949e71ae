"""Who is left alone, so that what contact brings can be measured.

Why it exists: assignment is fixed by the household and a salt of its own, so two customers at one address share
it, and nobody drifts between arms. Once held out stays held out. No outcome may enter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform


def assign_holdout(
    household_keys: NDArray[np.int64], salt: str, share: float, kept: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which customers are held out of everything.

    Parameters
    ----------
    household_keys : int64 array, shape (n,)
    salt : str
        The programme's salt; the turn does not enter, so the draw is the same in every turn.
    share : float in [0, 0.5]
    kept : int64 array
        Households held out in earlier turns; they stay, also when the share is lowered.

    Returns
    -------
    bool array, shape (n,). Raising the share only adds households: a draw below a share is below any larger one.
    """
    drawn = uniform(household_keys, f"{salt}:holdout") < share
    return drawn | np.isin(household_keys, kept)
