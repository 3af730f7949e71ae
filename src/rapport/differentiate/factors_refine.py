"""The relevance model of trees, asked about the pairs of a shortlist alone.

Why it exists: factors and a few weights score a whole catalogue; trees see more in a history but read dense features.
So factors choose whom to ask about, and trees say how likely. No shortlist is made here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import positions
from rapport.differentiate.relevance import raw_scorer
from rapport.differentiate.relevance_calibration import apply_calibration
from rapport.differentiate.relevance_features import ChunkFeatures, relevance_features
from rapport.differentiate.relevance_history import PurchaseHistory
from rapport.differentiate.relevance_record import PairModel, RelevanceModel

_CHUNK = 256


def refine_shortlist(
    model: RelevanceModel, history: PurchaseHistory, offer: NDArray[np.int32], as_of: int | None = None
) -> NDArray[np.float64]:
    """Return the relevance model's probability of each shortlisted pair.

    Parameters
    ----------
    model : RelevanceModel
    history : PurchaseHistory
        Of the n customers, over the model's catalogue of J items.
    offer : (n, N) int32 in [-1, J)
        `decide.catalogue_kernel.Shortlist.offer` where offers are the model's items; -1 is an empty slot.
    as_of : int, optional
        Days since 1970-01-01; the model's own day by default.

    Returns
    -------
    (n, N) float64 in [0, 1): the bits that `predict_relevance` gives for the pair; 0 for an empty slot.

    Raises
    ------
    ValueError
        The shortlist has another number of customers than the history.
    """
    if len(offer) != history.n_customers:
        raise ValueError(
            f"refine_shortlist: offer has {len(offer)} rows; must be {history.n_customers}, one a customer of the "
            "history. Read both for the same customers."
        )
    day = model.as_of if as_of is None else as_of
    out = np.zeros(offer.shape)
    for first in range(0, history.n_customers, _CHUNK):
        stop = min(first + _CHUNK, history.n_customers)
        features = relevance_features(history.of_customers(first, stop), model.items, day)
        row, slot = np.nonzero(offer[first:stop] >= 0)
        item = offer[first:stop][row, slot].astype(np.int64)
        out[first + row, slot] = _probabilities(model, features, row, item)
    return out


def _probabilities(
    model: RelevanceModel, features: ChunkFeatures, row: NDArray[np.int64], item: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the probability of each pair of a chunk: by the repeat model where it was bought, else by explore."""
    items = features.tastes.shape[1]
    bought = features.customer.astype(np.int64) * items + features.item
    place = positions(bought, row * np.int64(items) + item)
    again, never = place >= 0, place < 0
    out = np.empty(len(row))
    out[again] = _scored(model.repeat, features.repeat_rows()[place[again]])
    out[never] = _scored(model.explore, features.explore_rows(row[never], item[never]))
    return out


def _scored(model: PairModel, x: NDArray[np.float32]) -> NDArray[np.float64]:
    return apply_calibration(raw_scorer(model.boosters)(x), model.raw_knots, model.probability_knots)
