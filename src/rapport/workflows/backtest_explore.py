"""Items a household never bought, ranked by the model and by four simple rules.

Why it exists: what somebody buys again says little of a model, for counting does nearly as well; what they buy
for the first time is where it must show more than popularity. Scores come from rows before the day; what was bought
after it judges and may not enter a score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rapport.differentiate.relevance_items import ItemStatistics
from rapport.measure.ranking import hits_at_k, top_k

MODEL = "rapport"
BUYERS = "popular"
PURCHASE_DAYS = "popular by purchase days"
ITEM_ITEM = "item-item"
LINEAR = "regularised linear"
RULES = (BUYERS, PURCHASE_DAYS, ITEM_ITEM, LINEAR)
EXPLORERS = (MODEL, *RULES)


def explore_scores(
    before: NDArray[np.bool_], purchase_days: NDArray[np.int64], items: ItemStatistics
) -> dict[str, NDArray[np.float64]]:
    """Return the scores of the rules, each of shape (n_customers, n_items).

    Parameters
    ----------
    before : bool array, shape (n_customers, n_items)
        Bought before the day.
    purchase_days : int64 array, shape (n_items,)
        Days on which households bought the item before the day, summed over households.
    items : ItemStatistics
        Of the same day.

    Notes
    -----
    *popular*: buyers of the item. *item-item*: the sum of the cosines between the item and what the household bought
    (Sarwar, Karypis, Konstan & Riedl 2001). *regularised linear*: EASE on bought or not (Steck 2019, eq. 8).
    """
    bought = sparse.csr_matrix(before.astype(np.float64))
    return {
        BUYERS: np.broadcast_to(before.sum(axis=0).astype(np.float64), before.shape),
        PURCHASE_DAYS: np.broadcast_to(purchase_days.astype(np.float64), before.shape),
        ITEM_ITEM: np.asarray(bought @ items.cosine.astype(np.float64)),
        LINEAR: np.asarray(bought @ items.ease.astype(np.float64)),
    }


def explore_hits(
    scores: dict[str, NDArray[np.float64]], before: NDArray[np.bool_], bought: NDArray[np.bool_], k: int
) -> dict[str, NDArray[np.float64]]:
    """Return, per household, how many of the k best items it never bought before were bought, for each set of scores.

    Parameters
    ----------
    scores : name -> float array, shape (n_customers, n_items)
    before, bought : bool arrays, shape (n_customers, n_items)
        Bought before the day; bought within the window from it.
    k : int
        At least 1.
    """
    return {
        name: hits_at_k(top_k(np.where(before, -np.inf, s), k), bought).astype(np.float64)
        for name, s in scores.items()
    }
